"""Greatest width of the shapes of a layer.

Reports each part of a shape that is wider than `limit` both ways: the parts that a square with longer sides than that
covers, moved about inside the shape. A wire as wide as the limit passes at any length, also where it bends or branches.

Layers: the layer. Limit: the greatest width, in um; exactly that wide passes. No options.

Example:
    [rules."ETCH.W.2"]
    check = "max_width"
    layers = ["etch"]
    limit = 1500.0
    why = "A wider window leaves too thin a membrane without support."
    source = "IHP SG13G2 layout rules 9.1, LBE"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import SQUARE, Kind, NoOptions
from layoutgen.findings import Finding
from layoutgen.units import Um


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: NoOptions) -> list[Finding]:
    layer = regions[0].merged()
    return marks.polygons(rule, marks.wide(layer, limit) & layer, "too wide")


def words(layers: Sequence[str], limit: str, options: NoOptions) -> str:
    return f"width of {layers[0]} <= {limit}"


def reach(limit: Um, options: NoOptions) -> Um:
    return SQUARE * limit


def deck(layers: Sequence[str], limit: int, options: NoOptions) -> list[str]:
    return [f"too_wide({layers[0]}, {limit})"]


KIND = Kind(
    name="max_width", doc=__doc__, layers=("layer",), limit="positive", options=NoOptions, check=check,
    words=words, deck=deck,
    reach=reach,
)  # fmt: skip
