"""What a plating network says: drops and thickness of every post, the worst one, spread, tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layoutgen.errors import ParamError
from layoutgen.physics.plating.bath import Bath
from layoutgen.physics.plating.mesh import Floats
from layoutgen.physics.plating.wafer import Load, Network
from layoutgen.units import LARGEST, Ohm, Um

COLUMNS = ("die", "name", "net", "x_um", "y_um", "resistance_all_draw_ohm", "resistance_alone_ohm",
           "thickness_over_mean")  # fmt: skip
WHAT_IF_COLUMNS = ("bus_um", "ties_a_net", "worst_ohm", "mean_ohm", "thickness_spread")
LEAST_BUS: Um = 0.1
MOST_TIES = 1000
INFINITE, NOT_COMPUTED, NOT_FED = float("inf"), "not computed", "not fed,not fed,\n"


@dataclass(frozen=True, slots=True)
class Post:
    """One post of one die: its resistance, and how thick it gets over the mean."""

    die: str
    name: str
    net: str
    at: tuple[Um, Um]
    """On the wafer."""
    resistance: Ohm
    """While all posts draw the same current density."""
    alone: Ohm
    """While no other post draws anything; NaN where that was not computed."""
    thickness: float

    @property
    def fed(self) -> bool:
        """Whether the ring feeds it at all."""
        return bool(np.isfinite(self.resistance))


@dataclass(frozen=True)
class Plating:
    """Every post of a wafer.

    resistance: by kind of die, (places, posts), ohm: the drop from the contact ring to the post over the post's
    current, while all posts draw the same current density. It counts what all others draw through the same metal, and
    so exceeds `alone`.
    thickness: the post's over the mean of all posts that are fed (1 = mean), in the bath `bath`.
    """

    network: Network
    bath: Bath
    resistance: tuple[Floats, ...]
    thickness: tuple[Floats, ...]

    @cached_property
    def alone(self) -> tuple[Floats, ...] | None:
        """As `resistance`, but while no other post draws anything: what an ohmmeter shows between ring and post.

        None where so many nets have several ties that it would take minutes.
        """
        return self.network.alone()

    @cached_property
    def spread(self) -> float:
        """(thickest - thinnest) / (2 * mean) of all posts that are fed."""
        t = self._fed(self.thickness)
        return float((t.max() - t.min()) / 2) if len(t) else float("nan")

    @cached_property
    def largest(self) -> Ohm:
        """The resistance of the worst post that is fed."""
        r = self._fed(self.resistance)
        return float(r.max()) if len(r) else float("inf")

    @cached_property
    def mean(self) -> Ohm:
        """The mean resistance of all posts that are fed."""
        r = self._fed(self.resistance)
        return float(r.mean()) if len(r) else float("inf")

    @cached_property
    def unfed(self) -> int:
        """How many posts no current reaches."""
        return sum(int((~np.isfinite(r)).sum()) for r in self.resistance)

    @cached_property
    def worst(self) -> Post:
        """The fed post of the largest resistance; the first of those that are equal, but for rounding."""
        least = self.largest * (1 - 1e-9) if np.isfinite(self.largest) else np.inf
        for kind, r in enumerate(self.resistance):
            if (np.isfinite(r) & (r >= least)).any():
                row, number = divmod(int(np.argmax(np.isfinite(r) & (r >= least))), r.shape[1])
                return self.one(kind, row, number)
        raise ValueError("no post is fed")

    def one(self, kind: int, row: int, number: int) -> Post:
        """A post by kind of die, number among the places of that kind, and number on the die."""
        wafer, metal = self.network.wafer, self.network.wafer.dies[kind]
        place = int(self.network.places[kind][row])
        name = list(metal.posts)[number]
        c = metal.posts[name].bbox().center()
        x, y = wafer.origins[place].tolist()
        return Post(
            wafer.names[place], name, metal.nets.get(name, ""), (round(x + c.x / 1000, 3), round(y + c.y / 1000, 3)),
            float(self.resistance[kind][row, number]),
            float("nan") if self.alone is None else float(self.alone[kind][row, number]),
            float(self.thickness[kind][row, number]),
        )  # fmt: skip

    def by_place(self, values: Sequence[Floats], worst: bool = False) -> Floats:
        """Of each place the mean, or the largest, of what is given by kind; infinite where a post is not fed."""
        out = np.full(len(self.network.wafer.names), np.nan)
        for places, v in zip(self.network.places, values, strict=True):
            if v.shape[1]:
                out[places] = v.max(axis=1) if worst else v.mean(axis=1)
        return out

    def csv(self) -> str:
        """A line for each post of each die: die, name, net, x and y (um), both resistances (ohm), thickness over mean.

        Lines follow the dies' order on the wafer; a post that no current reaches has "not fed" for its resistances.
        """
        wafer = self.network.wafer
        blocks: list[str] = [""] * len(wafer.names)
        for kind, (places, metal) in enumerate(zip(self.network.places, wafer.dies, strict=True)):
            heads = [_cells((name, metal.nets.get(name, ""))) for name in metal.posts]
            centres = np.array([(c.x, c.y) for c in (p.bbox().center() for p in metal.posts.values())]).reshape(-1, 2)
            alone = None if self.alone is None else self.alone[kind]
            for row, place in enumerate(places.tolist()):
                at = (centres / 1000 + wafer.origins[place]).tolist()
                drop, thick = self.resistance[kind][row].tolist(), self.thickness[kind][row].tolist()
                idle = [None] * len(heads) if alone is None else alone[row].tolist()
                die = _cells((wafer.names[place],))
                blocks[place] = "".join([
                    f"{die},{head},{x:.3f},{y:.3f},"
                    + (f"{r:.6g},{NOT_COMPUTED if i is None else f'{i:.6g}'},{t:.6f}\n" if r < INFINITE else NOT_FED)
                    for head, (x, y), r, i, t in zip(heads, at, drop, idle, thick, strict=True)
                ])  # fmt: skip
        return "".join([_cells(COLUMNS), "\n", *blocks])

    def summary(self) -> str:
        """One line: worst post, mean, spread, and what is not fed."""
        if not any(np.isfinite(r).any() for r in self.resistance):
            return "no post is fed"
        w = self.worst
        line = f"worst post {w.name} of die {w.die}: {w.resistance:.4g} ohm while all posts draw"
        line += f" (mean {self.mean:.4g} ohm)"
        line += f", {w.alone:.4g} ohm alone" if np.isfinite(w.alone) else ""
        line += f"; thickness spread +-{100 * self.spread:.2f} %"
        return line + (f"; {self.unfed} posts are not fed" if self.unfed else "")

    def what_if(
        self, bus: Sequence[Um] = (), ties: Sequence[int] = (1,), progress: Callable[[str], None] = lambda _: None
    ) -> list[WhatIf]:
        """The same wafer with each of these bus widths (um) and numbers of ties a net, in the same bath.

        The ties of a net are thought side by side: what is tie conducts so many times as well. Whether wider buses and
        more ties have room is the rules' business, but a bus leaves some of each street. `progress` is
        told each combination as it begins.

        Raises:
            ParamError: a width is no length, or as wide as a street, or a number of ties is not whole or below 1.
        """
        room = self._room() if len(bus) else 0.0
        for wide in bus:
            if not (_is_number(wide) and LEAST_BUS <= wide < room):
                raise ParamError(f"what_if: bus={wide!r} must be from {LEAST_BUS:g} to below {room:g} um, the street")
        for number in ties:
            if not (_is_number(number) and number == int(number) and 1 <= number <= MOST_TIES):
                raise ParamError(f"what_if: ties={number!r} must be a whole number from 1 to {MOST_TIES}")
        if not len(ties):
            raise ParamError("what_if: ties is empty; give at least one number of ties a net, as [1]")
        widths: Sequence[Um | None] = [*bus] or [None]
        out = []
        for width in widths:
            for count in ties:
                own = width if width is not None else max((b.width for b in self.network.wafer.bus), default=0.0)
                progress(f"solving for a bus of {own:g} um and {count} ties a net")
                found = analyse(self.network.wider(width, float(count)), self.bath)
                out.append(WhatIf(own, count, found.largest, found.mean, found.spread))
        return out

    def _room(self) -> Um:
        """Twice the way from the middle of a bus to the nearest die that is tied to it."""
        return 2 * min((s.far for street, *_ in self.network.plan.streets for s in street.stubs), default=LARGEST)

    def _fed(self, values: Sequence[Floats]) -> Floats:
        both = zip(values, self.resistance, strict=True)
        return np.concatenate([np.zeros(0), *(v[np.isfinite(r)] for v, r in both)])


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A bus width (um) and ties a net, and what they lead to: worst and mean resistance (ohm), thickness spread."""

    bus: Um
    ties: int
    worst: Ohm
    mean: Ohm
    spread: float


def what_if_csv(found: Sequence[WhatIf]) -> str:
    """What-ifs as CSV: a line each, in the order of `WHAT_IF_COLUMNS`."""
    rows = (f"{w.bus:g},{w.ties},{w.worst:.6g},{w.mean:.6g},{w.spread:.6g}" for w in found)
    return "\n".join([",".join(WHAT_IF_COLUMNS), *rows]) + "\n"


def analyse(network: Network, bath: Bath | None = None) -> Plating:
    """Resistance and thickness of every post.

    Raises:
        PlatingError: the network cannot be made of this geometry.
    """
    bath = bath or Bath()
    even = network.solve(Load(1e-12))  # 1 A/m2
    resistance = tuple(
        v / (1e-12 * d.areas) for v, d in zip(even.posts, network.dies, strict=True)
    )  # fmt: skip
    # V = 1: each post would draw g * V without a drop in the metal, and draws g * (V - v)
    g = 1e-12 / bath.over(_coverage(network))
    drop = network.solve(Load(g, g)).posts
    density = [np.where(np.isfinite(r), 1.0 - v, 0.0) for v, r in zip(drop, resistance, strict=True)]
    weight = [np.where(np.isfinite(r), d.areas, 0.0) for r, d in zip(resistance, network.dies, strict=True)]
    total = sum(float(w.sum()) for w in weight)
    mean = sum(float((w * j).sum()) for w, j in zip(weight, density, strict=True)) / total if total else 1.0
    return Plating(network, bath, resistance, tuple(j / mean for j in density))


def _is_number(value: object) -> bool:
    """Whether it is a number, finite, and no truth value."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


def _coverage(network: Network) -> float:
    """The share of the dies' area that posts cover."""
    wafer = network.wafer
    count = np.bincount(wafer.kinds, minlength=len(wafer.dies))
    posts = sum(float(d.areas.sum()) * int(n) for d, n in zip(network.dies, count, strict=True))
    return posts / sum(d.width * d.height * int(n) for d, n in zip(wafer.dies, count, strict=True))


def _cells(values: Sequence[str]) -> str:
    """Some cells of a CSV line, without its end."""
    file = io.StringIO()
    csv.writer(file, lineterminator="").writerow(values)
    return file.getvalue()
