"""The first wires of a free assignment, all at once: nets by a flow of least cost, their ties by another beside them.

Nets lie in the way of ties, and nets of about the same length leave more or less room for these. So nets are laid in a
few ways where not all ties find one, and those are kept beside which most ties could pass.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from layoutgen.route.eject import ASKS, Ejector
from layoutgen.route.escape import passable, tie_all, tie_bound
from layoutgen.route.flow import assign, install
from layoutgen.route.topology import OUTSIDE, Topology, Undo
from layoutgen.units import Um

Merit = tuple[int, int, Um]
"""(missing links between terminals, missing ties, length in um): less is better."""
Lifted = list[tuple[int, Undo, Um]]
"""Wires in the order that they were taken out in, each with what brings it back and its length."""

SLOTS: tuple[int | None, ...] = (None, 2, 1)
"""Places per gap, at most, of the ways in which nets are laid, the best for short nets first."""

EXITS = 0.75
"""Part of an edge on the outline that ends of ties may fill."""


def lay_free(ejector: Ejector) -> int:
    """Lay the links to free terminals, a group at a time, and the ties of their nets.

    Returns how many links cannot be there beside all others.
    """
    if not ejector.free:
        return 0
    ties = [i for i, link in enumerate(ejector.links) if link.tie]
    surplus = _surplus(ejector)
    if ties:
        _narrow_exits(ejector.topo)
    lay_nets(ejector, SLOTS[0])
    if not ties:
        return surplus
    found, owners = tie_all(ejector.topo, _ends(ejector, ties))
    if len(owners) < len(ties) and _lay_more_passable(ejector, ties):
        found, owners = tie_all(ejector.topo, _ends(ejector, ties))
    numbers = [ties[k] for k in owners]
    install(ejector.topo, found, numbers)
    ejector.enter(numbers)
    lost = 0 if len(numbers) == len(ties) else len(ties) - tie_bound(ejector.topo, _ends(ejector, ties))[0]
    return surplus + lost


def _lay_more_passable(ejector: Ejector, ties: list[int]) -> bool:
    """Lay the nets anew in the way that most ties can pass, if that is another one; whether it is."""
    count = {SLOTS[0]: passable(ejector.topo, _ends(ejector, ties))}
    for slots in SLOTS[1:]:
        if max(count.values()) == len(ties):
            break
        _clear(ejector)
        lay_nets(ejector, slots)
        count[slots] = passable(ejector.topo, _ends(ejector, ties))
    best = max(count, key=lambda slots: count[slots])
    if best != list(count)[-1]:
        _clear(ejector)
        lay_nets(ejector, best)
    return best != SLOTS[0]


def _narrow_exits(topo: Topology) -> None:
    """Leave ties room to turn: where edges on the outline are full, the ends of ties push each other along it."""
    tiles = topo.tiles
    for e, (_, outer) in enumerate(tiles.edge_tris):
        if outer == OUTSIDE:
            x0, y0, x1, y1 = tiles.span[e]
            less = topo.room[e] - max(tiles.slot, EXITS * math.hypot(x1 - x0, y1 - y0))
            if less > 0:
                topo.room[e] -= less
                topo.spare[e] -= less


def _surplus(ejector: Ejector) -> int:
    """Links to free terminals that are more than these."""
    asks = Counter(link.group for link in ejector.links if link.end == ASKS)
    return sum(max(0, count - len(ejector.free[group])) for group, count in asks.items())


def lay_nets(ejector: Ejector, slots: int | None) -> None:
    """Lay the links to free terminals, a group at a time."""
    for group, targets in ejector.free.items():
        asks = {link.start: i for i, link in enumerate(ejector.links) if link.end == ASKS and link.group == group}
        nets = assign(ejector.topo, list(asks), targets, slots=slots)
        numbers = [asks[s.start] for s in nets.strands]
        install(ejector.topo, nets, numbers)
        ejector.enter(numbers)


def _clear(ejector: Ejector) -> None:
    for wire in sorted(ejector.cost):
        if wire in ejector.cost:  # it may have gone with one that it ended on
            ejector.remove(wire)


def _ends(ejector: Ejector, ties: list[int]) -> list[list[int]]:
    """Features that each tie may start from."""
    return [sorted(ejector.sources_of(i)) for i in ties]


# ---------------------------------------------------------------------- free and fixed wires on one layer


def merit(ejector: Ejector) -> Merit:
    """What a laying lacks, and about how long it is, ties included."""
    lacks = [link.tie for i, link in enumerate(ejector.links) if i not in ejector.cost]
    return lacks.count(False), lacks.count(True), sum(ejector.cost.values())


def lay_again(ejector: Ejector, solve: Callable[[Ejector], None], judge: Callable[[Ejector], Merit]) -> Merit:
    """Lay the free wires and all ties anew beside the fixed wires, if that helps; `solve` lays what is left then.

    Fixed wires that came after the free ones go round these, which would rather take other terminals now; and free
    ones that were laid one by one are together no longer the shortest.
    """
    before = judge(ejector)
    kept = lift(ejector)
    put_back(ejector, kept)
    for wire, link in enumerate(ejector.links):
        if wire in ejector.cost and (link.tie or link.end == ASKS):
            ejector.remove(wire)
    lay_free(ejector)
    solve(ejector)
    after = judge(ejector)
    if after >= before:
        lift(ejector)
        put_back(ejector, kept)
    return min(before, after)


def lift(ejector: Ejector) -> Lifted:
    """Take all wires out."""
    topo, out = ejector.topo, Lifted()
    for wire in sorted(ejector.cost):
        for w in (*topo.dependents(wire), wire) if wire in topo.strands else ():
            out.append((w, topo.remove(w), ejector.cost.pop(w)))
    ejector.taken.clear()
    return out


def put_back(ejector: Ejector, lifted: Lifted) -> None:
    """Bring back what `lift` took out, where nothing else has been laid since."""
    for wire, undo, cost in reversed(lifted):
        ejector.topo.restore(wire, undo)
        ejector.enter([wire])
        ejector.cost[wire] = cost
