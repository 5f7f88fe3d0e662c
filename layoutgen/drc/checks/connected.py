"""Every polygon of a layer is joined with another layer: a current that reaches the one reaches the other.

Reports each polygon of the first layer whose net holds no shape of the second. A net is what conducts through the
levels of the process's `[connect]` table, over the whole layout: metal that touches, and what a level overlaps of the
next one. The rule's layers conduct as the levels that they are drawn on.

Layers: layer, other. Both are made of layers of `[connect]`. Limit: none.

Options:
    after_cut: false (default): as drawn; true: what is on layer `cut_sure` is taken away first, of all layers;
        or the reserved layer that is, as "cut_maybe@frame".

Example:
    [rules."BUS.C.1"]
    check = "connected"
    layers = ["rdl_bus", "rdl_ring"]
    why = "A bus that no current reaches plates nothing."
    source = "Follows from the plating fixture, which touches the ring only"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb
import numpy as np

from layoutgen.drc.checks.kind import AfterCut, Kind, cut_in_words, taken
from layoutgen.drc.overall import Bools, Overall, of_regions
from layoutgen.findings import Finding
from layoutgen.tomlfile import Model


class Options(Model):
    after_cut: AfterCut = False


def overall(rule: str, all_of_it: Overall, layers: Sequence[str], limit: int, options: Options) -> list[Finding]:
    polygons = all_of_it.polygons(layers[0], taken(options.after_cut))
    which = ~joined(all_of_it, layers, taken(options.after_cut))
    return polygons.found(rule, which, f"not joined with {layers[1]}")


def joined(all_of_it: Overall, layers: Sequence[str], cut: str) -> Bools:
    """Which polygons of the first layer are of a net that holds shapes of the second."""
    polygons = all_of_it.polygons(layers[0], cut)
    mine, others = all_of_it.nets(layers, cut)
    out = np.zeros(polygons.count, dtype=bool)
    out[polygons.of[np.isin(mine, others)]] = True
    return out


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    names = ("the first layer", "the second layer")
    return overall(rule, of_regions(dict(zip(names, regions, strict=True))), names, limit, Options())


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    return f"each polygon of {layers[0]} joined with {layers[1]}{cut_in_words(options.after_cut)}"


KIND = Kind(
    name="connected", doc=__doc__, layers=("layer", "other"), limit="none", options=Options, check=check, words=words,
    overall=overall, by_net=lambda options: 2,
)  # fmt: skip
