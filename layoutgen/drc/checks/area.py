"""Area of the shapes of a layer.

Reports each polygon that is smaller than `limit` or larger than `most`. Holes do not count. Shapes that touch are one
polygon.

Layers: the layer. Limit: the least area, in um2; exactly that much passes. It may be left out where `most` is given.

Options:
    most: the greatest area, in um2; exactly that much passes.

Example:
    [rules."ETCH.A.1"]
    check = "area"
    layers = ["etch"]
    most = 250000.0
    why = "A larger membrane breaks when the wafer is handled."
    source = "IHP SG13G2 layout rules 9.1, LBE"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb
import shapely
from pydantic import Field

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import STEPS, Kind, Sums, in_words
from layoutgen.findings import Finding
from layoutgen.tomlfile import Model
from layoutgen.units import DBU, Um


class Options(Model):
    most: float | None = Field(default=None, gt=0)


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    found = []
    for shape in regions[0].merged().each():
        twice = shape.area2()
        if not passes(twice, limit, options):
            note = "too small" if twice < 2 * limit else "too large"
            asked = None if twice < 2 * limit else options.most
            found.append(marks.polygon(rule, shape, note, round(twice / 2 * DBU**2, 6), asked))
    return found


def passes(twice: int, limit: int, options: Options) -> bool:
    """Whether a polygon of twice an area, in square database units, keeps to the rule."""
    return twice >= 2 * limit and (options.most is None or twice <= 2 * round(options.most * STEPS["um2"]))


def part(polygon: kdb.Polygon, box: kdb.Box) -> float:
    """Twice the area of a polygon within a box, in square database units."""
    at = box.p1
    rings = [[(p.x - at.x, p.y - at.y) for p in polygon.each_point_hull()]]
    rings += [[(p.x - at.x, p.y - at.y) for p in polygon.each_point_hole(k)] for k in range(polygon.holes())]
    shape = shapely.make_valid(shapely.Polygon(rings[0], rings[1:]))  # one that touches itself is well formed to us
    return 2 * float(shape.intersection(shapely.box(0, 0, box.width(), box.height())).area)


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    most = "" if options.most is None else f"<= {in_words(options.most, 'um2')}"
    least = "" if limit == in_words(0.0, "um2") else f">= {limit}"
    return f"area of {layers[0]} {' and '.join(filter(None, (least, most)))}"


def complaint(limit: Um | None, options: Options) -> str:
    if limit is None and options.most is None:
        return "give a limit (the least area), most, or both"
    if limit is not None and options.most is not None and limit > options.most:
        return "the limit (the least area) must not exceed most"
    return ""


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    off = f"shape.area2 < {2 * limit}"
    if options.most is not None:
        off += f" || shape.area2 > {2 * round(options.most * STEPS['um2'])}"
    return [f"which({layers[0]}) {{ |shape| {off} }}"]


KIND = Kind(
    name="area", doc=__doc__, layers=("layer",), limit="optional", options=Options, check=check, words=words, deck=deck,
    reach=lambda limit, options: 0.0, whole=True, sums=Sums(part=part, passes=passes), unit="um2",
    complaint=complaint,
)  # fmt: skip
