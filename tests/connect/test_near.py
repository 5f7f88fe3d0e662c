"""Which places lie near which, against all pairs; where dies are, against KLayout's own walk through the cells."""

from __future__ import annotations

import random

import klayout.db as kdb
import numpy as np
import pytest

from layoutgen import discover
from layoutgen.connect.near import Near, Run
from layoutgen.connect.sheets import Ints
from layoutgen.drc.dies import die_boxes


def every_pair(a: Run, b: Run) -> set[tuple[int, int]]:
    """Pairs of places whose extents touch, each looked at."""
    return {
        (i, j)
        for i, (x0, y0, x1, y1) in enumerate(a.extents.tolist())
        for j, (u0, v0, u1, v1) in enumerate(b.extents.tolist())
        if x0 <= u1 and u0 <= x1 and y0 <= v1 and v0 <= y1
    }


@pytest.mark.parametrize("seed", range(20))
def test_pairs_are_those_whose_extents_touch_in_whatever_order_runs_are_asked_for(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = np.array([(x * 100, y * 90) for x in range(6) for y in range(5)], dtype=np.int64)
    places = [grid, rng.integers(0, 600, (25, 2))]

    def run(at: Ints, alike: bool) -> Run:
        low = rng.integers(-80, 80, (1 if alike else len(at), 2))
        around = np.concatenate([low, low + rng.integers(0, 150, low.shape)], axis=1)
        return Run(at, np.broadcast_to(around, (len(at), 4)))

    runs = [run(at, alike) for at in places for alike in (True, True, True, False)]
    near = Near()
    for k in rng.permutation(len(runs) ** 2).tolist():
        a, b = runs[k // len(runs)], runs[k % len(runs)]
        found = near.pairs(a, b)
        assert sorted(zip(found.first.tolist(), found.second.tolist(), strict=True)) == sorted(every_pair(a, b))
        if found.steps is not None:
            assert (found.steps[found.step] == b.at[found.second] - a.at[found.first]).all()


@pytest.mark.parametrize("seed", range(20))
def test_dies_are_where_klayout_finds_their_outlines(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    pdk = discover.pdk("post")
    layout = kdb.Layout()
    die, other = layout.layer(*pdk.gds("die")), layout.layer(*pdk.gds("pad"))
    cells = [layout.create_cell(f"c{k}") for k in range(5)]
    for k, cell in enumerate(cells):
        for layer in (die, die, other)[: rng.randint(0, 3)]:
            x, y = rng.randint(-99, 99), rng.randint(-99, 99)
            cell.shapes(layer).insert(kdb.Box(x, y, x + rng.randint(1, 90), y + rng.randint(1, 90)))
        for below in cells[k + 1 :]:
            turn = kdb.Trans(rng.randint(0, 3), rng.random() < 0.5, rng.randint(-500, 500), rng.randint(-500, 500))
            steps = kdb.Vector(rng.randint(100, 300), 0), kdb.Vector(0, 200), rng.randint(1, 4), rng.randint(1, 3)
            cell.insert(kdb.CellInstArray(below.cell_index(), turn, *steps))
    walk = cells[0].begin_shapes_rec(die)
    boxes = {s.shape().bbox().transformed(s.trans()) for s in walk}
    wanted = sorted((b.left, b.bottom, b.right, b.top) for b in boxes)
    assert [tuple(row) for row in die_boxes(layout, cells[0], pdk).tolist()] == wanted
