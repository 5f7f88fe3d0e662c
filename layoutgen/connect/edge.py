"""Which dies the wafer's edge cuts: by the drawn outline of the wafer, else by what is missing at the border."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen import gds
from layoutgen.connect.kinds import outline
from layoutgen.connect.terminals import Dies
from layoutgen.pdk import Pdk

Bools = npt.NDArray[np.bool_]
WAFER = "wafer"
"""The reserved layer that outlines the wafer."""
INNER = 20
"""Part of a die at each of its sides that metal of its neighbours and of the street may reach into."""


class Edge:
    """Dies, and the outline of their wafer where one is drawn."""

    def __init__(self, layout: kdb.Layout, top: kdb.Cell, pdk: Pdk, dies: Dies, layers: Iterable[str]) -> None:
        """layers: drawn ones, at least one of which is on whatever is a die."""
        self._top, self._boxes = top, dies.boxes
        found = (layout.find_layer(gds.layer_info(pdk, name)) for name in layers)
        self._layers = [index for index in found if index is not None]
        index = layout.find_layer(gds.layer_info(pdk, WAFER)) if WAFER in pdk.reserved else None
        outlines = kdb.Region() if index is None else kdb.Region(top.begin_shapes_rec(index)).merged()
        self._outline = shapely.union_all([outline(one) for one in outlines.each()])

    def beyond(self, asked: Iterable[int], less: Collection[int] | None = None) -> Bools:
        """Which of some dies are no whole ones: not wholly in the wafer's outline.

        Where that is not drawn, those that are empty, or are of `less`, as all are on a way from them to the border of
        all dies.
        """
        some = np.array([*asked], dtype=np.int64)
        if self._outline.is_empty:
            return np.isin(some, [*self._cut_off(self.is_empty if less is None else less.__contains__)])
        boxes = shapely.box(*self._boxes[some].T.astype(float))
        shapely.prepare(self._outline)
        whole: Bools = shapely.covers(self._outline, boxes)
        return ~whole

    def is_empty(self, die: int) -> bool:
        """Whether nothing is drawn inside of a die."""
        box = kdb.Box(*self._boxes[die].tolist())
        inner = box.enlarged(-(box.width() // INNER), -(box.height() // INNER))
        return all(self._top.begin_shapes_rec_touching(layer, inner).at_end() for layer in self._layers)

    def _cut_off(self, lost: Callable[[int], bool]) -> set[int]:
        """Dies of which this is true, as of all on a way from them to the border."""
        xs, ys = np.unique(self._boxes[:, 0]), np.unique(self._boxes[:, 1])
        at = zip(np.searchsorted(xs, self._boxes[:, 0]).tolist(), np.searchsorted(ys, self._boxes[:, 1]).tolist(),
                 strict=True)  # fmt: skip
        places = {place: k for k, place in enumerate(at)}

        def beside(place: tuple[int, int]) -> list[tuple[int, int]]:
            x, y = place
            return [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)]

        todo = [place for place in places if any(other not in places for other in beside(place))]
        seen, out = set(todo), set()
        while todo:
            place = todo.pop()
            if lost(places[place]):
                out.add(places[place])
                more = [other for other in beside(place) if other in places and other not in seen]
                seen.update(more)
                todo += more
        return out
