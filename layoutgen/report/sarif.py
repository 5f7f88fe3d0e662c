"""SARIF 2.1.0, as code-scanning pages read it: a descriptor for each rule, a result for each finding.

A layout has no lines, so that results name the file, and say the place in words and as a property.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib.metadata import version
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import quote

from layoutgen.errors import printable
from layoutgen.findings import Finding, Report, RuleResult, Status
from layoutgen.pdk import Pdk
from layoutgen.report import NOT_ASKED, amount, line, named, verdict

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST = 25_000
"""Results of a run that code scanning takes."""
Row = tuple[int, Finding, str | None]
"""Number of the rule, what it found, and who waived it, if anybody did."""


def uri(file: Path) -> str:
    """A file as SARIF names it: from here, where it is below; else by its name alone."""
    try:
        shown = file.absolute().relative_to(Path.cwd())
    except ValueError:
        shown = Path(file.name)
    if ".." in shown.parts:
        shown = Path(file.name)
    return quote(os.fsencode(shown.as_posix()))


def text(report: Report, pdk: Pdk, artifact: str, top: str) -> str:
    """The report as SARIF, the same text for the same report.

    artifact: the layout file's URI. top: the cell that the coordinates belong to. Beyond 25,000 results the rest is
    left out, of each rule alike, what was waived first, and a notification says how many.
    """
    names = [name for name, _ in named(report)]
    rows = list(islice(_rows(report), MOST))
    every = sum(len(r.findings) + len(r.waived) for r in report.results)
    results = [_result(names[n], report.results[n], n, f, by, artifact, top) for n, f, by in sorted(rows, key=_order)]
    run = {
        "tool": {"driver": {"name": "layoutgen", "version": version("layoutgen"),
                            "rules": [_descriptor(name, r, pdk) for name, r in named(report)]}},
        "invocations": [{
            "executionSuccessful": report.exit_code != 2, "exitCode": report.exit_code,
            "toolExecutionNotifications": [*_notifications(report), *_cut(len(rows), every)],
        }],
        "automationDetails": {"id": f"layoutgen/{printable(report.pdk)}/{printable(report.flow)}/{artifact}/"},
        "artifacts": [{"location": {"uri": artifact}, "description": _message(report.title)}],
        "results": results,
        "properties": {
            "summary": printable(verdict(report), 2000), "scope": [printable(s, 1000) for s in report.scope],
        },
    }  # fmt: skip
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _order(row: Row) -> tuple[int, bool]:
    return row[0], row[2] is not None


def _rows(report: Report) -> Iterator[Row]:
    """All that was found, the first of each rule before the second of any; then what was waived."""
    found = [[(n, f, None) for f in r.findings] for n, r in enumerate(report.results)]
    let = [[(n, w.finding, w.by) for w in r.waived] for n, r in enumerate(report.results)]
    for many in (found, let):
        yield from (row for row in chain.from_iterable(zip_longest(*many)) if row is not None)


def _descriptor(name: str, result: RuleResult, pdk: Pdk) -> dict[str, Any]:
    """A rule: its text has limit and source; both also stand by themselves."""
    rule = pdk.rules.get(result.rule)
    properties = {"status": result.status.value, "unit": result.unit}
    if rule is not None:
        properties |= {"check": printable(rule.check), "source": printable(rule.source, 1000)}
        if rule.limit is not None:
            properties["limit"] = amount(rule.limit, result.unit)
    return {
        "id": name, "shortDescription": _message(name),
        "fullDescription": _message(result.text), "help": _message(result.text),
        "defaultConfiguration": {"level": "error"}, "properties": properties,
    }  # fmt: skip


def _result(
    name: str, result: RuleResult, number: int, finding: Finding, by: str | None, artifact: str, top: str
) -> dict[str, Any]:
    properties: dict[str, Any] = {"at": [round(v, 4) for v in finding.at], "places": finding.count}
    if finding.measured is not None:
        properties["measured"] = amount(finding.measured, result.unit)
    cell = printable(top)
    out = {
        "ruleId": name, "ruleIndex": number, "level": "error",
        "message": _message(f"{name}: {line(finding, result.unit)}"),
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": artifact, "index": 0}},
            "logicalLocations": [{"name": cell, "fullyQualifiedName": cell, "kind": "cell"}],
        }],
        # the second is the one that GitHub goes by
        "partialFingerprints": {"identity/v1": finding.identity, "primaryLocationLineHash": f"{finding.identity}:1"},
        "occurrenceCount": finding.count, "properties": properties,
    }  # fmt: skip
    if by is not None:
        out["suppressions"] = [{"kind": "external", "status": "accepted", "justification": printable(by, 1000)}]
    return out


def _notifications(report: Report) -> Iterator[dict[str, Any]]:
    """Each rule that did not run, and why."""
    levels = {Status.FAILED: "error", Status.SKIPPED: "error", Status.NOT_APPLICABLE: "note"}
    for number, (name, result) in enumerate(named(report)):
        if result.status is not Status.RUN and result.reason != NOT_ASKED:
            yield {
                "level": levels[result.status],
                "message": _message(f"{name} {result.status.value}: {printable(result.reason, 1000)}"),
                "associatedRule": {"id": name, "index": number},
            }
    if report.exit_code == 2:
        yield {"level": "error", "message": _message(verdict(report))}


def _cut(shown: int, every: int) -> Iterator[dict[str, Any]]:
    if shown < every:
        said = f"{every - shown} of {every} results are left out: code scanning takes {MOST}"
        yield {"level": "warning", "message": _message(said)}


def _message(words: str) -> dict[str, str]:
    """Text that is nothing but text: brackets would be links, braces places to fill in."""
    plain = printable(words, 2000).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return {"text": plain.replace("{", "{{").replace("}", "}}") or " "}
