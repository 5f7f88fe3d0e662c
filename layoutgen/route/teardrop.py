"""Teardrops: metal that widens where a wire meets a terminal, a via or another wire of its net.

At any angle a drop has straight tangents from the wire to the terminal. Octilinear wires get drops with edges at
multiples of 45 degrees, Manhattan ones a collar: a piece half as much wider than the wire as the terminal is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.legal import terminal_shape
from layoutgen.route.problem import Point, Style, Terminal
from layoutgen.units import IntPoints, Um, dbu

SIZES = (1.0, 0.7, 0.45, 0.25)
"""Tried in turn, as parts of the full set-back."""
FACETS = 128
"""Corners of the polygons that stand for circles here."""
ROUND_SAG = 1 - math.cos(math.pi / FACETS)
"""How far circles stand out of the polygons that stand for them here, in radii."""
_RIMS = 6
"""A rim that faces a wall at 80 degrees comes nearer to it by so many times as much as it stands out."""
_INSIDE = 2
"""How far (dbu) a drop starts inside of the wire's rims, so that no step shows."""
_SQUARE_CUT = 1 / 3
"""How much of a box's least half extent its corners may lack, for ties to reach its metal all the same."""
_ROUGHEST = math.cos(math.pi / 16)
"""In-radius of the roughest polygon that discs may be drawn as, in radii."""
_LAP = 100
"""How far (dbu) ties reach into terminals."""
_AT_ONCE = 2048
"""Drops that are looked for at once: as many times the corners of a landing fit into memory."""


@dataclass(frozen=True)
class Landing:
    """What a wire lands on: a convex hull (integer corners, counter-clockwise) and the point where the wire ends."""

    hull: IntPoints
    at: Point

    @cached_property
    def edges(self) -> IntPoints:
        """From each corner to the next."""
        return _next(self.hull) - self.hull

    @cached_property
    def radius(self) -> float:
        """Half of its larger extent."""
        spans = self.hull.max(axis=0) - self.hull.min(axis=0)
        return float(spans.max()) / 2


@lru_cache(maxsize=4096)
def pad_polygon(terminal: Terminal) -> IntPoints:
    """A terminal in dbu; discs as a polygon inscribed into the circle."""
    if terminal.round and not terminal.polygon:
        return disc(dbu(terminal.x), dbu(terminal.y), dbu(terminal.half_x))
    shape, _ = terminal_shape(terminal)
    return corners(shape)


def disc(x: int, y: int, radius: float, facets: int = FACETS) -> IntPoints:
    """A regular polygon inscribed into a circle, counter-clockwise."""
    out: IntPoints = _disc(radius, facets) + np.array((x, y))
    return out


@lru_cache(maxsize=256)
def _disc(radius: float, facets: int) -> IntPoints:
    angles = 2 * np.pi * (np.arange(facets) + 0.5) / facets
    return np.round(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(np.int64)


@lru_cache(maxsize=4096)
def landing(terminal: Terminal) -> Landing:
    """What drops are tangent to: the convex hull of a terminal, or a slightly smaller disc, in any way it is drawn."""
    if terminal.polygon:
        points = corners(shapely.MultiPoint(pad_polygon(terminal)).convex_hull)
    elif terminal.round:
        points = disc(dbu(terminal.x), dbu(terminal.y), dbu(terminal.half_x) * _ROUGHEST)
    else:
        points = pad_polygon(terminal)
    return Landing(points, (dbu(terminal.x), dbu(terminal.y)))


def core(terminal: Terminal) -> IntPoints:
    """What a terminal surely covers, however its rim is drawn: ties leave that out.

    A disc may be drawn with 16 corners or more, and the corners of a box may be cut.
    """
    x, y = dbu(terminal.x), dbu(terminal.y)
    if terminal.polygon:
        shape, _ = terminal_shape(terminal)
        inner = shapely.buffer(shape, -_LAP, join_style="mitre")
        whole = shapely.get_type_id(inner) == shapely.GeometryType.POLYGON and not shapely.is_empty(inner)
        return corners(inner) if whole else np.empty((0, 2), dtype=np.int64)
    if terminal.round:
        return disc(x, y, max(0.0, dbu(terminal.half_x) * _ROUGHEST - _LAP), 64)
    hx, hy = max(0, dbu(terminal.half_x) - _LAP), max(0, dbu(terminal.half_y) - _LAP)
    cut = round(_SQUARE_CUT * min(hx, hy))
    quarter = [(hx, -hy + cut), (hx, hy - cut), (hx - cut, hy)]
    half = [*quarter, (-hx + cut, hy)]
    return np.array([(x + px, y + py) for px, py in half] + [(x - px, y - py) for px, py in half], dtype=np.int64)


def teardrops(
    land: Landing,
    points: Sequence[Point],
    width: int,
    part: float,
    style: Style = Style.ANY_ANGLE,
    sizes: Sequence[float] = SIZES,
) -> Iterator[IntPoints]:
    """Drops of a wire that starts at a landing, the largest first (dbu); a drop takes at most `part` of the wire.

    The full set-back from the rim is the wire width, or (sqrt 2 - 1) radii where that is more, so that the sides of the
    drop are tangents of about 45 degrees: DECA (SkyWater wlcsp x.2) asks for a set-back of the trace width and a fillet
    as wide as 90 % of the pad, which straight tangents of a small pad give. A wire wider than its landing gets no drop,
    only a smooth end around the landing.
    """
    if style in (Style.OCTILINEAR, Style.MANHATTAN):
        yield from _straight_drops(land, points, width, part, style)
        return
    cap = _section(points[0], points[1], 0.0, width / 2)
    if not all(_holds(land, p) for p in cap):
        along = min(width / 8, math.dist(points[0], points[1]) / 2)
        ends = _section(points[0], points[1], along, width / 2 - _INSIDE)
        yield corners(shapely.MultiPoint([*land.hull.tolist(), *ends]).convex_hull)
        return
    rim = _rim_distance(land, points)
    full = max(width, (math.sqrt(2) - 1) * land.radius)
    length = sum(math.dist(a, b) for a, b in pairwise(points))
    for size in sizes:
        reach = min(rim + size * full, part * length)
        section = _cross_section(points, reach, width / 2 - _INSIDE) if reach > rim else None
        drop = None if section is None else _tangents(land, section)
        if drop is not None:
            yield drop


def first_drops(
    terminals: Sequence[Terminal], ways: Sequence[Sequence[Point]], widths: Sequence[int], parts: Sequence[float]
) -> list[IntPoints | None]:
    """For each wire the drop that `teardrops` gives at full size at any angle; None where it takes a closer look.

    That is at polygons, at the ends of wires wider than their landing, and where the drop reaches beyond the first leg.
    """
    out: list[IntPoints | None] = [None] * len(terminals)
    alike: dict[tuple[bool, Um, Um], list[int]] = {}
    for k, t in enumerate(terminals):
        if not t.polygon:
            alike.setdefault((t.round, t.half_x, t.half_y), []).append(k)
    for (round_, hx, hy), all_numbers in alike.items():
        land = landing(Terminal("", "", 0.0, 0.0, hx, hy, round_))
        for start in range(0, len(all_numbers), _AT_ONCE):
            numbers = all_numbers[start : start + _AT_ONCE]
            ends = np.array([ways[k][:2] for k in numbers], dtype=np.int64)
            size = [(widths[k], parts[k], sum(math.dist(a, b) for a, b in pairwise(ways[k]))) for k in numbers]
            drops, good = _full_drops(land, ends[:, 1] - ends[:, 0], np.array(size))
            drops += ends[:, :1]
            for i in np.flatnonzero(good).tolist():
                out[numbers[i]] = drops[i]
    return out


def _full_drops(
    land: Landing, steps: IntPoints, size: npt.NDArray[np.float64]
) -> tuple[IntPoints, npt.NDArray[np.bool_]]:
    """Drops (n, 5, 2) of straight legs from a landing about the origin, and which of them are good.

    size: width, part that the drop may take and length of each wire (dbu).
    """
    width, part, whole = size.T
    length = np.hypot(steps[:, 0], steps[:, 1])
    way = steps / length[:, None]
    side = np.stack([-way[:, 1], way[:, 0]], axis=1)
    edges, hull = land.edges.astype(float), land.hull.astype(float)
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
    supports = np.einsum("ij,ij->i", normals, hull)
    good = np.ones(len(steps), dtype=bool)
    for sign in (1, -1):  # the wire's flat end lies within the landing
        cap = np.round(side * (sign * width / 2)[:, None])
        good &= (supports - cap @ normals.T).min(axis=1) >= 0
    toward = way @ normals.T
    with np.errstate(divide="ignore", invalid="ignore"):
        rim = np.where(toward > 0, supports / toward, np.inf).min(axis=1)
    reach = np.minimum(rim + np.maximum(width, (math.sqrt(2) - 1) * land.radius), part * whole)
    good &= (rim < length) & (reach > rim) & (reach <= length)
    middle = way * reach[:, None]
    across = side * (width / 2 - _INSIDE)[:, None]
    left, right = (np.round(middle + sign * across).astype(np.int64) for sign in (1, -1))
    touch = []
    for p, sign in ((right, 1), (left, -1)):
        away = land.hull[None] - p[:, None]
        cross = -p[:, :1] * away[..., 1] + p[:, 1:] * away[..., 0]
        angles = np.arctan2(cross, -p[:, :1] * away[..., 0] - p[:, 1:] * away[..., 1])
        touch.append(land.hull[np.argmax(sign * angles, axis=1)])
    points = np.stack([touch[0], right, left, touch[1]], axis=1)
    turn = np.roll(points, -1, axis=1) - points
    after = np.roll(turn, -1, axis=1)
    turns = turn[..., 0] * after[..., 1] - turn[..., 1] * after[..., 0]
    good &= (turns[:, :2].min(axis=1) > 0) & (turns.min(axis=1) >= 0)
    return np.concatenate([points, np.zeros((len(points), 1, 2), dtype=np.int64)], axis=1), good


def fillets(
    at: Point, trunk: tuple[Point, Point], trunk_width: int, points: Sequence[Point], width: int, style: Style
) -> Iterator[IntPoints]:
    """Joins of a wire that starts at `at` on a segment of another wire of its net, the largest first (dbu)."""
    (ax, ay), (bx, by) = trunk
    length = math.dist(*trunk)
    ux, uy = (bx - ax) / length, (by - ay) / length
    first = math.dist(points[0], points[1])
    vx, vy = (points[1][0] - points[0][0]) / first, (points[1][1] - points[0][1]) / first
    sine = abs(ux * vy - uy * vx)
    if sine < 0.5:
        return
    before, after = math.dist(at, trunk[0]), math.dist(at, trunk[1])
    for size in SIZES:
        set_back = size * width
        if style in (Style.OCTILINEAR, Style.MANHATTAN):
            if style == Style.MANHATTAN or sine < 1 - 1e-12:
                return
            base, half = trunk_width / 2 - _INSIDE, width / 2 - _INSIDE
            if min(before, after) < half + set_back or base + set_back > first / 2:
                continue
            yield _trapezoid(points, base, base + set_back, half, half + set_back)
            continue
        reach = trunk_width / 2 / sine + set_back
        section = _section(points[0], points[1], reach, width / 2 - _INSIDE) if reach <= first / 2 else None
        if section is None:
            continue
        back, ahead = (min(d, width / 2 / sine + set_back) for d in (before, after))
        foot = [(at[0] - ux * back, at[1] - uy * back), (at[0] + ux * ahead, at[1] + uy * ahead)]
        yield corners(shapely.MultiPoint(np.round([*section, *foot])).convex_hull)


# ---------------------------------------------------------------------- at any angle


def _tangents(land: Landing, section: list[Point]) -> IntPoints | None:
    """Tangents from both ends of a cross-section (left, right) to a landing, closed over the point it is entered at.

    None where the wire bends so that this is not the convex hull's part on the wire's side.
    """
    left, right = (_tangent(land, p, sign) for p, sign in zip(section, (-1, 1), strict=True))
    points = np.array([right, section[1], section[0], left], dtype=np.int64)
    steps = _next(points) - points
    after = _next(steps)
    turns = (steps[:, 0] * after[:, 1] - steps[:, 1] * after[:, 0]).tolist()
    if min(turns[:2]) <= 0 or min(turns) < 0:
        return None
    return np.concatenate([points, [land.at]])


def _tangent(land: Landing, p: Point, sign: int) -> IntPoints:
    """The corner of a landing seen furthest to the left (sign > 0) or right of its middle, from a point outside."""
    away = land.hull - p
    cx, cy = land.at[0] - p[0], land.at[1] - p[1]
    angles = np.arctan2(cx * away[:, 1] - cy * away[:, 0], cx * away[:, 0] + cy * away[:, 1])
    corner: IntPoints = land.hull[np.argmax(sign * angles)]
    return corner


def _rim_distance(land: Landing, points: Sequence[Point]) -> float:
    """Distance from the start of a wire to where it leaves the landing; infinite if it never does."""
    x0, y0 = points[0]
    normals = np.stack([land.edges[:, 1], -land.edges[:, 0]], axis=1).astype(float)
    supports = np.einsum("ij,ij->i", normals, land.hull.astype(float))
    for (ax, ay), (bx, by) in pairwise(points):
        toward = normals @ np.array([bx - ax, by - ay], dtype=float)
        room = supports - normals @ np.array([ax, ay], dtype=float)
        ahead = toward > 0
        part = float(np.min(room[ahead] / toward[ahead])) if np.any(ahead) else math.inf
        if part < 1:
            part = max(0.0, part)
            return math.hypot(ax + part * (bx - ax) - x0, ay + part * (by - ay) - y0)
    return math.inf


def _cross_section(points: Sequence[Point], reach: float, half: float) -> list[Point] | None:
    """Both rims of a wire where it first is `reach` away from its start."""
    x0, y0 = points[0]
    for (ax, ay), (bx, by) in pairwise(points):
        if math.hypot(bx - x0, by - y0) < reach:
            continue
        length = math.dist((ax, ay), (bx, by))
        dx, dy = (bx - ax) / length, (by - ay) / length
        along = (ax - x0) * dx + (ay - y0) * dy
        off = (ax - x0) ** 2 + (ay - y0) ** 2 - reach**2
        return _section((ax, ay), (bx, by), -along + math.sqrt(max(0.0, along * along - off)), half)
    return None


def _section(a: Point, b: Point, along: float, half: float) -> list[Point]:
    """Both rims of the segment a-b, `along` it from a."""
    length = math.dist(a, b)
    dx, dy = (b[0] - a[0]) / length, (b[1] - a[1]) / length
    x, y = a[0] + dx * along, a[1] + dy * along
    return [(round(x - dy * half), round(y + dx * half)), (round(x + dy * half), round(y - dx * half))]


# ---------------------------------------------------------------------- at multiples of 45 or 90 degrees


def _straight_drops(
    land: Landing, points: Sequence[Point], width: int, part: float, style: Style
) -> Iterator[IntPoints]:
    """Trapezoids with sides at 45 degrees to the wire, or rectangles, on the leg that leaves the landing."""
    leg = next((k for k in range(len(points) - 1) if not _holds(land, points[k + 1])), None)
    if leg is None:
        return
    way = points[leg], points[leg + 1]
    if not _octilinear(way):
        return
    length = math.dist(*way)
    rim = _rim_distance(Landing(land.hull, way[0]), way)
    half = width / 2 - _INSIDE
    full = max(width, (math.sqrt(2) - 1) * land.radius)
    for size in SIZES:
        reach = min(rim + size * full, (part if leg == 0 else 0.9) * length)
        if reach <= rim + _INSIDE:
            return
        # the widest base inside of the landing: with sides at 45 degrees it lies as much further in as it is wider
        for wide in (half + (reach - rim) * f for f in (1.0, 1.25, 1.5, 2.0, 3.0)):
            base = reach - (wide - half)
            if style == Style.MANHATTAN:
                wide, base = half + (reach - rim) / 2, 0.0
            drop = _trapezoid(way, base, reach, half, wide, square=style == Style.MANHATTAN)
            if base >= 0 and all(_holds(land, p) for p in _base(way, base, wide)):
                yield drop
                break


def _base(way: Sequence[Point], along: float, half: float) -> list[Point]:
    """Both ends of a cross-section, on the lattice of the way's direction."""
    (ax, ay), (bx, by) = way[0], way[1]
    sx, sy = int(np.sign(bx - ax)), int(np.sign(by - ay))
    unit = math.hypot(sx, sy)
    m, k = math.floor(along / unit), math.floor(half / unit)
    return [(ax + m * sx - k * sy, ay + m * sy + k * sx), (ax + m * sx + k * sy, ay + m * sy - k * sx)]


def _trapezoid(
    way: Sequence[Point], base: float, top: float, half: float, wide: float, *, square: bool = False
) -> IntPoints:
    """Around a leg of a wire, `wide` to both sides at `base` along it, and `half` at `top`, sides at 45 degrees."""
    unit = 1.0 if 0 in (way[1][0] - way[0][0], way[1][1] - way[0][1]) else math.sqrt(2)
    m, k, grow = math.floor(base / unit), math.floor(half / unit), math.floor((wide - half) / unit)
    low = _base(way, m * unit + 1e-6, (k + grow) * unit + 1e-6)
    rise = math.floor((top - base) / unit) if square else grow
    high = _base(way, (m + rise) * unit + 1e-6, (k + (grow if square else 0)) * unit + 1e-6)
    return np.array([low[1], high[1], high[0], low[0]], dtype=np.int64)


def _octilinear(way: tuple[Point, Point]) -> bool:
    dx, dy = abs(way[1][0] - way[0][0]), abs(way[1][1] - way[0][1])
    return dx == 0 or dy == 0 or dx == dy


def _holds(land: Landing, p: tuple[float, float]) -> bool:
    """Whether a landing holds a point."""
    a, e = land.hull, land.edges
    return bool((e[:, 0] * (p[1] - a[:, 1]) - e[:, 1] * (p[0] - a[:, 0])).min() >= 0)


def _next(points: IntPoints) -> IntPoints:
    return np.concatenate([points[1:], points[:1]])


def corners(shape: Any) -> IntPoints:
    """Corners of a polygon, counter-clockwise, not closed."""
    points = shapely.get_coordinates(shapely.Polygon(shape.exterior).normalize().reverse())[:-1]
    return np.round(points).astype(np.int64)


def notch_reach(space: int, terminals: Iterable[Terminal], sag: float = ROUND_SAG) -> int:
    """What notches of a net must be as wide as (dbu): the space, and more at discs, whose rims may stand out of ours.

    sag: how far they may, in radii.
    """
    radius = max((t.half_x for t in terminals if t.round and not t.polygon), default=0.0)
    return space + math.ceil(max(1.0, _RIMS * sag * dbu(radius)) + 1)
