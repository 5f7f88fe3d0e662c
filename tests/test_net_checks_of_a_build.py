"""What the nets of a built wafer say when the drawing is harmed: each harm is found, the build itself is clean."""

from __future__ import annotations

import re
from collections.abc import Callable

import klayout.db as kdb
import pytest

from layoutgen import maskset, spec
from layoutgen.findings import Status
from layoutgen.maskset import MaskSet

Harm = Callable[[MaskSet], None]
SMALL = """
name = "small"
pdk = "{pdk}"
chip = {{ name = "Small", pad_size = [55, 55], array = {{ columns = 3, rows = 3, pitch = 500, margin = 400 }} }}
wafer = {{ diameter = 30_000, street = 100 }}
"""


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MaskSet:
    path = tmp_path_factory.mktemp("small") / "small.toml"
    path.write_text(SMALL.format(pdk=request.param))
    return maskset.build(spec.read(path))


def found(built: MaskSet, harm: Harm) -> list[str]:
    """Notes of the net checks on a harmed copy of the layout."""
    copy = kdb.Layout()
    copy.assign(built.layout)
    harmed = MaskSet(**{**{f: getattr(built, f) for f in MaskSet.__dataclass_fields__}, "layout": copy})
    harm(harmed)
    report = maskset._with_nets(
        built.report, built.spec, built.pdk, built.flow, built.die, built.step, built.grid, harmed.layout
    )  # fmt: skip
    before = len(built.report.results)
    return [f.note for r in report.results[before:] for f in r.findings]


def layer(built: MaskSet, name: str) -> int:
    return int(built.layout.layer(*built.pdk.gds(name)))


def no_shapes(cell: str, name: str) -> Harm:
    return lambda b: b.layout.cell(cell).shapes(layer(b, name)).clear()


def one_instance_fewer(cell: str) -> Harm:
    def harm(b: MaskSet) -> None:
        die = b.layout.cell("DIE")
        next(i for i in die.each_inst() if i.cell.name == cell).delete()

    return harm


def moved(cell: str, dx: int) -> Harm:
    def harm(b: MaskSet) -> None:
        die = b.layout.cell("DIE")
        next(i for i in die.each_inst() if i.cell.name == cell).transform(kdb.Trans(dx, 0))

    return harm


def bar_between_pads(name: str) -> Harm:
    def harm(b: MaskSet) -> None:
        first, second = b.spec.chip.pads[:2]
        box = kdb.DBox(first.x, first.y - 5, second.x, second.y + 5)
        b.layout.cell("DIE").shapes(layer(b, name)).insert(box)

    return harm


def without(cell: str) -> Harm:
    def harm(b: MaskSet) -> None:
        b.layout.cell(cell).prune_cell()

    return harm


@pytest.mark.parametrize("built", ["post", "wlcsp_500"], indirect=True)
def test_the_build_itself_is_clean(built: MaskSet) -> None:
    assert built.report.exit_code == 0
    assert found(built, lambda _: None) == []


@pytest.mark.parametrize("built", ["post"], indirect=True)
@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (one_instance_fewer("polymer_via"), "has no via"),
        (one_instance_fewer("polymer_opening"), "has no polyimide"),
        (moved("polymer_via", 500_000), "has no via"),
        (bar_between_pads("rdl_tie"), "are one piece"),
        (bar_between_pads("rdl_mark"), "are one piece"),
        (bar_between_pads("rdl_ring"), "are one piece"),
        (bar_between_pads("rdl_label"), "are one piece"),
        (no_shapes("WIRES", "rdl_tie"), "is not joined to the bus"),
        (without("STREET_ENDS"), "is not joined to the bus"),
        (without("BUS_ENDS"), "does not reach the contact ring"),
        (no_shapes("WIRES", "rdl"), "pieces"),
    ],
)
def test_harm_to_a_tied_process_is_found(built: MaskSet, harm: Harm, says: str) -> None:
    assert any(says in note for note in found(built, harm)), found(built, harm)


@pytest.mark.parametrize("built", ["wlcsp_500"], indirect=True)
@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (one_instance_fewer("polymer_via"), "has no pi2"),
        (one_instance_fewer("polymer_opening"), "has no pi1"),
        (one_instance_fewer("ubm"), "has no ubm"),
        (one_instance_fewer("ball"), "has no ball"),
        (moved("ball", 500_000), "has no ball"),
        (bar_between_pads("rdl_mark"), "are one piece"),
        (no_shapes("WIRES", "rdl"), "pieces"),
    ],
)
def test_harm_to_a_blanket_process_is_found(built: MaskSet, harm: Harm, says: str) -> None:
    assert any(says in note for note in found(built, harm)), found(built, harm)


@pytest.mark.parametrize("built", ["post"], indirect=True)
def test_what_is_said_to_have_run_adds_up(built: MaskSet) -> None:
    said = [re.search(r"(\d+) of the (\d+) rules of the process run|: (\d+) of (\d+) rules of every", s)
            for s in built.report.scope]  # fmt: skip
    ran, asked = (sum(int(v) for m in said if m for v in m.group(k, k + 2) if v) for k in (1, 2))
    assert len([m for m in said if m]) == 2
    assert built.report.scope[0].endswith(" (7 are for other flows)")
    assert built.report.summary.startswith(f"{ran} rules run")
    assert asked == len(built.report.results)
    assert ran == sum(r.status is Status.RUN for r in built.report.results)
