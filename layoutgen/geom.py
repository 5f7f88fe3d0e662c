"""Pure shape functions: um in, (n, 2) arrays of um out, counter-clockwise, no repeated end point."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from layoutgen.units import DBU, Points, Um, to_dbu


def box(width: Um, height: Um, at: tuple[Um, Um] = (0.0, 0.0)) -> Points:
    """A rectangle centred on `at`."""
    x, y = at
    w, h = width / 2, height / 2
    return np.array([(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)])


def span(x0: Um, y0: Um, x1: Um, y1: Um) -> Points:
    """A rectangle from corner to corner."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def frame(box: tuple[Um, Um, Um, Um], half: Um) -> Iterator[list[tuple[Um, Um]]]:
    """Four bands of half width `half` (um) centred on a box's sides, corners included."""
    x0, y0, x1, y1 = box
    for x in (x0, x1):
        yield span(x - half, y0 - half, x + half, y1 + half).tolist()
    for y in (y0, y1):
        yield span(x0 - half, y - half, x1 + half, y + half).tolist()


def bevelled(width: Um, height: Um, bevel: Um, at: tuple[Um, Um] = (0.0, 0.0)) -> Points:
    """A rectangle whose corners are cut at 45 degrees, `bevel` off each side; 0 leaves a rectangle."""
    if bevel <= 0:
        return box(width, height, at)
    x, y = at
    w, h = width / 2, height / 2
    a, b = w - bevel, h - bevel
    corners = [(a, -h), (w, -b), (w, b), (a, h), (-a, h), (-w, b), (-w, -b), (-a, -h)]
    return np.array([(x + p, y + q) for p, q in corners])


def cross(size: Um, arm: Um, at: tuple[Um, Um] = (0.0, 0.0)) -> Points:
    """A plus of overall `size` with arms `arm` wide."""
    x, y = at
    s, a = size / 2, arm / 2
    corners = [
        (-a, -s),
        (a, -s),
        (a, -a),
        (s, -a),
        (s, a),
        (a, a),
        (a, s),
        (-a, s),
        (-a, a),
        (-s, a),
        (-s, -a),
        (-a, -a),
    ]
    return np.array([(x + p, y + q) for p, q in corners])


def circle(diameter: Um, points: int, at: tuple[Um, Um] = (0.0, 0.0)) -> Points:
    """A circle as the regular polygon that stands around it: every side touches the circle, none cuts into it.

    Sides, not corners, face 0, 45, 90, ... degrees, so the least diameter and the distance to a neighbour in those
    directions are exact. The centre is snapped first and the corners mirror each other to the database unit, so that
    the bounding box's centre is the circle's, and equal circles are equal polygons wherever they stand.
    """
    centre = to_dbu(at)
    ring: Points = (_ring(float(diameter), points) + centre) * DBU
    return ring


@lru_cache(maxsize=256)
def _ring(diameter: Um, points: int) -> Points:
    angle = (np.arange(points) + 0.5) * (2 * math.pi / points)
    radius = diameter / 2 / math.cos(math.pi / points)
    # one octant's cosines serve as the other's sines: exact mirror images, whatever the library's last bit
    x = radius * np.cos(angle)
    quarter = points // 4
    y = np.roll(x, quarter)
    ring: Points = to_dbu(np.column_stack([x, y])).astype(np.float64)
    return ring


def ring_sectors(inner: Um, outer: Um, sectors: int, points: int, at: tuple[Um, Um] = (0.0, 0.0)) -> list[Points]:
    """A ring between two radii, as sectors that share their corners (simple polygons without a hole).

    Both circles have `points` corners in all; the ring drawn contains the true ring less the inner sagitta.
    """
    each = points // sectors
    out = []
    for k in range(sectors):
        angle = np.arange(k * each, (k + 1) * each + 1) % (sectors * each) * (2 * math.pi / (sectors * each))
        unit = np.column_stack([np.cos(angle), np.sin(angle)])
        out.append(np.vstack([unit * outer, unit[::-1] * inner]) + at)
    return out
