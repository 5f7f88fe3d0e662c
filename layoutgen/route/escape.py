"""Ties: how many nets can reach the outline at all, what holds the others back, and all ties at once.

No wire can be drawn that a flow does not allow: the largest flow from the nets to the outline bounds the number of
ties, and the smallest cut shows where it is lost (Ford and Fulkerson 1956).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from layoutgen.route.flow import ROUNDS, Network, Planar, connect, free_of, network, open_space, solve
from layoutgen.route.tiles import Floats, Ints, Tiles
from layoutgen.route.topology import Topology
from layoutgen.units import Um

NO_LIMIT = 10**6


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


def tie_bound(topo: Topology, groups: Sequence[Collection[int]]) -> tuple[int, list[Cut]]:
    """The most sets of features that can have a wire to the outline each, were there no other wires; and why no more.

    Every cut has a larger demand than its capacity; the sum of the differences is what the bound lacks.
    """
    return bound(Topology(topo.tiles, topo.wires), groups)


def bound(topo: Topology, groups: Sequence[Collection[int]]) -> tuple[int, list[Cut]]:
    """The same beside the wires of a topology, of which only the room that they take counts."""
    space = open_space(topo, outline=True, walls=False, full=True)
    net = network(space, groups, (), outline=True)
    value, inner = _max_flow(net)
    return value, _cuts(topo, net, inner)


def bottleneck(
    topo: Topology, sources: Collection[int], targets: Collection[int], *, outline: bool = False
) -> Cut | None:
    """What keeps one more wire from any source to any target, or to the outline; None where a way is open.

    First by room alone; where room is left but the wires that are there stand across, by the regions between them.
    """
    for walls in (False, True):
        space = open_space(topo, outline=outline, walls=walls, full=True)
        net = network(space, [sources], [] if outline else targets, outline=outline)
        value, inner = _max_flow(net)
        if value == 0:
            return next(iter(_cuts(topo, net, inner)), None)
    return None


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


def _cuts(topo: Topology, net: Network, inner: Ints) -> list[Cut]:
    """One cut for each part of the inner side that lacks room, the one that lacks most first."""
    reached = np.zeros(net.sink + 1, dtype=bool)
    reached[inner] = True
    within = _filled(net, reached)
    member = _parts(net, within)
    crossing = np.flatnonzero(within[net.tail] & ~within[net.head])
    edges: dict[int, set[int]] = {}
    diagonals: dict[int, set[int]] = {}
    places = len(net.place_gap)
    edge_of = net.space.edge[net.place_gap]
    for arc in crossing.tolist():
        part = int(member[net.tail[arc]])
        if arc < places:
            edges.setdefault(part, set()).add(int(edge_of[arc]))
        elif net.passing.start <= arc < net.passing.stop:
            tri = int(net.pass_tri[arc - net.passing.start])
            before, after = int(edge_of[net.tail[arc] // 2]), int(edge_of[net.head[arc] // 2])
            diagonals.setdefault(part, set()).add(sum(topo.tiles.tri_edges[tri]) - before - after)
    nets: dict[int, list[int]] = {}
    first = 2 * places
    for k in range(net.nets):
        if reached[first + k]:
            nets.setdefault(int(member[first + k]), []).append(k)
    cuts = [
        _cut(topo, sorted(edges.get(part, ())), sorted(diagonals.get(part, ())), shut_in)
        for part, shut_in in nets.items()
    ]
    return sorted((c for c in cuts if c.demand > c.capacity), key=lambda c: (c.capacity - c.demand, c.nets))


def _filled(net: Network, reached: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The inner side with the islands in it: what lies beyond the cut is joined to the sink."""
    outer = ~reached
    outer[net.top] = False
    named = np.zeros_like(outer)
    named[2 * len(net.place_gap) : 2 * len(net.place_gap) + net.nets] = True
    member = _parts(net, outer & ~named)
    out: npt.NDArray[np.bool_] = ~(outer & (member == member[net.sink]))
    out[net.top] = False
    out[named] = reached[named]
    return out


def _parts(net: Network, within: npt.NDArray[np.bool_]) -> Ints:
    """A common number for the nodes of the inner side that arcs with room join."""
    member = np.arange(len(within))
    joined = within[net.tail] & within[net.head]
    tail, head = net.tail[joined], net.head[joined]
    while True:
        least = member.copy()
        np.minimum.at(least, member[tail], member[head])
        np.minimum.at(least, member[head], member[tail])
        least = least[least[least]]
        if (least[member] == member).all():
            return member
        member = least[member]


def _cut(topo: Topology, edges: list[int], diagonals: list[int], nets: list[int]) -> Cut:
    tiles = topo.tiles
    loads = np.asarray(tiles.second_capacity) - free_of(topo)[1]
    segments = [tiles.edges[e] for e in edges] + [apexes(tiles, g) for g in diagonals]
    f = tiles.features
    lines = [tuple((float(f.x[v]), float(f.y[v])) for v in line) for line in trails(segments)]
    load = sum(len(topo.order[e]) for e in edges) + sum(int(loads[g]) for g in diagonals)
    return Cut(
        tuple(sorted(lines, key=lambda line: (-_length(line), line))),
        (*edges, *diagonals),
        sum(int(tiles.capacity[e]) for e in edges) + sum(int(tiles.second_capacity[g]) for g in diagonals),
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
