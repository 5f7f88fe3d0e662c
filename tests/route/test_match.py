"""Meanders: lengths on the grid by addition, metal by KLayout."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise

import klayout.db as kdb
import pytest
import shapely

from layoutgen.route import (
    Matched,
    NetMetal,
    NetRule,
    Obstacle,
    RoutePlan,
    RouteProblem,
    Style,
    Terminal,
    Wire,
    box,
    draw,
    route,
    route_and_draw,
)
from layoutgen.route.legal import body, conflicts
from layoutgen.route.match import match

Gate = Callable[[RouteProblem, RoutePlan, dict[str, NetMetal]], dict[str, int]]
STYLES = [(Style.MANHATTAN, 0.0), (Style.OCTILINEAR, math.pi / 4), (Style.ANY_ANGLE, 0.3), (Style.CURVED, 0.3)]


def broken(problem: RouteProblem, wires: tuple[Wire, ...]) -> int:
    """Conflicts by the router's own judge."""
    return len(conflicts(problem, list(wires)))


def lines(
    *shorter: float, turn: float = 0.0, apart: float = 600.0, within: float = 0.01, **more: object
) -> tuple[RouteProblem, tuple[Wire, ...]]:
    """Straight wires side by side, each shorter than 1900 um by what is given, all to be matched."""
    terminals, wires = [], []

    def at(x: float, y: float) -> tuple[float, float]:
        x, y = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
        return round(x, 3), round(y, 3)

    for k, less in enumerate(shorter):
        a, way = at(0, apart * k), at(1900 - less, 0)
        b = (round(a[0] + way[0], 3), round(a[1] + way[1], 3))
        terminals.append(Terminal(f"P{k}", f"n{k}", *a, 30.0, 30.0, False))
        terminals.append(Terminal(f"B{k}", f"n{k}", *b, 60.0, 60.0, True))
        points = ((round(a[0] * 1000), round(a[1] * 1000)), (round(b[0] * 1000), round(b[1] * 1000)))
        wires.append(Wire(f"n{k}", f"P{k}", f"B{k}", points, False, 30.0))
    group = Matched(tuple(f"n{k}" for k in range(len(shorter))), within)
    given = {"outline": box(-3000.0, -3000.0, 4000.0, 4000.0), "obstacles": (), "width": 30.0, "space": 20.0}
    problem = RouteProblem(terminals=tuple(terminals), edge=15.0, matched=(group,), **{**given, **more})  # type: ignore[arg-type]
    return problem, tuple(wires)


def lengths(wires: tuple[Wire, ...]) -> list[float]:
    return [sum(math.dist(a, b) for a, b in pairwise(w.points)) / 1000 for w in wires]


def check(gate: Gate, problem: RouteProblem, wires: tuple[Wire, ...]) -> None:
    plan = RoutePlan(wires, ())
    assert broken(problem, wires) == 0
    assert gate(problem, plan, draw(problem, plan)) == {}


@pytest.mark.parametrize(("style", "turn"), STYLES)
def test_lengths_are_exact_in_every_style(gate: Gate, style: Style, turn: float) -> None:
    """From a bump of some um to a meander of several legs."""
    problem, wires = lines(0, 0.5, 18, 60, 135, 333.3, 900, turn=turn, apart=350.0, style=style)
    done, missed = match(problem, wires)
    assert missed == []
    assert done[0] == wires[0]
    assert max(lengths(done)) - min(lengths(done)) <= 0.01
    assert max(lengths(done)) <= lengths(wires)[0] + 0.005
    for old, new in zip(wires, done, strict=True):
        assert (new.points[0], new.points[-1]) == (old.points[0], old.points[-1])
    check(gate, problem, done)
    # in octilinear and Manhattan style not one leg is off its direction
    ways = {(b[0] - a[0], b[1] - a[1]) for w in done for a, b in pairwise(w.points)}
    if style is Style.MANHATTAN:
        assert all(0 in way for way in ways)
    if style is Style.OCTILINEAR:
        assert all(0 in way or abs(way[0]) == abs(way[1]) for way in ways)


@pytest.mark.parametrize("style", list(Style))
def test_meanders_have_no_notches_of_their_own(style: Style) -> None:
    problem, wires = lines(0, 700, style=style)
    done, _ = match(problem, wires)
    metal = kdb.Region(kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in body(done[1], 0.004)])).merged()
    assert metal.notch_check(20_000, False, kdb.Region.Euclidian, 80).is_empty()
    assert metal.width_check(30_000, False, kdb.Region.Euclidian, 80).is_empty()


def test_a_segment_that_is_off_by_rounding_still_takes_meanders() -> None:
    for style, turn in STYLES[:2]:
        problem, (first, second) = lines(0, 100, turn=turn, style=style)
        (x, y) = second.points[1]
        start = (first, replace(second, points=(second.points[0], (x, y + 1))))
        done, missed = match(problem, start)
        assert missed == []
        off = [min(abs(b[0] - a[0]), abs(b[1] - a[1]), abs(abs(b[0] - a[0]) - abs(b[1] - a[1])))
               for a, b in pairwise(done[1].points)]  # fmt: skip
        assert max(off) == 1
        assert sum(off) <= 2


def test_nets_within_the_tolerance_stay() -> None:
    problem, wires = lines(0, 4, 6, within=5.0)
    done, missed = match(problem, wires)
    assert done[:2] == wires[:2]
    assert lengths(done)[2] == pytest.approx(1900, abs=0.005)
    assert missed == []


@pytest.mark.parametrize("style", list(Style))
def test_a_wire_too_short_for_a_meander_is_listed_with_what_it_lacks_and_needs(style: Style) -> None:
    problem, wires = lines(0, 1860, apart=1000.0, style=style)
    done, missed = match(problem, wires)
    assert done == wires
    (miss,) = missed
    assert (miss.wanted, miss.reached) == (pytest.approx(1900), pytest.approx(40))
    said = re.fullmatch(
        r"1860.0 um too short: its longest straight piece is 40.0 um, and a meander needs (.*); only a longer way "
        "round would do",
        miss.reason,
    )
    assert said
    assert float(said[1]) > 40
    assert style is not Style.MANHATTAN or float(said[1]) == pytest.approx(30 + 20, abs=0.15)  # a leg and a space


@pytest.mark.parametrize("style", list(Style))
def test_without_room_the_net_is_listed(gate: Gate, style: Style) -> None:
    problem, wires = lines(0, 300, apart=100.0, style=style)
    walls = (Obstacle.box(-100.0, 135.5, 2100.0, 300.0),)
    problem = replace(problem, obstacles=walls)
    done, missed = match(problem, wires)
    assert [(m.net, m.nets) for m in missed] == [("n1", ("n0", "n1"))]
    assert missed[0].wanted == pytest.approx(1900)
    assert missed[0].reached == pytest.approx(lengths(done)[1])
    assert "a longer way round" in missed[0].reason
    assert done[0] == wires[0]
    check(gate, problem, done)


def test_a_corridor_is_used_on_both_sides(gate: Gate) -> None:
    """175 um to either side hold legs of 240 um in all: too little on one side alone."""
    walls = (Obstacle.box(-200.0, 775.0, 2200.0, 900.0), Obstacle.box(-200.0, 300.0, 2200.0, 425.0))
    for style in (Style.ANY_ANGLE, Style.CURVED):
        problem, wires = lines(0, 1000, style=style, obstacles=walls)
        done, missed = match(problem, wires)
        assert missed == []
        ys = [y for _, y in done[1].points]
        assert min(ys) < 600_000 - 50_000
        assert max(ys) > 600_000 + 50_000
        check(gate, problem, done)


def test_slanting_obstacles_pads_and_spaces_of_nets_are_kept(gate: Gate) -> None:
    wedge = Obstacle(((400.0, 670.0), (1900.0, 900.0), (400.0, 900.0)))
    problem, wires = lines(0, 800, obstacles=(wedge,), rules={"n1": NetRule(30.0, 45.0)})
    extra = Terminal("X", "x", 300.0, 450.0, 80.0, 80.0, True)
    problem = replace(problem, terminals=(*problem.terminals, extra))
    done, missed = match(problem, wires)
    assert missed == []
    metal = shapely.Polygon(body(done[1], 0.004))
    assert metal.distance(shapely.Polygon([(x * 1000, y * 1000) for x, y in wedge.points])) >= 45_000
    assert metal.distance(shapely.Point(300_000, 450_000)) >= 80_000 + 45_000
    assert metal.distance(shapely.Polygon(body(done[0], 0.004))) >= 45_000
    check(gate, problem, done)


def test_the_outline_is_kept_at_its_edge() -> None:
    """A die that is cut away on one side of the wire."""
    cut = ((-100.0, -400.0), (2100.0, -400.0), (2100.0, 500.0), (1500.0, 700.0), (-100.0, 660.0))
    problem, wires = lines(0, 500, outline=cut, apart=500.0)
    done, missed = match(problem, wires)
    assert missed == []
    ring = shapely.LinearRing([(x * 1000, y * 1000) for x, y in cut])
    assert shapely.Polygon(body(done[1], 0.004)).distance(ring) >= 15_000


def test_several_segments_share_what_one_cannot_hold(gate: Gate) -> None:
    problem, wires = lines(0, 0, apart=1000.0)
    block = Obstacle.box(-200.0, 1040.0, 2200.0, 1800.0)
    low = Obstacle.box(-200.0, 300.0, 2200.0, 875.0)
    zigzag = ((0, 1_000_000), (640_000, 1_000_000), (900_000, 985_000), (1_700_000, 980_000))
    problem = replace(
        problem,
        terminals=(*problem.terminals[:3], replace(problem.terminals[3], x=1700.0, y=980.0)),
        obstacles=(block, low),
    )
    start = (wires[0], replace(wires[1], points=zigzag))
    assert broken(problem, start) == 0
    done, missed = match(problem, start)
    assert missed == []
    assert lengths(done)[1] == pytest.approx(1900, abs=0.005)
    check(gate, problem, done)


def test_branches_keep_their_landings() -> None:
    """A net of three pads: its wires add up, and the point where its branch lands does not move."""
    problem, wires = lines(0, 400, apart=1000.0)
    branch = Wire("n1", "Q", "", ((750_000, 1_300_000), (750_000, 1_000_000)), False, 30.0)
    pad = Terminal("Q", "n1", 750.0, 1300.0, 30.0, 30.0, False)
    long = Wire("n0", "P0", "B0", ((0, 0), (0, -400_000), (1_900_000, -400_000), (1_900_000, 0)), False, 30.0)
    problem = replace(problem, terminals=(*problem.terminals, pad))
    done, missed = match(problem, (long, wires[1], branch))
    assert missed == []
    assert lengths(done)[1] + lengths(done)[2] == pytest.approx(2700, abs=0.005)
    trunk = shapely.LineString(done[1].points)
    assert trunk.distance(shapely.Point(done[2].points[-1])) == 0
    assert len(done[1].points) + len(done[2].points) > 4
    assert broken(problem, done) == 0


def test_ties_and_nets_that_are_not_matched_stay() -> None:
    problem, wires = lines(0, 100, 500)
    problem = replace(problem, matched=(Matched(("n0", "n1"), 0.01),), ties=True)
    tie = Wire("n1", "P1", "", ((0, 600_000), (-3_000_000, 600_000)), True, 30.0)
    done, missed = match(problem, (*wires, tie))
    assert missed == []
    assert done[2:] == (wires[2], tie)
    assert lengths(done)[1] == pytest.approx(1900, abs=0.005)


def test_a_net_without_wires_is_listed_and_no_groups_change_nothing() -> None:
    problem, wires = lines(0, 100)
    done, missed = match(problem, wires[:1])
    assert done == wires[:1]
    assert [(m.net, m.reached, m.reason) for m in missed] == [("n1", 0.0, "it has no wires")]
    assert match(replace(problem, matched=()), wires) == (wires, [])


@pytest.mark.parametrize("style", [Style.ANY_ANGLE, Style.CURVED])
def test_four_nets_of_a_generated_chip(grid_chip: Callable[[bool], RouteProblem], gate: Gate, style: Style) -> None:
    problem = replace(grid_chip(False), style=style)
    plan = route(problem)
    by_length = sorted(plan.net_lengths().items(), key=lambda item: (item[1], item[0]))
    group = tuple(net for net, _ in by_length[-8::2])
    problem = replace(problem, matched=(Matched(group, 0.02),))
    wires = plan.wires
    done, missed = match(problem, wires)
    assert (done, missed) == match(problem, wires)
    assert missed == []
    after = RoutePlan(done, ()).net_lengths()
    assert max(after[n] for n in group) - min(after[n] for n in group) <= 0.02
    assert [w for w in done if w.net not in group] == [w for w in wires if w.net not in group]
    check(gate, problem, done)


def test_polygon_pads_are_kept_clear_and_metal_of_another_layer_is_not_in_the_way() -> None:
    """A diamond in the way of all legs on one side, and a wall on the other that is on this layer or on the next."""
    problem, wires = lines(0, 900)
    diamond = ((500.0, 640.0), (900.0, 720.0), (500.0, 800.0), (100.0, 720.0))
    pad = Terminal("X", "x", 500.0, 720.0, 400.0, 80.0, False, polygon=diamond)
    wide = NetRule(80.0, 20.0)
    for layer, free in ((0, False), (1, True)):
        wall = Obstacle(box(-200.0, 300.0, 2200.0, 560.0), layer)
        p = replace(problem, terminals=(*problem.terminals, pad), obstacles=(wall,), layers=2, via=40.0)
        done, missed = match(p, wires)
        assert (missed == []) == free
        metal = shapely.Polygon(body(done[1], 0.004))
        assert metal.distance(shapely.Polygon([(x * 1000, y * 1000) for x, y in diamond])) >= 20_000
        assert (min(y for _, y in done[1].points) < 590_000) == free
    broad = replace(problem, rules={"n1": wide})
    done, missed = match(broad, (wires[0], replace(wires[1], width=80.0)))
    assert missed == []
    polygon = kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in body(done[1], 0.004)])
    assert kdb.Region(polygon).merged().notch_check(20_000, False, kdb.Region.Euclidian, 80).is_empty()
    assert polygon.area() == pytest.approx(lengths(done)[1] * 1000 * 80_004, rel=0.01)  # no leg lies on another


@pytest.mark.parametrize("style", Style)
def test_meanders_are_not_filled(style: Style) -> None:
    """No way through a net's metal, nearly as wide as its wire, cuts a meander short: beside discs gaps are closed."""
    at = {"d2": (1300.0, 900.0), "d1": (1100.0, 400.0)}
    terminals = [Terminal(f"P{net}", net, x, 100.0, 30.0, 30.0, False) for net, (x, _) in at.items()]
    terminals += [Terminal(f"B{net}", net, x, 1000.0, 135.0, 135.0, True) for net, (_, x) in at.items()]
    die = box(0.0, 0.0, 1800.0, 1700.0)
    matched = (Matched(("d1", "d2"), 5.0),)
    asked = RouteProblem(die, tuple(terminals), (), 30.0, 20.0, 15.0, style=style, matched=matched)
    plan, (metal,) = route_and_draw(asked)
    assert plan.complete
    longer = 0
    for wire in plan.wires:
        drawn = shapely.union_all([shapely.Polygon(points) for points in metal[wire.net].metal])
        for i, j in combinations(range(len(wire.points)), 2):
            part = shapely.LineString(wire.points[i : j + 1])
            straight = shapely.LineString([wire.points[i], wire.points[j]])
            if part.length > straight.length + 1000:
                longer += 1
                assert not drawn.covers(straight.buffer(490 * wire.width, cap_style="flat"))
    assert longer
