"""A layout file's nets before and after the cut: read as one of someone else, named by its labels or by a chip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import klayout.db as kdb
import numpy as np

from layoutgen import foreign
from layoutgen.checked import Checked, Dies, prepare
from layoutgen.chip import Chip
from layoutgen.connect.designs import against_chip, compared, of_its_size, taken
from layoutgen.connect.edge import Edge
from layoutgen.connect.pieces import Pieces
from layoutgen.connect.rules import NETS
from layoutgen.connect.stack import METAL, stack
from layoutgen.connect.states import check_wafer
from layoutgen.connect.terminals import Dies as Places
from layoutgen.connect.terminals import Lost, Terminals, named, of_chip, of_labels
from layoutgen.connect.wafer import moved_to, square
from layoutgen.die import NetPin, build_die
from layoutgen.drc.dies import die_boxes, in_dies
from layoutgen.errors import InputError, Problem, printable
from layoutgen.findings import Finding, Report, RuleResult, Status
from layoutgen.pdk import LayerNumber, Pdk
from layoutgen.units import DBU
from layoutgen.windows.source import Source


def check_nets_of_file(
    path: Path,
    pdk: Pdk,
    flow: str | None = None,
    *,
    top: str = "",
    dies: Dies | None = None,
    chip: Chip | None = None,
    pins: Sequence[NetPin] = (),
    only_cut: bool = False,
    ignore: Sequence[LayerNumber] | None = (),
    seconds: float | None = None,
    megabytes: int = foreign.MEGABYTES,
    progress: Callable[[str], None] | None = None,
) -> Checked:
    """Both states of a GDSII or OASIS file's nets; `only_cut`: what is left after the cut alone.

    `dies` and `ignore` are as in `layoutgen.checked.check_file`. Without dies the layout counts as one. `chip`: what
    every die should be; left out, nets are what labels say, and dies are compared with each other by these. `pins`:
    where in the chip's dies nets are known besides its pads and balls.

    Raises:
        InputError: as in `layoutgen.checked.check_file`; or no die is of the chip's size.
        UnknownNameError: the process has no such flow.
    """
    flow_name, _ = pdk.flow(flow)
    pdk = pdk.in_flow(flow_name)
    if progress:
        progress("reading")
    layout = foreign.read(path, seconds=seconds, megabytes=megabytes)
    dies = dies or Dies()
    if dies.cut is not None and pdk.cut is not None:
        pdk = pdk.model_copy(update={"cut": pdk.cut.model_copy(update={"kerf_min": dies.cut, "kerf_max": dies.cut})})
    cell, notes = prepare(layout, path, pdk, top=top, dies=dies, ignore=ignore)
    if progress:
        progress("nets")
    results = check_nets(
        layout, cell, pdk, flow_name, chip=chip, pins=pins, only_cut=only_cut, say=notes.append, file=str(path)
    )
    title = printable(f"{path.name}, cell {cell.name}: nets", 200)
    report = Report(title, pdk.name, flow_name, tuple(notes), tuple(results))
    return Checked(in_dies(report, layout, cell, pdk), cell.name, path, layout)


def read_chip(path: Path, pdk: Pdk, flow: str | None = None) -> tuple[Chip, tuple[NetPin, ...]]:
    """The chip of a spec, or of a file that holds a chip; and where the cells and tracks of the spec have nets.

    Raises:
        SpecError, ChipError: it cannot be read, or something in it is wrong.
        InputError: the spec places cells, and is of another process or flow.
    """
    from layoutgen import chip, maskset, spec

    if path.suffix.lower() != ".toml":
        return chip.load(path), ()
    read = spec.read(path)
    if not (read.file.place or read.file.track):
        return read.chip, ()
    context, stages = maskset.build_context(read, str(path))
    asked = pdk.name, pdk.flow(flow)[0]
    if asked != (context.pdk.name, context.flow_name):
        message = f"is of {context.pdk.name!r}, flow {context.flow_name!r}, not of {asked[0]!r}, flow {asked[1]!r}"
        raise InputError([Problem(str(path), "", f"{message}; give --pdk and --flow as it does")])
    die = maskset.at_place(str(path), "", lambda: build_die(maskset.die_context(read, context), stages))
    return read.chip, die.pins


def check_nets(
    layout: kdb.Layout, cell: kdb.Cell, pdk: Pdk, flow: str, *, chip: Chip | None = None, pins: Sequence[NetPin] = (),
    only_cut: bool = False, say: Callable[[str], None] = lambda _: None, file: str = "",
) -> list[RuleResult]:  # fmt: skip
    """Both states of a layout's nets, its dies compared with the chip, or by their labels with each other.

    pdk: as the flow has it. pins: where in the chip's dies nets are known besides its pads and balls. say: is told in
    sentences what is no finding. file: what the layout was read from.

    Raises:
        InputError: no die is of the chip's size; dies do not lie along the axes.
    """
    slanted = set[float]()
    boxes = die_boxes(layout, cell, pdk, slanted) if "die" in pdk.reserved else np.empty((0, 4), dtype=np.int64)
    if slanted:
        message = f"dies are turned by {min(slanted):g} degrees; turn the layout until its streets lie along the axes"
        raise InputError([Problem(file, "", message)])
    if len(boxes):
        dies = named(boxes)
        say(f"Dies: {len(boxes)}, named by rows from the top and columns from the left")
    else:
        box = cell.bbox()
        dies = Places(np.array([(box.left, box.bottom, box.right, box.top)], dtype=np.int64), [""])
        say("No die is outlined: all of it counts as one")
    levels = stack(pdk)
    stand = levels.drawn(*(levels.levels[name] for name in (*levels.pad, *levels.ball)))
    edge = Edge(layout, cell, pdk, dies, stand or levels.sources)
    judged, findings = dies, list[Finding]()
    if chip is not None:
        some, findings = of_its_size(chip, dies, edge, say)
        if not len(some):
            message = f"has no whole die of {chip.width:g} x {chip.height:g} um, as chip {printable(chip.name, 60)} is"
            raise InputError([Problem(file, "", f"{message}; say where they are with --die, or name another chip")])
        besides = f", {len(pins)} places of nets besides" if pins else ""
        judged = Places(dies.boxes[some], [dies.names[k] for k in some.tolist()])
        members = f"{len(chip.members)} pads and balls"
        say(f"{len(some)} dies compared with chip {printable(chip.name, 60)}: {members}{besides}")
    lost: list[Lost] = []

    def terminals(pieces: Pieces) -> Terminals:
        found = labels(pdk, layout, cell, pieces, dies, lost)
        say(f"Labels in dies: {len(found.die)}")
        if chip is None:
            if len(found.die):
                findings.extend(compared(found, dies, edge, say))
            return found
        mine = labels(pdk, layout, cell, pieces, judged)
        free = taken(chip, mine, judged)
        findings.extend(against_chip(chip, mine, judged, free))
        return of_chip(chip, [(x * DBU, y * DBU) for x, y in judged.boxes[:, :2].tolist()], free, pins, levels.level_of)

    results = check_wafer(pdk, flow, layout, cell, judged, terminals, only_cut=only_cut, say=say)
    findings.extend(_lost(lost, say))
    out = []
    for result in results:
        if result.rule == NETS and result.status is Status.RUN:
            out.append(replace(result, findings=(*findings, *result.findings)))
        else:
            out.append(result)
    return out


def _lost(lost: Sequence[Lost], say: Callable[[str], None]) -> Iterator[Finding]:
    """Labels in no die: a finding for those that name pads and balls, whose nets nobody looks at."""
    names = [label for label in lost if label.whole]
    if words := [label for label in lost if not label.whole]:
        x, y = (v * DBU for v in words[0].at)
        say(f"Labels outside of every die, not looked at: {len(words)}, as {words[0].text} at ({x:g}, {y:g})")
    if names:
        shown = ", ".join(dict.fromkeys(label.text for label in names[:5])) + (", ..." if len(names) > 5 else "")
        at = np.array([label.at for label in names], dtype=np.int64)
        stand = "label stands" if len(names) == 1 else "labels stand"
        note = f"{len(names)} {stand} in no die, where nobody looks at nets: {shown}"
        yield moved_to(Finding(NETS, polygon=square(at[0]), note=note), at - at[0])


def labels(
    pdk: Pdk, layout: kdb.Layout, top: kdb.Cell, pieces: Pieces, places: Places, lost: list[Lost] | None = None
) -> Terminals:
    """What labels name: at a pad if one stands there, else at a ball; single words only where they stand on metal.

    To `lost` go those outside of every die.
    """
    levels = stack(pdk)
    note = pdk.roles.get("note", "")
    layers = dict.fromkeys([*([note] if note else []), *levels.sources])
    indexes = {n: layout.find_layer(*pdk.gds(n)) for n in layers}
    present = {n: index for n, index in indexes.items() if index is not None}
    found = of_labels(Source(layout, top, present), present, note, places, levels.level_of, lost)
    metal = pieces.at(pieces.sheet(levels.levels[METAL]), found.cloud) >= 0
    upper = pieces.at(pieces.sheet(levels.levels[levels.top]), found.cloud) >= 0
    pad = metal & ~upper
    if levels.pad:
        pad |= pieces.at(pieces.sheet(levels.levels[levels.pad[0]]), found.cloud) >= 0
    some = found.whole | metal | upper
    for number, name in enumerate(levels.metals):
        here = found.level == number
        if here.any():
            some[here] = pieces.at(pieces.sheet(levels.levels[name]), found.cloud)[here] >= 0
    arrays = {key: getattr(found, key)[some] for key in ("die", "name", "net", "at", "whole", "asks", "took", "level")}
    return replace(found, pad=pad[some], **arrays)
