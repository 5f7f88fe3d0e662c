"""The chip's nets against metal drawn by hand: clean, open, short, missing, and what only looks so."""

from __future__ import annotations

from dataclasses import replace

import klayout.db as kdb
import pytest

from layoutgen.chip import Ball, Chip, Pad
from layoutgen.connect import NETS_RULE, TIED_RULE, check_nets, check_tied
from layoutgen.findings import RuleResult, Status

# two nets, each a pad below and a ball above (um)
CHIP = Chip(
    "two", 1000.0, 1000.0,
    (Pad("P1", "N1", 100.0, 100.0, 40.0, 40.0), Pad("P2", "N2", 500.0, 100.0, 40.0, 40.0)),
    (Ball("A1", "N1", 100.0, 900.0), Ball("A2", "N2", 500.0, 900.0)),
)  # fmt: skip
LEFT, RIGHT = (80, 80, 120, 920), (480, 80, 520, 920)


def metal(*boxes: tuple[float, float, float, float]) -> kdb.Region:
    return kdb.Region([kdb.DBox(*b).to_itype(0.001) for b in boxes])


def notes(result: RuleResult) -> list[str]:
    assert result.rule == NETS_RULE
    assert result.status is Status.RUN
    assert all(f.rule == NETS_RULE and f.polygon for f in result.findings)
    return sorted(f.note for f in result.findings)


def test_a_piece_for_each_net_is_clean() -> None:
    result = check_nets(metal(LEFT, RIGHT), CHIP)
    assert notes(result) == []
    assert result.verdict == "clean"


def test_pieces_that_overlap_or_abut_are_one() -> None:
    abutting = ((80, 80, 120, 500), (80, 500, 120, 700), (60, 690, 140, 920))
    assert notes(check_nets(metal(*abutting, RIGHT), CHIP)) == []


def test_a_gap_of_one_unit_opens_a_net() -> None:
    result = check_nets(metal((80, 80, 120, 500), (80, 500.001, 120, 920), RIGHT), CHIP)
    assert notes(result) == ["net N1 is in 2 pieces"]


def test_a_bridge_shorts_two_nets_and_says_where() -> None:
    result = check_nets(metal(LEFT, RIGHT, (100, 300, 500, 310)), CHIP)
    assert notes(result) == ["nets N1, N2 are one piece"]
    assert result.findings[0].at == (300.0, 500.0)


def test_a_touch_in_one_corner_is_a_short_not_a_gap() -> None:
    result = check_nets(metal(LEFT, (120, 920, 480, 960), (480, 80, 520, 920)), CHIP)
    assert notes(result) == ["nets N1, N2 are one piece"]


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        (((80, 80, 120, 800), RIGHT), ["ball A1 of net N1 stands on no metal"]),
        (((80, 200, 120, 920), RIGHT), ["pad P1 of net N1 stands on no metal"]),
        ((LEFT,), ["ball A2 of net N2 stands on no metal", "pad P2 of net N2 stands on no metal"]),
        ((), [f"{t} stands on no metal" for t in
              ("ball A1 of net N1", "ball A2 of net N2", "pad P1 of net N1", "pad P2 of net N2")]),
    ],
)  # fmt: skip
def test_a_terminal_on_no_metal_is_found_where_it_stands(
    boxes: tuple[tuple[float, float, float, float], ...], expected: list[str]
) -> None:
    result = check_nets(metal(*boxes), CHIP)
    assert notes(result) == expected
    spots = {p.name: (p.x, p.y) for p in (*CHIP.pads, *CHIP.balls)}
    assert all(f.at == spots[f.note.split()[1]] for f in result.findings)


def test_a_terminal_in_the_hole_of_a_ring_stands_on_no_metal() -> None:
    ring = metal((400, 800, 600, 1000)) - metal((450, 850, 550, 950))
    result = check_nets(metal(LEFT, (480, 80, 520, 820)) + ring, CHIP)
    assert notes(result) == ["ball A2 of net N2 stands on no metal"]


def test_metal_in_the_hole_of_another_nets_ring_is_its_own_piece() -> None:
    ring = metal((400, 50, 600, 1000)) - metal((440, 70, 560, 980))
    chip = replace(CHIP, pads=(*CHIP.pads, Pad("P3", "N3", 420.0, 500.0, 9.0, 9.0)),
                   balls=(*CHIP.balls, Ball("A3", "N3", 580.0, 500.0)))  # fmt: skip
    assert notes(check_nets(metal(LEFT, RIGHT) + ring, chip)) == []


def test_open_and_short_at_once_are_both_said() -> None:
    result = check_nets(metal((80, 80, 120, 400), RIGHT, (80, 600, 500, 920)), CHIP)
    assert notes(result) == ["net N1 is in 2 pieces", "nets N1, N2 are one piece"]


def test_three_nets_in_one_piece_are_named_in_order() -> None:
    chip = replace(CHIP, pads=(Pad("P0", "N0", 300.0, 305.0, 9.0, 9.0), *CHIP.pads),
                   balls=(Ball("A0", "N0", 310.0, 305.0), *CHIP.balls))  # fmt: skip
    result = check_nets(metal(LEFT, RIGHT, (100, 300, 500, 310)), chip)
    assert notes(result) == ["nets N0, N1, N2 are one piece"]


@pytest.mark.parametrize("origin", [(-150_000.0, 150_000.0), (1234.5, -0.001), (148_000.0, 148_000.0)])
def test_the_die_may_stand_anywhere(origin: tuple[float, float]) -> None:
    x, y = origin
    moved = [(a + x, b + y, c + x, d + y) for a, b, c, d in (LEFT, RIGHT)]
    assert notes(check_nets(metal(*moved), CHIP, origin)) == []
    result = check_nets(metal(moved[0]), CHIP, origin)
    assert len(result.findings) == 2
    assert result.findings[0].at == pytest.approx((500.0 + x, 100.0 + y))


BUS = metal((-20, -20, 1020, 0))
RING = metal((-40, -200, 1040, -100))
TRUNK = BUS + RING + metal((500, -100, 520, -20))


def tied_notes(ties: kdb.Region, trunk: kdb.Region = TRUNK) -> list[str]:
    result = check_tied(metal(LEFT, RIGHT) + ties + BUS, BUS, trunk, RING, CHIP, (0.0, 0.0))
    assert result.rule == TIED_RULE
    return sorted(f.note for f in result.findings)


def test_nets_that_reach_a_bus_that_reaches_the_ring_are_tied() -> None:
    assert tied_notes(metal((90, 0, 110, 80), (490, 0, 510, 80))) == []


def test_a_tie_that_ends_one_unit_before_the_bus_leaves_its_net_unplated() -> None:
    notes = tied_notes(metal((90, 0.001, 110, 80), (490, 0, 510, 80)))
    assert notes == [f"{t} of net N1 is not joined to the bus: not plated" for t in ("ball A1", "pad P1")]


def test_a_bus_that_does_not_reach_the_ring_is_found() -> None:
    ties = metal((90, 0, 110, 80), (490, 0, 510, 80))
    assert tied_notes(ties, BUS + RING) == ["this bus does not reach the contact ring"]


@pytest.mark.parametrize(
    ("pads", "expected"),
    [
        (((90, 90, 110, 110), (490, 90, 510, 110)), []),
        (((90, 90, 110, 110),), ["pad P2 of net N2 has no opening"]),
        (((90, 90, 110, 110), (490, 111, 510, 131)),
         ["pad P2 of net N2 has no opening", "this opening belongs to no terminal"]),
        (((90, 90, 110, 110), (490, 90, 510, 110), (700, 700, 720, 720)), ["this opening belongs to no terminal"]),
    ],
)  # fmt: skip
def test_what_stands_on_a_terminal_is_looked_for(
    pads: tuple[tuple[float, float, float, float], ...], expected: list[str]
) -> None:
    result = check_nets(metal(LEFT, RIGHT), CHIP, on_pads={"opening": metal(*pads)})
    assert notes(result) == expected


def test_metal_of_no_net_is_no_concern() -> None:
    assert notes(check_nets(metal(LEFT, RIGHT, (700, 700, 800, 800)), CHIP)) == []


def test_each_finding_has_an_identity_of_its_own() -> None:
    found = check_nets(metal(), CHIP).findings
    assert len(found) == 4
    assert len({f.identity for f in found}) == 4
