"""The last word: all metal of a plan as it is drawn, judged by KLayout flat; what breaks a rule is given up.

Distances to metal of other nets are kept by every piece that is drawn (see `room`). What only shows in the metal of a
net as a whole, where bodies, teardrops, fillings and terminals meet, is seen here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import klayout.db as kdb
import shapely

from layoutgen.route.bodies import bodies, polygon, solids
from layoutgen.route.legal import owners
from layoutgen.route.pieces import TOUCHES
from layoutgen.route.plan import route, vias_of
from layoutgen.route.problem import RoutePlan, RouteProblem, Unrouted, Wire
from layoutgen.route.router import LOST
from layoutgen.route.wires import NetMetal, draw, pad_shape
from layoutgen.units import DBU, Um, dbu

IGNORE_ANGLE = 80.0
"""Edges that stand at this angle (degrees) or more to each other are not looked at, as in rules of width and space."""
_EUCLID = kdb.Region.Euclidian


@dataclass(frozen=True)
class Broken:
    """Where metal of a net breaks a rule: the net, what is wrong in words, and a box around it in dbu."""

    net: str
    what: str
    box: kdb.Box

    @property
    def reason(self) -> str:
        """In words."""
        at = self.box.center()
        return f"its metal would be {self.what} about ({at.x * DBU:.1f}, {at.y * DBU:.1f}) um"


def route_and_draw(problem: RouteProblem) -> tuple[RoutePlan, list[dict[str, NetMetal]]]:
    """A plan and its metal on each layer, without a finding of width or notch at exactly the problem's rules.

    Wires whose metal cannot be drawn so are given up, and listed in the plan with the reason. What terminals alone
    break among each other stays.
    """
    plan = route(problem)
    while True:
        metal = [draw(problem, plan, layer) for layer in range(problem.layers)]
        gone: dict[int, str] = {}
        for layer, drawn in enumerate(metal):
            gone |= _culprits(problem, plan, layer, broken(problem, plan, drawn, layer))
        if not gone:
            return plan, metal
        plan = _without(problem, plan, gone)


def broken(problem: RouteProblem, plan: RoutePlan, metal: Mapping[str, NetMetal], layer: int = 0) -> list[Broken]:
    """All findings of width and notch on a layer, but for those of terminals alone."""
    nets = owners(problem, plan.wires, plan.taken)
    bare: dict[str, list[kdb.Polygon]] = {}
    for t in problem.terminals:
        if t.layer == layer:
            bare.setdefault(nets[t.name] or t.name, []).append(pad_shape(t))
    whole = {name: [*own] for name, own in bare.items()}
    for name, drawn in metal.items():
        whole.setdefault(name, []).extend(polygon(points) for points in (*drawn.metal, *drawn.tie))
    if not (found := list(_findings(problem, whole))):
        return []
    known = kdb.Region()
    for f in _findings(problem, bare):
        known.insert(f.box.enlarged(1, 1))
    return [f for f in found if known.interacting(kdb.Region(f.box.enlarged(1, 1))).is_empty()]


def _findings(problem: RouteProblem, metal: Mapping[str, Sequence[kdb.Polygon]]) -> Iterator[Broken]:
    rules: dict[tuple[int, int], list[str]] = {}
    for name in metal:
        rules.setdefault((dbu(problem.width_of(name)), dbu(problem.space_of(name))), []).append(name)
    for (width, space), names in rules.items():
        own = kdb.Region([shape for name in names for shape in metal[name]]).merged()
        narrow = own.width_check(width, False, _EUCLID, IGNORE_ANGLE)
        notches = own.notch_check(space, False, _EUCLID, IGNORE_ANGLE)
        for pair in narrow.each():
            yield Broken(_net_at(pair.first, metal, names), f"narrower than {width * DBU:g} um", pair.bbox())
        for pair in notches.each():
            yield Broken(_net_at(pair.first, metal, names), f"notched by less than {space * DBU:g} um", pair.bbox())


def _net_at(edge: kdb.Edge, metal: Mapping[str, Sequence[kdb.Polygon]], names: Sequence[str]) -> str:
    """Whose metal an edge is the rim of."""
    box = edge.bbox().enlarged(1, 1)
    at = kdb.Region(box)
    for name in names:
        shapes = [shape for shape in metal[name] if shape.bbox().touches(box)]
        if not kdb.Region(shapes).interacting(at).is_empty():
            return name
    return ""


def _culprits(problem: RouteProblem, plan: RoutePlan, layer: int, found: Sequence[Broken]) -> dict[int, str]:
    """For each finding the wire to be given up, and why: of those nearest to it a tie, a branch, or the shortest."""
    own = [k for k, w in enumerate(plan.wires) if w.layer == layer]
    out: dict[int, str] = {}
    if not found or not own:
        return out
    shapes = solids(bodies([plan.wires[k] for k in own], problem.guard))
    for f in found:
        away = shapely.distance(shapes, shapely.box(f.box.left, f.box.bottom, f.box.right, f.box.top)).tolist()
        near = [(round(d), *_worth(plan.wires[k]), k) for k, d in zip(own, away, strict=True)]
        near = [n for n in near if plan.wires[n[-1]].net == f.net]
        if near and not any(n[-1] in out for n in near):
            out[min(near)[-1]] = f.reason
    return out


def _worth(wire: Wire) -> tuple[bool, bool, Um]:
    """Least for what is given up first."""
    return not wire.tie, bool(wire.start and wire.end), wire.length


def _without(problem: RouteProblem, plan: RoutePlan, gone: Mapping[int, str]) -> RoutePlan:
    """The plan without some wires and those that end on them."""
    reasons = dict(gone)
    while True:
        kept = [k for k in range(len(plan.wires)) if k not in reasons]
        lost = [k for k in kept if _hangs(plan.wires[k], [plan.wires[i] for i in kept if i != k])]
        if not lost:
            break
        reasons |= dict.fromkeys(lost, LOST)
    wires = tuple(plan.wires[k] for k in kept)
    missing = [Unrouted(w.net, w.start, w.end, reasons[k], w.tie) for k, w in enumerate(plan.wires) if k in reasons]
    vias = tuple(vias_of(problem, wires)) if problem.layers == 2 else ()
    return replace(plan, wires=wires, vias=vias, unrouted=(*plan.unrouted, *missing))


def _hangs(wire: Wire, others: Sequence[Wire]) -> bool:
    """Whether an end of a wire that ends on another one of its net has none there."""
    ends = [p for name, p in ((wire.start, wire.points[0]), (wire.end, wire.points[-1])) if not name]
    if wire.tie:
        ends = ends[:-1]
    lines = [shapely.LineString(o.points) for o in others if o.net == wire.net and o.layer == wire.layer]
    return not all(shapely.dwithin(shapely.Point(p), lines, TOUCHES).any() for p in ends)
