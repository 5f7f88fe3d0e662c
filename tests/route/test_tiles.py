"""Tile graph: capacities against closed form, and a triangulation without gaps."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layoutgen.route import Obstacle, RouteProblem, Terminal, box
from layoutgen.route.tiles import BOUNDARY, UNBOUNDED, Tiles, boundary_points, build, channel_capacity, collect, pieces


def two(kind: bool, distance: float, angle: float = 0.0, width: float = 10.0, space: float = 8.0) -> Tiles:
    """Two discs (or boxes) of half extent 50 in the middle of a die."""
    dx, dy = distance / 2 * math.cos(angle), distance / 2 * math.sin(angle)
    ends = tuple(
        Terminal(name, name, 1000 + f * dx, 1000 + f * dy, 50.0, 50.0, kind) for name, f in (("a", -1), ("b", 1))
    )
    return build(RouteProblem(box(0.0, 0.0, 2000.0, 2000.0), ends, (), width, space, 15.0))


@given(n=st.integers(0, 50), width=st.floats(1, 50), space=st.floats(1, 50))
def test_capacity_is_the_closed_form(n: int, width: float, space: float) -> None:
    gap = n * width + (n + 1) * space
    assert channel_capacity(gap, space, space, width, space) == n
    assert channel_capacity(gap - 1e-3, space, space, width, space) == max(0, n - 1)


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
    assert tiles.capacity[tiles.edge_of[0, 1]] <= channel_capacity(distance - 100, 8.0, 8.0, 10.0, 8.0)


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
    assert tiles.second_capacity[tiles.edge_of[0, 1]] == channel_capacity(210.0, 8.0, 8.0, 10.0, 8.0)
    assert UNBOUNDED in tiles.second_capacity


def test_obstacles_are_cut_into_pieces_that_tile_them() -> None:
    problem = RouteProblem(box(0.0, 0.0, 3000.0, 3000.0), (), (), 10.0, 10.0, 15.0)
    parts = pieces(Obstacle.box(30.0, 30.0, 330.0, 100.0), problem)
    assert sum(4 * hx * hy for _, _, hx, hy in parts) == pytest.approx(300 * 70)
    assert len(parts) > 1
    assert pieces(Obstacle.box(-50.0, -50.0, -10.0, -10.0), problem) == []


def test_outline_points_go_around_and_meet_the_feet_of_near_features() -> None:
    pad = Terminal("p", "n", 333.0, 60.0, 30.0, 30.0, False)
    problem = RouteProblem(box(0.0, 0.0, 1000.0, 800.0), (pad,), (), 30.0, 20.0, 15.0)
    features = collect(problem)
    points = boundary_points(features, problem)
    assert (333.0, 0.0) in points
    assert len(points) == len(set(points))
    length = sum(math.dist(a, b) for a, b in itertools.pairwise([*points, points[0]]))
    assert length == pytest.approx(2 * (1000 + 800))
