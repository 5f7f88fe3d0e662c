"""Mutants of layouts: made, judged by the witness first, then by the rule, and counted.

Sites are patterns that are right by a rule. Of each rule so many mutants are made with each operator; all of a rule's
stand side by side in one layout, far enough apart not to see each other, and one run of the rule judges them.
"""

from __future__ import annotations

import math
import random
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import conformance
import klayout.db as kdb
import shapely
from mutants import witness
from mutants.operators import OPERATORS, Aim, Corners, Site
from mutants.witness import Verdict
from shapely.geometry.base import BaseGeometry

from layoutgen import pdk as pdk_module
from layoutgen.drc import run as drc_run
from layoutgen.drc.checks import KINDS, task
from layoutgen.findings import Finding, Status
from layoutgen.pdk import Pdk
from layoutgen.units import dbu

GAP = 2_000_000
"""Between sites (database units): no rule looks so far."""
TRIES = 12
"""How often another site and another length are drawn, where an operator has nothing to change, or the witness is not
sure."""
KILLED, EQUIVALENT, SURVIVED, FALSE = "killed", "equivalent", "survived", "false alarm"
OUTCOMES = (KILLED, EQUIVALENT, SURVIVED, FALSE)


@dataclass(frozen=True)
class Mutant:
    """A changed site, and what the witness says of it."""

    rule: str
    operator: str
    seed: str
    site: Site
    verdict: Verdict


@dataclass(frozen=True)
class Judged:
    """A mutant, and what became of it."""

    mutant: Mutant
    outcome: str


def sites(pdk: Pdk, rule: str) -> list[Site]:
    """Legal drawings of a rule, with shapes on all of its layers where it has such."""
    found: list[Site] = []
    for pattern in conformance.patterns(pdk, rule):
        if pattern.found:
            continue
        drawn = conformance.drawn(pdk, rule, pattern)
        site = {layer: [_corners(p) for p in region.each()] for layer, region in drawn.items()}
        if any(site.values()):
            found.append(site)
    full = [site for site in found if all(site.values())]
    return full or found


def _corners(polygon: kdb.Polygon) -> Corners:
    return tuple((p.x, p.y) for p in polygon.each_point_hull())


def mutants(pdk: Pdk, rule: str, each: int) -> Iterator[Mutant]:
    """So many of each operator: half of them illegal, as far as some tries find such."""
    pdk = conformance.of_rule(pdk, rule)
    legal = sites(pdk, rule)
    sources = tuple(dict.fromkeys(s for layer in pdk.rules[rule].layers for s in pdk.sources(layer)))
    others = tuple(layer for layer in pdk.layers if layer not in sources)
    asked = pdk.rules[rule]
    length = math.sqrt(asked.limit or 0.0) if KINDS[asked.check].unit == "um2" else asked.limit or 0.0
    aim = Aim(tuple(s for s in sources if any(s in site for site in legal)), dbu(length), others)
    for operator in OPERATORS:
        sure = _sure(pdk, rule, operator, legal, aim, TRIES * each)
        spare: list[Mutant] = []
        illegal = 0
        for mutant in sure:
            if mutant.verdict.illegal and illegal < each - each // 2:
                illegal += 1
                yield mutant
            else:
                spare.append(mutant)
            if illegal == each - each // 2 and illegal + len(spare) >= each:
                break
        spare.sort(key=lambda m: m.verdict.illegal)  # of the rest the legal ones first
        yield from spare[: each - illegal]


def _sure(pdk: Pdk, rule: str, operator: str, legal: list[Site], aim: Aim, tries: int) -> Iterator[Mutant]:
    """Different mutants of an operator of which the witness is sure."""
    seen = set()
    for attempt in range(tries):
        seed = f"{pdk.name} {rule} {operator} {attempt}"
        rnd = random.Random(zlib.crc32(seed.encode()))  # noqa: S311 - repeatable, not secret
        site = OPERATORS[operator](rnd.choice(legal), rnd, aim)
        if site is None or not _simple(site) or (key := repr(site)) in seen:
            continue
        seen.add(key)
        verdict = judged(pdk, rule, site)
        if verdict.sure:
            yield Mutant(rule, operator, seed, site, verdict)


def _simple(site: Site) -> bool:
    """Whether all polygons are such that both libraries read them alike."""
    return all(shapely.Polygon(p).is_valid and shapely.Polygon(p).area > 0 for shapes in site.values() for p in shapes)


def judged(pdk: Pdk, rule: str, site: Site) -> Verdict:
    """What the witness says of a site. Derived layers it is given: of these `tests/test_derive.py` has another."""
    layers = [_layer(pdk, layer, site) for layer in pdk.rules[rule].layers]
    limit = 1000 * (pdk.rules[rule].limit or 0.0)
    return witness.JUDGES[pdk.rules[rule].check](layers, round(limit), pdk.rules[rule].options)


def _layer(pdk: Pdk, layer: str, site: Site) -> BaseGeometry:
    if layer not in pdk.derived:
        return shapely.unary_union([shapely.Polygon(p) for p in site.get(layer, [])])
    region = pdk.region(layer, lambda name: _region(site.get(name, [])))
    shapes = []
    for polygon in region.each():
        holes = [[(p.x, p.y) for p in polygon.each_point_hole(i)] for i in range(polygon.holes())]
        shapes.append(shapely.make_valid(shapely.Polygon(_corners(polygon), holes)))  # its outline may touch itself
    return shapely.unary_union(shapes)


def _region(shapes: Iterable[Corners]) -> kdb.Region:
    return kdb.Region([kdb.Polygon([kdb.Point(*p) for p in shape]) for shape in shapes])


def judge(pdk: Pdk, rule: str, all_of_it: list[Mutant], windows: bool = False) -> list[Judged]:
    """What becomes of each mutant in one run of the rule on all of them, side by side; flat, or through windows."""
    extents = [_extent(m.site) for m in all_of_it]
    job = task(rule, pdk.rules[rule])
    grid = max(1, dbu(job.lattice or 0.0))  # each stays where it is on the grid that the rule is tied to
    gap = GAP if grid == 1 else GAP + 4 * dbu(job.reach)
    step = -(-(max(max(e.width(), e.height()) for e in extents) + gap + grid) // grid) * grid
    columns = max(1, round(len(all_of_it) ** 0.5))
    layers: dict[str, kdb.Region] = {}
    at: dict[tuple[int, int], int] = {}
    for k, (mutant, extent) in enumerate(zip(all_of_it, extents, strict=True)):
        column, row = k % columns, k // columns
        at[column, row] = k
        by = kdb.Trans(column * step - extent.left // grid * grid, row * step - extent.bottom // grid * grid)
        for layer, shapes in mutant.site.items():
            layers.setdefault(layer, kdb.Region()).insert(_region(shapes).transformed(by))
    hit = set()
    for finding in _found(pdk, rule, layers, windows):
        for one in finding.each():
            x, y = (round(1000 * v) + gap // 2 for v in one.at)
            hit.add(at[x // step, y // step])
    return [Judged(m, _outcome(m.verdict.illegal, k in hit)) for k, m in enumerate(all_of_it)]


def _found(pdk: Pdk, rule: str, layers: dict[str, kdb.Region], windows: bool) -> tuple[Finding, ...]:
    """What a run of the rule finds."""
    flow = (pdk.rules[rule].flows or tuple(pdk.flows))[0]
    if windows:
        layout = kdb.Layout()
        top = layout.create_cell("MUTANTS")
        for name, region in layers.items():
            top.shapes(layout.layer(*pdk.gds(name))).insert(region)
        report = drc_run.check_layout(layout, top, pdk, flow, title="mutants", rules={rule}, complete=False, jobs=1)
    else:
        content = drc_run.Content(
            "mutants", lambda name: layers.get(name, kdb.Region()), applies=frozenset({rule}), complete=False
        )
        report = drc_run.run(pdk, flow, content)
    (result,) = [r for r in report.results if r.rule == rule]
    assert result.status is Status.RUN, f"{rule}: {result.reason}"
    return result.findings


def _outcome(illegal: bool, found: bool) -> str:
    if illegal:
        return KILLED if found else SURVIVED
    return FALSE if found else EQUIVALENT


def _extent(site: Site) -> kdb.Box:
    box = kdb.Box()
    for shapes in site.values():
        box += _region(shapes).bbox()
    return box if not box.empty() else kdb.Box(0, 0, 1, 1)


def run(pdk: Pdk, rule: str, each: int, windows: bool = False) -> list[Judged]:
    """All mutants of a rule, judged by both."""
    return judge(pdk, rule, list(mutants(pdk, rule, each)), windows)


def table(pdk: Pdk, done: dict[str, list[Judged]]) -> str:
    """Operator by rule: killed / equivalent / survived, where anything survived with how many; and the sums."""
    head = ["rule", *OPERATORS, "all"]
    rows = [head]
    for rule, found in done.items():
        cells = [rule]
        for operator in (*OPERATORS, None):
            count = Counter(j.outcome for j in found if operator in (None, j.mutant.operator))
            cells.append(f"{count[KILLED]}/{count[EQUIVALENT]}/{count[SURVIVED] + count[FALSE]}")
        rows.append(cells)
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    total = Counter(j.outcome for found in done.values() for j in found)
    sums = ", ".join(f"{total[outcome]} {outcome}" for outcome in OUTCOMES)
    return "\n".join([f"{pdk.name}: killed/equivalent/survived", *lines, f"{sum(total.values())} mutants: {sums}"])


__all__ = ["FALSE", "PDKS", "SURVIVED", "Judged", "Mutant", "run", "table"]

SHIPPED = Path(__file__).resolve().parents[2] / "pdk" / "layoutgen_pdk"
PDKS: dict[str, Pdk] = {
    file.parent.name: pdk_module.read(file.parent, SHIPPED.joinpath) for file in sorted(SHIPPED.glob("*/pdk.toml"))
}
"""The shipped processes."""
