"""Pictures of a plating network: the wafer, each die by its worst resistance or its thickness, and its worst die."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import klayout.db as kdb
import numpy as np
import numpy.typing as npt

from layoutgen.physics.plating import Plating
from layoutgen.report.page import GREY, INK, PALE, RED, Page, nice
from layoutgen.units import Um

SIZE, HEAD, LEGEND, MARGIN = 1000.0, 90.0, 230.0, 40.0
UPPER = "#46525e"
"""Colour of a second metal."""
HEAT = ("#2c7fb8", "#3fa7a0", "#7fbf5a", "#c9c23a", "#f0a52e", "#e8772a", "#b8482a", "#7a2d1a")


def draw_wafer(path: Path, name: str, found: Plating, what: str = "resistance") -> None:
    """Draw the wafer, each die coloured by its worst resistance or its mean thickness (`what`), into a PNG file.

    Raises:
        OutputError: it could not be written.
    """
    wafer = found.network.wafer
    thick = what == "thickness"
    values = found.by_place(found.thickness if thick else found.resistance, worst=not thick)
    if thick:
        values = 100 * (values - 1)
    sizes = np.array([(d.width, d.height) for d in wafer.dies])[wafer.kinds]
    low, high = wafer.origins.min(axis=0), (wafer.origins + sizes).max(axis=0)
    for b in wafer.bus:
        low[b.axis], high[b.axis] = min(low[b.axis], b.start), max(high[b.axis], b.stop)
    page, colour = _page(low, high), _Colours(values)
    for (x, y), (w, h), v in zip(wafer.origins.tolist(), sizes.tolist(), values.tolist(), strict=True):
        (x0, y0), (x1, y1) = page.at(x, y), page.at(x + w, y + h)
        page.box(x0 + 0.5, y0 + 0.5, x1 - 0.5, y1 - 0.5, colour(v), 2)  # streets are seen, however narrow
    for b in wafer.bus:
        ends = ((b.start, b.at), (b.stop, b.at)) if b.axis == 0 else ((b.at, b.start), (b.at, b.stop))
        page.line([page.at(*e) for e in ends], max(0.6, b.width * page.scale), GREY, 1)
    title = (
        "thickness against the mean of the wafer, mean of each die"
        if thick
        else "ohm from the contact ring to the worst post of each die, all drawing"
    )
    _legend(page, f"{name}: {title}", found.summary(), values, " %" if thick else " ohm")
    _bar(page, float(high[0] - low[0]))
    page.write(path)


def draw_die(path: Path, name: str, found: Plating) -> None:
    """Draw the die of the worst post, posts coloured by resistance, into a PNG file; errors as `draw_wafer`."""
    worst = found.worst
    wafer = found.network.wafer
    place = wafer.names.index(worst.die)
    kind = int(wafer.kinds[place])
    metal, row = wafer.dies[kind], int(np.flatnonzero(found.network.places[kind] == place)[0])
    values = found.resistance[kind][row]
    page, colour = _page(np.zeros(2), np.array([metal.width, metal.height])), _Colours(values)
    page.box(*page.at(0, 0), *page.at(metal.width, metal.height), PALE, 0)
    for k, (region, _) in enumerate(metal.metal):
        page.add(
            page.region(region + (metal.stubs if k == 0 else kdb.Region())), (GREY, UPPER)[min(k, 1)], 1 + min(k, 1)
        )
    for (label, shape), v in zip(metal.posts.items(), values.tolist(), strict=True):
        page.add(page.region(kdb.Region(shape)), colour(v), 3)
        if label == worst.name:
            c = shape.bbox().center()
            size = max(18.0, shape.bbox().width() / 2000 * page.scale + 8)
            page.rim(page.at(c.x / 1000, c.y / 1000), size, 4.0, RED, 4)
    title = f"{name}: ohm from the contact ring to each post of die {worst.die}, all drawing"
    _legend(page, title, found.summary(), values, " ohm")
    _bar(page, metal.width)
    page.write(path)


def _bar(page: Page, across: Um) -> None:
    """A bar with its length, about a quarter of the picture."""
    length = nice(across / 4)
    page.box(MARGIN, MARGIN / 2 - 8, MARGIN + length * page.scale, MARGIN / 2 - 3, INK, 6)
    words = f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} um"
    page.text(words, (MARGIN + length * page.scale + 12, MARGIN / 2 - 12), 14, INK, 8)


def _page(low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> Page:
    across, up = (high - low).tolist()
    scale = SIZE / max(across, up)
    return Page(
        max(600.0, across * scale) + 2 * MARGIN + LEGEND, up * scale + HEAD + 2 * MARGIN, scale,
        (MARGIN - float(low[0]) * scale, MARGIN - float(low[1]) * scale),
    )  # fmt: skip


class _Colours:
    """The colour of a value between the least and the greatest of some; what is not finite is red."""

    def __init__(self, values: npt.NDArray[np.float64]) -> None:
        fed = values[np.isfinite(values)]
        self.low, self.high = (float(fed.min()), float(fed.max())) if len(fed) else (0.0, 0.0)

    def __call__(self, value: float) -> str:
        if not math.isfinite(value):
            return RED
        if self.high <= self.low:
            return HEAT[0]
        return HEAT[min(len(HEAT) - 1, int((value - self.low) / (self.high - self.low) * len(HEAT)))]


def _legend(page: Page, title: str, line: str, values: Sequence[float] | npt.NDArray[np.float64], unit: str) -> None:
    colours = _Colours(np.asarray(values, dtype=np.float64))
    step = (colours.high - colours.low) / len(HEAT)
    digits = max(0, 1 - math.floor(math.log10(step))) if step > 0 else 3  # each step shows
    page.text(title, (MARGIN, page.height - 45), 20, INK, 8, most=page.width - 2 * MARGIN)
    page.text(line, (MARGIN, page.height - 78), 14, INK, 8, most=page.width - 2 * MARGIN)
    x = page.width - LEGEND + 10
    for k, colour in enumerate(HEAT):
        y = page.height - HEAD - 60 - (len(HEAT) - k) * 28
        page.box(x, y, x + 24, y + 24, colour, 5)
        above = colours.low + (colours.high - colours.low) * k / len(HEAT)
        page.text(f"from {above:.{digits}f}{unit}", (x + 34, y + 5), 13, INK, 8, most=LEGEND - 60)
    top = page.height - HEAD - 60 + 6
    page.text(f"up to {colours.high:.{digits}f}{unit}", (x + 34, top), 13, INK, 8, most=LEGEND - 60)
    if not np.isfinite(np.asarray(values)).all():
        page.text("red: not fed", (x, page.height - HEAD - 60 - (len(HEAT) + 1) * 28), 13, INK, 8)
