"""`layoutgen view FOLDER`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click

PLACES = (
    "/Applications/klayout.app/Contents/MacOS/klayout",
    "/Applications/KLayout/klayout.app/Contents/MacOS/klayout",
    "C:/Program Files/KLayout/klayout_app.exe",
)


@click.command("view", short_help="Open a build in KLayout.")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("output"))
def command(folder: Path) -> int:
    """Open the build in FOLDER (output/NAME) in KLayout: wafer, layer names and colours, and findings."""
    wafer = _only(folder, "*_wafer.oas")
    properties = _only(folder, "*.lyp")
    klayout = (
        shutil.which("klayout") or shutil.which("klayout_app") or next((p for p in PLACES if Path(p).exists()), None)
    )
    if klayout is None:
        raise click.ClickException(
            f"KLayout's application is not on this machine's PATH; get it from klayout.de, then open {wafer} "
            f"and load layer properties {properties}"
        )
    arguments = [klayout, str(wafer.resolve()), "-l", str(properties.resolve())]
    report = folder / "drc.lyrdb"
    if report.is_file():
        arguments += ["-m", str(report.resolve())]
    started = subprocess.Popen(  # noqa: S603  our own arguments, absolute paths
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=sys.platform != "win32",
    )  # fmt: skip
    click.echo(f"KLayout opens {wafer} (process {started.pid})")
    return 0


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern)) if folder.is_dir() else []
    if len(found) != 1:
        builds = sorted(p.parent for p in folder.glob("*/*_wafer.oas")) if folder.is_dir() else []
        hint = f"; builds there: {', '.join(map(str, builds))}" if builds else "; build one with `layoutgen build SPEC`"
        raise click.UsageError(f"{folder} holds no build{hint}")
    return found[0]
