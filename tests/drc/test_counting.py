"""Density, aspect ratio, count, centred on, pitch across the street, distance to seal and cut: answers in closed form.

Each with broken checks that the cases must catch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import klayout.db as kdb
import numpy as np
import pytest
import shapely

from layoutgen import pdk as pdk_module
from layoutgen.drc.checks import KINDS, task
from layoutgen.errors import PdkError
from layoutgen.findings import Finding
from layoutgen.geom import circle
from layoutgen.pdk import Rule
from layoutgen.units import to_dbu

PDKS = Path(__file__).parents[2] / "pdk" / "layoutgen_pdk"
Box = tuple[int, int, int, int]
EMPTY = kdb.Region()
DIE = (0, 0, 1_000_000, 1_000_000)
WINDOW = {"window": 100.0, "step": 50.0}


def boxes(*corners: Box) -> kdb.Region:
    return kdb.Region([kdb.Box(*c) for c in corners])


def rounds(diameter: float, *at: tuple[float, float]) -> kdb.Region:
    outlines = [to_dbu(circle(diameter, 128, xy)) for xy in at]
    return kdb.Region([kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in o]) for o in outlines])


def run(kind: str, *layers: kdb.Region, limit: float | None = None, **options: Any) -> list[Finding]:
    names = tuple("abc"[: len(layers)])
    return task("T", Rule(check=kind, layers=names, limit=limit, why="", source="", **options)).run(layers)


def refused(kind: str, layers: tuple[str, ...] = ("a", "b"), limit: float | None = None, **options: Any) -> str:
    with pytest.raises(PdkError) as caught:
        task("T", Rule(check=kind, layers=layers, limit=limit, why="", source="", **options))
    return "; ".join(str(p) for p in caught.value.problems)


def spots(found: Sequence[Finding]) -> set[tuple[int, int, int, int]]:
    return {(min(x), min(y), max(x), max(y)) for f in found for x, y in [tuple(zip(*f.polygon, strict=True))]}


# density ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("bound", ["min", "max"])
@pytest.mark.parametrize("at", [(0, 0), (-150_000_000, 149_950_000)])
def test_density_at_the_limit(by: int, bound: str, at: tuple[int, int]) -> None:
    """Stripes of 20 um and `by` every 50 um cover 40 % of every window on the lattice, and 2e-5 of it more or less."""
    stripes = boxes(*[(x, 0, x + 20_000 + by, 1_000_000) for x in range(0, 1_000_000, 50_000)])
    shift = kdb.Trans(*at)
    found = run("density", stripes.transformed(shift), boxes(DIE).transformed(shift), **WINDOW, **{bound: 40.0})
    wrong = by < 0 if bound == "min" else by > 0
    assert len(found) == (19 * 19 if wrong else 0)  # windows wholly within the die
    assert all(f.measured == pytest.approx(100 * (20_000 + by) / 50_000) for f in found)


def random_shapes(seed: int) -> tuple[list[list[tuple[int, int]]], list[list[tuple[int, int]]]]:
    rnd = random.Random(seed)  # noqa: S311 - repeatable, not secret
    dies = [[(7_000, -31_000), (431_000, -31_000), (431_000, 390_000), (7_000, 390_000)]]
    shapes = []
    for _ in range(30):
        x, y, w, h = (rnd.randrange(-60_000, 400_000), rnd.randrange(-60_000, 400_000), rnd.randrange(2_000, 90_000),
                      rnd.randrange(2_000, 90_000))  # fmt: skip
        cut = rnd.choice((0, min(w, h) // 2))  # a bevelled corner
        shapes.append([(x, y), (x + w, y), (x + w, y + h), (x + cut, y + h), (x, y + h - cut)])
    return shapes, dies


def region(shapes: list[list[tuple[int, int]]]) -> kdb.Region:
    return kdb.Region([kdb.Polygon([kdb.Point(*p) for p in s]) for s in shapes])


@pytest.mark.parametrize("part", [1.0, 0.4])
@pytest.mark.parametrize("seed", range(4))
def test_density_is_what_shapely_integrates(seed: int, part: float) -> None:
    shapes, dies = random_shapes(seed)
    found = run("density", region(shapes), region(dies), **WINDOW, min=48.0, max=52.0, gradient=15.0, part=part)
    die = shapely.unary_union([shapely.Polygon(d) for d in dies])
    layer = shapely.unary_union([shapely.Polygon(s) for s in shapes]) & die
    share: dict[tuple[int, int], float] = {}
    for x in range(-150_000, 500_000, 50_000):
        for y in range(-150_000, 500_000, 50_000):
            window = shapely.box(x, y, x + 100_000, y + 100_000)
            if (ground := (window & die).area) >= part * 1e10 and ground:
                share[x, y] = 100 * (window & layer).area / ground
    wanted = {(x, y, x + 100_000, y + 100_000) for (x, y), v in share.items() if v < 48 or v > 52}
    for (x, y), v in share.items():
        for dx, dy in ((50_000, 0), (0, 50_000)):
            if (next_ := share.get((x + dx, y + dy))) is not None and abs(next_ - v) > 15:
                wanted.add((x, y, x + 100_000 + dx, y + 100_000 + dy))
    assert spots(found) == wanted
    assert 10 < len(wanted) < 4 * len(share)


def test_density_needs_no_more_than_lies_in_the_marked_windows() -> None:
    shapes, dies = random_shapes(2)
    options = {**WINDOW, "min": 48.0, "gradient": 15.0}
    found = run("density", region(shapes), region(dies), **options)
    assert any("differ" in f.note for f in found)
    for f in found[::7]:
        (at,) = spots([f])
        near = boxes(at)
        assert f in run("density", region(shapes) & near, region(dies) & near, **options)


def test_density_of_an_empty_layer_is_nothing() -> None:
    assert len(run("density", EMPTY, boxes(DIE), **WINDOW, min=1.0)) == 19 * 19
    assert run("density", EMPTY, boxes(DIE), **WINDOW, max=1.0) == []
    assert run("density", boxes(DIE), EMPTY, **WINDOW, max=1.0) == []
    empty = task("T", Rule(check="density", layers=("a", "b"), why="", source="", **WINDOW, min=1.0))
    assert empty.subjects == ("b",)
    assert (empty.reach, empty.lattice) == (100.0, 50.0)


def test_density_of_one_layer_judges_the_windows_that_hold_it() -> None:
    """A full box of one window: that one is full, its neighbours by halves and quarters."""
    found = run("density", boxes((0, 0, 100_000, 100_000)), **WINDOW, min=30.0)
    corners = {(x, y, x + 100_000, y + 100_000) for x in (-50_000, 50_000) for y in (-50_000, 50_000)}
    assert spots(found) == corners
    assert {f.measured for f in found} == {25.0}
    assert len(run("density", boxes((0, 0, 100_000, 100_000)), **WINDOW, max=49.0)) == 5
    assert run("density", boxes((0, 0, 100_000, 100_000)), **WINDOW, gradient=50.0) == []
    # 100 to 50 four times over, and 50 to 25 eight times
    assert len(run("density", boxes((0, 0, 100_000, 100_000)), **WINDOW, gradient=49.9)) == 4
    assert len(run("density", boxes((0, 0, 100_000, 100_000)), **WINDOW, gradient=24.9)) == 4 + 8


def test_density_moves_with_its_lattice_only() -> None:
    shapes, dies = random_shapes(9)
    here = run("density", region(shapes), region(dies), **WINDOW, min=45.0, gradient=20.0)
    for by in ((50_000, -100_000), (25_000, 0)):
        shift = kdb.Trans(*by)
        there = run("density", region(shapes).transformed(shift), region(dies).transformed(shift), **WINDOW, min=45.0,
                    gradient=20.0)  # fmt: skip
        moved = {(a + by[0], b + by[1], c + by[0], d + by[1]) for a, b, c, d in spots(here)}
        assert (spots(there) == moved) is (by[0] % 50_000 == 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": 100.0}, "give min, max or gradient"),
        ({"window": 100.0, "step": 30.0, "max": 50.0}, "whole multiple"),
        ({"window": 100.0001, "max": 50.0}, "database units"),
        ({"window": 100.0, "min": 60.0, "max": 50.0}, "greater than max"),
        ({"max": 50.0}, "window"),
        ({"window": 100.0, "max": 150.0}, "max"),
    ],
)
def test_density_refuses(options: dict[str, Any], words: str) -> None:
    assert words in refused("density", **options)


def test_density_takes_one_layer_or_two() -> None:
    assert "takes 2 [layer, within?], not 3" in refused("density", ("a", "b", "c"), **WINDOW, max=50.0)


# aspect ratio -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("orientation", range(8))
def test_aspect_ratio_at_the_limit(by: int, orientation: int) -> None:
    """A bar of 40 um under 100 um is 2.5 times as high as wide."""
    bar = boxes((0, 0, 40_000 + by, 300_000)).transformed(kdb.Trans(orientation, 0, 0))
    found = run("aspect_ratio", bar, limit=2.5, height=100.0)
    assert bool(found) is (by < 0)
    assert all(f.measured == pytest.approx(100_000 / 39_999) for f in found)
    # 100 / 3 um is no whole number of units: 33.333 is narrower, 33.334 wider
    bar = boxes((0, 0, 33_333 + by, 300_000)).transformed(kdb.Trans(orientation, 0, 0))
    assert bool(run("aspect_ratio", bar, limit=3.0, height=100.0)) is (by < 1)


@pytest.mark.parametrize("by", [-0.02, 0.02])
def test_aspect_ratio_of_a_post_is_that_of_its_diameter(by: float) -> None:
    """Facets of 1 um on the grid turn by half a unit, and seem up to 16 nm nearer to those across."""
    assert bool(run("aspect_ratio", rounds(40 + by, (7, 9)), limit=3.0, height=120.0)) is (by < 0)


def test_aspect_ratio_of_a_neck() -> None:
    neck = boxes((0, 0, 50_000, 50_000), (50_000, 20_000, 60_000, 29_000), (60_000, 0, 90_000, 50_000))
    (found,) = run("aspect_ratio", neck, limit=1.0, height=10.0)
    assert found.measured == pytest.approx(10 / 9, abs=1e-6)
    assert found.note == "9 um wide, 10 um high"
    assert task("T", Rule(check="aspect_ratio", layers=("a",), limit=2.5, height=10.0, why="", source="")).words == (
        "height of a, 10 um, over its least width <= 2.5"
    )


def stacked(height: str, tmp_path: Path) -> pdk_module.Pdk:
    folder = tmp_path / "stacked"
    folder.mkdir()
    (folder / "pdk.toml").write_text(
        'extends = "post"\nname = "stacked"\n[rules."A"]\ncheck = "aspect_ratio"\nlayers = ["via"]\nlimit = 3.0\n'
        f'height = "{height}"\nwhy = "test"\nsource = "test"\n',
        "utf-8",
    )
    return pdk_module.read(folder, PDKS.joinpath)


def test_heights_come_from_the_stack(tmp_path: Path) -> None:
    process = stacked("level.polymer.thickness + level.post.projection", tmp_path)
    assert task("A", process.rules["A"]).options.height == 120.0
    assert "120 um" in task("A", process.rules["A"]).words


@pytest.mark.parametrize(
    ("height", "words"),
    [
        ("level.polymers.thickness", "level.polymer.thickness"),
        ("level.polymer.thickness / 0", "no finite value"),
        ("level.polymer.thickness | rdl", "is no number"),
    ],
)
def test_a_height_that_the_stack_does_not_know_is_refused(height: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(PdkError, match=r"rules\.A\.height") as caught:
        stacked(height, tmp_path)
    assert words in str(caught.value)


def test_a_height_must_be_positive() -> None:
    assert "height" in refused("aspect_ratio", ("a",), limit=1.0, height="level.a.b")
    assert "height" in refused("aspect_ratio", ("a",), limit=1.0, height=0.0)


# count --------------------------------------------------------------------------------------------------------------
BALLS = [(100_000 * i, 100_000 * j, 100_000 * i + 30_001, 100_000 * j + 30_000) for i in (1, 2, 3) for j in (1, 2)]
TWO_DIES = boxes((0, 0, 500_000, 500_000), (600_000, 0, 1_100_000, 500_000))


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"exactly": 6}, (False, True)), ({"exactly": 0}, (True, False)), ({"exactly": 5}, (True, True)),
        ({"at_least": 1}, (False, True)), ({"at_least": 6}, (False, True)), ({"at_least": 7}, (True, True)),
        ({"at_most": 6}, (False, False)), ({"at_most": 5}, (True, False)),
        ({"at_least": 6, "at_most": 6}, (False, True)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("orientation", range(8))
def test_count_on_a_full_and_an_empty_die(options: dict[str, int], wrong: tuple[bool, bool], orientation: int) -> None:
    turn = kdb.Trans(orientation, 150_000_000, -150_000_000)
    found = run("count", TWO_DIES.transformed(turn), boxes(*BALLS).transformed(turn), **options)
    assert sorted(f.measured for f in found if f.measured is not None) == [
        float(n) for n, bad in ((0, wrong[1]), (6, wrong[0])) if bad
    ]


def test_count_goes_by_centres() -> None:
    """A shape across the die's edge stands where its centre lies; on the edge itself, it stands on the die."""
    for shift, number in ((-1, 1.0), (0, 1.0), (1, 0.0)):
        across = boxes((490_000 + shift, 0, 510_000 + shift, 10_000))
        (found,) = run("count", boxes((0, 0, 500_000, 500_000)), across, exactly=2)
        assert found.measured == number


def test_count_in_a_ring_and_of_nothing() -> None:
    ring = boxes((0, 0, 500_000, 500_000)) - boxes((10_000, 10_000, 490_000, 490_000))
    assert run("count", ring, boxes(*BALLS), exactly=6) == []
    (found,) = run("count", ring, EMPTY, at_least=1)
    assert found.note == "0, too few"
    assert run("count", EMPTY, boxes(*BALLS), exactly=1) == []
    # two that abut count once
    assert run("count", ring, boxes((0, 0, 9, 9), (9, 0, 20, 9)), exactly=1) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "give exactly"), ({"exactly": 1, "at_most": 2}, "either"), ({"at_least": 3, "at_most": 2}, "more than")],
)
def test_count_refuses(options: dict[str, int], words: str) -> None:
    assert words in refused("count", **options)


# centred on ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("orientation", range(8))
@pytest.mark.parametrize("at", [(0, 0), (150_000_000, -150_000_000)])
def test_centred_on_at_the_limit(by: int, orientation: int, at: tuple[int, int]) -> None:
    """Centres 3 and 4 um apart in x and y are 5 um apart."""
    turn = kdb.Trans(orientation, *at)
    target = boxes((-50_000, -50_000, 50_000, 50_000), (200_000, 0, 210_000, 10_000)).transformed(turn)
    shape = boxes((-7_000 + 2 * by, -6_000, 13_000, 14_000)).transformed(turn)
    found = run("centred_on", shape, target, limit=5.0)
    assert bool(found) is (by > 0)
    assert all(f.measured == pytest.approx(float(np.hypot(3.001, 4)), abs=1e-6) for f in found)


def test_centred_on_the_very_point() -> None:
    discs = rounds(220, (0, 0), (500.0, 0))
    assert run("centred_on", discs, rounds(250, (0, 0), (500.0, 0), (900, 0)), limit=0.0) == []
    (found,) = run("centred_on", discs, rounds(250, (0, 0), (500.001, 0)), limit=0.0)
    assert found.measured == 0.001
    half = run("centred_on", boxes((0, 0, 10, 10)), boxes((0, 0, 11, 10)), limit=0.0)
    assert [f.measured for f in half] == [0.0005]


def test_centred_on_nothing() -> None:
    (found,) = run("centred_on", boxes(DIE), EMPTY, limit=1.0)
    assert found.measured is None
    assert run("centred_on", EMPTY, boxes(DIE), limit=1.0) == []


# pitch and edges across the street ----------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_pitch_across_the_street(by: int) -> None:
    """The last column of one die and the first of the next: the die's width, less its balls' span, and the street."""
    die = [(250 + 500 * i, 250 + 500 * j) for i in range(2) for j in range(2)]
    step = 1000 + by / 1000  # the street is as wide as leaves one pitch between the two dies' nearest balls
    found = run("pitch", rounds(310, *die, *((x + step, y) for x, y in die)), limit=500.0)
    assert len(found) == (2 if by < 0 else 0)
    assert all(f.measured == 499.999 for f in found)


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("orientation", range(8))
def test_distance_to_a_seal_is_to_its_outer_edge(by: int, orientation: int) -> None:
    turn = kdb.Trans(orientation, 0, 0)
    seal = (boxes(DIE) - boxes((20_000, 20_000, 980_000, 980_000))).transformed(turn)
    metal = boxes((35_000 + by, 300_000, 500_000, 400_000)).transformed(turn)
    assert bool(run("edge_distance", metal, seal, limit=35.0)) is (by < 0)


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("row", [0, 1])
def test_distance_to_the_cuts_around_each_die(by: int, row: int) -> None:
    """What no cut touches is the boundary; the cuts cross each other and the whole wafer."""
    wafer = boxes((0, 0, 3_000_000, 3_000_000))
    cuts = boxes((950_000, 0, 1_050_000, 3_000_000), (0, 950_000, 3_000_000, 1_050_000))
    metal = boxes((1_065_000 + by, 200_000 + row * 1_000_000, 1_200_000, 300_000 + row * 1_000_000))
    found = run("edge_distance", metal, wafer - cuts, limit=15.0)
    assert [f.measured for f in found] == ([14.999] if by < 0 else [])
    across = run("edge_distance", boxes((900_000, 100_000, 1_100_000, 120_000)), wafer - cuts, limit=15.0)
    assert any(f.note == "outside" for f in across)


# broken checks ------------------------------------------------------------------------------------------------------
CASES: dict[str, Callable[[], None]] = {
    "density": lambda: test_density_is_what_shapely_integrates(0, 1.0),
    "aspect_ratio": lambda: [test_aspect_ratio_at_the_limit(by, 0) for by in (-1, 0, 1)] and None,
    "count": lambda: test_count_on_a_full_and_an_empty_die({"at_least": 6, "at_most": 6}, (False, True), 0),
    "centred_on": lambda: [test_centred_on_at_the_limit(by, 0, (0, 0)) for by in (-1, 0, 1)] and None,
}


def broken(kind: str, change: str) -> Callable[..., list[Finding]]:
    original = KINDS[kind].check

    def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Any) -> list[Finding]:
        if change == "layers swapped":
            return original(rule, regions[::-1], limit, options)
        if change == "half of what is found":
            return original(rule, regions, limit, options)[::2][1:]
        if change == "gradient left out":
            return original(rule, regions, limit, options.model_copy(update={"gradient": None}))
        return original(rule, regions, limit + (1 if change == "limit + 1" else -1), options)

    return check


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        *((kind, change) for kind in ("aspect_ratio", "centred_on") for change in ("limit + 1", "limit - 1")),
        *((kind, "layers swapped") for kind in ("density", "count")),
        *((kind, "half of what is found") for kind in CASES),
        ("density", "gradient left out"),
    ],
)
def test_a_broken_check_is_caught(kind: str, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, kind, replace(KINDS[kind], check=broken(kind, change)))
    with pytest.raises((AssertionError, ValueError)):
        CASES[kind]()
