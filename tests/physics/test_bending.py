"""The rule on dies of a wafer, the map of one, and open areas: through windows or cells as flat, and in closed form."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import klayout.db as kdb
import pytest

import layoutgen as lg
from layoutgen import gds
from layoutgen.areas import COLUMNS, csv_text, open_areas
from layoutgen.drc import look
from layoutgen.drc.checks import task
from layoutgen.drc.checks.bending import Options
from layoutgen.drc.flat import Flat
from layoutgen.drc.run import check_layout
from layoutgen.errors import PdkError
from layoutgen.findings import Finding
from layoutgen.geom import circle
from layoutgen.pdk import Pdk
from layoutgen.physics.beam import Beam, flared
from layoutgen.physics.current import current, rate
from layoutgen.physics.sections import Section
from layoutgen.report import bending as maps
from layoutgen.units import to_dbu

DIE, STEP = 6_000_000, 6_100_000


def one_rule(limit: float) -> Pdk:
    pdk = lg.load_pdk("post")
    rule = pdk.rules["POST.STRESS"].model_copy(update={"limit": limit})
    return pdk.model_copy(update={"rules": {"POST.STRESS": rule}})


def wafer(pdk: Pdk, columns: int = 5, rows: int = 4) -> kdb.Layout:
    """Dies of 6 mm with 25 posts each, arrayed, and one die turned by 90 degrees beside them."""
    layout = kdb.Layout()
    layout.dbu = 0.001
    die, top = layout.create_cell("DIE"), layout.create_cell("TOP")
    via, outline = (layout.layer(*pdk.gds(name)) for name in ("via", "die"))
    die.shapes(outline).insert(kdb.Box(0, 0, DIE, DIE))
    ring = kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in to_dbu(circle(40.0, 128))])
    for i in range(5):
        for j in range(5):
            die.shapes(via).insert(ring.moved(500_000 + 1_200_000 * i, 500_000 + 1_250_000 * j))
    step = kdb.Vector(STEP, 0), kdb.Vector(0, STEP)
    top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(0, 0), *step, columns, rows))
    top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(1, False, -200_000, 0)))
    return layout


def spots(found: tuple[Finding, ...] | list[Finding]) -> set[tuple[object, float | None, str]]:
    return {(f.polygon, f.measured, f.note) for finding in found for f in finding.each()}


def test_windows_find_what_is_found_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    pdk = one_rule(7.0)
    layout = wafer(pdk)
    top = layout.cell("TOP")
    flat = Flat(pdk, gds.fetch(layout, pdk, top))
    expected = spots(list(flat.find(task("POST.STRESS", pdk.rules["POST.STRESS"]))))
    monkeypatch.setattr(look, "LITTLE", 100)
    (result,) = check_layout(layout, top, pdk, "plated", title="dies", jobs=1).results
    assert spots(result.findings) == expected
    assert 21 < len(expected) < 21 * 25


def test_each_value_is_that_of_the_beam_at_its_place() -> None:
    pdk = one_rule(0.001)
    layout = wafer(pdk, 2, 1)
    (result,) = check_layout(layout, layout.cell("TOP"), pdk, "plated", title="dies", jobs=1).results
    post = Beam(Section(circle(40.0, 128)), 120.0, 130.0, 0.34, 193.0, "free", flared(2.0))
    found = [f for finding in result.findings for f in finding.each()]
    assert len(found) == 3 * 25
    for f in found:
        x, y = f.at
        left = -6200.0 if x < 0 else math.floor(x / 6100) * 6100.0
        moved = 13.4e-6 * 100 * math.dist((x, y), (left + 3000, 3000))
        yields = float(post.bend([[1.0, 0.0]]).yield_displacement[0])  # type: ignore[arg-type]
        assert f.measured == pytest.approx(moved / yields, rel=2e-3)  # a drawn circle is stiffer along some lines
        assert ("it yields from" in f.note) is (f.measured > 1)
        assert ("MPa" in f.note) is (f.measured <= 1)


@pytest.mark.parametrize(("beyond", "found"), [(0.999, 0), (1.001, 21 * 2)])
def test_none_passes_that_is_displaced_beyond_the_formulas(beyond: float, found: int) -> None:
    """Never yielding; the farthest two of each die by a tenth of 120 um, and a little less or more."""
    swing = beyond * 12.0 / (13.4e-6 * math.hypot(2500, 2500))
    rule = lg.load_pdk("post").rules["POST.STRESS"].model_copy(update={"yield_stress": 1e6, "swing": swing})
    pdk = lg.load_pdk("post").model_copy(update={"rules": {"POST.STRESS": rule}})
    layout = wafer(pdk)
    (result,) = check_layout(layout, layout.cell("TOP"), pdk, "plated", title="dies", jobs=1).results
    notes = [f.note for finding in result.findings for f in finding.each()]
    assert len(notes) == found
    assert all("more than 0.1 of its height" in note for note in notes)


def test_the_numbers_come_from_the_stack() -> None:
    pdk = lg.load_pdk("post")
    options = task("POST.STRESS", pdk.rules["POST.STRESS"]).options
    assert isinstance(options, Options)
    assert (options.height, options.modulus, options.yield_stress, options.foot) == (120.0, 130.0, 193.0, 2.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modulus": -1.0}, "modulus"),
        ({"poisson": 0.5}, "poisson"),
        ({"swing": 0.0}, "swing"),
        ({"ends": "loose"}, "ends"),
        ({"board_expansion": 2.6}, "nothing would be displaced"),
        ({"hight": 3.0}, "hight"),
    ],
)
def test_wrong_options_are_refused(change: dict[str, object], words: str) -> None:
    rule = lg.load_pdk("post").rules["POST.STRESS"]
    with pytest.raises(PdkError, match=words):
        task("POST.STRESS", rule.model_copy(update=change))


# areas and maps -----------------------------------------------------------------------------------------------------
def plated() -> tuple[kdb.Layout, lg.Pdk]:
    """The wafer of dies, with ties that overlap a bus in the kerf from both sides, and an outline around all."""
    pdk = lg.load_pdk("post")
    layout = wafer(pdk)
    die, top = layout.cell("DIE"), layout.cell("TOP")
    tie, bus, outline = (layout.layer(*pdk.gds(name)) for name in ("rdl_tie", "rdl_bus", "wafer"))
    for k in range(4):
        die.shapes(tie).insert(kdb.Box(DIE - 40_000, 1_000_000 * k, DIE + 60_000, 1_000_000 * k + 30_000))
        die.shapes(tie).insert(kdb.Box(-60_000, 1_000_000 * k + 15_000, 40_000, 1_000_000 * k + 45_000))
    for k in range(6):
        top.shapes(bus).insert(kdb.Box(6_100_000 * k - 65_000, -50_000, 6_100_000 * k - 35_000, 24_000_000))
    top.shapes(outline).insert(kdb.Box(-10_000_000, -10_000_000, 40_000_000, 40_000_000))
    return layout, pdk


def test_open_areas_are_those_of_all_shapes_merged_flat() -> None:
    layout, pdk = plated()
    top, die = layout.cell("TOP"), layout.cell("DIE")
    found = {a.mask: a for a in open_areas(layout, pdk, "plated", die)}
    assert list(found) == list(pdk.masks_of("plated"))
    drawn = gds.fetch(layout, pdk, top)
    for name, mask in pdk.masks_of("plated").items():
        flat = pdk.evaluate(mask.data, drawn).merged().area() * 1e-12
        assert found[name].wafer == pytest.approx(flat, rel=1e-12)
        assert found[name].share == pytest.approx(flat / 2500)
    summed = sum(kdb.Region(top.begin_shapes_rec(layout.layer(*pdk.gds(n)))).area() for n in ("rdl_tie", "rdl_bus"))
    assert found["RDL"].wafer < summed * 1e-12  # or nothing overlaps
    assert found["RDL"].die == pytest.approx(8 * 0.04 * 0.03)
    assert found["VIA"].die == pytest.approx(25 * math.pi * 0.02**2, rel=3e-4)
    assert found["VIA"].wafer == pytest.approx(21 * found["VIA"].die)


def test_current_and_growth_in_closed_form() -> None:
    """One square decimetre at 2 A/dm2 is 2 A; copper grows 0.221 um/min at 1 A/dm2."""
    assert current(1e4, 2.0) == pytest.approx(2.0)
    assert rate(1.0) == pytest.approx(0.2205, rel=1e-3)


def test_a_mask_without_a_bath_has_no_current() -> None:
    layout, pdk = plated()
    areas = open_areas(layout, pdk, "plated", layout.cell("DIE"))
    assert {a.mask: a.density for a in areas} == {"PI": None, "RDL": 2.0, "VIA": 3.0}
    assert [a.current for a in areas if a.density is None] == [None]
    assert all(a.current == pytest.approx(a.wafer * 1e-4 * a.density) for a in areas if a.density)
    lines = csv_text(areas).splitlines()
    assert lines[0] == COLUMNS
    assert [len(line.split(",")) for line in lines] == [8] * 4


def test_the_table_of_a_die_shows_no_stress_of_a_post_that_yields(tmp_path: Path) -> None:
    pdk = one_rule(10.0)
    layout = wafer(pdk)
    (found,) = maps.stress_maps(layout, layout.cell("DIE"), pdk, "plated")
    rows = list(csv.DictReader(io.StringIO(maps.csv_text(found))))
    assert len(rows) == 25
    assert {row["yields"] for row in rows} == {"yes", "no"}
    for row in rows:
        far = math.dist((float(row["x_um"]), float(row["y_um"])), (3000, 3000))
        assert float(row["distance_um"]) == pytest.approx(far, rel=1e-5)
        assert float(row["displacement_um"]) == pytest.approx(13.4e-4 * far, rel=1e-5)
        assert (row["yields"] == "yes") is (float(row["ratio"]) > 1)
        assert (row["stress_MPa"] == "") is (row["force_mN"] == "") is (row["yields"] == "yes")
        if row["yields"] == "no":
            assert float(row["stress_MPa"]) == pytest.approx(193 * float(row["ratio"]), rel=1e-4)
    maps.draw(tmp_path / "map.png", found)
    assert (tmp_path / "map.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_process_without_such_a_rule_has_no_map() -> None:
    pdk = one_rule(10.0)
    layout = wafer(pdk)
    without = pdk.model_copy(update={"rules": {}})
    assert maps.stress_maps(layout, layout.cell("DIE"), without, "plated") == []
