"""Arrays of whole numbers and of others, and which of their rows are equal."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]


def distinct_rows(rows: Ints) -> tuple[Ints, Ints]:
    """Positions of the first of each kind of equal rows, and the number of its kind for each row.

    By numbers mixed from each row, compared in full; kinds come in no order that means anything.
    """
    mixed = np.zeros(len(rows), dtype=np.uint64)
    for column in rows.T:
        mixed = (mixed ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    order = np.argsort(mixed, kind="stable")
    new = np.ones(len(rows), dtype=bool)
    new[1:] = mixed[order[1:]] != mixed[order[:-1]]
    if (rows[order[1:]] != rows[order[:-1]]).any(axis=1)[~new[1:]].any():
        order = np.lexsort(rows.T[::-1])
        new[1:] = (rows[order[1:]] != rows[order[:-1]]).any(axis=1)
    number = np.empty(len(rows), dtype=np.int64)
    number[order] = np.cumsum(new) - 1
    return order[new], number
