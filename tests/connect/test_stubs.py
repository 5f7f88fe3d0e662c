"""What the cut leaves of ties: lengths, spaces, dielectric and crossings, to the database unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import klayout.db as kdb
import nets
import pytest

from layoutgen import discover, netcheck
from layoutgen.connect import rules, stubs
from layoutgen.connect.states import MOST, check_wafer
from layoutgen.connect.terminals import named
from layoutgen.drc.dies import die_boxes
from layoutgen.findings import RuleResult, Status
from layoutgen.pdk import Pdk

POST = discover.pdk("post")
SIDE = 1_000_000
EDGE = -nets.STREET // 2
"""The middle of the street below the die; ties come from above, 20 um wide, every 200 um."""
SURE, MAYBE = 22_500, 47_500


@dataclass
class Checked:
    rules: dict[str, RuleResult]
    said: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def wafer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wafer") / "wafer.oas"
    assert nets.make(path, radius=2_500_000, side=SIDE, nets=4) == 12
    return path


def drawn(wafer: Path, *shapes: tuple[str, str, tuple[int, int, int, int]]) -> kdb.Layout:
    """The wafer with boxes more: cell, layer, box."""
    layout = kdb.Layout()
    layout.read(str(wafer))
    for cell, layer, box in shapes:
        layout.cell(cell).shapes(layout.layer(*POST.gds(layer))).insert(kdb.Box(*box))
    return layout


def checked(layout: kdb.Layout, pdk: Pdk = POST) -> Checked:
    top = layout.top_cell()
    places = named(die_boxes(layout, top, pdk))
    said: list[str] = []
    results = check_wafer(
        pdk, "plated", layout, top, places, lambda p: netcheck.labels(pdk, layout, top, p, places), say=said.append
    )
    return Checked({r.rule: r for r in results}, said)


def blade(**keys: Any) -> Pdk:
    assert POST.cut
    return POST.model_copy(update={"cut": POST.cut.model_copy(update=keys)})


def test_a_clean_wafer_says_how_long_its_stubs_are(wafer: Path) -> None:
    found = checked(drawn(wafer))
    assert {r.rule: r.verdict for r in found.rules.values()} == dict.fromkeys(rules.TEXTS, "clean")
    # a tie reaches from the bus to 40 um into its die; its wire begins 30 um in, less the half width of its end
    assert found.said[0].startswith("Stubs: 48; lengths where the blade takes least, and 25 um less")
    assert "straight for 67.5 um, 57.5 um to what it ties" in found.said[1]
    assert found.said[-1].startswith("CROSSINGS: nothing is drawn on incoming_keepout")


def test_a_bent_tie_is_straight_as_far_as_its_first_turn(wafer: Path) -> None:
    bent = ("DIE", "rdl_tie", (10_000 + 190_000, -10_000, 260_000, 10_000))
    longer = checked(drawn(wafer, bent)).said
    assert any("straight for 17.5 um" in line for line in longer), longer


@pytest.mark.parametrize(("gap", "count"), [(20_000, 0), (19_999, 12), (5_000, 12)])
def test_ends_along_the_cut_keep_clearance_and_two_burrs(wafer: Path, gap: int, count: int) -> None:
    """Another net's tie beside the first one, in all of the twelve dies."""
    x = 210_000 + gap
    wide = ("DIE", "rdl_tie", (x, EDGE - 15_000, 410_000, 40_000))
    result = checked(drawn(wafer, wide)).rules["STUBS"]
    assert result.count == count
    for finding in result.findings:
        assert finding.measured == pytest.approx(gap / 1000 - 10)
        assert finding.asked == 10
        assert finding.at == pytest.approx((finding.at[0], finding.at[1]))


def test_only_what_the_blade_may_end_counts(wafer: Path) -> None:
    """Metal of ties that is near another beyond where the blade ends is for the rules of the metal."""
    near = ("DIE", "rdl_tie", (215_000, EDGE + MAYBE, 410_000, 40_000))
    assert checked(drawn(wafer, near)).rules["STUBS"].count == 0
    near = ("DIE", "rdl_tie", (215_000, EDGE + MAYBE - 1, 410_000, 40_000))
    assert checked(drawn(wafer, near)).rules["STUBS"].count == 12


@pytest.mark.parametrize(("clearance", "count"), [(45.0, 0), (45.001, 8)])
def test_ends_across_the_narrowest_cut(wafer: Path, clearance: float, count: int) -> None:
    """A kerf of 55 um, less two burrs of 5; eight of the twelve dies have one below them."""
    up = ("DIE", "rdl_tie", (190_000, SIDE - 130_000, 210_000, SIDE - EDGE + 15_000))
    result = checked(drawn(wafer, up), blade(clearance=clearance)).rules["STUBS"]
    assert result.count == count
    assert all("across the narrowest cut" in f.note for f in result.findings)


def test_one_net_may_end_beside_itself(wafer: Path) -> None:
    twin = (
        ("DIE", "rdl_tie", (212_000, EDGE - 15_000, 232_000, 40_000)),
        ("DIE", "rdl", (190_000, 25_000, 232_000, 45_000)),
    )
    found = checked(drawn(wafer, *twin))
    assert found.rules["STUBS"].verdict == found.rules["NETS"].verdict == "clean"


@pytest.mark.parametrize(
    ("box", "count"),
    [
        ((195_000, -20_000, 205_000, -10_000), 12),  # under a stub
        ((195_000, EDGE + SURE - 10_000 - 5_000, 205_000, EDGE + SURE - 10_000), 0),  # the margin beyond its end
        ((195_000, EDGE + SURE - 10_000 - 5_000, 205_000, EDGE + SURE - 9_999), 12),
        ((220_000, -20_000, 225_000, -10_000), 0),  # the margin beside it
        ((219_999, -20_000, 225_000, -10_000), 12),
        ((300_000, -20_000, 305_000, -10_000), 0),
    ],
)
def test_dielectric_lies_under_stubs(wafer: Path, box: tuple[int, int, int, int], count: int) -> None:
    found = checked(drawn(wafer, ("STEP", "polyimide_mark", box)))
    assert found.rules["COVER"].count == count
    for finding in found.rules["COVER"].findings:
        assert finding.polygon


@pytest.mark.parametrize("layer", ["incoming_keepout", "incoming_mark", "via_mark"])
def test_no_tie_crosses_what_it_must_avoid(wafer: Path, layer: str) -> None:
    over = (layer, (205_000, -30_000, 230_000, -20_000))
    found = checked(drawn(wafer, ("STEP", *over)))
    assert found.rules["CROSSINGS"].count == 12
    assert all(f"crosses this of {layer}" in f.note for f in found.rules["CROSSINGS"].findings)
    beside = (layer, (210_000, -30_000, 230_000, -20_000))
    assert checked(drawn(wafer, ("STEP", *beside))).rules["CROSSINGS"].verdict == "clean"


def test_only_ties_cross_the_edge_of_a_die(wafer: Path) -> None:
    wire = ("DIE", "rdl", (300_000, -1_000, 320_000, 50_000))
    found = checked(drawn(wafer, wire))
    assert found.rules["CROSSINGS"].count == 12
    assert found.rules["KERF"].verdict == "clean"  # it does not reach what the blade may take
    inside = ("DIE", "rdl", (300_000, 0, 320_000, 50_000))
    assert checked(drawn(wafer, inside)).rules["CROSSINGS"].verdict == "clean"


@pytest.mark.parametrize(
    ("keys", "rule"), [({"clearance": None, "burr": 0.0}, "STUBS"), ({"bares": "", "margin": 0.0}, "COVER")]
)
def test_what_the_process_does_not_say_is_not_applicable(wafer: Path, keys: dict[str, Any], rule: str) -> None:
    found = checked(drawn(wafer), blade(**keys)).rules
    assert found[rule].status is Status.NOT_APPLICABLE
    assert "[cut] of the process does not say" in found[rule].reason
    assert {r for r, result in found.items() if result.status is not Status.RUN} == {rule}


def test_without_ties_nothing_is_clean(wafer: Path) -> None:
    layout = drawn(wafer)
    layout.clear_layer(layout.layer(*POST.gds("rdl_tie")))
    found = checked(layout).rules
    assert [found[rule].verdict for rule in stubs.RULES] == ["not applicable", "not applicable", "clean"]
    assert found["TIED"].count


def test_what_is_beyond_the_most_findings_is_counted(wafer: Path) -> None:
    """Opens and shorts of more kinds than findings: one more says how many, and where."""
    path = wafer.with_name("many.oas")
    nets.make(path, radius=6_000_000, side=4_000_000, nets=2 * MOST + 20)
    layout = drawn(path)
    for k in range(MOST + 5):  # each a short of its own; and the last nets are cut
        pitch = 4_000_000 // (2 * MOST + 21)
        x, y = pitch * (2 * k + 1), 500_000 + k * 1_000
        layout.cell("DIE").shapes(layout.layer(*POST.gds("rdl"))).insert(kdb.Box(x, y, x + pitch, y + 5_000))
    found = checked(layout).rules["NETS"].findings
    (more,) = [f for f in found if "more times nets are one piece" in f.note]
    dies = len(more.repeats) + 1
    assert more.note.startswith(f"{dies} more times")
    assert dies % 5 == 0
    assert "in every die" in more.note


def test_ties_that_do_not_reach_the_kerf_are_no_stubs(wafer: Path) -> None:
    layout = drawn(wafer)
    ties = layout.cell("DIE").shapes(layout.layer(*POST.gds("rdl_tie")))
    inside = kdb.Region(ties) & kdb.Region(kdb.Box(0, 0, SIDE, SIDE))
    ties.clear()
    ties.insert(inside)
    found = checked(layout)
    assert [found.rules[rule].verdict for rule in stubs.RULES] == ["clean", "clean", "clean"]
    assert not any(line.startswith("Stubs") for line in found.said)
    assert found.rules["TIED"].count
