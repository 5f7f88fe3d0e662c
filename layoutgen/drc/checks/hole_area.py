"""Least area of the holes in the shapes of a layer.

Reports each hole that is smaller than `limit`, marked by its outline. What stands in a hole is not taken off its area.

Layers: the layer. Limit: the least area, in um2; exactly that much passes. No options.

Example:
    [rules."RDL.H.1"]
    check = "hole_area"
    layers = ["rdl"]
    limit = 100.0
    why = "A post of resist that stands alone falls over in the plating bath."
    source = "judgement: a square of the least space, SkyWater wlcsp, Amkor rdl_500.2"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import Kind, NoOptions
from layoutgen.findings import Finding
from layoutgen.units import DBU


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: NoOptions) -> list[Finding]:
    holes = regions[0].merged().holes()
    holes.merged_semantics = False  # one that stands in a hole of another's has a hole of its own
    return [
        marks.polygon(rule, hole, "hole too small", round(hole.area2() / 2 * DBU**2, 6))
        for hole in holes.each()
        if hole.area2() < 2 * limit
    ]


def words(layers: Sequence[str], limit: str, options: NoOptions) -> str:
    return f"area of holes in {layers[0]} >= {limit}"


def deck(layers: Sequence[str], limit: int, options: NoOptions) -> list[str]:
    return [f"holes_where({layers[0]}) {{ |hole| hole.area2 < {2 * limit} }}"]


KIND = Kind(
    name="hole_area", doc=__doc__, layers=("layer",), limit="positive", options=NoOptions, check=check,
    words=words, deck=deck,
    reach=lambda limit, options: 0.0, whole=True, holes=True, unit="um2",
)  # fmt: skip
