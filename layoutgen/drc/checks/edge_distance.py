"""Distance of shapes to the edge of the die, or of another boundary, from inside.

Reports each pair of edges, one of the shape and one of the boundary around it, that are less than `limit` apart, and
as a polygon whatever lies outside. A boundary that is a ring (a seal) counts with all it surrounds: distances are to
its outer edge. Boundaries that touch each other are one. An empty boundary layer fails the rule: nothing was measured.
The boundary is any closed outline: the die, its seal, the street's, or the part of the wafer that no cut touches, as a
derived layer (`wafer - cut_maybe`), from whose outer edges distances to the cuts around each die are measured.

Layers: layer, boundary. Limit: the least distance, in um; exactly that far passes.

Options:
    measure: "edge" (default) measures from the shapes' edges, "centre" from the centres of their bounding boxes.
    outside: "finding" (default) reports what lies outside every boundary; "ignore" leaves alone what lies wholly
        outside, as a bus in the street does; what crosses the boundary is reported all the same.

Example:
    [rules."UBM.D.1"]
    check = "edge_distance"
    layers = ["ubm", "die"]
    limit = 195.0
    measure = "centre"
    why = "The ball needs silicon under it on all sides."
    source = "Amkor WLCSP table, ubm.6"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen.drc.checks import marks, script
from layoutgen.drc.checks.kind import Facing, Kind
from layoutgen.findings import Finding
from layoutgen.tomlfile import Model
from layoutgen.units import DBU

FEW = 1000
"""Polygons up to which to pick those near the boundary takes as long as to check them."""


class Options(Model):
    measure: Literal["edge", "centre"] = "edge"
    outside: Literal["finding", "ignore"] = "finding"


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    layer, boundary = marks.two([regions[0], regions[1].merged().hulls()])
    if options.measure == "centre":
        return _from_centres(rule, layer, boundary, limit, options)
    layer = _not_far_inside(layer, boundary, limit)
    outside = kdb.Region()
    if options.outside == "ignore":
        layer = (layer & boundary).merged()  # what crosses is cut flush with the boundary: distance 0, reported
    else:
        outside = layer - boundary
    near = layer.enclosed_check(boundary, limit, *marks.options(Facing()), shielded=False)
    return marks.pairs(rule, near.each()) + marks.polygons(rule, outside, "outside")


def _not_far_inside(layer: kdb.Region, boundary: kdb.Region, limit: int) -> kdb.Region:
    """The polygons that are not wholly farther inside of a boundary than the limit; of few all."""
    if layer.count() <= FEW:
        return layer
    inside = boundary.sized(-(limit + limit // 2 + 2))  # more than enough, however corners are sized
    around = (layer.bbox() + boundary.bbox()).enlarged(2, 2)
    strips = (kdb.Region(around) - inside).decompose_trapezoids_to_region()
    return layer.interacting(kdb.Region([kdb.Polygon(strip.bbox()) for strip in strips.each()]))


def _from_centres(rule: str, layer: kdb.Region, boundary: kdb.Region, limit: int, options: Options) -> list[Finding]:
    shapes = list(layer.each())
    if not shapes:
        return []
    # in half units, so that every centre is a whole number
    centres = shapely.points(marks.twice_centres(layer))
    outlines = [marks.outline(p) for p in boundary.each()]
    inside = np.zeros(len(shapes), dtype=bool)
    inside[shapely.STRtree(outlines).query(centres, predicate="covered_by")[0]] = True
    edges = [shapely.LineString(2 * np.array(marks.edge(e)).reshape(2, 2)) for e in boundary.edges().each()]
    tree = shapely.STRtree(edges)
    (index, _), apart = tree.query_nearest(centres, return_distance=True, all_matches=False)
    least = np.empty(len(shapes))
    least[index] = apart
    found = []
    for shape, within, distance in zip(shapes, inside, least, strict=True):
        if within and distance < 2 * limit - 1e-3:  # the library's rounding, far below the grid
            measured = round(float(distance) / 2 * DBU, 6)
            found.append(marks.polygon(rule, shape, "centre too near the boundary", measured))
        elif not within and options.outside == "finding":
            found.append(marks.polygon(rule, shape, "centre outside"))
    return found


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    what = f"centre of {layers[0]}" if options.measure == "centre" else layers[0]
    ignored = ", what lies wholly outside ignored" if options.outside == "ignore" else ""
    return f"distance of {what} to the edge of {layers[1]} >= {limit}{ignored}"


def complaint(limit: float | None, options: Options) -> str:
    if limit == 0 and options.outside == "ignore":
        return 'with outside = "ignore" the limit must be greater than 0, or nothing could be found'
    return ""


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    a, b = layers[0], f"{layers[1]}.hulls.merged"
    ignore = options.outside == "ignore"
    if options.measure == "centre":
        return [f"centres_near_edge({a}, {layers[1]}, {limit}, {script.true(not ignore)})"]
    inner = f"({a} & {b}).merged" if ignore else a
    near = f"{inner}.enclosed({b}, {script.um(limit)}, transparent, {script.facing(Facing())})"
    return [near] if ignore else [near, f"{a} - {b}"]


KIND = Kind(
    name="edge_distance", doc=__doc__, layers=("layer", "boundary"), limit="not negative", options=Options,
    check=check, words=words, deck=deck, needed=(1,), hulls=True, complaint=complaint,
    whole=lambda options: options.measure == "centre",
)  # fmt: skip
