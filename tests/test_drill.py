"""Drill tables: what is written is read back by a reader of the format that is not ours."""

from __future__ import annotations

import csv
import io

import klayout.db as kdb
import pytest

from layoutgen import discover, drill, gds
from layoutgen.cell import Drawing
from layoutgen.errors import InputError

PDK = discover.pdk("post").in_flow("plated_drilled")
LASER = PDK.drills["LASER"]


def read_excellon(text: str) -> list[tuple[float, float, float]]:
    """Diameter, x, y in mm of each hole; as much of the format as a plain drill file uses."""
    head, _, body = text.partition("\n%\n")
    lines = head.split("\n")
    assert lines[0] == "M48"
    assert "METRIC" in lines
    tools = {line[:3]: float(line[4:]) for line in lines if line.startswith("T")}
    out, size = [], 0.0
    *holes, last, end = body.split("\n")
    assert (last, end) == ("M30", "")
    for line in holes:
        if line.startswith("T"):
            size = tools[line]
        elif line.startswith("X"):
            x, y = line[1:].split("Y")
            out.append((size, float(x), float(y)))
    return out


def layout_of(*circles: tuple[float, float, float]) -> kdb.Layout:
    d = Drawing("W")
    for size, x, y in circles:
        d.circle("via", size, (x, y))
    return gds.to_layout(d, PDK)


HOLES = [(40.0, 0.001, -20000.5), (40.0, -73000.123, 10.0), (60.0, 5.0, 5.0)]


def test_what_is_written_is_what_is_drawn() -> None:
    found = drill.holes(layout_of(*HOLES, HOLES[0]), PDK, "LASER", LASER)
    sizes = {round(s) for s in found.tools}
    assert sizes == {40, 60}
    holes = read_excellon(drill.excellon(found))
    assert sorted((round(s * 1000), round(x * 1000, 3), round(y * 1000, 3)) for s, x, y in holes) == sorted(HOLES)
    rows = list(csv.DictReader(io.StringIO(drill.csv_text(found))))
    assert [(float(r["x"]), float(r["y"])) for r in rows] == [
        (round(x * 1e3, 3), round(y * 1e3, 3)) for _, x, y in holes
    ]
    assert [float(r["diameter"]) for r in rows] == [round(s * 1e3, 3) for s, _, _ in holes]


def test_what_is_not_round_is_not_drilled() -> None:
    d = Drawing("W")
    d.polygon("via", [(0, 0), (40, 0), (40, 40), (0, 40)])
    with pytest.raises(InputError, match="no circle"):
        drill.holes(gds.to_layout(d, PDK), PDK, "LASER", LASER)


def test_a_flow_has_its_own_profile() -> None:
    base = discover.pdk("post")
    flare = {flow: base.in_flow(flow).number("level.polymer.flare") for flow in base.flows}
    assert flare["plated"] == 2.0
    assert flare["plated_etched"] == 0.0
    assert flare["plated_drilled"] == -3.0
    positive = base.in_flow("plated_positive")
    assert positive.growth("via_waist") == -3.0
    assert positive.growth("bump") == 27.0
