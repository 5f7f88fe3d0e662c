"""A chip as data, and what must hold before anything is drawn on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import shapely

from layoutgen.chip.shapes import Ring, bounds, box, moved
from layoutgen.errors import ChipError, Problem, printable
from layoutgen.units import Um

ANY = "*"
"""The group of all pads that name none and whose net has no ball; a free ball of it may go to any of them."""

MOST_LETTERS = 1000
"""Of a name or net: far more than anyone writes, and less than a text of a GDSII file holds."""


@dataclass(frozen=True, slots=True)
class Pad:
    """An I/O pad: name, net, centre and size of its metal (um). `place` says where it was read, for messages.

    net: what it belongs to; "" for one that is free to be taken by a ball of its `group`.
    group: a pad with a net takes one free ball of this group.
    polygon: corners of its metal about (x, y), which lies inside; `width` and `height` are then its box's.
    """

    name: str
    net: str
    x: Um
    y: Um
    width: Um
    height: Um
    place: str = field(default="", compare=False)
    group: str = ""
    polygon: Ring = ()

    @property
    def metal(self) -> Ring:
        """Corners of its metal on the chip."""
        return _metal(self)


@dataclass(frozen=True, slots=True)
class Ball:
    """Where a contact shall come out: name, net and centre; size of the metal there (um), 0 where the process says it.

    net: what it belongs to; "" for one that is free to be taken by a pad of its `group`.
    group: a ball with a net takes one free pad of this group.
    polygon: corners of its metal about (x, y), as a pad's.
    """

    name: str
    net: str
    x: Um
    y: Um
    place: str = field(default="", compare=False)
    width: Um = 0.0
    height: Um = 0.0
    group: str = ""
    polygon: Ring = ()

    @property
    def metal(self) -> Ring:
        """Corners of its metal on the chip; () where the process says them."""
        return _metal(self)


def _metal(of: Pad | Ball) -> Ring:
    if of.polygon:
        return moved(of.polygon, of.x, of.y)
    w, h = of.width / 2, of.height / 2
    return box(of.x - w, of.y - h, of.x + w, of.y + h) if w and h else ()


@dataclass(frozen=True, slots=True)
class RoutedLayer:
    """The metal layer as a LEF file describes it: default width and space of wires, and pitch (um); 0: not said."""

    name: str
    width: Um = 0.0
    space: Um = 0.0
    pitch: Um = 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """Members that ask, each for one of the other kind, and those of the other kind that are free to be taken."""

    askers: tuple[Pad | Ball, ...]
    free: tuple[Pad | Ball, ...]


@dataclass(frozen=True, slots=True)
class Chip:
    """A die with pads, balls and nets: the box (0, 0) to (width, height) in um is the seal ring's outer edge.

    Members of a net that ask for nobody are joined with each other. A member that asks (see `groups`) is joined with
    what it takes, which then belongs to its net; wires of one net may touch, but need not.

    outline: the die where it is no rectangle: corners as `shapes.ring` gives them, in the box (0, 0) to (width, height)
    keepouts: simple polygons on the routed layer that wires keep clear of.
    origin: where (0, 0) lies in the file that the chip came from.
    layer: the routed layer, where that file describes it.
    ground: the net that may reach the cut; empty: nobody says which.
    """

    name: str
    width: Um
    height: Um
    pads: tuple[Pad, ...]
    balls: tuple[Ball, ...]
    outline: Ring = ()
    keepouts: tuple[Ring, ...] = ()
    origin: tuple[Um, Um] = field(default=(0.0, 0.0), compare=False)
    layer: RoutedLayer | None = field(default=None, compare=False)
    ground: str = field(default="", compare=False)

    @property
    def die(self) -> Ring:
        """Corners of the die."""
        return self.outline or box(0.0, 0.0, self.width, self.height)

    @property
    def members(self) -> tuple[Pad | Ball, ...]:
        """All pads, then all balls."""
        return (*self.pads, *self.balls)

    @property
    def nets(self) -> dict[str, tuple[tuple[Pad, ...], tuple[Ball, ...]]]:
        """Each net's pads and balls, in the order the tables name them; what is free belongs to none."""
        pads: dict[str, list[Pad]] = {}
        balls: dict[str, list[Ball]] = {}
        for pad in self.pads:
            if pad.net:
                pads.setdefault(pad.net, []).append(pad)
        for ball in self.balls:
            if ball.net:
                balls.setdefault(ball.net, []).append(ball)
        return {n: (tuple(pads.get(n, ())), tuple(balls.get(n, ()))) for n in (pads | balls)}

    @property
    def groups(self) -> dict[str, tuple[Group, Group]]:
        """Who asks for whom, by group: the pads that ask for balls, and the balls that ask for pads.

        Pads of the group "*" ask without a word: no pad of their net names a group, and no ball has their net.
        """
        served = {b.net for b in self.balls if b.net} | {p.net for p in self.pads if p.group}
        found: dict[str, tuple[list[Pad], list[Ball], list[Ball], list[Pad]]] = {}
        for pad in self.pads:
            if name := pad.group or ("" if pad.net in served else ANY):
                found.setdefault(name, ([], [], [], []))[0 if pad.net else 3].append(pad)  # type: ignore[arg-type]
        for ball in self.balls:
            if ball.group:
                found.setdefault(ball.group, ([], [], [], []))[2 if ball.net else 1].append(ball)  # type: ignore[arg-type]
        return {
            name: (Group(tuple(pads), tuple(free_balls)), Group(tuple(balls), tuple(free_pads)))
            for name, (pads, free_balls, balls, free_pads) in found.items()
        }

    def assigned(self, taken: Mapping[str, str]) -> Chip:
        """The chip with the net that took each free pad or ball, by "pad NAME" or "ball NAME", as a routing plan says.

        Nobody asks any more; what nobody took stays free.
        """
        pads = tuple(_owned(p, taken.get(f"pad {p.name}", "")) for p in self.pads)
        balls = tuple(_owned(b, taken.get(f"ball {b.name}", "")) for b in self.balls)
        return replace(self, pads=pads, balls=balls)


M = TypeVar("M", Pad, Ball)


def _owned(m: M, taker: str) -> M:
    """A pad or ball of the net of `taker`, if that is anybody's."""
    net = m.net or taker
    return replace(m, net=net, group="" if net else m.group)


def check(
    chip: Chip, file: str, *, any_terminals: bool = False, terminals: Collection[str] = ("pad", "ball")
) -> Chip:  # fmt: skip
    """The chip itself, if it can be built.

    `terminals`: what a chip of its process has, "pad", "ball", both or neither; where not both, nets join nothing.

    `any_terminals`: a net may join pads with pads only, or balls with balls only, if there are two at least, and the
    chip may have only the one or the other: so it is in DEF, whose nets know neither. In tables such a net is a slip.

    Raises:
        ChipError: with a problem for each pad or ball outside the die, each overlap, each ball on a pad's centre, each
            name used twice, each shape that is none, each net that has pads but no ball, or balls but no pad, and asks
            for none, and each group that has fewer to be taken than ask.
    """
    if problems := list(_problems(chip, file, any_terminals, terminals)):
        raise ChipError(problems)
    return chip


def _problems(chip: Chip, file: str, any_terminals: bool, terminals: Collection[str]) -> Iterator[Problem]:
    kinds: tuple[tuple[str, tuple[Pad | Ball, ...]], ...] = (("pad", chip.pads), ("ball", chip.balls))
    if any_terminals and not chip.pads and not chip.balls:
        yield Problem(file, "", "no net has two terminals on the routed layer; name another layer")
    for kind, members in kinds:
        if not members and not any_terminals and kind in terminals:
            yield Problem(file, "", f"the chip has no {kind}s; name at least one")
        elif members and kind not in terminals:
            yield Problem(file, f"chip.{kind}s", f"there are no {kind}s in this process and flow; leave them out")
        for name, count in Counter(m.name for m in members).items():
            if count > 1:
                place = [m.place for m in members if m.name == name][-1]
                yield Problem(place or file, "", f"{kind} {name!r} stands {count} times; give each a name of its own")
        for m in members:
            if long := next((t for t in (m.name, m.net, m.group) if len(t) > MOST_LETTERS), None):
                message = f"{printable(long, 40)!r} has {len(long)} letters; a name has {MOST_LETTERS} at most"
                yield Problem(m.place or file, "", message)
            if not m.net and not m.group:
                message = f"{kind} {m.name!r} has neither a net nor a group; write a net, or * for one that is free"
                yield Problem(m.place or file, "", message)
    wrong = list(_no_shapes(chip, file))
    yield from wrong
    if not wrong:
        yield from _beyond_the_die(chip, file)
        yield from _overlaps(chip, file)
    if len({*terminals}) > 1:
        yield from _nets(chip, file, any_terminals)


def _no_shapes(chip: Chip, file: str) -> Iterator[Problem]:
    members = [(kind, m) for kind, all_of in (("pad", chip.pads), ("ball", chip.balls)) for m in all_of if m.polygon]
    shapes = [(f"the metal of {kind} {m.name!r}", m.place, m.polygon) for kind, m in members]
    shapes += [(f"the keep-out at {points[:1]}", "", points) for points in chip.keepouts]
    if chip.outline:
        shapes.append(("the outline", "", chip.outline))
    for what, place, points in shapes:
        good = len(points) > 2 and bool(np.isfinite(points).all())
        if not good or not (polygon := shapely.Polygon(points)).is_valid or not polygon.area:
            yield Problem(place or file, "", f"{what} is no simple polygon; mend its corners")
        elif what.startswith("the metal") and not polygon.contains(shapely.Point(0.0, 0.0)):
            yield Problem(place or file, "", f"{what} does not hold its centre; count its corners from there")
    if chip.outline and any(
        abs(a - b) > 1e-6 for a, b in zip(bounds(chip.outline), bounds(_box_of(chip)), strict=True)
    ):
        message = f"the outline does not fill the box (0, 0) to ({chip.width:g}, {chip.height:g}); mend either"
        yield Problem(file, "", message)


def _box_of(chip: Chip) -> Ring:
    return box(0.0, 0.0, chip.width, chip.height)


def _beyond_the_die(chip: Chip, file: str) -> Iterator[Problem]:
    die = shapely.Polygon(chip.outline) if chip.outline else None
    for ball in chip.balls:
        inside = 0 < ball.x < chip.width and 0 < ball.y < chip.height and _inside(chip, ball)
        if not inside or (die is not None and not die.contains(_spot(ball))):
            yield Problem(ball.place or file, "", f"ball {ball.name!r} {_outside(chip, ball.x, ball.y)}")
    for pad in chip.pads:
        if not _inside(chip, pad) or (die is not None and not die.covers(_spot(pad))):
            yield Problem(pad.place or file, "", f"pad {pad.name!r} {_outside(chip, pad.x, pad.y)}")


def _spot(m: Pad | Ball) -> shapely.Geometry:
    metal = m.metal
    return shapely.Polygon(metal) if metal else shapely.Point(m.x, m.y)


def _inside(chip: Chip, m: Pad | Ball) -> bool:
    if not m.polygon:
        w, h = m.width / 2, m.height / 2
        return w <= m.x <= chip.width - w and h <= m.y <= chip.height - h
    x0, y0, x1, y1 = bounds(m.metal)
    return x0 >= 0 and y0 >= 0 and x1 <= chip.width and y1 <= chip.height


def _outside(chip: Chip, x: Um, y: Um) -> str:
    die = f"{'outline in the box' if chip.outline else 'die'} of {chip.width:g} x {chip.height:g} um"
    return f"at ({x:g}, {y:g}) is not inside the {die}, whose lower-left corner is (0, 0); move it, or mend the size"


def _overlaps(chip: Chip, file: str) -> Iterator[Problem]:
    pads = chip.pads
    metal = _areas(pads)
    for a, b in zip(*shapely.STRtree(metal).query(metal, predicate="intersects").tolist(), strict=True):
        if a < b:
            message = f"pads {pads[a].name!r} and {pads[b].name!r} overlap; move or shrink one"
            yield Problem(pads[b].place or file, "", message)
    balls = chip.balls
    points = shapely.points([(b.x, b.y) for b in balls]) if balls else np.array([], dtype=object)
    for a, b in zip(*shapely.STRtree(points).query(points, predicate="dwithin", distance=1e-3).tolist(), strict=True):
        if a < b:
            message = f"balls {balls[a].name!r} and {balls[b].name!r} stand at the same place; move one"
            yield Problem(balls[b].place or file, "", message)
    centres = shapely.points([(p.x, p.y) for p in pads]) if pads else np.array([], dtype=object)
    for b, a in zip(*shapely.STRtree(centres).query(points, predicate="dwithin", distance=1e-3).tolist(), strict=True):
        if not pads[a].net or pads[a].net != balls[b].net:  # else a process may want just that
            message = f"ball {balls[b].name!r} stands on the centre of pad {pads[a].name!r}; move the ball"
            yield Problem(balls[b].place or file, "", message)
    yield from _shorts(chip, file, metal)


def _shorts(chip: Chip, file: str, pad_metal: np.ndarray[tuple[int], np.dtype[np.object_]]) -> Iterator[Problem]:
    """Balls that have metal of their own, on that of another net."""
    balls = [b for b in chip.balls if b.metal]
    metal = _areas(balls)
    for a, b in zip(*shapely.STRtree(metal).query(metal, predicate="intersects").tolist(), strict=True):
        if a < b and (balls[a].x, balls[a].y) != (balls[b].x, balls[b].y):
            message = f"balls {balls[a].name!r} and {balls[b].name!r} overlap; move or shrink one"
            yield Problem(balls[b].place or file, "", message)
    for b, a in zip(*shapely.STRtree(pad_metal).query(metal, predicate="intersects").tolist(), strict=True):
        if balls[b].net != chip.pads[a].net:
            message = f"ball {balls[b].name!r} overlaps pad {chip.pads[a].name!r} of another net; move or shrink one"
            yield Problem(balls[b].place or file, "", message)


def _areas(members: Sequence[Pad | Ball]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    areas = shapely.box(
        np.array([m.x - m.width / 2 for m in members]), np.array([m.y - m.height / 2 for m in members]),
        np.array([m.x + m.width / 2 for m in members]), np.array([m.y + m.height / 2 for m in members]),
    )  # fmt: skip
    for i, m in enumerate(members):
        if m.polygon:
            areas[i] = shapely.Polygon(m.metal)
    return areas


def _nets(chip: Chip, file: str, any_terminals: bool) -> Iterator[Problem]:
    groups = chip.groups
    served = {  # nets with a member that asks, and is looked at with its group
        m.net
        for name, pair in groups.items()
        for group in pair
        for m in group.askers
        if name != ANY or group.free or m.group
    }
    for net, (pads, balls) in chip.nets.items():
        if net in served or (any_terminals and len(pads) + len(balls) > 1):
            continue
        if not balls:
            place = pads[0].place or file
            yield Problem(place, "", f"net {net!r} of pad {pads[0].name!r} has no ball; add a ball with this net")
        if not pads:
            place = balls[0].place or file
            yield Problem(place, "", f"net {net!r} of ball {balls[0].name!r} has no pad; add a pad with this net")
    for name, (for_balls, for_pads) in groups.items():
        for asker, wanted, group in (("pad", "ball", for_balls), ("ball", "pad", for_pads)):
            asks = [m for m in group.askers if m.net in served]
            if len(asks) > len(group.free):
                first = asks[len(group.free)]
                message = (
                    f"{asker} {first.name!r} asks for a free {wanted} of group {name!r}, which has "
                    f"{len(group.free)} for {len(asks)} {asker}s; free more {wanted}s (net *), or give it a net's own"
                )
                yield Problem(first.place or file, "", message)
        if for_balls.free and for_pads.free:
            first = for_pads.free[0]
            message = f"group {name!r} has free pads and free balls; give the one or the other another name"
            yield Problem(first.place or file, "", message)
