"""Caps on the wafer: cones by trigonometry, walls by their areas, rings around vias, the wedge and the rim."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import pytest
import shapely

from layoutgen import api, cuts, discover, gds, geom, spec
from layoutgen.cell import Drawing
from layoutgen.errors import ParamError, PdkError
from layoutgen.kerf import least_street, too_narrow
from layoutgen.pdk import Pdk
from layoutgen.section import section
from layoutgen.wafer import Rim

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
    drawn = region(CELLS["rim.seal"](PDK, flat=flat, inset=inset, width=1500.0), "rim")
    (ring,) = drawn.each()
    assert ring.holes() == 1
    outline = shapely.Polygon([(p.x / 1000, p.y / 1000) for p in ring.each_point_hull()])
    hole = shapely.Polygon([(p.x / 1000, p.y / 1000) for p in ring.each_point_hole(0)])
    edge = shapely.LinearRing(Rim(100_000.0, 0.0, "bottom", flat).outline())
    assert outline.distance(edge) == pytest.approx(inset, abs=1.0)
    assert outline.exterior.distance(hole) == pytest.approx(1500.0, abs=1.0)
    assert shapely.hausdorff_distance(hole.exterior, edge) < (inset + 1500.0) * 1.3  # sharper corners reach farther
