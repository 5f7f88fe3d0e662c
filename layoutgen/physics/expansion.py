"""How far a place of a die moves against what the die is mounted on, when both warm up.

    d = |alpha_board - alpha_die| dT r

Units: d and r um, alpha ppm/K, dT K. r is the distance from the neutral point, the place that does not move: the die's
centre, where contacts stand alike on all sides. The movement is along the line from there.

Source: Lau, "Solder Joint Reliability", Van Nostrand Reinhold 1991, chapter 1 (distance to the neutral point, DNP).

Validity: free expansion of two flat parts of one temperature each; expansion that does not depend on temperature over
dT; contacts so soft that they hold neither part back, and no warpage. It is then the largest there can be.
"""

from __future__ import annotations

import numpy as np

from layoutgen.units import Kelvin, Points, PpmPerKelvin


def displacements(arms: Points, first: PpmPerKelvin, second: PpmPerKelvin, swing: Kelvin) -> Points:
    """Displacements (n, 2) in um at places (n, 2) as seen from the neutral point (um), of two parts that expand.

    Outwards: by how much the part that expands more goes ahead.
    """
    moved: Points = np.asarray(arms, dtype=np.float64) * (abs(second - first) * 1e-6 * swing)
    return moved
