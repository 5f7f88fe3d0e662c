"""What conducts through a process's stack: its levels from the chip's pads to the balls, each joined with the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import klayout.db as kdb

from layoutgen import derive
from layoutgen.pdk import Pdk
from layoutgen.units import Um

METAL = "metal"
METAL_2 = "metal_2"
VIA_2 = "via_2"


@dataclass(frozen=True)
class Stack:
    """The levels of a process, lowest first, by name: each joins what it overlaps of the next.

    levels: an expression of each. pad and ball: names of those below and above the metal, from the chip's outwards.
    top: the metal that balls stand on.
    """

    pdk: Pdk
    levels: Mapping[str, str]
    pad: tuple[str, ...]
    ball: tuple[str, ...]
    top: str

    @property
    def sources(self) -> tuple[str, ...]:
        """The drawn layers that all levels are made of."""
        return self.drawn(*self.levels.values())

    def drawn(self, *expressions: str) -> tuple[str, ...]:
        """The drawn layers that expressions are made of."""
        found = [s for text in expressions for name in derive.names(text) for s in self.pdk.sources(name)]
        return tuple(dict.fromkeys(found))

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
    levels = {f"pad: {name}": name for name in table.pad}
    levels[METAL] = table.metal
    if table.metal_2:
        levels |= {VIA_2: table.via_2, METAL_2: table.metal_2}
    levels |= {f"ball: {name}": name for name in table.ball}
    return Stack(
        pdk, levels, tuple(f"pad: {name}" for name in table.pad), tuple(f"ball: {name}" for name in table.ball),
        METAL_2 if table.metal_2 else METAL,
    )  # fmt: skip
