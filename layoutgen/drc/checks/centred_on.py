"""Shapes of one layer stand centred on shapes of another.

Reports each shape of the first layer whose centre lies more than `limit` from the centre of every shape of the second.
Centres are those of the bounding boxes; shapes that touch are one. Works on points: the outlines do not matter.

Layers: layer, target. Limit: how far the centres may be apart, in um; exactly that far passes, 0 asks for the same
point. No options.

Example:
    [rules."UBM.C.1"]
    check = "centred_on"
    layers = ["ubm", "pi2"]
    limit = 0.001
    why = "A ball that stands off its opening's centre leans when it melts."
    source = "our judgement"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import Kind, NoOptions
from layoutgen.findings import Finding
from layoutgen.units import DBU


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: NoOptions) -> list[Finding]:
    layer = regions[0].merged()
    # in half units, so that every centre is a whole number
    centres, targets = marks.twice_centres(layer), marks.twice_centres(regions[1].merged())
    near = np.zeros(len(centres), dtype=bool)
    off = np.full(len(centres), np.inf)
    if len(targets) and len(centres):
        tree = shapely.STRtree([shapely.Point(x, y) for x, y in targets.tolist()])
        found = tree.query_nearest(shapely.points(centres), all_matches=False)
        apart = ((centres[found[0]] - targets[found[1]]) ** 2).sum(axis=1)
        near[found[0]] = apart <= (2 * limit) ** 2
        off[found[0]] = np.sqrt(apart) / 2 * DBU
    return [
        marks.polygon(rule, shape, "off centre", round(float(by), 6) if by < np.inf else None)
        for shape, good, by in zip(layer.each(), near, off, strict=True)
        if not good
    ]


def words(layers: Sequence[str], limit: str, options: NoOptions) -> str:
    return f"centre of {layers[0]} within {limit} of a centre of {layers[1]}"


def deck(layers: Sequence[str], limit: int, options: NoOptions) -> list[str]:
    return [f"off_centre({layers[0]}, {layers[1]}, {limit})"]


KIND = Kind(
    name="centred_on", doc=__doc__, layers=("layer", "target"), limit="not negative", options=NoOptions, check=check,
    words=words, deck=deck, whole=True, also_whole=(1,),
)  # fmt: skip
