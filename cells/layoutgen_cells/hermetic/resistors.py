"""Resistors of the wiring level, drawn from their value, and crossings; their centre stands at the origin.

`resistor` is the resistive film, `wiring` the level's metal, `bridge` a second one over a dielectric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely

from layoutgen import geom
from layoutgen.cell import Distance, Drawing, Size, generator
from layoutgen.pdk import Pdk
from layoutgen.physics.passives import resistor
from layoutgen.units import Ohm, Points, Um
from layoutgen_cells.hermetic.landings import SQUARES, check_landing, draw_landing, sheet_resistance
from layoutgen_cells.hermetic.solve import (
    OutOfReachError,
    Ratio,
    Resistance,
    named,
    out_of_reach,
    snapped,
)


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
    """Draws on roles `resistor` (film) and `wiring` (metal at both ends); pins `a` and `b`.

    A process may have a role `bare_film`: where film must be between the metal, whatever is drawn over it.
    """
    d = Drawing("resistor_meander")
    film, wiring = pdk.role("resistor"), pdk.role("wiring")
    sheet = sheet_resistance(pdk, film)
    path = _meander(pdk, p, sheet)
    low, high = path[0], path[-1]
    under = np.array([p.contact, 0.0])
    ends = np.array([low - under, *path[1:-1], high + under])
    d.polygon(film, _track(ends, p.width))
    if "bare_film" in pdk.roles:
        d.polygon(pdk.roles["bare_film"], _track(path, p.width))
    long, high_side = p.contact + p.margin, p.width + 2 * p.margin
    for name, (x, y), way in (("a", low, -1), ("b", high, 1)):
        at = (x + way * long / 2, y)
        d.polygon(wiring, geom.box(long, high_side, at))
        d.pin(name, wiring, (x + way * long, y), high_side, 90.0 - 90.0 * way)
    with named("resistor.meander"):
        d.value("resistance", "ohm", resistor.resistance(path, p.width, sheet), SQUARES, p.resistance)
    return d


def _track(path: Points, width: Um) -> Points:
    """A track along a path, cut square at its ends."""
    line = shapely.LineString(path).buffer(width / 2, cap_style="flat", join_style="mitre")
    return np.array(shapely.geometry.polygon.orient(line).exterior.coords)[:-1]


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
        check_landing(self.via, self.landing)
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
        draw_landing(d, (side * at, 0.0), p.via, p.landing, wiring, bridge, opening)
        d.pin("left" if side < 0 else "right", wiring, (side * half, 0.0), p.width, 180.0 if side < 0 else 0.0)
        d.pin("bottom" if side < 0 else "top", wiring, (0.0, side * half), p.width, 90.0 * side)
    d.value(
        "resistance", "ohm", 2 * at / p.width * sheet_resistance(pdk, bridge), "squares between the landings' centres"
    )
    return d
