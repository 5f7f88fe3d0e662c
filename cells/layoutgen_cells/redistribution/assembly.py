"""Stages of a redistribution process at the die: from the chip's pads to the contacts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from layoutgen.cell import Drawing, Placement
from layoutgen.chip import Ball, Chip, Pad
from layoutgen.die import Die, DieContext, Port, Side, stage
from layoutgen.errors import Problem, SpecError
from layoutgen.route import Obstacle, RoutePlan, RouteProblem, Terminal, route_and_draw
from layoutgen.units import DBU, Um
from layoutgen_cells.redistribution.cells import corner_radius, terminal

METALS, TIES = ("metal", "metal_2"), ("tie", "tie_2")
"""Roles of the metals that wires run on, and of the ties on each, from below."""


@stage("chip", at="die")
def chip(c: DieContext, die: Die) -> Die:
    """The chip as it comes in: pad metal, and the names of pads, balls and nets as notes.

    Pads and balls that are free to be taken get their names when they are routed.
    """
    names = Drawing("NAMES")
    pads = []
    for pad in c.chip.pads:
        pads.append(Placement(c.cell("chip.pad", width=pad.width, height=pad.height), (pad.x, pad.y)))
    for m in c.chip.members:
        if m.net:
            names.text(c.pdk.role("note"), f"{m.name} {m.net}", (m.x, m.y))
    return die.add(*pads, Placement(names))


@stage("polymer_openings", at="die")
def polymer_openings(c: DieContext, die: Die) -> Die:
    """An opening in the first polymer over each pad."""
    return die.add(*(Placement(c.cell("polymer.opening"), (p.x, p.y)) for p in c.chip.pads))


@stage("redistribution", at="die")
def redistribute(c: DieContext, die: Die) -> Die:
    """Landing and capture pads, wires from pads to balls, and, where the kerf carries the current, ties.

    In a process with two metals (roles `metal_2` and `via_2`) pads stand on the first and balls on the second, either
    may be wired on both, and a via stands at each place where the plan changes between them.

    Raises:
        SpecError: a ball stands on the centre of a pad, from which no wire leads to it.
    """
    pads = {(round(p.x, 3), round(p.y, 3)): p for p in c.chip.pads}
    if wrong := [(b, pad) for b in c.chip.balls if (pad := pads.get((round(b.x, 3), round(b.y, 3))))]:
        message = "ball {!r} stands on the centre of pad {!r}; move the ball"
        raise SpecError([Problem(b.place, "", message.format(b.name, pad.name)) for b, pad in wrong])
    wire, metals = c.settings("rdl.wire"), _metals(c)
    landings, terminals = _landings(c, len(metals) - 1)
    asked = RouteProblem(
        outline=c.chip.die,
        terminals=terminals,
        obstacles=(
            *(Obstacle.box(*keepout) for keepout in die.keepouts),
            *(Obstacle(points) for points in c.chip.keepouts),
        ),
        width=wire.width,
        space=wire.space,
        edge=max(c.pdk.limit("edge_distance", metal, "die") for metal in metals),
        ties=c.flow.current == "kerf",
        guard=c.pdk.guard,
        layers=len(metals),
        via=_via_landing(c) if len(metals) > 1 else 0.0,
    )
    problem = c.routing.apply(asked, {f"pad {p.name}" for p in c.chip.pads})
    plan, drawn = route_and_draw(problem)
    wires = Drawing("WIRES")
    for layer, (metal, tie) in enumerate(zip(metals, TIES, strict=False)):
        for net in drawn[layer].values():
            for points in net.metal:
                wires.polygon(metal, points * DBU)
            for points in net.tie:
                wires.polygon(c.pdk.role(tie), points * DBU)
    vias = [Placement(c.cell("rdl.via"), (via.x, via.y)) for via in plan.vias]
    die = die.add(*landings, Placement(wires), *vias, *_taken_names(c, plan))
    die = replace(die, ports=(*die.ports, *_ports(c, die, plan)), problem=problem, plan=plan)
    return replace(die, metal=drawn[0], metal_2=drawn[1] if len(drawn) > 1 else {})


def _metals(c: DieContext) -> tuple[str, ...]:
    """The metal layers that wires may run on, from below."""
    return tuple(c.pdk.role(name) for name in METALS[: 2 if METALS[1] in c.pdk.roles else 1])


def _via_landing(c: DieContext) -> Um:
    """Diameter of the disc that the corners of a via's landings lie on (um)."""
    circles = c.cell("rdl.via").circles
    return 2 * max(corner_radius(circles[metal][0].diameter, c.pdk) for metal in _metals(c))


def _taken_names(c: DieContext, plan: RoutePlan) -> Iterator[Placement]:
    """Names of the pads and balls that were free: with the net that took them, or alone."""
    names = Drawing("NAMES_TAKEN")
    for kind, members in (("pad", c.chip.pads), ("ball", c.chip.balls)):
        for m in members:
            if not m.net:
                net = plan.taken.get(f"{kind} {m.name}", "")
                names.text(c.pdk.role("note"), f"{m.name} {net}".rstrip(), (m.x, m.y))
    if names.texts:
        yield Placement(names)


def _landings(c: DieContext, above: int) -> tuple[list[Placement], tuple[Terminal, ...]]:
    """Landing and capture pads as cells and as terminals; balls stand on the metal of number `above`.

    A chip that comes with its routed layer has them: the metal of its pads and balls is that layer's.
    """
    groups = _groups(c.chip)
    own = Drawing("TERMINALS")
    placed, terminals = [], []
    members: list[tuple[str, Pad | Ball]] = [("pad", p) for p in c.chip.pads] + [("ball", b) for b in c.chip.balls]
    for kind, m in members:
        name, at = f"{kind} {m.name}", (m.x, m.y)
        group, layer = groups.get(name, ""), 0 if kind == "pad" else above
        if c.chip.layer is not None and m.metal:
            own.polygon(_metals(c)[layer], m.metal)
            ring = m.metal if m.polygon else ()
            shape = Terminal(name, m.net, *at, m.width / 2, m.height / 2, False, group, ring, layer=layer)
            terminals.append(shape)
            continue
        drawing = c.cell("rdl.pad" if kind == "pad" else "rdl.capture")
        placed.append(Placement(drawing, at))
        terminals.append(replace(terminal(name, m.net, drawing, at, c.pdk, layer), group=group))
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
            ports.append(Port(side, offset, wire.width, c.pdk.role(TIES[wire.layer]), wire.net))
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
