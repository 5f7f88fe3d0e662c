"""`layoutgen route CHIP`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layoutgen.cli.progress import progress

if TYPE_CHECKING:
    from layoutgen.route import Matched
    from layoutgen.routed import Routed

MOST_LINES = 10


@click.command("route", short_help="Route a chip: from pads to balls, and ties.")
@click.argument("chip", type=click.Path(path_type=Path))
@click.option("--pdk", help="The process: a name or a folder; left out, the one that the spec names.")
@click.option("--flow", help="One of the process's flows, where it has several.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("output"), show_default=True,
              help="Folder to write into; the chip gets a folder of its name in it.")  # fmt: skip
@click.option("--width", type=float, metavar="UM", help="Width of wires, in place of the process's.")
@click.option("--space", type=float, metavar="UM", help="Space between wires, likewise.")
@click.option("--style", type=click.Choice(["any-angle", "curved", "octilinear", "manhattan"]),
              help="Directions of wires; left out, any angle.")  # fmt: skip
@click.option("--ties", type=click.Choice(["none", "nets", "pads"]),
              help="What gets a wire to the die's edge; left out, as the process says.")  # fmt: skip
@click.option("--some-ties", is_flag=True, help="Take a routing that leaves some untied as complete.")
@click.option("--layers", type=click.Choice(["1", "2"]), help="Metal layers, as many as the process has.")
@click.option("--match", multiple=True, metavar="NET,NET,...:UM",
              help="Make these nets equally long, to within UM; may be given again.")  # fmt: skip
@click.option("--balls", type=click.Path(path_type=Path), help="The ball table, where CHIP is a pad table (CSV).")
@click.option("--size", type=float, nargs=2, metavar="W H", help="Width and height of the die in um, with a pad table.")
@click.option(
    "--pad-size", type=float, nargs=2, metavar="W H", help="Width and height in um of pads whose row does not say it."
)
@click.option("--lef", type=click.Path(path_type=Path), multiple=True, help="A LEF file that a DEF needs; repeatable.")
@click.option("--layer", default="", help="The routed metal layer of a DEF, or the layer of pads of a GDS.")
@click.option("--cells", type=click.Path(path_type=Path, exists=True, file_okay=False), multiple=True,
              help="Also take the cells and stages in this folder's Python files; may be given again.")  # fmt: skip
@click.option("--no-picture", is_flag=True, help="Leave out the picture.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors, and a line where not all is clean.")
def command(
    chip: Path, pdk: str | None, flow: str | None, output: Path, width: float | None, space: float | None,
    style: str | None, ties: str | None, some_ties: bool, layers: str | None, match: tuple[str, ...],
    balls: Path | None, size: tuple[float, float] | None, pad_size: tuple[float, float] | None, lef: tuple[Path, ...],
    layer: str, cells: tuple[Path, ...], no_picture: bool, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Wire the pads of CHIP to its balls in a process, and write metal, report and picture to OUTPUT/NAME.

    CHIP is a spec (TOML), a pad table (CSV, with --balls and --size), a DEF (with --lef) or a GDS or OASIS file. What
    no option says comes from the process, and from the spec. Outlines and keep-outs of tables need a spec.

    Exit code 0: all is routed, tied and matched. 1: something is not; the rest is legal, and the same files are
    written. 2: anything else.
    """
    from layoutgen import discover, routed
    from layoutgen.route import RouteOptions, Style, Ties
    from layoutgen.spec import Spec

    options = RouteOptions(
        width, space, Style(style) if style else None, Ties(ties) if ties else None, some_ties,
        int(layers) if layers else None, tuple(_matched(text) for text in match),
    )  # fmt: skip
    with discover.blamed_on(*cells):
        source = routed.read_chip(
            chip, pdk=pdk, balls=balls, size=size, pad_size=pad_size, lefs=lef, layer=layer, cells=cells
        )  # fmt: skip
    if pdk is None and not isinstance(source, Spec):
        raise click.UsageError("name the process with --pdk; `layoutgen pdk` lists them")
    read = [*([balls] if balls else []), *lef]
    if isinstance(source, Spec):
        read += [source.path.parent / file for file in (*source.file.chip.files, *source.row_files)]
    with progress(6, quiet or as_json, alone=True) as tell, discover.blamed_on(*cells):
        done = routed.route_chip(source, pdk, options, flow=flow, cells=cells, file=chip, progress=tell)
        files = done.save(output / done.name, picture=not no_picture, keep=read, progress=tell)
    if as_json:
        click.echo(json.dumps(_result(done, files), indent=1, ensure_ascii=False))
    elif not quiet:
        _say(done, output / done.name, len(files))
    elif done.exit_code:
        click.echo(f"{done.name}: not complete; see {output / done.name / 'route.md'}", err=True)
    return done.exit_code


def _matched(text: str) -> Matched:
    """`NET,NET,...:UM` as a group of nets."""
    from layoutgen.route import Matched

    nets, colon, within = text.rpartition(":")
    names = tuple(net.strip() for net in nets.split(","))
    try:
        value = float(within)
    except ValueError:
        value = -1.0
    if not colon or len(names) < 2 or not all(names) or not value >= 0:
        raise click.BadParameter(f"{text!r} must be NET,NET,...:UM, as in clk_p,clk_n:5", param_hint="--match")
    return Matched(names, value)


def _result(done: Routed, files: list[Path]) -> dict[str, Any]:
    data = done.data()
    keys = ("name", "pdk", "flow", "complete", "notes", "totals", "matched", "unrouted", "bottlenecks", "tie_bound")
    return {"exit_code": done.exit_code, **{k: data[k] for k in keys}, "files": [str(f) for f in files]}


def _say(done: Routed, folder: Path, files: int) -> None:
    from layoutgen.report import routing

    problem, plan, sums = done.problem, done.plan, done.totals
    pads, balls = len(done.chip.pads), len(done.chip.balls)
    click.echo(f"{done.name}: {done.chip.name} in {done.pdk.name}, flow {done.flow}")
    click.echo(f"  chip    {done.chip.width:g} x {done.chip.height:g} um, {pads} pads, {balls} balls, {sums.nets} nets")
    click.echo(f"  rules   wires {problem.width:g} um wide, {problem.space:g} um apart, {problem.style}")
    click.echo(f"  routing {routing.summary(sums)}")
    if problem.ties:
        bound = "" if plan.tie_bound is None else f"; no more than {plan.tie_bound} can leave the die"
        click.echo(f"  ties    {sums.ties} of {sums.ties + sums.untied} tied{bound}")
    _lines("missing", [routing.unrouted_line(u) for u in plan.unrouted])
    _lines("narrow", [routing.bottleneck_line(b) for b in plan.bottlenecks])
    _lines("matched", [routing.matched_line(m) for m in done.matched])
    _lines("note", list(done.notes))
    click.echo(f"{files} files in {folder}: {'complete' if done.complete else 'not complete'}")


def _lines(word: str, lines: list[str]) -> None:
    for line in lines[:MOST_LINES]:
        click.echo(f"  {word:7} {line}")
        word = ""
    if len(lines) > MOST_LINES:
        click.echo(f"          and {len(lines) - MOST_LINES} more in the report")


__all__ = ["command"]
