"""Defects of a whole wafer, and of its cut list."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import klayout.db as kdb
import numpy as np
from mutants.wafer_defects import MIDDLE, UM

from layoutgen.cuts import SawCut

if TYPE_CHECKING:
    from mutants.wafers import Wafer


def _all_moved(wafer: Wafer, layout: kdb.Layout, dx: int, dy: int, names: tuple[str, ...]) -> None:
    for cell in layout.each_cell():
        for name in names:
            cell.shapes(layout.layer(*wafer.pdk.gds(name))).transform(kdb.Trans(dx, dy))


def shifted_street(wafer: Wafer, layout: kdb.Layout, rnd: random.Random) -> None:
    """All cuts beside the buses."""
    by = rnd.choice([-1, 1]) * rnd.randrange(8 * UM, 20 * UM)
    dx, dy = (by, 0) if rnd.random() < 0.5 else (0, by)
    _all_moved(wafer, layout, dx, dy, ("cut_sure", "cut_maybe"))


def no_ring(wafer: Wafer, layout: kdb.Layout, rnd: random.Random) -> None:
    """No contact ring."""
    layout.clear_layer(layout.layer(*wafer.pdk.gds(wafer.pdk.role("ring"))))


def ring_apart(wafer: Wafer, layout: kdb.Layout, rnd: random.Random) -> None:
    """No bus from the dies to the ring."""
    layout.cell("BUS_ENDS").shapes(layout.layer(*wafer.pdk.gds(wafer.pdk.role("bus")))).clear()


def no_bus(wafer: Wafer, layout: kdb.Layout, rnd: random.Random) -> None:
    """No bus but what leads to the ring."""
    for cell in layout.each_cell():
        if cell.name.startswith("kerf_bus"):
            cell.shapes(layout.layer(*wafer.pdk.gds(wafer.pdk.role("bus")))).clear()


def uncut(wafer: Wafer, layout: kdb.Layout, rnd: random.Random) -> None:
    """One column of streets that no blade goes along."""
    x = int(rnd.choice(np.unique(wafer.dies.boxes[:, 0])[1:])) - MIDDLE
    here = kdb.Region(kdb.Box(x - 60 * UM, -20_000 * UM, x + 60 * UM, 20_000 * UM))
    for name in ("cut_sure", "cut_maybe"):
        layer = layout.layer(*wafer.pdk.gds(name))
        left = kdb.Region(layout.top_cell().begin_shapes_rec(layer)) - here
        layout.clear_layer(layer)
        layout.top_cell().shapes(layer).insert(left)


def cut_outside(wafer: Wafer, layout: kdb.Layout, rnd: random.Random) -> None:
    """What is surely cut, drawn beside an outermost die as well: metal below it would be taken to be gone."""
    boxes, side = wafer.dies.boxes, rnd.randrange(4)
    x0, y0, x1, y1 = boxes[boxes[:, side].argmin() if side < 2 else boxes[:, side].argmax()].tolist()
    near, far = (-(rnd.randrange(0, 8) * UM), -(rnd.randrange(15, 25) * UM))
    at = rnd.randrange(200, 1200) * UM
    box = (
        kdb.Box(x0 + far, y0 + at, x0 + near, y0 + at + 50 * UM),
        kdb.Box(x0 + at, y0 + far, x0 + at + 50 * UM, y0 + near),
        kdb.Box(x1 - near, y0 + at, x1 - far, y0 + at + 50 * UM),
        kdb.Box(x0 + at, y1 - near, x0 + at + 50 * UM, y1 - far),
    )[side]
    layout.top_cell().shapes(layout.layer(*wafer.pdk.gds("cut_sure"))).insert(box)


OF_ALL: dict[str, tuple[Callable[[Wafer, kdb.Layout, random.Random], None], str]] = {
    "street shifted": (shifted_street, "KERF"),
    "street not cut": (uncut, "NETS"),
    "no bus": (no_bus, "TIED"),
    "cut beside outermost dies": (cut_outside, "KERF"),
    "no contact ring": (no_ring, "TIED"),
    "contact ring apart": (ring_apart, "TIED"),
}


# of the cut list ------------------------------------------------------------------------------------------------

Cuts = Sequence[SawCut]


def numbered(cuts: Cuts) -> tuple[SawCut, ...]:
    """Each with the number of its place in the list, and in its turn."""
    out: list[SawCut] = []
    for c in cuts:
        index = out[-1].index + 1 if out and out[-1].turn == c.turn else 1
        out.append(replace(c, number=len(out) + 1, index=index))
    return tuple(out)


def out_of_order(cuts: Cuts, rnd: random.Random) -> tuple[Cuts, SawCut]:
    """One cut later than another one that it has to come before."""
    k, j = sorted(rnd.sample(range(len(cuts)), 2))
    moved = list(cuts)
    moved.insert(j, moved.pop(k))
    return numbered(moved), cuts[k]


def left_out(cuts: Cuts, rnd: random.Random) -> tuple[Cuts, SawCut]:
    """One cut less."""
    gone = rnd.choice(cuts)
    return numbered([c for c in cuts if c is not gone]), gone


def cut_twice(cuts: Cuts, rnd: random.Random) -> tuple[Cuts, SawCut]:
    """One cut a second time."""
    k = rnd.randrange(len(cuts))
    return numbered([*cuts[: k + 1], *cuts[k:]]), cuts[k]


def cut_beside(cuts: Cuts, rnd: random.Random) -> tuple[Cuts, SawCut]:
    """One cut beside the middle of its street."""
    k, by = rnd.randrange(len(cuts)), rnd.choice([-1, 1]) * rnd.choice([0.001, 1.0, 20.0, 300.0])
    return [*cuts[:k], replace(cuts[k], centre=round(cuts[k].centre + by, 3)), *cuts[k + 1 :]], cuts[k]


OF_CUTS: dict[str, tuple[Callable[[Cuts, random.Random], tuple[Cuts, SawCut]], str]] = {
    "cut list out of order": (out_of_order, "CUTS"),
    "cut left out": (left_out, "CUTS"),
    "cut twice": (cut_twice, "CUTS"),
    "cut beside its street": (cut_beside, "CUTS"),
}
