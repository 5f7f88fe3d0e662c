"""What a plater needs of a mask: the area that is open to the bath, and the current for a current density.

    I = J A,    rate = J M / (n F rho)

Units: area mm2, J A/dm2 (1 dm2 = 10^4 mm2), current A, rate um/min.

Sources: Faraday's law; copper: M = 63.546 g/mol, n = 2, rho = 8.96 g/cm3 (CRC Handbook of Chemistry and Physics),
F = 96485.332 C/mol (CODATA 2018). At 1 A/dm2 that is 0.221 um/min.

Validity: all current deposits metal (an acid copper bath: 95 to 100 %), on flat ground; walls of deep openings that are
bare add to the area. The areas are those of the drawing, before any bias of the mask.
"""

from __future__ import annotations

FARADAY = 96485.332
COPPER = (63.546, 2, 8.96)
"""g/mol, electrons, g/cm3."""


def current(area: float, density: float) -> float:
    """Current (A) for an area (mm2) at a current density (A/dm2)."""
    return area * 1e-4 * density


def rate(density: float, metal: tuple[float, int, float] = COPPER) -> float:
    """Growth (um/min) at a current density (A/dm2), of a metal by its molar mass, electrons and density."""
    mass, electrons, heavy = metal
    return density / 100 * 60 * mass / (electrons * FARADAY * heavy) * 1e4
