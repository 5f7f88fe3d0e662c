"""Where two metals of the wiring level meet in an opening of the dielectric, and what a square of one has."""

from __future__ import annotations

from layoutgen.cell import Drawing
from layoutgen.errors import UnknownNameError
from layoutgen.pdk import Pdk
from layoutgen.units import Ohm, Um

SQUARES = "squares of the middle line, corner 0.559 (Hall 1968)"


def draw_landing(d: Drawing, at: tuple[Um, Um], via: Um, landing: Um, *layers: str) -> None:
    """An opening with metal round it on both levels; layers: lower metal, upper metal, opening."""
    lower, upper, opening = layers
    for layer, diameter in ((lower, landing), (upper, landing), (opening, via)):
        d.circle(layer, diameter, at)


def check_landing(via: Um, landing: Um) -> None:
    """That metal stands out around an opening (diameters in um).

    Raises:
        ValueError: it does not.
    """
    if via >= landing:
        raise ValueError(f"via={via:g} um must be less than landing={landing:g} um")


def sheet_resistance(pdk: Pdk, layer: str) -> Ohm:
    """Of a level's metal, ohm a square.

    Raises:
        UnknownNameError: the stack does not say its thickness or resistivity.
    """
    found = pdk.sheet_resistance(layer)
    if found is None:
        raise UnknownNameError("sheet resistance of", layer, (), where=f"[stack] of PDK {pdk.name!r}")
    return found
