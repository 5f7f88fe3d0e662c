"""Everything the command line does, as calls. Lengths are um."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import klayout.db as kdb

from layoutgen import discover, gds, handover, maskset
from layoutgen import spec as spec_module
from layoutgen.cell import Drawing, Library
from layoutgen.chip import Chip
from layoutgen.drc.run import Content, run
from layoutgen.errors import UnknownNameError
from layoutgen.findings import Report
from layoutgen.maskset import MaskSet
from layoutgen.pdk import Pdk
from layoutgen.route import Matched, RouteOptions, Style, Ties
from layoutgen.spec import Spec

if TYPE_CHECKING:
    import gdstk

    from layoutgen.areas import OpenArea
    from layoutgen.report.bending import StressMap
    from layoutgen.routed import Routed
    from layoutgen.section import Section

E = TypeVar("E", bound=StrEnum)
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


def route_chip(
    chip: Spec | Chip | str | Path,
    pdk: str | None = None,
    *,
    flow: str | None = None,
    width: float | None = None,
    space: float | None = None,
    style: str | None = None,
    ties: str | None = None,
    some_ties: bool = False,
    layers: int | None = None,
    matched: Iterable[tuple[Iterable[str], float]] = (),
    balls: str | Path | None = None,
    size: tuple[float, float] | None = None,
    pad_size: tuple[float, float] | None = None,
    lefs: Iterable[str | Path] = (),
    layer: str = "",
    cells: Folders = (),
) -> Routed:
    """A chip routed in a process: problem, plan, metal, and a table of nets; `.save(folder)` writes its files.

    chip: a spec, a chip, or a file of either; a pad table (CSV) also needs `balls` and `size`, a DEF its `lefs`.
    pdk, flow: the process; left out, those of the spec.
    width, space: of wires (um); what is left out comes from the process, and from the spec.
    style: any-angle, curved, octilinear or manhattan.
    ties: none, nets or pads; `some_ties`: whether it is complete with some of them missing.
    matched: groups of nets that shall be equally long, each with the difference allowed (um).

    Raises:
        InputError: the chip is wrong.
        LayoutgenError: process, flow, cells or options are wrong.
    """
    from layoutgen.routed import read_chip, route_chip

    options = RouteOptions(
        width, space, _choice(Style, style, "style"), _choice(Ties, ties, "ties"), some_ties, layers,
        tuple(Matched(tuple(nets), within) for nets, within in matched),
    )  # fmt: skip
    folders = _folders(cells)
    file = Path(chip) if isinstance(chip, str | Path) else None
    if isinstance(chip, str | Path):
        chip = read_chip(
            Path(chip), pdk=pdk, balls=None if balls is None else Path(balls), size=size, pad_size=pad_size,
            lefs=[Path(f) for f in lefs], layer=layer, cells=folders,
        )  # fmt: skip
    return route_chip(chip, pdk, options, flow=flow, cells=folders, file=file)


def _choice(kind: type[E], value: str | None, name: str) -> E | None:
    if value is not None and value not in [*kind]:
        raise UnknownNameError(name, value, [*kind])
    return None if value is None else kind(value)


def write(
    built: MaskSet, folder: str | Path, *, previews: bool = True, plating: bool = True
) -> list[Path]:  # fmt: skip
    """Write a mask set into a folder, whole or not at all; the files, the manifest last.

    plating: whether what the bath makes of the network in the kerf is predicted, where the process states a bath.

    Raises:
        OutputError: something could not be written.
    """
    from layoutgen import current

    prediction = current.predicted(built) if plating else None
    return handover.write(built, Path(folder), previews=previews, prediction=prediction)


def bending(built: MaskSet) -> list[StressMap]:
    """What becomes of the beams of one die by each rule on bending: displacement, stress, and where it yields."""
    from layoutgen.report.bending import stress_maps

    return stress_maps(built.layout, built.layout.cell("DIE"), built.pdk, built.flow)


def cross_section(
    of: MaskSet | Drawing | str | Path, start: tuple[float, float], end: tuple[float, float], *,
    pdk: Pdk | None = None, flow: str | None = None, cell: str = "",
) -> Section:  # fmt: skip
    """The cross-section of a build, a drawing or a layout file along a line (um), as its process's steps make it.

    pdk: the process of a drawing or a file. cell: of a build or a file; left out, the wafer, or the only top cell.

    Raises:
        InputError: the file, its cell or the line is wrong, or the process has no steps.
        UnknownNameError: the process has no such flow.
        ValueError: no process is given for a drawing or a file.
    """
    from layoutgen import foreign
    from layoutgen.section import section

    if isinstance(of, MaskSet):
        top = foreign.top_cell(of.layout, of.name, cell)
        return section(of.layout, top, of.pdk, flow or of.flow, start, end)
    if pdk is None:
        raise ValueError("a drawing or a file needs pdk, its process")
    layout = gds.to_layout(of, pdk) if isinstance(of, Drawing) else foreign.read(Path(of))
    return section(layout, foreign.top_cell(layout, str(getattr(of, "name", of)), cell), pdk, flow, start, end)


def write_section(found: Section, *paths: str | Path, title: str = "", stretch: float = 1.0) -> None:
    """Draw a cross-section into files, .png or .svg; `stretch`: heights as multiples of widths.

    Raises:
        OutputError: a file has another ending, or could not be written.
        ValueError: heights cannot be stretched so.
    """
    from layoutgen.report import section_picture

    section_picture.draw(found, *(Path(p) for p in paths), title=title, stretch=stretch)


def open_areas(built: MaskSet) -> list[OpenArea]:
    """How much of wafer and die each mask leaves open to a bath (mm2), and the current (A) that it asks for."""
    return built.areas


def check(drawing: Drawing, pdk: Pdk, flow: str | None = None) -> Report:
    """The rules of a process on a drawing by itself: a cell, or what a script has placed.

    A rule on a layer that the drawing leaves empty does not apply, nor one that measures to a die or street that is
    not there. `exit_code` of the report is 0 only where at least one rule ran and none found anything.
    """
    name, _ = pdk.flow(flow)
    pdk = pdk.in_flow(name)
    layout = gds.to_layout(drawing, pdk)
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
