"""Writers of reports, one form a file: the same `Report` in, text or a file out. None of them computes a verdict.

Here stands what several of them say in the same words.
"""

from __future__ import annotations

from layoutgen.findings import Finding, Report, RuleResult, Status
from layoutgen.pdk import Pdk


def verdict(report: Report) -> str:
    """One line: clean, the number of findings, or that the checks are incomplete."""
    if report.exit_code == 0:
        return f"clean: {report.summary}"
    if report.exit_code == 1:
        return f"findings: {report.summary}"
    wrong = [r.rule for r in report.results if r.status in (Status.FAILED, Status.SKIPPED)]
    why = f"did not run: {', '.join(wrong)}" if wrong else "no rule ran"
    return f"incomplete, so not clean: {report.summary}; {why}"


def length(um: float) -> str:
    """A length in um without needless zeros."""
    return f"{um:.4f}".rstrip("0").rstrip(".")


def place(finding: Finding) -> str:
    """Where a finding is, in um."""
    x, y = finding.at
    return f"({x:.3f}, {y:.3f})"


def line(finding: Finding) -> str:
    """A finding in one line: where, what was measured, what is wrong."""
    parts = [place(finding)]
    if finding.measured is not None:
        parts.append(f"measured {length(finding.measured)} um")
    if finding.note:
        parts.append(finding.note)
    if finding.count > 1:
        parts.append(f"at {finding.count} places")
    return ": ".join((parts[0], ", ".join(parts[1:]))) if parts[1:] else parts[0]


def worst(result: RuleResult, pdk: Pdk) -> float | None:
    """The measured value (um) that is farthest from the rule's limit."""
    measured = [f.measured for f in result.findings if f.measured is not None]
    limit = pdk.rules[result.rule].limit if result.rule in pdk.rules else None
    if not measured or limit is None:
        return min(measured, default=None)
    return max(measured, key=lambda value: abs(value - limit))
