"""How thick the bath plates where: the terminal effect of the network's resistance, linear.

Model: the current density at a post is j = (V - v) / (rp + c h / kappa): V is the drive between anode and contact ring,
v the drop in the metal from the ring to the post, rp the polarisation resistance of the deposition (ohm m2), h / kappa
the bath's resistance over its height h (m) at a conductivity kappa (S/m), and c the share of the dies that posts cover:
the current of a post spreads in the bath over all that lies between it and its neighbours. A post is then a conductance
to the bath, its footprint over that resistance, and V follows from the mean current density. Thickness goes with j
(Faraday's law; a current efficiency that is the same everywhere cancels).

Source: Tobias and Wijsman, "Theory of the effect of electrode resistance on current density distribution in
electrolytic cells", J. Electrochem. Soc. 100 (1953) 459; Newman and Thomas-Alyea, Electrochemical Systems, 3rd ed.,
chapter 18. For a strip of length L held at one end: j(x) / mean = (L/l) cosh((L-x)/l) / sinh(L/l),
l^2 = (rp + h/kappa) / Rs, where c = 1.

Valid where the polarisation is linear about the mean current density (the drops in the metal differ by less than about
RT/F, 25 mV, or rp is its slope there: RT / (alpha F j) on a Tafel line), and where posts stand much closer to
each other than h, spread evenly over the dies, while the wafer is wide against h: their constriction, 1 / (4 kappa a)
each, and what the via's own depth adds are left out. No shields or thieves, no depletion, and the metal as thick as
drawn (posts grow, the network below the polymer does not).
"""

from __future__ import annotations

from dataclasses import dataclass

from layoutgen.errors import ParamError

GAS, FARADAY = 8.314462618, 96485.33212
"""J/(mol K) and C/mol, CODATA 2018, both exact."""
RANGES = {"density": (0.1, 1e5), "conductivity": (1e-3, 1e4), "alpha": (0.01, 2.0), "height": (0.0, 1.0),
          "polarisation": (0.0, 1e3)}  # fmt: skip
"""Far beyond what any bath has, in the units of `Bath`."""
LEAST = 1e-12
"""Ohm m2 over a post: less is none."""


@dataclass(frozen=True, slots=True)
class Bath:
    """A plating bath as a linear resistance to each um2 of post.

    density: mean current density over the posts (A/m2).
    conductivity: of the electrolyte (S/m); acid copper sulphate with about 1 mol/l of sulphuric acid has 25 to 50.
    height: from the wafer to the anode, or to the shield that evens the field (m).
    polarisation: slope of the overpotential against current density (ohm m2); None: that of a Tafel line at the mean
    current density, RT / (alpha F j).
    alpha, celsius: transfer coefficient of that line (0.5 for copper), and temperature (degrees C).
    """

    density: float = 200.0
    conductivity: float = 40.0
    height: float = 0.05
    polarisation: float | None = None
    alpha: float = 0.5
    celsius: float = 25.0

    def __post_init__(self) -> None:
        """Refuse what is no bath."""
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ParamError(f"bath: {name}={value:g} must be from {low:g} to {high:g}")
        if not -273.15 < self.celsius < 1000:
            raise ParamError(f"bath: celsius={self.celsius:g} is no temperature of a bath")
        if not self.over(1.0) >= LEAST:
            raise ParamError("bath: height and polarisation are both 0; one must be above")

    def over(self, coverage: float) -> float:
        """Resistance of polarisation and bath for a unit of plated area (ohm m2), which is that share of the dies."""
        slope = self.polarisation
        if slope is None:
            slope = GAS * (self.celsius + 273.15) / (self.alpha * FARADAY * self.density)
        return slope + coverage * self.height / self.conductivity
