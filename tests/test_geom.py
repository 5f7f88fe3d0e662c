"""Shapes as they are drawn: circles above all, whose corners must not cost a rule its nanometre."""

from __future__ import annotations

import math
from functools import cache

import klayout.db as kdb
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from layoutgen import discover, gds, geom
from layoutgen.cell import Drawing
from layoutgen.pdk import Pdk
from layoutgen.units import IntPoints, Points, dbu, to_dbu

ODD = (0.0, 0.0005, -0.0005, 1 / 3, -2 / 3, 12.3456789, 149_999.9995, -150_000.0)
diameters = st.one_of(st.floats(0.5, 500.0), st.integers(500, 500_000).map(lambda n: n / 1000))
offsets = st.one_of(st.sampled_from(ODD), st.floats(-150_000.0, 150_000.0))


@cache
def post() -> Pdk:
    return discover.pdk("post")


def corners(diameter: float, at: tuple[float, float] = (0.0, 0.0), points: int = 128) -> IntPoints:
    return to_dbu(geom.circle(diameter, points, at))


def written(diameter: float, at: tuple[float, float] = (0.0, 0.0)) -> IntPoints:
    """A circle's corners as they go to the file: with the process's guard."""
    drawing = Drawing("C")
    drawing.circle("via", diameter, at)
    [(_, points)] = gds.polygons(drawing, post())
    return points


def as_set(points: IntPoints) -> set[tuple[int, int]]:
    return {(int(x), int(y)) for x, y in points}


@given(diameter=diameters, x=offsets, y=offsets)
def test_a_written_circle_contains_the_true_disc(diameter: float, x: float, y: float) -> None:
    polygon = shapely.Polygon(written(diameter, (x, y)))
    centre = shapely.Point(to_dbu((x, y)))
    assert polygon.is_valid
    assert polygon.contains(centre)
    assert polygon.exterior.distance(centre) >= diameter * 500 - 1e-6  # radius in database units


@given(diameter=diameters)
def test_a_written_circle_stands_out_by_guard_corners_and_rounding_only(diameter: float) -> None:
    radius = (diameter + post().guard) * 500
    far = np.hypot(*written(diameter).T).max()
    assert far <= radius / math.cos(math.pi / 128) + 0.5 * math.sqrt(2)


@given(diameter=diameters, points=st.sampled_from((32, 64, 128, 256)))
def test_sides_not_corners_face_the_axes(diameter: float, points: int) -> None:
    ring = corners(diameter, points=points)
    right = ring[ring[:, 0] == ring[:, 0].max()]
    assert ring[:, 0].max() == dbu(diameter / 2)
    assert len(right) >= 2
    assert right[:, 1].min() == -right[:, 1].max()


@given(diameter=diameters, x=offsets, y=offsets)
def test_the_bounding_box_is_centred_on_the_snapped_centre_exactly(diameter: float, x: float, y: float) -> None:
    ring = corners(diameter, (x, y))
    low, high = ring.min(axis=0), ring.max(axis=0)
    assert (low + high).tolist() == [2 * dbu(x), 2 * dbu(y)]
    assert (high - low).tolist() == [2 * dbu(diameter / 2)] * 2


@given(diameter=diameters, points=st.sampled_from((32, 64, 128)))
def test_a_circle_is_its_own_image_in_all_eight_orientations(diameter: float, points: int) -> None:
    ring = corners(diameter, points=points)
    whole = as_set(ring)
    assert as_set(ring * (-1, 1)) == whole
    assert as_set(ring * (1, -1)) == whole
    assert as_set(ring[:, ::-1]) == whole


@given(diameter=diameters, x=offsets, y=offsets)
def test_equal_circles_are_equal_polygons_wherever_they_stand(diameter: float, x: float, y: float) -> None:
    moved = corners(diameter, (x, y)) - to_dbu((x, y))
    assert moved.tolist() == corners(diameter).tolist()


@given(diameter=diameters, points=st.sampled_from((32, 64, 128)))
def test_a_circle_runs_counter_clockwise_and_closes_nothing_twice(diameter: float, points: int) -> None:
    ring = corners(diameter, points=points)
    assert len(ring) == points
    assert shapely.LinearRing(ring).is_ccw


def enclosure_findings(inner: IntPoints, outer: IntPoints, least: int) -> int:
    inside, outside = kdb.Region(gds.polygon(inner)), kdb.Region(gds.polygon(outer))
    pairs = inside.enclosed_check(outside, least, False, kdb.Region.Euclidian, 80.0)
    return pairs.count() + (inside - outside).count()


@settings(max_examples=200)
@given(
    diameter=diameters,
    enclosure=st.integers(1, 100_000),
    at=st.sampled_from(((0.0, 0.0), (0.0005, 1 / 3), (150_000.0, -150_000.0), (-150_000.0005, 149_999.9995))),
)
def test_concentric_circles_keep_their_enclosure_exactly(
    diameter: float, enclosure: int, at: tuple[float, float]
) -> None:
    outer = diameter + 2 * (enclosure / 1000 + post().guard)
    assert enclosure_findings(written(diameter, at), written(outer, at), enclosure) == 0


@pytest.mark.parametrize("at", [(0.0, 0.0), (150_000.0, -150_000.0), (1 / 3, 0.0005)])
def test_the_enclosure_check_that_finds_nothing_would_find_a_ring_too_thin(at: tuple[float, float]) -> None:
    thin = 40.0 + 2 * 10.0 - 0.010
    assert enclosure_findings(written(40.0, at), written(thin, at), 10_000) > 0
    assert enclosure_findings(written(40.0, at), written(30.0, at), 10_000) > 0


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (geom.box(4, 2, at=(10, 20)), [(8, 19), (12, 19), (12, 21), (8, 21)]),
        (geom.span(1, 2, 5, 9), [(1, 2), (5, 2), (5, 9), (1, 9)]),
        (geom.bevelled(4, 2, 0), [(-2, -1), (2, -1), (2, 1), (-2, 1)]),
        (
            geom.bevelled(10, 8, 1, at=(1, 1)),
            [(5, -3), (6, -2), (6, 4), (5, 5), (-3, 5), (-4, 4), (-4, -2), (-3, -3)],
        ),
        (
            geom.cross(10, 2),
            [(-1, -5), (1, -5), (1, -1), (5, -1), (5, 1), (1, 1), (1, 5), (-1, 5), (-1, 1), (-5, 1), (-5, -1),
             (-1, -1)],
        ),
    ],
)  # fmt: skip
def test_plain_shapes_have_these_corners_counter_clockwise(points: Points, expected: list[tuple[int, int]]) -> None:
    assert [tuple(p) for p in points.tolist()] == expected
    assert shapely.LinearRing(points).is_ccw


@pytest.mark.parametrize(("inner", "outer"), [(96_500.0, 98_500.0), (100.0, 101.0)])
@pytest.mark.parametrize("at", [(0.0, 0.0), (1_000.5, -20.25)])
def test_ring_sectors_are_simple_and_merge_to_one_ring(inner: float, outer: float, at: tuple[float, float]) -> None:
    sectors = [to_dbu(s) for s in geom.ring_sectors(inner, outer, 64, 4096, at)]
    assert len(sectors) == 64
    assert all(shapely.Polygon(s).is_valid and shapely.LinearRing(s).is_ccw for s in sectors)
    parts = kdb.Region([gds.polygon(s) for s in sectors])
    ring = parts.merged()
    assert [p.holes() for p in ring.each()] == [1]
    assert parts.merged(False, 2).is_empty()  # they share edges and no area
    chord = 4096 / 2 * math.sin(2 * math.pi / 4096)  # area of the regular polygon in a circle of radius 1
    assert ring.area() * 1e-6 == pytest.approx(chord * (outer**2 - inner**2), rel=1e-5)
    centre = kdb.Point(*to_dbu(at).tolist())
    assert ring.bbox().center() == centre
