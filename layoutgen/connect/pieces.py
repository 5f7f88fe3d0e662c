"""What the whole layout joins, by pieces of what repeats.

A layer is taken apart into instances of kinds: cells that repeat, and single shapes by what they look like. The pieces
of a kind, its merged polygons, are nodes wherever it stands. Where two instances meet is found once for each way in
which two kinds stand to each other, and holds wherever they stand so. So it is exact: nothing is cut or rounded, and
what is as large as the wafer is a piece like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen import derive, gds
from layoutgen.connect.kinds import MANY, Kinds
from layoutgen.connect.near import Near, Pairs, Run
from layoutgen.connect.sheets import NONE, Bools, Cloud, Ints, Nodes, Sheet, merged_sheets
from layoutgen.pdk import Pdk
from layoutgen.units import dbu
from layoutgen.windows.arrays import distinct_rows
from layoutgen.windows.source import Source

LARGE = 1_000_000
"""Database units: single polygons that are larger both ways are searched as such, not by their extents."""
ALIKE = 64
"""So many instances of a kind are a run of their own."""


class Pieces:
    """The kinds of a layout and their pieces, by number; and what meets what."""

    def __init__(self, pdk: Pdk | None, layout: kdb.Layout, top: kdb.Cell, layers: Iterable[str]) -> None:
        """layers: the drawn layers that will be asked for. Without a process: `singles` only."""
        self._pdk = pdk
        found = {name: layout.find_layer(gds.layer_info(pdk, name)) for name in layers} if pdk else {}
        self._layout, self._top = layout, top
        self._source = Source(layout, top, {name: index for name, index in found.items() if index is not None})
        self.kinds = Kinds()
        self._known: dict[str, Sheet] = {}
        self._near = Near()
        self._runs: dict[Sheet, list[tuple[int, Run]]] = {}
        self._pairs: dict[tuple[Sheet, Sheet, bool], list[Pairs]] = {}
        self._points: dict[tuple[Sheet, bytes], Ints] = {}
        self.names: list[str] = []
        """Of layers, by number."""

    # ------------------------------------------------------------------ layers and levels

    def sheet(self, expression: str) -> Sheet:
        """What an expression over layers, drawn or derived, is made of: the layers that it unites, the kinds that it
        makes larger or smaller, or else all of it flat."""
        if expression not in self._known:
            assert self._pdk is not None  # noqa: S101  who has none asks for `singles`
            layers = self.united(expression)
            if layers is None and (resized := self._resized(expression)) is not None:
                self._known[expression] = resized
            elif layers is None:
                region = self._pdk.evaluate(expression, gds.fetch(self._layout, self._pdk, self._top))
                self._known[expression] = self.singles(region.each(), expression)
            elif len(layers) == 1 and layers[0] == expression:
                self._known[expression] = self._drawn(expression)
            else:
                self._known[expression] = merged_sheets([self.sheet(layer) for layer in layers])
        return self._known[expression]

    def united(self, expression: str) -> list[str] | None:
        """The drawn layers whose union an expression is; None: it is none."""
        parts = derive.union_of(expression)
        if parts is None:
            return None
        out: list[str] = []
        for part in parts:
            more = [part]
            assert self._pdk is not None  # noqa: S101  who has none asks for `singles`
            if part in self._pdk.derived:
                found = self.united(self._pdk.derived[part].expression)
                if found is None:
                    return None
                more = found
            out += more
        return list(dict.fromkeys(out))

    def _resized(self, expression: str) -> Sheet | None:
        """Where an expression grows or shrinks a layer no two instances of which touch, each kind of it by itself."""
        assert self._pdk is not None  # noqa: S101  who has none asks for `singles`
        text = expression
        while text in self._pdk.derived:
            text = self._pdk.derived[text].expression
        found = derive.sized(text, self._pdk.number)
        if found is None:
            return None
        source, by = self.sheet(found[0]), dbu(found[1])
        if len(self.meetings(source, source, area=False)[0]):
            return None  # where two meet, both together may grow otherwise than each
        kind = source.kind.copy()
        for k in np.unique(source.kind).tolist():
            own = kdb.Region(self.kinds.pieces(k))
            kind[source.kind == k] = self.kinds.of(
                ("sized", k, by),
                lambda own=own: own.sized(by, derive.OCTAGON).merged().each(),  # type: ignore[misc]
            )
        return Sheet(kind, source.at, np.full(len(source), self._number(expression)))

    def _number(self, layer: str) -> int:
        if layer not in self.names:
            self.names.append(layer)
        return self.names.index(layer)

    def singles(self, polygons: Iterable[kdb.Polygon], layer: str) -> Sheet:
        """Polygons as instances, each from its lower left corner."""
        kinds, at = [], []
        for polygon in polygons:
            box = polygon.bbox()
            own = polygon.moved(-box.left, -box.bottom)
            kinds.append(self.kinds.of(own, lambda own=own: kdb.Region(own).merged().each()))  # type: ignore[misc]
            at.append((box.left, box.bottom))
        return self._as_sheet(kinds, np.array(at, dtype=np.int64).reshape(-1, 2), layer)

    def placed(self, some: Iterable[tuple[kdb.Region, Ints]], layer: str) -> Sheet:
        """Shapes, each at (n, 2) places."""
        kinds, at = [], [np.empty((0, 2), dtype=np.int64)]
        for k, (region, places) in enumerate(some):
            kinds += [self.kinds.of(("placed", layer, k), lambda r=region: r.merged().each())] * len(places)  # type: ignore[misc]
            at.append(places)
        return self._as_sheet(kinds, np.concatenate(at), layer)

    def _as_sheet(self, kinds: Sequence[int], at: Ints, layer: str) -> Sheet:
        number = self._number(layer)
        return Sheet(np.array(kinds, dtype=np.int64), at, np.full(len(kinds), number))

    def _drawn(self, name: str) -> Sheet:
        layer = self._source.layer(name)
        if layer is None:
            return self._as_sheet([], np.empty((0, 2), dtype=np.int64), name)
        parts = [self.singles(layer.long, name)] if layer.long else []
        boxes = layer.boxes
        if len(boxes):
            sizes, back = np.unique(boxes[:, 2:] - boxes[:, :2], axis=0, return_inverse=True)
            kinds = [self.kinds.of(_box(w, h), lambda w=w, h=h: [_box(w, h)]) for w, h in sizes.tolist()]  # type: ignore[misc]
            flat = (sizes > 0).all(axis=1)[back.reshape(-1)]
            parts.append(
                self._as_sheet(np.array(kinds, dtype=np.int64)[back.reshape(-1)][flat].tolist(), boxes[flat, :2], name)
            )
        items = layer.items
        if len(items):
            first, number = distinct_rows(np.column_stack([items.content, items.motion]))
            own = []
            for k in first.tolist():
                content, motion = int(items.content[k]), int(items.motion[k])
                at = (int(items.at[k, 0]), int(items.at[k, 1]))
                here = kdb.Box(*items.box[k].tolist()).moved(-at[0], -at[1])
                own.append(
                    self.kinds.of(
                        (name, content, motion),
                        lambda c=content, m=motion, b=here, a=at: layer.touching(c, m, b, a).merged().each(),  # type: ignore[misc]
                    )
                )
            run = np.where(np.bincount(number) >= ALIKE, np.arange(len(first)), NONE)[number]
            order = np.argsort(run, kind="stable")
            sheet = self._as_sheet(np.array(own)[number[order]].tolist(), items.at[order], name)
            starts = np.flatnonzero(np.diff(run[order], prepend=run[order[0]] - 1))
            parts.append(replace(sheet, starts=tuple(starts.tolist())))
        return merged_sheets(parts) if parts else self._as_sheet([], np.empty((0, 2), dtype=np.int64), name)

    def nodes(self, sheet: Sheet) -> Nodes:
        """The pieces of all instances."""
        start, _, _ = self.kinds.table()
        size = np.diff(start)[sheet.kind]
        instance = np.repeat(np.arange(len(sheet)), size)
        local = np.arange(len(instance)) - np.repeat(np.cumsum(size) - size, size)
        return Nodes(instance, start[sheet.kind][instance] + local)

    def some_nodes(self, sheet: Sheet, which: Ints) -> Nodes:
        """The pieces of some of all, by their numbers."""
        start, _, _ = self.kinds.table()
        base = self._base(sheet)
        instance = np.searchsorted(base, which, side="right") - 1
        return Nodes(instance, start[sheet.kind[instance]] + which - base[instance])

    def times(self, sheet: Sheet) -> Ints:
        """How often each piece stands in a sheet."""
        start, _, _ = self.kinds.table()
        return np.repeat(np.bincount(sheet.kind, minlength=len(start) - 1), np.diff(start))

    def boxes(self, sheet: Sheet, nodes: Nodes) -> Ints:
        """(n, 4) where the pieces lie."""
        return self.kinds.table()[1][nodes.piece] + np.tile(sheet.at[nodes.instance], 2)

    def polygon(self, sheet: Sheet, nodes: Nodes, node: int) -> kdb.Polygon:
        """One piece where it lies."""
        x, y = sheet.at[nodes.instance[node]].tolist()
        return self.kinds.polygons[int(nodes.piece[node])].moved(x, y)

    # ------------------------------------------------------------------ what meets

    def _runs_of(self, sheet: Sheet) -> list[tuple[int, Run]]:
        """The runs of a sheet's instances, and the first instance of each."""
        if sheet not in self._runs:
            around = self.kinds.around(sheet.kind)
            self._runs[sheet] = [(run.start, Run(sheet.at[run], around[run])) for run in sheet.runs()]
        return self._runs[sheet]

    def meetings(self, a: Sheet, b: Sheet, *, area: bool) -> tuple[Ints, Ints]:
        """Pairs of nodes of two sheets, or of one, whose pieces touch; area: that have an area in common."""
        first, second, relation, rows = self._relations(a, b)
        if not len(first):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        number, p, q = self.kinds.contacts(rows, area)
        start, _, _ = self.kinds.table()
        count = np.bincount(number, minlength=len(rows))
        begin = np.cumsum(count) - count
        times = count[relation]
        pair = np.repeat(np.arange(len(relation)), times)
        contact = np.arange(len(pair)) - np.repeat(np.cumsum(times) - times, times) + begin[relation[pair]]
        base_a, base_b = self._base(a), self._base(b)
        i, j = first[pair], second[pair]
        return base_a[i] + p[contact] - start[a.kind[i]], base_b[j] + q[contact] - start[b.kind[j]]

    def _base(self, sheet: Sheet) -> Ints:
        """The first node of each instance."""
        size = np.diff(self.kinds.table()[0])[sheet.kind]
        return np.cumsum(size) - size

    def _relations(self, a: Sheet, b: Sheet) -> tuple[Ints, Ints, Ints, Ints]:
        """Instances that lie near each other, the number of how they do, and (n, 4) two kinds and the step between.

        Ways may have several numbers.
        """
        none = np.empty(0, dtype=np.int64)
        found, rows = [Pairs(none, none, none)], [np.empty((0, 4), dtype=np.int64)]
        count = 0
        for pairs in self._near_each_other(a.of or a, b.of or b, once=a is b):
            distinct, number = self._ways(a.kind[pairs.first], b.kind[pairs.second], pairs, a.at, b.at)
            found.append(Pairs(pairs.first, pairs.second, number + count))
            rows.append(distinct)
            count += len(distinct)
        first, second, relation = (
            np.concatenate([getattr(f, key) for f in found]) for key in ("first", "second", "step")
        )
        return first, second, relation, np.concatenate(rows)

    @staticmethod
    def _ways(mine: Ints, theirs: Ints, pairs: Pairs, a: Ints, b: Ints) -> tuple[Ints, Ints]:
        """(n, 4) distinct rows of two labels and a step, and of each pair the number of its own."""
        if not len(mine):
            return np.empty((0, 4), dtype=np.int64), pairs.step
        if pairs.steps is None:
            rows = np.column_stack([mine, theirs, b[pairs.second] - a[pairs.first]])
            distinct, number = distinct_rows(rows)
            return rows[distinct], number
        if (mine == mine[0]).all() and (theirs == theirs[0]).all():
            used = np.bincount(pairs.step, minlength=len(pairs.steps)) > 0
            steps = pairs.steps[used]
            labels = np.tile(np.array([[mine[0], theirs[0]]]), (len(steps), 1))
            return np.concatenate([labels, steps], axis=1), (np.cumsum(used) - 1)[pairs.step]
        rows = np.column_stack([mine, theirs, pairs.step])
        distinct, number = distinct_rows(rows)
        return np.concatenate([rows[distinct, :2], pairs.steps[rows[distinct, 2]]], axis=1), number

    def _near_each_other(self, a: Sheet, b: Sheet, *, once: bool) -> list[Pairs]:
        """Instances whose extents touch, by runs; of a single large polygon, those that touch itself.

        once: of a sheet and itself, each pair once and none of an instance and itself.
        """
        if (a, b, once) not in self._pairs:
            found = []
            for start, run in self._runs_of(a):
                for other_start, other in self._runs_of(b):
                    if once and other_start < start:
                        continue
                    pairs = self._near.pairs(run, other)
                    pairs = replace(pairs, first=pairs.first + start, second=pairs.second + other_start)
                    if once and start == other_start:
                        pairs = pairs.some(pairs.first < pairs.second)
                    if not run.alike:
                        pairs = pairs.some(self._reaches(a, pairs.first, b, pairs.second))
                    if not other.alike:
                        pairs = pairs.some(self._reaches(b, pairs.second, a, pairs.first))
                    found.append(pairs)
            self._pairs[a, b, once] = found
        return self._pairs[a, b, once]

    def _reaches(self, a: Sheet, first: Ints, b: Sheet, second: Ints) -> Bools:
        """Whether instances touch the extents of others; a single large polygon, itself."""
        keep = np.ones(len(first), dtype=bool)
        large = np.flatnonzero(self._large(a)[first])
        if len(large):
            extents = self.kinds.around(b.kind[second[large]]) + np.tile(b.at[second[large]] - a.at[first[large]], 2)
            pieces = self.kinds.table()[0][a.kind[first[large]]]
            keep[large] = shapely.intersects(self.kinds.shape(pieces), shapely.box(*extents.T.astype(float)))
        return keep

    def _large(self, sheet: Sheet) -> Bools:
        """Which instances are of single polygons that stand once and are large both ways, as parts of a ring are."""
        start, boxes, is_box = self.kinds.table()
        kinds = np.zeros(len(start) - 1, dtype=bool)
        single = np.flatnonzero(np.diff(start) == 1)
        size = (boxes[start[single], 2:] - boxes[start[single], :2]).min(axis=1)
        once = np.bincount(sheet.kind, minlength=len(kinds))[single] == 1
        kinds[single] = once & (size > LARGE) & ~is_box[start[single]]
        large: Bools = kinds[sheet.kind]
        return large

    # ------------------------------------------------------------------ cutting

    def without(self, sheet: Sheet, cut: Sheet) -> Sheet:
        """What is left of a sheet's pieces where those of another one are taken away."""
        first, second, relation, rows = self._relations(sheet, cut)
        if not len(first):
            return sheet
        number, _, _ = self.kinds.contacts(rows, area=True)
        real = np.isin(relation, number)
        first, second = first[real], second[real]
        if not len(first):
            return sheet
        relation = relation[real]
        order = np.lexsort((relation, first))
        first, second, relation = first[order], second[order], relation[order]
        who, begin = np.unique(first, return_index=True)
        count = np.diff(begin, append=len(first))
        kind, around = sheet.kind.copy(), self.kinds.around(sheet.kind)
        for number in np.unique(count).tolist():  # those that as many others meet: a row of relations each
            some, start = who[count == number], begin[count == number]
            alike, like = distinct_rows(
                np.column_stack([sheet.kind[some], relation[start[:, None] + np.arange(number)]])
            )
            left = []
            for k, at in zip(some[alike].tolist(), start[alike].tolist(), strict=True):
                here = kdb.Box(*around[k].tolist())
                others = second[at : at + number].tolist()
                gone = frozenset(self.kinds.clipped(int(cut.kind[j]), cut.at[j] - sheet.at[k], here) for j in others)
                left.append(self.kinds.left(int(sheet.kind[k]), gone))
            kind[some] = np.array(left)[like]
        return replace(sheet, kind=kind, of=sheet.of or sheet)

    def grown(self, sheet: Sheet, by: int) -> Sheet:
        """The extents of a sheet's pieces, larger by so much on each side: node by node."""
        kind = sheet.kind.copy()
        for k in np.unique(sheet.kind).tolist():
            kind[sheet.kind == k] = self.kinds.grown(k, by)
        return replace(sheet, kind=kind, of=None)

    # ------------------------------------------------------------------ points

    def at(self, sheet: Sheet, cloud: Cloud) -> Ints:
        """The node that each point of a cloud lies in or on; -1: none."""
        key = sheet, cloud.key
        if key not in self._points:
            self._points[key] = self._nodes_at(sheet, cloud)
        return self._points[key]

    def _nodes_at(self, sheet: Sheet, cloud: Cloud) -> Ints:
        out = np.full(len(cloud.at), NONE)
        for start, run in self._runs_of(sheet.of or sheet) if len(out) else ():
            pairs = self._near.pairs(cloud.run, run)
            self._nodes_of(sheet, cloud, replace(pairs, second=pairs.second + start), out)
        return out

    def _nodes_of(self, sheet: Sheet, cloud: Cloud, pairs: Pairs, out: Ints) -> None:
        """Write down the nodes of instances that lie near groups of points."""
        start, boxes, is_box = self.kinds.table()
        base = self._base(sheet)
        # a single box holds points wherever it lies
        plain = (np.diff(start) == 1) & is_box[np.minimum(start[:-1], len(is_box) - 1)]
        single = plain[sheet.kind[pairs.second]]
        for some, one in _in_parts(pairs.first[single], pairs.second[single], cloud.size):
            point, pair = cloud.points(some)
            x, y = cloud.at[point].T
            x0, y0, x1, y1 = (boxes[start[sheet.kind[one]]] + np.tile(sheet.at[one], 2))[pair].T
            hit = (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)
            out[point[hit]] = base[one[pair[hit]]]
        pairs = pairs.some(~single)
        large = np.flatnonzero(self._large(sheet)[pairs.second])
        if len(large):
            keep = np.ones(len(pairs.first), dtype=bool)
            extents = cloud.extents[pairs.first[large]] - np.tile(sheet.at[pairs.second[large]], 2)
            shapes = self.kinds.shape(start[sheet.kind[pairs.second[large]]])
            keep[large] = shapely.intersects(shapes, shapely.box(*extents.T.astype(float)))
            pairs = pairs.some(keep)
        if not len(pairs.first):
            return
        group, instance = pairs.first, pairs.second
        rows, relation = self._ways(cloud.like[group], sheet.kind[instance], pairs, cloud.origin, sheet.at)
        order = np.argsort(relation, kind="stable")
        for some in np.split(order, np.flatnonzero(np.diff(relation[order])) + 1):
            like, kind, dx, dy = rows[relation[some[0]]].tolist()
            which, piece = self.kinds.piece_at(kind, cloud.seen(like) - np.array([dx, dy]))
            if len(which):
                target = cloud.start[group[some]][:, None] + which[None, :]
                out[target] = base[instance[some]][:, None] + (piece - start[kind])[None, :]


def _in_parts(group: Ints, instance: Ints, size: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of a group and an instance, so many at a time that their points fit in memory."""
    part = np.cumsum(size[group]) // MANY
    for some in np.split(np.arange(len(group)), np.flatnonzero(np.diff(part)) + 1):
        if len(some):
            yield group[some], instance[some]


def _box(width: int, height: int) -> kdb.Polygon:
    return kdb.Polygon(kdb.Box(0, 0, width, height))
