"""Interfacial connections and what closes them outside: cones through cover and intermediate layer, contact, bead.

Openings are conical and wider outside. A cell is given the diameter at the narrow end and works out all others from
the thickness of each layer and the angle of its walls (`[stack]`), concentric through all layers. Every cell stands
with its centre at the origin; lengths are um.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from layoutgen import geom
from layoutgen.cell import Drawing, Size, generator
from layoutgen.errors import ParamError
from layoutgen.pdk import Pdk
from layoutgen.units import Um


def alignment(pdk: Pdk) -> Um:
    """How far a via through the cover may stand off what it leads to (um): gluing + drill + thermal expansion."""
    return sum(pdk.number(f"level.cover.{name}") for name in ("bond", "drill", "thermal"))


def least_foot(pdk: Pdk) -> Um:
    """Least diameter of an opening through the cover at the cover's inner face (um)."""
    return pdk.limit("width", pdk.role("via_foot"))


def outer(pdk: Pdk, foot: Um) -> Um:
    """Diameter at the cover's outer face of an opening whose narrow end is `foot` wide (um)."""
    return round(foot + 2 * pdk.number("level.cover.lean"), 3)


def inter_top(pdk: Pdk, foot: Um) -> Um:
    """Diameter at the cover's side of an opening in the intermediate layer that is `foot` wide at the chip's (um)."""
    return round(foot + 2 * pdk.number("level.intermediate.lean"), 3)


def _landing(pdk: Pdk, worst: str, below: str, diameter: Um, off: Um) -> Um:
    """Diameter of what takes in an opening which stands off by `off` at worst, and what the rules ask around."""
    return round(diameter + 2 * (off + pdk.enclosure(of=worst, by=below) + pdk.guard), 3)


@dataclass(frozen=True, kw_only=True)
class ViaCoverWafer:
    """A via through the cover down to connector metal on the chip [DK1]."""

    foot: Size | None = None
    """Diameter where it is narrowest: at the cover's inner face, or in the intermediate layer at the chip's side. None:
    the least that the rules allow."""
    landing: Size | None = None
    """Diameter of the connector metal. None: the least at the worst alignment."""
    intermediate: bool = False
    """Whether it goes through an intermediate layer, too, and is lined there by metal of the wiring level."""


@generator("via_cover_wafer", ViaCoverWafer)
def via_cover_wafer(pdk: Pdk, p: ViaCoverWafer) -> Drawing:
    """Draws on roles `cover_via` and `metal`; with an intermediate layer also on `inter_via` and `wiring`."""
    d = Drawing("via_cover_wafer")
    foot, metal = p.foot, pdk.role("metal")
    if p.intermediate:
        lower = via_intermediate_wafer(pdk, **({} if foot is None else {"foot": foot}))
        d.place(lower)
        top = inter_top(pdk, lower.circles[pdk.role("inter_via")][0].diameter)
        d.place(via_cover_wiring(pdk, foot=max(least_foot(pdk), round(top + 2 * alignment(pdk), 3))))
        landing = p.landing or lower.circles[metal][0].diameter
    else:
        foot = least_foot(pdk) if foot is None else foot
        d.circle(pdk.role("cover_via"), outer(pdk, foot))
        landing = p.landing or _landing(pdk, "via_worst", "metal", foot, alignment(pdk))
    d.circle(metal, landing)
    d.pin("chip", metal, (0.0, 0.0), landing)
    return d


@dataclass(frozen=True, kw_only=True)
class ViaIntermediateWafer:
    """A via through the intermediate layer down to connector metal on the chip [DK2]."""

    foot: Size | None = None
    """Diameter at the chip's side. None: the least that the rules allow."""
    landing: Size | None = None
    """Diameter of the connector metal. None: the least at the worst overlay."""
    collar: Size | None = None
    """Diameter of the metal of the wiring level. None: the least that the rules ask for around the opening."""


@generator("via_intermediate_wafer", ViaIntermediateWafer)
def via_intermediate_wafer(pdk: Pdk, p: ViaIntermediateWafer) -> Drawing:
    """Draws on roles `inter_via`, `metal` and `wiring`."""
    d = Drawing("via_intermediate_wafer")
    opening, metal, wiring = pdk.role("inter_via"), pdk.role("metal"), pdk.role("wiring")
    foot = pdk.limit("width", opening) if p.foot is None else p.foot
    landing = p.landing or _landing(pdk, "inter_worst", "metal", foot, pdk.number("level.intermediate.overlay"))
    collar = p.collar or _landing(pdk, "inter_top", "wiring", inter_top(pdk, foot), 0.0)
    d.circle(opening, foot)
    for name, layer, diameter in (("chip", metal, landing), ("wiring", wiring, collar)):
        d.circle(layer, diameter)
        d.pin(name, layer, (0.0, 0.0), diameter)
    return d


@dataclass(frozen=True, kw_only=True)
class ViaCoverWiring:
    """A via through the cover down to the wiring level [DK3]; it needs no cavity and may be wide."""

    foot: Size | None = None
    """Diameter at the cover's inner face. None: the least that the rules allow."""
    landing: Size | None = None
    """Diameter of the metal of the wiring level. None: the least at the worst alignment."""


@generator("via_cover_wiring", ViaCoverWiring)
def via_cover_wiring(pdk: Pdk, p: ViaCoverWiring) -> Drawing:
    """Draws on roles `cover_via` and `wiring`."""
    d = Drawing("via_cover_wiring")
    foot = least_foot(pdk) if p.foot is None else p.foot
    landing = p.landing or _landing(pdk, "via_worst", "wiring", foot, alignment(pdk))
    d.circle(pdk.role("cover_via"), outer(pdk, foot))
    d.circle(pdk.role("wiring"), landing)
    d.pin("wiring", pdk.role("wiring"), (0.0, 0.0), landing)
    return d


@dataclass(frozen=True, kw_only=True)
class ViaFrameWafer:
    """An opening of the frame down to connector metal on the chip, lined by a wiring level on the frame."""

    foot: Size | None = None
    """Diameter at the chip's face. None: the least that the rules allow."""
    landing: Size | None = None
    """Diameter of the connector metal. None: the least that the rules ask for around the opening."""
    collar: Size | None = None
    """Diameter of the metal of the wiring level. None: likewise."""
    base: Size | None = None
    """Diameter of the frame around it. None: likewise; it has to meet a wall."""


@generator("via_frame_wafer", ViaFrameWafer)
def via_frame_wafer(pdk: Pdk, p: ViaFrameWafer) -> Drawing:
    """Draws on roles `frame_via`, `frame`, `metal` and `wiring`."""
    d = Drawing("via_frame_wafer")
    opening, metal, wiring = pdk.role("frame_via"), pdk.role("metal"), pdk.role("wiring")
    foot = pdk.limit("width", opening) if p.foot is None else p.foot
    landing = p.landing or _landing(pdk, "frame_via", "metal", foot, 0.0)
    collar = p.collar or _landing(pdk, "frame_via_top", "wiring", foot + 2 * pdk.number("level.frame.lean"), 0.0)
    wall = foot + 2 * (pdk.enclosure(of="frame_via", by="frame") + pdk.guard)
    d.circle(opening, foot)
    d.circle(pdk.role("frame"), p.base or round(max(wall, under(pdk, collar)), 3))
    for name, layer, diameter in (("chip", metal, landing), ("wiring", wiring, collar)):
        d.circle(layer, diameter)
        d.pin(name, layer, (0.0, 0.0), diameter)
    return d


def under(pdk: Pdk, metal: Um) -> Um:
    """Diameter of the frame under a circle of the wiring level on it (um)."""
    return round(metal + 2 * (pdk.enclosure(of="wiring", by="frame") + 2 * pdk.guard), 3)


@dataclass(frozen=True, kw_only=True)
class ViaCoverFrame:
    """A via through the cover down to a wiring level on the frame [DK3], and the frame under it, out to a wall."""

    foot: Size | None = None
    """Diameter at the cover's inner face. None: the least that the rules allow."""
    landing: Size | None = None
    """Diameter of the metal of the wiring level. None: the least at the worst alignment."""
    reach: Size = 150.0
    """From the via's centre to where the frame under it ends in a wall."""


@generator("via_cover_frame", ViaCoverFrame)
def via_cover_frame(pdk: Pdk, p: ViaCoverFrame) -> Drawing:
    """Draws on roles `cover_via`, `wiring` and `frame`; the via's centre at the origin, the wall in +x."""
    d = Drawing("via_cover_frame")
    foot = least_foot(pdk) if p.foot is None else p.foot
    via = via_cover_wiring(pdk, foot=foot, landing=p.landing)
    d.place(via)
    landing = via.circles[pdk.role("wiring")][0].diameter
    base = max(under(pdk, landing), _landing(pdk, "via_worst", "frame", foot, alignment(pdk)))
    d.circle(pdk.role("frame"), base)
    d.polygon(pdk.role("frame"), geom.span(0.0, -base / 2, p.reach, base / 2))
    d.pin("wiring", pdk.role("wiring"), (0.0, 0.0), landing)
    return d


@dataclass(frozen=True, kw_only=True)
class UndersideContact:
    """The contact on the cover around a via, under-bump metal on it, and the opening of the solder mask over both."""

    over: Size | None = None
    """Diameter of the via at the cover's outer face. None: that of the least via."""
    diameter: Size | None = None
    """Of the contact. None: the least that the rules ask for around via, under-bump metal and solder mask."""


@generator("underside_contact", UndersideContact)
def underside_contact(pdk: Pdk, p: UndersideContact) -> Drawing:
    """Draws on roles `contact`, `ubm` and `solder_opening`."""
    d = Drawing("underside_contact")
    over = outer(pdk, least_foot(pdk)) if p.over is None else p.over
    around = pdk.enclosure(of="solder_opening", by="ubm") + pdk.guard
    rim = around + pdk.enclosure(of="ubm", by="contact") + pdk.guard
    rim = max(rim, pdk.enclosure(of="solder_opening", by="contact") + pdk.guard)
    least = max(pdk.enclosure(of="cover_via", by="contact"), rim + pdk.enclosure(of="cover_via", by="solder_opening"))
    diameter = p.diameter or round(over + 2 * (least + 2 * pdk.guard), 3)
    contact, opening = pdk.role("contact"), round(diameter - 2 * rim, 3)
    if opening <= over:
        raise ParamError(f"underside_contact: diameter={diameter:g} um leaves no rim around a via of {over:g}")
    d.circle(contact, diameter)
    d.circle(pdk.role("ubm"), round(opening + 2 * around, 3))
    d.circle(pdk.role("solder_opening"), opening)
    d.pin("contact", contact, (0.0, 0.0), diameter)
    return d


@dataclass(frozen=True, kw_only=True)
class BumpBead:
    """A bead pressed into the metallized bore of a via: the bump."""

    bead: Size | None = None
    """Diameter. None: that of the process's beads."""
    over: Size | None = None
    """Diameter of the bore at the cover's outer face, before it is metallized. None: that of the least via."""


@generator("bump_bead", BumpBead)
def bump_bead(pdk: Pdk, p: BumpBead) -> Drawing:
    """Draws on role `bump`.

    The bead touches the metal on the bore's wall in a circle: it must neither lie on the bore's rim nor sink in.
    """
    d, layer = Drawing("bump_bead"), pdk.role("bump")
    bead = pdk.number("level.bead.thickness") if p.bead is None else p.bead
    out = stands_out(pdk, bead, outer(pdk, least_foot(pdk)) if p.over is None else p.over)
    if out is None:
        raise ParamError(f"bump_bead: a bead of {bead:g} um does not enter the bore; take a smaller one, or widen it")
    if out <= 0:
        raise ParamError(f"bump_bead: a bead of {bead:g} um sinks {-out:.3g} um into the bore; take a larger one")
    d.circle(layer, bead)
    d.pin("bump", layer, (0.0, 0.0), bead)
    return d


def stands_out(pdk: Pdk, bead: Um, over: Um) -> Um | None:
    """By how much a bead stands out of the metals around its bore (um); None: it does not enter it.

    A sphere of diameter d touches a cone, whose walls lean by t from the axis, where that is d cos(t) wide, and its
    centre lies d/2 sin(t) above that circle. Metal on the wall makes the bore narrower by its thickness / cos(t).
    """
    t = math.radians(90 - pdk.number("level.cover.angle"))
    lining = pdk.number("level.contact.thickness") + pdk.number("level.ubm.thickness")
    bore = over - 2 * lining / math.cos(t)
    touching = bead * math.cos(t)
    if touching > bore:
        return None
    return bead / 2 * (1 + math.sin(t)) - (bore - touching) / (2 * math.tan(t))
