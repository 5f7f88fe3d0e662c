"""Routing cases and the gate: KLayout, flat, on the union of wires, teardrops, fillings and terminals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import numpy as np
import pytest
import shapely

from layoutgen.route import NetMetal, Obstacle, RoutePlan, RouteProblem, Terminal, box

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
EUCLID = kdb.Region.Euclidian


def dbu(value: float) -> int:
    return round(value * 1000)


def region(polygons: list[np.ndarray]) -> kdb.Region:
    return kdb.Region([kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in p]) for p in polygons])


def rectangle(x0: float, y0: float, x1: float, y1: float) -> kdb.Region:
    return kdb.Region(kdb.Box(dbu(x0), dbu(y0), dbu(x1), dbu(y1)))


def terminal_polygon(t: Terminal) -> kdb.Polygon:
    if not t.round:
        return kdb.Polygon(kdb.Box(dbu(t.x - t.half_x), dbu(t.y - t.half_y), dbu(t.x + t.half_x), dbu(t.y + t.half_y)))
    angles = [2 * math.pi * (k + 0.5) / 64 for k in range(64)]
    return kdb.Polygon(
        [kdb.Point(dbu(t.x + t.half_x * math.cos(a)), dbu(t.y + t.half_x * math.sin(a))) for a in angles]
    )


def findings(problem: RouteProblem, plan: RoutePlan, metal: dict[str, NetMetal]) -> dict[str, int]:
    """Count of each kind of finding that is not zero; rules at exactly width and space, without tolerance."""
    everything = kdb.Region()
    pieces = opens = 0
    for net in dict.fromkeys(t.net for t in problem.terminals):
        own = kdb.Region([terminal_polygon(t) for t in problem.terminals if t.net == net])
        drawn = metal.get(net, NetMetal())
        own += region(drawn.metal + drawn.tie)
        own.merge()
        missing = sum(1 for u in plan.unrouted if u.net == net and u.end)
        opens += own.count() != 1 + missing
        pieces += own.count()
        everything += own
    union = everything.merged()
    width, space = dbu(problem.width), dbu(problem.space)
    wires = region([p for m in metal.values() for p in m.metal])
    ties = region([p for m in metal.values() for p in m.tie])
    obstacles = kdb.Region()
    for o in problem.obstacles:
        obstacles.insert(kdb.Polygon([kdb.Point(dbu(x), dbu(y)) for x, y in o.points]))
    die = rectangle(*problem.bounds)
    lines = [shapely.LineString(w.points) for w in plan.wires]
    counts = {
        "width": union.width_check(width, False, EUCLID, 80).count(),
        "space": union.isolated_check(space, False, EUCLID).count(),
        "notch": union.notch_check(space, False, EUCLID, 80).count(),
        "shorts": pieces - union.count(),
        "opens": opens,
        "obstacle": (wires + ties).merged().separation_check(obstacles.merged(), space, False, EUCLID).count()
        + ((wires + ties) & obstacles).count(),
        "edge": (wires - die.sized(-dbu(problem.edge))).count() + (ties - die).count(),
        "not simple": sum(not shapely.Polygon(p).is_valid for m in metal.values() for p in m.metal + m.tie),
        "crossing": sum(
            lines[i].intersects(lines[j])
            for i in range(len(lines))
            for j in range(i)
            if plan.wires[i].net != plan.wires[j].net
        ),
        "too near": _too_near(plan, problem, lines),
    }
    return {kind: n for kind, n in counts.items() if n}


def _too_near(plan: RoutePlan, problem: RouteProblem, lines: list[shapely.LineString]) -> int:
    """Second witness: centre lines of different nets nearer than width + space."""
    if not lines:
        return 0
    tree = shapely.STRtree(lines)
    pairs = tree.query(lines, predicate="dwithin", distance=dbu(problem.width + problem.space) - 1).T.tolist()
    return sum(plan.wires[a].net != plan.wires[b].net for a, b in pairs) // 2


@pytest.fixture(scope="session")
def gate() -> Callable[[RouteProblem, RoutePlan, dict[str, NetMetal]], dict[str, int]]:
    return findings


@pytest.fixture(scope="session")
def caravel() -> Callable[..., RouteProblem]:
    """The chip that a person routed: 63 pads, 60 balls, 57 nets."""
    path = DATA / "routing" / "caravel_sky130" / "input.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    chip = json.loads(path.read_text(encoding="utf-8"))

    def make(
        width: float = 30.0,
        space: float = 20.0,
        *,
        ties: bool = True,
        ball: float = 270.0,
        obstacles: tuple[Obstacle, ...] = (),
    ) -> RouteProblem:
        terminals = []
        for net in chip["nets"]:
            terminals += [Terminal(n, net["net"], x, y, 30.0, 30.0, False) for n, (x, y) in net["pads"].items()]
            terminals += [Terminal(n, net["net"], x, y, ball / 2, ball / 2, True) for n, (x, y) in net["balls"].items()]
        return RouteProblem(box(*map(float, chip["chip"])), tuple(terminals), obstacles, width, space, 15.0, ties)

    return make


@pytest.fixture(scope="session")
def grid_chip() -> Callable[[bool], RouteProblem]:
    """6 x 6 balls at 400 um and 36 pads along the edge, joined in the order of their angle about the centre."""

    def make(ties: bool) -> RouteProblem:
        side, n = 2800.0, 36
        balls = [(side / 2 + (i - 2.5) * 400, side / 2 + (j - 2.5) * 400) for i in range(6) for j in range(6)]
        pads = []
        for q in (side / 2 + (k - 4) * 280 for k in range(9)):
            pads += [(q, 75.0), (q, side - 75), (75.0, q), (side - 75, q)]

        def angle(p: tuple[float, float]) -> tuple[float, tuple[float, float]]:
            return math.atan2(p[1] - side / 2, p[0] - side / 2), p

        pads.sort(key=angle)
        balls.sort(key=angle)
        terminals = [Terminal(f"P{k}", f"n{k}", *pads[k], 30.0, 30.0, False) for k in range(n)]
        terminals += [Terminal(f"B{k}", f"n{k}", *balls[k], 117.5, 117.5, True) for k in range(n)]
        return RouteProblem(box(0.0, 0.0, side, side), tuple(terminals), (), 20.0, 15.0, 15.0, ties)

    return make
