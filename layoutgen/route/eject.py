"""Routing of all links: each is inserted, throwing out what stands in its way, whose links are inserted again in turn.

A chain that does not end within its limit is rolled back whole. Limits count steps, never seconds, and all chance comes
from one seeded generator: the result is the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from layoutgen.route.dice import Dice
from layoutgen.route.search import Penalties, Way, find
from layoutgen.route.topology import OUTSIDE, Step, Topology
from layoutgen.units import Um

PENALTIES = (150.0, 400.0, 1000.0, 60.0, 2500.0)
"""Detour in um that crossing a wire is worth, tried in turn."""
LOCKED = 1e6
IMPROVE_ROUNDS = 6
RETRY_ROUNDS = 12
SEARCHES_PER_LINK = 15
"""Work after which missing links are given up, and once more after which no detours are looked for."""


@dataclass(frozen=True)
class Link:
    """One wire to be: between two terminals of a net (feature indices), or from `start` to the outline."""

    net: str
    start: int
    end: int
    air: Um
    """Straight length."""

    @property
    def tie(self) -> bool:
        return self.end == OUTSIDE


@dataclass
class _Undo:
    """Enough to take back one change."""

    wire: int
    inserted: bool
    start: int = 0
    end: int = 0
    steps: tuple[Step, ...] = ()
    cost: Um = 0.0


class Ejector:
    """Routes links on a topology; a wire's number is the index of its link."""

    def __init__(self, topo: Topology, links: list[Link], members: dict[str, list[int]], seed: int = 1) -> None:
        self.topo = topo
        self.links = links
        self.members = members
        self.cost: dict[int, Um] = {}
        self.searches = 0
        self.budget = SEARCHES_PER_LINK * len(links)
        self._random = Dice(seed)
        self._siblings: dict[str, list[int]] = {}
        for i, link in enumerate(links):
            if not link.tie:
                self._siblings.setdefault(link.net, []).append(i)

    def route(self, order: Iterable[int]) -> list[int]:
        """Insert all links; returns those that could not be inserted."""
        todo = list(order)
        self.budget = max(self.budget, self.searches + SEARCHES_PER_LINK * len(todo))
        stuck = 0
        for rounds in range(RETRY_ROUNDS):
            left = [i for i in todo if self._spent() or not self._try(i, rounds)]
            if not left:
                return []
            stuck = stuck + 1 if len(left) == len(todo) else 0
            if stuck > 4 or self._spent():
                return sorted(left)
            self._random.shuffle(left)
            todo = left
        return sorted(todo)

    def _spent(self) -> bool:
        return self.searches > self.budget

    def _try(self, wire: int, rounds: int) -> bool:
        penalties = PENALTIES[:1] if rounds == 0 else self._random.sample(PENALTIES, 3)
        limit = 12 + 6 * min(rounds, 8)
        return any(self.chain(wire, p, limit, spread=rounds > 0)[0] for p in penalties)

    def improve(self) -> Um:
        """Take out wires with detours and insert them again where the sum gets shorter; returns the gain in um."""
        gain = 0.0
        self.budget = self.searches + SEARCHES_PER_LINK * len(self.links)
        for _ in range(IMPROVE_ROUNDS):
            before = gain
            for wire in sorted(self.cost, key=lambda i: (self.links[i].air - self.cost[i], i)):
                old = self.cost[wire]
                if self._spent() or old - self.links[wire].air < 0.02 * self.links[wire].air + 5.0:
                    continue
                log: list[_Undo] = []
                self._remove(wire, log)
                penalty = self._random.choice(PENALTIES)
                ok, change, chain_log = self.chain(wire, penalty, 8, spread=True, budget=old)
                if ok and change < old - 1e-6:
                    gain += old - change
                else:
                    self._roll_back(chain_log)
                    self._roll_back(log)
            if gain - before < 1.0:
                break
        return gain

    def chain(
        self, wire: int, penalty: Um, limit: int, *, spread: bool = False, budget: Um = math.inf
    ) -> tuple[bool, Um, list[_Undo]]:
        """Insert one wire and again whatever it throws out.

        Returns whether it worked, the change of the total length, and what would undo it (empty if rolled back).
        """
        weights = {
            i: penalty * math.exp(self._random.uniform(-1, 1)) if spread else penalty for i in sorted(self.topo.strands)
        }
        log: list[_Undo] = []
        queue, change, steps = [wire], 0.0, 0
        while queue:
            current = queue.pop()
            steps += 1
            added = self._insert_one(current, weights, penalty, queue, log) if steps <= limit else None
            if added is None:
                self._roll_back(log)
                return False, 0.0, []
            change += added
            weights[current] = LOCKED
            if change > budget:
                self._roll_back(log)
                return False, 0.0, []
        return True, change, log

    def _insert_one(self, wire: int, weights: dict[int, Um], full: Um, queue: list[int], log: list[_Undo]) -> Um | None:
        """Insert a wire, queueing what it throws out; the change of length, or None where it cannot go."""
        change = 0.0
        for _ in range(6):
            way = self.find(wire, Penalties(weights, full))
            if way is None or way.cost >= LOCKED / 10:
                return None
            victims, steps = self._conflicts(way, weights)
            if victims is None or any(weights.get(v, LOCKED) >= LOCKED for v in victims):
                return None
            if not victims:
                cost = self.topo.estimate(steps, way.start, way.end)
                self._insert(wire, way.start, way.end, steps, cost, log)
                return change + cost
            for v in sorted(victims):
                change -= self.cost[v]
                self._remove(v, log)
                queue.append(v)
        return None

    def find(self, wire: int, penalties: Penalties | None) -> Way | None:
        """Cheapest way for a link as its net stands: between the parts of the net that are not joined yet."""
        self.searches += 1
        link = self.links[wire]
        if link.tie:
            return find(self.topo, self.members[link.net], {OUTSIDE}, penalties)
        sources = self._joined(link.net, link.start)
        return find(self.topo, sources, set(self.members[link.net]) - sources, penalties)

    def _joined(self, net: str, start: int) -> set[int]:
        """Terminals that wires of the net join to `start`."""
        joined = {start}
        strands = [self.topo.strands[i] for i in self._siblings[net] if i in self.topo.strands]
        grown = True
        while grown:
            grown = False
            for s in strands:
                if (s.start in joined) != (s.end in joined):
                    joined |= {s.start, s.end}
                    grown = True
        return joined

    # ------------------------------------------------------------------ conflicts

    def _conflicts(self, way: Way, weights: dict[int, Um]) -> tuple[set[int] | None, list[Step]]:
        """Wires to throw out for a way, None if even that does not help; and the steps without sideways moves."""
        topo = self.topo
        victims: set[int] = set()
        steps: list[Step] = []
        for s in way.steps:
            if steps and steps[-1].edge == s.edge and steps[-1].into == s.into:
                victims.add(topo.order[s.edge][min(steps[-1].gap, s.gap)][0])
                steps[-1] = s
            else:
                steps.append(s)
        victims |= {topo.direct[s.edge] for s in steps if s.edge in topo.direct}
        for edge, uses in _counts(s.edge for s in steps).items():
            crossing = _counts(w for w, _ in topo.order[edge])
            over = len(topo.order[edge]) + uses - topo.capacity[edge]
            if not _choose(victims, crossing, over, weights):
                return None, steps
        for cut, uses in _counts(topo.cuts_of(steps, way.start, way.end)).items():
            over = topo.second_load[cut] + uses - topo.second_capacity[cut]
            if not _choose(victims, topo.second[cut], over, weights):
                return None, steps
        return victims, steps

    # ------------------------------------------------------------------ logged changes

    def _insert(self, wire: int, start: int, end: int, steps: list[Step], cost: Um, log: list[_Undo]) -> None:
        self.topo.insert(wire, start, end, steps)
        self.cost[wire] = cost
        log.append(_Undo(wire, True))

    def _remove(self, wire: int, log: list[_Undo]) -> None:
        s = self.topo.strands[wire]
        log.append(_Undo(wire, False, s.start, s.end, tuple(self.topo.steps_of(wire)), self.cost.pop(wire)))
        self.topo.remove(wire)

    def remove(self, wire: int) -> None:
        """Take a wire out for good."""
        self._remove(wire, [])

    def _roll_back(self, log: list[_Undo]) -> None:
        for entry in reversed(log):
            if entry.inserted:
                self.topo.remove(entry.wire)
                del self.cost[entry.wire]
            else:
                self.topo.insert(entry.wire, entry.start, entry.end, list(entry.steps), absolute=True)
                self.cost[entry.wire] = entry.cost


def _counts(items: Iterable[int]) -> dict[int, int]:
    out: dict[int, int] = {}
    for item in items:
        out[item] = out.get(item, 0) + 1
    return out


def _choose(victims: set[int], present: dict[int, int], over: int, weights: dict[int, Um]) -> bool:
    """Add the lightest wires among those present until `over` crossings are freed; False if that is impossible."""
    if over <= 0:
        return True
    over -= sum(n for w, n in present.items() if w in victims)
    for w in sorted(present, key=lambda w: (weights.get(w, LOCKED), w)):
        if over <= 0:
            break
        if w not in victims:
            victims.add(w)
            over -= present[w]
    return over <= 0
