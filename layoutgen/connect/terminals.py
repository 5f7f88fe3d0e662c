"""Where the nets of a layout come out: the chip's pads and balls in every die, or what its labels name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely

from layoutgen.chip import Chip
from layoutgen.connect.sheets import NONE, Cloud
from layoutgen.die import NetPin
from layoutgen.errors import printable
from layoutgen.units import Um, to_dbu
from layoutgen.wafer import row_letters
from layoutgen.windows.source import Source

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
MOST = 4_000_000
"""Places in rows and columns that are told apart by a table."""


@dataclass(frozen=True, eq=False)
class Dies:
    """Where dies are: (n, 4) boxes in database units, and their names."""

    boxes: Ints
    names: Sequence[str]

    @cached_property
    def _lattice(self) -> tuple[Ints, Ints, Ints] | None:
        """Left and lower borders, and the number of the die at each pair of them (-1: none); None: they are in no rows
        and columns.
        """
        xs, ys = np.unique(self.boxes[:, 0]), np.unique(self.boxes[:, 1])
        column, row = np.searchsorted(xs, self.boxes[:, 0]), np.searchsorted(ys, self.boxes[:, 1])
        if not len(xs) or len(xs) * len(ys) > MOST:
            return None
        far = np.iinfo(np.int64).max
        if (self.boxes[:, 2] >= np.append(xs[1:], far)[column]).any():
            return None
        if (self.boxes[:, 3] >= np.append(ys[1:], far)[row]).any():
            return None
        number = np.full((len(xs), len(ys)), -1)
        number[column[::-1], row[::-1]] = np.arange(len(self.boxes))[::-1]
        return xs, ys, number

    def of(self, points: Ints) -> Ints:
        """The die that each of (n, 2) points lies in; -1: none."""
        out = np.full(len(points), -1)
        if self._lattice is not None and len(points):
            xs, ys, number = self._lattice
            column, row = np.searchsorted(xs, points[:, 0], "right") - 1, np.searchsorted(ys, points[:, 1], "right") - 1
            die = np.where((column >= 0) & (row >= 0), number[column, row], -1)
            inside = (die >= 0) & (points <= self.boxes[die, 2:]).all(axis=1)
            out[inside] = die[inside]
        elif len(self.boxes) and len(points):
            tree = shapely.STRtree(shapely.box(*self.boxes.T.astype(float)))
            which, die = tree.query(shapely.points(points.astype(float)))
            out[which[::-1]] = die[::-1]
        return out


@dataclass(frozen=True)
class Terminals:
    """n places where nets come out, or are known.

    Those of one die stand together.

    die, name, net: numbers, -1 for no net known. level: the number of the metal it is on; -1: the first for a pad, the
    one that balls stand on for a ball. pad: whether it is one of the chip's, else a ball. whole: whether all
    that stands on such a one must stand here. asks, took: it asks for a free one, or was free and was taken; such
    are joined with each other instead of with the rest of their net.
    """

    die: Ints
    name: Ints
    net: Ints
    at: Ints
    pad: Bools
    whole: Bools
    asks: Bools
    took: Bools
    level: Ints
    names: Sequence[str]
    nets: Sequence[str]
    ground: str = ""
    """The net that may reach the cut; empty: nobody says which."""

    @cached_property
    def cloud(self) -> Cloud:
        """Where they are, by dies."""
        return Cloud(self.die, self.at)

    def title(self, k: int) -> str:
        """What a finding calls it."""
        name, net = self.names[int(self.name[k])], int(self.net[k])
        return f"{name} of net {self.nets[net]}" if net >= 0 else f"{name}, which is free,"


@dataclass(frozen=True, slots=True)
class Lost:
    """A label outside of every die: what it says, whether it names a pad or ball, and where it stands."""

    text: str
    whole: bool
    at: tuple[int, int]


def of_chip(
    chip: Chip, origins: Sequence[tuple[Um, Um]], taken: Mapping[str, str],
    pins: Sequence[NetPin] = (), level_of: Callable[[str], int] = lambda _: NONE,
) -> Terminals:  # fmt: skip
    """The chip's pads and balls in dies with these lower left corners (um), and `pins` where nets are known besides.

    `taken` is as in `check_nets`; `level_of` gives the number of the metal that a layer is of, -1 for none.
    """
    groups = [group for pair in chip.groups.values() for group in pair]
    asking = {id(m) for group in groups if group.free for m in group.askers}
    names: list[str] = []
    nets: dict[str, int] = {}
    rows = []
    for kind, members in (("pad", chip.pads), ("ball", chip.balls)):
        for m in members:
            name = f"{kind} {m.name}"
            net = m.net or taken.get(name, "")
            number = nets.setdefault(net, len(nets)) if net else -1
            free = not m.net and name in taken
            rows.append((len(names), number, kind == "pad", id(m) in asking, free, m.x, m.y, NONE, True))
            names.append(name)
    for pin in pins:
        number, on = nets.setdefault(pin.net, len(nets)), level_of(pin.layer)
        rows.append((len(names), number, on <= 0, False, False, *pin.at, on, False))
        names.append(pin.name)
    count, dies = len(rows), len(origins)
    at = np.array([(x0 + r[5], y0 + r[6]) for x0, y0 in origins for r in rows], dtype=float).reshape(-1, 2)
    which, of, pad, asks, took, levels, whole = (
        np.tile(np.array([r[k] for r in rows]), dies) for k in (0, 1, 2, 3, 4, 7, 8)
    )
    return Terminals(
        np.repeat(np.arange(dies), count), which.astype(np.int64), of.astype(np.int64),
        to_dbu(at).astype(np.int64).reshape(-1, 2), pad.astype(bool), whole.astype(bool),
        asks.astype(bool), took.astype(bool), levels.astype(np.int64), names, list(nets), chip.ground,
    )  # fmt: skip


def of_labels(
    source: Source,
    layers: Mapping[str, int],
    note: str,
    dies: Dies,
    level_of: Callable[[str], int] = lambda _: NONE,
    lost: list[Lost] | None = None,
) -> Terminals:
    """What texts name in dies: "NAME NET" on the layer of notes, or a net's name alone, on any layer.

    `level_of` gives the number of the metal that a layer is of, -1 for none; to `lost` go those outside of every die.
    """
    found = _texts(source, layers)
    words: dict[str, int] = {}
    nets: dict[str, int] = {}
    parts = []
    for text, layer, points in found:
        split = text.split(maxsplit=1) if layer == note else [text.strip()]
        if not split or not split[0]:
            continue
        both = len(split) == 2  # the name of a net may have spaces, that of a pad or ball has none
        word = words.setdefault(split[0] if both else f"label {split[0]}", len(words))
        parts.append((word, nets.setdefault(split[-1].strip(), len(nets)), both, points, level_of(layer)))
    at = np.concatenate([p[3] for p in parts] or [np.empty((0, 2), dtype=np.int64)])
    count = [len(p[3]) for p in parts]
    name, net, level = (np.repeat(np.array([p[k] for p in parts], dtype=np.int64), count) for k in (0, 1, 4))
    whole = np.repeat(np.array([p[2] for p in parts], dtype=bool), count)
    die = dies.of(at)
    if lost is not None:
        texts = [*words], [*nets]
        for k in np.flatnonzero(die < 0).tolist():
            one, other = (printable(some[int(n[k])], 60) for some, n in zip(texts, (name, net), strict=True))
            lost.append(Lost(f"{one} {other}" if whole[k] else other, bool(whole[k]), (int(at[k, 0]), int(at[k, 1]))))
    inside = np.flatnonzero(die >= 0)
    inside = inside[np.lexsort((at[inside, 1], at[inside, 0], name[inside], die[inside]))]
    no = np.zeros(len(inside), dtype=bool)
    return Terminals(
        die[inside], name[inside], net[inside], at[inside], no, whole[inside], no, no, level[inside],
        [printable(w, 60) for w in words], [printable(n, 60) for n in nets],
    )  # fmt: skip


def _texts(source: Source, layers: Mapping[str, int]) -> list[tuple[str, str, Ints]]:
    """All texts: what each says, its layer, and (n, 2) where it stands."""
    known: dict[tuple[object, ...], list[tuple[str, str, npt.NDArray[np.float64]]]] = {}

    def below(cell: kdb.Cell, motion: kdb.DCplxTrans) -> list[tuple[str, str, npt.NDArray[np.float64]]]:
        key = cell.cell_index(), str(motion)
        if key not in known:
            out = []
            for layer, index in layers.items():
                for shape in cell.shapes(index).each(kdb.Shapes.STexts):
                    at = shape.text.trans.disp
                    point = motion * kdb.DPoint(at.x, at.y)
                    out.append((shape.text.string, layer, np.array([[point.x, point.y]])))
            for placed in source.below(cell, motion):
                for text, layer, points in below(placed.cell, placed.motion):
                    out.append((text, layer, (placed.at[:, None, :] + points[None, :, :]).reshape(-1, 2)))
            known[key] = out
        return known[key]

    return [(text, layer, np.round(at).astype(np.int64)) for text, layer, at in below(source.top, kdb.DCplxTrans())]


def named(boxes: Ints) -> Dies:
    """Dies by where they are: rows lettered from the top, columns counted from the left."""
    columns, rows = np.unique(boxes[:, 0]), np.unique(boxes[:, 1])
    column, row = np.searchsorted(columns, boxes[:, 0]), np.searchsorted(rows, boxes[:, 1])
    letters = [row_letters(len(rows) - 1 - r) for r in range(len(rows))]
    names = [f"{letters[r]}{c + 1}" for c, r in zip(column.tolist(), row.tolist(), strict=True)]
    return Dies(boxes, names)
