"""A wafer checked again: nothing has changed, or one of fifty dies, against reading the file alone, and a first check.

Run it alone: python benchmarks/drc_again.py [--quick]. Each row is `layoutgen drc` in a process of its own: first with
an empty cache, then again, then with one contact of one die moved; and a process that starts and reads the file as that
command does. Bars: again, at most 1.5 times the reading; with one die of 50 changed, at most 15 % of what a first check
takes above the reading. Exit code 1 where a row falls short of its bar, or finds something else than a check without a
cache.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import klayout.db as kdb
from drc import INSTALLED, KERF, LIMITS, PITCH, PROCESS, RULES

KINDS = 50
AGAIN, CHANGED = 1.5, 0.15
"""Bars: of the time of reading, and of what a first check takes above it."""
READ = "import sys, pathlib, layoutgen.checked, layoutgen.cli.drc as _; from layoutgen import foreign; "
READ += "foreign.read(pathlib.Path(sys.argv[1]))"


def make(path: Path, contacts: int, radius: float, changed: int | None) -> int:
    """Write a wafer (um) with dies of 50 kinds in no order, and return the number of its dies."""
    layout = kdb.Layout()
    via, rdl, post = (layout.layer(n, 0) for n in (2, 3, 5))
    side = contacts * PITCH + 200_000
    step, reach = side + KERF, round(radius * 1000)
    n = reach // step + 1
    dice = random.Random(1)  # noqa: S311  no secret
    dies = [layout.create_cell(f"DIE{k}") for k in range(KINDS)]
    for k, die in enumerate(dies):
        for i, j in itertools.product(range(contacts), repeat=2):
            x, y = (300_000 + v * PITCH + dice.randrange(-9_000, 9_000) for v in (i, j))
            if k == changed and i == j == contacts // 2:
                x += 1_000
            for layer, d, off in ((via, 180_000, 0), (rdl, 240_000, 0), (post, 20_000, 150_000)):
                die.shapes(layer).insert(kdb.Polygon.ellipse(kdb.Box(-d // 2, -d // 2, d // 2, d // 2), 64)
                                         .moved(x + off, y + off))  # fmt: skip
            die.shapes(rdl).insert(kdb.Path([kdb.Point(x, y), kdb.Point(x + 150_000, y + 170_000)], 20_000).polygon())
    top = layout.create_cell("WAFER")
    count = 0
    for i, j in itertools.product(range(-n, n), repeat=2):
        if all(math.hypot(a * step, b * step) < reach for a in (i, i + 1) for b in (j, j + 1)):
            top.insert(kdb.CellInstArray(dies[dice.randrange(KINDS)].cell_index(), kdb.Trans(i * step, j * step)))
            count += 1
    layout.write(str(path))
    return count


def process(folder: Path) -> Path:
    """The process of the other benchmark."""
    folder.mkdir()
    rules = [
        f'[rules.{name}]\ncheck = "{kind}"\nlayers = {json.dumps(layers)}\n'
        f'limit = {LIMITS[name]}\nwhy = "w"\nsource = "s"\n'
        for name, (kind, layers) in RULES.items()
    ]
    (folder / "pdk.toml").write_text(PROCESS + "\n".join(rules), "utf-8")
    return folder


def timed(command: list[str], accepted: tuple[int, ...] = (0, 1)) -> float:
    """Seconds of a process."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *command], env=INSTALLED, capture_output=True, text=True, check=False)
    if done.returncode not in accepted:
        raise SystemExit(f"exit code {done.returncode}: {done.stderr}")
    return time.perf_counter() - started


def main() -> int:
    """The table, and whether every row meets its bar."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="a smaller wafer, within a minute")
    quick = options.parse_args().quick
    contacts, radius = (10, 60_000.0) if quick else (20, 100_000.0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pdk = process(folder / "bench")
        before, after = folder / "before.gds", folder / "after.gds"
        dies = make(before, contacts, radius, None)
        make(after, contacts, radius, KINDS // 3)

        def drc(file: Path, name: str, *more: str) -> float:
            report = folder / f"{name}.json"
            return timed(["-m", "layoutgen", "drc", str(file), "--pdk", str(pdk), "-q", "-o", str(report), *more])

        kept = ("--cache", str(folder / "cache"))
        reading = min(timed(["-c", READ, str(before)], (0,)) for _ in range(3))
        first = drc(before, "first", *kept)
        again = min(drc(before, "again", *kept) for _ in range(2))
        changed = drc(after, "changed", *kept)
        fresh = drc(after, "fresh", "--no-cache")
        said = {name: json.loads((folder / f"{name}.json").read_text())["rules"]
                for name in ("first", "again", "changed", "fresh")}  # fmt: skip
    rows = (
        ("again, nothing changed", again, again / reading, AGAIN, said["again"] == said["first"], "x reading"),
        ("one die of 50 changed", changed, (changed - reading) / (first - reading), CHANGED,
         said["changed"] == said["fresh"], "of a first check"),
    )  # fmt: skip
    print(f"{dies} dies of {KINDS} kinds, {contacts**2} contacts each")
    print(f"{'':26}{'s':>8}{'ratio':>8}{'bar':>7}")
    print(f"{'reading alone':26}{reading:8.2f}")
    print(f"{'first check':26}{first:8.2f}")
    print(f"{'changed, without a cache':26}{fresh:8.2f}")
    for words, seconds, ratio, bar, _, unit in rows:
        print(f"{words:26}{seconds:8.2f}{ratio:8.2f}{bar:7.2f}  {unit}")
    short = [words for words, _, ratio, bar, same, _ in rows if ratio > bar or not same]
    print("every row meets its bar" if not short else f"short: {', '.join(short)}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
