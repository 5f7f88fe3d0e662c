"""Metal: teardrops, joins, closed notches, layers and ties; KLayout is the judge."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import klayout.db as kdb
import numpy as np
import pytest
import shapely

from layoutgen.route import (
    NetMetal,
    NetRule,
    RoutePlan,
    RouteProblem,
    Style,
    Terminal,
    Via,
    WideSpace,
    Wire,
    box,
    draw,
)
from layoutgen.route.legal import conflicts
from layoutgen.route.teardrop import landing, teardrops

Gate = Callable[[RouteProblem, RoutePlan, dict[str, NetMetal]], dict[str, int]]
EUCLID = kdb.Region.Euclidian
PAD = Terminal("P", "a", 100.0, 300.0, 30.0, 30.0, False)
BALL = Terminal("B", "a", 700.0, 300.0, 100.0, 100.0, True)


def problem(*terminals: Terminal, **more: object) -> RouteProblem:
    base = RouteProblem(box(0.0, 0.0, 1000.0, 1000.0), (), (), 30.0, 20.0, 15.0)
    return replace(base, terminals=terminals, **more)  # type: ignore[arg-type]


def wire(net: str, *points: tuple[int, int], **more: object) -> Wire:
    return replace(Wire(net, "P", "B", points, False, 30.0), **more)  # type: ignore[arg-type]


def region(polygons: list[np.ndarray]) -> kdb.Region:
    return kdb.Region([kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in p]) for p in polygons]).merged()


def terminal_region(t: Terminal, facets: int = 64) -> kdb.Region:
    if t.polygon:
        return region([np.round(np.array(t.polygon) * 1000)])
    if not t.round:
        corners = box(t.x - t.half_x, t.y - t.half_y, t.x + t.half_x, t.y + t.half_y)
        return region([np.round(np.array(corners) * 1000)])
    angles = 2 * np.pi * (np.arange(facets) + 0.5) / facets
    return region([np.round(1000 * (np.array([t.x, t.y]) + t.half_x * np.array([np.cos(angles), np.sin(angles)]).T))])


def metal(p: RouteProblem, plan: RoutePlan, layer: int = 0, facets: int = 64) -> dict[str, kdb.Region]:
    """Merged metal of each net on a layer, terminals included; every drawn polygon is simple."""
    out = {}
    for net, drawn in draw(p, plan, layer).items():
        assert all(shapely.Polygon(q).is_valid and q.dtype == np.int64 for q in drawn.metal + drawn.tie)
        own = region(drawn.metal + drawn.tie)
        for t in p.terminals:
            if plan.taken.get(t.name, t.net) == net and t.layer == layer:
                own += terminal_region(t, facets)
        out[net] = own.merged()
    return out


def clean(region_: kdb.Region, width: float, space: float) -> bool:
    notches = region_.notch_check(round(space * 1000), False, EUCLID, 80)
    return notches.is_empty() and region_.width_check(round(width * 1000), False, EUCLID, 80).is_empty()


# ---------------------------------------------------------------------- teardrops


@pytest.mark.parametrize("terminal", [PAD, BALL])
def test_teardrops_shrink_and_join_the_terminal_tangentially(terminal: Terminal) -> None:
    x, y = round(terminal.x * 1000), round(terminal.y * 1000)
    drops = list(teardrops(landing(terminal), ((x, y), (x + 400_000, y)), 30_000, 0.5))
    areas = [shapely.Polygon(d).area for d in drops]
    assert len(drops) == 4
    assert areas == sorted(areas, reverse=True)
    far = terminal.half_x * 1000 * (math.cos(math.pi / 16) if terminal.round else 1)
    assert drops[0][:, 0].max() - x == pytest.approx(
        far + max(30_000, 0.4142 * 98_079 if terminal.round else 0), rel=1e-3
    )
    for drop in drops:
        whole = (terminal_region(terminal) + region([drop])).merged()
        assert whole.count() == 1
        # from the pad to the wire's rims nothing but obtuse corners
        assert whole.notch_check(100_000, False, EUCLID, 89).is_empty()


def test_no_teardrop_on_a_wire_that_is_too_short() -> None:
    assert list(teardrops(landing(BALL), ((700_000, 300_000), (800_000, 300_000)), 30_000, 0.5)) == []


def test_teardrops_give_way_to_other_nets() -> None:
    """A foreign pad beside the ball leaves room for the wire but not for the full drop."""
    beside = Terminal("X", "x", 580.0, 365.0, 20.0, 20.0, False)
    plan = RoutePlan((wire("a", (100_000, 300_000), (700_000, 300_000)),), ())
    free = draw(problem(PAD, BALL), plan)["a"]
    tight = draw(problem(PAD, BALL, beside), plan)["a"]
    area = [shapely.union_all([shapely.Polygon(q) for q in n.metal]).area for n in (free, tight)]
    assert area[1] < area[0]
    other = shapely.box(560_000, 345_000, 600_000, 385_000)
    assert min(shapely.Polygon(q).distance(other) for q in tight.metal) >= 20_000


def test_a_teardrop_keeps_the_space_of_its_wide_terminal() -> None:
    """The ball is wide metal: its drop stays 50 um from a foreign wire that keeps 20 um to the wire itself."""
    other = Terminal("X", "x", 560.0, 500.0, 30.0, 30.0, False)
    far = Terminal("Y", "x", 350.0, 352.0, 16.0, 16.0, False)
    p = problem(PAD, BALL, other, far, wide=(WideSpace(150.0, 50.0),))
    foreign = wire("x", (350_000, 352_000), (500_000, 352_000), (560_000, 500_000), start="Y", end="X")
    plan = RoutePlan((wire("a", (100_000, 300_000), (700_000, 300_000)), foreign), ())
    assert conflicts(p, plan.wires) == []
    drops = [shapely.Polygon(q) for q in draw(p, plan)["a"].metal]
    body = shapely.Polygon(draw(p, RoutePlan((foreign,), ()))["x"].metal[0])
    assert min(d.distance(body) for d in drops if d.bounds[2] > 600_000 and d.area < 2e10) >= 20_000
    wide = [d for d in drops if d.bounds[0] > 500_000]
    assert wide
    assert all(d.distance(body) >= 50_000 - 0.01 for d in wide)


# ---------------------------------------------------------------------- notches


def test_an_oblique_wire_leaves_a_square_pad_without_notch(gate: Gate) -> None:
    p = problem(PAD, BALL)
    plan = RoutePlan((wire("a", (100_000, 300_000), (300_000, 360_000), (700_000, 300_000)),), ())
    drawn = draw(p, plan)
    assert gate(p, plan, drawn) == {}
    assert len(drawn["a"].metal) == 3


@pytest.mark.parametrize("facets", [16, 64, 200])
@pytest.mark.parametrize("style", [Style.ANY_ANGLE, Style.OCTILINEAR])
def test_a_wire_that_passes_beside_the_rim_leaves_no_notch_however_discs_are_drawn(style: Style, facets: int) -> None:
    for off in range(30_000, 120_000, 9_000):
        back = off if style == Style.OCTILINEAR else off // 2
        points = ((100_000, 300_000 + off), (700_000 - back, 300_000 + off), (700_000, 300_000))
        plan = RoutePlan((wire("a", *points, start="Q"),), ())
        start = Terminal("Q", "a", 100.0, 300 + off / 1000, 30.0, 30.0, False)
        whole = metal(problem(start, BALL, style=style), plan, facets=facets)["a"]
        assert whole.count() == 1
        assert facets == 16 or clean(whole, 30.0, 20.0), off


def test_random_joins_of_one_net_are_clean() -> None:
    """Two wires that leave a pad at any angle to each other, and a branch that ends on one of them, wide or narrow."""
    rng = random.Random(5)  # noqa: S311
    for case in range(60):
        style = rng.choice([Style.ANY_ANGLE, Style.OCTILINEAR, Style.MANHATTAN])
        at = rng.randint(400, 600) * 1000
        turn = math.pi / 2 if style == Style.MANHATTAN else rng.choice([1, 2, 3]) * math.pi / 4
        if style == Style.ANY_ANGLE:
            turn = rng.uniform(math.radians(25), math.radians(155))
        rise = 250_000
        top = (at + (0 if turn == math.pi / 2 else round(rise / math.tan(turn))), 500_000 + rise)
        if style == Style.ANY_ANGLE:
            top = (at + round(rise * math.cos(turn)), 500_000 + round(rise * math.sin(turn)))
        terminals = [
            Terminal("L", "a", 200.0, 500.0, rng.choice([30.0, 45.0]), 30.0, False),
            Terminal("R", "a", 800.0, 500.0, 40.0, 40.0, True),
            Terminal("U", "a", top[0] / 1000, top[1] / 1000, 35.0, 35.0, True),
        ]
        narrow = rng.choice([10.0, 20.0])
        wires = [
            wire("a", (200_000, 500_000), (800_000, 500_000), start="L", end="R", width=20.0),
            wire("a", top, (at, 500_000), start="U", end="", width=narrow),
        ]
        if style == Style.ANY_ANGLE:
            angle = rng.uniform(-0.3, 0.3)
            end = (round(200_000 + 450_000 * math.cos(angle)), round(500_000 + 450_000 * math.sin(angle)))
            terminals.append(Terminal("V", "a", end[0] / 1000, end[1] / 1000, 35.0, 35.0, True))
            wires.append(wire("a", (200_000, 500_000), end, start="L", end="V", width=20.0))
        p = problem(*terminals, width=narrow, space=15.0, style=style)
        whole = metal(p, RoutePlan(tuple(wires), ()))["a"]
        assert whole.count() == 1, case
        assert clean(whole, narrow, 15.0), case


def test_nearly_parallel_wires_are_joined_no_further_than_needed() -> None:
    ends = [Terminal(f"E{k}", "a", 700.0, 300.0 + 100 * k, 30.0, 30.0, False) for k in range(2)]
    wires = [
        wire("a", (100_000, 300_000), (700_000, 300_000), end="E0"),
        wire("a", (100_000, 300_000), (700_000, 400_000), end="E1"),
    ]
    whole = metal(problem(PAD, *ends), RoutePlan(tuple(wires), ()))["a"]
    assert clean(whole, 30.0, 20.0)
    # the rims part by the space where the centre lines are about 50 um apart: 300 um from the pad
    assert (whole & kdb.Region(kdb.Box(430_000, 318_000, 440_000, 330_000))).is_empty()


def test_a_branch_gets_a_fillet_where_there_is_room() -> None:
    up = Terminal("U", "a", 400.0, 600.0, 30.0, 30.0, False)
    trunk = wire("a", (100_000, 300_000), (700_000, 300_000))
    branch = wire("a", (400_000, 600_000), (400_000, 300_000), start="U", end="")
    for style in (Style.ANY_ANGLE, Style.OCTILINEAR):
        whole = metal(problem(PAD, BALL, up, style=style), RoutePlan((trunk, branch), ()))["a"]
        corner = kdb.Region(kdb.Box(415_000, 315_000, 425_000, 325_000)) & whole
        assert corner.area() > 40e6
        assert clean(whole, 30.0, 20.0)


def test_a_wire_wider_than_its_terminal_ends_smoothly() -> None:
    for angle in range(0, 360, 15):
        end = (
            round(500_000 + 300_000 * math.cos(math.radians(angle))),
            round(500_000 + 300_000 * math.sin(math.radians(angle))),
        )
        small = Terminal("S", "a", 500.0, 500.0, 12.0, 12.0, False)
        far = Terminal("F", "a", end[0] / 1000, end[1] / 1000, 60.0, 60.0, True)
        p = problem(small, far, rules={"a": NetRule(50.0, 20.0)})
        plan = RoutePlan((wire("a", (500_000, 500_000), end, start="S", end="F", width=50.0),), ())
        assert clean(metal(p, plan)["a"], 24.0, 20.0), angle


def test_curved_wires_are_clean(gate: Gate) -> None:
    """Two arcs beside each other, of segments that are much shorter than the wire is wide."""
    terminals, wires = [], []
    for k, radius in enumerate((200.0, 250.1)):
        angles = np.linspace(0, np.pi, 90)
        arc = [
            (round(500_000 + 1000 * radius * math.cos(a)), round(500_000 + 1000 * radius * math.sin(a))) for a in angles
        ]
        net = f"n{k}"
        for end, x in (("A", 500 + radius), ("B", 500 - radius)):
            terminals.append(Terminal(end + net, net, x, 400.0 - 100 * k, 15.0, 15.0, False))
        points = [(arc[0][0], 400_000 - 100_000 * k), *arc, (arc[-1][0], 400_000 - 100_000 * k)]
        wires.append(wire(net, *points, start="A" + net, end="B" + net))
    p = problem(*terminals, style=Style.CURVED)
    plan = RoutePlan(tuple(wires), ())
    found = gate(p, plan, draw(p, plan))
    assert found == {}


def test_nets_of_several_widths_and_spaces(gate: Gate) -> None:
    """A wide supply between two signals, at exactly the larger space, at any slope."""
    for dy in (0, 37_111, 200_000):
        terminals, wires = [], []
        slant = 1 / math.cos(math.atan2(dy, 500_000))
        y = 200_000
        for k, (width, step) in enumerate(((10.0, 0), (60.0, 5_000 + 30_000 + 30_000), (10.0, 65_000))):
            y += math.ceil((step + 8) * slant)
            net = f"n{k}"
            a, b = (200_000, y), (700_000, y + dy)
            wires.append(wire(net, a, b, start=f"A{k}", end=f"B{k}", width=width))
            for end, (px, py), side in (("A", a, -1), ("B", b, 1)):
                far = (px + side * k % 2 * 1, py)
                terminals.append(Terminal(f"{end}{k}", net, far[0] / 1000, far[1] / 1000, width / 2, width / 2, False))
        wires = [replace(w, points=w.points) for w in wires]
        p = problem(*terminals, width=10.0, space=10.0, rules={"n1": NetRule(60.0, 30.0)})
        plan = RoutePlan(tuple(wires), ())
        assert conflicts(p, plan.wires) == [] or dy
        own = metal(p, plan)
        for one, two in (("n0", "n1"), ("n1", "n2")):
            got = own[one].separation_check(own[two], 30_000, False, EUCLID).is_empty()
            assert got == (not conflicts(p, plan.wires))


# ---------------------------------------------------------------------- ties, layers, polygons


@pytest.mark.parametrize("terminal", [replace(PAD, y=200.0), Terminal("P", "a", 100.0, 200.0, 60.0, 60.0, True)])
def test_a_tie_lies_outside_of_its_terminal(terminal: Terminal) -> None:
    tie = wire("a", (100_000, 200_000), (160_000, 130_000), (160_000, 0), tie=True, end="")
    p = problem(terminal)
    drawn = draw(p, RoutePlan((tie,), ()))["a"]
    assert drawn.metal == []
    own, pad = region(drawn.tie), terminal_region(terminal)
    assert (own + pad).merged().count() == 1
    assert (own & pad).area() < 0.06 * pad.area()
    assert clean((own + pad).merged(), 30.0, 20.0)
    assert own.bbox().bottom == 0


def test_ties_reach_terminals_whose_corners_are_cut() -> None:
    corner = replace(PAD, y=200.0)
    tie = wire("a", (100_000, 200_000), (180_000, 120_000), (180_000, 0), tie=True, end="")
    drawn = draw(problem(corner), RoutePlan((tie,), ()))["a"]
    octagon = [(30, -20), (30, 20), (20, 30), (-20, 30), (-30, 20), (-30, -20), (-20, -30), (20, -30)]
    metal_ = region([np.array([(100 + x, 200 + y) for x, y in octagon]) * 1000])
    assert (region(drawn.tie) + metal_).merged().count() == 1
    assert not (region(drawn.tie) & metal_).is_empty()


def test_each_layer_has_its_own_metal_and_landings_are_on_both() -> None:
    upper = Terminal("U", "a", 800.0, 800.0, 60.0, 60.0, True, layer=1)
    p = problem(PAD, upper, layers=2, via=50.0)
    wires = (
        wire("a", (100_000, 300_000), (500_000, 350_000), end=""),
        wire("a", (500_000, 350_000), (800_000, 800_000), start="", end="U", layer=1),
    )
    plan = RoutePlan(wires, (), vias=(Via("a", 500.0, 350.0),))
    landing_ = shapely.Point(500_000, 350_000).buffer(24_900)
    for layer, far in ((0, (800_000, 800_000)), (1, (100_000, 300_000))):
        whole = metal(p, plan, layer)["a"]
        assert whole.count() == 1
        assert clean(whole, 30.0, 20.0)
        polygons = [shapely.Polygon([(q.x, q.y) for q in poly.each_point_hull()]) for poly in whole.each()]
        assert polygons[0].contains(landing_)
        assert polygons[0].distance(shapely.Point(far)) > 200_000
        # the landing has a teardrop: more metal beside the wire than the disc alone
        wire_ = shapely.LineString(wires[layer].points).buffer(15_010, cap_style="flat")
        beside = polygons[0].intersection(shapely.Point(500_000, 350_000).buffer(60_000)).difference(wire_)
        assert beside.difference(landing_.buffer(200)).area > 1e6


def test_polygonal_terminals_get_teardrops() -> None:
    hexagon = tuple(
        (700 + 80 * math.cos(math.radians(a)), 300 + 80 * math.sin(math.radians(a))) for a in range(0, 360, 60)
    )
    ball = Terminal("B", "a", 700.0, 300.0, 80.0, 70.0, False, polygon=hexagon)
    for y in range(200, 420, 17):
        p = problem(replace(PAD, y=float(y)), ball)
        plan = RoutePlan((wire("a", (100_000, y * 1000), (700_000, 300_000)),), ())
        drawn = draw(p, plan)["a"]
        assert len(drawn.metal) >= 3
        assert clean(metal(p, plan)["a"], 30.0, 20.0)


def test_a_taken_terminal_belongs_to_the_net_that_took_it() -> None:
    free = replace(BALL, net="", group="power")
    p = problem(PAD, free)
    plan = RoutePlan((wire("a", (100_000, 300_000), (700_000, 300_000)),), (), taken={"B": "a"})
    assert len(draw(p, plan)["a"].metal) == 3


def test_nothing_is_drawn_of_a_wire_without_length() -> None:
    twin = replace(PAD, name="B")
    assert draw(problem(PAD, twin), RoutePlan((wire("a", (100_000, 300_000)),), ())) == {"a": NetMetal()}
