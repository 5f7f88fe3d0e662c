"""All shapes of a layer are one: over the whole layout, or in each die.

Reports each polygon that is not of the largest piece, by the area of the box around it; of equal ones, the piece
furthest to the left, then the lowest, is what the others are apart from. Shapes that touch, in a corner as well, are
one polygon.

Layers: layer, dies. With dies, the polygons that lie in a die, as a whole or in part, are one, in each die; without,
all are. Dies that touch are one die. Limit: none.

Options:
    joined: "polygons" (default): the shapes are one polygon; "nets": they are one conductor, through the levels of the
        process's `[connect]` table.
    after_cut: false (default): as drawn; true: what is on layer `cut_sure` is taken away first, of all layers but dies;
        or the reserved layer that is, as "cut_maybe@frame".

Example:
    [rules."RING.P.1"]
    check = "one_piece"
    layers = ["rdl_ring"]
    why = "The fixture touches the contact ring in few places."
    source = "our judgement"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import klayout.db as kdb
import numpy as np

from layoutgen.drc.checks.kind import AfterCut, Kind, cut_in_words, taken
from layoutgen.drc.overall import Bools, Overall, extents, of_regions
from layoutgen.findings import Finding
from layoutgen.tomlfile import Model
from layoutgen.windows.arrays import Ints


class Options(Model):
    joined: Literal["polygons", "nets"] = "polygons"
    after_cut: AfterCut = False


def overall(rule: str, all_of_it: Overall, layers: Sequence[str], limit: int, options: Options) -> list[Finding]:
    polygons = all_of_it.polygons(layers[0], taken(options.after_cut))
    if not polygons.count:
        return []
    piece = np.arange(polygons.count)  # the one that each polygon is of
    if options.joined == "nets":
        (net,) = all_of_it.nets(layers[:1], taken(options.after_cut))
        piece[polygons.of] = np.unique(net, return_inverse=True)[1].reshape(-1)
    polygon, die = np.arange(polygons.count), np.zeros(polygons.count, dtype=np.int64)
    if len(layers) > 1:
        dies = all_of_it.polygons(layers[1])
        u, v = all_of_it.pieces.meetings(polygons.sheet, dies.sheet, area=True)
        polygon, die = np.unique(np.column_stack([polygons.of[u], dies.of[v]]), axis=0).T
    boxes = extents(polygons.boxes, piece, int(piece.max()) + 1)
    which = _others(piece, boxes, polygon, die)
    what = "conductor" if options.joined == "nets" else "polygon"
    place = f"in its part of {layers[1]}" if len(layers) > 1 else "there"
    return polygons.found(rule, which, f"not one {what} with the largest {place}")


def _others(piece: Ints, boxes: Ints, polygon: Ints, die: Ints) -> Bools:
    """Which polygons are not of the largest piece of a die they are in."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    size = width * height
    own = piece[polygon]
    order = np.lexsort((boxes[own, 1], boxes[own, 0], -size[own], die))
    first = np.concatenate([[True], np.diff(die[order]) != 0])[: len(order)]
    largest = np.zeros(int(die.max(initial=-1)) + 1, dtype=np.int64)
    largest[die[order][first]] = own[order][first]
    out = np.zeros(len(piece), dtype=bool)
    out[polygon[own != largest[die]]] = True
    return out


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    names = ("the layer", "the dies")[: len(regions)]
    own = options.model_copy(update={"after_cut": False})
    return overall(rule, of_regions(dict(zip(names, regions, strict=True))), names, limit, own)


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    what = "conductor" if options.joined == "nets" else "polygon"
    where = f" in each polygon of {layers[1]}" if len(layers) > 1 else ""
    return f"all of {layers[0]}{where} one {what}{cut_in_words(options.after_cut)}"


KIND = Kind(
    name="one_piece", doc=__doc__, layers=("layer", "dies?"), limit="none", options=Options, check=check, words=words,
    needed=(1,), overall=overall, by_net=lambda options: int(options.joined == "nets"),
)  # fmt: skip
