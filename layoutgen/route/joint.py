"""Nets of a free assignment and their ties together: each lies in the way of the other.

First in both orders: all nets and the ties beside them, or all ties and the nets beside them. Where nets stay untied,
those about one of them are taken out with their ties and laid anew, with chance prices on edges, and kept so if no
fewer are tied: large neighbourhood search (Shaw 1998) with a flow as the repair.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from layoutgen.route.dice import Dice
from layoutgen.route.escape import tie_all, tie_bound
from layoutgen.route.flow import Planar, assign, install
from layoutgen.route.tiles import Floats
from layoutgen.route.topology import Topology
from layoutgen.units import Um

TRIES = 1
"""Neighbourhoods that are laid anew, per untied net at the start, and after each that helped."""
NEIGHBOURS = (8, 14, 22, 34)
"""Nets of a neighbourhood, in turn."""
REPAIR_ROUNDS = 6
LONGER = 1.1
"""How much longer a neighbourhood may get without one more tie."""


@dataclass(frozen=True)
class Joint:
    """Wires of nets, (pad, ball) each, and their ties, in one topology.

    Net k is wire k; its tie, if it has one, is wire len(nets) + k.
    """

    topo: Topology
    nets: tuple[tuple[int, int], ...]

    @property
    def untied(self) -> list[int]:
        """Numbers of nets without a tie."""
        n = len(self.nets)
        return [k for k in range(n) if n + k not in self.topo.strands]

    @property
    def merit(self) -> tuple[int, int, Um]:
        """Nets, ties, and the shortness of the nets' straight lines."""
        return len(self.nets), len(self.nets) - len(self.untied), -self.length(range(len(self.nets)))

    def length(self, nets: Collection[int]) -> Um:
        """Straight lengths of some nets together."""
        f = self.topo.tiles.features
        a, b = (np.array([self.nets[k][i] for k in nets], dtype=np.int64) for i in (0, 1))
        x, y = np.asarray(f.x, dtype=np.float64), np.asarray(f.y, dtype=np.float64)
        return float(np.hypot(x[a] - x[b], y[a] - y[b]).sum())


def nets_and_ties(
    empty: Callable[[], Topology], sources: Sequence[int], targets: Collection[int], *, seed: int = 1
) -> Joint:
    """A wire from every source to a target of its own, and a tie from one end of it, as far as they fit.

    empty: makes a topology without wires.
    """
    best = nets_first(empty, sources, targets)
    if len(best.nets) < min(len(sources), len(targets)) or best.untied:
        others = [nets_first(empty, sources, targets, slots=slots) for slots in (1, 2)]
        best = max(best, *others, ties_first(empty, sources, targets), key=lambda joint: joint.merit)
    most = tie_bound(best.topo, best.nets)[0]
    return improve(empty, best, most, seed)


def nets_first(
    empty: Callable[[], Topology], sources: Sequence[int], targets: Collection[int], *, slots: int | None = None
) -> Joint:
    """Shortest nets, then ties beside them. Nets found with other `slots` are about as short, but not the same."""
    topo = empty()
    nets = assign(topo, sources, targets, slots=slots)
    install(topo, nets, range(len(nets.strands)))
    pairs = tuple((s.start, s.end) for s in nets.strands)
    ties, owner = tie_all(topo, pairs)
    install(topo, ties, [len(pairs) + k for k in owner])
    return Joint(topo, pairs)


def ties_first(empty: Callable[[], Topology], sources: Sequence[int], targets: Collection[int]) -> Joint:
    """Ties of the sources, then nets beside them."""
    topo = empty()
    ties, owner = tie_all(topo, [(v,) for v in sources])
    install(topo, ties, range(len(owner)))
    nets = assign(topo, sources, targets)
    tie_of = {sources[k]: i for i, k in enumerate(owner)}
    pairs = tuple((s.start, s.end) for s in nets.strands)
    kept = [tie_of[a] for a, _ in pairs if a in tie_of]
    named = {tie_of[a]: len(pairs) + k for k, (a, _) in enumerate(pairs) if a in tie_of}
    both = empty()
    old = planar_of(topo)
    install(both, old.without(set(range(len(old.strands))) - set(kept)), [named[i] for i in sorted(kept)])
    # Ties of sources without a net are gone, so the nets keep their way; gaps count the ties that stayed.
    return _with_nets(both, topo, nets, kept, pairs)


def _with_nets(
    both: Topology, topo: Topology, nets: Planar, kept: Sequence[int], pairs: tuple[tuple[int, int], ...]
) -> Joint:
    stays = set(kept)
    places = {}
    for edge, found in nets.places.items():
        before = np.cumsum([0, *(w in stays for w, _ in topo.order[edge])])
        places[edge] = [(int(before[gap]), k, i) for gap, k, i in found]
    install(both, Planar(nets.strands, places), range(len(pairs)))
    return Joint(both, pairs)


def planar_of(topo: Topology) -> Planar:
    """All wires of a topology in the order of their numbers, to be installed into an empty one."""
    names = sorted(topo.strands)
    number = {w: k for k, w in enumerate(names)}
    places = {e: [(0, number[w], i) for w, i in order] for e, order in enumerate(topo.order) if order}
    return Planar([topo.strands[w] for w in names], places)


def improve(empty: Callable[[], Topology], joint: Joint, most: int, seed: int = 1) -> Joint:
    """Tie more nets, up to `most`, by laying neighbourhoods of untied ones anew."""
    dice = Dice(seed)
    left = TRIES * len(joint.untied)
    turn = 0
    while joint.untied and len(joint.nets) - len(joint.untied) < most and left > 0:
        left -= 1
        untied = joint.untied
        found = _laid_anew(empty, joint, _neighbourhood(joint, untied, turn, dice), dice)
        turn += 1
        if found is not None:
            left += TRIES * (len(untied) - len(found.untied))
            joint = found
    return joint


def _neighbourhood(joint: Joint, untied: Sequence[int], turn: int, dice: Dice) -> list[int]:
    """The nets nearest to a point on the way of an untied net to the outline."""
    f = joint.topo.tiles.features
    at = np.column_stack([f.x, f.y]).astype(np.float64)
    middle = np.array([(at[a] + at[b]) / 2 for a, b in joint.nets])
    low, high = at.min(axis=0), at.max(axis=0)
    p = middle[untied[turn % len(untied)]]
    feet = [(p[0], low[1]), (p[0], high[1]), (low[0], p[1]), (high[0], p[1])]
    foot = np.array(min(feet, key=lambda q: float(np.hypot(*(p - q)))))
    centre = p + (foot - p) * dice.uniform(0.0, 1.0)
    count = NEIGHBOURS[turn % len(NEIGHBOURS)]
    near = np.argsort(np.hypot(*(middle - centre).T), kind="stable")[:count].tolist()
    return sorted({*near, *untied})


def _laid_anew(empty: Callable[[], Topology], joint: Joint, chosen: Sequence[int], dice: Dice) -> Joint | None:
    """The same with other wires for some nets, if no fewer are tied; None if that did not come out."""
    n = len(joint.nets)
    gone = {*chosen, *(n + k for k in chosen)}
    topo = empty()
    names = sorted(joint.topo.strands)
    old = planar_of(joint.topo)
    rest = old.without({i for i, w in enumerate(names) if w in gone})
    install(topo, rest, [w for w in names if w not in gone])
    pads, balls = [joint.nets[k][0] for k in chosen], [joint.nets[k][1] for k in chosen]
    nets = assign(topo, pads, balls, slots=1, price=_chance(topo, dice))
    if len(nets.strands) < len(chosen):
        return None
    number = {a: k for k, (a, _) in zip(chosen, (joint.nets[k] for k in chosen), strict=True)}
    install(topo, nets, [number[s.start] for s in nets.strands])
    pairs = list(joint.nets)
    for s in nets.strands:
        pairs[number[s.start]] = s.start, s.end
    ties, owner = tie_all(topo, [pairs[k] for k in chosen], rounds=REPAIR_ROUNDS)
    install(topo, ties, [n + chosen[k] for k in owner])
    found = Joint(topo, tuple(pairs))
    if len(found.untied) > len(joint.untied):
        return None
    if len(found.untied) == len(joint.untied) and found.length(chosen) > LONGER * joint.length(chosen):
        return None
    return found


def _chance(topo: Topology, dice: Dice) -> Floats:
    """Prices of edges, between nothing and the length of a middling edge."""
    span = np.asarray(topo.tiles.span, dtype=np.float64).reshape(-1, 4)
    middling = float(np.median(np.hypot(*(span[:, 2:] - span[:, :2]).T)))
    return np.array([dice.uniform(0.0, middling) for _ in topo.tiles.edges])
