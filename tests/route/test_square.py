"""Manhattan wires beside discs and ties beside pads: what fits in the square's norm, and wires that a style loses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import shapely

from layoutgen.route import Obstacle, RouteProblem, Style, Terminal, Via, Wire, box, draw, route, styles
from layoutgen.route.features import Features, corners_of, squared, unit_supports
from layoutgen.route.legal import Conflict
from layoutgen.route.router import _RESTYLES
from layoutgen.route.styles import Styled
from layoutgen.route.tiles import build

Make = Callable[..., RouteProblem]
Gate = Callable[..., dict[str, int]]
RADIUS, WIDTH, SPACE = 135.0, 40.0, 20.0
BALLS = tuple(Terminal(f"X{k}", f"x{k}", c, c, RADIUS, RADIUS, True) for k, c in enumerate((750.0, 1250.0)))


def gap_between_discs(count: int) -> RouteProblem:
    """Wires from the upper left to the lower right, with two discs on the other diagonal, and blocks behind these."""
    pads = [
        Terminal(f"{name}{k}", f"n{k}", *((x, y) if name == "P" else (y, x)), 30.0, 30.0, False)
        for name in "PQ"
        for k in range(count)
        for x, y in [(200.0 + 120 * k, 1150.0 + 150 * k)]
    ]
    blocks = (Obstacle.box(0.0, 0.0, 750.0, 750.0), Obstacle.box(1250.0, 1250.0, 2000.0, 2000.0))
    die = box(0.0, 0.0, 2000.0, 2000.0)
    return RouteProblem(die, (*BALLS, *pads), blocks, WIDTH, SPACE, 15.0, style=Style.MANHATTAN)


def test_the_room_between_two_discs_is_that_of_taut_wires_around_their_steps() -> None:
    """A taut wire runs from one outer corner of the two rectangles to the other, halfway between (R, r) and (r, R)."""
    tiles = build(gap_between_discs(1))
    outer = RADIUS + SPACE
    middle = (outer + outer * math.sqrt(0.5)) / 2
    assert tiles.room[tiles.edge_of[0, 1]] == pytest.approx(500 - 2 * middle + SPACE)
    assert tiles.capacity[tiles.edge_of[0, 1]] == 4


def test_a_grown_disc_holds_all_that_is_too_near_in_its_steps() -> None:
    """The two rectangles of its outer sides and inner corners cover the disc grown by its space, and touch its rim."""
    f = build(gap_between_discs(1)).features
    grown = f.support[0] + SPACE * f.unit
    outer, inner = grown[0], math.sqrt(2) * grown[1] - grown[0]
    steps = shapely.union(shapely.box(-outer, -inner, outer, inner), shapely.box(-inner, -outer, inner, outer))
    disc = shapely.Point(0, 0).buffer(RADIUS + SPACE, quad_segs=64)
    assert disc.difference(steps.buffer(1e-6)).is_empty
    assert math.hypot(inner, inner) == pytest.approx(RADIUS + SPACE)
    assert shapely.Polygon(corners_of(grown)).buffer(1e-6).covers(steps)


def test_gaps_in_the_norm_of_the_square_are_those_of_boxes() -> None:
    rng = np.random.default_rng(4)
    half, at = rng.uniform(5, 50, (40, 2)), rng.uniform(-300, 300, (40, 2))
    sides = np.column_stack([half[:, 0], half[:, 1], half[:, 0], half[:, 1]])
    support = np.zeros((40, 8))
    support[:, ::2] = sides
    x, y = at.T.tolist()
    f = Features(x, y, squared(support), [0.0] * 40, [0] * 40, square=True)
    u, v = np.arange(39), np.arange(1, 40)
    assert f.gap(u, v) == pytest.approx((np.abs(at[u] - at[v]) - half[u] - half[v]).max(1))
    assert np.abs(corners_of(unit_supports(8, square=True))) == pytest.approx(np.ones((8, 2)))


@pytest.mark.parametrize("count", [4, 5])
def test_as_many_wires_pass_between_two_discs_as_their_corners_allow(count: int, gate: Gate) -> None:
    """Four of them: one more than between the boxes of the discs. What does not fit is said."""
    p = gap_between_discs(count)
    plan = route(p)
    assert len(plan.wires) == 4
    assert len(plan.unrouted) == count - 4
    assert all("4" in u.reason for u in plan.unrouted)
    assert gate(p, plan, draw(p, plan)) == {}
    assert plan == route(p)


def test_ties_pass_straight_between_pads_near_the_outline(gate: Gate) -> None:
    """Two staggered rows on a side: each tie is about straight, and none is held back by a point on the outline."""
    pads = [
        Terminal(f"P{row}{k}", f"n{row}{k}", 400 + 180.0 * k + 90 * row, 215.0 if row else 75.0, 35.0, 35.0, False)
        for row in range(2)
        for k in range(8)
    ]
    p = RouteProblem(box(0, 0, 2300, 2300), tuple(pads), (), 20.0, 15.0, 30.0, ties=True, style=Style.MANHATTAN)
    plan = route(p)
    assert plan.tie_bound == len(pads)
    assert plan.complete
    assert sum(w.length for w in plan.wires) == pytest.approx(8 * 75.0 + 8 * 215.0, rel=0.005)
    assert gate(p, plan, draw(p, plan)) == {}


@pytest.mark.parametrize(("width", "space"), [(40.0, 20.0), (30.0, 30.0)])
def test_a_real_chip_with_narrow_gaps_is_complete(caravel: Make, width: float, space: float, gate: Gate) -> None:
    chip = replace(caravel(width, space), style=Style.MANHATTAN)
    plan = route(chip)
    assert plan.unrouted == ()
    assert len({w.net for w in plan.wires}) == 57
    assert gate(chip, plan, draw(chip, plan)) == {}


@pytest.mark.parametrize("times", [1, 2, 99])
def test_a_wire_that_the_style_loses_is_routed_again(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """With the channel closed where it failed; only as long as that helps, and never without a reason."""
    pads = [Terminal(f"P{k}", f"n{k}", 200.0, 400.0 + 200 * k, 30.0, 30.0, False) for k in range(3)]
    balls = [Terminal(f"B{k}", f"n{k}", 1800.0, 600.0 + 200 * k, 60.0, 60.0, True) for k in range(3)]
    die = box(0.0, 0.0, 2000.0, 2000.0)
    p = RouteProblem(die, (*pads, *balls), (), 30.0, 20.0, 15.0, style=Style.MANHATTAN)
    convert, asked = styles.manhattan, []

    def losing(problem: RouteProblem, wires: Sequence[Wire], vias: Sequence[Via] = ()) -> Styled:
        out = convert(problem, wires, vias)
        asked.append(len(wires))
        lost = [k for k, w in out.wires.items() if w.net in ("n1", "n2")][: 0 if len(asked) > times else 3 - len(asked)]
        kept = {k: w for k, w in out.wires.items() if k not in lost}
        near = {k: Conflict(k, -1, wires[k].points[len(wires[k].points) // 2]) for k in lost}
        return Styled(kept, dict.fromkeys(lost, "lost"), near)

    monkeypatch.setattr(styles, "manhattan", losing)
    plan = route(p)
    assert 1 < len(asked) <= 1 + _RESTYLES
    assert plan.unrouted == ()
    assert {w.net for w in plan.wires} == {"n0", "n1", "n2"}
