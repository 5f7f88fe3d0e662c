"""Generated routing cases: chips of a known shape and size, with as many pads as balls unless said otherwise.

Balls are free to be taken: a pad `P7` has the net `n7` and asks for a free terminal of the group `ball`.
`swaps` gives such a chip a fixed assignment instead. Same arguments, same problem.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from layoutgen.route.problem import RouteProblem, Terminal, box

GROUP = "ball"
Points = list[tuple[float, float]]


def make(
    size: tuple[float, float],
    pads: Points,
    pad_half: float,
    balls: Points,
    ball_radius: float,
    *,
    width: float,
    space: float,
    edge: float,
    ties: bool,
) -> RouteProblem:
    """Square pads and round balls on a rectangular die of `size`; pads come first (um)."""
    terminals = [
        Terminal(f"P{k}", f"n{k}", x, y, pad_half, pad_half, False, group=GROUP) for k, (x, y) in enumerate(pads)
    ]
    terminals += [
        Terminal(f"B{k}", "", x, y, ball_radius, ball_radius, True, group=GROUP) for k, (x, y) in enumerate(balls)
    ]
    return RouteProblem(box(0.0, 0.0, *size), tuple(terminals), (), width, space, edge, ties, some_ties=ties)


def pads_of(problem: RouteProblem) -> list[int]:
    """Numbers of the terminals that ask for a ball."""
    return [i for i, t in enumerate(problem.terminals) if t.net]


def balls_of(problem: RouteProblem) -> list[int]:
    """Numbers of the terminals that are free."""
    return [i for i, t in enumerate(problem.terminals) if not t.net]


def ring(width: float = 20.0, space: float = 15.0, *, ties: bool = True) -> RouteProblem:
    """3.6 x 5.2 mm, 63 pads in one ring, 6 x 10 balls at 500 um: three pads more than balls."""
    sides: list[tuple[float, int, Callable[[float], tuple[float, float]]]] = [
        (3600.0, 13, lambda q: (q, 75.0)),
        (5200.0, 19, lambda q: (3525.0, q)),
        (3600.0, 12, lambda q: (q, 5125.0)),
        (5200.0, 19, lambda q: (75.0, q)),
    ]
    pads = []
    for length, count, at in sides:
        pads += [(round(x, 3), round(y, 3)) for x, y in map(at, np.linspace(260, length - 260, count).tolist())]
    balls = [(1800 + (i - 2.5) * 500, 2600 + (j - 4.5) * 500) for i in range(6) for j in range(10)]
    return make((3600.0, 5200.0), pads, 30.0, balls, 125.0, width=width, space=space, edge=30.0, ties=ties)


def two_row(width: float = 20.0, space: float = 15.0, *, ties: bool = True) -> RouteProblem:
    """10 x 10 mm, 400 pads in two staggered rows along the sides, 20 x 20 balls at 450 um."""
    pads = []
    for side in range(4):
        for row in range(2):
            for k in range(50):
                q, d = 500 + k * 180.0 + 90 * row, 215.0 if row else 75.0
                pads.append([(q, d), (10000 - d, q), (10000 - q, 10000 - d), (d, 10000 - q)][side])
    balls = [(5000 + (i - 9.5) * 450, 5000 + (j - 9.5) * 450) for i in range(20) for j in range(20)]
    return make((10000.0, 10000.0), pads, 35.0, balls, 120.0, width=width, space=space, edge=30.0, ties=ties)


def area(
    n: int = 50,
    pitch: float = 200.0,
    width: float = 10.0,
    space: float = 10.0,
    *,
    ball_radius: float = 45.0,
    pad_half: float = 25.0,
    gradient: float = 0.6,
    seed: int = 3,
    ties: bool = False,
) -> RouteProblem:
    """n x n balls, and as many pads between them, denser towards the middle by `gradient`."""
    side, rng = n * pitch, np.random.default_rng(seed)
    balls = [(pitch / 2 + i * pitch, pitch / 2 + j * pitch) for i in range(n) for j in range(n)]
    sites = [(pitch * (i + 1), pitch * (j + 1), 1.0) for i in range(n - 1) for j in range(n - 1)]
    sites += [(pitch * (i + 1), pitch / 2 + pitch * j, 0.25) for i in range(n - 1) for j in range(n)]
    sites += [(pitch / 2 + pitch * i, pitch * (j + 1), 0.25) for i in range(n) for j in range(n - 1)]
    site = np.array(sites)
    off = np.maximum(np.abs(site[:, 0] - side / 2), np.abs(site[:, 1] - side / 2)) / (side / 2)
    weight = site[:, 2] * np.clip(1 - gradient * (off - 0.5) * 2, 0.02, None)
    pads = []
    for k in rng.choice(len(site), size=n * n, replace=False, p=weight / weight.sum()):
        x, y, full = site[k].tolist()
        if full == 1.0:
            x, y = x + rng.uniform(-5, 5), y + rng.uniform(-5, 5)
        pads.append((round(x, 3), round(y, 3)))
    return make((side, side), pads, pad_half, balls, ball_radius, width=width, space=space, edge=20.0, ties=ties)


def area50(width: float = 10.0, space: float = 10.0, *, ties: bool = False) -> RouteProblem:
    """2,500 nets: 50 x 50 balls at 200 um."""
    return area(50, 200.0, width, space, gradient=0.3, ties=ties)


def area71(width: float = 10.0, space: float = 10.0, *, ties: bool = False) -> RouteProblem:
    """5,041 nets: 71 x 71 balls at 200 um."""
    return area(71, 200.0, width, space, gradient=0.3, ties=ties)


def area20(width: float = 15.0, space: float = 15.0, *, ties: bool = True) -> RouteProblem:
    """400 nets: 20 x 20 balls at 500 um, with ties: the stress case."""
    return area(20, 500.0, width, space, ball_radius=125.0, pad_half=30.0, gradient=0.3, ties=ties)


def mixed(pads: int, power: int, pairs: int, seed: int, *, ties: bool = False) -> RouteProblem:
    """As many pads along the sides as balls at 400 um, in a mix: supplies, fixed pairs, and the rest free.

    power: pads and as many balls of each of two supplies, anywhere. pairs: pads with a ball that is not far.
    """
    rng = np.random.default_rng(seed)
    each, columns = pads // 4, math.ceil(math.sqrt(pads))
    rows = math.ceil(pads / columns)
    side = 600.0 + 400 * columns
    at: Points = []
    for q in np.linspace(300, side - 300, each).tolist():
        at += [(q, 75.0), (side - 75, q), (side - q, side - 75), (75.0, side - q)]
    grid = [(side / 2 + (i - (columns - 1) / 2) * 400, side / 2 + (j - (rows - 1) / 2) * 400)
            for i in range(columns) for j in range(rows)]  # fmt: skip
    at = [at[k] for k in rng.permutation(len(at))]
    grid = [grid[k] for k in rng.permutation(len(grid))]
    names = [(net, "") for net in ("VDD", "VSS") for _ in range(power)]
    terminals = []
    for k, (x, y) in enumerate(at):
        net, group = names[k] if k < len(names) else (f"n{k}", "" if k < len(names) + pairs else GROUP)
        terminals.append(Terminal(f"P{k}", net, x, y, 30.0, 30.0, False, group=group))
        ball = 0
        if not group and k >= len(names):
            order = sorted(range(len(grid)), key=lambda j: math.dist(grid[j], (x, y)))
            ball = order[int(rng.integers(3))]
        if not group:
            terminals.append(Terminal(f"B{k}", net, *grid.pop(ball), 110.0, 110.0, True))
    terminals += [Terminal(f"B{len(at) + k}", "", *p, 110.0, 110.0, True, group=GROUP) for k, p in enumerate(grid)]
    return RouteProblem(box(0.0, 0.0, side, side), tuple(terminals), (), 20.0, 15.0, 20.0, ties)


def fixed(problem: RouteProblem, pairs: Sequence[tuple[int, int]]) -> RouteProblem:
    """The same chip with an assignment: `pairs` of a pad's number and a ball's, counted among their own kind."""
    pads, balls = pads_of(problem), balls_of(problem)
    net = {balls[b]: problem.terminals[pads[p]].net for p, b in pairs}
    net |= {pads[p]: problem.terminals[pads[p]].net for p, _ in pairs}
    terminals = tuple(dataclasses.replace(t, net=net[i], group="") for i, t in enumerate(problem.terminals) if i in net)
    return dataclasses.replace(problem, terminals=terminals)


def swaps(problem: RouteProblem, pairs: Sequence[tuple[int, int]], n: int, seed: int) -> RouteProblem:
    """`fixed`, after n times two balls that stand next to each other have swapped their nets.

    A swap draws one ball, then one of those nearest to it.
    """
    at = np.array([(problem.terminals[b].x, problem.terminals[b].y) for b in balls_of(problem)])
    rng = np.random.default_rng(seed)
    pad_of = {b: p for p, b in pairs}
    taken = sorted(pad_of)
    for _ in range(n):
        first = taken[int(rng.integers(len(taken)))]
        away = np.hypot(*(at[taken] - at[first]).T)
        away[taken.index(first)] = np.inf
        near = np.flatnonzero(away <= away.min() * 1.001)
        second = taken[int(near[int(rng.integers(len(near)))])]
        pad_of[first], pad_of[second] = pad_of[second], pad_of[first]
    return fixed(problem, sorted((p, b) for b, p in pad_of.items()))
