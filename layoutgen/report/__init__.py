"""Writers of reports, one form a file: the same `Report` in, text or a file out. None of them computes a verdict.

Here stands what several of them say in the same words.
"""

from __future__ import annotations

from collections.abc import Iterator

from layoutgen.errors import printable
from layoutgen.findings import Finding, Report, RuleResult, Status
from layoutgen.pdk import Pdk
from layoutgen.units import DBU

NOT_ASKED = "not asked for"
"""Why a rule that the caller did not name did not run: no news to them."""
MOST_WORDS = 64


def verdict(report: Report) -> str:
    """One line: clean, the number of findings, or that the checks are incomplete."""
    if report.exit_code == 0:
        return f"clean: {report.summary}"
    if report.exit_code == 1:
        return f"findings: {report.summary}"
    wrong = [r.rule for r in report.results if r.status in (Status.FAILED, Status.SKIPPED)]
    why = f"did not run: {', '.join(wrong)}" if wrong else "no rule ran"
    return f"incomplete, so not clean: {report.summary}; {why}"


def named(report: Report) -> Iterator[tuple[str, RuleResult]]:
    """Each rule's result, with its id as text that can be shown, unlike that of any other rule."""
    taken: set[str] = set()
    for result in report.results:
        shown, n = printable(result.rule, 100) or "?", 2
        name = shown
        while name in taken:
            name, n = f"{shown} ({n})", n + 1
        taken.add(name)
        yield name, result


def amount(value: float, unit: str) -> str:
    """A value without needless zeros, and its unit."""
    decimals = 6 if unit == "um2" else 4  # a square database unit; finer than the grid, so that 9.9996 um is not 10 um
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".") + f" {unit}".rstrip()


def place(finding: Finding) -> str:
    """Where a finding is, in um."""
    x, y = finding.at
    return f"({x:.3f}, {y:.3f})"


def in_die(finding: Finding) -> str:
    """Where a finding is in its die, in um from the die's lower left corner; empty where no die is known."""
    if finding.origin == (0, 0):
        return ""
    x, y = finding.at
    return f"({x - finding.origin[0] * DBU:.3f}, {y - finding.origin[1] * DBU:.3f})"


def line(finding: Finding, unit: str) -> str:
    """A finding in one line: where, what was measured (in a unit), what is wrong."""
    parts = [place(finding) + (f" [in its die {at}]" if (at := in_die(finding)) else "")]
    if finding.measured is not None:
        parts.append(f"measured {amount(finding.measured, unit)}")
    if finding.note:
        parts.append(finding.note)
    if finding.count > 1:
        parts.append(f"at {finding.count} places")
    return ": ".join((parts[0], ", ".join(parts[1:]))) if parts[1:] else parts[0]


def worst(result: RuleResult, pdk: Pdk) -> Finding | None:
    """The finding whose measured value is farthest from what is asked for; the first one, where none was measured."""
    limit = pdk.rules[result.rule].limit if result.rule in pdk.rules else None
    return max(result.findings, key=lambda finding: finding.off(limit), default=None)


def worst_value(result: RuleResult, pdk: Pdk) -> str:
    """What is measured where it is worst, with its unit; empty where nothing is."""
    found = worst(result, pdk)
    return "" if found is None or found.measured is None else amount(found.measured, result.unit)


def waived(result: RuleResult) -> int:
    """At how many places what the rule asks for is broken and let pass."""
    return sum(w.finding.count for w in result.waived)


def asks(rule: str, pdk: Pdk) -> str:
    """What a rule asks for, in a few words; empty for one that is not the process's."""
    from layoutgen.drc.checks import task

    words = task(rule, pdk.rules[rule]).words if rule in pdk.rules else ""
    return words if len(words) <= MOST_WORDS else words[: MOST_WORDS - 3] + "..."
