"""Capacitors of thin film: a plate over a larger one, and interleaved combs.

Plate of area A and outline P, thickness t, at height h over a larger plate, dielectric of permittivity e below and f
above:
    C = e0 e A / h + P F,   F = (c - e0 e w / h) / 2,   c = f e0 E eta0 / Z(w / h)
F: what the edges of a strip as wide as the plate's shorter side have beyond its area, by Hammerstad's and Jensen's
microstrip: Z its impedance in vacuum, E its effective permittivity for the ratio e / f, and its width larger by what
the thickness t makes of it.

Combs of N fingers, overlapping over a length l, lambda = 2 (width + space), eta = 2 width / lambda, on a thick
substrate of permittivity e, f above:
    C = (N - 3) C_I / 2 + 2 C_I C_E / (C_I + C_E),   C_x = e0 (e + f) l K(k_x) / K'(k_x)
    k_I = sin(pi eta / 2),   k_E = 2 sqrt(eta) / (1 + eta)
with K the complete elliptic integral of the first kind of that modulus, K' that of the complementary one.

Units: um, pF; permittivities relative.

Sources: Hammerstad and Jensen, "Accurate models for microstrip computer-aided design", IEEE MTT-S Int. Microwave Symp.
(1980) 407; Igreja and Dias, "Analytical evaluation of the interdigital electrodes capacitance for a multi-layered
structure", Sensors and Actuators A 112 (2004) 291 (half spaces).

Validity. Plate: shorter side from 2 to 1000 h, t up to 1.2 h, e / f from 1 to 128, the lower plate larger by 2 h on all
sides, and no more than a quarter of the whole in the edges; the corners' own part is left out. Combs: 4 fingers or
more, eta from 0.05 to 0.95, overlap at least 5 lambda (what the fingers' ends have is not in it), metal so thin that
the plate capacitance of facing walls, e0 f t / space, is 5 % of the whole at most, substrate and what lies above
thicker than lambda.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ellipk, ellipkm1

from layoutgen.physics.passives import EPSILON_0, ValidityError, within
from layoutgen.units import Um

ETA_0 = 376.730313668
"""ohm, impedance of vacuum."""
EDGES = 0.25
"""Share of the whole that may lie in a plate's edges."""


@dataclass(frozen=True, slots=True)
class Film:
    """A dielectric of a height (um) and permittivity, what lies above it, and the upper metal's thickness (um)."""

    height: Um
    permittivity: float
    above: float
    metal: Um

    def refuse(self, formula: str) -> None:
        """Refuse what the formula of a plate does not hold for.

        Raises:
            ValidityError: it is such.
        """
        if not (self.height > 0 and self.above >= 1):
            raise ValidityError(f"{formula} needs a dielectric of some height, and permittivities of 1 or more")
        within("metal over dielectric", self.metal / self.height, 0.0, 1.2, formula)
        within("the permittivity over that above", self.permittivity / self.above, 1.0, 128.0, formula)


def microstrip(u: float, ratio: float = 1.0) -> tuple[float, float]:
    """Impedance (ohm) of a thin strip of width over height u in vacuum, and effective permittivity on a `ratio`."""
    f = 6 + (2 * math.pi - 6) * math.exp(-((30.666 / u) ** 0.7528))
    impedance = ETA_0 / (2 * math.pi) * math.log(f / u + math.sqrt(1 + (2 / u) ** 2))
    a = 1 + math.log((u**4 + (u / 52) ** 2) / (u**4 + 0.432)) / 49 + math.log(1 + (u / 18.1) ** 3) / 18.7
    b = 0.564 * ((ratio - 0.9) / (ratio + 3)) ** 0.053
    return impedance, (ratio + 1) / 2 + (ratio - 1) / 2 * (1 + 10 / u) ** (-a * b)


def strip(width: Um, film: Film) -> float:
    """Capacitance (pF/um) of a long strip over a wide plate.

    Raises:
        ValidityError: outside of where it holds.
    """
    formula = "the microstrip formula"
    film.refuse(formula)
    u, ratio = width / film.height, film.permittivity / film.above
    within("width over height", u, 0.01, 1000.0, formula)
    wider = wider_r = 0.0
    if film.metal > 0:
        t = film.metal / film.height
        wider = t / math.pi * math.log(1 + 4 * math.e * math.tanh(math.sqrt(6.517 * u)) ** 2 / t)
        wider_r = wider / 2 * (1 + 1 / math.cosh(math.sqrt(ratio - 1)))
    air, _ = microstrip(u + wider)
    filled, effective = microstrip(u + wider_r, ratio)
    # as the source has it: Z = Z01(u_r) / sqrt(E(u_r)), E = E(u_r) (Z01(u_1) / Z01(u_r))2; c = sqrt(E) / (v Z)
    return film.above * effective * (air / filled) * ETA_0 / filled * EPSILON_0


def plate(area: float, outline: Um, side: Um, film: Film) -> float:
    """Capacitance (pF) of a plate by its area (um2), outline and shorter side (um).

    Raises:
        ValidityError: outside of where it holds.
    """
    formula = "the plate's formula"
    film.refuse(formula)
    within("the shorter side over the height", side / film.height, 2.0, 1000.0, formula)
    flat = EPSILON_0 * film.permittivity / film.height
    edges = outline * (strip(side, film) - flat * side) / 2
    whole = flat * area + edges
    if edges > EDGES * whole:
        raise ValidityError(
            f"{formula} holds for {EDGES:.0%} of the whole in the edges at most, not {edges / whole:.0%}"
        )
    return whole


@dataclass(frozen=True, slots=True)
class Combs:
    """Interleaved combs (um): number of fingers, their width, space and overlap, and the metal's thickness."""

    fingers: int
    width: Um
    space: Um
    overlap: Um
    metal: Um = 0.0

    @property
    def period(self) -> Um:
        """From a finger to the next one of the same comb (um)."""
        return 2 * (self.width + self.space)


def combs(c: Combs, below: float, above: float, *, thinnest: Um = math.inf) -> float:
    """Capacitance (pF) of combs between half spaces; `thinnest` (um): the thinner of substrate and what lies above.

    Raises:
        ValidityError: outside of where it holds.
    """
    formula = "the combs' formula"
    eta = c.width / (c.width + c.space)
    within("fingers", c.fingers, 4, 1e6, formula)
    within("width over width and space", eta, 0.05, 0.95, formula)
    within("overlap over period", c.overlap / c.period, 5.0, math.inf, formula)
    within("the thickness around over period", thinnest / c.period, 1.0, math.inf, formula)
    inner, outer = inside(eta), outside(eta)
    within("walls over faces", 2 * above * c.metal / c.space / ((below + above) * inner), 0.0, 0.05, formula)
    return EPSILON_0 * (below + above) * c.overlap * (
        (c.fingers - 3) * inner / 2 + 2 * inner * outer / (inner + outer)
    )  # fmt: skip


def inside(eta: float) -> float:
    """K(k) / K'(k) between fingers of endless combs that cover a share `eta`."""
    sine = math.sin(math.pi * eta / 2) ** 2
    return float(ellipk(sine) / ellipkm1(sine))


def outside(eta: float) -> float:
    """K(k) / K'(k) of the outermost finger's outer side."""
    complement = ((1 - eta) / (1 + eta)) ** 2
    return float(ellipkm1(complement) / ellipk(complement))
