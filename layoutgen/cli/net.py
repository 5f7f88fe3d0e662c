"""`layoutgen net FILE`."""

from __future__ import annotations

from pathlib import Path

import click

from layoutgen.cli import layout_file
from layoutgen.cli.numbers import Finite
from layoutgen.cli.progress import progress


@click.command("net", short_help="Prove a layout file's nets, before the cut and after it.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--pdk", required=True, help="The process: a name or a folder.")
@click.option("--flow", help="One of the process's flows, where it has several.")
@click.option("--top", default="", metavar="CELL", help="The cell to look at; left out, the only top cell.")
@click.option("--chip", type=click.Path(path_type=Path),
              help="What every die should be: a spec (TOML), or a chip's GDSII or OASIS file.")  # fmt: skip
@click.option("--cut", "only_cut", is_flag=True, help="Judge what is left after the cut alone.")
@layout_file.reports
@layout_file.places
@click.option("--kerf", type=Finite(min=0, min_open=True), metavar="UM",
              help="Width of the kerf in the middle of the street, in place of the process's.")  # fmt: skip
@layout_file.bounds
@layout_file.output
def command(
    file: Path, pdk: str, flow: str | None, top: str, chip: Path | None, only_cut: bool, reports: tuple[Path, ...],
    pictures: Path | None, die: str | None, step: str | None, count: str | None, kerf: float | None,
    ignore: tuple[str, ...], seconds: float | None, megabytes: int, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Prove the nets of FILE, a GDSII or OASIS layout (or .gz of one): what its metal joins over the whole wafer.

    Where the kerf carries the plating current, all nets are one conductor with the bus and the contact ring before the
    cut, and each stands alone after it; elsewhere nets stand apart, and no metal lies in the kerf. Nets are named by
    labels: "NAME NET" on the process's layer of notes, or a net's name alone where it stands on metal. Dies of one size
    are compared with each other by their labels; with --chip, each with the netlist of the chip, and with the nets of
    the cells and tracks that a spec places.

    Exit code 0: proven. 1: findings. 2: anything else; also where something could not be looked at, as without labels.
    """
    from layoutgen import discover, netcheck

    layout_file.check_reports(reports)
    dies = layout_file.dies(die, step, count, kerf, "--kerf")
    layers = layout_file.ignored(ignore)
    process = discover.pdk(pdk)
    netlist, pins = (None, ()) if chip is None else netcheck.read_chip(chip, process, flow)
    with layout_file.bounded(file, megabytes), progress(2, quiet or as_json) as tell:
        done = netcheck.check_nets_of_file(
            file, process, flow, top=top, dies=dies, chip=netlist, pins=pins, only_cut=only_cut, ignore=layers,
            seconds=seconds, megabytes=megabytes, progress=tell,
        )  # fmt: skip
    return layout_file.say(done, process, reports, pictures, as_json, quiet)


__all__ = ["command"]
