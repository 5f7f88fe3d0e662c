"""What the spec itself puts on the die: cells at places, and wires from point to point."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import shapely

from layoutgen.cell import Drawing, Placement
from layoutgen.die import Die, DieContext, NetPin, Port, Side, Track, stage
from layoutgen.errors import ParamError
from layoutgen.units import Points, Um

EDGE: Um = 0.0005
"""What a track's end may be off the die's edge."""


@stage("placed", at="die")
def placed(c: DieContext, die: Die) -> Die:
    """Cells and tracks of the spec, and the nets of both as texts on their layers.

    A track on the layer of role `ground` leaves the die where it ends on its edge: that is a port.

    Raises:
        ParamError: a pin that has a net is none of the cell's, or a track crosses itself.
    """
    parts, pins, ports = [], [], []
    for number, p in enumerate(c.places, 1):
        drawing = c.variant(p.cell, {**c.parameters.get(p.cell, {}), **p.parameters})
        parts.append(Placement(drawing, p.at, p.angle))
        known = {pin.name: pin for pin in drawing.pins}
        for name, net in p.nets.items():
            if name not in known:
                raise ParamError(f"place {number}: {p.cell} has no pin {name!r}; it has {', '.join(known) or 'none'}")
            title = f"pin {name} of place {number}, {p.cell},"
            pins.append(NetPin(title, net, known[name].layer, turned(known[name].at, p.angle, p.at)))
            pins += [NetPin(f"inside of {title}", net, probe.layer, turned(probe.at, p.angle, p.at))
                     for probe in drawing.probes if probe.pin == name]  # fmt: skip
    wires = Drawing("TRACKS")
    for number, t in enumerate(c.tracks, 1):
        wires.polygon(t.layer, outline(t, f"track {number}"))
        if t.net:
            (x0, y0), (x1, y1) = t.points[:2]
            pins.append(NetPin(f"track {number}", t.net, t.layer, ((x0 + x1) / 2, (y0 + y1) / 2)))
        if t.layer == c.pdk.roles.get("ground"):
            ports += list(_ports(t, die))
    for pin in pins:
        wires.text(pin.layer, pin.net, pin.at)
    die = die.add(*parts, *([Placement(wires)] if c.tracks or pins else []))
    return replace(die, pins=(*die.pins, *pins), ports=(*die.ports, *ports))


def turned(at: tuple[Um, Um], angle: float, by: tuple[Um, Um]) -> tuple[Um, Um]:
    """A point turned about the origin by a multiple of 90 degrees and then moved (um)."""
    x, y = at
    for _ in range(round(angle / 90) % 4):
        x, y = -y, x
    return x + by[0], y + by[1]


def outline(track: Track, name: str) -> Points:
    """A track's metal: cut square at its ends, mitred where it bends.

    Raises:
        ParamError: it meets itself, or bends back so sharply that its mitre would not end.
    """
    line = shapely.LineString(track.points)
    shape = shapely.buffer(line, track.width / 2, cap_style="flat", join_style="mitre", mitre_limit=3.0)
    if not line.is_simple or list(shape.interiors):
        raise ParamError(f"{name}: meets itself; draw it as several tracks")
    corners: Points = np.array(shapely.orient_polygons(shape).exterior.coords)[:-1]
    return corners


def _ports(track: Track, die: Die) -> Iterator[Port]:
    """Where a track ends square on the die's edge."""
    for end, before in ((track.points[0], track.points[1]), (track.points[-1], track.points[-2])):
        edges: dict[Side, tuple[Um, Um, Um]] = {
            "left": (end[0], end[1], end[1] - before[1]), "right": (die.width - end[0], end[1], end[1] - before[1]),
            "bottom": (end[1], end[0], end[0] - before[0]), "top": (die.height - end[1], end[0], end[0] - before[0]),
        }  # fmt: skip
        for side, (away, offset, slant) in edges.items():
            if math.fabs(away) < EDGE and math.fabs(slant) < EDGE:
                yield Port(side, offset, track.width, track.layer, track.net)
