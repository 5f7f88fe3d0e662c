"""The chip as data: tables that come back as they went, arrays that can be routed, and every problem found."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layoutgen.chip import Ball, Chip, Pad, array_chip, check, read_tables, write_tables
from layoutgen.errors import ChipError

# tables -------------------------------------------------------------------------------------------------------------

# what a table can hold: printable text without space around it, '#', quotes, commas and formulas included
names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12).map(
    str.strip
).filter(lambda s: s and s.isprintable()) | st.sampled_from(("#1", '"', "a,b", "=A1", "# note", "''", "VDD<3>", "pad"))
um = st.integers(-(10**9), 10**9).map(lambda n: n / 1000)
size = st.integers(1, 10**6).map(lambda n: n / 1000)
chips = st.builds(
    Chip,
    name=st.just("c"),
    width=st.just(1000.0),
    height=st.just(2000.0),
    pads=st.lists(st.builds(Pad, names, names, um, um, size, size), max_size=6).map(tuple),
    balls=st.lists(st.builds(Ball, names, names, um, um), max_size=6).map(tuple),
)


def read_back(chip: Chip, folder: Path) -> Chip:
    pads, balls = write_tables(chip)
    (folder / "pads.csv").write_text(pads, "utf-8")
    (folder / "balls.csv").write_text(balls, "utf-8")
    return read_tables(chip.name, (chip.width, chip.height), folder / "pads.csv", folder / "balls.csv", None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chip=chips)
def test_what_is_written_is_read_back(chip: Chip, tmp_path: Path) -> None:
    assert read_back(chip, tmp_path) == chip


def test_the_tables_text() -> None:
    chip = Chip("c", 500.0, 500.0, (Pad("P1", "N1", 50.0, 60.125, 40.0, 30.0),), (Ball("A1", "N1", 250.0, 1 / 3),))
    assert write_tables(chip) == (
        "pad,net,x,y,width,height\nP1,N1,50,60.125,40,30\n",
        "ball,net,x,y\nA1,N1,250,0.3333333333\n",
    )


def tables(folder: Path, pads: str, balls: str = "ball,net,x,y\nA1,N,5,5\n") -> Chip:
    (folder / "p.csv").write_bytes(pads.encode("utf-8"))
    (folder / "b.csv").write_bytes(balls.encode("utf-8"))
    return read_tables("c", (10.0, 10.0), folder / "p.csv", folder / "b.csv", (4.0, 3.0))


def test_notes_empty_lines_order_of_columns_and_line_ends_do_not_matter(tmp_path: Path) -> None:
    text = "\ufeff# made by hand\r\n\r\nnet , y,x,pad\r\n# another\r\n N1 ,2, 1 ,P1\r\n\r\n"
    chip = tables(tmp_path, text)
    assert chip.pads == (Pad("P1", "N1", 1.0, 2.0, 4.0, 3.0),)
    assert chip.pads[0].place == f"{tmp_path / 'p.csv'}: line 5"


def test_a_size_in_the_row_wins_over_the_default(tmp_path: Path) -> None:
    chip = tables(tmp_path, "pad,net,x,y,width,height\nP,N,1,2,7,\nQ,N,1,2,,8\n")
    assert [(p.width, p.height) for p in chip.pads] == [(7.0, 3.0), (4.0, 8.0)]


@pytest.mark.parametrize(
    ("pads", "message"),
    [
        ("pad,net,x,y\nP,N,1,1e999\n", "line 2: y: must be a finite number of um, not '1e999'"),
        ("pad,net,x,y\nP,N,nan,1\n", "line 2: x: must be a finite number of um, not 'nan'"),
        ("pad,net,x,y\nP,N,one,1\n", "line 2: x: must be a finite number of um, not 'one'"),
        ("pad,net,x,y\nP,N,1\n", "line 2: has 3 cells; the header has 4"),
        ("pad,net,x,y\n,N,1,1\n", "line 2: pad: is empty; write a name"),
        ("pad,net,x,y\nP,\x07,1,1\n", "line 2: net: is too long or has control characters; write a plain name"),
        (f"pad,net,x,y\n{'P' * 201},N,1,1\n", "line 2: pad: is too long or has control characters"),
        ("pad,net,x\nP,N,1\n", "line 1: no column 'y'; add it to the header"),
        ("pad,net,x,y,widht\nP,N,1,1,1\n", "line 1: unknown column 'widht'; did you mean 'width'?"),
        ("pad,net,x,y,x\nP,N,1,1,1\n", "line 1: column 'x' stands twice; remove one"),
        ("pad,net,x,y,width\nP,N,1,1,-2\n", "line 2: width: must be greater than 0, not -2"),
        ("pad,net,x,y,width\nP,N,1,1,0\n", "line 2: width: must be greater than 0, not 0"),
        ('pad,net,x,y\n"P,N,1,1\n', "line 2: is no row of a CSV table"),
        ("", "is empty; its first line names the columns pad,net,x,y"),
        ("# only a note\n", "is empty; its first line names the columns pad,net,x,y"),
    ],
)
def test_a_wrong_table_is_said_with_its_line(tmp_path: Path, pads: str, message: str) -> None:
    with pytest.raises(ChipError) as e:
        tables(tmp_path, pads)
    assert f"{tmp_path / 'p.csv'}: {message}" in str(e.value)


def test_all_problems_of_both_tables_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ChipError) as e:
        tables(tmp_path, "pad,net,x,y\n,N,1,1\nP,,x,1\n", "ball,net,x,y\nA1,N,1\n")
    assert len(e.value.problems) == 4


def test_a_missing_or_unreadable_table_is_said(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ChipError) as e:
        read_tables("c", (1.0, 1.0), tmp_path / "p.csv", tmp_path / "b.csv", None)
    assert "p.csv: no such file; paths are relative to the spec" in str(e.value)
    assert "b.csv: is not UTF-8 text; save it as UTF-8" in str(e.value)


def test_a_pad_without_any_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("ball,net,x,y\nA,N,1,1\n")
    for pads, said in (
        ("pad,net,x,y\nP,N,1,1\nQ,N,2,2\n", "line 1: no columns 'width' and 'height'; add them to the header,"),
        ("pad,net,x,y,width\nP,N,1,1,2\n", "line 1: no column 'height'; add it to the header,"),
        ("pad,net,x,y,width,height\nP,N,1,1,2,\n", "line 2: height: is missing; fill it in,"),
    ):
        (tmp_path / "p.csv").write_text(pads)
        with pytest.raises(ChipError) as e:
            read_tables("c", (9.0, 9.0), tmp_path / "p.csv", tmp_path / "b.csv", None)
        assert str(e.value) == f"{tmp_path / 'p.csv'}: {said} or set chip.pad_size in the spec"


def test_a_name_that_looks_like_a_note_stays_readable_to_any_csv_reader() -> None:
    pads, _ = write_tables(Chip("c", 1.0, 1.0, (Pad("#1", "N", 0.5, 0.5, 0.1, 0.1),), ()))
    assert list(csv.reader(io.StringIO(pads)))[1] == ["#1", "N", "0.5", "0.5", "0.1", "0.1"]


# arrays -------------------------------------------------------------------------------------------------------------

counts = st.integers(1, 12)


def array(columns: int, rows: int, pitch: float = 500.0, margin: float = 250.0) -> Chip:
    return array_chip(
        "a", columns=columns, rows=rows, pitch=pitch, margin=margin, pad_size=(20.0, 20.0), pad_inset=60.0
    )


@given(columns=counts, rows=counts, pitch=st.sampled_from((400.0, 500.0, 123.456)))
def test_an_array_has_one_ball_and_one_pad_for_each_net(columns: int, rows: int, pitch: float) -> None:
    chip = array(columns, rows, pitch)
    assert len(chip.pads) == len(chip.balls) == len(chip.nets) == columns * rows
    assert all((len(pads), len(balls)) == (1, 1) for pads, balls in chip.nets.values())
    assert len({p.name for p in chip.pads}) == len({b.name for b in chip.balls}) == columns * rows
    assert (chip.width, chip.height) == pytest.approx(((columns - 1) * pitch + 500, (rows - 1) * pitch + 500))


@given(columns=counts, rows=counts)
def test_an_array_has_no_problems_while_its_pads_have_room(columns: int, rows: int) -> None:
    assert check(array(columns, rows), "f").balls


@given(columns=counts, rows=counts)
def test_balls_stand_at_the_pitch_and_pads_at_the_inset(columns: int, rows: int) -> None:
    chip = array(columns, rows)
    xs, ys = sorted({b.x for b in chip.balls}), sorted({b.y for b in chip.balls})
    assert (xs, ys) == ([250.0 + 500 * i for i in range(columns)], [250.0 + 500 * i for i in range(rows)])
    for pad in chip.pads:
        inset = min(pad.x, chip.width - pad.x, pad.y, chip.height - pad.y)
        assert inset == 60.0 or len(chip.pads) > 3 * (columns + rows)
    along = [p for p in chip.pads if p.y == 60.0]
    assert abs(len(along) / len(chip.pads) - chip.width / (chip.width + chip.height) / 2) <= 1 / len(chip.pads)


@given(columns=counts, rows=counts)
def test_nets_follow_the_same_turn_about_the_centre_for_pads_and_balls(columns: int, rows: int) -> None:
    chip = array(columns, rows)

    def turn(thing: Pad | Ball) -> float:
        return round(math.atan2(thing.y - chip.height / 2, thing.x - chip.width / 2), 9)

    for members in (chip.pads, chip.balls):
        by_net = sorted(members, key=lambda m: int(m.net[1:]))
        angles = [turn(m) for m in by_net]
        assert angles == sorted(angles)


def test_ball_names_are_a_ball_maps() -> None:
    chip = array(3, 22)
    rows = [b.name[:-1] for b in sorted(chip.balls, key=lambda b: (-b.y, b.x))][::3]
    assert rows == [*"ABCDEFGHJKLMNPRTUVWY", "AA", "AB"]  # JEDEC: no I, O, Q, S, X, Z
    top_left = max(chip.balls, key=lambda b: (b.y, -b.x))
    assert top_left.name == "A1"


# check --------------------------------------------------------------------------------------------------------------

PAD = Pad("P", "N", 100.0, 100.0, 40.0, 20.0)
BALL = Ball("B", "N", 500.0, 500.0)
GOOD = Chip("c", 1000.0, 1000.0, (PAD,), (BALL,))


def problems(chip: Chip) -> list[str]:
    with pytest.raises(ChipError) as e:
        check(chip, "file")
    return str(e.value).splitlines()


def with_pads(*pads: Pad) -> Chip:
    return replace(GOOD, pads=(PAD, *pads))


def with_balls(*balls: Ball) -> Chip:
    return replace(GOOD, balls=(BALL, *balls))


def test_a_good_chip_comes_back_itself() -> None:
    assert check(GOOD, "file") is GOOD


DIE = "is not inside the die of 1000 x 1000 um, whose lower-left corner is (0, 0); move it, or mend the size"


@pytest.mark.parametrize(
    ("chip", "message"),
    [
        (replace(GOOD, pads=()), "file: the chip has no pads; name at least one"),
        (replace(GOOD, balls=()), "file: the chip has no balls; name at least one"),
        (with_pads(replace(PAD, x=300.0)), "file: pad 'P' stands 2 times; give each a name of its own"),
        (with_balls(replace(BALL, x=600.0, place="b: 3")),
         "b: 3: ball 'B' stands 2 times; give each a name of its own"),
        (with_pads(replace(PAD, name="Q", x=19.9)), f"file: pad 'Q' at (19.9, 100) {DIE}"),
        (with_pads(replace(PAD, name="Q", x=980.1)), f"file: pad 'Q' at (980.1, 100) {DIE}"),
        (with_pads(replace(PAD, name="Q", y=9.9)), f"file: pad 'Q' at (100, 9.9) {DIE}"),
        (with_pads(replace(PAD, name="Q", y=990.1)), f"file: pad 'Q' at (100, 990.1) {DIE}"),
        (with_pads(replace(PAD, name="Q", x=math.nan)), f"file: pad 'Q' at (nan, 100) {DIE}"),
        (with_balls(replace(BALL, name="C", x=0.0)), f"file: ball 'C' at (0, 500) {DIE}"),
        (with_balls(replace(BALL, name="C", y=1000.0)), f"file: ball 'C' at (500, 1000) {DIE}"),
        (with_pads(replace(PAD, name="Q", x=139.9)), "file: pads 'P' and 'Q' overlap; move or shrink one"),
        (with_pads(replace(PAD, name="Q", y=119.9, place="p: 9")),
         "p: 9: pads 'P' and 'Q' overlap; move or shrink one"),
        (with_balls(replace(BALL, name="C", x=100.0, y=100.0, place="b: 3")),
         "b: 3: ball 'C' stands on the centre of pad 'P'; move the ball"),
        (with_balls(replace(BALL, name="C")), "file: balls 'B' and 'C' stand at the same place; move one"),
        (with_pads(replace(PAD, name="Q", x=300.0, net="M")),
         "file: net 'M' of pad 'Q' has no ball; add a ball with this net"),
        (with_balls(replace(BALL, name="C", x=600.0, net="M")),
         "file: net 'M' of ball 'C' has no pad; add a pad with this net"),
    ],
)  # fmt: skip
def test_a_problem_is_said_with_its_place(chip: Chip, message: str) -> None:
    assert message in problems(chip)


def test_what_just_fits_is_no_problem() -> None:
    corner = replace(PAD, name="Q", x=20.0, y=990.0)
    beside = replace(PAD, name="R", x=140.01)
    near = replace(BALL, name="C", x=500.002)
    assert check(replace(with_pads(corner, beside), balls=(BALL, near)), "file")


def test_all_problems_are_said_at_once() -> None:
    chip = replace(with_pads(replace(PAD, x=-5.0, net="M")), balls=(BALL, BALL))
    assert len(problems(chip)) == 5


def test_nets_hold_their_pads_and_balls_in_table_order() -> None:
    chip = Chip("c", 9.0, 9.0, (replace(PAD, net="B"), replace(PAD, net="A")), (BALL, replace(BALL, net="A")))
    assert list(chip.nets) == ["B", "A", "N"]
    assert [(len(pads), len(balls)) for pads, balls in chip.nets.values()] == [(1, 0), (1, 1), (0, 1)]
