"""Units in signatures, and the one rounding to the database grid.

Lengths are float micrometres everywhere; integers only where geometry is written or checked.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt

Um: TypeAlias = Annotated[float, "um"]
Deg: TypeAlias = Annotated[float, "deg"]
Ohm: TypeAlias = Annotated[float, "ohm"]
GPa: TypeAlias = Annotated[float, "GPa"]
MPa: TypeAlias = Annotated[float, "MPa"]
Kelvin: TypeAlias = Annotated[float, "K"]
PpmPerKelvin: TypeAlias = Annotated[float, "ppm/K"]
Points: TypeAlias = npt.NDArray[np.float64]
"""(n, 2) array of x, y in um."""
IntPoints: TypeAlias = npt.NDArray[np.int64]
"""(n, 2) array of x, y in database units."""

DBU = 0.001
"""Database unit in um: 1 nm."""
LARGEST: Um = 450_000.0
"""The largest wafer there is (um): no length that anyone asks for is longer."""
MAX_DBU = 2**30
"""Largest coordinate that is drawn (1.07 m): beyond 2^31 layout libraries wrap around silently."""


def to_dbu(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Round lengths in um to whole database units, half away from zero (so that mirroring commutes with rounding).

    Raises:
        ValueError: a value is not finite or lies beyond +-2^30 database units.
    """
    scaled = np.asarray(values, dtype=np.float64) / DBU
    if not np.all(np.abs(scaled) < MAX_DBU):
        raise ValueError(f"a coordinate is not finite or beyond {MAX_DBU * DBU:.0f} um")
    # 1e-6 dbu of slack: 0.0005 um is stored as 0.000499999..., and is half a unit all the same
    whole: npt.NDArray[np.int64] = (np.sign(scaled) * np.floor(np.abs(scaled) + 0.5 + 1e-6)).astype(np.int64)
    return whole


def off_grid(value: Um) -> bool:
    """Whether a length is no whole number of database units, but for the dust of binary fractions."""
    return abs(value / DBU - round(value / DBU)) > 1e-3


def dbu(value: Um) -> int:
    """One length in um as whole database units, rounded as by `to_dbu`."""
    scaled = float(value) / DBU
    if not abs(scaled) < MAX_DBU:
        raise ValueError(f"a coordinate is not finite or beyond {MAX_DBU * DBU:.0f} um")
    return int(math.copysign(math.floor(abs(scaled) + 0.5 + 1e-6), scaled))
