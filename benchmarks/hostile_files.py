"""Layout files that crash, hang or fill the memory of what reads them: made here, byte by byte.

GDSII: records of length, type, kind and data. OASIS (SEMI P39): variable-length numbers, and records that remember.
"""

from __future__ import annotations

import gzip
import random
import struct
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gdstk
import klayout.db as kdb


@dataclass(frozen=True, slots=True)
class Hostile:
    """A file to be: of which kind it is, its name, what is in it."""

    kind: str
    name: str
    data: bytes


# GDSII --------------------------------------------------------------------------------------------------------------


def record(kind: int, form: int, data: bytes = b"") -> bytes:
    data += b"\0" * (len(data) % 2)
    return struct.pack(">HBB", 4 + len(data), kind, form) + data


def shorts(*values: int) -> bytes:
    return struct.pack(f">{len(values)}h", *values)


def longs(*values: int) -> bytes:
    return struct.pack(f">{len(values)}i", *values)


def real(value: float) -> bytes:
    """Excess-64, base 16."""
    if value == 0:
        return bytes(8)
    sign, exponent, value = (128 if value < 0 else 0), 64, abs(value)
    while value >= 1 and exponent < 127:
        value, exponent = value / 16, exponent + 1
    while value < 1 / 16 and exponent > 0:
        value, exponent = value * 16, exponent - 1
    return bytes([sign | exponent]) + struct.pack(">Q", min(int(value * 2**56), 2**56 - 1))[1:]


DATES = bytes(24)
SQUARE = (0, 0, 1000, 0, 1000, 1000, 0, 1000, 0, 0)


def library(*cells: bytes, units: tuple[float, float] = (1e-3, 1e-9), end: bytes = record(4, 0)) -> bytes:
    head = record(0, 2, shorts(600)) + record(1, 2, DATES) + record(2, 6, b"LIB")
    return head + record(3, 5, real(units[0]) + real(units[1])) + b"".join(cells) + end


def cell(name: bytes, *elements: bytes) -> bytes:
    return record(5, 2, DATES) + record(6, 6, name) + b"".join(elements) + record(7, 0)


def boundary(*points: int) -> bytes:
    return record(8, 0) + record(13, 2, shorts(1)) + record(14, 2, shorts(0)) + record(16, 3, longs(*points)) + END_EL


END_EL = record(17, 0)
BOX = boundary(*SQUARE)


def place(name: bytes, *, mag: float | None = None, at: tuple[int, int] = (0, 0)) -> bytes:
    turned = b"" if mag is None else record(26, 1, shorts(0)) + record(27, 5, real(mag))
    return record(10, 0) + record(18, 6, name) + turned + record(16, 3, longs(*at)) + END_EL


def array(name: bytes, columns: int, rows: int, step: int = 2000) -> bytes:
    corners = longs(0, 0, columns * step, 0, 0, rows * step)
    return record(11, 0) + record(18, 6, name) + record(19, 2, shorts(columns, rows)) + record(16, 3, corners) + END_EL


def path(width: int, *points: int) -> bytes:
    head = record(9, 0) + record(13, 2, shorts(1)) + record(14, 2, shorts(0)) + record(15, 3, longs(width))
    return head + record(16, 3, longs(*points)) + END_EL


def text(words: bytes) -> bytes:
    head = record(12, 0) + record(13, 2, shorts(1)) + record(22, 2, shorts(0)) + record(16, 3, longs(0, 0))
    return head + record(25, 6, words) + END_EL


def gdsii() -> Iterator[Hostile]:
    def of(name: str, data: bytes) -> Hostile:
        return Hostile("GDSII, made", f"{name}.gds", data)

    far = (-(2**31), -(2**31), 2**31 - 1, -(2**31), 2**31 - 1, 2**31 - 1, -(2**31), 2**31 - 1, -(2**31), -(2**31))
    yield of("holds_itself", library(cell(b"A", BOX, place(b"A"))))
    yield of("hold_each_other", library(cell(b"T", place(b"A")), cell(b"A", BOX, place(b"B")), cell(b"B", place(b"A"))))
    yield of("missing_cell", library(cell(b"A", BOX, place(b"B"))))
    for n in (70, 5000):
        links = [cell(b"C%d" % i, place(b"C%d" % (i + 1))) for i in range(n)]
        yield of(f"chain_{n}", library(*links, cell(b"C%d" % n, BOX)))
    twice = [cell(b"C%d" % i, place(b"C%d" % (i + 1)), place(b"C%d" % (i + 1), at=(5000, 0))) for i in range(60)]
    yield of("doubled_60_times", library(*twice, cell(b"C60", BOX)))
    yield of("array_1e9", library(cell(b"A", BOX), cell(b"T", array(b"A", 32767, 32767, 20))))
    arrays = [cell(b"B%d" % i, array(b"B%d" % (i - 1) if i else b"A", 32767, 32767, 20)) for i in range(4)]
    yield of("arrays_of_arrays", library(cell(b"A", BOX), *arrays))
    yield of("array_backward", library(cell(b"A", BOX), cell(b"T", array(b"A", -1, -1))))
    yield of("array_of_none", library(cell(b"A", BOX), cell(b"T", array(b"A", 0, 0))))
    yield of("beyond_bounds", library(cell(b"A", boundary(*far))))
    steps = [cell(b"S%d" % i, place(b"S%d" % (i - 1) if i else b"A", at=(2**30 - 1, 0))) for i in range(5)]
    yield of("steps_beyond_bounds", library(cell(b"A", BOX), *steps))
    for width in (2**31 - 1, -(2**31)):
        yield of(f"path_{width}", library(cell(b"A", path(width, 0, 0, 5000, 0))))
    yield of("magnified_0", library(cell(b"A", BOX), cell(b"T", place(b"A", mag=0.0))))
    yield of("magnified_1e30", library(cell(b"A", BOX), cell(b"T", place(b"A", mag=1e30))))
    for units in ((0.0, 0.0), (-1e-3, -1e-9), (1e60, 1e60), (1e-3, 1.00001e-9), (1e-4, 1e-10)):
        yield of(f"unit_{units[1]:g}", library(cell(b"A", boundary(*(v + 1 for v in SQUARE))), units=units))
    yield of("name_not_utf8", library(cell(b"\xff\xfe", BOX)))
    yield of("name_with_lines", library(cell(b"a\nerror: b\x1b[2J", BOX)))
    yield of("name_up", library(cell(b"../../../x", BOX)))
    yield of("name_long", library(cell(b"A" * 32000, BOX)))
    yield of("names_but_for_case", library(cell(b"Via", BOX), cell(b"VIA", BOX)))
    yield of("text_not_utf8", library(cell(b"A", BOX, text(b"\xff\xfe"))))
    yield of("two_points", library(cell(b"A", BOX, boundary(0, 0, 5, 5))))
    yield of("odd_values", library(cell(b"A", BOX, boundary(0, 0, 5, 5, 9))))
    yield of("record_of_none", library(cell(b"A", BOX, bytes(4), BOX)))
    yield of("record_too_long", library(cell(b"A", BOX, b"\xff\xff\x10\x03", BOX)))
    yield of("no_end", library(cell(b"A", BOX), end=b""))
    yield of("no_cell", library())
    yield of("no_shape", library(cell(b"A")))


# OASIS --------------------------------------------------------------------------------------------------------------

MAGIC = b"%SEMI-OASIS\r\n"


def number(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def string(data: bytes) -> bytes:
    return number(len(data)) + data


def oasis_file(*records: bytes, unit: bytes = number(0) + number(1000), scheme: int = 0, wrong: int = 0) -> bytes:
    """With a checksum of 1: CRC, or 2: sum, off by `wrong`."""
    data = MAGIC + number(1) + string(b"1.0") + unit + number(0) + bytes(12) + b"".join(records)
    padding = 256 - 4 - (4 if scheme else 0)
    data += number(2) + number(padding) + bytes(padding) + number(scheme)
    if not scheme:
        return data
    total = zlib.crc32(data) if scheme == 1 else sum(data) & 0xFFFFFFFF
    return data + struct.pack("<I", (total + wrong) & 0xFFFFFFFF)


def rectangle(repetition: bytes = b"", width: int = 1000) -> bytes:
    flags = 0b01111011 | (4 if repetition else 0)
    place_and_size = number(1) + number(0) + number(width) + number(1000) + number(0) + number(0)
    return number(20) + bytes([flags]) + place_and_size + repetition


def block(data: bytes, claimed: int | None = None) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    return number(34) + number(0) + number(len(data) if claimed is None else claimed) + string(packed)


OASIS_CELL = number(14) + string(b"A")


def oasis() -> Iterator[Hostile]:
    def of(
        name: str, *records: bytes, unit: bytes = number(0) + number(1000), scheme: int = 0, wrong: int = 0
    ) -> Hostile:
        return Hostile("OASIS, made", f"{name}.oas", oasis_file(*records, unit=unit, scheme=scheme, wrong=wrong))

    for power in (15, 31):
        many = number(1) + 2 * number(2**power - 2) + 2 * number(20)
        yield of(f"array_2e{2 * power}", OASIS_CELL, rectangle(many, 10))
    # columns times rows are no number of 64 bits: 2^80 would count as 0, the last as 5
    for columns, rows in (
        (2**40, 2**40),
        (2**32, 2**32),
        (2**62, 4),
        (2**33 + 1, 5 * pow(2**33 + 1, -1, 2**64) % 2**64),
    ):
        grid = rectangle(number(1) + number(columns - 2) + number(rows - 2) + 2 * number(20), 10)
        yield of(f"array_{columns}_{rows}", OASIS_CELL, grid)
        yield of(f"array_{columns}_{rows}_in_a_block", OASIS_CELL, block(grid))
    vectors = number(8) + 2 * number(2**40 - 2) + number(20 << 4) + number(20 << 4 | 2)
    yield of("array_of_vectors_2e80", OASIS_CELL, rectangle(vectors, 10))
    yield of("row_2e64", OASIS_CELL, rectangle(number(2) + number(2**64 - 2) + number(20), 10))
    placed = number(17) + b"\xb8" + string(b"A") + number(0) + number(0) + number(1) + 2 * number(2**40 - 2)
    yield of("cell_2e80", OASIS_CELL, rectangle(), number(14) + string(b"T"), placed + 2 * number(2000))
    yield of("row_2e26", OASIS_CELL, rectangle(number(2) + number(2**26 - 2) + number(20), 10))
    yield of("list_2e62", OASIS_CELL, rectangle(number(4) + number(2**62) + bytes(9)))
    yield of("name_2e32", number(14) + number(2**32) + b"A")
    yield of("points_2e32", OASIS_CELL, number(21) + b"\x3b" + number(1) + number(0) + number(4) + number(2**32))
    yield of("block_claims_2e62", OASIS_CELL, block(b"", 2**62))
    yield of("block_of_nothing", OASIS_CELL, block(bytes(1 << 27)))
    yield of("block_of_same", OASIS_CELL, block(rectangle() + (number(20) + b"\0") * 20_000_000))
    yield of("block_in_block", OASIS_CELL, block(block(rectangle())))
    yield of("holds_itself", OASIS_CELL, rectangle(), number(17) + b"\xb0" + string(b"A") + number(0) + number(0))
    yield of("remembers_nothing", OASIS_CELL, number(20) + b"\0")
    yield of("too_wide", OASIS_CELL, rectangle(width=2**31 - 1))
    yield of("wider_than_all", OASIS_CELL, rectangle(width=2**62))
    yield of("endless_number", OASIS_CELL, number(20) + b"\x7b" + b"\xff" * 4000)
    for name, unit in (("0", number(0) + number(0)), ("nan", number(7) + struct.pack("<d", float("nan")))):
        yield of(f"unit_{name}", OASIS_CELL, rectangle(), unit=unit)
    for scheme in (1, 2):
        yield of(f"checksum_{scheme}_wrong", OASIS_CELL, rectangle(), scheme=scheme, wrong=1)
    yield Hostile("OASIS, made", "magic_alone.oas", MAGIC)


def packed() -> Iterator[Hostile]:
    """What .gz adds, and what is no layout at all."""

    def of(name: str, data: bytes) -> Hostile:
        return Hostile("packed and none", name, data)

    good = library(cell(b"A", BOX))
    yield of("bomb.gds.gz", gzip.compress(library(cell(b"A", BOX * 300_000)), mtime=0))
    yield of("nothing.gds.gz", gzip.compress(bytes(1 << 24), mtime=0))
    yield of("cut.gds.gz", gzip.compress(good, mtime=0)[:-9])
    yield of("wrong_sum.gds.gz", gzip.compress(good, mtime=0)[:-8] + bytes(8))
    yield of("twice.gds.gz", gzip.compress(gzip.compress(good, mtime=0), mtime=0))
    yield of("empty.gds", b"")
    yield of("empty.gds.gz", gzip.compress(b"", mtime=0))
    yield of("text.gds", b"no layout\n" * 9)
    yield of("dxf.gds", b"0\nSECTION\n2\nENTITIES\n0\nENDSEC\n0\nEOF\n")
    yield of("one_byte.oas", b"%")


# good files, and what becomes of them -------------------------------------------------------------------------------


def seeds() -> dict[str, bytes]:
    """Small good files of both formats, by two libraries."""
    layout = kdb.Layout()
    a, b, top = (layout.create_cell(name) for name in ("A", "B", "TOP"))
    metal, words = layout.layer(1, 0), layout.layer(2, 5)
    a.shapes(metal).insert(kdb.Box(0, 0, 1000, 500))
    a.shapes(metal).insert(kdb.Polygon([kdb.Point(*p) for p in ((0, 0), (500, 0), (700, 300), (200, 900))]))
    a.shapes(metal).insert(kdb.Path([kdb.Point(0, 0), kdb.Point(900, 0), kdb.Point(900, 900)], 100))
    a.shapes(words).insert(kdb.Text("VDD", 20, 30))
    b.insert(
        kdb.CellInstArray(a.cell_index(), kdb.Trans(1, True, 0, 0), kdb.Vector(2000, 0), kdb.Vector(0, 3000), 3, 4)
    )
    top.insert(kdb.CellInstArray(b.cell_index(), kdb.ICplxTrans(1.5, 30.0, False, kdb.Vector(9000, 0))))
    for i in range(9):
        top.shapes(metal).insert(kdb.Box(300 * i, 0, 300 * i + 100, 100))
    options = kdb.SaveLayoutOptions()
    out: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, level in (("k.gds", 0), ("k0.oas", 0), ("k9.oas", 9)):
            options.set_format_from_filename(name)
            options.gds2_write_timestamps = False
            options.oasis_compression_level = level
            options.oasis_write_cblocks = level > 0
            file = Path(folder) / name
            layout.write(str(file), options)
            out[name] = file.read_bytes()
        library_ = gdstk.read_gds(Path(folder) / "k.gds")
        for name, kind in (("g.oas", None), ("gcrc.oas", "crc32"), ("gsum.oas", "checksum32")):
            library_.write_oas(Path(folder) / name, compression_level=6, validation=kind)
            out[name] = (Path(folder) / name).read_bytes()
    return out


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The data with one to four changes: bytes, bits, pieces taken away, doubled, or put elsewhere."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out))
        piece = bytes(out[at : at + rng.randint(1, 24)])
        match rng.randrange(6):
            case 0:
                out[at] = rng.randrange(256)
            case 1:
                out[at] ^= 1 << rng.randrange(8)
            case 2:
                out[at : at + 4] = rng.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", bytes(4)))
            case 3 if len(out) > 64:
                del out[at : at + len(piece)]
            case 4:
                out[at:at] = piece
            case _:
                to = rng.randrange(len(out))
                out[to : to + len(piece)] = piece
    return bytes(out)


def made() -> list[Hostile]:
    """Every hostile kind that is made here."""
    return [*gdsii(), *oasis(), *packed()]


def mutations(number_: int, seed: int = 1) -> list[Hostile]:
    """So many mutated files, evenly of all seeds; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311  nothing secret
    good = sorted(seeds().items())
    picked = [good[i % len(good)] for i in range(number_)]
    return [
        Hostile(f"{'GDSII' if name.endswith('gds') else 'OASIS'}, mutated", f"{i}_{name}", mutated(data, rng))
        for i, (name, data) in enumerate(picked)
    ]


def truncations(every: int = 1) -> list[Hostile]:
    """A small file of each format, cut off at every n-th byte."""
    small = {
        "x.gds": library(cell(b"A", BOX), cell(b"T", array(b"A", 2, 2))),
        "x.oas": oasis_file(OASIS_CELL, rectangle()),
    }
    return [
        Hostile(f"{'GDSII' if name.endswith('gds') else 'OASIS'}, cut off", f"{n}_{name}", data[:n])
        for name, data in small.items()
        for n in range(0, len(data), every)
    ]
