"""The cross-sections of a build: one for each kind of via, through the middle of a typical one, and one of the cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import klayout.db as kdb

from layoutgen import derive, gds
from layoutgen.die import Port
from layoutgen.pdk import Pdk
from layoutgen.report.markdown import safe
from layoutgen.report.section_picture import draw
from layoutgen.section import LONGEST, section
from layoutgen.units import DBU, Um

FOLDER = "sections"
CUT = "cut"
BESIDE: Um = 60.0
"""At both sides of what a picture is of, besides a quarter of its width."""
NO_VIA = ("label",)
"""Roles whose openings join nothing."""
Point = tuple[Um, Um]


@dataclass(frozen=True, slots=True)
class Line:
    """Where a section runs (um on the wafer), what it shows, and the name of its files."""

    name: str
    title: str
    start: Point
    end: Point

    @property
    def files(self) -> tuple[str, str]:
        """Its pictures, in the folder of the build."""
        return f"{FOLDER}/{self.name}.png", f"{FOLDER}/{self.name}.svg"


def kinds(pdk: Pdk, flow: str) -> list[str]:
    """The layers of vias and openings that a flow's steps make, in the order in which they do."""
    steps = pdk.steps_of(flow)
    texts = [t for s in steps for t in (pdk.masks[s.mask].data if s.mask else "", s.where, s.open) if t]
    used = dict.fromkeys(source for text in texts for name in derive.names(text) for source in pdk.sources(name))
    named = {layer for role, layer in pdk.roles.items() if role not in NO_VIA}
    return [name for name in used if name in named and name in pdk.layers and pdk.layers[name].drawn == "opening"]


def lines(
    layout: kdb.Layout, die: kdb.Cell, pdk: Pdk, flow: str, *, at: Point, size: Point, street: Point,
    ports: Iterable[Port] = (),
) -> list[Line]:  # fmt: skip
    """Where the sections of a build run; `at`: the corner of the die that they are of; none without steps."""
    if not pdk.steps_of(flow):
        return []
    return [*_vias(layout, die, pdk, flow, at, size), *_cut(pdk, at, size, street, ports)]


def _vias(
    layout: kdb.Layout, die: kdb.Cell, pdk: Pdk, flow: str, at: Point, size: Point
) -> Iterator[Line]:  # fmt: skip
    found, middle = gds.fetch(layout, pdk, die), kdb.DPoint(size[0] / 2, size[1] / 2).to_itype(DBU)
    for name in kinds(pdk, flow):
        boxes = [p.bbox() for p in found(name).merged().each()]
        if not boxes:
            continue
        typical = min(boxes, key=lambda b: (b.center().distance(middle), b.left, b.bottom)).to_dtype(DBU)
        half = min(typical.width() * 0.75 + BESIDE, LONGEST / 2)
        x, y = at[0] + typical.center().x, at[1] + typical.center().y
        yield Line(name, f"{name}: {pdk.layers[name].title}", (x - half, y), (x + half, y))


def _cut(pdk: Pdk, at: Point, size: Point, street: Point, ports: Iterable[Port]) -> Iterator[Line]:
    if not pdk.cut:
        return
    offsets = sorted((p.offset for p in ports if p.side == "right"), key=lambda o: (abs(o - size[1] / 2), o))
    x, y = at[0] + size[0] + street[0] / 2, at[1] + (offsets[0] if offsets else size[1] / 2)
    half = min(street[0] / 2 + BESIDE, LONGEST / 2)
    yield Line(CUT, "the cut between two dies", (x - half, y), (x + half, y))


def markdown(of: Sequence[Line]) -> str:
    """The list of the pictures as Markdown."""
    if not of:
        return ""
    rows = [
        f"- [{safe(line.title, 200)}]({line.files[0]}), from ({line.start[0]:.3f}, {line.start[1]:.3f}) to "
        f"({line.end[0]:.3f}, {line.end[1]:.3f}) um"
        for line in of
    ]
    return "\n".join(["", "### Cross-sections", "", *rows, ""])


def write(of: Sequence[Line], layout: kdb.Layout, pdk: Pdk, flow: str, folder: Path) -> Iterator[str]:
    """Draw the sections of the layout's top cell into a folder; each file written, by its name there.

    Raises:
        OutputError: a picture could not be written.
    """
    for line in of:
        shown = section(layout, layout.top_cell(), pdk, flow, line.start, line.end)
        draw(shown, *(folder / file for file in line.files), title=line.title)
        yield from line.files


__all__ = ["CUT", "FOLDER", "Line", "kinds", "lines", "markdown", "write"]
