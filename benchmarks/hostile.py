"""What files made to harm do to a reader of layouts: mutated, cut off, and made byte by byte.

Run it alone: python benchmarks/hostile.py [--quick]. It prints a table, and ends with 1 where a file harmed the process
that asked (it died, or grew), took more than 10 s or 1.2 GB, or ended in anything but a layout or one line.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from hostile_files import Hostile, made, mutations, truncations

ROOT = Path(__file__).resolve().parent.parent
PROTOTYPES = ROOT.parent / "shared/prototypes/hostile"
MOST_SECONDS, MOST_MEGABYTES, MOST_GROWTH = 10.0, 1200.0, 200.0
CONTAINED = ("could not be read within", "broke off the process", "needs more than")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file: `normalised`, `refused`, `contained`, or what went wrong."""

    what: str
    seconds: float
    child: float
    """Largest child so far of the process that asked (MB)."""
    parent: float
    """Largest size so far of that process itself (MB)."""


def attempt(path: Path) -> Outcome:
    """Read one file as a program would."""
    from layoutgen import foreign
    from layoutgen.errors import InputError

    started = perf_counter()
    try:
        layout = foreign.read(path)
        what = "normalised" if layout.cells() else "a layout without a cell"
    except InputError as e:
        line = str(e)
        what = "contained" if any(word in line for word in CONTAINED) else "refused"
        if not line.isprintable():
            what = f"more than a line: {line!r}"
    except BaseException as e:  # whatever it is, it is what this looks for
        what = f"{type(e).__name__}: {e}"
    seconds = perf_counter() - started
    sizes = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    return Outcome(what, seconds, *sizes)


def main() -> int:
    """Read all, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer files, within a minute")
    parser.add_argument("--files", type=int, help="so many mutated files (2,000)")
    options = parser.parse_args()
    number = options.files or (60 if options.quick else 2000)
    files = [*made(), *truncations(40 if options.quick else 1), *mutations(number)]
    kinds = list(dict.fromkeys(f.kind for f in files))
    head = ("files", 6), ("normalised", 11), ("refused", 8), ("contained", 10), ("longest s", 10), ("largest MB", 11)
    print(f"{'kind':18}", *(f"{word:>{width}}" for word, width in head))
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            wrong += table_row(kind, [written(f, Path(folder)) for f in files if f.kind == kind])
        if not options.quick and PROTOTYPES.is_dir():
            wrong += table_row("bombs of others", bombs(Path(folder)))
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def written(file: Hostile, folder: Path) -> Path:
    path = folder / file.name
    path.write_bytes(file.data)
    return path


def bombs(folder: Path) -> list[Path]:
    """Those that the prototype makes: run as it is, but for where it writes."""
    target = folder / "bombs"
    target.mkdir()
    script = (PROTOTYPES / "mkbombs.py").read_text().replace("'out/bombs/'", repr(f"{target}/"))
    exec(compile(script, "mkbombs.py", "exec"), {"__name__": "mkbombs"})  # noqa: S102  a maker of files of this project
    return sorted(target.iterdir())


def table_row(kind: str, paths: list[Path]) -> list[str]:
    """Read the files two at a time, print a row; what went wrong."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        try:
            done = list(pool.map(attempt, paths))
        except BrokenProcessPool:
            return [f"{kind}: a file killed the process that asked for it"]
    count = {w: sum(d.what == w for d in done) for w in ("normalised", "refused", "contained")}
    longest, largest = max(d.seconds for d in done), max(d.child for d in done)
    print(f"{kind:18} {len(done):6} {count['normalised']:11} {count['refused']:8} {count['contained']:10} "
          f"{longest:10.2f} {largest:11.0f}", flush=True)  # fmt: skip
    wrong = [f"{kind}: {p.name}: {d.what}" for p, d in zip(paths, done, strict=True) if d.what not in count]
    wrong += [
        f"{kind}: {p.name}: {d.seconds:.1f} s" for p, d in zip(paths, done, strict=True) if d.seconds > MOST_SECONDS
    ]
    if largest > MOST_MEGABYTES:
        wrong.append(f"{kind}: {largest:.0f} MB")
    if (growth := max(d.parent for d in done) - min(d.parent for d in done)) > MOST_GROWTH:
        wrong.append(f"{kind}: the process that asked grew by {growth:.0f} MB")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
