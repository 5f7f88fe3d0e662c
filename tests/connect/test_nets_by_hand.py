"""The chip's nets against metal of one die drawn by hand: clean, open, short, missing, and what only looks so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import klayout.db as kdb
import numpy as np
import pytest

from layoutgen import discover
from layoutgen.chip import Ball, Chip, Pad
from layoutgen.connect.rules import NETS, TIED
from layoutgen.connect.states import check_wafer
from layoutgen.connect.terminals import Dies, of_chip
from layoutgen.findings import RuleResult, Status
from layoutgen.pdk import Connect
from layoutgen.units import dbu

POST = discover.pdk("post")
ON_METAL = Connect(metal="rdl | rdl_tie | rdl_bus | rdl_ring", pad=(), ball=())
TWO = Connect(metal="rdl | rdl_tie | rdl_bus | rdl_ring", pad=(), ball=(), metal_2="rdl_label", via_2="via")
"""Any two layers will do for a second metal and what joins it."""

# two nets, each a pad below and a ball above (um)
CHIP = Chip(
    "two", 1000.0, 1000.0,
    (Pad("P1", "N1", 100.0, 100.0, 40.0, 40.0), Pad("P2", "N2", 500.0, 100.0, 40.0, 40.0)),
    (Ball("A1", "N1", 100.0, 900.0), Ball("A2", "N2", 500.0, 900.0)),
)  # fmt: skip
LEFT, RIGHT = (80, 80, 120, 920), (480, 80, 520, 920)


def metal(*boxes: tuple[float, float, float, float]) -> kdb.Region:
    return kdb.Region([kdb.DBox(*b).to_itype(0.001) for b in boxes])


def checked(
    shapes: Mapping[str, kdb.Region], connect: Connect, chip: Chip = CHIP, origin: tuple[float, float] = (0.0, 0.0),
    taken: Mapping[str, str] | None = None, flow: str = "freestanding",
) -> dict[str, RuleResult]:  # fmt: skip
    """What is said of shapes by layer, in one die, by rule."""
    pdk = POST.model_copy(update={"connect": connect})
    layout = kdb.Layout()
    top = layout.create_cell("TOP")
    for name, region in shapes.items():
        top.shapes(layout.layer(*pdk.gds(name))).insert(region)
    x, y = (dbu(v) for v in origin)
    box = np.array([[x, y, x + dbu(chip.width), y + dbu(chip.height)]])
    terminals = of_chip(chip, [origin], taken or {})
    results = check_wafer(pdk, flow, layout, top, Dies(box, [""]), lambda _: terminals)
    return {result.rule: result for result in results}


def check_nets(
    shapes: kdb.Region, chip: Chip = CHIP, origin: tuple[float, float] = (0.0, 0.0), *,
    taken: Mapping[str, str] | None = None, on_pads: kdb.Region | None = None,
) -> RuleResult:  # fmt: skip
    """The chip's nets on one metal, where no current needs the kerf; with openings that stand on pads."""
    if on_pads is None:
        return checked({"rdl": shapes}, ON_METAL, chip, origin, taken)[NETS]
    connect = ON_METAL.model_copy(update={"pad": ("polyimide",)})
    return checked({"rdl": shapes, "polyimide": on_pads}, connect, chip, origin, taken)[NETS]


def notes(result: RuleResult) -> list[str]:
    assert result.rule == NETS
    assert result.status is Status.RUN
    assert all(f.rule == NETS and f.polygon for f in result.findings)
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
FEED = metal((500, -100, 520, -20))


def check_tied(
    ties: kdb.Region, connect: Connect = ON_METAL, feed: kdb.Region = FEED, **more: kdb.Region
) -> RuleResult:  # fmt: skip
    """The state before the cut, with a bus below the die and a ring further below."""
    shapes = {"rdl": metal(LEFT, RIGHT), "rdl_tie": ties, "rdl_bus": BUS + feed, "rdl_ring": RING, "cut_sure": BUS}
    return checked({**shapes, **more}, connect, flow="plated")[TIED]


def tied_notes(ties: kdb.Region, feed: kdb.Region = FEED) -> list[str]:
    return sorted(f.note for f in check_tied(ties, feed=feed).findings)


def test_nets_that_reach_a_bus_that_reaches_the_ring_are_tied() -> None:
    assert tied_notes(metal((90, 0, 110, 80), (490, 0, 510, 80))) == []


def test_a_tie_that_ends_one_unit_before_the_bus_leaves_its_net_unplated() -> None:
    notes = tied_notes(metal((90, 0.001, 110, 80), (490, 0, 510, 80)))
    assert notes == [f"{t} of net N1 is not joined to the bus: not plated" for t in ("ball A1", "pad P1")]


def test_a_bus_that_does_not_reach_the_ring_is_found() -> None:
    ties = metal((90, 0, 110, 80), (490, 0, 510, 80))
    found = tied_notes(ties, kdb.Region())
    assert found[-1] == "this bus does not reach the contact ring"
    assert len(found) == 5  # nor does any of the terminals


@pytest.mark.parametrize(
    ("pads", "expected"),
    [
        (((90, 90, 110, 110), (490, 90, 510, 110)), []),
        (((90, 90, 110, 110),), ["pad P2 of net N2 has no polyimide"]),
        (((90, 90, 110, 110), (490, 111, 510, 131)),
         ["pad P2 of net N2 has no polyimide", "this polyimide belongs to no terminal"]),
        (((90, 90, 110, 110), (490, 90, 510, 110), (700, 700, 720, 720)), ["this polyimide belongs to no terminal"]),
    ],
)  # fmt: skip
def test_what_stands_on_a_terminal_is_looked_for(
    pads: tuple[tuple[float, float, float, float], ...], expected: list[str]
) -> None:
    result = check_nets(metal(LEFT, RIGHT), CHIP, on_pads=metal(*pads))
    assert notes(result) == expected


def test_metal_of_no_net_is_no_concern() -> None:
    assert notes(check_nets(metal(LEFT, RIGHT, (700, 700, 800, 800)), CHIP)) == []


def test_each_finding_has_an_identity_of_its_own() -> None:
    found = check_nets(metal(), CHIP).findings
    assert len(found) == 4
    assert len({f.identity for f in found}) == 4


# two metals: pads on the lower, balls on the upper -------------------------------------------------------------------

LOW = ((80, 80, 120, 500), (480, 80, 520, 500))
HIGH = ((80, 460, 120, 920), (480, 460, 520, 920))
VIAS = ((90, 470, 110, 490), (490, 470, 510, 490))


def two(
    low: tuple[tuple[float, float, float, float], ...] = LOW,
    high: tuple[tuple[float, float, float, float], ...] = HIGH,
    vias: tuple[tuple[float, float, float, float], ...] = VIAS,
) -> list[str]:
    shapes = {"rdl": metal(*low), "rdl_label": metal(*high), "via": metal(*vias)}
    return notes(checked(shapes, TWO)[NETS])


def test_a_net_on_two_metals_is_one_piece() -> None:
    assert two() == []


def test_without_its_via_a_net_is_in_two_pieces() -> None:
    assert two(vias=VIAS[1:]) == ["net N1 is in 2 pieces"]


def test_metals_that_cross_without_a_via_are_apart() -> None:
    assert two(low=(*LOW, (100, 300, 300, 310)), high=(*HIGH, (200, 200, 500, 600))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"low": (*LOW, (100, 300, 500, 310))},
        {"high": (*HIGH, (100, 700, 500, 710))},
        {"low": (*LOW, (100, 300, 300, 310)), "high": (*HIGH, (280, 300, 500, 310), (490, 300, 510, 500)),
         "vias": (*VIAS, (285, 302, 295, 308))},
        {"vias": ((90, 470, 510, 490),)},  # one opening over both wires
    ],
)  # fmt: skip
def test_a_short_on_either_metal_or_through_a_via_is_found(
    change: dict[str, tuple[tuple[float, float, float, float], ...]],
) -> None:
    assert two(**change) == ["nets N1, N2 are one piece"]


def test_a_via_that_only_touches_metal_joins_nothing() -> None:
    assert two(vias=(*VIAS, (120, 470, 140, 490))) == [
        "this via lies on no lower metal", "this via lies on no upper metal"
    ]  # fmt: skip
    assert two(high=((80, 500, 120, 920), HIGH[1])) == ["net N1 is in 2 pieces", "this via lies on no upper metal"]


def test_a_ball_needs_the_upper_metal_and_a_pad_the_lower() -> None:
    assert two(low=((80, 80, 120, 920), LOW[1]), high=(HIGH[1],), vias=VIAS[1:]) == [
        "ball A1 of net N1 stands on no metal"
    ]
    assert two(low=(LOW[1],), high=((80, 80, 120, 920), HIGH[1]), vias=VIAS[1:]) == [
        "pad P1 of net N1 stands on no metal"
    ]


def test_a_net_is_tied_through_a_via() -> None:
    for vias, untied in ((VIAS, ["ball A1", "pad P1"]), (VIAS[:1], ["ball A1", "ball A2", "pad P1"])):
        found = check_tied(metal((490, 0, 510, 80)), TWO, rdl=metal(*LOW), rdl_label=metal(*HIGH), via=metal(*vias))
        assert sorted(f.note.split(" of net")[0] for f in found.findings) == untied


# free balls ----------------------------------------------------------------------------------------------------------

FREE = replace(CHIP, balls=(Ball("A1", "", 100.0, 900.0, group="*"), Ball("A2", "", 500.0, 900.0, group="*")))
TAKEN = {"ball A1": "N1", "ball A2": "N2"}


def test_a_free_ball_is_of_the_net_that_took_it() -> None:
    assert notes(check_nets(metal(LEFT, RIGHT), FREE, taken=TAKEN)) == []
    assert notes(check_nets(metal(LEFT, RIGHT), FREE, taken={"ball A1": "N2", "ball A2": "N1"})) == [
        *(f"a piece of net {n} joins {asks} that ask for a free one with {1 - asks} that were taken"
          for n in ("N1", "N2") for asks in (0, 1)),
        "nets N1, N2 are one piece", "nets N1, N2 are one piece",
    ]  # fmt: skip


def test_a_free_ball_that_nobody_took_touches_no_net_and_no_other() -> None:
    free = replace(CHIP, balls=(*CHIP.balls, Ball("F1", "", 800.0, 800.0, group="G"),
                                Ball("F2", "", 900.0, 800.0, group="G")))  # fmt: skip
    spots = ((780, 780, 820, 820), (880, 780, 920, 820))
    assert notes(check_nets(metal(LEFT, RIGHT, *spots), free)) == []
    assert notes(check_nets(metal(LEFT, RIGHT, (780, 780, 920, 820)), free)) == ["ball F1, ball F2 are one piece"]
    assert notes(check_nets(metal(LEFT, RIGHT, *spots, (500, 790, 800, 800)), free)) == [
        "net N2 and ball F1 are one piece"
    ]
    assert notes(check_nets(metal(LEFT, RIGHT, spots[0]), free)) == ["ball F2, which is free, stands on no metal"]


def test_pads_of_a_net_that_ask_one_by_one_need_not_be_joined() -> None:
    pads = tuple(replace(p, net="VDD", group="power") for p in CHIP.pads)
    balls = tuple(replace(b, net="", group="power") for b in CHIP.balls)
    chip = replace(CHIP, pads=pads, balls=balls)
    taken = {"ball A1": "VDD", "ball A2": "VDD"}
    assert notes(check_nets(metal(LEFT, RIGHT), chip, taken=taken)) == []
    assert notes(check_nets(metal(LEFT, RIGHT, (100, 300, 500, 310)), chip, taken=taken)) == []  # they may be
    # but each is joined with a ball
    assert notes(check_nets(metal((80, 80, 120, 800), (80, 860, 120, 920), RIGHT), chip, taken=taken)) == [
        f"a piece of net VDD joins {asks} that ask for a free one with {1 - asks} that were taken" for asks in (0, 1)
    ]
