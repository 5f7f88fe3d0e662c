"""What the router is asked and what it answers: plain frozen records, no behaviour beyond sums and checks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from typing import TypeAlias

import shapely

from layoutgen.errors import ParamError
from layoutgen.units import DBU, Um, dbu

Point: TypeAlias = tuple[int, int]
"""A grid point (x, y) in dbu of 1 nm."""
LEAST: Um = 500 * DBU
"""The least width and space: below, the few units that rounding moves slanted metal by show where pieces join."""
SLANTED: Um = 5 * DBU
"""The most that a slanted wire gets wider on the grid, beside the guard (see `bodies`)."""
Ring: TypeAlias = tuple[tuple[Um, Um], ...]
"""Corners of a simple polygon in um, not closed, in either sense."""


def box(x0: Um, y0: Um, x1: Um, y1: Um) -> Ring:
    """The rectangle between two corners, counter-clockwise."""
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


class Style(StrEnum):
    """How wires run between the points that hold them."""

    ANY_ANGLE = "any-angle"
    """Straight at any angle; bends follow a 16-gon."""
    CURVED = "curved"
    """Straight at any angle; bends are arcs, drawn as fine polygons."""
    OCTILINEAR = "octilinear"
    """At 0, 45 and 90 degrees."""
    MANHATTAN = "manhattan"
    """At 0 and 90 degrees."""

    @property
    def sides(self) -> int:
        """Sides of the polygon that stands for a circle in all clearances."""
        return {"octilinear": 8, "manhattan": 4}.get(self, 16)


@dataclass(frozen=True, slots=True)
class Terminal:
    """A pad or ball that wires may end on: a disc (`round`, half_x == half_y == radius), a box, or a polygon.

    name: its own.
    net: what it belongs to; "" for one that is free to be taken by a terminal of its `group`.
    x, y: centre (um), which lies inside of the shape.
    half_x, half_y: half extents (um).
    round: whether it is a disc.
    group: a terminal with a net asks for one free terminal of this group; a free one may be taken so. "": neither.
    polygon: corners (um) in place of disc and box; its convex hull is what wires keep clear of.
    own_tie: whether it wants a tie of its own, where `RouteProblem.ties` asks for ties.
    layer: the metal layer it stands on, 0 or 1.
    """

    name: str
    net: str
    x: Um
    y: Um
    half_x: Um
    half_y: Um
    round: bool
    group: str = ""
    polygon: Ring = ()
    own_tie: bool = False
    layer: int = 0


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A simple polygon, convex or not, that no wire or tie may come nearer to than the spacing rule.

    layer: the metal layer it stands on; None for all.
    """

    points: Ring
    layer: int | None = None

    @classmethod
    def box(cls, x0: Um, y0: Um, x1: Um, y1: Um, layer: int | None = None) -> Obstacle:
        """A rectangle."""
        return cls(box(x0, y0, x1, y1), layer)


@dataclass(frozen=True, slots=True)
class NetRule:
    """Width and least space (um) of the wires of one net, where they differ from the problem's."""

    width: Um
    space: Um


@dataclass(frozen=True, slots=True)
class WideSpace:
    """Metal that is wider than `width` in both directions keeps `space` to metal of other nets (um)."""

    width: Um
    space: Um


@dataclass(frozen=True, slots=True)
class Matched:
    """Nets whose wires shall be equally long, to `within` um; the shorter ones are lengthened."""

    nets: tuple[str, ...]
    within: Um


@dataclass(frozen=True)
class RouteProblem:
    """A chip's metal layer, or two, to be wired; every length is in um.

    outline: the die, a polygon (see `box`).
    width, space: of wires, `LEAST` or more; drawn up to `guard` larger.
    edge: least distance from wire metal to the outline; ties are exempt.
    ties: whether each net gets a wire that reaches the outline (each `own_tie` terminal its own, where it has any).
    some_ties: whether a plan that leaves nets untied is good enough.
    tie_pitch: ties end on multiples of it, counted from the middle of each side of the outline; 0: anywhere.
    guard: what may be added when drawing, so that snapping to the grid never costs a rule.
    rules: nets with a width and a space of their own.
    wide: spacing of wide metal, terminals included; any number of steps.
    style: directions of wires.
    matched: groups of nets of equal length.
    layers: 1 or 2.
    via: diameter of the landings of a via between two layers, which any terminal may get: none is smaller.
    """

    outline: Ring
    terminals: tuple[Terminal, ...]
    obstacles: tuple[Obstacle, ...]
    width: Um
    space: Um
    edge: Um
    ties: bool = False
    guard: Um = 0.004
    some_ties: bool = False
    tie_pitch: Um = 0.0
    rules: Mapping[str, NetRule] = field(default_factory=dict)
    wide: tuple[WideSpace, ...] = ()
    style: Style = Style.ANY_ANGLE
    matched: tuple[Matched, ...] = ()
    layers: int = 1
    via: Um = 0.0

    def __post_init__(self) -> None:
        for name, value in [("width", self.width), ("space", self.space)] + [
            (f"{what} of net {net}", value)
            for net, rule in self.rules.items()
            for what, value in (("width", rule.width), ("space", rule.space))
        ]:
            _require(0 < value < math.inf, f"route: {name}={value} um must be above 0")
            _require(
                value >= LEAST - 1e-9,
                f"route: {name}={value:g} um cannot be drawn exactly on {DBU:g} um; the least is {LEAST:g} um",
            )
        for name in ("edge", "guard", "tie_pitch", "via"):
            _require(
                0 <= getattr(self, name) < math.inf, f"route: {name}={getattr(self, name)} um must not be negative"
            )
        for step in self.wide:
            _require(step.width > 0 and step.space > 0, f"route: wide={step} must be above 0")
        _require(self.layers in (1, 2), f"route: layers={self.layers} must be 1 or 2")
        _require(self.layers == 1 or self.via > 0, "route: two layers need via, the diameter of a landing")
        _require_ring(self.outline, "outline")
        object.__setattr__(self, "outline", _corners(self.outline))
        at = [(t.x, t.y) for t in self.terminals if math.isfinite(t.x + t.y)]
        lies = shapely.contains_xy(shapely.Polygon(self.outline), at).tolist() if at else []
        inside = {p for p, within in zip(at, lies, strict=True) if within}
        seen: dict[tuple[int, int, int], Terminal] = {}
        names: set[str] = set()
        for t in self.terminals:
            _require(all(map(math.isfinite, (t.x, t.y, t.half_x, t.half_y))), f"route: {t.name} is not finite")
            _require(t.half_x > 0 and t.half_y > 0, f"route: {t.name} has no area")
            _require(not t.round or t.half_x == t.half_y, f"route: {t.name} is round with unequal halves")
            _require(bool(t.net or t.group), f"route: {t.name} has neither a net nor a group")
            _require((t.x, t.y) in inside, f"route: {t.name} lies outside of the outline")
            _require(t.name not in names, f"route: two terminals are named {t.name}")
            _require(t.layer in range(self.layers), f"route: {t.name} stands on layer {t.layer} of {self.layers}")
            least = 2 * min(t.half_x, t.half_y)
            _require(
                self.layers == 1 or self.via <= least + 2e-9,
                f"route: a via's landing of {self.via:g} um does not fit on {t.name}, {least:g} um wide; "
                "make it smaller",
            )
            if t.polygon:
                _require_ring(t.polygon, t.name)
                inner = shapely.Polygon(t.polygon).convex_hull.intersects(shapely.Point(t.x, t.y))
                _require(inner, f"route: the centre of {t.name} lies outside of its polygon")
            twin = seen.get((dbu(t.x), dbu(t.y), t.layer))
            _require(
                twin is None or (twin.net == t.net != "" and twin.group == t.group == ""),
                f"route: {t.name} and {twin.name if twin else ''} have the same centre",
            )
            names.add(t.name)
            seen[dbu(t.x), dbu(t.y), t.layer] = t
        for o in self.obstacles:
            _require_ring(o.points, f"obstacle at {o.points[:1]}")
        for group in self.matched:
            _require(bool(group.nets), "route: a matched group has no nets")
            _require(0 <= group.within < math.inf, f"route: matched within={group.within} um must not be negative")
        nets = {t.net for t in self.terminals}
        for net in [*self.rules, *(n for group in self.matched for n in group.nets)]:
            _require(net in nets, f"route: no terminal has net {net}")

    @property
    def pitch(self) -> Um:
        """Width and space together, without guard."""
        return self.width + self.space

    @property
    def bounds(self) -> tuple[Um, Um, Um, Um]:
        """The box (x0, y0, x1, y1) around the outline."""
        xs, ys = zip(*self.outline, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def width_of(self, net: str) -> Um:
        """Width of the wires of a net."""
        return self.rules[net].width if net in self.rules else self.width

    def drawn(self, width: Um) -> Um:
        """The most that a wire of a width is drawn wide: slanted ones are wider than their rule."""
        return width + (0.0 if self.style is Style.MANHATTAN else self.guard + SLANTED)

    def space_of(self, net: str, metal: Um | None = None) -> Um:
        """Space that metal of a net keeps to that of others; `metal` is its least extent, by default a wire's as drawn.

        Between two metals the larger of their spaces counts.
        """
        own = self.rules[net].space if net in self.rules else self.space
        metal = self.drawn(self.width_of(net)) if metal is None else metal
        return max([own, *(step.space for step in self.wide if metal > step.width + 1e-9)])


@dataclass(frozen=True, slots=True)
class Wire:
    """A routed link as centre-line points in dbu, from terminal `start` to terminal `end`.

    Where a name is "", the wire ends on another wire of its net; a tie's `end` is always "": its last point lies on
    the outline, and its last leg is perpendicular to that side. `width` is the rule's, in um.
    """

    net: str
    start: str
    end: str
    points: tuple[Point, ...]
    tie: bool
    width: Um
    layer: int = 0

    @property
    def length(self) -> Um:
        """Length of the centre line."""
        return sum(math.dist(a, b) for a, b in pairwise(self.points)) * DBU


@dataclass(frozen=True, slots=True)
class Unrouted:
    """A link that found no legal way, and why. `end` is "" for a tie; a group where no free terminal was left."""

    net: str
    start: str
    end: str
    reason: str
    tie: bool = False


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """A cut across metal that more wires want to cross than fit.

    lines: of one line or more; their points (um) lie each in a pad, ball or obstacle or on the outline.
    capacity, demand: wires that fit across all lines together, and that want to cross.
    nets: those that stay unrouted because of it.
    layer: 0 or 1.
    """

    lines: tuple[Ring, ...]
    capacity: int
    demand: int
    nets: tuple[str, ...]
    layer: int = 0


@dataclass(frozen=True, slots=True)
class Via:
    """A connection between both layers, at the centre of a terminal or on a wire (um)."""

    net: str
    x: Um
    y: Um


@dataclass(frozen=True, slots=True)
class Missed:
    """A net of a matched group that could not be made as long as wanted (um)."""

    nets: tuple[str, ...]
    net: str
    wanted: Um
    reached: Um
    reason: str


@dataclass(frozen=True)
class RoutePlan:
    """All legal wires and what is missing.

    taken: the net that took each free terminal, by its name.
    tie_bound: how many ties can leave the die on the first layer at all (a max flow, in which no side of the outline
        takes more than it has places at the ties' width, space and pitch); None where none were asked for.
    """

    wires: tuple[Wire, ...]
    unrouted: tuple[Unrouted, ...]
    bottlenecks: tuple[Bottleneck, ...] = ()
    vias: tuple[Via, ...] = ()
    taken: Mapping[str, str] = field(default_factory=dict)
    tie_bound: int | None = None
    some_ties: bool = False
    missed: tuple[Missed, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing that had to be routed stayed unrouted, and matched nets are equally long."""
        return not self.missed and all(u.tie and self.some_ties for u in self.unrouted)

    def of(self, net: str) -> Iterator[Wire]:
        """The wires and the ties of one net."""
        return (wire for wire in self.wires if wire.net == net)

    def length(self, *, ties: bool = False) -> Um:
        """Total centre-line length of the wires, or of the ties; what wires of a net share counts once."""
        return sum(self.net_lengths(ties=ties).values())

    def net_lengths(self, *, ties: bool = False) -> dict[str, Um]:
        """Centre-line length per net; what its wires share counts once."""
        wires: dict[str, list[Wire]] = {}
        for wire in self.wires:
            if wire.tie == ties:
                wires.setdefault(wire.net, []).append(wire)
        return {net: _union_length(own) for net, own in wires.items()}


def resolved(problem: RouteProblem, taken: Mapping[str, str]) -> RouteProblem:
    """The problem with the nets that took its free terminals filled in: what was checked of it holds as before."""
    if not taken:
        return problem
    met = copy(problem)
    terminals = tuple(replace(t, net=taken[t.name]) if t.name in taken else t for t in problem.terminals)
    object.__setattr__(met, "terminals", terminals)
    return met


def _union_length(wires: list[Wire]) -> Um:
    if len(wires) == 1:
        return wires[0].length
    layers = {w.layer for w in wires}
    lines = [shapely.MultiLineString([w.points for w in wires if w.layer == z and len(w.points) > 1]) for z in layers]
    return float(sum(shapely.length(shapely.union_all(line)) for line in lines)) * DBU


def _corners(ring: Ring) -> Ring:
    """A ring without corners that repeat the one before."""
    return tuple(p for k, p in enumerate(ring) if tuple(p) != tuple(ring[k - 1]))


def _require_ring(ring: Ring, what: str) -> None:
    _require(all(map(math.isfinite, (c for p in ring for c in p))), f"route: {what} is not finite")
    polygon = shapely.Polygon(ring) if len(ring) > 2 else None
    ok = polygon is not None and polygon.is_valid and polygon.area > 0
    _require(ok, f"route: {what} is no simple polygon with an area")


def _require(ok: bool, message: str) -> None:
    if not ok:
        raise ParamError(message)
