"""A bound of the memory that this process takes, where the system knows one; and what to say where it is hit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import klayout.db as kdb

from layoutgen.errors import printable

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


def ran_out(error: BaseException) -> bool:
    """Whether it says that no more memory was to be had: Python's, or KLayout's."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "bad_alloc" in str(error))


def reason(error: BaseException) -> str:
    """Why something could not be done, in one line: what the error says; for want of memory, the bound and the mend."""
    return want() if ran_out(error) else printable(f"{type(error).__name__}: {error}")


def want() -> str:
    """That no more memory was to be had: the bound, if this process has one, and the mend."""
    if most := _bound():
        also = "allow more with --megabytes, or mend first what is found most often"
        return f"needs more than the {most >> 20} MB of memory that a process may take here; {also}"
    return "needs more memory than there is; check less at a time, or on a larger machine"


def _bound() -> int:
    """Most bytes of data that this process may have; 0: as many as there are."""
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    most = resource.getrlimit(resource.RLIMIT_DATA)[0]
    return 0 if most == resource.RLIM_INFINITY else most


def _data() -> int:
    """What counts to the bound now, in bytes; 0 if the system does not say."""
    try:
        lines = _STATUS.read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), 0)
