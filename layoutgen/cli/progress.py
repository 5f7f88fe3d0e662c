"""Progress of long work: a bar on a terminal, plain lines elsewhere, nothing when asked to be quiet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def progress(total: int, quiet: bool, *, alone: bool = False) -> Iterator[Callable[[str], None]]:
    """A function to call with each step as it begins, and again while it lasts; `total` is about how many there are.

    Nothing here runs in a thread, so that the process may be forked; alone: it is not, and the clock of the bar goes on
    while nothing is told.
    """
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(total, alone) as tell:
            yield tell
    else:
        yield _lines()


@contextmanager
def _bar(total: int, alone: bool) -> Iterator[Callable[[str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=alone) as bar:
        task = bar.add_task("starting", total=total)

        def tell(step: str) -> None:
            bar.update(task, advance=step != bar.tasks[0].description, description=step, refresh=True)

        yield tell


def _lines() -> Callable[[str], None]:
    """One line for each kind of step: 'checking A' and 'checking B' are one."""
    last = ""

    def tell(step: str) -> None:
        nonlocal last
        kind = step.split()[0]
        if kind != last:
            click.echo(step if kind not in ("checking", "writing") else f"{kind} ...", err=True)
        last = kind

    return tell
