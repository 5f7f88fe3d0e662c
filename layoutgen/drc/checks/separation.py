"""Least distance between the shapes of two layers, which may not overlap.

Reports each pair of edges, one of either layer, that face each other at less than `limit`, and as a polygon each place
where the two overlap. At limit 0 they may touch.

A run with circles = "analytic" measures circles as such, to the database unit; else by the sides they are drawn with.

Layers: first, second (the order does not matter). Limit: the least distance, in um; exactly that far passes.

Options:
    metric: "euclidian" (default) also measures from corner to corner, "projection" straight across only.
    ignore_angle: edges at this angle or more to each other (degrees, default 80) are not compared.

Example:
    [rules."PI.S.1"]
    check = "separation"
    layers = ["pi1", "pi2"]
    limit = 25.0
    why = "The lower opening must be closed before the upper one begins."
    source = "Amkor WLCSP table, pi2.3"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc import circles
from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import Facing, Kind
from layoutgen.findings import Finding


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Facing) -> list[Finding]:
    first, second = marks.two(regions)
    # edges, not regions: beside one polygon with tens of thousands of corners, as a wafer's bus is, 20 times faster
    near = first.edges().separation_check(second.edges(), limit, *marks.options(options))
    overlap = first & second  # which the check of the edges is silent about
    return marks.pairs(rule, near.each(), options.metric) + marks.polygons(rule, overlap, "overlap")


def analytic(rule: str, regions: Sequence[kdb.Region], limit: int, options: Facing) -> list[Finding]:
    layers = marks.two(regions)
    first, second = (circles.recognise(layer) for layer in layers)
    near = first.rest.edges().separation_check(second.rest.edges(), limit, *marks.options(options))
    found = marks.pairs(rule, near.each(), options.metric) + marks.polygons(rule, layers[0] & layers[1], "overlap")
    return found + circles.too_near(rule, first, second, limit, options, same=False)


def words(layers: Sequence[str], limit: str, options: Facing) -> str:
    across = ", straight across" if options.metric == "projection" else ""
    return f"separation of {layers[0]} from {layers[1]} >= {limit}{across}, no overlap"


KIND = Kind(
    name="separation", doc=__doc__, layers=("first", "second"), limit="not negative", options=Facing, check=check,
    analytic=analytic, words=words, subjects=lambda options: (0, 1),
)  # fmt: skip
