"""No way leads from the outside through what leaks to a cavity.

The outside comes in at openings: the wall of a cut or of a hole, wherever nothing tight covers it with an overlap of at
least `limit` all round. From there it gets into all that leaks (a polymer) and touches such a place, into what touches
that, and through the holes of what leaks to all that lies in them. Reports each opening from which it gets to a shape
of the first layer, by the shortest way to the nearest of these.

That what leaks is closed around each cavity, and wide enough, is for `closed_ring` to say.

Layers: cavities, or what lies in them; what leaks; openings; what seals them, which may be left out: then none is
sealed. Limit: the least overlap of the seal over what it seals, in um; exactly that passes. May be left out.

Options:
    after_cut: false (default): as drawn; true: what is on layer `cut_sure` is taken away first of what leaks, so that
        each component is by itself; or the reserved layer that is, as "cut_sure@frame".

Example:
    [rules."CONTACT.L.1"]
    check = "sealed"
    layers = ["structure", "frame", "cover_via", "contact"]
    limit = 10.0
    after_cut = "cut_sure@frame"
    why = "Polymers let moisture through: their edges end under metal."
    source = "our judgement"
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import klayout.db as kdb
import numpy as np
import shapely

from layoutgen.connect.kinds import outline
from layoutgen.connect.witness import through
from layoutgen.drc.checks.kind import AfterCut, Kind, cut_in_words, taken
from layoutgen.drc.holes import holes_of, within
from layoutgen.drc.overall import Alike, Bools, Overall, Polygons, at_places, of_regions
from layoutgen.findings import Finding, Hull
from layoutgen.tomlfile import Model
from layoutgen.units import DBU
from layoutgen.windows.arrays import Ints
from layoutgen.windows.components import united

MANY = 64
"""Polygons of what leaks in one component, from which on it is not asked which components are alike."""


class Options(Model):
    after_cut: AfterCut = False


def overall(rule: str, all_of_it: Overall, layers: Sequence[str], limit: int, options: Options) -> list[Finding]:
    sheet = all_of_it.uncovered(layers[2], layers[3], limit) if len(layers) > 3 else all_of_it.sheet(layers[2])
    bare = all_of_it.polygons_of(sheet)
    if not bare.count:
        return []
    cavities, leaks = all_of_it.polygons(layers[0]), all_of_it.polygons(layers[1], taken(options.after_cut))
    root = _joined(all_of_it, leaks, cavities, bare)
    of_leaks, of_cavities, of_bare = np.split(root, np.cumsum([leaks.count, cavities.count]))
    found = np.flatnonzero(np.isin(of_bare, of_cavities))
    if not len(found):
        return []
    nearest = _nearest(bare.boxes[found], of_bare[found], cavities.boxes, of_cavities)
    wanted = np.zeros(cavities.count, dtype=bool)
    wanted[nearest] = True
    open_at, open_like = _placed(bare, np.isin(np.arange(bare.count), found))
    cavity_at, cavity_like = _placed(cavities, wanted)
    in_reach = np.isin(of_leaks, of_bare[found])
    leak_at, leak_like = _placed(leaks, in_reach)
    members: dict[int, list[int]] = defaultdict(list)
    for k in np.flatnonzero(in_reach).tolist():
        members[int(of_leaks[k])].append(k)
    groups: dict[object, list[int]] = defaultdict(list)
    for k, cavity in zip(found.tolist(), nearest.tolist(), strict=True):
        here = members[int(of_bare[k])]
        step = tuple((cavity_at[cavity] - open_at[k]).tolist())
        around: object = int(of_bare[k])
        if len(here) <= MANY:
            around = frozenset((leak_like[j].number, *(leak_at[j] - open_at[k]).tolist()) for j in here)
        groups[open_like[k].number, cavity_like[cavity].number, step, around].append(k)
    to = dict(zip(found.tolist(), nearest.tolist(), strict=True))
    out = []
    for some in groups.values():
        first = some[0]
        start = open_at[first]
        opening = open_like[first].polygon
        cavity = cavity_like[to[first]].polygon.moved(*(cavity_at[to[first]] - start).tolist())
        near = [leak_like[j].polygon.moved(*(leak_at[j] - start).tolist()) for j in members[int(of_bare[first])]]
        marker, far = _way(opening, cavity, near)
        note = f"{layers[2]} is open here: {far}through {layers[1]} to {layers[0]}"
        out.append(at_places(Finding(rule, polygon=marker, note=note), np.array([open_at[k] for k in some])))
    return out


def _joined(all_of_it: Overall, leaks: Polygons, cavities: Polygons, bare: Polygons) -> Ints:
    """The component of each polygon, of the three one after the other: what touches what leaks, or lies in it."""
    all_of_them = ((leaks, 0), (cavities, leaks.count), (bare, leaks.count + cavities.count))
    links = []
    for (one, a), (other, b) in combinations(all_of_them, 2):
        u, v = all_of_it.pieces.meetings(one.sheet, other.sheet, area=False)
        links.append(np.column_stack([one.of[u] + a, other.of[v] + b]))
    holes = [hole for ring in leaks.alike() for hole in holes_of(ring)]
    for inner, a in all_of_them:
        for hole, place, number in within(holes, inner):
            links.append(np.column_stack([hole.numbers[place], number + a]))
    u, v = np.concatenate(links).T
    return united(leaks.count + cavities.count + bare.count, (u, v))


def _nearest(boxes: Ints, of: Ints, others: Ints, of_others: Ints) -> Ints:
    """Of each box the nearest other one of the same component; there is one."""
    out = np.empty(len(boxes), dtype=np.int64)
    for component in np.unique(of).tolist():
        mine, theirs = np.flatnonzero(of == component), np.flatnonzero(of_others == component)
        tree = shapely.STRtree(shapely.box(*others[theirs].T.astype(float)))
        index, hit = tree.query_nearest(shapely.box(*boxes[mine].T.astype(float)), all_matches=True)
        order = np.lexsort((hit, index))
        _, first = np.unique(index[order], return_index=True)
        out[mine] = theirs[hit[order][first]]
    return out


class _Like:
    """A polygon as others look, too: their number."""

    def __init__(self, number: int, alike: Alike) -> None:
        self.number = number
        self.polygon = alike.polygon


def _placed(polygons: Polygons, some: Bools) -> tuple[dict[int, Ints], dict[int, _Like]]:
    """Where some polygons stand, and what they look like, by their number."""
    at: dict[int, Ints] = {}
    like: dict[int, _Like] = {}
    for number, alike in enumerate(polygons.alike(some)):
        one = _Like(number, alike)
        for k, place in zip(alike.numbers.tolist(), alike.at, strict=True):
            at[k], like[k] = place, one
    return at, like


def _way(opening: kdb.Polygon, cavity: kdb.Polygon, leaks: Sequence[kdb.Polygon]) -> tuple[Hull, str]:
    """The shortest way through what leaks and what it surrounds, as corners 1 um apart; and how far it is, in words."""
    start, end = outline(opening), outline(cavity)
    line = shapely.shortest_line(start, end)
    full = [kdb.Polygon(list(p.each_point_hull())) for p in leaks]
    room = shapely.union_all([start, end, *(outline(p) for p in full)])
    if shapely.covers(shapely.buffer(room, 2.0), line):
        return _along(line), f"{shapely.length(line) * DBU:.3f} um "
    region = kdb.Region([opening, cavity, *full]).merged()
    first, last = (np.round(shapely.get_coordinates(line)[[0, -1]])).astype(np.int64)
    return through([*region.each()], first, last) or _along(line), ""


def _along(line: shapely.Geometry) -> Hull:
    """A line 1 um wide."""
    corners = np.round(shapely.get_coordinates(shapely.buffer(line, 500, cap_style="square", quad_segs=1)))
    if len(corners) > 1:
        return tuple((int(x), int(y)) for x, y in corners[:-1].tolist())
    x, y = np.round(shapely.get_coordinates(line)[0]).astype(np.int64).tolist()
    return (x - 500, y - 500), (x + 500, y - 500), (x + 500, y + 500), (x - 500, y + 500)


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    names = ("the cavity", "what leaks", "the opening", "what seals")[: len(regions)]
    own = options.model_copy(update={"after_cut": False})
    return overall(rule, of_regions(dict(zip(names, regions, strict=True))), names, limit, own)


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    by = f" that {layers[3]} does not cover" if len(layers) > 3 else ""
    overlap = "" if limit.startswith("0 ") else f" with an overlap of {limit}"
    return f"no way from {layers[2]}{by}{overlap} through {layers[1]} to {layers[0]}{cut_in_words(options.after_cut)}"


KIND = Kind(
    name="sealed", doc=__doc__, layers=("cavities", "what leaks", "openings", "what seals them?"), limit="optional",
    options=Options, check=check, words=words, overall=overall, subjects=lambda options: (0, 2), needed=(1,),
)  # fmt: skip
