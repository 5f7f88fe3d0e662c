"""Wires without coordinates: which tile edges a wire crosses, and in which order wires stand on every edge.

Two wires do not cross exactly when, in every triangle, the chords they make nest (see `regions`). A wire may be
inserted along any sequence of regions. It may also end on another wire of its net (a tee).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from layoutgen.route.regions import GAPS, Chord, Exit, Regions, regions_of
from layoutgen.route.tiles import Tiles
from layoutgen.units import Um

OUTSIDE = -1
"""End feature of a tie, and the triangle beyond the outline."""
TEE = -2
"""End feature of a wire that ends on another wire of its net."""
_EXACT = 1e-6


@dataclass(frozen=True)
class Step:
    """Crossing of `edge` in gap number `gap` (counted before insertion), into triangle edge_tris[edge][into]."""

    edge: int
    gap: int
    into: int


@dataclass(frozen=True)
class Tee:
    """An end on a chord of another wire of the net, about the point (x, y) in um."""

    wire: int
    segment: int
    x: Um
    y: Um


@dataclass(frozen=True)
class Ends:
    """The two ends of a wire: features, OUTSIDE, or TEE with the chord it ends on.

    tri: for a wire that crosses no edge but ends on a tee, the triangle it lies in.
    """

    start: int
    end: int
    start_tee: Tee | None = None
    end_tee: Tee | None = None
    tri: int = -1


@dataclass(frozen=True)
class Strand:
    """A wire: from feature `start` through triangles tris[0], tris[1], ... by way of `edges` to feature `end`.

    A strand without edges runs straight along the tile edge between its two ends, or, with a tee, within tris[0].
    """

    start: int
    end: int
    edges: tuple[int, ...]
    tris: tuple[int, ...]
    start_tee: Tee | None = None
    end_tee: Tee | None = None

    @property
    def tees(self) -> tuple[Tee, ...]:
        """Where it ends on other wires."""
        return tuple(t for t in (self.start_tee, self.end_tee) if t is not None)

    @property
    def direct(self) -> bool:
        """Whether it runs along a tile edge."""
        return not self.edges and not self.tees


Seen = tuple[tuple[int, Regions], ...]
"""Triangles with their regions at some time."""


@dataclass(frozen=True)
class Undo:
    """What brings a removed wire back to the same place."""

    ends: Ends
    steps: tuple[Step, ...]
    sectors: tuple[int, int]
    seen: Seen = ()
    """The regions of its triangles while it was there."""


@dataclass
class Wires:
    """What a topology must know of its wires, by number.

    slot: what they take of an edge's room (um).
    open: whether others may end on them.
    shares: whether there are other wires of the same net, which may stand next to them and share their room.
    """

    slot: Sequence[Um]
    net: Sequence[str]
    open: Sequence[bool]
    shares: Sequence[bool]

    @classmethod
    def alike(cls, slot: Um, count: int) -> Wires:
        """Wires of different nets that take the same slot."""
        return cls([slot] * count, [str(i) for i in range(count)], [False] * count, [False] * count)


class Topology:
    """All strands on a tile graph, the order on every edge, and the load of edges and second diagonals."""

    def __init__(self, tiles: Tiles, wires: Wires) -> None:
        self.tiles = tiles
        self.wires = wires
        self.room = list(tiles.room)
        self.second_room = list(tiles.second_room)
        self.spare = list(tiles.room)
        """Per edge: room less what the wires across it take."""
        self.second_spare = list(tiles.second_room)
        """The same for the other diagonal."""
        self.strands: dict[int, Strand] = {}
        self.order: list[list[Chord]] = [[] for _ in tiles.edges]
        """Per edge, from its first to its second feature: (wire, number of the crossing within the wire)."""
        self.direct: dict[int, int] = {}
        """Edge -> wire that runs along it."""
        self.second: list[dict[int, int]] = [{} for _ in tiles.edges]
        """Per edge: wire -> how often it crosses the other diagonal of the quad around the edge."""
        self.landed: dict[int, set[int]] = {}
        """Wire -> wires that end on it."""
        self.ends_at: list[tuple[list[Chord], ...]] = [([], [], []) for _ in tiles.triangles]
        """Per triangle and corner: the chords that end there, counter-clockwise."""
        self.tees: dict[int, list[tuple[Chord, Chord]]] = {}
        """Triangle -> chords that end on another chord in it."""
        self.landings: dict[tuple[int, int], list[Chord]] = {}
        """(triangle, edge with a wire along it) -> chords that end on that wire, counter-clockwise."""
        self.known_regions: list[Regions | None] = [None] * len(tiles.triangles)
        """Of triangles that have not changed since their regions were asked for."""

    # ------------------------------------------------------------------ reading

    def regions(self, t: int) -> Regions:
        """The regions of triangle t, kept until a wire in it changes."""
        known = self.known_regions[t]
        if known is None:
            known = self.known_regions[t] = regions_of(self, t)
        return known

    def fits(self, edge: int, slot: Um) -> bool:
        """Whether one more wire fits across an edge."""
        return self.spare[edge] >= slot - _EXACT

    def load(self, edge: int) -> Um:
        """What the wires across an edge take."""
        return self.room[edge] - self.spare[edge]

    def close(self, edge: int, less: Um) -> None:
        """Take from the room of an edge what it had to spare, and `less` more (um)."""
        self.room[edge] -= self.spare[edge] + less
        self.spare[edge] = -less

    def exits(self, t: int, place: int) -> list[Exit]:
        """Where a wire may leave triangle t that came in at a place."""
        regions, tiles = self.regions(t), self.tiles
        edge = place // GAPS
        x, y = self.gap_point(edge, place - edge * GAPS)
        rest = sum(tiles.tri_edges[t]) - edge
        known = regions.exits[place] = [
            (state, other, rest - other, px, py, math.hypot(px - x, py - y))
            for other, _, state, px, py in regions.gaps[regions.of_gap[place]]
            if other != edge and self.room[other] > _EXACT
        ]
        return known

    def gap_point(self, edge: int, gap: float) -> tuple[Um, Um]:
        """Where a wire through a gap is assumed to cross, for estimates."""
        x0, y0, x1, y1 = self.tiles.span[edge]
        f = (gap + 0.5) / (len(self.order[edge]) + 1)
        return x0 + (x1 - x0) * f, y0 + (y1 - y0) * f

    def crossing_point(self, edge: int, chord: Chord) -> tuple[Um, Um]:
        """Where a wire that is there is assumed to cross an edge."""
        x0, y0, x1, y1 = self.tiles.span[edge]
        f = (self.order[edge].index(chord) + 1) / (len(self.order[edge]) + 1)
        return x0 + (x1 - x0) * f, y0 + (y1 - y0) * f

    def chord_ends(self, chord: Chord) -> tuple[tuple[Um, Um], tuple[Um, Um]]:
        """About where a chord begins and ends."""
        wire, segment = chord
        s, f = self.strands[wire], self.tiles.features
        if segment > 0:
            first = self.crossing_point(s.edges[segment - 1], (wire, segment - 1))
        else:
            first = (s.start_tee.x, s.start_tee.y) if s.start_tee else (f.x[s.start], f.y[s.start])
        if segment < len(s.edges):
            last = self.crossing_point(s.edges[segment], (wire, segment))
        else:
            last = (s.end_tee.x, s.end_tee.y) if s.end_tee else (f.x[s.end], f.y[s.end])
        return first, last

    def steps_of(self, wire: int) -> list[Step]:
        """The steps that would insert a wire again after its removal, in positions that include its own crossings."""
        s = self.strands[wire]
        return [
            Step(e, self.order[e].index((wire, i)), 1 if self.tiles.edge_tris[e][0] == s.tris[i] else 0)
            for i, e in enumerate(s.edges)
        ]

    def tris_along(self, wire: int) -> tuple[int, ...]:
        """The triangles that a wire is seen from, -1 outside."""
        s = self.strands[wire]
        return (
            self.tiles.edge_tris[self.tiles.edge_of[min(s.start, s.end), max(s.start, s.end)]] if s.direct else s.tris
        )

    def dependents(self, wire: int) -> list[int]:
        """Wires that end on a wire, and those that end on them: the last of them first."""
        out: list[int] = []
        for other in sorted(self.landed.get(wire, ())):
            out += [w for w in (*self.dependents(other), other) if w not in out]
        return out

    def cuts_of(self, steps: Sequence[Step], ends: Ends) -> list[int]:
        """Edges whose second diagonal the steps cross, once per crossing."""
        tiles = self.tiles
        if not steps:
            return [] if ends.tri >= 0 else [tiles.edge_of[min(ends.start, ends.end), max(ends.start, ends.end)]]
        edges = [s.edge for s in steps]
        tris = self._tris_of(steps)
        out = []
        for t, e, v in ((tris[0], edges[0], ends.start), (tris[-1], edges[-1], ends.end)):
            if v >= 0:
                out += [g for g in tiles.tri_edges[t] if g != e]
        for i in range(len(edges) - 1):
            a, b, c = tiles.tri_edges[tris[i + 1]]
            out.append(a + b + c - edges[i] - edges[i + 1])
        out += [edges[i] for i in range(1, len(edges) - 1) if self.zigzag(*edges[i - 1 : i + 2])]
        return out

    def zigzag(self, before: int, edge: int, after: int) -> bool:
        """Whether a wire through three edges turns about one end of the middle edge and then about the other."""
        u = self.tiles.edges[edge][0]
        return (u in self.tiles.edges[before]) != (u in self.tiles.edges[after])

    def estimate(self, steps: Sequence[Step], ends: Ends) -> Um:
        """Length through the middles of the gaps."""
        f = self.tiles.features
        points = [(f.x[ends.start], f.y[ends.start])] if ends.start >= 0 else []
        points += [(t.x, t.y) for t in (ends.start_tee,) if t]
        points += [self.gap_point(s.edge, s.gap) for s in steps]
        points += [(f.x[ends.end], f.y[ends.end])] if ends.end >= 0 else []
        points += [(t.x, t.y) for t in (ends.end_tee,) if t]
        return sum(math.dist(a, b) for a, b in pairwise(points))

    # ------------------------------------------------------------------ changing

    def insert(self, wire: int, ends: Ends, steps: Sequence[Step]) -> Seen:
        """Add a wire; gaps count the wires that are there. Returns the regions that it divides, for `recall`."""
        tris = self._tris_of(steps) if steps else [ends.tri]
        sectors = (
            self._sector(tris[0], (ends.start, ends.start_tee), steps[:1], ends),
            self._sector(tris[-1], (ends.end, ends.end_tee), steps[-1:], ends),
        )
        edge = (
            -1 if steps or ends.tri >= 0 else self.tiles.edge_of[min(ends.start, ends.end), max(ends.start, ends.end)]
        )
        seen = self._seen(tris if edge < 0 else self.tiles.edge_tris[edge])
        self._insert(wire, ends, steps, sectors, absolute=False)
        return seen

    def recall(self, seen: Seen) -> None:
        """Know regions again, where everything in their triangles is as it was then."""
        for t, regions in seen:
            self.known_regions[t] = regions

    def _seen(self, tris: Sequence[int]) -> Seen:
        known = self.known_regions
        return tuple((t, regions) for t in set(tris) if t >= 0 and (regions := known[t]) is not None)

    def restore(self, wire: int, undo: Undo) -> None:
        """Bring back a wire that `remove` took out, with everything else as it was then."""
        self._insert(wire, undo.ends, undo.steps, undo.sectors, absolute=True)
        self.recall(undo.seen)

    def remove(self, wire: int) -> Undo:
        """Take a wire out that no other wire ends on."""
        s = self.strands[wire]
        seen = self._seen(self.tris_along(wire))
        steps = tuple(self.steps_of(wire))
        ends = Ends(s.start, s.end, s.start_tee, s.end_tee, s.tris[0] if not s.edges and s.tees else -1)
        slot = self.wires.slot[wire]
        for g in self.cuts_of(steps, ends):
            self.second_spare[g] += slot
            self.second[g].pop(wire, None)
        sectors = [-1, -1]
        if s.direct:
            edge = self.tiles.edge_of[min(s.start, s.end), max(s.start, s.end)]
            del self.direct[edge]
            self._touch_edge(edge)
        else:
            for which, (v, tee) in enumerate(((s.start, s.start_tee), (s.end, s.end_tee))):
                segment = which * len(s.edges)
                if tee is not None:
                    self.landed[tee.wire].discard(wire)
                around = self._around(s.tris[segment], v, tee)
                if around is not None:
                    sectors[which] = around.index((wire, segment))
                    around.remove((wire, segment))
                elif tee is not None:
                    self.tees[s.tris[segment]].remove(((wire, segment), (tee.wire, tee.segment)))
            for i, e in enumerate(s.edges):
                self.order[e].remove((wire, i))
                self._touch_edge(e)
            for t in (s.tris[0], s.tris[-1]):
                if t >= 0:
                    self.known_regions[t] = None
        del self.strands[wire]
        for e in set(s.edges):
            self._weigh(e)
        return Undo(ends, steps, (sectors[0], sectors[1]), seen)

    def _insert(
        self, wire: int, ends: Ends, steps: Sequence[Step], sectors: tuple[int, int], *, absolute: bool
    ) -> None:
        if not steps and ends.tri < 0:
            edge = self.tiles.edge_of[min(ends.start, ends.end), max(ends.start, ends.end)]
            tri = self.tiles.edge_tris[edge][0]
            self.direct[edge] = wire
            self.strands[wire] = Strand(ends.start, ends.end, (), (tri,))
            self._touch_edge(edge)
        else:
            tris = self._tris_of(steps) if steps else [ends.tri]
            s = Strand(ends.start, ends.end, tuple(s.edge for s in steps), tuple(tris), ends.start_tee, ends.end_tee)
            self.strands[wire] = s
            self._place(wire, steps, absolute)
            for which, (v, tee) in enumerate(((s.start, s.start_tee), (s.end, s.end_tee))):
                segment = which * len(steps)
                if tee is not None:
                    self.landed.setdefault(tee.wire, set()).add(wire)
                around = self._around(tris[segment], v, tee)
                if around is not None:
                    around.insert(sectors[which], (wire, segment))
                elif tee is not None:
                    self.tees.setdefault(tris[segment], []).append(((wire, segment), (tee.wire, tee.segment)))
            for t in (tris[0], tris[-1]):
                if t >= 0:
                    self.known_regions[t] = None
            for e in set(s.edges):
                self._weigh(e)
        slot = self.wires.slot[wire]
        for g in self.cuts_of(steps, ends):
            self.second_spare[g] -= slot
            self.second[g][wire] = self.second[g].get(wire, 0) + 1

    def _around(self, t: int, v: int, tee: Tee | None) -> list[Chord] | None:
        """The chords that end at the same corner, or on the same wire along an edge, in order; None elsewhere."""
        if v >= 0:
            return self.ends_at[t][self._corner(t, v)]
        edge = self.direct_edge(tee)
        return None if edge < 0 else self.landings.setdefault((t, edge), [])

    def direct_edge(self, tee: Tee | None) -> int:
        """The edge that the wire of a tee runs along, -1 if it does not."""
        s = None if tee is None else self.strands[tee.wire]
        return self.tiles.edge_of[min(s.start, s.end), max(s.start, s.end)] if s and s.direct else -1

    def _sector(self, t: int, end: tuple[int, Tee | None], step: Sequence[Step], ends: Ends) -> int:
        """Which of the sectors at its end in triangle t a new wire runs in, from the region of its next crossing."""
        v, tee = end
        around = None if not step and ends.tri < 0 else self._around(t, v, tee)
        if not around:
            return -1 if around is None else 0
        regions = self.regions(t)
        sectors = regions.sectors[self._corner(t, v)] if v >= 0 else regions.sides[self.direct_edge(tee)]
        if step:
            return sectors.index(regions.of_gap[step[0].edge * GAPS + step[0].gap])
        return next(i for i, r in enumerate(sectors) if self._joins(regions, r, ends))

    def _joins(self, regions: Regions, region: int, ends: Ends) -> bool:
        """Whether a region touches both ends of a wire that crosses no edge."""
        tees = all((t.wire, t.segment) in regions.walls[region] for t in (ends.start_tee, ends.end_tee) if t)
        return tees and all(v in regions.corners[region] for v in (ends.start, ends.end) if v >= 0)

    def _weigh(self, edge: int) -> None:
        """Sum the slots on an edge; neighbours of one net share one."""
        slot, net = self.wires.slot, self.wires.net
        load, before, shared = 0.0, "", 0.0
        for wire, _ in self.order[edge]:
            own = slot[wire]
            if net[wire] == before:
                load += max(0.0, own - shared)
                shared = max(shared, own)
            else:
                load += own
                before, shared = net[wire], own
        self.spare[edge] = self.room[edge] - load

    def _place(self, wire: int, steps: Sequence[Step], absolute: bool) -> None:
        """Enter the crossings into the orders of the edges; earlier crossings of one edge shift later ones."""
        numbered = list(enumerate(steps))
        if absolute:
            numbered.sort(key=lambda item: (item[1].edge, item[1].gap))
        done: list[Step] = []
        for i, step in numbered:
            shift = 0 if absolute else sum(1 for d in done if d.edge == step.edge and d.gap <= step.gap)
            self.order[step.edge].insert(step.gap + shift, (wire, i))
            done.append(step)
            self._touch_edge(step.edge)

    def _tris_of(self, steps: Sequence[Step]) -> list[int]:
        pairs = self.tiles.edge_tris
        first = steps[0]
        tris = [pairs[first.edge][1 - first.into] if pairs[first.edge][1] >= 0 else pairs[first.edge][0]]
        for s in steps:
            tris.append(pairs[s.edge][s.into] if pairs[s.edge][1] >= 0 else OUTSIDE)
        return tris

    def _corner(self, t: int, v: int) -> int:
        return self.tiles.triangles[t].index(v)

    def _touch_edge(self, edge: int) -> None:
        a, b = self.tiles.edge_tris[edge]
        self.known_regions[a] = None
        if b >= 0:
            self.known_regions[b] = None
