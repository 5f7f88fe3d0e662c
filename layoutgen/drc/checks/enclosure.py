"""By how much the shapes of an outer layer stand out beyond those of an inner one.

Reports each pair of edges, one of the inner and one of the outer shape, that are less than `limit` apart, and as a
polygon whatever of the inner layer lies outside the outer one: it sticks out, or there is no outer shape at all.
At limit 0 the two may be flush.

A run with circles = "analytic" measures circles as such, to the database unit; else by the sides they are drawn with.

Layers: inner, outer. Limit: the least enclosure, in um; exactly that much passes.

Options:
    sides: "all" (default), or "opposite": of an upright rectangle it is enough if two opposite sides are enclosed by
        `limit`, and the other two may be flush. Other inner shapes need it on all sides.
    metric: "euclidian" (default) also measures from corner to corner, "projection" straight across only, "square"
        beyond the end of an edge as far as away from it.
    ignore_angle: edges at this angle or more to each other (degrees, default 80) are not compared.

Example:
    [rules."UBM.EN.1"]
    check = "enclosure"
    layers = ["pi2", "ubm"]
    limit = 15.0
    why = "The metal must seal the opening in the polymer."
    source = "Amkor WLCSP table, ubm.3"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import klayout.db as kdb

from layoutgen.drc import circles
from layoutgen.drc.checks import marks, script
from layoutgen.drc.checks.kind import Facing, Kind
from layoutgen.findings import Finding


class Options(Facing):
    sides: Literal["all", "opposite"] = "all"


FILTERS = {
    "all": kdb.Region.NoRectFilter,
    "opposite": kdb.Region.RectFilter(kdb.Region.OneSideAllowed.to_i() | kdb.Region.TwoOppositeSidesAllowed.to_i()),
}
"""On which sides of a rectangle less is allowed."""


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    inner, outer = marks.two(regions)
    near = inner.enclosed_check(
        outer, limit, *marks.options(options), shielded=False, rect_filter=FILTERS[options.sides]
    )
    out = marks.outside(inner, outer)  # which the check of the edges is silent about
    return marks.pairs(rule, near.each(), options.metric) + marks.polygons(rule, out, "sticks out")


def analytic(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    if options.sides == "opposite":  # rectangles are let off some sides, and so judged as KLayout does
        shapes = list(regions[0].merged().each())
        rectangles, others = (kdb.Region([p for p in shapes if p.is_box() is upright]) for upright in (True, False))
        found = check(rule, [rectangles, regions[1]], limit, options)
        return found + analytic(rule, [others, regions[1]], limit, options.model_copy(update={"sides": "all"}))
    layers = marks.two(regions)
    inner, outer = (circles.recognise(layer) for layer in layers)
    near = inner.rest.enclosed_check(outer.rest, limit, *marks.options(options), shielded=False)
    out = (layers[0] - circles.within_circles(inner, outer)) - layers[1]
    found = marks.pairs(rule, near.each(), options.metric) + marks.polygons(rule, out, "sticks out")
    return found + circles.too_shallow(rule, inner, outer, limit, options)


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    across = marks.IN_WORDS[options.metric]
    sides = " on two opposite sides at least" if options.sides == "opposite" else ""
    return f"enclosure of {layers[0]} by {layers[1]} >= {limit}{sides}{across}"


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    a, b = layers
    sides = "" if options.sides == "all" else ", one_side_allowed, two_opposite_sides_allowed"
    return [f"{a}.enclosed({b}, {script.um(limit)}, transparent, {script.facing(options)}{sides})", f"{a} - {b}"]


KIND = Kind(
    name="enclosure", doc=__doc__, layers=("inner", "outer"), limit="not negative", options=Options, check=check,
    analytic=analytic, words=words, deck=deck, whole=lambda options: options.sides == "opposite",
)  # fmt: skip
