"""A chip's pads and balls as CSV tables: `pad,net,x,y[,width,height]` and `ball,net,x,y`, all lengths in um."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from layoutgen.chip.model import Ball, Chip, Pad
from layoutgen.errors import ChipError, Problem, nearest, printable
from layoutgen.tomlfile import plain_text
from layoutgen.units import DBU, Um

T = TypeVar("T")
PAD_COLUMNS = ("pad", "net", "x", "y", "width", "height")
BALL_COLUMNS = ("ball", "net", "x", "y")
SIZES = PAD_COLUMNS[4:]


def read_tables(name: str, size: tuple[Um, Um], pads: Path, balls: Path, pad_size: tuple[Um, Um] | None) -> Chip:
    """A chip from its two tables; `pad_size` is the metal of pads whose row does not say.

    Lines that start with # are notes. Names and nets are free text; sizes must be positive.

    Raises:
        ChipError: a table is missing or wrong; all problems of both tables at once.
    """
    problems: list[Problem] = []

    def pad(row: dict[str, str], place: str) -> Pad:
        width, height = (_size(row, key, place, pad_size, i, problems) for i, key in enumerate(("width", "height")))
        x, y = _number(row, "x", place, problems), _number(row, "y", place, problems)
        return Pad(_text(row, "pad", place, problems), _text(row, "net", place, problems), x, y, width, height, place)

    def ball(row: dict[str, str], place: str) -> Ball:
        x, y = _number(row, "x", place, problems), _number(row, "y", place, problems)
        return Ball(_text(row, "ball", place, problems), _text(row, "net", place, problems), x, y, place)

    all_pads = _rows(pads, PAD_COLUMNS[:4] if pad_size else PAD_COLUMNS, PAD_COLUMNS, pad, problems)
    all_balls = _rows(balls, BALL_COLUMNS, BALL_COLUMNS, ball, problems)
    if problems:
        raise ChipError(problems)
    return Chip(name, size[0], size[1], tuple(all_pads), tuple(all_balls))


def write_tables(chip: Chip) -> tuple[str, str]:
    """The two tables' text; what `read_tables` reads back."""
    return (
        _table(PAD_COLUMNS, ((p.name, p.net, p.x, p.y, p.width, p.height) for p in chip.pads)),
        _table(BALL_COLUMNS, ((b.name, b.net, b.x, b.y) for b in chip.balls)),
    )


def _table(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    cells = [[f"{v:.10g}" if isinstance(v, float) else str(v) for v in row] for row in rows]
    out = io.StringIO()
    noted = any(row[0].startswith("#") for row in cells)  # would be read as a note, unless quoted
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL if noted else csv.QUOTE_MINIMAL)
    writer.writerow(columns)
    writer.writerows(cells)
    return out.getvalue()


def _rows(
    path: Path, needed: tuple[str, ...], known: tuple[str, ...], make: Callable[[dict[str, str], str], T],
    problems: list[Problem],
) -> list[T]:  # fmt: skip
    try:
        lines = plain_text(path).splitlines()
    except FileNotFoundError:
        problems.append(Problem(str(path), "", "no such file; paths are relative to the spec"))
        return []
    except UnicodeDecodeError:
        problems.append(Problem(str(path), "", "is not UTF-8 text; save it as UTF-8"))
        return []
    except (OSError, ValueError) as e:  # ValueError: a NUL in the name
        reason = e.strerror if isinstance(e, OSError) else e
        problems.append(Problem(str(path), "", f"cannot be read ({reason}); name a CSV file"))
        return []
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not numbered:
        problems.append(Problem(str(path), "", f"is empty; its first line names the columns {','.join(needed)}"))
        return []
    table: list[list[str]] = []
    for number, line in numbered:
        try:
            table.append(next(csv.reader([line], strict=True)))
        except (csv.Error, StopIteration) as e:
            message = f"is no row of a CSV table ({e}); write each row on one line, quotes in pairs"
            problems.append(Problem(f"{path}: line {number}", "", message))
            return []
    header = [cell.strip() for cell in table[0]]
    place = f"{path}: line {numbered[0][0]}"
    if len(header) == 1 and any(separator in header[0] for separator in ";\t"):  # as some spreadsheets write
        problems.append(Problem(place, "", "has no commas; put commas between cells, and points in numbers"))
        return []
    missing = [c for c in needed if c not in header]
    wrong = [f"no column {c!r}; add it to the header" for c in missing if c not in SIZES]
    if sizes := [repr(c) for c in missing if c in SIZES]:
        what = f"no column {sizes[0]}; add it" if len(sizes) == 1 else f"no columns {' and '.join(sizes)}; add them"
        wrong.append(f"{what} to the header, or set chip.pad_size in the spec")
    wrong += [f"unknown column {c!r}{nearest(c, known)}" for c in header if c not in known]
    wrong += [f"column {c!r} stands twice; remove one" for c in sorted(set(header)) if header.count(c) > 1]
    if wrong:
        problems.extend(Problem(place, "", message) for message in wrong)
        return []
    out = []
    for (number, _), cells in zip(numbered[1:], table[1:], strict=True):
        place = f"{path}: line {number}"
        if len(cells) != len(header):
            problems.append(Problem(place, "", f"has {len(cells)} cells; the header has {len(header)}"))
            continue
        out.append(make(dict(zip(header, (c.strip() for c in cells), strict=True)), place))
    return out


def _text(row: dict[str, str], key: str, place: str, problems: list[Problem]) -> str:
    text = row[key]
    if not text:
        problems.append(Problem(place, key, "is empty; write a name"))
    elif printable(text, 200) != text:
        problems.append(Problem(place, key, "is too long or has control characters; write a plain name"))
    return text


def _number(row: dict[str, str], key: str, place: str, problems: list[Problem]) -> Um:
    try:
        value = float(row[key])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        problems.append(Problem(place, key, f"must be a finite number of um, not {printable(row[key], 40)!r}"))
        return 0.0
    if abs(value / DBU - round(value / DBU)) > 1e-3:
        problems.append(Problem(place, key, f"{printable(row[key], 40)} is finer than 1 nm; round it to 3 decimals"))
    return value


def _size(
    row: dict[str, str], key: str, place: str, default: tuple[Um, Um] | None, axis: int, problems: list[Problem]
) -> Um:
    if not row.get(key):
        if default is None:
            problems.append(Problem(place, key, "is missing; fill it in, or set chip.pad_size in the spec"))
            return 1.0
        return default[axis]
    value = _number(row, key, place, problems)
    if value <= 0:
        problems.append(Problem(place, key, f"must be greater than 0, not {value:g}"))
    return value
