"""Least distance between the shapes of two layers, which may not overlap.

Reports each pair of edges, one of either layer, that face each other at less than `limit`, and as a polygon each place
where the two overlap. At limit 0 they may touch.

A run with circles = "analytic" measures circles as such, to the database unit; else by the sides they are drawn with.

Layers: first, second (the order does not matter). Limit: the least distance, in um; exactly that far passes.

Options:
    between: "any" (default): any two shapes of the two layers. "polygons": shapes that touch or overlap are one
        polygon, within which nothing is measured; so a shape may lie upon its own, and only others must keep away.
    nets: "any" (default); "same": only edges of the same net; "different": only those of two. A net is what conducts
        through the levels of the process's `[connect]` table, over the whole layout; the rule's layers conduct as those
        that they are drawn on.
    after_cut: false (default): nets as drawn; true: those that are left once what is on layer `cut_sure` is taken away;
        or on another reserved layer, by its name.
        Shapes are measured as drawn; where the blade takes an edge, nothing is.
    metric: "euclidian" (default) also measures from corner to corner, "projection" straight across only, "square"
        beyond the end of an edge as far as away from it.
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
from typing import Literal

import klayout.db as kdb
import shapely

from layoutgen.drc import circles, overall
from layoutgen.drc.checks import marks, script
from layoutgen.drc.checks.kind import Facing, InexpressibleError, Kind, Netted
from layoutgen.findings import Finding


class Options(Facing, Netted):
    between: Literal["any", "polygons"] = "any"


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    first, second = marks.two(regions)
    near = marks.apart(first, second, limit, options)
    if options.between == "polygons":
        found = marks.pairs(rule, _of_two(near, (first + second).merged()), options.metric)
    else:
        overlap = marks.overlap(first, second)  # which the check of the edges is silent about
        found = marks.pairs(rule, near.each(), options.metric) + marks.polygons(rule, overlap, "overlap")
    return overall.of_nets(found, [first, second], options)


def analytic(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    if options.between == "polygons" or options.nets != "any":
        return check(rule, regions, limit, options)
    layers = marks.two(regions)
    first, second = (circles.recognise(layer) for layer in layers)
    near = first.rest.edges().separation_check(second.rest.edges(), limit, *marks.options(options))
    overlap = marks.overlap(*layers)
    found = marks.pairs(rule, near.each(), options.metric) + marks.polygons(rule, overlap, "overlap")
    return found + circles.too_near(rule, first, second, limit, options, same=False)


def _of_two(found: kdb.EdgePairs, both: kdb.Region) -> list[kdb.EdgePair]:
    """The pairs whose edges are of different polygons."""
    pairs = list(found.each())
    if not pairs:
        return []
    polygons = shapely.STRtree([_polygon(p) for p in both.each()])
    middles = [shapely.Point((e.x1 + e.x2) / 2, (e.y1 + e.y2) / 2) for p in pairs for e in (p.first, p.second)]
    # the nearest, not the one that covers it: slanted edges that were cut lie beside their polygon by half a unit
    nearest = polygons.nearest(middles).reshape(-1, 2)
    return [pair for pair, (a, b) in zip(pairs, nearest.tolist(), strict=True) if a != b]


def _polygon(shape: kdb.Polygon) -> shapely.Polygon:
    holes = [[(p.x, p.y) for p in shape.each_point_hole(i)] for i in range(shape.holes())]
    return shapely.Polygon([(p.x, p.y) for p in shape.each_point_hull()], holes)


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    across = marks.IN_WORDS[options.metric]
    overlap = " of another polygon" if options.between == "polygons" else ", no overlap"
    return f"separation of {layers[0]} from {layers[1]} >= {limit}{across}{overlap}{overall.in_words(options)}"


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    if options.nets != "any":
        raise InexpressibleError("a deck knows no nets")
    a, b = layers
    near = f"{a}.edges.separation({b}.edges, {script.um(limit)}, {script.facing(options)})"
    if options.between == "polygons":
        return [f"of_two_polygons({near}, {a} | {b})"]
    return [near, f"{a} & {b}"]


KIND = Kind(
    name="separation", doc=__doc__, layers=("first", "second"), limit="not negative", options=Options, check=check,
    analytic=analytic, words=words, deck=deck, subjects=lambda options: (0, 1), between=lambda options: options.between,
    complaint=overall.complaint,
)  # fmt: skip
