"""Defects that are injected into whole wafers: the clean wafer as it is drawn, what became of them, and the command."""

from __future__ import annotations

import argparse
import random
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import klayout.db as kdb

from layoutgen import gds, maskset, spec
from layoutgen.die import Die, build_die
from layoutgen.kerf import Step, StreetContext, build_step
from layoutgen.pdk import Pdk
from layoutgen.wafer import Grid, Rim, WaferContext, build_wafer, lay_grid

CAUGHT, SURVIVED, FALSE = "caught", "survived", "false alarm"


@dataclass(frozen=True)
class Laid:
    """A spec's wafer as it is drawn, and what it is made of."""

    pdk: Pdk
    flow: str
    asked: spec.Spec
    die: Die
    rim: Rim
    grid: Grid
    step: Step
    layout: kdb.Layout


def laid(path: Path) -> Laid:
    """The wafer of a spec, without the checks of a build."""
    asked = spec.read(path)
    base, stages = maskset.build_context(asked, str(path))
    die = build_die(maskset.die_context(asked, base), stages)
    wafer = asked.file.wafer
    shared = (base.pdk, base.flow_name, base.cell_library, base.parameters)
    step = build_step(StreetContext(*shared, die=die, street=asked.street), stages, str(path))
    grid = lay_grid(wafer.rim, step, wafer.centre, wafer.mark_sites, str(path))
    drawing = build_wafer(WaferContext(*shared, rim=wafer.rim, grid=grid, step=step, die=die), stages, "defects")
    return Laid(base.pdk, base.flow_name, asked, die, wafer.rim, grid, step, gds.to_layout(drawing, base.pdk))


@dataclass(frozen=True)
class Judged:
    """What became of a defect; or something that was found where there was none."""

    defect: str
    seed: str
    outcome: str
    rules: tuple[str, ...]
    """That found something at its place."""


def rnd(seed: str) -> random.Random:
    """Numbers that are the same on each run."""
    return random.Random(zlib.crc32(seed.encode()))  # noqa: S311 - repeatable, not secret


def table(meant: Mapping[str, str], done: Mapping[str, Sequence[Judged]]) -> str:
    """Defect, with the rules that are meant for it, by wafer: caught / survived; and the sums."""
    rows = [["defect", "rule", *done]]
    for name, rules in meant.items():
        counts = [Counter(j.outcome for j in found if j.defect == name) for found in done.values()]
        rows.append([name, rules, *(f"{c[CAUGHT]}/{c[SURVIVED]}" if c else "-" for c in counts)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    total = Counter(j.outcome for found in done.values() for j in found)
    sums = ", ".join(f"{total[outcome]} {outcome}" for outcome in (CAUGHT, SURVIVED, FALSE))
    return "\n".join(["caught/survived", *lines, f"{total[CAUGHT] + total[SURVIVED]} defects: {sums}"])


def main(
    title: str, wafers: Sequence[str], each: tuple[int, int], run: Callable[[str, int, str], list[Judged]],
    table: Callable[[dict[str, list[Judged]]], str],
) -> int:  # fmt: skip
    """Inject, judge and count defects, and print a table: 1 where one survived, or too much was found."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--nightly", action="store_true", help=f"{each[1]} of each kind and wafer, not {each[0]}")
    parser.add_argument("--each", type=int, help="as many of each kind and wafer")
    parser.add_argument("--wafer", choices=wafers, help="this one alone")
    parser.add_argument("--defect", default="", help="this kind alone")
    asked = parser.parse_args()
    count = asked.each or each[asked.nightly]
    done = {name: run(name, count, asked.defect) for name in ([asked.wafer] if asked.wafer else wafers)}
    print(table(done))
    bad = [j for found in done.values() for j in found if j.outcome != CAUGHT]
    for judged in bad:
        found_by = ", ".join(judged.rules) or "nobody"
        print(f"{judged.outcome}: {judged.defect}, seed {judged.seed!r}; found by {found_by}")
    return 1 if bad else 0
