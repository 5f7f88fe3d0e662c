"""No corner of a shape, and none of the space around it, is sharper than an angle.

Reports the first 5 um of the two edges of each corner that enclose less than `limit`: on the inside, or on the outside
in a notch. Where shapes may stand at any angle, snapping to the grid makes a corner of 90 degrees one of 89.99: set the
limit lower.

Layers: one or more. Limit: the least angle, in degrees; exactly that passes.

Options:
    corners: "all" (default), or only the "convex" ones, whose inside is sharp.

Example:
    [rules."RDL.C.1"]
    check = "acute_corner"
    layers = ["rdl"]
    limit = 89.9
    why = "The tip of an acute corner is not printed, and its resist peels."
    source = "judgement"
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import klayout.db as kdb

from layoutgen.drc.checks import marks, script
from layoutgen.drc.checks.kind import STEPS, Kind
from layoutgen.findings import Edge, Finding
from layoutgen.tomlfile import Model
from layoutgen.units import DBU, Deg, Um

COARSE: Deg = 0.1
"""KLayout tells angles apart to some thousandths of a degree; what it finds within this is then compared exactly."""
ROUNDING: Deg = 1e-9
MARK = 5_000
"""How much of each edge is marked, in database units: a long one says nothing more."""


class Options(Model):
    corners: Literal["all", "convex"] = "all"


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    least = limit / STEPS["degrees"]
    turn = 180 - least - COARSE
    found = []
    for layer in (region.merged() for region in regions):
        pairs = list(layer.corners_edge_pairs(-180.0, -turn, True, True).each())  # right turns, as hulls run: convex
        if options.corners == "all":
            pairs += layer.corners_edge_pairs(turn, 180.0, True, True).each()
        for pair in pairs:
            angle = _between(pair)
            if angle < least - ROUNDING:
                edges = (_near(pair.first.swapped_points(), back=True), _near(pair.second))
                found.append(Finding(rule, edges=edges, measured=round(angle, 6), note="acute corner"))
    return found


def _near(edge: kdb.Edge, *, back: bool = False) -> Edge:
    """What of an edge is within a mark's length of its first point; back: as it was before it was turned around."""
    if edge.length() > MARK:
        along = edge.d() * (MARK / edge.length())
        edge = kdb.Edge(edge.p1, edge.p1 + along)
    return marks.edge(edge.swapped_points() if back else edge)


def _between(pair: kdb.EdgePair) -> Deg:
    """The angle that the edge to a corner and the one from it enclose."""
    a, b = -pair.first.d(), pair.second.d()
    cross, dot = a.x * b.y - a.y * b.x, a.x * b.x + a.y * b.y
    return math.degrees(abs(math.atan2(cross, dot)))


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    convex = "convex " if options.corners == "convex" else ""
    return f"{convex}corners of {', '.join(layers)} >= {limit}"


def reach(limit: Um, options: Options) -> Um:
    return MARK * DBU


def complaint(limit: Um | None, options: Options) -> str:
    return "the limit is an angle in degrees, at most 180" if limit is not None and limit > 180 else ""


def deck(layers: Sequence[str], limit: int, options: Options) -> list[str]:
    arguments = f"{script.number(limit / STEPS['degrees'])}, {script.true(options.corners == 'convex')}"
    return [f"acute_corners({layer}, {arguments})" for layer in layers]


KIND = Kind(
    name="acute_corner", doc=__doc__, layers=("layer*",), limit="positive", options=Options, check=check,
    words=words, deck=deck,
    reach=reach, unit="degrees", complaint=complaint,
)  # fmt: skip
