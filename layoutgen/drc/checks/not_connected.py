"""No polygon of a layer is joined with another layer.

Reports each polygon of the first layer whose net holds a shape of the second, wherever both meet. A net is what
conducts through the levels of the process's `[connect]` table, over the whole layout: metal that touches, and what a
level overlaps of the next one. The rule's layers conduct as the levels that they are drawn on.

Layers: layer, other. Both are made of layers of `[connect]`. Limit: none.

Options:
    after_cut: false (default): as drawn; true: what is on layer `cut_sure` is taken away first, of all layers;
        or the reserved layer that is, as "cut_maybe@frame".

Example:
    [rules."SEAL.N.1"]
    check = "not_connected"
    layers = ["seal", "bump"]
    why = "The seal ring is on the chip's ground; a net that touches it is shorted."
    source = "our judgement"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc.checks.connected import Options, joined
from layoutgen.drc.checks.kind import Kind, cut_in_words, taken
from layoutgen.drc.overall import Overall, of_regions
from layoutgen.findings import Finding


def overall(rule: str, all_of_it: Overall, layers: Sequence[str], limit: int, options: Options) -> list[Finding]:
    polygons = all_of_it.polygons(layers[0], taken(options.after_cut))
    return polygons.found(rule, joined(all_of_it, layers, taken(options.after_cut)), f"joined with {layers[1]}")


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    names = ("the first layer", "the second layer")
    return overall(rule, of_regions(dict(zip(names, regions, strict=True))), names, limit, Options())


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    return f"no polygon of {layers[0]} joined with {layers[1]}{cut_in_words(options.after_cut)}"


KIND = Kind(
    name="not_connected", doc=__doc__, layers=("layer", "other"), limit="none", options=Options, check=check,
    words=words, subjects=lambda options: (0, 1), overall=overall, by_net=lambda options: 2,
)  # fmt: skip
