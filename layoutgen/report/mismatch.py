"""How far one part moves against another over a die, beside how much of a layer is there: a table and one picture.

What a process asks for by its table `[mismatch]`. The movement is that of `physics.expansion`, which says where it
holds; the shares are areas, exact but for slanted edges that cross a square's border.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import klayout.db as kdb
import numpy as np
import numpy.typing as npt

from layoutgen import derive, gds
from layoutgen.pdk import Pdk
from layoutgen.physics.expansion import displacements
from layoutgen.units import DBU, Kelvin, PpmPerKelvin, Um

Floats = npt.NDArray[np.float64]
SQUARES = 40
"""Along the die's longer side."""
COLUMNS = "x_um,y_um,displacement_um,share"
SIDE, HEAD, MARGIN, BAR = 700.0, 90.0, 50.0, 60.0
STEPS = 10
COLD = ("#f7fbff", "#dbe9f6", "#bad6eb", "#89bedc", "#539ecd", "#2b7bba", "#0b559f", "#08306b", "#062650", "#041a38")
WARM = ("#fff5eb", "#fee7cf", "#fdd4aa", "#fdb271", "#fb8d3d", "#ef6b14", "#d14700", "#a63603", "#7f2704", "#591a02")


@dataclass(frozen=True)
class MismatchMap:
    """Both maps of one die: squares `side` um wide from `origin` on, by row from below and column.

    moved: um, at the middle of each square. share: of each square as far as it lies in what the share is of; NaN: none.
    """

    parts: tuple[str, str]
    expansions: tuple[PpmPerKelvin, PpmPerKelvin]
    swing: Kelvin
    layer: str
    within: str
    origin: tuple[Um, Um]
    side: Um
    moved: Floats
    share: Floats


def mismatch_map(layout: kdb.Layout, die: kdb.Cell, pdk: Pdk) -> MismatchMap | None:
    """The maps of the die in a cell; None where the process asks for none, or no die is drawn."""
    asked = pdk.mismatch
    found = gds.fetch(layout, pdk, die)
    box = found("die").bbox() if "die" in pdk.reserved else kdb.Box()
    if asked is None or box.empty():
        return None
    side = -(-max(box.width(), box.height()) // SQUARES)
    columns, rows = -(-box.width() // side), -(-box.height() // side)
    lattice = (box.left, box.bottom, columns, rows, side)
    of = pdk.region(asked.within, found)
    whole = _areas(of, lattice)
    covered = _areas(pdk.region(asked.share, found) & of, lattice)
    share = np.divide(covered, whole, out=np.full(whole.shape, math.nan), where=whole > 0)
    middle = box.center()
    x = (box.left + (np.arange(columns) + 0.5) * side - middle.x) * DBU
    y = (box.bottom + (np.arange(rows) + 0.5) * side - middle.y) * DBU
    arms = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    first, second = (pdk.number(f"level.{part}.expansion") for part in asked.parts)
    swing = abs(derive.value(asked.hot, pdk.number) - derive.value(asked.cold, pdk.number))
    moved = np.hypot(*displacements(arms, first, second, swing).T).reshape(rows, columns)
    origin = (box.left * DBU, box.bottom * DBU)
    return MismatchMap(asked.parts, (first, second), swing, asked.share, asked.within, origin, side * DBU, moved, share)


def _areas(region: kdb.Region, lattice: tuple[int, int, int, int, int]) -> Floats:
    """Area in each square, by row and column, in square database units."""
    x0, y0, columns, rows, side = lattice
    out = np.zeros((rows, columns))
    for polygon in region.merged().each():
        box = polygon.bbox()
        first, last = (box.left - x0) // side, (box.right - 1 - x0) // side
        low, high = (box.bottom - y0) // side, (box.top - 1 - y0) // side
        if first == last and low == high:
            if 0 <= first < columns and 0 <= low < rows:
                out[low, first] += polygon.area2() / 2
            continue
        alone = kdb.Region(polygon)
        for j in range(max(low, 0), min(high + 1, rows)):
            for i in range(max(first, 0), min(last + 1, columns)):
                square = kdb.Box(x0 + i * side, y0 + j * side, x0 + (i + 1) * side, y0 + (j + 1) * side)
                out[j, i] += alone.area(square)
    return out


def csv_text(found: MismatchMap) -> str:
    """A row for each square: its middle (um), the movement there (um), and the share (empty: there is nothing)."""
    lines = [COLUMNS]
    for j, i in np.ndindex(*found.moved.shape):
        x, y = found.origin[0] + (i + 0.5) * found.side, found.origin[1] + (j + 0.5) * found.side
        share = "" if math.isnan(found.share[j, i]) else f"{found.share[j, i]:.5f}"
        lines.append(f"{x:.3f},{y:.3f},{found.moved[j, i]:.5f},{share}")
    return "\n".join(lines) + "\n"


def draw(path: Path, found: MismatchMap) -> None:
    """Draw both maps side by side, at the same scale, into a PNG file.

    Raises:
        OutputError: it could not be written.
    """
    from layoutgen.report.page import INK, Page, nice

    rows, columns = found.moved.shape
    scale = SIDE / (max(rows, columns) * found.side)
    wide, high = columns * found.side * scale, rows * found.side * scale
    width, height = 2 * wide + 5 * MARGIN + 2 * BAR + 100, high + HEAD + 2 * MARGIN + 20
    page = Page(width, height, scale, (0.0, 0.0))
    (first, second), (a, b) = found.parts, found.expansions
    titles = (
        f"{second} against {first}: {abs(b - a):g} ppm/K x {found.swing:g} K x r (um)",
        f"share of {found.layer} in {found.within} (%)",
    )
    for k, (values, colours, title) in enumerate(
        zip((found.moved, 100 * found.share), (WARM, COLD), titles, strict=True)
    ):
        left, low = MARGIN + k * (wide + 2 * MARGIN + BAR + 50), 2 * MARGIN
        top = nice_top(float(np.nanmax(values, initial=0.0)))
        number = np.clip(np.nan_to_num(values) / top * STEPS, 0, STEPS - 1).astype(int)
        step = found.side * scale
        for j, i in np.ndindex(rows, columns):
            if not math.isnan(values[j, i]):
                x, y = left + i * step, low + j * step
                page.box(x, y, x + step, y + step, colours[number[j, i]], 2)
        page.text(title, (left, low + high + 34), 18, INK, most=wide + MARGIN + BAR)
        page.text(f"{np.nanmin(values):.3g} to {np.nanmax(values):.3g}", (left, low + high + 10), 14, INK)
        for n, colour in enumerate(colours):
            y = low + n * high / STEPS
            page.box(left + wide + 16, y, left + wide + 40, y + high / STEPS, colour, 2)
            page.text(f"{top * n / STEPS:.3g}", (left + wide + 48, y - 5), 13, INK)
        page.text(f"{top:.3g}", (left + wide + 48, low + high - 5), 13, INK)
    length = nice(columns * found.side / 4)
    page.box(MARGIN, MARGIN / 2, MARGIN + length * scale, MARGIN / 2 + 5, INK, 3)
    page.text(f"{length:g} um", (MARGIN + length * scale + 12, MARGIN / 2 - 4), 14, INK)
    page.write(path)


def nice_top(most: float) -> float:
    """The end of a scale that holds a value: 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(k * power for k in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if k * power >= most * (1 - 1e-9))
