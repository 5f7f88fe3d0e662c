"""What the masks make of a wafer along a line: its cross-section, from the `steps` of a process.

Along the line each layer of a step is cut exactly: where the line crosses the edges of its region. A wall that leans is
cut at heights that are halved until what lies between them is straight to `TOLERANCE`; at each height the drawn region
is grown or shrunk as `size(layer, um)` does, so that a line beside the middle of a round via shows what is there.
What is spread or plated reaches what is open to the outside in the plane of the section; closed cavities stay empty.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import klayout.db as kdb
import numpy as np
import shapely
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from layoutgen import derive, gds
from layoutgen.blade import Blade
from layoutgen.errors import InputError, Problem
from layoutgen.pdk import Pdk
from layoutgen.steps import CUT_LAYERS, Step
from layoutgen.units import DBU, Um, dbu

TOLERANCE: Um = 0.01
LONGEST: Um = 20_000.0
"""Of a line: a picture of more shows nothing of layers this thin."""
BASE: Um = 50.0
"""How much of a wafer is shown whose thickness is not said."""
_HALVINGS = 12
_GRID = 1e-6
_FAR = 1e6
_BEYOND: Um = 500_000.0
"""How far a line is followed to tell inside from outside: beyond any wafer."""
_OCTAGON = 2  # corners as `derive` sizes them
Interval = tuple[float, float]
Ends = list[Interval]
Geometry = BaseGeometry


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
        InputError: the process has no steps for it, or the line has no length or too much.
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
    films = sum(_value(pdk, s.thickness or "0") or _stack(pdk, s.level) for s in steps if s.top == "conformal")
    wafer = _Wafer(pdk, _Line(layout, top, pdk, a, b, films + 10.0))
    wafer.do(steps)
    window = box(0.0, -_FAR, length, _FAR)
    solids = [Solid(s.level, s.material, s.thickness, _clean(_and(s.geometry, window))) for s in wafer.solids]
    touched = wafer.line.cut("cut_maybe") if "cut_maybe" in pdk.reserved else []
    return Section(
        pdk.name, flow_name, top.name, (a.x * DBU, a.y * DBU), (b.x * DBU, b.y * DBU),
        tuple(s for s in solids if not s.geometry.is_empty),
        next(s.thickness is not None for s in wafer.solids),
        tuple((max(p, 0.0), min(q, length)) for p, q in touched if q > 0 and p < length),
        {name: m.color for name, m in pdk.materials.items()},
    )  # fmt: skip


# along the line -------------------------------------------------------------------------------------------------


class _Line:
    """A line through a layout, longer at both ends than what is asked for, and what lies on it."""

    def __init__(
        self, layout: kdb.Layout, top: kdb.Cell, pdk: Pdk, a: kdb.Point, b: kdb.Point, more: Um
    ) -> None:  # fmt: skip
        self.length = a.distance(b) * DBU
        self.more = more
        self._layout, self._top, self._pdk = layout, top, pdk
        self._near, self._far = (_longer(a, b, by) for by in (more, _BEYOND))
        d = self._far.d()
        self._along = (d.x / d.length(), d.y / d.length())
        self._start = a
        self._regions: dict[tuple[str, int], kdb.Region] = {}

    def along(self, a: kdb.Point, b: kdb.Point) -> _Line:
        """Another line through the same layout."""
        return _Line(self._layout, self._top, self._pdk, a, b, self.more)

    def region(self, expression: str, around: Um = 0.0) -> kdb.Region:
        """What an expression is near the line: whole shapes, those that lie within `around` of it and more."""
        key = (expression, math.ceil(around))
        if key not in self._regions:
            deepest = max((self._pdk.reach(n) for n in derive.names(expression)), default=0.0)
            reach = deepest + derive.reach(expression, self._pdk.number) + key[1] * 1.5 + 1.0
            window = self._near.bbox().enlarged(dbu(reach), dbu(reach))
            found = gds.fetch(self._layout, self._pdk, self._top, window)
            whole = self._pdk.evaluate(expression, found)
            near = self._near.bbox().enlarged(*[dbu(key[1] * 1.5) + 10] * 2)
            self._regions[key] = whole.interacting(kdb.Region(near))
        return self._regions[key]

    def cut(self, expression: str) -> Ends:
        """Where an expression lies on the line (um from its start)."""
        return self.crossed(self.region(expression))

    def crossed(self, region: kdb.Region) -> Ends:
        """Where a merged region lies on the line: between each two crossings of its edges."""
        o, d = self._far.p1, self._far.d()
        found = []
        for edge in region.edges().interacting(kdb.Edges([self._far])).each():
            # exact, and what lies on the line counts to its left: a corner on it is crossed once, or not at all
            p, q = (d.x * (v.y - o.y) - d.y * (v.x - o.x) for v in (edge.p1, edge.p2))
            if (p >= 0) != (q >= 0):
                part, e = p / (p - q), edge.d()
                x, y = edge.x1 - self._start.x + e.x * part, edge.y1 - self._start.y + e.y * part
                found.append((x * self._along[0] + y * self._along[1]) * DBU)
        at = sorted(found)
        first, last = -self.more, self.length + self.more
        inside = [(max(s, first), min(t, last)) for s, t in zip(at[::2], at[1::2], strict=True)]
        return [(s, t) for s, t in inside if t - s > DBU / 2]

    def without(self, ends: Ends) -> Ends:
        """What is left of the line beside intervals."""
        stops = [-self.more, *(v for pair in ends for v in pair), self.length + self.more]
        return [(s, t) for s, t in zip(stops[::2], stops[1::2], strict=True) if t > s]

    def grown(self, region: kdb.Region, by: Um) -> Ends:
        """Where a region grown by some um lies on the line."""
        return self.crossed(region.sized(dbu(by), _OCTAGON) if dbu(by) else region)


def _longer(a: kdb.Point, b: kdb.Point, by: Um) -> kdb.Edge:
    """From a to b and beyond both, on the grid."""
    part = dbu(by) / a.distance(b)
    reach = kdb.Vector(round((b.x - a.x) * part), round((b.y - a.y) * part))
    return kdb.Edge(a - reach, b + reach)


# shapes of the section ------------------------------------------------------------------------------------------


def _and(a: Geometry, b: Geometry) -> Geometry:
    return shapely.intersection(a, b, grid_size=_GRID)


def _minus(a: Geometry, b: Geometry) -> Geometry:
    return shapely.difference(a, b, grid_size=_GRID)


def _union(parts: Iterable[Geometry]) -> Geometry:
    return shapely.union_all([*parts], grid_size=_GRID)


def _clean(geometry: Geometry) -> Geometry:
    """Its polygons of any size."""
    return shapely.MultiPolygon([p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon" and p.area > 1e-5])


def _columns(ends: Ends, low: float = -_FAR, high: float = _FAR) -> Geometry:
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
    return _union(parts)


# the wafer ------------------------------------------------------------------------------------------------------


@dataclass
class _Part:
    level: str
    material: str
    thickness: Um | None
    geometry: Geometry


@dataclass
class _Wafer:
    """A wafer in section while it is made: its parts, and at which height each level's face lies, and its foot."""

    pdk: Pdk
    line: _Line
    faces: dict[str, tuple[float, float]] = field(default_factory=dict)
    solids: list[_Part] = field(default_factory=list)
    bulges: dict[str, float] = field(default_factory=dict)
    """By how much openings of a level stand out at most beyond what is drawn."""

    def do(self, steps: Sequence[Step]) -> None:
        """Carry out steps, in order."""
        for i, step in enumerate(steps):
            if step.verb == "press":
                self._press(step, steps[:i])
            else:
                self._do(step)

    def _do(self, step: Step) -> None:
        match step.verb:
            case "base":
                depth = _value(self.pdk, step.thickness or "0") or _stack(self.pdk, step.base) or BASE
                self._put(step, 0.0 - depth, 0.0, self._all(-depth, 0.0), known=step.base in self.pdk.stack)
            case "add" if step.top == "conformal":
                self._coat(step)
            case "add" | "lay":
                self._spread(step)
            case "plate":
                self._plate(step)
            case "cap":
                self._cap(step)
            case "etch":
                self._etch(step)
            case "saw":
                self._saw(step)

    # heights
    def _thickness(self, step: Step) -> float:
        return _stack(self.pdk, step.level) if step.thickness is None else _value(self.pdk, step.thickness)

    def _foot(self, step: Step) -> float:
        rise = _value(self.pdk, step.rise or "0")
        return rise + (self.faces[step.over][1] if step.over else max(face for _, face in self.faces.values()))

    def _put(self, step: Step, low: float, high: float, geometry: Geometry, *, known: bool = True) -> None:
        level = step.level
        material = step.material or self.pdk.stack[level].material
        self.faces[level] = (low, high)
        thickness = self._thickness(step) if known and step.verb not in ("cap", "press") else None
        self.solids.append(_Part(level, material, thickness, _clean(geometry)))

    # places
    def _all(self, low: float, high: float) -> Geometry:
        return box(-self.line.more, low, self.line.length + self.line.more, high)

    @property
    def _solid(self) -> Geometry:
        return _union(part.geometry for part in self.solids)

    def _free(self, side: str = "front") -> Geometry:
        """What is open to the outside on a side of the wafer."""
        low, high = -_FAR, _FAR
        edge = high if side == "front" else low
        empty = _minus(self._all(low, high), self._solid)
        return shapely.MultiPolygon(
            [p for p in shapely.get_parts(empty) if (p.bounds[3] if side == "front" else -p.bounds[1]) >= abs(edge) - 1]
        )

    def _where(self, step: Step) -> tuple[str, bool]:
        """The expression that says where, and whether it is what is opened."""
        if step.mask:
            mask = self.pdk.masks[step.mask]
            return mask.data, mask.drawn == "opening"
        return step.where or step.open, bool(step.open)

    def _offsets(self, step: Step, high: float, opens: bool) -> list[float]:
        """By how much a wall stands off what is drawn, evenly from its foot to its top."""
        if step.angle is None:
            return [_value(self.pdk, v) for v in step.profile] or [0.0, 0.0]
        lean = high / math.tan(math.radians(_value(self.pdk, step.angle)))
        if step.verb == "etch":
            return [-lean, 0.0]
        return [0.0, lean if opens else -lean]

    def _walled(self, expression: str, opens: bool, low: float, high: float, offsets: list[float]) -> Geometry:
        """Where there is material between two heights: what is drawn, or what it leaves, with leaning walls."""
        region = self.line.region(expression, max(map(abs, offsets)))
        steps = len(offsets) - 1

        def ends(s: float) -> Ends:
            found = self.line.grown(region, float(np.interp(s, range(steps + 1), offsets)))
            return self.line.without(found) if opens else found

        shape = swept(lambda s: low + (high - low) * s / steps, ends, range(steps + 1))
        below = _columns(ends(0.0), high=low)  # where it fills what lies deeper
        return _union([shape, below])

    # steps
    def _spread(self, step: Step) -> None:
        low = self._foot(step)
        high = low + self._thickness(step)
        expression, opens = self._where(step)
        room = _and(self._free(), self._all(low if step.verb == "lay" else -_FAR, high))
        if expression and high > low:
            offsets = self._offsets(step, high - low, opens)
            self.bulges[step.level] = max(0.0, *offsets)
            room = _and(room, self._walled(expression, opens, low, high, offsets))
        self._put(step, low, high, room)

    def _coat(self, step: Step) -> None:
        thick = self._thickness(step)
        low = self._foot(step) if step.side == "front" else min(low for low, _ in self.faces.values()) - thick
        film: Geometry = shapely.Polygon()
        if thick > 0:
            under = _union(p.geometry for p in self.solids if p.level in step.on) if step.on else self._solid
            film = _and(under.buffer(thick, quad_segs=16), self._free(step.side))
        if step.mask or step.where or step.open:
            expression, opens = self._where(step)
            ends = self.line.cut(expression)
            film = _and(film, _columns(self.line.without(ends) if opens else ends))
        self._put(step, low, low + thick, film)

    def _plate(self, step: Step) -> None:
        low = self._foot(step)
        high = low + self._thickness(step)
        brim = self.faces[step.through][1]
        expression, _ = self._where(step)
        sideways = _value(self.pdk, step.overgrowth or "0")
        region = self.line.region(expression, sideways)
        full = min(brim, high)
        # whatever the plane of the section shows of an opening: beside its mouth it may be closed there
        wide = self.line.region(expression, self.bulges.get(step.through, 0.0))
        within = _columns(self.line.grown(wide, self.bulges.get(step.through, 0.0)), high=full)
        hollows = shapely.get_parts(_minus(self._all(-_FAR, full), self._solid))
        grown = [p for p in hollows if p.bounds[1] > 1 - _FAR and shapely.intersection(p, within).area > 0]
        if (up := high - brim) > 0:
            grown.append(
                swept(
                    lambda s: brim + up * math.sin(s),
                    lambda s: self.line.grown(region, sideways * math.cos(s)),
                    np.linspace(0.0, math.pi / 2, 5).tolist(),
                )
            )
        self._put(step, low, high, _minus(_union(grown), self._solid))

    def _cap(self, step: Step) -> None:
        low = self._foot(step)
        shapes, stands, high = [], self.line.cut(step.foot) if step.foot else [], low
        for polygon in self.line.region(step.where).each():
            region = kdb.Region(polygon)
            if not self.line.crossed(region):
                continue
            wide = min(polygon.bbox().width(), polygon.bbox().height()) * DBU / 2
            bottom = wide
            if step.foot:
                inner = (self.line.region(step.foot) & region).bbox()
                bottom = min(inner.width(), inner.height()) * DBU / 2 if not inner.empty() else wide
            lowered = math.sqrt(max(0.0, 1 - (bottom / wide) ** 2))  # of the centre above the foot, in its half axis
            axis = wide if step.height is None else _value(self.pdk, step.height) / (1 + lowered)
            shapes.append(self._ellipse(region, low, axis, lowered))
            high = max(high, low + axis * (1 + lowered))
        below = _columns(stands, high=low)
        room = _and(self._free(), _union([*shapes, below]))
        self._put(step, low, high, room if shapes else shapely.Polygon())

    def _ellipse(self, region: kdb.Region, low: float, axis: float, lowered: float) -> Geometry:
        first = -math.asin(min(1.0, lowered))
        centre = region.bbox().center()
        outline = region.moved(kdb.Point() - centre)

        def ends(s: float) -> Ends:
            shrunk = kdb.ICplxTrans(max(math.cos(s), 1e-9), 0.0, False, centre - kdb.Point())
            return self.line.crossed(outline.transformed(shrunk))

        return swept(
            lambda s: low + axis * (lowered + math.sin(s)),
            ends,
            np.linspace(first, math.pi / 2, 7).tolist(),
        )

    def _press(self, step: Step, before: Sequence[Step]) -> None:
        shapes = []
        low = high = max(face for _, face in self.faces.values())
        for polygon in self.line.region(step.where).each():
            region, centre = kdb.Region(polygon), polygon.bbox().center()
            if self.line.crossed(region):
                radius = min(polygon.bbox().width(), polygon.bbox().height()) * DBU / 2
                middle = self._sunk(centre, radius, before)
                shapes.append(self._ellipse(region, middle - radius, radius, 1.0))
                low, high = min(low, middle - radius), max(high, middle + radius)
        self._put(step, low, high, _minus(_union(shapes), self._solid))

    def _sunk(self, centre: kdb.Point, radius: Um, before: Sequence[Step]) -> float:
        """The height of a sphere's centre, from the section through it: lowered until it touches, but no farther."""
        reach = kdb.Vector(dbu(radius), 0)
        wafer = _Wafer(self.pdk, self.line.along(centre - reach, centre + reach))
        wafer.do(before)
        solid, height = wafer._solid, max(face for _, face in wafer.faces.values()) + 2 * radius
        lowest = min(low for low, _ in wafer.faces.values())
        for _ in range(500):
            gap = shapely.distance(solid, shapely.Point(radius, height)) - radius
            if gap < TOLERANCE / 10 or height < lowest:
                break
            height -= gap
        return height

    def _etch(self, step: Step) -> None:
        high = max(self.faces[level][1] for level in step.etch)
        low = self.faces[step.to][1] if step.to else high - _value(self.pdk, step.depth or "0")
        expression, _ = self._where(step)
        gone = self._all(low, _FAR)
        if expression and high > low:
            walls = self._walled(expression, False, low, high, self._offsets(step, high - low, True))
            above = _columns(self.line.cut(expression), low=high)
            gone = _union([_and(walls, self._all(low, high)), above])
        for part in self.solids:
            if part.level in step.etch:
                part.geometry = _clean(_minus(part.geometry, gone))
        if not expression:
            for part in self.solids:
                if part.level in step.etch and part.thickness is not None:
                    part.thickness -= max(0.0, self.faces[part.level][1] - max(low, self.faces[part.level][0]))
            for level in step.etch:
                foot, face = self.faces[level]
                self.faces[level] = (min(foot, low), min(face, low))

    def _saw(self, step: Step) -> None:
        rear = step.side == "rear"
        region = self.line.region(step.saw, 0.0)
        end = -_FAR if not rear else _FAR
        if step.into:
            depth = _value(self.pdk, step.depth or "0")
            end = self.faces[step.into][0] + depth if rear else self.faces[step.into][1] - depth
        half = CUT_LAYERS.get(step.saw)
        drawn = float(getattr(self.pdk.cut, half)) if half and self.pdk.cut else 0.0
        lowest = min(low for low, _ in self.faces.values()) - 1.0
        highest = max(high for _, high in self.faces.values()) + 1.0
        outer = lowest if rear else highest
        if step.blade and self.pdk.cut:
            blade = next(blade for blade in self.pdk.cut.passes if blade.name == step.blade)
            gone = self._groove(step.saw, blade, drawn)
        elif step.tip is not None and step.angle is not None:
            slope = math.tan(math.radians(_value(self.pdk, step.angle) / 2))
            tip = _value(self.pdk, step.tip) / 2
            widest = tip + abs(end - outer) * slope
            region = self.line.region(step.saw, widest)
            gone = swept(
                lambda s: end + (outer - end) * s,
                lambda s: self.line.grown(region, tip + (widest - tip) * s - drawn),
                [0.0, 1.0],
            )
        else:
            by = _value(self.pdk, step.width) / 2 - drawn if step.width else 0.0
            ends = self.line.grown(self.line.region(step.saw, abs(by)), by)
            gone = _columns(ends, -_FAR if rear else end, end if rear else _FAR)
        for part in self.solids:
            part.geometry = _clean(_minus(part.geometry, gone))

    def _groove(self, layer: str, blade: Blade, drawn: Um) -> Geometry:
        """What a pass takes, as wide and as deep as it is meant to be; `drawn`: half of the layer's width (um)."""
        rear = blade.side == "rear"
        face = min(low for low, _ in self.faces.values()) if rear else max(high for _, high in self.faces.values())
        way = 1.0 if rear else -1.0
        if blade.depth is None:
            by = blade.width(0.0) / 2 - drawn
            return _columns(self.line.grown(self.line.region(layer, abs(by)), by), -_FAR, _FAR)
        region = self.line.region(layer, max(blade.width(-1.0), blade.width(0.0)) / 2)
        # from the bottom to 1 um beyond the face; depths between which the width goes smoothly: a U is round below
        depths = [blade.deep, *([max(blade.deep - blade.width(0.0) / 2, 0.0)] if blade.profile == "u" else []), -1.0]
        return swept(
            lambda below: face + way * below,
            lambda below: self.line.grown(region, blade.width(below) / 2 - drawn),
            depths,
        )


def _value(pdk: Pdk, text: str) -> float:
    return derive.value(text, pdk.number)


def _stack(pdk: Pdk, level: str) -> float:
    return pdk.stack[level].thickness if level in pdk.stack else 0.0
