"""How much of a window a layer covers, wherever the window stands on a lattice.

Square windows stand at all whole multiples of `step` from (0, 0). Of each, the part within the second layer is looked
at: what share of it the first layer covers. Windows with less than `part` of their area within the second layer are
left out. Without a second layer the whole window counts, where it holds any of the layer at all.

Reports each window whose share is less than `min` or more than `max`, and each two windows, one step apart in x or in
y, whose shares differ by more than `gradient`, as one box around both. Values are in per cent; exactly as much passes.
Shares come from areas in whole square database units: exact for edges at multiples of 45 degrees, and off by half a
unit at most along a border of a window where other edges cross it.

Layers: layer, within (may be left out). No limit: the values stand in the options, at least one of them.

Options:
    window: side of the window, in um; a whole multiple of `step`.
    step: from window to window, in um (default: half the window).
    min: least share of the layer, in per cent.
    max: largest share, in per cent.
    gradient: largest difference between neighbouring windows, in percentage points.
    part: least share of a window's area within the second layer, from above 0 to 1 (default 1: the whole window).

Example:
    [rules."RDL.DN.1"]
    check = "density"
    layers = ["rdl", "die"]
    window = 500.0
    step = 250.0
    min = 20.0
    max = 80.0
    why = "Plating current spreads evenly only over evenly covered ground."
    source = "our judgement"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
from pydantic import Field

from layoutgen.drc.checks import marks, script
from layoutgen.drc.checks.kind import Kind
from layoutgen.drc.lattice import Areas, Lattice, Shapes, lattice_over
from layoutgen.findings import Finding
from layoutgen.tomlfile import Model, NonNegativeUm, PositiveUm
from layoutgen.units import Um, dbu, off_grid


class Options(Model):
    window: PositiveUm
    step: PositiveUm | None = None
    min: float | None = Field(default=None, gt=0, le=100)
    max: float | None = Field(default=None, ge=0, lt=100)
    gradient: NonNegativeUm | None = Field(default=None, lt=100)
    part: float = Field(default=1.0, gt=0, le=1)

    @property
    def apart(self) -> Um:
        """From window to window, in um."""
        return self.window / 2 if self.step is None else self.step


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    within = regions[-1].bbox()
    if within.empty():
        return []
    lattice = lattice_over(within, dbu(options.apart))
    return judge(rule, lattice, [shapes.areas(lattice) for shapes in shared(regions)], options)


def judge(rule: str, lattice: Lattice, covered_cells: Sequence[Areas], options: Options) -> list[Finding]:
    """What `check` finds, from how much each layer of `shared` covers of each cell."""
    step, side = lattice.step, dbu(options.window)
    each = side // step  # steps in a window
    # every window that touches the lattice, by its first row and column of cells; one more for the last's other end
    x0, y0 = lattice.x0 - each, lattice.y0 - each
    covered, *ground = [_windows(np.pad(cells, ((each, each), (each, each))), each) for cells in covered_cells]
    judged = covered > 0
    whole = np.full_like(covered, 2 * side * side)
    if ground:
        whole = ground[0]
        judged = (whole > 0) & (whole >= options.part * 2 * side * side * (1 - 1e-12))
    share = 100 * covered / np.maximum(whole, 1)

    def place(i: int, j: int, wide: int = 0, high: int = 0) -> kdb.Polygon:
        left, bottom = (x0 + int(i)) * step, (y0 + int(j)) * step
        return kdb.Polygon(kdb.Box(left, bottom, left + side + wide * step, bottom + side + high * step))

    found = []
    for asked, wrong, note in (
        (options.min, _below(covered, whole, options.min), "covers too little"),
        (options.max, _below(-covered, -whole, options.max), "covers too much"),
    ):
        if asked is not None:
            found += [
                marks.polygon(rule, place(i, j), f"{note}: {share[i, j]:.3f} %", round(float(share[i, j]), 6), asked)
                for i, j in np.argwhere(wrong & judged)
            ]
    if options.gradient is not None:
        for wide, high in ((1, 0), (0, 1)):
            for i, j, by in _steps(share, judged, (wide, high), options.gradient):
                note = f"differ by {by:.3f} percentage points"
                found.append(marks.polygon(rule, place(i, j, wide, high), note, round(by, 6), options.gradient))
    return found


def shared(regions: Sequence[kdb.Region], where: kdb.Region | None = None) -> list[Shapes]:
    """Of merged layers what the rule measures: the first one within the second, and the second; all of it or a part."""
    layer, *grounds = regions
    if not grounds:
        return [Shapes.of(layer) if where is None else Shapes.of(layer).within(where)]
    ground = grounds[0] if where is None else grounds[0] & where
    return [Shapes.of(layer).within(ground), Shapes.of(ground)]


def _below(covered: Areas, whole: Areas, percent: float | None) -> npt.NDArray[np.bool_]:
    """Where less than so many per cent are covered; a part in 10^12 of slack for the rounding of the percentage."""
    asked = (percent or 0.0) / 100 * whole
    wrong: npt.NDArray[np.bool_] = covered < asked - 1e-12 * np.abs(whole)
    return wrong


def _steps(
    share: npt.NDArray[np.float64], judged: npt.NDArray[np.bool_], by: tuple[int, int], most: float
) -> Iterator[tuple[int, int, float]]:
    here = (slice(None, -1 if by[0] else None), slice(None, -1 if by[1] else None))
    there = (slice(by[0], None), slice(by[1], None))
    differ = np.abs(share[there] - share[here])
    for i, j in np.argwhere(judged[here] & judged[there] & (differ > most + 1e-9)):
        yield int(i), int(j), float(differ[i, j])


def _windows(cells: Areas, each: int) -> Areas:
    """The sum over each window of `each` by `each` cells."""
    total = np.pad(cells, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    sums: Areas = total[each:, each:] - total[:-each, each:] - total[each:, :-each] + total[:-each, :-each]
    return sums


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    asked = [f">= {options.min:g} %"] if options.min is not None else []
    asked += [f"<= {options.max:g} %"] if options.max is not None else []
    if options.gradient is not None:
        asked.append(f"changing by <= {options.gradient:g} percentage points from window to window")
    within = f" within {layers[1]}" if len(layers) > 1 else ""
    windows = f"windows of {options.window:g} um every {options.apart:g} um"
    return f"density of {layers[0]}{within} {', '.join(asked)} in {windows}"


def reach(limit: Um, options: Options) -> Um:
    return options.window + (options.apart if options.gradient is not None else 0.0)


def complaint(limit: Um | None, options: Options) -> str:
    if options.min is None and options.max is None and options.gradient is None:
        return "give min, max or gradient, or nothing could be found"
    if options.min is not None and options.max is not None and options.min > options.max:
        return f"min {options.min:g} is greater than max {options.max:g}"
    if off_grid(options.window) or off_grid(options.apart):
        return "window and step must be whole numbers of database units"
    if dbu(options.window) % dbu(options.apart):
        return f"window must be a whole multiple of step; {options.window:g} um is none of {options.apart:g} um"
    return ""


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    within = layers[1] if len(layers) > 1 else "nil"
    values = (options.min, options.max, options.gradient, options.part)
    asked = ", ".join(script.number(value) for value in values)
    return [f"density_windows({layers[0]}, {within}, {dbu(options.window)}, {dbu(options.apart)}, {asked})"]


KIND = Kind(
    name="density", doc=__doc__, layers=("layer", "within?"), limit="none", options=Options, check=check,
    words=words, deck=deck,
    reach=reach, by_area=(shared, judge), lattice=lambda limit, options: options.apart, complaint=complaint, unit="%",
    # where something must be covered, an empty layer is what the rule looks for
    subjects=lambda options: (1,) if options.min is not None else (0,),
)  # fmt: skip
