"""Rules between polygons, or within one: by what belongs together in the whole layout, not in a window.

On a plated wafer the bus makes most metal one polygon, and two shapes may be joined far outside of a window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

import klayout.db as kdb
import numpy as np
import numpy.typing as npt

from layoutgen.drc.checks import Task
from layoutgen.drc.place import place
from layoutgen.findings import Edge, Finding
from layoutgen.windows import InPlace, Sheet
from layoutgen.windows.arrays import Ints
from layoutgen.windows.components import Components

Bools: TypeAlias = npt.NDArray[np.bool_]


def apart(
    found: Iterable[tuple[Sheet | InPlace, Sequence[Finding]]], parts: Components, short: int
) -> Iterator[Finding]:
    """Of what was found between pieces on the sheets of a view, what is of different polygons.

    short: extent in database units up to which every window that might own a finding sees it whole.

    Raises:
        LookupError: the windows cannot tell what belongs together; rounding has made them disagree.
    """
    of_different = _Apart(parts)
    for sheet, some in found:
        yield from place(some, sheet, short, of_different.where)


class _Apart:
    """Where the two edges of a finding are of different polygons of the whole layout."""

    def __init__(self, parts: Components) -> None:
        self._parts = parts
        self._known: dict[tuple[int, int], Bools] = {}

    def where(self, finding: Finding, window: int) -> Bools:
        """At which places of a window."""
        edges = finding.part or finding.edges
        if len(edges) < 2:  # from a circle, which is a polygon by itself
            return np.ones(len(self._parts.places[window]), dtype=bool)
        a, b = sorted(_piece(self._parts, window, self._seen(edge, window)) for edge in edges)
        if (a, b) not in self._known:
            self._known[a, b] = self._parts.of(a) != self._parts.of(b)
        return self._known[a, b]

    def _seen(self, edge: Edge, window: int) -> Edge:
        """What a window sees of an edge."""
        view = self._parts.view
        inside = kdb.Edge(*edge).clipped(kdb.Box(*view.cores[window].tolist()).enlarged(view.halo, view.halo))
        return edge if inside is None else (inside.x1, inside.y1, inside.x2, inside.y2)


def _piece(parts: Components, window: int, edge: Edge) -> int:
    """The piece that an edge is of."""
    for x, y in (edge[:2], edge[2:]):
        piece = parts.piece_at(window, x, y)
        if piece is not None:
            return piece
    raise LookupError(f"no polygon at edge {edge}")


def within(job: Task, parts: Components, short: int) -> Iterator[Finding]:
    """What breaks a rule within one polygon: of pieces near each other, those that are of one are looked at as such.

    What stands between two pieces may be of the same polygon or not: which ones are of one is not the same everywhere
    that a window's like stand, so each way in which they belong together is looked at by itself.

    Raises:
        LookupError: the windows cannot tell what belongs together; rounding has made them disagree.
    """
    as_one = job.kind.candidates or job.kind.check
    close = _close(job, parts)
    several = np.zeros(len(parts.polygons), dtype=bool)
    several[np.concatenate([*close, np.empty(0, dtype=np.int64)])] = True
    of_window = {window: sheet for sheet in parts.sheets for window in sheet.windows.tolist()}
    for sheet in parts.sheets:
        mine = np.flatnonzero(~several & np.isin(parts.window, sheet.windows)).tolist()
        yield from place(job.run([_region(parts, mine)]), sheet, short)
    for group in close:
        sheet = of_window[int(parts.window[group[0]])]
        for where, classes in _ways(np.stack([parts.of(int(k)) for k in group], axis=1)):
            found: list[Finding] = []
            for members in classes:
                region = _region(parts, group[members].tolist())
                if len(members) == 1:
                    found += job.run([region])
                else:
                    found += as_one(job.rule, [region], job.steps, job.options)
            yield from place(found, sheet, short, partial(_there, where))


def _there(where: Bools, finding: Finding, window: int) -> Bools:
    return where


def _region(parts: Components, pieces: Sequence[int]) -> kdb.Region:
    return kdb.Region([parts.polygons[k] for k in pieces])


def _close(job: Task, parts: Components) -> list[Ints]:
    """Groups of pieces that lie within the limit of each other, somewhere of one polygon."""
    pairs: set[tuple[int, int]] = set()
    for sheet, region in zip(parts.sheets, parts.regions, strict=True):
        near = region.isolated_check(job.steps + 1, False, kdb.Region.Square, 90, None, None, False)
        seen: set[tuple[int, ...]] = set()
        for pair in near.each():
            ends = np.array([(e.p1.x, e.p1.y) for e in (pair.first, pair.second)], dtype=np.int64)
            slots = sheet.slots(ends)
            window = int(sheet.windows[slots[0]])
            moved = sheet.moved[slots[0]]
            both = [_piece(parts, window, _edge(e, moved)) for e in (pair.first, pair.second)]
            key = tuple(sorted(both))
            if key not in seen:
                seen.add(key)
                if (parts.of(both[0]) == parts.of(both[1])).any():
                    pairs.add((key[0], key[1]))
    root: dict[int, int] = {}

    def top(k: int) -> int:
        while root.setdefault(k, k) != k:
            root[k] = root[root[k]]
            k = root[k]
        return k

    for a, b in sorted(pairs):
        a, b = top(a), top(b)
        root[max(a, b)] = min(a, b)
    groups: dict[int, list[int]] = {}
    for k in sorted(root):
        groups.setdefault(top(k), []).append(k)
    return [np.array(members, dtype=np.int64) for members in groups.values()]


def _edge(e: kdb.Edge, moved: Ints) -> Edge:
    x, y = (int(v) for v in moved)
    return e.x1 - x, e.y1 - y, e.x2 - x, e.y2 - y


def _ways(numbers: Ints) -> Iterator[tuple[Bools, list[Ints]]]:
    """Each way in which pieces (columns) belong together, and at which places (rows) they do so."""
    first = (numbers[:, :, None] == numbers[:, None, :]).argmax(axis=2)
    ways, which = np.unique(first, axis=0, return_inverse=True)
    for k, way in enumerate(ways):
        yield which.reshape(-1) == k, [np.flatnonzero(way == number) for number in np.unique(way)]
