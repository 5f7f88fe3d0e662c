"""The cut list: every street cut once and in order, no die touched, with shapely as the witness; and what is found."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import replace

import klayout.db as kdb
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from layoutgen import gds
from layoutgen.cell import Drawing
from layoutgen.cuts import COLUMNS, SawCut, check_cuts, csv_text, cut_list
from layoutgen.errors import SpecError
from layoutgen.findings import RuleResult
from layoutgen.kerf import Step
from layoutgen.maskset import MaskSet
from layoutgen.pdk import Cut
from layoutgen.wafer import Grid, Rim, lay_grid

BLADE = Cut(kerf_min=55.0, kerf_max=65.0, tolerance=5.0, chipping=10.0)
MM = 1000.0


def step_of(width: float, height: float, street: tuple[float, float] = (100.0, 100.0)) -> Step:
    x, y = street[0] / 2, street[1] / 2
    return Step(Drawing("FULL"), Drawing("EMPTY"), (-x, -y, width + x, height + y), (width, height))


def dies_of(grid: Grid, step: Step) -> list[shapely.Polygon]:
    (w, h) = step.die_size
    return [shapely.box(x, y, x + w, y + h) for x, y in map(grid.at, grid.places)]


def bands(cuts: tuple[SawCut, ...], half: float) -> list[shapely.Polygon]:
    """From the table that the saw is given, as it is written."""
    out = []
    for row in csv.DictReader(io.StringIO(csv_text(cuts, BLADE))):
        x0, y0, x1, y1 = (float(row[k]) for k in ("start_x", "start_y", "end_x", "end_y"))
        dx, dy = (0.0, half) if row["along"] == "x" else (half, 0.0)
        out.append(shapely.box(x0 - dx, y0 - dy, x1 + dx, y1 + dy))
    return out


@settings(max_examples=30)
@given(
    width=st.integers(1500, 9000), height=st.integers(1500, 9000),
    street=st.tuples(st.sampled_from([95.0, 100.0, 250.5]), st.sampled_from([95.0, 120.0])),
    centre=st.sampled_from(["die", "street"]), first=st.sampled_from(["x", "y"]), ends=st.sampled_from(["rim", "dies"]),
)  # fmt: skip
def test_what_is_left_of_the_wafer_are_its_dies(
    width: int, height: int, street: tuple[float, float], centre: str, first: str, ends: str
) -> None:
    rim, step = Rim(40 * MM, 2 * MM, "bottom"), step_of(width, height, street)
    try:
        grid = lay_grid(rim, step, centre, 2, "spec")  # type: ignore[arg-type]
    except SpecError:
        assume(False)
    cut = BLADE.model_copy(update={"first": first, "ends": ends})
    cuts = cut_list(cut, rim, grid, step)
    dies = dies_of(grid, step)
    most = shapely.union_all(bands(cuts, cut.touched))
    assert not any(die.relate_pattern(most, "T********") for die in dies)  # their insides have nothing in common
    wafer = shapely.Point(0, 0).buffer(rim.diameter / 2, quad_segs=64)
    left = list(shapely.get_parts(wafer - shapely.union_all(bands(cuts, cut.removed))))
    tree = shapely.STRtree(left)
    on = [tree.query(die, predicate="intersects").tolist() for die in dies]
    assert all(len(pieces) == 1 for pieces in on)
    assert len({pieces[0] for pieces in on}) == len(dies)
    # each piece with a die has nothing of the rim, but for the streets' own rests beside the blade
    for die, (piece,) in zip(dies, on, strict=True):
        assert left[piece].within(shapely.box(*die.buffer(max(street) / 2 + 1e-6).bounds))


def test_the_order_of_cutting() -> None:
    rim, step = Rim(40 * MM, 2 * MM, "bottom"), step_of(3000, 5000)
    grid = lay_grid(rim, step, "street", 2, "spec")
    for first, second in (("x", "y"), ("y", "x")):
        cuts = cut_list(BLADE.model_copy(update={"first": first}), rim, grid, step)
        assert [c.number for c in cuts] == list(range(1, len(cuts) + 1))
        one, two = ([c for c in cuts if c.turn == turn] for turn in (1, 2))
        assert one + two == list(cuts)
        assert ({c.along for c in one}, {c.along for c in two}) == ({first}, {second})
        for turn in (one, two):
            assert [c.index for c in turn] == list(range(1, len(turn) + 1))
            assert [c.centre for c in turn] == sorted({c.centre for c in turn})
        across = {"x": grid.rows + 1, "y": grid.columns + 1}
        assert (len(one), len(two)) == (across[first], across[second])


def test_the_table_is_what_it_says() -> None:
    cuts = (SawCut(1, 1, "x", 1, -50.0, -2000.0, 2000.5), SawCut(2, 2, "y", 1, -0.0, -10.0, 10.0))
    rows = list(csv.reader(io.StringIO(csv_text(cuts, BLADE))))
    assert tuple(rows[0]) == COLUMNS
    assert rows[1:] == [
        ["1", "1", "x", "1", "-50.000", "-2000.000", "-50.000", "2000.500", "-50.000", "55.000", "65.000"],
        ["2", "2", "y", "1", "0.000", "0.000", "-10.000", "0.000", "10.000", "55.000", "65.000"],
    ]


def test_cuts_go_across_the_whole_edge() -> None:
    rim, step = Rim(40 * MM, 2 * MM, "bottom"), step_of(3000, 5000)
    for c in cut_list(BLADE, rim, lay_grid(rim, step, "street", 2, "spec"), step):
        for end in (c.start, c.end):
            corner = max(math.hypot(end, c.centre + by) for by in (-BLADE.touched, BLADE.touched))
            nearest = math.hypot(end, max(0.0, abs(c.centre) - BLADE.touched))
            assert nearest == pytest.approx(rim.diameter / 2, abs=0.002)
            assert corner >= rim.diameter / 2


# what is found, on a wafer as it is built ------------------------------------------------------------------------

Change = Callable[[tuple[SawCut, ...]], tuple[SawCut, ...]]


def judged(built: MaskSet, cuts: tuple[SawCut, ...], **changed: object) -> RuleResult:
    cut = built.pdk.cut
    assert cut is not None
    found = gds.fetch(built.layout, built.pdk, built.layout.top_cell())
    return check_cuts(cuts, cut.model_copy(update=changed), built.spec.street, found)


def test_a_build_has_a_clean_cut_list(small: MaskSet) -> None:
    assert small.cuts
    (result,) = [r for r in small.report.results if r.rule == "CUTS"]
    assert result.verdict == "clean"
    assert judged(small, small.cuts).findings == ()


def middle(cuts: tuple[SawCut, ...]) -> int:
    """Position of a cut through the wafer's middle."""
    return min(range(len(cuts)), key=lambda k: (abs(cuts[k].centre), k))


def one_changed(**by: float) -> Change:
    def change(cuts: tuple[SawCut, ...]) -> tuple[SawCut, ...]:
        k = middle(cuts)
        moved = replace(cuts[k], **{name: getattr(cuts[k], name) + d for name, d in by.items()})
        return (*cuts[:k], moved, *cuts[k + 1 :])

    return change


def without(cuts: tuple[SawCut, ...], k: int) -> tuple[SawCut, ...]:
    return (*cuts[:k], *cuts[k + 1 :])


def swapped(cuts: tuple[SawCut, ...], k: int, j: int) -> tuple[SawCut, ...]:
    """With the places of two exchanged, each numbered anew as it then comes: only their order is wrong."""
    new = list(cuts)
    new[k], new[j] = (
        replace(cuts[j], number=k + 1, index=cuts[k].index),
        replace(cuts[k], number=j + 1, index=cuts[j].index),
    )
    return tuple(new)


CHANGES: dict[str, tuple[Change, str]] = {
    "a cut left out": (lambda cuts: without(cuts, middle(cuts)), "no cut runs along"),
    "a cut done twice": (lambda cuts: (*cuts, cuts[middle(cuts)]), "is cut 2 times"),
    "one that is short": (one_changed(start=8000.0), "no cut runs along"),
    "one shifted in its street": (one_changed(centre=1.0), "drawn as removed"),
    "one shifted to the die": (one_changed(centre=25.0), "of die, which stays"),
    "one in a die": (one_changed(centre=500.0), "of die, which stays"),
    "one before its neighbour": (lambda cuts: swapped(cuts, middle(cuts), middle(cuts) - 1), "is out of order"),
    "one last of all": (lambda cuts: (*without(cuts, middle(cuts)), cuts[middle(cuts)]), "is out of order"),
    "one as of the other turn": (one_changed(turn=1), "its turn is"),
    "one as another in its turn": (one_changed(index=1), "its index is"),
    "no cut at all": (lambda cuts: (), "no cut runs along"),
    "one pass only": (lambda cuts: tuple(c for c in cuts if c.turn == 1), "no cut runs along"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_wrong_list_is_found_at_its_place(name: str, small: MaskSet) -> None:
    change, note = CHANGES[name]
    findings = judged(small, change(small.cuts)).findings
    assert any(note in f.note for f in findings), [f.note for f in findings][:5]
    if name.startswith(("a ", "one s")):
        cut = small.cuts[middle(small.cuts)]
        for f in (f for f in findings if note in f.note):
            x, y = f.at
            assert abs((y if cut.along == "x" else x) - cut.centre) <= max(small.spec.street)


def reordered(cuts: list[SawCut]) -> tuple[SawCut, ...]:
    """Numbered as they come, in turns of one direction."""
    out: list[SawCut] = []
    for c in cuts:
        fresh = not out or out[-1].along != c.along
        turn, index = (out[-1].turn + 1 if out else 1, 1) if fresh else (out[-1].turn, out[-1].index + 1)
        out.append(replace(c, number=len(out) + 1, turn=turn, index=index))
    return tuple(out)


def test_only_one_order_is_clean(small: MaskSet) -> None:
    """Whatever permutation of the list cuts all the same, and is found unless it is the list itself."""
    cuts = list(small.cuts)
    turns = [[c for c in cuts if c.turn == turn] for turn in (1, 2)]
    assert reordered(cuts) == small.cuts
    assert judged(small, reordered(cuts)).findings == ()
    for order in ([*turns[1], *turns[0]], cuts[::-1], [*turns[0][::-1], *turns[1]], [*turns[0], *turns[1][::-1]],
                  [*turns[0][1:], turns[0][0], *turns[1]]):  # fmt: skip
        notes = {f.note for f in judged(small, reordered(order)).findings}
        assert notes
        assert all("is out of order" in note for note in notes)


def test_a_shift_within_its_street_is_found_to_the_unit(small: MaskSet) -> None:
    assert judged(small, one_changed(centre=0.001)(small.cuts)).findings
    assert not judged(small, one_changed(centre=0.0)(small.cuts)).findings


def test_a_layer_that_stays(small: MaskSet) -> None:
    """The wafer's outline is cut, of course; the chips' own pads are not."""
    pad = small.pdk.role("pad")
    assert judged(small, small.cuts, keeps=(pad,)).findings == ()
    findings = judged(small, small.cuts, keeps=("street",)).findings
    assert {f.note for f in findings} == {"a cut may take this of street, which stays"}
    cut = small.pdk.cut
    assert cut is not None
    witness = shapely.union_all([
        shapely.box(*(v / 1000 for v in (b.left, b.bottom, b.right, b.top)))
        for b in (c.band(cut.touched) for c in small.cuts)
    ])  # fmt: skip
    streets = gds.fetch(small.layout, small.pdk, small.layout.top_cell())("street").merged()
    there = shapely.union_all([shapely.from_wkt(_wkt(p)) for p in streets.each()])
    area = sum(shapely.Polygon(f.polygon).area for f in findings) / 1e6
    assert area == pytest.approx((there & witness).area, rel=1e-9)


def _wkt(polygon: kdb.Polygon) -> str:
    def ring(points: list[kdb.Point]) -> str:
        return "(" + ", ".join(f"{p.x / 1000:.3f} {p.y / 1000:.3f}" for p in [*points, points[0]]) + ")"

    holes = [list(polygon.each_point_hole(k)) for k in range(polygon.holes())]
    return f"POLYGON ({', '.join(ring(r) for r in [list(polygon.each_point_hull()), *holes])})"
