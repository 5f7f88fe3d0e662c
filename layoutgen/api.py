"""Everything the command line does, as calls. Lengths are um."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import klayout.db as kdb

from layoutgen import discover, gds, handover, maskset
from layoutgen import spec as spec_module
from layoutgen.cell import Drawing, Library
from layoutgen.drc.run import Content, run
from layoutgen.findings import Report
from layoutgen.maskset import MaskSet
from layoutgen.pdk import Pdk
from layoutgen.spec import Spec

if TYPE_CHECKING:
    import gdstk

Folders: TypeAlias = str | Path | Iterable[str | Path]
"""A folder, or several."""


def load_pdk(name_or_path: str) -> Pdk:
    """A process by name, or from a folder that holds a pdk.toml.

    Raises:
        UnknownNameError: there is none of that name.
        PdkError: it is wrong.
    """
    return discover.pdk(name_or_path)


def cells(*folders: str | Path) -> Library:
    """All cells by name: the installed ones, and those in the Python files of `folders`.

    Raises:
        CellsError: a file of `folders` is wrong.
    """
    return discover.cells(*(Path(f) for f in folders))


def read_spec(path: str | Path, cells: Folders = ()) -> Spec:
    """A spec from a TOML file, checked as a whole, with its chip.

    `cells` are folders with Python files of cells and stages of your own.

    Raises:
        SpecError: with every problem found.
    """
    return spec_module.read(Path(path), _folders(cells))


def build(spec: Spec | str | Path, cells: Folders = ()) -> MaskSet:
    """The mask set of a spec, built and checked in memory.

    `cells` are folders with Python files of cells and stages of your own, besides those that a spec was read with.

    Raises:
        SpecError: the spec, or what it names, is wrong.
        CellsError: a file of `cells` is wrong.
    """
    if isinstance(spec, Spec):
        return maskset.build(replace(spec, cell_folders=(*spec.cell_folders, *_folders(cells))))
    return maskset.build(read_spec(spec, cells))


def _folders(given: Folders) -> tuple[Path, ...]:
    return tuple(Path(f) for f in ([given] if isinstance(given, str | Path) else given))


def write(built: MaskSet, folder: str | Path, *, previews: bool = True) -> list[Path]:
    """Write a mask set into a folder, whole or not at all; the files, the manifest last.

    Raises:
        OutputError: something could not be written.
    """
    return handover.write(built, Path(folder), previews=previews)


def check(drawing: Drawing, pdk: Pdk, flow: str | None = None) -> Report:
    """The rules of a process on a drawing by itself: a cell, or what a script has placed.

    A rule on a layer that the drawing leaves empty does not apply, nor one that measures to a die or street that is
    not there. `exit_code` of the report is 0 only where at least one rule ran and none found anything.
    """
    layout = gds.to_layout(drawing, pdk)
    name, _ = pdk.flow(flow)
    found = gds.fetch(layout, pdk, layout.top_cell())
    absent = {layer for layer in pdk.reserved if found(layer).is_empty()}
    applies = frozenset(rule for rule, r in pdk.rules.items() if not absent & {*r.layers})
    return run(pdk, name, Content(drawing.name, found, applies=applies, complete=False))


def save(drawing: Drawing, pdk: Pdk, path: str | Path) -> None:
    """Write a drawing as .gds or .oas, whole or not at all.

    Raises:
        OutputError: it could not be written.
    """
    gds.save(gds.to_layout(drawing, pdk), Path(path))


def to_klayout(drawing: Drawing, pdk: Pdk) -> kdb.Layout:
    """A drawing with all that it places as a `klayout.db.Layout`."""
    return gds.to_layout(drawing, pdk)


def to_gdstk(drawing: Drawing, pdk: Pdk) -> gdstk.Cell:
    """A drawing with all that it places as a `gdstk.Cell`."""
    return gds.to_gdstk(drawing, pdk)
