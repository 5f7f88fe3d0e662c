"""Sheet conduction: thin metal as a mesh of linear triangles, and its reduction to few nodes.

Model: div(grad(v) / Rs) = -j in a film of sheet resistance Rs (ohm a square), no current through its edges. Linear
elements on a triangulation give the conductance between two nodes as a sum of cotangents of the angles that face their
edge. Source: Duffin, "Distributed and lumped networks", J. Math. Mech. 8 (1959) 793; Pinkall and Polthier, "Computing
discrete minimal surfaces and their conjugates", Exp. Math. 2 (1993) 15. A mesh conducts a little worse or better than
the film by how it is held: with potentials given at its terminals, its power, and so its conductance, is an upper
bound that falls to the true value as triangles shrink. Straight wires between two terminals are exact on any mesh.

Valid where the film is much thinner than wide (no field across its thickness) and of one sheet resistance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.units import DBU, Um

if TYPE_CHECKING:
    from scipy import sparse

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

QUALITY = 0.7
"""Least ratio of a triangle's shortest edge to the radius of its circumcircle."""
GRADES = (0.1, 0.02, 0.004)
"""Distances from a corner that turns in, of its shorter edge, at which the mesh gets points."""
CORNERS = 32
"""A footprint with more corners is thinned to about so many."""
INSET = 1000
"""Database units from the film's edge within which the mesh gets no corners but its own."""
_NEAR = 3.0
"""Database units by which a point that KLayout put on an edge may lie beside it."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles: `points` (n, 2) in database units, `corners` (m, 3) their numbers."""

    points: Ints
    corners: Ints

    @property
    def centres(self) -> Floats:
        """The triangles' centres, (m, 2) in database units."""
        middle: Floats = self.points[self.corners].mean(axis=1)
        return middle

    @property
    def areas(self) -> Floats:
        """The triangles' areas, (m,) in um2."""
        a, b, c = (self.points[self.corners[:, k]] * DBU for k in range(3))
        doubled: Floats = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
        return doubled / 2


def triangulate(metal: kdb.Region, largest: float, extra: Sequence[kdb.Point] = ()) -> Mesh:
    """Metal as triangles of at most `largest` um2, with corners at the points `extra` as well."""
    found: list[tuple[int, int, int, int, int, int]] = []
    for piece in metal.merged().each():
        box = piece.bbox()
        inside = [p for p in extra if box.contains(p) and piece.inside(p)]
        parts = (
            piece.delaunay(inside, largest / DBU**2, QUALITY) if inside else piece.delaunay(largest / DBU**2, QUALITY)
        )
        for t in parts.each():
            a, b, c = t.each_point_hull()
            found.append((a.x, a.y, b.x, b.y, c.x, c.y))
    corners = np.array(found, dtype=np.int64).reshape(-1, 2)
    if len(corners) == 0:
        return Mesh(np.zeros((0, 2), np.int64), np.zeros((0, 3), np.int64))
    points, numbers = np.unique(corners, axis=0, return_inverse=True)
    return Mesh(points, numbers.reshape(-1, 3))


@dataclass(frozen=True, slots=True)
class Elements:
    """Quadratic elements on a mesh: its corners, then the middles of its edges.

    matrix: conductances (siemens).
    points: (n, 2) in database units.
    area: the area that belongs to each node (um2), for a current that is uniform over the mesh.
    """

    matrix: sparse.csr_array
    points: Floats
    area: Floats


def elements(mesh: Mesh, conductance: npt.ArrayLike) -> Elements:
    """A mesh whose triangles have a sheet conductance (siemens a square) each, as a network of its nodes."""
    from scipy import sparse

    p = mesh.points[mesh.corners].astype(np.float64) * DBU
    facing = np.stack([p[:, 2] - p[:, 1], p[:, 0] - p[:, 2], p[:, 1] - p[:, 0]], axis=1)
    area = mesh.areas
    weight = np.where(area > 0, np.broadcast_to(conductance, area.shape) / np.where(area > 0, 4 * area, 1.0), 0.0)
    linear = np.einsum("mik,mjk->mij", facing, facing) * weight[:, None, None]
    local = np.einsum("mij,abij->mab", linear, _QUADRATIC)
    pairs = np.sort(np.stack([np.roll(mesh.corners, -1, axis=1), np.roll(mesh.corners, -2, axis=1)], axis=2), axis=2)
    edges, edge = np.unique(pairs.reshape(-1, 2), axis=0, return_inverse=True)
    nodes = np.hstack([mesh.corners, len(mesh.points) + edge.reshape(-1, 3)])
    count = len(mesh.points) + len(edges)
    rows, columns = np.repeat(nodes, 6, axis=1).ravel(), np.tile(nodes, (1, 6)).ravel()
    matrix = sparse.csr_array(sparse.coo_array((local.ravel(), (rows, columns)), shape=(count, count)))
    points = np.vstack([mesh.points, mesh.points[edges].mean(axis=1)])
    share: Floats = np.bincount(nodes[:, 3:].ravel(), np.repeat(area / 3, 3), count).astype(np.float64)
    return Elements(matrix, points, share)


def _quadratic() -> Floats:
    """How a quadratic triangle's matrix follows from the linear one's: [a, b, i, j] of its nodes and corners.

    Nodes 0 to 2 are corners, node 3 + k is the middle of the edge that faces corner k.
    """
    out = np.zeros((6, 6, 3, 3))
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        out[i, i, i, i] = 1.0
        for other, middle in ((j, 3 + k), (k, 3 + j)):
            out[i, other, i, other] = -1 / 3
            out[i, middle, i, other] = out[middle, i, i, other] = 4 / 3
        out[3 + i, 3 + i, j, j] = out[3 + i, 3 + i, k, k] = out[3 + i, 3 + i, j, k] = 8 / 3
        out[3 + j, 3 + k, j, k] = out[3 + k, 3 + j, j, k] = 8 / 3
    return out


_QUADRATIC = _quadratic()


def merged(matrix: sparse.csr_array, node: Ints, count: int) -> sparse.csr_array:
    """A matrix whose rows and columns `k` are added up in those of `node[k]`, of `count`: ideal conductors."""
    from scipy import sparse

    m = sparse.coo_array(matrix)
    rows, columns = m.coords
    return sparse.csr_array(sparse.coo_array((m.data, (node[rows], node[columns])), shape=(count, count)))


def factor(matrix: Any) -> Any:
    """The sparse factors of a symmetric positive definite matrix."""
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import splu

    return splu(
        csc_array(matrix), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )  # fmt: skip


def reduce(matrix: sparse.csr_array, keep: Ints) -> Floats:
    """The same network as seen from the nodes `keep` alone, dense: its Schur complement (Kron reduction).

    Source: Dörfler and Bullo, "Kron reduction of graphs with applications to electrical networks", IEEE Trans. Circuits
    Syst. I 60 (2013) 150. What is joined with none of `keep` is left out.
    """
    from scipy.sparse.csgraph import connected_components

    out = np.zeros((len(keep), len(keep)))
    if len(keep) == 0:
        return out
    _, label = connected_components(matrix, directed=False)
    order = np.argsort(label, kind="stable")
    bounds = np.searchsorted(label[order], np.arange(label.max() + 2))
    place = np.full(matrix.shape[0], -1)
    place[keep] = np.arange(len(keep))
    for one in np.unique(label[keep]):
        nodes = order[bounds[one] : bounds[one + 1]]
        kept, inner = nodes[place[nodes] >= 0], nodes[place[nodes] < 0]
        rows = matrix[kept]
        small = rows[:, kept].toarray()
        if len(inner):
            across = rows[:, inner].toarray()
            small = small - across @ factor(matrix[inner][:, inner]).solve(np.ascontiguousarray(across.T))
        at = place[kept]
        out[np.ix_(at, at)] = (small + small.T) / 2
    return out


def thinned(polygon: kdb.Polygon) -> kdb.Polygon:
    """A polygon's hull with about `CORNERS` of its corners, where it has more."""
    points = list(polygon.each_point_hull())
    return kdb.Polygon(points[:: -(-len(points) // CORNERS)] if len(points) > CORNERS else points)


def on_shapes(points: Floats, shapes: Sequence[kdb.Polygon]) -> Ints:
    """For each point (database units) the shape that it lies in or on; -1 where it lies on none."""
    out = np.full(len(points), -1, np.int64)
    if shapes and len(points):
        outlines = [shapely.Polygon([(p.x, p.y) for p in s.each_point_hull()]) for s in shapes]
        at, shape = shapely.STRtree(outlines).query(shapely.points(points), predicate="dwithin", distance=_NEAR)
        out[at] = shape
    return out


@dataclass(frozen=True, slots=True)
class Sheet:
    """A film with ideal conductors in it: conductance matrix (siemens); node k < `terminals` is the k-th conductor.

    area: what of the meshed film belongs to each node (um2).
    """

    matrix: sparse.csr_array
    terminals: int
    area: Floats

    def reduced(self) -> Floats:
        """The conductances between its terminals alone (siemens)."""
        return reduce(self.matrix, np.arange(self.terminals))


def sheet(
    metal: kdb.Region, conductors: Sequence[kdb.Polygon], ohms: float, largest: Um, *,
    better: kdb.Region | None = None, times: float = 1.0,
) -> Sheet:  # fmt: skip
    """A film of `ohms` a square (database units), triangles of at most `largest` um2, with ideal conductors in it.

    What touches a conductor or is covered by it is one node. Inside `better` the film conducts `times` as well.
    """
    shapes = [thinned(c) for c in conductors]
    film = (metal - kdb.Region(shapes)).merged()
    # corners along the border of `better`, but none beside the film's own: slivers would never end there
    border = better.merged().edges() & film.sized(-INSET) if better is not None else kdb.Edges()
    extra = [p for e in border.each() for p in _along(e)]
    mesh = triangulate(film, largest, [*extra, *graded(film)])
    conductance = np.full(len(mesh.corners), 1 / ohms)
    if better is not None and times != 1.0:
        conductance[_within(mesh, better)] *= times
    made = elements(mesh, conductance)
    node = on_shapes(made.points, shapes)
    free = node < 0
    node[free] = len(shapes) + np.arange(int(free.sum()))
    count = len(shapes) + int(free.sum())
    area: Floats = np.bincount(node, made.area, count).astype(np.float64) if len(node) else np.zeros(count)
    return Sheet(merged(made.matrix, node, count), len(shapes), area)


def graded(film: kdb.Region) -> list[kdb.Point]:
    """Points that make triangles smaller toward corners where current crowds: those that turn in by more than 30
    degrees."""
    out = []
    for piece in film.each():
        rings = [list(piece.each_point_hull()), *(list(piece.each_point_hole(h)) for h in range(piece.holes()))]
        for ring in rings:
            # KLayout turns hulls clockwise, holes the other way round: metal lies on the right
            p = np.array([(q.x, q.y) for q in ring], dtype=np.float64)
            before, after = p - np.roll(p, 1, axis=0), np.roll(p, -1, axis=0) - p
            size = np.minimum(np.hypot(*before.T), np.hypot(*after.T))
            turn = np.arctan2(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0], (before * after).sum(axis=1))
            for k in np.flatnonzero(turn > math.radians(30)):
                inward = (
                    math.atan2(*(after[k] / np.hypot(*after[k]) - before[k] / np.hypot(*before[k]))[::-1]) + math.pi
                )
                for r in size[k] * np.array(GRADES if turn[k] > math.radians(60) else GRADES[:1]):
                    for angle in (inward - 1.05, inward, inward + 1.05):
                        out.append(
                            kdb.Point(round(p[k, 0] + r * math.cos(angle)), round(p[k, 1] + r * math.sin(angle)))
                        )
    return out


def _along(edge: kdb.Edge) -> list[kdb.Point]:
    """Five points of an edge, its ends left out."""
    return [edge.p1 + kdb.Vector(round(edge.dx() * k / 6), round(edge.dy() * k / 6)) for k in range(1, 6)]


def _within(mesh: Mesh, region: kdb.Region) -> npt.NDArray[np.bool_]:
    """Which triangles have their centre in a region."""
    out = np.zeros(len(mesh.corners), np.bool_)
    pieces = [shapely.Polygon([(p.x, p.y) for p in s.each_point_hull()]) for s in region.merged().each()]
    if pieces and len(out):
        out[shapely.STRtree(pieces).query(shapely.points(mesh.centres), predicate="intersects")[0]] = True
    return out
