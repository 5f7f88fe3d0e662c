"""What one window sees of a layer: its picture, cut where that changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import klayout.db as kdb
import numpy as np

from layoutgen.windows.source import Ints, Source

CLOSURES = 2
"""Steps from edge to edge: the slanted edges of a frame, and those that these may cross."""
_SIDE = 8
"""Frames along x and y, about, whose shapes are merged at once."""


def pictures(source: Source, layer: str, frames: Ints, margin: int) -> list[list[kdb.Polygon]]:
    """The merged shapes of a layer that touch each of (n, 4) frames; outside of its frame a picture means nothing.

    Cutting an edge at 0, 45 or 90 degrees changes nothing else. A slanted one would come to lie elsewhere by rounding,
    and so would one without what it crosses. So shapes are merged with all that touches the boxes around the slanted
    edges that touch a frame, and those that touch these; and the pictures are cut outside of these boxes only. Edges no
    longer than `margin` are cut like others.
    """
    index = source.layers.get(layer)
    if index is None or source.top.bbox(index).empty():
        return [[] for _ in frames]
    out: list[list[kdb.Polygon]] = [[] for _ in frames]
    for group in _together(frames):
        boxes = [kdb.Box(*frame) for frame in frames[group].tolist()]
        region = _merged(source, index, boxes, margin)
        merged, slanted = kdb.Shapes(), kdb.Shapes()
        merged.insert(region)
        slanted.insert(_slanted(region, margin // 2))
        for k, box in zip(group.tolist(), boxes, strict=True):
            out[k] = _cut(merged, slanted, box, margin)
    return out


def around(source: Source, layer: str, frames: Ints, margin: int) -> kdb.Region:
    """The merged shapes of a layer around all of (n, 4) frames, as `pictures` has them, in one."""
    index = source.layers.get(layer)
    if index is None or source.top.bbox(index).empty():
        return kdb.Region()
    return _merged(source, index, [kdb.Box(*frame) for frame in frames.tolist()], margin)


def _together(frames: Ints) -> list[Ints]:
    """Positions of frames whose shapes are merged at once, neighbours together."""
    if not len(frames):
        return []
    place = frames[:, :2] // (_SIDE * (frames[:, 2:] - frames[:, :2]).max(axis=0))
    order = np.lexsort((place[:, 1], place[:, 0]))
    return np.array_split(order, -(-len(order) // _SIDE**2))


def _merged(source: Source, index: int, frames: list[kdb.Box], margin: int) -> kdb.Region:
    """The merged shapes around frames."""
    around = _boxes(frames).merged()
    inner = around
    raw = _touching(source, index, around)
    for _ in range(CLOSURES):
        boxes = _boxes(edge.bbox() for edge in _slanted(raw, margin).each())
        out = boxes.interacting(inner)
        if out.is_empty():
            break
        around, before = (around + out).merged(), around
        inner = around
        if (around - before).is_empty():
            break
        raw = _touching(source, index, around)
    inside = around.bbox()
    polygons = [*raw.each()]
    short = kdb.Region([p for p in polygons if p.bbox().inside(inside)])
    return (short + kdb.Region(_clipped([p for p in polygons if not p.bbox().inside(inside)], around))).merged()


def _clipped(polygons: Sequence[kdb.Polygon], to: kdb.Region) -> list[kdb.Polygon]:
    """Polygons cut to a region, their holes left as they are.

    A region's own operators join holes to the outline by cuts, which break slanted edges where these end.
    """
    if not polygons:
        return []
    return kdb.EdgeProcessor().boolean_p2p(polygons, [*to.merged().each()], kdb.EdgeProcessor.ModeAnd, False, False)


def _boxes(boxes: Iterable[kdb.Box]) -> kdb.Region:
    region = kdb.Region()
    region.merged_semantics = False
    for box in boxes:
        region.insert(box)
    return region


def _slanted(shapes: kdb.Region, margin: int) -> kdb.Edges:
    """The edges of shapes, as they are, that are longer than the margin and neither at 0 nor 45 nor 90 degrees."""
    return shapes.edges().with_length(margin, None, False).with_angle(kdb.Edges.OrthoDiagonalEdges, True)


def _touching(source: Source, index: int, around: kdb.Region) -> kdb.Region:
    """All shapes that touch a region, box by box: a search for many boxes at once takes far longer."""
    raw = kdb.Region()
    raw.merged_semantics = False
    boxes = [piece.bbox() for piece in around.decompose_trapezoids()]
    for box in boxes:
        raw += kdb.Region(source.top.begin_shapes_rec_touching(index, box))
    if len(boxes) > 1:
        raw = kdb.Region(list({*raw.each()}))  # a long shape touches many
        raw.merged_semantics = False
    return raw


def _cut(merged: kdb.Shapes, slanted: kdb.Shapes, frame: kdb.Box, margin: int) -> list[kdb.Polygon]:
    """The polygons that touch a frame, cut where none of their slanted edges touches it."""
    out: list[kdb.Polygon] = []
    long: list[kdb.Polygon] = []
    for shape in merged.each_touching(frame):
        polygon = shape.polygon
        (out if polygon.bbox().inside(frame) else long).append(polygon)
    if long:
        around = kdb.Region(frame)
        for shape in slanted.each_touching(frame):
            if shape.edge.clipped(frame):
                around.insert(shape.edge.bbox().enlarged(margin, margin))  # with its corners, which sizing moves
        out += _clipped(long, around)
    return out
