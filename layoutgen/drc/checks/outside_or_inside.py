"""Shapes lie well outside those of another layer or well inside them, never on their border or near it.

Reports each pair of edges, one of either layer, that are less than `limit` apart where the first lies outside the
second, or less than `inside` where it lies inside, and each stretch of the second's border under the first.

Layers: layer, other. Limit: the least distance outside, in um; at 0 they may touch. Exactly that far passes.

Options:
    inside: by how much the other layer must stand out beyond what lies in it, in um; at 0 they may be flush.
    metric: "euclidian" (default) also measures from corner to corner, "projection" straight across only, "square"
        beyond the end of an edge as far as away from it.
    ignore_angle: edges at this angle or more to each other (degrees, default 80) are not compared.

Example:
    [rules."RDL.O.1"]
    check = "outside_or_inside"
    layers = ["rdl", "pi2"]
    limit = 10.0
    inside = 15.0
    why = "A wire over the edge of an opening breaks at the step."
    source = "judgement"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc.checks import marks, script
from layoutgen.drc.checks.kind import Facing, Kind, um
from layoutgen.findings import Finding
from layoutgen.tomlfile import NonNegativeUm
from layoutgen.units import DBU, Um, dbu


class Options(Facing):
    inside: NonNegativeUm


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    layer, other = marks.two(regions)
    arguments = marks.options(options)
    # each judged by where it lies: what is inside one shape of the other layer may be near the outside of its next
    outside, inside = (layer - other).merged(), (layer & other).merged(False, 1)
    beside = outside.edges().separation_check(other.edges(), limit, *arguments)
    within = inside.enclosed_check(other, dbu(options.inside), *arguments, shielded=False)
    crossed = other.edges().inside_part(layer)
    found = marks.pairs(rule, beside.each(), options.metric)
    found += marks.pairs(rule, within.each(), options.metric, options.inside)
    return found + [Finding(rule, edges=(marks.edge(e),), note="across the border") for e in crossed.each()]


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    across = marks.IN_WORDS[options.metric]
    return f"{layers[0]} outside {layers[1]} by >= {limit} or inside by >= {um(options.inside)}{across}"


def reach(limit: Um, options: Options) -> Um:
    return max(limit, options.inside)


def complaint(limit: Um | None, options: Options) -> str:
    if abs(options.inside / DBU - round(options.inside / DBU)) > 1e-4:
        return f"inside = {options.inside!r} um is not a whole number of database units ({DBU} um)"
    return ""


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    a, b = layers
    arguments = script.facing(options)
    return [
        f"({a} - {b}).edges.separation({b}.edges, {script.um(limit)}, {arguments})",
        f"({a} & {b}).merged.enclosed({b}, {script.um(dbu(options.inside))}, transparent, {arguments})",
        f"{b}.edges.inside_part({a})",
    ]


KIND = Kind(
    name="outside_or_inside", doc=__doc__, layers=("layer", "other"), limit="not negative", options=Options,
    check=check, words=words, deck=deck, reach=reach, complaint=complaint, subjects=lambda options: (0, 1),
)  # fmt: skip
