"""A chip as data, and what must hold before anything is drawn on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import shapely

from layoutgen.errors import ChipError, Problem
from layoutgen.units import Um


@dataclass(frozen=True, slots=True)
class Pad:
    """An I/O pad: name, net, centre and size of its metal (um). `place` says where it was read, for messages."""

    name: str
    net: str
    x: Um
    y: Um
    width: Um
    height: Um
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Ball:
    """Where a contact shall come out: name, net and centre (um)."""

    name: str
    net: str
    x: Um
    y: Um
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Chip:
    """Outline (0, 0) to (width, height) in um, which is the seal ring's outer edge; pads and balls with their nets."""

    name: str
    width: Um
    height: Um
    pads: tuple[Pad, ...]
    balls: tuple[Ball, ...]

    @property
    def nets(self) -> dict[str, tuple[tuple[Pad, ...], tuple[Ball, ...]]]:
        """Each net's pads and balls, in the order the tables name them."""
        pads: dict[str, list[Pad]] = {}
        balls: dict[str, list[Ball]] = {}
        for pad in self.pads:
            pads.setdefault(pad.net, []).append(pad)
        for ball in self.balls:
            balls.setdefault(ball.net, []).append(ball)
        return {n: (tuple(pads.get(n, ())), tuple(balls.get(n, ()))) for n in (pads | balls)}


def check(chip: Chip, file: str) -> Chip:
    """The chip itself, if it can be built.

    Raises:
        ChipError: with a problem for each pad or ball outside the die, each overlap, each ball on a pad's centre, each
            name used twice, and each net that has pads but no ball, or balls but no pad.
    """
    if problems := list(_problems(chip, file)):
        raise ChipError(problems)
    return chip


def _problems(chip: Chip, file: str) -> Iterator[Problem]:
    kinds: tuple[tuple[str, tuple[Pad | Ball, ...]], ...] = (("pad", chip.pads), ("ball", chip.balls))
    for kind, members in kinds:
        if not members:
            yield Problem(file, "", f"the chip has no {kind}s; name at least one")
        for name, count in Counter(m.name for m in members).items():
            if count > 1:
                place = [m.place for m in members if m.name == name][-1]
                yield Problem(place or file, "", f"{kind} {name!r} stands {count} times; give each a name of its own")
    for ball in chip.balls:
        if not (0 < ball.x < chip.width and 0 < ball.y < chip.height):
            yield Problem(ball.place or file, "", f"ball {ball.name!r} {_outside(chip, ball.x, ball.y)}")
    for pad in chip.pads:
        w, h = pad.width / 2, pad.height / 2
        if not (w <= pad.x <= chip.width - w and h <= pad.y <= chip.height - h):
            yield Problem(pad.place or file, "", f"pad {pad.name!r} {_outside(chip, pad.x, pad.y)}")
    yield from _overlaps(chip, file)
    for net, (pads, balls) in chip.nets.items():
        if not balls:
            place = pads[0].place or file
            yield Problem(place, "", f"net {net!r} of pad {pads[0].name!r} has no ball; add a ball with this net")
        if not pads:
            place = balls[0].place or file
            yield Problem(place, "", f"net {net!r} of ball {balls[0].name!r} has no pad; add a pad with this net")


def _outside(chip: Chip, x: Um, y: Um) -> str:
    return (
        f"at ({x:g}, {y:g}) is not inside the die of {chip.width:g} x {chip.height:g} um, whose lower-left corner is "
        "(0, 0); move it, or mend the size"
    )


def _overlaps(chip: Chip, file: str) -> Iterator[Problem]:
    pads = chip.pads
    boxes = shapely.box(
        np.array([p.x - p.width / 2 for p in pads]), np.array([p.y - p.height / 2 for p in pads]),
        np.array([p.x + p.width / 2 for p in pads]), np.array([p.y + p.height / 2 for p in pads]),
    )  # fmt: skip
    for a, b in zip(*shapely.STRtree(boxes).query(boxes, predicate="intersects").tolist(), strict=True):
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
        message = f"ball {balls[b].name!r} stands on the centre of pad {pads[a].name!r}; move the ball"
        yield Problem(balls[b].place or file, "", message)
