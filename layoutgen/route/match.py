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
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.beside import SLACK, Fixed, fixed, grown, landings
from layoutgen.route.legal import body
from layoutgen.route.meander import (
    ROUNDING,
    Array,
    Form,
    Frame,
    Offer,
    bump_line,
    bump_of,
    form_of,
    frame_of,
    longest,
    meander_line,
    meanders,
)
from layoutgen.route.problem import Matched, Missed, Point, RoutePlan, RouteProblem, Wire
from layoutgen.units import DBU, Um, dbu

_TALLEST = 8
"""Height of a meander on one side, in distances of its legs."""
_COLUMNS = 4
"""Free heights are looked up so many times per distance of legs."""
_ROUNDS = 60


def match(
    problem: RouteProblem, wires: Sequence[Wire], kept: Collection[str] = ()
) -> tuple[tuple[Wire, ...], list[Missed]]:
    """The wires with those of shorter nets lengthened, and the nets that could not be made long enough.

    kept: nets that stay as they are, as their metal would become too wide for where it stands.

    Only wires of nets in `problem.matched` change; all stay legal. A net out of tolerance is brought to the longest
    of its group, to a few nm, where there is room, else as near to it as it goes. Nets without wires are listed.
    """
    work = _Work(problem, list(wires))
    for group in problem.matched:
        lengths = {net: work.length(net) for net in dict.fromkeys(group.nets)}
        target = max(lengths.values())
        for net in sorted(lengths, key=lambda n: (lengths[n], n)):
            if net not in kept and 0 < lengths[net] < target - group.within:
                work.lengthen(net, (target - lengths[net]) / DBU, group.within / DBU)
    missed = [m for group in problem.matched for m in _missed(work, group, kept)]
    return tuple(work.wires), missed


def _missed(work: _Work, group: Matched, kept: Collection[str]) -> Iterator[Missed]:
    lengths = {net: work.length(net) for net in dict.fromkeys(group.nets)}
    target = max(lengths.values())
    for net, length in lengths.items():
        if target - length > group.within + ROUNDING * DBU:
            reason = work.too_short(net, target - length) if length else "it has no wires"
            reason = "a meander would make its metal too wide for where it stands" if net in kept else reason
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

    def too_short(self, net: str, missing: Um) -> str:
        """Why a net stays too short by so much: no straight piece holds a meander, or there is no room beside them."""
        form = form_of(self.problem, net)
        own = [w.points for w in self.wires if w.net == net and not w.tie]
        pieces = [(a, b) for points in own for a, b in pairwise(points) if frame_of(form.style, a, b) is not None]
        straight = max((math.dist(a, b) for a, b in pieces), default=0.0)
        if straight < form.span:
            return (
                f"{missing:.1f} um too short: its longest straight piece is {straight * DBU:.1f} um, and a meander "
                f"needs {form.span * DBU:.1f}; only a longer way round would do"
            )
        return f"no room beside its wires for {missing:.1f} um more: only a longer way round would do"

    def lengthen(self, net: str, missing: float, within: float) -> None:
        """Add meanders to a net until no more than `within` is missing (dbu), or no more fit."""
        form = form_of(self.problem, net)
        failed: set[tuple[Point, Point]] = set()
        own = [i for i, w in enumerate(self.wires) if w.net == net and not w.tie]
        for _ in range(_ROUNDS):
            if missing <= max(within, ROUNDING):
                return
            best: Offer | None = None
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

    def _offer(self, form: Form, wire: int, segment: int, missing: float) -> Offer | None:
        """The best meander beside one segment."""
        a, b = self.wires[wire].points[segment : segment + 2]
        frame = frame_of(form.style, a, b)
        length = math.dist(a, b)
        if frame is None or length < form.span:
            return None
        up, down, column = self._heights(form, frame, wire, segment, length)
        offers = []
        for side, left, right in ((1, up, down), (-1, down, up)):
            offers += list(meanders(form, wire, segment, missing, side, left, right, column))
            bump = bump_of(form, missing)
            if bump is not None:
                height, width, span, slope = bump
                first, count = longest(left >= height)
                if count * column >= span:
                    x = (first + count / 2) * column - width / 2
                    offers.append(Offer(wire, segment, missing, x, side, (height,), form.pitch, slope))
        return min(offers, key=lambda o: (*o.rank, -o.side), default=None)

    def _heights(self, form: Form, frame: Frame, wire: int, segment: int, length: float) -> tuple[Array, Array, float]:
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
            heights.append(np.floor(np.where(np.isnan(free), tallest, np.maximum(free - ROUNDING, 0.0))))
        return heights[0], heights[1], column

    def _blocked(
        self, form: Form, frame: Frame, wire: int, segment: int, length: float, tallest: float
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
        marks = [p for p in self.marks[wire] if self.lines[wire].distance(shapely.Point(p)) <= ROUNDING]
        if marks:
            at = shapely.MultiPoint(frame.local(np.array(marks, dtype=np.float64)))
            out.append(grown(at, form.half + form.drawn / 2 + form.space))
        return out

    def _grown_line(
        self, frame: Frame, line: shapely.Geometry, window: shapely.Geometry, width: float, by: float
    ) -> Any:
        near = shapely.intersection(shapely.transform(line, frame.local), window)
        return grown(shapely.buffer(near, width / 2, cap_style="flat", join_style="mitre"), by)

    # ------------------------------------------------------------------ shape

    def _fitted(self, form: Form, offer: Offer) -> tuple[Point, ...]:
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

    def _with(self, form: Form, offer: Offer) -> tuple[Point, ...]:
        points = self.wires[offer.wire].points
        a, b = points[offer.segment : offer.segment + 2]
        frame = frame_of(form.style, a, b)
        if frame is None:
            return points
        if frame.exact:  # square corners on the grid, and cuts of the same size in both directions
            form = replace(form, radius=frame.whole(form.radius))
            heights = tuple(map(frame.whole, offer.heights))
            offer = replace(offer, x=frame.whole(offer.x), heights=heights, pitch=frame.whole(form.pitch))
        local = bump_line(form, offer) if offer.slope else meander_line(form, offer)
        whole = [*points[: offer.segment + 1], *frame.place(local), *points[offer.segment + 1 :]]
        return tuple(p for i, p in enumerate(whole) if i == 0 or p != whole[i - 1])

    def _legal(self, wire: int, new: Wire, form: Form) -> bool:
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


def _length(points: Sequence[Point]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(points))


def _notches(points: npt.NDArray[np.int64], space: int) -> int:
    polygon = kdb.Polygon([kdb.Point(x, y) for x, y in points.tolist()])
    return int(kdb.Region(polygon).merged().notch_check(space, False, kdb.Region.Euclidian, 80).count())
