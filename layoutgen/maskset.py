"""The whole way, in memory: chip + process + parameters -> cells -> die -> step -> wafer -> checks.

`build` computes, and writes nothing; `layoutgen.handover` turns its result into files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import klayout.db as kdb
import numpy as np

from layoutgen import discover, drill, gds
from layoutgen.areas import OpenArea, open_areas
from layoutgen.connect.stack import stack
from layoutgen.connect.states import check_wafer
from layoutgen.connect.terminals import Dies, of_chip
from layoutgen.cuts import SawCut, check_cuts, cut_list
from layoutgen.die import Context, Die, DieContext, Place, Stages, Track, build_die
from layoutgen.drc.dies import in_dies
from layoutgen.drc.run import check_layout
from layoutgen.errors import InputError, LayoutgenError, Problem, SpecError
from layoutgen.findings import Report, Status
from layoutgen.kerf import Step, StreetContext, build_step
from layoutgen.pdk import Pdk
from layoutgen.spec import Spec
from layoutgen.units import to_dbu
from layoutgen.wafer import Grid, Rim, WaferContext, build_wafer, lay_grid

Progress = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class MaskSet:
    """All that was built from a spec; nothing of it written yet."""

    spec: Spec
    pdk: Pdk
    flow: str
    die: Die
    step: Step
    rim: Rim
    grid: Grid
    layout: kdb.Layout
    report: Report
    cells: dict[str, dict[str, Any]]
    """Parameters by cell, as the process and the spec set them."""
    cuts: tuple[SawCut, ...] = ()
    """The cut list, where the process says how it cuts."""
    holes: dict[str, drill.Holes] = field(default_factory=dict)
    """The tables of holes that are drilled, by name."""
    waivers: Path | None = None
    """The file of waivers that its report was judged by."""

    @property
    def name(self) -> str:
        """The build's name, and its folder's."""
        return self.spec.file.name

    @cached_property
    def areas(self) -> list[OpenArea]:
        """How much of wafer and die each mask leaves open to a bath (mm2), and the current (A) that it asks for."""
        return open_areas(self.layout, self.pdk, self.flow, self.layout.cell("DIE"))

    @property
    def exit_code(self) -> int:
        """That of the checks, or 1 where all is clean but something is not routed or not equally long."""
        plan = self.die.plan
        return self.report.exit_code or (0 if plan is None or plan.complete else 1)


def build(spec: Spec, progress: Progress = lambda _: None, *, checks: bool = True) -> MaskSet:
    """Build and check the mask set of a spec; `progress` is told each step as it begins.

    checks: False leaves them out, and the report says that nothing ran, which is not clean.

    Raises:
        SpecError: the spec asks for what cannot be; all problems of a step at once.
        LayoutgenError: a PDK, cell or stage that it names is missing or wrong.
    """
    file = str(spec.path)
    progress("reading the process")
    base, stages = build_context(spec, file)
    flow = base.flow_name
    rim = spec.file.wafer.rim

    progress("drawing and routing the die")
    die = at_place(file, "", lambda: build_die(die_context(spec, base), stages))

    progress("laying out the wafer")
    street = StreetContext(base.pdk, base.flow_name, base.cell_library, base.parameters, die=die, street=spec.street)
    step = at_place(file, "", lambda: build_step(street, stages, file))
    grid = lay_grid(rim, step, spec.file.wafer.centre, spec.file.wafer.mark_sites, file)
    context = WaferContext(
        base.pdk, base.flow_name, base.cell_library, base.parameters, rim=rim, grid=grid, step=step, die=die
    )  # fmt: skip
    wafer = at_place(file, "", lambda: build_wafer(context, stages, spec.file.name.replace("-", "_")))
    layout = at_place(file, "", lambda: gds.to_layout(wafer, base.pdk))
    gds.write_derived(layout, layout.cell("DIE"), base.pdk)
    cells = {name: asdict(base.settings(name)) for name in sorted({*base.pdk.cells, *base.parameters})}
    if not checks:
        nothing = Report(spec.file.name, base.pdk.name, flow, ("Nothing was checked",), ())
        return MaskSet(spec, base.pdk, flow, die, step, rim, grid, layout, nothing, cells)

    report = check_layout(
        layout, layout.top_cell(), base.pdk, flow,
        title=f"{spec.file.name}: the whole wafer, {len(grid.dies)} dies",
        progress=lambda rule: progress(f"checking {rule}"),
    )  # fmt: skip
    of_process = len(report.results)
    progress("checking nets")
    report = _with_nets(report, spec, base.pdk, flow, die, step, grid, layout)
    cuts: tuple[SawCut, ...] = ()
    if base.pdk.cut:
        progress("checking cuts")
        cuts = cut_list(base.pdk.cut, rim, grid, step)
        found = check_cuts(cuts, base.pdk.cut, spec.street, gds.fetch(layout, base.pdk, layout.top_cell()))
        report = replace(report, results=(*report.results, found))
    beyond = report.results[of_process:]
    ran = sum(result.status is Status.RUN for result in beyond)
    said = f"Nets and cuts: {ran} of {len(beyond)} rules of every process run"
    report = replace(report, scope=(*report.scope, said))
    holes = {
        name: at_place(f"PDK {base.pdk.name!r}", "", partial(drill.holes, layout, base.pdk, name, asked))
        for name, asked in base.pdk.drills_of(flow).items()
    }
    report = in_dies(report, layout, layout.top_cell(), base.pdk)
    return MaskSet(spec, base.pdk, flow, die, step, rim, grid, layout, report, cells, cuts, holes)


def build_context(spec: Spec, file: str) -> tuple[Context, Stages]:
    """Process, flow, cells and stages of a spec."""
    pdk = at_place(file, "pdk", lambda: discover.pdk(spec.file.pdk))
    name, _ = at_place(file, "flow", lambda: pdk.flow(spec.file.flow))
    pdk = pdk.in_flow(name)
    library, stages = discover.cells(*spec.cell_folders), discover.stages(*spec.cell_folders)
    return Context(pdk, name, library, spec.file.cells), stages


def die_context(spec: Spec, base: Context) -> DieContext:
    """What the die's stages of a spec are given."""
    across = spec.file.wafer.diameter
    return DieContext(
        base.pdk, base.flow_name, base.cell_library, base.parameters,
        chip=spec.chip,
        most_columns=max(1, int((across - spec.chip.width) / spec.step[0]) + 1),
        most_rows=max(1, int((across - spec.chip.height) / spec.step[1]) + 1),
        labelled=spec.file.label.draw,
        label_at=spec.file.label.at,
        routing=spec.file.routing.options,
        places=tuple(Place(p.cell, p.at, p.angle, p.set, p.nets) for p in spec.file.place),
        tracks=tuple(Track(base.pdk.roles.get(t.on, t.on), t.width, t.net, t.points) for t in spec.file.track),
    )  # fmt: skip


def at_place(file: str, place: str, call: Callable[[], T]) -> T:
    """The call's result; what it says is wrong is said of `file` and `place` where it does not name its own.

    Raises:
        SpecError: with the call's own problems.
    """
    try:
        return call()
    except InputError as e:
        raise SpecError([replace(p, file=p.file or file) for p in e.problems]) from e
    except LayoutgenError as e:
        raise SpecError([Problem(file, place, line) for line in str(e).splitlines()]) from e


def _with_nets(
    report: Report, spec: Spec, pdk: Pdk, flow: str, die: Die, step: Step, grid: Grid, layout: kdb.Layout
) -> Report:  # fmt: skip
    """The report with the chip's nets as the metal of the whole wafer joins them."""
    origins = [grid.at(place) for place in grid.dies]
    low = to_dbu(np.array(origins, dtype=float).reshape(-1, 2)).astype(np.int64)
    size = to_dbu(step.die_size).astype(np.int64)
    dies = Dies(np.concatenate([low, low + size], axis=1), [grid.name(place) for place in grid.dies])
    chip = spec.chip
    if len(pdk.connect.terminals) < 2:  # what joins the pads of a net lies within the chip: each stands by itself
        chip = replace(
            chip, pads=tuple(replace(m, net=m.name) for m in chip.pads),
            balls=tuple(replace(m, net=m.name) for m in chip.balls),
        )  # fmt: skip
    terminals = of_chip(chip, origins, die.plan.taken if die.plan else {}, die.pins, stack(pdk).level_of)
    notes: list[str] = []
    results = check_wafer(pdk, flow, layout, layout.top_cell(), dies, lambda _: terminals, say=notes.append)
    if not pdk.connect.terminals and not die.pins:
        nothing = "the chip has no pads and no balls"
        results = [
            replace(r, status=Status.NOT_APPLICABLE, reason=nothing) if r.status is Status.SKIPPED else r
            for r in results
        ]
    rules = ", ".join(result.rule for result in results)
    note = f"{rules}: all {len(grid.dies)} dies"
    return replace(report, scope=(*report.scope, note, *notes), results=(*report.results, *results))
