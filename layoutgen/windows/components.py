"""What belongs together in the whole layout: of pieces of polygons seen in windows, the polygon that each is a part of.

A window knows what is joined within its frame. Two pieces seen in neighbouring windows are of one polygon where both
cover, or touch, the same point of the border between their cores: also in a corner, since merged shapes that touch in a
corner are one polygon. So the sections of all pieces along all borders, at every place of every window, join them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.windows.arrays import Floats, Ints
from layoutgen.windows.sheet import Pictures, Sheet, lay_out
from layoutgen.windows.view import View

Bools = npt.NDArray[np.bool_]
NEAR = 2
"""How far rounding may move an edge at any angle, in database units."""
_AROUND = sorted(
    ((dx, dy) for dx in range(-NEAR, NEAR + 1) for dy in range(-NEAR, NEAR + 1) if math.hypot(dx, dy) <= NEAR),
    key=lambda by: math.hypot(*by),
)
_TOUCH = 0.5
_WRAP = float(2**33)
"""More than any coordinate."""


def all_on_sheets(taken: Pictures, view: View) -> list[Sheet]:
    """All windows of a view on sheets, each for itself, those as well that would be looked at where they stand."""
    levels = [replace(level, in_place=False) for level in view.levels]
    return [sheet for sheet in lay_out(taken, replace(view, levels=levels)) if isinstance(sheet, Sheet)]


def is_repeated(view: View) -> bool:
    """Whether few windows stand for many, so that looking at each by itself is worth it."""
    return 2 * len(view.cores) <= sum(len(like) for level in view.levels for like in level.like)


@dataclass(frozen=True)
class _Contacts:
    """Where pieces meet the borders of their cores: piece, axis that the border lies square to, where it lies, and the
    section along it."""

    piece: Ints
    axis: Ints
    line: Ints
    low: Floats
    high: Floats


class Components:
    """The pieces of one layer in all windows of a view, by number, and the component that each is of at each place.

    A piece is a merged polygon within a window's frame. Its window may not tell what it is of where it only lies in the
    halo; the window that has it in its core is asked then.
    """

    def __init__(self, sheets: Sequence[Sheet], regions: Sequence[kdb.Region]) -> None:
        """regions: what each sheet shows of the layer, merged."""
        self.sheets, self.regions = list(sheets), list(regions)
        self.view = view = sheets[0].view
        self.polygons: list[kdb.Polygon] = []
        """Of each piece, where it lies on its sheet."""
        windows, moves = [], []
        for sheet, region in zip(sheets, regions, strict=True):
            here = list(region.each())
            if here:
                corners = np.array([(b.left, b.bottom) for p in here for b in (p.bbox(),)], dtype=np.int64)
                slots = sheet.slots(corners)
                order = np.argsort(slots, kind="stable")
                self.polygons += [here[k] for k in order.tolist()]
                windows.append(sheet.windows[slots[order]])
                moves.append(sheet.moved[slots[order]])
        self.window: Ints = np.concatenate([*windows, np.empty(0, dtype=np.int64)])
        """Of each piece."""
        self.moved: Ints = np.concatenate([*moves, np.empty((0, 2), dtype=np.int64)])
        """By how much the sheet has moved each piece."""
        if (np.diff(self.window) < 0).any():
            order = np.argsort(self.window, kind="stable")
            self.window, self.moved = self.window[order], self.moved[order]
            self.polygons = [self.polygons[k] for k in order.tolist()]
        sheet_boxes = [(b.left, b.bottom, b.right, b.top) for p in self.polygons for b in (p.bbox(),)]
        self.box: Ints = np.array(sheet_boxes, dtype=np.int64).reshape(-1, 4) - np.tile(self.moved, 2)
        """(n, 4) extents at the window's first place."""
        count = len(view.cores)
        self._start = np.searchsorted(self.window, np.arange(count + 1))
        self.places = [view.places(k) for k in range(count)]
        """Of each window, (n, 2) by how much to move it to where its like stand, itself first."""
        self._times = np.array([len(p) for p in self.places], dtype=np.int64)
        sizes = self._times * np.diff(self._start)
        self._base = np.concatenate([[0], np.cumsum(sizes)])
        self.known, contacts = self._sections()
        """Whether a piece touches its window's core, so that the window can tell what it is of."""
        self.number = united(int(self._base[-1]), self._links(contacts))
        """The component of each piece at each place; the same number for what is one polygon."""
        self._elsewhere: dict[int, Ints] = {}

    def pieces(self, window: int) -> range:
        """The pieces that a window shows."""
        return range(int(self._start[window]), int(self._start[window + 1]))

    def piece_at(self, window: int, x: int, y: int, known: bool = False) -> int | None:
        """The piece that a window shows at a point of its first place, or nearest to it within rounding.

        known: of those only that touch the core.
        """
        own = self.pieces(window)
        boxes = self.box[own.start : own.stop]
        near = (boxes[:, :2] <= (x + NEAR, y + NEAR)).all(axis=1) & (boxes[:, 2:] >= (x - NEAR, y - NEAR)).all(axis=1)
        if known:
            near &= self.known[own.start : own.stop]
        candidates = (own.start + np.flatnonzero(near)).tolist()
        if len(candidates) == 1 and not known:
            return int(candidates[0])  # some piece is there
        for dx, dy in _AROUND:
            for k in candidates:
                if self.polygons[k].inside(kdb.Point(x + dx + int(self.moved[k, 0]), y + dy + int(self.moved[k, 1]))):
                    return int(k)
        away = {k: self._away(k, x, y) for k in candidates}  # a sliver
        nearest = min(candidates, key=lambda k: away[k], default=None)
        return nearest if nearest is not None and away[nearest] <= NEAR else None

    def _away(self, piece: int, x: int, y: int) -> float:
        point = kdb.Point(x + int(self.moved[piece, 0]), y + int(self.moved[piece, 1]))
        return min(float(e.euclidian_distance(point)) for e in self.polygons[piece].each_edge())

    def of(self, piece: int) -> Ints:
        """The component of a piece at each place of its window.

        Raises:
            LookupError: it cannot be told.
        """
        window = int(self.window[piece])
        if self.known[piece]:
            first = int(self._base[window]) + piece - int(self._start[window])
            return self.number[first : int(self._base[window + 1]) : len(self.pieces(window))]
        if piece not in self._elsewhere:
            self._elsewhere[piece] = self._of_elsewhere(piece)
        return self._elsewhere[piece]

    # ------------------------------------------------------------------ borders

    def _sections(self) -> tuple[Bools, _Contacts]:
        """Which pieces touch their core, and where they meet its border."""
        core = self.view.cores[self.window]
        meets = ((self.box[:, :2] <= core[:, 2:]) & (self.box[:, 2:] >= core[:, :2])).all(axis=1)
        inside = ((self.box[:, :2] > core[:, :2]) & (self.box[:, 2:] < core[:, 2:])).all(axis=1)
        known = np.array(inside)
        crossing = np.flatnonzero(meets & ~inside).tolist()
        lines: list[tuple[int, int, int, int]] = []
        counts: list[int] = []
        for k in crossing:
            before = len(lines)
            lines += [(e.x1, e.y1, e.x2, e.y2) for e in self.polygons[k].each_edge()]
            counts.append(len(lines) - before)
        owner = np.repeat(np.array(crossing, dtype=np.int64), counts)
        line = np.array(lines, dtype=np.int64).reshape(-1, 4) - np.tile(self.moved[owner], 2)
        core = core[owner]
        known[owner[((core[:, :2] <= line[:, :2]) & (line[:, :2] <= core[:, 2:])).all(axis=1)]] = True
        parts = []
        for axis in (0, 1):
            for side in (0, 2):
                for below in (True, False):  # what lies on either side of the border meets it there
                    parts.append(_section(line, owner, core, axis, side, below))
        piece, across, at, low, high = (np.concatenate([p[k] for p in parts]) for k in range(5))
        known[piece] = True
        return known, _Contacts(piece, across, at, low, high)

    def _links(self, c: _Contacts) -> tuple[Ints, Ints]:
        """Pairs of pieces, each at one of its places, that meet along a border."""
        window = self.window[c.piece]
        times = self._times[window]
        row = np.repeat(np.arange(len(times)), times)
        place = np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times)
        first = np.cumsum(self._times) - self._times
        all_places = np.concatenate([*self.places, np.empty((0, 2), dtype=np.int64)])
        shift = all_places[first[window[row]] + place]
        axis = c.axis[row]
        line = c.line[row] + np.where(axis == 0, shift[:, 0], shift[:, 1])
        along = np.where(axis == 0, shift[:, 1], shift[:, 0])
        low, high = c.low[row] + along, c.high[row] + along
        count = np.diff(self._start)[window[row]]
        node = self._base[window[row]] + place * count + (c.piece - self._start[self.window[c.piece]])[row]
        order = np.lexsort((low, line, axis))
        axis, line, low, high, node = axis[order], line[order], low[order], high[order], node[order]
        fresh = (axis[1:] != axis[:-1]) | (line[1:] != line[:-1])
        wrapped = np.concatenate([[0], np.cumsum(fresh)])[: len(line)] * _WRAP
        reached = np.maximum.accumulate(wrapped + high) if len(high) else high
        joined = (wrapped + low)[1:] <= reached[:-1] + _TOUCH
        return node[:-1][joined], node[1:][joined]

    # ------------------------------------------------------------------ neighbours

    @cached_property
    def _cores(self) -> tuple[shapely.STRtree, Ints, Ints]:
        """The cores at all places, to search in; of each its window and its place."""
        window = np.repeat(np.arange(len(self._times)), self._times)
        place = np.concatenate([np.arange(n) for n in self._times.tolist()])
        boxes = self.view.cores[window] + np.tile(np.concatenate(self.places), 2)
        return shapely.STRtree(shapely.box(*boxes.T.astype(float))), window, place

    def _of_elsewhere(self, piece: int) -> Ints:
        """The component of a piece that lies in the halo only, by the windows whose cores it is in."""
        mine = self.places[int(self.window[piece])]
        out = np.full(len(mine), -1)
        tree, windows, places = self._cores
        points = [(p.x, p.y) for p in self.polygons[piece].each_point_hull()]
        core = self.view.cores[int(self.window[piece])] + np.tile(self.moved[piece], 2)
        points.sort(key=lambda p: max(core[0] - p[0], p[0] - core[2], core[1] - p[1], p[1] - core[3]))
        for px, py in points:  # the nearest first: it is in the frame
            left = np.flatnonzero(out < 0)
            if not len(left):
                break
            at = np.array([px, py]) - self.moved[piece] + mine[left]
            low, high = (at - NEAR).T.astype(float), (at + NEAR).T.astype(float)
            who, found = tree.query(shapely.box(low[0], low[1], high[0], high[1]))
            there: dict[tuple[int, int, int], int | None] = {}
            for k, instance in zip(who.tolist(), found.tolist(), strict=True):
                window, place = int(windows[instance]), int(places[instance])
                x, y = (at[k] - self.places[window][place]).tolist()
                key = (window, x, y)
                if key not in there:
                    there[key] = self.piece_at(window, x, y, known=True)
                other = there[key]
                if other is not None:
                    out[left[k]] = self.of(other)[place]
        if (out < 0).any():
            raise LookupError(f"no window tells what the polygon {self.polygons[piece]} is a part of")
        return out


def _section(
    line: Ints, owner: Ints, core: Ints, axis: int, side: int, below: bool
) -> tuple[Ints, Ints, Ints, Floats, Floats]:
    """Where pieces meet one border of their cores from below or from above: as `_Contacts` has it."""
    u1, v1, u2, v2 = (line[:, k] for k in (axis, 1 - axis, 2 + axis, 3 - axis))
    at = core[:, axis + side]
    least, most = np.minimum(u1, u2), np.maximum(u1, u2)
    cut = np.flatnonzero((least < at) & (at <= most) if below else (least <= at) & (at < most))
    u1, v1, u2, v2, at, owner, core = u1[cut], v1[cut], u2[cut], v2[cut], at[cut], owner[cut], core[cut]
    v = v1 + (at - u1) * ((v2 - v1) / (u2 - u1))
    order = np.lexsort((v, owner))  # the border enters and leaves a piece by turns
    low, high = v[order[0::2]], v[order[1::2]]
    piece, at, core = owner[order[0::2]], at[order[0::2]], core[order[0::2]]
    first, last = core[:, 1 - axis], core[:, 3 - axis]
    on = (low <= last + _TOUCH) & (high >= first - _TOUCH)
    low, high = np.maximum(low, first)[on], np.minimum(high, last)[on]
    return piece[on], np.full(len(low), axis), at[on], low, high


def united(count: int, links: tuple[Ints, Ints]) -> Ints:
    """The number of the component of each of `count` nodes, the least of its nodes, once links join them."""
    root = np.arange(count)
    u, v = links
    while len(u):
        a, b = root[u], root[v]
        apart = a != b
        u, v, a, b = u[apart], v[apart], a[apart], b[apart]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while (root[root] != root).any():
            root = root[root]
    return root
