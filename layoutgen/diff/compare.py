"""What differs between two layouts: the records, and the call that makes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import klayout.db as kdb

from layoutgen.diff.files import Opened
from layoutgen.diff.pairs import Pairs, index
from layoutgen.diff.spots import Spots, Text
from layoutgen.pdk import LayerNumber
from layoutgen.units import DBU, Um, dbu


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """What differs on a layer. Areas in um2; a place is a polygon of what only one of both has."""

    layer: LayerNumber
    only_a: kdb.Region
    only_b: kdb.Region

    @property
    def areas(self) -> tuple[float, float]:
        """What only the first has, and only the second."""
        return self.only_a.area() * DBU**2, self.only_b.area() * DBU**2

    @property
    def places(self) -> tuple[int, int]:
        """In how many pieces."""
        return self.only_a.count(), self.only_b.count()

    @property
    def box(self) -> tuple[Um, Um, Um, Um]:
        """Around all of it, in um."""
        box = (self.only_a.bbox() + self.only_b.bbox()).to_dtype(DBU)
        return box.left, box.bottom, box.right, box.top

    @property
    def largest(self) -> tuple[Um, Um, Um, Um]:
        """Around the piece with the largest area, in um."""
        pieces = [*self.only_a.each(), *self.only_b.each()]
        box = max(pieces, key=lambda p: (p.area(), -p.bbox().left, -p.bbox().bottom)).bbox().to_dtype(DBU)
        return box.left, box.bottom, box.right, box.top


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between a layout and another one."""

    units: tuple[float, float]
    """Database units in um."""
    tops: tuple[str, str]
    """Names of the cells that were compared."""
    layers: tuple[LayerDifference, ...]
    """Those that differ."""
    compared: tuple[LayerNumber, ...]
    """All layers that either has something on."""
    texts_a: tuple[Text, ...]
    texts_b: tuple[Text, ...]
    """Texts (string and place; not how they are turned or how large they are) that only one has, as often as it has
    more of them."""
    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    """Cells with the same shapes, texts and instances under another name."""
    changed: tuple[str, ...]
    """Cells whose own shapes, texts or instances differ."""

    @property
    def same_shapes(self) -> bool:
        """Whether both show the same, shapes and texts, in the same database unit; cells may be cut otherwise."""
        return not (self.layers or self.texts_a or self.texts_b or self.units[0] != self.units[1])

    @property
    def same(self) -> bool:
        """Whether nothing differs, cells and their names neither."""
        return self.same_shapes and not (self.added or self.removed or self.renamed or self.changed)


def compare(a: Opened, b: Opened, tolerance: Um = 0.0, progress: Callable[[str], None] = lambda _: None) -> Difference:
    """What differs below two cells.

    tolerance: a piece that is nowhere wider than this (um, rounded up to two database units) is no difference.
    progress: is told each step as it begins.
    """
    progress("comparing cells")
    pairs = Pairs(a, b)
    spots = Spots(pairs)
    layers = []
    for number in spots.numbers:
        progress(f"comparing layer {number[0]}/{number[1]}")
        if found := _on_layer(a, b, number, spots.region(number), dbu(tolerance)):
            layers.append(found)
    texts_a, texts_b = spots.texts()
    return Difference(
        (a.unit, b.unit), (a.top.name, b.top.name), tuple(layers), tuple(spots.numbers), texts_a, texts_b,
        *pairs.cells(),
    )  # fmt: skip


def _on_layer(a: Opened, b: Opened, number: LayerNumber, spots: kdb.Region, tolerance: int) -> LayerDifference | None:
    """What differs on a layer, where it can differ at all."""
    if spots.is_empty():
        return None
    in_a, in_b = (_near(side, number, spots) for side in (a, b))
    only_a, only_b = (in_a - in_b) & spots, (in_b - in_a) & spots
    if tolerance:
        half = (tolerance + 1) // 2
        only_a, only_b = (r.interacting(r.sized(-half)) for r in (only_a, only_b))
    return None if only_a.is_empty() and only_b.is_empty() else LayerDifference(number, only_a, only_b)


def _near(side: Opened, number: LayerNumber, spots: kdb.Region) -> kdb.Region:
    """All shapes of a layer that touch some spots."""
    found = index(side.layout, number)
    if found is None:
        return kdb.Region()
    return kdb.Region(kdb.RecursiveShapeIterator(side.layout, side.top, found, spots, False))
