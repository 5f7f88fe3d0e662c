"""Kinds, what stands on a wafer many times, and their pieces: merged polygons seen from where a kind stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.connect.sheets import Bools, Ints
from layoutgen.windows.arrays import distinct_rows

MANY = 4_000_000
"""Pairs of pieces of two kinds from which on they are searched in a tree."""

MANY_HARD = 1000
"""Pairs that are no boxes from which on those are left out first of which the larger does not touch the other's."""


class Kinds:
    """Kinds and their pieces, each by number; and which pieces of two kinds meet as these stand to each other."""

    def __init__(self) -> None:
        self.polygons: list[kdb.Polygon] = []
        """Of each piece, seen from where its kind stands."""
        self._shapes: list[shapely.Geometry | None] = []
        self._start: list[int] = [0]
        """Of each kind, its first piece."""
        self._numbers: dict[object, int] = {}
        self._cuts: dict[tuple[int, frozenset[tuple[int, ...]]], int] = {}
        self._box_rows: list[tuple[int, int, int, int]] = []
        self._is_box: list[bool] = []

    def of(self, key: object, polygons: Callable[[], Iterable[kdb.Polygon]]) -> int:
        """The number of the kind with a key; its pieces are asked for when it is new."""
        if key not in self._numbers:
            self._numbers[key] = len(self._start) - 1
            for polygon in polygons():
                box = polygon.bbox()
                self.polygons.append(polygon)
                self._shapes.append(None)
                self._box_rows.append((box.left, box.bottom, box.right, box.top))
                self._is_box.append(polygon.is_box())
            self._start.append(len(self.polygons))
        return self._numbers[key]

    def pieces(self, kind: int) -> list[kdb.Polygon]:
        """Those of a kind."""
        return self.polygons[self._start[kind] : self._start[kind + 1]]

    def is_box(self) -> Bools:
        """Of each piece, whether it is a box."""
        return np.array(self._is_box, dtype=bool)

    def table(self) -> tuple[Ints, Ints, Bools]:
        """First pieces of the kinds, extents of the pieces, and whether they are boxes."""
        boxes = np.array(self._box_rows, dtype=np.int64).reshape(-1, 4)
        return np.array(self._start, dtype=np.int64), boxes, self.is_box()

    def shape(self, pieces: Ints) -> npt.NDArray[np.object_]:
        """Pieces as shapely has them, made ready for being asked often."""
        for k in np.unique(pieces).tolist():
            if self._shapes[k] is None:
                self._shapes[k] = outline(self.polygons[k])
                shapely.prepare(self._shapes[k])
        out = np.empty(len(pieces), dtype=object)
        out[:] = [self._shapes[k] for k in pieces.tolist()]
        return out

    def around(self, kinds: Ints) -> Ints:
        """(n, 4) extents of kinds, from where they stand; of one without pieces none."""
        start, boxes, _ = self.table()
        count = len(start) - 1
        out = np.tile(np.array((1, 1, 0, 0)), (count, 1))
        full = np.flatnonzero(np.diff(start) > 0)
        for side, pick in ((0, np.minimum), (1, np.minimum), (2, np.maximum), (3, np.maximum)):
            if len(full):
                out[full, side] = pick.reduceat(boxes[:, side], start[:-1][full])
        around: Ints = out[kinds]
        return around

    def contacts(self, rows: Ints, area: bool) -> tuple[Ints, Ints, Ints]:
        """For each relation the pieces of both kinds that meet: its number, and the pieces, in order of the number."""
        start, boxes, is_box = self.table()
        size = np.diff(start)
        n, m = size[rows[:, 0]], size[rows[:, 1]]
        numbers, ps, qs = [], [], []
        single = np.flatnonzero((n == 1) & (m == 1))
        numbers.append(single)
        ps.append(start[rows[single, 0]])
        qs.append(start[rows[single, 1]])
        for k in np.flatnonzero((n > 0) & (m > 0) & (n * m > 1)).tolist():
            one, other, dx, dy = rows[k].tolist()
            p, q = np.arange(start[one], start[one + 1]), np.arange(start[other], start[other + 1])
            mine, theirs = boxes[p], boxes[q] + np.array([dx, dy, dx, dy])
            around = np.concatenate([mine[:, :2].min(axis=0), mine[:, 2:].max(axis=0)])
            near = (theirs[:, :2] <= around[2:]).all(axis=1) & (theirs[:, 2:] >= around[:2]).all(axis=1)
            q, theirs = q[near], theirs[near]
            if len(p) * len(q) > MANY:
                i, j = shapely.STRtree(shapely.box(*theirs.T.astype(float))).query(shapely.box(*mine.T.astype(float)))
            else:
                meet = (mine[:, None, :2] <= theirs[None, :, 2:]).all(axis=2)
                meet &= (mine[:, None, 2:] >= theirs[None, :, :2]).all(axis=2)
                i, j = np.nonzero(meet)
            numbers.append(np.full(len(i), k))
            ps.append(p[i])
            qs.append(q[j])
        number, p, q = (np.concatenate(x).astype(np.int64) for x in (numbers, ps, qs))
        keep = self._meet(p, q, rows[number, 2:], area, boxes, is_box)
        number, p, q = number[keep], p[keep], q[keep]
        order = np.argsort(number, kind="stable")
        return number[order], p[order], q[order]

    def _meet(self, p: Ints, q: Ints, step: Ints, area: bool, boxes: Ints, is_box: Bools) -> Bools:
        """Whether pieces touch, the second one moved by a step; area: have an area in common."""
        mine, theirs = boxes[p], boxes[q] + np.tile(step, 2)
        apart = np.concatenate([mine[:, :2] - theirs[:, 2:], theirs[:, :2] - mine[:, 2:]], axis=1).max(
            axis=1, initial=-1
        )
        near: Bools = apart < 0 if area else apart <= 0
        hard = np.flatnonzero(near & ~(is_box[p] & is_box[q]))
        if len(hard) > MANY_HARD:
            reached = self._reached(p[hard], q[hard], step[hard], boxes)
            near[hard[~reached]] = False
            hard = hard[reached]
        if len(hard):
            keys = np.column_stack([p[hard], q[hard], step[hard]])
            first, back = distinct_rows(keys)
            near[hard] = self._exactly(keys[first], area)[back]
        return near

    def _reached(self, p: Ints, q: Ints, step: Ints, boxes: Ints) -> Bools:
        """Whether pieces with the larger extents touch those of the others: of a frame around many, few do."""
        size = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1, dtype=float)
        swap = size[p] < size[q]
        large, small = np.where(swap, q, p), np.where(swap, p, q)
        extents = boxes[small] + np.tile(np.where(swap[:, None], -step, step), 2)
        reached: Bools = np.asarray(shapely.intersects(self.shape(large), shapely.box(*extents.T.astype(float))))
        return reached

    def _exactly(self, rows: Ints, area: bool) -> Bools:
        """The same for (n, 4) pairs of pieces and the step between, exactly."""
        sizes = np.array([p.num_points() for p in self.polygons])
        swap = sizes[rows[:, 0]] < sizes[rows[:, 1]]
        rows = np.where(swap[:, None], np.column_stack([rows[:, 1], rows[:, 0], -rows[:, 2:]]), rows)
        one, other = self.shape(rows[:, 0]), self.shape(rows[:, 1])
        coords, index = shapely.get_coordinates(other, return_index=True)
        shifted = shapely.set_coordinates(other.copy(), coords + rows[index, 2:])
        meet: Bools = np.asarray(shapely.intersects(one, shifted))
        if not area:
            return meet
        inside = np.zeros(len(rows), dtype=bool)
        inside[meet] = shapely.covers(one[meet], shifted[meet])
        partly = np.flatnonzero(meet & ~inside)
        inside[partly] = shapely.relate_pattern(one[partly], shifted[partly], "T********")
        return inside

    def clipped(self, kind: int, step: Ints, box: kdb.Box) -> tuple[int, ...]:
        """What a kind takes away of a box: known by its extent where it is a box itself."""
        start = self._start[kind]
        x, y = int(step[0]), int(step[1])
        if self._start[kind + 1] - start == 1 and self._is_box[start]:
            left = self.polygons[start].bbox().moved(x, y) & box
            return left.left, left.bottom, left.right, left.top
        return kind, x, y

    def left(self, kind: int, gone: frozenset[tuple[int, ...]]) -> int:
        """What is left of a kind where others take something away (`clipped`), as a kind."""
        if (kind, gone) not in self._cuts:
            cut = kdb.Region()
            for part in gone:
                if len(part) == 4:
                    cut.insert(kdb.Box(*part))
                else:
                    other, x, y = part
                    for polygon in self.pieces(other):
                        cut.insert(polygon.moved(x, y))
            own = kdb.Region(self.pieces(kind))
            left = (*(own - cut).merged().each(),)
            self._cuts[kind, gone] = self.of(left, lambda: left)  # what is left alike is of one kind
        return self._cuts[kind, gone]

    def grown(self, kind: int, by: int) -> int:
        """The extents of a kind's pieces, larger by so much on each side, as a kind."""
        boxes = self._box_rows[self._start[kind] : self._start[kind + 1]]
        return self.of(("grown", kind, by), lambda: [kdb.Polygon(kdb.Box(*b).enlarged(by, by)) for b in boxes])

    def piece_at(self, kind: int, points: Ints) -> tuple[Ints, Ints]:
        """Which of (n, 2) points lie in pieces of a kind, and in which."""
        own = np.arange(self._start[kind], self._start[kind + 1])
        boxes = np.array(self._box_rows[self._start[kind] : self._start[kind + 1]], dtype=np.int64).reshape(-1, 4)
        if not len(own):
            return own, own
        low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        near = np.flatnonzero((points >= low).all(axis=1) & (points <= high).all(axis=1))
        if not len(near):
            return near, near
        tree = shapely.STRtree(shapely.box(*boxes.T.astype(float)))
        k, j = tree.query(shapely.points(points[near].astype(float)))
        x, y = points[near[k]].T.astype(float)
        hit = np.array([self._is_box[p] for p in own[j].tolist()], dtype=bool)
        slow = np.flatnonzero(~hit)
        hit[slow] = shapely.intersects_xy(self.shape(own[j[slow]]), x[slow], y[slow])
        return near[k[hit]], own[j[hit]]


def outline(polygon: kdb.Polygon) -> shapely.Polygon:
    """As shapely has it."""
    holes = [[(p.x, p.y) for p in polygon.each_point_hole(k)] for k in range(polygon.holes())]
    return shapely.Polygon([(p.x, p.y) for p in polygon.each_point_hull()], holes)
