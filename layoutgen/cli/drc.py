"""`layoutgen drc FILE`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from layoutgen.cli.numbers import Finite
from layoutgen.cli.progress import progress

if TYPE_CHECKING:
    from layoutgen.baseline import Baseline
    from layoutgen.checked import Dies
    from layoutgen.pdk import LayerNumber, Pdk
    from layoutgen.waivers import Waivers

MEGABYTES_MEGABYTE = 64
"""Megabytes of memory for each of a file: shapes drawn one by one take so much more than their bytes."""
FARTHEST = 500_000.0
"""From (0, 0) in um: beyond the largest wafer."""


@click.command("drc", short_help="Check a layout file against the rules of a process.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--pdk", required=True, help="The process: a name or a folder.")
@click.option("--flow", help="One of the process's flows, where it has several.")
@click.option("--top", default="", metavar="CELL", help="The cell to check; left out, the only top cell.")
@click.option("--rules", metavar="ID,ID,...", help="Run these rules alone.")
@click.option(
    "-o",
    "--report",
    "reports",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A file for the report: .lyrdb (KLayout), .json, .sarif, .xml (JUnit), .md or .codequality.json (GitLab); "
    "may be given again.",
)
@click.option("--pictures", type=click.Path(path_type=Path), metavar="DIR",
              help="A folder for pictures of the worst finding of each rule.")  # fmt: skip
@click.option("--die", metavar="X0,Y0,X1,Y1",
              help="Corners of the first die in um; or LAYER/DATATYPE, on which the dies are outlined.")  # fmt: skip
@click.option("--step", metavar="DX,DY", help="From one die to the next in um; between them is the street.")
@click.option("--count", metavar="NX,NY", help="Columns and rows of dies; left out, 1,1.")
@click.option("--cut", type=Finite(min=0, min_open=True), metavar="UM",
              help="Width of the kerf in the middle of the street, in place of the process's.")  # fmt: skip
@click.option("--ignore", multiple=True, metavar="LAYER/DATATYPE",
              help="A layer that the process does not know; `all` for all of them; may be given again.")  # fmt: skip
@click.option("--circles", type=click.Choice(["facets", "analytic"]), default="facets", show_default=True,
              help="Measure circles by their corners, or as the circles that they stand for.")  # fmt: skip
@click.option("--facet-tolerance", type=Finite(min=0, min_open=True, max=100), metavar="UM",
              help="Let pass what is found only because circles have facets, off by this at most.")  # fmt: skip
@click.option("--seconds", type=Finite(min=0, min_open=True),
              help="Time that reading the file may take; left out, 8 and 0.5 for each megabyte.")  # fmt: skip
@click.option("--megabytes", type=click.IntRange(min=256), default=1024, show_default=True,
              help="Memory that reading the file may take; checking it, 64 more for each of the file's.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), metavar="N",
              help="Processes that rules are run in, at most; left out, one for each core.")  # fmt: skip
@click.option("--cluster", default="", metavar="ADDRESS",
              help="The scheduler of a Dask cluster, whose workers check; left out, this machine does.")  # fmt: skip
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
              help="Keep what was found here, to look at nothing twice; left out, in the system's.")  # fmt: skip
@click.option("--no-cache", is_flag=True, help="Look at everything, and keep nothing.")
@click.option("--waivers", type=click.Path(path_type=Path), metavar="TOML",
              help="A file of waivers: findings that may pass, with reason, author and expiry.")  # fmt: skip
@click.option("--baseline", type=click.Path(path_type=Path), metavar="REPORT",
              help="An earlier report, .json or .lyrdb: only findings that are not in it count.")  # fmt: skip
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE",
              help="The day on which the expiry of waivers is judged; left out, today.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    file: Path, pdk: str, flow: str | None, top: str, rules: str | None, reports: tuple[Path, ...],
    pictures: Path | None, die: str | None, step: str | None, count: str | None, cut: float | None,
    ignore: tuple[str, ...], circles: str, facet_tolerance: float | None, seconds: float | None, megabytes: int,
    jobs: int | None, cluster: str, cache: Path | None, no_cache: bool, waivers: Path | None, baseline: Path | None,
    today: datetime | None, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Check FILE, a GDSII or OASIS layout (or .gz of one), against the rules of a process.

    Files of builds have their dies, streets and kerfs on reserved layers. For those of others, --die, --step and
    --count say where dies are: a rule that asks for one of these layers is skipped without.

    Exit code 0: every rule that applies has run, and found nothing that is not waived. 1: findings. 2: anything else;
    also where a rule failed or was skipped, the file has a layer that the process does not know, or lacks one that the
    flow must draw.
    """
    from layoutgen import foreign

    with foreign.Reading(file, seconds=seconds, megabytes=megabytes) as reading:  # while the rest is imported
        from layoutgen import checked, discover
        from layoutgen.drc.cache import Cache, default_folder

        if cache is not None and no_cache:
            raise click.UsageError("--cache and --no-cache exclude each other; leave one out")
        for path in reports:
            if not path.name.endswith(checked.ENDINGS):
                raise click.BadParameter(
                    f"{str(path)!r} must end in {', '.join(checked.ENDINGS)}", param_hint="--report"
                )
        dies = _dies(die, step, count, cut)
        layers = None if "all" in ignore else [_layer(text, "--ignore") for text in ignore]
        process = discover.pdk(pdk)
        wanted = None if rules is None else [rule.strip() for rule in rules.split(",") if rule.strip()]
        if wanted == []:
            raise click.BadParameter("name at least one rule", param_hint="--rules")
        passes = None if waivers is None else _waivers(waivers, process, (today or datetime.now()).date())
        known = None if baseline is None else _baseline(baseline, process)
        with _bounded(file, megabytes), progress(len(process.rules) + 1, quiet or as_json) as tell:
            done = checked.check_file(
                file, process, flow, top=top, rules=wanted, dies=dies, ignore=layers,
                circles="analytic" if circles == "analytic" else "facets", facet_tolerance=facet_tolerance, jobs=jobs,
                waivers=passes, baseline=known,
                progress=lambda step: tell(step if step == "reading" else f"checking {step}"),
                cache=None if no_cache else Cache(cache or default_folder()), cluster=cluster,
                reading=reading,
            )  # fmt: skip
    for path in reports:
        done.save(path, process)
    if pictures is not None:
        done.draw(pictures, process)
    if as_json:
        from layoutgen.report import json_form

        click.echo(json_form.text(done.report, process), nl=False)
    elif not quiet:
        from layoutgen.report import terminal

        click.echo(terminal.text(done.report, process), nl=False)
    return done.report.exit_code


def _waivers(path: Path, pdk: Pdk, today: date) -> Waivers:
    from layoutgen import waivers

    return waivers.read(path, pdk, today)


def _baseline(path: Path, pdk: Pdk) -> Baseline:
    from layoutgen import baseline

    return baseline.read(path, pdk)


@contextmanager
def _bounded(file: Path, megabytes: int) -> Iterator[None]:
    """A bound of the memory that checking a file takes; one line where it is broken."""
    from layoutgen import memory
    from layoutgen.errors import InputError, Problem

    size = file.stat().st_size if file.is_file() else 0
    most = megabytes + round(MEGABYTES_MEGABYTE * size / 1e6)
    try:
        with memory.bounded(most):
            yield
    except (MemoryError, RuntimeError) as e:
        if isinstance(e, RuntimeError) and "bad_alloc" not in str(e):
            raise
        text = f"needs more than {most} MB of memory to check; allow more with --megabytes"
        raise InputError([Problem(str(file), "", text)]) from None


def _dies(
    die: str | None, step: str | None, count: str | None, cut: float | None, option: str = "--cut"
) -> Dies:  # fmt: skip
    """Where the dies are, from the options."""
    from layoutgen.checked import Dies

    outlined = die is not None and re.fullmatch(r"\d+/\d+", die) is not None
    if (step is not None or count is not None) and (die is None or outlined):
        raise click.UsageError("--step and --count need --die X0,Y0,X1,Y1, the corners of the first die")
    if count is not None and step is None:
        raise click.UsageError("--count needs --step")
    if cut is not None and step is None:
        raise click.UsageError(f"{option} needs --step, in whose street the blade runs")
    if die is None:
        return Dies()
    if outlined:
        return Dies(layer=_layer(die, "--die"))
    x0, y0, x1, y1 = _numbers(die, 4, "--die")
    if not (x0 < x1 and y0 < y1):
        raise click.BadParameter(f"{die!r} must be the lower-left and then the upper-right corner", param_hint="--die")
    if step is None:
        return Dies((x0, y0, x1, y1))
    dx, dy = _numbers(step, 2, "--step")
    if dx < x1 - x0 or dy < y1 - y0:
        raise click.BadParameter(f"{step!r} is less than the die's {x1 - x0:g},{y1 - y0:g}", param_hint="--step")
    if cut is not None and cut >= min(dx, dy):
        raise click.BadParameter(f"{cut:g} is as wide as the step, {step!r}: nothing would be left", param_hint="--cut")
    columns, rows = _numbers(count or "1,1", 2, "--count")
    if not (columns >= 1 and rows >= 1 and columns == int(columns) and rows == int(rows)):
        raise click.BadParameter(f"{count!r} must be whole numbers, 1 at least", param_hint="--count")
    if max(abs(x0) + columns * dx, abs(y0) + rows * dy) > FARTHEST:
        raise click.BadParameter(f"{count!r} dies reach beyond {FARTHEST:g} um", param_hint="--count")
    return Dies((x0, y0, x1, y1), step=(dx, dy), count=(int(columns), int(rows)), cut=cut)


def _numbers(text: str, number: int, option: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != number or not all(abs(v) < 1e6 for v in values):
        raise click.BadParameter(f"{text!r} must be {number} numbers with commas between, in um", param_hint=option)
    return values


def _layer(text: str, option: str) -> LayerNumber:
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if match is None:
        raise click.BadParameter(f"{text!r} must be LAYER/DATATYPE, as 10/0", param_hint=option)
    return int(match[1]), int(match[2])


__all__ = ["command"]
