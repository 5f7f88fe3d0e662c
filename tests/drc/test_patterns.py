"""Each kind of check on small layouts whose answer is known, and broken checks that these layouts must catch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import klayout.db as kdb
import pytest

from layoutgen.drc.checks import KINDS, Kind, task
from layoutgen.drc.checks.kind import STEPS
from layoutgen.findings import Finding
from layoutgen.geom import circle
from layoutgen.pdk import Rule
from layoutgen.units import to_dbu

Box = tuple[int, int, int, int]
L = 10_000
"""The limit of most patterns, in database units: 10 um."""


def boxes(*corners: Box) -> kdb.Region:
    return kdb.Region([kdb.Box(*c) for c in corners])


def polygon(*points: tuple[int, int]) -> kdb.Region:
    return kdb.Region(kdb.Polygon([kdb.Point(x, y) for x, y in points]))


def rounds(diameter: float, *at: tuple[float, float]) -> kdb.Region:
    """Circles of 128 corners, in um."""
    outlines = [to_dbu(circle(diameter, 128, xy)) for xy in at]
    return kdb.Region([kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in o]) for o in outlines])


@dataclass(frozen=True)
class Pattern:
    name: str
    kind: str
    found: bool
    layers: tuple[kdb.Region, ...]
    limit: int | None = L
    """In database units, or in steps of the kind's unit."""
    options: dict[str, Any] = field(default_factory=dict)
    measured: float | None = None

    def rule(self) -> Rule:
        raw = {"check": self.kind, "layers": tuple(f"l{i}" for i in range(len(self.layers))), "why": "test",
               "source": "test", **self.options}  # fmt: skip
        return Rule(**raw, limit=None if self.limit is None else self.limit / STEPS[KINDS[self.kind].unit])

    def findings(self, kinds: dict[str, Kind[Any]], by: kdb.ICplxTrans | None = None) -> list[Finding]:
        layers = [layer if by is None else layer.transformed(by) for layer in self.layers]
        return replace(task("T", self.rule()), kind=kinds[self.kind]).run(layers)


def at_the_limit(
    name: str, kind: str, draw: Callable[[int], Sequence[kdb.Region]], limit: int = L, **options: Any
) -> list[Pattern]:
    """One database unit below the limit is found, exactly at it and one above are not."""
    return [
        Pattern(f"{name} {step:+d}", kind, step < 0, tuple(draw(limit + step)), limit, options,
                (limit + step) / 1000 if step < 0 else None)
        for step in (-1, 0, 1)
    ]  # fmt: skip


def at_most(name: str, kind: str, draw: Callable[[int], Sequence[kdb.Region]], limit: int = L) -> list[Pattern]:
    """One database unit above the limit is found, exactly at it and one below are not."""
    return [Pattern(f"{name} {d:+d}", kind, d > 0, tuple(draw(limit + d)), limit) for d in (-1, 0, 1)]


def ngon(radius: int, corners: int) -> kdb.Region:
    at = [2 * math.pi * i / corners for i in range(corners)]
    return polygon(*((round(radius * math.cos(a)), round(radius * math.sin(a))) for a in at))


def octagon(width: int) -> kdb.Region:
    """The regular one, from side to side."""
    half, short = width // 2, round(width / 2 * math.tan(math.pi / 8))
    corners = [(half, short), (short, half), (-short, half), (-half, short)]
    return polygon(*corners, *((-x, -y) for x, y in corners))


def blocks(width: int, length: int, apart: int) -> kdb.Region:
    return boxes((0, 0, width, length), (width + apart, 0, 2 * width + apart, length))


STEP: dict[str, Any] = {"steps": ({"width": 30.0, "run": 60.0, "space": 15.0},)}
BIG = boxes((-50_000, -50_000, 50_000, 50_000))
EMPTY = kdb.Region()
# corners 3 : 4 : 5 apart, so that the distance is a whole number; one unit less in y makes it smaller than the limit
CORNERS = [((0, 0, L, L), (L + 6_000, L + 8_000 - d, 3 * L, 3 * L)) for d in (0, 1)]

PATTERNS = [
    *at_the_limit("bar", "width", lambda v: [boxes((0, 0, v, 60_000))]),
    *at_the_limit("bar, projection", "width", lambda v: [boxes((0, 0, v, 60_000))], metric="projection"),
    *at_the_limit("neck", "width", lambda v: [boxes((0, 0, 20_000, 20_000), (15_000, 3_000, 40_000, 3_000 + v))]),
    *at_the_limit("beside a hole", "width", lambda v: [BIG - boxes((-50_000 + v, -20_000, 20_000, 20_000))]),
    *at_the_limit("two halves of a bar", "width", lambda v: [boxes((0, 0, 4_000, 60_000), (4_000, 0, v, 60_000))]),
    Pattern("two abutting bars", "width", False, (boxes((0, 0, 5_000, 60_000), (5_000, 0, 10_000, 60_000)),)),
    Pattern("kissing corners", "width", True, (boxes((0, 0, 20_000, 20_000), (20_000, 20_000, 40_000, 40_000)),)),
    Pattern("diagonal neck", "width", True, (boxes((0, 0, 20_000, 20_000), (14_000, 12_001, 40_000, 40_000)),),
            measured=9.9992),
    Pattern("diagonal neck at the limit", "width", False,
            (boxes((0, 0, 20_000, 20_000), (14_000, 12_000, 40_000, 40_000)),)),
    Pattern("diagonal neck, projection", "width", False,
            (boxes((0, 0, 20_000, 20_000), (14_000, 13_000, 40_000, 40_000)),), options={"metric": "projection"}),
    Pattern("circle, projection", "width", False, (rounds(250.004, (0, 0)),), 250_000, {"metric": "projection"}),
    Pattern("smaller circle, projection", "width", True, (rounds(249.996, (0, 0)),), 250_000, {"metric": "projection"}),
    Pattern("circle, euclidian", "width", True, (rounds(250.004, (0, 0)),), 250_000),
    Pattern("nothing drawn", "width", False, (EMPTY,)),
    *at_the_limit("two boxes", "space", lambda v: [boxes((0, 0, 20_000, 20_000), (20_000 + v, 0, 60_000, 20_000))]),
    *at_the_limit("notch", "space", lambda v: [BIG - boxes((0, 0, v, 60_000))]),
    *at_the_limit("hole", "space", lambda v: [BIG - boxes((0, 0, v, 20_000))]),
    *at_the_limit("circles", "space", lambda v: [rounds(40, (0, 0), (40 + v / 1000, 0))]),
    Pattern("corner to corner", "space", False, (boxes(*CORNERS[0]),)),
    Pattern("corners too near", "space", True, (boxes(*CORNERS[1]),), measured=9.9992),
    Pattern("corners too near, projection", "space", False, (boxes(*CORNERS[1]),), options={"metric": "projection"}),
    Pattern("corners, square", "space", False, (boxes((0, 0, L, L), (L + 9_999, L + 10_000, 3 * L, 3 * L)),),
            options={"metric": "square"}),
    Pattern("corners too near, square", "space", True, (boxes((0, 0, L, L), (L + 9_998, L + 9_999, 3 * L, 3 * L)),),
            options={"metric": "square"}, measured=9.999),
    Pattern("kissing corners", "space", True, (boxes((0, 0, L, L), (L, L, 2 * L, 2 * L)),), measured=0.0),
    Pattern("abutting", "space", False, (boxes((0, 0, L, L), (L, 0, 2 * L, L)),)),
    Pattern("overlapping", "space", False, (boxes((0, 0, L, L), (L - 1, 0, 2 * L, L)),)),
    Pattern("comb on a bus", "space", True,
            (boxes((0, 0, 90_000, L), (0, 0, L, 90_000), (L + 9_000, 0, 40_000, 90_000)),)),
    Pattern("nothing drawn", "space", False, (EMPTY,)),
    *at_the_limit("side by side", "separation", lambda v: [boxes((0, 0, L, L)), boxes((L + v, 0, 4 * L, L))]),
    *at_the_limit("in a hole", "separation", lambda v: [boxes((-5_000, -5_000, 5_000, 5_000)),
                  BIG - boxes((-5_000 - v, -30_000, 30_000, 30_000))]),
    Pattern("corner to corner", "separation", False, (boxes(CORNERS[0][0]), boxes(CORNERS[0][1]))),
    Pattern("corners too near", "separation", True, (boxes(CORNERS[1][0]), boxes(CORNERS[1][1])), measured=9.9992),
    Pattern("kissing corners", "separation", True, (boxes((0, 0, L, L)), boxes((L, L, 2 * L, 2 * L))), measured=0.0),
    Pattern("abutting", "separation", True, (boxes((0, 0, L, L)), boxes((L, 0, 2 * L, L))), measured=0.0),
    Pattern("abutting at limit 0", "separation", False, (boxes((0, 0, L, L)), boxes((L, 0, 2 * L, L))), 0),
    Pattern("overlapping at limit 0", "separation", True, (boxes((0, 0, L, L)), boxes((L - 1, 0, 2 * L, L))), 0),
    Pattern("crossing", "separation", True, (boxes((-60_000, 0, 60_000, L)), boxes((0, -60_000, L, 60_000)))),
    Pattern("inside", "separation", True, (boxes((0, 0, L, L)), BIG)),
    Pattern("around", "separation", True, (BIG, boxes((0, 0, L, L)))),
    Pattern("coincident", "separation", True, (BIG, BIG)),
    Pattern("one layer empty", "separation", False, (BIG, EMPTY)),
    *at_the_limit("one side", "enclosure", lambda v: [boxes((-50_000 + v, -5_000, 5_000, 5_000)), BIG]),
    *at_the_limit("beside a hole", "enclosure", lambda v: [boxes((-5_000, -5_000, 5_000, 5_000)),
                  BIG - boxes((5_000 + v, 0, 30_000, 30_000))]),
    *at_the_limit("outer in two pieces", "enclosure", lambda v: [boxes((-50_000 + v, -5_000, 5_000, 5_000)),
                  boxes((-50_000, -50_000, 0, 50_000), (0, -50_000, 50_000, 50_000))]),
    Pattern("circles in each other", "enclosure", False, (rounds(220.008, (0, 0)), rounds(250.016, (0, 0))), 15_000),
    Pattern("circles off centre", "enclosure", True, (rounds(220, (0.004, 0)), rounds(250.004, (0, 0))), 15_000),
    Pattern("flush", "enclosure", True, (BIG, BIG)),
    Pattern("flush at limit 0", "enclosure", False, (BIG, BIG), 0),
    Pattern("sticking out at limit 0", "enclosure", True, (boxes((0, 0, 50_001, L)), BIG), 0),
    Pattern("crossing", "enclosure", True, (boxes((0, 0, 80_000, L)), BIG)),
    Pattern("outside", "enclosure", True, (boxes((60_000, 0, 80_000, L)), BIG)),
    Pattern("inner larger than outer", "enclosure", True, (BIG, boxes((0, 0, L, L)))),
    Pattern("in the outer's hole", "enclosure", True,
            (boxes((0, 0, L, L)), BIG - boxes((-30_000, -30_000, 30_000, 30_000)))),
    Pattern("no outer at all", "enclosure", True, (boxes((0, 0, L, L)), EMPTY)),
    Pattern("no inner", "enclosure", False, (EMPTY, BIG)),
    *at_the_limit("bars end on end", "overlap", lambda v: [boxes((0, 0, 50_000, 20_000)), boxes((50_000 - v, 0,
            90_000, 20_000))]),
    Pattern("abutting", "overlap", True,
            (boxes((0, 0, 50_000, 20_000)), boxes((50_000, 0, 90_000, 20_000))), measured=0.0),
    Pattern("kissing corners", "overlap", True, (boxes((0, 0, L, L)), boxes((L, L, 2 * L, 2 * L)))),
    Pattern("crossing", "overlap", False, (boxes((-60_000, 0, 60_000, L)), boxes((0, -60_000, L, 60_000)))),
    Pattern("coincident", "overlap", False, (BIG, BIG)),
    Pattern("inside", "overlap", False, (boxes((0, 0, L, L)), BIG)),
    Pattern("apart", "overlap", False, (boxes((60_000, 0, 80_000, L)), BIG)),
    Pattern("apart, required", "overlap", True, (boxes((60_000, 0, 80_000, L)), BIG), options={"required": True}),
    Pattern("second apart, first required", "overlap", False,
            (boxes((0, 0, L, L)), BIG + boxes((90_000, 0, 99_000, L))),
            options={"required": True}),
    Pattern("circles, projection", "overlap", False, (rounds(310.004, (0, 0)), rounds(250.004, (0, 0))), 250_000,
            {"metric": "projection"}),
    Pattern("within", "inside", False, (boxes((0, 0, L, L)), BIG), None),
    Pattern("flush", "inside", False, (BIG, BIG), None),
    Pattern("one unit out", "inside", True, (boxes((0, 0, 50_001, L)), BIG), None),
    Pattern("in a hole", "inside", True, (boxes((0, 0, L, L)), BIG - boxes((-1, -1, L, L))), None),
    Pattern("around", "inside", True, (BIG, boxes((0, 0, L, L))), None),
    Pattern("no outer", "inside", True, (BIG, EMPTY), None),
    *(Pattern(f"side {off:+d}", "exact_size", off != 0, (boxes((0, 0, L + off, L)),), options={"tolerance": 0.0},
              measured=(L + off) / 1000 if off else None) for off in (-1, 0, 1)),
    *(Pattern(f"tolerance {off:+d}", "exact_size", abs(off) > 20, (boxes((0, 0, L + off, L)),))
      for off in (-21, -20, 20, 21)),
    Pattern("width and height", "exact_size", False, (boxes((0, 0, 20_000, 20_000)),), None, {"size": (20.0, 20.0)}),
    Pattern("circle", "exact_size", False, (rounds(40.004, (0, 0)),), 40_000),
    Pattern("two that touch", "exact_size", True, (boxes((0, 0, L, L), (L, 0, 2 * L, L)),)),
    *at_the_limit("boxes", "pitch", lambda v: [boxes((0, 0, 4_000, 4_000), (v, 0, v + 4_000, 4_000))]),
    *at_the_limit("circles", "pitch", lambda v: [rounds(4, (0, 0), (v / 1000, 0))]),
    Pattern("diagonal", "pitch", False, (boxes((0, 0, 2_000, 2_000), (6_000, 8_000, 8_000, 10_000)),)),
    Pattern("half units", "pitch", True, (boxes((0, 0, 2_000, 2_000), (L, 0, L + 1_999, 2_000)),), measured=9.9995),
    Pattern("ring around a dot", "pitch", True, (BIG - boxes((-30_000, -30_000, 30_000, 30_000)) + boxes((-5, -5, 5,
            5)),),
            measured=0.0),
    Pattern("nothing drawn", "pitch", False, (EMPTY,)),
    *at_the_limit("in the die", "edge_distance", lambda v: [boxes((-50_000 + v, 0, 0, L)), BIG]),
    *at_the_limit("centre", "edge_distance", lambda v: [boxes((v - 54_000, 0, v - 46_000, 8_000)), BIG],
            measure="centre"),
    *at_the_limit("in a seal ring", "edge_distance", lambda v: [boxes((-50_000 + v, 0, 0, L)),
                  BIG - boxes((-49_000, -49_000, 49_000, 49_000))]),
    Pattern("in the street", "edge_distance", True, (boxes((90_000, 0, 99_000, L)), BIG)),
    Pattern("in the street, ignored", "edge_distance", False, (boxes((90_000, 0, 99_000, L)), BIG),
            options={"outside": "ignore"}),
    Pattern("at the die's outside, ignored", "edge_distance", False, (boxes((50_000, 0, 99_000, L)), BIG),
            options={"outside": "ignore"}),
    Pattern("crossing, ignored", "edge_distance", True, (boxes((0, 0, 99_000, L)), BIG), options={"outside": "ignore"}),
    Pattern("centre in the street", "edge_distance", True, (boxes((90_000, 0, 99_000, L)), BIG),
            options={"measure": "centre"}),
    Pattern("centre in the street, ignored", "edge_distance", False, (boxes((90_000, 0, 99_000, L)), BIG),
            options={"measure": "centre", "outside": "ignore"}),
    Pattern("centre of nothing", "edge_distance", False, (EMPTY, EMPTY), options={"measure": "centre"}),
    *at_most("bar", "max_width", lambda v: [boxes((0, 0, v, 60_000))]),
    *at_most("odd", "max_width", lambda v: [boxes((0, 0, v, 60_000))], L + 1),
    *at_most("bend", "max_width", lambda v: [boxes((0, 0, v, 60_000), (0, 0, 60_000, v))]),
    *at_most("crossing", "max_width", lambda v: [boxes((0, 0, v, 60_000), (-30_000, 20_000, 30_000, 20_000 + v))]),
    *at_most("beside a hole", "max_width", lambda v: [boxes((0, 0, 25_000, 60_000)) - boxes((v, v, 25_000, 50_000))]),
    Pattern("slanted bar", "max_width", False,
            (polygon((0, 0), (60_000, 60_000), (60_000, 74_142), (0, 14_142)),)),
    Pattern("wider slanted bar", "max_width", True,
            (polygon((0, 0), (60_000, 60_000), (60_000, 74_146), (0, 14_146)),)),
    Pattern("nothing drawn", "max_width", False, (EMPTY,)),
    *at_the_limit("notch", "notch", lambda v: [BIG - boxes((0, 0, v, 60_000))]),
    *at_the_limit("hole", "notch", lambda v: [BIG - boxes((0, 0, v, 20_000))]),
    Pattern("two boxes", "notch", False, (boxes((0, 0, 20_000, 20_000), (20_001, 0, 60_000, 20_000)),)),
    Pattern("notch, corner to corner", "notch", True,
            (boxes((0, 0, L, L), (L + 6_000, L + 7_999, 3 * L, 3 * L), (3 * L, 0, 4 * L, 3 * L), (0, -L, 4 * L, 0)),)),
    Pattern("two boxes", "space", True, (boxes((0, 0, 20_000, 20_000), (29_999, 0, 60_000, 20_000)),),
            options={"between": "polygons"}, measured=9.999),
    Pattern("notch and hole", "space", False, (BIG - boxes((0, 0, 9_000, 60_000), (20_000, 0, 21_000, 1_000)),),
            options={"between": "polygons"}),
    Pattern("in another's hole", "space", True,
            (BIG - boxes((0, 0, 30_000, 30_000)) + boxes((9_000, 10_000, 20_000, 20_000)),),
            options={"between": "polygons"}),
    Pattern("apart", "separation", True, (boxes((0, 0, L, L)), boxes((19_999, 0, 4 * L, L))),
            options={"between": "polygons"}, measured=9.999),
    Pattern("joined beyond", "separation", False, (boxes((0, 0, L, L), (0, L, 4 * L, 2 * L)), boxes((19_999, 0, 4 * L,
            L))), options={"between": "polygons"}),
    Pattern("upon it", "separation", False, (boxes((0, 0, L, L)), BIG), options={"between": "polygons"}),
    Pattern("upon it, and another near", "separation", True,
            (boxes((0, 0, L, L)), BIG + boxes((55_000, 0, 60_000, L)) + boxes((0, -55_000, L, -51_000))
             + boxes((5_000, 15_000, 6_000, 16_000)) - boxes((-1_000, 11_000, 20_000, 30_000))
             + boxes((0, 12_000, L, 20_000))),
            options={"between": "polygons"}),
    *(Pattern(f"both wide {d:+d}", "wide_space", d < 0, (blocks(30_001, 60_001, 15_000 + d),), None, STEP,
              14.999 if d < 0 else None) for d in (-1, 0, 1)),
    *(Pattern(f"second step {d:+d}", "wide_space", d < 0, (blocks(100_001, 5_000 + 96_000, 25_000 + d),), None,
              {"steps": (*STEP["steps"], {"width": 100.0, "run": 0.0, "space": 25.0})}) for d in (-1, 0, 1)),
    Pattern("no longer than the run", "wide_space", False, (blocks(40_000, 60_000, 11_000),), None, STEP),
    Pattern("longer by one unit", "wide_space", True, (blocks(40_000, 60_001, 11_000),), None, STEP),
    Pattern("as wide as the step", "wide_space", False, (blocks(30_000, 70_000, 11_000),), None, STEP),
    Pattern("one of both wide", "wide_space", False,
            (boxes((0, 0, 40_000, 70_000), (51_000, 0, 71_000, 70_000)),), None, STEP),
    Pattern("one is enough", "wide_space", True,
            (boxes((0, 0, 40_000, 70_000), (51_000, 0, 71_000, 70_000)),), None, {**STEP, "wide": "one"}),
    Pattern("narrow beside narrow", "wide_space", False,
            (boxes((0, 0, 20_000, 70_000), (31_000, 0, 51_000, 70_000)),), None, {**STEP, "wide": "one"}),
    Pattern("a wire on a wide part adds no run", "wide_space", False,
            (boxes((0, 0, 40_000, 60_000), (20_000, 60_000, 40_000, 99_000), (51_000, 0, 99_000, 99_000)),), None,
            STEP),
    Pattern("wide notch", "wide_space", True, (BIG - boxes((0, -30_000, 14_000, 50_000)),), None, STEP),
    Pattern("corner to corner without a run", "wide_space", True,
            (boxes((0, 0, 40_000, 40_000), (46_000, 47_999, 99_000, 99_000)),), None,
            {"steps": ({"width": 30.0, "run": 0.0, "space": 10.0},)}),
    Pattern("corner to corner at the limit", "wide_space", False,
            (boxes((0, 0, 40_000, 40_000), (46_000, 48_000, 99_000, 99_000)),), None,
            {"steps": ({"width": 30.0, "run": 0.0, "space": 10.0},)}),
    Pattern("two opposite sides flush", "enclosure", False, (boxes((0, 0, L, L)), boxes((0, -L, L, 2 * L))),
            options={"sides": "opposite"}),
    Pattern("two opposite sides, one unit less", "enclosure", True,
            (boxes((0, 0, L, L)), boxes((0, 1 - L, L, 2 * L))), options={"sides": "opposite"}, measured=0.0),
    Pattern("two neighbouring sides", "enclosure", True, (boxes((0, 0, L, L)), boxes((0, 0, 2 * L, 2 * L))),
            options={"sides": "opposite"}),
    Pattern("one side flush", "enclosure", False, (boxes((0, 0, L, L)), boxes((0, -L, 2 * L, 2 * L))),
            options={"sides": "opposite"}),
    Pattern("sides of a circle", "enclosure", True, (rounds(10, (5, 5)), boxes((0, -L, L, 2 * L))),
            options={"sides": "opposite"}),
    Pattern("one side sticks out", "enclosure", True, (boxes((0, 0, L, L)), boxes((1, -L, L, 2 * L))),
            options={"sides": "opposite"}),
    *at_the_limit("outside", "outside_or_inside", lambda v: [boxes((50_000 + v, 0, 99_000, L)), BIG], inside=5.0),
    *at_the_limit("inside", "outside_or_inside", lambda v: [boxes((v - 50_000, 0, 0, L)), BIG], inside=10.0),
    *at_the_limit("in a hole", "outside_or_inside", lambda v: [boxes((0, 0, L, L)),
                  BIG - boxes((-v, -20_000, 30_000, 30_000))], inside=5.0),
    Pattern("inside by less than outside", "outside_or_inside", False, (boxes((-45_000, 0, 0, L)), BIG),
            options={"inside": 5.0}),
    Pattern("outside one, inside its neighbour", "outside_or_inside", False,
            (boxes((-45_000, 0, 45_000, L)), BIG + boxes((50_001, 0, 60_000, L))), options={"inside": 5.0}),
    Pattern("across", "outside_or_inside", True, (boxes((0, 0, 90_000, L)), BIG), 0, {"inside": 0.0}),
    Pattern("around", "outside_or_inside", True, (BIG, boxes((0, 0, L, L))), 0, {"inside": 0.0}),
    Pattern("flush", "outside_or_inside", False, (boxes((50_000, 0, 90_000, L), (0, 0, L, 50_000)), BIG), 0,
            {"inside": 0.0}),
    Pattern("abutting", "outside_or_inside", True, (boxes((50_000, 0, 90_000, L)), BIG), options={"inside": 0.0},
            measured=0.0),
    Pattern("coincident", "outside_or_inside", True, (BIG, BIG), 0, {"inside": 1.0}, measured=0.0),
    Pattern("coincident and free", "outside_or_inside", False, (BIG, BIG), L, {"inside": 0.0}),
    *at_the_limit("end", "extension", lambda v: [boxes((0, 0, 4_000, 50_000 + v)), BIG]),
    *at_the_limit("slot", "extension", lambda v: [boxes((0, 0, 4_000, 90_000)) - boxes((0, 50_000 + v, 3_000, 80_000)),
                  BIG]),
    *at_the_limit("side", "extension", lambda v: [boxes((-v, -20_000, 20_000, 20_000)), boxes((0, -5_000, 4_000,
                  90_000))]),
    Pattern("ends inside", "extension", False, (boxes((0, 0, 4_000, 49_999)), BIG)),
    Pattern("ends at the border", "extension", True, (boxes((0, 0, 4_000, 50_000)), BIG), measured=0.0),
    Pattern("outside", "extension", False, (boxes((0, 60_000, 4_000, 61_000)), BIG)),
    Pattern("abutting from outside", "extension", False, (boxes((0, 50_000, 4_000, 51_000)), BIG)),
    Pattern("all around", "extension", False, (BIG, boxes((-40_000, -40_000, 40_000, 40_000)))),
    Pattern("one of no other", "extension", False, (BIG, EMPTY)),
    Pattern("apart", "outside", False, (boxes((60_000, 0, 90_000, L)), BIG), None),
    Pattern("abutting", "outside", False, (boxes((50_000, 0, 90_000, L)), BIG), None),
    Pattern("one unit over", "outside", True, (boxes((49_999, 0, 90_000, L)), BIG), None),
    Pattern("in a hole", "outside", False, (boxes((0, 0, L, L)), BIG - boxes((0, 0, L, L))), None),
    Pattern("around", "outside", True, (BIG, boxes((0, 0, L, L))), None),
    Pattern("circle", "exact_shape", False, (rounds(40, (0, 0)),), 40_000, {"shape": "circle", "tolerance": 0.01}),
    Pattern("circle of few corners", "exact_shape", True, (ngon(20_000, 36),), 40_000,
            {"shape": "circle", "tolerance": 0.075}),
    Pattern("circle of few corners, tolerated", "exact_shape", False, (ngon(20_000, 36),), 40_000,
            {"shape": "circle", "tolerance": 0.077}),
    Pattern("larger circle", "exact_shape", True, (rounds(40.5, (0, 0)),), 40_000, {"shape": "circle"}),
    Pattern("smaller circle", "exact_shape", True, (rounds(39.5, (0, 0)),), 40_000, {"shape": "circle"}),
    Pattern("square for a circle", "exact_shape", True, (boxes((0, 0, 40_000, 40_000)),), 40_000, {"shape": "circle"}),
    Pattern("half a circle", "exact_shape", True, (rounds(40, (0, 0)) - boxes((-20_000, 0, 20_000, 20_000)),), 40_000,
            {"shape": "circle"}),
    Pattern("ring", "exact_shape", True, (rounds(40, (0, 0)) - rounds(4, (0, 0)),), 40_000, {"shape": "circle"}),
    *(Pattern(f"octagon of {side:+d}", "exact_shape", side != 0, (octagon(L + 2 * side),), options={"shape": "octagon",
      "tolerance": 0.003}) for side in (-4, 0, 4)),
    Pattern("circle for an octagon", "exact_shape", True, (rounds(10, (0, 0)),), options={"shape": "octagon"}),
    *(Pattern(f"rectangle of {off:+d}", "exact_shape", abs(off) > 20, (boxes((0, 0, 2 * L + off, L)),), None,
      {"shape": "rectangle", "size": (20.0, 10.0), "tolerance": 0.01}) for off in (-22, -20, 0, 20, 22)),
    Pattern("square", "exact_shape", False, (boxes((0, 0, L, L)),), options={"shape": "rectangle", "tolerance": 0.0}),
    Pattern("square with a corner cut off", "exact_shape", True, (boxes((0, 0, L, L)) - boxes((0, 0, 1, 1)),),
            options={"shape": "rectangle"}),
    *(Pattern(f"area {off:+d}", "area", off < 0, (boxes((0, 0, L, L + off)),), L * L, {}, 100 + off / 100 if off < 0
      else None) for off in (-1, 0, 1)),
    *(Pattern(f"greatest area {off:+d}", "area", off > 0, (boxes((0, 0, L, L + off)),), None, {"most": 100.0})
      for off in (-1, 0, 1)),
    Pattern("half a unit less", "area", True, (boxes((0, 0, L, L)) - polygon((0, 0), (1, 0), (0, 1)),), L * L),
    Pattern("a hole is no area", "area", True, (boxes((0, 0, L, L)) - boxes((5, 5, 6, 6)),), L * L),
    Pattern("two halves", "area", False, (boxes((0, 0, L, 5_000), (0, 5_000, L, L)),), L * L),
    *(Pattern(f"hole {off:+d}", "hole_area", off < 0, (BIG - boxes((0, 0, L, L + off)),), L * L, {},
      100 + off / 100 if off < 0 else None) for off in (-1, 0, 1)),
    Pattern("hole smaller by one square unit", "hole_area", True, (BIG - boxes((0, 0, L - 1, L + 1)),), L * L),
    Pattern("small shape", "hole_area", False, (boxes((0, 0, 10, 10)),), L * L),
    Pattern("notch", "hole_area", False, (BIG - boxes((49_000, 0, 50_000, 1_000)),), L * L),
    Pattern("island", "hole_area", False, (BIG - boxes((0, 0, L, L)) + boxes((1_000, 1_000, 9_000, 9_000)),), L * L),
    Pattern("hole of an island in a hole", "hole_area", True, (BIG - boxes((0, 0, 30_000, 30_000)) +
            boxes((1_000, 1_000, 20_000, 20_000)) - boxes((9_000, 9_000, 10_000, 10_000)),), L * L, measured=1.0),
    Pattern("octagon", "angle", False, (polygon((0, 0), (9, 0), (10, 1), (10, 9), (0, 9)),), None),
    Pattern("off 45 by a unit", "angle", True, (polygon((0, 0), (9_000, 0), (10_000, 1_001), (10_000, 9_000),
            (0, 9_000)),), None),
    Pattern("octagon at 90", "angle", True, (polygon((0, 0), (9, 0), (10, 1), (10, 9), (0, 9)),), None, {"step": 90}),
    Pattern("box at 90", "angle", False, (BIG,), None, {"step": 90}),
    Pattern("off 90 by a unit", "angle", True, (polygon((0, 0), (9_000, 1), (9_000, 9_000), (0, 9_000)),), None,
            {"step": 90}),
    Pattern("second layer", "angle", True, (BIG, polygon((0, 0), (9, 0), (0, 7))), None),
    Pattern("box", "acute_corner", False, (BIG,), 90_000),
    Pattern("less than square", "acute_corner", True, (polygon((0, 0), (9_000, 1), (9_000, 9_000), (0, 9_000)),),
            90_000),
    Pattern("45 degrees", "acute_corner", False, (polygon((0, 0), (9_000, 0), (0, 9_000)),), 45_000),
    Pattern("less than 45 degrees", "acute_corner", True, (polygon((0, 0), (9_000, 0), (0, 8_999)),), 45_000,
            measured=44.9968),
    Pattern("45 degrees, a little more asked", "acute_corner", True, (polygon((0, 0), (9_000, 0), (0, 9_000)),),
            45_001),
    Pattern("sharp notch", "acute_corner", True, (BIG - polygon((0, 0), (-5_000, 50_000), (5_000, 50_000)),), 80_000),
    Pattern("sharp notch, convex only", "acute_corner", False,
            (BIG - polygon((0, 0), (-5_000, 50_000), (5_000, 50_000)),), 80_000, {"corners": "convex"}),
    Pattern("sharp tip, convex only", "acute_corner", True, (polygon((0, 0), (-5_000, 50_000), (5_000, 50_000)),),
            80_000, {"corners": "convex"}, 11.4212),
    Pattern("sharp hole", "acute_corner", True, (BIG - polygon((0, 0), (-5_000, 40_000), (5_000, 40_000)),), 80_000),
    *(Pattern(f"{n} corners", "max_vertices", n > 16, (ngon(20_000, n),), 16_000, {}, float(n) if n > 16 else None)
      for n in (15, 16, 17)),
    Pattern("corners of a hole", "max_vertices", True, (BIG - ngon(20_000, 13),), 16_000, measured=17.0),
    Pattern("on the grid", "grid", False, (boxes((0, -5, 5_000, 50)),), 5),
    Pattern("off the grid in x", "grid", True, (boxes((0, 0, 5_001, 50)),), 5),
    Pattern("off the grid in y", "grid", True, (boxes((0, -1, 5_000, 50)),), 5),
    Pattern("second layer off the grid", "grid", True, (boxes((0, 0, 5, 5)), boxes((0, 0, 5, 4))), 5),
]  # fmt: skip
NAMED = [pytest.param(p, id=f"{p.kind}: {p.name}") for p in PATTERNS]


@pytest.mark.parametrize("pattern", NAMED)
@pytest.mark.parametrize("orientation", range(8))
def test_pattern_in_each_orientation(pattern: Pattern, orientation: int) -> None:
    found = pattern.findings(KINDS, kdb.ICplxTrans(kdb.Trans(orientation, 0, 0)))
    assert bool(found) is pattern.found
    if pattern.measured is not None:
        assert min(f.measured for f in found if f.measured is not None) == pytest.approx(pattern.measured, abs=1e-4)


@pytest.mark.parametrize("pattern", NAMED)
@pytest.mark.parametrize("at", [(150_000_000, -150_000_000), (-149_999_995, 0)])
def test_pattern_at_the_edge_of_a_wafer(pattern: Pattern, at: tuple[int, int]) -> None:
    assert bool(pattern.findings(KINDS, kdb.ICplxTrans(kdb.Trans(*at)))) is pattern.found


@pytest.mark.parametrize("kind", ["width", "space"])
@pytest.mark.parametrize("angle", [7.0, 30.0, 45.0, 61.3])
def test_any_angle_is_right_within_two_units(kind: str, angle: float) -> None:
    """Snapping a turned shape moves its corners by half a unit; the least and the most it may be off is 2."""
    for off in (-2, 2):
        v = L + off
        layer = boxes((0, 0, v, 90_000)) if kind == "width" else boxes((-50_000, 0, 0, 90_000), (v, 0, 50_000, 90_000))
        found = Pattern("", kind, off < 0, (layer,)).findings(KINDS, kdb.ICplxTrans(1.0, angle, False, 0, 0))
        assert bool(found) is (off < 0)


@pytest.mark.parametrize(("kind", "found"), [("enclosure", True), ("separation", True), ("inside", False)])
def test_a_layer_against_itself(kind: str, found: bool) -> None:
    """KLayout takes two regions that share their data for one layer, and says nothing about flush edges."""
    layer = BIG.merged()
    pattern = Pattern("", kind, found, (layer, layer.merged()), L if kind != "inside" else None)
    assert bool(pattern.findings(KINDS)) is found
    if kind == "enclosure":
        assert all(f.measured == 0 for f in pattern.findings(KINDS))


def wrong(kinds: dict[str, Kind[Any]]) -> list[str]:
    """The patterns that these kinds of checks judge wrongly."""
    return [f"{p.kind}: {p.name}" for p in PATTERNS if bool(p.findings(kinds)) is not p.found]


def test_all_patterns_are_judged_right() -> None:
    assert wrong(KINDS) == []


Change = Callable[[Any, Sequence[kdb.Region], int, Any], tuple[Sequence[kdb.Region], int]]
SHIFTS: dict[str, Change] = {
    "limit + 1": lambda rule, regions, limit, options: (regions, limit + 1),
    "limit - 1": lambda rule, regions, limit, options: (regions, max(limit - 1, 0)),
    "layers swapped": lambda rule, regions, limit, options: (regions[::-1], limit),
}


# a kind without a limit cannot have a wrong one, nor a kind of one layer swapped ones
BROKEN = [
    (kind, change)
    for kind in dict.fromkeys(p.kind for p in PATTERNS)  # the others have files of their own
    for change in SHIFTS
    if (len(KINDS[kind].layers) == 2 if change == "layers swapped" else KINDS[kind].limit != "none")
]


@pytest.mark.parametrize(("kind", "change"), BROKEN)
def test_a_check_with_a_wrong_limit_or_swapped_layers_is_caught(kind: str, change: str) -> None:
    steps = 1000 if kind == "max_vertices" else 1  # of what is counted there are no parts

    def broken(rule: str, regions: Sequence[kdb.Region], limit: int, options: Any) -> list[Finding]:
        regions, limit = SHIFTS[change](rule, regions, limit // steps, options)
        return KINDS[kind].check(rule, regions, limit * steps, options)

    caught = wrong({**KINDS, kind: replace(KINDS[kind], check=broken)})
    # some are the same from both sides; so is an overlap, but for what is `required` of the first layer
    assert bool(caught) is not (change == "layers swapped" and kind in ("separation", "outside"))


@pytest.mark.parametrize("kind", ["separation", "enclosure", "edge_distance"])
@pytest.mark.parametrize("kept", ["edges", "polygon"])
def test_a_check_that_drops_one_of_its_two_terms_is_caught(kind: str, kept: str) -> None:
    def broken(rule: str, regions: Sequence[kdb.Region], limit: int, options: Any) -> list[Finding]:
        return [f for f in KINDS[kind].check(rule, regions, limit, options) if getattr(f, kept)]

    assert wrong({**KINDS, kind: replace(KINDS[kind], check=broken)})


@pytest.mark.parametrize("term", ["isolated_check", "notch_check"])
def test_a_space_check_without_one_of_its_terms_is_caught(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kdb.Region, term, lambda *args: kdb.EdgePairs())
    assert any(name.startswith("space") for name in wrong(KINDS))
