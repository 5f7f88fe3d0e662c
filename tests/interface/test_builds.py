"""A die with pads, and one without, from spec to wafer: drawn as the rules ask, and found where it is not."""

from __future__ import annotations

import math
import re
from pathlib import Path

import klayout.db as kdb
import numpy as np
import pytest
import shapely

from layoutgen import api, discover, gds, maskset, spec
from layoutgen.cell import Drawing, Scattered
from layoutgen.drc.run import check_layout
from layoutgen.errors import ParamError, SpecError
from layoutgen.findings import Status
from layoutgen.pdk import Pdk, read
from layoutgen.report import mismatch
from layoutgen.units import DBU

PDK = discover.pdk("interface")
FOLDER = Path(__file__).parents[2] / "pdk" / "layoutgen_pdk"
PADS = "pad,net,x,y\n" + "".join(f"P{k},VDD,{150 + 100 * k},85\n" for k in range(7))
SPEC = """
name = "small"
pdk = "interface"
flow = "{flow}"
[chip]
name = "Small"
size = [1000, 1000]
{pads}
[wafer]
diameter = 6_000
edge_exclusion = 500
notch = "none"
{more}
"""


def build(folder: Path, flow: str = "padded", more: str = "", *, checks: bool = True) -> maskset.MaskSet:
    (folder / "pads.csv").write_text(PADS, "utf-8")
    pads = 'pads = "pads.csv"\npad_size = [60, 60]' if flow != "unpadded" else ""
    path = folder / "small.toml"
    path.write_text(SPEC.format(flow=flow, pads=pads, more=more), "utf-8")
    return maskset.build(spec.read(path), checks=checks)


def few(*rules: str) -> Pdk:
    return PDK.model_copy(update={"rules": {name: PDK.rules[name] for name in rules}})


def polygons(built: maskset.MaskSet, layer: str) -> list[shapely.Polygon]:
    region = gds.fetch(built.layout, built.pdk, built.layout.cell("DIE"))(layer).merged()
    return [shapely.Polygon([(p.x * DBU, p.y * DBU) for p in q.each_point_hull()]) for q in region.each()]


@pytest.mark.parametrize("flow", ["padded", "padded_deep", "unpadded"])
def test_each_flow_is_clean_and_all_of_it_ran(tmp_path: Path, flow: str) -> None:
    built = build(tmp_path, flow)
    assert built.exit_code == 0
    states = {r.rule: r.status for r in built.report.results}
    assert not any(r.findings for r in built.report.results)
    assert states["RLF.S.1"] is states["CUT.D.1"] is states["KERF"] is Status.RUN
    assert states["NETS"] is (Status.NOT_APPLICABLE if flow == "unpadded" else Status.RUN)
    assert set(built.pdk.masks_of(flow)) == ({"SURFACE"} if flow == "unpadded" else {"PASSIVATION", "RELIEF"})


def test_every_pad_is_open_cleared_and_bonded_and_openings_keep_off(tmp_path: Path) -> None:
    built = build(tmp_path, checks=False)
    pads = [shapely.box(p.x - 30, p.y - 30, p.x + 30, p.y + 30) for p in built.spec.chip.pads]
    for layer, inside in (("passivation", True), ("foot", True), ("clearance", False)):
        shapes = polygons(built, layer)
        assert len(shapes) == len(pads)
        for pad in pads:
            (own,) = [s for s in shapes if s.intersects(pad)]
            assert pad.covers(own) if inside else own.covers(pad), layer
    cleared = shapely.union_all(polygons(built, "clearance"))
    assert min(shapely.distance(cleared, opening) for opening in polygons(built, "relief")) >= 10.0
    edge = shapely.box(0, 0, 1000, 1000).exterior
    assert min(shapely.distance(edge, opening) for opening in polygons(built, "relief")) >= 30.0


def test_a_layer_left_over_a_pad_is_found_wherever_it_bridges(tmp_path: Path) -> None:
    built = build(tmp_path, checks=False)
    die = built.layout.cell("DIE")
    next(i for i in die.each_inst() if i.cell.name.startswith("pad_clearance")).delete()
    report = check_layout(built.layout, built.layout.top_cell(), few("LEFT.D.1", "CLR.E.1"), "padded", title="a layer")
    results = {r.rule: r for r in report.results}
    assert results["LEFT.D.1"].findings
    assert results["CLR.E.1"].findings


@pytest.mark.parametrize("flow", ["padded", "unpadded"])
def test_the_label_and_keep_outs_of_the_chip_stay_free(tmp_path: Path, flow: str) -> None:
    built = build(tmp_path, flow, checks=False)
    assert built.die.label is not None
    assert min(shapely.distance(shapely.box(*built.die.label), o) for o in polygons(built, "relief")) >= 10.0


@pytest.mark.parametrize(
    ("flow", "old", "new", "message"),
    [
        ("padded", 'pads = "pads.csv"\n', "", "chip.pads: is missing; give size and pads"),
        ("padded", "size = [1000, 1000]\n", "", "chip.size: is missing; give size and pads"),
        ("padded", "[wafer]", "[label]\nat = [140, 60]\n[wafer]", "label.at: the die label of"),
    ],
)
def test_what_is_missing_or_wrong_is_said(tmp_path: Path, flow: str, old: str, new: str, message: str) -> None:
    (tmp_path / "pads.csv").write_text(PADS, "utf-8")
    path = tmp_path / "small.toml"
    text = SPEC.format(flow=flow, pads='pads = "pads.csv"\npad_size = [60, 60]', more="")
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(SpecError, match=re.escape(message)):
        maskset.build(spec.read(path), checks=False)


def test_a_chip_with_pads_in_a_flow_without_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pads.csv").write_text(PADS, "utf-8")
    path = tmp_path / "small.toml"
    path.write_text(SPEC.format(flow="unpadded", pads='pads = "pads.csv"\npad_size = [60, 60]', more=""), "utf-8")
    with pytest.raises(SpecError, match=r"chip.pads: there are no pads in this process and flow; leave them out"):
        spec.read(path)


MAP = '[cells."interface_openings"]\ngrade = "density"\nfraction = 0.1\nmap = {}'


def test_a_map_may_stand_in_a_file(tmp_path: Path) -> None:
    rows = [[4.0, 1.0], [1.0, 0.5]]
    (tmp_path / "map.csv").write_text("# stress\n4, 1\n\n1, 0.5\n", "utf-8")
    np.save(tmp_path / "map.npy", np.array(rows))
    given = [build(tmp_path, more=MAP.format(text), checks=False) for text in (rows, '"map.csv"', '"map.npy"')]
    first, *others = ([p.wkb for p in polygons(built, "relief")] for built in given)
    assert len(first) > 50
    assert others == [first, first]
    assert [built.spec.row_files for built in given] == [(), ("map.csv",), ("map.npy",)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "'none.csv': cannot be read: No such file or directory"),
        ("map.txt", b"1", "'map.txt': is no table; name a file that ends in .csv or .npy"),
        ("map.csv", b"# nothing\n", "'map.csv': holds no values"),
        ("map.csv", b"1,2\n3,x\n", "'map.csv': line 2, column 2: 'x' is no number"),
        ("map.csv", b"1,2\n3,nan\n", "'map.csv': line 2, column 2: nan is not a finite number of 0 or more"),
        ("map.csv", b"1,2\n-3,1\n", "'map.csv': line 2, column 1: -3 is not a finite number of 0 or more"),
        ("map.csv", b"1,2\n3\n", "'map.csv': line 2: holds 1 values, the first row 2; write as many in each"),
        ("map.csv", b"\xff\xfe", "'map.csv': is not UTF-8 text"),
        ("map.csv", b"1," * 250_000 + b"1", "'map.csv': holds more than 250000 values; make it coarser"),
        ("map.csv", b"0,0", "map: holds no value above 0"),
        ("map.npy", b"1,2", "'map.npy': is no array that numpy wrote"),
        ("none.npy", None, "'none.npy': cannot be read: No such file or directory"),
    ],
)
def test_a_file_without_a_map_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SpecError, match=re.escape(message)) as e:
        build(tmp_path, more=MAP.format(f'"{name}"'), checks=False)
    assert len(e.value.problems) == 1


@pytest.mark.parametrize("array", [np.ones(3), np.array([[1.0, np.inf]]), np.array([["a"]])])
def test_an_array_that_is_no_map_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "map.npy", array)
    with pytest.raises(SpecError, match=r"'map.npy': (is no array of numbers|row 1, column 2: inf is not)"):
        build(tmp_path, more=MAP.format('"map.npy"'), checks=False)


def test_what_stands_around_the_device_is_drawn_from_the_spec(tmp_path: Path) -> None:
    more = """[cells."bond.wire"]
beyond = 30
[cells."support.pad"]
width = 20
height = 20
[cells."mold.extent"]
beyond = 10
[[place]]
cell = "support.pad"
at = [500, 500]
"""
    built = build(tmp_path, more=more)
    assert built.exit_code == 0
    boxes = {layer: [p.bounds for p in polygons(built, layer)] for layer in ("support_pad", "underfill", "mold")}
    wanted = [(140.0 + 100 * k, -40.0, 160.0 + 100 * k, -20.0) for k in range(7)]
    assert sorted(boxes["support_pad"]) == sorted([*wanted, (490.0, 490.0, 510.0, 510.0)])
    assert boxes["underfill"] == [(0.0, 0.0, 1000.0, 1000.0)]
    assert boxes["mold"] == [(-10.0, -10.0, 1010.0, 1010.0)]
    wires = shapely.union_all(polygons(built, "wire"))
    assert wires.bounds[1] == -30.0


def test_a_pad_too_small_for_an_opening_is_said() -> None:
    with pytest.raises(ParamError, match=r"a pad of 43 x 60 um leaves an opening of 38.992 x 55.992, which must be 40"):
        discover.cells()["passivation_opening"](PDK, width=43.0)


@pytest.mark.parametrize("shape", ["rectangle", "rounded", "octagon", "circle"])
def test_openings_of_every_outline_are_clean_over_their_pad(shape: str) -> None:
    both = Drawing("BOTH")
    for cell in ("chip.pad", "passivation_opening"):
        more = {"shape": shape} if cell == "passivation_opening" else {}
        both.place(discover.cells()[cell](PDK, width=70.0, height=60.0, **more))
    results = {r.rule: r for r in api.check(both, PDK, flow="padded").results}
    assert results["PAS.E.1"].status is Status.RUN
    assert not results["PAS.E.1"].findings
    assert not results["PAS.W.1"].findings


def test_scattered_drawings_are_the_same_in_klayout_and_gdstk() -> None:
    one, all_of_it = Drawing("ONE"), Drawing("ALL")
    one.polygon("relief", [(0, 0), (10, 0), (0, 12)])
    at = np.array([[0.0, 0.0], [33.001, -5.0], [70.5, 80.0]])
    all_of_it.scattered.append(Scattered(one, at))
    layout = gds.to_layout(all_of_it, PDK)
    mine = kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(10, 0)))
    theirs = kdb.Region()
    for polygon in gds.to_gdstk(all_of_it, PDK).get_polygons():
        theirs.insert(kdb.Polygon([kdb.Point(round(x / DBU), round(y / DBU)) for x, y in polygon.points.tolist()]))
    assert mine.count() == theirs.count() == 3
    assert (mine ^ theirs).is_empty()
    far = Drawing("FAR")
    far.scattered.append(Scattered(one, np.array([[1_073_741.0, 0.0]])))
    with pytest.raises(ValueError, match="may reach beyond"):
        gds.to_layout(far, PDK)


def test_the_map_says_the_closed_form_and_the_areas_that_shapely_finds(tmp_path: Path) -> None:
    built = build(tmp_path, checks=False)
    found = mismatch.mismatch_map(built.layout, built.layout.cell("DIE"), built.pdk)
    assert found is not None
    assert (found.side, found.moved.shape, found.swing) == (25.0, (40, 40), 215.0)
    corner = np.hypot(500 - 12.5, 500 - 12.5)
    assert found.moved[0, 0] == pytest.approx((9.0 - 2.6) * 1e-6 * 215.0 * corner)
    assert found.moved.argmin() in (19 * 40 + 19, 19 * 40 + 20, 20 * 40 + 19, 20 * 40 + 20)
    openings, field = (shapely.union_all(polygons(built, layer)) for layer in ("relief", "field"))
    for j, i in ((2, 20), (20, 20), (35, 7), (0, 0)):
        square = shapely.intersection(field, shapely.box(25 * i, 25 * j, 25 * i + 25, 25 * j + 25))
        share = shapely.intersection(openings, square).area / square.area if square.area else math.nan
        assert found.share[j, i] == pytest.approx(share, abs=1e-4, nan_ok=True)
    assert math.isnan(found.share[0, 0])  # beside the field
    rows = mismatch.csv_text(found).splitlines()
    assert rows[0] == mismatch.COLUMNS
    assert rows[1] == f"12.500,12.500,{found.moved[0, 0]:.5f},"
    assert rows[821] == f"512.500,512.500,{found.moved[20, 20]:.5f},{found.share[20, 20]:.5f}"
    assert len(rows) == 1601
    mismatch.draw(tmp_path / "map.png", found)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert mismatch.mismatch_map(built.layout, built.layout.cell("DIE"), discover.pdk("post")) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('parts = ["chip", "mold"]', 'parts = ["chip", "mould"]', "mismatch.parts: no number 'level.mould.expansion'"),
        ('hot = "level.mold.cure"', 'hot = "level.mold.curing"', "mismatch.hot: no number 'level.mold.curing'"),
        ('share = "relief"', 'share = "releif"', "mismatch.share: no layer 'releif'; did you mean 'relief'?"),
        ("deposition = 380.0", "deposition = 450.0", "ranges.DEP.T.1: asks for level.relief.deposition <= 400"),
        ("top_cut = 55.0", "top_cut = 1.5", "ranges.FILL.T.1: asks for"),
    ],
)
def test_what_is_wrong_in_the_process_is_said(tmp_path: Path, old: str, new: str, message: str) -> None:
    folder = tmp_path / "interface"
    folder.mkdir()
    text = (FOLDER / "interface" / "pdk.toml").read_text("utf-8")
    assert old in text
    (folder / "pdk.toml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(Exception, match=re.escape(message)) as e:
        read(folder, FOLDER.joinpath)
    assert type(e.value).__name__ == "PdkError"
