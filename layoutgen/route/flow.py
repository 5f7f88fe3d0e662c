"""Many wires at once as one network flow: which free target each source takes, and on which way.

The nodes are the gaps between the wires that stand on an edge (one gap where there are none) and the terminals; arcs
join those that see each other within one region of a triangle. A flow of least cost honours the capacity of every edge
and gives every wire at the same time. In each region it is taken apart into nested chords, so that no two wires cross.
"""

from __future__ import annotations

import math
from bisect import bisect, insort
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from layoutgen.route.program import solve_whole
from layoutgen.route.tiles import UNBOUNDED, Floats, Ints, Tiles
from layoutgen.route.topology import OUTSIDE, Ends, Step, Strand, Topology
from layoutgen.units import Um

COST = 30
"""Cost units of a flow per um: finer ones take longer, and make wires no shorter."""
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


# ---------------------------------------------------------------------- the space between wires


@dataclass
class Space:
    """Gaps on edges with the regions on both sides, and the corners of regions, by columns."""

    tiles: Tiles
    edge: Ints
    gap: Ints
    room: Ints
    """Per gap: wires that may pass; gaps of one edge share its `free`."""
    region: Ints
    """Per gap: the region in the first and in the second triangle of its edge (-1 outside)."""
    span: Floats
    """Per gap: (x0, y0, x1, y1)."""
    tri: Ints
    """Per region."""
    corner_region: Ints
    corner: Ints
    """Features in the corners of regions."""
    free: Ints
    """Per edge: wires that still fit."""
    second_free: Ints
    """Per edge: wires that still fit across the other diagonal of the quad around it."""
    clear: npt.NDArray[np.bool_]
    """Per edge: whether a wire may run along it, because none does and none crosses it."""

    @property
    def hull(self) -> npt.NDArray[np.bool_]:
        """Per edge: whether it lies on the outline."""
        out: npt.NDArray[np.bool_] = self.tiles.tri_array[:, 1] < 0
        return out


def free_of(topo: Topology) -> tuple[Ints, Ints]:
    """Wires of the problem's width that still fit across every edge, and across every second diagonal."""
    slot = topo.tiles.slot
    free, second = (
        np.floor(np.clip(np.asarray(spare) / slot + 1e-9, 0, UNBOUNDED)).astype(np.int64)
        for spare in (topo.spare, topo.second_spare)
    )
    return free, second


def open_space(
    topo: Topology,
    *,
    outline: bool = False,
    walls: bool = True,
    full: bool = False,
    free: Ints | None = None,
    second_free: Ints | None = None,
) -> Space:
    """What the wires of a topology leave.

    outline: whether edges on the outline are part of it.
    walls: whether the wires divide it; without, only the room that they take counts.
    full: whether edges without any room are part of it.
    free, second_free: in place of what `free_of` gives.
    """
    tiles = topo.tiles
    n = len(tiles.edges)
    sides = tiles.tri_array
    crossed = np.fromiter(map(len, topo.order), dtype=np.int64, count=n)
    counted, second_counted = free_of(topo)
    free = counted if free is None else np.maximum(0, free)
    second_free = second_counted if second_free is None else np.maximum(0, second_free)
    along = np.zeros(n, dtype=bool)
    along[list(topo.direct)] = True
    free = np.where(along | ((sides[:, 1] < 0) & (not outline)), 0, free)
    clear = ~along & (crossed == 0)
    chosen = np.flatnonzero((free > 0) | (full & ((sides[:, 1] >= 0) | outline)))
    gaps = np.where(walls, crossed[chosen] + 1, 1)
    edge, gap = np.repeat(chosen, gaps), _count_up(gaps)
    first_gap = np.full(n, -1, dtype=np.int64)
    first_gap[chosen] = np.cumsum(gaps) - gaps
    whole = np.asarray(tiles.span, dtype=np.float64).reshape(-1, 4)[edge]
    step = (whole[:, 2:] - whole[:, :2]) / np.repeat(gaps, gaps)[:, None]
    start = whole[:, :2] + step * gap[:, None]

    triangles = tiles.corner_array
    region = sides[edge]
    tri = list(range(len(triangles)))
    plain = np.ones(len(triangles), dtype=bool)
    walled_region: list[int] = []
    walled_corner: list[int] = []
    for t in sorted({t for s in topo.strands.values() for t in s.tris if t >= 0}) if walls else []:
        plain[t] = False
        regions = topo.regions(t)
        for k, (members, corners) in enumerate(zip(regions.gaps, regions.corners, strict=True)):
            name = t if k == 0 else len(tri)
            if k:
                tri.append(t)
            for member in members:
                e, g = member[0], member[1]
                if first_gap[e] >= 0:
                    region[first_gap[e] + g, 0 if sides[e, 0] == t else 1] = name
            for v in sorted(set(corners)):
                walled_region.append(name)
                walled_corner.append(v)
    kept = np.flatnonzero(plain)
    return Space(
        tiles,
        edge,
        gap,
        free[edge],
        region,
        np.hstack([start, start + step]),
        np.array(tri, dtype=np.int64),
        np.concatenate([np.repeat(kept, 3), np.array(walled_region, dtype=np.int64)]),
        np.concatenate([triangles[kept].ravel(), np.array(walled_corner, dtype=np.int64)]),
        free,
        second_free,
        clear,
    )


def _count_up(counts: Ints) -> Ints:
    """0, 1, ... counts[0] - 1, 0, 1, ... counts[1] - 1 and so on."""
    out: Ints = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return out


def _join(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """All pairs of positions (i, j) with left[i] == right[j]."""
    order = np.argsort(right, kind="stable")
    low, high = (np.searchsorted(right[order], left, side) for side in ("left", "right"))
    count = high - low
    i = np.repeat(np.arange(len(left)), count)
    return i, order[_count_up(count) + np.repeat(low, count)]


# ---------------------------------------------------------------------- the network


@dataclass
class Network:
    """Nodes and arcs of a flow over a space.

    Nodes: two per place (into it, out of it), one per net, one per feature as a target, the source and the sink.
    Places are parts of gaps; several of one gap tell better how long ways through it are.
    """

    space: Space
    nets: int
    place_gap: Ints
    point: Floats
    """Per place: (x, y)."""
    tail: Ints
    head: Ints
    room: Ints
    cost: Floats
    passing: slice
    """Arcs between places."""
    pass_place: Ints
    """Of those: the place they lead to, and the triangle they cross."""
    pass_tri: Ints
    starting: slice
    start: Ints
    start_region: Ints
    start_place: Ints
    ending: slice
    end: Ints
    end_region: Ints
    straight: slice
    """Arcs along tile edges."""
    along: list[tuple[int, int, int]]
    """Of those: (edge, source, target)."""
    top: int
    sink: int
    most: int
    """Wires wanted."""


def network(
    space: Space,
    sources: Sequence[Collection[int]],
    targets: Collection[int],
    *,
    slots: int = 1,
    outline: bool = False,
    price: Floats | None = None,
) -> Network:
    """The network for at most one wire from each set of source features, to targets or to the outline.

    slots: places per gap, at most.
    price: per edge, what crossing it or running along it costs beside the length (um).
    """
    tiles = space.tiles
    at = np.column_stack([tiles.features.x, tiles.features.y]).astype(np.float64)
    ends = tiles.end_array
    tri_edges = tiles.edge_array
    hull = space.hull

    count = np.clip(space.room, 1, slots)
    gap = np.repeat(np.arange(len(count)), count)
    number, parts, room = _count_up(count), count[gap], space.room[gap]
    place_room = (number + 1) * room // parts - number * room // parts
    f = ((number + 0.5) / parts)[:, None]
    point = space.span[gap, :2] * (1 - f) + space.span[gap, 2:] * f
    edge = space.edge[gap]
    n = len(gap)
    both = space.region[gap].T.ravel()
    side_place, side_region = np.tile(np.arange(n), 2)[both >= 0], both[both >= 0]

    net_of = np.full(len(at), -1, dtype=np.int64)
    for k, members in enumerate(sources):
        net_of[list(members)] = k
    is_target = np.zeros(len(at), dtype=bool)
    is_target[list(targets)] = True
    net_node, target_node = 2 * n, 2 * n + len(sources)
    top, sink = target_node + len(at), target_node + len(at) + 1
    nets, goals = np.arange(len(sources)), np.flatnonzero(is_target)
    last = np.flatnonzero(hull[edge] & outline)
    places = np.arange(n)
    cross = np.zeros(len(ends)) if price is None else price
    columns = [
        (2 * places, 2 * places + 1, place_room, cross[edge]),
        (np.full(len(nets), top), net_node + nets, np.ones_like(nets), np.zeros(len(nets))),
        (target_node + goals, np.full(len(goals), sink), np.ones_like(goals), np.zeros(len(goals))),
        (2 * last + 1, np.full(len(last), sink), place_room[last], np.zeros(len(last))),
    ]

    def add(tail: Ints, head: Ints, room: Ints, cost: Floats) -> slice:
        first = sum(len(c[0]) for c in columns)
        columns.append((tail, head, room, cost))
        return slice(first, first + len(tail))

    def apart(a: Floats, b: Floats) -> Floats:
        out: Floats = np.hypot(*(a - b).T)
        return out

    i, j = _join(side_region, side_region)
    p, q = side_place[i], side_place[j]
    keep = (edge[p] != edge[q]) & ~hull[edge[p]]
    i, p, q = i[keep], p[keep], q[keep]
    tri = space.tri[side_region[i]]
    third = tri_edges[tri].sum(axis=1) - edge[p] - edge[q]
    room = np.minimum(np.minimum(place_room[p], place_room[q]), space.second_free[third])
    passing = add(2 * p + 1, 2 * q, room, apart(point[p], point[q]))

    def corners(of: npt.NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
        """Region, feature and place of all ways between a corner and the edge opposite to it in one region."""
        chosen = np.flatnonzero(of[space.corner])
        c, s = _join(space.corner_region[chosen], side_region)
        c, place = chosen[c], side_place[s]
        opposite = (ends[edge[place]] != space.corner[c][:, None]).all(axis=1)
        return space.corner_region[c][opposite], space.corner[c][opposite], place[opposite]

    start_region, start, start_place = corners(net_of >= 0)
    starting = add(net_node + net_of[start], 2 * start_place, np.ones_like(start), apart(at[start], point[start_place]))
    end_region, end, end_place = corners(is_target)
    inner = ~hull[edge[end_place]]
    end_region, end, end_place = end_region[inner], end[inner], end_place[inner]
    ending = add(2 * end_place + 1, target_node + end, np.ones_like(end), apart(at[end], point[end_place]))
    u, v = ends.T
    fits = np.flatnonzero(space.clear & (space.second_free > 0))
    forth, back = (fits[(net_of[a] >= 0) & is_target[b]] for a, b in ((u[fits], v[fits]), (v[fits], u[fits])))
    along = np.concatenate([forth, back])
    first, second = np.concatenate([u[forth], v[back]]), np.concatenate([v[forth], u[back]])
    straight = add(
        net_node + net_of[first], target_node + second, np.ones_like(first), apart(at[first], at[second]) + cross[along]
    )
    tail, head, rooms, cost = (np.concatenate([c[k] for c in columns]) for k in range(4))
    return Network(
        space,
        len(sources),
        gap,
        point,
        tail,
        head,
        rooms,
        cost,
        passing,
        q,
        tri,
        starting,
        start,
        start_region,
        start_place,
        ending,
        end,
        end_region,
        straight,
        list(zip(along.tolist(), first.tolist(), second.tolist(), strict=True)),
        top,
        sink,
        len(sources) if outline else min(len(sources), len(goals)),
    )


@dataclass
class Flow:
    """A solved flow: net flow through gaps, and the ends of wires in the corners of regions."""

    through: Ints
    """Per gap of the space: wires from the first triangle to the second one, negative the other way."""
    start: Ints
    """Source features of wires, and the regions that they leave into."""
    start_region: Ints
    end: Ints
    end_region: Ints
    along: list[tuple[int, int, int]]
    """(edge, source, target) of wires along edges."""
    cost: Um


def solve(net: Network) -> Ints:
    """Flow on every arc, of wires from as many nets as possible, at the least sum of costs."""
    from ortools.graph.python import min_cost_flow

    # Nodes near to each other get near numbers: the solver is a third faster for it.
    number = _near_numbers(net)
    solver = min_cost_flow.SimpleMinCostFlow()
    solver.add_arcs_with_capacity_and_unit_cost(
        number[net.tail].astype(np.int32),
        number[net.head].astype(np.int32),
        net.room.astype(np.int64),
        np.rint(net.cost * COST).astype(np.int64),
    )
    solver.set_node_supply(int(number[net.top]), net.most)
    solver.set_node_supply(int(number[net.sink]), -net.most)
    solver.solve_max_flow_with_min_cost()
    return np.asarray(solver.flows(np.arange(len(net.tail), dtype=np.int32)), dtype=np.int64)


def flow_of(net: Network, flows: Ints) -> Flow:
    """The wires that a flow on every arc means."""
    space = net.space
    sides = space.tiles.tri_array
    through = np.zeros(len(space.edge), dtype=np.int64)
    for place, tri, amount in (
        (net.pass_place, net.pass_tri, flows[net.passing]),
        (net.start_place, space.tri[net.start_region], flows[net.starting]),
    ):
        gap = net.place_gap[place]
        np.add.at(through, gap, np.where(sides[space.edge[gap], 0] == tri, amount, -amount))
    started, ended, straight = (np.flatnonzero(flows[s]) for s in (net.starting, net.ending, net.straight))
    return Flow(
        through,
        net.start[started],
        net.start_region[started],
        net.end[ended],
        net.end_region[ended],
        [net.along[k] for k in straight.tolist()],
        float((net.cost * flows).sum()),
    )


def _near_numbers(net: Network) -> Ints:
    """Numbers for the nodes of a network along a Morton curve."""
    features = net.space.tiles.features
    at = np.column_stack([features.x, features.y]).astype(np.float64)
    where = np.concatenate([np.repeat(net.point, 2, axis=0), np.zeros((net.nets, 2)), at, np.zeros((2, 2))])
    where[2 * len(net.point) + np.arange(net.nets)] = at.mean(axis=0)
    where[net.tail[net.starting]] = at[net.start]
    where -= where.min(axis=0)
    cell = (where / max(where.max(), 1e-9) * 4095).astype(np.int64)
    key = np.zeros(len(where), dtype=np.int64)
    for bit in range(12):
        key |= ((cell[:, 0] >> bit) & 1) << (2 * bit) | ((cell[:, 1] >> bit) & 1) << (2 * bit + 1)
    number = np.empty(len(where), dtype=np.int64)
    number[np.argsort(key, kind="stable")] = np.arange(len(where))
    return number


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
