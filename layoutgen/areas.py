"""How much of a wafer, and of a die, each mask leaves open to a bath, and the current that it asks for.

What overlaps, in whichever cells, counts once. The area of what repeats is found once, and what its surroundings cover
of it once for each way in which they do (`Pieces.area2`), so a whole wafer takes about a second. Exact but for slanted
edges that cross each other, whose crossings lie on the database grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import klayout.db as kdb

from layoutgen import derive, gds
from layoutgen.connect.pieces import Pieces
from layoutgen.pdk import Mask, Pdk
from layoutgen.physics.current import current
from layoutgen.units import DBU

MM2 = (DBU / 1000) ** 2
COLUMNS = "mask,die_mm2,wafer_mm2,share_of_wafer,current_density_A_dm2,current_A"


@dataclass(frozen=True, slots=True)
class OpenArea:
    """What a mask leaves open to a bath.

    die: within the outline of one die, mm2. wafer: on the whole wafer, mm2, and share: of its area, None where no wafer
    is drawn. density: A/dm2, and current: A for the whole wafer; None for a mask that nothing is plated through.
    """

    mask: str
    die: float
    wafer: float
    share: float | None
    density: float | None
    current: float | None


def open_areas(layout: kdb.Layout, pdk: Pdk, flow: str, die: kdb.Cell) -> list[OpenArea]:
    """The open areas of the masks of a flow on a wafer, `die` being the cell of one die.

    A mask whose drawn metal stays under an etch opens nothing, and is left out.
    """
    top = layout.top_cell()
    outline = gds.fetch(layout, pdk, top)("wafer").merged().area() * MM2 if "wafer" in pdk.reserved else 0.0
    on_die = gds.fetch(layout, pdk, die)
    frame = on_die("die") if "die" in pdk.reserved else kdb.Region()
    opening = {name: mask for name, mask in pdk.masks_of(flow).items() if opens(mask)}
    drawn = (s for mask in opening.values() for n in derive.names(mask.data) for s in pdk.sources(n))
    pieces = Pieces(pdk, layout, top, dict.fromkeys(drawn))
    out = []
    for name, mask in opening.items():
        here = pdk.evaluate(mask.data, on_die)
        within = (here if frame.is_empty() else here & frame).merged().area() * MM2
        everywhere = pieces.area2(pieces.sheet(mask.data)) / 2 * MM2
        density = mask.current_density
        amps = None if density is None else current(everywhere, density)
        out.append(OpenArea(name, within, everywhere, everywhere / outline if outline else None, density, amps))
    return out


def opens(mask: Mask) -> bool:
    """Whether what a mask draws is what a bath reaches: openings, and metal that is plated through resist."""
    return mask.drawn == "opening" or mask.transfer == "plate-through"


def table(areas: Iterable[OpenArea]) -> Iterator[list[str]]:
    """Rows of a table, in the order of `COLUMNS`."""
    for a in areas:
        given = (a.share, a.density, a.current)
        yield [a.mask, f"{a.die:.6f}", f"{a.wafer:.6f}", *("" if v is None else f"{v:.6g}" for v in given)]


def csv_text(areas: Iterable[OpenArea]) -> str:
    """The table as CSV."""
    return "\n".join([COLUMNS, *(",".join(row) for row in table(areas))]) + "\n"
