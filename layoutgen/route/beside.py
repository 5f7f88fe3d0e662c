"""What stands beside wires that are changed after routing, and how near they may come to it; lengths in dbu."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.problem import Point, RouteProblem, Terminal, Wire
from layoutgen.units import dbu, to_dbu

SLACK = 0.01
"""Distances of integer shapes come as floats."""
_NEAR = 2.0
"""A wire that ends on another one lies on its centre line, to within rounding."""
_QUARTER = 32


@dataclass(frozen=True)
class Fixed:
    """Terminals and obstacles: polygons, the net (None: no net's), the space they ask for, the layer (None: all).

    A disc's polygon stands around it; exactly it is all within `radii` of its point in `cores`.
    """

    shapes: npt.NDArray[np.object_]
    cores: npt.NDArray[np.object_]
    radii: npt.NDArray[np.int64]
    nets: tuple[str | None, ...]
    spaces: tuple[int, ...]
    layers: tuple[int | None, ...]

    def distances(self, metal: shapely.Geometry) -> npt.NDArray[np.float64]:
        """Distance of each to a piece of metal."""
        out: npt.NDArray[np.float64] = shapely.distance(self.cores, metal) - self.radii
        return out


def fixed(problem: RouteProblem) -> Fixed:
    """All terminals and obstacles of a problem."""
    pads, blocks = problem.terminals, problem.obstacles
    shapes = np.array([*_areas(pads), *(shapely.Polygon(to_dbu(o.points)) for o in blocks)], dtype=object)
    disc = np.array([t.round and not t.polygon for t in pads] + [False] * len(blocks), dtype=bool)
    cores, radii = shapes.copy(), np.zeros(len(shapes), dtype=np.int64)
    numbers = to_dbu([(t.x, t.y, t.half_x) for t in pads if t.round and not t.polygon] or np.empty((0, 3)))
    cores[disc], radii[disc] = shapely.points(numbers[:, :2]), numbers[:, 2]
    return Fixed(
        shapes,
        cores,
        radii,
        (*(t.net for t in pads), *(None for _ in blocks)),
        (*(dbu(problem.space_of(t.net, _extent(t))) for t in pads), *(0 for _ in blocks)),
        (*(t.layer for t in pads), *(o.layer for o in blocks)),
    )


def _areas(terminals: Sequence[Terminal]) -> list[shapely.Geometry]:
    """Polygons that cover terminals: discs from outside, by less than 1 part in 3000; polygons by their hulls."""
    numbers = to_dbu([(t.x, t.y, t.half_x, t.half_y) for t in terminals] or np.empty((0, 4))).T
    x, y, hx, hy = numbers
    boxes = shapely.box(x - hx, y - hy, x + hx, y + hy)
    discs = grown(shapely.points(x, y), hx)
    return [
        shapely.MultiPoint(to_dbu(t.polygon)).convex_hull if t.polygon else disc if t.round else square
        for t, square, disc in zip(terminals, boxes, discs, strict=True)
    ]


def grown(shape: Any, by: Any) -> Any:
    """A shape, or an array of them, grown all around by at least `by` (rounded from outside)."""
    return shapely.buffer(shape, by / math.cos(math.pi / 4 / _QUARTER), quad_segs=_QUARTER)


def rims(points: npt.NDArray[np.float64], width: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Left and right rim, a point for each of the centre line's, with mitred bends (cut where sharper than 90 degrees).

    They are those that `legal.body` draws, before rounding.
    """
    legs = np.diff(points, axis=0)
    legs /= np.maximum(np.hypot(legs[:, 0], legs[:, 1]), 1.0)[:, None]
    before, after = np.vstack([legs[:1], legs]), np.vstack([legs, legs[-1:]])
    scale = np.maximum(1 + (before * after).sum(axis=1), 1.0)[:, None]
    normal = np.column_stack([-(before + after)[:, 1], (before + after)[:, 0]]) / scale
    return points + normal * (width / 2), points - normal * (width / 2)


def landings(wires: Sequence[Wire]) -> list[list[Point]]:
    """Per wire the points at which others of its net end on it: these must stay where they are."""
    lines = [shapely.LineString(w.points) if len(w.points) > 1 else shapely.Point(w.points[0]) for w in wires]
    nets: dict[str, list[int]] = {}
    for i, wire in enumerate(wires):
        nets.setdefault(wire.net, []).append(i)
    out: list[list[Point]] = [[] for _ in wires]
    for own in nets.values():
        for i in own if len(own) > 1 else ():
            for point in free_ends(wires[i]):
                at = shapely.Point(point)
                for j in own:
                    if j != i and point not in out[j] and lines[j].distance(at) <= _NEAR:
                        out[j].append(point)
    return out


def free_ends(wire: Wire) -> list[Point]:
    """Ends of a wire that are on no terminal and not on the outline."""
    ends = [] if wire.start else [wire.points[0]]
    return ends if wire.end or wire.tie else [*ends, wire.points[-1]]


def _extent(terminal: Terminal) -> float:
    """Least extent in um: the metal's width as wide-metal spacing counts it."""
    if not terminal.polygon:
        return 2 * min(terminal.half_x, terminal.half_y)
    hull = shapely.MultiPoint(terminal.polygon).convex_hull
    corners = shapely.get_coordinates(hull)
    edges = np.diff(corners, axis=0)
    normals = np.column_stack([-edges[:, 1], edges[:, 0]]) / np.hypot(edges[:, 0], edges[:, 1])[:, None]
    return float(np.ptp(corners @ normals.T, axis=0).min())
