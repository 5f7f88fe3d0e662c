"""The shortest pairing of two sets of points by straight lines: no routing of a free assignment can be shorter.

Only near pairs enter the flow at first. From its solution follow prices of the points (the dual), and pairs that are
shorter than the prices of their ends allow enter as well, until there are none: then the pairing is the best of all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layoutgen.route.tiles import Floats, Ints
from layoutgen.units import Um

SCALE = 1000
"""Cost units per um: lengths are compared in nm."""
NEAR = 32
"""Nearest points of each that enter at first, and pairs of each that may enter in every round."""
BLOCK = 512


def matching(sources: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[list[tuple[int, int]], Um]:
    """Pairs (source, target), one for every point of the smaller set, of the least sum of lengths; and this sum (um).

    Lengths count as whole nm, so the sum is the least one to half a nm a pair.
    """
    a = np.asarray(sources, dtype=np.float64).reshape(-1, 2)
    b = np.asarray(targets, dtype=np.float64).reshape(-1, 2)
    if len(a) > len(b):
        flipped, length = matching(b, a)
        return sorted((i, j) for j, i in flipped), length
    if len(a) == 0:
        return [], 0.0
    keys = _near_pairs(a, b)
    while True:
        mate, price = _solve(a, b, keys)
        more = _missing_pairs(a, b, mate, price)
        more = np.setdiff1d(more, keys)
        if len(more) == 0:
            length = float(np.hypot(*(a - b[mate]).T).sum())
            return list(enumerate(mate.tolist())), length
        keys = np.union1d(keys, more)


def _lengths(a: Floats, b: Floats) -> Ints:
    """Length of every pair in nm."""
    out: Ints = np.rint(np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1]) * SCALE).astype(np.int64)
    return out


def _near_pairs(a: Floats, b: Floats) -> Ints:
    """Keys (i * len(b) + j) of pairs in which one is among the nearest of the other, and of a pairing of all."""
    found = [_bisected(a, b)]
    for one, other, by_row in ((a, b, True), (b, a, False)):
        k = min(NEAR, len(other))
        for first in range(0, len(one), BLOCK):
            near = np.argpartition(_lengths(one[first : first + BLOCK], other), k - 1, axis=1)[:, :k]
            i, j = np.repeat(np.arange(first, first + len(near)), k), near.ravel()
            found.append(i * len(b) + j if by_row else j * len(b) + i)
    return np.unique(np.concatenate(found))


def _bisected(a: Floats, b: Floats) -> Ints:
    """Keys of some pairing of all of a: both sets are halved by coordinate again and again."""
    pairs: list[int] = []
    parts: list[tuple[Ints, Ints]] = [(np.arange(len(a)), np.arange(len(b)))]
    while parts:
        i, j = parts.pop()
        if len(i) == 1:
            pairs.append(int(i[0]) * len(b) + int(j[0]))
            continue
        axis = int(np.ptp(b[j], axis=0).argmax())
        i, j = i[np.argsort(a[i, axis], kind="stable")], j[np.argsort(b[j, axis], kind="stable")]
        low = len(i) // 2
        cut = low + (len(j) - len(i)) // 2
        parts += [(i[:low], j[:cut]), (i[low:], j[cut:])]
    return np.array(pairs, dtype=np.int64)


def _solve(a: Floats, b: Floats, keys: Ints) -> tuple[Ints, Ints]:
    """The best pairing among the given pairs, and the prices of targets (nm, not above 0; 0 for those left over)."""
    from ortools.graph.python import min_cost_flow

    i, j = keys // len(b), keys % len(b)
    cost = np.rint(np.hypot(*(a[i] - b[j]).T) * SCALE).astype(np.int64)
    sink = len(a) + len(b)
    solver = min_cost_flow.SimpleMinCostFlow()
    solver.add_arcs_with_capacity_and_unit_cost(
        np.concatenate([i, len(a) + np.arange(len(b))]).astype(np.int32),
        np.concatenate([len(a) + j, np.full(len(b), sink)]).astype(np.int32),
        np.ones(len(keys) + len(b), dtype=np.int64),
        np.concatenate([cost, np.zeros(len(b), dtype=np.int64)]),
    )
    nodes = np.concatenate([np.arange(len(a)), [sink]]).astype(np.int32)
    solver.set_nodes_supplies(nodes, np.concatenate([np.ones(len(a)), [-len(a)]]).astype(np.int64))
    status = solver.solve()
    if status != solver.OPTIMAL:
        raise RuntimeError(f"a flow that must have a solution ended as {status}")
    used = np.flatnonzero(solver.flows(np.arange(len(keys), dtype=np.int32)))
    mate = np.empty(len(a), dtype=np.int64)
    mate[i[used]] = j[used]
    own = np.empty(len(a), dtype=np.int64)
    own[i[used]] = cost[used]
    # Bellman and Ford: a target must not be dearer than what another one would offer its source for it.
    price = np.zeros(len(b), dtype=np.int64)
    while True:
        offer = price.copy()
        np.minimum.at(offer, j, cost - own[i] + price[mate[i]])
        if (offer == price).all():
            return mate, price
        price = offer


def _missing_pairs(a: Floats, b: Floats, mate: Ints, price: Ints) -> Ints:
    """Keys of pairs that are shorter than the prices of their ends allow: the worst few of each source."""
    found = []
    k = min(NEAR, len(b))
    for first in range(0, len(a), BLOCK):
        rows = np.arange(first, min(first + BLOCK, len(a)))
        length = _lengths(a[rows], b)
        own = length[np.arange(len(rows)), mate[rows]] - price[mate[rows]]
        slack = length - price - own[:, None]
        i, j = np.repeat(np.arange(len(rows)), k), np.argpartition(slack, k - 1, axis=1)[:, :k].ravel()
        wrong = slack[i, j] < 0
        found.append(rows[i[wrong]] * len(b) + j[wrong])
    return np.unique(np.concatenate(found))
