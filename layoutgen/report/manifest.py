"""manifest.json: what was built from what, by which tools, and the SHA-256 of every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from layoutgen.findings import Report
from layoutgen.pdk import Mask

TOOLS = ("layoutgen", "klayout", "numpy", "shapely")


def text(
    *, name: str, inputs: Mapping[str, Path], build: Mapping[str, Any], masks: Mapping[str, Mask],
    mask_files: Mapping[str, str], drills: Mapping[str, Any], report: Report, folder: Path, files: Iterable[str],
    prediction: str = "",
) -> str:  # fmt: skip
    """The manifest; nothing in it depends on when or where the build ran."""
    content = {
        "name": name,
        "inputs": {shown: sha256(path) for shown, path in sorted(inputs.items())},
        "tools": {tool: version(tool) for tool in TOOLS},
        **build,
        "masks": {n: describe(m, mask_files[n]) for n, m in masks.items()},
        **({"drills": dict(drills)} if drills else {}),
        **({"plating": prediction} if prediction else {}),
        "checks": {
            "exit_code": report.exit_code,
            "summary": report.summary,
            "scope": list(report.scope),
            "rules": {r.rule: r.verdict for r in report.results},
        },
        "files": {f: {"sha256": sha256(folder / f), "bytes": (folder / f).stat().st_size} for f in sorted(files)},
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def describe(mask: Mask, file: str) -> dict[str, Any]:
    """One mask as a mask shop asks for it."""
    return {
        "title": mask.title,
        "file": file,
        "layer": list(mask.gds),
        "data": mask.data,
        "drawn_as": mask.drawn,
        "resist": mask.resist,
        "transfer": mask.transfer,
        "tone": mask.tone,
        "side": mask.side,
        "aligns_to": mask.aligns_to,
    }


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
