"""Layouts made to mislead windows: what reaches across borders, turns, slants, touches, overlaps, repeats.

`layout` draws one from any source of random numbers; hypothesis brings its own, so that it can make a failing layout
smaller. `CASES` are the least layouts of each kind, drawn by hand: what each is made to mislead is its name.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import klayout.db as kdb

LAYERS = {"rdl": (1, 0), "tie": (1, 1), "via": (2, 0), "die": (200, 0)}
LIMIT = 10_000
"""What most rules of the tests ask for, in database units."""
RUN = 30_000
NEAR = (LIMIT - 10, LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 10)


def empty() -> tuple[kdb.Layout, dict[str, int], kdb.Cell]:
    out = kdb.Layout()
    out.dbu = 0.001
    layers = {name: out.layer(kdb.LayerInfo(*gds, name)) for name, gds in LAYERS.items()}
    return out, layers, out.create_cell("TOP")


def dump(layout: kdb.Layout) -> str:
    """All cells, shapes and places, one a line."""
    lines = []
    for cell in layout.each_cell():
        lines.append(f"cell {cell.name}")
        for index in layout.layer_indexes():
            lines += [f"  {layout.get_info(index).name} {shape}" for shape in cell.shapes(index).each()]
        lines += [f"  {layout.cell(inst.cell_index).name} {inst.cell_inst}" for inst in cell.each_inst()]
    return "\n".join(lines)


def layout(rng: random.Random, *, slanted: bool) -> kdb.Layout:
    """A wafer of a few dies with faults of every kind; slanted: with shapes at any angle, otherwise 0, 45 and 90."""
    out, layers, top = empty()
    step = (rng.choice([160_000, 201_003, 250_002, 333_333]), rng.choice([150_000, 222_221, 300_000]))
    magnified = _often(rng, 25)
    # diagonals that cross between two units bend: at even places none does
    draw = _Draw(rng, slanted=slanted, diagonal=slanted or not (magnified or step[0] % 2 or step[1] % 2))
    dies = [_die(out, layers, draw, k, step, magnified=magnified) for k in range(rng.choice([1, 1, 2]))]
    columns, rows = rng.choice([(1, 1), (2, 2), (3, 2), (2, 3), (4, 1), (3, 3)])
    if len(dies) == 1 and _often(rng, 60):
        a, b = kdb.Vector(step[0], 0), kdb.Vector(0, step[1])
        top.insert(kdb.CellInstArray(dies[0].cell_index(), kdb.Trans(), a, b, columns, rows))
    else:
        for i in range(columns):
            for j in range(rows):
                turn = rng.randint(0, 7)
                at = kdb.Trans(turn % 4, turn >= 4, kdb.Vector(i * step[0], j * step[1]))
                top.insert(kdb.CellInstArray(rng.choice(dies).cell_index(), at))
    if slanted and _often(rng, 25):  # turned by an angle that no grid knows, some larger or smaller
        for k in range(rng.randint(1, 4)):
            at = kdb.Vector(k * step[0] + rng.randint(0, 9), -step[1])
            factor = rng.choice([1.0, 1.0, 1.5, 0.75, 1.0001])
            motion = kdb.ICplxTrans(factor, rng.choice([30.0, 17.3, 45.0, 0.01]), _often(rng, 50), at)
            top.insert(kdb.CellInstArray(dies[0].cell_index(), motion))
    _wafer(top, layers, draw, (columns * step[0], rows * step[1]), step)
    if _often(rng, 20):
        top.flatten(True)
    for cell in [c for c in out.top_cells() if c.name != "TOP"]:  # a die that nothing places
        cell.prune_cell()
    return out


def _often(rng: random.Random, percent: int) -> bool:
    return rng.randint(1, 100) > 100 - percent


def _die(
    out: kdb.Layout, layers: dict[str, int], draw: _Draw, number: int, step: tuple[int, int], *, magnified: bool
) -> kdb.Cell:
    """Abutting its neighbours, apart from them, or overlapping them."""
    rng = draw.rng
    die = out.create_cell(f"DIE{number}")
    w, h = step[0] - rng.choice([0, 0, 20_000, -7_000]), step[1] - rng.choice([0, 20_000, -7_000])
    die.shapes(layers["die"]).insert(kdb.Box(0, 0, w, h))
    pad = out.create_cell(f"PAD{number}")
    radius = rng.choice([8_000, 12_001])
    for layer, r, corners in (("via", radius // 2, 24), ("rdl", radius, rng.choice([16, 40]))):
        box = kdb.Box(-r, -r, r, r)
        pad.shapes(layers[layer]).insert(kdb.Polygon.ellipse(box, corners) if draw.slanted else kdb.Polygon(box))
    for _ in range(rng.randint(1, 4)):
        at = kdb.Vector(rng.randint(0, w), rng.randint(0, h))
        factor = rng.choice([1.0, 1.5, 0.75, 1.0001]) if magnified else 1.0  # half units, a quarter, less
        die.insert(kdb.CellInstArray(pad.cell_index(), kdb.ICplxTrans(factor, 0, False, at)))
    for _ in range(rng.randint(0, 4)):
        draw.shape(die.shapes(layers[rng.choice(["rdl", "rdl", "tie", "via"])]), w, h)
    return die


def _wafer(top: kdb.Cell, layers: dict[str, int], draw: _Draw, size: tuple[int, int], step: tuple[int, int]) -> None:
    """What is drawn on the wafer itself: a bus through everything, long wires, a ring around."""
    rng, (w, h) = draw.rng, size
    tie = top.shapes(layers["tie"])
    if _often(rng, 40):
        for y in range(0, h + 1, step[1]):
            tie.insert(kdb.Box(-5_000, y - 15_000, w, y - 3_000))
    if _often(rng, 40):
        for x in range(0, w + 1, step[0]):
            tie.insert(kdb.Box(x - 15_000, -5_000, x - 3_000, h))
    if draw.slanted and _often(rng, 30):
        ends = [kdb.Point(rng.randint(0, w), rng.randint(0, h)) for _ in range(2)]
        if ends[0] != ends[1]:
            top.shapes(layers["rdl"]).insert(kdb.Path(ends, 11_000).polygon())
    if draw.slanted and _often(rng, 20):
        box = kdb.Box(-20_000, -20_000, w + 20_000, h + 20_000)
        ring = kdb.Region(kdb.Polygon.ellipse(box.enlarged(30_000, 30_000), 90)) - kdb.Region(
            kdb.Polygon.ellipse(box, 90)
        )
        for polygon in ring.each():
            tie.insert(polygon)
    for _ in range(rng.randint(0, 3)):
        draw.shape(top.shapes(layers["rdl"]), w, h)


class _Draw:
    """Draws one shape of some kind, or a few that belong together, at a place within some extent."""

    def __init__(self, rng: random.Random, *, slanted: bool, diagonal: bool) -> None:
        self.rng, self.slanted = rng, slanted
        self._kinds = [self._box, self._u, self._ring, self._kiss, self._runs, self._nothing_wide]
        self._kinds += [self._diagonal] if diagonal else []
        self._kinds += [self._wire, self._wire, self._wire] if slanted else []

    def shape(self, shapes: kdb.Shapes, w: int, h: int) -> None:
        x, y = self.rng.randint(-20_000, w), self.rng.randint(-20_000, h)
        self.rng.choice(self._kinds)(shapes, x, y)

    def _wire(self, shapes: kdb.Shapes, x: int, y: int) -> None:
        """Wires at any angle, some as wide as the limit, some the limit apart, some touched far out."""
        rng = self.rng
        length, angle = rng.choice([20_000, 90_000, 300_000]), math.radians(rng.randint(0, 3599) / 10)
        width = rng.choice([*NEAR, 12_000, 5_000])
        along = (math.cos(angle), math.sin(angle))
        end = (x + round(length * along[0]), y + round(length * along[1]))
        shapes.insert(kdb.Path([kdb.Point(x, y), kdb.Point(*end)], width).polygon())
        if _often(rng, 50):  # a neighbour about the limit away
            d = width + rng.choice(NEAR)
            dx, dy = round(-d * along[1]), round(d * along[0])
            shapes.insert(kdb.Path([kdb.Point(x + dx, y + dy), kdb.Point(end[0] + dx, end[1] + dy)], width).polygon())
        if _often(rng, 50):
            shapes.insert(kdb.Box(end[0] - 4_000, end[1] - 15_000, end[0] + 8_000, end[1] + 15_000))

    def _box(self, shapes: kdb.Shapes, x: int, y: int) -> None:
        width = self.rng.choice([*NEAR, 12_000, 5_000])
        shapes.insert(kdb.Box(x, y, x + width, y + self.rng.choice([width, 60_000, 200_000])))

    def _u(self, shapes: kdb.Shapes, x: int, y: int) -> None:
        gap, long = self.rng.choice(NEAR), self.rng.choice([30_000, 200_000])
        shapes.insert(kdb.Box(x, y, x + 12_000, y + long))
        shapes.insert(kdb.Box(x + 12_000 + gap, y, x + 24_000 + gap, y + long))
        shapes.insert(kdb.Box(x, y + long, x + 24_000 + gap, y + long + 12_000))

    def _ring(self, shapes: kdb.Shapes, x: int, y: int) -> None:
        """A hole, sometimes with an island in it."""
        side = self.rng.choice([60_000, 200_000])
        outer, inner = kdb.Box(x, y, x + side, y + side), kdb.Box(x + 12_000, y + 12_000, x + side - 12_000, y + 48_000)
        for polygon in (kdb.Region(outer) - kdb.Region(inner)).each():
            shapes.insert(polygon)
        if _often(self.rng, 40):
            shapes.insert(inner.enlarged(-self.rng.choice(NEAR), -self.rng.choice(NEAR)))

    def _kiss(self, shapes: kdb.Shapes, x: int, y: int) -> None:
        width = self.rng.choice([*NEAR, 5_000])
        shapes.insert(kdb.Box(x, y, x + width, y + width))
        shapes.insert(kdb.Box(x + width, y + width, x + 2 * width, y + 2 * width))

    def _runs(self, shapes: kdb.Shapes, x: int, y: int) -> None:
        """Two wide bars that face each other over about the length of a run, or far more."""
        over = self.rng.choice([RUN - 1, RUN, RUN + 1, 150_000])
        gap = self.rng.choice([LIMIT + 1_999, LIMIT + 2_000, LIMIT + 2_001])
        shapes.insert(kdb.Box(x, y, x + 200_000, y + 12_000))
        shapes.insert(kdb.Box(x + 200_000 - over, y + 12_000 + gap, x + 260_000, y + 26_000 + gap))

    def _nothing_wide(self, shapes: kdb.Shapes, x: int, y: int) -> None:
        """Shapes without width, as they are and as spikes of others."""
        shapes.insert(kdb.Box(x, y, x, y + 90_000))
        shapes.insert(kdb.Path([kdb.Point(x, y), kdb.Point(x + 90_000, y)], 0))
        points = [(0, 0), (0, 12_000), (0, 90_000), (0, 12_000), (15_000, 12_000), (15_000, 0)]
        shapes.insert(kdb.Polygon([kdb.Point(x + a, y + b) for a, b in points], True))

    def _diagonal(self, shapes: kdb.Shapes, x: int, y: int) -> None:
        x, y = x // 2 * 2, y // 2 * 2
        shapes.insert(kdb.Path([kdb.Point(x, y), kdb.Point(x + 50_000, y + 50_000)], 14_142).polygon())


# ------------------------------------------------------------------ the least of each kind


def _array(
    draw: Callable[[kdb.Cell, dict[str, int]], None], step: int = 200_000, count: tuple[int, int] = (4, 3)
) -> tuple[kdb.Layout, dict[str, int], kdb.Cell]:
    """An array of one die, with a box as large as the step, and what else is drawn in it."""
    out, layers, top = empty()
    die = out.create_cell("DIE")
    die.shapes(layers["die"]).insert(kdb.Box(0, 0, step, step))
    die.shapes(layers["rdl"]).insert(kdb.Box(50_000, 50_000, 70_000, 70_000))
    draw(die, layers)
    a, b = kdb.Vector(step, 0), kdb.Vector(0, step)
    top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(), a, b, *count))
    return out, layers, top


def wires_near_the_limit() -> kdb.Layout:
    """Slanted wires through many windows, as far apart as they may be; posts touch them here and there."""
    out, layers, top = _array(lambda die, layers: None)
    rdl, via = top.shapes(layers["rdl"]), top.shapes(layers["via"])
    for k in range(5):
        angle = math.radians(3.0 + 37.13 * k)
        along, x, y = (math.cos(angle), math.sin(angle)), 150_000 + 23_000 * k, -300_000 - 431_000 * k
        ends = [kdb.Point(x + round(t * along[0]), y + round(t * along[1])) for t in (0, 777_777)]
        d = LIMIT - 2 + k % 5
        other = [p + kdb.Vector(round(-d * along[1]), round(d * along[0])) for p in ends]
        rdl.insert(kdb.Path(ends, d).polygon())
        via.insert(kdb.Path(other, 5_000).polygon())
        if k % 2 == 0:  # one that crosses it at an acute angle
            c, d = math.cos(angle + 0.03), math.sin(angle + 0.03)
            middle = kdb.Point(x + round(390_123 * along[0]), y + round(390_123 * along[1]))
            far = kdb.Vector(round(377_777 * c), round(377_777 * d))
            rdl.insert(kdb.Path([middle - far, middle + far], 12_000).polygon())
        for t in (100_000, 400_000, 650_000):
            touch = kdb.Point(x + round(t * along[0]), y + round(t * along[1]))
            rdl.insert(kdb.Box(touch.x - 4_001, touch.y - 900, touch.x + 4_003, touch.y + 700))
    return out


def u_joined_outside() -> kdb.Layout:
    """Two legs that are one polygon only far away, and two that are not."""

    def draw(die: kdb.Cell, layers: dict[str, int]) -> None:
        rdl = die.shapes(layers["rdl"])
        for x, y in ((20_000, 80_000), (100_000, 120_000)):
            rdl.insert(kdb.Box(x, y, x + 12_000, y + 20_000))
            rdl.insert(kdb.Box(x + 21_000, y, x + 33_000, y + 20_000))

    out, layers, top = _array(draw, count=(6, 1))
    for j in range(2):  # legs that run through all dies, joined at one end, or at none
        y = 150_000 + 30_000 * j
        for dy in (0, 18_000):
            top.shapes(layers["rdl"]).insert(kdb.Box(-50_000, y + dy, 1_250_000, y + dy + 9_500 + 2_500 * j))
    top.shapes(layers["rdl"]).insert(kdb.Box(-50_000, 150_000, -30_000, 177_500))
    return out


def long_findings() -> kdb.Layout:
    """A wire too narrow and a gap too small through all windows, some along their borders; runs as long as allowed."""

    def draw(die: kdb.Cell, layers: dict[str, int]) -> None:
        rdl = die.shapes(layers["rdl"])
        for k, over in enumerate((RUN - 1, RUN, RUN + 1)):
            rdl.insert(kdb.Box(80_000, 20_000 + 45_000 * k, 150_000, 34_000 + 45_000 * k))
            rdl.insert(kdb.Box(150_000 - over, 45_999 + 45_000 * k, 180_000, 59_000 + 45_000 * k))

    out, layers, top = _array(draw)
    tie = top.shapes(layers["tie"])
    for y in (0, 190_000, 400_000):
        tie.insert(kdb.Box(-30_000, y, 830_000, y + 9_990))
        tie.insert(kdb.Box(-30_000, y + 19_000, 830_000, y + 31_000))
    tie.insert(kdb.Box(200_000, -300_000, 209_000, 700_000))
    for y in (520_000, 540_001):  # a slit one unit wide
        tie.insert(kdb.Box(-30_000, y, 830_000, y + 20_000))
    return out


def large_polygons() -> kdb.Layout:
    """Polygons of exact size or area, on the borders of windows, beside some that are too large."""

    def draw(die: kdb.Cell, layers: dict[str, int]) -> None:
        via = die.shapes(layers["via"])
        for x, y, w in ((-4_000, 60_000, 8_000), (96_000, 96_000, 8_000), (-12_000, 120_000, 24_000)):
            via.insert(kdb.Box(x, y, x + w, y + 8_000))
        via.insert(kdb.Box(90_000, 146_000, 110_000, 154_000))
        for k in range(10):  # large enough as a whole
            via.insert(kdb.Box(20_000 * k, 10_000 + 4_000 * k, 20_000 * k + 60_000, 11_300 + 4_000 * k))

    return _array(draw, count=(6, 5))[0]


def same_box_other_content() -> kdb.Layout:
    """Cells of one extent, with other shapes within."""
    out, layers, top = empty()
    for k, gap in enumerate((LIMIT - 1, LIMIT)):
        cell = out.create_cell(f"C{k}")
        for box in (kdb.Box(0, 0, 20_000, 50_000), kdb.Box(20_000 + gap, 0, 60_000, 50_000)):
            cell.shapes(layers["rdl"]).insert(box)
        at = kdb.Trans(k * 200_000, 0)
        top.insert(kdb.CellInstArray(cell.cell_index(), at, kdb.Vector(400_000, 0), kdb.Vector(0, 1), 6, 1))
    return out


def between_units() -> kdb.Layout:
    """Cells of which every other one comes to stand half a unit off: a gap is rounded down, or up."""
    out, layers, top = empty()
    pad, die = out.create_cell("PAD"), out.create_cell("DIE")
    pad.shapes(layers["rdl"]).insert(kdb.Box(0, 0, 20_001, 40_000))
    pad.shapes(layers["rdl"]).insert(kdb.Box(40_000, 0, 60_001, 40_000))
    for k in range(12):
        die.insert(kdb.CellInstArray(pad.cell_index(), kdb.Trans(k * 400_000 + k % 2, 0)))
    top.insert(kdb.CellInstArray(die.cell_index(), kdb.ICplxTrans(0.5, 0, False, 0, 0)))
    return out


def half_units_about_zero() -> kdb.Layout:
    """Whole places of cells with half units within, on either side of 0."""
    out, layers, top = empty()
    pad, die = out.create_cell("PAD"), out.create_cell("DIE")
    pad.shapes(layers["rdl"]).insert(kdb.Box(0, 0, 6_667, 20_000))
    die.insert(kdb.CellInstArray(pad.cell_index(), kdb.ICplxTrans(1.5, 0, False, 0, 0)))
    a, b = kdb.Vector(150_000, 0), kdb.Vector(0, 150_000)
    top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(-450_000, -300_000), a, b, 7, 4))
    return out


def off_the_lattice() -> kdb.Layout:
    """A step that is no multiple of the density window's, nor of the grid's."""
    return _array(
        lambda die, layers: die.shapes(layers["rdl"]).insert(kdb.Box(80_000, 20_000, 131_000, 71_000)), 201_003, (6, 4)
    )[0]


def wound_both_ways() -> kdb.Layout:
    """Vias on metal of two long shapes that wind around them in opposite directions, and vias on none."""
    out, layers, top = _array(
        lambda die, layers: die.shapes(layers["via"]).insert(kdb.Box(60_000, 60_000, 68_000, 68_000)), 150_000, (16, 16)
    )
    a, b, c = -40_000, 1_160_000, 2_600_000
    notched = [(b, b), (b, c), (c - 30_000, c), (c - 30_000, c - 10_000), (c - 20_000, c - 10_000), (c - 20_000, c),
               (c, c), (c, b)]  # fmt: skip
    crossing = [(a, a), (b, a), (b, c), (c, c), (c, b), (a, b)]  # its upper part is wound backwards
    for ring in (notched, crossing):
        top.shapes(layers["rdl"]).insert(kdb.Polygon([kdb.Point(x, y) for x, y in ring]))
    return out


def edges_of_other_shapes() -> kdb.Layout:
    """Long shapes whose edges lie on each other's, so that other ones are the same edges: what they cover is not."""
    out, layers, top = _array(lambda die, layers: None, 150_000, (20, 20))
    rdl, low, high = top.shapes(layers["rdl"]), -300_000, 3_300_000

    def bar(x: int, left: int, right: int, *, down: bool = False) -> None:
        """From far below to far above, with a foot far out, so that it is no box; down: drawn from its top."""
        points = [(left, low), (left, high), (right, high), (right, low + 20_000), (right + 5, low + 20_000),
                  (right + 5, low)]  # fmt: skip
        polygon = kdb.Polygon([kdb.Point(x + a, b) for a, b in points])
        rdl.insert(polygon.transformed(kdb.Trans.M0).moved(0, low + high) if down else polygon)

    a, b, c, d, e, f = 90_000, 102_000, 108_000, 120_000, 127_000, 139_000
    for x, bars in (
        (0, [(a, b), (c, d)]),  # a gap too small, and the same under a plate
        (600_000, [(a, b), (c, d), (a, d)]),
        (1_200_000, [(a, d), (b, c)]),  # no gap between them, with the same edges in the opposite directions
        (1_800_000, [(a, b), (b, c), (c, d)]),
        (2_400_000, [(a, c), (b, d)]),
        (300_000, [(a, b), (c, d), (e, f)]),  # two of three gaps filled, by edges that are all there once more
        (900_000, [(a, b), (c, f), (d, e)]),
        (1_500_000, [(a, d), (b, c), (e, f)]),
    ):
        for k, (left, right) in enumerate(bars):
            bar(x, left, right, down=k % 2 == 1)
    return out


def slanted_everywhere() -> kdb.Layout:
    """Dies turned by 17.3 degrees and magnified, with circles and wires, through which a bus runs."""

    def draw(die: kdb.Cell, layers: dict[str, int]) -> None:
        die.shapes(layers["via"]).insert(kdb.Polygon.ellipse(kdb.Box(56_000, 56_000, 64_000, 64_000), 24))
        for k in range(3):
            ends = [kdb.Point(10_000, 90_000 + 21_990 * k), kdb.Point(180_000, 110_000 + 22_000 * k)]
            die.shapes(layers["rdl"]).insert(kdb.Path(ends, 12_000).polygon())

    out, layers, top = _array(draw)
    (inst,) = top.each_inst()
    top.insert(kdb.CellInstArray(inst.cell_index, kdb.ICplxTrans(1.0001, 17.3, True, 0, -900_000),
                                 kdb.Vector(190_986, 59_474), kdb.Vector(-59_474, 190_986), 3, 2))  # fmt: skip
    for k in range(4):
        top.shapes(layers["tie"]).insert(kdb.Box(-300_000, -700_000 + 200_000 * k, 800_000, -688_000 + 200_000 * k))
    return out


def halves_along_a_slanted_edge() -> kdb.Layout:
    """Plates in two halves that abut along an edge through many windows: cut apart, they would be two."""
    out, layers, top = _array(lambda die, layers: None)
    for k in range(3):
        x, y = -200_000 + 17_017 * k, -900_000 - 700_000 * k
        a, b = kdb.Point(x, y), kdb.Point(x + 801_237, y + 333_119 + 40_003 * k)
        for side in (kdb.Vector(-90_000, 90_000), kdb.Vector(900_000, -300_000)):
            top.shapes(layers["rdl"]).insert(kdb.Polygon([a, b, b + side, a + side]))
        top.shapes(layers["rdl"]).insert(kdb.Box(x, y - 200_000, x + 30_000, y - 195_000))
    return out


CASES: dict[str, tuple[Callable[[], kdb.Layout], bool]] = {
    make.__name__: (make, slanted)
    for make, slanted in (
        (wires_near_the_limit, True),
        (slanted_everywhere, True),
        (halves_along_a_slanted_edge, True),
        (u_joined_outside, False),
        (long_findings, False),
        (large_polygons, False),
        (same_box_other_content, False),
        (between_units, False),
        (half_units_about_zero, False),
        (off_the_lattice, False),
        (wound_both_ways, False),
        (edges_of_other_shapes, False),
    )
}
"""By name, what draws it, and whether it has shapes at any angle."""
