"""How each rule of a PDK ends, and that nothing that did not run is called clean."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import pytest
from tiny_pdk import tiny

from layoutgen.drc import run as drc
from layoutgen.drc.checks import KINDS, task
from layoutgen.errors import UnknownNameError
from layoutgen.findings import Report, RuleResult, Status
from layoutgen.pdk import Pdk, Rule

GOOD = """
[rules."W"]
check = "width"
layers = ["rdl_all"]
limit = 10.0
why = "Because."
source = "a book"
"""


@pytest.fixture
def pdk(tmp_path: Path) -> Callable[..., Pdk]:
    """A PDK with these rules, each the keys of its table beyond why and source."""

    def make(**rules: str) -> Pdk:
        tables = [f'[rules.{name}]\nwhy = "w"\nsource = "s"\n{keys}\n' for name, keys in rules.items()]
        return tiny(tmp_path, GOOD + "\n".join(tables))

    return make


DRAWN: dict[str, list[tuple[int, int, int, int]]] = {
    "rdl": [(0, 0, 50_000, 50_000)],
    "via": [(20_000, 20_000, 30_000, 30_000)],
    "die": [(-90_000, -90_000, 90_000, 90_000)],
}


def region(name: str) -> kdb.Region:
    return kdb.Region([kdb.Box(*corners) for corners in DRAWN.get(name, [])])


CONTENT = drc.Content("step", region)


def result(report: Report, rule: str) -> RuleResult:
    return next(r for r in report.results if r.rule == rule)


def test_clean(pdk: Callable[..., Pdk]) -> None:
    seen: list[str] = []
    report = drc.run(pdk(), "one", CONTENT, seen.append)
    assert report.exit_code == 0
    assert seen == ["W"]
    assert report.results[0].text == "width of rdl_all >= 10 um. Because. Source: a book"
    assert report.scope == ("step: 1 of the 1 rules of the process run",)


def test_findings(pdk: Callable[..., Pdk]) -> None:
    report = drc.run(pdk(V='check = "width"\nlayers = ["via"]\nlimit = 10.001'), "one", CONTENT)
    assert report.exit_code == 1
    found = result(report, "V").findings
    assert [f.measured for f in found] == [10.0, 10.0]
    assert all(f.rule == "V" for f in found)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ('check = "widht"\nlayers = ["rdl"]\nlimit = 1.0', "rules.X.check: no kind of check 'widht'; did you mean"),
        ('check = "width"\nlayers = ["rdl"]', "rules.X.limit: is missing; width needs one in um"),
        ('check = "width"\nlayers = ["rdl"]\nlimit = 0.0', "rules.X.limit: must be greater than 0: width at 0"),
        ('check = "grid"\nlayers = ["rdl"]\nlimit = 0.0004', "rules.X.limit: 0.0004 um is not a whole number"),
        ('check = "inside"\nlayers = ["via", "rdl"]\nlimit = 1.0', "rules.X.limit: inside has no limit"),
        ('check = "width"\nlayers = ["rdl", "via"]\nlimit = 1.0', "rules.X.layers: width takes 1 [layer], not 2"),
        ('check = "width"\nlayers = ["rdl"]\nlimit = 1.0\nmetrik = "projection"',
         "rules.X.metrik: unknown key; did you mean 'metric'?"),
        ('check = "space"\nlayers = ["rdl"]\nlimit = 1.0\nbetween = "dies"', "rules.X.between: must be 'any' or 'poly"),
        ('check = "area"\nlayers = ["rdl"]', "rules.X: give a limit (the least area), most, or both"),
        ('check = "area"\nlayers = ["rdl"]\nlimit = 2.0\nmost = 1.0', "rules.X: the limit (the least area) must not"),
        ('check = "max_vertices"\nlayers = ["rdl"]\nlimit = 8.0004', "rules.X.limit: 8.0004 is finer than 1/1000"),
        ('check = "acute_corner"\nlayers = ["rdl"]\nlimit = 180.5', "rules.X: the limit is an angle in degrees"),
        ('check = "acute_corner"\nlayers = ["rdl"]', "rules.X.limit: is missing; acute_corner needs one in degrees"),
        ('check = "wide_space"\nlayers = ["rdl"]\nsteps = [{ width = 1.0, run = 0.0, space = 1.0004 }]',
         "rules.X: a length in steps is not a whole number of database units"),
        ('check = "wide_space"\nlayers = ["rdl"]\nsteps = []', "rules.X.steps: "),
        ('check = "outside_or_inside"\nlayers = ["rdl", "via"]\nlimit = 1.0\ninside = 0.0004', "rules.X: inside = "),
        ('check = "exact_shape"\nlayers = ["rdl"]\nshape = "circle"\nsize = [1.0, 1.0]', "rules.X: a circle has no"),
        ('check = "exact_shape"\nlayers = ["rdl"]\nshape = "rectangle"', "rules.X: give either a limit or"),
        ('check = "exact_size"\nlayers = ["rdl"]', "rules.X: give either a limit"),
        ('check = "exact_size"\nlayers = ["rdl"]\nlimit = 1.0\nsize = [1.0, 1.0]', "rules.X: give either a limit"),
        ('check = "edge_distance"\nlayers = ["rdl", "die"]\nlimit = 0.0\noutside = "ignore"', "rules.X: with outside"),
        ('check = "edge_distance"\nlayers = ["rdl", "label"]\nlimit = 1.0', "nothing on layer 'label'"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_run_fails_and_leaves_the_others_alone(
    pdk: Callable[..., Pdk], keys: str, reason: str
) -> None:
    process = pdk(X=keys)
    report = drc.run(process, "one", CONTENT)
    assert result(report, "X").status is Status.FAILED
    assert reason in result(report, "X").reason
    assert result(report, "W").verdict == "clean"
    assert report.exit_code == 2
    if reason.startswith("rules"):
        assert [str(p) for p in drc.validate(process)] == [result(report, "X").reason]
        assert "cannot run" in drc.describe("X", process.rules["X"])


def test_an_exception_inside_a_check_fails_the_rule(pdk: Callable[..., Pdk], monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*args: object) -> kdb.EdgePairs:
        raise ZeroDivisionError("no more")

    monkeypatch.setattr(kdb.Region, "width_check", explode)
    report = drc.run(pdk(G='check = "grid"\nlayers = ["rdl"]\nlimit = 0.001'), "one", CONTENT)
    assert result(report, "W").reason == "ZeroDivisionError: no more"
    assert result(report, "G").verdict == "clean"
    assert report.exit_code == 2


def test_a_boundary_that_cannot_be_made_fails_its_rules_only(
    pdk: Callable[..., Pdk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a layer surrounds is made before all rules: where that fails, the others must run all the same."""

    def fetch(*_: object) -> Callable[[str], kdb.Region]:
        def broken(name: str) -> kdb.Region:
            if name == "die":
                raise RuntimeError("no memory for it")
            return region(name)

        return broken

    monkeypatch.setattr("layoutgen.gds.fetch", fetch)
    layout = kdb.Layout()
    top = layout.create_cell("TOP")
    for name, number in (("rdl", (1, 0)), ("via", (2, 0)), ("die", (200, 0))):
        top.shapes(layout.layer(kdb.LayerInfo(*number, name))).insert(region(name))
    made = pdk(D='check = "edge_distance"\nlayers = ["rdl", "die"]\nlimit = 10.0')
    report = drc.check_layout(layout, top, made, "one", title="step")
    assert (result(report, "D").status, result(report, "D").reason) == (Status.FAILED, "RuntimeError: no memory for it")
    assert result(report, "W").status is Status.RUN
    assert report.exit_code == 2


def test_a_result_has_the_unit_of_its_kind(pdk: Callable[..., Pdk]) -> None:
    report = drc.run(pdk(A='check = "area"\nlayers = ["via"]\nlimit = 100.5'), "one", CONTENT)
    assert (result(report, "W").unit, result(report, "A").unit) == ("um", "um2")
    assert [f.measured for f in result(report, "A").findings] == [100.0]


def test_a_layer_that_cannot_be_read_fails_its_rules_only(pdk: Callable[..., Pdk]) -> None:
    def fetch(name: str) -> kdb.Region:
        if name == "via":
            raise OSError("gone")
        return region(name)

    report = drc.run(pdk(V='check = "width"\nlayers = ["foot"]\nlimit = 1.0'), "one", drc.Content("step", fetch))
    assert result(report, "V").reason == "OSError: gone"
    assert result(report, "W").verdict == "clean"


def test_empty_layers(pdk: Callable[..., Pdk]) -> None:
    process = pdk(
        V='check = "width"\nlayers = ["via"]\nlimit = 1.0',
        F='check = "space"\nlayers = ["foot"]\nlimit = 1.0',
        E='check = "enclosure"\nlayers = ["rdl", "via"]\nlimit = 1.0',
        L='check = "width"\nlayers = ["label"]\nlimit = 1.0',
        S='check = "separation"\nlayers = ["rdl", "label"]\nlimit = 1.0',
        N='check = "enclosure"\nlayers = ["rdl", "label"]\nlimit = 1.0',
        G='check = "grid"\nlayers = ["label", "rdl"]\nlimit = 1.0',
        Z='check = "inside"\nlayers = ["lost", "die"]',
    )
    no_via = drc.Content("step", lambda name: kdb.Region() if name == "via" else region(name))
    one = drc.run(process, "one", no_via)
    assert one.exit_code == 2
    assert result(one, "V").status is Status.FAILED
    assert result(one, "V").reason == "flow 'one' must draw layer 'via', and nothing is on it"
    assert "'via' (which 'foot' is made of)" in result(one, "F").reason
    assert result(one, "E").status is Status.FAILED
    assert result(one, "L").status is Status.NOT_APPLICABLE
    assert result(one, "L").reason == "nothing on layer 'label' in this flow"
    assert result(one, "S").status is Status.NOT_APPLICABLE
    assert result(one, "N").verdict == "1 finding"  # what lacks its outer layer is found, not passed over
    assert result(one, "G").status is Status.RUN
    two = drc.run(process, "two", no_via)
    assert result(two, "V").status is Status.NOT_APPLICABLE
    assert result(drc.run(process, "one", CONTENT), "Z").verdict == "clean"  # rightly empty: its sources are drawn
    part = drc.run(process, "one", drc.Content("wafer", no_via.look, complete=False))
    assert result(part, "V").status is Status.NOT_APPLICABLE
    assert result(part, "V").reason == "nothing on layer 'via' on wafer"
    assert result(part, "W").status is Status.RUN


def test_other_flow_and_other_content(pdk: Callable[..., Pdk]) -> None:
    process = pdk(T='check = "width"\nlayers = ["rdl"]\nlimit = 1.0\nflows = ["two"]')
    report = drc.run(process, "one", CONTENT)
    assert result(report, "T").status is Status.NOT_APPLICABLE
    assert result(report, "T").reason == "a rule of flow two"
    assert report.exit_code == 0
    none = drc.run(process, "one", drc.Content("wafer", region, applies=frozenset({"T"})))
    assert {r.status for r in none.results} == {Status.NOT_APPLICABLE}
    assert none.exit_code == 2  # nothing ran, so nothing is clean
    with pytest.raises(UnknownNameError, match="no flow 'tow' in PDK 'tiny'; did you mean 'two'"):
        drc.run(process, "tow", CONTENT)
    with pytest.raises(UnknownNameError, match="no rule 'T2' in PDK 'tiny'"):
        drc.run(process, "one", drc.Content("wafer", region, applies=frozenset({"T2"})))


def test_runs_are_alike(pdk: Callable[..., Pdk]) -> None:
    process = pdk(V='check = "width"\nlayers = ["via"]\nlimit = 30.0')
    assert drc.run(process, "one", CONTENT) == drc.run(process, "one", CONTENT)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_documented_with_an_example_that_reads(kind: str, pdk: Callable[..., Pdk]) -> None:
    doc = KINDS[kind].documentation
    example = tomllib.loads("\n".join(line.strip() for line in doc.split("Example:")[1].splitlines()))
    ((name, raw),) = example["rules"].items()
    raw["layers"] = tuple(raw["layers"])
    ready = task(name, Rule(**raw))
    assert raw["check"] == kind
    assert all(option in doc for option in KINDS[kind].options.model_fields)
    assert ready.reach >= 0
    assert "Layers:" in doc
