"""Findings at very many places: none is lost, and they share what says where they are."""

from __future__ import annotations

from layoutgen.drc import place
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
