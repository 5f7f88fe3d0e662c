"""Two redistribution metals: what the process says, what the stages draw for a plan, and what its nets are found to be.

The plans are made by hand, straight wires that cross on two layers, so that drawing and checks stand on their own.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import klayout.db as kdb
import pytest
import shapely

from layoutgen import api, discover, handover, maskset, spec
from layoutgen.cli import run
from layoutgen.maskset import MaskSet
from layoutgen.pdk import Pdk
from layoutgen.route import RouteOptions, RoutePlan, RouteProblem, Terminal, Via, Wire, proof, route
from layoutgen.units import dbu

ROOT = Path(__file__).resolve().parent.parent
NAME = "wlcsp_500_2m"
# each pad's ball stands behind its neighbour's, so that the straight wires of a and b cross, and those of c and d
BALLS = "ball,net,x,y\nA1,d,500,1000\nA2,c,1000,1000\nB1,b,500,500\nB2,a,1000,500\n"
LAYERS = {"a": 0, "b": 1, "c": 0, "d": 1}
RULES_OF_ONE_METAL = {"RDL.E.2": ["pi2", "rdl2"], "UBM.E.2": ["ubm", "rdl2"]}


@pytest.fixture(scope="module")
def process() -> Pdk:
    return discover.pdk(NAME)


def straight(problem: RouteProblem, layers: Mapping[str, int]) -> RoutePlan:
    """A straight wire for each net from its pad to its ball, and a via at the end that stands on the other layer."""
    wires, vias = [], []
    for net, layer in layers.items():
        start, end = [t for t in problem.terminals if t.net == net]
        points = tuple((dbu(t.x), dbu(t.y)) for t in (start, end))
        wires.append(Wire(net, start.name, end.name, points, False, problem.width, layer))
        vias += [Via(net, t.x, t.y) for t in (start, end) if t.layer != layer]
    return RoutePlan(tuple(wires), (), vias=tuple(vias))


Plan = Callable[[RouteProblem], RoutePlan]


@pytest.fixture
def planned(spec_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[[Plan], MaskSet]:
    """Build the small chip, its balls swapped, with two metals and a plan instead of the router's."""

    def build(plan: Plan) -> MaskSet:
        monkeypatch.setattr(proof, "route", plan)
        return maskset.build(spec.read(spec_file(('"wlcsp_500"', f'"{NAME}"'), balls=BALLS)))

    return build


def divided(problem: RouteProblem, first: set[str]) -> RoutePlan:
    """The router's own wires with some nets on the first layer alone and the rest on the second, a via for each net."""
    half, wires, vias, missing = problem.via / 2, [], [], []
    for level in (0, 1):
        own = []
        for t in problem.terminals:
            mine, here = (t.net in first) == (level == 0), t.layer == level
            if mine and not here:
                vias.append(Via(t.net, t.x, t.y))
                own.append(Terminal(t.name, t.net, t.x, t.y, half, half, True))
            elif here:
                own.append(replace(t, layer=0, net=t.net if mine else t.name))
        plan = route(replace(problem, terminals=tuple(own), layers=1))
        wires += [replace(w, layer=level) for w in plan.wires]
        missing += plan.unrouted
    return RoutePlan(tuple(wires), tuple(missing), vias=tuple(vias))


def crossing(problem: RouteProblem) -> RoutePlan:
    return straight(problem, LAYERS)


def layer(built: MaskSet, name: str, cell: str = "DIE") -> kdb.Region:
    number = built.layout.find_layer(*built.pdk.gds(name))
    return kdb.Region(built.layout.cell(cell).begin_shapes_rec(number)).merged() if number is not None else kdb.Region()


# the process --------------------------------------------------------------------------------------------------------


def test_masks_print_in_the_order_of_the_stack(process: Pdk) -> None:
    masks = process.masks_of("blanket")
    assert list(masks) == ["PI1", "RDL", "ILD", "RDL2", "PI2", "UBM"]
    assert [m.aligns_to for m in masks.values()] == ["incoming", "PI1", "RDL", "ILD", "RDL2", "PI2"]
    clear, dark = "digitized data clear", "digitized data dark"
    assert [m.tone for m in masks.values()] == [dark, clear, dark, clear, dark, clear]
    assert len({m.gds for m in masks.values()}) == 6


def test_the_stack_from_below(process: Pdk) -> None:
    assert {name: (level.thickness, level.material) for name, level in process.stack.items()} == {
        "pi1": (5.0, "polyimide"), "rdl": (4.0, "copper"), "ild": (5.0, "polyimide"),
        "rdl2": (4.0, "copper"), "pi2": (5.0, "polyimide"), "ubm": (2.0, "nickel"),
    }  # fmt: skip
    assert list(process.stack) == ["pi1", "rdl", "ild", "rdl2", "pi2", "ubm"]
    assert process.sheet_resistance("rdl2") == pytest.approx(1.7241e-8 / 4e-6)


def test_what_both_processes_have_is_the_same_but_what_balls_stand_on(process: Pdk) -> None:
    one = discover.pdk("wlcsp_500")
    for name, rule in one.rules.items():
        expected = rule.model_copy(update={"layers": tuple(RULES_OF_ONE_METAL.get(name, rule.layers))})
        assert process.rules[name] == expected
    assert process.flows["blanket"].stages == one.flows["blanket"].stages
    assert process.cut == one.cut


def test_a_rule_without_a_published_number_says_that_it_is_assumed(process: Pdk) -> None:
    new = {name: rule for name, rule in process.rules.items() if name not in discover.pdk("wlcsp_500").rules}
    assert len(new) == 9
    assert [n for n, r in new.items() if r.check != "grid" and not r.source.startswith("Assumed: as ")] == []
    # each number is that of the rule that its source names
    for name, as_in in {"RDL.E.3": "RDL.E.1", "ILD.W.1": "PI1.W.1", "ILD.S.1": "PI1.S.1", "RDL2.W.1": "RDL.W.1",
                        "RDL2.S.1": "RDL.S.1", "RDL2.E.1": "RDL.E.1", "RDL2.D.1": "RDL.D.1"}.items():  # fmt: skip
        assert process.rules[name].limit == process.rules[as_in].limit


def test_a_via_is_the_least_that_its_rules_allow(process: Pdk) -> None:
    via = discover.cells()["rdl.via"]
    report = api.check(via(process), process)
    run_ones = {r.rule for r in report.results if r.status == "run"}
    assert {"ILD.W.1", "RDL.E.3", "RDL2.E.1"} <= run_ones
    assert report.exit_code == 0
    landing = via(process).circles["rdl"][0].diameter
    smaller = api.check(via(process, landing=landing - 0.020), process)
    assert {r.rule for r in smaller.results if r.findings} == {"RDL.E.3", "RDL2.E.1"}


def test_new_masks_are_no_larger_than_a_pads_landing(process: Pdk) -> None:
    """So that a via on a pad needs no more room than the pad on the first metal."""
    cells = discover.cells()
    landing = cells["rdl.via"](process).circles["rdl"][0].diameter
    assert landing < cells["rdl.pad"].parameters(process).size


@pytest.mark.parametrize("missing", ["metal_2", "via_2"])
@pytest.mark.parametrize("table", ["roles", "connect"])
def test_half_a_second_metal_is_refused(
    table: str, missing: str, user_pdk: Callable[[str, str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tomllib.loads((ROOT / f"pdk/layoutgen_pdk/{NAME}/pdk.toml").read_text("utf-8"))
    lines = [f"[{t}]\n" + "".join(f'{k} = "{v}"\n' for k, v in raw[t].items() if (t, k) != (table, missing))
             for t in ("roles", "connect")]  # fmt: skip
    layers = '[layers]\nild = { gds = [12, 0], title = "I" }\nrdl2 = { gds = [13, 0], title = "R" }\n'
    marks = 'rdl2_mark = { gds = [13, 10], title = "M" }\n'
    user_pdk("half", f'extends = "wlcsp_500"\nname = "half"\n{layers}{marks}{"".join(lines)}')
    assert run(["pdk", "rules", "half"]) == 2
    assert "roles: a second metal needs metal_2 and via_2 here and in connect" in capsys.readouterr().err


# what is asked ------------------------------------------------------------------------------------------------------


def test_the_problem_has_two_layers_with_balls_on_the_second(planned: Callable[[Plan], MaskSet]) -> None:
    built = planned(crossing)
    problem = built.die.problem
    assert problem is not None
    assert problem.layers == 2
    for level in ("rdl", "rdl2"):
        (landing,) = layer(built, level, "rdl_via").each()
        corners = [math.hypot(p.x, p.y) for p in landing.each_point_hull()]
        assert max(corners) * 0.001 == pytest.approx(problem.via / 2, abs=0.001)
    assert {(t.name.split()[0], t.layer) for t in problem.terminals} == {("pad", 0), ("ball", 1)}


@pytest.mark.parametrize(
    ("layers", "pdk", "says"),
    [
        (2, "wlcsp_500", "layers=2, but the process has one metal layer; route on 1"),
        (1, NAME, "layers=1, but the process has balls on the second of two metal layers; route on 2"),
    ],
)
def test_layers_that_the_process_has_not_are_refused(
    layers: int, pdk: str, says: str, spec_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["route", str(spec_file(('"wlcsp_500"', f'"{pdk}"'))), "--layers", str(layers)]) == 2
    assert says in capsys.readouterr().err


def test_as_many_layers_as_the_process_has_are_no_change() -> None:
    ends = tuple(Terminal(n, "n", x, 50.0, 5.0, 5.0, True, layer=z) for n, x, z in (("p", 20.0, 0), ("b", 80.0, 1)))
    problem = RouteProblem(((0, 0), (100, 0), (100, 100), (0, 100)), ends, (), 5.0, 5.0, 5.0, layers=2, via=8.0)
    assert RouteOptions(layers=2).apply(problem, {"p"}) == problem


# what is drawn ------------------------------------------------------------------------------------------------------


def test_nets_that_cross_on_two_metals_build_clean(planned: Callable[[Plan], MaskSet]) -> None:
    built = planned(crossing)
    assert [f.note or f.rule for r in built.report.results for f in r.findings] == []
    assert built.report.exit_code == 0
    ran = {r.rule for r in built.report.results if r.status == "run"}
    assert {"ILD.W.1", "RDL.E.3", "RDL2.W.1", "RDL2.S.1", "RDL2.E.1", "RDL2.D.1", "UBM.E.2", "RDL.E.2", "NETS"} <= ran


def test_each_metal_holds_the_nets_of_its_layer(planned: Callable[[Plan], MaskSet]) -> None:
    built = planned(crossing)
    # four pads, of which a and c run on to vias below their balls; four balls, from which b and d run to vias on pads
    assert [layer(built, name).count() for name in ("rdl", "ild", "rdl2")] == [4, 4, 4]
    vias = {(v.net, v.x, v.y) for v in built.die.plan.vias} if built.die.plan else set()
    chip = built.spec.chip
    expected = {(b.net, b.x, b.y) for b in chip.balls if LAYERS[b.net] == 0}
    assert vias == expected | {(p.net, p.x, p.y) for p in chip.pads if LAYERS[p.net] == 1}
    assert {(p.bbox().center().x, p.bbox().center().y) for p in layer(built, "ild").each()} == {
        (dbu(x), dbu(y)) for _, x, y in vias
    }


def test_shapely_finds_each_pad_joined_with_its_ball_alone(planned: Callable[[Plan], MaskSet]) -> None:
    built = planned(crossing)
    metal = {
        (name, k): shapely.Polygon([(p.x, p.y) for p in shape.each_point_hull()])
        for name in ("rdl", "rdl2") for k, shape in enumerate(layer(built, name).each())
    }  # fmt: skip
    joined = {node: {node} for node in metal}
    for opening in layer(built, "ild").each():
        via = shapely.Polygon([(p.x, p.y) for p in opening.each_point_hull()])
        below, above = sorted(node for node, shape in metal.items() if shape.contains(via))
        assert (below[0], above[0]) == ("rdl", "rdl2")
        joined[below] = joined[above] = joined[below] | joined[above]
    nets: dict[frozenset[tuple[str, int]], list[str]] = {}
    for level, members in (("rdl", built.spec.chip.pads), ("rdl2", built.spec.chip.balls)):
        for m in members:
            at = shapely.Point(dbu(m.x), dbu(m.y))
            (node,) = [n for n, shape in metal.items() if n[0] == level and shape.contains(at)]
            nets.setdefault(frozenset(joined[node]), []).append(m.net)
    assert sorted(nets.values()) == [["a", "a"], ["b", "b"], ["c", "c"], ["d", "d"]]


Harm = Callable[[RoutePlan], RoutePlan]
HARMS: dict[str, tuple[Harm, list[str]]] = {
    "a via is missing": (lambda plan: replace(plan, vias=plan.vias[1:]), ["net a is in 2 pieces in every die"]),
    "a via too many": (
        lambda plan: replace(plan, vias=(*plan.vias, Via("b", 750.0, 750.0))), []
    ),  # joins nothing: its own landings are metal of no net
    "both wires on one layer": (
        lambda plan: replace(plan, wires=tuple(replace(w, layer=0) if w.net == "b" else w for w in plan.wires)),
        ["nets a, b are one piece in every die", "net b is in 2 pieces in every die"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HARMS)
def test_what_is_wrong_with_vias_and_layers_is_found(what: str, planned: Callable[[Plan], MaskSet]) -> None:
    harm, says = HARMS[what]
    built = planned(lambda problem: harm(crossing(problem)))
    (nets,) = [r for r in built.report.results if r.rule == "NETS"]
    assert sorted(f.note for f in nets.findings) == sorted(says)


def test_a_routing_apart_from_a_wafer_has_both_metals(
    planned: Callable[[Plan], MaskSet], spec_file: Callable[..., Path], tmp_path: Path
) -> None:
    built = planned(crossing)  # which also puts the plan in the router's place
    done = api.route_chip(built.spec)
    assert done.complete
    assert {net for net, metal in done.metal.items() if metal.metal} >= {"a", "c"}
    assert {net for net, metal in done.metal_2.items() if metal.metal} >= {"b", "d"}
    assert [(row.net, row.layers, row.vias) for row in done.table] == [
        ("a", (0,), 1), ("b", (1,), 1), ("c", (0,), 1), ("d", (1,), 1)
    ]  # fmt: skip
    length = 656.220  # of each wire: 500 across and 425 up
    for row in done.table:
        assert row.length == pytest.approx(length, abs=0.001)
        assert row.resistance == pytest.approx(1.7241e-8 / 4e-6 * length / 30, rel=1e-5)
    done.save(tmp_path / "out", picture=False)
    layout = kdb.Layout()
    layout.read(str(tmp_path / "out" / "route.gds"))
    for name in ("rdl", "ild", "rdl2"):
        number = layout.find_layer(*built.pdk.gds(name))
        ours = kdb.Region(layout.top_cell().begin_shapes_rec(number)).merged()
        assert (ours ^ layer(built, name)).is_empty()


def test_a_handed_over_build_has_six_plates(planned: Callable[[Plan], MaskSet], tmp_path: Path) -> None:
    built = planned(crossing)
    files = {f.name for f in handover.write(built, tmp_path / "out", previews=False)}
    assert {f"small_{mask}.gds" for mask in ("PI1", "RDL", "ILD", "RDL2", "PI2", "UBM")} <= files


def test_the_routers_own_plan_on_two_metals_builds_clean(tmp_path: Path) -> None:
    """Eight wide nets, a quarter turn from pads to balls: some go on the second metal."""
    middle = 850.0
    sites = [(x, y) for x in (350.0, 850.0, 1350.0) for y in (350.0, 850.0, 1350.0) if (x, y) != (middle, middle)]
    pads = [p for h in (600.0, 1100.0) for p in ((h, 75.0), (1625.0, h), (h, 1625.0), (75.0, h))]
    sites, pads = (sorted(points, key=lambda p: math.atan2(p[1] - middle, p[0] - middle)) for points in (sites, pads))
    rows = {
        "pads.csv": ["pad,net,x,y", *(f"P{k},n{k},{x},{y}" for k, (x, y) in enumerate(pads))],
        "balls.csv": ["ball,net,x,y", *(f"B{k},n{(k + 2) % 8},{x},{y}" for k, (x, y) in enumerate(sites))],
        "turned.toml": [
            f'name = "turned"\npdk = "{NAME}"\n[chip]\nname = "Turned"\nsize = [1700, 1700]\npads = "pads.csv"',
            'balls = "balls.csv"\npad_size = [55, 55]\n[wafer]\ndiameter = 25_000\nstreet = 100',
            '[cells."rdl.wire"]\nwidth = 70\nspace = 70',
        ],
    }
    for file, lines in rows.items():
        (tmp_path / file).write_text("\n".join(lines) + "\n", "utf-8")
    built = maskset.build(spec.read(tmp_path / "turned.toml"))
    assert [f.note or f.rule for r in built.report.results for f in r.findings] == []
    assert built.report.exit_code == 0
    plan = built.die.plan
    assert plan is not None
    assert {w.layer for w in plan.wires} == {0, 1}
    terminals = {t.name: t for t in built.die.problem.terminals} if built.die.problem else {}
    ends = {(w.net, terminals[n].x, terminals[n].y) for w in plan.wires for n in (w.start, w.end)
            if terminals[n].layer != w.layer}  # fmt: skip
    assert {(v.net, v.x, v.y) for v in plan.vias} == ends
    assert len(plan.vias) == layer(built, "ild").count() == 8


# the example --------------------------------------------------------------------------------------------------------

EXAMPLE = ROOT / "examples" / "crossing_2m.toml"
FIRST = {"s1", "s3", "s4", "e1", "e2", "e4", "n3", "n4", "w2", "w3", "w4"}
"""Nets of the example that fit on its first metal."""


def test_the_example_builds_clean_with_its_nets_on_both_metals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "route", lambda problem: divided(problem, FIRST))
    built = maskset.build(spec.read(EXAMPLE))
    assert [f.note or f.rule for r in built.report.results for f in r.findings] == []
    assert built.report.exit_code == 0
    assert built.die.plan is not None
    assert built.die.plan.complete
    assert layer(built, "ild").count() == 16
    # each net has a piece of both metals: wire or landing below, wire or capture above
    assert (layer(built, "rdl").count(), layer(built, "rdl2").count()) == (16, 16)
