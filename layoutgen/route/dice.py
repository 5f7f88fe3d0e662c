"""Repeatable chance: a small generator whose numbers are the same on every machine and in every version of Python."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import Any, TypeVar

_T = TypeVar("_T")
_MASK = (1 << 64) - 1


class Dice:
    """SplitMix64 (Steele, Lea, Flood 2014)."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def bits(self) -> int:
        """The next 64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def uniform(self, low: float, high: float) -> float:
        """A number from [low, high)."""
        return low + (high - low) * ((self.bits() >> 11) / (1 << 53))

    def choice(self, items: Sequence[_T]) -> _T:
        """One of the items."""
        return items[self.bits() % len(items)]

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """Reorder in place (Fisher-Yates)."""
        for i in range(len(items) - 1, 0, -1):
            j = self.bits() % (i + 1)
            items[i], items[j] = items[j], items[i]

    def sample(self, items: Sequence[_T], count: int) -> list[_T]:
        """`count` of the items, in random order."""
        pool = list(items)
        self.shuffle(pool)
        return pool[:count]
