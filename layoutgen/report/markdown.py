"""Markdown for a CI job's summary: the verdict, a table of the rules, and what did not run."""

from __future__ import annotations

import html
import re

from layoutgen.errors import printable
from layoutgen.findings import Report, RuleResult, Status
from layoutgen.pdk import Pdk
from layoutgen.report import amount, place, verdict, worst, worst_value

HEAD = ("Rule", "Kind", "Layers", "Limit", "Verdict", "Count", "Worst", "Worst at (um)")


def text(report: Report, pdk: Pdk) -> str:
    """The report as Markdown."""
    out = [f"## {safe(report.title)}: {safe(verdict(report))}", ""]
    out += [f"PDK `{report.pdk}`, flow `{report.flow}`.", ""]
    out += [f"- {safe(sentence)}" for sentence in report.scope]
    ran = [r for r in report.results if r.status is Status.RUN]
    if ran:
        # what is wrong first, else the order of the PDK
        rows = [_row(r, pdk) for r in sorted(ran, key=lambda r: not r.findings)]
        out += ["", _line(HEAD), _line(["---"] * len(HEAD)), *(_line(row) for row in rows)]
    else:
        out += ["", "No rule ran."]
    rest = sorted((r for r in report.results if r.status is not Status.RUN), key=lambda r: r.status.value)
    if rest:
        out += ["", "### What did not run, and why", ""]
        out += [f"- **{safe(r.rule)}** {r.status.value}: {safe(r.reason)}" for r in rest]
    return "\n".join(out) + "\n"


def _row(result: RuleResult, pdk: Pdk) -> list[str]:
    rule = pdk.rules.get(result.rule)
    kind, layers, limit = ("", "", "")
    if rule is not None:
        kind, layers = rule.check, ", ".join(rule.layers)
        limit = amount(rule.limit, result.unit) if rule.limit is not None else ""
    found = worst(result, pdk)
    ended, at = ("clean", "") if found is None else ("**findings**", place(found))
    return [safe(result.rule), kind, safe(layers), limit, ended, str(result.count), worst_value(result, pdk), at]


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def safe(words: str) -> str:
    """Text that Markdown and HTML take as nothing but text."""
    escaped = html.escape(printable(words, 2000), quote=False)
    return re.sub(r"([\\`*_\[\]|#~!@])", r"\\\1", escaped)
