"""Wires at multiples of 45 or of 90 degrees, from taut wires at any angle.

Every slanted segment becomes legs of two directions (see `stairs`), all at once legal and as short as can be. Then
bends are taken out: wherever two legs do in place of more, and nothing is in their way. Where wires were routed with
clearances of an octagon (a square), all of them can be converted.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.beside import free_ends
from layoutgen.route.bodies import bodies, solids
from layoutgen.route.features import OBSTACLE, collect, normals, sides_of
from layoutgen.route.legal import Conflict, Surroundings, conflicts, extent, leaves, owners, standing
from layoutgen.route.problem import Point, RouteProblem, Style, Via, Wire
from layoutgen.route.stairs import Segments, Solids, frame, uppermost
from layoutgen.units import DBU, dbu

_WINDOW = 7
"""Legs in a row that two may take the place of."""
_ROUNDS = 40
"""Rounds in which bends are taken out; all that is left to do is done in far fewer."""
_ON = 1.5
"""How far (dbu) a branch may end beside the centre line it joins."""
_SAME = 0.5
"""Lengths (dbu) that count as equal."""


@dataclass(frozen=True)
class Styled:
    """Converted wires, and why others could not be and where (dbu); all by their number among the wires given."""

    wires: dict[int, Wire]
    failed: dict[int, str]
    near: dict[int, Conflict] = field(default_factory=dict)


def octilinear(problem: RouteProblem, wires: Sequence[Wire], vias: Sequence[Via] = ()) -> Styled:
    """The wires with legs at multiples of 45 degrees only, exactly on the grid; none of them in conflict.

    Ends stay where they are, branches on their trunks, and a tie's last leg as it is. Wires may be longer than straight
    ones by 8.2 % at most.
    """
    return _convert(problem, wires, vias, Style.OCTILINEAR)


def manhattan(problem: RouteProblem, wires: Sequence[Wire], vias: Sequence[Via] = ()) -> Styled:
    """The same at multiples of 90 degrees."""
    return _convert(problem, wires, vias, Style.MANHATTAN)


def ways(a: Point, b: Point, style: Style) -> Iterator[tuple[Point, ...]]:
    """Shortest polylines from a to b with at most two legs in the directions of a style."""
    u, v, s, t = frame(b[0] - a[0], b[1] - a[1], style.sides)
    if s == 0 or t == 0:
        yield (a, b)
        return
    yield (a, (a[0] + s * u[0], a[1] + s * u[1]), b)
    yield (a, (a[0] + t * v[0], a[1] + t * v[1]), b)


def _convert(problem: RouteProblem, wires: Sequence[Wire], vias: Sequence[Via], style: Style) -> Styled:
    lines = _with_joints(wires, vias)
    drawn = list(wires)
    for layer in range(problem.layers):
        own = [i for i, w in enumerate(wires) if w.layer == layer]
        for i, points in zip(own, _hugging(problem, wires, lines, own, vias, layer, style), strict=True):
            drawn[i] = replace(wires[i], points=points)
    drawn = _straightened(problem, drawn, _fixed_points(wires, lines, vias), vias, style)
    drawn = [replace(w, points=_simple(w.points)) for w in drawn]
    return _legal(problem, wires, drawn, lines, vias, style)


def _with_joints(wires: Sequence[Wire], vias: Sequence[Via]) -> list[list[Point]]:
    """Points of all wires, with those where others of their net, or vias, join them."""
    joints: dict[str, list[Point]] = {}
    for w in wires:
        joints.setdefault(w.net, []).extend((w.points[0], w.points[-1]))
    for v in vias:
        joints.setdefault(v.net, []).append((dbu(v.x), dbu(v.y)))
    out = []
    for w in wires:
        at = np.array(sorted(set(joints[w.net]) - set(w.points)), dtype=float).reshape(-1, 2)
        points = [w.points[0]]
        for a, b in pairwise(w.points):
            if len(at):
                way, rel = np.subtract(b, a), at - a
                length = math.dist(a, b)
                along = rel @ way / length
                beside = np.abs(rel[:, 1] * way[0] - rel[:, 0] * way[1]) / length <= _ON
                on = np.flatnonzero(beside & (along >= 0) & (along <= length))
                points += [(int(x), int(y)) for x, y in at[on[np.argsort(along[on], kind="stable")]].tolist()]
            points.append(b)
        out.append([p for k, p in enumerate(points) if k == 0 or p != points[k - 1]])
    return out


# ---------------------------------------------------------------------- all at once


def _hugging(
    problem: RouteProblem,
    wires: Sequence[Wire],
    lines: Sequence[Sequence[Point]],
    own: Sequence[int],
    vias: Sequence[Via],
    layer: int,
    style: Style,
) -> list[tuple[Point, ...]]:
    """The uppermost ways of the wires of a layer."""
    nets = {net: n for n, net in enumerate(dict.fromkeys(w.net for w in wires))}
    legs = [
        (i, a, b, wires[i].tie and k == len(lines[i]) - 2) for i in own for k, (a, b) in enumerate(pairwise(lines[i]))
    ]
    if not legs:
        return [wires[i].points for i in own]
    of = [wires[i] for i, _, _, _ in legs]
    segments = Segments(
        np.array([(a, b) for _, a, b, _ in legs], dtype=np.int64),
        np.array([nets[w.net] for w in of]),
        np.array([dbu(w.width) / 2 for w in of]),
        np.array([float(dbu(problem.space_of(w.net, problem.drawn(w.width)))) for w in of]),
        np.array([kept for _, _, _, kept in legs]),
        np.array([w.tie for w in of]),
    )
    found: dict[int, list[Point]] = {i: [lines[i][0]] for i in own}
    around = _solids(problem, wires, nets, vias, layer, style)
    for (i, _, _, _), way in zip(legs, uppermost(segments, around), strict=True):
        found[i] += way[1:]
    return [_simple(found[i]) for i in own]


def _solids(
    problem: RouteProblem, wires: Sequence[Wire], nets: Mapping[str, int], vias: Sequence[Via], layer: int, style: Style
) -> Solids:
    """Terminals, landings and obstacles of a layer, and the outline; its slanted sides in pieces."""
    n = normals(style.sides)
    owner = owners(problem, wires)
    f = collect(replace(problem, style=style), layer)
    at = f.at @ n.T
    grown = (at + f.support[:, :: f.sides // len(n)]) / DBU
    stepped = [grown]
    if f.square:  # of a disc two rectangles, whose inner corners come as near as its rim
        inner = (at + math.sqrt(2) * f.support[:, 1::2] - f.support[:, ::2]) / DBU
        stepped = [np.where([[k % 2 == j for k in range(len(n))]], grown, inner) for j in range(2)]
    rows = [
        (shape[k], nets.get(owner[t.name], -1), problem.space_of(owner[t.name], extent(t)), math.nan)
        for k, t in enumerate(problem.terminals)
        if t.layer == layer
        for shape in (stepped if t.round and not t.polygon else [grown])
    ]
    rows += [(grown[k], -1, 0.0, math.nan) for k in range(len(f)) if f.kind[k] == OBSTACLE]
    for v in vias:
        space = problem.space_of(v.net, problem.via)
        rows.append(((n @ (v.x, v.y) + problem.via / 2) / DBU, nets.get(v.net, -1), space, math.nan))
    for start, direction, length in sides_of(problem.outline):
        along = float(np.abs(n @ direction).max()) > 1 - 1e-12
        stops = start + np.outer(
            np.linspace(0, length, 2 if along else math.ceil(length / problem.pitch) + 1), direction
        )
        dots = stops @ n.T / DBU
        rows += [(side, -1, 0.0, problem.edge) for side in np.maximum(dots[:-1], dots[1:])]
    support, net, space_, edge = zip(*rows, strict=True)
    return Solids(np.array(support), np.array(net), np.array(space_) / DBU, np.array(edge) / DBU)


# ---------------------------------------------------------------------- fewer bends


@dataclass(frozen=True, slots=True)
class _Move:
    """Points that take the place of those from number `first` to number `last` of a wire, and what that saves."""

    wire: int
    first: int
    last: int
    points: tuple[Point, ...]
    saved: int
    shorter: float
    freed: int
    """Bends that come out of the terminals at the wire's ends, where wires shall leave straight."""

    @property
    def gain(self) -> tuple[float, ...]:
        """The larger the better."""
        return self.saved, round(self.shorter), self.freed

    def applied(self, wire: Wire) -> Wire:
        """The wire as it is then."""
        return replace(wire, points=(*wire.points[: self.first], *self.points, *wire.points[self.last + 1 :]))


def _straightened(
    problem: RouteProblem, wires: Sequence[Wire], fixed: Sequence[set[Point]], vias: Sequence[Via], style: Style
) -> list[Wire]:
    """The wires with fewer bends: rounds of moves, the best of each wire, that do not touch each other."""
    drawn = list(wires)
    room = _Room(problem, drawn, vias)
    ends = _ends(problem, drawn)
    failed: set[_Move] = set()
    moved = set(range(len(drawn)))
    moves: dict[int, list[_Move]] = {}
    asked = moved
    for _ in range(_ROUNDS):
        moves |= {i: list(_moves(i, drawn[i].points, fixed[i], ends[i], style)) for i in sorted(moved)}
        open_moves = [m for i in sorted(asked) for m in moves[i] if m not in failed]
        clear = room.clear(drawn, open_moves)
        best: dict[int, _Move] = {}
        for m in (m for m, good in zip(open_moves, clear, strict=True) if good):
            if m.wire not in best or m.gain > best[m.wire].gain:
                best[m.wire] = m
        if not best:
            break
        order = sorted(best.values(), key=lambda m: (*(-g for g in m.gain), m.wire))
        legal = room.legal(drawn, order)
        failed |= {m for m, good in zip(order, legal, strict=True) if not good}
        taken = room.apart(drawn, [m for m, good in zip(order, legal, strict=True) if good])
        for m in taken:
            drawn[m.wire] = m.applied(drawn[m.wire])
        moved = {m.wire for m in taken}
        room.put(drawn, sorted(moved))
        asked = set(best) | room.around(sorted(moved))
    return drawn


class _Room:
    """What stands beside wires that are moved: asked first by centre lines, and then exactly."""

    def __init__(self, problem: RouteProblem, wires: Sequence[Wire], vias: Sequence[Via]) -> None:
        self._problem = problem
        owner = owners(problem, wires)
        self._layers = np.array([w.layer for w in wires])
        self._nets = np.array([w.net for w in wires], dtype=np.str_)
        self._spaces = np.array([dbu(problem.space_of(w.net, problem.drawn(w.width))) for w in wires], dtype=float)
        self._ties = np.array([w.tie for w in wires], dtype=bool)
        half = min((dbu(w.width) // 2 for w in wires), default=0)
        self._half = half
        stand = [standing(problem, z, owner, vias) for z in range(problem.layers)]
        self._fixed = [Surroundings(*s) for s in stand]
        self._lines = [Surroundings(s[0], [r + half for r in s[1]], *s[2:]) for s in stand]
        self._shapes = _bodies(problem, wires)

    def put(self, wires: Sequence[Wire], moved: Sequence[int]) -> None:
        """Wires have other bodies."""
        self._shapes[moved] = _bodies(self._problem, [wires[i] for i in moved])

    def around(self, moved: Sequence[int]) -> set[int]:
        """Wires near some."""
        reach = 3 * float(self._spaces.max(initial=0.0)) + 4 * self._half
        found = shapely.STRtree(self._shapes).query(shapely.box(*_grown(shapely.bounds(self._shapes[moved]), reach).T))
        return set(found[1].tolist())

    def clear(self, wires: Sequence[Wire], moves: Sequence[_Move]) -> npt.NDArray[np.bool_]:
        """Which moves are not hindered as far as centre lines tell."""
        out = np.ones(len(moves), dtype=bool)
        of = np.array([m.wire for m in moves], dtype=np.int64)
        if not moves:
            return out
        counts = np.array([len(m.points) for m in moves])
        points = np.concatenate([m.points for m in moves]).astype(float)
        lines = np.asarray(shapely.linestrings(points, indices=np.repeat(np.arange(len(moves)), counts)))
        corners = [np.array(w.points, dtype=float) for w in wires]
        for z in range(self._problem.layers):
            own, mine = np.flatnonzero(self._layers == z), np.flatnonzero(self._layers[of] == z)
            if not len(mine):
                continue
            ends = np.concatenate([np.stack([corners[i][:-1], corners[i][1:]], 1) for i in own])
            legs = np.asarray(shapely.linestrings(ends))
            of_leg = np.repeat(own, [len(corners[i]) - 1 for i in own])
            near = Surroundings(
                legs.tolist(),
                [2.0 * self._half] * len(legs),
                self._spaces[of_leg].tolist(),
                self._nets[of_leg].tolist(),
            )
            for around in (self._lines[z], near):
                left = mine[out[mine]]
                out[left[around.too_near(lines[left], self._spaces[of[left]], self._nets[of[left]])[0]]] = False
        return out

    def legal(self, wires: Sequence[Wire], moves: Sequence[_Move]) -> npt.NDArray[np.bool_]:
        """Which moves are legal."""
        of = np.array([m.wire for m in moves], dtype=np.int64)
        shapes = _bodies(self._problem, [_about(wires[m.wire], m) for m in moves])
        out = ~leaves(self._problem, shapes, self._ties[of])
        for z in range(self._problem.layers):
            own, mine = np.flatnonzero(self._layers == z), np.flatnonzero(self._layers[of] == z)
            none = [0.0] * len(own)
            others = Surroundings(
                self._shapes[own].tolist(), none, self._spaces[own].tolist(), self._nets[own].tolist()
            )
            for around in (self._fixed[z], others):
                left = mine[out[mine]]
                out[left[around.too_near(shapes[left], self._spaces[of[left]], self._nets[of[left]])[0]]] = False
        return out

    def apart(self, wires: Sequence[Wire], moves: Sequence[_Move]) -> list[_Move]:
        """Moves, the first ones first, that are not near to one already among them."""
        if not moves:
            return []
        of = [m.wire for m in moves]
        shapes = _bodies(self._problem, [_about(wires[m.wire], m) for m in moves])
        i, k = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=float(self._spaces.max()))
        rivals: dict[int, list[int]] = {}
        for a, b in zip(i.tolist(), k.tolist(), strict=True):
            if b < a and self._layers[of[a]] == self._layers[of[b]] and self._nets[of[a]] != self._nets[of[b]]:
                rivals.setdefault(a, []).append(b)
        taken: set[int] = set()
        for a in range(len(moves)):
            if taken.isdisjoint(rivals.get(a, ())):
                taken.add(a)
        return [moves[a] for a in sorted(taken)]


def _grown(bounds: npt.NDArray[np.float64], by: float) -> npt.NDArray[np.float64]:
    out: npt.NDArray[np.float64] = bounds + np.array([-by, -by, by, by])
    return out


def _about(wire: Wire, move: _Move) -> Wire:
    """The new part of a wire with some of its legs before and after, for the bends to be as they will be."""
    reach = 3 * dbu(wire.width)
    points = list(move.points)
    if move.first > 0:
        points.insert(0, _cut(points[0], wire.points[move.first - 1], reach))
    if move.last < len(wire.points) - 1:
        points.append(_cut(points[-1], wire.points[move.last + 1], reach))
    return replace(wire, points=tuple(points))


def _cut(a: Point, b: Point, reach: int) -> Point:
    """The end of a leg from a to b, of at most some length."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    steps = max(abs(dx), abs(dy))
    if steps <= reach or not (dx == 0 or dy == 0 or abs(dx) == abs(dy)):
        return b
    return a[0] + dx // steps * reach, a[1] + dy // steps * reach


def _bodies(problem: RouteProblem, wires: Sequence[Wire]) -> npt.NDArray[np.object_]:
    shapes = solids(bodies(wires, problem.guard))
    broken = np.flatnonzero(~shapely.is_valid(shapes))
    shapes[broken] = shapely.buffer(shapes[broken], 0)
    return shapes


def _fixed_points(wires: Sequence[Wire], lines: Sequence[Sequence[Point]], vias: Sequence[Via]) -> list[set[Point]]:
    """Per wire the points that must stay on it: joints, and the start of a tie's last leg."""
    joints: dict[str, set[Point]] = {}
    for v in vias:
        joints.setdefault(v.net, set()).add((dbu(v.x), dbu(v.y)))
    for w in wires:
        joints.setdefault(w.net, set()).update((w.points[0], w.points[-1]))
    out = []
    for w, line in zip(wires, lines, strict=True):
        own = {p for p in line[1:-1] if p in joints[w.net]}
        out.append(own | ({line[-2]} if w.tie else set()))
    return out


def _ends(problem: RouteProblem, wires: Sequence[Wire]) -> list[list[tuple[float, ...]]]:
    """Per wire the boxes (x0, y0, x1, y1) around its terminals, as much larger as the wire is wide, in dbu."""
    boxes = {t.name: (t.x - t.half_x, t.y - t.half_y, t.x + t.half_x, t.y + t.half_y) for t in problem.terminals}
    return [
        [tuple(_grown(np.array(boxes[name]), w.width) / DBU) for name in (w.start, w.end) if name in boxes]
        for w in wires
    ]


def _inside(points: Sequence[Point], boxes: Sequence[tuple[float, ...]]) -> int:
    """How many bends lie in boxes."""
    return sum(x0 <= x <= x1 and y0 <= y <= y1 for x, y in points[1:-1] for x0, y0, x1, y1 in boxes)


def _halved(a: Point, b: Point, style: Style) -> Iterator[tuple[Point, ...]]:
    """Shortest ways of three legs, the first and the last of them equally long."""
    u, v, s, t = frame(b[0] - a[0], b[1] - a[1], style.sides)
    for d, n in ((u, s), (v, t)):
        if n > 1 and s and t:
            one, rest = n // 2, n - n // 2
            yield a, (a[0] + one * d[0], a[1] + one * d[1]), (b[0] - rest * d[0], b[1] - rest * d[1]), b


def _moves(
    wire: int, points: Sequence[Point], fixed: set[Point], ends: Sequence[tuple[float, ...]], style: Style
) -> Iterator[_Move]:
    """Two legs in place of more, or three at the ends: fewer bends, or as many and a shorter or neater wire."""
    last = len(points) - 1
    for i in range(last):
        before = list(points[max(0, i - 1) : i])
        for j in range(i + 2, min(last, i + _WINDOW) + 1):
            if points[j - 1] in fixed:
                break
            after = list(points[j + 1 : j + 2])
            old = points[i : j + 1]
            length = _length(old)
            neater = _halved(points[i], points[j], style) if j > i + 2 and (i < 2 or j > last - 2) else ()
            buried = _inside([*before, *old, *after], ends)
            for way in (*ways(points[i], points[j], style), *neater):
                shorter = length - _length(way)
                new = _simple([*before, *way, *after], fixed)
                saved = len(before) + len(old) + len(after) - len(new)
                freed = buried - _inside(new, ends)
                better = saved or shorter > _SAME or freed > 0
                if shorter > -_SAME and saved >= 0 and better and not _sharp(new):
                    yield _Move(wire, i - len(before), j + len(after), new, saved, shorter, freed)


def _length(points: Sequence[Point]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(points))


def _sharp(points: Sequence[Point]) -> bool:
    """Whether a bend is of more than 90 degrees."""
    steps = [(bx - ax, by - ay) for (ax, ay), (bx, by) in pairwise(points)]
    return any(ax * bx + ay * by < 0 for (ax, ay), (bx, by) in pairwise(steps))


def _simple(points: Sequence[Point], keep: Collection[Point] = ()) -> tuple[Point, ...]:
    """Without repeated points and points on a straight line."""
    out: list[Point] = []
    for p in points:
        if out and out[-1] == p:
            continue
        while len(out) > 1 and out[-1] not in keep and _straight(out[-2], out[-1], p):
            out.pop()
        out.append(p)
    return tuple(out)


def _straight(a: Point, b: Point, c: Point) -> bool:
    ux, uy, vx, vy = b[0] - a[0], b[1] - a[1], c[0] - b[0], c[1] - b[1]
    return ux * vy == uy * vx and ux * vx + uy * vy > 0


# ---------------------------------------------------------------------- what failed


def _legal(
    problem: RouteProblem,
    wires: Sequence[Wire],
    drawn: Sequence[Wire],
    lines: Sequence[Sequence[Point]],
    vias: Sequence[Via],
    style: Style,
) -> Styled:
    """The wires without those that are in conflict, those in most conflicts first, and what ends on them."""
    kept = dict(enumerate(drawn))
    failed: dict[int, str] = {}
    near: dict[int, Conflict] = {}
    held = _held(wires, lines)

    def lose(i: int, why: str) -> None:
        ends = " to ".join("({:.1f}, {:.1f})".format(*(c * DBU for c in p)) for p in (lines[i][0], lines[i][-1]))
        failed[i] = f"no {style} way from {ends} um {why}"
        del kept[i]
        for branch, trunk in held:
            if trunk == i and branch in kept:
                lose(branch, "as the wire of its net that it ends on has none")

    for i, w in enumerate(drawn):
        if i in kept and _sharp(w.points):
            lose(i, "without a bend of more than 90 degrees")
    numbers = sorted(kept)
    found = conflicts(problem, [kept[i] for i in numbers], vias)
    while found:
        weight: dict[int, int] = {}
        for c in found:
            weight[c.wire] = weight.get(c.wire, 0) + (len(wires) if c.other < 0 else 1)
            if c.other >= 0:
                weight[c.other] = weight.get(c.other, 0) + 1
        worst = max(weight, key=lambda n: (weight[n], kept[numbers[n]].length, n))
        near[numbers[worst]] = next(c for c in found if worst in (c.wire, c.other))
        at = near[numbers[worst]].at
        lose(numbers[worst], "keeps clear of other metal about ({:.1f}, {:.1f}) um".format(*(c * DBU for c in at)))
        found = [c for c in found if all(n < 0 or numbers[n] in kept for n in (c.wire, c.other))]
    return Styled(kept, failed, near)


def _held(wires: Sequence[Wire], lines: Sequence[Sequence[Point]]) -> list[tuple[int, int]]:
    """Pairs (branch, trunk): wires that end on no terminal, and the wire of their net that holds that end."""
    out = []
    by_net: dict[str, list[int]] = {}
    for i, w in enumerate(wires):
        by_net.setdefault(w.net, []).append(i)
    for i, w in enumerate(wires):
        for point in free_ends(w):
            trunk = next((k for k in by_net[w.net] if k != i and point in lines[k][1:-1]), None)
            if trunk is not None:
                out.append((i, trunk))
    return out
