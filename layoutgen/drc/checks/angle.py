"""Edges run at multiples of 90 or 45 degrees only.

Reports each edge, of the merged shapes, that runs at another angle. Exact: an edge of 45 degrees has the same length
in x and in y, to the database unit.

Layers: one or more. No limit.

Options:
    step: 45 (default) or 90, in degrees.

Example:
    [rules."DIE.A.1"]
    check = "angle"
    layers = ["die"]
    step = 90
    why = "A blade saws straight."
    source = "follows from the saw"
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import klayout.db as kdb

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import Kind
from layoutgen.findings import Finding
from layoutgen.tomlfile import Model


class Options(Model):
    step: Literal[45, 90] = 45


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    allowed = kdb.Edges.OrthoEdges if options.step == 90 else kdb.Edges.OrthoDiagonalEdges
    off = (e for region in regions for e in region.merged().edges().with_angle(allowed, True).each())
    return [Finding(rule, edges=(marks.edge(e),), measured=_degrees(e), note="angle") for e in off]


def _degrees(e: kdb.Edge) -> float:
    """From the x axis, from 0 to below 180."""
    return round(math.degrees(math.atan2(e.dy(), e.dx())) % 180, 6)


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    return f"edges of {', '.join(layers)} at multiples of {options.step} degrees"


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    allowed = "ortho" if options.step == 90 else "diagonal"
    return [f"{layer}.edges.without_angle({allowed})" for layer in layers]


KIND = Kind(
    name="angle", doc=__doc__, layers=("layer*",), limit="none", options=Options, check=check, words=words, deck=deck,
    reach=lambda limit, options: 0.0, unit="degrees",
)  # fmt: skip
