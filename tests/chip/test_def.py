"""DEF and LEF: what is read against KLayout's reader and numbers by hand, what is written against both."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import klayout.db as kdb
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layoutgen.chip import (
    Ball,
    Chip,
    Pad,
    RoutedLayer,
    add_routes,
    check,
    read_def,
    read_lef,
    write_def,
    write_lef,
)  # fmt: skip
from layoutgen.chip.def_turns import TURNS
from layoutgen.chip.def_writer import Routes
from layoutgen.chip.shapes import bounds, box, ring
from layoutgen.errors import ChipError

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
Files: TypeAlias = Any  # the fixture's, see conftest
Chips: TypeAlias = Any
OCTAGON = (
    (-4.0, -10.0),
    (4.0, -10.0),
    (10.0, -4.0),
    (10.0, 4.0),
    (4.0, 10.0),
    (-4.0, 10.0),
    (-10.0, 4.0),
    (-10.0, -4.0),
)


def in_klayout(path: Path, lefs: list[Path], layer: str, what: str) -> kdb.Region:
    """Shapes of a purpose ("SPNET", "PIN", "OBS", "BLK") on a layer as KLayout's own reader draws them, in nm."""
    options = kdb.LoadLayoutOptions()
    config = options.lefdef_config
    config.lef_files = [str(p) for p in lefs]
    config.read_lef_with_def = False
    config.dbu = 0.001
    config.produce_special_routing = True
    config.special_routing_suffix_str = ".SPNET"
    options.lefdef_config = config
    layout = kdb.Layout()
    layout.read(str(path), options)
    names = {info.name: index for index, info in zip(layout.layer_indexes(), layout.layer_infos(), strict=True)}
    index = names.get(f"{layer}.{what}")
    top = layout.top_cell()
    return kdb.Region() if index is None else kdb.Region(top.begin_shapes_rec(index)).merged()


def region(chip: Chip, rings: list[tuple[tuple[float, float], ...]]) -> kdb.Region:
    x, y = chip.origin
    return kdb.Region([kdb.DPolygon([kdb.DPoint(p + x, q + y) for p, q in r]).to_itype(0.001) for r in rings]).merged()


# reading ------------------------------------------------------------------------------------------------------------


def test_terminals_nets_and_keepouts_of_a_design(small: Files) -> None:
    chip = read_def(small.path, small.lefs)
    assert (chip.name, chip.width, chip.height, chip.origin, chip.outline) == (
        "small",
        200.0,
        200.0,
        (-100.0, -50.0),
        (),
    )
    ell = ((-2.0, -5.0), (2.0, -5.0), (2.0, 5.0), (0.0, 5.0), (0.0, 1.0), (-2.0, 1.0))
    assert chip.pads == (
        Pad("io\\[1\\]/P", "a", 64.0, 157.0, 4.0, 10.0, polygon=ell),
        Pad("io2/P", "c", 107.0, 164.0, 10.0, 4.0,
            polygon=((-5.0, -2.0), (1.0, -2.0), (1.0, 0.0), (5.0, 0.0), (5.0, 2.0), (-5.0, 2.0))),
        Pad("s1/VDD", "", 15.0, 105.0, 4.0, 4.0, group="VDD"),
        Pad("s2/VDD", "", 195.0, 105.0, 4.0, 4.0, group="VDD"),
    )  # fmt: skip
    assert chip.balls == (
        Ball("b1/B", "a", 60.0, 60.0, width=20.0, height=20.0, polygon=OCTAGON),
        Ball("b2/B", "VDD", 110.0, 60.0, width=20.0, height=20.0, polygon=OCTAGON, group="VDD"),
        Ball("b3/B", "VDD", 160.0, 60.0, width=20.0, height=20.0, polygon=OCTAGON, group="VDD"),
        Ball("PIN/probe", "c", 120.0, 20.0, width=1.0, height=2.0),
    )
    assert chip.keepouts == (
        box(0, 0, 10, 10), ((100.0, 0.0), (110.0, 0.0), (100.0, 5.0)),  # blockages
        box(54, 174, 56, 176), box(67, 177, 69, 179),  # io[1]: the pin's other port, and the obstruction
        box(124, 154, 126, 156), box(127, 167, 129, 169),  # io2's
        tuple((x + 160, y + 110) for x, y in OCTAGON),  # b4, whose net has no other terminal
    )  # fmt: skip
    assert chip.pads[0].place == f"{small.path}: line 13"
    assert check(chip, "", any_terminals=True) is chip


def test_the_layer_says_its_width_and_space(small: Files) -> None:
    assert read_def(small.path, small.lefs).layer == RoutedLayer("TOP", 2.0, 2.5, 5.0)
    assert read_lef(small.lefs).layers == {
        "M1": RoutedLayer("M1", 1.0, 1.0),
        "TOP": RoutedLayer("TOP", 2.0, 2.5, 5.0),
    }


def test_metal_lies_where_klayout_puts_it(small: Files) -> None:
    chip = read_def(small.path, small.lefs)
    ours = region(chip, [m.metal for m in chip.members] + list(chip.keepouts))
    theirs = kdb.Region()
    for what in ("PIN", "OBS", "BLK"):
        theirs += in_klayout(small.path, small.lefs, "TOP", what)
    assert not (ours ^ theirs.merged()).merged().area()
    assert ours.area() > 0


@pytest.mark.parametrize("turn", TURNS)
def test_every_orientation_is_klayouts(turn: str, small: Files) -> None:
    path, lefs = small.path, small.lefs
    path.write_text(small.design_text.replace("( 0 200000 ) FS", f"( 0 200000 ) {turn}"), "utf-8")
    pads = in_klayout(path, lefs, "TOP", "PIN")
    chip = read_def(path, lefs)
    (pad,) = (p for p in chip.pads if p.name == "io2/P")
    assert not (region(chip, [pad.metal]) - pads).area()
    assert region(chip, [pad.metal]).area() == 32_000_000


def test_another_layer_has_other_terminals(small: Files) -> None:
    chip = read_def(small.path, small.lefs, layer="M1")
    assert chip.layer == RoutedLayer("M1", 1.0, 1.0)
    assert {m.name: m.net for m in chip.members} == {"io\\[1\\]/VDD": "VDD", "io2/VDD": "VDD"}
    assert len(chip.keepouts) == 4  # two obstructions, and two pins that no net needs
    assert check(chip, "", any_terminals=True)


def test_a_die_may_be_a_polygon(small: Files) -> None:
    path, lefs = small.path, small.lefs
    die = "( -200000 -100000 ) ( -200000 300000 ) ( 200000 300000 ) ( 200000 0 ) ( 190000 0 ) ( 190000 -100000 )"
    path.write_text(small.design_text.replace("( -200000 -100000 ) ( 200000 300000 )", die), "utf-8")
    chip = read_def(path, lefs)
    assert chip.outline == ((0.0, 0.0), (195.0, 0.0), (195.0, 50.0), (200.0, 50.0), (200.0, 200.0), (0.0, 200.0))
    assert (chip.width, chip.height) == (200.0, 200.0)


def test_without_bumps_covers_are_balls_and_nets_of_more_balls_than_pads_are_one_piece(small: Files) -> None:
    path, lefs = small.path, small.lefs
    lefs[1].write_text(small.cells_text.replace("CLASS COVER BUMP", "CLASS COVER"), "utf-8")
    assert read_def(path, lefs) == read_def(path, [lefs[0], lefs[1]])
    assert [b.name for b in read_def(path, lefs).balls] == ["b1/B", "b2/B", "b3/B", "PIN/probe"]
    text = small.design_text.replace("- lonely ( b4 B ) ;\n", "")
    path.write_text(text.replace("( b2 B ) ( b3 B )", "( b2 B ) ( b3 B ) ( b4 B )"), "utf-8")
    chip = read_def(path, lefs)
    pads, balls = chip.nets["VDD"]
    assert ([p.name for p in pads], len(balls), {m.group for m in chip.members}) == (["s1/VDD", "s2/VDD"], 3, {""})


def test_words_may_stand_anyhow(small: Files) -> None:
    path, lefs = small.path, small.lefs
    plain = read_def(path, lefs)
    for file, text in ((path, small.design_text), (lefs[1], small.cells_text)):
        file.write_text("\r\n".join(f'{line}   # note; "' for line in text.splitlines()), "utf-8")
    assert read_def(path, lefs) == plain
    path.write_text(small.design_text.replace("\n", " ").replace(" ;", ";"), "utf-8")
    assert read_def(path, lefs) == plain


# what is wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("UNITS DISTANCE MICRONS 2000", "UNITS DISTANCE MICRONS 3000", 5, "3000 units per um is none of 100, 200,"),
        ("UNITS DISTANCE MICRONS 2000 ;", "", 6, "a length stands before UNITS DISTANCE MICRONS; write that first"),
        ("MICRONS 2000 ;", "MICRONS 2000 ;\nUNITS DISTANCE MICRONS 1000 ;", 6, "UNITS were 2000 per um before"),
        ("ROW R0", "DIEAREA ( 0 0 ) ( 1 1 ) ;\nROW R0", 7, "DIEAREA stands twice; keep one"),
        ("-200000 -100000 ) ( 2", "-2e5 -100000 ) ( 2", 6, "'-2e5' is no whole number of database units; write one"),
        ("( -200000 -100000 ) ( 200000 300000 )", "( 0 0 )", 6, "DIEAREA has fewer than two points"),
        ("( -200000 -100000 ) ( 200000 300000 )", "( 0 0 ) ( 1 0 )", 6, "DIEAREA is no simple polygon with an area"),
        ("b3 BUMP", "b3 BUMB", 11, "macro 'BUMB' is in no LEF file; did you mean 'BUMP'?"),
        ("b3 BUMP", "b2 BUMP", 11, "component 'b2' stands twice; give each a name of its own"),
        ("( 100000 0 ) S", "( 100000 0 ) R180", 11, "'R180' is no orientation; write one of N, W, S, E, FN,"),
        ("( 100000 0 ) S", "100000 0 S", 11, "PLACED is written: PLACED ( x y ) orientation"),
        ("+ FIXED ( -100000 0 ) N", "", 9, "component 'b1' has a net, but no place; place it"),
        ("( b1 B )", "( b7 B )", 34, "net 'a' joins component 'b7', which is not in COMPONENTS; add it there"),
        ("( b1 B )", "( b1 A )", 34, "joins pin 'A' of 'b1', whose macro 'BUMP' has none of that name; known: B"),
        ("( b1 B )", "( b1 B", 34, "a connection is written ( component pin )"),
        ("( b4 B )", "( b1 B )", 37, "pin 'B' of 'b1' is in nets 'a' and 'lonely'; take it out of one"),
        ("- lonely", "lonely", 37, "'lonely' stands where an entry (-) or END NETS should; mend NETS"),
        ("END COMPONENTS", "END COMPONENT", 18, "END COMPONENT stands where END COMPONENTS should; mend the sections"),
        ("END DESIGN", "", 40, "the file ends without END DESIGN; it is cut short"),
        ("( b4 B ) ;\nEND NETS\nEND DESIGN\n", "( b4", 37, "the file ends within what begins here; it is cut short"),
        ("small ;", 'small "quote ;', 4, "a quote is opened and never closed; close it"),
    ],
)  # fmt: skip
def test_a_wrong_design_is_one_line(old: str, new: str, line: int, said: str, small: Files) -> None:
    path, lefs = small.path, small.lefs
    assert old in small.design_text
    path.write_text(small.design_text.replace(old, new, 1), "utf-8")
    with pytest.raises(ChipError) as e:
        read_def(path, lefs)
    (shown,) = str(e.value).splitlines()
    assert shown.startswith(f"{path}: line {line}: ")
    assert said in shown


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("RECT 2 4 8 8", "RECT 2 4 8", 21, "RECT has 3 numbers; write x and y of each corner"),
        ("RECT 2 4 8 8", "RECT 2 4 2 8", 21, "RECT is no simple polygon with an area; mend its corners"),
        ("RECT 2 4 8 8", "RECT 2 four 8 8", 21, "'four' is no number of um up to 1e+07; write one"),
        ("RECT 2 4 8 8", "RECT 2 nan 8 8", 21, "'nan' is no number of um up to 1e+07; write one"),
        ("RECT 2 4 8 8", "RECT ITERATE 0 0 1 1 DO 9999 BY 9999 STEP 2 2", 21, "ITERATE makes 9999 x 9999 shapes"),
        ("RECT 2 4 8 8", "PATH 2 4 8 8", 21, "PATH runs at an angle, which is not read; mend its corners"),
        ("  SIZE 30 BY 20 ;\n", "", 14, "macro 'IO' has no SIZE; write it"),
        ("SIZE 30 BY 20", "SIZE 30 20", 16, "SIZE is written: SIZE width BY height ;"),
        ("END BUMP", "END BUMB", 13, "END BUMB stands where END BUMP should; mend the blocks"),
        ("END LIBRARY", "", 55, "the file ends without END LIBRARY; it is cut short"),
        ("MACRO SUPPLY", "MACRO IO", 44, ""),
    ],
)
def test_a_wrong_lef_is_one_line(old: str, new: str, line: int, said: str, small: Files) -> None:
    path, lefs = small.path, small.lefs
    assert old in small.cells_text
    text = small.cells_text.replace(old, new, 1)
    if new == "MACRO IO":
        text, said = text.replace("END SUPPLY", "END IO"), "macro 'IO' was described differently before; keep one"
    lefs[1].write_text(text, "utf-8")
    with pytest.raises(ChipError) as e:
        read_def(path, lefs)
    (shown,) = str(e.value).splitlines()
    assert shown.startswith(f"{lefs[1]}: line {line}: ")
    assert said in shown


def test_no_lef_no_such_layer_and_no_file(small: Files, tmp_path: Path) -> None:
    path, lefs = small.path, small.lefs
    for call, said in (
        (lambda: read_def(path, []), "macro 'BUMP' is in no LEF file; name the LEF files"),
        (lambda: read_def(path, lefs, "TOPP"), "small.def: no LEF file knows a layer 'TOPP'; did you mean 'TOP'?"),
        (lambda: read_def(path, [tmp_path / "no.lef"]), "no.lef: no such file; name a LEF file"),
        (lambda: read_def(tmp_path, lefs), "cannot be read (Is a directory); name a DEF file"),
        (lambda: read_def(lefs[1], lefs), "describes no DESIGN; name a DEF file"),
        (lambda: read_def(path, [path]), "line 4: DESIGN begins a DEF file; name a LEF file here"),
    ):
        with pytest.raises(ChipError, match=r".") as e:
            call()
        assert said in str(e.value)


def test_bytes_that_are_no_text(small: Files) -> None:
    path, lefs = small.path, small.lefs
    path.write_bytes(b"\xff\xfe" + small.design_text.encode())
    with pytest.raises(ChipError, match="is not UTF-8 text; name a DEF file, saved as UTF-8"):
        read_def(path, lefs)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_broken_is_read_or_refused(seed: int, small: Files) -> None:
    path, lefs = small.path, small.lefs
    rng = random.Random(seed)  # noqa: S311
    for file, text in ((path, small.design_text), (lefs[0], small.tech_text), (lefs[1], small.cells_text)):
        data = bytearray(text.encode())
        match rng.randrange(3):
            case 0:
                del data[rng.randrange(len(data)) :]
            case 1:
                for _ in range(rng.randrange(1, 6)):
                    data[rng.randrange(len(data))] = rng.choice(b' ;()+-#"09.eN\n\x00\xff*A')
            case _:
                words = data.split(b" ")
                words[rng.randrange(len(words))] = rng.choice([b"", b";", b"END", b"1e9", b"nan", b"-1", b"(", b"PIN"])
                data = bytearray(b" ".join(words))
        file.write_bytes(data)
        try:
            chip = read_def(path, lefs, rng.choice(("", "TOP")))
            check(chip, str(path), any_terminals=True)
        except ChipError as e:
            lines = str(e).splitlines()
        else:
            lines = chip.name.splitlines()
        assert all(line.isprintable() for line in lines)
        file.write_text(text, "utf-8")
    assert read_def(path, lefs).pads


def test_long_files_cost_no_more_a_word_than_short_ones(small: Files) -> None:
    path, lefs = small.path, small.lefs
    reads: dict[int, int] = {}
    for count in (1_000, 4_000):
        rows = "".join(f"# note {i}\nROW R{i} io 0 0 N ;\n" for i in range(count))
        net = "- a " + "( b1 B ) " * count + "+ ROUTED TOP 10 " + "( 0 0 ) " * count + ";\n"
        path.write_text(
            small.design_text.replace("BLOCKAGES 2", rows + "BLOCKAGES 2").replace("- a ( PIN", net + "- a ( PIN"),
            "utf-8",
        )
        reads[count] = len(read_def(path, lefs).members)
    assert reads[1_000] == reads[4_000] == 8


# writing ------------------------------------------------------------------------------------------------------------

LAYER = RoutedLayer("RDL", 10.0, 12.5, 22.5)


def through_def(chip: Chip, folder: Path, routes: Routes | None = None) -> Chip:
    (folder / "out.lef").write_text(write_lef(chip), "utf-8")
    (folder / "out.def").write_text(write_def(chip, routes), "utf-8")
    return read_def(folder / "out.def", [folder / "out.lef"], (chip.layer or RoutedLayer("TOP_METAL")).name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(data=st.data(), moved_by=st.sampled_from(((0.0, 0.0), (-1234.5, 0.0005))), layer=st.sampled_from((None, LAYER)))
def test_what_is_written_is_read_back(
    data: st.DataObject, moved_by: tuple[float, float], layer: RoutedLayer | None, chips: Chips, tmp_path: Path
) -> None:
    chip = replace(data.draw(chips()), origin=moved_by, layer=layer)
    back = through_def(chip, tmp_path)
    assert back == chip
    assert back.origin == chip.origin
    assert back.layer == (layer or (RoutedLayer("TOP_METAL")))


def test_a_chip_of_a_design_is_itself_again(small: Files, tmp_path: Path) -> None:
    chip = read_def(small.path, small.lefs)
    assert through_def(chip, tmp_path) == chip
    assert through_def(through_def(chip, tmp_path), tmp_path) == chip


WIRES: Routes = {
    "a": [("TOP", 2000, [(60_000, 60_000), (60_000, 150_000), (64_000, 157_000)]), ("TOP", 2000, [(0, 0), (0, 0)])],
    "VDD": [
        ("TOP", 4000, [(110_000, 60_000), (15_000, 105_000)]),
        ("TOP", 2000, [(160_000, 60_000), (195_000, 105_000)]),
    ],
}


def leg(a: kdb.Point, b: kdb.Point, width: int) -> kdb.Polygon:
    """A straight wire as DEF has it: flush ends at right angles, octagons at any other angle."""
    if a.x == b.x or a.y == b.y:
        return kdb.Path([a, b], width).polygon()
    r, s = width / 2, width / 2 * (math.sqrt(2) - 1)
    octagon = [(p * r, q * s) for p in (-1, 1) for q in (-1, 1)] + [(p * s, q * r) for p in (-1, 1) for q in (-1, 1)]
    ends = shapely.MultiPoint([(e.x + x, e.y + y) for e in (a, b) for x, y in octagon])
    return kdb.Polygon([kdb.Point(round(x), round(y)) for x, y in ends.convex_hull.exterior.coords])


def drawn(chip: Chip, wires: Routes) -> kdb.Region:
    out = kdb.Region()
    for routes in wires.values():
        for _, width, points in routes:
            for a, b in pairwise(kdb.Point(*p) for p in points):
                out.insert(leg(a, b, width))
    return out.merged().moved(*(round(v * 1000) for v in chip.origin))


def near(a: kdb.Region, b: kdb.Region) -> bool:
    """The same but for corners rounded to the grid."""
    return (a ^ b).merged().sized(-2).is_empty() and not a.is_empty()


def test_a_routed_design_is_the_same_chip_and_klayout_sees_its_wires(small: Files, tmp_path: Path) -> None:
    path, lefs = small.path, small.lefs
    chip = read_def(path, lefs)
    routed = tmp_path / "routed.def"
    routed.write_text(add_routes(path, chip, WIRES), "utf-8")
    assert read_def(routed, lefs) == chip
    assert near(in_klayout(routed, lefs, "TOP", "SPNET"), drawn(chip, WIRES))
    again = add_routes(routed, chip, {"c": [("TOP", 2000, [(107_000, 164_000), (120_000, 20_000)])]})
    routed.write_text(again, "utf-8")
    assert "SPECIALNETS 3 ;" in again
    assert read_def(routed, lefs) == chip


def test_wires_need_no_section_of_their_own(small: Files, tmp_path: Path) -> None:
    path, lefs = small.path, small.lefs
    before, after = small.design_text.split("SPECIALNETS 1 ;"), small.design_text.split("END SPECIALNETS")
    for text in (before[0] + after[1].lstrip("\n"), before[0] + "END DESIGN\n"):
        path.write_text(text, "utf-8")
        chip = read_def(path, lefs)
        routed = tmp_path / "routed.def"
        wires = {"a": WIRES["a"]}
        routed.write_text(add_routes(path, chip, wires), "utf-8")
        assert read_def(routed, lefs) == chip
        assert near(in_klayout(routed, lefs, "TOP", "SPNET"), drawn(chip, wires))


def test_a_written_chip_has_its_wires_in_klayout_too(small: Files, tmp_path: Path) -> None:
    chip = read_def(small.path, small.lefs)
    assert through_def(chip, tmp_path, WIRES) == chip
    assert near(in_klayout(tmp_path / "out.def", [tmp_path / "out.lef"], "TOP", "SPNET"), drawn(chip, WIRES))
    pins = in_klayout(tmp_path / "out.def", [tmp_path / "out.lef"], "TOP", "PIN")
    assert not (pins ^ region(chip, [m.metal for m in chip.members])).area()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
@given(data=st.data())
def test_klayout_reads_what_is_written_whatever_the_names(data: st.DataObject, chips: Chips, tmp_path: Path) -> None:
    chip = data.draw(chips(even=True))
    through_def(chip, tmp_path)
    pins = in_klayout(tmp_path / "out.def", [tmp_path / "out.lef"], "TOP_METAL", "PIN")
    points = [box(b.x - 0.005, b.y - 0.005, b.x + 0.005, b.y + 0.005) for b in chip.balls if not b.metal]
    assert not (pins ^ region(chip, [m.metal for m in chip.members if m.metal] + points)).area()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda path, chip: write_def(chip, {"b": []}), "a wire belongs to net 'b', which there is not"),
        (lambda path, chip: add_routes(path, chip, {"b": WIRES["a"]}), "a wire belongs to net 'b', which there is not"),
        (lambda path, chip: write_def(replace(chip, width=200.00001)), "200.00001 um is finer than the 20000 units"),
        (lambda path, chip: add_routes(path, chip, {"a": [("TOP", 2001, [(0, 0), (1, 1)])]}), "use a finer unit"),
    ],
)
def test_what_cannot_be_written_is_said(call: Callable[[Path, Chip], str], said: str, small: Files) -> None:
    path, lefs = small.path, small.lefs
    chip = read_def(path, lefs)
    if "finer unit" in said:
        path.write_text(small.design_text.replace("MICRONS 2000", "MICRONS 200"), "utf-8")
    with pytest.raises(ChipError) as e:
        call(path, chip)
    assert said in str(e.value)


# designs that no one here drew --------------------------------------------------------------------------------------

shared = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is not here")


def named(chip: Chip) -> set[tuple[str, str, str]]:
    kinds = (("bumps", chip.balls), ("pads", chip.pads))
    return {(m.name, kind, m.net or m.group) for kind, members in kinds for m in members}


@shared
def test_the_flip_chip_case_has_its_terminals_and_links() -> None:
    chip = read_def(DATA / "def/floorplan_flipchip_45.def", [DATA / "def/dummy_pads.lef"], "metal10")
    case = json.loads((DATA / "routing/openroad_rdl_route_45/input.json").read_text("utf-8"))
    asked = {
        (t["id"], kind, net): [tuple(r) for r in t["rects"]]
        for net, terminals in case["nets"].items()
        for kind in ("bumps", "pads")
        for t in terminals[kind]
    }
    assert named(chip) == set(asked)
    boxes = {m.name: [bounds(m.metal)] for m in chip.members}
    assert boxes == {name: rects for (name, _, _), rects in asked.items()}
    assert sorted(bounds(k) for k in chip.keepouts) == sorted(tuple(o["rect"]) for o in case["obstacles"])
    assert [*bounds(chip.die)] == case["die"]
    assert check(chip, "", any_terminals=True)
    links = sum(len(group.askers) for pair in chip.groups.values() for group in pair)
    assert (links, sum(len(balls) for pads, balls in chip.nets.values() if not pads)) == (102, 102)
    assert {n: len(pads[1].free) for n, pads in chip.groups.items()} == {"DVDD": 34, "DVSS": 34, "VDD": 17, "VSS": 17}


@shared
def test_the_bump_to_bump_case_has_its_terminals() -> None:
    chip = read_def(DATA / "def/floorplan.def", [DATA / "def/tech.lef", DATA / "def/bumps.lef"])
    case = json.loads((DATA / "routing/openroad_rdl_route_bump_to_bump_only/input.json").read_text("utf-8"))
    asked = {
        (t["id"], kind, net): ring(t["polygon"])
        for net, terminals in case["nets"].items()
        for kind in ("bumps", "pads")
        for t in terminals[kind]
    }
    assert named(chip) == set(asked)
    assert {m.name: m.metal for m in chip.members} == {name: shape for (name, _, _), shape in asked.items()}
    assert (chip.keepouts, chip.groups) == ((), {})
    assert chip.layer == RoutedLayer("topmetal", 0.4, 0.4, 0.8)
    assert check(chip, "", any_terminals=True)


@shared
def test_a_routed_flip_chip_is_the_same_chip(tmp_path: Path) -> None:
    path, lefs = DATA / "def/floorplan_flipchip_45.def", [DATA / "def/dummy_pads.lef"]
    chip = read_def(path, lefs, "metal10")
    wires = {
        net: [("metal10", 6000, [tuple(round(v * 1000) for v in (m.x, m.y)) for m in (*pads, *balls)])]
        for net, (pads, balls) in chip.nets.items()
        if len(pads) == len(balls) == 1
    }
    assert len(wires) == 135
    routed = tmp_path / "routed.def"
    routed.write_text(add_routes(path, chip, wires), "utf-8")  # type: ignore[arg-type]
    assert read_def(routed, lefs, "metal10") == chip
    assert through_def(chip, tmp_path) == chip
