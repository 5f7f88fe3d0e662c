"""Numbers and pictures of a routing: closed forms, and what stands in the files."""

from __future__ import annotations

import csv
import io
import itertools
import math
from dataclasses import replace
from pathlib import Path

import klayout.lay as lay
import numpy as np
import pytest

from layoutgen import discover
from layoutgen.report import routing as report
from layoutgen.report import routing_table
from layoutgen.report.page import nice
from layoutgen.report.routing_picture import draw_picture
from layoutgen.route import (
    Bottleneck,
    Matched,
    Missed,
    NetMetal,
    NetRule,
    Obstacle,
    RoutePlan,
    RouteProblem,
    Terminal,
    Unrouted,
    Via,
    Wire,
    box,
    draw,
    route,
)

Spot = tuple[float, float]
SHEET, WIDTH = 0.01, 20.0
OHM = SHEET / WIDTH
"""Ohm of 1 um of wire."""


def disc(name: str, at: Spot, net: str = "n", layer: int = 0) -> Terminal:
    return Terminal(name, net, *at, 15.0, 15.0, True, layer=layer)


def wire(*points: Spot, start: str = "", end: str = "", layer: int = 0, net: str = "n", tie: bool = False) -> Wire:
    return Wire(net, start, end, tuple((round(x * 1000), round(y * 1000)) for x, y in points), tie, WIDTH, layer)


def ohm(terminals: list[Terminal], wires: list[Wire], vias: tuple[Via, ...] = (), balls: set[str] | None = None,
        sheet: tuple[float, ...] = (SHEET,)) -> float | None:  # fmt: skip
    return routing_table.resistance(terminals, wires, vias, sheet, balls or set(), WIDTH)


def pair(*more: Spot) -> list[Terminal]:
    return [disc("a", (0, 0)), disc("b", (1000, 0)), *(disc(f"t{i}", at) for i, at in enumerate(more))]


# resistance -----------------------------------------------------------------------------------------------------


def test_one_wire() -> None:
    line = wire((0, 0), (300, 400), (1000, 0), start="a", end="b")
    assert ohm(pair(), [line]) == pytest.approx(OHM * (500 + math.hypot(700, 400)))


def test_wires_in_series_through_a_terminal() -> None:
    wires = [wire((0, 0), (1000, 0), start="a", end="b"), wire((1000, 0), (1000, 700), start="b", end="t0")]
    assert ohm(pair((1000, 700)), wires) == pytest.approx(OHM * 1700)


def test_a_loop_is_two_wires_in_parallel() -> None:
    wires = [
        wire((0, 0), (1000, 0), start="a", end="b"),
        wire((0, 0), (0, 500), (1000, 500), (1000, 0), start="a", end="b"),
    ]
    assert ohm(pair(), wires) == pytest.approx(OHM * 1000 * 2000 / 3000)


def test_a_branch_from_the_middle_of_a_wire() -> None:
    wires = [wire((0, 0), (1000, 0), start="a", end="b"), wire((400, 900), (400, 0), start="t0")]
    assert ohm(pair((400, 900)), wires) == pytest.approx(OHM * (600 + 900))
    # only pads against balls: a and b are pads, the nearer of which does not count
    assert ohm(pair((400, 900)), wires, balls={"t0"}) == pytest.approx(OHM * (600 + 900))
    assert ohm(pair((400, 900)), wires, balls={"a"}) == pytest.approx(OHM * (400 + 900))


def test_a_branch_that_was_rounded_off_the_wire_is_joined_all_the_same() -> None:
    a, b = disc("a", (0, 0)), disc("b", (1000, 333))
    for spot in ((400.0, 133.2), (401.111, 133.570)):  # on the wire, and 0.04 nm off
        wires = [wire((0, 0), (1000, 333), start="a", end="b"), wire((spot[0], 900), spot, start="t0")]
        found = ohm([a, b, disc("t0", (spot[0], 900))], wires)
        expected = OHM * (math.dist(spot, (1000, 333)) + 900 - spot[1])
        assert found == pytest.approx(expected, rel=1e-5)


def test_what_wires_share_counts_once() -> None:
    wires = [
        wire((0, 0), (600, 0), (1000, 0), start="a", end="b"),
        wire((0, 0), (600, 0), (600, 500), start="a", end="t0"),
    ]
    assert ohm(pair((600, 500)), wires, balls={"b", "t0"}) == pytest.approx(OHM * 1100)


@pytest.mark.parametrize("across", [300.0, 400.0])
def test_an_unbalanced_bridge(across: float) -> None:
    """Five wires between four terminals; by hand with a delta turned into a star."""
    a, b, c, d = disc("a", (-500, 0)), disc("b", (500, 0)), disc("c", (0, 300)), disc("d", (0, 0))

    def tent(start: Terminal, end: Terminal, length: float, side: float) -> Wire:
        """A wire of that length, with one corner to the left (side 1) or right (-1) of the straight line."""
        straight = math.dist((start.x, start.y), (end.x, end.y))
        high = side * math.sqrt((length / 2) ** 2 - (straight / 2) ** 2)
        ux, uy = (end.x - start.x) / straight, (end.y - start.y) / straight
        top = ((start.x + end.x) / 2 - uy * high, (start.y + end.y) / 2 + ux * high)
        return wire((start.x, start.y), top, (end.x, end.y), start=start.name, end=end.name)

    ac, cb, ad, db, cd = 600.0, 900.0, 950.0, 620.0, across
    wires = [tent(a, c, ac, 1), tent(c, b, cb, 1), tent(a, d, ad, -1), tent(d, b, db, -1), tent(c, d, cd, 1)]
    whole = ac + ad + cd
    to_a, to_c, to_d = ac * ad / whole, ac * cd / whole, ad * cd / whole
    expected = to_a + (to_c + cb) * (to_d + db) / (to_c + cb + to_d + db)
    edges, same = routing_table._network([a, b, c, d], wires, (), (SHEET,), WIDTH)
    assert routing_table._largest(edges, same, [("a", "b")]) == pytest.approx(OHM * expected, rel=1e-4)


def test_two_layers_are_joined_by_vias_only() -> None:
    a, b = disc("a", (0, 0)), disc("b", (1000, 0), layer=1)
    wires = [
        wire((0, 0), (400, 0), start="a"),
        wire((400, 0), (1000, 0), end="b", layer=1),
    ]
    assert ohm([a, b], wires, sheet=(SHEET, SHEET)) is None
    via = (Via("n", 400, 0),)
    assert ohm([a, b], wires, via, sheet=(SHEET, 3 * SHEET)) == pytest.approx(OHM * (400 + 3 * 600))
    at_pad = [wire((0, 0), (1000, 0), start="a", end="b", layer=1)]
    assert ohm([a, b], at_pad, (Via("n", 0, 0),), sheet=(SHEET, SHEET)) == pytest.approx(OHM * 1000)


def test_a_tie_carries_nothing_and_a_branch_from_a_tie_counts() -> None:
    line, tie = wire((0, 0), (1000, 0), start="a", end="b"), wire((0, 0), (0, -500), start="a", tie=True)
    assert ohm(pair(), [line, tie]) == pytest.approx(OHM * 1000)
    branch = wire((700, -300), (0, -300), start="t0")
    assert ohm(pair((700, -300)), [line, tie, branch], balls={"t0"}) == pytest.approx(OHM * (1000 + 300 + 700))


def test_no_resistance_without_wires_without_a_sheet_or_with_a_gap() -> None:
    line = wire((0, 0), (1000, 0), start="a", end="b")
    assert ohm(pair(), []) is None
    assert ohm(pair(), [line], sheet=()) is None
    assert ohm(pair((500, 500)), [line]) is None
    assert ohm([disc("a", (0, 0))], [line]) is None


def test_sheet_resistance_of_a_process() -> None:
    """5 um of copper: 1 / 58 ohm mm2/m over 5 um."""
    pdk = discover.pdk("post")
    assert pdk.sheet_resistance("rdl") == pytest.approx(1 / 58 * 1e-6 / 5e-6, rel=1e-4)
    assert pdk.sheet_resistance("polyimide") is None
    assert pdk.sheet_resistance("pad") is None
    level = pdk.stack["rdl"].model_copy(update={"resistivity": 2e-8})
    measured = pdk.model_copy(update={"stack": {"rdl": level}})
    assert measured.sheet_resistance("rdl") == pytest.approx(2e-8 / 5e-6)


# lengths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_spanning_length_is_that_of_the_best_tree(seed: int) -> None:
    points = [tuple(map(float, p)) for p in np.random.default_rng(seed).uniform(0, 1000, (5, 2))]
    links = list(itertools.combinations(range(5), 2))
    best = math.inf
    for tree in itertools.combinations(links, 4):
        parts = list(range(5))
        for a, b in tree:
            old, new = parts[a], parts[b]
            parts = [new if p == old else p for p in parts]
        if len(set(parts)) == 1:
            best = min(best, sum(math.dist(points[a], points[b]) for a, b in tree))
    assert routing_table.spanning_length([(x, y) for x, y in points]) == pytest.approx(best)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (((0, 0), (100, 0)), 0),
        (((0, 0), (50, 0), (100, 0)), 0),
        (((0, 0), (100, 0), (100, 100)), 1),
        (((0, 0), (100, 0), (105, 2), (108, 6), (108, 100)), 1),  # one bend in facets
        (((0, 0), (100, 0), (105, 5), (110, 5)), 2),  # left, then right
        (((0, 0), (100, 0), (0, 0)), 1),
    ],
)
def test_bends(points: tuple[Spot, ...], expected: int) -> None:
    assert routing_table.bends(wire(*points)) == expected


def two_nets(**changed: object) -> RouteProblem:
    terminals = (
        disc("pad A", (100, 100), "a"), disc("ball A", (900, 100), "a"),
        disc("pad B", (100, 300), "b"), disc("ball B", (900, 300), "b"),
    )  # fmt: skip
    return replace(RouteProblem(box(0, 0, 1000, 400), terminals, (), WIDTH, 20, 15), **changed)  # type: ignore[arg-type]


def test_a_row_says_what_a_net_got() -> None:
    problem = two_nets(ties=True)
    plan = RoutePlan(
        (
            wire((100, 100), (100, 40), (900, 40), (900, 100), start="pad A", end="ball A", net="a"),
            wire((100, 100), (0, 100), start="pad A", net="a", tie=True),
        ),
        (Unrouted("b", "pad B", "ball B", "full"), Unrouted("b", "pad B", "", "full", tie=True)),
    )
    a, b = routing_table.net_table(problem, plan, (SHEET,))
    assert (a.net, a.terminals, a.links, a.unrouted, a.bends, a.ties, a.untied) == ("a", 2, 1, 0, 2, 1, 0)
    assert (a.length, a.straight, a.tie_length) == pytest.approx((920, 800, 100))
    assert a.ratio == pytest.approx(1.15)
    assert a.resistance == pytest.approx(OHM * 920)
    assert (b.links, b.unrouted, b.untied, b.ratio, b.resistance) == (0, 1, 1, None, None)
    sums = routing_table.totals([a, b])
    assert (sums.nets, sums.incomplete, sums.links, sums.unrouted, sums.ties, sums.untied) == (2, 1, 1, 1, 1, 1)
    assert sums.ratio == pytest.approx(1.15)  # of the complete net only


def test_a_free_ball_belongs_to_the_net_that_took_it() -> None:
    terminals = (
        Terminal("pad A", "a", 100, 100, 15, 15, True, group="g"),
        Terminal("ball 1", "", 900, 100, 15, 15, True, group="g"),
        Terminal("ball 2", "", 900, 300, 15, 15, True, group="g"),
    )
    problem = RouteProblem(box(0, 0, 1000, 400), terminals, (), WIDTH, 20, 15)
    line = wire((100, 100), (900, 300), start="pad A", end="ball 2", net="a")
    (row,) = routing_table.net_table(problem, RoutePlan((line,), (), taken={"ball 2": "a"}), (SHEET,))
    assert row.terminals == 2
    assert row.straight == pytest.approx(math.hypot(800, 200))
    assert row.ratio == pytest.approx(1.0)


def test_a_net_whose_pads_took_balls_is_measured_in_its_parts() -> None:
    """Two pads of one net, each with its ball: straight lines from pad to ball, not from pad to pad."""
    pads = tuple(Terminal(f"pad {k}", "a", 100, y, 20, 20, False, group="g") for k, y in enumerate((100, 900)))
    spots = ((0, 500, 100), (1, 400, 900))
    balls = tuple(Terminal(f"ball {k}", "", x, y, 20, 20, True, group="g") for k, x, y in spots)
    problem = RouteProblem(box(0, 0, 1000, 1000), (*pads, *balls), (), WIDTH, 20, 15)
    wires = (
        wire((100, 100), (500, 100), start="pad 0", end="ball 0", net="a"),
        wire((100, 900), (400, 900), start="pad 1", end="ball 1", net="a"),
    )
    plan = RoutePlan(wires, (), taken={"ball 0": "a", "ball 1": "a"})
    (row,) = routing_table.net_table(problem, plan, (SHEET,), {"ball 0", "ball 1"})
    assert row.straight == row.length == pytest.approx(700)
    assert row.ratio == pytest.approx(1.0)
    assert row.resistance == pytest.approx(SHEET * 400 / WIDTH)


def test_a_missed_group_says_which_net_and_why() -> None:
    problem = two_nets(matched=(Matched(("a", "b"), 5.0),), rules={"a": NetRule(WIDTH, 20.0)})
    a = wire((100, 100), (900, 100), start="pad A", end="ball A", net="a")
    b = wire((100, 300), (900, 200), start="pad B", end="ball B", net="b")
    plan = RoutePlan((a, b), (), missed=(Missed(("a", "b"), "a", 806.2, 800.0, "no room"),))
    rows = routing_table.net_table(problem, plan, ())
    (group,) = routing_table.matched_table(problem, rows, plan.missed)
    assert not group.met
    assert report.matched_line(group).endswith("5 um wanted: missed; a is 800.0 um of 806.2, no room")


def test_matched_groups_and_their_verdict() -> None:
    problem = two_nets(matched=(Matched(("a", "b"), 50.0),), rules={"a": NetRule(WIDTH, 20.0)})
    straight = wire((100, 300), (900, 300), start="pad B", end="ball B", net="b")

    def verdict(depth: float) -> routing_table.MatchedRow:
        low = 100 - depth
        detour = wire((100, 100), (100, low), (900, low), (900, 100), start="pad A", end="ball A", net="a")
        rows = routing_table.net_table(problem, RoutePlan((detour, straight), ()), ())
        return routing_table.matched_table(problem, rows)[0]

    assert verdict(25).met
    assert verdict(25).spread == pytest.approx(50)
    assert not verdict(26).met
    rows = routing_table.net_table(problem, RoutePlan((straight,), (Unrouted("a", "pad A", "ball A", "full"),)), ())
    (group,) = routing_table.matched_table(problem, rows)
    assert not group.met
    assert "not all routed" in report.matched_line(group)


def test_resistance_of_every_net_of_a_routed_chip_lies_between_straight_and_way() -> None:
    """Another witness for a whole routing: with one wire a net, sheet x length / width of what was drawn."""
    problem = two_nets()
    plan = route(problem)
    for row in routing_table.net_table(problem, plan, (SHEET,)):
        assert row.resistance == pytest.approx(OHM * row.length)


# words ----------------------------------------------------------------------------------------------------------


def test_hostile_names_stay_names() -> None:
    evil = "a|b<script>`*\n# x"
    problem = two_nets()
    terminals = tuple(replace(t, net=evil) if t.net == "a" else t for t in problem.terminals)
    problem = replace(problem, terminals=terminals)
    plan = RoutePlan((), (Unrouted(evil, "pad A", "ball A", "full"),))
    rows = routing_table.net_table(problem, plan, ())
    text = report.markdown("x", problem, plan, rows, [evil])
    assert "<script>" not in text
    assert "\n# x" not in text.removeprefix("# x")
    table = list(csv.reader(io.StringIO(report.csv_text(rows))))
    assert table[0] == list(report.COLUMNS)
    assert table[1][0] == evil
    assert all(len(line) == len(report.COLUMNS) for line in table)


def test_the_report_says_what_is_missing_and_where_it_is_too_narrow() -> None:
    problem = two_nets(ties=True)
    cut = Bottleneck((((500.0, 0.0), (500.0, 150.0)),), 2, 3, ("a",))
    plan = RoutePlan((), (Unrouted("a", "pad A", "", "full", tie=True),), (cut,), tie_bound=1)
    text = report.markdown("x", problem, plan, routing_table.net_table(problem, plan, ()))
    assert text.startswith("# x: not complete")
    assert "a: pad A to the die edge: full" in text
    assert "from (500.0, 0.0) to (500.0, 150.0) um: room for 2, 3 want to cross (a left)" in text
    assert "no more than 1 can leave the die" in text


# picture --------------------------------------------------------------------------------------------------------


def narrow() -> RouteProblem:
    """Three nets and a channel for two."""
    terminals = []
    for k, y in enumerate((300.0, 500.0, 700.0)):
        terminals += [disc(f"pad P{k}", (200, y), f"n{k}"), disc(f"ball B{k}", (1800, y), f"n{k}")]
    walls = (Obstacle.box(950, 20, 1050, 420), Obstacle.box(950, 560, 1050, 980))
    return RouteProblem(box(0, 0, 2000, 1000), tuple(terminals), walls, 30, 20, 15)


class Png:
    """A picture's pixels."""

    def __init__(self, path: Path) -> None:
        self._buffer = lay.PixelBuffer.read_png(str(path))
        self.size = (self._buffer.width(), self._buffer.height())

    def red_in(self, x0: int, y0: int, x1: int, y1: int) -> int:
        """How many pixels of a box are red."""
        count = 0
        for x in range(x0, x1):
            for y in range(y0, y1):
                value = self._buffer.pixel(x, y)
                r, g, b = value >> 16 & 255, value >> 8 & 255, value & 255
                count += r > 180 and g < 60 and b < 60
        return count


def test_a_picture_shows_what_is_missing_in_red(tmp_path: Path) -> None:
    problem = narrow()
    plan = route(problem)
    assert [u.tie for u in plan.unrouted] == [False]
    missing = plan.unrouted[0]
    plan = replace(plan, bottlenecks=(Bottleneck((((1000, 420), (1000, 560)),), 2, 3, (missing.net,)),))
    rows = routing_table.net_table(problem, plan, (SHEET,))
    draw_picture(tmp_path / "a.png", "narrow", problem, plan, draw(problem, plan), rows)
    picture = Png(tmp_path / "a.png")
    scale, left, top = 0.7, 40, 80  # 2000 um on 1400 pixels
    assert picture.size[0] > 1800
    y = round(top + (1000 - {t.name: t.y for t in problem.terminals}[missing.start]) * scale)
    dashes = picture.red_in(left + 300, y - 3, left + 600, y + 4)
    assert 300 * 1.0 < dashes < 300 * 6.5  # a line with gaps
    cut = picture.red_in(left + 690, round(top + 450 * scale), left + 711, round(top + 570 * scale))
    assert cut > 300
    # and no red at all where nothing is missing
    whole = replace(problem, obstacles=())
    plan = route(whole)
    assert plan.complete
    rows = routing_table.net_table(whole, plan, (SHEET,))
    draw_picture(tmp_path / "b.png", "wide", whole, plan, draw(whole, plan), rows)
    assert Png(tmp_path / "b.png").red_in(left, y - 40, left + 1400, y + 40) == 0


def test_the_same_routing_gives_the_same_picture(tmp_path: Path) -> None:
    problem = narrow()
    plan = route(problem)
    rows = routing_table.net_table(problem, plan, (SHEET,))
    for name in ("a", "b"):
        draw_picture(tmp_path / f"{name}.png", "same", problem, plan, draw(problem, plan), rows)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_pictures_of_all_kinds_can_be_drawn(tmp_path: Path) -> None:
    """Two layers with vias, many nets, a polygon outline, free terminals, nothing routed at all."""
    many = tuple(
        disc(f"{kind}{k}", (50 + k * 40, y), f"n{k}") for k in range(120) for kind, y in (("p", 50), ("b", 900))
    )
    lines = tuple(
        wire((50 + k * 40, 50), (50 + k * 40 + k % 9, 500), (50 + k * 40, 900), start=f"p{k}", end=f"b{k}", net=f"n{k}")
        for k in range(119)
    )
    left = (Unrouted("n119", "p119", "b119", "full"),)
    cuts = tuple(Bottleneck((((k * 90, 400), (k * 90 + 50, 450)),), 1, 2 + k, ("n119",)) for k in range(20))
    problems = {
        "many": (RouteProblem(box(0, 0, 5000, 1000), many, (), WIDTH, 10, 5), RoutePlan(lines, left, cuts)),
        "layers": (
            RouteProblem(
                ((0, 0), (800, 0), (1000, 200), (1000, 1000), (0, 1000)),
                (
                    disc("a", (100, 100)), disc("b", (900, 900), layer=1),
                    Terminal("f", "", 500, 500, 20, 20, True, group="g"),
                    Terminal("p", "m", 300, 300, 20, 20, False, polygon=((280, 280), (320, 280), (300, 320))),
                    Terminal("q", "m", 700, 300, 20, 30, False, group="g"),
                ),
                (Obstacle(((600, 600), (650, 600), (620, 650))),), WIDTH, 10, 5, layers=2, via=30, ties=True,
            ),
            RoutePlan(
                (wire((100, 100), (500, 100), start="a"), wire((500, 100), (900, 900), end="b", layer=1)),
                (Unrouted("m", "q", "", "no free ball"), Unrouted("n", "a", "", "full", tie=True)),
                vias=(Via("n", 500, 100),),
            ),
        ),
    }  # fmt: skip
    for name, (problem, plan) in problems.items():
        rows = routing_table.net_table(problem, plan, (SHEET, SHEET)[: problem.layers])
        metal: dict[str, NetMetal] = {} if problem.layers == 2 else draw(problem, plan)
        draw_picture(tmp_path / f"{name}.png", name, problem, plan, metal, rows)
        assert min(Png(tmp_path / f"{name}.png").size) >= 700
    assert routing_table.net_table(*problems["layers"], (SHEET, SHEET))[0].vias == 1


@pytest.mark.parametrize(("value", "expected"), [(897.0, 500.0), (1000.0, 1000.0), (499.9, 200.0), (0.3, 0.2)])
def test_scale_bars_have_round_lengths(value: float, expected: float) -> None:
    assert nice(value) == pytest.approx(expected)
