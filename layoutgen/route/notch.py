"""Notches of one net: found by KLayout, and closed with a straight face at about right angles to both walls.

A notch is closed morphologically, with a square that has the space for its side and stands along the middle of the
notch: what the square cannot enter is filled. The filling stays a little inside of the walls, so that all that shows of
it is the face, which leaves no steps of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen.route.bodies import polygon, ring
from layoutgen.route.problem import Style
from layoutgen.units import IntPoints

NOTCH_ANGLE = 84.0
"""Concave corners flatter than this are no notches (wires run at any angle).

Rules say 80 degrees: the rims of discs, drawn with 64 corners or more, turn by less than 3 against those seen here.
"""
_INSET = 2
"""How far (dbu) a filling stays inside of the walls."""
_LAP = 20
"""How far (dbu) a filling overlaps the metal it joins."""
_NEAR = 8
"""How far (dbu) a corner of the metal may stand out of a filling to become one of its corners."""
_MARK = 10
"""Reach of a notch's mark, in dbu."""


def notches(metal: kdb.Region, space: int) -> dict[int, list[kdb.EdgePair]]:
    """Pairs of edges that face each other over less than the space (dbu), by net: property 1 of the polygons."""
    found: dict[int, list[kdb.EdgePair]] = {}
    same = kdb.Region.SamePropertiesConstraint
    for pair in metal.notch_check(space, False, kdb.Region.Euclidian, NOTCH_ANGLE, property_constraint=same).each():
        found.setdefault(pair.property(1), []).append(kdb.EdgePair(pair.first, pair.second))
    return found


def marks(pairs: Sequence[kdb.EdgePair]) -> kdb.Region:
    """Polygons over notches, those that touch in one.

    They are hulls: between edges that meet at their corners only, the polygon of a pair is twisted.
    """
    ends = [[(p.x, p.y) for e in (pair.first, pair.second) for p in (e.p1, e.p2)] for pair in pairs]
    out = kdb.Region()
    for points in ends:
        hull = shapely.MultiPoint(points).convex_hull
        flat = hull.geom_type != "Polygon"
        out.insert(polygon(shapely.get_coordinates(hull)) if not flat else kdb.Polygon(kdb.Box(*map(int, hull.bounds))))
    return out.sized(_MARK, 2).merged()


def closings(metal: kdb.Region, pairs: Sequence[kdb.EdgePair], space: int, style: Style) -> list[IntPoints]:
    """Simple polygons that close the notches of merged metal and overlap it a little."""
    filled = kdb.Region()
    for mark in marks(pairs).each():
        box = mark.bbox()
        own = [p for p in pairs if p.bbox().enlarged(_MARK, _MARK).touches(box)]
        straight = style in (Style.OCTILINEAR, Style.MANHATTAN)
        added = _closing(metal, kdb.Region(mark), _kernels(own, space, style), space, straight=straight)
        filled += added if straight else _cornered(added, metal)
    return simple(filled)


def _closing(
    metal: kdb.Region, mark: kdb.Region, kernels: tuple[kdb.Polygon, kdb.Polygon], space: int, *, straight: bool
) -> kdb.Region:
    inner, window = mark.bbox().enlarged(2 * space, 2 * space), mark.bbox().enlarged(5 * space, 5 * space)
    local = metal & kdb.Region(window)
    free = kdb.Region(window) - local.minkowski_sum(kernels[0])
    closed = (kdb.Region(window) - free.minkowski_sum(kernels[1])) & kdb.Region(inner)
    added = closed - local
    chosen = added.interacting(mark)
    while True:
        reach = chosen.sized(_LAP, 2)
        more = added.interacting(reach)
        if more.count() == chosen.count():
            # without an inset, rounding may put faces of other gaps a unit outside of the metal within reach
            return (local + chosen).merged() & reach if straight else closed & reach
        chosen = more


def _cornered(filled: kdb.Region, metal: kdb.Region) -> kdb.Region:
    """Fillings whose faces end on a corner of the metal where they nearly do: the inset would leave a step there."""
    if filled.is_empty():
        return filled
    box = filled.bbox().enlarged(_NEAR, _NEAR)
    corners = [p for own in metal.each() for p in own.each_point_hull() if box.contains(p)]
    out = filled.merged()
    for own in filled.merged().each():
        for corner in corners:
            if own.inside(corner):
                continue
            edge = min(own.each_edge(), key=lambda e: _distance(e, corner))
            if _distance(edge, corner) <= _NEAR:
                out.insert(kdb.Polygon([edge.p1, corner, edge.p2]))
    return out.merged()


def _distance(edge: kdb.Edge, p: kdb.Point) -> float:
    ux, uy, vx, vy = edge.dx(), edge.dy(), p.x - edge.p1.x, p.y - edge.p1.y
    f = min(1.0, max(0.0, (ux * vx + uy * vy) / (ux * ux + uy * uy)))
    return math.hypot(vx - f * ux, vy - f * uy)


def _kernels(pairs: Sequence[kdb.EdgePair], space: int, style: Style) -> tuple[kdb.Polygon, kdb.Polygon]:
    """Squares along the middle between the two most distant edges: of half a space and a little, and an inset more."""
    pair = max(pairs, key=lambda p: (p.distance(), p.first.length() + p.second.length()))
    angles = [math.atan2(e.dy(), e.dx()) for e in (pair.first, pair.second.swapped_points())]
    turn = math.remainder(angles[1] - angles[0], 2 * math.pi)
    angle = angles[0] + turn / 2
    if style == Style.OCTILINEAR:
        angle = round(angle / (math.pi / 4)) * math.pi / 4
    elif style == Style.MANHATTAN:
        angle = 0.0
    half = space / 2 + _INSET
    # where all edges have few directions, faces meet corners exactly, and no inset is needed
    inset = 0 if style in (Style.OCTILINEAR, Style.MANHATTAN) else _INSET
    return _square(half, angle), _square(half + inset, angle)


def _square(half: float, angle: float) -> kdb.Polygon:
    reach = half * math.sqrt(2)
    corners = [angle + math.pi / 4 * k for k in (1, 3, 5, 7)]
    return kdb.Polygon([kdb.Point(_up(reach * math.cos(a)), _up(reach * math.sin(a))) for a in corners])


def _up(value: float) -> int:
    """Rounded away from zero."""
    return int(math.copysign(math.ceil(abs(value) - 1e-6), value))


def simple(region: kdb.Region) -> list[IntPoints]:
    """The polygons of a region, merged; those with holes are cut through."""
    return simple_by_net(region).get(None, [])


def simple_by_net(region: kdb.Region) -> dict[int | None, list[IntPoints]]:
    """`simple` for each net: property 1 of the polygons."""
    out: dict[int | None, list[IntPoints]] = {}
    todo: list[tuple[int | None, kdb.Polygon]] = []
    todo += [(p.property(1), p) for p in region.merged(False, 0).each()][::-1]
    while todo:
        net, shape = todo.pop()
        points = ring(shape)
        if shape.holes():
            box, x = shape.bbox(), kdb.Polygon(list(shape.each_point_hole(0))).bbox().center().x
            halves = [kdb.Box(box.left, box.bottom, x, box.top), kdb.Box(x, box.bottom, box.right, box.top)]
            todo += [(net, p) for half in halves for p in (kdb.Region(shape) & kdb.Region(half)).each()]
        elif len(points) > 2 and shapely.Polygon(points).is_valid:
            out.setdefault(net, []).append(points)
        elif len(points) > 2:
            parts = kdb.Region(shape).merged(False, 0).decompose_convex_to_region()
            out.setdefault(net, []).extend(ring(p) for p in parts.each())
    return {net: sorted(own, key=lambda p: (tuple(np.min(p, axis=0).tolist()), len(p))) for net, own in out.items()}
