"""What lies in the holes of which polygons, of all of a layout at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen.drc.overall import Alike, Bools, Polygons
from layoutgen.windows.arrays import Ints


@dataclass(frozen=True)
class Hole:
    """A hole of polygons that look alike: its outline, (n, 2) where it is, and whose it is."""

    outline: kdb.Polygon
    at: Ints
    numbers: Ints


def holes_of(ring: Alike) -> list[Hole]:
    """The holes of polygons that look alike."""
    polygon = ring.polygon
    return [Hole(kdb.Polygon(list(polygon.each_point_hole(k))), ring.at, ring.numbers) for k in range(polygon.holes())]


def within(holes: Iterable[Hole], inner: Polygons, some: Bools | None = None) -> Iterator[tuple[Hole, Ints, Ints]]:
    """Of each hole, at which of its places which polygons lie in it, wherever it is clear that these cross no outline.

    some: of those of the polygons only.
    """
    alike = list(inner.alike(some))
    if not alike:
        for hole in holes:
            yield hole, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        return
    number = np.concatenate([each.numbers for each in alike])
    # twice, so that the middle of a shape one unit wide is a whole number
    at = np.concatenate([2 * each.at + _inside(each.polygon) for each in alike])
    tree = shapely.STRtree(np.asarray(shapely.points(at.astype(float))))
    for hole in holes:
        box = hole.outline.bbox()
        low = 2 * (hole.at + np.array([box.left, box.bottom]))
        high = 2 * (hole.at + np.array([box.right, box.top]))
        which, point = tree.query(shapely.box(*np.concatenate([low, high], axis=1).T.astype(float)))
        if len(which) and not hole.outline.is_box():
            seen = at[point] - 2 * hole.at[which]
            shape = shapely.Polygon([(2 * p.x, 2 * p.y) for p in hole.outline.each_point_hull()])
            shapely.prepare(shape)
            hit = shapely.intersects_xy(shape, *seen.T.astype(float))
            which, point = which[hit], point[hit]
        yield hole, which, number[point]


def _inside(polygon: kdb.Polygon) -> Ints:
    """Twice a point inside of a polygon."""
    part = max(polygon.decompose_trapezoids(), key=lambda p: p.area2())
    y = part.bbox().bottom + part.bbox().top
    sides = [e for e in part.each_edge() if e.y1 != e.y2 and min(e.y1, e.y2) * 2 <= y <= max(e.y1, e.y2) * 2]
    xs = [2 * e.x1 + (e.x2 - e.x1) * (y - 2 * e.y1) / (e.y2 - e.y1) for e in sides]
    return np.array([round((min(xs) + max(xs)) / 2), y], dtype=np.int64)
