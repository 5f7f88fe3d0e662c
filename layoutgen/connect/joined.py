"""What is one conductor: the pieces of several levels, joined where they meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from layoutgen.connect.pieces import Pieces
from layoutgen.connect.sheets import NONE, Cloud, Ints, Nodes, Sheet

Known: TypeAlias = dict[tuple[Sheet, Sheet], tuple[Ints, Ints]]
"""The nodes of two sheets that meet."""


@dataclass(frozen=True)
class Joined:
    """What is one conductor: levels by name, their nodes, and of each node the number of its net (0, 1, ...).

    links: pairs of levels that are joined where they overlap.
    """

    pieces: Pieces
    sheets: Mapping[str, Sheet]
    nodes: Mapping[str, Nodes]
    net: Mapping[str, Ints]
    count: int
    links: Sequence[tuple[str, str]]

    def at(self, level: str, cloud: Cloud) -> Ints:
        """The net at each point of a cloud on a level; -1: nothing is there."""
        node = self.pieces.at(self.sheets[level], cloud)
        nets = self.net[level]
        return np.where(node < 0, NONE, nets[node]) if len(nets) else node


def join(
    pieces: Pieces, sheets: Mapping[str, Sheet], known: Known | None = None,
    joined: Sequence[tuple[str, str]] | None = None,
) -> Joined:  # fmt: skip
    """Levels, each joined with what it overlaps of some others.

    known: meetings that were found before. joined: which are joined, in pairs; left out, each with the next.
    """
    from scipy.sparse import csr_array  # not needed by every check, and slow to import
    from scipy.sparse.csgraph import connected_components

    known = {} if known is None else known
    joined = [*pairwise(sheets)] if joined is None else joined
    nodes = {name: pieces.nodes(sheet) for name, sheet in sheets.items()}
    base, total = {}, 0
    for name in sheets:
        base[name] = total
        total += len(nodes[name].piece)
    links = [np.empty((0, 2), dtype=np.int64)]
    for a, b in [*((name, name) for name in sheets), *joined]:
        key = sheets[a], sheets[b]
        if key not in known:
            known[key] = pieces.meetings(sheets[a], sheets[b], area=a != b)
        u, v = known[key]
        links.append(np.column_stack([u + base[a], v + base[b]]))
    u, v = np.concatenate(links).astype(np.int32).T  # as the search has them
    graph = csr_array((np.ones(len(u), dtype=bool), (u, v)), shape=(total, total))
    count, number = connected_components(graph, directed=False)
    net = {name: number[base[name] : base[name] + len(nodes[name].piece)] for name in sheets}
    return Joined(pieces, sheets, nodes, net, count, joined)
