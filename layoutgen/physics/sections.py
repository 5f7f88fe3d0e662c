"""Cross-sections of beams as polygons: area, centroid, second moments, principal axes, plastic modulus.

Formulas, for the corners (x_i, y_i) of a simple polygon and c_i = x_i y_i+1 - x_i+1 y_i, about the centroid:
    A = sum c_i / 2,  int x2 dA = sum c_i (x_i2 + x_i x_i+1 + x_i+12) / 12, and so for y2 and xy
        (Green's theorem; Bourke, "Calculating the area and centroid of a polygon", 1988, and its second moments in
        Steger, "On the calculation of arbitrary moments of polygons", TU Muenchen FGBV-96-05, 1996);
    principal values: the eigenvalues of [[int x2, int xy], [int xy, int y2]];
    plastic modulus for bending towards a unit vector n: int |n . p - t| dA, t such that half the area lies beyond
        (Gere and Goodno, "Mechanics of Materials", fully plastic moment);
    shear coefficient, after Cowper, "The shear coefficient in Timoshenko's beam theory", J. Appl. Mech. 33 (1966) 335:
        6 (1 + nu) / (7 + 6 nu) for a circle, 10 (1 + nu) / (12 + 11 nu) for a rectangle.

Units: um, um2, um4 (second moments), um3 (plastic modulus).

Validity: the polygon formulas are exact for simple polygons without holes. A circle drawn by n sides
that touch it has pi2 / (3 n2) more area: 0.02 % with 128 sides, and 0.04 % more second moment. Shear coefficients are
those of the two shapes; any other section takes the one that it fills its own bounding box like: a rectangle's from
90 %, else a circle's. Both differ by 5 % at most, and so much only of the part of the compliance that shear has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.geom import circle, span
from layoutgen.units import Points, Um

Floats = npt.NDArray[np.float64]
RECTANGULAR = 0.9
"""Share of its bounding box from which on a section's shear coefficient is a rectangle's."""
_HALVINGS = 50


@dataclass(frozen=True, eq=False)
class Section:
    """A cross-section by its corners (n, 2) in um, in either sense, without holes.

    Raises:
        ValueError: it is no simple polygon with an area.
    """

    corners: Points

    def __post_init__(self) -> None:
        outline = np.asarray(self.corners, dtype=np.float64)
        if outline.shape[1:] != (2,) or len(outline) < 3 or not np.isfinite(outline).all():
            raise ValueError("a section is a polygon of three corners (x, y) or more")
        shape = shapely.Polygon(outline)
        if not shape.is_valid or not shape.area > 0:
            raise ValueError("a section must be a simple polygon with an area: it crosses itself, or is flat")
        object.__setattr__(self, "corners", outline if shape.exterior.is_ccw else outline[::-1].copy())

    @cached_property
    def _crosses(self) -> tuple[Points, Points, Floats]:
        """Corners, those after them, and twice the areas towards (0, 0), from the first corner as origin."""
        a = self.corners - self.corners[0]
        b = np.roll(a, -1, axis=0)
        return a, b, a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]

    @cached_property
    def area(self) -> float:
        """Area (um2)."""
        return float(self._crosses[2].sum() / 2)

    @cached_property
    def centroid(self) -> Points:
        """Centre of area (um)."""
        a, b, cross = self._crosses
        middle: Points = ((a + b) * cross[:, None]).sum(axis=0) / (6 * self.area) + self.corners[0]
        return middle

    @cached_property
    def arms(self) -> Points:
        """Corners as seen from the centroid (um)."""
        return self.corners - self.centroid

    @cached_property
    def second_moments(self) -> Floats:
        """[[int x2, int xy], [int xy, int y2]] about the centroid (um4): the first resists bending towards x."""
        a = self.arms
        b = np.roll(a, -1, axis=0)
        cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
        outer = np.einsum("ni,nj->nij", a, a) + np.einsum("ni,nj->nij", b, b)
        mixed = np.einsum("ni,nj->nij", a, b)
        moments: Floats = (cross[:, None, None] * (outer + (mixed + mixed.transpose(0, 2, 1)) / 2)).sum(axis=0) / 12
        return moments

    @cached_property
    def principal(self) -> tuple[tuple[float, float], Points]:
        """Least and largest second moment (um4), and the directions of bending that they resist, as rows."""
        values, vectors = np.linalg.eigh(self.second_moments)
        return (float(values[0]), float(values[1])), vectors.T

    def width(self, towards: Points) -> Floats:
        """Extent (um) along each of (n, 2) unit vectors."""
        along = towards @ self.arms.T
        wide: Floats = along.max(axis=1) - along.min(axis=1)
        return wide

    def plastic_modulus(self, towards: Points) -> Floats:
        """Plastic section modulus (um3) for bending towards each of (n, 2) unit vectors."""
        u = towards @ self.arms.T
        v = np.roll(u, -1, axis=1)
        a = self.arms
        low, high = u.min(axis=1), u.max(axis=1)
        # the line that halves the area; through the centroid already where the section looks alike from both sides
        for _ in range(0 if self._is_point_symmetric else _HALVINGS):
            middle = (low + high) / 2
            more = _beyond(u, v, a, towards, middle) > self.area / 2
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        return _first_moments(u, v, a, towards, (low + high) / 2)

    @cached_property
    def _is_point_symmetric(self) -> bool:
        arms = self.arms
        if len(arms) % 2:
            return False
        return bool(np.allclose(arms, -np.roll(arms, len(arms) // 2, axis=0), atol=1e-6 * math.sqrt(self.area)))

    def shear_coefficient(self, poisson: float) -> float:
        """Share of the area that bears shear, after Cowper."""
        if self._fill >= RECTANGULAR:
            return 10 * (1 + poisson) / (12 + 11 * poisson)
        return 6 * (1 + poisson) / (7 + 6 * poisson)

    @cached_property
    def _fill(self) -> float:
        box = shapely.oriented_envelope(shapely.Polygon(self.corners))
        return self.area / box.area

    def offset(self, by: Um) -> Section:
        """Every edge moved outwards by a length (um), inwards where it is negative.

        Raises:
            ValueError: nothing, or more than one piece, is left.
        """
        if by == 0:
            return self
        pieces = shapely.get_parts(shapely.Polygon(self.corners).buffer(by, join_style="mitre")).tolist()
        if len(pieces) != 1 or pieces[0].is_empty or len(pieces[0].interiors):
            raise ValueError(f"a section that is moved inwards by {-by:g} um leaves nothing, or more than one piece")
        return Section(np.array(pieces[0].exterior.coords)[:-1])


def _beyond(u: Floats, v: Floats, a: Points, n: Points, at: Floats) -> Floats:
    """Area on the far side of a line n . p = at, by signed triangles from a point on that line."""
    d, e, areas = _from_line(u, v, a, n, at)
    total = np.abs(d) + np.abs(e)
    share = (np.maximum(d, 0) + np.maximum(e, 0)) / np.where(total > 0, total, 1)
    out: Floats = (areas * share).sum(axis=1)
    return out


def _first_moments(u: Floats, v: Floats, a: Points, n: Points, at: Floats) -> Floats:
    """int |n . p - at| dA: a triangle with one corner on the line and the others d and e away from it adds its area
    times (d2 + e2) / (3 (|d| + |e|)) where the line parts them, and (|d| + |e|) / 3 else."""
    d, e, areas = _from_line(u, v, a, n, at)
    total = np.abs(d) + np.abs(e)
    parted = (d * d + e * e) / (3 * np.where(total > 0, total, 1))
    out: Floats = (areas * np.where(d * e < 0, parted, total / 3)).sum(axis=1)
    return out


def _from_line(u: Floats, v: Floats, a: Points, n: Points, at: Floats) -> tuple[Floats, Floats, Floats]:
    """Distances of each edge's ends from the line, and the signed area of the triangle with a point of the line."""
    origin = n * at[:, None]
    ax, ay = a[None, :, 0] - origin[:, :1], a[None, :, 1] - origin[:, 1:]
    bx, by = np.roll(ax, -1, axis=1), np.roll(ay, -1, axis=1)
    return u - at[:, None], v - at[:, None], (ax * by - ay * bx) / 2


def round_section(diameter: Um, corners: int = 128) -> Section:
    """A circle, as cells draw it: by sides that touch it."""
    return Section(circle(diameter, corners))


def rectangle_section(width: Um, height: Um) -> Section:
    """A rectangle: a square where both are equal."""
    return Section(span(-width / 2, -height / 2, width / 2, height / 2))


def octagon_section(across: Um) -> Section:
    """A regular octagon by the distance of its opposite sides."""
    angle = (np.arange(8) + 0.5) * math.pi / 4
    return Section(np.column_stack([np.cos(angle), np.sin(angle)]) * across / 2 / math.cos(math.pi / 8))


def obround_section(length: Um, width: Um, corners: int = 128) -> Section:
    """A slot with round ends, its length along x.

    Raises:
        ValueError: it is not longer than wide.
    """
    if not length > width:
        raise ValueError(f"an obround {length:g} um long is no longer than it is wide ({width:g} um)")
    line = shapely.LineString([(-(length - width) / 2, 0), ((length - width) / 2, 0)])
    return Section(np.array(line.buffer(width / 2, quad_segs=corners // 4).exterior.coords)[:-1])
