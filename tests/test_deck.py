"""Decks for KLayout's DRC: KLayout's application finds with them what `layoutgen drc` finds, and nothing in them runs
that is not meant to.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
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
Edge: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
Markers: TypeAlias = tuple[frozenset[frozenset[Edge]], frozenset[str]]
"""Edges that mark, each pair together, whichever way they run; and polygons, by how they are written."""
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


def cases(pdk: Pdk) -> Iterator[dict[str, kdb.Region]]:
    """What the cases of each rule draw, which stand at its limit and one unit to either side of it."""
    for name in pdk.rules:
        for _, case in rule_cases.cases_of(pdk, name):
            yield rule_cases.drawn(pdk, name, case)


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


def drawn(pdk: Pdk) -> dict[str, kdb.Region]:
    top: dict[str, kdb.Region] = {}
    x = 0
    for layout in (*cases(pdk), *random_layouts(pdk, 12), on_reserved_layers(pdk)):
        x = beside(top, x, layout)
    return top


def write(pdk: Pdk, regions: dict[str, kdb.Region], path: Path) -> None:
    layout = kdb.Layout()
    layout.dbu = DBU
    cell = layout.create_cell("TOP")
    for name, region in regions.items():
        cell.shapes(layout.layer(*pdk.gds(name))).insert(region)
    layout.write(str(path))


# ------------------------------------------------------------------ markers


def edge(e: kdb.Edge) -> Edge:
    a, b = sorted([(e.x1, e.y1), (e.x2, e.y2)])
    return a, b


def polygon(shape: kdb.Polygon) -> str:
    """As it is written, without holes and without points on a line."""
    return str(kdb.Polygon(shape.resolved_holes().each_point_hull()))


def of_findings(findings: list[Finding]) -> Markers:
    edges = frozenset(frozenset(edge(kdb.Edge(*e)) for e in f.edges) for f in findings if f.edges)
    shapes = [kdb.Polygon([kdb.Point(x, y) for x, y in f.polygon]) for f in findings if f.polygon]
    return edges, frozenset(map(polygon, shapes))


def of_category(database: rdb.ReportDatabase, category: rdb.RdbCategory) -> Markers:
    edges, shapes = set(), set()
    for item in database.each_item_per_category(category.rdb_id()):
        for value in item.each_value():
            if value.is_edge_pair():
                pair = value.edge_pair().to_itype(DBU)
                edges.add(frozenset({edge(pair.first), edge(pair.second)}))
            elif value.is_edge():
                edges.add(frozenset({edge(value.edge().to_itype(DBU))}))
            else:
                assert value.is_polygon(), value
                shapes.add(polygon(value.polygon().to_itype(DBU)))
    return frozenset(edges), frozenset(shapes)


def by_rule(report: Path) -> dict[str, tuple[str, Markers]]:
    """Each category's description and markers."""
    database = rdb.ReportDatabase("read back")
    database.load(str(report))
    return {c.name(): (c.description, of_category(database, c)) for c in database.each_category()}


@cache
def flow_of(pdk: str) -> str:
    return next(iter(PDKS[pdk].flows))


@needs_klayout
@pytest.mark.parametrize("name", list(PDKS))
def test_klayout_finds_the_same(name: str, tmp_path: Path) -> None:
    pdk, flow = PDKS[name], flow_of(name)
    regions = drawn(pdk)
    write(pdk, regions, tmp_path / "a.gds")
    (tmp_path / "x.lydrc").write_text(deck.macro(pdk, flow), "utf-8")
    done = run(tmp_path / "x.lydrc", tmp_path / "a.gds", tmp_path / "a.lyrdb")
    assert done.returncode == 0, done.stdout + done.stderr
    found = by_rule(tmp_path / "a.lyrdb")
    assert list(found) == list(pdk.rules)

    flat = Flat(pdk, lambda layer: regions.get(layer, kdb.Region()))
    differing = {}
    for rule_name, rule in pdk.rules.items():
        description, markers = found[rule_name]
        if rule.flows and flow not in rule.flows:
            assert description.startswith("NOT CHECKED: a rule of flow")
            continue
        assert not description.startswith(("NOT CHECKED", "DOES NOT APPLY")), description
        wanted = of_findings(list(flat.find(task(rule_name, rule))))
        if markers != wanted:
            differing[rule_name] = [(sorted(map(str, a - b))[:3], sorted(map(str, b - a))[:3])
                                    for a, b in zip(markers, wanted, strict=True)]  # fmt: skip
    assert differing == {}
