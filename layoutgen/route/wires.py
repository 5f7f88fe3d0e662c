"""From centre lines to metal: wire bodies, teardrops where wires meet pads, and filled notches of one net.

All polygons are simple and on the grid. A teardrop or a filling is only drawn where it keeps its distance to the metal
of other nets; a teardrop shrinks, or is left out, where there is no room.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen.route.legal import body, obstacle_shape, terminal_shape
from layoutgen.route.problem import RoutePlan, RouteProblem, Terminal, Wire
from layoutgen.units import IntPoints, dbu

TEARDROP_SIZES = (1.0, 0.7, 0.45, 0.25)
"""Tried in turn, as parts of the full set-back."""
NOTCH_ANGLE = 80.0
"""Concave corners flatter than this are no notches (wires run at any angle)."""
_FACETS = 128
_FILL_ROUNDS = 40
_SLACK = 0.01
_STEP = 10
"""Reach of a notch that stays open, in dbu."""
_OVERLAP = 3.0
"""How far fillings start inside of the metal they join, in dbu."""


@dataclass
class NetMetal:
    """Integer polygons ((n, 2) arrays in dbu) of one net: wires with teardrops, and what belongs to its tie."""

    metal: list[IntPoints] = field(default_factory=list)
    tie: list[IntPoints] = field(default_factory=list)


def draw(problem: RouteProblem, plan: RoutePlan) -> dict[str, NetMetal]:
    """The metal of every net that has wires; the shapes of the terminals themselves are not in it."""
    width = dbu(problem.width + problem.guard)
    bodies = [_cleaned(body(w, width)) for w in plan.wires]
    room = _Room(problem, plan, bodies)
    terminals = {t.name: t for t in problem.terminals}
    drops = [[_teardrop(problem, room, w, terminals, at_end, width) for at_end in (False, True)] for w in plan.wires]
    out: dict[str, NetMetal] = {}
    for net in dict.fromkeys(w.net for w in plan.wires):
        own = [i for i, w in enumerate(plan.wires) if w.net == net]
        wires = [(plan.wires[i].tie, polygon) for i in own for polygon in bodies[i]]
        joins = [(plan.wires[i].tie, drop) for i in own for drop in drops[i] if drop is not None]
        pads = [t for t in problem.terminals if t.net == net]
        out[net] = _join(problem, plan, room, net, pads, wires, joins)
    return out


def _join(
    problem: RouteProblem,
    plan: RoutePlan,
    room: _Room,
    net: str,
    pads: list[Terminal],
    wires: list[tuple[bool, IntPoints]],
    joins: list[tuple[bool, IntPoints]],
) -> NetMetal:
    """The shapes of one net with its notches filled; teardrops whose notch cannot be filled are left out."""
    shapes = [*wires, *joins]
    fills, blocked = _fill(problem, plan, room, net, pads, shapes)
    if blocked and joins:
        near = kdb.Region(blocked).sized(_STEP)
        joins = [(tie, p) for tie, p in joins if near.interacting(kdb.Region(_kdb(p))).is_empty()]
        shapes = [*wires, *joins]
        fills, _ = _fill(problem, plan, room, net, pads, shapes)
    tie_body = kdb.Region([_kdb(p) for tie, p in shapes if tie])
    out = NetMetal([p for tie, p in shapes if not tie], [p for tie, p in shapes if tie])
    for polygon in fills:
        on_tie = not tie_body.interacting(kdb.Region(polygon)).is_empty()
        (out.tie if on_tie else out.metal).append(_points(polygon))
    for polygon in fills:
        room.add(net, _points(polygon))
    return out


def _fill(
    problem: RouteProblem,
    plan: RoutePlan,
    room: _Room,
    net: str,
    pads: list[Terminal],
    shapes: list[tuple[bool, IntPoints]],
) -> tuple[list[kdb.Polygon], list[kdb.Polygon]]:
    """Polygons that close all notches of a net narrower than the drawn space, and notches that stay open."""
    region = kdb.Region([_kdb(p) for _, p in shapes])
    for pad in pads:
        region.insert(pad_polygon(pad))
    tie = kdb.Region([_kdb(p) for is_tie, p in shapes if is_tie])
    fills: list[kdb.Polygon] = []
    blocked: list[kdb.Polygon] = []
    depth, space = dbu(problem.width) / 4, dbu(problem.space + problem.guard / 2)
    for round_ in range(_FILL_ROUNDS):
        region.merge()
        notches = region.notch_check(space, False, kdb.Region.Euclidian, NOTCH_ANGLE)
        fresh = []
        walls = list(region.edges().each())
        for pair in notches.each():
            whole = kdb.EdgePair(_wall(pair.first, walls), _wall(pair.second, walls))
            part = _bridge(pair, whole, depth, space, square=round_ % 4 < 3)
            is_tie = not tie.interacting(kdb.Region(part)).is_empty()
            if room.free(net, _points(part), is_tie):
                fresh.append(part)
            else:
                blocked.append(part)
        if not fresh:
            return fills, blocked
        fills += fresh
        region += kdb.Region(fresh)
    left = region.merged().notch_check(space, False, kdb.Region.Euclidian, NOTCH_ANGLE)
    return fills, blocked + [pair.polygon(_STEP) for pair in left.each()]


def _bridge(pair: kdb.EdgePair, whole: kdb.EdgePair, depth: float, space: int, *, square: bool) -> kdb.Polygon:
    """A convex polygon over a notch that reaches `depth` dbu into the metal on both of its sides.

    `whole` has the edges of which `pair` has the facing parts; metal lies to the right of them. Starting a little
    inside of the metal keeps the grid from leaving steps; steps of the grid themselves are not followed far.
    """
    a1, a2 = _stretched(pair.first, whole.first, space)
    b1, b2 = _stretched(pair.second, whole.second, space)
    if square:
        a2, b1 = _squared(a1, a2, b1, b2, a2 == _xy(whole.first.p2), b1 == _xy(whole.second.p1), space)
        b2, a1 = _squared(b1, b2, a1, a2, b2 == _xy(whole.second.p2), a1 == _xy(whole.first.p1), space)
    points = []
    for edge, ends in ((pair.first, (a1, a2)), (pair.second, (b1, b2))):
        length = edge.length() or 1
        nx, ny = edge.dy() / length, -edge.dx() / length
        deep = min(depth, _OVERLAP + 2 * math.dist(*ends))
        points += [(x + nx * d, y + ny * d) for x, y in ends for d in (_OVERLAP, deep)]
    hull = shapely.get_coordinates(shapely.MultiPoint(np.round(points)).convex_hull)
    return kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in hull.tolist()])


def _wall(part: kdb.Edge, walls: Sequence[kdb.Edge]) -> kdb.Edge:
    """The edge that a part of an edge was taken from, to within rounding."""
    fits = [
        w
        for w in walls
        if w.bbox().enlarged(2, 2).contains(part.p1)
        and w.bbox().enlarged(2, 2).contains(part.p2)
        and w.distance_abs(part.p1) <= 2
        and w.distance_abs(part.p2) <= 2
        and w.d().sprod_sign(part.d()) > 0
    ]
    return max(fits, key=lambda w: w.length(), default=part)


def _stretched(part: kdb.Edge, whole: kdb.Edge, space: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ends of a part of an edge, moved to those of the whole edge where less than half a space would be left over."""
    return (
        _xy(whole.p1 if part.p1.distance(whole.p1) < space / 2 else part.p1),
        _xy(whole.p2 if part.p2.distance(whole.p2) < space / 2 else part.p2),
    )


def _squared(
    a1: tuple[float, float],
    a2: tuple[float, float],
    b1: tuple[float, float],
    b2: tuple[float, float],
    a_ends: bool,
    b_ends: bool,
    space: float,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ends a2 and b1 of a filling between edges a1-a2 and b1-b2, pulled back so that it closes at no acute angle.

    A slanting end would make a new notch with the wall that it leans over; where one of the edges ends, that is the
    wall that comes next, and the filling is squared on the edge that goes on.
    """
    if math.dist(a2, b1) < space / 2:
        return a2, b1
    if _leans(a1, a2, b1) or (a_ends and not b_ends):
        return a2, _foot(a2, b2, b1)
    if _leans(b2, b1, a2) or (b_ends and not a_ends):
        return _foot(b1, a1, a2), b1
    return a2, b1


def _leans(start: tuple[float, float], end: tuple[float, float], across: tuple[float, float]) -> bool:
    """Whether the way from `end` to `across` goes on in the direction of start to end by more than 5 degrees."""
    ux, uy, vx, vy = end[0] - start[0], end[1] - start[1], across[0] - end[0], across[1] - end[1]
    return ux * vx + uy * vy > math.sin(math.radians(5)) * math.hypot(ux, uy) * math.hypot(vx, vy)


def _foot(p: tuple[float, float], start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    """The point of start-end nearest to p."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = dx * dx + dy * dy
    f = min(1.0, max(0.0, ((p[0] - start[0]) * dx + (p[1] - start[1]) * dy) / length)) if length else 1.0
    return start[0] + f * dx, start[1] + f * dy


def _xy(p: kdb.Point) -> tuple[float, float]:
    return float(p.x), float(p.y)


def pad_polygon(terminal: Terminal) -> kdb.Polygon:
    """A terminal in dbu; discs as a polygon inscribed into the circle."""
    x, y = dbu(terminal.x), dbu(terminal.y)
    hx, hy = dbu(terminal.half_x), dbu(terminal.half_y)
    if not terminal.round:
        return kdb.Polygon(kdb.Box(x - hx, y - hy, x + hx, y + hy))
    angles = [2 * math.pi * (k + 0.5) / _FACETS for k in range(_FACETS)]
    return kdb.Polygon([kdb.Point(round(x + hx * math.cos(a)), round(y + hx * math.sin(a))) for a in angles])


# ---------------------------------------------------------------------- teardrops


def _teardrop(
    problem: RouteProblem, room: _Room, wire: Wire, terminals: dict[str, Terminal], at_end: bool, width: int
) -> IntPoints | None:
    """The largest teardrop with room at one end of a wire."""
    if not (wire.end if at_end else wire.start):
        return None
    terminal = terminals[wire.end if at_end else wire.start]
    points = wire.points[::-1] if at_end else wire.points
    for polygon in teardrops(terminal, points, width, dbu(problem.width), 0.75 if wire.tie else 0.5):
        if room.free(wire.net, polygon, wire.tie):
            room.add(wire.net, polygon)
            return polygon
    return None


def teardrops(
    terminal: Terminal, points: tuple[tuple[int, int], ...], width: int, set_back: int, part: float
) -> Iterator[IntPoints]:
    """Convex hulls of a terminal and the cross-section of the wire a set-back off its rim, the largest first (dbu).

    The full set-back is the wire width, or (sqrt 2 - 1) radii where that is more, so that the sides of the drop are
    tangents of about 45 degrees: DECA (SkyWater wlcsp x.2) asks for a set-back of the trace width and a fillet as wide
    as 90 % of the pad, which straight tangents of a small pad give. A drop takes at most `part` of the wire.
    """
    radius = dbu(max(terminal.half_x, terminal.half_y))
    length = sum(math.dist(a, b) for a, b in pairwise(points))
    full = max(set_back, (math.sqrt(2) - 1) * radius)
    hull = [(p.x, p.y) for p in pad_polygon(terminal).each_point_hull()]
    for size in TEARDROP_SIZES:
        reach = min(radius + size * full, part * length)
        section = _cross_section(points, reach, width / 2 - 2) if reach > radius else None
        if section is not None:
            geometry = shapely.MultiPoint([*hull, *section]).convex_hull
            yield shapely.get_coordinates(geometry)[:-1].astype(np.int64)


def _cross_section(points: tuple[tuple[int, int], ...], reach: float, half: float) -> list[tuple[int, int]] | None:
    """Both rims of a wire where it first is `reach` away from its start."""
    x0, y0 = points[0]
    for (ax, ay), (bx, by) in pairwise(points):
        if math.hypot(bx - x0, by - y0) < reach:
            continue
        length = math.dist((ax, ay), (bx, by))
        dx, dy = (bx - ax) / length, (by - ay) / length
        along = (ax - x0) * dx + (ay - y0) * dy
        off = (ax - x0) ** 2 + (ay - y0) ** 2 - reach**2
        step = -along + math.sqrt(max(0.0, along * along - off))
        x, y = ax + dx * step, ay + dy * step
        return [(round(x - dy * half), round(y + dx * half)), (round(x + dy * half), round(y - dx * half))]
    return None


# ---------------------------------------------------------------------- room


class _Room:
    """What stands on the layer already, to ask whether one more polygon of a net keeps its distances."""

    def __init__(self, problem: RouteProblem, plan: RoutePlan, bodies: list[list[IntPoints]]) -> None:
        self.space = dbu(problem.space) - _SLACK
        self.outline = tuple(dbu(c) for c in problem.bounds)
        self.edge = dbu(problem.edge)
        shapes: list[shapely.Geometry] = []
        self._nets: list[str | None] = []
        for wire, polygons in zip(plan.wires, bodies, strict=True):
            shapes += [shapely.Polygon(p) for p in polygons]
            self._nets += [wire.net] * len(polygons)
        for terminal in problem.terminals:
            shape, radius = terminal_shape(terminal)
            shapes.append(shapely.buffer(shape, radius, quad_segs=64) if radius else shape)
            self._nets.append(terminal.net)
        shapes += [obstacle_shape(o) for o in problem.obstacles]
        self._nets += [None] * len(problem.obstacles)
        self._tree = shapely.STRtree(shapes)
        self._added: list[tuple[str, shapely.Geometry, tuple[float, ...]]] = []

    def add(self, net: str, points: IntPoints) -> None:
        """Note a polygon that has been drawn."""
        polygon = shapely.Polygon(points)
        self._added.append((net, polygon, polygon.bounds))

    def free(self, net: str, points: IntPoints, tie: bool) -> bool:
        """Whether a polygon keeps `space` to all metal of other nets, and unless of a tie `edge` to the outline."""
        polygon = shapely.Polygon(points)
        x0, y0, x1, y1 = polygon.bounds
        keep = 0 if tie else self.edge
        left, bottom, right, top = self.outline
        if x0 < left + keep or y0 < bottom + keep or x1 > right - keep or y1 > top - keep:
            return False
        near = self._tree.query(polygon, predicate="dwithin", distance=self.space)
        if any(self._nets[i] != net for i in near.tolist()):
            return False
        d = self.space
        return not any(
            other != net
            and b[0] <= x1 + d
            and b[2] >= x0 - d
            and b[1] <= y1 + d
            and b[3] >= y0 - d
            and polygon.distance(shape) <= d
            for other, shape, b in self._added
        )


def _kdb(points: IntPoints) -> kdb.Polygon:
    return kdb.Polygon([kdb.Point(x, y) for x, y in points.tolist()])


def _points(polygon: kdb.Polygon) -> IntPoints:
    return np.array([(p.x, p.y) for p in polygon.each_point_hull()], dtype=np.int64)


def _cleaned(points: IntPoints) -> list[IntPoints]:
    """A polygon without self-overlaps or holes, in parts if need be."""
    merged = kdb.Region(_kdb(points)).merged(False, 0)
    return [_points(p.resolved_holes()) for p in merged.each()]
