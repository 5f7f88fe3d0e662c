"""How rules look at a layout of any size: through windows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, cached_property
from typing import Self, TypeAlias

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen import gds
from layoutgen.drc import between, by_area, overall
from layoutgen.drc.cache import Cache, key_of, key_of_layer
from layoutgen.drc.checks import Task, marks
from layoutgen.drc.checks.kind import Circles, NoOptions
from layoutgen.drc.earlier import Earlier
from layoutgen.drc.flat import Flat
from layoutgen.drc.large import has_long_hole, holes, passes
from layoutgen.drc.lattice import Lattice
from layoutgen.drc.overall import Overall
from layoutgen.drc.place import extent, join, owned, place, repeated
from layoutgen.drc.unit import Asked, Judged, Unit, judge, pack, positions_of_whole
from layoutgen.findings import Finding
from layoutgen.pdk import Pdk
from layoutgen.units import Um, dbu
from layoutgen.windows import InPlace, Near, Pictures, Sheet, Source, View, Views, lay_out
from layoutgen.windows.arrays import Ints
from layoutgen.windows.components import Components, all_on_sheets, is_repeated
from layoutgen.windows.view import Needs

WHOLE: tuple[Um, ...] = (250.0, 500.0, 1000.0)
"""Polygons that are judged as a whole are looked at through windows up to these extents, or the rule's own reach."""
LEAST: Um = 30.0
"""The least halo: what is shorter is cut by every window."""
LITTLE = 200_000
"""Corners up to which all that a rule is about is looked at where it stands, with what is around it."""
PIECE, SPARSE = 100_000, 20_000
"""Corners from which on it pays to look at a layout in pieces, unless a layer that a rule needs has so few."""
LONG: Um = 1000.0
"""Polygons from this extent on are taken by parts where what is near them is looked at."""
SHARED = 1.3
"""So much more may a window see where a rule takes windows with the halo of another one."""
Shown: TypeAlias = list[Finding] | by_area.Covered
"""What a piece shows of a rule: what breaks it there, or how much it covers."""
AT_A_TIME = 64
"""Windows that another machine is given at a time."""


class Across:
    """A layout of any size: one window of each kind is looked at, and what it shows put back at all of its places.

    What no window can show is put together from what several show (which pieces are of one polygon, its area), or else
    looked at flat (other faults of polygons as a whole that are larger than any frame). A context manager: it adds
    layers to the layout while it lives.
    """

    def __init__(
        self,
        pdk: Pdk,
        layout: kdb.Layout,
        top: kdb.Cell,
        tasks: Sequence[Task],
        circles: Circles = "facets",
        cache: Cache | None = None,
    ) -> None:
        """tasks: rules that may be asked for, which then share windows as far as they can. cache: what earlier runs
        have found in windows that see the same."""
        self._pdk, self._layout, self._top, self._circles, self._cache = pdk, layout, top, circles, cache
        self._flat = Flat(pdk, gds.fetch(layout, pdk, top), circles)
        layers = {name: layout.find_layer(gds.layer_info(pdk, name)) for name in pdk.drawn_layers}
        self._hulls = self._add_hulls(top, tasks)
        found = {name: index for name, index in layers.items() if index is not None} | self._hulls
        self._source = Source(layout, top, found)
        self._views = Views(self._source, named=cache is not None)
        self._pictures = Pictures(self._source)
        self._sheets: dict[tuple[int, int, bytes | None], list[tuple[Sheet | InPlace, Flat]]] = {}
        self._single: dict[tuple[str, int], tuple[list[Sheet], list[kdb.Region]]] = {}
        self._parts: dict[tuple[str, int], Components] = {}
        self._tasks = list(tasks)
        self._pieces: dict[str, tuple[InPlace, list[tuple[Task, list[str]]]]] = {}
        self._seen: dict[str, list[Finding]] = {}
        self._earlier: dict[tuple[str, int, int], Earlier] = {}
        self._at_a_time = 0
        self._far: dict[str, tuple[Sheet | InPlace, list[tuple[Task, list[str], int]]]] = {}
        self._answers: dict[tuple[int, str], Judged] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for index in self._hulls.values():
            self._layout.delete_layer(index)

    def _add_hulls(self, top: kdb.Cell, tasks: Sequence[Task]) -> dict[str, int]:
        """What polygons surround as layers of their own: a window sees too little of a large one to know.

        A layer that cannot be made is left out: it fails the rules that ask for it, each when its turn comes.
        """
        added: dict[str, int] = {}
        for layer in {layer: None for job in tasks if job.kind.hulls for layer in job.layers[1:]}:
            with suppress(Exception):
                region = self._flat.region(layer).hulls().merged()
                added[_hull(layer)] = self._layout.insert_layer(kdb.LayerInfo())
                top.shapes(added[_hull(layer)]).insert(region)
        return added

    def is_empty(self, layer: str) -> bool:
        """Whether nothing is on a layer, drawn or derived."""
        if all(self._source.layer(name) is None for name in self._drawn([layer])):
            return True
        if layer not in self._pdk.derived:
            return False
        halo = self._shared(2 * dbu(self._pdk.reach(layer)) + 2)
        view = self._view([layer], halo)
        earlier = Earlier(self._cache, key_of_layer(layer, self._pdk), "", view, 0)
        if earlier.found:
            return False
        for sheet, flat in self._looked(view, 0, earlier.unknown):
            if not flat.is_empty(layer):
                earlier.keep_one(sheet, flat.region(layer))
                return False
            earlier.keep(sheet, ())
        return True

    def find(self, job: Task) -> Iterable[Finding]:
        """What breaks a rule, each at all its places."""
        if job.rule in self._seen:
            return join(self._seen.pop(job.rule))
        if job.overall:
            return join(overall.find(job, self._overall, self.find))
        if self._is_flat(job):
            return join(self._flat.find(job))
        if job.between != "any":
            return join(self._between(job))
        if (judge_placed := job.kind.placed) is not None:
            polygons = self._polygons(job)
            if polygons is None:
                return join(self._flat.find(job))
            return join(judge_placed(job.rule, polygons, self._whole(job.layers[1]), job.steps, job.options))
        if (lattice := self._lattice(job)) is not None:
            view = self._view(job.layers, self._shared(self._halo(job)))
            return join(by_area.judge(job, lattice, (by_area.covered(job, lattice, *s) for s in self._looked(view))))
        layers = self._shown(job)
        if (found := self._beside(job, layers)) is not None:
            return join(found)
        for most in WHOLE if job.whole and job.kind.sums is None else WHOLE[:1]:
            if (found := self._in_windows(job, layers, self._shared(self._halo(job, most)))) is not None:
                return join(found)
        return join(self._flat.find(job))

    @cached_property
    def _overall(self) -> Overall:
        return overall.of_layout(self._pdk, self._layout, self._top)

    def _is_flat(self, job: Task) -> bool:
        """Whether windows cannot show what a rule looks at, or there is so little of it that they take longer."""
        return self._is_hidden(job) or self._is_little(job)

    def _is_hidden(self, job: Task) -> bool:
        """Whether windows cannot show what a rule looks at."""
        lost = job.kind.hulls and any(_hull(name) not in self._hulls for name in job.layers[1:])
        cut = self._circles == "analytic" and job.kind.analytic is not None  # a window knows no circle that it cuts
        return lost or cut or (job.between != "any" and len(job.layers) > 1)

    def _is_much(self, job: Task) -> bool:
        """Whether pieces, looked at for several rules at once, pay where nothing repeats."""
        around = "" if self._is_hidden(job) else self._is_beside(job, self._shown(job))
        few = around and self._count(around) <= SPARSE
        return not self._is_hidden(job) and not few and self._source.corners({*self._drawn(job.layers)}) > PIECE

    def _is_windowed(self, job: Task) -> bool:
        """Whether windows are what a rule is looked at through."""
        if job.overall or job.kind.placed is not None or job.kind.by_area is not None or self._is_flat(job):
            return False
        return job.between != "any" or not self._is_beside(job, self._shown(job))

    def _polygons(self, job: Task) -> list[Finding] | None:
        """Every polygon of a rule's first layer at all its places; None: one is too large for windows."""
        kind = replace(
            job.kind, name=f"{job.kind.name}: polygons", layers=job.kind.layers[:1], check=_all_polygons, also_whole=(),
            needed=(), placed=None, options=NoOptions,
        )  # fmt: skip
        each = Task(job.rule, kind, job.layers[:1], None, NoOptions())
        polygons = self._in_windows(each, self._shown(each), self._shared(self._halo(each)))
        return None if polygons is None else list(join(polygons))

    def _shown(self, job: Task) -> list[str]:
        """The layers that windows show for a rule."""
        return [job.layers[0], *(_hull(name) if job.kind.hulls else name for name in job.layers[1:])]

    def _in_windows(self, job: Task, layers: Sequence[str], halo: int) -> list[Finding] | None:
        """What breaks a rule, looked for in one window of each kind; None: a polygon is too large for them."""
        view, earlier, sheets = self._begun(job, layers, halo)
        short = self._whole_up_to(job, halo)
        found: list[tuple[int, Finding]] = []
        any_large = False
        for sheet, flat in sheets:
            if (id(sheet), job.rule) in self._answers:
                here, large = self._answers[id(sheet), job.rule]
            else:
                here, large = judge(job, [flat.region(layer) for layer in layers], short, self._circles)
            if large and job.kind.sums is None:
                return None
            any_large |= large
            if job.kind.holes:
                here = holes(here, short)
                if has_long_hole(flat.region(layers[0]), sheet, short, job.steps):
                    return None
            found += (mine := list(owned(here, sheet, short)))
            if not any_large:
                earlier.keep(sheet, mine)
        if any_large and not self._passes(job, halo, short):
            return None
        return list(repeated([*earlier.found, *found], view))

    def _begun(
        self, job: Task, layers: Sequence[str], halo: int
    ) -> tuple[View, Earlier, list[tuple[Sheet | InPlace, Flat]]]:
        """The windows for a rule, what is known of them, and those that nobody has looked at."""
        lattice = dbu(job.lattice) if job.lattice and dbu(job.lattice) > 1 else 0
        view = self._view(layers, halo, lattice, self._needs(job, layers))
        key = (job.rule, id(view), lattice)
        if key not in self._earlier:
            of_rule = key_of(job, self._pdk, self._circles)
            self._earlier[key] = Earlier(self._cache, of_rule, job.rule, view, lattice)
        return view, self._earlier[key], self._looked(view, lattice, self._earlier[key].unknown)

    def _whole_up_to(self, job: Task, halo: int) -> int:
        """Extent up to which windows show whole what a rule judges as a whole."""
        return self._short(job, halo) // max(1, len(positions_of_whole(job)))

    def far(self, tasks: Sequence[Task]) -> dict[str, list[str]]:
        """Windows that other machines can look at: ids of some at a time, and the rules of each."""
        self._at_a_time = AT_A_TIME
        in_pieces = {rule for rules in self.pieces(tasks).values() for rule in rules}
        for piece, (there, rules) in self._pieces.items():
            self._far[piece] = there, [(job, layers, self._short(job, there.view.halo)) for job, layers in rules]
        of_sheet: dict[int, str] = {}
        for job in tasks:
            with suppress(Exception):  # said when its turn comes
                if job.rule in in_pieces or job.between != "any" or job.kind.holes or not self._is_windowed(job):
                    continue
                layers, halo = self._shown(job), self._shared(self._halo(job))
                for sheet, _ in self._begun(job, layers, halo)[2]:
                    part = of_sheet.setdefault(id(sheet), f"{len(of_sheet)}")
                    self._far.setdefault(part, (sheet, []))[1].append((job, layers, self._whole_up_to(job, halo)))
        return {part: [job.rule for job, _, _ in rules] for part, (_, rules) in self._far.items()}

    def unit(self, part: str) -> Unit:
        """Some windows as another machine takes them."""
        sheet, rules = self._far[part]
        drawn = sorted({name for _, layers, _ in rules for name in self._drawn(layers)})
        asked = [Asked(job.rule, tuple(layers), short) for job, layers, short in rules]
        return pack(sheet, drawn, self._pdk, asked, self._circles)

    def took(self, answers: Mapping[str, Mapping[str, Judged | str]]) -> dict[str, str]:
        """Keep what other machines have said of each part until somebody asks; the reasons of rules that failed."""
        dead: dict[str, str] = {}
        pieces: list[dict[str, Shown]] = []
        for part, (sheet, rules) in self._far.items():
            here: dict[str, Shown] = {}
            for job, _, _ in rules:
                said = answers.get(part, {}).get(job.rule, "nobody has answered for a part of it")
                if isinstance(said, str):
                    dead.setdefault(job.rule, said)
                elif part in self._pieces:
                    here[job.rule] = self._placed(job, sheet, said[0])
                else:
                    self._answers[id(sheet), job.rule] = said
            if part in self._pieces:
                pieces.append(here)
        self.take(pieces)
        return dead

    def _passes(self, job: Task, halo: int, short: int) -> bool:
        """Whether all polygons that are too large for windows keep to a rule."""
        try:
            return passes(job, self._components(job, halo), short)
        except LookupError:
            return False

    def _between(self, job: Task) -> Iterable[Finding]:
        """What breaks a rule between polygons or within one, by what belongs together in the whole layout."""
        halo = self._shared(self._halo(job))
        short = self._short(job, halo)
        try:
            if job.between == "polygons":
                sheets, regions = self._singly(job, halo)
                found = [(s, job.run([r], self._circles)) for s, r in zip(sheets, regions, strict=True)]
                return (
                    list(between.apart(found, self._components(job, halo), short)) if any(f for _, f in found) else []
                )
            return list(between.within(job, self._components(job, halo), short))
        except LookupError:  # windows are no help here
            return self._flat.find(job)

    def _components(self, job: Task, halo: int) -> Components:
        """What belongs together on a rule's first layer.

        Raises:
            LookupError: so little is alike that it takes as long to look at all of it.
        """
        key = (job.layers[0], halo)
        if key not in self._parts:
            self._parts[key] = Components(*self._singly(job, halo))
        return self._parts[key]

    def _singly(self, job: Task, halo: int) -> tuple[list[Sheet], list[kdb.Region]]:
        """Sheets with every window by itself, and what each shows of a rule's first layer.

        Windows that are seen together where they stand would show what is joined there, and not where their like do.

        Raises:
            LookupError: so little is alike that it takes as long to look at all of it.
        """
        layer = job.layers[0]
        if (layer, halo) not in self._single:
            drawn = tuple(sorted(name for name in {*self._drawn([layer])} if self._source.layer(name) is not None))
            view = self._views.view(drawn, halo, 0, self._needs(job, job.layers))
            if not is_repeated(view):
                raise LookupError(layer)
            sheets = all_on_sheets(self._pictures, view)
            regions = [Flat(self._pdk, sheet.region).region(layer) for sheet in sheets]
            self._single[layer, halo] = sheets, regions
        return self._single[layer, halo]

    def pieces(self, tasks: Sequence[Task]) -> dict[str, list[str]]:
        """Where nothing repeats, windows that are looked at together, for several rules at once: the ids of these."""
        alike: dict[int, list[tuple[Task, list[str]]]] = defaultdict(list)
        for job in tasks:
            with suppress(Exception):  # said when its turn comes
                tied = job.lattice and (self._at_a_time or self._lattice(job) is None)
                whole = job.whole or job.kind.holes or tied or job.between != "any" or job.overall
                if not whole and self._is_much(job):
                    alike[self._shared(self._halo(job))].append((job, self._shown(job)))
        for halo, rules in alike.items():
            drawn = sorted({*self._drawn(name for _, layers in rules for name in layers)})
            if not self._views.is_dense(drawn):
                continue
            view = self._view(drawn, halo)
            if all(level.in_place for level in view.levels):
                for number, sheet in enumerate(lay_out(self._pictures, view)):
                    assert isinstance(sheet, InPlace)  # noqa: S101  as all levels are
                    self._pieces[f"{halo} {number}"] = sheet, rules
        return {piece: [job.rule for job, _ in rules] for piece, (_, rules) in self._pieces.items()}

    def look_at(self, piece: str) -> dict[str, Shown]:
        """What breaks its rules in a piece; without those that cannot be run."""
        sheet, rules = self._pieces[piece]
        gathered = cache(sheet.gathered)
        name = cache(lambda layer: gathered(layer).name)
        flat = Flat(self._pdk, lambda layer: gathered(layer).merged())
        out: dict[str, Shown] = {}
        for job, layers in rules:
            with suppress(Exception):  # said when its turn comes
                if lattice := self._lattice(job):
                    out[job.rule] = by_area.covered(job, lattice, sheet, flat)
                    continue
                if self._cache is not None:
                    key = key_of(job, self._pdk, self._circles)
                    seen = ", ".join(f"{each} {name(each).hex()}" for each in sorted({*self._drawn(layers)}))
                    if (found := self._cache.table(key, job.rule).get(seen)) is not None:
                        out[job.rule] = found
                        continue
                here = job.run([flat.region(layer) for layer in layers], self._circles)
                out[job.rule] = placed = self._placed(job, sheet, here)
                if self._cache is not None:
                    self._cache.put(key, seen, placed)
        return out

    def _placed(self, job: Task, sheet: Sheet | InPlace, found: Sequence[Finding]) -> list[Finding]:
        """What was found in a piece, where it stands."""
        return list(place(found, sheet, self._short(job, sheet.view.halo)))

    def take(self, seen: Sequence[Mapping[str, Shown]]) -> None:
        """Keep what all the pieces have shown until somebody asks what breaks a rule."""
        for rule, job in {job.rule: job for _, rules in self._pieces.values() for job, _ in rules}.items():
            here = [found[rule] for found in seen if rule in found]
            if len(here) != sum(rule in (job.rule for job, _ in rules) for _, rules in self._pieces.values()):
                continue
            if lattice := self._lattice(job):
                parts = [covered for covered in here if isinstance(covered, tuple)]
                self._seen[rule] = by_area.judge(job, lattice, parts)
            else:
                self._seen[rule] = [f for found in here if isinstance(found, list) for f in found]

    def shares(self, job: Task) -> tuple[Hashable, int]:
        """Rules that look through the same windows are faster together; about how many shapes are on their layers."""
        if job.rule in self._seen:
            return job.rule, 0
        drawn = frozenset(self._drawn(job.layers))
        if job.overall:  # what conducts is found out once for all of them
            return "overall", sum(self._source.count(layer) for layer in drawn)
        halo = self._shared(self._halo(job)) if self._is_windowed(job) else 0
        return (drawn, halo), sum(self._source.count(layer) for layer in drawn)

    def _beside(self, job: Task, layers: Sequence[str]) -> list[Finding] | None:
        """What breaks a rule, looked for around what little there is on a layer that it needs; None: there is much."""
        around = self._is_beside(job, layers)
        if not around:
            return None
        reach = dbu(self._reach(job)) + 2
        boxes = np.array([_corners_of(box.enlarged(reach, reach)) for box in _boxes_of(self._whole(around))])
        if not len(boxes):
            return []
        near = Near(self._source, boxes + np.array([-1, -1, 1, 1]) * reach, reach)
        flat = Flat(self._pdk, near.region)
        regions = [self._whole(x) if self._count(x) <= LITTLE else flat.region(x) for x in layers]
        return _within(job.run(regions, self._circles), boxes)

    def _is_beside(self, job: Task, layers: Sequence[str]) -> str:
        """The layer, of those that a rule needs, around which to look, as so little is on it; '': there is much."""
        needed = [layers[job.layers.index(name)] for name in job.subjects]
        several = job.kind.layers[0].endswith("*")
        around = min(needed, key=self._count)
        if several or job.lattice or job.kind.also_whole or self._count(around) > LITTLE:
            return ""
        return "" if job.whole and self._count(layers[0]) > LITTLE else around

    def _count(self, layer: str) -> int:
        """Corners of what a layer is made of."""
        return self._source.corners(frozenset(self._drawn([layer])))

    def _is_little(self, job: Task) -> bool:
        """Whether so little stands on a rule's layers that all of it is looked at faster than windows are laid."""
        return self._source.corners({*self._drawn(job.layers)}) <= LITTLE

    def _whole(self, layer: str) -> kdb.Region:
        """All of a layer."""
        if layer not in self._hulls:
            return self._flat.region(layer)
        return kdb.Region(self._source.top.begin_shapes_rec(self._hulls[layer])).merged()

    def _needs(self, job: Task, layers: Sequence[str]) -> Needs:
        """Layers without which there is nothing to find in a window."""
        drawn = [frozenset(self._drawn([layers[job.layers.index(name)]])) for name in job.subjects]
        return (frozenset().union(*drawn),) if job.kind.layers[0].endswith("*") else tuple(drawn)

    def _view(self, layers: Sequence[str], halo: int, lattice: int = 0, needs: Needs = ()) -> View:
        """The windows to look at for what depends on some layers, drawn or derived."""
        drawn = (name for name in {*self._drawn(layers)} if self._source.layer(name) is not None)
        return self._views.view(drawn, halo, lattice, needs)

    def _looked(self, view: View, lattice: int = 0, only: Ints | None = None) -> list[tuple[Sheet | InPlace, Flat]]:
        """The sheets that show windows of a view, and the layers on each. only: numbers of the windows; None: all."""
        key = (id(view), lattice, None if only is None else only.tobytes())
        if key not in self._sheets:
            some: list[Ints | None] = [only]
            if self._at_a_time:
                windows = np.arange(len(view.cores)) if only is None else only
                some = [*np.array_split(windows, -(-len(windows) // self._at_a_time))] if len(windows) else []
            laid = (sheet for windows in some for sheet in lay_out(self._pictures, view, lattice, windows))
            self._sheets[key] = [(sheet, Flat(self._pdk, sheet.region)) for sheet in laid]
        return self._sheets[key]

    def _drawn(self, layers: Iterable[str]) -> Iterator[str]:
        for layer in layers:
            yield from (layer,) if layer in self._hulls else self._pdk.sources(layer)

    def _lattice(self, job: Task) -> Lattice | None:
        """The cells over all of the layout whose areas a rule judges; None: it is no such rule."""
        return by_area.lattice_of(job, self._source.bbox)

    def _reach(self, job: Task) -> Um:
        own = 0.0 if self._lattice(job) else job.reach  # areas depend on nothing around
        return own + max(self._pdk.reach(layer) for layer in job.layers)

    def _short(self, job: Task, halo: int) -> int:
        """Extent up to which every window that might own a finding sees it whole."""
        return halo - dbu(self._reach(job)) - 2

    def _halo(self, job: Task, most: Um = WHOLE[0]) -> int:
        """How far windows look for a rule; polygons that are judged as a whole may be `most` um long."""
        reach = dbu(self._reach(job))
        whole = dbu(most) * (1 + len(job.kind.also_whole)) if job.whole else 0
        return max(dbu(LEAST), reach + max(reach, whole) + 4)

    @cached_property
    def _halos(self) -> list[int]:
        """Few halos, each for the rules whose windows have the same cores, or any where nothing repeats, and see hardly
        less."""
        halos = {self._halo(job) for job in self._tasks}
        out: list[int] = []
        for halo in sorted(halos, reverse=True):
            core = self._views.core(halo)
            alike = out and (core == self._views.core(out[-1]) or self._views.period.step == (0, 0))
            if not alike or (core + 2 * out[-1]) ** 2 > SHARED * (core + 2 * halo) ** 2:
                out.append(halo)
        return out

    def _shared(self, halo: int) -> int:
        return min((h for h in self._halos if h >= halo), default=halo)


def _all_polygons(rule: str, regions: Sequence[kdb.Region], limit: int, options: NoOptions) -> list[Finding]:
    return [marks.polygon(rule, shape, str(shape.holes() or "")) for shape in regions[0].each()]


def _within(found: Iterable[Finding], boxes: Ints) -> list[Finding]:
    """Of findings those that touch any of (n, 4) boxes."""
    found = list(found)
    if not found:
        return []
    extents = np.array([extent(f) for f in found], dtype=float)
    inside = shapely.STRtree(shapely.box(*boxes.T.astype(float))).query(shapely.box(*extents.T))[0]
    return [found[k] for k in np.unique(inside).tolist()]


def _boxes_of(region: kdb.Region) -> Iterator[kdb.Box]:
    """Boxes around polygons; around parts of those that are long, as a bus over a whole wafer."""
    for polygon in region.each():
        box = polygon.bbox()
        long = max(box.width(), box.height()) > dbu(LONG)
        yield from (part.bbox() for part in polygon.decompose_trapezoids()) if long else (box,)


def _corners_of(box: kdb.Box) -> tuple[int, int, int, int]:
    return box.left, box.bottom, box.right, box.top


def _hull(layer: str) -> str:
    return f"what {layer} surrounds"
