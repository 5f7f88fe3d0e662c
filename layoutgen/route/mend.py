"""What rules still find in the metal of one net, as it is drawn, and small pieces of metal that mend it.

Rules look at edges that face each other at less than 80 degrees, outside of metal (notches) and inside of it (widths).
Where rims cross on the grid, edges of a few units have any direction, so that a rule finds what no drawing has. A hull
over the corners about such a place takes these edges away; where that does not help, it is for the caller to draw less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.bodies import polygon, ring
from layoutgen.route.problem import Style
from layoutgen.units import IntPoints

RULE_ANGLE = 80.0
"""Edges that stand at more than this to each other have no width and no notch between them, as wafer fabs check."""
_LEAST, _GROWTH = 3, 4
"""Reaches within which corners are joined: the least (dbu), which grows so up to half of the space,"""
_PARTS = (0.5, 1.0, 1.4, 2.0)
"""and then these, in spaces."""
_WEDGES = (1.0, 1.1, 1.25, 1.5, 2.0)
"""Tried in turn, in widths."""
_STEP = 2
"""How much wider (dbu) than the rule metal is made where it is too narrow."""


@dataclass(frozen=True, eq=False)
class Flaw:
    """A place where metal breaks a rule: its kind ("width" or "notch") and both edges (dbu)."""

    kind: str
    pair: kdb.EdgePair

    @property
    def box(self) -> kdb.Box:
        """The box around both edges."""
        return self.pair.bbox()


@dataclass(frozen=True, eq=False)
class Rule:
    """Least width and space of a net (dbu)."""

    width: int
    space: int

    @property
    def reach(self) -> int:
        """As far as one flaw may have to do with another."""
        return self.width + self.space


class Bare:
    """The terminals of a net alone, and the flaws that these have without any wire."""

    def __init__(self, shapes: Sequence[kdb.Polygon], rule: Rule) -> None:
        self._whole = kdb.Region(list(shapes)).merged()
        self.rule = rule
        self._edges: dict[kdb.Edge, bool] = {}

    @cached_property
    def _rims(self) -> list[tuple[kdb.Box, kdb.Region]]:
        return [(p.bbox(), kdb.Edges(p).extended(1, 1, 1, 1, False)) for p in self._whole.each()]

    @cached_property
    def _own(self) -> dict[str, tuple[set[kdb.EdgePair], npt.NDArray[np.int64]]]:
        """By kind the flaws of terminals alone, in both orders, and the boxes around them."""
        out = {}
        for kind, pairs in _checks(self._whole, self.rule, shielded=False):
            own = [kdb.EdgePair(p.first, p.second) for p in pairs.each()]
            boxes = [(b.left, b.bottom, b.right, b.top) for b in (p.bbox() for p in own)]
            both = {*own, *(kdb.EdgePair(p.second, p.first) for p in own)}
            out[kind] = both, np.array(boxes, dtype=np.int64).reshape(-1, 4)
        return out

    def has(self, flaw: Flaw) -> bool:
        """Whether a flaw is one of terminals alone, so that no wire is to blame."""
        own, boxes = self._own[flaw.kind]
        if flaw.pair in own:
            return True
        box = flaw.box
        low = (boxes[:, 0] <= box.right) & (boxes[:, 1] <= box.top)
        if not np.any(low & (boxes[:, 2] >= box.left) & (boxes[:, 3] >= box.bottom)):
            return False
        return self._on_rims(flaw.pair.first) and self._on_rims(flaw.pair.second)

    def _on_rims(self, edge: kdb.Edge) -> bool:
        """Whether an edge is one of terminals, to a unit of the grid."""
        if edge not in self._edges:
            rest, box = kdb.Edges(edge), edge.bbox().enlarged(1, 1)
            for bounds, rims in self._rims:
                if bounds.touches(box):
                    rest -= rims
            self._edges[edge] = rest.is_empty()
        return self._edges[edge]


def flaws(shapes: Iterable[kdb.Polygon], bare: Bare) -> list[Flaw]:
    """Flaws of one net's metal, but for those of its terminals alone, which are part of the shapes."""
    region = kdb.Region(list(shapes)).merged()
    if not any(True for _ in _flaws(region, bare, shielded=False)):
        return []
    return list(_flaws(region, bare, shielded=True))


def flaws_about(shapes: Iterable[kdb.Polygon], bare: Bare, window: kdb.Box, enough: int) -> int:
    """How many flaws touch a window, counted on until there are enough.

    More than `flaws` finds may be counted, but only where that finds some.
    """
    found = _flaws(kdb.Region(list(shapes)).merged(), bare, shielded=False, window=window)
    return sum(1 for _ in islice(found, enough))


def _flaws(region: kdb.Region, bare: Bare, *, shielded: bool, window: kdb.Box | None = None) -> Iterator[Flaw]:
    for kind, pairs in _checks(region, bare.rule, shielded=shielded):
        for pair in pairs.each():
            flaw = Flaw(kind, kdb.EdgePair(pair.first, pair.second))
            if (window is None or flaw.box.touches(window)) and not bare.has(flaw):
                yield flaw


def flawed(nets: Sequence[tuple[Sequence[kdb.Polygon], Bare]]) -> set[int]:
    """The numbers of the nets, of many at once, of which rules may find something in the metal."""
    out: set[int] = set()
    rules: dict[tuple[int, int], list[int]] = {}
    for number, (_, bare) in enumerate(nets):
        rules.setdefault((bare.rule.width, bare.rule.space), []).append(number)
    for numbers in rules.values():
        region = kdb.Region()
        for number in numbers:
            for shape in nets[number][0]:
                region.insert(kdb.PolygonWithProperties(shape, {1: number}))
        for kind, pairs in _checks(region.merged(), nets[numbers[0]][1].rule, shielded=False):
            for pair in pairs.each():
                number = pair.property(1)
                if number not in out and not nets[number][1].has(Flaw(kind, kdb.EdgePair(pair.first, pair.second))):
                    out.add(number)
    return out


def _checks(merged: kdb.Region, rule: Rule, *, shielded: bool) -> list[tuple[str, kdb.EdgePairs]]:
    """What rules find in merged metal, by polygons of the same properties.

    Unshielded, edges face each other through others as well. That takes a tenth of the time where there are many small
    edges, and finds nothing where the rule finds nothing: so it is asked first.
    """
    return [
        ("width", width_pairs(merged, rule.width, shielded=shielded)),
        ("notch", notch_pairs(merged, rule.space, RULE_ANGLE, shielded=shielded)),
    ]


def width_pairs(merged: kdb.Region, width: int, *, shielded: bool = True) -> kdb.EdgePairs:
    """Where metal is narrower than this (dbu)."""
    euclid, same = kdb.Region.Euclidian, kdb.Region.SamePropertiesConstraint
    return merged.width_check(width, False, euclid, RULE_ANGLE, shielded=shielded, property_constraint=same)


def notch_pairs(merged: kdb.Region, space: int, angle: float, *, shielded: bool = True) -> kdb.EdgePairs:
    """Where metal of one polygon is nearer to itself than this (dbu)."""
    euclid, same = kdb.Region.Euclidian, kdb.Region.SamePropertiesConstraint
    return merged.notch_check(space, False, euclid, angle, shielded=shielded, property_constraint=same)


def near_to(flaw: Flaw, shapes: Sequence[kdb.Polygon], reach: int) -> list[kdb.Polygon]:
    """The shapes that have to do with a flaw."""
    window = flaw.box.enlarged(reach, reach)
    return [p for p in shapes if p.bbox().touches(window)]


def patches(flaw: Flaw, near: Sequence[kdb.Polygon], rule: Rule, style: Style) -> Iterator[IntPoints]:
    """Polygons that may mend a flaw where they are added, the smallest first, and last those of another style."""
    merged = kdb.Region(list(near)).merged()
    window = flaw.box.enlarged(2 * rule.space, 2 * rule.space)
    corners = np.array(
        [(p.x, p.y) for own in merged.each() for p in own.each_point_hull() if window.contains(p)], dtype=float
    ).reshape(-1, 2)
    ends = [np.array([(e.p1.x, e.p1.y), (e.p2.x, e.p2.y)], float) for e in (flaw.pair.first, flaw.pair.second)]
    lines = [shapely.LineString(e) for e in ends]
    line = shapely.shortest_line(*lines)
    distances = [shapely.distance(shapely.points(corners), shape) for shape in (*lines, line)]
    clouds = [np.concatenate(ends)]
    reaches = [_LEAST * _GROWTH**k for k in range(20) if _LEAST * _GROWTH**k < rule.space / 2]
    for reach in (*reaches, *(rule.space * part for part in _PARTS)):
        clouds += [np.concatenate([own, corners[d <= reach]]) for own, d in zip(ends, distances, strict=False)]
        both = np.minimum(distances[0], distances[1]) <= reach
        clouds += [np.concatenate([*ends, corners[both]]), corners[distances[2] <= reach]]
    clouds = list({cloud.tobytes(): cloud for cloud in clouds}.values())
    straight = style in (Style.OCTILINEAR, Style.MANHATTAN)
    shapes = [hull for cloud in clouds if (hull := _hull(cloud, style)) is not None]
    if straight:
        yield from _by_size(shapes)
        shapes = []
    if flaw.kind == "width":
        shapes += [] if style is Style.MANHATTAN else _wedges(ends, rule.width)
        shapes += _blocks(ends, shapely.get_coordinates(line).mean(axis=0), rule.width, style)
    yield from _by_size(shapes)
    if straight:  # terminals may have rims at any angle
        yield from _by_size(hull for cloud in clouds if (hull := _hull(cloud, Style.ANY_ANGLE)) is not None)


def _by_size(shapes: Iterable[IntPoints]) -> list[IntPoints]:
    unique = {points.tobytes(): points for points in shapes}
    return sorted(unique.values(), key=lambda points: float(shapely.area(shapely.Polygon(points))))


def _hull(cloud: np.ndarray[tuple[int, ...], np.dtype[np.float64]], style: Style) -> IntPoints | None:
    """The smallest polygon around points, convex and in the directions of a style; None where it has no area."""
    if len(cloud) < 3:
        return None
    (x0, y0), (x1, y1) = cloud.min(axis=0), cloud.max(axis=0)
    if style is Style.MANHATTAN:
        if x0 == x1 or y0 == y1:
            return None
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.int64)
    if style is Style.OCTILINEAR:
        if x0 == x1 and y0 == y1:
            return None
        u, v = cloud.sum(axis=1), cloud[:, 0] - cloud[:, 1]
        tips = [(u.min(), v.min()), (u.max(), v.min()), (u.max(), v.max()), (u.min(), v.max())]
        # on the lattice of both diagonals, from outside
        diamond = [((a + b) / 2, (a - b) / 2) for a, b in tips]
        shape = shapely.intersection(shapely.box(x0, y0, x1, y1), shapely.Polygon(diamond))
    else:
        shape = shapely.MultiPoint(cloud).convex_hull
    if shape.geom_type != "Polygon" or shape.area == 0:
        return None
    return ring(polygon(np.round(shapely.get_coordinates(shape)[:-1])))


def _wedges(ends: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float64]]], width: int) -> list[IntPoints]:
    """What makes the side that leaves an edge at right angles longer than the width, up to the other edge's line.

    It ends at right angles to that line: so the rim of a bend is held off the flat end that follows it too soon.
    """
    out = []
    for one, other in (ends, ends[::-1]):
        along, slant = ((e[1] - e[0]) / math.dist(*e) for e in (one, other))
        inward = np.array([along[1], -along[0]])
        for corner in one:
            for part in _WEDGES:
                tip = corner + inward * (width * part + 2 * _STEP)
                foot = other[0] + slant * ((tip - other[0]) @ slant)
                foot += (foot - tip) / max(1.0, math.dist(foot, tip)) * 2 * _STEP  # on the grid, it lies inside
                hull = _hull(np.round(np.concatenate([[corner, tip, foot], other])), Style.ANY_ANGLE)
                if hull is not None:
                    out.append(hull)
    return out


def _blocks(
    ends: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
    middle: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    width: int,
    style: Style,
) -> list[IntPoints]:
    """Squares as wide as the rule, along each edge of a narrow place: about its middle, and inside of the edge."""
    angles = [math.atan2(*(e[1] - e[0])[::-1]) for e in ends]
    if style is Style.MANHATTAN:
        angles = [round(angle / (math.pi / 2)) * math.pi / 2 for angle in angles]
    elif style is Style.OCTILINEAR:
        angles = [round(angle / (math.pi / 4)) * math.pi / 4 for angle in angles]
    out = []
    for points, angle in zip(ends, angles, strict=True):
        along = np.array([math.cos(angle), math.sin(angle)])
        inward = np.array([along[1], -along[0]])
        near = points[np.argmin(np.hypot(*(points - middle).T))]
        for larger in (0, width // 8, width // 3):
            side = width + larger + 2 * _STEP
            places = [(middle, -0.5, -0.5), *((near, shift, 0.0) for shift in (-0.5, 0.0, -1.0))]
            for at, shift, depth in places:
                corner = at + along * (side * shift) + inward * (side * depth)
                square = [(0, 0), (1, 0), (1, 1), (0, 1)]
                out.append(np.array([np.round(corner + side * (a * along + b * inward)) for a, b in square], np.int64))
    return out
