"""Defects on wafers of the shipped processes, looked for by the rules on nets.

    python tests/mutants/run_wafers.py [--nightly] [--each N] [--process P] [--defect D]

Prints a table, defect by process; ends with exit code 1 where one survived, or something was found where there is none.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]


def main() -> int:
    """Inject, judge and count them."""
    from mutants import wafers

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--nightly", action="store_true", help=f"{wafers.NIGHTLY} of each kind and process, not {wafers.EACH}"
    )
    parser.add_argument("--each", type=int, help="as many of each kind and process")
    parser.add_argument("--process", choices=wafers.PROCESSES, help="this one alone")
    parser.add_argument("--defect", default="", help="this kind alone")
    asked = parser.parse_args()
    each = asked.each or (wafers.NIGHTLY if asked.nightly else wafers.EACH)
    names = [asked.process] if asked.process else wafers.PROCESSES
    done = {name: wafers.run(wafers.drawn(name), each, asked.defect) for name in names}
    print(wafers.table(done))
    bad = [j for found in done.values() for j in found if j.outcome != wafers.CAUGHT]
    for judged in bad:
        print(
            f"{judged.outcome}: {judged.defect}, seed {judged.seed!r}; found by {', '.join(judged.rules) or 'nobody'}"
        )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
