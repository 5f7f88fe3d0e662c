"""Routing of all links: each is inserted, throwing out what stands in its way, whose links are inserted again in turn.

A chain that does not end within its limit is rolled back whole. Limits count steps, never seconds, and all chance comes
from one seeded generator: the result is the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from layoutgen.route.dice import Dice
from layoutgen.route.search import Penalties, Quest, Way, find
from layoutgen.route.topology import OUTSIDE, TEE, Ends, Seen, Step, Topology, Undo, Wires
from layoutgen.units import Um

PENALTIES = (150.0, 400.0, 1000.0, 60.0, 2500.0)
"""Detour in um that crossing a wire is worth, tried in turn."""
LOCKED = 1e6
GREED = 1.5
"""While links are missing, finding some way soon matters more than finding the shortest."""
IDLE_TURNS = 2
"""Turns without a link less missing, after which those are given up."""
IMPROVE_ROUNDS = 3
WORTH = 0.001
"""Part of the length that a round must gain for another one."""
RETRY_ROUNDS = 4
SEARCHES_PER_LINK = 8
LEAST_SEARCHES = 400
"""Bounds of the searches of one turn."""
ALL_SEARCHES_PER_LINK = 6
"""Bound of the searches of all turns together, beside `LEAST_SEARCHES`."""
HARD_SEARCHES_PER_LINK = 60
"""The same where only few links of a flow are missing, all of which a flow says can be laid."""
FEW = 0.05
"""Part of all links, at most, that trades are tried for."""
HARD = (400.0, 1000.0, 2500.0, 5000.0)
"""Penalties of trades, drawn by chance."""
TRADE_STEPS = 40
"""Insertions per trade."""
TRADE_TURNS = 10
IDLE_SEARCHES_PER_LINK = 4
"""Searches after which a turn of trades ends that leaves no link less missing."""
SHORTEN_ROUNDS = 12
"""Rounds of shortening, at most, after trades, which lay wires far round."""
TIE_WORTH = 0.2
"""What an um of a tie counts beside one of a net: it serves only while the wafer is plated."""
ASKS = -3
"""End of a link to any free terminal of its group."""
_EXACT = 1e-6
_SPREADS = 256
"""Different factors that penalties are spread by."""


@dataclass(frozen=True)
class Link:
    """One wire to be, for a cluster: terminals (feature indices) that shall become one piece of metal.

    start, end: two of the cluster to be joined; or a terminal that asks for a free one (`ASKS`); or any and OUTSIDE.
    """

    net: str
    start: int
    end: int
    air: Um
    """Straight length."""
    cluster: tuple[int, ...]
    group: str = ""
    """Of the free terminals that `start` asks for."""

    @property
    def tie(self) -> bool:
        return self.end == OUTSIDE


@dataclass(frozen=True)
class _Change:
    """One insertion, or one removal and what undoes it."""

    wire: int
    undo: Undo | None = None
    cost: Um = 0.0
    seen: Seen = ()
    """What `Topology.insert` gave."""


class Ejector:
    """Routes links on a topology; a wire's number is the index of its link. `free` lists free terminals by group."""

    def __init__(
        self, topo: Topology, links: Sequence[Link], free: Mapping[str, Sequence[int]] | None = None, seed: int = 1
    ) -> None:
        self.topo = topo
        self.links = links
        self.free = free or {}
        self.taken: dict[int, int] = {}
        """Free terminal -> wire that ends there."""
        self.cost: dict[int, Um] = {}
        self.searches = 0
        self.greed = 1.0
        self.most = LEAST_SEARCHES + ALL_SEARCHES_PER_LINK * len(links)
        """Number of searches after which nothing more is tried."""
        self._worth = [1.0] * len(links)
        """What an um of each link counts when wires are shortened."""
        self._random = Dice(seed)
        spreads = [math.exp(self._random.uniform(-1, 1)) for _ in range(_SPREADS)]
        self._spreads = spreads * (2 + len(links) // _SPREADS)
        self._siblings: dict[tuple[int, ...], list[int]] = {}
        """Wires of a cluster, ties apart."""
        self._ties: dict[tuple[int, ...], list[int]] = {}
        for i, link in enumerate(links):
            (self._ties if link.tie else self._siblings).setdefault(link.cluster, []).append(i)

    # ------------------------------------------------------------------ all links

    def solve(self, order: Iterable[int], *, again: bool = True) -> list[int]:
        """Insert links and shorten those that have detours, in turns; returns those that could not be inserted.

        Shorter wires leave room for those that are missing, which is why a few turns find more than one long one.
        again: whether there are such turns at all.
        """
        self.most = self.searches + LEAST_SEARCHES + ALL_SEARCHES_PER_LINK * len(self.links)
        todo = list(order)
        left, least, idle = self.route(todo), len(self.links), 0 if again else IDLE_TURNS
        while left and idle < IDLE_TURNS and self.searches < self.most:
            idle = 0 if len(left) < least else idle + 1
            least = min(least, len(left))
            self.improve(1)
            left = self.route(left)
        self.improve(IMPROVE_ROUNDS, set(todo))
        return self.route(left) if left else []

    def insist(self, least: int = 0) -> bool:
        """Trade the last few missing links for others, between rounds of shortening, until only `least` are missing.

        What could not be placed before is thrown out last (the ejection pool of Nagata and Braysy, 2009). Returns
        whether there was anything to try.
        """
        todo = [i for i in range(len(self.links)) if i not in self.cost]
        if not least < len(todo) <= least + FEW * len(self.links):
            return False
        self.most = self.searches + LEAST_SEARCHES + HARD_SEARCHES_PER_LINK * len(self.links)
        self._worth = [TIE_WORTH if link.tie else 1.0 for link in self.links]
        for _ in range(TRADE_TURNS):
            self.greed = 1.0
            todo = self._trades(todo, least)
            if len(todo) <= least or self.searches >= self.most:
                break
            self.improve(1)
        self.most = self.searches + SHORTEN_ROUNDS * SEARCHES_PER_LINK * len(self.links)
        self.improve(SHORTEN_ROUNDS)
        return True

    def _trades(self, todo: list[int], least: int) -> list[int]:
        """A turn of trades, of one missing link by chance each; returns those that are missing then."""
        failures = [0] * len(self.links)
        fewest, since = len(todo), self.searches
        while len(todo) > least and self.searches < min(self.most, since + IDLE_SEARCHES_PER_LINK * len(self.links)):
            wire = self._random.choice(todo)
            left = self._trade(wire, failures)
            todo = sorted({*todo} - {wire} | ({left} if left is not None else set()))
            if len(todo) < fewest:
                fewest, since = len(todo), self.searches
        return todo

    def _trade(self, wire: int, failures: list[int]) -> int | None:
        """Insert a link by a long chain; returns which one is missing instead, None if none is.

        High penalties, each wire's own by chance, make the chain avoid what is there and go far round. It is taken back
        to where one link only was missing. No net is given for a tie.
        """
        penalty = self._random.choice(HARD)
        weights = [w * (1 + failures[i]) for i, w in enumerate(self._weights(penalty, spread=True))]
        log: list[_Change] = []
        queue, left, kept = [wire], wire, 0
        for _ in range(TRADE_STEPS):
            current = queue.pop()
            if self._insert_one(current, weights, penalty, queue, log) is None:
                failures[current] += 1
                break
            weights[current] = LOCKED
            if not queue:
                return None
            if len(queue) == 1 and self.links[queue[0]].tie >= self.links[wire].tie:
                left, kept = queue[0], len(log)
        self._roll_back(log[kept:])
        return left

    def route(self, order: Iterable[int]) -> list[int]:
        """Insert links; returns those that could not be inserted."""
        todo = list(order)
        self.greed = GREED
        budget = min(self.most, self.searches + max(LEAST_SEARCHES, SEARCHES_PER_LINK * len(todo)))
        for rounds in range(RETRY_ROUNDS):
            for i in todo:
                if i not in self.cost and self.searches < budget:
                    self._try(i, rounds)
            todo = [i for i in todo if i not in self.cost]
            if not todo or self.searches >= budget:
                break
            self._random.shuffle(todo)
        return sorted(todo)

    def _try(self, wire: int, rounds: int) -> bool:
        penalties = PENALTIES[:1] if rounds == 0 else self._random.sample(PENALTIES, 3)
        limit = 12 + 6 * min(rounds, 8)
        return any(self.chain([wire], p, limit, spread=rounds > 0)[0] for p in penalties)

    def improve(self, rounds: int, wires: Set[int] | None = None) -> Um:
        """Take out wires with detours (of some, if given) and insert them again where the sum gets shorter.

        Returns the gain in um.
        """
        gain = 0.0
        self.greed = 1.0
        budget = min(self.most, self.searches + SEARCHES_PER_LINK * len(self.links))
        for turn in range(rounds):
            before = gain
            for wire in sorted(self.cost, key=lambda i: (self.links[i].air - self.cost[i], i)):
                if self.searches >= budget or wire not in self.cost or (wires is not None and wire not in wires):
                    continue
                air = self.links[wire].air
                branches = turn == 0 and len(self._siblings.get(self.links[wire].cluster, ())) > 1
                if self.cost[wire] - air < 0.02 * air + 5.0 and not branches:
                    continue
                out = [*self._dependents(wire), wire]
                old = sum(self.cost[w] * self._worth[w] for w in out)
                log: list[_Change] = []
                self._remove(wire, log)
                penalty = self._random.choice(PENALTIES)
                ok, change, chain_log = self.chain(out, penalty, 8 + len(out), spread=True, budget=old)
                if ok and change < old - 1e-6:
                    gain += old - change
                else:
                    self._roll_back(chain_log)
                    self._roll_back(log)
            if gain - before < WORTH * sum(cost * self._worth[w] for w, cost in self.cost.items()):
                break
        return gain

    # ------------------------------------------------------------------ chains

    def chain(
        self, wires: list[int], penalty: Um, limit: int, *, spread: bool = False, budget: Um = math.inf
    ) -> tuple[bool, Um, list[_Change]]:
        """Insert wires, the last first, and again whatever they throw out.

        Returns whether it worked, the change of the total length, and what would undo it (empty if rolled back).
        """
        weights = self._weights(penalty, spread)
        log: list[_Change] = []
        queue, change, steps = list(wires), 0.0, 0
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

    def _weights(self, penalty: Um, spread: bool) -> list[Um]:
        """What crossing each wire costs: the penalty, spread by up to e either way if asked for."""
        if not spread:
            return [penalty] * len(self.links)
        first = self._random.bits() % _SPREADS
        return [penalty * x for x in self._spreads[first : first + len(self.links)]]

    def _insert_one(self, wire: int, weights: list[Um], full: Um, queue: list[int], log: list[_Change]) -> Um | None:
        """Insert a wire, queueing what it throws out; the change of length, or None where it cannot go."""
        change = 0.0
        for _ in range(6):
            way = self.find(wire, Penalties(weights, full))
            if way is None or way.cost >= LOCKED / 10:
                return None
            victims, steps = self._conflicts(wire, way, weights)
            if victims is None or any(weights[v] >= LOCKED for v in victims):
                return None
            if not victims:
                cost = self.topo.estimate(steps, way.ends)
                seen = self.topo.insert(wire, way.ends, steps)
                self._enter(wire, cost)
                log.append(_Change(wire, seen=seen))
                return change + cost * self._worth[wire]
            for v in sorted(victims):
                if v in self.cost:
                    out = self._remove(v, log)
                    change -= sum(entry.cost * self._worth[entry.wire] for entry in out)
                    queue += [entry.wire for entry in out]
        return None

    def find(self, wire: int, penalties: Penalties | None) -> Way | None:
        """Cheapest way for a link as its cluster stands: between parts of it that are not joined yet."""
        self.searches += 1
        return find(self.topo, self.quest(wire, penalties), penalties)

    def quest(self, wire: int, penalties: Penalties | None = None) -> Quest:
        """What a link asks for as its cluster stands."""
        link = self.links[wire]
        present = {w for w in self._siblings.get(link.cluster, ()) if w in self.topo.strands}
        if link.tie:
            ends = {self.topo.strands[w].end for w in present if self.links[w].end == ASKS}
            return Quest(wire, {*link.cluster, *ends}, {}, present, outward=True)
        if link.end == ASKS:
            targets = {v: 0.0 for v in self.free[link.group] if v not in self.taken}
            if penalties is not None:
                targets |= {v: penalties.wires[self.taken[v]] for v in self.free[link.group] if v in self.taken}
            return Quest(wire, {link.start}, targets, among=tuple(self.free[link.group]))
        features, wires = self._joined(link.start, present)
        targets = {v: 0.0 for v in link.cluster if v not in features}
        return Quest(wire, features, targets, wires, present - wires, greed=self.greed)

    def _joined(self, start: int, present: set[int]) -> tuple[set[int], set[int]]:
        """Terminals, and wires among those present, that are one piece with `start`."""
        features, wires = {start}, set[int]()
        strands = self.topo.strands
        grown = True
        while grown:
            grown = False
            for w in present - wires:
                s = strands[w]
                lands = any(t.wire in wires for t in s.tees)
                if (
                    lands
                    or s.start in features
                    or s.end in features
                    or any(o in wires for o in self.topo.landed.get(w, ()))
                ):
                    wires.add(w)
                    features |= {v for v in (s.start, s.end) if v != TEE}
                    grown = True
        return features, wires

    # ------------------------------------------------------------------ conflicts

    def _conflicts(self, wire: int, way: Way, weights: Sequence[Um]) -> tuple[set[int] | None, list[Step]]:
        """Wires to throw out for a way, None if even that does not help; and the steps without sideways moves."""
        topo = self.topo
        slot, shares = topo.wires.slot[wire], topo.wires.shares[wire]
        victims: set[int] = set()
        steps: list[Step] = []
        for s in way.steps:
            if steps and steps[-1].edge == s.edge and steps[-1].into == s.into:
                victims.add(topo.order[s.edge][min(steps[-1].gap, s.gap)][0])
                steps[-1] = s
            else:
                steps.append(s)
        victims |= {topo.direct[s.edge] for s in steps if s.edge in topo.direct}
        if way.ends.end in self.taken:
            victims.add(self.taken[way.ends.end])
        uses: dict[int, Um] = {}
        for s in steps:
            own = shares and self._beside_own(wire, s)
            uses[s.edge] = uses.get(s.edge, 0.0) + (0.0 if own else slot) + self._parted(wire, s)
        for edge, wanted in uses.items():
            over = wanted - topo.spare[edge] if wanted else 0.0
            if over > _EXACT and not self._choose(victims, _counts(w for w, _ in topo.order[edge]), over, weights):
                return None, steps
        for cut, times in _counts(topo.cuts_of(steps, way.ends)).items():
            over = times * slot - topo.second_spare[cut]
            if over > _EXACT and not self._choose(victims, topo.second[cut], over, weights):
                return None, steps
        return victims, steps

    def _beside_own(self, wire: int, s: Step) -> bool:
        order, net = self.topo.order[s.edge], self.topo.wires.net
        return any(net[w] == net[wire] for w, _ in order[max(0, s.gap - 1) : s.gap + 1])

    def _parted(self, wire: int, s: Step) -> Um:
        """What two neighbours of another net shared that a step comes between."""
        order, wires = self.topo.order[s.edge], self.topo.wires
        if not 0 < s.gap < len(order):
            return 0.0
        a, b = order[s.gap - 1][0], order[s.gap][0]
        parted = wires.net[a] == wires.net[b] != wires.net[wire]
        return min(wires.slot[a], wires.slot[b]) if parted else 0.0

    def _choose(self, victims: set[int], present: Mapping[int, int], over: Um, weights: Sequence[Um]) -> bool:
        """Add the lightest wires among those present until `over` um are freed; False if that is impossible."""
        slot = self.topo.wires.slot
        over -= sum(n * slot[w] for w, n in present.items() if w in victims)
        for w in sorted(present, key=lambda w: (weights[w], w)):
            if over <= _EXACT:
                break
            if w not in victims:
                victims.add(w)
                over -= present[w] * slot[w]
        return over <= _EXACT

    # ------------------------------------------------------------------ changes

    def insert(self, wire: int, way: Way) -> None:
        """Put a wire in whose way is free."""
        self.topo.insert(wire, way.ends, way.steps)
        self._enter(wire, way.cost)

    def enter(self, wires: Iterable[int]) -> None:
        """Take note of wires that were put into the topology by other means."""
        for wire in wires:
            s = self.topo.strands[wire]
            ends = Ends(s.start, s.end, s.start_tee, s.end_tee)
            self._enter(wire, self.topo.estimate(self.topo.steps_of(wire), ends))

    def sources_of(self, wire: int) -> set[int]:
        """Features that a tie may start from, or a link as its cluster stands."""
        return set(self.quest(wire).sources)

    def joined(self, wire: int) -> set[int]:
        """Terminals that are one piece with the start of a link."""
        link = self.links[wire]
        return self._joined(link.start, {w for w in self._siblings.get(link.cluster, ()) if w in self.topo.strands})[0]

    def parts(self, cluster: tuple[int, ...]) -> list[list[int]]:
        """The terminals of a cluster, those that are one piece together."""
        present = {w for w in self._siblings.get(cluster, ()) if w in self.topo.strands}
        out: list[list[int]] = []
        for terminal in cluster:
            if not any(terminal in part for part in out):
                out.append(sorted(self._joined(terminal, present)[0] & set(cluster)))
        return out

    def remove(self, wire: int) -> list[int]:
        """Take a wire out for good, with all that end on it; returns their numbers."""
        return [entry.wire for entry in self._remove(wire, [])]

    def _enter(self, wire: int, cost: Um) -> None:
        self.cost[wire] = cost
        if self.links[wire].end == ASKS:
            self.taken[self.topo.strands[wire].end] = wire

    def _take_out(self, wire: int) -> Undo:
        if self.links[wire].end == ASKS:
            del self.taken[self.topo.strands[wire].end]
        del self.cost[wire]
        return self.topo.remove(wire)

    def _remove(self, wire: int, log: list[_Change]) -> list[_Change]:
        out = []
        for w in (*self._dependents(wire), wire):
            cost = self.cost[w]
            out.append(_Change(w, self._take_out(w), cost))
        log += out
        return out

    def _dependents(self, wire: int) -> list[int]:
        """Wires that have no end without this one: those that end on it, and ties from the free terminal it takes."""
        out = self.topo.dependents(wire)
        if self.links[wire].end == ASKS:
            terminal = self.topo.strands[wire].end
            for tie in self._ties.get(self.links[wire].cluster, ()):
                if tie not in out and tie in self.topo.strands and self.topo.strands[tie].start == terminal:
                    out.append(tie)
        return out

    def _roll_back(self, log: list[_Change]) -> None:
        for entry in reversed(log):
            if entry.undo is None:
                self._take_out(entry.wire)
                self.topo.recall(entry.seen)
            else:
                self.topo.restore(entry.wire, entry.undo)
                self._enter(entry.wire, entry.cost)


def wires_of(links: Sequence[Link], slots: Mapping[str, Um]) -> Wires:
    """What a topology must know of the wires of links."""
    nets: dict[str, int] = {}
    clusters: dict[tuple[int, ...], int] = {}
    for link in links:
        nets[link.net] = nets.get(link.net, 0) + 1
        clusters[link.cluster] = clusters.get(link.cluster, 0) + 1
    return Wires(
        [slots[link.net] for link in links],
        [link.net for link in links],
        [not link.tie and clusters[link.cluster] > 1 for link in links],
        [nets[link.net] > 1 for link in links],
    )


def _counts(items: Iterable[int]) -> dict[int, int]:
    out: dict[int, int] = {}
    for item in items:
        out[item] = out.get(item, 0) + 1
    return out
