"""Problems at the rim of what the router may be asked: nothing is lost in silence, and nothing raises."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from layoutgen.errors import ParamError
from layoutgen.route import Matched, NetMetal, RoutePlan, RouteProblem, Style, Terminal, box, draw, route

Gate = Callable[[RouteProblem, RoutePlan, dict[str, NetMetal]], dict[str, int]]
DIE = box(0.0, 0.0, 1000.0, 800.0)


def disc(name: str, net: str, x: float, y: float, **more: object) -> Terminal:
    return Terminal(name, net, x, y, 25.0, 25.0, True, **more)  # type: ignore[arg-type]


def problem(*terminals: Terminal, **more: object) -> RouteProblem:
    return RouteProblem(DIE, terminals, (), 20.0, 15.0, 15.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("ties", [False, True])
def test_a_terminal_that_asks_an_empty_group_is_listed(ties: bool) -> None:
    asks = disc("a", "n", 500, 400, group="g"), disc("b", "m", 700, 400, group="g")
    plan = route(problem(*asks, ties=ties))
    assert [(u.net, u.start, u.end) for u in plan.unrouted] == [("n", "a", "g"), ("m", "b", "g")]
    assert all("group g" in u.reason for u in plan.unrouted)
    assert sum(w.tie for w in plan.wires) == 2 * ties
    assert not plan.complete


def test_more_terminals_ask_than_are_free() -> None:
    asks = [disc(f"p{k}", f"n{k}", 100 + 150 * k, 700, group="g") for k in range(5)]
    free = [disc(f"f{k}", "", 200 + 150 * k, 300, group="g") for k in range(3)]
    plan = route(problem(*asks, *free))
    assert sorted(plan.taken) == ["f0", "f1", "f2"]
    assert len(plan.unrouted) == 2
    assert all("group g" in u.reason for u in plan.unrouted)


def test_a_tie_that_a_covered_twin_asks_for_is_drawn() -> None:
    """Terminals at one place are one; what the second of them wants counts as well."""
    twins = disc("a", "n", 500, 400), Terminal("b", "n", 500, 400, 50.0, 50.0, True, own_tie=True)
    plan = route(problem(*twins, disc("c", "n", 200, 200, own_tie=True), ties=True))
    assert sorted(w.start for w in plan.wires if w.tie) == ["a", "c"]


def test_centres_that_are_one_on_the_grid_are_one_place() -> None:
    a, c = disc("a", "n", 500, 400), disc("c", "n", 200, 200)
    plan = route(problem(a, disc("b", "n", 500.0002, 400), c))
    assert plan.complete
    assert len(plan.wires) == 1
    with pytest.raises(ParamError, match="same centre"):
        problem(a, disc("b", "m", 500.0002, 400), c)


def test_nets_above_each_other_are_both_routed() -> None:
    below, above = disc("a", "n", 500, 400), disc("b", "m", 500, 400, layer=1)
    plan = route(problem(below, above, disc("c", "n", 200, 200), disc("d", "m", 800, 200), layers=2, via=30.0))
    assert plan.complete
    assert [(w.net, w.layer) for w in plan.wires] == [("n", 0), ("m", 1)]
    assert [(v.net, v.x, v.y) for v in plan.vias] == [("m", 800, 200)]


def test_terminals_of_one_net_above_each_other_get_a_via() -> None:
    below, above = disc("a", "n", 500, 400), disc("b", "n", 500, 400, layer=1)
    plan = route(problem(below, above, disc("c", "n", 200, 200), layers=2, via=30.0))
    assert plan.complete
    assert [(v.net, v.x, v.y) for v in plan.vias] == [("n", 500, 400)]
    plan = route(problem(below, above, layers=2, via=30.0))
    assert plan.complete
    assert [(v.net, v.x, v.y) for v in plan.vias] == [("n", 500, 400)]


def test_a_closed_outline_is_that_outline() -> None:
    ends = disc("a", "n", 300, 400), disc("b", "n", 700, 400)
    open_ = RouteProblem(DIE, ends, (), 20.0, 15.0, 15.0, True)
    closed = RouteProblem((*DIE, DIE[0]), ends, (), 20.0, 15.0, 15.0, True)
    assert route(closed) == route(open_)


def test_what_cannot_be_meant_is_refused() -> None:
    ends = disc("a", "n", 300, 400), disc("b", "n", 700, 400)
    with pytest.raises(ParamError, match="no nets"):
        problem(*ends, matched=(Matched((), 1.0),))
    for within in (-1.0, math.nan):
        with pytest.raises(ParamError, match="within"):
            problem(*ends, matched=(Matched(("n",), within),))
    corner = ((100.0, 100.0), (150.0, 100.0), (150.0, 150.0))
    with pytest.raises(ParamError, match="outside of its polygon"):
        problem(Terminal("c", "n", 500.0, 400.0, 25.0, 25.0, False, polygon=corner), *ends)
    with pytest.raises(ParamError, match="same centre"):
        problem(disc("a", "n", 300, 400), disc("b", "n", 300, 400, group="g"))
    with pytest.raises(ParamError, match=r"a via's landing of 50.01 um does not fit on a, 50 um wide"):
        problem(*ends, layers=2, via=50.01)


def scattered(seed: int, style: Style) -> RouteProblem:
    """Ten nets of two discs each, anywhere on a die."""
    rng = np.random.default_rng(seed)
    at: list[tuple[float, float]] = []
    while len(at) < 20:
        x, y = (float(c) for c in rng.integers(60, 940, 2))
        if all(math.hypot(x - px, y - py) > 100 for px, py in at):
            at.append((x, y))
    ends = tuple(disc(f"t{k}", f"n{k // 2}", *xy) for k, xy in enumerate(at))
    return RouteProblem(box(0.0, 0.0, 1000.0, 1000.0), ends, (), 15.0, 10.0, 15.0, style=style)


@pytest.mark.parametrize("seed", range(6))
def test_small_arcs_are_clean(gate: Gate, seed: int) -> None:
    """Facets of a few nm have any direction on the grid, and KLayout finds notches between them."""
    board = scattered(seed, Style.CURVED)
    plan = route(board)
    found = gate(board, plan, draw(board, plan))
    assert found == {}
