"""The plating network of a whole wafer: dies, streets and crossings, each distinct one meshed and reduced once.

The contact ring is one potential: the fixture touches it all round. What is solved at wafer size is a sparse system of
the bus at its crossings, and of the ties of nets that have more than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from layoutgen.errors import Problem
from layoutgen.physics.plating import die as die_module
from layoutgen.physics.plating import inverse, kerf, mesh
from layoutgen.physics.plating.die import SIDES, Die, DieMetal, Loaded, PlatingError
from layoutgen.physics.plating.kerf import Junction, Line, Pieces, Street, Stub
from layoutgen.physics.plating.mesh import Floats, Ints
from layoutgen.units import Um

if TYPE_CHECKING:
    from scipy import sparse

MOST_SHARED = 6
"""A street with more ties of nets that have several is not reduced to them: that would fill its matrix."""
_NEAR: Um = 0.002


@dataclass(frozen=True)
class WaferMetal:
    """What carries the current on a wafer, origin at its centre (um).

    dies: the distinct dies. kinds, origins, names: for each place which die it holds, its lower-left corner (n, 2), and
    what it is called.
    bus: the lines in the kerf, and their sheet resistance (ohm a square).
    """

    dies: tuple[DieMetal, ...]
    kinds: Ints
    origins: Floats
    names: tuple[str, ...]
    bus: tuple[Line, ...]
    ohms: float


@dataclass(frozen=True, slots=True)
class _Seat:
    """Ties `first` to `last` (exclusive) of a die of a kind, on one side, in a street; `at` is the die's corner."""

    side: int
    at: Um
    kind: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Kind:
    """A distinct street: its geometry, the ties in it, and how many streets are like it."""

    width: Um
    length: Um
    ends: tuple[Um, Um]
    seats: tuple[tuple[_Seat, Um], ...]
    """With the distance from the bus's middle to the die's edge."""


@dataclass(frozen=True)
class Plan:
    """How a wafer falls into pieces: streets and crossings by kind, and which global nodes they join.

    streets: for each kind its geometry, and for each of its streets the nodes of start and stop (-1: the ring or
    nothing) and the places whose ties it holds, one a seat.
    crossings: for each kind the nodes of its arms.
    nodes: number of nodes at the arms of crossings.
    """

    streets: tuple[tuple[Street, tuple[_Seat, ...], Pieces, Ints, Ints], ...]
    crossings: tuple[tuple[Junction, Ints], ...]
    nodes: int


def _ordered(bus: Sequence[Line], axis: int) -> list[tuple[int, Line]]:
    return sorted(((k, b) for k, b in enumerate(bus) if b.axis == axis), key=lambda e: (e[1].at, e[1].start))


def plan(wafer: WaferMetal) -> Plan:
    """A wafer as streets between crossings.

    Raises:
        PlatingError: a tie leads to no bus, or meets it at a crossing.
    """
    bus = wafer.bus
    across: dict[int, list[tuple[Um, int]]] = {k: [] for k in range(len(bus))}
    rows, columns = _ordered(bus, 0), _ordered(bus, 1)
    for i, h in rows:
        for j, v in columns:
            w = max(h.width, v.width)
            if v.start - w <= h.at <= v.stop + w and h.start - w <= v.at <= h.stop + w:
                across[i].append((v.at, j))
                across[j].append((h.at, i))
    # segments: line, start, stop, crossing partner at start and stop (None: ring or free)
    segments: list[tuple[int, Um, Um, int | None, int | None]] = []
    of_line: dict[int, list[int]] = {}
    for k, line in enumerate(bus):
        stops = sorted(across[k])
        cuts: list[tuple[Um, int | None]] = [(at, j) for at, j in stops]
        if not stops or line.ring[0] or stops[0][0] - line.start > 2 * line.width:
            cuts.insert(0, (line.start, None))
        if not stops or line.ring[1] or line.stop - stops[-1][0] > 2 * line.width:
            cuts.append((line.stop, None))
        of_line[k] = []
        for (a, before), (b, after) in pairwise(cuts):
            if b > a:
                of_line[k].append(len(segments))
                segments.append((k, a, b, before, after))
    seats = _seats(wafer, segments, of_line)
    return _grouped(wafer, segments, seats)


def _seats(
    wafer: WaferMetal, segments: Sequence[tuple[int, Um, Um, int | None, int | None]], of_line: dict[int, list[int]]
) -> list[list[tuple[_Seat, int, Um]]]:  # fmt: skip
    """For each segment the ties in it, each with its place and the distance from the bus's middle to the die."""
    found: list[list[tuple[_Seat, int, Um]]] = [[] for _ in segments]
    tracks = []
    for axis in (0, 1):
        by_at: dict[Um, list[int]] = {}
        for k, line in _ordered(wafer.bus, axis):
            by_at.setdefault(line.at, []).extend(of_line[k])
        ats = np.array(sorted(by_at))
        parts = [sorted(by_at[a], key=lambda s: segments[s][1]) for a in ats.tolist()]
        tracks.append((ats, parts, [np.array([segments[s][1] for s in p]) for p in parts]))
    for kind, metal in enumerate(wafer.dies):
        for side in SIDES:
            numbers = [k for k, t in enumerate(metal.ties) if t.side == side]
            if not numbers:
                continue
            first = numbers[0]
            along = np.array([metal.ties[k].at for k in numbers])
            upright = side in ("left", "right")
            ats, parts, starts = tracks[1 if upright else 0]
            ahead = side in ("right", "top")
            beyond = {"left": 0.0, "right": metal.width, "bottom": 0.0, "top": metal.height}[side]
            for place in np.flatnonzero(wafer.kinds == kind).tolist():
                x, y = wafer.origins[place].tolist()
                edge, base = (x + beyond, y) if upright else (y + beyond, x)
                track = (
                    int(np.searchsorted(ats, edge - _NEAR)) if ahead else int(np.searchsorted(ats, edge + _NEAR)) - 1
                )
                if not 0 <= track < len(ats):
                    raise _no_bus(wafer, place, side)
                which = np.searchsorted(starts[track], base + along, side="right") - 1
                for one in np.unique(which).tolist():
                    member = np.flatnonzero(which == one)
                    if one < 0 or base + along[member[-1]] > segments[parts[track][one]][2]:
                        raise _no_bus(wafer, place, side)
                    number = parts[track][one]
                    seat = _Seat(
                        -1 if ahead else 1, round(base - segments[number][1], 3), kind,
                        first + int(member[0]), first + int(member[-1]) + 1,
                    )  # fmt: skip
                    found[number].append((seat, place, round(abs(float(ats[track]) - edge), 3)))
    return found


def _no_bus(wafer: WaferMetal, place: int, side: str) -> PlatingError:
    message = f"ties on the {side} of die {wafer.names[place]!r} lead to no bus; draw one in that street"
    return PlatingError([Problem("", "", message)])


def _grouped(
    wafer: WaferMetal, segments: Sequence[tuple[int, Um, Um, int | None, int | None]],
    seats: Sequence[list[tuple[_Seat, int, Um]]],
) -> Plan:  # fmt: skip
    """Segments that are alike, with the nodes at their ends, and the crossings those make."""
    bus = wafer.bus
    by_kind: dict[_Kind, list[tuple[int, list[int]]]] = {}
    for number, (k, a, b, i, j) in enumerate(segments):
        ends = tuple(
            0.0 if ring and other is None else -1.0 if other is None else bus[other].width / 2
            for other, ring in ((i, bus[k].ring[0]), (j, bus[k].ring[1]))
        )
        own = sorted(seats[number], key=lambda s: (s[0].side, s[0].at, s[0].kind, s[0].first))
        if not own and -1.0 in ends:
            continue
        key = _Kind(bus[k].width, round(b - a, 3), (ends[0], ends[1]), tuple((s, far) for s, _, far in own))
        by_kind.setdefault(key, []).append((number, [place for _, place, _ in own]))
    node: dict[tuple[int, int, int], int] = {}
    reach: dict[tuple[int, int, int], Um] = {}
    streets = []
    for key, members in by_kind.items():
        stubs = tuple(
            Stub(round(s.at + t.at, 3), s.side, t.width, far)
            for s, far in key.seats for t in wafer.dies[s.kind].ties[s.first : s.last]
        )  # fmt: skip
        street = Street(key.length, key.width, key.ends, stubs)
        parts = kerf.pieces(street)
        arms_at = np.full((len(members), 2), -1, np.int64)
        for m, (number, _) in enumerate(members):
            k, _, _, i, j = segments[number]
            for e, other in enumerate((i, j)):
                if other is not None:
                    at = (k, other, 1 - e)  # this line's arm at that crossing: 1 ahead of it, 0 behind
                    arms_at[m, e] = node.setdefault(at, len(node))
                    reach[at] = parts.reaches[e]
        places = np.array([p for _, p in members], np.int64).reshape(len(members), len(key.seats))
        streets.append((street, tuple(s for s, _ in key.seats), parts, arms_at, places))
    crossings: dict[Junction, list[list[int]]] = {}
    pairs = {(k, o) if bus[k].axis == 0 else (o, k) for k, o, _ in node}
    for h, v in sorted(pairs):
        keys = ((h, v, 0), (h, v, 1), (v, h, 0), (v, h, 1))
        arms = tuple(round(reach.get(key, 0.0), 3) for key in keys)
        junction = Junction((bus[h].width, bus[v].width), (arms[0], arms[1], arms[2], arms[3]))
        crossings.setdefault(junction, []).append([node[key] for key in keys if key in node])
    return Plan(tuple(streets), tuple((j, np.array(n, np.int64)) for j, n in crossings.items()), len(node))


# solving --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Load:
    """What posts do: a current into each um2 of footprint (A), and a conductance to the bath (siemens a um2)."""

    current: float
    conductance: float = 0.0


@dataclass(frozen=True)
class Potentials:
    """Potentials over the ring's (V): of the posts of each place, and of its ties; infinite where nothing leads."""

    posts: tuple[Floats, ...]
    """By kind of die: (places of that kind, posts)."""
    ties: tuple[Floats, ...]


@dataclass(frozen=True)
class Network:
    """A wafer's network, its dies and streets reduced; `ties`: how many ties of their kind stand for each."""

    wafer: WaferMetal
    ties: float = 1.0
    largest: float = die_module.LARGEST

    @cached_property
    def plan(self) -> Plan:
        """How the wafer falls into pieces."""
        return plan(self.wafer)

    @cached_property
    def dies(self) -> tuple[Die, ...]:
        """The distinct dies, reduced to ties and posts."""
        return tuple(die_module.reduced(d, self.ties, self.largest) for d in self.wafer.dies)

    @cached_property
    def places(self) -> tuple[Ints, ...]:
        """The places of each kind of die."""
        return tuple(np.flatnonzero(self.wafer.kinds == k) for k in range(len(self.wafer.dies)))

    def wider(self, bus: Um | None = None, ties: float | None = None) -> Network:
        """The same with a bus of another width (um), or so many times the ties a net."""
        lines = self.wafer.bus if bus is None else tuple(replace(b, width=bus) for b in self.wafer.bus)
        return Network(replace(self.wafer, bus=lines), self.ties if ties is None else ties, self.largest)

    def solve(self, what: Load) -> Potentials:
        """The potentials of all posts and ties."""
        loaded = [
            die_module.load(d, what.current * d.areas, what.conductance * d.areas) for d in self.dies
        ]  # fmt: skip
        return _Solved(self, loaded).potentials()

    def alone(self) -> tuple[Floats, ...] | None:
        """The resistance between ring and post (ohm) while no other post draws anything, as potentials have it.

        With one post fed, all others follow: what that takes is the inverse of the network's matrix, of which only
        entries between neighbours are found. None where so many nets have several ties that it would take minutes.
        """
        idle = [die_module.load(d, np.zeros(len(d.areas)), np.zeros(len(d.areas))) for d in self.dies]
        between = _Solved(self, idle).impedances()
        if between is None:
            return None
        out = []
        for places, die, single, several in zip(self.places, self.dies, *between, strict=True):
            found = np.full((len(places), len(die.areas)), np.inf)
            for t, p in die.groups:
                if not len(t) or not len(p):
                    continue
                own = np.linalg.inv(die.matrix[np.ix_(p + die.ties, p + die.ties)])
                share = -own @ die.matrix[np.ix_(p + die.ties, t)]
                share /= share.sum(axis=1, keepdims=True)
                ties = single[:, t, None] if len(t) == 1 else several[int(t[0])]
                found[:, p] = own.diagonal() + np.einsum(
                    "pi,mij,pj->mp", share, ties.reshape(-1, len(t), len(t)), share
                )
            found[~np.isfinite(found)] = np.inf
            out.append(found)
        return tuple(out)


@dataclass(frozen=True, slots=True)
class _Part:
    """A distinct street, all but `kept` nodes eliminated: ties = gain @ kept + offset (V)."""

    matrix: Floats
    current: Floats
    gain: Floats
    offset: Floats
    own: Floats
    """Resistance between each tie and all that is kept (ohm); 0 for a tie that is kept itself."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """Equal pieces of the global system: their nodes (m, e), matrix (e, e), current (e,), and whether the ring is one
    of their other nodes."""

    nodes: Ints
    matrix: Floats
    current: Floats
    on_ring: bool = False


class _Solved:
    """One solution: parts, the global system, and its back-substitution."""

    def __init__(self, network: Network, loaded: Sequence[Loaded]) -> None:
        self.network, self.loaded = network, loaded
        self.shared = [np.setdiff1d(np.arange(len(x.current)), np.array(x.alone, np.int64)) for x in loaded]
        self.local = [_positions(len(x.current), s) for x, s in zip(loaded, self.shared, strict=True)]
        plan = network.plan
        self.count = plan.nodes
        self.shared_at = []  # for each kind, the global nodes of its shared ties: (places, shared)
        self.row = np.zeros(len(network.wafer.kinds), np.int64)
        for places, s in zip(network.places, self.shared, strict=True):
            self.row[places] = np.arange(len(places))
            self.shared_at.append(self.count + np.arange(len(places) * len(s)).reshape(len(places), len(s)))
            self.count += len(places) * len(s)

    def potentials(self) -> Potentials:
        """Assemble, solve, and go back down to ties and posts."""
        entries, back = self._assembled()
        potential = self._global(entries)
        ties = [
            np.full((len(p), len(x.current)), np.inf) for p, x in zip(self.network.places, self.loaded, strict=True)
        ]
        for part, nodes, seats, places in back:
            found = _times(potential[nodes], part.gain) + part.offset
            first = 0
            for k, seat in enumerate(seats):
                last = first + seat.last - seat.first
                ties[seat.kind][self.row[places[:, k]], seat.first : seat.last] = found[:, first:last]
                first = last
        posts = tuple(_times(t, x.gain) + x.offset for t, x in zip(ties, self.loaded, strict=True))
        return Potentials(posts, tuple(ties))

    def impedances(self) -> tuple[list[Floats], list[dict[int, Floats]]] | None:
        """By kind of die: (places, ties) the resistance between ring and each tie that is its net's only one, and by
        the first tie of each other net the potentials of its ties for a current into each, (places, ties, ties).

        None where it would take minutes.
        """
        entries, back = self._assembled()
        net = [
            [t for t, _ in die.groups if len(t) > 1] for die in self.network.dies
        ]  # fmt: skip
        wanted = [nodes for _, nodes, _, _ in back]
        joint = [
            (kind, t, nodes[:, self.local[kind][t]])
            for kind, nodes in enumerate(self.shared_at) for t in net[kind]
        ]  # fmt: skip
        found = self._between(entries, [*wanted, *(nodes for _, _, nodes in joint)])
        if found is None:
            return None
        single = [
            np.full((len(p), len(x.current)), np.inf) for p, x in zip(self.network.places, self.loaded, strict=True)
        ]
        for (part, _, seats, places), blocks in zip(back, found[: len(back)], strict=True):
            ties = part.own + np.einsum("ti,mij,tj->mt", part.gain, blocks, part.gain)
            if not np.isfinite(part.offset).all():
                ties = np.full_like(ties, np.inf)
            first = 0
            for k, seat in enumerate(seats):
                last = first + seat.last - seat.first
                single[seat.kind][self.row[places[:, k]], seat.first : seat.last] = ties[:, first:last]
                first = last
        several: list[dict[int, Floats]] = [{} for _ in self.loaded]
        for (kind, t, _), blocks in zip(joint, found[len(back) :], strict=True):
            several[kind][int(t[0])] = blocks
        return single, several

    def _between(self, entries: Sequence[_Entry], groups: Sequence[Ints]) -> list[Floats] | None:
        """For each of some groups of nodes (m, e), the potentials (m, e, e) of its nodes for a current into each."""
        from scipy import sparse

        matrix, _, fed = self._matrix(entries)
        rows = np.concatenate([np.zeros(0, np.int64), *(np.repeat(n, n.shape[1], axis=1).ravel() for n in groups)])
        columns = np.concatenate([np.zeros(0, np.int64), *(np.tile(n, (1, n.shape[1])).ravel() for n in groups)])
        values = np.full(len(rows), np.inf)
        known = fed[rows] & fed[columns]
        if known.any():
            number = np.cumsum(fed) - 1
            i, j = number[rows[known]], number[columns[known]]
            own = matrix[fed][:, fed]
            asked = sparse.coo_array((np.ones(len(i)), (i, j)), shape=own.shape)
            here = inverse.entries(own, sparse.csr_array(abs(own) + asked), i, j)
            if here is None:
                return None
            values[known] = here
        sizes = np.cumsum([0, *(n.size * n.shape[1] for n in groups)])
        return [
            values[a:b].reshape(len(n), n.shape[1], n.shape[1])
            for n, a, b in zip(groups, sizes[:-1].tolist(), sizes[1:].tolist(), strict=True)
        ]

    def _assembled(self) -> tuple[list[_Entry], list[tuple[_Part, Ints, tuple[_Seat, ...], Ints]]]:
        """The pieces of the global system, and each distinct street with its nodes, seats and places."""
        entries: list[_Entry] = []
        back = []
        for street, seats, parts, ends, places in self.network.plan.streets:
            part, nodes = self._street(street, seats, parts, ends, places)
            entries.append(_Entry(nodes, part.matrix, part.current, 0.0 in street.ends))
            back.append((part, nodes, seats, places))
        for junction, nodes in self.network.plan.crossings:
            matrix = kerf.reduced(junction, self.network.wafer.ohms)
            entries.append(_Entry(nodes, matrix, np.zeros(len(matrix))))
        for loaded, shared, nodes in zip(self.loaded, self.shared, self.shared_at, strict=True):
            if len(shared):
                entries.append(_Entry(nodes, loaded.matrix[np.ix_(shared, shared)], loaded.current[shared]))
        return entries, back

    def _street(
        self, street: Street, seats: Sequence[_Seat], parts: Pieces, ends: Ints, places: Ints
    ) -> tuple[_Part, Ints]:  # fmt: skip
        """A distinct street without its inner nodes, and the global nodes of what is kept, (streets, kept)."""
        matrix = kerf.street_matrix(street, parts, self.network.wafer.ohms, self.network.ties)
        n, count = parts.nodes, len(street.stubs)
        current = np.zeros(n + 2)
        shared: list[int] = []
        columns: list[Ints] = []
        tie = 0
        for k, seat in enumerate(seats):
            loaded, place = self.loaded[seat.kind], self.row[places[:, k]]
            for t in range(seat.first, seat.last):
                if self.local[seat.kind][t] < 0:
                    matrix[tie, tie] += loaded.matrix[t, t]
                    current[tie] += loaded.current[t]
                else:
                    shared.append(tie)
                    columns.append(self.shared_at[seat.kind][place, self.local[seat.kind][t]])
                tie += 1
        outer = [n + e for e in (0, 1) if street.ends[e] > 0]
        ring = {n + e for e in (0, 1) if street.ends[e] == 0}
        absent = {n + e for e in (0, 1) if street.ends[e] < 0}
        kept = np.array([*outer, *shared], np.int64)
        nodes = np.column_stack([*(ends[:, v - n] for v in outer), *columns]) if len(kept) else np.zeros((len(ends), 0))
        inner = np.array([v for v in range(n + 2) if v not in {*kept.tolist(), *ring, *absent}], np.int64)
        if len(shared) > MOST_SHARED:
            kept = np.concatenate([kept, inner])
            more = self.count + np.arange(len(ends) * len(inner)).reshape(len(ends), len(inner))
            self.count += len(ends) * len(inner)
            gain = np.zeros((count, len(kept)))
            at = {int(v): c for c, v in enumerate(kept)}
            gain[np.arange(count), [at[t] for t in range(count)]] = 1.0
            part = _Part(matrix[np.ix_(kept, kept)], current[kept], gain, np.zeros(count), np.zeros(count))
            return part, np.hstack([nodes, more]).astype(np.int64)
        gain, offset = np.zeros((n + 2, len(kept))), np.zeros(n + 2)
        gain[kept, np.arange(len(kept))] = 1.0
        small, own = matrix[np.ix_(kept, kept)], current[kept]
        between = np.zeros(count)
        if len(inner):
            across = matrix[np.ix_(inner, kept)]
            if len(kept) or ring:
                solved = np.linalg.solve(matrix[np.ix_(inner, inner)], np.column_stack([across, current[inner]]))
                gain[inner], offset[inner] = -solved[:, :-1], solved[:, -1]
                small = small - across.T @ solved[:, :-1]
                own = own - across.T @ solved[:, -1]
                ties = inner < count
                between[inner[ties]] = np.linalg.inv(matrix[np.ix_(inner, inner)]).diagonal()[ties]
            else:
                offset[inner] = np.inf  # a bus that neither crosses another nor reaches the ring
        return _Part(small, own, gain[:count], offset[:count], between), nodes.astype(np.int64)

    def _matrix(self, entries: Sequence[_Entry]) -> tuple[sparse.csr_array, Floats, npt.NDArray[np.bool_]]:
        """The global matrix, the current into each node, and which nodes the ring feeds."""
        from scipy import sparse
        from scipy.sparse.csgraph import connected_components

        rows, columns, values = [], [], []
        current, held = np.zeros(self.count), np.zeros(self.count)
        for e in entries:
            i, j = np.nonzero(e.matrix)
            rows.append(e.nodes[:, i].ravel())
            columns.append(e.nodes[:, j].ravel())
            values.append(np.broadcast_to(e.matrix[i, j], (len(e.nodes), len(i))).ravel())
            current += np.bincount(e.nodes.ravel(), np.tile(e.current, len(e.nodes)), self.count)
            if e.on_ring:
                held[e.nodes] = 1.0
        data = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        matrix = sparse.csr_array(sparse.coo_array(data, shape=(self.count, self.count)))
        count, label = connected_components(matrix, directed=False)
        return matrix, current, np.bincount(label, held, count)[label] > 0

    def _global(self, entries: Sequence[_Entry]) -> Floats:
        """The potentials of all global nodes; infinite where nothing leads to the ring."""
        matrix, current, fed = self._matrix(entries)
        out = np.full(self.count, np.inf)
        if fed.any():
            out[fed] = mesh.factor(matrix[fed][:, fed]).solve(current[fed])
        return out


def _positions(count: int, members: Ints) -> Ints:
    """For each of `count` numbers its place among `members`, or -1."""
    out = np.full(count, -1, np.int64)
    out[members] = np.arange(len(members))
    return out


def _times(values: Floats, gain: Floats) -> Floats:
    """`values @ gain.T`, infinite where a value that counts is."""
    bad = ~np.isfinite(values)
    if not bad.any():
        return values @ gain.T
    out = np.where(bad, 0.0, values) @ gain.T
    out[bad.astype(float) @ (gain != 0).T.astype(float) > 0] = np.inf
    return out
