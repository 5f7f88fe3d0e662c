"""Least width of the overlap wherever shapes of two layers meet.

Reports each pair of edges that bound the common part of both layers at less than `limit`, and each place where the
two touch without overlapping. Shapes that do not meet are left alone unless `required`.

Layers: first, second. Limit: the least width of the overlap, in um; exactly that much passes.

Options:
    required: true: each shape of the first layer must overlap one of the second (default false).
    metric: "euclidian" (default) also measures around corners; "projection" straight across only, for round overlaps.
    ignore_angle: edges that meet at this angle or more (degrees, default 80) are not compared. A wire that crosses a
        slanted edge leaves a sharp corner, narrower than any limit at its tip; a smaller angle here lets it pass.

Example:
    [rules."TIE.O.1"]
    check = "overlap"
    layers = ["rdl_tie", "rdl"]
    limit = 10.0
    why = "A tie that merely touches its wire carries no plating current."
    source = "our judgement: the least width of a wire"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc.checks import marks, script
from layoutgen.drc.checks.kind import Facing, Kind
from layoutgen.findings import Finding

POINT = 4
"""How long (database units) the two edges are together that KLayout gives for a touch in a point."""


class Options(Facing):
    required: bool = False


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    first, second = marks.two(regions)
    common = (first & second).merged()
    arguments = marks.options(options)
    narrow = marks.of_each(common, lambda shape: shape.width_check(limit, *arguments))
    touching = first.edges().overlap_check(second.edges(), 1, *arguments)
    found = marks.pairs(rule, narrow, options.metric)
    found += [f for f in marks.pairs(rule, touching.each(), options.metric) if _outside(f, common)]
    if options.required:
        found += marks.polygons(rule, first.not_interacting(common), "overlaps nothing")
    return found


def _outside(touch: Finding, common: kdb.Region) -> bool:
    """Whether a place where edges touch is no corner of an overlap, where its width is measured already.

    Where they run along each other from such a corner on, they touch beside the overlap.
    """
    first, second = (kdb.Edge(*e) for e in touch.edges)
    # each by itself: together, what runs to and fro cancels out
    beside = sum(kdb.Edges([e]).outside_part(common).length() for e in (first, second))
    if first.is_parallel(second) and beside > POINT:
        return True
    return kdb.Edges([first, second]).interacting(common).is_empty()


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    needed = f", each {layers[0]} overlaps" if options.required else ""
    return f"overlap of {layers[0]} with {layers[1]} >= {limit} where they meet{needed}"


def subjects(options: Options) -> tuple[int, ...]:
    return (0,) if options.required else (0, 1)


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    a, b = layers
    common, arguments = f"({a} & {b})", script.facing(options)
    found = [
        f"{common}.width({script.um(limit)}, {arguments})",
        f"not_meeting({a}.edges.overlap({b}.edges, {script.um(1)}, {arguments}), {common})",
    ]
    return [*found, f"{a}.not_interacting({common})"] if options.required else found


KIND = Kind(
    name="overlap", doc=__doc__, layers=("first", "second"), limit="positive", options=Options, check=check,
    words=words, deck=deck, subjects=subjects, whole=lambda options: options.required,
)  # fmt: skip
