"""`layoutgen diff A B`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from layoutgen.cli.numbers import Finite
from layoutgen.cli.progress import progress

FACTOR = 3
"""Memory for comparing two layouts: so many times what reading one may take."""

STEPS = 20
"""About as many as comparing takes, for the bar."""


@click.command("diff", short_help="Compare two layouts: areas, texts and cells that differ.")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--top", default="", metavar="CELL", help="The cell to compare; left out, the only top cell of each.")
@click.option("--top-b", default="", metavar="CELL", help="The cell of B, where it has another name there.")
@click.option("--tolerance", type=Finite(min=0, max=1000), default=0.0, metavar="UM",
              help="A piece that is nowhere wider is no difference, nor is how cells are cut.")  # fmt: skip
@click.option("--ignore-cells", is_flag=True, help="Shapes and texts alone count, however cells are cut and named.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR",
              help="A folder for pictures: for each layer that differs all of it, and the largest piece.")  # fmt: skip
@click.option("--seconds", type=Finite(min=0, min_open=True),
              help="Time that reading a file may take; left out, 8 and 0.5 for each megabyte.")  # fmt: skip
@click.option("--megabytes", type=click.IntRange(min=256), default=1024, show_default=True,
              help="Memory that reading a file may take; comparing them, three times as much.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    a: Path, b: Path, top: str, top_b: str, tolerance: float, ignore_cells: bool, output: Path | None,
    seconds: float | None, megabytes: int, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Compare two GDSII or OASIS layouts (or .gz of them), A and B: on each layer the areas that only one of both has
    (XOR), texts, cells, database units.

    In pictures grey is what both have, red what only A, blue what only B has.

    Exit code 0: the same. 1: different. 2: they could not be compared.
    """
    from layoutgen import diff, memory
    from layoutgen.diff import words
    from layoutgen.errors import InputError, Problem

    ignore_cells = ignore_cells or tolerance > 0
    try:
        with memory.bounded(FACTOR * megabytes), progress(STEPS, quiet or as_json) as tell:
            tell("reading both")
            one, two = diff.open_both(a, b, top, top_b, seconds=seconds, megabytes=megabytes)
            found = diff.compare(one, two, tolerance, tell)
            files = []
            if output is not None:
                from layoutgen.diff import pictures

                tell("drawing what differs")
                files = pictures.draw(found, one, two, output)
    except (MemoryError, RuntimeError) as e:
        if not memory.ran_out(e):
            raise
        text = f"needs more than {FACTOR * megabytes} MB of memory to compare; allow more with --megabytes"
        raise InputError([Problem(f"{a}, {b}", "", text)]) from None
    if as_json:
        result = {"a": str(a), "b": str(b), **words.as_json(found, cells=not ignore_cells)}
        result["files"] = [str(file) for file in files]
        click.echo(json.dumps(result, indent=1, ensure_ascii=False))
    elif not quiet:
        for line in words.lines(found, cells=not ignore_cells):
            click.echo(line)
        if files:
            click.echo(f"{len(files)} pictures in {output}")
    return 0 if (found.same_shapes if ignore_cells else found.same) else 1


__all__ = ["command"]
