"""A bound of the memory that this process takes, where the system knows one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import klayout.db as kdb

_STATUS = Path("/proc/self/status")


@contextmanager
def bounded(megabytes: int) -> Iterator[None]:
    """Let this process, and each that it starts meanwhile, take so much more memory than it has, and no more.

    What asks for more gets a MemoryError, or KLayout's `std::bad_alloc`. On Linux only; elsewhere nothing is bounded.
    """
    has = _data()
    if not has:
        yield
        return
    import resource

    with suppress(RuntimeError):
        kdb.Box.from_s(
            "none"
        )  # so that KLayout has what it needs to throw: it ends the process if that is not to be had
    before = resource.getrlimit(resource.RLIMIT_DATA)
    most = has + (megabytes << 20)
    if before[0] != resource.RLIM_INFINITY:
        most = min(most, before[0])
    resource.setrlimit(resource.RLIMIT_DATA, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data() -> int:
    """What counts to the bound now, in bytes; 0 if the system does not say."""
    try:
        lines = _STATUS.read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), 0)
