"""Ties: where the wires that leave the die end on its outline.

The order of the ends is the planar order of the wires; their places are the nearest ones to where the wires would like
to end that keep width + space apart (an isotonic regression), off the corners and off features near the outline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layoutgen.route.features import BOUNDARY, Features, Floats, Ints, corners_of, least_space, sides_of
from layoutgen.route.posts import LEFT, RIGHT
from layoutgen.route.problem import RouteProblem
from layoutgen.route.rubber import TieEnd
from layoutgen.route.topology import OUTSIDE, Topology
from layoutgen.units import Um

_NEIGHBOURS = 3
"""How many ties to either side a tie is kept from near its end."""

_ON_SIDE = 1e-3
"""How deep (um) the corners of a tile's edge on the outline may seem to lie."""
_BEND = 0.9
"""Part of a terminal's depth at which a tie bends at the latest."""


@dataclass(frozen=True)
class _Wish:
    """A tie on one side: where along the side it wants to end, the bounds for that, its leg, and its slot (um)."""

    wire: int
    at: Um
    low: Um
    high: Um
    leg: Um
    slot: Um


@dataclass(frozen=True)
class _Side:
    """A side of the outline: its start, unit direction, length, and the places of all features relative to it."""

    start: Floats
    direction: Floats
    length: Um
    along: Floats
    depth: Floats
    half_along: Floats
    half_depth: Floats

    def place(self, x: Um, y: Um) -> tuple[Um, Um]:
        """How far along the side and how deep inside of the die a point is."""
        (dx, dy), (sx, sy) = self.direction, self.start
        return float((x - sx) * dx + (y - sy) * dy), float((y - sy) * dx - (x - sx) * dy)

    def point(self, along: Um, depth: Um) -> tuple[Um, Um]:
        """A point so far along the side and so deep inside of the die."""
        dx, dy = self.direction
        x, y = self.start
        return float(x + dx * along - dy * depth), float(y + dy * along + dx * depth)


def spread(
    want: Sequence[Um], low: Sequence[Um], high: Sequence[Um], apart: Sequence[Um], pitch: Um = 0.0, zero: Um = 0.0
) -> list[Um] | None:
    """Places in order, place i at least apart[i] from the one before, within [low[i], high[i]]: least squared moves.

    With a pitch all places are on zero + a whole number of pitches. None where the bounds leave no room.
    """
    low, high, apart = list(low), list(high), list(apart)
    if pitch > 0:
        apart = [math.ceil(a / pitch - 1e-9) * pitch for a in apart]
        low = [zero + math.ceil((a - zero) / pitch - 1e-9) * pitch for a in low]
        high = [zero + math.floor((a - zero) / pitch + 1e-9) * pitch for a in high]
    n = len(want)
    for i in range(1, n):
        low[i] = max(low[i], low[i - 1] + apart[i])
        high[n - 1 - i] = min(high[n - 1 - i], high[n - i] - apart[n - i])
    offset = [0.0, *np.cumsum(apart[1:]).tolist()]
    if any(a > b + 1e-9 for a, b in zip(low, high, strict=True)):
        return None
    blocks: list[tuple[float, int]] = []
    for i, w in enumerate(want):
        mean, size = w - offset[i], 1
        while blocks and blocks[-1][0] > mean:
            other, count = blocks.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        blocks.append((mean, size))
    flat = [mean for mean, size in blocks for _ in range(size)]
    if pitch > 0:
        flat = [zero + round((z - zero) / pitch) * pitch for z in flat]
    return [min(max(z + offset[i], low[i]), high[i]) for i, z in enumerate(flat)]


def end_points(topo: Topology, problem: RouteProblem) -> tuple[dict[int, TieEnd], list[int]]:
    """Ends of all ties, and the ties that find no room on their side of the outline."""
    ends: dict[int, TieEnd] = {}
    homeless: list[int] = []
    for side in _sides(topo, problem):
        wishes = _wishes(topo, problem, side)
        places = None
        while wishes and places is None:
            slots = [w.slot for w in wishes]
            more = 2 * problem.guard + _spike(problem)
            apart = [(a + b) / 2 + more for a, b in zip([slots[0], *slots[:-1]], slots, strict=True)]
            columns = ([w.at for w in wishes], [w.low for w in wishes], [w.high for w in wishes])
            places = spread(*columns, apart, problem.tie_pitch, side.length / 2)
            if places is None:
                worst = min(wishes, key=lambda w: (w.high - w.low, w.wire))
                homeless.append(worst.wire)
                wishes.remove(worst)
        ends.update(_ends(wishes, places or [], problem, side, topo.tiles.features.unit))
    return ends, homeless


def along_side(topo: Topology, problem: RouteProblem, edge: int) -> list[int]:
    """The edges of tiles on the side of the outline that one of them is part of."""
    tiles = topo.tiles
    rim = [e for e, (_, outer) in enumerate(tiles.edge_tris) if outer == OUTSIDE]
    for side in _sides(topo, problem):
        on_side = [e for e in rim if max(abs(side.depth[v]) for v in tiles.edges[e]) < _ON_SIDE]
        if edge in on_side:
            return on_side
    return []


def _sides(topo: Topology, problem: RouteProblem) -> list[_Side]:
    f = topo.tiles.features
    out = []
    every = np.arange(len(f))
    for start, direction, length in sides_of(problem.outline):
        outward = np.array([direction[1], -direction[0]])
        rel = f.at - start

        def half(unit: Floats) -> Floats:
            return np.maximum(*(f.reach(every, np.tile(s * unit, (len(f), 1))) for s in (1, -1)))

        out.append(_Side(start, direction, length, rel @ direction, -(rel @ outward), half(direction), half(outward)))
    return out


def _wishes(topo: Topology, problem: RouteProblem, side: _Side) -> list[_Wish]:
    """The ties of one side in rising coordinate."""
    tiles = topo.tiles
    edges = []
    for e, (u, v) in enumerate(tiles.edges):
        on_side = tiles.edge_tris[e][1] == OUTSIDE and max(abs(side.depth[u]), abs(side.depth[v])) < _ON_SIDE
        if on_side and topo.order[e]:
            a, b = float(side.along[u]), float(side.along[v])
            edges.append((min(a, b), max(a, b), e))
    rules = [(problem.width_of(net), problem.space_of(net)) for net in ["", *problem.rules]]
    deepest = 2 * problem.guard + max(_leg(problem, width) + width / 2 + space for width, space in rules)
    beside = _beside(tiles.features, side, least_space(problem), deepest)
    out = []
    for low, high, e in sorted(edges):
        u, v = tiles.edges[e]
        order = topo.order[e] if side.along[u] < side.along[v] else topo.order[e][::-1]
        for place, (wire, _) in enumerate(order):
            s = topo.strands[wire]
            net = topo.wires.net[wire]
            leg = _leg(problem, problem.width_of(net))
            if s.start_tee:  # drawn elsewhere: where the last leg crosses the wire that it begins on, or near its bend
                along, _ = side.place(s.start_tee.x, s.start_tee.y)
            else:
                along = float(side.along[s.start])
                leg = min(leg, _BEND * abs(float(side.depth[s.start])))
            inset = min(1.0, (high - low) / 100)  # so that features at the ends of the edge stand on one side
            part = (high - low - 2 * inset) / len(order)  # each its own, or all would turn to one corner of the edge
            at = min(max(along, low + inset + part * place), low + inset + part * (place + 1))
            keep = problem.width_of(net) / 2 + problem.space_of(net) + 2 * problem.guard
            least, most = _bounds(beside, at, s.start, leg, keep)
            off = topo.wires.slot[wire]
            out.append(_Wish(wire, at, max(least, off), min(most, side.length - off), leg, off))
    return out


def _leg(problem: RouteProblem, width: Um) -> Um:
    """How long the last leg of a tie is: its bend stands off the outline by `edge`.

    The end of its metal on the outline and the outer rim of its last bend face each other, and keep the width.
    """
    ring = problem.outline
    steps = [(abs(bx - ax), abs(by - ay)) for (ax, ay), (bx, by) in zip(ring, ring[1:] + ring[:1], strict=True)]
    straight = problem.style.sides < 16 and all(0.0 in step or step[0] == step[1] for step in steps)
    # a bend of 45 degrees is mitred: its outer rim begins 0.207 widths further in
    return max(problem.edge + width / 2, (0.8 if straight else 1.0) * width + 2 * problem.guard)


@dataclass(frozen=True)
class _Beside:
    """Features near a side, in columns: number, along the side, its reach to both sides, and how deep it begins (um).

    What they keep beyond the least space is in both.
    """

    number: Ints
    along: Floats
    reach: Floats
    depth: Floats


def _beside(f: Features, side: _Side, least: Um, deepest: Um) -> _Beside:
    """The features that ties come near to whose legs and spaces are not longer than `deepest`."""
    more = np.maximum(0.0, np.array(f.clearance) - least)
    begins = side.depth - side.half_depth - more
    near = (begins <= deepest + 1e-6) & (side.depth > -side.half_depth) & (np.array(f.kind) != BOUNDARY)
    own = np.flatnonzero(near)
    return _Beside(own, side.along[own], (side.half_along + more)[own], begins[own])


def _bounds(beside: _Beside, at: Um, source: int, leg: Um, keep: Um) -> tuple[Um, Um]:
    """How far along the side a tie may end before it comes too near to a feature beside it."""
    near = (beside.depth <= leg + keep) & (beside.number != source)
    before, after = near & (beside.along <= at), near & (beside.along > at)
    low = (beside.along + (beside.reach + keep))[before].max(initial=-math.inf)
    high = (beside.along - (beside.reach + keep))[after].min(initial=math.inf)
    return float(low), float(high)


def _spike(problem: RouteProblem) -> Um:
    """How far the chamfered corner of a tie's last bend, of up to 90 degrees, stands out of the circle about it."""
    widest = max([problem.width, *(rule.width for rule in problem.rules.values())])
    return widest / 2 * (1 / math.cos(math.radians(90 / 4)) - 1)


def _ends(
    wishes: list[_Wish], places: list[Um], problem: RouteProblem, side: _Side, round_: Floats
) -> dict[int, TieEnd]:
    slot, leg = np.array([w.slot for w in wishes]), np.array([w.leg for w in wishes])
    (dx, dy), (sx, sy) = side.direction, side.start
    along = np.array(places)
    x, y = sx + dx * along - dy * leg, sy + dy * along + dx * leg
    unit = corners_of(round_)
    n = len(wishes)
    rows = np.full((n, 2 * _NEIGHBOURS, len(round_), 4), -math.inf)
    for by in range(1, min(_NEIGHBOURS, n - 1) + 1):
        between = (slot[:-by] + slot[by:]) / 2 + by * (2 * problem.guard + _spike(problem))
        for k in range(1, by):
            between += slot[k : n - by + k]
        ring = between[:, None, None] * unit
        low, high = slice(0, n - by), slice(by, n)
        for own, other, sense, column in (
            (high, low, RIGHT, _NEIGHBOURS - by),
            (low, high, LEFT, _NEIGHBOURS + by - 1),
        ):
            px, py = x[other, None] + ring[..., 0], y[other, None] + ring[..., 1]
            depth = (py - sy) * dx - (px - sx) * dy
            rows[own, column] = np.stack([depth, px, py, np.full(px.shape, sense)], -1)
    out = {}
    for i, wish in enumerate(wishes):
        own_rows = rows[i].reshape(-1, 4)
        posts = own_rows[own_rows[:, 0] > wish.leg + 1e-6]
        out[wish.wire] = TieEnd(side.point(places[i], 0.0), side.point(places[i], wish.leg), posts)
    return out
