"""Caps on the wafer: cones by trigonometry, walls by their areas, rings around vias, nets and what reaches the kerf."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import pytest
import shapely

from layoutgen import api, cuts, discover, gds, geom, maskset, spec
from layoutgen.cell import Drawing
from layoutgen.cli import run
from layoutgen.die import Die, build_die
from layoutgen.errors import ParamError, PdkError, SpecError
from layoutgen.findings import Report
from layoutgen.kerf import StreetContext, build_step, least_street, too_narrow
from layoutgen.netcheck import check_nets_of_file
from layoutgen.pdk import Pdk
from layoutgen.section import section
from layoutgen.wafer import Rim, WaferContext, build_wafer, lay_grid

PDK = discover.pdk("hermetic")
WIRED = PDK.in_flow("wired")
CELLS = discover.cells()
TAN_80, TAN_70 = math.tan(math.radians(80)), math.tan(math.radians(70))
COVER, INTERMEDIATE, ALIGNMENT = 100.0, 15.0, 3.0 + 5.0 + 16.0


def diameters(drawing: Drawing) -> dict[str, float]:
    """Of the largest circle on each layer, all of them about the origin."""
    out: dict[str, float] = {}
    for part in drawing.below():
        assert all(p.at == (0.0, 0.0) for p in part.placements)
        for layer, circles in part.circles.items():
            assert all(c.at == (0.0, 0.0) for c in circles)
            out[layer] = max(out.get(layer, 0.0), *(c.diameter for c in circles))
    return out


def region(drawing: Drawing, layer: str, pdk: Pdk = PDK) -> kdb.Region:
    layout = gds.to_layout(drawing, pdk)
    return gds.fetch(layout, pdk, layout.top_cell())(layer).merged()


# cones --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("foot", [40.0, 63.7])
def test_a_via_to_the_chip_widens_by_the_covers_walls(foot: float) -> None:
    found = diameters(CELLS["via_cover_wafer"](PDK, foot=foot))
    assert found["cover_via"] == pytest.approx(foot + 2 * COVER / TAN_80, abs=0.001)
    assert found["connector"] - foot >= 2 * (ALIGNMENT + PDK.rules["DK.E.1"].limit)  # type: ignore[operator]


def test_a_via_through_the_intermediate_layer_widens_in_both_and_is_concentric() -> None:
    found = diameters(CELLS["via_cover_wafer"](WIRED))
    least = WIRED.rules["ZS.W.1"].limit
    assert least is not None
    top = least + 2 * INTERMEDIATE / TAN_70
    assert found["inter_via"] == least
    assert found["cover_via"] == pytest.approx(top + 2 * ALIGNMENT + 2 * COVER / TAN_80, abs=0.002)
    assert found["inter_via"] < top < found["cover_via"] < found["wiring"] + 2 * COVER / TAN_80


def test_a_via_to_the_wiring_level_needs_no_connector_metal() -> None:
    found = diameters(CELLS["via_cover_wiring"](WIRED, foot=60.0))
    assert set(found) == {"cover_via", "wiring"}
    assert found["cover_via"] == pytest.approx(60 + 2 * COVER / TAN_80, abs=0.001)


@pytest.mark.parametrize(("bead", "words"), [(52.0, "does not enter"), (40.0, "sinks"), (50.0, "")])
def test_a_bead_fits_its_bore_or_is_refused(bead: float, words: str) -> None:
    if not words:
        assert diameters(CELLS["bump_bead"](PDK, bead=bead)) == {"bump": bead}
        return
    with pytest.raises(ParamError, match=words):
        CELLS["bump_bead"](PDK, bead=bead)


# walls --------------------------------------------------------------------------------------------------------------
def test_two_units_share_a_wall() -> None:
    walls = region(CELLS["frame"](PDK, width=1000.0, height=600.0, wall=40.0, columns=2), "frame")
    assert walls.count() == 1
    assert walls.area() == 10**6 * (1000 * 600 - 2 * 440 * 520)


@pytest.mark.parametrize(
    "outline",
    [((0.0, 0.0), (900.0, 0.0), (900.0, 500.0), (400.0, 500.0), (400.0, 900.0), (0.0, 900.0)),
     ((0.0, 200.0), (300.0, 0.0), (900.0, 100.0), (700.0, 800.0))],
)  # fmt: skip
def test_a_frame_of_any_outline_is_one_ring_as_wide_as_asked(outline: tuple[tuple[float, float], ...]) -> None:
    walls = region(CELLS["frame"](PDK, outline=outline, wall=40.0), "frame")
    outer = shapely.Polygon(outline)
    inner = outer.buffer(-40.0, join_style="mitre")
    assert [p.holes() for p in walls.each()] == [1]
    assert walls.area() / 10**6 == pytest.approx(outer.area - inner.area, rel=1e-5)
    (ring,) = walls.each()
    hull, hole = (
        shapely.LinearRing([(q.x, q.y) for q in corners])
        for corners in (ring.each_point_hull(), ring.each_point_hole(0))
    )
    assert shapely.distance(hull, hole) == pytest.approx(40_000, abs=2)


def test_a_chamfered_frame_keeps_its_wall_at_the_chamfer() -> None:
    walls = region(CELLS["frame"](PDK, width=800.0, height=600.0, chamfer=100.0, wall=40.0), "frame")
    assert [p.holes() for p in walls.each()] == [1]
    assert walls.width_check(39_990).is_empty()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"wall": 500.0}, "leaves no cavity"), ({"columns": 25}, "leave no cavity"),
        ({"chamfer": 500.0}, "leaves nothing"), ({"outline": ((0.0, 0.0), (10.0, 0.0))}, "no simple polygon"),
        ({"cavities": (((0.0, 10.0), (50.0, 10.0), (50.0, 50.0)),)}, "reaches the outline"),
        ({"cavities": (((10.0, 10.0), (50.0, 10.0), (50.0, 50.0)),), "rows": 2}, "leave columns and rows out"),
    ],
)  # fmt: skip
def test_a_frame_that_cannot_be_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ParamError, match=words):
        CELLS["frame"](PDK, **given)


@pytest.mark.parametrize("name", ["island", "branch"])
@pytest.mark.parametrize("shape", ["round", "square"])
def test_branch_and_island_are_closed_around_their_cavity(name: str, shape: str) -> None:
    walls = region(CELLS[name](PDK, cavity=100.0, wall=35.0, shape=shape), "frame")
    (ring,) = walls.each()
    assert ring.holes() == 1
    cavity = kdb.Polygon([*ring.each_point_hole(0)])
    assert cavity.area() / 10**6 == pytest.approx(math.pi * 2500 if shape == "round" else 10_000, rel=1e-3)
    assert walls.width_check(34_990, metrics=kdb.Metrics.Projection).is_empty()
    assert ring.bbox().right == (150_000 if name == "branch" else ring.bbox().top)


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
    ('on = "wiring"', 'on = "resistor"'): "track 3.net: layer 'resistive' conducts nothing",
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


# ranges -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("table", "good", "bad", "broken"),
    [
        # the wedge, of 60 degrees, narrows by 20 tan(30) up to the frame's upper face, whose wall leans by 20 / tan(60)
        ("stack.frame", "thickness = 20.0, angle = 60.1", "thickness = 20.0, angle = 59.9", "CUT.D.1"),
        ("stack.frame", "thickness = 11.4, angle = 85.0", "thickness = 11.399, angle = 85.0", "FRAME.H"),
        ("cut", "angle = 150.0", "angle = 150.001", "CUT.A.1"),
        ("cut", "depth_tolerance = 5.0", "depth_tolerance = 5.001", "CUT.O.1"),
    ],
)
def test_a_stack_or_a_cut_that_a_cap_does_not_bear_is_refused(
    tmp_path: Path, table: str, good: str, bad: str, broken: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    head, name = 'extends = "hermetic"\nname = "mine"\n', table.rpartition(".")
    for numbers in (good, bad):
        text = f"[cut]\n{numbers}\n" if table == "cut" else f"[{name[0]}]\n{name[2]} = {{ {numbers} }}\n"
        (folder / "pdk.toml").write_text(head + text, "utf-8")
        if numbers is good:
            discover.pdk(str(folder))
    with pytest.raises(PdkError, match=rf"{broken}: asks for") as raised:
        discover.pdk(str(folder))
    assert {p.place.rpartition(": ")[2] for p in raised.value.problems} == {f"ranges.{broken}"}


# what joins nothing in the netlist ----------------------------------------------------------------------------------
SHORTS = {
    "VE.N.1": ("inductor.spiral", {}, "wiring", ((-400.0, 1.0), (-60.0, 1.0))),
    "RF.N.1": ("resistor.meander", {}, "wiring", ((0.0, -400.0), (0.0, 400.0))),
    "DK.D.4": ("via_cover_wiring", {}, "bridge", ((-200.0, 0.0), (200.0, 0.0))),
}


@pytest.mark.parametrize("shape", ["square", "octagon", "circle"])
def test_turns_meet_wires_at_their_two_ends_only(shape: str) -> None:
    drawing = CELLS["inductor.spiral"](WIRED, shape=shape, inductance=4.0)
    ends = region(drawing, "wiring", WIRED).sized(1) & region(drawing, "coil", WIRED)
    assert ends.merged().count() == 2


@pytest.mark.parametrize("rule", SHORTS)
def test_a_track_over_what_the_netlist_does_not_know_is_found(rule: str) -> None:
    name, given, layer, (a, b) = SHORTS[rule]
    for more, found in ((False, 0), (True, 1)):
        drawing = Drawing("short")
        drawing.place(CELLS[name](WIRED, **given))
        if more:
            line = shapely.LineString([a, b]).buffer(5.0, cap_style="flat")
            drawing.polygon(layer, list(line.exterior.coords)[:-1])
        (result,) = [r for r in api.check(drawing, PDK, "wired").results if r.rule == rule]
        assert len(result.findings) == found


def test_a_spec_may_give_corners_as_arrays(tmp_path: Path) -> None:
    corners = [[0, 0], [900, 0], [900, 500.0], [0, 700]]
    walls = region(CELLS["frame"](PDK, outline=corners, cavities=[[[50, 50], [800, 50], [800, 400]]]), "frame")
    (ring,) = walls.each()
    assert ring.holes() == 1
    with pytest.raises(ParamError, match="outline"):
        CELLS["frame"](PDK, outline=[[0, "a"], [1, 2]])


# the seam, and the street -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("flow", ["basic", "wired"])
def test_the_wedge_reaches_beyond_the_seam_of_the_cover_as_a_section_shows_it(flow: str) -> None:
    """The height of the seam by the steps of the process, second metal and its dielectric included, not by [cut]."""
    pdk = PDK.in_flow(flow)
    drawing = Drawing("street")
    drawing.polygon("die", geom.span(-500, -100, 500, 100))
    drawing.polygon("cut_sure", geom.span(-7, -100, 7, 100))
    for layer in ("frame", "wiring", "bridge") if flow == "wired" else ("frame",):
        drawing.polygon(layer, geom.span(-500, -100, 500, 100))
    layout = gds.to_layout(drawing, pdk)
    made = section(layout, layout.top_cell(), pdk, flow, (-200.0, 0.0), (200.0, 0.0))
    (cover,) = [solid for solid in made.solids if solid.level == "cover"]
    seam, back = cover.heights[0], -pdk.stack["chip"].thickness
    assert pdk.cut is not None
    assert pdk.cut.below("seam") == pytest.approx(seam - back)
    hole = shapely.box(0, seam, 400, 1000) - cover.geometry
    (groove,) = [g for g in shapely.get_parts(hole) if g.bounds[1] < seam + 0.01]
    assert groove.bounds[3] - seam == pytest.approx(10.0)
    tip = groove.intersection(shapely.box(0, seam + 9.99, 400, 1000)).bounds
    assert tip[2] - tip[0] == pytest.approx(25.0, abs=0.1)


def test_without_a_street_it_is_what_the_wedge_may_touch() -> None:
    widest = 13 + (109 + 2) * math.tan(math.radians(30)) + 5 + 4  # tip, depth and its tolerance, place, chipping
    assert least_street(WIRED) == math.ceil(2 * widest)
    assert not [*too_narrow(WIRED, (least_street(WIRED),) * 2, "")]
    assert [*too_narrow(WIRED, (least_street(WIRED) - 1,) * 2, "")]
    assert least_street(PDK.in_flow("basic")) < least_street(WIRED)
    assert least_street(discover.pdk("post")) == 100.0
    assert spec.read(Path(__file__).parents[1] / "examples" / "duplexer_2in1.toml").street == (least_street(WIRED),) * 2


@pytest.mark.parametrize(
    ("profile", "width"),
    [
        ("v", lambda up: 60 + 2 * up * math.tan(math.radians(30))), ("vertical", lambda up: 60.0),
        ("u", lambda up: 2 * math.sqrt(up * (60 - up)) if up < 30 else 60.0),
    ],
)  # fmt: skip
def test_a_section_shows_the_cut_of_the_process(tmp_path: Path, profile: str, width: Callable[[float], float]) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "pdk.toml").write_text(
        f'''
extends = "hermetic"
name = "mine"
[stack]
frame = {{ angle = 90.0 }}
[cut]
kerf_min = 60.0
kerf_max = 60.0
profile = "{profile}"
''',
        "utf-8",
    )
    pdk = discover.pdk(str(folder)).in_flow("basic")
    assert pdk.cut is not None
    drawing = Drawing("street")
    drawing.polygon("die", geom.span(-500, -100, 500, 100))
    drawing.polygon("frame", geom.span(-500, -100, 500, 100))
    drawing.polygon("cut_sure", geom.span(-pdk.cut.removed, -100, pdk.cut.removed, 100))
    layout = gds.to_layout(drawing, pdk)
    made = section(layout, layout.top_cell(), pdk, "basic", (-200.0, 0.0), (200.0, 0.0))
    for level, height in (("chip", -40.0), ("chip", -1.0), ("frame", 10.0), ("cover", 26.0), ("cover", 34.5)):
        (solid,) = [solid for solid in made.solids if solid.level == level]
        (left, right) = solid.at(height)
        assert right[0] - left[1] == pytest.approx(width(35.0 - height), abs=0.05), (level, height)


def test_singulation_is_a_list_in_its_order() -> None:
    assert WIRED.cut is not None
    steps = cuts.singulation(WIRED.cut)
    assert [(step["order"], step.get("cut", step.get("layer"))) for step in steps] == [
        (1, "wedge"), (2, "rear"), (3, "saw"),
    ]  # fmt: skip
    assert [step.get("depth") for step in steps] == [109.0, None, None]
    assert steps[2]["kerf"] == [8.0, 10.0]


# the rim ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("flat", "inset"), [(32_500.0, 2000.0), (12_000.0, 3000.0), (57_500.0, 500.0)])
def test_the_rims_ring_follows_a_flat(flat: float, inset: float) -> None:
    """One ring, nowhere narrower than asked for, and as far from the wafer's edge all along."""
    drawn = region(CELLS["rim.seal"](PDK, flat=flat, inset=inset, width=1500.0), "frame")
    (ring,) = drawn.each()
    assert ring.holes() == 1
    outline = shapely.Polygon([(p.x / 1000, p.y / 1000) for p in ring.each_point_hull()])
    hole = shapely.Polygon([(p.x / 1000, p.y / 1000) for p in ring.each_point_hole(0)])
    edge = shapely.LinearRing(Rim(100_000.0, 0.0, "bottom", flat).outline())
    assert outline.distance(edge) == pytest.approx(inset, abs=1.0)
    assert outline.exterior.distance(hole) == pytest.approx(1500.0, abs=1.0)
    assert shapely.hausdorff_distance(hole.exterior, edge) < (inset + 1500.0) * 1.3  # sharper corners reach farther
