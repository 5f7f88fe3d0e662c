"""Waivers and baselines: what is let pass, by whom, and that it is known again on every wafer."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import klayout.db as kdb
import klayout.rdb as rdb
import numpy as np
import pytest

from layoutgen import baseline, discover, tagged, waivers
from layoutgen.checked import Checked, check_file
from layoutgen.cli import run
from layoutgen.drc.dies import Dies
from layoutgen.drc.place import extent
from layoutgen.errors import InputError
from layoutgen.findings import Finding, Report

PDK = """\
name = "tiny"
title = "A metal and a via"
source = "Made up"
roles = { metal = "metal" }
masks = {}
connect = { metal = "metal", pad = [], ball = [] }

[layers]
metal = { gds = [1, 0], title = "Metal" }
via = { gds = [2, 0], title = "Via" }

[reserved]
die = { gds = [200, 0], title = "Die" }

[flows.one]
title = "The only one"
current = "none"
stages = []
draws = ["metal"]

[rules."M.S"]
check = "space"
layers = ["metal"]
limit = 5.0
why = "Shorts."
source = "Made up"

[rules."V.W"]
check = "width"
layers = ["via"]
limit = 4.0
why = "Opens."
source = "Made up"
"""
TODAY = date(2027, 3, 1)
Places = Sequence[tuple[float, float]]
SIZE = 100.0
HEAD = '[[waiver]]\nrule = "M.S"\nreason = "Measured"\nauthor = "Ada"\n'
MAP = tuple((x * 150.0, y * 130.0) for x in range(3) for y in range(2))


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user_pdk: Callable[..., Path]) -> None:
    monkeypatch.chdir(tmp_path)
    user_pdk("tiny", PDK)


def wafer(at: Places = MAP, name: str = "w.gds", *, more: Places = (), array: bool = False, die: bool = True) -> Path:
    """A wafer of dies with two narrow gaps in each, one of them in a cell GAP; `more`: gaps at places of the wafer."""
    layout = kdb.Layout()
    top, chip, gap = (layout.create_cell(n) for n in ("WAFER", "CHIP", "GAP"))
    metal = layout.layer(1, 0)
    for box in ((0, 0, 10, 20), (13, 0, 23, 20)):
        gap.shapes(metal).insert(kdb.DBox(*box))
    chip.shapes(layout.layer(2, 0)).insert(kdb.DBox(80, 80, 90, 90))
    if die:
        chip.shapes(layout.layer(200, 0)).insert(kdb.DBox(0, 0, SIZE, SIZE))
    for box in ((60, 10, 70, 30), (74, 10, 84, 30)):
        chip.shapes(metal).insert(kdb.DBox(*box))
    chip.insert(kdb.DCellInstArray(gap, kdb.DTrans(kdb.DVector(10, 40))))
    if array:
        (x0, y0), (x1, y1) = at[0], at[-1]
        columns, rows = (len({p[k] for p in at}) for k in range(2))
        steps = kdb.DVector((x1 - x0) / max(1, columns - 1), 0), kdb.DVector(0, (y1 - y0) / max(1, rows - 1))
        top.insert(kdb.DCellInstArray(chip, kdb.DTrans(kdb.DVector(x0, y0)), *steps, columns, rows))
    else:
        for x, y in at:
            top.insert(kdb.DCellInstArray(chip, kdb.DTrans(kdb.DVector(x, y))))
    for x, y in more:
        top.insert(kdb.DCellInstArray(gap, kdb.DTrans(kdb.DVector(x, y))))
    layout.write(name)
    return Path(name)


def check(file: Path, entries: str = "", *, today: date = TODAY, known: Path | None = None) -> Checked:
    pdk = discover.pdk("tiny")
    passes = None
    if entries:
        Path("w.toml").write_text(entries, "utf-8")
        passes = waivers.read(Path("w.toml"), pdk, today)
    return check_file(file, pdk, waivers=passes, baseline=None if known is None else baseline.read(known, pdk), jobs=1)


def identities(report: Report) -> Counter[str]:
    """At how many places each finding stands. There may be two of one identity, their edges the other way round."""
    out: Counter[str] = Counter()
    for f in report.findings:
        out[f.identity] += f.count
    return out


# ------------------------------------------------------------------ identity


def test_the_same_chip_has_the_same_findings_on_every_wafer() -> None:
    shuffled = list(MAP)
    random.Random(3).shuffle(shuffled)  # noqa: S311
    maps: list[tuple[Places, bool]] = [
        (MAP, True),
        (shuffled, False),
        (MAP[:1], False),
        (tuple((x * 117.5 - 1000.25, y * 100.0 + 7.125) for x in range(9) for y in range(7)), True),
        (((-900.0, 20.0), (3000.0, 1700.5), (3100.0, 1700.5)), False),
    ]
    seen = []
    for at, array in maps:
        found = identities(check(wafer(at, array=array)).report)
        assert set(found.values()) == {len(at)}
        seen.append(set(found))
    assert len(seen[0]) == 2
    assert all(one == seen[0] for one in seen)


def test_what_differs_relative_to_the_dies_is_told_apart() -> None:
    report = check(wafer(more=[(165.0, 65.0), (320.0, 65.0)])).report
    found = identities(report)
    assert sorted(found.values()) == [1, 1, 6, 6]
    for f in (one for whole in report.findings for one in whole.each()):
        x, y = (v / 1000 for v in extent(f)[:2])
        assert (f.origin[0] / 1000, f.origin[1] / 1000) == max(p for p in MAP if p[0] <= x and p[1] <= y)


def nearest_die(boxes: Sequence[tuple[int, int, int, int]], x: int, y: int) -> tuple[int, int]:
    """One by one: the corner of the nearest die, the last one of those that are equally near."""

    def away(b: tuple[int, int, int, int]) -> int:
        return max(b[0] - x, 0, x - b[2]) ** 2 + max(b[1] - y, 0, y - b[3]) ** 2

    least = min(away(b) for b in boxes)
    return max(b[:2] for b in boxes if away(b) == least)


@pytest.mark.parametrize("seed", range(20))
def test_dies_of_places_one_by_one(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    street = rng.choice([0, 20, 21])
    boxes = [
        (x * (100 + street), y * (80 + street), x * (100 + street) + 100, y * (80 + street) + 80)
        for x in range(6) for y in range(5) if rng.random() < 0.7
    ] or [(0, 0, 100, 80)]  # fmt: skip
    points = np.array([(rng.randrange(-200, 900), rng.randrange(-200, 700)) for _ in range(150)])
    dies = Dies(np.unique(np.array(boxes), axis=0))
    assert [tuple(o) for o in dies.origins(points).tolist()] == [nearest_die(boxes, x, y) for x, y in points.tolist()]

    steps = tuple((int(x), int(y)) for x, y in points[:60] if x or y)
    finding = Finding("R", polygon=((3, 4), (9, 4), (9, 30)), repeats=steps)
    parts = dies.told_apart([finding])
    places = [one for part in parts for one in part.each()]
    assert sorted(p.polygon for p in places) == sorted(p.polygon for p in finding.each())
    for one in places:
        assert one.origin == nearest_die(boxes, *extent(one)[:2])
    assert len({part.identity for part in parts}) == len(parts)


def test_without_dies_places_are_those_of_the_layout() -> None:
    report = check(wafer(die=False)).report
    assert {f.origin for f in report.findings} == {(0, 0)}


# ------------------------------------------------------------------ waivers


@pytest.mark.parametrize(
    ("place", "left"),
    [
        ("at = [72, 20]", 6),
        ("at = [19.5, 50]", 12),
        ("at = [22, 50]", 6),
        ("box = [[0, 35], [60, 65]]", 6),
        ("box = [[0, 35], [21, 65]]", 12),  # the marker only touches it
        ("box = [[0, 0], [100, 100]]", 0),
        ('cell = "GAP"', 6),
        ('cell = "CHIP"', 0),
        ('cell = "GAB"', 12),
        ('identity = "0123456789abcdef"', 12),
    ],
)
def test_places_of_waivers(place: str, left: int) -> None:
    report = check(wafer(), HEAD + place).report
    result = next(r for r in report.results if r.rule == "M.S")
    assert result.count == left
    assert sum(w.finding.count for w in result.waived) == 12 - left
    assert {w.by for w in result.waived} <= {"waived by Ada: Measured"}
    assert report.exit_code == (1 if left else 0)
    assert any("was not used" in s for s in report.scope) == (left == 12)


def test_an_identity_waives_its_finding_alone_and_holds_on_another_wafer() -> None:
    one, other = sorted(identities(check(wafer()).report))
    entry = HEAD + f'identity = "{one}"'
    for at in (MAP, [(4000.0, -2000.0)]):
        report = check(wafer(at), entry).report
        assert {*identities(report)} == {other}
        assert {w.finding.identity for w in report.results[0].waived} == {one}


def test_a_cell_waives_some_of_the_places_of_a_finding() -> None:
    """The same gap drawn in cell GAP and, in one die more, without the cell."""
    file = wafer()
    layout = kdb.Layout()
    layout.read(str(file))
    one = next(layout.cell("WAFER").each_inst())
    one.flatten()
    for inst in [i for i in layout.cell("WAFER").each_inst() if i.cell.name == "GAP"]:
        inst.flatten()
    layout.write(str(file))
    report = check(file, HEAD + 'cell = "GAP"').report
    assert (report.results[0].count, sum(w.finding.count for w in report.results[0].waived)) == (7, 5)
    corners = sorted(extent(f)[:2] for whole in report.results[0].waived for f in whole.finding.each())
    assert len(set(corners)) == 5


def test_expired_unused_and_not_judged_are_said() -> None:
    entries = "".join(
        HEAD.replace("Ada", author).replace("M.S", rule) + f"{place}\n{more}\n"
        for author, rule, place, more in (
            ("Old", "M.S", "box = [[0, 0], [100, 35]]", "expires = 2027-02-28"),
            ("Last", "M.S", "box = [[0, 35], [100, 100]]", "expires = 2027-03-01"),
            ("Idle", "V.W", "at = [1, 1]", ""),
            ("Net", "NETS", "at = [1, 1]", ""),
        )
    )
    report = check(wafer(), entries).report
    assert report.results[0].count == 6
    assert {w.by for w in report.results[0].waived} == {"waived by Last until 2027-03-01: Measured"}
    said = [s for s in report.scope if s.startswith("w.toml")]
    assert said[0] == "w.toml: 4 waivers, judged on 2027-03-01, let 6 findings pass"
    assert [s.split("by ")[1] for s in said[1:]] == [
        "Old) expired on 2027-02-28 and waives nothing; 6 findings would have passed",
        "Idle) was not used: nothing is found there; take it away",
        "Net) was not judged: the rule did not run",
    ]
    assert check(wafer(), entries, today=date(2027, 3, 2)).report.results[0].count == 12


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD.replace("M.S", "M.T") + "at = [1, 1]",
            "waiver.0.rule: PDK 'tiny' has no rule 'M.T'; did you mean 'M.S'?",
        ),
        (HEAD, "waiver.0: says not where; give one of at, box, identity, cell"),
        (HEAD + 'at = [1, 1]\ncell = "GAP"', "waiver.0.cell: stands beside at; keep the one or the other"),
        (HEAD.replace('reason = "Measured"\n', "") + "at = [1, 1]", "waiver.0.reason: is missing; add it"),
        (HEAD.replace("Measured", "  ") + "at = [1, 1]", "waiver.0.reason: must have text in it"),
        (HEAD.replace("Ada", "") + "at = [1, 1]", "waiver.0.author: must have text in it"),
        (HEAD + "at = [1, 1]\nexpire = 2027-01-01", "waiver.0.expire: unknown key; did you mean 'expires'?"),
        (HEAD + 'at = [1, 1]\nexpires = "2027-01-01"', "waiver.0.expires: must be a day without quotes, as 2027-12-31"),
        (
            HEAD + "at = [1, 1]\nexpires = 2027-01-01T10:00:00",
            "waiver.0.expires: must be a day without quotes, as 2027-12-31",
        ),
        (HEAD + "at = [1]", "waiver.0.at: must be two numbers"),
        (HEAD + "at = [1, nan]", "waiver.0.at.1: must be"),
        (HEAD + "box = [[5, 5], [1, 1]]", "waiver.0.box: must be the lower left and then the upper right corner"),
        (HEAD + 'identity = "xyz"', "waiver.0.identity: must be the 16 digits"),
        ("[waiver]\nrule = 1", "waiver: must be a list"),
        ("waivers = []", "waivers: unknown key; did you mean 'waiver'?"),
        ("[[waiver", "is not TOML"),
    ],
)
def test_wrong_files_are_told_in_one_line(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.toml").write_text(text, "utf-8")
    assert run(["drc", str(wafer()), "--pdk", "tiny", "--waivers", "bad.toml", "-o", "r.md"]) == 2
    err = capsys.readouterr().err.splitlines()
    assert [line for line in err if line.startswith("error: bad.toml") and said in line] == err[:1]
    assert not Path("r.md").exists()


def test_the_command_line_judges_on_the_day_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("w.toml").write_text(HEAD + "box = [[0, 0], [100, 100]]\nexpires = 2027-02-28", "utf-8")
    line = ["drc", str(wafer()), "--pdk", "tiny", "--waivers", "w.toml", "--today"]
    assert run([*line, "2027-02-28"]) == 0
    assert run([*line, "2027-03-01"]) == 1
    assert "expired on 2027-02-28 and waives nothing; 12 findings would have passed" in capsys.readouterr().out


# ------------------------------------------------------------------ KLayout's marker browser


def tag(report: Path, *, some: bool = False) -> None:
    """What a person does in the marker browser: tag all items, or those of one finding."""
    database = rdb.ReportDatabase("r")
    database.load(str(report.absolute()))
    items = [(item, [v.string() for v in item.each_value() if v.is_string()]) for item in database.each_item()]
    one = max(text for _, texts in items for text in texts if len(text) == 16)
    for item, texts in items:
        if not some or one in texts:
            item.add_tag(database.tag_id("waived"))
    database.save(str(report.absolute()))


def test_there_and_back_through_klayout(capsys: pytest.CaptureFixture[str]) -> None:
    file, line = wafer(), ["--pdk", "tiny", "-o", "r.lyrdb"]
    assert run(["drc", str(file), *line]) == 1
    waive = ["waive", "r.lyrdb", "-o", "w.toml", "--author", 'A "B" \\ ü', "--reason", "Seen\nagain"]
    assert run(waive) == 0
    assert not Path("w.toml").exists()  # nothing is tagged
    tag(Path("r.lyrdb"), some=True)
    assert run(waive) == 0
    assert run(["drc", str(file), *line, "--waivers", "w.toml"]) == 1
    database = rdb.ReportDatabase("r")
    database.load(str(Path("r.lyrdb").absolute()))
    tagged_again = [item.tags_str for item in database.each_item() if item.has_tag(database.tag_id("waived"))]
    assert tagged_again == ["waived"]  # one finding, in whichever order its edges were found
    Path("w.toml").write_text("# ours\n" + Path("w.toml").read_text("utf-8"), "utf-8")
    tag(Path("r.lyrdb"))
    capsys.readouterr()
    assert run([*waive, "--expires", "2999-12-31"]) == 0
    assert "1 waivers written to w.toml" in capsys.readouterr().out
    before = Path("w.toml").read_text("utf-8")
    assert before.startswith("# ours\n")
    assert before.count("[[waiver]]") == 2
    assert run(waive) == 0
    assert Path("w.toml").read_text("utf-8") == before
    assert run(["drc", str(file), *line, "--waivers", "w.toml"]) == 0
    assert run(["drc", str(wafer(((9.0, 9.0),), "x.oas")), *line, "--waivers", "w.toml"]) == 0


def test_an_entry_that_has_expired_is_written_anew() -> None:
    done = check(wafer())
    done.save(Path("r.lyrdb"), discover.pdk("tiny"))
    tag(Path("r.lyrdb"), some=True)
    into, last = Path("w.toml"), date(2027, 1, 1)
    assert len(tagged.take(Path("r.lyrdb"), into, "A", "R", last, today=date(2026, 12, 1)).entries) == 1
    assert tagged.take(Path("r.lyrdb"), into, "A", "R", today=last).known == 1
    assert len(tagged.take(Path("r.lyrdb"), into, "A", "R", today=TODAY).entries) == 1


@pytest.mark.parametrize("text", ["", "no xml", "<report-database>", "<html/>"])
def test_no_report_database_is_told(text: str) -> None:
    Path("r.lyrdb").write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"r\.lyrdb: is damaged or no report"):
        tagged.take(Path("r.lyrdb"), Path("w.toml"), "A", "R", today=TODAY)


def test_a_file_that_cannot_be_appended_to_stays_as_it_is() -> None:
    check(wafer()).save(Path("r.lyrdb"), discover.pdk("tiny"))
    tag(Path("r.lyrdb"))
    Path("w.toml").write_text("waiver = []\n", "utf-8")
    with pytest.raises(InputError, match="cannot be appended to"):
        tagged.take(Path("r.lyrdb"), Path("w.toml"), "A", "R", today=TODAY)
    assert Path("w.toml").read_text("utf-8") == "waiver = []\n"


# ------------------------------------------------------------------ baseline


def as_json(report: Report) -> dict[str, Any]:
    """A report in the form of our JSON, as far as a baseline reads it."""

    def one(f: Finding) -> dict[str, Any]:
        repeats = [list(r) for r in f.repeats]
        return {"identity": f.identity, "measured": f.measured, "at": list(f.at), "repeats": repeats}

    rules = [
        {
            "rule": r.rule, "status": r.status.value, "findings": [one(f) for f in r.findings],
            "waived": [{**one(w.finding), "by": w.by} for w in r.waived],
        }
        for r in report.results
    ]  # fmt: skip
    return {"version": 1, "title": report.title, "pdk": report.pdk, "flow": report.flow, "rules": rules}


@pytest.mark.parametrize("form", ["json", "lyrdb"])
def test_only_what_is_new_counts(form: str) -> None:
    first = check(wafer(more=[(165.0, 65.0)]))
    known = Path(f"b.{form}")
    if form == "json":
        known.write_text(json.dumps(as_json(first.report)), "utf-8")
    else:
        first.save(known, discover.pdk("tiny"))
    same = check(wafer(more=[(165.0, 65.0)]), known=known).report
    assert same.exit_code == 0
    assert same.scope[-1] == f"In the baseline b.{form}: 3 findings, 0 of them gone; 0 findings are new"
    other = check(wafer([(700.0 * k, -30.0) for k in range(5)], more=[(720.0, 65.0)]), known=known).report
    assert other.exit_code == 1
    assert [f.count for f in other.findings] == [1]
    assert other.scope[-1] == f"In the baseline b.{form}: 3 findings, 1 of them gone; 1 findings are new"
    assert {w.by for w in other.results[0].waived} == {f"in the baseline b.{form}"}


def test_a_die_that_gets_what_another_one_had_is_new() -> None:
    before = Path("b.json")
    before.write_text(json.dumps(as_json(check(wafer()).report)), "utf-8")
    for finding in (raw := json.loads(before.read_text()))["rules"][0]["findings"]:
        assert len(finding["repeats"]) > 1
        finding["repeats"] = finding["repeats"][:1]
    before.write_text(json.dumps(raw), "utf-8")
    report = check(wafer(), known=before).report
    assert report.exit_code == 1
    total = sum(f.count for f in check(wafer()).report.findings)
    known = sum(w.finding.count for r in report.results for w in r.waived)
    assert sum(f.count for f in report.findings) == total - known > 0
    assert known == 2 * len(raw["rules"][0]["findings"])


@pytest.mark.parametrize("form", ["json", "lyrdb"])
def test_what_a_waiver_let_pass_is_no_baseline_but_what_a_baseline_did_is(form: str) -> None:
    def written(done: Checked, name: str) -> Path:
        path = Path(f"{name}.{form}")
        if form == "json":
            path.write_text(json.dumps(as_json(done.report)), "utf-8")
        else:
            done.save(path, discover.pdk("tiny"))
        return path

    first = written(check(wafer(), HEAD + 'cell = "GAP"'), "first")
    second = check(wafer(), known=first)
    assert (second.report.exit_code, len(identities(second.report))) == (1, 1)
    third = check(wafer(), known=written(second, "second"))
    assert third.report.exit_code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is damaged or no JSON"),
        ("[" * 100_000, "is damaged or no JSON"),
        ("[]", "is no JSON report of layoutgen"),
        ('{"version": 2, "pdk": "tiny", "rules": []}', "is no JSON report of layoutgen"),
        ('{"version": 1, "pdk": "tiny", "rules": [{"rule": "M.S", "findings": [{"identity": 3}], "waived": []}]}',
         "rules.0.findings.0.identity: is no JSON report"),
        ('{"version": 1, "pdk": "other", "rules": []}', "is a report of PDK 'other', not 'tiny'"),
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_baseline_is_told(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("b.json").write_text(text, "utf-8")
    assert run(["drc", str(wafer()), "--pdk", "tiny", "--baseline", "b.json"]) == 2
    (err,) = capsys.readouterr().err.splitlines()
    assert said in err
    assert run(["drc", str(wafer()), "--pdk", "tiny", "--baseline", "none.json"]) == 2


# ------------------------------------------------------------------ builds


def test_a_build_is_judged_by_its_waivers(spec_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    spec = spec_file()
    Path("w.toml").write_text(HEAD.replace("M.S", "RDL.W") + "at = [1, 1]", "utf-8")
    assert run(["build", str(spec), "--waivers", "w.toml"]) == 2
    assert "waiver.0.rule: PDK 'wlcsp_500' has no rule 'RDL.W'" in capsys.readouterr().err
    assert not Path("output").exists()
    Path("w.toml").write_text(HEAD.replace("M.S", "NETS") + "at = [1, 1]", "utf-8")
    assert run(["build", str(spec), "--waivers", "w.toml", "--no-previews", "-q", "--today", "2027-03-01"]) == 0
    manifest = json.loads(Path("output/small/manifest.json").read_text("utf-8"))
    assert "w.toml" in manifest["inputs"]
    assert "w.toml: 1 waiver, judged on 2027-03-01, let 0 findings pass" in manifest["checks"]["scope"]
