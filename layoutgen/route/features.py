"""What stands on a layer, as the router sees it: terminals, obstacles and the outline, as convex shapes.

Every feature is known by its supports: how far it reaches from its centre along the normals of a regular polygon of
16 or 8 sides. A square has the supports of the 8 normals, too: wires at 0 and 90 degrees go round a disc in steps,
nearer to it than its box at the corners.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TypeAlias

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.problem import Obstacle, Ring, RouteProblem, Terminal
from layoutgen.units import DBU, Um, dbu

TERMINAL, OBSTACLE, BOUNDARY = 0, 1, 2
MAX_PIECES = 16
"""An obstacle is split into at most this many pieces along each axis."""
EXACT = 1e-6
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
        apart = along_normals(d, self.sides) - self.support[u] - np.roll(self.support[v], self.sides // 2, 1)
        out: Floats = (apart / self.unit).max(1)
        return out


def along_normals(vectors: Floats, sides: int) -> Floats:
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


def least_space(problem: RouteProblem) -> Um:
    """The smallest space that any net of a problem keeps."""
    return min([problem.space, *(problem.space_of(net) for net in problem.rules)])


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
    return [c for c in places if not np.any((low < c) & (c < high) & (np.abs(along - c) > EXACT))]


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
