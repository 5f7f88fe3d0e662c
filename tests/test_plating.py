"""The plating network against the same network unreduced, all metal as one mesh, and closed forms."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import klayout.db as kdb
import klayout.lay as lay
import numpy as np
import pytest
import shapely
from plating_cases import OHMS, a_die, a_wafer, box, direct, direct_alone, one_mesh, placed, square

import layoutgen as lg
from layoutgen import gds
from layoutgen.current import predicted, write_plating
from layoutgen.errors import ParamError, PdkError
from layoutgen.maskset import MaskSet
from layoutgen.physics.plating import (
    Bath,
    DieMetal,
    Line,
    Load,
    Network,
    PlatingError,
    WaferMetal,
    analyse,
    lines,
    mesh,
)  # fmt: skip
from layoutgen.report.plating import HEAT

ALONE, IN_BATH = Load(1e-10), Load(1e-10, 1e-9)


def test_a_straight_wire_has_its_squares() -> None:
    wire = kdb.Region(box(0, 0, 120, 10))
    ends = [kdb.Polygon(box(-1, 0, 0, 10)), kdb.Polygon(box(120, 0, 121, 10))]
    assert 1 / mesh.sheet(wire, ends, 0.5, 400).reduced()[0, 0] == pytest.approx(0.5 * 12, rel=1e-9)


def test_a_corner_has_the_published_squares() -> None:
    """0.5587 squares beside its two arms: Hall, Thin Solid Films 1 (1968) 277; 0.56 in every design manual."""
    corner = kdb.Region([box(0, 0, 50, 10), box(0, 0, 10, 50)])
    ends = [kdb.Polygon(box(50, 0, 51, 10)), kdb.Polygon(box(0, 50, 10, 51))]
    assert 1 / mesh.sheet(corner, ends, 1.0, 20).reduced()[0, 0] - 8 == pytest.approx(0.5587, rel=0.01)


def test_a_uniform_current_into_a_disc_drops_as_the_closed_form_says() -> None:
    disc = kdb.Polygon.ellipse(kdb.Box(-1_000_000, -1_000_000, 1_000_000, 1_000_000), 256)
    made = mesh.elements(mesh.triangulate(kdb.Region(disc), 10_000), 1 / 0.02)
    free = np.hypot(*made.points.T) < 999_500
    drop = mesh.factor(made.matrix[free][:, free]).solve((made.area / made.area.sum())[free])
    assert drop.max() == pytest.approx(0.02 / (4 * math.pi), rel=0.01)


@pytest.mark.parametrize("load", [ALONE, IN_BATH])
@pytest.mark.parametrize("kinds", [(a_die(),), (a_die(), a_die(True, "two"))])
def test_it_equals_the_same_network_unreduced(kinds: tuple[DieMetal, ...], load: Load) -> None:
    network = Network(a_wafer(3, 2, *kinds))
    assert np.concatenate(placed(network, network.solve(load).posts)) == pytest.approx(
        np.concatenate(direct(network, load)), rel=1e-9
    )  # fmt: skip


@pytest.mark.parametrize("most_shared", [0, 6])
@pytest.mark.parametrize("kinds", [(a_die(),), (a_die(True),), (a_die(), a_die(True, "two"))])
def test_a_post_alone_has_the_resistance_of_the_network_unreduced(
    kinds: tuple[DieMetal, ...], most_shared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layoutgen.physics.plating.wafer.MOST_SHARED", most_shared)
    network = Network(a_wafer(4, 3, *kinds))
    alone = network.alone()
    assert alone is not None
    assert np.concatenate(placed(network, alone)) == pytest.approx(np.concatenate(direct_alone(network)), rel=1e-9)


def test_a_post_alone_sees_less_than_one_among_others_that_draw_through_the_same_metal() -> None:
    found = analyse(Network(a_wafer(3, 3)))
    assert found.alone is not None
    assert (found.alone[0] < found.resistance[0]).all()
    # a single post on a single line to the ring, 400 + 50 um of bus on each side, is its wire and half of that
    one = DieMetal("one", 800, 600, ((kdb.Region(box(0, 285, 220, 315)), OHMS),), {"P": square(240, 300)},
                   kdb.Region(box(-35, 285, 0, 315)))  # fmt: skip
    bus = (Line(1, -50.0, 30.0, -10_000.0, 10_600.0, (True, True)),)
    single = analyse(Network(WaferMetal((one,), np.array([0]), np.zeros((1, 2)), ("A1",), bus, OHMS)))
    assert single.alone is not None
    assert single.alone[0][0, 0] == pytest.approx(single.resistance[0][0, 0], rel=1e-9)
    assert single.alone[0][0, 0] == pytest.approx(OHMS * (10_300 / 2 / 30 + 255 / 30), rel=0.01)


def test_where_it_would_take_minutes_no_resistance_of_a_post_alone_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layoutgen.physics.plating.inverse.MOST", 1.0)
    found = analyse(Network(a_wafer(2, 2)))
    assert found.alone is None
    assert {row["resistance_alone_ohm"] for row in csv.DictReader(io.StringIO(found.csv()))} == {"not computed"}


def test_streets_with_many_ties_of_nets_that_have_several_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    wafer = a_wafer(3, 3, a_die(True))
    few = Network(wafer).solve(IN_BATH).posts[0]
    monkeypatch.setattr("layoutgen.physics.plating.wafer.MOST_SHARED", 0)
    assert Network(wafer).solve(IN_BATH).posts[0] == pytest.approx(few, rel=1e-9)


def test_it_is_what_all_metal_as_one_mesh_conducts() -> None:
    wafer = a_wafer(2, 2, a_die(True))
    network = Network(wafer)
    assert np.concatenate(placed(network, network.solve(ALONE).posts)) == pytest.approx(
        np.concatenate(one_mesh(wafer, ALONE)), rel=1e-3
    )  # fmt: skip


def mirrored_die() -> DieMetal:
    """The same left and right."""
    metal = kdb.Region([box(0, 285, 300, 315), box(500, 285, 800, 315)])
    stubs = kdb.Region([box(-35, 285, 0, 315), box(800, 285, 835, 315)])
    return DieMetal("m", 800, 600, ((metal, OHMS),), {"L": square(280, 300, 20), "R": square(520, 300, 20)}, stubs)


def test_a_symmetric_wafer_gives_symmetric_drops() -> None:
    found = np.array(placed(n := Network(a_wafer(3, 3, mirrored_die())), n.solve(ALONE).posts)).reshape(3, 3, 2)
    assert found == pytest.approx(found[::-1], rel=1e-9)
    assert found == pytest.approx(found[:, ::-1, ::-1], rel=1e-6)  # meshes are not mirrored
    assert found[1, 1].min() > found[0, 0].max()


def test_a_wider_bus_and_more_ties_lower_the_worst_resistance() -> None:
    found = analyse(Network(a_wafer(3, 3))).what_if(bus=(30.0, 60.0), ties=(1, 2))
    assert [(w.bus, w.ties) for w in found] == [(30.0, 1), (30.0, 2), (60.0, 1), (60.0, 2)]
    one, tied, wide, both = (w.worst for w in found)
    assert one > wide > both
    assert one > tied > both
    assert found[0].spread > found[2].spread


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"bus": [-5]}, "bus=-5 must be from 0.1 to below 100 um"), ({"bus": [30.0, math.nan]}, "bus=nan must be"),
        ({"bus": [0]}, "bus=0 must be"), ({"bus": [100.0]}, "bus=100.0 must be"), ({"bus": ["x"]}, "bus='x'"),
        ({"bus": [math.inf]}, "bus=inf must be"), ({"bus": [True]}, "bus=True must be"),
        ({"ties": [0]}, "ties=0 must be a whole number from 1"), ({"ties": [1, 1.5]}, "ties=1.5 must be a whole"),
        ({"ties": [-1]}, "ties=-1 must be"), ({"ties": [math.nan]}, "ties=nan must"), ({"ties": []}, "ties is empty"),
    ],
)  # fmt: skip
def test_a_what_if_that_means_nothing_is_refused(asked: dict[str, list[Any]], words: str) -> None:
    with pytest.raises(ParamError, match=f"what_if: {re.escape(words)}"):
        analyse(Network(a_wafer(1, 1))).what_if(**asked)


def test_a_what_if_at_both_ends_of_what_it_takes_has_an_answer() -> None:
    thin, wide = analyse(Network(a_wafer(1, 1))).what_if(bus=[0.1, 99.9], ties=[1000])
    assert thin.worst > 50 * wide.worst > 0


def test_posts_along_a_strip_plate_as_the_closed_form_says() -> None:
    """Tobias and Wijsman 1953: j = mean * (L/l) cosh((L - x)/l) / sinh(L/l), l^2 = bath pitch / (Rs / width A)."""
    count, pitch, side, width = 60, 100.0, 2.0, 20.0
    long = count * pitch
    posts = {f"P{k}": square((k + 0.5) * pitch, 300, side) for k in range(count)}
    die = DieMetal(
        "strip", long, 600, ((kdb.Region(box(0, 290, long, 310)), 1.0),), posts,
        kdb.Region(box(-49, 290, 0, 310)),
    )  # fmt: skip
    # a bus as wide as it takes to add nothing
    bus = (Line(1, -100.0, 100.0, 0.0, 600.0, (True, True)),)
    wafer = WaferMetal((die,), np.array([0]), np.zeros((1, 2)), ("A1",), bus, 1e-6)
    length = long / 2
    area_ohms = length**2 * (1.0 / width) * side**2 / pitch * 1e-12
    found = analyse(Network(wafer), Bath(polarisation=area_ohms, height=0.0)).thickness[0][0]
    x = (np.arange(count) + 0.5) * pitch
    want = long / length * np.cosh((long - x) / length) / math.sinh(long / length)
    assert found == pytest.approx(want, rel=0.01)


def test_a_post_that_nothing_feeds_is_named_so() -> None:
    die = a_die()
    lost = DieMetal(
        "lost", die.width, die.height, die.metal, {**die.posts, "X": square(100, 500)}, die.stubs,
        {**die.nets, "X": "x"},
    )  # fmt: skip
    found = analyse(Network(a_wafer(2, 1, lost)))
    assert found.unfed == 2
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert [r["die"] for r in rows if r["resistance_all_draw_ohm"] == "not fed"] == ["0.0", "1.0"]
    assert all(r["name"] == "X" for r in rows if r["resistance_all_draw_ohm"] == "not fed")
    assert found.worst.name != "X"
    assert "2 posts are not fed" in found.summary()


def test_the_table_holds_every_post_and_its_mean_is_one() -> None:
    found = analyse(Network(a_wafer(3, 2, a_die(), a_die(True, "two"))))
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert [(r["die"], r["name"]) for r in rows[:5]] == [
        ("0.0", "A"),
        ("0.0", "B"),
        ("0.0", "C"),
        ("0.0", "D"),
        ("1.0", "A"),
    ]
    assert len(rows) == 24
    worst = max(rows, key=lambda r: float(r["resistance_all_draw_ohm"]))
    assert (worst["die"], worst["name"]) == (found.worst.die, found.worst.name)
    area = {"A": 1600, "B": 1600, "C": 1600, "D": 400}
    mean = sum(float(r["thickness_over_mean"]) * area[r["name"]] for r in rows) / sum(area[r["name"]] for r in rows)
    assert mean == pytest.approx(1.0, abs=1e-6)


def test_lines_are_read_from_rectangles_that_overlap_and_end_at_the_ring() -> None:
    drawn = [kdb.Polygon(box(*b)) for b in ((0, -15, 500, 15), (400, -15, 2000, 15), (485, -300, 515, 300))]
    found = lines(drawn, kdb.Region(box(1800, -500, 1900, 500)))
    assert found[0] == Line(0, 0.0, 30.0, 0.0, 1800.0, (False, True))
    assert Line(1, 500.0, 30.0, -300.0, 300.0) in found


def test_what_is_no_network_is_refused_with_its_place() -> None:
    with pytest.raises(PlatingError, match=r"bus at \(50, 25\) um is no rectangle"):
        lines([kdb.Polygon([kdb.Point(0, 0), kdb.Point(0, 50_000), kdb.Point(100_000, 0)])], kdb.Region())
    bent = DieMetal("b", 800, 600, (), {}, kdb.Region([box(-35, 285, 0, 315), box(-35, 285, -20, 400)]))
    with pytest.raises(PlatingError, match="no straight tie"):
        _ = bent.ties
    wafer = a_wafer(2, 2)
    fewer = WaferMetal(wafer.dies, wafer.kinds, wafer.origins, wafer.names, wafer.bus[1:], OHMS)
    with pytest.raises(PlatingError, match=r"ties on the left of die '0.0' lead to no bus"):
        Network(fewer).solve(ALONE)


def test_pictures_show_the_wafer_and_its_worst_die(tmp_path: Path) -> None:
    files = write_plating(analyse(Network(a_wafer(2, 2, a_die(True)))), tmp_path, "small")
    assert [f.name for f in files] == [
        "small_posts.csv", "small_resistance.png", "small_thickness.png", "small_worst_die.png"
    ]  # fmt: skip
    for file in files[1:]:
        picture = lay.PixelBuffer.read_png(str(file))
        colours = {
            picture.pixel(x, y) & 0xFFFFFF for x in range(0, picture.width(), 4) for y in range(0, picture.height(), 4)
        }
        assert len({int(c[1:], 16) for c in HEAT} & colours) > 2


@pytest.mark.parametrize("wrong", [{"density": 0.0}, {"conductivity": -1.0}, {"height": -1.0}, {"celsius": -300.0},
                                   {"height": 0.0, "polarisation": 1e-300}, {"density": 1e300},
                                   {"alpha": math.nan}])  # fmt: skip
def test_what_is_no_bath_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParamError, match="bath: "):
        Bath(**wrong)


def outlines(shapes: kdb.Region) -> list[shapely.Polygon]:
    """Polygons of a region in um, for another library."""
    found = []
    for polygon in shapes.each():
        hull = [(p.x / 1000, p.y / 1000) for p in polygon.each_point_hull()]
        holes = [[(p.x / 1000, p.y / 1000) for p in polygon.each_point_hole(k)] for k in range(polygon.holes())]
        found.append(shapely.Polygon(hull, holes))
    return found


def test_a_build_gives_its_own_network_and_writes_what_the_bath_makes_of_it(
    spec_file: Callable[..., Path], tmp_path: Path
) -> None:
    built = lg.build(spec_file(('pdk = "wlcsp_500"', 'pdk = "post"'), ("diameter = 25_000", "diameter = 20_000")))
    found = lg.plating(built)
    assert found.unfed == 0
    assert len(found.network.wafer.names) == len(built.grid.dies)
    assert {*found.network.wafer.dies[0].posts} == {b.name for b in built.spec.chip.balls}
    # as far as its resistance goes, a wire alone is the least there is: metal from the worst post to its own tie
    least = built.pdk.sheet_resistance("rdl")
    assert least is not None
    assert min(float(r.min()) for r in found.resistance) > least
    said = predicted(built)
    assert said is not None
    assert said.found is not None
    assert said.found.bath == Bath(300.0, 40.0, 0.05)  # 3 A/dm2, 50 mm
    files = {f.relative_to(tmp_path / "out").as_posix() for f in lg.write(built, tmp_path / "out", previews=False)}
    assert {"plating/posts.csv", "areas.csv"} <= files
    rows = list(csv.DictReader((tmp_path / "out/plating/posts.csv").read_text().splitlines()))
    assert len(rows) == len(built.grid.dies) * len(built.spec.chip.balls)
    worst = max(rows, key=lambda r: float(r["resistance_all_draw_ohm"]))
    assert f": {float(worst['resistance_all_draw_ohm']):.4g} ohm while all posts draw" in said.line
    report = (tmp_path / "out/results.md").read_text()
    assert "### Plating through the kerf\n\nworst post" in report
    # what a mask opens, merged flat
    drawn = gds.fetch(built.layout, built.pdk, built.layout.top_cell())
    for row in csv.DictReader((tmp_path / "out/areas.csv").read_text().splitlines()):
        flat = built.pdk.evaluate(built.pdk.masks[row["mask"]].data, drawn).merged().area() * 1e-12
        assert float(row["wafer_mm2"]) == pytest.approx(flat, rel=2e-7)
        assert f"| {row['mask']} | {float(row['die_mm2']):.4f} | {flat:.2f} |" in report
    # another witness of both areas; and nets that are one straight wire, in closed form
    one_die = gds.fetch(built.layout, built.pdk, built.layout.cell("DIE"))
    for row in csv.DictReader((tmp_path / "out/areas.csv").read_text().splitlines()):
        data = built.pdk.masks[row["mask"]].data
        for column, source in (("die_mm2", one_die), ("wafer_mm2", drawn)):
            area = shapely.union_all([corners for n in data.split(" | ") for corners in outlines(source(n))])
            if column == "die_mm2":
                area = area & shapely.box(0, 0, 1500, 1500)
            assert float(row[column]) == pytest.approx(area.area * 1e-6, rel=1e-7, abs=6e-7), (row["mask"], column)
    nets = list(csv.DictReader((tmp_path / "out/routing/nets.csv").read_text().splitlines()))
    assert [float(net["length"]) for net in nets] == [425.0] * 4
    assert [float(net["resistance"]) for net in nets] == pytest.approx([1.7241e-8 / 5e-6 * 425 / 30] * 4, rel=1e-4)
    without = {f.name for f in lg.write(built, tmp_path / "out", previews=False, plating=False)}
    assert "posts.csv" not in without
    assert not (tmp_path / "out/plating").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"current_density": 3.0}, "bath.current_density: unknown key"), ({"conductivity": -1.0}, "bath.conductivity"),
        ({"celsius": 400.0}, "bath.celsius"), ({"colour": 1.0}, "bath.colour"),
        ({"height": 0.0, "polarisation": 0.0}, "height and polarisation are both 0"),
    ],
)  # fmt: skip
def test_a_process_with_a_bath_that_is_none_is_refused(
    user_pdk: Callable[[str, str], Path], change: dict[str, float], words: str
) -> None:
    table = "\n".join(f"{k} = {v}" for k, v in change.items())
    path = user_pdk("mine", f'extends = "post"\nname = "mine"\n[bath]\n{table}\n')
    with pytest.raises(PdkError, match=words):
        lg.load_pdk(str(path.parent))


def test_a_process_without_current_through_the_kerf_states_no_bath(user_pdk: Callable[[str, str], Path]) -> None:
    bath = 'conductivity = 40.0\nheight = 50_000.0\nsource = "a test"'
    path = user_pdk("mine", f'extends = "wlcsp_500"\nname = "mine"\n[bath]\n{bath}\n')
    with pytest.raises(PdkError, match="bath: no flow takes its current from 'kerf'"):
        lg.load_pdk(str(path.parent))


def test_the_bath_takes_its_density_from_the_mask_that_opens_what_it_plates(
    user_pdk: Callable[[str, str], Path],
) -> None:
    path = user_pdk("mine", 'extends = "post"\nname = "mine"\n[masks.VIAH]\ncurrent_density = 1.5\n')
    pdk = lg.load_pdk(str(path.parent))
    assert pdk.densities("plated_etched") == {"masks.VIAH.current_density": 1.5}
    assert pdk.densities("plated_drilled") == {"drills.LASER.current_density": 3.0}
    user_pdk("mine", 'extends = "post"\nname = "mine"\n[masks.VIA]\nflows = []\ncurrent_density = 2.0\n')
    with pytest.raises(PdkError, match=r"bath: masks\.VIA\.current_density = 2 and masks\.VIAH\.current_density = 3 "):
        lg.load_pdk(str(path.parent))


def two_levels(post: kdb.Polygon) -> DieMetal:
    """A wire on the first level, a via at its end, a wire on the second; below that crosses another net's."""
    lower = kdb.Region([box(0, 285, 200, 315), box(350, 0, 400, 600)])
    return DieMetal(
        "two", 800, 600, ((lower, 0.004), (kdb.Region(box(160, 285, 400, 315)), 0.002)), {"P": post},
        kdb.Region(box(-35, 285, 0, 315)), vias=kdb.Region(box(160, 285, 200, 315)),
    )  # fmt: skip


def test_two_levels_are_wires_in_a_row() -> None:
    """160 um of the first level to the via, 160 um of the second from there to the post; nothing of the net below."""
    away = two_levels(kdb.Polygon(box(360, 285, 400, 315))).sheet().reduced()
    assert 1 / away[0, 0] == pytest.approx((0.004 * 160 + 0.002 * 160) / 30, rel=1e-9)
    over_it = two_levels(kdb.Polygon(box(170, 290, 210, 310))).sheet().reduced()
    assert 1 / over_it[0, 0] == pytest.approx(0.004 * 160 / 30, rel=1e-9)


def test_a_process_with_two_metals_has_a_network_and_what_is_none_is_refused(
    spec_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYOUTGEN_PDK_PATH", str(Path(__file__).parent / "processes"))
    crossed = "ball,net,x,y\nA1,d,500,1000\nA2,c,1000,1000\nB1,b,500,500\nB2,a,1000,500\n"
    spec = spec_file(('pdk = "wlcsp_500"', 'pdk = "two_levels"'), ("diameter = 25_000", "diameter = 20_000"),
                     balls=crossed)  # fmt: skip
    built = lg.build(spec)
    assert built.report.exit_code == 0
    assert built.die.plan is not None
    assert built.die.plan.vias
    found = lg.plating(built)
    assert found.unfed == 0
    assert found.alone is not None
    metal = found.network.wafer.dies[0]
    assert [ohms for _, ohms in metal.metal] == pytest.approx([1.7241e-8 / 5e-6, 1.7241e-8 / 2.5e-6])
    # from the die's edge to its post a net is at least a wire straight there, all on the better level
    for k, (name, post) in enumerate(metal.posts.items()):
        c = post.bbox().center()
        far = min(c.x, metal.box.right - c.x, c.y, metal.box.top - c.y) / 1000 - 20
        assert float(found.alone[0][:, k].min()) > metal.metal[0][1] * far / 60, name

    def process(**update: object) -> MaskSet:
        return replace(built, pdk=built.pdk.model_copy(update=update))

    tied = built.pdk.connect.model_copy(update={"metal_2": "rdl2 | rdl_tie"})
    with pytest.raises(PlatingError, match="metal of the second level lies in the kerf"):
        lg.plating(process(connect=tied))
    refused = predicted(process(connect=tied))
    assert refused is not None
    assert refused.found is None
    assert refused.line.startswith("not predicted: metal of the second level lies in the kerf at (")
    without = {name: level for name, level in built.pdk.stack.items() if name != "rdl2"}
    with pytest.raises(PlatingError, match="a level 'rdl2' with thickness and material"):
        lg.plating(process(stack=without))


def test_a_build_that_is_not_plated_through_the_kerf_has_no_network(small: MaskSet) -> None:
    with pytest.raises(PlatingError, match="takes its plating current from 'blanket', not through the kerf"):
        lg.plating(small)
