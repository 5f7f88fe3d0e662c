"""The bound of the memory that a process takes: it holds, for its children too, and is gone afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import klayout.db as kdb
import numpy as np
import pytest

from layoutgen import memory

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system knows no such bound")
MB = 1 << 20
TAKE = "import sys; sys.exit(len(bytearray(400 << 20)) == 0)"


def doubled(times: int) -> kdb.Region:
    region = kdb.Region(kdb.Box(0, 0, 10, 10))
    for _ in range(times):
        region += region.dup()
    return region


def test_it_holds_and_is_gone_afterwards() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory.bounded(100):
        assert len(np.zeros(20 * MB, dtype=np.uint8)) == 20 * MB
        with pytest.raises(MemoryError):
            np.zeros(200 * MB, dtype=np.uint8)
        with pytest.raises(RuntimeError, match="bad_alloc"):
            doubled(40)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(np.zeros(200 * MB, dtype=np.uint8)) == 200 * MB


def test_what_is_said_of_it_names_the_bound_and_the_mend() -> None:
    with memory.bounded(100):
        with pytest.raises(MemoryError) as python:
            np.zeros(200 * MB, dtype=np.uint8)
        with pytest.raises(RuntimeError) as klayout:
            doubled(40)
        most, said = memory._bound() >> 20, memory.reason(python.value)
        assert said == memory.reason(klayout.value)
    assert f"more than the {most} MB" in said
    assert "--megabytes" in said
    assert (
        memory.reason(MemoryError()) == "needs more memory than there is; check less at a time, or on a larger machine"
    )
    assert memory.reason(RuntimeError("off")) == "RuntimeError: off"


def test_it_holds_for_a_process_that_is_started_meanwhile() -> None:
    """Seen from a new process: what a child may take is what its parent has already, and the bound."""
    script = (
        "import subprocess, sys\nfrom layoutgen import memory\n"
        f"take = lambda: subprocess.run([sys.executable, '-c', {TAKE!r}], stderr=subprocess.DEVNULL).returncode\n"
        "with memory.bounded(100):\n    within = take()\nprint(within != 0, take() == 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_a_smaller_bound_within_is_kept_and_a_larger_one_is_none() -> None:
    with memory.bounded(100), memory.bounded(10_000), pytest.raises(MemoryError):
        np.zeros(300 * MB, dtype=np.uint8)
