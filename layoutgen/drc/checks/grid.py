"""Corner points lie on a grid.

Reports each corner point, of the merged shapes, whose x or y is no multiple of `limit`. Where slanted edges of
overlapping shapes cross, merging makes new points, which are mask data as well and are checked with the rest.

Layers: one or more. Limit: the grid, in um. No options.

Example:
    [rules."GRID.1"]
    check = "grid"
    layers = ["rdl", "ubm"]
    limit = 0.005
    why = "The mask writer's address unit."
    source = "SkyWater x.1b"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc.checks import marks, script
from layoutgen.drc.checks.kind import Kind, NoOptions
from layoutgen.findings import Finding
from layoutgen.units import Um, dbu


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: NoOptions) -> list[Finding]:
    if limit <= 1:
        return []  # corners lie on whole database units
    off = (pair for region in regions for pair in region.merged().grid_check(limit, limit).each())
    return [Finding(rule, edges=(marks.edge(pair.first),), note="off grid") for pair in off]


def words(layers: Sequence[str], limit: str, options: NoOptions) -> str:
    return f"corners of {', '.join(layers)} on a grid of {limit}"


def reach(limit: Um, options: NoOptions) -> Um:
    return 0.0


def lattice(limit: Um | None, options: NoOptions) -> Um | None:
    return None if limit is None or dbu(limit) <= 1 else limit


def deck(layers: Sequence[str], limit: int, options: NoOptions) -> list[str]:
    return [f"{layer}.ongrid({script.um(limit)})" for layer in layers]


KIND = Kind(
    name="grid", doc=__doc__, layers=("layer*",), limit="positive", options=NoOptions, check=check,
    words=words, deck=deck,
    reach=reach, lattice=lattice,
)  # fmt: skip
