"""Octilinear and Manhattan wires: directions, distances, joins, and what cannot be converted."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import klayout.db as kdb
import numpy as np
import pytest

from layoutgen.route import Obstacle, RoutePlan, RouteProblem, Style, Terminal, Via, Wire, box, draw, route
from layoutgen.route.legal import conflicts
from layoutgen.route.styles import Styled, manhattan, octilinear, ways
from layoutgen.units import IntPoints

Make = Callable[..., RouteProblem]
CONVERT = {Style.OCTILINEAR: octilinear, Style.MANHATTAN: manhattan}
BOTH = pytest.mark.parametrize("style", [Style.OCTILINEAR, Style.MANHATTAN])
DIE = box(0.0, 0.0, 2000.0, 2000.0)


def problem(*terminals: Terminal, **more: object) -> RouteProblem:
    base = RouteProblem(DIE, terminals, (), 30.0, 20.0, 15.0)
    return replace(base, **more)  # type: ignore[arg-type]


def wire(net: str, *points: tuple[int, int], **more: object) -> Wire:
    return replace(Wire(net, "", "", points, False, 30.0), **more)  # type: ignore[arg-type]


def check(wires: list[Wire], result: Styled, style: Style) -> None:
    """Ends stay, legs have directions of the style (a tie's last one its own), no bend is above 90 degrees."""
    for i, new in result.wires.items():
        old = wires[i]
        assert (new.points[0], new.points[-1]) == (old.points[0], old.points[-1])
        assert replace(new, points=old.points) == old
        steps = [(bx - ax, by - ay) for (ax, ay), (bx, by) in pairwise(new.points)]
        for dx, dy in steps[:-1] if new.tie else steps:
            assert 0 in (dx, dy) or (style == Style.OCTILINEAR and abs(dx) == abs(dy))
            assert (dx, dy) != (0, 0)
        for (ax, ay), (bx, by) in pairwise(steps):
            assert ax * bx + ay * by >= 0
            assert ax * by != ay * bx  # no point on a straight line


def slanted(polygons: list[IntPoints], style: Style, discs: list[Terminal]) -> list[tuple[int, ...]]:
    """Edges of merged metal at other angles than those of the style, the rims of discs and what joins them apart."""
    region = kdb.Region([kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in p]) for p in polygons]).merged()
    out = []
    for e in (e for p in region.each() for e in p.each_edge()):
        if 0 in (e.dx(), e.dy()) or (style == Style.OCTILINEAR and abs(e.dx()) == abs(e.dy())):
            continue
        near = 50_000 if e.length() < 50 else 0  # corners that barely stand out of a disc are joined to it
        on_rim = any(
            abs(math.hypot(p.x - 1000 * t.x, p.y - 1000 * t.y) - 1000 * t.half_x) < max(near, 3 * t.half_x)
            for t in discs
            for p in (e.p1, e.p2)
        )
        if not on_rim:
            out.append((e.p1.x, e.p1.y, e.p2.x, e.p2.y))
    return out


@BOTH
def test_ways_are_shortest_and_end_exactly(style: Style) -> None:
    rng = random.Random(1)  # noqa: S311
    for _ in range(200):
        a, b = [(rng.randint(-99_999, 99_999), rng.randint(-99_999, 99_999)) for _ in range(2)]
        dx, dy = abs(a[0] - b[0]), abs(a[1] - b[1])
        best = dx + dy if style == Style.MANHATTAN else max(dx, dy) + (math.sqrt(2) - 1) * min(dx, dy)
        every = list(ways(a, b, style))
        assert len(set(every)) == 2
        assert [len(w) for w in every] == [3, 3]
        for way in every:
            assert (way[0], way[-1]) == (a, b)
            assert sum(math.dist(p, q) for p, q in pairwise(way)) == pytest.approx(best, rel=1e-9)
            check([wire("a", a, b)], Styled({0: wire("a", *way)}, {}), style)


@BOTH
@pytest.mark.parametrize("points", [((0, 0), (0, 9)), ((0, 0), (-7, 0))])
def test_straight_segments_stay(style: Style, points: tuple[tuple[int, int], ...]) -> None:
    assert list(ways(*points, style)) == [points]


def test_a_segment_one_step_off_has_a_leg_of_one_step() -> None:
    assert set(ways((0, 0), (10, 1), Style.OCTILINEAR)) == {((0, 0), (1, 1), (10, 1)), ((0, 0), (9, 0), (10, 1))}


@BOTH
@pytest.mark.parametrize("end", [(900_000, 500_000), (500_000, 1_300_000), (900_000, 1_010_000)])
def test_a_bundle_at_exactly_its_pitch_keeps_it(style: Style, end: tuple[int, int]) -> None:
    """Neighbours differ by the corner of an octagon or square, as taut wires around one do."""
    side = math.ceil(50_004 * math.tan(math.pi / 8)) if style == Style.OCTILINEAR else 50_004
    steep = end[1] - 200_000 > end[0] - 200_000
    step = (side, -50_004) if not steep else (50_004, -side)
    if style == Style.MANHATTAN:
        step = (50_004, -50_004)
    wires = []
    for k in range(5):
        dx, dy = k * step[0], k * step[1]
        wires.append(wire(f"n{k}", (300_000 + dx, 400_000 + dy), (300_000 + end[0] + dx, 400_000 + end[1] + dy)))
    p = problem()
    result = CONVERT[style](p, wires)
    assert result.failed == {}
    check(wires, result, style)
    assert conflicts(p, list(result.wires.values())) == []
    shapes = {tuple((x - w.points[0][0], y - w.points[0][1]) for x, y in w.points) for w in result.wires.values()}
    assert len(shapes) == 1
    assert len(next(iter(shapes))) == 3


@BOTH
def test_a_staircase_passes_where_two_legs_cannot(style: Style) -> None:
    a, b = (200_000, 200_000), (1_400_000, 700_000)
    blocks = [Obstacle.box(900.0, 150.0, 1500.0, 400.0), Obstacle.box(200.0, 500.0, 700.0, 800.0)]
    p = problem(obstacles=tuple(blocks))
    result = CONVERT[style](p, [wire("a", a, b)])
    assert conflicts(p, [wire("a", *way) for way in ways(a, b, style)])
    assert result.failed == {}
    check([wire("a", a, b)], result, style)
    assert conflicts(p, list(result.wires.values())) == []
    assert len(result.wires[0].points) > 3


@BOTH
def test_branches_stay_on_their_trunks_and_vias_on_their_wires(style: Style) -> None:
    trunk = wire("a", (200_000, 200_000), (1_400_000, 600_000), start="A", end="B")
    branch = wire("a", (800_000, 1_200_000), (800_000, 400_000), start="C")
    p = problem(layers=2, via=40.0)
    via = Via("a", 500.0, 300.0)
    result = CONVERT[style](p, [trunk, branch], [via])
    assert result.failed == {}
    line = kdb.Path([kdb.Point(*q) for q in result.wires[0].points], 2).polygon()
    for point in ((800_000, 400_000), (500_000, 300_000)):
        assert line.inside(kdb.Point(*point))


def test_a_tie_keeps_its_last_leg() -> None:
    outline = ((0.0, 0.0), (1000.0, 0.0), (1000.0, 600.0), (400.0, 1000.0), (0.0, 1000.0))
    # perpendicular to the slanted side, whose direction is (-3, 2)
    tie = wire("a", (300_000, 300_000), (660_000, 740_000), (700_000, 800_000), tie=True)
    result = octilinear(problem(outline=outline), [tie])
    assert result.failed == {}
    check([tie], result, Style.OCTILINEAR)
    assert result.wires[0].points[-2:] == tie.points[-2:]


@BOTH
def test_what_finds_no_way_is_said_and_its_branches_too(style: Style) -> None:
    """A slanted slot just wider than the wire leaves no other way than straight through."""
    a, b = np.array([300_000, 300_000]), np.array([1_500_000, 800_000])
    normal = np.array([-5, 12]) / 13
    slot = []
    for sign in (-1, 1):
        near, far = normal * sign * 35_100, normal * sign * 90_000
        corners = [a + near, b + near, b + far, a + far]
        slot.append(Obstacle(tuple((float(x) / 1000, float(y) / 1000) for x, y in np.round(corners))))
    trunk = wire("a", (300_000, 300_000), (1_500_000, 800_000), start="A", end="B")
    branch = wire("a", (1_380_000, 750_000), (1_380_000, 1_500_000), start="", end="C")
    p = problem(obstacles=tuple(slot))
    assert conflicts(p, [trunk]) == []
    other = wire("b", (200_000, 1_200_000), (900_000, 1_500_000), start="D", end="E")
    result = CONVERT[style](p, [trunk, other, branch])
    assert sorted(result.failed) == [0, 2]
    assert result.failed[0].startswith(f"no {style} way from (300.0, 300.0) to (")
    assert sorted(result.wires) == [1]


@BOTH
def test_drawn_edges_have_the_directions_of_the_style(style: Style) -> None:
    ball = Terminal("B", "a", 1200.0, 900.0, 120.0, 120.0, True)
    pads = [Terminal("P", "a", 200.0, 300.0, 40.0, 30.0, False), Terminal("Q", "a", 600.0, 1500.0, 40.0, 40.0, False)]
    wires = [
        wire("a", (200_000, 300_000), (1_200_000, 900_000), start="P", end="B"),
        wire("a", (1_200_000, 900_000), (600_000, 1_500_000), start="B", end="Q"),
        wire("a", (200_000, 300_000), (200_000, 0), start="P", tie=True),
    ]
    p = problem(ball, *pads, style=style)
    result = CONVERT[style](p, wires)
    assert result.failed == {}
    drawn = draw(p, RoutePlan(tuple(result.wires.values()), ()))["a"]
    terminals = [
        np.round(1000 * np.array(box(t.x - t.half_x, t.y - t.half_y, t.x + t.half_x, t.y + t.half_y))) for t in pads
    ]
    assert slanted([*drawn.metal, *drawn.tie, *terminals], style, [ball]) == []
    assert len(drawn.metal) >= 4  # both wires, and drops or collars


@BOTH
@pytest.mark.parametrize(("width", "space"), [(30.0, 20.0), (40.0, 10.0)])
def test_a_real_chip(
    caravel: Make, width: float, space: float, style: Style, gate: Callable[..., dict[str, int]]
) -> None:
    """All that any-angle wires do is done, with few bends and as short as straight lines in the style's norm."""
    chip = replace(caravel(width, space), style=style)
    plan = route(chip)
    assert plan.complete
    assert plan.unrouted == ()
    check(list(plan.wires), Styled(dict(enumerate(plan.wires)), {}), style)
    drawn = draw(chip, plan)
    assert gate(chip, plan, drawn) == {}
    if style == Style.OCTILINEAR:
        discs = [t for t in chip.terminals if t.round]
        assert slanted([p for m in drawn.values() for p in (*m.metal, *m.tie)], style, discs) == []
    straight = route(replace(chip, style=Style.ANY_ANGLE)).length()
    assert plan.length() < (1.07 if style == Style.OCTILINEAR else 1.25) * straight
    assert sum(len(w.points) - 2 for w in plan.wires) <= 2 * len(plan.wires)


@BOTH
def test_rows_of_wires_that_just_fit_between_posts_all_pass(style: Style, gate: Callable[..., dict[str, int]]) -> None:
    """Eight wires at their pitch through a gate as wide as they need, from pads that are shifted against each other."""
    pitch, count = 50.0, 8
    pads = [Terminal(f"P{k}", f"n{k}", 100.0, 300.0 + 150.0 * k, 30.0, 30.0, False) for k in range(count)]
    balls = [Terminal(f"B{k}", f"n{k}", 1900.0, 150.0 + 130.0 * k, 30.0, 30.0, False) for k in range(count)]
    room = count * pitch + 20.0 + 4.0
    blocks = (Obstacle.box(950.0, 0.0, 1050.0, 700.0), Obstacle.box(950.0, 700.0 + room, 1050.0, 2000.0))
    p = problem(*pads, *balls, obstacles=blocks, style=style)
    plan = route(p)
    assert plan.complete
    assert gate(p, plan, draw(p, plan)) == {}
    check(list(plan.wires), Styled(dict(enumerate(plan.wires)), {}), style)
    assert plan == route(p)


@BOTH
def test_wires_between_shifted_rows_leave_their_pads_without_notches(
    style: Style, gate: Callable[..., dict[str, int]]
) -> None:
    """As large as can be at once, the slanted parts would end just inside of the upper pads."""
    pads = [
        Terminal(f"{name}{k}", f"n{k}", 62.5 + 50.0 * (k + shift), y, 12.5, 12.5, False)
        for name, y, shift in (("P", 62.5, 0), ("Q", 262.5, 1))
        for k in range(4)
    ]
    p = RouteProblem(box(0.0, 0.0, 400.0, 400.0), tuple(pads), (), 4.0, 4.0, 4.0, style=style)
    plan = route(p)
    assert plan.complete
    assert gate(p, plan, draw(p, plan)) == {}
    for w in plan.wires:
        ends = [t for t in pads if t.name in (w.start, w.end)]
        for x, y in w.points[1:-1] if len(w.points) > 3 else ():
            assert all(max(abs(x / 1000 - t.x), abs(y / 1000 - t.y)) > 12.5 for t in ends)
