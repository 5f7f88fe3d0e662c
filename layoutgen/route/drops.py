"""Teardrops: at each end of each wire the largest that has room, and terminals joined smoothly with their wires."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import shapely

from layoutgen.route.legal import extent, via_landing
from layoutgen.route.problem import Point, RouteProblem, Style, Terminal, Via, Wire
from layoutgen.route.room import Piece, Room
from layoutgen.route.teardrop import SIZES, corners, fillets, first_drops, landing, pad_polygon, teardrops
from layoutgen.units import IntPoints, Um, dbu

_BUMP = 1.3
"""Corners up to so many radii of a terminal from its centre are joined with it smoothly: at more than 100 degrees."""
_WIRE_PART, _TIE_PART = 0.5, 0.75
"""How much of a wire and of a tie a teardrop may take."""


def drops(
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
    landings = {(dbu(v.x), dbu(v.y)): via_pad(problem, v) for v in vias}
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


def bumps(
    problem: RouteProblem, wires: Sequence[Wire], shapes: Sequence[IntPoints], vias: Sequence[Via], layer: int
) -> Iterator[Piece]:
    """Terminals with the corners of their own wires that hardly stand out of them, joined smoothly.

    The rim on both sides of such a corner would be nearer to itself than the width. Corners that stand out further
    belong to a wire that is seen as such.
    """
    terminals = {t.name: t for t in problem.terminals if t.layer == layer}
    landings = {(dbu(v.x), dbu(v.y)): via_pad(problem, v) for v in vias}
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


def via_pad(problem: RouteProblem, via: Via) -> Terminal:
    half, round_ = via_landing(problem, via.net)
    return Terminal("", via.net, via.x, via.y, half, half, round_)
