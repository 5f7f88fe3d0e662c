"""Defects on wafers of the shipped processes, looked for by the rules on nets.

    python tests/mutants/run_wafers.py [--nightly] [--each N] [--wafer PROCESS] [--defect D]

Prints a table, defect by process; ends with exit code 1 where one survived, or something was found where there is none.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

if __name__ == "__main__":
    from mutants import injected, wafers

    sys.exit(
        injected.main(
            __doc__.splitlines()[0], wafers.PROCESSES, (wafers.EACH, wafers.NIGHTLY),
            lambda name, each, only: wafers.run(wafers.drawn(name), each, only), wafers.table,
        )
    )  # fmt: skip
