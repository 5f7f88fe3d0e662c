"""Everything wrong with an input is said at once, a line each, with file, place and mend; nothing is written."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from layoutgen.cli import run

Spec = Callable[..., Path]
UserPdk = Callable[[str, str], Path]
Contents = Callable[[Path], dict[str, str]]
PADS = "pad,net,x,y\nP1,a,500,75\nP2,b,1000,75\nP3,c,500,1425\nP4,d,1000,1425\n"
BALLS = "ball,net,x,y\nA1,c,500,1000\nA2,d,1000,1000\nB1,a,500,500\nB2,b,1000,500\n"


class Refusal:
    """Run `build` on an input that is wrong; an earlier build stands in the output folder and must stay as it is."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], contents: Contents) -> None:
        self.folder, self.capsys, self.contents = folder, capsys, contents
        earlier = folder / "output" / "small"
        earlier.mkdir(parents=True)
        (earlier / "manifest.json").write_text('{"files": {"small_die.gds": {}}}')
        (earlier / "small_die.gds").write_text("of an earlier build")

    def __call__(self, spec: Path) -> list[str]:
        """The problems, without 'error: ' and with the folder's name taken out."""
        before = self.contents(self.folder)
        assert run(["build", str(spec), "-o", str(self.folder / "output"), "-q"]) == 2
        assert self.contents(self.folder) == before
        assert {p.name for p in (self.folder / "output").iterdir()} == {"small"}
        said = self.capsys.readouterr()
        assert said.out == ""
        lines = said.err.splitlines()
        assert lines
        for line in lines:
            assert line.startswith("error: "), line
            assert line.isprintable()
            assert len(line) < 1500
            assert "defect in layoutgen" not in line
            assert "Traceback" not in line
        return [line.removeprefix("error: ").replace(f"{self.folder}/", "") for line in lines]


@pytest.fixture
def refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str], contents: Contents) -> Refusal:
    return Refusal(tmp_path, capsys, contents)


# the spec's own tables ------------------------------------------------------------------------------------------

STREET = "street = 100"
SIZE = "size = [1500, 1500]"
SOURCES = "is missing; give size, pads and balls, or chip.array, chip.def or chip.gds"
VALUES = {
    # what stands in the spec, what it becomes, what is said
    "unknown key": (STREET, "streets = 100", "wafer.streets: unknown key; did you mean 'street'?"),
    "unknown table": ("[wafer]", "[wafre]", "wafre: unknown key; did you mean 'wafer'?"),
    "unknown far key": (STREET, "zzz = 1", "wafer.zzz: unknown key; known: centre, diameter, edge_exclusion, "
                        "flat, mark_sites, notch, step, street"),
    "text for a number": ("diameter = 25_000", 'diameter = "25000"',
                          "wafer.diameter: must be a number of um, not '25000'"),
    "date for a number": ("diameter = 25_000", "diameter = 2024-01-01",
                          "wafer.diameter: must be a number of um, not datetime.date(2024, 1, 1)"),
    "yes for a number": ("diameter = 25_000", "diameter = true", "wafer.diameter: must be a number of um, not True"),
    "table for a number": ("diameter = 25_000", "diameter = {}", "wafer.diameter: must be a number of um"),
    "a wafer in mm": ("diameter = 25_000", "diameter = 200", "wafer.diameter: 200 is in um; did you mean 200000?"),
    "a side for a flat": (STREET, 'flat = "bottom"', "wafer.flat: must be the length of the flat in um (on which side "
                          "it is, `notch` says), not 'bottom'"),
    "zero": ("diameter = 25_000", "diameter = 0", "wafer.diameter: must be greater than 0, not 0"),
    "negative": ("diameter = 25_000", "diameter = -1.5", "wafer.diameter: must be greater than 0, not -1.5"),
    "infinite": ("diameter = 25_000", "diameter = inf", "wafer.diameter: must be a finite number, not inf"),
    "not a number": ("diameter = 25_000", "diameter = nan", "wafer.diameter: must be a finite number, not nan"),
    "1e400": ("diameter = 25_000", "diameter = 1e400", "wafer.diameter: must be a finite number, not inf"),
    "beyond any wafer": ("diameter = 25_000", "diameter = 1e9",
                         "wafer.diameter: must be at most 450000, not 1000000000.0"),
    "a fraction of a site": (STREET, "mark_sites = 2.5", "wafer.mark_sites: must be a whole number, not 2.5"),
    "one mark site": (STREET, "mark_sites = 1", "wafer.mark_sites: must be at least 2, not 1"),
    "an unknown choice": (STREET, 'notch = "botom"',
                          "wafer.notch: must be 'bottom', 'left', 'top', 'right' or 'none', not 'botom'"),
    "half a size": (SIZE, "size = [1500]", "chip.size: must be two numbers, not [1500]"),
    "no size in the brackets": (SIZE, "size = []", "chip.size: must be two numbers, not []"),
    "a size of three": (SIZE, "size = [1, 2, 3]", "chip.size: must be two numbers, not [1, 2, 3]"),
    "half a street": (STREET, "street = [100]", "wafer.street: must be two numbers, not [100]"),
    "half a negative street": (STREET, "street = [100, -1]", "wafer.street.1: must be greater than 0, not -1"),
    "text for a street": (STREET, 'street = "wide"', "wafer.street: must be a number of um, not 'wide'"),
    "a negative size": (SIZE, "size = [1500, -1]", "chip.size.1: must be greater than 0, not -1"),
    "a zero size": (SIZE, "size = [0, 1500]", "chip.size.0: must be greater than 0, not 0"),
    "an infinite size": (SIZE, "size = [inf, 1500]", "chip.size.0: must be a finite number, not inf"),
    "no name": ('name = "small"\n', "", "name: is missing; add it"),
    "number for a name": ('name = "small"', "name = 3", "name: must be text in quotes, not 3"),
    "no process": ('pdk = "wlcsp_500"\n', "", "pdk: is missing; add it"),
    "step and street": (STREET, "street = 100\nstep = [1600, 1600]",
                        "wafer.step: stands beside wafer.street; keep the one or the other"),
    "nothing left": (STREET, "edge_exclusion = 12_500",
                     "wafer.edge_exclusion: leaves nothing of the wafer; make it smaller"),
    "street as wide as the wafer": (STREET, "street = [100, 1e300]",
                                    "wafer.street: 1e+300 um is no less than the wafer of 25000; make it smaller"),
    "between two grid points": (STREET, "street = 100.0004",
                                "wafer.street: 100.0004 um is not a whole number of nm; round it"),
    "no wafer for the die": (SIZE, "size = [30_000, 30_000]",
                             "wafer.diameter: a die of 30000 x 30000 um does not fit on a wafer of 25000 um; "
                             "mend either"),
    "a die beyond all bounds": (SIZE, "size = [1e300, 1e300]",
                                "wafer.diameter: a die of 1e+300 x 1e+300 um does not fit on a wafer of 25000 um; "
                                "mend either"),
    "room for none": (SIZE, "size = [9_000, 9_000]",
                      "wafer.diameter: no whole die fits on the wafer; take a larger one"),
    "room for too few": ("diameter = 25_000", 'diameter = 14_600\nnotch = "none"\nmark_sites = 4',
                         "wafer.mark_sites: only 4 whole dies fit, and 4 places are needed for alignment marks; "
                         "take a larger wafer"),
    "array and tables": ("pad_size", "array = { columns = 2, rows = 2, pitch = 500, margin = 300 }\npad_size",
                         "chip.size: stands beside chip.array; keep the one or the other"),
    "no size": (SIZE + "\n", "", f"chip.size: {SOURCES}"),
    "no pad table": ('pads = "pads.csv"\n', "", f"chip.pads: {SOURCES}"),
    "unknown process": ("wlcsp_500", "wlcsp_50", "pdk: no PDK 'wlcsp_50'; did you mean 'wlcsp_500'?"),
    "unknown flow": ('pdk = "wlcsp_500"', 'pdk = "wlcsp_500"\nflow = "blankett"',
                     "flow: no flow 'blankett' in PDK 'wlcsp_500'; did you mean 'blanket'?"),
    "unknown cell": ('"rdl.wire"', '"rdl.wyre"', "cells.\"rdl.wyre\": no cell 'rdl.wyre'; did you mean 'rdl.wire'?"),
    "unknown parameter": ("width = 30", "widht = 30",
                          "cells.\"rdl.wire\": no parameter 'widht'; did you mean 'width'?"),
    "text for a parameter": ("width = 30", 'width = "30"',
                             "cells.\"rdl.wire\": width: input should be a valid number, not '30'"),
    "zero for a parameter": ("width = 30", "width = 0",
                             'cells."rdl.wire": width: input should be greater than 0, not 0'),
    "infinite parameter": ("width = 30", "width = inf",
                           'cells."rdl.wire": width: input should be a finite number, not inf'),
    "a parameter that is no number": ("width = 30", "width = nan",
                                      'cells."rdl.wire": width: input should be a finite number, not nan'),
    "a huge parameter": ("width = 30", "width = 1e12",
                         'cells."rdl.wire": width=1000000000000.0 um is longer than a wafer, 450000'),
    "a number for a cell": ('[cells."rdl.wire"]\nwidth = 30', '[cells]\n"rdl.wire" = 30',
                          "cells.rdl.wire: must be a table, not 30"),
    "a path for a name": ('name = "small"', 'name = "../small"',
                          "name: must be letters, digits, _ and -, the first no -, 64 at most, not '../small'"),
    "a space in the name": ('name = "small"', 'name = "my chip"',
                            "name: must be letters, digits, _ and -, the first no -, 64 at most, not 'my chip'"),
    "a slash in the chip's name": ('name = "Small"', 'name = "a/b"',
                                   "chip.name: must be letters, digits, spaces, _ . and -, a letter, digit or _ first, "
                                   "64 at most, not 'a/b'"),
    "an empty process": ('pdk = "wlcsp_500"', 'pdk = ""', "pdk: must have text in it, not ''"),
}  # fmt: skip


@pytest.mark.parametrize("case", VALUES)
def test_one_wrong_value_is_one_line(case: str, refusal: Refusal, spec_file: Spec) -> None:
    old, new, said = VALUES[case]
    assert refusal(spec_file((old, new))) == [f"small.toml: {said}"]


def test_a_step_smaller_than_the_die_and_a_street_narrower_than_the_cut(refusal: Refusal, spec_file: Spec) -> None:
    assert refusal(spec_file((STREET, "step = [1500, 1400]"))) == [
        "small.toml: wafer.step: the step in x, 1500 um, must exceed the die, 1500; widen the step",
        "small.toml: wafer.step: the step in y, 1400 um, must exceed the die, 1500; widen the step",
    ]
    assert refusal(spec_file((STREET, "street = 71"))) == [
        f"small.toml: wafer.street: the street in {axis} is 71 um, and the blade of PDK 'wlcsp_500' may touch 72: "
        "widen the street, or take a PDK with another [cut]"
        for axis in "xy"
    ]


def test_all_that_is_wrong_is_said_at_once_whatever_it_is(refusal: Refusal, spec_file: Spec) -> None:
    spec = spec_file(
        (STREET, "streets = 100"),
        ("diameter = 25_000", "diameter = -1"),
        ('pdk = "wlcsp_500"', 'pdk = "wlcsp_500"\nflow = "plated"'),
        ("width = 30", "widht = 30"),
        pads=PADS.replace("P4,d", "P4,e").replace("P1,a,500", "P1,a,5"),
        balls=BALLS.replace("B2,b,1000", "B2,b,2000"),
    )
    lines = refusal(spec)
    wanted = (
        "small.toml: wafer.streets: unknown key", "small.toml: wafer.diameter: must be greater than 0",
        "small.toml: flow: no flow", 'small.toml: cells."rdl.wire": no parameter',
        "balls.csv: line 5: ball 'B2' at (2000",
        "pads.csv: line 2: pad 'P1' at (5,", "pads.csv: line 5: net 'e' of pad 'P4' has no ball",
        "balls.csv: line 3: net 'd' of ball 'A2' has no pad",
    )  # fmt: skip
    assert len(lines) == len(wanted)
    for start in wanted:
        assert sum(line.startswith(start) for line in lines) == 1, (start, lines)


def test_wafer_and_process_are_looked_at_beside_a_broken_chip(refusal: Refusal, spec_file: Spec) -> None:
    spec = spec_file((SIZE, "size = 3"), (STREET, "street = 100\nstep = [1600, 1600]"), ("wlcsp_500", "wlcsp_5"))
    assert [line.split(": ")[1] for line in refusal(spec)] == ["chip.size", "wafer.step", "pdk"]


# files ----------------------------------------------------------------------------------------------------------

NOTHING = {f"{key}: is missing; add it" for key in ("name", "pdk", "chip")}
CONTENT = {
    "empty": (b"", NOTHING),
    "only a comment": (b"# nothing\n", NOTHING),
    "empty tables": (b'name = "a"\npdk = "post"\n[chip]\n[wafer]\n[label]\n[cells]\n',
                     {"chip.name: is missing; add it"}),
    "a list for a table": (b'name = "a"\npdk = "post"\nchip = []\n', {"chip: must be a table"}),
    "not UTF-8": (b'name = "\xff"\n', {"is not UTF-8 text; save it as UTF-8"}),
    "UTF-16": ("name = 'a'\n".encode("utf-16"), {"is not UTF-8 text; save it as UTF-8"}),
    "nested too deeply": (b"a = " + b"[" * 5_000 + b"]" * 5_000, {"is nested too deeply"}),
    "nested": (b"a = " + b"[" * 60 + b"]" * 60, {"is nested too deeply"}),
    "dotted too deeply": (b".".join([b"a"] * 3_000) + b" = 1", {"is nested too deeply"}),
    "too many digits": (b"name = " + b"9" * 5_000,
                        {"cannot be read: its name or a whole number in it is not usable; "
                         "write plain names and small numbers"}),
    "huge hexadecimal": (b"[wafer]\nstreet = [1, 0x" + b"f" * 5_000 + b"]",
                         {"wafer.street.1: is a whole number beyond 64 bits; write a smaller one"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTENT)
def test_a_file_that_is_no_spec(case: str, refusal: Refusal, tmp_path: Path) -> None:
    content, said = CONTENT[case]
    (tmp_path / "small.toml").write_bytes(content)
    assert {line.removeprefix("small.toml: ") for line in refusal(tmp_path / "small.toml")} == said


@pytest.mark.parametrize(
    "text", ["name = ", "= 3", "[chip", 'name = "a"\nname = "b"', "<xml/>", "a\x00b = 1", "\ufeff\ufeffa = 1"]
)
def test_a_file_that_is_not_toml_says_the_line(text: str, refusal: Refusal, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(text, "utf-8")
    (line,) = refusal(tmp_path / "small.toml")
    assert re.fullmatch(r"small\.toml: is not TOML: .+ \(at (line \d+, column \d+|end of document)\)", line)


def test_no_file_a_folder_and_a_name_that_no_file_can_have(refusal: Refusal, tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere.toml") == ["nowhere.toml: no such file"]
    assert refusal(tmp_path) == [f"{tmp_path}: is a folder, not a file; name a .toml file"]
    for name in ("b.toml", "a.toml"):
        (tmp_path / name).touch()
    assert refusal(tmp_path) == [f"{tmp_path}: is a folder, not a file; name one in it: a.toml, b.toml"]
    (line,) = refusal(tmp_path / ("x" * 5_000))
    assert line.endswith("...: cannot be read: File name too long")


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(spec_file: Spec, tmp_path: Path) -> None:
    path = spec_file()
    for file in (path, tmp_path / "pads.csv", tmp_path / "balls.csv"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert run(["build", str(path), "-o", str(tmp_path / "out"), "-q", "--no-previews"]) == 0


# tables ---------------------------------------------------------------------------------------------------------

LONG = "n" * 1_000_000
PAD_TABLES = {
    "no ball for a net": (PADS.replace("P4,d", "P4,e"),
                          ["pads.csv: line 5: net 'e' of pad 'P4' has no ball; add a ball with this net",
                           "balls.csv: line 3: net 'd' of ball 'A2' has no pad; add a pad with this net"]),
    "a pad outside": (PADS.replace("500,75", "500,27"),
                      ["pads.csv: line 2: pad 'P1' at (500, 27) is not inside the die of 1500 x 1500 um, "
                       "whose lower-left corner is (0, 0); move it, or mend the size"]),
    "overlapping pads": (PADS.replace("P2,b,1000,75", "P2,b,555,75"),
                         ["pads.csv: line 3: pads 'P1' and 'P2' overlap; move or shrink one"]),
    "a missing column": (PADS.replace("pad,net,x,y", "pad,net,x,z"),
                         ["pads.csv: line 1: no column 'y'; add it to the header",
                          "pads.csv: line 1: unknown column 'z'; known: group, height, net, pad, polygon, width, "
                          "x, y"]),
    "semicolons": (PADS.replace(",", ";"),
                   ["pads.csv: line 1: has no commas; put commas between cells, and points in numbers"]),
    "a column twice": (PADS.replace("pad,net,x,y", "pad,net,x,y,x").replace("75\n", "75,1\n")
                       .replace("1425\n", "1425,1\n"),
                       ["pads.csv: line 1: column 'x' stands twice; remove one"]),
    "an unknown column": (PADS.replace("pad,net,x,y", "pad,net,x,y,widht").replace("75\n", "75,1\n"),
                          ["pads.csv: line 1: unknown column 'widht'; did you mean 'width'?"]),
    "no number": (PADS.replace("500,75", "5OO,75"),
                  ["pads.csv: line 2: x: must be a finite number of um, not '5OO'"]),
    "infinite and not a number": (PADS.replace("500,75", "inf,nan"),
                                  ["pads.csv: line 2: x: must be a finite number of um, not 'inf'",
                                   "pads.csv: line 2: y: must be a finite number of um, not 'nan'"]),
    "a decimal comma": (PADS.replace("500,75", "500,7,5"),
                        ["pads.csv: line 2: has 5 cells; the header has 4"]),
    "too few cells": (PADS.replace("P1,a,500,75", "P1,a,500"), ["pads.csv: line 2: has 3 cells; the header has 4"]),
    "a name twice": (PADS.replace("P2,b", "P1,b"),
                     ["pads.csv: line 3: pad 'P1' stands 2 times; give each a name of its own"]),
    "no name": (PADS.replace("P1,a", " ,a"), ["pads.csv: line 2: pad: is empty; write a name"]),
    "no net": (PADS.replace("P1,a", "P1,"), ["pads.csv: line 2: net: is empty; write a name"]),
    "a control character": (PADS.replace("P1,a", "P1,\x1b[31m"),
                            ["pads.csv: line 2: net: is too long or has control characters; write a plain name"]),
    "a NUL": (PADS.replace("P1,a", "P1,a\x00"),
              ["pads.csv: line 2: net: is too long or has control characters; write a plain name"]),
    "a name of a megabyte": (PADS.replace("P1,a", f"P1,{LONG}"),
                             ["pads.csv: line 2: is no row of a CSV table (field larger than field limit (131072)); "
                              "write each row on one line, quotes in pairs"]),
    "a name of ten kilobytes": (PADS.replace("P1,a", f"P1,{LONG[:10_000]}"),
                                ["pads.csv: line 2: net: is too long or has control characters; write a plain name"]),
    "a line break in quotes": (PADS.replace("P1,a", 'P1,"a\nb"'),
                               ["pads.csv: line 2: is no row of a CSV table (unexpected end of data); "
                                "write each row on one line, quotes in pairs"]),
    "empty": ("", ["pads.csv: is empty; its first line names the columns pad,net,x,y"]),
    "only notes": ("# pads\n\n", ["pads.csv: is empty; its first line names the columns pad,net,x,y"]),
    "a size of zero": (PADS.replace("pad,net,x,y", "pad,net,x,y,width,height").replace("75\n", "75,0,-5\n")
                       .replace("1425\n", "1425,,\n"),
                       [f"pads.csv: line {n}: {key}: must be greater than 0, not {value}"
                        for n in (2, 3) for key, value in (("width", 0), ("height", -5))]),
    "a header alone": ("pad,net,x,y\n", ["small.toml: the chip has no pads; name at least one", *(
        f"balls.csv: line {n}: net {net!r} of ball {ball!r} has no pad; add a pad with this net"
        for n, (net, ball) in enumerate(zip("cdab", ("A1", "A2", "B1", "B2"), strict=True), 2))]),
}  # fmt: skip


@pytest.mark.parametrize("case", PAD_TABLES)
def test_a_wrong_pad_table(case: str, refusal: Refusal, spec_file: Spec) -> None:
    pads, said = PAD_TABLES[case]
    assert sorted(refusal(spec_file(pads=pads))) == sorted(said)


def test_a_wrong_ball_table(refusal: Refusal, spec_file: Spec) -> None:
    assert refusal(spec_file(balls=BALLS.replace("500,1000", "500,1500"))) == [
        "balls.csv: line 2: ball 'A1' at (500, 1500) is not inside the die of 1500 x 1500 um, "
        "whose lower-left corner is (0, 0); move it, or mend the size"
    ]
    assert refusal(spec_file(balls=BALLS.replace("A1,c,500,1000", "A1,c,500,1425"))) == [
        "balls.csv: line 2: ball 'A1' stands on the centre of pad 'P3'; move the ball"
    ]
    assert refusal(spec_file(balls=BALLS.replace("A2,d,1000,1000", "A2,d,500,1000"))) == [
        "balls.csv: line 3: balls 'A1' and 'A2' stand at the same place; move one"
    ]


def test_both_tables_and_the_pad_size_are_read_before_anything_is_said(refusal: Refusal, spec_file: Spec) -> None:
    spec = spec_file(("pad_size = [55, 55]\n", ""), pads="pad,net,x,y\nP1,a,1,1\n", balls="ball,net,x\nA1,a,1\n")
    assert refusal(spec) == [
        "pads.csv: line 1: no columns 'width' and 'height'; add them to the header, or set chip.pad_size in the spec",
        "balls.csv: line 1: no column 'y'; add it to the header",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.csv", "small.toml: chip.pads: no file 'nowhere.csv'; write its path as seen from the spec"),
        (".", ": cannot be read (Is a directory); name a CSV file"),
        ("a\\u0000b", "a?b: cannot be read (embedded null byte); name a CSV file"),
        ("x" * 100_000, "...: cannot be read (File name too long); name a CSV file"),
        ("small.toml/x", "small.toml/x: cannot be read (Not a directory); name a CSV file"),
    ],
    ids=["missing", "folder", "NUL", "long", "below a file"],
)
def test_a_table_that_cannot_be_read(name: str, said: str, refusal: Refusal, spec_file: Spec) -> None:
    (line,) = refusal(spec_file(('"pads.csv"', f'"{name}"')))
    assert line.endswith(said)


def test_a_table_that_is_not_utf_8(refusal: Refusal, spec_file: Spec, tmp_path: Path) -> None:
    spec = spec_file()
    (tmp_path / "pads.csv").write_bytes(b"pad,net,x,y\nP1,\xb5,500,75\n")
    assert refusal(spec) == ["pads.csv: is not UTF-8 text; save it as UTF-8"]


# processes ------------------------------------------------------------------------------------------------------

BASE = 'extends = "wlcsp_500"\nname = "mine"\n'
WRONG_PDKS = {
    "circle": ('extends = "mine"\nname = "mine"\n', ["extends: this PDK extends itself; break the circle"]),
    "nothing to extend": ('extends = "wlcsp_50"\nname = "mine"\n',
                          ["extends: no PDK 'wlcsp_50'; did you mean 'wlcsp_500'?"]),
    "unknown layer in a rule": (BASE + '[rules."RDL.W.1"]\nlayers = ["rdll"]\n',
                                ["rules.RDL.W.1.layers: no layer 'rdll'; did you mean 'rdl'?"]),
    "a number twice": (BASE + "[layers.ball]\ngds = [10, 0]\n", ["ball.gds: GDS number 10/0 is 'rdl' already"]),
    "an expression that is none": (BASE + '[masks.RDL]\ndata = "rdl |"\n',
                                   ["masks.RDL.data: 'rdl |' is not an expression; write for example 'rdl | rdl_tie'"]),
    "a call": (BASE + "[masks.RDL]\ndata = \"__import__('os').system('touch executed')\"\n",
               ["masks.RDL.data: \"__import__('os').system('touch executed')\" in "
                "\"__import__('os').system('touch executed')\" is not size(layer, um), the only function there is"]),
    "an unknown layer in a mask": (BASE + '[masks.RDL]\ndata = "rdl | rdl_markk"\n',
                                   ["masks.RDL.data: no layer 'rdl_markk'; did you mean 'rdl_mark'?"]),
    "a derived layer made of itself": (BASE + '[derived.rdl_metal]\nexpression = "rdl | rdl_metal"\n',
                                       ["derived.rdl_metal: is made of itself; break the circle"]),
    "an unknown key": (BASE + "guards = 1\n", ["guards: unknown key; did you mean 'guard'?"]),
    "an unknown role's layer": (BASE + '[roles]\nball = "bal"\n', ["roles.ball: no layer 'bal'; did you mean 'ball'?"]),
    "a negative limit": (BASE + '[rules."RDL.W.1"]\nlimit = -3\n',
                         ["rules.RDL.W.1.limit: must be at least 0, not -3"]),
    "two at once": (BASE + '[rules."RDL.W.1"]\nlayers = ["rdll"]\n[roles]\nball = "bal"\n',
                    ["roles.ball: no layer 'bal'; did you mean 'ball'?",
                     "rules.RDL.W.1.layers: no layer 'rdll'; did you mean 'rdl'?"]),
    "not TOML": ("name = ", ["is not TOML: Invalid value (at end of document)"]),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_PDKS)
def test_a_wrong_process(case: str, refusal: Refusal, spec_file: Spec, user_pdk: UserPdk, tmp_path: Path) -> None:
    text, said = WRONG_PDKS[case]
    user_pdk("mine", text)
    assert refusal(spec_file(("wlcsp_500", "mine"))) == [f"pdks/mine/pdk.toml: {line}" for line in said]
    assert not list(tmp_path.rglob("executed"))


def test_a_circle_of_two_processes(refusal: Refusal, spec_file: Spec, user_pdk: UserPdk) -> None:
    user_pdk("mine", 'extends = "yours"\nname = "mine"\n')
    user_pdk("yours", 'extends = "mine"\nname = "yours"\n')
    assert refusal(spec_file(("wlcsp_500", "mine"))) == [
        "pdks/mine/pdk.toml: extends: this PDK extends itself; break the circle"
    ]


@pytest.mark.parametrize("flow", ["stages = ['chip', 'rdistribution']", "street = ['kerf_buss']", "wafer = ['labels']"])
def test_a_flow_with_a_stage_that_nobody_brings(
    flow: str, refusal: Refusal, spec_file: Spec, user_pdk: UserPdk
) -> None:  # fmt: skip
    user_pdk("mine", f"{BASE}[flows.blanket]\n{flow}\n")
    (line,) = refusal(spec_file(("wlcsp_500", "mine")))
    place, name = flow.split(" = ")[0], tomllib.loads(flow)[flow.split(" = ")[0]][-1]
    assert f"no stage at the {place.replace('stages', 'die')} {name!r}; " in line


# anything -------------------------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.text(max_size=8),
    st.sampled_from(
        ["post", "wlcsp_400", "plated", "blanket", "none", "pads.csv", "balls.csv", ".", "/", "\x00", "<b>"]
    ),
    st.datetimes(),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
PLACES = (
    ("name",), ("pdk",), ("flow",), ("chip",), ("chip", "name"), ("chip", "size"), ("chip", "pads"), ("chip", "balls"),
    ("chip", "pad_size"), ("chip", "array"), ("wafer",), ("wafer", "diameter"), ("wafer", "edge_exclusion"),
    ("wafer", "notch"), ("wafer", "street"), ("wafer", "step"), ("wafer", "centre"), ("wafer", "mark_sites"),
    ("label",), ("label", "at"), ("label", "draw"), ("cells",), ("cells", "rdl.wire"), ("cells", "rdl.wire", "width"),
    ("cells", "ball", "diameter"), ("cells", "", ""), ("chip", "array", "columns"), ("x\ny", "\x1b"),
)  # fmt: skip


def toml(value: Any) -> str:
    """A value as TOML writes it; what TOML cannot hold (half of a surrogate pair) is left out."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case str():
            shown = "".join(f"\\U{ord(c):08x}" for c in value if not 0xD800 <= ord(c) <= 0xDFFF)
            return f'"{shown}"'
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{toml(k)} = {toml(v)}' for k, v in value.items())}}}"
        case _:
            return str(value.isoformat())


def put(table: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        if not isinstance(table.get(key), dict):
            table[key] = {}
        table = table[key]
    table[path[-1]] = value


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=3))
@example(changes=[(("wafer", "street"), 2**70)])
@example(changes=[(("chip", "size"), [5e-324, 1.7e308])])
@example(changes=[(("chip",), {"name": "a", "array": {"columns": 1, "rows": 1, "pitch": 1e308, "margin": 1e308}})])
def test_whatever_a_spec_says_it_is_read_or_refused_in_lines(
    changes: list[tuple[tuple[str, ...], Any]],
    spec_file: Spec,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Only reading is tried: what reads is not built."""

    class Read(Exception):  # noqa: N818 - no error
        """The spec is right."""

    def built(*_: object) -> None:
        raise Read

    monkeypatch.setattr("layoutgen.maskset.build", built)
    content = tomllib.loads(spec_file().read_text("utf-8"))
    for path, value in changes:
        put(content, path, value)
    spec = tmp_path / "small.toml"
    spec.write_text("".join(f"{toml(k)} = {toml(v)}\n" for k, v in content.items()), "utf-8")
    assert run(["build", str(spec), "-o", str(tmp_path / "out"), "-q"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines
    if lines == ["error: this is a defect in layoutgen: Read: ; run `layoutgen --debug ...` to see where"]:
        return
    assert all(line.startswith("error: ") and line.isprintable() for line in lines)
    assert not any("defect in layoutgen" in line for line in lines)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no such device here")
@pytest.mark.parametrize(("old", "place"), [('pads = "pads.csv"', "/dev/zero: "), ("", "/dev/zero: ")])
def test_a_device_is_not_read_for_ever(
    old: str, place: str, spec_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    spec = spec_file((old, 'pads = "/dev/zero"')) if old else Path("/dev/zero")
    assert run(["build", str(spec)]) == 2
    assert f"error: {place}cannot be read" in capsys.readouterr().err


def test_a_process_with_a_misspelt_cell_or_parameter_is_said_to_be_wrong(
    spec_file: Callable[..., Path], user_pdk: Callable[[str, str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    cells = '[cells]\n"rdl.padd" = { size = 60.0 }\n"mark.key" = { sise = 1.0 }\n'
    user_pdk("mine", f'extends = "wlcsp_500"\nname = "mine"\n{cells}')
    assert run(["build", str(spec_file(('"wlcsp_500"', '"mine"')))]) == 2
    said = capsys.readouterr().err
    assert "error: PDK 'mine': cells.\"rdl.padd\": no cell 'rdl.padd'; did you mean 'rdl.pad'?" in said
    assert "error: PDK 'mine': cells.\"mark.key\": no parameter 'sise'; did you mean 'size'?" in said


def test_a_coordinate_finer_than_the_grid_is_said_where_it_stands(
    spec_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    spec = spec_file()
    pads = spec.parent / "pads.csv"
    pads.write_text(pads.read_text().replace("500,75", "500.0004,75"))
    assert run(["build", str(spec)]) == 2
    assert capsys.readouterr().err.endswith("line 2: x: 500.0004 is finer than 1 nm; round it to 3 decimals\n")


def test_mistakes_in_spec_tables_street_and_cells_are_all_said_at_once(
    spec_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = spec_file(("street = 100", "street = 10"), ("width = 30", "widht = 30"))
    assert run(["build", str(narrow)]) == 2
    said = capsys.readouterr().err
    assert said.count("the street in") == 2
    assert "no parameter 'widht'" in said
    missing = spec_file(("size = [1500, 1500]", "size = [-1, 1500]"), ('"pads.csv"', '"none.csv"'))
    assert run(["build", str(missing)]) == 2
    said = capsys.readouterr().err
    assert "chip.size" in said
    assert "none.csv'; write its path as seen from the spec" in said
