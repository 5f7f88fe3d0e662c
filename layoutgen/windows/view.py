"""What must be looked at to know all: one window of each kind, and where its like stand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import klayout.db as kdb
import numpy as np

from layoutgen.windows.arrays import Ints
from layoutgen.windows.grid import CORE_HALOS, Grid, Period, find_period, lay
from layoutgen.windows.signature import Seen, signatures
from layoutgen.windows.source import NAME, Source

FEW = 4
"""Windows that fewer others are like are looked at more finely, in this many parts along x and y."""
MANY = 64
"""So many of them may be worth it."""
FULL = 2000
"""Corners in a window from which on it pays, on average."""
FINE, MANY_FINE = 100_000, 50_000
"""Database units: so many shapes that repeat at smaller steps are a pattern, and take longer to compare than to look
at."""
DENSE = 400_000
"""Corners in the windows to look at from which on they are looked at where they stand."""
Needs: TypeAlias = tuple[frozenset[str], ...]


@dataclass(frozen=True)
class Level:
    """Windows of one grid.

    seen: by layer, the signature of each window. chosen: numbers of those to look at. like: of each, (n,) all that are
    like it.
    """

    grid: Grid
    seen: Mapping[str, Ints]
    chosen: Ints
    like: list[Ints]
    in_place: bool = False
    """Whether they are best looked at where they stand: hardly any is like another."""
    names: Mapping[str, list[bytes]] = field(default_factory=dict)
    """By layer, of each signature from 1 on what any run would call it; none where that was not asked for."""


@dataclass(frozen=True)
class View:
    """The windows to look at, of all levels one after the other: (n, 4) their cores, and how far they look around."""

    layers: tuple[str, ...]
    levels: list[Level]
    cores: Ints
    halo: int

    def owner(self, points: Ints) -> Ints:
        """The window to look at whose core holds each of (n, 2) points; -1: what is there is known from another one."""
        out, start = np.full(len(points), -1), 0
        for level in self.levels:
            window = level.grid.find(points)
            k = np.searchsorted(level.chosen, window)
            k[k == len(level.chosen)] = 0
            mine = (window >= 0) & (level.chosen[k] == window) if len(level.chosen) else np.zeros(len(points), bool)
            out[mine] = start + k[mine]
            start += len(level.chosen)
        return out

    def places(self, window: int) -> Ints:
        """(n, 2) by how much to move a window to where its like stand, itself first."""
        for level in self.levels:
            if window < len(level.chosen):
                own = level.grid.corners(level.chosen[window : window + 1])
                like = level.grid.corners(level.like[window]) - own
                return like[np.argsort((like != 0).any(axis=1), kind="stable")]
            window -= len(level.chosen)
        raise IndexError(window)

    def touched(self, box: kdb.Box) -> Ints:
        """The windows to look at whose cores a box touches."""
        c = self.cores
        meet = (c[:, 0] <= box.right) & (box.left <= c[:, 2]) & (c[:, 1] <= box.top) & (box.bottom <= c[:, 3])
        return np.flatnonzero(meet)

    def in_place(self) -> tuple[Ints, Ints]:
        """Numbers of the windows that are laid out on sheets, and of those that are looked at where they stand."""
        there = np.concatenate([np.full(len(level.chosen), level.in_place) for level in self.levels])
        return np.flatnonzero(~there), np.flatnonzero(there)

    def signature(self, layer: str) -> Ints:
        """What each window sees of a layer, by number; 0: nothing."""
        parts, start = [], 0
        for level in self.levels:
            seen = level.seen[layer]
            parts.append(np.where(seen, seen + start, 0)[level.chosen])
            start += int(seen.max(initial=0))
        return np.concatenate(parts)

    def names(self, lattice: int = 0) -> list[str]:
        """What each window sees on all layers, and of the grid with step `lattice` that it is tied to, by a name that
        is the same in every run; none where windows have not been compared, or names were not asked for."""
        sizes = self.cores[:, 2:] - self.cores[:, :2]
        phases = self.cores[:, :2] % lattice if lattice else np.zeros_like(sizes)
        own = np.concatenate([sizes, phases, np.full((len(sizes), 1), self.halo)], axis=1)
        out: list[str] = []
        for level in self.levels:
            if not level.names and len(level.chosen):
                return []
            seen = [(layer, level.seen[layer][level.chosen].tolist(), level.names[layer]) for layer in self.layers]
            for k in range(len(level.chosen)):
                said = hashlib.blake2b(own[len(out)].tobytes(), digest_size=NAME)
                for layer, numbers, names in seen:
                    if numbers[k]:
                        said.update(repr(layer).encode() + names[numbers[k] - 1])
                out.append(said.hexdigest())
        return out

    def sight(self, layer: str, window: int) -> tuple[int, int]:
        """What a window sees of a layer, by numbers that other views of the same layout with this halo share."""
        for level in self.levels:
            if window < len(level.chosen):
                return id(level.seen[layer]), int(level.seen[layer][level.chosen[window]])
            window -= len(level.chosen)
        raise IndexError(window)


class Views:
    """Views of one layout, made as they are asked for."""

    def __init__(self, source: Source, period: Period | None = None, *, named: bool = False) -> None:
        """named: whether windows are known by names, too, that are the same in every run."""
        self.source = source
        self._period = period
        self._named = named
        self._signatures: dict[tuple[str, int], Seen] = {}
        self._fine: dict[tuple[str, int, bytes], Seen] = {}
        self._grids: dict[int, Grid] = {}
        self._views: dict[tuple[frozenset[str], int, int, Needs], View] = {}

    @property
    def period(self) -> Period:
        """The step at which the layout repeats."""
        if self._period is None:
            self._period = Period((0, 0), (0, 0))
            for name in sorted(self.source.layers, key=self.source.count, reverse=True):
                layer = self.source.layer(name)
                if layer and (len(layer.items) or len(layer.boxes)):  # one of texts alone says nothing
                    found = find_period(layer.items, layer.boxes)
                    if max(found.step) > FINE or len(layer.items) + len(layer.boxes) < MANY_FINE:
                        self._period = found
                    break
        return self._period

    def view(self, layers: Iterable[str], halo: int, lattice: int = 0, needs: Needs = ()) -> View:
        """The windows to look at for what depends on some layers, up to `halo` away.

        lattice: step of a grid through (0, 0) that the answer is tied to as well; 0: none. needs: sets of layers; a
        window in which nothing is on any layer of one of them has nothing to say.
        """
        key = (frozenset(layers), halo, lattice, needs)
        if key not in self._views:
            self._views[key] = self._look(sorted(key[0]), halo, lattice, needs)
        return self._views[key]

    def is_dense(self, layers: Sequence[str]) -> bool:
        """Whether so much stands in each period that its windows may best be looked at where they stand."""
        box, (dx, dy) = self.source.bbox, self.period.step
        periods = max(1.0, box.width() / dx if dx else 1.0) * max(1.0, box.height() / dy if dy else 1.0)
        return self.period.step == (0, 0) or self.source.corners(layers) > DENSE / 2 * periods

    def core(self, halo: int) -> int:
        """The least length of a core where windows look as far as `halo`."""
        grid = self._grid(halo)
        return min(int(np.diff(grid.x).min()), int(np.diff(grid.y).min()))

    def _grid(self, halo: int) -> Grid:
        if halo not in self._grids:
            self._grids[halo] = lay(self.source.bbox, self.period, halo)
        return self._grids[halo]

    def _look(self, layers: Sequence[str], halo: int, lattice: int, needs: Needs) -> View:
        grid = self._grid(halo)
        if self.period.step == (0, 0) and not lattice:
            level = _unlike(grid, layers)
            return View(tuple(layers), [level], grid.cores(level.chosen), halo)
        for name in layers:
            if (name, halo) not in self._signatures:
                self._signatures[name, halo] = signatures(self.source.layer(name), grid, self._named)
        levels = [_level(grid, {name: self._signatures[name, halo] for name in layers}, lattice, needs)]
        few = [k for k, like in enumerate(levels[0].like) if len(like) < FEW]
        parts = min(FEW, self.core(halo) * 2 // max(1, CORE_HALOS * halo))
        if len(few) >= MANY:
            levels = _parted(levels[0], few)
            if parts > 1 and self.source.corners(layers) > FULL * sum(map(len, levels[0].like)):
                finer = grid.finer(np.concatenate(levels[1].like), parts)
                fine = _level(finer, self._finer(layers, halo, finer), lattice, needs)
                levels[1:] = _parted(fine, [k for k, like in enumerate(fine.like) if len(like) < FEW])
        if self._is_dense(layers, levels):
            levels = [replace(level, in_place=True) for level in levels]
        return View(tuple(layers), levels, np.concatenate([level.grid.cores(level.chosen) for level in levels]), halo)

    def _is_dense(self, layers: Sequence[str], levels: Sequence[Level]) -> bool:
        """Whether there is so much in the windows to look at that sheets of them would take longer than the windows."""
        chosen, all_of_them = (sum(len(x) for x in some) for some in (
            [level.chosen for level in levels], [like for level in levels for like in level.like]
        ))  # fmt: skip
        return self.source.corners(layers) * chosen > DENSE * max(1, all_of_them)

    def _finer(self, layers: Sequence[str], halo: int, finer: Grid) -> dict[str, Seen]:
        """Signatures on a finer grid, which views with the same windows to look at again share."""
        which = b"" if finer.only is None else finer.only.tobytes()
        out = {}
        for name in layers:
            key = (name, halo, which)
            if key not in self._fine:
                self._fine[key] = signatures(self.source.layer(name), finer, self._named)
            out[name] = self._fine[key]
        return out


def _unlike(grid: Grid, layers: Sequence[str]) -> Level:
    """All windows, each for itself, looked at where it stands."""
    windows = np.arange(grid.shape[0] * grid.shape[1])
    return Level(
        grid, dict.fromkeys(layers, windows + 1), windows, [windows[k : k + 1] for k in windows], in_place=True
    )


def _parted(level: Level, few: Sequence[int]) -> list[Level]:
    """The windows that many others are like, and the few ones, which are looked at where they stand."""
    out = []
    for chosen, in_place in ((sorted(set(range(len(level.like))) - set(few)), False), (few, True)):
        like = [level.like[k] for k in chosen]
        out.append(replace(level, chosen=level.chosen[chosen], like=like, in_place=in_place))
    return out


def _level(grid: Grid, of: Mapping[str, Seen], lattice: int, needs: Needs) -> Level:
    """Windows that see the same on every layer, of those that see what is needed."""
    seen = {name: each.numbers for name, each in of.items()}
    names = {name: each.names for name, each in of.items() if each.names or not each.numbers.any()}
    columns = list(seen.values())
    shown = np.any(columns, axis=0) if columns else np.zeros(grid.shape[0] * grid.shape[1], dtype=bool)
    for group in needs:
        shown &= np.any([np.zeros(len(shown)), *(seen[name] for name in group if name in seen)], axis=0)
    windows = np.flatnonzero(shown)
    rows = [column[windows] for column in columns]
    cores = grid.cores(windows)
    rows += [cores[:, 2] - cores[:, 0], cores[:, 3] - cores[:, 1]]  # borders at whole units: one may be a unit longer
    if lattice:
        rows += [cores[:, 0] % lattice, cores[:, 1] % lattice]
    order = np.lexsort(rows[::-1])
    sorted_rows = np.stack(rows)[:, order]
    new = np.flatnonzero((sorted_rows[:, 1:] != sorted_rows[:, :-1]).any(axis=0)) + 1
    like = [np.sort(group) for group in np.split(windows[order], new)] if len(windows) else []
    like.sort(key=lambda group: int(group[0]))
    chosen = np.array([group[0] for group in like], dtype=np.int64)
    return Level(grid, seen, chosen, like, names=names if len(names) == len(seen) else {})
