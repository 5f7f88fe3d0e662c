"""The chip as data: tables that come back as they went, arrays that can be routed, and every problem found."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layoutgen.chip import Ball, Chip, Pad, Ring, array_chip, check, read_tables, write_shapes, write_tables
from layoutgen.chip.shapes import box, centre, placed, ring
from layoutgen.errors import ChipError

Chips: TypeAlias = Any

# tables -------------------------------------------------------------------------------------------------------------

# what a table can hold: printable text without space around it, '#', quotes, commas and formulas included
names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12).map(
    str.strip
).filter(lambda s: s and s.isprintable()) | st.sampled_from(("#1", '"', "a,b", "=A1", "# note", "''", "VDD<3>", "pad"))
nets = names.filter(lambda s: s[0] != "*")  # which is how a free one is written
um = st.integers(-(10**9), 10**9).map(lambda n: n / 1000)
size = st.integers(1, 10**6).map(lambda n: n / 1000)
chips = st.builds(
    Chip,
    name=st.just("c"),
    width=st.just(1000.0),
    height=st.just(2000.0),
    pads=st.lists(st.builds(Pad, names, nets, um, um, size, size), max_size=6).map(tuple),
    balls=st.lists(st.builds(Ball, names, nets, um, um), max_size=6).map(tuple),
)


def read_back(chip: Chip, folder: Path) -> Chip:
    pads, balls = write_tables(chip)
    (folder / "pads.csv").write_text(pads, "utf-8")
    (folder / "balls.csv").write_text(balls, "utf-8")
    shapes = folder / "shapes.csv" if write_shapes(chip) else None
    if shapes:
        shapes.write_text(write_shapes(chip), "utf-8")
    size = None if chip.outline else (chip.width, chip.height)
    return read_tables(chip.name, size, folder / "pads.csv", folder / "balls.csv", None, shapes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chip=chips)
def test_what_is_written_is_read_back(chip: Chip, tmp_path: Path) -> None:
    assert read_back(chip, tmp_path) == chip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50)
@given(data=st.data())
def test_shapes_groups_keepouts_and_outline_come_back(data: st.DataObject, chips: Chips, tmp_path: Path) -> None:
    chip = data.draw(chips(even=True))
    assert read_back(chip, tmp_path) == chip


OCTAGON: Ring = ((-10, -25), (10, -25), (25, -10), (25, 10), (10, 25), (-10, 25), (-25, 10), (-25, -10))


def test_the_text_of_tables_that_say_more() -> None:
    chip = Chip(
        "c", 500.0, 400.0,
        (Pad("P1", "a", 50, 60, 50, 50, polygon=OCTAGON), Pad("P2", "b", 90, 60, 8, 4, group="G")),
        (Ball("A1", "a", 250, 90, width=20, height=30), Ball("A2", "", 9, 9, group="*"),
         Ball("A3", "", 8, 8, group="G")),
        ring([(0, 0), (500, 0), (500, 400), (10, 400), (0, 390)]), (box(1, 2, 3, 4),),
    )  # fmt: skip
    corners = "-10 -25 10 -25 25 -10 25 10 10 25 -10 25 -25 10 -25 -10"
    assert write_tables(chip) == (
        f"pad,net,x,y,width,height,group,polygon\nP1,a,50,60,,,,{corners}\nP2,b,90,60,8,4,G,\n",
        "ball,net,x,y,width,height\nA1,a,250,90,20,30\nA2,*,9,9,,\nA3,*G,8,8,,\n",
    )
    assert write_shapes(chip) == ("shape,polygon\noutline,0 0 500 0 500 400 10 400 0 390\nkeepout,1 2 3 2 3 4 1 4\n")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("P,N,1,1,,,,0 0 1", "polygon: has 3 numbers; write x and y of each corner, 4000 corners at most"),
        (
            "P,N,1,1,,,,0 0 1 1 1 0 0 1",
            "polygon: is no simple polygon with an area; write x and y of each",
        ),
        ("P,N,1,1,,,,0 0 1 1 x 0", "polygon: must be a finite number of um, not 'x'"),
        ("P,N,1,1,2,,,0 0 1 1 1 0", "width: stands beside a polygon, which says it; leave it empty"),
        ("P,*G,1,1,2,2,H,", "group: stands beside the net '*G', which is free; write it there: *H"),
    ],
)
def test_a_wrong_shape_or_group_is_said(row: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ChipError) as e:
        tables(tmp_path, f"pad,net,x,y,width,height,group,polygon\n{row}\n")
    assert f"{tmp_path / 'p.csv'}: line 2: {said}" in str(e.value)


@pytest.mark.parametrize(
    ("text", "size", "said"),
    [
        ("outline,0 0 9 0 9 9\n", (10.0, 10.0), "line 2: polygon: is 9 x 9 um, the size 10 x 10; mend one"),
        ("outline,1 0 9 0 9 9\n", None, "line 2: polygon: begins at (1, 0); the die's lower-left corner is (0, 0)"),
        ("outline,0 0 9 0 9 9\noutline,0 0 9 0 9 9\n", None, "line 3: shape: is a second outline; a die has one"),
        ("hole,0 0 9 0 9 9\n", (9.0, 9.0), "line 2: shape: must be outline or keepout, not 'hole'"),
        ("keepout,\n", (9.0, 9.0), "line 2: polygon: is empty; write its corners: x y x y ..."),
        ("keepout,0 0 9 0 9 9\n", None, "no outline; give the die's size, or a shape outline"),
    ],
)
def test_a_wrong_table_of_shapes_is_said(
    text: str, size: tuple[float, float] | None, said: str, tmp_path: Path
) -> None:
    files = {"p.csv": "pad,net,x,y\nP,N,1,1\n", "b.csv": "ball,net,x,y\nA,N,5,5\n"}
    files["s.csv"] = f"shape,polygon\n{text}"
    for file, content in files.items():
        (tmp_path / file).write_text(content, "utf-8")
    with pytest.raises(ChipError) as e:
        read_tables("c", size, tmp_path / "p.csv", tmp_path / "b.csv", (1.0, 1.0), tmp_path / "s.csv")
    assert f"{tmp_path / 's.csv'}: {said}" in str(e.value)


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
        ("pad,net,x,y,height\nP,N,1,1,abc\n", "line 2: height: must be a finite number of um, not 'abc'"),
        ("pad,net,x,y,width\nP,N,1,1,0\n", "line 2: width: must be greater than 0, not 0"),
        ('pad,net,x,y\n"P,N,1,1\n', "line 2: is no row of a CSV table"),
        ("", "is empty; its first line names the columns pad,net,x,y"),
        ("# only a note\n", "is empty; its first line names the columns pad,net,x,y"),
    ],
)
def test_a_wrong_table_is_said_with_its_line(tmp_path: Path, pads: str, message: str) -> None:
    with pytest.raises(ChipError) as e:
        tables(tmp_path, pads)
    (line,) = str(e.value).splitlines()
    assert line.startswith(f"{tmp_path / 'p.csv'}: {message}")


def test_all_problems_of_both_tables_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ChipError) as e:
        tables(tmp_path, "pad,net,x,y\n,N,1,1\nP,,x,1\n", "ball,net,x,y\nA1,N,1\n")
    assert len(e.value.problems) == 4


def test_a_missing_or_unreadable_table_is_said(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ChipError) as e:
        read_tables("c", (1.0, 1.0), tmp_path / "p.csv", tmp_path / "b.csv", None)
    assert "p.csv: no such file; name one that is there" in str(e.value)
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
        (with_balls(replace(BALL, name="C", net="m", x=100.0, y=100.0, place="b: 3")),
         "b: 3: ball 'C' stands on the centre of pad 'P'; move the ball"),
        (with_balls(replace(BALL, name="C")), "file: balls 'B' and 'C' stand at the same place; move one"),
        (with_pads(replace(PAD, name="Q" * 1001, x=300.0)),
         f"file: '{'Q' * 40}...' has 1001 letters; a name has 1000 at most"),
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


# groups -------------------------------------------------------------------------------------------------------------


def free(name: str, x: float, group: str = "*") -> Ball:
    return Ball(name, "", x, 700.0, group=group)


def test_pads_without_a_ball_take_free_ones() -> None:
    chip = with_pads(Pad("Q", "M", 300.0, 100.0, 40.0, 20.0))
    chip = replace(chip, balls=(BALL, free("F", 100.0), free("G", 200.0)))
    assert check(chip, "file") is chip
    for_balls, for_pads = chip.groups["*"]
    assert [m.name for m in for_balls.askers] == ["Q"]
    assert [m.name for m in for_balls.free] == ["F", "G"]
    assert (for_pads.askers, for_pads.free) == ((), ())
    assert list(chip.nets) == ["N", "M"]
    taken = chip.assigned({"ball G": "M", "pad F": "X"})
    assert [(b.name, b.net, b.group) for b in taken.balls] == [("B", "N", ""), ("F", "", "*"), ("G", "M", "")]
    assert check(taken, "file") is taken


def test_balls_may_ask_for_free_pads_of_a_group() -> None:
    pads = tuple(Pad(f"S{i}", "", 200.0 * i, 100.0, 40.0, 20.0, group="VDD") for i in (1, 2, 3))
    balls = tuple(Ball(f"V{i}", "VDD", 200.0 * i, 600.0, group="VDD") for i in (1, 2, 3))
    chip = Chip("c", 1000.0, 1000.0, pads, balls)
    assert check(chip, "file") is chip
    assert problems(replace(chip, pads=pads[:2])) == [
        "file: ball 'V3' asks for a free pad of group 'VDD', which has 2 for 3 balls; free more pads (net *), "
        "or give it a net's own"
    ]


@pytest.mark.parametrize(
    ("chip", "said"),
    [
        (with_pads(*(Pad(f"Q{i}", f"M{i}", 200.0 * i, 300.0, 40.0, 20.0, group="G") for i in (1, 2))),
         "file: pad 'Q1' asks for a free ball of group 'G', which has 0 for 2 pads; free more balls"),
        (replace(with_pads(*(Pad(f"Q{i}", f"M{i}", 200.0 * i, 300.0, 40.0, 20.0) for i in (1, 2))),
                 balls=(BALL, free("F", 10.0))),
         "file: pad 'Q2' asks for a free ball of group '*', which has 1 for 2 pads; free more balls"),
        (replace(with_pads(Pad("Q", "", 300.0, 300.0, 40.0, 20.0, group="*")), balls=(BALL, free("F", 10.0))),
         "file: group '*' has free pads and free balls; give the one or the other another name"),
        (with_balls(Ball("C", "", 300.0, 700.0)), "file: ball 'C' has neither a net nor a group; write a net, or *"),
        (with_pads(replace(PAD, name="Q", x=300.0, polygon=((0, 0), (9, 9), (9, 0), (0, 9)))),
         "file: the metal of pad 'Q' is no simple polygon; mend its corners"),
        (with_pads(replace(PAD, name="Q", x=300.0, polygon=((1, 1), (9, 1), (9, 9)))),
         "file: the metal of pad 'Q' does not hold its centre; count its corners from there"),
        (replace(GOOD, keepouts=(((0, 0), (1, 1)),)), "file: the keep-out at ((0, 0),) is no simple polygon; mend"),
        (replace(GOOD, outline=box(0, 0, 900, 1000)),
         "file: the outline does not fill the box (0, 0) to (1000, 1000); mend either"),
        (replace(with_pads(Pad("Q", "N", 30.0, 30.0, 40.0, 20.0)),
                 outline=ring([(100, 0), (1000, 0), (1000, 1000), (0, 1000), (0, 100)])),
         "file: pad 'Q' at (30, 30) is not inside the outline in the box of 1000 x 1000 um"),
        (with_balls(Ball("C", "N", 15.0, 700.0, width=40.0, height=40.0)), "file: ball 'C' at (15, 700) is not inside"),
        (with_balls(*(Ball(f"C{i}", "N", 300.0 + 30 * i, 700.0, width=40.0, height=40.0) for i in (1, 2))),
         "file: balls 'C1' and 'C2' overlap; move or shrink one"),
        (replace(with_pads(Pad("Q", "M", 300.0, 100.0, 40.0, 20.0)),
                 balls=(BALL, Ball("C", "M", 130.0, 130.0, width=40.0, height=50.0))),
         "file: ball 'C' overlaps pad 'P' of another net; move or shrink one"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_groups_and_shapes_is_said(chip: Chip, said: str) -> None:
    assert [line for line in problems(chip) if line.startswith(said)]


def test_in_def_a_net_may_join_balls_alone_but_not_one_alone() -> None:
    chip = Chip("c", 1000.0, 1000.0, (), (BALL, replace(BALL, name="C", x=600.0)))
    assert check(chip, "file", any_terminals=True) is chip
    with pytest.raises(ChipError, match="net 'N' of ball 'B' has no pad"):
        check(replace(chip, balls=(BALL,)), "file", any_terminals=True)
    with pytest.raises(ChipError, match="no net has two terminals on the routed layer"):
        check(replace(chip, balls=()), "file", any_terminals=True)
    assert len(problems(chip)) == 2


# shapes -------------------------------------------------------------------------------------------------------------


@given(turn=st.integers(0, 7), backwards=st.booleans(), closed=st.booleans(), extra=st.booleans())
def test_a_ring_has_one_form_whatever_it_was(turn: int, backwards: bool, closed: bool, extra: bool) -> None:
    points = [*OCTAGON[turn:], *OCTAGON[:turn]]
    if extra:
        (x0, y0), (x1, y1) = points[0], points[1]
        points[1:1] = [points[0], ((x0 + x1) / 2, (y0 + y1) / 2)]
    points = points[::-1] if backwards else points
    assert ring(points + points[:1] if closed else points) == OCTAGON


@pytest.mark.parametrize(
    "points", [[], [(0, 0), (1, 0), (2, 0)], [(0, 0), (1, 1), (1, 0), (0, 1)], [(0, 0), (1, math.nan), (1, 1)]]
)
def test_what_is_no_polygon_is_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match=r"is no simple polygon with an area|has a coordinate that is not finite"):
        ring(points)


def test_the_centre_lies_in_the_middle_and_always_inside() -> None:
    assert centre(box(0, 0, 10, 4)) == (5.0, 2.0)
    assert centre(box(0, 0, 0.005, 4)) == (0.002, 2.0)  # on the grid
    ell = ring([(0, 0), (100, 0), (100, 10), (10, 10), (10, 100), (0, 100)])
    x, y = centre(ell)
    assert (0 < x < 10 or 0 < y < 10) and x > 0 and y > 0  # noqa: PT018
    moved = ring((p + 1234.5, q - 77.125) for p, q in ell)
    assert centre(moved) == (x + 1234.5, round(y - 77.125, 3))
    assert placed(box(1, 1, 3, 5)) == (2.0, 3.0, 2.0, 4.0, ())
