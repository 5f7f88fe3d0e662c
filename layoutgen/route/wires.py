"""From centre lines to metal: wire bodies, landings of vias, teardrops, and closed notches of one net.

All polygons are simple and on the grid. A teardrop or a filling is only drawn where it keeps its distance to the metal
of other nets; a teardrop shrinks, or is left out, where there is no room or where its notch cannot be closed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import pairwise

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen.route.bodies import bodies, polygon
from layoutgen.route.legal import covered, extent, owners, solid, via_landing
from layoutgen.route.mend import RULE_ANGLE, Flaw, Rule, all_flaws, flaws, near_to, patches, within
from layoutgen.route.notch import NOTCH_ANGLE, closings, marks, notches, simple_by_net
from layoutgen.route.pieces import net_of, plan_apart, told_apart
from layoutgen.route.problem import Point, RoutePlan, RouteProblem, Style, Terminal, Via, Wire
from layoutgen.route.room import Piece, Room
from layoutgen.route.teardrop import (
    FACETS,
    ROUND_SAG,
    SIZES,
    core,
    corners,
    disc,
    fillets,
    first_drops,
    landing,
    pad_polygon,
    teardrops,
)
from layoutgen.route.wide import TooWide, too_wide
from layoutgen.units import IntPoints, Um, dbu, to_dbu

_ROUNDS = 12
"""Times that notches are looked for after closing some."""
_PASSES = len(SIZES) + 1
"""Times that teardrops beside open notches are made smaller, and are taken away in the end."""
_RULE_FACETS = 64
"""Corners of discs in the metal that rules are asked about."""
_SCREEN_ANGLE = NOTCH_ANGLE + 3.0
"""What rims of discs drawn in fewer corners turn by is added."""
_MENDS = 6
"""Times that the metal of a net is looked at after mending some flaws of it."""
_BUMP = 1.3
"""Corners up to so many radii of a terminal from its centre are joined with it smoothly: at more than 100 degrees."""
_WIRE_PART, _TIE_PART = 0.5, 0.75
"""How much of a wire and of a tie a teardrop may take."""


@dataclass
class NetMetal:
    """Integer polygons ((n, 2) arrays in dbu) of one net: wires with teardrops, and what belongs to its tie."""

    metal: list[IntPoints] = field(default_factory=list)
    tie: list[IntPoints] = field(default_factory=list)


def pad_shape(terminal: Terminal, facets: int = FACETS) -> kdb.Polygon:
    """A terminal for KLayout; discs with so many corners."""
    if terminal.polygon:
        return polygon(pad_polygon(terminal))
    x, y, half_x, half_y = dbu(terminal.x), dbu(terminal.y), dbu(terminal.half_x), dbu(terminal.half_y)
    if terminal.round:
        return _disc(half_x, facets).moved(x, y)
    return kdb.Polygon(kdb.Box(x - half_x, y - half_y, x + half_x, y + half_y))


@dataclass
class _Net:
    """What one net has on a layer: fixed pieces (bodies and landings), drops and fillings, and its terminals.

    less: smaller drops for a drop, in turn. open: whether fillings left a notch. ties: what is drawn
    of ties, if it is known. left: what rules find in the end.
    """

    space: int
    rule: Rule
    pads: list[Terminal] = field(default_factory=list)
    fixed: list[Piece] = field(default_factory=list)
    drops: list[Piece] = field(default_factory=list)
    fills: list[Piece] = field(default_factory=list)
    less: dict[Piece, Iterator[Piece]] = field(default_factory=dict)
    open: bool = False
    ties: list[IntPoints] | None = None
    left: list[Flaw] = field(default_factory=list)

    @property
    def reach(self) -> int:
        """What notches must be as wide as: the space, and more at discs, whose rims may stand out of how we see them.

        A rim that faces a wall at 80 degrees comes nearer to it by six times as much as it stands out.
        """
        return self._with_rims(ROUND_SAG)

    def _with_rims(self, sag: float) -> int:
        radius = max((t.half_x for t in self.pads if t.round and not t.polygon), default=0.0)
        return self.space + math.ceil(max(1.0, 6 * sag * dbu(radius)) + 1)

    @property
    def screen(self) -> int:
        """`reach` for discs that are drawn as roughly as rules may see them."""
        rough = 1 - math.cos(math.pi / _RULE_FACETS)
        return self._with_rims(ROUND_SAG + rough)

    def pieces(self) -> list[Piece]:
        """All that is drawn."""
        return [p for p in (*self.fixed, *self.drops, *self.fills) if len(p.points)]

    def shapes(self) -> list[kdb.Polygon]:
        """All of its metal, terminals included."""
        return [p.polygon for p in self.pieces()] + [pad_shape(t) for t in self.pads]


@dataclass(frozen=True, eq=False)
class LeftOver:
    """A place (dbu) where the metal of a net, terminals included, still breaks a rule: kind "width" or "notch"."""

    net: str
    kind: str
    box: kdb.Box


def draw(problem: RouteProblem, plan: RoutePlan, layer: int = 0) -> dict[str, NetMetal]:
    """The metal on one layer of every net that has wires or vias there, without the shapes of the terminals.

    What belongs to a tie ends at the terminal that the tie starts on, and overlaps it only so far that it joins it
    however its rim is drawn (see `teardrop.core`).
    """
    return draw_and_judge(problem, plan, layer)[0]


def left_over(problem: RouteProblem, plan: RoutePlan, layer: int = 0) -> list[LeftOver]:
    """Where the metal that `draw` gives still breaks a net's width, or its space to itself."""
    return draw_and_judge(problem, plan, layer)[1]


def draw_and_judge(
    problem: RouteProblem, plan: RoutePlan, layer: int = 0
) -> tuple[dict[str, NetMetal], list[LeftOver]]:
    """`draw` and `left_over` in one."""
    nets = _assembled(problem, plan, layer)[0]
    out: dict[str, NetMetal] = {}
    for name, net in nets.items():
        whole = out.setdefault(net_of(name), NetMetal())
        whole.metal += [p.points for p in net.pieces() if not p.tie]
        whole.tie += net.ties or []
    return out, [LeftOver(net_of(name), f.kind, f.box) for name, net in nets.items() for f in net.left]


def still_too_wide(problem: RouteProblem, plan: RoutePlan, layer: int = 0) -> list[TooWide]:
    """Where the metal that `draw` gives breaks a step of `RouteProblem.wide`, though no drop is left there."""
    return _assembled(problem, plan, layer)[1] if problem.wide else []


def _assembled(problem: RouteProblem, plan: RoutePlan, layer: int) -> tuple[dict[str, _Net], list[TooWide]]:
    """All that is drawn of each net on a layer, and what stays too wide for where it stands."""
    plan, problem = plan_apart(problem, plan), told_apart(problem)
    owner = owners(problem, plan.wires, plan.taken)
    wires = [w for w in plan.wires if w.layer == layer]
    shapes = bodies(wires, problem.guard)
    room = Room(problem, layer, wires, shapes, owner, plan.vias)
    nets: dict[str, _Net] = {}
    for name in dict.fromkeys([*(w.net for w in wires), *(v.net for v in plan.vias)]):
        rule = Rule(dbu(problem.width_of(name)), dbu(problem.space_of(name, 0.0)))
        nets[name] = _Net(max(rule.space, dbu(problem.space_of(name))), rule)
    for wire, points in zip(wires, shapes, strict=True):
        space = dbu(problem.space_of(wire.net, problem.drawn(wire.width)))
        nets[wire.net].fixed.append(Piece(points, space, wire.net, wire.tie))
    here = covered(problem, layer, owner) if plan.vias else set()
    for via in plan.vias:
        if (via.net, (dbu(via.x), dbu(via.y))) not in here:
            pad = _landing(problem, via)
            space = dbu(problem.space_of(via.net, 2 * pad.half_x))
            nets[via.net].fixed.append(Piece(pad_polygon(pad), space, via.net, False))
    for t in problem.terminals:
        if t.layer == layer and owner[t.name] in nets:
            nets[owner[t.name]].pads.append(t)
    for piece, smaller in _drops(problem, room, wires, plan.vias, layer):
        nets[piece.net].drops.append(piece)
        nets[piece.net].less[piece] = smaller
    bumps = list(_bumps(problem, wires, shapes, plan.vias, layer))
    for piece, free in zip(bumps, room.take(bumps).tolist(), strict=True):
        if free:
            nets[piece.net].fixed.append(piece)
    suspects = _suspects(nets)
    _close_notches(problem, room, {name: nets[name] for name in suspects})
    while problem.wide:  # drops only ever go
        spread = _without_drops(nets, _too_wide(problem, nets, owner, layer))
        if not spread:
            break
        suspects += spread
        _close_notches(problem, room, {name: nets[name] for name in spread})
    _mend(problem, room, nets, set(suspects))
    return nets, _too_wide(problem, nets, owner, layer) if problem.wide else []


def _slanted_die(problem: RouteProblem) -> kdb.Region | None:
    """The die where a side of it slants: rounding puts ends of ties off it there."""
    slanted = any(a[0] != b[0] and a[1] != b[1] for a, b in pairwise([*problem.outline, problem.outline[0]]))
    return kdb.Region(polygon(to_dbu(problem.outline))) if slanted else None


def _landing(problem: RouteProblem, via: Via) -> Terminal:
    half, round_ = via_landing(problem, via.net)
    return Terminal("", via.net, via.x, via.y, half, half, round_)


# ---------------------------------------------------------------------- teardrops


def _drops(
    problem: RouteProblem, room: Room, wires: Sequence[Wire], vias: Sequence[Via], layer: int
) -> list[tuple[Piece, Iterator[Piece]]]:
    """The largest drop that has room at each end of each wire, large ones first; and the smaller ones of each."""
    all_wishes = _wishes(problem, wires, vias, layer)
    wishes = dict(enumerate(all_wishes))
    out: dict[int, Piece] = {}
    while wishes:
        tried = {k: piece for k, wish in wishes.items() if (piece := next(wish, None)) is not None}
        free = room.take(list(tried.values())).tolist()
        out |= {k: piece for (k, piece), ok in zip(tried.items(), free, strict=True) if ok}
        wishes = {k: wishes[k] for k in tried if k not in out}
    return [(out[k], all_wishes[k]) for k in sorted(out)]


@dataclass(frozen=True, eq=False)
class _Wish:
    """The end of a wire that wants a drop: the terminal or the trunk that it starts on, and its way from there."""

    wire: Wire
    way: Sequence[Point]
    space: int
    terminal: Terminal | None = None
    trunk: tuple[tuple[Point, Point], int] | None = None

    @property
    def part(self) -> float:
        return _TIE_PART if self.wire.tie else _WIRE_PART

    def pieces(self, style: Style, first: IntPoints | None) -> Iterator[Piece]:
        """Drops of falling size; the first one if it is known."""
        width = dbu(self.wire.width)
        shapes: Iterator[IntPoints] = iter(())
        if self.terminal is not None:
            if first is not None:
                yield Piece(first, self.space, self.wire.net, self.wire.tie)
            sizes = SIZES if first is None else SIZES[1:]
            shapes = teardrops(landing(self.terminal), self.way, width, self.part, style, sizes)
        elif self.trunk:
            shapes = fillets(self.way[0], *self.trunk, self.way, width, style)
        yield from (Piece(points, self.space, self.wire.net, self.wire.tie) for points in shapes if len(points))


def _wishes(problem: RouteProblem, wires: Sequence[Wire], vias: Sequence[Via], layer: int) -> list[Iterator[Piece]]:
    """Drops of falling size for each end of each wire."""
    terminals = {t.name: t for t in problem.terminals if t.layer == layer}
    landings = {(dbu(v.x), dbu(v.y)): _landing(problem, v) for v in vias}
    trunks = _Trunks(wires)
    spaces: dict[tuple[str, Um], int] = {}

    def space_of(net: str, metal: Um) -> int:
        if (net, metal) not in spaces:
            spaces[net, metal] = dbu(problem.space_of(net, metal))
        return spaces[net, metal]

    wishes = []
    for number, wire in enumerate(wires):
        points = [p for k, p in enumerate(wire.points) if k == 0 or p != wire.points[k - 1]]
        if len(points) < 2:
            continue
        own = space_of(wire.net, problem.drawn(wire.width))
        for at_end in (False, True):
            if at_end and wire.tie:
                continue
            way = points[::-1] if at_end else points
            terminal = terminals.get(wire.end if at_end else wire.start) or landings.get(way[0])
            if terminal is not None:
                wishes.append(_Wish(wire, way, max(own, space_of(wire.net, extent(terminal))), terminal))
            else:
                wishes.append(_Wish(wire, way, own, trunk=trunks.at(number, way[0])))
    first: dict[int, IntPoints | None] = {}
    if problem.style in (Style.ANY_ANGLE, Style.CURVED):
        landed = [(k, w, w.terminal) for k, w in enumerate(wishes) if w.terminal is not None]
        ways, widths = [w.way for _, w, _ in landed], [dbu(w.wire.width) for _, w, _ in landed]
        drops = first_drops([t for _, _, t in landed], ways, widths, [w.part for _, w, _ in landed])
        first = {k: drop for (k, _, _), drop in zip(landed, drops, strict=True)}
    return [w.pieces(problem.style, first.get(k)) for k, w in enumerate(wishes)]


def _bumps(
    problem: RouteProblem, wires: Sequence[Wire], shapes: Sequence[IntPoints], vias: Sequence[Via], layer: int
) -> Iterator[Piece]:
    """Terminals with the corners of their own wires that hardly stand out of them, joined smoothly.

    The rim on both sides of such a corner would be nearer to itself than the width. Corners that stand out further
    belong to a wire that is seen as such.
    """
    terminals = {t.name: t for t in problem.terminals if t.layer == layer}
    landings = {(dbu(v.x), dbu(v.y)): _landing(problem, v) for v in vias}
    for wire, shape in zip(wires, shapes, strict=True):
        if len(wire.points) < 3:
            continue
        for name, way in ((wire.start, wire.points), (wire.end, wire.points[::-1])):
            terminal = terminals.get(name) or landings.get(way[0])
            if terminal is None:
                continue
            hull = landing(terminal)
            if math.dist(way[0], way[1]) > _BUMP * hull.radius + dbu(wire.width):
                continue
            pad = pad_polygon(terminal)
            away = shapely.distance(shapely.Polygon(pad).convex_hull, shapely.points(shape.astype(float)))
            out = shape[(away > 0) & (away <= (_BUMP - 1) * hull.radius)]
            if len(out):
                points = np.concatenate([pad, out])
                few = problem.style in (Style.OCTILINEAR, Style.MANHATTAN) and not terminal.round
                smooth = _octagon(points) if few else shapely.MultiPoint(points.tolist()).convex_hull
                space = problem.space_of(wire.net, max(wire.width, extent(terminal)))
                yield Piece(corners(smooth), dbu(space), wire.net, wire.tie)


def _octagon(points: IntPoints) -> shapely.Geometry:
    """The smallest octagon with sides at 0, 45 and 90 degrees around points."""
    x, y = points.T
    (u0, u1), (v0, v1) = ((d.min(), d.max()) for d in (x + y, x - y))
    tips = [((u + v) / 2, (u - v) / 2) for u, v in ((u0, v0), (u1, v0), (u1, v1), (u0, v1))]
    octagon: shapely.Geometry = shapely.intersection(
        shapely.box(x.min(), y.min(), x.max(), y.max()), shapely.Polygon(tips)
    )
    return octagon


def _too_wide(problem: RouteProblem, nets: Mapping[str, _Net], owner: Mapping[str, str], layer: int) -> list[TooWide]:
    """Metal, terminals included, that is too wide for where it stands."""
    here = [t for t in problem.terminals if t.layer == layer]
    bare: dict[str, list[kdb.Polygon]] = {}
    for t in here:
        bare.setdefault(owner[t.name] or t.name, []).append(pad_shape(t))
    metal = {**bare, **{name: net.shapes() for name, net in nets.items()}}
    rims = [ROUND_SAG * dbu(t.half_x) for t in here if t.round and not t.polygon]
    return too_wide(problem.wide, metal, bare, max(rims, default=0.0))


def _without_drops(nets: Mapping[str, _Net], found: Sequence[TooWide]) -> list[str]:
    """Take away the drops of metal that is too wide, or else those near to it, and say whose they were."""
    changed: list[str] = []
    for f in found:
        for name, part, reach in ((f.net, f.part, 0.0), (f.other, f.part, float(dbu(f.step.space)))):
            drops = nets[name].drops if name in nets else []
            keep = [p for p in drops if not shapely.dwithin(solid(p.points), part, reach)]
            if len(keep) < len(drops):
                nets[name].drops, nets[name].fills = keep, []
                changed.append(name)
                break
    return list(dict.fromkeys(changed))


class _Trunks:
    """Segments of wires, to find the one that a branch ends on."""

    def __init__(self, wires: Sequence[Wire]) -> None:
        self._wires = wires
        self._segments = [(n, a, b) for n, w in enumerate(wires) for a, b in pairwise(w.points) if a != b]

    @cached_property
    def _tree(self) -> shapely.STRtree:
        ends = np.array([(a, b) for _, a, b in self._segments], dtype=float).reshape(-1, 2, 2)
        return shapely.STRtree(np.asarray(shapely.linestrings(ends)))

    def at(self, branch: int, point: Point) -> tuple[tuple[Point, Point], int] | None:
        """The segment of another wire of the branch's net at a point, and its width (dbu)."""
        found = self._tree.query(shapely.Point(point), predicate="dwithin", distance=1.5)
        for k in sorted(found.tolist()):
            number, a, b = self._segments[k]
            if number != branch and self._wires[number].net == self._wires[branch].net and point not in (a, b):
                return (a, b), dbu(self._wires[number].width)
        return None


# ---------------------------------------------------------------------- notches


def _close_notches(problem: RouteProblem, room: Room, nets: Mapping[str, _Net]) -> None:
    """Fill the notches of all nets; teardrops beside those that stay open are made smaller, or are taken away."""
    active = list(nets)
    for _ in range(_PASSES):
        for name in active:
            nets[name].open = False
        left = _fill(problem, room, nets, active)
        active = []
        for name, pairs in left.items():
            nets[name].open = True
            net, near = nets[name], marks(pairs)
            beside = [p for p in net.drops if not near.interacting(kdb.Region(p.polygon)).is_empty()]
            if beside:
                smaller = {p: _smaller(net, room, p) for p in beside}
                net.drops = [q for p in net.drops if (q := smaller.get(p, p)) is not None]
                net.fills = []
                active.append(name)
        if not active:
            return


def _smaller(net: _Net, room: Room, drop: Piece) -> Piece | None:
    """The next smaller drop that has room; None if there is none."""
    rest = net.less.pop(drop, iter(()))
    for piece in rest:
        if room.take([piece])[0]:
            net.less[piece] = rest
            return piece
    return None


def _fill(
    problem: RouteProblem, room: Room, nets: Mapping[str, _Net], active: list[str]
) -> dict[str, list[kdb.EdgePair]]:
    """Fill the notches of some nets as far as there is room, and return those that stay open."""
    left: dict[str, list[kdb.EdgePair]] = {}
    for _ in range(_ROUNDS):
        found = _found(nets, active)
        left = {name: pairs for name, pairs in left.items() if name not in active} | found
        pieces = []
        for name, pairs in found.items():
            net = nets[name]
            for points in closings(kdb.Region(net.shapes()).merged(), pairs, net.reach, problem.style):
                pieces.append(_piece(problem, net, name, points))
        active = []
        for piece, free in zip(pieces, room.take(pieces).tolist(), strict=True):
            if free:
                nets[piece.net].fills += [piece, *_rims(nets[piece.net], piece)]
                active.append(piece.net)
        active = list(dict.fromkeys(active))
        if not active:
            break
    return left


def _found(nets: Mapping[str, _Net], active: Sequence[str]) -> dict[str, list[kdb.EdgePair]]:
    """Notches of some nets, searched for all of the same reach at once."""
    out: dict[str, list[kdb.EdgePair]] = {}
    for reach in dict.fromkeys(nets[name].reach for name in active):
        region = kdb.Region()
        for number, name in enumerate(active):
            if nets[name].reach == reach:
                for shape in nets[name].shapes():
                    region.insert(kdb.PolygonWithProperties(shape, {1: number}))
        out |= {active[k]: pairs for k, pairs in notches(region.merged(), reach).items()}
    return {name: out[name] for name in active if name in out}


def _piece(problem: RouteProblem, net: _Net, name: str, points: IntPoints) -> Piece:
    """A filling: part of a tie where it touches one; it keeps the space of the terminals that it touches."""
    shape = kdb.Region(polygon(points))
    box = shape.bbox()
    ties = kdb.Region([p.polygon for p in net.pieces() if p.tie])
    touched = [t for t in net.pads if pad_shape(t).bbox().touches(box)]
    space = max([net.space, *(dbu(problem.space_of(name, extent(t))) for t in touched)])
    return Piece(points, space, name, not ties.interacting(shape).is_empty())


def _rims(net: _Net, fill: Piece) -> list[Piece]:
    """The discs that a filling touches: it was made for their rims, however these are drawn."""
    shape = shapely.Polygon(fill.points)
    discs = [pad_polygon(t) for t in net.pads if t.round and not t.polygon]
    return [Piece(p, fill.space, fill.net, False) for p in discs if shape.intersects(shapely.Polygon(p))]


# ---------------------------------------------------------------------- flaws


def _suspects(nets: Mapping[str, _Net]) -> list[str]:
    """Nets in which there may be something to fill or to mend: the metal of all others can be drawn as it is."""
    alike: dict[tuple[int, int], list[str]] = {}
    for name, net in nets.items():
        alike.setdefault((net.screen, net.rule.width), []).append(name)
    same, euclid = kdb.Region.SamePropertiesConstraint, kdb.Region.Euclidian
    found: set[str] = set()
    for (reach, width), names in alike.items():
        region = kdb.Region()
        for number, name in enumerate(names):
            for shape in (*(p.polygon for p in nets[name].pieces()), *_terminals(nets[name])):
                region.insert(kdb.PolygonWithProperties(shape, {1: number}))
        merged = region.merged()
        for pairs in (
            merged.width_check(width, False, euclid, RULE_ANGLE, property_constraint=same),
            merged.notch_check(reach, False, euclid, _SCREEN_ANGLE, property_constraint=same),
        ):
            found |= {names[pair.property(1)] for pair in pairs.each()}
    return [name for name in nets if name in found]


def _mend(problem: RouteProblem, room: Room, nets: Mapping[str, _Net], suspects: set[str]) -> None:
    """Mend what rules still find, as far as that is possible, and note the rest with each net."""
    die = _slanted_die(problem)
    for net, ties in zip(nets.values(), _tie_metal(list(nets.values()), die), strict=True):
        net.ties = ties
    looked_at = [name for name in nets if name in suspects or nets[name].ties]
    judged = [([*_drawn(nets[name], die), *_terminals(nets[name])], _terminals(nets[name])) for name in looked_at]
    found = all_flaws([(*shapes, nets[name].rule) for name, shapes in zip(looked_at, judged, strict=True)])
    for number, name in enumerate(looked_at):
        net = nets[name]
        if number not in found and not net.fills and not net.open:
            continue
        _mend_net(problem, room, name, net, die)
        if net.left:
            _mend_anew(problem, room, name, net, die)


def _mend_net(problem: RouteProblem, room: Room, name: str, net: _Net, die: kdb.Region | None) -> None:
    for _ in range(_MENDS):
        before = _flaws(net, die)
        if not sum(_mend_one(problem, room, name, net, flaw, die) for flaw in before):
            break
    net.left = _flaws(net, die)
    net.ties = _tie_metal([net], die)[0]


def _mend_anew(problem: RouteProblem, room: Room, name: str, net: _Net, die: kdb.Region | None) -> None:
    """Start again without drops about what could not be mended: fillings made for these may have closed all ways."""
    windows = [f.box.enlarged(net.rule.reach, net.rule.reach) for f in net.left]
    before = net.drops, net.fills, net.ties, net.left
    net.drops = [p for p in net.drops if not any(p.polygon.bbox().touches(w) for w in windows)]
    net.fills, net.ties = [], None
    _fill(problem, room, {name: net}, [name])
    _mend_net(problem, room, name, net, die)
    if len(net.left) >= len(before[3]):
        net.drops, net.fills, net.ties, net.left = before


def _mend_one(problem: RouteProblem, room: Room, name: str, net: _Net, flaw: Flaw, die: kdb.Region | None) -> bool:
    """Mend one flaw: with more metal, or else with smaller drops; False if that does not help or it is mended yet."""
    reach = net.rule.reach
    least = within(_flaws(net, die, flaw), flaw, reach)
    best = None
    for tried, piece in _mends(problem, room, name, net, flaw, die) if least else ():
        count = within(_flaws(tried, die, flaw), flaw, reach)
        if count < least and (piece is None or room.take([piece])[0]):
            best, least = tried, count
            if not count:
                break
    if best is None:
        return False
    net.drops, net.fills, net.ties = best.drops, best.fills, None
    return True


def _mends(
    problem: RouteProblem, room: Room, name: str, net: _Net, flaw: Flaw, die: kdb.Region | None
) -> Iterator[tuple[_Net, Piece | None]]:
    """What may mend a flaw: nets with one more piece, which needs room, and with less."""
    near = near_to(flaw, [*_drawn(net, die), *_terminals(net)], 3 * net.rule.reach)
    for points in patches(flaw, near, net.rule, problem.style):
        piece = _piece(problem, net, name, points)
        yield replace(net, ties=None, fills=[*net.fills, piece]), piece
    window = flaw.box.enlarged(net.rule.space, net.rule.space)
    fills = [p for p in net.fills if not p.polygon.bbox().touches(window)]
    if len(fills) < len(net.fills):
        yield replace(net, ties=None, fills=fills), None
    for drop in [p for p in net.drops if p.polygon.bbox().touches(window)]:
        new: Piece | None = drop
        while new is not None:
            new = _smaller(net, room, new)
            drops = [q for p in net.drops if (q := new if p is drop else p) is not None]
            for kept in (net.fills, fills):
                yield replace(net, ties=None, drops=drops, fills=kept), None


def _flaws(net: _Net, die: kdb.Region | None, flaw: Flaw | None = None) -> list[Flaw]:
    """The flaws of a net, or those about one of them, with its discs drawn in 64 corners and in more."""
    drawn = _drawn(net, die)
    pads = [_terminals(net)]
    if any(t.round and not t.polygon for t in net.pads):
        pads.append([pad_shape(t) for t in net.pads])
    if flaw is not None:
        reach = 3 * net.rule.reach
        drawn, pads = near_to(flaw, drawn, reach), [near_to(flaw, own, reach) for own in pads]
    return [f for own in pads for f in flaws([*drawn, *own], own, net.rule)]


def _terminals(net: _Net) -> list[kdb.Polygon]:
    """The terminals of a net as rules see them."""
    return [pad_shape(t, _RULE_FACETS) for t in net.pads]


@lru_cache(maxsize=256)
def _disc(radius: int, facets: int) -> kdb.Polygon:
    """A disc about the origin."""
    return polygon(disc(0, 0, radius, facets))


def _drawn(net: _Net, die: kdb.Region | None) -> list[kdb.Polygon]:
    """What `draw` gives of a net."""
    ties = _tie_metal([net], die)[0] if net.ties is None else net.ties
    return [p.polygon for p in net.pieces() if not p.tie] + [polygon(points) for points in ties]


def _tie_metal(nets: Sequence[_Net], die: kdb.Region | None) -> list[list[IntPoints]]:
    """What belongs to ties: they leave out what their terminals cover, and what rounding puts off the die."""
    ties, cores = kdb.Region(), kdb.Region()
    for number, net in enumerate(nets):
        own = [p.polygon for p in net.pieces() if p.tie]
        boxes = kdb.Region([kdb.Polygon(p.bbox()) for p in own])
        for p in own:
            ties.insert(kdb.PolygonWithProperties(p, {1: number}))
        near = boxes.bbox()
        for t in net.pads if own else ():
            if near.touches(pad_shape(t).bbox()):
                cores.insert(polygon(core(t)))
    if not cores.is_empty():
        ties = ties.not_(cores, kdb.Region.NoPropertyConstraint)  # which keeps the properties
    if die is not None and not ties.is_empty():
        ties = ties.and_(die, kdb.Region.NoPropertyConstraint)
    parts = simple_by_net(ties)
    return [parts.get(number, []) for number in range(len(nets))]
