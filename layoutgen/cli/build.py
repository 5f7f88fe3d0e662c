"""`layoutgen build SPEC`."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layoutgen.cli.progress import progress

if TYPE_CHECKING:
    from layoutgen.current import Prediction
    from layoutgen.maskset import MaskSet

MOST_FINDINGS = 10


@click.command("build", short_help="Build a mask set from a spec.")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("output"), show_default=True,
              help="Folder to write into; the build gets a folder of its name in it.")  # fmt: skip
@click.option("--cells", type=click.Path(path_type=Path, exists=True, file_okay=False), multiple=True,
              help="Also take the cells and stages in this folder's Python files; may be given again.")  # fmt: skip
@click.option("--waivers", type=click.Path(path_type=Path), metavar="TOML",
              help="A file of waivers: findings that may pass, with reason, author and expiry.")  # fmt: skip
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE",
              help="The day on which the expiry of waivers is judged; left out, today.")  # fmt: skip
@click.option("--no-previews", is_flag=True, help="Leave out the pictures.")
@click.option("--no-plating", is_flag=True, help="Do not predict how evenly the bath plates through the kerf.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors, and a line where not all is clean.")
def command(
    spec: Path, output: Path, cells: tuple[Path, ...], waivers: Path | None, today: datetime | None, no_previews: bool,
    no_plating: bool, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Build the mask set that SPEC (a TOML file) asks for, check it, and write it to OUTPUT/NAME.

    Exit code 0: clean. 1: the rules found something; the files are written all the same. 2: anything else.
    """
    from layoutgen import current, discover, handover, maskset
    from layoutgen import spec as spec_file
    from layoutgen import waivers as waiver_file
    from layoutgen.findings import Status

    with discover.blamed_on(*cells):
        wanted = spec_file.read(spec, cells)
    passes = None
    if waivers is not None:
        day = (today or datetime.now()).date()
        passes = waiver_file.read(waivers, discover.pdk(wanted.file.pdk), day)
    with progress(_steps(wanted.file.pdk), quiet or as_json) as tell, discover.blamed_on(*cells):
        built = maskset.build(wanted, tell)
        if passes is not None:
            built = replace(built, report=passes.apply(built.report, built.layout, built.layout.top_cell()),
                            waivers=waivers)  # fmt: skip
        prediction = None
        if not no_plating and current.stated(built):
            tell("predicting the plating")
            prediction = current.predicted(built)
        files = handover.write(
            built, output / built.name, previews=not no_previews, prediction=prediction, progress=tell
        )
    for result in built.report.results:
        if result.status in (Status.FAILED, Status.SKIPPED):
            click.echo(f"error: {result.rule} did not run ({result.status}): {result.reason}", err=True)
    if as_json:
        click.echo(json.dumps(_result(built, files, prediction), indent=1, ensure_ascii=False))
    elif not quiet:
        _say(built, output / built.name, len(files), prediction)
    elif built.exit_code:
        click.echo(_in_short(built, output / built.name), err=True)
    return built.exit_code


def _steps(pdk: str) -> int:
    from layoutgen import discover
    from layoutgen.errors import LayoutgenError

    try:
        found = discover.pdk(pdk)
    except LayoutgenError:
        return 1  # the build says what is wrong with it
    return 2 * len(found.rules) + len(found.masks) + 12


def _result(built: MaskSet, files: list[Path], prediction: Prediction | None) -> dict[str, Any]:
    from layoutgen.handover import figures

    report = built.report
    return {
        "name": built.name,
        **figures(built),
        **({"plating": prediction.line} if prediction else {}),
        "checks": {"exit_code": report.exit_code, "summary": report.summary},
        "files": [str(f) for f in files],
    }


def _in_short(built: MaskSet, folder: Path) -> str:
    """What is not clean, and where it is said, in one line."""
    from layoutgen.report import verdict

    plan = built.die.plan
    unrouted = "" if plan is None or plan.complete else "; not all routed as asked (routing/report.md)"
    return f"{built.name}: {verdict(built.report)}{unrouted}; see {folder / 'results.md'}"


def _say(built: MaskSet, folder: Path, files: int, prediction: Prediction | None) -> None:
    from layoutgen.errors import printable
    from layoutgen.report import line, open_areas, routing, routing_table, worst

    chip, plan, grid, report = built.spec.chip, built.die.plan, built.grid, built.report
    click.echo(f"{built.name}: {chip.name} in {built.pdk.name}, flow {built.flow}")
    click.echo(f"  chip    {chip.width:g} x {chip.height:g} um, {len(chip.pads)} pads, {len(chip.balls)} balls, "
               f"{len(chip.nets)} nets")  # fmt: skip
    if plan:
        ties = sum(w.tie for w in plan.wires)
        click.echo(f"  routing {len(plan.wires) - ties} wires, {plan.length() / 1000:.2f} mm, {ties} ties, "
                   f"{len(plan.unrouted)} unrouted")  # fmt: skip
        for u in plan.unrouted[:MOST_FINDINGS]:
            click.echo(f"          {routing.unrouted_line(u)}")
        for b in plan.bottlenecks[:MOST_FINDINGS]:
            click.echo(f"          too narrow: {routing.bottleneck_line(b)}")
        problem = built.die.problem
        rows = routing_table.chip_table(problem, plan, built.pdk) if problem and problem.matched else []
        for m in routing_table.matched_table(problem, rows, plan.missed) if problem and rows else ():
            click.echo(f"          matched: {routing.matched_line(m)}")
    click.echo(f"  wafer   {built.rim.diameter / 1000:g} mm, {len(grid.dies)} dies, step {built.step.pitch[0]:g} x "
               f"{built.step.pitch[1]:g} um, {len(grid.drop_ins)} mark sites")  # fmt: skip
    given, cut = built.spec.file.wafer, built.pdk.cut
    if cut and given.street is None and given.step is None:
        click.echo(f"  street  {built.spec.street[0]:g} um, as the spec gives none; pass {cut.widest.name!r} may touch "
                   f"{2 * cut.widest.touched:.4g}")  # fmt: skip
    click.echo(f"  masks   {', '.join(built.pdk.masks_of(built.flow))}")
    if currents := open_areas.line(built.areas):
        click.echo(f"  current {currents}")
    if prediction:
        click.echo(f"  plating {printable(prediction.line)}")
    click.echo(f"  checks  {report.summary}")
    for result in report.results:
        if found := worst(result, built.pdk):
            click.echo(f"          {result.rule}: {result.verdict}, at worst {line(found, result.unit)}")
            click.echo(f"            {result.text}")
    if report.findings:
        click.echo(f"          all of them: {folder / 'results.json'}, and {folder / 'drc.lyrdb'} for KLayout")
        if (folder / "findings").is_dir():
            click.echo(f"          the worst of each rule in pictures: {folder / 'findings'}")
    click.echo(f"{files} files in {folder}; look at them with: layoutgen view {folder}")
