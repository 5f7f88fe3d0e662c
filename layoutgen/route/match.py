"""Length matching: meanders that make the shorter nets of a group as long as its longest one.

The length of a net is the total centre-line length of its wires (what they share counts once, ties apart): from pad to
ball for a net with two terminals.

A meander stands beside a straight segment, on one side or on both, where a strip is free of all else: other wires, pads
and obstacles with the space they ask for, the outline's edge, and metal of the own net with its space and teardrops.
Its legs are perpendicular to the segment. Their bends are those of the problem's style: square, cut at 45 degrees,
corners of a 16-gon, or half circles; the gap between legs is as much wider than the least space as these bends need so
that no notch is left at their inner rim. What is too short for a whole leg becomes one shallow bump.

Wires of the curved style are matched after `curve`, as arcs shorten them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.beside import SLACK, Fixed, fixed, grown, landings
from layoutgen.route.curves import arc, facet
from layoutgen.route.legal import body
from layoutgen.route.problem import Matched, Missed, Point, RoutePlan, RouteProblem, Style, Wire
from layoutgen.units import DBU, Um, dbu

IGNORED = math.radians(98)
"""Walls that turn by less than this are no notch (KLayout's `ignore_angle` of 80 degrees, less what rounding turns)."""
_TALLEST = 8
"""Height of a meander on one side, in distances of its legs."""
_MODERATE = 3.0
"""Heights up to so many distances of legs look well; more legs are taken before higher ones."""
_LEVELS = 8
"""Heights that are tried per side."""
_COLUMNS = 4
"""Free heights are looked up so many times per distance of legs."""
_ROUNDS = 60
_COARSER = 1.15
"""Small arcs have coarser facets than large ones, whose walls turn by more at once."""
_ROUNDING = 3.0
"""What rounding to the grid can cost, in dbu."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Form:
    """Shape of a net's meanders, in dbu: drawn width, space, radius of bends, angle of their facets (rad)."""

    style: Style
    drawn: int
    space: float
    radius: float
    step: float

    @property
    def pitch(self) -> float:
        """Distance of legs."""
        return 2 * self.radius if self.radius else self.drawn + self.space

    @property
    def half(self) -> float:
        """Half width, measured to the tips of mitred bends."""
        return self.drawn / 2 / math.cos(self.step / 2) + _ROUNDING

    @property
    def lost(self) -> float:
        """What a bend is shorter than its square corner."""
        return self.radius * (2 - math.pi / self.step * math.tan(self.step / 2))

    def gain(self, runs: int, up: float, down: float) -> float:
        """What a meander adds: `runs` runs across, at the heights up, -down, up, ..."""
        legs = up + (runs - 1) * (up + down) + (up if runs % 2 else down)
        return legs - 2 * (runs + 1) * self.lost


@dataclass(frozen=True)
class _Frame:
    """Local coordinates of a segment: x along it, y to its left; `exact`: multiples of `unit` are on the grid."""

    origin: Point
    along: tuple[float, float]
    unit: float
    exact: bool

    def place(self, local: Array) -> list[Point]:
        """Points of the grid."""
        if self.exact:
            local = np.round(local / self.unit) * self.unit
        (x, y), (ux, uy) = self.origin, self.along
        out = np.column_stack([x + local[:, 0] * ux - local[:, 1] * uy, y + local[:, 0] * uy + local[:, 1] * ux])
        return [(int(px), int(py)) for px, py in np.round(out).tolist()]

    def whole(self, length: float) -> float:
        """A length in whole units."""
        return round(length / self.unit) * self.unit

    def local(self, points: Array) -> Array:
        """Local coordinates of points in dbu."""
        x, y = points[:, 0] - self.origin[0], points[:, 1] - self.origin[1]
        ux, uy = self.along
        return np.column_stack([x * ux + y * uy, y * ux - x * uy])


@dataclass(frozen=True, slots=True)
class _Offer:
    """A meander that fits: on segment `segment` of wire `wire`, from x on, with its heights (shallow: its slope)."""

    wire: int
    segment: int
    gain: float
    x: float
    side: int
    heights: tuple[float, ...]
    pitch: float
    slope: float = 0.0

    @property
    def rank(self) -> tuple[float, int, int, float, int, int]:
        """Lower is better: what adds most, then legs of moderate height, then few legs, then low ones."""
        height = max(abs(h) for h in self.heights)
        tall = math.ceil(height / (_MODERATE * self.pitch))
        return -round(self.gain), tall, len(self.heights), height, self.wire, self.segment


def match(problem: RouteProblem, wires: Sequence[Wire]) -> tuple[tuple[Wire, ...], list[Missed]]:
    """The wires with those of shorter nets lengthened, and the nets that could not be made long enough.

    Only wires of nets in `problem.matched` change; all stay legal. A net out of tolerance is brought to the longest
    of its group, to a few nm, where there is room, else as near to it as it goes. Nets without wires are listed.
    """
    work = _Work(problem, list(wires))
    for group in problem.matched:
        lengths = {net: work.length(net) for net in dict.fromkeys(group.nets)}
        target = max(lengths.values())
        for net in sorted(lengths, key=lambda n: (lengths[n], n)):
            if 0 < lengths[net] < target - group.within:
                work.lengthen(net, (target - lengths[net]) / DBU, group.within / DBU)
    missed = [m for group in problem.matched for m in _missed(work, group)]
    return tuple(work.wires), missed


def _missed(work: _Work, group: Matched) -> Iterator[Missed]:
    lengths = {net: work.length(net) for net in dict.fromkeys(group.nets)}
    target = max(lengths.values())
    for net, length in lengths.items():
        if target - length > group.within + _ROUNDING * DBU:
            reason = (
                f"no room beside its wires for {target - length:.1f} um more: only a longer way round would do"
                if length
                else "it has no wires"
            )
            yield Missed(group.nets, net, target, length, reason)


class _Work:
    """The wires while they are lengthened."""

    def __init__(self, problem: RouteProblem, wires: list[Wire]) -> None:
        self.problem = problem
        self.wires = wires
        self.things: Fixed = fixed(problem)
        self.outline = shapely.LinearRing([(dbu(x), dbu(y)) for x, y in problem.outline])
        self.marks = landings(wires) if problem.matched else []
        nets = dict.fromkeys(w.net for w in wires)
        self.drawn = {net: dbu(problem.width_of(net) + problem.guard) for net in nets}
        self.space = {net: dbu(problem.space_of(net)) for net in nets}
        self.lines = np.array([shapely.LineString(w.points) for w in wires], dtype=object)

    def length(self, net: str) -> Um:
        """Length of a net's wires."""
        own = tuple(w for w in self.wires if w.net == net)
        return RoutePlan(own, ()).net_lengths().get(net, 0.0)

    def lengthen(self, net: str, missing: float, within: float) -> None:
        """Add meanders to a net until no more than `within` is missing (dbu), or no more fit."""
        form = _form(self.problem, net)
        failed: set[tuple[Point, Point]] = set()
        own = [i for i, w in enumerate(self.wires) if w.net == net and not w.tie]
        for _ in range(_ROUNDS):
            if missing <= max(within, _ROUNDING):
                return
            best: _Offer | None = None
            for i in own:
                for segment in range(len(self.wires[i].points) - 1):
                    if tuple(self.wires[i].points[segment : segment + 2]) in failed:
                        continue
                    offer = self._offer(form, i, segment, missing)
                    if offer and (best is None or offer.rank < best.rank):
                        best = offer
            if best is None:
                return
            points = self._fitted(form, best)
            old = self.wires[best.wire]
            ends = old.points[best.segment : best.segment + 2]
            new = replace(old, points=points)
            if not self._legal(best.wire, new, form):
                failed.add((ends[0], ends[1]))
                continue
            self.wires[best.wire] = new
            self.lines[best.wire] = shapely.LineString(points)
            missing -= (new.length - old.length) / DBU

    # ------------------------------------------------------------------ room

    def _offer(self, form: _Form, wire: int, segment: int, missing: float) -> _Offer | None:
        """The best meander beside one segment."""
        a, b = self.wires[wire].points[segment : segment + 2]
        frame = _frame(form.style, a, b)
        length = math.dist(a, b)
        if frame is None or length < form.pitch + 2 * form.radius:
            return None
        up, down, column = self._heights(form, frame, wire, segment, length)
        offers = []
        for side, left, right in ((1, up, down), (-1, down, up)):
            offers += list(_meanders(form, wire, segment, missing, side, left, right, column))
            bump = _bump(form, missing)
            if bump is not None:
                height, width, span, slope = bump
                first, count = _longest(left >= height)
                if count * column >= span:
                    x = (first + count / 2) * column - width / 2
                    offers.append(_Offer(wire, segment, missing, x, side, (height,), form.pitch, slope))
        return min(offers, key=lambda o: (*o.rank, -o.side), default=None)

    def _heights(
        self, form: _Form, frame: _Frame, wire: int, segment: int, length: float
    ) -> tuple[Array, Array, float]:
        """Free heights to the left and right of a segment, in columns along it, and the width of a column."""
        tallest = _TALLEST * form.pitch
        count = max(1, math.floor(length / (form.pitch / _COLUMNS)))
        column = length / count
        taken = shapely.union_all(self._blocked(form, frame, wire, segment, length, tallest))
        shapely.prepare(taken)
        x = np.arange(count) * column
        heights = []
        for low, high in ((0.0, tallest), (-tallest, 0.0)):
            boxes = shapely.box(x, np.full(count, low), x + column, np.full(count, high))
            parts = shapely.bounds(shapely.intersection(boxes, taken))
            free = parts[:, 1] if low == 0 else -parts[:, 3]
            heights.append(np.floor(np.where(np.isnan(free), tallest, np.maximum(free - _ROUNDING, 0.0))))
        return heights[0], heights[1], column

    def _blocked(
        self, form: _Form, frame: _Frame, wire: int, segment: int, length: float, tallest: float
    ) -> list[shapely.Geometry]:
        """Where the centre line of a meander may not be, in local coordinates."""
        own = self.wires[wire]
        points = own.points
        ends = [shapely.LineString(p) for p in (points[: segment + 1], points[segment + 1 :]) if len(p) > 1]
        out = []
        widest = max([*self.space.values(), *self.things.spaces, dbu(self.problem.edge)])
        reach = form.half + widest + max(self.drawn.values())
        corners = [(-reach, -tallest - reach), (length + reach, tallest + reach)]
        window = shapely.box(*corners[0], *corners[1])
        area = shapely.Polygon(frame.place(shapely.get_coordinates(window)))
        for k in np.flatnonzero(shapely.intersects(self.lines, area)).tolist():
            other = self.wires[k]
            if k == wire or other.layer != own.layer:
                continue
            space = form.space if other.net == own.net else max(self.space[own.net], self.space[other.net])
            out.append(self._grown_line(frame, self.lines[k], window, self.drawn[other.net], form.half + space))
        out += [self._grown_line(frame, e, window, form.drawn, form.half + form.space) for e in ends]
        for k in np.flatnonzero(shapely.intersects(self.things.shapes, area.buffer(reach))).tolist():
            if self.things.layers[k] not in (None, own.layer):
                continue
            space = max(self.space[own.net], self.things.spaces[k])
            if self.things.nets[k] == own.net:
                box = shapely.bounds(self.things.shapes[k])
                drop = max(form.drawn, (math.sqrt(2) - 1) * max(box[2] - box[0], box[3] - box[1]) / 2)
                space = form.space + drop
            shape = shapely.transform(self.things.shapes[k], frame.local)
            out.append(grown(shape, form.half + space))
        edge = shapely.intersection(shapely.transform(self.outline, frame.local), window)
        out.append(grown(edge, form.half + dbu(self.problem.edge)))
        marks = [p for p in self.marks[wire] if self.lines[wire].distance(shapely.Point(p)) <= _ROUNDING]
        if marks:
            at = shapely.MultiPoint(frame.local(np.array(marks, dtype=np.float64)))
            out.append(grown(at, form.half + form.drawn / 2 + form.space))
        return out

    def _grown_line(
        self, frame: _Frame, line: shapely.Geometry, window: shapely.Geometry, width: float, by: float
    ) -> Any:
        near = shapely.intersection(shapely.transform(line, frame.local), window)
        return grown(shapely.buffer(near, width / 2, cap_style="flat", join_style="mitre"), by)

    # ------------------------------------------------------------------ shape

    def _fitted(self, form: _Form, offer: _Offer) -> tuple[Point, ...]:
        """The points of a wire with a meander; rounding is made up for in the last run."""
        points = self.wires[offer.wire].points
        before = _length(points)
        best: tuple[float, tuple[Point, ...]] = (math.inf, points)
        heights, slope = list(offer.heights), offer.slope
        for _ in range(6):
            new = self._with(form, replace(offer, heights=tuple(heights), slope=slope))
            off = offer.gain - (_length(new) - before)
            if abs(off) < best[0]:
                best = (abs(off), new)
            if abs(off) <= 1 or slope:
                break
            heights[-1] += math.copysign(off / 2, off * heights[-1])
        return best[1]

    def _with(self, form: _Form, offer: _Offer) -> tuple[Point, ...]:
        points = self.wires[offer.wire].points
        a, b = points[offer.segment : offer.segment + 2]
        frame = _frame(form.style, a, b)
        if frame is None:
            return points
        if frame.exact:  # square corners on the grid, and cuts of the same size in both directions
            form = replace(form, radius=frame.whole(form.radius))
            heights = tuple(map(frame.whole, offer.heights))
            offer = replace(offer, x=frame.whole(offer.x), heights=heights, pitch=frame.whole(form.pitch))
        local = _bump_line(form, offer) if offer.slope else _line(form, offer)
        whole = [*points[: offer.segment + 1], *frame.place(local), *points[offer.segment + 1 :]]
        return tuple(p for i, p in enumerate(whole) if i == 0 or p != whole[i - 1])

    def _legal(self, wire: int, new: Wire, form: _Form) -> bool:
        """Second look, on the metal as it will be drawn: spaces, the outline's edge, and no notch."""
        old = self.wires[wire]
        points = body(new, self.problem.guard)
        metal = shapely.Polygon(points)
        if not metal.is_valid or metal.distance(self.outline) < dbu(self.problem.edge) - SLACK:
            return False
        for k in np.flatnonzero(shapely.dwithin(self.lines, metal, form.drawn + max(self.space.values()) * 2)).tolist():
            other = self.wires[k]
            if other.net != new.net and other.layer == new.layer:
                shape = shapely.Polygon(body(other, self.problem.guard))
                if metal.distance(shape) < max(self.space[new.net], self.space[other.net]) - SLACK:
                    return False
        for k, distance in enumerate(self.things.distances(metal).tolist()):
            same = self.things.nets[k] == new.net or self.things.layers[k] not in (None, new.layer)
            if not same and distance < max(self.space[new.net], self.things.spaces[k]) - SLACK:
                return False
        return _notches(points, self.space[new.net]) <= _notches(body(old, self.problem.guard), self.space[new.net])


def _form(problem: RouteProblem, net: str) -> _Form:
    drawn = dbu(problem.width_of(net) + problem.guard)
    space = dbu(problem.space_of(net) + problem.guard) + _ROUNDING
    step = {Style.MANHATTAN: math.pi / 2, Style.OCTILINEAR: math.pi / 4, Style.ANY_ANGLE: math.pi / 8}.get(
        problem.style, 0.0
    )
    if problem.style is Style.MANHATTAN:
        return _Form(problem.style, drawn, space, 0.0, step)
    step = step or facet(drawn / 2 + space)
    # the nearest two points of the round inner rim that lie on walls turned by more than that, seen from its centre
    seen = math.pi / 2 if problem.style is Style.OCTILINEAR else IGNORED - (IGNORED % step + step) / 2
    inner = space * math.cos(step / 2) / (2 * math.sin(seen / 2))
    inner *= _COARSER if problem.style is Style.CURVED else 1.0
    return _Form(problem.style, drawn, space, math.ceil(drawn / 2 + inner), step)


def _frame(style: Style, a: Point, b: Point) -> _Frame | None:
    """Local coordinates of a segment, None where legs at right angles to it are not of the style."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    slack = 1 if style in (Style.MANHATTAN, Style.OCTILINEAR) else 0  # an end may be rounded off the line
    if min(abs(dx), abs(dy)) <= slack:
        along = (math.copysign(1.0, dx), 0.0) if abs(dx) > abs(dy) else (0.0, math.copysign(1.0, dy))
        return _Frame(a, along, 1.0, True)
    if abs(abs(dx) - abs(dy)) <= slack and style is not Style.MANHATTAN:
        root = math.sqrt(0.5)
        return _Frame(a, (math.copysign(root, dx), math.copysign(root, dy)), math.sqrt(2), True)
    if style in (Style.MANHATTAN, Style.OCTILINEAR):
        return None
    length = math.hypot(dx, dy)
    return _Frame(a, (dx / length, dy / length), 1.0, False)


def _meanders(
    form: _Form, wire: int, segment: int, missing: float, side: int, near: Array, far: Array, column: float
) -> Iterator[_Offer]:
    """Meanders that start on one side: one-sided ones, and ones that go to both sides."""
    least = 2 * form.radius
    for up in _levels(near, form):
        for down in (0.0, *_levels(far, form)):
            first, count = _longest((near >= up) & (far >= down))
            room = count * column - 2 * form.radius
            best: _Offer | None = None
            for runs in range(1, math.floor(room / form.pitch) + 1, 1 if down else 2):
                low_up, low_down = least, least if down else 0.0
                low, high = form.gain(runs, low_up, low_down), form.gain(runs, up, down)
                if low > missing:
                    break
                part = min(1.0, (missing - low) / (high - low)) if high > low else 1.0
                gain = min(missing, high)
                if gain <= 0 or (best is not None and gain <= best.gain):
                    continue
                tall = (low_up + part * (up - low_up), -low_down - part * (down - low_down))
                x = (first + count / 2) * column - runs * form.pitch / 2
                best = _Offer(wire, segment, gain, x, side, tuple(tall[r % 2] for r in range(runs)), form.pitch)
                if high >= missing:
                    break
            if best is not None:
                yield best


def _levels(heights: Array, form: _Form) -> list[float]:
    """Some of the free heights, the tallest first, and a moderate one."""
    moderate = _MODERATE * form.pitch
    heights = np.concatenate([heights, [moderate] if heights.max() > moderate else []])
    known = np.unique(heights[(heights >= 2 * form.radius) & (heights > 0)])[::-1]
    picked = np.unique(np.linspace(0, len(known) - 1, min(_LEVELS, len(known))).round().astype(int))
    return sorted({*map(float, known[picked]), *({moderate} & {*map(float, known)})}, reverse=True)


def _longest(free: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """First column and number of columns of the longest free stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], free, [False]]).astype(np.int8)))
    if not len(edges):
        return 0, 0
    counts = edges[1::2] - edges[::2]
    best = int(np.argmax(counts))
    return int(edges[2 * best]), int(counts[best])


def _corners(corners: list[tuple[float, float]], form: _Form, setback: float) -> Array:
    """A polyline with rounded corners, without its first and its last point."""
    if not setback:
        return np.array(corners[1:-1])
    return np.vstack(
        [arc(a, b, c, setback, form.step) for (a, b), (_, c) in pairwise(pairwise(corners))],
    )


def _line(form: _Form, offer: _Offer) -> Array:
    """A meander in local coordinates."""
    x = offer.x
    corners = [(x - offer.pitch, 0.0), (x, 0.0)]
    for height in offer.heights:
        corners += [(x, offer.side * height), (x + offer.pitch, offer.side * height)]
        x += offer.pitch
    corners += [(x, 0.0), (x + offer.pitch, 0.0)]
    square = [p for p, q in pairwise(corners) if p != q] + corners[-1:]
    return _corners(square, form, form.radius)


def _bump(form: _Form, missing: float) -> tuple[float, float, float, float] | None:
    """Height, width, length of line needed and slope (rad) of a shallow bump; None where a whole meander fits."""
    if form.style is Style.MANHATTAN or missing > form.gain(1, 2 * form.radius, 0.0):
        return None
    if form.style is Style.OCTILINEAR:
        height = missing / (2 * math.sqrt(2) - 2)
        width = 2 * height + form.pitch
        return height, width, width + form.drawn, math.pi / 4
    low, high = 0.0, math.pi / 2
    for _ in range(50):
        slope = (low + high) / 2
        line = _bump_line(form, _Offer(0, 0, missing, 0.0, 1, (0.0,), form.pitch, slope))
        flat = line[-1, 0] - line[0, 0]
        if np.hypot(*np.diff(line, axis=0).T).sum() - flat < missing:
            low = slope
        else:
            high = slope
    leg = 2 * form.radius * math.tan(low / 2)
    width = 2 * leg * math.cos(low) + leg
    return leg * math.sin(low) + _ROUNDING, width, width + leg + _ROUNDING, low


def _bump_line(form: _Form, offer: _Offer) -> Array:
    """A shallow bump in local coordinates: up, across and down at a slope."""
    if form.style is Style.OCTILINEAR:
        height, x, y = offer.heights[0], offer.x, offer.side
        top = x + height + offer.pitch
        return np.array([(x, 0.0), (x + height, y * height), (top, y * height), (top + height, 0.0)])
    leg = 2 * form.radius * math.tan(offer.slope / 2)
    dx, dy = leg * math.cos(offer.slope), offer.side * leg * math.sin(offer.slope)
    x = offer.x
    corners = [(x - leg, 0.0), (x, 0.0), (x + dx, dy), (x + dx + leg, dy), (x + 2 * dx + leg, 0.0)]
    return _corners([*corners, (x + 2 * dx + 2 * leg, 0.0)], form, leg / 2)


def _length(points: Sequence[Point]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(points))


def _notches(points: npt.NDArray[np.int64], space: int) -> int:
    polygon = kdb.Polygon([kdb.Point(x, y) for x, y in points.tolist()])
    return int(kdb.Region(polygon).merged().notch_check(space, False, kdb.Region.Euclidian, 80).count())
