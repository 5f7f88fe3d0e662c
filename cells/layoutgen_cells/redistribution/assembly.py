"""Stages of a redistribution process at the die: from the chip's pads to the contacts."""

from __future__ import annotations

from dataclasses import replace

from layoutgen.cell import Drawing, Placement
from layoutgen.chip import Ball, Chip, Pad
from layoutgen.die import Die, DieContext, Port, Side, stage
from layoutgen.route import Obstacle, RoutePlan, RouteProblem, Terminal, draw, route
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
    metal, wire = c.pdk.role("metal"), c.settings("rdl.wire")
    landings, terminals = _landings(c)
    asked = RouteProblem(
        outline=c.chip.die,
        terminals=terminals,
        obstacles=(
            *(Obstacle.box(*keepout) for keepout in die.keepouts),
            *(Obstacle(points) for points in c.chip.keepouts),
        ),
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
    die = die.add(*landings, Placement(wires))
    ports = _ports(c, die, plan)
    return replace(die, ports=(*die.ports, *ports), problem=problem, plan=plan, metal=drawn)


def _landings(c: DieContext) -> tuple[list[Placement], tuple[Terminal, ...]]:
    """Landing and capture pads as cells and as terminals.

    A chip that comes with its routed layer has them: the metal of its pads and balls is that layer's.
    """
    groups = _groups(c.chip)
    own = Drawing("TERMINALS")
    placed, terminals = [], []
    members: list[tuple[str, Pad | Ball]] = [("pad", p) for p in c.chip.pads] + [("ball", b) for b in c.chip.balls]
    for kind, m in members:
        name, at = f"{kind} {m.name}", (m.x, m.y)
        group = groups.get(name, "")
        if c.chip.layer is not None and m.metal:
            own.polygon(c.pdk.role("metal"), m.metal)
            ring = m.metal if m.polygon else ()
            terminals.append(Terminal(name, m.net, *at, m.width / 2, m.height / 2, False, group, ring))
            continue
        drawing = c.cell("rdl.pad" if kind == "pad" else "rdl.capture")
        placed.append(Placement(drawing, at))
        terminals.append(replace(terminal(name, m.net, drawing, at, c.pdk), group=group))
    return [*placed, *([Placement(own)] if own.polygons else [])], tuple(terminals)


def _groups(chip: Chip) -> dict[str, str]:
    """The group of each terminal that asks or is free, by its name."""
    out: dict[str, str] = {}
    for name, (for_balls, for_pads) in chip.groups.items():
        for kind, group in (("balls", for_balls), ("pads", for_pads)):
            for m in (*group.askers, *group.free):
                out[f"{'pad' if isinstance(m, Pad) else 'ball'} {m.name}"] = f"{kind} of {name}"
    return out


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
