"""Layouts made to mislead windows, from a seed: what reaches across borders, turns, slants, touches, repeats."""

from __future__ import annotations

import math
import random

import klayout.db as kdb

LAYERS = {"rdl": (1, 0), "tie": (1, 1), "via": (2, 0), "die": (200, 0)}


def layout(seed: int, *, slanted: bool = True) -> kdb.Layout:
    """A wafer of dies a few hundred um long, with faults of every kind; slanted: with shapes at any angle."""
    rng = random.Random(seed)  # noqa: S311 - layouts, no secrets
    out = kdb.Layout()
    out.dbu = 0.001
    layers = {name: out.layer(kdb.LayerInfo(*gds, name)) for name, gds in LAYERS.items()}
    top = out.create_cell("TOP")
    step = (rng.choice([160_000, 201_003, 333_333]), rng.choice([150_000, 222_221, 300_000]))
    dies = [_die(out, layers, rng, k, step, slanted=slanted) for k in range(rng.choice([1, 1, 2, 3]))]
    columns, rows = rng.randint(2, 7), rng.randint(1, 6)
    turns = rng.random() < 0.4
    if len(dies) == 1 and not turns:
        array = kdb.CellInstArray(
            dies[0].cell_index(), kdb.Trans(), kdb.Vector(step[0], 0), kdb.Vector(0, step[1]), columns, rows
        )
        top.insert(array)
    else:
        for i in range(columns):
            for j in range(rows):
                turn = rng.choice([0, 1, 2, 3, 4, 5, 6, 7]) if turns else 0
                die = dies[(i + j) % len(dies)] if rng.random() < 0.8 else rng.choice(dies)
                at = kdb.Trans(turn % 4, turn >= 4, kdb.Vector(i * step[0], j * step[1]))
                top.insert(kdb.CellInstArray(die.cell_index(), at))
    if slanted and rng.random() < 0.15:
        angle = rng.uniform(0, 360)
        at = kdb.ICplxTrans(1.0, angle, rng.random() < 0.5, rng.randint(0, step[0]), -step[1])
        top.insert(kdb.CellInstArray(dies[0].cell_index(), at))
    _wafer(top, layers, rng, (columns * step[0], rows * step[1]), step, slanted=slanted)
    if rng.random() < 0.2:
        top.flatten(True)
    for cell in [c for c in out.top_cells() if c.name != "TOP"]:  # a die that nothing places
        cell.prune_cell()
    return out


def _die(
    out: kdb.Layout, layers: dict[str, int], rng: random.Random, number: int, step: tuple[int, int], *, slanted: bool
) -> kdb.Cell:
    die = out.create_cell(f"DIE{number}")
    w, h = step[0] - rng.choice([0, 0, 20_000]), step[1] - rng.choice([0, 20_000])
    die.shapes(layers["die"]).insert(kdb.Box(0, 0, w, h))
    pad = out.create_cell(f"PAD{number}")
    radius = rng.choice([8_000, 12_000])
    for layer, r, corners in (("via", radius // 2, 32), ("rdl", radius, rng.choice([16, 64]))):
        box = kdb.Box(-r, -r, r, r)
        pad.shapes(layers[layer]).insert(kdb.Polygon.ellipse(box, corners) if slanted else kdb.Polygon(box))
    for _ in range(rng.randint(1, 6)):
        at = kdb.Vector(rng.randint(0, w), rng.randint(0, h))
        die.insert(kdb.CellInstArray(pad.cell_index(), kdb.Trans(at)))
    for _ in range(rng.randint(0, 5)):
        _shape(die.shapes(layers[rng.choice(["rdl", "rdl", "tie", "via"])]), rng, w, h, slanted=slanted)
    return die


def _shape(shapes: kdb.Shapes, rng: random.Random, w: int, h: int, *, slanted: bool) -> None:
    x, y = rng.randint(-20_000, w), rng.randint(-20_000, h)
    width = rng.choice([9_999, 10_000, 10_001, 12_000, 5_000])
    kind = rng.choice(
        ["wire", "wire", "box", "U", "ring", "kiss", "45"] if slanted else ["box", "U", "ring", "kiss", "45"]
    )
    if kind == "wire":
        length, angle = rng.choice([20_000, 90_000, 300_000]), rng.uniform(0, math.tau)
        end = (x + round(length * math.cos(angle)), y + round(length * math.sin(angle)))
        shapes.insert(kdb.Path([kdb.Point(x, y), kdb.Point(*end)], width).polygon())
        if rng.random() < 0.5:  # a neighbour about the limit away
            d = width + rng.choice([9_990, 9_999, 10_000, 10_001, 10_010])
            dx, dy = round(-d * math.sin(angle)), round(d * math.cos(angle))
            shapes.insert(kdb.Path([kdb.Point(x + dx, y + dy), kdb.Point(end[0] + dx, end[1] + dy)], width).polygon())
    elif kind == "box":
        shapes.insert(kdb.Box(x, y, x + width, y + rng.choice([width, 60_000, 200_000])))
    elif kind == "U":
        gap = rng.choice([9_999, 10_000, 10_001])
        long = rng.choice([30_000, 200_000])
        shapes.insert(kdb.Box(x, y, x + 12_000, y + long))
        shapes.insert(kdb.Box(x + 12_000 + gap, y, x + 24_000 + gap, y + long))
        shapes.insert(kdb.Box(x, y + long, x + 24_000 + gap, y + long + 12_000))
    elif kind == "ring":
        outer, inner = kdb.Box(x, y, x + 60_000, y + 60_000), kdb.Box(x + 12_000, y + 12_000, x + 48_000, y + 48_000)
        for polygon in (kdb.Region(outer) - kdb.Region(inner)).each():
            shapes.insert(polygon)
    elif kind == "kiss":
        shapes.insert(kdb.Box(x, y, x + width, y + width))
        shapes.insert(kdb.Box(x + width, y + width, x + 2 * width, y + 2 * width))
    else:
        shapes.insert(kdb.Path([kdb.Point(x, y), kdb.Point(x + 50_000, y + 50_000)], 14_142).polygon())


def _wafer(
    top: kdb.Cell,
    layers: dict[str, int],
    rng: random.Random,
    size: tuple[int, int],
    step: tuple[int, int],
    *,
    slanted: bool,
) -> None:
    """What is drawn on the wafer itself: a bus through everything, long wires, a mark."""
    w, h = size
    if rng.random() < 0.5:
        for y in range(0, h + 1, step[1]):
            top.shapes(layers["tie"]).insert(kdb.Box(-5_000, y - 15_000, w, y - 3_000))
    if rng.random() < 0.5:
        for x in range(0, w + 1, step[0]):
            top.shapes(layers["tie"]).insert(kdb.Box(x - 15_000, -5_000, x - 3_000, h))
    if slanted and rng.random() < 0.3:
        ends = [kdb.Point(rng.randint(0, w), rng.randint(0, h)) for _ in range(2)]
        if ends[0] != ends[1]:
            top.shapes(layers["rdl"]).insert(kdb.Path(ends, 11_000).polygon())
    if slanted and rng.random() < 0.3:
        box = kdb.Box(-20_000, -20_000, w + 20_000, h + 20_000)
        ring = kdb.Region(kdb.Polygon.ellipse(box.enlarged(30_000, 30_000), 90)) - kdb.Region(
            kdb.Polygon.ellipse(box, 90)
        )
        for polygon in ring.each():
            top.shapes(layers["tie"]).insert(polygon)
    for _ in range(rng.randint(0, 3)):
        _shape(top.shapes(layers["rdl"]), rng, w, h, slanted=slanted)
