"""The tile graph: features, the Delaunay triangles between them, and how much wire fits through each edge.

Every feature is known by its supports: how far it reaches from its centre along the normals of a regular polygon of
16 or 8 sides. Distances are measured in the norm of a polygon of 16, 8 or 4 sides (`Style.sides`): a channel that is
wide enough in it is wide enough for wires that bend like the polygon. A square has the supports of the 8 normals, too:
wires at 0 and 90 degrees go round a disc in steps, nearer to it than its box at the corners.

Room and load of an edge are lengths. A wire takes a slot: its width, the least space of the problem, and twice what its
net asks for beyond that. Slots add up, whatever stands beside what: never too little, and exact where all nets keep the
same space.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, TypeAlias

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.problem import Obstacle, Ring, RouteProblem, Terminal
from layoutgen.units import DBU, Um, dbu

UNBOUNDED = 10**6
"""Capacity of a cut that does not limit anything."""
TERMINAL, OBSTACLE, BOUNDARY = 0, 1, 2
MAX_PIECES = 16
"""An obstacle is split into at most this many pieces along each axis."""
_CONFORMING_ROUNDS = 12
_EXACT = 1e-6
"""In um: what rounding of floats may take from a channel."""

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


@cache
def normals(sides: int) -> Floats:
    """Unit normals of the sides of a regular polygon, the first along x: shape (sides, 2)."""
    angles = 2 * np.pi * np.arange(sides) / sides
    return np.round(np.column_stack([np.cos(angles), np.sin(angles)]), 15)


def unit_supports(sides: int, *, square: bool) -> Floats:
    """Supports of the regular polygon around a circle of radius 1, or of the square around it, whose corners stand out.

    The normals of a square's sides and of its corners are the eight of an octagon.
    """
    return np.tile([1.0, math.sqrt(2)], sides // 2) if square else np.ones(sides)


@dataclass(frozen=True)
class Features:
    """Convex shapes by columns: centre, supports relative to it along the normals, clearance, kind (um)."""

    x: list[Um]
    y: list[Um]
    support: Floats
    """(n, sides)."""
    clearance: list[Um]
    """What a wire of the problem's least space keeps to it."""
    kind: list[int]
    square: bool = False
    """Whether distances are measured in the norm of a square rather than in that of a polygon of all normals."""

    def __len__(self) -> int:
        return len(self.kind)

    @cached_property
    def unit(self) -> Floats:
        """Supports of the polygon that distances are measured with."""
        return unit_supports(self.sides, square=self.square)

    @cached_property
    def at(self) -> Floats:
        """Centres, (n, 2)."""
        return np.column_stack([self.x, self.y])

    @property
    def sides(self) -> int:
        """Number of normals."""
        return int(self.support.shape[1])

    def reach(self, v: Ints, directions: Floats) -> Floats:
        """How far shapes v reach along unit vectors: the polygon of their supports, so never too little."""
        n = normals(self.sides)
        step = 2 * np.pi / self.sides
        j = np.floor(np.arctan2(directions[:, 1], directions[:, 0]) / step).astype(np.int64) % self.sides
        k = (j + 1) % self.sides
        a, b = self.support[v, j], self.support[v, k]
        px = (a * n[k, 1] - b * n[j, 1]) / math.sin(step)
        py = (b * n[j, 0] - a * n[k, 0]) / math.sin(step)
        out: Floats = px * directions[:, 0] + py * directions[:, 1]
        return out

    def gap(self, u: Ints, v: Ints) -> Floats:
        """Distance of shapes u and v in the polygon's norm; negative where they overlap."""
        d = self.at[v] - self.at[u]
        apart = _along_normals(d, self.sides) - self.support[u] - np.roll(self.support[v], self.sides // 2, 1)
        out: Floats = (apart / self.unit).max(1)
        return out


def _along_normals(vectors: Floats, sides: int) -> Floats:
    """Parts of vectors along each normal, (n, sides): term by term, so the same on every machine and in one thread."""
    n = normals(sides)
    out: Floats = vectors[:, :1] * n[:, 0] + vectors[:, 1:] * n[:, 1]
    return out


def corners_of(support: Floats) -> Floats:
    """Corners of the polygons with the given supports, counter-clockwise: shape (..., sides, 2).

    Corner j lies between normals j and j + 1.
    """
    sides = support.shape[-1]
    n = normals(sides)
    m = np.roll(n, -1, 0)
    b = np.roll(support, -1, -1)
    sine = math.sin(2 * math.pi / sides)
    return np.stack([(support * m[:, 1] - b * n[:, 1]) / sine, (b * n[:, 0] - support * m[:, 0]) / sine], -1)


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
        return [max(0, math.floor((r + _EXACT) / self.slot)) for r in self.room]

    @cached_property
    def second_capacity(self) -> list[int]:
        """Per edge: how many such wires fit across the other diagonal."""
        return [UNBOUNDED if r == math.inf else max(0, math.floor((r + _EXACT) / self.slot)) for r in self.second_room]

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


def least_space(problem: RouteProblem) -> Um:
    """The smallest space that any net of a problem keeps."""
    return min([problem.space, *(problem.space_of(net) for net in problem.rules)])


def slot_of(problem: RouteProblem, net: str) -> Um:
    """What a wire of a net takes of the room of an edge."""
    least = least_space(problem)
    return problem.width_of(net) + least + 2 * (problem.space_of(net) - least)


def squared(support: Floats) -> Floats:
    """Supports (..., 8) of the boxes around shapes."""
    out = support.copy()
    out[..., 1::2] = (support[..., ::2] + np.roll(support[..., ::2], -1, -1)) * math.sqrt(0.5)
    return out


def terminal_rings(terminals: Sequence[Terminal], sides: int, keep: Sequence[Um] | None = None) -> Floats:
    """Supports of terminals about their centres: shape (n, sides).

    keep: where wires run at 0 and 90 degrees, what they keep to each terminal. They go round a disc with one step in
    each corner, whose own corner comes as near as that; round all else as round its box.
    """
    n = normals(sides)
    half = np.array([(t.half_x, t.half_y) for t in terminals], dtype=float).reshape(-1, 2)
    discs = np.array([t.round for t in terminals], dtype=bool)
    sizes, which = np.unique(half, axis=0, return_inverse=True)
    boxes = np.array([np.abs(n) @ size for size in sizes]).reshape(-1, sides)[which.ravel()]
    out: Floats = np.where(discs[:, None], half[:, :1], boxes)
    for i, t in enumerate(terminals):
        if t.polygon:
            out[i] = (n @ (np.array(t.polygon) - (t.x, t.y)).T).max(1)
    if keep is not None:
        boxed = np.array([not t.round or bool(t.polygon) for t in terminals], dtype=bool)
        out[boxed] = squared(out[boxed])
        radius, space = half[~boxed, :1], np.array(keep, dtype=float)[~boxed, None]
        less = (math.sqrt(0.5) - 0.5) * space  # of what the corner of a square stands out, not all is kept
        out[~boxed, 1::2] = np.maximum((math.sqrt(0.5) + 0.5) * radius - less, math.sqrt(0.5) * radius)
    return out


def collect(problem: RouteProblem, layer: int = 0) -> Features:
    """Terminals first and in order, then obstacle pieces, then points on the outline."""
    square = problem.style.sides == 4
    sides = 8 if square else problem.style.sides
    n = normals(sides)
    least = least_space(problem)
    shapes = problem.terminals
    x, y = [float(t.x) for t in shapes], [float(t.y) for t in shapes]
    clearance = [float(max(least, problem.space_of(t.net, 2 * min(t.half_x, t.half_y)))) for t in shapes]
    supports = [terminal_rings(shapes, sides, clearance if square else None)]
    for obstacle in problem.obstacles:
        if obstacle.layer in (None, layer):
            for piece in pieces(obstacle, problem):
                centre = piece.mean(0)
                x.append(float(centre[0]))
                y.append(float(centre[1]))
                clearance.append(float(least))
                support = (n @ (piece - centre).T).max(1)[None]
                supports.append(squared(support) if square else support)
    kind = [TERMINAL] * len(shapes) + [OBSTACLE] * (len(x) - len(shapes))
    inner = Features(x, y, np.concatenate(supports), clearance, kind, square)
    rim = boundary_points(inner, problem)
    support = np.concatenate([inner.support, np.zeros((len(rim), sides))])
    clearance, kind = clearance + [float(problem.edge)] * len(rim), kind + [BOUNDARY] * len(rim)
    return Features(x + [p[0] for p in rim], y + [p[1] for p in rim], support, clearance, kind, square)


def pieces(obstacle: Obstacle, problem: RouteProblem) -> list[Floats]:
    """Convex, nearly square pieces of an obstacle, clipped to the outline: corners in um."""
    limit = shapely.Polygon(problem.outline)
    shape = shapely.Polygon(obstacle.points).intersection(limit)
    out: list[Floats] = []
    for part in shapely.get_parts(shape).tolist():
        if part.geom_type != "Polygon" or part.is_empty:
            continue
        for convex in _convex_parts(part):
            out += _squares(convex, problem)
    return out


def _convex_parts(polygon: shapely.Polygon) -> list[shapely.Polygon]:
    if not polygon.interiors and polygon.convex_hull.area - polygon.area < DBU:
        return [polygon]
    hull = [kdb.Point(dbu(x), dbu(y)) for x, y in polygon.exterior.coords[:-1]]
    shape = kdb.Polygon(hull)
    for ring in polygon.interiors:
        shape.insert_hole([kdb.Point(dbu(x), dbu(y)) for x, y in ring.coords[:-1]])
    parts = kdb.Region(shape).decompose_convex_to_region(kdb.Polygon.PO_any)
    return [shapely.Polygon([(p.x * DBU, p.y * DBU) for p in part.each_point_hull()]) for part in parts.each()]


def _squares(convex: shapely.Polygon, problem: RouteProblem) -> list[Floats]:
    """A convex polygon cut by a grid whose cells are about as wide as the polygon is thin."""
    x0, y0, x1, y1 = convex.bounds
    thin = min(x1 - x0, y1 - y0, convex.area / max(x1 - x0, y1 - y0))
    side = min(max(thin, 2 * problem.pitch), 6 * problem.pitch)
    nx = min(MAX_PIECES, max(1, round((x1 - x0) / side)))
    ny = min(MAX_PIECES, max(1, round((y1 - y0) / side)))
    if nx == ny == 1:
        return [shapely.get_coordinates(convex)[:-1]]
    xs, ys = np.linspace(x0, x1, nx + 1), np.linspace(y0, y1, ny + 1)
    west, south, east, north = np.broadcast_arrays(xs[:-1, None], ys[:-1], xs[1:, None], ys[1:])
    cells = shapely.box(west.ravel(), south.ravel(), east.ravel(), north.ravel())
    parts = shapely.intersection(convex, cells)
    return [
        shapely.get_coordinates(part)[:-1] for part in parts.tolist() if part.geom_type == "Polygon" and part.area > DBU
    ]


def sides_of(outline: Ring) -> list[tuple[Floats, Floats, Um]]:
    """Per side of the outline, counter-clockwise: its start, its unit direction, and its length (um)."""
    points = np.array(outline, dtype=float)
    if not shapely.LinearRing(points).is_ccw:
        points = points[::-1]
    out = []
    for a, b in zip(points, np.roll(points, -1, 0), strict=True):
        length = float(np.hypot(*(b - a)))
        out.append((a, (b - a) / length, length))
    return out


def boundary_points(f: Features, problem: RouteProblem) -> list[tuple[Um, Um]]:
    """Points on the outline: corners, the feet of near features, and fillers, thinned; counter-clockwise."""
    step = _boundary_step(f, problem)
    shade = problem.edge + problem.width + problem.space
    points: list[tuple[Um, Um]] = []
    for start, direction, length in sides_of(problem.outline):
        inward = np.array([-direction[1], direction[0]])
        rel = f.at.reshape(-1, 2) - start
        along, depth = rel @ direction, rel @ inward
        near = depth - f.reach(np.arange(len(f)), np.tile(-inward, (len(f), 1))) if len(f) else depth
        beside = (along > 0) & (along < length) & (depth > 0)
        must = sorted({round(float(a), 3) for a in along[beside & (near < shade)]})
        may = sorted({round(float(a), 3) for a in along[beside & (depth < 3 * step)]})
        fill = [step * k for k in range(1, math.ceil(length / step))]
        if f.square:
            shaded = np.flatnonzero(beside & (near < shade))
            may, fill = (_open(f, problem, shaded, along[shaded], direction, group) for group in (may, fill))
        kept = _thin([0.0, length], must, step / 16)
        kept = _thin(kept, may, step / 8)
        kept = _thin(kept, fill, step / 2)
        points += [tuple((start + direction * c).tolist()) for c in sorted(kept) if c < length]
    return [(round(x, 6), round(y, 6)) for x, y in points]


def _open(
    f: Features, problem: RouteProblem, shaded: Ints, along: Floats, direction: Floats, places: list[Um]
) -> list[Um]:
    """Places on a side at which a point would not stand in the way of ties that pass beside features near the side.

    What is kept to the outline counts all around a point on it, and in the norm of a square between any two of them.
    """
    both = np.stack([f.reach(shaded, np.tile(sign * direction, (len(shaded), 1))) for sign in (-1.0, 1.0)], 1)
    keep = np.array(f.clearance)[shaded] + problem.edge + problem.width
    low, high = along - both[:, 0] - keep, along + both[:, 1] + keep
    return [c for c in places if not np.any((low < c) & (c < high) & (np.abs(along - c) > _EXACT))]


def _boundary_step(f: Features, problem: RouteProblem) -> Um:
    """Spacing of outline points: the median distance of a feature to its nearest neighbour, within bounds."""
    x0, y0, x1, y1 = problem.bounds
    longest = max(x1 - x0, y1 - y0) / 4
    if len(f) < 2:
        return longest
    points = np.asarray(shapely.points(f.at))
    _, near = shapely.STRtree(points).query_nearest(points, exclusive=True, all_matches=False, return_distance=True)
    return float(min(longest, max(float(np.median(near)) if len(near) else longest, 3 * problem.pitch)))


def _thin(kept: list[Um], candidates: Sequence[Um], apart: Um) -> list[Um]:
    """`kept` and those candidates that are at least `apart` from all kept ones."""
    lo, hi = kept[0], kept[1]
    out = sorted(kept)
    for c in candidates:
        if lo + apart <= c <= hi - apart:
            at = int(np.searchsorted(out, c))
            if out[at] - c >= apart and c - out[at - 1] >= apart:
                out.insert(at, c)
    return [lo, hi, *out[1:-1]]


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
        along = _along_normals(towards, f.sides)
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
