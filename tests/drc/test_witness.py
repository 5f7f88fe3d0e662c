"""KLayout's verdicts against shapely's, which shares no code with it, on random layouts.

Each must be the same wherever the least distance is not within one database unit of the limit.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise

import klayout.db as kdb
import numpy as np
import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from layoutgen.drc.checks import task
from layoutgen.pdk import Rule

L = 10_000
LAYOUTS = 150
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


def found(kind: str, *layers: list[Corners]) -> bool:
    rule = Rule(check=kind, layers=tuple("abc"[: len(layers)]), limit=L / 1000, why="", source="")
    return bool(task("T", rule).run([region(layer) for layer in layers]))


def separation(a: BaseGeometry, b: BaseGeometry) -> float:
    return float(shapely.distance(a, b))


def enclosure(inner: BaseGeometry, outer: BaseGeometry) -> float:
    if not outer.covers(inner):
        return 0.0
    return float(shapely.distance(inner.boundary, outer.boundary))


@pytest.mark.parametrize(("kind", "oracle"), [("separation", separation), ("enclosure", enclosure)])
def test_two_layers(kind: str, oracle: Callable[[BaseGeometry, BaseGeometry], float]) -> None:
    seen = {True: 0, False: 0}
    for seed in range(LAYOUTS):
        rnd = random.Random(seed)  # noqa: S311 - repeatable, not secret
        first = [either(rnd, 60_000) for _ in range(2)]
        second = [either(rnd, 90_000) for _ in range(2)]
        if kind == "enclosure" and seed % 3:  # mostly around what it should enclose, or few would hold
            second += [_around(rnd, shape) for shape in first]
        least = oracle(union(first), union(second))
        if abs(least - L) > 1:
            seen[least < L] += 1
            assert found(kind, first, second) is (least < L), f"seed {seed}: {least / 1000} um"
    assert min(seen.values()) > LAYOUTS / 6, seen


def _around(rnd: random.Random, shape: Corners) -> Corners:
    centre = np.mean(shape, axis=0)
    scale = 1 + rnd.uniform(0.6, 2.5)
    return [(round(x), round(y)) for x, y in (np.array(shape) - centre) * scale + centre]


def test_space_between_any_shapes() -> None:
    seen = {True: 0, False: 0}
    for seed in range(LAYOUTS):
        rnd = random.Random(seed)  # noqa: S311 - repeatable, not secret
        shapes: list[Corners] = []
        for shape in (either(rnd, 140_000) for _ in range(6)):
            if not any(shapely.Polygon(shape).intersects(shapely.Polygon(s)) for s in shapes):
                shapes.append(shape)
        least = min(shapely.Polygon(a).distance(shapely.Polygon(b)) for a, b in combinations(shapes, 2))
        if abs(least - L) > 1:
            seen[least < L] += 1
            assert found("space", shapes) is (least < L), f"seed {seed}: {least / 1000} um"
    assert min(seen.values()) > LAYOUTS / 6, seen


@pytest.mark.parametrize("kind", ["width", "space"])
def test_unions_of_boxes_with_necks_notches_and_holes(kind: str) -> None:
    seen = {True: 0, False: 0}
    for seed in range(LAYOUTS):
        rnd = random.Random(seed)  # noqa: S311 - repeatable, not secret
        shapes = [box(rnd, 50_000) for _ in range(rnd.choice((1, 2, 3)))]
        shapes = [[(x // 100 * 100, y // 100 * 100) for x, y in shape] for shape in shapes]
        least = min(_across(union(shapes), inside=kind == "width"), default=math.inf)
        if abs(least - L) > 1:
            seen[least < L] += 1
            assert found(kind, shapes) is (least < L), f"seed {seed}: {least / 1000} um"
    assert min(seen.values()) > LAYOUTS / 6, seen


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
