"""A picture of a routing: metal by net, what is missing as dashed lines, where it is too narrow, and lengths.

All is laid out in pixels (`page.Page`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import shapely

from layoutgen.report.page import GREY, INK, RED, Page, nice, text_width
from layoutgen.report.routing import missing_end, ohms, summary
from layoutgen.report.routing_table import NetRow, net_terminals, totals
from layoutgen.route import NetMetal, RoutePlan, RouteProblem
from layoutgen.units import DBU

DIE = 1400.0
"""Longer side of the die."""
PANEL = 560.0
HEAD, FOOT, MARGIN = 80.0, 70.0, 40.0
LISTED_NETS = 100
"""Beyond so many nets, colours say the ratio of length to straight line, not the net."""
WORST = 15
"""Nets in the list of the highest ratios, where colours say the ratio."""
MOST_NAMES = 300
"""Terminals beyond which none is named."""
LEAST_NAME = 11.0
"""Height of letters in pixels below which a name is not read."""
MOST_LABELS = 12
"""Bottlenecks that get a label: those that lack most room."""
PAD, BALL, KEEPOUT = "#b8c2cc", "#dde3ea", "#cbd2d9"
NETS = (
    "#1f77b4", "#e8871e", "#2ca02c", "#9467bd", "#17a2b8", "#8c6d31", "#d6619e", "#3f51b5", "#6b8e23", "#00897b",
    "#b5651d", "#7e57c2",
)  # fmt: skip
"""Colours of nets in turn; red is kept for what is missing."""
VIA_HOLE = "#ffffff"
LAYERS = ("#c8783d", "#2f6fb0")
"""Colours of the first and the second metal layer."""
HEAT = ("#2c7fb8", "#3fa7a0", "#7fbf5a", "#c9c23a", "#f0a52e", "#e8772a", "#b8482a", "#7a2d1a")
RATIOS = (1.02, 1.05, 1.1, 1.2, 1.35, 1.6, 2.0)
"""Upper ends of the bins of ratios; the last is open."""


def draw_picture(
    path: Path, name: str, problem: RouteProblem, plan: RoutePlan, metal: Mapping[str, NetMetal], rows: Sequence[NetRow]
) -> None:
    """Draw a routing into a PNG file.

    Raises:
        OutputError: it could not be written.
    """
    x0, y0, x1, y1 = problem.bounds
    scale = DIE / max(x1 - x0, y1 - y0)
    width = max(500.0, (x1 - x0) * scale) + 3 * MARGIN + PANEL
    height = max(700.0, (y1 - y0) * scale) + HEAD + FOOT
    page = Page(width, height, scale, (MARGIN - x0 * scale, height - HEAD - (y1 - y0) * scale - y0 * scale))
    colours = _colours(problem, rows)
    _die(page, problem)
    _metal(page, problem, plan, metal, colours)
    _terminals(page, problem, plan, colours)
    _missing(page, problem, plan)
    _bottlenecks(page, problem, plan)
    page.text(f"{name}: {summary(totals(rows))}", (MARGIN, height - 50), 22, INK, most=width - 2 * MARGIN)
    _scale_bar(page, problem)
    _panel(page, problem, plan, rows, colours)
    page.write(path)


def _colours(problem: RouteProblem, rows: Sequence[NetRow]) -> dict[str, str]:
    """Colour of each net: of its own, or where there are many, of its ratio."""
    if len(rows) <= LISTED_NETS:
        return {r.net: NETS[i % len(NETS)] for i, r in enumerate(rows)}
    return {r.net: GREY if r.ratio is None else HEAT[_bin(r.ratio)] for r in rows}


def _bin(ratio: float) -> int:
    return next((i for i, limit in enumerate(RATIOS) if ratio <= limit), len(RATIOS))


def _tint(colour: str, part: float) -> str:
    """A colour mixed with white; `part` of it stays."""
    return "#" + "".join(f"{round(255 - part * (255 - int(colour[i : i + 2], 16))):02x}" for i in (1, 3, 5))


def _die(page: Page, problem: RouteProblem) -> None:
    outline = [page.at(x, y) for x, y in problem.outline]
    page.polygon(outline, "#fafbfc", 0)
    page.line([*outline, outline[0]], 2, INK, 1)
    for obstacle in problem.obstacles:
        page.polygon((page.at(x, y) for x, y in obstacle.points), KEEPOUT, 1)


def _metal(
    page: Page, problem: RouteProblem, plan: RoutePlan, metal: Mapping[str, NetMetal], colours: Mapping[str, str]
) -> None:
    """Wires with their teardrops in the net's colour, ties in a lighter one; two layers as lines of two colours."""
    if problem.layers == 1:
        for net in sorted(metal, key=lambda n: HEAT.index(colours[n]) if colours[n] in HEAT else -1):  # hot on top
            shapes = metal[net]
            for level, polygons, colour in (
                (2, shapes.tie, _tint(colours[net], 0.45)),
                (3, shapes.metal, colours[net]),
            ):
                for corners in polygons:
                    page.polygon((page.at(x, y) for x, y in (corners * DBU).tolist()), colour, level)
    else:
        for wire in plan.wires:
            points = [page.at(x * DBU, y * DBU) for x, y in wire.points]
            colour = _tint(LAYERS[wire.layer], 0.5) if wire.tie else LAYERS[wire.layer]
            page.line(points, wire.width * page.scale, colour, 3 if wire.layer else 2)
        for via in plan.vias:  # above terminals, where they stand
            page.disc(page.at(via.x, via.y), max(3.0, problem.via / 2 * page.scale), INK, 7)
            page.disc(page.at(via.x, via.y), max(2.0, problem.via / 2 * page.scale - 2), VIA_HOLE, 8)
    for wire in plan.wires:  # so that a wire thinner than a pixel is still seen
        if wire.width * page.scale < 1.2 and problem.layers == 1:
            colour = _tint(colours[wire.net], 0.45) if wire.tie else colours[wire.net]
            page.line([page.at(x * DBU, y * DBU) for x, y in wire.points], 1.2, colour, 2 if wire.tie else 3)


def _terminals(page: Page, problem: RouteProblem, plan: RoutePlan, colours: Mapping[str, str]) -> None:
    owner = {t.name: net for net, own in net_terminals(problem, plan).items() for t in own}
    for t in problem.terminals:
        net = owner.get(t.name, "")
        rim = colours.get(net, GREY)
        fill = BALL if t.round else PAD
        centre = page.at(t.x, t.y)
        if t.round:
            radius = t.half_x * page.scale
            inner = max(radius - 2, radius * 0.6)
            if problem.layers > 1:  # wires of the first metal run below balls, and are seen
                page.disc(centre, inner, fill if net else "#ffffff", 1)
                page.rim(centre, radius, max(3.0, radius - inner), rim, 5)
            else:
                page.disc(centre, radius, rim, 5)
                page.disc(centre, inner, fill if net else "#ffffff", 6)
        elif t.polygon:
            page.polygon((page.at(x, y) for x, y in t.polygon), rim, 5)
        else:
            w, h = t.half_x * page.scale, t.half_y * page.scale
            page.box(centre[0] - w, centre[1] - h, centre[0] + w, centre[1] + h, rim, 5)
            if min(w, h) > 3:
                page.box(centre[0] - w + 2, centre[1] - h + 2, centre[0] + w - 2, centre[1] + h - 2, fill, 6)
    _names(page, problem, plan)


def _names(page: Page, problem: RouteProblem, plan: RoutePlan) -> None:
    """Names of terminals: inside where they fit, else beside where nothing else is drawn, else nowhere."""
    if len(problem.terminals) > MOST_NAMES:
        return
    lines = [
        shapely.LineString([page.at(x * DBU, y * DBU) for x, y in w.points]).buffer(w.width / 2 * page.scale + 1)
        for w in plan.wires
        if len(w.points) > 1
    ]
    boxes = [
        shapely.box(*page.at(t.x - t.half_x, t.y - t.half_y), *page.at(t.x + t.half_x, t.y + t.half_y))
        for t in problem.terminals
    ]
    taken = shapely.STRtree([*lines, *boxes])
    die = shapely.Polygon([page.at(x, y) for x, y in problem.outline])
    named: list[shapely.Polygon] = []
    vias = {(v.x, v.y): problem.via / 2 * page.scale for v in plan.vias}
    for t in problem.terminals:
        name, (x, y) = _short(t.name), page.at(t.x, t.y)
        w, h = t.half_x * page.scale, t.half_y * page.scale
        high, down = min(15.0, 1.6 * w / text_width(name, 1.0), 1.1 * h), 0.0
        if (t.x, t.y) in vias:  # between the via and the rim
            down = (h + vias[t.x, t.y]) / 2
            high = min(high, 0.8 * (h - vias[t.x, t.y]))
        if high >= LEAST_NAME:
            page.text(name, (x, y - down - high / 2), high, INK, 9, align=0.5)
            continue
        wide, high = text_width(name, LEAST_NAME), LEAST_NAME
        for cx, cy in (
            (x + w + 4, y - high / 2), (x - w - 4 - wide, y - high / 2), (x - wide / 2, y + h + 4),
            (x - wide / 2, y - h - 4 - high), (x + w, y + h), (x + w, y - h - high), (x - w - wide, y + h),
            (x - w - wide, y - h - high),
        ):  # fmt: skip
            spot = shapely.box(cx - 1, cy - 1, cx + wide + 1, cy + high + 1)
            if die.contains(spot) and not len(taken.query(spot, "intersects")) and not any(
                spot.intersects(other) for other in named
            ):  # fmt: skip
                page.text(name, (cx, cy), high, INK, 7)
                named.append(spot)
                break


def _short(name: str) -> str:
    """A terminal's name without the word that says its kind."""
    return name.removeprefix("pad ").removeprefix("ball ")


def _missing(page: Page, problem: RouteProblem, plan: RoutePlan) -> None:
    """Dashed lines below the terminals, which get a red rim."""
    by_name = {t.name: t for t in problem.terminals}
    ring = shapely.LinearRing(problem.outline)
    x0, y0, x1, y1 = problem.bounds
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    for u in plan.unrouted:
        start = by_name[u.start]
        a = page.at(start.x, start.y)
        if u.end in by_name:
            b = page.at(by_name[u.end].x, by_name[u.end].y)
        elif u.tie:
            foot = ring.interpolate(ring.project(shapely.Point(start.x, start.y)))
            b = page.at(foot.x, foot.y)
        elif near := [t for t in problem.terminals if t.group == u.end and not t.net and t.name not in plan.taken]:
            b = min((page.at(t.x, t.y) for t in near), key=lambda at: math.dist(a, at))
        else:  # none is left
            away = 2 * max(6.0, start.half_x * page.scale)
            b = (a[0] + (away if a[0] < page.at(*middle)[0] else -away), a[1])
        page.dashes(a, b, 2 if u.tie else 3, RED, 4)
        for t in (by_name[n] for n in (u.start, u.end) if n in by_name):
            w, h = (half * page.scale + 3 for half in (t.half_x, t.half_y))
            (x, y) = page.at(t.x, t.y)
            if t.round:
                page.disc((x, y), w, RED, 4)
            else:
                page.box(x - w, y - h, x + w, y + h, RED, 4)


def _outside(points: list[tuple[float, float]], solid: shapely.Geometry) -> list[list[tuple[float, float]]]:
    """What of a line lies outside of an area."""
    parts = shapely.get_parts(shapely.difference(shapely.LineString(points), solid))
    return [[(x, y) for x, y in part.coords] for part in parts if part.length > 1]


def _bottlenecks(page: Page, problem: RouteProblem, plan: RoutePlan) -> None:
    """Red lines, thick where wires may run; those that lack most room are labelled, labels kept apart."""
    obstacles = [shapely.Polygon([page.at(x, y) for x, y in o.points]) for o in problem.obstacles]
    solid = shapely.union_all(obstacles) if obstacles and plan.bottlenecks else shapely.Polygon()
    ranked = sorted(
        range(len(plan.bottlenecks)), key=lambda i: (plan.bottlenecks[i].capacity - plan.bottlenecks[i].demand, i)
    )
    placed = [
        (min(p[0] for p in ends), min(p[1] for p in ends), max(p[0] for p in ends), max(p[1] for p in ends))
        for ends in ([page.at(x, y) for line in b.lines for x, y in line] for b in plan.bottlenecks)
    ]
    for rank, i in enumerate(ranked):
        b = plan.bottlenecks[i]
        lines = [[page.at(x, y) for x, y in line] for line in b.lines if len(line) > 1]
        if not lines:
            continue
        gaps = [gap for points in lines for gap in _outside(points, solid)] or lines
        for points in lines:
            page.line(points, 2, RED, 8)
        for points in gaps:
            page.line(points, 7, RED, 8)
        points = max(gaps, key=lambda gap: shapely.LineString(gap).length)
        if rank >= MOST_LABELS:
            continue
        words, high = f"capacity {b.capacity}, demand {b.demand}", 15.0
        wide = text_width(words, high)
        middle = points[len(points) // 2]
        if len(points) == 2:
            middle = ((points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2)
        for down in range(80):
            # beside it, and lower and higher in turn until it covers no other label
            shift = (down + 1) // 2 * (high + 12) * (1 if down % 2 else -1)
            x = min(max(middle[0] + 12, 6.0), page.width - wide - 12)
            y = min(max(middle[1] - high / 2 + shift, 6.0), page.height - HEAD)
            frame = (x - 5, y - 5, x + wide + 5, y + high + 5)
            if all(frame[2] < p[0] or frame[0] > p[2] or frame[3] < p[1] or frame[1] > p[3] for p in placed):
                break
        placed.append(frame)
        page.box(*frame, RED, 9)
        page.box(frame[0] + 1.5, frame[1] + 1.5, frame[2] - 1.5, frame[3] - 1.5, "#ffffff", 10)
        page.text(words, (x, y), high, RED, 11)


def _scale_bar(page: Page, problem: RouteProblem) -> None:
    """Below the die's lower-left corner."""
    x0, y0, x1, _ = problem.bounds
    length = nice((x1 - x0) / 4)
    (x, y), wide = page.at(x0, y0), length * page.scale
    y -= 42
    page.box(x, y, x + wide, y + 5, INK, 8)
    for end in (x, x + wide - 2):
        page.box(end, y - 5, end + 2, y + 10, INK, 8)
    words = f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} um"
    page.text(words, (x + wide + 12, y - 5), 16, INK)


# panel ----------------------------------------------------------------------------------------------------------


def _panel(
    page: Page, problem: RouteProblem, plan: RoutePlan, rows: Sequence[NetRow], colours: Mapping[str, str]
) -> None:
    x, y = page.width - PANEL - MARGIN / 2, page.height - HEAD - 16
    y = _panel_of_missing(page, plan, x, y)
    if problem.layers > 1:
        y = _legend(page, [("first metal layer", LAYERS[0]), ("second metal layer, above", LAYERS[1])], x, y)
    if len(rows) > LISTED_NETS:
        y = _histogram(page, rows, x, y)
    if len(rows) > LISTED_NETS:
        worst = sorted((r for r in rows if r.ratio is not None), key=lambda r: -(r.ratio or 0))[:WORST]
        y = _list(page, "longest ways round", worst, colours, x, y) - 36
    _list(page, "longest nets", sorted(rows, key=lambda r: -r.length), colours, x, y)


def _panel_of_missing(page: Page, plan: RoutePlan, x: float, y: float) -> float:
    if not plan.unrouted:
        return y
    page.text(f"{len(plan.unrouted)} missing (dashed)", (x, y), 16, RED)
    y -= 26
    for u in plan.unrouted[:10]:
        page.text(f"{u.net}: {_short(u.start)} to {_short(missing_end(u))}", (x, y), 13, RED, most=PANEL)
        y -= 22
    if len(plan.unrouted) > 10:
        page.text(f"and {len(plan.unrouted) - 10} more", (x, y), 13, RED)
        y -= 22
    return y - 18


def _legend(page: Page, entries: Iterable[tuple[str, str]], x: float, y: float) -> float:
    for words, colour in entries:
        page.box(x, y, x + 28, y + 13, colour, 8)
        page.text(words, (x + 40, y), 13, INK)
        y -= 22
    return y - 12


def _histogram(page: Page, rows: Sequence[NetRow], x: float, y: float) -> float:
    """Nets by the ratio of their length to their straight line, in the colours of the wires."""
    page.text("length / straight line", (x, y), 16, INK)
    page.text("nets", (x + PANEL, y), 13, GREY, align=1.0)
    y -= 28
    counts = [0] * len(HEAT)
    for r in rows:
        if r.ratio is not None:
            counts[_bin(r.ratio)] += 1
    lows = (1.0, *RATIOS)
    for i, count in enumerate(counts):
        words = f"{lows[i]:.2f}-{RATIOS[i]:.2f}" if i < len(RATIOS) else f"above {RATIOS[-1]:.2f}"
        page.text(words, (x, y), 13, INK)
        wide = (PANEL - 200) * count / max(1, *counts)
        if count:
            page.box(x + 130, y - 2, x + 130 + max(2.0, wide), y + 15, HEAT[i], 8)
        page.text(f"{count}", (x + PANEL, y), 13, INK, align=1.0)
        y -= 24
    return y - 18


def _list(
    page: Page, title: str, rows: Sequence[NetRow], colours: Mapping[str, str], x: float, y: float
) -> float:  # fmt: skip
    """As many nets as there is room for, each with a bar: straight line dark, the way round pale; where it ends."""
    step, high = 22.0, 13.0
    room = int((y - FOOT - 24) // step)
    listed = rows[: max(0, room)]
    if not listed:
        return y
    page.text(title, (x, y), 16, INK)
    right = (x + PANEL - 170, x + PANEL - 85, x + PANEL)
    for place, words in zip(right, ("um", "ratio", "mOhm"), strict=True):
        page.text(words, (place, y), high, GREY, align=1.0)
    longest = max(1.0, *(r.length for r in listed))
    for r in listed:
        y -= step
        page.text(r.net, (x, y), high, INK, most=165)
        bar = x + 175
        page.box(bar, y - 1, bar + max(1.0, 110 * r.length / longest), y + high + 1, _tint(colours[r.net], 0.4), 8)
        page.box(bar, y - 1, bar + max(1.0, 110 * min(r.straight, r.length) / longest), y + high + 1, colours[r.net], 9)
        page.text(f"{r.length:.0f}", (right[0], y), high, INK, align=1.0)
        ratio = "-" if r.ratio is None else f"{r.ratio:.3f}"
        page.text(ratio, (right[1], y), high, RED if r.ratio is None else INK, align=1.0)
        page.text(ohms(r.resistance), (right[2], y), high, INK, align=1.0)
    return y
