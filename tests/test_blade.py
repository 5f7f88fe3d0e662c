"""What a blade takes at each depth, with shapely as the witness; the process's table of it, and what is drawn."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import klayout.db as kdb
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_pdk import plain

import layoutgen as lg
from layoutgen import gds
from layoutgen.blade import Blade
from layoutgen.cell import Drawing
from layoutgen.checked import Dies, prepare
from layoutgen.cuts import COLUMNS, STEPS, SawCut, check_cuts, csv_text, cut_list
from layoutgen.errors import PdkError, SpecError
from layoutgen.kerf import Step, too_narrow
from layoutgen.pdk import Pdk, read
from layoutgen.wafer import Rim, lay_grid

WEDGE = {"kerf_min": 24.0, "kerf_max": 26.0, "tolerance": 5.0, "profile": "v", "angle": 60.0, "depth": 80.0}


def test_the_wedge_of_the_source() -> None:
    """Tip 25, 60 degrees, 80 deep: 117 wide where it enters."""
    blade = Blade(**WEDGE)
    assert blade.width(0.0) == pytest.approx(25 + 2 * 80 * math.tan(math.radians(30)))
    assert round(blade.width(0.0)) == 117
    assert blade.width(80.0) == 25.0
    assert blade.width(80.001) == 0.0
    assert blade.ratio == pytest.approx(80 / (24 + 160 * math.tan(math.radians(30))))


def test_vertical_walls_take_as_much_at_each_depth() -> None:
    through = Blade(kerf_min=55.0, kerf_max=65.0, tolerance=5.0, chipping=10.0)
    assert (through.removed, through.touched) == (22.5, 47.5)
    assert {(through.sure(d), through.maybe(d)) for d in (0.0, 80.0, 700.0)} == {(22.5, 47.5)}
    deep = Blade(kerf_min=55.0, kerf_max=65.0, tolerance=5.0, chipping=10.0, depth=100.0, depth_tolerance=2.0)
    assert [deep.sure(d) for d in (0.0, 98.0, 98.001, 102.0)] == [22.5, 22.5, 0.0, 0.0]
    assert [deep.maybe(d) for d in (0.0, 98.001, 102.0, 102.001)] == [47.5, 47.5, 47.5, 0.0]


def groove(shape: str, kerf: float, angle: float, deep: float) -> shapely.Polygon:
    """The groove in the plane across it, the face at 0, as a tool of that form leaves it."""
    if shape == "v":
        half = kerf / 2 + deep * math.tan(math.radians(angle / 2))
        return shapely.Polygon([(-kerf / 2, -deep), (kerf / 2, -deep), (half, 0), (-half, 0)])
    if shape == "u":
        ball = shapely.Point(0, kerf / 2 - deep).buffer(kerf / 2, quad_segs=512)
        return shapely.union(ball, shapely.box(-kerf / 2, kerf / 2 - deep, kerf / 2, 1e4)) & shapely.box(
            -1e4, -1e4, 1e4, 0
        )
    return shapely.box(-kerf / 2, -deep, kerf / 2, 0)


@settings(max_examples=60)
@given(
    shape=st.sampled_from(["vertical", "v", "u"]), kerf=st.sampled_from([(24.0, 26.0), (30.0, 30.0)]),
    angle=st.tuples(st.sampled_from([30.0, 60.0, 150.0]), st.sampled_from([0.0, 3.0])),
    deep=st.tuples(st.sampled_from([20.0, 87.5]), st.sampled_from([0.0, 4.0])),
    place=st.sampled_from([0.0, 5.0]), below=st.sampled_from([0.0, 5.0, 15.0, 19.0, 50.0, 86.0]),
)  # fmt: skip
def test_sure_is_in_all_grooves_that_may_be_and_maybe_in_any(
    shape: str,
    kerf: tuple[float, float],
    angle: tuple[float, float],
    deep: tuple[float, float],
    place: float,
    below: float,
) -> None:
    more: dict[str, Any] = {"angle": angle[0], "angle_tolerance": angle[1]} if shape == "v" else {}
    blade = Blade(
        kerf_min=kerf[0], kerf_max=kerf[1], tolerance=place, profile=shape,
        depth=deep[0], depth_tolerance=deep[1], **more,
    )  # fmt: skip
    spans = []
    for k in kerf:
        for a in (angle[0] - angle[1], angle[0] + angle[1]):
            for d in (deep[0] - deep[1], deep[0] + deep[1]):
                for x in (-place, 0.0, place):
                    cut = shapely.intersection(
                        groove(shape, k, a, d), shapely.LineString([(-1e4, -below), (1e4, -below)])
                    )
                    left, _, right, _ = cut.bounds if not cut.is_empty else (1e9, 0, -1e9, 0)
                    spans.append((left + x, right + x))
    sure = max(0.0, min(min(-left, right) for left, right in spans))
    maybe = max(max(-left, right) for left, right in spans)
    assert blade.sure(below) == pytest.approx(sure, abs=1e-3)
    assert blade.maybe(below) == pytest.approx(max(0.0, maybe), abs=1e-3)


# the process's table ---------------------------------------------------------------------------------------------

LEVELS = ("back", "face", "seam")
RESERVED = 'die = { gds = [200, 0], title = "die" }\nstreet = { gds = [200, 1], title = "street" }\n' + "\n".join(
    f'"{name}{at}" = {{ gds = [{201 + k}, {n}], title = "cut" }}'
    for k, name in enumerate(("cut_sure", "cut_maybe"))
    for n, at in enumerate(["", *(f"@{level}" for level in LEVELS)])
)
STACK = """
[stack]
chip = { thickness = 50.0 }
frame = { thickness = 20.0 }
cover = { thickness = 100.0 }
rear = { thickness = 15.0 }
"""
CUT = """
[cut]
name = "wedge"
kerf_min = 24.0
kerf_max = 26.0
tolerance = 5.0
profile = "v"
angle = 60.0
depth = "level.chip.thickness + level.frame.thickness + 10"
depth_tolerance = 2.0
side = "rear"
levels = { back = 0.0, face = "level.chip.thickness", seam = "level.chip.thickness + level.frame.thickness" }

[[cut.then]]
layer = "rear"

[[cut.then]]
cut = { name = "saw", kerf_min = 10.0, kerf_max = 12.0, tolerance = 2.0, side = "rear" }
"""
RANGES = """
[ranges]
"CUT.R.1" = { value = "cut.wedge.ratio", at_most = 3.0, unit = "", why = "w", source = "s" }
"CUT.A.1" = { value = "cut.wedge.angle", at_most = 150.0, unit = "degrees", why = "w", source = "s" }
"CUT.O.1" = { value = "cut.seam.height", at_least = 8.0, why = "w", source = "s" }
"CUT.O.2" = { value = "cut.seam.sure - cut.saw.maybe", at_least = 3.0, why = "w", source = "s" }
"""
LAYERS = 'rdl = { gds = [1, 0], title = "metal" }\nframe = { gds = [2, 0], title = "frame" }'
LEFT = 'left = { expression = "frame - cut_maybe@face" }'


def process(folder: Path, change: Callable[[str], str] = lambda text: text) -> Pdk:
    folder = folder / "tiny"
    folder.mkdir(exist_ok=True)
    text = plain(LAYERS, RESERVED, LEFT) + STACK + CUT + RANGES + "[rules]\n"
    (folder / "pdk.toml").write_text(change(text), "utf-8")
    return read(folder, lambda _: folder)


def test_the_table_gives_each_level_its_width(tmp_path: Path) -> None:
    pdk = process(tmp_path)
    cut = pdk.cut
    assert cut is not None
    tan = math.tan(math.radians(30))
    assert cut.bands() == pytest.approx({
        "cut_sure": 7.0, "cut_maybe": 18 + 82 * tan,
        "cut_sure@back": 7 + 78 * tan, "cut_maybe@back": 18 + 82 * tan,
        "cut_sure@face": 7 + 28 * tan, "cut_maybe@face": 18 + 32 * tan,
        "cut_sure@seam": 7 + 8 * tan, "cut_maybe@seam": 18 + 12 * tan,
    })  # fmt: skip
    assert pdk.number("cut.face.maybe") == pytest.approx(18 + 32 * tan)
    assert pdk.number("cut.face.width") == pytest.approx(25 + 60 * tan)
    assert pdk.number("cut.seam.height") == 8.0
    assert pdk.number("cut.saw.maybe") == 8.0
    assert [blade.name for blade in cut.passes] == ["wedge", "saw"]
    assert list(too_narrow(pdk, (131.0, 131.0), "f")) == []
    (problem,) = too_narrow(pdk, (130.6, 131.0), "f")
    assert "may touch 130.685, where pass 'wedge' is widest" in str(problem)


WRONG = {
    "no angle": ('angle = 60.0\n', "", ["cut.angle: is missing"]),
    "an angle of walls that are none": ('profile = "v"', 'profile = "u"', ["cut.angle: is of a V"]),
    "no depth": ('depth = "level.chip.thickness + level.frame.thickness + 10"\n', "",
                 ["cut.depth: is missing; what a V takes", "cut.depth_tolerance: needs depth",
                  "cut.depth: is missing; what is cut at a level"]),
    "an unknown thickness": ('back = 0.0', 'back = "level.chap.thickness"',
                             ["cut.levels.back: ", "level.chip.thickness"]),
    "a circle": ('back = 0.0', 'back = "cut.face.width"', ["cut.levels.back: ", "[cut]"]),
    "a depth above the face": ('back = 0.0', 'back = "0 - level.chip.thickness"', ["cut.levels.back: ", "not below 0"]),
    "a level without layers": ('back = 0.0', 'top = 0.0', ["'cut_sure@top'", "'cut_maybe@top'", "cut_sure@back: only"]),
    "another layer at a level": ('"cut_maybe@seam"', '"die@seam"', ["reserved.die@seam: only", "'cut_maybe@seam'"]),
    "no plain name of a layer": ('"cut_maybe@seam"', '"cut maybe@seam"', ["'cut maybe@seam' is no plain name"]),
    "two of a name": ('name = "saw"', 'name = "wedge"', ["cut: 'wedge' names two passes"]),
    "a step that is two": ('layer = "rear"', 'layer = "rear"\ncut = { kerf_min = 9.0, kerf_max = 9.0, tolerance = 0 }',
                           ["cut.then.0: give either"]),
    "a step of no level": ('layer = "rear"', 'layer = "reer"', ["cut.then.0.layer: no level 'reer'", "'rear'"]),
    "a tip without a middle": ('kerf_min = 10.0', 'kerf_min = 4.0', ["cut.then.1.cut: kerf_min must not exceed"]),
    "a depth of nothing": ('depth_tolerance = 2.0', 'depth_tolerance = 80.0', ["cut.depth: must exceed"]),
    "a key that is none": ('side = "rear"\nlevels', 'sides = "rear"\nlevels', ["cut.sides: unknown key", "side"]),
    "a groove too deep for its width": ('profile = "v"\nangle = 60.0', 'profile = "vertical"',
                        ["cut.wedge.ratio <= 3, which is 3.41667 ("]),
    "walls too flat": ('angle = 60.0', 'angle = 151.0',
                        ["<= 150 degrees, which is 151 degrees ("]),
    "a seam too near the tip": ('depth_tolerance = 2.0', 'depth_tolerance = 2.001', ["CUT.O.1: asks for", "7.999"]),
    "a second cut too wide": ('kerf_max = 12.0', 'kerf_max = 14.0', ["CUT.O.2: asks for"]),
    "a number of no level": ('"cut.seam.height"', '"cut.seem.height"', ["no number 'cut.seem.height'"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_its_place(name: str, tmp_path: Path) -> None:
    old, new, said = WRONG[name]
    before = plain(LAYERS, RESERVED, LEFT) + STACK + CUT + RANGES
    assert old in before
    with pytest.raises(PdkError) as raised:
        process(tmp_path, lambda text: text.replace(old, new, 1))
    assert all(text in str(raised.value) for text in said), str(raised.value)


def test_a_flow_may_cut_otherwise(tmp_path: Path) -> None:
    pdk = process(tmp_path, lambda text: text.replace("draws = []\n", "draws = []\ncut = { angle = 90.0 }\n"))
    assert pdk.number("cut.back.width") == pytest.approx(25 + 160 * math.tan(math.radians(30)))
    assert pdk.in_flow("one").number("cut.back.width") == pytest.approx(25 + 160)


# what is drawn ---------------------------------------------------------------------------------------------------


def test_a_file_of_others_gets_the_cut_at_each_level(tmp_path: Path) -> None:
    pdk = process(tmp_path)
    layout = kdb.Layout()
    layout.create_cell("TOP").shapes(layout.layer(1, 0)).insert(kdb.DBox(0, 0, 10, 10))
    dies = Dies((0.0, 0.0, 1000.0, 800.0), step=(1200.0, 1000.0), count=(3, 2))
    cell, _ = prepare(layout, Path("f"), pdk, top="", dies=dies, ignore=None)
    cut = pdk.cut
    assert cut is not None
    for name, half in cut.bands().items():
        lines = [shapely.box(x - half, -100 - half, x + half, 1900 + half) for x in range(-100, 3501, 1200)]
        lines += [shapely.box(-100 - half, y - half, 3500 + half, y + half) for y in range(-100, 1901, 1000)]
        there = kdb.Region(cell.begin_shapes_rec(layout.layer(*pdk.gds(name)))).merged()
        assert there.area() / 1e6 == pytest.approx(shapely.union_all(lines).area, rel=5e-5), (
            name
        )  # bands lie on the grid
    left = pdk.region("left", lambda n: kdb.Region(cell.begin_shapes_rec(layout.layer(*pdk.gds(n)))))
    assert left.is_empty()


WEDGED = """
name = "wedged"
title = "Chips in balls, parted by a wedge"
source = "test"
extends = "wlcsp_500"

[reserved]
"cut_sure@face" = { gds = [200, 12], title = "cut" }
"cut_maybe@face" = { gds = [200, 13], title = "cut" }

[cut]
kerf_min = 24.0
kerf_max = 26.0
tolerance = 1.0
chipping = 0.0
profile = "v"
angle = 30.0
depth = DEPTH
side = "rear"
levels = { face = 50.0 }
then = [{ cut = { name = "saw", kerf_min = 10.0, kerf_max = 12.0, tolerance = 2.0 } }]
"""


def test_a_build_draws_it_and_lists_all_passes(
    spec_file: Callable[..., Path], user_pdk: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = spec_file(('"wlcsp_500"', '"wedged"'))
    monkeypatch.chdir(path.parent)
    user_pdk("wedged", WEDGED.replace("DEPTH", "150.0"))
    with pytest.raises(SpecError, match=r"wafer.street: the street in x is 100 um, .* touch 108.38.*'blade' is widest"):
        lg.build("small.toml")
    user_pdk("wedged", WEDGED.replace("DEPTH", "80.0"))
    built = lg.build("small.toml")
    (result,) = [r for r in built.report.results if r.rule == "CUTS"]
    assert result.findings == ()
    cut = built.pdk.cut
    assert cut is not None
    there = {n: kdb.Region(built.layout.top_cell().begin_shapes_rec(built.layout.layer(*built.pdk.gds(n)))).merged()
             for n in ("cut_sure@face", "cut_maybe@face", "die")}  # fmt: skip
    assert (there["cut_sure@face"] - there["cut_maybe@face"]).is_empty()
    assert (there["cut_maybe@face"] & there["die"]).is_empty()
    for name in ("cut_sure@face", "cut_maybe@face"):
        x = min(abs(e.x1) for e in there[name].edges().each() if e.dx() == 0)
        lines = [c.centre for c in built.cuts if c.along == "y"]
        assert x / 1000 == pytest.approx(min(abs(abs(v) - cut.bands()[name]) for v in lines), abs=1e-3)
    rows = list(csv.DictReader(io.StringIO(csv_text(built.cuts, cut))))
    assert tuple(rows[0]) == (*COLUMNS, *STEPS)
    half = len(rows) // 2
    assert [r["step"] for r in rows] == ["blade"] * half + ["saw"] * half
    assert {r["pass"] for r in rows[:half]} == {"1", "2"}
    assert {r["pass"] for r in rows[half:]} == {"3", "4"}
    assert (rows[0]["kerf_max"], rows[-1]["kerf_max"]) == ("26.000", "12.000")
    assert [rows[k][key] for k in (0, -1) for key in ("side", "profile", "angle", "depth")] == [
        "rear", "v", "30", "80.000", "front", "vertical", "", "0.000"]  # fmt: skip

    def notes(cuts: tuple[SawCut, ...], **changed: object) -> set[str]:
        found = gds.fetch(built.layout, built.pdk, built.layout.top_cell())
        return {f.note for f in check_cuts(cuts, cut.model_copy(update=changed), built.spec.street, found).findings}

    assert notes(built.cuts[:-1]) == {"no cut runs along the whole of this side of the die by pass 'saw'"}
    deeper = {"face": 50.1}
    assert notes(built.cuts, levels=deeper) == {"drawn as removed at level face, and no cut surely takes it"}


def test_what_comes_before_a_pass_is_in_the_list(tmp_path: Path) -> None:
    pdk = process(tmp_path)
    assert pdk.cut is not None
    step = Step(Drawing("FULL"), Drawing("EMPTY"), (-75.0, -75.0, 3075.0, 3075.0), (3000.0, 3000.0))
    rim = Rim(40_000.0, 2_000.0, "bottom")
    cuts = cut_list(pdk.cut, rim, lay_grid(rim, step, "street", 2, "spec"), step)
    rows = list(csv.DictReader(io.StringIO(csv_text(cuts, pdk.cut))))
    assert {(r["step"], r["after"], r["side"]) for r in rows} == {("wedge", "", "rear"), ("saw", "rear", "rear")}
    assert [c.number for c in cuts] == list(range(1, len(cuts) + 1))
