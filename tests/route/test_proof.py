"""The last word on metal: what KLayout finds in it is given up, with the reason, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from layoutgen.route import NetMetal, RoutePlan, RouteProblem, Terminal, box, draw, proof, route, route_and_draw

Gate = Callable[[RouteProblem, RoutePlan, dict[str, NetMetal]], dict[str, int]]
Spoil = Callable[[dict[str, NetMetal]], None]


def problem(ties: bool = False) -> RouteProblem:
    """Nets a and b of two terminals each, side by side, and c of three."""
    at = {"a": [(200, 800), (800, 800)], "b": [(200, 500), (800, 500)], "c": [(200, 200), (800, 200), (500, 300)]}
    places = [(net, k, x, y) for net, own in at.items() for k, (x, y) in enumerate(own)]
    terminals = tuple(Terminal(f"{net}{k}", net, x, y, 30.0, 30.0, k % 2 == 0) for net, k, x, y in places)
    return RouteProblem(box(0.0, 0.0, 1000.0, 1000.0), terminals, (), 20.0, 15.0, 15.0, ties)


def added(net: str, *corners: tuple[int, int]) -> Spoil:
    """A polygon (um) more in a net's metal, where it has some."""
    return lambda metal: metal[net].metal.append(np.array(corners) * 1000) if net in metal else None


def rectangle(x0: int, y0: int, x1: int, y1: int) -> tuple[tuple[int, int], ...]:
    return (x0, y0), (x0, y1), (x1, y1), (x1, y0)


SPOILT = {
    "narrow": (added("a", *rectangle(450, 790, 460, 850)), "a", "narrower than 20 um"),
    "notch": (
        lambda metal: [added("b", *rectangle(x, 490, x + 20, 540))(metal) for x in (450, 480)],
        "b",
        "notched by less than 15 um",
    ),
}


@pytest.mark.parametrize(("spoil", "net", "reason"), SPOILT.values(), ids=SPOILT)
def test_what_breaks_a_rule_is_given_up(
    monkeypatch: pytest.MonkeyPatch, gate: Gate, spoil: Spoil, net: str, reason: str
) -> None:
    def spoilt(asked: RouteProblem, plan: RoutePlan, layer: int = 0) -> dict[str, NetMetal]:
        metal = draw(asked, plan, layer)
        spoil(metal)
        return metal

    monkeypatch.setattr(proof, "draw", spoilt)
    asked = problem()
    plan, (metal,) = route_and_draw(asked)
    assert not plan.complete
    assert [(u.net, u.tie) for u in plan.unrouted] == [(net, False)]
    assert reason in plan.unrouted[0].reason
    assert {w.net for w in plan.wires} == {"a", "b", "c"} - {net}
    assert gate(asked, plan, metal) == {}


def test_what_ends_on_a_wire_that_is_given_up_goes_with_it() -> None:
    asked = problem(ties=True)
    plan = route(asked)
    branch = next(k for k, w in enumerate(plan.wires) if not w.start or (not w.end and not w.tie))
    trunk = next(k for k, w in enumerate(plan.wires) if w.net == plan.wires[branch].net and w.start and w.end)
    left = proof._without(asked, plan, {trunk: "it is spoilt"})
    reasons = [u.reason for u in left.unrouted]
    assert reasons[0] == "it is spoilt"
    assert len(reasons) > 1
    assert len(left.wires) + len(left.unrouted) == len(plan.wires)
    assert not any(proof._hangs(w, [o for o in left.wires if o is not w]) for w in left.wires)


@pytest.mark.parametrize("ties", [False, True])
def test_sound_plans_stay_as_they_are(gate: Gate, ties: bool) -> None:
    asked = problem(ties)
    plan, (metal,) = route_and_draw(asked)
    assert plan == route(asked)
    assert plan.complete
    assert gate(asked, plan, metal) == {}


def test_what_terminals_alone_break_is_not_the_wires_fault() -> None:
    asked = problem()
    notched = ((170.0, 770.0), (170.0, 830.0), (230.0, 830.0), (230.0, 805.0), (200.0, 805.0), (200.0, 795.0),
               (230.0, 795.0), (230.0, 770.0))  # fmt: skip
    asked = replace(asked, terminals=(replace(asked.terminals[0], round=False, polygon=notched), *asked.terminals[1:]))
    plan = route(asked)
    assert proof.broken(asked, plan, draw(asked, plan)) == []
