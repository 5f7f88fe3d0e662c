"""Surface waves under combs: static capacitance and centre frequency.

    f = v / lambda,   C = N W e0 (e + 1) K(k) / K'(k),   k = sin(pi eta / 2)

N finger pairs of aperture W (overlap of neighbours), period lambda, of which fingers cover a share eta; e the
substrate's effective permittivity sqrt(e11 e33 - e13^2), vacuum above. K / K' = P(cos pi eta) / P(-cos pi eta) with
Legendre's function P of degree -1/2. At eta = 1/2 a pair has e0 (e + 1) W.

Units: um, m/s, MHz, pF.

Sources: Engan, "Excitation of elastic surface waves by spatial harmonics of interdigital transducers", IEEE Trans.
Electron Devices 16 (1969) 1014; Datta, "Surface Acoustic Wave Devices" (1986).

Validity: single fingers of alternating sign, many pairs (what the ends have beyond endless combs is half a pair's
part at most: 10 pairs or more), eta from 0.05 to 0.95, metal much thinner than lambda, which loads the wave less than
the velocity is known. The velocity is that under the grating, near enough its middle between free and metallized
surface: reflections split the resonance from v / lambda by less than 1 % on usual cuts.
"""

from __future__ import annotations

from layoutgen.physics.passives import EPSILON_0, within
from layoutgen.physics.passives.capacitor import inside
from layoutgen.units import Um


def capacitance(pairs: float, aperture: Um, eta: float, permittivity: float) -> float:
    """Static capacitance (pF) of a transducer.

    Raises:
        ValidityError: outside of where it holds.
    """
    within("finger pairs", pairs, 10, 1e6, "the transducer's capacitance")
    within("a metallization ratio", eta, 0.05, 0.95, "the transducer's capacitance")
    return per_pair(eta, permittivity) * pairs * aperture


def per_pair(eta: float, permittivity: float) -> float:
    """Capacitance (pF/um) of a finger pair of endless combs for each um of aperture."""
    return EPSILON_0 * (permittivity + 1) * inside(eta)


def frequency(wavelength: Um, velocity: float) -> float:
    """Centre frequency (MHz) of a wavelength (um) at a velocity (m/s)."""
    return velocity / wavelength
