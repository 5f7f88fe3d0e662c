"""`layoutgen diff`: areas against gdstk and shapely, and what a user gets to see of it."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path

import gdstk
import klayout.db as kdb
import klayout.lay as lay
import pytest
import shapely

from layoutgen import diff
from layoutgen.cli import run


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def drawn(seed: int, *, slanted: bool) -> kdb.Layout:
    """A layout with cells in cells, arrays, rotations, overlaps and texts."""
    rng = random.Random(seed)  # noqa: S311
    layout = kdb.Layout()
    a, b = layout.layer(1, 0), layout.layer(2, 5)
    cells = []
    for k in range(5):
        cell = layout.create_cell(f"C{k}")
        for _ in range(rng.randrange(1, 6)):
            x, y = rng.randrange(-20, 20) * 500, rng.randrange(-20, 20) * 500
            box = kdb.Box(x, y, x + rng.randrange(1, 9) * 1000, y + rng.randrange(1, 9) * 1000)
            cell.shapes(rng.choice([a, b])).insert(kdb.Polygon(box))
        if slanted:
            cell.shapes(a).insert(kdb.Polygon([kdb.Point(rng.randrange(9000), rng.randrange(9000)) for _ in range(3)]))
        cell.shapes(a).insert(kdb.Path([kdb.Point(0, 0), kdb.Point(5000, 0), kdb.Point(5000, 7000)], 600))
        cell.shapes(b).insert(kdb.Text(f"T{k}", kdb.Trans(rng.randrange(9000), 0)))
        for lower in [*cells[-1:], *rng.sample(cells, min(1, len(cells)))]:
            turn = kdb.Trans(rng.randrange(4), rng.random() < 0.5, rng.randrange(40) * 1000, rng.randrange(40) * 1000)
            step = kdb.Vector(30_000, 0), kdb.Vector(0, 25_000)
            cell.insert(kdb.CellInstArray(lower, turn, *step, *rng.choice([(1, 1), (2, 1), (1, 2)])))
        cells.append(cell)
    return layout


def changed(layout: kdb.Layout, seed: int) -> kdb.Layout:
    """A copy with some things otherwise."""
    rng = random.Random(seed)  # noqa: S311
    out = layout.dup()
    a = out.layer(1, 0)
    cells = [out.cell(f"C{k}") for k in range(5)]
    for _ in range(rng.randrange(1, 4)):
        cell = rng.choice(cells[1:])
        match rng.randrange(6):
            case 0:
                cell.shapes(a).insert(kdb.Box(100, 100, 2100, 900))
            case 1:
                next(cell.shapes(a).each()).delete()
            case 2:
                next(cell.each_inst()).delete()
            case 3:
                next(cell.each_inst()).transform(kdb.Trans(700, -300))
            case 4:
                cell.name = f"NEW{rng.randrange(99)}"
            case 5:
                cell.flatten(1, False)
    return out


def written(layout: kdb.Layout, name: str) -> Path:
    layout.write(name)
    return Path(name)


def compared(a: kdb.Layout, b: kdb.Layout) -> diff.Difference:
    return diff.compare(*diff.open_both(written(a, "a.gds"), written(b, "b.oas")))


def flat(layout: kdb.Layout) -> dict[tuple[int, int], list[kdb.Polygon]]:
    """Every polygon of a layout, one by one."""
    out: dict[tuple[int, int], list[kdb.Polygon]] = defaultdict(list)
    top = layout.top_cell()
    for info in layout.layer_infos():
        for at in top.begin_shapes_rec(layout.layer(info)):
            if not at.shape().is_text():
                out[info.layer, info.datatype].append(at.shape().polygon.transformed(at.trans()))
    return out


def points(polygon: kdb.Polygon) -> list[tuple[int, int]]:
    return [(p.x, p.y) for p in polygon.each_point_hull()]


@pytest.mark.parametrize("seed", range(20))
def test_areas_are_those_of_gdstk_and_shapely(seed: int) -> None:
    a = drawn(seed, slanted=seed % 5 == 4)
    b = changed(a, seed + 1000)
    top = next(c for c in b.top_cells() if c.cell_index() == a.top_cell().cell_index())
    for cell in [c for c in b.top_cells() if c.cell_index() != top.cell_index()]:
        b.prune_cell(cell.cell_index(), -1)
    found = {d.layer: d for d in compared(a, b).layers}
    ours, theirs = flat(a), flat(b)
    slack = 1e-3 if seed % 5 == 4 else 1e-9  # crossings of slanted edges lie between grid points
    for layer in ours.keys() | theirs.keys():
        got = found[layer].areas if layer in found else (0.0, 0.0)
        one, two = (shapely.union_all([shapely.Polygon(points(p)) for p in side[layer]]) for side in (ours, theirs))
        for k, expected in enumerate((one - two, two - one)):
            assert got[k] == pytest.approx(expected.area / 1e6, rel=slack, abs=slack)
        mine, its = ([gdstk.Polygon(points(p)) for p in side[layer]] for side in (ours, theirs))
        xor = gdstk.boolean(mine, its, "xor", precision=0.01)
        assert sum(got) == pytest.approx(sum(p.area() for p in xor) / 1e6, rel=slack, abs=slack)


@pytest.mark.parametrize("seed", range(4))
def test_a_layout_is_the_same_as_itself_however_it_is_written(seed: int) -> None:
    a = drawn(seed, slanted=True)
    found = compared(a, a)
    assert found.same
    assert found.compared == ((1, 0), (2, 5))


def test_arrays_and_single_instances_are_the_same() -> None:
    layouts = []
    for array in (True, False):
        layout = kdb.Layout()
        top, dot = layout.create_cell("TOP"), layout.create_cell("DOT")
        dot.shapes(layout.layer(1, 0)).insert(kdb.Box(0, 0, 1000, 1000))
        if array:
            top.insert(kdb.CellInstArray(dot, kdb.Trans(), kdb.Vector(2000, 0), kdb.Vector(0, 3000), 4, 3))
        else:
            for x in range(4):
                for y in range(3):
                    top.insert(kdb.CellInstArray(dot, kdb.Trans(x * 2000, y * 3000)))
        layouts.append(layout)
    assert compared(*layouts).same


def test_a_change_in_a_die_is_found_at_all_its_places_and_a_missing_die_at_its_own() -> None:
    wafers = []
    for size, last in ((1000, 39), (1200, 38)):
        layout = kdb.Layout()
        top, die, dot = (layout.create_cell(n) for n in ("WAFER", "DIE", "DOT"))
        dot.shapes(layout.layer(1, 0)).insert(kdb.Box(0, 0, size, 1000))
        die.insert(kdb.CellInstArray(dot, kdb.Trans(5000, 5000)))
        die.shapes(layout.layer(2, 0)).insert(kdb.Box(0, 0, 9000, 9000))
        top.insert(kdb.CellInstArray(die, kdb.Trans(), kdb.Vector(10_000, 0), kdb.Vector(0, 10_000), 40, 39))
        top.insert(kdb.CellInstArray(die, kdb.Trans(0, 390_000), kdb.Vector(10_000, 0), kdb.Vector(), last, 1))
        wafers.append(layout)
    found = compared(*wafers)
    one, two = found.layers
    assert (one.layer, one.places) == ((1, 0), (1, 40 * 39 + 38))
    assert one.areas == pytest.approx((1.0, (40 * 39 + 38) * 0.2))
    assert (two.layer, two.areas, two.places) == ((2, 0), pytest.approx((81.0, 0.0)), (1, 0))
    assert found.changed == ("DOT", "WAFER")


def test_what_lies_under_something_else_is_no_difference() -> None:
    a = kdb.Layout()
    top, low = a.create_cell("TOP"), a.create_cell("LOW")
    low.shapes(a.layer(1, 0)).insert(kdb.Box(0, 0, 500, 500))
    top.shapes(a.layer(1, 0)).insert(kdb.Box(0, 0, 9000, 9000))
    top.insert(kdb.CellInstArray(low, kdb.Trans(100, 100)))
    b = a.dup()
    b.cell("LOW").shapes(b.layer(1, 0)).insert(kdb.Box(0, 0, 100, 800))
    found = compared(a, b)
    assert found.layers == ()
    assert (found.changed, found.same, found.same_shapes) == (("LOW",), False, True)
    assert run(["diff", "a.gds", "b.oas", "-q"]) == 1
    assert run(["diff", "a.gds", "b.oas", "-q", "--ignore-cells"]) == 0


def test_texts_and_cells() -> None:
    a = drawn(0, slanted=False)
    b = a.dup()
    cell = b.cell("C0")
    text = next(cell.shapes(b.layer(2, 5)).each(kdb.Shapes.STexts))
    text.text_string = "T9"
    b.cell("C2").name = "OTHER"
    b.cell("C4").insert(kdb.CellInstArray(b.create_cell("EMPTY"), kdb.Trans()))
    found = compared(a, b)
    count = sum(
        1
        for at in a.top_cell().begin_shapes_rec(a.layer(2, 5))
        if at.shape().is_text() and at.shape().text_string == "T0"
    )
    assert {t[1] for t in found.texts_a} == {"T0"}
    assert len(found.texts_a) == len(found.texts_b) == count > 1
    assert (found.layers, found.added, found.removed) == ((), ("EMPTY",), ())
    assert (found.renamed, found.changed) == ((("C2", "OTHER"),), ("C0", "C4"))


def test_a_new_name_is_told_from_new_content() -> None:
    a = drawn(3, slanted=False)
    b = a.dup()
    for k in range(4):
        b.cell(f"C{k}").name = f"D{k}"
    found = compared(a, b)
    assert found.renamed == tuple((f"C{k}", f"D{k}") for k in range(4))
    assert (found.added, found.removed, found.changed, found.same_shapes) == ((), (), (), True)


def test_units_and_tops(capsys: pytest.CaptureFixture[str]) -> None:
    for name, unit, cell in (("a.gds", 0.001, "TOP"), ("b.gds", 0.005, "TOP"), ("c.gds", 0.001, "PEAK")):
        layout = kdb.Layout()
        layout.dbu = unit
        layout.create_cell(cell).shapes(layout.layer(1, 0)).insert(kdb.DBox(0, 0, 10, 20))
        layout.write(name)
    assert run(["diff", "a.gds", "b.gds"]) == 1
    out = capsys.readouterr().out
    assert out == "database unit: 0.001 um in A, 0.005 um in B\ndifferent: the database unit\n"
    assert run(["diff", "a.gds", "c.gds", "--ignore-cells"]) == 0
    assert capsys.readouterr().out.endswith("same: 1 layers, cells aside\n")
    assert run(["diff", "a.gds", "c.gds", "--top", "TOP"]) == 2
    assert "no cell 'TOP'; known: PEAK" in capsys.readouterr().err
    assert run(["diff", "a.gds", "c.gds", "--top", "TOP", "--top-b", "PEAK"]) == 1


def pair(*boxes: tuple[float, float, float, float]) -> None:
    """a.gds with the first box, b.gds with all but the first."""
    for name, some in (("a.gds", boxes[:1]), ("b.gds", boxes[1:])):
        layout = kdb.Layout()
        top = layout.create_cell("TOP")
        for box in some:
            top.shapes(layout.layer(7, 1)).insert(kdb.DBox(*box))
        layout.write(name)


def test_a_tolerance_leaves_slivers_out() -> None:
    pair((0, 0, 100, 100), (0.004, 0, 100, 100.002))
    assert run(["diff", "a.gds", "b.gds", "-q"]) == 1
    assert run(["diff", "a.gds", "b.gds", "-q", "--tolerance", "0.002"]) == 1
    assert run(["diff", "a.gds", "b.gds", "-q", "--tolerance", "0.004"]) == 0


def test_table_json_and_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    pair((0, 0, 60, 100), (40, 0, 100, 100))
    assert run(["diff", "a.gds", "b.gds", "-o", "d"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[1].split()[:5] == ["7/1", "4000", "1", "4000", "1"]
    assert out[-1] == "2 pictures in d"
    assert sorted(p.name for p in Path("d").iterdir()) == ["7_1.png", "7_1_largest.png"]
    image = lay.PixelBuffer.read_png("d/7_1.png")
    seen = [image.pixel(round(image.width() * (0.15 + x / 100) / 1.3), image.height() // 2) & 0xFFFFFF
            for x in (-5, 20, 50, 80, 105)]  # fmt: skip
    assert seen == [0xFFFFFF, 0xD62728, 0xB8B8B8, 0x1F77B4, 0xFFFFFF]
    assert run(["diff", "a.gds", "b.gds", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["layers"] == [
        {"layer": [7, 1], "only_a_um2": 4000.0, "only_b_um2": 4000.0, "places_a": 1, "places_b": 1,
         "box": [0.0, 0.0, 100.0, 100.0], "largest": [0.0, 0.0, 40.0, 100.0]}
    ]  # fmt: skip
    assert (said["same"], said["summary"]) == (False, "different: 1 of 1 layers, 1 cells")


@pytest.mark.parametrize("bad", ["none.gds", "bad.gds", "."])
def test_what_cannot_be_compared_is_told(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    pair((0, 0, 1, 1), (0, 0, 1, 1))
    Path("bad.gds").write_bytes(b"no layout")
    for order in ((bad, "a.gds"), ("a.gds", bad)):
        assert run(["diff", *order, "-q"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {bad}: ")
