"""Places on the outline: isotonic projection."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layoutgen.route import NetMetal, RoutePlan, RouteProblem, Terminal, box, draw, route
from layoutgen.route.ties import spread

Gate = Callable[[RouteProblem, RoutePlan, dict[str, NetMetal]], dict[str, int]]


def free(n: int) -> tuple[list[float], list[float]]:
    return [-1e9] * n, [1e9] * n


def test_what_fits_stays() -> None:
    assert spread([0.0, 50.0, 120.0], *free(3), [50.0] * 3) == [0.0, 50.0, 120.0]


def test_a_crowd_spreads_about_its_mean() -> None:
    assert spread([10.0, 10.0, 10.0], *free(3), [4.0] * 3) == pytest.approx([6.0, 10.0, 14.0])


def test_order_is_kept_against_the_wishes() -> None:
    assert spread([20.0, 0.0], *free(2), [10.0] * 2) == pytest.approx([5.0, 15.0])


def test_bounds_hold_and_push_on() -> None:
    assert spread([0.0, 0.0], [5.0, 0.0], [100.0, 100.0], [10.0] * 2) == pytest.approx([5.0, 15.0])
    assert spread([90.0, 90.0], [0.0, 0.0], [100.0, 80.0], [10.0] * 2) == pytest.approx([70.0, 80.0])


def test_no_room_is_none() -> None:
    assert spread([0.0, 0.0, 0.0], [0.0] * 3, [19.0] * 3, [10.0] * 3) is None
    assert spread([0.0, 0.0, 0.0], [0.0] * 3, [20.0] * 3, [10.0] * 3) == pytest.approx([0.0, 10.0, 20.0])


def test_none_is_empty() -> None:
    assert spread([], [], [], [10.0] * 0) == []


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=12), st.floats(1, 100))
def test_projection_is_feasible_and_not_beaten_by_small_moves(want: list[float], apart: float) -> None:
    """The least-squares optimum: no move of a run of neighbours that stays feasible makes the sum smaller."""
    places = spread(want, *free(len(want)), [apart] * len(want))
    assert places is not None
    assert all(b - a >= apart - 1e-6 for a, b in itertools.pairwise(places))
    best = sum((p - w) ** 2 for p, w in zip(places, want, strict=True))
    for i in range(len(want)):
        for j in range(i + 1, len(want) + 1):
            for step in (-0.5, 0.5):
                moved = [p + step if i <= k < j else p for k, p in enumerate(places)]
                if all(b - a >= apart for a, b in itertools.pairwise(moved)):
                    assert sum((p - w) ** 2 for p, w in zip(moved, want, strict=True)) >= best - 1e-6


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=12), st.floats(1, 100), st.floats(1, 60))
def test_places_on_a_pitch_keep_their_distance(want: list[float], apart: float, pitch: float) -> None:
    places = spread(want, *free(len(want)), [apart] * len(want), pitch, 7.0)
    assert places is not None
    assert all(abs((p - 7.0) / pitch - round((p - 7.0) / pitch)) < 1e-6 for p in places)
    assert all(b - a >= apart - 1e-6 for a, b in itertools.pairwise(places))


def test_different_slots_stand_at_different_distances() -> None:
    assert spread([0.0, 0.0, 0.0], *free(3), [9.0, 10.0, 20.0]) == pytest.approx([-40 / 3, -10 / 3, 50 / 3])


Board = tuple[float, float, float, list[tuple[str, float, float, float, float]]]
"""Width, space, edge, and terminals: net, x, y, half the size (um), and 1 for a disc or 0 for a box."""
NEAR_THE_OUTLINE: dict[str, Board] = {
    "off a wire near a corner": (30, 20, 15, [
        ("n1", 222, 1089, 60, 1), ("n1", 801, 441, 60, 1), ("n1", 479, 236, 30, 1),
        ("n3", 183, 607, 40, 1), ("n3", 833, 108, 40, 1), ("n3", 697, 599, 40, 1),
        ("n4", 279, 397, 60, 1), ("n4", 1017, 957, 40, 1), ("n4", 132, 146, 30, 1),
    ]),
    "off a wire that runs along the outline": (30, 20, 5, [
        ("n3", 571, 142, 60, 1), ("n3", 546, 531, 30, 0), ("n3", 66, 110, 60, 1),
        ("n4", 36, 266, 30, 1), ("n4", 373, 85, 30, 1), ("n4", 116, 647, 39, 0),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("board", NEAR_THE_OUTLINE.values(), ids=NEAR_THE_OUTLINE)
def test_ties_from_near_the_outline_keep_their_width(gate: Gate, board: Board) -> None:
    """The end of a tie's metal on the outline does not face the outer rim of its last bend at less than the width."""
    width, space, edge, at = board
    terminals = tuple(Terminal(f"t{k}", net, x, y, r, r, disc == 1) for k, (net, x, y, r, disc) in enumerate(at))
    asked = RouteProblem(box(0.0, 0.0, 1200.0, 1200.0), terminals, (), width, space, edge, True)
    plan = route(asked)
    assert [u.net for u in plan.unrouted if u.tie] == []
    assert gate(asked, plan, draw(asked, plan)) == {}


@pytest.mark.parametrize("pitch", [40.0, 30.0, 20.0])
def test_ties_that_find_no_place_on_the_pitch_of_a_side_go_to_another(gate: Gate, pitch: float) -> None:
    row = tuple(Terminal(f"t{k}", f"n{k}", 20.0 + 15 * k, 50.0, 3.0, 3.0, False) for k in range(12))
    asked = RouteProblem(box(0.0, 0.0, 210.0, 100.0), row, (), 4.0, 4.0, 0.0, True, tie_pitch=pitch)
    plan = route(asked)
    assert plan.complete
    assert gate(asked, plan, draw(asked, plan)) == {}
