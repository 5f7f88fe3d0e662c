"""A layer consists of closed rings, each with a wall of some width, and each around something.

Reports each polygon of the rings that is no ring, because it has no hole, or several; each two of its outlines that
come nearer to each other than `limit`, with the distance: shrunk by half of the limit it would be open there; and each
shape of the second layer that does not lie within a hole of a ring, and each ring that has none of them within. A shape
may touch the ring from inside, and lies in a ring in which another one stands, too. With a third layer, rings are
around shapes of either; reported is also each shape of the third that has no ring between itself and one of the second:
the innermost hole that it lies in is that one's, too.

Layers: rings, what they surround, and what they surround apart from that; the last two may be left out. Limit: the
least width of the wall, in um; exactly that passes. May be left out.

Options:
    merged: false (default): one hole for each ring; true: rings may share walls, as frames of neighbours that the cut
        separates: each hole is then one, whose wall is measured, and has to surround something.
    after_cut: false (default): as drawn; true: what is on layer `cut_sure` is taken away first, of all layers; or the
        reserved layer that is, as "cut_maybe@frame": what the blade at its worst leaves at that depth.

Example:
    [rules."FRAME.R.1"]
    check = "closed_ring"
    layers = ["frame", "cavity"]
    limit = 20.0
    after_cut = true
    why = "Once the frame is split between two neighbours, each keeps a closed one."
    source = "our judgement"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import AfterCut, Kind, cut_in_words, taken
from layoutgen.drc.holes import Hole, holes_of, within
from layoutgen.drc.overall import Alike, Bools, Overall, Polygons, at_places, of_regions
from layoutgen.findings import Edge, Finding
from layoutgen.tomlfile import Model
from layoutgen.units import DBU
from layoutgen.windows.arrays import Ints


class Options(Model):
    merged: bool = False
    after_cut: AfterCut = False


def overall(rule: str, all_of_it: Overall, layers: Sequence[str], limit: int, options: Options) -> list[Finding]:
    cut = taken(options.after_cut)
    rings = list(all_of_it.polygons(layers[0], cut).alike())
    out = []
    holes: list[Hole] = []
    for ring in rings:
        count = ring.polygon.holes()
        if count != 1 and not (count and options.merged):
            note = f"it has {count} holes" if count else "it has no hole: it is not closed"
            out.append(ring.finding(rule, note))
        walls = _too_thin(rule, ring.polygon, max(limit, 1)) if count else ()  # one that touches itself is not closed
        out += [at_places(wall, ring.at) for wall in walls]
        holes += holes_of(ring)
    full = [np.zeros(len(hole.at), dtype=bool) for hole in holes]
    taken_by: list[set[tuple[int, int]]] = []
    for name in layers[1:]:
        inner = all_of_it.polygons(name, cut)
        crossing = np.zeros(inner.count, dtype=bool)
        crossing[all_of_it.overlapping(name, layers[0], cut)[0]] = True
        out += inner.found(rule, crossing, f"{layers[0]} crosses it")
        innermost = _surrounded(inner, ~crossing, holes, full)
        out += inner.found(rule, (innermost[:, 0] < 0) & ~crossing, f"no closed {layers[0]} is around it")
        taken_by.append({(hole, place) for hole, place in innermost.tolist() if hole >= 0})
        if shared := set.intersection(*taken_by) if len(taken_by) > 1 else set():
            open_ = np.array([tuple(row) in shared for row in innermost.tolist()], dtype=bool)
            out += inner.found(rule, open_, f"no {layers[0]} is between it and {layers[1]}")
    if len(layers) > 1:
        out += _empty(rule, rings, holes, full, options.merged, " or ".join(layers[1:]))
    return out


def _empty(
    rule: str, rings: Sequence[Alike], holes: Sequence[Hole], full: Sequence[Bools], merged: bool, what: str
) -> Iterator[Finding]:  # fmt: skip
    """Rings, or where they may be merged holes, that surround nothing."""
    if merged:
        for hole, here in zip(holes, full, strict=True):
            if not here.all():
                shape = Finding(rule, polygon=marks.hull(hole.outline), note=f"there is no {what} within")
                yield at_places(shape, hole.at[~here])
        return
    k = 0
    for ring in rings:
        count = ring.polygon.holes()
        if count and not (any_full := np.any(full[k : k + count], axis=0)).all():
            yield ring.finding(rule, f"there is no {what} within", ~any_full)
        k += count


def _surrounded(inner: Polygons, some: Bools, rings: Sequence[Hole], full: Sequence[Bools]) -> Ints:
    """(n, 2) of each shape the innermost hole that it lies in, and at which of its places; -1: in none.

    full: of each hole, at which of its places a shape lies in it, which is said there.
    """
    innermost = np.full((inner.count, 2), -1, dtype=np.int64)
    least = np.full(inner.count, np.inf)
    for k, (here, (hole, place, number)) in enumerate(zip(full, within(rings, inner, some), strict=True)):
        here[place] = True
        smaller = hole.outline.area() < least[number]
        least[number[smaller]] = hole.outline.area()
        innermost[number[smaller]] = np.column_stack([np.full(smaller.sum(), k), place[smaller]])
    return innermost


def _too_thin(rule: str, ring: kdb.Polygon, limit: int) -> Iterator[Finding]:
    """Where two outlines of a polygon come nearer to each other than the limit: the two edges that are nearest."""
    points = [[*ring.each_point_hull()], *([*ring.each_point_hole(k)] for k in range(ring.holes()))]
    outlines = np.array([shapely.linearrings([(p.x, p.y) for p in some]) for some in points])
    first, second = shapely.STRtree(outlines).query(outlines, predicate="dwithin", distance=float(limit))
    for a, b in sorted((a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True) if a < b):
        width, one, other = _nearest(_edges(points[a]), _edges(points[b]), limit)
        if width / DBU < limit - 1e-3:
            yield Finding(rule, edges=(one, other), measured=width, note="here the wall of the ring is thinner")


def _edges(points: Sequence[kdb.Point]) -> list[Edge]:
    return [(a.x, a.y, b.x, b.y) for a, b in zip(points, [*points[1:], points[0]], strict=True)]


def _nearest(edges: list[Edge], others: list[Edge], limit: int) -> tuple[float, Edge, Edge]:
    """Of edges that are within a limit of others the two that are nearest, and how far apart they are (um)."""
    one, other = (np.array(some, dtype=float).reshape(-1, 2, 2) for some in (edges, others))
    tree = shapely.STRtree(np.asarray(shapely.linestrings(other)))
    first, second = tree.query(shapely.linestrings(one), predicate="dwithin", distance=float(limit))
    pairs = ((edges[a], others[b]) for a, b in zip(first.tolist(), second.tolist(), strict=True))
    return min((marks.distance(a, b), a, b) for a, b in pairs)


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    names = ("ring", "what it surrounds", "what it surrounds apart")[: len(regions)]
    own = options.model_copy(update={"after_cut": False})
    return overall(rule, of_regions(dict(zip(names, regions, strict=True))), names, limit, own)


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    around = f" around {layers[1]}" if len(layers) > 1 else ""
    around += f" or {layers[2]}, never around both" if len(layers) > 2 else ""
    wall = "" if limit.startswith("0 ") else f", wall >= {limit}"
    shared = ", which may share walls" if options.merged else ""
    return f"{layers[0]} in closed rings{around}{wall}{shared}{cut_in_words(options.after_cut)}"


KIND = Kind(
    name="closed_ring", doc=__doc__, layers=("rings", "what they surround?", "what they surround apart?"),
    limit="optional", options=Options, check=check, words=words, subjects=lambda options: (1,), overall=overall,
)  # fmt: skip
