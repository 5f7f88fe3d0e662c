"""Rules between polygons and within one: windows say what one flat run says, whatever is joined far outside of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import corpus
import klayout.db as kdb
import numpy as np
import pytest
from tiny_pdk import plain

from layoutgen.drc import look
from layoutgen.drc.checks import Task, task
from layoutgen.drc.flat import Flat
from layoutgen.findings import Finding
from layoutgen.pdk import Pdk, read
from layoutgen.windows import components

LIMIT = 10_000
PROCESS = (
    plain(
        """rdl = { gds = [1, 0], title = "metal" }
tie = { gds = [1, 1], title = "tie" }""",
        derived="""all = { expression = "rdl | tie" }""",
    )
    + """
[rules.space]
check = "space"
layers = ["all"]
limit = 10.0
between = "polygons"
why = "w"
source = "s"
[rules.notch]
check = "notch"
layers = ["all"]
limit = 10.0
why = "w"
source = "s"
"""
)
WHOLE = """
[rules.area]
check = "area"
layers = ["all"]
limit = LEAST
most = MOST
why = "w"
source = "s"
[rules.hole]
check = "hole_area"
layers = ["all"]
limit = HOLE
why = "w"
source = "s"
[rules.corners]
check = "max_vertices"
layers = ["all"]
limit = CORNERS
why = "w"
source = "s"
"""
UM = 1_000


@pytest.fixture(scope="module")
def pdk(tmp_path_factory: pytest.TempPathFactory) -> Pdk:
    folder = tmp_path_factory.mktemp("pdk") / "tiny"
    folder.mkdir()
    (folder / "pdk.toml").write_text(PROCESS, "utf-8")
    return read(folder, lambda name: folder)


Judge = Callable[..., tuple[dict[str, list[Finding]], int]]


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """What the rules on whole polygons find with some limits, and how many of them had to look at it flat."""
    monkeypatch.setattr(look, "LITTLE", 0)
    monkeypatch.setattr(look, "is_repeated", lambda view: True)
    flat_finds: list[str] = []
    find = Flat.find

    def counted(self: Flat, job: Task) -> Iterable[Finding]:
        flat_finds.append(job.rule)
        return find(self, job)

    monkeypatch.setattr(Flat, "find", counted)

    def judge(
        layout: kdb.Layout, least: float, most: float, hole: float, corners: int
    ) -> tuple[dict[str, list[Finding]], int]:
        flat_finds.clear()
        text = PROCESS.split("[rules")[0] + WHOLE.replace("LEAST", str(least)).replace("MOST", str(most))
        folder = tmp_path / "tiny"
        folder.mkdir(exist_ok=True)
        (folder / "pdk.toml").write_text(text.replace("HOLE", str(hole)).replace("CORNERS", str(corners)), "utf-8")
        pdk = read(folder, lambda name: folder)
        jobs = [task(name, rule) for name, rule in pdk.rules.items()]
        with look.Across(pdk, layout, layout.top_cell(), jobs) as across:
            found = {job.rule: [one for f in across.find(job) for one in f.each()] for job in jobs}
        return found, len(flat_finds)

    return judge


@pytest.fixture
def windows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No layout is too little, none too varied, and none is looked at flat."""
    monkeypatch.setattr(look, "LITTLE", 0)
    monkeypatch.setattr(look, "is_repeated", lambda view: True)

    def refuse(*_: object) -> Iterable[Finding]:
        raise AssertionError("looked at flat")

    monkeypatch.setattr(Flat, "find", refuse)


class Drawing:
    """A layout with a top cell; boxes in um."""

    def __init__(self) -> None:
        self.layout = kdb.Layout()
        self.layout.dbu = 0.001
        self.top = self.layout.create_cell("TOP")
        self.layers = [self.layout.layer(kdb.LayerInfo(1, k, n)) for k, n in enumerate(("rdl", "tie"))]

    def cell(self, name: str) -> kdb.Cell:
        return self.layout.create_cell(name)

    def box(self, cell: kdb.Cell, x1: float, y1: float, x2: float, y2: float, layer: int = 0) -> None:
        cell.shapes(self.layers[layer]).insert(kdb.Box(*(round(v * UM) for v in (x1, y1, x2, y2))))

    def array(self, cell: kdb.Cell, dx: float, dy: float, nx: int, ny: int) -> None:
        a, b = kdb.Vector(round(dx * UM), 0), kdb.Vector(0, round(dy * UM))
        self.top.insert(kdb.CellInstArray(cell.cell_index(), kdb.Trans(), a, b, nx, ny))


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a layout, no secret


def merged(layout: kdb.Layout) -> kdb.Region:
    region = kdb.Region()
    for index in layout.layer_indexes():
        if layout.get_info(index).layer == 1:
            region += kdb.Region(layout.top_cell().begin_shapes_rec(index))
    return region.merged()


def flat(layout: kdb.Layout, rule: str, limit: int = LIMIT) -> kdb.Edges:
    """What KLayout marks in one run over everything, without anything of ours."""
    region = merged(layout)
    options = (limit, False, kdb.Region.Euclidian, 80)
    pairs = region.isolated_check(*options) if rule == "space" else region.notch_check(*options)
    return pairs.edges().merged()


def ours(pdk: Pdk, layout: kdb.Layout) -> Iterator[tuple[str, kdb.Edges]]:
    jobs = [task(name, rule) for name, rule in pdk.rules.items()]
    with look.Across(pdk, layout, layout.top_cell(), jobs) as across:
        for job in jobs:
            edges = kdb.Edges()
            for finding in across.find(job):
                for one in finding.each():
                    for e in one.edges:
                        edges.insert(kdb.Edge(*e))
            yield job.rule, edges.merged()


def compared(pdk: Pdk, layout: kdb.Layout) -> dict[str, kdb.Edges]:
    """What was marked by each rule, the same as flat."""
    marked = dict(ours(pdk, layout))
    for rule, edges in marked.items():
        difference = edges ^ flat(layout, rule)
        assert difference.is_empty(), (rule, str(difference)[:300])
    return marked


def comb(d: Drawing, gap: float, *, width: float = 12, length: float = 260) -> kdb.Cell:
    """A die 400 um square with teeth that hang from its upper edge, one pair of them too near."""
    die = d.cell("COMB")
    for x in (40, 90, 90 + width + gap, 250, 330):
        d.box(die, x, 400 - length, x + width, 400)
    return die


def comb_on_a_bus() -> kdb.Layout:
    """Four bad gaps in each row of metal that a bus makes one polygon."""
    d = Drawing()
    d.array(comb(d, 6), 400, 400, 12, 10)
    for row in range(10):
        d.box(d.top, -30, row * 400 + 395, 4850, row * 400 + 420, 1)
    d.box(d.top, -30, 0, -10, 4100, 1)
    return d.layout


def teeth_apart() -> kdb.Layout:
    """The same without the bus."""
    d = Drawing()
    d.array(comb(d, 6), 400, 400, 12, 10)
    return d.layout


def rows_joined_here_and_there() -> kdb.Layout:
    """Buses too near each other in each row; far away some rows' buses are joined, others' are not."""
    d = Drawing()
    die = d.cell("DIE")
    d.box(die, 0, 100, 400, 120)
    d.box(die, 0, 127, 400, 150)
    d.box(die, 200, 150, 220, 300)
    d.array(die, 400, 400, 14, 12)
    for row in range(12):
        if row % 3 == 0:
            d.box(d.top, 14 * 400 - 1, row * 400 + 100, 14 * 400 + 20, row * 400 + 150, 1)
        if row % 4 == 1:
            d.box(d.top, -20, row * 400 + 130, 1, row * 400 + 530, 1)  # to the next row, not to the other bus
    return d.layout


def long_u() -> kdb.Layout:
    """Arms many windows long, some joined at their far end, and a bar between some of them."""
    d = Drawing()
    pair = d.cell("PAIR")
    d.box(pair, 0, 0, 15, 300)
    d.box(pair, 22, 0, 40, 300)
    d.array(pair, 150, 300, 20, 10)
    between = d.cell("BETWEEN")
    d.box(between, 17, 20, 20, 200)
    d.box(between, 60, 20, 80, 200)
    for k in range(0, 20, 2):
        for row in range(2, 9, 3):
            d.top.insert(kdb.CellInstArray(between.cell_index(), kdb.Trans(k * 150 * UM, row * 300 * UM)))
    for k in range(0, 20, 3):
        d.box(d.top, k * 150, 3000, k * 150 + 40, 3020)
    return d.layout


def two_trees() -> kdb.Layout:
    """Combs of two nets, tooth by tooth in each other's gaps."""
    d = Drawing()
    die = d.cell("DIE")
    for k in range(5):
        d.box(die, k * 80, 0, k * 80 + 12, 360)
        d.box(die, k * 80 + 20, 40, k * 80 + 32, 400)
    for row in range(9):
        d.box(d.top, 0, row * 500 - 20, 4800, row * 500)
        d.box(d.top, 0, row * 500 + 400, 4800, row * 500 + 420)
    d.box(d.top, -40, -20, 0, 8 * 500)
    d.array(die, 400, 500, 12, 9)
    return d.layout


def rings() -> kdb.Layout:
    """Rings in rings with an island, too near each other; some are joined by a bridge over the island's gap."""
    d = Drawing()
    die = d.cell("DIE")
    for k, r in enumerate((140, 120, 100)):
        outer, inner = ((200 - s) * UM for s in (r, r - 13))
        a, b = kdb.Region(kdb.Box(outer, outer, 400 * UM - outer, 400 * UM - outer)), kdb.Region()
        b.insert(kdb.Box(inner, inner, 400 * UM - inner, 400 * UM - inner))
        for polygon in (a - b).each():
            die.shapes(d.layers[k % 2]).insert(polygon)
    d.box(die, 150, 120, 240, 280)
    d.array(die, 400, 400, 10, 10)
    for i in range(0, 10, 2):
        for j in range(1, 10, 3):
            d.box(d.top, i * 400 + 270, j * 400 + 195, i * 400 + 345, j * 400 + 205, 1)
    return d.layout


def turned() -> kdb.Layout:
    """Combs in all eight orientations, by turns joined by a bus."""
    d = Drawing()
    dies = [comb(d, 7), d.cell("BUS")]
    d.box(dies[1], 0, 380, 400, 400)
    dies[1].insert(kdb.CellInstArray(dies[0].cell_index(), kdb.Trans()))
    d.box(dies[0], 0, 0, 5, 5)
    d.box(dies[0], 395, 395, 400, 400)
    rng = random.Random(7)  # noqa: S311 - a layout, no secret
    for i in range(12):
        for j in range(12):
            turn = kdb.Trans(rng.randrange(4), rng.random() < 0.5, 0, 0)
            die = dies[rng.random() < 0.4]
            box = die.bbox().transformed(turn)
            by = kdb.Vector(i * 400 * UM - box.left, j * 400 * UM - box.bottom)
            d.top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(by) * turn))
    return d.layout


def kissing() -> kdb.Layout:
    """Squares that touch those of the next die in a corner, where four windows meet, in half of the rows."""
    d = Drawing()
    die = d.cell("DIE")
    d.box(die, 0, 0, 20, 20)
    d.box(die, 380, 380, 400, 400)
    d.box(die, 27, 0, 50, 20)
    d.box(die, 20, 20, 27, 30)
    d.box(die, 380, 350, 400, 373)
    d.array(die, 400, 400, 12, 12)
    for j in range(0, 12, 2):
        d.box(d.top, 0, j * 400 - 30, 4800, j * 400 - 25, 1)
        d.box(d.top, 4700, j * 400 - 30, 4705, j * 400 - 5, 1)
    return d.layout


def around_a_corner() -> kdb.Layout:
    """Corner to corner across the corner of four windows, neither edge in the one that owns the pair."""
    d = Drawing()
    die, c = d.cell("DIE"), 400 / 3
    d.box(die, 0, 0, 5, 5)
    d.box(die, c + 3.9, c - 80, c + 60, c - 3)
    d.box(die, c - 60, c + 3, c - 3.9, c + 80)
    d.array(die, 400, 400, 12, 12)
    for j in range(0, 12, 2):
        d.box(d.top, c - 60, j * 400 + c + 70, c + 4900, j * 400 + c + 80, 1)
    for i in range(0, 12, 3):
        d.box(d.top, i * 400 + c + 40, c - 80, i * 400 + c + 50, c + 4500, 1)
    return d.layout


LAYOUTS: dict[Callable[[], kdb.Layout], tuple[bool, bool]] = {
    comb_on_a_bus: (False, True),
    teeth_apart: (True, False),
    rows_joined_here_and_there: (True, True),
    long_u: (True, True),
    two_trees: (True, True),
    rings: (True, True),
    turned: (True, True),
    kissing: (True, True),
    around_a_corner: (True, True),
}
"""Whether anything is wrong between polygons, and within one."""


@pytest.mark.usefixtures("windows_only")
@pytest.mark.parametrize("make", LAYOUTS, ids=lambda make: make.__name__)
def test_what_is_joined_outside_of_windows_is_one_polygon(pdk: Pdk, make: Callable[[], kdb.Layout]) -> None:
    marked = compared(pdk, make())
    assert (not marked["space"].is_empty(), not marked["notch"].is_empty()) == LAYOUTS[make]


@pytest.mark.usefixtures("windows_only")
@pytest.mark.parametrize("make", [comb_on_a_bus, rows_joined_here_and_there, long_u, two_trees])
def test_without_what_windows_share_along_borders_it_goes_wrong(
    pdk: Pdk, make: Callable[[], kdb.Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "united", lambda count, links: np.arange(count))
    with pytest.raises(AssertionError, match=r"space|notch"):
        compared(pdk, make())


@pytest.mark.usefixtures("windows_only")
@pytest.mark.parametrize("start", range(0, 40, 10))
def test_any_layout_at_0_45_90_is_judged_as_flat(pdk: Pdk, start: int) -> None:
    found = {"space": 0, "notch": 0}
    for seed in range(start, start + 10):
        for rule, edges in compared(pdk, corpus.layout(dice(seed), slanted=False)).items():
            found[rule] += edges.count()
    assert min(found.values()) > 0


@pytest.mark.usefixtures("windows_only")
@pytest.mark.parametrize("seed", range(2, 11))
def test_any_angle_is_judged_as_flat_to_the_grid(pdk: Pdk, seed: int) -> None:
    layout = corpus.layout(dice(200 + seed), slanted=True)
    for rule, edges in ours(pdk, layout):
        low, high = flat(layout, rule, LIMIT - 3), flat(layout, rule, LIMIT + 3)
        for some, others in ((edges, high), (low, edges)):
            left = (some - others.extended(3, 3, 3, 3, False)).each()
            assert [str(e) for e in left if e.length() > 20] == [], (rule, seed)


@pytest.mark.usefixtures("windows_only")
def test_a_window_asks_another_one_what_lies_in_its_halo_only(pdk: Pdk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    ask = components.Components._of_elsewhere

    def spied(self: components.Components, piece: int) -> components.Ints:
        asked.append(piece)
        return ask(self, piece)

    monkeypatch.setattr(components.Components, "_of_elsewhere", spied)
    compared(pdk, around_a_corner())
    assert asked


def judged_flat(layout: kdb.Layout, least: float, most: float, hole: float, corners: int) -> dict[str, list[str]]:
    """The same by KLayout alone, the outlines of what is wrong."""
    um2 = UM**2
    out: dict[str, list[str]] = {"area": [], "hole": [], "corners": []}
    for polygon in merged(layout).each():
        outline = str(kdb.Polygon(list(polygon.resolved_holes().each_point_hull()), True))
        if not 2 * round(least * um2) <= polygon.area2() <= 2 * round(most * um2):
            out["area"].append(outline)
        if polygon.num_points() > corners:
            out["corners"].append(outline)
        for k in range(polygon.holes()):
            inner = kdb.Polygon(list(polygon.each_point_hole(k)), True)
            if inner.area2() < 2 * round(hole * um2):
                out["hole"].append(str(inner))
    return {rule: sorted(some) for rule, some in out.items()}


def outlines(found: Iterable[Finding]) -> list[str]:
    return sorted(str(kdb.Polygon([kdb.Point(*p) for p in f.polygon], True)) for f in found)


def lattice() -> kdb.Layout:
    """One polygon all over, with holes small and large, among them a slot longer than any window."""
    d = Drawing()
    die = d.cell("DIE")
    d.box(die, 0, 0, 400, 10)
    d.box(die, 0, 0, 10, 400)
    for k, side in enumerate((5, 8, 30)):
        x = 60 + 100 * k
        d.box(die, x, 0, x + 10, 60)
        d.box(die, x + 10 + side, 0, x + 20 + side, 60)
        d.box(die, x, 50, x + 20 + side, 50 + 60 - side)
    d.box(die, 200, 200, 220, 215)
    d.array(die, 400, 400, 10, 10)
    d.box(d.top, 0, 4000, 4010, 4010)
    d.box(d.top, 4000, 0, 4010, 4010)
    return d.layout


def test_the_area_and_the_corners_of_what_spans_the_wafer_need_no_flat_run(judged: Judge) -> None:
    layout = lattice()
    (large,) = [p for p in merged(layout).each() if p.bbox().width() > 1000 * UM]
    area, corners = large.area2() / 2 / UM**2, large.num_points()
    limits: list[tuple[float, float, float, int, int]] = [
        (300.0, area, 300.0, corners, 0),
        (300.0, area - 0.000001, 100.0, corners, 1),
        (300.0, area, 100.0, corners - 1, 1),
        (300.1, area + 1, 400.0, corners, 0),
    ]
    for least, most, hole, most_corners, runs in limits:
        found, flat_runs = judged(layout, round(least, 6), round(most, 6), hole, most_corners)
        assert flat_runs == runs, (least, most)
        theirs = judged_flat(layout, round(least, 6), round(most, 6), hole, most_corners)
        for rule, some in found.items():
            assert outlines(some) == theirs[rule], rule
    assert found["area"]
    assert found["hole"]


@pytest.mark.parametrize("seed", range(0, 40, 2))
def test_whole_polygons_are_judged_as_flat(judged: Judge, seed: int) -> None:
    slanted = seed % 4 == 0  # then areas differ by what comes to lie on the grid
    layout = corpus.layout(dice(seed), slanted=slanted)
    areas = sorted(p.area2() / 2 / UM**2 for p in merged(layout).each())
    for k in (-1, -2):
        limits = 150.0, round(areas[k] * 1.0001 if slanted else areas[k], 6), 2000.0, 12
        found, _ = judged(layout, *limits)
        theirs = judged_flat(layout, *limits)
        for rule, some in found.items():
            if slanted:
                assert len(some) == len(theirs[rule]), (rule, seed)
            else:
                assert outlines(some) == theirs[rule], (rule, seed)


def test_a_slot_longer_than_any_window_is_a_hole(judged: Judge) -> None:
    d = Drawing()
    die = d.cell("DIE")
    d.box(die, 0, 0, 400, 380)
    d.box(die, 0, 380.002, 400, 400)
    d.array(die, 400, 400, 12, 12)
    for j in range(12):
        d.box(d.top, -10, j * 400, 0, j * 400 + 400)
        d.box(d.top, 4800, j * 400, 4810, j * 400 + 400)
    found, flat_runs = judged(d.layout, 1.0, 1e9, 10.0, 1000)
    assert len(found["hole"]) == 12
    assert flat_runs == 1


def test_components_are_those_that_links_make() -> None:
    rng = np.random.default_rng(3)
    for count in (1, 2, 50, 400):
        u, v = rng.integers(0, count, (2, count // 2))
        root = list(range(count))
        for _ in range(count):
            for a, b in zip(u.tolist(), v.tolist(), strict=True):
                root[a] = root[b] = min(root[a], root[b])
        assert components.united(count, (u, v)).tolist() == root
    chain = np.arange(999)
    assert not components.united(1000, (chain, chain + 1)).any()
