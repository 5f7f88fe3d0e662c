"""Stages of a cap on the wafer: vias, frame and rings around vias on the die; frames merged along streets; the rim."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen import gds, geom
from layoutgen.cell import Drawing, Placement
from layoutgen.die import Die, DieContext, stage
from layoutgen.errors import ParamError, Problem, SpecError
from layoutgen.kerf import Street, StreetContext
from layoutgen.units import DBU, Um, dbu
from layoutgen.wafer import OnWafer, WaferContext
from layoutgen_cells.common.label import Box, free_box
from layoutgen_cells.common.placed import turned
from layoutgen_cells.hermetic.vias import alignment

LABEL_SPACE: Um = 25.0
"""Between the die's label and whatever else is on the chip."""


@stage("cover_vias_to_wafer", at="die")
def cover_vias_to_wafer(c: DieContext, die: Die) -> Die:
    """At each ball a via through the cover down to the chip, its contact and its bead."""
    return die.add(*_at_balls(c, "via_cover_wafer"))


@stage("cover_vias_to_wiring", at="die")
def cover_vias_to_wiring(c: DieContext, die: Die) -> Die:
    """At each ball a via through the cover down to the wiring level, its contact and its bead."""
    return die.add(*_at_balls(c, "via_cover_wiring"))


@stage("cover_vias_to_frame", at="die")
def cover_vias_to_frame(c: DieContext, die: Die) -> Die:
    """At each ball a via through the cover down to a wiring level on the frame, which grows out of the nearest wall."""
    walls, parts = _shape(c, die.drawing(), "frame"), []
    for ball in c.chip.balls:
        angle, reach = _nearest(walls, (ball.x, ball.y), die)
        given = {**c.parameters.get("via_cover_frame", {}), "reach": round(reach + 20.0, 3)}
        parts.append(Placement(c.variant("via_cover_frame", given), (ball.x, ball.y), angle))
    return die.add(*parts, *_on_cover(c, parts[0].drawing))


def _at_balls(c: DieContext, name: str) -> Iterator[Placement]:
    via = c.cell(name)
    yield from (Placement(via, (b.x, b.y)) for b in c.chip.balls)
    yield from _on_cover(c, via)


def _on_cover(c: DieContext, via: Drawing) -> Iterator[Placement]:
    """At each ball the contact over a via, and the bead in it."""
    over = max(diameter for _, diameter in circles_on(via, c.pdk.role("cover_via")))
    parts = (c.cell("underside_contact", over=over), c.cell("bump_bead", over=over))
    return (Placement(part, (b.x, b.y)) for b in c.chip.balls for part in parts)


def circles_on(drawing: Drawing, layer: str) -> Iterator[tuple[tuple[Um, Um], Um]]:
    """Centre and diameter (um) of each circle on a layer, those of placed drawings included."""
    yield from ((circle.at, circle.diameter) for circle in drawing.circles.get(layer, []))
    for p in drawing.placements:
        for at, diameter in circles_on(p.drawing, layer):
            x, y = turned(at, p.angle, p.at)
            for column in range(p.columns):
                for row in range(p.rows):
                    yield (x + column * p.step[0], y + row * p.step[1]), diameter


@stage("frames", at="die")
def frames(c: DieContext, die: Die) -> Die:
    """The frame along the die's edge, with the units that its parameters say; beyond an outline that is no rectangle,
    all of the die's box is wall.
    """
    size = {"width": die.width, "height": die.height}
    drawing = c.cell("frame", **size, **({"outline": c.chip.outline} if c.chip.outline else {}))
    parts = [Placement(drawing)]
    beside = shapely.difference(shapely.box(0.0, 0.0, die.width, die.height), shapely.Polygon(_outer(c, die)))
    if beside.area:
        corners = Drawing("FRAME_CORNERS")
        for piece in shapely.get_parts(beside):
            corners.polygon(c.pdk.role("frame"), np.array(piece.exterior.coords)[:-1])
        parts.append(Placement(corners))
    return die.add(*parts)


def _outer(c: DieContext, die: Die) -> list[tuple[Um, Um]]:
    if c.chip.outline:
        return [*c.chip.outline]
    asked = c.settings("frame")
    if asked.outline:
        return [*asked.outline]
    corners = geom.bevelled(die.width, die.height, asked.chamfer, (die.width / 2, die.height / 2))
    return [(x, y) for x, y in corners.tolist()]


@stage("rings", at="die")
def rings(c: DieContext, die: Die) -> Die:
    """Around each via that leads to the chip a wall of its own: an island where there is room, else a branch of the
    nearest wall. Where the via stands in a small cavity without component structures already, none.

    Raises:
        SpecError: a via stands so near to a wall that its cavity would lie in it.
    """
    pdk, drawing = c.pdk, die.drawing()
    layer = next(pdk.role(name) for name in ("inter_via", "cover_via") if pdk.role(name) in c.flow.draws)
    walls, structure = (_shape(c, drawing, role) for role in ("frame", "structure"))
    space = pdk.limit("space", pdk.role("frame"))
    problems, parts = [], []
    for at, diameter in sorted(circles_on(drawing, layer)):
        spot = shapely.Point(at)
        if shapely.intersects(walls, spot):
            problems.append(f"the via at ({at[0]:g}, {at[1]:g}) stands on the frame; move it")
            continue
        cavity = next((hole for hole in _holes(walls) if shapely.contains(hole, spot)), None)
        if cavity is not None and not shapely.intersects(cavity, structure):
            continue
        size, wall = _cavity(c, layer, diameter), c.settings("island").wall
        away = float(shapely.distance(walls, spot))
        if away >= size / 2 + wall + space:
            parts.append(Placement(c.variant("island", {**c.parameters.get("island", {}), "cavity": size}), at))
            continue
        if away < size / 2:
            message = f"the via at ({at[0]:g}, {at[1]:g}) stands {away:.3g} um from the frame; its cavity of {size:g} "
            problems.append(message + "um would lie in it: move it away")
            continue
        angle, reach = _nearest(walls, at, die)
        given = {"cavity": size, "reach": round(reach + 20.0, 3)}
        parts.append(Placement(c.variant("branch", {**c.parameters.get("branch", {}), **given}), at, angle))
    if problems:
        raise SpecError([Problem("", "chip", message) for message in problems])
    return die.add(*parts)


def _cavity(c: DieContext, layer: str, diameter: Um) -> Um:
    """Least diameter of the cavity around a via that is drawn this wide (um)."""
    pdk = c.pdk
    if layer == pdk.role("cover_via"):
        role, worst = "via_worst", diameter + 2 * (alignment(pdk) - pdk.number("level.cover.lean"))
    else:
        role, worst = "inter_worst", diameter + 2 * pdk.number("level.intermediate.overlay")
    least = worst + 2 * (pdk.limit("separation", pdk.role(role), pdk.role("frame")) + 2 * pdk.guard)
    small: Um = math.sqrt(4 / math.pi * pdk.limit("hole_area", pdk.role("frame")))
    return math.ceil(max(least, small) * 2) / 2


def _shape(c: DieContext, drawing: Drawing, role: str) -> shapely.Geometry:
    """All that is drawn on a role's layer (um)."""
    polygons = []
    for polygon in _region(c, drawing, role).each():
        holes = [[(q.x * DBU, q.y * DBU) for q in polygon.each_point_hole(k)] for k in range(polygon.holes())]
        polygons.append(shapely.Polygon([(q.x * DBU, q.y * DBU) for q in polygon.each_point_hull()], holes))
    return shapely.union_all(polygons)


def _region(c: DieContext, drawing: Drawing, role: str) -> kdb.Region:
    layout = gds.to_layout(drawing, c.pdk)
    return gds.fetch(layout, c.pdk, layout.cell(drawing.name))(c.pdk.role(role)).merged()


def _holes(walls: shapely.Geometry) -> Iterator[shapely.Geometry]:
    for part in shapely.get_parts(walls):
        yield from (shapely.Polygon(hole) for hole in part.interiors)


def _nearest(walls: shapely.Geometry, at: tuple[Um, Um], die: Die) -> tuple[float, Um]:
    """The direction (degrees) of the nearest wall straight ahead, and how far it is (um)."""
    far, spot = die.width + die.height, shapely.Point(at)
    found = []
    for angle, (dx, dy) in ((0.0, (far, 0.0)), (90.0, (0.0, far)), (180.0, (-far, 0.0)), (270.0, (0.0, -far))):
        met = shapely.intersection(shapely.LineString([at, (at[0] + dx, at[1] + dy)]), walls)
        if not met.is_empty:
            found.append((round(float(met.distance(spot)), 3), angle))
    reach, angle = min(found)
    return angle, reach


@stage("label_spot", at="die")
def label_spot(c: DieContext, die: Die) -> Die:
    """Keep a box free for the die's label: where the spec says, else the first place, from the upper left on, that is
    clear of all walls, metal and structures on the chip, and not below a contact.

    Raises:
        SpecError: there is none, or the place in the spec is not clear.
    """
    if not c.labelled:
        return die
    drawing = die.drawing()
    taken = kdb.Region()
    for role in ("frame", "metal", "structure", "contact"):
        taken += _region(c, drawing, role)
    taken = taken.sized(dbu(LABEL_SPACE)).merged()
    inside = kdb.Region(kdb.Box(0, 0, dbu(die.width), dbu(die.height)))
    free = inside - taken

    def is_clear(box: Box) -> bool:
        return bool((kdb.Region(kdb.Box(*(dbu(v) for v in box))) - free).is_empty())

    return replace(die, label=free_box(c, die, is_clear))


@stage("frame_street", at="street")
def frame_street(c: StreetContext, street: Street) -> None:
    """The frame over the whole street: frames of neighbours are one, and the separation line runs down its middle."""
    w, h, (sx, sy) = c.die.width, c.die.height, c.street
    frame = c.pdk.role("frame")
    for piece in ((-sx, -sy, w + sx, 0.0), (-sx, h, w + sx, h + sy), (-sx, 0.0, 0.0, h), (w, 0.0, w + sx, h)):
        street.common.polygon(frame, geom.span(*piece))


@stage("ground_ends", at="street")
def ground_ends(c: StreetContext, street: Street) -> None:
    """Ground conductors that leave the die, led on to the middle of the street, where the cut meets them."""
    w, h, (sx, sy) = c.die.width, c.die.height, c.street
    for port in c.die.ports:
        low, high = port.offset - port.width / 2, port.offset + port.width / 2
        boxes = {
            "left": (-sx / 2, low, 0.0, high), "right": (w, low, w + sx / 2, high),
            "bottom": (low, -sy / 2, high, 0.0), "top": (low, h, high, h + sy / 2),
        }  # fmt: skip
        street.ends.polygon(port.layer, geom.span(*boxes[port.side]))


@stage("rim_seal", at="wafer")
def rim_seal_stage(c: WaferContext, wafer: OnWafer) -> None:
    """The ring of frame at the wafer's rim.

    Raises:
        ParamError: it would lie on frames or in the notch.
    """
    settings = replace(c.settings("rim.seal"), wafer=c.rim.diameter)
    street = (c.step.pitch[0] - c.step.die_size[0], c.step.pitch[1] - c.step.die_size[1])
    reach = c.rim.usable + math.hypot(*street) + c.pdk.limit("space", c.pdk.role("frame"))
    if settings.inner <= reach:
        raise ParamError(
            f"rim.seal: its inner edge, at a radius of {settings.inner:g} um, must lie beyond the frames, which reach "
            f'to {reach:g}; widen wafer.edge_exclusion, or make inset or width smaller under [cells."rim.seal"]'
        )
    if not c.rim.flat and settings.inset < c.rim.depth:
        raise ParamError(
            f"rim.seal: inset={settings.inset:g} um leads the ring through the notch, which is {c.rim.depth:g} deep; "
            f'write inset = {math.ceil(c.rim.depth)} or more under [cells."rim.seal"]'
        )
    turned = {"bottom": 0.0, "right": 90.0, "top": 180.0, "left": 270.0, "none": 0.0}[c.rim.notch]
    wafer.own.place(
        c.cell("rim.seal", wafer=c.rim.diameter, flat=c.rim.flat), (0.0, 0.0), turned if c.rim.flat else 0.0
    )
