"""What windows find is what one flat run finds, wherever the same stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import corpus
import klayout.db as kdb
import klayout.rdb as rdb
import pytest
from tiny_pdk import tiny

from layoutgen import gds
from layoutgen.drc import look
from layoutgen.drc.checks import Task, task
from layoutgen.drc.run import check_layout
from layoutgen.findings import Finding
from layoutgen.pdk import Pdk
from layoutgen.report import lyrdb

RULES = {
    "width": ["rdl_all", 10.0],
    "space": ["rdl_all", 10.0],
    "separation": ["via", "tie", 10.0],
    "enclosure": ["via", "rdl_all", 3.0],
    "overlap": ["tie", "rdl", 8.0],
    "inside": ["via", "rdl"],
    "exact_size": ["via", 8.0],
    "pitch": ["via", 60.0],
    "edge_distance": ["via", "die", 10.0],
    "grid": ["rdl", 0.01],
    "max_width": ["tie", 11.0],
    "area": ["via", 70.0],
}
SLACK = 0.003
"""Of a limit in um, where edges at any angle come to lie on the grid."""


@pytest.fixture(scope="module")
def pdk(tmp_path_factory: pytest.TempPathFactory) -> Pdk:
    text = ""
    for kind, (*layers, last) in RULES.items():
        names, limit = ([*layers, last], "") if isinstance(last, str) else (layers, f"limit = {last}")
        text += f'[rules.{kind}]\ncheck = "{kind}"\nlayers = {names}\n{limit}\nwhy = "w"\nsource = "s"\n'.replace(
            "'", '"'
        )
    return tiny(tmp_path_factory.mktemp("pdk"), text)


@pytest.fixture
def always_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "LITTLE", 0)


def marked(found: Iterable[Finding]) -> tuple[kdb.Edges, kdb.Region]:
    """The merged edges of findings, and the areas of those that are polygons."""
    edges, areas = kdb.Edges(), kdb.Region()
    for finding in found:
        for one in finding.each():
            for e in one.edges:
                edges.insert(kdb.Edge(*e))
            if one.polygon:
                areas.insert(kdb.Polygon([kdb.Point(*p) for p in one.polygon]))
    return edges.merged(), areas.merged()


def beyond(edges: kdb.Edges, others: kdb.Edges) -> Iterable[str]:
    """Edges that lie away from all others by more than their rounding."""
    return [str(e) for e in (edges - others.extended(3, 3, 3, 3, False)).each() if e.length() > 20]


def both(pdk: Pdk, layout: kdb.Layout) -> Iterable[tuple[Task, list[Finding], look.Flat]]:
    jobs = [task(name, rule) for name, rule in pdk.rules.items()]
    top = layout.top_cell()
    with look.Across(pdk, layout, top, jobs) as across:
        for job in jobs:
            yield job, list(across.find(job)), look.Flat(pdk, gds.fetch(layout, pdk, top))


@pytest.mark.usefixtures("always_windows")
@pytest.mark.parametrize("start", range(0, 100, 10))
def test_shapes_at_0_45_90_are_found_exactly(pdk: Pdk, start: int) -> None:
    found_any = 0
    for seed in range(start, start + 10):
        for job, ours, flat in both(pdk, corpus.layout(seed, slanted=False)):
            theirs = list(flat.find(job))
            found_any += len(theirs)
            (edges, areas), (flat_edges, flat_areas) = marked(ours), marked(theirs)
            assert (edges ^ flat_edges).is_empty(), (seed, job.rule)
            # a marker is an outline: of one with holes that is cut into parts, the parts leave the holes out
            assert (areas - flat_areas).is_empty(), (seed, job.rule)
            assert flat_areas.not_interacting(areas).is_empty(), (seed, job.rule)
    assert found_any


@pytest.mark.usefixtures("always_windows")
@pytest.mark.parametrize("seed", range(12))
def test_shapes_at_any_angle_are_found_to_the_grid(pdk: Pdk, seed: int) -> None:
    """Each place that is found below the limit less a little is found, and none beyond the limit and a little more."""
    for job, ours, flat in both(pdk, corpus.layout(100 + seed)):
        if job.rule not in ("space", "separation", "enclosure", "overlap", "edge_distance"):
            continue
        edges, _ = marked(ours)
        (low, _), (high, _) = (marked(flat.find(replace(job, limit=job.limit + by))) for by in (-SLACK, SLACK))
        assert list(beyond(edges, high)) == [], (seed, job.rule)
        assert list(beyond(low, edges)) == [], (seed, job.rule)


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
