"""All of a layout at once, for rules about what no window shows: whole polygons, what conducts, what surrounds what.

By pieces of what repeats (`connect.pieces`): a shape is looked at once, and where it stands is a list of places. What a
process's `[connect]` table says conducts, and in which order, says what is one net; a rule's own layers count as
conductors of the level that they are drawn on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import klayout.db as kdb
import numpy as np
import numpy.typing as npt

from layoutgen import derive
from layoutgen.connect.joined import Known, join
from layoutgen.connect.pieces import Pieces
from layoutgen.connect.sheets import NONE, Cloud, Nodes, Sheet
from layoutgen.connect.stack import stack
from layoutgen.errors import PdkError, Problem, nearest
from layoutgen.findings import Edge, Finding, Hull, moved_by
from layoutgen.pdk import Pdk
from layoutgen.units import Um, dbu
from layoutgen.windows.arrays import Ints
from layoutgen.windows.components import united

if TYPE_CHECKING:
    from layoutgen.drc.checks.kind import Netted, Task

Bools: TypeAlias = npt.NDArray[np.bool_]
Links: TypeAlias = tuple[Ints, Ints]
ROUNDED = sorted(((x, y) for x in range(-2, 3) for y in range(-2, 3)), key=lambda by: (abs(by[0]) + abs(by[1]), by))
"""How far off its polygon a corner of a slanted edge may be."""


@dataclass(frozen=True)
class Polygons:
    """The merged polygons of a sheet: of each of its pieces the number of the polygon that it is a part of."""

    pieces: Pieces
    sheet: Sheet
    nodes: Nodes
    of: Ints
    count: int

    @cached_property
    def boxes(self) -> Ints:
        """(count, 4) extents of the polygons."""
        return extents(self.pieces.boxes(self.sheet, self.nodes), self.of, self.count)

    def alike(self, which: Bools | None = None) -> Iterator[Alike]:
        """The polygons by what they look like. which: of those numbers only."""
        nodes = np.arange(len(self.of)) if which is None else np.flatnonzero(which[self.of])
        at = self.sheet.at[self.nodes.instance[nodes]]
        order = np.lexsort((at[:, 1], at[:, 0], self.nodes.piece[nodes], self.of[nodes]))
        nodes, at = nodes[order], at[order]
        piece, of = self.nodes.piece[nodes], self.of[nodes]
        begin = np.flatnonzero(np.diff(of, prepend=NONE))
        ends = np.append(begin[1:], len(of))
        groups: dict[object, list[int]] = {}
        single = ends - begin == 1
        for k in np.flatnonzero(single).tolist():
            groups.setdefault(int(piece[begin[k]]), []).append(k)
        for k in np.flatnonzero(~single).tolist():
            some = slice(int(begin[k]), int(ends[k]))
            groups.setdefault((piece[some].tobytes(), (at[some] - at[some.start]).tobytes()), []).append(k)
        for members in groups.values():
            first, last = int(begin[members[0]]), int(ends[members[0]])
            parts = kdb.Region()
            for k in range(first, last):
                x, y = (at[k] - at[first]).tolist()
                parts.insert(self.pieces.kinds.polygons[int(piece[k])].moved(x, y))
            merged = [*parts.merged().each()]
            polygon = max(merged, key=lambda p: p.area2())  # others are what rounding took off
            corner = polygon.bbox().p1
            by = np.array([corner.x, corner.y])  # from its corner: what is rounded is then, wherever its parts stand
            yield Alike(polygon.moved(-corner.x, -corner.y), of[begin[members]], at[begin[members]] + by)

    def found(self, rule: str, which: Bools, note: str) -> list[Finding]:
        """Some polygons as findings."""
        return [each.finding(rule, note) for each in self.alike(which)] if which.any() else []


@dataclass(frozen=True)
class Alike:
    """Polygons that look alike: one with its lower left corner at (0, 0), their numbers, and (n, 2) places."""

    polygon: kdb.Polygon
    numbers: Ints
    at: Ints

    def finding(self, rule: str, note: str, some: Bools | None = None) -> Finding:
        """They, or some of them, as one finding."""
        at = self.at if some is None else self.at[some]
        return at_places(Finding(rule, polygon=outline(self.polygon), note=note), at)


def at_places(finding: Finding, at: Ints) -> Finding:
    """A finding, seen from where it stands, at (n, 2) places."""
    at = at[np.lexsort((at[:, 1], at[:, 0]))]
    return replace(moved_by(finding, at[0].tolist()), repeats=tuple((x, y) for x, y in (at[1:] - at[0]).tolist()))


def outline(polygon: kdb.Polygon) -> Hull:
    """One outline around all of a polygon."""
    return tuple((p.x, p.y) for p in polygon.resolved_holes().each_point_hull())


def extents(boxes: Ints, of: Ints, count: int) -> Ints:
    """(count, 4) boxes around the boxes of each number."""
    out = np.empty((count, 4), dtype=np.int64)
    order = np.argsort(of, kind="stable")
    begin = np.searchsorted(of[order], np.arange(count))
    for side, pick in ((0, np.minimum), (1, np.minimum), (2, np.maximum), (3, np.maximum)):
        if count:
            out[:, side] = pick.reduceat(boxes[order, side], begin)
    return out


@dataclass(frozen=True)
class _Level:
    """A level of the stack: the drawn layers that it is made of, an expression, and the levels above that it is joined
    with, by number.
    """

    sources: frozenset[str]
    expression: str
    joined: tuple[int, ...] = ()


@dataclass
class Overall:
    """All of a layout. Layers by name; cut: the layer of what is taken away of them first, empty for none."""

    pieces: Pieces
    sheets: Callable[[str], Sheet]
    """Of a layer, or an expression."""
    levels: Sequence[_Level]
    sources: Callable[[str], Iterable[str]]
    """The drawn layers that a layer is made of."""
    sized: Callable[[str], tuple[str, int] | None] = lambda layer: None
    """The layer that a layer is grown out of, and by how many database units; None: it is not made so."""
    _known: Known = field(default_factory=dict)
    _cut: dict[tuple[str, str], Sheet] = field(default_factory=dict)
    _polygons: dict[Sheet, Polygons] = field(default_factory=dict)
    _nets: dict[tuple[tuple[str, ...], str], list[Ints]] = field(default_factory=dict)

    def sheet(self, layer: str, cut: str = "") -> Sheet:
        """The shapes of a layer."""
        key = layer, cut
        if key not in self._cut:
            grown = self.sized(layer)
            whole = self.sheets(layer) if grown is None else self._grown(layer, *grown)
            self._cut[key] = self.pieces.without(whole, self.sheets(cut)) if cut else whole
        return self._cut[key]

    def uncovered(self, layer: str, by: str, overlap: int) -> Sheet:
        """What of a layer another one does not cover with an overlap all round."""
        over = self._grown(f"{by} by {-overlap}", by, -overlap) if overlap else self.sheet(by)
        return self.pieces.without(self.sheet(layer), over)

    def _grown(self, layer: str, inner: str, by: int) -> Sheet:
        """A layer whose polygons are those of another one, each grown."""
        some = [(kdb.Region(one.polygon).sized(by, derive.OCTAGON), one.at) for one in self.polygons(inner).alike()]
        return self.pieces.placed(some, layer)

    def meetings(self, a: Sheet, b: Sheet) -> Links:
        """Pairs of pieces of a sheet that touch; of two sheets, that have an area in common."""
        if (a, b) not in self._known:
            self._known[a, b] = self.pieces.meetings(a, b, area=a is not b)
        return self._known[a, b]

    def polygons(self, layer: str, cut: str = "") -> Polygons:
        """The merged polygons of a layer."""
        return self.polygons_of(self.sheet(layer, cut))

    def polygons_of(self, sheet: Sheet) -> Polygons:
        """The merged polygons of a sheet."""
        if sheet not in self._polygons:
            nodes = self.pieces.nodes(sheet)
            root = united(len(nodes.piece), self.meetings(sheet, sheet))
            names, of = np.unique(root, return_inverse=True)
            self._polygons[sheet] = Polygons(self.pieces, sheet, nodes, of.reshape(-1), len(names))
        return self._polygons[sheet]

    def overlapping(self, a: str, b: str, cut: str = "") -> Links:
        """Pairs of polygons of two layers that have an area in common."""
        one, other = self.polygons(a, cut), self.polygons(b, cut)
        u, v = self.pieces.meetings(one.sheet, other.sheet, area=True)
        pairs = np.unique(np.column_stack([one.of[u], other.of[v]]), axis=0)
        return pairs[:, 0], pairs[:, 1]

    def nets(self, layers: Sequence[str], cut: str = "") -> list[Ints]:
        """The net of each piece of some layers: the same number for what is one conductor.

        Raises:
            PdkError: a layer is on no level of the stack.
        """
        key = tuple(layers), cut
        if key not in self._nets:
            self._nets[key] = self._joined(key[0], cut)
        return self._nets[key]

    def _joined(self, layers: tuple[str, ...], cut: str) -> list[Ints]:
        on = [on_levels(name, frozenset(self.sources(name)), self.levels) for name in layers]
        names = [level.expression for level in self.levels]
        if len(set(names)) < len(names):  # one expression as two levels
            names = [f"{k} {name}" for k, name in enumerate(names)]
        levels = {n: self.sheet(level.expression, cut) for n, level in zip(names, self.levels, strict=True)}
        pairs = [(names[k], names[j]) for k, level in enumerate(self.levels) for j in level.joined]
        joined = join(self.pieces, levels, self._known, pairs)
        links, begins, total = [np.empty((0, 2), dtype=np.int64)], [], joined.count
        for name, mine in zip(layers, on, strict=True):
            sheet = self.sheet(name, cut)
            begins.append(total)
            links.append(np.column_stack(self.meetings(sheet, sheet)) + total)
            for k in mine:
                level = levels[names[k]]
                if level is sheet:
                    count = np.arange(len(joined.net[names[k]]))
                    u, v = count, count
                else:
                    u, v = self.meetings(sheet, level)
                if len(u):
                    links.append(np.column_stack([u + total, joined.net[names[k]][v]]))
            total += len(self.pieces.nodes(sheet).piece)
        u, v = np.concatenate(links).T
        root = united(total, (u, v))
        return [root[a:b] for a, b in zip(begins, [*begins[1:], total], strict=True)]


def on_levels(layer: str, sources: frozenset[str], levels: Sequence[_Level]) -> list[int]:
    """The levels that a layer is drawn on.

    Raises:
        PdkError: it is on none.
    """
    found = [k for k, level in enumerate(levels) if sources & level.sources]
    if not found:
        raise PdkError([Problem("", "connect", f"layer {layer!r} is on no level of [connect]: its nets are not known")])
    return found


def levels_of(pdk: Pdk) -> list[_Level]:
    """The levels of a process's stack, lowest first."""
    made = stack(pdk)
    number = {name: k for k, name in enumerate(made.levels)}
    above = {name: tuple(number[b] for a, b in made.links if a == name) for name in made.levels}
    return [_Level(frozenset(made.drawn(text)), text, above[name]) for name, text in made.levels.items()]


def of_layout(pdk: Pdk, layout: kdb.Layout, top: kdb.Cell) -> Overall:
    """All that is below a cell."""
    pieces = Pieces(pdk, layout, top, pdk.drawn_layers)

    def sized(layer: str) -> tuple[str, int] | None:
        found = derive.sized(pdk.derived[layer].expression, pdk.number) if layer in pdk.derived else None
        return None if found is None else (found[0], dbu(found[1]))

    return Overall(pieces, pieces.sheet, levels_of(pdk), pdk.sources, sized)


def of_drawn(pdk: Pdk, fetch: derive.Fetch) -> Overall:
    """All that a function gives of drawn layers."""
    layout = kdb.Layout(False)
    top = layout.create_cell("ALL")
    done: dict[str, Sheet] = {}
    pieces = Pieces(pdk, layout, top, ())

    def sheet(expression: str) -> Sheet:
        if expression not in done:
            region = fetch(expression) if expression in pdk.drawn_layers else pdk.evaluate(expression, fetch)
            done[expression] = pieces.singles(region.merged().each(), expression)
        return done[expression]

    return Overall(pieces, sheet, levels_of(pdk), pdk.sources)


def of_regions(regions: Mapping[str, kdb.Region]) -> Overall:
    """All that there is: regions by name, each of which joins what it overlaps of the next."""
    layout = kdb.Layout(False)
    pieces = Pieces(None, layout, layout.create_cell("ALL"), ())
    made = {name: pieces.singles(region.merged().each(), name) for name, region in regions.items()}
    count = len(regions)
    levels = [_Level(frozenset([name]), name, tuple(range(k + 1, count)[:1])) for k, name in enumerate(regions)]
    return Overall(pieces, made.__getitem__, levels, lambda name: (name,))


# ------------------------------------------------------------------ findings by the nets of their edges


def by_nets(
    found: Iterable[Finding], overall: Overall, layers: Sequence[str], want: str, cut: str
) -> Iterator[Finding]:  # fmt: skip
    """Of findings between edges of one layer, or of two, those between the same net ("same"), or between two.

    An overlap is one of both layers' nets. cut: of the nets that the blade leaves; where it takes an edge, nothing is.

    Raises:
        LookupError: an edge is of no shape; rounding has made them disagree.
    """
    some = list(found)
    if not some:
        return
    nets = overall.nets(layers, cut)
    probes = [_probes(f) for f in some]
    each = max(len(edge) for f in probes for edge in f)
    sides = np.array([[(edge * each)[:each] for edge in f] for f in probes], dtype=np.int64)
    many = np.array([f.count for f in some])
    owner = np.repeat(np.arange(len(some)), many)
    moves = np.array([by for f in some for by in ((0, 0), *f.repeats)], dtype=np.int64)
    points = (sides[owner] + moves[:, None, None, :]).reshape(-1, 2)
    group = np.repeat(np.arange(len(owner)), 2 * each)
    of_layer = [_net_at(overall, overall.sheet(name, cut), net, Cloud(group, points))
                for name, net in zip(layers, nets, strict=True)]  # fmt: skip
    at = [side.reshape(len(owner), 2, each) for side in of_layer]
    first, second = at[0][:, 0], at[-1][:, 1]
    if len(layers) > 1:  # which edge is of which layer is not said of long ones
        other = np.flatnonzero(_nowhere(first) | _nowhere(second))
        first, second = first.copy(), second.copy()
        first[other], second[other] = at[0][other, 1], at[-1][other, 0]
    if not cut:
        for k in np.flatnonzero(_nowhere(first) | _nowhere(second)).tolist():
            raise LookupError(f"no shape at {some[int(owner[k])].edges} moved by {moves[k].tolist()}")
    there = np.asarray(first >= 0)[:, :, None] & np.asarray(second >= 0)[:, None, :]
    equal: Bools = first[:, :, None] == second[:, None, :]
    holds: Bools = there & (equal if want == "same" else ~equal)
    keep = np.flatnonzero(holds.any(axis=(1, 2)))
    _, begin = np.unique(owner[keep], return_index=True)
    for here in np.split(keep, begin[1:]):
        if len(here):
            f, by = some[int(owner[here[0]])], moves[here]
            repeats = tuple((x, y) for x, y in (by[1:] - by[0]).tolist())
            yield replace(moved_by(f, by[0].tolist()), repeats=repeats)


def _nowhere(nets: Ints) -> Bools:
    """Which edges have no point on a net."""
    return np.asarray(np.all(nets < 0, axis=1))


def _probes(f: Finding) -> list[list[tuple[int, int]]]:
    """Points on the first edge's shape, and on those of the others; of an overlap some within, twice."""
    if f.edges:
        return [_on(f.edges[0]), [point for edge in f.edges[1:] or f.edges for point in _on(edge)]]
    part = next(iter(kdb.Polygon([kdb.Point(*p) for p in f.polygon]).decompose_trapezoids()))
    box = part.bbox()
    inside = kdb.Point((box.left + box.right) // 2, (box.bottom + box.top) // 2)
    return [[(inside.x, inside.y), *((p.x, p.y) for p in part.each_point())][:3]] * 2


def _on(edge: Edge) -> list[tuple[int, int]]:
    x1, y1, x2, y2 = edge
    return [(x1, y1), (x2, y2), ((x1 + x2) // 2, (y1 + y2) // 2)]


def _net_at(overall: Overall, sheet: Sheet, net: Ints, cloud: Cloud) -> Ints:
    """The net at each point of a cloud; -1: none. Where corners are rounded, the one beside it."""
    node = overall.pieces.at(sheet, cloud)
    lost = np.flatnonzero(node < 0)
    for dx, dy in ROUNDED if len(lost) else ():
        beside = overall.pieces.at(sheet, Cloud(np.arange(len(lost)), cloud.at[lost] + np.array([dx, dy])))
        node[lost] = beside
        lost = lost[beside < 0]
        if not len(lost):
            break
    return np.where(node < 0, NONE, net[node]) if len(net) else node


def of_nets(found: list[Finding], regions: Sequence[kdb.Region], options: Netted) -> list[Finding]:
    """`by_nets`, where a rule's layers are all that conducts."""
    if options.nets == "any":
        return found
    named = {str(k): region for k, region in enumerate(regions)}
    return list(by_nets(found, of_regions(named), [*named], options.nets, ""))


def in_words(options: Netted) -> str:
    """What a rule in words says of nets."""
    if options.nets == "any":
        return ""
    which = "of the same net" if options.nets == "same" else "of different nets"
    taken = f" takes {options.after_cut}" if isinstance(options.after_cut, str) else ""
    return f", {which}" + (f" after the cut{taken}" if options.after_cut else "")


def complaint(limit: Um | None, options: Netted) -> str:
    """What is wrong with the options on nets, or nothing."""
    lost = options.after_cut and options.nets == "any"
    return 'after_cut says which nets are meant: give nets = "same" or "different", too' if lost else ""


def find(job: Task, overall: Overall, any_net: Callable[[Task], Iterable[Finding]]) -> list[Finding]:
    """What breaks a rule in all of a layout. any_net: what breaks it whatever the nets are.

    Who calls it has asked `fits` whether the nets of the rule's layers can be known.

    Raises:
        PdkError: a layer is on no level of the stack.
        LookupError: it cannot be told which net an edge is of.
    """
    if job.kind.overall is not None:
        return job.kind.overall(job.rule, overall, job.layers, job.steps, job.options)
    return list(by_nets(any_net(job.of_any_net), overall, job.layers, job.nets, job.cut))


def fits(job: Task, pdk: Pdk) -> None:
    """Whether a process has what a rule asks of all of a layout.

    Raises:
        PdkError: a layer whose nets it asks for is on no level of `[connect]`, or nothing says what the blade takes.
    """
    problems: list[Problem] = []
    for name in job.layers[: job.kind.by_net(job.options)]:
        try:
            on_levels(name, frozenset(pdk.sources(name)), levels_of(pdk))
        except PdkError as e:
            problems += [replace(p, place=f"rules.{job.rule}.layers") for p in e.problems]
    if job.cut and job.cut not in pdk.reserved:
        message = f"there is no reserved layer {job.cut!r}{nearest(job.cut, pdk.reserved)}"
        problems.append(Problem("", f"rules.{job.rule}.after_cut", message))
    if problems:
        raise PdkError(problems)
