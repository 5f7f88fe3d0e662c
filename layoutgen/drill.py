"""Openings that are drilled instead of printed: a table of holes, and the same as an Excellon drill file.

One hole for each shape of the drawn layers, at its centre, with a tool for each diameter: that of the circle that was
asked for, not of the polygon around it, which a guard makes larger. The origin is the wafer's centre; nothing is
mirrored.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np

from layoutgen import gds, geom
from layoutgen.errors import InputError, Problem
from layoutgen.mask import drawn_union
from layoutgen.pdk import Drill, Pdk
from layoutgen.units import DBU, IntPoints, Um, to_dbu

COLUMNS = ("hole", "tool", "diameter", "x", "y")
MOST_TOOLS = 99
"""Excellon knows tools by two digits."""
ROUND = 0.01
"""How much of its area a shape may differ from the circle in its box: 32 corners differ by 0.3 %, a square by 27."""


@dataclass(frozen=True)
class Holes:
    """A table of holes: diameters of the tools in um, and for each hole its tool (from 0) and centre."""

    tools: tuple[Um, ...]
    tool: IntPoints
    """(n,) positions in `tools`, growing."""
    centres: IntPoints
    """(n, 2) centres in database units."""


def holes(layout: kdb.Layout, pdk: Pdk, name: str, drill: Drill) -> Holes:
    """The holes of one drill table, by tool, then from below, then from the left; one that is drawn twice is one.

    Raises:
        InputError: a shape is no circle, its centre lies between two grid points, or there are too many diameters.
    """
    top, place = layout.top_cell(), f"drills.{name}"
    layers = drawn_union(pdk, drill.data)
    if layers is None:
        raise InputError([Problem("", place, f"data {drill.data!r} is no plain union of drawn layers")])
    found: set[tuple[int, int, int]] = set()
    round_ones: dict[kdb.Polygon, int] = {}
    for layer in layers:
        index = layout.find_layer(gds.layer_info(pdk, layer))
        if index is None:
            continue
        shapes = top.begin_shapes_rec(index)
        shapes.shape_flags = kdb.Shapes.SRegions
        for at in shapes.each():
            polygon, box = at.shape().polygon, at.shape().bbox()
            centre = at.trans() * box.center()
            where = f"at ({centre.x * DBU:.3f}, {centre.y * DBU:.3f}) um"
            if polygon not in round_ones:
                if not _is_round(polygon):
                    raise InputError([Problem("", place, f"a shape of {layer} {where} is no circle; none is drilled")])
                if box.width() % 2:
                    raise InputError([Problem("", place, f"the hole {where} has its centre between two grid points")])
                round_ones[polygon] = _diameter(polygon, pdk)
            found.add((round_ones[polygon], centre.y, centre.x))
    table = np.array(sorted(found), dtype=np.int64).reshape(-1, 3)
    sizes, tool = np.unique(table[:, 0], return_inverse=True)
    if len(sizes) > MOST_TOOLS:
        raise InputError([Problem("", place, f"{len(sizes)} diameters; a drill file knows {MOST_TOOLS} tools")])
    return Holes(tuple(round(int(s) * DBU, 3) for s in sizes), tool.reshape(-1), table[:, [2, 1]])


def _is_round(polygon: kdb.Polygon) -> bool:
    box = polygon.bbox()
    circle = math.pi / 4 * box.width() ** 2
    same = box.width() == box.height() and polygon.holes() == 0
    return same and abs(polygon.area() - circle) <= ROUND * circle


def _diameter(polygon: kdb.Polygon, pdk: Pdk) -> int:
    """The diameter in database units of the circle that a polygon was drawn for; else that of the circle in its box.

    Circles are drawn larger by a guard, and snapped: which one it was is seen when it is drawn again.
    """
    wide = polygon.bbox().width()
    at_origin = polygon.moved(kdb.Point() - polygon.bbox().center())
    for corners, guard in ((pdk.circle_points, pdk.guard), (polygon.num_points(), 0.0)):
        if corners % 8:
            continue
        first = wide - int(to_dbu(guard))
        for size in (first, first - 1, first + 1):
            if size > 0 and gds.polygon(to_dbu(geom.circle(size * DBU + guard, corners))) == at_origin:
                return size
    return wide


def csv_text(found: Holes) -> str:
    """The holes as a table: number, tool from 1, diameter and centre in um."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for number, (tool, (x, y)) in enumerate(zip(found.tool.tolist(), found.centres.tolist(), strict=True), 1):
        table.writerow((number, tool + 1, f"{found.tools[tool]:.3f}", f"{x * DBU:.3f}", f"{y * DBU:.3f}"))
    return text.getvalue()


def excellon(found: Holes) -> str:
    """The holes as an Excellon drill file: metric, absolute, coordinates in mm with a decimal point, exact to 1 nm."""
    lines = [
        "M48",
        "METRIC",
        *(f"T{k:02d}C{size / 1000:.6f}" for k, size in enumerate(found.tools, 1)),
        "%",
        "G90",
        "G05",
    ]
    current = -1
    for tool, (x, y) in zip(found.tool.tolist(), found.centres.tolist(), strict=True):
        if tool != current:
            lines.append(f"T{tool + 1:02d}")
            current = tool
        lines.append(f"X{x * DBU / 1000:.6f}Y{y * DBU / 1000:.6f}")
    return "\n".join([*lines, "M30", ""])
