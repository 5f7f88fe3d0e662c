"""Least width of the shapes of a layer.

Reports each pair of edges of one polygon that face each other through its inside at less than `limit`. Shapes that
touch count as one; two that touch in a corner only have width 0 there. A corner sharper than `ignore_angle` is
reported at any limit: it is narrower than anything at its tip.

A run with circles = "analytic" measures circles as such, to the database unit; else by the sides they are drawn with.

Layers: the layer. Limit: the least width, in um; exactly that wide passes.

Options:
    metric: "euclidian" (default) also measures around corners. "projection" measures straight across only: take it
        for the least diameter of round shapes, whose polygons the other one flags below about 354 um at any limit.
    ignore_angle: edges that meet at this angle or more (degrees, default 80) are not compared.

Example:
    [rules."RDL.W.1"]
    check = "width"
    layers = ["rdl"]
    limit = 10.0
    why = "Narrower walls of resist fall over in the plating bath."
    source = "Amkor WLCSP table, rdl.1"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc import circles
from layoutgen.drc.checks import marks, script
from layoutgen.drc.checks.kind import Facing, Kind
from layoutgen.findings import Finding


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Facing) -> list[Finding]:
    arguments = marks.options(options)
    found = marks.of_each(regions[0].merged(), lambda shape: shape.width_check(limit, *arguments))
    return marks.pairs(rule, found, options.metric)


def analytic(rule: str, regions: Sequence[kdb.Region], limit: int, options: Facing) -> list[Finding]:
    layer = circles.recognise(regions[0].merged())
    return check(rule, [layer.rest], limit, options) + circles.too_small(rule, layer, limit)


def words(layers: Sequence[str], limit: str, options: Facing) -> str:
    across = marks.IN_WORDS[options.metric]
    return f"width of {layers[0]} >= {limit}{across}"


def deck(layers: Sequence[str], limit: int, options: Facing) -> list[str]:
    return [f"{layers[0]}.width({script.um(limit)}, {script.facing(options)})"]


KIND = Kind(
    name="width", doc=__doc__, layers=("layer",), limit="positive", options=Facing, check=check, analytic=analytic,
    words=words, deck=deck,
)  # fmt: skip
