"""A layout file's nets before and after the cut: read as one of someone else, named by its labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import klayout.db as kdb
import numpy as np

from layoutgen import foreign
from layoutgen.checked import Checked, Dies, prepare
from layoutgen.connect.pieces import Pieces
from layoutgen.connect.stack import METAL, stack
from layoutgen.connect.states import check_wafer
from layoutgen.connect.terminals import Dies as Places
from layoutgen.connect.terminals import Terminals, named, of_labels
from layoutgen.drc.dies import die_boxes, in_dies
from layoutgen.errors import printable
from layoutgen.findings import Report
from layoutgen.pdk import LayerNumber, Pdk
from layoutgen.windows.source import Source


def check_nets_of_file(
    path: Path,
    pdk: Pdk,
    flow: str | None = None,
    *,
    top: str = "",
    dies: Dies | None = None,
    only_cut: bool = False,
    ignore: Sequence[LayerNumber] | None = (),
    seconds: float | None = None,
    megabytes: int = foreign.MEGABYTES,
    progress: Callable[[str], None] | None = None,
) -> Checked:
    """Both states of a GDSII or OASIS file's nets; `only_cut`: what is left after the cut alone.

    `dies` and `ignore` are as in `layoutgen.checked.check_file`. Without dies the layout counts as one.

    Raises:
        InputError: as in `layoutgen.checked.check_file`.
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
    boxes = die_boxes(layout, cell, pdk) if "die" in pdk.reserved else np.empty((0, 4), dtype=np.int64)
    if len(boxes):
        places = named(boxes)
        notes.append(f"Dies: {len(boxes)}, named by rows from the top and columns from the left")
    else:
        box = cell.bbox()
        places = Places(np.array([(box.left, box.bottom, box.right, box.top)], dtype=np.int64), [""])
        notes.append("No die is outlined: all of it counts as one")
    counted: list[int] = []

    def terminals(pieces: Pieces) -> Terminals:
        found = labels(pdk, layout, cell, pieces, places)
        counted.append(len(found.die))
        return found

    results = check_wafer(pdk, flow_name, layout, cell, places, terminals, only_cut=only_cut, say=notes.append)
    if counted:
        notes.append(f"Labels in dies: {counted[0]}")
    title = printable(f"{path.name}, cell {cell.name}: nets", 200)
    report = Report(title, pdk.name, flow_name, tuple(notes), tuple(results))
    return Checked(in_dies(report, layout, cell, pdk), cell.name, path, layout)


def labels(pdk: Pdk, layout: kdb.Layout, top: kdb.Cell, pieces: Pieces, places: Places) -> Terminals:
    """What labels name: at a pad if one stands there, else at a ball; single words only where they stand on metal."""
    levels = stack(pdk)
    note = pdk.roles.get("note", "")
    layers = dict.fromkeys([*([note] if note else []), *levels.sources])
    indexes = {n: layout.find_layer(*pdk.gds(n)) for n in layers}
    present = {n: index for n, index in indexes.items() if index is not None}
    found = of_labels(Source(layout, top, present), present, note, places, levels.level_of)
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
