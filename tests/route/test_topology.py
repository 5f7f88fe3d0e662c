"""Insertion, removal and the nesting of chords."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from layoutgen.route import RouteProblem, Terminal, box
from layoutgen.route.dice import Dice
from layoutgen.route.eject import Ejector, Link, wires_of
from layoutgen.route.links import make_links
from layoutgen.route.regions import regions_of
from layoutgen.route.search import Quest, find
from layoutgen.route.tiles import build
from layoutgen.route.topology import TEE, Topology, Wires


def field(n: int = 5, ties: bool = False) -> RouteProblem:
    """n x n discs; neighbours across the middle column are one net."""
    terminals = tuple(
        Terminal(f"t{i}{j}", f"n{j}{min(i, n - 1 - i)}", 200.0 + 200 * i, 200.0 + 200 * j, 40.0, 40.0, True)
        for i in range(n)
        for j in range(n)
    )
    side = 200.0 * (n + 1)
    return RouteProblem(box(0.0, 0.0, side, side), terminals, (), 10.0, 10.0, 15.0, ties)


def crowd(terminals: int, nets: int, seed: int, ties: bool = True) -> RouteProblem:
    """Discs at random places, a few to a net."""
    dice = Dice(seed)
    at: list[tuple[float, float]] = []
    while len(at) < terminals:
        x, y = dice.uniform(100, 1900), dice.uniform(100, 1900)
        if all(abs(x - a) > 130 or abs(y - b) > 130 for a, b in at):
            at.append((round(x), round(y)))
    ends = tuple(Terminal(f"t{k}", f"n{k % nets}", x, y, 30.0, 30.0, True) for k, (x, y) in enumerate(at))
    return RouteProblem(box(0.0, 0.0, 2000.0, 2000.0), ends, (), 10.0, 10.0, 15.0, ties)


def ejector_of(problem: RouteProblem, seed: int = 1) -> Ejector:
    links, free = make_links(problem)
    return Ejector(Topology(build(problem), wires_of(links, {k.net: 20.0 for k in links})), links, free, seed)


def snapshot(topo: Topology) -> object:
    return (
        [list(o) for o in topo.order],
        dict(topo.strands),
        dict(topo.direct),
        [round(v, 6) for v in topo.spare],
        [round(v, 6) for v in topo.second_spare if v < 1e9],
        {w: on for w, on in topo.landed.items() if on},
        [
            [(sorted(g), c) for g, c in zip(topo.regions(t).gaps, topo.regions(t).corners, strict=True)]
            for t in range(len(topo.tiles.triangles))
        ],
    )


def nests(topo: Topology) -> bool:
    """n chords cut a triangle into n + 1 regions exactly when they nest, whether some end on others or not."""
    for t in range(len(topo.tiles.triangles)):
        chords = sum(s.tris.count(t) for s in topo.strands.values() if not s.direct)
        if len(topo.regions(t).gaps) != chords + 1:
            return False
    return True


def test_loads_are_the_slots_of_the_wires_and_fit() -> None:
    ejector = ejector_of(crowd(40, 14, 5))
    ejector.solve(range(len(ejector.links)))
    topo = ejector.topo
    for e, order in enumerate(topo.order):
        runs = [w for k, (w, _) in enumerate(order) if k == 0 or topo.wires.net[order[k - 1][0]] != topo.wires.net[w]]
        assert topo.load(e) == pytest.approx(20.0 * len(runs))
        assert topo.load(e) <= topo.room[e] + 1e-6


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_whatever_is_inserted_nests_and_removal_restores(seed: int) -> None:
    dice = Dice(seed)
    topo = Topology(build(field()), Wires.alike(20.0, 12))
    empty = snapshot(topo)
    for wire in range(12):
        start, end = dice.sample(range(25), 2)
        way = find(topo, Quest(wire, {start}, {end: 0.0}))
        if way is not None and len({s.edge for s in way.steps}) == len(way.steps):
            before = snapshot(topo)
            topo.insert(wire, way.ends, way.steps)
            after = snapshot(topo)
            undo = topo.remove(wire)
            assert snapshot(topo) == before
            topo.restore(wire, undo)
            assert snapshot(topo) == after
            assert nests(topo)
    assert all(len(o) <= c for o, c in zip(topo.order, topo.tiles.capacity, strict=True))
    for wire in sorted(topo.strands):
        topo.remove(wire)
    assert snapshot(topo) == empty


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
@example(321832)  # a wire ends on one that itself ends, in the same triangle, on a wire along an edge
def test_wires_that_end_on_wires_nest_and_come_back(seed: int) -> None:
    """Nets of many terminals make tees; taking any wire out takes out what ends on it, and all can be brought back."""
    ejector = ejector_of(crowd(36, 6, seed), seed)
    topo = ejector.topo
    ejector.route(range(len(ejector.links)))
    assert nests(topo)
    before = snapshot(topo)
    for wire in sorted(topo.strands):
        undone = [(w, topo.remove(w)) for w in (*topo.dependents(wire), wire)]
        assert nests(topo)
        for w, undo in reversed(undone):
            topo.restore(w, undo)
        assert snapshot(topo) == before


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
def test_regions_that_are_known_again_are_those_that_reading_gives(seed: int) -> None:
    """Chains that are taken back leave regions as they were, with and without tees; nothing else may be remembered."""
    dice = Dice(seed)
    ejector = ejector_of(crowd(36, 6, seed, ties=bool(seed % 2)), seed)
    topo = ejector.topo
    ejector.route(range(len(ejector.links)))
    ejector.improve(1)
    known = 0
    for _ in range(40):
        wire = dice.choice(range(len(ejector.links)))
        if wire in ejector.cost:
            ejector.remove(wire)
        ejector.chain([wire] if wire not in ejector.cost else [], 60.0, 3, spread=True)
        for t, regions in enumerate(topo.known_regions):
            if regions is not None:
                known += 1
                fresh = regions_of(topo, t)
                assert [set(g) for g in regions.gaps] == [set(g) for g in fresh.gaps]
                assert (regions.of_gap, regions.corners, regions.sides) == (fresh.of_gap, fresh.corners, fresh.sides)
                assert (regions.sectors, regions.walls) == (fresh.sectors, fresh.walls)
    assert known > 0


def test_a_third_terminal_is_joined_to_the_wire_beside_it() -> None:
    at = [(200.0, 400.0), (1800.0, 400.0), (1000.0, 1785.0), (1100.0, 200.0), (300.0, 1900.0)]
    nets = ["a", "a", "a", "b", "c"]
    ends = tuple(
        Terminal(str(k), n, x, y, 30.0, 30.0, True) for k, ((x, y), n) in enumerate(zip(at, nets, strict=True))
    )
    ejector = ejector_of(RouteProblem(box(0.0, 0.0, 2000.0, 2000.0), ends, (), 10.0, 10.0, 15.0))
    links = [Link("a", 0, 1, 1600.0, (0, 1, 2)), Link("a", 2, 0, 800.0, (0, 1, 2))]
    ejector = Ejector(Topology(ejector.topo.tiles, wires_of(links, {"a": 20.0})), links)
    assert ejector.route(range(2)) == []
    assert [v for s in ejector.topo.strands.values() for v in (s.start, s.end)].count(TEE) == 1
    assert nests(ejector.topo)
    assert sum(ejector.cost.values()) == pytest.approx(1600.0 + 1385.0, rel=0.03)


def test_a_closed_ring_cannot_be_left() -> None:
    """A disc with all channels around it too narrow."""
    at = [(500.0, 500.0)] + [(500.0 + dx, 500.0 + dy) for dx in (-110, 0, 110) for dy in (-110, 0, 110) if dx or dy]
    terminals = tuple(Terminal(f"t{k}", f"n{k}", x, y, 45.0, 45.0, True) for k, (x, y) in enumerate(at))
    problem = RouteProblem(box(0.0, 0.0, 1000.0, 1000.0), terminals, (), 20.0, 20.0, 15.0, True)
    topo = Topology(build(problem), Wires.alike(40.0, 1))
    assert find(topo, Quest(0, {0}, {}, outward=True)) is None


def test_links_of_a_net_form_a_tree_and_ties_come_one_a_net() -> None:
    links, _ = make_links(field(ties=True))
    nets: dict[str, int] = {}
    for t in field().terminals:
        nets[t.net] = nets.get(t.net, 0) + 1
    assert sum(not link.tie for link in links) == sum(n - 1 for n in nets.values())
    assert sorted(link.net for link in links if link.tie) == sorted(nets)


def test_a_failed_chain_leaves_no_trace() -> None:
    ejector = ejector_of(field())
    last = len(ejector.links) - 1
    assert ejector.route(range(last)) == []
    before, costs = snapshot(ejector.topo), dict(ejector.cost)
    assert not ejector.chain([last], 100.0, 0)[0]
    assert snapshot(ejector.topo) == before
    assert ejector.cost == costs


@pytest.mark.parametrize("problem", [field(ties=True), crowd(40, 9, 3)], ids=["field", "crowd"])
def test_improving_never_lengthens(problem: RouteProblem) -> None:
    ejector = ejector_of(problem)
    ejector.route(range(len(ejector.links)))
    before = sum(ejector.cost.values())
    gain = ejector.improve(2)
    assert gain >= 0
    assert sum(ejector.cost.values()) == pytest.approx(before - gain)
    assert nests(ejector.topo)


def test_free_terminals_are_taken_once_each() -> None:
    pads = [Terminal(f"P{k}", f"n{k}", 100.0, 200.0 + 150 * k, 25.0, 25.0, True, group="any") for k in range(6)]
    balls = [
        Terminal(f"B{k}", "", 900.0 + 300 * (k % 2), 300.0 + 250 * (k // 2), 60.0, 60.0, True, group="any")
        for k in range(6)
    ]
    ejector = ejector_of(RouteProblem(box(0.0, 0.0, 1500.0, 1300.0), (*pads, *balls), (), 10.0, 10.0, 15.0))
    assert ejector.solve(range(6)) == []
    assert sorted(ejector.taken) == list(range(6, 12))
    assert sorted(ejector.taken.values()) == list(range(6))


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 10**6))
def test_a_tie_starts_at_what_its_pad_took_in_the_end(seed: int) -> None:
    """Taking another ball takes the tie along: none is left behind at a ball of another net."""
    dice = Dice(seed)
    pads = [Terminal(f"P{k}", f"n{k}", 150.0 + 120 * k, 100.0, 25.0, 25.0, True, group="any") for k in range(8)]
    balls = [
        Terminal(f"B{k}", "", 250.0 + 250 * (k % 4), 350.0 + 250 * (k // 4), 60.0, 60.0, True, group="any")
        for k in range(8)
    ]
    ejector = ejector_of(RouteProblem(box(0.0, 0.0, 1250.0, 900.0), (*pads, *balls), (), 10.0, 10.0, 15.0, True), seed)
    order = list(range(len(ejector.links)))
    dice.shuffle(order)
    ejector.solve(order)
    for i, link in enumerate(ejector.links):
        if link.tie and i in ejector.cost:
            assert ejector.topo.strands[i].start in {*ejector.sources_of(i), TEE}
    assert nests(ejector.topo)
