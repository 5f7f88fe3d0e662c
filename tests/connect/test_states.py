"""`layoutgen net` on wafers of ours: proven before and after the cut, and each harm found at its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import klayout.db as kdb
import nets
import pytest

from layoutgen import discover
from layoutgen.cli import run

Harm = Callable[[kdb.Layout], None]
POST = discover.pdk("post")
ALL = ("NETS", "TIED", "KERF", "STUBS", "COVER", "CROSSINGS")
SIDE = 1_000_000
EVERY = SIDE + nets.STREET


@pytest.fixture(scope="module")
def wafer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wafer") / "wafer.oas"
    assert nets.make(path, radius=4_000_000, side=SIDE, nets=4) > 20
    return path


def proven(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    code = run(["net", str(path), "--pdk", "post", "--json", *options])
    return code, {r["rule"]: r for r in json.loads(capsys.readouterr().out)["rules"]}


def harmed(wafer: Path, folder: Path, harm: Harm) -> Path:
    layout = kdb.Layout()
    layout.read(str(wafer))
    harm(layout)
    layout.write(str(folder / "harmed.oas"))
    return folder / "harmed.oas"


def drawn(cell: str, layer: str, *box: int) -> Harm:
    return lambda layout: layout.cell(cell).shapes(layout.layer(*POST.gds(layer))).insert(kdb.Box(*box))


def gone(cell: str, layer: str) -> Harm:
    def harm(layout: kdb.Layout) -> None:
        next(iter(layout.cell(cell).shapes(layout.layer(*POST.gds(layer))).each())).delete()

    return harm


def moved(layer: str, by: int) -> Harm:
    return lambda layout: layout.cell("STEP").shapes(layout.layer(*POST.gds(layer))).transform(kdb.Trans(by, 0))


def all_gone(layer: str) -> Harm:
    return lambda layout: layout.clear_layer(layout.layer(*POST.gds(layer)))


def flattened(layout: kdb.Layout) -> None:
    layout.top_cell().flatten(True)


def test_a_tied_wafer_is_proven(wafer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, rules = proven(wafer, capsys, "-o", str(tmp_path / "nets.lyrdb"))
    assert (code, {rule: r["status"] for rule, r in rules.items()}) == (
        0,
        dict.fromkeys(ALL, "run"),
    )
    assert (tmp_path / "nets.lyrdb").read_text()
    assert "TIED" not in proven(wafer, capsys, "--cut")[1]
    assert proven(harmed(wafer, tmp_path, flattened), capsys)[0] == 0


@pytest.mark.parametrize(
    ("harm", "rule", "says", "dies"),
    [
        (gone("DIE", "rdl_tie"), "TIED", "is not joined to the bus", "every"),
        (gone("DIE", "rdl"), "NETS", "stands on no metal", "every"),
        (gone("DIE", "via"), "NETS", "has no via", "every"),
        (gone("DIE", "polyimide"), "NETS", "has no polyimide", "every"),
        (drawn("DIE", "rdl", 150_000, 500_000, 450_000, 520_000), "NETS", "nets N0, N1 are one piece", "every"),
        (drawn("WAFER", "rdl", 250_000, 550_000, 450_000, 570_000), "NETS", "nets N0, N1 are one piece", "one"),
        (drawn("WAFER", "rdl", 800_000, 300_000, 1_400_000, 310_000), "KERF", "lies in the kerf", "one"),
        (drawn("STEP", "rdl_bus", 0, -20_000, SIDE, 0), "KERF", "may leave this of a bus", "every"),
        (drawn("STEP", "rdl", 0, -60_000, 20_000, -40_000), "KERF", "lies in the kerf", "every"),
        (drawn("STEP", "via", 500_000, 900_000, 510_000, 910_000), "NETS", "belongs to no terminal", "every"),
        # over no metal, and no nearer than 28 um to the via beside it: only their bumps merge
        (drawn("DIE", "via", 206_000, 890_000, 365_000, 904_000), "NETS", "nets N0, N1 are one piece", "every"),
        (drawn("WAFER", "die", 1_090_000, 50_000, 2_090_000, 1_050_000), "KERF", "the street is 40 um wide", "one"),
        (drawn("WAFER", "cut_sure", 1_060_000, 200_000, 1_070_000, 300_000), "KERF", "cut_sure is drawn beside", "one"),
        (drawn("WAFER", "rdl_ring", 1_060_000, 200_000, 1_065_000, 300_000), "KERF", "ring lies in a street", "one"),
        (drawn("WAFER", "rdl_ring", 1_060_000, -20_000, 1_065_000, -10_000), "KERF", "ring lies in a street", "one"),
        (moved("cut_maybe", 1000), "KERF", "cut_maybe does not cover the 95 um", ""),
        (all_gone("rdl_ring"), "TIED", "there is no contact ring", ""),
    ],
)
def test_harm_is_found_at_its_place(
    wafer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: Harm, rule: str, says: str, dies: str
) -> None:  # fmt: skip
    code, rules = proven(harmed(wafer, tmp_path, harm), capsys)
    assert code == 1
    found = [f for f in rules[rule]["findings"] if says in f["note"]]
    assert found, rules[rule]["findings"]
    if dies == "one":
        assert sum(1 + len(f["repeats"]) for f in found) == 1
    if "are one piece" in says:  # the marker leads from one net to the other, through what joins them
        hull = kdb.Polygon([kdb.Point(*p) for p in found[0]["polygon"]])
        assert hull.bbox().width() >= 200_000
        assert hull.bbox().height() < SIDE


@pytest.mark.parametrize(
    ("left", "right", "says"),
    [
        (-nets.STREET, 0, "cut_sure is drawn beside"),  # no die is on that side
        (-nets.STREET, -60_000, "cut_sure is drawn beside"),
        (-50_000, 30_000, "cut_sure is drawn over a die"),
        (400_000, 500_000, "cut_sure is drawn over a die"),
    ],
)
def test_a_cut_beyond_the_outermost_dies_or_over_one_hides_nothing(
    wafer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], left: int, right: int, says: str
) -> None:
    def harm(layout: kdb.Layout) -> None:
        top = layout.top_cell()
        outlines = kdb.Region(top.begin_shapes_rec(layout.layer(*POST.gds("die"))))
        first = min((p.bbox() for p in outlines.each()), key=lambda box: (box.left, box.bottom))
        box = kdb.Box(first.left + left, first.bottom + 440_000, first.left + right, first.bottom + 460_000)
        top.shapes(layout.layer(*POST.gds("cut_sure"))).insert(box)

    code, rules = proven(harmed(wafer, tmp_path, harm), capsys)
    assert code == 1
    assert {1 + len(f["repeats"]) for f in rules["KERF"]["findings"] if says in f["note"]} == {1}


@pytest.mark.parametrize(
    ("sure", "maybe", "says"),
    [
        ((-70_000, -25_000), (-95_000, 0), ""),
        ((-170_000, -125_000), (-195_000, -100_000), ""),
        ((-70_000, -24_990), (-95_000, 0), "nearer to a die than the blade"),
        ((-100_000, -25_000), (-110_000, -15_000), "cut_sure is drawn beside the 45 um"),
        ((-170_000, -125_000), (-194_000, -100_000), "cut_maybe does not cover the 95 um"),
        ((-170_000, -125_000), (-195_000, -101_000), "cut_maybe does not cover the 95 um"),
    ],
)
@pytest.mark.parametrize("gaps", [(), (110_000, 130_000)])
def test_outside_of_dies_the_blade_goes_where_its_cut_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sure: tuple[int, int], maybe: tuple[int, int], says: str,
    gaps: tuple[int, ...],
) -> None:  # fmt: skip
    """Of a lone die, or of one in a row with streets of several widths, nobody knows how wide the outer street is."""
    layout = kdb.Layout()
    top = layout.create_cell("TOP")

    def draw(layer: str, *box: int) -> None:
        top.shapes(layout.layer(*POST.gds(layer))).insert(kdb.Box(*box))

    left = 0
    for wide in (*gaps, 0):
        draw("die", left, 0, left + SIDE, SIDE)
        draw("rdl", left + 100_000, 100_000, left + 200_000, 200_000)
        if wide:
            for layer, half in (("cut_sure", 22_500), ("cut_maybe", 47_500)):
                draw(layer, left + SIDE + wide // 2 - half, 0, left + SIDE + wide // 2 + half, SIDE)
        left += SIDE + wide
    draw("cut_sure", sure[0], 0, sure[1], SIDE)
    draw("cut_maybe", maybe[0], 0, maybe[1], SIDE)
    layout.write(str(tmp_path / "lone.oas"))
    notes = {f["note"] for f in proven(tmp_path / "lone.oas", capsys)[1]["KERF"]["findings"]}
    assert len(notes) == bool(says), notes
    assert all(says in note for note in notes)


HERMETIC = discover.pdk("hermetic").in_flow("wired")
BANDS = {name: round(half * 1000) for name, half in (HERMETIC.cut.bands() if HERMETIC.cut else {}).items() if half}
FRAME = BANDS["cut_maybe@frame"]


@pytest.mark.parametrize(
    ("layer", "drawn", "says"),
    [
        ("", (), ""),
        ("cut_maybe@frame", (-FRAME, FRAME + 2), ""),  # more care than the wedge asks for
        ("cut_maybe@frame", (-FRAME, FRAME - 2), f"cut_maybe@frame does not cover the {2 * FRAME / 1000:g} um that"),
        ("cut_sure@wiring", (-80_000, 80_000), "cut_sure@wiring is drawn beside"),
        ("cut_maybe@seam", (), "cut_maybe@seam does not cover"),
    ],
)
def test_the_cut_is_drawn_at_each_depth_as_the_wedge_cuts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], layer: str, drawn: tuple[int, ...], says: str
) -> None:
    """Three dies in a row; between the second and the third one band is another."""
    layout = kdb.Layout()
    top = layout.create_cell("TOP")

    def draw(layer: str, *box: int) -> None:
        top.shapes(layout.layer(*HERMETIC.gds(layer))).insert(kdb.Box(*box))

    wide = 200_000
    for k in range(3):
        left = k * (SIDE + wide)
        draw("die", left, 0, left + SIDE, SIDE)
        draw("connector", left + 100_000, 100_000, left + 200_000, 200_000)
    for middle in (-100_000, SIDE + 100_000, 3 * SIDE + 500_000, 2 * SIDE + 300_000):
        for name, half in BANDS.items():
            if name != layer or middle != 2 * SIDE + 300_000:
                draw(name, middle - half, 0, middle + half, SIDE)
    if drawn:
        draw(layer, middle + drawn[0], 0, middle + drawn[1], SIDE)
    layout.write(str(tmp_path / "bands.oas"))
    run(["net", str(tmp_path / "bands.oas"), "--pdk", "hermetic", "--flow", "wired", "--json"])
    rules = {r["rule"]: r for r in json.loads(capsys.readouterr().out)["rules"]}
    notes = {f["note"] for f in rules["KERF"]["findings"]}
    assert len(notes) == bool(says), notes
    assert all(says in note for note in notes)


def test_the_outermost_dies_are_cut_out_on_all_sides(
    wafer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def harm(layout: kdb.Layout) -> None:
        top = layout.top_cell()
        outlines = kdb.Region(top.begin_shapes_rec(layout.layer(*POST.gds("die"))))
        first = min((p.bbox() for p in outlines.each()), key=lambda box: (box.left, box.bottom))
        for name in ("cut_sure", "cut_maybe"):
            index = layout.layer(*POST.gds(name))
            left = kdb.Region(top.begin_shapes_rec(index)).merged()
            left -= kdb.Region(kdb.Box(first.left - 200_000, first.bottom, first.left, first.top))
            layout.clear_layer(index)
            top.shapes(index).insert(left)

    code, rules = proven(harmed(wafer, tmp_path, harm), capsys)
    assert code == 1
    notes = " ".join(f["note"] for f in rules["KERF"]["findings"])
    assert "cut_maybe does not cover" in notes


@pytest.mark.parametrize(
    ("layer", "skipped"),
    [
        ("note", {"NETS", "TIED"}),
        ("cut_sure", {*ALL}),
        ("cut_maybe", {"STUBS"}),
        ("die", {"COVER", "CROSSINGS"}),
        ("polyimide", {"COVER"}),
    ],
)
def test_what_cannot_be_told_is_not_clean(
    wafer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], layer: str, skipped: set[str]
) -> None:
    code, rules = proven(harmed(wafer, tmp_path, all_gone(layer)), capsys)
    assert code == 2
    assert {rule for rule, r in rules.items() if r["status"] == "skipped"} == skipped
