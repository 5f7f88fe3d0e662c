"""How rules look at a layout: all of it at once, or through windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Self

import klayout.db as kdb

from layoutgen import derive, gds
from layoutgen.drc import between
from layoutgen.drc.checks import Task
from layoutgen.drc.checks.kind import Circles
from layoutgen.drc.large import has_long_hole, holes, passes
from layoutgen.drc.place import join, place
from layoutgen.findings import Finding
from layoutgen.pdk import Pdk
from layoutgen.units import Um, dbu
from layoutgen.windows import InPlace, Pictures, Sheet, Source, Views, lay_out
from layoutgen.windows.components import Components, all_on_sheets, is_repeated
from layoutgen.windows.view import Needs

WHOLE: Um = 250.0
"""Polygons that are judged as a whole are looked at through windows up to this extent, or the rule's own reach."""
LEAST: Um = 30.0
"""The least halo: what is shorter is cut by every window."""
LITTLE = 1000
"""Items, boxes and edges up to which a layout is looked at flat."""
STEPS = 1.5
"""Rules whose halos differ by less share one."""


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
                self._known[name] = derive.evaluate(expression, self.region, self._pdk.number)
            else:
                self._known[name] = self._fetch(name).merged()
        return self._known[name]

    def is_empty(self, layer: str) -> bool:
        """Whether nothing is on a layer, drawn or derived."""
        return self.region(layer).is_empty()

    def find(self, job: Task) -> Iterable[Finding]:
        """What breaks a rule."""
        return job.run([self.region(layer) for layer in job.layers], self._circles)


class Through(Flat):
    """One window only: what touches it is found, and what surrounds it is there to be seen from it.

    A finding that reaches into several windows is kept by each: given to the one with its lower left corner, a long one
    that begins beyond what there is would be lost.
    """

    def __init__(self, pdk: Pdk, fetch: Callable[[str], kdb.Region], window: kdb.Box) -> None:
        super().__init__(pdk, fetch)
        self._window = window

    def find(self, job: Task) -> Iterable[Finding]:
        """What breaks a rule there."""
        near = _near(self._window, job.reach, [self.region(layer) for layer in job.layers])
        return [f for f in job.run(near, self._circles) if _touches(f, self._window)]


class Across:
    """A layout of any size: one window of each kind is looked at, and what it shows put back at all of its places.

    What no window can show is put together from what several show (which pieces are of one polygon, its area), or else
    looked at flat (other faults of polygons as a whole that are larger than any frame). A context manager: it adds
    layers to the layout while it lives.
    """

    def __init__(
        self, pdk: Pdk, layout: kdb.Layout, top: kdb.Cell, tasks: Sequence[Task], circles: Circles = "facets"
    ) -> None:
        """tasks: rules that may be asked for, which then share windows as far as they can."""
        self._pdk, self._layout, self._circles = pdk, layout, circles
        self._flat = Flat(pdk, gds.fetch(layout, pdk, top), circles)
        layers = {name: layout.find_layer(gds.layer_info(pdk, name)) for name in pdk.drawn_layers}
        self._hulls = self._add_hulls(top, tasks)
        found = {name: index for name, index in layers.items() if index is not None} | self._hulls
        self._source = Source(layout, top, found)
        self._views = Views(self._source)
        self._pictures = Pictures(self._source)
        self._sheets: dict[tuple[tuple[str, ...], int, int, Needs], list[tuple[Sheet | InPlace, Flat]]] = {}
        self._parts: dict[tuple[str, int], Components] = {}
        self._halos = _grouped(self._halo(job) for job in tasks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for index in self._hulls.values():
            self._layout.delete_layer(index)

    def _add_hulls(self, top: kdb.Cell, tasks: Sequence[Task]) -> dict[str, int]:
        """What polygons surround as layers of their own: a window sees too little of a large one to know."""
        added: dict[str, int] = {}
        for job in tasks:
            for layer in job.layers[1:] if job.kind.hulls else ():
                if _hull(layer) not in added:
                    region = self._flat.region(layer).hulls()
                    added[_hull(layer)] = self._layout.insert_layer(kdb.LayerInfo())
                    top.shapes(added[_hull(layer)]).insert(region.merged())
        return added

    def is_empty(self, layer: str) -> bool:
        """Whether nothing is on a layer, drawn or derived."""
        if all(self._source.layer(name) is None for name in self._drawn([layer])):
            return True
        if layer not in self._pdk.derived:
            return False
        halo = self._shared(2 * dbu(self._pdk.reach(layer)) + 2)
        return all(flat.region(layer).is_empty() for _, flat in self._looked([layer], halo, 0))

    def find(self, job: Task) -> Iterable[Finding]:
        """What breaks a rule, each at all its places."""
        if self._is_little(job):
            return join(self._flat.find(job))
        if job.between != "any":
            return join(self._between(job))
        layers = [job.layers[0], *(_hull(name) if job.kind.hulls else name for name in job.layers[1:])]
        halo, lattice = self._shared(self._halo(job)), dbu(job.lattice) if job.lattice and dbu(job.lattice) > 1 else 0
        whole = (0, *job.kind.also_whole) if job.whole else ()
        short = (halo - dbu(self._reach(job)) - 2) // max(1, len(whole))
        found: list[Finding] = []
        any_large = False
        for sheet, flat in self._looked(layers, halo, lattice, self._needs(job, layers)):
            regions = [flat.region(layer) for layer in layers]
            for k in () if job.kind.holes else whole:
                regions[k], large = _small(regions[k], short)
                any_large |= large
            here = job.run(regions, self._circles)
            if job.kind.holes and not any_large:
                here, any_large = holes(here, short), has_long_hole(regions[0], sheet, short, job.steps)
            if any_large and job.kind.sums is None:
                return join(self._flat.find(job))
            found += place(here, sheet, short)
        return join(self._flat.find(job) if any_large and not self._passes(job, halo, short) else found)

    def _passes(self, job: Task, halo: int, short: int) -> bool:
        """Whether all polygons that are too large for windows keep to a rule."""
        try:
            return passes(job, self._components(job, halo), short)
        except LookupError:
            return False

    def _between(self, job: Task) -> Iterable[Finding]:
        """What breaks a rule between polygons or within one, by what belongs together in the whole layout."""
        halo = self._shared(self._halo(job))
        short = halo - dbu(self._reach(job)) - 2
        shown = self._looked(job.layers, halo, 0, self._needs(job, job.layers))
        try:
            if job.between == "polygons":
                found = [(sheet, job.run([flat.region(job.layers[0])], self._circles)) for sheet, flat in shown]
                if not any(some for _, some in found):
                    return []
                return list(between.apart(found, self._components(job, halo), short))
            return list(between.within(job, self._components(job, halo), short))
        except LookupError:  # windows are no help here
            return self._flat.find(job)

    def _components(self, job: Task, halo: int) -> Components:
        """What belongs together on a rule's first layer.

        Raises:
            LookupError: so little is alike that it takes as long to look at all of it.
        """
        layer = job.layers[0]
        if (layer, halo) not in self._parts:
            drawn = tuple(sorted(name for name in {*self._drawn([layer])} if self._source.layer(name) is not None))
            view = self._views.view(drawn, halo, 0, self._needs(job, job.layers))
            if not is_repeated(view):
                raise LookupError(layer)
            sheets = all_on_sheets(self._pictures, view)
            regions = [Flat(self._pdk, sheet.region).region(layer) for sheet in sheets]
            self._parts[layer, halo] = Components(sheets, regions)
        return self._parts[layer, halo]

    def _is_little(self, job: Task) -> bool:
        """Whether so little stands on a rule's layers that all of it is looked at faster than windows are laid."""
        layers = [self._source.layer(name) for layer in job.layers for name in self._pdk.sources(layer)]
        return sum(layer.places for layer in layers if layer is not None) <= LITTLE

    def _needs(self, job: Task, layers: Sequence[str]) -> Needs:
        """Layers without which there is nothing to find in a window."""
        drawn = [frozenset(self._drawn([layers[job.layers.index(name)]])) for name in job.subjects]
        return (frozenset().union(*drawn),) if job.kind.layers[0].endswith("*") else tuple(drawn)

    def _looked(
        self, layers: Sequence[str], halo: int, lattice: int, needs: Needs = ()
    ) -> list[tuple[Sheet | InPlace, Flat]]:
        """The sheets that show some layers, and these on each."""
        drawn = tuple(sorted(name for name in {*self._drawn(layers)} if self._source.layer(name) is not None))
        key = (drawn, halo, lattice, needs)
        if key not in self._sheets:
            laid = lay_out(self._pictures, self._views.view(drawn, halo, lattice, needs), lattice)
            self._sheets[key] = [(sheet, Flat(self._pdk, sheet.region)) for sheet in laid]
        return self._sheets[key]

    def _drawn(self, layers: Iterable[str]) -> Iterator[str]:
        for layer in layers:
            yield from (layer,) if layer in self._hulls else self._pdk.sources(layer)

    def _reach(self, job: Task) -> Um:
        return job.reach + max(self._pdk.reach(layer) for layer in job.layers)

    def _halo(self, job: Task) -> int:
        reach = dbu(self._reach(job))
        whole = dbu(WHOLE) * (1 + len(job.kind.also_whole)) if job.whole else 0
        return max(dbu(LEAST), reach + max(reach, whole) + 4)

    def _shared(self, halo: int) -> int:
        return min((h for h in self._halos if h >= halo), default=halo)


def _hull(layer: str) -> str:
    return f"what {layer} surrounds"


def _grouped(halos: Iterable[int]) -> list[int]:
    """Few halos, none much larger than those that it stands for."""
    out: list[int] = []
    for halo in sorted({*halos}, reverse=True):
        if not out or halo * STEPS < out[-1]:
            out.append(halo)
    return out


def _small(region: kdb.Region, most: int) -> tuple[kdb.Region, bool]:
    """Polygons up to an extent, and whether there are larger ones."""
    small = kdb.Region([p for p in region.each() if max(p.bbox().width(), p.bbox().height()) <= most])
    return small, small.count() < region.count()


def _near(window: kdb.Box, reach: Um, regions: list[kdb.Region]) -> list[kdb.Region]:
    """The whole polygons that can matter to a finding that touches the window.

    Of the first layer those within reach of it: a finding marks a part of them. Of the others all within reach of
    those, because a long polygon is judged by what lies around its far end, too.
    """
    margin = dbu(reach) + 2
    box = window.enlarged(margin, margin)
    first, *others = regions
    near = _touching(first, box)
    around = (near.bbox() + box).enlarged(margin, margin)
    return [near, *(_touching(region, around) for region in others)]


def _touching(region: kdb.Region, box: kdb.Box) -> kdb.Region:
    return kdb.Region([shape for shape in region.each() if shape.bbox().touches(box)])


def _touches(finding: Finding, window: kdb.Box) -> bool:
    """Whether any part of the marker lies in the window, whose right and top border belong to the next one."""
    owned = kdb.Box(window.left, window.bottom, window.right - 1, window.top - 1)
    edges = [kdb.Edge(*e) for e in finding.edges]
    if any(e.clipped(owned) for e in edges):
        return True
    if len(edges) == 2:
        shape = kdb.EdgePair(edges[0], edges[1]).normalized().polygon(0)
    else:
        shape = kdb.Polygon([kdb.Point(x, y) for x, y in finding.polygon])
    if any(owned.contains(p) for p in shape.each_point_hull()):  # KLayout calls a touch in a corner no interaction
        return True
    return not kdb.Region(shape).interacting(kdb.Region(owned)).is_empty()
