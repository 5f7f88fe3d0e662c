"""Shapes of a layer are circles, octagons or rectangles of one size.

Reports each polygon whose outline leaves the ideal one by more than the tolerance, or that has a hole. The ideal one
lies around the centre of the polygon's bounding box. Shapes that touch are one polygon.

- circle: no point of the outline, at a corner or between two, is further off the circle than the tolerance: a circle
  of n corners inside one of radius r is off by r (1 - cos(180 / n)) in the middle of its edges.
- octagon: eight corners, none further from its own of the regular octagon that stands on an edge.
- rectangle: four corners, none further in x or in y from its own of the upright rectangle, or of the same turned by 90
  degrees, as a die on the wafer may be.

Layers: the layer. Limit: diameter; the octagon's, and the square's, width from side to side; in um.

Options:
    shape: "circle", "octagon" or "rectangle".
    size: [width, height] of the rectangle in um, in place of the limit.
    tolerance: in um (default 0.2); exactly that far passes.

Example:
    [rules."PILLAR.X.1"]
    check = "exact_shape"
    layers = ["pillar"]
    shape = "circle"
    limit = 44.0
    why = "Corners concentrate the stress of the joint."
    source = "IHP SG13G2 layout rules table 6.1, copper pillar"
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import klayout.db as kdb
import numpy as np
import numpy.typing as npt

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import Kind, um
from layoutgen.findings import Finding
from layoutgen.tomlfile import Model, NonNegativeUm, PositiveUm
from layoutgen.units import DBU, Um, dbu

Corners = npt.NDArray[np.float64]
"""(n, 2) in database units, seen from the centre."""
ROUNDING = 1e-6
"""Of floats, far below the grid."""


class Options(Model):
    shape: Literal["circle", "octagon", "rectangle"]
    size: tuple[PositiveUm, PositiveUm] | None = None
    tolerance: NonNegativeUm = 0.2


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    size = (dbu(options.size[0]), dbu(options.size[1])) if options.size else (limit, limit)
    judge = JUDGES[options.shape]
    off: dict[kdb.Polygon, float | None] = {}  # of equal shapes, and there are many, one is judged
    found = []
    for shape in regions[0].merged().each():
        outline = shape.moved(-shape.bbox().left, -shape.bbox().bottom)
        if outline not in off:
            off[outline] = None if outline.holes() else judge(_corners(outline), size)
        by = off[outline]
        if by is None:
            found.append(marks.polygon(rule, shape, f"no {options.shape}"))
        elif by > dbu(options.tolerance) + ROUNDING:
            note = f"{um(shape.bbox().width() * DBU)} x {um(shape.bbox().height() * DBU)}"
            found.append(marks.polygon(rule, shape, f"off by {um(by * DBU)}, {note}", round(by * DBU, 6), asked=0.0))
    return found


def _corners(shape: kdb.Polygon) -> Corners:
    box = shape.bbox()
    points = np.array([(p.x, p.y) for p in shape.each_point_hull()], dtype=float)
    return points - ((box.left + box.right) / 2, (box.bottom + box.top) / 2)


def _off_circle(corners: Corners, size: tuple[int, int]) -> float | None:
    """The most that any point of the outline is off the circle; None if the centre is not inside."""
    x0, y0 = corners.T
    x1, y1 = np.roll(corners, -1, axis=0).T
    cross = x0 * y1 - x1 * y0
    if not ((cross > 0).all() or (cross < 0).all()):
        return None
    along = np.clip(-(x0 * (x1 - x0) + y0 * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2), 0, 1)
    nearest = np.hypot(x0 + along * (x1 - x0), y0 + along * (y1 - y0))
    return float(max(np.hypot(x0, y0).max() - size[0] / 2, size[0] / 2 - nearest.min()))


def _off_octagon(corners: Corners, size: tuple[int, int]) -> float | None:
    """The most that a corner is off its own, None if there are not eight."""
    if len(corners) != 8:
        return None
    at = np.radians(22.5 + 45 * np.arange(8))
    ideal = size[0] / 2 / np.cos(np.radians(22.5)) * np.column_stack([np.cos(at), np.sin(at)])
    return float(np.hypot(*_nearest(corners, ideal).T).max())


def _off_rectangle(corners: Corners, size: tuple[int, int]) -> float | None:
    """The most that a corner is off its own in x or in y, None if there are not four."""
    if len(corners) != 4:
        return None
    signs = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    return min(float(np.abs(_nearest(corners, signs * sides / 2)).max()) for sides in (size, size[::-1]))


def _nearest(corners: Corners, ideal: Corners) -> Corners:
    """From each ideal corner to the nearest one there is."""
    apart = corners[None, :, :] - ideal[:, None, :]
    chosen = (apart**2).sum(axis=2).argmin(axis=1)
    return np.take_along_axis(apart, chosen[:, None, None], axis=1)[:, 0]


JUDGES: dict[str, Callable[[Corners, tuple[int, int]], float | None]] = {
    "circle": _off_circle, "octagon": _off_octagon, "rectangle": _off_rectangle,
}  # fmt: skip


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    size = " x ".join(um(side) for side in options.size) if options.size else limit
    return f"{layers[0]} is a {options.shape} of {size} +- {um(options.tolerance)}"


def reach(limit: Um, options: Options) -> Um:
    return max(options.size) if options.size else limit


def complaint(limit: Um | None, options: Options) -> str:
    if options.size and options.shape != "rectangle":
        return f"a {options.shape} has no size = [width, height]; give a limit"
    if (limit is None) == (options.size is None):
        return "give either a limit or, of a rectangle, size = [width, height]"
    return ""


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    size = [dbu(side) for side in options.size] if options.size else [limit] * (1 + (options.shape == "rectangle"))
    wanted = ", ".join(map(str, [*size, dbu(options.tolerance)]))
    return [f"which({layers[0]}) {{ |shape| !{options.shape}?(shape, {wanted}) }}"]


KIND = Kind(
    name="exact_shape", doc=__doc__, layers=("layer",), limit="optional", options=Options, check=check,
    words=words, deck=deck,
    reach=reach, whole=True, complaint=complaint,
)  # fmt: skip
