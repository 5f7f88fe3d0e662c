"""Planar spirals: inductance of a flat spiral of n turns between an inner and an outer diameter.

    rho = (d_out - d_in) / (d_out + d_in),   d = (d_out + d_in) / 2
    current sheet:     L = mu0 n2 d c1 / 2 (ln(c2 / rho) + c3 rho + c4 rho2)
    modified Wheeler:  L = K1 mu0 n2 d / (1 + K2 rho)

Units: um, nH. Diameters of a polygon are those between opposite sides.

Source: Mohan, Hershenson, Boyd and Lee, "Simple accurate expressions for planar spiral inductances", IEEE J.
Solid-State Circuits 34 (1999) 1419: formulas (1) and (2), tables I and II. There is no modified Wheeler formula of a
circle.

Validity: one layer, no magnetic material, no ground plane within about the outer diameter, far below self-resonance;
n 1 to 20, rho 0.1 to 0.9, space at most 3 widths (as in the paper, where both formulas lie within 8 % of a field solver
and mostly within 2 to 3 %). The thickness of the metal, the leads and the underpass are not in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from layoutgen.physics.passives import MU_0, ValidityError, within
from layoutgen.units import Um

Shape = Literal["square", "hexagon", "octagon", "circle"]
SHEET = {
    "square": (1.27, 2.07, 0.18, 0.13), "hexagon": (1.09, 2.23, 0.00, 0.17),
    "octagon": (1.07, 2.29, 0.00, 0.19), "circle": (1.00, 2.46, 0.00, 0.20),
}  # fmt: skip
"""c1 to c4 of the current sheet."""
WHEELER = {"square": (2.34, 2.75), "hexagon": (2.33, 3.82), "octagon": (2.25, 3.55)}
"""K1 and K2."""
TURNS, FILL, SPACE = (1.0, 20.0), (0.1, 0.9), (0.0, 3.0)
"""Where both hold: turns, fill ratio, space over width."""


@dataclass(frozen=True, slots=True)
class Spiral:
    """A flat spiral (um)."""

    shape: Shape
    turns: float
    inner: Um
    width: Um
    space: Um

    @property
    def outer(self) -> Um:
        """Outer diameter (um): the inner one, the turns on both sides, and the spaces between them."""
        return self.inner + 2 * self.rings * self.width + 2 * (self.rings - 1) * self.space

    @property
    def rings(self) -> int:
        """How many turns lie beside each other where they are most."""
        return math.ceil(self.turns)

    @property
    def fill(self) -> float:
        """Fill ratio: how far the turns fill the inside, 1 to the middle."""
        return (self.outer - self.inner) / (self.outer + self.inner)

    @property
    def mean(self) -> Um:
        """Mean diameter (um)."""
        return (self.outer + self.inner) / 2

    def refuse(self, formula: str) -> None:
        """Refuse what the formulas do not hold for.

        Raises:
            ValidityError: it is such.
        """
        if not (self.inner > 0 and self.width > 0 and self.space > 0):
            raise ValidityError(f"{formula} needs an inner diameter, a width and a space above 0 um")
        within("space over width", self.space / self.width, *SPACE, formula)
        # a spiral of 1 turn may lack a part of it, where its outer end leaves
        within("turns", self.rings, *TURNS, formula)
        within("a fill ratio", self.fill, *FILL, formula)


def current_sheet(spiral: Spiral) -> float:
    """Inductance (nH) by the current sheet.

    Raises:
        ValidityError: outside of where it holds.
    """
    spiral.refuse("the current sheet")
    return sheet(spiral.shape, spiral.turns, spiral.mean, spiral.fill)


def sheet(shape: Shape, turns: float, mean: Um, fill: float) -> float:
    """The current sheet's formula as it stands (nH), wherever it may hold."""
    c1, c2, c3, c4 = SHEET[shape]
    return MU_0 * turns**2 * mean * c1 / 2 * (math.log(c2 / fill) + c3 * fill + c4 * fill**2)


def modified_wheeler(spiral: Spiral) -> float:
    """Inductance (nH) by the modified Wheeler formula.

    Raises:
        ValidityError: outside of where it holds; a circle.
    """
    if spiral.shape not in WHEELER:
        raise ValidityError(f"the modified Wheeler formula holds for {', '.join(WHEELER)}, not a {spiral.shape}")
    spiral.refuse("the modified Wheeler formula")
    k1, k2 = WHEELER[spiral.shape]
    return k1 * MU_0 * spiral.turns**2 * spiral.mean / (1 + k2 * spiral.fill)
