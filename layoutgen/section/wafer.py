"""A wafer in section while it is made, step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import klayout.db as kdb
import numpy as np
import shapely
from shapely.geometry import box

from layoutgen import derive
from layoutgen.blade import Blade
from layoutgen.pdk import Pdk
from layoutgen.section.line import Line
from layoutgen.section.shapes import FAR, TOLERANCE, Ends, Geometry, columns, common, polygons, swept, united, without
from layoutgen.steps import CUT_LAYERS, Step
from layoutgen.units import DBU, Um, dbu

BASE: Um = 50.0
"""How much of a wafer is shown whose thickness is not said."""


@dataclass
class Part:
    level: str
    material: str
    thickness: Um | None
    geometry: Geometry


@dataclass
class Wafer:
    """A wafer in section while it is made: its parts, and at which height each level's face lies, and its foot."""

    pdk: Pdk
    line: Line
    faces: dict[str, tuple[float, float]] = field(default_factory=dict)
    solids: list[Part] = field(default_factory=list)
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
                depth = value(self.pdk, step.thickness or "0") or thickness_of(self.pdk, step.base) or BASE
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
        return thickness_of(self.pdk, step.level) if step.thickness is None else value(self.pdk, step.thickness)

    def _foot(self, step: Step) -> float:
        rise = value(self.pdk, step.rise or "0")
        return rise + (self.faces[step.over][1] if step.over else max(face for _, face in self.faces.values()))

    def _put(self, step: Step, low: float, high: float, geometry: Geometry, *, known: bool = True) -> None:
        level = step.level
        material = step.material or self.pdk.stack[level].material
        self.faces[level] = (low, high)
        thickness = self._thickness(step) if known and step.verb not in ("cap", "press") else None
        self.solids.append(Part(level, material, thickness, polygons(geometry)))

    # places
    def _all(self, low: float, high: float) -> Geometry:
        return box(-self.line.more, low, self.line.length + self.line.more, high)

    @property
    def _solid(self) -> Geometry:
        return united(part.geometry for part in self.solids)

    def _free(self, side: str = "front") -> Geometry:
        """What is open to the outside on a side of the wafer."""
        low, high = -FAR, FAR
        edge = high if side == "front" else low
        empty = without(self._all(low, high), self._solid)
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
            return [value(self.pdk, v) for v in step.profile] or [0.0, 0.0]
        lean = high / math.tan(math.radians(value(self.pdk, step.angle)))
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
        below = columns(ends(0.0), high=low)  # where it fills what lies deeper
        return united([shape, below])

    # steps
    def _spread(self, step: Step) -> None:
        low = self._foot(step)
        high = low + self._thickness(step)
        expression, opens = self._where(step)
        room = common(self._free(), self._all(low if step.verb == "lay" else -FAR, high))
        if expression and high > low:
            offsets = self._offsets(step, high - low, opens)
            self.bulges[step.level] = max(0.0, *offsets)
            room = common(room, self._walled(expression, opens, low, high, offsets))
        self._put(step, low, high, room)

    def _coat(self, step: Step) -> None:
        thick = self._thickness(step)
        low = self._foot(step) if step.side == "front" else min(low for low, _ in self.faces.values()) - thick
        film: Geometry = shapely.Polygon()
        if thick > 0:
            under = united(p.geometry for p in self.solids if p.level in step.on) if step.on else self._solid
            film = common(under.buffer(thick, quad_segs=16), self._free(step.side))
        if step.mask or step.where or step.open:
            expression, opens = self._where(step)
            ends = self.line.cut(expression)
            film = common(film, columns(self.line.without(ends) if opens else ends))
        self._put(step, low, low + thick, film)

    def _plate(self, step: Step) -> None:
        low = self._foot(step)
        high = low + self._thickness(step)
        brim = self.faces[step.through][1]
        expression, _ = self._where(step)
        sideways = value(self.pdk, step.overgrowth or "0")
        region = self.line.region(expression, sideways)
        full = min(brim, high)
        # whatever the plane of the section shows of an opening: beside its mouth it may be closed there
        wide = self.line.region(expression, self.bulges.get(step.through, 0.0))
        within = columns(self.line.grown(wide, self.bulges.get(step.through, 0.0)), high=full)
        hollows = shapely.get_parts(without(self._all(-FAR, full), self._solid))
        grown = [p for p in hollows if p.bounds[1] > 1 - FAR and shapely.intersection(p, within).area > 0]
        if (up := high - brim) > 0:
            grown.append(
                swept(
                    lambda s: brim + up * math.sin(s),
                    lambda s: self.line.grown(region, sideways * math.cos(s)),
                    np.linspace(0.0, math.pi / 2, 5).tolist(),
                )
            )
        self._put(step, low, high, without(united(grown), self._solid))

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
            axis = wide if step.height is None else value(self.pdk, step.height) / (1 + lowered)
            shapes.append(self._ellipse(region, low, axis, lowered))
            high = max(high, low + axis * (1 + lowered))
        below = columns(stands, high=low)
        room = common(self._free(), united([*shapes, below]))
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
        self._put(step, low, high, without(united(shapes), self._solid))

    def _sunk(self, centre: kdb.Point, radius: Um, before: Sequence[Step]) -> float:
        """The height of a sphere's centre, from the section through it: lowered until it touches, but no farther."""
        reach = kdb.Vector(dbu(radius), 0)
        wafer = Wafer(self.pdk, self.line.along(centre - reach, centre + reach))
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
        low = self.faces[step.to][1] if step.to else high - value(self.pdk, step.depth or "0")
        expression, _ = self._where(step)
        gone = self._all(low, FAR)
        if expression and high > low:
            walls = self._walled(expression, False, low, high, self._offsets(step, high - low, True))
            above = columns(self.line.cut(expression), low=high)
            gone = united([common(walls, self._all(low, high)), above])
        for part in self.solids:
            if part.level in step.etch:
                part.geometry = polygons(without(part.geometry, gone))
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
        end = -FAR if not rear else FAR
        if step.into:
            depth = value(self.pdk, step.depth or "0")
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
            slope = math.tan(math.radians(value(self.pdk, step.angle) / 2))
            tip = value(self.pdk, step.tip) / 2
            widest = tip + abs(end - outer) * slope
            region = self.line.region(step.saw, widest)
            gone = swept(
                lambda s: end + (outer - end) * s,
                lambda s: self.line.grown(region, tip + (widest - tip) * s - drawn),
                [0.0, 1.0],
            )
        else:
            by = value(self.pdk, step.width) / 2 - drawn if step.width else 0.0
            ends = self.line.grown(self.line.region(step.saw, abs(by)), by)
            gone = columns(ends, -FAR if rear else end, end if rear else FAR)
        for part in self.solids:
            part.geometry = polygons(without(part.geometry, gone))

    def _groove(self, layer: str, blade: Blade, drawn: Um) -> Geometry:
        """What a pass takes, as wide and as deep as it is meant to be; `drawn`: half of the layer's width (um)."""
        rear = blade.side == "rear"
        face = min(low for low, _ in self.faces.values()) if rear else max(high for _, high in self.faces.values())
        way = 1.0 if rear else -1.0
        if blade.depth is None:
            by = blade.width(0.0) / 2 - drawn
            return columns(self.line.grown(self.line.region(layer, abs(by)), by), -FAR, FAR)
        region = self.line.region(layer, max(blade.width(-1.0), blade.width(0.0)) / 2)
        # from the bottom to 1 um beyond the face; depths between which the width goes smoothly: a U is round below
        depths = [blade.deep, *([max(blade.deep - blade.width(0.0) / 2, 0.0)] if blade.profile == "u" else []), -1.0]
        return swept(
            lambda below: face + way * below,
            lambda below: self.line.grown(region, blade.width(below) / 2 - drawn),
            depths,
        )


def value(pdk: Pdk, text: str) -> float:
    """A number, or an expression over the stack, in um or degrees."""
    return derive.value(text, pdk.number)


def thickness_of(pdk: Pdk, level: str) -> float:
    """Of a level, in um; 0 where the process does not say."""
    return pdk.stack[level].thickness if level in pdk.stack else 0.0
