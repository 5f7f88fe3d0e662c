"""Cross-sections: intervals against KLayout, shapes of each step against closed forms, pictures to scale."""

from __future__ import annotations

import math
import random
import re
from copy import deepcopy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import klayout.db as kdb
import klayout.lay as lay
import pytest

import layoutgen as lg
from layoutgen import discover, gds, handover, tomlfile
from layoutgen.cli import run
from layoutgen.errors import InputError, OutputError, PdkError, UnknownNameError
from layoutgen.maskset import MaskSet
from layoutgen.pdk import Pdk, read
from layoutgen.report import section_picture, sections
from layoutgen.section import LONGEST, Section, Solid, section
from layoutgen.section.line import Line

HERE = Path(__file__).resolve().parent
CAPPED = HERE / "processes/capped"
Box = tuple[float, float, float, float]


def no_other(name: str) -> Path:
    raise UnknownNameError("PDK", name, ())


@pytest.fixture(scope="module")
def capped() -> Pdk:
    return read(CAPPED, no_other)


def drawn(pdk: Pdk, boxes: dict[str, list[Box]], circles: dict[str, list[tuple[float, float, float]]]) -> kdb.Layout:
    """Boxes and circles (diameter, x, y) by layer, um; circles without the guard."""
    d = lg.Drawing("T")
    for layer, some in boxes.items():
        for x0, y0, x1, y1 in some:
            d.polygon(layer, [(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    for layer, some_circles in circles.items():
        for diameter, x, y in some_circles:
            d.circle(layer, diameter - pdk.guard, (x, y))
    return gds.to_layout(d, pdk)


POST = (
    {
        "pad": [(-30.0, -30.0, 30.0, 30.0)],
        "polyimide": [(-20.0, -20.0, 20.0, 20.0)],
        "rdl": [(-40.0, -40.0, 200.0, 40.0)],
    },
    {"via": [(40.0, 150.0, 0.0)]},
)  # fmt: skip


def post(flow: str, y: float = 0.0, start: float = -100.0, end: float = 300.0) -> Section:
    pdk = lg.load_pdk("post")
    layout = drawn(pdk, *POST)
    return section(layout, layout.top_cell(), pdk, flow, (start, y), (end, y))


def only(found: Section, level: str) -> Solid:
    solid = found.level(level)
    assert solid is not None, [s.level for s in found.solids]
    return solid


def width(solid: Solid, height: float) -> float:
    ((left, right),) = solid.at(height)
    return right - left


def facet(radius: float) -> float:
    """By how much a circle's facets may change a chord: sagitta, and the database unit."""
    return radius * (1 - math.cos(math.pi / 128)) * 2 + 0.004


# along a line ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_intervals_are_those_of_klayout_at_any_angle(capped: Pdk, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  no secret
    layout = kdb.Layout()
    cell, layer = layout.create_cell("T"), layout.layer(5, 0)
    for _ in range(60):
        points = [kdb.Point(rng.randrange(-40_000, 40_000), rng.randrange(-40_000, 40_000)) for _ in range(5)]
        cell.shapes(layer).insert(kdb.Polygon(points))
    ends = [kdb.Point(rng.randrange(-30_000, 30_000), rng.randrange(-30_000, 30_000)) for _ in range(2)]
    if seed < 2:  # along an axis, through corners
        ends[1] = kdb.Point(ends[0].x, ends[1].y) if seed else kdb.Point(ends[1].x, ends[0].y)
    region = kdb.Region(cell.begin_shapes_rec(layer)).merged()
    line = Line(layout, cell, capped, ends[0], ends[1], 0.0)
    ours = line.cut("frame")
    theirs = kdb.Edges([kdb.Edge(*ends)]) & region
    assert sum(t - s for s, t in ours) == pytest.approx(sum(e.length() for e in theirs.each()) / 1000, abs=0.02)
    starts = sorted(min(e.p1.distance(ends[0]), e.p2.distance(ends[0])) / 1000 for e in theirs.merged().each())
    assert [s for s, _ in ours] == pytest.approx(starts, abs=0.01)


def test_a_line_through_corners_and_along_edges_counts_each_side_once(capped: Pdk) -> None:
    boxes = {"frame": [(0.0, 0.0, 10.0, 10.0), (20.0, -10.0, 30.0, 0.0), (40.0, -10.0, 50.0, 10.0)]}
    layout = drawn(capped, boxes, {})
    found = {}
    for y in (-10, 0, 5, 10):
        ends = kdb.Point(-5_000, y * 1000), kdb.Point(60_000, y * 1000)
        found[y] = Line(layout, layout.top_cell(), capped, *ends, 0.0).cut("frame")
    # what a line runs along lies on one side of it: here what is below
    assert found == {-10: [], 0: [(25, 35), (45, 55)], 5: [(5, 15), (45, 55)], 10: [(5, 15), (45, 55)]}


def test_the_same_whichever_way_it_is_turned(capped: Pdk) -> None:
    layout = drawn(capped, {"frame": [(0.0, -50.0, 60.0, 50.0)]}, {"hole": [(80.0, 30.0, 0.0)]})
    cell = layout.top_cell()
    straight = section(layout, cell, capped, "glued", (-100, 3), (160, 3))
    areas = {s.level: s.area for s in straight.solids}
    for angle in (90.0, 180.0, 30.0):
        turned = layout.dup()
        top = turned.cell(cell.name)
        turn = kdb.DCplxTrans(1.0, angle, False, kdb.DVector(17.0, -5.0))
        top.transform(turn)
        a, b = turn * kdb.DPoint(-100, 3), turn * kdb.DPoint(160, 3)
        found = section(turned, top, capped, "glued", (a.x, a.y), (b.x, b.y))
        assert {s.level: s.area for s in found.solids} == pytest.approx(areas, rel=1e-3), angle


@pytest.mark.parametrize(("end", "words"), [((0.5, 0.0), "1 to"), ((LONGEST + 1, 0.0), "20001")])
def test_a_line_of_no_length_or_too_long_is_refused(capped: Pdk, end: tuple[float, float], words: str) -> None:
    layout = drawn(capped, {"frame": [(0.0, 0.0, 10.0, 10.0)]}, {})
    with pytest.raises(InputError, match=words):
        section(layout, layout.top_cell(), capped, "glued", (0.0, 0.0), end)


def test_a_line_along_which_the_blade_takes_everything_is_refused(capped: Pdk) -> None:
    boxes = {layer: [(-20.0, -50.0, 20.0, 50.0)] for layer in ("frame", "cut_sure", "cut_maybe")}
    layout = drawn(capped, boxes, {})
    with pytest.raises(InputError, match=r"runs where the blade does; lay it beside or across the cut"):
        section(layout, layout.top_cell(), capped, "sawn", (0.0, -40.0), (0.0, 40.0))


def test_a_flow_without_steps_is_refused_and_an_unknown_one_too(capped: Pdk) -> None:
    layout = drawn(capped, {"frame": [(0.0, 0.0, 10.0, 10.0)]}, {})
    with pytest.raises(InputError, match=r"PDK 'capped': steps: has no steps for flow 'unknown'"):
        section(layout, layout.top_cell(), capped, "unknown", (0.0, 0.0), (9.0, 0.0))
    with pytest.raises(UnknownNameError, match="glue"):
        section(layout, layout.top_cell(), capped, "glue", (0.0, 0.0), (9.0, 0.0))


# posts ----------------------------------------------------------------------------------------------------------


def test_heights_of_a_plated_post() -> None:
    found = post("plated")
    heights = {s.level: s.heights for s in found.solids}
    assert heights == {
        "wafer": (-50, 0), "pad": (0, 1), "polyimide": (0, 5), "rdl": (1, 10), "polymer": (5, 110), "post": (10, 130),
        "bump": (110, 170),
    }  # fmt: skip
    assert [s.material for s in found.solids if s.level == "post"] == ["copper"]


@pytest.mark.parametrize("y", [0.0, 7.0, 19.0, 21.0])
def test_widths_of_a_flared_post_are_those_of_the_sized_via_on_any_line(y: float) -> None:
    """At each height the chord of a circle that grows by the flare, from the polymer's face down."""
    found = only(post("plated", y), "post")
    for height in (10.5, 35.0, 62.0, 85.0, 109.5):
        radius = 20 + 2.0 * (110 - height) / 100
        chord = 2 * math.sqrt(max(0.0, radius**2 - y**2))
        if chord:
            assert width(found, height) == pytest.approx(chord, abs=0.05), height
        else:
            assert found.at(height) == []


def test_area_of_a_flared_post_with_its_head() -> None:
    straight, head = 100 * (40 + 44) / 2, 40 * 20 + math.pi * 20**2 / 2
    assert only(post("plated"), "post").area == pytest.approx(straight + head, rel=1e-3)


def test_the_head_is_an_isotropic_overgrowth_beside_the_middle_too() -> None:
    found = only(post("plated", 30.0), "post")  # beside the via, through the head alone
    for height in (110.5, 115.0, 120.0):
        radius = 20 + math.sqrt(20**2 - (height - 110) ** 2)
        chord = 2 * math.sqrt(radius**2 - 30**2)
        assert width(found, height) == pytest.approx(chord, abs=0.05)
    assert found.heights[0] == pytest.approx(110)


@pytest.mark.parametrize(("flow", "top", "middle", "foot"), [
    ("plated", 40, 42, 44), ("plated_etched", 40, 40, 40), ("plated_drilled", 40, 37, 34),
    ("plated_positive", 40, 34, 40),
])  # fmt: skip
def test_profiles_of_the_via_by_flow(flow: str, top: float, middle: float, foot: float) -> None:
    found = only(post(flow), "post")
    widths = [width(found, height) for height in (109.999, 60.0, 10.001)]
    assert widths == pytest.approx([top, middle, foot], abs=facet(22))


def test_etch_back_bares_the_post_and_the_coat_is_as_thick_everywhere() -> None:
    found = post("plated_positive")
    assert only(found, "polymer").heights[1] == 80
    assert only(found, "polymer").thickness == 70
    coat = only(found, "coat")
    assert coat.heights == (pytest.approx(80), pytest.approx(132, abs=0.01))
    # round the head: flat on top, quarters of rings, quarters of discs below its rim; under it and down the shaft
    head = 2 * 40 + 2 * math.pi / 4 * (22**2 - 20**2) + 2 * math.pi / 4 * 2**2
    under, shaft = 2 * 20 * 2.0, 2 * math.hypot(30.0, 1.8) * 2.0
    assert coat.area == pytest.approx(head + under + shaft - 2 * 2.0 * 2.0, rel=0.01)


def test_metal_follows_the_step_into_an_opening() -> None:
    """As thick everywhere, round the polyimide's upper edges too."""
    found = only(post("plated"), "rdl")
    flat, floor = 5.0 * (20 + 180), 5.0 * 40  # on the polyimide, 5 high; on the pad, 1 high, up to 6
    # of the quarters of circles round the upper edges, what stands above 6
    rounds = 2 * (math.pi * 25 / 4 - (math.sqrt(24) / 2 + 12.5 * math.asin(1 / 5)))
    assert found.area == pytest.approx(flat + floor + rounds, abs=0.1)
    assert found.at(9.5)[0] == pytest.approx((60, 80 + math.sqrt(25 - 4.5**2)), abs=0.05)


def test_a_free_standing_post_is_straight_and_the_polymer_is_spread_around_it() -> None:
    found = post("freestanding")
    assert only(found, "post").area == pytest.approx(40 * 125 + 40, rel=2e-3)
    assert only(found, "polymer").area == pytest.approx(400 * 116 - 40 * 116 - 60, rel=2e-3)


# balls ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("y", [0.0, 60.0])
def test_a_ball_is_a_sphere_on_its_under_bump_metal(y: float) -> None:
    pdk = lg.load_pdk("wlcsp_500")
    layout = drawn(pdk, {}, {"pi2": [(200.0, 0.0, 0.0)], "ubm": [(240.0, 0.0, 0.0)], "ball": [(300.0, 0.0, 0.0)]})
    found = only(section(layout, layout.top_cell(), pdk, None, (-250, y), (250, y)), "ball")
    foot = 5 + 4 + 5 + 2  # polyimide, metal, polyimide, under-bump metal
    middle = foot + math.sqrt(150**2 - 120**2)
    assert found.heights[1] == pytest.approx(middle + math.sqrt(150**2 - y**2), abs=0.2)
    for height in (foot + 1.0, middle, middle + 100):
        radius = math.sqrt(150**2 - (height - middle) ** 2)
        assert width(found, height) == pytest.approx(2 * math.sqrt(radius**2 - y**2), abs=0.1)


# a cap ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cap(capped: Pdk) -> Section:
    """Two frames; between the first two, a via; beyond the last, the cut."""
    boxes = {
        "metal": [(-30.0, -30.0, 30.0, 30.0)],
        "frame": [(-100.0, -200.0, -60.0, 200.0), (60.0, -200.0, 100.0, 200.0), (200.0, -200.0, 360.0, 200.0)],
        "cut_sure": [(260.0, -200.0, 300.0, 200.0)], "cut_maybe": [(245.0, -200.0, 315.0, 200.0)],
    }  # fmt: skip
    circles = {"hole": [(100.0, 0.0, 0.0)], "contact": [(150.0, 0.0, 0.0)], "bead": [(80.0, 0.0, 0.0)]}
    layout = drawn(capped, boxes, circles)
    return section(layout, layout.top_cell(), capped, "glued", (-150, 0), (400, 0))


def test_walls_lean_by_their_angle(cap: Section) -> None:
    frame, cover = only(cap, "frame"), only(cap, "cover")
    for height in (0.001, 10.0, 19.999):
        lean = height / math.tan(math.radians(80))
        ours = [end for pair in frame.at(height)[:2] for end in pair]
        assert ours == pytest.approx([50 + lean, 90 - lean, 210 + lean, 250 - lean], abs=0.003), height
    for height in (20.001, 60.0, 119.999):
        radius = 50 - (120 - height) / math.tan(math.radians(75))
        left, right = cover.at(height)[:2]
        assert right[0] - left[1] == pytest.approx(2 * radius, abs=facet(50)), height


def test_a_closed_cavity_stays_empty_and_what_the_via_opens_is_lined(cap: Section) -> None:
    contact = only(cap, "contact")
    assert contact.at(10.0)[0][0] == pytest.approx(90 - 10 / math.tan(math.radians(80)), abs=0.003)
    assert all(t < 150 + 75.01 for s, t in contact.at(10.0))  # nothing between the second frame and the third
    slant = 8 / math.sin(math.radians(75))  # a film of 8 across a leaning wall, along a level line
    left = contact.at(60.0)[0]
    assert left[1] - left[0] == pytest.approx(slant, abs=0.01)
    assert contact.heights == (pytest.approx(0), pytest.approx(128))


def test_a_bead_rests_on_the_lined_wall(cap: Section) -> None:
    bead, contact = only(cap, "bead"), only(cap, "contact")
    assert bead.area == pytest.approx(math.pi * 40**2, rel=2e-3)
    assert bead.geometry.distance(contact.geometry) < 0.05
    assert bead.geometry.intersection(contact.geometry).area < 0.01


def test_a_wedge_is_as_wide_as_its_tip_and_angle_say_at_each_level(cap: Section) -> None:
    half = math.tan(math.radians(30))
    for level, height in (("chip", -49.9), ("chip", -0.1), ("frame", 10.0), ("cover", 25.0), ("cover", 29.9)):
        left, right = only(cap, level).at(height)[-2:]
        assert right[0] - left[1] == pytest.approx(25 + 2 * (30 - height) * half, abs=0.01), (level, height)
        assert (right[0] + left[1]) / 2 == pytest.approx(430, abs=0.005)
    assert only(cap, "cover").at(30.1)[-1][1] == pytest.approx(550)


def test_rear_metal_covers_every_slanted_edge(cap: Section) -> None:
    rear = only(cap, "rear")
    assert rear.heights == (pytest.approx(-60), pytest.approx(30))
    slant = 10 / math.cos(math.radians(30))
    walls = rear.at(-25.0)
    assert [t - s for s, t in walls] == pytest.approx([slant, slant], abs=0.02)
    for level, height in (("chip", -25.0), ("frame", 10.0)):  # metal begins where the level ends
        cut = only(cap, level).at(height)[-2:]
        metal = rear.at(height)
        assert (metal[0][0], metal[-1][1]) == (pytest.approx(cut[0][1], abs=0.01), pytest.approx(cut[1][0], abs=0.01))


def test_solids_never_overlap(cap: Section) -> None:
    for i, a in enumerate(cap.solids):
        for b in cap.solids[i + 1 :]:
            assert a.geometry.intersection(b.geometry).area < 1e-3, (a.level, b.level)


def test_a_cut_with_vertical_walls_has_the_width_that_it_states(capped: Pdk) -> None:
    layout = drawn(capped, {"cut_sure": [(-20.0, -50.0, 20.0, 50.0)], "cut_maybe": [(-35.0, -50.0, 35.0, 50.0)]}, {})
    found = section(layout, layout.top_cell(), capped, "sawn", (-60, 0), (60, 0))
    assert only(found, "chip").at(-20.0) == [pytest.approx((0, 45)), pytest.approx((75, 120))]
    assert found.touched == (pytest.approx((25, 95)),)


# every process that ships ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", discover.pdk_names())
def test_every_flow_that_ships_has_steps_for_its_stack(name: str) -> None:
    pdk = lg.load_pdk(name)
    layout = drawn(pdk, {"die": [(0.0, 0.0, 100.0, 100.0)]}, {})
    for flow in pdk.flows:
        found = section(layout, layout.top_cell(), pdk, flow, (0.0, 50.0), (100.0, 50.0))
        assert found.solids[0].area == pytest.approx(100 * -found.solids[0].heights[0])
        assert sections.kinds(pdk.in_flow(flow), flow)


# what a process may say -----------------------------------------------------------------------------------------


def refused(tmp_path: Path, change: dict[str, Any] | None, steps: list[dict[str, Any]] | None = None) -> str:
    raw = deepcopy(tomlfile.load(CAPPED / "pdk.toml", PdkError))
    if steps is not None:
        raw["steps"] = steps
    if change is not None:
        raw["steps"].append(change)
    with pytest.raises(PdkError) as error:
        problems(raw)
    return str(error.value)


def problems(raw: dict[str, Any]) -> None:
    from layoutgen.pdk.problems import problems_of

    pdk = tomlfile.validate(raw, Pdk, "pdk.toml", PdkError)
    if found := list(problems_of(pdk, "pdk.toml")):
        raise PdkError(found)


@pytest.mark.parametrize(("step", "message"), [
    ({}, "steps.10: must have one verb (base, add, lay, plate, cap, press, etch, saw), not none"),
    ({"add": "x", "saw": "cut_sure"}, "not add and saw"),
    ({"ad": "frame"}, "steps.10.ad: unknown key; did you mean 'add'?"),
    ({"add": "fram", "material": "glass"}, "steps.10.add: no level 'fram' in the stack; did you mean 'frame'?"),
    ({"add": "x", "thickness": 1, "material": "glas"}, "'glas' is none of [materials]; did you mean 'glass'?"),
    ({"add": "x", "thickness": "level.framed.thickness", "material": "glass"}, "did you mean 'level.frame.thickness'?"),
    ({"add": "x", "thickness": -1, "material": "glass"}, "steps.10.thickness: '-1' is -1; it must lie between 0"),
    ({"add": "x", "thickness": True, "material": "glass"}, "steps.10.thickness: must be a number, or an expression"),
    ({"add": "x", "thickness": 1, "material": "glass", "mask": "RX"}, "steps.10.mask: no mask 'RX'; known: RS"),
    ({"add": "x", "thickness": 1, "material": "glass", "open": "hol"}, "steps.10.open: no layer 'hol'; did you mean"),
    ({"add": "x", "thickness": 1, "material": "glass", "depth": 1}, "steps.10.depth: add takes no depth; it takes"),
    ({"add": "x", "thickness": 1, "material": "glass", "on": ["frame"]}, "steps.10.on: needs top = 'conformal'"),
    ({"add": "x", "thickness": 1, "material": "glass", "side": "rear"}, "from the rear needs top = 'conformal'"),
    ({"add": "x", "thickness": 1, "material": "glass", "where": "hole", "open": "hole"}, "where says where already"),
    ({"add": "x", "thickness": 1, "material": "glass", "where": "hole", "profile": [1]}, "two offsets at least"),
    ({"add": "x", "thickness": 1, "material": "glass", "profile": [1, 0]}, "needs mask, where or open"),
    ({"add": "x", "thickness": 1, "material": "glass", "where": "hole", "angle": 0}, "must lie between 1 and 179"),
    ({"add": "x", "thickness": 1, "material": "glass", "over": "rear", "flows": ["glue"]}, "no flow 'glue'; did you"),
    ({"add": "x", "thickness": 1, "material": "glass", "over": "rear"}, "is made before, in flow 'sawn'; known: chip"),
    ({"add": "chip"}, "steps.10.add: flow 'glued' makes 'chip' already"),
    ({"base": "glass", "material": "glass"}, "steps.10.base: flow 'glued' has a base already"),
    ({"plate": "x", "thickness": 1, "material": "glass", "where": "hole"}, "steps.10.through: is missing"),
    ({"cap": "x", "material": "glass"}, "steps.10.where: is missing; add it"),
    ({"etch": ["chip"], "where": "hole"}, "steps.10.depth: give depth, or to"),
    ({"etch": ["chip"], "depth": "1 / 0"}, "steps.10.depth: '1 / 0' in '1 / 0' has no finite value"),
    ({"saw": "cut_sure", "tip": 5}, "steps.10.tip: a wedge has an angle and a tip"),
    ({"saw": "cut_sure", "tip": 5, "angle": 60}, "steps.10.into: a wedge ends in a level"),
    ({"saw": "frame", "width": 5}, "steps.10.saw: a wedge or a width needs cut_sure or cut_maybe"),
    ({"saw": "cut_sure", "depth": 5}, "steps.10.into: is missing"),
])  # fmt: skip
def test_a_wrong_step_is_said_with_its_place(tmp_path: Path, step: dict[str, Any], message: str) -> None:
    assert message in refused(tmp_path, step)


def test_the_first_step_is_a_base(tmp_path: Path) -> None:
    assert "steps.0: the first step of flow 'glued' must be a base" in refused(tmp_path, None, [{"add": "frame"}])


def test_a_material_has_a_color(tmp_path: Path) -> None:
    raw = tomlfile.load(CAPPED / "pdk.toml", PdkError)
    raw["materials"]["glass"] = {"color": "blue"}
    with pytest.raises(PdkError, match=r"materials.glass.color"):
        problems(raw)


# pictures -------------------------------------------------------------------------------------------------------


def paths(svg: Path) -> dict[str, Box]:
    """The largest shape of each colour in a picture: its box, y upward."""
    root = ElementTree.parse(svg).getroot()  # noqa: S314  ours
    out: dict[str, Box] = {}
    for path in root.iter("{http://www.w3.org/2000/svg}path"):
        numbers = [tuple(map(float, pair.split(","))) for pair in re.findall(r"[-\d.]+,[-\d.]+", path.get("d", ""))]
        xs, ys = [x for x, _ in numbers], [-y for _, y in numbers]
        out.setdefault(path.get("fill", ""), (min(xs), min(ys), max(xs), max(ys)))
    return out


@pytest.mark.parametrize("stretch", [1.0, 3.0])
def test_a_picture_is_to_scale_and_says_how(tmp_path: Path, cap: Section, stretch: float) -> None:
    file = tmp_path / "cap.svg"
    lg.write_section(cap, file, title="a & b <c>", stretch=stretch)
    shown = paths(file)
    glass, quartz = shown["#d5e8f2"], shown["#c9c2d6"]
    scale = (quartz[2] - quartz[0]) / 550
    assert (glass[3] - glass[1]) / scale == pytest.approx(100 * stretch, rel=2e-3)
    words = [t.text or "" for t in ElementTree.parse(file).getroot().iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314
    assert "a & b <c>" in words
    assert "cover 100 um" in words
    assert "glass" in words
    assert any("heights 1:1" in w if stretch == 1 else "heights stretched 3:1, not to scale" in w for w in words)
    bar = next(float(w.removesuffix(" um")) for w in words if re.fullmatch(r"\d+ um", w))
    ink = re.findall(r'd="M30\.00,[\d.]+ 30\.00,[\d.]+ ([\d.]+)', file.read_text("utf-8"))
    assert any(float(x) - 30 == pytest.approx(bar * scale, abs=0.1) for x in ink)


def test_a_png_shows_each_material_in_its_colour_where_it_lies(tmp_path: Path, cap: Section) -> None:
    lg.write_section(cap, tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.svg")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    picture = lay.PixelBuffer.read_png(str(tmp_path / "a.png"))
    shown = paths(tmp_path / "c.svg")
    left, bottom, _, top = shown["#d5e8f2"]
    assert picture.pixel(round(left + 20), round(-(bottom + top) / 2)) & 0xFFFFFF == 0xD5E8F2
    left, bottom, _, top = shown["#c9c2d6"]
    assert picture.pixel(round(left + 20), round(-(bottom + top) / 2)) & 0xFFFFFF == 0xC9C2D6


def test_another_ending_is_refused_and_what_stood_there_stays(tmp_path: Path, cap: Section) -> None:
    (tmp_path / "x.pdf").write_text("mine")
    with pytest.raises(OutputError, match=r"\.png or \.svg"):
        section_picture.draw(cap, tmp_path / "y.png", tmp_path / "x.pdf")
    assert [p.name for p in tmp_path.iterdir()] == ["x.pdf"]
    with pytest.raises(ValueError, match=r"0\.1 to 100"):
        lg.write_section(cap, tmp_path / "y.png", stretch=0)


# the command line and builds ------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    pdk = lg.load_pdk("post")
    gds.save(drawn(pdk, *POST), tmp_path / "posts.gds")
    return tmp_path / "posts.gds"


def test_the_command_draws_a_file_and_prints_areas(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [file.with_name("s.png"), file.with_name("s.svg")]
    arguments = ["section", str(file), "--pdk", "post", "--from", "-100,0", "--to", "300,0"]
    assert run([*arguments, "-o", str(pictures[0]), "-o", str(pictures[1])]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^wafer +20000\.00 um2 +from -50 to 0 um +silicon$", out, re.MULTILINE)
    assert pictures[0].read_bytes().startswith(b"\x89PNG")
    assert "polymer 100 um" in pictures[1].read_text("utf-8")


@pytest.mark.parametrize(("arguments", "message"), [
    (["--from", "0", "--to", "1,1"], "--from"),
    (["--from", "0,0", "--to", "9e5,1"], "lies beyond 500000 um"),
    (["--from", "900,0", "--to", "990,1"], "beyond all that is drawn; move it onto the wafer"),
    (["--from", "0,0", "--to", "0.1,0"], "must be 1 to"),
    (["--from", "0,0", "--to", "nan,0"], "2 numbers"),
    (["--from", "0,0", "--to", "9,0", "--flow", "platd"], "did you mean 'plated'?"),
    (["--from", "0,0", "--to", "9,0", "--stretch", "0"], "--stretch"),
    (["--from", "0,0", "--to", "9,0", "--top", "X"], "no cell 'X'"),
])  # fmt: skip
def test_the_command_refuses_in_one_line(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    picture = file.with_name("s.png")
    picture.write_text("mine")
    assert run(["section", str(file), "--pdk", "post", "-q", "-o", str(picture), *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert picture.read_text() == "mine"


def test_a_build_has_a_section_for_each_kind_of_via_and_of_the_cut(small: MaskSet, tmp_path: Path) -> None:
    of = handover._sections(small)
    assert [line.name for line in of] == ["pi1", "pi2", "cut"]
    written = [*sections.write(of, small.layout, small.pdk, small.flow, tmp_path)]
    assert written == [f"sections/{n}.{e}" for n in ("pi1", "pi2", "cut") for e in ("png", "svg")]
    assert all((tmp_path / name).stat().st_size for name in written)
    shown = {
        line.name: section(small.layout, small.layout.top_cell(), small.pdk, small.flow, line.start, line.end)
        for line in of
    }
    opening = only(shown["pi1"], "pi1").at(2.5)  # the pad's opening in the middle of the picture
    assert (opening[0][1] + opening[1][0]) / 2 == pytest.approx(shown["pi1"].length / 2, abs=0.01)
    assert only(shown["pi2"], "ball").area > 1000
    assert only(shown["pi2"], "ubm").thickness == 2
    kerf = only(shown["cut"], "wafer").at(-10.0)
    assert kerf[1][0] - kerf[0][1] == pytest.approx(2 * (32 / 2 - 5), abs=0.002)
    assert shown["cut"].touched[0][1] - shown["cut"].touched[0][0] == pytest.approx(2 * (42 / 2 + 5 + 10), abs=0.002)
    text = sections.markdown(of)
    assert all(f"({line.files[0]})" in text for line in of)
    assert lg.cross_section(small, of[0].start, of[0].end) == shown["pi1"]
