"""The last word on metal: what KLayout finds in it is given up, with the reason, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import klayout.db as kdb
import pytest

from layoutgen.route import NetMetal, RoutePlan, RouteProblem, Terminal, box, proof, route, route_and_draw
from layoutgen.route.wires import LeftOver, draw_and_judge

Gate = Callable[[RouteProblem, RoutePlan, dict[str, NetMetal]], dict[str, int]]


def problem(ties: bool = False) -> RouteProblem:
    """Nets a and b of two terminals each, side by side, and c of three."""
    at = {"a": [(200, 800), (800, 800)], "b": [(200, 500), (800, 500)], "c": [(200, 200), (800, 200), (500, 300)]}
    places = [(net, k, x, y) for net, own in at.items() for k, (x, y) in enumerate(own)]
    terminals = tuple(Terminal(f"{net}{k}", net, x, y, 30.0, 30.0, k % 2 == 0) for net, k, x, y in places)
    return RouteProblem(box(0.0, 0.0, 1000.0, 1000.0), terminals, (), 20.0, 15.0, 15.0, ties)


SPOILT = {"width": ("a", "narrower than 20 um"), "notch": ("b", "a notch of less than 15 um")}


@pytest.mark.parametrize(("kind", "net", "reason"), [(kind, *rest) for kind, rest in SPOILT.items()])
def test_what_breaks_a_rule_is_given_up(
    monkeypatch: pytest.MonkeyPatch, gate: Gate, kind: str, net: str, reason: str
) -> None:
    def spoilt(asked: RouteProblem, plan: RoutePlan, layer: int) -> tuple[dict[str, NetMetal], list[LeftOver]]:
        metal, left = draw_and_judge(asked, plan, layer)
        spot = kdb.Box(450_000, 790_000, 460_000, 810_000)
        return metal, [*left, *([LeftOver(net, kind, spot)] if net in metal else [])]

    monkeypatch.setattr(proof, "draw_and_judge", spoilt)
    asked = problem()
    plan, (metal,) = route_and_draw(asked)
    assert not plan.complete
    assert [(u.net, u.tie) for u in plan.unrouted] == [(net, False)]
    assert f"{reason} about (455.0, 800.0) um" in plan.unrouted[0].reason
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
    assert route_and_draw(asked)[0].complete
