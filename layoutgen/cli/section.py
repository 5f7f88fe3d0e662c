"""`layoutgen section FILE`."""

from __future__ import annotations

from pathlib import Path

import click

from layoutgen.cli import layout_file
from layoutgen.cli.numbers import Finite
from layoutgen.cli.progress import progress


@click.command("section", short_help="Draw the cross-section of a layout along a line.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--pdk", required=True, help="The process: a name or a folder.")
@click.option("--flow", help="One of the process's flows, where it has several.")
@click.option("--top", default="", metavar="CELL", help="The cell to cut; left out, the only top cell.")
@click.option("--from", "start", required=True, metavar="X,Y", help="Where the line begins, in um.")
@click.option("--to", "end", required=True, metavar="X,Y", help="Where it ends.")
@click.option("-o", "--output", "outputs", type=click.Path(path_type=Path), multiple=True, required=True,
              help="A picture: .png or .svg; may be given again.")  # fmt: skip
@click.option("--stretch", type=Finite(min=0.1, max=100), default=1.0, show_default=True,
              help="Heights as multiples of widths; the picture says so.")  # fmt: skip
@layout_file.places
@layout_file.bounds
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    file: Path, pdk: str, flow: str | None, top: str, start: str, end: str, outputs: tuple[Path, ...], stretch: float,
    die: str | None, step: str | None, count: str | None, ignore: tuple[str, ...], seconds: float | None,
    megabytes: int, quiet: bool,
) -> int:  # fmt: skip
    """Draw what the masks of FILE, a GDSII or OASIS layout (or .gz of one), make along a line, to scale.

    The process says how: its steps, thicknesses and wall angles. Prints the cross-sectional area of each level.
    """
    from layoutgen import checked, discover, foreign
    from layoutgen.report import section_picture
    from layoutgen.section import section

    for path in outputs:
        if path.suffix not in section_picture.ENDINGS:
            raise click.BadParameter(f"{str(path)!r} must end in .png or .svg", param_hint="--output")
    dies = layout_file.dies(die, step, count, None, "--cut")
    layers = layout_file.ignored(ignore)
    (x0, y0), (x1, y1) = layout_file.point(start, "--from"), layout_file.point(end, "--to")
    process = discover.pdk(pdk)
    process.flow(flow)
    with layout_file.bounded(file, megabytes), progress(2, quiet) as tell:
        tell("reading")
        layout = foreign.read(file, seconds=seconds, megabytes=megabytes)
        cell, _ = checked.prepare(layout, file, process, top=top, dies=dies, ignore=layers)
        tell("cutting")
        found = section(layout, cell, process, flow, (x0, y0), (x1, y1))
        section_picture.draw(found, *outputs, title=file.name, stretch=stretch)
    if not quiet:
        for solid in reversed(found.solids):
            low, high = solid.heights
            click.echo(f"{solid.level:16} {solid.area:12.2f} um2   from {low:g} to {high:g} um   {solid.material}")
    return 0


__all__ = ["command"]
