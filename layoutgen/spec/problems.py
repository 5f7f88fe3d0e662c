"""What is wrong with a spec: with each table by itself, and with what it says of process, chip, cells and wafer."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from layoutgen import discover, tomlfile
from layoutgen.cell import Library
from layoutgen.chip import Chip, LayoutLayers, array_chip, check, load, read_tables
from layoutgen.connect.stack import stack
from layoutgen.derive import names
from layoutgen.errors import ChipError, InputError, LayoutgenError, Problem, SpecError, UnknownNameError
from layoutgen.pdk import Pdk
from layoutgen.route import Ties
from layoutgen.spec.tables import MOST_FLAT, ChipSpec, PlaceSpec, RoutingSpec, SpecFile, TrackSpec, WaferSpec
from layoutgen.tomlfile import Model
from layoutgen.units import DBU, LARGEST, Um, off_grid

M = TypeVar("M", bound=Model)
LEAST: Um = 1000.0
"""Of a wafer's diameter (um): one that is less was meant in mm."""


def process_of_flow(raw: Mapping[str, Any]) -> Pdk | None:
    """The process as it is in the spec's flow; None: something is wrong with either, which is said elsewhere."""
    name, flow = raw.get("pdk"), raw.get("flow")
    if not isinstance(name, str) or not name:
        return None
    with suppress(LayoutgenError):
        pdk = discover.pdk(name)
        return pdk.in_flow(pdk.flow(flow if isinstance(flow, str) else None)[0])
    return None


def wrong_chip_files(chip: Any, path: Path) -> tuple[Problem, ...]:
    """What is wrong with the tables that a chip names, where the chip itself cannot be taken."""
    pads, balls = (chip.get(key) if isinstance(chip, dict) else None for key in ("pads", "balls"))
    if not isinstance(pads, str) or not isinstance(balls, str):
        return ()
    try:
        read_tables("", (LARGEST, LARGEST), path.parent / pads, path.parent / balls, (1.0, 1.0), spec=str(path))
    except ChipError as e:
        return e.problems
    return ()


def table(raw: Any, model: type[M], file: str = "", problems: list[Problem] | None = None) -> M | None:
    """A table as a model, or None, its problems added."""
    try:
        return tomlfile.validate(raw, model, file, SpecError)
    except SpecError as e:
        if problems is not None:
            problems += e.problems
        return None


def wrong_process(raw: dict[str, Any], file: str, folders: tuple[Path, ...]) -> Iterator[Problem]:
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


def wrong_on_die(file: SpecFile, chip: Chip | None, shown: str, folders: tuple[Path, ...]) -> Iterator[Problem]:
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
        for key, line in _wrong_track(pdk, name, track, chip, file.chip.ground):
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
    if not place.nets and place.angle not in (90.0, 270.0):
        return
    try:
        drawing = library[place.cell](pdk, **given)
    except LayoutgenError as e:
        yield from ((".set", line.removeprefix(f"{place.cell}: ")) for line in str(e).splitlines())
        return
    if drawing.half_turns and place.angle in (90.0, 270.0):
        yield (
            ".angle",
            f"must be 0 or 180, not {place.angle:g}: {place.cell} works along the x axis of the crystal only",
        )
    pins = {pin.name: pin for pin in drawing.pins}
    level_of = stack(pdk).level_of
    for name in place.nets:
        if name not in pins:
            yield ".nets", str(UnknownNameError("pin", name, pins, where=f"cell {place.cell!r}"))
        elif level_of(pins[name].layer) < 0:
            yield ".nets", f"pin {name!r} is on layer {pins[name].layer!r}, which conducts nothing in this process"


def _wrong_track(pdk: Pdk, flow: str, track: TrackSpec, chip: Chip | None, ground: str) -> Iterator[tuple[str, str]]:
    """What is wrong with one track: the key, and the message."""
    layer = pdk.roles.get(track.on, track.on)
    if layer not in pdk.layers:
        yield ".on", str(UnknownNameError("role or layer", track.on, [*pdk.roles, *pdk.layers]))
    elif pdk.layers[layer].drawn is None:
        yield ".on", f"no mask prints layer {layer!r}; draw on another"
    elif not any(layer in pdk.sources(n) for mask in pdk.masks_of(flow).values() for n in names(mask.data)):
        yield ".on", f"no mask of flow {flow!r} prints layer {layer!r}; draw on another"
    elif track.net and stack(pdk).level_of(layer) < 0:
        yield ".net", f"layer {layer!r} conducts nothing in this process; leave the net out"
    elif layer == pdk.roles.get("ground") and track.net != ground:
        if ground:
            mend = f"is of net {ground!r} (chip.ground), not {track.net!r}"
        else:
            mend = f'needs a net: say which is ground, as ground = "{track.net or "NET"}" under [chip]'
        yield ".net", f"what is on {track.on!r} may reach the cut, and {mend}"
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


def wrong_routing(routing: RoutingSpec | None, chip: Chip | None, pdk: Any, file: str) -> Iterator[Problem]:
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


def chip_of(spec: ChipSpec, path: Path, terminals: Collection[str], problems: list[Problem]) -> Chip | None:
    """The chip that a table describes; None, with problems added: something is wrong with it."""
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
            chip = read_tables(spec.name, spec.size, pads, balls, spec.pad_size, shapes, shown)
        return check(chip, shown, terminals=terminals)
    except ChipError as e:
        problems.extend(e.problems)
        return None


def step_of(wafer: WaferSpec, chip: Chip | None, file: str, problems: list[Problem], usual: Um) -> tuple[Um, Um] | None:
    """Die and street in x and y; the die must fit on the wafer, and all of it on the grid. usual: the street where
    none is given (um)."""
    before = len(problems)
    place = "wafer.step" if wafer.step is not None else "wafer.street"
    given = wafer.step if wafer.step is not None else wafer.street if wafer.street is not None else usual
    pair = given if isinstance(given, tuple) else (given, given)
    if wafer.step is not None and wafer.street is not None:
        problems.append(Problem(file, "wafer.step", "stands beside wafer.street; keep the one or the other"))
    if wafer.diameter < LEAST:
        message = f"{wafer.diameter:g} is in um; did you mean {1000 * wafer.diameter:.0f}?"
        problems.append(Problem(file, "wafer.diameter", message))
        return None
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
