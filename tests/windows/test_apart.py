"""What is known to be merged without merging it, and areas of what is cut only where it has to be: against KLayout."""

from __future__ import annotations

import klayout.db as kdb
import numpy as np
import pytest
import shapely

import layoutgen as lg
from layoutgen.drc.flat import Flat
from layoutgen.drc.lattice import Shapes, lattice_over
from layoutgen.windows import Source
from layoutgen.windows.apart import all_apart

STEP = 30_000
RING = kdb.Polygon.ellipse(kdb.Box(-7_500, -7_500, 7_500, 7_500), 8)


@pytest.mark.parametrize("seed", range(40))
def test_boxes_are_apart_where_shapely_finds_none_that_touch(seed: int) -> None:
    dice = np.random.default_rng(seed)
    low = dice.integers(0, 400, (int(dice.integers(1, 60)), 2)) * 10
    size = dice.integers(1, int(dice.choice([8, 30, 300])), low.shape)
    boxes = np.concatenate([low, low + size], axis=1)
    one, other = shapely.STRtree(shapely.box(*boxes.T)).query(shapely.box(*boxes.T), predicate="intersects")
    assert all_apart(boxes) is not bool((one != other).any())


def test_the_corner_of_one_box_on_that_of_another_one_is_not_apart() -> None:
    assert all_apart(np.array([[0, 0, 10, 10], [11, 0, 20, 10]]))
    assert not all_apart(np.array([[0, 0, 10, 10], [10, 10, 20, 20]]))
    assert not all_apart(np.array([[0, 0, 10, 10], [30, 0, 30, 10]]))


def layout_of(step: int, ring: kdb.Polygon, *more: kdb.Polygon) -> tuple[Source, kdb.Region]:
    layout = kdb.Layout()
    top, cell = layout.create_cell("TOP"), layout.create_cell("RING")
    index = layout.layer(1, 0)
    cell.shapes(index).insert(ring)
    every = kdb.Vector(step, 0), kdb.Vector(0, step)
    top.insert(kdb.CellInstArray(cell.cell_index(), kdb.Trans(), *every, 40, 40))
    for polygon in more:
        top.shapes(index).insert(polygon)
    drawn = kdb.Region([*kdb.Region(top.begin_shapes_rec(index)).each()])  # which outlives the layout
    return Source(layout, top, {"a": index}), drawn


BOW = kdb.Polygon([kdb.Point(*p) for p in ((0, 0), (8_000, 8_000), (8_000, 0), (0, 9_000))], True)
CASES = {
    "rings": (STEP, RING, (), True),
    "rings that touch": (15_000, RING, (), False),
    "one on another": (STEP, RING, (RING.moved(5_000, 0),), False),
    "one beside the others": (STEP, RING, (RING.moved(-STEP, 0),), True),
    "one that crosses itself": (STEP, BOW, (), False),
}


@pytest.mark.parametrize("case", CASES)
def test_a_layer_is_apart_where_merging_changes_nothing(case: str) -> None:
    step, ring, more, apart = CASES[case]
    source, region = layout_of(step, ring, *more)
    layer = source.layer("a")
    assert layer is not None
    assert layer.apart is apart
    drawn = sorted(str(p) for p in region.each())
    assert (drawn == sorted(str(p) for p in region.merged().each())) is apart


@pytest.mark.parametrize("seed", range(6))
def test_a_union_is_that_of_a_boolean(seed: int) -> None:
    """Of many apart and few others: a frame around all, boxes over some, one that touches a corner."""
    dice = np.random.default_rng(seed)
    many = layout_of(STEP, RING)[1].merged()
    few = (kdb.Region(many.bbox().enlarged(20_000, 20_000)) - kdb.Region(many.bbox().enlarged(-9_000, -9_000))).merged()
    for x, y in dice.integers(0, 40 * STEP, (12, 2)).tolist():
        few.insert(kdb.Box(x, y, x + 40_000, y + 25_000))
    box = next(many.each()).bbox()
    few.insert(kdb.Box(box.right, box.bottom, box.right + 5_000, box.top))
    pdk = lg.load_pdk("interface")
    drawn = {"relief": many, "clearance": few}
    found = Flat(pdk, lambda name: drawn.get(name, kdb.Region())).region("opened")
    assert sorted(str(p) for p in found.each()) == sorted(str(p) for p in (many + few).merged().each())


@pytest.mark.parametrize("seed", range(6))
def test_areas_within_a_ground_are_those_of_a_boolean(seed: int) -> None:
    dice = np.random.default_rng(seed)
    shapes = layout_of(STEP, RING)[1].merged()
    shapes.insert(kdb.Box(2_000_000, 0, 2_020_000, 900_000))
    ground = kdb.Region(kdb.Box(-3_000, 1_000, 2_010_000, 1_000_000))
    for x, y in dice.integers(0, 40 * STEP, (int(dice.choice([3, 200])), 2)).tolist():
        ground -= kdb.Region(kdb.Polygon.ellipse(kdb.Box(x, y, x + 60_000, y + 60_000), 8 if seed % 2 else 4))
    lattice = lattice_over(shapes.bbox(), 70_000)
    found = Shapes.of(shapes).within(ground.merged()).areas(lattice)
    assert (found == Shapes.of((shapes & ground).merged()).areas(lattice)).all()
    assert found.sum() == pytest.approx(2 * (shapes & ground).area(), rel=1e-6)
