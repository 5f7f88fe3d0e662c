"""The regions of one triangle: what the wires in it leave between them.

Wires do not cross, so their chords nest, and the boundary of a triangle, read once around, is a bracket expression:
chords open and close, and what lies between the same chords is one region. Chords that end on each other are one tree
with three ends or more on the boundary, which opens, passes and closes: a bracket expression still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from layoutgen.units import Um

if TYPE_CHECKING:
    from layoutgen.route.topology import Topology

GAPS = 4096
"""Bound on the gaps of one edge; a place on an edge is the number edge * GAPS + gap."""

Chord = tuple[int, int]
"""(wire, segment): the part of a wire within one triangle, the one of number `segment` among those it passes."""
Exit = tuple[int, int, int, Um, Um, Um]
"""(state that leaves there, its edge, the third edge, x, y, length of the way to it)."""


@dataclass(slots=True)
class Regions:
    """The regions of one triangle: of each gap on its edges, and what each region touches."""

    of_gap: dict[int, int]
    """Place on an edge -> region."""
    gaps: list[list[tuple[int, int, int, Um, Um]]]
    """Per region: (edge, gap, state that leaves the triangle there, x, y)."""
    corners: list[list[int]]
    """Per region: the features whose corner sector touches it."""
    sectors: list[list[int]]
    """Per corner of the triangle: the regions around it, between the wires that end there."""
    sides: dict[int, list[int]]
    """Edge with a wire along it that others may end on -> the regions on this side, between those that do."""
    walls: list[list[Chord]]
    """Per region: the chords along it, of wires that others may end on."""
    exits: dict[int, list[Exit]] = field(default_factory=dict)
    """Place on an edge -> where a wire that came in there may leave; filled as asked for."""


def regions_of(topo: Topology, t: int) -> Regions:
    """Read the boundary of triangle t counter-clockwise, and match the ends of every chord, or tree of chords."""
    tiles, strands, orders, direct, is_open = topo.tiles, topo.strands, topo.order, topo.direct, topo.wires.open
    plain = not topo.tees.get(t)
    gaps: list[list[tuple[int, int, int, Um, Um]]] = [[]]
    corners: list[list[int]] = [[]]
    walls: list[list[Chord]] = [[]]
    of_gap: dict[int, int] = {}
    sectors: list[list[int]] = []
    sides: dict[int, list[int]] = {}
    open_trees: list[Chord] = []
    outer: list[int] = []
    here = 0
    tree_of, ends_left = (_itself, dict[Chord, int]()) if plain else _trees(topo, t)

    def pass_end(chord: Chord, before: int) -> int:
        if plain:  # two ends each, nested
            tree, left = chord, int(not open_trees or open_trees[-1] != chord)
        else:
            tree = tree_of(chord)
            left = ends_left.get(tree, 2) - 1
            ends_left[tree] = left
        is_top = bool(open_trees) and open_trees[-1] == tree
        if is_top and left == 0:
            open_trees.pop()
            after = outer.pop()
        elif is_top or left > 0:
            if not is_top:
                open_trees.append(tree)
                outer.append(before)
            after = len(gaps)
            gaps.append([])
            corners.append([])
            walls.append([])
        else:
            after = before
        if is_open[chord[0]]:
            for region in {before, after}:
                if chord not in walls[region]:
                    walls[region].append(chord)
        return after

    for v, edge, ends in zip(tiles.triangles[t], tiles.tri_edges[t], topo.ends_at[t], strict=True):
        corners[here].append(v)
        around = [here]
        for chord in ends:
            here = pass_end(chord, here)
            corners[here].append(v)
            around.append(here)
        sectors.append(around)
        if edge in direct and is_open[direct[edge]]:
            along = (direct[edge], 0)
            sides[edge] = [here]
            walls[here].append(along)
            for chord in topo.landings.get((t, edge), ()):
                here = pass_end(chord, here)
                sides[edge].append(here)
                walls[here].append(along)
        order = orders[edge]
        n = len(order)
        x0, y0, x1, y1 = tiles.span[edge]
        dx, dy = (x1 - x0) / (n + 1), (y1 - y0) / (n + 1)
        forward = tiles.edges[edge][0] == v
        gap = 0 if forward else n
        place = edge * GAPS + gap
        leaving = 2 * place + (tiles.edge_tris[edge][0] == t)
        of_gap[place] = here
        gaps[here].append((edge, gap, leaving, x0 + dx * (gap + 0.5), y0 + dy * (gap + 0.5)))
        step = 1 if forward else -1
        for wire, number in order if forward else reversed(order):
            chord = (wire, number if strands[wire].tris[number] == t else number + 1)
            if not plain or is_open[wire]:
                here = pass_end(chord, here)
            elif open_trees and open_trees[-1] == chord:
                open_trees.pop()
                here = outer.pop()
            else:
                open_trees.append(chord)
                outer.append(here)
                here = len(gaps)
                gaps.append([])
                corners.append([])
                walls.append([])
            gap += step
            place += step
            leaving += 2 * step
            of_gap[place] = here
            gaps[here].append((edge, gap, leaving, x0 + dx * (gap + 0.5), y0 + dy * (gap + 0.5)))
    return Regions(of_gap, gaps, corners, sectors, sides, walls)


def _trees(topo: Topology, t: int) -> tuple[Callable[[Chord], Chord], dict[Chord, int]]:
    """Chord -> representative of the chords it is joined to by tees in t; and how many ends those trees have."""
    parent: dict[Chord, Chord] = {}

    def find(chord: Chord) -> Chord:
        while chord in parent:
            chord = parent[chord]
        return chord

    members: dict[Chord, None] = {}
    for a, b in topo.tees.get(t, ()):
        members.update({a: None, b: None})
        ra, rb = find(a), find(b)
        if ra != rb:
            parent[rb] = ra
    ends: dict[Chord, int] = {}
    for chord in members:
        wire, segment = chord
        s = topo.strands[wire]
        tees = [tee for tee, last in ((s.start_tee, 0), (s.end_tee, len(s.edges))) if tee and segment == last]
        inside = sum(topo.direct_edge(tee) < 0 for tee in tees)  # an end on a wire along an edge is on the boundary
        root = find(chord)
        ends[root] = ends.get(root, 0) + 2 - inside
    return find, ends


def _itself(chord: Chord) -> Chord:
    return chord
