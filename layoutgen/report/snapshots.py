"""PNG pictures of the worst finding of each rule: the layers there, the marker, a scale, limit and measured value."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import klayout.db as kdb

from layoutgen import gds
from layoutgen.connect.rules import looked_at
from layoutgen.errors import LayoutgenError, printable
from layoutgen.findings import Finding, Report, RuleResult
from layoutgen.pdk import Pdk
from layoutgen.report import amount, asks, place, worst
from layoutgen.report.page import GREY, INK, RED, Page, nice
from layoutgen.units import DBU, Um

INDEX = "pictures.json"
"""Says of each picture what it shows."""
SIDE, HEAD, FOOT, MARGIN = 800.0, 96.0, 70.0, 30.0
"""Pixels: of the square with the layout, and around it."""
LEAST: Um = 2.0
"""Side of the smallest window that is shown."""
LEAST_OF_NETS: Um = 100.0
"""The same of a finding of nets or cuts, which may be a point of a wide piece."""
MOST_SHAPES = 100_000
"""In a window, of a layer; a larger window shows less."""
MOST_LAYERS = 10
IN_A_ROW = 5
"""Names of layers below the picture; more of them stand in two rows."""
Frame = tuple[float, float, float, float]
"""Corners in pixels."""
Look = Literal["filled", "hatched", "outlined"]
"""What remains is filled, openings and derived layers are hatched, and outlines what no mask prints."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A picture, and whose it is."""

    file: str
    rule: str
    finding: Finding
    unit: str


def draw(report: Report, pdk: Pdk, layout: kdb.Layout, top: kdb.Cell, folder: Path, under: str = "") -> list[Snapshot]:
    """Draw the worst finding of each rule that has any into `folder`, as RULE.png (in its folder `under`, if given).

    Raises:
        OutputError: a picture could not be written.
    """
    drawn: list[Snapshot] = []
    pdk = pdk.in_flow(report.flow)
    taken = {INDEX}
    for result in report.results:
        if (found := worst(result, pdk)) is not None:
            snapshot = Snapshot(under + _file(result.rule, taken), result.rule, found, result.unit)
            _draw(folder / snapshot.file, result, found, pdk, layout, top)
            drawn.append(snapshot)
    return drawn


def index(drawn: Sequence[Snapshot]) -> str:
    """What each picture shows, as JSON: `files` by name, each with its rule, and place (um)."""
    told = {
        s.file: {"rule": printable(s.rule), "at": [round(v, 4) for v in s.finding.at], "measured": s.finding.measured,
                 "unit": s.unit, "identity": s.finding.identity}
        for s in drawn
    }  # fmt: skip
    return json.dumps({"files": told}, indent=1, ensure_ascii=False) + "\n"


def _file(rule: str, taken: set[str]) -> str:
    """A file name of a safe alphabet, unlike any other's on any file system."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", rule)[:60].strip(".") or "_"
    name, n = f"{stem}.png", 2
    while name.lower() in taken:
        name, n = f"{stem}_{n}.png", n + 1
    taken.add(name.lower())
    return name


def _draw(
    path: Path, result: RuleResult, finding: Finding, pdk: Pdk, layout: kdb.Layout, top: kdb.Cell
) -> None:  # fmt: skip
    layers = list(_layers(result.rule, pdk))
    x, y, side = _window(result, finding, pdk)
    while side > LEAST and any(_crowded(layout, top, pdk, layer, _box(x, y, side)) for layer, _ in layers):
        x, y, side = (*_centre(finding), side / 2)
    scale = SIDE / side
    frame = (MARGIN, FOOT, MARGIN + SIDE, FOOT + SIDE)
    page = Page(SIDE + 2 * MARGIN, SIDE + HEAD + FOOT, scale, (frame[0] - (x - side / 2) * scale,
                                                               frame[1] - (y - side / 2) * scale))  # fmt: skip
    canvas = page.pixels(*frame)
    around = page.pixels(frame[0] - 20, frame[1] - 20, frame[2] + 20, frame[3] + 20)  # no outline where it is cut off
    regions = {layer: _region(layout, top, pdk, layer, _box(x, y, side * 1.1)) for layer, _ in layers}
    if result.rule not in pdk.rules:  # which looks at far more layers than there are anywhere
        layers = [one for one in layers if not (regions[one[0]] & kdb.Region(_box(x, y, side))).is_empty()]
    layers = layers[:MOST_LAYERS]
    for level, (layer, look) in enumerate(layers):
        here = page.region(regions[layer]) & around
        _show(page, here, canvas, frame, _colour(pdk, layer), look, level)
    _mark(page, finding, canvas, page.stripes(frame, 9, 1.5, up=False))
    page.add(page.outline(page.pixels(*frame), 1.5), GREY, 50)
    _captions(page, frame, result, finding, pdk)
    _scale_and_layers(page, frame, side, [(layer, _colour(pdk, layer), look) for layer, look in layers])
    page.write(path)


def _show(
    page: Page, shapes: kdb.Region, canvas: kdb.Region, frame: Frame, colour: str, look: Look, level: int
) -> None:  # fmt: skip
    """Shapes of a layer, in pixels, as far as they lie on the canvas; above others: their outlines."""
    if look == "filled":
        page.add(shapes & canvas, _pale(colour), level)
    elif look == "hatched":
        page.add(shapes & canvas & page.stripes(frame, 14, 1.5, up=True), colour, level)
    page.add(page.outline(shapes, 1.6) & canvas, colour, 20 + level)


def _layers(rule: str, pdk: Pdk) -> Iterator[tuple[str, Look]]:
    """What to show of a rule, the lowest first, and how: what its layers are made of, then derived ones.

    A rule that is not the process's own is one on nets or cuts.
    """
    named = dict.fromkeys(pdk.rules[rule].layers if rule in pdk.rules else looked_at(rule, pdk))
    drawn: dict[str, None] = {}
    for layer in named:
        try:
            drawn |= dict.fromkeys(pdk.sources(layer))
        except LayoutgenError:  # of a rule that failed; it has no findings
            continue
    looks: dict[str | None, Look] = {"remaining": "filled", "opening": "hatched", None: "outlined"}
    shown = [(layer, looks[pdk.drawn_layers[layer].drawn]) for layer in drawn]
    shown.sort(key=lambda one: [*looks.values()].index(one[1]))
    shown += [(layer, "hatched") for layer in named if layer in pdk.derived]
    yield from shown


def _centre(finding: Finding) -> tuple[Um, Um]:
    """Where the eye should go where not all of a finding can be shown: the middle of its first edge."""
    if finding.edges:
        a, b, c, d = finding.edges[0]
        return (a + c) / 2 * DBU, (b + d) / 2 * DBU
    (a, b), (c, d) = finding.polygon[0], finding.polygon[1 % len(finding.polygon)]
    return (a + c) / 2 * DBU, (b + d) / 2 * DBU


def _window(result: RuleResult, finding: Finding, pdk: Pdk) -> tuple[Um, Um, Um]:
    """Centre and side of what to show: the finding, and around it enough to see why it is one."""
    xs = [v for e in finding.edges for v in (e[0], e[2])] + [x for x, _ in finding.polygon]
    ys = [v for e in finding.edges for v in (e[1], e[3])] + [y for _, y in finding.polygon]
    wide, high = (max(xs) - min(xs)) * DBU, (max(ys) - min(ys)) * DBU
    limit = pdk.rules[result.rule].limit if result.rule in pdk.rules and result.unit == "um" else None
    gap = max(min(wide, high), finding.measured or 0.0 if result.unit == "um" else 0.0, (limit or 0.0) / 2)
    side = max(1.6 * max(wide, high), 3 * gap, LEAST if result.rule in pdk.rules else LEAST_OF_NETS)
    if len(finding.edges) == 2:
        side = min(side, max(30 * gap, LEAST))  # of long edges that are near each other, a part
    return (*finding.at, side)


def _box(x: Um, y: Um, side: Um) -> kdb.Box:
    return kdb.DBox(x - side / 2, y - side / 2, x + side / 2, y + side / 2).to_itype(DBU)


def _crowded(layout: kdb.Layout, top: kdb.Cell, pdk: Pdk, layer: str, box: kdb.Box) -> bool:
    for source in pdk.sources(layer):
        number = layout.find_layer(gds.layer_info(pdk, source))
        if number is not None:
            shapes = top.begin_shapes_rec_touching(number, box).each()
            if sum(1 for _ in islice(shapes, MOST_SHAPES)) == MOST_SHAPES:
                return True
    return False


def _region(layout: kdb.Layout, top: kdb.Cell, pdk: Pdk, layer: str, box: kdb.Box) -> kdb.Region:
    """A layer, drawn or derived, in a box."""
    reach = round(pdk.reach(layer) / DBU) + 1
    fetch = gds.fetch(layout, pdk, top, box.enlarged(reach, reach))
    return pdk.region(layer, lambda name: fetch(name) & kdb.Region(box.enlarged(reach, reach))) & kdb.Region(box)


def _mark(page: Page, finding: Finding, canvas: kdb.Region, stripes: kdb.Region) -> None:
    """The marker in red: its edges, what lies between or in it, and a ring around it where it is hardly seen."""
    hull = [kdb.Point(x, y) for x, y in finding.polygon]
    if len(finding.edges) == 2:
        pair = kdb.EdgePair(kdb.Edge(*finding.edges[0]), kdb.Edge(*finding.edges[1])).normalized()
        hull = [*pair.polygon(0).each_point_hull()]
    ends = [*finding.edges]
    ends += [(a.x, a.y, b.x, b.y) for a, b in zip(hull, [*hull[1:], *hull[:1]], strict=True)] if finding.polygon else []
    if len(hull) > 2:
        page.add(page.region(kdb.Region(kdb.Polygon(hull))) & stripes & canvas, RED, 40)
    pixels = [(page.at(a * DBU, b * DBU), page.at(c * DBU, d * DBU)) for a, b, c, d in ends]
    for start, end in pixels:
        if start != end:
            page.add(page.stroke([start, end], 4.0) & canvas, RED, 41)
    if len(finding.edges) == 2 and all(math.dist(start, end) < 20 for start, end in pixels):
        a, b = (((s[0] + e[0]) / 2, (s[1] + e[1]) / 2) for s, e in pixels)
        if a != b:
            page.add(page.stroke([a, b], 2.0) & canvas, RED, 41)
    xs, ys = [p[0] for pair in pixels for p in pair], [p[1] for pair in pixels for p in pair]
    if max(max(xs) - min(xs), max(ys) - min(ys)) < 60:
        page.rim(((max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2), 60, 3, RED, 41)


def _captions(page: Page, frame: Frame, result: RuleResult, finding: Finding, pdk: Pdk) -> None:
    """What the rule asks for, and what was found."""
    name, asked = printable(result.rule, 60), asks(result.rule, pdk)
    x, y = frame[0], frame[3]
    page.text(_letters(f"{name}: {asked}" if asked else name), (x, y + 56), 20, INK, 60, most=SIDE)
    parts = [
        f"measured {amount(finding.measured, result.unit)}" if finding.measured is not None else "",
        f"asked {amount(finding.asked, result.unit)}" if finding.asked is not None else "",
        printable(finding.note, 80), f"at {place(finding)}",
        f"worst of {result.count}" if result.count > 1 else "the only one",
    ]  # fmt: skip
    page.text(_letters(", ".join(p for p in parts if p)), (x, y + 20), 16, RED, 60, most=SIDE)


def _scale_and_layers(page: Page, frame: Frame, side: Um, layers: Sequence[tuple[str, str, Look]]) -> None:
    """Below the picture: a scale, and each layer's name, colour and look."""
    x0, y, x1, _ = frame
    length = nice(side / 4)
    wide = length * page.scale
    page.box(x0, y - 30, x0 + wide, y - 25, INK, 60)
    for end in (x0, x0 + wide - 2):
        page.box(end, y - 35, end + 2, y - 20, INK, 60)
    shown = f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} um"
    x = x0 + wide + 12 + page.text(shown, (x0 + wide + 12, y - 35), 16, INK, 60) + 30
    left, row = x, len(layers) if len(layers) <= IN_A_ROW else math.ceil(len(layers) / 2)
    room = (x1 - x) / max(row, 1)
    for k, (layer, colour, look) in enumerate(layers):
        if k and k % row == 0:
            x, y = left, y - 30
        sample = (x, y - 38, x + 24, y - 16)
        _show(page, page.pixels(*sample), page.pixels(*sample), sample, colour, look, 60)
        x += 30 + page.text(_letters(layer), (x + 30, y - 34), 14, INK, 60, most=max(room - 48, 10)) + 18


def _letters(words: str) -> str:
    """What the picture's letters can say."""
    return printable("".join(c if c.isascii() else "?" for c in words), 160)


def _colour(pdk: Pdk, layer: str) -> str:
    return pdk.derived[layer].color if layer in pdk.derived else pdk.drawn_layers[layer].color


def _pale(colour: str) -> str:
    """A colour so pale that lines are seen on it."""
    return "#" + "".join(f"{round(255 - (255 - int(colour[i : i + 2], 16)) * 0.4):02x}" for i in (1, 3, 5))
