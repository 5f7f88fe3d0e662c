"""The rule on dies of a wafer: through windows as flat, displaced by the distance from each die's own centre."""

from __future__ import annotations

import math

import klayout.db as kdb
import pytest

import layoutgen as lg
from layoutgen import gds
from layoutgen.drc import look
from layoutgen.drc.checks import task
from layoutgen.drc.checks.bending import Options
from layoutgen.drc.flat import Flat
from layoutgen.drc.run import check_layout
from layoutgen.errors import PdkError
from layoutgen.findings import Finding
from layoutgen.geom import circle
from layoutgen.pdk import Pdk
from layoutgen.physics.beam import Beam, flared
from layoutgen.physics.sections import Section
from layoutgen.units import to_dbu

DIE, STEP = 6_000_000, 6_100_000


def one_rule(limit: float) -> Pdk:
    pdk = lg.load_pdk("post")
    rule = pdk.rules["POST.STRESS"].model_copy(update={"limit": limit})
    return pdk.model_copy(update={"rules": {"POST.STRESS": rule}})


def wafer(pdk: Pdk, columns: int = 5, rows: int = 4) -> kdb.Layout:
    """Dies of 6 mm with 25 posts each, arrayed, and one die turned by 90 degrees beside them."""
    layout = kdb.Layout()
    layout.dbu = 0.001
    die, top = layout.create_cell("DIE"), layout.create_cell("TOP")
    via, outline = (layout.layer(*pdk.gds(name)) for name in ("via", "die"))
    die.shapes(outline).insert(kdb.Box(0, 0, DIE, DIE))
    ring = kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in to_dbu(circle(40.0, 128))])
    for i in range(5):
        for j in range(5):
            die.shapes(via).insert(ring.moved(500_000 + 1_200_000 * i, 500_000 + 1_250_000 * j))
    step = kdb.Vector(STEP, 0), kdb.Vector(0, STEP)
    top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(0, 0), *step, columns, rows))
    top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(1, False, -200_000, 0)))
    return layout


def spots(found: tuple[Finding, ...] | list[Finding]) -> set[tuple[object, float | None, str]]:
    return {(f.polygon, f.measured, f.note) for finding in found for f in finding.each()}


def test_windows_find_what_is_found_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    pdk = one_rule(7.0)
    layout = wafer(pdk)
    top = layout.cell("TOP")
    flat = Flat(pdk, gds.fetch(layout, pdk, top))
    expected = spots(list(flat.find(task("POST.STRESS", pdk.rules["POST.STRESS"]))))
    monkeypatch.setattr(look, "LITTLE", 100)
    (result,) = check_layout(layout, top, pdk, "plated", title="dies", jobs=1).results
    assert spots(result.findings) == expected
    assert 21 < len(expected) < 21 * 25


def test_each_value_is_that_of_the_beam_at_its_place() -> None:
    pdk = one_rule(0.001)
    layout = wafer(pdk, 2, 1)
    (result,) = check_layout(layout, layout.cell("TOP"), pdk, "plated", title="dies", jobs=1).results
    post = Beam(Section(circle(40.0, 128)), 120.0, 130.0, 0.34, 193.0, "free", flared(2.0))
    found = [f for finding in result.findings for f in finding.each()]
    assert len(found) == 3 * 25
    for f in found:
        x, y = f.at
        left = -6200.0 if x < 0 else math.floor(x / 6100) * 6100.0
        moved = 13.4e-6 * 100 * math.dist((x, y), (left + 3000, 3000))
        yields = float(post.bend([[1.0, 0.0]]).yield_displacement[0])  # type: ignore[arg-type]
        assert f.measured == pytest.approx(moved / yields, rel=2e-3)  # a drawn circle is stiffer along some lines
        assert ("it yields from" in f.note) is (f.measured > 1)
        assert ("MPa" in f.note) is (f.measured <= 1)


def test_the_numbers_come_from_the_stack() -> None:
    pdk = lg.load_pdk("post")
    options = task("POST.STRESS", pdk.rules["POST.STRESS"]).options
    assert isinstance(options, Options)
    assert (options.height, options.modulus, options.yield_stress, options.foot) == (120.0, 130.0, 193.0, 2.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modulus": -1.0}, "modulus"),
        ({"poisson": 0.5}, "poisson"),
        ({"swing": 0.0}, "swing"),
        ({"ends": "loose"}, "ends"),
        ({"board_expansion": 2.6}, "nothing would be displaced"),
        ({"hight": 3.0}, "hight"),
    ],
)
def test_wrong_options_are_refused(change: dict[str, object], words: str) -> None:
    rule = lg.load_pdk("post").rules["POST.STRESS"]
    with pytest.raises(PdkError, match=words):
        task("POST.STRESS", rule.model_copy(update=change))
