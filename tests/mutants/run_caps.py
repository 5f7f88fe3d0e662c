"""Defects of caps on wafers of the examples: prints a table; exit code 1 where one survived, or too much was found.

python tests/mutants/run_caps.py [--nightly] [--each N]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]


def main() -> int:
    """Inject, judge and count them."""
    from mutants import caps

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nightly", action="store_true", help=f"{caps.NIGHTLY} of each kind, not {caps.EACH}")
    parser.add_argument("--each", type=int, help="as many of each kind and example")
    asked = parser.parse_args()
    each = asked.each or (caps.NIGHTLY if asked.nightly else caps.EACH)
    done = {name: caps.run(caps.drawn(name), each) for name in caps.NAMES}
    print(caps.table(done))
    bad = [j for found in done.values() for j in found if j.outcome != caps.CAUGHT]
    for judged in bad:
        print(
            f"{judged.outcome}: {judged.defect}, seed {judged.seed!r}; found by {', '.join(judged.rules) or 'nobody'}"
        )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
