"""How high a structure stands over its least width: posts that bend, resist walls that fall, holes that do not fill.

Reports each pair of edges of one polygon that face each other through its inside with a width w that makes
`height` / w greater than `limit`. Shapes that touch count as one. For a gap instead of a line, name a derived layer.

A run with circles = "analytic" measures circles as such, to the database unit; else by the sides they are drawn with.

Layers: the layer. Limit: the largest ratio of height to width, a plain number; exactly that much passes.

Options:
    height: in um, or in the process's file as an expression over its stack, which is computed when the file is read:
        "level.NAME.thickness + level.NAME.thickness".
    metric: "projection" (default) measures straight across, which is the least diameter of round shapes; "euclidian"
        also measures around corners, and finds fault with any finely cut circle.
    ignore_angle: edges that meet at this angle or more (degrees, default 80) are not compared.

Example:
    [rules."VIA.AR.1"]
    check = "aspect_ratio"
    layers = ["via"]
    limit = 3.0
    height = 100.0
    why = "Deeper holes are not wetted to the bottom, and plate with a void."
    source = "our judgement"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import klayout.db as kdb

from layoutgen.drc import circles
from layoutgen.drc.checks import marks, script
from layoutgen.drc.checks.kind import Facing, InexpressibleError, Kind, Metric
from layoutgen.findings import Finding
from layoutgen.tomlfile import PositiveUm
from layoutgen.units import DBU, Um, dbu


class Options(Facing):
    height: PositiveUm
    metric: Metric = "projection"


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    height = dbu(options.height)
    ratio = limit * DBU  # limits come in thousandths
    arguments = marks.options(options)
    # rounded up, so that nothing is lost; what is found is then compared exactly
    widest = -(-height * 1000 // limit)
    narrow = marks.of_each(regions[0].merged(), lambda shape: shape.width_check(widest, *arguments))
    found = []
    for finding in marks.pairs(rule, narrow, options.metric):
        width = (finding.measured or 0.0) / DBU
        if width * ratio < height - 1e-6:
            shown = f"{round(width * DBU, 3):g} um wide, {options.height:g} um high"
            found.append(replace(finding, measured=round(height / width, 6) if width else None, note=shown))
    return found


def analytic(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    layer = circles.recognise(regions[0].merged())
    found = check(rule, [layer.rest], limit, options)
    for finding in circles.too_small(rule, layer, dbu(options.height) * 1000 / limit):
        diameter = finding.measured or DBU
        note = f"{diameter:g} um across, {options.height:g} um high"
        found.append(replace(finding, measured=round(options.height / diameter, 6), note=note))
    return found


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    return f"height of {layers[0]}, {options.height:g} um, over its least width <= {limit}"


def reach(limit: Um, options: Options) -> Um:
    return options.height / limit


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    if options.metric == "square":
        raise InexpressibleError("a deck does not measure aspect ratios with the metric square")
    height = dbu(options.height)
    narrow = f"{layers[0]}.width({script.um(-(-height * 1000 // limit))}, {script.facing(options)})"
    straight = script.true(options.metric == "projection")
    return [f"slimmer({narrow}, {height}, {script.number(limit * DBU)}, {straight})"]


KIND = Kind(
    name="aspect_ratio", doc=__doc__, layers=("layer",), limit="positive", options=Options, check=check,
    analytic=analytic, words=words, deck=deck, reach=reach, unit="",
)  # fmt: skip
