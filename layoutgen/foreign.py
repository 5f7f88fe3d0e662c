"""Layouts of others: opened in a process with limits, checked, and read here only once they are normalised.

A GDSII or OASIS file can crash, hang or fill the memory of whatever reads it. So nothing in this process touches its
bytes: `foreign_child` reads it, within limits of memory and time, and leaves it with one database unit, coordinates
within bounds, and no cell that holds itself. Properties and texts stay. Nothing that stands in a file is ever run: only
absolute paths reach KLayout, which would run what follows `pipe:`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import klayout.db as kdb

from layoutgen.errors import InputError, Problem, nearest, printable

SECONDS = 8.0
"""For a small file; each megabyte more has `SECONDS_MEGABYTE` on top."""
SECONDS_MEGABYTE = 0.5
MEGABYTES = 1024
MOST_SHAPES = 200_000_000
"""With all that is placed again and again."""
MOST_SAID = 1 << 28
"""Bytes that an answer can have: each name in it is short, and there are not that many."""
_CHILD = Path(__file__).with_name("foreign_child.py")


def read(
    path: Path,
    *,
    seconds: float | None = None,
    megabytes: int = MEGABYTES,
    shapes: int = MOST_SHAPES,
    convert: bool = True,
) -> kdb.Layout:
    """The layout in a .gds, .oas or .gz of them, with a database unit of 0.001 um, for viewing (not for editing).

    Another unit is converted where that is exact; with `convert` False it stays as it is.

    `seconds` (left out: 8, and 0.5 for each megabyte) and `megabytes` bound the process that opens the file, `shapes`
    what is in it, all placements counted.

    Raises:
        InputError: the file is no layout, is damaged, or breaks a bound; one line, with the mend.
    """
    file = Path(os.path.abspath(path))
    size = _size(path, file)
    allowed = seconds if seconds is not None else SECONDS + SECONDS_MEGABYTE * size / 1e6
    with tempfile.TemporaryDirectory(prefix="layoutgen_") as folder:
        said = _ask(path, file, Path(folder), allowed, megabytes, shapes, convert)
        return _take(path, Path(folder), said)


def top_cell(layout: kdb.Layout, file: str, name: str = "") -> kdb.Cell:
    """The cell of a name; without a name the only top cell.

    Raises:
        InputError: there is no such cell, or several top cells and no name.
    """
    if name:
        if (found := layout.cell(name)) is None:
            known = [c.name for c in layout.each_cell()]
            raise InputError([Problem(file, "", f"no cell {printable(name, 60)!r}{nearest(name, known)}")])
        return found
    tops = layout.top_cells()
    if len(tops) != 1:
        known = sorted(c.name for c in tops)
        shown = printable(", ".join(known[:12]) + (", ..." if len(known) > 12 else ""), 200)
        raise InputError([Problem(file, "", f"has {len(tops)} top cells; name one of: {shown}")])
    return tops[0]


def _wrong(path: Path, message: str) -> NoReturn:
    raise InputError([Problem(str(path), "", message)])


def _size(path: Path, file: Path) -> int:
    """Size of a regular file that can be opened."""
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            _wrong(path, "is no file; name a GDSII or OASIS file")
        with file.open("rb"):
            return found.st_size
    except (OSError, ValueError) as e:
        reason = "no such file" if isinstance(e, FileNotFoundError) else getattr(e, "strerror", "") or str(e)
        _wrong(path, f"cannot be read ({reason}); name a GDSII or OASIS file")


def _ask(
    path: Path, file: Path, folder: Path, seconds: float, megabytes: int, shapes: int, convert: bool
) -> dict[str, Any]:
    """What the child says of the file."""
    try:
        import resource  # noqa: F401  (what limits the child)
    except ImportError:
        _wrong(path, "this system cannot limit what reads a layout of someone else; read it on Linux or macOS")
    token = secrets.token_hex(16)
    job = {
        "file": str(file), "folder": str(folder), "token": token, "prefix": f"C{token}_", "megabytes": megabytes,
        "seconds": math.ceil(seconds), "shapes": shapes, "convert": convert,
        "path": [str(Path(kdb.__file__).parents[1])],
    }  # fmt: skip
    code = _run([sys.executable, "-I", str(_CHILD), json.dumps(job)], seconds)
    bounds = f"{megabytes} MB"
    if code is None or code == -signal.SIGXCPU or (code == -signal.SIGKILL):
        _wrong(path, f"could not be read within {seconds:.3g} s; it is damaged, or made to harm: write it anew, or "
                     "allow more if you trust it")  # fmt: skip
    if code != 0:
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        _wrong(path, f"broke off the process that read it ({how}, with {bounds} allowed); it is damaged, or made to "
                     "harm: write it anew")  # fmt: skip
    try:
        answer = folder / "said.json"
        if answer.stat().st_size > MOST_SAID:
            raise ValueError
        said = json.loads(answer.read_bytes())
        if said.pop("token") != token:
            raise ValueError
    except (OSError, ValueError, KeyError):
        _wrong(path, "the process that read it left no answer; free some space in the folder for temporary files")
    if "memory" in said:
        _wrong(path, f"needs more than {bounds} of memory to read; write it with arrays, or allow more if you trust it")
    if "wrong" in said:
        _wrong(path, printable(str(said["wrong"]), 600))
    return dict(said)


def _run(command: Sequence[str], seconds: float) -> int | None:
    """Exit code of a command that gets nothing and may say nothing; None if it had to be stopped."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S603  our own script
        command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True, env=_environment()
    ) as child:
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if child.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)


def _environment() -> dict[str, str]:
    """What a process needs to start, and nothing that could make Python or KLayout load something else."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "KLAYOUT", "LD_PRELOAD"))}


def _take(path: Path, folder: Path, said: dict[str, Any]) -> kdb.Layout:
    """The normalised layout with its cells' names, if it is what the child says it wrote."""
    file = folder / ("out.gds" if said["layout"] == "out.gds" else "out.oas")
    with file.open("rb") as opened:
        whole = hashlib.file_digest(opened, "blake2b").hexdigest() == said["digest"]
    layout = kdb.Layout(False)
    try:
        if whole:
            layout.read(str(file))
    except RuntimeError as e:  # KLayout wrote what it does not read, as a negative width
        reason = printable(str(e).split(", in file")[0], 200)
        _wrong(path, f"cannot be handed on ({reason}); it is damaged: write it anew")
    names = {f"{i}": name for i, name in said["names"]}
    cells = list(layout.each_cell())
    numbers = [cell.name.rpartition("_")[2] for cell in cells]
    if not whole or abs(layout.dbu / said["dbu"] - 1) > 1e-9 or sorted(numbers) != sorted(names):
        _wrong(path, "was not handed on whole; free some space in the folder for temporary files")
    layout.dbu = said["dbu"]
    for cell, number in zip(cells, numbers, strict=True):
        cell.name = names[number]
    return layout
