"""What cells say of their own values: asked, drawn, and by which formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from layoutgen.cell import Drawing, Value

COLUMNS = ("cell", "value", "unit", "asked", "drawn", "error_percent", "formula")


@dataclass(frozen=True, slots=True)
class Row:
    """A value of a cell."""

    cell: str
    value: Value

    @property
    def cells(self) -> tuple[str, ...]:
        """The row's texts, in the order of `COLUMNS`."""
        v = self.value
        asked = "" if v.asked is None else f"{v.asked:.6g}"
        error = "" if v.error is None else f"{v.error * 100:+.3f}"
        return (self.cell, v.name, v.unit, asked, f"{v.drawn:.6g}", error, v.formula)


def rows(*drawings: Drawing) -> list[Row]:
    """The values of all cells in some drawings, by cell; a cell that is placed often stands once."""
    return sorted(dict.fromkeys(_each(drawings)), key=lambda row: (row.cell, row.value.name, row.value.formula))


def _each(drawings: tuple[Drawing, ...]) -> Iterator[Row]:
    for top in drawings:
        for drawing in top.below():
            yield from (Row(drawing.name, value) for value in drawing.values)


def csv_text(found: list[Row]) -> str:
    """The rows as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row.cells for row in found)
    return out.getvalue()


def markdown(found: list[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = ["# Values of cells", "", "Computed back from what is drawn.", ""]
    lines += ["| cell | value | unit | asked | drawn | error % | formula |", "|---|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(_cell(text) for text in row.cells) + " |" for row in found]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())
