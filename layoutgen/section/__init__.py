"""What the masks make of a wafer along a line: its cross-section, from the `steps` of a process.

Along the line each layer of a step is cut exactly: where the line crosses the edges of its region. A wall that leans is
cut at heights that are halved until what lies between them is straight to `TOLERANCE`; at each height the drawn region
is grown or shrunk as `size(layer, um)` does, so that a line beside the middle of a round via shows what is there.
What is spread or plated reaches what is open to the outside in the plane of the section; closed cavities stay empty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import klayout.db as kdb
import shapely
from shapely.geometry import box

from layoutgen.errors import InputError, Problem
from layoutgen.pdk import Pdk
from layoutgen.section.line import Line
from layoutgen.section.shapes import FAR, Ends, Geometry, Interval, common, polygons
from layoutgen.section.wafer import Wafer, thickness_of, value
from layoutgen.units import DBU, Um, dbu

LONGEST: Um = 20_000.0
"""Of a line: a picture of more shows nothing of layers this thin."""


@dataclass(frozen=True)
class Solid:
    """One level in a section: where it is (um along the line, um above the wafer's face), and of what."""

    level: str
    material: str
    thickness: Um | None
    """As the process states it; None: it follows from its form."""
    geometry: Geometry

    @property
    def area(self) -> float:
        """Of its cross-section, in um2."""
        return float(self.geometry.area)

    def at(self, height: Um) -> Ends:
        """Where it lies along the line at a height (um)."""
        left, _, right, _ = self.geometry.bounds if not self.geometry.is_empty else (0.0, 0.0, 0.0, 0.0)
        row = shapely.LineString([(left - 1, height), (right + 1, height)])
        pieces = shapely.get_parts(shapely.intersection(self.geometry, row))
        return sorted((p.bounds[0], p.bounds[2]) for p in pieces if p.length > 0)

    @property
    def heights(self) -> Interval:
        """Its lowest and its highest point."""
        _, low, _, high = self.geometry.bounds
        return low, high


@dataclass(frozen=True)
class Section:
    """The cross-section along a line: solids in the order in which they were made; all that is left of them."""

    pdk: str
    flow: str
    cell: str
    start: tuple[Um, Um]
    end: tuple[Um, Um]
    solids: tuple[Solid, ...]
    whole: bool = True
    """False: the base goes on below what is shown."""
    touched: tuple[Interval, ...] = ()
    """Along the line: what a blade may touch at its worst."""
    colors: dict[str, str] = field(default_factory=dict, compare=False)
    """By material."""

    @property
    def length(self) -> Um:
        """Of the line."""
        return math.dist(self.start, self.end)

    @property
    def heights(self) -> Interval:
        """Its lowest and its highest point (um above the wafer's face)."""
        found = [s.heights for s in self.solids]
        return min(low for low, _ in found), max(high for _, high in found)

    def level(self, name: str) -> Solid | None:
        """What is left of a level here, None where there is none of it."""
        return next((s for s in self.solids if s.level == name), None)


def section(
    layout: kdb.Layout, top: kdb.Cell, pdk: Pdk, flow: str | None, start: tuple[Um, Um], end: tuple[Um, Um]
) -> Section:
    """The cross-section of a flow along a line from `start` to `end` (um) of the cell `top`; ends go to the grid.

    Raises:
        UnknownNameError: the process has no such flow.
        InputError: the process has no steps for it, the line has no length or too much, lies beyond all that is drawn,
            or wholly where everything is sawn away.
    """
    flow_name, _ = pdk.flow(flow)
    pdk = pdk.in_flow(flow_name)
    steps = pdk.steps_of(flow_name)
    if not steps:
        message = f"has no steps for flow {flow_name!r}, so nothing is known of its cross-section; add [[steps]]"
        raise InputError([Problem(f"PDK {pdk.name!r}", "steps", message)])
    a, b = (kdb.Point(dbu(x), dbu(y)) for x, y in (start, end))
    length = a.distance(b) * DBU
    if not 1.0 <= length <= LONGEST:
        message = f"a section must be 1 to {LONGEST:g} um long, not {length:g}; move one of its ends"
        raise InputError([Problem("", "", message)])
    if not kdb.Edge(a, b).clipped(top.bbox()):
        raise InputError([Problem("", "", "the line lies beyond all that is drawn; move it onto the wafer")])
    films = sum(value(pdk, s.thickness or "0") or thickness_of(pdk, s.level) for s in steps if s.top == "conformal")
    wafer = Wafer(pdk, Line(layout, top, pdk, a, b, films + 10.0))
    wafer.do(steps)
    window = box(0.0, -FAR, length, FAR)
    solids = [Solid(s.level, s.material, s.thickness, polygons(common(s.geometry, window))) for s in wafer.solids]
    if all(s.geometry.is_empty for s in solids):
        message = "nothing is left along the line, as it runs where the blade does; lay it beside or across the cut"
        raise InputError([Problem("", "", message)])
    touched = wafer.line.cut("cut_maybe") if "cut_maybe" in pdk.reserved else []
    return Section(
        pdk.name, flow_name, top.name, (a.x * DBU, a.y * DBU), (b.x * DBU, b.y * DBU),
        tuple(s for s in solids if not s.geometry.is_empty),
        next(s.thickness is not None for s in wafer.solids),
        tuple((max(p, 0.0), min(q, length)) for p, q in touched if q > 0 and p < length),
        {name: m.color for name, m in pdk.materials.items()},
    )  # fmt: skip
