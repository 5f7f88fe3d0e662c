"""The proof of a tied wafer's nets, before and after the cut, beside KLayout's LayoutToNetlist (deep) on the same file.

Run it alone: python benchmarks/nets.py [--quick]. Every run is a process of its own; ours is measured within it, from
the layout in memory to the findings, as is the peer's, which joins the layers before the cut alone. A peer is stopped
at 120 s (10 s where it has to be quick) and counts as that. Exit code 1 where a row falls short of its bar, or the
proof fails.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import klayout.db as kdb
from measure import Row, report

LAYERS = {"pad": (1, 0), "polyimide": (5, 0), "rdl": (10, 0), "rdl_tie": (10, 1), "rdl_bus": (10, 2),
          "rdl_ring": (10, 3), "via": (15, 0), "note": (63, 0), "die": (200, 0), "cut_sure": (200, 2),
          "cut_maybe": (200, 3)}  # fmt: skip
UM, STREET = 1000, 100_000
STOP, QUICK_STOP = 120.0, 10.0


def make(path: Path, *, radius: int, side: int, nets: int) -> int:
    """Write a tied wafer of dies of a side (database units) with so many nets; the number of its dies."""
    layout = kdb.Layout()
    number = {name: layout.layer(kdb.LayerInfo(*gds)) for name, gds in LAYERS.items()}
    top, step, die = layout.create_cell("WAFER"), layout.create_cell("STEP"), layout.create_cell("DIE")
    pitch, half = side // (nets + 1), STREET // 2
    for k in range(nets):
        x, y = pitch * (k + 1), side // 4 + (k % 5) * (side // 12)
        own = die.shapes
        own(number["pad"]).insert(kdb.Box(x - 9_000, y - 9_000, x + 9_000, y + 9_000))
        own(number["polyimide"]).insert(kdb.Box(x - 5_000, y - 5_000, x + 5_000, y + 5_000))
        wire = kdb.Path([kdb.Point(x, 30_000), kdb.Point(x, y), kdb.Point(x + 3_000, side - 90_000)], 20_000)
        own(number["rdl"]).insert(wire.polygon())
        top_of_via = side - 96_000 - (k % 4) * (side // 20)  # in four rows, so that no two bumps on them merge
        via = kdb.Box(x - 7_000, top_of_via - 14_000, x + 7_000, top_of_via)
        own(number["via"]).insert(kdb.Polygon.ellipse(via, 64))
        own(number["rdl_tie"]).insert(kdb.Box(x - 10_000, -half - 15_000, x + 10_000, 40_000))
        own(number["note"]).insert(kdb.Text(f"P{k} N{k}", kdb.Trans(x, y)))
        own(number["note"]).insert(kdb.Text(f"B{k} N{k}", kdb.Trans(via.center().x, via.center().y)))
    die.shapes(number["die"]).insert(kdb.Box(0, 0, side, side))
    step.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans()))
    low, high = -half, side + half
    for layer, w in (("rdl_bus", 15_000), ("cut_sure", 22_500), ("cut_maybe", 47_500)):
        for box in ((low - w, low - w, high + w, low + w), (low - w, high - w, high + w, high + w),
                    (low - w, low - w, low + w, high + w), (high - w, low - w, high + w, high + w)):  # fmt: skip
            step.shapes(number[layer]).insert(kdb.Box(*box))
    every = side + STREET
    n, dies = radius // every + 1, 0
    for j in range(-n, n):
        row = [i for i in range(-n, n)
               if all(math.hypot(a * every, b * every) < radius for a in (i, i + 1) for b in (j, j + 1))]  # fmt: skip
        dies += len(row)
        if row:
            at, right = kdb.Trans(row[0] * every + half, j * every + half), kdb.Vector(every, 0)
            top.insert(kdb.CellInstArray(step.cell_index(), at, right, kdb.Vector(), len(row), 1))
            for x in (row[0] * every, (row[-1] + 1) * every):
                out = round(math.sqrt((radius + 100_000) ** 2 - (j * every) ** 2)) * (1 if x > 0 else -1)
                box = kdb.Box(x, j * every - 15_000, out, j * every + 15_000)
                top.shapes(number["rdl_bus"]).insert(box)
                top.shapes(number["cut_sure"]).insert(box)
                top.shapes(number["cut_maybe"]).insert(box)
    for k in range(64):
        angles = [2 * math.pi * (k + part / 64) / 64 for part in range(66)]
        ring = [(r, a) for r, some in ((radius + 50_000, angles), (radius + 2_000_000, angles[::-1])) for a in some]
        points = [kdb.Point(round(r * math.cos(a)), round(r * math.sin(a))) for r, a in ring]
        top.shapes(number["rdl_ring"]).insert(kdb.Polygon(points))
    layout.write(str(path))
    return dies


def ours(path: Path) -> tuple[float, int]:
    """Seconds for both states, and how many findings."""
    from layoutgen import discover, netcheck
    from layoutgen.connect.states import check_wafer
    from layoutgen.connect.terminals import named
    from layoutgen.drc.dies import die_boxes

    pdk = discover.pdk("post")
    layout = kdb.Layout()
    layout.read(str(path))
    top = layout.top_cell()
    started = time.perf_counter()
    places = named(die_boxes(layout, top, pdk))
    results = check_wafer(
        pdk, "plated", layout, top, places, lambda pieces: netcheck.labels(pdk, layout, top, pieces, places)
    )
    seconds = time.perf_counter() - started
    assert all(r.status.value == "run" for r in results)
    return seconds, sum(r.count for r in results)


def peer(path: Path) -> tuple[float, int]:
    """Seconds until KLayout has joined the layers, deep."""
    layout = kdb.Layout()
    layout.read(str(path))
    started = time.perf_counter()
    found = kdb.LayoutToNetlist(kdb.RecursiveShapeIterator(layout, layout.top_cell(), []))
    names = ("pad", "polyimide", "rdl", "rdl_tie", "rdl_bus", "rdl_ring", "via")
    layers = {name: found.make_layer(layout.layer(*LAYERS[name]), name) for name in names}
    metal = ["rdl", "rdl_tie", "rdl_bus", "rdl_ring"]
    for name in names:
        found.connect(layers[name])
    for k, name in enumerate(metal):
        for other in metal[k + 1 :]:
            found.connect(layers[name], layers[other])
        found.connect(layers["polyimide"], layers[name])
        found.connect(layers["via"], layers[name])
    found.connect(layers["pad"], layers["polyimide"])
    found.extract_netlist()
    return time.perf_counter() - started, 0


def timed(what: str, path: Path, stop: float) -> tuple[float, float, int | None]:
    """Seconds, megabytes and findings of one run; None where it was stopped."""
    try:
        done = subprocess.run([sys.executable, __file__, "--run", what, str(path)],
                              capture_output=True, text=True, timeout=stop, check=True)  # fmt: skip
    except subprocess.TimeoutExpired:
        return stop, 0.0, None
    seconds, megabytes, found = json.loads(done.stdout.splitlines()[-1])
    return seconds, megabytes, found


def main() -> int:
    """The table, and whether every row meets its bar."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="within a minute: the peer is stopped at 10 s")
    options.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.run:
        seconds, found = ours(Path(given.run[1])) if given.run[0] == "ours" else peer(Path(given.run[1]))
        print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, found]))
        return 0
    stop = QUICK_STOP if given.quick else STOP
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.oas", Path(folder) / "small.oas"
        many = make(large, radius=96_000_000, side=4_140_000, nets=100)
        more = make(small, radius=146_000_000, side=1_990_000, nets=10)
        turns = [[timed("ours", path, STOP) for path in (large, small)] for _ in range(3)]
        runs = [min(some) for some in zip(*turns, strict=True)]
        theirs = timed("peer", large, stop)
    assert runs[0][2] == 0, f"{runs[0][2]} findings on a clean wafer"
    assert runs[1][2] == 0, f"{runs[1][2]} findings on a clean wafer"
    rows = [
        Row(f"{many} dies x 100 nets, both states", runs[0][0], 2.0, "s"),
        Row("memory of it", runs[0][1], 500.0, "MB"),
        Row(f"{more} dies x 10 nets, to the first", runs[1][0] / runs[0][0], 1.5, "x"),
    ]
    stopped = " (stopped)" if theirs[2] is None else ""
    beside = f"LayoutToNetlist, deep, joins the layers of the first before the cut in {theirs[0]:.2f} s{stopped}"
    return report(rows, [f"{beside}; ours, both states with names and all rules, takes {runs[0][0] / theirs[0]:.0f}x"])


if __name__ == "__main__":
    sys.exit(main())
