"""The only place that knows GDS numbers and layout files: drawings to `klayout.db` and `gdstk`, files written whole.

KLayout writes the files: it raises when the disk is full, where gdstk leaves a truncated file behind.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import klayout.db as kdb
import numpy as np

from layoutgen import geom
from layoutgen.cell import Drawing
from layoutgen.errors import OutputError
from layoutgen.pdk import Pdk
from layoutgen.units import DBU, MAX_DBU, Deg, IntPoints, Points, to_dbu

if TYPE_CHECKING:
    import gdstk

MAX_POINTS = 4000  # longer records than 32 kB, which this keeps them from, are read differently by old tools


def to_layout(drawing: Drawing, pdk: Pdk) -> kdb.Layout:
    """A drawing with all that it places as a KLayout layout; equal names of different drawings get a number.

    Raises:
        ValueError: a coordinate may come to lie beyond +-2^30 database units, or an angle is no multiple of 90.
        UnknownNameError: a layer of the drawing has no GDS number.
    """
    layout = kdb.Layout()
    layout.dbu = DBU
    _refuse_what_wraps(drawing, pdk)
    cells: dict[int, int] = {}
    taken: set[str] = set()
    for part in drawing.below():
        name = _unique(part.name, taken)
        cell = layout.create_cell(name)
        cells[id(part)] = cell.cell_index()
        _fill(layout, cell, part, pdk)
        at, steps = (to_dbu(some).reshape(-1, 2).tolist() for some in _places(part)[:2])
        for p, (x, y), (dx, dy) in zip(part.placements, at, steps, strict=True):
            turn = kdb.Trans(_quarters(p.angle), False, x, y)
            if p.columns * p.rows == 1:
                cell.insert(kdb.CellInstArray(cells[id(p.drawing)], turn))
            else:
                a, b = kdb.Vector(dx, 0), kdb.Vector(0, dy)
                cell.insert(kdb.CellInstArray(cells[id(p.drawing)], turn, a, b, p.columns, p.rows))
        for s in part.scattered:
            index = cells[id(s.drawing)]
            for x, y in to_dbu(s.at).tolist():
                cell.insert(kdb.CellInstArray(index, kdb.Vector(x, y)))
    return layout


def _places(part: Drawing) -> tuple[Points, Points, Points]:
    """Of each placement where it stands and its step (um), and how many columns and rows; (n, 2) each."""
    rows = [(*p.at, *p.step, p.columns, p.rows) for p in part.placements]
    table: Points = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return table[:, :2], table[:, 2:4], table[:, 4:]


def _quarters(angle: Deg) -> int:
    if angle % 90 != 0:
        raise ValueError(f"{angle:g} degrees is not a multiple of 90: cells are placed at right angles only")
    return round(angle / 90) % 4


def _refuse_what_wraps(drawing: Drawing, pdk: Pdk) -> None:
    """Layout libraries wrap around silently beyond 2^31: placements and arrays add up, so their sum is bounded too."""
    furthest: dict[int, int] = {}
    for part in drawing.below():
        reaches = [int(abs(points).max(initial=0)) for _, points in polygons(part, pdk)]
        at, step, count = _places(part)
        ends = abs(to_dbu([at, at + (count - 1) * step])).max(axis=(0, 2), initial=0)
        reaches += [furthest[id(p.drawing)] + end for p, end in zip(part.placements, ends.tolist(), strict=True)]
        for s in part.scattered:
            reaches.append(furthest[id(s.drawing)] + int(abs(to_dbu(s.at)).max(initial=0)))
        furthest[id(part)] = max(reaches, default=0)
        if furthest[id(part)] >= MAX_DBU:
            raise ValueError(f"cell {part.name!r} may reach beyond {MAX_DBU * DBU:.0f} um from its origin")


def _unique(name: str, taken: set[str]) -> str:
    unique, n = name, 2
    while unique.upper() in taken:
        unique, n = f"{name[:29]}_{n}", n + 1
    taken.add(unique.upper())
    return unique


def _fill(layout: kdb.Layout, cell: kdb.Cell, drawing: Drawing, pdk: Pdk) -> None:
    for layer, points in polygons(drawing, pdk):
        cell.shapes(layout.layer(layer_info(pdk, layer))).insert(polygon(points))
    for layer, texts in drawing.texts.items():
        shapes = cell.shapes(layout.layer(layer_info(pdk, layer)))
        for t in texts:
            x, y = (int(v) for v in to_dbu(t.at))
            shapes.insert(kdb.Text(t.text, kdb.Trans(x, y)))


def polygons(drawing: Drawing, pdk: Pdk) -> Iterator[tuple[str, IntPoints]]:
    """Each polygon of a drawing itself, circles included, with its layer's name, in database units."""
    for layer, shapes in drawing.polygons.items():
        for points in shapes:
            yield layer, to_dbu(points)
    for layer, circles in drawing.circles.items():
        for c in circles:
            yield layer, to_dbu(geom.circle(c.diameter + pdk.guard, pdk.circle_points, c.at))


def polygon(points: IntPoints) -> kdb.Polygon:
    """Corner points in database units as a KLayout polygon."""
    return kdb.Polygon([kdb.Point(x, y) for x, y in points.tolist()])


def layer_info(pdk: Pdk, layer: str) -> kdb.LayerInfo:
    """GDS number and process name of a layer."""
    number, datatype = pdk.gds(layer)
    return kdb.LayerInfo(number, datatype, layer)


def fetch(layout: kdb.Layout, pdk: Pdk, top: kdb.Cell, box: kdb.Box | None = None) -> Callable[[str], kdb.Region]:
    """A function from a drawn layer's name to its region below `top`: whole shapes, those that touch `box`."""

    def region(layer: str) -> kdb.Region:
        index = layout.find_layer(layer_info(pdk, layer))
        if index is None:
            return kdb.Region()
        if box is None:
            return kdb.Region(top.begin_shapes_rec(index))
        shapes = top.begin_shapes_rec_touching(index, box)
        return kdb.Region(shapes)

    return region


def write_derived(layout: kdb.Layout, cell: kdb.Cell, pdk: Pdk) -> None:
    """Add to `cell`, as a cell of its own, the derived layers that the PDK gives a GDS number."""
    found = fetch(layout, pdk, cell)
    derived = layout.create_cell("DERIVED")
    for name, layer in pdk.derived.items():
        if layer.gds is not None:
            derived.shapes(layout.layer(layer_info(pdk, name))).insert(pdk.region(name, found))
    if derived.is_empty():
        derived.delete()
    else:
        cell.insert(kdb.CellInstArray(derived.cell_index(), kdb.Trans()))


def to_gdstk(drawing: Drawing, pdk: Pdk) -> gdstk.Cell:
    """A drawing with all that it places as a `gdstk.Cell` (µm); the same as `to_layout`, which says what it raises."""
    import gdstk

    _refuse_what_wraps(drawing, pdk)
    cells: dict[int, gdstk.Cell] = {}
    taken: set[str] = set()
    for part in drawing.below():
        cell = gdstk.Cell(_unique(part.name, taken))
        for layer, points in polygons(part, pdk):
            number, datatype = pdk.gds(layer)
            cell.add(gdstk.Polygon((points * DBU).tolist(), number, datatype))
        for layer, texts in part.texts.items():
            number, datatype = pdk.gds(layer)
            spots = [(to_dbu(t.at) * DBU).tolist() for t in texts]
            cell.add(
                *(gdstk.Label(t.text, (x, y), layer=number, texttype=datatype)
                  for t, (x, y) in zip(texts, spots, strict=True))
            )  # fmt: skip
        for p in part.placements:
            x, y = (to_dbu(p.at) * DBU).tolist()
            reference = gdstk.Reference(cells[id(p.drawing)], (x, y), _quarters(p.angle) * math.pi / 2)
            if p.columns * p.rows > 1:  # a repetition of its own: gdstk's `columns` and `rows` turn with the angle
                step = (to_dbu(p.step) * DBU).tolist()
                reference.repetition = gdstk.Repetition(columns=p.columns, rows=p.rows, spacing=(step[0], step[1]))
            cell.add(reference)
        for s in part.scattered:
            places = to_dbu(s.at) * DBU
            for first in places[:1].tolist():
                reference = gdstk.Reference(cells[id(s.drawing)], (first[0], first[1]))
                if len(places) > 1:
                    reference.repetition = gdstk.Repetition(offsets=(places[1:] - places[0]).tolist())
                cell.add(reference)
        cells[id(part)] = cell
    return cells[id(drawing)]


# files ----------------------------------------------------------------------------------------------------------


def save(layout: kdb.Layout, path: Path, top: kdb.Cell | None = None) -> None:
    """Write a layout (or what is below `top`) as .gds or .oas: same content, same bytes; whole or not at all.

    Raises:
        OutputError: it could not be written, or what was read back is not what was written.
    """
    if not path.name.endswith((".gds", ".oas", ".gds.gz", ".oas.gz")):
        raise OutputError(f"{path}: a layout file ends in .gds or .oas; name it so")
    options = kdb.SaveLayoutOptions()
    options.set_format_from_filename(path.name)
    options.gds2_write_timestamps = False
    options.gds2_max_vertex_count = MAX_POINTS
    options.gds2_multi_xy_records = False
    options.oasis_compression_level = 2
    options.oasis_write_cblocks = True
    options.oasis_write_std_properties = True
    if top is not None:
        options.select_cell(top.cell_index())
    with whole_file(path) as temporary:
        layout.write(str(temporary), options)
        _read_back(layout, temporary, top)


def _read_back(layout: kdb.Layout, path: Path, top: kdb.Cell | None) -> None:
    written = kdb.Layout()
    written.read(str(path))
    cells = written.cells()
    root = top if top is not None else layout.top_cell()
    expected = len({*root.called_cells(), root.cell_index()})
    if cells != expected or written.top_cell().bbox() != root.bbox():
        raise OSError(f"{cells} of {expected} cells were read back")
    for info in layout.layer_infos():
        index = written.find_layer(info)
        theirs = written.top_cell().bbox(index) if index is not None else kdb.Box()
        if theirs != root.bbox(layout.layer(info)):
            raise OSError(f"layer {info} was not read back as written")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place only when the block ends well, and is gone when it does not.

    Raises:
        OutputError: anything in the block failed to write.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".tmp_", suffix="".join(path.suffixes), dir=path.parent)
        os.close(descriptor)
    except OSError as e:
        raise OutputError(f"{path}: cannot be written: {e.strerror}; choose another folder with -o") from None
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as e:  # KLayout reports a full disk as a RuntimeError
        raise OutputError(f"{path}: not written ({e}); free some space or choose another folder with -o") from e
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, with plain line ends.

    Raises:
        OutputError: it could not be written.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))
