"""What a caller wants of a routing otherwise than chip and process say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from layoutgen.errors import ParamError, UnknownNameError
from layoutgen.route.problem import Matched, RouteProblem, Style
from layoutgen.units import DBU, LARGEST, Um, dbu, off_grid


class Ties(StrEnum):
    """What gets a wire to the outline."""

    NONE = "none"
    NETS = "nets"
    """Each net, one."""
    PADS = "pads"
    """Each pad, one of its own."""


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """Changes to a routing problem; None leaves what the process says.

    width, space: of wires (um).
    style: directions of wires.
    ties: what gets a tie.
    some_ties: whether a plan that leaves some untied is good enough.
    layers: metal layers to use.
    matched: groups of nets of equal length.
    """

    width: Um | None = None
    space: Um | None = None
    style: Style | None = None
    ties: Ties | None = None
    some_ties: bool = False
    layers: int | None = None
    matched: tuple[Matched, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("width", self.width), ("space", self.space)):
            if value is not None and not 0 < value <= LARGEST:
                raise ParamError(f"route: {name}={value:g} um must be above 0 and at most {LARGEST:g}")
            if value is not None and (off_grid(value) or not dbu(value)):
                raise ParamError(f"route: {name}={value:g} um is finer than the grid, {DBU:g}; round it")
        if self.layers not in (None, 1, 2):
            raise ParamError(f"route: layers={self.layers} must be 1 or 2")
        matched = [net for group in self.matched for net in group.nets]
        for group in self.matched:
            if len(group.nets) < 2 or not 0 <= group.within <= LARGEST:
                what = f"{','.join(group.nets)}:{group.within:g}"
                raise ParamError(
                    f"route: matched group {what!r} must be two nets or more, and a length of 0 um or more"
                )
        if twice := next((net for net in matched if matched.count(net) > 1), None):
            raise ParamError(f"route: net {twice!r} is to be matched twice; name it once")

    def over(self, other: RouteOptions) -> RouteOptions:
        """These where they say something, and else the other ones."""
        said = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) not in (None, False, ())}
        return replace(other, **said)

    def apply(self, problem: RouteProblem, pads: Collection[str]) -> RouteProblem:
        """The problem with these changes; `pads` are the names of the terminals that are pads.

        Raises:
            UnknownNameError: a matched net is none of the problem's.
            ParamError: a value is out of range.
        """
        changed: dict[str, Any] = {
            name: value
            for name in ("width", "space", "style")
            if (value := getattr(self, name)) is not None
        }  # fmt: skip
        nets = {t.net for t in problem.terminals if t.net}
        for net in (n for group in self.matched for n in group.nets):
            if net not in nets:
                raise UnknownNameError("net", net, nets, where="the chip to be matched")
        if self.ties is not None:
            changed["ties"] = self.ties is not Ties.NONE
            changed["terminals"] = tuple(
                replace(t, own_tie=self.ties is Ties.PADS and t.name in pads) for t in problem.terminals
            )
        if self.layers not in (None, problem.layers):
            has = "one metal layer" if problem.layers == 1 else "balls on the second of two metal layers"
            raise ParamError(f"route: layers={self.layers}, but the process has {has}; route on {problem.layers}")
        matched = (*problem.matched, *self.matched)
        return replace(problem, some_ties=self.some_ties or problem.some_ties, matched=matched, **changed)
