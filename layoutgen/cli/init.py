"""`layoutgen init NAME`."""

from __future__ import annotations

import re
from pathlib import Path

import click

SPEC = """\
# A mask set for layoutgen. All lengths are um. Build it with: layoutgen build {name}.toml
name = "{name}"                # the folder that the build gets
pdk = "{pdk}"            # a process: see `layoutgen pdk`

[chip]
name = "{name}"
size = [{width:g}, {height:g}]          # width and height; the outer edge of the seal ring
pads = "{name}_pads.csv"       # columns pad, net, x, y, and width, height where pads differ
balls = "{name}_balls.csv"     # columns ball, net, x, y; (0, 0) is the die's lower-left corner
pad_size = [55, 55]            # pad metal, for rows of the pad table without width and height

[wafer]
diameter = 200_000
edge_exclusion = 5_000         # whole dies only, this far from the edge
notch = "bottom"               # left, top, right, none
street = 100                   # between dies, or [x, y]; or instead: step = [x, y], as the wafer came
centre = "street"              # what stands on the wafer's centre: street or die
mark_sites = 2                 # places that hold alignment marks instead of a die

[label]
draw = true                    # row and column on every die; at = [x, y] puts them there

# Parameters of cells (see `layoutgen cells`); what is left out comes from the process.
[cells."rdl.wire"]
width = {wire:g}
space = {space:g}
"""


@click.command("init", short_help="Write a commented spec that builds at once.")
@click.argument("name")
@click.option("--pdk", "pdk_name", help="The process to write it for; left out, the first that routes wires.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
def command(name: str, pdk_name: str | None, force: bool) -> int:
    """Write NAME.toml, NAME_pads.csv and NAME_balls.csv here: a small chip that builds at once."""
    from layoutgen import discover, gds
    from layoutgen.chip import array_chip, write_tables

    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", name):
        raise click.BadParameter(f"{name!r} must be letters, digits, _ and - only", param_hint="NAME")
    library = discover.cells()
    pdk_name = pdk_name or next(discover.fitting(library["rdl.wire"]))
    pdk = discover.pdk(pdk_name)
    wire = library["rdl.wire"].parameters(pdk)
    chip = array_chip(name, columns=4, rows=4, pitch=500.0, margin=500.0, pad_size=(55.0, 55.0), pad_inset=75.0)
    pads, balls = write_tables(chip)
    spec = SPEC.format(
        name=name, pdk=pdk_name, width=chip.width, height=chip.height, wire=wire.width, space=wire.space
    )  # fmt: skip
    files = {f"{name}.toml": spec, f"{name}_pads.csv": pads, f"{name}_balls.csv": balls}
    there = [f for f in files if Path(f).exists()]
    if there and not force:
        raise click.UsageError(f"{', '.join(there)} is there already; choose another name, or replace it with --force")
    for file, text in files.items():
        gds.write_text(Path(file), text)
    click.echo(f"wrote {', '.join(files)}\n\nnext:\n  layoutgen build {name}.toml\n  layoutgen view output/{name}\n"
               f"  layoutgen pdk rules {pdk_name}")  # fmt: skip
    return 0
