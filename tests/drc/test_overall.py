"""Rules about nets and whole polygons, over small wafers of every kind, against merged regions of all of it.

The witness knows no pieces: it merges each layer flat, joins polygons that have an area in common level by level, and
measures walls between outlines with shapely.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter

import corpus
import klayout.db as kdb
import numpy as np
import pytest
import shapely
from tiny_pdk import plain

from layoutgen import gds
from layoutgen.drc import look, run
from layoutgen.drc.checks import Task, task
from layoutgen.drc.flat import Flat
from layoutgen.findings import Finding, Status
from layoutgen.pdk import Pdk, Rule, read

CUT = (200, 2)
CUTS = {"cut_sure": CUT, "cut_maybe": (200, 3), "cut_sure@low": (200, 12), "cut_maybe@low": (200, 13)}
LEVELS = {"rdl": (1, 0), "via": (2, 0), "tie": (1, 1)}
RULES = {
    "connected": 'check = "connected", layers = ["rdl", "tie"]',
    "connected.cut": 'check = "connected", layers = ["tie", "rdl"], after_cut = true',
    "not_connected": 'check = "not_connected", layers = ["tie", "via"]',
    "not_connected.cut": 'check = "not_connected", layers = ["rdl", "tie"], after_cut = true',
    "connected.grown": 'check = "connected", layers = ["foot", "tie"]',
    "one_piece.grown": 'check = "one_piece", layers = ["foot", "die"], after_cut = true',
    "one_piece": 'check = "one_piece", layers = ["rdl"]',
    "one_piece.cut": 'check = "one_piece", layers = ["tie"], after_cut = true',
    "one_piece.die": 'check = "one_piece", layers = ["rdl", "die"]',
    "one_piece.nets": 'check = "one_piece", layers = ["rdl", "die"], joined = "nets"',
    "one_piece.nets.cut": 'check = "one_piece", layers = ["rdl", "die"], joined = "nets", after_cut = true',
    "closed_ring": 'check = "closed_ring", layers = ["rdl"], limit = 12.0',
    "closed_ring.around": 'check = "closed_ring", layers = ["rdl", "via"], merged = true',
    "closed_ring.cut": 'check = "closed_ring", layers = ["rdl", "tie"], limit = 12.001, after_cut = true',
    "closed_ring.low": 'check = "closed_ring", layers = ["rdl"], limit = 12.0, after_cut = "cut_maybe@low"',
    "not_connected.low": 'check = "not_connected", layers = ["tie", "via"], after_cut = "cut_sure@low"',
    "sealed": 'check = "sealed", layers = ["via", "rdl", "tie"]',
    "sealed.cut": 'check = "sealed", layers = ["via", "rdl", "tie"], after_cut = "cut_sure@low"',
    "sealed.by": 'check = "sealed", layers = ["tie", "rdl", "via", "rdl"], limit = 4.0, after_cut = true',
    "reaches_cut": 'check = "reaches_cut", layers = ["rdl", "via", "cut_maybe@low", "cut_sure@low"]',
    "reaches_cut.above": 'check = "reaches_cut", layers = ["rdl_all", "tie", "cut_maybe@low", "cut_sure@low"]',
    "space.same": 'check = "space", layers = ["rdl"], limit = 10.0, nets = "same"',
    "space.different": 'check = "space", layers = ["rdl"], limit = 10.0, nets = "different"',
    "space.polygons": 'check = "space", layers = ["rdl"], limit = 10.0, nets = "same", between = "polygons"',
    "space.cut": 'check = "space", layers = ["tie"], limit = 20.0, nets = "different", after_cut = true',
    "separation.different": 'check = "separation", layers = ["via", "tie"], limit = 10.0, nets = "different"',
    "separation.same": 'check = "separation", layers = ["rdl", "tie"], limit = 10.0, nets = "same"',
}


@pytest.fixture(scope="module")
def pdk(tmp_path_factory: pytest.TempPathFactory) -> Pdk:
    folder = tmp_path_factory.mktemp("pdk") / "tiny"
    folder.mkdir()
    text = plain(
        """rdl = { gds = [1, 0], title = "metal" }
tie = { gds = [1, 1], title = "metal 2" }
via = { gds = [2, 0], title = "via" }""",
        derived="""foot = { expression = "size(via, 3)" }
rdl_all = { expression = "rdl | tie" }""",
        reserved="\n".join(
            ['die = { gds = [200, 0], title = "die" }']
            + [f'"{name}" = {{ gds = {[*number]}, title = "cut" }}' for name, number in CUTS.items()]
        ),
    )
    text += "[cut]\nkerf_min = 10.0\nkerf_max = 12.0\ntolerance = 1.0\ndepth = 50.0\nlevels = { low = 40.0 }\n"
    text = text.replace('connect = { metal = "rdl"', 'connect = { metal_2 = "tie", via_2 = "via", metal = "rdl"')
    text = text.replace('roles = { metal = "rdl"', 'roles = { metal_2 = "tie", via_2 = "via", metal = "rdl"')
    rules = [f'"{name}" = {{ {rest}, why = "w", source = "s" }}\n' for name, rest in RULES.items()]
    (folder / "pdk.toml").write_text(text + "[rules]\n" + "".join(rules), "utf-8")
    return read(folder, lambda _: folder)


class Witness:
    """All of a layout, flat."""

    def __init__(self, layout: kdb.Layout, cut: str) -> None:
        top = layout.top_cell()
        self.cuts = {name: kdb.Region(top.begin_shapes_rec(layout.layer(*n))).merged() for name, n in CUTS.items()}
        gone = self.cuts[cut] if cut else kdb.Region()
        self.polygons: dict[str, list[kdb.Polygon]] = {}
        for name, number in (corpus.LAYERS | LEVELS).items():
            all_of_it = kdb.Region(top.begin_shapes_rec(layout.layer(*number))).merged()
            left = all_of_it if name == "die" else (all_of_it - gone).merged()
            self.polygons[name] = [*left.each()]
            if name == "via":
                self.polygons["foot"] = [*(all_of_it.sized(3_000, 2).merged() - gone).merged().each()]
        all_of_it = kdb.Region([p for name in ("rdl", "tie") for p in self.polygons[name]])
        self.polygons["rdl_all"] = [*all_of_it.merged().each()]
        self.net, self.with_feet = self._nets(), self._nets(feet=True)

    def _nets(self, feet: bool = False) -> dict[str, list[int]]:
        stack = (*LEVELS, "foot")
        nodes = [(name, k) for name in stack for k in range(len(self.polygons[name]))]
        number = {node: k for k, node in enumerate(nodes)}
        root = list(range(len(nodes)))

        def find(k: int) -> int:
            while root[k] != k:
                k = root[k]
            return k

        for below, above in [*itertools.pairwise(LEVELS), *((("via", "foot"),) if feet else ())]:
            for i, p in enumerate(self.polygons[below]):
                for j, q in enumerate(self.polygons[above]):
                    if p.bbox().touches(q.bbox()) and (kdb.Region(p) & kdb.Region(q)).area():
                        root[find(number[below, i])] = find(number[above, j])
        return {name: [find(number[name, k]) for k in range(len(self.polygons[name]))] for name in stack}

    def net_at(self, layer: str, edge: tuple[int, ...]) -> set[int]:
        """The nets at the ends and in the middle of an edge."""
        x1, y1, x2, y2 = edge
        points = [kdb.Point(*at) for at in ((x1, y1), (x2, y2), ((x1 + x2) // 2, (y1 + y2) // 2))]
        for near in (0, 3):  # corners of slanted edges are rounded
            found = {
                net
                for p, net in zip(self.polygons[layer], self.net[layer], strict=True)
                for at in points
                if p.bbox().enlarged(near, near).contains(at)
                and (p.inside(at) or (near and min(e.euclidian_distance(at) for e in p.each_edge()) <= near))
            }
            if found:
                return found
        return set()


def wrong_polygons(job: Task, all_of_it: Witness) -> kdb.Region:
    """The polygons of a rule's first layer that break it."""
    name = job.layers[0]
    mine = all_of_it.polygons[name]
    net = all_of_it.with_feet if "foot" in job.layers else all_of_it.net
    if job.kind.name in ("connected", "not_connected"):
        others = set(net[job.layers[1]])
        wanted = job.kind.name == "connected"
        nets = net[name]
        return kdb.Region([p for p, k in zip(mine, nets, strict=True) if (k in others) is not wanted])
    piece = net[name] if job.options.joined == "nets" else [*range(len(mine))]
    box: dict[int, kdb.Box] = {}
    for p, k in zip(mine, piece, strict=True):
        box[k] = box.get(k, kdb.Box()) + p.bbox()
    found = kdb.Region()
    for die in all_of_it.polygons["die"] if len(job.layers) > 1 else [None]:
        here = [k for k, p in enumerate(mine) if die is None or (kdb.Region(p) & kdb.Region(die)).area()]
        if here:
            order = sorted((-box[piece[k]].area(), box[piece[k]].left, box[piece[k]].bottom, piece[k]) for k in here)
            found += kdb.Region([mine[k] for k in here if piece[k] != order[0][3]])
    return found


def drawn_by_shapely(polygon: kdb.Polygon) -> shapely.Polygon:
    holes = [[(q.x, q.y) for q in polygon.each_point_hole(k)] for k in range(polygon.holes())]
    return shapely.Polygon([(q.x, q.y) for q in polygon.each_point_hull()], holes)


def meets_the_cut(job: Task, all_of_it: Witness) -> kdb.Region:
    """The conductors of other nets that the cut may reach, and those of the one net that it does not."""
    conductors, own = (all_of_it.polygons[name] for name in job.layers[:2])
    maybe, sure = (all_of_it.cuts[name] for name in job.layers[2:])
    band = shapely.union_all([drawn_by_shapely(p) for p in sure.each()])
    nets = {name: all_of_it.net[name] for name in LEVELS}
    if job.layers[0] == "rdl_all":  # a level's metal is of that level's net wherever both meet
        nets["rdl_all"] = [
            next(net for name in ("rdl", "tie") for q, net in zip(all_of_it.polygons[name], nets[name], strict=True)
                 if (kdb.Region(p) & kdb.Region(q)).area())
            for p in conductors
        ]  # fmt: skip
        same = [
            {net for name in ("rdl", "tie") for q, net in zip(all_of_it.polygons[name], nets[name], strict=True)
             if (kdb.Region(p) & kdb.Region(q)).area()}
            for p in conductors
        ]  # fmt: skip
        for some in same:  # what one polygon of both joins is one net
            one = min(some)
            nets = {name: [one if net in some else net for net in all_nets] for name, all_nets in nets.items()}
            same[:] = [{one if net in some else net for net in each} for each in same]
    met = {
        name: [drawn_by_shapely(p).intersects(band) for p in polygons]
        for name, polygons in zip(job.layers[:2], (conductors, own), strict=True)
    }
    reached = {net for name in job.layers[:2] for net, hit in zip(nets[name], met[name], strict=True) if hit}
    found = [
        p for p, net, hit in zip(conductors, nets[job.layers[0]], met[job.layers[0]], strict=True)
        if (hit or (kdb.Region(p) & maybe).area()) and net not in nets[job.layers[1]]
    ]  # fmt: skip
    found += [p for p, net in zip(own, nets[job.layers[1]], strict=True) if net not in reached]
    return kdb.Region(found)


def leaks_differ(job: Task, found: list[Finding], drawn: Witness, left: Witness) -> list[str]:
    """What is said of leaks, against what shapely joins."""
    openings = kdb.Region(drawn.polygons[job.layers[2]])
    if len(job.layers) > 3:
        openings -= kdb.Region(drawn.polygons[job.layers[3]]).sized(-job.steps, 2)
    leaks = [drawn_by_shapely(p) for p in left.polygons[job.layers[1]]]
    cavities = [drawn_by_shapely(p) for p in drawn.polygons[job.layers[0]]]
    bare = [drawn_by_shapely(p) for p in openings.merged().each()]
    shapes = [*leaks, *cavities, *bare]
    filled = [shapely.Polygon(p.exterior) for p in leaks]  # what lies in a hole is reached through it
    root = list(range(len(shapes)))

    def find(k: int) -> int:
        while root[k] != k:
            k = root[k]
        return k

    for i, j in itertools.combinations(range(len(shapes)), 2):
        kinds = [0 if k < len(leaks) else 1 if k < len(leaks) + len(cavities) else 2 for k in (i, j)]
        a, b = (filled[k] if k < len(leaks) else shapes[k] for k in (i, j))
        if a.intersects(b) and (kinds[0] != kinds[1] or kinds[0] == 0):
            root[find(i)] = find(j)
    wet = {find(k) for k in range(len(leaks), len(leaks) + len(cavities))}
    expected = [p for k, p in enumerate(bare, len(leaks) + len(cavities)) if find(k) in wet]
    places = [shapely.Polygon(one.polygon).buffer(0) for f in found for one in f.each()]
    missing = [p.bounds for p in expected if not any(p.intersects(place) for place in places)]
    return [] if len(places) == len(expected) and not missing else [f"{len(places)} flat {len(expected)} {missing}"]


def region_of(found: list[Finding]) -> kdb.Region:
    out = kdb.Region()
    for one in (one for f in found for one in f.each()):
        out.insert(kdb.Polygon([kdb.Point(*p) for p in one.polygon]))
    return out.merged()


def with_cuts(rng: random.Random, layout: kdb.Layout) -> kdb.Layout:
    """Bars over it, between cells as well as through them."""
    box = layout.top_cell().bbox()
    shapes = {name: layout.top_cell().shapes(layout.layer(*number)) for name, number in CUTS.items()}
    wider = {"cut_sure": 0, "cut_maybe": 7_000, "cut_sure@low": -1_500, "cut_maybe@low": 3_001}
    for _ in range(rng.randint(1, 4)):
        x, y, width = rng.randint(box.left, box.right), rng.randint(box.bottom, box.top), rng.choice([4_000, 15_001])
        for name, by in wider.items():
            shapes[name].insert(kdb.Box(x - by, box.bottom, x + width + by, box.top))
            shapes[name].insert(kdb.Box(box.left, y - by, box.right, y + width + by))
    return layout


def rings_differ(job: Task, found: list[Finding], all_of_it: Witness) -> list[str]:
    """What is said of rings, against outlines as shapely has them."""
    expected = Counter[str]()
    rings = all_of_it.polygons[job.layers[0]]
    surrounds: list[list[bool]] = []
    inner = all_of_it.polygons[job.layers[1]] if len(job.layers) > 1 else []
    layer = kdb.Region(rings)
    crossing = [not (kdb.Region(p) & layer).is_empty() for p in inner]
    points = [shapely.Polygon([(q.x, q.y) for q in p.each_point_hull()],
                              [[(q.x, q.y) for q in p.each_point_hole(k)] for k in range(p.holes())]
                              ).buffer(0).representative_point() for p in inner]  # fmt: skip
    lies = [False] * len(inner)
    for p in rings:
        outlines = [shapely.LinearRing([(q.x, q.y) for q in p.each_point_hull()])]
        outlines += [shapely.LinearRing([(q.x, q.y) for q in p.each_point_hole(k)]) for k in range(p.holes())]
        count = p.holes()
        if not count:
            expected["hole"] += 1
        if count > 1 and not job.options.merged:
            expected["hole"] += 1
        for a, b in itertools.combinations(outlines, 2):
            expected["wall"] += a.distance(b) < max(job.steps, 1) - 1e-3
        full = []
        for hole in outlines[1:]:
            area = shapely.Polygon(hole)
            inside = [not crosses and area.intersects(at) for crosses, at in zip(crossing, points, strict=True)]
            lies = [a or b for a, b in zip(lies, inside, strict=True)]
            full.append(any(inside))
        surrounds.append(full)
    if len(job.layers) > 1:
        expected["crosses"] = sum(crossing)
        expected["around"] = sum(not a and not b for a, b in zip(lies, crossing, strict=True))
        each = [full if job.options.merged else [any(full)] * bool(full) for full in surrounds]
        expected["within"] = sum(not ok for full in each for ok in full)
    words = {"it has": "hole", "here the": "wall", "crosses": "crosses", "is around": "around", "within": "within"}
    ours = Counter[str]()
    for f in found:
        ours[next(name for text, name in words.items() if text in f.note)] += f.count
    return [] if +ours == +expected else [f"{dict(+ours)} flat {dict(+expected)}"]


def differences(pdk: Pdk, layout: kdb.Layout, seen: Counter[str]) -> list[str]:
    jobs = [task(name, rule) for name, rule in pdk.rules.items()]
    top = layout.top_cell()
    fetch = gds.fetch(layout, pdk, top)
    witness = {cut: Witness(layout, cut) for cut in {"", "cut_sure@low", *(job.cut for job in jobs)}}
    flat, out = Flat(pdk, fetch), []
    with look.Across(pdk, layout, top, jobs) as across:
        for job in jobs:
            found = list(across.find(job))
            same = list(flat.find(job))
            seen[f"{job.rule} {'found' if found else 'clean'}"] += 1
            all_of_it = witness["cut_sure@low" if job.kind.name == "reaches_cut" else job.cut]
            if sum(f.count for f in found) != sum(f.count for f in same):
                out.append(f"{job.rule}: {sum(f.count for f in found)}, flat {sum(f.count for f in same)}")
            if job.kind.name == "closed_ring":
                out += [f"{job.rule}: {text}" for text in rings_differ(job, found, all_of_it)]
            elif job.kind.name == "sealed":
                out += [f"{job.rule}: {text}" for text in leaks_differ(job, found, witness[""], all_of_it)]
            elif job.nets != "any":
                out += [f"{job.rule}: {text}" for text in edges_differ(pdk, job, found, all_of_it, fetch)]
            else:
                wrong = meets_the_cut if job.kind.name == "reaches_cut" else wrong_polygons
                expected = wrong(job, all_of_it).merged()
                differ = (region_of(found) ^ expected).sized(-1)  # a marker's cut to a hole may be a sliver
                if not differ.is_empty():
                    out.append(f"{job.rule}: {differ}")
    return out


def edges_differ(pdk: Pdk, job: Task, found: list[Finding], all_of_it: Witness, fetch: object) -> list[str]:
    """What is found of a space, against what of the same on any net is of such nets."""
    wanted = Counter[object]()
    for f in Flat(pdk, fetch).find(job.of_any_net):  # type: ignore[arg-type]
        for one in f.each():
            if one.edges:
                edges = [one.edges[0], one.edges[-1]]
            else:
                shape = shapely.Polygon(one.polygon).buffer(0).representative_point()
                at = round(shape.x), round(shape.y)
                edges = [(*at, *at)] * 2
            a = all_of_it.net_at(job.layers[0], edges[0])
            b = all_of_it.net_at(job.layers[-1], edges[1])
            holds = bool(a & b) if job.nets == "same" else any(x != y for x in a for y in b)
            wanted[key(one)] += holds
    ours = Counter(key(one) for f in found for one in f.each())
    missing, more = +wanted - ours, ours - +wanted
    return [f"missing {list(missing)[:2]}, more {list(more)[:2]}"] if missing or more else []


def key(one: Finding) -> object:
    return tuple(sorted(one.edges)), one.polygon


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a layout, no secret


@pytest.mark.parametrize(("start", "count", "slanted"), [(0, 6, False), (6, 6, False), (3, 2, True)])
def test_any_wafer_is_judged_as_flat(pdk: Pdk, start: int, count: int, slanted: bool) -> None:
    seen = Counter[str]()
    for number in range(start, start + count):
        rng = dice(number)
        layout = with_cuts(rng, corpus.layout(rng, slanted=slanted))
        assert differences(pdk, layout, seen) == [], number
    assert np.sum([count for name, count in seen.items() if name.endswith("found")]) > len(RULES)


def frames(wall: int, turns: bool) -> kdb.Layout:
    """Frames around cavities, merged along the streets of a wafer; the cut takes the middle 10 um of each street."""
    layout, layers, top = corpus.empty()
    die = layout.create_cell("DIE")
    outer, inner = kdb.Box(-100_000, -80_000, 100_000, 80_000), kdb.Box(-90_000, -70_000, 90_000, 70_000)
    out = outer.enlarged(wall, wall)
    die.shapes(layers["rdl"]).insert(kdb.Region(out) - kdb.Region(outer))
    die.shapes(layers["via"]).insert(inner)
    for i in range(12):
        for j in range(9):
            turn = kdb.Trans(2 * ((i + j) % 2) if turns else 0, turns and i % 3 == 0, i * out.width(), j * out.height())
            top.insert(kdb.CellInstArray(die.cell_index(), turn))
    cut, box = top.shapes(layout.layer(*CUT)), top.bbox()
    for x in range(box.left, box.right + 1, out.width()):
        cut.insert(kdb.Box(x - 5_000, box.bottom, x + 5_000, box.top))
    for y in range(box.bottom, box.top + 1, out.height()):
        cut.insert(kdb.Box(box.left, y - 5_000, box.right, y + 5_000))
    return layout


@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize(("wall", "option", "count"), [
    (17_000, {"after_cut": True}, 0), (16_999, {"after_cut": True}, 108), (6_000, {"merged": True}, 2 * 12 + 2 * 9 - 4),
    (12_000, {"merged": True}, 0), (5_000, {"after_cut": True}, 108), (20_000, {}, 1),
])  # fmt: skip
def test_frames_that_merge_along_the_streets(
    pdk: Pdk, wall: int, option: dict[str, bool], count: int, turns: bool
) -> None:
    layout = frames(wall, turns)
    rule = Rule(check="closed_ring", layers=("rdl", "via"), limit=12.0, why="w", source="s", **option)
    with look.Across(pdk, layout, layout.top_cell(), [job := task("R", rule)]) as across:
        found = list(across.find(job))
    assert sum(f.count for f in found) == count
    thinnest = {16_999: {11.999}, 6_000: {6.0}}  # the latter at the rim, where no neighbour adds to it
    assert {f.measured for f in found} - {None} == thinnest.get(wall, set())


def test_what_cannot_be_known_did_not_run(pdk: Pdk) -> None:
    """A layer whose nets nobody knows, and a cut that nobody drew."""
    layout, layers, top = corpus.empty()
    for name in ("rdl", "tie", "via", "die"):
        top.shapes(layers[name]).insert(kdb.Box(0, 0, 50_000, 50_000))
    report = run.check_layout(layout, top, pdk, "one", title="test", complete=False, jobs=1)
    missing = {r.rule for r in report.results if r.status is Status.FAILED}
    cut = {name for name, rule in pdk.rules.items() if rule.options.get("after_cut") or "cut_sure@low" in rule.layers}
    assert missing == cut
    assert all("'cut_" in r.reason for r in report.results if r.rule in missing)
    assert report.exit_code == 2
    wrong = {
        "A": Rule(check="connected", layers=("die", "rdl"), why="w", source="s"),
        "B": Rule(check="space", layers=("die",), limit=1.0, nets="same", why="w", source="s"),
        "C": Rule(check="space", layers=("rdl",), limit=1.0, after_cut=True, why="w", source="s"),
    }
    made = pdk.model_copy(update={"rules": wrong})
    said = [str(problem) for problem in run.validate(made)]
    assert len(said) == 3
    assert all("'die' is on no level of [connect]" in text for text in said[:2])
    assert "after_cut" in said[2]
    report = run.check_layout(layout, top, made, "one", title="test", complete=False, jobs=1)
    assert [r.status for r in report.results] == [Status.FAILED] * 3
