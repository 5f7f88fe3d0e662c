"""What has to be joined: the links of all nets, and their ties."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import shapely

from layoutgen.route.eject import ASKS, Link
from layoutgen.route.problem import RouteProblem, Terminal
from layoutgen.route.topology import OUTSIDE
from layoutgen.units import Um, dbu


def make_links(problem: RouteProblem) -> tuple[list[Link], dict[str, list[int]]]:
    """All links of a problem, and its free terminals by group (indices of terminals).

    A net's terminals without a group are one cluster: a minimum spanning tree of links. Each terminal that asks for a
    free one is a cluster of its own. With ties, every cluster gets one for each of its terminals with `own_tie`, and
    one where it has none of them. Terminals at one place are one, on the grid.
    """
    links: list[Link] = []
    clusters: dict[tuple[str, int], list[int]] = {}
    free: dict[str, list[int]] = {}
    seen: set[tuple[str, int, int]] = set()
    own_ties = {_place(t) for t in problem.terminals if t.own_tie}
    for i, t in enumerate(problem.terminals):
        if _place(t) in seen:
            continue
        seen.add(_place(t))
        if not t.net:
            free.setdefault(t.group, []).append(i)
        elif t.group:
            clusters[t.net, i] = [i]
        else:
            clusters.setdefault((t.net, -1), []).append(i)
    ties: list[Link] = []
    rim = shapely.LinearRing(problem.outline)
    air = _to_free(problem, [asker for _, asker in clusters if asker >= 0], free)
    for (net, asker), members in clusters.items():
        cluster = tuple(members)
        if asker >= 0:
            free.setdefault(problem.terminals[asker].group, [])
            link = Link(net, asker, ASKS, air.get(asker, 0.0), (asker,), problem.terminals[asker].group)
            links.append(link)
        else:
            links += _tree(problem, net, cluster)
        if problem.ties:
            away = {i: shapely.Point(problem.terminals[i].x, problem.terminals[i].y).distance(rim) for i in members}
            own = [i for i in members if _place(problem.terminals[i]) in own_ties] or [
                min(members, key=lambda i: (away[i], i))
            ]
            ties += [Link(net, i, OUTSIDE, away[i], cluster if len(own) == 1 else (i,)) for i in own]
    return links + ties, free


def _place(t: Terminal) -> tuple[str, int, int]:
    return t.net, dbu(t.x), dbu(t.y)


def _tree(problem: RouteProblem, net: str, cluster: tuple[int, ...]) -> list[Link]:
    at = [(problem.terminals[i].x, problem.terminals[i].y) for i in cluster]
    near = {k: (math.dist(at[0], at[k]), 0) for k in range(1, len(at))}
    out = []
    while near:
        b = min(near, key=lambda k: (near[k], k))
        air, a = near.pop(b)
        out.append(Link(net, cluster[a], cluster[b], air, cluster))
        for k in near:
            near[k] = min(near[k], (math.dist(at[b], at[k]), b))
    return out


def _to_free(problem: RouteProblem, askers: Iterable[int], free: Mapping[str, list[int]]) -> dict[int, Um]:
    """How far terminals are from the nearest free one that they may take, where there is any."""
    at = np.array([(t.x, t.y) for t in problem.terminals], dtype=float).reshape(-1, 2)
    by_group: dict[str, list[int]] = {}
    for i in askers:
        by_group.setdefault(problem.terminals[i].group, []).append(i)
    air: dict[int, Um] = {}
    for group, members in by_group.items():
        if group in free:
            near, away = shapely.STRtree(np.asarray(shapely.points(at[free[group]]))).query_nearest(
                shapely.points(at[members]), return_distance=True, all_matches=False
            )
            air |= {members[k]: d for k, d in zip(near[0].tolist(), away.tolist(), strict=True)}
    return air
