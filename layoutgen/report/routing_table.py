"""A routing in numbers: what each net got, against its straight line.

A net's length is that of its wires' centre lines from terminal centre to terminal centre, what they share counted
once, ties apart. Its straight length is that of the Euclidean minimum spanning tree of its terminals' centres. Its
resistance is the largest between one of its pads and one of its balls, on the network of its centre lines. A net whose
terminals took free ones may be complete in several parts; then straight lengths add up.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import shapely

from layoutgen.pdk import Pdk
from layoutgen.route import Missed, RoutePlan, RouteProblem, Terminal, Via, Wire
from layoutgen.units import DBU, Ohm, Um, dbu, to_dbu

METAL_ROLES = ("metal", "metal_2")
"""Roles of the metal layers in a process, from below."""
_Node = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class NetRow:
    """What one net got; lengths in um, resistance in ohm.

    ratio, resistance: None where links are missing; resistance also where the sheet resistance is not known.
    untied: ties that it should have and has not.
    """

    net: str
    terminals: int
    links: int
    unrouted: int
    length: Um
    straight: Um
    ratio: float | None
    bends: int
    resistance: Ohm | None
    ties: int
    untied: int
    tie_length: Um
    layers: tuple[int, ...]
    vias: int


@dataclass(frozen=True, slots=True)
class Totals:
    """All nets together; `ratio` is that of the nets which are complete."""

    nets: int
    incomplete: int
    links: int
    unrouted: int
    length: Um
    straight: Um
    ratio: float | None
    ties: int
    untied: int
    tie_length: Um
    vias: int


@dataclass(frozen=True, slots=True)
class MatchedRow:
    """A group of nets that shall be equally long: what became of it (um)."""

    nets: tuple[str, ...]
    within: Um
    shortest: Um
    longest: Um
    complete: bool
    """Whether all of its nets are."""
    why: tuple[str, ...] = ()
    """For each net that is too short, how long it should be and what is in its way."""

    @property
    def spread(self) -> Um:
        """Longest less shortest."""
        return self.longest - self.shortest

    @property
    def met(self) -> bool:
        """Whether the group is as equal as was asked; one grid step is not counted."""
        return self.complete and self.spread <= self.within + DBU


def net_table(
    problem: RouteProblem, plan: RoutePlan, sheet: Sequence[Ohm], balls: Collection[str] = ()
) -> list[NetRow]:
    """A row for each net, in the order in which the problem names them.

    sheet: ohm a square of each metal layer; empty where not known.
    balls: names of the terminals that are balls; empty: resistance is the largest between any two terminals.
    """
    members = net_terminals(problem, plan)
    wires: dict[str, list[Wire]] = {net: [] for net in members}
    for wire in plan.wires:
        wires.setdefault(wire.net, []).append(wire)
    vias: dict[str, list[Via]] = {}
    for via in plan.vias:
        vias.setdefault(via.net, []).append(via)
    missing = Counter(u.net for u in plan.unrouted if not u.tie)
    untied = Counter(u.net for u in plan.unrouted if u.tie)
    lengths, tie_lengths = plan.net_lengths(), plan.net_lengths(ties=True)
    rows = []
    for net, own in members.items():
        links = [w for w in wires[net] if not w.tie]
        whole = not missing[net]
        grouped = whole and any(t.group for t in own)
        parts = _parts(own, wires[net]) if grouped else [(own, wires[net])]
        length = lengths.get(net, 0.0)
        straight = sum(spanning_length([(t.x, t.y) for t in part]) for part, _ in parts)
        reach = max(problem.via, problem.width_of(net))
        between = [resistance(part, lines, vias.get(net, []), sheet, balls, reach) for part, lines in parts if whole]
        known = [r for r in between if r is not None]
        rows.append(
            NetRow(
                net, len(own), len(links), missing[net], length, straight,
                length / straight if whole and straight > 0 else None,
                sum(bends(w) for w in links),
                max(known) if known and len(known) == len(between) else None,
                len(wires[net]) - len(links), untied[net], tie_lengths.get(net, 0.0),
                tuple(sorted({w.layer for w in links})), len(vias.get(net, [])),
            )
        )  # fmt: skip
    return rows


def _parts(terminals: Sequence[Terminal], wires: Sequence[Wire]) -> list[tuple[list[Terminal], list[Wire]]]:
    """The parts of a net that its wires join, each with two terminals or more."""
    same: dict[_Node, _Node] = {}
    lines = [shapely.LineString(w.points) for w in wires]
    for i, wire in enumerate(wires):
        for name in filter(None, (wire.start, wire.end)):
            _join(same, ("wire", i), ("terminal", name))
    first, second = shapely.STRtree(lines).query(lines, predicate="dwithin", distance=2) if lines else ((), ())
    for i, k in zip(first, second, strict=True):
        if i < k and wires[i].layer == wires[k].layer:
            _join(same, ("wire", int(i)), ("wire", int(k)))
    members: dict[_Node, list[Terminal]] = {}
    for t in terminals:
        members.setdefault(_root(same, ("terminal", t.name)), []).append(t)
    own: dict[_Node, list[Wire]] = {}
    for i, wire in enumerate(wires):
        own.setdefault(_root(same, ("wire", i)), []).append(wire)
    return [(part, own.get(root, [])) for root, part in members.items() if len(part) > 1]


def chip_table(problem: RouteProblem, plan: RoutePlan, pdk: Pdk) -> list[NetRow]:
    """The table of a chip in a process: its metal as the stack says, its balls the terminals named `ball ...`."""
    sheet = [pdk.sheet_resistance(pdk.roles.get(role, "")) for role in METAL_ROLES[: problem.layers]]
    known = [s for s in sheet if s is not None]
    balls = {t.name for t in problem.terminals if t.name.startswith("ball ")}
    return net_table(problem, plan, known if len(known) == len(sheet) else (), balls)


def net_terminals(problem: RouteProblem, plan: RoutePlan) -> dict[str, list[Terminal]]:
    """The terminals of each net, those that it took included; a free one that nobody took is in none."""
    members: dict[str, list[Terminal]] = {}
    for t in problem.terminals:
        if net := t.net or plan.taken.get(t.name, ""):
            members.setdefault(net, []).append(t)
    return members


def totals(rows: Iterable[NetRow]) -> Totals:
    """The sums of a table."""
    table = list(rows)
    whole = [r for r in table if r.ratio is not None]
    straight = sum(r.straight for r in whole)
    return Totals(
        nets=len(table),
        incomplete=sum(r.unrouted > 0 for r in table),
        links=sum(r.links for r in table),
        unrouted=sum(r.unrouted for r in table),
        length=sum(r.length for r in table),
        straight=sum(r.straight for r in table),
        ratio=sum(r.length for r in whole) / straight if straight > 0 else None,
        ties=sum(r.ties for r in table),
        untied=sum(r.untied for r in table),
        tie_length=sum(r.tie_length for r in table),
        vias=sum(r.vias for r in table),
    )


def matched_table(problem: RouteProblem, rows: Iterable[NetRow], missed: Iterable[Missed] = ()) -> list[MatchedRow]:
    """What became of each group of nets that shall be equally long."""
    by_net = {r.net: r for r in rows}
    why: dict[tuple[str, ...], list[str]] = {}
    for m in missed:
        why.setdefault(m.nets, []).append(f"{m.net} is {m.reached:.1f} um of {m.wanted:.1f}, {m.reason}")
    out = []
    for group in problem.matched:
        own = [by_net[n] for n in group.nets]
        lengths = [r.length for r in own] or [0.0]
        whole = all(not r.unrouted for r in own)
        out.append(
            MatchedRow(group.nets, group.within, min(lengths), max(lengths), whole, tuple(why.get(group.nets, ())))
        )
    return out


def spanning_length(points: Sequence[tuple[Um, Um]]) -> Um:
    """Length of the Euclidean minimum spanning tree of points (um), by Prim's algorithm."""
    if len(points) < 3:
        return math.dist(*points) if len(points) == 2 else 0.0
    at = np.array(points, dtype=float)
    near = np.hypot(*(at - at[0]).T)
    outside = np.ones(len(at), dtype=bool)
    outside[0] = False
    total = 0.0
    for _ in range(len(at) - 1):
        k = int(np.argmin(np.where(outside, near, np.inf)))
        total += float(near[k])
        outside[k] = False
        near = np.minimum(near, np.hypot(*(at - at[k]).T))
    return total


def bends(wire: Wire) -> int:
    """How often a wire turns; corners of one sense nearer to each other than its width are one bend."""
    legs = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(wire.points) if a != b]
    count, last = 0, 0
    for (ux, uy), (vx, vy) in pairwise(legs):
        cross = ux * vy - uy * vx
        sense = (cross > 0) - (cross < 0)
        if cross == 0 and ux * vx + uy * vy >= 0:
            continue
        if sense == 0 or sense != last or math.hypot(ux, uy) > dbu(wire.width):
            count += 1
        last = sense
    return count


# resistance -----------------------------------------------------------------------------------------------------


def resistance(
    terminals: Sequence[Terminal],
    wires: Sequence[Wire],
    vias: Sequence[Via],
    sheet: Sequence[Ohm],
    balls: Collection[str] = (),
    reach: Um = 0.0,
) -> Ohm | None:
    """The largest resistance of a net between a pad and a ball, or between any two terminals without `balls`.

    Wires are lines of sheet x length / width, joined where they cross, meet or run together; terminals and vias are
    points without resistance, and wires end on them when they come as near as `reach` (um). None where not all
    terminals are joined, or a sheet resistance is missing.
    """
    ends = [(a.name, b.name) for i, a in enumerate(terminals) for b in terminals[i + 1 :]]
    known = {t.name for t in terminals} & set(balls)
    if known and len(known) < len(terminals):
        ends = [(a, b) for a, b in ends if (a in known) != (b in known)]
    if not ends or not wires or max(w.layer for w in wires) >= len(sheet):
        return None
    if len(wires) == 1 and len(terminals) == 2:
        wire = wires[0]
        return sheet[wire.layer] * wire.length / wire.width if {wire.start, wire.end} == {*ends[0]} else None
    edges, same = _network(terminals, wires, vias, sheet, reach)
    return _largest(edges, same, ends)


def _network(
    terminals: Sequence[Terminal], wires: Sequence[Wire], vias: Sequence[Via], sheet: Sequence[Ohm], reach: Um
) -> tuple[list[tuple[_Node, _Node, Ohm]], dict[_Node, _Node]]:
    """Resistors between nodes, and nodes that are one with another."""
    edges: list[tuple[_Node, _Node, Ohm]] = []
    same: dict[_Node, _Node] = {}
    for layer in sorted({w.layer for w in wires}):
        own = [w for w in wires if w.layer == layer and len(w.points) > 1]
        if not own:
            continue
        # on the grid, so that a wire which ends on another splits that in two, and what they share is one
        union = shapely.union_all(shapely.MultiLineString([w.points for w in own]), grid_size=1)
        parts = [p for p in shapely.get_parts(union) if p.length > 0]
        tips = [[(layer, *map(round, p.coords[k])) for k in (0, -1)] for p in parts]
        cuts: dict[int, list[tuple[float, _Node]]] = {}

        for t in terminals:
            for w in own:  # a wire's named ends are on their terminal, wherever they are drawn
                for name, end in ((w.start, w.points[0]), (w.end, w.points[-1])):
                    if name == t.name:
                        _join(same, ("terminal", t.name), (layer, *end))
            if t.layer == layer:
                x, y = (int(v) for v in to_dbu((t.x, t.y)))
                _attach(("terminal", t.name), (layer, x, y), dbu(min(t.half_x, t.half_y)), parts, tips, cuts, same)
        for i, via in enumerate(vias):
            x, y = (int(v) for v in to_dbu((via.x, via.y)))
            _attach(("via", i), (layer, x, y), dbu(reach), parts, tips, cuts, same)
        for k, (part, (a, b)) in enumerate(zip(parts, tips, strict=True)):
            stops = [(0.0, a), *sorted(cuts.get(k, []), key=lambda c: c[0]), (part.length, b)]
            for (s0, n0), (s1, n1) in pairwise(stops):
                if s1 > s0:
                    edges.append((n0, n1, sheet[layer] * (s1 - s0) * DBU / own[0].width))
                else:
                    _join(same, n0, n1)
    for i, via in enumerate(vias):
        for t in terminals:
            if math.hypot(t.x - via.x, t.y - via.y) <= min(t.half_x, t.half_y):
                _join(same, ("via", i), ("terminal", t.name))
    return edges, same


def _attach(
    node: _Node, at: _Node, reach: int, parts: list[Any], tips: list[list[_Node]],
    cuts: dict[int, list[tuple[float, _Node]]], same: dict[_Node, _Node],
) -> None:  # fmt: skip
    """Make a node one with the end of a part that lies at its place, or else with the nearest point in reach (dbu)."""
    if any(at in tip for tip in tips):
        _join(same, node, at)
        return
    point = shapely.Point(at[1], at[2])
    away, k = min((p.distance(point), k) for k, p in enumerate(parts))
    if away > reach:
        return
    along = float(parts[k].project(point))
    if 0 < along < parts[k].length:
        cuts.setdefault(k, []).append((along, node))
    else:
        _join(same, node, tips[k][0 if along <= 0 else 1])


def _root(same: dict[_Node, _Node], node: _Node) -> _Node:
    while (up := same.get(node, node)) != node:
        node = up
    return node


def _join(same: dict[_Node, _Node], a: _Node, b: _Node) -> None:
    same[_root(same, a)] = _root(same, b)


def _largest(
    edges: list[tuple[_Node, _Node, Ohm]], same: dict[_Node, _Node], ends: list[tuple[str, str]]
) -> Ohm | None:
    """The largest effective resistance between pairs of terminals: Laplacian L x = e_a - e_b, R = x_a - x_b."""
    number: dict[_Node, int] = {}

    def index(node: _Node) -> int:
        return number.setdefault(_root(same, node), len(number))

    pairs = [(index(("terminal", a)), index(("terminal", b))) for a, b in ends]
    links = [(index(a), index(b), 1 / r) for a, b, r in edges]
    count = len(number)
    matrix = np.zeros((count, count))
    for a, b, g in links:
        if a != b:
            matrix[a, a] += g
            matrix[b, b] += g
            matrix[a, b] -= g
            matrix[b, a] -= g
    group = _connected(count, links, pairs[0][0])
    if not all(group[a] and group[b] for a, b in pairs):
        return None
    keep = [i for i in range(count) if group[i] and i != pairs[0][0]]  # the first terminal is ground
    place = {i: k for k, i in enumerate(keep)}
    wanted = sorted({i for pair in pairs for i in pair if i in place})
    if not wanted:
        return 0.0
    right = np.zeros((len(keep), len(wanted)))
    for column, i in enumerate(wanted):
        right[place[i], column] = 1.0
    potential = np.linalg.solve(matrix[np.ix_(keep, keep)], right)
    column_of = {i: c for c, i in enumerate(wanted)}

    def between(a: int, b: int) -> float:
        if a not in place or b not in place:
            return 0.0
        return float(potential[place[a], column_of[b]])

    return max(between(a, a) + between(b, b) - 2 * between(a, b) for a, b in pairs)


def _connected(count: int, links: list[tuple[int, int, float]], start: int) -> list[bool]:
    beside: list[list[int]] = [[] for _ in range(count)]
    for a, b, _ in links:
        beside[a].append(b)
        beside[b].append(a)
    found, stack = [False] * count, [start]
    found[start] = True
    while stack:
        for n in beside[stack.pop()]:
            if not found[n]:
                found[n] = True
                stack.append(n)
    return found


# words ----------------------------------------------------------------------------------------------------------
