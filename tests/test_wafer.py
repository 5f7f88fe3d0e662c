"""Where dies fit, how they are arrayed and named, the rim, and the bus that leads from the dies to the ring."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Literal

import klayout.db as kdb
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from layoutgen import discover, gds
from layoutgen.cell import Drawing
from layoutgen.die import Die
from layoutgen.errors import ParamError, SpecError
from layoutgen.kerf import Step, StreetContext, build_step
from layoutgen.pdk import Pdk
from layoutgen.units import dbu, to_dbu
from layoutgen.wafer import (
    NOTCH_DEPTH,
    Grid,
    Notch,
    Place,
    Rim,
    WaferContext,
    arrays,
    build_wafer,
    lay_grid,
    neighbours,
    placed,
    row_letters,
)
from layoutgen_cells import kerf_ring
from layoutgen_cells.common.kerf import BusEnd, bus_ends

POST: Pdk = discover.pdk("post")
DIAMETERS = (100_000.0, 150_000.0, 200_000.0, 300_000.0)
NOTCHES: tuple[Notch, ...] = ("bottom", "left", "top", "right", "none")


def step_of(width: float, height: float, street: float = 100.0) -> Step:
    half = street / 2
    empty = (Drawing("FULL"), Drawing("EMPTY"))
    return Step(*empty, (-half, -half, width + half, height + half), (width, height))


# names --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "letters"),
    [(0, "A"), (1, "B"), (25, "Z"), (26, "AA"), (27, "AB"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA"),
     (18_277, "ZZZ"), (18_278, "AAAA")],
)  # fmt: skip
def test_row_letters(index: int, letters: str) -> None:
    assert row_letters(index) == letters


def test_row_letters_are_all_different_and_in_order() -> None:
    names = [row_letters(i) for i in range(2000)]
    assert len(set(names)) == 2000
    assert names == sorted(names, key=lambda n: (len(n), n))


def test_rows_are_lettered_from_the_top_and_columns_counted_from_the_left() -> None:
    grid = Grid((10.0, 10.0), (0.0, 0.0), ((0, 0), (0, 1), (0, 2), (1, 0)), ())
    assert [grid.row_name(r) for r in range(3)] == ["C", "B", "A"]
    assert [grid.column_name(c) for c in range(2)] == ["1", "2"]


# the grid -----------------------------------------------------------------------------------------------------------


def fitting(rim: Rim, step: Step, centre: str) -> set[tuple[int, int]]:
    """Lower-left die corners (database units) of all places where a whole die fits: one by one, by its four corners."""
    (w, h), (px, py) = step.die_size, step.pitch
    found = set()
    most = int(rim.diameter / min(px, py)) + 3
    for i in range(-most, most):
        for j in range(-most, most):
            x = i * px - w / 2 + (px / 2 if centre == "street" else 0.0)
            y = j * py - h / 2 + (py / 2 if centre == "street" else 0.0)
            die = shapely.box(x, y, x + w, y + h)
            corners = [(x, y), (x + w, y), (x, y + h), (x + w, y + h)]
            if any(math.hypot(*c) > rim.usable for c in corners):
                continue
            clear = NOTCH_DEPTH + rim.edge_exclusion
            if rim.notch_at is not None and die.distance(shapely.Point(rim.notch_at)) < clear:
                continue
            found.add((dbu(round(x, 3)), dbu(round(y, 3))))
    return found


@settings(max_examples=40)
@given(
    diameter=st.sampled_from(DIAMETERS),
    exclusion=st.sampled_from((3000.0, 5000.0, 8123.4)),
    notch=st.sampled_from(NOTCHES),
    width=st.floats(6000, 30_000),
    height=st.floats(6000, 30_000),
    centre=st.sampled_from(("die", "street")),
)
def test_the_grid_holds_every_place_where_a_whole_die_fits_and_no_other(
    diameter: float, exclusion: float, notch: Notch, width: float, height: float, centre: Literal["die", "street"]
) -> None:
    rim, step = Rim(diameter, exclusion, notch), step_of(round(width, 3), round(height, 3))
    expected = fitting(rim, step, centre)
    assume(expected)
    grid = lay_grid(rim, step, centre, 0, "f")
    found = {(dbu(grid.at(p)[0]), dbu(grid.at(p)[1])) for p in grid.places}
    assert len(found) == len(grid.places) == len(expected)
    # the origin is rounded once: a place may lie a unit beside the witness's
    assert all(any((x + i, y + j) in expected for i in (-1, 0, 1) for j in (-1, 0, 1)) for x, y in found)
    assert min(c for c, _ in grid.places) == min(r for _, r in grid.places) == 0
    assert (grid.columns, grid.rows) == tuple(len({p[i] for p in grid.places}) for i in (0, 1))


def test_a_die_that_just_fits_does_and_one_unit_more_does_not() -> None:
    rim = Rim(200_000.0, 5000.0, "none")
    side = 95_000.0 * math.sqrt(2)
    assert len(lay_grid(rim, step_of(side - 0.001, side - 0.001), "die", 0, "f").places) == 1
    with pytest.raises(SpecError, match=r"f: wafer.diameter: a die of .* um does not fit on a wafer of 200000 um"):
        lay_grid(rim, step_of(side + 0.001, side + 0.001), "die", 0, "f")


def test_dies_keep_the_edge_exclusion_from_the_notchs_tip() -> None:
    """The tip lies 1 mm inside the edge: a die right above it ends 1 mm further in than it may elsewhere."""

    def columns(notch: Notch, height: float) -> set[int]:
        grid = lay_grid(Rim(200_000.0, 5000.0, notch), step_of(10_000.0, height), "die", 0, "f")
        return {round(grid.at(p)[0]) for p in grid.places}

    middle = -5000
    assert middle in columns("bottom", 187_999.9)
    assert middle in columns("none", 188_000.1)
    with pytest.raises(SpecError, match="no whole die fits"):
        columns("bottom", 188_000.1)


def test_too_few_places_for_marks_are_said() -> None:
    with pytest.raises(SpecError, match=r"f: wafer.mark_sites: only 1 whole dies fit, and 2 places are needed"):
        lay_grid(Rim(100_000.0, 3000.0, "none"), step_of(60_000.0, 60_000.0), "die", 2, "f")
    with pytest.raises(SpecError, match=r"no whole die fits on the wafer; take a larger one"):
        lay_grid(Rim(100_000.0, 3000.0, "none"), step_of(60_000.0, 60_000.0), "street", 0, "f")


@pytest.mark.parametrize("sites", [0, 1, 2, 3, 4, 7])
@pytest.mark.parametrize("size", [(3000.0, 5000.0), (15_000.0, 9000.0)])
def test_mark_sites_are_distinct_places_spread_round_the_wafer(sites: int, size: tuple[float, float]) -> None:
    rim, step = Rim(200_000.0, 5000.0, "bottom"), step_of(*size)
    grid = lay_grid(rim, step, "die", sites, "f")
    assert len(grid.drop_ins) == len(set(grid.drop_ins)) == sites
    assert set(grid.drop_ins) <= set(grid.places)
    assert set(grid.dies) == set(grid.places) - set(grid.drop_ins)
    centres = [(grid.at(p)[0] + size[0] / 2, grid.at(p)[1] + size[1] / 2) for p in grid.drop_ins]
    for k, at in enumerate(centres):
        angle = math.pi + 2 * math.pi * k / sites
        want = (0.7 * rim.usable * math.cos(angle), 0.7 * rim.usable * math.sin(angle))
        assert math.dist(at, want) <= math.hypot(*step.pitch) / 2 + 0.002  # no other place is nearer


def blocks(holes: tuple[Place, ...] = ()) -> Grid:
    places = tuple((c, r) for c in range(7) for r in range(5))
    return Grid((10.0, 10.0), (-35.0, -25.0), places, holes)


def test_border_dies_have_a_neighbour_that_is_none() -> None:
    edge = {(c, r) for c in range(7) for r in range(5) if c in (0, 6) or r in (0, 4)}
    assert set(blocks().border) == edge
    around = set(neighbours((2, 2)))
    assert len(around) == 8
    assert set(blocks(((2, 2),)).border) == edge | around


def test_the_typical_die_is_the_one_nearest_the_centre_with_dies_all_round() -> None:
    assert blocks().typical == (3, 2)
    assert blocks(((3, 2),)).typical == (1, 2)  # the drop-in's own neighbours are no typical dies
    row = Grid((10.0, 10.0), (-25.0, -5.0), tuple((c, 0) for c in range(5)), ())
    assert row.typical == (2, 0)


# arrays -------------------------------------------------------------------------------------------------------------

place_sets = st.sets(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=80)


@given(places=place_sets)
def test_arrays_cover_each_place_exactly_once(places: set[Place]) -> None:
    covered = [
        (c + i, r + j) for (c, r), columns, rows in arrays(sorted(places)) for i in range(columns) for j in range(rows)
    ]
    assert len(covered) == len(set(covered))
    assert set(covered) == places


@given(columns=st.integers(1, 9), rows=st.integers(1, 9), at=st.tuples(st.integers(0, 5), st.integers(0, 5)))
def test_a_rectangle_is_one_array(columns: int, rows: int, at: Place) -> None:
    places = [(at[0] + i, at[1] + j) for i in range(columns) for j in range(rows)]
    assert list(arrays(places[::-1])) == [(at, columns, rows)]


def test_placed_puts_the_drawing_at_every_die_corner_and_nowhere_else() -> None:
    grid = lay_grid(Rim(100_000.0, 3000.0, "bottom"), step_of(7000.0, 9000.0), "die", 4, "f")
    dot, top = Drawing("DOT"), Drawing("TOP")
    dot.polygon("rdl", [(0, 0), (1, 0), (0, 1)])
    top.placements.extend(placed(dot, grid, grid.dies, (30.0, 40.0)))
    layout = gds.to_layout(top, POST)
    found = kdb.Region(layout.cell("TOP").begin_shapes_rec(layout.layer(10, 0)))
    corners = sorted((p.bbox().left, p.bbox().bottom) for p in found.each())
    assert corners == sorted((dbu(grid.at(p)[0] + 30), dbu(grid.at(p)[1] + 40)) for p in grid.dies)


# the rim ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("notch", NOTCHES)
@pytest.mark.parametrize("diameter", DIAMETERS)
def test_the_rim_is_a_circle_with_a_notch_of_the_right_depth_on_its_side(diameter: float, notch: Notch) -> None:
    rim = Rim(diameter, 3000.0, notch)
    outline = shapely.Polygon(rim.outline())
    r = diameter / 2
    assert outline.is_valid
    assert shapely.LinearRing(rim.outline()).is_ccw
    assert outline.within(shapely.Point(0, 0).buffer(r * 1.0001, quad_segs=1024))
    sides = {"right": (1, 0), "top": (0, 1), "left": (-1, 0), "bottom": (0, -1)}
    for side, (x, y) in sides.items():
        ray = shapely.LineString([(0, 0), (2 * r * x, 2 * r * y)])
        depth = r - outline.intersection(ray).length
        assert depth == pytest.approx(NOTCH_DEPTH if side == notch else 0.0, abs=0.5)
    full = shapely.Polygon(replace(rim, notch="none").outline())
    assert outline.within(full.buffer(1.0))
    # a notch of 90 degrees and 1 mm depth: two 45 degree flanks
    assert full.area - outline.area == pytest.approx(0.0 if notch == "none" else NOTCH_DEPTH**2, rel=0.02)


@pytest.mark.parametrize("side", [n for n in NOTCHES if n != "none"])
def test_a_flat_is_a_chord_on_its_side_that_dies_keep_away_from(side: Notch) -> None:
    """SEMI M1: 32.5 mm at 100 mm, so that 47.28 mm are left from the centre."""
    rim = Rim(100_000.0, 3000.0, side, 32_500.0)
    outline, ring = shapely.Polygon(rim.outline()), shapely.LinearRing(rim.outline())
    left = math.sqrt(50_000**2 - 16_250**2)
    x, y = {"right": (1, 0), "top": (0, 1), "left": (-1, 0), "bottom": (0, -1)}[side]
    chord = shapely.LineString(
        [(left * x - 16_250 * y, left * y + 16_250 * x), (left * x + 16_250 * y, left * y - 16_250 * x)]
    )
    assert ring.is_ccw
    assert outline.is_valid
    assert ring.hausdorff_distance(chord) > 1000
    assert chord.within(ring.buffer(1e-6))
    half = math.asin(0.325)
    assert outline.area == pytest.approx(50_000**2 * (math.pi - half + math.sin(2 * half) / 2), rel=1e-5)
    grid = lay_grid(rim, step_of(2000.0, 1500.0), "die", 2, "f")
    away = [chord.distance(shapely.box(*at, at[0] + 2000, at[1] + 1500)) for at in map(grid.at, grid.places)]
    assert 3000 <= min(away) < 5000
    full = lay_grid(replace(rim, notch="none", flat=0.0), step_of(2000.0, 1500.0), "die", 2, "f")
    lost = {full.at(p) for p in full.places} - {grid.at(p) for p in grid.places}
    assert lost
    assert all(chord.distance(shapely.box(*at, at[0] + 2000, at[1] + 1500)) < 3000 for at in lost)


def test_the_notchs_flanks_meet_at_the_angle_semi_gives() -> None:
    corners = Rim(300_000.0, 3000.0, "left").outline()
    tip = min(corners, key=lambda p: (round(abs(p[1]), 6), math.hypot(*p)))
    a, b = sorted(corners, key=lambda p: math.dist(p, tip))[1:3]
    cosine = ((a - tip) @ (b - tip)) / math.dist(a, tip) / math.dist(b, tip)
    assert math.hypot(*tip) == pytest.approx(149_000.0)
    assert 89 <= math.degrees(math.acos(cosine)) <= 95


# bus and ring ---------------------------------------------------------------------------------------------------------

CASES: list[tuple[float, float, float, Literal["die", "street"], Notch]] = [
    (200_000.0, 5000.0, 7000.0, "die", "bottom"),
    (200_000.0, 2500.0, 2500.0, "street", "left"),
    (200_000.0, 12_345.678, 9876.543, "street", "none"),
    (150_000.0, 3588.0, 5188.0, "die", "right"),
    (300_000.0, 21_000.0, 3000.0, "die", "top"),
]


@cache
def context(case: int, exclusion: float = 5000.0) -> WaferContext:
    """A wafer of empty dies with the kerf bus round each."""
    diameter, width, height, centre, notch = CASES[case]
    name, flow = POST.flow()
    only_ring = flow.model_copy(update={"wafer": ("contact_ring",)})
    pdk = POST.model_copy(update={"flows": {name: only_ring}})
    assert name == "plated"
    library, stages, die = discover.cells(), discover.stages(), Die(width, height)
    step = build_step(StreetContext(pdk, name, library, {}, die=die, street=(100.0, 120.0)), stages, "f")
    rim = Rim(diameter, exclusion, notch)
    grid = lay_grid(rim, step, centre, 4, "f")
    return WaferContext(pdk, name, library, {}, rim=rim, grid=grid, step=step, die=die)


def ring(c: WaferContext) -> tuple[float, float]:
    """Inner and outer radius of the contact ring, from what is drawn."""
    drawing = kerf_ring(POST, wafer=c.rim.diameter)
    radii = [math.hypot(*p) for sector in drawing.polygons["rdl_ring"] for p in sector]
    return min(radii), max(radii)


def steps(c: WaferContext) -> Iterator[tuple[float, float, float, float]]:
    """Where each place's street has its middle: the rectangle that its bus runs along."""
    x0, y0, x1, y1 = c.step.box
    for place in c.grid.places:
        x, y = c.grid.at(place)
        yield x + x0, y + y0, x + x1, y + y1


@cache
def wafer(case: int) -> kdb.Layout:
    return gds.to_layout(build_wafer(context(case), discover.stages(), "W"), POST)


def drawn(layout: kdb.Layout, layer: str) -> kdb.Region:
    return gds.fetch(layout, POST, layout.top_cell())(layer)


def band(end: BusEnd, half: float) -> shapely.Geometry:
    return shapely.Polygon(end.band(half, into=2 * half))


@pytest.mark.parametrize("case", range(len(CASES)))
def test_every_bus_end_starts_at_an_outer_dies_bus_and_ends_in_the_ring(case: int) -> None:
    c = context(case)
    inner, outer = ring(c)
    ends = bus_ends(c, inner)
    outlines = shapely.union_all([shapely.box(*s).exterior for s in steps(c)])
    blocks = shapely.union_all([shapely.box(*s) for s in steps(c)])
    assert len(ends) >= 8
    for end in ends:
        assert outlines.distance(shapely.Point(end.start)) < 0.002  # on the middle of a street that carries a bus
        assert blocks.boundary.distance(shapely.Point(end.start)) < 0.002  # of an outermost die
        assert math.hypot(*end.meets) == pytest.approx(inner)
        assert (end.start[0] == end.meets[0]) != (end.start[1] == end.meets[1])
        assert blocks.intersection(shapely.LineString([end.start, end.meets])).length < 0.002
        corners = [math.hypot(*p) for p in end.band(15.0, into=30.0)]
        far = sorted(corners)[2:]
        assert all(inner < r < outer for r in far)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_no_bus_end_crosses_a_die(case: int) -> None:
    c = context(case)
    dies = shapely.STRtree(
        [shapely.box(x, y, x + c.die.width, y + c.die.height) for x, y in map(c.grid.at, c.grid.places)]
    )
    for end in bus_ends(c, ring(c)[0]):
        assert len(dies.query(band(end, POST.cut.removed if POST.cut else 0.0), predicate="intersects")) == 0


@pytest.mark.parametrize("case", range(len(CASES)))
def test_bus_ends_reach_the_ring_on_all_four_sides(case: int) -> None:
    assert {end.along for end in bus_ends(context(case), ring(context(case))[0])} == {(1, 0), (-1, 0), (0, 1), (0, -1)}


@pytest.mark.parametrize("case", range(len(CASES)))
def test_bus_and_ring_are_one_piece_without_a_notch_or_a_gap_below_the_rule(case: int) -> None:
    metal = (drawn(wafer(case), "rdl_bus") + drawn(wafer(case), "rdl_ring")).merged()
    assert metal.count() == 1
    least = dbu(POST.limit("space", "rdl_ring"))
    assert least == 20_000
    assert metal.notch_check(least, False, kdb.Region.Euclidian, 80.0).count() == 0
    assert metal.isolated_check(least, False, kdb.Region.Euclidian, 80.0).count() == 0
    assert metal.width_check(dbu(POST.limit("width", "rdl_ring")), False, kdb.Region.Euclidian, 80.0).count() == 0


def test_without_the_flares_there_would_be_notches() -> None:
    """The check above can fail: bare bus ends leave acute corners at the ring."""
    c = context(0)
    inner, _ = ring(c)
    layout = gds.to_layout(kerf_ring(POST), POST)
    metal = drawn(layout, "rdl_ring").merged()
    for end in bus_ends(c, inner):
        metal.insert(gds.polygon(to_dbu(end.band(15.0, into=30.0))))
    assert metal.merged().notch_check(20_000, False, kdb.Region.Euclidian, 80.0).count() > 0


@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_blade_removes_every_bus_within_the_dies(case: int) -> None:
    bus, gone = drawn(wafer(case), "rdl_bus").merged(), drawn(wafer(case), "cut_sure").merged()
    rest = bus - gone
    inner = dbu(ring(context(case))[0])
    assert all(max(math.hypot(p.x, p.y) for p in polygon.each_point_hull()) > inner * 0.999 for polygon in rest.each())


def test_the_ring_is_one_ring_of_the_right_area_open_over_its_middle() -> None:
    layout = gds.to_layout(kerf_ring(POST, wafer=200_000.0, inset=1500.0, width=2000.0), POST)
    for layer, by in (("rdl_ring", 0.0), ("via_contact", 100.0)):
        region = drawn(layout, layer).merged()
        assert [p.holes() for p in region.each()] == [1]
        area = math.pi * ((98_500.0 - by) ** 2 - (96_500.0 + by) ** 2)
        assert region.area() * 1e-6 == pytest.approx(area, rel=2e-4)
        assert region.bbox().center() == kdb.Point(0, 0)
    opening, metal = drawn(layout, "via_contact").merged(), drawn(layout, "rdl_ring").merged()
    assert (opening - metal).is_empty()
    assert opening.enclosed_check(metal, 100_000, False, kdb.Region.Euclidian, 80.0).count() == 0


def test_a_ring_that_would_touch_dies_is_refused() -> None:
    with pytest.raises(
        ParamError, match=r"^kerf.ring: its inner edge, at a radius of 96500 um, must lie beyond the dies"
    ):
        build_wafer(context(0, exclusion=3500.0), discover.stages(), "W")


@pytest.mark.parametrize(
    ("exclusion", "also"), [(5000.0, ", and edge_exclusion = 6399 or more under [wafer]"), (7000.0, "")]
)
def test_a_ring_that_a_flat_would_cut_is_refused_with_what_to_write_where(exclusion: float, also: str) -> None:
    c = context(0, exclusion=exclusion)
    c = replace(c, rim=replace(c.rim, flat=57_500.0))
    message = 'deep; write inset = 4222 or more under [cells."kerf.ring"]' + also
    with pytest.raises(ParamError, match=re.escape(message) + "$"):
        build_wafer(c, discover.stages(), "W")


def test_streets_that_run_past_the_ring_have_no_bus_end() -> None:
    """Dies that reach the usable radius: half a street further lies beyond a ring that begins right there."""
    c = context(0)
    reach = max(abs(s) for box in steps(c) for s in box)
    ends = bus_ends(c, reach - 1.0)
    assert all(math.hypot(*e.meets) == pytest.approx(reach - 1.0) for e in ends)


# the wafer ------------------------------------------------------------------------------------------------------------


def test_the_wafer_holds_a_step_at_every_place_and_dies_beside_no_mark() -> None:
    c = context(0)
    layout = wafer(0)
    die = drawn(layout, "die")
    found = sorted((p.bbox().left, p.bbox().bottom) for p in die.each())
    assert found == sorted((dbu(c.grid.at(p)[0]), dbu(c.grid.at(p)[1])) for p in c.grid.dies)
    assert layout.top_cell().name == "W"
    assert drawn(layout, "wafer").count() == 1
    # the bus stands round drop-ins as well: no street is dead
    bus = drawn(layout, "rdl_bus").merged()
    for place in c.grid.drop_ins:
        x, y = c.grid.at(place)
        edge = kdb.Box(*to_dbu([x - 50, y + 1000, x - 49, y + 1001]).tolist())
        assert not (bus & kdb.Region(edge)).is_empty()


def test_every_street_that_no_die_fills_is_there() -> None:
    c = context(0)
    layout = wafer(0)
    assert drawn(layout, "street").count() == 4 * (len(c.grid.dies) + len(c.grid.drop_ins))
    assert drawn(layout, "rdl_ring").count() >= 64
