"""The witness of bending: a beam in slices, each cut out and measured by shapely, and its unit loads summed.

Nothing of the product's physics is used. The sums are good to some percent; nearer to the limit than that the witness
is not sure.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

SLICES = 60
KAPPA = 0.87
"""Shear coefficient of anything compact."""
Floats = npt.NDArray[np.float64]


def ratio(post: shapely.Polygon, arm: tuple[float, float], o: dict[str, Any]) -> float:
    """Largest stress over the yield stress of a straight or flared cantilever, its free end displaced along an arm.

    Lengths in um; `arm` from the neutral point.
    """
    height, modulus, poisson = o["height"], o["modulus"], o.get("poisson", 0.3)
    moved = np.array(arm) * abs(o["board_expansion"] - o["die_expansion"]) * 1e-6 * o["swing"]
    compliance = np.zeros((2, 2))
    worst: list[tuple[Floats, Floats]] = []
    for k in range(SLICES):
        z = height * (k + 0.5) / SLICES  # from the free end
        area, tensor, corners = _moments(post.buffer(o.get("foot", 0.0) * z / height, join_style="mitre"))
        bent = np.linalg.inv(tensor) / modulus
        sheared = np.eye(2) * 2 * (1 + poisson) / (KAPPA * modulus * area)
        compliance += (z * z * bent + sheared) * height / SLICES
        worst.append((z * np.linalg.inv(tensor), corners))
    force = np.linalg.solve(compliance, moved)
    stress = max(float(np.abs(corners @ (per @ force)).max()) for per, corners in worst)
    return stress * 1000 / o["yield_stress"]


def _moments(shape: shapely.Polygon) -> tuple[float, Floats, Floats]:
    """Area, tensor of second moments about the centroid, and corners from it; by trapezoids below each edge."""
    c = shape.centroid
    corners = shapely.get_coordinates(shapely.geometry.polygon.orient(shape).exterior) - (c.x, c.y)
    xx = yy = xy = 0.0
    for (x0, y0), (x1, y1) in pairwise(corners.tolist()):
        cross = x0 * y1 - x1 * y0
        xx += (x0 * x0 + x0 * x1 + x1 * x1) * cross / 12
        yy += (y0 * y0 + y0 * y1 + y1 * y1) * cross / 12
        xy += (x0 * y1 + 2 * x0 * y0 + 2 * x1 * y1 + x1 * y0) * cross / 24
    return shape.area, np.array([[xx, xy], [xy, yy]]), corners
