"""Whether anything with an area is on a layer."""

from __future__ import annotations

from collections.abc import Iterable

import klayout.db as kdb


def covers(cell: kdb.Cell, index: int) -> bool:
    """Whether a layer covers anything below a cell: texts, lines and flat boxes do not."""
    if cell.bbox(index).empty():
        return False
    layout = cell.layout()
    drawn = (layout.cell(each).shapes(index) for each in (cell.cell_index(), *cell.called_cells()))
    if not any(have_area(shape.polygon for shape in shapes.each(kdb.Shapes.SRegions)) for shapes in drawn):
        return False
    every = cell.begin_shapes_rec(index)  # a cell may stand there so small that nothing is left of it
    every.shape_flags = kdb.Shapes.SRegions
    return have_area(one.shape().polygon.transformed(one.trans()) for one in every.each())


def have_area(polygons: Iterable[kdb.Polygon]) -> bool:
    """Whether any polygon has an area; one that crosses itself may have, though it adds up to none."""
    crossed = []
    for polygon in polygons:
        if polygon.area2():
            return True
        box = polygon.bbox()
        if box.width() and box.height():
            crossed.append(polygon)
    return bool(kdb.EdgeProcessor().merge_p2p(crossed, 0, False, False))
