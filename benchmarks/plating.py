"""The plating network of a wafer of 1,520 dies with 100 posts each, and how the time grows.

Run it alone: python benchmarks/plating.py [--quick]. Bars: from geometry to the potentials of all posts within 5 s;
equal to the same network unreduced on a small wafer within 1e-9; time grows with places and distinct dies at most a
quarter above in proportion. Exit code 1 where a row falls short.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import klayout.db as kdb
import numpy as np
from measure import Row, report

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from plating_cases import OHMS, a_die, a_wafer, box, direct, placed, square

from layoutgen.physics.plating import DieMetal, Line, Load, Network, WaferMetal, kerf

SIDE, STREET, BUS, WIDTH = 4000.0, 100.0, 30.0, 20.0
A_SIDE = 25


def die(number: int) -> DieMetal:
    """100 nets, 25 to a side: a wire inward with a bend, a pad, a post; `number` makes it distinct."""
    metal, stubs, posts = kdb.Region(), kdb.Region(), {}
    gap = STREET / 2 - BUS / 2
    turns = {
        "left": kdb.Trans(),
        "bottom": kdb.Trans(1, False),
        "right": kdb.Trans(2, False),
        "top": kdb.Trans(3, False),
    }
    c = kdb.Vector(round(SIDE * 500), round(SIDE * 500))
    for side, turn in turns.items():
        for k in range(A_SIDE):
            y, deep = 600 + k * 112.0, 150.0 + 80 * ((k + number) % 3)
            shapes = [box(0, y - 10, deep, y + 10), box(deep - 10, y - 10, deep + 10, y + 40),
                      box(deep - 25, y + 10, deep + 25, y + 60)]  # fmt: skip
            metal += kdb.Region([(s.moved(-c)).transformed(turn).moved(c) for s in shapes])
            stubs.insert(box(-gap, y - 10, 0, y + 10).moved(-c).transformed(turn).moved(c))
            posts[f"{side}{k}"] = square(deep, y + 35, 30.0).moved(-c).transformed(turn).moved(c)
    return DieMetal(f"die{number}", SIDE, SIDE, ((metal, OHMS),), posts, stubs)


def wafer(most: int, kinds: int) -> WaferMetal:
    """The `most` places nearest the centre, dies of so many kinds in turn."""
    step, reach = SIDE + STREET, math.ceil(math.sqrt(most / math.pi)) + 3
    grid = sorted(
        ((i, j) for i in range(-reach, reach) for j in range(-reach, reach)),
        key=lambda p: (round(math.hypot(p[0] + 0.5, p[1] + 0.5), 6), p),
    )[:most]
    radius = max(math.hypot(abs(i + 0.5) + 0.5, abs(j + 0.5) + 0.5) for i, j in grid) * step + 500
    lines = []
    for axis in (0, 1):
        for n in range(min(p[1 - axis] for p in grid), max(p[1 - axis] for p in grid) + 2):
            end = math.sqrt(radius**2 - (n * step) ** 2)
            lines.append(Line(axis, n * step, BUS, -round(end, 3), round(end, 3), (True, True)))
    half = STREET / 2
    origins = np.array([(i * step + half, j * step + half) for i, j in grid])
    return WaferMetal(
        tuple(die(k) for k in range(kinds)), np.arange(most) % kinds, origins, tuple(f"{i}.{j}" for i, j in grid),
        tuple(lines), OHMS,
    )  # fmt: skip


def timed(most: int, kinds: int) -> tuple[float, int]:
    """Seconds from geometry to the potentials, and how many posts."""
    made = wafer(most, kinds)
    kerf._reduced.cache_clear()
    started = time.perf_counter()
    found = Network(made).solve(Load(1e-12)).posts
    seconds = time.perf_counter() - started
    assert all(np.isfinite(v).all() for v in found)
    return seconds, sum(v.size for v in found)


def main() -> int:
    """The table, and whether every row meets its bar."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="fewer and smaller wafers, within a minute")
    quick = options.parse_args().quick
    timed(16, 1)  # imports
    seconds, posts = timed(1520, 1)
    rows = [Row(f"1,520 dies, {posts:,} posts", seconds, 5.0, "s")]
    small = Network(a_wafer(3, 2, a_die(), a_die(True, "two")))
    got = np.concatenate(placed(small, small.solve(Load(1e-10, 1e-9)).posts))
    off = float(abs(got / np.concatenate(direct(small, Load(1e-10, 1e-9))) - 1).max())
    rows.append(Row("off the network unreduced, in 1e-9", off * 1e9, 1.0, ""))
    more = 3040 if quick else 15200
    twice, _ = timed(more, 1)
    rows.append(Row(f"{more:,} dies, over that of 1,520 and places", twice / seconds / (more / 1520), 1.25, "x"))
    few, many = (2, 4) if quick else (4, 8)
    a, _ = timed(1520, few)
    b, _ = timed(1520, many)
    rows.append(Row(f"{many} distinct dies over {few}", b / a, 2.5, "x"))
    return report(rows, [f"{more:,} dies: {twice:.2f} s; {few} distinct dies: {a:.2f} s; {many}: {b:.2f} s"])


if __name__ == "__main__":
    sys.exit(main())
