"""Where two layouts can differ at all, as a layout of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import TypeAlias

import klayout.db as kdb

from layoutgen.diff.pairs import Pairs, own_shapes
from layoutgen.pdk import LayerNumber
from layoutgen.units import DBU, Um

Text: TypeAlias = tuple[LayerNumber, str, tuple[Um, Um]]
"""Layer, string, place in um."""
SIDES = ("a", "b")


class Spots:
    """A layout of where two others can differ: what differs between cells of a pair, at the places of the pair."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs
        self.numbers = [
            n for n in pairs.numbers
            if any(n in layers and not side.top.bbox(layers[n]).empty()
                   for layers, side in zip(pairs.layers, pairs.sides, strict=True))
        ]  # fmt: skip
        self._layout = kdb.Layout()
        self._shapes = {n: self._layout.insert_layer(kdb.LayerInfo()) for n in self.numbers}
        self._texts = [{n: self._layout.insert_layer(kdb.LayerInfo()) for n in self.numbers} for _ in SIDES]
        self._made: dict[tuple[int, int], int] = {}
        self._top = self._layout.cell(self._of_pair(*(side.top.cell_index() for side in pairs.sides)))

    def region(self, number: LayerNumber) -> kdb.Region:
        """Where a layer can differ."""
        return kdb.Region(self._top.begin_shapes_rec(self._shapes[number])).merged()

    def texts(self) -> tuple[tuple[Text, ...], tuple[Text, ...]]:
        """Texts that only the one has, and only the other."""
        found = [Counter(self._texts_of(side)) for side in range(2)]
        ours, theirs = found[0] - found[1], found[1] - found[0]
        return tuple(sorted(ours.elements())), tuple(sorted(theirs.elements()))

    def _texts_of(self, side: int) -> Iterator[Text]:
        for number, index in self._texts[side].items():
            for at in self._top.begin_shapes_rec(index):
                text = at.shape().text.transformed(at.trans())
                yield number, text.string, (round(text.x * DBU, 6), round(text.y * DBU, 6))

    def _of_pair(self, a: int, b: int) -> int:
        """A cell of where two cells differ."""
        if (a, b) in self._made:
            return self._made[a, b]
        pairs = self._pairs
        own = pairs.own(a, b)
        cell = self._layout.create_cell("PAIR")
        self._made[a, b] = cell.cell_index()
        for number, region in own.shapes.items():
            if number in self._shapes:
                cell.shapes(self._shapes[number]).insert(region)
        if own.texts:
            whose = (pairs.sides[0].layout.cell(a), pairs.sides[1].layout.cell(b))
            for side, number in product(range(2), self.numbers):
                if (layer := pairs.layers[side].get(number)) is not None:
                    self._add_texts(cell, side, number, whose[side], layer)
        for pair, array in own.both:
            if not pairs.equal(*pair):
                array.cell_index = self._of_pair(*pair)
                cell.insert(array)
        for side, child, at in own.only:
            cell.insert(kdb.CellInstArray(self._whole(side, child), at))
        return cell.cell_index()

    def _whole(self, side: int, index: int) -> int:
        """A cell of all that is in a cell of one side: its counterpart is not there."""
        key = (-1, index) if side else (index, -1)
        if key in self._made:
            return self._made[key]
        source = self._pairs.sides[side].layout.cell(index)
        cell = self._layout.create_cell("WHOLE")
        self._made[key] = cell.cell_index()
        for number, into in self._shapes.items():
            if (layer := self._pairs.layers[side].get(number)) is not None:
                cell.shapes(into).insert(own_shapes(source, layer))
                self._add_texts(cell, side, number, source, layer)
        for instance in source.each_inst():
            array = instance.cell_inst.dup()
            array.cell_index = self._whole(side, instance.cell_index)
            cell.insert(array)
        return cell.cell_index()

    def _add_texts(self, cell: kdb.Cell, side: int, number: LayerNumber, source: kdb.Cell, index: int) -> None:
        shapes = cell.shapes(self._texts[side][number])
        for shape in source.shapes(index).each(kdb.Shapes.STexts):
            shapes.insert(shape.text)
