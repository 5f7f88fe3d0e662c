"""Patterns for every rule of a process, each with the verdict that follows from how it is drawn, not from a check.

All is made of boxes in database units, or of polygons where only these show it. A pattern draws on the layers of its
rule only; `completed` adds what other rules want to see beside these (metal under an opening, a die around all), never
on a layer that the rule itself reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import klayout.db as kdb
import numpy as np
import pattern_makers
from pattern import FAR, STEPS, USUAL, Boxes, Drawn, Pattern, Setting, box, frame, grown

from layoutgen.drc.checks import KINDS, task
from layoutgen.geom import circle
from layoutgen.pdk import Pdk, Rule
from layoutgen.units import DBU, dbu, to_dbu


def width(s: Setting) -> Iterator[Pattern]:
    length, wall = 3 * s.limit, s.limit + FAR
    for by in STEPS:
        v = s.limit + by
        yield Pattern(f"bar {by:+d}", by < 0, ([box(0, 0, v, length)],))
        yield Pattern(f"two halves that abut {by:+d}", by < 0, ([box(0, 0, 9, length), box(9, 0, v - 9, length)],))
        ring = frame(box(0, 0, length), v)
        yield Pattern(f"walls around a hole {by:+d}", by < 0, (ring,))
        yield Pattern(f"walls beside a notch {by:+d}", by < 0, ([*ring[:1], *ring[2:]],))
        yield Pattern(f"neck {by:+d}", by < 0, ([box(0, 0, wall), box(wall, 0, FAR, v), box(wall + FAR, 0, wall)],))
    for by, dx, dy in s.corners():
        found = by < 0 and not s.across
        yield Pattern(f"corner to corner {by:+d}", found, ([box(0, 0, wall), box(wall - dx, wall - dy, wall)],))
    if not s.across:  # nothing lies straight across a point
        yield Pattern("kissing corners", True, ([box(0, 0, wall), box(wall, wall, wall)],))
    bar = box(0, 0, s.limit, length)
    yield Pattern("crossing", False, ([box(-s.limit, s.limit, length, s.limit), bar],))
    yield Pattern("inside", False, ([box(0, 0, length), box(s.limit, s.limit, 9)],))
    yield Pattern("coincident", False, ([bar, bar],))
    yield Pattern("absent", False, ([],))


def space(s: Setting) -> Iterator[Pattern]:
    (a,) = s.sides
    alone = s.options.between == "polygons" or s.options.nets == "different"
    other = s.options.nets != "same"  # by itself each polygon is a net
    for by in STEPS:
        v, own = s.limit + by, by < 0 and not alone
        yield Pattern(f"gap {by:+d}", by < 0 and other, ([box(0, 0, a), box(a + v, 0, a)],))
        yield Pattern(
            f"notch {by:+d}", own, ([box(0, 0, a, 2 * a), box(a + v, 0, a, 2 * a), box(0, -a, 2 * a + v, a)],)
        )
        yield Pattern(f"hole {by:+d}", own, (frame(box(0, 0, v, 3 * s.limit), a),))
    for by, dx, dy in s.corners():
        found = by < 0 and not s.across and other
        yield Pattern(f"corner to corner {by:+d}", found, ([box(0, 0, a), box(a + dx, a + dy, a)],))
    yield Pattern("kissing corners", not alone, ([box(0, 0, a), box(a, a, a)],))
    yield Pattern("abutting", False, ([box(0, 0, a), box(a, 0, a)],))
    yield Pattern("crossing", False, ([box(-a, 0, 3 * a, a), box(0, -a, a, 3 * a)],))
    yield Pattern("inside", False, ([box(0, 0, a), box(9, 9, a - 18)],))
    yield Pattern("coincident", False, ([box(0, 0, a), box(0, 0, a)],))
    yield Pattern("absent", False, ([],))


def separation(s: Setting) -> Iterator[Pattern]:
    a, b = s.sides
    apart = s.options.between != "polygons"  # else what touches is one polygon, and left alone
    limited = s.limit > 0 and apart
    one = box(0, 0, a)
    for by in STEPS:
        v = s.limit + by
        far = max(v, s.limit) + FAR
        yield Pattern(f"gap {by:+d}", by < 0, ([one], [box(a + v, 0, b)]))
        around = grown(one, v, far, far, far)
        yield Pattern(f"in the other's hole {by:+d}", by < 0, ([one], frame(around, b)))
        yield Pattern(f"in the other's notch {by:+d}", by < 0, ([one], frame(around, b)[1:]))
    for by, dx, dy in s.corners():
        yield Pattern(f"corner to corner {by:+d}", by < 0 and not s.across, ([one], [box(a + dx, a + dy, b)]))
    if not s.across:
        yield Pattern("kissing corners", limited, ([one], [box(a, a, b)]))
    yield Pattern("abutting", limited, ([one], [box(a, 0, b)]))
    yield Pattern("overlapping by one unit", apart, ([one], [box(a - 1, 0, b)]))
    yield Pattern("inside", apart, ([one], [grown(one, b, b, b, b)]))
    yield Pattern("around", apart, ([grown(box(0, 0, b), a, a, a, a)], [box(0, 0, b)]))
    yield Pattern("far apart", False, ([one], [box(a + s.limit + FAR, 0, b)]))
    yield Pattern("crossing", apart, ([box(-b, 0, 2 * b + a, a)], [box(0, -a, b, 2 * a + b)]))
    yield Pattern("coincident", apart, ([box(0, 0, max(a, b))], [box(0, 0, max(a, b))]))
    yield Pattern("first absent", False, ([], [box(0, 0, b)]))
    yield Pattern("second absent", False, ([one], []))


def enclosure(s: Setting) -> Iterator[Pattern]:
    a, b = s.sides
    limited, far, one = s.limit > 0, s.limit + b, box(0, 0, a)
    around = grown(one, far, far, far, far)
    two = s.options.sides == "opposite"
    for by in STEPS if limited else (0, 1):
        v, single = s.limit + by, by < 0 and not two
        yield Pattern(f"one side {by:+d}", single, ([one], [grown(one, v, far, far, far)]))
        yield Pattern(f"two sides beside each other {by:+d}", by < 0, ([one], [grown(one, v, v, far, far)]))
        yield Pattern(f"two opposite sides {by:+d}", single, ([one], [grown(one, v, far, v, far)]))
        yield Pattern(f"all sides {by:+d}", by < 0, ([one], [grown(one, v, v, v, v)]))
        hole = box(a + v, 0, s.limit + FAR, a)
        yield Pattern(f"beside the outer's hole {by:+d}", single, ([one], frame(hole, 2 * far + 2 * a)))
        yield Pattern(f"beside the outer's notch {by:+d}", single, ([one], frame(hole, 2 * far + 2 * a)[:3]))
        left = grown(one, v, far, 0, far)
        right = (left[2], left[1], left[2] + far, left[3])
        yield Pattern(f"outer of two that abut {by:+d}", single, ([one], [left, right]))
    for by, dx, dy in s.corners():
        # the outer lacks the quarter beyond a point that lies so far from the inner's upper right corner
        quarter = [(-far, -far, a + dx, a + dy + far), (-far, -far, a + dx + far, a + dy)]
        yield Pattern(f"corner to corner {by:+d}", by < 0 and not s.across, ([one], quarter))
    yield Pattern("kissing corners", True, ([one], [box(a, a, b)]))
    yield Pattern("abutting", True, ([one], [box(a, 0, b)]))
    yield Pattern("crossing", True, ([grown(one, 0, 0, 3 * far, 0)], [around]))
    yield Pattern("sticking out by one unit", True, ([grown(one, 0, 0, far + 1, 0)], [around]))
    yield Pattern("outer inside inner", True, ([grown(box(0, 0, b), a, a, a, a)], [box(0, 0, b)]))
    yield Pattern("in the outer's hole", True, ([one], frame(grown(one, 9, 9, 9, 9), far)))
    yield Pattern("coincident", limited, ([box(0, 0, max(a, b))], [box(0, 0, max(a, b))]))
    yield Pattern("inside", False, ([one], [around]))
    yield Pattern("outer absent", True, ([one], []))
    yield Pattern("inner absent", False, ([], [box(0, 0, b)]))


def overlap(s: Setting) -> Iterator[Pattern]:
    a, b = (max(side, s.limit) for side in s.sides)
    one = box(0, 0, a)
    for by in STEPS:
        v = s.limit + by
        yield Pattern(f"end on end {by:+d}", by < 0, ([one], [box(a - v, 0, b + FAR, max(a, b))]))
        yield Pattern(f"corner in corner {by:+d}", by < 0, ([one], [box(a - v, a - v, b + FAR)]))
    yield Pattern("abutting", True, ([one], [box(a, 0, b)]))
    if not s.across:
        yield Pattern("kissing corners", True, ([one], [box(a, a, b)]))
    yield Pattern("crossing", False, ([box(-b, 0, 2 * b + b, a)], [box(0, -a, b, 2 * a + a)]))
    yield Pattern("inside", False, ([one], [grown(one, b, b, b, b)]))
    yield Pattern("coincident", False, ([box(0, 0, max(a, b))], [box(0, 0, max(a, b))]))
    yield Pattern("apart", s.options.required, ([one], [box(a + FAR, 0, b)]))
    yield Pattern("second absent", s.options.required, ([one], []))
    yield Pattern("first absent", False, ([], [box(0, 0, b)]))


def inside(s: Setting) -> Iterator[Pattern]:
    a, b = s.sides
    one = box(0, 0, a)
    for by in STEPS:
        yield Pattern(f"one side {by:+d}", by < 0, ([one], [grown(one, by, b, b, b)]))
    yield Pattern("kissing corners", True, ([one], [box(a, a, b)]))
    yield Pattern("abutting", True, ([one], [box(a, 0, b)]))
    yield Pattern("crossing", True, ([box(-b, 0, 3 * b, a)], [box(0, -b, b, 3 * b)]))
    yield Pattern("around", True, ([grown(box(0, 0, b), a, a, a, a)], [box(0, 0, b)]))
    yield Pattern("in the outer's hole", True, ([one], frame(one, b)))
    yield Pattern("outer of two that abut", False, ([one], [(-b, -b, 9, a), (9, -b, a + b, a)]))
    yield Pattern("coincident", False, ([one], [one]))
    yield Pattern("outer absent", True, ([one], []))
    yield Pattern("inner absent", False, ([], [box(0, 0, b)]))


def exact_size(s: Setting) -> Iterator[Pattern]:
    w, h = [dbu(side) for side in s.options.size] if s.options.size else (s.limit, s.limit)
    most = dbu(s.options.tolerance)
    for by in (-most - 1, -most, 0, most, most + 1):
        yield Pattern(f"width {by:+d}", abs(by) > most, ([box(0, 0, w + by, h)],))
        yield Pattern(f"height {by:+d}", abs(by) > most, ([box(0, 0, w, h + by)],))
    yield Pattern("two halves that abut", False, ([box(0, 0, 9, h), box(9, 0, w - 9, h)],))
    yield Pattern("abutting", True, ([box(0, 0, w, h), box(w, 0, w, h)],))
    yield Pattern("kissing corners", True, ([box(0, 0, w, h), box(w, h, w, h)],))
    beside = [(side + min(most, side - 2)) // 2 + 1 for side in (w, h)]  # farther off than the tolerance
    yield Pattern("crossing", True, ([box(0, 0, w, h), box(*beside, w, h)],))
    yield Pattern("inside", False, ([box(0, 0, w, h), box(9, 9, 9)],))
    yield Pattern("coincident", False, ([box(0, 0, w, h), box(0, 0, w, h)],))
    yield Pattern("apart", False, ([box(0, 0, w, h), box(10 * w, 0, w, h)],))
    yield Pattern("absent", False, ([],))


def pitch(s: Setting) -> Iterator[Pattern]:
    (a,) = s.sides
    for by in STEPS:
        yield Pattern(f"side by side {by:+d}", by < 0, ([box(0, 0, a), box(s.limit + by, 0, a)],))
    for by, dx, dy in s.corners((7, 24, 25)):  # steep, so that the squares stay as far apart as circles would
        yield Pattern(f"diagonal {by:+d}", by < 0, ([box(0, 0, a), box(dx, dy, a)],))
    yield Pattern("coincident", False, ([box(0, 0, a), box(0, 0, a)],))
    yield Pattern("inside", False, ([box(0, 0, a), box(9, 9, a - 18)],))
    yield Pattern("one alone", False, ([box(0, 0, a)],))
    yield Pattern("absent", False, ([],))


def edge_distance(s: Setting) -> Iterator[Pattern]:
    a, b = s.sides
    a += a % 2
    one, far = box(0, 0, a), s.limit + a + b + FAR
    half = a // 2 if s.options.measure == "centre" else 0
    ignored = s.options.outside == "ignore"
    for by in STEPS:
        v = s.limit + by - half
        die = grown(one, v, far, far, far)
        yield Pattern(f"one side {by:+d}", by < 0, ([one], [die]))
        ring = frame(grown(die, -2, -2, -2, -2), 2)
        yield Pattern(f"in a seal ring {by:+d}", by < 0, ([one], ring))
    for by, dx, dy in s.corners():
        x, y = a + dx - half, a + dy - half
        # a die that lacks the quarter beyond a point that lies so far from the corner, or from the centre
        quarter = [(-far, -far, x, y + far), (-far, -far, x + far, y)]
        yield Pattern(f"corner to corner {by:+d}", by < 0, ([one], quarter))
    die = grown(one, far, far, far, far)
    centred = s.options.measure == "centre"
    yield Pattern("crossing", True, ([box(0, 0, 3 * far, a)], [die]))
    yield Pattern("outside", not ignored, ([box(3 * far, 0, a)], [die]))
    yield Pattern("abutting from outside", not ignored, ([box(a + far, 0, a)], [die]))
    yield Pattern("coincident", not centred and s.limit > 0, ([box(0, 0, far)], [box(0, 0, far)]))
    yield Pattern("layer absent", False, ([], [die]))


def grid(s: Setting) -> Iterator[Pattern]:
    (a,) = s.sides[:1]
    rest: tuple[Boxes, ...] = ([],) * (len(s.sides) - 1)
    step = s.limit
    for by in (0, 1):
        yield Pattern(f"corner {by:+d}", by % step != 0, ([box(0, 0, a // step * step + by)], *rest))
    yield Pattern("absent", False, ([], *rest))


ASIDE = 10 * FAR
"""How far from a pattern the blade of a rule that looks after the cut runs: it takes nothing of it."""

MAKERS: dict[str, Callable[[Setting], Iterator[Pattern]]] = {
    "width": width, "space": space, "separation": separation, "enclosure": enclosure, "overlap": overlap,
    "inside": inside, "exact_size": exact_size, "pitch": pitch, "edge_distance": edge_distance, "grid": grid,
    **pattern_makers.MAKERS,
}  # fmt: skip


def flow_of(pdk: Pdk, name: str) -> str:
    """The first flow of a rule."""
    return (pdk.rules[name].flows or tuple(pdk.flows))[0]


def of_rule(pdk: Pdk, name: str) -> Pdk:
    """The process as it is in the first flow of one of its rules."""
    return pdk.in_flow(flow_of(pdk, name))


def alone(pdk: Pdk, name: str, flow: str) -> Pdk:
    """The process as it is in a flow, with one of its rules only."""
    view = pdk.in_flow(flow)
    return view.model_copy(update={"rules": {name: view.rules[name]}})


def beside(pdk: Pdk, name: str) -> dict[str, Rule]:
    """The rules that run where one does, in its first flow."""
    return {other: rule for other, rule in pdk.rules.items() if not rule.flows or flow_of(pdk, name) in rule.flows}


def patterns(pdk: Pdk, name: str) -> list[Pattern]:
    """Those of one rule."""
    rule = pdk.rules[name]
    sides = [side(pdk, layer) for layer in rule.layers]
    job = task(name, rule)
    limit = job.steps
    if rule.check == "space" and not _of(
        pdk, "exact_size", rule.layers[0]
    ):  # a shape so wide that its neighbour keeps the least pitch
        sides[0] = max([sides[0], *(dbu(p.limit or 0) - limit + 9 for p in _of(pdk, "pitch", rule.layers[0]))])
    made = list(MAKERS[rule.check](Setting(limit, tuple(sides), job.options)))
    if rule.check == "count" and rule.layers[0] in pdk.sources(
        rule.layers[1]
    ):  # what is cut to the outline crosses none
        return [p for p in made if not _crossing(*p.layers)]
    return made


def _crossing(outlines: Boxes, shapes: Boxes) -> bool:
    """Whether some of the shapes lie on both sides of an outline."""
    on, some = (kdb.Region([kdb.Box(*shape) for shape in boxes]) for boxes in (outlines, shapes))
    return not some.overlapping(on).not_inside(on).is_empty()


def side(pdk: Pdk, layer: str) -> int:
    """The side of a square on a layer that breaks no rule of its size, a multiple of ten."""
    source, more = pdk.sources(layer)[0], dbu(pdk.growth(layer))
    if exact := _of(pdk, "exact_size", source):
        return dbu(exact[0].limit or 0) + 2 * more
    sides = [USUAL, *(dbu(r.limit or 0) - 2 * dbu(pdk.growth(r.layers[0])) for r in _of(pdk, "width", source))]
    for rule in pdk.rules.values():  # so wide that what encloses it by the least is wide enough
        if rule.check == "enclosure" and rule.layers[0] == source:
            sides += [dbu(r.limit or 0) - 2 * dbu(rule.limit or 0) for r in _of(pdk, "width", rule.layers[1])]
    return -(-max(sides) // 10) * 10 + 2 * more


def _of(pdk: Pdk, check: str, layer: str) -> list[Rule]:
    found = [r for r in pdk.rules.values() if r.check == check]
    return [r for r in found if any(set(pdk.sources(s)) & set(pdk.sources(layer)) for s in r.layers)]


def drawn(pdk: Pdk, name: str, pattern: Pattern) -> Drawn:
    """The pattern on drawn layers: a layer that grows out of another is drawn smaller by that."""
    out: Drawn = {}
    for layer, boxes in zip(pdk.rules[name].layers, pattern.layers, strict=True):
        by = dbu(pdk.growth(layer))
        region = out.setdefault(pdk.sources(layer)[0], kdb.Region())
        for shape in boxes:
            if isinstance(shape[0], tuple):
                assert not by, f"{name}, {pattern.name}: what grows is made of boxes"
                region.insert(kdb.Polygon([kdb.Point(*point) for point in shape]))
                continue
            small = kdb.Box(*shape).enlarged(-by, -by)
            assert min(small.width(), small.height()) > 0, f"{name}, {pattern.name}: nothing is left to draw"
            region.insert(small)
    extent = kdb.Box()
    for region in out.values():
        extent += region.bbox()
    for layer in pdk.rules[name].layers:  # what is only on a die is drawn on one around all
        if pdk.sources(layer)[0] in pdk.reserved:
            continue
        for outline in (s for s in pdk.sources(layer)[1:] if s in pdk.reserved and s not in out and not extent.empty()):
            out[outline] = kdb.Region(extent.enlarged(FAR, FAR))
    if (cut := task(name, pdk.rules[name]).cut) and not extent.empty():
        out[cut] = kdb.Region(extent.moved(-extent.width() - ASIDE, 0))
    return out


def on(pdk: Pdk, layer: str, shapes: Drawn) -> kdb.Region:
    """A layer, derived or not, of what is drawn."""
    return pdk.region(layer, lambda name: shapes.get(name, kdb.Region()))


def completed(pdk: Pdk, name: str, shapes: Drawn, apart: bool) -> Drawn:
    """The pattern with what the other rules want to see beside it.

    `apart`: one shape around each that wants one, exactly as large as the rule asks; else one around all.
    """
    read = {source for layer in pdk.rules[name].layers for source in pdk.sources(layer)}
    added: Drawn = {}
    rules = beside(pdk, name)
    for _ in rules:
        before = {layer: region.dup() for layer, region in added.items()}
        for rule in rules.values():
            wants = rule.check in ("enclosure", "inside") or (rule.check == "overlap" and rule.options.get("required"))
            if not wants or not read.isdisjoint(pdk.sources(rule.layers[1])):
                continue
            inner = on(pdk, rule.layers[0], shapes | added)
            target = pdk.sources(rule.layers[1])[0]
            least, limit = side(pdk, target), dbu(rule.limit or 0.0)
            if apart:
                cover = inner.sized(limit)
                cover += kdb.Region([_enlarged(p.bbox(), limit, least) for p in inner.each() if p.is_box()])
            else:
                cover = kdb.Region([_enlarged(inner.bbox(), limit + 15_000, least)][: inner.count()])
            cover += added.get(target, kdb.Region())
            added[target] = cover.merged() if apart else kdb.Region(cover.bbox())
        if all(layer in before and (before[layer] ^ region).is_empty() for layer, region in added.items()):
            break
    for rule in rules.values():
        if rule.check == "closed_ring" and len(rule.layers) > 1 and read.isdisjoint(pdk.sources(rule.layers[0])):
            within = kdb.Box()
            for layer in rule.layers[1:]:
                within += on(pdk, layer, shapes | added).bbox()
            if within.empty():
                continue
            room, wall = FAR, max(dbu(rule.limit or 0.0), side(pdk, rule.layers[0]))
            ring = kdb.Region(within.enlarged(room + wall, room + wall)) - kdb.Region(within.enlarged(room, room))
            added[pdk.sources(rule.layers[0])[0]] = ring
    everything = shapes | added
    for rule in rules.values():
        if rule.check == "edge_distance" and rule.layers[1] not in read:
            extent = kdb.Box()
            for region in everything.values():
                extent += region.bbox()
            added[rule.layers[1]] = kdb.Region(extent.enlarged(500_000, 500_000))
    return shapes | {layer: region for layer, region in added.items() if not region.is_empty()}


def _enlarged(b: kdb.Box, by: int, least: int) -> kdb.Box:
    more = [by + max(0, -(-(least - extent - 2 * by) // 2)) for extent in (b.width(), b.height())]
    return b.enlarged(*more)


def found_by(pdk: Pdk, name: str, shapes: Drawn) -> list[Any]:
    """What a rule finds in what is drawn."""
    job = task(name, pdk.rules[name])
    return job.run([on(pdk, layer, shapes) for layer in job.layers])


def others(pdk: Pdk, name: str, shapes: Drawn, leave: Collection[str] = ()) -> list[str]:
    """The other rules, but for some, that find something there."""
    known: Drawn = {}

    def seen(layer: str) -> kdb.Region:
        if layer not in known:
            known[layer] = on(pdk, layer, shapes)
        return known[layer]

    firing = []
    for other, rule in beside(pdk, name).items():
        if other == name or other in leave:
            continue
        job = task(other, rule)
        if any(seen(s).is_empty() for s in job.needed):
            continue  # it says that it cannot run
        if any(not seen(s).is_empty() for s in job.subjects) and job.run([seen(s) for s in job.layers]):
            firing.append(other)
    return firing


def array(shapes: Drawn, columns: int, rows: int, gap: int, lattice: int = 1) -> tuple[Drawn, list[kdb.Trans]]:
    """The drawing so often, and by what each was moved: whole steps of a lattice, and at least a gap between them."""
    extent = kdb.Box()
    for region in shapes.values():
        extent += region.bbox()
    if extent.empty():
        return shapes, [kdb.Trans()]
    step_x, step_y = (-(-(length + gap) // lattice) * lattice for length in (extent.width(), extent.height()))
    places = [kdb.Trans(i * step_x, j * step_y) for i in range(columns) for j in range(rows)]
    out: Drawn = {}
    for layer, region in shapes.items():
        out[layer] = kdb.Region()
        for place in places:
            out[layer] += region.transformed(place)
    return out, places


def unknown(pdk: Pdk) -> Sequence[str]:
    """Rules of kinds that nothing here makes patterns for."""
    return [name for name, rule in pdk.rules.items() if rule.check not in MAKERS or rule.check not in KINDS]


Round = tuple[int, int, int]
"""Diameter and centre."""


@dataclass(frozen=True)
class Rounds:
    """Circles for each layer of a rule that is measured on circles, and what it must find."""

    name: str
    found: bool
    layers: tuple[list[Round], ...]


def rounds(pdk: Pdk, name: str) -> list[Rounds]:
    """Circles at the limit and one unit beside it, for a rule of a kind that measures them; else none."""
    rule = pdk.rules[name]
    if not KINDS[rule.check].analytic:
        return []
    limit = dbu(rule.limit or 0.0)
    sides = [side(pdk, layer) for layer in rule.layers]
    a = sides[0] + sides[0] % 2
    out: list[Rounds] = []
    for by in STEPS:
        v = limit + by
        match rule.check:
            case "width" | "exact_size" | "aspect_ratio":  # one unit of the radius: a circle's box is even
                tolerance = dbu(task(name, rule).options.tolerance) if rule.check == "exact_size" else 0
                least = limit
                if rule.check == "aspect_ratio":
                    least = dbu(task(name, rule).options.height) * 1000 // limit
                diameter = least + 2 * by + (by > 0) * tolerance - (by < 0) * tolerance
                found = by != 0 if rule.check == "exact_size" else by < 0
                out.append(Rounds(f"disc {by:+d}", found, ([(diameter, 0, 0)],)))
            case "space":
                near = by < 0 and task(name, rule).options.nets != "same"
                out.append(Rounds(f"two discs {by:+d}", near, ([(a, 0, 0), (a, a + v, 0)],)))
            case "separation":
                b = sides[1] + sides[1] % 2
                out.append(Rounds(f"two discs {by:+d}", by < 0, ([(a, 0, 0)], [(b, (a + b) // 2 + v, 0)])))
            case "enclosure":
                b = a + 2 * limit
                out.append(Rounds(f"off centre {by:+d}", by != 0, ([(a, 0, 0)], [(b, by, 0)])))
                out.append(Rounds(f"concentric {by:+d}", by < 0, ([(a, 0, 0)], [(b + 2 * by, 0, 0)])))
    return out


def rounds_drawn(pdk: Pdk, name: str, pattern: Rounds) -> Drawn:
    """The circles on drawn layers, as the process draws them."""
    out: Drawn = {}
    for layer, discs in zip(pdk.rules[name].layers, pattern.layers, strict=True):
        by = 2 * dbu(pdk.growth(layer))
        region = out.setdefault(pdk.sources(layer)[0], kdb.Region())
        for diameter, x, y in discs:
            points = to_dbu(circle((diameter - by) * DBU, pdk.circle_points)) + np.array([x, y])
            region.insert(kdb.Polygon([kdb.Point(*point) for point in points.tolist()]))
    return out
