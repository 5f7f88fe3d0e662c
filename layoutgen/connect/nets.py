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
NETS_TEXT = "every net of the chip is one piece of metal that joins its pads and balls, and no two nets are one piece"


def check_nets(
    metal: kdb.Region, chip: Chip, origin: tuple[Um, Um] = (0.0, 0.0), tied: Mapping[str, bool] | None = None
) -> RuleResult:
    """Nets as the metal of one die joins them; `origin` is the die's lower-left corner (um), `metal` in database units.

    A finding for each net in several pieces (or with a terminal on no metal), and for each piece that holds several
    nets. `tied`, where given, says of each net whether a tie leaves the die: a finding for each that has none.
    """
    pieces = list(metal.merged().each())
    x0, y0 = origin
    terminals = [(f"pad {p.name}", p.net, x0 + p.x, y0 + p.y) for p in chip.pads]
    terminals += [(f"ball {b.name}", b.net, x0 + b.x, y0 + b.y) for b in chip.balls]
    on = _piece_of(pieces, terminals)
    findings = list(_findings(pieces, terminals, on))
    for net, ok in sorted((tied or {}).items()):
        if not ok:
            where = next(to_dbu((x, y)) for _, n, x, y in terminals if n == net)
            findings.append(Finding(NETS_RULE, polygon=_spot(where), note=f"net {net} has no tie: it is not plated"))
    return RuleResult(NETS_RULE, NETS_TEXT, Status.RUN, "", tuple(findings))


def _piece_of(pieces: Sequence[kdb.Polygon], terminals: list[tuple[str, str, float, float]]) -> list[int | None]:
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


def _findings(
    pieces: Sequence[kdb.Polygon], terminals: list[tuple[str, str, float, float]], on: list[int | None]
) -> Iterator[Finding]:
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
