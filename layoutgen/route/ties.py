"""Ties: where the wires that leave the die end on its outline.

The order of the ends is the planar order of the wires; their places are the nearest ones to where the wires would like
to end that keep width + space apart (an isotonic regression), off the corners and off features near the outline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from layoutgen.route.problem import RouteProblem
from layoutgen.route.rubber import LEFT, RIGHT, Post, ring
from layoutgen.route.tiles import BOUNDARY
from layoutgen.route.topology import OUTSIDE, Topology
from layoutgen.units import Um

_NEIGHBOURS = 3
"""How many ties to either side a tie is kept from near its end."""


@dataclass(frozen=True)
class TieEnd:
    """The end on the outline, the start of the last leg at right angles to it, and posts that part it from others."""

    point: tuple[Um, Um]
    inner: tuple[Um, Um]
    posts: list[Post] = field(default_factory=list)


@dataclass(frozen=True)
class _Wish:
    """A tie on one side: where along the side it wants to end, the bounds for that, and the length of its leg."""

    wire: int
    at: Um
    low: Um
    high: Um
    leg: Um


def spread(want: Sequence[Um], low: Sequence[Um], high: Sequence[Um], apart: Um) -> list[Um] | None:
    """Places in order, at least `apart` from each other and within [low[i], high[i]], with least squared moves.

    None where the bounds leave no room.
    """
    low, high = list(low), list(high)
    n = len(want)
    for i in range(1, n):
        low[i] = max(low[i], low[i - 1] + apart)
        high[n - 1 - i] = min(high[n - 1 - i], high[n - i] - apart)
    if any(a > b + 1e-9 for a, b in zip(low, high, strict=True)):
        return None
    blocks: list[tuple[float, int]] = []
    for i, w in enumerate(want):
        mean, size = w - i * apart, 1
        while blocks and blocks[-1][0] > mean:
            other, count = blocks.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        blocks.append((mean, size))
    flat = [mean for mean, size in blocks for _ in range(size)]
    return [min(max(z + i * apart, low[i]), high[i]) for i, z in enumerate(flat)]


def end_points(topo: Topology, problem: RouteProblem) -> tuple[dict[int, TieEnd], list[int]]:
    """Ends of all ties, and the ties that find no room on their side of the outline."""
    ends: dict[int, TieEnd] = {}
    homeless: list[int] = []
    apart = problem.pitch + 2 * problem.guard
    for side in range(4):
        wishes = _wishes(topo, problem, side)
        places = None
        while wishes and places is None:
            places = spread([w.at for w in wishes], [w.low for w in wishes], [w.high for w in wishes], apart)
            if places is None:
                worst = min(wishes, key=lambda w: (w.high - w.low, w.wire))
                homeless.append(worst.wire)
                wishes.remove(worst)
        ends.update(_ends(wishes, places or [], problem, side))
    return ends, homeless


def _side(problem: RouteProblem, side: int) -> tuple[bool, Um, Um, Um]:
    """Whether a side (0 bottom, 1 right, 2 top, 3 left) runs along x; its fixed coordinate; its ends."""
    x0, y0, x1, y1 = problem.bounds
    horizontal = side % 2 == 0
    return horizontal, (y0, x1, y1, x0)[side], x0 if horizontal else y0, x1 if horizontal else y1


def _wishes(topo: Topology, problem: RouteProblem, side: int) -> list[_Wish]:
    """The ties of one side in rising coordinate."""
    tiles, f = topo.tiles, topo.tiles.features
    horizontal, line, start, stop = _side(problem, side)
    along, across = (f.x, f.y) if horizontal else (f.y, f.x)
    edges = []
    for e, (u, v) in enumerate(tiles.edges):
        if tiles.edge_tris[e][1] == OUTSIDE and across[u] == line == across[v] and topo.order[e]:
            edges.append((min(along[u], along[v]), max(along[u], along[v]), e))
    out = []
    for low, high, e in sorted(edges):
        u, v = tiles.edges[e]
        order = topo.order[e] if along[u] < along[v] else topo.order[e][::-1]
        for wire, _ in order:
            source = topo.strands[wire].start
            leg = min(problem.edge + problem.width / 2, abs(across[source] - line) / 2)
            at = min(max(along[source], low), high)
            least, most = _bounds(topo, problem, side, at, source, leg)
            out.append(_Wish(wire, at, max(least, start + problem.pitch), min(most, stop - problem.pitch), leg))
    return out


def _bounds(topo: Topology, problem: RouteProblem, side: int, at: Um, source: int, leg: Um) -> tuple[Um, Um]:
    """How far along the side a tie may end before it comes too near to a feature beside it."""
    f = topo.tiles.features
    horizontal, line, _, _ = _side(problem, side)
    along, across = (f.x, f.y) if horizontal else (f.y, f.x)
    half_along, half_across = (f.half_x, f.half_y) if horizontal else (f.half_y, f.half_x)
    keep = problem.width / 2 + problem.space + 2 * problem.guard
    low, high = float("-inf"), float("inf")
    for v in range(len(f)):
        if v == source or f.kind[v] == BOUNDARY:
            continue
        if abs(across[v] - line) - half_across[v] - f.radius[v] > leg + keep:
            continue
        reach = half_along[v] + f.radius[v] + keep
        if along[v] <= at:
            low = max(low, along[v] + reach)
        else:
            high = min(high, along[v] - reach)
    return low, high


def _ends(wishes: list[_Wish], places: list[Um], problem: RouteProblem, side: int) -> dict[int, TieEnd]:
    horizontal, line, _, _ = _side(problem, side)
    inward = 1 if side in (0, 3) else -1
    rising_is_left = side in (0, 1)
    pitch = problem.pitch + 2 * problem.guard

    def point(place: Um, depth: Um) -> tuple[Um, Um]:
        return (place, line + inward * depth) if horizontal else (line + inward * depth, place)

    out = {}
    for i, wish in enumerate(wishes):
        posts = []
        for j in range(max(0, i - _NEIGHBOURS), min(len(wishes), i + _NEIGHBOURS + 1)):
            if j == i:
                continue
            sense = LEFT if (j > i) == rising_is_left else RIGHT
            for x, y in ring(*point(places[j], wishes[j].leg), abs(j - i) * pitch):
                depth = abs((y if horizontal else x) - line)
                inside = ((y if horizontal else x) - line) * inward > wish.leg + 1e-6
                if inside:
                    posts.append(Post(depth, x, y, sense))
        out[wish.wire] = TieEnd(point(places[i], 0.0), point(places[i], wish.leg), posts)
    return out
