"""The cell that fills an area with a pattern of openings of the interface layer, around what it keeps clear of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import klayout.db as kdb
import numpy as np
import shapely
from pydantic import Field

from layoutgen import geom
from layoutgen.cell import Distance, Drawing, Rows, Scattered, Size, generator
from layoutgen.errors import ParamError
from layoutgen.pdk import Pdk
from layoutgen.units import DBU, LARGEST, IntPoints, Um, dbu, to_dbu
from layoutgen_cells.interface import fitting, sites
from layoutgen_cells.interface.packing import rectangles
from layoutgen_cells.interface.shapes import Shape, outline

Corners = tuple[tuple[Um, Um], ...]
Pattern = Literal["square", "staggered", "slots", "radial", "random"]
ROUNDING = 2
"""Database units by which keep-outs are larger, so that rounded corners come no nearer than they may."""
MOST_SITES = 5_000_000
MOST_SIZES = 500
MISSED = 0.01
"""By how much the opened share may miss the one asked for."""
FORMULA = "area of all openings / area outside keep-outs"
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class InterfaceOpenings:
    """Openings in a pattern over an area, around keep-outs; what they open is reported."""

    width: Size = 1000.0
    """Extent of the area in x, from the origin."""
    height: Size = 1000.0
    """Extent of the area in y, from the origin."""
    area: Corners = ()
    """Corners of an area that is no rectangle; then width and height say nothing."""
    keepouts: tuple[Corners, ...] = ()
    """Corners of each shape that openings keep clear of."""
    distance: Distance
    """From openings to keep-outs."""
    pattern: Pattern = "square"
    """`square` and `staggered` grids (staggered rows stand half a pitch further, at equal distances), rows of `slots`,
    `radial` slots on rings around the neutral point, aimed at it, or `random` places."""
    shape: Shape = "octagon"
    """Of each opening; `slots` and `radial` are always slots."""
    pitch: Size
    """From centre to centre: in x, of radial slots along the ring at its inner side, of random places at least."""
    pitch_y: Distance = 0.0
    """From row to row, or ring to ring; 0: as pitch says, with slots at the same space end to end."""
    size: Size
    """Of an opening from side to side; of a slot its width. Of graded ones the largest, unless `fraction` says more."""
    length: Distance = 0.0
    """Of a slot; 0: three times its size."""
    arm: Distance = 0.0
    """Width of a cross's arms; 0: half its size, and no narrower than `least`."""
    turn: Literal["x", "y"] = "x"
    """The direction of slots in rows."""
    grade: Literal["none", "size", "density"] = "none"
    """What grows with the distance from the neutral point, or follows `map`."""
    neutral: tuple[Um, Um] | None = None
    """The point that does not move; left out, the middle of the area."""
    at_centre: Share = 0.5
    """Size or density at the neutral point, as a share of that at the farthest corner."""
    power: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Of the distance, by which it grows between."""
    map: Rows = ()
    """Instead of the distance: rows of values from the top, over equal parts of the area's box; or a file of them."""
    step: Size = 0.5
    """Sizes that are graded are whole multiples of it."""
    fraction: Share = 0.0
    """Share of the area outside keep-outs that openings shall open, by their size or density; 0: as it comes."""
    least: Size
    """The narrowest that an opening may be."""
    trim: bool = False
    """True: what does not fit is cut at the border, where it stays as wide as `least`; false: left out."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    """Of random places and densities."""
    facets: Annotated[int, Field(ge=16, le=128, multiple_of=8)] = 32
    """Corners of a circle."""

    def __post_init__(self) -> None:
        if self.size < self.least:
            raise ValueError(f"size={self.size:g} um is narrower than least={self.least:g}; widen it")
        if self.kind == "cross" and 0 < self.arm < self.least:
            raise ValueError(f"arm={self.arm:g} um is narrower than least={self.least:g}; widen it")
        if self.kind == "cross" and self.arm > self.size:
            raise ValueError(f"arm={self.arm:g} um is wider than size={self.size:g}; make it narrower")
        if self.kind == "slot" and 0 < self.length < self.size:
            raise ValueError(f"length={self.length:g} um is less than a slot's width, size={self.size:g}; lengthen it")
        if self.neutral and self.pattern != "radial" and (self.grade == "none" or self.map):
            raise ValueError(
                "neutral: nothing goes by the distance from it; leave it out, or choose a grade without map"
            )
        if self.neutral and max(map(abs, self.neutral)) > LARGEST:
            raise ValueError(f"neutral: lies farther away than a wafer is wide, {LARGEST:g} um; move it")
        if self.map and len({len(row) for row in self.map}) != 1:
            raise ValueError("map: its rows differ in length; write as many values in each")
        if self.map and not any(value > 0 for row in self.map for value in row):
            raise ValueError("map: holds no value above 0")
        if self.map and self.grade == "none":
            raise ValueError("map: says nothing while grade is 'none'; choose 'size' or 'density'")

    @property
    def kind(self) -> Shape:
        """The shape that is drawn."""
        return "slot" if self.pattern in ("slots", "radial") else self.shape

    @property
    def long(self) -> Um:
        """Length of a slot."""
        return self.length or 3 * self.size


@generator("interface_openings", InterfaceOpenings)
def interface_openings(pdk: Pdk, p: InterfaceOpenings) -> Drawing:
    """Draws on role `relief`, each distinct opening a cell of its own, in arrays; the area less keep-outs on `field`.

    Says as a value what share of that is open (%).
    """
    d = Drawing("interface_openings")
    region = _region(p)
    box = _box(region)
    places, steps = _sites(p, box)
    rounded = dbu(pdk.guard) if p.trim or p.pattern == "radial" else 0  # corners that are rounded to the grid
    widest = _widest(p, steps, dbu(pdk.limit("space", pdk.role("relief"))) + rounded)
    if widest < dbu(p.least) or (not p.fraction and widest < dbu(p.size)):
        wanted = p.least if p.fraction else p.size
        raise ParamError(
            f"interface_openings: pitch={p.pitch:g} um has room for openings of {widest * DBU:g}, not {wanted:g}; "
            "widen it"
        )
    least = float(dbu(p.least) + rounded) if p.trim else None
    grade = _grade(p, places, box)
    if p.fraction and grade is None:
        chosen = fitting.solved(_alike(p, region, places, widest, least), shapely.area(region) * p.fraction, 0.5)
    else:
        widths = _widths(p, widest)
        sizes = [_outline(p, width) for width in widths.tolist()]
        chosen = fitting.choose(
            region, places, sizes, widths.astype(float), float(dbu(p.size)), grade, fraction=p.fraction, least=least
        )
    if not len(chosen.sites) and not chosen.pieces:
        raise ParamError(
            f"interface_openings: no opening fits at size={p.size:g} um, pitch={p.pitch:g}, "
            f"length={p.long:g} (of slots); make them smaller"
        )
    share = chosen.area / shapely.area(region)
    if p.fraction and abs(share - p.fraction) > MISSED:
        raise ParamError(
            f"interface_openings: fraction={p.fraction:g} cannot be had with pitch={p.pitch:g} um, "
            f"{'size' if p.grade == 'density' else 'least'}={p.size if p.grade == 'density' else p.least:g} "
            f"and the web between openings; the nearest is {share:.3f}"
        )
    _draw(d, pdk, p, chosen)
    for corners in _simple(region):
        d.polygon(pdk.role("field"), corners * DBU)
    asked = 100 * p.fraction if p.fraction else None
    d.value("opening fraction", "%", round(100 * share, 4), FORMULA, asked)
    d.value("openings", "", float(len(chosen.sites) + len(chosen.pieces)), "counted")
    return d


def _region(p: InterfaceOpenings) -> shapely.Geometry:
    """Where openings may stand, in database units.

    Raises:
        ParamError: a polygon crosses itself, or keep-outs cover all.
    """
    area = _polygon("area", p.area) if p.area else shapely.box(0, 0, dbu(p.width), dbu(p.height))
    keepouts = [_polygon(f"keepouts: polygon {k}", corners) for k, corners in enumerate(p.keepouts, 1)]
    region = fitting.allowed(area, keepouts, float(dbu(p.distance) + ROUNDING))
    if shapely.is_empty(region):
        raise ParamError("interface_openings: keep-outs cover all of the area; make them or distance smaller")
    return region


def _polygon(what: str, corners: Corners) -> shapely.Geometry:
    points = to_dbu(corners).reshape(-1, 2).astype(float)
    polygon = shapely.Polygon(points) if len(points) > 2 else shapely.Polygon()
    if polygon.is_empty or not polygon.is_valid or not polygon.area:
        raise ParamError(f"interface_openings: {what} is no simple polygon; mend its corners")
    return polygon


def _box(region: shapely.Geometry) -> sites.Box:
    x0, y0, x1, y1 = (round(v) for v in shapely.bounds(region).tolist())
    return x0, y0, x1, y1


def _sites(p: InterfaceOpenings, box: sites.Box) -> tuple[sites.Sites, tuple[int, int]]:
    """All centres of the pattern over a box, and its steps.

    Raises:
        ParamError: there would be more than anyone can draw.
    """
    along = dbu(p.pitch)
    end = dbu(p.long) - dbu(p.size)  # by how much a slot is longer than wide
    across = dbu(p.pitch_y) or along + (end if p.kind == "slot" else 0)
    if p.pattern == "staggered" and not p.pitch_y and p.kind != "slot":
        across = round(along * math.sqrt(3) / 2)
    steps = (across, along) if p.kind == "slot" and p.turn == "x" and p.pattern != "radial" else (along, across)
    rough = (box[2] - box[0] + along) * (box[3] - box[1] + along) / (steps[0] * steps[1])
    if rough > MOST_SITES:
        raise ParamError(f"interface_openings: pitch={p.pitch:g} um makes {rough:.3g} openings; {MOST_SITES} at most")
    low = p.least / 2
    half = 0 if p.trim else dbu(low)  # the centre of a whole one lies at least so far inside
    inner = (box[0] + half, box[1] + half, box[2] - half, box[3] - half)
    if inner[2] < inner[0] or inner[3] < inner[1]:
        inner = box
    match p.pattern:
        case "random":
            return sites.random(inner, along, p.seed), (along, along)
        case "radial":
            centre = p.neutral or ((box[0] + box[2]) / 2 * DBU, (box[1] + box[3]) / 2 * DBU)
            return sites.radial(inner, (dbu(centre[0]), dbu(centre[1])), steps, dbu(p.long) // 2), steps
        case _:
            return sites.grid(inner, steps, staggered=p.pattern == "staggered"), steps


def _outline(p: InterfaceOpenings, size: int) -> IntPoints:
    """An opening of a width in database units, slots along x, or y where they are turned."""
    arm = 2 * (dbu(p.arm) // 2) or min(size, max(2 * (size // 4), 2 * math.ceil(dbu(p.least) / 2)))
    if p.kind == "circle":
        return to_dbu(geom.circle(size * DBU, p.facets)).astype(np.int64)
    corners = outline(p.kind, size, length=2 * (dbu(p.long) // 2), arm=arm)
    if p.pattern == "slots" and p.turn == "y":
        return corners[:, ::-1][::-1] * (1, 1)
    return corners


def _widest(p: InterfaceOpenings, steps: tuple[int, int], web: int) -> int:
    """The widest opening that leaves the web to its neighbours."""
    dx, dy = steps
    if p.pattern == "random":
        around = max(float(np.hypot(*_outline(p, size).T).max()) / size for size in (2000, 20_000))
        return 2 * int((dx - web) / around / 4)
    if p.pattern == "radial":
        return 2 * ((dx - web) // 2) if dy >= dbu(p.long) + web else 0
    beside = [(dx, 0), (0, dy), (dx, dy), (-dx, dy)]
    if p.pattern == "staggered":
        beside = [(dx, 0), (dx // 2, dy), (dx // 2 - dx, dy), (0, 2 * dy)]
    low, high = 0, max(dx, dy) // 2  # half of the width
    while low < high:
        middle = (low + high + 1) // 2
        outer = _outline(p, 2 * middle)
        here = shapely.Polygon(outer)
        good = all(shapely.distance(here, shapely.Polygon(outer + by)) >= web for by in beside)
        low, high = (middle, high) if good else (low, middle - 1)
    return 2 * low


def _widths(p: InterfaceOpenings, widest: int) -> sites.Ints:
    """Widths of openings from the narrowest to the widest: whole steps; where size is not graded, the one asked for.

    Raises:
        ParamError: there would be too many.
    """
    if p.grade != "size":
        return np.array([2 * (dbu(p.size) // 2)])
    step = max(2, 2 * round(dbu(p.step) / 2))
    if (count := widest // step) > MOST_SIZES:
        raise ParamError(f"interface_openings: step={p.step:g} um makes {count} sizes; {MOST_SIZES} at most")
    widths = np.arange(-(-dbu(p.least) // step), count + 1) * step
    if not len(widths):
        raise ParamError(f"interface_openings: no multiple of step={p.step:g} um lies between least and the widest")
    return widths


def _alike(
    p: InterfaceOpenings, region: shapely.Geometry, places: sites.Sites, widest: int, least: float | None
) -> Callable[[float], fitting.Chosen]:  # fmt: skip
    """Openings of one size, by the scale of what is asked for."""

    def made(scale: float) -> fitting.Chosen:
        width = 2 * (round(min(max(dbu(p.size) * scale, dbu(p.least)), widest)) // 2)
        sizes, widths = [_outline(p, width)], np.array([float(width)])
        return fitting.choose(region, places, sizes, widths, float(width), None, fraction=0.0, least=least)

    return made


def _grade(p: InterfaceOpenings, places: sites.Sites, box: sites.Box) -> fitting.Grade | None:
    if p.grade == "none":
        return None
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    neutral = (dbu(p.neutral[0]), dbu(p.neutral[1])) if p.neutral else (round(middle[0]), round(middle[1]))
    table = np.array(p.map, dtype=np.float64) if p.map else None
    weight = fitting.weights(places.at, box, neutral=neutral, at_centre=p.at_centre, power=p.power, table=table)
    return fitting.Grade(weight, p.grade, sites.shares(p.seed, len(places)))


def _draw(d: Drawing, pdk: Pdk, p: InterfaceOpenings, chosen: fitting.Chosen) -> None:
    """The openings: in arrays where they stand on a lattice, one by one where they are turned or cut."""
    layer = pdk.role("relief")
    for number in np.unique(chosen.size).tolist():
        corners, here = chosen.sizes[number], chosen.sites.take(chosen.size == number)
        if len(here.angle):
            for points in fitting.outlines(corners, here) * DBU:
                d.polygon(layer, points)
            continue
        name = f"opening_{np.ptp(corners[:, 1 if p.turn == 'x' else 0])}"
        opening = Drawing(name)
        opening.polygon(layer, corners * DBU)
        if not here.lattices:
            d.scattered.append(Scattered(opening, here.at.astype(np.float64) * DBU))
        for k, lattice in enumerate(here.lattices):
            found = rectangles(here.index[here.lattice == k])
            at = (found[:, :2] * np.array(lattice.step) + np.array(lattice.origin)) * DBU
            alone = (found[:, 2:] == 1).all(axis=1)
            if alone.any():
                d.scattered.append(Scattered(opening, at[alone]))
            step = (lattice.step[0] * DBU, lattice.step[1] * DBU)
            for (x, y), (columns, rows) in zip(at[~alone].tolist(), found[~alone, 2:].tolist(), strict=True):
                d.place(opening, (x, y), columns=columns, rows=rows, step=step)
    for piece in chosen.pieces:
        for part in _simple(piece):
            d.polygon(layer, part * DBU)


def _simple(shape: shapely.Geometry) -> Iterator[IntPoints]:
    """A shape as polygons without holes; trapezoids where it has some."""
    region = kdb.Region()
    for part in shapely.get_parts(shape).tolist():
        if part.geom_type != "Polygon":
            continue
        region.insert(fitting.to_klayout(part))
    for polygon in region.each():
        simple = polygon.decompose_trapezoids() if polygon.holes() else (polygon.to_simple_polygon(),)
        for one in simple:
            yield np.array([(q.x, q.y) for q in one.each_point()], dtype=np.int64)
