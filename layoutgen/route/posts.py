"""The posts of all wires at once: which points each wire passes on its left or on its right, in order.

Between a wire and a feature stands the feature grown by its clearance, half the wire, and the slots of the wires in
between, as the polygon of its supports. The corners of these grown shapes are the posts. Each shape is turned about, as
the wire sees it: from one direction to another (`_Turns`), counter-clockwise for a shape on the left.

All is in columns, one entry per wire, crossing, turn or post, and sorted by wire.

What is drawn is a little larger than the rules ask (`RouteProblem.guard`), which no room knows of. Where an edge is too
full for it, the guard shrinks on the sides of the two features that face each other, to nothing if need be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from layoutgen.route.crossings import Slots, crossings_of, place_in
from layoutgen.route.features import BOUNDARY, Floats, Ints, corners_of, least_space, normals, squared
from layoutgen.route.problem import RouteProblem
from layoutgen.route.topology import OUTSIDE, Topology
from layoutgen.units import Um

LEFT, RIGHT = 1, -1
_TURN = 2 * math.pi
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """Posts before their places along the wires are known."""

    wire: Ints
    """Position of the wire among those asked for."""
    interval: Ints
    """Number of the crossing before, -1 before the first."""
    x: Floats
    y: Floats
    side: Ints

    def of(self, which: _Flags | slice) -> Found:
        """Some of the posts."""
        return Found(*(getattr(self, f.name)[which] for f in fields(self)))


@dataclass(frozen=True)
class _Turns:
    """Features v, beyond slots of k um, to be passed from one polar angle to another; `closed` with its end."""

    wire: Ints
    interval: Ints
    v: Ints
    k: Floats
    from_angle: Floats
    to_angle: Floats
    sense: Ints
    closed: _Flags
    terminal: Ints
    """The feature in whose first or last triangle the turn is: only posts ahead of it count; -1: all do."""

    def of(self, which: _Flags | Ints) -> _Turns:
        """Some of the turns."""
        return _Turns(*(getattr(self, f.name)[which] for f in fields(self)))


def _together(parts: Sequence[_Turns]) -> _Turns:
    """Turns of several kinds, one after another."""
    return _Turns(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(_Turns)))


def _joined(parts: Sequence[_Turns]) -> _Turns:
    """Turns of several kinds, sorted by wire, and within it as given."""
    both = _together(parts)
    return both.of(np.argsort(both.wire, kind="stable"))


class Posts:
    """The posts of all strands of a topology, in the order of `Topology.strands`."""

    def __init__(self, topo: Topology, problem: RouteProblem) -> None:
        self.tiles, self.features = topo.tiles, topo.tiles.features
        self.strands = list(topo.strands.values())
        wires = list(topo.strands)
        self.slot = np.array([topo.wires.slot[w] for w in wires], dtype=float)
        self.shares = np.array([topo.wires.shares[w] for w in wires], dtype=bool)
        self.nets = [topo.wires.net[w] for w in wires]
        least = least_space(problem)
        keeps = {net: problem.width_of(net) / 2 + problem.space_of(net) - least for net in dict.fromkeys(self.nets)}
        self.half = np.array([keeps[net] for net in self.nets], dtype=float)
        """Per wire: half its width, and what its net keeps beyond the least space."""
        self.guards = _guards(topo, problem.guard)
        self.kind = np.array(self.features.kind)
        self.tie = np.array([s.end == OUTSIDE for s in self.strands], dtype=bool)
        self.crossings = crossings_of(topo)
        passes, stops = self._passes(), self._stops()
        shape = self.tiles.corner_array.shape
        self.passing, self.ending = (passes.summed(shape), stops.summed(shape))
        """Per triangle and corner: slots (um) of the wires that pass around it, and of those that end there."""
        numbers = {net: n for n, net in enumerate(dict.fromkeys(self.nets))}
        self.net = np.array([numbers[net] for net in self.nets], dtype=np.int64)
        self.own_passing, self.own_ending = passes.by_net(self.net), stops.by_net(self.net)
        self.found = self._turned(
            _joined([self._beside(LEFT), self._beside(RIGHT), self._across(), self._beyond_ends(), self._along_edges()])
        )
        self.first = np.searchsorted(self.found.wire, np.arange(len(wires) + 1))
        """Per wire: its first post among those found."""

    # ------------------------------------------------------------------ which features a wire passes

    def _passes(self) -> Slots:
        """The corners of triangles that wires pass around."""
        c = self.crossings
        i = np.flatnonzero(c.number < c.count[c.wire] - 1)
        pivot = np.where(c.left[i] == c.left[i + 1], c.left[i], c.right[i])
        corner = place_in(self.tiles.corner_array[c.tri[i]], pivot)
        return Slots(c.wire[i], c.tri[i], corner, self.slot[c.wire[i]])

    def _stops(self) -> Slots:
        """The corners of triangles that wires end at."""
        found = []
        for w, s in enumerate(self.strands):
            if not s.direct:
                found += [(w, t, v) for t, v in ((s.tris[0], s.start), (s.tris[-1], s.end)) if v >= 0]
        wire, t, v = np.array(found, dtype=np.int64).reshape(-1, 3).T
        return Slots(wire, t, place_in(self.tiles.corner_array[t], v), self.slot[wire])

    def _beside(self, sense: int) -> _Turns:
        """The features at one end of all crossed edges, each over the angle under which the wire sees it."""
        c = self.crossings
        v, opposite, k = (c.left, c.right, c.k_left) if sense == LEFT else (c.right, c.left, c.k_right)
        goes_on = np.zeros(len(v), dtype=bool)
        goes_on[:-1] = (c.wire[1:] == c.wire[:-1]) & (v[1:] == v[:-1])
        came = np.roll(goes_on, 1)
        asked = ~(self.tie[c.wire] & (self.kind[v] == BOUNDARY))
        into, on = np.flatnonzero(asked & ~came), np.flatnonzero(asked)
        more = on + goes_on[on]
        to = np.where(goes_on[on], opposite[more], c.after[on])
        towards = self._sectors(into, v, k[into], c.before[into], opposite[into], sense, -1, np.zeros(len(into), bool))
        beyond = self._sectors(on, v, np.maximum(k[on], k[more]), opposite[on], to, sense, 0, ~goes_on[on])
        both = _together([towards, beyond])
        return both.of(np.argsort(np.concatenate([into, on]), kind="stable"))

    def _sectors(self, i: Ints, v: Ints, k: Floats, a: Ints, b: Ints, sense: int, later: int, closed: _Flags) -> _Turns:
        """Features v at crossings i from the direction of features a to that of b."""
        c, at = self.crossings, self.features.at
        begin, end = (_angle(at[other] - at[v[i]]) for other in (a, b))
        senses, none = np.full(len(i), sense), np.full(len(i), -1)
        return _Turns(c.wire[i], c.number[i] + later, v[i], k, begin, end, senses, closed, none)

    def _across(self) -> _Turns:
        """Features behind the uncrossed edge of each triangle, which may reach in between its ends."""
        tiles, c, passing, ending = self.tiles, self.crossings, self.passing, self.ending
        i = np.flatnonzero(c.number < c.count[c.wire] - 1)
        t = c.tri[i]
        edges = tiles.edge_array[t]
        z = ((edges != c.edge[i, None]) & (edges != c.edge[i + 1, None])).argmax(1)
        g = edges[np.arange(len(i)), z]
        beyond = tiles.beyond(g, t)
        y = place_in(tiles.edge_array[beyond], g)
        far = (y + 2) % 3
        f = tiles.corner_array[beyond, far]
        keep = (beyond >= 0) & ~(self.tie[c.wire[i]] & (self.kind[f] == BOUNDARY))
        i, t, z, beyond, y, far, f = (column[keep] for column in (i, t, z, beyond, y, far, f))
        same = np.where(tiles.corner_array[beyond, y] == tiles.corner_array[t, z], y, (y + 1) % 3)
        between = np.maximum(0.0, np.abs(passing[t, z] - passing[beyond, same]) - ending[beyond, far])
        k = passing[beyond, far] + between + ending[beyond, y] + ending[beyond, (y + 1) % 3]
        pivot_left, pivot = c.left[i] == c.left[i + 1], (z + 2) % 3
        own = self.slot[c.wire[i]]
        k += np.maximum(0.0, passing[t, pivot] - own - np.where(pivot_left, c.k_left[i], c.k_right[i]))
        net, corners = self.net[c.wire[i]], np.arange(3)
        mine = (self.own_passing.of(net, t, pivot[:, None])[:, 0]) - own
        mine += self.own_passing.of(net, beyond, corners).sum(1) + self.own_ending.of(net, beyond, corners).sum(1)
        k = np.where(self.shares[c.wire[i]], np.maximum(0.0, k - mine), k)
        a, b = (np.where(pivot_left, c.right[j], c.left[j]) for j in (i, i + 1))
        sense, none = np.where(pivot_left, RIGHT, LEFT), np.full(len(i), -1)
        return self._windows(c.wire[i], c.number[i], f, k, (a, b), sense, none)

    def _beyond_ends(self) -> _Turns:
        """Features seen past the two edges at a terminal, in the first and in the last triangle."""
        tiles, c = self.tiles, self.crossings
        ends = np.array([(s.start, s.end) for s in self.strands], dtype=np.int64).reshape(-1, 2)
        tris = np.array([(s.tris[0], s.tris[-1]) for s in self.strands], dtype=np.int64).reshape(-1, 2)
        wire, which, z = (column.ravel() for column in np.indices((len(self.strands), 2, 3)))
        keep = (c.count[wire] > 0) & (ends[wire, which] >= 0)
        wire, which, z = wire[keep], which[keep], z[keep]
        t, i = tris[wire, which], c.first[wire] + which * (c.count[wire] - 1)
        g = tiles.edge_array[t, z]
        beyond = tiles.beyond(g, t)
        keep = (g != c.edge[i]) & (beyond >= 0)
        wire, which, z, t, i, beyond = (column[keep] for column in (wire, which, z, t, i, beyond))
        v = ends[wire, which]
        u, w = tiles.corner_array[t, z], tiles.corner_array[t, (z + 1) % 3]
        near = np.where(u == v, w, u)
        corners = tiles.corner_array[beyond]
        at_near = corners == near[:, None]
        k = np.where(at_near, self.ending[beyond], self.passing[beyond]).sum(1)
        own = (sums.of(self.net[wire], beyond, np.arange(3)) for sums in (self.own_ending, self.own_passing))
        k -= np.where(self.shares[wire], np.where(at_near, *own).sum(1), 0.0)
        f = corners[np.arange(len(v)), (~at_near & (corners != v[:, None])).argmax(1)]
        side = np.where(near == c.left[i], LEFT, RIGHT)
        between = np.where(which == 0, v, near), np.where(which == 0, near, v)
        interval = np.where(which == 0, -1, c.count[wire] - 1)
        found = self._windows(wire, interval, f, k, between, side, v)
        return found.of(~(self.tie[found.wire] & (self.kind[found.v] == BOUNDARY)))

    def _windows(
        self, wire: Ints, interval: Ints, f: Ints, k: Floats, between: tuple[Ints, Ints], sense: Ints, terminal: Ints
    ) -> _Turns:
        """The parts of features f that show between two others, seen from f; nothing where they cover each other."""
        at = self.features.at
        begin, end = (_angle(at[v] - at[f]) for v in between)
        span = (sense * (end - begin)) % _TURN

        def seen(v: Ints) -> Floats:
            outline = at[v][:, None] + corners_of(self.features.support[v])
            turn = (sense[:, None] * (_angle(outline - at[f][:, None]) - begin[:, None])) % _TURN
            return np.where(turn > math.pi + span[:, None] / 2, turn - _TURN, turn)

        low = np.maximum(0.0, seen(between[0]).max(1))
        high = np.minimum(span, seen(between[1]).min(1))
        turns = _Turns(
            wire, interval, f, k, begin + sense * low, begin + sense * high, sense, np.ones(len(f), bool), terminal
        )
        return turns.of(high > low + 1e-6)

    def _along_edges(self) -> _Turns:
        """Of wires along a tile edge: the apexes of the triangles on both sides."""
        tiles, at = self.tiles, self.features.at
        rows = [
            (w, s.start, s.end, tiles.edge_of[min(s.start, s.end), max(s.start, s.end)])
            for w, s in enumerate(self.strands)
            if s.direct
        ]
        wire, start, end, edge = np.repeat(np.array(rows, dtype=np.int64).reshape(-1, 4), 2, axis=0).T
        t = tiles.tri_array[edge[::2]].ravel()
        keep = t >= 0
        wire, start, end, edge, t = (column[keep] for column in (wire, start, end, edge, t))
        z = (place_in(tiles.edge_array[t], edge) + 2) % 3
        apex = tiles.corner_array[t, z]
        side = np.where(_cross(at[start] - at[apex], at[end] - at[apex]) > 0, LEFT, RIGHT)
        begin, finish = (_angle(at[v] - at[apex]) for v in (start, end))
        first, none, every = np.zeros(len(t), np.int64), np.full(len(t), -1), np.ones(len(t), bool)
        return _Turns(wire, first, apex, self.passing[t, z], begin, finish, side, every, none)

    # ------------------------------------------------------------------ their shapes, and places along the wires

    def _turned(self, turns: _Turns) -> Found:
        """The points on the grown shapes: where the first direction meets them, their corners, and their ends."""
        f, v, sense = self.features, turns.v, turns.sense[:, None]
        by = (self.half[turns.wire] + turns.k)[:, None]
        guards = (1.5 + 2 * turns.k / self.tiles.slot)[:, None]
        clearance = np.array(f.clearance)[:, None]
        supports = f.support[v] + (clearance[v] + by) * f.unit + guards * self.guards[v]
        corners = corners_of(f.support + clearance * f.unit)[v] + by[..., None] * corners_of(f.unit)
        corners += guards[..., None] * corners_of(self.guards)[v]
        ahead = (sense * (_angle(corners) - turns.from_angle[:, None])) % _TURN
        order = ahead.argsort(1, kind="stable")
        span = (turns.sense * (turns.to_angle - turns.from_angle)) % _TURN
        sides = f.sides
        points = np.empty((len(v), sides + 2, 2))
        points[:, 0], points[:, -1] = (_on_rays(supports, angle) for angle in (turns.from_angle, turns.to_angle))
        points[:, 1:-1] = np.take_along_axis(corners, order[..., None], 1)
        keep = np.ones((len(v), sides + 2), dtype=bool)
        keep[:, 1:-1] = np.take_along_axis(ahead, order, 1) < span[:, None]
        keep[:, -1] = turns.closed
        points += f.at[v][:, None]
        c = self.crossings
        rows = np.flatnonzero(turns.terminal >= 0)
        i = c.first[turns.wire[rows]] + np.where(turns.interval[rows] < 0, 0, c.count[turns.wire[rows]] - 1)
        way = (f.at[c.left[i]] + f.at[c.right[i]]) / 2 - f.at[turns.terminal[rows]]
        forward = points[rows] - f.at[turns.terminal[rows]][:, None]
        keep[rows] &= (forward * way[:, None]).sum(2) > 0
        number, column = np.nonzero(keep)
        x, y = points[number, column].T
        return Found(turns.wire[number], turns.interval[number], x, y, turns.sense[number])

    def places(self, posts: Found, starts: Floats, ends: Floats) -> tuple[Floats, _Flags]:
        """Places of posts along their wires, from the ends (n, 2) of all wires (um); and which posts count.

        A place is the number of the last crossing, and the angle about the pivot as a fraction; of wires along a tile
        edge, only the order has a meaning.
        """
        c, at = self.crossings, self.features.at
        place = np.empty(len(posts.x))
        counts = np.ones(len(posts.x), dtype=bool)
        here = np.column_stack([posts.x, posts.y])
        last = c.count[posts.wire] - 1
        direct = last < 0
        outer = ~direct & ((posts.interval < 0) | (posts.interval == last))
        inner = ~direct & ~outer

        w = posts.wire[direct]
        way = ends[w] - starts[w]
        place[direct] = ((here[direct] - starts[w]) * way).sum(1)
        counts[direct] = (place[direct] > 0) & (place[direct] < (way * way).sum(1))

        w, before = posts.wire[outer], posts.interval[outer] < 0
        i = c.first[w] + np.where(before, 0, last[outer])
        edge, origin = at[c.left[i]] - at[c.right[i]], at[c.right[i]]
        height = _cross(edge, np.where(before[:, None], starts[w], ends[w]) - origin)
        far = np.abs(height) > 1e-9
        part = np.maximum(0.0, np.where(far, _cross(edge, here[outer] - origin) / np.where(far, height, 1.0), 0.0))
        place[outer] = np.where(before, -part, last[outer] + part)

        i = c.first[posts.wire[inner]] + posts.interval[inner]
        left = c.left[i] == c.left[i + 1]
        pivot, sense = at[np.where(left, c.left[i], c.right[i])], np.where(left, LEFT, RIGHT)
        zero, final = (_angle(at[np.where(left, c.right[j], c.left[j])] - pivot) for j in (i, i + 1))
        span = (sense * (final - zero)) % _TURN
        turn = (sense * (_angle(here[inner] - pivot) - zero)) % _TURN
        turn[turn > span / 2 + math.pi] = 0.0
        wide = span > 1e-12
        place[inner] = posts.interval[inner] + np.where(wide, np.minimum(1.0, turn / np.where(wide, span, 1.0)), 0.5)

        tees = np.array([(s.start_tee is not None, s.end_tee is not None) for s in self.strands], dtype=bool)
        tees = tees.reshape(-1, 2)
        counts &= direct | ~((tees[posts.wire, 0] & (place < -1)) | (tees[posts.wire, 1] & (place > last + 1)))
        return np.where(direct, place, np.clip(place, -1.0, last + 1.0)), counts


def _angle(vectors: Floats) -> Floats:
    """Polar angles of vectors (..., 2)."""
    out: Floats = np.arctan2(vectors[..., 1], vectors[..., 0])
    return out


def _cross(a: Floats, b: Floats) -> Floats:
    """Cross products of vectors (n, 2)."""
    out: Floats = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return out


def _on_rays(supports: Floats, angles: Floats) -> Floats:
    """Where rays from the centres leave shapes of the given supports, relative to the centres."""
    ray = np.column_stack([np.cos(angles), np.sin(angles)])
    facing = ray @ normals(supports.shape[1]).T
    outward = facing > 1e-9
    reach = np.where(outward, supports / np.where(outward, facing, 1.0), np.inf).min(1)
    out: Floats = reach[:, None] * ray
    return out


def _guards(topo: Topology, guard: Um) -> Floats:
    """The guard each feature keeps along each normal: what the fullest edge on that side leaves over."""
    tiles, f = topo.tiles, topo.tiles.features
    out = np.tile(guard * f.unit, (len(f), 1))
    used = [e for e, order in enumerate(topo.order) if order]
    if not used or guard == 0:
        return out
    ends = np.array([tiles.edges[e] for e in used], dtype=np.int64)
    u, v = ends[:, 0], ends[:, 1]
    wires = np.array([len(topo.order[e]) for e in used])
    spare = np.array([tiles.room[e] - topo.load(e) for e in used])
    share = np.clip(spare / (2 * wires + 1), 0.0, guard)
    share[np.array([tiles.edge_tris[e][1] < 0 for e in used])] = guard
    d = f.at[v] - f.at[u]
    half = f.sides // 2
    apart = (d @ normals(f.sides).T - f.support[u] - np.roll(f.support[v], half, 1)) / f.unit
    facing = apart.argmax(1)
    for turn in (-1, 0, 1) if f.square else (0,):  # a corner of a square lies on two of its sides
        on = (facing + turn) % f.sides
        own = np.flatnonzero((on % 2 == 0) & ((turn == 0) | (facing % 2 == 1)) if f.square else np.ones(len(on), bool))
        np.minimum.at(out, (u[own], on[own]), share[own])
        np.minimum.at(out, (v[own], (on[own] + half) % f.sides), share[own])
    return squared(out) if f.square else out
