"""Defects on whole wafers: each is caught by the rule meant for it, at its place, and a clean wafer has none."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import pytest
from mutants import wafers

from layoutgen.connect import stubs
from layoutgen.findings import RuleResult, Status

LEAST = 200
"""Defects in all."""

wafer = cache(wafers.drawn)
TIED = wafers.PROCESSES[0]


@cache
def done(process: str) -> list[wafers.Judged]:
    return wafers.run(wafer(process), wafers.EACH)


@pytest.mark.parametrize("process", wafers.PROCESSES)
def test_a_clean_wafer_has_no_finding(process: str) -> None:
    results = wafer(process).check(wafer(process).layout)
    assert {r.rule for r in results} >= {"NETS", "KERF"}
    assert {(r.status, r.count) for r in results} == {(Status.RUN, 0)}


@pytest.mark.xdist_group("defects")
@pytest.mark.parametrize("process", wafers.PROCESSES)
def test_each_defect_is_caught_at_its_place(process: str) -> None:
    assert [j for j in done(process) if j.outcome != wafers.CAUGHT] == []
    count = Counter(j.defect for j in done(process))
    assert set(count) == {*wafers.defects(wafer(process)), *(wafers.OF_ALL if wafer(process).tied else ())}
    assert min(count[name] for name in wafers.defects(wafer(process))) >= wafers.EACH


@pytest.mark.xdist_group("defects")
def test_there_are_hundreds_and_a_table_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    print(table := wafers.table({process: done(process) for process in wafers.PROCESSES}))
    assert sum(len(done(process)) for process in wafers.PROCESSES) >= LEAST
    assert table.splitlines()[-1].endswith("0 survived, 0 false alarm")
    for rule in ("NETS", "TIED", "KERF", "STUBS", "COVER", "CROSSINGS"):
        assert rule in capsys.readouterr().out or rule in table


@pytest.mark.parametrize("defect", ["open wire", "missing tie", "sliver of bus", "keep-out crossed", "stubs too near"])
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
    monkeypatch.setattr(wafers, "NEAR", -1_000_000)
    assert wafers.FALSE in {j.outcome for j in wafers.judge(wafer(TIED), asked)}


def test_the_same_defects_on_each_run() -> None:
    asked = [("short", "s"), ("open wire", "o")]
    assert wafers.judge(wafer(TIED), asked) == wafers.judge(wafer(TIED), asked)
