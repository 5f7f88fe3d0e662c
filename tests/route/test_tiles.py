"""Tile graph: capacities against closed form, and a triangulation without gaps."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from layoutgen.route import NetRule, Obstacle, RouteProblem, Style, Terminal, WideSpace, box
from layoutgen.route.features import BOUNDARY, boundary_points, collect, pieces
from layoutgen.route.tiles import UNBOUNDED, Tiles, build, slot_of


def two(kind: bool, distance: float, angle: float = 0.0, width: float = 10.0, space: float = 8.0) -> Tiles:
    """Two discs (or boxes) of half extent 50 in the middle of a die."""
    dx, dy = distance / 2 * math.cos(angle), distance / 2 * math.sin(angle)
    ends = tuple(
        Terminal(name, name, 1000 + f * dx, 1000 + f * dy, 50.0, 50.0, kind) for name, f in (("a", -1), ("b", 1))
    )
    return build(RouteProblem(box(0.0, 0.0, 2000.0, 2000.0), ends, (), width, space, 15.0))


def channel_capacity(gap: float, width: float, space: float) -> int:
    """Wires in a channel: n * width + (n + 1) * space <= gap."""
    return max(0, math.floor((gap - space) / (width + space) + 1e-9))


@pytest.mark.parametrize("kind", [True, False])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_capacity_between_two_features_on_an_axis(kind: bool, n: int) -> None:
    exact = 100 + n * 10 + (n + 1) * 8.0
    for distance, wanted in ((exact, n), (exact - 0.01, n - 1), (exact + 17.9, n)):
        tiles = two(kind, distance)
        assert tiles.capacity[tiles.edge_of[0, 1]] == wanted


@given(angle=st.floats(0, 2 * math.pi), distance=st.floats(150, 400))
def test_capacity_never_exceeds_the_euclidean_one_at_any_angle(angle: float, distance: float) -> None:
    tiles = two(True, distance, angle)
    assert tiles.capacity[tiles.edge_of[0, 1]] <= channel_capacity(distance - 100, 10.0, 8.0)


def test_triangles_cover_the_die_once() -> None:
    terminals = tuple(
        Terminal(f"t{i}{j}", "n", 200.0 + 300 * i, 200.0 + 250 * j, 40.0, 40.0, True)
        for i in range(4)
        for j in range(5)
    )
    tiles = build(RouteProblem(box(0.0, 0.0, 1400.0, 1500.0), terminals, (), 10.0, 10.0, 15.0))
    f = tiles.features
    area = 0.0
    for a, b, c in tiles.triangles:
        twice = (f.x[b] - f.x[a]) * (f.y[c] - f.y[a]) - (f.y[b] - f.y[a]) * (f.x[c] - f.x[a])
        assert twice > 0
        area += twice / 2
    assert area == pytest.approx(1400 * 1500)
    for e, (u, v) in enumerate(tiles.edges):
        outside = tiles.edge_tris[e][1] < 0
        assert not outside or f.kind[u] == f.kind[v] == BOUNDARY


def test_second_diagonal_is_bounded_where_it_is_narrower() -> None:
    """Four discs on a slightly flat rhombus: the long pair is an edge, the other diagonal limits as well."""
    at = [(1000.0, 850.0), (1000.0, 1150.0), (845.0, 1000.0), (1155.0, 1000.0)]
    ends = tuple(Terminal(str(k), str(k), x, y, 50.0, 50.0, True) for k, (x, y) in enumerate(at))
    tiles = build(RouteProblem(box(0.0, 0.0, 2000.0, 2000.0), ends, (), 10.0, 8.0, 15.0))
    assert tiles.second_capacity[tiles.edge_of[0, 1]] == channel_capacity(210.0, 10.0, 8.0)
    assert UNBOUNDED in tiles.second_capacity


def test_obstacles_are_cut_into_pieces_that_tile_them() -> None:
    problem = RouteProblem(box(0.0, 0.0, 3000.0, 3000.0), (), (), 10.0, 10.0, 15.0)
    parts = pieces(Obstacle.box(30.0, 30.0, 330.0, 100.0), problem)
    assert sum(shapely.Polygon(p).area for p in parts) == pytest.approx(300 * 70)
    assert len(parts) > 1
    assert pieces(Obstacle.box(-50.0, -50.0, -10.0, -10.0), problem) == []


def test_an_obstacle_with_bays_is_cut_into_convex_pieces_of_its_own_area() -> None:
    problem = RouteProblem(box(0.0, 0.0, 3000.0, 3000.0), (), (), 10.0, 10.0, 15.0)
    bay = (
        (100.0, 100.0),
        (900.0, 100.0),
        (900.0, 800.0),
        (600.0, 800.0),
        (600.0, 300.0),
        (350.0, 450.0),
        (100.0, 800.0),
    )
    parts = [shapely.Polygon(p) for p in pieces(Obstacle(bay), problem)]
    assert all(p.convex_hull.area - p.area < 1e-3 for p in parts)
    assert shapely.union_all(parts).symmetric_difference(shapely.Polygon(bay)).area < 1.0


def test_triangles_stay_inside_of_an_outline_with_a_bay_and_all_of_it_is_edges() -> None:
    outline = (
        (0.0, 0.0),
        (2000.0, 0.0),
        (2000.0, 1500.0),
        (1100.0, 1500.0),
        (1000.0, 400.0),
        (700.0, 1500.0),
        (0.0, 1500.0),
    )
    at = [(200.0, 200.0), (990.0, 200.0), (1500.0, 900.0), (300.0, 1200.0), (930.0, 330.0)]
    pads = tuple(Terminal(str(k), str(k), x, y, 20.0, 20.0, True) for k, (x, y) in enumerate(at))
    tiles = build(RouteProblem(outline, pads, (), 10.0, 10.0, 15.0, True))
    f = tiles.features
    area = sum(shapely.Polygon([(f.x[v], f.y[v]) for v in t]).area for t in tiles.triangles)
    assert area == pytest.approx(shapely.Polygon(outline).area, rel=1e-6)
    rim = [e for e, (_, b) in enumerate(tiles.edge_tris) if b < 0]
    length = sum(math.dist(*((f.x[v], f.y[v]) for v in tiles.edges[e])) for e in rim)
    assert length == pytest.approx(shapely.Polygon(outline).length, rel=1e-6)


@pytest.mark.parametrize("sides", [4, 8, 16])
@given(
    hx=st.floats(1, 90), hy=st.floats(1, 90), radius=st.floats(1, 90), angle=st.floats(0, 7), away=st.floats(200, 900)
)
def test_the_norm_never_says_more_than_the_distance(
    sides: int, hx: float, hy: float, radius: float, angle: float, away: float
) -> None:
    """A gap in the polygon's norm is at most the distance of the shapes themselves."""
    style = {4: Style.MANHATTAN, 8: Style.OCTILINEAR, 16: Style.ANY_ANGLE}[sides]
    x, y = 1000 + away * math.cos(angle), 1000 + away * math.sin(angle)
    ends = (Terminal("a", "a", 1000.0, 1000.0, hx, hy, False), Terminal("b", "b", x, y, radius, radius, True))
    problem = RouteProblem(box(0.0, 0.0, 2000.0, 2000.0), ends, (), 10.0, 10.0, 15.0, style=style)
    f = collect(problem)
    gap = float(f.gap(np.array([0]), np.array([1]))[0])
    shape = shapely.box(1000 - hx, 1000 - hy, 1000 + hx, 1000 + hy)
    distance = shape.distance(shapely.Point(x, y)) - radius
    assert gap <= max(distance, 0.0) + 1e-6


def test_wider_nets_and_wide_metal_take_more_room() -> None:
    ends = tuple(Terminal(n, n, x, 1000.0, 50.0, 50.0, True) for n, x in (("a", 800.0), ("b", 1200.0)))
    plain = RouteProblem(box(0.0, 0.0, 2000.0, 2000.0), ends, (), 10.0, 8.0, 15.0)
    wide = replace(plain, wide=(WideSpace(60.0, 30.0),), rules={"a": NetRule(40.0, 12.0)})
    between = [(t := build(p)).room[t.edge_of[0, 1]] for p in (plain, wide)]
    assert between == pytest.approx([300 - 16 + 8, 300 - 60 + 8])
    assert slot_of(wide, "b") == pytest.approx(18.0)
    assert slot_of(wide, "a") == pytest.approx(40 + 8 + 2 * 4)


def test_outline_points_go_around_and_meet_the_feet_of_near_features() -> None:
    pad = Terminal("p", "n", 333.0, 60.0, 30.0, 30.0, False)
    problem = RouteProblem(box(0.0, 0.0, 1000.0, 800.0), (pad,), (), 30.0, 20.0, 15.0)
    features = collect(problem)
    points = boundary_points(features, problem)
    assert (333.0, 0.0) in points
    assert len(points) == len(set(points))
    length = sum(math.dist(a, b) for a, b in itertools.pairwise([*points, points[0]]))
    assert length == pytest.approx(2 * (1000 + 800))
