"""Whether boxes all stand apart, so that what they hold need not be merged to know what is one shape."""

from __future__ import annotations

import numpy as np

from layoutgen.windows.arrays import Ints

MOST_IN_A_ROW = 64
"""Boxes beyond the next ones, in rows as high as the highest, that are looked at before giving up."""


def all_apart(boxes: Ints) -> bool:
    """Whether no two of (n, 4) boxes touch, and each has an area; False also where some are so large that it takes
    long to find out."""
    if (boxes[:, 2:] <= boxes[:, :2]).any():
        return False
    height = int((boxes[:, 3] - boxes[:, 1]).max(initial=0)) + 1
    first, last = boxes[:, 1] // height, boxes[:, 3] // height  # each is in two rows at most
    which = np.concatenate([np.arange(len(boxes)), np.flatnonzero(last > first)])
    row = np.concatenate([first, last[last > first]])
    order = np.lexsort((boxes[which, 0], row))
    row, sorted_boxes = row[order], boxes[which[order]]
    for ahead in range(1, MOST_IN_A_ROW + 1):
        a, b = sorted_boxes[:-ahead], sorted_boxes[ahead:]
        beside = (row[:-ahead] == row[ahead:]) & (b[:, 0] <= a[:, 2])
        if not beside.any():
            return True
        a, b = a[beside], b[beside]
        if ((a[:, 1] <= b[:, 3]) & (b[:, 1] <= a[:, 3])).any():
            return False
    return False
