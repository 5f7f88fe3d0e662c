"""The bus in the kerf: straight lines, the streets between their crossings, and the metal where things meet.

A line is drawn as rectangles along x or y. Between crossings and ties it is a wire, R = Rs * length / width, which is
exact. Round each crossing and each tie the metal is meshed, out to two widths of the bus or to the middle of
the gap to the next one; there the potential is taken as even across the bus. What that neglects falls off as
exp(-pi * distance / width): below 0.2 % of a square at two widths.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import klayout.db as kdb
import numpy as np

from layoutgen.errors import Problem
from layoutgen.physics.plating import mesh
from layoutgen.physics.plating.die import PlatingError
from layoutgen.physics.plating.mesh import Floats, Sheet
from layoutgen.units import DBU, Um, dbu

REACH = 2.0
"""How far junctions are meshed, in widths of the bus."""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight bus: along x (axis 0) or y (axis 1), its middle `at` on the other axis, from `start` to `stop` (um).

    ring: whether its start and its stop stand on the contact ring.
    """

    axis: int
    at: Um
    width: Um
    start: Um
    stop: Um
    ring: tuple[bool, bool] = (False, False)


def lines(shapes: Iterable[kdb.Polygon], ring: kdb.Region) -> list[Line]:
    """The lines that drawn rectangles make up (database units); what lies on the ring is the ring's.

    Raises:
        PlatingError: a shape is no rectangle, or the bus is not made of straight lines of one width.
    """
    boxes: set[tuple[int, int, int, int]] = set()
    for shape in shapes:
        if not shape.is_box():
            c = shape.bbox().center()
            message = f"the bus at ({c.x * DBU:g}, {c.y * DBU:g}) um is no rectangle along x or y; draw it of such"
            raise PlatingError([Problem("", "", message)])
        b = shape.bbox()
        boxes.add((b.left, b.bottom, b.right, b.top))
    runs: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
    for x0, y0, x1, y1 in boxes:
        if x1 - x0 >= y1 - y0:
            runs.setdefault((0, y0, y1), []).append((x0, x1))
        else:
            runs.setdefault((1, x0, x1), []).append((y0, y1))
    rings = list(ring.merged().each())
    out = []
    for (axis, low, high), spans in sorted(runs.items()):
        for start, stop in _united(spans):
            out += _cut_at_ring(axis, low, high, start, stop, rings)
    return out


def _united(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for a, b in sorted(spans):
        if out and a <= out[-1][1]:
            out[-1] = (out[-1][0], max(b, out[-1][1]))
        else:
            out.append((a, b))
    return out


def _cut_at_ring(
    axis: int, low: int, high: int, start: int, stop: int, rings: Sequence[kdb.Polygon]
) -> list[Line]:  # fmt: skip
    """What of a line lies off the ring, by its middle."""
    middle = (low + high) // 2
    ends = (start, middle, stop, middle) if axis == 0 else (middle, start, middle, stop)
    edge, found = kdb.Edges(kdb.Edge(*ends)), []
    box = kdb.Box(*ends).enlarged(1, 1)
    near = kdb.Region([r for r in rings if r.bbox().touches(box)])
    for part in (edge - near if near else edge).each():
        a, b = sorted((part.x1, part.x2) if axis == 0 else (part.y1, part.y2))
        if b > a:
            found.append((a, b))
    width, at = (high - low) * DBU, (low + high) / 2 * DBU
    return [
        Line(axis, at, width, a * DBU, b * DBU, (a > start, b < stop)) for a, b in sorted(found)
    ]  # fmt: skip


# junctions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stub:
    """A tie from the die's edge to a street's bus.

    at: its middle along the street (um).
    side: on which side of the bus the die lies, -1 for smaller coordinates, 1 for larger ones.
    far: from the bus's middle to the die's edge (um).
    """

    at: Um
    side: int
    width: Um
    far: Um


@dataclass(frozen=True, slots=True)
class Junction:
    """A piece of bus along x round the origin, and what joins it: its terminals are the ends of its arms, then stubs.

    arms: how far it reaches from the origin to -x, +x, -y, +y (um); 0 where there is none.
    widths: of the bus along x and of the one along y (um).
    """

    widths: tuple[Um, Um]
    arms: tuple[Um, Um, Um, Um]
    stubs: tuple[Stub, ...] = ()

    def sheet(self, ohms: float, ties: float = 1.0) -> Sheet:
        """Its mesh, held at its terminals; stubs conduct `ties` times as well."""
        hx, hy = dbu(self.widths[0] / 2), dbu(self.widths[1] / 2)
        left, right, down, up = (dbu(a) for a in self.arms)
        far = 1000
        metal, stubs = kdb.Region(kdb.Box(-left, -hx, right, hx)), kdb.Region()
        ends = []
        if left:
            ends.append(kdb.Box(-left - far, -hx, -left, hx))
        if right:
            ends.append(kdb.Box(right, -hx, right + far, hx))
        if down:
            metal.insert(kdb.Box(-hy, -down, hy, hx))
            ends.append(kdb.Box(-hy, -down - far, hy, -down))
        if up:
            metal.insert(kdb.Box(-hy, -hx, hy, up))
            ends.append(kdb.Box(-hy, up, hy, up + far))
        if not (left and right) and (down or up):
            metal.insert(kdb.Box(-hy, -hx, hy, hx))
        for s in self.stubs:
            a, b, end = dbu(s.at - s.width / 2), dbu(s.at + s.width / 2), dbu(s.far)
            tie, beyond = kdb.Box(a, hx, b, end), kdb.Box(a, end, b, end + far)
            if s.side < 0:
                tie, beyond = (kdb.Box(c.left, -c.top, c.right, -c.bottom) for c in (tie, beyond))
            stubs.insert(tie)
            ends.append(beyond)
        largest = max(1.0, min(self.widths) ** 2 / 2)
        better = stubs if ties != 1.0 else None
        return mesh.sheet(metal + stubs, [kdb.Polygon(e) for e in ends], ohms, largest, better=better, times=ties)


@cache
def _reduced(junction: Junction, ohms: float, ties: float) -> Floats:
    found = junction.sheet(ohms, ties).reduced()
    found.setflags(write=False)
    return found


def reduced(junction: Junction, ohms: float, ties: float = 1.0) -> Floats:
    """The conductances (siemens) between the terminals of a junction; equal junctions are meshed once."""
    return _reduced(junction, ohms, ties)


# streets --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Street:
    """A bus along x from 0 to `length` (um) between two ends, with ties from its sides.

    ends: what stands at its start and at its stop: half the width of a crossing bus (um), 0 for the ring, or -1 for
    nothing.
    """

    length: Um
    width: Um
    ends: tuple[Um, Um]
    stubs: tuple[Stub, ...] = ()


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a street is made of.

    junctions: each with its nodes; wires: (node, node, length in um). Node -1 is the start's, -2 the stop's terminal,
    node k < number of stubs the end of stub k at its die.
    reaches: how far the crossings at its start and its stop reach into it, from their middles (um).
    """

    junctions: tuple[tuple[Junction, tuple[int, ...]], ...]
    wires: tuple[tuple[int, int, Um], ...]
    nodes: int
    reaches: tuple[Um, Um]


def pieces(street: Street) -> Pieces:
    """A street as junctions and straight wires.

    Raises:
        PlatingError: a tie stands where two buses cross.
    """
    order = sorted(range(len(street.stubs)), key=lambda k: (street.stubs[k].at, street.stubs[k].side))
    groups: list[list[int]] = []
    spans: list[list[Um]] = []
    for k in order:
        s = street.stubs[k]
        low, high = s.at - s.width / 2, s.at + s.width / 2
        if spans and low <= spans[-1][1]:
            groups[-1].append(k)
            spans[-1][1] = max(spans[-1][1], high)
        else:
            groups.append([k])
            spans.append([low, high])
    # free space between what stands along the street: ends (of half widths), and groups of ties
    edges = [max(0.0, street.ends[0]), *(v for span in spans for v in span), street.length - max(0.0, street.ends[1])]
    gaps = [edges[2 * k + 1] - edges[2 * k] for k in range(len(groups) + 1)]
    if min(gaps) < 0:
        message = (
            "a tie meets the bus where two buses cross, or the bus ends before it; move the tie along its die's edge"
        )
        raise PlatingError([Problem("", "", message)])
    most = REACH * street.width
    # the ring holds a line evenly across: a wire up to it; a free end carries nothing
    reach = [_whole(min(most, gap / 2)) for gap in gaps]
    first = 0.0 if street.ends[0] <= 0 else street.ends[0] + reach[0]
    last = 0.0 if street.ends[1] <= 0 else street.ends[1] + reach[-1]
    junctions, wires = [], []
    count, previous, at = len(street.stubs), -1, first
    for k, (group, (low, high)) in enumerate(zip(groups, spans, strict=True)):
        middle = _whole((low + high) / 2)
        left, right = middle - low + reach[k], high - middle + reach[k + 1]
        dangling = (k == 0 and street.ends[0] < 0, k == len(groups) - 1 and street.ends[1] < 0)
        stubs = tuple(Stub(_whole(s.at - middle), s.side, s.width, s.far) for s in (street.stubs[i] for i in group))
        nodes = (count, count + 1, *group)
        junctions.append(
            (Junction((street.width, street.width), (_whole(left), _whole(right), 0.0, 0.0), stubs), nodes)
        )
        if not dangling[0]:
            wires.append((previous, count, max(0.0, middle - left - at)))
        previous, at, count = count + 1, middle + right, count + 2
    if street.ends[1] >= 0 and (groups or street.ends[0] >= 0):
        wires.append((previous, -2, max(0.0, street.length - last - at)))
    return Pieces(tuple(junctions), tuple(wires), count, (first, last))


def _whole(value: Um) -> Um:
    """A length on the database grid, so that equal junctions are the same value."""
    return round(value, 3)


def street_matrix(street: Street, parts: Pieces, ohms: float, ties: float = 1.0) -> Floats:
    """The conductances (siemens) of a street's nodes: those of `Pieces`, then the terminals of its start and stop.

    Wires without length join their nodes by a very good conductor.
    """
    n = parts.nodes
    out = np.zeros((n + 2, n + 2))
    for junction, nodes in parts.junctions:
        at = np.array(nodes)
        out[np.ix_(at, at)] += reduced(junction, ohms, ties)
    for a, b, length in parts.wires:
        i, j = (n - 1 - v if v < 0 else v for v in (a, b))
        g = street.width / (ohms * max(length, DBU))
        out[[i, j], [i, j]] += g
        out[[i, j], [j, i]] -= g
    return out
