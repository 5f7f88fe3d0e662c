"""What conducts through a process's stack: its levels from the chip's pads to the balls, and which are joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import klayout.db as kdb

from layoutgen import derive
from layoutgen.pdk import Opening, Pdk
from layoutgen.units import Um

METAL = "metal"
METAL_2 = "metal_2"
VIA_2 = "via_2"


@dataclass(frozen=True)
class Via:
    """A level of openings: the levels that it leads down to and up to, one of either at least."""

    name: str
    below: tuple[str, ...]
    above: tuple[str, ...]


@dataclass(frozen=True)
class Stack:
    """The levels of a process, by name, lowest first.

    levels: an expression of each. pad and ball: names of those below and above the metal, from the chip's outwards.
    metals and vias: those of metal, the one that pads stand on first, and those of openings between them.
    top: the metal that balls stand on. links: pairs of levels, joined where they overlap.
    """

    pdk: Pdk
    levels: Mapping[str, str]
    pad: tuple[str, ...]
    ball: tuple[str, ...]
    metals: tuple[str, ...]
    vias: tuple[Via, ...]
    top: str
    links: tuple[tuple[str, str], ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """The drawn layers that all levels are made of."""
        return self.drawn(*self.levels.values())

    def drawn(self, *expressions: str) -> tuple[str, ...]:
        """The drawn layers that expressions are made of."""
        found = [s for text in expressions for name in derive.names(text) for s in self.pdk.sources(name)]
        return tuple(dict.fromkeys(found))

    def level_of(self, layer: str) -> int:
        """The number of the first metal that is made of a drawn layer; -1: none is."""
        return next((k for k, name in enumerate(self.metals) if layer in self.drawn(self.levels[name])), -1)

    def apart(self, levels: Sequence[str]) -> tuple[str, ...]:
        """Of some levels, those that are not made of drawn layers that one before them is made of: what grows out of
        another stands where that one does."""
        seen: set[str] = set()
        out = []
        for level in levels:
            own = set(self.drawn(self.levels[level]))
            if not own <= seen:
                out.append(level)
            seen |= own
        return tuple(out)

    @property
    def reach(self) -> Um:
        """How far drawn shapes can lie that decide what a level is at a point."""
        found = [derive.reach(text, self.pdk.number) for text in self.levels.values()]
        found += [self.pdk.reach(name) for text in self.levels.values() for name in derive.names(text)]
        return sum(sorted(found)[-2:])

    def of(self, table: Callable[[str], kdb.Region], expression: str) -> kdb.Region:
        """The merged region of an expression; `table` gives those of the drawn layers."""
        return self.pdk.evaluate(expression, table)


def stack(pdk: Pdk) -> Stack:
    """The levels of a process's `[connect]` table."""
    table = pdk.connect
    metals, vias, top = {METAL: table.metal, **table.metals}, dict(table.vias), table.top or METAL
    if table.metal_2:
        metals[METAL_2] = table.metal_2
        vias[VIA_2] = Opening(opening=table.via_2, below=(METAL,), above=(METAL_2,))
        top = METAL_2
    pad, ball = (tuple(f"pad: {name}" for name in table.pad), tuple(f"ball: {name}" for name in table.ball))
    openings = {name: via.opening for name, via in vias.items()}
    named = zip((*pad, *ball), (*table.pad, *table.ball), strict=True)
    levels = dict(named) | metals | openings
    chain = (*pad, METAL, *openings, *(name for name in metals if name != METAL), *ball)
    links = [*pairwise((*pad, METAL)), *pairwise((top, *ball))]
    for name, via in vias.items():
        links += [*((below, name) for below in via.below), *((name, above) for above in via.above)]
    return Stack(
        pdk, {name: levels[name] for name in chain}, pad, ball, tuple(metals),
        tuple(Via(name, via.below, via.above) for name, via in vias.items()), top, tuple(dict.fromkeys(links)),
    )  # fmt: skip
