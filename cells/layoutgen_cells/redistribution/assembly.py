"""Stages of a redistribution process at the die: from the chip's pads to the contacts."""

from __future__ import annotations

from dataclasses import replace

from layoutgen.cell import Drawing, Placement
from layoutgen.die import Die, DieContext, Port, Side, stage
from layoutgen.route import Obstacle, RoutePlan, RouteProblem, box, draw, route
from layoutgen.units import DBU, Um
from layoutgen_cells.redistribution.cells import terminal


@stage("chip", at="die")
def chip(c: DieContext, die: Die) -> Die:
    """The chip as it comes in: pad metal, and the names of pads, balls and nets as notes."""
    names = Drawing("NAMES")
    pads = []
    for pad in c.chip.pads:
        pads.append(Placement(c.cell("chip.pad", width=pad.width, height=pad.height), (pad.x, pad.y)))
        names.text(c.pdk.role("note"), f"{pad.name} {pad.net}", (pad.x, pad.y))
    for ball in c.chip.balls:
        names.text(c.pdk.role("note"), f"{ball.name} {ball.net}", (ball.x, ball.y))
    return die.add(*pads, Placement(names))


@stage("polymer_openings", at="die")
def polymer_openings(c: DieContext, die: Die) -> Die:
    """An opening in the first polymer over each pad."""
    return die.add(*(Placement(c.cell("polymer.opening"), (p.x, p.y)) for p in c.chip.pads))


@stage("redistribution", at="die")
def redistribute(c: DieContext, die: Die) -> Die:
    """Landing and capture pads, wires from pads to balls, and, where the kerf carries the current, ties."""
    pad, capture = c.cell("rdl.pad"), c.cell("rdl.capture")
    landings = [(f"pad {p.name}", p.net, pad, (p.x, p.y)) for p in c.chip.pads]
    landings += [(f"ball {b.name}", b.net, capture, (b.x, b.y)) for b in c.chip.balls]
    metal, wire = c.pdk.role("metal"), c.settings("rdl.wire")
    asked = RouteProblem(
        outline=box(0.0, 0.0, die.width, die.height),
        terminals=tuple(terminal(name, net, d, at, c.pdk) for name, net, d, at in landings),
        obstacles=tuple(Obstacle.box(*keepout) for keepout in die.keepouts),
        width=wire.width,
        space=wire.space,
        edge=c.pdk.limit("edge_distance", metal, "die"),
        ties=c.flow.current == "kerf",
        guard=c.pdk.guard,
    )
    problem = c.routing.apply(asked, {f"pad {p.name}" for p in c.chip.pads})
    plan = route(problem)
    drawn = draw(problem, plan)
    wires = Drawing("WIRES")
    for net in drawn.values():
        for points in net.metal:
            wires.polygon(metal, points * DBU)
        for points in net.tie:
            wires.polygon(c.pdk.role("tie"), points * DBU)
    die = die.add(*(Placement(d, at) for _, _, d, at in landings), Placement(wires))
    ports = _ports(c, die, plan)
    return replace(die, ports=(*die.ports, *ports), problem=problem, plan=plan, metal=drawn)


def _ports(c: DieContext, die: Die, plan: RoutePlan) -> list[Port]:
    """Where ties leave the die."""
    ports = []
    for wire in plan.wires:
        if wire.tie:
            x, y = (v * DBU for v in wire.points[-1])
            side, offset = _side(die, x, y)
            ports.append(Port(side, offset, wire.width, c.pdk.role("tie"), wire.net))
    return ports


def _side(die: Die, x: Um, y: Um) -> tuple[Side, Um]:
    gaps: dict[Side, tuple[Um, Um]] = {
        "left": (abs(x), y), "right": (abs(x - die.width), y),
        "bottom": (abs(y), x), "top": (abs(y - die.height), x),
    }  # fmt: skip
    side = min(gaps, key=lambda s: gaps[s][0])
    return side, round(gaps[side][1], 3)


@stage("polymer_vias", at="die")
def polymer_vias(c: DieContext, die: Die) -> Die:
    """A via through the upper polymer at each ball."""
    return die.add(*(Placement(c.cell("polymer.via"), (b.x, b.y)) for b in c.chip.balls))


@stage("under_bump_metal", at="die")
def under_bump_metal(c: DieContext, die: Die) -> Die:
    """Under-bump metal at each ball."""
    return die.add(*(Placement(c.cell("ubm"), (b.x, b.y)) for b in c.chip.balls))


@stage("balls", at="die")
def balls(c: DieContext, die: Die) -> Die:
    """A ball at each ball site."""
    return die.add(*(Placement(c.cell("ball"), (b.x, b.y)) for b in c.chip.balls))
