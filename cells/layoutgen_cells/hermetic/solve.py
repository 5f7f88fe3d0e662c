"""Find the size that has a value, by a formula that holds in a range only."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeAlias

from pydantic import Field

from layoutgen.errors import ParamError
from layoutgen.pdk import Pdk
from layoutgen.physics.passives import ValidityError
from layoutgen.units import Um

PicoFarad: TypeAlias = Annotated[float, Field(gt=0), "pF"]
NanoHenry: TypeAlias = Annotated[float, Field(gt=0), "nH"]
Resistance: TypeAlias = Annotated[float, Field(gt=0), "ohm"]
Ratio: TypeAlias = Annotated[float, Field(gt=0)]
"""A pure number above 0."""
_PROBES = 64


@contextmanager
def named(cell: str) -> Iterator[None]:
    """What a formula refuses is said of a cell.

    Raises:
        ParamError: in place of a ValidityError.
    """
    try:
        yield
    except ValidityError as e:
        raise ParamError(f"{cell}: {e}") from None


def snapped(length: Um, pdk: Pdk, steps: int = 1) -> Um:
    """The nearest length that is a whole number of `steps` of the grid (um)."""
    unit = pdk.grid * steps
    return round(round(length / unit) * unit, 6)


def size_for(asked: float, value: Callable[[Um], float], low: Um, high: Um) -> Um:
    """The size (um) between `low` and `high` at which a rising `value` is what is asked.

    Raises:
        OutOfReachError: the value is never that, where it holds.
        ValidityError: it holds nowhere.
    """
    from scipy.optimize import brentq

    low, high = _holds(value, low, high)
    if not value(low) <= asked <= value(high):
        raise OutOfReachError(value(low), value(high))
    return float(brentq(lambda size: value(size) - asked, low, high, xtol=1e-7, rtol=1e-12))


class OutOfReachError(ParamError):
    """No size has the value; the least and the most that there are."""

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most
        super().__init__(f"from {rounded_up(least)} to {rounded_down(most)}")


def out_of_reach(cell: str, name: str, asked: float, unit: str, found: OutOfReachError, mend: str) -> ParamError:
    """The error of a cell whose value cannot be drawn, with the nearest that can."""
    nearest = f"at least {rounded_up(found.least)}" if asked < found.least else f"at most {rounded_down(found.most)}"
    return ParamError(f"{cell}: {name}={asked:g} {unit} cannot be drawn: {nearest} {unit} here; {mend}")


def rounded_up(value: float) -> str:
    """Four digits, never less than the value."""
    return _rounded(value, math.ceil)


def rounded_down(value: float) -> str:
    """Four digits, never more than the value."""
    return _rounded(value, math.floor)


def _rounded(value: float, way: Callable[[float], int]) -> str:
    unit = 10.0 ** (math.floor(math.log10(value)) - 3)
    return f"{way(value / unit) * unit:.4g}"


def _holds(value: Callable[[Um], float], low: Um, high: Um) -> tuple[Um, Um]:
    """The part of a range in which a formula holds."""
    if not low < high:
        raise ValidityError(f"nothing fits: at least {low:.4g} um is needed, {high:.4g} um is the most")
    ratio = (high / low) ** (1 / _PROBES)
    probes = [low * ratio**k for k in range(_PROBES)] + [high]
    good = [_refusal(value, size) is None for size in probes]
    if not any(good):
        raise _refusal(value, high) or AssertionError
    first, last = good.index(True), len(good) - 1 - good[::-1].index(True)
    begin, end = probes[first], probes[last]
    if first:
        begin = _edge(value, probes[first - 1], begin)
    if last < len(probes) - 1:
        end = _edge(value, probes[last + 1], end)
    return begin, end


def _edge(value: Callable[[Um], float], bad: Um, good: Um) -> Um:
    for _ in range(60):
        middle = (bad + good) / 2
        if _refusal(value, middle) is None:
            good = middle
        else:
            bad = middle
    return good


def _refusal(value: Callable[[Um], float], size: Um) -> ValidityError | None:
    try:
        value(size)
    except ValidityError as e:
        return e
    return None
