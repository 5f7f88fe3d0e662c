"""Stages of an interface layer at the die and in the street: from the chip's pads to the pattern of openings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely

from layoutgen import geom
from layoutgen.cell import Drawing, Placement
from layoutgen.chip import Pad
from layoutgen.die import Die, DieContext, stage
from layoutgen.kerf import Street, StreetContext
from layoutgen.units import Deg, Points, Um
from layoutgen_cells.common.label import Box, free_box
from layoutgen_cells.common.placed import turned
from layoutgen_cells.interface.cells import opening_size


@stage("passivation_openings", at="die")
def passivation_openings(c: DieContext, die: Die) -> Die:
    """An opening of the passivation over each pad, by the pad's own metal."""
    return die.add(*(Placement(_opening(c, pad), (pad.x, pad.y)) for pad in c.chip.pads))


def _opening(c: DieContext, pad: Pad) -> Drawing:
    return c.cell("passivation_opening", width=pad.width, height=pad.height)


@stage("bond_wires", at="die")
def bond_wires(c: DieContext, die: Die) -> Die:
    """The foot of a bond wire on each pad, and the wire over the nearest edge, to a pad of the support where one is."""
    beyond = c.settings("bond.wire").beyond
    parts = []
    for pad in c.chip.pads:
        length, angle = _to_edge(die, pad)
        parts.append(Placement(c.cell("bond.wire", length=length), (pad.x, pad.y), angle))
        if beyond:
            end = turned((round(length + beyond, 3), 0.0), angle, (pad.x, pad.y))
            parts.append(Placement(c.cell("support.pad"), end, angle))
    return die.add(*parts)


@stage("underfill_extent", at="die")
def underfill_drawn(c: DieContext, die: Die) -> Die:
    """Where the underfill reaches."""
    return die.add(Placement(c.cell("underfill.extent", width=die.width, height=die.height)))


@stage("mold_extent", at="die")
def mold_drawn(c: DieContext, die: Die) -> Die:
    """Where the mold compound reaches."""
    return die.add(Placement(c.cell("mold.extent", width=die.width, height=die.height)))


def _to_edge(die: Die, pad: Pad) -> tuple[Um, Deg]:
    """How far the nearest edge is from a pad's centre (um), and in which direction (degrees)."""
    ways = [(die.width - pad.x, 0.0), (die.height - pad.y, 90.0), (pad.x, 180.0), (pad.y, 270.0)]
    length, angle = min(ways)
    return round(length, 3), angle


@stage("clearances", at="die")
def clearances(c: DieContext, die: Die) -> Die:
    """An opening of the interface layer around each pad's opening and the foot on it."""
    foot = c.settings("bond.wire").foot
    parts = []
    for pad in c.chip.pads:
        settings = replace(c.settings("passivation_opening"), width=pad.width, height=pad.height)
        width, height = opening_size(c.pdk, settings)
        parts.append(Placement(c.cell("pad.clearance", width=width, height=height, foot=foot), (pad.x, pad.y)))
    return die.add(*parts)


@stage("edge_pullback", at="die")
def edge_pullback(c: DieContext, die: Die) -> Die:
    """The interface layer opened along the die's edge."""
    return die.add(Placement(c.cell("edge.pullback", width=die.width, height=die.height)))


@stage("street_pullback", at="street")
def street_pullback(c: StreetContext, street: Street) -> None:
    """The interface layer opened over the whole street, and beyond its middle as far as the cut's rule asks."""
    x0, y0, x1, y1 = c.box
    w, h = c.die.width, c.die.height
    beyond = 0.0
    if c.pdk.cut:
        beyond = c.pdk.cut.widest.touched + c.pdk.limit("separation", "left", "cut_maybe") + c.pdk.guard
    mx, my = (min(beyond, s / 2) for s in c.street)
    for piece in (
        (x0 - mx, y0 - my, x1 + mx, 0.0), (x0 - mx, h, x1 + mx, y1 + my), (x0 - mx, 0.0, 0.0, h), (w, 0.0, x1 + mx, h),
    ):  # fmt: skip
        street.common.polygon(c.pdk.role("pullback"), geom.span(*piece))


@stage("label_corner", at="die")
def label_corner(c: DieContext, die: Die) -> Die:
    """Keep a box free for the die's label: where the spec says, else the first place clear of clearances and edge.

    Raises:
        SpecError: there is none, or the place in the spec is not clear.
    """
    if not c.labelled:
        return die
    space = c.pdk.limit("separation", c.pdk.role("label"), c.pdk.role("clearance"))
    taken = shapely.union_all([shapely.Polygon(points).buffer(space) for points in _cleared(c, die)])
    least = c.settings("edge.pullback").inset + space
    inside = shapely.box(least, least, die.width - least, die.height - least)

    def is_clear(box: Box) -> bool:
        return bool(inside.covers(shapely.box(*box)) and not taken.intersects(shapely.box(*box)))

    return replace(die, label=free_box(c, die, is_clear))


@stage("relief_openings", at="die")
def relief_openings(c: DieContext, die: Die) -> Die:
    """The pattern of openings over the die, clear of its edge, of all clearances, of the label and of the keep-outs."""
    settings = c.settings("interface_openings")
    least = c.settings("edge.pullback").inset + settings.distance
    edge = max(c.pdk.limit("edge_distance", c.pdk.role("relief"), "die"), least) + c.pdk.guard
    keepouts = [*_cleared(c, die), *(np.array(points) for points in c.chip.keepouts)]
    if die.label:
        keepouts.append(geom.span(*die.label))
    outline = shapely.buffer(shapely.Polygon(c.chip.die), -edge, join_style="mitre")
    area = tuple((round(x, 3), round(y, 3)) for x, y in shapely.get_coordinates(outline.exterior)[:-1].tolist())
    shapes = tuple(tuple((round(x, 3), round(y, 3)) for x, y in points.tolist()) for points in keepouts)
    drawn = c.cell("interface_openings", width=die.width, height=die.height, area=area, keepouts=shapes)
    return die.add(Placement(drawn))


def _cleared(c: DieContext, die: Die) -> list[Points]:
    """Corners of each clearance on the die (um)."""
    layer = c.pdk.role("clearance")
    return [
        np.array([turned((x, y), part.angle, part.at) for x, y in points.tolist()])
        for part in die.parts
        for points in part.drawing.polygons.get(layer, [])
    ]
