"""Drill tables: what is written is read back by a reader of the format that is not ours."""

from __future__ import annotations

import csv
import io

import klayout.db as kdb
import pytest

from layoutgen import discover, drill, gds, geom
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
    assert found.tools == (40.0, 60.0)
    holes = read_excellon(drill.excellon(found))
    assert sorted((round(s * 1000, 3), round(x * 1000, 3), round(y * 1000, 3)) for s, x, y in holes) == sorted(HOLES)
    rows = list(csv.DictReader(io.StringIO(drill.csv_text(found))))
    assert [(float(r["x"]), float(r["y"])) for r in rows] == [
        (round(x * 1e3, 3), round(y * 1e3, 3)) for _, x, y in holes
    ]
    assert [float(r["diameter"]) for r in rows] == [round(s * 1e3, 3) for s, _, _ in holes]


SIZES = (10.0, 12.345, 25.001, 33.334, 40.0, 59.999, 80.0, 199.998)


@pytest.mark.parametrize("corners", [32, 64, 128, 256])
@pytest.mark.parametrize("guard", [0.0, 0.004, 0.01])
def test_the_diameter_is_the_one_that_was_asked_for(corners: int, guard: float) -> None:
    pdk = PDK.model_copy(update={"circle_points": corners, "guard": guard})
    d = Drawing("W")
    for k, size in enumerate(SIZES):
        d.circle("via", size, (1000.0 * k, -3.001))
    found = drill.holes(gds.to_layout(d, pdk), pdk, "LASER", LASER)
    assert found.tools == pytest.approx(SIZES, abs=0.0011)  # of few corners: two sizes 1 nm apart are one polygon
    assert {*found.tools} >= {10.0, 33.334, 40.0, 80.0, 199.998}
    assert found.centres[:, 0].tolist() == [1_000_000 * k for k in range(len(SIZES))]


@pytest.mark.parametrize("corners", [32, 64, 256])
def test_a_circle_that_is_drawn_as_a_polygon_has_the_diameter_that_its_sides_touch(corners: int) -> None:
    d = Drawing("W")
    for k, size in enumerate(SIZES):
        d.polygon("via", geom.circle(size, corners, (1000.0 * k, 0.0)))
    found = drill.holes(gds.to_layout(d, PDK), PDK, "LASER", LASER).tools
    assert found == pytest.approx(SIZES, abs=0.0011)
    assert {*found} >= {10.0, 33.334, 40.0, 80.0, 199.998}
    foreign = gds.to_layout(Drawing("W"), PDK)
    layer = foreign.layer(*PDK.gds("via"))
    foreign.top_cell().shapes(layer).insert(kdb.Polygon.ellipse(kdb.Box(-20_000, -20_000, 20_000, 20_000), corners))
    (inscribed,) = drill.holes(foreign, PDK, "LASER", LASER).tools
    assert inscribed == pytest.approx(40.0, abs=0.2)


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
