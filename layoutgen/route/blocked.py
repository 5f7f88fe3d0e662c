"""Why a wire finds no way: channels that are full or too narrow for it, and wires that stand across.

What a wire can reach is looked up in the network of a flow in which no place has room left that lets it out: its rim is
the cut, which is full.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt

from layoutgen.route.escape import Cut, Side, cuts_around, edges_on, joined_parts
from layoutgen.route.features import Floats, Ints
from layoutgen.route.flow_network import Network, Space, network, open_space
from layoutgen.route.search import Quest
from layoutgen.route.tiles import UNBOUNDED
from layoutgen.route.topology import Topology
from layoutgen.units import Um

MOST_CUTS = 60
"""Cuts that are drawn up at most; why other wires are missing is known all the same."""
_EXACT = 1e-6
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Block:
    """What keeps a wire in.

    cut: the channels that one more wire does not fit through; None where there are none between the wires, or too many
        cuts were asked for.
    across: numbers of the wires that stand along the rest of its way; where there are none, room alone keeps it in.
    taken: whether there would be room, had not wires that were drawn there come too near to something.
    """

    cut: Cut | None
    across: tuple[int, ...] = ()
    taken: bool = False


def blocks(topo: Topology, quests: Sequence[Quest], sides: Sequence[Side] = ()) -> list[Block | None]:
    """What keeps each of some wires in; None where a way is open.

    First by room alone; where room is left but wires stand across, by the regions between them. Channels that were
    closed because of what had been drawn there (`Topology.close`) count last.

    sides: those that hold no more ties than are there let no other tie out.
    """
    out: list[Block | None] = [None] * len(quests)
    left = list(range(len(quests)))
    drawn = 0
    for taken, walls in product((False, True), (False, True)):
        groups: dict[tuple[Um, bool], list[int]] = {}
        for i in left:
            groups.setdefault((topo.wires.slot[quests[i].wire], quests[i].outward), []).append(i)
        for (slot, outward), members in groups.items():
            asked = [quests[i] for i in members]
            known: dict[tuple[bytes, tuple[int, ...]], Block] = {}
            view = _View(topo, _space(topo, slot, sides, outward=outward, walls=walls, taken=taken), asked)
            for i in members:
                reached = view.reached(quests[i])
                if reached is None:
                    continue
                goal = (*sorted(quests[i].targets), -1, *sorted(quests[i].target_wires))
                rim = reached[: 2 * len(view.open)].tobytes(), goal  # who reaches the same for the same has one rim
                if rim not in known and drawn < MOST_CUTS:
                    known[rim] = Block(*view.cut(quests[i], reached), taken)
                    drawn += 1
                out[i] = known.get(rim, Block(None, (), taken))
        left = [i for i in left if out[i] is None]
    return out


def _space(topo: Topology, slot: Um, sides: Sequence[Side], *, outward: bool, walls: bool, taken: bool) -> Space:
    spare = np.array(topo.spare)
    if not taken:
        spare += np.array(topo.tiles.room) - np.array(topo.room)
    free = _wires(spare, slot)
    for side in sides if outward else ():
        edges = edges_on(topo.tiles, side)
        if sum(len(topo.order[e]) for e in edges.tolist()) >= side.most:
            free[edges] = 0
    second = _wires(np.array(topo.second_spare), slot)
    space = open_space(topo, outline=outward, walls=walls, full=True, free=free, second_free=second)
    for edge in () if walls else topo.direct:  # a wire along it takes no room across it
        space.free[edge] = free[edge]
        space.room[space.edge == edge] = free[edge]
    return space


def _wires(spare: Floats, slot: Um) -> Ints:
    out: Ints = np.floor(np.clip((spare + _EXACT) / slot, 0, UNBOUNDED)).astype(np.int64)
    return out


class _View:
    """A space, and what can be reached in it."""

    def __init__(self, topo: Topology, space: Space, quests: Sequence[Quest]) -> None:
        self.topo = topo
        self.starts = sorted({v for q in quests for v in q.sources})
        ends = sorted({v for q in quests for v in q.targets})
        outward = any(q.outward for q in quests)
        self.net: Network = network(space, [(v,) for v in self.starts], ends, outline=outward)
        net, n = self.net, len(self.net.place_gap)
        self.open: _Flags = net.room[:n] > 0
        tail, head, room = net.tail[net.passing] // 2, net.head[net.passing] // 2, net.room[net.passing]
        through = (room > 0) | ~(self.open[tail] & self.open[head])  # else a second diagonal is full
        self.tail, self.head = tail[through], head[through]
        both = self.open[self.tail] & self.open[self.head]
        self.member = joined_parts(n, self.tail[both], self.head[both])
        self.at: dict[int, list[int]] = {}
        """Edge -> its places, gap after gap."""
        for place, edge in enumerate(space.edge[net.place_gap].tolist()):
            self.at.setdefault(edge, []).append(place)

    def reached(self, quest: Quest) -> _Flags | None:
        """The nodes that a wire can reach; None where one of them is what it wants."""
        net, n = self.net, len(self.net.place_gap)
        into, out = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        sources = list(quest.sources)
        into[net.start_place[np.isin(net.start, sources)]] = True
        out[self._beside(quest.source_wires)] = True
        into[self.head[out[self.tail]]] = True
        out |= self.open & np.isin(self.member, self.member[into & self.open])
        into |= out
        into[self.head[out[self.tail]]] = True
        if into[self._beside(quest.target_wires)].any():
            return None
        ends = net.end[out[net.tail[net.ending] // 2]]
        hull = net.space.hull[net.space.edge[net.place_gap]]
        if np.isin(ends, list(quest.targets)).any() or (quest.outward and (out & hull).any()):
            return None
        if any(a in quest.sources and b in quest.targets for _, a, b in net.along):
            return None
        nodes = np.zeros(net.sink + 1, dtype=bool)
        nodes[: 2 * n : 2], nodes[1 : 2 * n : 2] = into, out
        nodes[2 * n + np.flatnonzero(np.isin(self.starts, sources))] = True
        return nodes

    def cut(self, quest: Quest, reached: _Flags) -> tuple[Cut | None, tuple[int, ...]]:
        """The shortest cut around a part of what was reached, and the wires along the rest of its rim."""
        net, n = self.net, len(self.net.place_gap)
        ends = [2 * p + side for p in self._beside(quest.target_wires) for side in (0, 1)]
        beyond = [net.sink] if quest.outward else [2 * n + net.nets + v for v in quest.targets] + ends
        cuts, within = cuts_around(self.topo, net, reached, beyond)
        found = min((c for c in cuts if c.lines), key=lambda c: (_length(c), c.edges), default=None)
        return found, tuple(sorted(self._walls(within) - set(quest.source_wires)))

    def _walls(self, within: _Flags) -> set[int]:
        """Wires with a gap within on one side and another gap on the other, or along an edge of the rim."""
        along = ((edge, wire) for edge, wire in self.topo.direct.items() if edge in self.at)
        out = {w for edge, w in along if within[2 * self.at[edge][0]] and not within[2 * self.at[edge][0] + 1]}
        for edge, places in self.at.items():
            if len(places) > 1:
                inner = within[2 * np.array(places)]
                order = self.topo.order[edge]
                out |= {order[k][0] for k in np.flatnonzero(inner[:-1] != inner[1:]).tolist()}
        return out

    def _beside(self, wires: Iterable[int]) -> list[int]:
        """The places next to wires."""
        out: set[int] = set()
        for wire in wires:
            s = self.topo.strands[wire]
            along = (self.topo.tiles.edge_of[min(s.start, s.end), max(s.start, s.end)],) if s.direct else ()
            for edge in (*s.edges, *along):
                places = self.at.get(edge, [])
                crossed = [k for k, (w, _) in enumerate(self.topo.order[edge]) if w == wire]
                out.update(places if len(places) < 2 else (p for k in crossed for p in places[k : k + 2]))
        return sorted(out)


def _length(cut: Cut) -> Um:
    return sum(math.dist(a, b) for line in cut.lines for a, b in pairwise(line))
