"""The spec: what to build, as a TOML file. Checked as a whole; every problem at once; paths relative to the file."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from layoutgen import discover, rowfile, tomlfile
from layoutgen.chip import Chip
from layoutgen.errors import LayoutgenError, Problem, SpecError
from layoutgen.kerf import least_street, too_narrow
from layoutgen.spec.problems import (
    chip_of,
    process_of_flow,
    step_of,
    table,
    wrong_chip_files,
    wrong_on_die,
    wrong_process,
    wrong_routing,
)
from layoutgen.spec.tables import ChipSpec, RoutingSpec, SpecFile, WaferSpec
from layoutgen.units import Um


@dataclass(frozen=True, slots=True)
class Spec:
    """A checked spec with the chip it names."""

    path: Path
    file: SpecFile
    chip: Chip
    step: tuple[Um, Um]
    cell_folders: tuple[Path, ...] = ()
    """Folders with Python files of the user's own cells and stages."""
    row_files: tuple[str, ...] = ()
    """Files whose rows are parameters of cells."""

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
    row_files: list[str] = []
    with suppress(LayoutgenError):  # what is wrong with cells brought along is said below
        raw, row_files, problems = rowfile.taken(raw, path.parent, shown, discover.cells(*folders))
    file = table(raw, SpecFile, shown, problems)
    # a table that is right by itself is looked into, whatever is wrong beside it
    chip_spec, wafer = (table(raw.get(key, {}), model) for key, model in (("chip", ChipSpec), ("wafer", WaferSpec)))
    pdk = process_of_flow(raw)
    terminals = pdk.connect.terminals if pdk else ("pad", "ball")
    chip = chip_of(chip_spec, path, terminals, problems) if isinstance(chip_spec, ChipSpec) else None
    if chip is not None and isinstance(chip_spec, ChipSpec):
        chip = replace(chip, ground=chip_spec.ground)
    if chip_spec is None:
        problems += wrong_chip_files(raw.get("chip"), path)
    usual = least_street(pdk) if pdk else 100.0
    step = step_of(wafer, chip, shown, problems, usual) if isinstance(wafer, WaferSpec) else None
    problems += wrong_process(raw, shown, folders)
    if file is not None:
        problems += wrong_on_die(file, chip, shown, folders)
    problems += wrong_routing(table(raw.get("routing", {}), RoutingSpec), chip, raw.get("pdk"), shown)
    if chip is not None and step is not None and pdk is not None:
        street = (round(step[0] - chip.width, 3), round(step[1] - chip.height, 3))
        problems += too_narrow(pdk, street, shown)
    if problems or file is None or chip is None or step is None:
        raise SpecError(problems)
    return Spec(path, file, chip, step, folders, tuple(row_files))
