"""Nets that stay in several pieces of metal: each piece gets a name of its own, so that pieces keep apart like nets.

A terminal that asks for a free one is joined with that alone, and not with the rest of its net (see `links`). Were its
wire to run next to other wires of the net as if they were one, some would end up nearer to each other than the space
without touching: a fault that the fabrication does not forgive, whatever the nets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import shapely

from layoutgen.route.legal import extent, terminal_shapes
from layoutgen.route.problem import RoutePlan, RouteProblem, Terminal, Wire
from layoutgen.units import dbu

_MARK = "\0"
"""Between the name of a net and the number of its piece: in no name that comes from a file."""
TOUCHES = 2.0
"""Wires that end on another one lie on its centre line, to within rounding (dbu)."""


def told_apart(problem: RouteProblem) -> RouteProblem:
    """The problem with a net for each piece of a net that stays in several; `net_of` undoes that.

    The terminals without a group, or else the first one, keep the name. Terminals nearer to each other than their space
    are one piece. Groups of matched nets are left out, as nobody but the whole net can be matched.
    """
    names = _names(problem)
    if not names:
        return problem
    terminals = tuple(replace(t, net=names.get(t.name, t.net)) for t in problem.terminals)
    present = {t.net for t in terminals}
    rules = dict(problem.rules)
    for name in present:
        if net_of(name) in problem.rules:
            rules[name] = problem.rules[net_of(name)]
    return replace(problem, terminals=terminals, rules=rules, matched=())


def net_of(name: str) -> str:
    """The net that a piece belongs to."""
    return name.partition(_MARK)[0]


def plan_apart(problem: RouteProblem, plan: RoutePlan) -> RoutePlan:
    """A plan for a problem with its wires, vias and taken terminals renamed for `told_apart(problem)`."""
    names = _names(problem)
    if not names:
        return plan
    piece = {t.name: names.get(t.name, t.net) for t in problem.terminals if t.net}
    for wire in plan.wires:
        if not wire.tie and wire.start in piece and wire.end in plan.taken:
            piece[wire.end] = piece[wire.start]
    of_wire = _wire_pieces(plan.wires, piece)
    at = {(net_of(net), dbu(t.x), dbu(t.y)): net for t in problem.terminals if (net := piece.get(t.name, ""))}
    return replace(
        plan,
        wires=tuple(replace(w, net=net) for w, net in zip(plan.wires, of_wire, strict=True)),
        vias=tuple(replace(v, net=at.get((v.net, dbu(v.x), dbu(v.y)), v.net)) for v in plan.vias),
        taken={name: piece.get(name, net) for name, net in plan.taken.items()},
    )


def _wire_pieces(wires: tuple[Wire, ...], piece: Mapping[str, str]) -> list[str]:
    """The piece of each wire: that of a terminal at its ends, or of the wire that it ends on."""
    found = [next((piece[name] for name in (w.start, w.end) if name in piece), "") for w in wires]
    while True:
        left = [i for i, net in enumerate(found) if not net]
        for i in left:
            tips = shapely.MultiPoint([wires[i].points[0], wires[i].points[-1]])
            for k, other in enumerate(wires):
                same = other.net == wires[i].net and other.layer == wires[i].layer and len(other.points) > 1
                if found[k] and same and shapely.LineString(other.points).distance(tips) <= TOUCHES:
                    found[i] = found[k]
                    break
        if len(left) == sum(not net for net in found):
            return [net or w.net for net, w in zip(found, wires, strict=True)]


def _names(problem: RouteProblem) -> dict[str, str]:
    """Names of pieces, by name of terminal; those that keep the name of their net are left out."""
    clusters: dict[str, dict[tuple[int, int] | None, list[Terminal]]] = {}
    placed: dict[tuple[str, int, int], tuple[int, int] | None] = {}
    for t in problem.terminals:
        if t.net:
            at = dbu(t.x), dbu(t.y)
            key = placed.setdefault((t.net, *at), at if t.group else None)  # terminals at one place are one
            clusters.setdefault(t.net, {}).setdefault(key, []).append(t)
    out: dict[str, str] = {}
    for net, own in clusters.items():
        if len(own) == 1:
            continue
        pieces = _pieces(problem, sorted(own.items(), key=lambda item: item[0] is not None))
        for k, piece in enumerate(pieces[1:], 1):
            out |= {t.name: f"{net}{_MARK}{k}" for t in piece}
    return out


def _pieces(
    problem: RouteProblem, clusters: list[tuple[tuple[int, int] | None, list[Terminal]]]
) -> list[list[Terminal]]:
    """The terminals of clusters, those in one list whose terminals are nearer to each other than their space."""
    terminals = [t for _, own in clusters for t in own]
    root = [k for k, (_, own) in enumerate(clusters) for _ in own]
    shapes, radii = terminal_shapes(terminals)
    grown = shapely.buffer(shapes, radii)
    reach = [dbu(problem.space_of(t.net, extent(t))) for t in terminals]
    for i, k in shapely.STRtree(grown).query(grown, predicate="dwithin", distance=reach).T.tolist():
        if terminals[i].layer == terminals[k].layer and root[i] != root[k]:
            gone, kept = max(root[i], root[k]), min(root[i], root[k])
            root = [kept if r == gone else r for r in root]
    members: dict[int, list[Terminal]] = {}
    for r, t in zip(root, terminals, strict=True):
        members.setdefault(r, []).append(t)
    return list(members.values())
