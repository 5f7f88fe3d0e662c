"""Spiral inductors of the wiring level, drawn from their value, with their centre at the origin.

Each is solved for by the formulas of `layoutgen.physics.passives`, put on the grid, and says the value of what is
drawn. `wiring` is the level's metal, `bridge` a second one over a dielectric, `bridge_via` the openings in that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from layoutgen import geom
from layoutgen.cell import Drawing, Size, generator
from layoutgen.errors import ParamError
from layoutgen.pdk import Pdk
from layoutgen.physics.passives import ValidityError, inductor, resistor
from layoutgen.units import Points, Um
from layoutgen_cells.hermetic.landings import SQUARES, check_landing, draw_landing, sheet_resistance
from layoutgen_cells.hermetic.solve import (
    NanoHenry,
    OutOfReachError,
    named,
    out_of_reach,
    size_for,
    snapped,
)

SHEET = "current sheet (Mohan et al. 1999)"
WHEELER = "modified Wheeler (Mohan et al. 1999)"


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
        check_landing(self.via, self.landing)


@generator("inductor.spiral", InductorSpiral)
def inductor_spiral(pdk: Pdk, p: InductorSpiral) -> Drawing:
    """Draws on roles `wiring` (spiral), `bridge` (underpass) and `bridge_via`; pins `outer` and `inner`, both at +x.

    A process may have a role `coil` for the turns: the same metal, on a layer that joins nothing in the netlist; and a
    role `turns`: where they must be, whatever is drawn over them.
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
    turns = [(start, low - half), *right, (end, away - half), (end, away + half), *left[::-1], (start, low + half)]
    d.polygon(pdk.roles.get("coil", wiring), turns)
    if "turns" in pdk.roles:
        d.polygon(pdk.roles["turns"], turns)
    if "coil" in pdk.roles:
        d.polygon(wiring, geom.span(end - spiral.width, away - half, end, away + half))
    d.polygon(bridge, geom.span(start, low - half, end, low + half))
    for x in (start, end):
        draw_landing(d, (x, low), p.via, p.landing, wiring, bridge, opening)
    d.pin("outer", wiring, (end, away), p.width)
    d.pin("inner", wiring, (end, low), p.landing)
    d.probe("inner", wiring, (start, low))
    with named("inductor.spiral"):
        d.value("inductance", "nH", inductor.current_sheet(spiral), SHEET, p.inductance)
        if spiral.shape in inductor.WHEELER:
            d.value("inductance", "nH", inductor.modified_wheeler(spiral), WHEELER)
    try:
        track = resistor.resistance(middle, spiral.width, sheet_resistance(pdk, wiring))
    except ValidityError:  # turns so narrow that bends lie too near each other: no number
        return d
    d.value("resistance", "ohm", track + (end - start) / spiral.width * sheet_resistance(pdk, bridge), SQUARES)
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
