"""Wide-metal spacing of all that is drawn: what a plan holds never breaks it; the design rule check is the judge."""

from __future__ import annotations

from dataclasses import replace

import klayout.db as kdb
import numpy as np
import pytest
from route_check import region_of, terminal_polygon

from layoutgen.drc.checks import wide_space
from layoutgen.errors import ParamError
from layoutgen.route import (
    Matched,
    NetMetal,
    RoutePlan,
    RouteProblem,
    Style,
    Terminal,
    WideSpace,
    Wire,
    box,
    draw,
    route,
)
from layoutgen.route.wide import culprits
from layoutgen.route.wires import still_too_wide

SIDE = 520.0
HALVES = 11.0, 15.0


def board(seed: int, style: Style, layers: int = 1, **more: object) -> RouteProblem:
    """Nets of four small boxes and discs close to each other: where wires of 20 um meet, metal is wider."""
    rng = np.random.default_rng(seed)
    step = WideSpace(float(rng.choice([24.0, 27.0, 31.0])), float(rng.choice([25.0, 40.0])))
    at: list[tuple[float, float]] = []
    for _ in range(400):
        x, y = round(rng.uniform(60, SIDE - 60), 3), round(rng.uniform(60, SIDE - 60), 3)
        if len(at) < 12 and all(max(abs(x - px), abs(y - py)) >= 75 for px, py in at):
            at.append((x, y))
    at.sort(key=lambda p: p[0] // 200 * 1000 + p[1])
    terminals = tuple(
        Terminal(
            f"t{k}", f"n{k * 3 // len(at)}", *p, *(HALVES[k % 2],) * 2, bool(k % 2), layer=int(rng.integers(layers))
        )
        for k, p in enumerate(at)
    )
    via = 22.0 if layers == 2 else 0.0
    die = box(0.0, 0.0, SIDE, SIDE)
    base = RouteProblem(die, terminals, (), 20.0, 12.0, 12.0, wide=(step,), style=style, layers=layers, via=via)
    return replace(base, **more)  # type: ignore[arg-type]


def found(problem: RouteProblem, plan: RoutePlan) -> list[str]:
    """Pairs of nets whose metal breaks a step, by the design rule check on all metal of a layer, flat."""
    out = []
    for layer in range(problem.layers):
        metal = draw(problem, plan, layer)
        own: dict[str, kdb.Region] = {}
        for t in problem.terminals:
            if t.layer == layer:
                own.setdefault(t.net, kdb.Region()).insert(terminal_polygon(t))
        for net, drawn in metal.items():
            own.setdefault(net, kdb.Region()).insert(region_of((drawn or NetMetal()).metal + drawn.tie))
        whole = kdb.Region([p for region in own.values() for p in region.each()])
        for step in problem.wide:
            steps = ({"width": step.width, "run": 0, "space": step.space},)
            options = wide_space.Options.model_validate({"steps": steps, "wide": "one"})
            for finding in wide_space.check("W", [whole], 0, options):
                nets = [
                    {net for net, region in own.items() if not region.interacting(kdb.Region(_strip(edge))).is_empty()}
                    for edge in finding.edges
                ]
                out += [f"{nets} on layer {layer}"] if not nets[0] & nets[1] else []
    return out


def _strip(edge: tuple[int, int, int, int]) -> kdb.Polygon:
    return kdb.Path([kdb.Point(*edge[:2]), kdb.Point(*edge[2:])], 4, 2, 2).polygon()


@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize("seed", [1, 3])
def test_no_metal_is_too_wide_for_where_it_stands(style: Style, seed: int) -> None:
    problem = board(seed, style)
    plan = route(problem)
    assert found(problem, plan) == []
    assert len(plan.wires) + len(plan.unrouted) == len(problem.terminals) - 3
    assert all(u.reason for u in plan.unrouted)


def test_two_layers_and_meanders_keep_the_rule_too() -> None:
    problem = board(3, Style.ANY_ANGLE, 2)
    assert found(problem, route(problem)) == []
    problem = board(3, Style.OCTILINEAR, matched=(Matched(("n0", "n1"), 5.0),))
    plan = route(problem)
    assert found(problem, plan) == []


def test_a_joint_is_the_fault_of_its_branch() -> None:
    """A slanted branch and its closed notch make metal wider than 22.5 um: too near to a box 13 um off, not to 20."""
    pads = [Terminal(n, "n", x, y, 11.0, 11.0, False) for n, x, y in (("a", 40, 100), ("b", 360, 100), ("c", 80, 220))]
    trunk = Wire("n", "a", "b", ((40_000, 100_000), (360_000, 100_000)), False, 20.0)
    branch = Wire("n", "c", "", ((80_000, 220_000), (200_000, 100_000)), False, 20.0)
    for wires, off, bad in (((trunk, branch), 13.0, True), ((trunk,), 13.0, False), ((trunk, branch), 20.0, False)):
        beside = Terminal("x", "x", 200.0, 80.0 - off, 30.0, 10.0, False)
        die = box(0.0, 0.0, 400.0, 260.0)
        problem = RouteProblem(die, (*pads, beside), (), 20.0, 12.0, 12.0, wide=(WideSpace(22.5, 20.0),))
        plan = RoutePlan(wires, ())
        assert bool(found(problem, plan)) == bad
        blamed = culprits(still_too_wide(problem, plan), wires, problem.guard)
        assert [conflict.wire for conflict, _ in blamed] == ([1] if bad else [])
        assert all("wider than 22.5 um and nearer than 20 um" in why for _, why in blamed)


@pytest.mark.parametrize("name", ["width", "space"])
def test_rules_that_the_grid_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(ParamError, match=rf"{name}=0.4 um cannot be drawn exactly .* the least is 0.5 um"):
        replace(board(0, Style.ANY_ANGLE), **{name: 0.4})  # type: ignore[arg-type]


def test_a_wire_that_can_only_be_laid_where_metal_is_too_wide_is_given_up() -> None:
    at = [
        ("n0", 820, 184, 30), ("n0", 407, 739, 60), ("n1", 361, 590, 40), ("n2", 468, 166, 40), ("n2", 1091, 785, 30),
        ("n2", 224, 648, 30), ("n3", 274, 145, 60), ("n3", 606, 385, 30), ("n3", 93, 175, 30), ("n4", 606, 892, 40),
        ("n4", 1108, 435, 60),
    ]  # fmt: skip
    terminals = tuple(Terminal(f"t{k}", net, x, y, r, r, True) for k, (net, x, y, r) in enumerate(at))
    asked = RouteProblem(box(0.0, 0.0, 1200.0, 1200.0), terminals, (), 30.0, 20.0, 15.0, True)
    wide = replace(asked, wide=(WideSpace(36.0, 30.0),))
    narrow, plan = route(asked), route(wide)
    assert found(wide, narrow) != []
    assert [u.net for u in plan.unrouted] == ["n0"]
    assert "wider than 36 um and nearer than 30 um" in plan.unrouted[0].reason
    assert found(wide, plan) == []
