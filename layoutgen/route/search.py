"""Cheapest way for one wire through the regions between the wires that are there: A* over (edge, gap, direction)."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

from layoutgen.route.topology import GAPS, OUTSIDE, Step, Topology
from layoutgen.units import Um

_FAR = math.inf


@dataclass(frozen=True)
class Penalties:
    """What a search may do beyond legal insertion, in um of detour: cross a wire, or overfill an edge or a diagonal."""

    wires: dict[int, Um]
    """Per wire; those absent must not be crossed."""
    full: Um


@dataclass(frozen=True)
class Way:
    """A found way: steps may jump between gaps of one edge where it crosses other wires."""

    start: int
    end: int
    steps: list[Step]
    cost: Um


def find(topo: Topology, sources: Collection[int], targets: Collection[int], penalties: Penalties | None) -> Way | None:
    """Cheapest way from any source to any target feature, or to the outline if `targets` is {OUTSIDE}.

    Without penalties only legal insertions are considered.
    """
    return _Search(topo, targets, penalties).run(sources)


class _Search:
    """One run; states are (edge * GAPS + gap) * 2 + direction."""

    def __init__(self, topo: Topology, targets: Collection[int], penalties: Penalties | None) -> None:
        self.topo = topo
        self.outward = OUTSIDE in targets
        self.targets = frozenset(targets)
        self.penalties = penalties
        self.ahead = self._heuristic()
        self.cost: dict[int, Um] = {}
        self.before: dict[int, int] = {}
        self.heap: list[tuple[Um, int]] = []
        self.best: Um = _FAR
        self.goal: tuple[int, int] | None = None
        """(last state, target), or (-2 - source, target) for a way without crossings."""

    def _heuristic(self) -> Callable[[Um, Um], Um]:
        f = self.topo.tiles.features
        x0, y0, x1, y1 = self.topo.tiles.outline
        if self.outward:
            return lambda x, y: min(x - x0, x1 - x, y - y0, y1 - y)
        points = [(f.x[v], f.y[v]) for v in sorted(self.targets)]
        if len(points) == 1:
            tx, ty = points[0]
            return lambda x, y: math.hypot(x - tx, y - ty)
        return lambda x, y: min(math.hypot(x - px, y - py) for px, py in points)

    def run(self, sources: Collection[int]) -> Way | None:
        for v in sorted(sources):
            for t in self.topo.tiles.tris_of[v]:
                self._leave(v, t)
        while self.heap:
            key, state = heapq.heappop(self.heap)
            if key >= self.best - 1e-9:
                break
            self._expand(key, state)
        return self._way()

    def _leave(self, v: int, t: int) -> None:
        """All first steps from feature v in triangle t."""
        topo, f = self.topo, self.topo.tiles.features
        x, y = f.x[v], f.y[v]
        edges = topo.tiles.tri_edges[t]
        regions = topo.regions(t)
        for region, corners in enumerate(regions.corners):
            if v not in corners:
                continue
            for edge, gap, px, py in regions.gaps[region]:
                if v not in topo.tiles.edges[edge]:
                    extra = self._extra(edge, [g for g in edges if g != edge])
                    if extra < _FAR:
                        self._reach(edge, gap, t, px, py, math.hypot(px - x, py - y) + extra, -2 - v)
            for u in corners:
                if u in self.targets and u != v:
                    edge = topo.tiles.edge_of[min(u, v), max(u, v)]
                    cost = math.hypot(f.x[u] - x, f.y[u] - y) + self._over([edge])
                    if cost < self.best and edge not in topo.direct:
                        self.best, self.goal = cost, (-2 - v, u)

    def _expand(self, key: Um, state: int) -> None:
        topo, tiles = self.topo, self.topo.tiles
        place, into = state >> 1, state & 1
        edge, gap = place // GAPS, place % GAPS
        x, y = topo.gap_point(edge, gap)
        cost = self.cost[state]
        if key > cost + self.ahead(x, y) + 1e-6:
            return
        t = tiles.edge_tris[edge][into]
        if tiles.edge_tris[edge][1] < 0:
            if cost < self.best:
                self.best, self.goal = cost, (state, OUTSIDE)
            return
        if self.penalties is not None:
            self._sideways(state, x, y, self.penalties)
        previous = self._previous_edge(state, edge)
        tight_edge = previous >= 0 and topo.second_load[edge] >= topo.second_capacity[edge]
        regions = topo.regions(t)
        region = regions.of_gap[place]
        edges = tiles.tri_edges[t]
        edge_sum = edges[0] + edges[1] + edges[2]
        for other, other_gap, px, py in regions.gaps[region]:
            if other == edge:
                continue
            cuts = [edge_sum - edge - other]
            if tight_edge and topo.zigzag(previous, edge, other):
                cuts.append(edge)
            extra = self._extra(other, cuts)
            if extra < _FAR:
                self._reach(other, other_gap, t, px, py, cost + math.hypot(px - x, py - y) + extra, state)
        if not self.outward:
            self._arrive(state, t, regions.corners[region], x, y)

    def _arrive(self, state: int, t: int, corners: list[int], x: Um, y: Um) -> None:
        topo, f = self.topo, self.topo.tiles.features
        edge = (state >> 1) // GAPS
        for u in corners:
            if u in self.targets and u not in topo.tiles.edges[edge]:
                over = self._over([g for g in topo.tiles.tri_edges[t] if g != edge])
                cost = self.cost[state] + math.hypot(f.x[u] - x, f.y[u] - y) + over
                if cost < self.best:
                    self.best, self.goal = cost, (state, u)

    def _sideways(self, state: int, x: Um, y: Um, penalties: Penalties) -> None:
        """Crossing the neighbouring wire on the same edge."""
        place = state >> 1
        edge, gap = place // GAPS, place % GAPS
        order = self.topo.order[edge]
        for step in (-1, 1):
            if not 0 <= gap + step <= len(order):
                continue
            wire = order[gap - 1 if step < 0 else gap][0]
            cost = self.cost[state] + penalties.wires.get(wire, _FAR)
            self._relax(state + 2 * step, cost, self.ahead(x, y), state)

    def _extra(self, edge: int, cuts: list[int]) -> Um:
        """Penalty for crossing an edge together with second diagonals; inf where not allowed."""
        topo = self.topo
        capacity = topo.capacity[edge]
        if capacity == 0 or (not self.outward and topo.tiles.edge_tris[edge][1] < 0):
            return _FAR
        extra = self._over(cuts)
        if len(topo.order[edge]) >= capacity:
            extra += _FAR if self.penalties is None else self.penalties.full
        if edge in topo.direct:
            extra += _FAR if self.penalties is None else self.penalties.wires.get(topo.direct[edge], _FAR)
        return extra

    def _over(self, cuts: list[int]) -> Um:
        topo = self.topo
        over = 0.0
        for g in cuts:
            if topo.second_load[g] >= topo.second_capacity[g]:
                over += _FAR if self.penalties is None or topo.second_capacity[g] == 0 else self.penalties.full
        return over

    def _reach(self, edge: int, gap: int, t: int, x: Um, y: Um, cost: Um, before: int) -> None:
        into = 1 if self.topo.tiles.edge_tris[edge][0] == t else 0
        self._relax((edge * GAPS + gap) * 2 + into, cost, self.ahead(x, y), before)

    def _relax(self, state: int, cost: Um, ahead: Um, before: int) -> None:
        if cost < self.cost.get(state, _FAR) - 1e-9:
            self.cost[state] = cost
            self.before[state] = before
            heapq.heappush(self.heap, (cost + ahead, state))

    def _previous_edge(self, state: int, edge: int) -> int:
        before = self.before[state]
        while before >= 0 and (before >> 1) // GAPS == edge:
            before = self.before[before]
        return (before >> 1) // GAPS if before >= 0 else -1

    def _way(self) -> Way | None:
        if self.goal is None:
            return None
        state, end = self.goal
        steps = []
        while state >= 0:
            place = state >> 1
            steps.append(Step(place // GAPS, place % GAPS, state & 1))
            state = self.before[state]
        return Way(-2 - state, end, steps[::-1], self.best)
