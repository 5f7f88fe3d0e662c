"""The command line: one file a command, loaded when it is called, so that --help answers at once.

Exit codes: 0 clean, 1 findings, 2 anything else.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import click

COMMANDS = {
    "build": "Build a mask set from a spec, check it, and write it to a folder.",
    "route": "Route a chip: from pads to balls, and ties; a picture and a report.",
    "drc": "Check a layout file against the rules of a process.",
    "net": "Prove a layout file's nets, before the cut and after it.",
    "plating": "Say how evenly the network in the kerf plates, with other buses and ties.",
    "section": "Draw the cross-section of a layout along a line.",
    "waive": "Take what is tagged as waived in KLayout into a file of waivers.",
    "diff": "Compare two layouts: areas, texts and cells that differ.",
    "init": "Write a commented spec and a small pad table that build at once.",
    "cells": "List cells, or draw one.",
    "pdk": "List processes, or the rules of one.",
    "explain": "Say what a design rule asks for, why, and how it is checked.",
    "view": "Open a build in KLayout.",
    "doctor": "Check that everything layoutgen needs is there.",
}


class Commands(click.Group):
    """Commands by name; their modules are imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = importlib.import_module(f"layoutgen.cli.{name}").command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            from layoutgen.errors import nearest

            raise click.UsageError(f"no command {args[0]!r}{nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"layoutgen {version('layoutgen')}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Mask sets for wafer-level packaging: from a chip and a process to checked masks of a whole wafer."""
    ctx.obj = {"debug": debug}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and leave with its exit code."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run the command line; errors become one line each on standard error, and exit code 2."""
    debug = "--debug" in arguments
    try:
        code: Any = cli.main(arguments, prog_name="layoutgen", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as e:
        click.echo(e.format_message())
        return 2
    except click.ClickException as e:
        return _report(e, debug, [e.format_message()])
    except (click.Abort, KeyboardInterrupt):
        return _report(None, False, ["stopped; what stood in the output folder is unchanged"])
    except BrokenPipeError:
        sys.stderr.close()
        return 2
    except Exception as e:
        return _report(e, debug, _lines(e))
    return code if isinstance(code, int) else 0


def _lines(error: Exception) -> list[str]:
    from layoutgen import memory
    from layoutgen.errors import LayoutgenError

    if isinstance(error, LayoutgenError):
        return str(error).splitlines()
    if memory.ran_out(error):
        return ["not enough memory; build fewer dies, or leave out previews with --no-previews"]
    return [f"this is a defect in layoutgen: {type(error).__name__}: {error}; run `layoutgen --debug ...` to see where"]


def _report(error: BaseException | None, debug: bool, lines: list[str]) -> int:
    if debug and error is not None:
        import traceback

        traceback.print_exception(error)
    for line in lines:
        click.echo(f"error: {line}", err=True)
    return 2


__all__ = ["cli", "main", "run"]
