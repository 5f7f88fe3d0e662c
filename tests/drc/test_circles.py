"""Circles measured as circles: verdicts and values against closed forms, to one database unit."""

from __future__ import annotations

import math
import random
from typing import Any

import klayout.db as kdb
import numpy as np
import pytest

from layoutgen.drc import circles
from layoutgen.drc.checks import KINDS, task
from layoutgen.findings import Finding
from layoutgen.geom import circle
from layoutgen.pdk import Rule
from layoutgen.units import to_dbu

L = 10_000
AROUND = kdb.Region(kdb.Box(-900_000, -900_000, 900_000, 900_000))
Corners = list[tuple[int, int]]


def region(*shapes: Corners) -> kdb.Region:
    return kdb.Region([kdb.Polygon([kdb.Point(*p) for p in s]) for s in shapes])


def around(diameter: int, n: int, x: int = 0, y: int = 0) -> Corners:
    """As the project draws them: sides that touch the circle."""
    points = to_dbu(circle(diameter / 1000, n)) + np.array([x, y])
    return [(int(a), int(b)) for a, b in points]


def inscribed(diameter: int, n: int, x: int = 0, y: int = 0) -> Corners:
    """As most programs draw them: corners on the circle, one of them on each axis."""
    at = [2 * math.pi * i / n for i in range(n)]
    return [(x + round(diameter / 2 * math.cos(a)), y + round(diameter / 2 * math.sin(a))) for a in at]


def box(x0: int, y0: int, x1: int, y1: int) -> Corners:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def run(kind: str, *layers: kdb.Region, circles: Any = "analytic", limit: int = L, **options: Any) -> list[Finding]:
    rule = Rule(check=kind, layers=tuple("ab"[: len(layers)]), limit=limit / 1000, why="", source="", **options)
    return task("T", rule).run(layers, circles=circles)


def drawn(rnd: random.Random, diameter: int, x: int = 0, y: int = 0) -> Corners:
    """Coarse and fine circles of both ways of drawing."""
    return rnd.choice((around, inscribed))(diameter, rnd.choice((32, 64, 128, 512)), x, y)


# recognition --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [32, 40, 64, 128, 1024])
@pytest.mark.parametrize("draw", [around, inscribed])
@pytest.mark.parametrize("at", [(0, 0), (150_000_001, -149_999_999)])
def test_circles_are_recognised(n: int, draw: Any, at: tuple[int, int]) -> None:
    other = box(at[0] + 900_000, at[1], at[0] + 910_000, at[1] + 9)
    found = circles.recognise(region(draw(200_000, n, *at), other).merged())
    assert found.centres.tolist() == [[2 * at[0], 2 * at[1]]]
    assert found.diameters.tolist() == [200_000]
    assert found.rest.count() == 1
    assert found.indices.tolist() == [
        i for i, s in enumerate(region(draw(200_000, n, *at), other).merged().each()) if s.num_points() > 4
    ]


def lens() -> Corners:
    """Two arcs of 20 corners each on one circle, joined by straight sides."""
    at = [math.pi * (0.25 + 0.5 * i / 19) for i in range(20)] + [math.pi * (1.25 + 0.5 * i / 19) for i in range(20)]
    return [(round(1e5 * math.cos(a)), round(1e5 * math.sin(a))) for a in at]


NO_CIRCLES = {
    "too few corners": inscribed(200_000, 28),
    "an ellipse": [(x, round(y * 1.001)) for x, y in inscribed(200_000, 64)],
    "one corner off": [(x + (9 if i == 5 else 0), y) for i, (x, y) in enumerate(inscribed(200_000, 64))],
    "two arcs": lens(),
    "half a circle": [p for p in inscribed(200_000, 128) if p[1] >= 0],
    "a square": box(0, 0, 9_000, 9_000),
}


@pytest.mark.parametrize("name", NO_CIRCLES)
def test_what_is_no_circle(name: str) -> None:
    found = circles.recognise(region(NO_CIRCLES[name]).merged())
    assert len(found.indices) == 0
    assert found.rest.count() == 1


def test_rings_and_discs_with_a_wire_are_no_circles() -> None:
    ring = region(inscribed(200_000, 64)) - region(inscribed(100_000, 64))
    wired = region(inscribed(200_000, 64), box(0, -5_000, 300_000, 5_000))
    assert len(circles.recognise(ring.merged()).indices) == len(circles.recognise(wired.merged()).indices) == 0


# verdicts -----------------------------------------------------------------------------------------------------------
LAYOUTS = 150


def judged(found: list[Finding], least: float, limit: float = L) -> bool | None:
    """Compare with a closed form in database units; the verdict, or None within one unit of the limit."""
    if abs(least - limit) <= 1:
        return None
    assert bool(found) is (least < limit), f"{least} against {[f.measured for f in found]}"
    if found:
        values = [f.measured for f in found if f.measured is not None]
        assert min(values) * 1000 == pytest.approx(least, abs=1)
    return least < limit


def polar(rnd: random.Random, radius: float) -> tuple[int, int]:
    turn = rnd.uniform(0, 2 * math.pi)
    return round(radius * math.cos(turn)), round(radius * math.sin(turn))


def case(kind: str, rnd: random.Random) -> tuple[list[Finding], float]:
    d1, d2 = 2 * rnd.randint(20_000, 150_000), 2 * rnd.randint(20_000, 150_000)
    gap = L + rnd.choice((-3_000, -300, -30, -3, 3, 30, 300))
    straight = rnd.random() < 0.5
    turn = kdb.Trans(rnd.randrange(8), 0, 0)
    if kind in ("space", "separation"):
        if straight and rnd.random() < 0.5:  # a box beside it
            other, least = region(box(d1 // 2 + gap, -40_000, 400_000, 60_000)), float(gap)
        elif straight:  # a box's corner
            x, y = (abs(v) for v in polar(rnd, d1 / 2 + gap))
            other, least = region(box(x, y, x + 400_000, y + 90_000)), math.hypot(x, y) - d1 / 2
        else:
            x, y = polar(rnd, d1 / 2 + d2 / 2 + gap)
            other = region(drawn(rnd, d2, x, y))
            least = math.hypot(x, y) - d1 / 2 - d2 / 2
        layers = [region(drawn(rnd, d1)), other]
        if kind == "space":
            layers = [layers[0] + layers[1]]
    else:
        small, large = sorted((d1, d2))
        if large - small < 2 * (L + 300):
            large = small + 2 * (L + 5_000)
        if not straight:
            x, y = polar(rnd, large / 2 - small / 2 - gap)
            layers = [region(drawn(rnd, small, x, y)), region(drawn(rnd, large))]
            least = large / 2 - small / 2 - math.hypot(x, y)
        elif rnd.random() < 0.5:  # a circle in a box
            layers = [region(drawn(rnd, small)), region(box(-small // 2 - gap, -400_000, 400_000, 400_000))]
            least = gap
        else:  # a box in a circle
            x, y = (abs(v) for v in polar(rnd, large / 2 - gap))
            layers = [region(box(-x, -y, x + 1, y + 1)), region(drawn(rnd, large))]
            least = large / 2 - math.hypot(x + 1, y + 1)
    return run(kind, *(layer.transformed(turn) for layer in layers)), least


@pytest.mark.parametrize("kind", ["space", "separation", "enclosure"])
def test_verdicts_and_values_are_those_of_the_closed_form(kind: str) -> None:
    seen = {True: 0, False: 0, None: 0}
    for seed in range(LAYOUTS):
        rnd = random.Random(seed)  # noqa: S311 - repeatable, not secret
        seen[judged(*case(kind, rnd))] += 1
    assert min(seen[True], seen[False]) > LAYOUTS / 6, seen


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("n", [32, 128])
@pytest.mark.parametrize("draw", [around, inscribed])
@pytest.mark.parametrize("at", [(0, 0), (-150_000_000, 149_999_999)])
def test_sizes_are_exact(by: int, n: int, draw: Any, at: tuple[int, int]) -> None:
    disc = region(draw(40_000 + 2 * by, n, *at))
    found = run("width", disc, limit=40_000)
    assert [f.measured for f in found] == ([39.998] if by < 0 else [])
    assert bool(run("exact_size", disc, limit=40_000, tolerance=0.0)) is (by != 0)
    assert run("exact_size", disc, limit=40_000, tolerance=0.002) == []
    assert bool(run("aspect_ratio", disc, limit=3_000, height=120.0)) is (by < 0)


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("orientation", range(8))
def test_limits_are_exact_along_the_axes(by: int, orientation: int) -> None:
    """Facets of 32 corners would be off by half a micrometre."""
    turn = kdb.Trans(orientation, 150_000_000, -150_000_000)
    one = region(inscribed(200_000, 32)).transformed(turn)
    other = region(around(300_000, 32, 250_000 + L + by)).transformed(turn)
    large = region(around(200_000 + 2 * L, 32, -by)).transformed(turn)
    assert bool(run("space", one + other)) is (by < 0)
    assert bool(run("separation", one, other)) is (by < 0)
    assert bool(run("enclosure", one, large)) is (by != 0)


@pytest.mark.parametrize("kind", ["space", "separation", "enclosure", "width"])
def test_by_facets_coarse_circles_are_judged_otherwise(kind: str) -> None:
    """What the option is for. Drawn with 32 corners, circles that are right break a rule by their sides; of two that
    are too near in the direction of their sides, these keep the distance."""
    small, large = region(inscribed(200_000, 32)), region(inscribed(200_000 + 2 * L, 32))
    x, y = (round((200_000 + L - 200) * f(math.pi / 32)) for f in (math.cos, math.sin))
    gap = region(inscribed(200_000, 32, x, y))
    layers = {"space": (small + gap,), "separation": (small, gap), "enclosure": (small, large), "width": (small,)}[kind]
    limit = 200_000 if kind == "width" else L
    verdicts = {how: bool(run(kind, *layers, circles=how, limit=limit)) for how in ("facets", "analytic")}
    assert verdicts == {"facets": kind not in ("space", "separation"), "analytic": kind in ("space", "separation")}


def test_equal_circles_turned_against_each_other_are_flush() -> None:
    """Corners of one stand out beyond the sides of the other; the circles do not."""
    one, other = region(inscribed(200_000, 64)), region(inscribed(200_000, 48))
    assert run("enclosure", one, other, circles="facets", limit=0)
    assert run("enclosure", one, other, limit=0) == []
    assert run("enclosure", one, region(inscribed(199_994, 48)), limit=0)
    square = region(box(-70_710, -70_710, 70_710, 70_710))  # corners 99 999 from the centre
    assert run("enclosure", square, region(inscribed(200_000, 36)), limit=0) == []


@pytest.mark.parametrize("how", ["facets", "analytic"])
@pytest.mark.parametrize(
    ("kind", "layers", "found"),
    [
        ("separation", (region(around(90_000, 64)), AROUND), True),
        ("separation", (region(around(90_000, 64)), region(around(60_000, 64, 40_000))), True),
        ("separation", (region(around(90_000, 64)), region(around(300_000, 64))), True),
        ("separation", (region(around(90_000, 64)), AROUND - region(box(-95_000, -95_000, 95_000, 95_000))), False),
        ("separation", (region(around(90_000, 64)), AROUND - region(box(-54_000, -95_000, 95_000, 95_000))), True),
        ("enclosure", (region(around(90_000, 64)), kdb.Region()), True),
        ("enclosure", (region(around(90_000, 64)), region(around(90_000, 64, 300_000))), True),
        ("enclosure", (region(around(90_000, 64)), region(around(60_000, 64))), True),
        ("enclosure", (region(around(90_000, 64)), AROUND - region(box(50_000, -9, 60_000, 9))), True),
        ("enclosure", (region(box(0, 0, 300_000, 9)), region(around(90_000, 64))), True),
        ("enclosure", (region(around(90_000, 64)), AROUND), False),
        ("space", (region(around(90_000, 64), around(90_000, 64, 90_000)),), True),
        ("space", (region(box(0, 0, 9_000, 9_000), box(9_000, 9_000, 20_000, 20_000)),), True),
        ("space", (region(around(90_000, 64)),), False),
        ("space", (kdb.Region(),), False),
        ("width", (region(box(0, 0, 9_000, 90_000)),), True),
        ("width", (region(box(0, 0, 20_000, 90_000), around(20_000, 64, 90_000)),), False),
    ],
)
def test_plain_verdicts_are_alike(how: str, kind: str, layers: tuple[kdb.Region, ...], found: bool) -> None:
    options = {"metric": "projection"} if kind == "width" else {}
    assert bool(run(kind, *layers, circles=how, **options)) is found


def test_shapes_of_straight_sides_are_found_as_before() -> None:
    rnd = random.Random(3)  # noqa: S311 - repeatable, not secret
    shapes = []
    for _ in range(60):
        x, y = rnd.randint(0, 400_000), rnd.randint(0, 400_000)
        shapes.append(box(x, y, x + rnd.randint(5_000, 60_000), y + rnd.randint(5_000, 60_000)))
    a, b = region(*shapes[:30]), region(*shapes[30:])
    for kind, layers in (("space", (a,)), ("width", (a,)), ("separation", (a, b)), ("enclosure", (a, b))):
        found = run(kind, *layers)
        assert found
        assert {f.identity for f in found} == {f.identity for f in run(kind, *layers, circles="facets")}


def test_markers_are_local_and_move_with_the_shapes() -> None:
    layer = region(around(200_000, 64), inscribed(200_001, 64, 150_000, 144_000), box(104_003, -20_000, 130_000, 9_000))
    found = run("space", layer)
    assert len(found) == 2
    for f in found:
        ((x1, y1, x2, y2),) = f.edges
        assert math.hypot(x2 - x1, y2 - y1) == pytest.approx((f.measured or 0) * 1000, abs=2)
    by = (149_999_999, -150_000_000)
    there = run("space", layer.transformed(kdb.Trans(*by)))
    moved = {(x1 + by[0], y1 + by[1], x2 + by[0], y2 + by[1]) for f in found for x1, y1, x2, y2 in f.edges}
    assert {f.edges[0] for f in there} == moved


Disc = tuple[int, int, int]


def scene(rnd: random.Random) -> tuple[list[Disc], list[tuple[int, int, int, int]]]:
    """Discs and boxes that keep at least 5 um from each other."""
    discs: list[Disc] = []
    slabs: list[tuple[int, int, int, int]] = []
    for _ in range(40):
        x, y, d = rnd.randint(0, 300_000), rnd.randint(0, 300_000), 2 * rnd.randint(10_000, 40_000)
        if rnd.random() < 0.6:
            new = (d, x, y)
            if min([apart(new, o) for o in (*discs, *slabs)], default=L) > L // 2:
                discs.append(new)
        else:
            slab = (x, y, x + d, y + rnd.randint(20_000, 80_000))
            if min([apart(slab, o) for o in (*discs, *slabs)], default=L) > L // 2:
                slabs.append(slab)
    return discs, slabs


def apart(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Distance of two discs (three numbers) or boxes (four)."""
    if len(a) == len(b) == 3:
        return math.hypot(a[1] - b[1], a[2] - b[2]) - (a[0] + b[0]) / 2
    if len(a) == 3:
        a, b = b, a
    if len(b) == 3:
        d, x, y = b
        return math.hypot(max(a[0] - x, x - a[2], 0), max(a[1] - y, y - a[3], 0)) - d / 2
    return math.hypot(max(a[0] - b[2], b[0] - a[2], 0), max(a[1] - b[3], b[1] - a[3], 0))


@pytest.mark.parametrize("kind", ["space", "separation"])
def test_among_many_shapes_each_too_small_gap_is_found_and_seen_from_nearby(kind: str) -> None:
    """Every pair nearer than the limit is marked with its distance, and no other; the marker needs only what is near
    it: other shapes may be cut off or lacking."""
    gaps, rnd = 0, random.Random(5)  # noqa: S311 - repeatable, not secret
    for _ in range(40):
        discs, slabs = scene(rnd)
        shapes: list[tuple[int, ...]] = [*discs, *slabs]
        polygons = [region(drawn(rnd, *s) if len(s) == 3 else box(*s)) for s in shapes]
        turns = [rnd.randrange(2) if kind == "separation" else 0 for _ in shapes]
        layers = [kdb.Region(), kdb.Region()]
        for polygon, which in zip(polygons, turns, strict=True):
            layers[which] += polygon
        layers = layers[:1] if kind == "space" else layers
        round_pairs = [
            apart(a, b)
            for i, a in enumerate(shapes)
            for j, b in enumerate(shapes[:i])
            if 3 in (len(a), len(b)) and (kind == "space" or turns[i] != turns[j])
        ]
        found = [f for f in run(kind, *layers) if f.note]
        if any(abs(gap - L) <= 1 for gap in round_pairs):
            continue
        wanted = sorted(gap for gap in round_pairs if gap < L)
        gaps += len(wanted)
        assert sorted((f.measured or 0) * 1000 for f in found) == pytest.approx(wanted, abs=1)
        for f in found:
            ((x1, y1, x2, y2),) = f.edges
            near = kdb.Region(kdb.Box(x1, y1, x2, y2).enlarged(L, L))
            assert f in run(kind, *(layer.interacting(near) for layer in layers))
    assert gaps > 20


def test_circles_straight_opposite_only() -> None:
    """With metric = "projection" a corner diagonally ahead does not count, nor what the circle overhangs too far."""
    disc = region(around(200_000, 128))
    corner = region(box(75_000, 75_000, 300_000, 300_000))  # 106 066 from the centre
    assert run("space", disc + corner)
    beside = run("space", disc + corner, metric="projection")
    height = (75_000 - math.sqrt(100_000**2 - 75_000**2)) / 1000
    assert [f.measured for f in beside] == [pytest.approx(height, abs=0.001)] * len(beside)
    assert len(beside) == 1
    assert run("space", disc + region(box(101_000, 100_000, 300_000, 300_000)), metric="projection") == []


def test_which_kinds_measure_circles() -> None:
    able = {name for name, kind in KINDS.items() if kind.analytic}
    assert able >= {"space", "separation", "enclosure", "width", "exact_size", "aspect_ratio"}
    plain = Rule(check="pitch", layers=("a",), limit=500.0, why="", source="")
    assert task("T", plain).run([region(around(90_000, 64), around(90_000, 64, 300_000))], circles="analytic")
