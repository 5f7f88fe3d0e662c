"""Wafer DRC against KLayout's own modes: flat, deep and tiled, on wafers of the same dies and of different ones.

Run it alone: python benchmarks/drc.py [--quick] [--only WORD]. Every row and every peer is a process of its own, from
the file to the written report: width, space (between any two edges), enclosure and separation on three layers. A peer
is stopped at 120 s (5 s where it has to be quick) and counts as that. Exit code 1 where a row falls short of its bar,
or finds something else than the flat run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import klayout.db as kdb

STOP, QUICK_STOP = 120.0, 5.0
"""Seconds after which a peer is stopped."""
PITCH, KERF = 400_000, 80_000
"""Of contacts, and between dies, in database units."""
JOBS = 2
"""Processes of ours, and threads of the tiled mode."""
INSTALLED = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
"""The environment in which modules are compiled once, as those of an installed package are."""
LIMITS = {"W": 19.0, "S": 20.0, "E": 10.0, "X": 10.0}
PROCESS = """
name = "bench"
title = "Three layers"
source = "this script"
roles = { metal = "rdl" }
masks = {}
connect = { metal = "rdl", pad = [], ball = [] }
[layers]
via = { gds = [2, 0], title = "via" }
rdl = { gds = [3, 0], title = "metal" }
post = { gds = [5, 0], title = "post" }
[reserved]
[derived]
[flows.one]
title = "One"
current = "none"
stages = []
draws = ["rdl", "via", "post"]
"""
RULES = {
    "W": ("width", ["rdl"]),
    "S": ("space", ["rdl"]),
    "E": ("enclosure", ["via", "rdl"]),
    "X": ("separation", ["post", "via"]),
}
CASES = {
    "a": ("dies apart", 5.0),
    "b": ("tie bus per die", 10.0),
    "c": ("bus over the wafer", 50.0),
    "d": ("two dies, turned", 5.0),
    "e": ("the same, flattened", 3.0),
    "f": ("all dies different", 1.0),
}
PEERS = ("flat", "deep", "tiled")
MANY_DIES, FEWER_DIES_BAR = 2500, 2.5
"""Cases (a) and (d) take so short that reading and imports count; below so many dies their bar is lower."""


def make(case: str, path: Path, *, contacts: int, radius: float) -> int:
    """Write a wafer (um) and return the number of its dies."""
    layout = kdb.Layout()
    via, rdl, post = (layout.layer(n, 0) for n in (2, 3, 5))
    side = contacts * PITCH + 200_000
    step = side + KERF
    reach = round(radius * 1000)
    n = reach // step + 1
    places = [
        (i, j)
        for j in range(-n, n)
        for i in range(-n, n)
        if all(math.hypot(a * step, b * step) < reach for a in (i, i + 1) for b in (j, j + 1))
    ]
    dice = random.Random(1)  # noqa: S311  no secret
    kinds = {"d": 2, "f": len(places)}.get(case, 1)
    dies = [layout.create_cell(f"DIE{k}") for k in range(kinds)]
    for k, die in enumerate(dies):
        for i, j in itertools.product(range(contacts), repeat=2):
            x, y = 300_000 + i * PITCH, 300_000 + j * PITCH
            tip = (x + 150_000, y + 170_000)
            if case == "f":
                x, y, *tip = (v + dice.randrange(-9_000, 9_000) for v in (x, y, *tip))
            for layer, d in ((via, 180_000), (rdl, 240_000), (post, 20_000 + 500 * (k if case == "d" else 0))):
                at = kdb.Box(x - d // 2, y - d // 2, x + d // 2, y + d // 2)
                off = (150_000, 150_000) if layer == post else (0, 0)
                die.shapes(layer).insert(kdb.Polygon.ellipse(at.moved(*off), 64))
            die.shapes(rdl).insert(kdb.Path([kdb.Point(x, y), kdb.Point(*tip)], 20_000).polygon())
        if case in ("b", "c", "e"):
            for i in range(contacts):
                x = 300_000 + i * PITCH
                die.shapes(rdl).insert(kdb.Box(x - 10_000, -KERF // 2, x + 10_000, 300_000))
        if case == "b":
            die.shapes(rdl).insert(kdb.Box(-KERF, -KERF // 2 - 15_000, side, -KERF // 2 + 15_000))
            die.shapes(rdl).insert(kdb.Box(-KERF // 2 - 15_000, -KERF, -KERF // 2 + 15_000, side))
    top = layout.create_cell("WAFER")
    rows = {j: [i for i, other in places if other == j] for j in range(-n, n)}
    if case == "d":
        for i, j in places:
            turned = (i + j) % 2
            turn = kdb.Trans(2, False, i * step + side, j * step + side) if turned else kdb.Trans(i * step, j * step)
            top.insert(kdb.CellInstArray(dies[turned].cell_index(), turn))
    elif case == "f":
        for die, (i, j) in zip(dies, places, strict=True):
            top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(i * step, j * step)))
    else:
        for j, columns in rows.items():
            if columns:
                first = kdb.Trans(columns[0] * step, j * step)
                right = kdb.Vector(step, 0)
                top.insert(kdb.CellInstArray(dies[0].cell_index(), first, right, kdb.Vector(), len(columns), 1))
    for j in rows if case == "c" else ():
        half = round(math.sqrt(max(0, reach**2 - (j * step) ** 2)))
        if half > step:
            low, high = j * step - KERF // 2 - 15_000, j * step - KERF // 2 + 15_000
            top.shapes(rdl).insert(kdb.Box(-half, low, half, high))
            top.shapes(rdl).insert(kdb.Box(low, -half, high, half))
    if case == "e":
        top.flatten(True)
    layout.write(str(path))
    return len(places)


def ours(path: Path, folder: Path) -> int:
    """The whole way through layoutgen, and how many edges were marked, in um of length."""
    from layoutgen.drc.run import check_layout
    from layoutgen.pdk import read
    from layoutgen.report import lyrdb

    process = folder / "bench"
    process.mkdir(exist_ok=True)
    rules = [
        f'[rules.{name}]\ncheck = "{kind}"\nlayers = {json.dumps(layers)}\n'
        f'limit = {LIMITS[name]}\nwhy = "w"\nsource = "s"\n'
        for name, (kind, layers) in RULES.items()
    ]
    (process / "pdk.toml").write_text(PROCESS + "\n".join(rules), "utf-8")
    pdk = read(process, lambda _: process)
    layout = kdb.Layout()
    layout.read(str(path))

    report = check_layout(layout, layout.top_cell(), pdk, "one", title=path.name, jobs=JOBS)
    lyrdb.write(report, layout.top_cell().name, folder / "ours.lyrdb")
    edges = kdb.Edges()
    for finding in report.findings:
        for one in finding.each():
            for e in one.edges:
                edges.insert(kdb.Edge(*e))
    return round(edges.merged().length() / 1000)


def peer(mode: str, path: Path, folder: Path) -> int:
    """KLayout's own engine in one of its modes."""
    import klayout.rdb as rdb

    layout = kdb.Layout()
    layout.read(str(path))
    top = layout.top_cell()
    via, rdl, post = (layout.layer(n, 0) for n in (2, 3, 5))
    u, angle = kdb.Region.Euclidian, 80
    if mode == "tiled":
        edges, areas = _tiled(layout, top)
    else:
        store = kdb.DeepShapeStore()
        a, b, c = (
            kdb.Region(top.begin_shapes_rec(n), store) if mode == "deep" else kdb.Region(top.begin_shapes_rec(n))
            for n in (via, rdl, post)
        )
        found = [
            b.width_check(19_000, False, u, angle),
            b.isolated_check(20_000, False, u, angle),
            b.notch_check(20_000, False, u, angle),
            a.enclosed_check(b, 10_000, False, u, angle),
            c.separation_check(a, 10_000, False, u, angle),
        ]
        areas = (a - b) + (c & a)  # which the checks of edges say nothing about
        edges = kdb.Edges()
        for pairs in found:
            edges += pairs.edges()
    database = rdb.ReportDatabase("peer")
    cell, category = database.create_cell(top.name), database.create_category("all")
    database.create_items(cell.rdb_id(), category.rdb_id(), kdb.CplxTrans(layout.dbu), edges)
    database.create_items(cell.rdb_id(), category.rdb_id(), kdb.CplxTrans(layout.dbu), areas)
    database.save(str(folder / f"{mode}.lyrdb"))
    return round(edges.merged().length() / 1000)


def _tiled(layout: kdb.Layout, top: kdb.Cell) -> tuple[kdb.Edges, kdb.Region]:
    edges, areas = kdb.Edges(), kdb.Region()
    tiles = kdb.TilingProcessor()
    for name, number in (("via", 2), ("rdl", 3), ("post", 5)):
        tiles.input(name, layout, top.cell_index(), layout.layer(number, 0))
    tiles.output("out", edges)
    tiles.output("areas", areas)
    tiles.tile_size(8000, 8000)
    tiles.tile_border(60, 60)
    tiles.threads = JOBS
    checks = (
        "rdl.width_check(19000, false, Region.Euclidian, 80)",
        "rdl.isolated_check(20000, false, Region.Euclidian, 80)",
        "rdl.notch_check(20000, false, Region.Euclidian, 80)",
        "via.enclosed_check(rdl, 10000, false, Region.Euclidian, 80)",
        "post.separation_check(via, 10000, false, Region.Euclidian, 80)",
    )
    for check in checks:
        tiles.queue(f"_output(out, {check}.edges)")
    tiles.queue("_output(areas, (via - rdl) + (post & via))")
    tiles.execute("drc")
    return edges, areas


def timed(what: str, path: Path, folder: Path, stop: float) -> tuple[float, float, int | None]:
    """Seconds, megabytes, and what was marked of one run in a process of its own; None where it was stopped."""
    started = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--run", what, str(path), str(folder)],
            capture_output=True, text=True, timeout=stop, check=True, env=INSTALLED,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return stop, 0.0, None
    marked, megabytes = json.loads(done.stdout.splitlines()[-1])
    return time.perf_counter() - started, megabytes, marked


def main() -> int:
    """The table, and whether every row meets its bar."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="smaller wafers, within a minute: ratios only")
    options.add_argument("--only", default="", help="cases with this letter or word")
    options.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.run:
        what, path, folder = given.run[0], Path(given.run[1]), Path(given.run[2])
        marked = ours(path, folder) if what == "ours" else peer(what, path, folder)
        largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(json.dumps([marked, largest / 1024]))  # of one process: what workers share is in each of them
        return 0
    print(f"{'':24}{'dies':>6}{'ours s':>9}{'MB':>6}{'flat s':>9}{'deep s':>9}{'tiled s':>9}{'x best':>8}{'bar':>6}")
    short: list[str] = []
    subprocess.run(
        [sys.executable, "-c", "import layoutgen.drc.run, layoutgen.pdk, layoutgen.report.lyrdb"],
        check=True,
        env=INSTALLED,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for case, (words, full_bar) in CASES.items():
            if given.only not in (case, "") and given.only not in words:
                continue
            path = folder / f"{case}.gds"
            contacts, radius = (6, 50_000.0) if given.quick else (10, 100_000.0)
            if case == "f":
                radius *= 0.3 if given.quick else 0.6
            dies = make(case, path, contacts=contacts, radius=radius)
            bar = FEWER_DIES_BAR if case in ("a", "d") and dies < MANY_DIES else full_bar
            bar = 1.0 if given.quick else bar
            seconds, megabytes, marked = timed("ours", path, folder, STOP)
            others = {mode: timed(mode, path, folder, QUICK_STOP if given.quick else STOP) for mode in PEERS}
            ratio = min(t for t, _, _ in others.values()) / seconds
            peers = "".join(f"{'>= ' if m is None else ''}{t:.1f}".rjust(9) for t, _, m in others.values())
            said = others["flat"][2]
            wrong = said is not None and marked is not None and abs(said - marked) > 1 + 1e-4 * said
            if ratio < bar or marked is None or wrong or (megabytes > 500 and case != "e"):
                short.append(f"{case} ({words})" + (f": marks {marked} um, flat {said}" if wrong else ""))
            print(f"({case}) {words:20}{dies:6}{seconds:9.1f}{megabytes:6.0f}{peers}{ratio:8.1f}{bar:6.1f}", flush=True)
    print("every row meets its bar" if not short else f"short: {', '.join(short)}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
