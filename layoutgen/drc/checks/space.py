"""Least space between the shapes of a layer, and across their notches and holes.

Reports each pair of edges that face each other through the outside at less than `limit`, whether they belong to one
polygon or to two: on a plated wafer all metal is one polygon, joined by the bus. Shapes that touch in a corner only
are reported with space 0; shapes that touch along an edge are one shape.

A run with circles = "analytic" measures circles as such, to the database unit; else by the sides they are drawn with.

Layers: the layer. Limit: the least space, in um; exactly that far passes.

Options:
    between: "any" (default and only one so far): any two edges that face each other.
    metric: "euclidian" (default) also measures from corner to corner, "projection" straight across only.
    ignore_angle: edges at this angle or more to each other (degrees, default 80) are not compared.

Example:
    [rules."RDL.S.1"]
    check = "space"
    layers = ["rdl_all"]
    limit = 10.0
    why = "Resist walls narrower than this fall over in the plating bath."
    source = "Amkor WLCSP table, rdl.2"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb
from pydantic import field_validator

from layoutgen.drc import circles
from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import Facing, Kind
from layoutgen.findings import Finding


class Options(Facing):
    between: str = "any"

    @field_validator("between")
    @classmethod
    def _known(cls, value: str) -> str:
        if value in ("polygons", "nets"):
            raise ValueError('is not known yet; only "any" is')
        if value != "any":
            raise ValueError('must be "any"')
        return value


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    layer = regions[0].merged()
    arguments = marks.options(options)
    # together these two find what `space_check` finds, 20 times faster on large polygons and without its gaps on
    # finely cut circles
    found: list[kdb.EdgePair] = list(layer.isolated_check(limit, *arguments).each())
    found += marks.of_each(layer, lambda shape: shape.notch_check(limit, *arguments))
    return marks.pairs(rule, found, options.metric)


def analytic(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    layer = circles.recognise(regions[0].merged())
    found = check(rule, [layer.rest], limit, options)
    return found + circles.too_near(rule, layer, layer, limit, options, same=True)


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    across = ", straight across" if options.metric == "projection" else ""
    return f"space of {layers[0]} >= {limit}{across}"


KIND = Kind(
    name="space", doc=__doc__, layers=("layer",), limit="positive", options=Options, check=check, analytic=analytic,
    words=words,
)  # fmt: skip
