"""How much of each cell of a lattice shapes cover: whatever stands where, areas add up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np
import numpy.typing as npt

Areas = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lattice:
    """Square cells from whole multiples of a step (database units): the first column and row, and how many."""

    x0: int
    y0: int
    columns: int
    rows: int
    step: int


def lattice_over(box: kdb.Box, step: int) -> Lattice:
    """The cells that a box touches."""
    x0, y0 = box.left // step, box.bottom // step
    return Lattice(x0, y0, box.right // step - x0 + 1, box.top // step - y0 + 1, step)


class Shapes:
    """Shapes that do not overlap, whose areas are asked for at several places."""

    def __init__(self, region: kdb.Region) -> None:
        region = region.dup()
        region.merged_semantics = False  # or each step below would merge it
        self._boxes, self._others = _corners(region.rectangles()), region.non_rectangles()

    def areas(self, lattice: Lattice, by: tuple[int, int] = (0, 0)) -> Areas:
        """(columns, rows) twice the area in each cell, in square database units, with all shapes moved by a step.

        Exact for edges at multiples of 45 degrees, and off by half a unit at most along a border of a cell where other
        edges cross it. All of the shapes must come to lie on the lattice.
        """
        step, x0, y0 = lattice.step, lattice.x0, lattice.y0
        out = np.zeros((lattice.columns, lattice.rows), dtype=np.int64)
        boxes = self._boxes + np.tile(by, 2)
        small = (boxes[:, 2:] - boxes[:, :2] <= step).all(axis=1)
        _add_boxes(out, boxes[small], lattice)
        crossing = kdb.Region([kdb.Polygon(kdb.Box(*box)) for box in boxes[~small].tolist()])
        crossing.merged_semantics = False
        for shape in self._others.moved(*by).each():
            box = shape.bbox()
            column, row = box.left // step, box.bottom // step
            if (box.right - 1) // step == column and (box.top - 1) // step == row:
                out[column - x0, row - y0] += shape.area2()
            else:
                crossing.insert(shape)
        for column, row, area in _cut(crossing, lattice):
            out[column, row] += area
        return out


def _add_boxes(out: Areas, boxes: Areas, lattice: Lattice) -> None:
    """Add twice the areas of (n, 4) boxes that are no larger than a cell, so that they lie in four at most."""
    first = boxes[:, :2] // lattice.step
    for by in np.array([(0, 0), (1, 0), (0, 1), (1, 1)]):
        low = np.maximum(boxes[:, :2], (first + by) * lattice.step)
        high = np.minimum(boxes[:, 2:], (first + by + 1) * lattice.step)
        inside = (low < high).all(axis=1)
        column, row = (first[inside] + by - [lattice.x0, lattice.y0]).T
        np.add.at(out, (column, row), 2 * (high - low)[inside].prod(axis=1))


def _corners(boxes: kdb.Region) -> Areas:
    """(n, 4) corners of the extents of shapes."""
    found = (shape.bbox() for shape in boxes.each())
    return np.array([(b.left, b.bottom, b.right, b.top) for b in found], dtype=np.int64).reshape(-1, 4)


def _cut(region: kdb.Region, lattice: Lattice) -> Iterator[tuple[int, int, int]]:
    """Column and row of each cell that shapes reach, and twice their area there."""
    x0, y0, step = lattice.x0, lattice.y0, lattice.step
    bounds = region.bbox()
    if bounds.empty():
        return
    for j in range(bounds.bottom // step - y0, min(lattice.rows, bounds.top // step - y0 + 1)):
        bottom = (y0 + j) * step
        row = region & kdb.Region(kdb.Box(bounds.left, bottom, bounds.right, bottom + step))
        inside = row.bbox()
        if inside.empty():
            continue
        for i in range(inside.left // step - x0, min(lattice.columns, inside.right // step - x0 + 1)):
            left = (x0 + i) * step
            yield i, j, 2 * row.area(kdb.Box(left, bottom, left + step, bottom + step))
