"""What one window sees of a layer: its picture, cut where that changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.windows.arrays import Ints
from layoutgen.windows.near import shapes_near
from layoutgen.windows.source import NAME, Layer, Source

CLOSURES = 2
"""Steps from edge to edge: the slanted edges of a frame, and those that these may cross."""
_AT_ONCE = 1024
"""Frames whose shapes are merged at once."""


def pictures(source: Source, layer: str, frames: Ints, margin: int) -> list[list[kdb.Polygon]]:
    """The merged shapes of a layer that touch each of (n, 4) frames; outside of its frame a picture means nothing.

    Cutting an edge at 0, 45 or 90 degrees changes nothing else. A slanted one would come to lie elsewhere by rounding,
    and so would one without what it crosses. So shapes are merged with all that touches the boxes around the slanted
    edges that touch a frame, and those that touch these; and the pictures are cut outside of these boxes only. Edges no
    longer than `margin` are cut like others.
    """
    drawn = source.layer(layer)
    if drawn is None:
        return [[] for _ in frames]
    out: list[list[kdb.Polygon]] = []
    for start in range(0, len(frames), _AT_ONCE):
        group = frames[start : start + _AT_ONCE]
        region = _gathered(drawn, group, margin).merged()
        merged = kdb.Shapes()
        merged.insert(region)
        out += [_cut(merged, kdb.Box(*frame), margin) for frame in group.tolist()]
    return out


@dataclass(frozen=True)
class Gathered:
    """Shapes as they are drawn, and the (n, 4) frames within which all of them are there.

    margin: how far beyond these long ones are cut. apart: whether they are known to be merged.
    """

    shapes: kdb.Region
    frames: Ints
    margin: int
    apart: bool = False

    @property
    def name(self) -> bytes:
        """What any run would call it: a digest of the shapes, in the order in which they were met, and the frames."""
        if self.shapes.is_empty():
            return b""
        said = hashlib.blake2b(self.frames.tobytes(), digest_size=NAME)
        layout = kdb.Layout(False)
        layout.create_cell("SHAPES").shapes(layout.layer(1, 0)).insert(self.shapes)
        options = kdb.SaveLayoutOptions()
        options.format, options.oasis_compression_level, options.oasis_write_std_properties = "OASIS", 0, False
        said.update(layout.write_bytes(options))
        return said.digest()

    def merged(self) -> kdb.Region:
        """The shapes merged, cut where that changes nothing within the frames."""
        if self.apart:
            return known_as_merged(self.shapes)
        around = _boxes((self.frames + np.array([-1, -1, 1, 1]) * 2 * self.margin).tolist())
        inside = around.bbox()
        if self.shapes.bbox().inside(inside):
            return self.shapes.merged()
        short, long = kdb.Region(), []
        for polygon in self.shapes.each():
            if polygon.bbox().inside(inside):
                short.insert(polygon)
            else:
                long.append(polygon)
        return (short + kdb.Region(_clipped(long, around))).merged()


def gather(source: Source, layer: str, frames: Ints, margin: int) -> Gathered:
    """The shapes of a layer around all of (n, 4) frames, with what `pictures` has to see beyond."""
    drawn = source.layer(layer)
    return (
        Gathered(kdb.Region(), frames, margin) if drawn is None or not len(frames) else _gathered(drawn, frames, margin)
    )


def around(source: Source, layer: str, frames: Ints, margin: int) -> kdb.Region:
    """The merged shapes of a layer around all of (n, 4) frames, as `pictures` has them, in one."""
    return gather(source, layer, frames, margin).merged() if len(frames) else kdb.Region()


def _gathered(layer: Layer, frames: Ints, margin: int) -> Gathered:
    raw = shapes_near(layer, frames)
    for _ in range(CLOSURES):
        slanted = np.array([_corners(edge.bbox()) for edge in _slanted(raw, margin).each()]).reshape(-1, 4)
        reaching = slanted[_reach_out(slanted, frames)]
        if not len(reaching):
            break
        frames = np.concatenate([frames, reaching])
        raw = shapes_near(layer, frames)
    return Gathered(raw, frames, margin, layer.apart)


def known_as_merged(shapes: kdb.Region) -> kdb.Region:
    """A region of shapes that are merged, which KLayout would not know, and merge again: that takes longest of all.

    What it picks of a region it takes for merged, and with these semantics does not merge it first.
    """
    shapes.merged_semantics = False
    return shapes.with_area(0, None, False)


def _reach_out(boxes: Ints, frames: Ints) -> npt.NDArray[np.bool_]:
    """Which of (n, 4) boxes touch a frame, and lie in none."""
    who, frame = shapely.STRtree(shapely.box(*frames.T.astype(float))).query(shapely.box(*boxes.T.astype(float)))
    own, other = boxes[who], frames[frame]
    out = np.zeros(len(boxes), dtype=bool)
    out[who] = True
    out[who[((own[:, :2] >= other[:, :2]) & (own[:, 2:] <= other[:, 2:])).all(axis=1)]] = False
    return out


def _clipped(polygons: Sequence[kdb.Polygon], to: kdb.Region) -> list[kdb.Polygon]:
    """Polygons cut to a region, their holes left as they are.

    A region's own operators join holes to the outline by cuts, which break slanted edges where these end.
    """
    if not polygons:
        return []
    return kdb.EdgeProcessor().boolean_p2p(polygons, [*to.merged().each()], kdb.EdgeProcessor.ModeAnd, False, False)


def _boxes(boxes: Iterable[Iterable[int]]) -> kdb.Region:
    region = kdb.Region()
    region.merged_semantics = False
    for box in boxes:
        region.insert(kdb.Box(*box))
    return region


def _corners(box: kdb.Box) -> tuple[int, int, int, int]:
    return box.left, box.bottom, box.right, box.top


def _slanted(shapes: kdb.Region, margin: int) -> kdb.Edges:
    """The edges of shapes, as they are, that are longer than the margin and neither at 0 nor 45 nor 90 degrees."""
    edges = shapes.edges()
    edges.merged_semantics = False  # edges of two shapes that abut would cancel out, and yet both be cut
    long = edges.with_length(margin, None, False)
    long.merged_semantics = False
    return long.with_angle(kdb.Edges.OrthoDiagonalEdges, True)


def _cut(merged: kdb.Shapes, frame: kdb.Box, margin: int) -> list[kdb.Polygon]:
    """The polygons that touch a frame, cut where none of their slanted edges touches it."""
    out: list[kdb.Polygon] = []
    long: list[kdb.Polygon] = []
    for shape in merged.each_touching(frame):
        polygon = shape.polygon
        (out if polygon.bbox().inside(frame) else long).append(polygon)
    if long:
        cut = kdb.Region(long)
        cut.merged_semantics = False  # they are merged
        around = kdb.Region(frame)
        for edge in _slanted(cut, margin // 2).each():
            box = edge.bbox().enlarged(margin, margin)  # with its corners, which sizing moves
            if not box.inside(frame) and edge.clipped(frame):
                around.insert(box)
        out += _clipped(long, around)
    return out
