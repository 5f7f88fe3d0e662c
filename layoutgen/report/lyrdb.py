"""KLayout's report database: one category for each rule, one item for each finding."""

from __future__ import annotations

from pathlib import Path

import klayout.db as kdb
import klayout.rdb as rdb

from layoutgen.errors import printable
from layoutgen.findings import Finding, Report, RuleResult, Status
from layoutgen.report import verdict
from layoutgen.units import DBU


def write(report: Report, top_cell: str, path: Path) -> None:
    """Write the report as `.lyrdb`, the same bytes for the same report; lengths in it are um.

    A rule that did not run has a category, too, whose description says so. `top_cell` is the cell of the layout that
    the coordinates belong to.

    Raises:
        RuntimeError: the file cannot be written.
    """
    database = rdb.ReportDatabase("layoutgen")
    database.generator = "layoutgen"
    database.top_cell_name = printable(top_cell)
    head = (f"{report.title} ({report.pdk}, {report.flow})", verdict(report), *report.scope)
    database.description = ". ".join(printable(part, 1000) for part in head)
    cell = database.create_cell(database.top_cell_name)
    for result in report.results:
        category = database.create_category(printable(result.rule))
        category.description = _description(result)
        for finding in (one for f in result.findings for one in f.each()):
            item = database.create_item(cell.rdb_id(), category.rdb_id())
            _fill(item, finding)
    database.save(str(path.absolute()))  # an absolute path: "pipe:..." would be run as a command


def _description(result: RuleResult) -> str:
    text = printable(result.text, 2000)
    if result.status is Status.RUN:
        return text
    return f"NOT RUN ({result.status.value}): {printable(result.reason, 1000)}. {text}"


def _fill(item: rdb.RdbItem, finding: Finding) -> None:
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
        item.add_value(finding.measured)
    if finding.note:
        item.add_value(printable(finding.note))
