"""`layoutgen waive REPORT`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click


@click.command("waive", short_help="Take what is tagged as waived in KLayout into a file of waivers.")
@click.argument("report", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="TOML",
              help="The file of waivers; entries are appended to one that is there.")  # fmt: skip
@click.option("--author", required=True, help="Who lets them pass.")
@click.option("--reason", required=True, help="Why.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE",
              help="The last day on which the waivers hold; left out, they hold for good.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    report: Path, output: Path, author: str, reason: str, expires: datetime | None, quiet: bool
) -> int:  # fmt: skip
    """Write an entry into a file of waivers for each finding of REPORT (.lyrdb) that somebody has tagged as waived in
    KLayout's marker browser. What the file has already is not written twice.

    Exit code 0: done, also where nothing is tagged. 2: anything else.
    """
    from layoutgen import tagged

    last = None if expires is None else expires.date()
    taken = tagged.take(report, output, author, reason, last, today=datetime.now().date())
    if not quiet:
        click.echo(f"{len(taken.entries)} waivers written to {output}")
        if taken.known:
            click.echo(f"  {taken.known} are in it already")
        if taken.waived:
            click.echo(f"  {taken.waived} were waived when the report was made")
        if taken.nameless:
            click.echo(f"  {taken.nameless} do not say which finding they are: not of a report of layoutgen")
    return 0


__all__ = ["command"]
