"""The grid of windows: aligned with what repeats, so that equal windows look equal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np
import numpy.typing as npt

from layoutgen.windows.arrays import Ints
from layoutgen.windows.source import Items

CORE_HALOS = 4
"""A core is at least so many halos long: what lies in the halo is looked at more than once."""
PARTS = 4
"""Windows per period and axis, at most."""
MOST_WINDOWS = 1024
"""Windows per axis, at most."""
TILES = 8
"""Windows per axis where nothing repeats."""
_CANDIDATES = 12
_SAMPLE = 2000
_LONGEST, _ROW = 4, 512
"""Rows that all distances are taken from, and of how many items each."""
_ALIKE = 0.3
"""Part of the items that must stand again one period further, or there is none."""
_MET = 0.05
"""Part of all items that must be found again."""
_AS_GOOD = 0.98
_OFTEN = 4
"""At how many places each kind of item stands, on average, of which those of different kinds may be on one grid."""


@dataclass(frozen=True)
class Period:
    """What repeats: its step and a corner of it, in x and y; a step of 0: nothing repeats along that axis."""

    origin: tuple[int, int]
    step: tuple[int, int]


@dataclass(frozen=True)
class Grid:
    """Borders of the cores, (n + 1) in x and in y, and how far each window looks beyond its core."""

    x: Ints
    y: Ints
    halo: int
    only: npt.NDArray[np.bool_] | None = None
    """Which windows there are, by x and y; None: all."""

    @property
    def shape(self) -> tuple[int, int]:
        """Windows in x and y."""
        return len(self.x) - 1, len(self.y) - 1

    def find(self, points: Ints) -> Ints:
        """The number of the window (y fastest) whose core holds each of (n, 2) points, -1 for none."""
        i = np.searchsorted(self.x, points[:, 0], "right") - 1
        j = np.searchsorted(self.y, points[:, 1], "right") - 1
        nx, ny = self.shape
        inside = (i >= 0) & (i < nx) & (j >= 0) & (j < ny)
        if self.only is not None:
            inside[inside] = self.only[i[inside], j[inside]]
        return np.where(inside, i * ny + j, -1)

    def corners(self, windows: Ints) -> Ints:
        """(n, 2) lower left corners of cores."""
        return np.stack([self.x[windows // self.shape[1]], self.y[windows % self.shape[1]]], axis=1)

    def cores(self, windows: Ints) -> Ints:
        """(n, 4) what windows answer for; the right and the top border belong to the next one."""
        i, j = windows // self.shape[1], windows % self.shape[1]
        return np.stack([self.x[i], self.y[j], self.x[i + 1], self.y[j + 1]], axis=1)

    def finer(self, windows: Ints, parts: int) -> Grid:
        """Some windows only, each in parts along x and y."""
        only = np.zeros(self.shape, dtype=bool)
        only[windows // self.shape[1], windows % self.shape[1]] = True
        x, y = (_split(borders, parts) for borders in (self.x, self.y))
        return Grid(x, y, self.halo, np.repeat(np.repeat(only, parts, axis=0), parts, axis=1))


def _split(borders: Ints, parts: int) -> Ints:
    k = np.arange(parts)
    inner = borders[:-1, None] + np.diff(borders)[:, None] * k // parts
    return np.append(inner.reshape(-1), borders[-1])


def lay(bbox: kdb.Box, period: Period, halo: int) -> Grid:
    """A grid over a box, with cores a whole part or a whole multiple of the period."""
    box = bbox.enlarged(halo + 1, halo + 1)
    x = _borders(box.left, box.right, period.origin[0], period.step[0], halo)
    y = _borders(box.bottom, box.top, period.origin[1], period.step[1], halo)
    return Grid(x, y, halo)


def _borders(low: int, high: int, origin: int, step: int, halo: int) -> Ints:
    least = max(1, CORE_HALOS * halo, -(-(high - low) // MOST_WINDOWS))
    if step <= 0 or step >= high - low:
        core = max(least, -(-(high - low) // TILES))
        return low + core * np.arange(-(-(high - low + 1) // core) + 1, dtype=np.int64)
    parts = max(1, min(PARTS, step // least))
    if parts == 1:
        step *= -(-least // step)
    first, last = (low - origin) // step, (high - origin) // step + 1
    n = np.arange(first * parts, last * parts + 1, dtype=np.int64)
    return origin + step * (n // parts) + (step * (n % parts)) // parts


def find_period(items: Items, boxes: Ints) -> Period:
    """The step at which the layout repeats, from the places of its items alone.

    The one at which most items find an equal one; of several as good the least. Where none do, but each stands many
    times, the one at which most find any other: dies of several kinds in no order.
    """
    kinds, at = items.content * 64 + items.motion, items.at
    if not len(items):
        sizes = boxes[:, 2:] - boxes[:, :2]
        _, kinds = np.unique(sizes, axis=0, return_inverse=True)
        kinds, at = kinds.astype(np.int64).reshape(-1), boxes[:, :2]
    if not len(kinds):
        return Period((0, 0), (0, 0))
    found = [_step_along(axis, kinds, at) for axis in (0, 1)]
    if 0 in found and len(kinds) >= _OFTEN * len(np.unique(kinds)):
        found = [step or _step_along(axis, np.zeros_like(kinds), at) for axis, step in enumerate(found)]
    if not len(items):
        return Period((int(at[:, 0].min()), int(at[:, 1].min())), (found[0], found[1]))
    corner = [_between_large(items.box[:, axis], items.box[:, axis + 2], found[axis]) for axis in (0, 1)]
    return Period((corner[0], corner[1]), (found[0], found[1]))


def _between_large(low: Ints, high: Ints, step: int) -> int:
    """Where a period begins: amid what the largest items leave free, if they leave anything; else where the first one
    does."""
    first = int(low.min())
    large = (high - low > step // 2) & (high - low <= step)
    if not large.any():
        return first
    begin = (low[large] - first + step // 2) % step - step // 2
    end = begin + (high - low)[large]
    free = step - int(end.max() - begin.min())
    return first + int(begin.min()) - max(0, free) // 2


def _step_along(axis: int, kinds: Ints, at: Ints) -> int:
    """The step along one axis, 0 if nothing repeats."""
    other = at[:, 1 - axis]
    order = np.lexsort((at[:, axis], other, kinds))
    k, u, v = kinds[order], at[order, axis], other[order]
    beside = (k[1:] == k[:-1]) & (v[1:] == v[:-1]) & (u[1:] > u[:-1])
    if not beside.any():
        return 0
    gaps, owners = (u[1:] - u[:-1])[beside], k[1:][beside]
    candidates: Counter[int] = Counter()
    numbers, counts = np.unique(owners, return_counts=True)
    for number in numbers[np.argsort(counts, kind="stable")][: 4 * _CANDIDATES].tolist():
        steps, times = np.unique(gaps[owners == number], return_counts=True)
        for step in steps[np.argsort(-times, kind="stable")][:3].tolist():
            candidates[step] += 1
        candidates[int(steps.sum())] += 1
    candidates.update(_between_all(u, k, v))
    rows = np.cumsum(np.concatenate([[False], (k[1:] != k[:-1]) | (v[1:] != v[:-1])]))
    ends = u[np.flatnonzero(np.append(rows[1:] != rows[:-1], True))][rows]  # no step leads beyond the end of a row
    places = np.sort(_keys(k, u, v))
    picked = np.random.default_rng(0).permutation(len(k))[:_SAMPLE]  # every n-th would meet the same place of each die
    scores = {}
    for step, _ in sorted(candidates.items(), key=lambda c: (-c[1], c[0]))[: _CANDIDATES * 4]:
        inside = u[picked] + step <= ends[picked]
        wanted = _keys(k[picked], u[picked] + step, v[picked])[inside]
        again = places[np.minimum(np.searchsorted(places, wanted), len(places) - 1)] == wanted
        if again.sum() >= max(1, _MET * len(picked)):
            scores[step] = float(again.mean())
    best = max(scores.values(), default=0.0)
    return min((s for s, score in scores.items() if score >= _AS_GOOD * best), default=0) if best >= _ALIKE else 0


def _between_all(u: Ints, kinds: Ints, v: Ints) -> list[int]:
    """The most frequent distances between any two items of the longest rows: dies hold rows of their own."""
    starts = np.flatnonzero(np.concatenate([[True], (kinds[1:] != kinds[:-1]) | (v[1:] != v[:-1])]))
    lengths = np.diff(np.append(starts, len(u)))
    out: list[int] = []
    for row in np.argsort(-lengths, kind="stable")[:_LONGEST].tolist():
        places = u[starts[row] :][: min(_ROW, lengths[row])]
        steps, times = np.unique(
            (places[None, :] - places[:, None])[np.triu_indices(len(places), 1)], return_counts=True
        )
        out += steps[np.argsort(-times, kind="stable")][: 2 * _CANDIDATES].tolist()
    return [step for step in out if step > 0]


def _keys(kinds: Ints, u: Ints, v: Ints) -> Ints:
    """Numbers that are equal for equal items at equal places; others may share one, which only costs time."""
    return (kinds * 0x9E3779B1 + u) * 0x85EBCA6B + v
