"""Routing cases that were drawn elsewhere, what their references drew, and lower bounds by straight lines.

Generated cases are those of tests/route/cases.py: there is one place for them.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely
from ortools.graph.python import linear_sum_assignment
from route_check import merged_length

from layoutgen.route import Obstacle, RouteProblem, Terminal, box
from layoutgen.route.problem import Ring
from layoutgen.units import DBU, Um

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data" / "routing"
CARAVEL_EDGE: Um = 15.0
_SPARSE = 1000
"""Above so many pads, matching looks at the nearest balls first,"""
_NEAR = 24
"""so many,"""
_ROWS = 256
"""and at so many pads at a time."""
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


def generated() -> ModuleType:
    """The module tests/route/cases.py."""
    folder = str(ROOT / "tests" / "route")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module("cases")


# ---------------------------------------------------------------------- drawn elsewhere


def caravel(space: Um, *, each_pad: bool = False, width: Um = 40.0) -> RouteProblem:
    """The chip that a person routed, with ties: one for each net, or for each pad."""
    chip = _read("caravel_sky130", "input")
    ball = chip["geometry"]["ball_rdl_diameter"] / 2
    terminals = []
    for net in chip["nets"]:
        terminals += [
            Terminal(n, net["net"], x, y, 30.0, 30.0, False, own_tie=each_pad) for n, (x, y) in net["pads"].items()
        ]
        terminals += [Terminal(n, net["net"], x, y, ball, ball, True) for n, (x, y) in net["balls"].items()]
    outline = box(*map(float, chip["chip"]))
    return RouteProblem(outline, tuple(terminals), (), width, space, CARAVEL_EDGE, ties=True)


def caravel_drawn() -> Um:
    """Centre-line length that the person drew."""
    return float(_read("caravel_sky130", "golden")["total_centreline_um"])


def openroad(case: str, *, ties: bool = False) -> RouteProblem:
    """One of OpenROAD's own cases.

    Each bump of a net that has pads takes one of these: a single pad is fixed, several are a group that is free. Every
    pad wants its tie. Pins narrower than a wire get its width, as the joint of both has to; obstacles leave out the
    pins they cover, as a pin's metal is there to be met. There is no rule for wires at the outline, so they keep the
    space they keep to all else.
    """
    chip = _read(case, "input")
    width, space = float(chip["rules"]["width_um"]), float(chip["rules"]["spacing_um"])
    terminals = []
    for net, ends in chip["nets"].items():
        group = net if ends["pads"] and (len(ends["bumps"]), len(ends["pads"])) != (1, 1) else ""
        terminals += [_pin(t, net, group, width, False) for t in ends["bumps"]]
        terminals += [_pin(t, "" if group else net, group, width, ties) for t in ends["pads"]]
    obstacles = [o for rect in chip["obstacles"] for o in _without(rect["rect"], terminals)]
    return RouteProblem(box(*chip["die"]), tuple(terminals), tuple(obstacles), width, space, space, ties=ties)


def openroad_drawn(case: str) -> Um:
    """What OpenROAD's router drew: area of the union of its segments over the rule's width."""
    width = float(_read(case, "input")["rules"]["width_um"])
    routes = _read(case, "golden")["routes"]
    return merged_length([(s["points"], s["width"]) for segments in routes.values() for s in segments], width)


def _pin(pin: dict[str, Any], net: str, group: str, width: Um, own_tie: bool) -> Terminal:
    x0, y0, x1, y1 = pin["rects"][0]
    ring: Ring = tuple((x, y) for x, y in pin.get("polygon", [])[:-1])
    half_x, half_y = ((x1 - x0) / 2, (y1 - y0) / 2) if ring else (max(x1 - x0, width) / 2, max(y1 - y0, width) / 2)
    return Terminal(
        pin["id"], net, (x0 + x1) / 2, (y0 + y1) / 2, half_x, half_y, False, group, polygon=ring, own_tie=own_tie
    )


def _without(rect: Sequence[Um], terminals: Sequence[Terminal]) -> list[Obstacle]:
    """What is left of a rectangle between the terminals on it."""
    pins = [shapely.box(t.x - t.half_x, t.y - t.half_y, t.x + t.half_x, t.y + t.half_y) for t in terminals]
    x0, y0, x1, y1 = rect
    left = shapely.difference(shapely.box(x0, y0, x1, y1), shapely.union_all(pins))
    parts = [p for p in shapely.get_parts(left).tolist() if isinstance(p, shapely.Polygon) and p.area > 0]
    return [Obstacle(tuple((x, y) for x, y in p.exterior.coords[:-1])) for p in parts]


def _read(case: str, what: str) -> Any:
    return json.loads((DATA / case / f"{what}.json").read_text(encoding="utf-8"))


# ---------------------------------------------------------------------- straight lines


def air(problem: RouteProblem) -> Um:
    """A lower bound or near it: minimum spanning trees of fixed nets, and the best matching where terminals are free.

    Sum of both, where terminals ask for one of their group. (Steiner trees may be shorter than spanning trees.)
    """
    fixed: dict[str, list[tuple[Um, Um]]] = {}
    asking: dict[str, list[tuple[Um, Um]]] = {}
    free: dict[str, list[tuple[Um, Um]]] = {}
    for t in problem.terminals:
        if not t.group:
            fixed.setdefault(t.net, []).append((t.x, t.y))
        else:
            (asking if t.net else free).setdefault(t.group, []).append((t.x, t.y))
    total = sum(map(spanning_tree, fixed.values()))
    for group, points in asking.items():
        total += matching(np.array(points), np.array(free[group]))[1]
    return total


def spanning_tree(points: Sequence[tuple[Um, Um]]) -> Um:
    """Length of the Euclidean minimum spanning tree."""
    left, reach = list(points[1:]), [math.dist(points[0], p) for p in points[1:]]
    total = 0.0
    while left:
        k = min(range(len(left)), key=reach.__getitem__)
        total += reach.pop(k)
        here = left.pop(k)
        reach = [min(r, math.dist(here, p)) for r, p in zip(reach, left, strict=True)]
    return total


def matching(pads: Floats, balls: Floats) -> tuple[list[tuple[int, int]], Um]:
    """Pairs (pad, ball) of least total straight length, as many as there are of the fewer, and that length.

    Large problems are solved over the nearest balls first; pairs that the dual prices show to be missing are added
    until there are none, which proves that no other matching is shorter (to 1 nm a pair).
    """
    if len(pads) > len(balls):
        pairs, length = matching(balls, pads)
        return sorted((p, b) for b, p in pairs), length
    n, m = len(pads), len(balls)
    dense = m <= _SPARSE or n < m
    arcs = np.arange(m * m) if dense else _nearest(pads, balls, _NEAR)
    while True:
        tails, heads = arcs // m, arcs % m
        real = tails < n  # pads that are not there take what is left, at no cost
        cost = np.zeros(len(arcs), np.int64)
        cost[real] = _nanometres(pads[tails[real]], balls[heads[real]])
        solver = linear_sum_assignment.SimpleLinearSumAssignment()
        solver.add_arcs_with_cost(tails, heads, cost)
        if solver.solve() != solver.OPTIMAL:
            if len(arcs) == m * m:
                raise ValueError("no matching of pads and balls")
            arcs = np.arange(m * m)
            continue
        ball = np.array([solver.right_mate(i) for i in range(n)])
        missing = arcs[:0] if dense else _missing(pads, balls, ball, tails, heads, cost)
        if not len(missing):
            return list(enumerate(ball.tolist())), float(np.hypot(*(pads - balls[ball]).T).sum())
        arcs = np.union1d(arcs, missing)


def _nanometres(a: Floats, b: Floats) -> Ints:
    return np.rint(np.hypot(a[..., 0] - b[..., 0], a[..., 1] - b[..., 1]) / DBU).astype(np.int64)


def _nearest(pads: Floats, balls: Floats, near: int) -> Ints:
    """Pairs, as pad * balls + ball, that are among the nearest of one of them, sorted."""
    codes = []
    for own, other, row, column in ((pads, balls, len(balls), 1), (balls, pads, 1, len(balls))):
        for start in range(0, len(own), _ROWS):
            far = _nanometres(own[start : start + _ROWS, None], other[None])
            best = np.argpartition(far, near - 1, axis=1)[:, :near]
            codes.append((np.arange(start, start + len(best))[:, None] * row + best * column).ravel())
    return np.unique(np.concatenate(codes))


def _missing(pads: Floats, balls: Floats, ball: Ints, tails: Ints, heads: Ints, cost: Ints) -> Ints:
    """Pairs that would pay against the dual prices of a matching of as many pads as balls, as pad * balls + ball."""
    pad = np.argsort(ball)
    matched = _nanometres(pads, balls[ball])
    step = cost - matched[pad[heads]]
    starts = np.searchsorted(tails, np.arange(len(pads)))
    price = np.zeros(len(pads), np.int64)
    while True:  # shortest paths over exchanges; an optimum has no negative cycle
        fresh = np.minimum.reduceat(price[pad[heads]] + step, starts)
        if np.array_equal(fresh, price):
            break
        price = np.minimum(fresh, price)
    found = []
    for start in range(0, len(pads), _ROWS):
        far = _nanometres(pads[start : start + _ROWS, None], balls[None])
        spare = far - price[start : start + _ROWS, None] - (matched - price)[pad][None]
        row, column = np.nonzero(spare < 0)
        found.append((row + start) * len(balls) + column)
    return np.concatenate(found)
