"""Where openings of a pattern stand, as arrays of whole database units: the same on every machine.

Random numbers are SplitMix64 of a seed and a counter (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014): whole numbers throughout, so no library's version changes a drawing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from layoutgen.units import IntPoints

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]
NEIGHBOURS = sorted(
    ((i, j) for i in range(-2, 3) for j in range(-2, 3) if (i, j) != (0, 0)), key=lambda c: c[0] ** 2 + c[1] ** 2
)
"""Cells in which a point may be nearer than the distance, where a cell's diagonal is that distance; near ones first."""
NOWHERE = -(2**30)
ROUNDS = 8
"""After so many tries in each cell that is still empty, few of them could hold another point."""


@dataclass(frozen=True)
class Lattice:
    """Points at `origin` + (column, row) * `step`, in database units."""

    origin: tuple[int, int]
    step: tuple[int, int]


@dataclass(frozen=True)
class Sites:
    """Centres of openings. `at`: (n, 2) in database units.

    lattices: what they are points of, none where they are of none; `lattice` says of which, `index` its column and row.
    angle: by how much each opening is turned, in radians; empty: none is.
    """

    at: IntPoints
    lattices: tuple[Lattice, ...] = ()
    lattice: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    index: IntPoints = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))
    angle: Floats = field(default_factory=lambda: np.empty(0))

    def __len__(self) -> int:
        return len(self.at)

    def take(self, chosen: npt.NDArray[np.bool_] | Ints) -> Sites:
        """Some of them."""
        lattice, index = (self.lattice[chosen], self.index[chosen]) if self.lattices else (self.lattice, self.index)
        return Sites(
            self.at[chosen], self.lattices, lattice, index, self.angle[chosen] if len(self.angle) else self.angle
        )


def chance(seed: int, count: int, stream: int = 0) -> npt.NDArray[np.uint64]:
    """So many random whole numbers of 64 bits; another stream gives others."""
    counter = np.arange(1, count + 1, dtype=np.uint64)
    start = np.uint64((seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) % 2**64)
    z = start + counter * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed


def shares(seed: int, count: int, stream: int = 0) -> Floats:
    """So many random numbers from 0 to below 1, multiples of 2^-53."""
    return (chance(seed, count, stream) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _halves(draw: npt.NDArray[np.uint64]) -> Iterator[npt.NDArray[np.uint32]]:
    yield (draw & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    yield (draw >> np.uint64(32)).astype(np.uint32)


def grid(box: Box, step: tuple[int, int], *, staggered: bool = False) -> Sites:
    """A lattice centred in a box; `staggered`: each second row stands half a step further."""
    x0, y0, x1, y1 = box
    columns, rows = max(0, (x1 - x0) // step[0]) + 1, max(0, (y1 - y0) // step[1]) + 1
    half = step[0] // 2 if staggered else 0
    left = (x0 + x1 - (columns - 1) * step[0] - half) // 2
    low = (y0 + y1 - (rows - 1) * step[1]) // 2
    if not staggered:
        return _of([Lattice((left, low), step)], [(columns, rows)])
    even, odd = (
        Lattice((left, low), (step[0], 2 * step[1])),
        Lattice((left + half, low + step[1]), (step[0], 2 * step[1])),
    )
    return _of([even, odd], [(columns, (rows + 1) // 2), (columns, rows // 2)])


def _of(lattices: list[Lattice], counts: list[tuple[int, int]]) -> Sites:
    at, which, index = [], [], []
    for number, (lattice, (columns, rows)) in enumerate(zip(lattices, counts, strict=True)):
        places = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2).astype(np.int64)
        at.append(places * np.array(lattice.step) + np.array(lattice.origin))
        which.append(np.full(len(places), number, dtype=np.int64))
        index.append(places)
    return Sites(np.concatenate(at), tuple(lattices), np.concatenate(which), np.concatenate(index))


def radial(box: Box, centre: tuple[int, int], step: tuple[int, int], half: int) -> Sites:
    """Rings around a centre, `step[1]` apart; on each as many as stand `step[0]` apart, `half` nearer to the centre.

    Each is turned so that its x axis points away from the centre.
    """
    far = max(math.dist(centre, (x, y)) for x in (box[0], box[2]) for y in (box[1], box[3]))
    at, angles = [], []
    for ring in range(1, int(far // step[1]) + 1):
        radius = ring * step[1]
        if 2 * (radius - half) < step[0]:
            continue
        count = int(math.pi / math.asin(step[0] / 2 / (radius - half)))  # by the chord, not the arc
        if count < 3:
            continue
        angle = (np.arange(count) + (ring % 2) / 2) * (2 * math.pi / count)
        at.append(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))
        angles.append(angle)
    if not at:
        return Sites(np.empty((0, 2), dtype=np.int64))
    points = (np.rint(np.concatenate(at)) + np.array(centre)).astype(np.int64)
    inside = (points >= box[:2]).all(axis=1) & (points <= box[2:]).all(axis=1)
    return Sites(points[inside], angle=np.concatenate(angles)[inside])


def random(box: Box, distance: int, seed: int) -> Sites:
    """Random places of which no two are nearer than `distance`, about as many as there is room for.

    Tries a place in every cell of a grid whose cells hold one place at most, keeps those that are far enough from the
    ones kept before and from tries of higher rank, and goes on in the empty cells (after Bridson, "Fast Poisson disk
    sampling in arbitrary dimensions", SIGGRAPH 2007; all cells at once instead of one after the other).
    """
    edge = max(1, math.isqrt(distance * distance // 2))
    columns, rows = (max(1, -(-(box[i + 2] - box[i] + 1) // edge)) for i in (0, 1))
    wide = columns + 4  # two cells of margin all around
    count = wide * (rows + 4)
    kept, tried = (np.full((2, count), NOWHERE, dtype=np.int32) for _ in range(2))  # from the box's corner
    rank = np.zeros(count, dtype=np.uint64)
    empty = ((np.arange(rows)[:, None] + 2) * wide + np.arange(columns)[None, :] + 2).ravel()
    across, up = box[2] - box[0], box[3] - box[1]
    for turn in range(ROUNDS):
        draw, order = chance(seed, len(empty), 2 * turn + 1), chance(seed, len(empty), 2 * turn + 2)
        u, v = ((half % np.uint32(edge)).astype(np.int32) for half in _halves(draw))
        x, y = u + (empty % wide - 2) * edge, v + (empty // wide - 2) * edge
        inside = (x <= across) & (y <= up)
        some = _Tries(empty[inside], x[inside].astype(np.int32), y[inside].astype(np.int32))
        ranks = order[inside]
        for i, j in NEIGHBOURS if turn else ():
            good = some.apart(kept, j * wide + i, distance)
            some, ranks = some.take(good), ranks[good]
        tried[:, some.cell] = some.x, some.y
        rank[some.cell] = ranks
        best = some
        for i, j in NEIGHBOURS:
            good = best.apart(tried, j * wide + i, distance) | (ranks > rank[best.cell + (j * wide + i)])
            best, ranks = best.take(good), ranks[good]
        tried[:, some.cell] = NOWHERE
        rank[some.cell] = 0
        kept[:, best.cell] = best.x, best.y
        empty = empty[kept[0, empty] == NOWHERE]
    found = kept[:, kept[0] != NOWHERE].T.astype(np.int64)
    return Sites(found + np.array(box[:2]))


@dataclass(frozen=True)
class _Tries:
    """Places that are tried, each with the cell it stands in."""

    cell: Ints
    x: npt.NDArray[np.int32]
    y: npt.NDArray[np.int32]

    def take(self, chosen: Bools) -> _Tries:
        return _Tries(self.cell[chosen], self.x[chosen], self.y[chosen])

    def apart(self, table: npt.NDArray[np.int32], by: int, distance: int) -> Bools:
        """Which are no nearer than the distance to what stands in the cell so many further; NOWHERE is far away."""
        other = self.cell + by
        dx = (table[0, other] - self.x).astype(np.float64)
        dy = (table[1, other] - self.y).astype(np.float64)
        far: Bools = dx * dx + dy * dy >= distance * distance  # exact: below 2^53 where it matters
        return far
