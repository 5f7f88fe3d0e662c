"""How much of each cell of a lattice shapes cover: whatever stands where, areas add up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress

import klayout.db as kdb
import numpy as np
import numpy.typing as npt

Areas = npt.NDArray[np.int64]
MOST_PARTS = 256
"""Of a ground, up to which it is faster to compare extents than to cut all shapes."""


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


@dataclass(frozen=True, eq=False)
class Shapes:
    """Shapes of a merged layer, whose areas are asked for at several places.

    boxes: (n, 4) those that are boxes. others: those that are not, with (m, 4) extents and twice the area of each.
    """

    boxes: Areas
    others: Sequence[kdb.Polygon]
    extents: Areas
    twice: Areas

    @classmethod
    def of(cls, region: kdb.Region) -> Shapes:
        """Those of a merged region."""
        region = region.dup()
        region.merged_semantics = False  # or each step below would merge it
        others = [*region.non_rectangles().each()]
        twice = np.array([shape.area2() for shape in others], dtype=np.int64)
        return cls(_corners(region.rectangles().each()), others, _corners(others), twice)

    def is_empty(self) -> bool:
        """Whether there are none."""
        return not len(self.boxes) and not self.others

    def within(self, ground: kdb.Region) -> Shapes:
        """What of them lies within a merged layer: those in a box of it stay as they are, and only others are cut."""
        parts = [*ground.decompose_trapezoids_to_region().each()]
        if len(parts) > MOST_PARTS:
            return Shapes.of(_region(self.boxes, self.others) & ground)
        full, all_of_it = _corners(part for part in parts if part.is_box()), _corners(parts)
        inside, met = _in_any(self.boxes, full), _meet_any(self.boxes, all_of_it)
        whole, touched = _in_any(self.extents, full), _meet_any(self.extents, all_of_it)
        crossing = [self.others[k] for k in np.flatnonzero(touched & ~whole).tolist()]
        cut = Shapes.of(_region(self.boxes[met & ~inside], crossing) & ground)
        return Shapes(
            np.concatenate([self.boxes[inside], cut.boxes]),
            [*compress(self.others, whole.tolist()), *cut.others],
            np.concatenate([self.extents[whole], cut.extents]),
            np.concatenate([self.twice[whole], cut.twice]),
        )

    def areas(self, lattice: Lattice, by: tuple[int, int] = (0, 0)) -> Areas:
        """(columns, rows) twice the area in each cell, in square database units, with all shapes moved by a step.

        Exact for edges at multiples of 45 degrees, and off by half a unit at most along a border of a cell where other
        edges cross it. All of the shapes must come to lie on the lattice.
        """
        step, first = lattice.step, np.array([lattice.x0, lattice.y0])
        out = np.zeros((lattice.columns, lattice.rows), dtype=np.int64)
        boxes, extents = self.boxes + np.tile(by, 2), self.extents + np.tile(by, 2)
        small = (boxes[:, 2:] - boxes[:, :2] <= step).all(axis=1)
        _add_boxes(out, boxes[small], lattice)
        cell = extents[:, :2] // step
        inside = ((extents[:, 2:] - 1) // step == cell).all(axis=1)
        np.add.at(out, tuple((cell[inside] - first).T), self.twice[inside])
        crossing = [self.others[k].moved(*by) for k in np.flatnonzero(~inside).tolist()]
        for column, row, area in _cut(_region(boxes[~small], crossing), lattice):
            out[column, row] += area
        return out


def _region(boxes: Areas, others: Iterable[kdb.Polygon]) -> kdb.Region:
    """Shapes that do not overlap as a region."""
    region = kdb.Region([*(kdb.Polygon(kdb.Box(*box)) for box in boxes.tolist()), *others])
    region.merged_semantics = False
    return region


def _in_any(boxes: Areas, parts: Areas) -> npt.NDArray[np.bool_]:
    """Which of (n, 4) boxes lie in one of (m, 4)."""
    inside = np.zeros(len(boxes), dtype=bool)
    for part in parts:
        inside |= ((boxes[:, :2] >= part[:2]) & (boxes[:, 2:] <= part[2:])).all(axis=1)
    return inside


def _meet_any(boxes: Areas, parts: Areas) -> npt.NDArray[np.bool_]:
    """Which of (n, 4) boxes have an area in common with one of (m, 4)."""
    met = np.zeros(len(boxes), dtype=bool)
    for part in parts:
        met |= ((boxes[:, :2] < part[2:]) & (boxes[:, 2:] > part[:2])).all(axis=1)
    return met


def _add_boxes(out: Areas, boxes: Areas, lattice: Lattice) -> None:
    """Add twice the areas of (n, 4) boxes that are no larger than a cell, so that they lie in four at most."""
    first = boxes[:, :2] // lattice.step
    for by in np.array([(0, 0), (1, 0), (0, 1), (1, 1)]):
        low = np.maximum(boxes[:, :2], (first + by) * lattice.step)
        high = np.minimum(boxes[:, 2:], (first + by + 1) * lattice.step)
        inside = (low < high).all(axis=1)
        column, row = (first[inside] + by - [lattice.x0, lattice.y0]).T
        np.add.at(out, (column, row), 2 * (high - low)[inside].prod(axis=1))


def _corners(shapes: Iterable[kdb.Polygon]) -> Areas:
    """(n, 4) corners of the extents of shapes."""
    found = (shape.bbox() for shape in shapes)
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
