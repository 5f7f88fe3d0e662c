"""The process in which a layout of someone else is opened; `layoutgen.foreign` starts it, and reads what it leaves.

A script of its own that imports nothing of the project: it runs isolated (`python -I`), sets limits to memory, time and
file size before all else, and may die of its input at any point. What it leaves in its folder are a layout whose cells
are called by number, and last of all `said.json`: what is wrong with the input, or the names and the layout's digest.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import mmap
import os
import re
import signal
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import klayout.db as kdb

OASIS = b"%SEMI-OASIS\r\n"
GDSII = b"\x00\x06\x00\x02"
GZIP = b"\x1f\x8b"
CHUNK = 1 << 20
END = 256
"""Length of the END record, with which every OASIS file ends (SEMI P39)."""
MOST_RATIO = 200
"""Of a compressed file's content to its size; layouts come to 10 to 50, what is made to harm to 1,000."""
SMALL = 1 << 20
"""Content (bytes) whose ratio does not matter."""
DBU = 0.001
MAX_DBU = 2**30
MOST_DEPTH = 64
MOST_CELLS = 500_000
BEGIN, NAMED = re.compile(rb"\x00\x1c\x05\x02"), re.compile(rb"([\x00-\x7f][\x06-\xff])([\x06\x12])\x06")
"""Of GDSII: the record that begins a cell, and those that hold its name and the names of cells that it holds."""
MANY_CELLS = 2000
BLOCK = b"\x22\x00"
"""How a compressed block (CBLOCK) of an OASIS file begins."""
MOST_BLOCK = 1 << 28
"""Bytes that one can hold; writers of layouts put 100 kB or so into each."""
LONG = re.compile(rb"[\xfe\xff]\xff{3}\x0f|[\x80-\xff]{4}[\x10-\x7f]|[\x80-\xff]{5,8}[\x01-\x7f]|[\x80-\xff]{9}\x01")
"""A number of OASIS from 2^32 - 2, which stands for 2^32 places, to below 2^64."""
LETTERS = bytes(ord("H" if byte >= 128 else "M" if byte >= 16 else "L") for byte in range(256))
"""Each byte as high, middle or low: what `LONG` may be is then found fast."""
ROWS, GRIDS = (2, 3, 9), (1, 8)
"""Types of repetitions that begin with a number of places, and with one of columns and one of rows."""
WIDEST = 2**28
"""Path width (database units) that cannot make its outline wrap around, wherever in 32 bits its points lie."""
HARMLESS = ("In file", "Record length larger than 0x8000", "Off-grid AREF")
"""How KLayout's warnings begin that tell of nothing left out or moved."""
Box = tuple[int, int, int, int]
"""Left, bottom, right, top in database units: KLayout's own wrap around beyond 2^31."""


class RefusedError(Exception):
    """What is wrong with the input, and the mend."""


def main() -> int:
    """Read as the job says that stands on the command line, and leave the answer; 0 where there is one."""
    job = json.loads(sys.argv[1])
    os.chdir(job["folder"])
    try:
        _limit(job["megabytes"], job["seconds"])
        _listen()
        sys.path += [p for p in job["path"] if p not in sys.path]
        said = _normalised(job["file"], job["prefix"], job["shapes"], job["convert"])
    except RefusedError as e:
        said = {"wrong": str(e)}
    except MemoryError:
        said = {"memory": True}
    said["token"] = job["token"]
    with open("said.tmp", "w", encoding="utf-8") as file:
        json.dump(said, file)
    os.replace("said.tmp", "said.json")
    return 0


def _limit(megabytes: int, seconds: int) -> None:
    import resource

    for what, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, megabytes << 20),
        (resource.RLIMIT_FSIZE, megabytes << 20),
    ):
        _, most = resource.getrlimit(what)
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(what, (limit, limit))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file too long is then an error like any other


def _listen() -> None:
    """What KLayout warns of goes to a file."""
    said = os.open("warnings.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)


def _refuse_warnings() -> None:
    """Refuse what KLayout reads otherwise than it stands in the file: a check of the rest would not be one of it."""
    with open("warnings.txt", "rb") as file:
        lines = file.read(1 << 20).decode("utf-8", "replace").splitlines()
    for line in lines:
        text = line.removeprefix("Warning: ")
        if text != line and not text.startswith(HARMLESS):
            raise RefusedError(f"is read with a warning ({text[:200]}); mend that, or write it anew")


def _normalised(file: str, prefix: str, most: int, convert: bool) -> dict[str, Any]:
    _look(file)
    import klayout.db as kdb

    with suppress(RuntimeError):
        kdb.Box.from_s("none")  # so that it has what it needs to throw: it ends the process if that is not to be had
    layout = kdb.Layout(False)  # viewer mode: arrays of shapes stay arrays
    try:
        layout.read(file)
        _refuse_warnings()
        if not 1e-6 <= layout.dbu <= 1:  # nor is it a number
            raise RefusedError(f"has a database unit of {layout.dbu:g} um; 0.000001 to 1 um are read")
        names = _names(layout)
        scale = _scale(layout) if convert else Fraction(1)
        _measure(layout, scale, most)
    except RuntimeError as e:
        raise RefusedError(_reason(e)) from None
    for i, _ in names:
        layout.rename_cell(i, f"{prefix}{i}")
    out = _write(kdb, layout, scale, DBU if convert else layout.dbu)
    with open(out, "rb") as written:
        digest = hashlib.file_digest(written, "blake2b").hexdigest()
    return {"layout": out, "digest": digest, "dbu": DBU if convert else layout.dbu, "names": names}


def _reason(error: RuntimeError) -> str:
    text = str(error).splitlines()[0] if str(error) else "unknown"
    if "topological_sort" in text:
        return "a cell holds itself, through others or at once; take it out"
    if "bad_alloc" in text:
        raise MemoryError
    return f"cannot be read ({text.split(', in file')[0][:200]}); it is damaged: write it anew"


# before it is opened ------------------------------------------------------------------------------------------------


def _look(file: str) -> None:
    """What the bytes themselves say: the kind of file, how much is packed into it, its checksum."""
    with open(file, "rb") as opened:
        packed = opened.read(2) == GZIP
    stored = os.path.getsize(file)
    size, head, tail = 0, b"", b""
    try:
        for chunk in _chunks(file, packed):
            size += len(chunk)
            head = head if len(head) >= CHUNK else head + chunk
            tail = (tail + chunk)[-END:]
            if packed and size > max(SMALL, MOST_RATIO * stored):
                message = f"unpacks to more than {MOST_RATIO} times its size"
                raise RefusedError(f"{message}; unpack it yourself if you trust it, and name the result")
            if not packed and len(head) > END:
                tail = _tail(file)
                break
    except (EOFError, OSError, zlib.error) as e:
        raise RefusedError(f"cannot be unpacked ({e}); it is damaged: copy it again") from None
    if size == 0:
        raise RefusedError("is empty; copy it again")
    if not head.startswith((OASIS, GDSII)):
        raise RefusedError("is no layout (no GDSII, no OASIS, nor .gz of one); name a GDSII or OASIS file")
    if head.startswith(OASIS) and not _checksum_holds(file, packed, head, tail):
        raise RefusedError("does not have the checksum that it ends with; it was changed or damaged: copy it again")

    refuse = _refuse_wrapping if head.startswith(OASIS) else _refuse_deep
    if packed:
        refuse(b"".join(_chunks(file, packed)))
    else:
        with open(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            refuse(data)


def _chunks(file: str, packed: bool) -> Iterator[bytes]:
    with gzip.open(file, "rb") if packed else open(file, "rb") as opened:
        while chunk := opened.read(CHUNK):
            yield chunk


def _refuse_deep(data: bytes | mmap.mmap) -> None:
    """Refuse a GDSII file of many cells in cells too deep: KLayout takes as long as cells times depth to say so."""
    if sum(1 for _ in BEGIN.finditer(data)) < MANY_CELLS:
        return
    inside: dict[bytes, set[bytes]] = {}
    here: set[bytes] = set()
    for match in NAMED.finditer(data):
        name = data[match.end() : match.end() - 4 + int.from_bytes(match[1], "big")].rstrip(b"\0")
        if match[2] == b"\x12":
            here.add(name)
        else:
            here = inside.setdefault(name, set())
    holders: dict[bytes, list[bytes]] = {name: [] for name in inside}
    for name, held in inside.items():
        held &= inside.keys()  # what else looks like a name is none
        for below in held:
            holders[below].append(name)
    left = {name: len(held) for name, held in inside.items()}
    bottom = [name for name, number in left.items() if not number]
    for _ in range(MOST_DEPTH):  # from below, one level after the other
        above = [holder for name in bottom for holder in holders[name]]
        for name in above:
            left[name] -= 1
        bottom = [name for name in dict.fromkeys(above) if not left[name]]
    if bottom:
        raise RefusedError(f"has cells in cells {MOST_DEPTH} deep, and deeper; flatten some")


def _refuse_wrapping(data: bytes | mmap.mmap) -> None:
    """Refuse an OASIS file whose repetitions KLayout would count wrongly: it multiplies columns and rows in 64 bits.

    2^40 by 2^40 places are read as one, others as a few that never end. What looks like that is looked for, without
    reading every record, between compressed blocks and in them.
    """
    start = at = 0
    while (at := data.find(BLOCK, at)) >= 0:
        inner, end = _block(data, at + len(BLOCK))
        if end:
            _refuse_long_rows(data[start:at])
            _refuse_long_rows(inner)
            start = end
        at = end or at + 1
    _refuse_long_rows(data[start:])


def _block(data: bytes | mmap.mmap, at: int) -> tuple[bytes, int]:
    """What a compressed block holds whose two lengths stand here, and where it ends; 0 if none begins here."""
    try:
        size, at = _number(data, at)
        length, at = _number(data, at)
    except IndexError:
        return b"", 0
    if at + length > len(data):
        return b"", 0
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inner = unpacker.decompress(data[at : at + length], min(size, MOST_BLOCK) + 1)
    except zlib.error:
        return b"", 0
    if len(inner) > MOST_BLOCK:
        raise RefusedError("has a compressed block that holds too much; write it anew without compression")
    return (inner, at + length) if len(inner) == size and unpacker.eof else (b"", 0)


def _refuse_long_rows(data: bytes) -> None:
    letters = data.translate(LETTERS)
    for where, sought in ((letters, b"HHHHM"), (letters, b"HHHHH"), (data, b"\xff\xff\xff\x0f")):
        at = -1
        while (at := where.find(sought, at + 1)) >= 0:
            first = at
            while first > max(0, at - 9) and data[first - 1] >= 128:
                first -= 1
            if first and LONG.match(data, first) and _wraps(data, first):
                raise RefusedError("has a repetition of 2^64 places or more; write it anew with fewer")


def _wraps(data: bytes, at: int) -> bool:
    """Whether the number that stands here may be of a repetition of 2^64 places or more: a grid's first or second."""
    before = at - 2
    while before >= 0 and data[before] >= 128:
        before -= 1
    try:
        if data[at - 1] in ROWS:
            return _number(data, at)[0] + 2 >= 2**64
        for kind, start in ((data[at - 1], at), (data[before], before + 1)):
            first, second = _number(data, start)
            if kind in GRIDS and (first + 2) * (_number(data, second)[0] + 2) >= 2**64:
                return before >= 0
    except IndexError:
        pass  # cut off: KLayout says so
    return False


def _tail(file: str) -> bytes:
    with open(file, "rb") as opened:
        opened.seek(-END, os.SEEK_END)
        return opened.read()


def _checksum_holds(file: str, packed: bool, head: bytes, tail: bytes) -> bool:
    """Whether an OASIS file's bytes sum up to what its END record says; True where there is none, or no END record."""
    try:
        scheme, at = _validation(head, tail)
    except IndexError:
        return True  # cut off, or none that can be read: KLayout says so
    if scheme not in (1, 2):
        return True
    crc = total = 0
    held = b""
    for chunk in _chunks(file, packed):
        body, held = (held + chunk)[:-4], (held + chunk)[-4:]
        if scheme == 1:
            crc = zlib.crc32(body, crc)
        else:
            total += sum(body)
    return (crc if scheme == 1 else total & 0xFFFFFFFF) == int.from_bytes(tail[at:], "little")


def _validation(head: bytes, tail: bytes) -> tuple[int, int]:
    """Scheme (0 none, 1 CRC, 2 sum), and where in the END record the signature stands."""
    _, at = _number(head, len(OASIS))  # START
    length, at = _number(head, at)
    at = _real(head, at + length)
    in_end, _ = _number(head, at)
    kind, at = _number(tail, 0)
    if kind != 2 or len(tail) != END:
        return 0, END
    for _ in range(12 if in_end else 0):
        _, at = _number(tail, at)
    length, at = _number(tail, at)
    scheme, at = _number(tail, at + length)
    return scheme if at == END - 4 else 0, at


def _number(data: bytes | mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def _real(data: bytes, at: int) -> int:
    """Where a real ends: a whole number, its reciprocal, a ratio (each of both signs), or 4 or 8 bytes."""
    kind, at = _number(data, at)
    if kind >= 6:
        return at + (4 if kind == 6 else 8)
    for _ in range(1 if kind < 4 else 2):
        _, at = _number(data, at)
    return at


# once it is opened --------------------------------------------------------------------------------------------------


def _names(layout: kdb.Layout) -> list[tuple[int, str]]:
    """Index and name of each cell, made printable, and then numbered where several look alike."""
    if layout.cells() > MOST_CELLS:
        raise RefusedError(f"has {layout.cells()} cells; {MOST_CELLS} are read")
    if not layout.cells():
        raise RefusedError("has no cell; draw something")
    out: list[tuple[int, str]] = []
    seen: dict[str, str] = {}
    taken: set[str] = set()
    for cell in layout.each_cell():
        try:
            name = cell.name
        except RuntimeError:  # of UnicodeDecodeError
            raise RefusedError("the name of a cell is not UTF-8; rename it") from None
        if cell.is_ghost_cell():
            raise RefusedError(f"cell {_short(name)} is placed, but is not in the file; add it, or take it out")
        if (other := seen.setdefault(name.casefold(), name)) != name:
            raise RefusedError(f"cells {_short(other)} and {_short(name)} differ by nothing but case; rename one")
        plain = "".join(c if c.isprintable() else "?" for c in name)[:200] or "?"
        shown, n = plain, 2
        while shown.casefold() in taken:
            shown, n = f"{plain}_{n}", n + 1
        taken.add(shown.casefold())
        out.append((cell.cell_index(), shown))
    return out


def _scale(layout: kdb.Layout) -> Fraction:
    """By what every coordinate is to be multiplied, for a database unit of 0.001 um."""
    dbu = layout.dbu
    scale = Fraction(dbu / DBU).limit_denominator(1000)
    if abs(scale * DBU - dbu) > 1e-9 * dbu:
        raise RefusedError(
            f"has a database unit of {dbu:g} um, which is no multiple of {DBU:g} um; write it with {DBU:g}"
        )
    return scale


def _measure(layout: kdb.Layout, scale: Fraction, most: int) -> None:
    """Refuse what is too deep, too many, too far out, or between the points of the grid."""
    depths: dict[int, int] = {}
    counts: dict[int, int] = {}
    boxes: dict[int, Box | None] = {}
    layers = layout.layer_indexes()
    for index in layout.each_cell_bottom_up():
        cell = layout.cell(index)
        depth, count = 0, 0
        for layer in layers:
            shapes = cell.shapes(layer)
            count += shapes.size()
            _refuse_far_shapes(shapes, scale, cell.name)
        for inst in cell.each_inst():
            array = inst.cell_inst
            below = array.cell_index
            depth = max(depth, depths[below] + 1)
            count += array.size() * counts[below]
            if (inner := boxes[below]) is not None:
                _refuse_far(_placed(array, inner), scale, cell.name)
            if scale.denominator > 1:
                _on_grid([*_steps(array)], scale, cell.name)
        if depth >= MOST_DEPTH:
            raise RefusedError(f"has cells in cells {depth} deep; {MOST_DEPTH} are read: flatten some")
        if count > most:
            raise RefusedError(f"cell {_short(cell.name)} has {count} shapes, all placements counted; {most} are read")
        if scale.denominator > 1:
            for layer in layers:
                for shape in cell.shapes(layer).each():
                    _on_grid(_coordinates(shape), scale, cell.name)
        box = cell.bbox()  # nothing in it can have wrapped around, as all of its parts are within bounds
        depths[index], counts[index] = depth, count
        boxes[index] = None if box.empty() else (box.left, box.bottom, box.right, box.top)
        _refuse_far(boxes[index], scale, cell.name)
    if not any(counts.values()):
        raise RefusedError("has no shape in any cell; draw something")


def _short(name: str) -> str:
    return repr("".join(c if c.isprintable() else "?" for c in name)[:60])


def _refuse_far_shapes(shapes: kdb.Shapes, scale: Fraction, cell: str) -> None:
    """Refuse shapes that touch what lies beyond the bounds; KLayout finds them without a look at each."""
    import klayout.db as kdb

    for path in shapes.each(kdb.Shapes.SPaths):
        if max(abs(path.path_width), abs(path.path_bgnext), abs(path.path_endext)) >= WIDEST:
            raise RefusedError(f"cell {_short(cell)} has a path that is {path.path_width} units wide; draw a polygon")
    near, end = math.ceil(MAX_DBU / scale), 2**31 - 1
    if near > end:
        return
    for beyond in ((-end - 1, -end - 1, -near, end), (near, -end - 1, end, end),
                   (-end - 1, -end - 1, end, -near), (-end - 1, near, end, end)):  # fmt: skip
        for _ in shapes.each_touching(kdb.Box(*beyond)):
            _refuse_far(beyond, scale, cell)


def _refuse_far(box: Box | None, scale: Fraction, cell: str) -> None:
    if box is not None and max(map(abs, box)) * scale >= MAX_DBU:
        far = MAX_DBU // 1000
        raise RefusedError(f"cell {_short(cell)} reaches beyond {far} um; move it nearer to (0, 0)")


def _union(a: Box | None, b: Box | None) -> Box | None:
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _placed(array: kdb.CellInstArray, inner: Box) -> Box | None:
    """Where a placement, or an array of them, puts a box; rounded outward where it is turned by any angle."""
    import klayout.db as kdb

    if not array.is_regular_array() and array.size() > 1:
        box: Box | None = None
        for turn in array.each_cplx_trans():
            box = _union(box, _placed(kdb.CellInstArray(0, turn), inner))
        return box
    xs, ys = [], []
    if array.is_complex():
        turn, m = array.cplx_trans, array.cplx_trans.mag
        if not (math.isfinite(m) and 0 < m <= MAX_DBU and math.isfinite(turn.angle)):
            raise RefusedError("a cell is placed with a magnification or an angle that is no number; place it anew")
        cos, sin = math.cos(math.radians(turn.angle)), math.sin(math.radians(turn.angle))
        for x, y in ((x, y) for x in inner[::2] for y in inner[1::2]):
            y = -y if turn.is_mirror() else y
            xs += [math.floor(m * (x * cos - y * sin)) - 1, math.ceil(m * (x * cos - y * sin)) + 1]
            ys += [math.floor(m * (x * sin + y * cos)) - 1, math.ceil(m * (x * sin + y * cos)) + 1]
        move = array.cplx_trans.disp
        dx, dy = round(move.x), round(move.y)
    else:
        straight = array.trans
        quarter = straight.angle
        for x, y in ((x, y) for x in inner[::2] for y in inner[1::2]):
            y = -y if straight.is_mirror() else y
            x, y = ((x, y), (-y, x), (-x, -y), (y, -x))[quarter]
            xs.append(x)
            ys.append(y)
        dx, dy = straight.disp.x, straight.disp.y
    steps_x, steps_y = [0], [0]
    if array.size() > 1:
        for step, number in ((array.a, array.na), (array.b, array.nb)):
            steps_x.append(step.x * max(0, number - 1))
            steps_y.append(step.y * max(0, number - 1))
    low_x, high_x = sum(min(0, s) for s in steps_x), sum(max(0, s) for s in steps_x)
    low_y, high_y = sum(min(0, s) for s in steps_y), sum(max(0, s) for s in steps_y)
    return min(xs) + dx + low_x, min(ys) + dy + low_y, max(xs) + dx + high_x, max(ys) + dy + high_y


def _steps(array: kdb.CellInstArray) -> Iterator[int]:
    if array.is_complex():
        raise RefusedError(
            "has a finer database unit than 0.001 um, and cells turned or magnified; write it with 0.001"
        )
    for turn in [array.trans] if array.is_regular_array() else array.each_trans():
        yield from (turn.disp.x, turn.disp.y)
    if array.is_regular_array():
        yield from (array.a.x, array.a.y, array.b.x, array.b.y)


def _coordinates(shape: kdb.Shape) -> list[int]:
    if shape.is_text():
        return []  # names something, and is no mask data
    if shape.is_box():
        box = shape.box
        return [box.left, box.bottom, box.right, box.top]
    if shape.is_path():
        ends = [shape.path_width, shape.path_bgnext, shape.path_endext]
        return [*ends, *(v for p in shape.each_point() for v in (p.x, p.y))]
    polygon = shape.polygon
    if polygon is None:
        return [v for e in [shape.edge] if e is not None for v in (e.x1, e.y1, e.x2, e.y2)]
    points = [*polygon.each_point_hull()]
    for hole in range(polygon.holes()):
        points += polygon.each_point_hole(hole)
    return [v for p in points for v in (p.x, p.y)]


def _on_grid(values: list[int], scale: Fraction, cell: str) -> None:
    for value in values:
        if value % scale.denominator:
            at = float(value * scale * Fraction(1, 1000))
            where = f"cell {_short(cell)} has a coordinate of {at:g} um"
            raise RefusedError(f"{where}, between two points of the {DBU:g} um grid; move it onto the grid")


def _write(kdb: Any, layout: kdb.Layout, scale: Fraction, dbu: float) -> str:
    """The layout for the parent: as OASIS, which is fast and keeps arrays; what OASIS cannot say, as GDSII."""
    options = kdb.SaveLayoutOptions()
    options.dbu = dbu
    if scale == 1:
        layout.dbu = dbu  # rid of the dust of its binary fraction
    try:
        if not _plain(kdb, layout):
            raise RuntimeError("OASIS has ASCII texts only")
        options.format = "OASIS"
        options.oasis_compression_level = 1
        options.oasis_write_cblocks = True
        layout.write(os.path.abspath("out.oas"), options)
        return "out.oas"
    except RuntimeError as e:  # also of paths of odd width
        if "bad_alloc" in str(e):
            raise MemoryError from None
    options.format = "GDS2"
    options.gds2_multi_xy_records = False
    options.gds2_max_vertex_count = 8000
    options.gds2_write_timestamps = False
    try:
        layout.write(os.path.abspath("out.gds"), options)
    except RuntimeError as e:
        raise RefusedError(_reason(e)) from None
    return "out.gds"


def _plain(kdb: Any, layout: kdb.Layout) -> bool:
    for cell in layout.each_cell():
        for layer in layout.layer_indexes():
            for shape in cell.shapes(layer).each(kdb.Shapes.STexts):
                try:
                    if not (shape.text_string.isascii() and shape.text_string.isprintable()):
                        return False
                except RuntimeError:  # of UnicodeDecodeError
                    return False
    return True


def _leave(code: int) -> NoReturn:
    os._exit(code)  # at once: tearing down millions of shapes takes time, and may crash


if __name__ == "__main__":
    _leave(main())
