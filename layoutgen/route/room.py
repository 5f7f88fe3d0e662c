"""Where there is still room: whether one more polygon of a net keeps its distances to all that is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route.bodies import polygon, solids
from layoutgen.route.legal import Surroundings, leaves, standing
from layoutgen.route.problem import RouteProblem, Via, Wire
from layoutgen.units import IntPoints, dbu


@dataclass(frozen=True, eq=False)
class Piece:
    """A polygon that may be added: its points, the space it keeps (dbu), its net, and whether it is a tie's."""

    points: IntPoints
    space: int
    net: str
    tie: bool

    @cached_property
    def polygon(self) -> kdb.Polygon:
        """The same for KLayout."""
        return polygon(self.points)


class Room:
    """What stands on a layer, and what was added to it."""

    def __init__(
        self,
        problem: RouteProblem,
        layer: int,
        wires: Sequence[Wire],
        bodies: Sequence[IntPoints],
        nets: Mapping[str, str],
        vias: Sequence[Via],
    ) -> None:
        self._problem = problem
        shapes, radii, spaces, names = standing(problem, layer, nets, vias)
        shapes += _measured(bodies).tolist()
        radii += [0.0] * len(wires)
        spaces += [dbu(problem.space_of(w.net, problem.drawn(w.width))) for w in wires]
        names += [w.net for w in wires]
        self._stages = [Surroundings(shapes, radii, spaces, names)]
        self._added: list[tuple[list[shapely.Geometry], list[float], list[str]]] = []

    def take(self, pieces: Sequence[Piece]) -> npt.NDArray[np.bool_]:
        """Add the pieces that keep all their distances, in turn, and say which they are.

        A piece keeps its space, or a larger one of the other metal, to all of other nets, and unless it is a tie's
        also `edge` to the outline.
        """
        if not pieces:
            return np.empty(0, dtype=bool)
        shapes = _measured([p.points for p in pieces])
        spaces = np.array([p.space for p in pieces], dtype=float)
        nets = np.array([p.net for p in pieces], dtype=np.str_)
        free = ~leaves(self._problem, shapes, np.array([p.tie for p in pieces]))
        for stage in self._stages:
            free[stage.too_near(shapes, spaces, nets)[0]] = False
        left = np.flatnonzero(free)
        among = Surroundings(shapes[left].tolist(), [0.0] * len(left), spaces[left].tolist(), nets[left].tolist())
        for i, k in zip(*(n.tolist() for n in among.too_near(shapes[left], spaces[left], nets[left])), strict=True):
            if k < i and free[left[k]]:
                free[left[i]] = False
        taken = np.flatnonzero(free)
        if len(taken):
            self._add(shapes[taken].tolist(), spaces[taken].tolist(), nets[taken].tolist())
        return free

    def _add(self, shapes: list[shapely.Geometry], spaces: list[float], nets: list[str]) -> None:
        """Put shapes into a stage of their own, with all that stand in stages that are no larger."""
        while self._added and len(self._added[-1][0]) <= len(shapes):
            self._stages.pop()
            last = self._added.pop()
            shapes, spaces, nets = last[0] + shapes, last[1] + spaces, last[2] + nets
        self._added.append((shapes, spaces, nets))
        self._stages.append(Surroundings(shapes, [0.0] * len(shapes), spaces, nets))


def _measured(rings: Sequence[IntPoints]) -> npt.NDArray[np.object_]:
    """Polygons to be measured; nothing where there are no points."""
    shapes = solids(rings)
    broken = ~shapely.is_valid(shapes)
    shapes[broken] = shapely.buffer(shapes[broken], 0)
    return shapes
