"""From centre lines to bodies: integer polygons as wide as the rule asks, with mitred bends and flat ends.

Segments along an axis are exactly as wide as the rule; an odd width stands one unit further out above or to the right.
Diagonal ones (45 degrees) have their edges on lattice lines, exactly diagonal and at most 2.2 units further out. Other
edges lose some of their width to the grid, and get the guard for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.problem import Wire
from layoutgen.units import IntPoints, Um, dbu, to_dbu

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]

_STRAIGHT = 1e-3
"""Sine of a turn below which offset lines of unequal widths meet too far away to be mitred."""
_BENT = math.tan(math.radians(23 / 2))
"""Tangent of half a turn of 23 degrees: slanting bends that are sharper are chamfered, not mitred."""
_SQUARE = 1.0 + 1e-9
"""Tangent of half a turn of 90 degrees: sharper bends are not mitred but cut off square."""
_TIPPED = math.tan(math.radians(99 / 2))
"""Tangent of half a turn: the rims of sharper bends face each other, and keep the width to each other at their tip.

Width rules look at edges that stand at less than 80 degrees to each other; a degree is left for rounding.
"""


def body(wire: Wire, guard: Um) -> IntPoints:
    """Outline of a wire's metal (dbu); `guard` (um) is added to the width of slanted segments only."""
    return bodies([wire], guard)[0]


def bodies(wires: Sequence[Wire], guard: Um) -> list[IntPoints]:
    """Outlines of many wires, each a simple polygon, counter-clockwise; none (0 points) for one without a length."""
    if not wires:
        return []
    points = np.array([p for w in wires for p in w.points], dtype=np.int64).reshape(-1, 2)
    points, counts = _distinct(points, np.array([len(w.points) for w in wires]))
    lines = np.split(points, np.cumsum(counts)[:-1])
    drawn = np.flatnonzero(counts > 1)
    out = [np.empty((0, 2), dtype=np.int64)] * len(wires)
    if not len(drawn):
        return out
    counts = counts[drawn]
    by_wire = to_dbu([wires[i].width for i in drawn.tolist()])
    strip = _strip(
        np.concatenate([lines[i] for i in drawn.tolist()]), counts, np.repeat(by_wire, counts - 1), dbu(guard)
    )
    rims, corners = _distinct(_around(strip, counts), 4 * counts, closed=True)
    stops = np.cumsum(counts)
    whole = np.logical_and.reduceat(strip.forward, stops - counts) & (corners > 3)
    rings = np.split(rims, np.cumsum(corners)[:-1])
    shapes = solids([ring if good else ring[:0] for ring, good in zip(rings, whole.tolist(), strict=True)])
    whole &= shapely.is_valid(shapes) & (shapely.area(shapes) > 0)
    for k, (i, good) in enumerate(zip(drawn.tolist(), whole.tolist(), strict=True)):
        out[i] = rings[k] if good else _united(lines[i], int(by_wire[k]), dbu(guard))
    return out


def solids(rings: Sequence[IntPoints]) -> npt.NDArray[np.object_]:
    """Polygons with the given corners, valid or not; empty ones where there are no corners."""
    out = np.full(len(rings), shapely.Polygon(), dtype=object)
    counts = np.array([len(ring) for ring in rings], dtype=np.int64)
    drawn = np.flatnonzero(counts)
    if len(drawn):
        number = np.repeat(np.arange(len(drawn)), counts[drawn])
        out[drawn] = shapely.polygons(shapely.linearrings(np.concatenate(list(rings)).astype(float), indices=number))
    return out


def _around(strip: _Strip, counts: _Ints) -> IntPoints:
    """The rims of all lines, to their ends on the right and back on the left: 4 vertices for each point."""
    points = len(strip.right)
    stops = np.cumsum(counts)
    first, last = (np.repeat(column, 4 * counts) for column in (stops - counts, stops))
    along = np.arange(4 * points) - 4 * first
    back = along >= 2 * (last - first)
    vertices = np.concatenate([strip.right.reshape(-1, 2), strip.left.reshape(-1, 2)])
    place = np.where(back, 2 * points + 2 * last - 1 - (along - 2 * (last - first)), 2 * first + along)
    out: IntPoints = vertices[place]
    return out


@dataclass(frozen=True)
class _Strip:
    """Rims of centre lines: for each point its vertices on the segment before and on that after, (n, 2, 2)."""

    left: IntPoints
    right: IntPoints
    forward: _Flags
    """Per point, whether the rims of the segment after it run the way the segment does."""


@dataclass(frozen=True)
class _Segments:
    """Unit directions, half widths on both sides, and whether a segment is diagonal."""

    way: _Floats
    left: _Floats
    right: _Floats
    diagonal: _Flags


def _segments(steps: IntPoints, widths: _Ints, guard: int) -> _Segments:
    dx, dy = steps[:, 0], steps[:, 1]
    axis, diagonal = (dx == 0) | (dy == 0), np.abs(dx) == np.abs(dy)
    low = widths // 2
    # left is above for a segment to the right, and to the right for one down
    up = (dx > 0) | ((dx == 0) & (dy < 0))
    lattice = math.sqrt(2) * np.ceil((widths + math.sqrt(2)) / (2 * math.sqrt(2)))
    other = np.where(diagonal, lattice, (widths + guard) / 2)
    left = np.where(axis, np.where(up, widths - low, low), other)
    right = np.where(axis, np.where(up, low, widths - low), other)
    return _Segments(steps / np.hypot(dx, dy)[:, None], left.astype(float), right.astype(float), diagonal)


def _strip(points: IntPoints, counts: _Ints, widths: _Ints, guard: int) -> _Strip:
    """The rims of all lines at once."""
    last = np.cumsum(counts) - 1
    first = last - counts + 1
    begins = np.ones(len(points), dtype=bool)
    begins[last] = False
    steps = np.diff(points, axis=0)[begins[:-1]]
    segments = _segments(steps, widths, guard)
    # number of the segment before and after each point; at the ends of a line both are the same
    after = np.cumsum(begins) - 1
    before = after - 1
    before[first] = after[first]
    before[last] = after[last]
    rims = []
    forward = np.ones(len(points), dtype=bool)
    for sign, half in ((1.0, segments.left), (-1.0, segments.right)):
        rim = points[:, None, :] + _vertices(segments, before, after, sign, half)
        edges = rim[1:, 0][begins[:-1]] - rim[:-1, 1][begins[:-1]]
        forward[begins] &= np.einsum("ij,ij->i", edges, segments.way) >= 0
        rims.append(rim)
    return _Strip(rims[0], rims[1], forward)


def _vertices(s: _Segments, before: _Ints, after: _Ints, sign: float, half: _Floats) -> IntPoints:
    """Vertices (n, 2, 2) on one side of each point, relative to it: left of the way if sign > 0."""
    d1, d2, h1, h2 = s.way[before], s.way[after], half[before], half[after]
    sine, cosine = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0], np.einsum("ij,ij->i", d1, d2)
    with np.errstate(divide="ignore", invalid="ignore"):
        tangent = np.where(cosine > -1 + 1e-12, sine / (1 + cosine), np.copysign(np.inf, sine))
        unequal = np.where(h1 == h2, 0.0, (h2 - h1) / sine)
        # along each segment, from the point to where both offset lines meet
        along1 = -sign * (unequal + h1 * tangent)
        along2 = -sign * (np.where(h1 == h2, 0.0, (h2 - h1) / sine) - h2 * tangent)
    along2 = np.where(h1 == h2, -along1, along2)
    flat = (np.abs(sine) < _STRAIGHT) & (cosine > 0) & (h1 != h2)
    mean = -sign * (h1 + h2) / 2 * np.where(flat, tangent, 0.0)
    along1, along2 = np.where(flat, mean, along1), np.where(flat, -mean, along2)
    sharp = (np.abs(tangent) > _SQUARE) & (sign * sine <= 0)
    along1, along2 = np.where(sharp, h1, along1), np.where(sharp, -h2, along2)
    off1, off2 = h1, h2
    tipped = (np.abs(tangent) > _TIPPED) & sharp
    if np.any(tipped):
        along, off = _tip(np.arctan(np.abs(tangent)), np.maximum(h1, h2))
        along1, along2 = np.where(tipped, along, along1), np.where(tipped, -along, along2)
        off1, off2 = np.where(tipped, off, h1), np.where(tipped, off, h2)
    # a mitre would stand out where neighbours bend about it; a chamfer that touches the circle hardly does
    slanted = np.all(d1 != 0, axis=1) & ~s.diagonal[before] | np.all(d2 != 0, axis=1) & ~s.diagonal[after]
    chamfered = slanted & (np.abs(tangent) > _BENT) & (sign * sine <= 0) & ~sharp
    size = np.where(chamfered, np.abs(tangent), 1.0)
    quarter = np.where(chamfered, (np.hypot(1.0, size) - 1) / size, 0.0)
    along1, along2 = np.where(chamfered, h1 * quarter, along1), np.where(chamfered, -h2 * quarter, along2)
    sharp |= chamfered
    one = _on_line(d1, sign * off1, along1, s.diagonal[before])
    two = _on_line(d2, sign * off2, along2, s.diagonal[after])
    # one vertex where both lines meet: a diagonal's stays on its lattice line; of parallel lines the outer one
    second = np.where(flat, h2 > h1, s.diagonal[after] & ~s.diagonal[before])
    vertex = np.where(second[:, None], two, one)
    # an axis is left by a step at right angles to it, a sharp bend is cut off square
    axis1, axis2 = np.any(d1 == 0, axis=1), np.any(d2 == 0, axis=1)
    out1 = one + np.round(sign * (h2 - h1)[:, None] * np.stack([-d1[:, 1], d1[:, 0]], axis=1)).astype(np.int64)
    out2 = two + np.round(sign * (h1 - h2)[:, None] * np.stack([-d2[:, 1], d2[:, 0]], axis=1)).astype(np.int64)
    keep1, keep2 = sharp | (flat & axis1), sharp | (flat & axis2)
    first = np.where(keep1[:, None], one, np.where((flat & axis2)[:, None], out2, vertex))
    other = np.where(keep2[:, None], two, np.where((flat & axis1)[:, None], out1, vertex))
    return np.stack([first, other], axis=1)


def _tip(half_turn: _Floats, half: _Floats) -> tuple[_Floats, _Floats]:
    """Where a sharp bend is cut off, along its legs and off them: it keeps the width between its corners.

    It also keeps it to the inner corner, where the legs part; for turns of up to 107 degrees, the corners stand out of
    the rims a little to do so.
    """
    half = half + 1  # for rounding
    sine, cosine = np.cos(half_turn), np.sin(half_turn)  # of half of the angle between the legs
    out = half * np.maximum((1 - cosine) / np.maximum(sine, 1e-9), 2 - 1 / np.maximum(sine, 1e-9))
    return out * cosine - half * sine, half * cosine + out * sine


def _on_line(way: _Floats, off: _Floats, along: _Floats, diagonal: _Flags) -> IntPoints:
    """Grid points `off` to the left of lines through the origin and `along` them; exactly on a diagonal's lattice."""
    along = np.clip(np.nan_to_num(along), -(2**40), 2**40)
    # halves are rounded to the same side, whatever the direction
    lattice = np.where(diagonal, np.round(along / math.sqrt(2)) * math.sqrt(2), along)
    x = off * -way[:, 1] + lattice * way[:, 0]
    y = off * way[:, 0] + lattice * way[:, 1]
    return np.stack([np.floor(x + 0.5), np.floor(y + 0.5)], axis=1).astype(np.int64)


def _united(line: IntPoints, width: int, guard: int) -> IntPoints:
    """The body of a line whose rims would overlap: all its segments and the outer sides of its bends in one."""
    count = len(line) - 1
    region = kdb.Region()
    # the guard covers what the union loses to the grid
    legs = np.stack([line[:-1], line[1:]], axis=1)
    own = _strip(legs.reshape(-1, 2), np.full(count, 2), np.full(count, width), guard + 2)
    right, left = own.right[:, 0].reshape(-1, 2, 2), own.left[:, 0].reshape(-1, 2, 2)
    for rims in np.concatenate([right, left[:, ::-1]], axis=1):
        region.insert(polygon(rims))
    if count > 1:
        bends = np.stack([line[:-2], line[1:-1], line[2:]], axis=1)
        bent = _strip(bends.reshape(-1, 2), np.full(count - 1, 3), np.full(2 * count - 2, width), guard + 2)
        steps = np.diff(bends, axis=1)
        turns = steps[:, 0, 0] * steps[:, 1, 1] - steps[:, 0, 1] * steps[:, 1, 0]
        outer = np.where((turns > 0)[:, None, None], bent.right[1::3], bent.left[1::3])
        rims = np.where(
            (turns > 0)[:, None, None, None],
            np.stack([right[:-1], right[1:]], axis=1),
            np.stack([left[:-1], left[1:]], axis=1),
        )
        corners = np.concatenate([line[1:-1, None], rims[:, 0, 1:], outer, rims[:, 1, :1]], axis=1)
        tips = [_square_tip(bend, (width + guard + 2) / 2 + 1) for bend in bends]
        hulls = np.atleast_1d(np.asarray(shapely.convex_hull(shapely.linestrings(corners))))
        for tip, hull in zip(tips, hulls, strict=True):
            if tip is not None:
                region.insert(polygon(tip))
            elif hull.geom_type == "Polygon":
                region.insert(polygon(shapely.get_coordinates(hull)))
    region.merge()
    largest = max(region.each(), key=lambda p: p.area(), default=kdb.Polygon())
    return ring(largest.resolved_holes())


def _square_tip(bend: IntPoints, half: float) -> IntPoints | None:
    """A rectangle across a sharp bend (3, 2), over the ends of its legs; None where the bend is not sharp."""
    before, after = bend[1] - bend[0], bend[2] - bend[1]
    before, after = before / np.hypot(*before), after / np.hypot(*after)
    back = before - after
    ahead = back / np.hypot(*back) if np.hypot(*back) > 1e-9 else np.zeros(2)
    across = np.array([-ahead[1], ahead[0]])
    cosine, sine = float(ahead @ before), abs(float(across @ before))
    if cosine <= sine * _TIPPED:
        return None
    corners = [(-half, 0.0), (half, 0.0), (half, half * sine + 2), (-half, half * sine + 2)]
    return np.array([np.rint(bend[1] + a * across + b * ahead) for a, b in corners], dtype=np.int64)


def _distinct(points: IntPoints, counts: _Ints, *, closed: bool = False) -> tuple[IntPoints, _Ints]:
    """Points of many lines without those that repeat the one before, and how many are left of each."""
    stops = np.cumsum(counts)
    starts = (stops - counts)[counts > 0]
    keep = np.ones(len(points), dtype=bool)
    keep[1:] = np.any(points[1:] != points[:-1], axis=1)
    keep[starts] = True
    if closed:
        ends = stops[counts > 0] - 1
        keep[ends] &= np.any(points[ends] != points[starts], axis=1) | (ends == starts)
    left = np.concatenate([[0], np.cumsum(keep)])
    return points[keep], left[stops] - left[stops - counts]


def polygon(points: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> kdb.Polygon:
    """Points as a polygon of KLayout's."""
    return kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in points.tolist()])


def ring(shape: kdb.Polygon) -> IntPoints:
    """The hull of a polygon of KLayout's."""
    return np.array([(p.x, p.y) for p in shape.each_point_hull()], dtype=np.int64).reshape(-1, 2)
