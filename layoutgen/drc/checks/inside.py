"""Shapes of one layer lie inside those of another.

Reports as a polygon whatever of the first layer lies outside the second. Flush edges pass. Where both layers have
slanted edges on one line but with other corner points, rounding may leave slivers of one database unit.

Layers: inner, outer. No limit, no options.

Example:
    [rules."RDL.IN.1"]
    check = "inside"
    layers = ["rdl", "die"]
    why = "Metal beyond the die is cut by the saw."
    source = "SkyWater rdl.5"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import Kind, NoOptions
from layoutgen.findings import Finding


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: NoOptions) -> list[Finding]:
    inner, outer = marks.two(regions)
    return marks.polygons(rule, marks.outside(inner, outer), "lies outside")


def words(layers: Sequence[str], limit: str, options: NoOptions) -> str:
    return f"{layers[0]} inside {layers[1]}"


def deck(layers: Sequence[str], limit: int, options: NoOptions) -> list[str]:
    return [f"{layers[0]} - {layers[1]}"]


KIND = Kind(
    name="inside", doc=__doc__, layers=("inner", "outer"), limit="none", options=NoOptions, check=check,
    words=words, deck=deck,
)  # fmt: skip
