"""Layouts of others: what is good comes back as it is, what is not ends in one line, and nothing harms this process."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gdstk
import hostile_files
import klayout.db as kdb
import pytest
from hostile_files import BOX, OASIS_CELL, Hostile, cell, library, oasis_file, place, rectangle, text

from layoutgen import foreign
from layoutgen.errors import InputError

HARMLESS = {"array_of_none.gds", "name_with_lines.gds", "name_up.gds", "name_long.gds", "text_not_utf8.gds"}

SLOW = {"block_of_nothing.oas", "block_of_same.oas", "array_backward.gds"}
"""Seconds each; the benchmark reads them."""


def read(data: bytes, path: Path, **bounds: float) -> kdb.Layout:
    path.write_bytes(data)
    return foreign.read(path, **bounds)  # type: ignore[arg-type]


def outcome(file: Hostile, folder: Path) -> str:
    """`read`, or the one line that says why not."""
    path = folder / file.name
    try:
        return "read" if read(file.data, path, seconds=3).cells() else "nothing"
    except InputError as e:
        assert str(e).isprintable()  # noqa: PT017
        assert str(e).startswith(f"{path}: ")  # noqa: PT017
        return str(e).removeprefix(f"{path}: ")


def outcomes(files: list[Hostile], folder: Path) -> dict[str, str]:
    with ThreadPoolExecutor(2) as pool:
        return dict(zip((f.name for f in files), pool.map(lambda f: outcome(f, folder), files), strict=True))


def same(a: kdb.Layout, b: kdb.Layout, tops: tuple[str, str]) -> None:
    """Equal flat, layer by layer, texts included."""
    infos = {(i.layer, i.datatype) for layout in (a, b) for i in layout.layer_infos()}
    for info in sorted(infos):
        flat = []
        for layout, top in ((a, tops[0]), (b, tops[1])):
            index, found = layout.find_layer(*info), layout.cell(top)
            assert index is not None
            texts = kdb.Texts(found.begin_shapes_rec(index))
            flat.append((kdb.Region(found.begin_shapes_rec(index)), sorted(map(str, texts.each()))))
        assert (flat[0][0] ^ flat[1][0]).is_empty()
        assert flat[0][1] == flat[1][1]
        assert not flat[0][0].is_empty() or flat[0][1]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", sorted(hostile_files.seeds()))
def test_good_files_come_back_as_they_are(name: str, packed: bool, tmp_path: Path) -> None:
    data = hostile_files.seeds()[name]
    direct = kdb.Layout()
    (tmp_path / name).write_bytes(data)
    direct.read(str(tmp_path / name))
    got = read(gzip.compress(data) if packed else data, tmp_path / f"{name}{'.gz' * packed}")
    assert got.dbu == 0.001
    assert sorted(c.name for c in got.each_cell()) == ["A", "B", "TOP"]
    same(direct, got, ("TOP", "TOP"))


def test_what_oasis_cannot_say_is_kept(tmp_path: Path) -> None:
    layout = kdb.Layout()
    top = layout.create_cell("TOP")
    metal = layout.layer(1, 0)
    top.shapes(metal).insert(kdb.Path([kdb.Point(0, 0), kdb.Point(1000, 0)], 33))
    top.shapes(metal).insert(kdb.Text("10 µm", 5, 6))
    top.shapes(metal).insert(kdb.Box(0, 0, 10, 10)).set_property(7, "seven")
    layout.write(str(tmp_path / "x.gds"))
    got = foreign.read(tmp_path / "x.gds")
    same(layout, got, ("TOP", "TOP"))
    shapes = [s for s in got.cell("TOP").shapes(got.layer(1, 0)).each() if s.is_box()]
    assert [s.property(7) for s in shapes] == ["seven"]


@pytest.mark.parametrize(("dbu", "by"), [(0.001, 1), (0.005, 5), (0.0025, 2.5), (0.0005, 0.5), (0.0001, 0.1)])
@pytest.mark.parametrize("end", ["gds", "oas"])
def test_another_database_unit_is_converted_where_that_is_exact(
    dbu: float, by: float, end: str, tmp_path: Path
) -> None:
    layout = kdb.Layout()
    layout.dbu = dbu
    below, top = layout.create_cell("A"), layout.create_cell("TOP")
    below.shapes(layout.layer(1, 0)).insert(kdb.Box(0, 0, 70, 110))
    top.insert(kdb.CellInstArray(below.cell_index(), kdb.Trans(30, 50), kdb.Vector(170, 0), kdb.Vector(0, 190), 3, 2))
    path = tmp_path / f"x.{end}"
    layout.write(str(path))
    got = foreign.read(path)
    assert got.dbu == 0.001
    boxes = sorted(str(p.bbox()) for p in kdb.Region(got.cell("TOP").begin_shapes_rec(0)).each())
    lefts = [(30 + 170 * i, 50 + 190 * j) for i in range(3) for j in range(2)]
    assert boxes == sorted(
        str(kdb.Box(*(round(v * by) for v in (x, y, x + 70, y + 110)))) for x, y in lefts
    )  # fmt: skip
    assert foreign.read(path, convert=False).dbu == pytest.approx(dbu, rel=1e-12)
    if by < 1:
        below.shapes(layout.layer(1, 0)).insert(kdb.Box(0, 0, 3, 10))
        layout.write(str(path))
        with pytest.raises(InputError, match=r"cell 'A' has a coordinate of .* um, between two points of the 0.001 um"):
            foreign.read(path)


def test_checksums(tmp_path: Path) -> None:
    for scheme in (1, 2):
        assert read(oasis_file(OASIS_CELL, rectangle(), scheme=scheme), tmp_path / "x.oas").top_cell().name == "A"
        with pytest.raises(InputError, match="does not have the checksum that it ends with"):
            read(oasis_file(OASIS_CELL, rectangle(), scheme=scheme, wrong=1), tmp_path / "x.oas")
    library_ = gdstk.Library()
    library_.new_cell("A").add(gdstk.rectangle((0, 0), (1, 1)))
    library_.write_oas(tmp_path / "g.oas", validation="crc32")
    data = bytearray((tmp_path / "g.oas").read_bytes())
    assert read(bytes(data), tmp_path / "g.oas").cells() == 1
    data[-1] ^= 1
    with pytest.raises(InputError, match="checksum"):
        read(bytes(data), tmp_path / "g.oas")


def test_names_are_made_printable_and_kept_apart(tmp_path: Path) -> None:
    got = read(library(cell(b"a\nb", BOX), cell(b"../x", BOX), cell(b"a\tb", BOX)), tmp_path / "x.gds")
    assert sorted(c.name for c in got.each_cell()) == ["../x", "a?b", "a?b_2"]
    for names, said in (
        ((b"Via", b"VIA"), "cells 'Via' and 'VIA' differ by nothing but case; rename one"),
        ((b"\xff\xfe",), "the name of a cell is not UTF-8; rename it"),
    ):
        with pytest.raises(InputError) as e:
            read(library(*(cell(name, BOX) for name in names)), tmp_path / "x.gds")
        assert str(e.value).endswith(said)


def test_paths_are_files_and_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("pipe:touch ran", "http://localhost/x.gds", "file:x.gds", "data:,x"):
        with pytest.raises(InputError, match="no such file"):
            foreign.read(Path(name))
    for module in ("json", "klayout", "gzip", "sitecustomize"):
        Path(f"{module}.py").write_text("open('ran', 'w')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "json.py"))
    assert read(library(cell(b"A", BOX)), Path("pipe:touch ran")).cells() == 1
    assert not Path("ran").exists()
    with pytest.raises(InputError, match="is no file; name a GDSII or OASIS file"):
        foreign.read(tmp_path)


def test_bounds_of_memory_time_and_shapes(tmp_path: Path) -> None:
    many = library(cell(b"A", *[BOX] * 50), cell(b"T", hostile_files.array(b"A", 10, 10)))
    with pytest.raises(InputError, match="cell 'T' has 5000 shapes, all placements counted; 4999 are read"):
        read(many, tmp_path / "x.gds", shapes=4999)
    assert read(many, tmp_path / "x.gds", shapes=5000).cells() == 2
    back = library(cell(b"A", BOX), cell(b"T", hostile_files.array(b"A", -1, -1)))
    with pytest.raises(InputError, match="could not be read within 1 s"):
        read(back, tmp_path / "x.gds", seconds=1)
    words = library(cell(b"A", BOX, *[text(b"%09d" % i * 40) for i in range(150_000)]))
    with pytest.raises(InputError, match=r"needs more than 200 MB of memory|with 200 MB allowed"):
        read(words, tmp_path / "x.gds", megabytes=200)


def test_what_only_looks_like_a_long_row_is_read(tmp_path: Path) -> None:
    """Far coordinates, and texts that are no ASCII: their bytes are those of large numbers."""
    layout = kdb.Layout()
    shapes = layout.create_cell("TOP").shapes(layout.layer(1, 0))
    far = 2**30 - 2
    for i in range(200):
        shapes.insert(kdb.Box(-far + i, -far, far - i, far - i * 7))
        shapes.insert(kdb.Polygon([kdb.Point(x, y) for x, y in ((-far, i), (far, far - i), (far - 5 * i, -far))]))
    for i in range(10):
        shapes.insert(kdb.Box(0, 0, 9, i + 1)).set_property(1, "中" * i + "é" * i)
    for level in (0, 2):
        options = kdb.SaveLayoutOptions()
        options.format, options.oasis_compression_level, options.oasis_write_cblocks = "OASIS", level, level > 0
        layout.write(str(tmp_path / "x.oas"), options)
        assert foreign.read(tmp_path / "x.oas").top_cell().shapes(0).size() == 410


def test_cells_64_deep_among_many_are_read_and_deeper_ones_are_not(tmp_path: Path) -> None:
    many = [cell(b"W%d" % i, BOX) for i in range(2500)]

    def chain(n: int) -> bytes:
        return library(*(cell(b"C%d" % i, place(b"C%d" % (i + 1))) for i in range(n)), cell(b"C%d" % n, BOX), *many)

    assert read(chain(63), tmp_path / "x.gds").cells() == 2564
    with pytest.raises(InputError, match="has cells in cells 64 deep, and deeper; flatten some"):
        read(chain(64), tmp_path / "x.gds")


def test_every_kind_that_is_made_to_harm_ends_in_one_line(tmp_path: Path) -> None:
    found = outcomes([f for f in hostile_files.made() if f.name not in SLOW], tmp_path)
    assert {name for name, what in found.items() if what == "read"} == HARMLESS
    for name, said in (
        ("holds_itself.gds", "a cell holds itself, through others or at once; take it out"),
        ("hold_each_other.gds", "a cell holds itself, through others or at once; take it out"),
        ("missing_cell.gds", "cell 'B' is placed, but is not in the file; add it, or take it out"),
        ("chain_70.gds", "has cells in cells 64 deep; 64 are read: flatten some"),
        ("array_1e9.gds", "cell 'T' has 1073676289 shapes, all placements counted; 200000000 are read"),
        ("beyond_bounds.gds", "cell 'A' reaches beyond 1073741 um; move it nearer to (0, 0)"),
        ("steps_beyond_bounds.gds", "cell 'S0' reaches beyond 1073741 um; move it nearer to (0, 0)"),
        ("two_points.gds", "is read with a warning (BOUNDARY with less than 3 points ignored"),
        ("no_shape.gds", "has no shape in any cell; draw something"),
        ("array_2e30.oas", "cell 'A' has 1073741824 shapes, all placements counted; 200000000 are read"),
        ("array_1099511627776_1099511627776.oas", "has a repetition of 2^64 places or more"),
        ("array_4294967296_4294967296_in_a_block.oas", "has a repetition of 2^64 places or more"),
        ("array_of_vectors_2e80.oas", "has a repetition of 2^64 places or more"),
        ("cell_2e80.oas", "has a repetition of 2^64 places or more"),
        ("chain_5000.gds", "has cells in cells 64 deep, and deeper; flatten some"),
        ("bomb.gds.gz", "unpacks to more than 200 times its size"),
        ("twice.gds.gz", "is no layout"),
        ("dxf.gds", "is no layout (no GDSII, no OASIS, nor .gz of one); name a GDSII or OASIS file"),
        ("wrong_sum.gds.gz", "cannot be unpacked (CRC check failed"),
    ):
        assert found[name].startswith(said), (name, found[name])


def test_files_mutated_or_cut_off(tmp_path: Path) -> None:
    files = [*hostile_files.mutations(30), *hostile_files.truncations(60)]
    found = outcomes(files, tmp_path)
    assert len(found) == len(files) >= 40
    assert "nothing" not in found.values()
    assert 0 < sum(what == "read" for what in found.values()) < 30
