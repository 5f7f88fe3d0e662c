"""Alignment marks: a target on the layer that a mask aligns to, and the key on the mask that frames it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from layoutgen import geom
from layoutgen.cell import Drawing, Size, generator
from layoutgen.die import stage
from layoutgen.errors import ParamError
from layoutgen.pdk import Pdk
from layoutgen.units import Um
from layoutgen.wafer import OnWafer, WaferContext

CLEARANCE: Um = 100.0
"""Between one mark and the next."""


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
    """What a mask shows around the cross it is aligned to: four squares, or a window to see it through."""

    size: Size
    """Size of the cross."""
    arm: Size
    """Width of the cross's arms."""
    gap: Size
    """Between the cross and what frames it when the mask is aligned."""
    window: bool = False
    """True: a larger cross, the window of a mask that is dark where nothing is drawn; false: four squares."""
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
    if p.window:
        d.polygon(layer, geom.cross(p.size + 2 * p.gap, p.arm + 2 * p.gap))
        return d
    low, high = p.arm / 2 + p.gap, p.size / 2
    for sx in (-1, 1):
        for sy in (-1, 1):
            x0, x1 = sorted((sx * low, sx * high))
            y0, y1 = sorted((sy * low, sy * high))
            d.polygon(layer, geom.span(x0, y0, x1, y1))
    return d


@stage("alignment_marks", at="wafer")
def alignment_marks(c: WaferContext, wafer: OnWafer) -> None:
    """At each mark site, for every mask its key around the target on the layer that it aligns to.

    A mask that lets light through only where something is drawn gets a window around the target, else it would be
    blind; any other gets four squares.

    Raises:
        ParamError: the marks of all masks do not fit where a die would stand.
    """
    site = Drawing("MARKS")
    masks = c.pdk.masks_of(c.flow_name)
    key = c.settings("mark.key")
    for mask, at in zip(masks.values(), _spots(c, len(masks), key.size + 2 * key.gap + CLEARANCE), strict=True):
        layer = c.pdk.role("incoming") if mask.aligns_to == "incoming" else c.pdk.masks[mask.aligns_to].marks
        site.place(c.cell("mark.target", layer=layer), at)
        site.place(c.cell("mark.key", layer=mask.marks, window=mask.tone == "digitized data clear"), at)
    for place in c.grid.drop_ins:
        wafer.own.place(site, c.grid.at(place))


def _spots(c: WaferContext, count: int, pitch: Um) -> list[tuple[Um, Um]]:
    """Centres for so many marks in the place of a die (um), in rows about its middle."""
    width, height = c.step.die_size
    columns, rows = int(width // pitch), int(height // pitch)
    if columns * rows < count:
        raise ParamError(
            f"mark.key: {count} marks of {pitch:g} um do not fit in a die of {width:g} x {height:g} um; "
            "make size smaller for mark.key and mark.target"
        )
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    step = min(width / columns, 1000.0)
    return [
        (width / 2 + (k % columns - (columns - 1) / 2) * step, height / 2 + (k // columns - (rows - 1) / 2) * pitch)
        for k in range(count)
    ]
