"""Files and the two libraries: the same geometry in each, whole files or none, and the same bytes each time."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import gdstk
import klayout.db as kdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layoutgen import api, discover, gds
from layoutgen.cell import Drawing
from layoutgen.errors import OutputError, UnknownNameError
from layoutgen.pdk import Pdk

POST: Pdk = discover.pdk("post")


def element() -> Drawing:
    """A shape without any symmetry, a circle and a note: whatever is turned or shifted wrongly shows."""
    d = Drawing("ELEMENT")
    d.polygon("rdl", [(0, 0), (30, 0), (30, 5), (5.0005, 5), (5, 20), (0, 20)])
    d.circle("via", 7.0, (12.3455, -4.0))
    d.text("note", "N1", (1.0, 2.0005))
    return d


def tree(angle: float = 0.0) -> Drawing:
    """Placements of placements, single and as arrays, turned."""
    row, top = Drawing("ROW"), Drawing("TOP")
    row.place(element(), (3.0005, -7.0), angle, columns=3, rows=2, step=(40.0, 55.5005))
    row.place(element(), (-200.0, 100.0))
    top.place(row, (100.0, 0.0), 90.0)
    top.place(row, (-1000.0005, -2000.0), 180.0, columns=1, rows=3, step=(0.0, 1000.0))
    top.place(row, (0.0, 0.0005), 270.0, columns=2, step=(1500.25, 0.0))
    top.polygon("rdl", [(0, 0), (1, 0), (0, 1)])
    return top


def layers_of(layout: kdb.Layout) -> dict[tuple[int, int], kdb.Region]:
    return {
        (info.layer, info.datatype): kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(info))).merged()
        for info in layout.layer_infos()
    }


def texts_of(layout: kdb.Layout) -> list[tuple[str, int, int]]:
    out = []
    for info in layout.layer_infos():
        found = layout.top_cell().begin_shapes_rec(layout.layer(info))
        while not found.at_end():
            if found.shape().is_text():
                at = found.trans() * found.shape().text.trans.disp
                out.append((found.shape().text.string, at.x, at.y))
            found.next()
    return sorted(out)


def differences(a: kdb.Layout, b: kdb.Layout) -> list[str]:
    """Layers on which two layouts differ, geometry and texts."""
    ours, theirs = layers_of(a), layers_of(b)
    out = [
        f"{k}"
        for k in sorted({*ours, *theirs})
        if not (ours.get(k, kdb.Region()) ^ theirs.get(k, kdb.Region())).is_empty()
    ]
    return out + (["texts"] if texts_of(a) != texts_of(b) else [])


def read(path: Path) -> kdb.Layout:
    layout = kdb.Layout()
    layout.read(str(path))
    return layout


def through_gdstk(drawing: Drawing, folder: Path) -> kdb.Layout:
    top = api.to_gdstk(drawing, POST)
    library = gdstk.Library("L", unit=1e-6, precision=1e-9)
    library.add(top, *top.dependencies(True))
    library.write_gds(folder / "gdstk.gds", max_points=0)
    return read(folder / "gdstk.gds")


# two libraries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [0.0, 90.0, 180.0, 270.0, -90.0, 450.0])
def test_klayout_and_gdstk_hold_the_same_geometry(angle: float, tmp_path: Path) -> None:
    drawing = tree(angle)
    assert differences(gds.to_layout(drawing, POST), through_gdstk(drawing, tmp_path)) == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000)),
    angle=st.sampled_from((0.0, 90.0, 180.0, 270.0)),
    columns=st.integers(1, 4),
    rows=st.integers(1, 4),
    step=st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
)
def test_any_placement_is_the_same_in_both(
    at: tuple[float, float], angle: float, columns: int, rows: int, step: tuple[float, float], tmp_path: Path
) -> None:
    top = Drawing("TOP")
    top.place(element(), at, angle, columns=columns, rows=rows, step=step)
    assert differences(gds.to_layout(top, POST), through_gdstk(top, tmp_path)) == []


def test_an_array_runs_along_x_and_y_however_its_cell_is_turned() -> None:
    """As `Placement` says it: the array's steps are the parent's, the angle the cell's own."""
    dot, top = Drawing("DOT"), Drawing("TOP")
    dot.polygon("rdl", [(0, 0), (3, 0), (3, 1), (0, 1)])
    top.place(dot, (10.0, 20.0), 90.0, columns=3, rows=2, step=(10.0, 20.0))
    layout = gds.to_layout(top, POST)
    found = sorted((p.bbox().left, p.bbox().bottom) for p in layers_of(layout)[10, 0].each())
    assert found == [(9_000 + 10_000 * i, 20_000 + 20_000 * j) for i in range(3) for j in range(2)]
    assert layers_of(layout)[10, 0].bbox() == kdb.Box(9_000, 20_000, 30_000, 43_000)
    box = api.to_gdstk(top, POST).bounding_box()
    assert [round(v, 6) for corner in box for v in corner] == [9.0, 20.0, 30.0, 43.0]


def test_layers_carry_number_and_process_name() -> None:
    infos = {i.name: (i.layer, i.datatype) for i in gds.to_layout(element(), POST).layer_infos()}
    assert infos == {"rdl": (10, 0), "via": (15, 0), "note": (63, 0)}


def test_a_circle_is_written_with_guard_and_the_processs_corners() -> None:
    [(_, points)] = [p for p in gds.polygons(element(), POST) if p[0] == "via"]
    assert len(points) == POST.circle_points
    assert points[:, 0].max() - points[:, 0].min() == 7_004
    assert points[:, 0].max() + points[:, 0].min() == 2 * 12_346


@pytest.mark.parametrize("angle", [45.0, 1.0, 89.999])
def test_other_angles_are_refused_not_rounded(angle: float) -> None:
    top = Drawing("TOP")
    top.place(element(), (0.0, 0.0), angle)
    for convert in (gds.to_layout, gds.to_gdstk):
        with pytest.raises(ValueError, match=rf"^{angle:g} degrees is not a multiple of 90"):
            convert(top, POST)


@pytest.mark.parametrize("layer", ["nope", "via_foot"])
def test_a_layer_without_a_number_is_refused(layer: str) -> None:
    d = Drawing("D")
    d.polygon(layer, [(0, 0), (1, 0), (0, 1)])
    for convert in (gds.to_layout, gds.to_gdstk):
        with pytest.raises(UnknownNameError, match=rf"^no layer with a GDS number '{layer}' in PDK 'post'"):
            convert(d, POST)


# names --------------------------------------------------------------------------------------------------------------


def test_different_drawings_of_one_name_get_names_that_differ_whatever_the_case() -> None:
    top = Drawing("top")
    for name in ("TOP", "via", "Via", "VIA", "x" * 40, "x" * 40, "via_2"):
        part = Drawing(name)
        part.polygon("rdl", [(0, 0), (1, 0), (0, 1)])
        top.place(part)
    names = [c.name for c in gds.to_layout(top, POST).each_cell()]
    assert len({n.upper() for n in names}) == 8
    other = gds.to_gdstk(top, POST)
    assert sorted(names) == sorted(c.name for c in (other, *other.dependencies(True)))


def test_one_drawing_placed_often_is_one_cell() -> None:
    assert sorted(c.name for c in gds.to_layout(tree(), POST).each_cell()) == ["ELEMENT", "ELEMENT_2", "ROW", "TOP"]


# limits -------------------------------------------------------------------------------------------------------------

FAR = 1_073_741.824  # 2^30 database units


def too_far() -> Iterator[Drawing]:
    for bad in (FAR, -FAR, 2 * FAR, 4 * FAR, float("inf"), float("nan")):
        polygon, circle, text, place, step = (Drawing(n) for n in ("P", "C", "T", "AT", "STEP"))
        polygon.polygon("rdl", [(0, 0), (bad, 0), (0, 1)])
        circle.circle("via", 10.0, (0.0, bad))
        text.text("note", "N", (bad, 0.0))
        place.place(element(), (bad, 0.0))
        step.place(element(), columns=2, step=(bad, 0.0))
        yield from (polygon, circle, text, place, step)
    nested, half = Drawing("NESTED"), Drawing("HALF")
    half.polygon("rdl", [(0, 0), (FAR / 2, 0), (0, 1)])
    nested.place(half, (FAR / 2, 0.0))
    yield nested
    array = Drawing("ARRAY")
    array.place(element(), columns=2_000_000, step=(1.0, 0.0))
    yield array
    deep = element()
    for n in range(4):
        outer = Drawing(f"DEEP{n}")
        outer.place(deep, (FAR / 3, 0.0), 180.0)
        deep = outer
    yield deep


@pytest.mark.parametrize("drawing", list(too_far()), ids=lambda d: d.name)
def test_a_coordinate_that_would_wrap_around_is_refused(drawing: Drawing) -> None:
    for convert in (gds.to_layout, gds.to_gdstk):
        with pytest.raises(ValueError, match=r"beyond 1073742 um"):
            convert(drawing, POST)


def test_the_last_coordinate_before_is_drawn(tmp_path: Path) -> None:
    top, edge = Drawing("TOP"), Drawing("EDGE")
    edge.polygon("rdl", [(0, 0), (FAR / 2, 0), (0, 1)])
    top.place(edge, (FAR / 2 - 0.001, 0.0))
    layout = gds.to_layout(top, POST)
    assert layout.top_cell().bbox().right == 2**30 - 1
    gds.save(layout, tmp_path / "far.gds")
    assert differences(layout, read(tmp_path / "far.gds")) == []


# files --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".gds", ".oas", ".gds.gz"])
def test_what_is_written_is_read_back_whole(suffix: str, tmp_path: Path) -> None:
    layout = gds.to_layout(tree(90.0), POST)
    path = tmp_path / f"new/folder/tree{suffix}"
    gds.save(layout, path)
    again = read(path)
    assert differences(layout, again) == []
    assert again.dbu == layout.dbu == 0.001
    assert sorted(c.name for c in again.each_cell()) == sorted(c.name for c in layout.each_cell())
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_polygon_of_many_corners_is_written_exactly(tmp_path: Path) -> None:
    d = Drawing("SAW")
    up = [(float(i), float(i % 2)) for i in range(12_001)]
    d.polygon("rdl", [*up, (12_000.0, -5.0), (0.0, -5.0)])
    layout = gds.to_layout(d, POST)
    for suffix in ("gds", "oas"):
        gds.save(layout, tmp_path / f"saw.{suffix}")
        assert differences(layout, read(tmp_path / f"saw.{suffix}")) == []
    again = read(tmp_path / "saw.gds")
    corners = [p.num_points() for p in kdb.Region(again.top_cell().begin_shapes_rec(0)).each()]
    assert len(corners) > 1
    assert max(corners) <= gds.MAX_POINTS


def test_only_what_is_below_the_named_cell_is_written(tmp_path: Path) -> None:
    layout = gds.to_layout(tree(), POST)
    gds.save(layout, tmp_path / "row.gds", layout.cell("ROW"))
    again = read(tmp_path / "row.gds")
    assert again.top_cell().name == "ROW"
    assert again.top_cell().bbox() == layout.cell("ROW").bbox()


@pytest.mark.parametrize("suffix", ["gds", "oas"])
def test_the_same_drawing_gives_the_same_bytes(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api.save(tree(), POST, tmp_path / f"a.{suffix}")
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    other = tmp_path / "another folder"
    api.save(tree(), POST, other / f"b.{suffix}")
    assert (tmp_path / f"a.{suffix}").read_bytes() == (other / f"b.{suffix}").read_bytes()
    api.save(tree(90.0), POST, other / f"c.{suffix}")
    assert (tmp_path / f"a.{suffix}").read_bytes() != (other / f"c.{suffix}").read_bytes()


def test_a_gds_file_holds_no_time() -> None:
    """BGNLIB and BGNSTR carry dates: without timestamps they are all the same, today and tomorrow."""
    layout = gds.to_layout(element(), POST)
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"layoutgen_time_{os.getpid()}.gds"  # noqa: S108
    try:
        gds.save(layout, path)
        dates = re.findall(rb"\x00\x1c[\x01\x05]\x02(.{24})", path.read_bytes(), re.DOTALL)
    finally:
        path.unlink(missing_ok=True)
    assert len(dates) == 2
    assert set(dates) == {bytes(24)}


# a write that fails ---------------------------------------------------------------------------------------------------


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "chip.gds"
    path.write_bytes(b"what stood there before")
    return path


def assert_unchanged(old: Path) -> None:
    assert old.read_bytes() == b"what stood there before"
    assert list(old.parent.iterdir()) == [old]


def add_a_cell(copy: kdb.Layout) -> None:
    copy.top_cell().insert(kdb.CellInstArray(copy.create_cell("EMPTY").cell_index(), kdb.Trans()))


def lose_a_layer(copy: kdb.Layout) -> None:
    copy.clear_layer(copy.layer(15, 0))  # vias, well within the metal's box


def move_it_all(copy: kdb.Layout) -> None:
    copy.transform(kdb.Trans(1, 0))


@pytest.mark.parametrize("damage", [add_a_cell, lose_a_layer, move_it_all])
def test_what_is_not_read_back_as_written_never_takes_its_place(
    damage: Callable[[kdb.Layout], None], old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing = tree()
    drawing.polygon("rdl", [(-9000, -9000), (9000, -9000), (9000, 9000), (-9000, 9000)])
    real = kdb.Layout.write

    def damaged(self: kdb.Layout, path: str, options: kdb.SaveLayoutOptions) -> None:
        copy = self.dup()
        damage(copy)
        real(copy, path, options)

    monkeypatch.setattr(kdb.Layout, "write", damaged)
    with pytest.raises(OutputError, match=r"chip.gds: not written \(.*; free some space or choose another folder"):
        gds.save(gds.to_layout(drawing, POST), old)
    assert_unchanged(old)


def test_a_truncated_file_never_takes_its_place(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = kdb.Layout.write

    def truncated(self: kdb.Layout, path: str, options: kdb.SaveLayoutOptions) -> None:
        real(self, path, options)
        with Path(path).open("rb+") as file:
            file.truncate(200)

    monkeypatch.setattr(kdb.Layout, "write", truncated)
    with pytest.raises(OutputError, match=r"chip.gds: not written"):
        gds.save(gds.to_layout(tree(), POST), old)
    assert_unchanged(old)


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(where: str, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("disk full") if where == "write" else OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((kdb.Layout, "write") if where == "write" else (os, where)), full)
    with pytest.raises(OutputError, match=r"chip.gds: not written \(.*(disk full|No space left)"):
        gds.save(gds.to_layout(tree(), POST), old)
    assert_unchanged(old)


def test_any_other_error_leaves_the_old_file_too(old: Path) -> None:
    def fail() -> None:
        with gds.whole_file(old) as temporary:
            temporary.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert_unchanged(old)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"cannot be written: .*; choose another folder with -o"):
        gds.save(gds.to_layout(element(), POST), tmp_path / "file" / "chip.gds")


def test_text_files_are_whole_with_plain_line_ends(tmp_path: Path) -> None:
    gds.write_text(tmp_path / "a.txt", "1\n2 µm\n")
    assert (tmp_path / "a.txt").read_bytes() == b"1\n2 \xc2\xb5m\n"


# reading a layout -----------------------------------------------------------------------------------------------------


def test_fetch_gives_whole_shapes_that_touch_the_box() -> None:
    d = Drawing("D")
    d.polygon("rdl", [(0, 0), (100, 0), (100, 10), (0, 10)])
    d.polygon("rdl", [(500, 0), (600, 0), (600, 10), (500, 10)])
    layout = gds.to_layout(d, POST)
    top = layout.cell("D")
    assert gds.fetch(layout, POST, top)("rdl").count() == 2
    assert gds.fetch(layout, POST, top, kdb.Box(-9_000, -9_000, 0, 0))("rdl").bbox() == kdb.Box(0, 0, 100_000, 10_000)
    assert gds.fetch(layout, POST, top, kdb.Box(-9_000, -9_000, -1, -1))("rdl").is_empty()
    assert gds.fetch(layout, POST, top)("via").is_empty()


def test_derived_layers_with_a_number_are_written_in_a_cell_of_their_own() -> None:
    top, via = Drawing("TOP"), Drawing("VIA")
    via.circle("via", 40.0)
    top.place(via, (100.0, 0.0), columns=2, step=(200.0, 0.0))
    layout = gds.to_layout(top, POST)
    gds.write_derived(layout, layout.cell("TOP"), POST)
    drawn = kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(15, 0)))
    cell = layout.cell("DERIVED")
    assert {i.name for i in layout.layer_infos() if not cell.shapes(layout.layer(i)).is_empty()} == {
        "post", "head", "bump"
    }  # fmt: skip
    for number, by in ((30, 0), (31, 20_000), (32, 25_000)):
        found = kdb.Region(layout.cell("TOP").begin_shapes_rec(layout.layer(number, 0)))
        assert (found ^ drawn.merged().sized(by, 2)).is_empty()
    assert layout.top_cell().name == "TOP"


def test_no_derived_cell_where_nothing_is_derived() -> None:
    d = Drawing("D")
    d.polygon("rdl", [(0, 0), (1, 0), (0, 1)])
    layout = gds.to_layout(d, POST)
    gds.write_derived(layout, layout.cell("D"), POST)
    assert [c.name for c in layout.each_cell()] == ["D"]
