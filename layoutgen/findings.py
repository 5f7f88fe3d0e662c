"""What checks say: findings, what became of each rule, and the report they make up.

Values only; what writes them to files is in `layoutgen.report`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from layoutgen.units import DBU, Um

Edge = tuple[int, int, int, int]
"""x1, y1, x2, y2 in database units."""
Hull = tuple[tuple[int, int], ...]
"""Corner points of a polygon in database units."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a rule is broken.

    `edges` marks the pair of edges that face each other, `polygon` what is wrong as a whole; one of both is given.
    `measured` is the value found there in the unit of its rule (`RuleResult.unit`), where the check measures one, and
    `asked` what it is compared with, where that is not the rule's limit.
    """

    rule: str
    edges: tuple[Edge, ...] = ()
    polygon: Hull = ()
    measured: float | None = None
    note: str = ""
    repeats: tuple[tuple[int, int], ...] = ()
    """By how much to move it (database units) to each further place where the same is wrong."""
    part: tuple[Edge, ...] = ()
    """Of one that is cut off at a window's border, and yet to be joined with others: its edges as far as they go."""
    cut: bool = False
    """Whether its polygon is cut off so."""
    asked: float | None = None
    origin: tuple[int, int] = (0, 0)
    """Lower left corner (database units) of the die that it belongs to, as it does at each further place; (0, 0) where
    no die is known."""

    @property
    def count(self) -> int:
        """At how many places it stands."""
        return 1 + len(self.repeats)

    def each(self) -> Iterator[Finding]:
        """One for each place."""
        for dx, dy in ((0, 0), *self.repeats):
            edges = tuple((a + dx, b + dy, c + dx, d + dy) for a, b, c, d in self.edges)
            part = tuple((a + dx, b + dy, c + dx, d + dy) for a, b, c, d in self.part)
            polygon = tuple((x + dx, y + dy) for x, y in self.polygon)
            origin = self.origin[0] + dx, self.origin[1] + dy
            yield replace(self, edges=edges, part=part, polygon=polygon, origin=origin, repeats=())

    def off(self, limit: float | None) -> float:
        """How far what was measured is from what is asked for, the limit of its rule where it does not say."""
        asked = limit if self.asked is None else self.asked
        if self.measured is None:
            return -math.inf
        return -self.measured if asked is None else abs(self.measured - asked)

    @property
    def identity(self) -> str:
        """Stable over runs, independent of order and of where the wafer places the die: the same finding of the same
        rule, that asks for the same, at the same place of a die."""
        x, y = self.origin
        edges = sorted(canonical((a - x, b - y, c - x, d - y)) for a, b, c, d in self.edges)
        key = repr((self.rule, edges, sorted((a - x, b - y) for a, b in self.polygon), self.asked))
        return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()

    @property
    def at(self) -> tuple[Um, Um]:
        """Centre of the finding's bounding box in um."""
        xs = [x for e in self.edges for x in (e[0], e[2])] + [x for x, _ in self.polygon]
        ys = [y for e in self.edges for y in (e[1], e[3])] + [y for _, y in self.polygon]
        return (min(xs) + max(xs)) / 2 * DBU, (min(ys) + max(ys)) / 2 * DBU


def moved_by(f: Finding, by: Iterable[int]) -> Finding:
    """The finding moved by a vector (database units)."""
    dx, dy = (int(v) for v in by)
    edges = tuple((a + dx, b + dy, c + dx, d + dy) for a, b, c, d in f.edges)
    part = tuple((a + dx, b + dy, c + dx, d + dy) for a, b, c, d in f.part)
    return replace(f, edges=edges, part=part, polygon=tuple((x + dx, y + dy) for x, y in f.polygon))


def canonical(edge: Edge) -> Edge:
    """The same edge, whichever way it was drawn."""
    x1, y1, x2, y2 = edge
    return edge if (x1, y1) <= (x2, y2) else (x2, y2, x1, y1)


class Status(StrEnum):
    """How a rule ended. Only `run` says anything about the layout."""

    RUN = "run"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Waived:
    """A finding that somebody has let pass, and in words who and why."""

    finding: Finding
    by: str


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What became of one rule: how it ended, why, and what it found."""

    rule: str
    text: str
    """The rule in words, with its limit and source."""
    status: Status
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    seconds: float = field(default=0.0, compare=False)
    unit: str = "um"
    """What its limit and measured values are counted in; empty for a plain number."""
    waived: tuple[Waived, ...] = ()
    """What it found and was let pass; not among its findings."""

    @property
    def count(self) -> int:
        """At how many places it is broken."""
        return sum(f.count for f in self.findings)

    @property
    def verdict(self) -> str:
        """'clean', '3 findings', or how the rule ended instead."""
        if self.status is not Status.RUN:
            return self.status.value
        count = self.count
        return f"{count} finding{'s' if count != 1 else ''}" if count else "clean"


@dataclass(frozen=True, slots=True)
class Report:
    """The checks of one layout: which content was looked at, and every rule of the PDK with how it ended."""

    title: str
    pdk: str
    flow: str
    scope: tuple[str, ...]
    """What was checked and what was not, in sentences."""
    results: tuple[RuleResult, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(f for r in self.results for f in r.findings)

    @property
    def exit_code(self) -> int:
        """0 clean, 1 findings, 2 when a rule failed or was skipped, or when none ran at all."""
        statuses = [r.status for r in self.results]
        if Status.FAILED in statuses or Status.SKIPPED in statuses or Status.RUN not in statuses:
            return 2
        return 1 if self.findings else 0

    @property
    def summary(self) -> str:
        """One line: how many rules ran, what they found."""
        count = {s: sum(r.status is s for r in self.results) for s in Status}
        parts = [f"{count[Status.RUN]} rules run", f"{sum(r.count for r in self.results)} findings"]
        parts += [f"{n} {s.value}" for s, n in count.items() if s is not Status.RUN and n]
        return ", ".join(parts)
