"""Patterns of openings of an interface layer: generated, written, checked; beside KLayout's fill of the same squares.

Run it alone: python benchmarks/openings.py [--quick]. A die of 10 x 10 mm with 400 keep-outs holds 100,000
openings, one of 31 x 31 mm a million. Every run is a process of its own; the seconds are measured within
it, after the imports, from the parameters to the drawing, or to a GDS file on disk; and from that file to the findings
of all rules that apply to openings, pads and die. --quick: one round, not three, and fewer patterns of a million.
Exit code 1 where a row falls short of its bar.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import klayout.db as kdb
from measure import Row, report

PITCH, SIZE, CLEAR = 30.0, 15.0, 10.0
SMALL, LARGE = 10_000.0, 31_000.0
MOST_RULES = 12
"""At least so many rules have something to look at."""
QUICK = ("square", "graded")
CASES: dict[str, dict[str, Any]] = {
    "square": {},
    "graded": {"grade": "size", "size": 20.0, "fraction": 0.22},
    "density": {"grade": "density", "fraction": 0.15},
    "staggered": {"pattern": "staggered", "shape": "hexagon", "fraction": 0.3},
    "random": {"pattern": "random", "fraction": 0.15, "pitch": 25.0},
}
Corners = tuple[tuple[float, float], ...]


def keepouts(side: float) -> tuple[Corners, ...]:
    """400 squares of 80 um along the edges."""
    out = []
    for k in range(100):
        t = 200.0 + (side - 400.0) * k / 99
        for x, y in ((t, 100.0), (t, side - 100.0), (100.0, t), (side - 100.0, t)):
            out.append(
                tuple((round(x + i, 3), round(y + j, 3)) for i, j in ((-40, -40), (40, -40), (40, 40), (-40, 40)))
            )
    return tuple(out)


def ours(case: str, side: float, target: Path | None) -> tuple[float, int]:
    """Seconds, and how many openings."""
    from layoutgen import discover, gds

    pdk, cell = discover.pdk("interface").in_flow("padded"), discover.cells()["interface_openings"]
    given = {"width": side, "height": side, "keepouts": keepouts(side), "distance": CLEAR, **CASES[case]}
    cell(pdk, width=300.0, height=300.0)  # what is imported on first use
    started = time.perf_counter()
    drawing = cell(pdk, **given)
    if target is not None:
        gds.save(gds.to_layout(drawing, pdk), target)
    seconds = time.perf_counter() - started
    return seconds, int(next(v.drawn for v in drawing.values if v.name == "openings"))


def checked(path: Path, side: float) -> tuple[float, int]:
    """Seconds to read a file and run the rules of the process on it, and how many findings."""
    from layoutgen import discover
    from layoutgen.drc.run import check_layout

    pdk = discover.pdk("interface")
    started = time.perf_counter()
    layout = kdb.Layout()
    layout.read(str(path))
    top, um = layout.top_cell(), 1000
    for name, shrink in (("die", None), ("clearance", 0), ("passivation", 10_000), ("pad", 8_000)):
        shapes = top.shapes(layout.layer(*pdk.gds(name)))
        if shrink is None:
            shapes.insert(kdb.Box(0, 0, round(side * um), round(side * um)).enlarged(50_000, 50_000))
        for corners in keepouts(side) if shrink is not None else ():
            box = kdb.DPolygon([kdb.DPoint(*c) for c in corners]).to_itype(1 / um).bbox()
            shapes.insert(box.enlarged(-shrink, -shrink))
    done = check_layout(layout, top, pdk, "padded", title="pattern", complete=False)
    seconds = time.perf_counter() - started
    ran = [r for r in done.results if r.status.value == "run"]
    assert len(ran) >= MOST_RULES, [(r.rule, r.reason) for r in done.results if r.status.value != "run"]
    return seconds, sum(r.count for r in ran)


def flat(source: Path, target: Path) -> None:
    """The openings of a file one by one, in one cell, as another file."""
    layout = kdb.Layout()
    layout.read(str(source))
    layout.top_cell().flatten(True)
    options = kdb.SaveLayoutOptions()
    options.gds2_write_timestamps = False
    layout.write(str(target), options)


def peer(side: float, target: Path | None) -> tuple[float, int]:
    """KLayout's fill of the same area with the same squares, at the same pitch."""
    um = 1000
    started = time.perf_counter()
    layout = kdb.Layout()
    top, one = layout.create_cell("TOP"), layout.create_cell("FILL")
    layer = layout.layer(10, 0)
    half = round(SIZE * um / 2)
    one.shapes(layer).insert(kdb.Box(-half, -half, half, half))
    region = kdb.Region(kdb.Box(0, 0, round(side * um), round(side * um)))
    kept = kdb.Region([kdb.DPolygon([kdb.DPoint(*c) for c in k]).to_itype(1 / um) for k in keepouts(side)])
    region -= kept.sized(round(CLEAR * um), 2)
    box = kdb.Box(-half, -half, half, half)
    step = round(PITCH * um)
    region.fill(top, one.cell_index(), box, kdb.Vector(step, 0), kdb.Vector(0, step), kdb.Point(half, half))
    if target is not None:
        layout.write(str(target))
    seconds = time.perf_counter() - started
    return seconds, kdb.Region(top.begin_shapes_rec(layer)).count()


def run(case: str, side: float, target: Path | None) -> tuple[float, float, int]:
    """Seconds, megabytes and openings of one run in a process of its own."""
    command = [sys.executable, __file__, "--run", case, str(side), str(target or "")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, megabytes, count = json.loads(done.stdout.splitlines()[-1])
    return seconds, megabytes, count


def best(case: str, side: float, target: Path | None, rounds: int) -> tuple[float, float, int]:
    """The quickest of some rounds."""
    return min(run(case, side, target) for _ in range(rounds))


def main() -> int:
    """The table, and whether every row meets its bar."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="one round instead of three")
    options.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.run:
        case, side, path = given.run[0], float(given.run[1]), Path(given.run[2]) if given.run[2] else None
        if case == "check":
            assert path is not None
            seconds, count = checked(path, side)
        else:
            seconds, count = peer(side, path) if case == "peer" else ours(case, side, path)
        print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, count]))
        return 0
    rounds = 1 if given.quick else 3
    rows, notes = [], []
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            seconds, _, count = best(case, SMALL, None, rounds)
            rows.append(Row(f"{case}: {count} openings around 400 keep-outs", seconds, 1.0, "s"))
        for case in ("square", "graded"):
            file = Path(folder) / f"{case}_small.gds"
            _, _, count = run(case, SMALL, file)
            seconds, _, found = best("check", SMALL, file, 3)
            rows.append(Row(f"{case}: {count} openings checked, {found} findings", seconds, 3.0, "s"))
        for case in QUICK if given.quick else CASES:
            file, all_of_it = Path(folder) / f"{case}.gds", Path(folder) / f"{case}_flat.gds"
            seconds, megabytes, count = best(case, LARGE, file, rounds)
            rows.append(Row(f"{case}: {count} openings, generated and written", seconds, 10.0, "s"))
            rows.append(Row("    memory of it", megabytes, 1000.0, "MB"))
            if case == "graded" or (case == "square" and not given.quick):
                seconds, megabytes, found = best("check", LARGE, file, rounds)
                rows.append(Row(f"{case}: {count} openings checked, {found} findings", seconds, 20.0, "s"))
                rows.append(Row("    memory of it, of one process", megabytes, 1000.0, "MB"))
            if case in ("square", "graded"):
                flat(file, all_of_it)
                sizes = [path.stat().st_size / 1e6 for path in (file, all_of_it)]
                notes.append(f"{case}: {sizes[0]:.3f} MB as arrays, {sizes[1]:.1f} MB flat: {sizes[1] / sizes[0]:.0f}x")
        theirs = [best("peer", side, Path(folder) / "peer.gds", rounds) for side in (SMALL, LARGE)]
        mine = [best("square", side, Path(folder) / "mine.gds", rounds) for side in (SMALL, LARGE)]
        for (s, mb, n), (t, mb2, m) in zip(mine, theirs, strict=True):
            notes.append(
                f"the square pattern, written: {n} in {s:.2f} s, {mb:.0f} MB; "
                f"KLayout's fill: {m} in {t:.2f} s, {mb2:.0f} MB"
            )
    return report(rows, notes)


if __name__ == "__main__":
    sys.exit(main())
