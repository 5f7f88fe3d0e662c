"""Defects of caps in both examples: each is caught by the rule meant for it, at its place, from one unit beyond on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import klayout.db as kdb
import pytest
from mutants import caps

from layoutgen.drc import checks
from layoutgen.drc.checks import KINDS

pytestmark = pytest.mark.xdist_group("caps")
LEAST = 100
"""Defects in all; as many more at the limit."""

wafer = cache(caps.drawn)


@cache
def done(name: str) -> list[caps.Judged]:
    return caps.run(wafer(name), caps.EACH)


@pytest.mark.parametrize("name", caps.NAMES)
def test_each_defect_is_caught_at_its_place_and_nothing_else_is_found(name: str) -> None:
    assert [j for j in done(name) if j.outcome != caps.CAUGHT] == []
    meant = {defect for defect, (_, rules) in caps.DEFECTS.items() if wafer(name).flow in rules}
    assert Counter(j.defect for j in done(name)) == dict.fromkeys(meant, caps.EACH)


def test_there_are_hundreds_and_a_table_of_them() -> None:
    table = caps.table({name: done(name) for name in caps.NAMES})
    print(table)
    assert sum(len(done(name)) for name in caps.NAMES) >= LEAST
    assert table.splitlines()[-1].endswith("0 survived, 0 false alarm")


def test_the_ring_at_the_wafers_rim_is_there_and_closed() -> None:
    w = wafer("framed")
    rim = w.step["frame"].bbox().enlarged(20_000_000, 20_000_000)
    for gone, rule in ((rim, "RIM.N.1"), (kdb.Box(0, 0, 50, 20_000_000), "RIM.R.1"), (kdb.Box(), "")):
        layout = w.layout.dup()
        top, index = layout.top_cell(), layout.layer(*w.pdk.gds("rim"))
        left = kdb.Region(top.begin_shapes_rec(index)).merged() - kdb.Region(gone)
        layout.clear_layer(index)
        top.shapes(index).insert(left)
        assert {r.rule for r in w.check(layout, {"RIM.N.1", "RIM.R.1"}) if r.count} == {rule} - {""}, rule


def test_a_rule_that_is_blind_lets_defects_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that sees what is at its limit is told as well."""
    small = caps.drawn("duplexer_2in1", 22_000)
    asked = [("thin frame", "a"), ("via on the frame", "b")]
    kind = KINDS["separation"]
    monkeypatch.setitem(checks.KINDS, "separation", replace(kind, check=lambda *_: []))
    assert {j.defect: j.outcome for j in caps.judge(small, asked)} == {
        "thin frame": caps.CAUGHT, "via on the frame": caps.SURVIVED,
    }  # fmt: skip
