"""`layoutgen route` and `lg.route_chip`, as a user and a CI job meet them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import klayout.lay as lay
import pytest

import layoutgen as lg
from layoutgen.chip import Ball, Chip, Pad, RoutedLayer, load, write_def, write_lef
from layoutgen.cli import run

Spec = Callable[..., Path]
FILES = {"route.gds", "route.png", "route.md", "route.json", "nets.csv", "route.def", "route.lef"}
PADS = "pad,net,x,y\nP1,a,500,75\nP2,b,1000,75\nP3,c,500,1425\nP4,d,1000,1425\n"
BALLS = "ball,net,x,y\nA1,c,500,1000\nA2,d,1000,1000\nB1,a,500,500\nB2,b,1000,500\n"
EXAMPLES = Path(__file__).parents[1] / "examples"
SIZE = ("--balls", "balls.csv", "--size", "1500", "1500", "--pad-size", "55", "55")


@pytest.fixture(autouse=True)
def _in_a_folder_with_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pads.csv").write_text(PADS)
    Path("balls.csv").write_text(BALLS)


def narrow_tables() -> None:
    """Three nets, and a wall of small nets with a channel for two wires of 30 um at 20 um."""
    pads, balls = ["pad,net,x,y"], ["ball,net,x,y"]
    for k, y in enumerate((150, 300, 450)):
        pads.append(f"P{k},n{k},100,{y}")
        balls.append(f"B{k},n{k},1900,{y}")
    for k, y in enumerate((50, 145, 345, 445, 545)):
        pads.append(f"W{k},w{k},950,{y}")
        balls.append(f"V{k},w{k},1080,{y}")
    Path("pads.csv").write_text("\n".join(pads) + "\n")
    Path("balls.csv").write_text("\n".join(balls) + "\n")


NARROW = ("--balls", "balls.csv", "--size", "2000", "600", "--pad-size", "55", "55", "--pdk", "post", "--ties", "none")


def only_line(text: str) -> str:
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]


def red_pixels(path: Path, step: int = 2) -> int:
    buffer = lay.PixelBuffer.read_png(str(path))
    values = [buffer.pixel(x, y) for x in range(0, 1440, step) for y in range(80, buffer.height() - 70, step)]
    return sum(v >> 16 & 255 > 180 and v >> 8 & 255 < 60 and v & 255 < 60 for v in values)


# what it writes ---------------------------------------------------------------------------------------------------


def test_a_pad_table_is_routed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "pads.csv", "--pdk", "wlcsp_500", *SIZE]) == 0
    out = capsys.readouterr().out
    assert "4 nets, 4 links" in out
    assert "0 missing" in out
    assert out.splitlines()[-1] == "7 files in output/pads: complete"
    folder = Path("output/pads")
    assert {f.name for f in folder.iterdir()} == FILES
    rows = list(csv.DictReader((folder / "nets.csv").read_text("utf-8").splitlines()))
    assert [r["net"] for r in rows] == ["a", "b", "c", "d"]
    assert float(rows[0]["length"]) == pytest.approx(425.0, abs=0.01)
    width, thickness = 30.0, 4.0  # of wlcsp_500
    data = json.loads((folder / "route.json").read_text("utf-8"))
    assert data["rules"]["width"] == pytest.approx(width)
    expected = 425.0 / width / 58 / thickness  # 1 / 58 ohm mm2/m
    assert float(rows[0]["resistance"]) == pytest.approx(expected, rel=1e-3)
    assert red_pixels(folder / "route.png", 5) == 0


def test_the_layout_holds_wires_landings_names_and_outline() -> None:
    assert run(["route", "pads.csv", "--pdk", "wlcsp_500", *SIZE, "-q"]) == 0
    pdk = lg.load_pdk("wlcsp_500")
    layout = kdb.Layout()
    layout.read("output/pads/route.gds")
    top = layout.top_cell()

    def region(layer: str) -> kdb.Region:
        return kdb.Region(top.begin_shapes_rec(layout.layer(*pdk.gds(layer))))

    assert region("die").bbox() == kdb.Box(0, 0, 1_500_000, 1_500_000)
    pieces = region(pdk.role("metal")).merged()
    assert pieces.count() == 4
    for x, y in ((500, 75), (500, 500), (1000, 1425), (1000, 1000)):
        assert not (pieces & kdb.Region(kdb.Box(x * 1000, y * 1000, x * 1000 + 1, y * 1000 + 1))).is_empty()
    names = set()
    shapes = top.begin_shapes_rec(layout.layer(*pdk.gds(pdk.role("note"))))
    while not shapes.at_end():
        names.add(shapes.shape().text_string)
        shapes.next()
    assert {"P1 a", "A1 c"} <= names


def test_a_spec_says_process_and_parameters(spec_file: Spec, capsys: pytest.CaptureFixture[str]) -> None:
    path = spec_file(("width = 30", "width = 42"))
    assert run(["route", str(path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["exit_code"] == 0
    assert (result["pdk"], result["name"]) == ("wlcsp_500", "small")
    data = json.loads(Path("output/small/route.json").read_text("utf-8"))
    assert data["rules"]["width"] == pytest.approx(42.0)
    assert {w["width"] for w in data["wires"]} == {42.0}
    # in another process only its chip counts
    assert run(["route", str(path), "--pdk", "post", "-q"]) == 0
    data = json.loads(Path("output/Small/route.json").read_text("utf-8"))
    assert data["rules"]["width"] == pytest.approx(30.0)
    assert data["totals"]["ties"] == 4


def test_options_take_the_place_of_what_the_process_says() -> None:
    given = ("--width", "25", "--space", "33", "--ties", "none", "--style", "any-angle", "--layers", "1")
    assert run(["route", "pads.csv", "--pdk", "post", *SIZE, *given, "-q"]) == 0
    data = json.loads(Path("output/pads/route.json").read_text("utf-8"))
    assert (data["rules"]["width"], data["rules"]["space"], data["rules"]["ties"]) == (25.0, 33.0, False)
    assert data["totals"]["ties"] == 0
    assert data["notes"] == ["4 of 4 nets have no tie; flow plated plates through ties only"]


def test_a_width_below_the_rule_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "pads.csv", "--pdk", "post", *SIZE, "--width", "10"]) == 0
    assert "width 10 um is below RDL.W.1 (20 um) of PDK post" in capsys.readouterr().out


def test_the_same_input_gives_the_same_bytes() -> None:
    for folder in ("a", "b"):
        assert run(["route", "pads.csv", "--pdk", "post", *SIZE, "-o", folder, "-q"]) == 0
    for file in FILES:
        assert Path("a/pads", file).read_bytes() == Path("b/pads", file).read_bytes()


def test_routing_leaves_the_files_of_a_build_alone_and_clears_its_own(spec_file: Spec) -> None:
    path = spec_file()
    assert run(["build", str(path), "-q"]) == 0
    folder = Path("output/small")
    before = {f for f in folder.rglob("*") if f.is_file()}
    assert folder / "preview/route.png" in before
    assert run(["route", str(path), "-q"]) == 0
    assert {f for f in folder.rglob("*") if f.is_file()} == before | {folder / f for f in FILES}
    assert run(["route", str(path), "-q", "--no-picture"]) == 0
    assert {f for f in folder.rglob("*") if f.is_file()} == before | {folder / f for f in FILES - {"route.png"}}


def small_chip() -> Chip:
    """Three nets, a keep-out in the way of one, and a die with a corner cut off; metal of its own, as a DEF has."""
    pads = (
        Pad("P1", "a", 100, 100, 60, 60),
        Pad("P2", "b", 100, 300, 60, 60),
        Pad("P3", "c", 100, 500, 60, 60),
    )
    balls = (
        Ball("A1", "a", 800, 100, width=80, height=80),
        Ball("A2", "b", 800, 300, width=80, height=80),
        Ball("A3", "c", 800, 500, width=80, height=80),
    )
    keepout = ((400.0, 250.0), (500.0, 250.0), (500.0, 350.0), (400.0, 350.0))
    layer = RoutedLayer("TOP", 10.0, 10.0)
    outline = ((0.0, 0.0), (1000.0, 0.0), (1000.0, 500.0), (900.0, 600.0), (0.0, 600.0))
    return Chip("tiny", 1000, 600, pads, balls, outline, (keepout,), layer=layer)


def test_a_def_is_routed_on_its_own_metal_and_gets_the_wires() -> None:
    chip = small_chip()
    Path("tiny.lef").write_text(write_lef(chip))
    Path("tiny.def").write_text(write_def(chip))
    given = ("--lef", "tiny.lef", "--pdk", "wlcsp_500", "--width", "20", "--space", "20")
    assert run(["route", "tiny.def", *given, "-q"]) == 0
    folder = Path("output/tiny")
    assert {f.name for f in folder.iterdir()} == FILES - {"route.lef"}
    data = json.loads((folder / "route.json").read_text("utf-8"))
    assert data["outline"] == [[*p] for p in chip.outline]
    routed = (folder / "route.def").read_text("utf-8")
    assert routed.count("ROUTED TOP") >= 3
    again = load(folder / "route.def", lefs=["tiny.lef"])
    assert again.pads == chip.pads
    assert again.balls == chip.balls
    pdk = lg.load_pdk("wlcsp_500")
    layout = kdb.Layout()
    layout.read(str(folder / "route.gds"))
    metal = kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(*pdk.gds(pdk.role("metal")))))
    assert metal.merged().count() == 3
    keepout = kdb.Region(kdb.Box(400_000, 250_000, 500_000, 350_000))
    assert (metal & keepout).is_empty()
    assert metal.merged().separation_check(keepout, 20_000, False, kdb.Region.Euclidian).count() == 0
    for ball in chip.balls:
        box = kdb.Box(*(round(v * 1000) for v in (ball.x - 40, ball.y - 40, ball.x + 40, ball.y + 40)))
        assert (kdb.Region(box) - metal).is_empty()


def test_a_def_keeps_its_own_metal_where_no_lef_describes_the_layer() -> None:
    chip = small_chip()
    lef = re.sub(r"^LAYER TOP\n.*?^END TOP\n", "", write_lef(chip), flags=re.MULTILINE | re.DOTALL)
    assert "TYPE ROUTING" not in lef
    Path("tiny.lef").write_text(lef)
    Path("tiny.def").write_text(write_def(chip))
    given = ("--lef", "tiny.lef", "--layer", "TOP", "--pdk", "wlcsp_500", "--width", "20", "--space", "20")
    assert run(["route", "tiny.def", *given, "-q", "--no-picture"]) == 0
    assert (Path("output/tiny/route.def").read_text("utf-8")).count("ROUTED TOP") >= 3
    pdk = lg.load_pdk("wlcsp_500")
    layout = kdb.Layout()
    layout.read("output/tiny/route.gds")
    metal = kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(*pdk.gds(pdk.role("metal"))))).merged()
    west = kdb.Region(kdb.Box(0, 0, 110_000, 600_000))
    assert [p.bbox().left for p in (metal & west).each()] == [70_000] * 3  # 60 um pads, no landing about them


def test_ties_are_refused_where_the_process_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "pads.csv", "--pdk", "wlcsp_500", *SIZE, "--ties", "nets"]) == 2
    assert "\nerror: no ties in PDK 'wlcsp_500'" in capsys.readouterr().err


# what cannot be routed ----------------------------------------------------------------------------------------------


def test_three_nets_through_a_channel_for_two(capsys: pytest.CaptureFixture[str]) -> None:
    narrow_tables()
    assert run(["route", "pads.csv", *NARROW]) == 1
    out = capsys.readouterr().out
    assert "1 missing" in out
    assert "  missing n" in out
    assert out.splitlines()[-1] == "7 files in output/pads: not complete"
    folder = Path("output/pads")
    data = json.loads((folder / "route.json").read_text("utf-8"))
    assert data["complete"] is False
    (left,) = data["unrouted"]
    assert left["net"] in ("n0", "n1", "n2")
    assert data["totals"]["links"] == 7
    assert "not complete" in (folder / "route.md").read_text("utf-8").splitlines()[0]
    assert left["reason"] in (folder / "route.md").read_text("utf-8").replace("\\", "")
    assert red_pixels(folder / "route.png") > 100
    assert (folder / "route.gds").stat().st_size > 1000
    assert run(["route", "pads.csv", *NARROW, "-q", "--no-picture"]) == 1
    assert tuple(capsys.readouterr()) == ("", "pads: not complete; see output/pads/route.md\n")


def test_a_channel_for_three_is_enough() -> None:
    narrow_tables()
    assert run(["route", "pads.csv", *NARROW, "-q", "--width", "20", "--space", "15"]) == 0


def test_a_build_says_what_stays_unrouted_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    narrow_tables()
    Path("narrow.toml").write_text(
        'name = "narrow"\npdk = "wlcsp_500"\n[chip]\nname = "Narrow"\nsize = [2000, 600]\npads = "pads.csv"\n'
        'balls = "balls.csv"\npad_size = [55, 55]\n[wafer]\ndiameter = 25_000\n[label]\ndraw = false\n'
        '[cells."rdl.capture"]\ndiameter = 84\n[cells."rdl.wire"]\nwidth = 30\nspace = 20\n'
    )
    assert run(["build", "narrow.toml"]) == 1
    out = capsys.readouterr().out
    folder = Path("output/narrow")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["routing"]["unrouted"]
    assert manifest["routing"]["unrouted"][0] in out
    assert {"preview/route.png", "routing/nets.csv", "routing/report.md"} <= manifest["files"].keys()
    assert "not complete" in (folder / "routing/report.md").read_text("utf-8")
    assert red_pixels(folder / "preview/route.png") > 100


def test_matched_nets_are_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "pads.csv", "--pdk", "wlcsp_500", *SIZE, "--match", "a, b:1.5"]) == 0
    assert "  matched a, b: 425.0 to 425.0 um long, 0.000 um apart, 1.5 um wanted: met" in capsys.readouterr().out


@pytest.mark.parametrize("read", ["nets.csv", "balls.csv", "route.def", "route.lef"])
def test_what_is_read_is_never_written_over(read: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor taken away, as what an earlier routing left."""
    if read.endswith(".csv"):
        folder = Path("out/nets" if read == "nets.csv" else "out/pads")
        folder.mkdir(parents=True)
        pads, balls = (
            (folder / read, Path("balls.csv")) if read == "nets.csv" else (Path("pads.csv"), folder / "nets.csv")
        )
        pads.write_text(PADS)
        balls.write_text(BALLS)
        given = [str(pads), "--balls", str(balls), *SIZE[2:], "--pdk", "post"]
    else:
        folder = Path("out/tiny")
        folder.mkdir(parents=True)
        design, lef = (folder / "route.def", folder / "route.lef")
        if read == "route.lef":
            design = Path("tiny.def")
        design.write_text(write_def(small_chip()))
        lef.write_text(write_lef(small_chip()))
        given = [str(design), "--lef", str(lef), "--pdk", "wlcsp_500", "--width", "20", "--space", "20"]
    before = {f: f.read_bytes() for f in folder.iterdir()}
    assert run(["route", *given, "-o", "out", "-q"]) == 2
    assert "is read, and would be written over; choose another folder with -o" in only_line(capsys.readouterr().err)
    assert {f: f.read_bytes() for f in folder.iterdir()} == before


def test_the_files_of_a_spec_are_not_written_over(spec_file: Spec, capsys: pytest.CaptureFixture[str]) -> None:
    path = spec_file(("pads.csv", "small/nets.csv"))
    (path.parent / "small").mkdir()
    (path.parent / "pads.csv").rename(path.parent / "small/nets.csv")
    before = (path.parent / "small/nets.csv").read_bytes()
    assert run(["route", str(path), "-o", str(path.parent), "-q"]) == 2
    assert "would be written over" in only_line(capsys.readouterr().err)
    assert (path.parent / "small/nets.csv").read_bytes() == before


# two metals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["any-angle", "curved", "octilinear"])
def test_klayout_traces_every_net_of_two_metals(style: str) -> None:
    """Each net's terminals are one piece of metal, and no two nets are; by KLayout's own extraction from the file."""
    given = (str(EXAMPLES / "crossing_2m.toml"), "--style", style)
    assert run(["route", *given, "-q", "--no-picture"]) == 0
    folder = Path("output/crossing_2m")
    data = json.loads((folder / "route.json").read_text("utf-8"))
    pdk = lg.load_pdk("wlcsp_500_2m")
    layout = kdb.Layout()
    layout.read(str(folder / "route.gds"))
    netlist = kdb.LayoutToNetlist(kdb.RecursiveShapeIterator(layout, layout.top_cell(), []))
    below, via, above = (
        netlist.make_layer(layout.layer(*pdk.gds(pdk.role(role))), role) for role in ("metal", "via_2", "metal_2")
    )
    for a, b in ((below, below), (above, above), (below, via), (via, above)):
        if a is b:
            netlist.connect(a)
        else:
            netlist.connect(a, b)
    netlist.extract_netlist()
    pieces: dict[str, set[int]] = {}
    for t in data["terminals"]:
        found = netlist.probe_net((below, above)[t["layer"] - 1], kdb.DPoint(*t["at"]))
        pieces.setdefault(t["net"], set()).add(found.cluster_id)
    assert len(pieces) == 16
    assert all(len(own) == 1 for own in pieces.values())
    assert len(set.union(*pieces.values())) == 16


def test_klayout_traces_every_net_of_two_metals_in_def() -> None:
    assert run(["route", str(EXAMPLES / "crossing_2m.toml"), "-q", "--no-picture"]) == 0
    folder = Path("output/crossing_2m")
    data = json.loads((folder / "route.json").read_text("utf-8"))
    options = kdb.LoadLayoutOptions()
    options.lefdef_config.read_lef_with_def = False
    options.lefdef_config.lef_files = [str((folder / "route.lef").resolve())]
    layout = kdb.Layout()
    layout.read(str(folder / "route.def"), options)
    metal: dict[str, kdb.Region] = {}
    for index in layout.layer_indexes():
        name = layout.get_info(index).name.split(".")[0]
        metal[name] = metal.get(name, kdb.Region()) + kdb.Region(layout.top_cell().begin_shapes_rec(index))
    cuts = metal["rdl_cut"].merged()
    assert cuts.count() == len(data["vias"]) > 0
    shapes = [(name, p) for name in ("rdl", "rdl_2") for p in metal[name].merged().each()]
    piece = list(range(len(shapes)))
    for cut in cuts.each():
        joined = [k for k, (_, p) in enumerate(shapes) if (kdb.Region(cut) - kdb.Region(p)).is_empty()]
        assert [shapes[k][0] for k in joined] == ["rdl", "rdl_2"]
        one, two = (piece[k] for k in joined)
        piece = [one if n == two else n for n in piece]
    nets: dict[str, set[int]] = {}
    for t in data["terminals"]:
        x, y, layer = *(round(v * 1000) for v in t["at"]), ("rdl", "rdl_2")[t["layer"] - 1]
        spot = kdb.Region(kdb.Box(x - 1, y - 1, x + 1, y + 1))
        on = [n for n, (name, p) in enumerate(shapes) if name == layer and not (kdb.Region(p) & spot).is_empty()]
        (own,) = {piece[n] for n in on}
        nets.setdefault(t["net"], set()).add(own)
    assert len(nets) == 16
    assert all(len(own) == 1 for own in nets.values())
    assert len(set.union(*nets.values())) == 16


# bad input ----------------------------------------------------------------------------------------------------------

TABLE = ["pads.csv", *SIZE]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*TABLE, "--pdk", "pots"], "did you mean 'post'?"),
        (TABLE, "name the process with --pdk"),
        ([*TABLE, "--pdk", "post", "--flow", "blanket"], "no flow 'blanket'"),
        ([*TABLE, "--pdk", "post", "--width", "-1"], "width=-1 um must be above 0"),
        ([*TABLE, "--pdk", "post", "--width", "nan"], "width=nan um must be above 0"),
        ([*TABLE, "--pdk", "post", "--space", "1e30"], "at most 450000"),
        ([*TABLE, "--pdk", "post", "--width", "0.0004"], "width=0.0004 um is finer than the grid, 0.001"),
        ([*TABLE, "--pdk", "post", "--width", "1e-320"], "um is finer than the grid, 0.001"),
        ([*TABLE, "--pdk", "post", "--space", "20.0005"], "space=20.0005 um is finer than the grid"),
        ([*TABLE, "--pdk", "post", "--size", "1500.0005", "1500"], "--size: is finer than 1 nm"),
        ([*TABLE, "--pdk", "post", "--pad-size", "55.00001", "55"], "--pad-size: is finer than 1 nm"),
        ([*TABLE, "--pdk", "post", "--lef", "gone.lef"], "--lef: says nothing about a .csv file"),
        ([*TABLE, "--pdk", "post", "--layer", "M1"], "--layer: says nothing about a .csv file"),
        (["gone.toml", "--pdk", "post", "--balls", "balls.csv"], "--balls: says nothing about a .toml file"),
        (["gone.def", "--pdk", "post", "--size", "9", "9"], "--size: says nothing about a .def file"),
        ([*TABLE, "--pdk", "post", "--width", "wide"], "is not a valid float"),
        ([*TABLE, "--pdk", "post", "--style", "round"], "'round' is not one of"),
        ([*TABLE, "--pdk", "post", "--ties", "balls"], "'balls' is not one of"),
        ([*TABLE, "--pdk", "post", "--layers", "2"], "one metal layer"),
        ([*TABLE, "--pdk", "post", "--layers", "3"], "'3' is not one of"),
        ([*TABLE, "--pdk", "post", "--match", "a,bb:5"], "no net 'bb' in the chip to be matched"),
        ([*TABLE, "--pdk", "post", "--match", "a,b"], "must be NET,NET,...:UM"),
        ([*TABLE, "--pdk", "post", "--match", "a:5"], "must be NET,NET,...:UM"),
        ([*TABLE, "--pdk", "post", "--match", "a,,b:5"], "must be NET,NET,...:UM"),
        ([*TABLE, "--pdk", "post", "--match", "a,b:-5"], "must be NET,NET,...:UM"),
        ([*TABLE, "--pdk", "post", "--match", "a,b:nan"], "must be NET,NET,...:UM"),
        ([*TABLE, "--pdk", "post", "--match", "a,b:inf"], "two nets or more, and a length of 0 um or more"),
        ([*TABLE, "--pdk", "post", "--match", "a,b:5", "--match", "b,c:5"], "net 'b' is to be matched twice"),
        (["pads.csv", "--pdk", "post"], "needs --balls"),
        (["pads.csv", "--pdk", "post", "--balls", "balls.csv"], "needs --size"),
        (["pads.csv", "--pdk", "post", "--balls", "gone.csv", *SIZE[2:]], "no such file"),
        (["pads.csv", "--pdk", "post", "--balls", "balls.csv", "--size", "nan", "1"], "--size: must be two lengths"),
        (["pads.csv", "--pdk", "post", "--balls", "balls.csv", "--size", "1e12", "1"], "--size: must be two lengths"),
        (["gone.csv", "--pdk", "post", *SIZE], "no such file"),
        (["gone.toml", "--pdk", "post"], "gone.toml"),
        (["chip.xyz", "--pdk", "post"], "chip.xyz"),
        ([".", "--pdk", "post"], "."),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", *arguments, "-q"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    line = only_line(captured.err)
    assert said in line
    assert "defect" not in line
    assert not Path("output").exists()


def test_a_file_in_the_way_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    Path("output").write_text("mine")
    assert run(["route", *TABLE, "--pdk", "post", "-q"]) == 2
    assert "is a file; choose another folder with -o" in only_line(capsys.readouterr().err)
    assert Path("output").read_text() == "mine"


# in Python ----------------------------------------------------------------------------------------------------------


def test_one_call_in_python(spec_file: Spec, tmp_path: Path) -> None:
    done = lg.route_chip(spec_file(), width=35.0, matched=[(("a", "b"), 2.0)])
    assert done.complete
    assert done.exit_code == 0
    assert [r.net for r in done.table] == ["a", "b", "c", "d"]
    assert done.totals.length == pytest.approx(done.plan.length())
    assert done.matched[0].met
    assert {w.width for w in done.plan.wires} == {35.0}
    assert {f.name for f in done.save(tmp_path / "there")} == FILES
    again = lg.route_chip(done.chip, pdk="post", ties="none")
    assert again.pdk.name == "post"
    assert again.totals.ties == 0


def test_a_chip_by_itself_needs_a_process_and_known_words(spec_file: Spec) -> None:
    chip = lg.read_spec(spec_file()).chip
    with pytest.raises(lg.LayoutgenError, match="needs a process"):
        lg.route_chip(chip)
    with pytest.raises(lg.LayoutgenError, match="no style 'octo'"):
        lg.route_chip(chip, pdk="post", style="octo")
    with pytest.raises(lg.LayoutgenError, match="layers=7 must be 1 or 2"):
        lg.route_chip(chip, pdk="post", layers=7)
