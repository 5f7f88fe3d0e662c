"""A chip as a layout (GDSII or OASIS): shapes on the layers of pads and balls, a text on each that names it.

A text says `NAME NET`, as builds write it, `NET` alone, or `NAME NET GROUP`; `*` or `*GROUP` in place of the net marks
what is free. A name with a space stands in double quotes; one that is not ASCII is written with \\x.., \\u.... and
\\U........, since OASIS has no other letters, and then a backslash of its own is doubled.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen import foreign, gds
from layoutgen.chip.model import ANY, Ball, Chip, Pad
from layoutgen.chip.shapes import Ring, bounds, box, fine, moved, placed, ring
from layoutgen.errors import ChipError, InputError, Problem, nearest, printable
from layoutgen.units import DBU, MAX_DBU, Um

UNITS: tuple[Um, ...] = (DBU, DBU / 2, DBU / 10)
"""Database units (um) to write with: the first that holds every corner."""
MOST_SHAPES = 5_000_000
"""Of all layers, with all that is placed again and again: what is more is no chip, but a slip or a trap."""
Layer = tuple[int, int]


@dataclass(frozen=True, slots=True)
class LayoutLayers:
    """Number and datatype of the layers that a chip is read from and written to."""

    outline: Layer = (200, 0)
    """The die: one polygon."""
    pad: Layer = (1, 0)
    """Metal of pads."""
    ball: Layer = (25, 0)
    """Metal of balls; a text of this layer that stands on no shape is a ball whose size the process says."""
    text: Layer = (63, 0)
    """Names of pads and balls; texts may stand on their own layers too."""
    keepout: Layer = (64, 0)
    """What wires keep clear of."""


def read_gds(path: Path, cell: str = "", layers: LayoutLayers = LayoutLayers()) -> Chip:
    """The chip in a cell of a layout (left out: the only top cell), with all that is placed in it.

    The die is moved so that the lower-left corner of its box is (0, 0); `Chip.origin` tells from where. Shapes that
    touch are one; centres are those of `shapes.centre`. Pads and balls come in the order of their names.

    Raises:
        ChipError: the file cannot be read, has no such cell or no outline; a text stands on no shape, a shape has no
            text, or several.
    """
    try:
        layout = foreign.read(path, convert=False)
    except InputError as e:
        raise ChipError(e.problems) from None
    return _Reader(layout, layout.dbu, str(path), layers).chip(cell)


@dataclass(frozen=True, slots=True)
class _Label:
    words: tuple[str, ...]
    at: tuple[Um, Um]
    layer: Layer

    @property
    def name(self) -> str:
        return self.words[0] if len(self.words) > 1 else ""

    @property
    def net(self) -> str:
        net = self.words[min(1, len(self.words) - 1)]
        return "" if net.startswith(ANY) else net

    @property
    def group(self) -> str:
        free = self.words[min(1, len(self.words) - 1)]
        if free.startswith(ANY):
            return free[1:] or ANY
        return self.words[2] if len(self.words) > 2 else ""


class _Reader:
    """A layout on its way into a chip."""

    def __init__(self, layout: kdb.Layout, unit: Um, file: str, layers: LayoutLayers) -> None:
        self.layout, self.unit, self.file, self.layers = layout, unit, file, layers

    def wrong(self, message: str) -> NoReturn:
        raise ChipError([Problem(self.file, "", message)])

    def chip(self, name: str) -> Chip:
        cell = self._cell(name)
        if (count := _flat_count(self.layout, cell)) > MOST_SHAPES:
            self.wrong(f"cell {cell.name!r} has {count} shapes, all placements counted; {MOST_SHAPES} are read")
        dies = list(self._shapes(cell, self.layers.outline))
        if len(dies) != 1:
            number, datatype = self.layers.outline
            self.wrong(f"layer {number}/{datatype} has {len(dies)} polygons; draw the die's outline there, one polygon")
        x0, y0, x1, y1 = bounds(dies[0])
        labels = sorted(self._labels(cell), key=lambda label: (label.at, label.layer, label.words))
        kinds = {"pad": self.layers.pad, "ball": self.layers.ball}
        shapes = [(kind, s) for kind, layer in kinds.items() for s in self._shapes(cell, layer)]
        if len(labels) > 1 and not shapes and all(label.layer == self.layers.text for label in labels):
            pad, ball = (f"{number}/{datatype}" for number, datatype in kinds.values())
            said = f"{len(labels)} texts, but no shape on layer {pad} (pads) or {ball} (balls)"
            self.wrong(f"{said}; name their layers: [chip.layers] of a spec, or --layer for that of the pads")
        found, points = self._match(shapes, labels)
        names = iter(_names([*(found[i] for i in range(len(shapes))), *points], shapes))
        pads: list[Pad] = []
        balls: list[Ball] = []
        for i, (kind, shape) in enumerate(shapes):
            label = found[i]
            x, y, width, height, polygon = placed(moved(shape, -x0, -y0))
            place = self._place(label.at)
            if kind == "pad":
                pads.append(Pad(next(names), label.net, x, y, width, height, place, label.group, polygon))
            else:
                balls.append(Ball(next(names), label.net, x, y, place, width, height, label.group, polygon))
        for label in points:
            x, y = fine(label.at[0] - x0), fine(label.at[1] - y0)
            balls.append(Ball(next(names), label.net, x, y, self._place(label.at), group=label.group))
        outline, width, height = moved(dies[0], -x0, -y0), fine(x1 - x0), fine(y1 - y0)
        return Chip(
            cell.name, width, height, tuple(sorted(pads, key=_order)), tuple(sorted(balls, key=_order)),
            outline=() if outline == box(0.0, 0.0, width, height) else outline,
            keepouts=tuple(sorted(moved(s, -x0, -y0) for s in self._shapes(cell, self.layers.keepout))),
            origin=(x0, y0),
        )  # fmt: skip

    def _place(self, at: tuple[Um, Um]) -> str:
        return f"{self.file}: at ({at[0]:g}, {at[1]:g})"

    def _cell(self, name: str) -> kdb.Cell:
        if name:
            if (found := self.layout.cell(name)) is None:
                known = [c.name for c in self.layout.each_cell()]
                self.wrong(f"no cell {printable(name, 60)!r}{nearest(name, known)}")
            return found
        tops = self.layout.top_cells()
        if len(tops) != 1:
            known = ", ".join(sorted(c.name for c in tops)[:12])
            self.wrong(f"has {len(tops)} top cells; name one of: {printable(known, 200)}" if tops else "has no cell")
        return tops[0]

    def _shapes(self, cell: kdb.Cell, layer: Layer) -> Iterator[Ring]:
        """Polygons of a layer, those that touch along a side joined."""
        index = self.layout.find_layer(*layer)
        if index is None:
            return
        region = kdb.Region(cell.begin_shapes_rec(index))
        region.min_coherence = True  # what touches at a corner alone stays apart: each polygon is simple
        for polygon in region.merged().each():
            if polygon.holes():
                at = polygon.bbox().center()
                where = f"({at.x * self.unit:g}, {at.y * self.unit:g})"
                self.wrong(f"the shape about {where} on layer {layer[0]}/{layer[1]} has a hole; fill or cut it")
            yield ring((p.x * self.unit, p.y * self.unit) for p in polygon.each_point_hull())

    def _labels(self, cell: kdb.Cell) -> Iterator[_Label]:
        problems = []
        for layer in dict.fromkeys((self.layers.text, self.layers.pad, self.layers.ball)):
            index = self.layout.find_layer(*layer)
            if index is None:
                continue
            shapes = cell.begin_shapes_rec(index)
            shapes.shape_flags = kdb.Shapes.STexts
            for found in shapes.each():
                text = found.shape().text.transformed(found.itrans())
                at = (fine(text.x * self.unit), fine(text.y * self.unit))
                try:
                    words = _words(text.string)
                except RuntimeError:  # of UnicodeDecodeError
                    problems.append(Problem(self._place(at), "", "a text is not UTF-8; write it anew"))
                    continue
                if 1 <= len(words) <= 3 and all(printable(w, 200) == w for w in words):
                    yield _Label(words, at, layer)
                else:
                    shown = printable(text.string, 60)
                    message = f"the text {shown!r} is none of NET, NAME NET, NAME NET GROUP; write it so"
                    problems.append(Problem(self._place(at), "", message))
        if problems:
            raise ChipError(problems)

    def _match(
        self, shapes: Sequence[tuple[str, Ring]], labels: list[_Label]
    ) -> tuple[dict[int, _Label], list[_Label]]:
        """The label of each shape, and the labels of balls without one."""
        tree = shapely.STRtree([shapely.Polygon(s) for _, s in shapes])
        spots = np.array([shapely.Point(label.at) for label in labels], dtype=object)
        hits: dict[int, list[int]] = {}
        for i, j in tree.query(spots, predicate="dwithin", distance=1e-6).T.tolist():
            only = {self.layers.pad: "pad", self.layers.ball: "ball"}.get(labels[i].layer)
            if only in (None, shapes[j][0]) or self.layers.pad == self.layers.ball:
                hits.setdefault(i, []).append(j)
        found: dict[int, _Label] = {}
        points, problems = [], []
        for i, label in enumerate(labels):
            shown = f"the text {printable(' '.join(label.words), 60)!r}"
            mine = sorted((_distance(label.at, shapes[j][1]), j) for j in hits.get(i, ()))
            if not mine:
                if label.layer == self.layers.ball and len(label.words) > 1:
                    points.append(label)
                    continue
                message = f"{shown} stands on no pad or ball; move it onto its shape"
            elif len(mine) > 1 and mine[0][0] == mine[1][0]:
                message = f"{shown} stands on two shapes alike; move it nearer to the middle of its own"
            elif mine[0][1] in found:
                message = f"{shown} is the second on one shape, beside {' '.join(found[mine[0][1]].words)!r}; keep one"
            else:
                found[mine[0][1]] = label
                continue
            problems.append(Problem(self._place(label.at), "", message))
        for j, (kind, shape) in enumerate(shapes):
            if j not in found:
                x0, y0, x1, y1 = bounds(shape)
                place = self._place(((x0 + x1) / 2, (y0 + y1) / 2))
                problems.append(Problem(place, "", f"a {kind} has no text; write its name and net on it"))
        if problems:
            raise ChipError(problems)
        return found, points


def _words(text: str) -> tuple[str, ...]:
    try:
        row = next(csv.reader([text], delimiter=" ", strict=True))
    except (csv.Error, StopIteration):
        return ()
    return tuple(_ESCAPE.sub(_letter, word) for word in row if word)


_ESCAPE = re.compile(r"\\(?:(\\)|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def _letter(escape: re.Match[str]) -> str:
    code = int(escape[2] or escape[3] or escape[4] or "5c", 16)
    return chr(code) if code < 0x110000 else "?"


def _distance(at: tuple[Um, Um], shape: Ring) -> Um:
    x0, y0, x1, y1 = bounds(shape)
    return fine(max(abs(at[0] - (x0 + x1) / 2), abs(at[1] - (y0 + y1) / 2)))


def _names(labels: list[_Label], shapes: Sequence[tuple[str, Ring]]) -> Iterator[str]:
    """The name that each label says; where it says a net alone, that net's, numbered where there are several."""
    kinds = [kind for kind, _ in shapes] + ["ball"] * (len(labels) - len(shapes))
    taken = {(kind, label.name) for kind, label in zip(kinds, labels, strict=True)}
    often = Counter((kind, label.words) for kind, label in zip(kinds, labels, strict=True) if not label.name)
    for kind, label in zip(kinds, labels, strict=True):
        name, n = label.name or label.words[0], 1
        if not label.name:
            if often[kind, label.words] > 1:
                name = f"{label.words[0]}.{n}"
            while (kind, name) in taken:
                name, n = f"{label.words[0]}.{n + 1}", n + 1
            taken.add((kind, name))
        yield name


def _order(of: Pad | Ball) -> tuple[list[tuple[int, str]], str]:
    """By name, numbers in it as numbers."""
    parts = re.findall(r"[0-9]+|[^0-9]+", of.name)
    return [(int(p[:18]), "") if p[0] in "0123456789" else (-1, p) for p in parts], of.name


def _flat_count(layout: kdb.Layout, top: kdb.Cell) -> int:
    below = {top.cell_index(), *top.called_cells()}
    counts: dict[int, int] = {}
    for index in layout.each_cell_bottom_up():
        if index not in below:
            continue
        cell = layout.cell(index)
        counts[index] = sum(cell.shapes(layer).size() for layer in layout.layer_indexes())
        counts[index] += sum(i.cell_inst.size() * counts[i.cell_index] for i in cell.each_inst())
    return counts[top.cell_index()]


def write_gds(chip: Chip, path: Path, layers: LayoutLayers = LayoutLayers()) -> None:
    """Write a chip as .gds or .oas (or .gz of them); `read_gds` gives it back, pads and balls in order of their names.

    Raises:
        ChipError: a corner lies on none of the grids of 1, 0.5 and 0.1 nm, or too far away.
        OutputError: the file could not be written.
    """
    rings = [*((layers.outline, chip.die),), *((layers.pad, p.metal) for p in chip.pads)]
    rings += [(layers.ball, b.metal) for b in chip.balls if b.metal]
    rings += [(layers.keepout, points) for points in chip.keepouts]
    rings = [(layer, moved(points, *chip.origin)) for layer, points in rings]
    texts: list[tuple[Layer, Pad | Ball]] = [(layers.text, m) for m in chip.members if m.metal]
    texts += [(layers.ball, b) for b in chip.balls if not b.metal]
    centres = [moved(((m.x, m.y),), *chip.origin)[0] for _, m in texts]
    values = [v for points in (*(points for _, points in rings), centres) for point in points for v in point]
    layout = kdb.Layout()
    layout.dbu = _unit(values, chip.name)
    top = layout.create_cell(re.sub(r"[^A-Za-z0-9_.$-]", "_", chip.name) or "CHIP")

    def at(point: tuple[Um, Um]) -> kdb.Point:
        return kdb.Point(*(round(v / layout.dbu) for v in point))

    for layer, points in rings:
        top.shapes(layout.layer(*layer)).insert(kdb.Polygon([at(p) for p in points]))
    for (layer, m), point in zip(texts, centres, strict=True):
        top.shapes(layout.layer(*layer)).insert(kdb.Text(_text(m), kdb.Trans(at(point) - kdb.Point())))
    gds.save(layout, path)


def _unit(values: list[Um], name: str) -> Um:
    for unit in UNITS:
        if all(abs(v / unit - round(v / unit)) < 1e-3 for v in values):
            if max(map(abs, values), default=0.0) / unit >= MAX_DBU:
                raise ChipError([Problem(name, "", f"reaches beyond {MAX_DBU * unit:g} um; move its origin nearer")])
            return unit
    worst = next(v for v in values if abs(v / UNITS[-1] - round(v / UNITS[-1])) >= 1e-3)
    raise ChipError([Problem(name, "", f"{worst!r} um is finer than 0.1 nm; round it")])


def _text(of: Pad | Ball) -> str:
    words = [of.name, of.net or (ANY if of.group == ANY else ANY + of.group)]
    words += [of.group] if of.net and of.group else []
    out = io.StringIO()
    plain = (word.replace("\\", 2 * "\\").encode("ascii", "backslashreplace").decode() for word in words)
    csv.writer(out, delimiter=" ", lineterminator="").writerow(plain)
    return out.getvalue()
