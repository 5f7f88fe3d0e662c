"""Rubber band against closed forms."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layoutgen.route import RouteProblem, Terminal, box
from layoutgen.route.features import corners_of, normals
from layoutgen.route.rubber import LEFT, RIGHT, Post, Rubber, pulled_tight, search_all, tangent_path
from layoutgen.route.search import Quest, find
from layoutgen.route.tiles import build
from layoutgen.route.topology import Topology, Wires


def length(path: list[tuple[float, float]]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(path))


def around_disc(distance: float, radius: float) -> float:
    """Shortest way between two points `distance` either side of a disc, touching it: tangents and an arc."""
    tangent = math.sqrt(distance**2 - radius**2)
    return 2 * tangent + radius * (math.pi - 2 * math.acos(radius / distance))


@given(distance=st.floats(200, 2000), radius=st.floats(20, 150), side=st.sampled_from([LEFT, RIGHT]))
def test_around_one_disc_the_band_is_the_tangents_and_the_arc(distance: float, radius: float, side: int) -> None:
    """The centre of the disc lies between the ends; a 16-gon of that in-radius costs at most 1/cos(pi/16)."""
    corners = sorted(map(tuple, corners_of(np.full(16, radius)).tolist()))
    posts = [(x, y, side) for x, y in corners if (y < 0) == (side == LEFT)]
    path = tangent_path((-distance, 0.0), posts, (distance, 0.0))
    assert path is not None
    assert all((y <= 0) == (side == LEFT) or y == 0 for _, y in path)
    exact = around_disc(distance, radius)
    assert exact - 1e-6 <= length(path) <= exact + radius * math.pi * (1 / math.cos(math.pi / 16) - 1)


def test_nothing_in_the_way_is_a_straight_line() -> None:
    posts = [(5.0, 3.0, LEFT), (6.0, -3.0, RIGHT)]
    assert tangent_path((0.0, 0.0), posts, (10.0, 0.0)) == [(0.0, 0.0), (10.0, 0.0)]


def test_posts_are_passed_on_their_sides() -> None:
    posts = [(3.0, -2.0, LEFT), (7.0, 2.0, RIGHT)]
    path = tangent_path((0.0, 0.0), posts, (10.0, 0.0))
    assert path == [(0.0, 0.0), (3.0, -2.0), (7.0, 2.0), (10.0, 0.0)]


def test_an_impossible_way_is_none_or_keeps_its_sides() -> None:
    """A left post far to the right of a right post at the same place cannot both be kept with a turn ahead."""
    path = tangent_path((0.0, 0.0), [(5.0, -1.0, LEFT), (5.0, 1.0, RIGHT)], (10.0, 0.0))
    assert path is None or len(path) >= 3


@given(
    lanes=st.lists(
        st.tuples(st.floats(-40, 40), st.floats(0.5, 30), st.floats(0.5, 30), st.booleans()), min_size=1, max_size=25
    ),
    end=st.floats(-40, 40),
)
def test_the_funnel_is_the_shortest_way_that_a_search_finds(
    lanes: list[tuple[float, float, float, bool]], end: float
) -> None:
    """Gates across the way, some open on one side: a search over all posts that see each other is the witness."""
    points: list[Post] = [(0.0, 0.0, 0)]
    for k, (middle, up, down, both) in enumerate(lanes):
        gate = [(200.0 * (k + 1), middle + up, LEFT), (200.0 * (k + 1), middle - down, RIGHT)]
        points += gate if both else gate[k % 2 :][:1]
    points.append((200.0 * (len(lanes) + 1), end, 0))
    pulled, sought = pulled_tight(points), search_all(points)
    assert pulled is not None
    assert sought is not None
    lengths = [length([points[k][:2] for k in bends]) for bends in (pulled, sought)]
    assert lengths[0] == pytest.approx(lengths[1], abs=1e-6)


@pytest.mark.parametrize("sides", [4, 8, 16])
def test_grown_box_has_the_clearance_on_all_normals(sides: int) -> None:
    n = normals(sides)
    corners = corners_of(abs(n) @ np.array([40.0, 25.0]) + 12.0).tolist()
    assert max(x for x, _ in corners) == pytest.approx(52.0)
    assert max(y for _, y in corners) == pytest.approx(37.0)
    assert all(math.dist((max(abs(x) - 40, 0), max(abs(y) - 25, 0)), (0, 0)) >= 12.0 - 1e-9 for x, y in corners)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_wires_around_a_disc_keep_their_pitch(k: int) -> None:
    """A tie edge between two discs crossed by k + 1 wires: wire number k passes k pitches further out."""
    discs = (
        Terminal("a", "a", 500.0, 400.0, 60.0, 60.0, True),
        Terminal("b", "b", 500.0, 1000.0, 60.0, 60.0, True),
        *(Terminal(f"w{i}", f"n{i}", 150.0, 420.0 + 130 * i, 20.0, 20.0, True) for i in range(3)),
        *(Terminal(f"e{i}", f"n{i}", 850.0, 420.0 + 130 * i, 20.0, 20.0, True) for i in range(3)),
    )
    problem = RouteProblem(box(0.0, 0.0, 1000.0, 1400.0), discs, (), 20.0, 10.0, 15.0, guard=0.0)
    topo = Topology(build(problem), Wires.alike(30.0, k + 1))
    for i in range(k + 1):
        way = find(topo, Quest(i, {2 + i}, {5 + i: 0.0}))
        assert way is not None
        topo.insert(i, way.ends, way.steps)
    rubber = Rubber(topo, problem)
    for i in range(k + 1):
        path = rubber.path(i)
        assert path is not None
        nearest = min(
            abs((bx - ax) * (ay - 400) - (ax - 500) * (by - ay)) / math.dist((ax, ay), (bx, by))
            for (ax, ay), (bx, by) in pairwise(path)
            if min(ax, bx) <= 500 <= max(ax, bx)
        )
        assert nearest >= 60 + 10 + 10 + 30 * i - 1e-6
