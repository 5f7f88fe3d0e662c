"""GitHub's workflow commands from a results.json: an annotation for each rule that found something or did not run.

As a program: `python -P -m layoutgen.report.github RESULTS.JSON FILE`, where FILE is what they are shown at.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from layoutgen.errors import printable

MOST = 10
"""Annotations of a kind that GitHub shows of one step."""


def text(content: dict[str, Any], file: str) -> str:
    """The commands for a report as `json_form` gives it, the rules that did not run first; empty where all is clean."""
    every = [*_all(content["rules"])]
    shown = every if len(every) <= MOST else every[: MOST - 1]
    if len(shown) < len(every):
        shown.append(("layoutgen", f"{len(every) - len(shown)} rules more; see the job's summary"))
    return "".join(f"::error file={_value(file)},title={_value(title)}::{_data(said)}\n" for title, said in shown)


def _all(rules: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for rule in rules:
        if rule["status"] in ("failed", "skipped"):
            yield f"{rule['rule']} did not run", f"{rule['status']}: {rule['reason']}"
    for rule in rules:
        if rule["count"]:
            x, y = rule["at"]
            worst = f"worst {rule['worst']:g} {rule['unit']}".rstrip() + " " if rule["worst"] is not None else "worst "
            yield f"{rule['rule']}: {rule['count']} findings", f"{worst}at ({x:.3f}, {y:.3f}) um. {rule['text']}"


def _data(words: str) -> str:
    return printable(words, 1000).replace("%", "%25")


def _value(words: str) -> str:
    return _data(words).replace(":", "%3A").replace(",", "%2C")


def main(arguments: Sequence[str]) -> int:
    """Print the commands of a results.json; exit code 2 where it cannot be read."""
    try:
        results, file = arguments
        print(text(json.loads(Path(results).read_text("utf-8")), file), end="")
    except (OSError, ValueError, KeyError, TypeError) as e:
        print(f"error: no annotations: {printable(str(e))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
