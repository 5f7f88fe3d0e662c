"""Ties: how many nets can reach the outline at all, what holds the others back, and all ties at once.

No wire can be drawn that a flow does not allow: the largest flow from the nets to the outline bounds the number of
ties, and the smallest cut shows where it is lost (Ford and Fulkerson 1956).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from layoutgen.route.features import Floats, Ints, least_space, sides_of
from layoutgen.route.flow import ROUNDS, Planar, connect
from layoutgen.route.flow_network import Network, network, open_space, solve
from layoutgen.route.problem import RouteProblem
from layoutgen.route.tiles import Tiles
from layoutgen.route.topology import Topology
from layoutgen.units import Um

NO_LIMIT = 10**6
_EXACT = 1e-6
_NEAR = 1e-3
"""What lies on a side of the outline does so to within this (um)."""
_SHARP = math.radians(30)
"""Corners of the outline that turn by more than this keep ends of ties half a width off."""
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cut:
    """Where fewer wires fit than want to pass.

    lines: polylines through features (um), the longest first.
    edges: tile edges of the lines. Where a line crosses a tile instead, it is the second diagonal of the edge.
    capacity: wires that fit across all lines together.
    demand: wires that want to cross: those that do, and those that stay behind.
    nets: numbers of the source sets on the inner side of it.
    """

    lines: tuple[tuple[tuple[Um, Um], ...], ...]
    edges: tuple[int, ...]
    capacity: int
    demand: int
    nets: tuple[int, ...]


@dataclass(frozen=True)
class Side:
    """A side of the outline, from `start` to `end` (um): how many ends of ties it holds, whatever their order."""

    start: tuple[Um, Um]
    end: tuple[Um, Um]
    most: int


def sides_for_ties(problem: RouteProblem) -> list[Side]:
    """What each side of the outline holds at the least width and space of the problem's nets, on the ties' pitch.

    Ends stand so far apart that both hold, and off the corners by half a width: n steps hold n + 1 of them.
    """
    nets = ["", *problem.rules]
    width = min(map(problem.width_of, nets))
    apart, pitch = width + least_space(problem), problem.tie_pitch
    whole = sides_of(problem.outline)
    out = []
    for k, (start, direction, length) in enumerate(whole):
        turns = [_turn(whole[j][1], whole[j + 1 - len(whole)][1]) for j in (k - 1, k)]
        before, after = (width / 2 if turn > _SHARP else 0.0 for turn in turns)
        free = length - before - after
        if pitch > 0:  # on the pitch counted from the middle of the side
            first = math.ceil((before - length / 2) / pitch - _EXACT)
            last = math.floor((length / 2 - after) / pitch + _EXACT)
            steps = (last - first) // math.ceil(apart / pitch - _EXACT)
        else:
            steps = math.floor(free / apart + _EXACT)
        (x0, y0), (x1, y1) = start.tolist(), (start + direction * length).tolist()
        out.append(Side((x0, y0), (x1, y1), max(0, steps + 1)))
    return out


def _turn(before: Floats, after: Floats) -> float:
    """By how much a counter-clockwise outline turns inward at a corner (rad), less than 0 for outward."""
    return math.atan2(float(before[0] * after[1] - before[1] * after[0]), float(before @ after))


def edges_on(tiles: Tiles, side: Side) -> Ints:
    """The tile edges along a side of the outline."""
    hull = np.flatnonzero(tiles.tri_array[:, 1] < 0)
    start, along = np.array(side.start), np.subtract(side.end, side.start)
    rel = tiles.features.at[tiles.end_array[hull]] - start
    away = np.abs(rel[..., 0] * along[1] - rel[..., 1] * along[0]) / np.hypot(*along)
    part = (rel @ along) / (along @ along)
    out: Ints = hull[((away < _NEAR) & (part > -_EXACT) & (part < 1 + _EXACT)).all(1)]
    return out


def tie_bound(topo: Topology, groups: Sequence[Collection[int]], sides: Sequence[Side] = ()) -> tuple[int, list[Cut]]:
    """The most sets of features that can have a wire to the outline each, were there no other wires; and why no more.

    sides: where given, no side of the outline takes more ties than it holds.

    Every cut has a larger demand than its capacity; the sum of the differences is what the bound lacks.
    """
    fresh = Topology(topo.tiles, topo.wires)
    space = open_space(fresh, outline=True, walls=False, full=True)
    net = network(space, groups, (), outline=True)
    if sides:
        net = _with_sides(net, sides)
    value, inner = _max_flow(net)
    reached = np.zeros(_nodes(net), dtype=bool)
    reached[inner] = True
    cuts, _ = cuts_around(fresh, net, reached, [net.sink], sides)
    return value, cuts


def _with_sides(net: Network, sides: Sequence[Side]) -> Network:
    """A network whose wires leave by nodes for the sides of the outline, which take no more than they hold."""
    head, exits = net.head.copy(), np.flatnonzero((net.head == net.sink) & (net.tail < 2 * len(net.place_gap)))
    edge = net.space.edge[net.place_gap[net.tail[exits] // 2]]
    nodes = net.sink + 1 + np.arange(len(sides))
    for node, side in zip(nodes.tolist(), sides, strict=True):
        head[exits[np.isin(edge, edges_on(net.space.tiles, side))]] = node
    return replace(
        net,
        tail=np.concatenate([net.tail, nodes]),
        head=np.concatenate([head, np.full(len(sides), net.sink)]),
        room=np.concatenate([net.room, [side.most for side in sides]]),
        cost=np.concatenate([net.cost, np.zeros(len(sides))]),
    )


def tie_all(
    topo: Topology,
    groups: Sequence[Collection[int]],
    *,
    slots: int | None = 1,
    free: Ints | None = None,
    second_free: Ints | None = None,
    price: Floats | None = None,
    rounds: int = ROUNDS,
) -> tuple[Planar, list[int]]:
    """One tie from each set of features to the outline, as many as fit beside the wires that are there.

    Returns the ties and, for each, the number of its set.
    """
    planar = connect(
        topo, groups, (), outline=True, slots=slots, free=free, second_free=second_free, price=price, rounds=rounds
    )
    group_of = {v: k for k, members in enumerate(groups) for v in members}
    return planar, [group_of[s.start] for s in planar.strands]


def passable(topo: Topology, groups: Sequence[Collection[int]]) -> int:
    """How many ties a flow passes between the wires that are there, though gaps may have to share too little room."""
    net = network(open_space(topo, outline=True), groups, (), outline=True)
    return int(solve(net)[net.tail == net.top].sum())


# ---------------------------------------------------------------------- flow and cut


def _max_flow(net: Network) -> tuple[int, Ints]:
    """The value, and the nodes on the source side of the smallest cut."""
    from ortools.graph.python import max_flow

    # Only places, second diagonals and nets limit anything, so that only they can be cut.
    room = net.room.astype(np.int64)
    p, q = net.tail[net.passing] // 2, net.head[net.passing] // 2
    room[net.passing] = np.where(room[net.passing] < np.minimum(room[p], room[q]), room[net.passing], NO_LIMIT)
    room[net.starting] = NO_LIMIT
    solver = max_flow.SimpleMaxFlow()
    solver.add_arcs_with_capacity(net.tail.astype(np.int32), net.head.astype(np.int32), room)
    solver.solve(net.top, net.sink)
    return int(solver.optimal_flow()), np.asarray(sorted(solver.get_source_side_min_cut()), dtype=np.int64)


def _nodes(net: Network) -> int:
    return int(max(net.tail.max(initial=0), net.head.max(initial=0), net.sink)) + 1


def cuts_around(
    topo: Topology, net: Network, reached: _Flags, beyond: Collection[int], sides: Sequence[Side] = ()
) -> tuple[list[Cut], _Flags]:
    """One cut for each part of the nodes that were reached, the one that lacks most room first.

    beyond: nodes on the outer side; what they are not joined to lies within.

    Returns the nodes within as well.
    """
    within = _filled(net, reached, beyond)
    member = _parts(net, within)
    crossing = np.flatnonzero(within[net.tail] & ~within[net.head])
    edges: dict[int, set[int]] = {}
    diagonals: dict[int, set[int]] = {}
    ends: dict[int, list[Side]] = {}
    places = len(net.place_gap)
    edge_of = net.space.edge[net.place_gap]
    for arc in crossing.tolist():
        part, tail = int(member[net.tail[arc]]), int(net.tail[arc])
        if arc < places and edge_of[arc] in topo.direct:
            continue  # no channel: a wire stands there
        if arc < places:
            edges.setdefault(part, set()).add(int(edge_of[arc]))
        elif net.passing.start <= arc < net.passing.stop:
            tri = int(net.pass_tri[arc - net.passing.start])
            before, after = int(edge_of[tail // 2]), int(edge_of[net.head[arc] // 2])
            diagonals.setdefault(part, set()).add(sum(topo.tiles.tri_edges[tri]) - before - after)
        elif tail > net.sink:
            ends.setdefault(part, []).append(sides[tail - net.sink - 1])
    nets: dict[int, list[int]] = {}
    first = 2 * places
    for k in range(net.nets):
        if reached[first + k]:
            nets.setdefault(int(member[first + k]), []).append(k)
    cuts = [
        _cut(topo, net, sorted(edges.get(part, ())), sorted(diagonals.get(part, ())), ends.get(part, []), shut_in)
        for part, shut_in in nets.items()
    ]
    return sorted((c for c in cuts if c.demand > c.capacity), key=lambda c: (c.capacity - c.demand, c.nets)), within


def _filled(net: Network, reached: _Flags, beyond: Collection[int]) -> _Flags:
    """The inner side with the islands in it: what lies beyond the cut is joined to something on the outer side."""
    outer = ~reached
    outer[net.top] = False
    if net.sink not in beyond:
        outer[net.sink] = False
    named = np.zeros_like(outer)
    named[2 * len(net.place_gap) : 2 * len(net.place_gap) + net.nets] = True
    member = _parts(net, outer & ~named)
    out: _Flags = ~(outer & np.isin(member, member[list(beyond)]))
    out[net.top] = False
    out[named] = reached[named]
    if net.sink not in beyond:
        out[net.sink] = False
    return out


def _parts(net: Network, within: _Flags) -> Ints:
    """A common number for the nodes of one side that arcs join."""
    joined = within[net.tail] & within[net.head]
    return joined_parts(len(within), net.tail[joined], net.head[joined])


def joined_parts(count: int, tail: Ints, head: Ints) -> Ints:
    """A common number for those of `count` nodes that are joined."""
    member = np.arange(count)
    while True:
        least = member.copy()
        np.minimum.at(least, member[tail], member[head])
        np.minimum.at(least, member[head], member[tail])
        least = least[least[least]]
        if (least[member] == member).all():
            return member
        member = least[member]


def _cut(
    topo: Topology, net: Network, edges: list[int], diagonals: list[int], sides: list[Side], nets: list[int]
) -> Cut:
    tiles, free, second_free = topo.tiles, net.space.free, net.space.second_free
    outer = sorted({e for side in sides for e in edges_on(tiles, side).tolist()} - set(edges))
    segments = [tiles.edges[e] for e in sorted([*edges, *outer])] + [apexes(tiles, g) for g in diagonals]
    f = tiles.features
    lines = [tuple((float(f.x[v]), float(f.y[v])) for v in line) for line in trails(segments)]
    load = sum(len(topo.order[e]) for e in edges)
    load += sum(sum(topo.second[g].values()) for g in diagonals)
    room = sum(int(free[e]) for e in edges) + sum(int(second_free[g]) for g in diagonals)
    return Cut(
        tuple(sorted(lines, key=lambda line: (-_length(line), line))),
        (*edges, *diagonals),
        load + room + sum(side.most for side in sides),
        load + len(nets),
        tuple(nets),
    )


def apexes(tiles: Tiles, edge: int) -> tuple[int, int]:
    """The features at the ends of the second diagonal of an edge."""
    own = set(tiles.edges[edge])
    first, second = (next(v for v in tiles.triangles[t] if v not in own) for t in tiles.edge_tris[edge])
    return first, second


def trails(segments: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Segments between nodes, strung together into lines that use each of them once."""
    at: dict[int, list[int]] = {}
    for k, ends in enumerate(segments):
        for v in ends:
            at.setdefault(v, []).append(k)
    used = [False] * len(segments)
    out = []
    for start in sorted(at, key=lambda v: (len(at[v]) % 2 == 0, v)):
        while any(not used[k] for k in at[start]):
            line = [start]
            while True:
                k = next((k for k in at[line[-1]] if not used[k]), -1)
                if k < 0:
                    break
                used[k] = True
                a, b = segments[k]
                line.append(b if line[-1] == a else a)
            out.append(line)
    return out


def _length(line: Sequence[tuple[Um, Um]]) -> Um:
    return sum(math.dist(a, b) for a, b in pairwise(line))
