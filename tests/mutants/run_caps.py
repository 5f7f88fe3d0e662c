"""Defects of caps on wafers of the examples.

    python tests/mutants/run_caps.py [--nightly] [--each N] [--wafer EXAMPLE] [--defect D]

Prints a table, defect by example; ends with exit code 1 where one survived, or something was found where there is none.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

if __name__ == "__main__":
    from mutants import caps, injected

    sys.exit(
        injected.main(
            __doc__.splitlines()[0], tuple(caps.NAMES), (caps.EACH, caps.NIGHTLY),
            lambda name, each, only: caps.run(caps.drawn(name), each, only), caps.table,
        )
    )  # fmt: skip
