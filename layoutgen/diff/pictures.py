"""Pictures of what differs, rendered by KLayout: what only one layout has in its colour, over what both have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import klayout.db as kdb
import klayout.lay as lay

from layoutgen.diff.compare import Difference, LayerDifference
from layoutgen.diff.files import Opened
from layoutgen.errors import OutputError
from layoutgen.units import DBU, Um

BOTH, ONLY_A, ONLY_B = 0xB8B8B8, 0xD62728, 0x1F77B4
"""Grey, red, blue."""
WIDTH = 1000
"""Pixels of the longer side."""
LEAST: Um = 1.0
"""A picture shows this much, at least."""
AROUND = 0.15
"""What it shows around what differs, as a part of that."""


def draw(found: Difference, a: Opened, b: Opened, folder: Path) -> list[Path]:
    """Two pictures for each layer that differs, LAYER_DATATYPE.png with all of it and LAYER_DATATYPE_largest.png with
    the piece that has the largest area; the files.

    Grey is what both have, red what only the first, blue what only the second has.

    Raises:
        OutputError: a picture could not be written.
    """
    files = []
    for layer in found.layers:
        name = f"{layer.layer[0]}_{layer.layer[1]}"
        view = _view(layer, a, b)
        for file, box in ((f"{name}.png", layer.box), (f"{name}_largest.png", layer.largest)):
            files.append(folder / file)
            _save(view, box, folder / file)
    return files


def _view(layer: LayerDifference, a: Opened, b: Opened) -> lay.LayoutView:
    """A view of one layer of the first layout, or the second where the first has none, and of the difference on it."""
    view = lay.LayoutView()
    for key, value in (
        ("background-color", "#ffffff"), ("grid-visible", "false"), ("text-visible", "false"),
        ("cell-box-visible", "false"),
    ):  # fmt: skip
        view.set_config(key, value)
    under = _flat(layer, a)
    under = under if under is not None else _flat(layer, b)
    if under is not None:
        _show(view, under, [(kdb.LayerInfo(*layer.layer), BOTH)])
    over = kdb.Layout()
    over.dbu = DBU
    top = over.create_cell("DIFFERENCE")
    for number, region in enumerate((layer.only_a, layer.only_b), 1):
        top.shapes(over.layer(number, 0)).insert(region)
    _show(view, over, [(kdb.LayerInfo(1, 0), ONLY_A), (kdb.LayerInfo(2, 0), ONLY_B)])
    view.max_hier()
    return view


def _flat(layer: LayerDifference, side: Opened) -> kdb.Layout | None:
    """One layer of a layout, with its cells; None where nothing is on it."""
    index = side.layout.find_layer(kdb.LayerInfo(*layer.layer))
    if index is None:
        return None
    if side.top.bbox(index).empty():
        return None
    layout = kdb.Layout()
    layout.dbu = DBU
    mapping = kdb.CellMapping()
    top = layout.create_cell("TOP")
    mapping.for_single_cell_full(top, side.top)
    layers = kdb.LayerMapping()
    layers.map(index, layout.layer(*layer.layer))
    layout.copy_tree_shapes(side.layout, mapping, layers)
    return layout


def _show(view: lay.LayoutView, layout: kdb.Layout, layers: Iterable[tuple[kdb.LayerInfo, int]]) -> None:
    number = view.show_layout(layout, True)
    for info, colour in layers:
        node = lay.LayerPropertiesNode()
        node.source = f"{info.layer}/{info.datatype}@{number + 1}"
        node.dither_pattern = 0
        node.fill_color = node.frame_color = colour
        node.visible = True
        view.insert_layer(view.end_layers(), node)


def _save(view: lay.LayoutView, box: tuple[Um, Um, Um, Um], path: Path) -> None:
    x0, y0, x1, y1 = box
    margin = max(AROUND * max(x1 - x0, y1 - y0), LEAST / 2)
    width, height = x1 - x0 + 2 * margin, y1 - y0 + 2 * margin
    view.zoom_box(kdb.DBox(x0 - margin, y0 - margin, x1 + margin, y1 + margin))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = [max(200, round(WIDTH * side / max(width, height))) for side in (width, height)]
        view.save_image(str(path.absolute()), *pixels)
        if path.stat().st_size:
            return
    except (OSError, RuntimeError):
        pass
    raise OutputError(f"{path}: no picture was written; free some space, or choose another folder with -o")
