"""The step: one die with the street around it, which the wafer repeats.

The step's origin is the die's lower-left corner; its box reaches half a street beyond the die on every side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import klayout.db as kdb

from layoutgen import gds, geom
from layoutgen.cell import Drawing
from layoutgen.die import Box, Context, Die, Port, Stages
from layoutgen.errors import Problem, SpecError
from layoutgen.pdk import Pdk
from layoutgen.units import Um, to_dbu

USUAL_STREET: Um = 100.0


@dataclass(frozen=True)
class StreetContext(Context):
    """What a street stage may use besides: the die, and the street's width in x and y (um)."""

    die: Die = field(kw_only=True)
    street: tuple[Um, Um] = field(kw_only=True)

    @property
    def pitch(self) -> tuple[Um, Um]:
        """Step in x and y (um): die + street."""
        return self.die.width + self.street[0], self.die.height + self.street[1]

    @property
    def box(self) -> Box:
        """The step's box (um), half a street beyond the die on every side."""
        half_x, half_y = self.street[0] / 2, self.street[1] / 2
        return -half_x, -half_y, self.die.width + half_x, self.die.height + half_y


@dataclass(frozen=True, slots=True)
class Street:
    """What stages draw between dies: `common` stands round every place, `ends` only where there is a die."""

    common: Drawing
    ends: Drawing


@dataclass(frozen=True, slots=True)
class Step:
    """What the wafer repeats: `full` with a die, `empty` with the street alone (round a drop-in). Lengths in um."""

    full: Drawing
    empty: Drawing
    box: Box
    die_size: tuple[Um, Um]

    @property
    def pitch(self) -> tuple[Um, Um]:
        """Distance from one step to the next in x and y (um)."""
        x0, y0, x1, y1 = self.box
        return x1 - x0, y1 - y0


def build_step(context: StreetContext, stages: Stages, file: str) -> Step:
    """Run a flow's street stages around the die.

    Raises:
        SpecError: the street is too narrow for the blade, or a port meets nothing in the street.
    """
    if problems := list(too_narrow(context.pdk, context.street, file)):
        raise SpecError(problems)
    die, box = context.die, context.box
    street = Street(Drawing("STREET"), Drawing("STREET_ENDS"))
    _reserved(context, street.common)
    for run in stages.pick("street", context.flow.street):
        run(context, street)
    if problems := list(_loose_ports(context, street, file)):
        raise SpecError(problems)
    die_drawing = die.drawing()
    die_drawing.polygon("die", geom.span(0, 0, die.width, die.height))
    full, empty = Drawing("STEP"), Drawing("STEP_EMPTY")
    full.place(die_drawing)
    full.place(street.ends)
    for step in (full, empty):
        step.place(street.common)
    return Step(full, empty, box, (die.width, die.height))


def _reserved(context: StreetContext, common: Drawing) -> None:
    """The street itself, and the bands that the blade surely and possibly takes, full width on all four sides: where it
    is narrowest and widest, and at each level of the cut."""
    x0, y0, x1, y1 = context.box
    w, h = context.die.width, context.die.height
    for piece in ((x0, y0, x1, 0.0), (x0, h, x1, y1), (x0, 0.0, 0.0, h), (w, 0.0, x1, h)):
        if piece[2] > piece[0] and piece[3] > piece[1]:
            common.polygon("street", geom.span(*piece))
    if context.pdk.cut:
        for layer, half in context.pdk.cut.bands().items():
            for band in geom.frame(context.box, half) if half else ():
                common.polygon(layer, band)


def least_street(pdk: Pdk) -> Um:
    """The street of a spec that gives none (um): what a groove may touch where it is widest, rounded up to whole um;
    else 100, or more where the blade may touch more."""
    if not pdk.cut:
        return USUAL_STREET
    least = float(math.ceil(round(2 * pdk.cut.widest.touched, 6)))
    return least if pdk.cut.deep else max(USUAL_STREET, least)


def too_narrow(pdk: Pdk, street: tuple[Um, Um], file: str) -> Iterator[Problem]:
    """A problem for each direction in which the street (um) is narrower than what the process's blade may touch."""
    for axis, width in zip("xy", street, strict=True):
        if pdk.cut and width < (most := round(2 * pdk.cut.widest.touched, 6)):
            which = f", where pass {pdk.cut.widest.name!r} is widest" if pdk.cut.then or pdk.cut.deep else ""
            message = (
                f"the street in {axis} is {width:g} um, and the blade of PDK {pdk.name!r} may touch "
                f"{most:g}{which}: widen the street, or take a PDK with another [cut]"
            )
            yield Problem(file, "wafer.street", message)


def _loose_ports(context: StreetContext, street: Street, file: str) -> Iterator[Problem]:
    """Each port must meet metal of its layer that continues it in the street."""
    both = Drawing("BOTH")
    both.place(street.common)
    both.place(street.ends)
    layout = gds.to_layout(both, context.pdk)
    metal = gds.fetch(layout, context.pdk, layout.cell("BOTH"))
    for port in context.die.ports:
        x, y = to_dbu(outside(port, context.die, 1.0)).tolist()
        if kdb.Region(kdb.Box(x, y, x + 1, y + 1)).interacting(metal(port.layer)).is_empty():
            yield Problem(file, "pdk", f"the tie of net {port.net!r} ends at the {port.side} edge and meets nothing")


def outside(port: Port, die: Die, by: Um) -> tuple[Um, Um]:
    """The point `by` um beyond the die's edge at a port."""
    match port.side:
        case "left":
            return -by, port.offset
        case "right":
            return die.width + by, port.offset
        case "bottom":
            return port.offset, -by
        case "top":
            return port.offset, die.height + by
