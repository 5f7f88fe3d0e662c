"""Waivers: findings that somebody lets pass, as a TOML file says, with who, why and until when.

A place in such a file is seen from the lower left corner of its die, and so is the identity of a finding: a waiver
holds on every die of its kind, wherever a wafer places it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely
from pydantic import Field

from layoutgen import tomlfile
from layoutgen.connect.rules import TEXTS
from layoutgen.cuts import CUTS_RULE
from layoutgen.drc.dies import some_places
from layoutgen.drc.place import extent
from layoutgen.errors import InputError, Problem, nearest, printable
from layoutgen.findings import Finding, Report, RuleResult, Status, Waived
from layoutgen.pdk import Pdk
from layoutgen.tomlfile import IDENTITY, Model
from layoutgen.units import LARGEST, Um, to_dbu

Ints = npt.NDArray[np.int64]
Where = Annotated[Um, Field(ge=-LARGEST, le=LARGEST)]
Words: TypeAlias = Annotated[str, Field(min_length=1, max_length=2000)]
PLACES = ("at", "box", "identity", "cell")
"""Keys that say where; an entry has one of them."""
SLACK = 1
"""By so much (database units) may a place miss the marker that it names: reports round it."""


class Waiver(Model):
    """One `[[waiver]]`: the findings of a rule at a place or in a cell, and who lets them pass."""

    rule: str
    """The rule's id."""
    at: tuple[Where, Where] | None = None
    """A point (um) from the lower left corner of the die: what is marked there."""
    box: tuple[tuple[Where, Where], tuple[Where, Where]] | None = None
    """Lower left and upper right corner (um), likewise: what is marked within."""
    identity: Annotated[str, Field(pattern=IDENTITY)] | None = None
    """That of one finding, as reports give it."""
    cell: Words | None = None
    """A cell of the layout: what is marked within the bounding box of an instance of it."""
    reason: Words
    """Why they may pass."""
    author: Words
    """Who says so."""
    expires: date | None = None
    """The last day on which it holds; left out, it holds for good."""

    @property
    def place(self) -> str:
        """Where, in words."""
        if self.at is not None:
            return f"at ({self.at[0]:g}, {self.at[1]:g}) in its die"
        if self.box is not None:
            (x0, y0), (x1, y1) = self.box
            return f"in ({x0:g}, {y0:g}) to ({x1:g}, {y1:g}) of its die"
        return f"with identity {self.identity}" if self.cell is None else f"in cell {self.cell}"

    @property
    def by(self) -> str:
        """Who lets pass, until when, and why."""
        until = f" until {self.expires}" if self.expires else ""
        return printable(f"waived by {self.author}{until}: {self.reason}", 1000)


class File(Model):
    """A file of waivers."""

    waiver: tuple[Waiver, ...] = ()
    """Its entries."""


@dataclass(frozen=True, slots=True)
class Waivers:
    """The entries of a file, and the day on which they are judged."""

    file: str
    entries: tuple[Waiver, ...]
    today: date

    def apply(self, report: Report, layout: kdb.Layout, top: kdb.Cell) -> Report:
        """The report with what these let pass among its `RuleResult.waived`; its scope says which have expired, have
        let nothing pass, or could not be judged because their rules did not run."""
        judged: dict[int, int] = {}
        results = [self._settle(r, layout, top, judged) for r in report.results]
        passed = sum(w.finding.count for r in results for w in r.waived) - sum(
            w.finding.count for r in report.results for w in r.waived
        )
        ran = {r.rule for r in report.results if r.status is Status.RUN}
        entries = f"{len(self.entries)} waiver{'s' if len(self.entries) != 1 else ''}"
        notes = [f"{self.file}: {entries}, judged on {self.today}, let {passed} findings pass"]
        notes += [self._note(k, judged.get(k, 0), ran, layout) for k in range(len(self.entries))]
        told = tuple(printable(note, 600) for note in notes if note)
        return replace(report, results=tuple(results), scope=(*report.scope, *told))

    def _expired(self, entry: Waiver) -> bool:
        return entry.expires is not None and entry.expires < self.today

    def _note(self, number: int, count: int, ran: set[str], layout: kdb.Layout) -> str:
        """What is to be said of an entry that let nothing pass; empty where it did."""
        entry = self.entries[number]
        what = f"{self.file}: waiver.{number} ({entry.rule} {entry.place}, by {entry.author})"
        if entry.rule not in ran:
            return f"{what} was not judged: the rule did not run"
        if self._expired(entry):
            return f"{what} expired on {entry.expires} and waives nothing; {count} findings would have passed"
        if count:
            return ""
        if entry.cell is not None and layout.cell(entry.cell) is None:
            known = (cell.name for cell in layout.each_cell())
            return f"{what} was not used: there is no such cell{nearest(entry.cell, known)}"
        return f"{what} was not used: nothing is found there; take it away"

    def _settle(self, result: RuleResult, layout: kdb.Layout, top: kdb.Cell, judged: dict[int, int]) -> RuleResult:
        """A rule's result with what was let pass; counts in `judged` what each entry meets."""
        mine = [k for k, entry in enumerate(self.entries) if entry.rule == result.rule]
        if not mine or not result.findings:
            return result
        # an entry that has expired still counts what it would meet, among what no other lets pass
        order = sorted(mine, key=lambda k: (self._expired(self.entries[k]), self.entries[k].cell is not None, k))
        left, waived = list(result.findings), list(result.waived)
        cells = _Cells(layout, top)
        for k in order:
            entry = self.entries[k]
            kept: list[Finding] = []
            for finding, mask in zip(left, _meets(entry, left, cells), strict=True):
                if not mask.any():
                    kept.append(finding)
                    continue
                judged[k] = judged.get(k, 0) + int(mask.sum())
                if self._expired(entry):
                    kept.append(finding)
                    continue
                all_of_it = bool(mask.all())
                waived.append(Waived(finding if all_of_it else some_places(finding, mask), entry.by))
                if not all_of_it:
                    kept.append(some_places(finding, ~mask))
            left = kept
        waived.sort(key=lambda w: (w.finding.edges, w.finding.polygon, w.by))
        return replace(result, findings=tuple(sorted(left, key=lambda f: (f.edges, f.polygon))), waived=tuple(waived))


def read(path: Path, pdk: Pdk, today: date) -> Waivers:
    """A file of waivers for a process.

    Raises:
        InputError: with every problem found.
    """
    entries = parse(tomlfile.load(path, InputError), str(path))
    known = {*pdk.rules, *TEXTS, CUTS_RULE}
    wrong = [
        Problem(str(path), f"waiver.{k}.rule", f"PDK {pdk.name!r} has no rule {printable(entry.rule, 60)!r}"
                f"{nearest(entry.rule, known)}")
        for k, entry in enumerate(entries) if entry.rule not in known
    ]  # fmt: skip
    if wrong:
        raise InputError(wrong)
    return Waivers(printable(path.name, 100), entries, today)


def parse(raw: dict[str, object], file: str) -> tuple[Waiver, ...]:
    """The entries in the tables of a file.

    Raises:
        InputError: with every problem found.
    """
    entries = tomlfile.validate(raw, File, file, InputError).waiver
    wrong = [Problem(file, f"waiver.{k}{key}", text) for k, entry in enumerate(entries) for key, text in _wrong(entry)]
    if wrong:
        raise InputError(wrong)
    return entries


def _wrong(entry: Waiver) -> Iterator[tuple[str, str]]:
    """What is wrong with an entry beyond its types: key and message."""
    given = [key for key in PLACES if getattr(entry, key) is not None]
    if not given:
        yield "", f"says not where; give one of {', '.join(PLACES)}"
    if len(given) > 1:
        yield f".{given[1]}", f"stands beside {given[0]}; keep the one or the other"
    if entry.box is not None and not (entry.box[0][0] <= entry.box[1][0] and entry.box[0][1] <= entry.box[1][1]):
        yield ".box", "must be the lower left and then the upper right corner"
    for key in ("reason", "author"):
        if not getattr(entry, key).strip():
            yield f".{key}", "must have text in it"


def _meets(entry: Waiver, findings: Sequence[Finding], cells: _Cells) -> Iterable[npt.NDArray[np.bool_]]:
    """Of each finding, at which of its places (the first and each further one) an entry lets it pass."""
    if entry.cell is not None:
        return (cells.within(entry.cell, f) for f in findings)
    if entry.identity is not None:
        met: Any = [f.identity == entry.identity for f in findings]
    else:
        boxes = np.array([extent(f) for f in findings], dtype=np.int64).reshape(-1, 4)
        boxes -= np.tile(np.array([f.origin for f in findings], dtype=np.int64).reshape(-1, 2), 2)
        if entry.at is not None:
            at = to_dbu(entry.at)
            near: list[bool] = np.all((boxes[:, :2] <= at + SLACK) & (boxes[:, 2:] >= at - SLACK), axis=1).tolist()
            met = [box and _marks(f, at) for box, f in zip(near, findings, strict=True)]
        else:
            low, high = to_dbu(entry.box if entry.box is not None else ((0, 0), (0, 0)))
            inside = (boxes[:, :2] >= low) & (boxes[:, 2:] <= high)
            met = np.array(inside, dtype=bool).all(axis=1).tolist()
    return (np.full(f.count, all_of_it) for f, all_of_it in zip(findings, met, strict=True))


def _marks(finding: Finding, at: Ints) -> bool:
    """Whether a point, seen from a finding's die, is on its marker: the polygon, or the edges and what is between."""
    outline = np.array(finding.polygon or [p for a, b, c, d in finding.edges for p in ((a, b), (c, d))], dtype=float)
    outline -= finding.origin
    whole = shapely.Polygon(outline) if finding.polygon and len(outline) > 2 else None
    marker = shapely.MultiPoint(outline).convex_hull if whole is None else whole
    return bool(shapely.distance(marker, shapely.Point(at)) <= SLACK)


class _Cells:
    """Where the instances of cells are."""

    def __init__(self, layout: kdb.Layout, top: kdb.Cell) -> None:
        self._layout, self._top = layout, top
        self._known: dict[str, tuple[Ints, shapely.STRtree]] = {}

    def within(self, cell: str, finding: Finding) -> npt.NDArray[np.bool_]:
        """At which of its places a finding's marker lies within the bounding box of an instance of a cell."""
        if cell not in self._known:
            found = self._boxes(cell)
            self._known[cell] = found, shapely.STRtree(shapely.box(*found.T.astype(float)))
        boxes, tree = self._known[cell]
        places = _places(finding)
        place, box = tree.query(shapely.box(*places.T.astype(float)))
        inside = (boxes[box, :2] <= places[place, :2]) & (boxes[box, 2:] >= places[place, 2:])
        met = np.zeros(len(places), dtype=bool)
        met[place[inside.all(axis=1)]] = True
        return met

    def _boxes(self, name: str) -> Ints:
        """(n, 4) bounding boxes of a cell's instances."""
        none = np.empty((0, 4), dtype=np.int64)
        if (cell := self._layout.cell(name)) is None:
            return none
        if cell.bbox().empty():
            return none
        marked = self._layout.insert_layer(kdb.LayerInfo())
        try:
            cell.shapes(marked).insert(cell.bbox())
            found = [at.shape().bbox().transformed(at.trans()) for at in self._top.begin_shapes_rec(marked)]
        finally:
            self._layout.delete_layer(marked)
        boxes = np.array([(b.left, b.bottom, b.right, b.top) for b in found], dtype=np.int64).reshape(-1, 4)
        return np.unique(boxes, axis=0)


def _places(finding: Finding) -> Ints:
    """(n, 4) extents of a finding's marker at each of its places."""
    steps = np.array(((0, 0), *finding.repeats), dtype=np.int64)
    moved: Ints = np.array(extent(finding), dtype=np.int64) + np.tile(steps, 2)
    return moved
