"""How each clause of the window contract is taken away from the engine, one at a time, to see that the corpus notices.

The fifth clause is the comparison itself (`equality`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import klayout.db as kdb
import numpy as np
import pytest

from layoutgen.drc import look, place
from layoutgen.drc.checks import Task
from layoutgen.windows import frame, signature, source

Disable = Callable[[pytest.MonkeyPatch], None]


def slanted_shapes_are_clipped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(frame, "_slanted", lambda shapes, margin: kdb.Edges())


def halos_reach_two_units(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(look, "LEAST", 0.0)
    patch.setattr(look.Across, "_halo", lambda self, job, most=0.0: 2)


def polygons_are_judged_in_pieces(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Task, "whole", False)


def windows_keep_all_that_they_see(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(place, "_parts", lambda finding, core: iter([finding]))


def parts_are_not_stitched(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(place, "_joined", iter)


def short_findings_belong_to_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(place, "_owns", lambda cores, low: np.ones(len(low), dtype=bool))


def signatures_are_hashes(patch: pytest.MonkeyPatch) -> None:
    """Of the worst kind: one in which all windows with as many items collide."""

    def alike(rows: object, first: np.ndarray, count: np.ndarray, totals: object) -> Iterator[np.ndarray]:
        for n in np.unique(count):
            yield np.flatnonzero(count == n)

    patch.setattr(signature, "_alike", alike)


def places_are_whole_units(patch: pytest.MonkeyPatch) -> None:
    kept = source.Layer._motion

    def motion(self: source.Layer, at: kdb.DCplxTrans, side: tuple[int, ...] = (0, 0)) -> int:
        return kept(self, kdb.DCplxTrans(at.mag, at.angle, at.is_mirror(), 0, 0), side)

    patch.setattr(source.Layer, "_motion", motion)


def halves_are_rounded_alike(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(source, "_sides", lambda at, box: np.zeros_like(at))


def cells_are_their_boxes(patch: pytest.MonkeyPatch) -> None:
    def content(self: source.Layer, cell: kdb.Cell) -> int:
        return self._intern(str(cell.bbox(self._index)), cell)

    patch.setattr(source.Layer, "_content", content)


def windows_forget_the_lattice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Task, "lattice", None)


def windows_know_their_own_polygons_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Task, "between", "any")


def hashes_collide(patch: pytest.MonkeyPatch) -> None:
    """Not a clause: what must change nothing, as long as signatures are compared in full."""
    patch.setattr(signature, "_hashes", lambda rows: np.zeros(len(rows), dtype=np.uint64))


CLAUSES: dict[str, tuple[Disable, str]] = {
    "1 slanted shapes enter whole": (slanted_shapes_are_clipped, "wires_near_the_limit"),
    "2 halos hold all that decides": (halos_reach_two_units, "long_findings"),
    "3 polygons are judged whole": (polygons_are_judged_in_pieces, "large_polygons"),
    "4 short findings are owned": (short_findings_belong_to_all, "large_polygons"),
    "4 parts are owned": (windows_keep_all_that_they_see, "long_findings"),
    "4 parts are stitched": (parts_are_not_stitched, "long_findings"),
    "6 signatures are compared in full": (signatures_are_hashes, "same_box_other_content"),
    "6 places are known below a unit": (places_are_whole_units, "between_units"),
    "6 halves are rounded by their side": (halves_are_rounded_alike, "half_units_about_zero"),
    "6 cells are known by their content": (cells_are_their_boxes, "same_box_other_content"),
    "7 windows keep their place on a lattice": (windows_forget_the_lattice, "off_the_lattice"),
    "8 polygons are joined over windows": (windows_know_their_own_polygons_only, "u_joined_outside"),
}
"""By clause, what takes it away, and the case that notices."""
