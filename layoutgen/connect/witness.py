"""What shows why two places are one net: the shortest way from one to the other through the metal."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen.connect.joined import Joined
from layoutgen.connect.kinds import outline
from layoutgen.connect.sheets import Bools, Ints
from layoutgen.findings import Hull

MOST = 20_000
"""Parts of metal that a way is looked for through."""
AROUND = (1_000_000, 10_000_000, 100_000_000)
"""How far beyond both places, in database units: further where it is not found nearer."""
TOUCH = 2.0
"""What parts of slanted metal may be apart, as their corners are on the grid."""


def way(joined: Joined, net: int, start: tuple[str, Ints], end: tuple[str, Ints]) -> Hull:
    """The metal along the shortest way between two places (level and point) of a net, as the corners of a polygon.

    Where it leads through too much, the box around both places.
    """
    points = np.array([start[1], end[1]])
    names = list(joined.sheets)
    mine = {name: np.flatnonzero(joined.net[name] == net) for name in names}
    boxes = {name: joined.pieces.boxes(joined.sheets[name], joined.nodes[name])[mine[name]] for name in names}
    met = np.eye(len(names), dtype=bool)
    for a, b in joined.links:
        met[names.index(a), names.index(b)] = met[names.index(b), names.index(a)] = True
    seen = -1
    for around in AROUND:
        low, high = points.min(axis=0) - around, points.max(axis=0) + around
        near = {
            name: mine[name][(b[:, :2] <= high).all(axis=1) & (b[:, 2:] >= low).all(axis=1)]
            for name, b in boxes.items()
        }
        if sum(len(some) for some in near.values()) == seen:
            continue
        seen = sum(len(some) for some in near.values())
        parts: list[kdb.Polygon] = []
        of: list[int] = []
        for number, name in enumerate(names):
            for node in near[name].tolist():
                shape = joined.pieces.polygon(joined.sheets[name], joined.nodes[name], node)
                here = [kdb.Polygon(list(p.each_point())) for p in shape.decompose_trapezoids()]
                parts += here
                of += [number] * len(here)
                if len(parts) > MOST:
                    return _around(points)
        if found := _shortest(parts, of, [(names.index(level), at) for level, at in (start, end)], met):
            corridor = kdb.Region([parts[k] for k in found]).merged()
            largest = max(corridor.each(), key=lambda p: p.area2())
            return tuple((p.x, p.y) for p in largest.each_point_hull())
    return _around(points)


def _shortest(parts: list[kdb.Polygon], of: list[int], ends: list[tuple[int, Ints]], met: Bools) -> list[int]:
    """The parts along the shortest way; none where there is no way. met: which levels are joined."""
    if not parts:
        return []
    shapes = np.array([outline(p) for p in parts], dtype=object)
    tree = shapely.STRtree(shapes)
    level = np.array(of)
    u, v = tree.query(shapes, predicate="dwithin", distance=TOUCH)
    near = (u != v) & met[level[u], level[v]]
    u, v = u[near], v[near]
    across = level[u] != level[v]
    apart = np.zeros(len(u), dtype=bool)
    apart[across] = shapely.area(shapely.intersection(shapes[u[across]], shapes[v[across]])) == 0
    u, v = u[~apart], v[~apart]
    beside: dict[int, list[int]] = {}
    for a, b in zip(u.tolist(), v.tolist(), strict=True):
        beside.setdefault(a, []).append(b)
    places = []
    for number, at in ends:
        hits = [k for k in tree.query(shapely.Point(*at.tolist()), predicate="intersects").tolist() if of[k] == number]
        if not hits:
            return []
        places.append(hits)
    middle = shapely.get_coordinates(shapely.centroid(shapes))
    goals = set(places[1])
    best = dict.fromkeys(places[0], 0.0)
    before: dict[int, int] = {}
    queue = [(0.0, k) for k in sorted(best)]
    while queue:
        far, k = heapq.heappop(queue)
        if k in goals:
            found = [k]
            while found[-1] in before:
                found.append(before[found[-1]])
            return found
        if far > best[k]:
            continue
        for n in beside.get(k, ()):
            new = far + math.dist(middle[k], middle[n])
            if new < best.get(n, math.inf):
                best[n], before[n] = new, k
                heapq.heappush(queue, (new, n))
    return []


def through(polygons: Iterable[kdb.Polygon], start: Ints, end: Ints) -> Hull:
    """A way between two points in polygons along their parts, as the corners of a polygon; empty: there is none."""
    parts = [kdb.Polygon(list(p.each_point())) for one in polygons for p in one.decompose_trapezoids()]
    found = (
        _shortest(parts, [0] * len(parts), [(0, start), (0, end)], np.eye(1, dtype=bool)) if len(parts) <= MOST else []
    )
    if not found:
        return ()
    largest = max(kdb.Region([parts[k] for k in found]).merged().each(), key=lambda p: p.area2())
    return tuple((p.x, p.y) for p in largest.each_point_hull())


def gap(joined: Joined, level: str, one: int, other: int, points: tuple[Ints, Ints]) -> Hull:
    """The shortest gap between two nets on a level near two of their points, 1 um wide."""
    sheet, nodes = joined.sheets[level], joined.nodes[level]
    shapes = []
    for net, point in ((one, points[0]), (other, points[1])):
        mine = np.flatnonzero(joined.net[level] == net)
        if len(mine) > MOST:
            boxes = joined.pieces.boxes(sheet, nodes)[mine]
            far = np.maximum(np.maximum(boxes[:, :2] - point, point - boxes[:, 2:]), 0).max(axis=1)
            mine = mine[np.argsort(far, kind="stable")[:100]]
        shapes.append(shapely.union_all([outline(joined.pieces.polygon(sheet, nodes, k)) for k in mine.tolist()]))
    if any(shape.is_empty for shape in shapes):
        return _around(np.array(points))
    line = shapely.shortest_line(shapes[0], shapes[1])
    corners = np.round(shapely.get_coordinates(shapely.buffer(line, 500, cap_style="square", quad_segs=1)))
    return tuple((int(x), int(y)) for x, y in corners[:-1].tolist()) or _around(np.array(points))


def _around(points: Ints) -> Hull:
    (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return (x0, y0 - 500), (x1 + 500, y0 - 500), (x1 + 500, y1 + 500), (x0, y1 + 500)
