"""Findings at very many places: none is lost, and they share what says where they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import klayout.db as kdb
import pytest
from tiny_pdk import tiny

from layoutgen import gds
from layoutgen.drc import look, place
from layoutgen.drc import run as drc
from layoutgen.findings import Finding


def findings(count: int) -> list[Finding]:
    """Two equal ones of a window, and one that is all its own, each with the repeats of the window."""
    repeats = tuple((1000 * k, -7 * k) for k in range(1, count))
    edges = [((x, 0, x + w, 0), (x, 5, x + w, 5)) for x, w in ((0, 10), (500, 10), (0, 20))]
    return [Finding("R", edges=pair, measured=0.005, repeats=repeats) for pair in edges]


def places(found: list[Finding]) -> list[object]:
    return sorted(one.edges for f in found for one in f.each())


def test_equal_findings_become_one() -> None:
    joined = place.join(findings(100))
    assert sorted(f.count for f in joined) == [100, 200]
    assert places(joined) == places(findings(100))


def test_equal_findings_at_very_many_places_share_them() -> None:
    count = place.MOST_FOLDED // 2 + 1
    joined = place.join(findings(count))
    assert [f.count for f in joined] == [count] * 3
    assert len({id(f.repeats) for f in joined}) == 1
    assert places(joined) == places(findings(count))


def turned(f: Finding) -> Finding:
    return replace(f, edges=tuple((c, d, a, b) for a, b, c, d in reversed(f.edges)))


@pytest.mark.parametrize("first", [0, 1])
def test_of_those_that_mark_the_same_place_the_worst_stays(first: int) -> None:
    edges = ((0, 0, 10, 0), (0, 5, 10, 5))
    many = Finding("R", edges=edges, measured=0.005, asked=0.007, repeats=tuple((1000 * k, -k) for k in range(1, 20)))
    some = turned(Finding("R", edges=edges, measured=0.005, asked=0.009, repeats=((3000, -3), (99_000, 0))))
    found = place.distinct([many, some] if first else [some, many])
    asked = {one.at: one.asked for f in found for one in f.each()}
    assert sum(f.count for f in found) == len(asked) == 21
    assert {at for at, each in asked.items() if each == 0.009} == {one.at for one in some.each()}
    assert len({f.identity for f in found}) == len(found)


def test_findings_at_very_many_places_are_each_there_once() -> None:
    (edges, *_) = [f.edges for f in findings(1)]
    spots = tuple((1000 * k, -7 * k) for k in range(1, place.MOST_FOLDED))
    other = tuple(spots[: place.MOST_FOLDED // 2])
    worse = Finding("R", edges=edges, measured=0.004, repeats=other)
    found = place.distinct([Finding("R", edges=edges, measured=0.005, repeats=spots), turned(worse), worse], 0.01)
    assert {f.measured: f.count for f in found} == {0.004: len(other) + 1, 0.005: len(spots) - len(other)}


@pytest.mark.parametrize("wider", [0, 1])
@pytest.mark.parametrize("how", ["flat", "little", "windows"])
def test_a_pair_that_breaks_two_steps_hides_no_other(
    wider: int, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "LITTLE", 0 if how == "windows" else look.LITTLE)
    keys = """check = "wide_space"
layers = ["rdl"]
wide = "one"
steps = [{ width = 15.0, run = 0.0, space = 8.0 }, { width = 30.0, run = 0.0, space = 10.0 }]
why = "w"
source = "s"
"""
    pdk = tiny(tmp_path, f"[rules.S]\n{keys}")
    layout = kdb.Layout()
    layout.dbu = 0.001
    top, index = layout.create_cell("TOP"), layout.layer(gds.layer_info(pdk, "rdl"))
    for k in range(20):
        y, widths = 200_000 * k, [20_000, 20_000]
        widths[wider] += 20_000 * (k == 0)
        top.shapes(index).insert(kdb.Box(-widths[0], y, 0, y + 100_000))
        top.shapes(index).insert(kdb.Box(6_000, y, 6_000 + widths[1], y + 100_000))
    if how == "flat":
        report = drc.run(pdk, "one", drc.Content("all", gds.fetch(layout, pdk, top), frozenset({"S"}), complete=False))
    else:
        report = drc.check_layout(layout, top, pdk, "one", title="all", rules={"S"}, complete=False, jobs=1)
    asked = sorted((min(y for e in one.edges for y in e[1::2]), one.asked) for f in report.findings for one in f.each())
    assert report.results[0].reason == ""
    assert asked == [(200_000 * k, 8.0 if k else 10.0) for k in range(20)]
