"""Every missing wire has a cut that is drawn, or a reason that is true; both say the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import shapely

from layoutgen.route import NetRule, Obstacle, RoutePlan, RouteProblem, Style, Terminal, box, draw, route, router
from layoutgen.route.blocked import blocks
from layoutgen.route.eject import Ejector, wires_of
from layoutgen.route.legal import Conflict
from layoutgen.route.links import make_links
from layoutgen.route.tiles import build
from layoutgen.route.topology import Topology

HOLDS = re.compile(r"holds (\d+), (\d+) want to cross")
Gate = Callable[..., dict[str, int]]


def disc(name: str, net: str, x: float, y: float, radius: float = 25.0) -> Terminal:
    return Terminal(name, net, x, y, radius, radius, True)


def gate_of(width: float, wires: int, **more: object) -> RouteProblem:
    """Wires from the left to the right through one gap of a width between two blocks."""
    ends = [
        disc(f"{side}{k}", f"n{k}", x, 300.0 + 60 * k)
        for k in range(wires)
        for side, x in (("W", 100.0 + 60 * (k % 2)), ("E", 900.0 - 60 * (k % 2)))
    ]
    blocks = (Obstacle.box(400.0, 0.0, 600.0, 400.0 - width / 2), Obstacle.box(400.0, 400.0 + width / 2, 600.0, 800.0))
    return RouteProblem(box(0.0, 0.0, 1000.0, 800.0), tuple(ends), blocks, 20.0, 20.0, 15.0, **more)  # type: ignore[arg-type]


def wall() -> RouteProblem:
    """A net from top to bottom, past whose ends nothing fits, and one from the left to the right."""
    ends = (
        disc("T", "wall", 400, 770),
        disc("B", "wall", 400, 30),
        disc("W", "link", 30, 400),
        disc("E", "link", 770, 400),
    )
    return RouteProblem(box(0.0, 0.0, 800.0, 800.0), ends, (), 20.0, 15.0, 4.0)


def balls(n: int, **more: object) -> RouteProblem:
    at = [(200.0 * i, 200.0 * j) for i in range(1, n + 1) for j in range(1, n + 1)]
    ends = tuple(disc(f"B{k}", f"n{k}", x, y, 60.0) for k, (x, y) in enumerate(at))
    side = 200.0 * (n + 1)
    return RouteProblem(box(0.0, 0.0, side, side), ends, (), 20.0, 15.0, 15.0, ties=True, **more)  # type: ignore[arg-type]


def agree(plan: RoutePlan) -> None:
    """What a reason says of a cut is what a cut of that net says; cuts name nets that are missing only."""
    left = {u.net for u in plan.unrouted}
    for cut in plan.bottlenecks:
        assert cut.demand > cut.capacity
        assert len([u for u in plan.unrouted if u.net in cut.nets]) <= cut.demand
        assert cut.nets
        assert set(cut.nets) <= left
    for u in plan.unrouted:
        said = HOLDS.search(u.reason)
        of_net = [(c.capacity, c.demand) for c in plan.bottlenecks if u.net in c.nets]
        assert u.reason
        assert said is None or tuple(map(int, said.groups())) in of_net
        assert of_net or "no free terminal" in u.reason or "stand across" in u.reason or "no room" in u.reason


@pytest.mark.parametrize(("width", "wires", "holds"), [(59.0, 3, 0), (80.0, 3, 1), (100.1, 6, 2), (140.1, 20, 3)])
def test_reason_and_cut_name_all_wires_that_want_to_cross(width: float, wires: int, holds: int) -> None:
    problem = gate_of(width, wires) if wires < 7 else gate_of(width, 7)
    plan = route(problem)
    agree(plan)
    (cut,) = plan.bottlenecks
    assert (cut.capacity, cut.demand) == (holds, len(problem.terminals) // 2)
    line = shapely.LineString(cut.lines[0])
    blocks_ = [shapely.Polygon(o.points) for o in problem.obstacles]
    assert all(line.intersects(b) for b in blocks_)
    if holds == 0:
        assert all(u.reason.startswith("closed in: every channel") for u in plan.unrouted)
        assert not any("stand across" in u.reason for u in plan.unrouted)


def test_more_missing_links_than_a_dozen_are_all_explained() -> None:
    plan = route(replace(gate_of(59.0, 7), terminals=tuple(
        disc(f"{side}{i}-{j}", f"n{i}-{j}", x + 80 * i, 100.0 + 100 * j) for i in range(3) for j in range(7)
        for side, x in (("W", 60.0), ("E", 760.0))
    )))  # fmt: skip
    assert len(plan.unrouted) == 21
    agree(plan)
    assert sum(c.demand - c.capacity for c in plan.bottlenecks) == 21
    assert {n for c in plan.bottlenecks for n in c.nets} == {u.net for u in plan.unrouted}


def test_a_wire_that_stands_across_is_named() -> None:
    """Room is not what is missing: without the other net's wire there is a way."""
    problem = wall()
    links, free = make_links(problem)
    topo = Topology(build(problem), wires_of(links, dict.fromkeys(("wall", "link"), 35.0)))
    ejector = Ejector(topo, links, free)
    across, link = (next(i for i, x in enumerate(links) if x.net == net) for net in ("wall", "link"))
    assert blocks(topo, [ejector.quest(link)]) == [None]
    assert ejector.route([across]) == []
    (block,) = blocks(topo, [ejector.quest(link)])
    assert block is not None
    assert block.across == (across,)
    assert block.cut is not None
    assert block.cut.capacity == 0
    plan = route(problem)
    (missing,) = plan.unrouted
    other = {"wall": "link", "link": "wall"}[missing.net]
    assert f"the wires of {other}, which stand across" in missing.reason
    agree(plan)


def test_a_wide_wire_is_measured_by_its_own_width() -> None:
    """A gap of 140 um holds three wires of 20 um, and one of 100 um."""
    problem = replace(gate_of(140.1, 3), rules={"n1": NetRule(100.0, 20.0)})
    plan = route(problem)
    agree(plan)
    assert [u.net for u in plan.unrouted] == ["n1"]
    assert [(c.capacity, c.demand) for c in plan.bottlenecks] == [(2, 3)]


def test_wires_given_up_because_of_what_was_drawn_have_a_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    real = router.conflicts

    def conflicts(problem: RouteProblem, wires: list[object], **kind: bool) -> list[Conflict]:
        bad = [k for k, w in enumerate(wires) if w.net == "n1"]  # type: ignore[attr-defined]
        return [*real(problem, wires, **kind), *(Conflict(k, -1, (500_000.0, 400_000.0)) for k in bad)]  # type: ignore[arg-type]

    monkeypatch.setattr(router, "conflicts", conflicts)
    plan = route(gate_of(140.1, 3))
    (missing,) = plan.unrouted
    assert missing.net == "n1"
    assert missing.reason.startswith("no room next to other metal about (500.0, 400.0) um; the cut ")
    assert HOLDS.search(missing.reason)
    agree(plan)


def test_layers_are_named_even_without_a_wire_on_them() -> None:
    problem = replace(gate_of(59.0, 3), layers=2, via=30.0)
    plan = route(problem)
    assert not plan.wires
    assert [c.layer for c in plan.bottlenecks] == [1]
    assert all("on layer 2" in u.reason for u in plan.unrouted)
    agree(plan)


def test_cuts_of_the_tie_bound_are_left_out_where_a_second_layer_brings_all_ties() -> None:
    plan = route(balls(7))
    assert plan.tie_bound is not None
    assert plan.tie_bound == 48
    agree(plan)
    above = balls(7, layers=2, via=60.0)
    plan = route(above)
    assert plan.complete
    assert plan.bottlenecks == ()


@pytest.mark.parametrize("style", [Style.ANY_ANGLE, Style.OCTILINEAR])
def test_the_pitch_of_ties_bounds_them(gate: Gate, style: Style) -> None:
    """Three places on each side of 1000 um at a pitch of 400 um."""
    problem = replace(balls(4), tie_pitch=400.0, style=style)
    plan = route(problem)
    assert plan.tie_bound == 12
    assert sum(w.tie for w in plan.wires) <= 12
    assert gate(problem, plan, draw(problem, plan)) == {}
    agree(plan)
    cut = plan.bottlenecks[0]
    assert (cut.capacity, cut.demand) == (12, 16)
    assert shapely.LineString(cut.lines[0]).equals(shapely.LinearRing(problem.outline))
