"""Markdown for a CI job's summary or a pull request: the verdict, a table of the rules, and what did not run."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from layoutgen.errors import printable
from layoutgen.findings import Report, RuleResult, Status
from layoutgen.pdk import Pdk
from layoutgen.report import amount, in_die, place, verdict, waived, worst, worst_value

HEAD = ("Rule", "Kind", "Layers", "Limit", "Verdict", "Count", "Worst", "Worst at (um)")
MOST = 65_000
"""Characters: a comment on a pull request takes 65,536."""
MOST_SENTENCES = 10_000
"""Characters of the sentences before the table."""
MOST_REST = 25_000
"""Characters of the list of what did not run."""


def text(report: Report, pdk: Pdk, also: str = "") -> str:
    """The report as Markdown, below 65,536 characters: what does not fit is counted in a line of its own.

    also: Markdown of little length that follows it.

    Rules that found something and rules that did not run come before clean ones. A column says what was waived where
    anything was.
    """
    # short: the rules that did not run have a list of their own
    out = [f"## {safe(report.title, 200)}: {safe(verdict(report), 500)}", ""]
    out += [f"PDK {_code(report.pdk)}, flow {_code(report.flow)}.", ""]
    out += _fitting([f"- {safe(s)}" for s in report.scope], MOST_SENTENCES, "- ... and {} sentences more")
    rest = sorted((r for r in report.results if r.status is not Status.RUN), key=lambda r: r.status.value)
    below: list[str] = []
    if rest:
        lines = [f"- **{safe(r.rule, 100)}** {r.status.value}: {safe(r.reason)}" for r in rest]
        below = ["", "### What did not run, and why", ""]
        below += _fitting(lines, MOST_REST, "- ... and {} rules more that did not run")
    ran = [r for r in report.results if r.status is Status.RUN]
    if ran:
        some_waived = any(r.waived for r in report.results)
        head = (*HEAD, *(["Waived"] if some_waived else []))
        # what is wrong first, else the order of the PDK
        rows = [_line(_row(r, pdk, some_waived)) for r in sorted(ran, key=lambda r: not r.findings)]
        out += ["", _line(head), _line(["---"] * len(head))]
        room = MOST - len(also) - sum(len(line) + 1 for line in (*out, *below))
        out += _fitting(rows, room, "\n... and {} rules more, which no comment has room for")
    else:
        out += ["", "No rule ran."]
    return "\n".join([*out, *below]) + "\n" + also


def _row(result: RuleResult, pdk: Pdk, some_waived: bool) -> list[str]:
    rule = pdk.rules.get(result.rule)
    kind, layers, limit = ("", "", "")
    if rule is not None:
        kind, layers = safe(rule.check, 100), safe(", ".join(rule.layers), 200)
        limit = amount(rule.limit, result.unit) if rule.limit is not None else ""
    found = worst(result, pdk)
    ended, at = ("clean", "") if found is None else ("**findings**", place(found))
    at += f", in its die {there}" if found is not None and (there := in_die(found)) else ""
    let = [str(waived(result))] if some_waived else []
    name, value = safe(result.rule, 100), worst_value(result, pdk)
    return [name, kind, layers, limit, ended, str(result.count), value, at, *let]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _fitting(lines: Sequence[str], room: int, more: str) -> list[str]:
    """As many of some lines as there is room for, in characters; `more` says of how many there was none."""
    left = room - len(more) - 10
    kept: list[str] = []
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            return [*kept, more.format(len(lines) - len(kept))]
        kept.append(line)
    return kept


def _code(words: str) -> str:
    return f"`{printable(words, 100).replace('`', '?')}`"


def safe(words: str, limit: int = 2000) -> str:
    """Text that Markdown and HTML take as nothing but text, no addresses made links."""
    escaped = html.escape(printable(words, limit), quote=False)
    escaped = re.sub(r"([\\`*_\[\]|#~!@])", r"\\\1", escaped)
    return escaped.replace("://", "&#58;//").replace("www.", "www&#46;")
