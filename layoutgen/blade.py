"""What one pass of the blade takes at each depth: vertical, V or U, between its least and its worst.

A groove of depth D below the face that it enters is, at a depth d and so at the height h = D - d over its bottom, as
wide as the tip (vertical); the tip + 2 h tan(angle / 2) (V); or the tip, rounded at the bottom by half of it (U).
Surely removed is what the narrowest tip takes in the shallowest groove with the steepest walls, less the tolerance of
its place; touched may be what the widest takes in the deepest with the flattest, and tolerance and chipping on top.
Lengths in um, angles in degrees.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from layoutgen import derive, tomlfile
from layoutgen.tomlfile import Model, OnWafer, PositiveOnWafer
from layoutgen.units import Deg, Um

Name = Annotated[str, Field(pattern=tomlfile.PLAIN_NAME)]
UmOrText = Annotated[
    Annotated[OnWafer, Tag("[one]")] | Annotated[str, Tag("[text]")],
    Discriminator(lambda value: "[text]" if isinstance(value, str) else "[one]"),
]
"""A length, or an expression over the stack."""


class Blade(Model):
    """One pass along every street: kerf between `kerf_min` and `kerf_max` at the tip, known to +-`tolerance`."""

    name: Name = "blade"
    kerf_min: PositiveOnWafer
    kerf_max: PositiveOnWafer
    tolerance: OnWafer
    """Of its place: index, theta and wander together."""
    chipping: OnWafer = 0.0
    profile: Literal["vertical", "v", "u"] = "vertical"
    angle: Deg | None = Field(default=None, gt=0, lt=180)
    """Between the walls of a V."""
    angle_tolerance: Deg = Field(default=0.0, ge=0)
    depth: UmOrText | None = None
    """From the face it enters to the bottom of the groove; left out: it cuts through."""
    depth_tolerance: OnWafer = 0.0
    side: Literal["front", "rear"] = "front"
    """The face of the wafer that it enters."""

    def resolved(self, number: derive.Number) -> Blade:
        """With numbers in place of expressions over the stack.

        Raises:
            ValueError, UnknownNameError: an expression has no value.
        """
        return self.model_copy(update={"depth": length(self.depth, number)})

    @property
    def removed(self) -> Um:
        """Half width of what is surely gone at the tip: |x| <= kerf_min / 2 - tolerance."""
        return self.kerf_min / 2 - self.tolerance

    @property
    def touched(self) -> Um:
        """Half width of what may be gone or harmed where it is widest: with vertical walls, |x| <= kerf_max / 2 +
        tolerance + chipping."""
        return self.maybe(0.0)

    @property
    def deep(self) -> Um:
        """How deep it goes, once expressions have their values; 0: through."""
        return 0.0 if self.depth is None or isinstance(self.depth, str) else float(self.depth)

    @property
    def ratio(self) -> float:
        """How often the deepest groove is as deep as it is wide at the face it enters, where it is narrowest."""
        deepest = self.deep + self.depth_tolerance
        return deepest / (2 * self._half(deepest, self.kerf_min, -self.angle_tolerance))

    def height(self, below: Um) -> Um:
        """How high over the bottom of the shallowest groove a depth lies; below 0: not reached."""
        return self.deep - self.depth_tolerance - below

    def width(self, below: Um) -> Um:
        """As wide as it is meant to be at a depth."""
        return 2 * self._half(self.deep - below, (self.kerf_min + self.kerf_max) / 2, 0.0)

    def sure(self, below: Um) -> Um:
        """Half width of what is surely gone at a depth; 0: nothing."""
        return max(0.0, self._half(self.height(below), self.kerf_min, -self.angle_tolerance) - self.tolerance)

    def maybe(self, below: Um) -> Um:
        """Half width of what may be gone or harmed at a depth; 0: nothing."""
        height = self.deep + self.depth_tolerance - below
        half = self._half(height, self.kerf_max, self.angle_tolerance)
        return half + self.tolerance + self.chipping if half else 0.0

    def _half(self, height: Um, kerf: Um, more: Deg) -> Um:
        """Half width of a groove at a height over its bottom. more: degrees by which a V is off its angle."""
        if self.depth is None:
            return kerf / 2
        if height < -1e-9:
            return 0.0
        height = max(height, 0.0)
        if self.profile == "v" and self.angle is not None:
            return kerf / 2 + height * math.tan(math.radians(self.angle + more) / 2)
        if self.profile == "u" and height < kerf / 2:
            return math.sqrt(height * (kerf - height))
        return kerf / 2

    def complaints(self) -> list[tuple[str, str]]:
        """What contradicts itself, once expressions have their values: key, and what is wrong with it."""
        out = []
        if self.kerf_min > self.kerf_max or self.removed <= 0:
            out.append(("", "kerf_min must not exceed kerf_max, and must exceed 2 * tolerance"))
        if self.profile == "v" and self.angle is None:
            out.append(("angle", "is missing; a V needs the angle between its walls"))
        if self.profile != "v" and self.angle is not None:
            out.append(("angle", 'is of a V; take it away, or give profile = "v"'))
        if self.angle is not None and not self.angle_tolerance < min(self.angle, 180 - self.angle):
            out.append(("angle_tolerance", f"must be less than {min(self.angle, 180 - self.angle):g}"))
        if self.angle is None and self.angle_tolerance:
            out.append(("angle_tolerance", "is of a V; take it away"))
        if self.profile != "vertical" and self.depth is None:
            out.append(("depth", f"is missing; what a {self.profile.upper()} takes depends on it"))
        if self.depth is None and self.depth_tolerance:
            out.append(("depth_tolerance", "needs depth"))
        if self.depth is not None and self.deep <= self.depth_tolerance:
            out.append(("depth", "must exceed depth_tolerance, or nothing is surely cut"))
        return out


def length(text: float | str | None, number: derive.Number) -> Um | None:
    """A length, or the value of an expression over the stack."""
    return round(derive.value(text, number), 9) if isinstance(text, str) else text
