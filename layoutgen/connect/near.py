"""Which of many places lie near which others.

A run is n places with an extent around each. Where all of a run have the same extent, only their steps from those of
another such run count: these are found once for any two sets of places, such as those of the dies of a wafer, and hold
for whatever stands there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.windows.arrays import distinct_rows

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Run:
    """(n, 2) places, and (n, 4) the extent of what stands at each, seen from there."""

    at: Ints
    around: Ints

    @cached_property
    def alike(self) -> bool:
        """Whether all have the same extent."""
        return bool((self.around == self.around[0]).all())

    @cached_property
    def extents(self) -> Ints:
        """(n, 4) where they lie."""
        out: Ints = self.around + np.tile(self.at, 2)
        return out

    @cached_property
    def tree(self) -> shapely.STRtree:
        """They by where they lie."""
        return shapely.STRtree(diagonals(self.extents))


@dataclass(frozen=True, eq=False)
class Pairs:
    """Places of one run and of another whose extents touch: their numbers, and of each pair that of its step.

    steps: (n, 2) from the one to the other; None: nobody has looked at which are the same.
    """

    first: Ints
    second: Ints
    step: Ints
    steps: Ints | None = None

    def turned(self) -> Pairs:
        """The same seen from the other run."""
        return Pairs(self.second, self.first, self.step, None if self.steps is None else -self.steps)

    def some(self, keep: npt.NDArray[np.bool_]) -> Pairs:
        """Some of them."""
        return replace(self, first=self.first[keep], second=self.second[keep], step=self.step[keep])


class _Places:
    """Places that several runs have in common."""

    def __init__(self, at: Ints) -> None:
        self.at = at
        self.tree = shapely.STRtree(np.asarray(shapely.points(at.astype(float))))

    def within(self, boxes: Ints) -> tuple[Ints, Ints]:
        """Numbers of (n, 4) boxes and of the places in or on them."""
        box, place = self.tree.query(diagonals(boxes))
        return box, place


class Near:
    """Searches runs, and knows what it has found."""

    def __init__(self) -> None:
        self._places: dict[bytes, _Places] = {}
        self._steps: dict[tuple[_Places, _Places], tuple[Ints, Pairs]] = {}

    def pairs(self, a: Run, b: Run) -> Pairs:
        """Places of two runs, one at least each, whose extents touch."""
        if b.alike and a.alike:
            return self._by_steps(a, b)
        if b.alike:
            low, high = b.around[0, :2], b.around[0, 2:]
            return _unseen(*self._at(b).within(a.extents + np.concatenate([-high, -low])))
        if a.alike:
            return self.pairs(b, a).turned()
        return _unseen(*b.tree.query(a.tree.geometries))

    def _at(self, run: Run) -> _Places:
        key = run.at.tobytes()
        if key not in self._places:
            self._places[key] = _Places(run.at)
        return self._places[key]

    def _by_steps(self, a: Run, b: Run) -> Pairs:
        window = np.concatenate([a.around[0, :2] - b.around[0, 2:], a.around[0, 2:] - b.around[0, :2]])
        if (window[:2] > window[2:]).any():  # one of both is empty
            return _unseen(*(np.empty(0, dtype=np.int64),) * 2)
        one, other = self._at(a), self._at(b)
        known, found = self._steps.get((one, other), (window, None))
        if found is None or (window[:2] < known[:2]).any() or (window[2:] > known[2:]).any():
            more = (window[2:] - window[:2]) // 4  # those that ask later often ask for a little more
            known = np.concatenate([np.minimum(window[:2] - more, known[:2]), np.maximum(window[2:] + more, known[2:])])
            first, second = other.within(np.tile(one.at, 2) + known)
            steps = other.at[second] - one.at[first]
            distinct, step = distinct_rows(steps)
            found = Pairs(first, second, step, steps[distinct])
            self._steps[one, other] = known, found
        assert found.steps is not None  # noqa: S101  set above
        keep = np.asarray((found.steps >= window[:2]).all(axis=1) & (found.steps <= window[2:]).all(axis=1))
        return found if keep.all() else found.some(keep[found.step])


def diagonals(boxes: Ints) -> npt.NDArray[np.object_]:
    """Lines whose extents boxes are, which is what trees compare: made in half of the time that boxes take."""
    return np.asarray(shapely.linestrings(boxes.reshape(-1, 2, 2).astype(float)))


def _unseen(first: Ints, second: Ints) -> Pairs:
    return Pairs(first, second, np.zeros(len(first), dtype=np.int64))
