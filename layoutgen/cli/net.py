"""`layoutgen net FILE`."""

from __future__ import annotations

from pathlib import Path

import click

from layoutgen.cli.drc import _bounded, _dies, _layer
from layoutgen.cli.progress import progress


@click.command("net", short_help="Prove a layout file's nets, before the cut and after it.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--pdk", required=True, help="The process: a name or a folder.")
@click.option("--flow", help="One of the process's flows, where it has several.")
@click.option("--top", default="", metavar="CELL", help="The cell to look at; left out, the only top cell.")
@click.option("--cut", "only_cut", is_flag=True, help="Judge what is left after the cut alone.")
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
@click.option("--kerf", type=click.FloatRange(min=0, min_open=True), metavar="UM",
              help="Width of the kerf in the middle of the street, in place of the process's.")  # fmt: skip
@click.option("--ignore", multiple=True, metavar="LAYER/DATATYPE",
              help="A layer that the process does not know; `all` for all of them; may be given again.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True),
              help="Time that reading the file may take; left out, 8 and 0.5 for each megabyte.")  # fmt: skip
@click.option("--megabytes", type=click.IntRange(min=256), default=1024, show_default=True,
              help="Memory that reading the file may take; checking it, 64 more for each of the file's.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    file: Path, pdk: str, flow: str | None, top: str, only_cut: bool, reports: tuple[Path, ...],
    pictures: Path | None, die: str | None, step: str | None, count: str | None, kerf: float | None,
    ignore: tuple[str, ...], seconds: float | None, megabytes: int, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Prove the nets of FILE, a GDSII or OASIS layout (or .gz of one): what its metal joins over the whole wafer.

    Where the kerf carries the plating current, all nets are one conductor with the bus and the contact ring before the
    cut, and each stands alone after it; elsewhere nets stand apart, and no metal lies in the kerf. Nets are named by
    labels: "NAME NET" on the process's layer of notes, or a net's name alone where it stands on metal.

    Exit code 0: proven. 1: findings. 2: anything else; also where something could not be looked at, as without labels.
    """
    from layoutgen import checked, discover, netcheck

    for path in reports:
        if not path.name.endswith(checked.ENDINGS):
            raise click.BadParameter(f"{str(path)!r} must end in {', '.join(checked.ENDINGS)}", param_hint="--report")
    dies = _dies(die, step, count, kerf, "--kerf")
    layers = None if "all" in ignore else [_layer(text, "--ignore") for text in ignore]
    process = discover.pdk(pdk)
    with _bounded(file, megabytes), progress(2, quiet or as_json) as tell:
        done = netcheck.check_nets_of_file(
            file, process, flow, top=top, dies=dies, only_cut=only_cut, ignore=layers, seconds=seconds,
            megabytes=megabytes, progress=tell,
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


__all__ = ["command"]
