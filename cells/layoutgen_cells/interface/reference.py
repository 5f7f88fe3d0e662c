"""Cells of what stands around a device in its package, for reference: on no mask."""

from __future__ import annotations

from dataclasses import dataclass

from layoutgen import geom
from layoutgen.cell import Distance, Drawing, Size, generator
from layoutgen.pdk import Pdk


@dataclass(frozen=True, kw_only=True)
class BondWire:
    """A bond wire seen from above: its foot on the pad, and the wire in +x over the die's edge. On no mask."""

    foot: Size
    """Diameter of the foot."""
    wire: Size
    """Diameter of the wire."""
    length: Distance = 0.0
    """From the pad's centre to the die's edge; 0: the foot alone."""
    beyond: Distance = 0.0
    """From the die's edge on to the middle of a pad of the mounting support; 0: the wire ends there."""


@generator("bond.wire", BondWire)
def bond_wire(pdk: Pdk, p: BondWire) -> Drawing:
    """Draws on roles `foot` and `wire`; the foot's centre at the origin."""
    d = Drawing("bond_wire")
    d.circle(pdk.role("foot"), p.foot)
    if p.length:
        d.polygon(pdk.role("wire"), geom.span(0.0, -p.wire / 2, p.length + p.beyond, p.wire / 2))
    d.pin("pad", pdk.role("foot"), (0.0, 0.0), p.foot)
    return d


@dataclass(frozen=True, kw_only=True)
class SupportPad:
    """A pad of the mounting support, where a bond wire ends. On no mask."""

    width: Size
    """Extent in x."""
    height: Size
    """Extent in y."""


@generator("support.pad", SupportPad)
def support_pad(pdk: Pdk, p: SupportPad) -> Drawing:
    """Draws on role `support_pad`; centre at the origin."""
    d = Drawing("support_pad")
    d.polygon(pdk.role("support_pad"), geom.box(p.width, p.height))
    return d


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How far a material reaches around a die. On no mask."""

    width: Size = 1000.0
    """Of the die."""
    height: Size = 1000.0
    """Of the die."""
    beyond: Distance = 0.0
    """From the die's edge outwards."""


@generator("underfill.extent", Extent)
def underfill_extent(pdk: Pdk, p: Extent) -> Drawing:
    """Draws on role `underfill`; lower-left corner of the die at the origin."""
    return _extent(pdk, p, "underfill")


@generator("mold.extent", Extent)
def mold_extent(pdk: Pdk, p: Extent) -> Drawing:
    """Draws on role `mold`; lower-left corner of the die at the origin."""
    return _extent(pdk, p, "mold")


def _extent(pdk: Pdk, p: Extent, role: str) -> Drawing:
    d = Drawing(f"{role}_extent")
    d.polygon(pdk.role(role), geom.span(-p.beyond, -p.beyond, p.width + p.beyond, p.height + p.beyond))
    return d
