"""A picture laid out in pixels, which KLayout paints as PNG: shapes and letters, one layer a colour.

Why so: docs/decisions/0008-routing-pictures.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import klayout.db as kdb
import klayout.lay as lay
import numpy as np

from layoutgen.errors import OutputError
from layoutgen.gds import whole_file, write_text
from layoutgen.units import DBU, Um

SMOOTH = 2
"""Oversampling in x and y."""
_GRID = 0.01
INK, GREY, PALE, RED = "#1f2933", "#7b8794", "#e4e7eb", "#d00000"
_FONT = kdb.TextGenerator.default_generator()


class Page:
    """Shapes in pixels, lower-left corner (0, 0), by height above the paper and colour."""

    def __init__(self, width: float, height: float, scale: float, shift: tuple[float, float]) -> None:
        self.width, self.height, self.scale = float(round(width)), float(round(height)), scale
        self._shift = shift
        self._sheets: dict[tuple[int, str], kdb.Region] = {}
        self._letters: dict[tuple[int, str], kdb.Region] = {}
        self._words: list[tuple[str, tuple[float, float], float, float, str]] = []

    def at(self, x: Um, y: Um) -> tuple[float, float]:
        """A place on the die in pixels."""
        return x * self.scale + self._shift[0], y * self.scale + self._shift[1]

    def _sheet(self, level: int, colour: str) -> kdb.Region:
        return self._sheets.setdefault((level, colour), kdb.Region())

    def polygon(self, points: Iterable[tuple[float, float]], colour: str, level: int) -> None:
        """A filled polygon."""
        corners = [kdb.Point(round(x / _GRID), round(y / _GRID)) for x, y in points]
        self._sheet(level, colour).insert(kdb.Polygon(corners))

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: str, level: int) -> None:
        """A filled rectangle."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, level)

    def disc(self, at: tuple[float, float], radius: float, colour: str, level: int) -> None:
        """A filled disc."""
        angle = np.linspace(0, 2 * math.pi, 48, endpoint=False)
        self.polygon(
            zip(at[0] + radius * np.cos(angle), at[1] + radius * np.sin(angle), strict=True), colour, level
        )  # fmt: skip

    def rim(self, at: tuple[float, float], radius: float, thick: float, colour: str, level: int) -> None:
        """A circle of a thickness, inside of its radius."""
        angle = np.linspace(0, 2 * math.pi, 49)
        turns = [(radius, angle), (max(0.0, radius - thick), angle[::-1])]
        points = [(at[0] + r * math.cos(a), at[1] + r * math.sin(a)) for r, turn in turns for a in turn.tolist()]
        self.polygon(points, colour, level)

    def line(self, points: Sequence[tuple[float, float]], thick: float, colour: str, level: int) -> None:
        """A line of a thickness."""
        self._sheet(level, colour).insert(self.stroke(points, thick))

    def stroke(self, points: Sequence[tuple[float, float]], thick: float) -> kdb.Region:
        """What a line of a thickness covers."""
        corners = [kdb.Point(round(x / _GRID), round(y / _GRID)) for x, y in points]
        half = thick / 2 / _GRID
        return kdb.Region(kdb.Path(corners, round(2 * half), round(half), round(half)).polygon())

    def add(self, covered: kdb.Region, colour: str, level: int) -> None:
        """A region of `region`, `pixels`, `outline`, `stripes` or `stroke`, or what is left of one."""
        self._sheet(level, colour).insert(covered)

    def region(self, shapes: kdb.Region) -> kdb.Region:
        """A region of the layout (database units), where it lies on the page."""
        factor = self.scale * DBU / _GRID
        shift = kdb.DVector(self._shift[0] / _GRID, self._shift[1] / _GRID)
        return shapes.transformed(kdb.ICplxTrans(factor, 0.0, False, kdb.Vector(round(shift.x), round(shift.y))))

    def pixels(self, x0: float, y0: float, x1: float, y1: float) -> kdb.Region:
        """A rectangle of the page."""
        return kdb.Region(kdb.DBox(x0, y0, x1, y1).to_itype(_GRID))

    def outline(self, covered: kdb.Region, thick: float) -> kdb.Region:
        """The rim of a region, inside of it."""
        return covered.merged() - covered.merged().sized(-round(thick / _GRID))

    def stripes(self, frame: tuple[float, float, float, float], pitch: float, thick: float, *, up: bool) -> kdb.Region:
        """Slanted stripes over a rectangle of the page."""
        x0, y0, x1, y1 = frame
        high, covered = y1 - y0, kdb.Region()
        for k in range(math.ceil((x1 - x0 + high) / pitch)):
            x = x0 - high + k * pitch
            a, b = (x, x + high) if up else (x + high, x)
            covered.insert(self.stroke([(a, y0), (b, y1)], thick))
        return covered.merged()

    def dashes(self, a: tuple[float, float], b: tuple[float, float], thick: float, colour: str, level: int) -> None:
        """A dashed line."""
        length = math.dist(a, b)
        count = max(1, round(length / 16))
        for k in range(count):
            f, g = k / count, (k + 0.55) / count
            ends = [(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for t in (f, g)]
            if ends[0] != ends[1]:
                self.line(ends, thick, colour, level)

    def text(
        self, words: str, at: tuple[float, float], high: float, colour: str, level: int = 8, *, most: float = 1e9,
        align: float = 0.0,
    ) -> float:  # fmt: skip
        """Capitals of a height, from `at` (lower left; `align` 0.5: middle, 1: right); narrower where `most` asks.

        Returns the width.
        """
        if not words:
            return 0.0
        wide = text_width(words, high)
        if wide > most:
            high, wide = high * most / wide, most
        region = _FONT.text(words, _GRID, high / _FONT.dheight())
        if high < 16:
            region.size(round(0.25 / _GRID))  # thin strokes of small letters fade
        region.move(round((at[0] - align * wide) / _GRID), round(at[1] / _GRID))
        self._sheet(level, colour)  # its place in the order
        self._letters.setdefault((level, colour), kdb.Region()).insert(region)
        self._words.append((words, (at[0] - align * wide, at[1]), high, wide, colour))
        return wide

    def write(self, path: Path) -> None:
        """Paint it as PNG."""
        layout = kdb.Layout()
        layout.dbu = _GRID
        cell = layout.create_cell("PICTURE")
        view = lay.LayoutView()
        for option in ("grid-visible", "text-visible", "cell-box-visible"):
            view.set_config(option, "false")
        view.set_config("background-color", "#ffffff")
        order = sorted(self._sheets, key=lambda key: key[0])  # stable: colours in the order they were used
        for number, key in enumerate(order, 1):
            for sheets in (self._sheets, self._letters):
                cell.shapes(layout.layer(number, 0)).insert(sheets.get(key, kdb.Region()))
        view.create_layout(False)
        cellview = view.active_cellview()
        cellview.layout().assign(layout)
        cellview.cell = cellview.layout().cell("PICTURE")
        view.clear_layers()
        for number, (_, colour) in enumerate(order, 1):
            properties = lay.LayerProperties()
            properties.source_layer, properties.source_datatype = number, 0
            properties.fill_color = properties.frame_color = int(colour[1:], 16)
            properties.dither_pattern = 0
            view.insert_layer(view.end_layers(), properties)
        view.max_hier()
        with whole_file(path) as temporary:
            target = kdb.DBox(0, 0, self.width, self.height)
            view.save_image_with_options(
                str(temporary), round(self.width), round(self.height), 1, SMOOTH, 0, target, False
            )
            if temporary.stat().st_size == 0:
                raise OutputError(f"{path}: no picture was written; free some space, or choose another folder with -o")

    def write_svg(self, path: Path) -> None:
        """Write it as SVG: filled shapes, and words as text above them, small letters as they are given.

        Raises:
            OutputError: it could not be written.
        """
        size = {"width": f"{self.width:g}", "height": f"{self.height:g}"}
        root = ElementTree.Element("svg", {
            "xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {self.width:g} {self.height:g}", **size,
        })  # fmt: skip
        ElementTree.SubElement(root, "rect", {**size, "fill": "#ffffff"})
        for key in sorted(self._sheets, key=lambda key: key[0]):
            data = "".join(self._path(points) for p in self._sheets[key].merged().each() for points in _rings(p))
            if data:
                ElementTree.SubElement(root, "path", {"d": data, "fill": key[1], "fill-rule": "evenodd"})
        for words, (x, y), high, wide, colour in self._words:
            ElementTree.SubElement(root, "text", {
                "x": f"{x:.1f}", "y": f"{self.height - y:.1f}", "font-family": "monospace", "fill": colour,
                "font-size": f"{high * 1.35:.1f}", "textLength": f"{wide:.1f}", "lengthAdjust": "spacingAndGlyphs",
            }).text = words  # fmt: skip
        ElementTree.indent(root, "")
        write_text(path, ElementTree.tostring(root, encoding="unicode") + "\n")

    def _path(self, points: Iterable[kdb.Point]) -> str:
        """A closed ring; SVG counts y downward."""
        return "M" + " ".join(f"{p.x * _GRID:.2f},{self.height - p.y * _GRID:.2f}" for p in points) + "Z"


def _rings(polygon: kdb.Polygon) -> Iterable[list[kdb.Point]]:
    yield [*polygon.each_point_hull()]
    for hole in range(polygon.holes()):
        yield [*polygon.each_point_hole(hole)]


def text_width(words: str, high: float) -> float:
    """Width in pixels of capitals of a height."""
    return len(words) * high * _FONT.dwidth() / _FONT.dheight()


def nice(value: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above a value."""
    power = 10 ** math.floor(math.log10(value))
    return float(max(m * power for m in (1, 2, 5) if m * power <= value * (1 + 1e-9)))
