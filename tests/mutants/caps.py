"""Defects of caps: injected into wafers of the examples, each in a die of its own, and looked for by the rules."""

from __future__ import annotations

from collections.abc import Iterator

import klayout.db as kdb
import numpy as np
from mutants import injected
from mutants.cap_defects import DEFECTS, NEAR, Harm
from mutants.cap_wafers import NAMES, Wafer, drawn
from mutants.injected import CAUGHT, FALSE, SURVIVED, Judged, rnd

from layoutgen.findings import Finding, RuleResult

__all__ = ["CAUGHT", "DEFECTS", "NAMES", "drawn", "judge", "run", "table"]

EACH, NIGHTLY = 3, 60
"""Defects of each kind and example in the tests, and with --nightly."""


def rules_of(w: Wafer) -> set[str]:
    """The rules that are meant for defects."""
    return {meant[w.flow] for _, meant in DEFECTS.values() if w.flow in meant}


def beyond(seed: str) -> int:
    """By how many units: one, mostly."""
    return rnd(f"{seed} beyond").choice((1, 1, 1, 2, 20, 500))


def judge(w: Wafer, asked: list[tuple[str, str]]) -> list[Judged]:
    """Defects by name and seed on one wafer, each in a die of its own; and at the limit in one of the other colour."""
    harmed: dict[tuple[int, int], tuple[str, str, Harm]] = {}
    for black in (True, False):
        places = (c for c in w.corners if w.black(c) is black)
        for name, seed in asked:
            harm = DEFECTS[name][0](w, rnd(seed), beyond(seed) if black else 0)
            if harm is not None:
                harmed[next(places)] = (name, seed, harm)
    hits: dict[tuple[int, int], set[str]] = {corner: set() for corner in harmed}
    out = []
    for rule, box in _markers(w.check(_edited(w, harmed), rules_of(w))):
        corner = _corner(w, box)
        if corner not in harmed:
            out.append(Judged(f"{rule} at {box}", "", FALSE, (rule,)))
        elif harmed[corner][2].place.enlarged(NEAR, NEAR).moved(*corner).touches(box):
            hits[corner].add(rule)
    for corner, (name, seed, _) in harmed.items():
        found = DEFECTS[name][1][w.flow] in hits[corner]
        if w.black(corner):
            out.append(Judged(name, seed, CAUGHT if found else SURVIVED, tuple(sorted(hits[corner]))))
        elif found:
            out.append(Judged(name, f"{seed}, at the limit", FALSE, tuple(sorted(hits[corner]))))
    return out


def _edited(w: Wafer, harmed: dict[tuple[int, int], tuple[str, str, Harm]]) -> kdb.Layout:
    """The wafer with all of that; layers of which something is taken are drawn flat."""
    layout = w.layout.dup()
    top = layout.top_cell()
    edits: dict[str, tuple[kdb.Region, kdb.Region]] = {}
    for corner, (_, _, harm) in harmed.items():
        for layer, box in harm.gone:
            edits.setdefault(layer, (kdb.Region(), kdb.Region()))[0].insert(box.moved(*corner))
        for layer, polygon in harm.added:
            edits.setdefault(layer, (kdb.Region(), kdb.Region()))[1].insert(polygon.moved(*corner))
    for name, (gone, added) in edits.items():
        index = layout.layer(*w.pdk.gds(name))
        if not gone.is_empty():
            left = kdb.Region(top.begin_shapes_rec(index)).merged() - gone
            for cell in layout.each_cell():
                cell.clear(index)
            top.shapes(index).insert(left)
        top.shapes(index).insert(added)
    return layout


def _markers(results: tuple[RuleResult, ...]) -> Iterator[tuple[str, kdb.Box]]:
    """All markers, repeats too: rule and extent."""
    for result in results:
        assert result.status.value in ("run", "not applicable"), result.reason
        for finding in (one for found in result.findings for one in found.each()):
            yield result.rule, _extent(finding)


def _extent(finding: Finding) -> kdb.Box:
    box = kdb.Box()
    for x, y in (*finding.polygon, *(p for e in finding.edges for p in ((e[0], e[1]), (e[2], e[3])))):
        box += kdb.Point(x, y)
    return box


def _corner(w: Wafer, box: kdb.Box) -> tuple[int, int]:
    """Of the die in whose step the middle of a marker is."""
    x0, y0 = w.corners[0]
    middle, half = box.center(), w.street / 2
    steps = [size + w.street for size in w.size]
    return tuple(  # type: ignore[return-value]
        c0 + step * int(np.floor((c - c0 + half) / step))
        for c, c0, step in zip((middle.x, middle.y), (x0, y0), steps, strict=True)
    )


def run(w: Wafer, each: int, only: str = "") -> list[Judged]:
    """So many defects of each kind, on as few wafers as hold them."""
    names = [name for name, (_, meant) in DEFECTS.items() if w.flow in meant and only in ("", name)]
    asked = [(name, f"{w.flow} {name} {n}") for n in range(each) for name in names]
    room = min(sum(w.black(c) is black for c in w.corners) for black in (True, False))
    return [j for begin in range(0, len(asked), room) for j in judge(w, asked[begin : begin + room])]


def table(done: dict[str, list[Judged]]) -> str:
    """Defect by example: caught / survived; and the sums."""
    return injected.table(
        {name: ", ".join(dict.fromkeys(meant.values())) for name, (_, meant) in DEFECTS.items()}, done
    )
