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
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

if TYPE_CHECKING:  # imported where it is needed: the child reads meanwhile
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
    with Reading(path, seconds=seconds, megabytes=megabytes, shapes=shapes, convert=convert) as reading:
        return reading.layout()


class Reading:
    """A file that a child process has begun to read, while this one does something else; `read` says what bounds it.

    A context manager: at its end the child is gone, and what it left as well.
    """

    def __init__(
        self,
        path: Path,
        *,
        seconds: float | None = None,
        megabytes: int = MEGABYTES,
        shapes: int = MOST_SHAPES,
        convert: bool = True,
    ) -> None:
        """Raises InputError where there is no file that can be opened."""
        file = Path(os.path.abspath(path))
        size = _size(path, file)
        self._file, self._before = file, _stamp(file)
        try:
            import resource  # noqa: F401  (what limits the child)
        except ImportError:
            _wrong(path, "this system cannot limit what reads a layout of someone else; read it on Linux or macOS")
        self._path, self._megabytes = path, megabytes
        self._seconds = seconds if seconds is not None else SECONDS + SECONDS_MEGABYTE * size / 1e6
        self._begun = time.monotonic()
        self._token = secrets.token_hex(16)
        self._folder = tempfile.TemporaryDirectory(prefix="layoutgen_")
        job = {
            "file": str(file), "folder": self._folder.name, "token": self._token, "prefix": f"C{self._token}_",
            "megabytes": megabytes, "seconds": math.ceil(self._seconds), "shapes": shapes, "convert": convert,
            "path": [_packages()],
        }  # fmt: skip
        quiet = subprocess.DEVNULL
        self._child = subprocess.Popen(  # noqa: S603  our own script
            [sys.executable, "-I", str(_CHILD), json.dumps(job)],
            stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True, env=_environment(),
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._folder.cleanup()

    def layout(self) -> kdb.Layout:
        """What it has read, once it is done.

        Raises:
            InputError: the file is no layout, is damaged, or breaks a bound; one line, with the mend.
        """
        try:
            code: int | None = self._child.wait(max(0.0, self._begun + self._seconds - time.monotonic()))
        except subprocess.TimeoutExpired:
            code = None
        folder = Path(self._folder.name)
        return _take(self._path, folder, self._said(code, folder))

    def is_as_it_was(self) -> bool:
        """Whether nobody has written to the file since it began to be read."""
        return self._before is not None and _stamp(self._file) == self._before

    def _said(self, code: int | None, folder: Path) -> dict[str, Any]:
        """What the child says of the file, by its exit code (None: it had to be stopped) and its answer."""
        path, seconds, bounds = self._path, self._seconds, f"{self._megabytes} MB"
        if code is None or code == -signal.SIGXCPU or (code == -signal.SIGKILL):
            _wrong(path, f"could not be read within {seconds:.3g} s; it is damaged, or made to harm: write it anew, or "
                         "allow more if you trust it")  # fmt: skip
        if code != 0:
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            _wrong(path, f"broke off the process that read it ({how}, with {bounds} allowed); it is damaged, or made "
                         "to harm: write it anew")  # fmt: skip
        try:
            answer = folder / "said.json"
            if answer.stat().st_size > MOST_SAID:
                raise ValueError
            said = json.loads(answer.read_bytes())
            if said.pop("token") != self._token:
                raise ValueError
        except (OSError, ValueError, KeyError):
            _wrong(path, "the process that read it left no answer; free some space in the folder for temporary files")
        if "memory" in said:
            _wrong(
                path, f"needs more than {bounds} of memory to read; write it with arrays, or allow more if you trust it"
            )
        if "wrong" in said:
            _wrong(path, printable(str(said["wrong"]), 600))
        return dict(said)


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


def _stamp(file: Path) -> tuple[int, ...] | None:
    """What changes as soon as somebody writes to a file."""
    with suppress(OSError):
        found = file.stat()
        return found.st_ino, found.st_dev, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    return None


def _packages() -> str:
    """The folder that the layout library is installed in."""
    found = find_spec("klayout")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("klayout is not installed; pip install klayout")
    return str(Path(found.origin).parents[1])


def _environment() -> dict[str, str]:
    """What a process needs to start, and nothing that could make Python or KLayout load something else."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "KLAYOUT", "LD_PRELOAD"))}


def _take(path: Path, folder: Path, said: dict[str, Any]) -> kdb.Layout:
    """The normalised layout with its cells' names, if it is what the child says it wrote."""
    import klayout.db as kdb

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
