"""What one net has on a layer, piece by piece, and its metal as it is drawn and as rules see it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

import klayout.db as kdb

from layoutgen.route.bodies import polygon
from layoutgen.route.mend import Bare, Flaw, Rule, flaws, flaws_about
from layoutgen.route.notch import simple_by_net
from layoutgen.route.problem import RouteProblem, Terminal
from layoutgen.route.room import Piece
from layoutgen.route.teardrop import FACETS, ROUND_SAG, core, disc, notch_reach, pad_polygon
from layoutgen.units import IntPoints, dbu, to_dbu

RULE_FACETS = 64
"""Corners of discs in the metal that rules are asked about."""


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
class LayerNet:
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
    _bare: dict[int, Bare] = field(default_factory=dict, repr=False)

    def bare(self, facets: int) -> Bare:
        """Its terminals alone, discs with so many corners."""
        if facets not in self._bare:
            self._bare[facets] = Bare([pad_shape(t, facets) for t in self.pads], self.rule)
        return self._bare[facets]

    @property
    def facets(self) -> list[int]:
        """The numbers of corners that its discs are drawn with for rules."""
        return [RULE_FACETS, FACETS] if any(t.round and not t.polygon for t in self.pads) else [RULE_FACETS]

    def near(self, window: kdb.Box) -> LayerNet:
        """What touches a window, as a net; what it has to do with terminals alone is that of the whole."""
        fixed, drops, fills = (
            [p for p in own if p.polygon.bbox().touches(window)] for own in (self.fixed, self.drops, self.fills)
        )
        pads = [t for t in self.pads if pad_shape(t).bbox().touches(window)]
        bare = {n: self.bare(n) for n in self.facets}
        return replace(self, pads=pads, fixed=fixed, drops=drops, fills=fills, ties=None, _bare=bare)

    @property
    def reach(self) -> int:
        """What notches must be as wide as, discs seen as they are drawn here; see `notch_reach`."""
        return notch_reach(self.space, self.pads)

    @property
    def screen(self) -> int:
        """The same for discs that are drawn as roughly as rules may see them."""
        return notch_reach(self.space, self.pads, ROUND_SAG + 1 - math.cos(math.pi / RULE_FACETS))

    def pieces(self) -> list[Piece]:
        """All that is drawn."""
        return [p for p in (*self.fixed, *self.drops, *self.fills) if len(p.points)]

    def shapes(self) -> list[kdb.Polygon]:
        """All of its metal, terminals included."""
        return [p.polygon for p in self.pieces()] + [pad_shape(t) for t in self.pads]


def flaws_of(net: LayerNet, die: kdb.Region | None) -> list[Flaw]:
    """The flaws of a net, with its discs drawn in 64 corners and in more."""
    drawn = drawn_of(net, die)
    return [f for n in net.facets for f in flaws([*drawn, *(pad_shape(t, n) for t in net.pads)], net.bare(n))]


def count_of(net: LayerNet, die: kdb.Region | None, window: kdb.Box, enough: int) -> int:
    """How many flaws of a net touch a window, counted on until there are enough."""
    drawn = drawn_of(net, die)
    count = 0
    for n in net.facets:
        if count < enough:
            count += flaws_about([*drawn, *(pad_shape(t, n) for t in net.pads)], net.bare(n), window, enough - count)
    return count


def terminals_of(net: LayerNet) -> list[kdb.Polygon]:
    """The terminals of a net as rules see them."""
    return [pad_shape(t, RULE_FACETS) for t in net.pads]


@lru_cache(maxsize=256)
def _disc(radius: int, facets: int) -> kdb.Polygon:
    """A disc about the origin."""
    return polygon(disc(0, 0, radius, facets))


def drawn_of(net: LayerNet, die: kdb.Region | None) -> list[kdb.Polygon]:
    """What `draw` gives of a net."""
    ties = tie_metal([net], die)[0] if net.ties is None else net.ties
    return [p.polygon for p in net.pieces() if not p.tie] + [polygon(points) for points in ties]


def tie_metal(nets: Sequence[LayerNet], die: kdb.Region | None) -> list[list[IntPoints]]:
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


def slanted_die(problem: RouteProblem) -> kdb.Region | None:
    """The die where a side of it slants: rounding puts ends of ties off it there."""
    slanted = any(a[0] != b[0] and a[1] != b[1] for a, b in pairwise([*problem.outline, problem.outline[0]]))
    return kdb.Region(polygon(to_dbu(problem.outline))) if slanted else None
