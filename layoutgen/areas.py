"""How much of a wafer, and of a die, each mask leaves open to a bath, and the current that it asks for.

What overlaps, in whichever cells, counts once. The area of what repeats is found once, and what its surroundings cover
of it once for each way in which they do (`connect.covered`), so a wafer takes about a second; a mask that is no plain
union of layers is left to KLayout, which merges it through the hierarchy. Exact but for slanted edges that cross each
other, whose crossings lie on the database grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import klayout.db as kdb

from layoutgen import derive, gds
from layoutgen.connect.covered import area2
from layoutgen.connect.pieces import Pieces
from layoutgen.pdk import Drill, Mask, Pdk
from layoutgen.physics.current import current
from layoutgen.units import DBU

MM2 = (DBU / 1000) ** 2
RINGS = ("ring", "ring_opening")
"""Roles of layers that the fixture touches."""
COLUMNS = "mask,die_mm2,wafer_mm2,ring_mm2,share_of_wafer,current_density_A_dm2,current_A,current_off_ring_A"


@dataclass(frozen=True, slots=True)
class OpenArea:
    """What a mask leaves open to a bath.

    die: within the outline of one die, mm2. wafer: on the whole wafer, mm2, and share: of its area, None where no wafer
    is drawn. ring: how much of that the contact ring is, mm2, which no bath reaches where the fixture seals.
    density: A/dm2, None for a mask that nothing is plated through.
    """

    mask: str
    die: float
    wafer: float
    ring: float
    share: float | None
    density: float | None

    @property
    def current(self) -> float | None:
        """A for the whole wafer; None for a mask that nothing is plated through."""
        return None if self.density is None else current(self.wafer, self.density)

    @property
    def current_off_ring(self) -> float | None:
        """The same where the bath does not reach the contact ring."""
        return None if self.density is None else current(self.wafer - self.ring, self.density)


def open_areas(layout: kdb.Layout, pdk: Pdk, flow: str, die: kdb.Cell) -> list[OpenArea]:
    """The open areas of the masks of a flow on a wafer, and of what it drills; `die` is the cell of one die.

    A mask whose drawn metal stays under an etch opens nothing, and is left out.
    """
    top = layout.top_cell()
    outline = gds.fetch(layout, pdk, top)("wafer").merged().area() * MM2 if "wafer" in pdk.reserved else 0.0
    on_die = gds.fetch(layout, pdk, die)
    frame = on_die("die") if "die" in pdk.reserved else kdb.Region()
    opening: dict[str, Mask | Drill] = {name: mask for name, mask in pdk.masks_of(flow).items() if opens(mask)}
    opening |= pdk.drills_of(flow)
    drawn = (s for mask in opening.values() for n in derive.names(mask.data) for s in pdk.sources(n))
    pieces = Pieces(pdk, layout, top, dict.fromkeys(drawn))
    out = []
    for name, mask in opening.items():
        here = pdk.evaluate(mask.data, on_die)
        within = (here if frame.is_empty() else here & frame).merged().area() * MM2
        everywhere = _area2(pieces, layout, pdk, mask.data) / 2 * MM2
        named = [s for n in derive.names(mask.data) for s in pdk.sources(n)]
        rings = [pdk.roles[r] for r in RINGS if pdk.roles.get(r) in named]
        ring = area2(pieces, pieces.sheet(" | ".join(rings))) / 2 * MM2 if rings else 0.0
        share = everywhere / outline if outline else None
        out.append(OpenArea(name, within, everywhere, ring, share, mask.current_density))
    return out


def opens(mask: Mask) -> bool:
    """Whether what a mask draws is what a bath reaches: openings, and metal that is plated through resist."""
    return mask.drawn == "opening" or mask.transfer == "plate-through"


def _area2(pieces: Pieces, layout: kdb.Layout, pdk: Pdk, expression: str) -> float:
    """Twice the area of an expression over all of a layout, in square database units."""
    if pieces.united(expression) is not None:
        return area2(pieces, pieces.sheet(expression))
    store = kdb.DeepShapeStore()
    regions: dict[str, kdb.Region] = {}
    top = layout.top_cell()

    def fetch(layer: str) -> kdb.Region:
        if layer not in regions:
            index = layout.find_layer(gds.layer_info(pdk, layer))
            regions[layer] = kdb.Region() if index is None else kdb.Region(top.begin_shapes_rec(index), store)
        return regions[layer]

    return 2.0 * float(pdk.evaluate(expression, fetch).merged().area())


def table(areas: Iterable[OpenArea]) -> Iterator[list[str]]:
    """Rows of a table, in the order of `COLUMNS`."""
    for a in areas:
        given = (a.share, a.density, a.current, a.current_off_ring)
        yield [
            a.mask,
            f"{a.die:.6f}",
            f"{a.wafer:.6f}",
            f"{a.ring:.6f}",
            *("" if v is None else f"{v:.6g}" for v in given),
        ]


def csv_text(areas: Iterable[OpenArea]) -> str:
    """The table as CSV."""
    return "\n".join([COLUMNS, *(",".join(row) for row in table(areas))]) + "\n"
