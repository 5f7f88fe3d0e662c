"""Text that a mask prints, and the label by which every die can be told: row letters, column number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias

import klayout.db as kdb
import numpy as np
import shapely
from pydantic import Field

from layoutgen import gds
from layoutgen.cell import Drawing, Size, generator
from layoutgen.die import Die, DieContext, stage
from layoutgen.errors import ParamError, Problem, SpecError, nearest
from layoutgen.pdk import Pdk
from layoutgen.units import DBU, Um
from layoutgen.wafer import OnWafer, Place, WaferContext, placed, row_letters

Box: TypeAlias = tuple[Um, Um, Um, Um]
"""Left, bottom, right, top in the die (um)."""
INSET: Um = 30.0
"""From the label to the die's edge, where a free corner is looked for."""
SPOTS = 40
"""Places tried along each side of the die."""
FONT = kdb.TextGenerator.default_generator


@dataclass(frozen=True, kw_only=True)
class LabelText:
    """Letters with strokes and gaps `line` wide, 7 lines high, 6 lines from one letter to the next."""

    text: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x20-\x5f\x61-\x7e]+$")]
    """What to write: printable ASCII, without the backquote, which the font lacks."""
    line: Size
    """Width of a stroke, and of the gap between letters."""
    layer: str = ""
    """Layer to draw on; empty: role `label`."""


@generator("label.text", LabelText)
def label_text(pdk: Pdk, p: LabelText) -> Drawing:
    """Draws on role `label` (or `layer`) with KLayout's font, lower-left corner of the first letter at the origin."""
    d = Drawing("label_text")
    layer = p.layer or pdk.role("label")
    printed = [name for name, known in pdk.layers.items() if known.drawn is not None]
    if layer not in printed:
        raise ParamError(f"label.text: no mask prints layer {layer!r}{nearest(layer, printed)}")
    font = FONT()
    region = font.text(p.text, DBU, p.line / font.dline_width()).merged()
    for polygon in region.moved(-region.bbox().left, -region.bbox().bottom).each():
        # letters with holes are drawn in parts: simple polygons only
        for part in polygon.decompose_trapezoids() if polygon.holes() else (polygon.to_simple_polygon(),):
            d.polygon(layer, np.array([(q.x, q.y) for q in part.each_point()]) * DBU)
    return d


def label_size(pdk: Pdk, line: Um, characters: int) -> tuple[Um, Um]:
    """Width and height (um) of a text of so many characters."""
    font = FONT()
    scale = line / font.dline_width()
    return characters * font.dwidth() * scale, font.dheight() * scale


@stage("die_label_box", at="die")
def die_label_box(c: DieContext, die: Die) -> Die:
    """Keep a box free for the label: where the spec says, else the first place with room, from the upper left on.

    Raises:
        SpecError: no place has room, or the place in the spec is not inside the die or covers a pad or ball.
    """
    if not c.labelled:
        return die
    landings = list(_landings(c))

    def is_free(box: Box) -> bool:
        inside = box[0] >= 0 and box[1] >= 0 and box[2] <= die.width and box[3] <= die.height
        return inside and not any(shapely.box(*box).intersects(landing) for landing in landings)

    box = free_box(c, die, is_free)
    return replace(die, keepouts=(*die.keepouts, box), label=box)


def free_box(c: DieContext, die: Die, is_free: Callable[[Box], bool]) -> Box:
    """Where the die's label goes: where the spec says, else the first place, from the upper left on, that is free.

    Raises:
        SpecError: no place is free, or the one in the spec is not.
    """
    letters, digits = len(row_letters(c.most_rows - 1)), len(str(c.most_columns))
    width, height = label_size(c.pdk, c.settings("label.text").line, letters + digits)
    for x, y in [c.label_at] if c.label_at is not None else _spots(die, width, height):
        if is_free(box := (x, y, x + width, y + height)):
            return box
    place = "label.at" if c.label_at else "label"
    what = "does not lie free inside the die" if c.label_at else "finds no free place in the die"
    message = f"the die label of {width:g} x {height:g} um {what}; choose label.at, or label.draw = false"
    raise SpecError([Problem("", place, message)])


def _spots(die: Die, width: Um, height: Um) -> list[tuple[Um, Um]]:
    """Places to try, nearest the upper left corner first, the four corners before all others (um)."""
    x0, y0, x1, y1 = INSET, INSET, die.width - INSET - width, die.height - INSET - height
    corners = [(x0, y1), (x1, y1), (x0, y0), (x1, y0)]
    x, y = (np.linspace(low, high, SPOTS).round(3).tolist() for low, high in ((x0, x1), (y1, y0)))
    return corners + sorted(((p, q) for p in x for q in y), key=lambda at: (math.dist(at, corners[0]), at))


def _landings(c: DieContext) -> Iterator[shapely.Geometry]:
    """Pads and balls with the metal on them and the space that wires keep, as boxes (um)."""
    space = c.settings("rdl.wire").space
    for cell, members in (("rdl.pad", c.chip.pads), ("rdl.capture", c.chip.balls)):
        reach = half_extent(c.cell(cell), c.pdk) + space
        for m in members:
            yield shapely.box(m.x - reach, m.y - reach, m.x + reach, m.y + reach)


def half_extent(drawing: Drawing, pdk: Pdk) -> Um:
    """How far a drawing's own shapes reach from its origin in x or y (um)."""
    return max(float(abs(points).max()) for _, points in gds.polygons(drawing, pdk)) * DBU


@stage("die_labels", at="wafer")
def die_labels(c: WaferContext, wafer: OnWafer) -> None:
    """Row letters and column number in the label box of every die, as arrays along rows and columns."""
    if c.die.label is None:
        return
    x0, y0, _, _ = c.die.label
    pitch = label_size(c.pdk, c.settings("label.text").line, 1)[0]
    letters = max(len(c.grid.row_name(r)) for r in range(c.grid.rows))

    def label(text: str, places: list[Place], letter: int) -> None:
        at = (x0 + letter * pitch, y0)
        wafer.in_dies.placements.extend(placed(c.cell("label.text", text=text), c.grid, places, at))

    for row in range(c.grid.rows):
        name = c.grid.row_name(row)
        label(name, [p for p in c.grid.dies if p[1] == row], letters - len(name))
    for column in range(c.grid.columns):
        label(c.grid.column_name(column), [p for p in c.grid.dies if p[0] == column], letters)
