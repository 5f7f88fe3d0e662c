"""Contacts that stand straight on the chip's pads, without a redistribution, and the stencil solder is printed by."""

from __future__ import annotations

from dataclasses import dataclass

from layoutgen.cell import Drawing, Placement, Size, generator
from layoutgen.die import Die, DieContext, stage
from layoutgen.errors import Problem, SpecError
from layoutgen.pdk import Pdk


@dataclass(frozen=True, kw_only=True)
class StencilAperture:
    """An aperture in the foil through which solder paste is printed on a post."""

    diameter: Size
    """Diameter."""


@generator("stencil.aperture", StencilAperture)
def stencil_aperture(pdk: Pdk, p: StencilAperture) -> Drawing:
    """Draws on role `aperture`; centre at the origin."""
    d = Drawing("stencil_aperture")
    d.circle(pdk.role("aperture"), p.diameter)
    return d


@stage("vias_on_pads", at="die")
def vias_on_pads(c: DieContext, die: Die) -> Die:
    """A via at each ball, which must stand on a pad of its net: nothing leads from one to the other.

    Raises:
        SpecError: a ball stands on no pad, or on one of another net.
    """
    pads = {(round(p.x, 3), round(p.y, 3)): p for p in c.chip.pads}
    problems = []
    for b in c.chip.balls:
        pad = pads.get((round(b.x, 3), round(b.y, 3)))
        if pad is None or pad.net != b.net:
            what = "no pad" if pad is None else f"pad {pad.name} of net {pad.net!r}"
            message = f"ball {b.name} of net {b.net!r} stands on {what}; without redistribution each stands on its pad"
            problems.append(Problem(b.place, "", message))
    if problems:
        raise SpecError(problems)
    return die.add(*(Placement(c.cell("polymer.via"), (b.x, b.y)) for b in c.chip.balls))


@stage("stencil_apertures", at="die")
def stencil_apertures(c: DieContext, die: Die) -> Die:
    """An aperture of the stencil at each ball."""
    return die.add(*(Placement(c.cell("stencil.aperture"), (b.x, b.y)) for b in c.chip.balls))
