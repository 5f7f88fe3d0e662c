"""The network of a flow: the space that wires leave, the nodes and arcs in it, and a solution of least cost.

The nodes are the gaps between the wires that stand on an edge (one gap where there are none) and the terminals; arcs
join those that see each other within one region of a triangle.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layoutgen.route.features import Floats, Ints
from layoutgen.route.tiles import UNBOUNDED, Tiles
from layoutgen.route.topology import Topology
from layoutgen.units import Um

COST = 30
"""Cost units of a flow per um: finer ones take longer, and make wires no shorter."""


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
