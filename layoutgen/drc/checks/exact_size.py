"""Shapes of a layer have exactly one size.

Reports each polygon whose bounding box is not as wide and as high as the rule says. Shapes that touch are one polygon.
Says nothing about what fills the box.

A run with circles = "analytic" measures circles as such, to the database unit; else by the sides they are drawn with.

Layers: the layer. Limit: width and height, in um.

Options:
    size: [width, height] in um, in place of the limit, where the two differ.
    tolerance: how far each may be off, in um (default 0.02); exactly that far passes.

Example:
    [rules."BALL.SZ.1"]
    check = "exact_size"
    layers = ["ball"]
    limit = 310.0
    why = "One stencil prints all balls."
    source = "Amkor WLCSP table, bump.1"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc import circles
from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import Kind, um
from layoutgen.findings import Finding
from layoutgen.tomlfile import Model, NonNegativeUm, PositiveUm
from layoutgen.units import DBU, Um, dbu


class Options(Model):
    size: tuple[PositiveUm, PositiveUm] | None = None
    tolerance: NonNegativeUm = 0.02


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    width, height = _size(limit, options)
    tolerance = dbu(options.tolerance)
    found = []
    for shape in regions[0].merged().each():
        box = shape.bbox()
        sides = ((box.width(), width), (box.height(), height))
        has, wanted = max(sides, key=lambda side: (abs(side[0] - side[1]), side[0]))
        if abs(has - wanted) > tolerance:
            note = f"{um(box.width() * DBU)} x {um(box.height() * DBU)}"
            found.append(marks.polygon(rule, shape, note, round(has * DBU, 6), wanted * DBU))
    return found


def _size(limit: int, options: Options) -> tuple[int, int]:
    return (dbu(options.size[0]), dbu(options.size[1])) if options.size else (limit, limit)


def analytic(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    layer = circles.recognise(regions[0].merged())
    found = check(rule, [layer.rest], limit, options)
    for shape, diameter in zip(layer.shapes, layer.diameters.tolist(), strict=True):
        if max(abs(diameter - wanted) for wanted in _size(limit, options)) > dbu(options.tolerance):
            measured = round(diameter * DBU, 6)
            found.append(marks.polygon(rule, shape, f"diameter {um(measured)}", measured))
    return found


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    size = " x ".join(um(side) for side in options.size) if options.size else limit
    return f"size of {layers[0]} = {size} +- {um(options.tolerance)}"


def reach(limit: Um, options: Options) -> Um:
    return max(options.size) if options.size else limit


def complaint(limit: Um | None, options: Options) -> str:
    if (limit is None) == (options.size is None):
        return "give either a limit (both sides) or size = [width, height]"
    return ""


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    sides = zip(("width", "height"), _size(limit, options), strict=True)
    off = " || ".join(f"(shape.bbox.{side} - {wanted}).abs > {dbu(options.tolerance)}" for side, wanted in sides)
    return [f"which({layers[0]}) {{ |shape| {off} }}"]


KIND = Kind(
    name="exact_size", doc=__doc__, layers=("layer",), limit="optional", options=Options, check=check,
    analytic=analytic, words=words, deck=deck, reach=reach, whole=True, complaint=complaint,
)  # fmt: skip
