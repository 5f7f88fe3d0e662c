"""Cells of two layouts that are each other's counterpart, and what differs between the two of a pair themselves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import klayout.db as kdb

from layoutgen.diff.files import Opened
from layoutgen.pdk import LayerNumber
from layoutgen.units import Um, dbu

LONG: Um = 1000.0
"""What differs is known by its bounding box, unless it is longer."""
TRIED = 8
"""Of cells that look alike so many are compared in full to find one that is the same."""


def index(layout: kdb.Layout, number: LayerNumber) -> int | None:
    found: int | None = layout.find_layer(kdb.LayerInfo(*number))
    return found


def numbers(layout: kdb.Layout) -> dict[LayerNumber, int]:
    """Layers by number; those of OASIS that have a name alone do not come out of `foreign`."""
    return {(i.layer, i.datatype): layout.layer(i) for i in layout.layer_infos()}


def own_shapes(cell: kdb.Cell, index: int | None) -> kdb.Region:
    """The shapes of a cell itself on a layer."""
    if index is None:
        return kdb.Region()
    shapes = cell.begin_shapes_rec(index)
    shapes.max_depth = 0
    found = kdb.Region(shapes)
    found.merged_semantics = False
    return found


def own_spots(a: kdb.Region, b: kdb.Region) -> kdb.Region:
    """Where two regions can differ: around what only one of both has."""
    if a == b:
        return kdb.Region()
    ours, theirs = set(a.each()), set(b.each())
    out = kdb.Region()
    for polygon in (kdb.Region([*(ours - theirs)]) ^ kdb.Region([*(theirs - ours)])).each():
        box = polygon.bbox()
        if max(box.width(), box.height()) <= dbu(LONG):
            out.insert(box)
        else:
            out.insert(polygon)
    return out.merged()


def own_texts(cell: kdb.Cell, index: int) -> Counter[tuple[str, int, int]]:
    return Counter((t.text_string, t.text_pos.x, t.text_pos.y) for t in cell.shapes(index).each(kdb.Shapes.STexts))


def _key(instance: kdb.Instance) -> tuple[object, ...]:
    """How an instance stands, array and all."""
    if instance.is_regular_array():
        return str(instance.cplx_trans), instance.na, instance.nb, str(instance.a), str(instance.b)
    return tuple(str(at) for at in _single(instance))


def _single(instance: kdb.Instance) -> Iterator[kdb.ICplxTrans]:
    """Each place of an instance, an array or a list of places."""
    yield from instance.cell_inst.each_cplx_trans()


@dataclass(frozen=True, slots=True)
class Own:
    """What differs between the cells of a pair themselves: instances of pairs that both have, and of cells that only
    one has at that place."""

    shapes: dict[LayerNumber, kdb.Region]
    """Where their shapes differ."""
    texts: bool
    """Whether their texts differ."""
    both: tuple[tuple[tuple[int, int], kdb.CellInstArray], ...]
    only: tuple[tuple[int, int, kdb.ICplxTrans], ...]
    """(side, cell, place)."""

    @property
    def same(self) -> bool:
        """Whether nothing differs but for what is below."""
        return not (self.shapes or self.texts or self.only)


class Pairs:
    """Which cells are each other's counterpart, and what differs between the two."""

    def __init__(self, a: Opened, b: Opened) -> None:
        self.sides = (a, b)
        self.layers = tuple(numbers(side.layout) for side in self.sides)
        self.numbers = sorted({*self.layers[0], *self.layers[1]})
        self._below = tuple(_below(side) for side in self.sides)
        self.partner: dict[int, int] = {a.top.cell_index(): b.top.cell_index()}
        self._known: dict[tuple[int, int], Own] = {}
        self._equal: dict[tuple[int, int], bool] = {}
        self._renamed: list[tuple[str, str]] = []
        self._pair()

    def _pair(self) -> None:
        ours, theirs = ({c.name: c for c in cells if c.cell_index() != side.top.cell_index()}
                        for cells, side in zip(self._below, self.sides, strict=True))  # fmt: skip
        for name in ours.keys() & theirs.keys():
            self.partner[ours[name].cell_index()] = theirs[name].cell_index()
        alike: dict[object, list[kdb.Cell]] = defaultdict(list)
        for cell in self._below[1]:
            if cell.name in theirs and cell.name not in ours:
                alike[self._looks(1, cell)].append(cell)
        for cell in self._below[0]:  # from the bottom up, so that partners of what it places are known
            if cell.name not in ours or cell.name in theirs:
                continue
            group = alike[self._looks(0, cell)]
            other = next((c for c in group[:TRIED] if self.own(cell.cell_index(), c.cell_index()).same), None)
            if other is not None:
                group.remove(other)
                self.partner[cell.cell_index()] = other.cell_index()
                self._renamed.append((cell.name, other.name))
        self._known.clear()
        self._equal.clear()

    def _looks(self, side: int, cell: kdb.Cell) -> object:
        """What cells of the same content have in common, quickly told."""
        boxes = ((n, str(cell.bbox(i))) for n, i in self.layers[side].items() if not cell.bbox(i).empty())
        return tuple(sorted(boxes)), sum(i.size() for i in cell.each_inst())

    def equal(self, a: int, b: int) -> bool:
        """Whether two cells have the same shapes, texts and instances, all the way down."""
        if (a, b) not in self._equal:
            own = self.own(a, b)
            self._equal[a, b] = own.same and all(self.equal(*pair) for pair, _ in own.both)
        return self._equal[a, b]

    def own(self, a: int, b: int) -> Own:
        """What differs between two cells themselves."""
        if (a, b) not in self._known:
            one, two = self.sides[0].layout.cell(a), self.sides[1].layout.cell(b)
            self._known[a, b] = Own(self._shapes(one, two), self._texts_differ(one, two), *self._match(one, two))
        return self._known[a, b]

    def _shapes(self, a: kdb.Cell, b: kdb.Cell) -> dict[LayerNumber, kdb.Region]:
        """Where the shapes of two cells themselves differ."""
        out = {}
        for number in self.numbers:
            ours, theirs = (own_shapes(c, layers.get(number)) for c, layers in zip((a, b), self.layers, strict=True))
            if not (spots := own_spots(ours, theirs)).is_empty():
                out[number] = spots
        return out

    def _texts_differ(self, a: kdb.Cell, b: kdb.Cell) -> bool:
        none: Counter[tuple[str, int, int]] = Counter()
        for number in self.numbers:
            i, j = (layers.get(number) for layers in self.layers)
            if (none if i is None else own_texts(a, i)) != (none if j is None else own_texts(b, j)):
                return True
        return False

    def _match(
        self, a: kdb.Cell, b: kdb.Cell
    ) -> tuple[tuple[tuple[tuple[int, int], kdb.CellInstArray], ...], tuple[tuple[int, int, kdb.ICplxTrans], ...]]:
        """Instances of pairs that both cells have at the same places, and those that only one has."""
        waiting: dict[tuple[object, ...], list[kdb.Instance]] = defaultdict(list)
        for instance in b.each_inst():
            waiting[instance.cell_index, *_key(instance)].append(instance)
        both: list[tuple[tuple[int, int], kdb.CellInstArray]] = []
        rest: list[kdb.Instance] = []
        for instance in a.each_inst():
            partner = self.partner.get(instance.cell_index)
            found = waiting.get((partner, *_key(instance)))
            if partner is not None and found:
                found.pop()
                both.append(((instance.cell_index, partner), instance.cell_inst.dup()))
            else:
                rest.append(instance)
        # what is an array here may be single instances there
        single: dict[tuple[int, str], list[kdb.ICplxTrans]] = defaultdict(list)
        for instance in (i for group in waiting.values() for i in group):
            for at in _single(instance):
                single[instance.cell_index, str(at)].append(at)
        only: list[tuple[int, int, kdb.ICplxTrans]] = []
        for instance in rest:
            partner = self.partner.get(instance.cell_index, -1)
            for at in _single(instance):
                if found_at := single.get((partner, str(at))):
                    found_at.pop()
                    both.append(((instance.cell_index, partner), kdb.CellInstArray(0, at)))
                else:
                    only.append((0, instance.cell_index, at))
        only += [(1, cell, at) for (cell, _), places in single.items() for at in places]
        return tuple(both), tuple(only)

    def cells(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, str], ...], tuple[str, ...]]:
        """Names of cells that were added, removed, renamed, changed."""
        a, b = self.sides
        found = {*self.partner.values()}
        added = sorted(c.name for c in self._below[1] if c.cell_index() not in found)
        removed = sorted(c.name for c in self._below[0] if c.cell_index() not in self.partner)
        changed = []
        for one, two in self.partner.items():
            own = self.own(one, two)
            if not own.same:
                changed.append(a.layout.cell(one).name)
        renamed = list(self._renamed)
        if a.top.name != b.top.name:
            renamed.append((a.top.name, b.top.name))
        return tuple(added), tuple(removed), tuple(sorted(renamed)), tuple(sorted(changed))


def _below(side: Opened) -> list[kdb.Cell]:
    """A cell and all below it, what is placed before what places it."""
    inside = {*side.top.called_cells(), side.top.cell_index()}
    return [side.layout.cell(i) for i in side.layout.each_cell_bottom_up() if i in inside]
