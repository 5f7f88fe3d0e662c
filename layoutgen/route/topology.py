"""Wires without coordinates: which tile edges a wire crosses, and in which order wires stand on every edge.

Two wires do not cross exactly when, in every triangle, the chords they make nest. So the boundary of a triangle, read
once around, is a bracket expression: chords open and close, and what lies between the same chords is one region.
A wire may be inserted along any sequence of regions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from layoutgen.route.tiles import Tiles
from layoutgen.units import Um

OUTSIDE = -1
"""End feature of a tie, and the triangle beyond the outline."""
GAPS = 4096
"""Bound on the gaps of one edge; a place on an edge is the number edge * GAPS + gap."""


@dataclass(frozen=True)
class Step:
    """Crossing of `edge` in gap number `gap` (counted before insertion), into triangle edge_tris[edge][into]."""

    edge: int
    gap: int
    into: int


@dataclass(frozen=True)
class Strand:
    """A wire: from feature `start` through triangles tris[0], tris[1], ... by way of `edges` to feature `end`.

    A strand without edges runs straight along the tile edge between its two ends.
    """

    start: int
    end: int
    edges: tuple[int, ...]
    tris: tuple[int, ...]


@dataclass(frozen=True)
class Regions:
    """The regions of one triangle: of each gap on its edges, the gaps of each with coordinates, and its corners."""

    of_gap: dict[int, int]
    gaps: list[list[tuple[int, int, Um, Um]]]
    """Per region: (edge, gap, x, y)."""
    corners: list[list[int]]
    """Per region: the features whose corner sector touches it."""


class Topology:
    """All strands on a tile graph, the order on every edge, and the load of every second diagonal."""

    def __init__(self, tiles: Tiles) -> None:
        self.tiles = tiles
        self.capacity = list(tiles.capacity)
        self.second_capacity = list(tiles.second_capacity)
        self.strands: dict[int, Strand] = {}
        self.order: list[list[tuple[int, int]]] = [[] for _ in tiles.edges]
        """Per edge, from its first to its second feature: (wire, number of the crossing within the wire)."""
        self.direct: dict[int, int] = {}
        """Edge -> wire that runs along it."""
        self.second: list[dict[int, int]] = [{} for _ in tiles.edges]
        """Per edge: wire -> how often it crosses the other diagonal of the quad around the edge."""
        self.second_load = [0] * len(tiles.edges)
        self._ends: list[tuple[list[tuple[int, int]], ...]] = [([], [], []) for _ in tiles.triangles]
        self._regions: list[Regions | None] = [None] * len(tiles.triangles)

    # ------------------------------------------------------------------ reading

    def regions(self, t: int) -> Regions:
        """The regions of triangle t, kept until a wire in it changes."""
        known = self._regions[t]
        if known is None:
            known = self._regions[t] = self._build_regions(t)
        return known

    def gap_point(self, edge: int, gap: int) -> tuple[Um, Um]:
        """Where a wire through a gap is assumed to cross, for estimates."""
        x0, y0, x1, y1 = self.tiles.span[edge]
        f = (gap + 0.5) / (len(self.order[edge]) + 1)
        return x0 + (x1 - x0) * f, y0 + (y1 - y0) * f

    def steps_of(self, wire: int) -> list[Step]:
        """The steps that would insert a wire again after its removal, in positions that include its own crossings."""
        s = self.strands[wire]
        return [
            Step(e, self.order[e].index((wire, i)), 1 if self.tiles.edge_tris[e][0] == s.tris[i] else 0)
            for i, e in enumerate(s.edges)
        ]

    def cuts_of(self, steps: list[Step], start: int, end: int) -> list[int]:
        """Edges whose second diagonal the steps cross, once per crossing."""
        tiles = self.tiles
        if not steps:
            return [tiles.edge_of[min(start, end), max(start, end)]]
        edges = [s.edge for s in steps]
        tris = self._tris_of(steps)
        out = []
        for t, e, v in ((tris[0], edges[0], start), (tris[-1], edges[-1], end)):
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

    def estimate(self, steps: list[Step], start: int, end: int) -> Um:
        """Length through the middles of the gaps."""
        f = self.tiles.features
        points = [(f.x[start], f.y[start])] + [self.gap_point(s.edge, s.gap) for s in steps]
        if end >= 0:
            points.append((f.x[end], f.y[end]))
        return sum(math.dist(a, b) for a, b in pairwise(points))

    # ------------------------------------------------------------------ changing

    def insert(self, wire: int, start: int, end: int, steps: list[Step], *, absolute: bool = False) -> None:
        """Add a wire. Gaps count the wires present before; with `absolute`, positions as `steps_of` gives them."""
        if not steps:
            edge = self.tiles.edge_of[min(start, end), max(start, end)]
            tri = self.tiles.edge_tris[edge][0]
            self.direct[edge] = wire
            self.strands[wire] = Strand(start, end, (), (tri,))
            self._touch_edge(edge)
        else:
            tris = self._tris_of(steps)
            self.strands[wire] = Strand(start, end, tuple(s.edge for s in steps), tuple(tris))
            self._place(wire, steps, absolute)
            self._add_end(tris[0], start, wire, 0)
            if end >= 0:
                self._add_end(tris[-1], end, wire, len(steps))
        for g in self.cuts_of(steps, start, end):
            self.second_load[g] += 1
            self.second[g][wire] = self.second[g].get(wire, 0) + 1

    def remove(self, wire: int) -> None:
        """Take a wire out."""
        s = self.strands[wire]
        for g in self.cuts_of(self.steps_of(wire), s.start, s.end):
            self.second_load[g] -= 1
            self.second[g].pop(wire, None)
        if not s.edges:
            edge = self.tiles.edge_of[min(s.start, s.end), max(s.start, s.end)]
            del self.direct[edge]
            self._touch_edge(edge)
        else:
            self._ends[s.tris[0]][self._corner(s.tris[0], s.start)].remove((wire, 0))
            if s.end >= 0:
                self._ends[s.tris[-1]][self._corner(s.tris[-1], s.end)].remove((wire, len(s.edges)))
            for i, e in enumerate(s.edges):
                self.order[e].remove((wire, i))
                self._touch_edge(e)
        del self.strands[wire]

    def _place(self, wire: int, steps: list[Step], absolute: bool) -> None:
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

    def _tris_of(self, steps: list[Step]) -> list[int]:
        pairs = self.tiles.edge_tris
        first = steps[0]
        tris = [pairs[first.edge][1 - first.into] if pairs[first.edge][1] >= 0 else pairs[first.edge][0]]
        for s in steps:
            tris.append(pairs[s.edge][s.into] if pairs[s.edge][1] >= 0 else OUTSIDE)
        return tris

    def _corner(self, t: int, v: int) -> int:
        return self.tiles.triangles[t].index(v)

    def _touch_edge(self, edge: int) -> None:
        for t in self.tiles.edge_tris[edge]:
            if t >= 0:
                self._regions[t] = None

    def _add_end(self, t: int, v: int, wire: int, segment: int) -> None:
        """Enter an end at corner v, in the order from the side of the previous edge to that of the next one."""
        i = self._corner(t, v)
        ends = self._ends[t][i]
        ends.append((wire, segment))
        if len(ends) > 1:
            ends.sort(key=lambda item: -self._place_across(t, i, *item))
        self._regions[t] = None

    def _place_across(self, t: int, corner: int, wire: int, segment: int) -> int:
        """Position on the edge opposite to the corner, counted counter-clockwise, of the crossing next to an end."""
        number = segment if segment == 0 else segment - 1
        edge = self.strands[wire].edges[number]
        position = self.order[edge].index((wire, number))
        first = self.tiles.triangles[t][(corner + 1) % 3]
        return position if self.tiles.edges[edge][0] == first else len(self.order[edge]) - 1 - position

    # ------------------------------------------------------------------ regions

    def _build_regions(self, t: int) -> Regions:
        """Read the boundary of t counter-clockwise and match the two ends of every chord."""
        tiles = self.tiles
        of_gap: dict[int, int] = {}
        gaps: list[list[tuple[int, int, Um, Um]]] = [[]]
        corners: list[list[int]] = [[]]
        open_chords: list[tuple[int, int]] = []
        outer: list[int] = []
        here = 0

        def pass_end(chord: tuple[int, int]) -> int:
            if open_chords and open_chords[-1] == chord:
                open_chords.pop()
                return outer.pop()
            open_chords.append(chord)
            outer.append(here)
            gaps.append([])
            corners.append([])
            return len(gaps) - 1

        for i in range(3):
            v = tiles.triangles[t][i]
            corners[here].append(v)
            for chord in self._ends[t][i]:
                here = pass_end(chord)
                corners[here].append(v)
            edge = tiles.tri_edges[t][i]
            order = self.order[edge]
            n = len(order)
            forward = tiles.edges[edge][0] == v
            x0, y0, x1, y1 = tiles.span[edge]
            dx, dy = (x1 - x0) / (n + 1), (y1 - y0) / (n + 1)
            for z in range(n + 1):
                gap = z if forward else n - z
                of_gap[edge * GAPS + gap] = here
                gaps[here].append((edge, gap, x0 + dx * (gap + 0.5), y0 + dy * (gap + 0.5)))
                if z < n:
                    wire, number = order[gap if forward else gap - 1]
                    here = pass_end((wire, number if self.strands[wire].tris[number] == t else number + 1))
        return Regions(of_gap, gaps, corners)
