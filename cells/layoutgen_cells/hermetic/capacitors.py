"""Capacitors drawn from their value: two plates, and combs on the chip. They stand with their centre at the origin.

Each is solved for by the formulas of `layoutgen.physics.passives`, put on the grid, and says the value of what is
drawn. `wiring` is the wiring level's metal, `bridge` a second one over a dielectric, `bridge_via` the openings in
that. The stack gives thickness and permittivity of the dielectric (level `cross_dielectric`) and of what lies above
(`adhesive`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely

from layoutgen import geom
from layoutgen.cell import Distance, Drawing, Size, generator
from layoutgen.errors import ParamError
from layoutgen.pdk import Pdk
from layoutgen.physics.passives import ValidityError, capacitor
from layoutgen.units import Points, Um
from layoutgen_cells.hermetic.landings import check_landing, draw_landing
from layoutgen_cells.hermetic.solve import (
    OutOfReachError,
    PicoFarad,
    Ratio,
    named,
    out_of_reach,
    size_for,
    snapped,
)

PLATE = "plate with microstrip edges (Hammerstad and Jensen 1980)"
COMBS = "conformal map of combs (Igreja and Dias 2004)"


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
        check_landing(self.via, self.landing)


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
    draw_landing(d, (at, 0.0), p.via, p.landing, wiring, bridge, opening)
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
