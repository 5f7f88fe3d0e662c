"""The tile graph: features, the Delaunay triangles between them, and how much wire fits through each edge.

Distances are measured in the norm of a polygon of 16, 8 or 4 sides (`Style.sides`): a channel that is wide enough in it
is wide enough for wires that bend like the polygon.

Room and load of an edge are lengths. A wire takes a slot: its width, the least space of the problem, and twice what its
net asks for beyond that. Slots add up, whatever stands beside what: never too little, and exact where all nets keep the
same space.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import shapely

from layoutgen.route.features import BOUNDARY, EXACT, Features, Floats, Ints, along_normals, collect, least_space
from layoutgen.route.problem import Ring, RouteProblem
from layoutgen.units import DBU, Um

UNBOUNDED = 10**6
"""Capacity of a cut that does not limit anything."""
_CONFORMING_ROUNDS = 12


@dataclass
class Tiles:
    """Triangles over features. Edge i of triangle t joins its corners i and i + 1; corners run counter-clockwise."""

    features: Features
    triangles: list[tuple[int, int, int]]
    tri_edges: list[tuple[int, int, int]]
    edges: list[tuple[int, int]]
    edge_tris: list[tuple[int, int]]
    """The two triangles of an edge; the second is -1 on the outline."""
    room: list[Um]
    """Per edge: what the slots of the wires across it may add up to."""
    second_room: list[Um]
    """Per edge: the same for the other diagonal of the quad around it; infinite where nothing limits it."""
    span: list[tuple[Um, Um, Um, Um]]
    """Per edge: the part (x0, y0, x1, y1) of it that wires may cross."""
    outline: Ring
    edge_of: dict[tuple[int, int], int]
    tris_of: list[list[int]]
    """Per feature: its triangles."""
    slot: Um
    """Of a wire with the problem's width and least space."""
    _away: dict[tuple[int, ...], list[Um]] = field(default_factory=dict)

    @cached_property
    def corner_array(self) -> Ints:
        """`triangles` as an array (n, 3)."""
        return np.array(self.triangles, dtype=np.int64).reshape(-1, 3)

    @cached_property
    def edge_array(self) -> Ints:
        """`tri_edges` as an array (n, 3)."""
        return np.array(self.tri_edges, dtype=np.int64).reshape(-1, 3)

    @cached_property
    def end_array(self) -> Ints:
        """`edges` as an array (n, 2)."""
        return np.array(self.edges, dtype=np.int64).reshape(-1, 2)

    @cached_property
    def tri_array(self) -> Ints:
        """`edge_tris` as an array (n, 2)."""
        return np.array(self.edge_tris, dtype=np.int64).reshape(-1, 2)

    def beyond(self, edges: Ints, tris: Ints) -> Ints:
        """`other_tri` of many edges."""
        both = self.tri_array[edges]
        return np.where(both[:, 0] == tris, both[:, 1], both[:, 0])

    @cached_property
    def capacity(self) -> list[int]:
        """Per edge: how many wires of the problem's width and space fit."""
        return [max(0, math.floor((r + EXACT) / self.slot)) for r in self.room]

    @cached_property
    def second_capacity(self) -> list[int]:
        """Per edge: how many such wires fit across the other diagonal."""
        return [UNBOUNDED if r == math.inf else max(0, math.floor((r + EXACT) / self.slot)) for r in self.second_room]

    def away_from(self, targets: tuple[int, ...]) -> list[Um]:
        """Per edge: no more than what any point of it is away from the nearest of some features."""
        if targets not in self._away:
            span = np.array(self.span)
            half = np.hypot(span[:, 2] - span[:, 0], span[:, 3] - span[:, 1]) / 2
            middle = shapely.points((span[:, 0] + span[:, 2]) / 2, (span[:, 1] + span[:, 3]) / 2)
            tree = shapely.STRtree([shapely.Point(p) for p in self.features.at[list(targets)].tolist()])
            _, distance = tree.query_nearest(middle, return_distance=True, all_matches=False)
            self._away[targets] = [float(d) for d in np.maximum(0.0, distance - half)]
        return self._away[targets]

    def other_tri(self, edge: int, tri: int) -> int:
        """The triangle on the other side of an edge, -1 outside."""
        a, b = self.edge_tris[edge]
        return b if a == tri else a


def slot_of(problem: RouteProblem, net: str) -> Um:
    """What a wire of a net takes of the room of an edge."""
    least = least_space(problem)
    return problem.width_of(net) + least + 2 * (problem.space_of(net) - least)


def build(problem: RouteProblem, layer: int = 0) -> Tiles:
    """The tile graph of one layer of a problem."""
    f, triangles = _conforming(collect(problem, layer), problem)
    corners = np.array(triangles, dtype=np.int64).reshape(-1, 3)
    both = np.sort(np.stack([corners, np.roll(corners, -1, 1)], -1).reshape(-1, 2), 1)
    # edges are numbered as they come up, triangle after triangle
    _, first, which, uses = np.unique(both @ (len(f), 1), return_index=True, return_inverse=True, return_counts=True)
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    tri_edges = number[which.reshape(-1, 3)]
    order = np.sort(first)
    ends = both[order]
    edges = _tuples(ends)
    sums = np.zeros(len(first), dtype=np.int64)
    np.add.at(sums, tri_edges, np.arange(len(corners))[:, None])
    edge_tris = _tuples(np.stack([order // 3, np.where(uses[np.argsort(first)] > 1, sums - order // 3, -1)], 1))
    around = (np.argsort(corners.ravel(), kind="stable") // 3).tolist()
    stops = np.cumsum(np.bincount(corners.ravel(), minlength=len(f))).tolist()
    tris_of = [around[start:stop] for start, stop in zip([0, *stops[:-1]], stops, strict=True)]
    least = least_space(problem)
    return Tiles(
        f,
        triangles,
        _tuples(tri_edges),
        edges,
        edge_tris,
        _rooms(f, ends, edge_tris, problem, least),
        _second_rooms(f, ends, edge_tris, triangles, least),
        _spans(f, ends),
        problem.outline,
        dict(zip(edges, range(len(edges)), strict=True)),
        tris_of,
        problem.width + 2 * problem.space_of("") - least,
    )


def _conforming(f: Features, problem: RouteProblem) -> tuple[Features, list[tuple[int, int, int]]]:
    """Features and triangles inside of the outline, with points added until all of the outline is edges."""
    inside = shapely.Polygon(problem.outline)
    shapely.prepare(inside)
    convex = inside.convex_hull.area - inside.area < DBU
    for _ in range(_CONFORMING_ROUNDS):
        triangles = _delaunay(f)
        if convex:
            return f, triangles
        centres = f.at[np.array(triangles)].mean(1)
        kept = shapely.contains_xy(inside, centres[:, 0], centres[:, 1])
        triangles = [t for t, k in zip(triangles, kept.tolist(), strict=True) if k]
        edges = {(min(a, b), max(a, b)) for t in triangles for a, b in zip(t, t[1:] + t[:1], strict=True)}
        rim = [v for v, k in enumerate(f.kind) if k == BOUNDARY]
        gaps = [(a, b) for a, b in zip(rim, rim[1:] + rim[:1], strict=True) if (min(a, b), max(a, b)) not in edges]
        if not gaps:
            return f, triangles
        f = _with_boundary(f, rim, gaps)
    return f, triangles


def _with_boundary(f: Features, rim: list[int], gaps: Iterable[tuple[int, int]]) -> Features:
    """The features with points in the middle of some gaps between neighbouring outline points, in order."""
    split = set(gaps)
    order = list(range(rim[0]))
    at: list[tuple[Um, Um]] = [(f.x[v], f.y[v]) for v in order]
    for a, b in zip(rim, rim[1:] + rim[:1], strict=True):
        at.append((f.x[a], f.y[a]))
        if (a, b) in split:
            at.append(((f.x[a] + f.x[b]) / 2, (f.y[a] + f.y[b]) / 2))
    more = len(at) - len(order)
    support = np.vstack([f.support[: rim[0]], np.zeros((more, f.sides))])
    clearance = f.clearance[: rim[0]] + [f.clearance[rim[0]]] * more
    kind = f.kind[: rim[0]] + [BOUNDARY] * more
    return Features([p[0] for p in at], [p[1] for p in at], support, clearance, kind, f.square)


def _delaunay(f: Features) -> list[tuple[int, int, int]]:
    """Counter-clockwise triangles of feature indices, sorted."""
    places = f.at @ (1, 1j)
    known, first = np.unique(places, return_index=True)
    triangles = shapely.delaunay_triangles(shapely.multipoints(f.at[np.sort(first)]))
    corners = shapely.get_coordinates(triangles).reshape(-1, 4, 2)[:, :3]
    (ax, ay), (bx, by), (cx, cy) = corners.transpose(1, 2, 0)
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    number = first[np.searchsorted(known, corners @ (1, 1j))]
    number[area < 0] = number[area < 0][:, [0, 2, 1]]
    number = number[np.abs(area) >= 1e-4]
    turned = (number.argmin(1)[:, None] + np.arange(3)) % 3
    number = np.take_along_axis(number, turned, 1)
    return _tuples(number[np.lexsort(number.T[::-1])])


def _tuples(rows: Ints | Floats) -> list[Any]:
    """Rows of an array as tuples."""
    return list(zip(*rows.T.tolist(), strict=True)) if len(rows) else []


def _rooms(f: Features, ends: Ints, edge_tris: list[tuple[int, int]], problem: RouteProblem, least: Um) -> list[Um]:
    """Room of every edge. Edges on the outline take whole slots, rounded up: ties are spread along the side later."""
    u, v = ends[:, 0], ends[:, 1]
    keep = np.array(f.clearance)
    room = f.gap(u, v) - keep[u] - keep[v] + least
    hull = np.array([b < 0 for _, b in edge_tris])
    length = np.hypot(*(f.at[u] - f.at[v]).T)
    slot = problem.width + 2 * problem.space_of("") - least
    room[hull] = np.ceil(length[hull] / slot) * slot if problem.ties else 0.0
    out: list[Um] = np.maximum(room, 0.0).tolist()
    return out


def _second_rooms(
    f: Features, ends: Ints, edge_tris: list[tuple[int, int]], triangles: list[tuple[int, int, int]], least: Um
) -> list[Um]:
    """Room across the segment between the two apexes of an edge, where both ends of the edge stand clear of it."""
    out = np.full(len(ends), np.inf)
    both = np.array(edge_tris, dtype=np.int64).reshape(-1, 2)
    inner = np.flatnonzero(both[:, 1] >= 0)
    if not len(inner):
        return list(out.tolist())
    tri = np.array(triangles, dtype=np.int64)
    u, v = ends[inner, 0], ends[inner, 1]
    a, b = (tri[both[inner, k]].sum(1) - u - v for k in (0, 1))
    d = f.at[b] - f.at[a]
    d = d / np.hypot(d[:, 0], d[:, 1])[:, None]
    across = np.column_stack([-d[:, 1], d[:, 0]])
    bu, bv = (((f.at[z] - f.at[a]) * across).sum(1) for z in (u, v))
    clear_u = np.abs(bu) > f.reach(u, -np.sign(bu)[:, None] * across)
    clear_v = np.abs(bv) > f.reach(v, -np.sign(bv)[:, None] * across)
    kind, keep = np.array(f.kind), np.array(f.clearance)
    bounded = (bu * bv < 0) & clear_u & clear_v & ~((kind[a] == BOUNDARY) & (kind[b] == BOUNDARY))
    room = np.maximum(0.0, f.gap(a, b) - keep[a] - keep[b] + least)
    out[inner[bounded]] = room[bounded]
    return list(out.tolist())


def _spans(f: Features, ends: Ints) -> list[tuple[Um, Um, Um, Um]]:
    """The part of each edge outside of both features and their clearances; a point where nothing is left."""
    u, v = ends[:, 0], ends[:, 1]
    d = f.at[v] - f.at[u]
    length = np.hypot(d[:, 0], d[:, 1])
    d = d / length[:, None]
    keep = np.array(f.clearance)

    def leave(z: Ints, towards: Floats) -> Floats:
        along = along_normals(towards, f.sides)
        with np.errstate(divide="ignore", invalid="ignore"):
            by = (f.support[z] + keep[z][:, None] * f.unit) / along
        out: Floats = np.where(along > 1e-9, by, np.inf).min(1)
        return out

    from_u, from_v = leave(u, d), leave(v, -d)
    full = from_u + from_v > length
    middle = (from_u + length - from_v) / 2
    from_u, to_v = np.where(full, middle, from_u), np.where(full, middle, length - from_v)
    p, q = f.at[u] + d * from_u[:, None], f.at[u] + d * to_v[:, None]
    return _tuples(np.column_stack([p, q]))
