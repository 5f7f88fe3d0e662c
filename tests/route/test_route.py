"""The router as a whole, on a chip that a person routed and on made-up ones; KLayout is the judge."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from layoutgen.errors import ParamError
from layoutgen.route import NetMetal, Obstacle, RoutePlan, RouteProblem, Terminal, box, draw, route

Gate = Callable[[RouteProblem, RoutePlan, dict[str, NetMetal]], dict[str, int]]
Make = Callable[..., RouteProblem]
HUMAN = 70967.6
"""Centre-line length in um that a person needed for Caravel."""


def small(*, width: float = 20.0, space: float = 20.0, ties: bool = False, channel: float = 80.0) -> RouteProblem:
    """Three nets that must pass between two blocks `channel` um apart."""
    ends = [
        Terminal(f"{side}{k}", f"n{k}", x, 300.0 + 100 * k, 25.0, 25.0, True)
        for k in range(3)
        for side, x in (("W", 100.0), ("E", 900.0))
    ]
    half = channel / 2
    blocks = (Obstacle.box(400.0, 16.0, 600.0, 400.0 - half), Obstacle.box(400.0, 400.0 + half, 600.0, 784.0))
    return RouteProblem(box(0.0, 0.0, 1000.0, 800.0), tuple(ends), blocks, width, space, 15.0, ties)


def check_ties(problem: RouteProblem, plan: RoutePlan) -> None:
    """Every tie ends on the outline, with a last leg at right angles to it."""
    x0, y0, x1, y1 = (round(c * 1000) for c in problem.bounds)
    for wire in plan.wires:
        if wire.tie:
            (ax, ay), (bx, by) = wire.points[-2:]
            assert wire.end == ""
            assert (bx in (x0, x1) and ay == by) or (by in (y0, y1) and ax == bx)


@pytest.mark.parametrize(
    ("width", "space", "ties", "ball"),
    [
        (30.0, 20.0, True, 270.0),
        (30.0, 20.0, False, 270.0),
        (10.0, 10.0, False, 270.0),
        (40.0, 10.0, True, 270.0),
        (30.0, 20.0, True, 100.0),
    ],
)
def test_caravel_is_routed_whole_clean_and_shorter_than_by_hand(
    caravel: Make, gate: Gate, width: float, space: float, ties: bool, ball: float
) -> None:
    problem = caravel(width, space, ties=ties, ball=ball)
    plan = route(problem)
    assert plan.complete
    assert sum(not w.tie for w in plan.wires) == 66
    assert sorted(w.net for w in plan.wires if w.tie) == sorted({t.net for t in problem.terminals} if ties else [])
    assert gate(problem, plan, draw(problem, plan)) == {}
    assert plan.length() < HUMAN
    assert sum(plan.net_lengths().values()) == pytest.approx(plan.length())
    check_ties(problem, plan)


def test_caravel_takes_seconds_not_minutes(caravel: Make) -> None:
    problem = caravel()
    start = time.process_time()
    draw(problem, route(problem))
    assert time.process_time() - start < 6.0  # 1.5 s on the machine it was written on


@pytest.mark.parametrize("ties", [False, True])
def test_generated_chip(grid_chip: Callable[[bool], RouteProblem], gate: Gate, ties: bool) -> None:
    problem = grid_chip(ties)
    plan = route(problem)
    assert plan.complete
    assert len(plan.wires) == (72 if ties else 36)
    assert gate(problem, plan, draw(problem, plan)) == {}
    check_ties(problem, plan)


def test_label_keep_out_is_respected_by_wires_and_ties(caravel: Make, gate: Gate) -> None:
    for corner in (Obstacle.box(30.0, 30.0, 330.0, 100.0), Obstacle.box(3258.0, 5088.0, 3558.0, 5158.0)):
        problem = caravel(obstacles=(corner,))
        plan = route(problem)
        assert plan.complete
        assert gate(problem, plan, draw(problem, plan)) == {}


def test_a_tie_goes_around_an_obstacle_at_the_outline(gate: Gate) -> None:
    pad = Terminal("P", "a", 400.0, 150.0, 30.0, 30.0, False)
    ball = Terminal("B", "a", 400.0, 400.0, 60.0, 60.0, True)
    label = Obstacle.box(250.0, 30.0, 550.0, 100.0)
    problem = RouteProblem(box(0.0, 0.0, 800.0, 1600.0), (pad, ball), (label,), 30.0, 20.0, 15.0, True)
    plan = route(problem)
    assert plan.complete
    assert gate(problem, plan, draw(problem, plan)) == {}


@pytest.mark.parametrize(("channel", "through"), [(140.1, 3), (139.0, 2), (100.1, 2), (99.0, 1), (60.1, 1), (59.0, 0)])
def test_a_channel_takes_what_fits_and_the_rest_is_listed(gate: Gate, channel: float, through: int) -> None:
    """n wires need n * width + (n + 1) * space, and a guard of some nm for each."""
    problem = small(channel=channel)
    plan = route(problem)
    assert len(plan.wires) == through
    assert len(plan.unrouted) == 3 - through
    assert gate(problem, plan, draw(problem, plan)) == {}
    for missing in plan.unrouted:
        assert missing.start
        assert missing.end
        assert missing.reason


@pytest.mark.parametrize("channel", [140.0, 100.0, 60.0])
def test_an_exact_fit_never_costs_a_rule(gate: Gate, channel: float) -> None:
    problem = small(channel=channel)
    plan = route(problem)
    assert len(plan.wires) + len(plan.unrouted) == 3
    assert gate(problem, plan, draw(problem, plan)) == {}


def test_the_reason_names_the_full_channel() -> None:
    plan = route(small(channel=80.0))
    assert all("holds 1, 3 want to cross" in missing.reason for missing in plan.unrouted)
    assert [(b.capacity, b.demand, b.nets) for b in plan.bottlenecks] == [(1, 3, ("n1", "n2"))]


def test_two_runs_agree(caravel: Make) -> None:
    problem = caravel()
    assert route(problem) == route(problem)


def test_hash_seeds_agree() -> None:
    program = (
        "from layoutgen.route import *\n"
        "ts = []\n"
        "for k in range(12):\n"
        "    ts.append(Terminal(f'P{k}', f'n{k}', 75.0, 150.0 + 150 * k, 30.0, 30.0, False))\n"
        "    ts.append(Terminal(f'B{k}', f'n{k}', 400.0 + 400 * (k % 3), 300.0 + 450 * (k // 3), 110.0, 110.0, True))\n"
        "p = RouteProblem(box(0.0, 0.0, 1500.0, 2000.0), tuple(ts), (), 20.0, 15.0, 15.0, True)\n"
        "plan = route(p)\n"
        "print(plan)\n"
        "print([(n, [a.tolist() for a in m.metal + m.tie]) for n, m in draw(p, plan).items()])\n"
    )
    root = Path(__file__).resolve().parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1


def test_a_net_of_many_terminals_becomes_one_piece(gate: Gate) -> None:
    at = [(200.0, 200.0), (800.0, 200.0), (200.0, 800.0), (800.0, 800.0), (500.0, 500.0)]
    terminals = [Terminal(f"a{k}", "a", x, y, 50.0, 50.0, k % 2 == 0) for k, (x, y) in enumerate(at)]
    terminals.append(Terminal("b0", "b", 350.0, 350.0, 30.0, 30.0, False))
    terminals.append(Terminal("b1", "b", 350.0, 650.0, 30.0, 30.0, False))
    problem = RouteProblem(box(0.0, 0.0, 1000.0, 1000.0), tuple(terminals), (), 20.0, 20.0, 15.0, True)
    plan = route(problem)
    assert plan.complete
    assert len(plan.wires) == 4 + 1 + 2
    assert gate(problem, plan, draw(problem, plan)) == {}


def test_nothing_to_do() -> None:
    problem = RouteProblem(box(0.0, 0.0, 100.0, 100.0), (), (), 10.0, 10.0, 5.0)
    plan = route(problem)
    assert plan.wires == ()
    assert draw(problem, plan) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0.0}, r"^route: width=0.0 um must be above 0$"),
        ({"guard": -1.0}, r"^route: guard=-1.0 um must not be negative$"),
        ({"outline": box(0.0, 0.0, 0.0, 9.0)}, r"^route: outline is no simple polygon with an area$"),
        ({"terminals": (Terminal("a", "n", 5.0, 500.0, 1.0, 1.0, True),)}, r"^route: a lies outside of the outline$"),
        (
            {"terminals": (Terminal("a", "n", 5.0, 5.0, 1.0, 2.0, True),)},
            r"^route: a is round with unequal halves$",
        ),
        (
            {"terminals": (Terminal("a", "n", 5.0, 5.0, 1.0, 1.0, True), Terminal("b", "m", 5.0, 5.0, 2.0, 2.0, True))},
            r"^route: b and a have the same centre$",
        ),
    ],
)
def test_problems_that_make_no_sense_are_refused(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {
        "outline": box(0.0, 0.0, 100.0, 100.0),
        "terminals": (),
        "obstacles": (),
        "width": 10.0,
        "space": 10.0,
        "edge": 5.0,
    }
    with pytest.raises(ParamError, match=message):
        RouteProblem(**{**good, **change})  # type: ignore[arg-type]
