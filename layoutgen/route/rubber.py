"""The rubber band: from crossed edges to the shortest polyline that keeps its distance to everything.

Between a wire and a feature with k wires in between stands the feature grown by a 16-gon of in-radius
clearance + width/2 + k * (width + space). The corners of these grown shapes, sorted along the wire, are the points it
must pass on the left or on the right; the shortest path that does so is found by a visibility sweep. Each wire is
computed alone: that all fit next to each other follows from the capacities.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from layoutgen.route.tiles import BOUNDARY, NORMALS, SIDES, Tiles
from layoutgen.route.topology import Strand, Topology
from layoutgen.units import Um

LEFT, RIGHT = 1, -1
_TURN = 2 * math.pi
_CORNERS = tuple((math.cos(_TURN * (j + 0.5) / SIDES), math.sin(_TURN * (j + 0.5) / SIDES)) for j in range(SIDES))
_SECANT = 1 / math.cos(math.pi / SIDES)


@dataclass(frozen=True, slots=True)
class Post:
    """A point (um) the wire passes with it on its left or right; `at` orders posts along the wire."""

    at: float
    x: Um
    y: Um
    side: int


@dataclass(frozen=True)
class Corners:
    """Per triangle corner: wires that pass around it, and wires that end there."""

    passing: list[list[int]]
    ending: list[list[int]]


def grown(tiles: Tiles, v: int, by: Um) -> list[tuple[Um, Um]]:
    """Corners, counter-clockwise and relative to its centre, of feature v grown by a 16-gon of in-radius `by`."""
    f = tiles.features
    hx, hy, r = f.half_x[v], f.half_y[v], (by + f.radius[v]) * _SECANT
    return [((hx if c > 0 else -hx) + r * c, (hy if s > 0 else -hy) + r * s) for c, s in _CORNERS]


def ring(x: Um, y: Um, radius: Um) -> list[tuple[Um, Um]]:
    """Corners of the 16-gon of the given in-radius about a point."""
    return [(x + radius * _SECANT * c, y + radius * _SECANT * s) for c, s in _CORNERS]


def tangent_path(start: tuple[Um, Um], posts: list[Post], end: tuple[Um, Um]) -> list[tuple[Um, Um]] | None:
    """Shortest polyline from start to end that passes all posts in order on their sides; None if there is none.

    From every reachable point a cone of open directions is narrowed by each post that follows.
    """
    xs = [start[0], *(p.x for p in posts), end[0]]
    ys = [start[1], *(p.y for p in posts), end[1]]
    sides = [0, *(p.side for p in posts), 0]
    n = len(xs)
    best = [math.inf] * n
    before = [-1] * n
    best[0] = 0.0
    eps = 1e-7
    for i in range(n - 1):
        if best[i] == math.inf:
            continue
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


def corner_counts(topo: Topology) -> Corners:
    """How many wires pass around and end at every triangle corner."""
    tiles = topo.tiles
    passing = [[0, 0, 0] for _ in tiles.triangles]
    ending = [[0, 0, 0] for _ in tiles.triangles]
    for s in topo.strands.values():
        for i in range(len(s.edges) - 1):
            t = s.tris[i + 1]
            pivot = next(v for v in tiles.edges[s.edges[i]] if v in tiles.edges[s.edges[i + 1]])
            passing[t][tiles.triangles[t].index(pivot)] += 1
        if s.edges:
            ending[s.tris[0]][tiles.triangles[s.tris[0]].index(s.start)] += 1
            if s.end >= 0:
                ending[s.tris[-1]][tiles.triangles[s.tris[-1]].index(s.end)] += 1
    return Corners(passing, ending)


@dataclass
class _Crossing:
    """One crossed edge as seen along the wire: end features, wires between us and them, apexes before and after."""

    left: int
    right: int
    k_left: int
    k_right: int
    before: int
    after: int


class Rubber:
    """Draws the strands of one topology; `half` and `pitch` are of the drawn wires (guard included), in um."""

    def __init__(self, topo: Topology, half: Um, pitch: Um, guard: Um) -> None:
        self.topo, self.tiles = topo, topo.tiles
        self.half, self.pitch, self.guard = half, pitch, guard
        self.counts = corner_counts(topo)
        self._grown: dict[tuple[int, int], tuple[list[tuple[Um, Um, float]], list[Um]]] = {}

    def path(
        self, wire: int, end: tuple[Um, Um] | None = None, neighbours: list[Post] | None = None
    ) -> list[tuple[Um, Um]] | None:
        """Centre line of a wire in um, None where it does not fit.

        end: the last point of a tie; neighbours: posts that keep it from other ties, `at` falling along the tie.
        """
        s = self.topo.strands[wire]
        f = self.tiles.features
        start = (f.x[s.start], f.y[s.start])
        if s.end >= 0:
            end = (f.x[s.end], f.y[s.end])
        if end is None:
            raise ValueError(f"wire {wire} leaves the die: its end on the outline must be given")
        if not s.edges:
            return tangent_path(start, self._along_edge(s, start, end), end)
        return tangent_path(start, self._posts(wire, s, start, end, neighbours or []), end)

    # ------------------------------------------------------------------ posts

    def _posts(
        self, wire: int, s: Strand, start: tuple[Um, Um], end: tuple[Um, Um], neighbours: list[Post]
    ) -> list[Post]:
        crossings = self._crossings(wire, s)
        last = len(crossings) - 1
        raw: list[tuple[int, Um, Um, int]] = []
        self._beside(crossings, s, raw)
        self._across(crossings, s, raw)
        self._beyond_ends(crossings, s, start, end, raw)
        posts = [Post(self._at(i, x, y, crossings, start, end), x, y, side) for i, x, y, side in raw]
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
            low, high = p, len(order) - 1 - p
            k_left, k_right = (low, high) if tiles.edges[e][0] == left else (high, low)
            after = -1
            if s.tris[i + 1] >= 0:
                after = tiles.triangles[s.tris[i + 1]][(tiles.tri_edges[s.tris[i + 1]].index(e) + 2) % 3]
            out.append(_Crossing(left, right, k_left, k_right, tiles.triangles[t][(q + 2) % 3], after))
        return out

    def _beside(self, crossings: list[_Crossing], s: Strand, out: list[tuple[int, Um, Um, int]]) -> None:
        """The features at both ends of all crossed edges, each over the angle under which the wire sees it."""
        f = self.tiles.features
        tie, last = s.end < 0, len(crossings) - 1
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

    def _across(self, crossings: list[_Crossing], s: Strand, out: list[tuple[int, Um, Um, int]]) -> None:
        """Features behind the uncrossed edge of each triangle, which may reach in between its ends."""
        tiles, counts = self.tiles, self.counts
        tie = s.end < 0
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
            between = max(0, abs(counts.passing[t][z] - passing[same]) - ending[far])
            k = passing[far] + between + ending[y] + ending[(y + 1) % 3]
            c, d = crossings[i], crossings[i + 1]
            pivot_left = c.left == d.left
            beyond_us = counts.passing[t][(z + 2) % 3] - 1 - (c.k_left if pivot_left else c.k_right)
            k += max(0, beyond_us)
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
        out: list[tuple[int, Um, Um, int]],
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
                k, f = 0, -1
                for y, corner in enumerate(tiles.triangles[beyond]):
                    if corner == near:
                        k += counts.ending[beyond][y]
                    else:
                        k += counts.passing[beyond][y]
                        f = corner if corner != v else f
                if s.end < 0 and fs.kind[f] == BOUNDARY:
                    continue
                side = LEFT if near == c.left else RIGHT
                found: list[tuple[int, Um, Um, int]] = []
                first, second = (v, near) if interval < 0 else (near, v)
                self._window(f, k, first, second, side, interval, found)
                out += [p for p in found if (p[1] - at[0]) * to_x + (p[2] - at[1]) * to_y > 0]

    def _along_edge(self, s: Strand, start: tuple[Um, Um], end: tuple[Um, Um]) -> list[Post]:
        """Posts of a wire along a tile edge: the apexes of the triangles on both sides."""
        tiles, f = self.tiles, self.tiles.features
        edge = tiles.edge_of[min(s.start, s.end), max(s.start, s.end)]
        raw: list[tuple[int, Um, Um, int]] = []
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

    def _shape(self, v: int, k: int) -> tuple[list[tuple[Um, Um, float]], list[Um]]:
        """Corners (x, y, polar angle) of v grown for k wires in between, and its supports along the 16 normals."""
        known = self._grown.get((v, k))
        if known is None:
            f = self.tiles.features
            by = self.half + f.clearance[v] + self.guard + k * self.pitch
            corners = [(f.x[v] + x, f.y[v] + y, math.atan2(y, x)) for x, y in grown(self.tiles, v, by)]
            supports = [abs(c) * f.half_x[v] + abs(s) * f.half_y[v] + f.radius[v] + by for c, s in NORMALS]
            known = self._grown[v, k] = (corners, supports)
        return known

    def _on_ray(self, v: int, k: int, angle: float) -> tuple[Um, Um]:
        """Where the ray from the centre of v leaves the grown shape."""
        c, s = math.cos(angle), math.sin(angle)
        reach = math.inf
        for (nx, ny), support in zip(NORMALS, self._shape(v, k)[1], strict=True):
            q = c * nx + s * ny
            if q > 1e-9 and support / q < reach:
                reach = support / q
        f = self.tiles.features
        return f.x[v] + reach * c, f.y[v] + reach * s

    def _sector(
        self,
        v: int,
        k: int,
        a: int,
        b: int,
        sense: int,
        interval: int,
        closed: bool,
        out: list[tuple[int, Um, Um, int]],
    ) -> None:
        """The grown shape of v from the direction of feature a to that of b, turning counter-clockwise if sense > 0."""
        f = self.tiles.features
        from_angle = math.atan2(f.y[a] - f.y[v], f.x[a] - f.x[v])
        to_angle = math.atan2(f.y[b] - f.y[v], f.x[b] - f.x[v])
        self._turn(v, k, from_angle, to_angle, sense, interval, closed, out)

    def _turn(
        self,
        v: int,
        k: int,
        from_angle: float,
        to_angle: float,
        sense: int,
        interval: int,
        closed: bool,
        out: list[tuple[int, Um, Um, int]],
    ) -> None:
        span = (sense * (to_angle - from_angle)) % _TURN
        x, y = self._on_ray(v, k, from_angle)
        out.append((interval, x, y, sense))
        ahead = [((sense * (angle - from_angle)) % _TURN, x, y) for x, y, angle in self._shape(v, k)[0]]
        out += [(interval, x, y, sense) for d, x, y in sorted(ahead) if d < span]
        if closed:
            x, y = self._on_ray(v, k, to_angle)
            out.append((interval, x, y, sense))

    def _window(
        self, f: int, k: int, a: int, b: int, sense: int, interval: int, out: list[tuple[int, Um, Um, int]]
    ) -> None:
        """The part of f that shows between features a and b, seen from f; nothing if they cover each other."""
        fs = self.tiles.features
        x, y = fs.x[f], fs.y[f]
        a_angle = math.atan2(fs.y[a] - y, fs.x[a] - x)
        span = (sense * (math.atan2(fs.y[b] - y, fs.x[b] - x) - a_angle)) % _TURN
        low, high = 0.0, span
        for c, s in _CORNERS:
            for v in (a, b):
                px = fs.x[v] + math.copysign(fs.half_x[v], c) + fs.radius[v] * c
                py = fs.y[v] + math.copysign(fs.half_y[v], s) + fs.radius[v] * s
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
            part = min(1.0, max(0.0, part))
            return -part if interval < 0 else last + part
        c, d = crossings[interval], crossings[interval + 1]
        pivot, a, b, sense = (c.left, c.right, d.right, 1) if c.left == d.left else (c.right, c.left, d.left, -1)
        zero = math.atan2(f.y[a] - f.y[pivot], f.x[a] - f.x[pivot])
        span = (sense * (math.atan2(f.y[b] - f.y[pivot], f.x[b] - f.x[pivot]) - zero)) % _TURN
        turn = (sense * (math.atan2(y - f.y[pivot], x - f.x[pivot]) - zero)) % _TURN
        if turn > span / 2 + math.pi:
            turn = 0.0
        return interval + (min(1.0, turn / span) if span > 1e-12 else 0.5)
