"""Flaws that joins of a wire with its terminals leave on the grid are mended, or told; KLayout is the judge."""

from __future__ import annotations

import math
import random

import klayout.db as kdb
import numpy as np
import pytest

from layoutgen.route import Obstacle, RoutePlan, RouteProblem, Style, Terminal, Wire, box, draw, route
from layoutgen.route.mend import Bare, Rule, flaws
from layoutgen.route.teardrop import first_drops, landing, teardrops
from layoutgen.route.wires import left_over

EUCLID = kdb.Region.Euclidian


def findings(p: RouteProblem, plan: RoutePlan, net: str) -> int:
    """What width and notch rules find in the metal of one net, discs drawn with 64 corners."""
    drawn = draw(p, plan)[net]
    region = kdb.Region()
    for points in drawn.metal + drawn.tie:
        region.insert(kdb.Polygon([kdb.Point(*q) for q in points.tolist()]))
    for t in p.terminals:
        corners = np.array(box(t.x - t.half_x, t.y - t.half_y, t.x + t.half_x, t.y + t.half_y))
        if t.round:
            angles = 2 * np.pi * (np.arange(64) + 0.5) / 64
            corners = np.array([t.x, t.y]) + t.half_x * np.array([np.cos(angles), np.sin(angles)]).T
        if t.net == net:
            region.insert(kdb.Polygon([kdb.Point(*q) for q in np.round(1000 * corners).astype(int).tolist()]))
    merged = region.merged()
    width, space = round(1000 * p.width), round(1000 * p.space)
    narrow = merged.width_check(width, False, EUCLID, 80).count()
    return int(narrow + merged.notch_check(space, False, EUCLID, 80).count())


@pytest.mark.parametrize(
    ("style", "space", "one", "two", "away"),
    [
        # where a rim crosses a pad's corner off the grid, an edge of 1 to 3 dbu has any direction
        (Style.ANY_ANGLE, 10.0, (10.0, 29.0, False), (14.0, 29.0, False), (99.0, 109.0)),
        (Style.CURVED, 10.0, (21.0, 14.0, False), (10.0, 28.0, False), (0.0, 54.0)),
        (Style.ANY_ANGLE, 7.5, (33.0, 30.0, False), (9.0, 33.0, False), (53.0, 83.0)),
        (Style.ANY_ANGLE, 15.0, (31.0, 8.0, False), (32.0, 32.0, True), (103.0, 92.0)),
        # the corner of a drop's step diagonally opposite to that of a pad
        (Style.MANHATTAN, 7.5, (24.5, 26.9, False), (17.8, 15.5, False), (58.2, 41.0)),
    ],
)
def test_a_link_of_two_pads_near_to_each_other_is_clean(
    style: Style,
    space: float,
    one: tuple[float, float, bool],
    two: tuple[float, float, bool],
    away: tuple[float, float],
) -> None:
    ends = (Terminal("A", "a", 200.0, 200.0, *one), Terminal("B", "a", 200.0 + away[0], 200.0 + away[1], *two))
    p = RouteProblem(box(0.0, 0.0, 500.0, 500.0), ends, (), 10.0, space, 15.0, style=style)
    plan = route(p)
    assert not plan.unrouted
    assert findings(p, plan, "a") == 0
    assert left_over(p, plan) == []


def test_a_tie_that_bends_just_before_a_slanted_outline_is_as_wide_as_its_rule() -> None:
    outline = ((0.0, 0.0), (200.0, 0.0), (200.0, 60.0), (80.0, 200.0), (0.0, 200.0))
    p = RouteProblem(outline, (Terminal("A", "a", 40.0, 40.0, 8.0, 8.0, False),), (), 5.0, 4.0, 0.0, ties=True)
    for back in range(900, 4000, 450):  # the length of the last leg
        end = (140_000, 130_000)
        unit = np.array([140.0, 120.0]) / math.hypot(140.0, 120.0)
        bend = np.array(end) - back * unit
        before = bend - 12_000 * np.array([1.0, 0.0])
        way = ((40_000, 40_000), *(tuple(np.round(q).astype(int).tolist()) for q in (before, bend)), end)
        plan = RoutePlan((Wire("a", "A", "", way, True, 5.0),), ())
        assert findings(p, plan, "a") == 0, back


def test_what_cannot_be_mended_is_told() -> None:
    """A wire of half the width between obstacles has no room to grow."""
    ends = (Terminal("A", "a", 50.0, 100.0, 8.0, 8.0, False), Terminal("B", "a", 250.0, 100.0, 8.0, 8.0, False))
    walls = (Obstacle.box(80.0, 108.0, 220.0, 150.0), Obstacle.box(80.0, 50.0, 220.0, 92.0))
    wire = Wire("a", "A", "B", ((50_000, 100_000), (250_000, 100_000)), False, 5.0)
    p = RouteProblem(box(0.0, 0.0, 300.0, 200.0), ends, walls, 10.0, 5.0, 5.0)
    plan = RoutePlan((wire,), ())
    found = left_over(p, plan)
    assert {(f.net, f.kind) for f in found} == {("a", "width")}
    assert any(f.box.inside(kdb.Box(40_000, 90_000, 260_000, 110_000)) for f in found)
    assert findings(p, plan, "a") > 0


def test_flaws_of_terminals_alone_are_not_those_of_wires() -> None:
    thin = kdb.Polygon(kdb.Box(0, 0, 4_000, 50_000))
    arm = kdb.Polygon(kdb.Box(0, 20_000, 60_000, 30_000))
    rule = Rule(10_000, 10_000)
    assert flaws([thin, arm], Bare([thin], rule)) == []
    assert flaws([thin, arm], Bare([], rule)) != []


def test_drops_found_at_once_are_those_found_one_by_one() -> None:
    rng = random.Random(3)  # noqa: S311
    pads, ways = [], []
    for k in range(200):
        half = rng.choice([12.0, 20.0, 33.3])
        x, y = rng.randint(-500, 500) * 1000, rng.randint(-500, 500) * 1000
        round_ = rng.random() < 0.5
        pads.append(Terminal(f"T{k}", "a", x / 1000, y / 1000, half, half if round_ else 15.0, round_))
        ways.append([(x, y), *((x + rng.randint(-300_000, 300_000), y + rng.randint(20_000, 300_000)) for _ in "12")])
    drops = first_drops(pads, ways, [10_000] * 200, [0.5] * 200)
    assert sum(drop is not None for drop in drops) > 100
    for pad, way, drop in zip(pads, ways, drops, strict=True):
        if drop is not None:
            assert np.array_equal(drop, next(teardrops(landing(pad), way, 10_000, 0.5)))
