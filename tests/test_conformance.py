"""Every rule of every process on generated patterns: the verdict is the drawn one wherever and however it lies.

In 8 orientations, at both ends of a wafer and 6 times over; and where a pattern is right, no other rule of the process
finds anything, with metal under openings and a die around all as the other rules ask for.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import conformance
import klayout.db as kdb
import pytest
from pattern import Drawn, Pattern

from layoutgen import pdk as pdk_module
from layoutgen.drc import run as drc_run
from layoutgen.drc.checks import KINDS, Task, task
from layoutgen.findings import Finding, Status
from layoutgen.pdk import Pdk
from layoutgen.units import DBU, dbu

SHIPPED, FOR_TESTS = Path(__file__).parents[1] / "pdk" / "layoutgen_pdk", Path(__file__).parent / "pdk"
PDKS = {
    file.parent.name: pdk_module.read(file.parent, SHIPPED.joinpath)
    for folder in (SHIPPED, FOR_TESTS)
    for file in sorted(folder.glob("*/pdk.toml"))
}
SHIPPED_NAMES = {name for name in PDKS if (SHIPPED / name).is_dir()}
KNOWN = {name: [r for r in pdk.rules if r not in conformance.unknown(pdk)] for name, pdk in PDKS.items()}
RULES = [
    pytest.param(conformance.of_rule(pdk, rule), rule, id=f"{name}-{rule}")
    for name, pdk in PDKS.items()
    for rule in KNOWN[name]
]
WAFER_ENDS = [kdb.Trans(0, False, 150_000_000, -150_000_000), kdb.Trans(3, True, -149_999_999, 149_999_993)]
FINEST = {"max_vertices": 1.0, "exact_shape": 0.01}
"""By how much a wrong limit is told apart, of kinds that count, or whose corners are rounded; else 0.001."""
GAP = 1_500_000
"""Between the repeats in an array: no rule looks so far."""

ALIKE = ("separation", "outside", "not_connected")
"""Kinds to which the order of layers makes no difference."""
IMPLIED = {
    ("HEAD.S.1", "BUMP.P.1"): "heads of vias of the only size that are at their least space are nearer than the pitch",
    ("HEAD.S.1", "VIA.X.1"): "a head with a notch or a hole, or of two that cross, grows out of no via of that size",
    ("VIA.D.1", "VIA.X.1"): "a via with a notch or a hole in it is not of the only size",
    ("HEAD.S.1", "POST.STRESS"): "a head with a notch or a hole grows out of no via that is a beam",
    ("VIA.D.1", "POST.STRESS"): "a via with a notch or a hole in it grows no post that bends as a beam",
    ("POST.W.1", "VIA.X.1"): "a via with a notch or a hole in it, or a bar, is not of the only size",
    ("POST.W.1", "POST.STRESS"): "a waist with a notch or a hole in it is of no post that bends as a beam",
    ("POST.W.1", "POST.W.2"): "a bar with a waist or a corner is longer than any post is wide",
    ("POST.W.2", "VIA.X.1"): "a via as small or as large as any may be is not of the only size of this process",
    ("POST.W.2", "POST.W.1"): "a foot of 10 um leaves less of the via above it",
    ("POST.W.2", "POST.STRESS"): "a post as wide as any may be is no beam",
    ("VIA.D.1", "POST.W.2"): "a via with a notch or a hole in it is wider than any post",
    ("VLABEL.D.1", "POST.W.2"): "a via with a notch or a hole in it is wider than any post",
    ("HEAD.S.1", "POST.W.2"): "heads that cross are of a via wider than any post",
    ("STENCIL.R.1", "STENCIL.C.1"): "apertures without vias under them have nothing to be centred on",
    ("STENCIL.S.1", "STENCIL.C.1"): "apertures without vias under them have nothing to be centred on",
    ("STENCIL.C.1", "STENCIL.R.1"): "an aperture as small as what it is centred on is too small for paste",
    ("STENCIL.S.1", "STENCIL.R.1"): "apertures drawn of bars are too small for paste",
    ("STENCIL.C.1", "VIA.X.1"): "an aperture is centred on whatever stands there, of any size",
    ("STENCIL.C.1", "POST.STRESS"): "an aperture is centred on whatever stands there, of any size",
    ("VLABEL.D.1", "VIA.X.1"): "a via with a notch or a hole in it is not of the only size",
    ("VLABEL.D.1", "POST.STRESS"): "a via with a notch or a hole in it grows no post that bends as a beam",
    ("RING.E.1", "RING.R.1"): "metal around an opening is no ring",
    ("RING.E.1", "RING.O.1"): "an opening as small as any may be is smaller than a fixture needs",
    ("RING.R.1", "RING.E.1"): "an opening as large as the ring under it is not enclosed by it",
    ("RING.O.1", "RING.R.1"): "metal around an opening is no ring",
    ("RING.O.1", "RING.E.1"): "an opening as wide as the metal that it overlaps sticks out of it",
    ("RDL.E.2", "UBM.E.2"): "the under-bump metal between them takes 15 um and wants 10 um more",
    ("PI2.D.1", "UBM.D.1"): "the square corner of the under-bump metal comes nearer than the opening's",
    ("UBM.D.2", "RDL.D.1"): "metal under an under-bump metal whose centre alone keeps its distance does not",
    ("UBM.D.2", "RDL2.D.1"): "metal under an under-bump metal whose centre alone keeps its distance does not",
    ("BS.D.1", "RS.R.1"): "walls drawn as bars are no rings around what stands beside them",
    ("BS.D.3", "RS.R.3"): "walls drawn as bars are no rings around what stands beside them",
    ("RS.R.4", "BS.D.1"): "what a ring is around may touch it, as far as the ring goes",
    ("RS.R.3", "BS.D.1"): "what a ring is around may touch it, as far as the ring goes",
    ("RS.R.3", "BS.D.3"): "what a ring is around may touch it, as far as the ring goes",
    ("RS.R.3", "DK.D.2"): "what a ring is around may touch it, as far as the ring goes",
    ("BS.D.2", "RS.R.1"): "where dies are drawn as the rule reads them no ring is",
    ("UK.L.2", "RS.R.2"): "where dies are drawn as the rule reads them no ring is",
    ("RS.R.1", "BS.D.1"): "what a ring is around may touch it, as far as the ring goes",
    ("RS.R.2", "BS.D.1"): "what a ring is around may touch it, as far as the ring goes",
    ("RS.R.1", "DK.D.2"): "what a ring is around may touch it, as far as the ring goes",
    ("RS.R.2", "ZS.D.1"): "what a ring is around may touch it, as far as the ring goes",
    ("RS.H.1", "RS.W.1"): "what closes a hole by one unit is one unit wide",
    ("RS.H.1", "RS.S.1"): "a hole less one unit in its corner, or with something in it, has sides that near",
    ("VE.H.1", "VE.W.1"): "what closes a hole by one unit is one unit wide",
    ("VE.H.1", "VE.S.1"): "a hole less one unit in its corner, or with something in it, has sides that near",
    ("RF.H.1", "RF.W.1"): "what closes a hole by one unit is one unit wide",
    ("RF.H.1", "RF.S.1"): "a hole less one unit in its corner, or with something in it, has sides that near",
    ("RF.W.1", "RF.H.1"): "film around a hole may be as wide as any",
    ("RF.S.1", "RF.H.1"): "a hole may be as wide as any space",
    ("DK.D.1", "UK.D.1"): "the square corner of the contact comes nearer than the hole's",
    ("DK.D.3", "RS.R.1"): "the distance leaves room for a ring between the two, and draws none",
    ("ZS.D.2", "RS.R.2"): "the distance leaves room for a ring between the two, and draws none",
    ("VE.K.1", "GND.O.2"): "ground may meet the cut and lead nowhere",
    ("RS.R.1", "RS.I.1"): "the cut is drawn beside the rings, where no street is",
    ("RS.R.2", "RS.I.1"): "the cut is drawn beside the rings, where no street is",
    ("RS.R.3", "RS.I.1"): "the cut is drawn beside the rings, where no street is",
    ("RS.R.4", "RS.I.1"): "the cut is drawn beside the rings, where no street is",
    ("BEAD.C.1", "DK.W.1"): "bores drawn as small as what stands in them are too narrow at their foot",
    ("BEAD.P.1", "BEAD.C.1"): "bumps are drawn without bores",
    ("RIM.N.1", "RIM.R.1"): "what is counted is no ring",
    ("RF.N.1", "VE.S.1"): "wires grown by one unit abut where as drawn they are that near",
    ("UK.L.1", "BS.D.1"): "cavities are drawn as near to what leaks as can be",
    ("UK.L.1", "RS.R.1"): "holes are drawn in the wall and beside it, where the way from them is shortest",
    ("UK.L.1", "DK.D.2"): "holes are drawn in the wall and beside it, where the way from them is shortest",
    ("UK.L.1", "RS.S.1"): "two frames one unit apart are two",
    ("UK.L.1", "DK.W.1"): "a hole as small as can be lies in no frame of a cavity",
    ("UK.L.1", "UK.E.1"): "metal may stand out less than on the cover where only the way in counts",
    ("UK.L.1", "LS.E.1"): "where nothing leaks to no metal is drawn",
    ("UK.L.1", "UBM.E.1"): "where nothing leaks to no metal is drawn",
    ("UK.L.2", "UK.E.1"): "metal may stand out less than on the cover where only the way in counts",
    ("UK.L.2", "LS.E.1"): "where nothing leaks to no metal is drawn",
    ("UK.L.2", "UBM.E.1"): "where nothing leaks to no metal is drawn",
    ("UK.L.2", "DK.W.1"): "a hole as small as can be lies in no die with a cavity",
    ("UK.L.2", "DK.D.1"): "holes beside a die leak to nothing in it",
    ("UK.L.2", "VE.D.1"): "holes beside a die leak to nothing in it",
    ("UK.L.2", "BS.D.2"): "cavities beside a die are reached by nothing",
    ("LEFT.D.1", "PAS.D.1"): "an opening of the passivation beside a layer that ends at the die's edge lies beyond it",
    ("LEFT.D.1", "CLR.E.1"): "what lies beside the layer on the same die needs no clearance drawn",
    ("RLF.A.1", "RLF.W.1"): "an opening as narrow as the layer is deep is too narrow to fill",
}
"""(rule, other rule): why the other one finds something on patterns that are right by the first."""
IMPLIED_FOR_TESTS = {
    ("RDL.S.1", "RDL.S.2"): "wide shapes at the space of narrow ones",
    ("RDL.S.2", "RDL.S.1"): "wide shapes that are apart enough to be no wide ones side by side touch in corners",
    ("RDL.S.2", "RDL.W.1"): "wide shapes that touch in corners have no width there",
    ("RDL.H.1", "RDL.W.1"): "what closes a small hole by one unit is one unit wide",
    ("RDL.H.1", "RDL.S.1"): "a hole as small as may be has sides as near as may be, less one unit in its corner",
    ("RDL.A.1", "RDL.W.1"): "half of a square ends in tips",
    ("RDL.A.1", "RDL.C.1"): "half of a square ends in tips",
    ("RDL.C.1", "RDL.A.1"): "a corner just at the limit is at no angle of the grid",
    ("RDL.V.1", "RDL.A.1"): "a polygon of so many corners is round",
    ("RDL.V.1", "RDL.W.1"): "what adds two corners to a comb is thin",
    ("RDL.N.1", "RDL.D.1"): "metal that covers a die reaches its edge",
    ("PAD.S.1", "PAD.S.2"): "between two pads as near as one's own notch may be",
    ("PAD.S.2", "PAD.S.1"): "between two pads as near as one's own notch may be",
    ("ETCH.W.1", "ETCH.A.1"): "a window as wide as may be has a larger area than may be",
    ("BALL.O.1", "BALL.X.1"): "a ball that crosses a longer pad is no ball",
    ("BALL.O.1", "UBM.C.1"): "no opening is drawn that what lies under a ball could be centred on",
    ("PI2.I.1", "UBM.C.1"): "an opening at one side of the metal is not at its centre",
    ("PI2.X.1", "UBM.C.1"): "one metal around two openings has its centre between them",
    ("UBM.C.1", "PI2.I.1"): "an opening may be centred and larger than the metal",
    ("UBM.J.1", "UBM.C.1"): "no opening is drawn that it could be centred on",
    ("DUMMY.J.1", "UBM.C.1"): "no opening is drawn that what lies over filling metal could be centred on",
    ("UBM.S.1", "UBM.C.1"): "no opening is drawn that it could be centred on",
    ("UBM.S.2", "UBM.C.1"): "no opening is drawn that it could be centred on",
    ("UBM.S.1", "UBM.S.2"): "a notch may be smaller than what is between two nets",
    ("UBM.S.2", "UBM.S.1"): "two nets may be nearer than what is within one",
    ("SEAL.R.1", "SEAL.P.1"): "a ring in a ring is another piece",
    ("UBM.J.1", "UBM.S.2"): "what touches in a corner is as near to itself as can be",
    ("PILLAR.R.1", "PILLAR.X.1"): "pillars drawn of boxes are not round",
}
"""The same of the process with all kinds, whose rules are no one's design: what is right by one is wrong by many."""
ALWAYS = {
    "RS.U.2": "no pattern of another rule says where the walls of units are",
    "VE.N.1": "turns are drawn without wires at their ends",
    "RF.N.1": "film is drawn without wires at its ends",
    "VE.I.1": "what must be turns is drawn without them, or with other ones",
    "VE.I.2": "turns are drawn where nobody says that they must be",
    "RF.I.1": "what must be film is drawn without it, or with other film",
    "RF.I.2": "film is drawn where nobody says that it must be",
}
"""Rules that nearly all patterns of the others break."""
ALWAYS_FOR_TESTS = {
    "SEAL.R.1": "no pattern of another rule draws a seal ring around its beams",
    "UBM.J.1": "under-bump metal is drawn where no metal is",
    "RDL.N.1": "few patterns cover 20 to 80 per cent of everything around them",
    "BALL.N.1": "few patterns have two or three balls",
    "RDL.G.1": "one unit beside a limit is off a grid of five",
    "PAD.X.1": "pads are drawn as other rules ask for",
    "PI2.X.1": "openings are drawn as other rules ask for",
}
"""The same of the process with all kinds."""


FULL = {
    (pdk.rules[rule].check, repr(task(rule, pdk.rules[rule]).options), len(pdk.rules[rule].layers)): (name, rule)
    for name, pdk in PDKS.items()
    for rule in KNOWN[name]
}.values()
"""Of each kind with its options one rule, by process and name: the last."""


def moved(shapes: Drawn, by: kdb.Trans) -> Drawn:
    return {layer: region.transformed(by) for layer, region in shapes.items()}


def judge(pdk: Pdk, job: Task, shapes: Drawn) -> list[Finding]:
    return job.run([conformance.on(pdk, layer, shapes) for layer in job.layers])


def each(found: list[Finding]) -> list[Finding]:
    """Findings by themselves, none with repeats."""
    return [replace(one, origin=(0, 0)) for f in found for one in f.each()]


def places(found: list[Finding], by: kdb.Trans) -> set[str]:
    """Identities of findings moved along (without turning)."""
    dx, dy = by.disp.x, by.disp.y
    return {
        replace(
            f,
            edges=tuple((x1 + dx, y1 + dy, x2 + dx, y2 + dy) for x1, y1, x2, y2 in f.edges),
            polygon=tuple((x + dx, y + dy) for x, y in f.polygon),
        ).identity
        for f in found
    }


def test_patterns_are_made_for_every_rule() -> None:
    assert {name: conformance.unknown(pdk) for name, pdk in PDKS.items()} == {name: [] for name in PDKS}
    kinds = {rule.check for pdk in PDKS.values() for rule in pdk.rules.values()}
    assert kinds == set(KINDS) == set(conformance.MAKERS)


@pytest.mark.parametrize("name", PDKS)
def test_every_rule_has_patterns_that_pass_and_that_fail(name: str) -> None:
    one_sided = [
        rule
        for rule in KNOWN[name]
        if {p.found for p in conformance.patterns(PDKS[name], rule)} != {True, False}
        and not (PDKS[name].rules[rule].check == "grid" and PDKS[name].rules[rule].limit == 0.001)  # nothing is off it
    ]
    assert one_sided == []
    for rule in KNOWN[name]:
        names = [p.name for p in conformance.patterns(PDKS[name], rule)]
        assert len(set(names)) == len(names), rule


def everywhere(pdk: Pdk, job: Task) -> list[kdb.Trans]:
    """Orientations, and places at both ends of a wafer: as nearly there as what the rule is tied to allows.

    All of them for one rule of each kind with its options; three for others, which ones goes by their names.
    """
    step = lattice(job)
    ends = [kdb.Trans(t.angle, t.is_mirror(), *(v // step * step for v in (t.disp.x, t.disp.y))) for t in WAFER_ENDS]
    places = [*(kdb.Trans(orientation, 0, 0) for orientation in range(8)), *ends]
    if (pdk.name, job.rule) in FULL:
        return places
    begin = zlib.crc32(job.rule.encode())
    return [places[(begin + k) % len(places)] for k in (0, 3, 6)]


def lattice(job: Task) -> int:
    return dbu(job.lattice or DBU)


@pytest.mark.parametrize(("pdk", "rule"), RULES)
def test_verdict_in_each_orientation_and_at_the_ends_of_a_wafer(pdk: Pdk, rule: str) -> None:
    job = task(rule, pdk.rules[rule])
    wrong = []
    for pattern in conformance.patterns(pdk, rule):
        shapes = conformance.drawn(pdk, rule, pattern)
        wrong += [
            (pattern.name, str(at))
            for at in everywhere(pdk, job)
            if bool(judge(pdk, job, moved(shapes, at))) is not pattern.found
        ]
    assert wrong == []


@pytest.mark.parametrize(("pdk", "rule"), RULES)
def test_straight_sides_are_judged_alike_where_circles_are_measured(pdk: Pdk, rule: str) -> None:
    job = task(rule, pdk.rules[rule])
    for pattern in conformance.patterns(pdk, rule):
        shapes = conformance.drawn(pdk, rule, pattern)
        regions = [conformance.on(pdk, layer, shapes) for layer in job.layers]
        assert job.run(regions, circles="analytic") == judge(pdk, job, shapes), pattern.name


ROUND = [
    pytest.param(pdk, rule, id=f"{n}-{rule}")
    for n, pdk in PDKS.items()
    for rule in KNOWN[n]
    if conformance.rounds(pdk, rule)
]


@pytest.mark.parametrize(("pdk", "rule"), ROUND)
def test_circles_at_the_limit_measured_as_circles(pdk: Pdk, rule: str) -> None:
    job = task(rule, pdk.rules[rule])
    wrong = []
    for pattern in conformance.rounds(pdk, rule):
        shapes = conformance.rounds_drawn(pdk, rule, pattern)
        for at in everywhere(pdk, job):
            regions = [conformance.on(pdk, layer, moved(shapes, at)) for layer in job.layers]
            if bool(job.run(regions, circles="analytic")) is not pattern.found:
                wrong.append((pattern.name, str(at)))
    assert wrong == []


@pytest.mark.parametrize(("pdk", "rule"), RULES)
def test_an_array_is_judged_as_its_parts(pdk: Pdk, rule: str) -> None:
    """By the check itself to the marker, and by a run of the rule to the verdict."""
    job = task(rule, pdk.rules[rule])
    for pattern in conformance.patterns(pdk, rule):
        shapes = conformance.drawn(pdk, rule, pattern)
        many, at = conformance.array(shapes, 3, 2, GAP, lattice(job))
        one = each(judge(pdk, job, shapes))
        assert {f.identity for f in each(judge(pdk, job, many))} == set().union(*(places(one, by) for by in at)), (
            pattern.name
        )
        assert ran(pdk, rule, many) is pattern.found, pattern.name


def ran(pdk: Pdk, rule: str, shapes: Drawn) -> bool:
    """Whether a run of the rule finds something."""
    content = drc_run.Content(
        "pattern", lambda layer: shapes.get(layer, kdb.Region()), applies=frozenset({rule}), complete=False
    )
    flow = conformance.flow_of(pdk, rule)
    (result,) = drc_run.run(conformance.alone(pdk, rule, flow), flow, content).results
    assert result.status in (Status.RUN, Status.NOT_APPLICABLE), result.reason
    return bool(result.findings)


@pytest.mark.parametrize(("pdk", "rule"), RULES)
def test_no_other_rule_fires_on_what_is_right(pdk: Pdk, rule: str) -> None:
    implied = IMPLIED if pdk.name in SHIPPED_NAMES else IMPLIED_FOR_TESTS
    assert [(name, other) for name, other in firing(pdk.name, rule) if (rule, other) not in implied] == []


@cache
def firing(name: str, rule: str) -> tuple[tuple[str, str], ...]:
    """Pattern and other rule, of all that find something on what is right."""
    pdk, found = conformance.of_rule(PDKS[name], rule), []
    for pattern in conformance.patterns(pdk, rule):
        if not pattern.found:
            least, shapes = quietest(pdk, rule, pattern)
            # what is added beside the pattern changes nothing for its own rule
            assert conformance.found_by(pdk, rule, shapes) == [], pattern.name
            found += [(pattern.name, other) for other in least]
    return tuple(found)


def quietest(pdk: Pdk, rule: str, pattern: Pattern) -> tuple[list[str], Drawn]:
    """The pattern completed in the way that the fewest other rules mind, and these."""
    shapes = conformance.drawn(pdk, rule, pattern)
    least: tuple[list[str], Drawn] | None = None
    for apart in (False, True):
        whole = conformance.completed(pdk, rule, shapes, apart)
        wrong = conformance.others(pdk, rule, whole, ALWAYS if pdk.name in SHIPPED_NAMES else ALWAYS_FOR_TESTS)
        if least is None or len(wrong) < len(least[0]):
            least = wrong, whole
        if not wrong:
            break
    assert least is not None
    return least


def test_what_is_said_to_be_implied_is() -> None:
    for implied, names in ((IMPLIED, SHIPPED_NAMES), (IMPLIED_FOR_TESTS, PDKS.keys() - SHIPPED_NAMES)):
        seen = {
            (rule, other)
            for name in names
            for rule in {first for first, _ in implied} & PDKS[name].rules.keys()
            for _, other in firing(name, rule)
        }
        assert seen == set(implied)


@pytest.mark.parametrize("change", [-1, 1, "swapped"])
@pytest.mark.parametrize(("pdk", "rule"), RULES)
def test_a_wrong_limit_and_swapped_layers_are_caught(pdk: Pdk, rule: str, change: int | str) -> None:
    job = task(rule, pdk.rules[rule])
    two = len(job.kind.layers) == 2
    if change == "swapped" and (not two or len(job.layers) < 2 or job.kind.name in ALIKE):
        return  # one layer, or the same from both sides
    if change == "swapped" and job.kind.name == "overlap" and not job.options.required:
        return  # the same from both sides
    if change != "swapped" and (job.limit is None or job.kind.name == "grid"):
        return  # no limit, or none that anything could be off by
    caught = 0
    for pattern in conformance.patterns(pdk, rule):
        regions = [conformance.on(pdk, layer, conformance.drawn(pdk, rule, pattern)) for layer in job.layers]
        wrong = job
        if isinstance(change, int):
            wrong = replace(job, limit=(job.limit or 0) + change * FINEST.get(job.kind.name, 0.001))
        elif regions[0].is_empty():
            continue  # a boundary that is missing is said to be
        else:
            regions.reverse()
        caught += bool(wrong.run(regions)) is not pattern.found
    assert caught
