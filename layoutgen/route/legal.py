"""Which drawn wires break a rule: distances measured with shapely, independent of how the wires were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely
import shapely.prepared

from layoutgen.route.bodies import bodies, body, polygon, solids
from layoutgen.route.problem import Obstacle, Point, RouteProblem, Terminal, Via, Wire
from layoutgen.units import IntPoints, Um, dbu, to_dbu

__all__ = ["Conflict", "Surroundings", "bodies", "body", "conflicts"]

SLACK = 0.01
"""Of a database unit: distances of integer shapes come as floats."""
_TIE_SLACK = 2.0
"""How far (dbu) the end of a tie may stand out over a slanted side of the outline: its corners are on the grid."""
_WIDTH_ANGLE = 80.0
"""Edges that stand at this angle (degrees) or more to each other are not looked at by width rules."""
_ON_LINE = 2
"""Rounding of points on a line (dbu)."""
_SHARP = np.cos(np.radians(99))
"""Cosine of turns above which rims of a bend may face each other."""
_ROUND = 1.5
"""Diameter (in widths) of the smallest disc that is a via's landing; see `via_landing`."""

_Shapes = npt.NDArray[np.object_]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Conflict:
    """Wire number `wire` is too near to wire number `other` (-1: something else), about the point `at` in dbu."""

    wire: int
    other: int
    at: tuple[float, float]


def terminal_shape(terminal: Terminal) -> tuple[shapely.Geometry, int]:
    """A geometry in dbu and the radius to grow it by: a disc is its centre, measured exactly."""
    x, y = dbu(terminal.x), dbu(terminal.y)
    hx, hy = dbu(terminal.half_x), dbu(terminal.half_y)
    if terminal.polygon:
        return shapely.Polygon([(dbu(px), dbu(py)) for px, py in terminal.polygon]), 0
    if terminal.round:
        return shapely.Point(x, y), hx
    return shapely.box(x - hx, y - hy, x + hx, y + hy), 0


def terminal_shapes(terminals: Sequence[Terminal]) -> tuple[_Shapes, _Floats]:
    """`terminal_shape` of many."""
    shapes = np.empty(len(terminals), dtype=object)
    sizes = to_dbu([(t.x, t.y, t.half_x, t.half_y) for t in terminals]).reshape(-1, 4)
    x, y, hx, hy = sizes.T
    discs = np.array([t.round and not t.polygon for t in terminals], dtype=bool)
    shapes[discs] = shapely.points(sizes[discs, :2].astype(float))
    shapes[~discs] = shapely.box(*(side[~discs].astype(float) for side in (x - hx, y - hy, x + hx, y + hy)))
    for i, t in enumerate(terminals):
        if t.polygon:
            shapes[i] = terminal_shape(t)[0]
    return shapes, np.where(discs, hx, 0.0)


def obstacle_shape(obstacle: Obstacle) -> shapely.Geometry:
    """An obstacle in dbu."""
    return shapely.Polygon([(dbu(x), dbu(y)) for x, y in obstacle.points])


def outline_shape(problem: RouteProblem) -> shapely.Polygon:
    """The die in dbu."""
    return shapely.Polygon([(dbu(x), dbu(y)) for x, y in problem.outline])


def extent(terminal: Terminal) -> Um:
    """Least extent of a terminal: the distance of the two nearest parallel lines that hold it."""
    if not terminal.polygon:
        return 2 * min(terminal.half_x, terminal.half_y)
    hull = shapely.get_coordinates(shapely.convex_hull(shapely.MultiPoint(terminal.polygon)))
    spans = []
    for (ax, ay), (bx, by) in pairwise(hull.tolist()):
        across = hull @ np.array([ay - by, bx - ax]) / np.hypot(bx - ax, by - ay)
        spans.append(float(across.max() - across.min()))
    return min(spans)


def owners(problem: RouteProblem, wires: Sequence[Wire], taken: Mapping[str, str] | None = None) -> dict[str, str]:
    """The net of every terminal; for a free one the net that took it: as said, or else that of a wire ending on it."""
    free = {t.name for t in problem.terminals if not t.net}
    nets = {t.name: t.net for t in problem.terminals}
    if free:
        nets |= {name: w.net for w in wires for name in (w.start, w.end) if name in free}
        nets |= {name: net for name, net in (taken or {}).items() if name in free}
    return nets


def via_landing(problem: RouteProblem, net: str) -> tuple[Um, bool]:
    """Half the extent (um) of the landing of a net's via, and whether it is round.

    Width rules look at sides that stand at less than 80 degrees to each other: those of a disc of less than 1.31 widths
    are too near, and where its rim is cut by a wire or rounded to the grid those of a little larger ones. In its place
    stands the square around it, at least as wide as the net's wires. A free terminal ("") may be taken by any net.
    """
    width = problem.width_of(net) if net else max(problem.width_of(name) for name in ("", *problem.rules))
    return (problem.via / 2, True) if problem.via >= _ROUND * width else (max(problem.via, width) / 2, False)


def covered(problem: RouteProblem, layer: int, nets: Mapping[str, str]) -> set[tuple[str, Point]]:
    """Nets and centres (dbu) of the terminals on a layer: they are the landings of the vias there."""
    return {(nets[t.name], (dbu(t.x), dbu(t.y))) for t in problem.terminals if t.layer == layer}


class Surroundings:
    """Shapes with their nets and spaces, to be asked which other shapes come too near to which of them."""

    def __init__(
        self, shapes: Sequence[shapely.Geometry], radii: Sequence[float], spaces: Sequence[float], nets: Sequence[str]
    ) -> None:
        """Shapes grow by their radii; "" is the net of what is foreign to all. All lengths in dbu."""
        self._shapes: _Shapes = np.array(shapes, dtype=object)
        self._spaces = np.array(spaces, dtype=float)
        self._nets = np.array(nets, dtype=np.str_)
        self._groups = []
        by_radius = np.array(radii, dtype=float)
        for radius in np.unique(by_radius).tolist():
            own = np.flatnonzero(by_radius == radius)
            self._groups.append((radius, own, shapely.STRtree(self._shapes[own])))
        self._most = float(self._spaces.max(initial=0.0))

    def too_near(
        self, shapes: _Shapes, spaces: _Floats, nets: npt.NDArray[np.str_], *, rising: bool = False
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Numbers of the shapes asked for and of those here that come nearer than the larger of their spaces.

        rising: only pairs whose second number is the larger one, which are all of shapes that are asked for themselves.
        """
        asked, here = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
        drawn = np.flatnonzero(~shapely.is_empty(shapes))
        if not len(drawn):
            return asked[0], here[0]
        shapely.prepare(shapes)
        bounds = shapely.bounds(shapes[drawn])
        for radius, own, tree in self._groups:
            reach = np.maximum(spaces[drawn], self._most)[:, None] + radius
            i, k = tree.query(shapely.box(*np.hstack([bounds[:, :2] - reach, bounds[:, 2:] + reach]).T))
            i, k = drawn[i], own[k]
            keep = (nets[i] != self._nets[k]) & ((i < k) | (not rising))
            i, k = i[keep], k[keep]
            space = np.maximum(spaces[i], self._spaces[k]) + radius - SLACK
            keep = shapely.dwithin(shapes[i], self._shapes[k], space)
            asked.append(i[keep])
            here.append(k[keep])
        i, k = np.concatenate(asked), np.concatenate(here)
        order = np.lexsort((k, i))
        return i[order], k[order]

    def shape(self, number: int) -> shapely.Geometry:
        """One of the shapes, not grown."""
        shape: shapely.Geometry = self._shapes[number]
        return shape


def standing(
    problem: RouteProblem, layer: int, nets: Mapping[str, str], vias: Sequence[Via] = ()
) -> tuple[list[shapely.Geometry], list[float], list[float], list[str]]:
    """Shapes, radii, spaces and nets (see `Surroundings`) of the terminals, landings and obstacles of a layer."""
    here = [t for t in problem.terminals if t.layer == layer]
    bare, grown = terminal_shapes(here)
    shapes, radii = bare.tolist(), grown.tolist()
    names = [nets[t.name] for t in here]
    spaces = to_dbu([problem.space_of(net, extent(t)) for net, t in zip(names, here, strict=True)]).tolist()
    on_terminals = covered(problem, layer, nets) if vias else set()
    for via in vias:
        if (via.net, (dbu(via.x), dbu(via.y))) in on_terminals:
            continue
        half, round_ = via_landing(problem, via.net)
        landing = Terminal("", via.net, via.x, via.y, half, half, round_)
        shape, radius = terminal_shape(landing)
        shapes.append(shape)
        radii.append(radius)
        spaces.append(dbu(problem.space_of(via.net, 2 * half)))
        names.append(via.net)
    blocks = [obstacle_shape(o) for o in problem.obstacles if o.layer in (None, layer)]
    count = len(blocks)
    return shapes + blocks, radii + [0.0] * count, spaces + [0.0] * count, names + [""] * count


def leaves(problem: RouteProblem, shapes: _Shapes, ties: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which shapes (dbu) leave the outline, or come too near to it where they are not of ties."""
    outline = outline_shape(problem)
    wide = outline.buffer(_TIE_SLACK, join_style="mitre")
    shapely.prepare([outline, wide])
    out: npt.NDArray[np.bool_] = ~shapely.covers(outline, shapes)
    near = shapely.distance(outline.boundary, shapes) < dbu(problem.edge) - SLACK
    return ~shapely.is_empty(shapes) & np.where(ties, out & ~shapely.covers(wide, shapes), out | near)


def conflicts(
    problem: RouteProblem, wires: Sequence[Wire], vias: Sequence[Via] = (), *, draft: bool = False
) -> list[Conflict]:
    """All places where wires come too near to foreign metal or obstacles, leave their area, or are too narrow.

    Every wire has its own width; between two metals the larger of both spaces counts (`RouteProblem.space_of`). Of a
    draft, whose bends come to lie elsewhere, it does not matter whether it is too narrow.
    """
    if not wires:
        return []
    nets = owners(problem, wires)
    shapes = solids(bodies(wires, problem.guard))
    broken = np.flatnonzero(~shapely.is_valid(shapes))
    shapes[broken] = shapely.buffer(shapes[broken], 0)
    spaces = to_dbu([problem.space_of(w.net, problem.drawn(w.width)) for w in wires]).astype(float)
    names = np.array([w.net for w in wires], dtype=np.str_)
    layers = np.array([w.layer for w in wires])
    found = []
    for layer in range(problem.layers):
        own = np.flatnonzero(layers == layer)
        around = Surroundings(*standing(problem, layer, nets, vias))
        i, k = around.too_near(shapes[own], spaces[own], names[own])
        fixed = np.array([around.shape(n) for n in k.tolist()], dtype=object)
        found += _listed(own[i], np.full(len(i), -1), shapes[own[i]], fixed)
        others = Surroundings(shapes[own].tolist(), [0.0] * len(own), spaces[own].tolist(), names[own].tolist())
        i, k = others.too_near(shapes[own], spaces[own], names[own], rising=True)
        i, k = own[i], own[k]
        found += _listed(i, k, shapes[i], shapes[k])
    outside = np.flatnonzero(leaves(problem, shapes, np.array([w.tie for w in wires]))).tolist()
    out = np.array(sorted({*outside, *(() if draft else too_narrow(wires, shapes))}), dtype=np.int64)
    centres = shapely.get_coordinates(shapely.centroid(shapes[out])).tolist()
    found += [Conflict(n, -1, (x, y)) for n, (x, y) in zip(out.tolist(), centres, strict=True)]
    return found


def too_narrow(wires: Sequence[Wire], shapes: _Shapes) -> list[int]:
    """Which wires are narrower somewhere than their width: where bends follow each other too closely to be drawn so.

    Only wires with a sharp bend, or with bends nearer to each other than the width, are looked at. KLayout's measure:
    edges that stand at less than 80 degrees to each other.
    """
    bending = [k for k, w in enumerate(wires) if len(w.points) > 2]
    if not bending:
        return []
    points = np.array([p for k in bending for p in wires[k].points], dtype=float)
    owner = np.repeat(bending, [len(wires[k].points) for k in bending])
    steps = np.diff(points, axis=0)
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    widths = to_dbu([w.width for w in wires])[owner]
    inner = (owner[:-3] == owner[3:]) & (lengths[1:-1] < widths[1:-2])
    turn = np.einsum("ij,ij->i", steps[:-1], steps[1:]) < _SHARP * lengths[:-1] * lengths[1:]
    bent = (owner[:-2] == owner[2:]) & turn
    found = []
    for k in np.unique(np.concatenate([owner[1:-2][inner], owner[1:-1][bent]])).tolist():
        if shapely.is_empty(shapes[k]):
            continue
        region = kdb.Region(polygon(shapely.get_coordinates(shapes[k])[:-1])).merged()
        width = int(widths[np.searchsorted(owner, k)])
        pairs = region.width_check(width, False, kdb.Region.Euclidian, _WIDTH_ANGLE)
        ends = wires[k].points[:1] if wires[k].tie else (wires[k].points[0], wires[k].points[-1])
        if not all(any(_passes(edge, end) for edge in (p.first, p.second) for end in ends) for p in pairs.each()):
            found.append(k)
    return found


def _passes(edge: kdb.Edge, at: Point) -> bool:
    """Whether the line of an edge passes a point: so do the ends of a wire's metal, which other metal covers."""
    return edge.distance_abs(kdb.Point(*at)) <= _ON_LINE


def _listed(i: npt.NDArray[np.int64], k: npt.NDArray[np.int64], a: _Shapes, b: _Shapes) -> list[Conflict]:
    if not len(i):
        return []
    at = shapely.get_coordinates(shapely.centroid(shapely.shortest_line(a, b))).tolist()
    return [Conflict(n, m, (x, y)) for n, m, (x, y) in zip(i.tolist(), k.tolist(), at, strict=True)]


def solid(points: IntPoints) -> shapely.Geometry:
    """A polygon to be measured; nothing where there are no points."""
    if not len(points):
        return shapely.Polygon()
    polygon = shapely.Polygon(points)
    return polygon if polygon.is_valid else polygon.buffer(0)
