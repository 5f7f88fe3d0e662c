"""The router against a person, OpenROAD's router and straight lines: quality, speed, memory and findings, row by row.

Run it alone: python benchmarks/route.py [--quick] [--only WORD ...] [--profile ROW]. Every row is a process of its
own; its seconds are those of `route(problem)` alone, without imports, drawing and checks, and stand beside the time of
a fixed loop, so that figures of different machines compare. Lengths run from centre to centre, ties apart.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import route_cases
from measure import MEBI
from route_check import check, merged_length, wire_lines

from layoutgen.route import RoutePlan, RouteProblem, draw, route
from layoutgen.units import Um

ROW_LIMIT, QUICK_LIMIT, QUICK_TOTAL = 180.0, 20.0, 55.0  # s; per process, and of a quick run altogether
AGAIN = 1.5  # s; a row that takes less is run again, for the median and to see the same plan
RUNS = 3
OPENROAD_45 = "openroad_rdl_route_45"


@dataclass(frozen=True)
class Case:
    """One row. Bars: at most `ratio` x what was drawn (or straight lines), `seconds`, `megabytes`; at least the rest.

    drawn: what a reference drew (um), and what of a plan compares with it; without it straight lines do.
    nets, ties: how many at least; None: all of them.
    """

    name: str
    problem: Callable[[], RouteProblem]
    ratio: float | None = None
    seconds: float | None = None
    megabytes: float | None = None
    nets: int | None = None
    ties: int | None = None
    drawn: Callable[[], Um] | None = None
    merged: bool = False
    quick: bool = True


@dataclass
class Outcome:
    """What one process found; `failed` says why there is nothing else."""

    failed: str = ""
    nets: tuple[int, int] = (0, 0)
    links: tuple[int, int] = (0, 0)
    ties: tuple[int, int] = (0, 0)
    tie_bound: int | None = None
    length: Um = 0.0
    to_drawn: float | None = None
    to_air: float | None = None
    seconds: float = 0.0
    first: float = 0.0
    loop: float = 0.0
    megabytes: float = 0.0
    findings: dict[str, int] = field(default_factory=dict)


def rows() -> list[Case]:
    """All rows, in the order of the table."""
    person = route_cases.caravel_drawn
    found = [
        Case("caravel 40/10, nets tied", partial(route_cases.caravel, 10.0), 0.95, 0.5, drawn=person),
        Case("caravel 40/10, pads tied", partial(route_cases.caravel, 10.0, each_pad=True), 0.95, 0.5, drawn=person),
        Case("caravel 40/20, nets tied", partial(route_cases.caravel, 20.0), drawn=person),
        Case("caravel 40/35, nets tied", partial(route_cases.caravel, 35.0), drawn=person),
        _openroad("openroad 45, 6/6, ties", OPENROAD_45, 0.955, 1.0, ties=True),
        _openroad("openroad bump to bump, 4/4", "openroad_rdl_route_bump_to_bump_only"),
        _openroad("openroad probe, 4/4", "openroad_rdl_route_probe"),
        Case("two rows 400, 20/15, ties", lambda: _generated("two_row", 20.0, 15.0), 1.025, 1.0),
        Case("area 2500, 10/10", lambda: _generated("area50", 10.0, 10.0), 1.010, 3.0),
        Case("area 5041, 10/10", lambda: _generated("area71", 10.0, 10.0), 1.015, 6.0, 1024.0, quick=False),
        Case("area 400, 15/15, ties", lambda: _generated("area20", 15.0, 15.0), 1.12, ties=398, quick=False),
    ]
    for swaps, nets in ((20, None), (50, 399), (100, 396)):
        found += [
            Case(
                f"two rows 400, {swaps} swaps, seed {seed}",
                partial(_swapped, swaps, seed),
                seconds=10.0,
                nets=nets,
                quick=seed == 0 and swaps == 20,
            )
            for seed in range(3)
        ]
    return found


def _openroad(
    name: str, case: str, ratio: float | None = None, seconds: float | None = None, *, ties: bool = False
) -> Case:
    problem = partial(route_cases.openroad, case, ties=ties)
    return Case(name, problem, ratio, seconds, drawn=partial(route_cases.openroad_drawn, case), merged=True)


def _generated(name: str, width: Um, space: Um) -> RouteProblem:
    problem: RouteProblem = getattr(route_cases.generated(), name)(width, space)
    return problem


def _swapped(swaps: int, seed: int) -> RouteProblem:
    cases = route_cases.generated()
    problem = cases.two_row(10.0, 10.0, ties=False)
    at = np.array([(t.x, t.y) for t in problem.terminals])
    pairs, _ = route_cases.matching(at[cases.pads_of(problem)], at[cases.balls_of(problem)])
    swapped: RouteProblem = cases.swaps(problem, pairs, swaps, seed)
    return swapped


def calibrate() -> float:
    """Seconds of a fixed loop, half of it plain Python and half numpy."""
    started = time.perf_counter()
    total, state = 0, 1
    for _ in range(600_000):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        total += state & 7
    values = np.arange(400_000, dtype=np.float64)
    for k in range(6):
        values = np.sort(np.sin(values * (k + 1)))
    assert total > 0
    assert len(values) == 400_000
    return time.perf_counter() - started


# ---------------------------------------------------------------------- one row, in a process of its own


def measure(case: Case) -> Outcome:
    """Route a case, a few times if that is quick, and look at what came out."""
    problem = case.problem()
    out = Outcome(loop=calibrate())
    plan, taken = _timed(problem)
    seconds = [taken]
    while len(seconds) < RUNS and max(seconds) < AGAIN:
        again, taken = _timed(problem)
        seconds.append(taken)
        if again != plan:
            out.findings["not the same twice"] = 1
    out.seconds, out.first = median(seconds), seconds[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    out.megabytes = peak / (MEBI if sys.platform != "darwin" else MEBI * MEBI)
    found = check(problem, plan, draw(problem, plan))
    out.findings |= found.findings
    out.nets, out.links, out.ties, out.tie_bound = found.nets, found.links, found.ties, plan.tie_bound
    out.length = plan.length()
    if found.links[0] == found.links[1]:  # a sum over fewer links says nothing
        out.to_air = out.length / route_cases.air(problem)
        if case.drawn is not None:
            own = merged_length(wire_lines(plan.wires), problem.width) if case.merged else out.length
            out.to_drawn = own / case.drawn()
    return out


def _timed(problem: RouteProblem) -> tuple[RoutePlan, float]:
    started = time.perf_counter()
    plan = route(problem)
    return plan, time.perf_counter() - started


def _child(case: Case) -> int:
    """Print the outcome of a row as JSON, whatever happens."""
    try:
        out = measure(case)
    except Exception as error:  # what a router cannot do yet is a row that falls short, not the end of the table
        out = Outcome(failed=f"{type(error).__name__}: {error}".splitlines()[0])
    print(json.dumps(asdict(out)))
    return 0


def _run(case: Case, limit: float) -> Outcome:
    command = [sys.executable, str(Path(__file__).resolve()), "--row", case.name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return Outcome(failed=f"not done after {limit:.0f} s")
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        said = done.stderr.strip().splitlines()
        return Outcome(failed=f"exit code {done.returncode}: {said[-1] if said else ''}")
    return Outcome(**json.loads(lines[-1]))


# ---------------------------------------------------------------------- the table


def shortfalls(case: Case, out: Outcome) -> list[str]:
    """In what a row falls short of its bars."""
    if out.failed:
        return [out.failed]
    ratio = out.to_air if case.drawn is None else out.to_drawn
    short = []
    for what, (done, wanted), bar in (("nets", out.nets, case.nets), ("ties", out.ties, case.ties)):
        least = wanted if bar is None else bar
        if done < least:
            short.append(f"{done} of {least} {what}")
    if case.ratio is not None and (ratio is None or ratio > case.ratio):
        short.append(f"ratio above {case.ratio}" if ratio is not None else "no ratio, as links are missing")
    if case.seconds is not None and out.seconds > case.seconds:
        short.append(f"above {case.seconds} s")
    if case.megabytes is not None and out.megabytes > case.megabytes:
        short.append(f"above {case.megabytes:.0f} MB")
    return short + [f"{n} {kind}" for kind, n in sorted(out.findings.items())]


HEAD = ("nets", "links", "ties", "length um", "x drawn", "x air", "bar", "s", "bar", "loop s", "MB", "findings")
WIDTHS = (9, 9, 7, 10, 7, 6, 5, 6, 4, 6, 5, 8)

NOTE = """x drawn: of the person's length (caravel), or of OpenROAD's (area of the merged wires / width, on both sides)
x air: of straight lines: the best matching of pads and balls where it is free, else spanning trees; - links are missing
s: the median of up to three runs of the router alone; loop s: a fixed loop on this machine"""


def line(name: str, cells: tuple[str, ...], room: int, verdict: str = "") -> str:
    """One line of the table."""
    return f"{name:{room}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(cells, WIDTHS, strict=True)) + f"  {verdict}"


def cells_of(case: Case, out: Outcome) -> tuple[str, ...]:
    """The figures of one row."""
    if out.failed:
        return ("",) * len(HEAD)

    def ratio(value: float | None) -> str:
        return "-" if value is None else f"{value:.4f}"

    return (
        "{}/{}".format(*out.nets),
        "{}/{}".format(*out.links),
        "{}/{}".format(*out.ties) if out.ties[1] else "-",
        f"{out.length:.1f}",
        ratio(out.to_drawn),
        ratio(out.to_air),
        "-" if case.ratio is None else f"{case.ratio:.3f}",
        f"{out.seconds:.2f}",
        "-" if case.seconds is None else f"{case.seconds:.1f}",
        f"{out.loop:.2f}",
        f"{out.megabytes:.0f}",
        str(sum(out.findings.values())),
    )


def table(cases: list[Case], *, quick: bool) -> int:
    """Measure and print row after row, and a summary last; 1 where a row falls short."""
    started = time.perf_counter()
    room = max(len(c.name) for c in cases)
    print(line("", HEAD, room), flush=True)
    short, slow_first, bounds = [], (0.0, ""), []
    for case in cases:
        left = QUICK_TOTAL - (time.perf_counter() - started)
        limit = min(QUICK_LIMIT, left) if quick else ROW_LIMIT
        out = _run(case, limit) if limit > 1.0 else Outcome(failed="no time left in a quick run")
        reasons = shortfalls(case, out)
        if reasons:
            short.append(case.name)
        slow_first = max(slow_first, (out.first - out.seconds, case.name))
        if out.tie_bound is not None:
            bounds.append(f"{case.name} {out.tie_bound}")
        print(
            line(case.name, cells_of(case, out), room, f"SHORT: {', '.join(reasons)}" if reasons else "ok"), flush=True
        )
    print(NOTE)
    if bounds:
        print(f"ties that can leave the die at all: {'; '.join(bounds)}")
    print(f"first runs took up to {slow_first[0]:.2f} s longer than the median of three ({slow_first[1] or 'none'})")
    said = f"; short: {', '.join(short)}" if short else ""
    print(f"{len(cases) - len(short)} of {len(cases)} rows meet their bars{said}")
    return 1 if short else 0


def profile(case: Case) -> int:
    """Where the time of a row goes: the 25 functions with the most of their own."""
    problem = case.problem()
    profiler = cProfile.Profile()
    try:
        profiler.runcall(route, problem)
    except Exception as error:  # what was measured until then still helps
        print(f"{case.name}: {type(error).__name__}: {error}")
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(25)
    return 0


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the rows that fit into a minute")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="rows with this in their name")
    parser.add_argument("--profile", metavar="ROW", help="where the time of the first row with this in its name goes")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    args = parser.parse_args()
    cases = rows()
    if args.row:
        return _child(next(c for c in cases if c.name == args.row))
    words = [args.profile] if args.profile else args.only
    chosen = [c for c in cases if not words or any(w in c.name for w in words)]
    if not chosen:
        print(f"no row has {' or '.join(words)} in its name; there are: {'; '.join(c.name for c in cases)}")
        return 2
    if args.profile:
        return profile(chosen[0])
    if not route_cases.DATA.is_dir():
        print(f"{route_cases.DATA} is not there: rows that others drew cannot be measured")
    if args.quick:
        left_out = [c.name for c in chosen if not c.quick]
        chosen = [c for c in chosen if c.quick]
        if left_out:
            print(f"{len(left_out)} rows only in a full run: {'; '.join(left_out)}")
        if not chosen:
            return 2
    return table(chosen, quick=args.quick)


if __name__ == "__main__":
    sys.exit(main())
