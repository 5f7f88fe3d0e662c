"""Whole processes, measured from outside: seconds from start to end, and the most memory they held."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

MEBI = 1024.0


@dataclass(frozen=True)
class Run:
    """One process: wall seconds, peak memory in MB."""

    seconds: float
    megabytes: float


def run(command: list[str]) -> Run:
    """Run a command to its end; it must leave with exit code 0."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} left with {process.returncode}:\n{said.decode(errors='replace')}")
    per_unit = MEBI if sys.platform != "darwin" else MEBI * MEBI  # Linux counts in KB, macOS in bytes
    return Run(seconds, usage.ru_maxrss / per_unit)


def alternating(commands: dict[str, list[str]], rounds: int) -> dict[str, Run]:
    """Each command `rounds` times, in turn, so that all see the same machine; the medians."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(run(command))
    return {
        name: Run(median(r.seconds for r in found), median(r.megabytes for r in found)) for name, found in runs.items()
    }


@dataclass(frozen=True)
class Row:
    """One figure against its bar."""

    what: str
    value: float
    bar: float
    unit: str

    @property
    def good(self) -> bool:
        return self.value <= self.bar


def report(rows: list[Row], notes: list[str]) -> int:
    """Print a table, notes, and a summary as the last line; 1 where a row falls short of its bar."""
    width = max(len(r.what) for r in rows)
    print(f"{'':{width}}  {'measured':>10}  {'at most':>8}")
    for r in rows:
        print(f"{r.what:{width}}  {r.value:10.2f}  {r.bar:8.2f}  {r.unit:4} {'ok' if r.good else 'SHORT'}")
    for note in notes:
        print(note)
    short = [r for r in rows if not r.good]
    print(f"{len(rows) - len(short)} of {len(rows)} rows meet their bar" + "".join(f"; short: {r.what}" for r in short))
    return 1 if short else 0
