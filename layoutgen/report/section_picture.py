"""A cross-section as a picture, PNG or SVG: to scale, each level in the colour of its material, named where it lies.

The scale is stated in the picture, also by how much heights are stretched where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import klayout.db as kdb
import shapely

from layoutgen.errors import OutputError, printable
from layoutgen.report.page import GREY, INK, RED, Page, nice
from layoutgen.section import Section, Solid
from layoutgen.units import DBU, Um

ENDINGS = (".png", ".svg")
WIDE, MOST_HIGH = 1100.0, 1400.0
"""Pixels of the section itself: its width, or its height where that would be more."""
LEAST_HIGH = 260.0
"""Of the picture's field, so that names of levels have room beside it."""
PANEL, HEAD, FOOT, MARGIN, ROW = 420.0, 84.0, 76.0, 30.0, 24.0
OTHER = "#808080"


def draw(section: Section, *paths: Path, title: str = "", stretch: float = 1.0) -> None:
    """Draw a section into files, each as its ending says; `stretch`: heights as multiples of widths.

    Raises:
        OutputError: a file has another ending than .png or .svg, or could not be written.
        ValueError: `stretch` is not between 0.1 and 100.
    """
    for path in paths:
        if path.suffix not in ENDINGS:
            raise OutputError(f"{path}: a section is drawn as {' or '.join(ENDINGS)}; name it so")
    if not 0.1 <= stretch <= 100:
        raise ValueError(f"heights can be stretched by 0.1 to 100, not {stretch:g}")
    page = _page(section, title, stretch)
    for path in paths:
        page.write(path) if path.suffix == ".png" else page.write_svg(path)


def _page(section: Section, title: str, stretch: float) -> Page:
    low, high = section.heights
    air = max((high - low) * 0.04, 1.0)
    low, high = low - (air if section.whole else 0.0), high + air
    scale = min(WIDE / section.length, MOST_HIGH / ((high - low) * stretch))
    wide, tall = section.length * scale, (high - low) * stretch * scale
    field = max(tall, LEAST_HIGH, ROW * (len(section.solids) + 2))
    width = max(wide, 500.0) + PANEL + 2 * MARGIN
    floor = FOOT + (field - tall) / 2
    page = Page(width, field + HEAD + FOOT, scale, (MARGIN, floor - low * scale * stretch))
    frame = (MARGIN, floor, MARGIN + wide, floor + tall)
    canvas = page.pixels(*frame)
    for i, solid in enumerate(section.solids):
        shown = _region(page, solid.geometry, stretch) & canvas
        colour = section.colors.get(solid.material, OTHER)
        page.add(shown, colour, 2 * i)
        page.add(page.outline(shown, 1.0), _darker(colour), 2 * i + 1)
    for s, t in section.touched:
        for x in (s, t):
            if 0 < x < section.length:
                at = MARGIN + x * scale
                page.dashes((at, frame[1]), (at, frame[3]), 1.5, RED, 60)
    page.add(page.outline(page.pixels(*frame), 1.5), GREY, 59)
    _names(page, section, frame, stretch, (FOOT, FOOT + field))
    _captions(page, section, title, stretch, scale)
    return page


def _region(page: Page, geometry: shapely.Geometry, stretch: float) -> kdb.Region:
    """A shape of the section on the page; finer than the layout's grid, which stretched heights would show."""
    out = kdb.Region()
    for polygon in shapely.get_parts(geometry):
        rings = [
            [kdb.Point(round(x / DBU), round(z * stretch / DBU)) for x, z in ring.coords]
            for ring in (polygon.exterior, *polygon.interiors)
        ]
        shape = kdb.Polygon(rings[0])
        for ring in rings[1:]:
            shape.insert_hole(ring)
        out.insert(shape)
    return page.region(out)


def _names(
    page: Page, section: Section, frame: tuple[float, float, float, float], stretch: float, room: tuple[float, float]
) -> None:  # fmt: skip
    """Beside the picture: each level's name, material and thickness, with a line to where it lies."""
    spots = [(*_spot(s, section.length), s) for s in section.solids]
    marks = sorted(spots, key=lambda spot: (spot[1], section.solids.index(spot[2])))
    wanted = [page.at(0.0, z * stretch)[1] for _, z, _ in marks]
    left = frame[2] + 60
    for (x, z, solid), y in zip(marks, _spread(wanted, ROW, *room), strict=True):
        at = page.at(x, z * stretch)
        page.line([at, (frame[2] + 12, at[1])], 1.0, INK, 61)
        page.line([(frame[2] + 12, at[1]), (left - 8, y)], 1.0, INK, 61)
        page.disc(at, 3.0, INK, 61)
        page.box(left - 1, y - 9, left + 23, y + 9, INK, 61)
        page.box(left, y - 8, left + 22, y + 8, section.colors.get(solid.material, OTHER), 62)
        thick = "" if solid.thickness is None else f" {_um(solid.thickness)}"
        if solid is section.solids[0] and not section.whole:
            thick = ", upper part"
        page.text(_plain(f"{solid.level}{thick}"), (left + 32, y - 6), 13, INK, 62, most=170)
        page.text(_plain(solid.material), (left + 215, y - 6), 13, GREY, 62, most=PANEL - 215 - 60)


def _spot(solid: Solid, length: Um) -> tuple[Um, Um]:
    """Where a level is pointed at: at the right edge where it gets there, else in the part that lies farthest right."""
    part = max(shapely.get_parts(solid.geometry), key=lambda p: (round(p.bounds[2], 3), p.area))
    x = part.bounds[2] - min(length * 0.012, (part.bounds[2] - part.bounds[0]) / 2)
    _, low, _, high = part.bounds
    upright = shapely.intersection(part, shapely.LineString([(x, low - 1), (x, high + 1)]))
    pieces = [p for p in shapely.get_parts(upright) if p.length > 0]
    if not pieces:
        inside = part.representative_point()
        return float(inside.x), float(inside.y)
    highest = max(pieces, key=lambda p: p.bounds[3])
    return float(x), float((highest.bounds[1] + highest.bounds[3]) / 2)


def _spread(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Rising places as near as can be to those wanted, `apart` from each other, within low and high."""
    out: list[float] = []
    for y in wanted:
        out.append(max(y, out[-1] + apart if out else low + apart / 2))
    over = high - apart / 2
    for i in range(len(out) - 1, -1, -1):
        out[i] = min(out[i], over)
        over = out[i] - apart
    return out


def _captions(page: Page, section: Section, title: str, stretch: float, scale: float) -> None:
    """Above: what is shown; below: a scale, and whether heights are stretched."""
    y = page.height - 36
    most = page.width - 2 * MARGIN
    page.text(_plain(title or f"section of {section.cell}"), (MARGIN, y), 20, INK, 62, most=most)
    (x0, y0), (x1, y1) = section.start, section.end
    where = f"{section.pdk}, flow {section.flow}: from {x0:.3f} {y0:.3f} to {x1:.3f} {y1:.3f} um"
    page.text(_plain(where), (MARGIN, y - 28), 14, GREY, 62, most=most)
    length = nice(section.length / 4)
    end = MARGIN + length * scale
    page.box(MARGIN, 30, end, 35, INK, 62)
    for x in (MARGIN, end - 2):
        page.box(x, 25, x + 2, 40, INK, 62)
    page.text(_um(length), (end + 12, 26), 14, INK, 62)
    words = "to scale, heights 1:1" if stretch == 1 else f"heights stretched {stretch:g}:1, not to scale"
    if section.touched:
        words += "; dashed: what the blade may touch"
    page.text(words, (end + 120, 26), 14, INK if stretch == 1 else RED, 62, most=page.width - end - 150)


def _darker(colour: str) -> str:
    return "#" + "".join(f"{int(colour[i : i + 2], 16) * 11 // 20:02x}" for i in (1, 3, 5))


def _um(value: Um) -> str:
    return f"{value / 1000:g} mm" if value >= 1000 else f"{round(value, 3):g} um"


def _plain(words: str) -> str:
    """What the letters can say."""
    return printable("".join(c if c.isascii() else "?" for c in words), 200)


__all__ = ["ENDINGS", "draw"]
