"""Cells over a device's pads: openings of the passivation, clearances of the interface layer, bond wires."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from layoutgen import geom
from layoutgen.cell import Distance, Drawing, Size, generator
from layoutgen.errors import ParamError
from layoutgen.pdk import Pdk
from layoutgen.units import Points, Um

Outline = Literal["rectangle", "rounded", "octagon", "circle"]


def _drawn(d: Drawing, layer: str, shape: Outline, width: Um, height: Um, corner: Um) -> None:
    """One of the outlines around the origin; `corner`: radius or bevel, 0: a quarter of the shorter side."""
    short = min(width, height)
    corner = min(corner or short / 4, short / 2)
    match shape:
        case "rectangle":
            d.polygon(layer, geom.box(width, height))
        case "octagon":
            d.polygon(layer, geom.bevelled(width, height, corner))
        case "rounded":
            d.polygon(layer, _rounded(width, height, corner))
        case "circle":
            d.circle(layer, short)


def _rounded(width: Um, height: Um, radius: Um) -> Points:
    angle = np.linspace(0.0, math.pi / 2, 9)
    arc = np.column_stack([np.cos(angle), np.sin(angle)]) * radius
    at = np.array([(width / 2 - radius, height / 2 - radius)])
    quarter = arc + at
    sides = [quarter, quarter[::-1] * (-1, 1), quarter * (-1, -1), quarter[::-1] * (1, -1)]
    return np.vstack(sides)


@dataclass(frozen=True, kw_only=True)
class PassivationOpening:
    """The opening of the passivation over one pad, whose metal stands out around it."""

    width: Size
    """Of the pad's metal, in x."""
    height: Size
    """Of the pad's metal, in y."""
    shape: Outline = "rectangle"
    """Its outline; `circle`: as wide as the shorter side."""
    corner: Distance = 0.0
    """Radius of `rounded`, bevel of `octagon`; 0: a quarter of the shorter side."""
    enclosure: Distance = 0.0
    """By how much the metal stands out; what the rule asks for at least."""


def opening_size(pdk: Pdk, p: PassivationOpening) -> tuple[Um, Um]:
    """Width and height of the opening (um).

    Raises:
        ParamError: the pad is too small for one.
    """
    by = max(p.enclosure, pdk.enclosure(of="passivation", by="pad") + pdk.guard)
    width, height = (round(side - 2 * by, 3) for side in (p.width, p.height))
    least = pdk.limit("width", pdk.role("passivation"))
    if min(width, height) < least:
        raise ParamError(
            f"passivation_opening: a pad of {p.width:g} x {p.height:g} um leaves an opening of {width:g} x {height:g}, "
            f"which must be {least:g} wide at least; make the pad larger, or enclosure smaller"
        )
    return width, height


@generator("passivation_opening", PassivationOpening)
def passivation_opening(pdk: Pdk, p: PassivationOpening) -> Drawing:
    """Draws on role `passivation`; centre at the origin."""
    d = Drawing("passivation_opening")
    _drawn(d, pdk.role("passivation"), p.shape, *opening_size(pdk, p), p.corner)
    return d


@dataclass(frozen=True, kw_only=True)
class PadClearance:
    """The opening of the interface layer around one pad, so that none of the layer may touch it."""

    width: Size
    """Of the passivation's opening, in x."""
    height: Size
    """Of the passivation's opening, in y."""
    foot: Distance = 0.0
    """Diameter of the bond wire's foot; 0: there is none."""
    shape: Literal["rectangle", "octagon"] = "rectangle"
    """Its outline; `octagon`: cut at the corners, as far as the rules allow."""


@generator("pad.clearance", PadClearance)
def pad_clearance(pdk: Pdk, p: PadClearance) -> Drawing:
    """Draws on role `clearance`; centre at the origin."""
    d = Drawing("pad_clearance")
    by = pdk.enclosure(of="passivation", by="clearance") + pdk.guard
    over = p.foot + 2 * (pdk.enclosure(of="foot", by="clearance") + pdk.guard) if p.foot else 0.0
    width, height = (round(max(side + 2 * by, over), 3) for side in (p.width, p.height))
    # the corner of what it clears keeps its distance from a cut at 45 degrees
    bevel = round(max(0.0, (width - p.width + height - p.height) / 2 - math.sqrt(2) * by), 3)
    d.polygon(pdk.role("clearance"), geom.bevelled(width, height, bevel if p.shape == "octagon" else 0.0))
    return d


@dataclass(frozen=True, kw_only=True)
class EdgePullback:
    """The interface layer opened along a die's edge, so that no cut comes near it."""

    width: Size = 1000.0
    """Of the die."""
    height: Size = 1000.0
    """Of the die."""
    inset: Size
    """From the die's edge to the layer."""

    def __post_init__(self) -> None:
        if 2 * self.inset >= min(self.width, self.height):
            raise ValueError(f"inset={self.inset:g} um leaves nothing of the layer; make it smaller")


@generator("edge.pullback", EdgePullback)
def edge_opening(pdk: Pdk, p: EdgePullback) -> Drawing:
    """Draws on role `pullback`; lower-left corner of the die at the origin."""
    d = Drawing("edge_pullback")
    w, h, by = p.width, p.height, p.inset
    for piece in ((0.0, 0.0, w, by), (0.0, h - by, w, h), (0.0, by, by, h - by), (w - by, by, w, h - by)):
        d.polygon(pdk.role("pullback"), geom.span(*piece))
    return d
