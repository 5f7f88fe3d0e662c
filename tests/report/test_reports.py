"""The report's forms: complete, escaped, the same bytes each time, and free of where and when they were made."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from pathlib import Path

import junitparser
import klayout.db as kdb
import klayout.rdb as rdb
import pytest

from layoutgen.findings import Finding, Report, RuleResult, Status
from layoutgen.pdk import Pdk
from layoutgen.report import amount, junit, lyrdb, markdown, worst

EVIL = 'a <b>bold</b> & "quoted" | pipe \x00\x1b[31m ]]> `code` \n# head'


@pytest.fixture
def pdk() -> Pdk:
    layers = {"rdl": {"gds": (1, 0), "title": "metal"}}
    rule = {"check": "width", "layers": ("rdl",), "limit": 10.0, "why": "w", "source": "s"}
    flow = {"title": "f", "current": "none", "stages": (), "draws": ("rdl",)}
    return Pdk.model_validate({
        "name": "tiny", "title": "t", "source": "s", "layers": layers, "reserved": {}, "roles": {}, "masks": {},
        "connect": {"metal": "rdl", "pad": (), "ball": ()},
        "flows": {"one": flow}, "rules": dict.fromkeys(("A.1", "B.1", "C.1", "D.1", "E.1"), rule),
    })  # fmt: skip


PAIR = Finding("A.1", edges=((0, 0, 0, 5_000), (9_000, 0, 9_000, 5_000)), measured=9.0)
WORSE = Finding("A.1", edges=((50_000, 0, 50_000, 5_000), (58_500, 0, 58_500, 5_000)), measured=8.5)
SHAPE = Finding("A.1", polygon=((0, 0), (0, 1_000), (1_000, 1_000)), note=EVIL)
LINE = Finding("A.1", edges=((0, 0, 7_000, 0),), measured=7.0)
POINT = Finding("A.1", edges=((1, 1, 1, 1),), note="off grid")
RESULTS = (
    RuleResult("A.1", EVIL, Status.RUN, "", (PAIR, WORSE, SHAPE, LINE, POINT), seconds=1.5),
    RuleResult("B.1", "clean one", Status.RUN),
    RuleResult("C.1", "broken one", Status.FAILED, EVIL),
    RuleResult("D.1", "left out", Status.SKIPPED, "no time"),
    RuleResult("E.1", "another's", Status.NOT_APPLICABLE, "a rule of flow two"),
)
REPORT = Report("demo <chip>", "tiny", "one", ("step: 2 of 5 rules run",), RESULTS)
CLEAN = Report("demo", "tiny", "one", ("step: 1 of 1 rules run",), RESULTS[1:2])


def test_lyrdb_holds_every_finding_and_every_rule(tmp_path: Path) -> None:
    lyrdb.write(REPORT, "TOP", tmp_path / "r.lyrdb")
    base = rdb.ReportDatabase("again")
    base.load(str(tmp_path / "r.lyrdb"))
    counts = {c.name(): c.num_items() for c in base.each_category()}
    assert counts == {"A.1": 5, "B.1": 0, "C.1": 0, "D.1": 0, "E.1": 0}
    assert base.num_items() == len(REPORT.findings)
    described = {c.name(): c.description for c in base.each_category()}
    assert described["B.1"] == "clean one"
    assert described["C.1"].startswith("NOT RUN (failed): a <b>")
    assert described["E.1"] == "NOT RUN (not applicable): a rule of flow two. another's"
    assert base.top_cell_name == "TOP"
    named = [lyrdb.values(base, item) for item in base.each_item()]
    assert [said["identity"] for said in named] == [f.identity for f in REPORT.findings]
    values = [[str(v) for v in item.each_value()][:-1] for item in base.each_item()]
    tags = {base.tag_name(v.tag_id) for item in base.each_item() for v in item.each_value() if v.is_float()}
    assert tags == {"measured (um)"}
    assert values[0] == ["edge-pair: (0,0;0,5)/(9,0;9,5)", "float: 9"]
    assert values[2][0] == "polygon: (0,0;0,1;1,1)"
    assert values[3] == ["edge: (0,0;7,0)", "float: 7"]
    assert values[4] == ["edge: (0.001,0.001;0.001,0.001)", "text: off grid"] or values[4][0].startswith("edge: (0.001")


GRID = tuple((x * 300_000, y * -200_000) for x in range(20) for y in range(10) if x or y)
REPEATED = (
    replace(PAIR, repeats=GRID),
    replace(SHAPE, repeats=GRID, note=""),
    replace(LINE, repeats=GRID[:7]),
    WORSE,
    Finding("A.1", edges=((0, 0, 1, 0), (0, 5, 1, 5), (0, 9, 1, 9)), repeats=((-149_999_999, 150_000_001),)),
)


def shapes(item: rdb.RdbItem) -> list[kdb.DEdge | kdb.DEdgePair | kdb.DPolygon]:
    found = [
        v.edge() if v.is_edge() else v.edge_pair() if v.is_edge_pair() else v.polygon() if v.is_polygon() else None
        for v in item.each_value()
    ]
    return [shape for shape in found if shape is not None]


def flattened(base: rdb.ReportDatabase, category: rdb.RdbCategory) -> Counter[tuple[str, ...]]:
    """Each item of a category as often as its cell is placed, where its geometry lies in the top cell."""
    top = base.cell_by_qname(base.top_cell_name)
    out: Counter[tuple[str, ...]] = Counter()
    for item in base.each_item_per_category(category.rdb_id()):
        references = list(base.cell_by_id(item.cell_id()).each_reference())
        assert {r.parent_cell_id for r in references} <= {top.rdb_id()}
        at = [r.trans for r in references] if item.cell_id() != top.rdb_id() else [kdb.DCplxTrans()]
        out.update(tuple(str(shape.transformed(t)) for shape in shapes(item)) for t in at)
    return out


def test_lyrdb_lists_what_is_repeated_once_with_a_reference_for_each_place(tmp_path: Path) -> None:
    results = (RuleResult("A.1", "t", Status.RUN, "", REPEATED), RuleResult("B.1", "t", Status.RUN, "", (WORSE,)))
    lyrdb.write(Report("demo", "tiny", "one", (), results), "TOP", tmp_path / "r.lyrdb")
    lyrdb.write(Report("demo", "tiny", "one", (), (RuleResult("A.1", "t", Status.RUN, "", tuple(
        one for f in REPEATED for one in f.each()
    )),)), "TOP", tmp_path / "each.lyrdb")  # fmt: skip
    base, each = rdb.ReportDatabase("again"), rdb.ReportDatabase("each")
    base.load(str(tmp_path / "r.lyrdb"))
    each.load(str(tmp_path / "each.lyrdb"))
    assert [(c.name(), c.num_items()) for c in base.each_category()] == [("A.1", 5), ("B.1", 1), (lyrdb.ALL_PLACES, 1)]
    found = flattened(base, base.category_by_path("'A.1'"))
    assert found == flattened(each, each.category_by_path("'A.1'"))
    assert found.total() == sum(f.count for f in REPEATED)
    # findings at the same places share a cell; the top cell's name stays its own, or the browser would not find it
    assert [c.qname() for c in base.each_cell()] == ["TOP", "TOP, 200 places:1", "TOP, 8 places:2", "TOP, 2 places:3"]
    # the browser goes to the first reference
    firsts = [next(c.each_reference()).trans for c in base.each_cell() if c.qname() != "TOP"]
    assert firsts == [kdb.DCplxTrans()] * 3
    (item,) = base.each_item_per_category(base.category_by_path(f"'{lyrdb.ALL_PLACES}'.'A.1'").rdb_id())
    boxes = [v.box() for v in item.each_value()]
    assert len(boxes) == 200 + 8 + 2
    assert boxes[0] == kdb.DBox(0, 0, 9, 5)
    for f in (one for finding in REPEATED if finding.repeats for one in finding.each()):
        x, y = f.at
        assert any(b.contains(kdb.DPoint(x, y)) for b in boxes)
    assert len((tmp_path / "r.lyrdb").read_bytes()) < len((tmp_path / "each.lyrdb").read_bytes()) / 2


def test_the_worst_is_farthest_from_what_is_asked_for_at_its_place(pdk: Pdk) -> None:
    def result(*findings: Finding, rule: str = "A.1") -> RuleResult:
        return RuleResult(rule, "t", Status.RUN, "", findings)

    far = Finding("A.1", edges=((0, 0, 1, 1),), measured=40.0, asked=30.0)
    unmeasured = Finding("A.1", edges=((5, 5, 6, 6),))
    assert worst(result(unmeasured, PAIR, WORSE), pdk) == WORSE
    assert worst(result(PAIR, far, WORSE), pdk) == far
    assert worst(result(replace(far, asked=39.5), PAIR), pdk) == PAIR
    assert worst(result(PAIR, WORSE, rule="no rule of the PDK"), pdk) == WORSE
    assert worst(result(unmeasured), pdk) == unmeasured
    assert worst(result(), pdk) is None


@pytest.mark.parametrize(
    ("unit", "value", "shown"),
    [("um", 9.9996, "9.9996 um"), ("um2", 99.999999, "99.999999 um2"), ("%", 19.5, "19.5 %"),
     ("degrees", 30.0, "30 degrees"), ("", 3.0, "3")],
)  # fmt: skip
def test_values_have_the_unit_of_their_rule_in_every_form(
    pdk: Pdk, tmp_path: Path, unit: str, value: float, shown: str
) -> None:
    finding = Finding("A.1", edges=((0, 0, 1, 1),), measured=value)
    report = Report("demo", "tiny", "one", (), (RuleResult("A.1", "t", Status.RUN, "", (finding,), unit=unit),))
    assert f"1 finding, worst {shown}" in junit.text(report, pdk)
    assert f": measured {shown}</failure>" in junit.text(report, pdk)
    assert f"| {amount(10, unit)} | **findings** | 1 | {shown} | (0.001, 0.001) |" in markdown.text(report, pdk)
    lyrdb.write(report, "TOP", tmp_path / "r.lyrdb")
    tag = f"measured ({unit})" if unit else "measured"
    name = f"'{tag}'" if unit else tag
    assert f"[{name}] float: {value:.12g}<" in (tmp_path / "r.lyrdb").read_text("utf-8")


def test_lyrdb_is_the_same_wherever_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    lyrdb.write(REPORT, "TOP", tmp_path / "r.lyrdb")
    monkeypatch.chdir(tmp_path / "elsewhere")
    lyrdb.write(REPORT, "TOP", Path("other name.lyrdb"))
    first, second = (tmp_path / "r.lyrdb").read_bytes(), Path("other name.lyrdb").read_bytes()
    assert first == second
    assert str(tmp_path).encode() not in first
    assert not re.search(rb"20\d\d-", first)


def test_lyrdb_takes_no_name_for_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lyrdb.write(CLEAN, "TOP", Path("pipe:touch hacked"))
    assert [p.name for p in tmp_path.iterdir()] == ["pipe:touch hacked"]


def test_junit(pdk: Pdk) -> None:
    text = junit.text(REPORT, pdk)
    assert text == junit.text(REPORT, pdk)
    assert "time" not in ET.fromstring(text)[0].attrib  # noqa: S314 - written above
    suites = junitparser.JUnitXml.fromstring(text.encode())
    (suite,) = list(suites)
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (5, 1, 1, 2)
    cases = {case.name: case.result for case in suite}
    assert list(cases) == ["A.1", "B.1", "C.1", "D.1", "E.1"]
    assert cases["B.1"] == []
    assert isinstance(cases["A.1"][0], junitparser.Failure)
    assert cases["A.1"][0].message == "5 findings, worst 7 um"
    assert "(4.500, 2.500): measured 9 um" in cases["A.1"][0].text
    assert isinstance(cases["C.1"][0], junitparser.Error)
    assert isinstance(cases["D.1"][0], junitparser.Skipped)
    assert cases["E.1"][0].message == "not applicable: a rule of flow two"
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", text)


def test_markdown(pdk: Pdk) -> None:
    text = markdown.text(REPORT, pdk)
    lines = text.splitlines()
    assert lines[0].startswith("## demo &lt;chip&gt;: incomplete, so not clean: 2 rules run, 5 findings, 1 failed")
    assert lines[0].endswith("did not run: C.1, D.1")
    assert "| A.1 | width | rdl | 10 um | **findings** | 5 | 7 um | (3.500, 0.000) |" in lines
    assert "| B.1 | width | rdl | 10 um | clean | 0 |  |  |" in lines
    assert "- **E.1** not applicable: a rule of flow two" in lines
    assert "<b>" not in text
    assert "\\| pipe" in text
    assert all(line.count(" | ") == 7 for line in lines if line.startswith("|"))


def test_markdown_of_a_clean_and_of_an_empty_report(pdk: Pdk) -> None:
    assert markdown.text(CLEAN, pdk).startswith("## demo: clean: 1 rules run, 0 findings")
    nothing = markdown.text(Report("demo", "tiny", "one", (), ()), pdk)
    assert nothing.startswith("## demo: incomplete, so not clean: 0 rules run, 0 findings; no rule ran")
    assert "No rule ran." in nothing


def test_many_findings_are_cut_short_in_words_only(pdk: Pdk) -> None:
    many = tuple(Finding("A.1", edges=((i, 0, i, 5),), measured=1.0) for i in range(100))
    report = Report("demo", "tiny", "one", (), (RuleResult("A.1", "t", Status.RUN, "", many),))
    assert "... and 80 more" in junit.text(report, pdk)
    assert "| 100 | 1 um |" in markdown.text(report, pdk)
