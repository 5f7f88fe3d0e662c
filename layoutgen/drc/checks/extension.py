"""By how much the shapes of a layer extend beyond those of another where they cross their border.

Reports each pair of edges, one of the layer's and one of the other's border under it, that are less than `limit`
apart, and each stretch where a shape ends just at the border. What ends inside the other layer, or lies outside it,
does not cross and is left alone.

Layers: layer, other. Limit: the least extension, in um; exactly that much passes.

Options:
    metric: "euclidian" (default) also measures from corner to corner, "projection" straight across only, "square"
        beyond the end of an edge as far as away from it.
    ignore_angle: edges at this angle or more to each other (degrees, default 80) are not compared.

Example:
    [rules."BEAM.X.1"]
    check = "extension"
    layers = ["beam", "etch"]
    limit = 100.0
    why = "A beam is anchored beyond the window over which it hangs."
    source = "judgement"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc.checks import marks, script
from layoutgen.drc.checks.kind import Facing, Kind
from layoutgen.findings import Finding


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Facing) -> list[Finding]:
    layer, other = marks.two(regions)
    edges, border = layer.edges(), other.edges()
    under = border.inside_part(layer)
    near = edges.enclosing_check(under, limit, *marks.options(options))
    # both lie on the same side of it, and so their common part does, too
    flush = ((edges & border) & (layer & other).merged().edges()).merged()
    return marks.pairs(rule, near.each(), options.metric) + [
        Finding(rule, edges=(marks.edge(e),), measured=0.0, note="ends at the border") for e in flush.each()
    ]


def words(layers: Sequence[str], limit: str, options: Facing) -> str:
    across = marks.IN_WORDS[options.metric]
    return f"extension of {layers[0]} beyond {layers[1]} >= {limit} where it crosses{across}"


def deck(layers: Sequence[str], limit: int, options: Facing) -> list[str]:
    a, b = layers
    under = f"{b}.edges.inside_part({a})"
    return [
        f"{a}.edges.enclosing({under}, {script.um(limit)}, {script.facing(options)})",
        f"(({a}.edges & {b}.edges) & ({a} & {b}).merged.edges).merged",
    ]


KIND = Kind(
    name="extension", doc=__doc__, layers=("layer", "other"), limit="positive", options=Facing, check=check,
    words=words, deck=deck, subjects=lambda options: (0, 1),
)  # fmt: skip
