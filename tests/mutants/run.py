"""Mutants of every rule of the shipped processes.

    python tests/mutants/run.py [--nightly] [--windows] [--pdk P] [--rule R]

Prints a table, operator by rule; ends with exit code 1 where one survived.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

EACH, NIGHTLY = 2, 40
"""Mutants of each operator and rule: with eleven operators 22 for a rule, and 440."""


def main() -> int:
    """Make, judge and count them."""
    from mutants import harness

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nightly", action="store_true", help=f"{NIGHTLY} of each operator and rule, not {EACH}")
    parser.add_argument("--each", type=int, help="as many of each operator and rule")
    parser.add_argument("--pdk", choices=sorted(harness.PDKS), help="this process alone")
    parser.add_argument("--rule", help="this rule alone")
    parser.add_argument("--windows", action="store_true", help="checked through windows, as a whole wafer is, not flat")
    asked = parser.parse_args()
    each = asked.each or (NIGHTLY if asked.nightly else EACH)
    bad = 0
    for name in [asked.pdk] if asked.pdk else harness.PDKS:
        pdk = harness.PDKS[name]
        rules = [rule for rule in pdk.rules if asked.rule in (None, rule)]
        done = {rule: harness.run(pdk, rule, each, asked.windows) for rule in rules}
        print(harness.table(pdk, done), flush=True)
        for judged in (j for found in done.values() for j in found):
            if judged.outcome in (harness.SURVIVED, harness.FALSE):
                bad += 1
                print(f"{judged.outcome}: {judged.mutant.seed}: {judged.mutant.site}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
