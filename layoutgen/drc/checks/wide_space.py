"""Least space that grows with the width of the shapes and with the length over which they run side by side.

Reports each pair of edges that face each other straight through the outside at less than a step's `space`, over a
longer stretch than its `run`, where both belong to parts of shapes wider than its `width` (see `max_width`). A run is
measured along one straight edge. Each step is checked for itself; the space at any width is a rule of kind `space`.

Layers: the layer. No limit: the steps hold it.

Options:
    steps: [{ width, run, space }, ...] in um. Width and run bind above what is given: exactly that wide, or that
        long, is free. With run = 0 any two edges are compared, also from corner to corner.
    wide: "both" (default) shapes must be wider than a step's width, or only "one" of the two.
    ignore_angle: edges at this angle or more to each other (degrees, default 80) are not compared.

Example:
    [rules."RDL.S.2"]
    check = "wide_space"
    layers = ["rdl"]
    steps = [{ width = 30.0, run = 60.0, space = 15.0 }]
    why = "Broad metal swells the resist wall between."
    source = "SkyWater wlcsp, Amkor rdl_500.2"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import klayout.db as kdb
from pydantic import Field

from layoutgen.drc.checks import marks, script
from layoutgen.drc.checks.kind import SQUARE, Kind, Metric, um
from layoutgen.findings import Finding
from layoutgen.tomlfile import Model, NonNegativeUm, PositiveUm
from layoutgen.units import DBU, Deg, Um, dbu


class Step(Model):
    width: PositiveUm
    run: NonNegativeUm
    space: PositiveUm


class Options(Model):
    steps: tuple[Step, ...] = Field(min_length=1)
    wide: Literal["both", "one"] = "both"
    ignore_angle: Deg = Field(default=80.0, gt=0, le=90)


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    layer = regions[0].merged()
    found: list[Finding] = []
    for step in options.steps:
        wide = _edges_of_wide_parts(layer, dbu(step.width))
        other = wide.dup() if options.wide == "both" else layer.edges()
        metric: Metric = "projection" if step.run else "euclidian"
        run = dbu(step.run) + 1 if step.run else None  # longer than the run
        near = wide.separation_check(
            other, dbu(step.space), False, marks.METRICS[metric], options.ignore_angle, run, None
        )
        found += marks.pairs(rule, _once(near), metric, step.space)
    return found


def _edges_of_wide_parts(layer: kdb.Region, width: int) -> kdb.Edges:
    """The parts of the layer's edges that bound what is wider than this."""
    wide = marks.wide(layer, width)
    edges, straight = layer.edges(), kdb.Edges.OrthoEdges
    # rounding leaves slanted edges of the wide parts beside the layer's own; straight ones lie exactly upon them
    parts = edges.with_angle(straight, False) & wide
    parts += edges.with_angle(straight, True) & wide.sized(2)
    return parts.merged()


def _once(found: kdb.EdgePairs) -> list[kdb.EdgePair]:
    """Each pair once, though it was found from either of its two edges."""
    unique: dict[tuple[kdb.Edge, ...], kdb.EdgePair] = {}
    for pair in found.each():
        unique.setdefault(tuple(sorted((pair.first, pair.second))), pair)
    return list(unique.values())


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    steps = [
        f">= {um(s.space)} {'both' if options.wide == 'both' else 'one'} wider than {um(s.width)}"
        + (f" side by side over more than {um(s.run)}" if s.run else "")
        for s in options.steps
    ]
    return f"space of wide {layers[0]} {', '.join(steps)}"


def reach(limit: Um, options: Options) -> Um:
    return max(SQUARE * s.width + s.run + s.space for s in options.steps) + 2 * DBU


def complaint(limit: Um | None, options: Options) -> str:
    lengths = [length for s in options.steps for length in (s.width, s.run, s.space)]
    if any(abs(length / DBU - round(length / DBU)) > 1e-4 for length in lengths):
        return f"a length in steps is not a whole number of database units ({DBU} um)"
    return ""


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    both = script.true(options.wide == "both")
    return [
        f"wide_space({layers[0]}, {dbu(s.width)}, {dbu(s.run)}, {dbu(s.space)}, {both}, {options.ignore_angle!r})"
        for s in options.steps
    ]


KIND = Kind(
    name="wide_space", doc=__doc__, layers=("layer",), limit="none", options=Options, check=check,
    words=words, deck=deck,
    reach=reach, complaint=complaint,
)  # fmt: skip
