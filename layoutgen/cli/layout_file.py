"""What commands on a layout file share: their options, where the dies are, bounds, and what they say at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layoutgen.cli.numbers import Finite

if TYPE_CHECKING:
    from layoutgen.checked import Checked, Dies
    from layoutgen.pdk import LayerNumber, Pdk

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]
MEGABYTES_MEGABYTE = 64
"""Megabytes of memory for each of a file: shapes drawn one by one take so much more than their bytes."""
FARTHEST = 500_000.0
"""From (0, 0) in um: beyond the largest wafer."""


def _together(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the order in which the help shows them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


reports = _together(
    click.option(
        "-o",
        "--report",
        "reports",
        type=click.Path(path_type=Path),
        multiple=True,
        help="A file for the report: .lyrdb (KLayout), .json, .sarif, .xml (JUnit), .md or .codequality.json (GitLab); "
        "may be given again.",
    ),
    click.option("--pictures", type=click.Path(path_type=Path), metavar="DIR",
                 help="A folder for pictures of the worst finding of each rule."),
)  # fmt: skip
places = _together(
    click.option("--die", metavar="X0,Y0,X1,Y1",
                 help="Corners of the first die in um; or LAYER/DATATYPE, on which the dies are outlined."),
    click.option("--step", metavar="DX,DY", help="From one die to the next in um; between them is the street."),
    click.option("--count", metavar="NX,NY", help="Columns and rows of dies; left out, 1,1."),
    click.option("--ignore", multiple=True, metavar="LAYER/DATATYPE",
                 help="A layer that the process does not know; `all` for all of them; may be given again."),
)  # fmt: skip
"""Where the dies of a file are that does not say so itself, and what of it to leave alone."""
bounds = _together(
    click.option("--seconds", type=Finite(min=0, min_open=True),
                 help="Time that reading the file may take; left out, 8 and 0.5 for each megabyte."),
    click.option("--megabytes", type=click.IntRange(min=256), default=1024, show_default=True,
                 help="Memory that reading the file may take; checking it, 64 more for each of the file's."),
)  # fmt: skip
output = _together(
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors, and a line where not all is clean."),
)


def check_reports(paths: Sequence[Path]) -> None:
    """Refuse a report whose ending names no form."""
    from layoutgen import checked

    for path in paths:
        if not path.name.endswith(checked.ENDINGS):
            raise click.BadParameter(f"{str(path)!r} must end in {', '.join(checked.ENDINGS)}", param_hint="--report")


def ignored(given: Sequence[str]) -> list[LayerNumber] | None:
    """Layers that the process need not know; None: any."""
    return None if "all" in given else [_layer(text, "--ignore") for text in given]


def say(done: Checked, process: Pdk, reports: Sequence[Path], pictures: Path | None, as_json: bool, quiet: bool) -> int:
    """Write the reports, draw the pictures, print the result; the exit code."""
    from layoutgen.errors import printable

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
    elif done.report.exit_code:
        from layoutgen.report import verdict

        seen = f"; see {', '.join(map(str, reports))}" if reports else ""
        click.echo(f"{done.file}: {printable(verdict(done.report), 2000)}{seen}", err=True)
    return done.report.exit_code


@contextmanager
def bounded(file: Path, megabytes: int) -> Iterator[None]:
    """A bound of the memory that checking a file takes; one line where it is broken."""
    from layoutgen import memory
    from layoutgen.errors import InputError, Problem

    size = file.stat().st_size if file.is_file() else 0
    most = megabytes + round(MEGABYTES_MEGABYTE * size / 1e6)
    try:
        with memory.bounded(most):
            yield
    except (MemoryError, RuntimeError) as e:
        if not memory.ran_out(e):
            raise
        text = f"needs more than {most} MB of memory to check; allow more with --megabytes"
        raise InputError([Problem(str(file), "", text)]) from None


def dies(die: str | None, step: str | None, count: str | None, cut: float | None, option: str) -> Dies:
    """Where the dies are, from the options; `option` is the one that gives the width of the kerf."""
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
        raise click.BadParameter(f"{cut:g} is as wide as the step, {step!r}: nothing would be left", param_hint=option)
    columns, rows = _numbers(count or "1,1", 2, "--count")
    if not (columns >= 1 and rows >= 1 and columns == int(columns) and rows == int(rows)):
        raise click.BadParameter(f"{count!r} must be whole numbers, 1 at least", param_hint="--count")
    if max(abs(x0) + columns * dx, abs(y0) + rows * dy) > FARTHEST:
        raise click.BadParameter(f"{count!r} dies reach beyond {FARTHEST:g} um", param_hint="--count")
    return Dies((x0, y0, x1, y1), step=(dx, dy), count=(int(columns), int(rows)), cut=cut)


def point(text: str, option: str) -> tuple[float, float]:
    """X,Y in um, not farther away than the largest wafer."""
    x, y = _numbers(text, 2, option)
    if max(abs(x), abs(y)) > FARTHEST:
        raise click.BadParameter(f"{text!r} lies beyond {FARTHEST:g} um", param_hint=option)
    return x, y


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
