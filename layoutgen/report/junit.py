"""JUnit XML, as CI systems read it: one test case for each rule."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from layoutgen.errors import printable
from layoutgen.findings import Report, RuleResult, Status
from layoutgen.pdk import Pdk
from layoutgen.report import line, named, verdict, waived, worst_value

SHOWN = 20
"""Findings listed for each rule; all of them are in the report database."""


def text(report: Report, pdk: Pdk) -> str:
    """The report as XML, without times, so that the same report gives the same text.

    Findings are a failure, a rule that failed is an error, and one that was skipped or does not apply is skipped with
    its reason. What was waived stands in the output of its case.
    """
    results = report.results
    suite = ET.Element(
        "testsuite",
        name=printable(f"{report.title} ({report.pdk}, {report.flow})"),
        tests=str(len(results)),
        failures=str(sum(r.status is Status.RUN and bool(r.findings) for r in results)),
        errors=str(sum(r.status is Status.FAILED for r in results)),
        skipped=str(sum(r.status in (Status.SKIPPED, Status.NOT_APPLICABLE) for r in results)),
    )
    for name, result in named(report):
        case = ET.SubElement(suite, "testcase", classname=printable(f"{report.pdk}.{report.flow}"),
                             name=name)  # fmt: skip
        _outcome(case, result, pdk)
        _waived(case, result)
    out = ET.SubElement(suite, "system-out")
    out.text = "\n".join(printable(part, 2000) for part in (verdict(report), *report.scope))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _outcome(case: ET.Element, result: RuleResult, pdk: Pdk) -> None:
    words = printable(result.text, 2000)
    reason = printable(result.reason, 1000)
    match result.status:
        case Status.FAILED:
            ET.SubElement(case, "error", type=result.status.value, message=reason).text = words
        case Status.SKIPPED | Status.NOT_APPLICABLE:
            ET.SubElement(case, "skipped", message=f"{result.status.value}: {reason}")
        case Status.RUN if result.findings:
            value = worst_value(result, pdk)
            measured = f", worst {value}" if value else ""
            shown = result.findings[:SHOWN]
            lines = [words, *(printable(line(f, result.unit)) for f in shown)]
            if (more := result.count - sum(f.count for f in shown)) > 0:
                lines.append(f"... and {more} more")
            failure = ET.SubElement(case, "failure", type="finding", message=f"{result.verdict}{measured}")
            failure.text = "\n".join(lines)


def _waived(case: ET.Element, result: RuleResult) -> None:
    if result.waived:
        shown = result.waived[:SHOWN]
        lines = [f"waived: {printable(line(w.finding, result.unit))}: {printable(w.by)}" for w in shown]
        if (more := waived(result) - sum(w.finding.count for w in shown)) > 0:
            lines.append(f"... and {more} more waived")
        ET.SubElement(case, "system-out").text = "\n".join(lines)
