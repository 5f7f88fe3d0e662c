"""Arcs in place of bends; distances by shapely and KLayout, circles by their equation."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import klayout.db as kdb
import numpy as np
import pytest
import shapely

from layoutgen.route import NetMetal, NetRule, Obstacle, RoutePlan, RouteProblem, Terminal, Wire, box, draw, route
from layoutgen.route.beside import rims
from layoutgen.route.curves import SAGITTA, arc, curve, facet
from layoutgen.route.legal import body, conflicts

Gate = Callable[[RouteProblem, RoutePlan, dict[str, NetMetal]], dict[str, int]]
BALL = Terminal("D", "d", 1000.0, 1000.0, 100.0, 100.0, True)


def broken(problem: RouteProblem, wires: tuple[Wire, ...]) -> int:
    """Conflicts by the router's own judge."""
    return len(conflicts(problem, list(wires)))


def around(radius: float, first: int, last: int, net: str = "a") -> Wire:
    """A wire on corners of a 16-gon about the ball: in along its first side, out along its last one."""
    reach = radius / math.cos(math.pi / 16)
    angles = [(k + 0.5) * math.pi / 8 for k in range(first, last)]
    corners = [(1000 + reach * math.cos(a), 1000 + reach * math.sin(a)) for a in angles]
    ends = []
    for (x, y), (nx, ny) in ((corners[0], corners[1]), (corners[-1], corners[-2])):
        length = math.hypot(nx - x, ny - y)
        turn = (-1 if len(ends) == 0 else 1) * math.pi / 8
        dx, dy = (x - nx) / length, (y - ny) / length
        dx, dy = dx * math.cos(turn) - dy * math.sin(turn), dx * math.sin(turn) + dy * math.cos(turn)
        ends.append((x + 500 * dx, y + 500 * dy))
    points = tuple((round(x * 1000), round(y * 1000)) for x, y in [ends[0], *corners, ends[1]])
    return Wire(net, f"{net}0", f"{net}1", points, False, 30.0)


def problem(*wires: Wire, **more: object) -> RouteProblem:
    """Wires with a small pad at each end, and a ball in the middle."""
    terminals = [BALL]
    for wire in wires:
        for name, (x, y) in ((wire.start, wire.points[0]), (wire.end, wire.points[-1])):
            if name:
                terminals.append(Terminal(name, wire.net, x / 1000, y / 1000, 10.0, 10.0, False))
    given = {"outline": box(-1000.0, -1000.0, 3000.0, 3000.0), "obstacles": (), "width": 30.0, "space": 20.0}
    return RouteProblem(terminals=tuple(terminals), **{**given, "edge": 15.0, **more})  # type: ignore[arg-type]


def wire(net: str, *points: tuple[float, float], end: str | None = None, tie: bool = False) -> Wire:
    on_grid = tuple((round(x * 1000), round(y * 1000)) for x, y in points)
    return Wire(net, f"{net}0", f"{net}1" if end is None else end, on_grid, tie, 30.0)


def sharpest(w: Wire) -> float:
    """Largest turn of a wire in degrees."""
    turns = [0.0]
    for (a, b), (_, c) in pairwise(pairwise(w.points)):
        (ux, uy), (vx, vy) = (b[0] - a[0], b[1] - a[1]), (c[0] - b[0], c[1] - b[1])
        turns.append(abs(math.degrees(math.atan2(ux * vy - uy * vx, ux * vx + uy * vy))))
    return max(turns)


def test_corners_about_a_ball_become_concentric_arcs() -> None:
    """Three wires side by side, at the distances of the rubber band: all points lie on circles about the ball."""
    radii = [100.0 + 20 + 15 + 0.006 + 50.008 * k for k in range(3)]
    wires = tuple(around(r, 1, 6, net) for r, net in zip(radii, "abc", strict=True))
    p = problem(*wires)
    curved = curve(p, wires)
    assert broken(p, curved) == 0
    for r, w in zip(radii, curved, strict=True):
        inner = [q for q in w.points[1:-1] if math.pi / 8 < math.atan2(q[1] - 1e6, q[0] - 1e6) % (2 * math.pi)]
        inner = [q for q in inner if math.atan2(q[1] - 1e6, q[0] - 1e6) % (2 * math.pi) < 5 * math.pi / 8]
        distances = [math.dist(q, (1e6, 1e6)) for q in inner]
        assert len(distances) > 20
        assert min(distances) >= r * 1000 - 1
        assert max(distances) <= r * 1000 + SAGITTA + 1
        line = shapely.LineString(w.points)
        assert line.distance(shapely.Point(1e6, 1e6)) == pytest.approx(r * 1000, abs=1.5)
        assert sharpest(w) < 1.5
        assert w.points[0] == wires[radii.index(r)].points[0]
        assert w.points[-1] == wires[radii.index(r)].points[-1]


def test_an_arc_stands_around_its_circle_by_no_more_than_the_sagitta() -> None:
    step = facet(200_000.0)
    points = arc((0.0, 0.0), (300_000.0, 0.0), (300_000.0, 300_000.0), 200_000.0, step)
    distances = np.hypot(points[:, 0] - 100_000, points[:, 1] - 200_000)
    assert distances.min() >= 200_000 - 1e-6
    assert distances.max() <= 200_000 + SAGITTA
    assert math.pi / 8 / step == pytest.approx(round(math.pi / 8 / step))
    assert len(points) == round(math.pi / 2 / step)
    whole = shapely.LineString([(0, 0), *points, (300_000, 300_000)])
    assert whole.distance(shapely.Point(100_000, 200_000)) == pytest.approx(200_000)


def test_arcs_keep_as_near_to_an_obstacle_as_they_may() -> None:
    corner = wire("a", (0, 0), (600, 0), (600, 600))
    free = curve(problem(corner), (corner,))[0]
    block = Obstacle.box(400.0, 50.0, 550.0, 200.0)
    tight = problem(corner, obstacles=(block,))
    bent = curve(tight, (corner,))[0]
    assert corner.length > bent.length > free.length
    gap = shapely.LineString(bent.points).distance(shapely.box(400_000, 50_000, 550_000, 200_000))
    assert 35_002 <= gap < 35_600
    assert broken(tight, (bent,)) == 0


def test_an_arc_about_the_corner_of_an_obstacle() -> None:
    """A block as near as it may be to both legs: the largest arc is the one about its corner."""
    corner = wire("a", (0, 0), (600, 0), (600, 600))
    p = problem(corner, obstacles=(Obstacle.box(400.0, 35.1, 564.9, 200.0),))
    bent = curve(p, (corner,))
    assert broken(p, bent) == 0
    assert shapely.LineString(bent[0].points).distance(shapely.Point(564_900, 35_100)) == pytest.approx(35_100, abs=100)
    assert bent[0].length == pytest.approx(1200 - (2 - math.pi / 2) * 35.1, abs=0.3)


def test_a_corner_without_room_for_the_least_radius_stays() -> None:
    short = wire("a", (0, 0), (600, 0), (600, 40), (1200, 40))
    assert curve(problem(short), (short,)) == (short,)


def test_rules_of_nets_and_the_corners_of_an_outline_hold() -> None:
    corner = wire("a", (-400, 0), (600, 0), (600, 1000))
    beside = wire("b", (300, 500), (450, 150))
    far = problem(corner, beside, rules={"b": NetRule(30.0, 90.0)})
    for p, space in ((problem(corner, beside), 20_000), (far, 90_000)):
        bent = curve(p, (corner, beside))[0]
        other = shapely.union(shapely.Polygon(body(beside, 0.004)), shapely.box(440_000, 140_000, 460_000, 160_000))
        gap = shapely.Polygon(body(bent, 0.004)).distance(other)
        assert space <= gap < space + 2000
    notched = ((-900.0, -900.0), (900.0, -900.0), (900.0, 900.0), (600.0, 900.0), (600.0, 40.0), (-900.0, 40.0))
    around_notch = wire("a", (0, 0), (700, 0), (700, 600))
    p = RouteProblem(
        notched,
        tuple(Terminal(n, "a", x, y, 15.0, 15.0, False) for n, x, y in (("a0", 0.0, 0.0), ("a1", 700.0, 600.0))),
        (), 30.0, 20.0, 15.0,
    )  # fmt: skip
    bent = curve(p, (around_notch,))[0]
    ring = shapely.LinearRing([(x * 1000, y * 1000) for x, y in notched])
    assert len(bent.points) > 5
    assert 15_000 <= shapely.Polygon(body(bent, 0.004)).distance(ring) < 17_000


def test_ties_keep_their_last_leg() -> None:
    tie = wire("a", (0, 0), (400, -300), (400, -970), (430, -990), (430, -1000), end="", tie=True)
    gentle = wire("b", (1000, 0), (1300, -900), (1300, -1000), end="", tie=True)
    p = problem(tie, gentle, ties=True)
    curved = curve(p, (tie, gentle))
    for old, new in zip((tie, gentle), curved, strict=True):
        (ax, ay), (bx, by) = new.points[-2:]
        assert new.points[-1] == old.points[-1]
        assert ax == bx
        assert ay - by >= min(15_000, old.points[-2][1] - by)
    assert len(curved[1].points) > len(gentle.points)


def test_a_branch_still_lands_on_the_wire_it_ended_on() -> None:
    trunk = wire("a", (0, 0), (600, 0), (600, 600))
    free = curve(problem(trunk), (trunk,))[0]
    for x in (600, 590, 450):
        branch = Wire("a", "a2", "", ((x * 1000, -500_000), (x * 1000, 0)), False, 30.0)
        p = problem(trunk, branch)
        bent, same = curve(p, (trunk, branch))
        assert same == branch
        assert shapely.LineString(bent.points).distance(shapely.Point(branch.points[-1])) == 0
        assert bent.length > free.length
    assert bent.length < trunk.length  # 150 um before the corner there is room for an arc


def test_rims_are_those_of_the_drawn_path() -> None:
    points = ((0, 0), (300_000, 10_000), (420_000, 160_000), (400_000, 400_000), (650_000, 520_000))
    left, right = rims(np.array(points, dtype=np.float64), 30_004)
    mine = shapely.Polygon(np.vstack([left, right[::-1]]))
    drawn = shapely.Polygon(body(Wire("a", "", "", points, False, 30.0), 0.004))
    assert drawn.difference(mine).area < 2 * drawn.length  # sharp bends are drawn with a chamfer
    assert mine.difference(drawn.buffer(0.25 * 30_000)).area == 0


def test_nothing_to_bend() -> None:
    straight = wire("a", (0, 0), (600, 0))
    assert curve(problem(straight), (straight,)) == (straight,)
    assert curve(problem(), ()) == ()


def test_a_generated_chip_is_clean(grid_chip: Callable[[bool], RouteProblem], gate: Gate) -> None:
    p = grid_chip(True)
    plan = route(p)
    curved = curve(p, plan.wires)
    assert curved == curve(p, plan.wires)
    assert broken(p, curved) == 0
    after = RoutePlan(curved, plan.unrouted)
    assert gate(p, after, draw(p, after)) == {}
    assert all(isinstance(c, int) for w in curved for q in w.points for c in q)
    assert after.length() < plan.length()


def test_caravel_is_clean_and_smooth(caravel: Callable[..., RouteProblem]) -> None:
    p = caravel()
    plan = route(p)
    curved = curve(p, plan.wires)
    assert broken(p, curved) == 0
    nets: dict[str, kdb.Region] = {}
    for w in curved:
        polygon = kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in body(w, 0.004)])
        nets.setdefault(w.net, kdb.Region()).insert(polygon)
    metal = kdb.Region()
    for region in nets.values():
        metal += region.merged()
    assert metal.isolated_check(20_000, False, kdb.Region.Euclidian).is_empty()
    bends = [len(w.points) - 2 for w in plan.wires]
    smooth = [sharpest(w) < 2.5 for w in curved]
    assert sum(smooth) > 0.9 * len(smooth)
    assert sum(bends) < sum(len(w.points) - 2 for w in curved) < 5000
    assert [(w.points[0], w.points[-1]) for w in curved] == [(w.points[0], w.points[-1]) for w in plan.wires]
