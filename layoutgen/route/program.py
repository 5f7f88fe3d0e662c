"""A flow with all its limits, as an integer program.

A flow of least cost honours the room of every place by itself, but not what places share: the gaps between wires on one
edge share its room, and what turns about the ends of an edge shares the second diagonal of the quad around it. An
integer program states both, and takes long where networks are large.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from layoutgen.route.features import Floats, Ints

if TYPE_CHECKING:
    from ortools.linear_solver.python import model_builder_helper as helper

    from layoutgen.route.flow_network import Network

NODES = 400
"""Nodes of the search tree, at most: a limit that does not depend on the machine."""
GAP = 1e-4
"""How far the sum may stay from the best one, as a part of it: far less than one wire of hundreds counts."""
FAR = 10
"""What a wire more is worth, in half perimeters of the network."""
SOLVERS = (("highs", "output_flag=false,threads=1,random_seed=0,mip_max_nodes={nodes},mip_rel_gap={gap}"),)
"""Solvers that are tried in turn, with their options."""


def solve_whole(net: Network) -> Ints | None:
    """Flow on every arc, of as many wires as fit, at the least sum of costs; None where no solver has an answer.

    Not counted: what crosses the second diagonal of an edge because it turns about one end of it and then about the
    other, and what two wires do there that would meet on the edge from both sides.
    """
    from ortools.linear_solver.python import model_builder_helper

    for name, options in SOLVERS:
        solver = model_builder_helper.ModelSolverHelper(name)
        if not solver.solver_is_supported():
            continue
        model = _model(net)
        solver.enable_output(False)
        solver.set_solver_specific_parameters(options.format(nodes=NODES, gap=GAP))
        solver.solve(model)
        if solver.has_solution():
            values = np.asarray(solver.variable_values(), dtype=np.float64)[: len(net.tail)]
            return np.rint(values).astype(np.int64)
    return None


def _model(net: Network) -> helper.ModelBuilderHelper:
    """One variable per arc, and a constraint for all that limits several of them."""
    from ortools.linear_solver.python import model_builder_helper

    space, arcs = net.space, len(net.tail)
    model = model_builder_helper.ModelBuilderHelper()
    worth = FAR * float(np.ptp(net.point, axis=0).sum())
    price = np.where(net.tail == net.top, net.cost - worth, net.cost).tolist()
    for k, room in enumerate(net.room.tolist()):
        model.add_var()
        model.set_var_lower_bound(k, 0.0)
        model.set_var_upper_bound(k, float(room))
        model.set_var_integrality(k, True)
        model.set_var_objective_coefficient(k, price[k])

    # What comes into a node leaves it.
    node, arc = np.concatenate([net.tail, net.head]), np.tile(np.arange(arcs), 2)
    inner = (node != net.top) & (node != net.sink)
    sign = np.repeat([1.0, -1.0], arcs)
    _constrain(model, node[inner], arc[inner], sign[inner], np.zeros(net.sink + 1), low=0.0)

    # What comes into a place from one side leaves it to the other: nothing turns back there to spare a diagonal.
    row, variable, sign = _through(net)
    _constrain(model, row, variable, sign, np.zeros(len(net.place_gap)), low=0.0)

    # Gaps share the room of their edge, and a wire along it takes all of that.
    edge = space.edge[net.place_gap]
    along = np.array([e for e, _, _ in net.along], dtype=np.int64)
    straight = np.arange(net.straight.start, net.straight.stop)
    row, variable = np.concatenate([edge, along]), np.concatenate([np.arange(len(edge)), straight])
    share = np.concatenate([np.ones(len(edge)), np.maximum(1, space.free[along])])
    kept = np.bincount(row, minlength=len(space.free))[row] > 1
    _constrain(model, row[kept], variable[kept], share[kept], np.maximum(1, space.free))

    # Second diagonals.
    row, variable = _across(net)
    row, variable = np.concatenate([row, along]), np.concatenate([variable, straight])
    most = np.bincount(row, net.room[variable], minlength=len(space.free))
    kept = (space.second_free < most)[row]
    _constrain(model, row[kept], variable[kept], np.ones(int(kept.sum())), space.second_free)
    return model


def _constrain(
    model: helper.ModelBuilderHelper,
    row: Ints,
    variable: Ints,
    coefficient: Floats,
    high: Floats | Ints,
    low: float = -math.inf,
) -> None:
    """One constraint for each number that occurs in `row`: low <= sum of coefficient * variable <= high[number]."""
    order = np.argsort(row, kind="stable")
    before, constraint = -1, -1
    for r, v, c in zip(row[order].tolist(), variable[order].tolist(), coefficient[order].tolist(), strict=True):
        if r != before:
            before, constraint = r, model.add_linear_constraint()
            model.set_constraint_lower_bound(constraint, low)
            model.set_constraint_upper_bound(constraint, float(high[r]))
        model.add_term_to_constraint(constraint, v, c)


def _through(net: Network) -> tuple[Ints, Ints, Floats]:
    """(place, arc, sign): arcs into places from the first triangles of their edges, less those into the second."""
    space = net.space
    sides = space.tiles.tri_array
    first = sides[space.edge[net.place_gap], 0]
    tri = np.full(len(net.tail), -1, dtype=np.int64)
    tri[net.passing], tri[net.starting] = net.pass_tri, space.tri[net.start_region]
    tri[net.ending] = space.tri[net.end_region]
    places = 2 * len(first)
    into = np.flatnonzero((net.head < places) & (net.head % 2 == 0))
    out = np.flatnonzero((net.tail < places) & (net.tail % 2 == 1))
    into = into[tri[into] == first[net.head[into] // 2]]
    out = out[tri[out] != first[net.tail[out] // 2]]
    return (
        np.concatenate([net.head[into] // 2, net.tail[out] // 2]),
        np.concatenate([into, out]),
        np.concatenate([np.ones(len(into)), -np.ones(len(out))]),
    )


def _across(net: Network) -> tuple[Ints, Ints]:
    """(edge, arc) of arcs that cross the second diagonal of an edge within one triangle."""
    space = net.space
    tri_edges = space.tiles.edge_array
    edge = space.edge[net.place_gap]
    third = tri_edges[net.pass_tri].sum(axis=1) - edge[net.tail[net.passing] // 2] - edge[net.pass_place]
    rows, arcs = [third], [np.arange(net.passing.start, net.passing.stop)]
    for part, region, place in (
        (net.starting, net.start_region, net.start_place),
        (net.ending, net.end_region, net.tail[net.ending] // 2),
    ):
        around = tri_edges[space.tri[region]]
        rows.append(around[around != edge[place][:, None]])
        arcs.append(np.repeat(np.arange(part.start, part.stop), 2))
    return np.concatenate(rows), np.concatenate(arcs)
