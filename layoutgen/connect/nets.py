"""The chip's netlist against the drawn metal: every net one piece, no two nets one piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
Terminal = tuple[str, str, Um, Um]
"""Name, net, and centre (um)."""


def check_nets(
    metal: kdb.Region,
    chip: Chip,
    origin: tuple[Um, Um] = (0.0, 0.0),
    *,
    on_pads: Mapping[str, kdb.Region] | None = None,
    on_balls: Mapping[str, kdb.Region] | None = None,
) -> RuleResult:
    """Nets as the metal of one die joins them; `origin` is the die's lower-left corner (um), `metal` in database units.

    `on_pads` and `on_balls` are the layers of which a shape must stand over the centre of each pad or ball, by name. A
    finding for each net in several pieces (or with a terminal on no metal), for each piece that holds several nets, for
    each terminal that lacks one of its layers, and for each shape there that belongs to no terminal.
    """
    pads, balls = _terminals(chip, origin)
    pieces = list(metal.merged().each())
    findings = list(_findings(pieces, pads + balls, _piece_of(pieces, pads + balls)))
    for terminals, layers in ((pads, on_pads), (balls, on_balls)):
        for layer, region in (layers or {}).items():
            findings += _standing(layer, list(region.merged().each()), terminals)
    return RuleResult(NETS_RULE, NETS_TEXT, Status.RUN, "", tuple(findings))


def check_tied(
    metal: kdb.Region, bus: kdb.Region, trunk: kdb.Region, ring: kdb.Region, chip: Chip, origin: tuple[Um, Um]
) -> RuleResult:
    """Whether plating current reaches every net of one die, and the bus of all dies the contact ring.

    `metal` and `bus` are those of one step before the cut, `trunk` is bus and ring of the whole wafer, in database
    units; `origin` is the die's lower-left corner (um). A finding for each terminal whose piece of metal holds no bus,
    and for each piece of the trunk that holds no ring.
    """
    pads, balls = _terminals(chip, origin)
    pieces = list(metal.merged().each())
    fed = {k for k, piece in enumerate(pieces) if not (kdb.Region(piece) & bus).is_empty()}
    findings = [
        Finding(
            TIED_RULE, polygon=_spot(to_dbu((x, y))), note=f"{name} of net {net} is not joined to the bus: not plated"
        )
        for (name, net, x, y), k in zip(pads + balls, _piece_of(pieces, pads + balls), strict=True)
        if k not in fed
    ]
    for piece in trunk.merged().each():
        if (kdb.Region(piece) & ring).is_empty():
            findings.append(Finding(TIED_RULE, polygon=_hull(piece), note="this bus does not reach the contact ring"))
    return RuleResult(TIED_RULE, TIED_TEXT, Status.RUN, "", tuple(findings))


def _terminals(chip: Chip, origin: tuple[Um, Um]) -> tuple[list[Terminal], list[Terminal]]:
    x0, y0 = origin
    return (
        [(f"pad {p.name}", p.net, x0 + p.x, y0 + p.y) for p in chip.pads],
        [(f"ball {b.name}", b.net, x0 + b.x, y0 + b.y) for b in chip.balls],
    )


def _standing(layer: str, shapes: Sequence[kdb.Polygon], terminals: list[Terminal]) -> Iterator[Finding]:
    """Terminals without a shape of a layer over their centre, and shapes without a terminal."""
    on = _piece_of(shapes, terminals)
    for (name, net, x, y), shape in zip(terminals, on, strict=True):
        if shape is None:
            yield Finding(NETS_RULE, polygon=_spot(to_dbu((x, y))), note=f"{name} of net {net} has no {layer}")
    for k in sorted(set(range(len(shapes))) - set(on)):
        yield Finding(NETS_RULE, polygon=_hull(shapes[k]), note=f"this {layer} belongs to no terminal")


def _piece_of(pieces: Sequence[kdb.Polygon], terminals: list[Terminal]) -> list[int | None]:
    """The piece below each terminal's centre."""
    boxes = [p.bbox() for p in pieces]
    tree = shapely.STRtree([shapely.box(b.left, b.bottom, b.right, b.top) for b in boxes])
    points = to_dbu([(x, y) for _, _, x, y in terminals])
    out: list[int | None] = [None] * len(terminals)
    if not pieces:
        return out
    for t, k in zip(*tree.query(shapely.points(points), predicate="intersects").tolist(), strict=True):
        if pieces[k].inside(kdb.Point(int(points[t][0]), int(points[t][1]))):
            out[t] = k
    return out


def _findings(pieces: Sequence[kdb.Polygon], terminals: list[Terminal], on: list[int | None]) -> Iterator[Finding]:
    by_net: dict[str, set[int | None]] = {}
    by_piece: dict[int, set[str]] = {}
    for (name, net, x, y), piece in zip(terminals, on, strict=True):
        by_net.setdefault(net, set()).add(piece)
        if piece is None:
            yield Finding(NETS_RULE, polygon=_spot(to_dbu((x, y))), note=f"{name} of net {net} stands on no metal")
        else:
            by_piece.setdefault(piece, set()).add(net)
    for net, found in by_net.items():
        whole = sorted(k for k in found if k is not None)
        if len(whole) > 1:
            yield Finding(NETS_RULE, polygon=_hull(pieces[whole[0]]), note=f"net {net} is in {len(whole)} pieces")
    for piece, nets in sorted(by_piece.items()):
        if len(nets) > 1:
            names = ", ".join(sorted(nets))
            yield Finding(NETS_RULE, polygon=_hull(pieces[piece]), note=f"nets {names} are one piece")


def _hull(polygon: kdb.Polygon) -> Hull:
    return tuple((p.x, p.y) for p in polygon.each_point_hull())


def _spot(at: npt.NDArray[np.int64]) -> Hull:
    """A square of 10 um to look at."""
    x, y = int(at[0]), int(at[1])
    return ((x - 5000, y - 5000), (x + 5000, y - 5000), (x + 5000, y + 5000), (x - 5000, y + 5000))
