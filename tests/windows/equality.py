"""Whether what windows find is what one flat run finds, as the fifth clause of the window contract has it.

Where all edges stand at 0, 45 or 90 degrees: the merged edges of all markers, and the merged areas of those that are
polygons, differ in nothing. At any angle rounding has its say: markers lie within one database unit of each other, but
for what is found at the limit and one unit less, or the limit and one unit more, not at all three.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import klayout.db as kdb
import shapely
from shapely.geometry.base import BaseGeometry

from layoutgen.drc.checks import Task
from layoutgen.drc.look import Flat
from layoutgen.findings import Finding

Shapes: TypeAlias = list[BaseGeometry]
UNIT = math.sqrt(2) + 1e-6
"""How far a point may lie off that is rounded to another whole number along x and along y."""


def straight(job: Task, ours: Iterable[Finding], flat: Flat) -> Iterator[str]:
    """What differs of a layout without other angles than 0, 45 and 90 degrees."""
    (edges, areas), (flat_edges, flat_areas) = _marked(ours), _marked(flat.find(job))
    for name, differ in (("edges", edges ^ flat_edges), ("areas", areas ^ flat_areas)):
        if not differ.is_empty():
            yield f"{name}: {differ}"


def _marked(found: Iterable[Finding]) -> tuple[kdb.Edges, kdb.Region]:
    edges, areas = kdb.Edges(), kdb.Region()
    for one in (one for finding in found for one in finding.each()):
        for e in one.edges:
            edges.insert(kdb.Edge(*e))
        if one.polygon:
            areas.insert(kdb.Polygon([kdb.Point(*p) for p in one.polygon]))
    return edges.merged(), areas.merged()


def any_angle(job: Task, ours: Iterable[Finding], flat: Flat) -> Iterator[str]:
    """What differs of any layout by more than a database unit of place and of limit."""
    mine = _Marks(ours)
    at, less, more = (_Marks(flat.find(each)) for each in _about(job))
    yield from _left("found by windows only", _beyond(mine.lines, [at.lines], [less.lines, more.lines]))
    sure = _both(_but(at.lines, mine.lines), less.lines, more.lines)
    yield from _left("found flat only", _beyond(sure, [mine.lines]))
    yield from _left("covered by windows only", _beyond(mine.areas, [at.areas], [less.areas, more.areas], -UNIT))
    sure = _both(_but(at.areas, mine.areas), less.areas, more.areas)
    yield from _left("covered flat only", _beyond(sure, [mine.areas], (), -UNIT))


class _Marks:
    """Markers as lines (or points) and areas, each once."""

    def __init__(self, found: Iterable[Finding]) -> None:
        each = [one for f in found for one in f.each()]
        edges = {tuple(sorted((e[:2], e[2:]))) for one in each for e in one.edges}
        self.lines = [shapely.Point(a) if a == b else shapely.LineString([a, b]) for a, b in sorted(edges)]
        self.areas = _areas(each)


def _but(shapes: Shapes, others: Shapes) -> Shapes:
    """Those that no other one is equal to, point by point."""
    known = {shape.wkb for shape in others}
    return [shape for shape in shapes if shape.wkb not in known]


def _near(shapes: Shapes, others: Shapes) -> list[BaseGeometry]:
    """Of each shape, all others within a unit, a unit larger."""
    near: list[list[BaseGeometry]] = [[] for _ in shapes]
    if shapes and others:
        for k, other in shapely.STRtree(others).query(shapes, predicate="dwithin", distance=2 * UNIT).T.tolist():
            near[k].append(others[other].buffer(UNIT))
    return [shapely.union_all(each) for each in near]


def _beyond(shapes: Shapes, first: Sequence[Shapes], others: Sequence[Shapes] = (), by: float = 0.0) -> Shapes:
    """What of shapes (areas: made smaller) lies more than a unit away from all others."""
    left = _but(shapes, [shape for group in first for shape in group])
    if by:
        left = [shape.buffer(by) for shape in left]
    beside = _near(left, [shape for group in (*first, *others) for shape in group])
    return [rest for shape, near in zip(left, beside, strict=True) if not (rest := shape.difference(near)).is_empty]


def _both(shapes: Shapes, *others: Shapes) -> Shapes:
    """What of shapes lies within a unit of each of several other lots."""
    for lot in others:
        shapes = [shape.intersection(near) for shape, near in zip(shapes, _near(shapes, lot), strict=True)]
        shapes = [shape for shape in shapes if not shape.is_empty]
    return shapes


def _about(job: Task) -> list[Task]:
    """The rule at its limit, and one database unit less and more."""
    if job.kind.name == "wide_space":
        return [
            replace(job, options=job.options.model_copy(update={"steps": tuple(
                step.model_copy(update={"width": step.width - by, "run": step.run - by, "space": step.space + by})
                for step in job.options.steps)}))
            for by in (0.0, -0.001, 0.001)
        ]  # fmt: skip
    if job.limit is None or job.kind.lattice(job.limit, job.options):
        return [job] * 3
    unit = 0.001 if job.kind.unit == "um" else 0.1
    return [replace(job, limit=job.limit + by) for by in (0.0, -unit, unit)]


def _left(what: str, differ: Shapes) -> Iterator[str]:
    if differ:
        yield f"{what}: {'; '.join(shape.wkt for shape in differ)[:300]}"


def _areas(found: Iterable[Finding]) -> Shapes:
    areas = kdb.Region([kdb.Polygon([kdb.Point(*p) for p in one.polygon]) for one in found if one.polygon]).merged()
    out: Shapes = []
    for p in areas.each():
        holes = [[(q.x, q.y) for q in p.each_point_hole(k)] for k in range(p.holes())]
        out.append(shapely.make_valid(shapely.Polygon([(q.x, q.y) for q in p.each_point_hull()], holes)))
    return out
