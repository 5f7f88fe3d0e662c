"""Defects on whole wafers: each is caught by the rule meant for it, at its place, and a clean wafer has none."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import klayout.db as kdb
import pytest
from mutants import wafer_defects, wafers, whole_wafer_defects

from layoutgen.connect import rules, stubs
from layoutgen.findings import Finding, RuleResult, Status

LEAST = 200
"""Defects in all."""
pytestmark = pytest.mark.xdist_group("defects")

wafer = cache(wafers.drawn)
TIED = wafers.PROCESSES[0]


@cache
def done(process: str) -> list[wafers.Judged]:
    return wafers.run(wafer(process), wafers.EACH)


@pytest.mark.parametrize("process", wafers.PROCESSES)
def test_a_clean_wafer_has_no_finding(process: str) -> None:
    results = wafer(process).check(wafer(process).layout)
    assert {r.rule for r in results} >= {"NETS", "KERF"}
    results += wafer(process).check_labels(wafer(process).layout) + wafer(process).check_cuts(wafer(process).cuts)
    assert {(r.status, r.count) for r in results} == {(Status.RUN, 0)}


@pytest.mark.parametrize("process", wafers.PROCESSES)
def test_each_defect_is_caught_at_its_place(process: str) -> None:
    assert [j for j in done(process) if j.outcome != wafers.CAUGHT] == []
    count = Counter(j.defect for j in done(process))
    each = {*wafer_defects.defects(wafer(process)), *wafer_defects.LABELLED, *whole_wafer_defects.OF_CUTS}
    assert set(count) == each | set(whole_wafer_defects.OF_ALL if wafer(process).tied else ())
    assert min(count[name] for name in each) >= wafers.EACH


def test_there_are_hundreds_and_a_table_of_them() -> None:
    table = wafers.table({process: done(process) for process in wafers.PROCESSES})
    print(table)
    assert sum(len(done(process)) for process in wafers.PROCESSES) >= LEAST
    assert table.splitlines()[-1].endswith("0 survived, 0 false alarm")
    for rule in (*rules.TEXTS, "CUTS"):
        assert f" {rule} " in table


@pytest.mark.parametrize("defect", ["open wire", "missing tie", "stubs too near"])
def test_a_defect_of_the_step_is_caught_in_every_die(defect: str) -> None:
    assert wafers.judge_all(wafer(TIED), defect, f"{defect} of the step").outcome == wafers.CAUGHT


def test_a_rule_that_is_blind_lets_defects_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that sees what is not there is told as well."""
    asked = [("stubs too near", "a"), ("keep-out crossed", "b"), ("sliver of bus", "c")]
    real = stubs.check_stubs

    def blind(*given: object) -> list[RuleResult]:
        return [replace(r, findings=()) for r in real(*given)]  # type: ignore[arg-type]

    monkeypatch.setattr(stubs, "check_stubs", blind)
    outcomes = [j.outcome for j in wafers.judge(wafer(TIED), asked)]
    assert outcomes == [wafers.SURVIVED, wafers.SURVIVED, wafers.CAUGHT]
    far = Finding("NETS", polygon=((0, 0), (1, 0), (1, 1)))
    monkeypatch.setattr(wafers.Wafer, "check", lambda *_: [RuleResult("NETS", "", Status.RUN, "", (far,))])
    outcomes = [j.outcome for j in wafers.judge(wafer(TIED), asked)]
    assert outcomes == [wafers.FALSE, *[wafers.SURVIVED] * 3]


def test_the_same_defects_on_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[kdb.Layout] = []
    monkeypatch.setattr(wafers.Wafer, "check", lambda _, layout: seen.append(layout) or [])
    for _ in range(2):
        wafers.judge(wafer(TIED), [("short", "s"), ("open wire", "o")])
    assert kdb.LayoutDiff().compare(*seen, kdb.LayoutDiff.SmartCellMapping)
