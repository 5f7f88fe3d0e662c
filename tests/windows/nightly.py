"""Compares windows with a flat run on thousands of generated layouts; prints what differs, and ends with 1 then.

python tests/windows/nightly.py --layouts 2000 --processes 2
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import corpus
import klayout.db as kdb
from judge import Judge, generated, pdk

from layoutgen.drc import look

PART = 50
"""Layouts of one part: always the same ones, whatever the number of processes."""


def run(part: int, count: int, shrink: bool, keep: Path | None) -> tuple[Judge, list[str]]:
    """One part; even ones have shapes at 0, 45 and 90 degrees, odd ones at any angle."""
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(pdk(Path(folder)), slanted=part % 2 == 1)
    look.LITTLE, look.WHOLE = (
        0,
        (30.0,),
    )  # windows however little there is, several even where polygons count as a whole
    wrong: list[str] = []

    def see(layout: kdb.Layout) -> None:
        number = judge.layouts
        differ = list(judge.differences(layout))
        wrong.extend(f"part {part} layout {number} {text}" for text in differ)
        if differ and keep:
            layout.write(str(keep.resolve() / f"{part}_{number}.gds"))
        assert not (shrink and differ), corpus.dump(layout)

    try:
        generated(part, count, slanted=judge.slanted, shrink=shrink, see=see)
    except AssertionError as error:
        wrong.append(f"part {part}: the least that differs:\n{error}")
    return judge, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layouts", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--part", type=int, help="only this one")
    parser.add_argument("--keep", type=Path, help="an existing folder to write the layouts to that differ")
    parser.add_argument("--shrink", action="store_true", help="print the least layout that differs")
    asked = parser.parse_args()
    counts = {k: min(PART, asked.layouts - k * PART) for k in range(-(-asked.layouts // PART))}
    if asked.part is not None:
        counts = {asked.part: PART}
    found, clean, layouts, bad = Counter[str](), Counter[str](), 0, 0
    with ProcessPoolExecutor(asked.processes) as pool:
        for judge, wrong in pool.map(
            run, counts, counts.values(), [asked.shrink] * len(counts), [asked.keep] * len(counts)
        ):
            for text in wrong:
                print(text, flush=True)
            layouts, bad = layouts + judge.layouts, bad + len(wrong)
            print(f"{layouts} layouts, {bad} differences", flush=True)
            found, clean = found + judge.found, clean + judge.clean
    print("of each rule, layouts with findings and without:")
    for name in sorted(found | clean):
        print(f"  {name:24} {found[name]:6} {clean[name]:6}")
    return int(bad > 0 or layouts < sum(counts.values()) or not all(found[name] for name in found | clean))


if __name__ == "__main__":
    sys.exit(main())
