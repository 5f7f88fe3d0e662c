"""How DEF puts cells and pins in their places: the eight orientations, and shifts."""

from __future__ import annotations

from dataclasses import dataclass

from layoutgen.chip.shapes import Ring, fine, ring
from layoutgen.units import Um

TURNS: dict[str, tuple[int, int, int, int]] = {
    "N": (1, 0, 0, 1), "W": (0, -1, 1, 0), "S": (-1, 0, 0, -1), "E": (0, 1, -1, 0),
    "FN": (-1, 0, 0, 1), "FS": (1, 0, 0, -1), "FW": (0, 1, 1, 0), "FE": (0, -1, -1, 0),
}  # fmt: skip
"""Orientations as (a, b, c, d): (x, y) goes to (a x + b y, c x + d y)."""


@dataclass(frozen=True, slots=True)
class Move:
    """A turn about (0, 0), then a shift."""

    turn: str
    dx: Um
    dy: Um

    @classmethod
    def of(cls, width: Um, height: Um, turn: str) -> Move:
        """What puts the lower-left corner of the turned box on (0, 0)."""
        corners = [_turn(p, turn) for p in ((0.0, 0.0), (width, height))]
        x, y = (min(v) for v in zip(*corners, strict=True))
        return cls(turn, -x, -y)

    def point(self, p: tuple[Um, Um]) -> tuple[Um, Um]:
        """A point moved."""
        x, y = _turn(p, self.turn)
        return fine(x + self.dx), fine(y + self.dy)

    def ring(self, points: Ring) -> Ring:
        """A polygon moved."""
        return ring(self.point(p) for p in points)


def _turn(p: tuple[Um, Um], turn: str) -> tuple[Um, Um]:
    a, b, c, d = TURNS[turn]
    return a * p[0] + b * p[1], c * p[0] + d * p[1]
