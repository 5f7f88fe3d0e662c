"""The tables of a spec, as a TOML file has them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from layoutgen.chip import LayoutLayers
from layoutgen.chip.model import MOST_LETTERS
from layoutgen.route import Matched, RouteOptions, Style, Ties
from layoutgen.tomlfile import FILE_NAME, SPACED_NAME, Model, NonNegativeUm, OneOrPair, PositiveUm
from layoutgen.units import LARGEST, Um
from layoutgen.wafer import Rim

OnWafer = Annotated[Um, Field(gt=0, le=LARGEST)]
OnDie = Annotated[Um, Field(ge=0, le=LARGEST)]
NetName = Annotated[str, Field(max_length=MOST_LETTERS)]


class ArraySpec(Model):
    """A generated chip: an array of balls and a ring of pads."""

    columns: int = Field(ge=1, le=400)
    """Balls in x."""
    rows: int = Field(ge=1, le=400)
    """Balls in y."""
    pitch: OnWafer
    """Between the centres of neighbouring balls, in x and y."""
    margin: OnWafer
    """From the outermost ball centres to the die edge."""
    pad_inset: OnWafer = 75.0
    """From the pads' centres to the die edge."""


Layer = tuple[Annotated[int, Field(ge=0, le=65535)], Annotated[int, Field(ge=0, le=65535)]]
"""Number and datatype of a layer in a layout file."""
_LAYERS = LayoutLayers()
MOST_FLAT = 0.5
"""Of the diameter: flats are 0.25 to 0.4 of it."""


class LayersSpec(Model):
    """Number and datatype of the layers that a layout has the chip on."""

    outline: Layer = _LAYERS.outline
    """The die: one polygon."""
    pad: Layer = _LAYERS.pad
    """Metal of the pads."""
    ball: Layer = _LAYERS.ball
    """Metal of the balls; a text of this layer on no shape is a ball whose size the process says."""
    text: Layer = _LAYERS.text
    """Texts `NAME NET` or `NET` on the pads and balls."""
    keepout: Layer = _LAYERS.keepout
    """What wires keep clear of."""


class ChipSpec(Model):
    """Where the chip comes from: two tables and a size, an array, a DEF file with LEF files, or a layout."""

    name: str = Field(pattern=SPACED_NAME)
    """The chip's name, for reports."""
    size: tuple[PositiveUm, PositiveUm] | None = None
    """Width and height of the die: the outer edge of its seal ring."""
    pads: str = ""
    """The pad table: a CSV file, its path relative to the spec. Left out where chips of the process have none."""
    balls: str = ""
    """The ball table, likewise."""
    shapes: str = ""
    """The table of an outline that is no rectangle, and of keep-outs; `size` may then be left out."""
    pad_size: tuple[PositiveUm, PositiveUm] | None = None
    """Width and height of pad metal where the pad table does not say; 55 x 55 with `array`."""
    array: ArraySpec | None = None
    """Instead of `size`, `pads` and `balls`: a generated chip."""
    def_: str = Field(default="", alias="def")
    """Instead of them: a DEF file."""
    lef: tuple[str, ...] = ()
    """With `def`: the LEF files of its cells."""
    layer: str = ""
    """With `def`: the layer that is routed; left out, that of the bumps."""
    gds: str = ""
    """Instead of all these: a layout, GDSII or OASIS."""
    cell: str = ""
    """With `gds`: the cell that is the chip; left out, the only top cell."""
    layers: LayersSpec | None = None
    """With `gds`: where it has what, if not where the defaults say."""
    ground: NetName = ""
    """The net of the ground conductor, which alone may reach the cut; needed where a track is on role `ground`."""

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that it names."""
        return tuple(filter(None, (self.pads, self.balls, self.shapes, self.def_, *self.lef, self.gds)))


class WaferSpec(Model):
    """The incoming wafer and how dies stand on it."""

    diameter: OnWafer = 200_000.0
    """Diameter of the wafer."""
    edge_exclusion: NonNegativeUm = 5_000.0
    """From the wafer's edge; whole dies stand within, and no others."""
    notch: Literal["bottom", "left", "top", "right", "none"] = "bottom"
    """Where the wafer's notch is, or the middle of its flat."""
    flat: PositiveUm | None = None
    """Length of a flat, which wafers up to 150 mm have in place of a notch (SEMI M1: 32 500 at 100 mm)."""
    street: OneOrPair | None = None
    """Between dies, the same in x and y or one each. Where neither this nor `step` is given: what a groove of the
    process's cut may touch at its widest, up to whole um; without one 100, or more where the blade asks for it."""
    step: tuple[PositiveUm, PositiveUm] | None = None
    """The step the wafer came with; the street follows. Give this or `street`."""
    centre: Literal["die", "street"] = "street"
    """What stands on the wafer's centre: the middle of a die, or the crossing of two streets."""
    mark_sites: int = Field(default=2, ge=2, le=8)
    """Places that hold alignment marks instead of a die."""

    @field_validator("flat", mode="before")
    @classmethod
    def _length(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError("must be the length of the flat in um (on which side it is, `notch` says)")
        return value

    @property
    def rim(self) -> Rim:
        """The wafer's edge."""
        return Rim(self.diameter, self.edge_exclusion, self.notch, self.flat or 0.0)


class LabelSpec(Model):
    """The label of each die: its row's letters and its column's number."""

    at: tuple[NonNegativeUm, NonNegativeUm] | None = None
    """Its lower-left corner in the die; left out, a free corner is found."""
    draw: bool = True
    """False: dies get no label."""


class MatchSpec(Model):
    """Nets whose wires are made equally long."""

    nets: tuple[str, ...] = Field(min_length=2)
    """The nets."""
    within: Annotated[Um, Field(ge=0, le=LARGEST)]
    """How much they may differ."""


class RoutingSpec(Model):
    """How wires run where chip and process leave that open; their width and space are the cells' that draw them."""

    style: Literal["any-angle", "curved", "octilinear", "manhattan"] = "any-angle"
    """Directions of wires: any, likewise with bends as arcs, multiples of 45 degrees, or of 90."""
    ties: Literal["none", "nets", "pads"] | None = None
    """What gets a wire to the die's edge: nothing, each net, or each pad; left out, as the flow says."""
    match: tuple[MatchSpec, ...] = ()
    """Groups of nets of equal length."""

    @property
    def options(self) -> RouteOptions:
        """The same for the router.

        Raises:
            ParamError: a net is to be matched twice.
        """
        groups = tuple(Matched(group.nets, group.within) for group in self.match)
        return RouteOptions(style=Style(self.style), ties=Ties(self.ties) if self.ties else None, matched=groups)


class PlaceSpec(Model):
    """A cell put on the die, over what the flow draws there."""

    cell: str
    """Its name: see `layoutgen cells`."""
    at: tuple[OnDie, OnDie]
    """Where its origin stands, from the die's lower-left corner."""
    angle: Literal[0, 90, 180, 270] = 0
    """By how many degrees it is turned, counter-clockwise."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Its parameters here; the rest is that of `[cells]`, or comes from the process."""
    nets: dict[str, NetName] = Field(default_factory=dict)
    """Nets by the names of its pins; the metal there has to be of that net."""


class TrackSpec(Model):
    """A wire drawn on the die, cut square at its ends."""

    on: str
    """A role of the process (`metal`, ...) or a drawn layer. One on role `ground` may end on the die's edge: it is led
    on into the street."""
    width: PositiveUm
    """Its width."""
    points: tuple[tuple[OnDie, OnDie], ...] = Field(min_length=2)
    """Its middle line from point to point, from the die's lower-left corner."""
    net: NetName = ""
    """The net that it has to be of; left out, nobody asks."""


class SpecFile(Model):
    """What to build, and in which process; tables say the rest."""

    name: str = Field(pattern=FILE_NAME)
    """The build's name, its folder's, and the beginning of its files' names."""
    pdk: str = Field(min_length=1)
    """The process: a name that `layoutgen pdk` lists, or a path to a folder with a pdk.toml."""
    flow: str | None = None
    """One of the process's flows; may be left out where there is only one."""
    chip: ChipSpec
    """The chip."""
    wafer: WaferSpec = WaferSpec()
    """The wafer."""
    label: LabelSpec = LabelSpec()
    """The die label."""
    routing: RoutingSpec = RoutingSpec()
    """How wires run."""
    cells: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """`[cells."NAME"]`: parameters of a cell; the rest comes from the process."""
    place: tuple[PlaceSpec, ...] = ()
    """`[[place]]`: cells put on the die."""
    track: tuple[TrackSpec, ...] = ()
    """`[[track]]`: wires drawn on it."""
