"""A process: all tables of its `pdk.toml`, and what they say together. Passed as an argument, never global."""

from __future__ import annotations

import klayout.db as kdb
from pydantic import Field, PrivateAttr

from layoutgen import derive
from layoutgen import steps as step_language
from layoutgen.blade import Name
from layoutgen.errors import UnknownNameError
from layoutgen.pdk.tables import (
    RESISTIVITY,
    Bath,
    CellDefault,
    Connect,
    Cut,
    Derived,
    Drill,
    Flow,
    Layer,
    LayerName,
    LayerNumber,
    Level,
    Mask,
    Mismatch,
    Range,
    Rule,
    RuleId,
)
from layoutgen.tomlfile import Model, OnWafer, PositiveOnWafer
from layoutgen.units import Ohm, Um


class Pdk(Model):
    """A process. Every length is um."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    source: str
    extends: str = ""
    grid: PositiveOnWafer = 0.001
    guard: OnWafer = 0.004
    """Added once, when drawing: what facets and snapping may take away from a dimension."""
    circle_points: int = Field(default=128, ge=32, multiple_of=8)
    """Corners of a drawn circle: the same for all, so that concentric circles keep their distance exactly."""
    layers: dict[Name, Layer]
    reserved: dict[LayerName, Layer]
    derived: dict[Name, Derived] = Field(default_factory=dict)
    roles: dict[Name, str]
    stack: dict[Name, Level] = Field(default_factory=dict)
    cut: Cut | None = None
    bath: Bath | None = None
    """Left out: builds do not predict what the bath makes of the network in the kerf."""
    mismatch: Mismatch | None = None
    """Left out: builds draw no map of what moves against what."""
    flows: dict[Name, Flow]
    default_flow: str = ""
    """The flow that is meant where none is named; may be left out where there is only one."""
    masks: dict[Name, Mask]
    drills: dict[Name, Drill] = Field(default_factory=dict)
    ranges: dict[RuleId, Range] = Field(default_factory=dict)
    cells: dict[str, dict[str, CellDefault]] = Field(default_factory=dict)
    connect: Connect
    materials: dict[str, step_language.Material] = Field(default_factory=dict)
    steps: tuple[step_language.Step, ...] = ()
    """What is done to the wafer, for cross-sections; left out: none can be drawn."""
    rules: dict[RuleId, Rule]
    _in_flow: dict[str, Pdk] = PrivateAttr(default_factory=dict)

    # layers -----------------------------------------------------------------------------------------------------
    @property
    def drawn_layers(self) -> dict[str, Layer]:
        """Every layer that shapes can be drawn on, reserved ones included."""
        return self.layers | self.reserved

    def role(self, name: str) -> str:
        """The layer that plays a role (`metal`, `via`, ...) in this process.

        Raises:
            UnknownNameError: this process has no such role.
        """
        if name not in self.roles:
            raise UnknownNameError("role", name, self.roles, where=f"PDK {self.name!r}")
        return self.roles[name]

    def gds(self, layer: str) -> LayerNumber:
        """GDS layer and datatype of a drawn, reserved or written derived layer.

        Raises:
            UnknownNameError: no layer of that name, or a derived one without a number.
        """
        if layer in self.drawn_layers:
            return self.drawn_layers[layer].gds
        derived = self.derived.get(layer)
        if derived is None or derived.gds is None:
            raise UnknownNameError("layer with a GDS number", layer, self.drawn_layers, where=f"PDK {self.name!r}")
        return derived.gds

    def sources(self, layer: str) -> tuple[str, ...]:
        """The drawn layers that a layer, derived or not, is made of."""
        if layer in self.derived:
            found = [s for n in derive.names(self.derived[layer].expression) for s in self.sources(n)]
            return tuple(dict.fromkeys(found))
        if layer not in self.drawn_layers:
            raise UnknownNameError("layer", layer, [*self.drawn_layers, *self.derived], where=f"PDK {self.name!r}")
        return (layer,)

    def region(self, layer: str, fetch: derive.Fetch) -> kdb.Region:
        """A layer's merged region; `fetch` gives those of the drawn layers."""
        if layer not in self.derived:
            return fetch(layer).merged()
        return self.evaluate(self.derived[layer].expression, fetch)

    def evaluate(self, expression: str, fetch: derive.Fetch) -> kdb.Region:
        """An expression's merged region; `fetch` gives those of the drawn layers."""
        return derive.evaluate(expression, lambda name: self.region(name, fetch), self.number)

    def reach(self, layer: str) -> Um:
        """How far the drawn shapes can lie that decide what a layer is at a point (um)."""
        if layer not in self.derived:
            return 0.0
        expression = self.derived[layer].expression
        return derive.reach(expression, self.number) + max(
            (self.reach(n) for n in derive.names(expression)), default=0.0
        )

    def growth(self, layer: str) -> Um:
        """By how much a layer stands out at most beyond the drawn shapes it is made of (um)."""
        if layer not in self.derived:
            return 0.0
        expression = self.derived[layer].expression
        below = max((self.growth(n) for n in derive.names(expression)), default=0.0)
        return derive.growth(expression, self.number) + below

    def number(self, path: str) -> float:
        """A number of the stack by its path, `level.NAME.FIELD`; or of the cut, `cut.NAME.FIELD`.

        Raises:
            UnknownNameError: there is no such level or field.
        """
        known = {
            f"level.{level}.{name}": float(value)
            for level, fields in self.stack.items()
            for name, value in {**fields.lean, **(fields.model_extra or {}), "thickness": fields.thickness}.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        if path.startswith("cut.") and self.cut:
            known = self.cut.resolved(self._of_stack).numbers()
        if path not in known:
            raise UnknownNameError("number", path, known, where=f"PDK {self.name!r}")
        return known[path]

    def _of_stack(self, path: str) -> float:
        """A number of the stack: what the cut's own expressions may use."""
        if path.startswith("cut."):
            raise UnknownNameError("number", path, (), where="the expressions of [cut]")
        return self.number(path)

    def sheet_resistance(self, layer: str) -> Ohm | None:
        """Ohm a square of a drawn metal layer, from the level of its name in the stack: resistivity / thickness.

        None where the stack does not know the layer, its thickness, or how well its material conducts.
        """
        level = self.stack.get(layer)
        if level is None or not level.thickness:
            return None
        resistivity = level.resistivity or RESISTIVITY.get(level.material)
        return None if resistivity is None else resistivity / (level.thickness * 1e-6)

    # rules ------------------------------------------------------------------------------------------------------
    def limit(self, check: str, *layers: str) -> Um:
        """The strictest limit that rules of one kind set for these layers, in the rule's order (um).

        A rule on a plain union (`rdl | rdl_tie`) binds each of its layers.

        Raises:
            UnknownNameError: no rule of that kind speaks of these layers; the message names them.
        """
        found = [
            rule.limit
            for rule in self.rules.values()
            if rule.check == check and rule.limit is not None and len(rule.layers) == len(layers)
            and all(self._covers(theirs, ours) for theirs, ours in zip(rule.layers, layers, strict=True))
        ]  # fmt: skip
        if not found:
            raise UnknownNameError(f"{check} rule in PDK {self.name!r} for", " in ".join(layers), ())
        return max(found)

    def enclosure(self, *, of: str, by: str) -> Um:
        """By how much the layer in role `by` must stand out beyond the one in role `of` (um)."""
        return self.limit("enclosure", self.role(of), self.role(by))

    def _covers(self, rule_layer: str, layer: str) -> bool:
        if rule_layer == layer:
            return True
        derived = self.derived.get(rule_layer)
        parts = derive.union_of(derived.expression) if derived else None
        return parts is not None and any(self._covers(p, layer) for p in parts)

    def flow(self, name: str | None = None) -> tuple[str, Flow]:
        """A flow by name; without a name the process's default, or the only one there is.

        Raises:
            UnknownNameError: no such flow, or none named where there are several and no default.
        """
        if name is None:
            name = self.default_flow or None
        if name is None and len(self.flows) == 1:
            return next(iter(self.flows.items()))
        if name is None or name not in self.flows:
            raise UnknownNameError("flow", name or "", self.flows, where=f"PDK {self.name!r}")
        return name, self.flows[name]

    def in_flow(self, name: str) -> Pdk:
        """The process as it is in a flow: with what the flow has otherwise in place of the process's own."""
        return self._in_flow.get(name, self)

    def rules_of(self, flow: str) -> dict[str, Rule]:
        """The rules that a flow has to keep, by name."""
        return {name: rule for name, rule in self.rules.items() if not rule.flows or flow in rule.flows}

    def drills_of(self, flow: str) -> dict[str, Drill]:
        """The tables of holes that a flow hands over."""
        return {name: drill for name, drill in self.drills.items() if not drill.flows or flow in drill.flows}

    def steps_of(self, flow: str) -> tuple[step_language.Step, ...]:
        """What a flow does to the wafer, in order."""
        return step_language.of_flow(self.steps, flow)

    def masks_of(self, flow: str) -> dict[str, Mask]:
        """The masks that a flow uses, in the order they print."""
        return {name: mask for name, mask in self.masks.items() if not mask.flows or flow in mask.flows}

    def densities(self, flow: str) -> dict[str, float]:
        """The current densities (A/dm2) at which what balls stand on is plated in a flow, by the keys that say so."""
        if not self.connect.ball:
            return {}
        stands = {*self.sources(self.connect.ball[0])}
        printed = {f"masks.{name}": mask for name, mask in self.masks_of(flow).items()}
        opening: dict[str, Mask | Drill] = printed | {f"drills.{n}": drill for n, drill in self.drills_of(flow).items()}
        return {
            f"{place}.current_density": one.current_density for place, one in opening.items()
            if one.current_density is not None
            and not stands.isdisjoint(s for n in derive.names(one.data) for s in self.sources(n))
        }  # fmt: skip
