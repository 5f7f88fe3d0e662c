"""Mutants of the checks: each that differs in a limit, a term, an option or its layers is told by the rule's cases.

The cases are those of `tests/rules`, kept as data. Mutants of a rule:

- its limit, and each length or number in its options that is one, by one step up or down;
- each option that it sets, left out;
- its layers in another order;
- each kind of finding that it tells apart (pairs of edges, polygons that lie outside, ...), no longer reported, and
  each of the searches that its kind consists of (`TERMS`), left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import conformance
import klayout.db as kdb
import pytest
import rule_cases
from rule_cases import PDKS

from layoutgen.drc.checks import Task, marks, task
from layoutgen.drc.overall import of_regions
from layoutgen.findings import Finding
from layoutgen.tomlfile import Model
from layoutgen.units import DBU

RULES = [pytest.param(name, rule, id=f"{name}-{rule}") for name, pdk in PDKS.items() for rule in pdk.rules]
Runs = Callable[[Sequence[kdb.Region]], list[Finding]]
STEP = {"max_vertices": 1.0, "exact_shape": 0.01, "count": 1.0}
"""By how much a limit is changed, of kinds that count, or whose corners are rounded; else by 0.001."""
LIMITS = {
    "inside": DBU, "most": DBU, "at_least": 1, "at_most": 1, "min": 0.01, "max": 0.01, "gradient": 0.01,
    "tolerance": DBU, "size": DBU, "width": DBU, "run": DBU, "space": DBU,
}  # fmt: skip
"""Options that are limits, and their least change."""
ALIKE = ("separation", "outside", "not_connected")
"""Kinds to which the order of layers makes no difference."""
EQUIVALENT = {
    ("every_kind", "RDL.N.1", "without step"): "half a window, which it says, is what is taken unsaid",
    ("every_kind", "UBM.S.1", "without marks.notches"): "what faces itself is of one net",
    ("every_kind", "UBM.S.2", "without marks.isolated"): "where its layer is all that conducts, each polygon is a net",
}
"""Mutants that are the rule itself, and why."""
TERMS: dict[str, tuple[str, ...]] = {
    "space": ("isolated", "notches"), "notch": ("notches",), "separation": ("apart", "overlap"),
    "enclosure": ("outside",), "inside": ("outside",), "outside": ("overlap",),
}  # fmt: skip
"""What a kind consists of, by the function in `marks` that finds it."""


def judge(job: Task, layers: Sequence[kdb.Region]) -> list[Finding]:
    """What a rule finds on its layers; of one that looks after the cut, what that takes comes last."""
    if not job.cut or job.kind.overall is None:
        return job.run(layers[: len(job.layers)])
    regions = dict(zip((*job.layers, job.cut), layers, strict=True))
    return job.kind.overall(job.rule, of_regions(regions), job.layers, job.steps, job.options)


@cache
def cases(name: str, rule: str) -> tuple[tuple[bool, dict[str, Any], tuple[kdb.Region, ...]], ...]:
    """Of each case whether the rule must find something, what else it says, and the rule's layers; where it looks after
    the cut, also what that takes."""
    pdk = PDKS[name]
    out = []
    for verdict, case in rule_cases.cases_of(pdk, rule):
        shapes = rule_cases.drawn(pdk, rule, case)
        here = pdk.in_flow(case["flow"]) if "flow" in case else conformance.of_rule(pdk, rule)
        job = task(rule, here.rules[rule])
        layers = tuple(conformance.on(here, layer, shapes) for layer in (*job.layers, *filter(None, [job.cut])))
        out.append((verdict == "fail", case, layers))
    return tuple(out)


def killed(name: str, rule: str, runs: Runs) -> bool:
    """Whether a case tells that this is not the rule."""
    for fails, case, layers in cases(name, rule):
        found = runs(layers)
        if bool(found) is not fails or ("findings" in case and sum(f.count for f in found) != case["findings"]):
            return True
        if "measured" in case:
            wanted = rule_cases.number(case["measured"], rule_cases.letters(PDKS[name], PDKS[name].rules[rule]))
            if not any(f.measured == pytest.approx(wanted, abs=DBU / 2, rel=1e-9) for f in found):
                return True
    return False


def mutants(job: Task, set_: dict[str, Any], found: Sequence[Finding]) -> Iterator[tuple[str, Runs]]:
    """Each with its name. `set_`: the options that the rule sets; `found`: what it finds in its cases."""
    step = STEP.get(job.kind.name, DBU)
    if job.limit is not None and job.kind.name != "grid":
        yield from (
            (f"limit {by:+g}", partial(judge, replace(job, limit=job.limit + by)))
            for by in (-step, step)
            if job.limit + by
        )
    for what, options in _options(job, set_):
        yield what, partial(judge, replace(job, options=options))
    alike = job.kind.name in ALIKE or (job.kind.name == "overlap" and not job.options.required)
    if len(job.layers) > 1 and not alike and not job.kind.layers[0].endswith("*"):
        yield "layers swapped", lambda layers: judge(job, [*layers[:2][::-1], *layers[2:]])
    for term in sorted({_term(f) for f in found}):
        yield f"without {term}", partial(_without, job, term)
    for term in TERMS.get(job.kind.name, ()):
        if not (term == "notches" and getattr(job.options, "between", "") == "polygons") and not (
            term == "overlap" and getattr(job.options, "between", "") == "polygons"
        ):
            yield f"without marks.{term}", partial(_without_search, job, term)


def _options(job: Task, set_: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each option that is a limit changed by one step, and each that is set as if it was not."""
    steps = {**LIMITS, "tolerance": STEP.get(job.kind.name, DBU)}
    for key in set_:
        value = getattr(job.options, key)
        field = type(job.options).model_fields[key]
        if not field.is_required() and field.default != value:
            yield f"without {key}", job.options.model_copy(update={key: field.default})
        for by in (-1, 1):
            for what, changed in _changed(key, value, by, steps):
                yield what, job.options.model_copy(update={key: changed})


def _changed(key: str, value: Any, by: int, steps: dict[str, float]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Model):
        for name in type(value).model_fields:
            for what, inner in _changed(name, getattr(value, name), by, steps):
                yield f"{key}.{what}", value.model_copy(update={name: inner})
    elif isinstance(value, tuple):
        for i, one in enumerate(value):
            for what, inner in _changed(key, one, by, steps):
                yield f"{what} ({i})", (*value[:i], inner, *value[i + 1 :])
    elif key in steps and isinstance(value, int | float) and value + by * steps[key] >= 0:
        yield f"{key} {by * steps[key]:+g}", value + by * steps[key]


def _term(finding: Finding) -> str:
    """What a finding is one of: edges or a polygon, and its note without numbers."""
    return f"{'edges' if finding.edges else 'polygons'} {re.sub(r'[0-9.]+', 'n', finding.note)}".strip()


def _without(job: Task, term: str, layers: Sequence[kdb.Region]) -> list[Finding]:
    return [f for f in judge(job, layers) if _term(f) != term]


NOTHING: dict[str, Any] = {
    "isolated": [], "notches": [], "apart": kdb.EdgePairs(), "overlap": kdb.Region(), "outside": kdb.Region(),
}  # fmt: skip


def _without_search(job: Task, term: str, layers: Sequence[kdb.Region]) -> list[Finding]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marks, term, lambda *_: NOTHING[term])
        return judge(job, layers)


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_every_mutant_of_a_check_is_killed_by_the_cases(name: str, rule: str) -> None:
    asked = conformance.of_rule(PDKS[name], rule).rules[rule]
    job = task(rule, asked)
    assert not killed(name, rule, partial(judge, job))
    if asked.check == "grid" and asked.limit == DBU:
        return  # nothing breaks it, whatever it does
    found = [f for _, _, layers in cases(name, rule) for f in judge(job, layers)]
    made = list(mutants(job, asked.options, found))
    assert made
    survived = {what for what, runs in made if not killed(name, rule, runs)}
    assert survived == {what for *of, what in EQUIVALENT if of == [name, rule]}
