"""Defects of caps, each a given number of database units beyond the limit of the rule that is meant for it.

At 0 that finds nothing. The die with its street is one cell, from the die's lower left corner.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import klayout.db as kdb
from mutants.cap_wafers import UM, Wafer

NEAR = 1_000
"""A marker is at a defect's place where it is no further away than this (database units)."""


@dataclass(frozen=True)
class Harm:
    """What is taken away and added, by layer, and where: markers touch it."""

    place: kdb.Box
    gone: tuple[tuple[str, kdb.Box], ...] = ()
    added: tuple[tuple[str, kdb.Polygon], ...] = ()


Defect = Callable[[Wafer, random.Random, int], Harm | None]
"""Harms a die by so many units beyond the limit; 0: not at all. None: there is nothing to harm."""


def _wall(w: Wafer, rnd: random.Random) -> tuple[int, int, int]:
    """A straight wall: its side, the depth of its inner face, and a place along it."""
    side, depth, begin, end = rnd.choice(w.walls)
    return side, depth, rnd.randrange(begin + 40 * UM, end - 80 * UM)


def _cut(w: Wafer, band: str) -> int:
    """At which depth from the die's edge what the cut takes ends: less than 0."""
    return w.half(band) - w.street // 2


def _taken(place: kdb.Box, layer: str, box: kdb.Box) -> Harm:
    return Harm(place, gone=((layer, box),) if not box.empty() and box.area() else ())


def _added(layer: str, box: kdb.Box, place: kdb.Box | None = None) -> Harm:
    return Harm(place or box, added=((layer, kdb.Polygon(box)),))


def gap(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """A slit through the wall that remains after the cut."""
    side, depth, at = _wall(w, rnd)
    return _taken(w.die, "frame", w.box(side, _cut(w, "cut_maybe@face") - UM, depth, at, at + by))


def open_island(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """A slit through the wall of an island, or of a branch: that between a via and the component's middle."""
    at = rnd.choice([*w.step[w.via].each()]).bbox().center()
    ray = kdb.Region(kdb.Box(at.x, at.y, w.size[0] // 2, at.y + UM))
    wall = min((p.bbox() for p in (w.step["frame"] & ray).each()), key=lambda box: abs(box.center().x - at.x))
    return _taken(wall.enlarged(200 * UM, 200 * UM), "frame", kdb.Box(wall.left, at.y, wall.right, at.y + by))


def thin(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """A notch in the wall leaves less than the ring on the component has to have."""
    side, depth, at = _wall(w, rnd)
    notch = w.box(side, w.limit(_ring(w)) - by, depth, at, at + 30 * UM)
    return _taken(notch, "frame", notch)


def _ring(w: Wafer) -> str:
    return DEFECTS["thin frame"][1][w.flow]


def off_centre(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """The cut beside the middle of the street leaves less than that on one side."""
    side, depth, begin, end = rnd.choice(w.walls)
    band = w.box(side, -w.street // 2, depth - w.limit(_ring(w)) + by, begin, end)
    return _added("cut_maybe@face", band)


def under_cavity(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """The wedge, at the chip's back, below structures."""
    side = rnd.randrange(4)
    box = w.step["structure"].bbox()
    depth = (box.left, box.bottom, w.size[0] - box.right, w.size[1] - box.top)[side]
    along = (0, w.size[1 - side % 2])
    return _added("cut_maybe@back", w.box(side, -w.street // 2, depth + by, *along))


def island_touches(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """An island moved towards a wall."""
    if not w.islands:
        return None
    island = rnd.choice(w.islands)
    box = island.bbox()
    for side, depth, begin, end in w.walls:
        low, high = (box.bottom, box.top) if side % 2 == 0 else (box.left, box.right)
        if begin < low - 30 * UM and high + 30 * UM < end:
            mine = (box.left, box.bottom, w.size[0] - box.right, w.size[1] - box.top)[side]
            step = (mine - depth - w.limit("RS.S.1") + by) * (-1 if side < 2 else 1)
            moved = island.moved(*((step, 0) if side % 2 == 0 else (0, step)))
            if any(moved.bbox().enlarged(30 * UM, 30 * UM).touches(p.bbox()) for p in w.islands if p != island):
                continue
            return Harm(moved.bbox(), gone=(("frame", box),), added=(("frame", moved),))
    return None


def on_frame(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """Frame nearer to a via than its alignment allows."""
    rule, layer = ("ZS.D.1", "inter_worst") if w.flow == "wired" else ("DK.D.2", "via_worst")
    box = rnd.choice([*w.step[layer].each()]).bbox()
    to, y = box.left - w.limit(rule) + by, box.center().y
    return _added("frame", kdb.Box(to - 20 * UM, y - 15 * UM, to, y + 15 * UM))


def in_cavity(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """A via in the cavity of the structures."""
    side, depth, at = _wall(w, rnd)
    via = w.box(side, depth + 10 * UM, depth + 50 * UM, at, at + 40 * UM)
    return _added(w.via, via) if by else Harm(via)


def unsealed(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """Underside metal that stands out around a hole by less than seals it."""
    via = rnd.choice([*w.step["cover_via"].each()]).bbox()
    rest = via.left - w.limit("UK.L.2" if w.flow == "wired" else "UK.L.1") + by
    gone = kdb.Box(via.left - 90 * UM, via.bottom - 90 * UM, rest, via.top + 90 * UM)
    return _taken(w.die, "contact", gone)


def signal_at_cut(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """A conductor that is not ground where the cut may meet it, or the rear metal."""
    layer, edge = ("wiring", _cut(w, "cut_maybe@wiring"))
    if w.flow not in ("wired", "framed"):
        layer, edge = "connector", w.limit("AM.D.1")
    busy = w.step["wiring_all"] + w.step["connector"]
    while True:
        side, _, at = _wall(w, rnd)
        box = w.box(side, edge - by, edge + 60 * UM, at, at + 10 * UM)
        if (busy & kdb.Region(box.enlarged(20 * UM, 20 * UM))).is_empty():
            return _added(layer, box)


def signal_at_edge(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """A conductor of the wiring level that is not ground, nearer to the component's edge than it may be."""
    side, _, at = _wall(w, rnd)
    depth = w.limit("VE.D.1") - by
    return _added("wiring", w.box(side, depth, depth + 10 * UM, at, at + 10 * UM))


def ground_short(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """The ground conductor ends before it is surely cut."""
    if w.flow != "wired":
        return None
    side = rnd.choice((0, 2))
    to = _cut(w, "cut_sure@seam") - w.limit("GND.O.1") + by
    place = w.box(side, -w.street // 2, to + 80 * UM, 0, w.size[1])
    return _taken(place, "ground", w.box(side, -w.street // 2, to, 0, w.size[1]))


def between_units(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """A gap in the wall between two units, too wide for a notch and no gap in the ring around both."""
    if w.flow not in ("wired", "framed"):
        return None
    x, y = w.size[0] // 2, rnd.randrange(100 * UM, w.size[1] - 200 * UM)
    gap = kdb.Box(x - 20 * UM, y, x + 20 * UM, y + (20 * UM + by if by else 0))
    return _taken(gap, "frame", gap)


def wall_at_structures(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """Frame nearer to the component structures than gluing allows."""
    left = min((p.bbox() for p in w.step["structure"].each()), key=lambda b: b.left)
    to = left.left - w.limit("BS.D.3") - w.glued + by
    box = kdb.Box(to - 25 * UM, left.center().y - 10 * UM, to, left.center().y + 10 * UM)
    return _added("frame", box, box.enlarged(w.glued, w.glued))


def bare_metal(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """Underside metal that ends too near to the under-bump metal on it."""
    return _beside(w, rnd, "ubm", "contact", "UBM.E.1", by)


def bare_solder(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """Under-bump metal that ends too near to the opening of the solder mask."""
    return _beside(w, rnd, "solder_mask", "ubm", "UBM.E.2", by)


def _beside(w: Wafer, rnd: random.Random, inner: str, outer: str, rule: str, by: int) -> Harm:
    inside, around = (sorted(p.bbox() for p in w.step[layer].each()) for layer in (inner, outer))
    k = rnd.randrange(len(inside))
    gone = kdb.Box(around[k].left, around[k].bottom, inside[k].left - w.limit(rule) + by, around[k].top)
    return _taken(gone.enlarged(NEAR, NEAR), outer, gone)


def tapped_coil(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """A third wire that meets turns of an inductor; wires less than one unit away meet what they touch."""
    if w.flow != "wired":
        return None
    coil = w.step["coil"].bbox()
    wire = kdb.Box(coil.left - 40 * UM, coil.center().y - 5 * UM, coil.left - 1 + by, coil.center().y + 5 * UM)
    return _added("wiring", wire, coil)


def tapped_film(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """A third wire that meets resistive film, likewise: the example has none, so film and two wires come with it."""
    if w.flow != "wired":
        return None
    x, y = _room(w, rnd)
    film = kdb.Box(x + 20 * UM, y + 20 * UM, x + 140 * UM, y + 30 * UM)
    wires = [kdb.Box(x + at, y + 10 * UM, x + at + 30 * UM, y + 40 * UM) for at in (0, 130 * UM)]
    wires.append(kdb.Box(x + 70 * UM, film.top + 1 - by, x + 80 * UM, y + 80 * UM))
    return Harm(film, added=(("resistive", kdb.Polygon(film)), *(("wiring", kdb.Polygon(b)) for b in wires)))


def bridge_in_the_way(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """Second metal nearer to a cover via than its alignment allows."""
    if w.flow != "wired":
        return None
    box = rnd.choice([*w.step["via_worst"].each()]).bbox()
    to, y = box.left - w.limit("DK.D.4") + by, box.center().y
    return _added("bridge", kdb.Box(to - 20 * UM, y - 15 * UM, to, y + 15 * UM))


def mark_in_a_die(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """A mark across a component's edge: part of its mask there as in the street."""
    side, _, at = _wall(w, rnd)
    layer = rnd.choice([mask.marks for mask in w.pdk.masks_of(w.flow).values()])
    return _added(layer, w.box(side, -30 * UM, by, at, at + 20 * UM))


def label_at_cut(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """A letter too near to the cut."""
    side, _, at = _wall(w, rnd)
    depth = w.limit("AM.D.1") - by
    return _added("label", w.box(side, depth, depth + 8 * UM, at, at + 8 * UM))


def wider_above(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """The wedge, in the frame, wider than at the chip's face."""
    side, _, at = _wall(w, rnd)
    level = rnd.choice(["frame", "seam"])
    return _added(f"cut_maybe@{level}", w.box(side, -w.street // 2, _cut(w, "cut_maybe@face") + by, at, at + 40 * UM))


def street_open(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """No frame beside the middle of a street, from where the wedge may touch it on."""
    side, _, at = _wall(w, rnd)
    edge = _cut(w, "cut_maybe@face")
    return _taken(w.box(side, -w.street // 2, edge, at, at + 40 * UM), "frame",
                  w.box(side, edge - by, edge + UM, at, at + 40 * UM))  # fmt: skip


def without_walls(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """A component that does not say where its walls must be."""
    return _taken(w.die, "unit_wall", w.die if by else kdb.Box())


def _turns(w: Wafer) -> tuple[int, list[tuple[int, int]]]:
    """Turns of the inductor at its left, at half its height: the height, and from where to where each goes."""
    coil = w.step["coil"]
    box, y = coil.bbox(), coil.bbox().center().y + 7 * UM
    row = coil & kdb.Region(kdb.Box(box.left, y, box.center().x, y + UM))
    return y, sorted((b.left, b.right) for b in (p.bbox() for p in row.each()))


def touching_turns(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """A bridge from turn to turn; short of the next by a unit it only touches nothing."""
    if w.flow != "wired":
        return None
    y, turns = _turns(w)
    k = rnd.randrange(len(turns) - 1)
    return _added("coil", kdb.Box(turns[k][1], y, turns[k + 1][0] - 1 + by, y + 5 * UM))


def opened_turn(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """A slit through a turn."""
    if w.flow != "wired":
        return None
    y, turns = _turns(w)
    left, right = rnd.choice(turns)
    return _taken(w.step["coil"].bbox(), "coil", kdb.Box(left - UM, y, right + UM, y + by))


def _room(w: Wafer, rnd: random.Random) -> tuple[int, int]:
    """The corner of 160 um x 80 um in which nothing is of the wiring level."""
    busy = w.step["wiring_all"] + w.step["bridge"] + w.step["cover_via"] + w.step["inter_top"]
    while True:
        x, y = (rnd.randrange(100 * UM, extent - 300 * UM) for extent in w.size)
        if (busy & kdb.Region(kdb.Box(x, y, x + 160 * UM, y + 80 * UM))).is_empty():
            return x, y


def opened_film(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """A slit through resistive film, of which the example has none: it and its two wires come with the slit."""
    if w.flow != "wired":
        return None
    x, y = _room(w, rnd)
    ends = [kdb.Box(x + 20 * UM, y + 20 * UM, x + 80 * UM, y + 30 * UM)]
    ends.append(kdb.Box(x + 80 * UM + by, y + 20 * UM, x + 140 * UM, y + 30 * UM))
    wires = [kdb.Box(x + at, y + 10 * UM, x + at + 30 * UM, y + 40 * UM) for at in (0, 130 * UM)]
    added = [*(("resistive", kdb.Polygon(b)) for b in ends), *(("wiring", kdb.Polygon(b)) for b in wires)]
    return Harm(ends[0] + ends[1], added=tuple(added))


def touching_legs(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """A bridge between two legs of resistive film, likewise."""
    if w.flow != "wired":
        return None
    x, y = _room(w, rnd)
    legs = [kdb.Box(x + 20 * UM, y + low, x + 140 * UM, y + low + 10 * UM) for low in (20 * UM, 50 * UM)]
    legs.append(kdb.Box(x + 130 * UM, y + 20 * UM, x + 140 * UM, y + 60 * UM))
    legs.append(kdb.Box(x + 60 * UM, y + 30 * UM, x + 70 * UM, y + 50 * UM - 1 + by))
    return Harm(legs[0] + legs[1], added=tuple(("resistive", kdb.Polygon(b)) for b in legs))


def upper_plate(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """A slit in the upper plate of a capacitor."""
    return _plate(w, rnd, "bridge", by)


def lower_plate(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """A slit in its lower plate."""
    return _plate(w, rnd, "wiring", by)


def _plate(w: Wafer, rnd: random.Random, layer: str, by: int) -> Harm | None:
    if w.flow != "wired":
        return None
    plate = w.step["capacitor"].bbox()
    x = rnd.randrange(plate.left + UM, plate.right - UM)
    return _taken(plate, layer, kdb.Box(x, plate.bottom - UM, x + by, plate.top + UM))


def via_in_the_plates(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """An opening of the dielectric that reaches in between the plates."""
    if w.flow != "wired":
        return None
    plate = w.step["capacitor"].bbox()
    return _added("cross_via", kdb.Box(plate.left - 10 * UM, plate.bottom, plate.left + by, plate.bottom + 10 * UM))


def strip_of_turns(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """Metal drawn as turns beside those of an inductor, which the netlist does not see."""
    if w.flow != "wired":
        return None
    turn = rnd.choice(_turns(w)[1])
    return _added("coil", kdb.Box(turn[0] - by, _turns(w)[0], turn[0], _turns(w)[0] + 5 * UM))


def ground_at_turns(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """The ground conductor at a turn; less than one unit away it meets what it touches."""
    if w.flow != "wired":
        return None
    coil = w.step["coil"].bbox()
    y = _turns(w)[0]
    return _added("ground", kdb.Box(coil.left - 40 * UM, y, _turns(w)[1][0][0] - 1 + by, y + 5 * UM), coil)


def film_between_wires(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """Film that is no resistor's reaches out from under a wire."""
    if w.flow != "wired":
        return None
    x, y = _room(w, rnd)
    wire, film = (
        kdb.Box(x, y, x + 60 * UM, y + 60 * UM),
        kdb.Box(x + 10 * UM, y + 20 * UM, x + 60 * UM + by, y + 30 * UM),
    )
    return Harm(wire, added=(("wiring", kdb.Polygon(wire)), ("resistive", kdb.Polygon(film))))


def end_over_film(w: Wafer, rnd: random.Random, by: int) -> Harm | None:
    """Metal of a resistor's end that covers some of what lies between its ends."""
    if w.flow != "wired":
        return None
    x, y = _room(w, rnd)
    bare, end = (
        kdb.Box(x + 20 * UM, y + 20 * UM, x + 140 * UM, y + 30 * UM),
        kdb.Box(x, y, x + 20 * UM + by, y + 50 * UM),
    )
    drawn = (("resistor", bare), ("resistive", bare), ("wiring", end))
    return Harm(bare + end, added=tuple((layer, kdb.Polygon(box)) for layer, box in drawn))


def bead_beside_bore(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """A bead off the middle of its bore."""
    bead = rnd.choice([*w.step["bump"].each()])
    moved = bead.moved((w.limit("BEAD.C.1") + by) * rnd.choice((-1, 1)), 0)
    return Harm(bead.bbox(), gone=(("bump", bead.bbox()),), added=(("bump", moved),))


# wiring on the frame --------------------------------------------------------------------------------------------


def _opening(w: Wafer, side: int, low: int, at: int, across: int = 20 * UM) -> Harm:
    """An opening of the frame from a depth on."""
    return _added("frame_via", w.box(side, low, low + 20 * UM, at, at + across))


def opening_at_inner_edge(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """An opening of the frame that leaves too little of it on the cavity's side."""
    side, depth, at = _wall(w, rnd)
    return _opening(w, side, depth - w.limit("FV.E.1") - 20 * UM + by, at)


def opening_at_cut(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """An opening of the frame too near to the cut."""
    side, _, at = _wall(w, rnd)
    return _opening(w, side, w.limit("FV.D.1") - by, at)


def narrow_opening(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """One that does not develop."""
    side, _, at = _wall(w, rnd)
    return _opening(w, side, 20 * UM, at, w.limit("FV.W.1") - by)


def opening_beside_another(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """Two openings of the frame that leave too little of it between them."""
    while True:
        side, _, at = _wall(w, rnd)
        begin = at + 20 * UM + w.limit("FV.S.1") - by
        both = [w.box(side, 20 * UM, 40 * UM, low, low + 20 * UM) for low in (at, begin)]
        place = both[0] + both[1]
        if (w.step["frame_via"] & kdb.Region(place.enlarged(40 * UM, 40 * UM))).is_empty():
            return Harm(place, added=tuple(("frame_via", kdb.Polygon(box)) for box in both))


def opening_off_metal(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """Connector metal that ends too near to an opening of the frame."""
    return _short_of(w, rnd, "frame_via", "connector", "FV.E.2", by)


def opening_not_covered(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """Wiring that stands out too little around an opening's wall."""
    return _short_of(w, rnd, "frame_via_top", "wiring", "FV.E.3", by)


def via_off_wiring(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """Wiring that ends too near to a cover via at its worst alignment."""
    return _short_of(w, rnd, "via_worst", "wiring", "DK.E.2", by)


def thin_adhesive(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """Frame, and the adhesive on it, that ends too near to a cover via at its worst alignment."""
    return _short_of(w, rnd, "via_worst", "frame", "DK.E.3", by)


def _short_of(w: Wafer, rnd: random.Random, inner: str, layer: str, rule: str, by: int) -> Harm:
    box = rnd.choice([*w.step[inner].each()]).bbox()
    gone = kdb.Box(box.left - 100 * UM, box.bottom - 100 * UM, box.left - w.limit(rule) + by, box.top + 100 * UM)
    return _taken(box.enlarged(20 * UM, 20 * UM), layer, gone)


def wiring_beside_frame(w: Wafer, rnd: random.Random, by: int) -> Harm:
    """Wiring on the wall that comes too near to its edge."""
    side, depth, at = _wall(w, rnd)
    to = depth - w.limit("VE.E.1") + by
    return _added("wiring", w.box(side, to - 10 * UM, to, at, at + 10 * UM))


FLOWS = ("basic", "lidded", "wired", "framed")
VIAS = {"basic": "RS.R.1", "lidded": "RS.R.3", "wired": "RS.R.2"}
RINGS = {**VIAS, "framed": "RS.R.4"}
DEFECTS: dict[str, tuple[Defect, dict[str, str]]] = {
    "gap in the ring": (gap, RINGS),
    "gap in an island": (open_island, VIAS),
    "thin frame": (thin, RINGS),
    "cut off centre": (off_centre, RINGS),
    "via in the cavity": (in_cavity, VIAS),
    "gap between two units": (between_units, {"wired": "RS.U.1", "framed": "RS.U.1"}),
    "frame at the structures": (wall_at_structures, {"lidded": "BS.D.3"}),
    "cavity touched from below": (under_cavity, dict.fromkeys(FLOWS, "BS.K.1")),
    "island touching": (island_touches, {"basic": "RS.S.1", "wired": "RS.S.1"}),
    "via on the frame": (on_frame, {"basic": "DK.D.2", "lidded": "DK.D.2", "wired": "ZS.D.1"}),
    "second metal at a via": (bridge_in_the_way, {"wired": "DK.D.4"}),
    "third wire at an inductor": (tapped_coil, {"wired": "VE.N.1"}),
    "third wire at a resistor": (tapped_film, {"wired": "RF.N.1"}),
    "hole not sealed": (unsealed, {**dict.fromkeys(FLOWS, "UK.L.1"), "wired": "UK.L.2"}),
    "bare metal beside a bump": (bare_metal, dict.fromkeys(FLOWS, "UBM.E.1")),
    "solder beside its metal": (bare_solder, dict.fromkeys(FLOWS, "UBM.E.2")),
    "signal at the cut edge": (
        signal_at_cut,
        {"basic": "AM.D.1", "lidded": "AM.D.1", "wired": "VE.K.1", "framed": "VE.K.1"},
    ),
    "signal at the component's edge": (signal_at_edge, {"wired": "VE.D.1", "framed": "VE.D.1"}),
    "ground short of the cut": (ground_short, {"wired": "GND.O.1"}),
    "mark in a die": (mark_in_a_die, dict.fromkeys(FLOWS, "MARK.D.1")),
    "label at the cut edge": (label_at_cut, dict.fromkeys(FLOWS, "AM.D.1")),
    "wedge wider above": (wider_above, dict.fromkeys(FLOWS, "CUT.I.1")),
    "slot in a street": (street_open, dict.fromkeys(FLOWS, "RS.I.1")),
    "walls not said": (without_walls, dict.fromkeys(FLOWS, "RS.U.2")),
    "turns that touch": (touching_turns, {"wired": "VE.H.1"}),
    "turn cut open": (opened_turn, {"wired": "VE.N.1"}),
    "film cut open": (opened_film, {"wired": "RF.N.1"}),
    "legs that touch": (touching_legs, {"wired": "RF.H.1"}),
    "slit in an upper plate": (upper_plate, {"wired": "CP.I.1"}),
    "slit in a lower plate": (lower_plate, {"wired": "CP.I.2"}),
    "opening between plates": (via_in_the_plates, {"wired": "CP.D.1"}),
    "strip drawn as turns": (strip_of_turns, {"wired": "VE.I.2"}),
    "ground at an inductor": (ground_at_turns, {"wired": "VE.N.1"}),
    "film between two wires": (film_between_wires, {"wired": "RF.I.2"}),
    "end over its film": (end_over_film, {"wired": "RF.D.2"}),
    "bead beside its bore": (bead_beside_bore, dict.fromkeys(FLOWS, "BEAD.C.1")),
    "opening at the cavity": (opening_at_inner_edge, {"framed": "FV.E.1"}),
    "opening at the cut": (opening_at_cut, {"framed": "FV.D.1"}),
    "narrow opening": (narrow_opening, {"framed": "FV.W.1"}),
    "opening beside another": (opening_beside_another, {"framed": "FV.S.1"}),
    "opening off its metal": (opening_off_metal, {"framed": "FV.E.2"}),
    "opening not covered": (opening_not_covered, {"framed": "FV.E.3"}),
    "cover via off its metal": (via_off_wiring, {"wired": "DK.E.2", "framed": "DK.E.2"}),
    "adhesive thin around a via": (thin_adhesive, {"framed": "DK.E.3"}),
    "wiring beside the frame": (wiring_beside_frame, {"framed": "VE.E.1"}),
}
"""What is harmed, and in each flow the rule that is meant for it."""
