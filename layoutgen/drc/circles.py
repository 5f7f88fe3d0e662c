"""Circles drawn as polygons: which they are, and what lies too near to them, measured on the circle itself.

A polygon without holes is a circle where it has at least 32 corners, all within 1 database unit of one radius about the
centre of its bounding box, no side of it spans more than twice what a regular polygon of 32 corners' does, and the
bounding box is square within what such a side takes away. Its diameter is the larger side of the bounding box: that of
the circle which the sides touch, or on which the corners lie, as it was drawn. Holes are no circles, nor is a disc with
a wire on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import Facing
from layoutgen.findings import Finding
from layoutgen.units import DBU, IntPoints

LEAST_CORNERS = 32
WITHIN = 1.0
"""How far the corners may lie off one radius, in database units."""
SLACK = 1e-4
"""Rounding of the arithmetic, in half database units."""
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Circles:
    """The circles among the polygons of a region, and what else there is."""

    centres: IntPoints
    """(n, 2) in half database units, so that each is a whole number."""
    diameters: Floats
    """(n) in database units; or radii in half ones."""
    off: Floats
    """(n) by how much the polygon differs from the circle at most, in half database units."""
    indices: npt.NDArray[np.int64]
    """(n) positions in the order of the region's polygons."""
    shapes: tuple[kdb.Polygon, ...]
    """The circles' polygons."""
    rest: kdb.Region
    """The polygons that are no circles."""


def recognise(region: kdb.Region) -> Circles:
    """The circles among the polygons of a merged region."""
    known: dict[kdb.Polygon, tuple[float, float] | None] = {}
    found: list[tuple[int, kdb.Polygon, float, float]] = []
    rest = kdb.Region()
    for i, shape in enumerate(region.each()):
        fit = None
        if shape.holes() == 0 and shape.num_points() >= LEAST_CORNERS:
            at_origin = shape.moved(kdb.Point() - shape.bbox().p1)
            if at_origin not in known:
                known[at_origin] = _fit(at_origin)
            fit = known[at_origin]
        if fit is None:
            rest.insert(shape)
        else:
            found.append((i, shape, *fit))
    shapes = tuple(shape for _, shape, _, _ in found)
    boxes = [shape.bbox() for shape in shapes]
    return Circles(
        np.array([(b.left + b.right, b.bottom + b.top) for b in boxes], dtype=np.int64).reshape(-1, 2),
        np.array([f[2] for f in found], dtype=np.float64),
        np.array([f[3] for f in found], dtype=np.float64),
        np.array([f[0] for f in found], dtype=np.int64),
        shapes,
        rest.merged(),
    )


def _fit(shape: kdb.Polygon) -> tuple[float, float] | None:
    """Diameter, and by how much the polygon is off in half units; None: no circle."""
    box = shape.bbox()
    points = 2 * np.array([(p.x, p.y) for p in shape.each_point_hull()], dtype=np.int64)
    arms = points - (box.left + box.right, box.bottom + box.top)
    radii = np.hypot(arms[:, 0], arms[:, 1])
    if radii.max() - radii.min() > 4 * WITHIN or radii.min() == 0:
        return None
    after = np.roll(arms, -1, axis=0)
    turned = -np.arctan2(arms[:, 0] * after[:, 1] - arms[:, 1] * after[:, 0], (arms * after).sum(axis=1))
    if turned.min() <= 0 or turned.max() > 4 * math.pi / LEAST_CORNERS or abs(turned.sum() - 2 * math.pi) > 1e-6:
        return None
    sagitta = float(radii.max() * (1 - math.cos(turned.max() / 2))) + 4 * WITHIN
    if 2 * abs(box.width() - box.height()) > 2 * sagitta:
        return None
    return float(max(box.width(), box.height())), sagitta


def too_small(rule: str, circles: Circles, limit: float) -> list[Finding]:
    """Circles of a diameter below the limit (database units)."""
    return [
        marks.polygon(rule, circles.shapes[i], "diameter", round(float(circles.diameters[i]) * DBU, 6))
        for i in np.flatnonzero(circles.diameters < limit - SLACK)
    ]


def too_near(rule: str, first: Circles, second: Circles, limit: int, facing: Facing, same: bool) -> list[Finding]:
    """Where a circle of either is nearer than `limit` to a circle or an edge of the other, from outside.

    `same`: both are one layer. Marked by the line across the gap.
    """
    found = _apart(rule, first, second, limit, same)
    found += _beside(rule, first, second.rest, limit, facing, outside=True)
    if not same:
        found += _beside(rule, second, first.rest, limit, facing, outside=True)
    return found


def too_shallow(rule: str, inner: Circles, outer: Circles, limit: int, facing: Facing) -> list[Finding]:
    """Where a circle is enclosed by less than `limit`, or encloses by less."""
    found = _nested(rule, inner, outer, limit)
    found += _beside(rule, inner, outer.rest, limit, facing, outside=False)
    corners, _ = _corners(inner.rest)
    if not len(corners) or not len(outer.centres):
        return found
    at, circle = _pairs(corners, outer, outer.off)
    arms = (corners[at] - outer.centres[circle]).astype(np.float64)
    away = np.hypot(arms[:, 0], arms[:, 1])
    depth = outer.diameters[circle] - away
    for k in np.flatnonzero(depth < 2 * limit - SLACK):
        along = _unit(arms[k])
        rim = outer.centres[circle[k]] + np.rint(outer.diameters[circle[k]] * along).astype(np.int64)
        found.append(_line(rule, corners[at[k]], rim, along, depth[k]))
    return found


def within_circles(inner: Circles, outer: Circles) -> kdb.Region:
    """The inner polygons that lie in an outer circle, though some of them may stick out between its corners."""
    held = kdb.Region()
    if not len(outer.centres):
        return held
    if len(inner.centres):
        a, b = _pairs(inner.centres, outer, 0.0)
        deep = outer.diameters[b] - inner.diameters[a] - _lengths(inner.centres[a] - outer.centres[b])
        for i in np.unique(a[deep >= -SLACK]):
            held.insert(inner.shapes[i])
    corners, owner = _corners(inner.rest)
    if len(corners):
        at, circle = _pairs(corners, outer, SLACK)
        key, number = np.unique(np.column_stack([owner[at], circle]), axis=0, return_counts=True)
        whole = set(key[number == np.bincount(owner)[key[:, 0]], 0].tolist())
        for i, shape in enumerate(inner.rest.each()):
            if i in whole:
                held.insert(shape)
    return held


def _apart(rule: str, first: Circles, second: Circles, limit: int, same: bool) -> list[Finding]:
    if not len(first.centres) or not len(second.centres):
        return []
    b, a = _pairs(second.centres, first, float(second.diameters.max()) + 2 * limit)
    if same:
        a, b = a[a < b], b[a < b]
    apart = second.centres[b] - first.centres[a]
    gap = _lengths(apart) - first.diameters[a] - second.diameters[b]
    found = []
    for k in np.flatnonzero((gap < 2 * limit - SLACK) & (gap > -first.off[a] - second.off[b])):
        along = _unit(apart[k])
        start = first.centres[a[k]] + np.rint(first.diameters[a[k]] * along).astype(np.int64)
        end = second.centres[b[k]] - np.rint(second.diameters[b[k]] * along).astype(np.int64)
        found.append(_line(rule, start, end, along, gap[k]))
    return found


def _nested(rule: str, inner: Circles, outer: Circles, limit: int) -> list[Finding]:
    if not len(inner.centres) or not len(outer.centres):
        return []
    a, b = _pairs(inner.centres, outer, 0.0)
    apart = inner.centres[a] - outer.centres[b]
    depth = outer.diameters[b] - inner.diameters[a] - _lengths(apart)
    found = []
    for k in np.flatnonzero(depth < 2 * limit - SLACK):
        along = _unit(apart[k])
        start = inner.centres[a[k]] + np.rint(inner.diameters[a[k]] * along).astype(np.int64)
        end = outer.centres[b[k]] + np.rint(outer.diameters[b[k]] * along).astype(np.int64)
        found.append(_line(rule, start, end, along, depth[k]))
    return found


def _beside(
    rule: str, circles: Circles, straight: kdb.Region, limit: int, facing: Facing, outside: bool
) -> list[Finding]:
    """Circles nearer than `limit` to an edge, those of centre outside (or inside) it: the interior is at its right."""
    edges = 2 * np.array([marks.edge(e) for e in straight.edges().each()], dtype=np.int64).reshape(-1, 4)
    if not len(edges) or not len(circles.centres):
        return []
    tree = shapely.STRtree([shapely.LineString(e) for e in edges.reshape(-1, 2, 2).tolist()])
    reach = circles.diameters + 2 * limit + 1
    i, j = tree.query(shapely.points(circles.centres), predicate="dwithin", distance=reach)
    start = edges[j, :2]
    along = (edges[j, 2:] - start).astype(np.float64)
    arm = (circles.centres[i] - start).astype(np.float64)  # small whole numbers: the same wherever the shapes stand
    square = (along**2).sum(axis=1)
    side = along[:, 0] * arm[:, 1] - along[:, 1] * arm[:, 0]
    place = (along * arm).sum(axis=1) / square
    foot = along * np.clip(place, 0, 1)[:, None]
    distance = np.hypot(*(arm - foot).T)
    radii = circles.diameters[i]
    wanted: Bools = (side >= 0) if outside else (side <= 0)
    if facing.metric == "projection":  # the part of the circle that lies straight opposite the edge
        beyond = np.abs(place - np.clip(place, 0, 1)) * np.sqrt(square)
        wanted &= beyond < radii
        gap = np.abs(side) / np.sqrt(square) - np.sqrt(np.maximum(radii**2 - beyond**2, 0))
    else:
        gap = distance - radii
    wanted &= gap < 2 * limit - SLACK
    if outside:  # deeper in, the polygons overlap
        wanted &= gap > -circles.off[i]
    found: dict[tuple[int, ...], Finding] = {}
    for k in np.flatnonzero(wanted):
        to = _unit(foot[k] - arm[k])
        centre = circles.centres[i[k]]
        nearest = start[k] + np.rint(foot[k]).astype(np.int64)
        finding = _line(rule, centre + np.rint(radii[k] * to).astype(np.int64), nearest, to, gap[k])
        found.setdefault(finding.edges[0], finding)
    return list(found.values())


def _pairs(points: IntPoints, circles: Circles, beyond: Floats | float) -> tuple[IntPoints, IntPoints]:
    """Positions of the points and of the circles that hold them, or are so near (half units)."""
    tree = shapely.STRtree([shapely.Point(x, y) for x, y in points.tolist()])
    reach = circles.diameters + beyond + SLACK
    circle, point = tree.query(shapely.points(circles.centres), predicate="dwithin", distance=reach)
    return point, circle


def _corners(region: kdb.Region) -> tuple[IntPoints, npt.NDArray[np.int64]]:
    """The corners of the polygons' hulls in half units, and which polygon each is of."""
    points: list[tuple[int, int]] = []
    owner: list[int] = []
    for i, shape in enumerate(region.each()):
        hull = [(2 * p.x, 2 * p.y) for p in shape.each_point_hull()]
        points += hull
        owner += [i] * len(hull)
    return np.array(points, dtype=np.int64).reshape(-1, 2), np.array(owner, dtype=np.int64)


def _lengths(vectors: npt.NDArray[np.int64]) -> Floats:
    return np.hypot(vectors[:, 0], vectors[:, 1])


def _unit(vector: npt.NDArray[np.number]) -> Floats:
    length = math.hypot(float(vector[0]), float(vector[1]))
    return np.array([vector[0] / length, vector[1] / length]) if length else np.array([1.0, 0.0])


def _line(rule: str, start: Sequence[int], end: Sequence[int], along: Floats, twice: float) -> Finding:
    """A line across the gap, between points in half units; one of no length is made one unit long."""
    (x1, y1), (x2, y2) = [(int(x) // 2, int(y) // 2) for x, y in (start, end)]
    if (x1, y1) == (x2, y2):
        x2, y2 = (x2 + 1, y2) if abs(along[0]) >= abs(along[1]) else (x2, y2 + 1)
    if (x2, y2) < (x1, y1):
        x1, y1, x2, y2 = x2, y2, x1, y1
    return Finding(rule, edges=((x1, y1, x2, y2),), measured=round(float(twice) / 2 * DBU, 6), note="from the circle")
