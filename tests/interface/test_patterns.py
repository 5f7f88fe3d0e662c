"""Patterns of openings against other witnesses: shapely for what fits and is open, KLayout for arrays, a k-d tree."""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Any

import klayout.db as kdb
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from layoutgen import discover, gds
from layoutgen.cell import Drawing
from layoutgen.errors import ParamError
from layoutgen.pdk import Pdk
from layoutgen.units import DBU
from layoutgen_cells.interface import fitting, packing, shapes, sites

SIDE = 1500.0
KEEPOUTS = (
    ((100.0, 100.0), (220.0, 100.0), (220.0, 180.0), (100.0, 180.0)),
    ((700.0, 600.0), (980.0, 700.0), (760.0, 940.0)),
    ((1300.0, -50.0), (1600.0, -50.0), (1600.0, 300.0), (1300.0, 300.0)),
)
DISTANCE = 12.0
PATTERNS: dict[str, dict[str, Any]] = {
    "square": {},
    "all alike, to a fraction": {"fraction": 0.31},
    "staggered": {"pattern": "staggered", "shape": "hexagon", "size": 17.0},
    "rows of slots": {"pattern": "slots", "size": 12.0},
    "columns of slots": {"pattern": "slots", "size": 12.0, "turn": "y", "fraction": 0.26},
    "radial": {"pattern": "radial", "size": 11.0, "length": 60.0, "pitch": 25.0},
    "random": {"pattern": "random", "shape": "circle", "fraction": 0.12},
    "graded by size": {"grade": "size", "size": 22.0, "fraction": 0.2, "shape": "square"},
    "graded by density": {"grade": "density", "fraction": 0.11, "shape": "circle"},
    "by a map": {"grade": "size", "map": ((1.0, 2.0), (3.0, 4.0)), "size": 22.0},
    "trimmed": {"trim": True, "fraction": 0.25},
    "trimmed and graded": {
        "trim": True,
        "fraction": 0.2,
        "grade": "size",
        "map": ((1.0, 2.0), (2.0, 0.5)),
        "shape": "circle",
        "pitch": 34.0,
    },
    "small crosses": {"shape": "cross", "size": 15.0},
    "crosses": {"shape": "cross", "size": 24.0},
}


@cache
def process() -> Pdk:
    return discover.pdk("interface").in_flow("padded")


@cache
def drawn(name: str) -> Drawing:
    return draw(**PATTERNS[name])


def draw(**changed: Any) -> Drawing:
    given = {"width": SIDE, "height": SIDE, "keepouts": KEEPOUTS, "distance": DISTANCE, **changed}
    return discover.cells()["interface_openings"](process(), **given)


def flat(drawing: Drawing, layer: str = "relief") -> list[shapely.Polygon]:
    """Every polygon of a drawing's layer (um), as KLayout reads what is written."""
    layout = gds.to_layout(drawing, process())
    region = gds.fetch(layout, process(), layout.cell(drawing.name))(layer)
    return [shapely.Polygon([(p.x * DBU, p.y * DBU) for p in polygon.each_point_hull()]) for polygon in region.each()]


def value(drawing: Drawing, name: str) -> float:
    return next(v.drawn for v in drawing.values if v.name == name)


def open_to() -> shapely.Geometry:
    kept = shapely.union_all(
        [shapely.buffer(shapely.Polygon(k), DISTANCE + 0.002, join_style="mitre", mitre_limit=2) for k in KEEPOUTS]
    )
    return shapely.difference(shapely.box(0, 0, SIDE, SIDE), kept)


@pytest.mark.parametrize("name", PATTERNS)
def test_openings_keep_clear_of_keep_outs_area_and_each_other(name: str) -> None:
    openings = flat(drawn(name))
    assert len(openings) == value(drawn(name), "openings") > 100
    apart = shapely.distance(np.array(openings)[:, None], np.array([shapely.Polygon(k) for k in KEEPOUTS])[None, :])
    assert apart.min() >= DISTANCE - 1e-6
    assert shapely.covers(shapely.box(-1e-6, -1e-6, SIDE + 1e-6, SIDE + 1e-6), openings).all()
    near, other = shapely.STRtree(openings).query(openings, predicate="dwithin", distance=5.0 - 0.0015)
    assert (near == other).all(), "the web between openings"
    eroded = shapely.buffer(openings, -(10.0 - 0.003) / 2, join_style="mitre")
    assert not shapely.is_empty(eroded).any(), "the least width"


@pytest.mark.parametrize("name", PATTERNS)
def test_the_opened_share_is_what_is_said_and_asked(name: str) -> None:
    share = shapely.area(flat(drawn(name))).sum() / open_to().area
    assert 100 * share == pytest.approx(value(drawn(name), "opening fraction"), abs=0.01)
    if asked := PATTERNS[name].get("fraction"):
        assert share == pytest.approx(asked, abs=0.01)


@pytest.mark.parametrize("name", ["square", "staggered", "random"])
def test_only_what_does_not_fit_is_left_out(name: str) -> None:
    """The same sites with no keep-outs at all: those of them that shapely finds to fit are the ones that are drawn."""
    everywhere = {
        (round(p.centroid.x, 3), round(p.centroid.y, 3)): p for p in flat(draw(**PATTERNS[name], keepouts=()))
    }
    here = {(round(p.centroid.x, 3), round(p.centroid.y, 3)) for p in flat(drawn(name))}
    if name == "random":  # sized anew to the fraction
        assert here <= everywhere.keys()
        return
    region = shapely.buffer(open_to(), 1e-6)
    assert here == {at for at, p in everywhere.items() if region.covers(p)}


def test_the_field_is_the_area_without_keep_outs() -> None:
    field = shapely.union_all(flat(drawn("square"), "field"))
    assert shapely.symmetric_difference(field, open_to()).area < 1.0


@pytest.mark.parametrize("name", PATTERNS)
def test_the_same_parameters_draw_the_same(name: str) -> None:
    again, before = ([p.wkb for p in flat(d)] for d in (draw(**PATTERNS[name]), drawn(name)))
    assert again == before


def test_another_seed_draws_another_pattern_and_its_numbers_are_those_of_splitmix() -> None:
    assert sites.chance(0, 3).tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert {p.wkb for p in flat(draw(**PATTERNS["random"], seed=2))} != {p.wkb for p in flat(drawn("random"))}


@pytest.mark.parametrize("distance", [700, 5000, 30_001])
def test_random_places_keep_their_distance_and_leave_little_room(distance: int) -> None:
    found = sites.random((0, 0, 40 * distance, 30 * distance), distance, seed=3).at
    tree = cKDTree(found)
    assert tree.query(found, k=2)[0][:, 1].min() >= distance
    spots = np.random.default_rng(1).uniform(0, 1, (4000, 2)) * (40 * distance, 30 * distance)
    assert (tree.query(spots)[0] >= distance).mean() < 0.02  # room for another
    assert 0.6 < len(found) / 1200 < 0.9


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), unique=True))
def test_rectangles_hold_each_place_once(places: list[tuple[int, int]]) -> None:
    found = packing.rectangles(np.array(places, dtype=np.int64).reshape(-1, 2))
    unpacked = [(c + i, r + j) for c, r, w, h in found.tolist() for i, j in itertools.product(range(w), range(h))]
    assert sorted(unpacked) == sorted(places)


def test_a_full_lattice_is_one_rectangle_and_a_frame_is_four() -> None:
    full = {(i, j) for i in range(9) for j in range(7)}
    assert packing.rectangles(np.array(sorted(full))).tolist() == [[0, 0, 9, 7]]
    frame = np.array(sorted(full - {(i, j) for i in range(1, 8) for j in range(1, 6)}))
    assert len(packing.rectangles(frame)) == 4


def test_arrays_are_the_flat_openings() -> None:
    """Each opening by itself, from the sites alone, against what the arrays of the file unfold to."""
    region = fitting.allowed(
        shapely.box(0, 0, 600_000, 600_000), [shapely.box(200_000, 200_000, 300_000, 330_000)], 5000
    )
    places = sites.grid((10_000, 10_000, 590_000, 590_000), (30_000, 30_000))
    corners = shapes.outline("octagon", 15_000)
    fits = fitting.largest_fitting(region, places, [corners]) == 0
    one_by_one = kdb.Region()
    for at in places.at[fits].tolist():
        one_by_one.insert(kdb.Polygon([kdb.Point(x + at[0], y + at[1]) for x, y in corners.tolist()]))
    arrays = kdb.Region()
    for column, row, columns, rows in packing.rectangles(places.index[fits]).tolist():
        for i, j in itertools.product(range(column, column + columns), range(row, row + rows)):
            x, y = (
                o + k * s for o, k, s in zip(places.lattices[0].origin, (i, j), places.lattices[0].step, strict=True)
            )
            arrays.insert(kdb.Polygon([kdb.Point(p + x, q + y) for p, q in corners.tolist()]))
    assert arrays.count() == one_by_one.count() > 300
    assert (arrays ^ one_by_one).is_empty()


@pytest.mark.parametrize("shape", ["circle", "square", "octagon", "hexagon", "slot", "cross"])
@pytest.mark.parametrize("size", [10_000, 14_002, 60_000])
def test_shapes_are_as_wide_as_they_say_simple_and_symmetric(shape: shapes.Shape, size: int) -> None:
    corners = shapes.outline(shape, size, length=3 * size, arm=size // 2 // 2 * 2)
    polygon = shapely.Polygon(corners)
    assert polygon.is_valid
    assert polygon.exterior.is_ccw
    assert shapes.area2(corners) == 2 * polygon.area
    assert {(-x, -y) for x, y in corners.tolist()} == {(x, y) for x, y in corners.tolist()}
    x0, y0, x1, y1 = polygon.bounds
    assert (y1 - y0 if shape == "slot" else x1 - x0) == pytest.approx(size, abs=2)
    inner, outer = shapes.reaches(corners)
    assert inner == pytest.approx(polygon.exterior.distance(shapely.Point(0, 0)))
    assert outer == pytest.approx(max(math.hypot(x, y) for x, y in corners.tolist()))


def test_radial_slots_point_at_the_neutral_point() -> None:
    for slot in flat(drawn("radial")):
        box = shapely.minimum_rotated_rectangle(slot)
        x, y = np.array(box.exterior.coords[:-1]).T
        sides = sorted(((math.hypot(x[k] - x[k - 1], y[k] - y[k - 1]), k) for k in range(4)), reverse=True)
        k = sides[0][1]
        middle = slot.centroid
        along = np.array([x[k] - x[k - 1], y[k] - y[k - 1]]) / sides[0][0]
        arm = np.array([middle.x - SIDE / 2, middle.y - SIDE / 2])
        assert abs(along[0] * arm[1] - along[1] * arm[0]) < 0.002 * np.hypot(*arm) + 0.05


def test_graded_openings_grow_from_the_neutral_point_to_the_corners() -> None:
    openings = flat(draw(grade="size", size=22.0, at_centre=0.5, neutral=(SIDE / 2, 0.0), shape="square"))
    away = np.array([math.hypot(p.centroid.x - SIDE / 2, p.centroid.y) for p in openings])
    width = np.array([math.sqrt(p.area) for p in openings])
    far = math.hypot(SIDE / 2, SIDE)
    wanted = 22.0 * (0.5 + 0.5 * away / far)
    assert np.abs(wanted - width).max() <= 0.5 + 0.01
    assert len({round(w, 3) for w in width}) < 30


def test_a_map_is_read_from_its_upper_left_corner() -> None:
    box = (0, 0, 400, 200)
    table = np.array([[1.0, 2.0], [3.0, 4.0]])
    at = np.array([[100, 150], [300, 150], [100, 50], [300, 50], [200, 100], [0, 200]])
    found = fitting.weights(at, box, neutral=(0, 0), at_centre=1.0, power=1.0, table=table)
    assert (4 * found).tolist() == pytest.approx([1, 2, 3, 4, 2.5, 1])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fraction": 0.95}, "fraction=0.95 cannot be had with pitch=30 um"),
        ({"size": 28.0}, "pitch=30 um has room for openings of 25, not 28; widen it"),
        ({"size": 8.0}, "size=8 um is narrower than least=10; widen it"),
        ({"shape": "cross", "arm": 5.0}, "arm=5 um is narrower than least=10; widen it"),
        ({"shape": "cross", "arm": 16.0}, "arm=16 um is wider than size=15; make it narrower"),
        ({"shape": "slot", "length": 12.0}, "length=12 um is less than a slot's width, size=15; lengthen it"),
        ({"neutral": (1.0, 1.0)}, "neutral: nothing goes by the distance from it; leave it out"),
        ({"neutral": (1e9, 1.0), "grade": "size"}, "neutral: lies farther away than a wafer is wide, 450000 um"),
        ({"pattern": "radial", "length": 4000.0, "pitch_y": 4100.0}, "no opening fits at size=15 um"),
        ({"map": ((1.0, 2.0), (3.0,)), "grade": "size"}, "map: its rows differ in length"),
        ({"map": ((1.0, 2.0),)}, "map: says nothing while grade is 'none'"),
        ({"map": ((0.0,),), "grade": "size"}, "map: holds no value above 0"),
        ({"keepouts": (((0.0, 0.0), (9.0, 9.0)),)}, "keepouts: polygon 1 is no simple polygon"),
        ({"keepouts": (((-9.0, -9.0), (1600.0, -9.0), (1600.0, 1600.0), (-9.0, 1600.0)),)}, "keep-outs cover all"),
        ({"pitch": 0.5, "size": 0.2, "least": 0.1}, r"pitch=0.5 um makes 9.01e\+06 openings; 5000000 at most"),
        ({"grade": "size", "step": 0.01, "size": 20.0}, "step=0.01 um makes 2500 sizes; 500 at most"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamError, match=message) as e:
        draw(**changed)
    assert str(e.value).startswith("interface_openings: ")
    assert "\n" not in str(e.value)
