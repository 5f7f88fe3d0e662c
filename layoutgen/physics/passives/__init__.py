"""Values of what is drawn in thin films, one kind a file: unit, formula, source and validity in each docstring.

Lengths are um, inductances nH, capacitances pF, resistances ohm. Outside of where a formula holds it gives no number,
but a `ValidityError` of one line.
"""

from __future__ import annotations

from layoutgen.errors import LayoutgenError

EPSILON_0 = 8.8541878128e-6
"""pF/um, electric constant (CODATA 2018)."""
MU_0 = 1.25663706212e-3
"""nH/um, magnetic constant (CODATA 2018)."""


class ValidityError(LayoutgenError, ValueError):
    """A formula is asked for what it does not hold for."""


def within(what: str, value: float, low: float, high: float, formula: str) -> None:
    """Refuse a value outside of where a formula holds.

    Raises:
        ValidityError: it is, or it is no number.
    """
    if not low <= value <= high:
        raise ValidityError(f"{formula} holds for {what} from {low:g} to {high:g}, not {value:.4g}")
