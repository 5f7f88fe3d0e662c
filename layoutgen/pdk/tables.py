"""The tables of a `pdk.toml`: layers, stack, cut, rules, masks, flows and what conducts, as validated models."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from layoutgen import derive, tomlfile
from layoutgen.blade import Blade, Name, UmOrText, length
from layoutgen.tomlfile import Model, NonNegativeUm, OnWafer, PositiveOnWafer
from layoutgen.units import Um

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
    shown: bool = True
    """False: a layout opens without it, as of what only rules ask for."""


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
    """Which way the face looks that it patterns. Drawings are seen from the front: `rear` mirrors the plate."""
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

    What the process says otherwise in this flow stands in `roles`, `stack`, `connect`, `masks`, `cells` and `cut`,
    which go over the process's own tables key by key: `Pdk.in_flow`.
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
    masks: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    cells: dict[str, dict[str, Any]] = Field(default_factory=dict)
    cut: dict[Name, Any] = Field(default_factory=dict)


OF_FLOW = ("roles", "stack", "connect", "masks", "cells", "cut")
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
