"""From KLayout's markers to findings, with the value measured there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen.drc.checks.kind import SQUARE, Facing, Metric
from layoutgen.findings import Edge, Finding, Hull
from layoutgen.units import DBU, IntPoints, Um

OCTAGON = 2  # KLayout's corner mode: corners of up to 90 degrees stay as they are
MOST_LARGER = 256
FEW_CORNERS = 16
MANY = 16
COORDINATES = 2**30
METRICS: dict[Metric, kdb.Metrics] = {
    "euclidian": kdb.Region.Euclidian, "projection": kdb.Region.Projection, "square": kdb.Region.Square,
}  # fmt: skip
IN_WORDS: dict[Metric, str] = {"euclidian": "", "projection": ", straight across", "square": ", square at corners"}
"""What a rule in words says of its metric."""


def pairs(
    rule: str, found: Iterable[kdb.EdgePair], metric: Metric = "euclidian", asked: Um | None = None
) -> list[Finding]:
    """Findings from pairs of edges, with the distance between the two (um)."""
    out = []
    for pair in found:
        a, b = edge(pair.first), edge(pair.second)
        out.append(Finding(rule, edges=(a, b), measured=distance(a, b, metric), asked=asked))
    return out


def two(regions: Sequence[kdb.Region]) -> tuple[kdb.Region, kdb.Region]:
    """Both layers merged, the second with data of its own.

    KLayout compares data that two regions share (the same region twice, or a layer derived as a plain copy of the
    other) as one layer with itself: flush edges of an enclosure would go unseen.
    """
    first, second = regions
    own = kdb.Region()
    own.insert(second.merged())
    own.merged_semantics = False  # what is merged need not be merged again
    return first.merged(), own


def overlap(first: kdb.Region, second: kdb.Region) -> kdb.Region:
    """What two merged layers have in common, found at once where that is nothing."""
    return kdb.Region() if first.interacting(second).is_empty() else first & second


def outside(first: kdb.Region, second: kdb.Region) -> kdb.Region:
    """What of a merged layer lies outside of another one.

    Polygons that meet no edge of the other layer lie in it or outside of it as a whole: most of a layout's, and five
    times faster than to subtract all.
    """
    out, others = first.split_interacting(second.edges())
    shapes = kdb.Shapes()
    shapes.insert(second)
    for polygon in others.each():
        point = next(polygon.each_point_hull())
        if not any(shape.polygon.inside(point) for shape in shapes.each_touching(kdb.Box(point, point))):
            out.insert(polygon)
    return out if out.is_empty() else out - second


def of_each(layer: kdb.Region, check: Callable[[kdb.Region], kdb.EdgePairs]) -> list[kdb.EdgePair]:
    """What a check finds that looks at each polygon of a merged layer alone, each distinct shape checked once.

    A layout repeats few shapes often, and inside a round one every edge faces every other: 540 circles of 128 corners
    take 2 s otherwise. Where none has many corners, all are looked at at once.
    """
    if max((shape.num_points() for shape in layer.each()), default=0) <= FEW_CORNERS:
        return [*check(layer).each()]
    boxes, layer = layer.rectangles(), layer.non_rectangles()
    boxes.merged_semantics = layer.merged_semantics = False  # they are merged and apart already
    return [*check(boxes).each(), *_of_each_distinct(layer, check)]


def _of_each_distinct(layer: kdb.Region, check: Callable[[kdb.Region], kdb.EdgePairs]) -> Iterator[kdb.EdgePair]:
    # with more than the polygon as key, whose own hash is the same for all that begin with the same corners
    places: dict[tuple[int, int, int, kdb.Polygon], list[kdb.Vector]] = {}
    for shape in layer.each():
        box = shape.bbox()
        at = box.p1 - kdb.Point()
        places.setdefault((box.width(), box.height(), shape.area2(), shape.moved(-at)), []).append(at)
    distinct = kdb.Region()
    distinct.merged_semantics = False
    for (*_, outline), repeats in places.items():
        distinct.insert(outline.moved(repeats[0]))
    wrong = kdb.Shapes()
    for pair in check(distinct).each():
        wrong.insert(pair.bbox().enlarged(1, 1))  # a box without area touches nothing
    for (*_, outline), repeats in places.items() if not wrong.is_empty() else ():
        if next(wrong.each_touching(outline.bbox().moved(repeats[0])), None) is None:
            continue
        here = list(check(kdb.Region(outline)).each())
        for by in repeats:
            yield from (pair.transformed(kdb.Trans(by)) for pair in here)


def isolated(layer: kdb.Region, limit: int, facing: Facing) -> list[kdb.EdgePair]:
    """Edges of different polygons of a merged layer that face each other through the outside below the limit."""
    return list(layer.isolated_check(limit, *options(facing)).each())


def apart(first: kdb.Region, second: kdb.Region, limit: int, facing: Facing) -> kdb.EdgePairs:
    """Edges of two merged layers that face each other below the limit.

    Edges, not regions: beside one polygon with tens of thousands of corners, as a wafer's bus is, 20 times faster. Not
    those of polygons with no other near them, of which a wafer is full.
    """
    reach = math.ceil(SQUARE * limit) if facing.metric == "square" else limit
    near = _beside(first, second, reach)
    return near.edges().separation_check(_beside(second, near, reach).edges(), limit, *options(facing))


def _beside(layer: kdb.Region, other: kdb.Region, reach: int) -> kdb.Region:
    """The polygons of a merged layer whose extents come within reach of edges of another layer's polygons.

    Of a small polygon its extent stands for its edges; one as large as a frame around all dies is beside few shapes.
    """
    boxes = kdb.Shapes()
    for shape in other.each():
        box = shape.bbox()
        large = shape.num_points() > FEW_CORNERS and max(box.width(), box.height()) > MANY * reach
        for part in shape.each_edge() if large else (shape,):
            boxes.insert(part.bbox().enlarged(reach, reach))
    out = kdb.Region()
    out.merged_semantics = False
    for shape in layer.each():
        if next(boxes.each_touching(shape.bbox()), None) is not None:
            out.insert(shape)
    return out


def notches(layer: kdb.Region, limit: int, facing: Facing) -> list[kdb.EdgePair]:
    """Edges of one polygon of a merged layer that face each other through the outside below the limit."""
    return of_each(layer, lambda shape: shape.notch_check(limit, *options(facing)))


def wide(layer: kdb.Region, limit: int) -> kdb.Region:
    """The parts of a merged layer that are wider than the limit, as large as a square of that side covers them.

    Along a wire as wide as the limit there is none, nor where it bends by 90 degrees at most. Exact for straight ones;
    slanted ones as fine as KLayout's coordinates allow: rounding where little is left would show where much is put
    back, so it is done on a drawing as large as they can hold, and of twice the size at least, for odd limits.
    """
    box = layer.bbox()
    extent = max(box.width(), box.height(), 1) + 4 * limit
    larger = 2
    while larger < MOST_LARGER and 2 * larger * extent < COORDINATES:
        larger *= 2
    to = kdb.Trans(-box.left, -box.bottom)
    core = layer.transformed(to).transformed(kdb.ICplxTrans(float(larger))).sized(-limit * larger // 2, OCTAGON)
    grown = core.sized(limit * larger // 2, OCTAGON).merged().transformed(kdb.ICplxTrans(1 / larger))
    return grown.transformed(to.inverted())


def polygons(rule: str, found: kdb.Region, note: str) -> list[Finding]:
    """Findings from polygons that are wrong as a whole."""
    return [polygon(rule, p, note) for p in found.each()]


def polygon(
    rule: str, shape: kdb.Polygon, note: str, measured: float | None = None, asked: float | None = None
) -> Finding:
    """A finding from one polygon, marked by its outline."""
    return Finding(rule, polygon=hull(shape), measured=measured, note=note, asked=asked)


def hull(shape: kdb.Polygon) -> Hull:
    """One outline around all of a polygon: holes are joined to it by cuts without width."""
    return tuple((p.x, p.y) for p in shape.resolved_holes().each_point_hull())


def edge(e: kdb.Edge) -> Edge:
    return e.x1, e.y1, e.x2, e.y2


def twice_centres(region: kdb.Region) -> IntPoints:
    """(n, 2) centres of the polygons' bounding boxes in half database units, so that each is a whole number."""
    boxes = [shape.bbox() for shape in region.each()]
    return np.array([(b.left + b.right, b.bottom + b.top) for b in boxes], dtype=np.int64).reshape(-1, 2)


def outline(shape: kdb.Polygon) -> shapely.Polygon:
    """A polygon's hull in half database units, to compare with `twice_centres`."""
    return shapely.Polygon(2 * np.array([(p.x, p.y) for p in shape.each_point_hull()]))


def near(points: IntPoints, distance: float) -> tuple[IntPoints, IntPoints]:
    """Positions of the pairs of points that are at most this far apart, each pair once."""
    if not len(points):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    shapes: list[shapely.Point] = list(np.atleast_1d(np.asarray(shapely.points(points))))
    first, second = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=distance)
    once = first < second
    return first[once], second[once]


def options(facing: Facing) -> tuple[bool, kdb.Metrics, float]:
    """The arguments that each of KLayout's edge checks takes after the limit: whole edges, metric, ignored angle."""
    return False, METRICS[facing.metric], facing.ignore_angle


def distance(a: Edge, b: Edge, metric: Metric = "euclidian") -> Um:
    """Least distance of two edges in um; with `projection`, measured at right angles to one of them.

    With `square`, the larger of how far a point lies away from an edge and how far beyond its ends, each edge seen from
    the other: the worse of the two.
    """
    if metric == "square":
        return round(max(_beyond(a, b), _beyond(b, a)) * DBU, 6)
    if metric == "projection":
        square = [_square(a, b[:2]), _square(a, b[2:]), _square(b, a[:2]), _square(b, a[2:])]
        return round(min(square) * DBU, 6)
    if _cross(a, b):
        return 0.0
    least = min(_to(a, b[:2]), _to(a, b[2:]), _to(b, a[:2]), _to(b, a[2:]))
    return round(least * DBU, 6)


def _turn(e: Edge, p: tuple[int, int]) -> int:
    """Twice the signed area of the edge and a point: on which side of it the point lies."""
    return (e[2] - e[0]) * (p[1] - e[1]) - (e[3] - e[1]) * (p[0] - e[0])


def _cross(a: Edge, b: Edge) -> bool:
    """Whether each runs from one side of the other to its other side; touching ends are left to the distances."""
    return _turn(a, b[:2]) * _turn(a, b[2:]) < 0 and _turn(b, a[:2]) * _turn(b, a[2:]) < 0


def _square(e: Edge, p: tuple[int, int]) -> float:
    length = math.hypot(e[2] - e[0], e[3] - e[1])
    return abs(_turn(e, p)) / length if length else math.hypot(p[0] - e[0], p[1] - e[1])


def _beyond(e: Edge, other: Edge) -> float:
    """The least, over the points of another edge, of the larger of the distances from the line and the ends of one."""
    dx, dy = e[2] - e[0], e[3] - e[1]
    length = math.hypot(dx, dy) or 1.0
    ends = []
    for x, y in (other[:2], other[2:]):
        along, away = ((x - e[0]) * dx + (y - e[1]) * dy) / length, ((x - e[0]) * dy - (y - e[1]) * dx) / length
        ends.append((away, -away, -along, along - length))
    (p, q), at = ends, [0.0, 1.0]
    for i, j in combinations(range(4), 2):  # along the other edge each grows evenly: the least is where two are equal
        slope = (p[i] - q[i]) - (p[j] - q[j])
        if slope and 0 < (p[i] - p[j]) / slope < 1:
            at.append((p[i] - p[j]) / slope)
    return max(0.0, min(max(a + t * (b - a) for a, b in zip(p, q, strict=True)) for t in at))


def _to(e: Edge, p: tuple[int, int]) -> float:
    dx, dy = e[2] - e[0], e[3] - e[1]
    along = (p[0] - e[0]) * dx + (p[1] - e[1]) * dy
    if along <= 0:
        return math.hypot(p[0] - e[0], p[1] - e[1])
    if along >= dx * dx + dy * dy:
        return math.hypot(p[0] - e[2], p[1] - e[3])
    return _square(e, p)
