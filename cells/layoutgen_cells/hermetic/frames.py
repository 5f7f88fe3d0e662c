"""Walls between chip and cover: the frame around a component, branches and islands around vias, the wafer's rim.

All are drawn at the chip's face. Lengths are um.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import klayout.db as kdb
import numpy as np
import shapely
from pydantic import Field

from layoutgen import geom
from layoutgen.cell import Distance, Drawing, Size, generator
from layoutgen.errors import ParamError
from layoutgen.pdk import Pdk
from layoutgen.units import DBU, Points, Um, to_dbu
from layoutgen_cells.hermetic.vias import alignment, least_foot

Corners = tuple[tuple[Um, Um], ...]
Count = Annotated[int, Field(ge=1, le=100)]
RIM_POINTS = 4096
RIM_SECTORS = 64


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The frame around one component, its lower-left corner at the origin: a wall along the outline, and walls between
    units.
    """

    width: Size = 1000.0
    """Of the outline, where it is a rectangle."""
    height: Size = 1000.0
    """Of the outline, likewise."""
    chamfer: Distance = 0.0
    """How much of each corner of the rectangle is cut at 45 degrees."""
    outline: Corners = ()
    """Corners of an outline that is no rectangle."""
    wall: Size
    """Width of every wall."""
    columns: Count = 1
    """Units side by side, a wall between each two."""
    rows: Count = 1
    """Units one above the other, likewise."""
    cavities: tuple[Corners, ...] = ()
    """Instead of columns and rows: the corners of each cavity; all else inside the outline is wall."""

    def __post_init__(self) -> None:
        if 2 * self.chamfer >= min(self.width, self.height):
            raise ValueError(f"chamfer={self.chamfer:g} um leaves nothing of {self.width:g} x {self.height:g} um")
        if self.cavities and self.columns * self.rows > 1:
            raise ValueError("cavities say where units are; leave columns and rows out")


@generator("frame", Frame)
def frame(pdk: Pdk, p: Frame) -> Drawing:
    """Draws on role `frame`, and the same on role `unit_wall`: where walls must be, whatever is drawn over them."""
    d = Drawing("frame")
    outer = _polygon("frame: outline", p.outline) if p.outline else _rectangle(p)
    if p.cavities:
        cavities = [_polygon(f"frame: cavity {k}", corners) for k, corners in enumerate(p.cavities, 1)]
        for k, cavity in enumerate(cavities, 1):
            if not shapely.contains_properly(outer, cavity):
                raise ParamError(f"frame: cavity {k} reaches the outline; leave a wall around it")
        inner = shapely.union_all(cavities)
    else:
        inner = shapely.buffer(outer, -p.wall, join_style="mitre")
        inner = shapely.difference(inner, shapely.union_all([*_between(inner, p)]))
    if shapely.is_empty(inner):
        raise ParamError(f"frame: wall={p.wall:g} um leaves no cavity; make it narrower")
    for points in without_holes(shapely.difference(outer, inner)):
        d.polygon(pdk.role("frame"), points)
        d.polygon(pdk.role("unit_wall"), points)
    return d


def _rectangle(p: Frame) -> shapely.Geometry:
    return shapely.Polygon(geom.bevelled(p.width, p.height, p.chamfer, (p.width / 2, p.height / 2)))


def _polygon(name: str, corners: Corners) -> shapely.Geometry:
    if len(corners) < 3 or not (polygon := shapely.Polygon(corners)).is_valid or not polygon.area:
        raise ParamError(f"{name} is no simple polygon; mend its corners")
    return polygon


def _between(inner: shapely.Geometry, p: Frame) -> Iterator[shapely.Geometry]:
    """The walls between units, over all of the inside."""
    if shapely.is_empty(inner):
        return
    x0, y0, x1, y1 = shapely.bounds(inner).tolist()
    for count, low, high, across in ((p.columns, x0, x1, False), (p.rows, y0, y1, True)):
        unit = (high - low - (count - 1) * p.wall) / count
        if unit <= 0:
            raise ParamError(f"frame: {count} units with walls of {p.wall:g} um leave no cavity; take fewer")
        for k in range(1, count):
            at = round(low + k * (unit + p.wall) - p.wall, 3)
            yield shapely.box(x0, at, x1, at + p.wall) if across else shapely.box(at, y0, at + p.wall, y1)


def without_holes(shape: shapely.Geometry) -> Iterator[Points]:
    """A shape (um) as simple polygons, parted where it has holes."""
    region = kdb.Region()
    for part in shapely.get_parts(shape):
        polygon = kdb.Polygon([kdb.Point(x, y) for x, y in to_dbu(part.exterior.coords[:-1]).tolist()])
        for hole in part.interiors:
            polygon.insert_hole([kdb.Point(x, y) for x, y in to_dbu(hole.coords[:-1]).tolist()])
        region.insert(polygon)
    todo = list(region.merged().each())
    while todo:
        polygon = todo.pop(0)
        if not polygon.holes():
            yield np.array([(q.x, q.y) for q in polygon.each_point_hull()]) * DBU
            continue
        box, hole = polygon.bbox(), kdb.Polygon([*polygon.each_point_hole(0)]).bbox()
        middle = hole.center().x
        for side in (kdb.Box(box.left, box.bottom, middle, box.top), kdb.Box(middle, box.bottom, box.right, box.top)):
            todo += list((kdb.Region(polygon) & kdb.Region(side)).merged(False, 0).each())


@dataclass(frozen=True, kw_only=True)
class Island:
    """A wall around a small cavity, in which connector metal lies bare for a via; it stands alone."""

    cavity: Size | None = None
    """Diameter of the cavity, or its side. None: the least that a via needs at its worst alignment."""
    wall: Size
    """Width of the wall."""
    shape: Literal["round", "square"] = "round"
    """Of cavity and wall."""


@generator("island", Island)
def island(pdk: Pdk, p: Island) -> Drawing:
    """Draws on role `frame`; the cavity's centre at the origin."""
    d = Drawing("island")
    cavity = least_cavity(pdk) if p.cavity is None else p.cavity
    ring = shapely.difference(_disc(pdk, p.shape, cavity + 2 * p.wall), _disc(pdk, p.shape, cavity))
    for points in without_holes(ring):
        d.polygon(pdk.role("frame"), points)
    return d


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A wall around a small cavity that grows out of the frame and is closed by itself."""

    cavity: Size | None = None
    """Diameter of the cavity, or its side. None: the least that a via needs at its worst alignment."""
    wall: Size
    """Width of the wall."""
    reach: Size = 150.0
    """From the cavity's centre to where the branch ends in the frame."""
    shape: Literal["round", "square"] = "round"
    """Of the cavity and of the branch's end."""


@generator("branch", Branch)
def branch(pdk: Pdk, p: Branch) -> Drawing:
    """Draws on role `frame`; the cavity's centre at the origin, the frame in +x."""
    d = Drawing("branch")
    cavity = least_cavity(pdk) if p.cavity is None else p.cavity
    half = cavity / 2 + p.wall
    if p.reach < half - p.wall:
        raise ParamError(f"branch: reach={p.reach:g} um ends in its own cavity of {cavity:g}; make it longer")
    stem = shapely.box(0.0, -half, p.reach, half)
    walls = shapely.union_all([_disc(pdk, p.shape, 2 * half), stem])
    for points in without_holes(shapely.difference(walls, _disc(pdk, p.shape, cavity))):
        d.polygon(pdk.role("frame"), points)
    return d


def _disc(pdk: Pdk, shape: str, size: Um) -> shapely.Geometry:
    return shapely.Polygon(geom.circle(size, pdk.circle_points) if shape == "round" else geom.box(size, size))


def least_cavity(pdk: Pdk, foot: Um | None = None) -> Um:
    """Least diameter of the cavity around a via through the cover with this foot, at its worst alignment (um)."""
    foot = least_foot(pdk) if foot is None else foot
    return foot + 2 * (alignment(pdk) + pdk.limit("separation", pdk.role("via_worst"), pdk.role("frame")) + pdk.guard)


@dataclass(frozen=True, kw_only=True)
class RimSeal:
    """A ring of frame at the wafer's rim, which keeps the baths out from between wafer and cover."""

    wafer: Size = 100_000.0
    """Diameter of the wafer."""
    flat: Distance = 0.0
    """Length of the wafer's flat, along which the ring runs straight, at the bottom; 0: it has none."""
    inset: Size
    """From the wafer's edge to the ring's outer edge."""
    width: Size
    """From the ring's inner to its outer edge."""

    @property
    def inner(self) -> Um:
        """Radius of the inner edge."""
        return self.wafer / 2 - self.inset - self.width


@generator("rim.seal", RimSeal)
def rim_seal(pdk: Pdk, p: RimSeal) -> Drawing:
    """Draws on role `rim`, or on `frame` where a process has none; the wafer's centre at the origin."""
    d = Drawing("rim_seal")
    if p.inner <= 0:
        raise ParamError(f"rim.seal: inset={p.inset:g} and width={p.width:g} um leave no wafer inside")
    outer = p.inner + p.width
    frame = pdk.roles.get("rim") or pdk.role("frame")
    sectors = geom.ring_sectors(p.inner, outer, RIM_SECTORS, RIM_POINTS)
    if not p.flat:
        for sector in sectors:
            d.polygon(frame, sector)
        return d
    low = -math.sqrt(p.wafer**2 - p.flat**2) / 2 + p.inset
    above = shapely.box(-p.wafer, low, p.wafer, p.wafer)
    for piece in shapely.get_parts([shapely.intersection(shapely.Polygon(sector), above) for sector in sectors]):
        if piece.area > 0:
            d.polygon(frame, shapely.get_coordinates(piece)[:-1])
    middle = p.inner + p.width / 2  # of the sectors, which the straight part reaches into
    y = np.linspace(max(low, -middle), low + p.width, RIM_POINTS // RIM_SECTORS)
    x = np.sqrt(middle**2 - y**2)
    d.polygon(frame, np.column_stack([np.concatenate([x, -x[::-1]]), np.concatenate([y, y[::-1]])]))
    return d
