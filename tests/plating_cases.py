"""Small wafers for the plating network, and witnesses: the same network unreduced, and all its metal as one mesh."""

from __future__ import annotations

import klayout.db as kdb
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu, spsolve

from layoutgen.physics.plating import DieMetal, Line, Load, Network, WaferMetal, kerf, mesh
from layoutgen.units import dbu

OHMS = 0.0035
W, H, STREET, BUS = 800.0, 600.0, 100.0, 30.0


def box(x0: float, y0: float, x1: float, y1: float) -> kdb.Box:
    return kdb.Box(dbu(x0), dbu(y0), dbu(x1), dbu(y1))


def square(x: float, y: float, side: float = 40.0) -> kdb.Polygon:
    return kdb.Polygon(box(x - side / 2, y - side / 2, x + side / 2, y + side / 2))


def a_die(twice: bool = False, name: str = "die") -> DieMetal:
    """Three nets: a bent one to the left, a straight one to the right, one upward with two posts.

    `twice` ties the bent one a second time, downward.
    """
    metal = kdb.Region([
        box(0, 185, 300, 215), box(270, 185, 300, 330), box(250, 310, 320, 380),  # left
        box(500, 200, 800, 230), box(450, 180, 520, 250),  # right
        box(400, 400, 430, 600), box(380, 400, 620, 440), box(560, 390, 620, 450),  # up
    ])  # fmt: skip
    stubs = kdb.Region([
        box(-STREET / 2 + BUS / 2, 185, 0, 215), box(W, 200, W + STREET / 2 - BUS / 2, 230),
        box(400, H, 430, H + STREET / 2 - BUS / 2),
    ])  # fmt: skip
    if twice:
        metal.insert(box(270, 0, 300, 200))
        stubs.insert(box(270, -STREET / 2 + BUS / 2, 300, 0))
    posts = {"A": square(285, 345), "B": square(485, 215), "C": square(590, 420), "D": square(420, 425, 20)}
    nets = {"A": "a", "B": "b", "C": "c", "D": "c"}
    return DieMetal(name, W, H, ((metal, OHMS),), posts, stubs, nets, tie=kdb.Region(box(0, 185, 100, 215)))


def a_wafer(columns: int, rows: int, *dies: DieMetal, bus: float = BUS, beyond: float = 400.0) -> WaferMetal:
    """Dies in turn on a full grid, each street led `beyond` on to the ring at both ends."""
    dies = dies or (a_die(),)
    px, py = W + STREET, H + STREET
    places = [(i, j) for j in range(rows) for i in range(columns)]
    x, y = -STREET / 2 - beyond, -STREET / 2 - beyond
    half, on = STREET / 2, (True, True)
    lines = [
        *(Line(1, -half + i * px, bus, y, -half + rows * py + beyond, on) for i in range(columns + 1)),
        *(Line(0, -half + j * py, bus, x, -half + columns * px + beyond, on) for j in range(rows + 1)),
    ]
    origins = np.array([(i * px, j * py) for i, j in places])
    kinds = np.array([k % len(dies) for k in range(len(places))])
    names = tuple(f"{i}.{j}" for i, j in places)
    return WaferMetal(dies, kinds, origins, names, tuple(lines), OHMS)


def direct(network: Network, what: Load) -> list[np.ndarray]:
    """The posts' potentials of each place by one sparse solve of all meshes, nothing reduced."""
    matrix, posts = unreduced(network)
    areas = [[p.area() * 1e-6 for p in network.wafer.dies[kind].posts.values()] for kind in network.wafer.kinds]
    diagonal, load = np.zeros(matrix.shape[0]), np.zeros(matrix.shape[0])
    diagonal[np.concatenate(posts)] = what.conductance * np.concatenate(areas)
    load[np.concatenate(posts)] = what.current * np.concatenate(areas)
    v = spsolve(sparse.csc_array(matrix + sparse.diags_array(diagonal)), load)
    return [v[nodes] for nodes in posts]


def direct_alone(network: Network) -> list[np.ndarray]:
    """The potential of each post of each place for a current into it alone: one sparse solve each."""
    matrix, posts = unreduced(network)
    solver, out = splu(sparse.csc_array(matrix)), []
    for nodes in posts:
        out.append(np.zeros(len(nodes)))
        for k, node in enumerate(nodes):
            out[-1][k] = solver.solve(np.eye(1, matrix.shape[0], int(node))[0])[node]
    return out


def unreduced(network: Network) -> tuple[sparse.csr_array, list[np.ndarray]]:
    """All meshes as one matrix, held at the ring, and the nodes of the posts of each place."""
    wafer, plan = network.wafer, network.plan
    blocks, count = [], plan.nodes
    ring = -1

    def add(matrix: sparse.csr_array, nodes: np.ndarray) -> None:
        m = sparse.coo_array(matrix)
        blocks.append((m.data, nodes[m.coords[0]], nodes[m.coords[1]]))

    def fresh(n: int) -> np.ndarray:
        nonlocal count
        count += n
        return np.arange(count - n, count)

    sheets = [d.sheet(network.ties, network.largest) for d in wafer.dies]
    at = []
    for kind in wafer.kinds.tolist():
        at.append(fresh(sheets[kind].matrix.shape[0]))
        add(sheets[kind].matrix, at[-1])
    for street, seats, parts, ends, places in plan.streets:
        for m in range(len(ends)):
            ties = np.array([at[p][t] for s, p in zip(seats, places[m], strict=True) for t in range(s.first, s.last)])
            inner = fresh(parts.nodes - len(ties))
            nodes = np.concatenate([ties, inner, ends[m]]).astype(int)
            for junction, own in parts.junctions:
                sheet = junction.sheet(wafer.ohms, network.ties)
                add(sheet.matrix, np.concatenate([nodes[list(own)], fresh(sheet.matrix.shape[0] - len(own))]))
            for a, b, length in parts.wires:
                g = street.width / (wafer.ohms * max(length, 0.001))
                pair = np.array([nodes[parts.nodes - 1 - v] if v < 0 else nodes[v] for v in (a, b)])
                add(sparse.csr_array(np.array([[g, -g], [-g, g]])), pair)
    for junction, members in plan.crossings:
        sheet = junction.sheet(wafer.ohms)
        for nodes in members:
            add(sheet.matrix, np.concatenate([nodes, fresh(sheet.matrix.shape[0] - len(nodes))]))
    values, rows, columns = (np.concatenate([b[k] for b in blocks]) for k in range(3))
    held = (rows == ring) | (columns == ring)
    matrix = sparse.csr_array(sparse.coo_array((values[~held], (rows[~held], columns[~held])), shape=(count, count)))
    posts = [
        at[k][len(wafer.dies[kind].ties) :][: len(wafer.dies[kind].posts)] for k, kind in enumerate(wafer.kinds)
    ]  # fmt: skip
    return matrix, posts


def one_mesh(wafer: WaferMetal, what: Load, largest: float = 100.0) -> list[np.ndarray]:
    """The posts' potentials of each place from all metal of the wafer as one mesh, held at the ends of its lines."""
    metal, ends, posts = kdb.Region(), [], []
    for b in wafer.bus:
        h = b.width / 2
        spans = [(b.start, b.stop), (b.start - 1, b.start), (b.stop, b.stop + 1)]
        boxes = [box(p, b.at - h, q, b.at + h) if b.axis == 0 else box(b.at - h, p, b.at + h, q) for p, q in spans]
        metal.insert(boxes[0])
        ends += [kdb.Polygon(c) for c in boxes[1:]]
    for kind, (x, y) in zip(wafer.kinds.tolist(), wafer.origins.tolist(), strict=True):
        by = kdb.Vector(dbu(x), dbu(y))
        die = wafer.dies[kind]
        metal += (die.metal[0][0] + die.stubs).moved(by)
        posts += [p.moved(by) for p in die.posts.values()]
    sheet = mesh.sheet(metal, [*ends, *posts], wafer.ohms, largest)
    first = len(ends)
    areas = np.array([p.area() * 1e-6 for p in posts])
    n = sheet.matrix.shape[0]
    free = np.arange(first, n)
    load = np.zeros(n)
    load[first : first + len(posts)] = what.current * areas
    v = np.zeros(n)
    v[free] = mesh.factor(sheet.matrix[free][:, free]).solve(load[free])
    found, k = [], first
    for kind in wafer.kinds.tolist():
        found.append(v[k : k + len(wafer.dies[kind].posts)])
        k += len(found[-1])
    return found


def placed(network: Network, posts: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """The posts' potentials of each place, from those by kind."""
    out: dict[int, np.ndarray] = {}
    for places, found in zip(network.places, posts, strict=True):
        out.update(zip(places.tolist(), found, strict=True))
    return [out[k] for k in range(len(out))]


__all__ = ["OHMS", "a_die", "a_wafer", "box", "direct", "direct_alone", "kerf", "one_mesh", "placed", "square"]
