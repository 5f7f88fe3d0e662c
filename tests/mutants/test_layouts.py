"""Mutants of layouts: what the witness calls illegal every rule finds at its place, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import shapely
from mutants import harness, witness
from mutants.operators import OPERATORS
from mutants.run import EACH

from layoutgen.drc import checks
from layoutgen.drc.checks import KINDS
from layoutgen.units import DBU

RULES = [pytest.param(name, rule, id=f"{name}-{rule}") for name, pdk in harness.PDKS.items() for rule in pdk.rules]
LEAST = 20
"""Mutants of a rule."""


def finest(name: str, rule: str) -> bool:
    """Whether nothing can break it: a grid of one database unit."""
    asked = harness.PDKS[name].rules[rule]
    return asked.check == "grid" and asked.limit == DBU


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_no_mutant_survives(name: str, rule: str) -> None:
    done = harness.run(harness.PDKS[name], rule, EACH)
    assert len(done) >= LEAST
    assert {j.mutant.operator for j in done} == set(OPERATORS)
    assert [j for j in done if j.outcome in (harness.SURVIVED, harness.FALSE)] == []
    outcomes = {j.outcome for j in done}
    assert outcomes == ({harness.EQUIVALENT} if finest(name, rule) else {harness.KILLED, harness.EQUIVALENT})


@pytest.mark.parametrize("rule", ["RDL.S.1", "RDL.E.1", "UBM.W.1", "BALL.P.1", "UBM.D.2"])
def test_nor_where_it_is_checked_through_windows(rule: str) -> None:
    done = harness.run(harness.PDKS["wlcsp_500"], rule, EACH, windows=True)
    assert [j for j in done if j.outcome in (harness.SURVIVED, harness.FALSE)] == []


def test_every_kind_of_the_shipped_processes_has_a_witness() -> None:
    kinds = {rule.check for pdk in harness.PDKS.values() for rule in pdk.rules.values()}
    assert kinds == set(witness.JUDGES)


def test_a_check_that_is_wrong_lets_mutants_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that finds nothing, and one that asks for 10 % more, are told by this."""
    pdk, rule = harness.PDKS["wlcsp_500"], "RDL.S.1"
    kind = KINDS["space"]
    monkeypatch.setitem(checks.KINDS, "space", replace(kind, check=lambda *_: []))
    assert harness.SURVIVED in {j.outcome for j in harness.run(pdk, rule, EACH)}
    monkeypatch.setitem(
        checks.KINDS, "space", replace(kind, check=lambda n, r, limit, o: kind.check(n, r, limit * 11 // 10, o))
    )
    assert harness.FALSE in {j.outcome for j in harness.run(pdk, rule, EACH)}


def test_the_same_mutants_on_each_run() -> None:
    pdk = harness.PDKS["post"]
    assert list(harness.mutants(pdk, "VIA.E.1", 1)) == list(harness.mutants(pdk, "VIA.E.1", 1))


def test_the_command_prints_a_table() -> None:
    command = Path(harness.__file__).with_name("run.py")
    done = subprocess.run(
        [sys.executable, str(command), "--pdk", "post", "--rule", "PI.S.1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, head, row, last = done.stdout.splitlines()
    assert first == "post: killed/equivalent/survived"
    assert head.split("  ")[0] == "rule"
    assert all(operator in head for operator in OPERATORS)
    assert row.startswith("PI.S.1")
    assert last.endswith("0 survived, 0 false alarm")


def polygon(*corners: tuple[int, int]) -> shapely.Polygon:
    return shapely.Polygon(corners)


@pytest.mark.parametrize(("gap", "illegal"), [(9_999, True), (10_000, False), (10_001, False)])
def test_the_witness_knows_a_limit_to_the_unit(gap: int, illegal: bool) -> None:
    two = shapely.unary_union([shapely.box(0, 0, 50_000, 50_000), shapely.box(50_000 + gap, 0, 99_999, 50_000)])
    assert witness.space([two], 10_000, {}) == witness.Verdict(illegal)
    assert witness.width([shapely.box(0, 0, gap, 50_000)], 10_000, {}) == witness.Verdict(illegal)


def test_the_witness_is_not_sure_of_what_rounding_decides() -> None:
    slanted = [polygon((0, 0), (30_000, 40_000), (22_000, 46_000), (-8_000, 6_000))]  # 10 um wide
    assert not witness.width(slanted, 10_001, {}).sure
    assert witness.width(slanted, 10_010, {}) == witness.Verdict(True)
    assert witness.width(slanted, 9_990, {}) == witness.Verdict(False)
