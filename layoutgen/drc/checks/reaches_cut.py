"""One net is met by the cut, wherever it runs, and no other is.

Reports each polygon of the first layer that the blade may reach, if its net holds no shape of the second; and each
polygon of the second no conductor of whose net the blade surely cuts. Nets are those that are left once the blade has
taken what it surely takes. What only touches where the blade may be passes.

Layers: conductors, the one net's among them; those of the one net, as ground; what the blade may touch; what it surely
takes. The first two are made of layers of `[connect]`. Limit: none.

Example:
    [rules."WIRING.K.1"]
    check = "reaches_cut"
    layers = ["wiring_all", "ground", "cut_maybe@wiring", "cut_sure@wiring"]
    why = "The metal over the wall of the cut shields what it joins with ground, and shorts all else."
    source = "our judgement"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb
import numpy as np

from layoutgen.drc.checks.kind import Kind, NoOptions
from layoutgen.drc.overall import Bools, Overall, Polygons, of_regions
from layoutgen.findings import Finding


def overall(rule: str, all_of_it: Overall, layers: Sequence[str], limit: int, options: NoOptions) -> list[Finding]:
    maybe, sure = layers[2], layers[3]
    conductors, own = (all_of_it.polygons(name, sure) for name in layers[:2])
    nets, own_nets = all_of_it.nets(layers[:2], sure)
    cut = [_meeting(all_of_it, polygons, sure, area=False) for polygons in (conductors, own)]
    reached = _meeting(all_of_it, conductors, maybe, area=True) | cut[0]
    other = np.zeros(conductors.count, dtype=bool)
    other[conductors.of[~np.isin(nets, own_nets)]] = True
    met = np.concatenate([nets[cut[0][conductors.of]], own_nets[cut[1][own.of]]])
    short = np.zeros(own.count, dtype=bool)
    short[own.of[~np.isin(own_nets, met)]] = True
    return [
        *conductors.found(rule, reached & other, f"the blade may reach it, and it is not joined with {layers[1]}"),
        *own.found(rule, short, f"no {layers[0]} that it is joined with is surely cut"),
    ]


def _meeting(all_of_it: Overall, polygons: Polygons, band: str, *, area: bool) -> Bools:
    """Which polygons meet a layer."""
    out = np.zeros(polygons.count, dtype=bool)
    out[polygons.of[all_of_it.pieces.meetings(polygons.sheet, all_of_it.sheet(band), area=area)[0]]] = True
    return out


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: NoOptions) -> list[Finding]:
    names = ("the conductor", "the one net", "what may be cut", "what is surely cut")
    return overall(rule, of_regions(dict(zip(names, regions, strict=True))), names, limit, options)


def words(layers: Sequence[str], limit: str, options: NoOptions) -> str:
    return f"{layers[0]} joined with {layers[1]} is cut by {layers[3]}, and no other meets {layers[2]}"


KIND = Kind(
    name="reaches_cut", doc=__doc__, layers=("conductors", "the one net", "what may be cut", "what is surely cut"),
    limit="none", options=NoOptions, check=check, words=words, subjects=lambda options: (0,), needed=(2, 3),
    overall=overall, by_net=lambda options: 2,
)  # fmt: skip
