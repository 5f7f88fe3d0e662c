"""Run a PDK's rules on a layout, and say of each rule how it ended.

A rule that did not run is never clean: it failed, was skipped, or does not apply here, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from time import perf_counter

import klayout.db as kdb

from layoutgen import derive, gds
from layoutgen.drc.checks import KINDS, Task, task
from layoutgen.drc.checks.kind import um
from layoutgen.errors import PdkError, Problem, UnknownNameError, printable
from layoutgen.findings import Finding, Report, RuleResult, Status
from layoutgen.pdk import Pdk, Rule
from layoutgen.units import DBU, Um, dbu

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Content:
    """A part of the layout that rules are run on.

    `fetch` gives a drawn or reserved layer's shapes in database units. Findings of which no part touches `window` are
    left out: what surrounds it is there only to be seen from it. A finding that reaches into several windows is kept by
    each: given to the one with its lower left corner, a long one that begins beyond the content would be lost.
    """

    title: str
    fetch: Callable[[str], kdb.Region]
    window: kdb.Box | None = None
    applies: frozenset[str] | None = None
    """Ids of the rules to run here; None: all."""
    complete: bool = True
    """False where layers that the flow must draw may be missing, as on the wafer outside its dies: a rule on an empty
    layer then does not apply, where it otherwise fails."""


def run(pdk: Pdk, flow: str, content: Content, progress: Progress | None = None) -> Report:
    """Run every rule of the PDK that applies to the flow and the content; `progress` is told each rule's id before.

    Raises:
        UnknownNameError: the PDK has no such flow, or none of the rules that the content names.
    """
    pdk.flow(flow)
    for name in sorted(content.applies or ()):
        if name not in pdk.rules:
            raise UnknownNameError("rule", name, pdk.rules, where=f"PDK {pdk.name!r}")
    layers = _Layers(pdk, content.fetch)
    results = []
    for name, rule in pdk.rules.items():
        if progress:
            progress(name)
        started = perf_counter()
        status, reason, found = _run_one(pdk, flow, content, name, rule, layers)
        results.append(RuleResult(name, text(name, rule), status, reason, found, perf_counter() - started))
    return Report(content.title, pdk.name, flow, tuple(_scope(content, results)), tuple(results))


def validate(pdk: Pdk) -> list[Problem]:
    """What is wrong with the PDK's rules, found without a layout; empty if every rule could run."""
    problems: list[Problem] = []
    for name, rule in pdk.rules.items():
        try:
            task(name, rule)
        except PdkError as e:
            problems += e.problems
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


class _Layers:
    """Merged regions by layer name, each computed once in a run."""

    def __init__(self, pdk: Pdk, fetch: Callable[[str], kdb.Region]) -> None:
        self._pdk = pdk
        self._fetch = fetch
        self._known: dict[str, kdb.Region] = {}

    def __getitem__(self, name: str) -> kdb.Region:
        if name not in self._known:
            self._known[name] = self._compute(name)
        return self._known[name]

    def _compute(self, name: str) -> kdb.Region:
        if name not in self._pdk.derived:
            return self._fetch(name).merged()
        return derive.evaluate(self._pdk.derived[name].expression, self.__getitem__, self._pdk.number)


def _run_one(
    pdk: Pdk, flow: str, content: Content, name: str, rule: Rule, layers: _Layers
) -> tuple[Status, str, tuple[Finding, ...]]:
    try:
        job = task(name, rule)  # first of all: a rule that could never run is wrong in every flow
        if rule.flows and flow not in rule.flows:
            return Status.NOT_APPLICABLE, f"a rule of flow {', '.join(rule.flows)}", ()
        if content.applies is not None and name not in content.applies:
            return Status.NOT_APPLICABLE, f"not checked on {content.title}", ()
        if ended := _absent(pdk, flow, content, job, layers):
            return *ended, ()
        regions = _near(content.window, job.reach, [layers[layer] for layer in job.layers])
        return Status.RUN, "", _kept(job.run(regions), content.window)
    except PdkError as e:
        return Status.FAILED, _reason(e), ()
    except Exception as e:  # whatever went wrong in one rule must not hide what the others say
        return Status.FAILED, printable(f"{type(e).__name__}: {e}"), ()


def _absent(pdk: Pdk, flow: str, content: Content, job: Task, layers: _Layers) -> tuple[Status, str] | None:
    """How a rule ends whose layers are empty, or None where it can run and say something."""
    draws = pdk.flows[flow].draws if content.complete else ()
    needed = {layer: _needed(pdk, layer, draws) for layer in job.layers}
    for layer, sources in needed.items():
        for source in sources:
            if layers[source].is_empty():
                made = f" (which {layer!r} is made of)" if source != layer else ""
                return Status.FAILED, f"flow {flow!r} must draw layer {source!r}{made}, and nothing is on it"
    where = "in this flow" if content.complete else f"on {content.title}"
    idle = [s for s in job.subjects if not needed[s] and layers[s].is_empty()]
    several = job.kind.layers[0].endswith("*")
    if idle and (not several or len(idle) == len(job.subjects)):
        return Status.NOT_APPLICABLE, f"nothing on layer {', '.join(map(repr, idle))} {where}"
    return None


def _needed(pdk: Pdk, layer: str, draws: Iterable[str]) -> tuple[str, ...]:
    """Of a layer and what it is made of, those that the flow must draw."""
    return tuple(s for s in dict.fromkeys((layer, *pdk.sources(layer))) if s in draws)


def _near(window: kdb.Box | None, reach: Um, regions: list[kdb.Region]) -> list[kdb.Region]:
    """The whole polygons that can matter to a finding that touches the window.

    Of the first layer those within reach of it: a finding marks a part of them. Of the others all within reach of
    those, because a long polygon is judged by what lies around its far end, too.
    """
    if window is None:
        return regions
    margin = dbu(reach) + 2
    box = window.enlarged(margin, margin)
    first, *others = regions
    near = _touching(first, box)
    around = (near.bbox() + box).enlarged(margin, margin)
    return [near, *(_touching(region, around) for region in others)]


def _touching(region: kdb.Region, box: kdb.Box) -> kdb.Region:
    return kdb.Region([shape for shape in region.each() if shape.bbox().touches(box)])


def _kept(found: Iterable[Finding], window: kdb.Box | None) -> tuple[Finding, ...]:
    """Each finding once, those in the window, in an order that depends on nothing but their place."""
    unique = {f.identity: f for f in found if window is None or _touches(f, window)}
    return tuple(sorted(unique.values(), key=lambda f: (f.edges, f.polygon)))


def _touches(finding: Finding, window: kdb.Box) -> bool:
    """Whether any part of the marker lies in the window, whose right and top border belong to the next one."""
    owned = kdb.Box(window.left, window.bottom, window.right - 1, window.top - 1)
    edges = [kdb.Edge(*e) for e in finding.edges]
    if any(e.clipped(owned) for e in edges):
        return True
    if len(edges) == 2:
        shape = kdb.EdgePair(edges[0], edges[1]).normalized().polygon(0)
    else:
        shape = kdb.Polygon([kdb.Point(x, y) for x, y in finding.polygon])
    if any(owned.contains(p) for p in shape.each_point_hull()):  # KLayout calls a touch in a corner no interaction
        return True
    return not kdb.Region(shape).interacting(kdb.Region(owned)).is_empty()


def _reason(error: PdkError) -> str:
    return "; ".join(str(problem) for problem in error.problems)


def _scope(content: Content, results: list[RuleResult]) -> Iterable[str]:
    where = ""
    if content.window is not None:
        w = content.window
        corners = [f"{v * DBU:.3f}" for v in (w.left, w.bottom, w.right, w.top)]
        where = f", findings in ({corners[0]}, {corners[1]}) to ({corners[2]}, {corners[3]}) um"
    ran = sum(r.status is Status.RUN for r in results)
    yield f"{content.title}: {ran} of {len(results)} rules run{where}"


def check_layout(
    layout: kdb.Layout, top: kdb.Cell, pdk: Pdk, flow: str, *, title: str, rules: Collection[str] | None = None,
    jobs: int | None = None, circles: str = "facets", progress: Progress | None = None,
) -> Report:  # fmt: skip
    """Run the rules of a flow (of `rules` alone, where given) on all that is below a cell.

    Raises:
        UnknownNameError: the PDK has no such flow, or no such rule.
    """
    applies = None if rules is None else frozenset(rules)
    return run(pdk, flow, Content(title, gds.fetch(layout, pdk, top), applies=applies), progress)
