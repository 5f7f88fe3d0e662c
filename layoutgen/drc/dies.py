"""Which die each finding belongs to, so that it is known again wherever a wafer places its die.

A place belongs to the die in which the lower left corner of its marker lies, else to the nearest one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen import gds
from layoutgen.drc.place import extent
from layoutgen.findings import Finding, Report
from layoutgen.pdk import Pdk
from layoutgen.windows.source import Source

Ints = npt.NDArray[np.int64]
Repeats = tuple[tuple[int, int], ...]
DIE = "die"
"""The reserved layer that outlines dies."""


def in_dies(report: Report, layout: kdb.Layout, top: kdb.Cell, pdk: Pdk) -> Report:
    """The report with each finding's `origin`: what stands in several places of dies is one finding for each of them.

    Where nothing is on the reserved layer of dies, it is the report as it was.
    """
    if not report.findings or DIE not in pdk.reserved:
        return report
    boxes = die_boxes(layout, top, pdk)
    if not len(boxes):
        return report
    dies = Dies(boxes)
    return replace(report, results=tuple(replace(r, findings=dies.told_apart(r.findings)) for r in report.results))


def die_boxes(layout: kdb.Layout, top: kdb.Cell, pdk: Pdk, slanted: set[float] | None = None) -> Ints:
    """(n, 4) extents of the outlines of dies: as they are drawn, for dies without a street between touch.

    To `slanted` go the angles, in degrees, of dies that do not lie along the axes.
    """
    index = layout.find_layer(gds.layer_info(pdk, DIE))
    if index is None:
        return np.empty((0, 4), dtype=np.int64)
    source = Source(layout, top, {DIE: index})
    known: dict[tuple[object, ...], npt.NDArray[np.float64]] = {}

    def below(cell: kdb.Cell, motion: kdb.DCplxTrans) -> npt.NDArray[np.float64]:
        key = cell.cell_index(), str(motion)
        if key not in known:
            boxes = [kdb.DBox(shape.bbox()).transformed(motion) for shape in cell.shapes(index).each()]
            if slanted is not None:
                slanted.update(_angles(cell.shapes(index), motion))
            parts = [np.array([(b.left, b.bottom, b.right, b.top) for b in boxes], dtype=float).reshape(-1, 4)]
            for placed in source.below(cell, motion):
                if not placed.cell.bbox(index).empty():
                    inner = below(placed.cell, placed.motion)
                    parts.append((inner[None, :, :] + np.tile(placed.at, 2)[:, None, :]).reshape(-1, 4))
            known[key] = np.concatenate(parts)
        return known[key]

    return np.unique(np.round(below(top, kdb.DCplxTrans())).astype(np.int64), axis=0)


def _angles(outlines: kdb.Shapes, motion: kdb.DCplxTrans) -> Iterator[float]:
    """The angles in degrees of outlines none of whose edges lie along the axes."""
    for shape in outlines.each():
        edges = [kdb.DEdge(e).transformed(motion) for e in (shape.polygon or kdb.Polygon()).each_edge()]
        if edges and min(min(abs(e.dx()), abs(e.dy())) for e in edges) > 1:
            e = max(edges, key=lambda e: e.length())
            yield round(math.degrees(math.atan2(e.dy(), e.dx())) % 90, 3)


class Dies:
    """Where dies are: (n, 4) distinct boxes in database units, one at least, sorted."""

    def __init__(self, boxes: Ints) -> None:
        self.boxes = boxes
        self._x, self._y = np.unique(boxes[:, 0]), np.unique(boxes[:, 1])
        # the die of each pair of left and lower border; -1: none. Of several the last one, which is the largest.
        self._at = np.full((len(self._x), len(self._y)), -1, dtype=np.int64)
        columns, rows = np.searchsorted(self._x, boxes[:, 0]), np.searchsorted(self._y, boxes[:, 1])
        self._at[columns, rows] = np.arange(len(boxes))
        self._tree = shapely.STRtree(shapely.box(*boxes.T.astype(float)))
        self._steps: dict[int, Ints] = {}
        self._shared: dict[tuple[int, bytes], Repeats] = {}
        self._kept: list[Repeats] = []

    def told_apart(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """The findings with their dies, split where their places differ relative to these; sorted as a rule's are."""
        found = [part for f in findings for part in self._parts(f)]
        return tuple(sorted(found, key=lambda f: (f.edges, f.polygon)))

    def origins(self, points: Ints) -> Ints:
        """(n, 2) lower left corners of the dies that (n, 2) points belong to.

        Of dies that are equally near it is the one farthest to the right, and of these the uppermost: what lies on a
        border that two of them share is of the one whose lower left border it is.
        """
        column = np.searchsorted(self._x, points[:, 0], side="right") - 1
        row = np.searchsorted(self._y, points[:, 1], side="right") - 1
        die = np.where((column < 0) | (row < 0), -1, self._at[column, row])
        beyond = (points > self.boxes[die, 2:]).any(axis=1) | (die < 0)
        if beyond.any():
            die[beyond] = self._nearest(points[beyond])
        origin: Ints = self.boxes[die, :2]
        return origin

    def _nearest(self, points: Ints) -> Ints:
        """Numbers of the dies that (n, 2) points are nearest to; of equally near ones the last."""
        at = np.asarray(shapely.points(points.astype(float)))
        (first, _), far = self._tree.query_nearest(at, all_matches=False, return_distance=True)
        least = np.zeros(len(at))
        least[first] = far
        which, near = self._tree.query(at, predicate="dwithin", distance=least + 1)
        # distances are rounded: who is nearest is decided in whole numbers
        low, high, point = self.boxes[near, :2], self.boxes[near, 2:], points[which]
        squares: Ints = (np.maximum(np.maximum(low - point, point - high), 0) ** 2).sum(axis=1)
        order = np.lexsort((-near, squares, which))
        _, best = np.unique(which[order], return_index=True)
        nearest: Ints = near[order][best]
        return nearest

    def _parts(self, f: Finding) -> Iterator[Finding]:
        """A finding as one for each place relative to a die."""
        low = np.array(extent(f)[:2], dtype=np.int64)
        steps = self._steps_of(f.repeats)
        seen = self.origins(low + steps) - steps  # where the die's corner would be if all stood at the first place
        if (seen == seen[0]).all():
            yield replace(f, origin=(int(seen[0, 0]), int(seen[0, 1])))
            return
        _, first, which = np.unique(seen, axis=0, return_index=True, return_inverse=True)
        which = which.reshape(-1)
        for k in np.argsort(first).tolist():
            mine = which == k
            dx, dy = steps[first[k]].tolist()
            x, y = seen[first[k]].tolist()
            yield replace(moved(f, dx, dy), origin=(x + dx, y + dy), repeats=self._some(f.repeats, mine))

    def _steps_of(self, repeats: Repeats) -> Ints:
        if id(repeats) not in self._steps:
            self._kept.append(repeats)  # so that no other one gets its id
            self._steps[id(repeats)] = np.array(((0, 0), *repeats), dtype=np.int64)
        return self._steps[id(repeats)]

    def _some(self, repeats: Repeats, mine: npt.NDArray[np.bool_]) -> Repeats:
        """Of all places some, seen from the first of them; findings that had theirs in common still have."""
        key = id(repeats), mine.tobytes()
        if key not in self._shared:
            steps = self._steps_of(repeats)[mine]
            self._shared[key] = tuple((x, y) for x, y in (steps[1:] - steps[0]).tolist())
        return self._shared[key]


def moved(f: Finding, dx: int, dy: int) -> Finding:
    """The finding's marker and die elsewhere."""
    edges = tuple((a + dx, b + dy, c + dx, d + dy) for a, b, c, d in f.edges)
    polygon = tuple((x + dx, y + dy) for x, y in f.polygon)
    return replace(f, edges=edges, polygon=polygon, origin=(f.origin[0] + dx, f.origin[1] + dy))


def some_places(f: Finding, mine: npt.NDArray[np.bool_]) -> Finding:
    """The finding at some of its places, one at least: those of a mask over the first and each further one."""
    steps = np.array(((0, 0), *f.repeats), dtype=np.int64)[mine]
    repeats = tuple((x, y) for x, y in (steps[1:] - steps[0]).tolist())
    return replace(moved(f, *steps[0].tolist()), repeats=repeats)
