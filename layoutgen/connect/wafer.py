"""A wafer as checks of its nets look at it, and findings of theirs that hold in many dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layoutgen.connect.joined import Joined, Known, join
from layoutgen.connect.pieces import Pieces
from layoutgen.connect.rules import NETS
from layoutgen.connect.sheets import NONE, Bools, Ints, Sheet
from layoutgen.connect.stack import Stack
from layoutgen.connect.terminals import Dies, Terminals
from layoutgen.findings import Finding, Hull
from layoutgen.pdk import Pdk


@dataclass
class Wafer:
    """What all checks look at."""

    pdk: Pdk
    stack: Stack
    pieces: Pieces
    sheets: dict[str, Sheet]
    dies: Dies
    terminals: Terminals
    known: Known

    def joined(self, metal: Mapping[str, Sheet]) -> Joined:
        return join(self.pieces, {**self.sheets, **metal}, self.known, self.stack.links)

    def role(self, name: str) -> int:
        """The number of the layer that plays a role; -1: none does, or nothing is on it."""
        layer = self.pdk.roles.get(name, "")
        return self.pieces.names.index(layer) if layer in self.pieces.names else NONE

    def on(self, sheet: Sheet, role: str) -> Bools:
        """Which instances of a sheet are of a role's layer."""
        number = self.role(role)
        found: Bools = (sheet.layer == number) & (number >= 0)
        return found


# findings -------------------------------------------------------------------------------------------------------


def alike(
    wafer: Wafer, which: Ints, note: Callable[[int], str], rule: str = NETS
) -> Iterator[Finding]:  # fmt: skip
    """One finding for each terminal, by name, that is wrong in some dies."""
    t = wafer.terminals
    if not len(which):
        return
    order = which[np.argsort(t.name[which], kind="stable")]
    _, start = np.unique(t.name[order], return_index=True)
    for some in np.split(order, start[1:]):
        first = int(some[0])
        finding = Finding(rule, polygon=square(t.at[first]), note=note(first) + in_words(wafer, t.die[some]))
        yield moved_to(finding, t.at[some] - t.at[first])


def pieces_found(
    wafer: Wafer, sheet: Sheet, instance: Ints, piece: Ints, rule: str, note: str
) -> Iterator[Finding]:  # fmt: skip
    """One finding for each piece, at all its places."""
    order = np.argsort(piece, kind="stable")
    instance, piece = instance[order], piece[order]
    distinct, start = np.unique(piece, return_index=True)
    groups = np.split(instance, start[1:]) if len(distinct) else []
    for k, some in zip(distinct.tolist(), groups, strict=True):
        x, y = sheet.at[some[0]].tolist()
        hull: Hull = tuple((p.x, p.y) for p in wafer.pieces.kinds.polygons[k].moved(x, y).each_point_hull())
        yield moved_to(Finding(rule, polygon=hull, note=note), sheet.at[some] - sheet.at[some[0]])


def square(at: Ints) -> Hull:
    """A marker of 10 um around a point."""
    x, y = at.tolist()
    return (x - 5000, y - 5000), (x + 5000, y - 5000), (x + 5000, y + 5000), (x - 5000, y + 5000)


def repeated(wafer: Wafer, finding: Finding, dies: Ints) -> Finding:
    """The finding in all of these dies; it stands in the first."""
    return moved_to(finding, wafer.dies.boxes[dies, :2] - wafer.dies.boxes[dies[0], :2])


def moved_to(finding: Finding, steps: Ints) -> Finding:
    """The finding at all places; the first step is none."""
    return replace(finding, repeats=tuple((x, y) for x, y in steps[1:].tolist()))


def in_words(wafer: Wafer, dies: Ints) -> str:
    """Which dies, in words."""
    if len(wafer.dies.names) < 2:
        return ""
    some = np.unique(dies).tolist()
    return " in every die" if len(some) == len(wafer.dies.names) else f" in die {dies_in_words(wafer.dies.names, some)}"


def dies_in_words(names: Sequence[str], dies: Sequence[int]) -> str:
    """The names of some dies, by number, the first five of them."""
    more = f" and {len(dies) - 5} more" if len(dies) > 5 else ""
    return f"{', '.join(names[k] for k in dies[:5])}{more}"
