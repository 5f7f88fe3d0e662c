"""A line through a layout, and where shapes lie on it."""

from __future__ import annotations

import math

import klayout.db as kdb

from layoutgen import derive, gds
from layoutgen.pdk import Pdk
from layoutgen.section.shapes import Ends
from layoutgen.units import DBU, Um, dbu

_BEYOND: Um = 500_000.0
"""How far a line is followed to tell inside from outside: beyond any wafer."""
_OCTAGON = 2  # corners as `derive` sizes them


class Line:
    """A line through a layout, longer at both ends than what is asked for, and what lies on it."""

    def __init__(
        self, layout: kdb.Layout, top: kdb.Cell, pdk: Pdk, a: kdb.Point, b: kdb.Point, more: Um
    ) -> None:  # fmt: skip
        self.length = a.distance(b) * DBU
        self.more = more
        self._layout, self._top, self._pdk = layout, top, pdk
        self._near, self._far = (_longer(a, b, by) for by in (more, _BEYOND))
        d = self._far.d()
        self._along = (d.x / d.length(), d.y / d.length())
        self._start = a
        self._regions: dict[tuple[str, int], kdb.Region] = {}

    def along(self, a: kdb.Point, b: kdb.Point) -> Line:
        """Another line through the same layout."""
        return Line(self._layout, self._top, self._pdk, a, b, self.more)

    def region(self, expression: str, around: Um = 0.0) -> kdb.Region:
        """What an expression is near the line: whole shapes, those that lie within `around` of it and more."""
        key = (expression, math.ceil(around))
        if key not in self._regions:
            deepest = max((self._pdk.reach(n) for n in derive.names(expression)), default=0.0)
            reach = deepest + derive.reach(expression, self._pdk.number) + key[1] * 1.5 + 1.0
            window = self._near.bbox().enlarged(dbu(reach), dbu(reach))
            found = gds.fetch(self._layout, self._pdk, self._top, window)
            whole = self._pdk.evaluate(expression, found)
            near = self._near.bbox().enlarged(*[dbu(key[1] * 1.5) + 10] * 2)
            self._regions[key] = whole.interacting(kdb.Region(near))
        return self._regions[key]

    def cut(self, expression: str) -> Ends:
        """Where an expression lies on the line (um from its start)."""
        return self.crossed(self.region(expression))

    def crossed(self, region: kdb.Region) -> Ends:
        """Where a merged region lies on the line: between each two crossings of its edges."""
        o, d = self._far.p1, self._far.d()
        found = []
        for edge in region.edges().interacting(kdb.Edges([self._far])).each():
            # exact, and what lies on the line counts to its left: a corner on it is crossed once, or not at all
            p, q = (d.x * (v.y - o.y) - d.y * (v.x - o.x) for v in (edge.p1, edge.p2))
            if (p >= 0) != (q >= 0):
                part, e = p / (p - q), edge.d()
                x, y = edge.x1 - self._start.x + e.x * part, edge.y1 - self._start.y + e.y * part
                found.append((x * self._along[0] + y * self._along[1]) * DBU)
        at = sorted(found)
        first, last = -self.more, self.length + self.more
        inside = [(max(s, first), min(t, last)) for s, t in zip(at[::2], at[1::2], strict=True)]
        return [(s, t) for s, t in inside if t - s > DBU / 2]

    def without(self, ends: Ends) -> Ends:
        """What is left of the line beside intervals."""
        stops = [-self.more, *(v for pair in ends for v in pair), self.length + self.more]
        return [(s, t) for s, t in zip(stops[::2], stops[1::2], strict=True) if t > s]

    def grown(self, region: kdb.Region, by: Um) -> Ends:
        """Where a region grown by some um lies on the line."""
        return self.crossed(region.sized(dbu(by), _OCTAGON) if dbu(by) else region)


def _longer(a: kdb.Point, b: kdb.Point, by: Um) -> kdb.Edge:
    """From a to b and beyond both, on the grid."""
    part = dbu(by) / a.distance(b)
    reach = kdb.Vector(round((b.x - a.x) * part), round((b.y - a.y) * part))
    return kdb.Edge(a - reach, b + reach)
