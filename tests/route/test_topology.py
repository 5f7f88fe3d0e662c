"""Insertion, removal and the nesting of chords."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layoutgen.route import RouteProblem, Terminal, box
from layoutgen.route.dice import Dice
from layoutgen.route.eject import Ejector
from layoutgen.route.router import make_links
from layoutgen.route.search import find
from layoutgen.route.tiles import build
from layoutgen.route.topology import OUTSIDE, Topology


def field(n: int = 5, ties: bool = False) -> RouteProblem:
    """n x n discs; neighbours across the middle column are one net."""
    terminals = tuple(
        Terminal(f"t{i}{j}", f"n{j}{min(i, n - 1 - i)}", 200.0 + 200 * i, 200.0 + 200 * j, 40.0, 40.0, True)
        for i in range(n)
        for j in range(n)
    )
    side = 200.0 * (n + 1)
    return RouteProblem(box(0.0, 0.0, side, side), terminals, (), 10.0, 10.0, 15.0, ties)


def snapshot(topo: Topology) -> object:
    return (
        [list(o) for o in topo.order],
        dict(topo.strands),
        dict(topo.direct),
        list(topo.second_load),
        [
            [(sorted(g), c) for g, c in zip(topo.regions(t).gaps, topo.regions(t).corners, strict=True)]
            for t in range(len(topo.tiles.triangles))
        ],
    )


def nests(topo: Topology) -> bool:
    """n chords cut a triangle into n + 1 regions exactly when they nest."""
    for t in range(len(topo.tiles.triangles)):
        chords = sum(s.tris.count(t) for s in topo.strands.values() if s.edges)
        if len(topo.regions(t).gaps) != chords + 1:
            return False
    return True


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_whatever_is_inserted_nests_and_removal_restores(seed: int) -> None:
    dice = Dice(seed)
    topo = Topology(build(field()))
    empty = snapshot(topo)
    for wire in range(12):
        start, end = dice.sample(range(25), 2)
        way = find(topo, {start}, {end}, None)
        if way is not None and len({s.edge for s in way.steps}) == len(way.steps):
            before = snapshot(topo)
            topo.insert(wire, way.start, way.end, way.steps)
            steps = topo.steps_of(wire)
            topo.remove(wire)
            assert snapshot(topo) == before
            topo.insert(wire, way.start, way.end, steps, absolute=True)
            assert nests(topo)
    assert all(len(o) <= c for o, c in zip(topo.order, topo.capacity, strict=True))
    for wire in sorted(topo.strands):
        topo.remove(wire)
    assert snapshot(topo) == empty


def test_a_closed_ring_cannot_be_left() -> None:
    """A disc with all channels around it too narrow."""
    at = [(500.0, 500.0)] + [(500.0 + dx, 500.0 + dy) for dx in (-110, 0, 110) for dy in (-110, 0, 110) if dx or dy]
    terminals = tuple(Terminal(f"t{k}", f"n{k}", x, y, 45.0, 45.0, True) for k, (x, y) in enumerate(at))
    topo = Topology(build(RouteProblem(box(0.0, 0.0, 1000.0, 1000.0), terminals, (), 20.0, 20.0, 15.0, True)))
    assert find(topo, {0}, {OUTSIDE}, None) is None


def test_links_of_a_net_form_a_tree_and_ties_come_one_a_net() -> None:
    problem = field(ties=True)
    links, members = make_links(problem)
    assert sum(not link.tie for link in links) == sum(len(m) - 1 for m in members.values())
    assert sorted(link.net for link in links if link.tie) == sorted(members)


def test_a_failed_chain_leaves_no_trace() -> None:
    problem = field()
    links, members = make_links(problem)
    topo = Topology(build(problem))
    ejector = Ejector(topo, links, members)
    assert ejector.route(range(len(links) - 1)) == []
    before = snapshot(topo)
    costs = dict(ejector.cost)
    assert not ejector.chain(len(links) - 1, 100.0, 0)[0]
    assert snapshot(topo) == before
    assert ejector.cost == costs


def test_improving_never_lengthens() -> None:
    problem = field(ties=True)
    links, members = make_links(problem)
    ejector = Ejector(Topology(build(problem)), links, members)
    ejector.route(range(len(links)))
    before = sum(ejector.cost.values())
    gain = ejector.improve()
    assert gain >= 0
    assert sum(ejector.cost.values()) == pytest.approx(before - gain)
    assert nests(ejector.topo)
