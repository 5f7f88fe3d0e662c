"""A plan of two layers leaves no part of a net behind in silence, and none ends in an exception."""

from __future__ import annotations

from itertools import permutations

import pytest

from layoutgen.route import Obstacle, RouteProblem, Style, Terminal, WideSpace, box, route


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_a_net_of_three_that_is_walled_off_below_is_one_piece_above(order: tuple[int, ...]) -> None:
    stand = {"A": 100.0, "B": 300.0, "C": 700.0}
    named = [Terminal(name, "a", x, 100, 30, 30, True, layer=1) for name, x in stand.items()]
    walls = tuple(Obstacle.box(x, 0, x + 20, 400, layer=0) for x in (190, 490))
    problem = RouteProblem(box(0, 0, 900, 400), tuple(named[k] for k in order), walls, 20, 20, 15, layers=2, via=40)
    plan = route(problem)
    assert plan.complete
    assert sorted(tuple(sorted((w.start, w.end))) for w in plan.wires) == [("A", "B"), ("B", "C")]


def test_a_net_that_only_some_parts_of_are_reached_above_is_not_complete() -> None:
    stand = {"A": 100.0, "B": 300.0, "C": 700.0}
    named = tuple(Terminal(name, "a", x, 100, 30, 30, True, layer=1) for name, x in stand.items())
    walls = (*(Obstacle.box(x, 0, x + 20, 400, layer=0) for x in (190, 490)), Obstacle.box(600, 0, 620, 400))
    plan = route(RouteProblem(box(0, 0, 900, 400), named, walls, 20, 20, 15, layers=2, via=40))
    assert not plan.complete
    assert [u.net for u in plan.unrouted] == ["a"]


def test_wires_that_went_with_another_one_are_not_taken_out_twice() -> None:
    """Where free and fixed wires are laid anew, one that ends on another one goes with it."""

    def disc(name: str, net: str, x: float, y: float, r: float) -> Terminal:
        return Terminal(name, net, x, y, r, r, True)

    terminals = (
        disc("A1", "a", 92.729, 162.859, 4.0), disc("A2", "a", 123.396, 173.109, 12.445),
        disc("A3", "a", 146.42, 134.437, 5.562), Terminal("B1", "b", 71.791, 165.835, 7.5, 7.5, False),
        disc("B2", "b", 152.027, 153.852, 6.0), disc("C1", "c", 142.102, 109.054, 6.632),
        Terminal("C2", "c", 104.369, 98.117, 5.0, 5.0, False),
        Terminal("C3", "c", 131.38, 139.101, 4.602, 5.102, False),
        Terminal("F", "", 51.718, 157.771, 6.0, 6.0, True, "h"),
    )  # fmt: skip
    problem = RouteProblem(box(0, 0, 165, 195), terminals, (), 5, 2.5, 2.5, True, wide=(WideSpace(6.0, 3.75),))
    plan = route(problem)
    assert {w.net for w in plan.wires} == {"a", "b", "c"}


@pytest.mark.parametrize("style", Style)
def test_a_wire_that_would_go_round_others_takes_the_second_metal(style: Style) -> None:
    """Its pad and ball need one via whichever metal it takes; so do those of the wires in its way, which stay."""
    row = [("a", 400.0, 200.0, 800.0), ("b", 500.0, 200.0, 800.0), ("c", 600.0, 200.0, 800.0)]
    terminals = [Terminal(f"P{net}", net, x, y, 30, 30, False) for net, x, y, _ in row]
    terminals += [Terminal(f"B{net}", net, x, y, 30, 30, True, layer=1) for net, x, _, y in row]
    terminals += [Terminal("Pd", "d", 200, 500, 30, 30, False), Terminal("Bd", "d", 800, 500, 30, 30, True, layer=1)]
    plan = route(RouteProblem(box(0, 0, 1000, 1000), tuple(terminals), (), 20, 20, 15, style=style, layers=2, via=40))
    assert plan.complete
    assert {w.net: w.layer for w in plan.wires} == {"a": 0, "b": 0, "c": 0, "d": 1}
    assert plan.length() == pytest.approx(3 * 600 + 600)
    assert len(plan.vias) == 4
