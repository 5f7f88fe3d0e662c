"""The plating network of a mask set: from what was built to the network, and its results as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import klayout.db as kdb
import numpy as np

from layoutgen import gds
from layoutgen.errors import Problem
from layoutgen.maskset import MaskSet
from layoutgen.physics.plating import Bath, DieMetal, Network, Plating, PlatingError, WaferMetal, analyse, lines
from layoutgen.units import DBU, to_dbu


def plating(built: MaskSet, bath: Bath | None = None) -> Plating:
    """Resistance from the contact ring to every post of a mask set, and how thick `bath` plates each.

    Raises:
        PlatingError: current does not come through the kerf, or the network cannot be made of what is drawn.
    """
    return analyse(network(built), bath)


def write_plating(found: Plating, folder: Path, name: str) -> list[Path]:
    """Write the table of all posts, pictures of the wafer and, where a post is fed, one of the worst die into a folder.

    Raises:
        OutputError: a file could not be written.
    """
    from layoutgen.report import plating as pictures

    files = [folder / f"{name}_{end}" for end in ("posts.csv", "resistance.png", "thickness.png", "worst_die.png")]
    gds.write_text(files[0], found.csv())
    pictures.draw_wafer(files[1], name, found)
    pictures.draw_wafer(files[2], name, found, "thickness")
    if not np.isfinite(found.largest):
        return files[:3]
    pictures.draw_die(files[3], name, found)
    return files


@dataclass(frozen=True)
class Prediction:
    """What a build says of its plating: the result, or None and in `line` why there is none."""

    found: Plating | None
    line: str


def predicted(built: MaskSet) -> Prediction | None:
    """The plating of a mask set in its process's own bath; None where it states none, or no current needs the kerf."""
    bath = stated(built)
    if bath is None or built.pdk.flows[built.flow].current != "kerf":
        return None
    try:
        found = plating(built, bath)
        if not np.isfinite(found.largest):
            return Prediction(None, "not predicted: no post is fed")
        return Prediction(found, found.summary())
    except PlatingError as e:
        return Prediction(None, f"not predicted: {e.problems[0].message}")


def stated(built: MaskSet) -> Bath | None:
    """The bath that the process of a mask set states for its flow; None: it states none."""
    bath, densities = built.pdk.bath, built.pdk.densities(built.flow)
    if bath is None or not densities:
        return None
    density = next(iter(densities.values()))  # all are one, or the process had not been read
    return Bath(density * 100, bath.conductivity, bath.height / 1e6, bath.polarisation, bath.alpha, bath.celsius)


def network(built: MaskSet) -> Network:
    """The plating network of what was built; flows whose current comes through the kerf only.

    Raises:
        PlatingError: current does not come through the kerf, or the network cannot be made of what is drawn.
    """
    return Network(wafer_metal(built))


def wafer_metal(built: MaskSet) -> WaferMetal:
    """What carries the plating current of a mask set; the same errors as `network`."""
    pdk, flow = built.pdk, built.pdk.flows[built.flow]
    if flow.current != "kerf":
        message = (
            f"flow {built.flow!r} takes its plating current from {flow.current!r}, not through the kerf; name another"
        )
        raise PlatingError([Problem(str(built.spec.path), "flow", message)])
    ring = gds.fetch(built.layout, pdk, built.layout.top_cell())(pdk.role("ring"))
    bus = gds.fetch(built.layout, pdk, built.layout.top_cell())(pdk.role("bus"))
    grid = built.grid
    return WaferMetal(
        (die_metal(built),), np.zeros(len(grid.dies), np.int64), np.array([grid.at(p) for p in grid.dies]),
        tuple(grid.name(p) for p in grid.dies), tuple(lines(bus.each(), ring)), _ohms(built, "bus"),
    )  # fmt: skip


def _ohms(built: MaskSet, role: str) -> float:
    """Ohm a square of a role's layer, or else of the redistribution metal's."""
    pdk = built.pdk
    for name in dict.fromkeys((role, "metal_2" if role == "metal_2" else "metal")):
        if name in pdk.roles and (found := pdk.sheet_resistance(pdk.roles[name])) is not None:
            return found
    level = pdk.role("metal_2" if role == "metal_2" else "metal")
    message = f"no sheet resistance: give [stack] of PDK {pdk.name!r} a level {level!r} with thickness and material"
    raise PlatingError([Problem(str(built.spec.path), "pdk", message)])


def die_metal(built: MaskSet) -> DieMetal:
    """The metal of one step, its die's lower-left corner at (0, 0); the same errors as `network`."""
    pdk, chip, plan = built.pdk, built.spec.chip, built.die.plan
    layout = gds.to_layout(built.step.full, pdk)
    found = gds.fetch(layout, pdk, layout.top_cell())
    table = pdk.connect
    all_metal, bus = pdk.evaluate(table.metal, found), found(pdk.role("bus")).merged()
    box = kdb.Region(kdb.Box(*(int(v) for v in to_dbu([0.0, 0.0, built.die.width, built.die.height]))))
    stubs = ((all_metal - box) - bus).interacting(bus)
    metal = [(all_metal & box, _ohms(built, "metal"))]
    vias = kdb.Region()
    if table.metal_2:
        upper = pdk.evaluate(table.metal_2, found)
        if not (outside := (upper - box)).is_empty():
            c = outside.bbox().center()
            message = (
                f"metal of the second level lies in the kerf at ({c.x * DBU:g}, {c.y * DBU:g}) um of the step: current "
                "is led there by the first level alone"
            )
            raise PlatingError([Problem(str(built.spec.path), "pdk", message)])
        metal.append((upper & box, _ohms(built, "metal_2")))
        vias = pdk.evaluate(table.via_2, found)
    taken = plan.taken if plan else {}
    if not table.ball:
        message = "connect.ball is empty: name the layer of what is plated on the network"
        raise PlatingError([Problem(pdk.name, "", message)])
    feet = pdk.region(table.ball[0], found).merged()
    posts, nets = {}, {}
    for ball in chip.balls:
        net = ball.net or taken.get(f"ball {ball.name}", "")
        x, y = to_dbu((ball.x, ball.y)).tolist()
        here = list(feet.interacting(kdb.Region(kdb.Box(x, y, x + 1, y + 1))).each())
        if net and here:
            posts[ball.name], nets[ball.name] = here[0], net
    tie = found(pdk.role("tie")) if "tie" in pdk.roles else kdb.Region()
    return DieMetal("die", built.die.width, built.die.height, tuple(metal), posts, stubs, nets, vias, tie.merged())
