"""The spec: what to build, as a TOML file. Checked as a whole; every problem at once; paths relative to the file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from layoutgen import discover, tomlfile
from layoutgen.cell import Library
from layoutgen.chip import Chip, array_chip, check, read_tables
from layoutgen.errors import ChipError, InputError, LayoutgenError, Problem, SpecError
from layoutgen.kerf import too_narrow
from layoutgen.pdk import Pdk
from layoutgen.tomlfile import FILE_NAME, SPACED_NAME, Model, NonNegativeUm, OneOrPair, PositiveUm
from layoutgen.units import DBU, LARGEST, Um

M = TypeVar("M", bound=Model)

OnWafer = Annotated[Um, Field(gt=0, le=LARGEST)]


class ArraySpec(Model):
    """A generated chip: an array of balls and a ring of pads."""

    columns: int = Field(ge=1, le=400)
    """Balls in x."""
    rows: int = Field(ge=1, le=400)
    """Balls in y."""
    pitch: OnWafer
    """Between the centres of neighbouring balls, in x and y."""
    margin: OnWafer
    """From the outermost ball centres to the die edge."""
    pad_inset: OnWafer = 75.0
    """From the pads' centres to the die edge."""


class ChipSpec(Model):
    """Where the chip comes from: two tables and a size, or an array."""

    name: str = Field(pattern=SPACED_NAME)
    """The chip's name, for reports."""
    size: tuple[PositiveUm, PositiveUm] | None = None
    """Width and height of the die: the outer edge of its seal ring."""
    pads: str = ""
    """The pad table: a CSV file, its path relative to the spec."""
    balls: str = ""
    """The ball table, likewise."""
    pad_size: tuple[PositiveUm, PositiveUm] | None = None
    """Width and height of pad metal where the pad table does not say; 55 x 55 with `array`."""
    array: ArraySpec | None = None
    """Instead of `size`, `pads` and `balls`: a generated chip."""


class WaferSpec(Model):
    """The incoming wafer and how dies stand on it."""

    diameter: OnWafer = 200_000.0
    """Diameter of the wafer."""
    edge_exclusion: NonNegativeUm = 5_000.0
    """From the wafer's edge; whole dies stand within, and no others."""
    notch: Literal["bottom", "left", "top", "right", "none"] = "bottom"
    """Where the wafer's notch is."""
    street: OneOrPair | None = None
    """Between dies, the same in x and y or one each; 100 where neither this nor `step` is given."""
    step: tuple[PositiveUm, PositiveUm] | None = None
    """The step the wafer came with; the street follows. Give this or `street`."""
    centre: Literal["die", "street"] = "street"
    """What stands on the wafer's centre: the middle of a die, or the crossing of two streets."""
    mark_sites: int = Field(default=2, ge=2, le=8)
    """Places that hold alignment marks instead of a die."""


class LabelSpec(Model):
    """The label of each die: its row's letters and its column's number."""

    at: tuple[NonNegativeUm, NonNegativeUm] | None = None
    """Its lower-left corner in the die; left out, a free corner is found."""
    draw: bool = True
    """False: dies get no label."""


class SpecFile(Model):
    """What to build, and in which process; tables say the rest."""

    name: str = Field(pattern=FILE_NAME)
    """The build's name, its folder's, and the beginning of its files' names."""
    pdk: str = Field(min_length=1)
    """The process: a name that `layoutgen pdk` lists, or a path to a folder with a pdk.toml."""
    flow: str | None = None
    """One of the process's flows; may be left out where there is only one."""
    chip: ChipSpec
    """The chip."""
    wafer: WaferSpec = WaferSpec()
    """The wafer."""
    label: LabelSpec = LabelSpec()
    """The die label."""
    cells: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """`[cells."NAME"]`: parameters of a cell; the rest comes from the process."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A checked spec with the chip it names."""

    path: Path
    file: SpecFile
    chip: Chip
    step: tuple[Um, Um]
    cell_folders: tuple[Path, ...] = ()
    """Folders with Python files of the user's own cells and stages."""

    @property
    def street(self) -> tuple[Um, Um]:
        """Width of the street in x and y (um)."""
        return round(self.step[0] - self.chip.width, 3), round(self.step[1] - self.chip.height, 3)


def read(path: Path, cells: Iterable[Path] = ()) -> Spec:
    """The spec in a file, with its chip; `cells` are folders with Python files of the user's own cells and stages.

    Only the caller names such folders: what a spec says never runs code.

    Raises:
        SpecError: anything in it, or in the tables, process and cells it names, is wrong; all problems at once.
    """
    folders = tuple(cells)
    shown = str(path)
    raw = tomlfile.load(path, SpecError)
    problems: list[Problem] = []
    file = _table(raw, SpecFile, shown, problems)
    # a table that is right by itself is looked into, whatever is wrong beside it
    chip_spec, wafer = (_table(raw.get(key, {}), model) for key, model in (("chip", ChipSpec), ("wafer", WaferSpec)))
    chip = _chip(chip_spec, path, problems) if isinstance(chip_spec, ChipSpec) else None
    if chip_spec is None:
        problems += _tables(raw.get("chip"), path)
    step = _step(wafer, chip, shown, problems) if isinstance(wafer, WaferSpec) else None
    problems += _process(raw, shown, folders)
    if chip is not None and step is not None and isinstance(raw.get("pdk"), str):
        street = (round(step[0] - chip.width, 3), round(step[1] - chip.height, 3))
        with suppress(LayoutgenError):  # what is wrong with the process has been said
            problems += too_narrow(discover.pdk(raw["pdk"]), street, shown)
    if problems or file is None or chip is None or step is None:
        raise SpecError(problems)
    return Spec(path, file, chip, step, folders)


def _tables(chip: Any, path: Path) -> tuple[Problem, ...]:
    """What is wrong with the tables that a chip names, where the chip itself cannot be taken."""
    pads, balls = (chip.get(key) if isinstance(chip, dict) else None for key in ("pads", "balls"))
    if not isinstance(pads, str) or not isinstance(balls, str):
        return ()
    try:
        read_tables("", (LARGEST, LARGEST), path.parent / pads, path.parent / balls, (1.0, 1.0))
    except ChipError as e:
        return e.problems
    return ()


def _table(raw: Any, model: type[M], file: str = "", problems: list[Problem] | None = None) -> M | None:
    """A table as a model, or None, its problems added."""
    try:
        return tomlfile.validate(raw, model, file, SpecError)
    except SpecError as e:
        if problems is not None:
            problems += e.problems
        return None


def _process(raw: dict[str, Any], file: str, folders: tuple[Path, ...]) -> Iterator[Problem]:
    """What is wrong with the cells brought along, and with the process, flow and cell parameters that a spec names."""
    name, flow, cells = raw.get("pdk"), raw.get("flow"), raw.get("cells", {})
    library: Library | None = None
    try:
        library, _ = discover.cells(*folders), discover.stages(*folders)
    except InputError as e:
        yield from e.problems
    if not isinstance(name, str) or not name:
        return
    try:
        pdk = discover.pdk(name)
    except InputError as e:
        yield from e.problems
        return
    except LayoutgenError as e:
        yield Problem(file, "pdk", str(e))
        return
    try:
        pdk.flow(flow if isinstance(flow, str) else None)
    except LayoutgenError as e:
        yield Problem(file, "flow", str(e))
    if library is None or not isinstance(cells, dict):
        return
    wrong = {cell: list(_wrong_parameters(library, pdk, cell, {})) for cell in pdk.cells}
    for cell, lines in wrong.items():
        yield from (Problem(f"PDK {pdk.name!r}", f'cells."{cell}"', line) for line in lines)
    for cell, given in cells.items():
        if isinstance(given, dict) and not wrong.get(cell):
            for line in _wrong_parameters(library, pdk, cell, given):
                yield Problem(file, f'cells."{cell}"', line)


def _wrong_parameters(library: Library, pdk: Pdk, cell: str, given: dict[str, Any]) -> Iterator[str]:
    try:
        library[cell].parameters(pdk, **given)
    except LayoutgenError as e:
        yield from (line.removeprefix(f"{cell}: ") for line in str(e).splitlines())


def _chip(spec: ChipSpec, path: Path, problems: list[Problem]) -> Chip | None:
    shown = str(path)
    tables = [key for key in ("size", "pads", "balls") if getattr(spec, key)]
    if spec.array and tables:
        problems.append(Problem(shown, f"chip.{tables[0]}", "stands beside chip.array; keep the one or the other"))
        return None
    if not spec.array and len(tables) < 3:
        missing = next(key for key in ("size", "pads", "balls") if key not in tables)
        problems.append(Problem(shown, f"chip.{missing}", "is missing; give size, pads and balls, or chip.array"))
        return None
    try:
        if spec.array:
            a, pad = spec.array, spec.pad_size or (55.0, 55.0)
            chip = array_chip(
                spec.name,
                columns=a.columns,
                rows=a.rows,
                pitch=a.pitch,
                margin=a.margin,
                pad_size=pad,
                pad_inset=a.pad_inset,
            )
        else:
            if spec.size is None:
                return None
            folder = path.parent
            chip = read_tables(spec.name, spec.size, folder / spec.pads, folder / spec.balls, spec.pad_size)
        return check(chip, shown)
    except ChipError as e:
        problems.extend(e.problems)
        return None


def _step(wafer: WaferSpec, chip: Chip | None, file: str, problems: list[Problem]) -> tuple[Um, Um] | None:
    """Die and street in x and y; the die must fit on the wafer, and all of it on the grid."""
    before = len(problems)
    place = "wafer.step" if wafer.step is not None else "wafer.street"
    given = wafer.step if wafer.step is not None else wafer.street if wafer.street is not None else 100.0
    pair = given if isinstance(given, tuple) else (given, given)
    if wafer.step is not None and wafer.street is not None:
        problems.append(Problem(file, "wafer.step", "stands beside wafer.street; keep the one or the other"))
    if 2 * wafer.edge_exclusion >= wafer.diameter:
        problems.append(Problem(file, "wafer.edge_exclusion", "leaves nothing of the wafer; make it smaller"))
    for value in dict.fromkeys(pair):
        if value >= wafer.diameter:
            message = f"{value:g} um is no less than the wafer of {wafer.diameter:g}; make it smaller"
            problems.append(Problem(file, place, message))
        elif abs(value / DBU - round(value / DBU)) > 1e-4:
            problems.append(Problem(file, place, f"{value!r} um is not a whole number of nm; round it"))
    if chip is None:
        return None
    size = (chip.width, chip.height)
    if math.hypot(*size) >= wafer.diameter - 2 * wafer.edge_exclusion > 0:
        message = f"a die of {size[0]:g} x {size[1]:g} um does not fit on a wafer of {wafer.diameter:g} um; mend either"
        problems.append(Problem(file, "wafer.diameter", message))
    elif any(abs(value / DBU - round(value / DBU)) > 1e-4 for value in size):
        problems.append(Problem(file, "chip", f"a die of {size[0]!r} x {size[1]!r} um is not a whole number of nm"))
    for axis, step, die in zip("xy", pair, size, strict=True):
        if wafer.step is not None and step <= die:
            message = f"the step in {axis}, {step:g} um, must exceed the die, {die:g}; widen the step"
            problems.append(Problem(file, "wafer.step", message))
    if len(problems) > before:
        return None
    return pair if wafer.step is not None else (size[0] + pair[0], size[1] + pair[1])
