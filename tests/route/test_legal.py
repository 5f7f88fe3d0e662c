"""Bodies and conflicts, exact to the grid, against KLayout and closed forms."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import klayout.db as kdb
import numpy as np
import pytest
import shapely

from layoutgen.route import NetRule, Obstacle, RouteProblem, Terminal, Via, WideSpace, Wire, box
from layoutgen.route.legal import bodies, body, conflicts, extent

EUCLID = kdb.Region.Euclidian


def wire(net: str, *points: tuple[int, int], width: float = 30.0, layer: int = 0, tie: bool = False) -> Wire:
    return Wire(net, "", "", points, tie, width, layer)


def problem(*terminals: Terminal, **more: object) -> RouteProblem:
    base = RouteProblem(box(0.0, 0.0, 1000.0, 1000.0), terminals, (), 30.0, 20.0, 15.0)
    return replace(base, **more)  # type: ignore[arg-type]


def region(points: np.ndarray) -> kdb.Region:
    return kdb.Region(kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in points]))


@pytest.mark.parametrize("reverse", [False, True])
def test_axis_parallel_bodies_have_exactly_the_width_and_odd_ones_stand_out_above(reverse: bool) -> None:
    way = -1 if reverse else 1
    for points, bounds in (
        (((0, 0), (100_000, 0)), (0, -15_000, 100_000, 15_001)),
        (((0, 0), (0, 100_000)), (-15_000, 0, 15_001, 100_000)),
    ):
        assert shapely.Polygon(body(wire("a", *points[::way], width=30.001), 0.004)).bounds == bounds


def test_diagonal_bodies_are_exactly_diagonal_and_hardly_wider() -> None:
    points = body(wire("a", (0, 0), (200_000, 200_000), (300_000, 200_000), (400_000, 100_000)), 0.004)
    steps = np.abs(np.roll(points, -1, axis=0) - points)
    assert np.all((steps[:, 0] == 0) | (steps[:, 1] == 0) | (steps[:, 0] == steps[:, 1]))
    straight = shapely.Polygon(body(wire("a", (0, 0), (200_000, 200_000)), 0.004))
    across = straight.area / math.hypot(200_000, 200_000)
    assert 30_000 <= across <= 30_004.5


def test_bodies_of_any_bends_are_simple_and_never_too_narrow() -> None:
    rng = random.Random(3)  # noqa: S311
    wires = []
    for _ in range(600):
        width, angle, points = rng.choice([5.0, 10.001, 29.999]), rng.uniform(0, 7), [(0, 0)]
        for _ in range(rng.randint(1, 6)):
            length = rng.uniform(1.5, 6) * width * 1000
            x, y = points[-1]
            points.append((round(x + length * math.cos(angle)), round(y + length * math.sin(angle))))
            angle += rng.uniform(-0.8, 0.8)
            if rng.random() < 0.5:
                angle = round(angle / (math.pi / 4)) * math.pi / 4
        wires.append(wire("a", *points, width=width))
    for w, points_ in zip(wires, bodies(wires, 0.004), strict=True):
        limit = round(w.width * 1000)
        assert shapely.Polygon(points_).is_valid
        assert region(points_).width_check(limit, False, EUCLID, 80).is_empty(), w
        line = shapely.LineString(w.points)
        assert shapely.Polygon(points_).area <= line.length * (limit + 6) + limit * limit


@pytest.mark.parametrize("slope", [1, 7, 60, 90])
def test_a_hardly_slanted_segment_joins_an_axis_without_moving_its_rim(slope: int) -> None:
    points = body(wire("a", (0, 0), (100_000, 0), (200_000, slope)), 0.004)
    straight = [tuple(p) for p in points.tolist() if p[0] < 99_990]
    assert sorted(straight) == [(0, -15_000), (0, 15_000)]
    assert region(points).width_check(30_000, False, EUCLID, 80).is_empty()
    assert region(points).notch_check(30_000, False, EUCLID, 80).is_empty()


@pytest.mark.parametrize(("radius", "count"), [(8, 30), (8, 100), (12, 30), (50, 100)])
def test_arcs_of_short_segments_have_no_overlap(radius: int, count: int) -> None:
    angles = [k * math.pi / count for k in range(count + 1)]
    arc = [(round(radius * 1000 * math.cos(a)), round(radius * 1000 * math.sin(a))) for a in angles]
    points = body(wire("a", (radius * 1000, -50_000), *arc, (-radius * 1000, -50_000), width=20.0), 0.004)
    polygon = shapely.Polygon(points)
    assert polygon.is_valid
    assert region(points).width_check(20_000, False, EUCLID, 80).is_empty()
    line = shapely.LineString([(radius * 1000, -50_000), *arc, (-radius * 1000, -50_000)])
    ideal = line.buffer(10_000, cap_style="flat", join_style="round", quad_segs=64)
    assert polygon.symmetric_difference(ideal).area < 12 * line.length


def test_a_wire_without_length_has_no_body() -> None:
    assert body(wire("a", (5, 5), (5, 5)), 0.004).shape == (0, 2)
    assert conflicts(problem(), [wire("a", (50_000, 50_000))]) == []


# ---------------------------------------------------------------------- conflicts

BALL = Terminal("C", "c", 700.0, 600.0, 100.0, 100.0, True)


def count(p: RouteProblem, *wires: Wire, vias: tuple[Via, ...] = ()) -> int:
    return len(conflicts(p, list(wires), vias))


def test_wires_and_discs_keep_exactly_their_space() -> None:
    p = problem(BALL)
    near = 300_000 + 15_000 + 20_000 + 15_000
    for y, wanted in ((near, 0), (near - 1, 1)):
        a, b = wire("a", (200_000, 300_000), (500_000, 300_000)), wire("b", (200_000, y), (500_000, y))
        assert count(p, a, b) == wanted
    low = 600_000 - 100_000 - 20_000 - 15_000
    for y, wanted in ((low, 0), (low + 1, 1)):
        assert count(p, wire("a", (500_000, y), (900_000, y))) == wanted
        assert count(p, wire("c", (500_000, y), (900_000, y))) == 0


def test_of_two_nets_the_larger_space_counts_and_each_wire_has_its_width() -> None:
    pads = (Terminal("A", "a", 100.0, 900.0, 30.0, 30.0, False), Terminal("B", "b", 900.0, 900.0, 30.0, 30.0, False))
    p = problem(*pads, rules={"a": NetRule(60.0, 25.0), "b": NetRule(10.0, 5.0)})
    a = wire("a", (200_000, 300_000), (500_000, 300_000), width=60.0)
    for gap, wanted in ((25_000, 0), (24_999, 1)):
        y = 300_000 + 30_000 + gap + 5_000
        assert count(p, a, wire("b", (200_000, y), (500_000, y), width=10.0)) == wanted


def test_wide_metal_keeps_its_space_wires_and_terminals_alike() -> None:
    p = problem(BALL, wide=(WideSpace(150.0, 50.0), WideSpace(50.0, 30.0)))
    low = 600_000 - 100_000 - 50_000 - 15_000
    for y, wanted in ((low, 0), (low + 1, 1)):
        assert count(p, wire("a", (500_000, y), (900_000, y))) == wanted
    for gap, wanted in ((30_000, 0), (29_999, 1)):
        y = 200_000 + 30_000 + gap + 15_000
        broad = wire("a", (200_000, 200_000), (500_000, 200_000), width=60.0)
        assert count(p, broad, wire("b", (200_000, y), (500_000, y))) == wanted


def test_polygons_are_measured_as_they_are() -> None:
    corner = ((600.0, 500.0), (700.0, 600.0), (600.0, 700.0), (500.0, 600.0))
    diamond = Terminal("D", "d", 600.0, 600.0, 100.0, 100.0, False, polygon=corner)
    block = Obstacle(((100.0, 600.0), (400.0, 600.0), (400.0, 620.0), (120.0, 620.0), (120.0, 900.0), (100.0, 900.0)))
    p = problem(diamond, obstacles=(block,))
    for y, wanted in ((465_000, 0), (465_001, 1)):
        assert count(p, wire("a", (500_000, y), (700_000, y))) == wanted
    assert count(p, wire("a", (200_000, 700_000), (200_000, 900_000))) == 0  # in the angle of the block
    assert count(p, wire("a", (154_999, 700_000), (154_999, 900_000))) == 1
    assert extent(diamond) == pytest.approx(100 * math.sqrt(2))
    assert extent(replace(diamond, polygon=box(0.0, 0.0, 30.0, 80.0))) == pytest.approx(30.0)


def test_layers_are_apart() -> None:
    block = Obstacle.box(300.0, 280.0, 400.0, 320.0, layer=1)
    p = problem(terminals=(replace(BALL, layer=1),), obstacles=(block,), layers=2, via=40.0)
    for layer, wanted in ((0, 0), (1, 2)):
        a = wire("a", (200_000, 300_000), (500_000, 300_000), layer=layer)
        b = wire("a", (500_000, 600_000), (900_000, 600_000), layer=layer)
        assert count(p, a, b) == wanted
    assert count(p, a, wire("b", (200_000, 310_000), (500_000, 310_000))) == 1


def test_landings_of_vias_stand_on_both_layers() -> None:
    p = problem(layers=2, via=40.0)
    for layer in (0, 1):
        for y, wanted in ((355_000, 0), (354_999, 1)):
            a = wire("a", (200_000, y), (500_000, y), layer=layer)
            assert count(p, a, vias=(Via("b", 300.0, 300.0),)) == wanted


def test_the_edge_of_a_polygonal_outline_counts_and_ties_are_exempt() -> None:
    outline = ((0.0, 0.0), (1000.0, 0.0), (1000.0, 500.0), (500.0, 1000.0), (0.0, 1000.0))
    p = problem(outline=outline)
    # the slanted side is x + y = 1500 um; the wire's corner is nearest to it
    reach = 1_500_000 - math.ceil(15_000 * math.sqrt(2))
    for end, wanted in ((reach - 915_000, 0), (reach - 915_000 + 1, 1)):
        assert count(p, wire("a", (900_000, 200_000), (900_000, end))) == wanted
    tie = wire("a", (600_000, 600_000), (750_000, 750_000), tie=True)
    assert count(p, tie) == 0
    assert count(p, replace(tie, tie=False)) == 1
    assert count(p, wire("a", (600_000, 600_000), (751_000, 751_000), tie=True)) == 1


def test_a_free_terminal_is_foreign_until_a_wire_ends_on_it() -> None:
    ball = replace(BALL, net="", group="power")
    p = problem(ball)
    beside = wire("a", (300_000, 600_000), (700_000, 600_000))
    assert count(p, beside) == 1
    assert count(p, replace(beside, end="C")) == 0
    assert count(p, replace(beside, end="C"), wire("b", (719_999, 600_000), (950_000, 600_000))) == 2
