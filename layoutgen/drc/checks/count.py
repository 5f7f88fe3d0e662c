"""How many shapes of a layer stand on each shape of another: balls per die, fiducials per field.

Reports each shape of the first layer on which too few or too many stand. A shape stands where the centre of its
bounding box lies; the border belongs to the outline, and so does what a ring (a seal) surrounds. Shapes that touch are
one; dies that abut are one die.

Layers: on, counted (dies, balls). No limit: the number stands in the options.

Options:
    exactly: so many, no more and no less; or
    at_least: no fewer,
    at_most: no more; either or both.

Example:
    [rules."BALL.N.1"]
    check = "count"
    layers = ["die", "ball"]
    exactly = 60
    why = "The test socket has a spring for each ball."
    source = "our judgement"
"""

from __future__ import annotations

from collections.abc import Sequence

import klayout.db as kdb
import numpy as np
import shapely
from pydantic import Field

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import Kind
from layoutgen.findings import Finding
from layoutgen.tomlfile import Model
from layoutgen.units import Um


class Options(Model):
    exactly: int | None = Field(default=None, ge=0)
    at_least: int | None = Field(default=None, ge=1)
    at_most: int | None = Field(default=None, ge=0)

    @property
    def bounds(self) -> tuple[int, int | None]:
        """The least and the largest number that pass; None: any."""
        return (self.at_least or 0, self.at_most) if self.exactly is None else (self.exactly, self.exactly)


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    on = list(regions[0].merged().hulls().merged().each())
    if not on:
        return []
    # in half units, so that every centre is a whole number
    outlines = [marks.outline(shape) for shape in on]
    centres = marks.twice_centres(regions[1].merged())
    numbers = np.zeros(len(on), dtype=np.int64)
    if len(centres):
        standing = shapely.STRtree(outlines).query(shapely.points(centres), predicate="covered_by")[1]
        np.add.at(numbers, standing, 1)
    least, most = options.bounds
    found = []
    for shape, number in zip(on, numbers.tolist(), strict=True):
        if number < least or (most is not None and number > most):
            note = f"{number}, too {'few' if number < least else 'many'}"
            asked = least if number < least else most
            found.append(marks.polygon(rule, shape, note, float(number), asked))
    return found


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    least, most = options.bounds
    number = f"{least}" if least == most else " and ".join(
        [f"at least {least}"] * (least > 0) + [f"at most {most}"] * (most is not None)
    )  # fmt: skip
    return f"{number} of {layers[1]} on each {layers[0]}"


def reach(limit: Um, options: Options) -> Um:
    return 0.0


def complaint(limit: Um | None, options: Options) -> str:
    if options.exactly is None and options.at_least is None and options.at_most is None:
        return "give exactly, at_least or at_most, or nothing could be found"
    if options.exactly is not None and (options.at_least is not None or options.at_most is not None):
        return "give either exactly, or at_least and at_most"
    if options.at_least is not None and options.at_most is not None and options.at_least > options.at_most:
        return f"at_least {options.at_least} is more than at_most {options.at_most}"
    return ""


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    least, most = options.bounds
    off = f"number < {least}" + ("" if most is None else f" || number > {most}")
    return [f"numbers_where({layers[0]}, {layers[1]}) {{ |number| {off} }}"]


KIND = Kind(
    name="count", doc=__doc__, layers=("on", "counted"), limit="none", options=Options, check=check,
    words=words, deck=deck,
    reach=reach, whole=True, also_whole=(1,), complaint=complaint, unit="",
)  # fmt: skip
