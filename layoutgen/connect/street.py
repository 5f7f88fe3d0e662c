"""What is drawn of streets and cuts between and beside dies, compared with what the process says of its blade.

The other checks take the cut as it is drawn: where it is drawn otherwise than the blade cuts, in the middle between two
dies and as wide as `[cut]` says, they have looked at another wafer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen.connect.near import diagonals
from layoutgen.connect.rules import KERF
from layoutgen.connect.sheets import Bools, Ints, Sheet
from layoutgen.connect.stack import METAL
from layoutgen.connect.wafer import Wafer, moved_to, pieces_found
from layoutgen.findings import Finding
from layoutgen.units import DBU, dbu
from layoutgen.windows.arrays import distinct_rows

ROUNDED = 1
"""Database units by which the middle of an odd street is off."""
FAR = 1 << 32
"""More than two coordinates are apart."""


def check_street(wafer: Wafer) -> Iterator[Finding]:
    """Where dies stand nearer than the blade at its worst is wide, or the drawn street or cut is another than its."""
    cut = wafer.pdk.cut
    if cut is None:
        return
    worst = 2 * dbu(cut.widest.touched)
    bands = {name: 2 * dbu(half) for name, half in cut.bands().items() if _drawn(wafer, name) is not None}
    sure = _drawn(wafer, "cut_sure")
    yield from _over_dies(wafer, sure)
    yield from _ring_beside(wafer, worst)
    for axis in (0, 1):
        gaps, corners = between(wafer.dies.boxes, axis)
        wide = gaps[:, axis + 2] - gaps[:, axis]
        yield from _too_near(gaps[wide < worst], axis, worst)
        gaps, corners = gaps[wide >= worst], corners[wide >= worst]
        yield from _not_covered(wafer, "street", gaps, corners, axis, worst)
        if sure is not None:
            margin = dbu(cut.widest.touched) - dbu(cut.removed)
            outer, margins = border(wafer, axis, np.unique(wide), margin, sure)
            note = "cut_sure is drawn nearer to a die than the blade can come without touching it at its worst"
            yield from _found_in(wafer, margins[:, :2], [margins], sure, f"margins along {axis}", note)
            outer = outer[outer[:, axis + 2] - outer[:, axis] >= worst]
            gaps, corners = np.concatenate([gaps, outer]), np.concatenate([corners, outer[:, :2]])
        for layer, asked in bands.items():
            if layer.startswith("cut_maybe"):
                yield from _not_covered(wafer, layer, gaps, corners, axis, asked)
            else:
                yield from _too_wide(wafer, layer, gaps, corners, axis, asked)


def _too_wide(wafer: Wafer, layer: str, gaps: Ints, corners: Ints, axis: int, asked: int) -> Iterator[Finding]:
    """Where more is drawn to be surely gone than the blade surely takes, which hides what lies there."""
    drawn = _drawn(wafer, layer)
    if drawn is None or not len(gaps):
        return
    note = f"{layer} is drawn beside the {asked * DBU:g} um that the blade surely takes here"
    sides = _beside(gaps, axis, asked + 2 * ROUNDED)
    yield from _found_in(wafer, corners, sides, drawn, f"{layer} beside {axis}", note)


def _not_covered(wafer: Wafer, layer: str, gaps: Ints, corners: Ints, axis: int, asked: int) -> Iterator[Finding]:
    """What is missing of a layer in the middle of what lies between dies, where anything is drawn on it."""
    drawn = _drawn(wafer, layer)
    if drawn is None or not len(gaps):
        return
    middle = _sheet(wafer, corners, [_middle(gaps, axis, asked - 2 * ROUNDED)], f"{layer} along {axis}")
    left = wafer.pieces.without(middle, drawn)
    note = f"what is drawn on {layer} does not cover the {asked * DBU:g} um that the blade may touch here"
    nodes = wafer.pieces.nodes(left)
    yield from pieces_found(wafer, left, nodes.instance, nodes.piece, KERF, note)


def _found_in(
    wafer: Wafer, corners: Ints, boxes: Sequence[Ints], drawn: Sheet, name: str, note: str
) -> Iterator[Finding]:  # fmt: skip
    """Those of some boxes in which something drawn lies."""
    sheet = _sheet(wafer, corners, boxes, name)
    found = np.unique(wafer.pieces.meetings(sheet, drawn, area=True)[0])
    nodes = wafer.pieces.nodes(sheet)
    yield from pieces_found(wafer, sheet, nodes.instance[found], nodes.piece[found], KERF, note)


def _over_dies(wafer: Wafer, sure: Sheet | None) -> Iterator[Finding]:
    """Cuts over dies, which would hide from all other checks what lies there."""
    die = _drawn(wafer, "die")
    if sure is None or die is None:
        return
    over = np.unique(wafer.pieces.meetings(sure, die, area=True)[0])
    nodes = wafer.pieces.nodes(sure)
    note = "cut_sure is drawn over a die, of which the blade takes nothing"
    yield from pieces_found(wafer, sure, nodes.instance[over], nodes.piece[over], KERF, note)


def _ring_beside(wafer: Wafer, least: int) -> Iterator[Finding]:
    """Metal of the contact ring in a street, where only the bus runs along the cut: between dies, and around them."""
    metal, boxes = wafer.sheets[METAL], wafer.dies.boxes
    ring = metal.taken(wafer.on(metal, "ring"))
    if not len(ring):
        return
    nodes = wafer.pieces.nodes(ring)
    around, streets = boxes.copy(), []
    for axis in (0, 1):
        gaps, corners = between(boxes, axis)
        reach = int((gaps[:, axis + 2] - gaps[:, axis]).min()) if len(gaps) else least
        around[:, axis] -= reach
        around[:, axis + 2] += reach
        streets.append((gaps, corners))
    streets.append((around, boxes[:, :2]))
    extents, found = wafer.pieces.boxes(ring, nodes), []
    for k, (some, corners) in enumerate(streets):
        near = _near_any(some, extents)  # few, at the rim
        sheet = _sheet(wafer, corners[near], [some[near]], f"whole street {k}")
        found.append(wafer.pieces.meetings(ring, sheet, area=True)[0])
    those = np.unique(np.concatenate(found))
    note = "metal of the contact ring lies in a street, where only the bus may"
    yield from pieces_found(wafer, ring, nodes.instance[those], nodes.piece[those], KERF, note)


def _near_any(boxes: Ints, others: Ints) -> Bools:
    """Which boxes touch one of few others."""
    x0, y0, x1, y1 = np.ascontiguousarray(boxes.T)
    near = np.zeros(len(boxes), dtype=bool)
    for left, low, right, high in others.tolist():
        near |= (x0 <= right) & (x1 >= left) & (y0 <= high) & (y1 >= low)
    return near


def border(wafer: Wafer, axis: int, wide: Ints, margin: int, sure: Sheet) -> tuple[Ints, Ints]:
    """(n, 4) streets outside of the outermost dies: as wide as what lies between dies, where all of that is as wide.

    Where it is not, so wide that what is drawn to be cut nearest to the die lies in their middle. Beside dies in whose
    way others of another row stand, a margin is all that is known; so it is where a street is as narrow as that.
    """
    boxes, other = wafer.dies.boxes, 1 - axis
    gaps, _ = between(boxes, axis)
    tree = shapely.STRtree(diagonals(boxes))
    streets, margins = [np.empty((0, 4), dtype=np.int64)], [np.empty((0, 4), dtype=np.int64)]
    for side, facing in ((axis, axis + 2), (axis + 2, axis)):
        lone = ~np.isin(boxes[:, side] * FAR + boxes[:, other], gaps[:, facing] * FAR + gaps[:, other])
        some = boxes[lone]
        free = np.ones(len(some), dtype=bool)
        ahead = _outside(some, side, some[:, axis + 2] - some[:, axis])
        free[tree.query(diagonals(ahead + np.array([1, 1, -1, -1])))[0]] = False
        if len(wide) == 1:
            streets.append(_outside(some[free], side, wide[0]))
            some = some[~free]
        else:
            streets.append(_outside(some[free], side, _around_cut(wafer, ahead[free], side, sure)))
        margins.append(_outside(some, side, margin))
    return np.concatenate(streets), np.concatenate(margins)


def _around_cut(wafer: Wafer, ahead: Ints, side: int, sure: Sheet) -> Ints:
    """How wide the street is that lies ahead of each die, if the cut nearest to the die is in its middle; 0: no cut."""
    out = np.zeros(len(ahead), dtype=np.int64)
    if not len(ahead):
        return out
    sheet = wafer.pieces.singles([kdb.Polygon(kdb.Box(*row)) for row in ahead.tolist()], f"ahead of {side}")
    strip, cut = wafer.pieces.meetings(sheet, sure, area=True)
    boxes, from_die = wafer.pieces.boxes(sure, wafer.pieces.nodes(sure))[cut], ahead[strip, (side + 2) % 4]
    ends = np.abs(np.stack([boxes[:, (side + 2) % 4], boxes[:, side]]) - from_die)
    for k in np.unique(strip).tolist():
        mine = ends[:, strip == k]
        begin, end = mine[:, np.argmin(mine[0])].tolist()
        while len(more := mine[1][(mine[0] <= end) & (mine[1] > end)]):
            end = int(more.max())
        out[k] = begin + end
    return out


def _outside(boxes: Ints, side: int, deep: Ints | int) -> Ints:
    """What lies outside of a side (0 to 3: left, lower, right, upper) of each box, so deep."""
    out = boxes.copy()
    out[:, (side + 2) % 4] = boxes[:, side]
    out[:, side] = boxes[:, side] + (deep if side > 1 else -deep)
    return out


def between(boxes: Ints, axis: int) -> tuple[Ints, Ints]:
    """(n, 4) what lies between two dies that follow each other along an axis in one row, less than a die apart.

    And (n, 2) the lower left corner of the first of both.
    """
    other = 1 - axis
    some = boxes[np.lexsort((boxes[:, axis], boxes[:, other]))]
    a, b = some[:-1], some[1:]
    gap = b[:, axis] - a[:, axis + 2]
    least = np.minimum(a[:, axis + 2] - a[:, axis], b[:, axis + 2] - b[:, axis])
    near = (a[:, other] == b[:, other]) & (gap >= 0) & (gap < least)
    out = np.empty((int(near.sum()), 4), dtype=np.int64)
    out[:, axis], out[:, axis + 2] = a[near, axis + 2], b[near, axis]
    out[:, other] = a[near, other]
    out[:, other + 2] = np.minimum(a[near, other + 2], b[near, other + 2])
    return out, a[near, :2]


def _drawn(wafer: Wafer, layer: str) -> Sheet | None:
    """A reserved layer on which something is."""
    sheet = wafer.pieces.sheet(layer) if layer in wafer.pdk.reserved else None
    return sheet if sheet is not None and len(sheet) else None


def _middle(gaps: Ints, axis: int, width: int) -> Ints:
    """The band of a width in the middle of each."""
    out = gaps.copy()
    middle = (gaps[:, axis] + gaps[:, axis + 2]) // 2
    out[:, axis], out[:, axis + 2] = middle - width // 2, middle + width // 2
    return out


def _beside(gaps: Ints, axis: int, width: int) -> list[Ints]:
    """What is left on both sides of it."""
    middle, low, high = _middle(gaps, axis, width), gaps.copy(), gaps.copy()
    low[:, axis + 2], high[:, axis] = middle[:, axis], middle[:, axis + 2]
    return [low, high]


def _sheet(wafer: Wafer, corners: Ints, boxes: Sequence[Ints], name: str) -> Sheet:
    """Some boxes beside each die, known from its corner: what stands at the same places is searched together."""
    seen = np.concatenate([some - np.tile(corners, 2) for some in boxes], axis=1)
    alike, back = distinct_rows(seen)
    some = []
    for k, row in enumerate(seen[alike].tolist()):
        region = kdb.Region()
        for left, bottom, right, top in zip(*(row[side::4] for side in range(4)), strict=True):
            if left < right and bottom < top:
                region.insert(kdb.Box(left, bottom, right, top))
        some.append((region, corners[back == k]))
    return wafer.pieces.placed(some, f"asked of {name}")


def _too_near(gaps: Ints, axis: int, worst: int) -> Iterator[Finding]:
    """Dies between which the blade at its worst has no room: one finding for each size of what is between them."""
    sizes, back = np.unique(gaps[:, 2:] - gaps[:, :2], axis=0, return_inverse=True)
    for k, size in enumerate(sizes.tolist()):
        here = gaps[back.reshape(-1) == k]
        box = kdb.Box(*here[0].tolist()).enlarged(0 if size[0] else 500, 0 if size[1] else 500)
        wide = size[axis] * DBU
        note = f"the street is {wide:g} um wide here, and the blade may touch {worst * DBU:g} um"
        corners = ((box.left, box.bottom), (box.right, box.bottom), (box.right, box.top), (box.left, box.top))
        finding = Finding(KERF, polygon=corners, note=note, measured=round(wide, 3), asked=round(worst * DBU, 3))
        yield moved_to(finding, here[:, :2] - here[0, :2])
