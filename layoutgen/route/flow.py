"""Many wires at once as one network flow: which free target each source takes, and on which way.

A flow of least cost (see `flow_network`) honours the capacity of every edge and gives every wire at the same time. In
each region it is taken apart into nested chords, so that no two wires cross.
"""

from __future__ import annotations

import math
from bisect import bisect, insort
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from layoutgen.route.features import Floats, Ints
from layoutgen.route.flow_network import Flow, Space, flow_of, network, open_space, solve
from layoutgen.route.program import solve_whole
from layoutgen.route.tiles import Tiles
from layoutgen.route.topology import OUTSIDE, Ends, Step, Strand, Topology
from layoutgen.units import Um

ROUNDS = 16
"""Solutions of a flow, at most, until all capacities that it knows only in part are honoured."""
DEARER = 0.12
"""What a crossing too many adds to the price of an edge in every round, as a part of the median gap."""
ARCS = 120_000
"""Arcs between places that a network may have for the sake of better lengths."""
MOST_SLOTS = 4
WHOLE = 30_000
"""Arcs of a network, at most, that is solved as an integer program where the flow exceeds what gaps share."""


@dataclass
class Planar:
    """Wires that do not cross each other or those present.

    places: per edge, the crossings of the new wires from its first to its second feature, each as (gap between the
    present wires, number in `strands`, number of the crossing within the wire).
    """

    strands: list[Strand] = field(default_factory=list)
    places: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    cost: Um = 0.0
    """Length as the flow counts it, through the middles of places."""

    def without(self, gone: Collection[int]) -> Planar:
        """Only the other wires, numbered anew."""
        kept = [k for k in range(len(self.strands)) if k not in gone]
        number = {k: i for i, k in enumerate(kept)}
        places = {e: [(g, number[k], i) for g, k, i in p if k in number] for e, p in self.places.items()}
        return Planar([self.strands[k] for k in kept], {e: p for e, p in places.items() if p}, self.cost)


def install(topo: Topology, planar: Planar, numbers: Sequence[int]) -> None:
    """Insert wires into the topology that they were found for; wire k is called numbers[k]."""
    rank: dict[tuple[int, int], tuple[int, int]] = {}
    for found in planar.places.values():
        for position, (gap, wire, crossing) in enumerate(found):
            rank[wire, crossing] = gap, position
    placed: dict[int, list[int]] = {}
    for k, strand in enumerate(planar.strands):
        steps = []
        for i, edge in enumerate(strand.edges):
            gap, position = rank[k, i]
            into = 1 if topo.tiles.edge_tris[edge][0] == strand.tris[i] else 0
            steps.append(Step(edge, gap + bisect(placed.get(edge, []), position), into))
        for i, edge in enumerate(strand.edges):
            insort(placed.setdefault(edge, []), rank[k, i][1])
        topo.insert(numbers[k], Ends(strand.start, strand.end), steps)


# ---------------------------------------------------------------------- from flow to wires


def take_apart(space: Space, flow: Flow) -> Planar:
    """The wires of a flow: in every region, what comes in is joined to what goes out by nested chords."""
    tiles = space.tiles
    ends = tiles.end_array
    triangles = tiles.corner_array
    tri_edges = tiles.edge_array
    amount = np.abs(flow.through)
    gap = np.repeat(np.arange(len(amount)), amount)
    number = np.arange(len(gap)) - np.repeat(np.cumsum(amount) - amount, amount)
    crossings = len(gap)
    f = ((number + 0.5) / amount[gap])[:, None]
    point = space.span[gap, :2] * (1 - f) + space.span[gap, 2:] * f
    edge = space.edge[gap]

    # items around regions: both sides of crossings, sources, targets
    region = np.concatenate([space.region[gap, 0], space.region[gap, 1], flow.start_region, flow.end_region])
    outgoing = flow.through[gap] > 0
    none = np.zeros(len(flow.start), dtype=bool)
    incoming = np.concatenate([~outgoing, outgoing, ~none, np.zeros(len(flow.end), dtype=bool)])
    item = np.concatenate(
        [
            np.arange(crossings),
            np.arange(crossings),
            crossings + np.arange(len(flow.start)),
            crossings + len(flow.start) + np.arange(len(flow.end)),
        ]
    )
    at = np.column_stack([tiles.features.x, tiles.features.y]).astype(np.float64)
    where = np.concatenate([point, at[flow.start], at[flow.end]])
    tri = np.where(region >= 0, space.tri[region], 0)
    side_edge = np.concatenate([edge, edge])
    side_tri = tri[: 2 * crossings]
    side = (tri_edges[side_tri] == side_edge[:, None]).argmax(axis=1)
    ahead = ends[side_edge, 0] == triangles[side_tri, side]
    along = np.tile(np.arange(crossings), 2)
    corner = (triangles[tri[2 * crossings :]] == np.concatenate([flow.start, flow.end])[:, None]).argmax(axis=1)
    major = np.concatenate([2 * side + 1, 2 * corner])
    minor = np.concatenate([np.where(ahead, along, -along), np.zeros(len(corner), dtype=np.int64)])
    kept = np.flatnonzero(region >= 0)
    kept = kept[np.lexsort((minor[kept], major[kept], region[kept]))]

    follow = [-1] * len(where)
    points: list[tuple[float, float]] = list(map(tuple, where.tolist()))
    incoming_l, item_l = incoming[kept].tolist(), item[kept].tolist()
    cuts = [0, *(np.flatnonzero(np.diff(region[kept])) + 1).tolist(), len(kept)] if len(kept) else [0]
    for a, b in pairwise(cuts):
        for x, y in nested(incoming_l[a:b], item_l[a:b], points):
            follow[x] = y

    # follow each wire from its source
    planar = Planar(cost=flow.cost)
    edge_l, gap_l = edge.tolist(), space.gap[gap].tolist()
    pairs, node_ends = tiles.edge_tris, tiles.edges
    start_l, end_l = flow.start.tolist(), flow.end.tolist()
    start_tri = space.tri[flow.start_region].tolist()
    used: list[tuple[int, int, int, int]] = []
    for k, source in enumerate(start_l):
        way, tris = [], [start_tri[k]]
        here = follow[crossings + k]
        while 0 <= here < crossings:
            way.append(here)
            one, other = pairs[edge_l[here]]
            tris.append(other if tris[-1] == one else one)
            here = follow[here] if tris[-1] >= 0 else -1
        target = end_l[here - crossings - len(start_l)] if here >= 0 else OUTSIDE
        a, b = 0, len(way)
        while a < b - (target < 0) and source in node_ends[edge_l[way[a]]]:
            a += 1
        while target >= 0 and b > a and target in node_ends[edge_l[way[b - 1]]]:
            b -= 1
        number_of = len(planar.strands)
        used += [(c, gap_l[c], number_of, i) for i, c in enumerate(way[a:b])]
        planar.strands.append(Strand(source, target, tuple(edge_l[c] for c in way[a:b]), tuple(tris[a : b + 1])))
    for e, source, target in flow.along:
        planar.strands.append(Strand(source, target, (), (pairs[e][0],)))
    for c, g, k, i in sorted(used):
        planar.places.setdefault(edge_l[c], []).append((g, k, i))
    return planar


def nested(incoming: list[bool], item: list[int], at: list[tuple[float, float]]) -> list[tuple[int, int]]:
    """Pairs (comes in, goes out) of nested chords between items in cyclic order; of several ways the shortest."""
    n = len(item)
    changes = [i for i in range(n) if incoming[i] != incoming[i - 1]]
    best: list[tuple[int, int]] = []
    least = math.inf
    for first in changes if len(changes) > 2 else changes[:1]:
        stack: list[int] = []
        pairs = []
        for k in range(first, first + n):
            i = k % n
            if stack and incoming[stack[-1]] != incoming[i]:
                j = stack.pop()
                pairs.append((item[j], item[i]) if incoming[j] else (item[i], item[j]))
            else:
                stack.append(i)
        if len(changes) <= 2:
            return pairs
        length = sum(math.dist(at[a], at[b]) for a, b in pairs)
        if length < least - 1e-9:
            best, least = pairs, length
    return best


# ---------------------------------------------------------------------- whole answers


def connect(
    topo: Topology,
    sources: Sequence[Collection[int]],
    targets: Collection[int],
    *,
    outline: bool = False,
    slots: int | None = None,
    free: Ints | None = None,
    second_free: Ints | None = None,
    price: Floats | None = None,
    rounds: int = ROUNDS,
) -> Planar:
    """Wires beside those of a topology, from as many sets of sources as possible, to targets or to the outline.

    The flow knows in part only that gaps of one edge share its room, and how full second diagonals get: where wires
    exceed either, crossing there gets dearer, later also the fullest gap smaller, and the flow is solved again.
    """
    tiles = topo.tiles
    space = open_space(topo, outline=outline, free=free, second_free=second_free)
    if slots is None:
        slots = min(MOST_SLOTS, max(1, math.isqrt(ARCS // (3 * max(1, len(space.edge))))))
    price = np.zeros(len(space.free)) if price is None else price.copy()
    step = DEARER * float(np.median(np.hypot(*(space.span[:, 2:] - space.span[:, :2]).T))) if len(space.edge) else 0.0
    best = Planar()
    for k in range(rounds):
        net = network(space, sources, targets, slots=slots, outline=outline, price=price)
        planar = take_apart(space, flow_of(net, solve(net)))
        over, across = _excess(space, planar)
        if not over and not across:
            return max(best, planar, key=_merit)
        if k == 0 and len(net.tail) <= WHOLE:
            whole = solve_whole(net)
            if whole is not None:
                return _thin_out(space, take_apart(space, flow_of(net, whole)))
        if k % 4 == 3 or k == rounds - 1:
            best = max(best, _thin_out(space, planar), key=_merit)
        for edge, excess in over.items():
            price[edge] += step * excess
        for cut, wires in across.items():
            price[_quad(tiles, cut)] += step / 2 * (len(wires) - int(space.second_free[cut]))
        if k >= rounds // 4:
            _tighten(space, planar, over, across)
    return best


def _merit(planar: Planar) -> tuple[int, Um]:
    return len(planar.strands), -planar.cost


def assign(
    topo: Topology,
    sources: Sequence[int],
    targets: Collection[int],
    *,
    slots: int | None = None,
    free: Ints | None = None,
    second_free: Ints | None = None,
    price: Floats | None = None,
) -> Planar:
    """A wire from every source to a target of its own, of least length together; see `connect`."""
    groups = [(v,) for v in sources]
    return connect(topo, groups, targets, slots=slots, free=free, second_free=second_free, price=price)


def cuts_of(tiles: Tiles, strand: Strand) -> list[int]:
    """Edges whose second diagonal a strand crosses, once per crossing."""
    edges, tris = strand.edges, strand.tris
    if not edges:
        a, b = sorted((strand.start, strand.end))
        return [e for e in tiles.tri_edges[tris[0]] if tuple(sorted(tiles.edges[e])) == (a, b)]
    out = [g for g in tiles.tri_edges[tris[0]] if g != edges[0]]
    if strand.end >= 0:
        out += [g for g in tiles.tri_edges[tris[-1]] if g != edges[-1]]
    out += [sum(tiles.tri_edges[t]) - a - b for t, (a, b) in zip(tris[1:], pairwise(edges), strict=False)]
    for before, edge, after in zip(edges, edges[1:], edges[2:], strict=False):
        u = tiles.edges[edge][0]
        if (u in tiles.edges[before]) != (u in tiles.edges[after]):
            out.append(edge)
    return out


def _excess(space: Space, planar: Planar) -> tuple[dict[int, int], dict[int, list[int]]]:
    """By how much edges are too full, and the wires over every second diagonal that is too full."""
    over = {e: len(p) - int(space.free[e]) for e, p in planar.places.items() if len(p) > space.free[e]}
    across: dict[int, list[int]] = {}
    for k, strand in enumerate(planar.strands):
        for g in cuts_of(space.tiles, strand):
            across.setdefault(g, []).append(k)
    across = {g: wires for g, wires in sorted(across.items()) if len(wires) > space.second_free[g]}
    return over, across


def _quad(tiles: Tiles, edge: int) -> list[int]:
    """An edge and the sides of the quad around it."""
    return sorted({e for t in tiles.edge_tris[edge] if t >= 0 for e in tiles.tri_edges[t]})


def _tighten(space: Space, planar: Planar, over: dict[int, int], across: dict[int, list[int]]) -> None:
    """Take room from a gap of every edge, and from one at every second diagonal, that is too full."""
    tight = set(over)
    for cut, wires in across.items():
        inside = set(wires)
        quad = _quad(space.tiles, cut)
        uses = {e: sum(1 for _, k, _ in planar.places.get(e, []) if k in inside) for e in quad}
        edge = max(quad, key=lambda e: (uses[e], int(space.free[e]), e))
        if uses[edge]:
            tight.add(edge)
        else:
            space.clear[cut] = False
    for edge in sorted(tight):
        gaps = [gap for gap, _, _ in planar.places[edge]]
        fullest = max(set(gaps), key=lambda gap: (gaps.count(gap), gap))
        space.room[int(np.searchsorted(space.edge, edge)) + fullest] = gaps.count(fullest) - 1


def _thin_out(space: Space, planar: Planar) -> Planar:
    """Without the wires that fill edges or second diagonals beyond their room."""
    while True:
        over, across = _excess(space, planar)
        votes: dict[int, int] = {}
        for edge in over:
            for _, k, _ in planar.places[edge]:
                votes[k] = votes.get(k, 0) + 1
        for wires in across.values():
            for k in wires:
                votes[k] = votes.get(k, 0) + 1
        if not votes:
            return planar
        gone = max(votes, key=lambda k: (votes[k], len(planar.strands[k].edges), -k))
        planar = planar.without({gone})
