"""Wires at multiples of 45 or of 90 degrees, from taut wires at any angle.

A slanted segment between two bends becomes two or three legs, or a staircase of the same two directions; all of these
are equally long. Which one is chosen, for all segments at once, is a constraint problem: no two chosen ways may come
too near to each other, no bend may be sharper than 90 degrees, and there shall be few legs. Where wires were routed
with clearances of an octagon (a square), neighbours in a bundle keep their distance if they choose the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely
from ortools.sat.python import cp_model

from layoutgen.route.legal import Conflict, Surroundings, conflicts, leaves, owners, standing
from layoutgen.route.problem import Point, RouteProblem, Style, Via, Wire
from layoutgen.units import DBU, Um, dbu

_COARSE, _FINE = (1, 2), (1, 2, 3, 4, 6, 8, 12, 16, 24)
"""Steps of staircases: tried first, and where that does not do."""
_MENDS = 6
"""Times that wires which conflict only as a whole (at the corners of their bends) are converted anew."""
_LOST, _LEG, _BEND = 4000, 8, 4
"""Costs of a wire that cannot be converted, of a leg, and of a bend between segments; 1: see `_habit`."""
_ROUNDS = 3
"""Times that wires which could not be converted, and those beside them, get finer staircases to choose from."""
_GAP = 0.01
"""How far a solution's cost may be above the best."""
_EFFORT = 1.0
"""Limit of the solver, in its own deterministic seconds, and that for each segment."""
_EFFORT_EACH = 0.01
_ON = 1.5
"""How far (dbu) a branch may end beside the centre line it joins."""


@dataclass(frozen=True)
class Styled:
    """Converted wires, and why others could not be; both by their number among the wires given."""

    wires: dict[int, Wire]
    failed: dict[int, str]


def octilinear(problem: RouteProblem, wires: Sequence[Wire], vias: Sequence[Via] = ()) -> Styled:
    """The wires with legs at multiples of 45 degrees only, exactly on the grid; none of them in conflict.

    Ends stay where they are, branches on their trunks, and a tie's last leg as it is. Wires may be longer than straight
    ones by 8.2 % at most.
    """
    return _convert(problem, wires, vias, Style.OCTILINEAR)


def manhattan(problem: RouteProblem, wires: Sequence[Wire], vias: Sequence[Via] = ()) -> Styled:
    """The same at multiples of 90 degrees."""
    return _convert(problem, wires, vias, Style.MANHATTAN)


def ways(a: Point, b: Point, style: Style, steps: Sequence[int] = _COARSE) -> Iterator[tuple[Point, ...]]:
    """Shortest polylines from a to b in the directions of a style, with few legs first."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    sx, sy = int(np.sign(dx)), int(np.sign(dy))
    if style == Style.MANHATTAN:
        one, two = ((sx, 0), abs(dx)), ((0, sy), abs(dy))
    else:
        diagonal = min(abs(dx), abs(dy))
        along = (sx, 0) if abs(dx) > abs(dy) else (0, sy)
        one, two = ((sx, sy), diagonal), (along, max(abs(dx), abs(dy)) - diagonal)
    if one[1] == 0 or two[1] == 0:
        yield (a, b)
        return
    for n in steps:
        if n > min(one[1], two[1]):
            return
        for first, second in ((one, two), (two, one)):
            yield _stairs(a, first, second, n, n)
        if n == 1 and min(one[1], two[1]) > 1:
            for first, second in ((one, two), (two, one)):
                yield _stairs(a, first, second, 2, 1)


def _stairs(a: Point, first: tuple[Point, int], second: tuple[Point, int], n: int, m: int) -> tuple[Point, ...]:
    """n legs along the first direction and m = n or n - 1 along the second, in turn, from a; lengths in grid steps."""
    (ux, uy), (vx, vy) = first[0], second[0]
    out = [a]
    for k in range(n):
        for (x, y), total, parts in (((ux, uy), first[1], n), ((vx, vy), second[1], m)):
            if k < parts:
                leg = total * (k + 1) // parts - total * k // parts
                out.append((out[-1][0] + x * leg, out[-1][1] + y * leg))
    return tuple(out)


# ---------------------------------------------------------------------- the constraint problem


@dataclass
class _Segment:
    """A segment of a wire and the ways that it may take; `numbers` are those of its ways among all."""

    wire: int
    ends: tuple[Point, Point]
    ways: list[tuple[Point, ...]]
    numbers: list[int] = field(default_factory=list)


@dataclass
class _Model:
    """All ways of all segments, and sets of ways that cannot be chosen together."""

    segments: list[_Segment]
    ways: list[tuple[int, tuple[Point, ...]]]
    banned: npt.NDArray[np.bool_]
    pairs: list[tuple[int, int]]
    sets: list[list[int]] = field(default_factory=list)


def _convert(problem: RouteProblem, wires: Sequence[Wire], vias: Sequence[Via], style: Style) -> Styled:
    lines = _with_joints(wires, vias)
    held = _held(wires, lines)
    fine: set[int] = set()
    for _ in range(_ROUNDS):
        model = _model(problem, wires, lines, vias, style, fine)
        picked = _solve(wires, model, held)
        lost = [i for i in range(len(wires)) if i not in picked]
        wider = set(lost) | {i for n in lost for i in _rivals(model, n)}
        if not lost or wider <= fine:
            break
        fine |= wider
    chosen = _mended(problem, wires, vias, model, held, picked)
    lost = [i for i in range(len(wires)) if i not in chosen]
    return Styled(chosen, {i: _reason(wires, model, held, i, lost, style) for i in lost})


def _with_joints(wires: Sequence[Wire], vias: Sequence[Via]) -> list[list[Point]]:
    """Points of all wires, with those where others of their net, or vias, join them."""
    joints: dict[str, list[Point]] = {}
    for w in wires:
        joints.setdefault(w.net, []).extend((w.points[0], w.points[-1]))
    for v in vias:
        joints.setdefault(v.net, []).append((dbu(v.x), dbu(v.y)))
    out = []
    for w in wires:
        points = [w.points[0]]
        at = list(dict.fromkeys(joints[w.net]))
        for a, b in pairwise(w.points):
            line = shapely.LineString([a, b])
            on = [p for p in at if p not in (a, b) and line.distance(shapely.Point(p)) <= _ON]
            points += [*sorted(on, key=lambda p: line.project(shapely.Point(p))), b]
        out.append([p for k, p in enumerate(points) if k == 0 or p != points[k - 1]])
    return out


def _held(wires: Sequence[Wire], lines: Sequence[Sequence[Point]]) -> list[tuple[int, int]]:
    """Pairs (branch, trunk): wires that end on no terminal, and the wire of their net that holds that end."""
    out = []
    for i, w in enumerate(wires):
        ends = [(w.start, w.points[0])] + ([] if w.tie else [(w.end, w.points[-1])])
        for point in (p for name, p in ends if not name):
            trunk = next(
                (k for k, t in enumerate(wires) if k != i and t.net == w.net and point in lines[k][1:-1]), None
            )
            if trunk is not None:
                out.append((i, trunk))
    return out


def _model(
    problem: RouteProblem,
    wires: Sequence[Wire],
    lines: Sequence[Sequence[Point]],
    vias: Sequence[Via],
    style: Style,
    fine: set[int],
) -> _Model:
    segments = []
    for i, line in enumerate(lines):
        steps = _FINE if i in fine else _COARSE
        legs = list(pairwise(line))
        for k, (a, b) in enumerate(legs):
            kept = wires[i].tie and k == len(legs) - 1
            segments.append(_Segment(i, (a, b), [(a, b)] if kept else list(ways(a, b, style, steps))))
    every: list[tuple[int, tuple[Point, ...]]] = []
    for n, s in enumerate(segments):
        s.numbers = list(range(len(every), len(every) + len(s.ways)))
        every += [(n, way) for way in s.ways]
    own = [wires[segments[n].wire] for n, _ in every]
    # nearly the bodies: what they are larger at bends and on diagonals is looked at when a solution stands
    halves = np.array([dbu(w.width) / 2 for w in own])
    shapes = shapely.buffer([shapely.LineString(w) for _, w in every], halves, cap_style="flat", join_style="mitre")
    spaces = np.array([dbu(problem.space_of(w.net, w.width)) for w in own], dtype=float)
    nets, layers = np.array([w.net for w in own], dtype=np.str_), np.array([w.layer for w in own])
    banned = leaves(problem, shapes, np.array([w.tie for w in own], dtype=bool))
    pairs: list[tuple[int, int]] = []
    owner = owners(problem, wires)
    for layer in range(problem.layers):
        here = np.flatnonzero(layers == layer)
        fixed = Surroundings(*standing(problem, layer, owner, vias))
        banned[here[fixed.too_near(shapes[here], spaces[here], nets[here])[0]]] = True
        free = here[~banned[here]]
        others = Surroundings(shapes[free].tolist(), [0.0] * len(free), spaces[free].tolist(), nets[free].tolist())
        one, two = others.too_near(shapes[free], spaces[free], nets[free])
        pairs += zip(free[one[one < two]].tolist(), free[two[one < two]].tolist(), strict=True)
    return _Model(segments, every, banned, pairs)


def _mended(
    problem: RouteProblem,
    wires: Sequence[Wire],
    vias: Sequence[Via],
    model: _Model,
    held: list[tuple[int, int]],
    picked: dict[int, list[int]],
) -> dict[int, Wire]:
    """The converted wires; what is in conflict as a whole is solved again, and lost in the end."""
    for again in range(_MENDS):
        if again:
            picked = _solve(wires, model, held)
        chosen = {i: _joined(wires[i], model, numbers) for i, numbers in picked.items()}
        numbers = sorted(chosen)
        found = conflicts(problem, [chosen[i] for i in numbers], vias)
        if not found:
            return chosen
        model.sets += [_set(model, picked, numbers, c) for c in found]
    while found:
        lost = {numbers[found[0].wire]}
        while more := {branch for branch, trunk in held if trunk in lost} - lost:
            lost |= more
        chosen = {i: w for i, w in chosen.items() if i not in lost}
        numbers = sorted(chosen)
        found = conflicts(problem, [chosen[i] for i in numbers], vias)
    return chosen


def _solve(wires: Sequence[Wire], model: _Model, held: list[tuple[int, int]]) -> dict[int, list[int]]:
    """The numbers of the ways chosen for each wire that is converted."""
    cp = cp_model.CpModel()
    lost = [cp.new_bool_var("") for _ in wires]
    take = [cp.new_bool_var("") for _ in model.ways]
    cost: list[cp_model.LinearExprT] = [_LOST * v for v in lost]
    for s in model.segments:
        cp.add(sum(take[n] for n in s.numbers) + lost[s.wire] == 1)
        cost += [(_LEG * (len(way) - 2) + _habit(way)) * take[n] for n, way in zip(s.numbers, s.ways, strict=True)]
    for n in np.flatnonzero(model.banned).tolist():
        cp.add(take[n] == 0)
    for a, b in model.pairs:
        cp.add_bool_or(~take[a], ~take[b])
    for numbers in model.sets:
        cp.add_bool_or(*(~take[n] for n in numbers))
    for branch, trunk in held:
        cp.add_implication(lost[trunk], lost[branch])
    for s, t in pairwise(model.segments):
        if s.wire == t.wire:
            cost += _bends(cp, s, t, take)
    cp.minimize(sum(cost))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.relative_gap_limit = _GAP
    solver.parameters.max_deterministic_time = _EFFORT + _EFFORT_EACH * len(model.segments)
    if solver.solve(cp) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return {}
    out: dict[int, list[int]] = {}
    for s in model.segments:
        out.setdefault(s.wire, []).extend(n for n in s.numbers if solver.boolean_value(take[n]))
    return {i: numbers for i, numbers in out.items() if not solver.boolean_value(lost[i])}


def _bends(cp: cp_model.CpModel, s: _Segment, t: _Segment, take: list[cp_model.IntVar]) -> list[cp_model.LinearExprT]:
    """Forbid bends of more than 90 degrees between two segments; a way that goes straight on saves one."""
    leaving: dict[Point, list[int]] = {}
    coming: dict[Point, list[int]] = {}
    for n, way in zip(s.numbers, s.ways, strict=True):
        leaving.setdefault(_direction(way[-2], way[-1]), []).append(n)
    for n, way in zip(t.numbers, t.ways, strict=True):
        coming.setdefault(_direction(way[0], way[1]), []).append(n)
    saved: list[cp_model.LinearExprT] = []
    for (ux, uy), before in leaving.items():
        for (vx, vy), after in coming.items():
            if ux * vx + uy * vy < 0:
                cp.add(sum(take[n] for n in before) + sum(take[n] for n in after) <= 1)
            elif (ux, uy) == (vx, vy):
                straight = cp.new_bool_var("")
                cp.add(straight <= sum(take[n] for n in before))
                cp.add(straight <= sum(take[n] for n in after))
                saved.append(-_BEND * straight)
    return saved


def _habit(way: Sequence[Point]) -> int:
    """0 for ways whose leg at their left end is diagonal or horizontal: neighbours choose alike where they can."""
    (ax, ay), (bx, by) = way[:2] if way[0] < way[-1] else way[-2:]
    diagonal = abs(ax - bx) == abs(ay - by)
    straight = all(0 in (x1 - x0, y1 - y0) for (x0, y0), (x1, y1) in pairwise(way))
    return int(ax == bx) if straight else int(not diagonal)


def _direction(a: Point, b: Point) -> Point:
    """Of a leg: reduced where it is a multiple of 45 degrees."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    if dx == 0 or dy == 0 or abs(dx) == abs(dy):
        return int(np.sign(dx)), int(np.sign(dy))
    return dx, dy


def _joined(wire: Wire, model: _Model, numbers: Sequence[int]) -> Wire:
    """A wire along its chosen ways, without points on a straight line."""
    points = [wire.points[0]]
    for n in numbers:
        points += model.ways[n][1][1:]
    out = points[:1]
    for k in range(1, len(points)):
        a, b = points[k - 1], points[k]
        if len(out) > 1 and _direction(out[-2], out[-1]) == _direction(a, b):
            out[-1] = b
        else:
            out.append(b)
    return replace(wire, points=tuple(out))


def _set(model: _Model, picked: dict[int, list[int]], numbers: list[int], conflict: Conflict) -> list[int]:
    """The ways about a conflict that only all together have it: the two nearest of each wire."""
    at = shapely.Point(conflict.at)
    out: list[int] = []
    for w in (conflict.wire, conflict.other):
        if w >= 0:
            own = picked[numbers[w]]
            apart = shapely.distance([shapely.LineString(model.ways[n][1]) for n in own], at)
            out += [own[k] for k in np.argsort(apart, kind="stable")[:2].tolist()]
    return out


# ---------------------------------------------------------------------- what failed


def _rivals(model: _Model, wire: int) -> list[int]:
    """Wires with a way that excludes one of a wire."""
    of = [model.segments[n].wire for n, _ in model.ways]
    pairs = {(of[a], of[b]) for a, b in model.pairs}
    sets = {(of[a], of[b]) for group in model.sets for a in group for b in group}
    return sorted({b if a == wire else a for a, b in pairs | sets if wire in (a, b)} - {wire})


def _reason(
    wires: Sequence[Wire], model: _Model, held: list[tuple[int, int]], wire: int, lost: list[int], style: Style
) -> str:
    for s in model.segments:
        if s.wire == wire and all(model.banned[n] for n in s.numbers):
            places = " to ".join("({:.1f}, {:.1f})".format(*_um(p)) for p in s.ends)
            return f"no {style} way from {places} um keeps clear of pads, balls, obstacles and the outline"
    trunk = next((t for b, t in held if b == wire and t in lost), None)
    if trunk is not None:
        return f"ends on a wire of its net that has no {style} way"
    nets = sorted({wires[i].net for i in _rivals(model, wire)})
    beside = f" beside {'those of ' if nets else ''}{', '.join(nets[:4])}" if nets else ""
    return f"no {style} way{beside} without a bend of more than 90 degrees"


def _um(p: Point) -> tuple[Um, Um]:
    return p[0] * DBU, p[1] * DBU
