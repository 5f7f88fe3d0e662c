"""A part of a layout that can be looked at anywhere: what some windows see, the rules, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import klayout.db as kdb
import numpy as np

from layoutgen import memory
from layoutgen.drc.checks import Task, task
from layoutgen.drc.checks.kind import Circles
from layoutgen.drc.flat import Flat
from layoutgen.findings import Finding
from layoutgen.pdk import Pdk
from layoutgen.windows import Gathered, InPlace, Sheet

Judged: TypeAlias = tuple[list[Finding], bool]
"""What breaks a rule, and whether polygons were left out that are too large for windows."""


@dataclass(frozen=True)
class Asked:
    """A rule to be run: its id, the layers that windows show for it, and the extent up to which they do so whole."""

    rule: str
    layers: tuple[str, ...]
    short: int


@dataclass(frozen=True)
class Unit:
    """What some windows see, as bytes that go to other machines; and what is asked of it."""

    pdk: Pdk
    asked: tuple[Asked, ...]
    circles: Circles
    layers: tuple[str, ...]
    shapes: bytes
    """A layout (OASIS) whose layer k/0 is the k-th of these: a file takes no name with a space in it."""
    frames: Mapping[str, tuple[bytes, int, bool]] | None
    """By layer, what else `Gathered` has of shapes that have yet to be merged; None: they are merged."""


def pack(sheet: Sheet | InPlace, drawn: Sequence[str], pdk: Pdk, asked: Sequence[Asked], circles: Circles) -> Unit:
    """Some windows as a unit. drawn: the layers that they show."""
    layout = kdb.Layout(False)
    top = layout.create_cell("UNIT")
    frames: dict[str, tuple[bytes, int, bool]] | None = None if isinstance(sheet, Sheet) else {}
    for number, name in enumerate(drawn):
        shapes = top.shapes(layout.layer(number, 0))
        if isinstance(sheet, Sheet):
            shapes.insert(sheet.region(name))
        else:
            gathered = sheet.gathered(name)
            shapes.insert(gathered.shapes)
            assert frames is not None  # noqa: S101
            frames[name] = gathered.frames.astype(np.int64).tobytes(), gathered.margin, gathered.apart
    options = kdb.SaveLayoutOptions()
    options.format, options.oasis_compression_level = "OASIS", 0
    return Unit(pdk, tuple(asked), circles, tuple(drawn), layout.write_bytes(options), frames)


def look_at(unit: Unit) -> dict[str, Judged | str]:
    """What breaks each rule in a unit, or why that could not be found out."""
    layout = kdb.Layout(False)
    layout.read_bytes(unit.shapes, kdb.LoadLayoutOptions())

    def fetch(layer: str) -> kdb.Region:
        index = layout.find_layer(unit.layers.index(layer), 0)  # a layer that no unit was asked for is an error
        if index is None:
            return kdb.Region()
        shapes = kdb.Region(layout.top_cell().begin_shapes_rec(index))
        if unit.frames is None:
            return shapes.merged()
        shapes.merged_semantics = False
        frames, margin, apart = unit.frames[layer]
        return Gathered(shapes, np.frombuffer(frames, dtype=np.int64).reshape(-1, 4), margin, apart).merged()

    flat = Flat(unit.pdk, fetch)
    out: dict[str, Judged | str] = {}
    for asked in unit.asked:
        try:
            job = task(asked.rule, unit.pdk.rules[asked.rule])
            out[asked.rule] = judge(job, [flat.region(layer) for layer in asked.layers], asked.short, unit.circles)
        except Exception as e:  # whatever went wrong in one rule must not hide what the others say
            out[asked.rule] = memory.reason(e)
    return out


def judge(job: Task, regions: list[kdb.Region], short: int, circles: Circles) -> Judged:
    """What breaks a rule in what windows show; of a rule for whole polygons, in those that are small enough."""
    any_large = False
    for k in () if job.kind.holes else positions_of_whole(job):
        regions[k], large = _small(regions[k], short)
        any_large |= large
    return job.run(regions, circles), any_large


def positions_of_whole(job: Task) -> tuple[int, ...]:
    """The layers, by position, whose polygons a rule takes as a whole."""
    return (0, *job.kind.also_whole) if job.whole else ()


def _small(region: kdb.Region, most: int) -> tuple[kdb.Region, bool]:
    """Polygons up to an extent, and whether there are larger ones."""
    small = kdb.Region([p for p in region.each() if max(p.bbox().width(), p.bbox().height()) <= most])
    return small, small.count() < region.count()
