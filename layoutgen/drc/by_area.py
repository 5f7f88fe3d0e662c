"""Rules on areas over a whole layout: what windows cover of the cells of a lattice adds up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import klayout.db as kdb
import numpy as np

from layoutgen.drc.checks import Task
from layoutgen.drc.flat import Flat
from layoutgen.drc.lattice import Areas, Lattice, Shapes, lattice_over
from layoutgen.findings import Finding
from layoutgen.units import dbu
from layoutgen.windows import InPlace, Sheet
from layoutgen.windows.arrays import Ints

Covered: TypeAlias = tuple[Ints, Ints]
"""Numbers of the cells, of each region one after the other, that something lies in, and twice its area there."""
MOST = 4_000_000
"""Cells of a lattice at most."""


def lattice_of(job: Task, extent: kdb.Box) -> Lattice | None:
    """The cells that all of a layout touches; None: there are too many, or a rule asks for none."""
    step = dbu(job.lattice or 0.0)
    if job.kind.by_area is None or step < 1 or extent.empty():
        return None
    lattice = lattice_over(extent, step)
    return lattice if lattice.columns * lattice.rows <= MOST else None


def covered(job: Task, lattice: Lattice, sheet: Sheet | InPlace, flat: Flat) -> Covered:
    """How much the regions that a rule measures cover of each cell.

    Of what the windows of a sheet show in their cores, wherever their like stand.
    """
    assert job.kind.by_area is not None  # noqa: S101  there is a lattice
    regions = [flat.region(layer) for layer in job.layers]
    total = np.zeros((len(regions), lattice.columns, lattice.rows), dtype=np.int64)
    for where, box, places in _cores(sheet):
        for out, shapes in zip(total, job.kind.by_area[0](regions, where), strict=True):
            _add(out, lattice, shapes, box, places)
    some = np.flatnonzero(total)  # few, of a piece
    return some, total.ravel()[some]


def judge(job: Task, lattice: Lattice, parts: Iterable[Covered]) -> list[Finding]:
    """What breaks a rule, from what all sheets together cover."""
    assert job.kind.by_area is not None  # noqa: S101  there is a lattice
    total = np.zeros((len(job.layers), lattice.columns, lattice.rows), dtype=np.int64)
    for cells, areas in parts:
        total.reshape(-1)[cells] += areas
    return job.kind.by_area[1](job.rule, lattice, [*total], job.options)


def _cores(sheet: Sheet | InPlace) -> Iterator[tuple[kdb.Region, kdb.Box, Ints]]:
    """Parts of a sheet: what they are cut to, their extent, and (n, 2) steps to all the places where they stand."""
    view, cores = sheet.view, sheet.view.cores[sheet.windows]
    moved = sheet.moved if isinstance(sheet, Sheet) else np.zeros((len(cores), 2), dtype=np.int64)
    places = [view.places(window) - by for window, by in zip(sheet.windows.tolist(), moved, strict=True)]
    once = [k for k, steps in enumerate(places) if len(steps) == 1 and not steps.any()]
    if once:  # they stand where they are seen, and touch none but each other
        yield _part([kdb.Box(*cores[k].tolist()) for k in once], np.zeros((1, 2), dtype=np.int64))
    for k in sorted(set(range(len(places))) - set(once)):
        yield _part([kdb.Box(*(cores[k] + np.tile(moved[k], 2)).tolist())], places[k])


def _part(boxes: Sequence[kdb.Box], places: Ints) -> tuple[kdb.Region, kdb.Box, Ints]:
    region = kdb.Region([kdb.Polygon(box) for box in boxes])
    return region, region.bbox(), places


def _add(out: Areas, lattice: Lattice, shapes: Shapes, box: kdb.Box, places: Ints) -> None:
    """Add the areas of shapes at all places; those at which the lattice lies alike are of the same numbers."""
    if shapes.is_empty():
        return
    step = lattice.step
    phases, which = np.unique(places % step, axis=0, return_inverse=True)
    for number, (dx, dy) in enumerate(phases.tolist()):
        here = lattice_over(box.moved(dx, dy), step)
        part = shapes.areas(here, (dx, dy))
        first = (places[which.reshape(-1) == number] - (dx, dy)) // step + (here.x0 - lattice.x0, here.y0 - lattice.y0)
        for x, y in first.tolist():
            left, low = max(0, -x), max(0, -y)
            inside = out[x + left : x + here.columns, y + low : y + here.rows]
            inside += part[left : left + inside.shape[0], low : low + inside.shape[1]]
