"""Run a PDK's rules on a layout, and say of each rule how it ended.

A rule that did not run is never clean: it failed, was skipped, or does not apply here, with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol, TypeVar

import klayout.db as kdb

from layoutgen import derive, gds, memory
from layoutgen.drc import machines, overall, processes
from layoutgen.drc.cache import Cache, Entry, Outcome, key_of
from layoutgen.drc.checks import KINDS, Task, task
from layoutgen.drc.checks.kind import Circles, um
from layoutgen.drc.flat import Flat
from layoutgen.drc.look import Across
from layoutgen.drc.place import distinct
from layoutgen.drc.unit import Judged, Unit
from layoutgen.errors import LayoutgenError, PdkError, Problem, UnknownNameError, printable
from layoutgen.findings import Finding, Report, RuleResult, Status
from layoutgen.pdk import Pdk, Rule

Progress = Callable[[str], None]
Result = TypeVar("Result")
WORTH_FORKING = 10_000
"""Shapes, so many times as rules look at them, from which on several processes are faster than one."""


class Looker(Protocol):
    """What knows the layout: which layers are empty, and what a rule finds."""

    def is_empty(self, layer: str) -> bool:
        """Whether nothing is on a layer, drawn or derived."""

    def find(self, job: Task) -> Iterable[Finding]:
        """What breaks a rule, each at all its places."""

    def pieces(self, tasks: Sequence[Task]) -> dict[str, list[str]]:
        """Pieces of the layout to be looked at one after the other, each for all of its rules: the ids of these."""

    def look_at(self, piece: str) -> dict[str, Any]:
        """What breaks the rules of a piece in it; without those that cannot be run."""

    def take(self, seen: Sequence[Mapping[str, Any]]) -> None:
        """What `look_at` has said of each piece, for `find` to say."""

    def far(self, tasks: Sequence[Task]) -> dict[str, list[str]]:
        """Parts that other machines can look at, and the ids of the rules of each."""

    def unit(self, part: str) -> Unit:
        """A part as it is sent to them."""

    def took(self, answers: Mapping[str, Mapping[str, Judged | str]]) -> dict[str, str]:
        """Keep what they have said of the parts for `find`; why rules have failed there, by id."""

    def shares(self, job: Task) -> tuple[Hashable, int]:
        """What a rule has in common with others, which are then faster together, and about how many shapes it meets."""


@dataclass(frozen=True)
class Content:
    """What rules are run on: something that looks at a layout, or the function that gives a layer's shapes (dbu)."""

    title: str
    look: Looker | derive.Fetch
    applies: frozenset[str] | None = None
    """Ids of the rules to run here; None: all."""
    complete: bool = True
    """False where layers that the flow must draw may be missing, as on a drawing by itself: a rule on an empty layer
    then does not apply, where it otherwise fails."""
    cache: Cache | None = None
    """What `look` has found in windows before, and keeps what it finds."""
    known: Mapping[str, Outcome] = field(default_factory=dict)
    """How rules, by id, ended on this very content before."""
    cluster: str = ""
    """Address of the scheduler of a Dask cluster that looks at windows; empty: this machine does."""


def run(pdk: Pdk, flow: str, content: Content, progress: Progress | None = None, *, jobs: int = 1) -> Report:
    """Run every rule of the PDK that applies to the flow and the content, in up to `jobs` processes.

    `progress` is told each rule's id as it begins, and may be told so again while it lasts.

    Raises:
        UnknownNameError: the PDK has no such flow, or none of the rules that the content names.
    """
    pdk.flow(flow)
    pdk = pdk.in_flow(flow)
    for name in sorted(content.applies or ()):
        if name not in pdk.rules:
            raise UnknownNameError("rule", name, pdk.rules, where=f"PDK {pdk.name!r}")
    look = Flat(pdk, content.look) if callable(content.look) else content.look
    tell = progress or (lambda _: None)

    def ended(
        name: str, status: Status, reason: str, found: tuple[Finding, ...] = (), seconds: float = 0.0
    ) -> RuleResult:
        rule = pdk.rules[name]
        unit = KINDS[rule.check].unit if rule.check in KINDS else "um"
        return RuleResult(name, text(name, rule), status, reason, found, seconds, unit)

    def result(name: str) -> RuleResult:
        started = perf_counter()
        status, reason, found = _run_one(pdk, flow, content, look, name, pdk.rules[name])
        return ended(name, status, reason, found, perf_counter() - started)

    jobs = jobs if processes.can_fork() else 1
    sent: dict[str, RuleResult | str] = {
        name: ended(name, known.status, known.reason, known.findings)
        for name, known in content.known.items()
        if content.applies is None or name in content.applies
    }
    if content.cluster:
        parts = look.far([*_applying(pdk, flow, content)])
        sent |= look.took(machines.look_at(parts, look.unit, content.cluster, tell))
    else:
        sent |= _look_at_pieces(pdk, flow, content, look, jobs, tell)
    bundles = _bundles(pdk, flow, content, look, sent) if jobs > 1 else []
    if bundles:
        sent |= _spread(bundles, result, jobs, tell, content.cache)
    results = []
    for name in pdk.rules:
        if name not in sent:
            tell(name)
        done = sent[name] if name in sent else result(name)
        results.append(ended(name, Status.FAILED, done) if isinstance(done, str) else done)
    return Report(content.title, pdk.name, flow, tuple(_scope(content, results, pdk, flow)), tuple(results))


def _spread(
    bundles: Sequence[Sequence[str]],
    work: Callable[[str], Result],
    jobs: int,
    tell: Progress,
    cache: Cache | None,
) -> dict[str, Result | str]:
    """The result of `work` for each name, from several processes; what these remember comes back with it."""
    if cache is None:
        return processes.spread(bundles, work, jobs, tell)

    def and_remember(name: str) -> tuple[Result, list[Entry]]:
        return work(name), cache.taken()

    out: dict[str, Result | str] = {}
    for name, done in processes.spread(bundles, and_remember, jobs, tell).items():
        if isinstance(done, str):
            out[name] = done
        else:
            out[name] = done[0]
            cache.add(done[1])
    return out


def _applying(pdk: Pdk, flow: str, content: Content) -> Iterator[Task]:
    """The rules that are run, without those that cannot be: that is said when their turn comes."""
    for name, rule in pdk.rules_of(flow).items():
        if name not in content.known and (content.applies is None or name in content.applies):
            with suppress(LayoutgenError, ValueError):
                yield task(name, rule)


def _look_at_pieces(
    pdk: Pdk, flow: str, content: Content, look: Looker, jobs: int, tell: Progress
) -> dict[str, RuleResult | str]:
    """Have the pieces of a layout looked at, in up to `jobs` processes; why rules have failed that were run there."""
    rules = look.pieces([*_applying(pdk, flow, content)])
    seen: dict[str, dict[str, Any] | str] = {}
    if jobs > 1 and len(rules) > 1:
        bundles = [[piece] for piece in rules]
        seen = _spread(bundles, look.look_at, jobs, lambda piece: tell(rules[piece][0]), content.cache)
    for piece in rules:
        if piece not in seen:
            tell(rules[piece][0])
            seen[piece] = look.look_at(piece)
    look.take([found for piece in rules if not isinstance(found := seen[piece], str)])
    dead: dict[str, RuleResult | str] = {}
    for piece, here in rules.items():
        if isinstance(reason := seen[piece], str):
            for rule in here:
                dead.setdefault(rule, reason)
    return dead


def _bundles(pdk: Pdk, flow: str, content: Content, look: Looker, dead: Collection[str]) -> list[list[str]]:
    """Rules to be run by one process each, the longest first; none where several processes would not be faster."""
    names: dict[Hashable, list[str]] = defaultdict(list)
    shapes: dict[Hashable, int] = defaultdict(int)
    for job in _applying(pdk, flow, content):
        if job.rule not in dead:
            with suppress(LayoutgenError, ValueError):  # said when its turn comes
                windows, weight = look.shares(job)
                names[windows].append(job.rule)
                shapes[windows] += weight
    order = sorted(names, key=lambda key: -shapes[key])  # of equal ones the first stays first
    return [names[key] for key in order] if sum(shapes[key] for key in order[1:]) > WORTH_FORKING else []


def check_layout(
    layout: kdb.Layout,
    top: kdb.Cell,
    pdk: Pdk,
    flow: str,
    *,
    title: str,
    rules: Collection[str] | None = None,
    complete: bool = True,
    circles: Circles = "facets",
    jobs: int | None = None,
    progress: Progress | None = None,
    cache: Cache | None = None,
    digest: str = "",
    cluster: str = "",
) -> Report:
    """Run a PDK's rules on all that is below a cell, a whole wafer as well as a single die.

    rules: ids of those to run; None: all. circles: measured by their facets, or as circles. jobs: processes at most;
    None: one for each core. The same findings as of one flat run over everything, wherever they stand, for any number
    of processes. cache: what earlier runs have found, which is not looked for again. digest: of all that is below the
    cell, by which the cache knows it as a whole; without one, the cache knows windows only. cluster: address of the
    scheduler of a Dask cluster, whose workers look at windows.

    Raises:
        UnknownNameError: the PDK has no such flow, or none of the rules.
        CheckError: the cluster cannot be used.
    """
    pdk, tasks = pdk.in_flow(flow), []
    for name, rule in pdk.rules.items():
        with suppress(PdkError):  # said when its turn comes
            tasks.append(task(name, rule))
    applies = None if rules is None else frozenset(rules)
    jobs = processes.cores() if jobs is None else jobs
    keys = {job.rule: f"{key_of(job, pdk, circles)} {pdk.rules[job.rule].flows}" for job in tasks}
    numbers = [(name, layer.gds) for name, layer in pdk.drawn_layers.items()]
    whole = f"{digest} {flow} {pdk.flows.get(flow)!r} {complete} {numbers}"
    known: dict[str, Outcome] = {}
    if cache is not None and digest:
        earlier = cache.recall(whole)
        known = {rule: earlier[key] for rule, key in keys.items() if key in earlier}
    if all(rule in known for rule in pdk.rules if applies is None or rule in applies):
        content = Content(title, gds.fetch(layout, pdk, top), applies, complete, known=known)
        return run(pdk, flow, content, progress, jobs=1)
    with Across(pdk, layout, top, tasks, circles, cache) as across:
        content = Content(title, across, applies, complete, cache, known, cluster)
        report = run(pdk, flow, content, progress, jobs=jobs)
    if cache is not None and digest:
        outcomes = {
            keys[r.rule]: (r.rule, Outcome(r.status, r.reason, r.findings))
            for r in report.results
            if r.status in (Status.RUN, Status.NOT_APPLICABLE) and (applies is None or r.rule in applies)
        }
        others = {keys[rule]: (rule, outcome) for rule, outcome in known.items()}
        cache.keep(whole, others | outcomes)
    return report


def validate(pdk: Pdk) -> list[Problem]:
    """What is wrong with the PDK's rules, each in its flows, found without a layout; empty if every rule could run."""
    problems: list[Problem] = []
    flows = {flow: pdk.in_flow(flow) for flow in pdk.flows}
    for name, rule in pdk.rules.items():
        for flow in rule.flows or flows:
            try:
                overall.fits(task(name, rule), flows[flow])
            except PdkError as e:
                problems += [p for p in e.problems if p not in problems]
    return problems


def text(name: str, rule: Rule) -> str:
    """The rule in one line: what it asks for, why, and who says so."""
    try:
        asks = task(name, rule).words
    except PdkError:
        asks = f"{rule.check} of {', '.join(rule.layers)}" + (f", limit {um(rule.limit)}" if rule.limit else "")
    return printable(f"{asks}. {rule.why.strip().rstrip('.')}. Source: {rule.source.strip()}", limit=1000)


def describe(name: str, rule: Rule) -> str:
    """The rule in words, what is wrong with it if anything is, and the documentation of its kind of check."""
    parts = [f"{name}: {text(name, rule)}"]
    if rule.flows:
        parts.append(f"Flows: {', '.join(rule.flows)}")
    try:
        task(name, rule)
    except PdkError as e:
        parts.append(f"This rule cannot run: {_reason(e)}")
    if rule.check in KINDS:
        parts.append(f"Kind of check: {rule.check}\n\n{KINDS[rule.check].documentation}")
    return "\n\n".join(parts)


def _run_one(
    pdk: Pdk, flow: str, content: Content, look: Looker, name: str, rule: Rule
) -> tuple[Status, str, tuple[Finding, ...]]:
    try:
        job = task(name, rule)  # first of all: a rule that could never run is wrong in every flow
        if name not in pdk.rules_of(flow):
            return Status.NOT_APPLICABLE, f"a rule of flow {', '.join(rule.flows)}", ()
        if content.applies is not None and name not in content.applies:
            return Status.NOT_APPLICABLE, f"not checked on {content.title}", ()
        overall.fits(job, pdk)
        if ended := _absent(pdk, flow, content, look, job):
            return *ended, ()
        found = distinct(look.find(job), rule.limit)
        return Status.RUN, "", tuple(sorted(found, key=lambda f: (f.edges, f.polygon)))
    except PdkError as e:
        return Status.FAILED, _reason(e), ()
    except Exception as e:  # whatever went wrong in one rule must not hide what the others say
        return Status.FAILED, memory.reason(e), ()


def _absent(pdk: Pdk, flow: str, content: Content, look: Looker, job: Task) -> tuple[Status, str] | None:
    """How a rule ends whose layers are empty, or None where it can run and say something."""
    draws = pdk.flows[flow].draws if content.complete else ()
    needed = {layer: _needed(pdk, layer, draws) for layer in job.layers}
    for layer, sources in needed.items():
        for source in sources:
            if look.is_empty(source):
                made = f" (which {layer!r} is made of)" if source != layer else ""
                return Status.FAILED, f"flow {flow!r} must draw layer {source!r}{made}, and nothing is on it"
    where = "in this flow" if content.complete else f"on {content.title}"
    idle = [s for s in job.subjects if not needed[s] and look.is_empty(s)]
    several = job.kind.layers[0].endswith("*")
    if idle and (not several or len(idle) == len(job.subjects)):
        return Status.NOT_APPLICABLE, f"nothing on layer {', '.join(map(repr, idle))} {where}"
    missing = [layer for layer in (*job.needed, *filter(None, [job.cut])) if look.is_empty(layer)]
    if missing:
        return Status.FAILED, f"nothing on layer {', '.join(map(repr, missing))}, so nothing could be measured to it"
    return None


def _needed(pdk: Pdk, layer: str, draws: Iterable[str]) -> tuple[str, ...]:
    """Of a layer and what it is made of, those that the flow must draw."""
    return tuple(s for s in dict.fromkeys((layer, *pdk.sources(layer))) if s in draws)


def _reason(error: PdkError) -> str:
    return "; ".join(str(problem) for problem in error.problems)


def _scope(content: Content, results: list[RuleResult], pdk: Pdk, flow: str) -> Iterable[str]:
    ran, others = sum(r.status is Status.RUN for r in results), len(results) - len(pdk.rules_of(flow))
    also = f" ({others} are for other flows)" if others else ""
    yield f"{content.title}: {ran} of the {len(results)} rules of the process run{also}"
