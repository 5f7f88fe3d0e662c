"""Defects on whole wafers: injected many at once, each in a die of its own, and looked for by the rules on nets."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import klayout.db as kdb
import numpy as np
import shapely
from mutants import injected
from mutants.injected import CAUGHT, FALSE, SURVIVED, Judged, laid, rnd
from mutants.wafer_defects import EVERYWHERE, GROWN, LABELLED, PADS, TIED, TWO_METALS, Site, defects
from mutants.whole_wafer_defects import OF_ALL, OF_CUTS

from layoutgen import gds, netcheck
from layoutgen.connect.states import check_wafer
from layoutgen.connect.terminals import Dies, of_chip
from layoutgen.cuts import SawCut, check_cuts, cut_list
from layoutgen.findings import RuleResult
from layoutgen.pdk import Pdk
from layoutgen.units import dbu

PROCESSES = ("post", "wlcsp_500", "wlcsp_500_2m")
EACH, NIGHTLY = 6, 60
"""Defects of each kind and process in the tests, and with --nightly."""
NEAR = 150_000
"""A finding is at a defect's place where its marker is no further away than this (database units): a tie that is
missing is shown at the pad that it ties."""
STREET = 100.0

SPEC = """
name = "defects"
pdk = "{pdk}"
wafer = {{ diameter = 36_000, edge_exclusion = 5_000, street = {street:g} }}
[chip]
name = "Defects"
size = [1500, 2000]
pads = "pads.csv"
balls = "balls.csv"
pad_size = [55, 55]
[cells."rdl.wire"]
width = 30
"""
CROSSED = str.maketrans("abcdef", "fedcba")
"""Where there are two metals: nets whose balls stand elsewhere, so that their wires cross."""
BALLS = (("c", 500, 1500), ("d", 1000, 1500), ("e", 500, 1000), ("f", 1000, 1000), ("a", 500, 500), ("b", 1000, 500))


@dataclass(frozen=True)
class Wafer:
    """A clean wafer as it is drawn, and what is known of its die."""

    pdk: Pdk
    flow: str
    layout: kdb.Layout
    terminals: object
    dies: Dies
    size: tuple[int, int]
    balls: tuple[tuple[str, int, int], ...]
    ports: tuple[tuple[str, int], ...]
    """Side and offset of each tie."""
    cuts: tuple[SawCut, ...]

    @cached_property
    def tied(self) -> bool:
        return self.pdk.flows[self.flow].current == "kerf"

    @cached_property
    def step(self) -> dict[str, kdb.Region]:
        """What is drawn in the step, by layer, from its die's lower left corner."""
        cell = self.layout.cell("STEP")
        return {n: gds.fetch(self.layout, self.pdk, cell)(n).merged() for n in self.pdk.drawn_layers}

    def check(self, layout: kdb.Layout) -> list[RuleResult]:
        return check_wafer(self.pdk, self.flow, layout, layout.top_cell(), self.dies, lambda _: self.terminals)  # type: ignore[arg-type, return-value]

    def check_labels(self, layout: kdb.Layout) -> list[RuleResult]:
        """As a file that nobody knows the chip of."""
        return netcheck.check_nets(layout, layout.top_cell(), self.pdk, self.flow)

    def check_cuts(self, cuts: Sequence[SawCut]) -> list[RuleResult]:
        assert self.pdk.cut
        found = gds.fetch(self.layout, self.pdk, self.layout.top_cell())
        return [check_cuts(cuts, self.pdk.cut, (STREET, STREET), found)]

    @cached_property
    def apart(self) -> tuple[int, ...]:
        """Dies no two of which are neighbours."""
        corners = self.dies.boxes[:, :2]
        columns, rows = (np.unique(corners[:, k]) for k in (0, 1))
        column, row = np.searchsorted(columns, corners[:, 0]), np.searchsorted(rows, corners[:, 1])
        return tuple(np.flatnonzero((column % 2 == 0) & (row % 2 == 0)).tolist())


def drawn(process: str) -> Wafer:
    """A wafer of a shipped process, without the checks of a build."""
    balls = tuple((net.translate(CROSSED) if process.endswith("2m") else net, x, y) for net, x, y in BALLS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "defects.toml"
        path.write_text(SPEC.format(pdk=process, street=STREET))
        for name, kind, rows in (("pads", "pad", PADS), ("balls", "ball", balls)):
            with (Path(folder) / f"{name}.csv").open("w", newline="") as file:
                table = csv.writer(file)
                table.writerow((kind, "net", "x", "y"))
                table.writerows((f"{kind[0].upper()}{k}", *row) for k, row in enumerate(rows, 1))
        found = laid(path)
    grid, die = found.grid, found.die
    origins = [grid.at(place) for place in grid.dies]
    low = np.array([[dbu(x), dbu(y)] for x, y in origins], dtype=np.int64)
    size = dbu(die.width), dbu(die.height)
    dies = Dies(np.concatenate([low, low + np.array(size)], axis=1), [grid.name(place) for place in grid.dies])
    terminals = of_chip(found.asked.chip, origins, die.plan.taken if die.plan else {})
    ports = tuple((p.side, dbu(p.offset)) for p in die.ports)
    assert found.pdk.cut
    cuts = cut_list(found.pdk.cut, found.rim, grid, found.step)
    return Wafer(found.pdk, found.flow, found.layout, terminals, dies, size, balls, ports, cuts)


# judging --------------------------------------------------------------------------------------------------------


def places(results: list[RuleResult]) -> Iterator[tuple[str, kdb.Box, str]]:
    """All markers, repeats too: rule, extent and note."""
    for result in results:
        for finding in result.findings:
            points = [kdb.Point(x, y) for x, y in finding.polygon]
            box = kdb.Polygon(points).bbox()
            for dx, dy in ((0, 0), *finding.repeats):
                yield result.rule, box.moved(dx, dy), finding.note


def judge(wafer: Wafer, asked: list[tuple[str, str]], *, labels: bool = False) -> list[Judged]:
    """Defects by name and seed on one wafer, each in a die of its own; labels: looked for where these alone say what
    is a net."""
    layout = kdb.Layout()
    layout.assign(wafer.layout)
    at = _explode(layout)
    known = {**defects(wafer), **LABELLED}
    where: dict[int, kdb.Box] = {}
    for k, (name, seed) in enumerate(asked):
        die = wafer.apart[k]
        x, y = wafer.dies.boxes[die, :2].tolist()
        instance = at[x, y]
        cell = layout.create_cell(f"DEFECT_{k}")
        cell.insert(kdb.CellInstArray(instance.cell_index, kdb.Trans()))
        cell.flatten(False)
        box = known[name][0](Site(wafer, cell), rnd(seed))
        if box is not None:
            instance.cell_index = cell.cell_index()
            where[k] = box.moved(x, y)
    hits: dict[int, set[str]] = {k: set() for k in where}
    out = []
    check = wafer.check_labels if labels else wafer.check
    for rule, box, note in places(check(layout)):
        for k in (k for k, harmed in where.items() if harmed.enlarged(NEAR, NEAR).touches(box)):
            hits[k].add(rule)
        harmed_dies = (kdb.Box(*wafer.dies.boxes[wafer.apart[k]].tolist()) + harmed for k, harmed in where.items())
        if not any(die.enlarged(NEAR, NEAR).touches(box) for die in harmed_dies):
            out.append(Judged(note, str(box), FALSE, (rule,)))  # what follows from a defect is at least in its die
    for k in where:
        name, seed = asked[k]
        out.append(Judged(name, seed, CAUGHT if known[name][1] in hits[k] else SURVIVED, tuple(sorted(hits[k]))))
    return out


def judge_all(wafer: Wafer, name: str, seed: str) -> Judged:
    """One defect in every die: caught where each die has it."""
    layout = kdb.Layout()
    layout.assign(wafer.layout)
    cell = layout.cell("STEP")
    cell.flatten(True)
    harm, rule = defects(wafer)[name]
    box = harm(Site(wafer, cell), rnd(seed))
    assert box is not None, seed
    near: list[kdb.Box] = [b.enlarged(NEAR, NEAR) for r, b, _ in places(wafer.check(layout)) if r == rule]
    tree = shapely.STRtree([shapely.box(b.left, b.bottom, b.right, b.top) for b in near])
    here = np.array([[b.left, b.bottom, b.right, b.top] for b in [box]]) + np.tile(wafer.dies.boxes[:, :2], 2)
    found = np.unique(tree.query(shapely.box(*here.T))[0])
    hit = len(found) == len(wafer.dies.boxes)
    return Judged(name, f"{seed} in every die", CAUGHT if hit else SURVIVED, (rule,) if len(found) else ())


def judge_cuts(wafer: Wafer, name: str, seed: str) -> Judged:
    """One defect of the cut list: caught where the cut runs, or the one that it should have come before."""
    harm, rule = OF_CUTS[name]
    cuts, at = harm(wafer.cuts, rnd(seed))
    near = kdb.Box(at.band(STREET)).enlarged(NEAR, NEAR)
    found = {r for r, box, _ in places(wafer.check_cuts(cuts)) if r == rule and box.touches(near)}
    return Judged(name, seed, CAUGHT if found else SURVIVED, tuple(sorted(found)))


def _explode(layout: kdb.Layout) -> dict[tuple[int, int], kdb.Instance]:
    """Each step of the wafer as an instance of its own, by where its die stands."""
    step = layout.cell("STEP").cell_index()
    found = {}
    for cell in layout.each_cell():
        for instance in [i for i in cell.each_inst() if i.cell_index == step and i.is_regular_array()]:
            instance.explode()
        for instance in cell.each_inst():
            if instance.cell_index == step:
                found[instance.trans.disp.x, instance.trans.disp.y] = instance
    return found


def run(wafer: Wafer, each: int, only: str = "") -> list[Judged]:
    """So many defects of each kind, in as few wafers as hold them; and those of the whole wafer one by one.

    Where more are asked for than the tests do, some are in every die too.
    """
    names = [name for name in defects(wafer) if only in ("", name)]
    asked = [(name, f"{wafer.pdk.name} {name} {n}") for n in range(each) for name in names]
    out = []
    for start in range(0, len(asked), len(wafer.apart)):
        out += judge(wafer, asked[start : start + len(wafer.apart)])
    for name in LABELLED:
        own = [(name, f"{wafer.pdk.name} {name} {n}") for n in range(each) if only in ("", name)]
        for start in range(0, len(own), EACH):  # fewer than most dies
            out += judge(wafer, own[start : start + EACH], labels=True)
    for name in OF_CUTS:
        out += [judge_cuts(wafer, name, f"{wafer.pdk.name} {name} {n}") for n in range(each) if only in ("", name)]
    for n in range((each - 1) // EACH):
        out += [judge_all(wafer, name, f"{wafer.pdk.name} {name} {n}") for name in names]
    for name, (harm, rule) in OF_ALL.items() if wafer.tied else ():
        for n in range(max(1, each // EACH)) if only in ("", name) else ():
            seed = f"{wafer.pdk.name} {name} {n}"
            layout = kdb.Layout()
            layout.assign(wafer.layout)
            harm(wafer, layout, rnd(seed))
            found = {r for r, _, _ in places(wafer.check(layout))}
            out.append(Judged(name, seed, CAUGHT if rule in found else SURVIVED, tuple(sorted(found))))
    return out


def table(done: dict[str, list[Judged]]) -> str:
    """Defect by process: caught / survived; and the sums."""
    meant = {
        name: rule
        for kinds in (EVERYWHERE, LABELLED, GROWN, TWO_METALS, TIED, OF_ALL, OF_CUTS)
        for name, (_, rule) in kinds.items()
    }
    return injected.table(meant, done)
