"""The spec: what to build, as a TOML file. Checked as a whole; every problem at once; paths relative to the file."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from layoutgen import discover, rowfile, tomlfile
from layoutgen.cell import Library
from layoutgen.chip import Chip, LayoutLayers, array_chip, check, load, read_tables
from layoutgen.chip.model import MOST_LETTERS
from layoutgen.connect.stack import stack
from layoutgen.errors import ChipError, InputError, LayoutgenError, Problem, SpecError, UnknownNameError
from layoutgen.kerf import least_street, too_narrow
from layoutgen.pdk import Pdk
from layoutgen.route import Matched, RouteOptions, Style, Ties
from layoutgen.tomlfile import FILE_NAME, SPACED_NAME, Model, NonNegativeUm, OneOrPair, PositiveUm
from layoutgen.units import DBU, LARGEST, Um, off_grid

M = TypeVar("M", bound=Model)

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


@dataclass(frozen=True, slots=True)
class Spec:
    """A checked spec with the chip it names."""

    path: Path
    file: SpecFile
    chip: Chip
    step: tuple[Um, Um]
    cell_folders: tuple[Path, ...] = ()
    """Folders with Python files of the user's own cells and stages."""
    row_files: tuple[str, ...] = ()
    """Files whose rows are parameters of cells."""

    @property
    def street(self) -> tuple[Um, Um]:
        """Width of the street in x and y (um)."""
        return round(self.step[0] - self.chip.width, 3), round(self.step[1] - self.chip.height, 3)


def read(path: Path, cells: Iterable[Path] = ()) -> Spec:
    """The spec in a file, with its chip; `cells` are folders with Python files of the user's own cells and stages.

    Only the caller names such folders: what a spec says never runs code.

    Raises:
        SpecError: anything in it, or in the tables, process and cells it names, is wrong; all problems at once.
    """
    folders = tuple(cells)
    shown = str(path)
    raw = tomlfile.load(path, SpecError)
    problems: list[Problem] = []
    row_files: list[str] = []
    with suppress(LayoutgenError):  # what is wrong with cells brought along is said below
        raw, row_files, problems = rowfile.taken(raw, path.parent, shown, discover.cells(*folders))
    file = _table(raw, SpecFile, shown, problems)
    # a table that is right by itself is looked into, whatever is wrong beside it
    chip_spec, wafer = (_table(raw.get(key, {}), model) for key, model in (("chip", ChipSpec), ("wafer", WaferSpec)))
    pdk = _process_of_flow(raw)
    terminals = pdk.connect.terminals if pdk else ("pad", "ball")
    chip = _chip(chip_spec, path, terminals, problems) if isinstance(chip_spec, ChipSpec) else None
    if chip_spec is None:
        problems += _tables(raw.get("chip"), path)
    usual = least_street(pdk) if pdk else 100.0
    step = _step(wafer, chip, shown, problems, usual) if isinstance(wafer, WaferSpec) else None
    problems += _process(raw, shown, folders)
    if file is not None:
        problems += _drawn(file, chip, shown, folders)
    problems += _routing(_table(raw.get("routing", {}), RoutingSpec), chip, raw.get("pdk"), shown)
    if chip is not None and step is not None and pdk is not None:
        street = (round(step[0] - chip.width, 3), round(step[1] - chip.height, 3))
        problems += too_narrow(pdk, street, shown)
    if problems or file is None or chip is None or step is None:
        raise SpecError(problems)
    return Spec(path, file, chip, step, folders, tuple(row_files))


def _process_of_flow(raw: Mapping[str, Any]) -> Pdk | None:
    """The process as it is in the spec's flow; None: something is wrong with either, which is said elsewhere."""
    name, flow = raw.get("pdk"), raw.get("flow")
    if not isinstance(name, str) or not name:
        return None
    with suppress(LayoutgenError):
        pdk = discover.pdk(name)
        return pdk.in_flow(pdk.flow(flow if isinstance(flow, str) else None)[0])
    return None


def _tables(chip: Any, path: Path) -> tuple[Problem, ...]:
    """What is wrong with the tables that a chip names, where the chip itself cannot be taken."""
    pads, balls = (chip.get(key) if isinstance(chip, dict) else None for key in ("pads", "balls"))
    if not isinstance(pads, str) or not isinstance(balls, str):
        return ()
    try:
        read_tables("", (LARGEST, LARGEST), path.parent / pads, path.parent / balls, (1.0, 1.0))
    except ChipError as e:
        return e.problems
    return ()


def _table(raw: Any, model: type[M], file: str = "", problems: list[Problem] | None = None) -> M | None:
    """A table as a model, or None, its problems added."""
    try:
        return tomlfile.validate(raw, model, file, SpecError)
    except SpecError as e:
        if problems is not None:
            problems += e.problems
        return None


def _process(raw: dict[str, Any], file: str, folders: tuple[Path, ...]) -> Iterator[Problem]:
    """What is wrong with the cells brought along, and with the process, flow and cell parameters that a spec names."""
    name, flow, cells = raw.get("pdk"), raw.get("flow"), raw.get("cells", {})
    library: Library | None = None
    try:
        library, _ = discover.cells(*folders), discover.stages(*folders)
    except InputError as e:
        yield from e.problems
    if not isinstance(name, str) or not name:
        return
    try:
        pdk = discover.pdk(name)
    except InputError as e:
        yield from e.problems
        return
    except LayoutgenError as e:
        yield Problem(file, "pdk", str(e))
        return
    try:
        flow_name, _ = pdk.flow(flow if isinstance(flow, str) else None)
        pdk = pdk.in_flow(flow_name)
    except LayoutgenError as e:
        yield Problem(file, "flow", str(e))
    if library is None or not isinstance(cells, dict):
        return
    wrong = {cell: list(_wrong_parameters(library, pdk, cell, {})) for cell in pdk.cells}
    for cell, lines in wrong.items():
        yield from (Problem(f"PDK {pdk.name!r}", f'cells."{cell}"', line) for line in lines)
    for cell, given in cells.items():
        if isinstance(given, dict) and not wrong.get(cell):
            for line in _wrong_parameters(library, pdk, cell, given):
                yield Problem(file, f'cells."{cell}"', line)


def _drawn(file: SpecFile, chip: Chip | None, shown: str, folders: tuple[Path, ...]) -> Iterator[Problem]:
    """What is wrong with the cells and tracks that a spec puts on the die."""
    if not file.place and not file.track:
        return
    try:
        library, stages = discover.cells(*folders), discover.stages(*folders)
        pdk = discover.pdk(file.pdk)
        name, flow = pdk.flow(file.flow)
        pdk = pdk.in_flow(name)
        _ = [*stages.pick("die", flow.stages)]
    except LayoutgenError:  # what is wrong with the process has been said, or will be
        return
    if "placed" not in flow.stages:
        first = "place" if file.place else "track"
        yield Problem(shown, first, f"flow {name!r} of PDK {pdk.name!r} draws nothing that a spec places; leave it out")
        return
    for number, place in enumerate(file.place, 1):
        for key, line in _wrong_place(library, pdk, place, file.cells.get(place.cell, {}), chip):
            yield Problem(shown, f"place {number}{key}", line)
    for number, track in enumerate(file.track, 1):
        for key, line in _wrong_track(pdk, track, chip):
            yield Problem(shown, f"track {number}{key}", line)


def _wrong_place(
    library: Library, pdk: Pdk, place: PlaceSpec, base: dict[str, Any], chip: Chip | None
) -> Iterator[tuple[str, str]]:
    """What is wrong with one cell put on the die: the key, and the message."""
    given = {**base, **place.set}
    if wrong := list(_wrong_parameters(library, pdk, place.cell, given)):
        key = ".set" if place.cell in [*library] else ".cell"
        yield from ((key, line) for line in wrong)
        return
    yield from _off_die("at", [place.at], chip)
    if not place.nets:
        return
    try:
        pins = {pin.name: pin for pin in library[place.cell](pdk, **given).pins}
    except LayoutgenError as e:
        yield from ((".set", line.removeprefix(f"{place.cell}: ")) for line in str(e).splitlines())
        return
    level_of = stack(pdk).level_of
    for name in place.nets:
        if name not in pins:
            yield ".nets", str(UnknownNameError("pin", name, pins, where=f"cell {place.cell!r}"))
        elif level_of(pins[name].layer) < 0:
            yield ".nets", f"pin {name!r} is on layer {pins[name].layer!r}, which conducts nothing in this process"


def _wrong_track(pdk: Pdk, track: TrackSpec, chip: Chip | None) -> Iterator[tuple[str, str]]:
    """What is wrong with one track: the key, and the message."""
    layer = pdk.roles.get(track.on, track.on)
    if layer not in pdk.layers:
        yield ".on", str(UnknownNameError("role or layer", track.on, [*pdk.roles, *pdk.layers]))
    elif pdk.layers[layer].drawn is None:
        yield ".on", f"no mask prints layer {layer!r}; draw on another"
    elif track.net and stack(pdk).level_of(layer) < 0:
        yield ".net", f"layer {layer!r} conducts nothing in this process; leave the net out"
    yield from _off_die("points", track.points, chip)
    if any(a == b for a, b in pairwise(track.points)):
        yield ".points", "two points that follow each other are the same; remove one"
    elif track.width > 2 * sum(math.dist(a, b) for a, b in pairwise(track.points)):
        yield ".width", f"{track.width:g} um is more than twice its length; make it narrower"


def _off_die(key: str, points: Iterable[tuple[Um, Um]], chip: Chip | None) -> Iterator[tuple[str, str]]:
    """Points that lie between grid points, or outside the die."""
    for x, y in points:
        if off_grid(x) or off_grid(y):
            yield f".{key}", f"({x!r}, {y!r}) um is not a whole number of nm; round it"
        elif chip is not None and not (0 <= x <= chip.width and 0 <= y <= chip.height):
            yield f".{key}", f"({x:g}, {y:g}) is not on the die of {chip.width:g} x {chip.height:g} um; move it"


def _routing(routing: RoutingSpec | None, chip: Chip | None, pdk: Any, file: str) -> Iterator[Problem]:
    """What of the routing the chip and the process cannot have."""
    if routing is None:
        return
    try:
        wanted = routing.options
    except LayoutgenError as e:
        yield Problem(file, "routing.match", str(e).removeprefix("route: "))
        return
    for net in (net for group in wanted.matched for net in group.nets):
        if chip is not None and net not in chip.nets:
            yield Problem(file, "routing.match", str(UnknownNameError("net", net, chip.nets, where="the chip")))
    with suppress(LayoutgenError):  # what is wrong with the process has been said
        if isinstance(pdk, str) and wanted.ties not in (None, Ties.NONE) and "tie" not in discover.pdk(pdk).roles:
            yield Problem(file, "routing.ties", f"no ties in PDK {pdk!r}: leave them out, or name one that has some")


def _wrong_parameters(library: Library, pdk: Pdk, cell: str, given: dict[str, Any]) -> Iterator[str]:
    try:
        library[cell].parameters(pdk, **given)
    except LayoutgenError as e:
        yield from (line.removeprefix(f"{cell}: ") for line in str(e).splitlines())


def _wrong_sources(spec: ChipSpec, terminals: Collection[str], file: str) -> Iterator[Problem]:
    """A chip comes from one source, and that is whole."""
    tables = [key for key in ("size", "pads", "balls", "shapes") if getattr(spec, key)]
    others = [key for key in ("array", "def", "gds") if getattr(spec, "def_" if key == "def" else key)]
    if len(others) > 1 or (others and tables):
        second = tables[0] if tables else others[1]
        yield Problem(file, f"chip.{second}", f"stands beside chip.{others[0]}; keep the one or the other")
        return
    needed = [*(() if spec.shapes else ("size",)), *(f"{kind}s" for kind in terminals)]
    if not others and (missing := [key for key in needed if key not in tables]):
        message = "is missing; give size, pads and balls, or chip.array, chip.def or chip.gds"
        if len(terminals) < 2:
            message = f"is missing; give {' and '.join(needed)}"
        yield Problem(file, f"chip.{missing[0]}", message)
        return
    if spec.def_ and not spec.lef:
        yield Problem(file, "chip.lef", "is missing; name the LEF files of the cells in chip.def")
    for key, other in (("lef", "def"), ("layer", "def"), ("cell", "gds"), ("layers", "gds")):
        if getattr(spec, key) and other not in others:
            yield Problem(file, f"chip.{key}", f"belongs to chip.{other}; remove it")
    if spec.pad_size and {"def", "gds"} & set(others):
        yield Problem(file, "chip.pad_size", f"says nothing beside chip.{others[0]}; remove it")


def _chip(spec: ChipSpec, path: Path, terminals: Collection[str], problems: list[Problem]) -> Chip | None:
    shown, folder = str(path), path.parent
    if wrong := list(_wrong_sources(spec, terminals, shown)):
        problems.extend(wrong)
        return None
    try:
        if spec.def_:
            lefs = [folder / lef for lef in spec.lef]
            return load(folder / spec.def_, kind="def", lefs=lefs, layer=spec.layer, name=spec.name)
        if spec.gds:
            layers = LayoutLayers(**spec.layers.model_dump()) if spec.layers else LayoutLayers()
            return load(folder / spec.gds, kind="gds", cell=spec.cell, layers=layers, name=spec.name)
        if spec.array:
            a, pad = spec.array, spec.pad_size or (55.0, 55.0)
            chip = array_chip(
                spec.name,
                columns=a.columns,
                rows=a.rows,
                pitch=a.pitch,
                margin=a.margin,
                pad_size=pad,
                pad_inset=a.pad_inset,
            )
        else:
            shapes = folder / spec.shapes if spec.shapes else None
            pads, balls = (folder / table if table else None for table in (spec.pads, spec.balls))
            chip = read_tables(spec.name, spec.size, pads, balls, spec.pad_size, shapes)
        return check(chip, shown, terminals=terminals)
    except ChipError as e:
        problems.extend(e.problems)
        return None


def _step(wafer: WaferSpec, chip: Chip | None, file: str, problems: list[Problem], usual: Um) -> tuple[Um, Um] | None:
    """Die and street in x and y; the die must fit on the wafer, and all of it on the grid. usual: the street where
    none is given (um)."""
    before = len(problems)
    place = "wafer.step" if wafer.step is not None else "wafer.street"
    given = wafer.step if wafer.step is not None else wafer.street if wafer.street is not None else usual
    pair = given if isinstance(given, tuple) else (given, given)
    if wafer.step is not None and wafer.street is not None:
        problems.append(Problem(file, "wafer.step", "stands beside wafer.street; keep the one or the other"))
    if 2 * wafer.edge_exclusion >= wafer.diameter:
        problems.append(Problem(file, "wafer.edge_exclusion", "leaves nothing of the wafer; make it smaller"))
    if wafer.flat is not None and wafer.flat > MOST_FLAT * wafer.diameter:
        message = f"is more than {MOST_FLAT:g} of the diameter; make it shorter"
        problems.append(Problem(file, "wafer.flat", message))
    if wafer.flat is not None and wafer.notch == "none":
        problems.append(Problem(file, "wafer.flat", 'stands beside notch = "none"; say there where the flat is'))
    for value in dict.fromkeys(pair):
        if value >= wafer.diameter:
            message = f"{value:g} um is no less than the wafer of {wafer.diameter:g}; make it smaller"
            problems.append(Problem(file, place, message))
        elif abs(value / DBU - round(value / DBU)) > 1e-4:
            problems.append(Problem(file, place, f"{value!r} um is not a whole number of nm; round it"))
    if chip is None:
        return None
    size = (chip.width, chip.height)
    if math.hypot(*size) >= wafer.diameter - 2 * wafer.edge_exclusion > 0:
        message = f"a die of {size[0]:g} x {size[1]:g} um does not fit on a wafer of {wafer.diameter:g} um; mend either"
        problems.append(Problem(file, "wafer.diameter", message))
    elif any(abs(value / DBU - round(value / DBU)) > 1e-4 for value in size):
        problems.append(Problem(file, "chip", f"a die of {size[0]!r} x {size[1]!r} um is not a whole number of nm"))
    for axis, step, die in zip("xy", pair, size, strict=True):
        if wafer.step is not None and step <= die:
            message = f"the step in {axis}, {step:g} um, must exceed the die, {die:g}; widen the step"
            problems.append(Problem(file, "wafer.step", message))
    if len(problems) > before:
        return None
    return pair if wafer.step is not None else (size[0] + pair[0], size[1] + pair[1])
