"""What windows find is what one flat run finds, wherever the same stands; and no clause of their contract is idle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import clauses
import corpus
import judge
import klayout.db as kdb
import klayout.rdb as rdb
import numpy as np
import pytest

from layoutgen import foreign
from layoutgen.drc.checks.kind import Circles
from layoutgen.drc.run import check_layout
from layoutgen.pdk import Pdk, read
from layoutgen.report import lyrdb


@pytest.fixture(scope="module")
def pdk(tmp_path_factory: pytest.TempPathFactory) -> Pdk:
    return judge.pdk(tmp_path_factory.mktemp("pdk"))


@pytest.fixture
def always_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    judge.always_windows(monkeypatch)


@pytest.mark.usefixtures("always_windows")
@pytest.mark.parametrize("slanted", [False, True], ids=["straight", "slanted"])
@pytest.mark.parametrize("part", range(5))
def test_windows_find_what_a_flat_run_finds(pdk: Pdk, part: int, slanted: bool) -> None:
    compared = judge.Judge(pdk, slanted=slanted)

    def see(layout: kdb.Layout) -> None:
        assert list(compared.differences(layout)) == [], corpus.dump(layout)

    judge.generated(1000 + part, 12 if not slanted else 8, slanted=slanted, shrink=False, see=see)
    assert sum(compared.found.values()) > 2 * compared.layouts, "nothing to compare"
    assert sum(compared.clean.values()) > compared.layouts


@pytest.mark.usefixtures("always_windows")
@pytest.mark.parametrize("suffix", ["gds", "oas"])
def test_windows_find_what_a_flat_run_finds_in_files_that_were_read(pdk: Pdk, suffix: str, tmp_path: Path) -> None:
    """Generated layouts as cells of one file, read as any file from outside, against flat runs of what was written."""
    written = kdb.Layout()
    written.dbu = 0.001
    top = written.create_cell("ALL")

    def see(layout: kdb.Layout) -> None:
        cell = written.create_cell(f"L{top.child_instances()}")
        cell.copy_tree(layout.top_cell())
        top.insert(kdb.CellInstArray(cell.cell_index(), kdb.Trans(0, 2_000_000 * top.child_instances())))

    judge.generated(1100, 12, slanted=False, shrink=False, see=see)
    path = tmp_path / f"all.{suffix}"
    written.write(str(path))
    got = foreign.read(path)
    compared = judge.Judge(pdk, slanted=False)
    for number in range(top.child_instances()):
        layouts = []
        for source in (got, written):
            layouts.append(kdb.Layout())
            layouts[-1].dbu = source.dbu
            layouts[-1].create_cell("TOP").copy_tree(source.cell(f"L{number}"))
        assert list(compared.differences(*layouts)) == [], corpus.dump(layouts[1])
    assert compared.layouts == 12
    assert sum(compared.found.values()) > 2 * compared.layouts


def differing(pdk: Pdk, case: str) -> list[str]:
    make, slanted = corpus.CASES[case]
    compared = judge.Judge(pdk, slanted=slanted, counted=not slanted)
    found = list(compared.differences(make()))
    assert compared.found or found
    return found


@pytest.mark.usefixtures("always_windows")
@pytest.mark.parametrize("case", corpus.CASES)
def test_cases_made_to_mislead_windows_are_found_as_flat(pdk: Pdk, case: str) -> None:
    assert differing(pdk, case) == []


@pytest.mark.usefixtures("always_windows")
@pytest.mark.parametrize("clause", clauses.CLAUSES)
def test_without_a_clause_of_the_contract_windows_find_something_else(
    pdk: Pdk, clause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disable, case = clauses.CLAUSES[clause]
    disable(monkeypatch)
    assert differing(pdk, case) != []


@pytest.mark.usefixtures("always_windows")
def test_hashes_that_all_collide_change_nothing(pdk: Pdk, monkeypatch: pytest.MonkeyPatch) -> None:
    clauses.hashes_collide(monkeypatch)
    assert differing(pdk, "same_box_other_content") == []
    assert differing(pdk, "slanted_everywhere") == []


@pytest.mark.usefixtures("always_windows")
def test_a_fault_of_a_die_is_one_finding_with_all_its_places(pdk: Pdk, tmp_path: Path) -> None:
    layout = kdb.Layout()
    top, die = layout.create_cell("TOP"), layout.create_cell("DIE")
    index = layout.layer(kdb.LayerInfo(1, 0, "rdl"))
    die.shapes(index).insert(kdb.Box(0, 0, 50_000, 20_000))
    die.shapes(index).insert(kdb.Box(0, 29_000, 50_000, 50_000))
    a, b = kdb.Vector(300_000, 0), kdb.Vector(0, 200_000)
    top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(), a, b, 40, 30))
    report = check_layout(layout, top, pdk, "one", title="wafer", rules={"space"})
    (finding,) = report.findings
    assert finding.measured == 9.0
    assert finding.count == 1200
    assert {(x // 300_000, y // 200_000) for x, y in ((0, 0), *finding.repeats)} == {
        (i, j) for i in range(40) for j in range(30)
    }
    assert report.exit_code == 1
    lyrdb.write(report, "TOP", tmp_path / "all.lyrdb")
    database = rdb.ReportDatabase("")
    database.load(str(tmp_path / "all.lyrdb"))
    (item,) = database.each_item_per_category(database.category_by_path("space").rdb_id())
    assert len(list(database.cell_by_id(item.cell_id()).each_reference())) == 1200


@pytest.mark.usefixtures("always_windows")
def test_places_without_order_are_all_looked_at(pdk: Pdk, tmp_path: Path) -> None:
    """A file may list the places of a cell one by one; readers for viewing keep that as one instance."""
    rng = np.random.default_rng(5)
    layout, layers, top = corpus.empty()
    pad, die = layout.create_cell("PAD"), layout.create_cell("DIE")
    pad.shapes(layers["rdl"]).insert(kdb.Box(0, 0, 20_000, 20_000))
    for x, y in rng.integers(0, 12, (30, 2)) * 29_500 + rng.integers(0, 3, (30, 2)) * 100:
        die.insert(kdb.CellInstArray(pad.cell_index(), kdb.Trans(int(x), int(y))))
    for x, y in ((0, 0), (400_000, 37), (801_000, 0), (5_000, 500_000), (460_000, 481_234)):
        top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(x, y)))
    options = kdb.SaveLayoutOptions()
    options.format, options.oasis_compression_level = "OASIS", 10
    layout.write(str(tmp_path / "listed.oas"), options)
    viewed = kdb.Layout(False)
    viewed.read(str(tmp_path / "listed.oas"))
    listed = [i for cell in viewed.each_cell() for i in cell.each_inst() if not i.is_regular_array()]
    assert max(i.cell_inst.size() for i in listed) > 20
    compared = judge.Judge(pdk, slanted=False)
    assert list(compared.differences(viewed)) == []
    assert compared.found["space"]


def array_of(draw: Callable[[kdb.Cell, dict[str, int]], None], step: int, count: int) -> kdb.Layout:
    """A square array of one die."""
    layout, layers, top = corpus.empty()
    die = layout.create_cell("DIE")
    draw(die, layers)
    a, b = kdb.Vector(step, 0), kdb.Vector(0, step)
    top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(), a, b, count, count))
    return layout


def pads_and_a_neighbour(die: kdb.Cell, layers: dict[str, int]) -> None:
    die.shapes(layers["via"]).insert(kdb.Box(0, 0, 20_000, 20_000))
    die.shapes(layers["rdl"]).insert(kdb.Box(25_000, 0, 45_000, 20_000))


def a_long_bar(die: kdb.Cell, layers: dict[str, int]) -> None:
    die.shapes(layers["die"]).insert(kdb.Box(0, 0, 900_000, 900_000))
    die.shapes(layers["via"]).insert(kdb.Box(640_000, 200_000, 1_130_000, 240_000))


def two_large_circles(die: kdb.Cell, layers: dict[str, int]) -> None:
    for x in (200_000, 509_990):
        die.shapes(layers["via"]).insert(kdb.Polygon.ellipse(kdb.Box(x - 150_000, 50_000, x + 150_000, 350_000), 128))


@pytest.mark.usefixtures("always_windows")
@pytest.mark.parametrize(
    ("draw", "rule", "circles"),
    [
        (pads_and_a_neighbour, 'check = "separation"\nlayers = ["via", "rdl"]\nlimit = 10\nbetween = "polygons"',
         "facets"),
        (a_long_bar, 'check = "edge_distance"\nlayers = ["via", "die"]\nlimit = 20\nmeasure = "centre"\n'
         'outside = "ignore"', "facets"),
        (two_large_circles, 'check = "space"\nlayers = ["via"]\nlimit = 10', "analytic"),
    ],
    ids=["two layers, between polygons", "centres", "circles larger than a halo"],
)  # fmt: skip
def test_what_windows_cannot_tell_is_found_all_the_same(
    draw: Callable[[kdb.Cell, dict[str, int]], None], rule: str, circles: Circles, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "pdk.toml").write_text(f'{judge.PDK}\n[rules.one]\n{rule}\nwhy = "w"\nsource = "s"\n', "utf-8")
    process = read(folder, lambda _: folder)
    layout = array_of(draw, 1_000_000, 12)
    report = check_layout(layout, layout.top_cell(), process, "one", title="dies", circles=circles, jobs=1)
    assert sum(f.count for f in report.findings) == 144
