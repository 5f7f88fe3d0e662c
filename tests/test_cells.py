"""Every cell in every process that can draw it: what it draws (goldens), that it is clean, and what it refuses."""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import klayout.db as kdb
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from layoutgen import api, discover, gds
from layoutgen.cell import Drawing, Generator, Library, cell_name, generator
from layoutgen.errors import ParamError, UnknownNameError
from layoutgen.findings import RuleResult, Status
from layoutgen.pdk import Pdk
from layoutgen.units import Um

GOLDEN = Path(__file__).parent / "golden"
SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")


def _renew() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_renew", GOLDEN / "renew.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


renew = _renew()
DRAWABLE: list[tuple[str, str]] = list(renew.drawable())
STORED: list[tuple[str, str]] = sorted((f.parent.name, f.stem) for f in GOLDEN.glob("*/*.txt"))
CELLS: list[str] = list(discover.cells())


@cache
def process(name: str) -> Pdk:
    return discover.pdk(name)


@cache
def library() -> Library:
    return discover.cells()


def cell(name: str, pdk: str = "post", **changed: Any) -> Drawing:
    return library()[name](process(pdk), **changed)


# what is drawn ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pdk", "name"), sorted({*DRAWABLE, *STORED}))
def test_a_cell_is_drawn_as_its_golden_says(pdk: str, name: str) -> None:
    golden = renew.path(pdk, name)
    assert golden.is_file(), f"no golden; after looking at the cell: python {GOLDEN / 'renew.py'}"
    assert renew.text(pdk, name) == golden.read_text("utf-8")


def test_every_cell_has_a_golden_and_every_golden_a_cell() -> None:
    assert {name for _, name in STORED} == set(CELLS)
    assert set(STORED) == set(DRAWABLE)
    assert {pdk for pdk, _ in STORED} == set(discover.pdk_names())


OTHERS = ("layoutgen_cells.hermetic", "layoutgen_cells.interface")
ELSEWHERE: set[str] = {n for n in CELLS if library()[n].draw.__module__.startswith(OTHERS)}
"""Cells that only the processes of their own family have the layers for."""


@pytest.mark.parametrize(
    ("pdk", "without"),
    [
        ("post", {"ball", "rdl.via", "ubm"}),
        ("wlcsp_500", {"kerf.bus", "kerf.ring", "kerf.tie", "rdl.via", "stencil.aperture"}),
        ("wlcsp_400", {"kerf.bus", "kerf.ring", "kerf.tie", "rdl.via", "stencil.aperture"}),
        ("wlcsp_500_2m", {"kerf.bus", "kerf.ring", "kerf.tie", "stencil.aperture"}),
    ],
)
def test_each_process_draws_every_cell_but_those_it_has_no_layers_for(pdk: str, without: set[str]) -> None:
    assert set(CELLS) - {name for p, name in DRAWABLE if p == pdk} == without | ELSEWHERE


# clean --------------------------------------------------------------------------------------------------------------


FLOWS = {"stencil_aperture": "electroless_printed", "via_cover_frame": "framed", "via_frame_wafer": "framed"}
FLOWS |= dict.fromkeys(
    (
        "capacitor_plate",
        "crossing",
        "inductor_spiral",
        "resistor_meander",
        "via_cover_wiring",
        "via_intermediate_wafer",
    ),
    "wired",
)
"""Cells that the process's first flow does not draw, and one that does."""


def drawn_layers(drawing: Drawing) -> set[str]:
    return {layer for part in drawing.below() for layer in (*part.polygons, *part.circles)}


def judged(drawing: Drawing, pdk: Pdk) -> list[RuleResult]:
    """The rules that can say something of a drawing by itself: each of their layers is made of a layer it draws.

    What stands out is what speaks of two cells: metal round a via, an opening on its pad, a tie's end in the bus.
    Those are judged where the cells that belong together stand together, in `test_cells_that_belong_together...`.
    """
    drawn = drawn_layers(drawing)
    flow = FLOWS.get(drawing.name, next(iter(pdk.flows)))
    rules, here = pdk.rules_of(flow), pdk.in_flow(flow)
    known = drawn | set(here.layers)  # a layer made of dies and cuts is nothing where none are drawn

    def has(layer: str) -> bool:
        sources = set(here.sources(layer))
        return bool(drawn & sources) and sources <= known

    speaks = {r for r, rule in rules.items() if all(has(layer) for layer in rule.layers)}
    return [result for result in api.check(drawing, pdk, flow=flow).results if result.rule in speaks]


def complaints(results: list[RuleResult]) -> list[str]:
    return [f"{r.rule}: {r.verdict} {r.reason}" for r in results if r.status is not Status.RUN or r.findings]


@pytest.mark.parametrize(("pdk", "name"), DRAWABLE)
def test_a_cells_defaults_are_clean(pdk: str, name: str) -> None:
    results = judged(cell(name, pdk), process(pdk))
    assert complaints(results) == []
    # pads, marks and references lie on layers that no rule speaks of alone
    silent = {"mark.key", "mark.target", "bond.wire", "support.pad", "mold.extent", "underfill.extent"}
    silent |= {"chip.pad"} if pdk != "hermetic" else set()
    assert bool(results) == (name not in silent)


def together(pdk: Pdk) -> Drawing:
    """A landing and a contact, each with all its cells, as far from each other as a wire's default length."""
    both = Drawing("TOGETHER")
    for name in ("chip.pad", "polymer.opening"):
        both.place(cell(name, pdk.name))
    both.place(cell("rdl.wire", pdk.name))
    length = library()["rdl.wire"].parameters(pdk).length
    for name in ("polymer.via", "ubm", "ball"):
        if (pdk.name, name) in DRAWABLE:
            both.place(cell(name, pdk.name), (length, 0.0))
    return both


@pytest.mark.parametrize("pdk", ["post", "wlcsp_400", "wlcsp_500", "wlcsp_500_2m"])
def test_cells_that_belong_together_enclose_each_other_as_the_rules_ask(pdk: str) -> None:
    drawing = together(process(pdk))
    results = judged(drawing, process(pdk))
    kinds = [process(pdk).rules[r.rule].check for r in results]
    assert complaints(results) == []
    assert kinds.count("enclosure") == {"post": 3, "wlcsp_400": 5, "wlcsp_500": 5, "wlcsp_500_2m": 7}[pdk]
    assert "separation" in kinds


def test_a_tie_ends_in_the_bus_over_its_whole_width() -> None:
    both = Drawing("TIE_AND_BUS")
    bus = library()["kerf.bus"].parameters(process("post"))
    half_street = 35.0
    both.place(cell("kerf.bus"))
    at = (bus.columns_pitch / 2 - half_street, 0.0)
    both.place(cell("kerf.tie", length=half_street + bus.width / 2), at)
    tie = [r for r in judged(both, process("post")) if r.rule == "TIE.O.1"]
    assert [r.verdict for r in tie] == ["clean"]
    short = Drawing("TIE_TOO_SHORT")
    short.place(cell("kerf.bus"))
    short.place(cell("kerf.tie", length=half_street - bus.width / 2 + 10.0), at)
    assert [r.verdict for r in judged(short, process("post")) if r.rule == "TIE.O.1"] == ["1 finding"]


@pytest.mark.parametrize("pdk", ["post", "wlcsp_400", "wlcsp_500", "wlcsp_500_2m"])
def test_the_least_capture_is_the_least(pdk: str) -> None:
    """One grid step less than the default breaks a rule: the default adds the rules' margins once, and no more."""
    of, by, circle = ("via", "rdl.capture", "polymer.via") if pdk == "post" else ("ubm", "rdl.capture", "ubm")
    ((metal,),) = cell(by, pdk).circles.values()
    least = metal.diameter
    for diameter, clean in ((least, True), (least - 0.020, False)):
        both = Drawing("BOTH")
        both.place(cell(circle, pdk))
        both.place(cell(by, pdk, diameter=diameter))
        assert (complaints(judged(both, process(pdk))) == []) is clean, of


# parameters ---------------------------------------------------------------------------------------------------------


def lengths() -> Iterator[tuple[str, str]]:
    for name in CELLS:
        for parameter, unit in library()[name].units().items():
            if unit == "um":
                yield name, parameter


NOT_LENGTHS = {
    ("label.text", "text"),
    ("label.text", "layer"),
    ("kerf.ring", "metal"),
    ("mark.key", "layer"),
    ("mark.key", "window"),
    ("mark.target", "layer"),
    ("polymer.via", "shape"),
    ("capacitor.plate", "aspect"),
    ("capacitor.interdigital", "aspect"),
    ("inductor.spiral", "shape"),
    ("inductor.spiral", "turns"),
    ("resistor.meander", "aspect"),
    ("saw.resonator", "pairs"),
    ("saw.resonator", "metallization"),
    ("saw.resonator", "reflectors"),
    ("saw.resonator", "offset"),
    ("branch", "shape"),
    *(
        ("interface_openings", n)
        for n in [
            "pattern",
            "shape",
            "turn",
            "grade",
            "at_centre",
            "power",
            "map",
            "fraction",
            "trim",
            "seed",
            "facets",
        ]
    ),
    ("pad.clearance", "shape"),
    ("passivation_opening", "shape"),
    ("frame", "columns"),
    ("frame", "rows"),
    ("island", "shape"),
    ("via_cover_wafer", "intermediate"),
}
VALUES = {
    ("capacitor.plate", "capacitance"): "pF",
    ("capacitor.interdigital", "capacitance"): "pF",
    ("inductor.spiral", "inductance"): "nH",
    ("resistor.meander", "resistance"): "ohm",
}
"""What a cell is drawn from, with a unit of its own."""


LEAST = {
    ("rdl.capture", "diameter"), ("rdl.via", "diameter"), ("rdl.via", "landing"), ("ubm", "diameter"),
    ("branch", "cavity"), ("bump_bead", "bead"), ("bump_bead", "over"), ("island", "cavity"),
    ("underside_contact", "over"), ("underside_contact", "diameter"), ("via_cover_wafer", "foot"),
    ("via_cover_wafer", "landing"), ("via_cover_wiring", "foot"), ("via_cover_wiring", "landing"),
    ("via_cover_frame", "foot"), ("via_cover_frame", "landing"),
    *(("via_frame_wafer", name) for name in ("foot", "landing", "collar", "base")),
    ("via_intermediate_wafer", "foot"), ("via_intermediate_wafer", "landing"), ("via_intermediate_wafer", "collar"),
    ("interface_openings", "neutral"),
}  # fmt: skip


def first_with(name: str) -> str:
    """A process that draws a cell."""
    return next(
        pdk for pdk in ("post", "wlcsp_500", "wlcsp_500_2m", "hermetic", "interface") if (pdk, name) in DRAWABLE
    )


def test_every_length_says_um() -> None:
    everything = {(name, f.name) for name in CELLS for f in fields(library()[name].params)}
    assert set(lengths()) == everything - NOT_LENGTHS - VALUES.keys()
    assert all(library()[name].units()[parameter] == unit for (name, parameter), unit in VALUES.items())
    assert all(library()[name].units()[parameter] == "" for name, parameter in NOT_LENGTHS)


@pytest.mark.parametrize("value", [True, "40.0", None, -1.0, -0.001, math.nan, math.inf, -math.inf, [40.0], 1 + 0j])
@pytest.mark.parametrize(("name", "parameter"), list(lengths()))
def test_a_length_that_is_none_is_refused(name: str, parameter: str, value: Any) -> None:
    pdk = process(first_with(name))
    if value is None and (name, parameter) in LEAST:
        drawing = library()[name](pdk, **{parameter: None})
        assert drawing.circles or drawing.polygons  # None: the least that the rules ask for; the middle
        return
    with pytest.raises(ParamError, match=rf"^{re.escape(name)}: {parameter}(: .*, not |: holds too few values)") as e:
        library()[name](pdk, **{parameter: value})
    assert repr(value) in str(e.value)


@pytest.mark.parametrize("name", CELLS)
def test_an_unknown_parameter_is_refused_and_the_nearest_named(name: str) -> None:
    pdk = process(first_with(name))
    known = fields(library()[name].params)[0].name
    with pytest.raises(ParamError, match=rf"^{re.escape(name)}: no parameter '{known}x'; did you mean '{known}'\?$"):
        library()[name](pdk, **{f"{known}x": 1.0})


def test_all_wrong_parameters_are_said_at_once() -> None:
    with pytest.raises(ParamError) as e:
        cell("mark.key", size=-1.0, arm=True, nonsense=1)
    assert len(str(e.value).splitlines()) == 3


@pytest.mark.parametrize("name", ["kerf.bus", "kerf.ring", "kerf.tie"])
def test_a_missing_parameter_is_said_with_where_to_set_it(name: str) -> None:
    with pytest.raises(ParamError, match=rf"{name}: width is missing; give it, or set it under \[cells.'{name}'\]"):
        cell(name, "wlcsp_500")


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("chip.pad", {"width": 20.0, "bevel": 10.0}, "chip.pad: bevel=10 um must be less than half of size=20 um"),
        ("chip.pad", {"height": 20.0, "bevel": 11.0}, "chip.pad: bevel=11 um must be less than half of size=20 um"),
        ("polymer.opening", {"bevel": 20.0}, "polymer.opening: bevel=20 um must be less than half of size=40 um"),
        ("rdl.pad", {"size": 50.0, "bevel": 25.0}, "rdl.pad: bevel=25 um must be less than half of size=50 um"),
        ("mark.target", {"arm": 200.0}, "mark.target: arm=200 um must be less than size=200 um"),
        ("mark.key", {"gap": 80.0}, "mark.key: gap=80 um leaves no square beside arm=40 in size=200 um"),
        ("kerf.bus", {"width": 1000.0}, "kerf.bus: width=1000 um must be less than the step"),
        ("kerf.ring", {"width": 200.0}, "kerf.ring: width=200 um must exceed 200 um"),
        ("polymer.via", {"shape": "star"}, "polymer.via: shape: input should be 'round' or 'square', not 'star'"),
        ("label.text", {"text": "A`"}, "label.text: text: .*, not 'A`'"),
        ("label.text", {"text": ""}, "label.text: text: .*, not ''"),
        ("label.text", {"text": "é"}, "label.text: text: .*, not 'é'"),
        ("label.text", {"text": "A" * 65}, "label.text: text: "),
    ],
)
def test_what_cannot_be_drawn_is_refused(name: str, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamError, match=f"^{message}"):
        cell(name, **changed)


# any valid parameters -----------------------------------------------------------------------------------------------

um = st.integers(1_000, 500_000).map(lambda n: n / 1000) | st.floats(1.0, 500.0)


def illegal(drawing: Drawing, pdk: Pdk) -> list[str]:
    """Polygons as written that are not simple, or have no area."""
    out = []
    for layer, points in gds.polygons(drawing, pdk):
        shape = shapely.Polygon(points)
        if not shape.is_valid or shape.area == 0 or gds.polygon(points).num_points() < 3:
            out.append(f"{layer}: {points.tolist()}")
    return out


@given(width=um, height=um, share=st.floats(0.0, 0.99))
def test_any_pad_is_a_legal_polygon_of_its_size(width: float, height: float, share: float) -> None:
    drawing = cell("chip.pad", width=width, height=height, bevel=round(share * min(width, height) / 2, 3))
    assert illegal(drawing, process("post")) == []
    box = kdb.Region([gds.polygon(p) for _, p in gds.polygons(drawing, process("post"))]).bbox()
    assert abs(box.width() - width * 1000) <= 1 + 1e-6
    assert abs(box.height() - height * 1000) <= 1 + 1e-6


@given(size=um, share=st.floats(0.0, 0.99), name=st.sampled_from(("polymer.opening", "rdl.pad")))
def test_any_bevelled_square_is_a_legal_polygon(size: float, share: float, name: str) -> None:
    drawing = cell(name, size=size, bevel=round(share * size / 2, 3))
    assert illegal(drawing, process("post")) == []


@pytest.mark.parametrize("finer", [1e-9, 0.0009])
def test_a_length_finer_than_the_grid_is_refused(finer: float) -> None:
    with pytest.raises(ParamError, match="finer than the grid"):
        cell("rdl.pad", size=finer)


@given(size=st.floats(35.0, 200.0), share=st.floats(0.0, 0.55))  # more bevel, and it is narrower across its corners
def test_an_opening_as_wide_as_its_rule_is_clean(size: float, share: float) -> None:
    drawing = cell("polymer.opening", size=math.ceil(size * 500) / 500, bevel=round(share * size / 2, 3))
    assert complaints(judged(drawing, process("post"))) == []


@settings(max_examples=40)
@given(
    name=st.sampled_from(("polymer.via", "ubm", "ball", "rdl.capture")),
    pdk=st.sampled_from(("wlcsp_400", "wlcsp_500")),
    more=st.one_of(st.just(0.0), st.floats(0.0, 300.0)),
)
def test_a_circle_as_wide_as_its_rule_is_clean(name: str, pdk: str, more: float) -> None:
    layer = {"polymer.via": "pi2", "ubm": "ubm", "ball": "ball", "rdl.capture": "rdl"}[name]
    # Euclidian width of metal that no rule bounds from below as a disc: facets face each other from about 30 um on
    least = 60.0 if name == "rdl.capture" else process(pdk).limit("width", layer)
    drawing = cell(name, pdk, diameter=least + more)
    assert illegal(drawing, process(pdk)) == []
    assert complaints(judged(drawing, process(pdk))) == []


@pytest.mark.parametrize(("name", "limit"), [("polymer.via", 220.0), ("ubm", 250.0), ("ball", 310.0)])
def test_a_circle_narrower_than_its_rule_is_found(name: str, limit: float) -> None:
    assert complaints(judged(cell(name, "wlcsp_500", diameter=limit - 0.050), process("wlcsp_500"))) != []


@settings(max_examples=30)
@given(text=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="`"), min_size=1,
                    max_size=6), line=st.floats(10.1, 60.0))  # fmt: skip
def test_any_label_is_legal_and_clean(text: str, line: float) -> None:
    drawing = cell("label.text", text=text, line=line)
    assert drawing.polygons
    assert illegal(drawing, process("post")) == []
    wide = [r for r in judged(drawing, process("post")) if r.rule == "LABEL.W.1"]
    assert complaints(wide) == []


@settings(max_examples=25)
@given(length=st.floats(150.0, 3000.0), width=st.floats(20.0, 40.0))
def test_any_wire_is_legal_clean_and_one_piece(length: float, width: float) -> None:
    drawing = cell("rdl.wire", length=length, width=width)
    assert illegal(drawing, process("post")) == []
    assert complaints(judged(drawing, process("post"))) == []
    layout = gds.to_layout(drawing, process("post"))
    metal = gds.fetch(layout, process("post"), layout.cell(drawing.name))("rdl").merged()
    assert metal.count() == 1


@given(size=st.floats(20.0, 400.0), arm=st.floats(0.05, 0.5), gap=st.floats(0.01, 0.2))
def test_a_key_frames_its_target_with_the_same_gap_on_all_sides(size: float, arm: float, gap: float) -> None:
    target = cell("mark.target", size=size, arm=arm * size)
    key = cell("mark.key", size=size, arm=arm * size, gap=gap * size)
    assert illegal(target, process("post")) == []
    assert illegal(key, process("post")) == []
    cross = shapely.Polygon(target.polygons["incoming_mark"][0])
    squares = [shapely.Polygon(p) for p in key.polygons["polyimide_mark"]]
    assert len(squares) == 4
    assert all(s.distance(cross) == pytest.approx(gap * size) for s in squares)
    assert shapely.MultiPolygon(squares).centroid.distance(shapely.Point(0, 0)) < 1e-9


# names --------------------------------------------------------------------------------------------------------------


@given(diameter=um, other=um)
def test_names_are_safe_and_tell_parameters_apart(diameter: float, other: float) -> None:
    a, b = cell("polymer.via", diameter=diameter).name, cell("polymer.via", diameter=other).name
    assert SAFE_NAME.fullmatch(a)
    assert (a == b) == (diameter == other)


def test_thousands_of_variants_have_thousands_of_names() -> None:
    names = {cell_name("polymer.via", {"diameter": n / 100}) for n in range(4000)}
    assert len(names) == 4000
    assert all(SAFE_NAME.fullmatch(n) for n in names)


def test_equal_parameters_give_equal_names_however_they_were_given() -> None:
    name = cell("polymer.via", diameter=50.0, shape="square").name
    assert cell("polymer.via", shape="square", diameter=50).name == name
    assert cell("polymer.via", diameter=50.0).name != name
    assert cell("polymer.via", diameter=40.0).name == cell("polymer.via").name == "polymer_via"
    assert cell("chip.pad", width=60.0, height=60).name == "chip_pad"


@pytest.mark.parametrize(
    "name", ["polymer.via", "9lives", "", "a.very.long.name.of.a.cell.that.goes.on", "x/../y", "ü"]
)
@pytest.mark.parametrize("changed", [{}, {"a": 1.0}])
def test_any_generator_name_makes_a_safe_cell_name(name: str, changed: dict[str, Any]) -> None:
    assert SAFE_NAME.fullmatch(cell_name(name, changed))


# the library --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A dot."""

    size: Um = 1.0


def dot(name: str) -> Generator[Dot]:
    @generator(name, Dot)
    def draw(pdk: Pdk, p: Dot) -> Drawing:
        drawing = Drawing("dot")
        drawing.circle("rdl", p.size)
        return drawing

    return draw


def test_the_same_name_twice_is_an_error_and_the_same_cell_twice_is_none() -> None:
    mine, first = Library(), dot("dot")
    mine.add(first)
    mine.add(first)
    with pytest.raises(ValueError, match=r"cell 'dot' is defined in .*test_cells and in .*test_cells"):
        mine.add(dot("dot"))
    assert list(mine) == ["dot"]


def test_an_unknown_cell_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(UnknownNameError, match=r"no cell 'polymer.vai'; did you mean 'polymer.via'\?"):
        library()["polymer.vai"]


def test_a_default_that_names_no_rule_is_refused() -> None:
    cells = {**process("post").cells, "polymer.via": {"diameter": {"rule": "VIA.X.2"}}}
    with pytest.raises(UnknownNameError, match=r"no rule with a limit 'VIA.X.2' in PDK 'post'; did you mean"):
        library()["polymer.via"](process("post").model_copy(update={"cells": cells}))


def test_below_gives_children_first_and_each_once() -> None:
    a, b, top = Drawing("A"), Drawing("B"), Drawing("T")
    b.place(a)
    top.place(a)
    top.place(b)
    top.place(b, (1.0, 1.0))
    assert [d.name for d in top.below()] == ["A", "B", "T"]
