"""Sheets, what a layer or level is made of, and clouds of points: both as arrays over all places of a wafer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from layoutgen.connect.near import Run

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
NONE = -1


@dataclass(frozen=True, eq=False)
class Sheet:
    """A level or layer as n instances: the kind of each, (n, 2) where it stands, and the layer that it was drawn on.

    of: the sheet that this is what is left of, instance by instance. starts: first instances of the runs that are
    looked at as one, such as those of one kind.
    """

    kind: Ints
    at: Ints
    layer: Ints
    of: Sheet | None = None
    starts: tuple[int, ...] = (0,)

    def __len__(self) -> int:
        return len(self.kind)

    def runs(self) -> Iterator[slice]:
        """The instances of each run."""
        for start, stop in zip(self.starts, (*self.starts[1:], len(self.kind)), strict=True):
            if start < stop:
                yield slice(start, stop)

    def taken(self, which: Bools) -> Sheet:
        """Some of its instances."""
        before = np.concatenate([[0], np.cumsum(which)])
        return Sheet(self.kind[which], self.at[which], self.layer[which], starts=tuple(before[[*self.starts]].tolist()))


def merged_sheets(sheets: Sequence[Sheet]) -> Sheet:
    """Several as one."""
    kind, at, layer = (np.concatenate([getattr(s, key) for s in sheets]) for key in ("kind", "at", "layer"))
    before = np.cumsum([0, *(len(s) for s in sheets)]).tolist()
    starts = [first + start for first, s in zip(before, sheets, strict=False) for start in s.starts]
    return Sheet(kind, at, layer, starts=tuple(starts) or (0,))


@dataclass(frozen=True)
class Nodes:
    """The pieces of a sheet's instances, one after the other: instance and piece of each."""

    instance: Ints
    piece: Ints


class Cloud:
    """Points in groups, as the terminals of dies; groups in which they stand alike are looked at once."""

    def __init__(self, group: Ints, at: Ints) -> None:
        """group: of each of (n, 2) points, in order."""
        self.at = at
        fresh = np.flatnonzero(np.diff(group, prepend=-2))
        self.start = fresh
        """The first point of each group."""
        ends = np.append(fresh[1:], len(group))[: len(fresh)]
        self.origin = at[fresh]
        self.extents: Ints = np.empty((len(fresh), 4), dtype=np.int64)
        """(n, 4) of the groups."""
        if len(fresh):
            parts = [pick.reduceat(at, fresh, axis=0) for pick in (np.minimum, np.maximum)]
            self.extents = np.concatenate(parts, axis=1)
        self.size = ends - fresh
        """How many points each group has."""
        self.key = at.tobytes()
        """Clouds with the same are alike."""
        seen = at - np.repeat(self.origin, self.size, axis=0)
        numbers: dict[bytes, int] = {}
        self._seen: list[Ints] = []
        like = []
        for first, end in zip(fresh.tolist(), ends.tolist(), strict=True):
            key = seen[first:end].tobytes()
            if key not in numbers:
                numbers[key] = len(self._seen)
                self._seen.append(seen[first:end])
            like.append(numbers[key])
        self.like = np.array(like, dtype=np.int64)
        """Of each group, the number of how its points stand."""

    @cached_property
    def run(self) -> Run:
        """Where the groups are."""
        return Run(self.origin, self.extents - np.tile(self.origin, 2))

    def points(self, groups: Ints) -> tuple[Ints, Ints]:
        """All points of some groups, and the position in `groups` that each is of."""
        size = self.size[groups]
        of = np.repeat(np.arange(len(groups)), size)
        return np.arange(len(of)) - np.repeat(np.cumsum(size) - size, size) + self.start[groups][of], of

    def seen(self, like: int) -> Ints:
        """(n, 2) points of a group from its first."""
        return self._seen[like]
