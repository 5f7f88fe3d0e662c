"""What earlier runs have found in the windows of a view, and what this one adds."""

from __future__ import annotations

from collections.abc import Iterable

import klayout.db as kdb
import numpy as np

from layoutgen.drc.cache import Cache, Table
from layoutgen.findings import Finding, moved_by
from layoutgen.windows import InPlace, Sheet, View
from layoutgen.windows.arrays import Ints


class Earlier:
    """What earlier runs have found of a rule in the windows of a view."""

    def __init__(self, cache: Cache | None, key: str, rule: str, view: View, lattice: int) -> None:
        self.found: list[tuple[int, Finding]] = []
        self.unknown: Ints | None = None
        """Numbers of the windows that nobody has looked at; None: of all."""
        self._cache, self._key, self._view = cache, key, view
        self._names = view.names(lattice) if cache is not None else []
        if cache is not None and self._names:
            self._recall(cache.table(key, rule))

    def _recall(self, table: Table) -> None:
        unknown = []
        for window, name in enumerate(self._names):
            said = table.get(name)
            if said is None:
                unknown.append(window)
            for f in said or ():
                self.found.append((window, moved_by(f, self._view.cores[window, :2])))
        self.unknown = np.array(unknown, dtype=np.int64)

    def keep_one(self, sheet: Sheet | InPlace, region: kdb.Region) -> None:
        """Remember of one window of a sheet that something is there."""
        corner = next(iter(region.each())).bbox().p1
        found = Finding("", polygon=((corner.x, corner.y),))
        if isinstance(sheet, Sheet) and self._cache is not None and self._names:
            slot = int(sheet.slots(np.array([[corner.x, corner.y]]))[0])
            window = int(sheet.windows[slot])
            self._cache.put(self._key, self._names[window], [found])

    def keep(self, sheet: Sheet | InPlace, found: Iterable[tuple[int, Finding]]) -> None:
        """Remember what was found in the windows of a sheet, and in which nothing was."""
        if self._cache is None or not self._names:
            return
        of: dict[int, list[Finding]] = {window: [] for window in sheet.windows.tolist()}
        for window, f in found:
            of[window].append(moved_by(f, -self._view.cores[window, :2]))
        for window, mine in of.items():
            self._cache.put(self._key, self._names[window], mine)
