"""The rubber band: from crossed edges to the shortest polyline that keeps its distance to everything.

Between a wire and a feature stands the feature grown by its clearance, half the wire, and the slots of the wires in
between, as the polygon of its supports. The corners of these grown shapes, sorted along the wire, are the points it
must pass on the left or on the right; the shortest path that does so is found by a visibility sweep. Each wire is
computed alone: that all fit next to each other follows from the rooms of edges.

What is drawn is a little larger than the rules ask (`RouteProblem.guard`), which no room knows of. Where an edge is too
full for it, the guard shrinks on the sides of the two features that face each other, to nothing if need be.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

import numpy as np
import shapely
import shapely.ops

from layoutgen.route.problem import RouteProblem
from layoutgen.route.tiles import BOUNDARY, Floats, corners_of, least_space, normals
from layoutgen.route.topology import OUTSIDE, Strand, Tee, Topology
from layoutgen.units import Um

LEFT, RIGHT = 1, -1
_TURN = 2 * math.pi
_TEE_ROUNDS = 3
"""How often the end on another wire is moved to the point of it that is nearest to the last bend."""
Path = list[tuple[Um, Um]]
Found = list[tuple[int, Um, Um, int]]
"""Posts before they are sorted: (number of the crossing before, x, y, side)."""


@dataclass(frozen=True, slots=True)
class Post:
    """A point (um) the wire passes with it on its left or right; `at` orders posts along the wire."""

    at: float
    x: Um
    y: Um
    side: int


@dataclass(frozen=True)
class Corners:
    """Per triangle corner: slots (um) and number of the wires that pass around it, and of those that end there."""

    passing: defaultdict[int, list[Um]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0, 0.0]))
    ending: defaultdict[int, list[Um]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0, 0.0]))


def ring(x: Um, y: Um, radius: Um, sides: int) -> Path:
    """Corners of the regular polygon of the given in-radius about a point."""
    return [(x + px, y + py) for px, py in corners_of(np.full(sides, radius)).tolist()]


def tangent_path(start: tuple[Um, Um], posts: list[Post], end: tuple[Um, Um]) -> Path | None:
    """Shortest polyline from start to end that passes all posts in order on their sides; None if there is none.

    From every reachable point a cone of open directions is narrowed by each post that follows; the points from which
    the whole could be shortest come first (A*).
    """
    xs = [start[0], *(p.x for p in posts), end[0]]
    ys = [start[1], *(p.y for p in posts), end[1]]
    sides = [0, *(p.side for p in posts), 0]
    n = len(xs)
    best = [math.inf] * n
    before = [-1] * n
    best[0] = 0.0
    eps = 1e-7
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
                not (has_left and left_turn > eps)
                and not (has_right and rx * dy - ry * dx < -eps)
                and not (has_left and lx * dx + ly * dy <= 0 and abs(left_turn) <= eps)
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
            if has_left and has_right and rx * ly - ry * lx < -eps and rx * lx + ry * ly > 0:
                break
    if best[-1] == math.inf:
        return None
    path = []
    k = n - 1
    while k >= 0:
        path.append((xs[k], ys[k]))
        k = before[k]
    path.reverse()
    return [p for q, p in enumerate(path) if q == 0 or math.dist(p, path[q - 1]) > 1e-6]


def corner_counts(topo: Topology, wires: Iterable[int]) -> Corners:
    """Slots of some wires that pass around and end at every triangle corner."""
    tiles, counts = topo.tiles, Corners()
    passing, ending = counts.passing, counts.ending
    for wire in wires:
        s = topo.strands[wire]
        slot = topo.wires.slot[wire]
        for i in range(len(s.edges) - 1):
            t = s.tris[i + 1]
            a, b = tiles.edges[s.edges[i]]
            pivot = a if a in tiles.edges[s.edges[i + 1]] else b
            passing[t][tiles.triangles[t].index(pivot)] += slot
        for t, v in ((s.tris[0], s.start), (s.tris[-1], s.end)):
            if v >= 0 and not s.direct:
                ending[t][tiles.triangles[t].index(v)] += slot
    return counts


@dataclass
class _Crossing:
    """One crossed edge as seen along the wire: end features, slots between us and them, apexes before and after."""

    left: int
    right: int
    k_left: Um
    k_right: Um
    before: int
    after: int


class Rubber:
    """Draws the strands of one topology, once each."""

    def __init__(self, topo: Topology, problem: RouteProblem) -> None:
        self.topo, self.tiles, self.problem = topo, topo.tiles, problem
        self.sides = topo.tiles.features.sides
        self.guard = problem.guard
        self.counts = corner_counts(topo, topo.strands)
        self._wires_of: dict[str, list[int]] = {}
        for wire in topo.strands:
            self._wires_of.setdefault(topo.wires.net[wire], []).append(wire)
        self.guards = _guards(topo, problem.guard)
        f = topo.tiles.features
        self._corners = corners_of(f.support + np.array(f.clearance)[:, None])
        self._unit, self._guard_corners = corners_of(np.ones(self.sides)), corners_of(self.guards)
        self._least = least_space(problem)
        self._own_counts: dict[str, Corners] = {}
        self._grown: dict[tuple[int, Um], tuple[list[tuple[Um, Um, float]], list[Um]]] = {}
        self._bare: dict[int, Path] = {}
        self._paths: dict[int, Path | None] = {}
        self._normals = [(float(c), float(s)) for c, s in normals(self.sides)]
        self._half = 0.0
        """Of the wire being drawn: half its width, and what its net keeps beyond the least space."""
        self._net = ""
        self._mine: Corners | None = None

    def path(self, wire: int, end: tuple[Um, Um] | None = None, neighbours: list[Post] | None = None) -> Path | None:
        """Centre line of a wire in um, None where it does not fit.

        end: the last point of a tie; neighbours: posts that keep it from other ties, `at` falling along the tie.
        """
        if wire not in self._paths:
            for tee in self.topo.strands[wire].tees:
                self.path(tee.wire)
            self._paths[wire] = self._draw(wire, end, neighbours or [])
        return self._paths[wire]

    def _draw(self, wire: int, end: tuple[Um, Um] | None, neighbours: list[Post]) -> Path | None:
        s = self.topo.strands[wire]
        self._take_up(wire)
        ends = [self._end_point(s.start, s.start_tee, None), self._end_point(s.end, s.end_tee, end)]
        if s.direct:
            return tangent_path(ends[0], self._along_edge(s, ends[0], ends[1]), ends[1])
        lines = [self._landing(t) if t else None for t in (s.start_tee, s.end_tee)]
        if any(t and not line for t, line in zip((s.start_tee, s.end_tee), lines, strict=True)):
            return None
        path: Path | None = None
        for _ in range(_TEE_ROUNDS if s.tees else 1):
            for which, line in enumerate(lines):
                if line is not None:
                    ends[which] = _nearest(line, path[1 - 3 * which] if path else ends[1 - which])
            new = tangent_path(ends[0], self._posts(wire, s, ends[0], ends[1], neighbours), ends[1])
            if new is None or len(new) < 2:
                return path
            path = new
        return path

    def _take_up(self, wire: int) -> None:
        """Note what a wire and its net keep, and which slots about it are of its own net."""
        net = self._net = self.topo.wires.net[wire]
        self._half = self.problem.width_of(net) / 2 + self.problem.space_of(net) - self._least
        self._mine = None
        if self.topo.wires.shares[wire]:
            if net not in self._own_counts:
                self._own_counts[net] = corner_counts(self.topo, self._wires_of[net])
            self._mine = self._own_counts[net]

    def _end_point(self, v: int, tee: Tee | None, given: tuple[Um, Um] | None) -> tuple[Um, Um]:
        f = self.tiles.features
        if v >= 0:
            return f.x[v], f.y[v]
        if tee is not None:
            return tee.x, tee.y
        if given is None:
            raise ValueError("the end on the outline of a wire that leaves the die must be given")
        return given

    def _landing(self, tee: Tee) -> shapely.LineString | None:
        """The part of a drawn wire that lies in the triangle of the chord a tee is on."""
        path = self._paths.get(tee.wire)
        if path is None or len(path) < 2:
            return None
        line = shapely.LineString(path)
        s, f = self.topo.strands[tee.wire], self.tiles.features
        ends = [0.0, line.length]
        for which, number in ((0, tee.segment - 1), (1, tee.segment)):
            if 0 <= number < len(s.edges):
                u, v = self.tiles.edges[s.edges[number]]
                cut = line.intersection(shapely.LineString([(f.x[u], f.y[u]), (f.x[v], f.y[v])]))
                if not cut.is_empty:
                    ends[which] = line.project(cut.centroid)
        if ends[0] >= ends[1]:
            return line
        part = shapely.ops.substring(line, ends[0], ends[1])
        return part if isinstance(part, shapely.LineString) else line

    # ------------------------------------------------------------------ posts

    def _posts(
        self, wire: int, s: Strand, start: tuple[Um, Um], end: tuple[Um, Um], neighbours: list[Post]
    ) -> list[Post]:
        crossings = self._crossings(wire, s)
        if not crossings:
            return []
        last = len(crossings) - 1
        raw: Found = []
        self._beside(crossings, s, raw)
        self._across(wire, crossings, s, raw)
        self._beyond_ends(crossings, s, start, end, raw)
        posts = []
        for i, x, y, side in raw:
            at = self._at(i, x, y, crossings, start, end)
            beyond = (s.start_tee and at < -1) or (s.end_tee and at > last + 1)
            if not beyond:
                posts.append(Post(min(max(at, -1.0), last + 1.0), x, y, side))
        posts += [replace(p, at=last + 1 / (1 + p.at)) for p in neighbours]
        posts.sort(key=lambda p: p.at)
        return posts

    def _crossings(self, wire: int, s: Strand) -> list[_Crossing]:
        tiles, out = self.tiles, []
        for i, e in enumerate(s.edges):
            t = s.tris[i]
            q = tiles.tri_edges[t].index(e)
            right, left = tiles.triangles[t][q], tiles.triangles[t][(q + 1) % 3]
            order = self.topo.order[e]
            p = order.index((wire, i))
            low, high = self._slots(wire, order[:p]), self._slots(wire, order[:p:-1])
            k_left, k_right = (low, high) if tiles.edges[e][0] == left else (high, low)
            after = -1
            if s.tris[i + 1] >= 0:
                after = tiles.triangles[s.tris[i + 1]][(tiles.tri_edges[s.tris[i + 1]].index(e) + 2) % 3]
            out.append(_Crossing(left, right, k_left, k_right, tiles.triangles[t][(q + 2) % 3], after))
        return out

    def _slots(self, wire: int, between: list[tuple[int, int]]) -> Um:
        """What the wires between a feature and a wire take; the last ones do not count where they are of its net."""
        slot, net = self.topo.wires.slot, self.topo.wires.net
        if self._mine is None:
            return sum(slot[w] for w, _ in between)
        while between and between[-1][0] != wire and net[between[-1][0]] == self._net:
            between = between[:-1]
        return sum(slot[w] for w, _ in between)

    def _beside(self, crossings: list[_Crossing], s: Strand, out: Found) -> None:
        """The features at both ends of all crossed edges, each over the angle under which the wire sees it."""
        f = self.tiles.features
        tie, last = s.end == OUTSIDE, len(crossings) - 1
        for sense in (LEFT, RIGHT):
            ends = [(c.left, c.right, c.k_left) if sense == LEFT else (c.right, c.left, c.k_right) for c in crossings]
            for i, (v, opposite, k) in enumerate(ends):
                if tie and f.kind[v] == BOUNDARY:
                    continue
                c = crossings[i]
                if i == 0 or ends[i - 1][0] != v:
                    self._sector(v, k, c.before, opposite, sense, i - 1, False, out)
                if i < last and ends[i + 1][0] == v:
                    self._sector(v, max(k, ends[i + 1][2]), opposite, ends[i + 1][1], sense, i, False, out)
                else:
                    self._sector(v, k, opposite, c.after, sense, i, True, out)

    def _across(self, wire: int, crossings: list[_Crossing], s: Strand, out: Found) -> None:
        """Features behind the uncrossed edge of each triangle, which may reach in between its ends."""
        tiles, counts = self.tiles, self.counts
        tie = s.end == OUTSIDE
        for i in range(len(crossings) - 1):
            t = s.tris[i + 1]
            a, b = s.edges[i], s.edges[i + 1]
            z = next(q for q in range(3) if tiles.tri_edges[t][q] not in (a, b))
            g = tiles.tri_edges[t][z]
            beyond = tiles.other_tri(g, t)
            if beyond < 0:
                continue
            y = tiles.tri_edges[beyond].index(g)
            far = (y + 2) % 3
            f = tiles.triangles[beyond][far]
            if tie and tiles.features.kind[f] == BOUNDARY:
                continue
            passing, ending = counts.passing[beyond], counts.ending[beyond]
            same = y if tiles.triangles[beyond][y] == tiles.triangles[t][z] else (y + 1) % 3
            between = max(0.0, abs(counts.passing[t][z] - passing[same]) - ending[far])
            k = passing[far] + between + ending[y] + ending[(y + 1) % 3]
            c, d = crossings[i], crossings[i + 1]
            pivot_left = c.left == d.left
            own = self.topo.wires.slot[wire]
            k += max(0.0, counts.passing[t][(z + 2) % 3] - own - (c.k_left if pivot_left else c.k_right))
            if self._mine is not None:
                mine = self._mine
                k -= sum(mine.passing[beyond]) + sum(mine.ending[beyond]) + mine.passing[t][(z + 2) % 3] - own
                k = max(0.0, k)
            if pivot_left:
                self._window(f, k, c.right, d.right, RIGHT, i, out)
            else:
                self._window(f, k, c.left, d.left, LEFT, i, out)

    def _beyond_ends(
        self,
        crossings: list[_Crossing],
        s: Strand,
        start: tuple[Um, Um],
        end: tuple[Um, Um],
        out: Found,
    ) -> None:
        """Features seen past the two edges at a terminal, in the first and in the last triangle."""
        tiles, counts, fs = self.tiles, self.counts, self.tiles.features
        last = len(crossings) - 1
        for t, v, number, at, interval in (
            (s.tris[0], s.start, 0, start, -1),
            (s.tris[-1], s.end, last, end, last),
        ):
            if v < 0:
                continue
            c = crossings[number]
            to_x = (fs.x[c.left] + fs.x[c.right]) / 2 - at[0]
            to_y = (fs.y[c.left] + fs.y[c.right]) / 2 - at[1]
            for z in range(3):
                g = tiles.tri_edges[t][z]
                beyond = tiles.other_tri(g, t)
                if g == s.edges[number] or beyond < 0:
                    continue
                u, w = tiles.triangles[t][z], tiles.triangles[t][(z + 1) % 3]
                near = w if u == v else u
                k, f = 0.0, -1
                for y, corner in enumerate(tiles.triangles[beyond]):
                    mine = self._mine
                    if corner == near:
                        k += counts.ending[beyond][y] - (mine.ending[beyond][y] if mine else 0.0)
                    else:
                        k += counts.passing[beyond][y] - (mine.passing[beyond][y] if mine else 0.0)
                        f = corner if corner != v else f
                if s.end == OUTSIDE and fs.kind[f] == BOUNDARY:
                    continue
                side = LEFT if near == c.left else RIGHT
                found: Found = []
                first, second = (v, near) if interval < 0 else (near, v)
                self._window(f, k, first, second, side, interval, found)
                out += [p for p in found if (p[1] - at[0]) * to_x + (p[2] - at[1]) * to_y > 0]

    def _along_edge(self, s: Strand, start: tuple[Um, Um], end: tuple[Um, Um]) -> list[Post]:
        """Posts of a wire along a tile edge: the apexes of the triangles on both sides."""
        tiles, f = self.tiles, self.tiles.features
        edge = tiles.edge_of[min(s.start, s.end), max(s.start, s.end)]
        raw: Found = []
        for t in tiles.edge_tris[edge]:
            if t < 0:
                continue
            z = (tiles.tri_edges[t].index(edge) + 2) % 3
            c = tiles.triangles[t][z]
            area = (start[0] - f.x[c]) * (end[1] - f.y[c]) - (start[1] - f.y[c]) * (end[0] - f.x[c])
            side = LEFT if area > 0 else RIGHT
            self._sector(c, self.counts.passing[t][z], s.start, s.end, side, 0, True, raw)
        dx, dy = end[0] - start[0], end[1] - start[1]
        posts = [Post((x - start[0]) * dx + (y - start[1]) * dy, x, y, side) for _, x, y, side in raw]
        return sorted((p for p in posts if 0 < p.at < dx * dx + dy * dy), key=lambda p: p.at)

    # ------------------------------------------------------------------ shapes

    def _shape(self, v: int, k: Um) -> tuple[list[tuple[Um, Um, float]], list[Um]]:
        """Corners (x, y, polar angle) of v grown for the wire beyond slots of k um, and its supports."""
        by = self._half + k
        known = self._grown.get((v, by))
        if known is None:
            f = self.tiles.features
            wires = 1.5 + 2 * k / self.tiles.slot
            supports = f.support[v] + (f.clearance[v] + by) + wires * self.guards[v]
            relative = self._corners[v] + by * self._unit + wires * self._guard_corners[v]
            x0, y0 = f.x[v], f.y[v]
            corners = [(x0 + x, y0 + y, math.atan2(y, x)) for x, y in relative.tolist()]
            known = self._grown[v, by] = (corners, supports.tolist())
        return known

    def _outline_of(self, v: int) -> Path:
        """Corners of v itself (um)."""
        known = self._bare.get(v)
        if known is None:
            f = self.tiles.features
            known = self._bare[v] = [(f.x[v] + x, f.y[v] + y) for x, y in corners_of(f.support[v]).tolist()]
        return known

    def _on_ray(self, v: int, k: Um, angle: float) -> tuple[Um, Um]:
        """Where the ray from the centre of v leaves the grown shape."""
        c, s = math.cos(angle), math.sin(angle)
        reach = math.inf
        for (nx, ny), support in zip(self._normals, self._shape(v, k)[1], strict=True):
            q = c * nx + s * ny
            if q > 1e-9 and support / q < reach:
                reach = support / q
        f = self.tiles.features
        return f.x[v] + reach * c, f.y[v] + reach * s

    def _sector(
        self,
        v: int,
        k: Um,
        a: int,
        b: int,
        sense: int,
        interval: int,
        closed: bool,
        out: Found,
    ) -> None:
        """The grown shape of v from the direction of feature a to that of b, turning counter-clockwise if sense > 0."""
        f = self.tiles.features
        from_angle = math.atan2(f.y[a] - f.y[v], f.x[a] - f.x[v])
        to_angle = math.atan2(f.y[b] - f.y[v], f.x[b] - f.x[v])
        self._turn(v, k, from_angle, to_angle, sense, interval, closed, out)

    def _turn(
        self,
        v: int,
        k: Um,
        from_angle: float,
        to_angle: float,
        sense: int,
        interval: int,
        closed: bool,
        out: Found,
    ) -> None:
        span = (sense * (to_angle - from_angle)) % _TURN
        x, y = self._on_ray(v, k, from_angle)
        out.append((interval, x, y, sense))
        ahead = [((sense * (angle - from_angle)) % _TURN, x, y) for x, y, angle in self._shape(v, k)[0]]
        out += [(interval, x, y, sense) for d, x, y in sorted(ahead) if d < span]
        if closed:
            x, y = self._on_ray(v, k, to_angle)
            out.append((interval, x, y, sense))

    def _window(self, f: int, k: Um, a: int, b: int, sense: int, interval: int, out: Found) -> None:
        """The part of f that shows between features a and b, seen from f; nothing if they cover each other."""
        fs = self.tiles.features
        x, y = fs.x[f], fs.y[f]
        a_angle = math.atan2(fs.y[a] - y, fs.x[a] - x)
        span = (sense * (math.atan2(fs.y[b] - y, fs.x[b] - x) - a_angle)) % _TURN
        low, high = 0.0, span
        for v in (a, b):
            for px, py in self._outline_of(v):
                d = (sense * (math.atan2(py - y, px - x) - a_angle)) % _TURN
                if d > math.pi + span / 2:
                    d -= _TURN
                low, high = (max(low, d), high) if v == a else (low, min(high, d))
        if high > low + 1e-6:
            self._turn(f, k, a_angle + sense * low, a_angle + sense * high, sense, interval, True, out)

    def _at(
        self,
        interval: int,
        x: Um,
        y: Um,
        crossings: list[_Crossing],
        start: tuple[Um, Um],
        end: tuple[Um, Um],
    ) -> float:
        """Place of a post along the wire: number of the last crossing, and the angle about the pivot as a fraction."""
        f = self.tiles.features
        last = len(crossings) - 1
        if interval < 0 or interval == last:
            c = crossings[0 if interval < 0 else last]
            wx, wy = start if interval < 0 else end
            ax, ay = f.x[c.right], f.y[c.right]
            dx, dy = f.x[c.left] - ax, f.y[c.left] - ay
            height = dx * (wy - ay) - dy * (wx - ax)
            part = (dx * (y - ay) - dy * (x - ax)) / height if abs(height) > 1e-9 else 0.0
            part = max(0.0, part)
            return -part if interval < 0 else last + part
        c, d = crossings[interval], crossings[interval + 1]
        pivot, a, b, sense = (c.left, c.right, d.right, 1) if c.left == d.left else (c.right, c.left, d.left, -1)
        zero = math.atan2(f.y[a] - f.y[pivot], f.x[a] - f.x[pivot])
        span = (sense * (math.atan2(f.y[b] - f.y[pivot], f.x[b] - f.x[pivot]) - zero)) % _TURN
        turn = (sense * (math.atan2(y - f.y[pivot], x - f.x[pivot]) - zero)) % _TURN
        if turn > span / 2 + math.pi:
            turn = 0.0
        return interval + (min(1.0, turn / span) if span > 1e-12 else 0.5)


def _guards(topo: Topology, guard: Um) -> Floats:
    """The guard each feature keeps along each normal: what the fullest edge on that side leaves over."""
    tiles, f = topo.tiles, topo.tiles.features
    out = np.full(f.support.shape, guard)
    used = [e for e, order in enumerate(topo.order) if order]
    if not used or guard == 0:
        return out
    ends = np.array([tiles.edges[e] for e in used], dtype=np.int64)
    u, v = ends[:, 0], ends[:, 1]
    wires = np.array([len(topo.order[e]) for e in used])
    spare = np.array([tiles.room[e] - topo.load(e) for e in used])
    share = np.clip(spare / (2 * wires + 1), 0.0, guard)
    share[np.array([tiles.edge_tris[e][1] < 0 for e in used])] = guard
    d = f.at[v] - f.at[u]
    half = f.sides // 2
    facing = (d @ normals(f.sides).T - f.support[u] - np.roll(f.support[v], half, 1)).argmax(1)
    np.minimum.at(out, (u, facing), share)
    np.minimum.at(out, (v, (facing + half) % f.sides), share)
    return out


def _nearest(line: shapely.LineString, point: tuple[Um, Um]) -> tuple[Um, Um]:
    """The point of a line nearest to a point."""
    on = line.interpolate(line.project(shapely.Point(point)))
    return on.x, on.y
