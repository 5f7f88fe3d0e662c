"""What runs between dies so that one current reaches all nets: tie ends, the bus along the kerf, the contact ring."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from layoutgen import geom
from layoutgen.cell import Drawing, Size, generator
from layoutgen.die import stage
from layoutgen.errors import ParamError
from layoutgen.geom import frame
from layoutgen.kerf import Street, StreetContext
from layoutgen.pdk import Pdk
from layoutgen.units import Deg, Points, Um
from layoutgen.wafer import OnWafer, WaferContext

RING_POINTS = 4096
RING_SECTORS = 64
MAX_SLANT = math.sin(math.radians(70))
"""Buses that would run into the ring flatter than this are left out; the mesh feeds their streets all the same."""


@dataclass(frozen=True, kw_only=True)
class KerfTie:
    """The end of a tie in the street: from the die's edge at the origin in +x to the far side of the bus."""

    width: Size
    """Width of the tie."""
    length: Size
    """From the die's edge to where it ends."""


@generator("kerf.tie", KerfTie)
def kerf_tie(pdk: Pdk, p: KerfTie) -> Drawing:
    """Draws on role `tie`."""
    d = Drawing("kerf_tie")
    half = p.width / 2
    d.polygon(pdk.role("tie"), geom.span(0.0, -half, p.length, half))
    d.pin("die", pdk.role("tie"), (0.0, 0.0), p.width, 180.0)
    return d


@dataclass(frozen=True, kw_only=True)
class KerfBus:
    """The bus round one step, on the middle of the street: neighbours draw the same metal at the same place."""

    width: Size
    """Width of the bus."""
    columns_pitch: Size
    """Step in x."""
    rows_pitch: Size
    """Step in y."""


@generator("kerf.bus", KerfBus)
def kerf_bus(pdk: Pdk, p: KerfBus) -> Drawing:
    """Draws on role `bus`, and the blade's path below it; the step's centre at the origin."""
    d = Drawing("kerf_bus")
    x, y = p.columns_pitch / 2, p.rows_pitch / 2
    if p.width >= min(p.columns_pitch, p.rows_pitch):
        raise ParamError(f"kerf.bus: width={p.width:g} um must be less than the step")
    for band in frame((-x, -y, x, y), p.width / 2):
        d.polygon(pdk.role("bus"), band)
    if pdk.cut:
        for band in frame((-x, -y, x, y), pdk.cut.removed):
            d.polygon("cut_sure", band)
    return d


@dataclass(frozen=True, kw_only=True)
class KerfRing:
    """The contact ring at the wafer's edge, bare of polymer, that the plating fixture touches."""

    wafer: Size = 200_000.0
    """Diameter of the wafer."""
    inset: Size
    """From the wafer's edge to the ring's outer edge."""
    width: Size
    """From the ring's inner to its outer edge."""
    metal: bool = True
    """False: only the opening, where metal lies below it over the whole wafer."""

    @property
    def outer(self) -> Um:
        """Radius of the outer edge."""
        return self.wafer / 2 - self.inset

    @property
    def inner(self) -> Um:
        """Radius of the inner edge."""
        return self.outer - self.width


@generator("kerf.ring", KerfRing)
def kerf_ring(pdk: Pdk, p: KerfRing) -> Drawing:
    """Draws on roles `ring` (metal) and `ring_opening` (polymer open over it)."""
    d = Drawing("kerf_ring")
    overlay = pdk.enclosure(of="ring_opening", by="ring")
    if p.width <= 2 * overlay or p.inner <= 0:
        raise ParamError(f"kerf.ring: width={p.width:g} um must exceed {2 * overlay:g} um and leave a wafer inside")
    sagitta = p.outer * (1 - math.cos(math.pi / RING_POINTS))
    for role, by in (("ring", 0.0), ("ring_opening", overlay + 2 * sagitta + pdk.guard)):
        if role == "ring" and not p.metal:
            continue
        for sector in geom.ring_sectors(p.inner + by, p.outer - by, RING_SECTORS, RING_POINTS):
            d.polygon(pdk.role(role), sector)
    return d


@stage("kerf_bus", at="street")
def kerf_bus_stage(c: StreetContext, street: Street) -> None:
    """The bus round the step, and the ends of the die's ties that reach it."""
    x0, y0, x1, y1 = c.box
    bus = c.cell("kerf.bus", columns_pitch=x1 - x0, rows_pitch=y1 - y0)
    street.common.place(bus, ((x0 + x1) / 2, (y0 + y1) / 2))
    half_bus = c.settings("kerf.bus").width / 2
    for port in c.die.ports:
        at: tuple[Um, Um]
        angle: Deg
        match port.side:
            case "left":
                at, angle, half_street = (0.0, port.offset), 180.0, -x0
            case "right":
                at, angle, half_street = (c.die.width, port.offset), 0.0, -x0
            case "bottom":
                at, angle, half_street = (port.offset, 0.0), 270.0, -y0
            case "top":
                at, angle, half_street = (port.offset, c.die.height), 90.0, -y0
        street.ends.place(c.cell("kerf.tie", width=port.width, length=half_street + half_bus), at, angle)


@stage("contact_ring", at="wafer")
def contact_ring_stage(c: WaferContext, wafer: OnWafer) -> None:
    """The contact ring, and the bus led on from the outermost streets to the ring's middle."""
    settings = _ring_settings(c)
    wafer.own.place(c.cell("kerf.ring", wafer=c.rim.diameter))
    wafer.own.place(_bus_ends(c, settings.inner))


@stage("contact_opening", at="wafer")
def contact_opening_stage(c: WaferContext, wafer: OnWafer) -> None:
    """A ring at the wafer's edge where contact metal that lies over the whole wafer is bare."""
    _ring_settings(c)
    wafer.own.place(c.cell("kerf.ring", wafer=c.rim.diameter, metal=False))


def _ring_settings(c: WaferContext) -> KerfRing:
    """The ring's parameters on this wafer.

    Raises:
        ParamError: it would lie on dies, or in the notch or flat.
    """
    settings: KerfRing = replace(c.settings("kerf.ring"), wafer=c.rim.diameter)
    if settings.inner <= c.rim.usable:
        raise ParamError(
            f"kerf.ring: its inner edge, at a radius of {settings.inner:g} um, must lie beyond the dies, which reach "
            f"to {c.rim.usable:g}; widen wafer.edge_exclusion, or make inset or width smaller under "
            '[cells."kerf.ring"]'
        )
    if settings.inset < c.rim.depth:
        what, inset = "flat" if c.rim.flat else "notch", math.ceil(c.rim.depth)
        street = math.dist(c.step.pitch, c.step.die_size)  # dies may reach as far as they may, and streets beyond them
        beside = math.ceil(inset + settings.width + street + c.pdk.limit("space", c.pdk.role("ring")))
        also = f", and edge_exclusion = {beside} or more under [wafer]" if beside > c.rim.edge_exclusion else ""
        raise ParamError(
            f"kerf.ring: inset={settings.inset:g} um leads the ring through the {what}, which is {c.rim.depth:g} deep; "
            f'write inset = {inset} or more under [cells."kerf.ring"]{also}'
        )
    return settings


def _bus_ends(c: WaferContext, inner: Um) -> Drawing:
    """The bus led on along the streets from the outermost dies into the ring, acute corners at the ring filled."""
    drawing = Drawing("BUS_ENDS")
    half, sure = c.settings("kerf.bus").width / 2, c.pdk.cut.removed if c.pdk.cut else None
    space = c.pdk.limit("space", c.pdk.role("ring"))
    for end in bus_ends(c, inner):
        for layer, by in ((c.pdk.role("bus"), half), ("cut_sure", sure)):
            if by is not None:
                drawing.polygon(layer, end.band(by, into=2 * half))
        flare = end.flare(inner, half, space, into=2 * half)
        if flare is not None:
            drawing.polygon(c.pdk.role("ring"), flare)
    return drawing


@dataclass(frozen=True, slots=True)
class BusEnd:
    """One straight bus from the dies to the ring's inner edge: from `start` to `meets`, along x or y (um)."""

    start: tuple[Um, Um]
    meets: tuple[Um, Um]

    @property
    def along(self) -> tuple[int, int]:
        """Unit vector toward the ring."""
        dx, dy = self.meets[0] - self.start[0], self.meets[1] - self.start[1]
        return (int(np.sign(dx)), 0) if abs(dx) > abs(dy) else (0, int(np.sign(dy)))

    @property
    def slant(self) -> float:
        """Sine of the angle between the bus and the ring's radius: 0 where it runs straight into the ring."""
        (x, y), (u, v) = self.meets, self.along
        return abs(x * v - y * u) / math.hypot(x, y)

    def band(self, half: Um, into: Um) -> Points:
        """The bus as a rectangle of half width `half`, led `into` the ring as far as its slant needs."""
        u, v = self.along
        beyond = into + half * math.tan(math.asin(self.slant))
        x0, y0 = self.start
        x1, y1 = self.meets[0] + u * beyond, self.meets[1] + v * beyond
        dx, dy = half * abs(v), half * abs(u)
        return geom.span(min(x0, x1) - dx, min(y0, y1) - dy, max(x0, x1) + dx, max(y0, y1) + dy)

    def flare(self, inner: Um, half: Um, space: Um, into: Um) -> Points | None:
        """Metal in the acute corner between bus and ring, so wide that its mouth is no notch; None where none is acute.

        The corner's angle is theta = 90 degrees - slant; a triangle with equal sides leaves a mouth of
        2 * side * sin(theta / 2), and flat angles beside it.
        """
        theta = math.pi / 2 - math.asin(self.slant)
        if theta > math.radians(88):
            return None
        side = 1.2 * space / (2 * math.sin(theta / 2))
        along = np.array(self.along, dtype=float)
        radial = np.array(self.meets) / inner
        tangent = radial * float(along @ radial) - along  # along the ring, to the side where the corner is acute
        tangent /= np.linalg.norm(tangent)
        outside = np.array([-along[1], along[0]])
        outside *= np.sign(float(outside @ tangent))
        corner = _on_ring(np.array(self.meets) + outside * half, along, inner)
        on_ring = corner + tangent * side
        return np.array(
            [corner - along * side, on_ring, on_ring + radial * into, corner + radial * into, corner - outside * half]
        )


def _on_ring(point: npt.NDArray[np.float64], along: npt.NDArray[np.float64], inner: Um) -> npt.NDArray[np.float64]:
    """Where the line through `point` in direction `along` meets the circle of radius `inner`, ahead."""
    b = float(point @ along)
    found: npt.NDArray[np.float64] = point + along * (-b + math.sqrt(b * b - float(point @ point) + inner**2))
    return found


def bus_ends(c: WaferContext, inner: Um) -> list[BusEnd]:
    """The buses that lead from the outermost dies along each street to the ring's inner edge.

    Where two would meet the ring closer than a step, the one that runs into it straighter is kept.
    """
    pitch = c.grid.pitch
    street = (c.grid.origin[0] + c.step.box[0], c.grid.origin[1] + c.step.box[1])
    places = np.array(c.grid.places)
    found: list[BusEnd] = []
    for axis, count in ((0, c.grid.columns), (1, c.grid.rows)):
        for line in range(count + 1):
            beside = places[(places[:, axis] == line) | (places[:, axis] == line - 1)][:, 1 - axis]
            at = street[axis] + line * pitch[axis]
            if abs(at) >= inner:
                continue  # half a street beyond the last die, past the ring
            reach = math.sqrt(inner**2 - at**2)
            low = street[1 - axis] + int(beside.min()) * pitch[1 - axis]
            high = street[1 - axis] + (int(beside.max()) + 1) * pitch[1 - axis]
            for start, stop in ((low, -reach), (high, reach)):
                points = ((at, start), (at, stop)) if axis == 0 else ((start, at), (stop, at))
                found.append(BusEnd(*points))
    kept: list[BusEnd] = []
    for end in sorted(found, key=lambda e: (round(e.slant, 6), e.meets)):
        if end.slant < MAX_SLANT and all(math.dist(end.meets, k.meets) > min(pitch) / 2 for k in kept):
            kept.append(end)
    return sorted(kept, key=lambda e: (e.start, e.meets))
