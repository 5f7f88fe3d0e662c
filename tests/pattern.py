"""A pattern for a rule, and the shapes that patterns are drawn with: boxes, and polygons for what no box can show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import klayout.db as kdb

Box = tuple[int, int, int, int]
Corners = tuple[tuple[int, int], ...]
"""Of a polygon."""
Boxes = list[Box]
Drawn = dict[str, kdb.Region]
USUAL = 60_000
"""Side of a shape that no rule says anything about."""
FAR = 100_000
STEPS = (-1, 0, 1)


@dataclass(frozen=True)
class Pattern:
    """Shapes for each layer of a rule, and whether the rule must find something there."""

    name: str
    found: bool
    layers: tuple[Sequence[Box | Corners], ...]


@dataclass(frozen=True)
class Setting:
    """What a rule's patterns are drawn by: limit in steps of its unit, least sides of the shapes on its layers."""

    limit: int
    sides: tuple[int, ...]
    options: Any

    @property
    def across(self) -> bool:
        """Measures straight across only."""
        return getattr(self.options, "metric", "") == "projection"

    def corners(self, sides: tuple[int, int, int] = (3, 4, 5)) -> Iterator[tuple[int, int, int]]:
        """Steps in x and y that are the limit apart, and as much less and more as one unit in y makes.

        sides: of a right triangle; where corners are square the two steps count each by itself.
        """
        x, y, long = sides
        if getattr(self.options, "metric", "") == "square":
            y = long
        if self.limit % long == 0 and self.limit > 0:
            for by in STEPS:
                yield by, self.limit // long * x, self.limit // long * y + by


def box(x: int, y: int, w: int, h: int | None = None) -> Box:
    return (x, y, x + w, y + (w if h is None else h))


def frame(inner: Box, wall: int) -> Boxes:
    """A ring around a box, of four boxes that abut."""
    x0, y0, x1, y1 = inner
    return [
        (x0 - wall, y0 - wall, x1 + wall, y0), (x0 - wall, y1, x1 + wall, y1 + wall),
        (x0 - wall, y0, x0, y1), (x1, y0, x1 + wall, y1),
    ]  # fmt: skip


def grown(b: Box, left: int, bottom: int, right: int, top: int) -> Box:
    return (b[0] - left, b[1] - bottom, b[2] + right, b[3] + top)
