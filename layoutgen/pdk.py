"""A process as data: layers, derived layers, stack, flows, rules and masks, read from one `pdk.toml`.

Passed as an argument, never global. A PDK may `extends` another and hold only its differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import klayout.db as kdb
from pydantic import ConfigDict, Field, PrivateAttr

from layoutgen import derive, tomlfile
from layoutgen import steps as step_language
from layoutgen.blade import Blade, Name, UmOrText, length
from layoutgen.errors import PdkError, Problem, UnknownNameError, nearest
from layoutgen.tomlfile import Model, NonNegativeUm, OnWafer, PositiveOnWafer
from layoutgen.units import LARGEST, Ohm, Um

LayerName = Annotated[str, Field(pattern=tomlfile.LAYER_NAME)]
"""Of a reserved layer, which may be at a level of the cut: `cut_sure@LEVEL`."""
RuleId = Annotated[str, Field(pattern=tomlfile.RULE_NAME)]
Drawn = Literal["opening", "remaining"]
Density = Annotated[float, Field(ge=1e-3, le=1e3)]
"""A/dm2."""
LayerNumber = tuple[int, int]
SECOND_METAL = ("metal_2", "via_2")
"""Roles, and keys of `connect`, that a process with a second metal has."""
ATOM: Um = 1e-4
RESISTIVITY = {"copper": 1.7241e-8, "aluminium": 2.65e-8, "gold": 2.214e-8, "silver": 1.587e-8}
"""Ohm m at 20 degrees C, in bulk. Copper: annealed, 1/58 ohm mm2/m, IEC 60028; the others: CRC Handbook of Chemistry
and Physics, electrical resistivity of pure metals. Plated films lie above it until they are annealed."""


class Layer(Model):
    """A drawn layer: its GDS number, what its shapes stand for, and how KLayout shows it."""

    gds: LayerNumber
    drawn: Drawn | None = None
    """`None`: a reference or marker layer that no mask prints."""
    title: str
    color: str = Field(default="#808080", pattern=r"^#[0-9a-fA-F]{6}$")


class Derived(Model):
    """A layer that follows from others; with a GDS number it is also written to the files."""

    expression: str
    gds: LayerNumber | None = None
    title: str = ""
    color: str = Field(default="#808080", pattern=r"^#[0-9a-fA-F]{6}$")


class Level(Model):
    """One level of the stack: thickness in um, and whatever else the process knows of it, by name."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, allow_inf_nan=False)

    thickness: OnWafer
    """0: there is none."""
    material: str = ""
    resistivity: float | None = Field(default=None, ge=1e-10, le=1e18)
    """Ohm m at 20 degrees C, as measured on the film; left out, the bulk value of the material."""
    angle: float | None = Field(default=None, ge=0.1, le=90)
    """Of the walls of openings through it, against its face, in degrees."""

    @property
    def lean(self) -> dict[str, float]:
        """`lean`: by how much a wall stands out from the narrower end of an opening to the wider one (um)."""
        if self.angle is None:
            return {}
        return {"lean": round(self.thickness / math.tan(math.radians(self.angle)), 6), "angle": self.angle}


class Step(Model):
    """What follows the first cut: either another pass, or a layer that comes over the walls."""

    cut: Blade | None = None
    layer: str = ""
    """A level of the stack."""


class Cut(Blade):
    """How dies are parted: the blade's path along every street, and the passes that come after it (um)."""

    first: Literal["x", "y"] = "x"
    """The direction in which the first turn of a pass cuts; the second cuts the other."""
    ends: Literal["rim", "dies"] = "rim"
    """Where cuts end: beyond the wafer's edge, or just beyond the outermost dies of each street."""
    keeps: tuple[str, ...] = ()
    """Drawn layers of the wafer that no cut may touch; no die may be touched in any case."""
    burr: OnWafer = 0.0
    """By how much the metal of a cut tie is smeared out of its place."""
    clearance: PositiveOnWafer | None = None
    """How far cut ends of different nets must stay apart, less the burr of both; left out: nobody knows."""
    bares: str = ""
    """An expression: what is open in the dielectric that lies between ties and the wafer."""
    margin: OnWafer = 0.0
    """By how much the dielectric must reach beyond ties, and beyond where the blade may end them."""
    ties_avoid: tuple[str, ...] = ()
    """Drawn layers that no tie may cross: keep-outs and marks of the wafer."""
    levels: dict[Name, UmOrText] = Field(default_factory=dict)
    """Depths below the face that the blade enters, by name: what it takes there is on `cut_sure@NAME` and
    `cut_maybe@NAME`."""
    then: tuple[Step, ...] = ()
    """What follows, in order: passes of other blades, and what comes over the walls in between."""

    @property
    def passes(self) -> tuple[Blade, ...]:
        """All that is cut, in order; the blade of this table first."""
        return self, *(step.cut for step in self.then if step.cut)

    @property
    def widest(self) -> Blade:
        """The pass that may touch most."""
        return max(self.passes, key=lambda blade: blade.touched)

    def resolved(self, number: derive.Number) -> Cut:
        levels = {name: length(text, number) for name, text in self.levels.items()}
        then = tuple(
            step.model_copy(update={"cut": step.cut.resolved(number)}) if step.cut else step for step in self.then
        )
        return self.model_copy(update={"depth": length(self.depth, number), "levels": levels, "then": then})

    def below(self, level: str) -> Um:
        """The depth of a level, once expressions have their values."""
        depth = self.levels[level]
        return 0.0 if isinstance(depth, str) else depth

    def bands(self) -> dict[str, Um]:
        """Half width of what each reserved layer of the cut shows, 0 where nothing is cut."""
        out = {"cut_sure": self.removed, "cut_maybe": self.touched}
        for level in self.levels:
            out |= {f"cut_sure@{level}": self.sure(self.below(level))}
            out |= {f"cut_maybe@{level}": self.maybe(self.below(level))}
        return out

    def numbers(self) -> dict[str, float]:
        """What expressions may use of it: `cut.LEVEL.FIELD` and, of each pass, `cut.PASS.FIELD`."""
        out: dict[str, float] = {}
        for level in self.levels:
            below = self.below(level)
            fields = {"sure": self.sure, "maybe": self.maybe, "width": self.width, "height": self.height}
            out |= {f"cut.{level}.{name}": value(below) for name, value in fields.items()}
        for blade in self.passes:
            own = {"sure": blade.removed, "maybe": blade.touched, "depth": blade.deep, "ratio": blade.ratio}
            out |= {f"cut.{blade.name}.{name}": value for name, value in own.items()}
            out[f"cut.{blade.name}.angle"] = blade.angle or 0.0
        return out


class Rule(Model):
    """One design rule: which kind of check, on which layers, against which limit.

    Keys beyond these belong to the kind of check, which refuses those it does not know. Where one's text begins with
    `level.` or `cut.`, it is an expression over the stack, and the kind is given its value.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, allow_inf_nan=False)

    check: str
    layers: tuple[str, ...] = Field(min_length=1)
    limit: NonNegativeUm | None = None
    flows: tuple[str, ...] = ()
    why: str
    source: str

    @property
    def options(self) -> dict[str, Any]:
        """The keys that only this kind of check knows."""
        return dict(self.model_extra or {})


class Mask(Model):
    """One mask: what it prints (an expression over drawn layers), and how the drawing becomes the plate."""

    data: str
    gds: LayerNumber
    title: str
    drawn: Drawn
    resist: Literal["positive", "negative", "none"]
    transfer: Literal["etch", "plate-through", "photo-polymer", "stencil"]
    """`stencil`: no plate with a resist, but a foil with apertures where something is drawn."""
    side: Literal["front", "rear"] = "front"
    aligns_to: str
    """Another mask, or `incoming`: the marks the wafer came with."""
    marks: str
    """The drawn layer that this mask's own alignment marks are drawn on."""
    current_density: Density | None = None
    """Of the bath that plates through what it opens, in A/dm2; left out: nothing is plated through it."""
    flows: tuple[str, ...] = ()

    @property
    def tone(self) -> Literal["digitized data clear", "digitized data dark"]:
        """Whether light passes where something is drawn.

        A positive resist goes where it is exposed, a negative one stays. Resist has to go where an opening is drawn,
        or, where metal is plated through it, where the metal that remains is drawn. A stencil is open where drawn.
        """
        if self.resist == "none":
            return "digitized data clear" if self.drawn == "opening" else "digitized data dark"
        resist_goes = (self.drawn == "opening") != (self.transfer == "plate-through")
        clear = resist_goes == (self.resist == "positive")
        return "digitized data clear" if clear else "digitized data dark"


class Bath(Model):
    """The bath that plates what stands on the network in the kerf, as `physics.plating.Bath` takes it.

    The current density is that of the flow's mask, or drill, that opens what balls stand on: `Pdk.plated`.
    """

    conductivity: float = Field(ge=1e-3, le=1e4)
    """Of the electrolyte, in S/m."""
    height: OnWafer
    """From the wafer to the anode, or to the shield that evens the field (um)."""
    polarisation: float | None = Field(default=None, ge=0, le=1e3)
    """Slope of the overpotential against current density (ohm m2); left out, that of a Tafel line."""
    alpha: float = Field(default=0.5, ge=0.01, le=2)
    """Transfer coefficient of that line."""
    celsius: float = Field(default=25.0, ge=0, le=100)
    source: str = Field(min_length=1)


class Mismatch(Model):
    """What builds draw a map of: by how much two parts move against each other, beside how much of a layer is there."""

    parts: tuple[Name, Name]
    """Two levels of the stack that say their `expansion`, in ppm/K."""
    hot: str
    """An expression over the stack: degrees C at which neither strains the other."""
    cold: str
    """The same: degrees C for which the map is drawn."""
    share: str
    """The layer whose share of each place of the die is drawn beside it."""
    within: str = "die"
    """The layer that the share is of."""


class Drill(Model):
    """Openings that are drilled, not printed: handed over as a table of holes, one for each shape."""

    data: str
    """An expression: a plain union of drawn layers whose shapes are round."""
    title: str
    aligns_to: str
    """The mask whose marks the drill aims at."""
    current_density: Density | None = None
    """As a mask's."""
    flows: tuple[str, ...] = ()


class Range(Model):
    """Between what a number of the stack or the cut must lie, and who says so; checked when the process is read."""

    value: str
    """An expression over the stack and the cut."""
    unit: str = "um"
    at_least: NonNegativeUm | None = None
    at_most: NonNegativeUm | None = None
    flows: tuple[str, ...] = ()
    why: str = Field(min_length=1)
    source: str = Field(min_length=1)

    @property
    def words(self) -> str:
        """What it asks for."""
        low = "" if self.at_least is None else f">= {self.at_least:g} {self.unit}".rstrip()
        high = "" if self.at_most is None else f"<= {self.at_most:g} {self.unit}".rstrip()
        return f"{self.value} {' and '.join(filter(None, (low, high)))}"


class Flow(Model):
    """One way through the process: its stages by name, and where plating current comes from.

    What the process says otherwise in this flow stands in `roles`, `stack`, `connect`, `cells` and `cut`, which go over
    the process's own tables key by key: `Pdk.in_flow`.
    """

    title: str
    current: Literal["kerf", "blanket", "none"]
    stages: tuple[str, ...]
    street: tuple[str, ...] = ()
    wafer: tuple[str, ...] = ()
    draws: tuple[str, ...]
    """Layers that must not be empty; a check of an empty one would say nothing."""
    roles: dict[Name, str] = Field(default_factory=dict)
    stack: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    connect: dict[Name, Any] = Field(default_factory=dict)
    cells: dict[str, dict[str, Any]] = Field(default_factory=dict)
    cut: dict[Name, Any] = Field(default_factory=dict)


OF_FLOW = ("roles", "stack", "connect", "cells", "cut")
"""What a flow may have otherwise than its process."""


class Opening(Model):
    """Openings that join what they overlap: metals, or other openings that they go on through."""

    opening: str
    """An expression: the openings."""
    below: tuple[str, ...] = Field(min_length=1)
    """What they lead down to: names of metals, "metal" among them, and of other openings; to one of them at least."""
    above: tuple[str, ...] = Field(min_length=1)
    """What they lead up to, likewise."""


class Connect(Model):
    """What conducts, and what has to stand on the chip's terminals; the chip's nets are checked against it."""

    metal: str
    """An expression: all metal of the level that pads stand on, the bus included."""
    pad: tuple[str, ...]
    """Layers of which a shape stands over the centre of each pad."""
    ball: tuple[str, ...]
    """Layers of which a shape stands over the centre of each ball."""
    terminals: tuple[Literal["pad", "ball"], ...] = ("pad", "ball")
    """What a chip has here; where it has only pads, or only balls, what joins those of one net lies within the chip."""
    metal_2: str = ""
    """An expression: all metal of a second level, which balls then stand on."""
    via_2: str = ""
    """An expression: the openings through which both levels are joined."""
    metals: dict[Name, str] = Field(default_factory=dict)
    """Instead of a second level, any number: an expression of each by its name."""
    vias: dict[Name, Opening] = Field(default_factory=dict)
    """The openings that join them, by name."""
    top: str = ""
    """Which of `metals` balls stand on."""


CellDefault = bool | int | float | str | dict[str, str]


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


def read(folder: Path, find: Callable[[str], Path]) -> Pdk:
    """The PDK in `folder/pdk.toml`; `find` gives the folder of a PDK that it extends.

    Raises:
        PdkError: the file is missing or wrong; all of its problems at once.
    """
    path = folder / "pdk.toml"
    raw = _raw(path, find, ())
    pdk = tomlfile.validate(raw, Pdk, str(path), PdkError)
    problems = list(_problems(pdk, str(path)))
    if pdk.name != folder.name:
        problems.append(Problem(str(path), "name", f"must be the folder's, {folder.name!r}, not {pdk.name!r}"))
    if problems:
        raise PdkError(problems)
    read_in = _with_all_numbers(pdk)
    problems += _without_density(pdk, str(path), [name for name, flow in pdk.flows.items() if not flow.connect])
    for name, flow in pdk.flows.items():
        own = {key: value for key in OF_FLOW if (value := getattr(flow, key))}
        if not own:
            problems += _out_of_range(pdk, str(path), name)
            continue
        try:
            view = tomlfile.validate(_overlaid(raw, own), Pdk, str(path), PdkError)
        except PdkError as e:
            problems += [replace(p, place=f"flows.{name}.{p.place}") for p in e.problems]
            continue
        wrong = list(_problems(view, str(path))) or list(_out_of_range(view, str(path), name))
        if flow.connect and not wrong:
            wrong += _without_density(view, str(path), [name])
        problems += [replace(p, place=f"flows.{name}: {p.place}") for p in wrong]
        if not wrong:
            read_in._in_flow[name] = _with_all_numbers(view)
    if problems:
        raise PdkError(problems)
    return read_in


def _problems(pdk: Pdk, file: str) -> Iterator[Problem]:
    yield from _contradictions(pdk, file)
    yield from _unknown_numbers(pdk, file)


def _with_all_numbers(pdk: Pdk) -> Pdk:
    rules = {name: _with_numbers(pdk, rule) for name, rule in pdk.rules.items()}
    return pdk.model_copy(update={"rules": rules, "cut": pdk.cut and pdk.cut.resolved(pdk.number)})


def _out_of_range(pdk: Pdk, file: str, flow: str) -> Iterator[Problem]:
    """Numbers of the stack that do not lie where they must in a flow."""
    for name, asked in pdk.ranges.items():
        if asked.flows and flow not in asked.flows:
            continue
        value = round(derive.value(asked.value, pdk.number), 9)
        low = -math.inf if asked.at_least is None else asked.at_least
        high = math.inf if asked.at_most is None else asked.at_most
        if not low <= value <= high:
            found = f"{value:g} {asked.unit}".rstrip()
            yield Problem(file, f"ranges.{name}", f"asks for {asked.words}, which is {found} ({asked.source})")


def _without_density(pdk: Pdk, file: str, flows: Sequence[str]) -> Iterator[Problem]:
    """What keeps the bath from being computed in some of the flows whose current comes through the kerf."""
    told = set()
    for flow in flows if pdk.bath else ():
        if pdk.flows[flow].current != "kerf":
            continue
        if not (ball := pdk.connect.ball):
            message = "is empty; name the layer of what the bath plates, or leave [bath] out"
            problem = Problem(file, "connect.ball", message)
        elif not (found := pdk.densities(flow)):
            message = f"no mask or drill of flow {flow!r} that opens {ball[0]!r} says its current_density; give it"
            problem = Problem(file, "bath", message)
        elif len({*found.values()}) > 1:
            given = " and ".join(f"{place} = {density:g}" for place, density in found.items())
            problem = Problem(file, "bath", f"{given} are both of {ball[0]!r} in flow {flow!r}; make them equal")
        else:
            continue
        if problem not in told:
            told.add(problem)
            yield problem


def _over_the_stack(rule: Rule) -> dict[str, str]:
    """The options of a rule that are expressions over the stack."""
    return {key: v for key, v in rule.options.items() if isinstance(v, str) and v.startswith(("level.", "cut."))}


def _unknown_numbers(pdk: Pdk, file: str) -> Iterator[Problem]:
    for name, rule in pdk.rules.items():
        for key, text in _over_the_stack(rule).items():
            try:
                derive.value(text, pdk.number)
            except (ValueError, UnknownNameError) as e:
                yield Problem(file, f"rules.{name}.{key}", str(e))
    if pdk.mismatch:
        texts = {f"level.{part}.expansion": "parts" for part in pdk.mismatch.parts}
        for text, key in (texts | {pdk.mismatch.hot: "hot", pdk.mismatch.cold: "cold"}).items():
            try:
                derive.value(text, pdk.number)
            except (ValueError, UnknownNameError) as e:
                yield Problem(file, f"mismatch.{key}", str(e))
    for name, asked in pdk.ranges.items():
        try:
            derive.value(asked.value, pdk.number)
        except (ValueError, UnknownNameError) as e:
            yield Problem(file, f"ranges.{name}.value", str(e))
        if asked.at_least is None and asked.at_most is None:
            yield Problem(file, f"ranges.{name}", "give at_least, at_most or both, or nothing could be found")
        for flow in asked.flows:
            if flow not in pdk.flows:
                yield Problem(file, f"ranges.{name}.flows", f"no flow {flow!r}{nearest(flow, pdk.flows)}")


def _with_numbers(pdk: Pdk, rule: Rule) -> Rule:
    """The rule with the values of its expressions over the stack in their place."""
    texts = _over_the_stack(rule)
    values = {key: round(derive.value(text, pdk.number), 9) for key, text in texts.items()}
    return rule.model_copy(update=values) if values else rule


def _raw(path: Path, find: Callable[[str], Path], below: tuple[Path, ...]) -> dict[str, Any]:
    if path in below:
        raise PdkError([Problem(str(path), "extends", "this PDK extends itself; break the circle")])
    raw = tomlfile.load(path, PdkError)
    parent = raw.get("extends")
    if not isinstance(parent, str):
        return raw
    try:
        folder = find(parent)
    except UnknownNameError as e:
        raise PdkError([Problem(str(path), "extends", str(e))]) from None
    return _overlaid(_raw(folder / "pdk.toml", find, (*below, path)), raw)


def _overlaid(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Tables merge key by key; anything else is replaced. A new key stands after the one that it follows in `over`.

    A cut that is a V no more loses the angle that only a V has.
    """
    if isinstance(given := over.get("profile"), str) and given != "v":
        base = {key: value for key, value in base.items() if key not in ("angle", "angle_tolerance")}
    order = [*base]
    for before, key in pairwise(["", *over]):
        if key not in base:
            order.insert(order.index(before) + 1 if before in order else len(order), key)
    out = {**base, **over}
    for key in base.keys() & over.keys():
        if isinstance(base[key], dict) and isinstance(over[key], dict):
            out[key] = _overlaid(base[key], over[key])
    return {key: out[key] for key in order}


def _contradictions(pdk: Pdk, file: str) -> Iterator[Problem]:
    """What no single table shows: names that lead nowhere, numbers used twice, derived layers in a circle."""
    layers = {*pdk.drawn_layers, *pdk.derived}

    def unknown(place: str, name: str, known: set[str], kind: str = "layer") -> Iterator[Problem]:
        if name not in known:
            yield Problem(file, place, f"no {kind} {name!r}{nearest(name, known)}")

    def expression(place: str, text: str) -> Iterator[Problem]:
        try:
            for name in derive.names(text):
                yield from unknown(place, name, layers)
            derive.reach(text, pdk.number)
        except (ValueError, UnknownNameError) as e:
            yield Problem(file, place, str(e))

    numbers: dict[LayerNumber, str] = {}
    written = [(n, layer.gds) for n, layer in pdk.drawn_layers.items()]
    written += [(n, d.gds) for n, d in pdk.derived.items() if d.gds]
    for name, number in written:
        if (other := numbers.setdefault(number, name)) != name:
            yield Problem(file, f"{name}.gds", f"GDS number {number[0]}/{number[1]} is {other!r} already")
    for name in pdk.layers.keys() & pdk.reserved.keys():
        yield Problem(file, f"reserved.{name}", "there is a drawn layer of the same name")
    for name, derived in pdk.derived.items():
        if name in pdk.drawn_layers:
            yield Problem(file, f"derived.{name}", "there is a drawn layer of the same name")
        yield from expression(f"derived.{name}", derived.expression)
        yield from _circle(pdk, file, name)
    for name, layer_name in pdk.roles.items():
        yield from unknown(f"roles.{name}", layer_name, layers)
    printed = {"incoming"}
    for name, mask in pdk.masks.items():
        yield from expression(f"masks.{name}.data", mask.data)
        yield from unknown(f"masks.{name}.marks", mask.marks, set(pdk.layers))
        yield from unknown(f"masks.{name}.aligns_to", mask.aligns_to, printed, "earlier mask")
        if (mask.transfer == "stencil") != (mask.resist == "none"):
            yield Problem(file, f"masks.{name}.resist", "must be 'none' for a stencil, and for nothing else")
        printed.add(name)
        for flow in mask.flows:
            yield from unknown(f"masks.{name}.flows", flow, set(pdk.flows), "flow")
    if pdk.default_flow:
        yield from unknown("default_flow", pdk.default_flow, set(pdk.flows), "flow")
    if pdk.mismatch:
        for key in ("share", "within"):
            yield from unknown(f"mismatch.{key}", getattr(pdk.mismatch, key), layers)
    for name, drill in pdk.drills.items():
        yield from expression(f"drills.{name}.data", drill.data)
        yield from unknown(f"drills.{name}.aligns_to", drill.aligns_to, printed, "mask")
        if name in pdk.masks:
            yield Problem(file, f"drills.{name}", "there is a mask of the same name")
        for flow in drill.flows:
            yield from unknown(f"drills.{name}.flows", flow, set(pdk.flows), "flow")
    for name, level in pdk.stack.items():
        if 0 < level.thickness < ATOM:
            message = f"{level.thickness:g} um is thinner than an atom ({ATOM:g} um); write 0 where there is none"
            yield Problem(file, f"stack.{name}.thickness", message)
    for place, given in _lists(pdk):
        for name in dict.fromkeys(n for n in given if given.count(n) > 1):
            yield Problem(file, place, f"{name!r} stands there {given.count(name)} times; keep one")
    stack = {name: level.material for name, level in pdk.stack.items()}
    for place, message in step_language.problems(
        pdk.steps, flows=pdk.flows, layers=layers, masks=pdk.masks, stack=stack, materials=pdk.materials,
        number=pdk.number, blades=[blade.name for blade in pdk.cut.passes] if pdk.cut else (),
    ):  # fmt: skip
        yield Problem(file, place, message)
    for name, rule in pdk.rules.items():
        for layer_name in rule.layers:
            yield from unknown(f"rules.{name}.layers", layer_name, layers)
        for flow in rule.flows:
            yield from unknown(f"rules.{name}.flows", flow, set(pdk.flows), "flow")
    yield from expression("connect.metal", pdk.connect.metal)
    for key in SECOND_METAL:
        if text := getattr(pdk.connect, key):
            yield from expression(f"connect.{key}", text)
    second = [key in pdk.roles for key in SECOND_METAL] + [bool(getattr(pdk.connect, key)) for key in SECOND_METAL]
    if any(second) and not all(second):
        yield Problem(file, "roles", "a second metal needs metal_2 and via_2 here and in connect; give all or none")
    yield from _levels(pdk, file, unknown, expression)
    for layer_name in (*pdk.connect.pad, *pdk.connect.ball):
        yield from unknown("connect", layer_name, layers)
    for name, flow_ in pdk.flows.items():
        for layer_name in flow_.draws:
            yield from unknown(f"flows.{name}.draws", layer_name, layers)
    for layer_name in pdk.cut.keeps if pdk.cut else ():
        yield from unknown("cut.keeps", layer_name, set(pdk.drawn_layers))
    if pdk.bath and not any(flow_.current == "kerf" for flow_ in pdk.flows.values()):
        yield Problem(file, "bath", "no flow takes its current from 'kerf', so nothing is plated with it; leave it out")
    bath = pdk.bath
    if bath and bath.polarisation is not None and bath.height / 1e6 / bath.conductivity + bath.polarisation < 1e-12:
        yield Problem(file, "bath", "height and polarisation are both 0; one must be above")
    for layer_name in pdk.cut.ties_avoid if pdk.cut else ():
        yield from unknown("cut.ties_avoid", layer_name, set(pdk.drawn_layers))
    if pdk.cut and pdk.cut.bares:
        yield from expression("cut.bares", pdk.cut.bares)
    elif pdk.cut and pdk.cut.margin:
        yield Problem(file, "cut.margin", "needs bares, what is open in the dielectric")
    if pdk.cut and pdk.cut.burr and pdk.cut.clearance is None:
        yield Problem(file, "cut.burr", "needs clearance, how far cut ends must stay apart")
    if pdk.cut:
        yield from _of_the_cut(pdk, pdk.cut, file)


def _lists(pdk: Pdk) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Lists of names in which each stands once, with their places."""
    yield "connect.pad", pdk.connect.pad
    yield "connect.ball", pdk.connect.ball
    if pdk.cut:
        yield "cut.keeps", pdk.cut.keeps
        yield "cut.ties_avoid", pdk.cut.ties_avoid
    for table in ("masks", "drills", "ranges", "rules"):
        yield from ((f"{table}.{name}.flows", one.flows) for name, one in getattr(pdk, table).items())


def _of_the_cut(pdk: Pdk, cut: Cut, file: str) -> Iterator[Problem]:
    """What is wrong with the passes of the cut and its levels."""
    texts = {"cut.depth": cut.depth} | {f"cut.levels.{name}": text for name, text in cut.levels.items()}
    texts |= {f"cut.then.{k}.cut.depth": step.cut.depth for k, step in enumerate(cut.then) if step.cut}
    wrong = []
    for place, text in texts.items():
        try:
            if (value := length(text, pdk._of_stack)) is not None and not 0 <= value <= LARGEST:
                wrong.append(
                    Problem(file, place, f"{text} is {value:g} um; depths are not below 0, nor beyond {LARGEST:g}")
                )
        except (ValueError, UnknownNameError) as e:
            wrong.append(Problem(file, place, str(e)))
    if wrong:
        yield from wrong
        return
    cut = cut.resolved(pdk._of_stack)
    for place, blade in {"cut": cut, **{f"cut.then.{k}.cut": s.cut for k, s in enumerate(cut.then)}}.items():
        for key, text in blade.complaints() if blade else ():
            yield Problem(file, f"{place}.{key}" if key else place, text)
    for k, step in enumerate(cut.then):
        if (step.cut is None) == (not step.layer):
            yield Problem(file, f"cut.then.{k}", "give either cut, another pass, or layer, what comes over the walls")
        elif step.layer and step.layer not in pdk.stack:
            message = f"no level {step.layer!r} in the stack{nearest(step.layer, pdk.stack)}"
            yield Problem(file, f"cut.then.{k}.layer", message)
    names = [*(blade.name for blade in cut.passes), *cut.levels]
    for name in dict.fromkeys(n for n in names if names.count(n) > 1):
        yield Problem(file, "cut", f"{name!r} names two passes, or a pass and a level; give each a name of its own")
    if cut.levels and cut.depth is None:
        yield Problem(file, "cut.depth", "is missing; what is cut at a level depends on it")
    for level in cut.levels:
        for layer in (f"cut_sure@{level}", f"cut_maybe@{level}"):
            if layer not in pdk.reserved:
                message = f"needs a reserved layer {layer!r}, on which it is drawn"
                yield Problem(file, f"cut.levels.{level}", message)
    for name in pdk.reserved:
        base, at, level = name.partition("@")
        if at and (base not in ("cut_sure", "cut_maybe") or level not in cut.levels):
            yield Problem(file, f"reserved.{name}", "only cut_sure and cut_maybe are at a level, one of cut.levels")


def _levels(
    pdk: Pdk, file: str, unknown: Callable[..., Iterator[Problem]], expression: Callable[[str, str], Iterator[Problem]]
) -> Iterator[Problem]:
    """What is wrong with the metals beyond the first and the openings between them."""
    table = pdk.connect
    metals, known = {"metal", *table.metals}, {"metal", *table.metals, *table.vias}
    for name, text in table.metals.items():
        yield from expression(f"connect.metals.{name}", text)
        if name in ("metal", *SECOND_METAL):
            yield Problem(file, f"connect.metals.{name}", "is a name that connect gives a meaning; choose another")
    for name, via in table.vias.items():
        yield from expression(f"connect.vias.{name}.opening", via.opening)
        for other in (*via.below, *via.above):
            yield from unknown(f"connect.vias.{name}", other, known - {name}, "metal or opening")
        if name in ("metal", *SECOND_METAL, *table.metals):
            yield Problem(file, f"connect.vias.{name}", "is the name of a metal; choose another")
    if table.metals and table.metal_2:
        yield Problem(file, "connect.metals", "stands beside metal_2; keep the one or the other")
    if table.top:
        yield from unknown("connect.top", table.top, metals, "metal")


def _circle(pdk: Pdk, file: str, start: str) -> Iterator[Problem]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        derived = pdk.derived.get(todo.pop())
        try:
            uses = derive.names(derived.expression) if derived else ()
        except ValueError:
            return
        for name in uses:
            if name == start:
                yield Problem(file, f"derived.{start}", "is made of itself; break the circle")
                return
            if name not in seen:
                seen.add(name)
                todo.append(name)
