"""Fillings: notches of one net closed, and what rules find in its metal mended; teardrops in the way become smaller."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import klayout.db as kdb
import shapely

from layoutgen.route.bodies import polygon
from layoutgen.route.legal import extent
from layoutgen.route.mend import Flaw, flawed, near_to, notch_pairs, patches, width_pairs
from layoutgen.route.metal import (
    RULE_FACETS,
    LayerNet,
    count_of,
    drawn_of,
    flaws_of,
    pad_shape,
    slanted_die,
    terminals_of,
    tie_metal,
)
from layoutgen.route.notch import NOTCH_ANGLE, closings, marks, notches
from layoutgen.route.problem import RouteProblem, Style
from layoutgen.route.room import Piece, Room
from layoutgen.route.teardrop import SIZES, pad_polygon
from layoutgen.units import IntPoints, dbu

_ROUNDS = 12
"""Times that notches are looked for after closing some."""
_PASSES = len(SIZES) + 1
"""Times that teardrops beside open notches are made smaller, and are taken away in the end."""
_SCREEN_ANGLE = NOTCH_ANGLE + 3.0
"""What rims of discs drawn in fewer corners turn by is added."""
_FEW = 4
"""Pieces tried at few angles before smaller drops."""
_MENDS = 6
"""Times that the metal of a net is looked at after mending some flaws of it."""


def close_notches(problem: RouteProblem, room: Room, nets: Mapping[str, LayerNet]) -> None:
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
                instead = {p: _smaller(net, room, p) for p in beside}
                net.drops = [q for p in net.drops if (q := instead.get(p, p)) is not None]
                net.fills = []
                active.append(name)
        if not active:
            return


def _smaller(net: LayerNet, room: Room, drop: Piece) -> Piece | None:
    """The next smaller drop that has room; None if there is none."""
    rest = net.less.pop(drop, iter(()))
    for piece in rest:
        if room.take([piece])[0]:
            net.less[piece] = rest
            return piece
    return None


def _fill(
    problem: RouteProblem, room: Room, nets: Mapping[str, LayerNet], active: list[str]
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
                pieces.append(_filling(problem, net, name, points))
        active = []
        for piece, free in zip(pieces, room.take(pieces).tolist(), strict=True):
            if free:
                nets[piece.net].fills += [piece, *_rims(nets[piece.net], piece)]
                active.append(piece.net)
        active = list(dict.fromkeys(active))
        if not active:
            break
    return left


def _found(nets: Mapping[str, LayerNet], active: Sequence[str]) -> dict[str, list[kdb.EdgePair]]:
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


def _filling(problem: RouteProblem, net: LayerNet, name: str, points: IntPoints) -> Piece:
    """A filling: part of a tie where it touches one; it keeps the space of the terminals that it touches."""
    shape = kdb.Region(polygon(points))
    box = shape.bbox()
    ties = kdb.Region([p.polygon for p in net.pieces() if p.tie])
    touched = [t for t in net.pads if pad_shape(t).bbox().touches(box)]
    space = max([net.space, *(dbu(problem.space_of(name, extent(t))) for t in touched)])
    return Piece(points, space, name, not ties.interacting(shape).is_empty())


def _rims(net: LayerNet, fill: Piece) -> list[Piece]:
    """The discs that a filling touches: it was made for their rims, however these are drawn."""
    shape = shapely.Polygon(fill.points)
    discs = [pad_polygon(t) for t in net.pads if t.round and not t.polygon]
    return [Piece(p, fill.space, fill.net, False) for p in discs if shape.intersects(shapely.Polygon(p))]


def suspects(nets: Mapping[str, LayerNet]) -> list[str]:
    """Nets in which there may be something to fill or to mend: the metal of all others can be drawn as it is."""
    alike: dict[tuple[int, int], list[str]] = {}
    for name, net in nets.items():
        alike.setdefault((net.screen, net.rule.width), []).append(name)
    found: set[str] = set()
    for (reach, width), names in alike.items():
        region = kdb.Region()
        for number, name in enumerate(names):
            for shape in (*(p.polygon for p in nets[name].pieces()), *terminals_of(nets[name])):
                region.insert(kdb.PolygonWithProperties(shape, {1: number}))
        merged = region.merged()
        narrow = width_pairs(merged, width, shielded=False)
        for pairs in (narrow, notch_pairs(merged, reach, _SCREEN_ANGLE, shielded=False)):
            found |= {names[pair.property(1)] for pair in pairs.each()}
    return [name for name in nets if name in found]


def mend_all(problem: RouteProblem, room: Room, nets: Mapping[str, LayerNet], suspects: set[str]) -> None:
    """Mend what rules still find, as far as that is possible, and note the rest with each net."""
    die = slanted_die(problem)
    for net, ties in zip(nets.values(), tie_metal(list(nets.values()), die), strict=True):
        net.ties = ties
    looked_at = [name for name in nets if name in suspects or nets[name].ties]
    judged = [
        ([*drawn_of(net, die), *terminals_of(net)], net.bare(RULE_FACETS)) for net in (nets[n] for n in looked_at)
    ]
    found = flawed(judged)
    for number, name in enumerate(looked_at):
        net = nets[name]
        if number not in found and not net.fills and not net.open:
            continue
        _mend_net(problem, room, name, net, die)
        if net.left:
            _mend_anew(problem, room, name, net, die)


def _mend_net(problem: RouteProblem, room: Room, name: str, net: LayerNet, die: kdb.Region | None) -> None:
    failed: set[tuple[object, ...]] = set()
    net.left = flaws_of(net, die)
    for _ in range(_MENDS):
        if not sum(_mend_one(problem, room, name, net, flaw, die, failed) for flaw in net.left):
            break
        net.left = flaws_of(net, die)
    net.ties = tie_metal([net], die)[0]


def _mend_anew(problem: RouteProblem, room: Room, name: str, net: LayerNet, die: kdb.Region | None) -> None:
    """Start again without drops about what could not be mended: fillings made for these may have closed all ways."""
    windows = [f.box.enlarged(net.rule.reach, net.rule.reach) for f in net.left]
    before = net.drops, net.fills, net.ties, net.left
    net.drops = [p for p in net.drops if not any(p.polygon.bbox().touches(w) for w in windows)]
    net.fills, net.ties = [], None
    _fill(problem, room, {name: net}, [name])
    _mend_net(problem, room, name, net, die)
    if len(net.left) >= len(before[3]):
        net.drops, net.fills, net.ties, net.left = before


@dataclass(frozen=True, eq=False)
class _Change:
    """What may mend a flaw: fillings left out, one more, or a drop that another one, or none, stands for."""

    without: Sequence[Piece] = ()
    fill: Piece | None = None
    drop: Piece | None = None
    smaller: Piece | None = None

    def of(self, net: LayerNet) -> LayerNet:
        """The net after it."""
        fills = [p for p in net.fills if p not in self.without] + ([self.fill] if self.fill else [])
        drops = [q for p in net.drops if (q := self.smaller if p is self.drop else p) is not None]
        return replace(net, ties=None, fills=fills, drops=drops)


def _mend_one(
    problem: RouteProblem,
    room: Room,
    name: str,
    net: LayerNet,
    flaw: Flaw,
    die: kdb.Region | None,
    failed: set[tuple[object, ...]],
) -> bool:
    """Mend one flaw: with more metal, or else with smaller drops; False if that does not help or it is mended yet.

    failed: flaws, with all about them, that could not be mended.
    """
    reach = net.rule.reach
    window = flaw.box.enlarged(reach, reach)
    local = net.near(flaw.box.enlarged(3 * reach, 3 * reach))
    tried = (flaw.kind, flaw.pair, *local.pieces())
    if tried in failed:
        return False
    least = count_of(local, die, window, sys.maxsize)
    best = None
    for change in _changes(problem, room, name, local, flaw, die) if least else ():
        count = count_of(change.of(local), die, window, least)
        if count < least and (change.fill is None or room.take([change.fill])[0]):
            best, least = change, count
            if not count:
                break
    if best is None:
        failed.add(tried)
        return False
    changed = best.of(net)
    net.drops, net.fills, net.ties = changed.drops, changed.fills, None
    return True


def _changes(
    problem: RouteProblem, room: Room, name: str, net: LayerNet, flaw: Flaw, die: kdb.Region | None
) -> Iterator[_Change]:
    """What may mend a flaw: one more piece, which needs room, and less."""
    near = near_to(flaw, [*drawn_of(net, die), *terminals_of(net)], 3 * net.rule.reach)
    more = (_Change(fill=_filling(problem, net, name, p)) for p in patches(flaw, near, net.rule, problem.style))
    # at few angles nearly all that is narrow is so between a drop and the far side of a terminal narrower than the wire
    yield from islice(more, _FEW if problem.style in (Style.OCTILINEAR, Style.MANHATTAN) else None)
    window = flaw.box.enlarged(net.rule.space, net.rule.space)
    fills = [p for p in net.fills if p.polygon.bbox().touches(window)]
    if fills:
        yield _Change(without=fills)
    for drop in [p for p in net.drops if p.polygon.bbox().touches(window)]:
        new: Piece | None = drop
        while new is not None:
            new = _smaller(net, room, new)
            yield _Change(drop=drop, smaller=new)
            if fills:
                yield _Change(fills, drop=drop, smaller=new)
    yield from more
