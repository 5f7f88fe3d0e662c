"""How rules look at all of a layout at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import klayout.db as kdb

from layoutgen import derive
from layoutgen.drc import overall
from layoutgen.drc.checks import Task
from layoutgen.drc.checks.kind import Circles
from layoutgen.drc.overall import Overall
from layoutgen.findings import Finding
from layoutgen.pdk import Pdk
from layoutgen.windows.cover import have_area
from layoutgen.windows.frame import known_as_merged

if TYPE_CHECKING:
    from layoutgen.drc.unit import Judged, Unit


class Flat:
    """All of a layout at once; `fetch` gives the shapes of a drawn or reserved layer, in database units."""

    def __init__(self, pdk: Pdk, fetch: Callable[[str], kdb.Region], circles: Circles = "facets") -> None:
        self._pdk = pdk
        self._circles = circles
        self._fetch = fetch
        self._known: dict[str, kdb.Region] = {}

    def region(self, name: str) -> kdb.Region:
        """The merged shapes of a layer, drawn or derived."""
        if name not in self._known:
            if name in self._pdk.derived:
                expression = self._pdk.derived[name].expression
                if parts := derive.union_of(expression):
                    self._known[name] = _united([self.region(part) for part in parts])
                else:
                    self._known[name] = derive.evaluate(expression, self.region, self._pdk.number)
            else:
                self._known[name] = self._fetch(name).merged()
        return self._known[name]

    def is_empty(self, layer: str) -> bool:
        """Whether nothing is on a layer, drawn or derived."""
        return not have_area(self.region(layer).each())

    def find(self, job: Task) -> Iterable[Finding]:
        """What breaks a rule."""
        if job.overall:
            return overall.find(job, self._overall, self.find)
        return job.run([self.region(layer) for layer in job.layers], self._circles)

    @cached_property
    def _overall(self) -> Overall:
        return overall.of_drawn(self._pdk, self._fetch)

    def pieces(self, tasks: Sequence[Task]) -> dict[str, list[str]]:
        """None: all is looked at at once."""
        return {}

    def look_at(self, piece: str) -> dict[str, Any]:
        """There is none."""
        raise KeyError(piece)

    def take(self, seen: Sequence[Mapping[str, Any]]) -> None:
        """There is nothing to take."""

    def far(self, tasks: Sequence[Task]) -> dict[str, list[str]]:
        """None: all is looked at here."""
        return {}

    def unit(self, part: str) -> Unit:
        """There is none."""
        raise KeyError(part)

    def took(self, answers: Mapping[str, Mapping[str, Judged | str]]) -> dict[str, str]:
        """There is nothing to take."""
        return {}

    def shares(self, job: Task) -> tuple[Hashable, int]:
        """Rules on the same layers are faster together; about how many shapes are on them."""
        return job.layers, sum(self.region(layer).count() for layer in job.layers)


def _united(layers: Sequence[kdb.Region]) -> kdb.Region:
    """Several merged layers as one; of the one with most polygons only those are merged that meet another layer's."""
    *others, most = sorted(layers, key=kdb.Region.count)
    rest = kdb.Region()
    for layer in others:
        rest += layer
    if rest.is_empty():
        return most
    rest.merge()
    alone = kdb.Shapes()  # faster to take single shapes out of, where they are, than a region
    alone.insert(most)
    for part in rest.decompose_trapezoids_to_region().each():  # of something large the extent would meet all
        for shape in [*alone.each_touching(part.bbox())]:
            rest.insert(shape.polygon)
            shape.delete()
    out = kdb.Region()
    out.insert(alone)
    return known_as_merged(out + rest.merged())
