"""Polygons larger than any window, judged as a whole by what the windows see of them.

What adds up (area, corners) is summed over the cores that a polygon crosses. A hole is seen whole by a window unless it
is as large as the polygon.
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb
import numpy as np

from layoutgen.drc.checks import Task
from layoutgen.findings import Finding
from layoutgen.windows import InPlace, Sheet
from layoutgen.windows.arrays import Ints
from layoutgen.windows.components import Components


def passes(job: Task, parts: Components, short: int) -> bool:
    """Whether all polygons of a layer that are longer than `short` keep to a rule whose kind sums up.

    Raises:
        LookupError: the windows cannot tell what belongs together; rounding has made them disagree.
    """
    sums = job.kind.sums
    if sums is None:
        return False
    large = parts.known & ((parts.box[:, 2:] - parts.box[:, :2]).max(axis=1) > short)
    numbers: list[Ints] = []
    whole: list[Ints] = []
    rest: list[np.ndarray] = []
    for k in np.flatnonzero(large).tolist():
        core = parts.view.cores[parts.window[k]] + np.tile(parts.moved[k], 2)
        part = sums.part(parts.polygons[k], kdb.Box(*core.tolist()))
        numbers.append(parts.of(k))
        whole.append(np.full(len(numbers[-1]), int(part // 1), dtype=np.int64))
        rest.append(np.full(len(numbers[-1]), part % 1))
    if not numbers:
        return True
    _, which = np.unique(np.concatenate(numbers), return_inverse=True)
    which = which.reshape(-1)
    totals, rests = np.zeros(which.max() + 1, dtype=np.int64), np.bincount(which, np.concatenate(rest))
    np.add.at(totals, which, np.concatenate(whole))
    totals += np.rint(rests).astype(np.int64)
    return all(sums.passes(total, job.steps, job.options) for total in {*totals.tolist()})


def holes(found: Sequence[Finding], short: int) -> list[Finding]:
    """Of the holes found in windows those up to an extent, which are seen whole by the window that they belong to."""

    def extent(f: Finding) -> int:
        corners = np.array(f.polygon)
        return int((corners.max(axis=0) - corners.min(axis=0)).max())

    return [f for f in found if extent(f) <= short]


def has_long_hole(region: kdb.Region, sheet: Sheet | InPlace, short: int, limit: int) -> bool:
    """Whether a hole too small (limit: of its area) may be longer than `short`, and so not be seen whole.

    The part of it that a window sees is smaller still, lies in its core and ends at the frame.
    """
    view, windows = sheet.view, sheet.windows
    cores = view.cores[windows] + (np.tile(sheet.moved, 2) if isinstance(sheet, Sheet) else 0)
    frames = _boxes(cores + np.array([-1, -1, 1, 1]) * view.halo).merged()
    space = (frames - region).merged(True, 0)  # spaces that meet in a corner only are two
    border = frames.edges()
    small = space.with_area(0, limit, False).interacting(_boxes(cores))
    long = [p for p in small.each() if max(p.bbox().width(), p.bbox().height()) > short]
    return bool(long) or not small.interacting(border).is_empty()


def _boxes(corners: Ints) -> kdb.Region:
    region = kdb.Region()
    for box in corners.tolist():
        region.insert(kdb.Box(*box))
    return region
