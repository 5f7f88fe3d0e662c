"""Taut wires in the directions of a style: of all shortest ways, the uppermost ones, so that all fit side by side.

A slanted segment of a taut wire is drawn in the two directions next to its own, as a staircase in either order of them;
all of these are equally long. Segments are drawn from above to below: each one goes up as far as what lies above it
allows, with as few legs as possible, and never comes below its own straight line. Since straight lines keep their
distance, in the norm of the octagon (of the square) that the style's legs are made for, there is always a way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.features import Floats, corners_of, normals
from layoutgen.route.problem import Point

_MARGIN = 4.0
"""What is kept (dbu) beyond width and space: as much as wires are drawn larger."""
_TOUCH = 12.0
"""How far (dbu) something may come into the way of a segment without making it turn: less shows up when measured."""
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Segments:
    """Taut segments, all of one layer: ends (n, 2, 2) in dbu, and per segment net, half width and space (dbu).

    kept: those that stay straight. tie: those of ties, which may come as near to the outline as they want.
    """

    ends: Ints
    net: Ints
    half: Floats
    space: Floats
    kept: npt.NDArray[np.bool_]
    tie: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Solids:
    """What stands fixed: supports (n, sides) about the origin in dbu, the net (-1: none), the space it asks for.

    own: of those that ask for a distance of their own (the outline), in place of any space; else NaN.
    """

    support: Floats
    net: Ints
    space: Floats
    own: Floats


def frame(dx: int, dy: int, sides: int) -> tuple[Point, Point, int, int]:
    """Directions u and v (counter-clockwise of it) of a style with (dx, dy) = s u + t v, and s and t, not negative."""
    sx, sy = (dx > 0) - (dx < 0), (dy > 0) - (dy < 0)
    ax, ay = abs(dx), abs(dy)
    if sides == 4:
        one, two = ((sx, 0), ax), ((0, sy), ay)
    else:
        one, two = ((sx, sy), min(ax, ay)), ((sx, 0) if ax > ay else (0, sy), abs(ax - ay))
    (u, s), (v, t) = one, two
    if u[0] * v[1] - u[1] * v[0] < 0:
        u, v, s, t = v, u, t, s
    return u, v, s, t


def uppermost(segments: Segments, solids: Solids) -> list[list[Point]]:
    """A way for each segment, in the order of its own ends."""
    sides = solids.support.shape[1]
    ends = segments.ends
    swapped = (ends[:, 0, 0] > ends[:, 1, 0]) | ((ends[:, 0, 0] == ends[:, 1, 0]) & (ends[:, 0, 1] > ends[:, 1, 1]))
    ends = np.where(swapped[:, None, None], ends[:, ::-1], ends)
    walls = _Walls(segments, solids, sides, ends)
    out: list[list[Point]] = [[] for _ in range(len(ends))]
    for n in _from_above(ends, walls.reach):
        a, b = (tuple(p) for p in ends[n].tolist())
        way = [a, b] if segments.kept[n] else _way(n, a, b, sides, walls)
        walls.draw(n, way)
        out[n] = way[::-1] if swapped[n] else way
    return out


def _way(n: int, a: Point, b: Point, sides: int, walls: _Walls) -> list[Point]:
    """Up to the ceiling, along until the straight line is met (or the ceiling rises), and so on."""
    u, v, s, t = frame(b[0] - a[0], b[1] - a[1], sides)
    if s == 0 or t == 0 or b[0] == a[0]:
        return [a, b]
    points, x, y = [a], 0, 0
    for ceiling, until in [*walls.posts(n, a, u, v, s, t), (t, s)]:
        if ceiling > y:
            if x:
                points.append((a[0] + x * u[0] + y * v[0], a[1] + x * u[1] + y * v[1]))
            y = ceiling
            points.append((a[0] + x * u[0] + y * v[0], a[1] + x * u[1] + y * v[1]))
        x = max(until, min(s, y * s // t))
    if points[-1] != b:
        points.append(b)
    return points


class _Walls:
    """What each segment must keep clear of: fixed shapes, drawn ways, and straight lines of those not yet drawn."""

    def __init__(self, segments: Segments, solids: Solids, sides: int, ends: Ints) -> None:
        self._segments, self._solids, self._n = segments, solids, normals(sides)
        corners = ends.astype(float)
        self._supports = (corners @ self._n.T).max(1)
        self.reach = float(
            max(segments.half.max(initial=0.0) * 2 + segments.space.max(initial=0.0), 0.0)
            + _MARGIN
            + max(solids.space.max(initial=0.0), np.nan_to_num(solids.own).max(initial=0.0))
        )
        self._legs: list[Floats] = [self._supports[k : k + 1] for k in range(len(ends))]
        high = solids.support[:, [0, sides // 4]]
        low = -solids.support[:, [sides // 2, 3 * sides // 4]]
        fixed = shapely.STRtree(shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1]))
        # where a way may be: its bounding box, whatever is chosen
        low, high = ends.min(1), ends.max(1)
        boxes = shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1])
        lines = shapely.STRtree(boxes)
        wide = shapely.box(*(low - self.reach).T, *(high + self.reach).T)
        self._near_fixed = _by_row(fixed.query(wide), len(ends))
        self._near_lines = _by_row(lines.query(wide), len(ends))

    def draw(self, n: int, way: Sequence[Point]) -> None:
        """Put the legs of a way in place of its straight line."""
        dots = np.array(way, dtype=float) @ self._n.T
        self._legs[n] = np.maximum(dots[:-1], dots[1:])

    def posts(self, n: int, a: Point, u: Point, v: Point, s: int, t: int) -> list[tuple[int, int]]:
        """(ceiling, until): heights in steps of v that hold until so many steps along u, rising."""
        g, f = self._segments, self._solids
        i = self._near_fixed[n]
        i = i[f.net[i] != g.net[n]]
        keep = (
            np.where(np.isnan(f.own[i]), np.maximum(f.space[i], g.space[n]), 0.0 if g.tie[n] else f.own[i]) + g.half[n]
        )
        k = self._near_lines[n]
        k = k[g.net[k] != g.net[n]]
        legs = [self._legs[j] for j in k.tolist()]
        apart = np.repeat(np.maximum(g.space[k], g.space[n]) + g.half[k] + g.half[n], [len(x) for x in legs])
        support = np.concatenate([f.support[i], *legs]) + np.concatenate([keep, apart])[:, None] + _MARGIN
        corners = corners_of(support) - a
        # in steps of u and v, where u x v = 1
        p = np.stack([corners[..., 0] * v[1] - corners[..., 1] * v[0], corners[..., 1] * u[0] - corners[..., 0] * u[1]])
        low, high = p.min(2), p.max(2)
        near = np.flatnonzero(np.all((high > 0) & (low < np.array([[s], [t]])), axis=0))
        if not len(near):
            return []
        shapes = np.asarray(shapely.polygons(p[:, near].transpose(1, 2, 0)))
        # a shape's lower right corner is on its left side of the line
        right, floor = high[0, near], low[1, near]
        left = right * t - floor * s < _TOUCH * (s + t)
        clip = np.asarray(shapely.clip_by_rect(shapes[left], 0.0, 0.0, s, t))
        bounds = shapely.bounds(clip[~shapely.is_empty(clip)])
        found = []
        least = t - _TOUCH
        for until, ceiling in sorted(bounds[:, [2, 1]].tolist(), reverse=True):
            if ceiling < least and until > _TOUCH:
                least = ceiling
                found.append((max(0, int(np.floor(ceiling))), min(s, int(np.ceil(until)))))
        return found[::-1]


def _by_row(pairs: Ints, rows: int) -> list[Ints]:
    """Second numbers of pairs (2, n) by their first, in rising order."""
    order = np.lexsort((pairs[1], pairs[0]))
    return np.split(pairs[1][order], np.searchsorted(pairs[0][order], np.arange(1, rows)))


def _from_above(ends: Ints, reach: float) -> list[int]:
    """Numbers of segments, each after those above it (segments that do not cross have such an order)."""
    low, high = ends.min(1).astype(float), ends.max(1).astype(float)
    boxes = shapely.box(*(low - reach).T, *(high + reach).T)
    i, k = shapely.STRtree(boxes).query(boxes)
    i, k = i[i < k], k[i < k]
    left, right = np.maximum(low[i, 0], low[k, 0]), np.minimum(high[i, 0], high[k, 0])
    i, k, left, right = (column[left < right] for column in (i, k, left, right))
    middle = (left + right) / 2
    one, two = (_height(ends[j].astype(float), middle) for j in (i, k))
    above, below = np.where(one > two, i, k), np.where(one > two, k, i)
    after = _by_row(np.stack([above, below])[:, np.argsort(above, kind="stable")], len(ends))
    waits = np.bincount(below, minlength=len(ends))
    ready = np.flatnonzero(waits == 0).tolist()
    heapify(ready)
    left_over = set(range(len(ends)))
    out: list[int] = []
    while left_over:
        n = heappop(ready) if ready else min(left_over, key=lambda j: (int(waits[j]), j))
        if n not in left_over:
            continue
        left_over.remove(n)
        out.append(n)
        for m in after[n].tolist():
            waits[m] -= 1
            if waits[m] == 0:
                heappush(ready, m)
    return out


def _height(ends: Floats, x: Floats) -> Floats:
    """Of segments that are not upright, at given places."""
    (ax, ay), (bx, by) = ends[:, 0].T, ends[:, 1].T
    out: Floats = ay + (by - ay) * (x - ax) / (bx - ax)
    return out
