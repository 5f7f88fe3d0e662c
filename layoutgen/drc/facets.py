"""Findings that are there only because a circle was drawn with few corners, let pass.

Where an outline turns by 22.5 degrees at most at each corner, and at least five of those that turn one way lie on one
circle, it is an arc. Its sides are facets: also those between which it dips, as where two polygons of one circle are
turned against each other, and the shorter ones at its ends, where a wire cuts them off. They count where no point of
them is further off the circle than the tolerance. Wires, bevels and octagons have none.

A finding is let pass where a facet is one of its two edges and the rule holds with arcs in place of facets: between two
facets of one circle its diameter is measured, else the distance of the arcs. So what is drawn too near, too thin or too
small stays a finding, and so does everything between straight edges.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen import derive
from layoutgen.drc.checks.kind import um
from layoutgen.findings import Edge, Finding, Report, RuleResult, Waived
from layoutgen.pdk import Pdk
from layoutgen.units import DBU, Um

LEAST_CORNERS = 5
MOST_TURN = 4 * math.pi / 32
"""Twice what a polygon of 32 corners turns at each: an octagon turns by more."""
ON_CIRCLE = 1.5
"""How far a corner may lie off its circle (database units): both coordinates are rounded, and the circle is fitted."""
ON_EDGE = 2.0
"""How far the ends of a finding's edge may lie off the side it is cut from (database units)."""
SNAPPED = 2.0
"""What rounding to database units may take from a distance: one unit of each of its ends."""
STEPS = 65
"""Points of an arc: between them the chord is off by a four-thousandth of what a facet is."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Facet:
    """A side, in database units, and the circle it stands for."""

    line: tuple[float, float, float, float]
    centre: tuple[float, float]
    radius: float

    @property
    def arc(self) -> shapely.LineString:
        """The part of the circle that the side cuts off."""
        ends = np.array(self.line).reshape(2, 2) - self.centre
        begin, end = np.arctan2(ends[:, 1], ends[:, 0])
        turn = (end - begin + math.pi) % (2 * math.pi) - math.pi
        at = begin + turn * np.linspace(0, 1, STEPS)
        return shapely.LineString(self.centre + self.radius * np.column_stack([np.cos(at), np.sin(at)]))


class _Facets:
    """The facets of a rule's layers, by place."""

    def __init__(self, facets: Iterable[_Facet]) -> None:
        self.all = [*facets]
        self._tree = shapely.STRtree([shapely.LineString(np.array(f.line).reshape(2, 2)) for f in self.all])

    def on(self, edges: Sequence[Edge]) -> list[list[_Facet]]:
        """The facets that each edge is part of: one, none, or two where it is a single point."""
        ends = shapely.points(np.array(edges, dtype=np.float64).reshape(-1, 2))
        near: list[set[int]] = [set() for _ in range(2 * len(edges))]
        for end, facet in self._tree.query(ends, predicate="dwithin", distance=ON_EDGE).T.tolist():
            near[end].add(facet)
        return [[self.all[i] for i in sorted(near[2 * k] & near[2 * k + 1])] for k in range(len(edges))]


def let_pass(report: Report, pdk: Pdk, fetch: derive.Fetch, tolerance: Um) -> Report:
    """The report with findings let pass that are there only because circles have facets.

    fetch: gives the shapes of the drawn layers that were checked. tolerance: how far facets may lie off their circles
    (um).
    """
    of_layer: dict[str, list[_Facet]] = {}
    results = []
    for result in report.results:
        if result.unit == "um" and any(len(f.edges) == 2 for f in result.findings):
            rule = pdk.rules[result.rule]
            for layer in rule.layers:
                if layer not in of_layer:
                    shapes = pdk.region(layer, fetch)
                    of_layer[layer] = [f for shape in shapes.each() for f in _of(shape, tolerance / DBU)]
            known = _Facets(f for layer in dict.fromkeys(rule.layers) for f in of_layer[layer])
            result = _judged(result, rule.limit, known, tolerance)
        results.append(result)
    passed = sum(w.finding.count for r in results for w in r.waived) - sum(
        w.finding.count for r in report.results for w in r.waived
    )
    note = f"Facets within {um(tolerance)} of their circles are measured as these: {passed} findings let pass"
    return replace(report, results=tuple(results), scope=(*report.scope, note))


def _judged(result: RuleResult, limit: Um | None, facets: _Facets, tolerance: Um) -> RuleResult:
    by = f"within the facet tolerance of {um(tolerance)}"
    kept: list[Finding] = []
    waived = [*result.waived]
    for finding in result.findings:
        places = list(finding.each())
        passes = _pass(places, limit, facets)
        kept += _together([one for one, ok in zip(places, passes, strict=True) if not ok])
        waived += [Waived(f, by) for f in _together([one for one, ok in zip(places, passes, strict=True) if ok])]
    return replace(result, findings=tuple(kept), waived=tuple(waived))


def _together(places: list[Finding]) -> list[Finding]:
    """One finding for several places of the same, none for none."""
    if not places:
        return []
    first = places[0]
    corner = first.edges[0][:2]
    repeats = tuple((one.edges[0][0] - corner[0], one.edges[0][1] - corner[1]) for one in places[1:])
    return [replace(first, repeats=repeats)]


def _pass(places: Sequence[Finding], limit: Um | None, facets: _Facets) -> list[bool]:
    """Whether the rule holds at each place of a finding where arcs take the place of facets."""
    asked = limit if places[0].asked is None else places[0].asked
    if asked is None or len(places[0].edges) != 2 or places[0].measured is None:
        return [False] * len(places)
    least = asked / DBU - SNAPPED
    edges = [edge for place in places for edge in place.edges]
    on = facets.on(edges)
    verdicts = []
    for k in range(0, len(edges), 2):
        sides: list[list[_Facet | Edge]] = [[*on[i]] or [edges[i]] for i in (k, k + 1)]
        verdicts.append(bool(on[k] or on[k + 1]) and all(_apart(a, b) >= least for a in sides[0] for b in sides[1]))
    return verdicts


@lru_cache(maxsize=100_000)
def _apart(a: _Facet | Edge, b: _Facet | Edge) -> float:
    """The diameter of a circle of which both are facets, else the distance."""
    if isinstance(a, _Facet) and isinstance(b, _Facet) and _same(a, b):
        return 2 * min(a.radius, b.radius)
    return float(shapely.distance(_line(a), _line(b)))


@lru_cache(maxsize=100_000)
def _line(side: _Facet | Edge) -> shapely.LineString:
    return side.arc if isinstance(side, _Facet) else shapely.LineString([side[:2], side[2:]])


def _same(a: _Facet, b: _Facet) -> bool:
    return math.dist(a.centre, b.centre) <= ON_CIRCLE and abs(a.radius - b.radius) <= ON_CIRCLE


def _of(shape: kdb.Polygon, tolerance: float) -> Iterator[_Facet]:
    """The facets of a polygon's hull and holes."""
    yield from _of_ring(np.array([(p.x, p.y) for p in shape.each_point_hull()], dtype=np.float64), tolerance)
    for hole in range(shape.holes()):
        yield from _of_ring(np.array([(p.x, p.y) for p in shape.each_point_hole(hole)], dtype=np.float64), tolerance)


def _of_ring(ring: Floats, tolerance: float) -> Iterator[_Facet]:
    size = len(ring)
    for corners in _runs(ring):
        start = 0
        while start + LEAST_CORNERS <= len(corners):
            end, fit = _longest(ring[np.array(corners) % size], start)
            if fit is None:
                start += 1
                continue
            centre, radius = fit
            for i in range(corners[start] - 1, corners[end - 1] + 1):
                a, b = ring[i % size], ring[(i + 1) % size]
                if _off(a, b, centre, radius) <= tolerance:
                    line = float(a[0]), float(a[1]), float(b[0]), float(b[1])
                    yield _Facet(line, (float(centre[0]), float(centre[1])), radius)
            start = end - 1


def _runs(ring: Floats) -> Iterator[list[int]]:
    """Indices (which may go past the last) of the corners that turn one way where the outline turns by little.

    Twice for each stretch: of those that turn left, and of those that turn right.
    """
    size = len(ring)
    if size < LEAST_CORNERS:
        return
    along = np.roll(ring, -1, axis=0) - ring
    before = np.roll(along, 1, axis=0)
    turn = np.arctan2(before[:, 0] * along[:, 1] - before[:, 1] * along[:, 0], (before * along).sum(axis=1))
    sharp = np.flatnonzero(np.abs(turn) > MOST_TURN).tolist()
    # round about where no corner is sharp: past the first corner again, for the side that ends there
    stretches = zip(sharp, [*sharp[1:], sharp[0] + size], strict=True) if sharp else [(-1, size + 1)]
    for begin, stop in stretches:
        for way in (1, -1):
            corners = [i for i in range(begin + 1, stop) if way * turn[i % size] > 0]
            if len(corners) >= LEAST_CORNERS:
                yield corners


def _longest(corners: Floats, start: int) -> tuple[int, tuple[Floats, float] | None]:
    """Behind the last of the corners from `start` on that lie on one circle, and the circle."""
    if (all_of_them := _circle(corners[start:])) is not None:
        return len(corners), all_of_them
    end, fit = start + LEAST_CORNERS, _circle(corners[start : start + LEAST_CORNERS])
    if fit is None:
        return end, None
    while end < len(corners):
        more = _circle(corners[start : end + 1])
        if more is None:
            break
        end, fit = end + 1, more
    return end, fit


def _circle(corners: Floats) -> tuple[Floats, float] | None:
    """Centre and radius of the circle on which the corners lie, if they do."""
    middle = corners.mean(axis=0)
    x, y = (corners - middle).T
    solved, *_ = np.linalg.lstsq(np.column_stack([2 * x, 2 * y, np.ones_like(x)]), x * x + y * y, rcond=None)
    centre = middle + solved[:2]
    away = np.hypot(*(corners - centre).T)
    radius = float(away.mean())
    return (centre, radius) if float(np.abs(away - radius).max()) <= ON_CIRCLE else None


def _off(first: Floats, second: Floats, centre: Floats, radius: float) -> float:
    """How far a side lies off the circle at most; infinity where it leaves it."""
    side, arm = second - first, centre - first
    foot = np.clip(float(arm @ side) / float(side @ side), 0.0, 1.0)
    nearest = float(np.hypot(*(arm - foot * side)))
    furthest = max(float(np.hypot(*(centre - end))) for end in (first, second))
    return math.inf if furthest > radius + ON_CIRCLE else radius - nearest
