"""Some entries of a sparse matrix's inverse: the resistances that an ohmmeter shows, without a solution for each.

The nodes fall into levels by how many steps they are from one of them; a level is joined with the ones before and after
only, so the matrix is block tridiagonal, and the blocks of its inverse on and beside the diagonal follow from one
elimination forward and one substitution back:
    S_1 = A_11,  S_k = A_kk - A_k,k-1 S_k-1^-1 A_k-1,k
    G_n = S_n^-1,  G_k = S_k^-1 + S_k^-1 A_k,k+1 G_k+1 A_k+1,k S_k^-1,  G_k,k+1 = -S_k^-1 A_k,k+1 G_k+1
Source: Takahashi, Fagan and Chen, "Formation of a sparse bus impedance matrix and its application to short circuit
study", 8th PICA Conference (1973) 63; the block form: Godfrin, J. Phys. Condens. Matter 3 (1991) 7843.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from layoutgen.physics.plating.mesh import Floats, Ints

if TYPE_CHECKING:
    from scipy import sparse

MOST = 1e12
"""Multiplications from which on it takes minutes."""


def entries(matrix: sparse.csr_array, joined: sparse.csr_array, rows: Ints, columns: Ints) -> Floats | None:
    """Entries (rows, columns) of the inverse of a symmetric positive definite matrix; None where it takes minutes.

    joined: a matrix with an entry wherever `matrix` has one, and for each pair that is asked for.
    """
    level = _levels(joined)
    order = np.argsort(level, kind="stable")
    bounds = np.searchsorted(level[order], np.arange(int(level.max(initial=-1)) + 2))
    if float((np.diff(bounds).astype(float) ** 3).sum()) * 6 > MOST:
        return None
    members = [order[a:b] for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]
    at = np.empty(len(level), np.int64)
    at[order] = np.arange(len(level)) - np.repeat(bounds[:-1], np.diff(bounds))
    inner: list[Floats] = []
    links: list[Floats] = []
    for k, own in enumerate(members):
        block = matrix[own]
        here = block[:, own].toarray()
        if k:
            link = matrix[members[k - 1]][:, own].toarray()
            here -= link.T @ inner[-1] @ link
            links.append(link)
        found = np.linalg.inv(here)
        inner.append((found + found.T) / 2)
    out = np.zeros(len(rows))
    first, last = np.minimum(level[rows], level[columns]), np.maximum(level[rows], level[columns])
    swap = level[rows] > level[columns]
    one, other = np.where(swap, columns, rows), np.where(swap, rows, columns)
    asked = np.argsort(first, kind="stable")
    starts = np.searchsorted(first[asked], np.arange(len(members) + 1))
    diagonal = np.zeros((0, 0))
    for k in range(len(members) - 1, -1, -1):
        beside = np.zeros((len(members[k]), 0))
        if k + 1 < len(members):
            beside = -inner[k] @ links[k] @ diagonal
            diagonal = inner[k] - beside @ links[k].T @ inner[k]
        else:
            diagonal = inner[k]
        pairs = asked[starts[k] : starts[k + 1]]
        same = pairs[last[pairs] == k]
        out[same] = diagonal[at[one[same]], at[other[same]]]
        next_to = pairs[last[pairs] == k + 1]
        out[next_to] = beside[at[one[next_to]], at[other[next_to]]]
    return out


def _levels(joined: sparse.csr_array) -> Ints:
    """The level of each node: its steps from an outermost one of what it is joined with."""
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    count, label = connected_components(joined, directed=False)
    level = np.zeros(joined.shape[0], np.int64)
    for start in np.unique(label, return_index=True)[1].tolist()[:count]:
        for _ in range(3):  # the last one found is as far out as there is, about
            order, before = breadth_first_order(joined, start, directed=False)
            start = int(order[-1])
        level[order[0]] = 0
        for node in order[1:].tolist():
            level[node] = level[before[node]] + 1
    return level
