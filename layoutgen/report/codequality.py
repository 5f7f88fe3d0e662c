"""GitLab's code quality report: an issue for each finding that counts, and for each rule that did not run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from layoutgen.errors import printable
from layoutgen.findings import Report, Status
from layoutgen.pdk import Pdk
from layoutgen.report import line, named


def text(report: Report, pdk: Pdk, artifact: str) -> str:
    """The report as a JSON array; `artifact` is the layout file's URI. What was waived is left out: there is no word
    for it."""
    return json.dumps([*_issues(report, printable(unquote(artifact)))], indent=1, ensure_ascii=False) + "\n"


def _issues(report: Report, file: str) -> Iterator[dict[str, Any]]:
    for name, result in named(report):
        about = {"check_name": name, "location": {"path": file, "lines": {"begin": 1}}}
        for finding in result.findings:
            words = f"{name}: {line(finding, result.unit)}"
            yield {**about, "description": printable(words, 1000), "fingerprint": finding.identity, "severity": "major"}
        if result.status in (Status.FAILED, Status.SKIPPED):
            words = f"{name} {result.status.value}: {result.reason}"
            key = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
            yield {**about, "description": printable(words, 1000), "fingerprint": key, "severity": "critical"}
