"""KLayout's verdicts against shapely's, which shares no code with it, on random layouts.

Each must be the same wherever the least distance is not within one database unit of the limit.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations, pairwise, product
from typing import Any

import klayout.db as kdb
import numpy as np
import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from layoutgen.drc.checks import task
from layoutgen.pdk import Rule

L = 10_000
LAYOUTS = 150
MANY = 1000
"""For the kinds that most rules are of: width, space, separation, enclosure."""
Corners = list[tuple[int, int]]


def box(rnd: random.Random, extent: int) -> Corners:
    x, y = rnd.randint(0, extent), rnd.randint(0, extent)
    w, h = rnd.randint(4_000, 30_000), rnd.randint(4_000, 30_000)
    return [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]


def rounded(rnd: random.Random, extent: int) -> Corners:
    """A regular polygon of any angle."""
    x, y, r, n, turn = (rnd.randint(0, extent), rnd.randint(0, extent), rnd.randint(4_000, 20_000),
                        rnd.randint(6, 16), rnd.random())  # fmt: skip
    at = [2 * math.pi * (i + turn) / n for i in range(n)]
    return [(round(x + r * math.cos(a)), round(y + r * math.sin(a))) for a in at]


def either(rnd: random.Random, extent: int) -> Corners:
    return rnd.choice((box, rounded))(rnd, extent)


def region(shapes: list[Corners]) -> kdb.Region:
    return kdb.Region([kdb.Polygon([kdb.Point(*p) for p in s]) for s in shapes])


def union(shapes: list[Corners]) -> BaseGeometry:
    return shapely.unary_union([shapely.Polygon(s) for s in shapes])


def found(kind: str, *layers: list[Corners], limit: float | None = L / 1000, **options: Any) -> bool:
    raw: dict[str, Any] = {"check": kind, "layers": tuple("abc"[: len(layers)]), "why": "", "source": "", **options}
    return bool(task("T", Rule(**raw, limit=limit)).run([region(layer) for layer in layers]))


def separation(a: BaseGeometry, b: BaseGeometry) -> float:
    return float(shapely.distance(a, b))


def enclosure(inner: BaseGeometry, outer: BaseGeometry) -> float:
    if not outer.covers(inner):
        return 0.0
    return float(shapely.distance(inner.boundary, outer.boundary))


@pytest.mark.parametrize(("kind", "oracle"), [("separation", separation), ("enclosure", enclosure)])
def test_two_layers(kind: str, oracle: Callable[[BaseGeometry, BaseGeometry], float]) -> None:
    seen = {True: 0, False: 0}
    for seed in range(MANY):
        rnd = random.Random(seed)  # noqa: S311 - repeatable, not secret
        first = [either(rnd, 60_000) for _ in range(2)]
        second = [either(rnd, 90_000) for _ in range(2)]
        if kind == "enclosure" and seed % 3:  # mostly around what it should enclose, or few would hold
            second += [_around(rnd, shape) for shape in first]
        least = oracle(union(first), union(second))
        if abs(least - L) > 1:
            seen[least < L] += 1
            assert found(kind, first, second) is (least < L), f"seed {seed}: {least / 1000} um"
    assert min(seen.values()) > MANY / 6, seen


def _around(rnd: random.Random, shape: Corners) -> Corners:
    centre = np.mean(shape, axis=0)
    scale = 1 + rnd.uniform(0.6, 2.5)
    return [(round(x), round(y)) for x, y in (np.array(shape) - centre) * scale + centre]


def test_space_between_any_shapes() -> None:
    seen = {True: 0, False: 0}
    for seed in range(MANY):
        rnd = random.Random(seed)  # noqa: S311 - repeatable, not secret
        shapes: list[Corners] = []
        for shape in (either(rnd, 140_000) for _ in range(6)):
            if not any(shapely.Polygon(shape).intersects(shapely.Polygon(s)) for s in shapes):
                shapes.append(shape)
        least = min(shapely.Polygon(a).distance(shapely.Polygon(b)) for a, b in combinations(shapes, 2))
        if abs(least - L) > 1:
            seen[least < L] += 1
            assert found("space", shapes) is (least < L), f"seed {seed}: {least / 1000} um"
    assert min(seen.values()) > MANY / 6, seen


@pytest.mark.parametrize("kind", ["width", "space"])
def test_unions_of_boxes_with_necks_notches_and_holes(kind: str) -> None:
    seen = {True: 0, False: 0}
    for seed in range(MANY):
        rnd = random.Random(seed)  # noqa: S311 - repeatable, not secret
        shapes = [box(rnd, 50_000) for _ in range(rnd.choice((1, 2, 3)))]
        shapes = [[(x // 100 * 100, y // 100 * 100) for x, y in shape] for shape in shapes]
        least = min(_across(union(shapes), inside=kind == "width"), default=math.inf)
        if abs(least - L) > 1:
            seen[least < L] += 1
            assert found(kind, shapes) is (least < L), f"seed {seed}: {least / 1000} um"
    assert min(seen.values()) > MANY / 6, seen


def _across(shape: BaseGeometry, inside: bool) -> Iterator[float]:
    """Lengths of the shortest lines between opposite edges that see each other through the inside or the outside."""
    edges = []
    for part in shapely.get_parts(shape).tolist():
        oriented = shapely.geometry.polygon.orient(part)
        for ring in (oriented.exterior, *oriented.interiors):
            points = list(shapely.get_coordinates(ring.simplify(0)))
            edges += list(pairwise(points))
    within, beyond = (shape.buffer(by, join_style="mitre") for by in (-1, 1))
    for (a, b), (c, d) in combinations(edges, 2):
        if (b - a) @ (d - c) >= 0:
            continue
        line = shapely.shortest_line(shapely.LineString([a, b]), shapely.LineString([c, d]))
        if line.length == 0:  # two boxes that meet in a corner
            yield 0.0
            continue
        (ux, uy), (vx, vy) = b - a, c - a
        left = ux * vy - uy * vx  # where the inside is, as the rings are oriented
        if (left > 0 and inside and beyond.covers(line)) or (left < 0 and not inside and not line.intersects(within)):
            yield float(line.length)


@dataclass
class Tally:
    """Verdicts of many layouts beside the witness's; those within a unit or so of the limit are left out."""

    seen: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})

    def add(self, seed: int, has: bool, wanted: bool, sure: bool = True) -> None:
        if sure:
            self.seen[wanted] += 1
            assert has is wanted, f"seed {seed}: found {has}, the witness says {wanted}"

    def enough(self, share: float = 1 / 8) -> None:
        assert min(self.seen.values()) > LAYOUTS * share, self.seen


def layouts() -> Iterator[tuple[int, random.Random]]:
    for seed in range(LAYOUTS):
        yield seed, random.Random(seed)  # noqa: S311 - repeatable, not secret


def parts(shape: BaseGeometry) -> list[shapely.Polygon]:
    return [p for p in shapely.get_parts(shape).tolist() if isinstance(p, shapely.Polygon)]


def turned(shapes: list[Corners], angle: float) -> list[Corners]:
    c, s = math.cos(angle), math.sin(angle)
    return [[(round(x * c - y * s), round(x * s + y * c)) for x, y in shape] for shape in shapes]


def thin(rnd: random.Random, extent: int, width: int = 14_000) -> Corners:
    """A bar, lying or standing."""
    x, y, w, h = (rnd.randint(0, extent), rnd.randint(0, extent), rnd.randint(2_000, width), rnd.randint(4_000, 40_000))
    w, h = rnd.choice(((w, h), (h, w)))
    return [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]


def test_greatest_width_is_that_of_the_largest_square() -> None:
    tally = Tally()
    for seed, rnd in layouts():
        shapes = [thin(rnd, 40_000) for _ in range(rnd.choice((1, 2, 3)))]
        shape = union(shapes)
        more, less = (not shape.buffer(-(L + by) / 2, join_style="mitre").is_empty for by in (1, -1))
        tally.add(seed, found("max_width", shapes), more, sure=more == less)
    tally.enough()


def test_greatest_width_of_a_convex_shape_is_that_of_the_largest_circle() -> None:
    tally = Tally()
    for seed, rnd in layouts():
        shape = [(x // 2, y // 2) for x, y in rounded(rnd, 40_000)]
        radius = shapely.maximum_inscribed_circle(shapely.Polygon(shape), tolerance=0.01).length
        tally.add(seed, found("max_width", [shape]), radius > L / 2, sure=abs(radius - L / 2) > 2)
    tally.enough()


def test_notches_of_each_polygon() -> None:
    tally = Tally()
    for seed, rnd in layouts():
        shapes = [thin(rnd, 30_000) for _ in range(rnd.choice((2, 3, 4, 5)))]
        shapes = [[(x // 100 * 100, y // 100 * 100) for x, y in shape] for shape in shapes]
        least = min((d for p in parts(union(shapes)) for d in _across(p, inside=False)), default=math.inf)
        tally.add(seed, found("notch", shapes), least < L, sure=abs(least - L) > 1)
    tally.enough()


def test_space_between_polygons() -> None:
    tally = Tally()
    for seed, rnd in layouts():
        shapes = [either(rnd, 110_000) for _ in range(6)]
        least = min((a.distance(b) for a, b in combinations(parts(union(shapes)), 2)), default=math.inf)
        tally.add(seed, found("space", shapes, between="polygons"), least < L, sure=abs(least - L) > 1 and least > 2)
    tally.enough()


def test_separation_between_polygons() -> None:
    tally = Tally()
    for seed, rnd in layouts():
        first, second = ([either(rnd, 90_000) for _ in range(3)] for _ in range(2))
        a, b = union(first), union(second)
        pairs = [(p, q) for p, q in product(parts(a.union(b)), repeat=2) if p is not q]
        # a unit smaller: where two meet in a point only, rounding decides what is one
        apart = [a.intersection(p.buffer(0.5)).distance(b.intersection(q.buffer(0.5))) for p, q in pairs]
        least = min((d for d in apart if not math.isnan(d)), default=math.inf)
        sure = abs(least - L) > 1 and least > 2
        tally.add(seed, found("separation", first, second, between="polygons"), least < L, sure)
    tally.enough()


@pytest.mark.parametrize("wide", ["both", "one"])
@pytest.mark.parametrize("angle", [0.0, 0.3])
def test_wide_space_of_boxes(wide: str, angle: float) -> None:
    tally = Tally()
    width, run, space = 15_000, 12_000, 10_000
    options = {"wide": wide, "steps": ({"width": 15.0, "run": 12.0, "space": 10.0},)}
    for seed, rnd in layouts():
        shapes: list[Corners] = []
        for shape in (box(rnd, 60_000) for _ in range(6)):
            if not any(shapely.Polygon(shape).intersects(shapely.Polygon(s)) for s in shapes):
                shapes.append(shape)
        verdicts = []
        for by in (-4, 4) if angle else (0, 0):  # all that is measured may be off by rounding
            verdicts.append(any(_side_by_side(a, b, width - by, run - by, space + by, all if wide == "both" else any)
                                for a, b in combinations(shapes, 2)))  # fmt: skip
        has = found("wide_space", turned(shapes, angle), limit=None, **options)
        tally.add(seed, has, verdicts[0], sure=verdicts[0] == verdicts[1])
    tally.enough(1 / 16)


def _side_by_side(
    a: Corners, b: Corners, width: int, run: int, space: int, which: Callable[[list[bool]], bool]
) -> bool:
    boxes = [(*s[0], *s[2]) for s in (a, b)]
    if not which([min(x1 - x0, y1 - y0) > width for x0, y0, x1, y1 in boxes]):
        return False
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = boxes
    dx, dy = max(ax0, bx0) - min(ax1, bx1), max(ay0, by0) - min(ay1, by1)
    return (0 < dx < space and -dy > run) or (0 < dy < space and -dx > run)


def test_enclosure_on_two_opposite_sides() -> None:
    tally = Tally()
    for seed, rnd in layouts():
        inner = box(rnd, 20_000)
        (x0, y0), (x1, y1) = inner[0], inner[2]
        outer = []
        for _ in range(2):
            left, b, r, t = (rnd.choice((rnd.randint(1, 3_000), rnd.randint(8_000, 14_000))) for _ in range(4))
            outer.append([(x0 - left, y0 - b), (x1 + r, y0 - b), (x1 + r, y1 + t), (x0 - left, y1 + t)])
        edges = [e for p in parts(union(outer)) for e in pairwise(shapely.get_coordinates(
            shapely.geometry.polygon.orient(p).exterior.simplify(0)))]  # fmt: skip
        short = [_less_than(L, np.array(side), edges) for side in pairwise([*inner, inner[0]])]
        wanted = (short[0] or short[2]) and (short[1] or short[3])
        tally.add(seed, found("enclosure", [inner], outer, sides="opposite"), wanted)
    tally.enough()


def _less_than(limit: float, side: Any, edges: list[Any]) -> bool:
    """Whether an edge in the side's direction lies beyond it at less than the limit."""
    along = (side[1] - side[0]) / np.linalg.norm(side[1] - side[0])
    for a, b in edges:
        beyond = along[1] * (a - side[0])[0] - along[0] * (a - side[0])[1]
        parallel = (b - a) @ along == np.linalg.norm(b - a)
        apart = shapely.LineString([a, b]).distance(shapely.LineString(side))
        if parallel and beyond > 0 and apart < limit:
            return True
    return False


def test_outside_or_inside() -> None:
    tally = Tally()
    inside = 6_000
    for seed, rnd in layouts():
        first = [either(rnd, 100_000) for _ in range(1 + seed % 2)]
        second = [_around(rnd, shape) if rnd.random() < 0.5 else either(rnd, 100_000) for shape in first]
        other = union(second)
        wanted, sure = False, True
        for part in parts(union(first)):
            if other.covers(part):
                apart, least = part.boundary.distance(other.boundary), inside
            else:
                apart, least = part.distance(other), L
            wanted |= apart < least
            sure &= abs(apart - least) > 1
        has = found("outside_or_inside", first, second, inside=inside / 1000)
        tally.add(seed, has, wanted, sure)
    tally.enough()


@pytest.mark.parametrize("angle", [0.0, 0.3])
def test_extension_of_bars(angle: float) -> None:
    tally = Tally()
    for seed, rnd in layouts():
        bar, other = thin(rnd, 20_000, 8_000), box(rnd, 20_000)
        (ax0, ay0), (ax1, ay1), (bx0, by0), (bx1, by1) = bar[0], bar[2], other[0], other[2]
        beside_x, beside_y = ax0 < bx1 and bx0 < ax1, ay0 < by1 and by0 < ay1
        beyond = [(bx0 - ax0, ax1 - bx0, beside_y), (ax1 - bx1, bx1 - ax0, beside_y),
                  (by0 - ay0, ay1 - by0, beside_x), (ay1 - by1, by1 - ay0, beside_x)]  # fmt: skip
        crossing = [out for out, within, beside in beyond if out >= 0 and within > 0 and beside]
        near = any(min(abs(out), abs(within), abs(out - L)) <= 3 for out, within, _ in beyond)
        least = min(crossing, default=math.inf)
        has = found("extension", turned([bar], angle), turned([other], angle))
        tally.add(seed, has, least < L, sure=not (angle and near))
    tally.enough()


def test_outside() -> None:
    tally = Tally()
    for seed, rnd in layouts():
        first, second = ([either(rnd, 70_000) for _ in range(2)] for _ in range(2))
        common = union(first).intersection(union(second)).area
        tally.add(seed, found("outside", first, second, limit=None), common > 0, sure=common == 0 or common > 100_000)
    tally.enough()


def test_exact_circles() -> None:
    tally = Tally()
    for seed, rnd in layouts():
        n, r, turn = rnd.randint(8, 64), rnd.uniform(0.97, 1.03) * L / 2, rnd.random()
        at = [2 * math.pi * (i + turn) / n for i in range(n)]
        shape = [(round(r * math.cos(a)), round(r * math.sin(a))) for a in at]
        outline = shapely.Polygon(shape)
        x0, y0, x1, y1 = outline.bounds
        circle = shapely.Point((x0 + x1) / 2, (y0 + y1) / 2).buffer(L / 2, quad_segs=500)
        off = shapely.hausdorff_distance(outline.exterior, circle.exterior)
        tally.add(
            seed, found("exact_shape", [shape], shape="circle", tolerance=0.1), bool(off > 100), abs(off - 100) > 1
        )
    tally.enough()


@pytest.mark.parametrize("shape", ["octagon", "rectangle"])
def test_exact_octagons_and_rectangles(shape: str) -> None:
    tally = Tally()
    reach = L / 2 * math.tan(math.pi / 8)
    ideal = [(s * a, t * b) for s, t in product((1, -1), repeat=2) for a, b in ((L / 2, reach), (reach, L / 2))]
    if shape == "rectangle":
        ideal = [(s * L / 2, t * L / 2) for s, t in product((1, -1), repeat=2)]
    spread = 60 if shape == "rectangle" else 45
    ideal.sort(key=lambda p: math.atan2(p[1], p[0]))
    for seed, rnd in layouts():
        outline = [(round(x + rnd.randint(-spread, spread)), round(y + rnd.randint(-spread, spread))) for x, y in ideal]
        x0, y0, x1, y1 = shapely.Polygon(outline).bounds
        off = np.array(outline) - ((x0 + x1) / 2, (y0 + y1) / 2) - ideal
        worst = float(np.hypot(*off.T).max() if shape == "octagon" else np.abs(off).max())
        tally.add(seed, found("exact_shape", [outline], shape=shape, tolerance=0.06), worst > 60, abs(worst - 60) > 1)
    tally.enough()


def test_areas() -> None:
    less, more = Tally(), Tally()
    for seed, rnd in layouts():
        shapes = [thin(rnd, 60_000, 6_000) for _ in range(4)]
        areas = [p.area for p in parts(union(shapes))]
        less.add(seed, found("area", shapes, limit=60.0), min(areas) < 60e6)
        more.add(seed, found("area", shapes, limit=None, most=220.0), max(areas) > 220e6)
    less.enough()
    more.enough()


def test_areas_of_holes() -> None:
    tally = Tally()
    for seed, rnd in layouts():
        shapes = [thin(rnd, 30_000, 6_000) for _ in range(12)]
        holes = [shapely.Polygon(ring).area for p in parts(union(shapes)) for ring in p.interiors]
        tally.add(seed, found("hole_area", shapes, limit=20.0), min(holes, default=math.inf) < 20e6)
    tally.enough()


def test_corners_of_triangles() -> None:
    tally = Tally()
    for seed, rnd in layouts():
        corners = [(rnd.randint(0, L), rnd.randint(0, L)) for _ in range(3)]
        a, b, c = sorted(math.dist(p, q) for p, q in combinations(corners, 2))
        sharpest = math.degrees(math.acos((b * b + c * c - a * a) / (2 * b * c)))
        tally.add(seed, found("acute_corner", [corners], limit=25.0), sharpest < 25, abs(sharpest - 25) > 1e-6)
    tally.enough()
