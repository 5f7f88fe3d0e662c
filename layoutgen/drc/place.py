"""From what is found on contact sheets to findings in the layout: each owned once, put back wherever its like stand.

A window owns what lies in its core. A short finding is seen whole by every window that might own it, and belongs to the
one with its lower left corner. A long one is cut along the cores, put back in parts, and the parts are joined again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import compress
from typing import TypeAlias

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.drc.checks.marks import hull
from layoutgen.findings import Edge, Finding, canonical, moved_by
from layoutgen.units import Um
from layoutgen.windows import InPlace, Sheet, View
from layoutgen.windows.arrays import Ints

Where: TypeAlias = Callable[[Finding, int], npt.NDArray[np.bool_]]
"""(finding at its window's first place, window) -> at which of the window's places it holds."""
Repeats: TypeAlias = tuple[tuple[int, int], ...]
MOST_FOLDED = 10_000
"""Places up to which equal findings become one: each place takes some hundred bytes, unless windows share them."""
_JOINS = 2
"""Parts of one slanted edge that rounding has moved apart, in database units."""


def place(
    found: Sequence[Finding], sheet: Sheet | InPlace, short: int, where: Where | None = None
) -> Iterator[Finding]:
    """Findings of a sheet where they stand in the layout, each with all its places; long ones cut into parts.

    short: extent in database units up to which every window that might own a finding sees it whole. where: at which
    places of a window a finding holds; None: at all.
    """
    return repeated(owned(found, sheet, short), sheet.view, where)


def owned(found: Sequence[Finding], sheet: Sheet | InPlace, short: int) -> Iterator[tuple[int, Finding]]:
    """Findings of a sheet, each with the window of the view that it belongs to, where that stands first; long ones cut
    into parts."""
    if not found:
        return
    boxes = np.array([extent(f) for f in found], dtype=np.int64)
    if isinstance(sheet, InPlace):
        yield from _in_place(found, boxes, sheet, short)
        return
    slots = sheet.slots(boxes[:, :2])
    moved = sheet.moved[slots]
    boxes -= np.concatenate([moved, moved], axis=1)
    windows = sheet.windows[slots]
    cores = sheet.view.cores[windows]
    low = boxes[:, :2]
    mine = _owns(cores, low)
    long = np.asarray((boxes[:, 2:] - low > short).any(axis=1))
    for k in np.flatnonzero(mine & ~long).tolist():
        yield int(windows[k]), moved_by(found[k], -moved[k])
    for k in np.flatnonzero(long).tolist():
        for part in _parts(moved_by(found[k], -moved[k]), cores[k].tolist()):
            yield int(windows[k]), part


def _in_place(found: Sequence[Finding], boxes: Ints, there: InPlace, short: int) -> Iterator[tuple[int, Finding]]:
    """The same where windows are seen together: a long finding may lie in several of them."""
    view, own = there.view, set(there.windows.tolist())
    long = np.asarray((boxes[:, 2:] - boxes[:, :2] > short).any(axis=1)).tolist()
    owners = view.owner(boxes[:, :2])
    for k, f in enumerate(found):
        if not long[k]:
            if int(owners[k]) in own:
                yield int(owners[k]), f
            continue
        for window in view.touched(kdb.Box(*boxes[k].tolist())).tolist():
            for part in _parts(f, view.cores[window].tolist()) if window in own else ():
                yield window, part


def repeated(mine: Iterable[tuple[int, Finding]], view: View, where: Where | None = None) -> Iterator[Finding]:
    """Findings of windows with all the places at which these stand."""
    known: dict[int, Repeats] = {}
    for window, f in mine:
        yield from _repeated(f, view, window, where, known)


def join(found: Iterable[Finding]) -> list[Finding]:
    """Findings with the parts of long ones joined, and equal ones at several places as one."""
    whole: list[Finding] = []
    parts: list[Finding] = []
    areas: dict[object, list[Finding]] = defaultdict(list)
    for f in found:
        if not f.part and not f.cut:
            whole.append(f)
        elif f.polygon:
            areas[f.note, f.asked] += f.each()
        else:
            parts += f.each()
    for polygons in areas.values():
        region = kdb.Region([kdb.Polygon([kdb.Point(*p) for p in f.polygon]) for f in polygons]).merged()
        for polygon in region.each():
            whole.append(replace(polygons[0], polygon=hull(polygon), cut=False))
    return _folded([*whole, *_joined(parts)])


def distinct(found: Iterable[Finding], limit: Um | None = None) -> list[Finding]:
    """What marks the same at the same place once: of these the one that is farthest from what is asked for.

    limit: what is asked for where findings do not say.
    """
    same: dict[object, dict[object, Finding]] = defaultdict(dict)
    for f in found:
        x, y = extent(f)[:2]
        edges = sorted(canonical((a - x, b - y, c - x, d - y)) for a, b, c, d in f.edges)
        said = f.measured, f.note, f.asked
        alike = same[tuple(edges), tuple(sorted((a - x, b - y) for a, b in f.polygon))]
        alike[x, y, f.repeats and id(f.repeats), said] = f
    out: list[Finding] = []
    for alike in same.values():
        group = sorted(alike.values(), key=lambda f: (-f.off(limit), f.note, f.edges, f.polygon))
        one = len({(f.measured, f.note, f.asked) for f in group}) == 1
        # equal ones at very many places are of different windows, which own no place together
        out += group if len(group) == 1 or (one and sum(f.count for f in group) > MOST_FOLDED) else _once(group)
    return out


def _once(group: Sequence[Finding]) -> Iterator[Finding]:
    """Findings that differ in nothing but their places, each without those that one before it has."""
    steps: dict[int, Ints] = {}  # many may share theirs
    at = []
    for f in group:
        if id(f.repeats) not in steps:
            steps[id(f.repeats)] = _numbers(((0, 0), *f.repeats))
        at.append(_numbers([extent(f)[:2]]) + steps[id(f.repeats)])
    _, first = np.unique(np.concatenate(at), return_index=True)
    kept = np.zeros(sum(map(len, at)), dtype=bool)
    kept[first] = True
    for f, mine in zip(group, np.split(kept, np.cumsum([len(places) for places in at[:-1]])), strict=True):
        if mine.all():
            yield f
        elif mine.any():
            (dx, dy), *others = compress(((0, 0), *f.repeats), mine.tolist())
            yield replace(moved_by(f, (dx, dy)), repeats=tuple((x - dx, y - dy) for x, y in others))


def _numbers(places: Sequence[tuple[int, int]]) -> Ints:
    """A number for each place, another one for another place; that of a sum is the sum of theirs."""
    x, y = np.array(places, dtype=np.int64).T
    numbers: Ints = (x << 32) + y
    return numbers


def _owns(cores: Ints, low: Ints) -> npt.NDArray[np.bool_]:
    """Which (n, 4) cores hold the lower left corners of findings; right and top border belong to the next core."""
    return np.asarray(((cores[:, :2] <= low) & (low < cores[:, 2:])).all(axis=1))


def _repeated(f: Finding, view: View, window: int, where: Where | None, known: dict[int, Repeats]) -> Iterator[Finding]:
    """The finding at its places, if it holds at any; known: what findings of the same windows share."""
    if where is None:
        if window not in known:
            known[window] = _repeats(view.places(window))
        yield replace(f, repeats=known[window])
        return
    places = view.places(window)
    places = places[where(f, window)]
    if not len(places):
        return
    if places[0].any():
        f, places = moved_by(f, places[0]), places - places[0]
    yield replace(f, repeats=_repeats(places))


def _repeats(places: Ints) -> Repeats:
    return tuple((x, y) for x, y in places[1:].tolist())


def extent(f: Finding) -> tuple[int, int, int, int]:
    """The box around a finding's marker."""
    xs = [x for e in f.edges for x in (e[0], e[2])] + [x for x, _ in f.polygon]
    ys = [y for e in f.edges for y in (e[1], e[3])] + [y for _, y in f.polygon]
    return min(xs), min(ys), max(xs), max(ys)


# ------------------------------------------------------------------ long ones


def _parts(f: Finding, core: list[int]) -> Iterator[Finding]:
    """What of a finding lies in a core, whose right and top border belong to the next one."""
    box = kdb.Box(*core)
    if f.polygon:
        inside = kdb.Region(kdb.Polygon([kdb.Point(*p) for p in f.polygon])) & kdb.Region(box)
        for polygon in inside.each():
            yield replace(f, polygon=hull(polygon), cut=True)
        return
    inner = tuple(part for edge in f.edges if (part := _cut(edge, box)))
    if inner:
        yield replace(f, edges=inner, part=tuple(sorted(f.edges)))  # another window is given them the other way round


def _cut(edge: Edge, core: kdb.Box) -> Edge | None:
    inside = kdb.Edge(*edge).clipped(core)
    if inside is None:
        return None
    on_border = (inside.x1 == inside.x2 == core.right) or (inside.y1 == inside.y2 == core.top)
    return None if on_border else (inside.x1, inside.y1, inside.x2, inside.y2)


def _joined(parts: list[Finding]) -> Iterator[Finding]:
    """Parts whose edges go on in each other where they were cut, or that were seen as one, as one finding each."""
    if not parts:
        return
    lines = np.array([edge for f in parts for edge in f.edges], dtype=float)
    owner = np.array([k for k, f in enumerate(parts) for _ in f.edges])
    ends = {point for f in parts for a, b, c, d in f.part for point in ((f.part, a, b), (f.part, c, d))}
    seen = [f.part for f in parts for _ in f.edges]
    cut = [
        np.flatnonzero(
            [(part, *line) not in ends for part, line in zip(seen, lines[:, side].astype(int).tolist(), strict=True)]
        )
        for side in (slice(0, 2), slice(2, 4))
    ]
    starts, stops = ([shapely.Point(*p) for p in tips] for tips in (lines[cut[0], :2], lines[cut[1], 2:]))
    i = j = np.empty(0, dtype=np.int64)
    if stops:
        i, j = shapely.STRtree(starts).query(stops, predicate="dwithin", distance=_JOINS)
    same = (lines[cut[1][i], 2:] == lines[cut[0][j], :2]).all(axis=1)
    one = same | ~(np.isin(i, i[same]) & np.isin(j, j[same]))  # not two that each go on elsewhere at their very place
    before, after = cut[1][i][one], cut[0][j][one]
    way = lines[:, 2:] - lines[:, :2]
    kind = _alike((f.note, f.asked, len(f.part)) for f in parts)[owner]
    on = _goes_on(way[before], way[after]) & (kind[before] == kind[after])
    chain = _connected(len(lines), zip(before[on].tolist(), after[on].tolist(), strict=True))
    first: dict[object, int] = {}
    alike = [(k, first.setdefault((f.part, f.note, f.asked), k)) for k, f in enumerate(parts)]
    alike += [(k, first.setdefault(number, k)) for k, number in zip(owner.tolist(), chain.tolist(), strict=True)]
    group = _connected(len(parts), alike)
    for members in _split(group):
        mine = [parts[k] for k in members.tolist()]
        measured = [f.measured for f in mine if f.measured is not None]
        own = np.concatenate([np.arange(*ends) for ends in np.searchsorted(owner, [members, members + 1]).T.tolist()])
        edges = tuple(sorted({_whole(lines[own[links]]) for links in _split(chain[own])}))
        yield replace(mine[0], edges=edges, measured=min(measured, default=None), part=())


def _alike(of: Iterable[object]) -> Ints:
    """A number for each, the same for equal ones."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(each, len(numbers)) for each in of], dtype=np.int64)


def _goes_on(way: npt.NDArray[np.float64], then: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Whether one line goes on where another ends, but for rounding: not around a corner, nor back across a slit."""
    length = np.maximum(np.hypot(*way.T), np.hypot(*then.T))
    aside = np.abs(way[:, 0] * then[:, 1] - way[:, 1] * then[:, 0])
    return np.asarray(((way * then).sum(axis=1) >= 0) & (aside <= 2 * _JOINS * length))


def _connected(count: int, pairs: Iterable[tuple[int, int]]) -> Ints:
    """The number of the group of each, once some pairs are joined."""
    root = list(range(count))

    def find(k: int) -> int:
        while root[k] != k:
            root[k] = root[root[k]]
            k = root[k]
        return k

    for a, b in pairs:
        root[max(find(a), find(b))] = min(find(a), find(b))
    return np.array([find(k) for k in range(count)])


def _split(group: Ints) -> list[Ints]:
    """Positions of the members of each group."""
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def _whole(lines: npt.NDArray[np.float64]) -> Edge:
    """Parts of one edge as one."""
    way = (lines[:, 2:] - lines[:, :2]).sum(axis=0)
    a, b = lines[np.argmin(lines[:, :2] @ way), :2], lines[np.argmax(lines[:, 2:] @ way), 2:]
    return int(a[0]), int(a[1]), int(b[0]), int(b[1])


def _folded(found: Iterable[Finding]) -> list[Finding]:
    """Equal findings at several places as one with its repeats; those at very many keep the repeats that they share."""
    same: dict[object, list[Finding]] = {}
    for f in found:
        x, y = extent(f)[:2]
        shape = (
            tuple(sorted((a - x, b - y, c - x, d - y) for a, b, c, d in f.edges)),  # which come in any order
            tuple((a - x, b - y) for a, b in f.polygon),
        )
        same.setdefault((f.rule, shape, f.measured, f.note, f.asked), []).append(f)
    out = []
    shared: dict[int, tuple[tuple[int, int], Repeats]] = {}  # findings of one window have their repeats in common
    for group in same.values():
        if len(group) == 1 or sum(f.count for f in group) > MOST_FOLDED:
            for f in group:
                if id(f.repeats) not in shared:
                    least, *others = sorted({(0, 0), *f.repeats})
                    shared[id(f.repeats)] = least, tuple((a - least[0], b - least[1]) for a, b in others)
                by, repeats = shared[id(f.repeats)]
                out.append(replace(moved_by(f, by), repeats=repeats))
            continue
        at = sorted({(x + dx, y + dy) for f in group for (x, y) in (extent(f)[:2],) for dx, dy in ((0, 0), *f.repeats)})
        x, y = extent(group[0])[:2]
        first = moved_by(group[0], (at[0][0] - x, at[0][1] - y))
        out.append(replace(first, repeats=tuple((a - at[0][0], b - at[0][1]) for a, b in at[1:])))
    return out
