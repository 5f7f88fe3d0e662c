"""What a layout of a site is changed by: seeded, by lengths around the limit of a rule.

A site is a legal drawing: polygons, in database units, by drawn layer. An operator changes one thing in it, or says
with None that it has nothing to change there.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import klayout.db as kdb

Corners = tuple[tuple[int, int], ...]
Site = dict[str, list[Corners]]
"""Polygons by drawn layer."""
Operator = Callable[[Site, random.Random, "Aim"], "Site | None"]


class Aim:
    """What mutants are aimed at: the layers a rule reads, its limit, and layers that it does not read."""

    def __init__(self, layers: tuple[str, ...], limit: int, others: tuple[str, ...]) -> None:
        self.layers, self.limit, self.others = layers, limit, others

    def length(self, rnd: random.Random) -> int:
        """A length that may matter: a few units, or about a limit, half of one, or twice."""
        unit = max(self.limit, 20)
        near = [unit + by for by in (-2, -1, 0, 1, 2)]
        return rnd.choice([1, 1, 2, 3, *near, unit // 2, 2 * unit, rnd.randint(1, 2 * unit)])


def _pick(site: Site, rnd: random.Random, aim: Aim) -> tuple[str, int] | None:
    """A polygon on a layer that the rule reads."""
    known = [(layer, i) for layer in dict.fromkeys(aim.layers) for i in range(len(site.get(layer, [])))]
    return rnd.choice(known) if known else None


def _with(site: Site, layer: str, index: int, *polygons: Corners) -> Site:
    """The site with a polygon replaced by others, or by none."""
    kept = site.get(layer, [])
    return {**site, layer: [*kept[:index], *polygons, *kept[index + 1 :]]}


def _box(x0: int, y0: int, x1: int, y1: int) -> Corners:
    return ((x0, y0), (x0, y1), (x1, y1), (x1, y0))


def _extent(polygon: Corners) -> tuple[int, int, int, int]:
    xs, ys = [x for x, _ in polygon], [y for _, y in polygon]
    return min(xs), min(ys), max(xs), max(ys)


def _side(site: Site, rnd: random.Random, aim: Aim, way: int) -> Site | None:
    """One side of a shape moved outwards, or inwards."""
    if (at := _pick(site, rnd, aim)) is None:
        return None
    layer, i = at
    polygon = site[layer][i]
    x0, y0, x1, y1 = _extent(polygon)
    by = aim.length(rnd) * way
    axis, low = rnd.choice(((0, True), (0, False), (1, True), (1, False)))
    edge = ((x0, y0) if low else (x1, y1))[axis]
    moved = [list(p) for p in polygon]
    for corner in moved:
        if corner[axis] == edge:
            corner[axis] += -by if low else by
    if by < 0 and -by >= (x1 - x0, y1 - y0)[axis]:
        return None
    return _with(site, layer, i, tuple((x, y) for x, y in moved))


def shrink(site: Site, rnd: random.Random, aim: Aim) -> Site | None:
    """A side of a shape moves inwards."""
    return _side(site, rnd, aim, -1)


def grow(site: Site, rnd: random.Random, aim: Aim) -> Site | None:
    """A side of a shape moves outwards."""
    return _side(site, rnd, aim, 1)


def shift(site: Site, rnd: random.Random, aim: Aim) -> Site | None:
    """A shape moves, along one axis or along both."""
    if (at := _pick(site, rnd, aim)) is None:
        return None
    layer, i = at
    dx, dy = (aim.length(rnd) * rnd.choice((-1, 0, 1)) for _ in range(2))
    return None if dx == dy == 0 else _with(site, layer, i, _moved(site[layer][i], dx, dy))


def _moved(polygon: Corners, dx: int, dy: int) -> Corners:
    return tuple((x + dx, y + dy) for x, y in polygon)


def cut(site: Site, rnd: random.Random, aim: Aim) -> Site | None:
    """A slot is cut through a shape, or into it."""
    if (at := _pick(site, rnd, aim)) is None:
        return None
    layer, i = at
    polygon = site[layer][i]
    x0, y0, x1, y1 = _extent(polygon)
    wide, deep = aim.length(rnd), aim.length(rnd)
    if rnd.random() < 0.5:
        x = rnd.randint(x0, x1)
        slot = _box(x, y0 if rnd.random() < 0.5 else y1 - deep, x + wide, y1)
    else:
        y = rnd.randint(y0, y1)
        slot = _box(x0, y, x1 if rnd.random() < 0.5 else x0 + deep, y + wide)
    left = _region(polygon) - _region(slot)
    return None if left.is_empty() else _with(site, layer, i, *_polygons(left))


def bridge(site: Site, rnd: random.Random, aim: Aim) -> Site | None:
    """A bar joins a shape to another one, or stands out into the open."""
    if (at := _pick(site, rnd, aim)) is None:
        return None
    layer, i = at
    x0, y0, x1, y1 = _extent(site[layer][i])
    others = [p for k, p in enumerate(site[layer]) if k != i]
    wide = aim.length(rnd)
    if others:
        ox0, oy0, ox1, oy1 = _extent(rnd.choice(others))
        x, y, tx, ty = (x0 + x1) // 2, (y0 + y1) // 2, (ox0 + ox1) // 2, (oy0 + oy1) // 2
        across = abs(tx - x) >= abs(ty - y)
        bar = _box(min(x, tx), y, max(x, tx), y + wide) if across else _box(x, min(y, ty), x + wide, max(y, ty))
    else:
        x, y = rnd.randint(x0, x1), rnd.randint(y0, y1)
        long = aim.length(rnd)
        bar = _box(x1, y, x1 + long, y + wide) if rnd.random() < 0.5 else _box(x, y1, x + wide, y1 + long)
    return {**site, layer: [*site[layer], bar]}


def delete(site: Site, rnd: random.Random, aim: Aim) -> Site | None:
    """A shape is missing."""
    at = _pick(site, rnd, aim)
    return None if at is None else _with(site, *at)


def duplicate(site: Site, rnd: random.Random, aim: Aim) -> Site | None:
    """A shape is drawn a second time, beside itself."""
    if (at := _pick(site, rnd, aim)) is None:
        return None
    layer, i = at
    polygon = site[layer][i]
    x0, y0, x1, y1 = _extent(polygon)
    gap = aim.length(rnd) * rnd.choice((1, 1, 1, -1, 0))
    dx, dy = rnd.choice(((x1 - x0 + gap, 0), (0, y1 - y0 + gap), (x1 - x0 + gap, y1 - y0 + gap)))
    return {**site, layer: [*site[layer], _moved(polygon, dx, dy)]}


def rotate(site: Site, rnd: random.Random, aim: Aim) -> Site | None:
    """A shape stands at another angle."""
    if (at := _pick(site, rnd, aim)) is None:
        return None
    layer, i = at
    polygon = site[layer][i]
    x0, y0, x1, y1 = _extent(polygon)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    turn = math.radians(rnd.choice((90, 45, 30, rnd.uniform(1, 89))))
    c, s = math.cos(turn), math.sin(turn)
    turned = [(round(x + (px - x) * c - (py - y) * s), round(y + (px - x) * s + (py - y) * c)) for px, py in polygon]
    return _with(site, layer, i, tuple(turned))


def off_grid(site: Site, rnd: random.Random, aim: Aim) -> Site | None:
    """One corner moves by a few units."""
    if (at := _pick(site, rnd, aim)) is None:
        return None
    layer, i = at
    polygon = list(site[layer][i])
    k = rnd.randrange(len(polygon))
    x, y = polygon[k]
    dx, dy = rnd.choice((-3, -2, -1, 1, 2, 3)), rnd.choice((-3, -1, 0, 0, 1, 3))
    polygon[k] = (x + dx, y + dy)
    return _with(site, layer, i, tuple(polygon))


def wrong_layer(site: Site, rnd: random.Random, aim: Aim) -> Site | None:
    """A shape is drawn on another layer, of the rule or not."""
    if (at := _pick(site, rnd, aim)) is None:
        return None
    layer, i = at
    to = rnd.choice([other for other in (*aim.layers, *aim.others) if other != layer])
    without = _with(site, layer, i)
    return {**without, to: [*without.get(to, []), site[layer][i]]}


def swap(site: Site, rnd: random.Random, aim: Aim) -> Site | None:
    """What is on two layers is exchanged."""
    first = rnd.choice(aim.layers)
    second = rnd.choice([other for other in (*aim.layers, *aim.others) if other != first])
    return {**site, first: site.get(second, []), second: site.get(first, [])}


def _region(polygon: Corners) -> kdb.Region:
    return kdb.Region(kdb.Polygon([kdb.Point(*p) for p in polygon]))


def _polygons(region: kdb.Region) -> list[Corners]:
    """Polygons without holes: a slot that leaves a hole leaves two halves that abut."""
    trapezoids = [p for shape in region.each() for p in (shape.decompose_trapezoids() if shape.holes() else [shape])]
    return [tuple((p.x, p.y) for p in kdb.Polygon(t).each_point_hull()) for t in trapezoids]


OPERATORS: dict[str, Operator] = {
    "shrink": shrink, "grow": grow, "shift": shift, "cut": cut, "bridge": bridge, "delete": delete,
    "duplicate": duplicate, "rotate": rotate, "off grid": off_grid, "wrong layer": wrong_layer, "swap": swap,
}  # fmt: skip
