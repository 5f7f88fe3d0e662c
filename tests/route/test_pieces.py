"""Nets that stay in several pieces: pieces keep the space between each other, and are one net in all that is told."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import klayout.db as kdb
import numpy as np
import pytest
from route_check import region_of, terminal_polygon

from layoutgen.route import Matched, NetRule, RouteProblem, Style, Terminal, box, draw, route
from layoutgen.route.pieces import net_of, plan_apart, told_apart

Gate = Callable[..., dict[str, int]]


def scattered(seed: int, nets: int, style: Style, *, ties: bool = False) -> RouteProblem:
    """Nets of four pads each: one has a ball of its own net, three ask for any of three balls."""
    rng = np.random.default_rng(seed)
    at: list[tuple[float, float]] = []
    while len(at) < 8 * nets:
        x, y = (float(c) for c in rng.integers(60, 940, 2))
        if all(math.hypot(x - px, y - py) > 90 for px, py in at):
            at.append((x, y))
    ends = []
    for k in range(4 * nets):
        net = f"n{k % nets}"
        group = net if k >= nets else ""
        ends.append(Terminal(f"p{k}", net, *at[2 * k], 20.0, 20.0, True, group=group))
        ends.append(Terminal(f"b{k}", "" if group else net, *at[2 * k + 1], 20.0, 20.0, True, group=group))
    return RouteProblem(box(0.0, 0.0, 1000.0, 1000.0), tuple(ends), (), 15.0, 10.0, 15.0, ties, style=style)


@pytest.mark.parametrize(
    ("seed", "nets", "style", "ties"),
    [
        (19, 3, Style.ANY_ANGLE, False),
        (8, 4, Style.CURVED, False),
        (16, 3, Style.CURVED, False),
        (17, 4, Style.CURVED, True),
        (3, 2, Style.ANY_ANGLE, True),
    ],
)
def test_pieces_of_one_net_keep_the_space(gate: Gate, seed: int, nets: int, style: Style, ties: bool) -> None:
    """KLayout on all metal together, which knows of no nets: what is not joined keeps apart, what is has no notch."""
    problem = scattered(seed, nets, style, ties=ties)
    plan = route(problem)
    metal = draw(problem, plan)
    assert gate(problem, plan, metal) == {}
    everything = region_of(p for m in metal.values() for p in m.metal + m.tie)
    everything += kdb.Region([terminal_polygon(t) for t in problem.terminals])
    assert everything.merged().space_check(10_000, False, kdb.Region.Euclidian, 80).is_empty()
    known = {t.net for t in problem.terminals if t.net}
    assert {w.net for w in plan.wires} == known == set(metal)
    assert set(plan.taken.values()) <= known


def test_pieces_have_names_of_their_own_and_the_rules_of_their_net() -> None:
    problem = scattered(0, 2, Style.ANY_ANGLE)
    problem = replace(problem, rules={"n1": NetRule(20.0, 12.0)}, matched=(Matched(("n0", "n1"), 5.0),))
    apart = told_apart(problem)
    assert {net_of(t.net) for t in apart.terminals} == {"", "n0", "n1"}
    assert len({t.net for t in apart.terminals if t.net}) == 2 * 4
    assert [net_of(t.net) for t in apart.terminals] == [t.net for t in problem.terminals]
    assert all(apart.width_of(t.net) == problem.width_of(net_of(t.net)) for t in apart.terminals if t.net)
    fixed = [t.net for t in apart.terminals if t.net and not t.group]
    assert sorted(fixed) == ["n0", "n0", "n1", "n1"]
    plan = route(problem)
    told = plan_apart(problem, plan)
    assert [net_of(w.net) for w in told.wires] == [w.net for w in plan.wires]
    asked = {t.name: t.net for t in apart.terminals}
    assert all(w.net == asked[w.start] for w in told.wires if w.start)


def test_a_problem_without_such_nets_is_left_as_it_is() -> None:
    ends = Terminal("a", "n", 100.0, 100.0, 20.0, 20.0, True), Terminal("b", "n", 900.0, 900.0, 20.0, 20.0, True)
    problem = RouteProblem(box(0.0, 0.0, 1000.0, 1000.0), ends, (), 15.0, 10.0, 15.0)
    assert told_apart(problem) is problem


def test_terminals_nearer_than_the_space_are_one_piece() -> None:
    """Two pads 5 um apart, of which each asks for a ball, and one that stands alone."""
    pads = [Terminal(f"p{k}", "n", x, 100.0, 20.0, 20.0, False, group="g") for k, x in enumerate((100.0, 145.0, 400.0))]
    free = [Terminal(f"b{k}", "", x, 600.0, 30.0, 30.0, True, group="g") for k, x in enumerate((100.0, 300.0, 500.0))]
    problem = RouteProblem(box(0.0, 0.0, 1000.0, 1000.0), (*pads, *free), (), 15.0, 10.0, 15.0)
    names = {t.name: t.net for t in told_apart(problem).terminals}
    assert names["p0"] == names["p1"] == "n" != names["p2"]
    assert route(problem).complete
