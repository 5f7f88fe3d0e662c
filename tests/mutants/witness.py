"""The witness: whether shapes break a rule, straight from its words, by shapely alone.

Nothing of the checks is used here. Where shapes are slanted, corners are rounded to database units, and what is within
that of a limit no two libraries need agree on: then the witness says that it is not sure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import shapely.affinity
from mutants import bending_witness
from shapely.geometry.base import BaseGeometry

ROUNDED = 1.5
"""How far a length between slanted edges may be off (database units)."""
EXACT = 0.01
"""The same of a length between corners of upright shapes, which no rounding changes, but arithmetic might."""
TOUCH = 1e-3
"""By how much a line may run beside a border: far less than any gap."""
SLIVER = 1e5
"""An area (square database units) that rounding of slanted edges may make."""
SLANTED = 20.0
"""How far off the corner of a shape may be that slanted edges shrink."""
FACING: dict[str, Any] = {"metric": "euclidian", "ignore_angle": 80.0}
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """Whether a rule is broken, and whether that is beyond rounding."""

    illegal: bool
    sure: bool = True


def both(*verdicts: Verdict) -> Verdict:
    """Broken where any of several is for sure; sure of nothing where one of them is not."""
    broken = [v for v in verdicts if v.illegal and v.sure]
    if broken:
        return broken[0]
    return Verdict(any(v.illegal for v in verdicts), all(v.sure for v in verdicts))


def parts(shape: BaseGeometry) -> list[shapely.Polygon]:
    return [p for p in shapely.get_parts(shape).tolist() if isinstance(p, shapely.Polygon) and p.area > 0]


def edges(shape: BaseGeometry) -> Floats:
    """(n, 2, 2) ends of the edges, the inside at their left."""
    out: list[Floats] = []
    for part in parts(shape):
        oriented = shapely.geometry.polygon.orient(part)
        for ring in (oriented.exterior, *oriented.interiors):
            out += [np.array(pair) for pair in pairwise(shapely.get_coordinates(ring.simplify(0)))]
    return np.array(out, dtype=np.float64).reshape(-1, 2, 2)


def upright(*shapes: BaseGeometry) -> bool:
    """Whether all edges run along the axes."""
    along = np.concatenate([np.diff(edges(shape), axis=1)[:, 0] for shape in shapes])
    return bool((along == 0).any(axis=1).all()) if len(along) else True


def less(value: float, limit: float, exact: bool) -> Verdict:
    """Whether a length is less than a limit."""
    near = abs(value - limit)
    return Verdict(value < limit, near == 0 or near > EXACT if exact else near > ROUNDED)


def across(shape: BaseGeometry, limit: float, inside: bool, options: dict[str, Any]) -> Verdict:
    """Whether two edges face each other at less than a limit, through the inside or through the outside."""
    lines = edges(shape)
    if len(lines) < 2:
        return Verdict(False)
    along = lines[:, 1] - lines[:, 0]
    unit = along / np.hypot(along[:, 0], along[:, 1])[:, None]
    first, second = np.triu_indices(len(lines), 1)
    opposite = np.degrees(np.arccos(np.clip(-(unit[first] * unit[second]).sum(axis=1), -1, 1)))
    strings = shapely.linestrings(lines)
    apart = shapely.distance(strings[first], strings[second])
    near = (opposite < options["ignore_angle"] + 1) & (apart < limit + 2)
    verdicts = [Verdict(False)]
    block, about = (shape.buffer(by if inside else -by, join_style="mitre") for by in (TOUCH, ROUNDED))
    for i, j, angle, distance in zip(first[near], second[near], opposite[near], apart[near], strict=True):
        ends = lines[[i, j]]  # where slanted edges cross others, corners lie between units
        exact = bool((along[[i, j]] == 0).any(axis=1).all() and (ends == ends.round()).all())
        borderline = abs(angle - options["ignore_angle"]) < 1
        pair = (lines[i], lines[j])
        if options["metric"] == "projection":
            found = _straight(pair, unit[i], angle, distance, limit, inside, exact)
        elif distance == 0:
            found = Verdict(_touch(pair, unit[i], unit[j], inside))
        else:
            line = shapely.shortest_line(strings[i], strings[j])
            begin, end = shapely.get_coordinates(line)
            left = _cross(unit[i], end - begin), _cross(unit[j], begin - end)
            if max(abs(v) for v in left) < 1e-9:
                continue  # in one line
            if not all((v > -1e-9) if inside else (v < 1e-9) for v in left):
                continue
            if not _clear(line, block, inside):
                if not exact and distance < limit and _clear(line, about, inside):
                    verdicts.append(Verdict(True, False))  # what is between is within rounding
                continue
            found = less(distance, limit, exact)
            if not exact and min(abs(v) for v in left) < ROUNDED:
                found = Verdict(found.illegal, not found.illegal)  # one just begins where the other's line passes
        verdicts.append(Verdict(found.illegal, False) if borderline else found)
    return both(*verdicts)


def _clear(line: shapely.LineString, shape: BaseGeometry, inside: bool) -> bool:
    """Whether a line runs through the inside of a shape, or through its outside, alone."""
    return bool(shape.covers(line)) if inside else not line.intersects(shape)


def _cross(u: Floats, v: Floats) -> float:
    return float(u[0] * v[1] - u[1] * v[0])


def _touch(pair: tuple[Floats, Floats], u: Floats, v: Floats, inside: bool) -> bool:
    """Whether edges that meet face each other: in a sharp corner on one side only, where corners kiss on both."""
    (a, b), (c, d) = pair
    if (b == c).all() or (d == a).all():
        turn = _cross(u, v) if (b == c).all() else _cross(v, u)
        return turn > 0 if inside else turn < 0
    return True


def _straight(
    pair: tuple[Floats, Floats], unit: Floats, angle: float, distance: float, limit: float, inside: bool, exact: bool
) -> Verdict:
    """The same straight across only: for edges that are parallel; of others the witness is not sure."""
    (a, b), (c, d) = pair
    if angle > 1:
        return Verdict(distance < limit, False)
    begin, end = max(0.0, min(unit @ (c - a), unit @ (d - a))), min(unit @ (b - a), max(unit @ (c - a), unit @ (d - a)))
    if end - begin < -ROUNDED:
        return Verdict(False)
    along = (d - c) / (unit @ (d - c))
    away = [_cross(unit, c + along * (at - unit @ (c - a)) - a) for at in (begin, end)]  # where it lies opposite
    if all((v < EXACT) if inside else (v > -EXACT) for v in away):
        return Verdict(False)  # on the other side
    if end - begin <= ROUNDED:
        return Verdict(distance < limit, distance >= limit + ROUNDED)
    return less(min(abs(v) for v in away), limit, exact)


def width(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    return across(layers[0], limit, True, FACING | options)


def space(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    return across(layers[0], limit, False, FACING | options)


def separation(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    a, b = layers
    if a.is_empty or b.is_empty:
        return Verdict(False)
    exact = upright(a, b)
    common = a.intersection(b).area
    if common > 0:
        return Verdict(True, exact or common > SLIVER)
    return less(float(shapely.distance(a, b)), limit, exact)


def enclosure(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    inner, outer = layers
    if inner.is_empty:
        return Verdict(False)
    exact = upright(inner, outer)
    out = inner.difference(outer).area
    if out > 0:
        return Verdict(True, exact or out > SLIVER)
    return less(float(shapely.distance(inner.boundary, outer.boundary)), limit, exact)


def edge_distance(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    layer, boundary = layers
    whole = shapely.unary_union([shapely.Polygon(p.exterior) for p in parts(boundary)])
    if options.get("measure", "edge") == "edge":
        return enclosure((layer, whole), limit, {})
    exact = upright(whole)
    verdicts = [Verdict(False, not kiss(layer))]
    for x0, y0, x1, y1 in (p.bounds for p in parts(layer)):
        centre = shapely.Point((x0 + x1) / 2, (y0 + y1) / 2)
        inside = whole.covers(centre)
        to_edge = float(shapely.distance(centre, whole.boundary))
        verdicts.append(less(to_edge, limit, exact) if inside else Verdict(True, exact or to_edge > ROUNDED))
    return both(*verdicts)


def overlap(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    a, b = layers
    facing = FACING | options
    common = a.intersection(b)
    solid = shapely.unary_union(parts(common))
    exact = upright(a, b)
    verdicts = [across(solid, limit, True, facing)]
    touching = common.difference(solid.buffer(1))
    if not touching.is_empty:  # in a point nothing lies straight across
        verdicts.append(Verdict(True, exact and (touching.length > 0 or facing["metric"] != "projection")))
    if facing.get("required"):
        alone = [p for p in parts(a) if p.intersection(solid).area == 0]
        sure = exact or not alone or all(p.distance(b) > ROUNDED for p in alone)
        verdicts.append(Verdict(bool(alone), sure and not kiss(a)))
    return both(*verdicts)


def inside(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    out = layers[0].difference(layers[1]).area
    return Verdict(out > 0, upright(*layers) or out == 0 or out > SLIVER)


def exact_size(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    sizes = [(x1 - x0, y1 - y0) for x0, y0, x1, y1 in (p.bounds for p in parts(layers[0]))]
    tolerance = round(1000 * options.get("tolerance", 0.02))
    wrong = any(abs(side - limit) > tolerance for size in sizes for side in size)
    return Verdict(wrong, not kiss(layers[0]))


def pitch(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    twice = [(x0 + x1, y0 + y1) for x0, y0, x1, y1 in (p.bounds for p in parts(layers[0]))]
    near = any(
        (ax - bx) ** 2 + (ay - by) ** 2 < (2 * limit) ** 2 for i, (ax, ay) in enumerate(twice) for bx, by in twice[:i]
    )
    return Verdict(near, not kiss(layers[0]))


def grid(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    return Verdict(any((edges(layer) % limit != 0).any() for layer in layers))


def aspect_ratio(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    widest = options["height"] * 1000 * 1000 / limit  # limits come in thousandths
    return across(layers[0], widest, True, FACING | {"metric": "projection"} | options)


def count(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    on, counted = layers
    centres = [shapely.Point((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in (p.bounds for p in parts(counted))]
    numbers = [sum(bool(shapely.Polygon(p.exterior).covers(c)) for c in centres) for p in parts(on)]
    least, most = (options.get(key, options.get("exactly")) for key in ("at_least", "at_most"))
    wrong = any((least is not None and n < least) or (most is not None and n > most) for n in numbers)
    return Verdict(wrong, not any(map(kiss, layers)))


def density(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    layer, *grounds = layers
    side = options["window"] * 1000
    step = options.get("step", options["window"] / 2) * 1000
    around = (grounds or [layer])[0]
    off = 1e-9 if upright(*layers) else 50 / side  # slanted edges are cut at whole units
    if around.is_empty:
        return Verdict(False)
    x0, y0, x1, y1 = around.bounds
    verdicts = []
    for i in range(math.floor((x0 - side) / step), math.ceil(x1 / step) + 1):
        for j in range(math.floor((y0 - side) / step), math.ceil(y1 / step) + 1):
            window = shapely.box(i * step, j * step, i * step + side, j * step + side)
            whole = grounds[0].intersection(window).area if grounds else side * side
            covered = around.intersection(layer).intersection(window).area
            if whole < options.get("part", 1.0) * side * side * (1 - 1e-9) or (not grounds and not covered):
                continue
            share = 100 * covered / whole
            low, high = options.get("min", -1.0), options.get("max", 101.0)
            near = min(abs(share - low), abs(share - high)) < off
            verdicts.append(Verdict(share < low or share > high, not near))
    return both(*verdicts)


def centred_on(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    twice, targets = ([(x0 + x1, y0 + y1) for x0, y0, x1, y1 in (p.bounds for p in parts(shape))] for shape in layers)
    good = all(any((x - u) ** 2 + (y - v) ** 2 <= (2 * limit) ** 2 for u, v in targets) for x, y in twice)
    return Verdict(not good, not any(map(kiss, layers)))


def bending(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    posts, dies = layers
    outlines = parts(shapely.unary_union([shapely.Polygon(p.exterior) for p in parts(dies)]))
    verdicts = [Verdict(False, not kiss(posts) and not kiss(dies))]
    for post in parts(posts):
        x0, y0, x1, y1 = post.bounds
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        die = next((d for d in outlines if d.covers(shapely.Point(x, y))), None)
        if die is None:
            continue
        coordinates = shapely.get_coordinates(post)
        turn = np.linspace(0, np.pi, 180, endpoint=False)
        across = coordinates @ np.array([np.cos(turn), np.sin(turn)])
        broad = float(np.ptp(across, axis=0).max()) / 1000 / options["height"]
        stout = broad > 0.5 or bool(post.interiors)
        left, low, right, top = die.bounds
        arm = ((x - (left + right) / 2) / 1000, (y - (low + top) / 2) / 1000)
        value = 0.0 if stout else bending_witness.ratio(shapely.affinity.scale(post, 1e-3, 1e-3), arm, options)
        unclear = (not post.interiors and abs(broad - 0.5) < 0.01) or (
            not stout and abs(value * 1000 / limit - 1) < 0.05
        )
        verdicts.append(Verdict(stout or value * 1000 > limit, not unclear))
    return both(*verdicts)


def outside(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    common = layers[0].intersection(layers[1]).area
    return Verdict(common > 0, upright(*layers) or common == 0 or common > SLIVER)


def hole_area(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    verdicts = [Verdict(False, not kiss(layers[0]))]
    for part in parts(layers[0]):
        for hole in part.interiors:
            area = shapely.Polygon(hole).area
            beyond = abs(area - 1000 * limit)  # limits come in thousandths
            verdicts.append(Verdict(area < 1000 * limit, upright(part) or beyond > SLIVER))
    return both(*verdicts)


def closed_ring(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    rings, merged = parts(layers[0]), options.get("merged", False)
    exact = upright(*layers)
    verdicts = [Verdict(False, not any(map(kiss, layers)))]
    for part in rings:
        count = len(part.interiors)
        verdicts.append(Verdict(count != 1 and not (count and merged)))
        outlines = [part.exterior, *part.interiors]
        for k, a in enumerate(outlines):
            verdicts += [less(float(shapely.distance(a, b)), limit, upright(part)) for b in outlines[:k]]
    holes = [(k, shapely.Polygon(hole)) for k, part in enumerate(rings) for hole in part.interiors]
    full: set[int] = set()
    innermost: list[set[int]] = []
    for layer in layers[1:]:
        mine = set()
        for part in parts(layer):
            common = part.intersection(layers[0]).area
            verdicts.append(Verdict(common > 0, exact or common == 0 or common > SLIVER))
            around = [n for n, (_, hole) in enumerate(holes) if hole.covers(part.representative_point())]
            verdicts.append(Verdict(not around))
            full |= set(around)
            if around and common == 0:
                mine.add(min(around, key=lambda n: holes[n][1].area))
        innermost.append(mine)
    if len(layers) > 1:
        of = [n if merged else k for n, (k, _) in enumerate(holes)]
        verdicts.append(Verdict(set(of) != {of[n] for n in full}))
    if len(innermost) > 1:
        verdicts.append(Verdict(bool(set.intersection(*innermost))))
    return both(*verdicts)


def sealed(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    cavities, leaks, openings, seals = layers
    about = (0.0,) if upright(*layers) else (-SLANTED, SLANTED)
    told = {_leak(cavities, leaks, openings.difference(_shrunk(seals, limit - by)), -by) for by in about}
    return Verdict(max(told), len(told) == 1 and not any(map(kiss, layers)))


def _shrunk(shape: BaseGeometry, by: float) -> BaseGeometry:
    """A shape less what lies nearer to its border, in corners as far as both sides go."""
    border = shapely.linestrings(edges(shape))
    return shape.difference(shapely.unary_union(shapely.buffer(border, by, cap_style="square")))


def _leak(cavities: BaseGeometry, leaks: BaseGeometry, bare: BaseGeometry, near: float) -> bool:
    """Whether something leads from what is bare to a cavity: what is that near to each other touches."""
    known = [(kind, p) for kind, shape in enumerate((leaks, cavities, bare)) for p in parts(shape)]
    reached = {k for k, (kind, _) in enumerate(known) if kind == 2}
    more = reached
    while more:
        more = {
            k for k, (kind, part) in enumerate(known) if k not in reached
            and any(known[j][0] != kind and _meet(known[j], (kind, part), near) for j in more)
        }  # fmt: skip
        reached = reached | more
    return any(known[k][0] == 1 for k in reached)


def _meet(one: tuple[int, shapely.Polygon], other: tuple[int, shapely.Polygon], near: float) -> bool:
    """Whether two touch, or the one that leaks has the other one in a hole."""
    a, b = (shapely.Polygon(p.exterior) if kind == 0 else p for kind, p in (one, other))
    if near < 0:
        return bool(a.buffer(near).intersects(b))
    return bool(a.distance(b) <= near)


def reaches_cut(layers: Sequence[BaseGeometry], limit: float, options: dict[str, Any]) -> Verdict:
    metal, ground, maybe, sure = layers
    metal = shapely.unary_union([metal, ground])
    left, own = parts(metal.difference(sure)), parts(ground.difference(sure))
    kissing = any(map(kiss, (*layers, metal.difference(sure))))
    verdicts = [Verdict(False, upright(*layers) and not kissing)]
    for part in left:
        met = part.intersects(sure)
        if any(part.intersection(g).area > 0 for g in own):
            verdicts.append(Verdict(not met))
        else:
            verdicts.append(Verdict(met or part.intersection(maybe).area > 0))
    return both(*verdicts)


def kiss(shape: BaseGeometry) -> bool:
    """Whether polygons meet in points only: whether they are then one, libraries do not agree on."""
    found = parts(shape)
    return any(a.distance(b) == 0 for i, a in enumerate(found) for b in found[:i])


JUDGES: dict[str, Callable[[Sequence[BaseGeometry], float, dict[str, Any]], Verdict]] = {
    "width": width, "space": space, "separation": separation, "enclosure": enclosure, "overlap": overlap,
    "inside": inside, "exact_size": exact_size, "pitch": pitch, "edge_distance": edge_distance, "grid": grid,
    "aspect_ratio": aspect_ratio, "count": count, "density": density, "centred_on": centred_on, "bending": bending,
    "closed_ring": closed_ring, "outside": outside, "hole_area": hole_area, "sealed": sealed,
    "reaches_cut": reaches_cut,
}  # fmt: skip
