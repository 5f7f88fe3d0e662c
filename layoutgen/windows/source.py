"""A layout as items: repeated cells and single shapes, each with its content and its place.

What is the same gets the same number, by comparison in full: a cell under another name, a shape drawn a thousand times.
Everything is in database units.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.windows.alike import Alike
from layoutgen.windows.apart import all_apart
from layoutgen.windows.arrays import Floats, Ints, distinct_rows
from layoutgen.windows.cover import covers

_NO_NAME = "\x01"
"""Of a cell while it is written: no file has it, as readers refuse it."""
NAME = 16
"""Bytes of what something is called in every run."""

REPEATED = 4
"""A cell that stands at fewer places is taken apart."""
PART = 8
"""So is one that is longer than this part of the whole layout."""
SAMPLE = 4096
"""Shapes of a cell up to which their corners are counted one by one."""
SHAPE_PART = 64
"""Single shapes longer than this part of it are known by their edges."""

MANY, MOST_KINDS = 1000, 1000
"""Items from which on, and kinds of them up to which, it pays to find out whether all stand apart."""


@dataclass(frozen=True)
class Items:
    """n items. Two with the same `content` and `motion` are the same but for their place.

    content: number of what it is. motion: number of how it is turned, with the rest of its place below one unit.
    at: (n, 2) places. box: (n, 4) extents.
    """

    content: Ints
    motion: Ints
    at: Ints
    box: Ints

    def __len__(self) -> int:
        return len(self.content)


@dataclass(frozen=True)
class Edges:
    """Edges of the long shapes outside of repeated cells, their inside to the right: (n, 4) x1 y1 x2 y2.

    shape: the number of the shape that each is of.
    """

    line: Ints
    shape: Ints

    @property
    def box(self) -> Ints:
        """(n, 4) extents."""
        a, b = self.line[:, :2], self.line[:, 2:]
        return np.concatenate([np.minimum(a, b), np.maximum(a, b)], axis=1)

    @property
    def slanted(self) -> npt.NDArray[np.bool_]:
        """Which are neither at 0 nor 45 nor 90 degrees."""
        step = np.abs(self.line[:, 2:] - self.line[:, :2])
        tilted: npt.NDArray[np.bool_] = (step.min(axis=1) > 0) & (step[:, 0] != step[:, 1])
        return tilted


@dataclass(frozen=True)
class Placed:
    """A cell and (n, 2) where it stands; `motion`: how it is turned, with the rest of its place below one unit."""

    cell: kdb.Cell
    motion: kdb.DCplxTrans
    at: Ints


class Source:
    """A layout below a cell; `layers` gives each layer's name its index in the layout."""

    def __init__(self, layout: kdb.Layout, top: kdb.Cell, layers: Mapping[str, int]) -> None:
        self.layout = layout
        self.top = top
        self.layers = dict(layers)
        self.bbox = kdb.Box()
        for index in self.layers.values():
            self.bbox += top.bbox(index)
        self.counts = self._flat_counts()
        self._known: dict[int, Layer | None] = {}
        self._below: dict[tuple[object, ...], list[Placed]] = {}
        self._corners: dict[str, int] = {}
        self._written: dict[tuple[int, int], bytes] = {}

    def written(self, cell: kdb.Cell, index: int) -> bytes:
        """A digest of a cell's own shapes on a layer, in the order in which they are drawn, whatever its name."""
        key = cell.cell_index(), index
        if key not in self._written:
            options = kdb.SaveLayoutOptions()
            options.format, options.oasis_compression_level, options.oasis_write_std_properties = "OASIS", 0, False
            options.select_cell(cell.cell_index())
            options.keep_instances = False
            options.deselect_all_layers()
            options.add_layer(index, kdb.LayerInfo(1, 0))
            name = cell.name
            self.layout.rename_cell(cell.cell_index(), _NO_NAME)
            try:
                data = self.layout.write_bytes(options)
            finally:
                self.layout.rename_cell(cell.cell_index(), name)
            self._written[key] = hashlib.blake2b(data, digest_size=32).digest()
        return self._written[key]

    def layer(self, name: str) -> Layer | None:
        """What is on a layer; None where the layout has no such layer, or nothing with an area on it."""
        index = self.layers.get(name)
        if index is None:
            return None
        if index not in self._known:
            self._known[index] = Layer(self, index) if covers(self.top, index) else None
        return self._known[index]

    def below(self, cell: kdb.Cell, motion: kdb.DCplxTrans) -> list[Placed]:
        """What stands in a cell that stands somewhere itself, arrays and single instances alike."""
        key = (cell.cell_index(), *_key(motion))
        if key not in self._below:
            places: dict[tuple[int, float, float, bool], list[Floats]] = defaultdict(list)
            plain: dict[tuple[int, float, bool], list[tuple[int, ...]]] = defaultdict(list)
            for inst in cell.each_inst():
                if not inst.is_complex() and (inst.is_regular_array() or inst.size() == 1):
                    stands, a, b = inst.trans, inst.a, inst.b
                    row = (stands.disp.x, stands.disp.y, a.x, a.y, b.x, b.y, max(1, inst.na), max(1, inst.nb))
                    plain[inst.cell_index, stands.angle * 90.0, stands.is_mirror()].append(row)
                    continue
                first = motion * _placed(inst)
                steps = _steps(inst)
                at = np.array([[first.disp.x, first.disp.y]])
                if len(steps) > 1:
                    x, y = (motion * kdb.DVector(*unit) for unit in ((1.0, 0.0), (0.0, 1.0)))
                    at = at + steps @ np.array([[x.x, x.y], [y.x, y.y]])
                places[inst.cell_index, first.mag, first.angle, first.is_mirror()].append(at)
            for (child, angle, mirrored), rows in plain.items():
                first = motion * kdb.DCplxTrans(1.0, angle, mirrored, 0.0, 0.0)
                x, y = (motion * kdb.DVector(*unit) for unit in ((1.0, 0.0), (0.0, 1.0)))
                at = _of_arrays(np.array(rows)) @ np.array([[x.x, x.y], [y.x, y.y]]) + [first.disp.x, first.disp.y]
                places[child, first.mag, first.angle, first.is_mirror()].append(at)
            self._below[key] = []
            for (child, mag, angle, mirrored), found in places.items():
                whole, rest = _whole_and_rest(np.concatenate(found))
                for part in np.unique(rest, axis=0).tolist() if rest.any() else [[0.0, 0.0]]:
                    turn = kdb.DCplxTrans(part[0], part[1]) * kdb.DCplxTrans(mag, angle, mirrored, 0.0, 0.0)
                    here = whole[(rest == part).all(axis=1)]
                    self._below[key].append(Placed(self.layout.cell(child), turn, here))
        return self._below[key]

    def count(self, name: str) -> int:
        """How many shapes stand on a layer, each as often as its cell stands."""
        return sum(n * shapes.size() for shapes, n in self._shapes(name))

    def corners(self, names: Iterable[str]) -> int:
        """How many corners all shapes on some layers have, wherever they stand; of very many about as many."""
        return sum(self._corners_on(name) for name in names)

    def _corners_on(self, name: str) -> int:
        if name not in self._corners:
            self._corners[name] = sum(n * _corners_of(shapes) for shapes, n in self._shapes(name))
        return self._corners[name]

    def _shapes(self, name: str) -> Iterator[tuple[kdb.Shapes, int]]:
        """The shapes of each cell on a layer, and how many times it stands."""
        index = self.layers.get(name)
        if index is None:
            return
        for cell, n in self.counts.items():
            if (shapes := self.layout.cell(cell).shapes(index)).size():
                yield shapes, n

    def _flat_counts(self) -> Counter[int]:
        """How many times each cell stands below the top."""
        counts: Counter[int] = Counter({self.top.cell_index(): 1})
        for index in self.layout.each_cell_top_down():
            for inst in self.layout.cell(index).each_inst() if counts[index] else ():
                counts[inst.cell_index] += counts[index] * max(1, inst.cell_inst.size())
        return counts


class Layer:
    """One layer of a layout, taken apart as soon as somebody asks for its parts."""

    def __init__(self, source: Source, index: int) -> None:
        self._source, self._index = source, index
        self._side = max(source.bbox.width(), source.bbox.height()) // PART
        self._contents: dict[object, int] = {}
        self._of_cell: dict[int, int] = {}
        self._turned: dict[int, bool] = {}
        self._drawn: dict[int, kdb.Cell | kdb.Polygon] = {}
        """By number of content, one that has it."""
        self._rough: dict[object, list[tuple[kdb.Cell, int]]] = defaultdict(list)
        self._shapes: dict[int, Counter[kdb.Polygon]] = {}
        self._names: dict[int, bytes] = {}
        self._motions: dict[tuple[float, ...], int] = {}
        self._turns: list[kdb.DCplxTrans] = []
        self._keys: list[tuple[float, ...]] = []
        self._batches: list[tuple[int, int, Ints, kdb.Box]] = []
        self._boxes: list[tuple[int, int, int, int]] = []
        self._edges: list[tuple[int, int, int, int]] = []
        self._long: list[kdb.Polygon] = []

    @cached_property
    def _apart(self) -> tuple[Items, Ints, Edges]:
        self._walk(self._source)
        boxes, lines = (np.array(rows, dtype=np.int64).reshape(-1, 4) for rows in (self._boxes, self._edges))
        items = self._gathered()
        self._batches, self._boxes, self._edges = [], [], []
        return items, boxes, Edges(lines, np.repeat(np.arange(len(self._long)), [p.num_points() for p in self._long]))

    @property
    def items(self) -> Items:
        """Repeated cells, and single shapes by what they look like."""
        return self._apart[0]

    @property
    def boxes(self) -> Ints:
        """Boxes outside of repeated cells, which windows cut: (n, 4) extents."""
        return self._apart[1]

    @property
    def edges(self) -> Edges:
        """The edges of long shapes outside of repeated cells."""
        return self._apart[2]

    @property
    def long(self) -> list[kdb.Polygon]:
        """The shapes whose edges these are."""
        _ = self._apart
        return self._long

    @cached_property
    def trees(self) -> tuple[shapely.STRtree, shapely.STRtree, shapely.STRtree]:
        """Items, boxes and edges by where they are."""
        items, boxes, edges = (shapely.box(*b.T.astype(float)) for b in (self.items.box, self.boxes, self.edges.box))
        return shapely.STRtree(items), shapely.STRtree(boxes), shapely.STRtree(edges)

    @cached_property
    def apart(self) -> bool:
        """Whether its shapes, as they are drawn, are merged: none touches another one or itself. False also where that
        is not worth finding out."""
        items = self.items
        kinds, _ = distinct_rows(np.column_stack([items.content, items.motion]))
        if len(items) + len(self.boxes) < MANY or len(kinds) > MOST_KINDS:
            return False
        extents = np.array([_corners(polygon.bbox()) for polygon in self.long], dtype=np.int64).reshape(-1, 4)
        distinct = np.column_stack([items.content, items.motion])[kinds].tolist()
        return (
            all_apart(np.concatenate([items.box, self.boxes, extents]))
            and all(self._is_merged(content, motion) for content, motion in distinct)
            and all(_is_merged(kdb.Region(polygon)) for polygon in self.long)
        )

    def _is_merged(self, content: int, motion: int) -> bool:
        """Whether the shapes of a content are merged, wherever it stands."""
        drawn = self._drawn[content]
        if isinstance(drawn, kdb.Polygon):
            return _is_merged(kdb.Region(drawn))
        return not self._rounds(drawn, self._turns[motion]) and _is_merged(
            kdb.Region(drawn.begin_shapes_rec(self._index))
        )

    # ------------------------------------------------------------------ taking apart

    def _walk(self, source: Source) -> None:
        """Items, boxes and edges from the top down, until cells are met that repeat."""
        shapes = Alike()
        open_cells = [(source.top, kdb.DCplxTrans())]
        while open_cells:
            cell, motion = open_cells.pop()
            self._take_shapes(cell, motion, shapes)
            for placed in source.below(cell, motion):
                child, box = placed.cell, placed.cell.bbox(self._index)
                if box.empty():
                    continue
                if source.counts[child.cell_index()] < REPEATED or max(box.width(), box.height()) > self._side:
                    open_cells += [(child, kdb.DCplxTrans(x, y) * placed.motion) for x, y in placed.at.tolist()]
                else:
                    self._take_cell(placed)
        for shape, places in shapes.each():
            box = shape.bbox()
            if shape.is_box():
                self._boxes += [(x, y, x + box.right, y + box.top) for x, y in places]
            elif max(box.right, box.top) * SHAPE_PART > self._side * PART:
                for polygon in (shape.moved(x, y) for x, y in places):
                    self._long.append(polygon)
                    self._edges += [(e.x1, e.y1, e.x2, e.y2) for e in polygon.each_edge()]
            else:
                number = self._intern((shape.area2(), shape), shape)
                self._batches.append((number, self._motion(kdb.DCplxTrans()), np.array(places), box))

    def _take_shapes(self, cell: kdb.Cell, motion: kdb.DCplxTrans, shapes: Alike) -> None:
        """Boxes as they are, others by what they look like."""
        drawn = cell.shapes(self._index)
        if motion.is_unity():
            self._boxes += [_corners(shape.box) for shape in drawn.each(kdb.Shapes.SBoxes)]
            for shape in drawn.each(kdb.Shapes.SPolygons | kdb.Shapes.SPaths):
                shapes.add(shape.polygon)
        else:
            turn = kdb.ICplxTrans(motion)
            for shape in drawn.each(kdb.Shapes.SRegions):
                shapes.add(shape.polygon.transformed(turn))

    def _take_cell(self, placed: Placed) -> None:
        """All places of one cell."""
        cell, motion, at = placed.cell, placed.motion, placed.at
        number, around = self._content(cell), _around(cell.bbox(self._index), motion)
        sides = _sides(at, around) if self._rounds(cell, motion) else np.zeros_like(at)
        for side in np.unique(sides, axis=0).tolist() if sides.any() else [[0, 0]]:
            here = at[(sides == side).all(axis=1)]
            self._batches.append((number, self._motion(motion, tuple(side)), here, around))

    # ------------------------------------------------------------------ what is the same

    def _intern(self, key: object, drawn: kdb.Cell | kdb.Polygon) -> int:
        if key not in self._contents:
            self._contents[key] = len(self._drawn)
            self._drawn[self._contents[key]] = drawn
        return self._contents[key]

    def _motion(self, motion: kdb.DCplxTrans, side: tuple[int, ...] = (0, 0)) -> int:
        key = (*_key(motion), *side)
        if key not in self._motions:
            self._turns.append(motion)
            self._keys.append(key)
        return self._motions.setdefault(key, len(self._motions))

    def within(self, box: kdb.Box) -> kdb.Region:
        """All shapes that touch a box, as they are drawn."""
        found = kdb.Region(self._source.top.begin_shapes_rec_touching(self._index, box)).flatten()
        found.merged_semantics = False
        return found

    def single(self, item: int) -> kdb.Polygon | None:
        """The shape that an item is, from its place; None: it is a cell."""
        drawn = self._drawn[int(self.items.content[item])]
        return drawn if isinstance(drawn, kdb.Polygon) else None

    def touching(self, content: int, motion: int, box: kdb.Box, at: tuple[int, int]) -> kdb.Region:
        """The shapes of a content, turned, that touch a box, both seen from the place where one stands.

        All of them where they come to lie between whole units: these are rounded as they stand there.
        """
        drawn, turn = self._drawn[content], self._turns[motion]
        if isinstance(drawn, kdb.Polygon):  # single shapes are not turned
            return kdb.Region(drawn)
        if self._rounds(drawn, turn):
            moved = kdb.ICplxTrans(kdb.DCplxTrans(float(at[0]), float(at[1])) * turn)
            shapes = drawn.begin_shapes_rec(self._index)
            shapes.shape_flags = kdb.Shapes.SRegions
            every = kdb.Region([one.shape().polygon.transformed(moved * one.trans()) for one in shapes.each()])
            return every.moved(-at[0], -at[1])
        to = kdb.Trans(round(turn.angle / 90) % 4, turn.is_mirror(), 0, 0)
        found = kdb.Region(drawn.begin_shapes_rec_touching(self._index, box.transformed(to.inverted())))
        return found if to == kdb.Trans() else found.transformed(to)

    def _rounds(self, cell: kdb.Cell, motion: kdb.DCplxTrans) -> bool:
        """Whether points of a cell come to lie between whole units, once moved."""
        index = cell.cell_index()
        if index not in self._turned:
            self._turned[index] = any(
                self._rounds(inst.cell, kdb.DCplxTrans(inst.cplx_trans)) for inst in cell.each_inst()
            )
        between = motion.disp.x % 1 != 0 or motion.disp.y % 1 != 0
        return between or motion.is_complex() or self._turned[index]

    def slanted(self, content: int, motion: int, least: int) -> Ints:
        """(n, 4) extents of the edges neither at 0 nor 45 nor 90 degrees that are longer than `least`, from `at`."""
        drawn, turn = self._drawn[content], kdb.ICplxTrans(self._turns[motion])
        region = (
            kdb.Region(drawn) if isinstance(drawn, kdb.Polygon) else kdb.Region(drawn.begin_shapes_rec(self._index))
        )
        region.merged_semantics = False
        edges = region.transformed(turn).edges()
        edges.merged_semantics = False  # edges as they are drawn, as they enter pictures
        long = edges.with_length(least, None, False)
        long.merged_semantics = False
        long = long.with_angle(kdb.Edges.OrthoDiagonalEdges, True)
        long.merged_semantics = False
        return np.array([_corners(e.bbox()) for e in long.each()], dtype=np.int64).reshape(-1, 4)

    def _content(self, cell: kdb.Cell) -> int:
        """The number of a cell's content; cells that hold the same have the same one."""
        index = cell.cell_index()
        if index not in self._of_cell:
            below: Counter[tuple[int, tuple[float, ...], bytes]] = Counter()
            for inst in cell.each_inst():
                if not inst.cell.bbox(self._index).empty():
                    steps = _steps(inst)
                    steps = steps[np.lexsort(steps.T)]
                    below[self._content(inst.cell), _key(inst.cplx_trans), steps.tobytes()] += 1
            stands = frozenset(below.items())
            key = self._source.written(cell, self._index), stands
            known = self._contents.get(key)
            if known is None:  # as nothing that was drawn in this order
                own = cell.shapes(self._index)
                rough = own.size(), _corners(cell.bbox(self._index)), stands
                alike = (n for other, n in self._rough[rough] if self._shapes_of(other) == self._shapes_of(cell))
                if (known := next(alike, None)) is None:
                    known = self._intern(key, cell)
                    self._rough[rough].append((cell, known))
                    parts = sorted((self.name(n), *rest, times) for (n, *rest), times in below.items())
                    self._names[known] = _digest(repr((key[0], parts)))
                self._contents[key] = known
            self._of_cell[index] = known
        return self._of_cell[index]

    def _shapes_of(self, cell: kdb.Cell) -> Counter[kdb.Polygon]:
        """A cell's own shapes, in no order."""
        index = cell.cell_index()
        if index not in self._shapes:
            self._shapes[index] = Counter(s.polygon for s in cell.shapes(self._index).each(kdb.Shapes.SRegions))
        return self._shapes[index]

    def name(self, content: int) -> bytes:
        """What a content is called in every run; the same in another one has as a rule, but not always, the same."""
        if content not in self._names:
            self._names[content] = _digest(str(self._drawn[content]))
        return self._names[content]

    def name_of_motion(self, motion: int) -> bytes:
        """What a motion is called in every run."""
        return _digest(repr(self._keys[motion]))

    def _gathered(self) -> Items:
        """All batches as arrays."""
        counts = [len(batch[2]) for batch in self._batches]

        def column(values: Iterable[object], width: int = 1) -> Ints:
            rows = np.array(list(values), dtype=np.int64).reshape(-1, width)
            return np.repeat(rows, counts, axis=0)

        at = np.concatenate([b[2] for b in self._batches]) if self._batches else np.empty((0, 2), dtype=np.int64)
        box = column((_corners(b[3]) for b in self._batches), 4) + np.concatenate([at, at], axis=1)
        content, motion = (column(b[k] for b in self._batches)[:, 0] for k in (0, 1))
        return Items(content, motion, at, box)


def _digest(words: str) -> bytes:
    return hashlib.blake2b(words.encode(), digest_size=NAME).digest()


def _corners_of(shapes: kdb.Shapes) -> int:
    """How many corners shapes have; of very many by a sample of them."""
    size = shapes.size()
    picked: Iterable[kdb.Shape] = shapes.each(kdb.Shapes.SRegions)
    if size > SAMPLE:  # at random: every n-th would meet the same place of each die
        dice = np.random.default_rng(0).random(size) < SAMPLE / size
        picked = compress(picked, dice.tolist())
    polygons = [shape.polygon for shape in picked]
    corners = sum(int(polygon.num_points()) for polygon in polygons)
    return round(corners * max(1.0, size / SAMPLE))


def _is_merged(shapes: kdb.Region) -> bool:
    """Whether shapes, as they are drawn, stay as they are when they are merged."""
    shapes.merged_semantics = False
    return Counter(shapes.each()) == Counter(shapes.merged().each())


def _corners(box: kdb.Box) -> tuple[int, int, int, int]:
    return (box.left, box.bottom, box.right, box.top)


def _key(motion: kdb.DCplxTrans | kdb.ICplxTrans) -> tuple[float, ...]:
    return motion.mag, motion.angle, float(motion.is_mirror()), motion.disp.x, motion.disp.y


def _around(box: kdb.Box, motion: kdb.DCplxTrans) -> kdb.Box:
    """The box around a moved one, outwards to whole units."""
    if box.empty():
        return box
    moved = kdb.DBox(box).transformed(motion)
    low, high = np.floor([moved.left + 1e-9, moved.bottom + 1e-9]), np.ceil([moved.right - 1e-9, moved.top - 1e-9])
    return kdb.Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _sides(at: Ints, box: kdb.Box) -> Ints:
    """(n, 2) on which side of 0 a box at each place lies, along x and y: halves of a unit are rounded away from it.

    0: above, 1: below; what lies across is known by its own place.
    """
    low, high = (at + np.array(corner) for corner in ((box.left, box.bottom), (box.right, box.top)))
    return np.where(low >= 0, 0, np.where(high <= 0, 1, low))


def _steps(inst: kdb.Instance) -> Floats:
    """(n, 2) from where an instance stands to each of its places: one, a grid, or, as viewers read files, any."""
    if inst.is_regular_array():
        a, b = inst.a, inst.b
        row = (0, 0, a.x, a.y, b.x, b.y, max(1, inst.na), max(1, inst.nb))
        return np.asarray(_of_arrays(np.array([row])), dtype=float)
    places: Floats = np.array([(t.disp.x, t.disp.y) for t in inst.cell_inst.each_trans()], dtype=float).reshape(-1, 2)
    return places - places[:1]


def _of_arrays(rows: Ints) -> Ints:
    """(n, 2) all places of arrays: of each its first, its two steps, and how many there are along both."""
    count = rows[:, 6] * rows[:, 7]
    rows = np.repeat(rows, count, axis=0)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    i, j = place // rows[:, 7], place % rows[:, 7]
    at: Ints = rows[:, 0:2] + i[:, None] * rows[:, 2:4] + j[:, None] * rows[:, 4:6]
    return at


def _placed(inst: kdb.Instance) -> kdb.DCplxTrans:
    """How an instance stands in its cell, in database units with all their decimals."""
    motion = inst.dcplx_trans
    dbu = inst.layout().dbu
    return kdb.DCplxTrans(motion.mag, motion.angle, motion.is_mirror(), motion.disp.x / dbu, motion.disp.y / dbu)


def _whole_and_rest(places: Floats) -> tuple[Ints, Floats]:
    """Places in whole units, and what is left of each."""
    whole = np.floor(places + 1e-9).astype(np.int64)
    return whole, np.round(places - whole, 9)
