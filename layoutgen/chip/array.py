"""A chip made from a few numbers: an array of balls, a ring of pads, and nets that can be routed in one plane."""

from __future__ import annotations

import math

from layoutgen.chip.model import Ball, Chip, Pad
from layoutgen.units import Um

ROW_LETTERS = "ABCDEFGHJKLMNPRTUVWY"  # as ball maps are lettered (JEDEC): no I, O, Q, S, X, Z


def array_chip(
    name: str, *, columns: int, rows: int, pitch: Um, margin: Um, pad_size: tuple[Um, Um], pad_inset: Um
) -> Chip:
    """`columns` x `rows` balls at `pitch`, `margin` from the outermost centres to the die edge; a pad for each ball.

    Pads stand along the four edges, centres `pad_inset` from the edge, spread evenly. Nets follow the angle about the
    die centre, for pads and balls alike, so that wires need not cross. All um.
    """
    width, height = (columns - 1) * pitch + 2 * margin, (rows - 1) * pitch + 2 * margin
    count = columns * rows
    centre = (width / 2, height / 2)

    def angle(at: tuple[Um, Um]) -> tuple[float, float]:
        x, y = at[0] - centre[0], at[1] - centre[1]
        return round(math.atan2(y, x), 9), -math.hypot(x, y)

    balls = {
        f"{row_name(r)}{c + 1}": (margin + c * pitch, height - margin - r * pitch)
        for r in range(rows)
        for c in range(columns)
    }
    by_angle = sorted(balls, key=lambda b: angle(balls[b]))
    spots = sorted(_around(width, height, pad_inset, count), key=angle)
    nets = {ball: f"N{i + 1}" for i, ball in enumerate(by_angle)}
    pads = [Pad(f"P{i + 1}", f"N{i + 1}", *spot, *pad_size) for i, spot in enumerate(spots)]
    return Chip(name, width, height, tuple(pads), tuple(Ball(b, nets[b], *at) for b, at in balls.items()))


def row_name(index: int) -> str:
    """Letters of a ball row counted from 0: A, B, ... Y, AA, AB, ...; never runs out."""
    name = ""
    index += 1
    while index > 0:
        index, rest = divmod(index - 1, len(ROW_LETTERS))
        name = ROW_LETTERS[rest] + name
    return name


def _around(width: Um, height: Um, inset: Um, count: int) -> list[tuple[Um, Um]]:
    """`count` points spread over the four edges in proportion to their lengths, corners kept free."""
    share = width / (width + height)
    bottom = max(1, round(count * share / 2))
    top = max(1, round(count * share) - bottom)
    left = max(1, (count - bottom - top) // 2)
    right = max(0, count - bottom - top - left)
    edges = [(bottom, True, inset), (right, False, width - inset), (top, True, height - inset), (left, False, inset)]
    out: list[tuple[Um, Um]] = []
    for n, horizontal, across in edges:
        length = width if horizontal else height
        for k in range(n):
            along = round(length * (k + 1) / (n + 1), 3)
            out.append((along, across) if horizontal else (across, along))
    return out[:count]
