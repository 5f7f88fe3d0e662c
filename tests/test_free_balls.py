"""A spec whose balls are free to be taken: names, nets and checks of the build follow what the router chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import klayout.db as kdb

from layoutgen import api, chip, maskset, spec
from layoutgen.maskset import MaskSet
from layoutgen.route import RoutePlan
from layoutgen.units import DBU, dbu

FREE = "ball,net,x,y\nA1,*,500,1000\nA2,*,1000,1000\nB1,*,500,500\nB2,b,1000,500\nC1,*,1000,1500\n"
PADS = "pad,net,x,y\nP1,a,500,75\nP2,b,1000,75\nP3,c,500,1925\nP4,d,1000,1925\n"


def build(spec_file: Callable[..., Path]) -> MaskSet:
    path = spec_file(("size = [1500, 1500]", "size = [1500, 2000]"), pads=PADS, balls=FREE)
    return maskset.build(spec.read(path))


def nets(built: MaskSet, plan: RoutePlan) -> list[str]:
    """What the nets of a build are found to be, had the router answered so."""
    die = replace(built.die, plan=plan)
    report = maskset._with_nets(built.report, built.spec, built.pdk, built.flow, die, built.step, built.grid,
                                built.layout)  # fmt: skip
    result = [r for r in report.results if r.rule == "NETS"][-1]
    return sorted(f.note for f in result.findings)


def test_pads_take_free_balls_and_the_build_is_clean(spec_file: Callable[..., Path]) -> None:
    built = build(spec_file)
    assert [f.note or f.rule for r in built.report.results for f in r.findings] == []
    assert built.report.exit_code == 0
    plan = built.die.plan
    assert plan is not None
    assert plan.complete
    assert sorted(plan.taken.values()) == ["a", "c", "d"]
    assert set(plan.taken) < {"ball A1", "ball A2", "ball B1", "ball C1"}
    assert plan.taken["ball B1"] == "a"  # the nearest by far


def test_notes_name_the_net_that_took_a_ball(spec_file: Callable[..., Path]) -> None:
    built = build(spec_file)
    plan, given = built.die.plan, built.spec.chip
    assert plan is not None
    cell = built.layout.cell("DIE")
    note = built.layout.find_layer(*built.pdk.gds(built.pdk.role("note")))
    written: dict[tuple[int, int], list[str]] = {}
    shapes = cell.begin_shapes_rec(note)
    while not shapes.at_end():
        text = shapes.shape().text.transformed(shapes.itrans())
        written.setdefault((text.x, text.y), []).append(text.string)
        shapes.next()
    for kind, members in (("pad", given.pads), ("ball", given.balls)):
        for m in members:
            net = m.net or plan.taken.get(f"{kind} {m.name}", "")
            assert written[dbu(m.x), dbu(m.y)] == [f"{m.name} {net}".strip()]
    assert len(written) == len(given.members)
    untaken = {f"ball {b.name}" for b in given.balls if not b.net} - set(plan.taken)
    assert len(untaken) == 1


def test_nets_are_those_of_the_plan_not_of_any_other(spec_file: Callable[..., Path]) -> None:
    built = build(spec_file)
    plan = built.die.plan
    assert plan is not None
    assert nets(built, plan) == []
    by_net = {net: name for name, net in plan.taken.items()}
    swapped = {by_net["a"]: "c", by_net["c"]: "a", by_net["d"]: "d"}
    assert nets(built, replace(plan, taken=swapped)) == [
        *(f"a piece of net {n} joins {asks} that ask for a free one with {1 - asks} that were taken in every die"
          for n in "ac" for asks in (0, 1)),
        "nets a, c are one piece in every die", "nets a, c are one piece in every die",
    ]  # fmt: skip
    nobody = f"net a and {by_net['a']} are one piece in every die"
    assert nobody in nets(built, replace(plan, taken={k: v for k, v in plan.taken.items() if v != "a"}))


def test_a_free_ball_that_nobody_took_stands_alone(spec_file: Callable[..., Path]) -> None:
    built = build(spec_file)
    plan = built.die.plan
    assert plan is not None
    (alone,) = [b for b in built.spec.chip.balls if not b.net and f"ball {b.name}" not in plan.taken]
    die = built.layout.cell("DIE")
    metal = kdb.Region(die.begin_shapes_rec(built.layout.find_layer(*built.pdk.gds("rdl")))).merged()
    (piece,) = [p for p in metal.each() if p.inside(kdb.Point(dbu(alone.x), dbu(alone.y)))]
    assert piece.bbox().width() * DBU < 272
    assert piece.bbox().center() == kdb.Point(dbu(alone.x), dbu(alone.y))


def test_the_routed_def_holds_each_net_with_the_ball_that_it_took(
    spec_file: Callable[..., Path], tmp_path: Path
) -> None:  # fmt: skip
    built = build(spec_file)
    done = api.route_chip(built.spec)
    done.save(tmp_path / "out", picture=False)
    back = chip.load(tmp_path / "out" / "route.def", lefs=(tmp_path / "out" / "route.lef",))
    taken = {b.name: b.net for b in back.balls if b.net}
    assert taken == {"B2": "b", **{name.split()[1]: net for name, net in done.plan.taken.items()}}
    assert [b.group for b in back.balls if not b.net] == ["*"]
