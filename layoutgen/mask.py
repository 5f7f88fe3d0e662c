"""Mask data: each mask's expression over the drawn layers, as a layout of its own, hierarchy kept.

The drawing is seen from the front. A plate for a face that looks to the rear is drawn as that face is seen: mirrored
left to right about the wafer's centre, the origin.
"""

from __future__ import annotations

import klayout.db as kdb

from layoutgen import derive, gds
from layoutgen.pdk import Mask, Pdk


def mask_layout(wafer: kdb.Layout, pdk: Pdk, name: str, mask: Mask) -> kdb.Layout:
    """One mask's data: a layout with a single layer, the mask's own number and name, on the wafer's cell tree.

    A union of layers is copied cell by cell; anything else is evaluated hierarchically by KLayout.
    """
    out = kdb.Layout()
    out.dbu = wafer.dbu
    target_info = kdb.LayerInfo(mask.gds[0], mask.gds[1], name)
    parts = drawn_union(pdk, mask.data)
    if parts is not None:
        target = out.layer(target_info)
        sources = [i for i in (wafer.find_layer(gds.layer_info(pdk, p)) for p in parts) if i is not None]
        _copy(wafer, out, sources, target)
    else:
        store = kdb.DeepShapeStore()
        top = wafer.top_cell()
        regions: dict[str, kdb.Region] = {}

        def fetch(layer: str) -> kdb.Region:
            if layer not in regions:
                index = wafer.find_layer(gds.layer_info(pdk, layer))
                found = kdb.Region() if index is None else kdb.Region(top.begin_shapes_rec(index), store)
                regions[layer] = found
            return regions[layer]

        cell = out.create_cell(top.name)
        out.insert(cell.cell_index(), out.layer(target_info), pdk.evaluate(mask.data, fetch))
    prune(out)
    if mask.side == "rear":
        for top in out.top_cells():
            top.transform(kdb.Trans.M90)
    return out


def drawn_union(pdk: Pdk, expression: str) -> list[str] | None:
    """The drawn layers whose plain union an expression is, through derived layers, or None."""
    parts = derive.union_of(expression)
    if parts is None:
        return None
    out: list[str] = []
    for part in parts:
        if part in pdk.drawn_layers:
            out.append(part)
            continue
        below = drawn_union(pdk, pdk.derived[part].expression)
        if below is None:
            return None
        out += below
    return out


def _copy(wafer: kdb.Layout, out: kdb.Layout, sources: list[int], target: int) -> None:
    """The cells that hold something of the sources, all their shapes on the one layer; texts print nothing."""
    areas = kdb.Shapes.SRegions
    indices: dict[int, int] = {}
    for index in wafer.each_cell_bottom_up():
        cell = wafer.cell(index)
        filled = [s for s in sources if next(cell.shapes(s).each(areas), None) is not None]
        children = [i for i in cell.each_inst() if i.cell_index in indices]
        if not filled and not children:
            continue
        copy = out.create_cell(cell.name)
        indices[index] = copy.cell_index()
        for source in filled:
            copy.shapes(target).insert(cell.shapes(source), areas)
        for instance in children:
            array = instance.cell_inst.dup()
            array.cell_index = indices[instance.cell_index]
            copy.insert(array)


def prune(layout: kdb.Layout) -> None:
    """Keep one top cell, the wafer's, whose name stands last."""
    tops = layout.top_cells()
    for cell in tops[:-1]:
        cell.prune_cell()
