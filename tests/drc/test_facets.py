"""Findings let pass because of facets: only where the circles that were meant keep to the rule."""

from __future__ import annotations

import math
from typing import Any

import klayout.db as kdb
import pytest
from rule_cases import PDKS

from layoutgen.drc import facets
from layoutgen.drc import run as drc_run
from layoutgen.findings import RuleResult
from layoutgen.geom import circle
from layoutgen.pdk import Pdk, Rule
from layoutgen.units import to_dbu


def disc(diameter: float, corners: int, x: float = 0.0, y: float = 0.0) -> kdb.Polygon:

    at = [2 * math.pi * k / corners for k in range(corners)]
    points = to_dbu([(x + diameter / 2 * math.cos(t), y + diameter / 2 * math.sin(t)) for t in at])
    return kdb.Polygon([kdb.Point(int(px), int(py)) for px, py in points])


def box(x0: float, y0: float, x1: float, y1: float) -> kdb.Polygon:
    return kdb.Polygon(kdb.DBox(x0, y0, x1, y1).to_itype(0.001))


def process(check: str, limit: float, layers: tuple[str, ...] = ("ubm",), **options: Any) -> Pdk:
    rule = Rule(check=check, layers=layers, limit=limit, why="", source="", **options)
    return PDKS["every_kind"].model_copy(update={"rules": {"R": rule}})


def judged(pdk: Pdk, tolerance: float, **layers: list[kdb.Polygon]) -> RuleResult:
    def fetch(name: str) -> kdb.Region:
        return kdb.Region(layers.get(name, []))

    report = drc_run.run(pdk, "one", drc_run.Content("shapes", fetch, complete=False))
    strict = report.results[0]
    (result,) = facets.let_pass(report, pdk, fetch, tolerance).results
    assert result.count + sum(w.finding.count for w in result.waived) == strict.count
    return result


WIDTH = process("width", 250.0, metric="projection")


def test_a_circle_of_the_least_diameter_passes_whatever_its_corners() -> None:
    assert judged(WIDTH, 0.6, ubm=[disc(250.0, 36)]).findings == ()
    assert judged(WIDTH, 0.6, ubm=[disc(250.0, 36)]).waived != ()


def test_one_that_is_too_small_does_not() -> None:
    assert judged(WIDTH, 0.6, ubm=[disc(249.99, 36)]).findings != ()
    assert judged(WIDTH, 0.6, ubm=[disc(249.99, 36)]).waived == ()


def test_nor_one_whose_facets_are_off_by_more_than_the_tolerance() -> None:
    assert judged(WIDTH, 0.47, ubm=[disc(250.0, 36)]).waived == ()
    assert judged(WIDTH, 0.48, ubm=[disc(250.0, 36)]).findings == ()


def test_an_octagon_is_no_circle() -> None:
    small = process("width", 10.0, metric="projection")
    assert judged(small, 0.6, ubm=[disc(10.0, 8)]).waived == ()
    assert judged(small, 0.6, ubm=[disc(10.0, 8)]).findings != ()


def test_a_wire_on_a_disc_takes_nothing_from_the_rest_of_it() -> None:
    pdk = process("enclosure", 10.0, ("ubm", "rdl"))
    pad = [disc(270.0, 36), box(100.0, -20.0, 400.0, 20.0)]
    turned = disc(250.0, 36).transformed(kdb.ICplxTrans(1.0, 5.0, False, 0, 0))
    result = judged(pdk, 0.6, ubm=[turned], rdl=pad)
    assert result.findings == ()
    assert result.waived != ()
    beside = judged(pdk, 0.6, ubm=[turned.moved(100, 0)], rdl=pad)
    assert beside.findings != (), "off centre by 0.1 um"


def test_two_discs_turned_against_each_other_are_one_circle() -> None:
    pdk = process("enclosure", 10.0, ("ubm", "rdl"))
    turned = disc(270.0, 36).transformed(kdb.ICplxTrans(1.0, 5.0, False, 0, 0))
    result = judged(pdk, 0.6, ubm=[disc(250.0, 36)], rdl=[disc(270.0, 36), turned])
    assert result.findings == ()
    assert result.waived != ()


def test_wires_that_are_too_near_to_each_other_or_to_a_circle_are_found() -> None:
    pdk = process("space", 10.0, ("rdl",))
    straight = [box(0, 0, 100, 20), box(0, 29.9, 100, 50)]
    assert judged(pdk, 0.6, rdl=straight).waived == ()
    # at the middle of a facet the polygon is 9.9 away, and the circle nearer
    near = [disc(250.0, 36), box(-200, 134.52, 200, 160)]
    assert judged(pdk, 0.6, rdl=near).waived == ()
    assert judged(pdk, 0.6, rdl=near).findings != ()


def test_a_round_hole_is_measured_as_its_circle() -> None:
    pdk = process("notch", 250.0, ("rdl",), metric="projection")
    ring = list((kdb.Region(box(-200, -200, 200, 200)) - kdb.Region(disc(250.0, 36))).each())
    assert judged(pdk, 0.6, rdl=ring).findings == ()
    assert judged(pdk, 0.6, rdl=ring).waived != ()
    small = list((kdb.Region(box(-200, -200, 200, 200)) - kdb.Region(disc(249.9, 36))).each())
    assert judged(pdk, 0.6, rdl=small).waived == ()


def test_of_one_finding_at_many_places_each_is_judged_by_itself() -> None:
    """An enclosure less by a facet here, and by a straight side of the same slope there."""
    pdk = process("enclosure", 10.0, ("ubm", "rdl"))
    round_, straight = disc(270.0, 36), [box(1000, -300, 1135.0, 300)]
    inner = [disc(250.0, 36), box(1000, -100, 1125.1, 100)]
    result = judged(pdk, 0.6, ubm=inner, rdl=[round_, *straight])
    assert {one.at[0] > 900 for f in result.findings for one in f.each()} == {True}
    assert {one.at[0] > 900 for w in result.waived for one in w.finding.each()} == {False}


def test_a_rule_without_edges_is_left_as_it_is() -> None:
    result = judged(process("exact_size", 250.0), 0.6, ubm=[disc(249.0, 36)])
    assert result.findings != ()
    assert result.waived == ()


@pytest.mark.parametrize("corners", [32, 64, 128, 400])
def test_what_the_project_draws_is_known_as_circles(corners: int) -> None:
    points = to_dbu(circle(250.0, corners))
    drawn = kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in points])
    wide = process("width", 250.0, metric="projection")
    assert judged(wide, 1.3, ubm=[drawn]).findings == ()
