"""Shapes of one layer lie outside those of another.

Reports as a polygon whatever the two have in common. They may touch.

Layers: layer, other (the order does not matter). No limit, no options.

Example:
    [rules."DUMMY.O.1"]
    check = "outside"
    layers = ["dummy", "seal"]
    why = "Metal over the seal ring leads cracks into the die."
    source = "SkyWater rdl.4, which keeps all metal 15 away"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import Kind, NoOptions
from layoutgen.findings import Finding


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: NoOptions) -> list[Finding]:
    first, second = marks.two(regions)
    return marks.polygons(rule, marks.overlap(first, second), "lies inside")


def words(layers: Sequence[str], limit: str, options: NoOptions) -> str:
    return f"{layers[0]} outside {layers[1]}"


def deck(layers: Sequence[str], limit: int, options: NoOptions) -> list[str]:
    return [f"{layers[0]} & {layers[1]}"]


KIND = Kind(
    name="outside", doc=__doc__, layers=("layer", "other"), limit="none", options=NoOptions, check=check,
    words=words, deck=deck,
    subjects=lambda options: (0, 1),
)  # fmt: skip
