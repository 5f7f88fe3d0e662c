"""Contact sheets: the windows of a view side by side, far apart, so that one run over a sheet checks them all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np

from layoutgen.windows.arrays import Ints
from layoutgen.windows.frame import Gathered, around, gather, known_as_merged, pictures
from layoutgen.windows.source import Source
from layoutgen.windows.view import View

MOST = 2_000_000_000
"""Extent of a sheet, in database units: layout libraries wrap around beyond 2^31."""
AT_ONCE = 100_000
"""Corners of a layout, about, from which on windows that are looked at where they stand are looked at in parts."""
APART = 4
"""Halos between windows."""


@dataclass(frozen=True)
class Sheet:
    """Some windows of a view.

    windows: their numbers there. moved: (n, 2) by how much each has been moved. Slots of size `pitch` stand in
    `columns`, the first one with its lower left corner at `first`.
    """

    view: View
    windows: Ints
    moved: Ints
    first: Ints
    pitch: Ints
    columns: int
    layout: kdb.Layout

    def region(self, layer: str) -> kdb.Region:
        """What the windows see of a layer."""
        top = self.layout.top_cell()
        index = self.layout.find_layer(kdb.LayerInfo(layer))
        return kdb.Region() if index is None else known_as_merged(kdb.Region(top.begin_shapes_rec(index)))

    def slots(self, points: Ints) -> Ints:
        """Positions in `windows` of the windows that (n, 2) points of the sheet belong to."""
        column, row = ((points - self.first) // self.pitch).T
        slots: Ints = np.clip(row * self.columns + column, 0, len(self.windows) - 1)
        return slots


@dataclass(frozen=True)
class InPlace:
    """Some windows of a view, seen together where they stand."""

    source: Source
    view: View
    windows: Ints

    def gathered(self, layer: str) -> Gathered:
        """What the windows see of a layer, as it is drawn."""
        frames = _stacked(self.view.cores[self.windows]) + np.array([-1, -1, 1, 1]) * self.view.halo
        return gather(self.source, layer, frames, self.view.halo // 2)

    def region(self, layer: str) -> kdb.Region:
        """What the windows see of a layer."""
        return self.gathered(layer).merged()


def _stacked(boxes: Ints) -> Ints:
    """Boxes that stand on each other, as wide as each other, as one."""
    boxes = boxes[np.lexsort((boxes[:, 1], boxes[:, 2], boxes[:, 0]))]
    first = np.ones(len(boxes), dtype=bool)
    first[1:] = (boxes[1:, [0, 2, 1]] != boxes[:-1, [0, 2, 3]]).any(axis=1)
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(boxes)) - 1
    return np.concatenate([boxes[starts, :3], boxes[ends, 3:]], axis=1)


@dataclass(frozen=True)
class Near:
    """What stands within (n, 4) frames, seen together where it stands; edges up to `margin` are cut like others."""

    source: Source
    frames: Ints
    margin: int

    def region(self, layer: str) -> kdb.Region:
        """What the frames show of a layer."""
        return around(self.source, layer, self.frames, self.margin)


class Pictures:
    """Pictures of a source's windows, each taken once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._known: dict[tuple[str, int, int, int], list[kdb.Polygon]] = {}

    def of(self, layer: str, view: View, windows: Ints) -> tuple[Ints, list[list[kdb.Polygon]]]:
        """Which picture each of some windows shows of a layer; and the pictures, from the corner of a core."""
        seen, first, shown = np.unique(view.signature(layer)[windows], return_index=True, return_inverse=True)
        keys = [(layer, view.halo, *view.sight(layer, window)) for window in windows[first].tolist()]
        new = [k for k, key in enumerate(keys) if seen[k] and key not in self._known]
        cores = view.cores[windows[first]][new]
        taken = pictures(self.source, layer, cores + np.array([-1, -1, 1, 1]) * view.halo, view.halo // 2)
        for k, (x, y), picture in zip(new, cores[:, :2].tolist(), taken, strict=True):
            self._known[keys[k]] = [polygon.moved(-x, -y) for polygon in picture]
        return shown.reshape(-1), [self._known.get(key, []) for key in keys]


def lay_out(taken: Pictures, view: View, lattice: int = 0, only: Ints | None = None) -> Iterator[Sheet | InPlace]:
    """Windows of a view: on as many sheets as it takes, or seen where they stand.

    lattice: step of a grid through (0, 0) that windows keep their place in; 0: none. only: numbers of the windows to
    lay out; None: all.
    """
    laid, there = view.in_place()
    if only is not None:
        laid, there = laid[np.isin(laid, only)], there[np.isin(there, only)]
    part = len(there) / max(1, sum(len(like) for level in view.levels for like in level.like))
    layers = view.layers if len(laid) else taken.source.layers  # then the same parts for any layers
    parts = round(taken.source.corners(layers) * part / AT_ONCE)
    for some in _parts(view, there, parts) if len(there) else ():
        yield InPlace(taken.source, view, some)
    if not len(laid):
        return
    shown = {layer: taken.of(layer, view, laid) for layer in view.layers}
    extent = kdb.Box(0, 0, 1, 1)
    for _, distinct in shown.values():
        for picture in distinct:
            for polygon in picture:
                extent += polygon.bbox()
    step = max(1, lattice)
    low = np.array([extent.left, extent.bottom]) - APART * view.halo // 2
    size = np.array([extent.width(), extent.height()]) + APART * view.halo + step
    pitch = -(-size // step) * step
    most = np.maximum(1, MOST // pitch)
    for start in range(0, len(laid), int(most.prod())):
        here = np.arange(start, min(len(laid), start + int(most.prod())))
        windows = laid[here]
        columns = int(
            min(most[0], max(1, round(float(np.sqrt(len(windows) * pitch[1] / pitch[0]))), -(-len(windows) // most[1])))
        )
        rows = -(-len(windows) // columns)
        slot = np.stack([np.arange(len(windows)) % columns, np.arange(len(windows)) // columns], axis=1)
        first = -(np.array([columns, rows]) * pitch // (2 * step)) * step
        corner = view.cores[windows, :2]
        at = first + slot * pitch + -(low // step) * step + (corner % step if lattice else 0)
        layout = _layout(shown, here, at)
        yield Sheet(view, windows, at - corner, first, pitch, columns, layout)


def _parts(view: View, windows: Ints, number: int) -> Iterator[Ints]:
    """About so many parts of windows: whole columns, or parts of one each, as what stands around several is more."""
    _, column = np.unique(view.cores[windows, 0], return_inverse=True)
    order = np.argsort(column.reshape(-1), kind="stable")
    columns = np.split(windows[order], np.flatnonzero(np.diff(column.reshape(-1)[order])) + 1)
    if number <= len(columns):
        for some in np.array_split(np.arange(len(columns)), max(1, number)):
            yield np.concatenate([columns[k] for k in some.tolist()])
        return
    for one in columns:
        yield from np.array_split(one, min(len(one), -(-number // len(columns))))


def _layout(shown: dict[str, tuple[Ints, list[list[kdb.Polygon]]]], here: Ints, at: Ints) -> kdb.Layout:
    """The pictures of some windows, each layer's where its window has come to stand."""
    layout = kdb.Layout()
    top = layout.create_cell("SHEET")
    for name, (which, distinct) in shown.items():
        index = layout.layer(kdb.LayerInfo(name))
        cells: dict[int, int] = {}
        for number, (x, y) in zip(which[here].tolist(), at.tolist(), strict=True):
            if not distinct[number]:
                continue
            if number not in cells:
                cell = layout.create_cell(f"{name}_{number}")
                cells[number] = cell.cell_index()
                for polygon in distinct[number]:
                    cell.shapes(index).insert(polygon)
            top.insert(kdb.CellInstArray(cells[number], kdb.Trans(x, y)))
    return layout
