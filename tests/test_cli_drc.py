"""`layoutgen drc`, as a user and a CI job meet it, on layouts drawn here."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import klayout.rdb as rdb
import pytest

from layoutgen.cli import run

PDK = """\
name = "tiny"
title = "A metal and a via"
source = "Made up"

[layers]
metal = { gds = [1, 0], title = "Metal", drawn = "remaining" }
via = { gds = [2, 0], title = "Via", drawn = "opening" }
label = { gds = [3, 0], title = "Label", drawn = "remaining" }

[reserved]
die = { gds = [200, 0], title = "Die" }
street = { gds = [200, 1], title = "Street" }
cut_sure = { gds = [200, 2], title = "Surely cut" }
cut_maybe = { gds = [200, 3], title = "Possibly cut" }

[roles]
metal = "metal"
via = "via"

[cut]
kerf_min = 20.0
kerf_max = 30.0
tolerance = 5.0

[flows.one]
title = "The only one"
current = "none"
stages = []
draws = ["metal", "via"]

[connect]
metal = "metal"
pad = ["metal"]
ball = ["via"]

[masks.M]
data = "metal"
gds = [1, 0]
title = "Metal"
drawn = "remaining"
resist = "positive"
transfer = "etch"
aligns_to = "incoming"
marks = "metal"

[masks.V]
data = "via | label"
gds = [3, 0]
title = "Via"
drawn = "opening"
resist = "positive"
transfer = "etch"
aligns_to = "M"
marks = "label"

[masks.W]
data = "via"
gds = [4, 0]
title = "Wide"
drawn = "opening"
resist = "positive"
transfer = "etch"
aligns_to = "M"
marks = "via"

[rules."M.S"]
check = "space"
layers = ["metal"]
limit = 5.0
why = "Shorts."
source = "Made up"

[rules."M.D"]
check = "edge_distance"
layers = ["metal", "die"]
limit = 10.0
outside = "ignore"
why = "Chips."
source = "Made up"

[rules."M.K"]
check = "separation"
layers = ["metal", "cut_maybe"]
limit = 1.0
why = "The blade."
source = "Made up"

[rules."L.D"]
check = "edge_distance"
layers = ["label", "die"]
limit = 10.0
why = "Chips."
source = "Made up"
"""
Boxes = dict[tuple[int, int], list[tuple[float, float, float, float]]]
GOOD: Boxes = {(1, 0): [(10, 10, 30, 90), (40, 10, 60, 90)], (2, 0): [(15, 15, 20, 20)]}
NEAR: Boxes = {(1, 0): [(10, 10, 30, 90), (33.5, 10, 60, 90)], (2, 0): [(15, 15, 20, 20)]}
DIE = ("--die", "0,0,100,100", "--step", "150,150")


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user_pdk: Callable[..., Path]) -> None:
    monkeypatch.chdir(tmp_path)
    user_pdk("tiny", PDK)


def drawn(boxes: Boxes, name: str = "x.gds", cells: tuple[str, ...] = ("TOP",)) -> str:
    layout = kdb.Layout()
    for cell in cells:
        top = layout.create_cell(cell)
        for layer, many in boxes.items():
            for box in many:
                top.shapes(layout.layer(*layer)).insert(kdb.DBox(*box))
    layout.write(name)
    return name


def drc(*arguments: str) -> int:
    return run(["drc", *arguments, "--pdk", "tiny"])


@pytest.mark.parametrize("name", ["x.gds", "x.oas", "x.gds.gz", "x.oas.gz"])
def test_clean(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert drc(drawn(GOOD, name), *DIE) == 0
    out = capsys.readouterr().out
    assert "clean: 3 rules run, 0 findings, 1 not applicable" in out
    assert "Dies as given: 1 x 1, the first at 0, 0, 100, 100 um" in out
    assert "L.D not applicable: nothing on layer 'label'" in out


def test_findings_in_the_table_and_in_each_report(capsys: pytest.CaptureFixture[str]) -> None:
    files = ("r.lyrdb", "r.xml", "r.md", "r.json", "r.sarif")
    assert drc(drawn(NEAR), *DIE, *(a for f in files for a in ("-o", f)), "--pictures", "p") == 1
    row = next(line for line in capsys.readouterr().out.splitlines() if "M.S" in line)
    assert row.split() == ["M.S", "space", "of", "metal", ">=", "5", "um", "3.5", "um", "1", "(31.750,", "50.000)"]
    database = rdb.ReportDatabase("r")
    database.load(str(Path("r.lyrdb").absolute()))
    assert (database.num_items(), database.top_cell_name) == (1, "TOP")
    assert ET.parse("r.xml").getroot()[0].attrib["failures"] == "1"  # noqa: S314
    assert "| M.S |" in Path("r.md").read_text("utf-8")
    assert drc("x.gds", *DIE, "--json") == 1
    assert capsys.readouterr().out == Path("r.json").read_text("utf-8")
    (run_,) = json.loads(Path("r.sarif").read_text("utf-8"))["runs"]
    assert [r["ruleId"] for r in run_["results"]] == ["M.S"]
    assert run_["artifacts"][0]["location"]["uri"] == "x.gds"
    assert {p.name for p in Path("p").iterdir()} == {"M.S.png", "pictures.json"}


def test_pictures_of_an_earlier_check_go_and_other_files_stay(capsys: pytest.CaptureFixture[str]) -> None:
    assert drc(drawn(NEAR), *DIE, "--pictures", "p", "-q", "-o", "r.md") == 1
    assert capsys.readouterr().err == "x.gds: findings: 3 rules run, 1 findings, 1 not applicable; see r.md\n"
    assert list(json.loads(Path("p/pictures.json").read_text("utf-8"))["files"]) == ["M.S.png"]
    Path("p/own.png").write_text("mine")
    assert drc(drawn(GOOD), *DIE, "--pictures", "p", "-q") == 0
    assert {p.name for p in Path("p").iterdir()} == {"own.png", "pictures.json"}
    assert json.loads(Path("p/pictures.json").read_text("utf-8")) == {"files": {}}
    Path("file").write_text("mine")
    assert drc("x.gds", *DIE, "--pictures", "file", "-q") == 2
    assert Path("file").read_text() == "mine"


def test_a_rule_on_a_layer_that_is_not_there_is_skipped_and_so_not_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert drc(drawn(GOOD)) == 2
    out = capsys.readouterr().out
    assert "M.D skipped: there is nothing on layer 'die': give it with --die" in out
    assert "M.K skipped: there is nothing on layer 'cut_maybe': give it with --die and --step" in out
    assert "L.D not applicable" in out
    assert "incomplete, so not clean" in out
    assert drc("x.gds", "--die", "0,0,100,100") == 2
    assert "M.D skipped" not in (out := capsys.readouterr().out)
    assert "M.K skipped" in out


def test_where_the_dies_are_decides_what_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    def found(*arguments: str) -> dict[str, int]:
        drc("x.gds", "--json", *arguments)
        return {r["rule"]: r["count"] for r in json.loads(capsys.readouterr().out)["rules"]}

    drawn({**GOOD, (7, 5): [(0, 0, 100, 100)]})
    assert found(*DIE, "--ignore", "7/5") == {"M.S": 0, "M.D": 0, "M.K": 0, "L.D": 0}
    assert found("--die", "1,0,100,100", "--ignore", "7/5")["M.D"] == 1
    assert found("--die", "7/5", "--ignore", "all")["M.D"] == 0
    # the street's middle is 10 um from the die; the process's blade may touch 20 um to each side, this one 5 + 5
    narrow = ("--die", "0,0,70,100", "--step", "90,140", "--ignore", "all")
    assert found(*narrow)["M.K"] == 2
    assert found(*narrow, "--cut", "10")["M.K"] == 0
    drawn({(1, 0): [(160, 10, 180, 90)], (2, 0): [(165, 15, 170, 20)]})
    assert found("--die", "0,0,100,100", "--step", "150,150", "--count", "2,1")["M.D"] == 0
    assert found("--die", "0,0,100,100", "--step", "145,150", "--count", "2,1")["M.D"] == 0
    assert found("--die", "0,0,100,100", "--step", "155,150", "--count", "2,1")["M.D"] == 1


def test_the_reserved_layers_of_a_file_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    drawn({**GOOD, (200, 0): [(0, 0, 100, 100)], (200, 3): [(-50, -50, -30, 150)]})
    assert drc("x.gds") == 0
    assert drc("x.gds", *DIE) == 2
    assert "x.gds: has layer 'die' (200/0) already; leave --die, --step and --cut out" in capsys.readouterr().err


ONE = [(10.0, 10.0, 30.0, 90.0)]


@pytest.mark.parametrize(
    ("file", "layer", "said"),
    [
        ("c_W.gds", (4, 0), "error: c_W.gds: holds layer 4/0 alone, as the data of mask 'W' does: "
         "check c_wafer.oas instead, or name another PDK"),
        ("c.oas.gz", (4, 0), "mask 'W' does: check the wafer's file (NAME_wafer.oas) instead"),
        ("c_V.gds", (3, 0), "error: c_V.gds: holds layer 3/0 alone, as the data of mask 'V' does: check c_wafer.oas"),
        ("c_M.gds", (1, 0), "\n  holds layer 1/0 alone, as the data of mask 'M' does: check c_wafer.oas instead\n"),
        ("c_die.gds", (200, 0), "\n  Dies are outlined without a street or kerf, as in a die's own file: "
         "check c_wafer.oas instead\n"),
        ("c.gds", (9, 0), "error: c.gds: nothing is drawn on any layer of PDK 'tiny'; name another PDK, or"),
    ],
    ids=["a mask", "by another name", "on a layer of the process", "that is a layer", "a die", "nothing known"],
)  # fmt: skip
@pytest.mark.parametrize("command", ["drc", "net"])
def test_a_part_of_a_build_is_named_and_the_wafer_to_check_instead(
    command: str, file: str, layer: tuple[int, int], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, drawn({layer: ONE}, file), "--pdk", "tiny", "--ignore", "9/0"]) == 2
    out, err = capsys.readouterr()
    assert said in out + err
    assert "--die" not in err


def test_what_looks_like_a_part_of_a_build_and_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    drawn({(3, 0): ONE}, "labels.gds")  # a layer of the process as well as a mask's, by no mask's name
    drawn({(200, 0): ONE, (200, 1): ONE}, "c_die.gds")
    for file in ("labels.gds", "c_die.gds"):
        assert drc(file) == 2
        assert "instead" not in "".join(capsys.readouterr())


def test_rules_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert drc(drawn(GOOD), "--rules", "M.S") == 0
    out = capsys.readouterr().out
    assert "M.D" not in out
    assert "clean: 1 rules run, 0 findings, 3 not applicable" in out
    assert drc("x.gds", "--rules", "M.S, M.D") == 2
    assert drc("x.gds", "--rules", "M.SS") == 2
    assert "error: no rule 'M.SS' in PDK 'tiny'; did you mean 'M.S'?" in capsys.readouterr().err


def test_several_top_cells(capsys: pytest.CaptureFixture[str]) -> None:
    drawn(GOOD, cells=("ONE", "TWO"))
    assert drc("x.gds", *DIE) == 2
    assert "x.gds: has 2 top cells; name one of: ONE, TWO" in capsys.readouterr().err
    assert drc("x.gds", *DIE, "--top", "TWO") == 0
    assert drc("x.gds", *DIE, "--top", "TOW") == 2
    assert "x.gds: no cell 'TOW'; did you mean 'TWO'?" in capsys.readouterr().err


NOTHING: dict[str, kdb.Text | kdb.Path | kdb.Box | kdb.Polygon] = {
    "a text": kdb.Text("die", 10_000, 0),
    "a line": kdb.Path([kdb.Point(-20_000, 0), kdb.Point(90_000, 0)], 0),
    "a flat box": kdb.Box(-20_000, -20_000, 90_000, -20_000),
    "a slanted line": kdb.Polygon([kdb.Point(0, 0), kdb.Point(300, 200), kdb.Point(90_000, 60_000)], True),
}
BOW_TIE = kdb.Polygon([kdb.Point(0, 0), kdb.Point(0, 90_000), kdb.Point(90_000, 0), kdb.Point(90_000, 90_000)])
"""Its two halves are wound in opposite directions: its area adds up to 0."""


def drawn_with(layer: tuple[int, int], shape: kdb.Text | kdb.Path | kdb.Box | kdb.Polygon, small: float = 1.0) -> str:
    """The good layout with one shape instead of all that is on a layer, in a cell of its own and so much smaller."""
    drawn({number: many for number, many in GOOD.items() if number != layer})
    layout = kdb.Layout()
    layout.read("x.gds")
    cell = layout.create_cell("PART")
    cell.shapes(layout.layer(*layer)).insert(shape)
    layout.cell("TOP").insert(kdb.DCellInstArray(cell.cell_index(), kdb.DCplxTrans(small, 0, False, 10, 10)))
    layout.write("y.gds")
    return "y.gds"


@pytest.mark.parametrize("what", NOTHING)
def test_what_has_no_area_is_nothing(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert drc(drawn_with((200, 0), NOTHING[what])) == 2
    assert "M.D skipped: there is nothing on layer 'die': give it with --die" in capsys.readouterr().out
    assert drc("y.gds", "--die", "200/0") == 2
    assert "layer 200/0, which outlines the dies, is empty; name another with --die" in capsys.readouterr().err
    assert drc("y.gds", *DIE) == 0
    assert drc(drawn_with((1, 0), NOTHING[what]), *DIE) == 2
    assert "M.S failed: flow 'one' must draw layer 'metal', and nothing is on it" in capsys.readouterr().out


def test_a_shape_that_stands_too_small_to_be_seen_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    box = kdb.Box(0, 0, 50_000, 400)
    assert drc(drawn_with((1, 0), box), *DIE, "--rules", "M.S") == 0
    assert drc(drawn_with((1, 0), box, small=0.001), *DIE, "--rules", "M.S") == 2
    assert "M.S failed: flow 'one' must draw layer 'metal', and nothing is on it" in capsys.readouterr().out


def test_a_shape_whose_area_adds_up_to_nothing_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert drc(drawn_with((1, 0), BOW_TIE), *DIE) in (0, 1)
    assert "nothing is on it" not in capsys.readouterr().out


def test_a_layer_that_the_flow_must_draw_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert drc(drawn({(1, 0): GOOD[1, 0]}), *DIE) == 2
    assert "DRAWN.via failed: flow 'one' must draw layer 'via', and nothing is on it" in capsys.readouterr().out
    assert drc("x.gds", *DIE, "--rules", "M.S") == 0
    assert drc(drawn({(2, 0): GOOD[2, 0]}), *DIE) == 2
    assert "M.S failed: flow 'one' must draw layer 'metal'" in (out := capsys.readouterr().out)
    assert "DRAWN" not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.gds",), "none.gds: cannot be read (no such file); name a GDSII or OASIS file"),
        (("empty.gds",), "empty.gds: has no shape in any cell; draw something"),
        (("x.gds",), "x.gds: PDK 'tiny' knows no layer 9/9; name another PDK, or leave them alone with --ignore"),
        (("x.gds", "--flow", "two"), "no flow 'two' in PDK 'tiny'; known: one"),
        (("x.gds", "--rules", ""), "name at least one rule"),
        (("x.gds", "--rules", " , "), "name at least one rule"),
        (("x.gds", "-o", "r.txt"), "'r.txt' must end in .lyrdb, .codequality.json, .json, .sarif, .xml, .md"),
        (("x.gds", "--step", "1,1"), "--step and --count need --die X0,Y0,X1,Y1"),
        (("x.gds", "--die", "0,0,9,9", "--count", "2,2"), "--count needs --step"),
        (("x.gds", "--die", "0,0,9,9", "--cut", "2"), "--cut needs --step"),
        (("x.gds", "--die", "0,0,9"), "'0,0,9' must be 4 numbers with commas between, in um"),
        (("x.gds", "--die", "0,0,nan,9"), "must be 4 numbers"),
        (("x.gds", "--die", "9,0,0,9"), "must be the lower-left and then the upper-right corner"),
        (("x.gds", "--die", "0,0,9,9", "--step", "8,9"), "'8,9' is less than the die's 9,9"),
        (("x.gds", "--die", "0,0,9,9", "--step", "9,9", "--count", "1.5,1"), "must be whole numbers, 1 at least"),
        (("x.gds", "--die", "0,0,9,9", "--step", "9,9", "--count", "99999,1"), "reach beyond 500000 um"),
        (("x.gds", "--die", "77/1", "--ignore", "all"), "layer 77/1, which outlines the dies, is empty"),
        (("x.gds", "--ignore", "9"), "'9' must be LAYER/DATATYPE, as 10/0"),
    ],
)
def test_what_is_wrong_is_one_line(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    drawn({}, "empty.gds")
    drawn({**GOOD, (9, 9): [(0, 0, 1, 1)]})
    assert drc(*arguments, "-q") == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_process_in_a_folder_here_is_named_by_its_path(capsys: pytest.CaptureFixture[str]) -> None:
    Path("here").mkdir()
    assert run(["drc", drawn(GOOD), "--pdk", "here", "-q"]) == 2
    assert "no PDK 'here'" in capsys.readouterr().err
    Path("here", "pdk.toml").write_text(PDK.replace('"tiny"', '"here"'), "utf-8")
    assert run(["drc", "x.gds", *DIE, "--pdk", "here", "-q"]) == 2
    assert capsys.readouterr().err == "error: no PDK 'here'; did you mean './here'?\n"
    assert run(["drc", "x.gds", *DIE, "--pdk", "./here", "-q"]) == 0


def test_the_whole_command_is_bounded_in_its_memory(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layoutgen.checked.check_file", lambda *_, **__: bytearray(600 << 20))
    assert drc(drawn(GOOD), "--megabytes", "256") == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: x.gds: needs more than 256 MB of memory to check; allow more with --megabytes"
    )


def test_only_what_checking_needs_is_imported(tmp_path: Path) -> None:
    """The router, cells, chips, solvers and report writers take longer to import than most files to check."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "pdk.toml").write_text(PDK, "utf-8")
    layout = kdb.Layout()
    layout.create_cell("TOP").shapes(layout.layer(1, 0)).insert(kdb.Box(0, 0, 10_000, 10_000))
    layout.write(str(tmp_path / "a.gds"))
    code = "import sys; from layoutgen.cli import run; run(sys.argv[1:]); print(*sys.modules)"
    arguments = ["drc", str(tmp_path / "a.gds"), "--pdk", str(folder), "--rules", "M.S", "-q"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    imported = {*done.stdout.split()}
    assert "layoutgen.drc.run" in imported
    heavy = ("ortools", "scipy", "gdstk", "rich", "klayout.rdb", "layoutgen_cells")
    ours = ("layoutgen.route", "layoutgen.chip", "layoutgen.die", "layoutgen.maskset", "layoutgen.report.lyrdb")
    assert imported.isdisjoint(heavy + ours)
