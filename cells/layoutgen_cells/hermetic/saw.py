"""What fills a cavity with something real: resonators of surface acoustic waves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from layoutgen import geom
from layoutgen.cell import Distance, Drawing, Size, generator
from layoutgen.pdk import Pdk
from layoutgen.physics.passives import saw
from layoutgen.units import Points, Um
from layoutgen_cells.hermetic.capacitors import comb
from layoutgen_cells.hermetic.solve import named, snapped

ENGAN = "endless combs (Engan 1969)"


@dataclass(frozen=True, kw_only=True)
class SawResonator:
    """A transducer of interleaved fingers between two reflectors of shorted bars; waves run along x."""

    wavelength: Size
    """Period of the transducer: two fingers and two spaces. Reflectors have the same."""
    pairs: Annotated[int, Field(ge=10, le=2000)]
    """Finger pairs of the transducer."""
    aperture: Size
    """Overlap of neighbouring fingers."""
    metallization: Annotated[float, Field(ge=0.2, le=0.8)] = 0.5
    """Share of the surface that fingers cover."""
    gap: Size
    """From a finger's end to the other comb's bus bar."""
    reflectors: Annotated[int, Field(ge=0, le=2000)]
    """Bars of each reflector."""
    offset: Annotated[float, Field(ge=0.25, le=2.0)] = 0.5
    """From the last finger to the reflector's first bar, in wavelengths, middle to middle."""
    bus: Size
    """Width of the bus bars."""
    inset: Distance
    """From the bus bar's edge to the connector metal on it."""

    def __post_init__(self) -> None:
        if 2 * self.inset >= self.bus:
            raise ValueError(f"inset={self.inset:g} um must be less than half of bus={self.bus:g} um")
        if self.offset * 2 <= self.metallization:
            raise ValueError(f"offset={self.offset:g} puts the reflectors on the transducer's fingers")


@generator("saw.resonator", SawResonator)
def saw_resonator(pdk: Pdk, p: SawResonator) -> Drawing:
    """Draws on roles `structure` (fingers, bus bars) and `pad` (connector metal on them); pins `lower`, `upper`.

    Waves run along x, the crystal's axis for which the velocity holds: a spec turns it by 180 degrees only.
    """
    d = Drawing("saw_resonator", half_turns=True)
    structure, pad = pdk.role("structure"), pdk.role("pad")
    velocity, permittivity = pdk.number("level.chip.saw_velocity"), pdk.number("level.chip.permittivity")
    pitch = p.wavelength / 2
    width = snapped(p.metallization * pitch, pdk)
    half = p.aperture / 2
    # each edge goes to the grid by itself, so that the period is kept over the whole length
    lefts = _lefts(2 * p.pairs, pitch, -(2 * p.pairs - 1) * pitch / 2, width, pdk)
    span = (float(lefts[0]), float(lefts[-1]) + width)
    for side in (-1, 1):
        low, high = side * (half + p.gap), side * (half + p.gap + p.bus)
        mine = [float(x) for x in lefts[0 if side < 0 else 1 :: 2]]
        d.polygon(structure, comb(mine, width, span, (low, high), -side * half))
        bar = sorted([low + side * p.inset, high - side * p.inset])
        d.polygon(pad, geom.span(span[0] + p.inset, bar[0], span[1] - p.inset, bar[1]))
        name = "lower" if side < 0 else "upper"
        d.pin(name, pad, (0.0, sum(bar) / 2), bar[1] - bar[0], 90.0 * side)
        for finger in (mine[0], mine[-1]):
            d.probe(name, structure, (finger + width / 2, 0.0))
    edge = half + p.gap
    if p.reflectors:
        first = (2 * p.pairs - 1) * pitch / 2 + p.offset * p.wavelength
        right = _lefts(p.reflectors, pitch, first, width, pdk)
        for bars in (right, np.sort(np.round(-right - width, 6))):
            ends = (float(bars[0]), float(bars[-1]) + width)
            d.polygon(structure, comb([float(x) for x in bars], width, ends, (-edge, -edge - p.bus), edge))
            d.polygon(structure, geom.span(ends[0], edge, ends[1], edge + p.bus))
    mean = float(lefts[-1] - lefts[0]) / (2 * p.pairs - 1)
    with named("saw.resonator"):
        drawn = saw.capacitance(p.pairs, p.aperture, width / mean, permittivity)
    d.value("static capacitance", "pF", drawn, ENGAN)
    asked = saw.frequency(p.wavelength, velocity)
    d.value("centre frequency", "MHz", saw.frequency(2 * mean, velocity), "velocity over wavelength", asked)
    return d


def _lefts(count: int, pitch: Um, first: Um, width: Um, pdk: Pdk) -> Points:
    """Left edges of bars by the middle of the first one, each on the grid (um)."""
    exact = first - width / 2 + pitch * np.arange(count)
    edges: Points = np.round(np.round(exact / pdk.grid) * pdk.grid, 6)
    return edges
