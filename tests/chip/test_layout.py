"""Chips as GDSII and OASIS: written and read back, against shapes drawn here by hand, and every wrong text said."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import gdstk
import klayout.db as kdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layoutgen.chip import Ball, Chip, LayoutLayers, Pad, check, load, read_gds, write_gds
from layoutgen.errors import ChipError

Chips: TypeAlias = Any
DIE, PAD, BALL, TEXT, KEEPOUT = (200, 0), (1, 0), (25, 0), (63, 0), (64, 0)
ENDS = ("gds", "oas", "gds.gz")


def by_name(chip: Chip) -> tuple[object, ...]:
    """A chip without the order of its parts."""
    return (
        sorted(chip.pads, key=lambda p: p.name), sorted(chip.balls, key=lambda b: b.name), sorted(chip.keepouts),
        chip.width, chip.height, chip.outline, chip.origin,
    )  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=12)
@given(
    data=st.data(),
    origin=st.sampled_from(((0.0, 0.0), (-1234.5, 0.002))),
    end=st.sampled_from(("gds", "oas", "gds.gz")),
)
def test_what_is_written_is_read_back(
    data: st.DataObject, origin: tuple[float, float], end: str, chips: Chips, tmp_path: Path
) -> None:
    chip = replace(data.draw(chips()), origin=origin)
    write_gds(chip, tmp_path / f"chip.{end}")
    back = read_gds(tmp_path / f"chip.{end}")
    assert by_name(back) == by_name(chip)
    assert back.name == "a_chip"


def test_pads_and_balls_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    pads = tuple(Pad(f"P{i}", "N", 10.0 * (20 - i), 10.0, 4.0, 4.0) for i in range(1, 12))
    chip = Chip(
        "c", 300.0, 20.0, pads, (Ball("A10", "N", 5.0, 5.0), Ball("A2", "N", 7.0, 5.0), Ball("B1", "N", 9.0, 5.0))
    )
    write_gds(chip, tmp_path / "c.gds")
    back = read_gds(tmp_path / "c.gds")
    assert back.pads == pads
    assert [b.name for b in back.balls] == ["A2", "A10", "B1"]


Text = tuple[str, float, float]


def drawn(
    path: Path, texts: list[Text], pads: list[list[float]], balls: list[list[float]], *, dies: int = 1,
    on: tuple[int, int] = TEXT,
) -> Path:  # fmt: skip
    """A layout by another library: boxes of pads and balls in a cell that is placed at (1000, 0), its die 100 x 80."""
    library = gdstk.Library(unit=1e-6, precision=1e-9)
    inner, top = gdstk.Cell("INNER"), gdstk.Cell("TOP")
    for layer, boxes in ((PAD, pads), (BALL, balls)):
        for x0, y0, x1, y1 in boxes:
            inner.add(gdstk.rectangle((x0, y0), (x1, y1), layer=layer[0], datatype=layer[1]))
    for text, x, y in texts:
        inner.add(gdstk.Label(text, (x, y), layer=on[0], texttype=on[1]))
    for i in range(dies):
        inner.add(gdstk.rectangle((200.0 * i, 0), (200.0 * i + 100, 80), layer=200))
    top.add(gdstk.Reference(inner, (1000, 0)))
    library.add(inner, top)
    library.write_gds(path)
    return path


def test_a_layout_of_someone_else(tmp_path: Path) -> None:
    path = drawn(
        tmp_path / "x.gds",
        [("P1 a", 11, 11), ("a", 50, 40), ("VDD", 35, 15), ("VDD", 15, 35), ("B9 *VDD", 72, 40), ("B8 a VDD", 90, 41)],
        [[10, 10, 14, 12], [14, 10, 16, 12], [30, 10, 40, 20], [10, 30, 20, 40]],
        [[45, 35, 55, 45], [70, 35, 80, 45], [85, 35, 95, 45]],
    )
    chip = read_gds(path)
    assert (chip.name, chip.width, chip.height, chip.origin) == ("TOP", 100.0, 80.0, (1000.0, 0.0))
    assert {(p.net, p.x, p.y, p.width, p.height) for p in chip.pads} == {
        ("a", 13.0, 11.0, 6.0, 2.0), ("VDD", 35.0, 15.0, 10.0, 10.0), ("VDD", 15.0, 35.0, 10.0, 10.0),
    }  # fmt: skip
    assert sorted(p.name for p in chip.pads) == ["P1", "VDD.1", "VDD.2"]
    assert chip.balls == (
        Ball("B8", "a", 90.0, 40.0, width=10.0, height=10.0, group="VDD"),
        Ball("B9", "", 75.0, 40.0, width=10.0, height=10.0, group="VDD"),
        Ball("a", "a", 50.0, 40.0, width=10.0, height=10.0),
    )
    inner = read_gds(path, "INNER")
    assert (inner.pads, inner.balls, inner.origin) == (chip.pads, chip.balls, (0.0, 0.0))
    assert check(replace(chip, pads=chip.pads[:1], balls=chip.balls[2:]), "")


def test_labels_may_stand_on_the_shapes_own_layer(tmp_path: Path) -> None:
    path = drawn(
        tmp_path / "x.gds", [("P1 a", 11, 11), ("P2 b", 32, 12)], [[10, 10, 14, 14], [30, 10, 34, 14]], [], on=PAD
    )
    assert [(p.name, p.net) for p in read_gds(path).pads] == [("P1", "a"), ("P2", "b")]
    points = drawn(tmp_path / "y.gds", [("A1 a", 50, 50)], [], [], on=BALL)
    assert read_gds(points).balls == (Ball("A1", "a", 50.0, 50.0),)


def test_a_label_over_a_pad_under_a_ball_is_that_in_whose_middle_it_stands(tmp_path: Path) -> None:
    path = drawn(tmp_path / "x.gds", [("P a", 12, 12), ("B b", 20, 20)], [[10, 10, 14, 14]], [[5, 5, 35, 35]])
    chip = read_gds(path)
    assert (chip.pads[0].name, chip.balls[0].name) == ("P", "B")


@pytest.mark.parametrize(
    ("texts", "pads", "balls", "dies", "said"),
    [
        ([("P a", 50, 50)], [], [], 1, "at (1050, 50): the text 'P a' stands on no pad or ball; move it onto its"),
        ([], [[10, 10, 20, 30]], [], 1, "at (1015, 20): a pad has no text; write its name and net on it"),
        ([], [], [[10, 10, 20, 30]], 1, "at (1015, 20): a ball has no text; write its name and net on it"),
        ([("P a", 15, 15), ("Q a", 16, 15)], [[10, 10, 20, 20]], [], 1,
         "at (1016, 15): the text 'Q a' is the second on one shape, beside 'P a'; keep one"),
        ([("P a b c", 15, 15)], [[10, 10, 20, 20]], [], 1, "the text 'P a b c' is none of NET, NAME NET, NAME"),
        ([("P\x07", 15, 15)], [[10, 10, 20, 20]], [], 1, "the text 'P?' is none of NET, NAME NET, NAME NET GROUP"),
        ([('"P', 15, 15)], [[10, 10, 20, 20]], [], 1, "is none of NET, NAME NET, NAME NET GROUP; write it so"),
        ([("P a", 15, 15)], [[10, 10, 20, 20]], [[10, 10, 20, 20]], 1, "stands on two shapes alike"),
        ([], [], [], 0, "has no shape in any cell; draw something"),
        ([("P a", 15, 15)], [[10, 10, 20, 20]], [], 0,
         "layer 200/0 has 0 polygons; draw the die's outline there, one polygon"),
        ([], [], [], 2, "layer 200/0 has 2 polygons; draw the die's outline there, one polygon"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    texts: list[Text], pads: list[list[float]], balls: list[list[float]], dies: int, said: str, tmp_path: Path
) -> None:
    path = drawn(tmp_path / "x.gds", texts, pads, balls, dies=dies)
    with pytest.raises(ChipError) as e:
        read_gds(path)
    assert any(line.startswith(str(path)) and said in line for line in str(e.value).splitlines())


def test_holes_cells_and_files_that_are_none(tmp_path: Path) -> None:
    layout = kdb.Layout()
    cells = [layout.create_cell(name) for name in ("ONE", "TWO")]
    ring = kdb.Region(kdb.Box(0, 0, 9000, 9000)) - kdb.Region(kdb.Box(1000, 1000, 2000, 2000))
    for cell in cells:
        cell.shapes(layout.layer(*DIE)).insert(kdb.Box(0, 0, 9000, 9000))
        cell.shapes(layout.layer(*PAD)).insert(ring)
    layout.write(str(tmp_path / "x.oas"))
    (tmp_path / "text.gds").write_text("no layout")
    for call, said in (
        (lambda: read_gds(tmp_path / "x.oas"), "x.oas: has 2 top cells; name one of: ONE, TWO"),
        (lambda: read_gds(tmp_path / "x.oas", "TOW"), "x.oas: no cell 'TOW'; did you mean 'TWO'?"),
        (
            lambda: read_gds(tmp_path / "x.oas", "ONE"),
            "the shape about (4.5, 4.5) on layer 1/0 has a hole; fill or cut it",
        ),
        (
            lambda: read_gds(tmp_path / "text.gds"),
            "text.gds: is no layout (no GDSII, no OASIS, nor .gz of one); name a",
        ),
        (
            lambda: read_gds(tmp_path / "none.gds"),
            "none.gds: cannot be read (no such file); name a GDSII or OASIS file",
        ),
    ):
        with pytest.raises(ChipError, match=r".") as e:
            call()
        assert said in str(e.value)


def test_an_array_of_arrays_is_refused_before_it_is_unfolded(tmp_path: Path) -> None:
    layout = kdb.Layout()
    below = layout.create_cell("A")
    below.shapes(layout.layer(*PAD)).insert(kdb.Box(0, 0, 10, 10))
    for name in "BCD":
        cell = layout.create_cell(name)
        cell.insert(
            kdb.CellInstArray(below.cell_index(), kdb.Trans(), kdb.Vector(20, 0), kdb.Vector(0, 20), 1000, 1000)
        )
        below = cell
    layout.write(str(tmp_path / "x.gds"))
    with pytest.raises(ChipError, match=r"cell 'C' has 1000000000000 shapes, all placements counted"):
        read_gds(tmp_path / "x.gds")


@pytest.mark.parametrize("end", ["gds", "oas"])
def test_whatever_is_broken_is_read_or_refused(end: str, tmp_path: Path) -> None:
    chip = Chip(
        "c", 90.0, 90.0, (Pad("P", "N", 20.0, 20.0, 4.0, 4.0),), (Ball("B", "N", 50.0, 50.0, width=5.0, height=5.0),)
    )
    path = tmp_path / f"x.{end}"
    write_gds(chip, path)
    good = path.read_bytes()
    rng = random.Random(7)  # noqa: S311
    refused = 0
    for n in range(12):
        data = bytearray(good)
        if n % 3:
            data[rng.randrange(len(data))] = rng.randrange(256)
        else:
            del data[rng.randrange(len(data)) :]
        path.write_bytes(data)
        try:
            load(path)
        except ChipError as e:
            refused += 1
            assert all(line.isprintable() for line in str(e).splitlines())  # noqa: PT017
    assert 0 < refused <= 12


def test_cells_that_hold_themselves_or_are_missing_and_a_die_larger_than_any_wafer(tmp_path: Path) -> None:
    def said(file: str) -> str:
        with pytest.raises(ChipError) as e:
            load(tmp_path / file)
        return str(e.value)

    def library(*names: str) -> bytes:
        cells = {name: gdstk.Cell(name) for name in (*names, "B")}
        for name, cell in cells.items():
            if name in names:
                cell.add(gdstk.rectangle((0, 0), (9, 9), *DIE), gdstk.Reference(cells["B"]))
        lib = gdstk.Library()
        lib.add(*(cells[name] for name in names))
        lib.write_gds(tmp_path / "lib.gds")
        return (tmp_path / "lib.gds").read_bytes()

    (tmp_path / "gone.gds").write_bytes(library("A"))
    assert said("gone.gds").endswith("cell 'B' is placed, but is not in the file; add it, or take it out")
    (tmp_path / "loop.gds").write_bytes(library("A").replace(b"B\0", b"A\0"))
    assert "a cell holds itself, through others or at once" in said("loop.gds")
    layout = kdb.Layout()
    cell = layout.create_cell("T")
    cell.shapes(layout.layer(*DIE)).insert(kdb.Box(0, 0, 900_000_000, 900_000_000))
    cell.shapes(layout.layer(*PAD)).insert(kdb.Box(1000, 1000, 50_000, 50_000))
    cell.shapes(layout.layer(*TEXT)).insert(kdb.Text("P A", 20_000, 20_000))
    cell.shapes(layout.layer(*BALL)).insert(kdb.Text("B A", 900_000, 900_000))
    layout.write(str(tmp_path / "big.gds"))
    assert "the die of 900000 x 900000 um must have sides above 0 and at most 450000 um" in said("big.gds")
    cell.shapes(layout.layer(*BALL)).clear()
    cell.shapes(layout.layer(*BALL)).insert(kdb.Text("Bqqqq A", 900_000, 900_000))
    layout.write(str(tmp_path / "text.gds"))
    bytes_ = (tmp_path / "text.gds").read_bytes()
    assert bytes_.count(b"Bqqqq") == 1
    (tmp_path / "text.gds").write_bytes(bytes_.replace(b"Bqqqq", b"B\xf3qqq"))
    assert said("text.gds").endswith("at (900, 900): a text is not UTF-8; write it anew")


def test_lengths_off_every_grid_and_far_away_are_refused(tmp_path: Path) -> None:
    chip = Chip("c", 90.0, 90.0, (Pad("P", "N", 20.00003, 20.0, 4.0, 4.0),), ())
    with pytest.raises(ChipError, match=r"c: 18.00003 um is finer than 0.1 nm; round it"):
        write_gds(chip, tmp_path / "x.gds")
    with pytest.raises(ChipError, match=r"c: reaches beyond 1.07374e.06 um; move its origin nearer"):
        write_gds(Chip("c", 90.0, 90.0, (), (), origin=(2e6, 0.0)), tmp_path / "x.gds")


def test_layers_may_have_other_numbers(tmp_path: Path) -> None:
    chip = Chip("c", 90.0, 90.0, (Pad("P", "N", 20.0, 20.0, 4.0, 4.0),), ())
    layers = LayoutLayers(outline=(5, 1), pad=(5, 2), ball=(5, 3), text=(5, 4), keepout=(5, 5))
    write_gds(chip, tmp_path / "x.gds", layers)
    assert read_gds(tmp_path / "x.gds", layers=layers) == chip
    with pytest.raises(ChipError, match=r"layer 200/0 has 0 polygons"):
        read_gds(tmp_path / "x.gds")
