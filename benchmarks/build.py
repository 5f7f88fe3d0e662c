"""Cold builds of a real chip's wafer, whole process, against `import gdsfactory` in the same run.

Run it alone: python benchmarks/build.py [--quick]. The peer comes with: pip install '.[bench]'.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from pathlib import Path

from measure import Row, alternating, report

ROOT = Path(__file__).resolve().parent.parent
SMALL_WAFER = 71_000  # um; about a tenth of the dies of 200 mm


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds instead of five")
    rounds = 2 if parser.parse_args().quick else 5
    if importlib.util.find_spec("gdsfactory") is None:
        print("gdsfactory is not installed, so there is nothing to measure against; pip install '.[bench]'")
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = ROOT / "examples/caravel_post.toml"
        small = folder / "small.toml"
        text = spec.read_text().replace('"caravel/', f'"{(spec.parent / "caravel").as_posix()}/')
        small.write_text(text.replace("diameter = 200_000", f"diameter = {SMALL_WAFER}"))
        build = [sys.executable, "-m", "layoutgen.cli", "build", "-q", "-o", str(folder)]
        commands = {
            "gdsfactory": [sys.executable, "-c", "import gdsfactory"],
            "build": [*build, str(spec), "--no-previews"],
            "previews": [*build, str(spec)],
        }
        found = alternating(commands, rounds)
        dies = _dies(folder)
        found |= alternating({"build again": commands["build"], "small": [*build, str(small), "--no-previews"]}, rounds)
        few = _dies(folder)
    peer = found["gdsfactory"].seconds
    rows = [
        Row("build without previews / import gdsfactory", found["build"].seconds / peer, 2.0, "x"),
        Row("peak memory of that build", found["build"].megabytes, 400.0, "MB"),
        Row(f"build of {dies} dies / of {few} dies", found["build again"].seconds / found["small"].seconds, 1.3, "x"),
    ]
    notes = [
        f"import gdsfactory {peer:.2f} s, build {found['build'].seconds:.2f} s",
        f"with previews {found['previews'].seconds:.2f} s: they add "
        f"{found['previews'].seconds - found['build'].seconds:.2f} s and bring the peak to "
        f"{found['previews'].megabytes:.0f} MB",
    ]
    return report(rows, notes)


def _dies(folder: Path) -> int:
    manifest = json.loads((folder / "caravel_post" / "manifest.json").read_text())
    return int(manifest["wafer"]["dies"])


if __name__ == "__main__":
    sys.exit(main())
