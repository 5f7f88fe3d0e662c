"""The wafer: which places hold a die, the step as arrays, drop-ins, and what stages draw on the wafer itself.

Origin at the wafer's centre; lengths in um. Rows are lettered from the top, columns counted from the left, as on a map.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from layoutgen.cell import Drawing, Placement
from layoutgen.die import Context, Die, Stages
from layoutgen.errors import Problem, SpecError
from layoutgen.kerf import Step
from layoutgen.units import Points, Um

NOTCH_DEPTH: Um = 1000.0
"""SEMI M1 gives 1.00 +0.25 mm."""
NOTCH_HALF_ANGLE = math.radians(45)
"""SEMI M1 gives an angle of 89 to 95 degrees."""
RIM_POINTS = 1440


def row_letters(index: int) -> str:
    """Letters of a row counted from 0: A, B, ... Z, AA, AB, ...; never runs out."""
    name, n = "", index + 1
    while n > 0:
        n, rest = divmod(n - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


Notch = Literal["bottom", "left", "top", "right", "none"]
TOWARD: dict[Notch, tuple[float, float]] = {
    "bottom": (0.0, -1.0), "left": (-1.0, 0.0), "top": (0.0, 1.0), "right": (1.0, 0.0), "none": (0.0, 0.0),
}  # fmt: skip
Place = tuple[int, int]
"""Column and row of a place, both from 0: column from the left, row from the bottom."""


@dataclass(frozen=True, slots=True)
class Rim:
    """The incoming wafer's edge: diameter, what of it is not used, and where its notch, or the middle of its flat, is.

    flat: its length; 0: there is a notch.
    """

    diameter: Um
    edge_exclusion: Um
    notch: Notch
    flat: Um = 0.0

    @property
    def usable(self) -> Um:
        """Radius within which whole dies must lie."""
        return self.diameter / 2 - self.edge_exclusion

    @property
    def notch_at(self) -> tuple[Um, Um] | None:
        """Where the notch meets the edge, or None."""
        x, y = TOWARD[self.notch]
        r = self.diameter / 2
        return (r * x, r * y) if (x or y) and not self.flat else None

    @property
    def depth(self) -> Um:
        """How far its notch or flat reaches in from the circle."""
        if self.flat:
            return self.diameter / 2 - math.sqrt(self.diameter**2 - self.flat**2) / 2
        return NOTCH_DEPTH if self.notch_at else 0.0

    def outline(self) -> Points:
        """The wafer's edge as a polygon, notch cut in."""
        angle = np.arange(RIM_POINTS) * (2 * math.pi / RIM_POINTS)
        rim = np.column_stack([np.cos(angle), np.sin(angle)]) * self.diameter / 2
        toward = np.array(TOWARD[self.notch])
        if self.flat:
            inside = rim @ toward < self.diameter / 2 - self.depth
            first = int(np.flatnonzero(inside & ~np.roll(inside, 1))[0])
            ends = [toward * (self.diameter / 2 - self.depth) + np.array([-toward[1], toward[0]]) * by
                    for by in (-self.flat / 2, self.flat / 2)]  # fmt: skip
            return np.vstack([ends, np.roll(rim, -first, axis=0)[: int(inside.sum())]])
        if self.notch_at is None:
            return rim
        half = NOTCH_DEPTH * math.tan(NOTCH_HALF_ANGLE)
        tip = toward * (self.diameter / 2 - NOTCH_DEPTH)
        across = np.array([-toward[1], toward[0]])
        depth = math.sqrt((self.diameter / 2) ** 2 - half**2)
        gone = (rim @ toward > 0) & (np.abs(rim @ across) <= half)
        # start behind the notch, so that its three corners close the ring
        first_after = int(np.flatnonzero(gone & ~np.roll(gone, -1))[0]) + 1
        ordered = np.roll(rim, -first_after, axis=0)[: RIM_POINTS - int(gone.sum())]
        corners = np.array([toward * depth - across * half, tip, toward * depth + across * half])
        return np.vstack([corners, ordered])


@dataclass(frozen=True)
class Grid:
    """Where whole dies fit: `origin` is the lower-left die corner of place (0, 0)."""

    pitch: tuple[Um, Um]
    origin: tuple[Um, Um]
    places: tuple[Place, ...]
    drop_ins: tuple[Place, ...]
    """Places that hold alignment marks instead of a die."""

    @cached_property
    def columns(self) -> int:
        """Number of columns."""
        return max(c for c, _ in self.places) + 1

    @cached_property
    def rows(self) -> int:
        """Number of rows."""
        return max(r for _, r in self.places) + 1

    def at(self, place: Place) -> tuple[Um, Um]:
        """Lower-left die corner of a place."""
        return self.origin[0] + place[0] * self.pitch[0], self.origin[1] + place[1] * self.pitch[1]

    @cached_property
    def dies(self) -> tuple[Place, ...]:
        """Places that hold a die."""
        other = set(self.drop_ins)
        return tuple(p for p in self.places if p not in other)

    @cached_property
    def border(self) -> tuple[Place, ...]:
        """Dies of which a neighbour is no die: at the array's edge, or beside a drop-in."""
        dies = set(self.dies)
        return tuple(p for p in self.dies if any(n not in dies for n in neighbours(p)))

    @property
    def typical(self) -> Place:
        """The die nearest the wafer's centre whose eight neighbours are dies, or the nearest at all."""
        border = set(self.border)
        return min(self.dies, key=lambda p: (p in border, round(math.hypot(*self._centre(p)), 3), p))

    def _centre(self, place: Place) -> tuple[Um, Um]:
        x, y = self.at(place)
        return x + self.pitch[0] / 2, y + self.pitch[1] / 2

    def row_name(self, row: int) -> str:
        """Letters of a row, from the top."""
        return row_letters(self.rows - 1 - row)

    def name(self, place: Place) -> str:
        """A die's label: row letters and column number."""
        return f"{self.row_name(place[1])}{self.column_name(place[0])}"

    def column_name(self, column: int) -> str:
        """Number of a column, from the left: 1, 2, ..."""
        return str(column + 1)


def neighbours(place: Place) -> Iterator[Place]:
    """The eight places around one."""
    column, row = place
    return ((column + i, row + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0))


@dataclass(frozen=True)
class WaferContext(Context):
    """What a wafer stage may use besides: the wafer's rim, where dies stand, the step, and the die in it."""

    rim: Rim = field(kw_only=True)
    grid: Grid = field(kw_only=True)
    step: Step = field(kw_only=True)
    die: Die = field(kw_only=True)


def lay_grid(rim: Rim, step: Step, centre: Literal["die", "street"], sites: int, file: str) -> Grid:
    """All places where a whole die fits, and `sites` of them set aside for alignment marks.

    Raises:
        SpecError: no whole die fits on the wafer, or too few for the mark sites.
    """
    w, h = step.die_size
    px, py = step.pitch
    if math.hypot(w, h) / 2 > rim.usable:
        message = f"a die of {w:g} x {h:g} um does not fit on a wafer of {rim.diameter:g} um; mend the one or the other"
        raise SpecError([Problem(file, "wafer.diameter", message)])
    n, m = int(rim.diameter / px) + 2, int(rim.diameter / py) + 2
    shift = (-w / 2, -h / 2) if centre == "die" else ((px - w) / 2, (py - h) / 2)
    x = shift[0] + np.arange(-n, n + 1) * px
    y = shift[1] + np.arange(-m, m + 1) * py
    left, low = np.meshgrid(x, y, indexing="ij")
    far_x, far_y = np.maximum(np.abs(left), np.abs(left + w)), np.maximum(np.abs(low), np.abs(low + h))
    fits = np.hypot(far_x, far_y) <= rim.usable
    if rim.notch_at is not None:
        nx, ny = rim.notch_at
        near_x, near_y = np.clip(nx, left, left + w), np.clip(ny, low, low + h)
        fits &= np.hypot(near_x - nx, near_y - ny) >= NOTCH_DEPTH + (rim.diameter / 2 - rim.usable)
    if rim.flat:
        u, v = TOWARD[rim.notch]
        ahead = np.maximum(left * u, (left + w) * u) + np.maximum(low * v, (low + h) * v)
        fits &= ahead <= rim.usable - rim.depth
    found = np.argwhere(fits)
    if len(found) == 0:
        raise SpecError([Problem(file, "wafer.diameter", "no whole die fits on the wafer; take a larger one")])
    c0, r0 = found.min(axis=0)
    places = tuple(sorted((int(c - c0), int(r - r0)) for c, r in found))
    origin = (round(float(x[c0]), 3), round(float(y[r0]), 3))
    grid = Grid((px, py), origin, places, ())
    if len(places) <= sites:
        return Grid((px, py), origin, places, ()) if sites == 0 else _too_few(len(places), sites, file)
    return Grid((px, py), origin, places, tuple(_mark_sites(grid, step, rim, sites)))


def _too_few(places: int, sites: int, file: str) -> Grid:
    message = f"only {places} whole dies fit, and {sites} places are needed for alignment marks; take a larger wafer"
    raise SpecError([Problem(file, "wafer.mark_sites", message)])


def _mark_sites(grid: Grid, step: Step, rim: Rim, sites: int) -> Iterator[Place]:
    """Places nearest to points spread evenly at 0.7 of the usable radius, the first on the left, on the x axis."""
    centres = {p: (grid.at(p)[0] + step.die_size[0] / 2, grid.at(p)[1] + step.die_size[1] / 2) for p in grid.places}
    taken: set[Place] = set()
    for k in range(sites):
        angle = math.pi + 2 * math.pi * k / sites
        want = (0.7 * rim.usable * math.cos(angle), 0.7 * rim.usable * math.sin(angle))
        free = [p for p in grid.places if p not in taken]
        best = min(free, key=lambda p: (round(math.dist(centres[p], want), 3), p))
        taken.add(best)
        yield best


def arrays(places: Sequence[Place]) -> Iterator[tuple[Place, int, int]]:
    """Places as few rectangles: lower-left place, columns, rows. Each place lies in exactly one."""
    runs: dict[tuple[int, int], list[int]] = {}
    by_row: dict[int, list[int]] = {}
    for column, row in sorted(places):
        by_row.setdefault(row, []).append(column)
    for row, columns in sorted(by_row.items()):
        start = previous = columns[0]
        for column in [*columns[1:], -10]:
            if column != previous + 1:
                runs.setdefault((start, previous), []).append(row)
                start = column
            previous = column
    for (first, last), rows in sorted(runs.items()):
        low = previous = rows[0]
        for row in [*rows[1:], -10]:
            if row != previous + 1:
                yield (first, low), last - first + 1, previous - low + 1
                low = row
            previous = row


def placed(
    drawing: Drawing, grid: Grid, places: Sequence[Place], at: tuple[Um, Um] = (0.0, 0.0)
) -> Iterator[Placement]:
    """A drawing at every one of some places, as arrays, `at` um from each die's lower-left corner."""
    for place, columns, rows in arrays(places):
        x, y = grid.at(place)
        yield Placement(drawing, (x + at[0], y + at[1]), 0.0, columns, rows, grid.pitch)


@dataclass(frozen=True, slots=True)
class OnWafer:
    """What stages draw besides steps: `own` between and around the dies, `in_dies` in dies, each die its own."""

    own: Drawing
    in_dies: Drawing


def build_wafer(context: WaferContext, stages: Stages, name: str) -> Drawing:
    """The wafer: steps, empty steps at drop-ins, rim, and what the flow's wafer stages add.

    Raises:
        UnknownNameError: the flow names a stage that nobody brings.
    """
    step, grid = context.step, context.grid
    on_wafer = OnWafer(Drawing("WAFER"), Drawing("IN_DIES"))
    on_wafer.own.polygon("wafer", context.rim.outline())
    for run in stages.pick("wafer", context.flow.wafer):
        run(context, on_wafer)
    drawing = Drawing(name)
    drawing.placements.extend((*placed(step.full, grid, grid.dies), *placed(step.empty, grid, grid.drop_ins)))
    drawing.place(on_wafer.own)
    drawing.place(on_wafer.in_dies)
    return drawing
