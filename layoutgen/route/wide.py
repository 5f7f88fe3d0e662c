"""Wide metal that is too near to other nets, measured on all that is drawn, and the wires that it is the fault of.

A wire alone is as wide as its rule. Where branches meet, where wires end on a terminal, and where notches are filled,
the metal is wider; there a step of `RouteProblem.wide` may hold that no wire alone was laid for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.bodies import bodies, solids
from layoutgen.route.legal import SLACK, Conflict
from layoutgen.route.problem import WideSpace, Wire
from layoutgen.units import DBU, Um, dbu

_SQUARE = 1.415
"""Mitre limit of a right angle: wires that bend by no more are not wide there, and boxes keep their corners."""

_Shapes = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class TooWide:
    """A part of the metal of `net` that is wider than a step allows so near to `near`, metal of another net (dbu)."""

    net: str
    part: shapely.Geometry
    other: str
    near: shapely.Geometry
    step: WideSpace

    @property
    def at(self) -> tuple[float, float]:
        """The middle between both (dbu)."""
        x, y = shapely.get_coordinates(shapely.centroid(shapely.shortest_line(self.part, self.near)))[0].tolist()
        return x, y

    @property
    def reason(self) -> str:
        """In words."""
        x, y = (c * DBU for c in self.at)
        return (
            f"metal of its net would be wider than {self.step.width:g} um and nearer than {self.step.space:g} um to "
            f"that of another net about ({x:.1f}, {y:.1f}) um"
        )


def too_wide(
    steps: Sequence[WideSpace],
    metal: Mapping[str, Sequence[kdb.Polygon]],
    bare: Mapping[str, Sequence[kdb.Polygon]],
    rim: float,
) -> list[TooWide]:
    """Wide parts of nets nearer to others than a step's space, but for what terminals alone break among each other.

    metal, bare: by net, all of its metal, and its terminals alone. rim: how far (dbu) discs may stand out of theirs.
    """
    merged = {name: kdb.Region(list(own)).merged() for name, own in metal.items()}
    names = [name for name, own in merged.items() for _ in own.each()]
    pieces = _solids(p for own in merged.values() for p in own.each())
    tree = shapely.STRtree(pieces)
    standing = _solids(kdb.Region([p for own in bare.values() for p in own]).merged().each())
    drawn = _drawn(merged, bare)
    found = []
    for step in steps:
        space = dbu(step.space)
        parts = _wide(pieces, dbu(step.width))
        alone = shapely.union_all(shapely.buffer(_wide(standing, dbu(step.width)), 1.0))
        for i in np.flatnonzero(~shapely.is_empty(parts)).tolist():
            part = parts[i]
            more = shapely.difference(part, alone)
            near = tree.query(part, predicate="dwithin", distance=space + rim - SLACK)
            for j in sorted(near.tolist()):
                if names[j] == names[i]:
                    continue
                if shapely.dwithin(more, pieces[j], space + rim - SLACK):
                    found.append(TooWide(names[i], part, names[j], pieces[j], step))
                elif shapely.dwithin(part, own := shapely.intersection(drawn[names[j]], pieces[j]), space - SLACK):
                    found.append(TooWide(names[i], part, names[j], own, step))
    return found


def culprits(found: Sequence[TooWide], wires: Sequence[Wire], guard: Um) -> list[tuple[Conflict, str]]:
    """For each finding the wires to be laid elsewhere, one of each net if there is one, and why.

    Of the net that is too wide a wire in that part, a branch before others and a short one before long ones; of the
    other the longest of those that are too near.
    """
    shapes = solids(bodies(wires, guard))
    broken = np.flatnonzero(~shapely.is_valid(shapes))
    shapes[broken] = shapely.buffer(shapes[broken], 0)
    nets = np.array([w.net for w in wires], dtype=np.str_)
    branch = [not (w.start and (w.end or w.tie)) for w in wires]
    out = []
    for f in found:
        mine = np.flatnonzero((nets == f.net) & shapely.intersects(shapes, f.part)).tolist()
        reach = dbu(f.step.space)
        others = np.flatnonzero((nets == f.other) & shapely.dwithin(shapes, f.part, reach)).tolist()
        mine.sort(key=lambda k: (not branch[k], wires[k].length, k))
        others.sort(key=lambda k: (-wires[k].length, k))
        pair = [k for own in (mine, others) for k in own[:1]]
        if pair:
            out.append((Conflict(pair[0], pair[1] if len(pair) > 1 else -1, f.at), f.reason))
    return out


def _wide(shapes: _Shapes, width: int) -> _Shapes:
    """The parts of shapes that are wider than this (dbu); as large as squares of that side cover them."""
    half = width / 2 + SLACK
    core = shapely.buffer(shapes, -half, join_style="mitre", mitre_limit=_SQUARE)
    grown = shapely.buffer(core, half + 1, join_style="mitre", mitre_limit=_SQUARE)
    out: _Shapes = shapely.intersection(grown, shapes)
    return out


def _drawn(merged: Mapping[str, kdb.Region], bare: Mapping[str, Sequence[kdb.Polygon]]) -> dict[str, shapely.Geometry]:
    """What of each net is not of its terminals."""
    rest = ((name, own - kdb.Region(list(bare.get(name, ())))) for name, own in merged.items())
    return {name: shapely.union_all(_solids(own.each())) for name, own in rest}


def _solids(polygons: Iterator[kdb.Polygon]) -> _Shapes:
    return np.array([_solid(p) for p in polygons], dtype=object)


def _solid(p: kdb.Polygon) -> shapely.Geometry:
    holes = [[(q.x, q.y) for q in p.each_point_hole(k)] for k in range(p.holes())]
    shape = shapely.Polygon([(q.x, q.y) for q in p.each_point_hull()], holes)
    return shape if shape.is_valid else shapely.buffer(shape, 0)
