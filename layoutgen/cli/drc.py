"""`layoutgen drc FILE`."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from layoutgen.cli import layout_file
from layoutgen.cli.numbers import Finite
from layoutgen.cli.progress import progress

if TYPE_CHECKING:
    from layoutgen.baseline import Baseline
    from layoutgen.pdk import Pdk
    from layoutgen.waivers import Waivers


@click.command("drc", short_help="Check a layout file against the rules of a process.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--pdk", required=True, help="The process: a name or a folder.")
@click.option("--flow", help="One of the process's flows, where it has several.")
@click.option("--top", default="", metavar="CELL", help="The cell to check; left out, the only top cell.")
@click.option("--rules", metavar="ID,ID,...", help="Run these rules alone.")
@layout_file.reports
@layout_file.places
@click.option("--cut", type=Finite(min=0, min_open=True), metavar="UM",
              help="Width of the kerf in the middle of the street, in place of the process's.")  # fmt: skip
@click.option("--circles", type=click.Choice(["facets", "analytic"]), default="facets", show_default=True,
              help="Measure circles by their corners, or as the circles that they stand for.")  # fmt: skip
@click.option("--facet-tolerance", type=Finite(min=0, min_open=True, max=100), metavar="UM",
              help="Let pass what is found only because circles have facets, off by this at most.")  # fmt: skip
@layout_file.bounds
@click.option("--jobs", type=click.IntRange(min=1), metavar="N",
              help="Processes that rules are run in, at most; left out, one for each core.")  # fmt: skip
@click.option("--cluster", default="", metavar="ADDRESS",
              help="The scheduler of a Dask cluster, whose workers check; left out, this machine does.")  # fmt: skip
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
              help="Keep what was found here, to look at nothing twice; left out, in the system's.")  # fmt: skip
@click.option("--no-cache", is_flag=True, help="Look at everything, and keep nothing.")
@click.option("--waivers", type=click.Path(path_type=Path), metavar="TOML",
              help="A file of waivers: findings that may pass, with reason, author and expiry.")  # fmt: skip
@click.option("--baseline", type=click.Path(path_type=Path), metavar="REPORT",
              help="An earlier report, .json or .lyrdb: only findings that are not in it count.")  # fmt: skip
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE",
              help="The day on which the expiry of waivers is judged; left out, today.")  # fmt: skip
@layout_file.output
def command(
    file: Path, pdk: str, flow: str | None, top: str, rules: str | None, reports: tuple[Path, ...],
    pictures: Path | None, die: str | None, step: str | None, count: str | None, cut: float | None,
    ignore: tuple[str, ...], circles: str, facet_tolerance: float | None, seconds: float | None, megabytes: int,
    jobs: int | None, cluster: str, cache: Path | None, no_cache: bool, waivers: Path | None, baseline: Path | None,
    today: datetime | None, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Check FILE, a GDSII or OASIS layout (or .gz of one), against the rules of a process.

    The wafer's file of a build has its dies, streets and kerfs on reserved layers. For files of others, --die,
    --step and --count say where dies are: a rule that asks for one of these layers is skipped without.

    Exit code 0: every rule that applies has run, and found nothing that is not waived. 1: findings. 2: anything else;
    also where a rule failed or was skipped, the file has a layer that the process does not know, or lacks one that the
    flow must draw.
    """
    from layoutgen import foreign

    with foreign.Reading(file, seconds=seconds, megabytes=megabytes) as reading:  # while the rest is imported
        from layoutgen import checked, discover
        from layoutgen.drc.cache import Cache, default_folder

        if cache is not None and no_cache:
            raise click.UsageError("--cache and --no-cache exclude each other; leave one out")
        layout_file.check_reports(reports)
        dies = layout_file.dies(die, step, count, cut, "--cut")
        layers = layout_file.ignored(ignore)
        process = discover.pdk(pdk)
        wanted = None if rules is None else [rule.strip() for rule in rules.split(",") if rule.strip()]
        if wanted == []:
            raise click.BadParameter("name at least one rule", param_hint="--rules")
        passes = None if waivers is None else _waivers(waivers, process, (today or datetime.now()).date())
        known = None if baseline is None else _baseline(baseline, process)
        with layout_file.bounded(file, megabytes), progress(len(process.rules) + 1, quiet or as_json) as tell:
            done = checked.check_file(
                file, process, flow, top=top, rules=wanted, dies=dies, ignore=layers,
                circles="analytic" if circles == "analytic" else "facets", facet_tolerance=facet_tolerance, jobs=jobs,
                waivers=passes, baseline=known,
                progress=lambda step: tell(step if step == "reading" else f"checking {step}"),
                cache=None if no_cache else Cache(cache or default_folder()), cluster=cluster,
                reading=reading,
            )  # fmt: skip
    return layout_file.say(done, process, reports, pictures, as_json, quiet)


def _waivers(path: Path, pdk: Pdk, today: date) -> Waivers:
    from layoutgen import waivers

    return waivers.read(path, pdk, today)


def _baseline(path: Path, pdk: Pdk) -> Baseline:
    from layoutgen import baseline

    return baseline.read(path, pdk)


__all__ = ["command"]
