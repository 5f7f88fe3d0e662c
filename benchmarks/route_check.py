"""What a routed plan is worth by other witnesses than the router: KLayout flat on all metal, and shapely.

`check` counts findings at exactly the rules' width and space, without tolerance, on the union of drawn metal and
terminals, and how many links, nets and ties are there in metal, whatever the plan says of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.route import NetMetal, RoutePlan, RouteProblem, Terminal, Wire
from layoutgen.units import DBU, IntPoints, Um, dbu, to_dbu

EUCLID = kdb.Region.Euclidian
IGNORE_ANGLE = 80
"""Concave corners that open wider are no notches: wires run at any angle."""
_CIRCLE = np.array([(math.cos(a), math.sin(a)) for a in (np.arange(64) + 0.5) * math.pi / 32])
"""Corners of the polygon that stands for a round terminal."""
_ROUNDING = 0.75
"""How far (dbu) a point on the grid may lie off a slanted line that it stands on."""


@dataclass(frozen=True)
class Checked:
    """What is there in metal.

    findings: how many of each kind; kinds without any are left out.
    nets, links, ties: complete nets, joined links and ties that reach the outline, each with how many there should be.
    """

    findings: dict[str, int]
    nets: tuple[int, int]
    links: tuple[int, int]
    ties: tuple[int, int]


def check(problem: RouteProblem, plan: RoutePlan, metal: Mapping[str, NetMetal]) -> Checked:
    """Look at the metal of a plan on one layer.

    Findings are of width, space (between what is not joined), notch, shorts, floating metal, opens (links that the
    plan does not list as unrouted and that metal does not join), obstacle, edge, polygons that are not simple, ends
    of wires that lie elsewhere than the plan says, wires of different nets nearer than width and space, and free
    terminals taken against the rules of their group.
    """
    net_of = {t.name: t.net or plan.taken.get(t.name, "") for t in problem.terminals}
    members: dict[str, list[Terminal]] = {}
    for t in problem.terminals:
        members.setdefault(net_of[t.name], []).append(t)
    free = members.pop("", [])
    everything = kdb.Region([terminal_polygon(t) for t in free])
    pieces = len(free)
    joined: dict[str, tuple[int, int]] = {}
    counts: Counter[str] = Counter()
    for net, own in members.items():
        drawn = metal.get(net, NetMetal())
        region = region_of(drawn.metal + drawn.tie) + kdb.Region([terminal_polygon(t) for t in own])
        region.merge()
        polygons = list(region.each())
        piece = {t.name: _piece(polygons, t) for t in own}
        joined[net] = links_of(own, piece)
        counts["floating"] += len(polygons) - len(set(piece.values()))
        pieces += len(polygons)
        everything += region
    missing = Counter(u.net for u in plan.unrouted if not u.tie)
    counts["opens"] = sum(max(0, wanted - missing[net] - done) for net, (done, wanted) in joined.items())
    counts["floating"] += sum(net not in members for net in metal)
    union = everything.merged()
    counts["shorts"] = pieces - union.count()
    counts |= _rules(problem, metal, union)
    counts["ends"] = sum(_misplaced(problem, plan))
    counts["too near"] = too_near(problem, plan.wires)
    counts["assignment"] = _assignment(problem, plan)
    done = sum(d for d, _ in joined.values())
    return Checked(
        {kind: n for kind, n in counts.items() if n},
        (sum(d == wanted for d, wanted in joined.values()), len(joined)),
        (done, sum(wanted for _, wanted in joined.values())),
        _ties(problem, plan, metal, members),
    )


def region_of(polygons: Iterable[IntPoints]) -> kdb.Region:
    """Integer polygons as a region."""
    return kdb.Region([kdb.Polygon([kdb.Point(x, y) for x, y in p.tolist()]) for p in polygons])


def ring_polygon(points: npt.ArrayLike) -> kdb.Polygon:
    """A ring of points in um."""
    return kdb.Polygon([kdb.Point(x, y) for x, y in to_dbu(points).tolist()])


def terminal_polygon(t: Terminal) -> kdb.Polygon:
    """The metal of a terminal; a disc as a polygon inside of its circle."""
    if t.polygon:
        return ring_polygon(t.polygon)
    if not t.round:
        return kdb.Polygon(kdb.Box(dbu(t.x - t.half_x), dbu(t.y - t.half_y), dbu(t.x + t.half_x), dbu(t.y + t.half_y)))
    return ring_polygon(np.array((t.x, t.y)) + t.half_x * _CIRCLE)


def links_of(own: Sequence[Terminal], piece: Mapping[str, int]) -> tuple[int, int]:
    """Links of a net that its pieces of metal hold, and how many it needs.

    Terminals that ask for one of a group need one each, in their own piece; all other terminals need to be joined.
    """
    asking = [t for t in own if t.net and t.group]
    fixed = [t for t in own if t.net and not t.group]
    asked = Counter((piece[t.name], t.group) for t in asking)
    offered = Counter((piece[t.name], t.group) for t in own if not t.net)
    done = sum(min(n, offered[where]) for where, n in asked.items())
    wanted = len(asking)
    if fixed:
        done += len(fixed) - len({piece[t.name] for t in fixed})
        wanted += len(fixed) - 1
    return done, wanted


def _beyond(metal: kdb.Region, problem: RouteProblem, keep: float) -> int:
    """Pieces of metal outside of the die, or nearer than `keep` um to its outline.

    An end on a slanting side of the outline stands beyond it by what rounding to the grid takes.
    """
    die = shapely.Polygon([(dbu(x), dbu(y)) for x, y in problem.outline])
    pieces = [shapely.Polygon([(p.x, p.y) for p in piece.each_point_hull()]) for piece in metal.each()]
    return sum(
        not die.buffer(1).covers(p) or (keep > 0 and die.exterior.distance(p) < dbu(keep) - 0.01) for p in pieces
    )


def too_near(problem: RouteProblem, wires: Sequence[Wire]) -> int:
    """Pairs of wires of different nets whose centre lines are nearer than width and space: shapely's witness."""
    if not wires:
        return 0
    lines = [shapely.LineString(w.points) for w in wires]
    a, b = shapely.STRtree(lines).query(lines, predicate="dwithin", distance=dbu(problem.pitch) - 1)
    nets = np.unique([w.net for w in wires], return_inverse=True)[1]
    return int(np.count_nonzero(nets[a] != nets[b])) // 2


def merged_length(lines: Iterable[tuple[Sequence[Sequence[Um]], Um]], width: Um) -> Um:
    """Area of the union of lines (points and width in um; square ends) over a width: what overlaps counts once."""
    region = kdb.Region()
    for points, own in lines:
        region.insert(kdb.Path([kdb.Point(x, y) for x, y in to_dbu(points).tolist()], dbu(own)).polygon())
    return region.merged().area() * DBU * DBU / width


def wire_lines(wires: Iterable[Wire]) -> list[tuple[list[tuple[Um, Um]], Um]]:
    """The wires that are no ties, for `merged_length`."""
    return [([(x * DBU, y * DBU) for x, y in w.points], w.width) for w in wires if not w.tie and len(w.points) > 1]


def _rules(problem: RouteProblem, metal: Mapping[str, NetMetal], union: kdb.Region) -> dict[str, int]:
    """Findings that need no nets."""
    width, space = dbu(problem.width), dbu(problem.space)
    polygons = [p for m in metal.values() for p in m.metal + m.tie]
    wires = region_of(p for m in metal.values() for p in m.metal)
    ties = region_of(p for m in metal.values() for p in m.tie)
    obstacles = kdb.Region([ring_polygon(o.points) for o in problem.obstacles])
    drawn = (wires + ties).merged()
    return {
        "width": union.width_check(width, False, EUCLID, IGNORE_ANGLE).count(),
        "space": union.isolated_check(space, False, EUCLID).count(),
        "notch": union.notch_check(space, False, EUCLID, IGNORE_ANGLE).count(),
        "obstacle": drawn.separation_check(obstacles.merged(), space, False, EUCLID).count()
        + (drawn & obstacles).count(),
        "edge": _beyond(wires, problem, problem.edge) + _beyond(ties, problem, 0.0),
        "not simple": sum(not shapely.Polygon(p).is_valid for p in polygons),
    }


def _piece(polygons: Sequence[kdb.Polygon], t: Terminal) -> int:
    """Which of the polygons holds a terminal."""
    centre = kdb.Point(dbu(t.x), dbu(t.y))
    return next(i for i, p in enumerate(polygons) if p.bbox().contains(centre) and p.inside(centre))


def _misplaced(problem: RouteProblem, plan: RoutePlan) -> Iterator[bool]:
    """For each end of a wire: whether it lies elsewhere than at its terminal's centre, on its net or on the outline."""
    at = {t.name: (dbu(t.x), dbu(t.y)) for t in problem.terminals}
    outline = shapely.LinearRing([(dbu(x), dbu(y)) for x, y in problem.outline])
    lines: dict[str, list[shapely.LineString]] = {}
    for w in plan.wires:
        lines.setdefault(w.net, []).append(shapely.LineString(w.points))
    for w in plan.wires:
        for name, point, is_tie in ((w.start, w.points[0], False), (w.end, w.points[-1], w.tie)):
            here = shapely.Point(point)
            if is_tie:
                yield here.distance(outline) > _ROUNDING
            elif name:
                yield at.get(name) != point
            else:
                yield sum(line.distance(here) <= 1 for line in lines[w.net]) < 2


def _assignment(problem: RouteProblem, plan: RoutePlan) -> int:
    """Taken terminals that are not free, or whose group their net does not ask for so often."""
    group = {t.name: t.group for t in problem.terminals if not t.net}
    asked = Counter((t.net, t.group) for t in problem.terminals if t.net and t.group)
    taken = Counter((net, group.get(name, "")) for name, net in plan.taken.items())
    return sum(max(0, n - asked[want]) for want, n in taken.items())


def _ties(
    problem: RouteProblem, plan: RoutePlan, metal: Mapping[str, NetMetal], members: Mapping[str, Sequence[Terminal]]
) -> tuple[int, int]:
    """Ties there are and ties that were asked for; one counts where its metal meets the outline over its width."""
    if not problem.ties:
        return 0, 0
    outline = kdb.Region(ring_polygon(problem.outline)).edges()
    done = wanted = 0
    for net, own in members.items():
        ties = [w for w in plan.wires if w.tie and w.net == net]
        named = {t.name for t in own if t.own_tie}
        wanted += len(named) or 1
        starts = named & {w.start for w in ties} if named else {w.start for w in ties[:1]}
        landed = outline & region_of(metal.get(net, NetMetal()).tie).merged()
        landings = sum(e.length() >= dbu(problem.width_of(net)) for e in landed.merged().each())
        done += min(len(starts), landings)
    return done, wanted
