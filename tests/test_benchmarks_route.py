"""The witnesses of benchmarks/route.py: each finding on metal that was broken on purpose, and bounds in closed form."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import route as benchmark
import route_cases
from route_check import check, links_of, merged_length

from layoutgen.errors import ParamError
from layoutgen.route import NetMetal, Obstacle, RoutePlan, RouteProblem, Terminal, Unrouted, Wire, box


def rectangle(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """Corners in dbu, from um."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.int64) * 1000


def chip() -> tuple[RouteProblem, RoutePlan, dict[str, NetMetal]]:
    """Two nets straight across, 20 um wide and 80 um apart, each tied to the left; a third net asks for a free ball."""
    terminals = [
        Terminal(f"{end}{net}", net, x, y, 20.0, 20.0, False)
        for net, y in (("a", 100.0), ("b", 200.0))
        for end, x in (("P", 100.0), ("B", 400.0))
    ]
    terminals += [
        Terminal("Pc", "c", 100.0, 300.0, 20.0, 20.0, False, group="ball"),
        Terminal("free", "", 400.0, 300.0, 20.0, 20.0, True, group="ball"),
        Terminal("spare", "", 400.0, 400.0, 20.0, 20.0, True, group="ball"),
    ]
    problem = RouteProblem(box(0, 0, 500, 500), tuple(terminals), (), 20.0, 20.0, 15.0, ties=True)
    wires, metal = [], {}
    for net, y, end in (("a", 100, "Ba"), ("b", 200, "Bb"), ("c", 300, "free")):
        wires.append(Wire(net, f"P{net}", end, ((100_000, y * 1000), (400_000, y * 1000)), False, 20.0))
        wires.append(Wire(net, f"P{net}", "", ((100_000, y * 1000), (0, y * 1000)), True, 20.0))
        metal[net] = NetMetal([rectangle(100, y - 10, 400, y + 10)], [rectangle(0, y - 10, 100, y + 10)])
    return problem, RoutePlan(tuple(wires), (), taken={"free": "c"}), metal


def test_sound_metal_has_no_findings() -> None:
    found = check(*chip())
    assert found.findings == {}
    assert (found.nets, found.links, found.ties) == ((3, 3), (3, 3), (3, 3))


def test_metal_at_exactly_the_rules_passes_and_1_nm_less_does_not() -> None:
    problem, plan, metal = chip()
    metal["a"].metal.append(rectangle(200, 100, 300, 170))
    assert check(problem, plan, metal).findings == {}
    metal["a"].metal[-1] += np.array([(0, 0), (0, 0), (0, 1), (0, 1)])
    assert check(problem, plan, metal).findings == {"space": 1}


@pytest.mark.parametrize(
    ("kind", "net", "extra"),
    [
        ("width", "a", rectangle(200, 105, 210, 140)),
        (
            "notch",
            "a",
            np.array([(200, 105), (250, 105), (250, 160), (240, 160), (240, 125), (225, 125), (225, 160)]) * 1000,
        ),
        ("space", "a", rectangle(200, 100, 300, 175)),
        ("shorts", "a", rectangle(200, 100, 220, 200)),
        ("floating", "a", rectangle(200, 30, 240, 50)),
        ("edge", "b", rectangle(300, 200, 490, 210)),
        ("not simple", "a", np.array([(200, 95), (240, 105), (240, 95), (200, 105)]) * 1000),
        ("obstacle", "a", rectangle(200, 50, 230, 100)),
    ],
)
def test_broken_metal_is_found(kind: str, net: str, extra: np.ndarray) -> None:
    problem, plan, metal = chip()
    problem = dataclasses.replace(problem, obstacles=(Obstacle.box(200, 10, 240, 35),))
    assert check(problem, plan, metal).findings == {}
    metal[net].metal.append(extra)
    assert kind in check(problem, plan, metal).findings


def test_a_link_without_metal_is_open_unless_the_plan_says_so() -> None:
    problem, plan, metal = chip()
    metal["a"].metal.clear()
    found = check(problem, plan, metal)
    assert found.findings == {"opens": 1}
    assert (found.nets, found.links) == ((2, 3), (2, 3))
    told = dataclasses.replace(plan, unrouted=(Unrouted("a", "Pa", "Ba", "no way"),))
    assert check(problem, told, metal).findings == {}


def test_a_tie_counts_where_its_metal_meets_the_outline() -> None:
    problem, plan, metal = chip()
    metal["b"].tie[0] = rectangle(1, 190, 100, 210)
    assert check(problem, plan, metal).ties == (2, 3)
    each = tuple(dataclasses.replace(t, own_tie=t.net == "a") for t in problem.terminals)
    found = check(dataclasses.replace(problem, terminals=each), *chip()[1:])
    assert found.ties == (3, 4)


def test_ends_and_distances_of_wires_are_those_of_the_plan() -> None:
    problem, plan, metal = chip()
    first = dataclasses.replace(plan.wires[0], points=((100_000, 100_000), (399_000, 100_000)))
    assert check(problem, dataclasses.replace(plan, wires=(first, *plan.wires[1:])), metal).findings == {"ends": 1}
    near = dataclasses.replace(plan.wires[0], points=((100_000, 100_000), (250_000, 161_000), (400_000, 100_000)))
    assert check(problem, dataclasses.replace(plan, wires=(near, *plan.wires[1:])), metal).findings == {"too near": 1}


def test_a_group_gives_what_was_asked_for_and_no_more() -> None:
    problem, plan, metal = chip()
    assert check(problem, dataclasses.replace(plan, taken={}), metal).findings == {"opens": 1, "shorts": 1}
    both = dataclasses.replace(plan, taken={"free": "c", "spare": "c"})
    assert check(problem, both, metal).findings["assignment"] == 1


def test_bumps_of_a_net_need_a_pad_each() -> None:
    bumps = [Terminal(f"B{k}", "n", 100.0 * k + 50, 50.0, 10.0, 10.0, False, group="n") for k in range(3)]
    pads = [Terminal(f"P{k}", "", 100.0 * k + 50, 90.0, 10.0, 10.0, False, group="n") for k in range(3)]
    apart = {f"{t}{k}": k for t in "BP" for k in range(3)}
    assert links_of([*bumps, *pads], apart) == (3, 3)
    assert links_of([*bumps, *pads], {**apart, "P2": 1, "P1": 1}) == (2, 3)


def test_overlapping_lines_count_once() -> None:
    """A tee: 100 um along, 45 um up from 5 um above the middle, both 10 um wide."""
    assert merged_length([(((0, 0), (100, 0)), 10.0), (((50, 0), (50, 50)), 10.0)], 10.0) == pytest.approx(145.0)


@pytest.mark.parametrize(("pads", "balls"), [(6, 6), (4, 6), (6, 4)])
def test_matching_is_the_best_of_all(pads: int, balls: int) -> None:
    rng = np.random.default_rng(pads * 10 + balls)
    p, b = rng.uniform(0, 1000, (pads, 2)), rng.uniform(0, 1000, (balls, 2))
    few, many = (p, b) if pads <= balls else (b, p)
    best = min(
        sum(math.dist(few[i], many[j]) for i, j in enumerate(order))
        for order in itertools.permutations(range(len(many)), len(few))
    )
    pairs, length = route_cases.matching(p, b)
    assert length == pytest.approx(best, abs=0.01)
    assert sum(math.dist(p[i], b[j]) for i, j in pairs) == pytest.approx(length)


def test_matching_from_the_nearest_is_that_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pads crowd in a corner, so that the best balls are far from being the nearest."""
    rng = np.random.default_rng(1)
    pads, balls = rng.uniform(0, 1000, (150, 2)) ** 2 / 1000, rng.uniform(0, 1000, (150, 2))
    dense = route_cases.matching(pads, balls)[1]
    monkeypatch.setattr(route_cases, "_SPARSE", 10)
    monkeypatch.setattr(route_cases, "_NEAR", 20)
    assert route_cases.matching(pads, balls)[1] == pytest.approx(dense, abs=0.2)


def test_spanning_tree_of_a_cross() -> None:
    assert route_cases.spanning_tree([(0, 0), (3, 0), (-2, 0), (0, 1), (0, -4)]) == pytest.approx(10.0)


def test_rows_fall_short_of_each_bar() -> None:
    case = benchmark.Case("any", lambda: chip()[0], 1.1, 2.0, 100.0, nets=3, ties=2)
    good = benchmark.Outcome("", (3, 4), (3, 4), (2, 3), None, 10.0, None, 1.1, 2.0, 2.0, 0.1, 100.0)
    assert benchmark.shortfalls(case, good) == []
    for broken in (
        {"nets": (2, 4)},
        {"ties": (1, 3)},
        {"to_air": 1.11},
        {"to_air": None},
        {"seconds": 2.1},
        {"megabytes": 101.0},
        {"findings": {"notch": 1}},
        {"failed": "no"},
    ):
        assert len(benchmark.shortfalls(case, dataclasses.replace(good, **broken))) == 1


def test_a_router_that_gives_up_is_a_row_that_falls_short(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unable(problem: RouteProblem) -> RoutePlan:
        raise ParamError("route: no such thing")

    monkeypatch.setattr(benchmark, "route", unable)
    assert benchmark._child(benchmark.Case("any", lambda: chip()[0])) == 0
    assert json.loads(capsys.readouterr().out)["failed"] == "ParamError: route: no such thing"
    monkeypatch.setattr(benchmark, "_run", lambda case, limit: benchmark.Outcome(failed="no such thing"))
    assert benchmark.table([benchmark.rows()[0]], quick=False) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 of 1 rows meet their bars; short: caravel")


@pytest.mark.parametrize(
    ("case", "terminals", "asking"),
    [
        (benchmark.OPENROAD_45, 474, 102),
        ("openroad_rdl_route_bump_to_bump_only", 33, 0),
        ("openroad_rdl_route_probe", 8, 0),
    ],
)
def test_openroad_cases_are_all_there(case: str, terminals: int, asking: int) -> None:
    """Bumps of the 135 nets with one pad are fixed; 34 + 34 + 17 + 17 supply bumps ask for a pad each."""
    if not route_cases.DATA.is_dir():
        pytest.skip(f"{route_cases.DATA} is not there")
    problem = route_cases.openroad(case, ties=True)
    assert len(problem.terminals) == terminals
    assert sum(bool(t.net and t.group) for t in problem.terminals) == asking
    segments = sum(math.dist(*s["points"]) for n in route_cases._read(case, "golden")["routes"].values() for s in n)
    assert 0.9 * segments < route_cases.openroad_drawn(case) < segments
