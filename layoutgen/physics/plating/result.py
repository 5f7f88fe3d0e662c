"""What a plating network says: drops and thickness of every post, the worst one, spread, tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layoutgen.physics.plating.bath import Bath
from layoutgen.physics.plating.mesh import Floats
from layoutgen.physics.plating.wafer import Load, Network
from layoutgen.units import Ohm, Um


@dataclass(frozen=True, slots=True)
class Post:
    """One post of one die: its resistance, and how thick it gets over the mean."""

    die: str
    name: str
    net: str
    at: tuple[Um, Um]
    """On the wafer."""
    resistance: Ohm
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
    so exceeds the resistance between ring and post with every other post idle.
    thickness: the post's over the mean of all posts that are fed (1 = mean), in the bath `bath`.
    """

    network: Network
    bath: Bath
    resistance: tuple[Floats, ...]
    thickness: tuple[Floats, ...]

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
        """The fed post of the largest resistance; the first of those that are equal."""
        best: tuple[float, int, int, int] | None = None
        for kind, r in enumerate(self.resistance):
            if r.size:
                flat = int(np.argmax(np.where(np.isfinite(r), r, -1.0)))
                row, number = divmod(flat, r.shape[1])
                if best is None or r[row, number] > best[0]:
                    best = (float(r[row, number]), kind, row, number)
        if best is None:
            raise ValueError("there is no post")
        return self.one(*best[1:])

    def one(self, kind: int, row: int, number: int) -> Post:
        """A post by kind of die, number among the places of that kind, and number on the die."""
        wafer, metal = self.network.wafer, self.network.wafer.dies[kind]
        place = int(self.network.places[kind][row])
        name = list(metal.posts)[number]
        c = metal.posts[name].bbox().center()
        x, y = wafer.origins[place].tolist()
        return Post(
            wafer.names[place], name, metal.nets.get(name, ""), (round(x + c.x / 1000, 3), round(y + c.y / 1000, 3)),
            float(self.resistance[kind][row, number]), float(self.thickness[kind][row, number]),
        )  # fmt: skip

    def by_place(self, values: Sequence[Floats], worst: bool = False) -> Floats:
        """Of each place the mean, or the largest, of what is given by kind; infinite where a post is not fed."""
        out = np.full(len(self.network.wafer.names), np.nan)
        for places, v in zip(self.network.places, values, strict=True):
            if v.shape[1]:
                out[places] = v.max(axis=1) if worst else v.mean(axis=1)
        return out

    def csv(self) -> str:
        """A line for each post of each die: die, name, net, x and y (um), resistance (ohm), thickness over the mean.

        Lines follow the dies' order on the wafer; a post that no current reaches has "not fed" for its resistance.
        """
        file = io.StringIO()
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("die", "name", "net", "x_um", "y_um", "resistance_ohm", "thickness_over_mean"))
        rows = {int(p): (k, row) for k, places in enumerate(self.network.places) for row, p in enumerate(places)}
        for place in range(len(self.network.wafer.names)):
            kind, row = rows[place]
            for k in range(len(self.network.wafer.dies[kind].posts)):
                p = self.one(kind, row, k)
                values = (f"{p.resistance:.6g}", f"{p.thickness:.6f}") if p.fed else ("not fed", "")
                table.writerow((p.die, p.name, p.net, f"{p.at[0]:.3f}", f"{p.at[1]:.3f}", *values))
        return file.getvalue()

    def summary(self) -> str:
        """One line: worst post, mean, spread, and what is not fed."""
        if not any(np.isfinite(r).any() for r in self.resistance):
            return "no post is fed"
        w = self.worst
        line = (
            f"worst post {w.name} of die {w.die}: {w.resistance:.4g} ohm; mean {self.mean:.4g} ohm; "
            f"thickness spread +-{100 * self.spread:.2f} %"
        )
        return line + (f"; {self.unfed} posts are not fed" if self.unfed else "")

    def what_if(self, bus: Sequence[Um] = (), ties: Sequence[int] = (1,)) -> list[WhatIf]:
        """The same wafer with each of these bus widths (um) and numbers of ties a net, in the same bath.

        The ties of a net are thought side by side: what is tie conducts so many times as well. Whether wider buses and
        more ties have room is the rules' business.
        """
        widths: Sequence[Um | None] = [*bus] or [None]
        out = []
        for width in widths:
            for count in ties:
                found = analyse(self.network.wider(width, float(count)), self.bath)
                own = width if width is not None else max((b.width for b in self.network.wafer.bus), default=0.0)
                out.append(WhatIf(own, count, found.largest, found.mean, found.spread))
        return out

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
    g = 1e-12 / bath.resistance
    drop = network.solve(Load(g, g)).posts
    density = [np.where(np.isfinite(r), 1.0 - v, 0.0) for v, r in zip(drop, resistance, strict=True)]
    weight = [np.where(np.isfinite(r), d.areas, 0.0) for r, d in zip(resistance, network.dies, strict=True)]
    total = sum(float(w.sum()) for w in weight)
    mean = sum(float((w * j).sum()) for w, j in zip(weight, density, strict=True)) / total if total else 1.0
    return Plating(network, bath, resistance, tuple(j / mean for j in density))
