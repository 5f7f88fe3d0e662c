"""The report as JSON: every rule, every finding with its geometry. Its schema: results.schema.json beside this file.

One line a finding, so that two reports can be compared line by line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from layoutgen.errors import printable
from layoutgen.findings import Finding, Report, RuleResult
from layoutgen.pdk import Pdk
from layoutgen.report import named, worst

VERSION = 1
"""Of the form; another one is another form."""


def schema() -> dict[str, Any]:
    """The JSON schema of what `text` gives."""
    found: dict[str, Any] = json.loads(files("layoutgen.report").joinpath("results.schema.json").read_text("utf-8"))
    return found


def text(report: Report, pdk: Pdk) -> str:
    """The report as JSON, without times: the same report gives the same text."""
    head = {
        "version": VERSION, "title": printable(report.title, 1000), "pdk": printable(report.pdk),
        "flow": printable(report.flow), "exit_code": report.exit_code, "summary": report.summary,
        "scope": [printable(sentence, 1000) for sentence in report.scope],
    }  # fmt: skip
    lines = [f" {_dump(key)}: {_dump(value)}," for key, value in head.items()]
    rules = ",\n".join(_rule(name, result, pdk) for name, result in named(report))
    return "\n".join(["{", *lines, f' "rules": [{_lines(rules)}]', "}"]) + "\n"


def _rule(name: str, result: RuleResult, pdk: Pdk) -> str:
    """One rule as an object; its findings are a line each."""
    found = worst(result, pdk)
    head = {
        "rule": name, "text": printable(result.text, 2000), "status": result.status.value,
        "reason": printable(result.reason, 1000), "unit": result.unit,
        "limit": pdk.rules[result.rule].limit if result.rule in pdk.rules else None, "count": result.count,
        "worst": _number(found.measured) if found else None, "at": _at(found) if found else None,
    }  # fmt: skip
    parts = [f"{_dump(key)}:{_dump(value)}" for key, value in head.items()]
    parts.append(f'"findings":[{_lines(_objects(_finding(f) for f in result.findings))}]')
    let = ({**_finding(w.finding), "by": printable(w.by, 1000)} for w in result.waived)
    parts.append(f'"waived":[{_lines(_objects(let))}]')
    return "  {" + ",".join(parts) + "}"


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "identity": finding.identity, "measured": _number(finding.measured), "asked": _number(finding.asked),
        "note": printable(finding.note), "edges": finding.edges, "polygon": finding.polygon, "at": _at(finding),
        "origin": finding.origin, "repeats": finding.repeats,
    }  # fmt: skip


def _at(finding: Finding) -> list[float]:
    return [round(value, 4) for value in finding.at]


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _objects(objects: Iterable[Mapping[str, Any]]) -> str:
    return ",\n".join(f"   {_dump(one)}" for one in objects)


def _lines(block: str) -> str:
    return f"\n{block}\n " if block else ""


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
