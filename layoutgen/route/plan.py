"""A whole plan: the first layer, what goes on the second, equal lengths, and (see `why`) why something is missing."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from layoutgen.route.eject import ASKS, Link
from layoutgen.route.legal import via_landing
from layoutgen.route.links import make_links
from layoutgen.route.pieces import net_of, told_apart
from layoutgen.route.problem import Missed, RoutePlan, RouteProblem, Style, Terminal, Unrouted, Via, Wire, resolved
from layoutgen.route.router import Layer, give_up, route_layer
from layoutgen.route.topology import OUTSIDE
from layoutgen.route.why import explained, tie_bound
from layoutgen.units import DBU, Um, dbu

_DETOUR = 1.1
"""Length, in ways that nothing stands in, from which a wire on the first of two layers is tried on the second."""


def route(problem: RouteProblem) -> RoutePlan:
    """Wire all nets of a problem as far as it goes; every wire of the plan is legal, the rest is listed and why.

    On two layers, links that find no room on the first go on the second, with a via at each end that stands on the
    other layer: as few vias as the links that are left allow.
    """
    pieces = told_apart(problem)
    below = _on_layer(pieces, 0, None)
    links, free = make_links(below)
    layers = _layers(pieces, below, links, free)
    if round_about := _round_about(pieces, layers[0]):
        straight = [link for i, link in enumerate(links) if i not in round_about]
        other = _layers(pieces, below, straight, free, [links[i] for i in sorted(round_about)])
        layers = min(layers, other, key=lambda stack: _merit(pieces, stack))
    first = layers[0]
    late = _too_wide(pieces, layers) if problem.wide and len(layers) == 2 else []
    taken = {name: net_of(net) for layer in layers for name, net in layer.taken.items()}
    wires = [replace(wire, net=net_of(wire.net)) for layer in layers for _, wire in sorted(layer.wires.items())]
    wires, missed = _matched(problem, taken, wires)
    bound, cuts = tie_bound(first) if problem.ties else (None, [])
    unrouted, bottlenecks = explained(layers[-1], len(layers) - 1, cuts)
    return RoutePlan(
        tuple(wires),
        (*late, *unrouted),
        tuple(bottlenecks),
        tuple(vias_of(problem, wires)) if problem.layers == 2 else (),
        taken,
        bound,
        problem.some_ties,
        missed,
    )


def _layers(
    problem: RouteProblem,
    below: RouteProblem,
    links: list[Link],
    free: dict[str, list[int]],
    above: Sequence[Link] = (),
) -> list[Layer]:
    """The first layer, and the second where something is left for it; above: links that only go there."""
    first = route_layer(below, links, free)
    if problem.layers == 1 or not (first.missing or above):
        return [first]
    return [first, route_layer(*_left_over(problem, first, above), layer=1)]


def _round_about(problem: RouteProblem, first: Layer) -> set[int]:
    """Links on the first of two layers that may be shorter on the second: each needs one via whichever it takes."""
    if problem.layers == 1:
        return set()
    layer_of = {t.name: t.layer for t in problem.terminals}
    out = set()
    for i, wire in first.wires.items():
        link = first.links[i]
        changes = not link.tie and link.end != ASKS and bool(wire.start and wire.end)
        if (
            changes
            and layer_of[wire.start] != layer_of[wire.end]
            and wire.length > _DETOUR * _straight(problem.style, wire)
        ):
            out.add(i)
    return out


def _straight(style: Style, wire: Wire) -> Um:
    """How long a wire in nobody's way would be in the directions of a style."""
    (x0, y0), (x1, y1) = wire.points[0], wire.points[-1]
    short, long = sorted((abs(x1 - x0) * DBU, abs(y1 - y0) * DBU))
    if style is Style.MANHATTAN:
        return short + long
    return long + (math.sqrt(2) - 1) * short if style is Style.OCTILINEAR else math.hypot(short, long)


def _merit(problem: RouteProblem, layers: Sequence[Layer]) -> tuple[int, int, int, Um]:
    """What layers lack, their vias, and their length: less is better."""
    wires = [wire for layer in layers for wire in layer.wires.values()]
    links, ties = layers[-1].lacks()
    met = resolved(problem, {name: net for layer in layers for name, net in layer.taken.items()})
    return links, ties, len(vias_of(met, wires)), sum(wire.length for wire in wires if not wire.tie)


def _matched(
    problem: RouteProblem, taken: Mapping[str, str], wires: list[Wire]
) -> tuple[list[Wire], tuple[Missed, ...]]:
    if not problem.matched:
        return wires, ()
    from layoutgen.route.match import match

    met = resolved(problem, taken)
    kept: set[str] = set()
    while True:
        longer, missed = match(met, wires, kept)
        wide = _wide_nets(met, longer)
        changed = {new.net for old, new in zip(wires, longer, strict=True) if old.points != new.points}
        if not wide & changed:
            return list(longer), tuple(missed)
        kept |= wide & changed


def _wide_nets(problem: RouteProblem, wires: Sequence[Wire]) -> set[str]:
    """Nets of metal that is too wide for where it stands, and those it is too near to."""
    if not problem.wide:
        return set()
    from layoutgen.route.wires import still_too_wide

    vias = tuple(vias_of(problem, wires)) if problem.layers == 2 else ()
    plan = RoutePlan(tuple(wires), (), vias=vias)
    found = [f for layer in range(problem.layers) for f in still_too_wide(problem, plan, layer)]
    return {net_of(net) for f in found for net in (f.net, f.other)}


def _too_wide(problem: RouteProblem, layers: Sequence[Layer]) -> list[Unrouted]:
    """Give up wires of metal that is too wide where both layers and their vias come together.

    Those of the first layer are returned in words; those of the second are missing there.
    """
    from layoutgen.route.wide import culprits
    from layoutgen.route.wires import still_too_wide

    met = resolved(problem, {name: net for layer in layers for name, net in layer.taken.items()})
    before = set(layers[0].missing)
    while True:
        wires = [wire for layer in layers for _, wire in sorted(layer.wires.items())]
        plan = RoutePlan(tuple(wires), (), vias=tuple(vias_of(met, wires)))
        lost = False
        for z, layer in enumerate(layers):
            numbers = sorted(layer.wires)
            own = [layer.wires[i] for i in numbers]
            for conflict, why in culprits(still_too_wide(met, plan, z), own, problem.guard)[:1]:
                layer.missing |= give_up(layer.ejector, layer.wires, {numbers[conflict.wire]: why})
                lost = True
        if not lost:
            words = zip(layers[0].missing, layers[0].unrouted(), strict=True)
            return [replace(u, net=net_of(u.net)) for i, u in words if i not in before]


# ---------------------------------------------------------------------- layers


def _on_layer(problem: RouteProblem, layer: int, nets: Collection[str] | None) -> RouteProblem:
    """A problem of one layer: its terminals, and where wires may come from the other layer the landings of vias.

    nets: of which terminals of the other layer are landed on; None for all.
    """
    if problem.layers == 1:
        return problem
    terminals = []
    for t in problem.terminals:
        if t.layer == layer:
            terminals.append(t)
        elif nets is None or t.net in nets:
            terminals.append(_landing(problem, t))
    present = {t.net for t in terminals}
    rules = {net: rule for net, rule in problem.rules.items() if net in present}
    return replace(problem, terminals=tuple(terminals), rules=rules, matched=())


def _landing(problem: RouteProblem, t: Terminal) -> Terminal:
    half, round_ = via_landing(problem, t.net)
    return replace(t, half_x=half, half_y=half, round=round_, polygon=())


def _left_over(
    problem: RouteProblem, first: Layer, above: Sequence[Link] = ()
) -> tuple[RouteProblem, list[Link], dict[str, list[int]]]:
    """The second layer's problem, and its links: between the parts that the first one left. above: more such links."""
    left = [*(first.links[i] for i in first.missing), *above]
    names = [t.name for t in first.problem.terminals]
    met = resolved(problem, first.taken)
    upper = replace(_on_layer(met, 1, {link.net for link in left} | {""}), ties=any(link.tie for link in left))
    at = {t.name: k for k, t in enumerate(upper.terminals)}
    links = []
    parts: dict[tuple[int, ...], list[list[int]]] = {}
    for i, link in zip((*first.missing, *(-1 for _ in above)), left, strict=True):
        if link.tie:
            start = min(first.ejector.joined(i), key=lambda v: (_to_rim(first.problem, v), v))
            links.append(Link(link.net, at[names[start]], OUTSIDE, link.air, (at[names[start]],)))
        elif link.end == ASKS:
            start = at[names[link.start]]
            links.append(Link(link.net, start, ASKS, link.air, (start,), link.group))
        else:
            left_apart = parts.setdefault(link.cluster, first.ejector.parts(link.cluster))
            if len(left_apart) > 1:
                a, b = _join_nearest(first, left_apart)
                pair = (at[names[a]], at[names[b]])
                links.append(Link(link.net, *pair, _apart(first, a, b), pair))
    free: dict[str, list[int]] = {}
    for k, t in enumerate(upper.terminals):
        if not t.net:
            free.setdefault(t.group, []).append(k)
    return upper, links, {link.group: free.get(link.group, []) for link in links if link.end == ASKS}


def _join_nearest(layer: Layer, parts: list[list[int]]) -> tuple[int, int]:
    """The nearest terminals of two of some parts, which are one from now on."""
    pairs = ((v, w) for p, q in combinations(parts, 2) for v in p for w in q)
    a, b = min(pairs, key=lambda pair: (_apart(layer, *pair), pair))
    joined = [part for part in parts if a in part or b in part]
    parts[:] = [*(part for part in parts if part not in joined), sorted(v for part in joined for v in part)]
    return a, b


def _apart(layer: Layer, a: int, b: int) -> Um:
    p, q = layer.problem.terminals[a], layer.problem.terminals[b]
    return math.hypot(p.x - q.x, p.y - q.y)


def _to_rim(problem: RouteProblem, v: int) -> Um:
    x0, y0, x1, y1 = problem.bounds
    t = problem.terminals[v]
    return min(t.x - x0, x1 - t.x, t.y - y0, y1 - t.y)


def vias_of(problem: RouteProblem, wires: Iterable[Wire]) -> list[Via]:
    """A via at every terminal that a wire of the other layer ends on, or that stands on one of its net there."""
    by_name = {t.name: t for t in problem.terminals}
    found: dict[str, Via] = {}
    for wire in wires:
        for name in (wire.start, wire.end):
            if name and by_name[name].layer != wire.layer:
                found[name] = Via(wire.net, by_name[name].x, by_name[name].y)
    at: dict[tuple[str, int, int], set[int]] = {}
    for t in problem.terminals:
        place = (t.net, dbu(t.x), dbu(t.y))
        at.setdefault(place, set()).add(t.layer)
        if t.net and len(at[place]) > 1:
            found.setdefault(t.name, Via(t.net, t.x, t.y))
    return list({(v.net, dbu(v.x), dbu(v.y)): v for v in found.values()}.values())
