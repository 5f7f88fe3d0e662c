"""Which windows of a grid see the same.

The signature of a window is all that can reach it, relative to its corner: the items that touch its frame, those that
touch a slanted shape of these (which is never cut), the boxes there, cut to the frame, and of each long shape there the
part that it covers. Two windows are alike where their signatures are equal number by number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.windows.arrays import Ints, distinct_rows
from layoutgen.windows.grid import Grid
from layoutgen.windows.source import NAME, Layer

Hashes: TypeAlias = npt.NDArray[np.uint64]

_COLUMNS = 6
"""Of a row of a signature: what it is (two numbers), and where (four)."""
_BOX, _LONG, _COVERED = -1, -2, -3
"""First numbers of rows that are no items."""
_MIX = np.array(
    [0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F,
     0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3, 0x589965CC75374CC3], dtype=np.uint64,
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """What the windows of a grid see of a layer.

    numbers: of each window (flat, y fastest); equal ones see the same; 0: nothing. names: of each number from 1 on,
    what is seen as any other run would call it, if that was asked for.
    """

    numbers: Ints
    names: list[bytes] = field(default_factory=list)


def signatures(layer: Layer | None, grid: Grid, named: bool = False) -> Seen:
    """What each window sees of a layer, and whether by name as well."""
    out = np.zeros(grid.shape[0] * grid.shape[1], dtype=np.int64)
    if layer is None:
        return Seen(out)
    rows, windows, long = _rows(layer, grid)
    if not len(windows):
        return Seen(out)
    # each row counts once: shapes are merged, and the same one may be reached by several that reach out of the frame
    kinds = _kinds(rows, windows, once=True)
    out[kinds.owners] = kinds.of + 1
    return Seen(out, _names(layer, kinds, long) if named else [])


@dataclass(frozen=True)
class _Kinds:
    """The distinct owners of rows, in order, a number for each, equal for those with equal rows, and these rows: of
    each number where they start, and how many they are."""

    owners: Ints
    of: Ints
    rows: Ints
    start: Ints
    count: Ints

    def each(self) -> tuple[Ints, Ints]:
        """Positions of the rows of all numbers, one after the other, and of which number each is."""
        number = np.repeat(np.arange(len(self.start)), self.count)
        within = np.arange(len(number)) - np.repeat(np.cumsum(self.count) - self.count, self.count)
        return self.start[number] + within, number


def _names(layer: Layer, kinds: _Kinds, long: _Kinds | None) -> list[bytes]:
    """Of each kind a name that does not depend on how a run numbers what it meets."""
    position, number = kinds.each()
    rows = kinds.rows[position]
    item, is_long = rows[:, 0] >= 0, rows[:, 0] == _LONG
    said = np.zeros((len(rows), 4), dtype=np.int64)
    said[:, 0] = rows[:, 0]
    for column, name_of in ((0, layer.name), (1, layer.name_of_motion)):
        numbers, which = np.unique(rows[item, column], return_inverse=True)
        said[item, 2 * column : 2 * column + 2] = _as_numbers([name_of(n) for n in numbers.tolist()])[which.reshape(-1)]
    if long is not None and is_long.any():
        at, of = long.each()
        said[is_long, 1:3] = _as_numbers(_digests(long.rows[at], of, len(long.start)))[rows[is_long, 1]]
        rows[is_long, 1] = 0
    return _digests(np.concatenate([said, rows[:, 2:]], axis=1), number, len(kinds.start))


def _digests(rows: Ints, of: Ints, count: int) -> list[bytes]:
    """A digest of the rows of each number, in whichever order they come."""
    order = np.lexsort((*rows.T[::-1], of))
    parts = np.split(rows[order], np.searchsorted(of[order], np.arange(1, count)))
    return [hashlib.blake2b(part.tobytes(), digest_size=NAME).digest() for part in parts]


def _as_numbers(names: list[bytes]) -> Ints:
    """(n, 2) numbers that say the same as names."""
    return np.frombuffer(b"".join(names), dtype=np.int64).reshape(-1, 2)


def _kinds(rows: Ints, owners: Ints, *, once: bool) -> _Kinds:
    """Which owners have equal rows. once: whether a row that an owner has several times counts as one."""
    hashes = _hashes(rows)
    order = np.lexsort((hashes, owners))
    rows, owners, hashes = rows[order], owners[order], hashes[order]
    if once:
        fresh = np.ones(len(rows), dtype=bool)
        fresh[1:] = (owners[1:] != owners[:-1]) | (rows[1:] != rows[:-1]).any(axis=1)
        rows, owners, hashes = rows[fresh], owners[fresh], hashes[fresh]
    distinct, first, count = np.unique(owners, return_index=True, return_counts=True)
    kinds = np.empty(len(distinct), dtype=np.int64)
    models = []
    for k, members in enumerate(_alike(rows, first, count, np.add.reduceat(hashes, first))):
        kinds[members] = k
        models.append(int(members[0]))
    return _Kinds(distinct, kinds, rows, first[models], count[models])


def _alike(rows: Ints, first: Ints, count: Ints, totals: Hashes) -> Iterator[Ints]:
    """Positions of owners with equal sums of hashes, compared in full, row by row."""
    order = np.lexsort((totals, count))
    same = (totals[order][1:] == totals[order][:-1]) & (count[order][1:] == count[order][:-1])
    borders = np.flatnonzero(np.concatenate([[True], ~same, [True]]))
    for start, end in pairwise(borders.tolist()):
        left = order[start:end]
        while len(left) > 1:
            span = np.arange(count[left[0]])
            model = rows[first[left[0]] + span]
            parts = np.array_split(left, max(1, len(left) * len(span) // 1_000_000))
            equal = np.concatenate([(rows[first[p][:, None] + span] == model).all(axis=(1, 2)) for p in parts])
            yield left[equal]
            left = left[~equal]
        if len(left):
            yield left


def _hashes(rows: Ints) -> Hashes:
    """One well mixed number per row; their sum tells owners apart before rows are compared."""
    mixed = np.zeros(len(rows), dtype=np.uint64)
    for column, factor in zip(rows.T, _MIX[: rows.shape[1]], strict=True):
        mixed = (mixed ^ column.astype(np.uint64)) * factor
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _rows(layer: Layer, grid: Grid) -> tuple[Ints, Ints, _Kinds | None]:
    """All rows of all signatures, the number of the window of each, and what those of long shapes say by number."""
    items, edges, wide = layer.items, layer.edges, grid.halo + _margin(grid)
    item, i, j = _touched(items.box, grid, wide)
    box, bi, bj = _touched(layer.boxes, grid, wide)
    line, ei, ej = _touched(edges.box, grid, wide)
    parts = [
        _of_items(layer, grid, item, i, j),
        _of_boxes(layer, grid, box, bi, bj, _frames(grid, bi, bj, wide)),
    ]
    cut = [_cut(layer, grid, line, ei, ej, _frames(grid, ei, ej, wide))]
    cut[0][0][:, 4:] = 0  # the frame, which no other box that edges are cut to is taken for
    # what touches a slanted edge that reaches far out of the frame decides where it runs
    own, oi, oj = _reaching(layer, grid, item, i, j)
    tilted = edges.slanted[line] & _meet(edges.box[line], _frames(grid, ei, ej, grid.halo))
    reaching = np.concatenate([own, edges.box[line[tilted]]])
    ri, rj = np.concatenate([oi, ei[tilted]]), np.concatenate([oj, ej[tilted]])
    if len(reaching):
        if layer.long:  # of their edges alone it matters how many there are
            first, _ = distinct_rows(np.column_stack([ri, rj, reaching]))
            ri, rj, reaching = ri[first], rj[first], reaching[first]
        (k, other), (kb, box), (ke, line) = _neighbours(reaching, layer.trees)
        parts.append(_of_items(layer, grid, other, ri[k], rj[k]))
        parts.append(_of_boxes(layer, grid, box, ri[kb], rj[kb], reaching[kb]))
        cut.append(_cut(layer, grid, line, ri[ke], rj[ke], reaching[ke]))
    long, of_long = _of_long(layer, grid, wide, *(np.concatenate(column) for column in zip(*cut, strict=True)))
    parts += of_long
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), long


def _margin(grid: Grid) -> int:
    """Slanted edges up to this length that touch a frame need no looking after: what they touch is taken in anyway."""
    return grid.halo // 2 + 1


def _reaching(layer: Layer, grid: Grid, item: Ints, i: Ints, j: Ints) -> tuple[Ints, Ints, Ints]:
    """Boxes of the long slanted edges of items that touch a frame, with the window of each."""
    items = layer.items
    kinds = np.stack([items.content, items.motion], axis=1)
    first, which = distinct_rows(kinds)
    of_kind = [layer.slanted(c, m, _margin(grid)) for c, m in kinds[first].tolist()]
    meets = np.zeros(len(items), dtype=bool)  # something else: what is all its own is known by the item itself
    for number, boxes in enumerate(of_kind):
        if len(boxes):
            mine = np.flatnonzero(which == number)
            around = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
            meets[mine] = _meets_others(layer, mine, around + np.tile(items.at[mine], 2))
    tilted = meets[item]
    item, i, j = item[tilted], i[tilted], j[tilted]
    if not len(item):
        return np.empty((0, 4), dtype=np.int64), i, j
    at = items.at[item]
    frames = _frames(grid, i, j, grid.halo) - np.concatenate([at, at], axis=1)
    views = np.column_stack([which[item], frames])
    first, back = distinct_rows(views)
    found = [of_kind[v[0]][_meet(of_kind[v[0]], v[None, 1:])] for v in views[first]]
    count = np.array([len(f) for f in found])
    start = np.cumsum(count) - count
    k = np.repeat(np.arange(len(item)), count[back])
    within = np.arange(len(k)) - np.repeat(np.cumsum(count[back]) - count[back], count[back])
    boxes = np.concatenate(found)[start[back][k] + within]
    return boxes + np.concatenate([at, at], axis=1)[k], i[k], j[k]


def _meets_others(layer: Layer, mine: Ints, around: Ints) -> npt.NDArray[np.bool_]:
    """Which boxes around something of an item touch anything else."""
    shapes = shapely.box(*around.T.astype(float))
    out = np.zeros(len(mine), dtype=bool)
    items, boxes, edges = layer.trees
    for tree in (boxes, edges):
        out[tree.query(shapes)[0]] = True
    who, other = items.query(shapes)
    out[who[mine[who] != other]] = True
    return out


def _of_items(layer: Layer, grid: Grid, item: Ints, i: Ints, j: Ints) -> tuple[Ints, Ints]:
    items = layer.items
    rows = np.zeros((len(item), _COLUMNS), dtype=np.int64)
    rows[:, 0], rows[:, 1] = items.content[item], items.motion[item]
    rows[:, 2], rows[:, 3] = items.at[item, 0] - grid.x[i], items.at[item, 1] - grid.y[j]
    return rows, i * grid.shape[1] + j


def _of_boxes(layer: Layer, grid: Grid, box: Ints, i: Ints, j: Ints, within: Ints) -> tuple[Ints, Ints]:
    """Boxes cut to others, one each."""
    low = np.maximum(layer.boxes[box, :2], within[:, :2])
    high = np.minimum(layer.boxes[box, 2:], within[:, 2:])
    corner = np.stack([grid.x[i], grid.y[j]], axis=1)
    kind = np.full((len(box), 2), (_BOX, 0))
    rows = np.concatenate([kind, low - corner, high - corner], axis=1)
    return rows, i * grid.shape[1] + j


def _cut(layer: Layer, grid: Grid, edge: Ints, i: Ints, j: Ints, within: Ints) -> tuple[Ints, Ints, Ints]:
    """Edges, each with the box that it is cut to if it runs along an axis: with the windows and the shapes of these."""
    line = layer.edges.line[edge]
    straight = (line[:, :2] == line[:, 2:]).any(axis=1)[:, None]
    low, high = within[:, :2], within[:, 2:]
    start = np.where(straight, np.clip(line[:, :2], low, high), line[:, :2])
    end = np.where(straight, np.clip(line[:, 2:], low, high), line[:, 2:])
    corner = np.stack([grid.x[i], grid.y[j]], axis=1)
    rows = np.concatenate([start, end, low, high], axis=1) - np.tile(corner, 4)
    return rows, i * grid.shape[1] + j, layer.edges.shape[edge]


def _of_long(
    layer: Layer, grid: Grid, wide: int, rows: Ints, windows: Ints, shapes: Ints
) -> tuple[_Kinds | None, list[tuple[Ints, Ints]]]:
    """What each long shape covers: a row for each with edges there, one for all that cover a window with none there.

    Its edges as they are directed, each as often as it is drawn, and how often it winds around one point say it all.
    """
    parts: list[tuple[Ints, Ints]] = []
    if not len(layer.edges.line):
        return None, parts
    several = len(layer.long)
    kinds = _kinds(rows, windows * several + shapes, once=False) if len(rows) else None
    owners = kinds.owners if kinds else windows
    winding = np.zeros(len(owners), dtype=np.int64)
    for shape, window, times in _around_corners(layer, grid, wide):
        wanted = window * several + shape
        k = np.minimum(np.searchsorted(owners, wanted), len(owners) - 1)
        known = owners[k] == wanted if len(owners) else np.zeros(len(wanted), dtype=bool)
        winding[k[known]] = times[known]
        covered = np.unique(window[~known])
        parts.append((np.tile([_COVERED, *[0] * (_COLUMNS - 1)], (len(covered), 1)), covered))
    out = np.zeros((len(owners), _COLUMNS), dtype=np.int64)
    out[:, 0], out[:, 1], out[:, 2] = _LONG, kinds.of if kinds else 0, winding
    return kinds, [*parts, (out, owners // several)]


def _around_corners(layer: Layer, grid: Grid, wide: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Long shapes that wind around the lower left corner of a frame: shape, window, and how many times.

    Around a point above and to the right of the corner, nearer than any edge is that does not touch it. Rows of windows
    one after the other.
    """
    x1, y1, x2, y2 = layer.edges.line.T
    xs, ys = grid.x[:-1] - wide, grid.y[:-1] - wide
    for j, y in enumerate(ys.tolist()):
        up, down = (y1 <= y) & (y < y2), (y2 <= y) & (y < y1)
        crossing = np.flatnonzero(up | down)
        if not len(crossing):
            continue
        a, b = x1[crossing], y1[crossing]
        at = a - (b - y) * (x2[crossing] - a) // (y2[crossing] - b)  # rounded up: corners are at whole units
        first, shape = np.searchsorted(xs, at, "left"), layer.edges.shape[crossing]
        order = np.lexsort((first, shape))
        first, shape = first[order], shape[order]
        times = np.cumsum(np.where(up[crossing], 1, -1)[order])  # each shape by itself: it ends as it began, outside
        count = np.where(times[:-1] != 0, np.diff(first), 0)
        owner = np.repeat(np.arange(len(count)), count)
        i = first[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        asked = slice(None) if grid.only is None else grid.only[i, j]
        yield shape[owner][asked], (i * grid.shape[1] + j)[asked], times[owner][asked]


def _frames(grid: Grid, i: Ints, j: Ints, by: int) -> Ints:
    """The cores of windows, grown."""
    return np.stack([grid.x[i] - by, grid.y[j] - by, grid.x[i + 1] + by, grid.y[j + 1] + by], axis=1)


def _meet(a: Ints, b: Ints) -> np.ndarray:
    return (a[:, 0] <= b[:, 2]) & (b[:, 0] <= a[:, 2]) & (a[:, 1] <= b[:, 3]) & (b[:, 1] <= a[:, 3])


def _touched(box: Ints, grid: Grid, by: int) -> tuple[Ints, Ints, Ints]:
    """Each box with each window that it touches once grown: numbers of the box and of the window along x and y."""
    spans = []
    for low, high, borders in ((box[:, 0], box[:, 2], grid.x), (box[:, 1], box[:, 3], grid.y)):
        first = np.searchsorted(borders[1:] + by, low, "left")
        last = np.searchsorted(borders[:-1] - by, high, "right")
        spans.append((first, np.maximum(0, last - first)))
    (x0, nx), (y0, ny) = spans
    count = nx * ny
    owner = np.repeat(np.arange(len(box)), count)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    i, j = x0[owner] + within // ny[owner], y0[owner] + within % ny[owner]
    if grid.only is None:
        return owner, i, j
    asked = grid.only[i, j]
    return owner[asked], i[asked], j[asked]


def _neighbours(reaching: Ints, trees: Iterable[shapely.STRtree]) -> Iterator[tuple[Ints, Ints]]:
    """For each tree of boxes pairs of a box that reaches out of a window and another one that it touches."""
    first, wanted = distinct_rows(reaching)
    boxes = shapely.box(*reaching[first].T.astype(float))
    for tree in trees:
        who, other = tree.query(boxes)
        order = np.lexsort((other, who))
        who, other = who[order], other[order]
        start, stop = np.searchsorted(who, wanted, "left"), np.searchsorted(who, wanted, "right")
        count = stop - start
        k = np.repeat(np.arange(len(wanted)), count)
        within = np.arange(len(k)) - np.repeat(np.cumsum(count) - count, count)
        yield k, other[start[k] + within]
