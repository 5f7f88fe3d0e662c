"""Places of a lattice as few rectangles of columns and rows: what a layout file stores as arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def rectangles(places: Ints) -> Ints:
    """(n, 2) columns and rows, each place once, as (m, 4): first column, first row, columns, rows.

    Each place lies in exactly one rectangle. Runs along rows that repeat from row to row are one; or runs along columns
    where these come to fewer. Not always the fewest there can be, which nobody finds quickly.
    """
    if not len(places):
        return np.empty((0, 4), dtype=np.int64)
    along, across = _merged(places), _merged(places[:, ::-1])[:, [1, 0, 3, 2]]
    return along if len(along) <= len(across) else across


def _merged(places: Ints) -> Ints:
    column, row = places[np.lexsort((places[:, 0], places[:, 1]))].T
    new = np.ones(len(row), dtype=bool)
    new[1:] = (row[1:] != row[:-1]) | (column[1:] != column[:-1] + 1)
    start = np.flatnonzero(new)
    first, last, rows = column[start], column[np.append(start[1:], len(row)) - 1], row[start]
    order = np.lexsort((rows, last, first))
    first, last, rows = first[order], last[order], rows[order]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (first[1:] != first[:-1]) | (last[1:] != last[:-1]) | (rows[1:] != rows[:-1] + 1)
    start = np.flatnonzero(new)
    high = np.diff(np.append(start, len(rows)))
    return np.column_stack([first[start], rows[start], last[start] - first[start] + 1, high])
