"""Rings: simple polygons in um in one agreed form, so that equal shapes are equal tuples, from whatever file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import shapely
from shapely.ops import polylabel

from layoutgen.units import DBU, Um

Ring: TypeAlias = tuple[tuple[Um, Um], ...]
"""Corners of a simple polygon in um, not closed; see `ring` for the form that readers give it."""

FINEST = 6
"""Decimals of a um that are kept: far finer than any file's unit, so that sums of lengths stay equal numbers."""


def fine(value: Um) -> Um:
    """A length without the dust of binary fractions."""
    return round(value, FINEST) + 0.0


def box(x0: Um, y0: Um, x1: Um, y1: Um) -> Ring:
    """The rectangle between two corners in any order, as `ring` gives it."""
    x0, x1, y0, y1 = fine(min(x0, x1)), fine(max(x0, x1)), fine(min(y0, y1)), fine(max(y0, y1))
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def ring(points: Iterable[Sequence[Um]]) -> Ring:
    """A polygon's corners counter-clockwise from the lowest, then leftmost; none twice, none on a straight side.

    Raises:
        ValueError: it is no simple polygon with an area, or a coordinate is not finite.
    """
    whole: list[tuple[int, int]] = []
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError("has a coordinate that is not finite")
        whole.append((round(x * 10**FINEST), round(y * 10**FINEST)))
    corners = _corners(_corners(whole))
    polygon = shapely.Polygon(corners) if len(corners) > 2 else None
    if polygon is None or not polygon.is_valid or polygon.area <= 0:
        raise ValueError("is no simple polygon with an area")
    if sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True)) < 0:
        corners.reverse()
    first = min(range(len(corners)), key=lambda i: (corners[i][1], corners[i][0]))
    scale = 10**FINEST
    return tuple((x / scale, y / scale) for x, y in corners[first:] + corners[:first])


def _corners(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Points without those that stand twice in a row or on the straight line between their neighbours."""
    points = [p for p, before in zip(points, points[-1:] + points[:-1], strict=True) if p != before]
    kept: list[tuple[int, int]] = []
    for i, (x, y) in enumerate(points):
        x0, y0 = kept[-1] if kept else points[-1]
        x1, y1 = points[(i + 1) % len(points)]
        if (x - x0) * (y1 - y) != (x1 - x) * (y - y0) or (x - x0) * (x1 - x) + (y - y0) * (y1 - y) < 0:
            kept.append((x, y))
    return kept


def bounds(points: Ring) -> tuple[Um, Um, Um, Um]:
    """The box (x0, y0, x1, y1) around a ring."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def moved(points: Ring, dx: Um, dy: Um) -> Ring:
    """A ring somewhere else."""
    return tuple((fine(x + dx), fine(y + dy)) for x, y in points)


def centre(points: Ring) -> tuple[Um, Um]:
    """What is called the centre of a shape that says none: the middle of its box, on the grid of 1 nm.

    Where that lies outside of the shape (an L, a ring's part), the point farthest from its sides.
    """
    x0, y0, x1, y1 = bounds(points)
    middle = _on_grid((x0 + x1) / 2), _on_grid((y0 + y1) / 2)
    if points == box(x0, y0, x1, y1):
        return middle
    polygon = shapely.Polygon(points)
    if polygon.contains(shapely.Point(middle)):
        return middle
    # sought beside its own corner: the same point of it, wherever the shape stands
    deepest = polylabel(shapely.Polygon(moved(points, -x0, -y0)), tolerance=max(DBU, min(x1 - x0, y1 - y0) / 1000))
    free = fine(x0 + fine(deepest.x)), fine(y0 + fine(deepest.y))
    at = _on_grid(free[0]), _on_grid(free[1])
    return at if polygon.contains(shapely.Point(at)) else free


def _on_grid(value: Um) -> Um:
    return fine(math.floor(value / DBU + 1e-6) * DBU)


def placed(points: Ring, at: tuple[Um, Um] | None = None) -> tuple[Um, Um, Um, Um, Ring]:
    """A shape as x, y, width, height and corners about (x, y), which is its `centre`, or `at` where that is known."""
    x, y = at or centre(points)
    return x, y, *described(moved(points, -x, -y))


def described(about: Ring) -> tuple[Um, Um, Ring]:
    """A shape about its centre as width, height and corners; without corners where it is a centred rectangle."""
    x0, y0, x1, y1 = bounds(about)
    width, height = fine(x1 - x0), fine(y1 - y0)
    return width, height, () if about == box(-width / 2, -height / 2, width / 2, height / 2) else about
