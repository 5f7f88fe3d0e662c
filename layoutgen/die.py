"""Die, stages, and what a stage is given to work with.

A stage is a function with a name, at the die, the street or the wafer. A PDK's flow names the stages it runs, in order;
no stage knows which flow it serves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from layoutgen.cell import Drawing, Library, Placement
from layoutgen.chip import Chip
from layoutgen.errors import ParamError, UnknownNameError
from layoutgen.pdk import Flow, Pdk
from layoutgen.route import NetMetal, RouteOptions, RoutePlan, RouteProblem
from layoutgen.units import Deg, Um

Side = Literal["left", "bottom", "right", "top"]
Box = tuple[Um, Um, Um, Um]


@dataclass(frozen=True, slots=True)
class Port:
    """Where metal leaves a die: side, offset along it from the lower left (um), width (um), layer, net."""

    side: Side
    offset: Um
    width: Um
    layer: str
    net: str


@dataclass(frozen=True, slots=True)
class Place:
    """A cell that the spec puts on the die: at (um), turned by a multiple of 90 degrees, and the nets of its pins."""

    cell: str
    at: tuple[Um, Um]
    angle: Deg
    parameters: Mapping[str, Any]
    nets: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Track:
    """A wire that the spec draws: layer, width (um), net, and its middle line from point to point (um)."""

    layer: str
    width: Um
    net: str
    points: tuple[tuple[Um, Um], ...]


@dataclass(frozen=True, slots=True)
class NetPin:
    """A place in the die (um) where metal of a layer has to be of a net."""

    name: str
    net: str
    layer: str
    at: tuple[Um, Um]


@dataclass(frozen=True)
class Context:
    """What every stage may use: the process, the flow, and cells with this build's parameters."""

    pdk: Pdk
    flow_name: str
    cell_library: Library
    parameters: Mapping[str, Mapping[str, Any]]
    """Cell parameters of the spec, by cell name."""
    _drawn: dict[tuple[str, str], Drawing] = field(default_factory=dict, compare=False, repr=False)

    @property
    def flow(self) -> Flow:
        """The process's flow that is being built."""
        return self.pdk.flows[self.flow_name]

    def settings(self, name: str) -> Any:
        """The parameters that a cell has in this build: the PDK's, and the spec's over them.

        Raises:
            UnknownNameError: there is no such cell.
            ParamError: a parameter is wrong.
        """
        return self.cell_library[name].parameters(self.pdk, **self.parameters.get(name, {}))

    def cell(self, name: str, **changed: Any) -> Drawing:
        """A cell with the PDK's parameters, then the spec's, then `changed`; equal ones are one drawing.

        Raises:
            UnknownNameError: there is no such cell.
            ParamError: a parameter is wrong.
        """
        own = self.parameters.get(name, {})
        if fixed := sorted(own.keys() & changed.keys()):
            raise ParamError(f"{name}: {fixed[0]} follows from the chip and the wafer; leave it out of the spec")
        return self.variant(name, {**own, **changed})

    def variant(self, name: str, given: Mapping[str, Any]) -> Drawing:
        """A cell with the PDK's parameters, and those given over them; equal ones are one drawing.

        Raises:
            UnknownNameError: there is no such cell.
            ParamError: a parameter is wrong.
        """
        key = (name, repr(sorted(given.items())))
        if key not in self._drawn:
            self._drawn[key] = self.cell_library[name](self.pdk, **given)
        return self._drawn[key]


@dataclass(frozen=True)
class DieContext(Context):
    """What a die stage may use besides: the chip, and how many columns and rows of dies there can be at most."""

    chip: Chip = field(kw_only=True)
    most_columns: int = field(kw_only=True)
    most_rows: int = field(kw_only=True)
    labelled: bool = field(kw_only=True, default=True)
    """Whether dies get a label."""
    label_at: tuple[Um, Um] | None = field(kw_only=True, default=None)
    """Where the spec wants the die label's lower-left corner (um); None: a free corner."""
    routing: RouteOptions = field(kw_only=True, default_factory=RouteOptions)
    """What the caller wants of the routing otherwise than the process."""
    places: tuple[Place, ...] = field(kw_only=True, default=())
    """The cells that the spec puts on the die."""
    tracks: tuple[Track, ...] = field(kw_only=True, default=())
    """The wires that it draws."""


@dataclass(frozen=True, slots=True)
class Die:
    """A die as stages have left it: what is placed on it, where metal leaves it, what metal keeps out of."""

    width: Um
    height: Um
    parts: tuple[Placement, ...] = ()
    ports: tuple[Port, ...] = ()
    keepouts: tuple[Box, ...] = ()
    """Boxes that wires stay out of."""
    label: Box | None = None
    """The box kept free for the die's label."""
    problem: RouteProblem | None = None
    """What the router was asked."""
    plan: RoutePlan | None = None
    """What it answered."""
    metal: Mapping[str, NetMetal] = field(default_factory=dict)
    """The metal of the plan, by net; of the first layer where there are two."""
    metal_2: Mapping[str, NetMetal] = field(default_factory=dict)
    """That of the second layer."""
    pins: tuple[NetPin, ...] = ()
    """Where, besides the chip's pads and balls, nets are known."""

    def add(self, *parts: Placement) -> Die:
        """The die with more on it."""
        return replace(self, parts=(*self.parts, *parts))

    def drawing(self) -> Drawing:
        """The die as one drawing, lower-left corner at (0, 0)."""
        drawing = Drawing("DIE")
        drawing.placements.extend(self.parts)
        return drawing


@dataclass(frozen=True, slots=True)
class Stage:
    """A named step of drawing."""

    name: str
    at: Literal["die", "street", "wafer"]
    run: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return self.run(*args)


def stage(name: str, *, at: Literal["die", "street", "wafer"]) -> Callable[[Callable[..., Any]], Stage]:
    """Turn a function into a named stage.

    At the die it is `(DieContext, Die) -> Die`; at the street `(StreetContext, Street) -> None`, drawing into the
    street of one step; at the wafer `(WaferContext, OnWafer) -> None`, drawing on the wafer.
    """

    def wrap(run: Callable[..., Any]) -> Stage:
        return Stage(name, at, run)

    return wrap


@dataclass(slots=True)
class Stages:
    """Stages by place and name. Passed around, never global."""

    _by_name: dict[tuple[str, str], Stage] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(sorted(self._by_name))

    def add(self, new: Stage) -> None:
        """Take in a stage.

        Raises:
            ValueError: another one has its name and place.
        """
        if self._by_name.setdefault((new.at, new.name), new) is not new:
            raise ValueError(f"stage {new.name!r} at the {new.at} is defined twice")

    def pick(self, at: str, names: tuple[str, ...]) -> Iterator[Stage]:
        """The stages of a flow at one place, in the flow's order.

        Raises:
            UnknownNameError: there is no stage of that name at that place.
        """
        for name in names:
            if (at, name) not in self._by_name:
                raise UnknownNameError(f"stage at the {at}", name, [n for a, n in self._by_name if a == at])
            yield self._by_name[at, name]


def build_die(context: DieContext, stages: Stages, *, routing_only: bool = False) -> Die:
    """Run a flow's die stages, one after the other, on an empty die; `routing_only` ends after the one that routes.

    Raises:
        UnknownNameError: the flow names a stage that nobody brings.
        ParamError: none of them routes, where only the routing is asked for.
    """
    die = Die(context.chip.width, context.chip.height)
    for step in stages.pick("die", context.flow.stages):
        die = step(context, die)
        if not isinstance(die, Die):
            raise ParamError(
                f"stage {step.name!r} returned {type(die).__name__}, not the Die; end it with `return die`"
            )
        if routing_only and die.plan is not None:
            return die
    if routing_only:
        raise ParamError(f"flow {context.flow_name!r} of PDK {context.pdk.name!r} has no stage that routes")
    return die
