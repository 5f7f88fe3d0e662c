"""Layouts that a foundry made to try its deck on: our kinds say what its markers say, one by one.

Golden markers are of three forms: each edge of a pair as a bar 10 units wide, each pair as the polygon between its
edges, and whole shapes. What is compared is exact, but for two rules, whose tests say what their markers have instead.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import klayout.db as kdb
import pytest
import shapely

from layoutgen import checked, cli, discover
from layoutgen.drc.checks.kind import Circles
from layoutgen.findings import Edge, Finding, Status, canonical

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "ihp_sg13g2"
PDK = Path(__file__).parent / "sg13g2"
BAR = 10
"""Width of the bar that marks an edge, in database units."""

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the foundry's layouts are not on this machine")

EDGES = [
    ("topmetal2", "TM2.a", 1, 4),
    ("topmetal2", "TM2.b", 2, 2),
    ("passiv", "Pas.a", 1, 6),
    ("passiv", "Pas.b", 2, 6),
    ("copperpillar", "Padc.b", 2, 9),
]
"""File, rule, datatype of its markers on layer 222, and how many pairs of edges these mark: edge by edge."""
LONGER = [("topmetal2", "TM2.bR", 3, 1)]
"""Rules whose markers run along an edge further than the other edge lies opposite, where our findings end."""
BETWEEN = [("passiv", "Pas.c", 3, 2), ("copperpillar", "Padc.c", 3, 65)]
"""Rules whose markers are the polygons between the edges of each pair."""
MORE = {"Padc.c": {7.498160, 7.496746}}
"""What we find beyond the markers (um): two pairs of edges at exactly 45 degrees, below the limit of 7.5 as their
neighbours are on both sides, which the markers leave out."""
ANALYTIC = ("Padc.a",)
"""Rules that speak of a diameter, which the sides of a polygon fall short of: measured on the circle."""
NOT_COMPARED = {
    "Padc.d": "the deck that drew the markers has no such rule (30 um to the edge seal): there is none to compare with",
}
"""Labels in the files whose rules have no place here. Every other label is a rule of the PDK beside this file."""
WITHOUT_A_KIND: dict[str, str] = {}
"""Rules of these files that no kind of check can express, and why. That none is left out, the labels show."""
EXPRESSED_OTHERWISE = {
    "Pas.c": "the holes of the seal ring are no derived layer: here what lies 40 um within the seal's boundary",
    "Padc.a": "the deck judges the least size alone, and so does a rule of kind width",
    "Padc.f": "circles of any size are of no kind: here those of about 34 to 38 um",
}
"""Rules that our kinds express for these files, though not in the deck's own terms."""


@cache
def found(file: str, circles: Circles = "facets") -> dict[str, tuple[Finding, ...]]:
    """What each rule that ran finds in a unit file, one for each place."""
    pdk = discover.pdk(str(PDK))
    report = checked.check_file(DATA / "unit" / f"{file}.gds", pdk, ignore=None, circles=circles, jobs=1).report
    assert {r.status for r in report.results} <= {Status.RUN, Status.NOT_APPLICABLE}
    return {
        r.rule: tuple(one for f in r.findings for one in f.each()) for r in report.results if r.status is Status.RUN
    }


def markers(file: str, datatype: int) -> Iterator[kdb.SimplePolygon]:
    """The polygons of a marker layer of the golden file."""
    layout = kdb.Layout()
    layout.read(str(DATA / "golden" / f"{file}_golden.gds"))
    for shape in layout.top_cell().each_shape(layout.layer(222, datatype)):
        yield shape.simple_polygon


def edge(bar: kdb.SimplePolygon) -> Edge:
    """The edge that a bar marks: it runs through the middles of the bar's ends, which are upright or level."""
    sides = list(bar.each_edge())
    assert len(sides) == 4
    ends = [
        (a, b)
        for a, b in ((sides[0], sides[2]), (sides[1], sides[3]))
        if all(e.length() == BAR and (e.dx() == 0 or e.dy() == 0) for e in (a, b))
    ]
    first, second = ends[0]
    at = [((e.x1 + e.x2) // 2, (e.y1 + e.y2) // 2) for e in (first, second)]
    return canonical((*at[0], *at[1]))


def ends(finding: Finding) -> frozenset[tuple[int, int]]:
    """The corners of the polygon between the two edges of a finding."""
    return frozenset(point for x1, y1, x2, y2 in finding.edges for point in ((x1, y1), (x2, y2)))


@pytest.mark.parametrize(("file", "rule", "datatype", "pairs"), EDGES)
def test_every_marked_edge_is_found_and_no_other(file: str, rule: str, datatype: int, pairs: int) -> None:
    ours = found(file)[rule]
    assert len(ours) == pairs
    assert all(len(f.edges) == 2 for f in ours)
    marked = Counter(edge(bar) for bar in markers(file, datatype))
    assert Counter(canonical(e) for f in ours for e in f.edges) == marked


@pytest.mark.parametrize(("file", "rule", "datatype", "pairs"), LONGER)
def test_every_marked_edge_is_found_where_the_other_lies_opposite(
    file: str, rule: str, datatype: int, pairs: int
) -> None:
    ours = found(file)[rule]
    assert len(ours) == pairs
    marked = [shapely.LineString([e[:2], e[2:]]) for e in map(edge, markers(file, datatype))]
    edges = [shapely.LineString([e[:2], e[2:]]) for f in ours for e in f.edges]
    partners = [[i for i, e in enumerate(edges) if m.covers(e) and m.length < 1.01 * e.length] for m in marked]
    assert sorted(partners) == [[i] for i in range(2 * pairs)]


@pytest.mark.parametrize(("file", "rule", "datatype", "pairs"), BETWEEN)
def test_every_marked_pair_is_found_and_no_other(file: str, rule: str, datatype: int, pairs: int) -> None:
    marked = Counter(frozenset((p.x, p.y) for p in marker.each_point()) for marker in markers(file, datatype))
    assert marked.total() == pairs
    ours = {ends(f): f for f in found(file)[rule]}
    assert Counter(list(ours)) - (Counter(list(ours)) - marked) == marked, "each marker has one finding"
    more = [f for corners, f in ours.items() if corners not in marked]
    assert {f.measured for f in more} == MORE.get(rule, set())
    limit = discover.pdk(str(PDK)).rules[rule].limit or 0.0
    for f in more:  # judged by another library
        (x1, y1, x2, y2), (x3, y3, x4, y4) = f.edges
        assert abs(x2 - x1) == abs(y2 - y1)
        apart = shapely.LineString([(x1, y1), (x2, y2)]).distance(shapely.LineString([(x3, y3), (x4, y4)])) / 1000
        assert apart == pytest.approx(f.measured, abs=0.001)
        assert apart < limit


def test_every_shape_that_is_no_circle_is_found_and_no_other() -> None:
    marked = {frozenset((p.x, p.y) for p in marker.each_point()) for marker in markers("copperpillar", 4)}
    assert {frozenset(f.polygon) for f in found("copperpillar")["Padc.f"]} == marked
    assert len(marked) == 2


@pytest.mark.parametrize("rule", ANALYTIC)
def test_the_circle_that_is_too_small_is_found_and_no_other(rule: str) -> None:
    """Its markers cover it by 41 polygons between edges: places are compared, by what they cover, both ways."""
    marked = list(kdb.Region([kdb.Polygon(p) for p in markers("copperpillar", 1)]).merged().each())
    ours = [kdb.Polygon([kdb.Point(*p) for p in f.polygon]) for f in found("copperpillar", "analytic")[rule]]
    assert len(marked) == len(ours) == 1
    assert marked[0].bbox() == ours[0].bbox()
    outside = (kdb.Region(marked) - kdb.Region(ours)).area() + (kdb.Region(ours) - kdb.Region(marked)).area()
    assert outside < 0.03 * ours[0].area()


def test_what_is_drawn_to_pass_passes() -> None:
    """Of each file the left half: nothing is marked there, and nothing is found."""
    for file in ("topmetal2", "passiv", "copperpillar"):
        for rule, findings in found(file, "analytic").items():
            left = [f for f in findings if f.at[0] < 0]
            assert left == [], rule


def test_every_rule_that_a_file_names_is_compared_or_said_not_to_be() -> None:
    named: set[str] = set()
    for content in json.loads((DATA / "golden_markers.json").read_text("utf-8")).values():
        for label, *_ in content["labels"]:
            if label in ("PASS", "FAIL") or label[0].isdigit():
                continue  # columns, and the section of the rules
            stem, _, letters = label.partition(".")
            named |= {f"{stem}.{letter}" for letter in letters.split("/")}
    compared = {rule for _, rule, _, _ in (*EDGES, *LONGER, *BETWEEN)} | {*ANALYTIC, "Padc.f"}
    assert named == compared | NOT_COMPARED.keys() | WITHOUT_A_KIND.keys()
    assert compared == discover.pdk(str(PDK)).rules.keys()
    assert compared >= EXPRESSED_OTHERWISE.keys()


def test_every_marker_layer_is_compared() -> None:
    golden = json.loads((DATA / "golden_markers.json").read_text("utf-8"))
    layers = {
        (name.removesuffix("_golden.gds"), int(layer[4:])) for name, c in golden.items() for layer in c["markers"]
    }
    assert layers == {(f, n) for f, _, n, _ in (*EDGES, *LONGER, *BETWEEN)} | {("copperpillar", 1), ("copperpillar", 4)}


def test_the_command_finds_as_many(capsys: pytest.CaptureFixture[str]) -> None:
    unit = DATA / "unit" / "topmetal2.gds"
    assert cli.run(["drc", str(unit), "--pdk", str(PDK), "--ignore", "all", "--json", "--jobs", "1"]) == 1
    rules = {r["rule"]: r["count"] for r in json.loads(capsys.readouterr().out)["rules"]}
    assert {rule: rules[rule] for rule in ("TM2.a", "TM2.b", "TM2.bR")} == {"TM2.a": 4, "TM2.b": 2, "TM2.bR": 1}
