"""Wires at multiples of 45 or of 90 degrees, from taut wires at any angle.

Every slanted segment becomes legs of two directions (see `stairs`), all at once legal and as short as can be. Then bends
are taken out: wherever two legs do in place of more, and nothing is in their way. Where wires were routed with
clearances of an octagon (a square), all of them can be converted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.bodies import bodies, solids
from layoutgen.route.legal import Surroundings, conflicts, leaves, owners, standing
from layoutgen.route.problem import Point, RouteProblem, Style, Via, Wire
from layoutgen.route.stairs import Segments, Solids, frame, uppermost
from layoutgen.route.tiles import collect, normals, sides_of
from layoutgen.units import DBU, Um, dbu

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
    drawn = _straightened(problem, drawn, lines, vias, style)
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
        points = [w.points[0]]
        at = list(dict.fromkeys(joints[w.net]))
        for a, b in pairwise(w.points):
            line = shapely.LineString([a, b])
            on = [p for p in at if p not in (a, b) and line.distance(shapely.Point(p)) <= _ON]
            points += [*sorted(on, key=lambda p: line.project(shapely.Point(p))), b]
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
    legs = [(i, a, b, wires[i].tie and k == len(lines[i]) - 2) for i in own for k, (a, b) in enumerate(pairwise(lines[i]))]
    if not legs:
        return [wires[i].points for i in own]
    of = [wires[i] for i, _, _, _ in legs]
    segments = Segments(
        np.array([(a, b) for _, a, b, _ in legs], dtype=np.int64),
        np.array([nets[w.net] for w in of]),
        np.array([dbu(w.width) / 2 for w in of]),
        np.array([float(dbu(problem.space_of(w.net, w.width))) for w in of]),
        np.array([kept for _, _, _, kept in legs]),
        np.array([w.tie for w in of]),
    )
    found: dict[int, list[Point]] = {i: [lines[i][0]] for i in own}
    for (i, _, _, _), way in zip(legs, uppermost(segments, _solids(problem, wires, nets, vias, layer, style)), strict=True):
        found[i] += way[1:]
    return [_simple(found[i]) for i in own]


def _solids(
    problem: RouteProblem, wires: Sequence[Wire], nets: dict[str, int], vias: Sequence[Via], layer: int, style: Style
) -> Solids:
    """Terminals, landings and obstacles of a layer, and the outline in pieces."""
    n = normals(style.sides)
    owner = owners(problem, wires)
    here = replace(problem, style=style)
    f = collect(here, layer)
    support, net, space, own = [], [], [], []
    at = (f.at @ n.T + f.support) / DBU
    names = [owner[t.name] for t in problem.terminals]
    for k in range(len(f)):
        if k < len(names) and problem.terminals[k].layer != layer:
            continue
        if f.kind[k] == 2:
            continue
        support.append(at[k])
        net.append(nets.get(names[k], -1) if k < len(names) else -1)
        asked = problem.space_of(names[k], 2 * min(problem.terminals[k].half_x, problem.terminals[k].half_y)) if k < len(names) else 0.0
        space.append(dbu(asked))
        own.append(math.nan)
    for v in vias:
        support.append((n @ (v.x, v.y) + problem.via / 2) / DBU)
        net.append(nets.get(v.net, -1))
        space.append(dbu(problem.space_of(v.net, problem.via)))
        own.append(math.nan)
    for start, direction, length in sides_of(problem.outline):
        count = 1 if style.sides * math.atan2(direction[1], direction[0]) / (2 * math.pi) % 1 < 1e-9 else max(1, math.ceil(length / problem.pitch))
        stops = start + np.outer(np.linspace(0, length, count + 1), direction)
        dots = stops @ n.T / DBU
        support += list(np.maximum(dots[:-1], dots[1:]))
        net += [-1] * count
        space += [0] * count
        own += [dbu(problem.edge)] * count
    return Solids(np.array(support), np.array(net), np.array(space, dtype=float), np.array(own, dtype=float))


# ---------------------------------------------------------------------- fewer bends


def _straightened(problem, drawn, lines, vias, style):
    """The wires with fewer bends."""
    drawn = list(drawn)
    owner = owners(problem, drawn)
    standings = [Surroundings(*standing(problem, z, owner, vias)) for z in range(problem.layers)]
    fixed = _fixed_points(drawn, lines)
    spaces = np.array([dbu(problem.space_of(w.net, w.width)) for w in drawn], dtype=float)
    nets = np.array([w.net for w in drawn], dtype=np.str_)
    shapes = _bodies(problem, drawn)
    asked = set(range(len(drawn)))
    for _ in range(_ROUNDS):
        moves = [(i, p) for i in sorted(asked) for p in _moves(drawn[i], fixed[i], style)]
        if not moves:
            break
        new = _bodies(problem, [replace(drawn[i], points=p) for i, p in moves])
        of = np.array([i for i, _ in moves])
        ok = ~leaves(problem, new, np.array([drawn[i].tie for i, _ in moves]))
        layers = np.array([drawn[i].layer for i in of.tolist()])
        everything = np.array([w.layer for w in drawn])
        clash = [np.empty(0, int)]
        for z in range(problem.layers):
            mine = np.flatnonzero(layers == z)
            ok[mine[standings[z].too_near(new[mine], spaces[of[mine]], nets[of[mine]])[0]]] = False
            others = np.flatnonzero(everything == z)
            around = Surroundings(shapes[others].tolist(), [0.0] * len(others), spaces[others].tolist(), nets[others].tolist())
            ok[mine[around.too_near(new[mine], spaces[of[mine]], nets[of[mine]])[0]]] = False
        best: dict[int, tuple[tuple[float, float], int]] = {}
        for m in np.flatnonzero(ok).tolist():
            i, p = moves[m]
            cost = (len(p), _length(p), m)
            best[i] = min(best.get(i, (cost, m)), (cost, m))
        if not best:
            break
        taken = []
        for i, (_, m) in sorted(best.items(), key=lambda item: (item[1][0][0] - len(drawn[item[0]].points), item[0])):
            near = [k for k in taken if nets[k] != nets[i] and drawn[k].layer == drawn[i].layer]
            if near and (shapely.distance(new[m], shapes[near]) < np.maximum(spaces[near], spaces[i])).any():
                continue
            drawn[i] = replace(drawn[i], points=moves[m][1])
            shapes[i] = new[m]
            taken.append(i)
        boxes = shapely.buffer(shapes[taken], 3 * spaces.max(), quad_segs=1)
        asked = set(taken) | set(best) | set(shapely.STRtree(shapes).query(boxes, predicate="intersects")[1].tolist())
    return drawn


def _bodies(problem: RouteProblem, wires: Sequence[Wire]) -> npt.NDArray[np.object_]:
    shapes = solids(bodies(wires, problem.guard))
    broken = np.flatnonzero(~shapely.is_valid(shapes))
    shapes[broken] = shapely.buffer(shapes[broken], 0)
    return shapes


def _fixed_points(drawn, lines) -> list[set[Point]]:
    """Per wire the points that must stay on it: joints, and the start of a tie's last leg."""
    joints: dict[str, set[Point]] = {}
    for w in drawn:
        joints.setdefault(w.net, set()).update((w.points[0], w.points[-1]))
    out = []
    for w, line in zip(drawn, lines, strict=True):
        own = {p for p in line[1:-1] if p in joints[w.net]}
        out.append(own | ({line[-2]} if w.tie else set()))
    return out


def _moves(wire: Wire, fixed: set[Point], style: Style) -> Iterator[tuple[Point, ...]]:
    """The wire with two legs in place of some, where that makes it simpler or shorter."""
    points = wire.points
    stops = [points[0], *(p for p in points[1:-1] if p in fixed), points[-1]]
    before = _length(points)
    last = len(points) - 1
    seen = set()
    for i in range(last):
        for j in range(i + 2, min(last, i + _WINDOW) + 1):
            if any(p in fixed for p in points[i + 1 : j]):
                break
            for way in ways(points[i], points[j], style):
                new = _simple([*points[:i], *way, *points[j + 1 :]], fixed)
                if new in seen or len(new) > len(points) or _sharp(new):
                    continue
                seen.add(new)
                length = _length(new)
                if length < before - _SAME or (length < before + _SAME and len(new) < len(points)):
                    yield new


def _length(points: Sequence[Point]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(points))


def _sharp(points: Sequence[Point]) -> bool:
    """Whether a bend is of more than 90 degrees."""
    steps = [(bx - ax, by - ay) for (ax, ay), (bx, by) in pairwise(points)]
    return any(ax * bx + ay * by < 0 for (ax, ay), (bx, by) in pairwise(steps))


def _simple(points: Sequence[Point], keep=()) -> tuple[Point, ...]:
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


# ---------------------------------------------------------------------- what is left over


def _legal(problem, wires, drawn, lines, vias, style) -> Styled:
    kept = {i: replace(w, points=_simple(w.points)) for i, w in enumerate(drawn)}
    failed = {}
    for i, w in list(kept.items()):
        if _sharp(w.points):
            failed[i] = f"no {style} way without a bend of more than 90 degrees"
            del kept[i]
    while True:
        numbers = sorted(kept)
        found = conflicts(problem, [kept[i] for i in numbers], vias)
        if not found:
            break
        c = found[0]
        failed[numbers[c.wire]] = f"no {style} way about {c.at}" + (f" {numbers[c.other]}" if c.other >= 0 else "")
        del kept[numbers[c.wire]]
    return Styled(kept, failed)
