"""Why something is missing, in words and as cuts: every missing wire gets a reason, and a cut where there is one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from layoutgen.route.blocked import Block, blocks
from layoutgen.route.eject import ASKS
from layoutgen.route.escape import sides_for_ties
from layoutgen.route.escape import tie_bound as bound_of
from layoutgen.route.pieces import net_of
from layoutgen.route.problem import Bottleneck, Ring, Unrouted
from layoutgen.route.router import Layer
from layoutgen.route.topology import Topology

MOST_NAMES = 3
"""Nets that a reason names of those in the way."""
_Place = tuple[tuple[Ring, ...], int]
"""Lines of a cut, and the layer."""
_OPEN = "no way found between the other wires; give the net another ball"
_CLOSED = "closed in by full or narrow channels or by other nets' wires; see the cuts of the others"
_OPEN_TIE = "no way to the die edge found between the other wires; leave more room to the edge"


def tie_bound(layer: Layer) -> tuple[int, list[Bottleneck]]:
    """How many ties can leave the die at all, and the cuts that hold the others back."""
    ties = [i for i, link in enumerate(layer.links) if link.tie]
    if all(i in layer.wires for i in ties):  # there are no more, so no more can leave
        return len(ties), []
    groups = [sorted(layer.ejector.sources_of(i)) for i in ties]
    topo = layer.ejector.topo
    bound, cuts = bound_of(topo, groups, sides_for_ties(layer.problem))
    nets = [tuple(dict.fromkeys(net_of(layer.links[ties[k]].net) for k in cut.nets)) for cut in cuts]
    return bound, [Bottleneck(c.lines, c.capacity, c.demand, n) for c, n in zip(cuts, nets, strict=True)]


def explained(layer: Layer, number: int, bounds: Iterable[Bottleneck] = ()) -> tuple[list[Unrouted], list[Bottleneck]]:
    """The missing links, each with its reason, and the cuts in their way.

    number: of the layer. bounds: cuts that are known already, of which those that hold something back are kept.
    """
    ejector = layer.ejector
    missing = dict(zip(layer.missing, layer.unrouted(), strict=True))
    looked = [i for i in missing if i not in ejector.cost and not _none_left(layer, i)]
    sides = sides_for_ties(layer.problem) if layer.problem.ties else []
    found = dict(zip(looked, blocks(ejector.topo, [ejector.quest(i) for i in looked], sides), strict=True))
    untied = {net_of(link.net) for link in missing.values() if link.tie}
    cuts: dict[_Place, Bottleneck] = {}
    for bound in bounds:
        if nets := tuple(n for n in bound.nets if n in untied):
            cuts[bound.lines, bound.layer] = replace(bound, nets=nets)
    at: dict[int, _Place] = {}
    wanted: dict[_Place, int] = {}
    for i, block in found.items():
        cut = _cut_of(layer, i, block, number)
        if cut is not None:
            place = at[i] = cut.lines, number
            wanted[place] = wanted.get(place, cut.demand - 1) + 1
            known = cuts.setdefault(place, cut)
            nets = tuple(dict.fromkeys((*known.nets, *cut.nets)))
            cuts[place] = replace(known, demand=max(known.demand, wanted[place]), nets=nets)
    out = []
    for i, link in missing.items():
        reason, full = link.reason, cuts[at[i]] if i in at else None
        if _none_left(layer, i):
            reason = f"no free terminal of group {link.end} is left; add one, or let fewer ask for it"
        elif i in looked:
            words = _words(layer, found[i], full)
            reason = f"{reason}; {words}" if reason and words else reason or words
            reason = reason or (_OPEN_TIE if link.tie else _OPEN)
        out.append(replace(link, net=net_of(link.net), reason=reason))
    return out, list(cuts.values())


def _none_left(layer: Layer, i: int) -> bool:
    """Whether a link asks for a free terminal where none is."""
    link = layer.links[i]
    return link.end == ASKS and all(v in layer.ejector.taken for v in layer.ejector.free[link.group])


def _cut_of(layer: Layer, i: int, block: Block | None, number: int) -> Bottleneck | None:
    """What one more wire does not fit through; of a wire that was given up, the edge at which it came too near."""
    net = (net_of(layer.links[i].net),)
    if block is not None and block.cut is not None:
        return Bottleneck(block.cut.lines, block.cut.capacity, block.cut.demand, net, number)
    topo: Topology = layer.ejector.topo
    edge = layer.narrow.get(i, -1)
    if block is not None or edge < 0:
        return None
    f, (u, v) = topo.tiles.features, topo.tiles.edges[edge]
    count = len(topo.order[edge])
    return Bottleneck((((f.x[u], f.y[u]), (f.x[v], f.y[v])),), count, count + 1, net, number)


def _words(layer: Layer, block: Block | None, cut: Bottleneck | None) -> str:
    """Why a wire finds no way, as a part of a sentence; nothing where a way is open."""
    where = f"the cut {place_of(cut)}" if cut else ""
    full = f"{where} holds {cut.capacity}, {cut.demand} want to cross" if cut else ""
    if block is None:
        return full
    across = _named(dict.fromkeys(net_of(layer.links[w].net) for w in block.across))
    if cut is None:
        return f"the wires of {across} stand across; let them run elsewhere" if across else _CLOSED
    if cut.capacity == 0 and not block.taken:
        narrow = f"every channel of {where} is narrower than a wire with its space; widen one"
        return f"closed in: {narrow}" + (f", or move the wires of {across}, which stand across" if across else "")
    return full + (f", and the wires of {across} stand across" if across else "")


def place_of(cut: Bottleneck) -> str:
    """Where the longest line of a cut is, in words."""
    longest = cut.lines[0]
    (x0, y0), (x1, y1) = longest[0], longest[-1]
    more = f" and {len(cut.lines) - 1} more" if len(cut.lines) > 1 else ""
    more += f" on layer {cut.layer + 1}" if cut.layer else ""
    if len(longest) > 2 and math.dist((x0, y0), (x1, y1)) == 0:
        x, y = (sum(p[k] for p in longest[1:]) / (len(longest) - 1) for k in (0, 1))
        return f"around ({x:.1f}, {y:.1f}) um{more}"
    return f"from ({x0:.1f}, {y0:.1f}) to ({x1:.1f}, {y1:.1f}) um{more}"


def _named(nets: Iterable[str]) -> str:
    """Some of the nets by name, and how many more."""
    names = sorted(nets)
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
