"""Shapes of a section, in the plane of it: along the line and up, in um."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import shapely
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from layoutgen.units import Um

TOLERANCE: Um = 0.01
FAR = 1e6
_HALVINGS = 12
_GRID = 1e-6
Interval = tuple[float, float]
Ends = list[Interval]
Geometry = BaseGeometry


def common(a: Geometry, b: Geometry) -> Geometry:
    """What two have in common."""
    return shapely.intersection(a, b, grid_size=_GRID)


def without(a: Geometry, b: Geometry) -> Geometry:
    """What is left of one beside the other."""
    return shapely.difference(a, b, grid_size=_GRID)


def united(parts: Iterable[Geometry]) -> Geometry:
    """Several as one."""
    return shapely.union_all([*parts], grid_size=_GRID)


def polygons(geometry: Geometry) -> Geometry:
    """Its polygons of any size."""
    return shapely.MultiPolygon([p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon" and p.area > 1e-5])


def columns(ends: Ends, low: float = -FAR, high: float = FAR) -> Geometry:
    """All between two heights over intervals of the line."""
    return shapely.MultiPolygon([box(s, low, t, high) for s, t in ends])


def swept(height: Callable[[float], float], ends: Callable[[float], Ends], knots: Sequence[float]) -> Geometry:
    """The shape whose row at `height(s)` is `ends(s)`, s between knots, where rows may change their course.

    Between two values of s it is halved until rows move straight to `TOLERANCE`.
    """
    parts: list[Geometry] = []

    def piece(s: float, at_s: Ends, t: float, at_t: Ends, left: int) -> None:
        middle = (s + t) / 2
        here = ends(middle)
        straight = len(at_s) == len(here) == len(at_t) and all(
            abs(m - (p + q) / 2) <= TOLERANCE
            for x, y, z in zip(at_s, here, at_t, strict=True)
            for p, m, q in zip(x, y, z, strict=True)
        )
        bent = abs(height(middle) - (height(s) + height(t)) / 2) > TOLERANCE
        if left and not (straight and not bent):
            piece(s, at_s, middle, here, left - 1)
            piece(middle, here, t, at_t, left - 1)
        elif straight:
            low, high = height(s), height(t)
            parts.extend(
                Polygon([(a, low), (b, low), (d, high), (c, high)]) for (a, b), (c, d) in zip(at_s, at_t, strict=True)
            )
        else:
            low, high = sorted((height(s), height(t)))
            parts.extend(box(a, low, b, high) for a, b in here)

    for s, t in pairwise(knots):
        if height(s) != height(t):
            piece(s, ends(s), t, ends(t), _HALVINGS)
    return united(parts)
