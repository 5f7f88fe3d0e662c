"""Pictures of findings show what is wrong: read back pixel by pixel."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import klayout.db as kdb
import klayout.lay as lay
import pytest

from layoutgen.findings import Finding, Report, RuleResult, Status
from layoutgen.pdk import Pdk
from layoutgen.report import snapshots

RULE = {"check": "space", "layers": ("rdl",), "limit": 10.0, "why": "w", "source": "s"}
PDK = Pdk.model_validate({
    "name": "tiny", "title": "t", "source": "s",
    "layers": {"rdl": {"gds": (1, 0), "title": "metal", "drawn": "remaining", "color": "#0000ff"},
               "via": {"gds": (2, 0), "title": "via", "drawn": "opening", "color": "#00aa00"}},
    "derived": {"bare": {"expression": "rdl - via", "color": "#aa00aa"}},
    "reserved": {}, "roles": {}, "masks": {}, "connect": {"metal": "rdl", "pad": (), "ball": ()},
    "flows": {"one": {"title": "f", "current": "none", "stages": (), "draws": ("rdl",)}},
    "rules": {"R.S": RULE, "R.V": {**RULE, "check": "separation", "layers": ("bare", "via")}},
})  # fmt: skip
PAIR = Finding("R.S", edges=((20_000, 0, 20_000, 40_000), (26_000, 40_000, 26_000, 0)), measured=6.0)
Pixels = lay.PixelBuffer


@pytest.fixture
def layout() -> kdb.Layout:
    """Two wires 6 um apart, and a via in one of them."""
    made = kdb.Layout()
    top = made.create_cell("TOP")
    for x in (0, 26_000):
        top.shapes(made.layer(1, 0)).insert(kdb.Box(x, 0, x + 20_000, 40_000))
    top.shapes(made.layer(2, 0)).insert(kdb.Box(4_000, 10_000, 16_000, 30_000))
    return made


def drawn(layout: kdb.Layout, folder: Path, *findings: Finding) -> Pixels:
    rule = findings[0].rule
    results = (RuleResult(rule, "t", Status.RUN, "", findings),)
    (shot,) = snapshots.draw(Report("d", "tiny", "one", (), results), PDK, layout, layout.top_cell(), folder)
    return lay.PixelBuffer.read_png(str(folder / shot.file))


def colour(pixels: Pixels, x: float, y: float, centre: tuple[float, float], side: float) -> tuple[int, int, int]:
    """Of the pixel where a place (um) is drawn, in a window with a centre and a side."""
    scale = snapshots.SIDE / side
    px = snapshots.MARGIN + snapshots.SIDE / 2 + (x - centre[0]) * scale
    py = pixels.height() - (snapshots.FOOT + snapshots.SIDE / 2 + (y - centre[1]) * scale)
    value = pixels.pixel(round(px), round(py))
    return value >> 16 & 255, value >> 8 & 255, value & 255


def red(pixels: Pixels, x0: int = 0, y0: int = 0, x1: int = 10_000, y1: int = 10_000) -> set[tuple[int, int]]:
    box = [(x, y) for x in range(x0, min(x1, pixels.width())) for y in range(y0, min(y1, pixels.height()))]
    return {(x, y) for x, y in box if pixels.pixel(x, y) & 0xFFFFFF == 0xD00000}


def test_the_layers_and_the_marker_are_where_they_belong(layout: kdb.Layout, tmp_path: Path) -> None:
    pixels = drawn(layout, tmp_path, PAIR)
    window = ((23.0, 20.0), 64.0)  # 1.6 times the longer side
    assert colour(pixels, 10, 20, *window) == colour(pixels, 36, 20, *window) == (0x99, 0x99, 0xFF)
    assert colour(pixels, -5, 20, *window) == colour(pixels, 23, 45, *window) == (255, 255, 255)
    for y in (2, 20, 38):
        assert colour(pixels, 20, y, *window) == colour(pixels, 26, y, *window) == (0xD0, 0, 0)
    between = {colour(pixels, x / 10, y / 10, *window) for x in range(208, 252) for y in range(100, 300, 7)}
    assert {(255, 255, 255), (0xD0, 0, 0)} <= between
    assert not any(c == (0x99, 0x99, 0xFF) for c in between)


def test_the_worst_finding_is_drawn_once_and_the_same_each_time(layout: kdb.Layout, tmp_path: Path) -> None:
    better = replace(PAIR, edges=((200_000, 0, 200_000, 40_000), (209_000, 40_000, 209_000, 0)), measured=9.0)
    results = (
        RuleResult("R.S", "t", Status.RUN, "", (better, PAIR)), RuleResult("R.V", "t", Status.RUN),
        RuleResult("R.X", "t", Status.FAILED, "no"),
    )  # fmt: skip
    report = Report("d", "tiny", "one", (), results)
    shots = [snapshots.draw(report, PDK, layout, layout.top_cell(), tmp_path / n) for n in "ab"]
    assert [s.finding for s in shots[0]] == [PAIR]
    assert (tmp_path / "a/R.S.png").read_bytes() == (tmp_path / "b/R.S.png").read_bytes()
    told = json.loads(snapshots.index(shots[0]))["files"]["R.S.png"]
    assert (told["rule"], told["at"], told["identity"]) == ("R.S", [23.0, 20.0], PAIR.identity)


def test_derived_layers_and_what_they_are_made_of_are_shown(layout: kdb.Layout, tmp_path: Path) -> None:
    found = Finding("R.V", polygon=((4_000, 10_000), (4_000, 30_000), (16_000, 30_000), (16_000, 10_000)))
    pixels = drawn(layout, tmp_path, found)
    seen = {pixels.pixel(x, y) & 0xFFFFFF for x in range(30, 830) for y in range(100, 890, 2)}
    assert {0x9999FF, 0x00AA00, 0xAA00AA, 0xD00000} <= seen


def test_of_long_edges_near_each_other_a_part_is_shown(layout: kdb.Layout, tmp_path: Path) -> None:
    long = replace(PAIR, edges=((0, 0, 9_000_000, 0), (9_000_000, 6_000, 0, 6_000)))
    pixels = drawn(layout, tmp_path, long)
    rows = [y for y in range(100, 890) if pixels.pixel(430, y) & 0xFFFFFF == 0xD00000]
    assert max(rows) - min(rows) > 20  # both edges, apart


def test_a_point_has_a_ring_around_it(layout: kdb.Layout, tmp_path: Path) -> None:
    found = red(drawn(layout, tmp_path, Finding("R.S", edges=((1_001, 1, 1_001, 1),))), 300, 380, 560, 610)
    assert max(x for x, _ in found) - min(x for x, _ in found) > 100


def test_a_crowded_window_is_made_smaller(
    layout: kdb.Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(snapshots, "MOST_SHAPES", 2)
    pixels = drawn(layout, tmp_path, PAIR)
    # around the first edge, with one wire and not the other
    seen = [pixels.pixel(x, 500) & 0xFFFFFF for x in (200, 700)]
    assert seen == [0x9999FF, 0xFFFFFF]


@pytest.mark.parametrize("rule", ["../../x", "<script>", "a\x00\u202eb", "x" * 32_768, "=cmd|'/C calc'!A0", "\ud800",
                                  "CON/..", "pictures.json", ""])  # fmt: skip
def test_names_never_become_paths(rule: str, layout: kdb.Layout, tmp_path: Path) -> None:
    found = replace(PAIR, rule=rule, note=rule)
    twice = (RuleResult(rule, rule, Status.RUN, "", (found,)), RuleResult(rule, rule, Status.RUN, "", (found,)))
    (tmp_path / "p").mkdir()
    shots = snapshots.draw(Report(rule, rule, rule, (), twice), PDK, layout, layout.top_cell(), tmp_path / "p")
    assert len({s.file.lower() for s in shots}) == 2
    assert {p.name for p in (tmp_path / "p").iterdir()} == {s.file for s in shots}
    assert [p.name for p in tmp_path.iterdir()] == ["p"]
    assert all(len(s.file) < 80 and s.file.isascii() for s in shots)
    snapshots.index(shots).encode("utf-8")


NETS = Pdk.model_validate({
    **PDK.model_dump(exclude={"flows", "connect", "derived", "cut"}),
    "layers": {"rdl": {"gds": (1, 0), "title": "metal", "drawn": "remaining", "color": "#0000ff"},
               "via": {"gds": (2, 0), "title": "via", "drawn": "opening", "color": "#00aa00"},
               "mark": {"gds": (3, 0), "title": "mark", "color": "#aa00aa"}},
    "derived": {"metal": {"expression": "rdl"}}, "connect": {"metal": "metal", "pad": (), "ball": ("via",)},
    "cut": {"kerf_min": 5.0, "kerf_max": 6.0, "tolerance": 1.0, "ties_avoid": ("mark",)},
    "flows": {"one": {"title": "f", "current": "none", "stages": (), "draws": ("rdl",)}},
})  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "seen", "unseen"),
    [("NETS", {"rdl", "via"}, {"mark"}), ("TIED", {"rdl"}, {"via", "mark"}), ("CROSSINGS", {"rdl", "mark"}, {"via"}),
     ("KERF", {"rdl"}, {"via", "mark"}), ("STUBS", {"rdl"}, {"mark"}), ("COVER", {"rdl"}, {"via"})],
)  # fmt: skip
def test_a_finding_of_nets_is_shown_on_the_layers_that_its_rule_looks_at(
    layout: kdb.Layout, tmp_path: Path, rule: str, seen: set[str], unseen: set[str]
) -> None:
    layout.top_cell().shapes(layout.layer(3, 0)).insert(kdb.Box(-15_000, 5_000, -5_000, 35_000))
    finding = Finding(rule, polygon=((20_000, 19_000), (26_000, 19_000), (26_000, 21_000), (20_000, 21_000)), note="n")
    wide = replace(finding, polygon=((-20_000, 19_000), (50_000, 19_000), (50_000, 21_000), (-20_000, 21_000)))
    results = (RuleResult(rule, "t", Status.RUN, "", (wide,)),)
    (shot,) = snapshots.draw(Report("d", "tiny", "one", (), results), NETS, layout, layout.top_cell(), tmp_path)
    pixels = lay.PixelBuffer.read_png(str(tmp_path / shot.file))
    window = ((15.0, 20.0), 112.0)  # 1.6 times the longer side
    here = {"rdl": [(2.5, 35.0), (40.0, 5.0)], "via": [(x / 10, 12.0) for x in range(45, 155, 4)], "mark": [
        (x / 10, 30.0) for x in range(-160, -140, 2)]}  # fmt: skip
    paint = {"rdl": {(0x99, 0x99, 0xFF)}, "via": {(0, 0xAA, 0)}, "mark": {(0xAA, 0, 0xAA)}}
    for layer in seen | unseen:
        found = {colour(pixels, x, y, *window) for x, y in here[layer]}
        assert bool(found & paint[layer]) == (layer in seen), layer


def test_many_layers_are_named_in_two_rows(tmp_path: Path) -> None:
    made = kdb.Layout()
    top = made.create_cell("TOP")
    layers = {f"metal_number_{k}": {"gds": (k, 0), "title": "m", "drawn": "remaining", "color": "#202020"}
              for k in range(1, 9)}  # fmt: skip
    for k in range(1, 9):
        top.shapes(made.layer(k, 0)).insert(kdb.Box(0, k * 4_000, 40_000, k * 4_000 + 2_000))
    pdk = NETS.model_validate({**NETS.model_dump(), "layers": layers, "derived": {}, "cut": None, "connect": {
        "metal": " | ".join(layers), "pad": (), "ball": ()}, "flows": {"one": {
            "title": "f", "current": "none", "stages": (), "draws": ()}}, "rules": {}})  # fmt: skip
    finding = Finding("NETS", polygon=((0, 0), (40_000, 0), (40_000, 40_000), (0, 40_000)), note="n")
    report = Report("d", "tiny", "one", (), (RuleResult("NETS", "t", Status.RUN, "", (finding,)),))
    (shot,) = snapshots.draw(report, pdk, made, top, tmp_path)
    pixels = lay.PixelBuffer.read_png(str(tmp_path / shot.file))
    high = pixels.height()

    def ink(low: int, top: int) -> int:
        return sum(pixels.pixel(x, high - y) & 0xFFFFFF < 0x404040 for y in range(low, top) for x in range(300, 820))

    assert min(ink(34, 52), ink(4, 22)) > 100
