"""Routing cases and the gate: KLayout, flat, on the union of wires, teardrops, fillings and terminals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from route_check import check

from layoutgen.route import NetMetal, Obstacle, RoutePlan, RouteProblem, Terminal, box

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def findings(problem: RouteProblem, plan: RoutePlan, metal: dict[str, NetMetal]) -> dict[str, int]:
    """Count of each kind of finding that is not zero; rules at exactly width and space, without tolerance."""
    return check(problem, plan, metal).findings


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
