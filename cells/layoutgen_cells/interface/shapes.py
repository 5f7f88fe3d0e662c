"""Shapes of openings around (0, 0), counter-clockwise, in whole database units: all lengths come and go as such."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from layoutgen.units import IntPoints

Shape = Literal["circle", "square", "octagon", "hexagon", "slot", "cross"]


def outline(shape: Shape, size: int, *, length: int = 0, arm: int = 0, points: int = 64) -> IntPoints:
    """Corners of an opening `size` across (even): of a slot its width, with round ends cut like an octagon's.

    length: of a slot, along x. arm: width of a cross's arms. points: corners of a circle, whose sides touch it.
    """
    h = size // 2
    match shape:
        case "square":
            corners = [(-h, -h), (h, -h), (h, h), (-h, h)]
        case "circle":
            angle = (np.arange(points) + 0.5) * (2 * math.pi / points)
            radius = size / 2 / math.cos(math.pi / points)
            x, y = np.rint(np.abs(radius * np.cos(angle))), np.rint(np.abs(radius * np.sin(angle)))
            return np.column_stack([np.copysign(x, np.cos(angle)), np.copysign(y, np.sin(angle))]).astype(np.int64)
        case "octagon":
            b = round(h * math.tan(math.pi / 8))
            corners = [(h, -b), (h, b), (b, h), (-b, h), (-h, b), (-h, -b), (-b, -h), (b, -h)]
        case "hexagon":  # flat sides left and right
            b, top = round(h / math.sqrt(3)), round(size / math.sqrt(3))
            corners = [(h, -b), (h, b), (0, top), (-h, b), (-h, -b), (0, -top)]
        case "slot":
            half, b = max(length, size) // 2, h - round(h * math.tan(math.pi / 8))
            corners = [
                (half, -h + b), (half, h - b), (half - b, h), (-half + b, h),
                (-half, h - b), (-half, -h + b), (-half + b, -h), (half - b, -h),
            ]  # fmt: skip
        case "cross" if arm >= size:
            return outline("square", size)
        case "cross":
            a = arm // 2
            quarter, turn = np.array([(a, -h), (a, -a), (h, -a)]), np.array([[0, 1], [-1, 0]])
            return np.vstack([quarter @ np.linalg.matrix_power(turn, k) for k in range(4)]).astype(np.int64)
    return np.array(corners, dtype=np.int64)


def area2(corners: IntPoints) -> int:
    """Twice the area of a polygon."""
    x, y = corners.T
    return int(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def turned(corners: IntPoints, angle: float) -> IntPoints:
    """Turned around (0, 0) by an angle in radians, rounded."""
    c, s = math.cos(angle), math.sin(angle)
    out: IntPoints = np.rint(corners @ np.array([[c, s], [-s, c]])).astype(np.int64)
    return out


def reaches(corners: IntPoints) -> tuple[float, float]:
    """Radius of the largest circle around (0, 0) within it, and of the least around all of it."""
    following = np.roll(corners, -1, axis=0)
    along = following - corners
    feet = np.clip(-(corners * along).sum(axis=1) / (along**2).sum(axis=1), 0, 1)
    near = np.hypot(*(corners + feet[:, None] * along).T)
    return float(near.min()), float(np.hypot(*corners.T).max())
