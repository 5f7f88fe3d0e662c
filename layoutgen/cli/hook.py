"""What a pre-commit hook runs: `drc` or `build` on each of the files at the end of its arguments.

`python -m layoutgen.cli.hook drc --pdk post a.gds b.oas`: a command of layoutgen takes one file, a hook is given many.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence

FILES = {"drc": (".gds", ".oas", ".gds.gz", ".oas.gz"), "build": (".toml",)}


def main(arguments: Sequence[str]) -> int:
    """Run the command on each file; the largest exit code of all. A build goes to a folder that is gone afterwards."""
    from layoutgen.cli import run

    if not arguments or arguments[0] not in FILES:
        print(f"error: a hook runs one of: {', '.join(FILES)}", file=sys.stderr)
        return 2
    command, *options = arguments
    files: list[str] = []
    while options and options[-1].endswith(FILES[command]):
        files.insert(0, options.pop())
    if not files:
        print(f"error: no file to {command}; a name ends in {', '.join(FILES[command])}", file=sys.stderr)
        return 2
    worst = 0
    for file in files:
        with tempfile.TemporaryDirectory() as folder:
            more = ["-o", folder, "--no-previews"] if command == "build" else []
            # a name that begins with a dash is no option
            worst = max(worst, run([command, *options, *more, "--", file]))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
