"""`layoutgen cells` and `layoutgen cells show NAME`."""

from __future__ import annotations

import tempfile
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from layoutgen.cell import Drawing
    from layoutgen.pdk import Pdk


of_ones_own = click.option(
    "--cells", "folders", type=click.Path(path_type=Path, exists=True, file_okay=False), multiple=True,
    help="Also take the cells in this folder's Python files; may be given again.",
)  # fmt: skip


@click.group("cells", invoke_without_command=True, short_help="List cells, or draw one.")
@of_ones_own
@click.pass_context
def command(ctx: click.Context, folders: tuple[Path, ...]) -> int:
    """List every cell with what it is."""
    from layoutgen import discover

    if ctx.invoked_subcommand is not None:
        ctx.obj = {**(ctx.obj or {}), "folders": folders}
        return 0
    library = discover.cells(*folders)
    for name in library:
        click.echo(f"{name:18} {first_line(library[name].params.__doc__)}")
    click.echo("\nlayoutgen cells show NAME -o NAME.png draws one")
    return 0


@command.command("show", short_help="Say a cell's parameters, and draw it.")
@click.argument("name")
@of_ones_own
@click.option("--pdk", "pdk_name", help="Process to draw it in; left out, the first that has all it needs.")
@click.option("-p", "--parameter", "given", multiple=True, metavar="KEY=VALUE", help="A parameter to change.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A .gds, .oas or .png file.")
@click.pass_context
def show(
    ctx: click.Context, name: str, folders: tuple[Path, ...], pdk_name: str | None, given: tuple[str, ...],
    output: Path | None,
) -> int:  # fmt: skip
    """Say what the parameters of cell NAME are, and draw it into a file."""
    if output is not None and output.suffix not in (".gds", ".oas", ".png"):
        raise click.BadParameter(f"{output.name!r} must end in .gds, .oas or .png", param_hint="-o")
    from layoutgen import discover

    folders = (*ctx.obj["folders"], *folders)
    generator = discover.cells(*folders)[name]
    changed = dict(_parameter(text) for text in given)
    with discover.blamed_on(*folders):
        pdk = _process(generator, changed, pdk_name)
        values = generator.parameters(pdk, **changed)
        drawing = _drawn(generator, pdk, changed, needed=output is not None)
    units, meanings = generator.units(), generator.meanings()
    click.echo(f"{name} in {pdk.name}: {first_line(generator.params.__doc__)}")
    for f in fields(generator.params):
        value = f"{getattr(values, f.name)!r} {units[f.name]}".strip()
        click.echo(f"  {f.name:14} {value:14} {meanings.get(f.name, '')}".rstrip())
    for v in drawing.values if drawing is not None else ():
        asked = "" if v.asked is None or v.error is None else f" (asked: {v.asked:g}, {v.error:+.2%})"
        click.echo(f"  {v.name}: {v.drawn:.6g} {v.unit}{asked}, by {v.formula}")
    if output is not None and drawing is not None:
        _write(drawing, pdk, output)
        click.echo(f"wrote {output}")
    return 0


def _drawn(generator: Any, pdk: Pdk, changed: dict[str, Any], *, needed: bool) -> Drawing | None:
    """The cell as it is drawn; None where this process lacks a layer for it, unless the drawing is needed."""
    from layoutgen.errors import UnknownNameError

    try:
        drawing: Drawing = generator(pdk, **changed)
    except UnknownNameError:
        if needed:
            raise
        return None
    return drawing


def _process(generator: Any, changed: dict[str, Any], name: str | None) -> Pdk:
    """The PDK of that name, or the first in which the cell can be drawn."""
    from layoutgen import discover
    from layoutgen.errors import LayoutgenError

    if name is not None:
        return discover.pdk(name)
    trouble: LayoutgenError | None = None
    for candidate in discover.fitting(generator):
        pdk = discover.pdk(candidate)
        try:
            generator(pdk, **changed)
        except LayoutgenError as e:
            trouble = trouble or e
            continue
        return pdk
    if trouble is None:
        raise click.UsageError("no process was found; see layoutgen doctor")
    raise trouble


def _parameter(text: str) -> tuple[str, Any]:
    from layoutgen.units import DBU, MAX_DBU

    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise click.BadParameter(f"{text!r} must be KEY=VALUE, as in width=30", param_hint="-p")
    try:
        read = tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return key, value
    if isinstance(read, int | float) and not abs(read) < MAX_DBU * DBU:
        raise click.BadParameter(f"{key} must be a number of um within {MAX_DBU * DBU:.0f}", param_hint="-p")
    return key, read


def _write(drawing: Drawing, pdk: Pdk, output: Path) -> None:
    from layoutgen import gds, technology

    layout = gds.to_layout(drawing, pdk)
    if output.suffix != ".png":
        gds.save(layout, output)
        return
    from layoutgen.report.preview import Picture, render

    box = layout.top_cell().dbbox()
    margin = 0.05 * max(box.width(), box.height())
    window = (box.left - margin, box.bottom - margin, box.right + margin, box.top + margin)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gds.save(layout, folder / "cell.gds")
        gds.write_text(folder / "cell.lyp", technology.layer_properties(pdk))
        render(folder / "cell.gds", folder / "cell.lyp", [Picture("cell.png", window)], folder)
        with gds.whole_file(output) as temporary:
            temporary.write_bytes((folder / "cell.png").read_bytes())


def first_line(text: str | None) -> str:
    """The first line of a docstring."""
    return (text or "").strip().splitlines()[0] if (text or "").strip() else ""
