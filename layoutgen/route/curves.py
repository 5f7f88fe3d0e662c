"""Curved wires: the bends of a rubber band become arcs, drawn as fine polylines.

A rubber band turns about a feature on the corners of a 16-gon that stands around the feature's clearance circle. A
fillet that reaches from the middle of one side of it to the middle of the next is that circle itself: chains of corners
become one smooth arc about the feature, and wires side by side become concentric ones. Elsewhere the fillet is tangent
to both segments and is made as large as all rules allow, up to a radius of 0.5 mm; where not even the least radius
fits, the corner stays.

Arcs are polygons around their circle, never inside of it, whose facets have the same directions everywhere: facets of
concentric arcs are parallel, and keep the distance of the arcs exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.beside import SLACK, Fixed, fixed, landings, rims
from layoutgen.route.problem import Point, RouteProblem, Wire
from layoutgen.units import dbu

SAGITTA = 5.0
"""Largest distance in dbu between an arc and its facets."""
LARGEST = 500_000.0
"""Largest radius of a fillet in dbu: beyond, it looks no rounder and needs more facets."""
_SECTOR = math.pi / 8
"""A turn of the rubber band; facets divide it evenly."""
_SHARPEST = math.radians(150)
"""Turns above this one stay: they are not the rubber band's."""
_SLIVER = 0.3
"""Facets that turn by less of a step than this from the segment beside them are left out."""
_ROUNDING = 1.5
"""How far (dbu) the corners of two shapes on the grid may together stand out over those that are measured."""
_ROUNDS = 40
"""After so many, fillets that still conflict are left out."""

Array = npt.NDArray[np.float64]
Place = tuple[float, float]


@dataclass
class _Bend:
    """A corner that can be rounded: its index in the wire, turn (rad, left positive), and distance to the tangents."""

    at: int
    turn: float
    setback: float

    @property
    def radius(self) -> float:
        return self.setback / math.tan(abs(self.turn) / 2)

    @property
    def depth(self) -> float:
        """Distance from the corner to the arc."""
        return self.setback * math.tan(abs(self.turn) / 4)


@dataclass(frozen=True, slots=True)
class _Rule:
    """What holds for the wires of a net, in dbu: width, drawn width, space, and the least radius of an arc."""

    width: int
    drawn: int
    space: int

    @property
    def least(self) -> float:
        return (self.width + min(self.width, self.space)) / 2


@dataclass
class _Shape:
    """A wire as it stands: its points, and its metal in parts, each with the bend it belongs to (None: straight)."""

    points: tuple[Point, ...] = ()
    parts: list[tuple[shapely.Geometry, _Bend | None]] = field(default_factory=list)


def curve(problem: RouteProblem, wires: Sequence[Wire]) -> tuple[Wire, ...]:
    """The same wires with arcs in place of bends.

    Unchanged stay: ends, points where other wires of the net end (with half a width to both sides), the part of a tie
    within `edge` of the outline, bends of less than a facet, and those where an arc of the least radius breaks a rule.
    The least radius is width / 2 + min(width, space) / 2, so that the inner rim is round as well.
    """
    marks = landings(wires)
    rules = {net: _rule(problem, net) for net in dict.fromkeys(w.net for w in wires)}
    edge = dbu(problem.edge)
    bends = [_bends(w, rules[w.net], edge, marks[i]) for i, w in enumerate(wires)]
    largest = max((b.radius for own in bends for b in own), default=0.0)
    if largest == 0.0:
        return tuple(wires)
    step = facet(largest)
    bends = [[b for b in own if abs(b.turn) >= step] for own in bends]
    shapes = [_shape(w, rules[w.net], own, step) for w, own in zip(wires, bends, strict=True)]
    things = fixed(problem)
    outline = shapely.LinearRing([(dbu(x), dbu(y)) for x, y in problem.outline])
    changed = [i for i, own in enumerate(bends) if own]
    for turn in range(_ROUNDS + max(map(len, bends))):
        short = _shortages(wires, rules, shapes, things, outline, edge, changed)
        if not short:
            break
        for wire, bend, missing in short:
            _shrink(bend, missing if turn < _ROUNDS else math.inf, rules[wires[wire].net].least)
        changed = sorted({wire for wire, _, _ in short})
        for i in changed:
            bends[i] = [b for b in bends[i] if b.setback > 0]
            shapes[i] = _shape(wires[i], rules[wires[i].net], bends[i], step)
    return tuple(replace(w, points=s.points) if own else w for w, s, own in zip(wires, shapes, bends, strict=True))


def facet(radius: float) -> float:
    """The angle (rad) of facets that stay within `SAGITTA` of arcs up to a radius: 22.5 degrees halved some times.

    Facets of smaller arcs turn by more: shorter ones than some 100 nm would lose their direction on the grid.
    """
    return _SECTOR / 2.0 ** math.ceil(math.log2(max(1.0, _SECTOR / (2 * math.acos(1 / (1 + SAGITTA / radius))))))


def arc(before: Place, corner: Place, after: Place, setback: float, step: float, zero: float = 0.0) -> Array:
    """Points (n, 2) in place of a corner: a polygon around the arc tangent to both segments `setback` off the corner.

    Its facets have the directions zero + k * step (rad); the first and the last point lie on the segments.
    """
    start = math.atan2(corner[1] - before[1], corner[0] - before[0])
    turn = _turn(before, corner, after)
    sense = math.copysign(1.0, turn)
    first, last = sense * (start - zero) / step, sense * (start + turn - zero) / step
    inner = np.arange(math.floor(first + _SLIVER) + 1, math.ceil(last - _SLIVER))
    angles = np.concatenate([[start], zero + sense * inner * step, [start + turn]])
    radius = setback / math.tan(abs(turn) / 2)
    middle, half = (angles[1:] + angles[:-1]) / 2, np.diff(angles) / 2
    reach = sense * radius / np.cos(half)
    cx = corner[0] - setback * math.cos(start) - sense * radius * math.sin(start)
    cy = corner[1] - setback * math.sin(start) + sense * radius * math.cos(start)
    return np.column_stack([cx + reach * np.sin(middle), cy - reach * np.cos(middle)])


def _turn(a: Place, b: Place, c: Place) -> float:
    ux, uy, vx, vy = b[0] - a[0], b[1] - a[1], c[0] - b[0], c[1] - b[1]
    return math.atan2(ux * vy - uy * vx, ux * vx + uy * vy)


def _rule(problem: RouteProblem, net: str) -> _Rule:
    width = problem.width_of(net)
    return _Rule(dbu(width), dbu(width + problem.guard), dbu(problem.space_of(net)))


def _bends(wire: Wire, rule: _Rule, edge: int, marks: list[Point]) -> list[_Bend]:
    """The corners of a wire with the largest fillets that leave half of each segment to the next corner."""
    points = wire.points
    out = []
    for i in range(1, len(points) - 1):
        turn = _turn(*points[i - 1 : i + 2])
        if turn == 0 or abs(turn) > _SHARPEST:
            continue
        room = min(_reach(wire, rule, edge, i, towards, marks) for towards in (i - 1, i + 1))
        bend = _Bend(i, turn, min(room, LARGEST * math.tan(abs(turn) / 2)))
        if bend.radius >= rule.least:
            out.append(bend)
    return out


def _reach(wire: Wire, rule: _Rule, edge: int, corner: int, towards: int, marks: list[Point]) -> float:
    """How much of a segment a fillet may take, seen from the corner at its one end."""
    (cx, cy), (x, y) = wire.points[corner], wire.points[towards]
    length = math.hypot(x - cx, y - cy)
    reach = length / 2
    if wire.tie and towards == len(wire.points) - 1:
        reach = length - max(edge, rule.drawn)
    for px, py in marks:
        along = ((px - cx) * (x - cx) + (py - cy) * (y - cy)) / length
        across = ((px - cx) * (y - cy) - (py - cy) * (x - cx)) / length
        if abs(across) <= 3 and -3 <= along <= length + 3:
            reach = min(reach, along - rule.width / 2)
    return max(0.0, reach)


def _shrink(bend: _Bend, missing: float, least: float) -> None:
    """Draw an arc back towards its corner by what it is too near, or give it up."""
    depth = min(bend.depth - missing - 1, 0.98 * bend.depth)
    bend.setback = max(0.0, depth / math.tan(abs(bend.turn) / 4))
    if bend.radius < least:
        bend.setback = 0.0


def _shape(wire: Wire, rule: _Rule, bends: list[_Bend], step: float) -> _Shape:
    """A wire with its arcs, on the grid."""
    parts: list[tuple[_Bend, int, int]] = []
    if not bends:
        points = np.array(wire.points, dtype=np.float64)
    else:
        pieces: list[Array] = []
        done = size = 0
        for bend in bends:
            pieces.append(np.array(wire.points[done : bend.at], dtype=np.float64).reshape(-1, 2))
            size += len(pieces[-1])
            before, corner, after = wire.points[bend.at - 1 : bend.at + 2]
            pieces.append(np.round(arc(before, corner, after, bend.setback, max(step, facet(bend.radius)))))
            parts.append((bend, size, size + len(pieces[-1]) - 1))
            size += len(pieces[-1])
            done = bend.at + 1
        points = np.vstack([*pieces, np.array(wire.points[done:], dtype=np.float64)])
    left, right = rims(points, rule.drawn)
    on_grid = [(int(x), int(y)) for x, y in points.tolist()]
    out = _Shape(tuple(p for i, p in enumerate(on_grid) if i == 0 or p != on_grid[i - 1]))
    ends = [0, *(n for _, first, last in parts for n in (first, last)), len(points) - 1]
    bent = [None, *(b for bend, _, _ in parts for b in (bend, None))]
    spans = zip(ends[:-1], ends[1:], bent, strict=True)
    out.parts += [(_part(left, right, first, last), bend) for first, last, bend in spans if last > first]
    return out


def _part(left: Array, right: Array, first: int, last: int) -> shapely.Geometry:
    return shapely.Polygon(np.vstack([left[first : last + 1], right[first : last + 1][::-1]]))


def _shortages(
    wires: Sequence[Wire],
    rules: Mapping[str, _Rule],
    shapes: list[_Shape],
    things: Fixed,
    outline: shapely.Geometry,
    edge: int,
    changed: list[int],
) -> list[tuple[int, _Bend, float]]:
    """Arcs that are too near to something on their inner side, with the wire and what they are too near by (dbu)."""
    names = [w.net for w in wires]
    parts = [(i, bend, polygon) for i, shape in enumerate(shapes) for polygon, bend in shape.parts]
    polygons = np.array([*(polygon for _, _, polygon in parts), *things.shapes], dtype=object)
    changing = set(changed)
    asked = [k for k, (i, _, _) in enumerate(parts) if i in changing]
    widest = max([*(rule.space for rule in rules.values()), *things.spaces])
    worst: dict[tuple[int, int], tuple[_Bend, float]] = {}

    def note(part: int, missing: float) -> None:
        wire, bend, _ = parts[part]
        if bend is not None and missing > worst.get((wire, bend.at), (bend, 0.0))[1]:
            worst[wire, bend.at] = (bend, missing)

    pairs = shapely.STRtree(polygons).query(polygons[asked], predicate="dwithin", distance=widest).T.tolist()
    for position, k in pairs:
        a = asked[position]
        wire, bend, polygon = parts[a]
        exact, radius = polygons[k], 0
        if k < len(parts):
            other, facing, _ = parts[k]
            if names[other] == names[wire] or wires[other].layer != wires[wire].layer or not (bend or facing):
                continue
            need = max(rules[names[wire]].space, rules[names[other]].space)
        else:
            thing, facing = k - len(parts), None
            if things.nets[thing] == names[wire] or things.layers[thing] not in (None, wires[wire].layer) or not bend:
                continue
            need = max(rules[names[wire]].space, things.spaces[thing])
            exact, radius = things.cores[thing], int(things.radii[thing])
        missing = radius + need + _ROUNDING - float(shapely.distance(polygon, exact))
        if missing > 0:
            inner = [p for p, q in ((a, k), (k, a)) if p < len(parts) and _faces(parts[p], polygons[q], wires)]
            for p in inner or [p for p in (a, k) if p < len(parts)]:
                note(p, missing)
    for a in asked:
        wire, bend, polygon = parts[a]
        if bend is not None:
            keep = 0 if wires[wire].tie else edge
            note(a, keep + (_ROUNDING if keep else -SLACK) - float(shapely.distance(polygon, outline)))
    return [(wire, bend, missing) for (wire, _), (bend, missing) in sorted(worst.items(), key=lambda w: w[0])]


def _faces(part: tuple[int, _Bend | None, shapely.Geometry], other: shapely.Geometry, wires: Sequence[Wire]) -> bool:
    """Whether something lies on the inner side of an arc, so that drawing the arc back helps."""
    wire, bend, polygon = part
    if bend is None:
        return False
    a, (x, y), c = wires[wire].points[bend.at - 1 : bend.at + 2]
    before, after = math.dist(a, (x, y)), math.dist((x, y), c)
    inward = ((a[0] - x) / before + (c[0] - x) / after, (a[1] - y) / before + (c[1] - y) / after)
    p, q = shapely.get_coordinates(shapely.shortest_line(polygon, other)).tolist()
    if p == q:
        return True
    return bool((q[0] - p[0]) * inward[0] + (q[1] - p[1]) * inward[1] > 0)
