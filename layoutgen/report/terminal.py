"""The report as a table for a terminal: what is wrong first, then what did not run and why, and the verdict."""

from __future__ import annotations

from layoutgen.errors import printable
from layoutgen.findings import Report, RuleResult, Status
from layoutgen.pdk import Pdk
from layoutgen.report import NOT_ASKED, asks, in_die, place, verdict, waived, worst, worst_value

MOST_NAME = 40
"""Characters of a rule's id that are shown."""


def text(report: Report, pdk: Pdk) -> str:
    """The report in plain lines; a column for what was waived where anything was."""
    shown = [r for r in report.results if r.status is Status.RUN]
    some_waived = any(r.waived for r in report.results)
    dies = any(in_die(f) for r in report.results for f in r.findings)
    head = ("rule", "limit", "worst", "count", *(["waived"] if some_waived else []), "worst at (um)")
    head += ("in its die",) if dies else ()
    rows = [head, *(_row(r, pdk, some_waived, dies) for r in sorted(shown, key=lambda r: not r.findings))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [printable(f"{report.title}: {report.pdk}, flow {report.flow}", 2000)]
    for row in rows:
        cells = [
            f"{c:>{w}}" if 2 <= i < len(head) - 1 - dies else f"{c:{w}}"
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    for status in (Status.FAILED, Status.SKIPPED, Status.NOT_APPLICABLE):
        for r in report.results:
            if r.status is status and r.reason != NOT_ASKED:
                lines.append(f"  {printable(r.rule, MOST_NAME)} {status.value}: {printable(r.reason, 1000)}")
    lines += [f"  {printable(note, 1000)}" for note in report.scope]
    return "\n".join([*lines, printable(verdict(report), 2000)]) + "\n"


def _row(result: RuleResult, pdk: Pdk, some_waived: bool, dies: bool) -> tuple[str, ...]:
    found = worst(result, pdk)
    let = [str(waived(result))] if some_waived else []
    name, limit = printable(result.rule, MOST_NAME), printable(asks(result.rule, pdk))
    at = (place(found), *([in_die(found)] if dies else [])) if found else ("", *([""] if dies else []))
    return name, limit, worst_value(result, pdk), str(result.count), *let, *at
