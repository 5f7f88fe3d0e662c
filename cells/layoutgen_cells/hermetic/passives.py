"""Passives of the wiring level, drawn from their value, and crossings. They stand with their centre at the origin.

Each is solved for by the formulas of `layoutgen.physics.passives`, put on the grid, and says the value of what is
drawn. `wiring` is the level's metal, `bridge` a second one over a dielectric, `bridge_via` the openings in that. The
stack gives thickness and permittivity of the dielectric (level `cross_dielectric`) and of what lies above (`adhesive`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import shapely
from pydantic import Field

from layoutgen import geom
from layoutgen.cell import Distance, Drawing, Size, generator
from layoutgen.errors import ParamError, UnknownNameError
from layoutgen.pdk import Pdk
from layoutgen.physics.passives import ValidityError, capacitor, inductor, resistor
from layoutgen.units import Ohm, Points, Um
from layoutgen_cells.hermetic.solve import (
    NanoHenry,
    OutOfReachError,
    PicoFarad,
    Ratio,
    Resistance,
    named,
    out_of_reach,
    size_for,
    snapped,
)

PLATE = "plate with microstrip edges (Hammerstad and Jensen 1980)"
COMBS = "conformal map of combs (Igreja and Dias 2004)"
SHEET = "current sheet (Mohan et al. 1999)"
WHEELER = "modified Wheeler (Mohan et al. 1999)"
SQUARES = "squares of the middle line, corner 0.559 (Hall 1968)"


# plates -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class CapacitorPlate:
    """A capacitor of two plates, the upper one led down beside the lower one through an opening."""

    capacitance: PicoFarad
    """What it should have."""
    aspect: Ratio = 1.0
    """Width over height of the upper plate."""
    overhang: Size
    """By how much the lower plate stands out on all sides."""
    lead: Size
    """Width of the strip that leads from the upper plate."""
    space: Size
    """From the lower plate to the landing of the upper one."""
    via: Size
    """Diameter of the opening in the dielectric at the landing."""
    landing: Size
    """Diameter of both metals there."""
    largest: Size = 2000.0
    """Longest side that the upper plate may have."""

    def __post_init__(self) -> None:
        _lands(self.via, self.landing)


@generator("capacitor.plate", CapacitorPlate)
def capacitor_plate(pdk: Pdk, p: CapacitorPlate) -> Drawing:
    """Draws on roles `wiring` (lower plate, pins), `bridge` (upper plate) and `bridge_via`; pins `lower`, `upper`.

    A process may have a role `plates`: where both lie over each other, whatever is drawn over them.
    """
    d = Drawing("capacitor_plate")
    wiring, bridge, opening = pdk.role("wiring"), pdk.role("bridge"), pdk.role("bridge_via")
    film = capacitor.Film(
        pdk.number("level.cross_dielectric.thickness"), pdk.number("level.cross_dielectric.permittivity"),
        pdk.number("level.adhesive.permittivity"), pdk.number(f"level.{bridge}.thickness"),
    )  # fmt: skip
    if p.overhang < 2 * film.height:
        raise ParamError(
            f"capacitor.plate: overhang={p.overhang:g} um must be twice the dielectric's {film.height:g} um at least"
        )

    def value(height: Um) -> float:
        width = p.aspect * height
        strip = p.lead * p.overhang
        outline = 2 * (width + height + p.overhang) - p.lead
        return capacitor.plate(width * height + strip, outline, min(width, height), film)

    short = min(1.0, 1 / p.aspect)  # of the height that `largest` and `lead` allow
    try:
        with named("capacitor.plate"):
            height = size_for(p.capacitance, value, p.lead * max(1.0, 1 / p.aspect), p.largest * short)
    except OutOfReachError as e:
        raise out_of_reach("capacitor.plate", "capacitance", p.capacitance, "pF", e, "change largest or lead") from None
    height = snapped(height, pdk, 2)
    width = snapped(p.aspect * height, pdk, 2)
    at = width / 2 + p.overhang + p.space + pdk.guard + p.landing / 2
    d.polygon(wiring, geom.box(width + 2 * p.overhang, height + 2 * p.overhang))
    half = p.lead / 2
    tee = [(width / 2, -half), (at, -half), (at, half), (width / 2, half)]
    corners = [(width / 2, height / 2), (-width / 2, height / 2), (-width / 2, -height / 2), (width / 2, -height / 2)]
    d.polygon(bridge, [*tee, *corners])
    _landing(d, (at, 0.0), p.via, p.landing, wiring, bridge, opening)
    d.pin("lower", wiring, (-width / 2 - p.overhang, 0.0), height, 180.0)
    d.pin("upper", wiring, (at, 0.0), p.landing)
    d.probe("upper", bridge, (0.0, 0.0))
    upper, lower = (shapely.Polygon(d.polygons[layer][0]) for layer in (bridge, wiring))
    both = upper & lower
    if "plates" in pdk.roles:
        d.polygon(pdk.roles["plates"], shapely.get_coordinates(both)[:-1])
    with named("capacitor.plate"):
        drawn = capacitor.plate(both.area, both.length - p.lead, min(width, height), film)
    d.value("capacitance", "pF", drawn, PLATE, p.capacitance)
    return d


# combs --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class CapacitorInterdigital:
    """A capacitor of two combs on the chip, each with a bus bar under connector metal."""

    capacitance: PicoFarad
    """What it should have."""
    width: Size
    """Width of a finger."""
    space: Size
    """Between two fingers."""
    gap: Size
    """From a finger's end to the other comb's bus bar."""
    bus: Size
    """Width of a bus bar."""
    inset: Distance
    """From the bus bar's edge to the connector metal on it."""
    aspect: Ratio = 1.0
    """Overlap of the fingers over the width of all: the number of fingers that comes nearest is taken."""
    largest: Size = 1000.0
    """Longest side that the combs may have."""

    def __post_init__(self) -> None:
        if 2 * self.inset >= self.bus:
            raise ValueError(f"inset={self.inset:g} um must be less than half of bus={self.bus:g} um")


@generator("capacitor.interdigital", CapacitorInterdigital)
def capacitor_interdigital(pdk: Pdk, p: CapacitorInterdigital) -> Drawing:
    """Draws on roles `structure` (combs) and `pad` (connector metal on the bus bars); pins `lower` and `upper`."""
    d = Drawing("capacitor_interdigital")
    structure, pad = pdk.role("structure"), pdk.role("pad")
    below, metal = pdk.number("level.chip.permittivity"), pdk.number(f"level.{structure}.thickness")
    thinnest = min(pdk.number("level.chip.thickness"), pdk.number("level.frame.thickness"))

    def value(fingers: int, overlap: Um) -> float:
        combs = capacitor.Combs(fingers, p.width, p.space, overlap, metal)
        return capacitor.combs(combs, below, 1.0, thinnest=thinnest)

    pitch = p.width + p.space
    shortest, most = 10 * pitch, int((p.largest + p.space) / pitch)
    name = "capacitor.interdigital"
    with named(name):
        if most < 4 or shortest > p.largest:
            raise ValidityError(f"largest={p.largest:g} um leaves no room for 4 fingers and an overlap of 10 pitches")
        reach = OutOfReachError(value(4, shortest), value(most, p.largest))
        if not reach.least <= p.capacitance <= reach.most:
            raise out_of_reach(name, "capacitance", p.capacitance, "pF", reach, "change width, space or largest")
        per_length = {n: value(n, shortest) / shortest for n in range(4, most + 1)}
    overlaps = {n: p.capacitance / c for n, c in per_length.items() if shortest <= p.capacitance / c <= p.largest}
    fingers = min(overlaps, key=lambda n: abs(math.log(overlaps[n] / (n * pitch - p.space) / p.aspect)))
    overlap = max(snapped(overlaps[fingers], pdk, 2), shortest)
    x = [k * pitch - (fingers * pitch - p.space) / 2 for k in range(fingers)]
    for side in (-1, 1):
        low, high = side * (overlap / 2 + p.gap), side * (overlap / 2 + p.gap + p.bus)
        mine = x[0 if side < 0 else 1 :: 2]
        d.polygon(structure, comb(mine, p.width, (x[0], x[-1] + p.width), (low, high), -side * overlap / 2))
        bar = sorted([low + side * p.inset, high - side * p.inset])
        d.polygon(pad, geom.span(x[0] + p.inset, bar[0], x[-1] + p.width - p.inset, bar[1]))
        pin = "lower" if side < 0 else "upper"
        d.pin(pin, pad, (0.0, sum(bar) / 2), bar[1] - bar[0], 90.0 * side)
        for finger in (mine[0], mine[-1]):
            d.probe(pin, structure, (finger + p.width / 2, 0.0))
    d.value("capacitance", "pF", value(fingers, overlap), COMBS, p.capacitance)
    return d


def comb(lefts: list[Um], width: Um, span: tuple[Um, Um], bus: tuple[Um, Um], tip: Um) -> Points:
    """A comb as one polygon: fingers by their left edges, the bus bar's extent in x, its inner and outer edge, and
    where the fingers end (um)."""
    inner, outer = bus
    points = [(span[0], outer), (span[0], inner)]
    for left in lefts:
        points += [(left, inner), (left, tip), (left + width, tip), (left + width, inner)]
    points += [(span[1], inner), (span[1], outer)]
    kept = [q for k, q in enumerate(points) if q != points[k - 1]]
    return np.array(kept if outer < inner else kept[::-1])[::-1]


# spirals ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class InductorSpiral:
    """A spiral whose inner end is led out below it, on the other metal."""

    inductance: NanoHenry
    """What it should have."""
    shape: Literal["square", "octagon", "circle"] = "square"
    """Outline."""
    width: Size
    """Width of the track."""
    space: Size
    """Between turns."""
    inner: Size
    """Least inner diameter; the one that has the value is found."""
    turns: Annotated[int, Field(ge=1, le=20)] | None = None
    """Number of turns; None: the one whose spiral is smallest."""
    via: Size
    """Diameter of the openings in the dielectric."""
    landing: Size
    """Diameter of both metals round an opening."""
    largest: Size = 2000.0
    """Largest outer diameter."""

    def __post_init__(self) -> None:
        _lands(self.via, self.landing)


@generator("inductor.spiral", InductorSpiral)
def inductor_spiral(pdk: Pdk, p: InductorSpiral) -> Drawing:
    """Draws on roles `wiring` (spiral), `bridge` (underpass) and `bridge_via`; pins `outer` and `inner`, both at +x.

    A process may have a role `coil` for the turns: the same metal, on a layer that joins nothing in the netlist.
    """
    d = Drawing("inductor_spiral")
    wiring, bridge, opening = pdk.role("wiring"), pdk.role("bridge"), pdk.role("bridge_via")
    spiral = _smallest(pdk, p)
    tracks, low = spiral_lines(spiral), lead_in(spiral)
    # a drawn circle stands out by the guard at most
    start = _landing_at(spiral, p.landing + 2 * pdk.guard)
    if start is None:
        raise ParamError(f"inductor.spiral: landing={p.landing:g} um does not fit inside")
    left, middle, right = (_edge(tracks, share * spiral.width) for share in (-0.5, 0.0, 0.5))
    outside = max(float(right[2:, 0].max()), float(left[2:, 0].max()))
    end, away = snapped(outside + spiral.space + pdk.guard + p.landing / 2, pdk), -tracks[-1][1]
    reach = low - away - spiral.width / 2 - p.landing / 2 - pdk.guard
    if reach < p.space:
        raise ParamError(
            f"inductor.spiral: landing={p.landing:g} um leaves {max(reach, 0):.4g} um to the outer end, not"
            f" space={p.space:g}; make it smaller, or the inner diameter larger"
        )
    half = spiral.width / 2
    middle = np.array([(start, low), *middle, (end, away)])
    d.polygon(pdk.roles.get("coil", wiring), [
        (start, low - half), *right, (end, away - half), (end, away + half), *left[::-1], (start, low + half),
    ])  # fmt: skip
    if "coil" in pdk.roles:
        d.polygon(wiring, geom.span(end - spiral.width, away - half, end, away + half))
    d.polygon(bridge, geom.span(start, low - half, end, low + half))
    for x in (start, end):
        _landing(d, (x, low), p.via, p.landing, wiring, bridge, opening)
    d.pin("outer", wiring, (end, away), p.width)
    d.pin("inner", wiring, (end, low), p.landing)
    d.probe("inner", wiring, (start, low))
    with named("inductor.spiral"):
        d.value("inductance", "nH", inductor.current_sheet(spiral), SHEET, p.inductance)
        if spiral.shape in inductor.WHEELER:
            d.value("inductance", "nH", inductor.modified_wheeler(spiral), WHEELER)
    try:
        track = resistor.resistance(middle, spiral.width, _sheet(pdk, wiring))
    except ValidityError:  # turns so narrow that bends lie too near each other: no number
        return d
    d.value("resistance", "ohm", track + (end - start) / spiral.width * _sheet(pdk, bridge), SQUARES)
    return d


MISSING = {"square": 1 / 8, "octagon": 1 / 16, "circle": 1 / 8}
"""Share of the last turn that the outer end leaves out."""
SIDES = {"square": 4, "octagon": 8, "circle": 32}


def _smallest(pdk: Pdk, p: InductorSpiral) -> inductor.Spiral:
    """The spiral of the asked value, of the number of turns that makes it smallest."""
    # slanted edges: what the grid takes from them
    more = 0.0 if p.shape == "square" else pdk.guard
    width, space = p.width + more, p.space + more
    least = max(p.inner, p.landing + 2 * (space + pdk.guard))
    if p.shape == "octagon":  # its right side holds the lead, away from the first turn's end and from its own
        least = max(least, (2 * width + (1 + math.sqrt(2)) * space) / math.tan(math.pi / 8))
    if p.shape == "circle":  # its lead bends, and the landing stands apart from that bend
        least = max(p.inner, 5 * (width + space))
        while _landing_at(inductor.Spiral("circle", 1, least, width, space), p.landing + 2 * pdk.guard) is None:
            least += max(width, 1.0)
    found: list[inductor.Spiral] = []
    reach: list[OutOfReachError] = []
    refused: ValidityError | None = None
    for n in [p.turns] if p.turns else range(1, 21):
        turns = n - MISSING[p.shape]
        across = 2 * n * width + 2 * (n - 1) * space

        def spiral(inner: Um, turns: float = turns) -> inductor.Spiral:
            return inductor.Spiral(p.shape, turns, inner, width, space)

        def value(inner: Um, spiral: Callable[[Um], inductor.Spiral] = spiral) -> float:
            return inductor.current_sheet(spiral(inner))

        try:
            inner = size_for(p.inductance, value, least, p.largest - across)
        except OutOfReachError as e:
            reach.append(e)
        except ValidityError as e:
            refused = refused or e
        else:
            found.append(spiral(snapped(inner, pdk, 2)))
    if found:
        return min(found, key=lambda s: s.outer)
    name = "inductor.spiral"
    if not reach:
        raise ParamError(f"{name}: {refused}")
    ends = [value for e in reach for value in (e.least, e.most)]
    nearest = min(ends, key=lambda value: abs(value - p.inductance))
    mend = "change turns, inner, width, space or largest"
    raise out_of_reach(name, "inductance", p.inductance, "nH", OutOfReachError(nearest, nearest), mend)


def start_radius(spiral: inductor.Spiral) -> Um:
    """From the middle to the inner edge of the track where it starts, on the x axis (um)."""
    grows = spiral.shape == "circle"  # the inner diameter is that in the middle of the first turn
    return spiral.inner / 2 - ((spiral.width + spiral.space) / 2 if grows else 0.0)


def lead_in(spiral: inductor.Spiral) -> Um:
    """Height of the lead to the inner end (um)."""
    if spiral.shape == "octagon":  # as low as the end of the first turn allows
        inside = spiral.inner / 2
        return max(0.0, inside + 1.5 * spiral.width - math.sqrt(2) * (inside - spiral.space))
    return -(spiral.width + spiral.space) if spiral.shape == "circle" else 0.0


def _middle(spiral: inductor.Spiral) -> Um:
    """How far the middle of a side of a growing spiral lies beyond the foot of its perpendicular (um)."""
    return (spiral.width + spiral.space) / (2 * math.pi)


def _landing_at(spiral: inductor.Spiral, landing: Um) -> Um | None:
    """Where the inner landing stands: as far out as the space to the first turn allows, x in um; None: it does not fit.

    In a circle it also keeps that space to where the lead bends by 45 degrees.
    """
    free = start_radius(spiral) - spiral.space - landing / 2
    if spiral.shape != "circle":
        return free
    low = lead_in(spiral)
    if free <= -low:
        return None
    bent = start_radius(spiral) + spiral.width / 2 - _middle(spiral) + low
    out = math.sqrt(free**2 - low**2)
    at = min(out, bent - math.sqrt(2) * (landing / 2 + spiral.space + spiral.width / 2))
    return at if at >= -out else None


def spiral_lines(spiral: inductor.Spiral) -> list[tuple[float, Um]]:
    """The track's middle as lines that follow each other: direction of their outer side (degrees), and distance from
    the middle to there (um). The first leads in along the x axis, the last leads out along it."""
    sides, pitch = SIDES[spiral.shape], spiral.width + spiral.space
    first = start_radius(spiral) + spiral.width / 2
    grows = spiral.shape == "circle"
    count = sides * spiral.rings - (sides // 8 - 1 if grows else 0)
    lines = [(-90.0, -lead_in(spiral))]
    if grows:
        lines.append((-45.0, (first - _middle(spiral)) / math.sqrt(2)))
    for k in range(count):
        lines.append((360.0 / sides * (k % sides), first + pitch * (k / sides if grows else k // sides)))
    if spiral.shape != "square":
        far = lines[-1][1]
        last = (_middle(spiral) - far) / math.sqrt(2)  # turned by 315 degrees
        at = last if grows else -lines[-sides][1] * math.tan(math.pi / sides)
        lines.append((-90.0, -at))
    return lines


def _edge(lines: list[tuple[float, Um]], by: Um) -> Points:
    """Where lines that are moved outwards by a length meet, each with the next."""
    points = []
    for (a, r), (b, q) in pairwise(lines):
        normals = np.array([(math.cos(math.radians(t)), math.sin(math.radians(t))) for t in (a, b)])
        points.append(np.linalg.solve(normals, [r + by, q + by]))
    return np.array(points)


# meanders -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class ResistorMeander:
    """A resistor of resistive film: legs side by side, metal over both ends."""

    resistance: Resistance
    """What it should have, from metal to metal."""
    width: Size
    """Width of the film's track."""
    space: Size
    """Between two legs; at least as wide as the track."""
    contact: Size
    """Length of film that lies under metal at each end."""
    margin: Distance
    """By how much metal stands out beyond the film there."""
    aspect: Ratio = 1.0
    """Length of the legs over the width of all: the number of legs that comes nearest is taken."""
    largest: Size = 1000.0
    """Longest side that the legs may have."""

    def __post_init__(self) -> None:
        if self.space < self.width:
            raise ValueError(f"space={self.space:g} um must not be less than width={self.width:g} um")
        if self.margin >= self.space:
            raise ValueError(f"margin={self.margin:g} um must be less than space={self.space:g} um")


@generator("resistor.meander", ResistorMeander)
def resistor_meander(pdk: Pdk, p: ResistorMeander) -> Drawing:
    """Draws on roles `resistor` (film) and `wiring` (metal at both ends); pins `a` and `b`."""
    d = Drawing("resistor_meander")
    film, wiring = pdk.role("resistor"), pdk.role("wiring")
    sheet = _sheet(pdk, film)
    path = _meander(pdk, p, sheet)
    low, high = path[0], path[-1]
    under = np.array([p.contact, 0.0])
    ends = np.array([low - under, *path[1:-1], high + under])
    line = shapely.LineString(ends).buffer(p.width / 2, cap_style="flat", join_style="mitre")
    d.polygon(film, np.array(shapely.geometry.polygon.orient(line).exterior.coords)[:-1])
    long, high_side = p.contact + p.margin, p.width + 2 * p.margin
    for name, (x, y), way in (("a", low, -1), ("b", high, 1)):
        at = (x + way * long / 2, y)
        d.polygon(wiring, geom.box(long, high_side, at))
        d.pin(name, wiring, (x + way * long, y), high_side, 90.0 - 90.0 * way)
    with named("resistor.meander"):
        d.value("resistance", "ohm", resistor.resistance(path, p.width, sheet), SQUARES, p.resistance)
    return d


def _meander(pdk: Pdk, p: ResistorMeander, sheet: Ohm) -> Points:
    """The middle line from metal to metal, its middle at the origin."""
    pitch, away = p.width + p.space, p.width / 2 + p.space
    least, most = 1.0, p.largest / p.width
    shapes: dict[int, Um] = {1: p.resistance / sheet * p.width} if 1 <= p.resistance / sheet <= most else {}
    for legs in range(3, int((p.largest - p.width) / pitch) + 2, 2):
        bends, fixed = 2 * (legs - 1) * resistor.bend(90.0), (legs - 1) * pitch + 2 * away
        if (longest := p.largest - 2 * away) < 2 * p.width:
            break
        most = max(most, (legs * longest + fixed) / p.width + bends)
        leg = ((p.resistance / sheet - bends) * p.width - fixed) / legs
        if 2 * p.width <= leg <= longest:
            shapes[legs] = leg
    if not shapes:
        reach = OutOfReachError(least * sheet, most * sheet)
        mend = "change width, space or largest"
        raise out_of_reach("resistor.meander", "resistance", p.resistance, "ohm", reach, mend)

    def off(legs: int) -> float:
        return abs(math.log(shapes[legs] / ((legs - 1) * pitch + p.width) / p.aspect))

    legs = min(shapes, key=off)
    leg = snapped(shapes[legs], pdk, 2)
    if legs == 1:
        return np.array([(-leg / 2, 0.0), (leg / 2, 0.0)])
    top = (legs - 1) * pitch / 2
    points = [(-leg / 2 - away, -top)]
    for k in range(legs):
        side = 1 if k % 2 == 0 else -1
        points += [(-side * leg / 2, k * pitch - top), (side * leg / 2, k * pitch - top)]
    return np.array([points[0], *points[2:-1], (leg / 2 + away, top)])


# crossings ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A track along x that leads over one along y, on the other metal."""

    width: Size
    """Width of both tracks."""
    space: Size
    """From the track along y to the landings of the other."""
    via: Size
    """Diameter of the openings in the dielectric."""
    landing: Size
    """Diameter of both metals round an opening."""
    length: Size
    """From end to end, of both tracks."""

    def __post_init__(self) -> None:
        _lands(self.via, self.landing)
        least = self.width + 2 * self.space + 2 * self.landing
        if self.length < least:
            raise ValueError(f"length={self.length:g} um is too short: landings and spaces take {least:g} um")


@generator("crossing", Crossing)
def crossing(pdk: Pdk, p: Crossing) -> Drawing:
    """Draws on roles `wiring`, `bridge` and `bridge_via`; pins `left`, `right` (over), `bottom`, `top` (under)."""
    d = Drawing("crossing")
    wiring, bridge, opening = pdk.role("wiring"), pdk.role("bridge"), pdk.role("bridge_via")
    at, half = p.width / 2 + p.space + pdk.guard + p.landing / 2, p.length / 2
    d.polygon(wiring, geom.box(p.width, p.length))
    d.polygon(bridge, geom.box(2 * at, p.width))
    for side in (-1, 1):
        d.polygon(wiring, geom.box(half - at, p.width, (side * (at + half) / 2, 0.0)))
        _landing(d, (side * at, 0.0), p.via, p.landing, wiring, bridge, opening)
        d.pin("left" if side < 0 else "right", wiring, (side * half, 0.0), p.width, 180.0 if side < 0 else 0.0)
        d.pin("bottom" if side < 0 else "top", wiring, (0.0, side * half), p.width, 90.0 * side)
    d.value("resistance", "ohm", 2 * at / p.width * _sheet(pdk, bridge), "squares between the landings' centres")
    return d


# ------------------------------------------------------------------------------------------------------------------
def _landing(d: Drawing, at: tuple[Um, Um], via: Um, landing: Um, *layers: str) -> None:
    """An opening with metal round it on both levels; layers: lower metal, upper metal, opening."""
    lower, upper, opening = layers
    for layer, diameter in ((lower, landing), (upper, landing), (opening, via)):
        d.circle(layer, diameter, at)


def _lands(via: Um, landing: Um) -> None:
    if via >= landing:
        raise ValueError(f"via={via:g} um must be less than landing={landing:g} um")


def _sheet(pdk: Pdk, layer: str) -> Ohm:
    found = pdk.sheet_resistance(layer)
    if found is None:
        raise UnknownNameError("sheet resistance of", layer, (), where=f"[stack] of PDK {pdk.name!r}")
    return found
