"""What the shipped examples build, judged from the files they write with KLayout, shapely and arithmetic alone."""

from __future__ import annotations

import csv
import json
import math
import re
import tomllib
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import klayout.db as kdb
import pytest
import shapely

from layoutgen import discover, geom
from layoutgen.drc.run import Content
from layoutgen.drc.run import run as run_rules
from layoutgen.kerf import Step
from layoutgen.wafer import NOTCH_DEPTH, Drawing, Notch, Rim, lay_grid

ROOT = Path(__file__).resolve().parent.parent
TABLES = ROOT / "examples" / "caravel"
CARAVEL = ("caravel_post", "caravel_wlcsp")
ALL = (*CARAVEL, "grid36_wlcsp")
METAL, TIE, BUS, RING = (10, 0), (10, 1), (10, 2), (10, 3)
DIE = (200, 0)
DBU = 0.001


class Example(Protocol):
    name: str
    exit_code: int
    folder: Path

    def file(self, ending: str) -> Path: ...


Build = Callable[[str], Example]


def of(*names: str) -> pytest.MarkDecorator:
    """Run a test for each of some examples, those of one example in one worker."""
    return pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.xdist_group(n)) for n in names])


@cache
def read(path: Path) -> kdb.Layout:
    layout = kdb.Layout()
    layout.read(str(path))
    assert layout.dbu == DBU
    return layout


def manifest(example: Example) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((example.folder / "manifest.json").read_text("utf-8"))
    return found


def shapes(cell: kdb.Cell, number: tuple[int, int], box: kdb.Box | None = None) -> kdb.Region:
    """What lies on a layer below a cell, as it was written; with a box, the whole shapes that touch it."""
    index = cell.layout().find_layer(*number)
    if index is None:
        return kdb.Region()
    if box is None:
        return kdb.Region(cell.begin_shapes_rec(index))
    return kdb.Region(cell.begin_shapes_rec_touching(index, box))


def region(cell: kdb.Cell, number: tuple[int, int], box: kdb.Box | None = None) -> kdb.Region:
    """The same, merged."""
    return shapes(cell, number, box).merged()


def clipped(cell: kdb.Cell, number: tuple[int, int], box: kdb.Box) -> kdb.Region:
    return region(cell, number, box) & kdb.Region(box)


def terminals() -> Iterator[tuple[str, kdb.Point]]:
    """Net and centre of every pad and ball of the Caravel tables, in database units from the die's corner."""
    for table in ("pads.csv", "balls.csv"):
        lines = (line for line in (TABLES / table).read_text("utf-8").splitlines() if not line.startswith("#"))
        for row in csv.DictReader(lines):
            yield row["net"], kdb.Point(round(float(row["x"]) / DBU), round(float(row["y"]) / DBU))


def nets_of(pieces: list[kdb.Polygon], at: kdb.Vector = kdb.Vector()) -> dict[str, set[int]]:  # noqa: B008 - immutable use
    """The pieces below each net's pads and balls; -1 where there is none."""
    found: dict[str, set[int]] = {}
    for net, point in terminals():
        here = [k for k, piece in enumerate(pieces) if piece.inside(point + at)]
        assert len(here) <= 1
        found.setdefault(net, set()).add(here[0] if here else -1)
    return found


def step_places(example: Example) -> list[tuple[float, float]]:
    """Lower-left die corners (um) of all dies, from the arrays in the wafer's top cell."""
    top = read(example.file("wafer.oas")).top_cell()
    return [
        ((i.trans.disp.x + c * i.a.x + r * i.b.x) * DBU, (i.trans.disp.y + c * i.a.y + r * i.b.y) * DBU)
        for i in top.each_inst() if i.cell.name == "STEP"
        for c in range(max(1, i.na)) for r in range(max(1, i.nb))
    ]  # fmt: skip


def die_size(example: Example) -> tuple[float, float]:
    box = region(read(example.file("die.gds")).top_cell(), DIE).bbox()
    assert (box.left, box.bottom) == (0, 0)
    return box.width() * DBU, box.height() * DBU


def central(example: Example) -> tuple[float, float]:
    """The die whose corner is nearest to the wafer's centre."""
    return min(step_places(example), key=lambda at: math.hypot(*at))


def block(example: Example) -> kdb.Box:
    """The 3 x 3 dies around the central one, from die corner to die corner."""
    (x, y), (w, h), (px, py) = central(example), die_size(example), manifest(example)["wafer"]["step"]
    return kdb.DBox(x - px, y - py, x + px + w, y + py + h).to_itype(DBU)


# clean ----------------------------------------------------------------------------------------------------------


@of(*ALL)
def test_an_example_builds_clean(example: Callable[[str], Example], name: str) -> None:
    built = example(name)
    assert built.exit_code == 0
    cases = ET.parse(built.folder / "results.xml").getroot().findall(".//testcase")  # noqa: S314 - our own
    pdk = discover.pdk(manifest(built)["pdk"])
    assert {case.get("name") for case in cases} == {
        *pdk.rules,
        "NETS",
        "KERF",
        "CUTS",
        *(["TIED", "STUBS", "COVER", "CROSSINGS"] if pdk.name == "post" else []),
    }
    for case in cases:
        assert case.find("failure") is None
        assert case.find("error") is None
        if (skipped := case.find("skipped")) is not None:
            assert re.fullmatch(r"not applicable: \S.+", skipped.get("message", ""))
    assert manifest(built)["checks"]["exit_code"] == 0
    assert manifest(built)["routing"]["unrouted"] == []


# nets -----------------------------------------------------------------------------------------------------------


@of(*CARAVEL)
def test_the_die_holds_57_separate_nets_each_joining_its_pads_and_balls(example: Build, name: str) -> None:
    top = read(example(name).file("die.gds")).top_cell()
    pieces = list(clipped(top, METAL, region(top, DIE).bbox()).each())
    assert len(pieces) == 57
    found = nets_of(pieces)
    assert all(len(on) == 1 and -1 not in on for on in found.values()), found
    assert sorted(next(iter(on)) for on in found.values()) == list(range(57))


@of("caravel_post")
def test_every_net_has_a_tie_that_crosses_the_die_edge_and_reaches_the_bus(example: Build, name: str) -> None:
    built = example(name)
    top = read(built.file("wafer.oas")).top_cell()
    (x, y), (w, h) = central(built), die_size(built)
    die = kdb.DBox(x, y, x + w, y + h).to_itype(DBU)
    nets = list(clipped(top, METAL, die).each())
    assert len(nets) == 57
    ties = region(top, TIE, die)
    bus = region(top, BUS, die.enlarged(100_000))
    for net in nets:
        own = ties.interacting(kdb.Region(net))
        assert own.count() >= 1, "no tie"
        assert not (own - kdb.Region(die)).is_empty(), "the tie stays inside the die"
        assert not (own & bus).is_empty(), "the tie does not reach the bus"
        assert own.interacting(kdb.Region(nets)).count() == own.count()
    assert nets_of(nets, die.p1 - kdb.Point()).keys() == {net for net, _ in terminals()}


@of("caravel_post")
def test_ties_bus_and_metal_are_one_piece_that_reaches_the_contact_ring(example: Build, name: str) -> None:
    """The extract: metal and ties of the 3 x 3 dies at the centre, with bus and ring of the whole wafer."""
    built = example(name)
    top = read(built.file("wafer.oas")).top_cell()
    ring, bus, dies = region(top, RING), region(top, BUS), block(built)
    metal, ties = region(top, METAL, dies), region(top, TIE, dies)
    assert (metal + bus + ring).merged().count() == 9 * 57 + 1  # without ties every net stands alone
    assert (metal + ties + bus + ring).merged().count() == 1
    assert not (bus & ring).is_empty()
    assert min(math.hypot(p.x, p.y) for polygon in ring.each() for p in polygon.each_point_hull()) > 95_000_000


@of("caravel_wlcsp")
def test_no_metal_crosses_the_die_edge_where_the_seed_carries_the_current(example: Build, name: str) -> None:
    built = example(name)
    top = read(built.file("wafer.oas")).top_cell()
    assert all(region(top, number).is_empty() for number in (TIE, BUS, RING))
    (x, y), (w, h) = central(built), die_size(built)
    die = kdb.DBox(x, y, x + w, y + h).to_itype(DBU)
    assert (region(top, METAL, die) - kdb.Region(die)).is_empty()


# wafer ----------------------------------------------------------------------------------------------------------


@of(*ALL)
def test_dies_are_arrays_never_copies(example: Build, name: str) -> None:
    built = example(name)
    layout = read(built.file("wafer.oas"))
    (top,) = layout.top_cells()
    in_steps = {layout.cell("STEP").cell_index(), *layout.cell("STEP").called_cells()}
    assert sum(cell.child_instances() for cell in layout.each_cell() if cell.cell_index() not in in_steps) < 400
    places = step_places(built)
    assert len(places) == manifest(built)["wafer"]["dies"] > 1300
    assert len(set(places)) == len(places)
    assert [cell.name for cell in layout.each_cell() if cell.name.startswith("DIE")] == ["DIE"]
    gds_counts = Counter(i.cell.name for i in read(built.file("wafer.gds")).top_cell().each_inst())
    assert gds_counts == Counter(i.cell.name for i in top.each_inst())


@of(*ALL)
def test_whole_dies_lie_within_the_edge_exclusion(example: Build, name: str) -> None:
    built = example(name)
    w, h = die_size(built)
    limit = 100_000 - 5_000
    places = step_places(built)
    assert all(math.hypot(max(abs(x), abs(x + w)), max(abs(y), abs(y + h))) <= limit for x, y in places)
    px, py = manifest(built)["wafer"]["step"]
    taken = {(round(x, 3), round(y, 3)) for x, y in places}
    x0, y0 = central(built)
    n = int(200_000 / min(px, py)) + 2
    grid = {(round(x0 + i * px, 3), round(y0 + j * py, 3)) for i in range(-n, n + 1) for j in range(-n, n + 1)}
    notch, clear = shapely.Point(0.0, -100_000.0), 1_000 + 5_000  # its depth, and the exclusion around it, too
    fit = {
        (x, y) for x, y in grid
        if math.hypot(max(abs(x), abs(x + w)), max(abs(y), abs(y + h))) <= limit
        and shapely.box(x, y, x + w, y + h).distance(notch) >= clear
    }  # fmt: skip
    assert taken < fit
    assert len(fit - taken) == len(manifest(built)["wafer"]["mark_sites"])  # every place is used


@pytest.mark.parametrize("notch", ["bottom", "left", "top", "right"])
def test_no_die_reaches_into_the_notch(notch: Notch) -> None:
    def places(side: Notch) -> set[tuple[float, float]]:
        step = Step(Drawing("A"), Drawing("B"), (-50.0, -50.0, 450.0, 450.0), (400.0, 400.0))
        grid = lay_grid(Rim(50_000.0, 200.0, side), step, "die", 2, "spec.toml")
        return {grid.at(place) for place in grid.places}

    x, y = {"bottom": (0, -1), "left": (-1, 0), "top": (0, 1), "right": (1, 0)}[notch]
    tip = shapely.Point(25_000 * x, 25_000 * y)
    near = {at: shapely.box(*at, at[0] + 400, at[1] + 400).distance(tip) for at in places(notch)}
    assert min(near.values()) >= NOTCH_DEPTH
    lost = places("none") - places(notch)
    assert lost
    assert all(shapely.box(*at, at[0] + 400, at[1] + 400).distance(tip) < 3 * NOTCH_DEPTH for at in lost)


@cache
def letters_of(text: str, line: float) -> kdb.Region:
    """A text in KLayout's own font, strokes `line` um wide, from the origin."""
    font = kdb.TextGenerator.default_generator()
    shown = font.text(text, DBU, line / font.dline_width()).merged()
    return shown.moved(-shown.bbox().left, -shown.bbox().bottom)


def written(cell: kdb.Cell, number: tuple[int, int], candidates: list[str], line: float) -> str:
    """The text that a cell's letters show, read by comparing them with KLayout's own font."""
    shown = region(cell, number)
    shown.move(-shown.bbox().left, -shown.bbox().bottom)
    box = shown.bbox()
    for text in candidates:
        wanted = letters_of(text, line)
        same_size = abs(wanted.bbox().width() - box.width()) <= 4 and abs(wanted.bbox().height() - box.height()) <= 4
        if same_size and (shown ^ wanted).sized(-2).is_empty():
            return text
    raise AssertionError(f"{cell.name} shows nothing that can be read")


@of("caravel_post", "grid36_wlcsp")
def test_every_die_carries_a_label_of_its_own_that_can_be_read(example: Build, name: str) -> None:
    built = example(name)
    layout = read(built.file("wafer.oas"))
    top = layout.top_cell()
    w, h = die_size(built)
    px, py = manifest(built)["wafer"]["step"]
    corners = step_places(built)
    left, low = min(x for x, _ in corners), min(y for _, y in corners)
    shown: dict[tuple[int, int], list[tuple[float, str]]] = {}
    candidates = [str(n) for n in range(1, 201)] + [a + b for a in ["", "A", "B"] for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    letters = [cell.cell_index() for cell in layout.each_cell() if cell.name.startswith("label_text")]
    texts = {index: written(layout.cell(index), (10, 5), candidates, 12.0) for index in letters}
    found = top.begin_instances_rec()
    found.targets = letters
    for item in found.each():
        box = item.inst_cell().bbox().transformed(item.trans() * item.inst_trans()).to_dtype(DBU)
        place = (math.floor((box.left - left) / px), math.floor((box.bottom - low) / py))
        assert box.right <= left + place[0] * px + w, "a letter leaves its die"
        assert box.top <= low + place[1] * py + h
        shown.setdefault(place, []).append((box.left, texts[item.inst_cell().cell_index()]))
    labels = {place: "".join(text for _, text in sorted(parts)) for place, parts in shown.items()}
    dies = {(round((x - left) / px), round((y - low) / py)) for x, y in corners}
    assert set(labels) == dies
    assert len(set(labels.values())) == len(dies)
    rows = 1 + max(r for _, r in dies)
    alphabet = [a + b for a in ["", "A", "B", "C"] for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    assert labels == {(c, r): f"{alphabet[rows - 1 - r]}{c + 1}" for c, r in dies}


# masks ----------------------------------------------------------------------------------------------------------


def numbers(example: Example) -> dict[str, tuple[int, int]]:
    """GDS numbers by layer name, from the build's own .lyp file."""
    (path,) = example.folder.glob("*.lyp")
    found = {}
    for item in ET.parse(path).getroot():  # noqa: S314 - our own
        name, source = (item.findtext(tag, "") for tag in ("name", "source"))
        layer, datatype = source.partition("@")[0].split("/")
        found[name.split(" - ")[0]] = (int(layer), int(datatype))
    return found


def mark_places(example: Example) -> list[tuple[float, float]]:
    """Lower-left corners (um) of the places that hold marks instead of a die."""
    top = read(example.file("wafer.oas")).top_cell()
    return [(i.trans.disp.x * DBU, i.trans.disp.y * DBU) for i in top.each_inst() if i.cell.name == "STEP_EMPTY"]


@of(*ALL)
def test_a_mask_is_the_union_of_its_drawn_layers(example: Build, name: str) -> None:
    """XOR on the 3 x 3 steps at the centre, on a mark site, and where bus and ring meet; total extents besides."""
    built = example(name)
    top, known = read(built.file("wafer.oas")).top_cell(), numbers(built)
    (mx, my), (w, h) = mark_places(built)[0], die_size(built)
    windows = [
        block(built).enlarged(50_000),
        kdb.DBox(mx - 50, my - 50, mx + w + 50, my + h + 50).to_itype(DBU),
        kdb.DBox(-5_000, 93_000, 5_000, 99_000).to_itype(DBU),
    ]
    masks = manifest(built)["masks"]
    assert len(masks) >= 3
    for mask in masks.values():
        parts = [known[part.strip()] for part in mask["data"].split("|")]
        layout = read(built.folder / mask["file"])
        assert [(i.layer, i.datatype) for i in layout.layer_infos()] == [tuple(mask["layer"])]
        assert not region(layout.top_cell(), tuple(mask["layer"]), windows[0]).is_empty()
        for window in windows:
            drawn = kdb.Region()
            for part in parts:
                drawn += shapes(top, part, window)
            different = drawn.merged() ^ region(layout.top_cell(), tuple(mask["layer"]), window)
            assert (different & kdb.Region(window)).is_empty()
        extent = kdb.Box()
        for part in parts:
            if (index := top.layout().find_layer(*part)) is not None:
                extent += top.bbox(index)
        assert layout.top_cell().bbox() == extent


@of(*ALL)
def test_every_mask_has_its_key_in_a_target_at_two_far_sites(example: Build, name: str) -> None:
    built = example(name)
    top, known, masks = read(built.file("wafer.oas")).top_cell(), numbers(built), manifest(built)["masks"]
    sites, (w, h) = mark_places(built), die_size(built)
    assert len(sites) == len(manifest(built)["wafer"]["mark_sites"]) >= 2
    assert math.dist(sites[0], sites[1]) > 100_000
    dies = set(step_places(built))
    pdk = tomllib.loads((ROOT / "pdk/layoutgen_pdk" / base_of(manifest(built)["pdk"]) / "pdk.toml").read_text("utf-8"))
    own = {mask: pdk["masks"][mask]["marks"] for mask in masks}
    for x, y in sites:
        assert (x, y) not in dies
        window = kdb.DBox(x, y, x + w, y + h).to_itype(DBU)
        for mask, described in masks.items():
            target_layer = "incoming_mark" if described["aligns_to"] == "incoming" else own[described["aligns_to"]]
            crosses = [p for p in region(top, known[target_layer], window).each() if p.num_points_hull() == 12]
            keys = region(top, known[own[mask]], window)
            if described["tone"] == "digitized data clear":  # light passes only in the key: it has to show the target
                framed = [c for c in crosses if window_around(c, keys)]
                assert len(framed) == 1, f"{mask}: {len(framed)} targets seen through a window"
                continue
            squares = [p.bbox() for p in keys.each() if p.is_box()]
            framed = [c for c in crosses if len(around(c.bbox(), squares)) == 4]
            assert len(framed) == 1, f"{mask}: {len(framed)} targets with a key around"
            box = kdb.Box()
            for square in around(framed[0].bbox(), squares):
                box += square
                assert (kdb.Region(square) & kdb.Region(framed[0])).is_empty()
            assert box.center() == framed[0].bbox().center()


def window_around(cross: kdb.Polygon, keys: kdb.Region) -> bool:
    """Whether a key leaves 20 um of clear window around a cross, on all sides alike."""
    grown = kdb.Region(cross).sized(20_000, 2)
    return any((kdb.Region(key) ^ grown).is_empty() for key in keys.each())


def base_of(pdk: str) -> str:
    return "wlcsp_500" if pdk == "wlcsp_400" else pdk


def around(cross: kdb.Box, squares: list[kdb.Box]) -> list[kdb.Box]:
    return [s for s in squares if s.inside(cross)]


# circles --------------------------------------------------------------------------------------------------------


def balls() -> list[kdb.Point]:
    rows = csv.DictReader(s for s in (TABLES / "balls.csv").read_text("utf-8").splitlines() if not s.startswith("#"))
    return [kdb.Point(round(float(r["x"]) / DBU), round(float(r["y"]) / DBU)) for r in rows]


ROUND = {"pi2": 220.0, "ubm": 250.0, "ball": 310.0}
"""The diameters that the tables of the published WLCSP rules ask for at 500 um pitch."""


@of("caravel_wlcsp")
def test_a_drawn_circle_contains_the_true_circle(example: Build, name: str) -> None:
    built = example(name)
    top, known = read(built.file("die.gds")).top_cell(), numbers(built)
    for layer, diameter in ROUND.items():
        drawn = list(region(top, known[layer]).each())
        assert len(drawn) == 60
        assert {(p.bbox().center().x, p.bbox().center().y) for p in drawn} == {(b.x, b.y) for b in balls()}
        for polygon in drawn:
            shape = shapely.Polygon([(p.x * DBU, p.y * DBU) for p in polygon.each_point_hull()])
            middle = shapely.Point(polygon.bbox().center().x * DBU, polygon.bbox().center().y * DBU)
            true_radius = middle.distance(shape.exterior)  # of the largest true circle inside
            assert true_radius >= diameter / 2
            assert shape.hausdorff_distance(middle.buffer(true_radius, 256)) < 0.001 * true_radius


def rules_on(regions: dict[str, kdb.Region], names: set[str]) -> dict[str, int]:
    """Findings of some rules of the 500 um process on regions by layer name."""
    pdk = discover.pdk("wlcsp_500")
    content = Content("test", lambda n: regions.get(n, kdb.Region()), applies=frozenset(names), complete=False)
    results = {r.rule: r for r in run_rules(pdk, "blanket", content).results if r.rule in names}
    assert all(r.status == "run" for r in results.values()), results
    return {name: len(result.findings) for name, result in results.items()}


WIDTHS = {"PI2.W.1", "UBM.W.1", "BALL.W.1"}
ENCLOSURES = {"UBM.E.1", "UBM.E.2", "RDL.E.2"}


@of("caravel_wlcsp")
def test_drawn_circles_pass_where_36_corners_of_the_same_diameter_fail(example: Build, name: str) -> None:
    built = example(name)
    top, known = read(built.file("die.gds")).top_cell(), numbers(built)
    drawn = {layer: region(top, known[layer]) for layer in ("pi2", "ubm", "ball", "rdl")}
    assert rules_on(drawn, WIDTHS | ENCLOSURES) == dict.fromkeys(WIDTHS | ENCLOSURES, 0)

    def coarse(diameter: float) -> kdb.Region:
        corners = [
            (diameter / 2 * math.cos(a), diameter / 2 * math.sin(a)) for a in (math.radians(10 * k) for k in range(36))
        ]
        return kdb.Region(
            [kdb.DPolygon([kdb.DPoint(*c) for c in corners]).to_itype(DBU).moved(b.x, b.y) for b in balls()]
        )

    ubm = 250.0
    coarse_ones = {layer: coarse(d) for layer, d in {"pi2": 220.0, "ubm": ubm, "ball": 310.0, "rdl": ubm + 20}.items()}
    found = rules_on(coarse_ones, WIDTHS | {"UBM.E.1", "UBM.E.2"})
    assert all(count >= 60 for count in found.values()), found


def test_a_circle_measures_at_least_its_diameter_whatever_the_centre() -> None:
    for at in ((0.0, 0.0), (12.3456, -7.0005), (150_000.0005, -149_999.9995)):
        points = geom.circle(250.004, 128, at)
        centre = points.mean(axis=0)
        true = shapely.Point(*centre).buffer(125.0, 512)
        assert shapely.Polygon(points).contains(true)


# derived layers and processes -----------------------------------------------------------------------------------


@of("caravel_post")
def test_post_head_and_bump_follow_from_the_via_and_the_stack(example: Build, name: str) -> None:
    built = example(name)
    top = read(built.file("die.gds")).top_cell()
    stack = tomllib.loads((ROOT / "pdk/layoutgen_pdk/post/pdk.toml").read_text("utf-8"))["stack"]
    projection, overhang = stack["post"]["projection"], stack["bump"]["overhang"]
    for number, grown in (((15, 0), 0.0), ((30, 0), 0.0), ((31, 0), projection), ((32, 0), projection + overhang)):
        pieces = list(region(top, number).each())
        assert len(pieces) == 60
        assert {(p.bbox().center().x, p.bbox().center().y) for p in pieces} == {(b.x, b.y) for b in balls()}
        for piece in pieces:
            assert piece.bbox().width() * DBU == pytest.approx(40.0 + 2 * grown, abs=0.006)
            assert piece.bbox().height() == piece.bbox().width()
