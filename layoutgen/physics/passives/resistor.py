"""Tracks of thin film: squares along the middle line, each bend by what it has more or less than that.

    R = Rs (length / width + sum of e(a) over all bends),   e(a) = tan(a/2) - (2/pi) (psi(1/2) - psi((1 - a/pi) / 2))

with the length of the middle line, a the angle by which the track turns (mitred outside, sharp inside), and psi the
digamma function. A right angle has e = -(2/pi) ln 2 = -0.4413: the square in its corner counts 0.559.

Units: um; Rs and R in ohm.

Source: conformal map of a bent strip; for the right angle Hall, "Resistance calculations for thin film patterns", Thin
Solid Films 1 (1968) 277 (corner square 0.559). The general angle follows by the same map, dz/dt = ((t+1)/(t-1))^b / t
with b = a / pi.

Validity: current fed evenly over the whole width at both ends, one sheet resistance, bends of at most 120 degrees, and
at least one width of straight track between two bends: each bend's field has died away there but for exp(-pi) = 4 % of
its e. Contact resistances are not in it.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from scipy.special import digamma

from layoutgen.physics.passives import ValidityError, within
from layoutgen.units import Ohm, Points, Um

SHARPEST = 120.0
"""Degrees by which a bend may turn."""
GENTLE = 15.0
"""Degrees below which bends need no straight track between them: they stand for a curve."""


def bend(turn: float) -> float:
    """What a bend by `turn` degrees adds to the squares of the middle line; below 0.

    Raises:
        ValidityError: a turn beyond 120 degrees.
    """
    within("bends of degrees", turn, 0.0, SHARPEST, "the count of squares")
    angle = math.radians(turn)
    return math.tan(angle / 2) - 2 / math.pi * float(digamma(0.5) - digamma((1 - angle / math.pi) / 2))


def squares(path: Points, width: Um) -> float:
    """Squares of a track along the corners of its middle line (um).

    Raises:
        ValidityError: bends too sharp, or too near each other.
    """
    steps = np.diff(np.asarray(path, dtype=np.float64), axis=0)
    lengths = np.hypot(*steps.T)
    angles = np.degrees(np.arctan2(steps[:, 1], steps[:, 0]))
    turns = np.abs((np.diff(angles) + 180) % 360 - 180)
    for (before, after), length in zip(pairwise(turns), lengths[1:-1], strict=True):
        straight = length - width / 2 * (math.tan(math.radians(before) / 2) + math.tan(math.radians(after) / 2))
        if min(before, after) > GENTLE and straight < width * (1 - 1e-6):
            raise ValidityError(
                f"the count of squares needs a straight track of one width, {width:g} um, between two bends,"
                f" not {straight:.4g} um"
            )
    return float(lengths.sum() / width) + sum(bend(float(turn)) for turn in turns)


def resistance(path: Points, width: Um, sheet: Ohm) -> Ohm:
    """Resistance (ohm) of a track of a sheet resistance (ohm a square); the same errors as `squares`."""
    return squares(path, width) * sheet
