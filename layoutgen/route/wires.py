"""From centre lines to metal: wire bodies, landings of vias, teardrops, and closed notches of one net.

All polygons are simple and on the grid. A teardrop or a filling is only drawn where it keeps its distance to the metal
of other nets; a teardrop shrinks, or is left out, where there is no room or where its notch cannot be closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import klayout.db as kdb
import shapely

from layoutgen.route.bodies import bodies
from layoutgen.route.drops import bumps, drops, via_pad
from layoutgen.route.fill import close_notches, mend_all, suspects
from layoutgen.route.legal import covered, owners, solid
from layoutgen.route.mend import Rule
from layoutgen.route.metal import LayerNet, NetMetal, pad_shape
from layoutgen.route.pieces import net_of, plan_apart, told_apart
from layoutgen.route.problem import RoutePlan, RouteProblem
from layoutgen.route.room import Piece, Room
from layoutgen.route.teardrop import ROUND_SAG, pad_polygon
from layoutgen.route.wide import TooWide, too_wide
from layoutgen.units import dbu


@dataclass(frozen=True, eq=False)
class LeftOver:
    """A place (dbu) where the metal of a net, terminals included, still breaks a rule: kind "width" or "notch"."""

    net: str
    kind: str
    box: kdb.Box


def draw(problem: RouteProblem, plan: RoutePlan, layer: int = 0) -> dict[str, NetMetal]:
    """The metal on one layer of every net that has wires or vias there, without the shapes of the terminals.

    What belongs to a tie ends at the terminal that the tie starts on, and overlaps it only so far that it joins it
    however its rim is drawn (see `teardrop.core`).
    """
    return draw_and_judge(problem, plan, layer)[0]


def left_over(problem: RouteProblem, plan: RoutePlan, layer: int = 0) -> list[LeftOver]:
    """Where the metal that `draw` gives still breaks a net's width, or its space to itself."""
    return draw_and_judge(problem, plan, layer)[1]


def draw_and_judge(
    problem: RouteProblem, plan: RoutePlan, layer: int = 0
) -> tuple[dict[str, NetMetal], list[LeftOver]]:
    """`draw` and `left_over` in one."""
    nets = _assembled(problem, plan, layer)[0]
    out: dict[str, NetMetal] = {}
    for name, net in nets.items():
        whole = out.setdefault(net_of(name), NetMetal())
        whole.metal += [p.points for p in net.pieces() if not p.tie]
        whole.tie += net.ties or []
    return out, [LeftOver(net_of(name), f.kind, f.box) for name, net in nets.items() for f in net.left]


def still_too_wide(problem: RouteProblem, plan: RoutePlan, layer: int = 0) -> list[TooWide]:
    """Where the metal that `draw` gives breaks a step of `RouteProblem.wide`, though no drop is left there."""
    return _assembled(problem, plan, layer)[1] if problem.wide else []


def _assembled(problem: RouteProblem, plan: RoutePlan, layer: int) -> tuple[dict[str, LayerNet], list[TooWide]]:
    """All that is drawn of each net on a layer, and what stays too wide for where it stands."""
    plan, problem = plan_apart(problem, plan), told_apart(problem)
    owner = owners(problem, plan.wires, plan.taken)
    wires = [w for w in plan.wires if w.layer == layer]
    shapes = bodies(wires, problem.guard)
    room = Room(problem, layer, wires, shapes, owner, plan.vias)
    nets: dict[str, LayerNet] = {}
    for name in dict.fromkeys([*(w.net for w in wires), *(v.net for v in plan.vias)]):
        rule = Rule(dbu(problem.width_of(name)), dbu(problem.space_of(name, 0.0)))
        nets[name] = LayerNet(max(rule.space, dbu(problem.space_of(name))), rule)
    for wire, points in zip(wires, shapes, strict=True):
        space = dbu(problem.space_of(wire.net, problem.drawn(wire.width)))
        nets[wire.net].fixed.append(Piece(points, space, wire.net, wire.tie))
    here = covered(problem, layer, owner) if plan.vias else set()
    for via in plan.vias:
        if (via.net, (dbu(via.x), dbu(via.y))) not in here:
            pad = via_pad(problem, via)
            space = dbu(problem.space_of(via.net, 2 * pad.half_x))
            nets[via.net].fixed.append(Piece(pad_polygon(pad), space, via.net, False))
    for t in problem.terminals:
        if t.layer == layer and owner[t.name] in nets:
            nets[owner[t.name]].pads.append(t)
    for piece, smaller in drops(problem, room, wires, plan.vias, layer):
        nets[piece.net].drops.append(piece)
        nets[piece.net].less[piece] = smaller
    smooth = list(bumps(problem, wires, shapes, plan.vias, layer))
    for piece, free in zip(smooth, room.take(smooth).tolist(), strict=True):
        if free:
            nets[piece.net].fixed.append(piece)
    looked_at = suspects(nets)
    close_notches(problem, room, {name: nets[name] for name in looked_at})
    while problem.wide:  # drops only ever go
        spread = _without_drops(nets, _too_wide(problem, nets, owner, layer))
        if not spread:
            break
        looked_at += spread
        close_notches(problem, room, {name: nets[name] for name in spread})
    mend_all(problem, room, nets, set(looked_at))
    return nets, _too_wide(problem, nets, owner, layer) if problem.wide else []


def _too_wide(
    problem: RouteProblem, nets: Mapping[str, LayerNet], owner: Mapping[str, str], layer: int
) -> list[TooWide]:
    """Metal, terminals included, that is too wide for where it stands."""
    here = [t for t in problem.terminals if t.layer == layer]
    bare: dict[str, list[kdb.Polygon]] = {}
    for t in here:
        bare.setdefault(owner[t.name] or t.name, []).append(pad_shape(t))
    metal = {**bare, **{name: net.shapes() for name, net in nets.items()}}
    rims = [ROUND_SAG * dbu(t.half_x) for t in here if t.round and not t.polygon]
    return too_wide(problem.wide, metal, bare, max(rims, default=0.0))


def _without_drops(nets: Mapping[str, LayerNet], found: Sequence[TooWide]) -> list[str]:
    """Take away the drops of metal that is too wide, or else those near to it, and say whose they were."""
    changed: list[str] = []
    for f in found:
        for name, part, reach in ((f.net, f.part, 0.0), (f.other, f.part, float(dbu(f.step.space)))):
            drops = nets[name].drops if name in nets else []
            keep = [p for p in drops if not shapely.dwithin(solid(p.points), part, reach)]
            if len(keep) < len(drops):
                nets[name].drops, nets[name].fills = keep, []
                changed.append(name)
                break
    return list(dict.fromkeys(changed))
