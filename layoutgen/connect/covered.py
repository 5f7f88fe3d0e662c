"""How much pieces of a sheet cover together."""

from __future__ import annotations

import klayout.db as kdb
import numpy as np

from layoutgen.connect.pieces import Pieces
from layoutgen.connect.sheets import NONE, Ints, Sheet
from layoutgen.windows.arrays import distinct_rows


def area2(pieces: Pieces, sheet: Sheet) -> int:
    """Twice the area that a sheet's pieces cover together, in square database units.

    Of pieces that overlap the largest counts as a whole, each other one without what larger ones cover of it; that
    is looked at once wherever it is the same. Exact but for slanted edges that cross: crossings lie on the grid.
    """
    times = pieces.times(sheet)
    own = np.array([p.area2() for p in pieces.kinds.polygons], dtype=object)  # sums may exceed 2^63
    total = int((own[times > 0] * times[times > 0].astype(object)).sum())
    i, j = pieces.meetings(sheet, sheet, area=True)
    if not len(i):
        return total
    involved, place = np.unique(np.concatenate([i, j]), return_inverse=True)
    nodes = pieces.some_nodes(sheet, involved)
    i, j = place.reshape(2, -1)
    boxes = pieces.boxes(sheet, nodes)
    size = (boxes[:, 2] - boxes[:, 0]).astype(float) * (boxes[:, 3] - boxes[:, 1])
    swap = (size[j] < size[i]) | ((size[j] == size[i]) & (i < j))
    less, more = np.where(swap, j, i), np.where(swap, i, j)
    seen_from = np.tile(sheet.at[nodes.instance[less]], 2)
    clipped = np.concatenate(
        [np.maximum(boxes[less, :2], boxes[more, :2]), np.minimum(boxes[less, 2:], boxes[more, 2:])], axis=1
    )
    step = np.tile(sheet.at[nodes.instance[more]], 2)
    is_box = pieces.kinds.is_box()
    plain = is_box[nodes.piece[more]]
    what = np.where(plain[:, None], clipped, step) - seen_from
    rows = np.column_stack([nodes.piece[less], np.where(plain, NONE, nodes.piece[more]), what])
    distinct, number = distinct_rows(rows)
    order = np.lexsort((number, less))
    _, begin, count = np.unique(less[order], return_index=True, return_counts=True)
    for many in np.unique(count).tolist():
        sets = number[order][begin[count == many][:, None] + np.arange(many)]
        first, kind = distinct_rows(sets)
        for one, often in zip(first.tolist(), np.bincount(kind).tolist(), strict=True):
            total -= often * _covered(pieces, rows[distinct[sets[one]]])
    return total


def _covered(pieces: Pieces, rows: Ints) -> int:
    """Twice the area of a piece that others cover: (n, 6) the piece, the other one and its step, or a box."""
    cover = kdb.Region()
    for _, other, *where in rows.tolist():
        cover.insert(kdb.Box(*where) if other == NONE else pieces.kinds.polygons[other].moved(*where[:2]))
    own = pieces.kinds.polygons[int(rows[0, 0])]
    return own.area2() - sum(p.area2() for p in (kdb.Region(own) - cover).merged().each())
