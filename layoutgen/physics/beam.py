"""An upright beam whose upper end is displaced sideways: stiffness, force, stress, and where it yields.

Formulas. A prismatic cantilever, free at its loaded end, takes
    F = 3 Y I d / L3        (its stress, at the clamped end: 3 Y c d / L2),
one held against turning at both ends F = 12 Y I d / L3 and twice the stress of that force. Both are the prismatic case
of what is computed, by unit loads over the height z from the loaded end, with the tensor J of second moments:
    S_k = int z^k J(z)^-1 / Y dz,   S_s = int 1 / (kappa G A(z)) dz,   G = Y / (2 (1 + nu))
    free:    d = (S_2 + S_s) F
    guided:  d = (S_2 - S_1 S_0^-1 S_1 + S_s) F, with the moment -S_0^-1 S_1 F at the loaded end
integrated by Gauss and Legendre over each part of the profile. The bending stress at a corner p is J^-1 (z F + M) . p.
The limit force is the least that makes a mechanism of plastic hinges, of moment sigma_y Z each: one for a free end,
two for a guided one.

Units: um, GPa (Y), MPa (stress), mN (force).

Sources: Gere and Goodno, "Mechanics of Materials" (beams, unit load, plastic bending); Cowper, J. Appl. Mech. 33 (1966)
335 (kappa, in `sections`); US patent claim "F = (3YId)/L3" for a post's free end.

Validity: small displacements (d < L / 10, `SMALL`), one isotropic material, elastic up to `yield_stress`. Slender from
L / D = 5 on, where shear takes 3 % of d at most (free) or 10 % (guided); Timoshenko's shear is counted always, and
holds down to L / D = 2: stouter ones are no beams, and the results say so (`stout`). "free" is for an end that may
turn, as in a solder ball softer than the beam; "guided" for one held by what does not bend, and has to be chosen
knowingly: it is four times as stiff. What surrounds the beam is taken to be so soft that it does not hold it. Beyond
yielding nothing elastic is given: stress and force are NaN, and what is known instead is the displacement and force at
which it yields, and the force that it bears at most (elastic, perfectly plastic). With bending oblique to the principal
axes that limit is an upper bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from layoutgen.physics.sections import Floats, Section
from layoutgen.units import GPa, MPa, Points, Um

Ends = Literal["free", "guided"]
Profile: TypeAlias = tuple[tuple[float, Um], ...]
"""(height from the foot as a share of the whole, 0 to 1; by how much the section stands out there, in um): foot and top
at least, rising; straight in between."""
STRAIGHT: Profile = ((0.0, 0.0), (1.0, 0.0))
SLENDER, STOUT = 5.0, 2.0
"""Height over width: from where on it is slender, and below which it is no beam."""
SMALL = 0.1
"""Displacement over height up to which it is small, so that the formulas hold."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_HEIGHTS = 9
"""Heights in each part of a profile, ends included, at which stress and hinges are looked for."""


def flared(foot: Um) -> Profile:
    """Straight walls that lead to a foot which stands out by a length on each side (um)."""
    return ((0.0, foot), (1.0, 0.0))


def waisted(waist: Um, foot: Um = 0.0) -> Profile:
    """Narrowest half way up: drawn in there by a length on each side (um)."""
    return ((0.0, foot), (0.5, -waist), (1.0, 0.0))


@dataclass(frozen=True, eq=False)
class Bent:
    """Beams of one kind, each with its displacement; arrays of one value a beam.

    displacement: um. ratio: over the displacement at which it yields: above 1 it does.
    stress: the largest, MPa, and force: mN; NaN where it yields.
    yield_displacement, yield_force: um and mN, in the direction of the displacement.
    limit_force: mN, that it bears at most.
    """

    displacement: Floats
    ratio: Floats
    stress: Floats
    force: Floats
    yield_displacement: Floats
    yield_force: Floats
    limit_force: Floats

    @property
    def yields(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether it yields."""
        beyond: np.ndarray[tuple[int], np.dtype[np.bool_]] = self.ratio > 1 + 1e-9
        return beyond


@dataclass(frozen=True, eq=False)
class Beam:
    """An upright beam; lengths in um.

    section: drawn, at the top. profile: how it stands out from that over the height.

    Raises:
        ValueError: a value is out of its range, or the profile leaves no section.
    """

    section: Section
    height: Um
    modulus: GPa
    poisson: float
    yield_stress: MPa
    ends: Ends = "free"
    profile: Profile = STRAIGHT
    shear: bool = True
    """Whether shear counts (Timoshenko); without it the slender beam's formulas come out."""

    def __post_init__(self) -> None:
        for name in ("height", "modulus", "yield_stress"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be greater than 0, not {value!r}")
        if not 0 <= self.poisson < 0.5:
            raise ValueError(f"poisson must be from 0 to below 0.5, not {self.poisson!r}")
        shares = [share for share, _ in self.profile]
        if len(shares) < 2 or shares[0] != 0 or shares[-1] != 1 or any(b <= a for a, b in pairwise(shares)):
            raise ValueError("a profile rises from the foot (0) to the top (1)")
        for _, by in self.profile:
            self.section.offset(by)

    @cached_property
    def slenderness(self) -> float:
        """Height over the width of the drawn section, in the direction in which it is narrowest."""
        turn = np.linspace(0, math.pi, 90, endpoint=False)
        return self.height / float(self.section.width(np.column_stack([np.cos(turn), np.sin(turn)])).min())

    @property
    def slender(self) -> bool:
        """Whether the slender beam's formula holds, within 3 % (free) or 10 % (guided)."""
        return self._broadest <= self.height / SLENDER

    @property
    def stout(self) -> bool:
        """Whether it is too stout to be a beam at all: no number of it means anything."""
        return self._broadest > self.height / STOUT

    @cached_property
    def _broadest(self) -> Um:
        turn = np.linspace(0, math.pi, 90, endpoint=False)
        return float(self.section.width(np.column_stack([np.cos(turn), np.sin(turn)])).max())

    def at(self, z: Um) -> Section:
        """The section at a distance from the loaded end (um)."""
        shares, offsets = zip(*self.profile, strict=True)
        return self.section.offset(round(float(np.interp(1 - z / self.height, shares, offsets)), 9))

    @cached_property
    def _integrals(self) -> tuple[Points, Points]:
        """Compliance d = C F in um/mN, and the moment at the loaded end over the force, in um."""
        s = np.zeros((3, 2, 2))
        by_shear = 0.0
        rigidity = self.modulus / (2 * (1 + self.poisson))
        for top, foot in pairwise(self.height * (1 - share) for share, _ in reversed(self.profile)):
            for node, weight in zip(_NODES, _WEIGHTS, strict=True):
                z, dz = (top + foot + node * (foot - top)) / 2, weight * (foot - top) / 2
                here = self.at(z)
                bent = np.linalg.inv(here.second_moments) / self.modulus
                s += dz * np.array([1, z, z * z])[:, None, None] * bent
                by_shear += dz / (here.shear_coefficient(self.poisson) * rigidity * here.area)
        compliance, moment = s[2], np.zeros((2, 2))
        if self.ends == "guided":
            moment = -np.linalg.solve(s[0], s[1])
            compliance = s[2] + s[1] @ moment
        return compliance + np.eye(2) * (by_shear if self.shear else 0.0), moment

    @property
    def compliance(self) -> Points:
        """d = C F, symmetric (2, 2), um/mN."""
        return self._integrals[0]

    def stiffness(self, towards: tuple[float, float] = (1.0, 0.0)) -> float:
        """Force over displacement (mN/um) along a unit vector, the beam held to it."""
        n = np.array(towards)
        return float(n @ np.linalg.solve(self.compliance, n))

    @cached_property
    def _heights(self) -> list[tuple[Um, Section]]:
        """Where stress and hinges are looked for, by the distance from the loaded end; both ends are among them."""
        knots = [self.height * (1 - share) for share, _ in reversed(self.profile)]
        fine = 2 if self.profile == STRAIGHT else _HEIGHTS
        places = {float(z): None for a, b in pairwise(knots) for z in np.linspace(a, b, fine)}
        return [(z, self.at(z)) for z in places]

    def bend(self, displacements: Points) -> Bent:
        """What becomes of beams whose loaded ends are displaced by (n, 2) um."""
        moved = np.asarray(displacements, dtype=np.float64).reshape(-1, 2)
        compliance, moment = self._integrals
        force = np.linalg.solve(compliance, moved.T).T
        stress = np.zeros(len(moved))
        for z, section in self._heights:
            curved = np.linalg.solve(section.second_moments, (z * force + force @ moment.T).T).T
            stress = np.maximum(stress, np.abs(curved @ section.arms.T).max(axis=1, initial=0.0) * 1e3)
        distance, size = np.hypot(*moved.T), np.hypot(*force.T)
        ratio = stress / self.yield_stress
        still = ratio == 0
        # one that is not displaced would yield along x as well as anywhere
        along = np.where(still[:, None], [1.0, 0.0], force / np.where(size > 0, size, 1)[:, None])
        begins = np.where(still, 1, ratio)
        elastic = ratio <= 1 + 1e-9
        return Bent(
            distance, ratio,
            np.where(elastic, stress, np.nan), np.where(elastic, size, np.nan),
            np.where(still, np.inf, distance / begins), np.where(still, np.inf, size / begins),
            self.limit_force(along),
        )  # fmt: skip

    def limit_force(self, towards: Points) -> Floats:
        """Force (mN) along each of (n, 2) unit vectors at which plastic hinges make a mechanism."""
        bears = [(z, self.yield_stress * 1e-3 * section.plastic_modulus(towards)) for z, section in self._heights]
        least = np.full(len(towards), np.inf)
        if self.ends == "free":
            for z, moment in bears:
                least = np.minimum(least, moment / z if z > 0 else np.inf)
            return least
        for i, (a, first) in enumerate(bears):
            for b, second in bears[i + 1 :]:
                least = np.minimum(least, (first + second) / (b - a))
        return least
