"""Files of rows of numbers, which a spec names instead of writing them: CSV (rows from the top) or .npy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from layoutgen import tomlfile
from layoutgen.cell import Library
from layoutgen.errors import LayoutgenError, Problem, printable

Rows = list[list[float]]
MOST_VALUES = 250_000
ENDINGS = (".csv", ".npy")


def taken(
    raw: dict[str, Any], folder: Path, shown: str, library: Library
) -> tuple[dict[str, Any], list[str], list[Problem]]:
    """A spec with the rows of the files that `[cells]` names in it, those files, and what is wrong with them."""
    cells = raw.get("cells")
    files: list[str] = []
    problems: list[Problem] = []
    if not isinstance(cells, dict):
        return raw, files, problems
    out = {name: dict(given) if isinstance(given, dict) else given for name, given in cells.items()}
    for cell in sorted(set(library) & {name for name, given in out.items() if isinstance(given, dict)}):
        for key in sorted(library[cell].from_files() & {k for k, value in out[cell].items() if isinstance(value, str)}):
            name = out[cell].pop(key)
            try:
                out[cell][key] = read(folder / name)
                files.append(name)
            except RowsError as e:
                problems.append(Problem(shown, f'cells."{cell}".{key}', f"{printable(repr(name), 60)}: {e}"))
    return {**raw, "cells": out}, files, problems


class RowsError(LayoutgenError):
    """A file of rows that is missing or wrong."""


def read(path: Path) -> Rows:
    """The rows of a file: finite numbers of 0 or more, as many in each.

    CSV: commas between numbers; empty lines and lines that begin with # are passed over. .npy: an array of two axes.

    Raises:
        RowsError: the file is missing, of another kind, holds no such rows, or more than anyone needs.
    """
    if path.suffix.lower() not in ENDINGS:
        raise RowsError(f"is no table; name a file that ends in {' or '.join(ENDINGS)}")
    try:
        rows = _csv(path) if path.suffix.lower() == ".csv" else _npy(path)
    except OSError as e:
        raise RowsError(f"cannot be read: {e.strerror or e}") from None
    except UnicodeDecodeError:
        raise RowsError("is not UTF-8 text") from None
    if not rows or not rows[0]:
        raise RowsError("holds no values")
    if sum(map(len, rows)) > MOST_VALUES:
        raise RowsError(f"holds more than {MOST_VALUES} values; make it coarser")
    return rows


def _csv(path: Path) -> Rows:
    rows: Rows = []
    for number, line in enumerate(tomlfile.plain_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        row = [_number(text, f"line {number}, column {k}") for k, text in enumerate(line.split(","), 1)]
        if rows and len(row) != len(rows[0]):
            raise RowsError(
                f"line {number}: holds {len(row)} values, the first row {len(rows[0])}; write as many in each"
            )
        rows.append(row)
    return rows


def _number(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise RowsError(f"{place}: {printable(repr(text.strip()), 30)} is no number") from None
    return _usable(value, place)


def _usable(value: float, place: str) -> float:
    if not math.isfinite(value) or value < 0:
        raise RowsError(f"{place}: {value:g} is not a finite number of 0 or more")
    return value


def _npy(path: Path) -> Rows:
    if not path.is_file() or path.stat().st_size > tomlfile.MOST_BYTES:
        tomlfile.plain_text(path)  # says what is wrong with it
    try:
        found = np.load(path, allow_pickle=False)
    except (ValueError, EOFError):
        raise RowsError("is no array that numpy wrote") from None
    if not isinstance(found, np.ndarray) or found.ndim != 2 or found.dtype.kind not in "fiu":
        raise RowsError("is no array of numbers with two axes")
    wrong = np.argwhere(~(np.isfinite(found) & (found >= 0)))
    if len(wrong):
        j, i = wrong[0].tolist()
        _usable(float(found[j, i]), f"row {j + 1}, column {i + 1}")
    rows: Rows = found.astype(np.float64).tolist()
    return rows
