"""One layer: tiles, topology, ties, rubber bands, and the check that only legal wires leave."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from layoutgen.route import tiles
from layoutgen.route.dice import Dice
from layoutgen.route.eject import ASKS, LEAST_SEARCHES, Ejector, Link, wires_of
from layoutgen.route.legal import Conflict, conflicts
from layoutgen.route.problem import Point, RoutePlan, RouteProblem, Style, Unrouted, Wire, resolved
from layoutgen.route.rubber import Rubber
from layoutgen.route.start import Merit, lay_again, lay_free, lift, merit, put_back
from layoutgen.route.ties import along_side, end_points
from layoutgen.route.topology import Topology
from layoutgen.units import DBU, Um, dbu, to_dbu

_STARTS = 8
_START_LINKS = 600
"""Links to be routed over all starts: bounds the time that starts take."""
_IDLE = 2
"""Starts without a link less missing, after which no more are made."""
_NEAR_STRAIGHT = 1.05
"""Part of the sum of straight lines, below which no shorter laying of free and fixed wires is sought."""
_WORTH = 0.99
"""Part of the length that starts must come down to for another one."""
_SPENT = 20
"""Searches per link after which free and fixed wires get no other start."""
_ROUNDED = 0.002
"""What arcs on the grid may lose to rounding, in um."""
_RESTYLES = 4
"""Rounds in which wires that found no way in the directions of a style are routed again, likewise."""
_MENDS = 8
"""Rounds in which wires that came out too near to something are routed again with the channel closed to them."""
LOST = "the wire of its net that it ended on could not be drawn"


@dataclass
class Layer:
    """One metal layer, routed: its wires by number of their links, and the links that are missing with a reason."""

    problem: RouteProblem
    links: list[Link]
    ejector: Ejector
    wires: dict[int, Wire]
    missing: dict[int, str]
    taken: dict[str, str]
    narrow: dict[int, int] = field(default_factory=dict)
    """Of wires that were given up: the tile edge at which they came too near to something."""

    def lacks(self) -> tuple[int, int]:
        """Missing links between terminals, and missing ties."""
        ties = sum(self.links[i].tie for i in self.missing)
        return len(self.missing) - ties, ties

    def unrouted(self) -> list[Unrouted]:
        """What is missing, in words."""
        out = []
        for i, reason in self.missing.items():
            link = self.links[i]
            end = link.group if link.end == ASKS else "" if link.tie else self.problem.terminals[link.end].name
            out.append(Unrouted(link.net, self.problem.terminals[link.start].name, end, reason, link.tie))
        return out


def route_layer(problem: RouteProblem, links: list[Link], free: dict[str, list[int]], layer: int = 0) -> Layer:
    """Wire links on one layer as far as it goes; the terminals of the problem are those on this layer.

    Its style is what clearances and wires are made for; wires that cannot be drawn in it are routed again with the
    channel closed to them where they came too near to something, as long as fewer are missing then.
    """
    ejector = best_topology(problem, tiles.build(problem, layer), links, free)
    found, near = _drawn_in_style(problem, ejector, layer)
    for _ in range(_RESTYLES if near else 0):
        kept = lift(ejector)
        put_back(ejector, kept)
        out = []
        for wire, conflict in near.items():
            if wire in ejector.cost:
                _close(ejector.topo, wire, conflict)
                out += ejector.remove(wire)
        ejector.most = ejector.searches + LEAST_SEARCHES
        ejector.route(out)
        again, near = _drawn_in_style(problem, ejector, layer)
        if again.lacks() < found.lacks():
            found = again
        else:
            lift(ejector)
            put_back(ejector, kept)
            break
        if not near:
            break
    for i in found.missing if problem.layers == 2 else ():  # the other layer looks at what hangs together
        if i in ejector.cost:
            ejector.remove(i)
    return found


def _drawn_in_style(problem: RouteProblem, ejector: Ejector, layer: int) -> tuple[Layer, dict[int, Conflict]]:
    """The wires of a topology in the problem's style, and where those came too near to something that have no way.

    Wires whose metal would be too wide for where it stands are laid elsewhere, or given up.
    """
    narrow: dict[int, int] = {}
    spread: dict[int, str] = {}
    for round_ in range(_MENDS // 2 + 1):
        wires, reasons, closed, near = _styled(problem, ejector, layer)
        narrow |= closed
        pulled = _spread(problem, ejector, layer, wires)
        spread |= {wire: why for wire, (_, why) in pulled.items()}
        if not pulled or round_ == _MENDS // 2:
            break
        out = []
        for wire, (conflict, _) in pulled.items():
            if wire in ejector.cost:
                narrow[wire] = _close(ejector.topo, wire, conflict)
                out += ejector.remove(wire)
        ejector.most = ejector.searches + LEAST_SEARCHES
        ejector.route(out)
    while pulled:
        reasons |= give_up(ejector, wires, {wire: why for wire, (_, why) in pulled.items()})
        pulled = _spread(problem, ejector, layer, wires)
    links = list(ejector.links)
    kept = {i: replace(wires[i], layer=layer) if layer else wires[i] for i in sorted(wires)}
    missing = {i: reasons.get(i) or spread.get(i, "") for i in range(len(links)) if i not in kept}
    narrow = {i: edge for i, edge in narrow.items() if i in missing}
    return Layer(problem, links, ejector, kept, missing, _taken(problem, ejector), narrow), near


def _styled(
    problem: RouteProblem, ejector: Ejector, layer: int
) -> tuple[dict[int, Wire], dict[int, str], dict[int, int], dict[int, Conflict]]:
    """`_draw_legal` in the problem's style, and where those came too near to something that have no way in it."""
    near: dict[int, Conflict] = {}
    drawn, reasons, narrow = _draw_legal(problem, ejector, layer)
    numbers = sorted(drawn)
    wires = [drawn[i] for i in numbers]
    met = _alone(resolved(problem, _taken(problem, ejector)), layer)
    if problem.style is Style.CURVED:
        wires = _curved(met, wires)
    elif problem.style is not Style.ANY_ANGLE:
        from layoutgen.route import styles

        convert = styles.octilinear if problem.style is Style.OCTILINEAR else styles.manhattan
        styled = convert(met, wires)
        reasons |= {numbers[k]: why for k, why in styled.failed.items()}
        near = {numbers[k]: conflict for k, conflict in styled.near.items()}
        numbers, wires = [numbers[k] for k in styled.wires], list(styled.wires.values())
    return dict(zip(numbers, wires, strict=True)), reasons, narrow, near


def _spread(
    problem: RouteProblem, ejector: Ejector, layer: int, wires: Mapping[int, Wire]
) -> dict[int, tuple[Conflict, str]]:
    """Wires to be laid elsewhere as metal would be too wide for where it stands (see `wide`), and why."""
    if not problem.wide:
        return {}
    from layoutgen.route.wide import culprits
    from layoutgen.route.wires import still_too_wide

    taken = _taken(problem, ejector)
    numbers = sorted(wires)
    drawn = [wires[i] for i in numbers]
    met = _alone(resolved(problem, taken), layer)
    found = culprits(still_too_wide(met, RoutePlan(tuple(drawn), (), taken=taken)), drawn, problem.guard)
    why = {(c.wire, c.other, c.at): reason for c, reason in found}
    pulled = _pull([c for c, _ in found], numbers, dict(wires))
    return {wire: (c, why[c.wire, c.other, c.at]) for wire, c in pulled.items()}


def give_up(ejector: Ejector, wires: dict[int, Wire], reasons: Mapping[int, str]) -> dict[int, str]:
    """Take wires out for good, and those that end on them; returns why, for each."""
    out = dict(reasons)
    for wire in reasons:
        for gone in ejector.remove(wire) if wire in ejector.cost else [wire]:
            out.setdefault(gone, LOST)
            wires.pop(gone, None)
        wires.pop(wire, None)
    return out


def _alone(problem: RouteProblem, layer: int) -> RouteProblem:
    """A layer's problem as one of a single layer, so that all its terminals and landings are seen to stand there.

    A landing at the centre of a terminal of this layer is left out: no wire ends on it.
    """
    if problem.layers == 1:
        return problem
    own = {(dbu(t.x), dbu(t.y)) for t in problem.terminals if t.layer == layer}
    terminals = [t for t in problem.terminals if t.layer == layer or (dbu(t.x), dbu(t.y)) not in own]
    obstacles = tuple(replace(o, layer=None) for o in problem.obstacles if o.layer in (None, layer))
    present = {t.net for t in terminals}
    rules = {net: rule for net, rule in problem.rules.items() if net in present}
    stand = tuple(replace(t, layer=0) for t in terminals)
    return replace(problem, terminals=stand, obstacles=obstacles, rules=rules, layers=1)


def _curved(problem: RouteProblem, wires: list[Wire]) -> list[Wire]:
    """Wires with arcs for bends; those that come too near to something, by a rounding even, keep their corners."""
    from layoutgen.route.curves import curve

    out = list(curve(problem, wires))
    rules = {net: replace(rule, space=rule.space + _ROUNDED) for net, rule in problem.rules.items()}
    strict = replace(problem, space=problem.space + _ROUNDED, edge=problem.edge + _ROUNDED, rules=rules)
    for _ in range(_MENDS):
        near = {k for c in conflicts(strict, out) for k in (c.wire, c.other) if k >= 0}
        back = [k for k in sorted(near) if out[k] != wires[k]]
        if not back:
            break
        for k in back:
            out[k] = wires[k]
    return out


def best_topology(problem: RouteProblem, graph: tiles.Tiles, links: list[Link], free: dict[str, list[int]]) -> Ejector:
    """The best of a few starts, by missing links, missing ties, and then by length.

    Where terminals are free, a flow lays all that ask for them at once. Later starts mix the order of the other links:
    ties first, and short links before long ones. Where both are there, every other start lays the fixed links first,
    the free ones are laid anew beside them, and starts go on until the length is near that of straight lines. Large
    problems get fewer starts.
    """
    count = max(1, min(_STARTS, _START_LINKS // max(1, len(links))))
    fixed = {i for i, link in enumerate(links) if not link.tie and link.end != ASKS}
    mixed = bool(free) and bool(fixed) and count > 1
    enough = _NEAR_STRAIGHT * sum(link.air for link in links if not link.tie)
    wires = wires_of(links, {link.net: tiles.slot_of(problem, link.net) for link in links})
    starts: list[tuple[Merit, int, Ejector]] = []
    spent = 0

    def judge(laid: Ejector) -> Merit:
        return _drawn_merit(problem, laid) if mixed else merit(laid)

    def near(found: Merit) -> bool:
        return found[:2] == (0, 0) and found[2] <= enough

    for seed in range(count):
        ejector = Ejector(Topology(graph, wires), links, free, seed=seed + 1)
        order = _order(links, seed)

        def rest(laid: Ejector, *, again: bool = True, order: list[int] = order) -> None:
            laid.solve([i for i in order if i not in laid.cost], again=again)

        if mixed and seed % 2:
            ejector.solve([i for i in order if i in fixed])
        impossible = lay_free(ejector)
        insisted = bool(free) and ejector.insist(impossible)
        rest(ejector, again=not insisted)
        found = judge(ejector)
        if mixed and not near(found):
            found = lay_again(ejector, rest, judge)
        starts.append((found, seed, ejector))
        spent += ejector.searches
        least, before = (min(start[0] for start in part) for part in (starts, starts[:-_IDLE] or starts[:1]))
        idle = len(starts) > _IDLE and least[:2] == before[:2]
        if mixed and (near(least) or (idle and least[2] > _WORTH * before[2]) or spent > _SPENT * len(links) + 1000):
            break
        if not mixed and (free or idle or least[:2] == (0, 0)):
            break
    return min(starts, key=lambda start: start[:2])[2]


def _drawn_merit(problem: RouteProblem, ejector: Ejector) -> Merit:
    """What a laying lacks, and how long its wires are once pulled tight, ties apart."""
    drawn, _ = centre_lines(problem, ejector)
    lacks = [link.tie for i, link in enumerate(ejector.links) if i not in drawn]
    return lacks.count(False), lacks.count(True), sum(wire.length for wire in drawn.values() if not wire.tie)


def _order(links: list[Link], seed: int) -> list[int]:
    """Ties first, then short links before long ones, mixed by chance but for the first seed."""
    mix = Dice(seed)
    air = [link.air * (mix.uniform(0.5, 2.0) if seed else 1.0) for link in links]
    return sorted(range(len(links)), key=lambda i: (not links[i].tie, air[i], i))


def _taken(problem: RouteProblem, ejector: Ejector) -> dict[str, str]:
    return {problem.terminals[v].name: ejector.links[w].net for v, w in sorted(ejector.taken.items())}


def _draw_legal(
    problem: RouteProblem, ejector: Ejector, layer: int
) -> tuple[dict[int, Wire], dict[int, str], dict[int, int]]:
    """Centre lines of all wires; those in conflict are routed anew, and given up in the end: why, and at which edge."""
    reasons: dict[int, str] = {}
    narrow: dict[int, int] = {}
    for round_ in range(2 * _MENDS + len(ejector.links)):
        drawn, bad = centre_lines(problem, ejector)
        for wire in (*drawn, *bad):  # found another way since
            reasons.pop(wire, None)
            narrow.pop(wire, None)
        numbers = sorted(drawn)
        met = _alone(resolved(problem, _taken(problem, ejector)), layer)
        found = conflicts(met, [drawn[i] for i in numbers], draft=problem.style in (Style.OCTILINEAR, Style.MANHATTAN))
        if not found and not bad:
            break
        pulled = _pull(found, numbers, drawn)
        out: list[int] = []
        full: set[int] = set()
        for wire in bad:
            tie = "no place is left for its end on the outline at the width, space and pitch of ties"
            reasons[wire] = tie if ejector.links[wire].tie else "the rubber band finds no way through"
            if problem.tie_pitch and ejector.links[wire].tie:
                full |= {*along_side(ejector.topo, problem, ejector.topo.strands[wire].edges[-1])}
            out += ejector.remove(wire) if wire in ejector.cost else []
        for wire, conflict in pulled.items():
            reasons[wire] = "no room next to other metal about ({:.1f}, {:.1f}) um".format(
                *(c * DBU for c in conflict.at)
            )
            if wire in ejector.cost:
                narrow[wire] = _close(ejector.topo, wire, conflict)
                out += ejector.remove(wire)
        for wire in out:
            reasons.setdefault(wire, LOST)
        for edge in sorted(full):  # no more places on the pitch: the edges of tiles only know the room
            ejector.topo.close(edge, 0.0)
        if round_ < _MENDS // 2:
            ejector.most = ejector.searches + LEAST_SEARCHES
            ejector.route(out)
    return drawn, reasons, narrow


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


def _close(topo: Topology, wire: int, conflict: Conflict) -> int:
    """Lower the capacity of the crossed edge nearest to a conflict to what it holds without this wire; -1 if none."""
    x, y = conflict.at[0] * DBU, conflict.at[1] * DBU

    def distance(edge: int) -> Um:
        x0, y0, x1, y1 = topo.tiles.span[edge]
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        f = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length if length else 0.0
        f = min(1.0, max(0.0, f))
        return math.hypot(x0 + f * (x1 - x0) - x, y0 + f * (y1 - y0) - y)

    edges = topo.strands[wire].edges
    if not edges:
        return -1
    edge = min(edges, key=lambda e: (distance(e), e))
    topo.close(edge, topo.wires.slot[wire])
    return edge


def centre_lines(problem: RouteProblem, ejector: Ejector) -> tuple[dict[int, Wire], list[int]]:
    """The wires of a topology on the grid, and the numbers of those that find no way."""
    topo = ejector.topo
    ends, homeless = end_points(topo, problem)
    rubber = Rubber(topo, problem, ends)
    paths: dict[int, list[tuple[Um, Um]]] = {}
    for i in sorted(set(topo.strands) - set(homeless)):
        path = rubber.path(i) or []
        paths[i] = [*path, ends[i].point] if path and ejector.links[i].tie else path
    drawn: dict[int, Wire] = {}
    bad = list(homeless)
    for i, points in zip(paths, snap(list(paths.values())), strict=True):
        link, s = ejector.links[i], topo.strands[i]
        names = [problem.terminals[v].name if v >= 0 else "" for v in (s.start, s.end)]
        if len(points) < 2:
            bad.append(i)
        else:
            drawn[i] = Wire(link.net, names[0], names[1], points, link.tie, problem.width_of(link.net))
    return drawn, bad


def snap(paths: list[list[tuple[Um, Um]]]) -> list[tuple[Point, ...]]:
    """Paths on the grid, without repeated points and points on a straight line."""
    whole = iter(to_dbu([p for path in paths for p in path]).reshape(-1, 2).tolist())
    return [_simple(islice(whole, len(path))) for path in paths]


def _simple(points: Iterable[list[int]]) -> tuple[Point, ...]:
    out: list[Point] = []
    for x, y in points:
        while len(out) > 1 and _straight(out[-2], out[-1], (x, y)):
            out.pop()
        if not out or out[-1] != (x, y):
            out.append((x, y))
    return tuple(out)


def _straight(a: Point, b: Point, c: Point) -> bool:
    """Whether b lies between a and c on their line."""
    ux, uy, vx, vy = b[0] - a[0], b[1] - a[1], c[0] - b[0], c[1] - b[1]
    return ux * vy == uy * vx and ux * vx + uy * vy >= 0
