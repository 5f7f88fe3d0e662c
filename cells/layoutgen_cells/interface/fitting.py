"""Which openings fit where they may stand, and how large they must be to open a given share of it.

All lengths are database units. A region is a shapely geometry with whole coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.units import IntPoints
from layoutgen_cells.interface.shapes import area2, reaches
from layoutgen_cells.interface.sites import Bools, Floats, Ints, Sites

NEAR = 1e-6
"""Slack of distances that are computed as floating point numbers."""
CLOSE = 0.002
"""An area that is this near to the wanted one, as a part of it, is as good as that."""
MOST_TRIES = 24


@dataclass(frozen=True)
class Chosen:
    """Openings: the sites that have one, each with the number of its size, and pieces of those that were trimmed."""

    sites: Sites
    size: Ints
    area: float
    sizes: Sequence[IntPoints]
    pieces: list[shapely.Polygon] = field(default_factory=list)


def allowed(area: shapely.Geometry, keepouts: Sequence[shapely.Geometry], distance: float) -> shapely.Geometry:
    """What is left of an area `distance` away from all keep-outs; square around their corners, so never nearer."""
    grown = shapely.buffer(np.array(keepouts, dtype=object), distance, join_style="mitre", mitre_limit=2.0)
    left = shapely.difference(area, shapely.union_all(grown)) if len(keepouts) else area
    whole = shapely.set_precision(left, 1.0)
    shapely.prepare(whole)
    return whole


def outlines(corners: IntPoints, sites: Sites) -> IntPoints:
    """(n, corners, 2): an opening at each site, turned as the site says."""
    if not len(sites.angle):
        return corners[None, :, :] + sites.at[:, None, :]
    c, s = np.cos(sites.angle)[:, None], np.sin(sites.angle)[:, None]
    x, y = corners[None, :, 0], corners[None, :, 1]
    turned = np.rint(np.stack([x * c - y * s, x * s + y * c], axis=-1)).astype(np.int64)
    out: IntPoints = turned + sites.at[:, None, :]
    return out


def near_border(region: shapely.Geometry, at: IntPoints, reach: float) -> Bools:
    """Which places may be nearer to a region's border than `reach`: all that are, and some that are not."""
    cell = max(reach, 1.0)
    rings = shapely.get_parts(shapely.get_rings(region))
    points, of = shapely.get_coordinates(rings, return_index=True)
    same = of[1:] == of[:-1]
    start, end = points[:-1][same], points[1:][same]
    if not len(start) or not len(at):
        return np.zeros(len(at), dtype=bool)
    count = np.ceil(np.hypot(*(end - start).T) / cell).astype(np.int64) + 1
    which = np.repeat(np.arange(len(start)), count)
    part = (np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)) / np.repeat(count, count)
    walk = start[which] + (end - start)[which] * part[:, None]
    low = np.minimum(walk.min(axis=0), at.min(axis=0))
    columns, rows = ((np.maximum(walk.max(axis=0), at.max(axis=0)) - low) // cell).astype(np.int64) + 1
    marked = np.zeros((columns + 4, rows + 4), dtype=bool)
    i, j = ((walk - low) // cell).astype(np.int64).T + 2
    for di in range(-2, 3):
        for dj in range(-2, 3):
            marked[i + di, j + dj] = True
    i, j = ((at - low) // cell).astype(np.int64).T + 2
    found: Bools = marked[i, j]
    return found


def largest_fitting(region: shapely.Geometry, sites: Sites, sizes: Sequence[IntPoints]) -> Ints:
    """For each site the number of the largest of some openings, in order of size, that lies in the region; -1: none."""
    inner, outer = (np.array(r) for r in zip(*(reaches(corners) for corners in sizes), strict=True))
    inside = shapely.contains_xy(region, *sites.at.T.astype(np.float64))
    out = np.where(inside, len(sizes) - 1, -1)
    near = np.flatnonzero(inside & near_border(region, sites.at, float(outer[-1])))
    border = shapely.boundary(region)
    shapely.prepare(border)
    away = shapely.distance(border, shapely.points(sites.at[near].astype(np.float64)))
    low = np.searchsorted(outer + NEAR, away, side="right") - 1
    high = np.searchsorted(inner - NEAR, away, side="right") - 1
    while len(open_ := np.flatnonzero(low < high)):
        middle = (low[open_] + high[open_] + 1) // 2
        for number in np.unique(middle).tolist():
            some = open_[middle == number]
            drawn = shapely.polygons(outlines(sizes[number], sites.take(near[some])).astype(np.float64))
            fits = shapely.covers(region, drawn)
            low[some[fits]] = number
            high[some[~fits]] = number - 1
    out[near] = low
    return out


def trimmed(region: shapely.Geometry, sites: Sites, corners: IntPoints, least: float) -> list[shapely.Polygon]:
    """What lies in the region of openings that do not fit, where it is nowhere narrower than `least`.

    Of each opening one piece at most, its largest, and never more than the opening itself: webs stay as wide as they
    are between whole ones.
    """
    if not len(sites):
        return []
    drawn = np.asarray(shapely.polygons(outlines(corners, sites).astype(np.float64)))
    cut = shapely.intersection(region, drawn[shapely.intersects(region, drawn)])
    core = shapely.buffer(cut, -(least / 2 - NEAR), join_style="mitre")
    cut, core = cut[~shapely.is_empty(core)], core[~shapely.is_empty(core)]
    wide = shapely.intersection(cut, shapely.buffer(core, least / 2 - NEAR, join_style="mitre"))
    parts, of = shapely.get_parts(shapely.set_precision(wide, 1.0), return_index=True)
    order = np.lexsort((-shapely.area(parts), of))
    parts, of = parts[order], of[order]
    first = np.ones(len(of), dtype=bool)
    first[1:] = of[1:] != of[:-1]
    return _no_narrower([p for p in parts[first].tolist() if shapely.area(p) >= least * least], least)


def _no_narrower(pieces: list[shapely.Polygon], least: float) -> list[shapely.Polygon]:
    """Those that are nowhere narrower, straight across, than `least`: none that ends in an acute corner."""

    def narrow(some: Sequence[shapely.Polygon]) -> kdb.EdgePairs:
        region = kdb.Region()
        for piece in some:
            region.insert(to_klayout(piece))
        return region.width_check(math.floor(least), False, kdb.Region.Projection)

    boxes = [(b.left, b.bottom, b.right, b.top) for b in (pair.bbox() for pair in narrow(pieces).each())]
    if not boxes:
        return pieces
    near = np.unique(shapely.STRtree(pieces).query(shapely.box(*np.array(boxes).T))[1])
    wrong = {k for k in near.tolist() if not narrow([pieces[k]]).is_empty()}
    return [piece for k, piece in enumerate(pieces) if k not in wrong]


def to_klayout(part: shapely.Polygon) -> kdb.Polygon:
    """A polygon of whole coordinates, with its holes."""
    polygon = kdb.Polygon([kdb.Point(round(x), round(y)) for x, y in part.exterior.coords[:-1]])
    for ring in part.interiors:
        polygon.insert_hole([kdb.Point(round(x), round(y)) for x, y in ring.coords[:-1]])
    return polygon


@dataclass(frozen=True)
class Grade:
    """How openings differ from place to place: by a weight from 0 to 1 at each site."""

    weight: Floats
    of: str
    """`size` or `density`."""
    share: Floats
    """A random number from 0 to 1 for each site, by which those of a density are drawn."""


def choose(
    region: shapely.Geometry, sites: Sites, sizes: Sequence[IntPoints], widths: Floats, usual: float,
    grade: Grade | None, *, fraction: float, least: float | None,
) -> Chosen:  # fmt: skip
    """The openings at some sites, by size, density or all alike; that open `fraction` of the region, unless it is 0.

    sizes: openings in order, and how wide they are. usual: the width that all have, or the largest of them.
    least: where openings are trimmed, how narrow they may become; None: only whole ones.
    """
    whole = largest_fitting(region, sites, sizes) if least is None else None
    areas = np.array([area2(corners) / 2 for corners in sizes])

    def made(scale: float) -> Chosen:
        wanted = np.full(len(sites), usual)
        here = np.ones(len(sites), dtype=bool)
        if grade is not None and grade.of == "density":
            here = grade.share < grade.weight * scale
        elif grade is not None:
            wanted = usual * scale * grade.weight
        number = np.clip(np.searchsorted(widths, wanted + NEAR, side="right") - 1, 0, len(sizes) - 1)
        fits = whole
        pieces: list[shapely.Polygon] = []
        if fits is None:
            fits, pieces = _cut(region, sites, np.where(here, number, -1), sizes, least or 0.0)
        chosen = here & (number <= fits)
        area = float(areas[number[chosen]].sum()) + float(shapely.area(pieces).sum() if pieces else 0.0)
        return Chosen(sites.take(chosen), number[chosen], area, sizes, pieces)

    if not fraction:
        return made(1.0)
    return solved(made, shapely.area(region) * fraction, 1.0 if grade is not None and grade.of == "density" else 0.5)


def _cut(
    region: shapely.Geometry, sites: Sites, number: Ints, sizes: Sequence[IntPoints], least: float
) -> tuple[Ints, list[shapely.Polygon]]:  # fmt: skip
    """Which sites hold their opening whole (its number, else -1), and what is left of the others; -1: there is none."""
    found = np.full(len(sites), -1)
    pieces: list[shapely.Polygon] = []
    for value in np.unique(number[number >= 0]).tolist():
        of = np.flatnonzero(number == value)
        fits = largest_fitting(region, sites.take(of), [sizes[value]]) == 0
        found[of[fits]] = value
        over = sites.take(of[~fits])
        pieces += trimmed(region, over, sizes[value], least)
    return found, pieces


def solved(made: Callable[[float], Chosen], wanted: float, power: float) -> Chosen:
    """What `made` makes at the scale at which its area is the wanted one, as near as it comes to that.

    power: of the area's ratio, by which the scale is guessed: 1 where the area grows with it, 0.5 with its square.
    """
    low, high, scale = 0.0, math.inf, 1.0
    best = made(scale)
    nearest = best
    for _ in range(MOST_TRIES):
        if abs(best.area - wanted) < abs(nearest.area - wanted):
            nearest = best
        if abs(best.area / wanted - 1) < CLOSE or high - low < 1e-7 * scale:
            break
        low, high = (scale, high) if best.area < wanted else (low, scale)
        guess = scale * (wanted / best.area) ** power if best.area else 2 * scale
        if not low < guess < high:
            guess = 2 * scale if high == math.inf else (low + high) / 2
        if guess > 2**20:
            break
        scale = guess
        best = made(scale)
    return nearest


def weights(
    at: IntPoints, box: tuple[int, int, int, int], *, neutral: tuple[int, int], at_centre: float, power: float,
    table: npt.NDArray[np.float64] | None,
) -> Floats:  # fmt: skip
    """The weight of each place, 0 to 1: it grows with the distance from the neutral point, or follows a table.

    table: rows from the top, values over equal parts of the box; between their middles along straight lines.
    """
    if table is not None:
        return _between(at, box, table / table.max())
    corners = [(x, y) for x in (box[0], box[2]) for y in (box[1], box[3])]
    far = max(math.dist(neutral, corner) for corner in corners)
    away = np.hypot(*(at - np.array(neutral)).T.astype(np.float64)) / far
    grown: Floats = at_centre + (1 - at_centre) * np.clip(away, 0, 1) ** power
    return grown


def _between(at: IntPoints, box: tuple[int, int, int, int], table: Floats) -> Floats:
    table = table[::-1]
    rows, columns = table.shape
    x = (at[:, 0] - box[0]) / (box[2] - box[0]) * columns - 0.5
    y = (at[:, 1] - box[1]) / (box[3] - box[1]) * rows - 0.5
    x, y = np.clip(x, 0, columns - 1), np.clip(y, 0, rows - 1)
    i, j = np.minimum(x.astype(int), max(columns - 2, 0)), np.minimum(y.astype(int), max(rows - 2, 0))
    k, m = np.minimum(i + 1, columns - 1), np.minimum(j + 1, rows - 1)
    u, v = x - i, y - j
    out: Floats = (table[j, i] * (1 - u) + table[j, k] * u) * (1 - v) + (table[m, i] * (1 - u) + table[m, k] * u) * v
    return out
