"""A wafer of frames under covers, parted by a wedge: each defect is found by the rule meant for it, at its place, from
one unit beyond the limit; nothing is found on a wafer without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import pytest
from tiny_pdk import plain

from layoutgen import discover
from layoutgen.checked import Dies, prepare
from layoutgen.drc.run import check_layout
from layoutgen.findings import Finding, Status
from layoutgen.pdk import Pdk
from layoutgen.units import dbu

LAYERS = """
structure = { gds = [1, 0], title = "Component structures" }
frame = { gds = [5, 0], title = "Frame and branches" }
wiring = { gds = [10, 0], title = "Wiring level" }
ground = { gds = [10, 1], title = "Ground conductor of the wiring level" }
cover_via = { gds = [20, 0], title = "Opening of the cover" }
contact = { gds = [22, 0], title = "Underside metal" }
"""
LEVELS = ("back", "face", "seam", "wiring")
RESERVED = '\n'.join([
    'die = { gds = [200, 0], title = "die" }',
    *(f'"{name}{at}" = {{ gds = [{201 + k}, {n}], title = "cut" }}'
      for k, name in enumerate(("cut_sure", "cut_maybe")) for n, at in enumerate(["", *(f"@{x}" for x in LEVELS)])),
])  # fmt: skip
DERIVED = """
wiring_all = { expression = "wiring | ground" }
within = { expression = "structure | cover_via" }
frame_top = { expression = "size(frame, -2)" }
"""
REST = """
[stack]
chip = { thickness = 50.0 }
frame = { thickness = 20.0 }
adhesive = { thickness = 5.0 }
rear = { thickness = 15.0 }

[cut]
name = "wedge"
kerf_min = 24.0
kerf_max = 26.0
tolerance = 5.0
chipping = 4.0
profile = "v"
angle = 60.0
depth = "level.chip.thickness + level.frame.thickness + level.adhesive.thickness + 10"
depth_tolerance = 2.0
side = "rear"
then = [{ layer = "rear" }, { cut = { name = "saw", kerf_min = 8.0, kerf_max = 10.0, tolerance = 2.0 } }]

[cut.levels]
back = 0.0
face = "level.chip.thickness"
wiring = "level.chip.thickness + level.frame.thickness"
seam = "level.chip.thickness + level.frame.thickness + level.adhesive.thickness"

[ranges]
"CUT.R.1" = { value = "cut.wedge.ratio", at_most = 3.0, unit = "", why = "w", source = "s" }
"CUT.O.1" = { value = "cut.seam.height", at_least = 8.0, why = "w", source = "s" }
"CUT.O.2" = { value = "cut.seam.sure - cut.saw.maybe", at_least = 3.0, why = "w", source = "s" }

[rules."FRAME.R.1"]
check = "closed_ring"
layers = ["frame", "within"]
limit = 35.0
merged = true
after_cut = "cut_maybe@face"
why = "w"
source = "s"

[rules."FRAME.R.2"]
check = "closed_ring"
layers = ["frame_top", "within"]
limit = 35.0
merged = true
after_cut = "cut_maybe@seam"
why = "w"
source = "s"

[rules."BS.K.1"]
check = "separation"
layers = ["structure", "cut_maybe@face"]
limit = 45.0
why = "w"
source = "s"

[rules."CONTACT.L.1"]
check = "sealed"
layers = ["structure", "frame", "cover_via", "contact"]
limit = 10.0
after_cut = "cut_sure@face"
why = "w"
source = "s"

[rules."WIRING.K.1"]
check = "reaches_cut"
layers = ["wiring_all", "ground", "cut_maybe@wiring", "cut_sure@wiring"]
why = "w"
source = "s"
"""
WIDTH, HEIGHT, STREET = 1_000_000, 800_000, 150_000
COLUMNS, ROWS = 9, 7
BAD = (4, 3)
Shapes = dict[str, kdb.Region]


@pytest.fixture(scope="module")
def pdk(tmp_path_factory: pytest.TempPathFactory) -> Pdk:
    folder = tmp_path_factory.mktemp("pdk") / "tiny"
    folder.mkdir()
    text = plain(LAYERS, RESERVED, DERIVED).replace('metal = "rdl"', 'metal = "wiring"').replace(
        'connect = { metal = "wiring"', 'connect = { metal = "wiring_all"')  # fmt: skip
    (folder / "pdk.toml").write_text(text + REST, "utf-8")
    return discover.pdk(str(folder))


def band(pdk: Pdk, name: str) -> int:
    assert pdk.cut is not None
    return dbu(pdk.cut.bands()[name])


def region(*boxes: tuple[int, int, int, int]) -> kdb.Region:
    return kdb.Region([kdb.Box(*b) for b in boxes])


def component(pdk: Pdk) -> Shapes:
    """A component as its step, all at its limit: cavity, a via in a branch beside it, ground and another net."""
    half = STREET // 2
    wall = band(pdk, "cut_maybe@face") + 35_000 - half  # from the die's edge
    branch = (wall, HEIGHT - wall - 120_000, wall + 120_000, HEIGHT - wall)
    inner = region((wall, wall, WIDTH - wall, HEIGHT - wall))
    cavities = inner - region(branch).sized(40_000) + region(branch)
    x, y = wall + 60_000, HEIGHT - wall - 60_000
    via = region((x - 30_000, y - 30_000, x + 30_000, y + 30_000))
    sure, maybe = band(pdk, "cut_sure@wiring"), band(pdk, "cut_maybe@wiring")
    return {
        "frame": region((-half, -half, WIDTH + half, HEIGHT + half)) - cavities,
        "structure": region((wall + 250_000, 300_000, wall + 300_000, 400_000),
                            (wall + 310_000, 300_000, wall + 350_000, 400_000)),
        "cover_via": via,
        "contact": via.sized(10_000),
        "ground": region((-half + sure, 300_000, 60_000, 340_000)),
        "wiring": region((-half + maybe, 500_000, 60_000, 520_000), (50_000, 300_000, 200_000, 310_000)),
    }  # fmt: skip


def wafer(pdk: Pdk, bad: Shapes, shift: float = 0.0) -> tuple[kdb.Layout, kdb.Cell]:
    """Components in rows and columns, one of them with other shapes; the cut as the process says, off by a shift."""
    layout = kdb.Layout()
    top = layout.create_cell("TOP")
    good = component(pdk)
    cells = []
    for name, shapes in (("GOOD", good), ("BAD", good | bad)):
        cell = layout.create_cell(name)
        for layer, drawn in shapes.items():
            cell.shapes(layout.layer(*pdk.gds(layer))).insert(drawn)
        cells.append(cell.cell_index())
    for i in range(COLUMNS):
        for j in range(ROWS):
            at = kdb.Trans(i * (WIDTH + STREET), j * (HEIGHT + STREET))
            top.insert(kdb.CellInstArray(cells[(i, j) == BAD], at))
    box = (shift, 0.0, WIDTH / 1000 + shift, HEIGHT / 1000)
    dies = Dies(box, step=((WIDTH + STREET) / 1000, (HEIGHT + STREET) / 1000), count=(COLUMNS, ROWS))
    cell, _ = prepare(layout, Path("f"), pdk, top="", dies=dies, ignore=None)
    return layout, cell


def found(pdk: Pdk, bad: Shapes, shift: float = 0.0) -> dict[str, list[Finding]]:
    """What each rule finds; none has failed."""
    layout, top = wafer(pdk, bad, shift)
    report = check_layout(layout, top, pdk, "one", title="wafer", jobs=1)
    assert {r.status for r in report.results} == {Status.RUN}, [(r.rule, r.reason) for r in report.results]
    return {r.rule: [one for f in r.findings for one in f.each()] for r in report.results if r.findings}


Defect = Callable[[Shapes, int], Shapes]
EDGE = -STREET // 2
"""Of the step."""


def taken(shapes: Shapes, layer: str, box: tuple[int, int, int, int]) -> Shapes:
    return {layer: shapes[layer] - region(box)}


def added(shapes: Shapes, layer: str, box: tuple[int, int, int, int]) -> Shapes:
    return {layer: shapes[layer] + region(box)}


DEFECTS: dict[str, tuple[Defect, set[str], tuple[int, int, int, int]]] = {
    "a thin frame": (
        lambda s, by: taken(s, "frame", (3_362 - by, 100_000, 3_362, 110_000)),
        {"FRAME.R.1"}, (EDGE, 99_000, 20_000, 111_000)),
    "a gap in the ring": (
        lambda s, by: taken(s, "frame", (EDGE, 100_000, EDGE + by * 100_000, 100_001)),
        {"FRAME.R.1", "FRAME.R.2"}, (EDGE, EDGE, WIDTH - EDGE, HEIGHT - EDGE)),
    "underside metal that overlaps too little": (
        lambda s, by: taken(s, "contact", (0, 0, 23_362 + by, HEIGHT)),
        {"CONTACT.L.1"}, (0, 399_000, 600_000, HEIGHT)),
    "underside metal with a hole": (
        lambda s, by: taken(s, "contact", (60_000, 740_000, 60_000 + by, 740_001)),
        {"CONTACT.L.1"}, (0, 300_000, 600_000, HEIGHT)),
    "a signal at the cut edge": (
        lambda s, by: added(s, "wiring", (EDGE + 31_815 - by, 500_000, 60_000, 520_000)),
        {"WIRING.K.1"}, (EDGE, 499_000, 61_000, 521_000)),
    "ground short of the cut edge": (
        lambda s, by: taken(s, "ground", (EDGE, 0, EDGE + 14_506 + by, HEIGHT)),
        {"WIRING.K.1"}, (EDGE, 290_000, 70_000, 350_000)),
    "a structure near the cut": (
        lambda s, by: added(s, "structure", (13_362 - by, 400_000, 300_000, 410_000)),
        {"BS.K.1"}, (EDGE, 399_000, 300_000, 411_000)),
}  # fmt: skip
"""What is changed by so many units, the rules that find it, and within which box of the step."""


def test_a_wafer_at_all_limits_is_clean(pdk: Pdk) -> None:
    assert pdk.cut is not None
    assert (band(pdk, "cut_maybe@face"), band(pdk, "cut_maybe@wiring"), band(pdk, "cut_sure@wiring")) == (
        43_362, 31_815, 14_506)  # fmt: skip
    assert found(pdk, {}) == {}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found_from_one_unit_on(pdk: Pdk, name: str) -> None:
    change, rules, place = DEFECTS[name]
    good = component(pdk)
    assert found(pdk, change(good, 0)) == {}
    seen = found(pdk, change(good, 1))
    assert set(seen) == rules
    x, y = BAD[0] * (WIDTH + STREET), BAD[1] * (HEIGHT + STREET)
    for f in (f for some in seen.values() for f in some):
        shapes = [f.polygon] if f.polygon else [[(e[0], e[1]), (e[2], e[3])] for e in f.edges]
        assert any(
            all(place[0] <= px - x <= place[2] and place[1] <= py - y <= place[3] for px, py in points)
            for points in shapes
        ), f


def test_vias_without_underside_metal_leak_to_the_nearest_structure(pdk: Pdk) -> None:
    """Each through the branch's wall, along the shortest way; and one that stands in the frame."""
    good = component(pdk)
    seen = found(pdk, {"contact": kdb.Region()} | added(good, "cover_via", (900_000, -20_000, 910_000, -10_000)))
    assert set(seen) == {"CONTACT.L.1", "FRAME.R.1", "FRAME.R.2"}  # what is in the frame is in none of its holes
    first, second = sorted(seen["CONTACT.L.1"], key=lambda f: min(x for x, _ in f.polygon))
    via, structure = next(good["cover_via"].each()).bbox(), good["structure"].bbox()
    far = (((structure.left - via.right) ** 2 + (via.bottom - structure.top) ** 2) ** 0.5) / 1000
    assert first.note == f"cover_via is open here: {far:.3f} um through frame to structure"
    assert second.note.startswith("cover_via is open here: ")


def test_a_cut_off_centre(pdk: Pdk) -> None:
    seen = found(pdk, {}, shift=0.001)
    assert set(seen) == {"FRAME.R.1", "WIRING.K.1"}
    assert len(seen["FRAME.R.1"]) >= COLUMNS * ROWS
