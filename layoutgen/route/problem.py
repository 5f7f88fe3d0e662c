"""What the router is asked and what it answers: plain frozen records, no behaviour beyond sums and checks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from layoutgen.errors import ParamError
from layoutgen.units import DBU, Um

Point: TypeAlias = tuple[int, int]
"""A grid point (x, y) in dbu of 1 nm."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """A pad or ball that wires may end on: a disc (`round`, half_x == half_y == radius) or an axis-parallel box.

    (x, y) is the centre, half_x and half_y are half the extents, all in um.
    """

    name: str
    net: str
    x: Um
    y: Um
    half_x: Um
    half_y: Um
    round: bool


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An axis-parallel box in um that no wire or tie may come nearer to than `RouteProblem.space`."""

    x0: Um
    y0: Um
    x1: Um
    y1: Um


@dataclass(frozen=True)
class RouteProblem:
    """One metal layer to be wired; every length is in um.

    outline: (x0, y0, x1, y1) of the die.
    width, space: of wires; drawn as width + guard and space + guard.
    edge: least distance from wire metal to the outline; ties are exempt.
    ties: whether each net gets one wire that reaches the outline.
    guard: what is added when drawing, so that snapping to the grid never costs a rule.
    """

    outline: tuple[Um, Um, Um, Um]
    terminals: tuple[Terminal, ...]
    obstacles: tuple[Obstacle, ...]
    width: Um
    space: Um
    edge: Um
    ties: bool = False
    guard: Um = 0.004

    def __post_init__(self) -> None:
        for name in ("width", "space"):
            _require(getattr(self, name) > 0, f"route: {name}={getattr(self, name)} um must be above 0")
        for name in ("edge", "guard"):
            _require(getattr(self, name) >= 0, f"route: {name}={getattr(self, name)} um must not be negative")
        x0, y0, x1, y1 = self.outline
        _require(x1 > x0 and y1 > y0, f"route: outline={self.outline} has no area")
        seen: dict[tuple[Um, Um], str] = {}
        names: set[str] = set()
        for t in self.terminals:
            _require(all(map(math.isfinite, (t.x, t.y, t.half_x, t.half_y))), f"route: {t.name} is not finite")
            _require(t.half_x > 0 and t.half_y > 0, f"route: {t.name} has no area")
            _require(not t.round or t.half_x == t.half_y, f"route: {t.name} is round with unequal halves")
            _require(x0 < t.x < x1 and y0 < t.y < y1, f"route: {t.name} lies outside of the outline")
            _require(t.name not in names, f"route: two terminals are named {t.name}")
            _require((t.x, t.y) not in seen, f"route: {t.name} and {seen.get((t.x, t.y))} have the same centre")
            names.add(t.name)
            seen[t.x, t.y] = t.name
        for o in self.obstacles:
            _require(o.x1 > o.x0 and o.y1 > o.y0, f"route: obstacle {o} has no area")

    @property
    def pitch(self) -> Um:
        """Width and space together, without guard."""
        return self.width + self.space


@dataclass(frozen=True, slots=True)
class Wire:
    """A routed link from the centre of terminal `start` to that of `end`, as centre-line points in dbu.

    A tie's `end` is "", its last point lies on the outline and its last leg is perpendicular to that side.
    """

    net: str
    start: str
    end: str
    points: tuple[Point, ...]
    tie: bool

    @property
    def length(self) -> Um:
        """Length of the centre line."""
        return sum(math.dist(a, b) for a, b in pairwise(self.points)) * DBU


@dataclass(frozen=True, slots=True)
class Unrouted:
    """A link that found no legal way, and why. `end` is "" for a tie."""

    net: str
    start: str
    end: str
    reason: str


@dataclass(frozen=True)
class RoutePlan:
    """All legal wires and what is missing. `width` and `space` are the drawn ones (guard included), in um."""

    wires: tuple[Wire, ...]
    unrouted: tuple[Unrouted, ...]
    width: Um
    space: Um

    @property
    def complete(self) -> bool:
        """Whether nothing stayed unrouted."""
        return not self.unrouted

    def of(self, net: str) -> Iterator[Wire]:
        """The wires and the tie of one net."""
        return (wire for wire in self.wires if wire.net == net)

    def length(self, *, ties: bool = False) -> Um:
        """Total centre-line length of the wires, or of the ties."""
        return sum(wire.length for wire in self.wires if wire.tie == ties)

    def net_lengths(self) -> dict[str, Um]:
        """Centre-line length per net, ties apart."""
        total: dict[str, Um] = {}
        for wire in self.wires:
            if not wire.tie:
                total[wire.net] = total.get(wire.net, 0.0) + wire.length
        return total


def _require(ok: bool, message: str) -> None:
    if not ok:
        raise ParamError(message)
