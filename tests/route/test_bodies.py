"""Bodies of bent wires: KLayout measures their width at exactly the rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import klayout.db as kdb
import numpy as np
import pytest
import shapely

from layoutgen.route import (
    NetMetal,
    RoutePlan,
    RouteProblem,
    Style,
    Terminal,
    WideSpace,
    Wire,
    box,
    draw,
    route,
)
from layoutgen.route.bodies import bodies
from layoutgen.route.legal import conflicts, via_landing

Gate = Callable[[RouteProblem, RoutePlan, dict[str, NetMetal]], dict[str, int]]
DIE = box(0.0, 0.0, 1000.0, 800.0)


def narrow(wire: Wire) -> bool:
    """Whether a wire's body is narrower than its width somewhere."""
    (ring,) = bodies([wire], 0.004)
    region = kdb.Region(kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in ring])).merged()
    return not region.width_check(round(wire.width * 1000), False, kdb.Region.Euclidian, 80).is_empty()


def bent(width: int, *legs: tuple[float, float]) -> Wire:
    """A wire from the origin along legs: lengths in widths, and the turn (degrees) before each."""
    x = y = angle = 0.0
    points = [(0, 0)]
    for length, turn in legs:
        angle += math.radians(turn)
        x, y = x + length * width * math.cos(angle), y + length * width * math.sin(angle)
        points.append((round(x), round(y)))
    return Wire("n", "", "", tuple(points), False, width / 1000)


@pytest.mark.parametrize("width", [101, 2000, 20_001, 100_000])
def test_bends_of_any_sharpness_keep_the_width(width: int) -> None:
    rng = np.random.default_rng(2)
    for turn in [*range(5, 150, 4), 99, 99.5, 107, 107.5]:
        for sign in (1, -1):
            first = rng.uniform(0, 360)
            assert not narrow(bent(width, (5, first), (5, sign * turn))), (turn, first)


def test_tips_do_not_stand_out_further_than_a_square_bend() -> None:
    for turn in range(100, 150, 7):
        wire = bent(20_000, (5, 31), (5, turn))
        (ring,) = bodies([wire], 0.004)
        away = shapely.distance(shapely.LineString(wire.points), shapely.points(ring.astype(float)))
        assert away.max() < 10_000 * math.sqrt(2)


def test_bends_that_cannot_keep_the_width_are_conflicts() -> None:
    """Three bends within a width of each other, around by 174 degrees: the outer rims come too near to each other."""
    wire = bent(20_000, (10, 20), (0.1, 58), (0.1, 58), (10, 58))
    free = RouteProblem(box(-500.0, -500.0, 500.0, 500.0), (), (), 20.0, 20.0, 0.0)
    assert narrow(wire)
    assert [c.wire for c in conflicts(free, [wire])] == [0]
    assert conflicts(free, [bent(20_000, (10, 20), (5, 58), (5, 58), (10, 58))]) == []


# ---------------------------------------------------------------------- what bends end on


@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize("edge", [0.0, 5.0])
def test_ties_end_legally_at_any_edge_on_slanted_sides_as_well(gate: Gate, style: Style, edge: float) -> None:
    """The end of a tie on the outline and the rim of its last bend face each other."""
    outline = ((100.0, 0.0), (1000.0, 100.0), (900.0, 900.0), (0.0, 850.0))
    at = [(300.0, 200.0), (500.0, 140.0), (820.0, 250.0), (840.0, 600.0), (600.0, 780.0), (140.0, 700.0)]
    at += [(460.0, 330.0), (700.0, 400.0), (300.0, 560.0), (520.0, 600.0)]
    pads = tuple(Terminal(f"P{k}", f"n{k}", x, y, 25.0, 25.0, bool(k % 2)) for k, (x, y) in enumerate(at))
    problem = RouteProblem(outline, pads, (), 20.0, 15.0, edge, True, style=style)
    plan = route(problem)
    assert sum(w.tie for w in plan.wires) == len(pads)
    found = gate(problem, plan, draw(problem, plan))
    found.pop("ends", 0)  # ends on slanted sides are on the grid, beside the line
    assert found == {}


@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize("part", [0.8, 1.0, 1.2, 1.4, 1.6])
def test_landings_of_vias_keep_the_width(gate: Gate, style: Style, part: float) -> None:
    ends = [(100.0, 150.0, 700.0, 390.0), (140.0, 500.0, 600.0, 520.0), (300.0, 700.0, 900.0, 90.0)]
    pads = [Terminal(f"A{k}", f"n{k}", x, y, 25.0, 25.0, True) for k, (x, y, _, _) in enumerate(ends)]
    pads += [Terminal(f"B{k}", f"n{k}", x, y, 25.0, 25.0, True, layer=1) for k, (_, _, x, y) in enumerate(ends)]
    problem = RouteProblem(DIE, tuple(pads), (), 20.0, 15.0, 15.0, style=style, layers=2, via=20.0 * part)
    plan = route(problem)
    assert plan.complete
    assert len(plan.vias) == 3
    below = replace(problem, terminals=tuple(t for t in pads if t.layer == 0), layers=1)
    metal = draw(problem, plan, 0)
    counts = gate(below, plan, metal)
    assert {kind: n for kind, n in counts.items() if kind in ("width", "notch", "space", "shorts")} == {}
    half, round_ = via_landing(problem, "n0")
    assert 2 * half >= 20.0
    assert round_ == (part == 1.6)


def test_wires_keep_clear_of_landings_of_the_other_layers_terminals() -> None:
    """In Manhattan form, where the tiles' clearances alone do not part a wire from a landing."""
    rng = np.random.default_rng(1)
    at = [(float(x), float(y)) for x in range(80, 1000, 120) for y in range(80, 800, 120)]
    order = rng.permutation(len(at))[:22].tolist()
    pads = tuple(
        Terminal(f"t{k}", f"n{k // 2}", at[i][0], at[i][1], 16.0, 16.0, True, layer=int(rng.integers(2)))
        for k, i in enumerate(order)
    )
    problem = RouteProblem(DIE, pads, (), 20.0, 15.0, 15.0, style=Style.MANHATTAN, layers=2, via=24.0)
    plan = route(problem)
    assert len(plan.wires) > 5
    assert conflicts(problem, plan.wires, plan.vias) == []


def test_a_group_without_free_terminals_on_the_second_layer_is_listed() -> None:
    asks = [Terminal(f"a{k}", f"n{k}", 200.0 + 150 * k, 400.0, 25.0, 25.0, True, group="g") for k in range(3)]
    free = Terminal("f", "", 500.0, 200.0, 25.0, 25.0, True, group="g")
    problem = RouteProblem(DIE, (*asks, free), (), 20.0, 15.0, 15.0, layers=2, via=30.0)
    plan = route(problem)
    assert len(plan.unrouted) == 2


def test_a_bend_that_hardly_leaves_a_disc_is_joined_with_it(gate: Gate) -> None:
    """The corner of the last bend stands 0.1 um out of the disc; its rim would be too near to the corner."""
    disc = Terminal("B", "n", 600.0, 400.0, 33.02, 33.02, True)
    pad = Terminal("A", "n", 200.0, 422.33, 30.0, 30.0, False)
    problem = RouteProblem(DIE, (pad, disc), (), 20.0, 20.0, 20.0, style=Style.MANHATTAN)
    wire = Wire("n", "A", "B", ((200_000, 422_330), (600_000, 422_330), (600_000, 400_000)), False, 20.0)
    plan = RoutePlan((wire,), ())
    assert gate(problem, plan, draw(problem, plan)) == {}


def test_drops_make_no_metal_that_is_too_wide_for_its_neighbours() -> None:
    """A pad is no wide metal, a pad with its drop is: the drop is left out beside a wire at the plain space."""
    pad = Terminal("A", "n", 400.0, 400.0, 45.0, 20.0, False)
    far = Terminal("B", "n", 400.0, 700.0, 24.0, 24.0, True)
    others = (Terminal("C", "m", 100.0, 250.0, 20.0, 20.0, False), Terminal("D", "m", 700.0, 250.0, 20.0, 20.0, False))
    wires = (
        Wire("n", "A", "B", ((400_000, 400_000), (400_000, 700_000)), False, 20.0),
        Wire(
            "m", "C", "D", ((100_000, 250_000), (476_000, 250_000), (476_000, 560_000), (700_000, 250_000)), False, 20.0
        ),
    )
    problem = RouteProblem(DIE, (pad, far, *others), (), 20.0, 20.0, 20.0, wide=(WideSpace(42.0, 40.0),))
    plan = RoutePlan(wires, ())
    metal = draw(problem, plan)
    own = shapely.union_all([shapely.Polygon(q) for q in metal["n"].metal] + [shapely.box(355e3, 380e3, 445e3, 420e3)])
    wide = own.buffer(-21_002, join_style="mitre").buffer(21_002, join_style="mitre")
    other = shapely.union_all([shapely.Polygon(q) for q in metal["m"].metal])
    assert wide.is_empty or wide.distance(other) >= 40_000
