"""Cells that are drawn from a value: the value of what is drawn, by others' counting, and what cannot be drawn."""

from __future__ import annotations

import csv
import io
import math
import re
from functools import cache
from typing import Any

import klayout.db as kdb
import numpy as np
import pytest
import shapely
from filaments import inductance
from scipy import special

from layoutgen import discover, gds
from layoutgen.cell import Drawing, Library, Value
from layoutgen.cli import run
from layoutgen.errors import ParamError
from layoutgen.pdk import Pdk
from layoutgen.physics.passives import EPSILON_0, saw
from layoutgen.physics.plating import mesh
from layoutgen.report import values


@cache
def process() -> Pdk:
    return discover.pdk("hermetic")


@cache
def library() -> Library:
    return discover.cells()


def cell(name: str, **changed: Any) -> Drawing:
    return library()[name](process(), **changed)


def region(drawing: Drawing, layer: str) -> kdb.Region:
    layout = gds.to_layout(drawing, process())
    return gds.fetch(layout, process(), layout.cell(drawing.name))(layer).merged()


def shapes(drawing: Drawing, *layers: str) -> list[shapely.Polygon]:
    """The pieces of some layers together as written, in um."""
    out = []
    for piece in sum((region(drawing, layer) for layer in layers), kdb.Region()).merged().each():
        hull = [(q.x / 1000, q.y / 1000) for q in piece.each_point_hull()]
        holes = [[(q.x / 1000, q.y / 1000) for q in piece.each_point_hole(h)] for h in range(piece.holes())]
        out.append(shapely.Polygon(hull, holes))
    return out


def value(drawing: Drawing, name: str) -> Value:
    return next(v for v in drawing.values if v.name == name and "Wheeler" not in v.formula)


def crossings(piece: shapely.Geometry, ray: shapely.LineString) -> int:
    return len(shapely.get_parts(piece & ray))


def track() -> tuple[str, ...]:
    """The layers of a spiral's metal: its turns may have one of their own."""
    return tuple({"wiring", process().roles.get("coil", "wiring")})


SEEDED = np.random.default_rng(20)


# spirals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["square", "octagon", "circle"])
@pytest.mark.parametrize("asked", [1.0, 2.5, 7.3, 20.0, *np.round(np.exp(SEEDED.uniform(0, 3.5, 2)), 3)])
def test_a_spiral_has_its_value_turns_and_spaces(shape: str, asked: float) -> None:
    width, space = 10.0, 8.0
    d = cell("inductor.spiral", shape=shape, inductance=float(asked), width=width, space=space)
    (found,) = [v for v in d.values if v.asked is not None]
    assert found.unit == "nH"
    assert found.drawn == pytest.approx(asked, rel=1e-3)
    metal = sum((region(d, layer) for layer in track()), kdb.Region()).merged()
    assert metal.count() == 2  # the spiral, and the landing beside it
    assert metal.space_check(8000).count() == 0
    assert metal.space_check(8030).count() > 0
    assert metal.width_check(10000, min_projection=5000).count() == 0
    (start,) = [c.at for c in d.circles["cross_via"] if c.at[0] < max(p.at[0] for p in d.pins)]
    spiral = max(shapes(d, *track()), key=lambda s: s.length) - shapely.Point(start).buffer(20.1)
    # the bare spiral by six rays, and its diameters by what they meet: width, space, and turns agree with the formula
    far = 4000.0
    counts, inner, outer = [], [], []
    for degrees in (112.5, 157.5, 247.5, 90.0, 180.0, 270.0):
        way = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
        hits = spiral & shapely.LineString([(0.001, 0.0), way * far])
        counts.append(len(shapely.get_parts(hits)))
        if degrees in (90.0, 180.0, 270.0):
            away = [shapely.Point(q).distance(shapely.Point(0, 0)) for q in shapely.get_coordinates(hits)]
            inner.append(min(away))
            outer.append(max(away))
    assert len(set(counts)) == 1
    turns = counts[0]
    assert 2 * np.mean(outer) - 2 * np.mean(inner) == pytest.approx(
        2 * turns * width + 2 * (turns - 1) * space, abs=0.2
    )
    # Mohan's current sheet from these diameters alone, by its numbers in the paper
    c1, c2, c3, c4 = {"square": (1.27, 2.07, 0.18, 0.13), "octagon": (1.07, 2.29, 0.0, 0.19),
                      "circle": (1.0, 2.46, 0.0, 0.2)}[shape]  # fmt: skip
    mean, fill = np.mean(outer) + np.mean(inner), (np.mean(outer) - np.mean(inner)) / (np.mean(outer) + np.mean(inner))
    henry = 4e-7 * math.pi * mean * 1e-6 * c1 / 2 * (math.log(c2 / fill) + c3 * fill + c4 * fill**2)
    missing = 1 / 16 if shape == "octagon" else 1 / 8
    assert henry * (turns - missing) ** 2 * 1e9 == pytest.approx(asked, rel=0.01)


@pytest.mark.parametrize("shape", ["square", "octagon", "circle"])
def test_the_underpass_joins_the_inner_end_to_its_pin(shape: str) -> None:
    d = cell("inductor.spiral", shape=shape)
    spiral, landing = sorted(shapes(d, *track()), key=lambda s: -s.area)
    (bridge,), openings = shapes(d, "bridge"), shapes(d, "cross_via")
    assert len(openings) == 2
    assert all(bridge.contains(hole) for hole in openings)
    assert sorted((spiral.contains(hole), landing.contains(hole)) for hole in openings) == [
        (False, True),
        (True, False),
    ]
    pins = {p.name: shapely.Point(p.at) for p in d.pins}
    assert landing.contains(pins["inner"])
    assert spiral.distance(pins["outer"]) < 1e-9


def test_a_drawn_spirals_resistance_is_that_of_its_film() -> None:
    d = cell("inductor.spiral", inductance=1.5, turns=2)
    spiral = max(sum((region(d, layer) for layer in track()), kdb.Region()).merged().each(), key=lambda s: s.area())
    outer = next(p.at for p in d.pins if p.name == "outer")
    (start,) = [c.at for c in d.circles["cross_via"] if c.at[0] < outer[0] - 1]
    ends = [kdb.Polygon(kdb.DBox(x - 0.5, y - 5, x + 0.5, y + 5).to_itype(0.001)) for x, y in (start, outer)]
    sheet = process().sheet_resistance("wiring")
    bridge = process().sheet_resistance("bridge")
    assert sheet is not None
    assert bridge is not None
    film = mesh.sheet(kdb.Region(spiral), ends, sheet, 100.0).reduced()
    landing = max(p.at[0] for p in d.pins) - start[0]
    # the landing is wider than the track: a little less than by its squares
    assert value(d, "resistance").drawn == pytest.approx(-1 / film[0, 1] + bridge * landing / 10.0, rel=0.02)


@pytest.mark.parametrize(("asked", "turns"), [(1.5, 2), (4.0, 3), (7.3, 4), (20.0, 5), (20.0, 8)])
def test_a_drawn_squares_inductance_is_that_of_its_bars(asked: float, turns: int) -> None:
    """Of the drawn track with both its leads, by partial inductances."""
    d = cell("inductor.spiral", inductance=asked, turns=turns, width=10.0, space=8.0)
    layer = process().roles.get("coil", "wiring")
    corners = max(d.polygons[layer], key=len)
    half = len(corners) // 2
    middle = (corners[:half] + corners[half:][::-1]) / 2
    assert inductance(middle, 10.0, 3.0) == pytest.approx(asked, rel=0.05)


def test_the_number_of_turns_may_be_given() -> None:
    d = cell("inductor.spiral", inductance=10.0, turns=4)
    spiral = max(shapes(d, *track()), key=lambda s: s.length)
    assert crossings(spiral, shapely.LineString([(0, 0.001), (0, 3000)])) == 4


# combs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [0.05, 0.31, 2.0, 11.0, *np.round(np.exp(SEEDED.uniform(-2, 2, 2)), 3)])
def test_combs_have_their_value_fingers_and_spaces(asked: float) -> None:
    d = cell("capacitor.interdigital", capacitance=float(asked), width=2.0, space=1.6, gap=3.0)
    assert value(d, "capacitance").drawn == pytest.approx(asked, rel=1e-3)
    low, high = sorted(shapes(d, "structure"), key=lambda s: s.centroid.y)
    assert low.disjoint(high)
    assert low.distance(high) == pytest.approx(1.6, abs=1e-9)
    assert region(d, "structure").space_check(1600).count() == 0
    line = shapely.LineString([(-1e4, 0.0), (1e4, 0.0)])
    fingers = crossings(low, line) + crossings(high, line)
    overlap = low.bounds[3] - high.bounds[1]
    # endless combs, each finger pair e0 (e + 1) l K / K', less what the two ends lack
    pair = saw.per_pair(2.0 / 3.6, process().number("level.chip.permittivity"))
    assert (fingers - 0.56) / 2 * pair * overlap == pytest.approx(asked, rel=0.02)
    for pin in d.pins:
        assert any(pad.contains(shapely.Point(pin.at)) for pad in shapes(d, "connector"))


@pytest.mark.parametrize("changed", [{}, {"wavelength": 1.9344, "pairs": 33, "metallization": 0.6, "reflectors": 7}])
def test_a_resonator_has_its_fingers_bars_and_period(changed: dict[str, Any]) -> None:
    d = cell("saw.resonator", **changed)
    p = library()["saw.resonator"].parameters(process(), **changed)
    pieces = sorted(shapes(d, "structure"), key=lambda s: (round(s.centroid.x), s.centroid.y))
    left, low, high, right = pieces
    line = shapely.LineString([(-1e4, 0.0), (1e4, 0.0)])
    for comb in (low, high):
        assert crossings(comb, line) == p.pairs
    for grating in (left, right):
        assert crossings(grating, line) == p.reflectors
        assert len(grating.interiors) == p.reflectors - 1  # shorted at both ends
    assert low.bounds[3] - high.bounds[1] == pytest.approx(p.aperture, abs=2e-3)
    assert high.bounds[1] - (low.bounds[1] + p.bus) == pytest.approx(p.gap, abs=2e-3)
    bars = [shapely.Point(q.centroid).x for q in shapely.get_parts(shapely.unary_union(pieces) & line)]
    steps = np.diff(sorted(bars))
    assert np.allclose(steps, p.wavelength / 2, atol=1.1e-3)
    assert np.mean(steps) == pytest.approx(p.wavelength / 2, rel=1e-4)
    assert value(d, "centre frequency").drawn == pytest.approx(4112.0 / p.wavelength, rel=1e-4)
    cosine = math.cos(math.pi * p.metallization)
    legendre = special.hyp2f1(0.5, 0.5, 1.0, (1 - cosine) / 2) / special.hyp2f1(0.5, 0.5, 1.0, (1 + cosine) / 2)
    static = p.pairs * p.aperture * 48 * EPSILON_0 * legendre
    assert value(d, "static capacitance").drawn == pytest.approx(static, rel=2e-3)


# plates -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aspect", [1.0, 0.4, 3.0])
@pytest.mark.parametrize("asked", [0.15, 1.0, 6.0, *np.round(np.exp(SEEDED.uniform(-1, 1.5, 2)), 3)])
def test_a_plate_has_its_value_by_the_area_that_both_cover(asked: float, aspect: float) -> None:
    d = cell("capacitor.plate", capacitance=float(asked), aspect=aspect)
    assert value(d, "capacitance").drawn == pytest.approx(asked, rel=1e-3)
    (upper,), wiring = shapes(d, "bridge"), shapes(d, "wiring")
    landing, lower = sorted(wiring, key=lambda s: s.area)
    assert landing.distance(lower) >= 10.0
    flat = EPSILON_0 * 2.65 / 3.0 * (upper & lower).area
    plate = upper.bounds[3] - upper.bounds[1]
    # edges: those of two equal thin plates at twice the height (Palmer), and somewhat more, being thick
    thin = 1 + 6 / (math.pi * plate) * (1 + math.log(2 * math.pi * plate / 6))
    across = plate * aspect
    thin *= 1 + 6 / (math.pi * across) * (1 + math.log(2 * math.pi * across / 6))
    assert 0.99 * thin < asked / flat < 1.0 + 1.5 * (thin - 1)
    (hole,) = shapes(d, "cross_via")
    assert landing.contains(hole)
    assert upper.contains(hole)
    assert hole.disjoint(lower)


# meanders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [60.0, 500.0, 3000.0, *np.round(np.exp(SEEDED.uniform(5, 9, 2)), 1)])
def test_a_meander_has_its_value_by_counting_its_squares(asked: float) -> None:
    d = cell("resistor.meander", resistance=float(asked))
    assert value(d, "resistance").drawn == pytest.approx(asked, rel=1e-3)
    (film,), metal = shapes(d, "resistive"), shapes(d, "wiring")
    bare = film - shapely.unary_union(metal)
    assert bare.geom_type == "Polygon"
    assert not bare.interiors
    # squares of its area, and for each corner's square 0.559 in place of 1
    corners = (len(film.exterior.coords) - 1 - 4) / 2
    assert 50.0 * (bare.area / 100.0 - corners * 0.441) == pytest.approx(asked, rel=1e-3)
    assert region(d, "resistive").space_check(10000).count() == 0


def test_a_meanders_resistance_is_that_of_its_film() -> None:
    """By finite elements on the drawn film, of the plating's mesh; the default has space as wide as its track."""
    d = cell("resistor.meander")
    ends = list(region(d, "wiring").each())
    found = mesh.sheet(region(d, "resistive"), ends, 50.0, 20.0).reduced()
    assert value(d, "resistance").drawn == pytest.approx(-1 / found[0, 1], rel=2e-3)


# crossings ----------------------------------------------------------------------------------------------------------


def test_tracks_cross_without_touching() -> None:
    d = cell("crossing")
    wiring, (bridge,) = shapes(d, "wiring"), shapes(d, "bridge")
    assert len(wiring) == 3
    at = {p.name: next(i for i, w in enumerate(wiring) if w.distance(shapely.Point(p.at)) < 1e-9) for p in d.pins}
    assert at["bottom"] == at["top"]
    assert len({at["left"], at["right"], at["top"]}) == 3
    openings = shapes(d, "cross_via")
    joined = [i for hole in openings for i, w in enumerate(wiring) if w.contains(hole) and bridge.contains(hole)]
    assert sorted(joined) == sorted([at["left"], at["right"]])
    assert not any(hole.intersects(wiring[at["top"]]) for hole in openings)
    assert region(d, "wiring").space_check(10000).count() == 0


# what cannot be drawn -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "key", "asked"),
    [
        ("capacitor.plate", "capacitance", 1e-3),
        ("capacitor.plate", "capacitance", 1e3),
        ("capacitor.interdigital", "capacitance", 1e-3),
        ("capacitor.interdigital", "capacitance", 1e5),
        ("inductor.spiral", "inductance", 1e-2),
        ("inductor.spiral", "inductance", 1e6),
        ("resistor.meander", "resistance", 5.0),
        ("resistor.meander", "resistance", 1e9),
    ],
)
def test_a_value_out_of_reach_is_refused_with_the_nearest_which_can_be_drawn(name: str, key: str, asked: float) -> None:
    with pytest.raises(ParamError) as e:
        cell(name, **{key: asked})
    message = str(e.value)
    assert len(message.splitlines()) == 1
    found = re.match(
        rf"{re.escape(name)}: {key}={re.escape(f'{asked:g}')} \w+ cannot be drawn: at (least|most) ([0-9.e+-]+) ",
        message,
    )
    assert found is not None, message
    assert (found[1] == "least") is (float(found[2]) > asked)
    nearest = cell(name, **{key: float(found[2])})
    assert value(nearest, key).drawn == pytest.approx(float(found[2]), rel=2e-3)


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("capacitor.plate", {"overhang": 5.0}, "overhang=5 um must be twice the dielectric's 3 um at least"),
        ("capacitor.plate", {"via": 40.0}, "via=40 um must be less than landing=40 um"),
        ("capacitor.plate", {"lead": 3000.0}, "nothing fits: at least 3000 um is needed, 2000 um is the most"),
        ("capacitor.interdigital", {"width": 30.0, "space": 30.0}, "the thickness around over period"),
        ("capacitor.interdigital", {"largest": 10.0}, "largest=10 um leaves no room for 4 fingers"),
        ("inductor.spiral", {"space": 40.0}, "space over width from 0 to 3, not 4"),
        (
            "inductor.spiral",
            {"shape": "octagon", "landing": 90.0, "turns": 2, "inductance": 1.5},
            "um to the outer end, not space=10",
        ),
        ("inductor.spiral", {"largest": 100.0}, "nothing fits"),
        ("resistor.meander", {"space": 9.0}, "space=9 um must not be less than width=10 um"),
        ("resistor.meander", {"margin": 10.0}, "margin=10 um must be less than space=10 um"),
        ("crossing", {"length": 100.0}, "length=100 um is too short: landings and spaces take 120 um"),
        ("saw.resonator", {"inset": 10.0}, "inset=10 um must be less than half of bus=20 um"),
        ("saw.resonator", {"offset": 0.25}, "offset=0.25 puts the reflectors on the transducer's fingers"),
    ],
)
def test_what_cannot_be_drawn_is_refused(name: str, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ParamError, match=rf"^{re.escape(name)}: .*{re.escape(words)}") as e:
        cell(name, **changed)
    assert len(str(e.value).splitlines()) == 1


# values in reports --------------------------------------------------------------------------------------------------


def test_the_table_of_values_says_each_once_with_its_error() -> None:
    inner, top = Drawing("R|1"), Drawing("TOP")
    inner.value("resistance", "ohm", 101.0, "some | formula", 100.0)
    inner.value("area", "um2", 5.0, "none asked")
    top.place(inner)
    top.place(inner, (10.0, 0.0))
    found = values.rows(top)
    rows = list(csv.DictReader(io.StringIO(values.csv_text(found))))
    assert [(r["cell"], r["value"], r["asked"], r["drawn"], r["error_percent"]) for r in rows] == [
        ("R|1", "area", "", "5", ""), ("R|1", "resistance", "100", "101", "+1.000")]  # fmt: skip
    assert values.markdown(found).splitlines()[-1] == (
        "| R\\|1 | resistance | ohm | 100 | 101 | +1.000 | some \\| formula |"
    )


def test_cells_show_says_the_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cells", "show", "resistor.meander", "--pdk", "hermetic", "-p", "resistance=470.0"]) == 0
    assert re.search(
        r"^  resistance: 4[67][0-9.]+ ohm \(asked: 470, [+-]0\.0[0-9]%\), by squares", capsys.readouterr().out, re.M
    )
    assert run(["cells", "show", "resistor.meander", "--pdk", "hermetic", "-p", "resistance=1.0"]) == 2
    start = "error: resistor.meander: resistance=1 ohm cannot be drawn: at least 50.01 "
    assert capsys.readouterr().err.startswith(start)
