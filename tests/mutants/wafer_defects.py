"""Defects that are put on wafers: what is done to the step of one die."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import klayout.db as kdb
import shapely

from layoutgen.units import dbu

if TYPE_CHECKING:
    from mutants.wafers import Wafer

TRIES = 40
UM = 1000
PADS = (("a", 400, 75), ("b", 1050, 75), ("c", 450, 1925), ("d", 1000, 1925), ("e", 75, 1100), ("f", 1425, 700))


# one step, to be harmed -----------------------------------------------------------------------------------------


@dataclass
class Site:
    """The step of one die, all of it drawn in one cell: from its die's lower left corner."""

    wafer: Wafer
    cell: kdb.Cell

    def layer(self, name: str) -> kdb.Shapes:
        return self.cell.shapes(self.cell.layout().layer(*self.wafer.pdk.gds(name)))

    def add(self, name: str, shape: kdb.Box | kdb.Polygon) -> kdb.Box:
        self.layer(name).insert(shape)
        return shape if isinstance(shape, kdb.Box) else shape.bbox()

    def take(self, name: str, gone: kdb.Region) -> None:
        shapes = self.layer(name)
        left = kdb.Region(shapes) - gone
        shapes.clear()
        shapes.insert(left)

    def turn(self, motion: kdb.Trans, but: tuple[str, ...] = ()) -> None:
        """Move all that is drawn, some layers left out; labels stay."""
        for name in self.wafer.pdk.drawn_layers:
            if name not in but:
                shapes = self.layer(name)
                moved = kdb.Region(shapes).transformed(motion)
                shapes.clear()
                shapes.insert(moved)


Defect = Callable[[Site, random.Random], kdb.Box | None]
"""Harms a step, and says where; None: nothing was found to harm."""


def _points(wafer: Wafer) -> dict[str, list[kdb.Point]]:
    """Where each net has its pad and its ball."""
    found: dict[str, list[kdb.Point]] = {}
    for net, x, y in (*PADS, *wafer.balls):
        found.setdefault(net, []).append(kdb.Point(x * UM, y * UM))
    return found


def _box(x: int, y: int, half: int) -> kdb.Box:
    return kdb.Box(x - half, y - half, x + half, y + half)


def _metals(wafer: Wafer) -> list[tuple[str, ...]]:
    """Layers of metal in dies, one level after the other."""
    roles = wafer.pdk.roles
    ties = (roles["tie"],) if "tie" in roles else ()
    return [(roles["metal"], *ties), *([(roles["metal_2"],)] if "metal_2" in roles else [])]


def _nets(site: Site, layers: tuple[str, ...]) -> dict[str, kdb.Region]:
    """The metal of each net that has a terminal on it: after what the blade surely takes is gone."""
    step = site.wafer.step
    metal = kdb.Region()
    for name in layers:
        metal += step[name]
    metal = (metal & kdb.Region(kdb.Box(0, 0, *site.wafer.size))).merged()
    second = site.wafer.pdk.roles.get("metal_2") in layers
    found = {}
    for net, (pad, ball) in _points(site.wafer).items():
        at = ball if second else pad
        mine = metal.interacting(kdb.Region(_box(at.x, at.y, 1)))
        if not mine.is_empty():
            found[net] = mine
    return found


def open_wire(site: Site, rnd: random.Random) -> kdb.Box | None:
    """A wire is cut through: its pad, ball and vias no longer lie on one piece."""
    for _ in range(TRIES):
        layers = rnd.choice(_metals(site.wafer))
        nets = _nets(site, layers)
        net = rnd.choice(sorted(nets))
        marks = [_box(p.x, p.y, 1) for p in _points(site.wafer)[net]]
        if via := site.wafer.pdk.roles.get("via_2"):
            marks += [_box(p.bbox().center().x, p.bbox().center().y, 1) for p in site.wafer.step[via].each()]
        marks = [m for m in marks if not (nets[net] & kdb.Region(m)).is_empty()]
        edges = [e for p in nets[net].each() for e in p.each_edge() if e.length() > 20 * UM]
        if not edges:
            continue
        edge = rnd.choice(edges)
        part = rnd.uniform(0.1, 0.9)
        x, y = (round(a + part * (b - a)) for a, b in ((edge.x1, edge.x2), (edge.y1, edge.y2)))
        wide, thin = rnd.randrange(45, 60) * UM, rnd.choice([1, 20, 5 * UM, 50 * UM])
        half = rnd.choice([(wide, thin), (thin, wide)])
        hole = kdb.Box(x - half[0], y - half[1], x + half[0], y + half[1])
        left = (nets[net] - kdb.Region(hole)).merged()
        holders = [left.interacting(kdb.Region(m)) for m in marks]
        if any(h.is_empty() for h in holders) or len({str(h) for h in holders}) < 2:
            continue
        for name in layers:
            site.take(name, (kdb.Region(hole) & nets[net]).sized(1))
        return hole
    return None


def short(site: Site, rnd: random.Random) -> kdb.Box | None:
    """A bar of metal from one net's wire to another's."""
    layers = rnd.choice(_metals(site.wafer))
    nets = _nets(site, layers)
    if len(nets) < 2:
        return None
    a, b = rnd.sample(sorted(nets), 2)
    shapes = [shapely.union_all([_outline(p) for p in nets[n].each()]) for n in (a, b)]
    (x1, y1), (x2, y2) = shapely.get_coordinates(shapely.shortest_line(*shapes)).tolist()
    path = kdb.DPath([kdb.DPoint(x1, y1), kdb.DPoint(x2, y2)], rnd.choice([2, 200, 5 * UM, 20 * UM]))
    path.bgn_ext = path.end_ext = 3 * UM
    return site.add(layers[0], path.polygon().to_itype())


def _outline(polygon: kdb.Polygon) -> shapely.Polygon:
    return shapely.Polygon([(p.x, p.y) for p in polygon.each_point_hull()])


def _levels(wafer: Wafer) -> list[tuple[str, bool]]:
    """Drawn layers that stand on pads and balls; whether on pads."""
    connect = wafer.pdk.connect
    both = [(name, True) for name in connect.pad] + [(name, False) for name in connect.ball]
    return [(name, pad) for name, pad in both if name in wafer.pdk.layers]


def missing(site: Site, rnd: random.Random) -> kdb.Box | None:
    """Nothing on one of the layers that stand on a pad or ball: no opening, via, post, under-bump metal, ball."""
    name, pad = rnd.choice(_levels(site.wafer))
    _, x, y = rnd.choice(PADS if pad else site.wafer.balls)
    at = _box(x * UM, y * UM, 1)
    site.take(name, site.wafer.step[name].interacting(kdb.Region(at)).sized(1))
    return at


def extra(site: Site, rnd: random.Random) -> kdb.Box | None:
    """One more of those where there is no pad or ball."""
    name, _ = rnd.choice(_levels(site.wafer))
    width, height = site.wafer.size
    for _ in range(TRIES):
        x, y = (rnd.randrange(100 * UM, size - 100 * UM) for size in (width, height))
        box = _box(x, y, rnd.randrange(5, 25) * UM)
        if (kdb.Region(box).sized(UM) & site.wafer.step[name]).is_empty():
            return site.add(name, box)
    return None


def missing_via(site: Site, rnd: random.Random) -> kdb.Box | None:
    """The metals of a net are not joined."""
    name = site.wafer.pdk.roles.get("via_2")
    if name is None or site.wafer.step[name].is_empty():
        return None
    via = rnd.choice([*site.wafer.step[name].each()])
    site.take(name, kdb.Region(via).sized(1))
    return via.bbox()


def loose_via(site: Site, rnd: random.Random) -> kdb.Box | None:
    """An opening between two metals beside either."""
    name = site.wafer.pdk.roles.get("via_2")
    if name is None:
        return None
    metals = kdb.Region()
    for layers in _metals(site.wafer):
        for layer in layers:
            metals += site.wafer.step[layer]
    for _ in range(TRIES):
        box = _box(*(rnd.randrange(100 * UM, size - 100 * UM) for size in site.wafer.size), 10 * UM)
        if (kdb.Region(box) & metals).is_empty():
            return site.add(name, box)
    return None


def rotated(site: Site, rnd: random.Random) -> kdb.Box | None:
    """The die turned by half a turn, or mirrored, in its place."""
    width, height = site.wafer.size
    street = tuple(site.wafer.pdk.reserved)
    motion = rnd.choice(
        [kdb.Trans(2, False, width, height), kdb.Trans(0, True, 0, height), kdb.Trans(2, True, width, 0)]
    )
    site.turn(motion, but=street)
    return kdb.Box(0, 0, width, height)


def rotated_labels(site: Site, rnd: random.Random) -> kdb.Box | None:
    """The die turned in its place, and its labels with it."""
    labels = [shape.text for shape in site.layer(site.wafer.pdk.role("note")).each() if shape.is_text()]
    width, height = site.wafer.size
    motion = rnd.choice(
        [kdb.Trans(2, False, width, height), kdb.Trans(0, True, 0, height), kdb.Trans(2, True, width, 0)]
    )
    site.turn(motion, but=tuple(site.wafer.pdk.reserved))
    for text in labels:
        site.layer(site.wafer.pdk.role("note")).insert(text.transformed(motion))
    return kdb.Box(0, 0, width, height)


def merged_bumps(site: Site, rnd: random.Random) -> kdb.Box | None:
    """A via so long that the bump on it merges with the next one, while it touches no metal of another net."""
    via, grown = site.wafer.pdk.role("via"), (dbu(45.0), dbu(20.0))  # the radius of a bump, and of the via below it
    balls = list(site.wafer.balls)
    rnd.shuffle(balls)
    nets = _nets(site, _metals(site.wafer)[0])
    for net, x, y in balls:
        foreign = kdb.Region()
        for other, metal in nets.items():
            foreign += metal if other != net else kdb.Region()
        for _, u, v in balls:
            if abs(u - x) + abs(v - y) != 500:
                continue
            end = 500 * UM - grown[0] - grown[1] + rnd.randrange(0, 15) * UM
            half = rnd.randrange(5, 15) * UM
            bar = kdb.Box(0, -half, end, half).transformed(
                kdb.Trans({(1, 0): 0, (0, 1): 1, (-1, 0): 2, (0, -1): 3}[(u - x) // 500, (v - y) // 500], False,
                          x * UM, y * UM)
            )  # fmt: skip
            if (kdb.Region(bar) & foreign).is_empty():
                return site.add(via, bar)
    return None


def shifted_die(site: Site, rnd: random.Random) -> kdb.Box | None:
    """The die beside its place, by more than its pads are wide."""
    by = rnd.choice([-1, 1]) * rnd.randrange(100, 300) * UM
    but = (*site.wafer.pdk.reserved, *filter(None, [site.wafer.pdk.roles.get("bus")]))
    motion = kdb.Trans(*((by, 0) if rnd.random() < 0.5 else (0, by)))
    site.turn(motion, but=but)
    here = kdb.Box(0, 0, *site.wafer.size)
    return here + here.transformed(motion)


def empty_place(site: Site, rnd: random.Random) -> kdb.Box | None:
    """A die left out."""
    for name in site.wafer.pdk.layers:
        site.layer(name).clear()
    return kdb.Box(0, 0, *site.wafer.size)


def in_kerf(site: Site, rnd: random.Random) -> kdb.Box | None:
    """Metal of wires where the blade may go."""
    middle = -50 * UM
    x = rnd.randrange(0, site.wafer.size[0] - 200 * UM)
    assert site.wafer.pdk.cut
    y = middle + rnd.choice([-1, 1]) * rnd.randrange(0, dbu(site.wafer.pdk.cut.touched) - 10 * UM)
    box = kdb.Box(x, y, x + rnd.randrange(5, 100) * UM, y + rnd.randrange(2, 8) * UM)
    return site.add(rnd.choice(_metals(site.wafer))[0], box)


def ring_beside(site: Site, rnd: random.Random) -> kdb.Box | None:
    """Metal of the contact ring in a street, which may lie where the blade surely takes it."""
    side, out = rnd.choice(SIDES), rnd.randrange(0, 95) * UM
    x = rnd.randrange(100 * UM, min(site.wafer.size) - 100 * UM)
    box = kdb.Box(x, out, x + rnd.randrange(1, 50) * UM, out + rnd.randrange(1, 5) * UM)
    return site.add(site.wafer.pdk.role("ring"), _turned(site, side)(box))


def doubled(site: Site, rnd: random.Random) -> kdb.Box | None:
    """All that a die has, labels too, a second time in its place."""
    for name in site.wafer.pdk.layers:
        for shape in [*site.layer(name).each()]:
            site.layer(name).insert(shape)
    return kdb.Box(0, 0, *site.wafer.size)


# of ties --------------------------------------------------------------------------------------------------------


def _stubs(site: Site, side: str = "") -> list[tuple[str, int]]:
    return [port for port in site.wafer.ports if not side or port[0] == side]


def _turned(site: Site, side: str) -> Callable[[kdb.Box], kdb.Box]:
    """Boxes that are given as offset along a side and how far out of the die, as boxes of the step."""
    width, height = site.wafer.size

    def place(box: kdb.Box) -> kdb.Box:
        along, out = (box.left, box.right), (box.bottom, box.top)
        match side:
            case "bottom":
                return kdb.Box(along[0], -out[1], along[1], -out[0])
            case "top":
                return kdb.Box(along[0], height + out[0], along[1], height + out[1])
            case "left":
                return kdb.Box(-out[1], along[0], -out[0], along[1])
            case _:
                return kdb.Box(width + out[0], along[0], width + out[1], along[1])

    return place


def missing_tie(site: Site, rnd: random.Random) -> kdb.Box | None:
    """A net that is not tied."""
    side, offset = rnd.choice(_stubs(site))
    name = site.wafer.pdk.role("tie")
    at = kdb.Region(_turned(site, side)(kdb.Box(offset - 1, -UM, offset + 1, UM)))
    tie = site.wafer.step[name].interacting(at)
    site.take(name, tie.sized(1))
    return tie.bbox()


def tie_to_neighbour(site: Site, rnd: random.Random) -> kdb.Box | None:
    """A tie that reaches another net's tie beside the bus, where the blade may leave it."""
    side = rnd.choice([s for s in ("bottom", "top") if len(_stubs(site, s)) > 1])
    (_, a), (_, b) = rnd.sample(_stubs(site, side), 2)
    out = rnd.randrange(1, 20) * UM
    return site.add(site.wafer.pdk.role("tie"), _turned(site, side)(kdb.Box(a, out, b, out + rnd.randrange(1, 7) * UM)))


def _free(site: Site, rnd: random.Random, side: str, length: int) -> int:
    """Where along a side a bar of a length touches no tie, nor the streets that cross."""
    size = site.wafer.size[0 if side in ("bottom", "top") else 1]
    while True:
        at = rnd.randrange(100 * UM, size - 100 * UM - length)
        if all(abs(at + length / 2 - offset) > length / 2 + 40 * UM for _, offset in _stubs(site, side)):
            return at


SIDES = ("bottom", "top", "left", "right")
MIDDLE, SURE = 50 * UM, 22_500
"""Of the street, from the die's edge; and half of what the blade surely takes."""


def bus_outside(site: Site, rnd: random.Random) -> kdb.Box | None:
    """A bus as wide as beyond what the blade surely takes."""
    side, length = rnd.choice(SIDES), rnd.randrange(50, 200) * UM
    at = _free(site, rnd, side, length)
    end = MIDDLE - SURE - rnd.randrange(500, 20 * UM)
    return site.add(site.wafer.pdk.role("bus"), _turned(site, side)(kdb.Box(at, end, at + length, MIDDLE)))


def sliver(site: Site, rnd: random.Random) -> kdb.Box | None:
    """A thin strip of the bus at the edge of the cut."""
    side, length = rnd.choice(SIDES), rnd.randrange(20, 200) * UM
    at = _free(site, rnd, side, length)
    end = MIDDLE - SURE
    box = kdb.Box(at, end - rnd.randrange(1, 2 * UM), at + length, end + rnd.randrange(0, 5 * UM))
    return site.add(site.wafer.pdk.role("bus"), _turned(site, side)(box))


def moved_bus(site: Site, rnd: random.Random) -> kdb.Box | None:
    """The bus of one street beside the middle of its cut."""
    name, side = site.wafer.pdk.role("bus"), rnd.choice(SIDES)
    size = site.wafer.size[0 if side in ("bottom", "top") else 1]
    here = _turned(site, side)(kdb.Box(100 * UM, 30 * UM, size - 100 * UM, 70 * UM))
    bus = site.wafer.step[name] & kdb.Region(here)
    by = rnd.randrange(8 * UM, 25 * UM)
    dx, dy = {"bottom": (0, by), "top": (0, -by), "left": (by, 0), "right": (-by, 0)}[side]
    moved = bus.moved(dx, dy)
    site.layer(name).insert(moved)
    return moved.bbox()


def keepout(site: Site, rnd: random.Random) -> kdb.Box | None:
    """A keep-out or mark of the wafer under a tie."""
    assert site.wafer.pdk.cut
    side, offset = rnd.choice(_stubs(site))
    out, half = rnd.randrange(-10, 40) * UM, rnd.randrange(1, 60) * UM
    along = offset + rnd.choice([-1, 1]) * rnd.randrange(0, 14 * UM + half)
    box = kdb.Box(along - half, out, along + half, out + rnd.randrange(1, 20) * UM)
    return site.add(rnd.choice(site.wafer.pdk.cut.ties_avoid), _turned(site, side)(box))


def over_the_edge(site: Site, rnd: random.Random) -> kdb.Box | None:
    """A wire over the seal ring that does not reach the kerf."""
    side, length = rnd.choice(SIDES), rnd.randrange(10, 60) * UM
    at = _free(site, rnd, side, length)
    box = kdb.Box(at, -rnd.randrange(1, 30) * UM, at + length, rnd.randrange(1, 2_400))
    return site.add(site.wafer.pdk.role("metal"), _turned(site, side)(box))


def bare(site: Site, rnd: random.Random) -> kdb.Box | None:
    """The dielectric open under a stub, beside it, or just beyond its end."""
    side, offset = rnd.choice(_stubs(site))
    half, out = rnd.randrange(1, 20) * UM, rnd.randrange(0, MIDDLE - SURE + 9 * UM)
    reach = 24 * UM if out < MIDDLE - SURE else 15 * UM  # beside a corner the margin is round
    along = offset + rnd.choice([-1, 1]) * rnd.randrange(0, reach + half)
    box = kdb.Box(along - half, out, along + half, out + rnd.randrange(1, 20) * UM)
    return site.add(site.wafer.pdk.role("opening"), _turned(site, side)(box))


def near_stubs(site: Site, rnd: random.Random) -> kdb.Box | None:
    """A tie wider in the kerf, until its cut end is too near to another's."""
    side = rnd.choice([s for s in ("bottom", "top") if len(_stubs(site, s)) > 1])
    (_, a), (_, b) = sorted(rnd.sample(_stubs(site, side), 2))
    gap, half = rnd.randrange(500, 19_990), 15 * UM
    out = MIDDLE - SURE - rnd.randrange(1, 20) * UM
    box = kdb.Box(a, out, b - half - gap, MIDDLE - SURE + 5 * UM)
    return site.add(site.wafer.pdk.role("tie"), _turned(site, side)(box))


EVERYWHERE: dict[str, tuple[Defect, str]] = {
    "open wire": (open_wire, "NETS"),
    "short": (short, "NETS"),
    "missing opening, post or ball": (missing, "NETS"),
    "one opening, post or ball more": (extra, "NETS"),
    "die turned": (rotated, "NETS"),
    "die shifted": (shifted_die, "NETS"),
    "die left out": (empty_place, "NETS"),
    "metal in the kerf": (in_kerf, "KERF"),
}
LABELLED: dict[str, tuple[Defect, str]] = {
    "die rotated with its labels": (rotated_labels, "NETS"),
    "die emptied with its labels": (empty_place, "NETS"),
    "die drawn twice": (doubled, "NETS"),
}
"""Of files whose chip nobody knows: nothing in such a die contradicts its labels."""
GROWN: dict[str, tuple[Defect, str]] = {"bumps merged": (merged_bumps, "NETS")}
"""Where bumps are larger than what is drawn."""
TWO_METALS: dict[str, tuple[Defect, str]] = {"missing via": (missing_via, "NETS"), "loose via": (loose_via, "NETS")}
TIED: dict[str, tuple[Defect, str]] = {
    "missing tie": (missing_tie, "TIED"),
    "tie to a neighbour": (tie_to_neighbour, "NETS"),
    "bus outside the cut": (bus_outside, "KERF"),
    "sliver of bus": (sliver, "KERF"),
    "bus beside its cut": (moved_bus, "KERF"),
    "contact ring in a street": (ring_beside, "KERF"),
    "keep-out crossed": (keepout, "CROSSINGS"),
    "wire over the seal ring": (over_the_edge, "CROSSINGS"),
    "stub over bare silicon": (bare, "COVER"),
    "stubs too near": (near_stubs, "STUBS"),
}


def defects(wafer: Wafer) -> dict[str, tuple[Defect, str]]:
    """What can be wrong with one die of a wafer, and the rule meant for it."""
    two = TWO_METALS if "metal_2" in wafer.pdk.roles else {}
    grown = GROWN if any(name in wafer.pdk.derived for name in wafer.pdk.connect.ball) else {}
    return {**EVERYWHERE, **grown, **two, **(TIED if wafer.tied else {})}
