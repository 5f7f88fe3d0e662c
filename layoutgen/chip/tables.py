"""A chip's pads and balls as CSV tables: `pad,net,x,y[,width,height]` and `ball,net,x,y`, all lengths in um.

Columns that may be left out say more: `group`, `polygon` (corners about the centre: `x y x y ...`), and a ball's size.
A net `*` or `*NAME` marks what is free, for any or for those of group NAME. A third table, `shape,polygon`, holds an
`outline` that is no rectangle, and each `keepout`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from layoutgen.chip.model import ANY, Ball, Chip, Pad
from layoutgen.chip.shapes import Ring, bounds, described, ring
from layoutgen.errors import ChipError, Problem, nearest, printable
from layoutgen.tomlfile import plain_text
from layoutgen.units import Um, off_grid

T = TypeVar("T")
PAD_COLUMNS = ("pad", "net", "x", "y", "width", "height", "group", "polygon")
BALL_COLUMNS = ("ball", "net", "x", "y", "width", "height", "group", "polygon")
SHAPE_COLUMNS = ("shape", "polygon")
NEEDED = 4
"""Columns that each of the two tables has in any case."""
SIZES = PAD_COLUMNS[4:6]
MOST_CORNERS = 4000


def read_tables(
    name: str,
    size: tuple[Um, Um] | None,
    pads: Path | None,
    balls: Path | None,
    pad_size: tuple[Um, Um] | None,
    shapes: Path | None = None,
    spec: str = "",
) -> Chip:
    """A chip from its tables; `pad_size` is the metal of pads whose row does not say.

    Lines that start with # are notes. Names and nets are free text; sizes must be positive. `size` may be None where
    `shapes` holds an outline, and a table where the chip has no pads, or no balls. `spec`: the file that names them.

    Raises:
        ChipError: a table is missing or wrong; all problems of all tables at once.
    """
    problems: list[Problem] = []

    def pad(row: dict[str, str], place: str) -> Pad:
        width, height, polygon = _shape(row, place, pad_size, problems)
        x, y = _number(row, "x", place, problems), _number(row, "y", place, problems)
        net, group = _net(row, place, problems)
        return Pad(_text(row, "pad", place, problems), net, x, y, width, height, place, group, polygon)

    def ball(row: dict[str, str], place: str) -> Ball:
        given = any(row.get(key) for key in (*SIZES, "polygon"))
        width, height, polygon = _shape(row, place, None, problems) if given else (0.0, 0.0, ())
        x, y = _number(row, "x", place, problems), _number(row, "y", place, problems)
        net, group = _net(row, place, problems)
        return Ball(_text(row, "ball", place, problems), net, x, y, place, width, height, group, polygon)

    def shape(row: dict[str, str], place: str) -> tuple[str, Ring, str]:
        if row["shape"] not in ("outline", "keepout"):
            message = f"must be outline or keepout, not {printable(row['shape'], 40)!r}"
            problems.append(Problem(place, "shape", message))
        if not row["polygon"]:
            problems.append(Problem(place, "polygon", "is empty; write its corners: x y x y ..."))
        return row["shape"], _polygon(row, place, problems), place

    # a table of pads that all say their polygon needs no sizes, which only the rows can tell
    needed = PAD_COLUMNS[:NEEDED] if pad_size else (*PAD_COLUMNS[:NEEDED], *SIZES)
    by = {key: (spec, f"chip.{key}") for key in ("pads", "balls", "shapes") if spec}
    all_pads = _rows(pads, needed, PAD_COLUMNS, pad, problems, by.get("pads"))
    all_balls = _rows(balls, BALL_COLUMNS[:NEEDED], BALL_COLUMNS, ball, problems, by.get("balls"))
    all_shapes = _rows(shapes, SHAPE_COLUMNS, SHAPE_COLUMNS, shape, problems, by.get("shapes"))
    outlines = [(points, place) for what, points, place in all_shapes if what == "outline" and points]
    outline = _the_outline(outlines, size, str(shapes or pads or name), problems)
    if problems:
        raise ChipError(problems)
    if size is None:
        size = bounds(outline)[2:]
    keepouts = tuple(points for what, points, _ in all_shapes if what == "keepout")
    return Chip(name, size[0], size[1], tuple(all_pads), tuple(all_balls), outline, keepouts)


def _the_outline(
    outlines: list[tuple[Ring, str]], size: tuple[Um, Um] | None, file: str, problems: list[Problem]
) -> Ring:
    if not outlines:
        if size is None and not problems:
            problems.append(Problem(file, "", "no outline; give the die's size, or a shape outline"))
        return ()
    points, place = outlines[0]
    if len(outlines) > 1:
        problems.append(Problem(outlines[1][1], "shape", "is a second outline; a die has one"))
    x0, y0, x1, y1 = bounds(points)
    if (x0, y0) != (0.0, 0.0):
        problems.append(Problem(place, "polygon", f"begins at ({x0:g}, {y0:g}); the die's lower-left corner is (0, 0)"))
    elif size is not None and (x1, y1) != size:
        problems.append(
            Problem(place, "polygon", f"is {x1:g} x {y1:g} um, the size {size[0]:g} x {size[1]:g}; mend one")
        )
    return points


def write_tables(chip: Chip) -> tuple[str, str]:
    """The text of the pad table and of the ball table; what `read_tables` reads back."""
    pads = ((p.name, _cell(p.net, p.group), p.x, p.y, *_sizes(p), _asks(p), _corners(p.polygon)) for p in chip.pads)
    balls = ((b.name, _cell(b.net, b.group), b.x, b.y, *_sizes(b), _asks(b), _corners(b.polygon)) for b in chip.balls)
    return _table(PAD_COLUMNS, pads, NEEDED + len(SIZES)), _table(BALL_COLUMNS, balls, NEEDED)


def write_shapes(chip: Chip) -> str:
    """The text of the third table: the outline, where it is no rectangle, and keep-outs; "" where there is nothing."""
    rows = [("outline", _corners(chip.outline))] if chip.outline else []
    rows += [("keepout", _corners(points)) for points in chip.keepouts]
    return _table(SHAPE_COLUMNS, rows, len(SHAPE_COLUMNS)) if rows else ""


def _cell(net: str, group: str) -> str:
    return net or (ANY if group == ANY else ANY + group)


def _asks(of: Pad | Ball) -> str:
    return of.group if of.net else ""


def _sizes(of: Pad | Ball) -> tuple[object, object]:
    return ("", "") if of.polygon or not of.width else (of.width, of.height)


def _corners(points: Ring) -> str:
    return " ".join(f"{v:.10g}" for point in points for v in point)


def _table(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]], always: int) -> str:
    """A table's text; of the columns beyond `always`, only those with something in them."""
    cells = [[f"{v:.10g}" if isinstance(v, float) else str(v) for v in row] for row in rows]
    used = [i for i in range(len(columns)) if i < always or any(row[i] for row in cells)]
    columns, cells = tuple(columns[i] for i in used), [[row[i] for i in used] for row in cells]
    out = io.StringIO()
    noted = any(row[0].startswith("#") for row in cells)  # would be read as a note, unless quoted
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL if noted else csv.QUOTE_MINIMAL)
    writer.writerow(columns)
    writer.writerows(cells)
    return out.getvalue()


def _rows(
    path: Path | None, needed: tuple[str, ...], known: tuple[str, ...], make: Callable[[dict[str, str], str], T],
    problems: list[Problem], by: tuple[str, str] | None,
) -> list[T]:  # fmt: skip
    """What each row of a table makes; by: the spec and its key that name the table."""
    if path is None:
        return []
    try:
        lines = plain_text(path).splitlines()
    except FileNotFoundError:
        missing = Problem(str(path), "", "no such file; name one that is there")
        if by is not None:
            missing = Problem(*by, f"no file {printable(str(path), 200)!r}; write its path as seen from the spec")
        problems.append(missing)
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
    lacks = [c for c in needed if c not in header and not (c in SIZES and "polygon" in header)]
    wrong = [f"no column {c!r}; add it to the header" for c in lacks if c not in SIZES]
    if sizes := [repr(c) for c in lacks if c in SIZES]:
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


def _net(row: dict[str, str], place: str, problems: list[Problem]) -> tuple[str, str]:
    """Net and group; a net cell that begins with * names the group of something free."""
    net, group = _text(row, "net", place, problems), row.get("group", "")
    if group:
        _text(row, "group", place, problems)
    if not net.startswith(ANY):
        return net, group
    if group:
        problems.append(
            Problem(place, "group", f"stands beside the net {net!r}, which is free; write it there: *{group}")
        )
    return "", net[1:] or ANY


def _polygon(row: dict[str, str], place: str, problems: list[Problem]) -> Ring:
    text = row.get("polygon", "")
    if not text:
        return ()
    if sizes := [key for key in SIZES if row.get(key)]:
        problems.append(Problem(place, sizes[0], "stands beside a polygon, which says it; leave it empty"))
    numbers = [_finite(part, "polygon", place, problems) for part in text.split()]
    if len(numbers) % 2 or len(numbers) > 2 * MOST_CORNERS:
        message = f"has {len(numbers)} numbers; write x and y of each corner, {MOST_CORNERS} corners at most"
        problems.append(Problem(place, "polygon", message))
        return ()
    try:
        return ring(zip(numbers[::2], numbers[1::2], strict=True))
    except ValueError as e:
        problems.append(Problem(place, "polygon", f"{e}; write x and y of each corner in turn"))
        return ()


def _shape(
    row: dict[str, str], place: str, default: tuple[Um, Um] | None, problems: list[Problem]
) -> tuple[Um, Um, Ring]:
    """Width, height and corners of a row's metal."""
    if row.get("polygon"):
        polygon = _polygon(row, place, problems)
        return described(polygon) if polygon else (1.0, 1.0, ())
    width, height = (_size(row, key, place, default, axis, problems) for axis, key in enumerate(SIZES))
    return width, height, ()


def _number(row: dict[str, str], key: str, place: str, problems: list[Problem]) -> Um:
    return _finite(row[key], key, place, problems)


def _finite(text: str, key: str, place: str, problems: list[Problem]) -> Um:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        problems.append(Problem(place, key, f"must be a finite number of um, not {printable(text, 40)!r}"))
        return 0.0
    if off_grid(value):
        problems.append(Problem(place, key, f"{printable(text, 40)} is finer than 1 nm; round it to 3 decimals"))
    return value


def _size(
    row: dict[str, str], key: str, place: str, default: tuple[Um, Um] | None, axis: int, problems: list[Problem]
) -> Um:
    if not row.get(key):
        if default is None:
            other = "set chip.pad_size in the spec" if "pad" in row else "leave both sizes out"
            problems.append(Problem(place, key, f"is missing; fill it in, or {other}"))
            return 1.0
        return default[axis]
    before = len(problems)
    value = _number(row, key, place, problems)
    if value <= 0 and len(problems) == before:
        problems.append(Problem(place, key, f"must be greater than 0, not {value:g}"))
    return value
