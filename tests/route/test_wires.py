"""Bodies, teardrops and filled notches."""

from __future__ import annotations

import klayout.db as kdb
import numpy as np
import pytest
import shapely

from layoutgen.route import RoutePlan, RouteProblem, Terminal, Wire, box, draw
from layoutgen.route.legal import body, conflicts
from layoutgen.route.router import snap
from layoutgen.route.wires import teardrops

PAD = Terminal("P", "a", 100.0, 300.0, 30.0, 30.0, False)
BALL = Terminal("B", "a", 700.0, 300.0, 100.0, 100.0, True)
OTHER = Terminal("C", "b", 700.0, 600.0, 100.0, 100.0, True)


def problem(*terminals: Terminal) -> RouteProblem:
    return RouteProblem(box(0.0, 0.0, 1000.0, 1000.0), terminals, (), 30.0, 20.0, 15.0)


def wire(net: str, *points: tuple[int, int]) -> Wire:
    return Wire(net, "P", "B", points, False, 30.0)


def test_a_body_is_as_wide_as_asked() -> None:
    points = body(wire("a", (0, 0), (100_000, 0)), 30_004)
    assert shapely.Polygon(points).bounds == (0, -15_002, 100_000, 15_002)


def test_straight_and_repeated_points_are_dropped() -> None:
    assert snap([(0.0, 0.0), (1.0, 1.0), (1.0, 1.0004), (5.0, 5.0), (5.0, 9.0)]) == ((0, 0), (5000, 5000), (5000, 9000))


@pytest.mark.parametrize("terminal", [PAD, BALL])
def test_teardrops_are_convex_contain_the_pad_and_shrink(terminal: Terminal) -> None:
    x, y = round(terminal.x * 1000), round(terminal.y * 1000)
    drops = list(teardrops(terminal, ((x, y), (x + 400_000, y)), 30_004, 30_000, 0.5))
    areas = [shapely.Polygon(d).area for d in drops]
    assert len(drops) == 4
    assert areas == sorted(areas, reverse=True)
    for drop in drops:
        polygon = shapely.Polygon(drop)
        assert polygon.convex_hull.area == pytest.approx(polygon.area)
        assert polygon.contains(shapely.Point(x, y).buffer(terminal.half_x * 999))
    assert drops[0][:, 0].max() - x == pytest.approx(
        terminal.half_x * 1000 + max(30_000, 0.4142 * 100_000 if terminal.round else 0), rel=1e-3
    )


def test_no_teardrop_on_a_wire_that_is_too_short() -> None:
    assert list(teardrops(BALL, ((700_000, 300_000), (800_000, 300_000)), 30_004, 30_000, 0.5)) == []


def test_conflicts_are_exact_to_the_grid() -> None:
    p = problem(PAD, BALL, OTHER)
    near = 300_000 + 15_000 + 20_000 + 15_000
    for y, wanted in ((near, 0), (near - 1, 1)):
        a, b = wire("a", (200_000, 300_000), (500_000, 300_000)), wire("b", (200_000, y), (500_000, y))
        assert len(conflicts(p, [a, b], 30_000)) == wanted
    low = 600_000 - 100_000 - 20_000 - 15_000
    for y, wanted in ((low, 0), (low + 1, 1)):
        assert len(conflicts(p, [wire("a", (500_000, y), (900_000, y))], 30_000)) == wanted


def test_an_oblique_wire_leaves_a_square_pad_without_notch() -> None:
    p = problem(PAD, BALL)
    slanted = wire("a", (100_000, 300_000), (300_000, 360_000), (700_000, 300_000))
    plan = RoutePlan((slanted,), ())
    drawn = draw(p, plan)["a"]
    union = kdb.Region([kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in q]) for q in drawn.metal])
    union.insert(kdb.Box(70_000, 270_000, 130_000, 330_000))
    union.merge()
    assert union.notch_check(20_000, False, kdb.Region.Euclidian, 80).is_empty()
    assert union.width_check(30_000, False, kdb.Region.Euclidian, 80).is_empty()
    assert all(q.dtype == np.int64 for q in drawn.metal)
    assert len(drawn.metal) == 3


def test_teardrops_give_way_to_other_nets() -> None:
    """A foreign pad beside the ball leaves room for the wire but not for the full drop."""
    beside = Terminal("X", "x", 580.0, 365.0, 20.0, 20.0, False)
    straight = wire("a", (100_000, 300_000), (700_000, 300_000))
    plan = RoutePlan((straight,), ())
    free = draw(problem(PAD, BALL), plan)["a"]
    tight = draw(problem(PAD, BALL, beside), plan)["a"]
    area = [shapely.union_all([shapely.Polygon(q) for q in n.metal]).area for n in (free, tight)]
    assert area[1] < area[0]
    other = shapely.box(560_000, 345_000, 600_000, 385_000)
    assert min(shapely.Polygon(q).distance(other) for q in tight.metal) >= 20_000
