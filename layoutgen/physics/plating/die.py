"""One die as a network between its ties and its posts.

Each net is meshed (`mesh`) and reduced to its ties, where it leaves the die, and its posts. Exact for the mesh; a tie
is one potential across its width where it crosses the die's edge, and a post is one potential over its footprint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import klayout.db as kdb
import numpy as np

from layoutgen.errors import InputError, Problem
from layoutgen.physics.plating import mesh
from layoutgen.physics.plating.mesh import Floats, Ints, Sheet
from layoutgen.units import DBU, Um, dbu

Side = Literal["left", "right", "bottom", "top"]
SIDES: tuple[Side, ...] = ("left", "right", "bottom", "top")
LARGEST = 400.0
"""Triangles are no larger (um2): a coarser mesh of quadratic elements is as good, but for shapes like discs."""


class PlatingError(InputError):
    """The network cannot be made of this geometry."""


@dataclass(frozen=True, slots=True)
class Tie:
    """Where metal leaves a die, square to its edge: side, middle along it from the lower left, and width (um)."""

    side: Side
    at: Um
    width: Um


@dataclass(frozen=True)
class DieMetal:
    """A distinct die's metal before the cut, lower-left corner at (0, 0); regions in database units.

    metal: by level, each with its sheet resistance (ohm a square); levels are joined by `vias`. Ties are of the first,
    and posts stand on the last.
    posts: footprint of each post by its name, and `nets` the net it belongs to.
    tie: what of the metal is a tie (for a what-if on ties per net).
    stubs: what leads from the die's edge to the bus, level 0 only: rectangles that touch the die's edge.
    """

    name: str
    width: Um
    height: Um
    metal: tuple[tuple[kdb.Region, float], ...]
    posts: Mapping[str, kdb.Polygon]
    stubs: kdb.Region
    nets: Mapping[str, str] = field(default_factory=dict)
    vias: kdb.Region = field(default_factory=kdb.Region)
    tie: kdb.Region = field(default_factory=kdb.Region)

    @property
    def box(self) -> kdb.Box:
        """The die in database units."""
        return kdb.Box(0, 0, dbu(self.width), dbu(self.height))

    @cached_property
    def ties(self) -> tuple[Tie, ...]:
        """Its ties, by side and place.

        Raises:
            PlatingError: what leads to the bus is not straight.
        """
        return tuple(sorted(self._ties(), key=lambda t: (SIDES.index(t.side), t.at)))

    def _ties(self) -> Iterator[Tie]:
        box = self.box
        for piece in self.stubs.merged().each():
            b = piece.bbox()
            sides: dict[Side, bool] = {
                "left": b.right == box.left, "right": b.left == box.right,
                "bottom": b.top == box.bottom, "top": b.bottom == box.top,
            }  # fmt: skip
            side = next((s for s in SIDES if sides[s]), None)
            if side is None or not piece.is_box():
                message = (
                    f"the metal between die {self.name!r} and its bus at ({b.center().x * DBU:g}, "
                    f"{b.center().y * DBU:g}) um is no straight tie that leaves the die squarely; "
                    "lead each tie straight to the bus"
                )
                raise PlatingError([Problem("", "", message)])
            along = (b.bottom, b.top) if side in ("left", "right") else (b.left, b.right)
            yield Tie(side, sum(along) / 2 * DBU, (along[1] - along[0]) * DBU)

    def conductors(self) -> list[kdb.Polygon]:
        """Ends of ties outside of the die's edge, then the posts' footprints, in database units."""
        w, h = self.box.right, self.box.top
        ends = []
        for t in self.ties:
            a, b = dbu(t.at - t.width / 2), dbu(t.at + t.width / 2)
            spans = {"left": (-1000, a, 0, b), "right": (w, a, w + 1000, b),
                     "bottom": (a, -1000, b, 0), "top": (a, h, b, h + 1000)}  # fmt: skip
            ends.append(kdb.Polygon(kdb.Box(*spans[t.side])))
        return [*ends, *self.posts.values()]

    def sheet(self, ties: float = 1.0, largest: float = LARGEST) -> Sheet:
        """Its mesh, with ties first and posts next; what is tie conducts `ties` times as well.

        With two levels, those are one film with the vias as ideal conductors between them.
        """
        ends = self.conductors()
        vias = list(self.vias.merged().each())
        shapes, last = [*ends, *vias], len(self.metal) - 1
        of_both = range(len(ends), len(shapes))
        inside = kdb.Region(self.box)
        better = self.tie & inside if ties != 1.0 else None
        films, members = [], []
        for level, (metal, ohms) in enumerate(self.metal):
            # below a post that stands on the second level, the first may be another net's
            own = [*(range(len(self.ties)) if level == 0 else ()),
                   *(range(len(self.ties), len(ends)) if level == last else ()), *of_both]  # fmt: skip
            here = better if level == 0 else None
            films.append(
                mesh.sheet(metal & inside, [shapes[k] for k in own], ohms, largest, better=here, times=ties)
            )  # fmt: skip
            members.append(np.array(own, np.int64))
        if len(films) == 1 and not vias:
            return films[0]
        # a via below a post is one conductor with it
        same = np.arange(len(shapes))
        for k, footprint in enumerate(ends[len(self.ties) :], len(self.ties)):
            around = kdb.Region(footprint)
            for v, via in enumerate(vias, len(ends)):
                if via.bbox().touches(footprint.bbox()) and not (around & kdb.Region(via)).is_empty():
                    same[v] = k
        return _joined(films, [same[m] for m in members], len(shapes), len(ends))


def _joined(films: Sequence[Sheet], members: Sequence[Ints], shared: int, terminals: int) -> Sheet:
    """Films that have some of `shared` conductors each, by number; of these the first `terminals` go on as such."""
    from scipy import sparse

    count = shared + sum(f.matrix.shape[0] - f.terminals for f in films)
    total, area, first = sparse.csr_array((count, count)), np.zeros(count), shared
    for f, mine in zip(films, members, strict=True):
        own = f.matrix.shape[0] - f.terminals
        node = np.concatenate([mine, first + np.arange(own)])
        total = total + mesh.merged(f.matrix, node, count)
        area += np.bincount(node, f.area, count)
        first += own
    return Sheet(sparse.csr_array(total), terminals, area)


@dataclass(frozen=True, slots=True)
class Die:
    """A die reduced to its ties and posts: conductances (siemens) between them, ties first."""

    metal: DieMetal
    matrix: Floats
    groups: tuple[tuple[Ints, Ints], ...]
    """For each piece of metal its ties and its posts, by number."""
    areas: Floats
    """Footprint of each post (um2)."""

    @property
    def ties(self) -> int:
        """Number of ties."""
        return len(self.metal.ties)


def reduced(metal: DieMetal, ties: float = 1.0, largest: float = LARGEST) -> Die:
    """A die reduced to its ties and posts; what is tie conducts `ties` times as well.

    Raises:
        PlatingError: a tie is not straight.
    """
    from scipy.sparse.csgraph import connected_components

    full = metal.sheet(ties, largest)
    matrix = full.reduced()
    count = len(metal.ties)
    _, label = connected_components(full.matrix, directed=False)
    label = label[: full.terminals]
    groups = []
    for one in np.unique(label):
        members = np.flatnonzero(label == one)
        groups.append((members[members < count], members[members >= count] - count))
    return Die(metal, matrix, tuple(groups), np.array([p.area() * DBU**2 for p in metal.posts.values()]))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A die whose posts have been eliminated: `matrix` (siemens) and `current` (A) into its ties.

    The posts' potentials are `gain @ ties + offset`; those that no tie reaches are infinite.
    """

    matrix: Floats
    current: Floats
    gain: Floats
    offset: Floats
    alone: tuple[int, ...]
    """Ties that are their net's only one."""


def load(die: Die, current: Floats, conductance: Floats) -> Loaded:
    """Eliminate the posts: `current` (A) into each, and `conductance` (siemens) from each to ground."""
    count, posts = die.ties, len(die.areas)
    matrix, into = np.zeros((count, count)), np.zeros(count)
    gain, offset = np.zeros((posts, count)), np.full(posts, np.inf)
    alone = []
    for t, p in die.groups:
        if len(t) == 0:
            continue
        if len(t) == 1:
            alone.append(int(t[0]))
        q = p + count
        bare = die.matrix[np.ix_(t, t)]
        if len(p):
            q = p + count
            across, own = -die.matrix[np.ix_(q, t)], die.matrix[np.ix_(q, q)]
            share = np.linalg.solve(own, across)
            share /= share.sum(axis=1, keepdims=True)
            loaded = own + np.diag(conductance[p])
            mine = share if not conductance[p].any() else np.linalg.solve(loaded, own @ share)
            gain[np.ix_(p, t)], offset[p] = mine, np.linalg.solve(loaded, current[p])
            bare = bare - across.T @ share
            # no difference of large numbers: what the posts draw is added to what the metal alone conducts
            matrix[np.ix_(t, t)] = (share * conductance[p][:, None]).T @ mine
            into[t] = mine.T @ current[p]
        apart = (bare + bare.T) / 2
        np.fill_diagonal(apart, 0.0)
        matrix[np.ix_(t, t)] += apart - np.diag(apart.sum(axis=1))
    return Loaded(matrix, into, gain, offset, tuple(alone))
