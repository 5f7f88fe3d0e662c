"""Which drawn wires break a rule: distances measured with shapely, independent of how the wires were found."""

from __future__ import annotations

from dataclasses import dataclass

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen.route.problem import Obstacle, RouteProblem, Terminal, Wire
from layoutgen.units import IntPoints, dbu

_SLACK = 0.01
"""Of a database unit: distances of integer shapes come as floats."""


@dataclass(frozen=True)
class Conflict:
    """Wire number `wire` is too near to wire number `other` (-1: something else), about the point `at` in dbu."""

    wire: int
    other: int
    at: tuple[float, float]


def body(wire: Wire, width: int) -> IntPoints:
    """Outline of a wire drawn with mitred bends and flat ends; width and points in dbu."""
    polygon = kdb.Path([kdb.Point(x, y) for x, y in wire.points], width).polygon()
    return np.array([(p.x, p.y) for p in polygon.each_point_hull()], dtype=np.int64)


def terminal_shape(terminal: Terminal) -> tuple[shapely.Geometry, int]:
    """A geometry in dbu and the radius to grow it by: a disc is its centre, measured exactly."""
    x, y = dbu(terminal.x), dbu(terminal.y)
    hx, hy = dbu(terminal.half_x), dbu(terminal.half_y)
    if terminal.round:
        return shapely.Point(x, y), hx
    return shapely.box(x - hx, y - hy, x + hx, y + hy), 0


def obstacle_shape(obstacle: Obstacle) -> shapely.Geometry:
    """An obstacle in dbu."""
    return shapely.Polygon([(dbu(x), dbu(y)) for x, y in obstacle.points])


def conflicts(problem: RouteProblem, wires: list[Wire], width: int) -> list[Conflict]:
    """All places where wires of `width` dbu are too near to foreign metal or obstacles, or leave their area."""
    if not wires:
        return []
    bodies = np.array([_polygon(body(w, width)) for w in wires])
    found = _between(problem, wires, bodies)
    found += _to_fixed(problem, wires, bodies)
    found += _to_outline(problem, wires, bodies)
    found += [
        Conflict(i, -1, (float(b.centroid.x), float(b.centroid.y)))
        for i, b in enumerate(bodies)
        if b.geom_type != "Polygon"
    ]
    return found


def _polygon(points: IntPoints) -> shapely.Geometry:
    polygon = shapely.Polygon(points)
    return polygon if polygon.is_valid else polygon.buffer(0)


def _between(problem: RouteProblem, wires: list[Wire], bodies: np.ndarray) -> list[Conflict]:
    space = dbu(problem.space) - _SLACK
    tree = shapely.STRtree(bodies)
    found = []
    for a, b in tree.query(bodies, predicate="dwithin", distance=space).T.tolist():
        if a < b and wires[a].net != wires[b].net:
            near = shapely.shortest_line(bodies[a], bodies[b]).centroid
            found.append(Conflict(a, b, (near.x, near.y)))
    return sorted(found, key=lambda c: (c.wire, c.other))


def _to_fixed(problem: RouteProblem, wires: list[Wire], bodies: np.ndarray) -> list[Conflict]:
    shapes: list[tuple[shapely.Geometry, int, str | None]] = [
        (*terminal_shape(t), t.net) for t in problem.terminals
    ] + [(obstacle_shape(o), 0, None) for o in problem.obstacles]
    tree = shapely.STRtree(bodies)
    space = dbu(problem.space) - _SLACK
    geometries = np.array([s for s, _, _ in shapes])
    reach = np.array([space + r for _, r, _ in shapes])
    found = []
    for k, i in tree.query(geometries, predicate="dwithin", distance=reach).T.tolist():
        if shapes[k][2] != wires[i].net:
            near = shapely.shortest_line(geometries[k], bodies[i]).centroid
            found.append(Conflict(i, -1, (near.x, near.y)))
    return sorted(found, key=lambda c: (c.wire, c.at))


def _to_outline(problem: RouteProblem, wires: list[Wire], bodies: np.ndarray) -> list[Conflict]:
    x0, y0, x1, y1 = (dbu(c) for c in problem.bounds)
    found = []
    for i, (wire, bounds) in enumerate(zip(wires, shapely.bounds(bodies).tolist(), strict=True)):
        keep = 0 if wire.tie else dbu(problem.edge)
        left, bottom, right, top = bounds
        if left < x0 + keep or bottom < y0 + keep or right > x1 - keep or top > y1 - keep:
            at = bodies[i].centroid
            found.append(Conflict(i, -1, (at.x, at.y)))
    return found
