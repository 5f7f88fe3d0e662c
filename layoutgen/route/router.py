"""The stages in order: tiles, topology, ties, rubber bands, and the check that only legal wires leave."""

from __future__ import annotations

import math

from layoutgen.route import tiles
from layoutgen.route.dice import Dice
from layoutgen.route.eject import Ejector, Link
from layoutgen.route.legal import Conflict, conflicts
from layoutgen.route.problem import Point, RoutePlan, RouteProblem, Unrouted, Wire
from layoutgen.route.rubber import Rubber
from layoutgen.route.search import Penalties
from layoutgen.route.ties import end_points
from layoutgen.route.tiles import BOUNDARY, TERMINAL
from layoutgen.route.topology import OUTSIDE, Topology
from layoutgen.units import DBU, Um, to_dbu

_STARTS = 16
_START_LINKS = 1100
"""Links to be routed over all starts: bounds the time that starts take."""
_MENDS = 8
"""Rounds in which wires that came out too near to something are routed again with the channel closed to them."""


def route(problem: RouteProblem) -> RoutePlan:
    """Wire all nets of a problem as far as it goes; every wire of the plan is legal, the rest is listed and why."""
    links, members = make_links(problem)
    ejector = best_topology(tiles.build(problem), links, members)
    drawn, reasons = _draw_legal(problem, ejector)
    unrouted = [_unrouted(problem, ejector, i, reasons.get(i)) for i in range(len(links)) if i not in drawn]
    wires = tuple(drawn[i] for i in sorted(drawn))
    return RoutePlan(wires, tuple(unrouted), some_ties=problem.some_ties)


def best_topology(graph: tiles.Tiles, links: list[Link], members: dict[str, list[int]]) -> Ejector:
    """The best of a few starts, by missing links and then by length: ties first, and short links before long ones.

    Later starts mix the order of the links; large problems get fewer of them.
    """
    starts = []
    for seed in range(max(1, min(_STARTS, _START_LINKS // max(1, len(links))))):
        ejector = Ejector(Topology(graph), links, members, seed=seed + 1)
        mix = Dice(seed)
        air = [link.air * (mix.uniform(0.5, 2.0) if seed else 1.0) for link in links]
        left = ejector.route(sorted(range(len(links)), key=lambda i: (not links[i].tie, air[i], i)))
        ejector.improve()
        starts.append((len(left), sum(ejector.cost.values()), seed, ejector))
    return min(starts, key=lambda start: start[:3])[3]


def make_links(problem: RouteProblem) -> tuple[list[Link], dict[str, list[int]]]:
    """A minimum spanning tree per net and, if asked for, one tie per net; and the terminals of every net."""
    members: dict[str, list[int]] = {}
    for i, t in enumerate(problem.terminals):
        members.setdefault(t.net, []).append(i)
    at = [(t.x, t.y) for t in problem.terminals]
    links = []
    for net, own in members.items():
        joined = [own[0]]
        while len(joined) < len(own):
            air, a, b = min((math.dist(at[a], at[b]), a, b) for a in joined for b in own if b not in joined)
            links.append(Link(net, a, b, air))
            joined.append(b)
    if problem.ties:
        x0, y0, x1, y1 = problem.bounds
        for net, own in members.items():
            air, a = min((min(at[i][0] - x0, x1 - at[i][0], at[i][1] - y0, y1 - at[i][1]), i) for i in own)
            links.append(Link(net, a, OUTSIDE, air))
    return links, members


def _draw_legal(problem: RouteProblem, ejector: Ejector) -> tuple[dict[int, Wire], dict[int, str]]:
    """Centre lines of all wires; those in conflict are routed anew, and given up in the end."""
    reasons: dict[int, str] = {}
    for round_ in range(_MENDS + 1):
        drawn, bad = centre_lines(problem, ejector)
        for wire in bad:
            reasons[wire] = "the rubber band finds no way through"
            ejector.remove(wire)
        numbers = sorted(drawn)
        found = conflicts(problem, [drawn[i] for i in numbers])
        if not found and not bad:
            return drawn, reasons
        pulled = _pull(found, numbers, drawn)
        for wire, conflict in pulled.items():
            _close(ejector.topo, wire, conflict)
            ejector.remove(wire)
            reasons[wire] = "no room next to other metal about ({:.1f}, {:.1f}) um".format(
                *(c * DBU for c in conflict.at)
            )
        if round_ < _MENDS // 2:
            ejector.route([*bad, *pulled])
    while True:
        drawn, bad = centre_lines(problem, ejector)
        numbers = sorted(drawn)
        found = conflicts(problem, [drawn[i] for i in numbers])
        if not found and not bad:
            return drawn, reasons
        for wire in {*bad, *_pull(found, numbers, drawn)}:
            reasons.setdefault(wire, "no room next to other metal")
            ejector.remove(wire)


def _pull(found: list[Conflict], numbers: list[int], drawn: dict[int, Wire]) -> dict[int, Conflict]:
    """Wires whose removal ends all conflicts: those in most conflicts first, the longer of two."""
    open_conflicts = list(found)
    pulled: dict[int, Conflict] = {}
    while open_conflicts:
        weight: dict[int, int] = {}
        for c in open_conflicts:
            weight[c.wire] = weight.get(c.wire, 0) + (1000 if c.other < 0 else 1)
            if c.other >= 0:
                weight[c.other] = weight.get(c.other, 0) + 1
        worst = max(weight, key=lambda i: (weight[i], drawn[numbers[i]].length, i))
        pulled[numbers[worst]] = next(c for c in open_conflicts if worst in (c.wire, c.other))
        open_conflicts = [c for c in open_conflicts if worst not in (c.wire, c.other)]
    return pulled


def _close(topo: Topology, wire: int, conflict: Conflict) -> None:
    """Lower the capacity of the crossed edge nearest to a conflict to what it holds without this wire."""
    x, y = conflict.at[0] * DBU, conflict.at[1] * DBU

    def distance(edge: int) -> Um:
        x0, y0, x1, y1 = topo.tiles.span[edge]
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        f = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length if length else 0.0
        f = min(1.0, max(0.0, f))
        return math.hypot(x0 + f * (x1 - x0) - x, y0 + f * (y1 - y0) - y)

    edges = topo.strands[wire].edges
    if edges:
        edge = min(edges, key=lambda e: (distance(e), e))
        topo.capacity[edge] = min(topo.capacity[edge], len(topo.order[edge]) - 1)


def centre_lines(problem: RouteProblem, ejector: Ejector) -> tuple[dict[int, Wire], list[int]]:
    """The wires of a topology on the grid, and the numbers of those that find no way."""
    topo = ejector.topo
    half, pitch = (problem.width + problem.guard) / 2, problem.pitch + 2 * problem.guard
    rubber = Rubber(topo, half, pitch, problem.guard)
    ends, homeless = end_points(topo, problem)
    drawn: dict[int, Wire] = {}
    bad = list(homeless)
    for i in sorted(topo.strands):
        if i in homeless:
            continue
        link, strand = ejector.links[i], topo.strands[i]
        start = problem.terminals[strand.start].name
        if link.tie:
            end = ends[i]
            path = rubber.path(i, end.inner, end.posts)
            points = None if path is None else snap([*path, end.point])
            name = ""
        else:
            path = rubber.path(i)
            points = None if path is None else snap(path)
            name = problem.terminals[strand.end].name
        if points is None:
            bad.append(i)
        else:
            drawn[i] = Wire(link.net, start, name, points, link.tie, problem.width_of(link.net))
    return drawn, bad


def snap(path: list[tuple[Um, Um]]) -> tuple[Point, ...]:
    """A path on the grid, without repeated points and points on a straight line."""
    out: list[Point] = []
    for x, y in to_dbu(path).tolist():
        while len(out) > 1 and _straight(out[-2], out[-1], (x, y)):
            out.pop()
        if not out or out[-1] != (x, y):
            out.append((x, y))
    return tuple(out)


def _straight(a: Point, b: Point, c: Point) -> bool:
    """Whether b lies between a and c on their line."""
    ux, uy, vx, vy = b[0] - a[0], b[1] - a[1], c[0] - b[0], c[1] - b[1]
    return ux * vy == uy * vx and ux * vx + uy * vy >= 0


def _unrouted(problem: RouteProblem, ejector: Ejector, wire: int, reason: str | None) -> Unrouted:
    link = ejector.links[wire]
    start = problem.terminals[link.start].name
    end = "" if link.tie else problem.terminals[link.end].name
    return Unrouted(
        link.net, start, end, saturation(problem, ejector, wire) or reason or "no legal way found", link.tie
    )


def saturation(problem: RouteProblem, ejector: Ejector, wire: int) -> str:
    """The full channels on the cheapest way that a missing link would take, with capacity and demand."""
    topo = ejector.topo
    way = ejector.find(wire, Penalties(dict.fromkeys(topo.strands, 50.0), 500.0))
    if way is None:
        return "closed in: every channel around it is narrower than a wire with its space; make one of them smaller"
    full = []
    demand: dict[int, int] = {}
    for s in way.steps:
        demand.setdefault(s.edge, len(topo.order[s.edge]) + 1)
    for edge, wanted in demand.items():
        if wanted > topo.capacity[edge]:
            a, b = (_name(problem, topo, v) for v in topo.tiles.edges[edge])
            full.append(f"{a} to {b} holds {topo.capacity[edge]}, {wanted} wanted")
    return "; ".join(full)


def _name(problem: RouteProblem, topo: Topology, v: int) -> str:
    f = topo.tiles.features
    if f.kind[v] == TERMINAL:
        return problem.terminals[v].name
    what = "outline" if f.kind[v] == BOUNDARY else "obstacle"
    return f"{what} at ({f.x[v]:.1f}, {f.y[v]:.1f})"
