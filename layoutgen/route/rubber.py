"""The rubber band: from crossed edges to the shortest polyline that keeps its distance to everything.

A wire passes its posts (see `posts`) on the left or on the right; the shortest path that does so is a band pulled
tight. Each wire is computed alone: that all fit next to each other follows from the rooms of edges.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np
import numpy.typing as npt
import shapely
import shapely.ops

from layoutgen.route.features import Floats
from layoutgen.route.posts import LEFT, RIGHT, Found, Posts
from layoutgen.route.problem import RouteProblem
from layoutgen.route.topology import OUTSIDE, Strand, Tee, Topology
from layoutgen.units import Um

_TEE_ROUNDS = 3
"""How often the end on another wire is moved to the point of it that is nearest to the last bend."""
_EPS = 1e-7
"""Cross products (um^2) that count as zero."""
_SAME = 1e-6
"""Points that are no further apart (um) are one."""
Path = list[tuple[Um, Um]]
Post = tuple[Um, Um, int]
"""A point (x, y) the wire passes with it on its LEFT or RIGHT."""


@dataclass(frozen=True)
class TieEnd:
    """The end on the outline, the start of the last leg at right angles to it, and posts that part it from others.

    posts: rows (depth inside of the outline, x, y, side), in um.
    """

    point: tuple[Um, Um]
    inner: tuple[Um, Um]
    posts: Floats = field(default_factory=lambda: np.empty((0, 4)))


def tangent_path(start: tuple[Um, Um], posts: Iterable[Post], end: tuple[Um, Um]) -> Path | None:
    """Shortest polyline from start to end that passes all posts in order on their sides; None if there is none."""
    points = [(*start, 0), *posts, (*end, 0)]
    bends = pulled_tight(points)
    if bends is None:
        bends = search_all(points)
    if bends is None:
        return None
    path = [points[k][:2] for k in bends]
    return [p for q, p in enumerate(path) if q == 0 or math.dist(p, path[q - 1]) > _SAME]


def pulled_tight(points: Sequence[Post]) -> list[int] | None:
    """Numbers of the points where a band through a sleeve of posts bends: a funnel; None where that is not clear.

    Every post narrows the funnel of open directions from the last bend; one that lies beyond its other wall makes the
    band bend about that wall.
    """
    bends = [0]
    last = len(points) - 1
    while bends[-1] != last:
        at = bends[-1]
        x, y, _ = points[at]
        left = right = -1
        lx = ly = rx = ry = 0.0
        for j in range(at + 1, last + 1):
            px, py, side = points[j]
            dx, dy = px - x, py - y
            if dx * dx + dy * dy <= 1e-12:
                continue
            from_left = lx * dy - ly * dx
            from_right = rx * dy - ry * dx
            if side != RIGHT and from_right < -_EPS:
                if rx * dx + ry * dy <= 0:
                    return None
                bends.append(right)
                break
            if side != LEFT and from_left > _EPS:
                if lx * dx + ly * dy <= 0:
                    return None
                bends.append(left)
                break
            if side == LEFT:
                if from_left < 0 or left < 0:
                    lx, ly, left = dx, dy, j
            elif side == RIGHT and (from_right > 0 or right < 0):
                rx, ry, right = dx, dy, j
        else:
            # a wall straight behind
            if from_left >= -_EPS and left >= 0 and lx * dx + ly * dy <= 0:
                return None
            if from_right <= _EPS and right >= 0 and rx * dx + ry * dy <= 0:
                return None
            bends.append(last)
    return _taut(points, bends)


def _taut(points: Sequence[Post], bends: Sequence[int]) -> list[int] | None:
    """Bends without those in a straight line; None where one does not turn about its post by less than half a turn."""
    out: list[int] = []
    for k in bends:
        while len(out) > 1:
            (ax, ay, _), (bx, by, side), (cx, cy, _) = points[out[-2]], points[out[-1]], points[k]
            turn = (bx - ax) * (cy - by) - (by - ay) * (cx - bx)
            if side * turn > _EPS:
                break
            if side * turn < -_EPS or (bx - ax) * (cx - bx) + (by - ay) * (cy - by) < 0:
                return None
            out.pop()
        out.append(k)
    return out


def search_all(points: Sequence[Post]) -> list[int] | None:
    """The same for posts in any order: of all points that see each other, the shortest way; None if there is none.

    From every reachable point a cone of open directions is narrowed by each post that follows; the points from which
    the whole could be shortest come first (A*).
    """
    xs, ys, sides = ([p[column] for p in points] for column in range(3))
    end = points[-1]
    n = len(xs)
    best = [math.inf] * n
    before = [-1] * n
    best[0] = 0.0
    left = [math.hypot(end[0] - x, end[1] - y) for x, y in zip(xs, ys, strict=True)]
    heap, done = [(left[0], 0)], [False] * n
    while heap:
        i = heappop(heap)[1]
        if i == n - 1:
            break
        if done[i]:
            continue
        done[i] = True
        x, y, so_far = xs[i], ys[i], best[i]
        has_left = has_right = False
        lx = ly = rx = ry = 0.0
        for j in range(i + 1, n):
            dx, dy = xs[j] - x, ys[j] - y
            left_turn = lx * dy - ly * dx
            if (
                not (has_left and left_turn > _EPS)
                and not (has_right and rx * dy - ry * dx < -_EPS)
                and not (has_left and lx * dx + ly * dy <= 0 and abs(left_turn) <= _EPS)
            ):
                length = so_far + math.sqrt(dx * dx + dy * dy)
                if length < best[j] - 1e-9:
                    best[j], before[j] = length, i
                    heappush(heap, (length + left[j], j))
            if dx * dx + dy * dy > 1e-12:
                if sides[j] == LEFT and (not has_left or left_turn < 0):
                    lx, ly, has_left = dx, dy, True
                elif sides[j] == RIGHT and (not has_right or rx * dy - ry * dx > 0):
                    rx, ry, has_right = dx, dy, True
            if has_left and has_right and rx * ly - ry * lx < -_EPS and rx * lx + ry * ly > 0:
                break
    if best[-1] == math.inf:
        return None
    bends = []
    k = n - 1
    while k >= 0:
        bends.append(k)
        k = before[k]
    return bends[::-1]


class Rubber:
    """Draws the strands of one topology, once each.

    ends: of the ties; one without an end cannot be drawn.
    """

    def __init__(self, topo: Topology, problem: RouteProblem, ends: Mapping[int, TieEnd] | None = None) -> None:
        self.topo, self.ends = topo, ends or {}
        self._posts = Posts(topo, problem)
        self._numbers = {wire: n for n, wire in enumerate(topo.strands)}
        self._points = np.array([self._end_points(wire) for wire in topo.strands], dtype=float).reshape(-1, 2, 2)
        self._paths: dict[int, Path | None] = {}
        # all at once, as long as nothing moves their ends
        still = [wire for wire, s in topo.strands.items() if not s.tees]
        mask = np.zeros(len(topo.strands), dtype=bool)
        mask[[self._numbers[wire] for wire in still]] = True
        found = self._posts.found.of(mask[self._posts.found.wire])
        self._straight = mask & self._unbent(found, still)
        bent = [wire for wire in still if not self._straight[self._numbers[wire]]]
        self._first, self._rows = self._ordered(found.of(~self._straight[found.wire]), bent)

    def path(self, wire: int) -> Path | None:
        """Centre line of a wire in um, of a tie up to its last leg; None where it does not fit."""
        if wire not in self._paths:
            s = self.topo.strands[wire]
            for tee in s.tees:
                self.path(tee.wire)
            self._paths[wire] = self._draw_on_wires(wire, s) if s.tees else self._draw(wire)
        return self._paths[wire]

    def _draw(self, wire: int) -> Path | None:
        n = self._numbers[wire]
        start, end = self._points[n].tolist()
        if self._straight[n]:
            return [tuple(start), tuple(end)]
        return tangent_path(tuple(start), self._rows[self._first[n] : self._first[n + 1]], tuple(end))

    def _draw_on_wires(self, wire: int, s: Strand) -> Path | None:
        """A wire that ends on others: at those points of them that make it short."""
        n = self._numbers[wire]
        tees = (s.start_tee, s.end_tee)
        lines = [_landing(self.topo, t, self._paths[t.wire]) if t else None for t in tees]
        if any(t and not line for t, line in zip(tees, lines, strict=True)):
            return None
        if wire in self.ends and (on := _crossing(lines[0], self.ends[wire])):
            return on
        ends = [(float(x), float(y)) for x, y in self._points[n]]
        own = self._posts.found.of(slice(*self._posts.first[n : n + 2].tolist()))
        path: Path | None = None
        for _ in range(_TEE_ROUNDS):
            for which, line in enumerate(lines):
                if line is not None:
                    ends[which] = _nearest(line, path[1 - 3 * which] if path else ends[1 - which])
            self._points[n] = ends
            new = tangent_path(ends[0], self._ordered(own, [wire])[1], ends[1])
            if new is None or len(new) < 2:
                return path
            path = new
        return path

    def _end_points(self, wire: int) -> list[tuple[Um, Um]]:
        """Where a wire begins and ends; the end of a tie that has none is its start."""
        s, f = self.topo.strands[wire], self.topo.tiles.features
        out = [(tee.x, tee.y) if tee else (f.x[v], f.y[v]) for v, tee in ((s.start, s.start_tee), (s.end, s.end_tee))]
        if s.end == OUTSIDE:
            out[1] = self.ends[wire].inner if wire in self.ends else out[0]
        return out

    def _unbent(self, found: Found, wires: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Which wires pass all their posts on the right side of them if they run straight."""
        own = [(self._numbers[wire], self.ends[wire].posts) for wire in wires if wire in self.ends]
        wire = np.concatenate([found.wire, *(np.full(len(rows), n) for n, rows in own)])
        x, y, side = (
            np.concatenate([column, *(rows[:, k] for _, rows in own)])
            for k, column in enumerate((found.x, found.y, found.side), start=1)
        )
        (x0, y0), (dx, dy) = self._points[wire, 0].T, (self._points[:, 1] - self._points[:, 0])[wire].T
        out: npt.NDArray[np.bool_] = np.hypot(*(self._points[:, 1] - self._points[:, 0]).T) > _SAME
        out[wire[side * (dx * (y - y0) - dy * (x - x0)) <= _EPS]] = False
        return out

    def _ordered(self, found: Found, wires: Sequence[int]) -> tuple[list[int], list[Post]]:
        """Posts of some wires in order, with those that keep ties apart; and the first of every wire."""
        place, counts = self._posts.places(found, self._points[:, 0], self._points[:, 1])
        columns = [[c[counts] for c in (found.wire, place, found.x, found.y, found.side)]]
        for wire in wires:
            if wire in self.ends:
                n, rows = self._numbers[wire], self.ends[wire].posts
                last = self._posts.crossings.count[n] - 1
                columns.append([np.full(len(rows), n), last + 1 / (1 + rows[:, 0]), *rows.T[1:]])
        number, place, x, y, side = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        order = np.lexsort((place, number))
        first = np.searchsorted(number[order], np.arange(len(self._numbers) + 1))
        x, y, side = x[order], y[order], side[order].astype(np.int64)
        return first.tolist(), list(zip(x.tolist(), y.tolist(), side.tolist(), strict=True))


def _landing(topo: Topology, tee: Tee, path: Path | None) -> shapely.LineString | None:
    """The part of a drawn wire that lies in the triangle of the chord a tee is on."""
    if path is None or len(path) < 2:
        return None
    line = shapely.LineString(path)
    s, f = topo.strands[tee.wire], topo.tiles.features
    ends = [0.0, line.length]
    for which, number in ((0, tee.segment - 1), (1, tee.segment)):
        if 0 <= number < len(s.edges):
            u, v = topo.tiles.edges[s.edges[number]]
            cut = line.intersection(shapely.LineString([(f.x[u], f.y[u]), (f.x[v], f.y[v])]))
            if not cut.is_empty:
                ends[which] = line.project(cut.centroid)
    if ends[0] >= ends[1]:
        return line
    part = shapely.ops.substring(line, ends[0], ends[1])
    return part if isinstance(part, shapely.LineString) else line


def _crossing(line: shapely.LineString | None, end: TieEnd) -> Path | None:
    """From where the last leg of a tie crosses the wire that it begins on, halfway to the outline: it runs straight."""
    if line is None:
        return None
    met = line.intersection(shapely.LineString([end.inner, end.point]))
    if met.is_empty:
        return None
    x, y = _nearest(line, (met.centroid.x, met.centroid.y))
    return [(x, y), ((x + end.point[0]) / 2, (y + end.point[1]) / 2)]


def _nearest(line: shapely.LineString, point: tuple[Um, Um]) -> tuple[Um, Um]:
    """The point of a line nearest to a point."""
    on = line.interpolate(line.project(shapely.Point(point)))
    return on.x, on.y
