"""What a plater is told of a build, in words: open areas and currents, and how evenly the bath will plate."""

from __future__ import annotations

from collections.abc import Sequence

from layoutgen.areas import OpenArea
from layoutgen.report.markdown import safe

HEAD = (
    "Mask", "Open on a die (mm2)", "On the wafer (mm2)", "Contact ring in it (mm2)", "Share of the wafer", "A/dm2",
    "Current (A)", "Without the ring (A)",
)  # fmt: skip
MOST = 40
"""Masks that are listed."""


def markdown(areas: Sequence[OpenArea], plating: str = "") -> str:
    """A table of the areas as Markdown, and a line on the plating network where there is one."""
    out: list[str] = []
    if areas:
        out += ["", "### Open area and current", "", _row(HEAD), _row(["---"] * len(HEAD))]
        for a in areas[:MOST]:
            share = "" if a.share is None else f"{100 * a.share:.2f} %"
            bath = ["" if v is None else f"{v:.4g}" for v in (a.density, a.current, a.current_off_ring)]
            out.append(_row([safe(a.mask, 100), f"{a.die:.4f}", f"{a.wafer:.2f}", f"{a.ring:.2f}", share, *bath]))
        if len(areas) > MOST:
            out += ["", f"{len(areas) - MOST} more stand in areas.csv."]
    if plating:
        out += ["", "### Plating through the kerf", "", f"{safe(plating, 1000)}."]
    return "\n".join([*out, ""]) if out else ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def line(areas: Sequence[OpenArea]) -> str:
    """The currents in one line; empty where no mask names its bath."""
    found = []
    for a in areas:
        if a.current is not None and a.current_off_ring is not None:
            ring = f" ({a.current:.3g} A with the contact ring)" if a.ring else ""
            found.append(f"{a.mask} {a.current_off_ring:.3g} A on {a.wafer - a.ring:.4g} mm2{ring}")
    return ", ".join(found)
