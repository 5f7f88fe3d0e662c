"""The chip's netlist against the drawn metal: every net one piece, no two nets one piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.chip import Chip
from layoutgen.findings import Finding, Hull, RuleResult, Status
from layoutgen.units import Um, to_dbu

NETS_RULE = "NETS"
NETS_TEXT = (
    "every net of the chip is one piece of metal that joins its pads and balls, no two nets are one piece, and every "
    "pad and ball has all that stands on it"
)
TIED_RULE = "TIED"
TIED_TEXT = "before the cut every net is joined to the bus, and the bus is one piece that reaches the contact ring"


@dataclass(frozen=True, slots=True)
class Upper:
    """A second level of metal, which balls stand on, and the openings that join it with the first, in database units.

    An opening joins all metal that it overlaps.
    """

    metal: kdb.Region
    vias: kdb.Region


@dataclass(frozen=True, slots=True)
class _Terminal:
    """A pad or ball: name, net, and centre (um).

    net: "" for one that was free and that nobody took.
    asks: whether it is joined with something it took, instead of with the rest of its net.
    took: whether it was free and taken.
    """

    name: str
    net: str
    x: Um
    y: Um
    asks: bool = False
    took: bool = False

    @property
    def title(self) -> str:
        """What a finding calls it."""
        return f"{self.name} of net {self.net}" if self.net else f"{self.name}, which is free,"


def check_nets(
    metal: kdb.Region,
    chip: Chip,
    origin: tuple[Um, Um] = (0.0, 0.0),
    *,
    upper: Upper | None = None,
    taken: Mapping[str, str] | None = None,
    on_pads: Mapping[str, kdb.Region] | None = None,
    on_balls: Mapping[str, kdb.Region] | None = None,
) -> RuleResult:
    """Nets as the metal of one die joins them; `origin` is the die's lower-left corner (um), `metal` in database units.

    `upper` is the second level of metal where there is one, `taken` the net that took each free pad or ball, by its
    terminal's name ("pad P1", "ball A1"). `on_pads` and `on_balls` are the layers of which a shape must stand over the
    centre of each pad or ball, by name. A finding for each net in several pieces (or with a terminal on no metal), for
    each piece that holds several nets, for each via that does not lie on both metals, for each terminal that asks for a
    free one and is not joined with one or the other way round, for each terminal that lacks one of its layers, and for
    each shape there that belongs to no terminal.
    """
    pads, balls = _terminals(chip, origin, taken or {})
    pieces = _pieces(metal, upper)
    findings = [*pieces.loose, *_findings(pieces, pads + balls, pieces.below(pads, balls))]
    for terminals, layers in ((pads, on_pads), (balls, on_balls)):
        for layer, region in (layers or {}).items():
            findings += _standing(layer, list(region.merged().each()), terminals)
    return RuleResult(NETS_RULE, NETS_TEXT, Status.RUN, "", tuple(findings))


def check_tied(
    metal: kdb.Region, bus: kdb.Region, trunk: kdb.Region, ring: kdb.Region, chip: Chip, origin: tuple[Um, Um],
    *, upper: Upper | None = None, taken: Mapping[str, str] | None = None,
) -> RuleResult:  # fmt: skip
    """Whether plating current reaches every net of one die, and the bus of all dies the contact ring.

    `metal` and `bus` are those of one step before the cut, `trunk` is bus and ring of the whole wafer, in database
    units; `origin` is the die's lower-left corner (um); `upper` and `taken` are as in `check_nets`. A finding for each
    terminal whose piece of metal holds no bus, and for each piece of the trunk that holds no ring. Free terminals that
    nobody took are not looked at.
    """
    pads, balls = _terminals(chip, origin, taken or {})
    pieces = _pieces(metal, upper)
    fed = {pieces.net[k] for k, hull in enumerate(pieces.hulls) if not (kdb.Region(hull) & bus).is_empty()}
    findings = [
        Finding(TIED_RULE, polygon=_spot(to_dbu((t.x, t.y))), note=f"{t.title} is not joined to the bus: not plated")
        for t, k in zip(pads + balls, pieces.below(pads, balls), strict=True)
        if t.net and k not in fed
    ]
    for piece in trunk.merged().each():
        if (kdb.Region(piece) & ring).is_empty():
            findings.append(Finding(TIED_RULE, polygon=_hull(piece), note="this bus does not reach the contact ring"))
    return RuleResult(TIED_RULE, TIED_TEXT, Status.RUN, "", tuple(findings))


def _terminals(
    chip: Chip, origin: tuple[Um, Um], taken: Mapping[str, str]
) -> tuple[list[_Terminal], list[_Terminal]]:  # fmt: skip
    x0, y0 = origin
    groups = [group for pair in chip.groups.values() for group in pair]
    # a pad of the group "*" asks without a word, and for nobody where nothing is free
    asking = {id(m) for group in groups if group.free for m in group.askers}
    made = {
        kind: [
            _Terminal(
                f"{kind} {m.name}", m.net or taken.get(f"{kind} {m.name}", ""), x0 + m.x, y0 + m.y,
                id(m) in asking, not m.net and f"{kind} {m.name}" in taken,
            )
            for m in members
        ]
        for kind, members in (("pad", chip.pads), ("ball", chip.balls))
    }  # fmt: skip
    return made["pad"], made["ball"]


# pieces of metal ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Merged polygons of metal, those of the lower level first, and which of them are joined.

    net: for each polygon the number of the first one that it is joined with.
    lower: how many are of the lower level.
    two: whether balls stand on the upper level.
    loose: what is wrong with vias.
    """

    hulls: Sequence[kdb.Polygon]
    net: list[int]
    lower: int
    two: bool
    loose: list[Finding]

    def below(self, pads: Sequence[_Terminal], balls: Sequence[_Terminal]) -> list[int | None]:
        """The joined metal below the centre of each pad and then of each ball; None where there is none."""
        low, high = self.hulls[: self.lower], self.hulls[self.lower :]
        on = _piece_of(low, pads)
        if self.two:
            on += [None if k is None else k + self.lower for k in _piece_of(high, balls)]
        else:
            on += _piece_of(low, balls)
        return [None if k is None else self.net[k] for k in on]


def _pieces(metal: kdb.Region, upper: Upper | None) -> _Pieces:
    """The pieces of metal, joined by the vias between both levels."""
    low = list(metal.merged().each())
    if upper is None:
        return _Pieces(low, [*range(len(low))], len(low), False, [])
    high = list(upper.metal.merged().each())
    vias = list(upper.vias.merged().each())
    same = [*range(len(low) + len(high))]
    loose = []

    def root(k: int) -> int:
        while same[k] != k:
            k = same[k]
        return k

    for via, below, above in zip(vias, _overlapped(low, vias), _overlapped(high, vias), strict=True):
        for where, found in (("lower", below), ("upper", above)):
            if not found:
                loose.append(Finding(NETS_RULE, polygon=_hull(via), note=f"this via lies on no {where} metal"))
        roots = sorted({root(k) for k in (*below, *(len(low) + k for k in above))})
        for k in roots[1:]:
            same[k] = roots[0]
    return _Pieces([*low, *high], [root(k) for k in same], len(low), True, loose)


def _overlapped(pieces: Sequence[kdb.Polygon], vias: Sequence[kdb.Polygon]) -> list[list[int]]:
    """The pieces that each via shares an area with."""
    out: list[list[int]] = [[] for _ in vias]
    boxes = _boxes(vias)
    for p, v in zip(*shapely.STRtree(boxes).query(_boxes(pieces), predicate="intersects").tolist(), strict=True):
        if not (kdb.Region(pieces[p]) & kdb.Region(vias[v])).is_empty():
            out[v].append(p)
    return out


def _boxes(polygons: Iterable[kdb.Polygon]) -> list[shapely.Geometry]:
    return [shapely.box(b.left, b.bottom, b.right, b.top) for b in (p.bbox() for p in polygons)]


def _standing(layer: str, shapes: Sequence[kdb.Polygon], terminals: Sequence[_Terminal]) -> Iterator[Finding]:
    """Terminals without a shape of a layer over their centre, and shapes without a terminal."""
    on = _piece_of(shapes, terminals)
    for t, shape in zip(terminals, on, strict=True):
        if shape is None:
            yield Finding(NETS_RULE, polygon=_spot(to_dbu((t.x, t.y))), note=f"{t.title} has no {layer}")
    for k in sorted(set(range(len(shapes))) - set(on)):
        yield Finding(NETS_RULE, polygon=_hull(shapes[k]), note=f"this {layer} belongs to no terminal")


def _piece_of(pieces: Sequence[kdb.Polygon], terminals: Sequence[_Terminal]) -> list[int | None]:
    """The piece below each terminal's centre."""
    out: list[int | None] = [None] * len(terminals)
    if not pieces or not terminals:
        return out
    tree = shapely.STRtree(_boxes(pieces))
    points = to_dbu([(t.x, t.y) for t in terminals])
    for t, k in zip(*tree.query(shapely.points(points), predicate="intersects").tolist(), strict=True):
        if pieces[k].inside(kdb.Point(int(points[t][0]), int(points[t][1]))):
            out[t] = k
    return out


# nets -----------------------------------------------------------------------------------------------------------


def _findings(pieces: _Pieces, terminals: Sequence[_Terminal], on: Sequence[int | None]) -> Iterator[Finding]:
    joined: dict[str, set[int]] = {}
    by_piece: dict[int, list[_Terminal]] = {}
    for t, piece in zip(terminals, on, strict=True):
        if piece is None:
            yield Finding(NETS_RULE, polygon=_spot(to_dbu((t.x, t.y))), note=f"{t.title} stands on no metal")
        else:
            by_piece.setdefault(piece, []).append(t)
            if t.net and not t.asks and not t.took:
                joined.setdefault(t.net, set()).add(piece)
    for net, found in joined.items():
        if len(found) > 1:
            first = _hull(pieces.hulls[min(found)])
            yield Finding(NETS_RULE, polygon=first, note=f"net {net} is in {len(found)} pieces")
    for piece, own in sorted(by_piece.items()):
        names = sorted({t.net for t in own if t.net})
        free = [t.name for t in own if not t.net]
        what = f"nets {', '.join(names)}" if len(names) > 1 else ", ".join(f"net {name}" for name in names)
        if len(names) + len(free) > 1:
            note = " and ".join(filter(None, [what, ", ".join(free)])) + " are one piece"
            yield Finding(NETS_RULE, polygon=_hull(pieces.hulls[piece]), note=note)
        for net in names:
            asks, took = (sum(getattr(t, key) for t in own if t.net == net) for key in ("asks", "took"))
            if asks != took:
                note = f"a piece of net {net} joins {asks} that ask for a free one with {took} that were taken"
                yield Finding(NETS_RULE, polygon=_hull(pieces.hulls[piece]), note=note)


def _hull(polygon: kdb.Polygon) -> Hull:
    return tuple((p.x, p.y) for p in polygon.each_point_hull())


def _spot(at: npt.NDArray[np.int64]) -> Hull:
    """A square of 10 um to look at."""
    x, y = int(at[0]), int(at[1])
    return ((x - 5000, y - 5000), (x + 5000, y - 5000), (x + 5000, y + 5000), (x - 5000, y + 5000))
