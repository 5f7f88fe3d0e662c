"""All checks of the project, the quickest first; ends with the exit code of the first that fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
    ("pytest", "-n", str(os.cpu_count() or 1), "--dist", "loadgroup"),
)


def main() -> int:
    """Run every check; 0 where all passed."""
    for name, *arguments in CHECKS:
        print(f"--- {name} {' '.join(arguments)}", flush=True)
        done = subprocess.run([str(BIN / name), *arguments], cwd=ROOT, check=False)
        if done.returncode != 0:
            print(f"--- {name} failed with exit code {done.returncode}", flush=True)
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
