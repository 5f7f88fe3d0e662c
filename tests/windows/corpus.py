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
    step = (rng.choice([160_000, 201_003, 250_001, 333_333]), rng.choice([150_000, 222_221, 300_000]))
    magnified = _often(rng, 25)
    draw = _Draw(rng, slanted=slanted, diagonal=not magnified)
    dies = [_die(out, layers, draw, k, step, magnified=magnified) for k in range(rng.choice([1, 1, 2]))]
    columns, rows = rng.randint(1, 4), rng.randint(1, 4)
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
    for layer, r, corners in (("via", radius // 2, 32), ("rdl", radius, rng.choice([16, 64]))):
        box = kdb.Box(-r, -r, r, r)
        pad.shapes(layers[layer]).insert(kdb.Polygon.ellipse(box, corners) if draw.slanted else kdb.Polygon(box))
    for _ in range(rng.randint(1, 4)):
        at = kdb.Vector(rng.randint(0, w), rng.randint(0, h))
        factor = rng.choice([1.0, 1.5, 0.75, 1.0001]) if magnified else 1.0  # half units, a quarter, less
        die.insert(kdb.CellInstArray(pad.cell_index(), kdb.ICplxTrans(factor, 0, False, at)))
    for _ in range(rng.randint(0, 4)):
        draw.shape(die.shapes(layers[rng.choice(["rdl", "rdl", "tie", "via"])]), w, h)
    return die


def _wafer(
    top: kdb.Cell, layers: dict[str, int], draw: _Draw, size: tuple[int, int], step: tuple[int, int]
) -> None:
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
        shapes.insert(kdb.Path([kdb.Point(x, y), kdb.Point(x + 50_000, y + 50_000)], 14_142).polygon())


CASES: dict[str, Callable[[], kdb.Layout]] = {}
