"""Mask data: computed cell by cell or hierarchically, it is what the expression says of the flat wafer."""

from __future__ import annotations

import klayout.db as kdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layoutgen import discover, gds, geom
from layoutgen.cell import Drawing
from layoutgen.mask import mask_layout
from layoutgen.pdk import Mask, Pdk

POST: Pdk = discover.pdk("post")
DRAWN = ("rdl", "rdl_tie", "rdl_bus", "via", "polyimide")
UNIONS = ["rdl", "rdl | rdl_tie", "rdl_all", "rdl_tie | via | polyimide", "rdl_mark"]
OTHERS = ["rdl - via", "rdl & rdl_tie", "rdl ^ via", "via_foot", "rdl_all - size(via, 3)", "size(rdl, -2) | via",
          "rdl - rdl_mark", "rdl_mark - rdl", "rdl_mark & rdl", "rdl_mark | rdl - via"]  # fmt: skip


def mask(data: str) -> Mask:
    return POST.masks["RDL"].model_copy(update={"data": data, "gds": (77, 3)})


def flat(wafer: kdb.Layout, data: str) -> kdb.Region:
    return POST.evaluate(data, gds.fetch(wafer, POST, wafer.top_cell()))


def drawn(out: kdb.Layout) -> kdb.Region:
    tops = out.top_cells()
    assert len(tops) <= 1
    [info] = out.layer_infos()
    assert (info.layer, info.datatype, info.name) == (77, 3, "M")
    return kdb.Region(tops[0].begin_shapes_rec(out.layer(info))).merged() if tops else kdb.Region()


def wafer_of(dies: int = 3) -> Drawing:
    """Dies in an array and turned beside it, shapes of neighbours that touch and overlap, some on the wafer itself."""
    die, dot, top = Drawing("DIE"), Drawing("DOT"), Drawing("WAFER")
    dot.circle("via", 8.0)
    dot.polygon("rdl", [(-10, -10), (10, -10), (10, 10), (-10, 10)])
    die.place(dot, (20.0, 20.0))
    die.place(dot, (80.0, 25.0), 90.0, columns=2, step=(30.0, 0.0))
    die.polygon("rdl_tie", [(20, 15), (150, 15), (150, 22), (20, 22)])
    die.polygon("polyimide", [(0, 0), (7, 0), (0, 7)])
    top.place(die, (0.0, 0.0), columns=dies, rows=2, step=(120.0, 60.0))
    top.place(die, (-50.0, 300.0), 270.0)
    top.polygon("rdl_bus", [(-5, -5), (400, -5), (400, 2), (-5, 2)])
    top.polygon("rdl", [(300, 10), (303, 10), (303, 13), (300, 13)])
    return top


@pytest.mark.parametrize("data", [*UNIONS, *OTHERS])
def test_a_mask_is_what_its_expression_says_of_the_flat_wafer(data: str) -> None:
    wafer = gds.to_layout(wafer_of(), POST)
    expected = flat(wafer, data)
    assert expected.is_empty() == (data in {"rdl_mark", "rdl_mark - rdl", "rdl_mark & rdl"})
    assert (drawn(mask_layout(wafer, POST, "M", mask(data))) ^ expected).is_empty()


@pytest.mark.parametrize("data", [*UNIONS[:4], *OTHERS[:6]])
def test_a_mask_keeps_the_wafers_name_and_its_arrays(data: str) -> None:
    wafer = gds.to_layout(wafer_of(40), POST)
    out = mask_layout(wafer, POST, "M", mask(data))
    assert out.top_cell().name == "WAFER"
    assert out.dbu == wafer.dbu
    shapes = sum(c.shapes(out.layer(77, 3)).size() for c in out.each_cell())
    assert shapes < 160  # 81 dies of at least three shapes each: what they have in common stands in the file once


def test_holes_of_what_is_one_over_many_dies_stay_open_when_it_is_grown() -> None:
    """As frames that merge along the streets, each with an island of two halves (some of 800 were lost, in KLayout)."""
    die, ring, top = Drawing("DIE"), Drawing("RING"), Drawing("WAFER")
    inner = geom.circle(40.0, 128)
    for half in (inner[:65], np.concatenate([inner[64:], inner[:1]])):
        ring.polygon("rdl", np.concatenate([2 * half, half[::-1]]))
    die.place(ring, (100.0, 60.0), 90.0)
    for wall in ((0, 0, 300, 30), (0, 170, 300, 200), (0, 30, 30, 170), (270, 30, 300, 170)):
        die.polygon("rdl", geom.span(*wall))
    top.place(die, columns=20, rows=20, step=(300.0, 200.0))
    wafer = gds.to_layout(top, POST)
    out = drawn(mask_layout(wafer, POST, "M", mask("size(rdl, 1.75)")))
    assert sum(p.holes() for p in out.each()) == 2 * 20 * 20
    assert (out ^ flat(wafer, "size(rdl, 1.75)")).is_empty()


@pytest.mark.parametrize("data", ["rdl | rdl_tie", "rdl_all - size(via, 3)", "rdl & via"])
def test_a_mask_of_a_face_that_looks_to_the_rear_is_mirrored_about_the_wafers_centre(data: str) -> None:
    wafer = gds.to_layout(wafer_of(), POST)
    rear = mask_layout(wafer, POST, "M", mask(data).model_copy(update={"side": "rear"}))
    assert not (drawn(rear) ^ flat(wafer, data)).is_empty()
    assert (drawn(rear) ^ flat(wafer, data).transformed(kdb.Trans.M90)).is_empty()


def test_the_wafer_itself_is_not_changed() -> None:
    wafer, same = gds.to_layout(wafer_of(), POST), gds.to_layout(wafer_of(), POST)
    for data in (*UNIONS, *OTHERS):
        mask_layout(wafer, POST, "M", mask(data))
    assert kdb.LayoutDiff().compare(wafer, same)


def test_cells_without_anything_on_the_mask_are_left_out() -> None:
    out = mask_layout(gds.to_layout(wafer_of(), POST), POST, "M", mask("polyimide"))
    assert sorted(c.name for c in out.each_cell()) == ["DIE", "WAFER"]


def test_texts_are_not_printed() -> None:
    top = wafer_of()
    top.text("rdl", "not for the mask", (1.0, 1.0))
    out = mask_layout(gds.to_layout(top, POST), POST, "M", mask("rdl"))
    shapes = out.top_cell().begin_shapes_rec(out.layer(77, 3))
    while not shapes.at_end():
        assert not shapes.shape().is_text()
        shapes.next()


box = st.tuples(
    st.sampled_from(DRAWN), st.integers(-40, 40), st.integers(-40, 40), st.integers(1, 40), st.integers(1, 40)
)
spot = st.tuples(st.integers(-60, 60), st.integers(-60, 60), st.sampled_from((0.0, 90.0, 180.0, 270.0)),
                 st.integers(1, 3), st.integers(1, 2), st.integers(-50, 50), st.integers(-50, 50))  # fmt: skip


def drawing(name: str, boxes: list[tuple[str, int, int, int, int]]) -> Drawing:
    d = Drawing(name)
    for layer, x, y, w, h in boxes:
        d.polygon(layer, [(x, y), (x + w, y), (x + w, y + h), (x, y + h)])
    return d


@settings(max_examples=60)
@given(
    leaf=st.lists(box, max_size=4), die=st.lists(box, max_size=3), own=st.lists(box, max_size=3),
    in_die=st.lists(spot, max_size=2), on_wafer=st.lists(spot, max_size=3), data=st.sampled_from([*UNIONS, *OTHERS]),
)  # fmt: skip
def test_any_hierarchy_gives_the_flat_wafers_mask(
    leaf: list[tuple[str, int, int, int, int]], die: list[tuple[str, int, int, int, int]],
    own: list[tuple[str, int, int, int, int]], in_die: list[tuple[int, int, float, int, int, int, int]],
    on_wafer: list[tuple[int, int, float, int, int, int, int]], data: str,
) -> None:  # fmt: skip
    small, middle, top = drawing("LEAF", leaf), drawing("DIE", die), drawing("WAFER", own)
    for parent, child, spots in ((middle, small, in_die), (top, middle, on_wafer)):
        for x, y, angle, columns, rows, dx, dy in spots:
            parent.place(child, (x, y), angle, columns=columns, rows=rows, step=(dx, dy))
    wafer = gds.to_layout(top, POST)
    assert (drawn(mask_layout(wafer, POST, "M", mask(data))) ^ flat(wafer, data)).is_empty()
