"""The shapes of a layer near some boxes, found by its items: whatever repeats is searched once."""

from __future__ import annotations

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.windows.arrays import Ints, distinct_rows
from layoutgen.windows.source import Layer

_FULL = 0.5
"""Part of the box around all boxes from which on they are searched as one."""


def shapes_near(layer: Layer, boxes: Ints) -> kdb.Region:
    """All shapes of a layer, as they are drawn, that touch any of (n, 4) boxes; others that are near may be there, too.

    Items that stand alike to a box that touches them are searched once for all of them.
    """
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    if (boxes[:, 2:] - boxes[:, :2]).prod(axis=1, dtype=float).sum() > _FULL * float((high - low).prod(dtype=float)):
        return layer.within(kdb.Box(*low.tolist(), *high.tolist()))
    near = kdb.Layout()
    index, top = near.layer(0, 0), near.create_cell("NEAR")
    around = shapely.box(*boxes.T.astype(float))
    _add_items(layer, boxes, around, near, top)
    shapes = top.shapes(index)
    for x1, y1, x2, y2 in layer.boxes[_touched(layer.trees[1], around)].tolist():
        shapes.insert(kdb.Box(x1, y1, x2, y2))
    if layer.long:
        extents = [(b.left, b.bottom, b.right, b.top) for b in (polygon.bbox() for polygon in layer.long)]
        tree = shapely.STRtree(shapely.box(*np.array(extents, dtype=float).T))
        for k in _touched(tree, around).tolist():
            shapes.insert(layer.long[k])
    found = kdb.Region(top.begin_shapes_rec(index)).flatten()
    found.merged_semantics = False
    return found


def _touched(tree: shapely.STRtree, boxes: npt.NDArray[np.object_]) -> Ints:
    """Positions of what touches any box."""
    found: Ints = np.unique(tree.query(boxes)[1])
    return found


def _add_items(layer: Layer, boxes: Ints, around: npt.NDArray[np.object_], near: kdb.Layout, top: kdb.Cell) -> None:
    """Instances of what boxes touch of items, each distinct part of a content as one cell."""
    items = layer.items
    who, item = layer.trees[0].query(around)
    if not len(item):
        return
    at = np.tile(items.at[item], 2)
    own = items.box[item] - at
    seen = boxes[who] - at
    part = np.concatenate([np.maximum(seen[:, :2], own[:, :2]), np.minimum(seen[:, 2:], own[:, 2:])], axis=1)
    first, which = distinct_rows(part)
    parts = part[first]
    order = np.lexsort((which, item))
    item, which = item[order], which[order]
    distinct, first = np.unique(item, return_index=True)
    cells: dict[tuple[int, int, bytes], int] = {}
    shapes = top.shapes(0)
    for one, seen in zip(distinct.tolist(), np.split(which, first[1:]), strict=True):
        if (single := layer.single(one)) is not None:
            shapes.insert(single.moved(*items.at[one].tolist()))
            continue
        key = int(items.content[one]), int(items.motion[one]), seen.tobytes()
        if key not in cells:
            cells[key] = _part(layer, near, int(one), parts[seen])
        top.insert(kdb.CellInstArray(cells[key], kdb.Trans(*items.at[one].tolist())))


def _part(layer: Layer, near: kdb.Layout, item: int, boxes: Ints) -> int:
    """A new cell with the shapes of an item that touch any of some boxes, seen from its place."""
    cell = near.create_cell("PART")
    shapes = cell.shapes(0)
    content, motion = int(layer.items.content[item]), int(layer.items.motion[item])
    x, y = layer.items.at[item].tolist()
    found = [layer.touching(content, motion, kdb.Box(*box), (x, y)) for box in boxes.tolist()]
    if len(found) == 1:
        shapes.insert(found[0])
    else:
        for polygon in dict.fromkeys(polygon for region in found for polygon in region.each()):
            shapes.insert(polygon)
    return int(cell.cell_index())
