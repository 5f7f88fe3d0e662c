"""The last word: wires whose metal still breaks a rule as it is drawn are given up, with the reason.

Distances to metal of other nets are kept by every piece that is drawn (see `room`). What only shows in the metal of a
net as a whole, where bodies, teardrops, fillings and terminals meet, KLayout is asked (see `fill`) and says here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import shapely

from layoutgen.route.bodies import bodies, solids
from layoutgen.route.metal import NetMetal
from layoutgen.route.pieces import TOUCHES
from layoutgen.route.plan import route, vias_of
from layoutgen.route.problem import RoutePlan, RouteProblem, Unrouted, Wire
from layoutgen.route.router import LOST
from layoutgen.route.wires import LeftOver, draw_and_judge
from layoutgen.units import DBU, Um


def route_and_draw(problem: RouteProblem) -> tuple[RoutePlan, list[dict[str, NetMetal]]]:
    """A plan and its metal on each layer, without a finding of width or notch at exactly the problem's rules.

    Wires whose metal cannot be drawn so are given up, and listed in the plan with the reason. What terminals alone
    break among each other stays.
    """
    plan = route(problem)
    while True:
        metal: list[dict[str, NetMetal]] = []
        gone: dict[int, str] = {}
        for layer in range(problem.layers):
            drawn, found = draw_and_judge(problem, plan, layer)
            metal.append(drawn)
            gone |= _culprits(problem, plan, layer, found)
        if not gone:
            return plan, metal
        plan = _without(problem, plan, gone)


def _culprits(problem: RouteProblem, plan: RoutePlan, layer: int, found: Sequence[LeftOver]) -> dict[int, str]:
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
            out[min(near)[-1]] = _reason(problem, f)
    return out


def _reason(problem: RouteProblem, left: LeftOver) -> str:
    x, y = left.box.center().x * DBU, left.box.center().y * DBU
    if left.kind == "width":
        return f"its metal would be narrower than {problem.width_of(left.net):g} um about ({x:.1f}, {y:.1f}) um"
    return f"its metal would have a notch of less than {problem.space_of(left.net):g} um about ({x:.1f}, {y:.1f}) um"


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
