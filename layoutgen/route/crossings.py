"""Crossings of tile edges as seen along the wires, and what wires take of the room at the corners of triangles.

All is in columns, one entry per crossing or slot, wire after wire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from layoutgen.route.features import Floats, Ints
from layoutgen.route.regions import Chord
from layoutgen.route.topology import Topology
from layoutgen.units import Um


@dataclass(frozen=True)
class Crossings:
    """Crossed edges as seen along the wires: end features, slots (um) between us and them, apexes before and after."""

    wire: Ints
    number: Ints
    """Within its wire."""
    edge: Ints
    tri: Ints
    """The triangle after, -1 outside."""
    left: Ints
    right: Ints
    k_left: Floats
    k_right: Floats
    before: Ints
    after: Ints
    first: Ints
    """Per wire: its first entry here."""
    count: Ints
    """Per wire: how many."""


@dataclass(frozen=True)
class Slots:
    """Slots (um) that wires take at corners of triangles."""

    wire: Ints
    tri: Ints
    corner: Ints
    slot: Floats

    def summed(self, shape: tuple[int, ...]) -> Floats:
        """Their sums by triangle and corner."""
        out = np.zeros(shape)
        np.add.at(out, (self.tri, self.corner), self.slot)
        return out

    def by_net(self, net: Ints) -> OwnSlots:
        """Their sums by net, triangle and corner; net: per wire."""
        corners = 3 * (int(self.tri.max(initial=0)) + 1)
        keys, place = np.unique(net[self.wire] * corners + 3 * self.tri + self.corner, return_inverse=True)
        sums = np.zeros(len(keys))
        np.add.at(sums, place, self.slot)
        return OwnSlots(corners, keys, sums)


@dataclass(frozen=True)
class OwnSlots:
    """Sums of slots (um) by the number net * corners + 3 * triangle + corner, in rising order."""

    corners: int
    keys: Ints
    sums: Floats

    def of(self, net: Ints, tri: Ints, corner: Ints) -> Floats:
        """What wires of nets (n,) take at some corners (m,) or (n, m) of triangles (n,): shape (n, m)."""
        wanted = (net * self.corners + 3 * tri)[:, None] + corner
        place = np.minimum(np.searchsorted(self.keys, wanted), max(0, len(self.keys) - 1))
        known = (3 * tri < self.corners)[:, None] & (self.keys[place] == wanted) if len(self.keys) else wanted < 0
        out: Floats = np.where(known, self.sums[place] if len(self.keys) else 0.0, 0.0)
        return out


def crossings_of(topo: Topology) -> Crossings:
    """All crossings of a topology, wire after wire."""
    tiles, strands = topo.tiles, list(topo.strands.values())
    count = np.array([len(s.edges) for s in strands], dtype=np.int64)
    first = np.cumsum(count) - count
    wire = np.repeat(np.arange(len(strands)), count)
    edge, before, after = (
        np.fromiter(chain.from_iterable(columns), np.int64)
        for columns in (
            (s.edges for s in strands),
            (s.tris[:-1] for s in strands),
            (s.tris[1:] for s in strands),
        )
    )
    q = place_in(tiles.edge_array[before], edge)
    right, left, apex = (tiles.corner_array[before, (q + j) % 3] for j in range(3))
    low, high = _slots_beside(topo, dict(zip(topo.strands, first.tolist(), strict=True)), len(edge))
    forward = tiles.end_array[edge, 0] == left
    behind = tiles.corner_array[after, (place_in(tiles.edge_array[after], edge) + 2) % 3]
    return Crossings(
        wire,
        np.arange(len(edge)) - first[wire],
        edge,
        after,
        left,
        right,
        np.where(forward, low, high),
        np.where(forward, high, low),
        apex,
        np.where(after >= 0, behind, -1),
        first,
        count,
    )


def _slots_beside(topo: Topology, first: Mapping[int, int], count: int) -> tuple[Floats, Floats]:
    """Per crossing: slots of the wires between it and the first, and the second, feature of its edge."""
    slot, net, shares = topo.wires.slot, topo.wires.net, topo.wires.shares
    sums = np.zeros((2, count)).tolist()
    for order in topo.order:
        for side, chords in zip(sums, (order, order[::-1]), strict=True) if order else ():
            total = 0.0
            before = -1
            for p, (wire, number) in enumerate(chords):
                own = shares[wire] and p > 0 and before != wire and net[before] == net[wire]
                side[first[wire] + number] = _less_own_net(topo, wire, chords[:p]) if own else total
                total += slot[wire]
                before = wire
    return np.array(sums[0]), np.array(sums[1])


def _less_own_net(topo: Topology, wire: int, between: Sequence[Chord]) -> Um:
    """What the wires between a feature and a wire take; the last ones do not count where they are of its net."""
    slot, net = topo.wires.slot, topo.wires.net
    while between and between[-1][0] != wire and net[between[-1][0]] == net[wire]:
        between = between[:-1]
    return sum(slot[w] for w, _ in between)


def place_in(rows: Ints, what: Ints) -> Ints:
    """Where in its row (n, 3) each number stands."""
    out: Ints = (rows == what[:, None]).argmax(1)
    return out
