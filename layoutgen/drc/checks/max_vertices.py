"""Greatest number of corners of a polygon.

Reports each polygon, of the merged shapes, with more corners than `limit`, its holes' counted with its own.

Layers: one or more. Limit: the greatest number of corners; exactly that many pass. No options.

Example:
    [rules."RDL.V.1"]
    check = "max_vertices"
    layers = ["rdl"]
    limit = 8191
    why = "Longer outlines do not fit into one record of a GDSII file."
    source = "KLayout forum: 8191 points at most"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import STEPS, Kind, NoOptions, Sums
from layoutgen.findings import Finding


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: NoOptions) -> list[Finding]:
    return [
        marks.polygon(rule, shape, "too many corners", float(shape.num_points()))
        for region in regions
        for shape in region.merged().each()
        if shape.num_points() * STEPS[""] > limit
    ]


def corners(polygon: kdb.Polygon, box: kdb.Box) -> float:
    """How many corners of a polygon lie in a box, whose right and top border belong to others."""
    inner = kdb.Box(box.left, box.bottom, box.right - 1, box.top - 1)
    return float(sum(inner.contains(e.p1) for e in polygon.each_edge()))


def words(layers: Sequence[str], limit: str, options: NoOptions) -> str:
    return f"corners of each {' or '.join(layers)} <= {limit}"


def deck(layers: Sequence[str], limit: int, options: NoOptions) -> list[str]:
    return [f"which({layer}) {{ |shape| shape.num_points > {limit // STEPS['']} }}" for layer in layers]


KIND = Kind(
    name="max_vertices", doc=__doc__, layers=("layer",), limit="positive", options=NoOptions, check=check,
    words=words, deck=deck,
    reach=lambda limit, options: 0.0, whole=True, unit="",
    sums=Sums(part=corners, passes=lambda count, limit, options: count * STEPS[""] <= limit),
)  # fmt: skip
