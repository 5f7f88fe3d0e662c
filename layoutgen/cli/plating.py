"""`layoutgen plating SPEC`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from layoutgen.cli.progress import progress

if TYPE_CHECKING:
    from layoutgen.physics.plating import WhatIf

MOST = 50
"""Values of an option; each combination is a whole wafer to solve."""
T = TypeVar("T", int, float)


@click.command("plating", short_help="Say how evenly the network in the kerf plates.")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--bus", metavar="UM,...", help="Widths of the bus to try, in um; left out, as drawn.")
@click.option("--ties", default="1", show_default=True, metavar="N,...",
              help="Numbers of ties a net to try, side by side, for each tie that is drawn.")  # fmt: skip
@click.option("--cells", type=click.Path(path_type=Path, exists=True, file_okay=False), multiple=True,
              help="Also take the cells and stages in this folder's Python files; may be given again.")  # fmt: skip
@click.option("--csv", "table", type=click.Path(path_type=Path), metavar="FILE", help="Write the table as CSV, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    spec: Path, bus: str | None, ties: str, cells: tuple[Path, ...], table: Path | None, as_json: bool, quiet: bool
) -> int:  # fmt: skip
    """Resistance from the contact ring to the posts of the wafer that SPEC (a TOML file) asks for, and how evenly they
    grow in the process's bath: as drawn, and with each width of the bus and number of ties a net that is given.

    The wafer is drawn, not checked, and nothing is written but the CSV. Exit code 0: all posts are fed. 1: some are
    not. 2: anything else.
    """
    from layoutgen import current, discover, gds, maskset
    from layoutgen import spec as spec_file
    from layoutgen.physics.plating import what_if_csv

    widths = [] if bus is None else _values(bus, float, "--bus")
    counts = _values(ties, int, "--ties")
    with discover.blamed_on(*cells):
        wanted = spec_file.read(spec, cells)
    with progress(6 + max(1, len(widths)) * len(counts), quiet or as_json) as tell, discover.blamed_on(*cells):
        built = maskset.build(wanted, tell, checks=False)
        tell("solving the network as drawn")
        found = current.plating(built, current.stated(built))
        rows = found.what_if(widths, counts, tell)
    if table is not None:
        gds.write_text(table, what_if_csv(rows))
    if as_json:
        figures = [{k: _figure(v) for k, v in asdict(row).items()} for row in rows]
        drawn = {"worst": _figure(found.largest), "mean": _figure(found.mean), "spread": _figure(found.spread)}
        click.echo(json.dumps({"name": built.name, "drawn": drawn, "unfed": found.unfed, "what_if": figures}, indent=1))
    elif not quiet:
        _say(f"{built.name}: {found.summary()}", rows)
    return 1 if found.unfed else 0


def _values(text: str, kind: type[T], option: str) -> list[T]:
    """Numbers above 0 with commas between."""
    try:
        values = [kind(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not 1 <= len(values) <= MOST or not all(0 < v < math.inf for v in values):
        what = "whole numbers" if kind is int else "numbers"
        message = f"{text[:80]!r} must be {what} above 0 with commas between, {MOST} at most"
        raise click.BadParameter(message, param_hint=option)
    return values


def _figure(value: float) -> float | None:
    """A number that JSON knows."""
    return value if math.isfinite(value) else None


def _say(line: str, rows: Sequence[WhatIf]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from layoutgen.errors import printable

    click.echo(printable(line))
    table = Table("bus (um)", "ties a net", "worst (ohm)", "mean (ohm)", "thickness", box=SIMPLE)
    for column in table.columns:
        column.justify = "right"
    for row in rows:
        table.add_row(
            f"{row.bus:g}", f"{row.ties}", f"{row.worst:.4g}", f"{row.mean:.4g}", f"+-{100 * row.spread:.2f} %"
        )  # fmt: skip
    Console(highlight=False, markup=False).print(table)


__all__ = ["command"]
