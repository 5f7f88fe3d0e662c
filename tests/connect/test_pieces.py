"""What is one conductor over a whole layout, against merged regions of all of it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import corpus
import klayout.db as kdb
import pytest

from layoutgen.connect import kinds
from layoutgen.connect.covered import area2
from layoutgen.connect.joined import Joined, join
from layoutgen.connect.pieces import Pieces
from layoutgen.connect.stack import stack
from layoutgen.pdk import Pdk, read

PROCESS = """
name = "two"
title = "Two metals"
source = "this test"
roles = { metal = "rdl", metal_2 = "tie", via_2 = "via" }
masks = {}
connect = { metal = "rdl", pad = [], ball = [], metal_2 = "tie", via_2 = "via" }
rules = {}
[layers]
rdl = { gds = [1, 0], title = "metal" }
tie = { gds = [1, 1], title = "metal 2" }
via = { gds = [2, 0], title = "via" }
[reserved]
die = { gds = [200, 0], title = "die" }
[derived]
grown = { expression = "size(rdl, 12)" }
shrunk = { expression = "size(rdl, -3)" }
[flows.one]
title = "One"
current = "none"
stages = []
draws = ["rdl"]
"""
LEVELS = ("metal", "via_2", "metal_2")
UM = 1000


@pytest.fixture(scope="module")
def pdk(tmp_path_factory: pytest.TempPathFactory) -> Pdk:
    folder = tmp_path_factory.mktemp("pdk") / "two"
    folder.mkdir()
    (folder / "pdk.toml").write_text(PROCESS)
    return read(folder, lambda _: folder)


def ours(pdk: Pdk, layout: kdb.Layout) -> Joined:
    levels = stack(pdk)
    pieces = Pieces(pdk, layout, layout.top_cell(), levels.sources)
    return join(pieces, {name: pieces.sheet(text) for name, text in levels.levels.items()})


def flat(layout: kdb.Layout) -> dict[str, list[tuple[kdb.Polygon, int]]]:
    """All merged polygons of each level, and the number of the net of each."""
    top = layout.top_cell()
    merged = {
        level: list(kdb.Region(top.begin_shapes_rec(layout.layer(*gds))).merged().each())
        for level, gds in zip(LEVELS, ((1, 0), (2, 0), (1, 1)), strict=True)
    }
    nodes = [(level, k) for level, some in merged.items() for k in range(len(some))]
    root = {node: node for node in nodes}

    def find(node: tuple[str, int]) -> tuple[str, int]:
        while root[node] != node:
            node = root[node]
        return node

    for below, above in itertools.pairwise(LEVELS):
        for i, p in enumerate(merged[below]):
            for j, q in enumerate(merged[above]):
                if p.bbox().touches(q.bbox()) and (kdb.Region(p) & kdb.Region(q)).area():
                    root[find((below, i))] = find((above, j))
    number = {node: k for k, node in enumerate(nodes)}
    return {level: [(p, number[find((level, k))]) for k, p in enumerate(some)] for level, some in merged.items()}


def same_partition(pdk: Pdk, layout: kdb.Layout) -> int:
    """Compare, and return how many nets there are."""
    found, witness = ours(pdk, layout), flat(layout)
    pairs = set()
    for level in LEVELS:
        sheet, nodes = found.sheets[level], found.nodes[level]
        covered = kdb.Region()
        for k, net in enumerate(found.net[level].tolist()):
            piece = found.pieces.polygon(sheet, nodes, k)
            covered.insert(piece)
            own = kdb.Region(piece)
            over = [(n, (own & kdb.Region(p)).area()) for p, n in witness[level] if p.bbox().touches(piece.bbox())]
            pairs.add((net, max(over, key=lambda pair: pair[1])[0]))
        whole = kdb.Region([p for p, _ in witness[level]])
        assert (covered ^ whole).sized(-2).is_empty(), level  # merging bends slanted edges to the grid
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    assert len(pairs) == found.count
    return found.count


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a layout, no secret


@pytest.mark.parametrize("slanted", [False, True])
@pytest.mark.parametrize("start", range(0, 20, 5))
def test_any_layout_is_parted_as_flat(
    pdk: Pdk, start: int, slanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Also where pairs are many, of which those are left out first that do not reach each other."""
    monkeypatch.setattr(kinds, "MANY_HARD", 0 if start % 10 else kinds.MANY_HARD)
    counts = [same_partition(pdk, corpus.layout(dice(s), slanted=slanted)) for s in range(start, start + 5)]
    assert max(counts) > 3


@pytest.mark.parametrize("start", range(0, 12, 6))
@pytest.mark.parametrize("layer", ["grown", "shrunk"])
def test_what_is_made_larger_or_smaller_is_that_of_all_of_it_flat(pdk: Pdk, start: int, layer: str) -> None:
    """Kind by kind where no two instances touch, and where they do."""
    alone = 0
    for seed in range(start, start + 6):
        layout = corpus.layout(dice(seed), slanted=bool(seed % 2)) if seed % 3 else apart()
        pieces = Pieces(pdk, layout, layout.top_cell(), ["rdl"])
        alone += pieces._resized(layer) is not None
        sheet = pieces.sheet(layer)
        nodes = pieces.nodes(sheet)
        ours_ = kdb.Region([pieces.polygon(sheet, nodes, k) for k in range(len(nodes.piece))])
        drawn = kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(1, 0))).merged()
        flat_ = drawn.sized(12 * UM if layer == "grown" else -3 * UM, 2)
        assert (ours_ ^ flat_).sized(-2).is_empty()  # but for slanted edges that cross, which lie on the grid
    assert alone


def apart() -> kdb.Layout:
    """Shapes in an array of cells, which merge only where they are made larger."""
    layout = kdb.Layout()
    top, cell = layout.create_cell("TOP"), layout.create_cell("CELL")
    cell.shapes(layout.layer(1, 0)).insert(kdb.Polygon.ellipse(kdb.Box(0, 0, 30 * UM, 30 * UM), 32))
    step = kdb.Vector(50 * UM, 0), kdb.Vector(0, 60 * UM)
    top.insert(kdb.CellInstArray(cell.cell_index(), kdb.Trans(1, False, 0, 0), *step, 4, 3))
    return layout


def wafer(drawn: Callable[[kdb.Layout, kdb.Cell, kdb.Cell], None]) -> kdb.Layout:
    """Dies of two wires, the second below a via to a wire of the other metal, 6 x 6 of them."""
    layout, layers, top = corpus.empty()
    die = layout.create_cell("DIE")
    for k in range(2):
        y = 50 * UM + k * 100 * UM
        die.shapes(layers["rdl"]).insert(kdb.Box(20 * UM, y, 300 * UM, y + 20 * UM))
    die.shapes(layers["via"]).insert(kdb.Box(280 * UM, 155 * UM, 290 * UM, 165 * UM))
    die.shapes(layers["tie"]).insert(kdb.Box(270 * UM, 150 * UM, 340 * UM, 170 * UM))
    drawn(layout, die, top)
    return layout


def arrayed(layout: kdb.Layout, die: kdb.Cell, top: kdb.Cell) -> None:
    a, b = kdb.Vector(400 * UM, 0), kdb.Vector(0, 300 * UM)
    top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(), a, b, 6, 6))


def bus_over_all(layout: kdb.Layout, die: kdb.Cell, top: kdb.Cell) -> None:
    arrayed(layout, die, top)
    for i in range(6):
        x = i * 400 * UM
        top.shapes(layout.layer(1, 0)).insert(kdb.Box(x + 10 * UM, -50 * UM, x + 20 * UM, 1900 * UM))
    top.shapes(layout.layer(1, 0)).insert(kdb.Box(0, -50 * UM, 2400 * UM, -40 * UM))


def turned(layout: kdb.Layout, die: kdb.Cell, top: kdb.Cell) -> None:
    for k in range(36):
        at = kdb.Vector((k % 6) * 380 * UM, (k // 6) * 330 * UM)
        top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(k % 4, k % 3 == 0, at)))


def at_any_angle(layout: kdb.Layout, die: kdb.Cell, top: kdb.Cell) -> None:
    for k in range(12):
        motion = kdb.DCplxTrans(1.0, 30.0 * k, k % 2 == 1, kdb.DVector(k * 137.0371, k * 71.7713))
        top.insert(kdb.DCellInstArray(die.cell_index(), motion))


def flattened(layout: kdb.Layout, die: kdb.Cell, top: kdb.Cell) -> None:
    bus_over_all(layout, die, top)
    top.flatten(True)


def one_large_u(layout: kdb.Layout, die: kdb.Cell, top: kdb.Cell) -> None:
    arrayed(layout, die, top)
    points = [(0, 0), (2500, 0), (2500, 2000), (2490, 2000), (2490, 10), (10, 10), (10, 2000), (0, 2000)]
    top.shapes(layout.layer(1, 0)).insert(kdb.Polygon([kdb.Point(x * UM, y * UM) for x, y in points]))
    top.shapes(layout.layer(1, 0)).insert(kdb.Box(5 * UM, 660 * UM, 25 * UM, 665 * UM))
    top.shapes(layout.layer(1, 0)).insert(kdb.Box(2295 * UM, 960 * UM, 2495 * UM, 965 * UM))


def corners_touch(layout: kdb.Layout, die: kdb.Cell, top: kdb.Cell) -> None:
    die.shapes(layout.layer(1, 0)).insert(kdb.Box(300 * UM, 70 * UM, 400 * UM, 350 * UM))
    die.shapes(layout.layer(1, 0)).insert(kdb.Box(0, 30 * UM, 20 * UM, 50 * UM))
    arrayed(layout, die, top)


@pytest.mark.parametrize(
    ("drawn", "nets"),
    [
        (arrayed, 72),
        (bus_over_all, 1),
        (flattened, 1),
        (one_large_u, 71),
        (turned, None),
        (at_any_angle, None),
        (corners_touch, None),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_wafers_are_parted_as_flat(
    pdk: Pdk, drawn: Callable[[kdb.Layout, kdb.Cell, kdb.Cell], None], nets: int | None
) -> None:
    count = same_partition(pdk, wafer(drawn))
    assert nets is None or count == nets


def test_a_via_that_only_touches_joins_nothing(pdk: Pdk) -> None:
    layout, layers, top = corpus.empty()
    top.shapes(layers["rdl"]).insert(kdb.Box(0, 0, 100, 100))
    top.shapes(layers["via"]).insert(kdb.Box(100, 0, 200, 100))
    assert same_partition(pdk, layout) == 2


@pytest.mark.parametrize("start", range(4))
def test_the_area_of_what_overlaps_is_that_of_the_exact_union(pdk: Pdk, start: int) -> None:
    """Polygons at whole angles of 45 degrees: no crossing is off the grid, so KLayout's flat union is exact as well."""
    choose = dice(start)
    layout = kdb.Layout()
    layout.dbu = 0.001
    top, cell, other = (layout.create_cell(name) for name in ("TOP", "A", "B"))
    metal = layout.layer(1, 0)
    octagon = kdb.Polygon(
        [kdb.Point(*p) for p in ((0, 4), (4, 0), (10, 0), (14, 4), (14, 10), (10, 14), (4, 14), (0, 10))]
    )
    for holder in (cell, other, top):
        for _ in range(6):
            x, y = choose.randrange(0, 60, 2) * UM, choose.randrange(0, 60, 2) * UM
            w, h = choose.randrange(2, 40, 2) * UM, choose.randrange(2, 40, 2) * UM
            holder.shapes(metal).insert(kdb.Box(x, y, x + w, y + h))
            holder.shapes(metal).insert((octagon * UM).moved(y, x))
    other.insert(kdb.CellInstArray(cell.cell_index(), kdb.Trans(1, True, 10 * UM, 20 * UM)))
    top.insert(
        kdb.CellInstArray(other.cell_index(), kdb.Trans(), kdb.Vector(50 * UM, 0), kdb.Vector(0, 44 * UM), 7, 5)
    )  # fmt: skip
    top.shapes(metal).insert(kdb.Box(-5 * UM, 30 * UM, 400 * UM, 40 * UM))  # over many of them
    pieces = Pieces(pdk, layout, top, ["rdl"])
    merged = kdb.Region(top.begin_shapes_rec(metal)).merged()
    assert area2(pieces, pieces.sheet("rdl")) == sum(p.area2() for p in merged.each())


def test_nothing_has_no_area(pdk: Pdk) -> None:
    layout = kdb.Layout()
    pieces = Pieces(pdk, layout, layout.create_cell("TOP"), ["rdl"])
    assert area2(pieces, pieces.sheet("rdl")) == 0
