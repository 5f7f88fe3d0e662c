"""Alignment marks: a target on the layer that a mask aligns to, and the key on the mask that frames it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from layoutgen import geom
from layoutgen.cell import Drawing, generator
from layoutgen.die import stage
from layoutgen.pdk import Pdk
from layoutgen.units import Um
from layoutgen.wafer import OnWafer, WaferContext

Size = Annotated[Um, Field(gt=0)]


@dataclass(frozen=True, kw_only=True)
class MarkTarget:
    """A cross that stays on the wafer for the next mask to aim at."""

    size: Size
    """From end to end."""
    arm: Size
    """Width of the arms."""
    layer: str = ""
    """Layer to draw on; empty: the one the wafer came with."""

    def __post_init__(self) -> None:
        if self.arm >= self.size:
            raise ValueError(f"arm={self.arm:g} um must be less than size={self.size:g} um")


@generator("mark.target", MarkTarget)
def mark_target(pdk: Pdk, p: MarkTarget) -> Drawing:
    """Draws on `layer`, by default on role `incoming`; centre at the origin."""
    d = Drawing("mark_target")
    d.polygon(p.layer or pdk.role("incoming"), geom.cross(p.size, p.arm))
    return d


@dataclass(frozen=True, kw_only=True)
class MarkKey:
    """Four squares on the mask, in the quarters of the cross they are centred on."""

    size: Size
    """Size of the cross that fits between them."""
    arm: Size
    """Width of that cross's arms."""
    gap: Size
    """Between arm and square when the mask is aligned."""
    layer: str = ""
    """Layer to draw on; empty: the first mask's marks."""

    def __post_init__(self) -> None:
        if self.arm / 2 + self.gap >= self.size / 2:
            raise ValueError(f"gap={self.gap:g} um leaves no square beside arm={self.arm:g} in size={self.size:g} um")


@generator("mark.key", MarkKey)
def mark_key(pdk: Pdk, p: MarkKey) -> Drawing:
    """Draws on `layer`, by default that of the first mask's marks; centre at the origin."""
    d = Drawing("mark_key")
    layer = p.layer or next(iter(pdk.masks.values())).marks
    low, high = p.arm / 2 + p.gap, p.size / 2
    for sx in (-1, 1):
        for sy in (-1, 1):
            x0, x1 = sorted((sx * low, sx * high))
            y0, y1 = sorted((sy * low, sy * high))
            d.polygon(layer, geom.span(x0, y0, x1, y1))
    return d


@stage("alignment_marks", at="wafer")
def alignment_marks(c: WaferContext, wafer: OnWafer) -> None:
    """At each mark site a row of marks: for every mask its key, in the target on the layer it aligns to."""
    site = Drawing("MARKS")
    flow = next(name for name, flow in c.pdk.flows.items() if flow == c.flow)
    masks = c.pdk.masks_of(flow)
    width, height = c.step.die_size
    spacing = min(width / (len(masks) + 1), 1000.0)
    for i, mask in enumerate(masks.values()):
        layer = c.pdk.role("incoming") if mask.aligns_to == "incoming" else c.pdk.masks[mask.aligns_to].marks
        at = (width / 2 + (i - (len(masks) - 1) / 2) * spacing, height / 2)
        site.place(c.cell("mark.target", layer=layer), at)
        site.place(c.cell("mark.key", layer=mask.marks), at)
    for place in c.grid.drop_ins:
        wafer.own.place(site, c.grid.at(place))
