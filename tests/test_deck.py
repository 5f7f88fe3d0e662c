"""Decks for KLayout's DRC: KLayout's application finds with them what `layoutgen drc` finds, and nothing in them runs
that is not meant to.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree

import corpus
import klayout.db as kdb
import klayout.rdb as rdb
import pytest
import rule_cases
from rule_cases import PDKS

from layoutgen.drc import deck
from layoutgen.drc.checks import KINDS, task
from layoutgen.drc.look import Flat
from layoutgen.findings import Finding
from layoutgen.pdk import Pdk, Rule
from layoutgen.units import DBU

KLAYOUT = shutil.which("klayout")
RUBY = shutil.which("ruby")
APART = 500_000
"""Between layouts side by side, in database units: further than any rule of the tests looks."""
LATTICE = 100_000
"""A multiple of all grids and windows of the rules, so that a layout may be moved."""
Marker: TypeAlias = tuple[int, str]
"""Where it begins in x (dbu), and how it is written: its edges, whichever way they run, or its polygon."""
FACETS: deck.Version = (0, 30, 0)
"""From this version on KLayout measures straight across between slanted edges as `layoutgen drc` does."""
needs_klayout = pytest.mark.skipif(KLAYOUT is None, reason="KLayout's application is not installed")


def run(script: Path, layout: Path, report: Path, *more: str) -> subprocess.CompletedProcess[str]:
    assert KLAYOUT is not None
    command = [KLAYOUT, "-b", "-r", str(script), "-rd", f"input={layout}", "-rd", f"report={report}", *more]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)


# ------------------------------------------------------------------ layouts


def beside(top: dict[str, kdb.Region], x: int, layout: dict[str, kdb.Region]) -> int:
    """Put a layout at x or further right; where the next may begin."""
    box = sum((region.bbox() for region in layout.values()), kdb.Box())
    if box.empty():
        return x
    by = kdb.Vector(-(-(x - box.left) // LATTICE) * LATTICE, 0)
    for name, region in layout.items():
        top.setdefault(name, kdb.Region()).insert(region.moved(by))
    return box.right + by.x + APART


def cases(pdk: Pdk) -> Iterator[tuple[str, str, str, dict[str, kdb.Region]]]:
    """Rule, verdict, name and layers of each case: shapes at the rule's limit and one unit to either side of it."""
    for name, rule in pdk.rules.items():
        for verdict, case in rule_cases.cases_of(pdk, name):
            if flow_of(pdk.name) in (rule.flows or pdk.flows):
                yield name, verdict, case["name"], rule_cases.drawn(pdk, name, case)


def random_layouts(pdk: Pdk, number: int) -> Iterator[dict[str, kdb.Region]]:
    """Layouts of edges at multiples of 45 degrees, each drawn on other layers of the process."""
    rng = random.Random(f"{pdk.name} 5")
    for _ in range(number):
        layout = corpus.layout(rng, slanted=False)
        names = dict(zip(("rdl", "tie", "via"), rng.sample(sorted(pdk.layers), 3), strict=True)) | {"die": "die"}
        (top,) = layout.top_cells()
        regions: dict[str, kdb.Region] = {}
        for old, new in names.items():
            regions[new] = kdb.Region(top.begin_shapes_rec(layout.layer(*corpus.LAYERS[old])))
        yield regions


def on_reserved_layers(pdk: Pdk) -> dict[str, kdb.Region]:
    """Something on each reserved layer and on each that flows draw: without, rules on others of them would not run."""
    names = {*pdk.reserved} | {name for flow in pdk.flows.values() for name in flow.draws if name in pdk.drawn_layers}
    return {name: kdb.Region(kdb.Box(0, 0, 90_000 + 1_000 * i, 90_000)) for i, name in enumerate(sorted(names))}


def is_slanted(layout: dict[str, kdb.Region]) -> bool:
    """Whether an edge runs at another angle than multiples of 45 degrees, as a circle's do."""
    edges = sum((region.edges() for region in layout.values()), kdb.Edges())
    return not edges.with_angle(kdb.Edges.OrthoDiagonalEdges, True).is_empty()


def drawn(pdk: Pdk) -> tuple[dict[str, kdb.Region], int, list[tuple[str, str, bool, int, int]]]:
    """All layouts side by side; where those with slanted edges begin; and of each of these its rule, name, whether it
    breaks the rule, and between which x it lies.
    """
    top: dict[str, kdb.Region] = {}
    x = 0
    slanted = []
    for layout in (*random_layouts(pdk, 12), on_reserved_layers(pdk)):
        x = beside(top, x, layout)
    for rule, verdict, case, layout in cases(pdk):
        if is_slanted(layout):
            slanted.append((rule, verdict, case, layout))
        else:
            x = beside(top, x, layout)
    begin, places = x, []
    for rule, verdict, case, layout in slanted:
        left, x = x, beside(top, x, layout)
        places.append((rule, case, verdict == "fail", left - APART // 2, x - APART // 2))
    return top, begin - APART // 2, places


def write(pdk: Pdk, regions: dict[str, kdb.Region], path: Path) -> None:
    layout = kdb.Layout()
    layout.dbu = DBU
    cell = layout.create_cell("TOP")
    for name, region in regions.items():
        cell.shapes(layout.layer(*pdk.gds(name))).insert(region)
    layout.write(str(path))


# ------------------------------------------------------------------ markers


def of_edges(edges: Iterable[kdb.Edge]) -> Marker:
    ends = sorted({tuple(sorted([(e.x1, e.y1), (e.x2, e.y2)])) for e in edges})
    return min(x for pair in ends for x, _ in pair), str(ends)


def of_polygon(shape: kdb.Polygon) -> Marker:
    """Without holes and without points on a line."""
    return shape.bbox().left, str(kdb.Polygon(list(shape.resolved_holes().each_point_hull())))


def of_findings(findings: Iterable[Finding]) -> set[Marker]:
    out = set()
    for f in findings:
        if f.polygon:
            out.add(of_polygon(kdb.Polygon([kdb.Point(x, y) for x, y in f.polygon])))
        else:
            out.add(of_edges(kdb.Edge(*e) for e in f.edges))
    return out


def of_category(database: rdb.ReportDatabase, category: rdb.RdbCategory) -> set[Marker]:
    out = set()
    for item in database.each_item_per_category(category.rdb_id()):
        for value in item.each_value():
            if value.is_edge_pair():
                pair = value.edge_pair().to_itype(DBU)
                out.add(of_edges([pair.first, pair.second]))
            elif value.is_edge():
                out.add(of_edges([value.edge().to_itype(DBU)]))
            else:
                assert value.is_polygon(), value
                out.add(of_polygon(value.polygon().to_itype(DBU)))
    return out


def by_rule(report: Path) -> dict[str, tuple[str, set[Marker]]]:
    """Each category's description and markers."""
    database = rdb.ReportDatabase("read back")
    database.load(str(report))
    return {c.name(): (c.description, of_category(database, c)) for c in database.each_category()}


@cache
def flow_of(pdk: str) -> str:
    return next(iter(PDKS[pdk].flows))


@pytest.fixture(scope="module")
def klayout_version() -> deck.Version:
    assert KLAYOUT is not None
    said = subprocess.run([KLAYOUT, "-v"], capture_output=True, text=True, timeout=60, check=True).stdout
    found = deck.version(said)
    assert found is not None
    return found


@needs_klayout
@pytest.mark.parametrize("name", list(PDKS))
def test_klayout_finds_the_same(name: str, tmp_path: Path, klayout_version: deck.Version) -> None:
    """Marker by marker where edges run at multiples of 45 degrees; elsewhere, a case of a rule breaks it or not."""
    pdk, flow = PDKS[name], flow_of(name)
    regions, begin, slanted = drawn(pdk)
    write(pdk, regions, tmp_path / "a.gds")
    (tmp_path / "x.lydrc").write_text(deck.macro(pdk, flow), "utf-8")
    done = run(tmp_path / "x.lydrc", tmp_path / "a.gds", tmp_path / "a.lyrdb")
    assert done.returncode == 0, done.stdout + done.stderr
    found = by_rule(tmp_path / "a.lyrdb")
    assert list(found) == list(pdk.rules)

    flat = Flat(pdk, lambda layer: regions.get(layer, kdb.Region()))
    differing, violated = {}, 0
    for rule_name, rule in pdk.rules.items():
        description, markers = found[rule_name]
        if rule.flows and flow not in rule.flows:
            assert description.startswith("NOT CHECKED: a rule of flow")
            continue
        assert not description.startswith(("NOT CHECKED", "DOES NOT APPLY")), description
        straight = {marker for marker in markers if marker[0] < begin}
        wanted = {marker for marker in of_findings(flat.find(task(rule_name, rule))) if marker[0] < begin}
        violated += bool(wanted)
        if straight != wanted:
            differing[rule_name] = (sorted(straight - wanted)[:3], sorted(wanted - straight)[:3])
    assert differing == {}
    assert violated > len(pdk.rules) / 2  # or nothing was compared

    wrong = []
    for rule_name, case, fails, left, right in slanted:
        across = pdk.rules[rule_name].options.get("metric") == "projection"
        if klayout_version < FACETS and across and not fails:
            continue
        if fails is not any(left <= x < right for x, _ in found[rule_name][1]):
            wrong.append(f"{rule_name}: {case}")
    assert wrong == []
