"""Shapes of meanders: beside a straight segment, in local coordinates, with the bends of the problem's style."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from layoutgen.route.curves import arc, facet
from layoutgen.route.problem import Point, RouteProblem, Style
from layoutgen.route.teardrop import notch_reach
from layoutgen.units import dbu

IGNORED = math.radians(98)
"""Walls that turn by less than this are no notch (KLayout's `ignore_angle` of 80 degrees, less what rounding turns)."""
_MODERATE = 3.0
"""Heights up to so many distances of legs look well; more legs are taken before higher ones."""
_LEVELS = 8
"""Heights that are tried per side."""
_COARSER = 1.15
"""Small arcs have coarser facets than large ones, whose walls turn by more at once."""
ROUNDING = 3.0
"""What rounding to the grid can cost, in dbu."""

_FILLED = 8
"""Gaps that are wider than what notches must be by no more than this (dbu) may be filled beside one."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Form:
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
    def span(self) -> float:
        """Length of the shortest straight piece that holds a meander."""
        return self.pitch + 2 * self.radius

    @property
    def half(self) -> float:
        """Half width, measured to the tips of mitred bends."""
        return self.drawn / 2 / math.cos(self.step / 2) + ROUNDING

    @property
    def lost(self) -> float:
        """What a bend is shorter than its square corner."""
        return self.radius * (2 - math.pi / self.step * math.tan(self.step / 2))

    def gain(self, runs: int, up: float, down: float) -> float:
        """What a meander adds: `runs` runs across, at the heights up, -down, up, ..."""
        legs = up + (runs - 1) * (up + down) + (up if runs % 2 else down)
        return legs - 2 * (runs + 1) * self.lost


@dataclass(frozen=True)
class Frame:
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
class Offer:
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


def form_of(problem: RouteProblem, net: str) -> Form:
    drawn = dbu(problem.width_of(net) + problem.guard)
    least, terminals = dbu(problem.space_of(net)), [t for t in problem.terminals if t.net == net]
    filled = notch_reach(least, terminals) + _FILLED
    space = max(least + dbu(problem.guard) + ROUNDING, filled)
    step = {Style.MANHATTAN: math.pi / 2, Style.OCTILINEAR: math.pi / 4, Style.ANY_ANGLE: math.pi / 8}.get(
        problem.style, 0.0
    )
    if problem.style is Style.MANHATTAN:
        return Form(problem.style, drawn, space, 0.0, step)
    step = step or facet(drawn / 2 + space)
    # the nearest two points of the round inner rim that lie on walls turned by more than that, seen from its centre
    seen = math.pi / 2 if problem.style is Style.OCTILINEAR else IGNORED - (IGNORED % step + step) / 2
    inner = space * math.cos(step / 2) / (2 * math.sin(seen / 2))
    inner *= _COARSER if problem.style is Style.CURVED else 1.0
    return Form(problem.style, drawn, space, math.ceil(drawn / 2 + inner), step)


def frame_of(style: Style, a: Point, b: Point) -> Frame | None:
    """Local coordinates of a segment, None where legs at right angles to it are not of the style."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    slack = 1 if style in (Style.MANHATTAN, Style.OCTILINEAR) else 0  # an end may be rounded off the line
    if min(abs(dx), abs(dy)) <= slack:
        along = (math.copysign(1.0, dx), 0.0) if abs(dx) > abs(dy) else (0.0, math.copysign(1.0, dy))
        return Frame(a, along, 1.0, True)
    if abs(abs(dx) - abs(dy)) <= slack and style is not Style.MANHATTAN:
        root = math.sqrt(0.5)
        return Frame(a, (math.copysign(root, dx), math.copysign(root, dy)), math.sqrt(2), True)
    if style in (Style.MANHATTAN, Style.OCTILINEAR):
        return None
    length = math.hypot(dx, dy)
    return Frame(a, (dx / length, dy / length), 1.0, False)


def meanders(
    form: Form, wire: int, segment: int, missing: float, side: int, near: Array, far: Array, column: float
) -> Iterator[Offer]:
    """Meanders that start on one side: one-sided ones, and ones that go to both sides."""
    least = 2 * form.radius
    for up in _levels(near, form):
        for down in (0.0, *_levels(far, form)):
            first, count = longest((near >= up) & (far >= down))
            room = count * column - 2 * form.radius
            best: Offer | None = None
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
                best = Offer(wire, segment, gain, x, side, tuple(tall[r % 2] for r in range(runs)), form.pitch)
                if high >= missing:
                    break
            if best is not None:
                yield best


def _levels(heights: Array, form: Form) -> list[float]:
    """Some of the free heights, the tallest first, and a moderate one."""
    moderate = _MODERATE * form.pitch
    heights = np.concatenate([heights, [moderate] if heights.max() > moderate else []])
    known = np.unique(heights[(heights >= 2 * form.radius) & (heights > 0)])[::-1]
    picked = np.unique(np.linspace(0, len(known) - 1, min(_LEVELS, len(known))).round().astype(int))
    return sorted({*map(float, known[picked]), *({moderate} & {*map(float, known)})}, reverse=True)


def longest(free: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """First column and number of columns of the longest free stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], free, [False]]).astype(np.int8)))
    if not len(edges):
        return 0, 0
    counts = edges[1::2] - edges[::2]
    best = int(np.argmax(counts))
    return int(edges[2 * best]), int(counts[best])


def _corners(corners: list[tuple[float, float]], form: Form, setback: float) -> Array:
    """A polyline with rounded corners, without its first and its last point."""
    if not setback:
        return np.array(corners[1:-1])
    return np.vstack(
        [arc(a, b, c, setback, form.step) for (a, b), (_, c) in pairwise(pairwise(corners))],
    )


def meander_line(form: Form, offer: Offer) -> Array:
    """A meander in local coordinates."""
    x = offer.x
    corners = [(x - offer.pitch, 0.0), (x, 0.0)]
    for height in offer.heights:
        corners += [(x, offer.side * height), (x + offer.pitch, offer.side * height)]
        x += offer.pitch
    corners += [(x, 0.0), (x + offer.pitch, 0.0)]
    square = [p for p, q in pairwise(corners) if p != q] + corners[-1:]
    return _corners(square, form, form.radius)


def bump_of(form: Form, missing: float) -> tuple[float, float, float, float] | None:
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
        line = bump_line(form, Offer(0, 0, missing, 0.0, 1, (0.0,), form.pitch, slope))
        flat = line[-1, 0] - line[0, 0]
        if np.hypot(*np.diff(line, axis=0).T).sum() - flat < missing:
            low = slope
        else:
            high = slope
    leg = 2 * form.radius * math.tan(low / 2)
    width = 2 * leg * math.cos(low) + leg
    return leg * math.sin(low) + ROUNDING, width, width + leg + ROUNDING, low


def bump_line(form: Form, offer: Offer) -> Array:
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
