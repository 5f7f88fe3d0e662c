"""Two layout files, opened to be compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import klayout.db as kdb

from layoutgen import foreign
from layoutgen.units import DBU


@dataclass(frozen=True, slots=True)
class Opened:
    """A layout as it was opened, what is compared of it, and the database unit (um) of its file."""

    layout: kdb.Layout
    top: kdb.Cell
    unit: float


def open_both(a: Path, b: Path, top: str = "", top_b: str = "", *, seconds: float | None = None,
              megabytes: int = foreign.MEGABYTES) -> tuple[Opened, Opened]:  # fmt: skip
    """Two files as layouts of one database unit; `top_b` is `top` where it is left out.

    Raises:
        InputError: a file cannot be read or has no such cell, or its coordinates are no whole numbers of 0.001 um.
    """
    out = []
    for path, cell in ((a, top), (b, top_b or top)):
        layout = foreign.read(path, seconds=seconds, megabytes=megabytes, convert=False)
        unit = layout.dbu
        if abs(unit / DBU - 1) > 1e-9:
            layout = foreign.read(path, seconds=seconds, megabytes=megabytes)
        out.append(Opened(layout, foreign.top_cell(layout, str(path), cell), round(unit, 12)))
    return out[0], out[1]
