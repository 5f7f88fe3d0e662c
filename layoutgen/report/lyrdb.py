"""KLayout's report database: one category for each rule, one item for each finding, however often it is repeated.

What is wrong at several places belongs to a cell of the database (not of the layout) with a reference to the top cell
for each of them, shared by all findings at the same places. KLayout's marker browser shows such an item at the first
place; the category `ALL_PLACES` has for each of these rules one item with a box at every place.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import klayout.db as kdb
import klayout.rdb as rdb

from layoutgen.errors import printable
from layoutgen.findings import Finding, Report, RuleResult, Status
from layoutgen.report import named, verdict
from layoutgen.units import DBU

ALL_PLACES = "at all places"
"""Category of what is found at several places; has one of its own for each rule."""
CLOSE = 10_000
"""Up to twice so far apart (database units) findings share a box of these."""
WAIVED = "waived"
"""The tag that KLayout's marker browser gives to what is waived in it."""
IDENTITY, BY = "identity", "waived by"
"""What the values are called that say which finding an item is, and who has let it pass."""


def write(report: Report, top_cell: str, path: Path) -> None:
    """Write the report as `.lyrdb`, the same bytes for the same report; lengths in it are um.

    A rule that did not run has a category, too, whose description says so. What was waived is an item with KLayout's
    tag for it, and who waived it as its comment. `top_cell` is the cell of the layout that the coordinates belong to.

    Raises:
        RuntimeError: the file cannot be written.
    """
    database = rdb.ReportDatabase("layoutgen")
    database.generator = "layoutgen"
    database.top_cell_name = printable(top_cell)
    head = (f"{report.title} ({report.pdk}, {report.flow})", verdict(report), *report.scope)
    database.description = ". ".join(printable(part, 1000) for part in head)
    cells = _Cells(database)
    for name, result in named(report):
        category = database.create_category(name)
        category.description = _description(result)
        measured = database.tag_id(f"measured ({result.unit})" if result.unit else "measured")
        for finding, by in (*((f, "") for f in result.findings), *((w.finding, w.by) for w in result.waived)):
            item = database.create_item(cells.of(finding.repeats).rdb_id(), category.rdb_id())
            _fill(item, finding, measured)
            _add(item, finding.identity, database.tag_id(IDENTITY))
            if by:
                item.add_tag(database.tag_id(WAIVED))
                item.comment = printable(by, 1000)
                _add(item, printable(by), database.tag_id(BY))
    if any(f.repeats for f in report.findings):
        overview = database.create_category(ALL_PLACES)
        overview.description = "For each rule a box at every place of what it found at several."
        for name, result in named(report):
            if boxes := _boxes(f for f in result.findings if f.repeats):
                category = database.create_category(overview, name)
                item = database.create_item(cells.of(()).rdb_id(), category.rdb_id())
                for box in boxes:
                    item.add_value(box)
    database.save(str(path.absolute()))  # an absolute path: "pipe:..." would be run as a command


def values(database: rdb.ReportDatabase, item: rdb.RdbItem) -> dict[str, str]:
    """The texts of an item by what they are called, those without a name left out."""
    named = ((database.tag_name(v.tag_id), v.string()) for v in item.each_value() if v.tag_id and v.is_string())
    return dict(named)


def _add(item: rdb.RdbItem, text: str, tag: int) -> None:
    value = rdb.RdbItemValue(text)
    value.tag_id = tag
    item.add_value(value)


class _Cells:
    """Cells of a database that items belong to: the top cell, and one for each set of places."""

    def __init__(self, database: rdb.ReportDatabase) -> None:
        self._database = database
        self._top = database.create_cell(database.top_cell_name)
        self._known: dict[tuple[tuple[int, int], ...], rdb.RdbCell] = {(): self._top}

    def of(self, repeats: tuple[tuple[int, int], ...]) -> rdb.RdbCell:
        """The cell of what stands where it is drawn, and moved by each of some vectors (database units)."""
        if repeats not in self._known:
            # no variant of the top cell, which would then be called a variant itself, and not be found by its name
            name = f"{self._database.top_cell_name}, {1 + len(repeats)} places"
            cell = self._database.create_cell(name, str(len(self._known)))
            for x, y in ((0, 0), *repeats):
                cell.add_reference(rdb.RdbReference(kdb.DCplxTrans(x * DBU, y * DBU), self._top.rdb_id()))
            self._known[repeats] = cell
        return self._known[repeats]


def _boxes(findings: Iterable[Finding]) -> list[kdb.DBox]:
    """Around what is repeated, at each of its places: one for all that is repeated alike and stands close together."""
    around: dict[tuple[tuple[int, int], ...], kdb.Region] = {}
    for f in findings:
        points = [kdb.Point(x, y) for a, b, c, d in f.edges for x, y in ((a, b), (c, d))]
        points += [kdb.Point(x, y) for x, y in f.polygon]
        box = kdb.Box()
        for point in points:
            box += point
        around.setdefault(f.repeats, kdb.Region()).insert(box.enlarged(CLOSE, CLOSE))
    out = []
    for repeats, boxes in around.items():
        for one in boxes.merged().each():
            box = one.bbox().enlarged(-CLOSE, -CLOSE)
            out += [box.moved(x, y).to_dtype(DBU) for x, y in ((0, 0), *repeats)]
    return out


def _description(result: RuleResult) -> str:
    text = printable(result.text, 2000)
    if result.status is Status.RUN:
        return text
    return f"NOT RUN ({result.status.value}): {printable(result.reason, 1000)}. {text}"


def _fill(item: rdb.RdbItem, finding: Finding, measured: int) -> None:
    """Geometry first; `measured` is the tag of the measured value."""
    edges = [kdb.Edge(*e).to_dtype(DBU) for e in finding.edges]
    if len(edges) == 2:
        item.add_value(kdb.DEdgePair(edges[0], edges[1]))
    else:
        for edge in edges:
            item.add_value(edge)
    if finding.polygon:
        # as it stands: KLayout would otherwise drop points on a line, or the whole of a flat marker
        item.add_value(kdb.DPolygon([kdb.DPoint(x * DBU, y * DBU) for x, y in finding.polygon], True))
    if finding.measured is not None:
        value = rdb.RdbItemValue(finding.measured)
        value.tag_id = measured
        item.add_value(value)
    if finding.note:
        item.add_value(printable(finding.note))
    if finding.repeats:
        item.add_value(f"at {finding.count} places")
