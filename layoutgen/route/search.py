"""Cheapest way for one wire through the regions between the wires that are there: A* over (edge, gap, direction)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from heapq import heappop, heappush

from layoutgen.route.regions import GAPS, Chord, Regions
from layoutgen.route.tiles import Tiles
from layoutgen.route.topology import OUTSIDE, TEE, Ends, Step, Tee, Topology
from layoutgen.units import Um

_FAR = math.inf
_EXACT = 1e-6
_FEW = 3
"""Up to so many targets are looked at one by one when the way that is left is estimated."""


@dataclass(frozen=True)
class Penalties:
    """What a search may do beyond legal insertion, in um of detour: cross a wire, or overfill an edge or a diagonal."""

    wires: Sequence[Um]
    """Per wire."""
    full: Um


@dataclass(frozen=True)
class Quest:
    """What is to be joined: from any source to any target, or to the outline."""

    wire: int
    sources: Set[int]
    targets: Mapping[int, Um]
    """Feature -> what ending there costs beyond the way (um)."""
    source_wires: Set[int] = frozenset()
    target_wires: Set[int] = frozenset()
    outward: bool = False
    among: tuple[int, ...] = ()
    """Features that include all targets, the same ones for many quests."""
    greed: float = 1.0
    """Above 1, what is left to a single target counts more than what lies behind: faster, and not quite cheapest."""


@dataclass(frozen=True)
class Way:
    """A found way: steps may jump between gaps of one edge where it crosses other wires."""

    ends: Ends
    steps: list[Step]
    cost: Um


@dataclass(frozen=True)
class _Origin:
    """Where a way may begin: a feature, or a tee in triangle `tri`."""

    feature: int
    tee: Tee | None = None
    tri: int = -1


def find(topo: Topology, quest: Quest, penalties: Penalties | None = None) -> Way | None:
    """Cheapest way of a quest; without penalties only legal insertions are considered."""
    if not (quest.outward or quest.targets or quest.target_wires):
        return None
    return _Search(topo, quest, penalties).run()


@dataclass
class _Goal:
    cost: Um = _FAR
    state: int = 0
    """The last state, or -2 - number of the origin for a way without crossings."""
    feature: int = OUTSIDE
    tee: Tee | None = None
    tri: int = -1
    """Where it ends on a wire."""


@dataclass
class _Search:
    """One run; states are (edge * GAPS + gap) * 2 + direction, origins -2 - number."""

    topo: Topology
    quest: Quest
    penalties: Penalties | None
    cost: dict[int, Um] = field(default_factory=dict)
    before: dict[int, int] = field(default_factory=dict)
    heap: list[tuple[Um, int]] = field(default_factory=list)
    origins: list[_Origin] = field(default_factory=list)
    goal: _Goal = field(default_factory=_Goal)

    def __post_init__(self) -> None:
        wires = self.topo.wires
        self.slot = wires.slot[self.quest.wire]
        self.net = wires.net[self.quest.wire]
        self.shares = wires.shares[self.quest.wire]
        """Whether other wires of the net may stand next to this one and share its room."""
        self.full = _FAR if self.penalties is None else self.penalties.full
        self.ahead = _estimate(self.topo, self.quest)

    # ------------------------------------------------------------------ the run

    def run(self) -> Way | None:
        tris_of, strands = self.topo.tiles.tris_of, self.topo.strands
        for v in sorted(self.quest.sources):
            self.origins.append(_Origin(v))
            for t in tris_of[v]:
                self._leave_feature(v, t)
        for wire in sorted(self.quest.source_wires):
            s = strands[wire]
            if s.direct:
                edge = self.topo.tiles.edge_of[min(s.start, s.end), max(s.start, s.end)]
                places = [(0, t) for t in self.topo.tiles.edge_tris[edge]]
            else:
                places = list(enumerate(s.tris))
            for segment, t in places:
                if t >= 0:
                    self._leave_wire((wire, segment), t)
        self._spread()
        return self._way()

    def _spread(self) -> None:
        topo, tiles, goal, quest = self.topo, self.topo.tiles, self.goal, self.quest
        edge_tris, known = tiles.edge_tris, topo.known_regions
        spare, second_spare, second_room, direct = topo.spare, topo.second_spare, topo.second_room, topo.direct
        cost_of, before, heap, ahead = self.cost, self.before, self.heap, self.ahead
        need, full, shares = self.slot - _EXACT, self.full, self.shares
        near_target = {t for v in quest.targets for t in tiles.tris_of[v]}
        for wire in quest.target_wires:
            near_target.update(topo.tris_along(wire))
        order, weights = topo.order, None if self.penalties is None else self.penalties.wires
        done = set[int]()
        while heap:
            key, state = heappop(heap)
            if key >= goal.cost - 1e-9:
                return
            if state in done:
                continue
            done.add(state)
            cost = cost_of[state]
            place = state >> 1
            edge = place // GAPS
            t = edge_tris[edge][state & 1] if edge_tris[edge][1] >= 0 else OUTSIDE
            if t < 0:
                if quest.outward:
                    self._end(cost, state, OUTSIDE, None)
                continue
            if weights is not None and order[edge]:  # cross a neighbour on the same edge
                gap, crossed = place - edge * GAPS, order[edge]
                for beside, other in ((gap - 1, state - 2), (gap, state + 2)):
                    if 0 <= beside < len(crossed):
                        total = cost + weights[crossed[beside][0]]
                        if total < cost_of.get(other, _FAR) - 1e-9:
                            cost_of[other], before[other] = total, state
                            heappush(heap, (total + (key - cost), other))
            regions = known[t] or topo.regions(t)
            exits = regions.exits.get(place)
            if exits is None:
                exits = topo.exits(t, place)
            tight = second_spare[edge] < need
            previous = self._previous_edge(state, edge) if tight else -1
            for leaving, other, cut, px, py, way in exits:
                total = cost + way
                if total >= cost_of.get(leaving, _FAR):
                    continue
                if spare[other] < need:
                    gap = (leaving >> 1) - other * GAPS
                    if topo.room[other] < need or (not quest.outward and edge_tris[other][1] < 0):
                        continue
                    if not (shares and self._beside_own(other, gap)):
                        total += full
                if second_spare[cut] < need:
                    total += full if second_room[cut] >= need else _FAR
                if previous >= 0 and topo.zigzag(previous, edge, other):
                    total += full if second_room[edge] >= need else _FAR
                if other in direct:
                    total += self._crossing(direct[other])
                if total < cost_of.get(leaving, _FAR) - 1e-9:
                    cost_of[leaving] = total
                    before[leaving] = state
                    heappush(heap, (total + ahead(other, px, py), leaving))
            if t in near_target:
                self._arrive(regions, state, t, edge, place, cost)

    def _arrive(self, regions: Regions, state: int, t: int, edge: int, place: int, cost: Um) -> None:
        """End on a target at a corner of the region that a state leads into, or on a wire along it."""
        topo, tiles, targets = self.topo, self.topo.tiles, self.quest.targets
        region = regions.of_gap[place]
        x, y = topo.gap_point(edge, place - edge * GAPS)
        for u in regions.corners[region]:
            if u in targets and u not in tiles.edges[edge]:
                over = self._over(g for g in tiles.tri_edges[t] if g != edge)
                total = cost + math.hypot(tiles.features.x[u] - x, tiles.features.y[u] - y) + over + targets[u]
                if total < self.goal.cost:
                    self._end(total, state, u, None)
        if self.quest.target_wires and regions.walls[region]:
            self._join(regions, region, t, state, cost, x, y)

    # ------------------------------------------------------------------ beginnings

    def _leave_feature(self, v: int, t: int) -> None:
        """All first steps from feature v in triangle t."""
        topo, tiles = self.topo, self.topo.tiles
        x, y = tiles.features.x[v], tiles.features.y[v]
        edges = tiles.tri_edges[t]
        opposite = edges[(tiles.triangles[t].index(v) + 1) % 3]
        regions = topo.regions(t)
        origin = -1 - len(self.origins)
        extra = self._over(g for g in edges if g != opposite)
        for region in regions.sectors[tiles.triangles[t].index(v)]:
            for edge, gap, state, px, py in regions.gaps[region]:
                if edge == opposite and extra < _FAR:
                    self._relax(edge, gap, state, px, py, math.hypot(px - x, py - y) + extra, origin)
            for u in regions.corners[region]:
                if u in self.quest.targets and u != v:
                    edge = tiles.edge_of[min(u, v), max(u, v)]
                    cost = math.hypot(tiles.features.x[u] - x, tiles.features.y[u] - y) + self._over((edge,))
                    cost += self.quest.targets[u]
                    if cost < self.goal.cost and edge not in topo.direct:
                        self._end(cost, origin, u, None)
            if self.quest.target_wires and regions.walls[region]:
                self._join(regions, region, t, origin, 0.0, x, y)

    def _leave_wire(self, chord: Chord, t: int) -> None:
        """All first steps from a chord of a wire in triangle t."""
        topo, f = self.topo, self.topo.tiles.features
        line = topo.chord_ends(chord)
        regions = topo.regions(t)
        for region, walls in enumerate(regions.walls):
            if chord not in walls:
                continue
            for edge, gap, state, px, py in regions.gaps[region]:
                x, y = _foot(line, px, py)
                cost = math.hypot(px - x, py - y)
                if cost < self.cost.get(state, _FAR):
                    self.origins.append(_Origin(TEE, Tee(*chord, x, y), t))
                    self._relax(edge, gap, state, px, py, cost, -1 - len(self.origins))
            for u in regions.corners[region]:
                if u in self.quest.targets:
                    x, y = _foot(line, f.x[u], f.y[u])
                    cost = math.hypot(f.x[u] - x, f.y[u] - y) + self.quest.targets[u]
                    if cost < self.goal.cost:
                        self.origins.append(_Origin(TEE, Tee(*chord, x, y), t))
                        self._end(cost, -1 - len(self.origins), u, None)
            if self.quest.target_wires:
                (ax, ay), (bx, by) = line
                x, y = (ax + bx) / 2, (ay + by) / 2
                self.origins.append(_Origin(TEE, Tee(*chord, x, y), t))
                self._join(regions, region, t, -1 - len(self.origins), 0.0, x, y)

    # ------------------------------------------------------------------ steps and ends

    def _relax(self, edge: int, gap: int, state: int, x: Um, y: Um, cost: Um, before: int) -> None:
        """Note a first step, if the edge may be crossed there."""
        topo = self.topo
        if topo.spare[edge] < self.slot - _EXACT:
            if topo.room[edge] < self.slot - _EXACT:
                return
            if not (self.shares and self._beside_own(edge, gap)):
                cost += self.full
        if edge in topo.direct:
            cost += self._crossing(topo.direct[edge])
        if cost < self.cost.get(state, _FAR) - 1e-9:
            self.cost[state], self.before[state] = cost, before
            heappush(self.heap, (cost + self.ahead(edge, x, y), state))

    def _crossing(self, wire: int) -> Um:
        return _FAR if self.penalties is None else self.penalties.wires[wire]

    def _over(self, cuts: Iterable[int]) -> Um:
        """Penalty for second diagonals that are full."""
        topo = self.topo
        over = 0.0
        for g in cuts:
            if topo.second_spare[g] < self.slot - _EXACT:
                over += self.full if topo.second_room[g] >= self.slot - _EXACT else _FAR
        return over

    def _beside_own(self, edge: int, gap: int) -> bool:
        order, net = self.topo.order[edge], self.topo.wires.net
        return (gap > 0 and net[order[gap - 1][0]] == self.net) or (gap < len(order) and net[order[gap][0]] == self.net)

    def _join(self, regions: Regions, region: int, t: int, state: int, cost: Um, x: Um, y: Um) -> None:
        """End on a wire of the net that stands along a region."""
        for chord in regions.walls[region]:
            if chord[0] in self.quest.target_wires:
                fx, fy = _foot(self.topo.chord_ends(chord), x, y)
                total = cost + math.hypot(fx - x, fy - y)
                if total < self.goal.cost:
                    self._end(total, state, TEE, Tee(*chord, fx, fy), t)

    def _end(self, cost: Um, state: int, feature: int, tee: Tee | None, tri: int = -1) -> None:
        goal = self.goal
        goal.cost, goal.state, goal.feature, goal.tee, goal.tri = cost, state, feature, tee, tri

    def _previous_edge(self, state: int, edge: int) -> int:
        before = self.before[state]
        while before >= 0 and (before >> 1) // GAPS == edge:
            before = self.before[before]
        return (before >> 1) // GAPS if before >= 0 else -1

    def _way(self) -> Way | None:
        goal = self.goal
        if goal.cost == _FAR:
            return None
        state, steps = goal.state, []
        while state >= 0:
            place = state >> 1
            steps.append(Step(place // GAPS, place % GAPS, state & 1))
            state = self.before[state]
        steps.reverse()
        origin = self.origins[-2 - state]
        tri = -1
        if not steps and (origin.tee or goal.tee):
            tri = origin.tri if origin.tee else goal.tri
        return Way(Ends(origin.feature, goal.feature, origin.tee, goal.tee, tri), steps, goal.cost)


def _estimate(topo: Topology, quest: Quest) -> Callable[[int, Um, Um], Um]:
    """The least way that can be left from a point on an edge."""
    f = topo.tiles.features
    if quest.outward:
        return _to_outline(topo.tiles)
    if quest.among:
        away, extra = topo.tiles.away_from(quest.among), min(quest.targets.values(), default=0.0)
        return lambda edge, *_: away[edge] + extra
    greed = quest.greed
    points = [(f.x[v], f.y[v]) for v in sorted(quest.targets)]
    if len(points) == 1 and not quest.target_wires:
        tx, ty = points[0]
        return lambda _, x, y: greed * math.hypot(x - tx, y - ty)
    if len(points) <= _FEW and not quest.target_wires:
        return _to_nearest(points)
    for wire in quest.target_wires:
        for e in topo.strands[wire].edges:
            x0, y0, x1, y1 = topo.tiles.span[e]
            points += [(x0, y0), (x1, y1)]
    left, right = min(p[0] for p in points), max(p[0] for p in points)
    low, high = min(p[1] for p in points), max(p[1] for p in points)

    def to_box(_: int, x: Um, y: Um) -> Um:
        dx = left - x if x < left else x - right if x > right else 0.0
        dy = low - y if y < low else y - high if y > high else 0.0
        return math.hypot(dx, dy)

    return to_box


def _to_nearest(points: Sequence[tuple[Um, Um]]) -> Callable[[int, Um, Um], Um]:
    """The distance to the nearest of a few points; loops and generators would take as long as all else in a search."""
    if len(points) == 2:
        (ax, ay), (bx, by) = points
        return lambda _, x, y: min(math.hypot(x - ax, y - ay), math.hypot(x - bx, y - by))
    if len(points) == 3:
        (ax, ay), (bx, by), (cx, cy) = points
        return lambda _, x, y: min(math.hypot(x - ax, y - ay), math.hypot(x - bx, y - by), math.hypot(x - cx, y - cy))
    return lambda _, x, y: min(math.hypot(x - px, y - py) for px, py in points)


def _to_outline(tiles: Tiles) -> Callable[[int, Um, Um], Um]:
    ring = tiles.outline
    xs, ys = sorted({p[0] for p in ring}), sorted({p[1] for p in ring})
    if len(ring) == 4 and len(xs) == len(ys) == 2:
        (x0, x1), (y0, y1) = xs, ys
        return lambda _, x, y: min(x - x0, x1 - x, y - y0, y1 - y)
    sides = list(zip(ring, ring[1:] + ring[:1], strict=True))

    def nearest(_: int, x: Um, y: Um) -> Um:
        out = _FAR
        for side in sides:
            fx, fy = _foot(side, x, y)
            out = min(out, math.hypot(fx - x, fy - y))
        return out

    return nearest


def _foot(line: tuple[tuple[Um, Um], tuple[Um, Um]], x: Um, y: Um) -> tuple[Um, Um]:
    """The point of a line nearest to (x, y)."""
    (ax, ay), (bx, by) = line
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    f = min(1.0, max(0.0, ((x - ax) * dx + (y - ay) * dy) / length)) if length else 0.0
    return ax + f * dx, ay + f * dy
