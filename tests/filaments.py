"""Inductance of a track by its straight bars: a witness that knows nothing of spirals."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt

MU_0 = 4e-4 * math.pi
"""nH/um."""


def inductance(path: npt.NDArray[np.float64], width: float, thickness: float, parts: int = 3) -> float:
    """Inductance (nH) of a track along x and y (corners of its middle line, um), the current even over its width.

    Each bar is split in filaments over its width. Two parallel filaments: Neumann's integral, as in Grover, "Inductance
    Calculations" (1946); a filament with itself: a thin bar of its width and thickness, as in Greenhouse, IEEE Trans.
    Parts, Hybrids, Packag. 10 (1974) 101. Bars at right angles do not couple.
    """
    bits = []
    for p, q in pairwise(path):
        axis = 0 if abs(q[0] - p[0]) > abs(q[1] - p[1]) else 1
        low, high = sorted((p[axis], q[axis]))
        for k in range(parts):
            at = p[1 - axis] + width * ((k + 0.5) / parts - 0.5)
            bits.append((axis, 1 if q[axis] > p[axis] else -1, low, high, at))
    total = 0.0
    for i, (axis, sign, a, b, at) in enumerate(bits):
        wide, long = width / parts + thickness, b - a
        total += MU_0 / (2 * math.pi) * long * (math.log(2 * long / wide) + 0.5 + wide / (3 * long))
        for other, sign_2, c, e, at_2 in bits[:i]:
            if other == axis:
                total += 2 * sign * sign_2 * _mutual(a, b, c, e, abs(at - at_2))
    return total / parts**2


def _mutual(a: float, b: float, c: float, e: float, apart: float) -> float:
    d = max(apart, 1e-3)  # on one line, behind each other

    def f(u: float) -> float:
        return u * math.asinh(u / d) - math.hypot(u, d)

    return MU_0 / (4 * math.pi) * (f(e - a) - f(e - b) - f(c - a) + f(c - b))
