"""Single shapes of a layer, each distinct one once, with where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import klayout.db as kdb

Places: TypeAlias = list[tuple[int, int]]


class Alike:
    """Single shapes, and where those stand that look the same.

    By extent and area first: a polygon's own hash is the same for all that begin with the same corners.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], tuple[kdb.Polygon, Places, dict[kdb.Polygon, Places]]] = {}

    def add(self, polygon: kdb.Polygon) -> None:
        """One more, which is moved to where its box begins at (0, 0)."""
        box = polygon.bbox()
        x, y = box.left, box.bottom
        polygon.move(-x, -y)
        key = box.right - x, box.top - y, polygon.area2()
        first = self._known.get(key)
        if first is None:
            self._known[key] = polygon, [(x, y)], {}
        elif first[0] == polygon:
            first[1].append((x, y))
        else:
            first[2].setdefault(polygon, []).append((x, y))

    def each(self) -> Iterator[tuple[kdb.Polygon, Places]]:
        """Each shape, with its places."""
        for polygon, places, others in self._known.values():
            yield polygon, places
            yield from others.items()
