"""Least distance of the shapes of a layer from centre to centre.

Reports each two polygons whose bounding boxes have their centres less than `limit` apart, marked by the line from
centre to centre. Shapes that touch are one polygon. Works on points: the shapes' own outlines do not matter, nor does
the die that they stand on: across the street the outermost shapes of two neighbouring dies keep the pitch, too.

Layers: the layer. Limit: the least pitch, in um; exactly that far passes. No options.

Example:
    [rules."BALL.P.1"]
    check = "pitch"
    layers = ["ball"]
    limit = 500.0
    why = "The board has its lands at this pitch."
    source = "Amkor WLCSP table, bump.2"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb
import numpy as np

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import Kind, NoOptions
from layoutgen.findings import Finding
from layoutgen.units import DBU


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: NoOptions) -> list[Finding]:
    twice = marks.twice_centres(regions[0].merged())
    # 1 more than the limit, so that rounding inside the search loses nothing; what it finds is then compared exactly
    first, second = marks.near(twice, 2 * limit + 1)
    a, b = twice[first], twice[second]
    apart = ((a - b) ** 2).sum(axis=1)
    found = []
    for i in np.flatnonzero(apart < (2 * limit) ** 2):
        (x1, y1), (x2, y2) = sorted([(a[i] // 2).tolist(), (b[i] // 2).tolist()])
        found.append(Finding(rule, edges=((x1, y1, x2, y2),), measured=round(float(np.sqrt(apart[i])) / 2 * DBU, 6)))
    return found


def words(layers: Sequence[str], limit: str, options: NoOptions) -> str:
    return f"pitch of {layers[0]} >= {limit} from centre to centre"


def deck(layers: Sequence[str], limit: int, options: NoOptions) -> list[str]:
    return [f"pitch_below({layers[0]}, {limit})"]


KIND = Kind(
    name="pitch", doc=__doc__, layers=("layer",), limit="positive", options=NoOptions, check=check,
    words=words, deck=deck,
    whole=True,
)  # fmt: skip
