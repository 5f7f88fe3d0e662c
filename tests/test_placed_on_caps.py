"""What a spec places on a cap's component: cells and tracks, their nets, and what is wrong with them in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import pytest

from layoutgen import discover, gds, maskset, spec
from layoutgen.cli import run
from layoutgen.die import Die, build_die
from layoutgen.errors import ParamError, SpecError
from layoutgen.findings import Report
from layoutgen.kerf import StreetContext, build_step
from layoutgen.netcheck import check_nets_of_file
from layoutgen.pdk import Pdk
from layoutgen.wafer import Rim, WaferContext, build_wafer, lay_grid

PDK = discover.pdk("hermetic")
WIRED = PDK.in_flow("wired")
CELLS = discover.cells()


# nets of a small component ------------------------------------------------------------------------------------------
PADS = "pad,net,x,y\nIN,in,250,350\nG,gnd,650,350\n"
BALLS = "ball,net,x,y\nA1,in,250,520\nA2,gnd,650,520\n"
WIRES = """
name = "tiny"
pdk = "hermetic"
flow = "wired"
[chip]
name = "Tiny"
size = [900, 700]
pads = "pads.csv"
balls = "balls.csv"
pad_size = [20, 20]
ground = "gnd"
[wafer]
diameter = 16000
street = 180
[[place]]
cell = "saw.resonator"
at = [450, 180]
set = { pairs = 10, reflectors = 0, wavelength = 4.0 }
nets = { lower = "gnd", upper = "in" }
[[place]]
cell = "via_intermediate_wafer"
at = [250, 350]
nets = { chip = "in", wiring = "in" }
[[place]]
cell = "via_intermediate_wafer"
at = [650, 350]
nets = { chip = "gnd", wiring = "gnd" }
[[track]]
on = "metal"
width = 10
points = [[250, 350], [250, 215], [450, 215]]
[[track]]
on = "metal"
width = 10
points = [[650, 350], [650, 145], [450, 145]]
[[track]]
on = "wiring"
width = 20
net = "in"
points = [[250, 350], [250, 520]]
[[track]]
on = "wiring"
width = 20
net = "gnd"
points = [[650, 350], [650, 520]]
[[track]]
on = "ground"
width = 20
net = "gnd"
points = [[650, 520], [900, 520]]
"""
Build = Callable[..., tuple[Die, Report]]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    (tmp_path / "pads.csv").write_text(PADS, "utf-8")
    (tmp_path / "balls.csv").write_text(BALLS, "utf-8")

    def run(*changes: tuple[str, str]) -> tuple[Die, Report]:
        """The component with changes, and its nets over a small wafer."""
        text = WIRES
        for old, new in changes:
            assert text.count(old) >= 1
            text = text.replace(old, new, 1)
        (tmp_path / "tiny.toml").write_text(text, "utf-8")
        read = spec.read(tmp_path / "tiny.toml")
        base, stages = maskset.build_context(read, "tiny.toml")
        die = build_die(maskset.die_context(read, base), stages)
        common = (base.pdk, base.flow_name, base.cell_library, base.parameters)
        step = build_step(StreetContext(*common, die=die, street=read.street), stages, "tiny.toml")
        rim = Rim(read.file.wafer.diameter, 5000.0, "bottom")
        grid = lay_grid(rim, step, "street", 2, "tiny.toml")
        pdk = replace_stages(base.pdk)
        context = WaferContext(pdk, *common[1:], rim=rim, grid=grid, step=step, die=die)
        layout = gds.to_layout(build_wafer(context, stages, "tiny"), pdk)
        gds.save(layout, tmp_path / "tiny.oas")
        report = Report("", pdk.name, base.flow_name, (), ())
        return die, maskset._with_nets(report, read, pdk, base.flow_name, die, step, grid, layout)

    return run


def replace_stages(pdk: Pdk) -> Pdk:
    """Without what is drawn on the wafer itself: nothing of it conducts."""
    flows = {name: flow.model_copy(update={"wafer": ()}) for name, flow in pdk.flows.items()}
    return pdk.model_copy(update={"flows": flows})


def notes(report: Report) -> dict[str, list[str]]:
    return {r.rule: [f.note for f in r.findings] for r in report.results}


def test_three_metals_are_joined_as_the_process_says_and_ground_may_reach_the_kerf(build: Build) -> None:
    die, report = build()
    assert notes(report) == {"NETS": [], "KERF": []}
    assert [(p.side, p.net) for p in die.ports] == [("right", "gnd")]
    assert {p.net for p in die.pins} == {"in", "gnd"}


def test_a_file_is_judged_by_the_metals_of_its_flow_and_pins_by_their_labels(build: Build, tmp_path: Path) -> None:
    build()
    assert notes(check_nets_of_file(tmp_path / "tiny.oas", PDK, "wired").report) == {"NETS": [], "KERF": []}
    build(("points = [[650, 350], [650, 520]]", "points = [[650, 350], [650, 440]]"))
    found = notes(check_nets_of_file(tmp_path / "tiny.oas", PDK, "wired").report)
    assert found == {"NETS": ["net gnd is in 2 pieces in every die"], "KERF": []}


@pytest.mark.parametrize(("layer", "box", "says"), [
    ("connector", None, ""),
    ("structure", None, "stands on no metal"),  # inside of the resonator
    ("connector", (240, 240, 260, 260), "net in is in 2 pieces"),  # from a via to it
    ("connector", (640, 240, 660, 260), "net gnd is in"),
])  # fmt: skip
def test_nets_between_cells_are_those_of_the_spec_whatever_labels_say(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str], layer: str, box: tuple[int, ...] | None, says: str
) -> None:
    build()
    layout = kdb.Layout()
    layout.read(str(tmp_path / "tiny.oas"))
    die, index = layout.cell("DIE"), layout.layer(*PDK.gds(layer))
    for cell in (die, *(layout.cell(k) for k in die.called_cells())):
        for shape in [s for s in cell.shapes(index).each() if s.is_text()]:
            shape.delete()
    if says:
        left = kdb.Region(die.begin_shapes_rec(index)) - kdb.Region(
            kdb.Box(*(v * 1000 for v in box or (-9, -9, 999, 999)))
        )
        for cell in (die, *(layout.cell(k) for k in die.called_cells())):
            cell.shapes(index).clear()
        die.shapes(index).insert(left)
    layout.write(str(tmp_path / "tiny.oas"))
    asked = ["net", str(tmp_path / "tiny.oas"), "--pdk", "hermetic", "--json", "--chip", str(tmp_path / "tiny.toml")]
    assert run([*asked, "--flow", "basic"]) == 2
    assert "is of 'hermetic', flow 'wired', not of 'hermetic', flow 'basic'; give" in capsys.readouterr().err
    assert run([*asked, "--flow", "wired"]) == bool(says)
    rules = {r["rule"]: r["findings"] for r in json.loads(capsys.readouterr().out)["rules"]}
    assert any(says in f["note"] for f in rules["NETS"]) == bool(says), rules["NETS"]


def test_a_pin_of_the_wrong_net_a_track_of_the_wrong_net_and_an_open_are_found(build: Build) -> None:
    wrong_pin = notes(build(('nets = { lower = "gnd", upper = "in" }', 'nets = { lower = "in", upper = "gnd" }'))[1])
    assert any("gnd" in n and "in" in n and "one piece" in n for n in wrong_pin["NETS"])
    opened = notes(build(("points = [[650, 350], [650, 520]]", "points = [[650, 350], [650, 440]]"))[1])
    assert opened["NETS"] == ["net gnd is in 2 pieces in every die"]


def test_a_signal_on_the_ground_conductor_is_found_at_the_kerf(build: Build) -> None:
    both = notes(build(("points = [[250, 350], [250, 520]]", "points = [[250, 350], [250, 520], [650, 520]]"))[1])
    assert any(n.startswith("ball A1 of net in reaches the kerf, where only gnd may") for n in both["KERF"])


def test_one_signal_alone_at_the_cut_is_not_ground(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file in which one net reaches the cut in every die, and a spec by which that is another than ground."""
    build()
    text = (tmp_path / "tiny.toml").read_text("utf-8")
    text = text.replace('ground = "gnd"', 'ground = "in"').replace(
        'net = "gnd"\npoints = [[650, 520]', 'net = "in"\npoints = [[650, 520]'
    )
    (tmp_path / "tiny.toml").write_text(text, "utf-8")
    asked = ["net", str(tmp_path / "tiny.oas"), "--pdk", "hermetic", "--flow", "wired", "--json", "--chip"]
    assert run([*asked, str(tmp_path / "tiny.toml")]) == 1
    rules = {r["rule"]: r["findings"] for r in json.loads(capsys.readouterr().out)["rules"]}
    assert any("of net gnd reaches the kerf, where only in may" in f["note"] for f in rules["KERF"])


def test_a_signal_wire_across_the_edge_lies_in_the_kerf(build: Build) -> None:
    """The wiring level's own layer may not: only what is drawn as ground."""
    old = 'on = "ground"\nwidth = 20\nnet = "gnd"\npoints = [[650, 520], [900, 520]]'
    found = notes(build((old, 'on = "wiring"\nwidth = 20\npoints = [[895, 520], [895, 600]]'))[1])
    assert found == {"NETS": [], "KERF": ["this metal lies in the kerf"]}


def test_neighbours_grounds_meet_before_the_cut_and_not_after_it(build: Build) -> None:
    more = ("points = [[650, 520], [900, 520]]", "points = [[650, 520], [900, 520]]\n[[track]]\non = \"ground\"\n"
            'width = 20\nnet = "gnd"\npoints = [[650, 600], [0, 600]]\n[[track]]\non = "wiring"\nwidth = 20\n'
            "points = [[650, 520], [650, 610]]")  # fmt: skip
    die, report = build(more)
    assert sorted(p.side for p in die.ports) == ["left", "right"]
    assert notes(report) == {"NETS": [], "KERF": []}


# what a spec places -------------------------------------------------------------------------------------------------
WRONG = {
    ('cell = "saw.resonator"', 'cell = "saw.resonatr"'): "place 1.cell: no cell 'saw.resonatr'",
    ("pairs = 10,", "pears = 10,"): "place 1.set: no parameter 'pears'; did you mean 'pairs'?",
    ('lower = "gnd", upper', 'lowest = "gnd", upper'): "place 1.nets: no pin 'lowest'",
    ("at = [450, 180]", "at = [950, 180]"): "place 1.at: (950, 180) is not on the die of 900 x 700 um",
    ("at = [450, 180]", "at = [450.0001, 180]"): "place 1.at: (450.0001, 180.0) um is not a whole number of nm",
    ("at = [450, 180]", "at = [450, 180]\nangle = 45"): "place.0.angle: must be 0, 90, 180 or 270, not 45",
    ("at = [450, 180]", "at = [450, 180]\nangle = 90"): "place 1.angle: must be 0 or 180, not 90: saw.resonator works",
    ('on = "metal"', 'on = "mettal"'): "track 1.on: no role or layer 'mettal'; did you mean 'metal'?",
    ('on = "metal"', 'on = "note"'): "track 1.on: no mask prints layer 'note'",
    (
        'on = "metal"',
        'on = "frame_via"',
    ): "track 1.on: no mask of flow 'wired' prints layer 'frame_via'; draw on another",
    ('on = "wiring"', 'on = "resistor"'): "track 3.net: layer 'resistive' conducts nothing",
    (
        'net = "gnd"\npoints = [[650, 520], [900',
        'net = "in"\npoints = [[650, 520], [900',
    ): "track 5.net: what is on 'ground' may reach the cut, and is of net 'gnd' (chip.ground), not 'in'",
    (
        'ground = "gnd"\n',
        "",
    ): "track 5.net: what is on 'ground' may reach the cut, and needs a net: say which is ground, "
    'as ground = "gnd" under [chip]',
    ("[[250, 350], [250, 215]", "[[250, 350], [250, 350]"): "track 1.points: two points that follow each other",
    ("[[250, 350], [250, 215], [450, 215]]", "[[250, 350]]"): "track.0.points",
    ("width = 10\n", "width = 2000\n"): "track 1.width: 2000 um is more than twice its length",
    ("width = 10\n", "width = 0\n"): "track.0.width: must be greater than 0, not 0",
}


@pytest.mark.parametrize(
    "change", list(WRONG), ids=[text.split(":")[0] + str(k) for k, text in enumerate(WRONG.values())]
)
def test_what_a_spec_places_wrongly_is_one_line(change: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "pads.csv").write_text(PADS, "utf-8")
    (tmp_path / "balls.csv").write_text(BALLS, "utf-8")
    assert change[0] in WIRES
    (tmp_path / "tiny.toml").write_text(WIRES.replace(*change, 1), "utf-8")
    with pytest.raises(SpecError) as e:
        spec.read(tmp_path / "tiny.toml")
    (problem,) = e.value.problems
    assert f"{problem.place}: {problem.message}".startswith(WRONG[change])


def test_a_process_that_places_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "pads.csv").write_text(PADS, "utf-8")
    (tmp_path / "balls.csv").write_text(BALLS, "utf-8")
    head = WIRES[: WIRES.index("[[place]]")].replace("hermetic", "post").replace("wired", "plated")
    text = head + '[[track]]\non = "metal"\nwidth = 10\npoints = [[1, 1], [50, 1]]\n'
    (tmp_path / "tiny.toml").write_text(text, "utf-8")
    with pytest.raises(SpecError, match="draws nothing that a spec places"):
        spec.read(tmp_path / "tiny.toml")


def test_a_track_that_crosses_itself_is_refused(build: Build) -> None:
    loop = "points = [[250, 350], [400, 350], [400, 450], [300, 450], [300, 300], [250, 215], [450, 215]]"
    with pytest.raises(ParamError, match="track 1: meets itself"):
        build(("points = [[250, 350], [250, 215], [450, 215]]", loop))


def test_a_via_on_the_frame_and_one_too_near_are_refused(build: Build) -> None:
    for x, words in ((20, "stands on the frame"), (50, "from the frame; its cavity")):
        with pytest.raises(SpecError, match=words):
            build(("at = [250, 350]", f"at = [{x}, 350]"))


def test_a_via_gets_an_island_where_there_is_room_and_else_a_branch(build: Build) -> None:
    def rings(x: int) -> list[str]:
        moved = (
            ("at = [250, 350]", f"at = [{x}, 350]"),
            ("[[250, 350], [250, 215]", f"[[{x}, 350], [{x}, 215]"),
            ("points = [[250, 350], [250, 520]]", f"points = [[{x}, 350], [{x}, 510], [250, 520]]"),
        )
        die, report = build(*moved)
        assert x != 250 or notes(report) == {"NETS": [], "KERF": []}
        return [p.drawing.name.split("_")[0] for p in die.parts if p.drawing.name.startswith(("island", "branch"))]

    assert rings(250) == ["island", "island"]
    assert rings(100) == ["branch", "island"]
