"""The one rounding: half away from zero, the same on both sides of zero, and nothing that a layout cannot hold."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layoutgen.units import DBU, MAX_DBU, dbu, to_dbu


@pytest.mark.parametrize(
    ("um", "units"),
    [
        (0.0, 0), (0.0004, 0), (0.000499, 0), (0.0005, 1), (0.0015, 2), (0.0025, 3), (0.0035, 4), (0.001, 1),
        (1 / 3, 333), (2 / 3, 667), (40.0, 40_000), (0.1 + 0.2, 300), (149_999.9995, 150_000_000),
        (1_073_741.823, MAX_DBU - 1),
    ],
)  # fmt: skip
def test_half_units_go_away_from_zero_on_both_sides(um: float, units: int) -> None:
    assert dbu(um) == units
    assert dbu(-um) == -units


@given(st.integers(-MAX_DBU + 1, MAX_DBU - 1))
def test_whole_units_come_back_as_they_went(units: int) -> None:
    assert dbu(units * DBU) == units


@given(st.floats(-1_000_000, 1_000_000))
def test_rounding_moves_by_half_a_unit_at_most_and_commutes_with_mirroring(um: float) -> None:
    assert abs(Fraction(um) * 1000 - dbu(um)) <= Fraction(1, 2) + Fraction(2, 10**6)
    assert dbu(-um) == -dbu(um)


@given(st.integers(-300_000_000, 300_000_000))
def test_a_written_half_is_a_half_even_where_its_float_lies_below(units: int) -> None:
    half = float(f"{units}.5") / 1000
    assert dbu(half) == (units + 1 if units >= 0 and math.copysign(1, half) > 0 else units - 1)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, MAX_DBU * DBU, -MAX_DBU * DBU, 1e300])
def test_what_a_layout_cannot_hold_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"a coordinate is not finite or beyond 1073742 um"):
        dbu(bad)
    with pytest.raises(ValueError, match=r"a coordinate is not finite"):
        to_dbu([(0.0, 1.0), (2.0, bad)])


def test_points_keep_their_shape_and_become_integers() -> None:
    whole = to_dbu([(0.0015, -0.0015), (10.0, 1 / 3)])
    assert whole.dtype == np.int64
    assert whole.tolist() == [[2, -2], [10_000, 333]]
