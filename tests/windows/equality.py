"""Whether what windows find is what one flat run finds, as the fifth clause of the window contract has it.

Where all edges stand at 0, 45 or 90 degrees: the merged edges of all markers, and the merged areas of those that are
polygons, differ in nothing. At any angle rounding has its say: markers lie within one database unit of each other, but
for what a flat run finds at the limit and not at one unit less or more, or not in each of the eight orientations of the
layout. (Two pieces of one slanted edge face each other or do not as their corners are rounded, and the library then
decides by the order of the edges.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TypeAlias

import klayout.db as kdb
import shapely
from shapely.geometry.base import BaseGeometry

from layoutgen.drc.checks import Task
from layoutgen.drc.flat import Flat
from layoutgen.findings import Finding

Shapes: TypeAlias = list[BaseGeometry]
UNIT = math.sqrt(2) + 0.005
"""How far a point may lie off that is rounded to the next whole number along x and along y; rings around shapes have
corners, which lie no more than the rest within."""


TURNS = [kdb.Trans(turn, mirrored, 0, 0) for mirrored in (False, True) for turn in range(4)][1:]


def straight(job: Task, ours: Iterable[Finding], flat: Flat) -> Iterator[str]:
    """What differs of a layout without other angles than 0, 45 and 90 degrees."""
    (edges, areas), (flat_edges, flat_areas) = _marked(ours), _marked(flat.find(job))
    for name, differ in (("edges", edges ^ flat_edges), ("areas", areas ^ flat_areas)):
        if not differ.is_empty():
            yield f"{name}: {differ}"


def counts(job: Task, ours: Iterable[Finding], flat: Flat) -> Iterator[str]:
    """Whether there are as many findings; a flat run may find one as several where edges of others end beside it."""
    has, wanted = _count(ours), _count(flat.find(job))
    if has != wanted:
        yield f"{has} findings, flat {wanted}"


def _count(found: Iterable[Finding]) -> int:
    """Of different places."""
    return len({(tuple(sorted(one.edges)), one.polygon) for f in found for one in f.each()})


def _marked(found: Iterable[Finding]) -> tuple[kdb.Edges, kdb.Region]:
    edges, areas = kdb.Edges(), kdb.Region()
    for one in (one for finding in found for one in finding.each()):
        for e in one.edges:
            edges.insert(kdb.Edge(*min(e, (*e[2:], *e[:2]))))  # merged, edges of opposite directions leave nothing
        if one.polygon:
            areas.insert(kdb.Polygon([kdb.Point(*p) for p in one.polygon]))
    return edges.merged(), areas.merged()


def any_angle(job: Task, ours: Iterable[Finding], flat: Flat) -> Iterator[str]:
    """What differs of any layout by more than a database unit of place and of limit."""
    mine, theirs = _Marks(ours), _Marks(flat.find(job))
    if mine.edges == theirs.edges and mine.outlines == theirs.outlines:
        return
    others = [_Marks(flat.find(each)) for each in _about(job)] + [_Marks(_turned(job, flat, turn)) for turn in TURNS]
    known = [lot.lines() for lot in (theirs, *others)]
    yield from _left("found by windows only", _beyond(mine.lines(theirs), [*chain(*known)]))
    yield from _left("found flat only", _beyond(_both(theirs.lines(mine), *known[1:]), mine.lines()))
    known = [lot.areas() for lot in (theirs, *others)]
    yield from _left("covered by windows only", _beyond(mine.areas(), [*chain(*known)], -UNIT))
    yield from _left("covered flat only", _beyond(_both(theirs.areas(), *known[1:]), mine.areas(), -UNIT))


def _turned(job: Task, flat: Flat, turn: kdb.Trans) -> Iterator[Finding]:
    """What a flat run finds once everything is turned, turned back."""
    back = turn.inverted()
    for f in job.run([flat.region(layer).transformed(turn) for layer in job.layers]):
        edges = (kdb.Edge(*e).transformed(back) for e in f.edges)
        outline = [back * kdb.Point(*p) for p in f.polygon]
        yield replace(
            f, edges=tuple((e.x1, e.y1, e.x2, e.y2) for e in edges), polygon=tuple((p.x, p.y) for p in outline)
        )


class _Marks:
    """Markers: edges, each once, and areas."""

    def __init__(self, found: Iterable[Finding]) -> None:
        each = [one for f in found for one in f.each()]
        self.edges = {tuple(sorted((e[:2], e[2:]))) for one in each for e in one.edges}
        self.outlines = {one.polygon for one in each if one.polygon}

    def lines(self, but: _Marks | None = None) -> Shapes:
        """The edges as lines or points, but those of others."""
        edges = sorted(self.edges - but.edges if but else self.edges)
        return [shapely.Point(a) if a == b else shapely.LineString([a, b]) for a, b in edges]

    def areas(self) -> Shapes:
        """What the outlines cover."""
        areas = kdb.Region([kdb.Polygon([kdb.Point(*p) for p in outline]) for outline in self.outlines]).merged()
        out: Shapes = []
        for p in areas.each():
            holes = [[(q.x, q.y) for q in p.each_point_hole(k)] for k in range(p.holes())]
            out.append(shapely.make_valid(shapely.Polygon([(q.x, q.y) for q in p.each_point_hull()], holes)))
        return out


def _near(shapes: Shapes, others: Shapes) -> list[BaseGeometry]:
    """Of each shape, all others within a unit, a unit larger."""
    near: list[list[BaseGeometry]] = [[] for _ in shapes]
    if shapes and others:
        for k, other in shapely.STRtree(others).query(shapes, predicate="dwithin", distance=2 * UNIT).T.tolist():
            near[k].append(others[other].buffer(UNIT, quad_segs=32))
    return [shapely.union_all(each) for each in near]


def _beyond(shapes: Shapes, others: Shapes, by: float = 0.0) -> Shapes:
    """What of shapes (areas: made smaller) lies more than a unit away from all others."""
    left = [shape.buffer(by) for shape in shapes] if by else shapes
    rest = [shape.difference(near) for shape, near in zip(left, _near(left, others), strict=True)]
    # a marker that is cut off at a corner may end a unit further there
    return [shape for shape in rest if shape.length > UNIT or (shape.geom_type == "Point" and not shape.is_empty)]


def _both(shapes: Shapes, *others: Shapes) -> Shapes:
    """What of shapes lies within a unit of each of several other lots."""
    for lot in others:
        shapes = [shape.intersection(near) for shape, near in zip(shapes, _near(shapes, lot), strict=True)]
        shapes = [shape for shape in shapes if not shape.is_empty]
    return shapes


def _about(job: Task) -> list[Task]:
    """The rule at a limit of one database unit less, and of one more."""
    if job.kind.name == "wide_space":
        return [
            replace(job, options=job.options.model_copy(update={"steps": tuple(
                step.model_copy(update={"width": step.width - by, "run": step.run - by, "space": step.space + by})
                for step in job.options.steps)}))
            for by in (-0.001, 0.001)
        ]  # fmt: skip
    if job.limit is None or job.kind.lattice(job.limit, job.options):
        return [job] * 2
    unit = 0.001 if job.kind.unit == "um" else 0.1
    return [replace(job, limit=job.limit + by) for by in (-unit, unit)]


def _left(what: str, differ: Shapes) -> Iterator[str]:
    if differ:
        yield f"{what}: {'; '.join(shape.wkt for shape in differ)[:300]}"
