"""One door for chips, whatever file they stand in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from layoutgen.chip.def_chip import read_def
from layoutgen.chip.layout import LayoutLayers, read_gds
from layoutgen.chip.model import Chip, check
from layoutgen.chip.tables import read_tables
from layoutgen.errors import ChipError, Problem
from layoutgen.units import LARGEST, Um

LAYOUTS = (".gds", ".gds.gz", ".gds2", ".oas", ".oas.gz")


def load(
    path: str | Path,
    *,
    lefs: Iterable[str | Path] = (),
    layer: str = "",
    cell: str = "",
    layers: LayoutLayers = LayoutLayers(),  # noqa: B008
    balls: str | Path | None = None,
    shapes: str | Path | None = None,
    size: tuple[Um, Um] | None = None,
    pad_size: tuple[Um, Um] | None = None,
    name: str = "",
    kind: Literal["def", "gds", "csv"] | None = None,
) -> Chip:
    """A chip, checked; the end of the file's name says what it is, unless `kind` does.

    `.def`: with `lefs`, the LEF files of its cells, and `layer`, the routed layer (left out: the bumps' own).
    `.gds`, `.oas`, and `.gz` of them: with `cell` (left out: the only top cell) and the numbers of `layers`.
    `.csv`: the pad table, with `balls`, the ball table, `size` or an outline in `shapes`, and `pad_size`.
    `name`: what the chip is called; left out, what its file calls it.

    Raises:
        ChipError: with every problem found.
    """
    path = Path(path)
    kind = kind or _kind(path)
    if kind == "def":
        chip = read_def(path, [Path(lef) for lef in lefs], layer)
        return check(_sized(_named(chip, name), str(path)), str(path), any_terminals=True)
    if kind == "gds":
        return check(_sized(_named(read_gds(path, cell, layers), name), str(path)), str(path))
    if balls is None:
        raise ChipError([Problem(str(path), "", "is a pad table alone; name the ball table (balls) too")])
    tables = read_tables(name or path.stem, size, path, Path(balls), pad_size, None if shapes is None else Path(shapes))
    return check(tables, str(path))


def _kind(path: Path) -> Literal["def", "gds", "csv"]:
    name = path.name.lower()
    if name.endswith(".def"):
        return "def"
    if name.endswith(LAYOUTS):
        return "gds"
    if name.endswith(".csv"):
        return "csv"
    message = "is no file of a chip by its name; name a .def, .gds, .oas or .csv file"
    raise ChipError([Problem(str(path), "", message)])


def _sized(chip: Chip, file: str) -> Chip:
    if not (0 < chip.width <= LARGEST and 0 < chip.height <= LARGEST):
        message = f"the die of {chip.width:g} x {chip.height:g} um must have sides above 0 and at most {LARGEST:g} um"
        raise ChipError([Problem(file, "", f"{message}; mend its outline, or the unit")])
    return chip


def _named(chip: Chip, name: str) -> Chip:
    return replace(chip, name=name) if name else chip
