"""The tile graph: features, the Delaunay triangles between them, and how many wires fit through each edge.

Distances are measured in the norm of a regular 16-gon: `gap` is the largest distance between the shapes along one of
its 16 side normals. A channel that is wide enough in this norm is wide enough for wires that bend like the 16-gon.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.problem import Obstacle, RouteProblem
from layoutgen.units import Um

SIDES = 16
"""Sides of the polygon that stands for a circle in all clearances."""
NORMALS = tuple((math.cos(2 * math.pi * j / SIDES), math.sin(2 * math.pi * j / SIDES)) for j in range(SIDES))
UNBOUNDED = 10**6
"""Capacity of a cut that does not limit anything."""
TERMINAL, OBSTACLE, BOUNDARY = 0, 1, 2
MAX_PIECES = 16
"""An obstacle is split into at most this many pieces along each axis."""

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass
class Features:
    """Convex shapes by columns: centre, half extents of a box, radius of a disc, clearance a wire keeps (um)."""

    x: list[Um] = field(default_factory=list)
    y: list[Um] = field(default_factory=list)
    half_x: list[Um] = field(default_factory=list)
    half_y: list[Um] = field(default_factory=list)
    radius: list[Um] = field(default_factory=list)
    clearance: list[Um] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)

    def add(self, x: Um, y: Um, half_x: Um, half_y: Um, radius: Um, clearance: Um, kind: int) -> int:
        """Append one feature and return its index."""
        for column, value in zip(
            (self.x, self.y, self.half_x, self.half_y, self.radius, self.clearance),
            (x, y, half_x, half_y, radius, clearance),
            strict=True,
        ):
            column.append(float(value))
        self.kind.append(kind)
        return len(self.kind) - 1

    def __len__(self) -> int:
        return len(self.kind)


@dataclass
class Tiles:
    """Triangles over features. Edge i of triangle t joins its corners i and i + 1; corners run counter-clockwise."""

    features: Features
    triangles: list[tuple[int, int, int]]
    tri_edges: list[tuple[int, int, int]]
    edges: list[tuple[int, int]]
    edge_tris: list[tuple[int, int]]
    """The two triangles of an edge; the second is -1 on the outline."""
    capacity: list[int]
    second_capacity: list[int]
    """Per edge: how many wires fit across the other diagonal of the quad around it."""
    span: list[tuple[Um, Um, Um, Um]]
    """Per edge: the part (x0, y0, x1, y1) of it that wires may cross."""
    outline: tuple[Um, Um, Um, Um]
    edge_of: dict[tuple[int, int], int]
    tris_of: list[list[int]]
    """Per feature: its triangles."""

    def other_tri(self, edge: int, tri: int) -> int:
        """The triangle on the other side of an edge, -1 outside."""
        a, b = self.edge_tris[edge]
        return b if a == tri else a


def channel_capacity(gap: Um, clearance_a: Um, clearance_b: Um, width: Um, space: Um) -> int:
    """How many wires fit into a gap: n * width + (n - 1) * space <= gap - clearances."""
    return max(0, math.floor((gap - clearance_a - clearance_b + space) / (width + space) + 1e-9))


def collect(problem: RouteProblem) -> Features:
    """Terminals first and in order, then obstacle pieces, then points on the outline."""
    f = Features()
    for t in problem.terminals:
        box, disc = ((0.0, 0.0), t.half_x) if t.round else ((t.half_x, t.half_y), 0.0)
        f.add(t.x, t.y, *box, disc, problem.space, TERMINAL)
    for obstacle in problem.obstacles:
        for x, y, hx, hy in pieces(obstacle, problem):
            f.add(x, y, hx, hy, 0.0, problem.space, OBSTACLE)
    for x, y in boundary_points(f, problem):
        f.add(x, y, 0.0, 0.0, 0.0, problem.edge, BOUNDARY)
    return f


def pieces(obstacle: Obstacle, problem: RouteProblem) -> list[tuple[Um, Um, Um, Um]]:
    """Centre and half extents of nearly square pieces of an obstacle, clipped to the outline."""
    xs, ys = zip(*obstacle.points, strict=True)
    x0, x1 = max(min(xs), problem.bounds[0]), min(max(xs), problem.bounds[2])
    y0, y1 = max(min(ys), problem.bounds[1]), min(max(ys), problem.bounds[3])
    if x0 >= x1 or y0 >= y1:
        return []
    side = max(min(x1 - x0, y1 - y0), 2 * problem.pitch)
    side = min(side, 6 * problem.pitch)
    nx = min(MAX_PIECES, max(1, round((x1 - x0) / side)))
    ny = min(MAX_PIECES, max(1, round((y1 - y0) / side)))
    hx, hy = (x1 - x0) / nx / 2, (y1 - y0) / ny / 2
    return [(x0 + (2 * i + 1) * hx, y0 + (2 * j + 1) * hy, hx, hy) for i in range(nx) for j in range(ny)]


def boundary_points(f: Features, problem: RouteProblem) -> list[tuple[Um, Um]]:
    """Points on the outline: corners, the feet of near features, and fillers, thinned; counter-clockwise."""
    x0, y0, x1, y1 = problem.bounds
    step = _boundary_step(f, problem)
    points: list[tuple[Um, Um]] = []
    for side in range(4):
        horizontal = side % 2 == 0
        lo, hi = (x0, x1) if horizontal else (y0, y1)
        line = (y0, x1, y1, x0)[side]
        along, across, half = (f.x, f.y, f.half_y) if horizontal else (f.y, f.x, f.half_x)
        depth = [abs(a - line) for a in across]
        shade = problem.edge + problem.width + problem.space
        must = sorted(
            {round(a, 3) for a, d, h, r in zip(along, depth, half, f.radius, strict=True) if d - h - r < shade}
        )
        may = sorted({round(a, 3) for a, d in zip(along, depth, strict=True) if d < 3 * step})
        fill = [lo + step * k for k in range(1, math.ceil((hi - lo) / step))]
        kept = _thin([lo, hi], must, step / 16)
        kept = _thin(kept, may, step / 8)
        kept = _thin(kept, fill, step / 2)
        side_points = [c for c in sorted(kept) if c < hi] if side in (0, 1) else sorted(kept, reverse=True)[:-1]
        points += [(c, line) if horizontal else (line, c) for c in side_points]
    return points


def _boundary_step(f: Features, problem: RouteProblem) -> Um:
    """Spacing of outline points: the median distance of a feature to its nearest neighbour, within bounds."""
    x0, y0, x1, y1 = problem.bounds
    longest = max(x1 - x0, y1 - y0) / 4
    if len(f) < 2:
        return longest
    points = [shapely.Point(x, y) for x, y in zip(f.x, f.y, strict=True)]
    tree = shapely.STRtree(points)
    _, near = tree.query_nearest(points, exclusive=True, all_matches=False, return_distance=True)
    return float(min(longest, max(float(np.median(near)), 3 * problem.pitch)))


def _thin(kept: list[Um], candidates: Sequence[Um], apart: Um) -> list[Um]:
    """`kept` and those candidates that are at least `apart` from all kept ones."""
    lo, hi = kept[0], kept[1]
    out = list(kept)
    for c in candidates:
        if lo + apart <= c <= hi - apart and all(abs(c - k) >= apart for k in out):
            out.append(c)
    return out


def build(problem: RouteProblem) -> Tiles:
    """The tile graph of a problem."""
    f = collect(problem)
    triangles = _delaunay(f)
    edge_of: dict[tuple[int, int], int] = {}
    sides: list[list[int]] = []
    tri_edges: list[tuple[int, int, int]] = []
    tris_of: list[list[int]] = [[] for _ in range(len(f))]
    for t, corners in enumerate(triangles):
        ids = []
        for i in range(3):
            u, v = corners[i], corners[(i + 1) % 3]
            e = edge_of.setdefault((min(u, v), max(u, v)), len(edge_of))
            if e == len(sides):
                sides.append([])
            sides[e].append(t)
            ids.append(e)
            tris_of[corners[i]].append(t)
        tri_edges.append((ids[0], ids[1], ids[2]))
    edges = list(edge_of)
    edge_tris = [(s[0], s[1] if len(s) > 1 else -1) for s in sides]
    shapes = _Shapes.of(f)
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    return Tiles(
        f,
        triangles,
        tri_edges,
        edges,
        edge_tris,
        _capacities(shapes, ends, edge_tris, problem),
        _second_capacities(shapes, ends, edge_tris, triangles, f.kind, problem),
        _spans(shapes, ends),
        problem.bounds,
        edge_of,
        tris_of,
    )


def _delaunay(f: Features) -> list[tuple[int, int, int]]:
    """Counter-clockwise triangles of feature indices, sorted."""
    points = shapely.multipoints(np.column_stack([f.x, f.y]))
    corners = shapely.get_coordinates(shapely.delaunay_triangles(points)).reshape(-1, 4, 2)[:, :3]
    index = {(x, y): i for i, (x, y) in enumerate(zip(f.x, f.y, strict=True))}
    out = []
    for a, b, c in corners.tolist():
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(area) < 1e-6:
            continue
        i, j, k = (index[p[0], p[1]] for p in ((a, b, c) if area > 0 else (a, c, b)))
        low = min(i, j, k)
        out.append((i, j, k) if i == low else (j, k, i) if j == low else (k, i, j))
    return sorted(out)


@dataclass
class _Shapes:
    """The columns of `Features` as arrays, for the vectorised part."""

    at: Floats
    half: Floats
    radius: Floats
    clearance: Floats

    @classmethod
    def of(cls, f: Features) -> _Shapes:
        columns: list[Any] = [np.column_stack(c) for c in ((f.x, f.y), (f.half_x, f.half_y))]
        return cls(columns[0], columns[1], np.array(f.radius), np.array(f.clearance))

    def reach(self, v: Ints, c: float | Floats, s: float | Floats) -> Floats:
        """Support of the shapes v along direction (c, s)."""
        out: Floats = np.abs(c) * self.half[v, 0] + np.abs(s) * self.half[v, 1] + self.radius[v]
        return out

    def gap(self, u: Ints, v: Ints) -> Floats:
        """Distance of shapes u and v in the 16-gon norm; negative where they overlap."""
        d = self.at[v] - self.at[u]
        best = np.full(len(u), -np.inf)
        for c, s in NORMALS:
            best = np.maximum(best, d[:, 0] * c + d[:, 1] * s - self.reach(u, c, s) - self.reach(v, c, s))
        return best

    def fits(self, u: Ints, v: Ints, problem: RouteProblem) -> Ints:
        """Vectorised `channel_capacity` between shapes u and v."""
        room = self.gap(u, v) - self.clearance[u] - self.clearance[v] + problem.space
        out: Ints = np.maximum(0, np.floor(room / problem.pitch + 1e-9)).astype(np.int64)
        return out


def _capacities(shapes: _Shapes, ends: Ints, edge_tris: list[tuple[int, int]], problem: RouteProblem) -> list[int]:
    """Wires per edge. Edges on the outline count whole pitches, rounded up: ties are spread along the side later."""
    u, v = ends[:, 0], ends[:, 1]
    capacity = shapes.fits(u, v, problem)
    hull = np.array([b < 0 for _, b in edge_tris])
    length = np.hypot(*(shapes.at[u] - shapes.at[v]).T)
    capacity[hull] = np.ceil(length[hull] / problem.pitch).astype(np.int64) if problem.ties else 0
    return [int(c) for c in capacity]


def _second_capacities(
    shapes: _Shapes,
    ends: Ints,
    edge_tris: list[tuple[int, int]],
    triangles: list[tuple[int, int, int]],
    kind: list[int],
    problem: RouteProblem,
) -> list[int]:
    """Wires across the segment between the two apexes of an edge, where both ends of the edge stand clear of it."""
    out = [UNBOUNDED] * len(ends)
    inner = [e for e, (_, b) in enumerate(edge_tris) if b >= 0]
    if not inner:
        return out
    apex = np.array(
        [[next(c for c in triangles[t] if c not in ends[e]) for t in edge_tris[e]] for e in inner], dtype=np.int64
    )
    a, b = apex[:, 0], apex[:, 1]
    u, v = ends[inner, 0], ends[inner, 1]
    d = shapes.at[b] - shapes.at[a]
    length = np.hypot(d[:, 0], d[:, 1])
    nx, ny = -d[:, 1] / length, d[:, 0] / length

    def beside(z: Ints) -> Floats:
        p = shapes.at[z] - shapes.at[a]
        out: Floats = p[:, 0] * nx + p[:, 1] * ny
        return out

    bu, bv = beside(u), beside(v)
    clear = (bu * bv < 0) & (np.abs(bu) > shapes.reach(u, nx, ny)) & (np.abs(bv) > shapes.reach(v, nx, ny))
    fits = shapes.fits(a, b, problem)
    for q, e in enumerate(inner):
        if clear[q] and not kind[a[q]] == kind[b[q]] == BOUNDARY:
            out[e] = int(fits[q])
    return out


def _spans(shapes: _Shapes, ends: Ints) -> list[tuple[Um, Um, Um, Um]]:
    """The part of each edge outside of both features and their clearances; a point where nothing is left."""
    u, v = ends[:, 0], ends[:, 1]
    d = shapes.at[v] - shapes.at[u]
    length = np.hypot(d[:, 0], d[:, 1])
    d = d / length[:, None]
    from_u, from_v = np.full(len(u), np.inf), np.full(len(u), np.inf)
    for c, s in NORMALS:
        along = d[:, 0] * c + d[:, 1] * s
        ahead, back = along > 1e-9, along < -1e-9
        du = (shapes.reach(u, c, s) + shapes.clearance[u])[ahead] / along[ahead]
        dv = (shapes.reach(v, c, s) + shapes.clearance[v])[back] / -along[back]
        from_u[ahead] = np.minimum(from_u[ahead], du)
        from_v[back] = np.minimum(from_v[back], dv)
    full = from_u + from_v > length
    middle = (from_u + length - from_v) / 2
    from_u, to_v = np.where(full, middle, from_u), np.where(full, middle, length - from_v)
    p, q = shapes.at[u] + d * from_u[:, None], shapes.at[u] + d * to_v[:, None]
    return [(x0, y0, x1, y1) for (x0, y0), (x1, y1) in zip(p.tolist(), q.tolist(), strict=True)]
