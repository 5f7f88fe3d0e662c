"""The whole way, in memory: chip + process + parameters -> cells -> die -> step -> wafer -> checks.

`build` computes, and writes nothing; `layoutgen.handover` turns its result into files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import klayout.db as kdb

from layoutgen import discover, gds
from layoutgen.connect import check_nets
from layoutgen.die import Context, Die, DieContext, Stages, build_die
from layoutgen.drc.run import Content, run
from layoutgen.errors import InputError, LayoutgenError, Problem, SpecError
from layoutgen.findings import Report, merge_reports
from layoutgen.kerf import Step, StreetContext, build_step
from layoutgen.pdk import Pdk
from layoutgen.spec import Spec
from layoutgen.units import dbu, to_dbu
from layoutgen.wafer import Grid, Rim, WaferContext, build_wafer, lay_grid, own_content

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

    @property
    def name(self) -> str:
        """The build's name, and its folder's."""
        return self.spec.file.name


def build(spec: Spec, progress: Progress = lambda _: None) -> MaskSet:
    """Build and check the mask set of a spec; `progress` is told each step as it begins.

    Raises:
        SpecError: the spec asks for what cannot be; all problems of a step at once.
        LayoutgenError: a PDK, cell or stage that it names is missing or wrong.
    """
    file = str(spec.path)
    progress("reading the process")
    base, flow, stages = _context(spec, file)
    rim = Rim(spec.file.wafer.diameter, spec.file.wafer.edge_exclusion, spec.file.wafer.notch)

    progress("drawing and routing the die")
    die = at_place(file, "", lambda: build_die(_die_context(spec, base), stages))

    progress("laying out the wafer")
    street = StreetContext(base.pdk, base.flow, base.library, base.parameters, die=die, street=spec.street)
    step = at_place(file, "", lambda: build_step(street, stages, file))
    grid = lay_grid(rim, step, spec.file.wafer.centre, spec.file.wafer.mark_sites, file)
    context = WaferContext(
        base.pdk, base.flow, base.library, base.parameters, rim=rim, grid=grid, step=step, die=die
    )  # fmt: skip
    drawing = at_place(file, "", lambda: build_wafer(context, stages, spec.file.name.replace("-", "_")))
    layout = gds.to_layout(drawing, base.pdk)
    gds.write_derived(layout, layout.cell("DIE"), base.pdk)

    own = gds.to_layout(own_content(context, drawing), base.pdk)
    report = _check(spec, base.pdk, flow, die, step, grid, layout, own, progress)
    return MaskSet(spec, base.pdk, flow, die, step, rim, grid, layout, report)


def _context(spec: Spec, file: str) -> tuple[Context, str, Stages]:
    """Process, flow, cells and stages."""
    pdk = at_place(file, "pdk", lambda: discover.pdk(spec.file.pdk))
    name, flow = at_place(file, "flow", lambda: pdk.flow(spec.file.flow))
    library, stages = discover.cells(), discover.stages()
    if not spec.file.label.draw:
        flow = flow.model_copy(
            update={at: tuple(s for s in getattr(flow, at) if "label" not in s) for at in ("stages", "wafer")}
        )
    return Context(pdk, flow, library, spec.file.cells), name, stages


def _die_context(spec: Spec, base: Context) -> DieContext:
    across = spec.file.wafer.diameter
    return DieContext(
        base.pdk, base.flow, base.library, base.parameters,
        chip=spec.chip,
        most_columns=max(1, int(across / spec.step[0])),
        most_rows=max(1, int(across / spec.step[1])),
        label_at=spec.file.label.at,
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


def _check(
    spec: Spec, pdk: Pdk, flow: str, die: Die, step: Step, grid: Grid, layout: kdb.Layout, own: kdb.Layout,
    progress: Progress,
) -> Report:  # fmt: skip
    """The rules on one step among its neighbours and on the wafer's own content, and the nets of one die."""
    top, place = layout.top_cell(), grid.typical
    x, y = grid.at(place)
    x0, y0, x1, y1 = step.box
    window = kdb.Box(*(int(v) for v in to_dbu([x + x0, y + y0, x + x1, y + y1])))
    seen = window.enlarged(dbu(_halo(pdk)))
    shown = f"{grid.row_name(place[1])}{grid.column_name(place[0])}"
    around = Content(
        f"the step of die {shown} with its eight neighbours, as they stand on the wafer",
        gds.fetch(layout, pdk, top, seen), window,
    )  # fmt: skip
    rest = Content(
        "the wafer's own content: marks, labels, rim, and the streets at the array's edge and beside marks",
        gds.fetch(own, pdk, own.top_cell()), complete=False,
    )  # fmt: skip
    reports = [run(pdk, flow, content, lambda rule: progress(f"checking {rule}")) for content in (around, rest)]

    progress("checking nets")
    box = kdb.Box(*(int(v) for v in to_dbu([x, y, x + die.width, y + die.height])))
    metal = kdb.Region(box) & gds.fetch(layout, pdk, top, box)(pdk.role("metal"))
    tied = {p.net for p in die.ports}
    wanted = {net: net in tied for net in spec.chip.nets} if pdk.flows[flow].current == "kerf" else None
    nets = check_nets(metal, spec.chip, (x, y), wanted)
    report = merge_reports(reports, spec.file.name)
    scope = (
        *report.scope,
        f"{len(grid.dies)} dies repeat that step. The whole wafer, each die with what lies on it, is not checked yet",
    )
    return replace(report, scope=scope, results=(*report.results, nets))


def _halo(pdk: Pdk) -> float:
    """How far beyond the step (um) shapes can matter to any rule."""
    reach = max(pdk.reach(layer) for rule in pdk.rules.values() for layer in rule.layers)
    return max(rule.limit or 0.0 for rule in pdk.rules.values()) + reach + 1.0
