"""`layoutgen doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click


@click.command("doctor", short_help="Check that everything layoutgen needs is there.")
def command() -> int:
    """Check Python, libraries, processes, cells, drawing and writing. Exit code 2 where something is wrong."""
    checks: dict[str, Callable[[], str]] = {
        "python": _python,
        "libraries": lambda: ", ".join(
            f"{p} {version(p)}" for p in ("klayout", "gdstk", "numpy", "shapely", "pydantic")
        ),
        "processes": _processes,
        "cells": _cells,
        "write and draw": _write_and_draw,
    }
    good = True
    for name, check in checks.items():
        try:
            click.echo(f"ok     {name}: {check()}")
        except Exception as e:  # a doctor reports what is wrong, whatever it is
            good = False
            click.echo(f"wrong  {name}: {type(e).__name__}: {e}")
    klayout = shutil.which("klayout") or shutil.which("klayout_app")
    click.echo(_application(klayout) if klayout else
               "note   KLayout's application is not on the PATH; only `layoutgen view` and decks need it")  # fmt: skip
    return 0 if good else 2


def _application(klayout: str) -> str:
    """KLayout's application, its version, and whether decks (`layoutgen pdk deck`) are known to agree there."""
    from layoutgen.drc import deck
    from layoutgen.errors import printable

    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}  # its version is for people without a screen, too
    try:
        said = subprocess.run(  # noqa: S603  what the PATH names
            [klayout, "-v"], capture_output=True, text=True, timeout=30, env=environment, check=False
        ).stdout
    except (OSError, subprocess.SubprocessError) as e:
        return f"note   KLayout's application: {klayout} does not run: {printable(str(e))}"
    found = deck.version(said)
    if found is None:
        return f"note   KLayout's application: {klayout} does not say its version"
    doubt = deck.outside_of_known(found)
    return f"{'note' if doubt else 'ok':6} KLayout's application: {klayout}, {deck.dotted(found)}" + (
        f"; {doubt}" if doubt else ""
    )


def _python() -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _processes() -> str:
    from layoutgen import discover
    from layoutgen.drc.run import validate

    names = discover.pdk_names()
    problems = [p for name in names for p in validate(discover.pdk(name))]
    if problems or not names:
        raise RuntimeError("; ".join(map(str, problems)) or "none found")
    return ", ".join(names)


def _cells() -> str:
    from layoutgen import discover

    return f"{len(list(discover.cells()))} cells, {len(list(discover.stages()))} stages"


def _write_and_draw() -> str:
    from layoutgen import discover, gds, technology
    from layoutgen.report.preview import Picture, render

    cell = discover.cells()["polymer.opening"]
    pdk = discover.pdk(next(discover.fitting(cell)))
    layout = gds.to_layout(cell(pdk), pdk)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gds.save(layout, folder / "a.gds")
        gds.write_text(folder / "a.lyp", technology.layer_properties(pdk))
        render(folder / "a.gds", folder / "a.lyp", [Picture("a.png", (-50.0, -50.0, 50.0, 50.0))], folder)
    return "a cell was written, read back and drawn"
