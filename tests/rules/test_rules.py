"""Every rule of every PDK, shipped or for tests, on its cases: README.md here says how they are written."""

from __future__ import annotations

from typing import Any

import conformance
import klayout.db as kdb
import pytest
import rule_cases
from rule_cases import HERE, PDKS, VERDICTS, Verdict

from layoutgen.drc import run as drc_run
from layoutgen.drc.checks import KINDS
from layoutgen.findings import Status
from layoutgen.pdk import Pdk
from layoutgen.units import DBU

CASES = [
    pytest.param(pdk, rule, verdict, case, id=f"{name}-{rule}-{verdict}: {case['name']}")
    for name, pdk in PDKS.items()
    for rule in pdk.rules
    for verdict, case in rule_cases.cases_of(pdk, rule)
]


@pytest.mark.parametrize(("pdk", "rule", "verdict", "case"), CASES)
def test_case(pdk: Pdk, rule: str, verdict: Verdict, case: dict[str, Any]) -> None:
    regions = rule_cases.drawn(pdk, rule, case)
    content = drc_run.Content(
        "case", lambda name: regions.get(name, kdb.Region()), applies=frozenset({rule}), complete=False
    )
    flow = case.get("flow", conformance.flow_of(pdk, rule))
    (result,) = drc_run.run(conformance.alone(pdk, rule, flow), flow, content).results
    assert result.status is Status.RUN, result.reason
    assert bool(result.findings) is (verdict == "fail"), [f.measured for f in result.findings]
    if "findings" in case:
        assert len(result.findings) == case["findings"]
    if "measured" in case:
        known = rule_cases.letters(pdk, pdk.rules[rule])
        values = [f.measured for f in result.findings if f.measured is not None]
        wanted = rule_cases.number(case["measured"], known)
        assert any(value == pytest.approx(wanted, abs=DBU / 2, rel=1e-9) for value in values), values


def can_fail(pdk: Pdk, rule: str) -> bool:
    """Nothing in a layout can be off a grid of one database unit."""
    return not (pdk.rules[rule].check == "grid" and (pdk.rules[rule].limit or 0) <= DBU)


@pytest.mark.parametrize("name", list(PDKS))
def test_every_rule_has_a_case_that_passes_and_one_that_fails(name: str) -> None:
    pdk = PDKS[name]
    missing = []
    for rule in pdk.rules:
        has = {verdict for verdict, _ in rule_cases.cases_of(pdk, rule)}
        wanted = VERDICTS if can_fail(pdk, rule) else ("pass",)
        missing += [f"{rule}: no case that must {verdict}" for verdict in wanted if verdict not in has]
    assert missing == []


def test_every_case_file_is_of_a_rule() -> None:
    strays = [
        f"{path.parent.name}/{path.name}"
        for path in HERE.glob("*/*.toml")
        if path.parent.name not in PDKS or path.stem not in PDKS[path.parent.name].rules
    ]
    assert strays == []


@pytest.mark.parametrize("name", list(PDKS))
def test_every_rule_can_run(name: str) -> None:
    assert drc_run.validate(PDKS[name]) == []


def test_every_kind_is_used_by_a_rule() -> None:
    used = {rule.check for pdk in PDKS.values() for rule in pdk.rules.values()}
    assert sorted(set(KINDS) - used) == []
