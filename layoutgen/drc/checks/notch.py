"""Least space between edges of one polygon: across its notches and holes.

Reports each pair of edges of one polygon that face each other through the outside at less than `limit`. Space between
polygons is left alone: `space` measures both. Where plating joins all metal, all of it is one polygon.

Layers: the layer. Limit: the least space, in um; exactly that far passes.

Options:
    metric: "euclidian" (default) also measures from corner to corner, "projection" straight across only, "square"
        beyond the end of an edge as far as away from it.
    ignore_angle: edges at this angle or more to each other (degrees, default 80) are not compared.

Example:
    [rules."PAD.N.1"]
    check = "notch"
    layers = ["pad"]
    limit = 8.4
    why = "Resist in a narrower notch is not exposed to its bottom."
    source = "IHP SG13G2 Pad.bR, the recommended space"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc.checks import marks, script
from layoutgen.drc.checks.kind import Facing, Kind
from layoutgen.findings import Finding


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Facing) -> list[Finding]:
    return marks.pairs(rule, marks.notches(regions[0].merged(), limit, options), options.metric)


def candidates(rule: str, regions: Sequence[kdb.Region], limit: int, options: Facing) -> list[Finding]:
    """What `check` finds where all pieces of the layer turn out to be of one polygon."""
    layer = regions[0].merged()
    return marks.pairs(rule, layer.space_check(limit, *marks.options(options)).each(), options.metric)


def words(layers: Sequence[str], limit: str, options: Facing) -> str:
    across = marks.IN_WORDS[options.metric]
    return f"notches and holes of {layers[0]} >= {limit}{across}"


def deck(layers: Sequence[str], limit: int, options: Facing) -> list[str]:
    return [f"{layers[0]}.notch({script.um(limit)}, {script.facing(options)})"]


KIND = Kind(
    name="notch", doc=__doc__, layers=("layer",), limit="positive", options=Facing, check=check, words=words, deck=deck,
    between=lambda options: "polygon", candidates=candidates,
)  # fmt: skip
