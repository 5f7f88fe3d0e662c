"""The kinds of checks, one file each; the file's docstring is the kind's documentation."""

from __future__ import annotations

from typing import Any

from layoutgen.drc.checks import (
    acute_corner,
    angle,
    area,
    aspect_ratio,
    bending,
    centred_on,
    closed_ring,
    connected,
    count,
    density,
    edge_distance,
    enclosure,
    exact_shape,
    exact_size,
    extension,
    grid,
    hole_area,
    inside,
    max_vertices,
    max_width,
    not_connected,
    notch,
    one_piece,
    outside,
    outside_or_inside,
    overlap,
    pitch,
    reaches_cut,
    sealed,
    separation,
    space,
    wide_space,
    width,
)
from layoutgen.drc.checks.kind import Kind, Task, read
from layoutgen.errors import PdkError, Problem, UnknownNameError
from layoutgen.pdk import Rule

__all__ = ["KINDS", "Kind", "Task", "task"]

KINDS: dict[str, Kind[Any]] = {
    kind.name: kind
    for kind in (
        width.KIND,
        max_width.KIND,
        space.KIND,
        notch.KIND,
        wide_space.KIND,
        separation.KIND,
        enclosure.KIND,
        outside_or_inside.KIND,
        extension.KIND,
        overlap.KIND,
        inside.KIND,
        outside.KIND,
        exact_size.KIND,
        exact_shape.KIND,
        area.KIND,
        hole_area.KIND,
        pitch.KIND,
        edge_distance.KIND,
        grid.KIND,
        density.KIND,
        aspect_ratio.KIND,
        count.KIND,
        centred_on.KIND,
        bending.KIND,
        connected.KIND,
        not_connected.KIND,
        one_piece.KIND,
        closed_ring.KIND,
        sealed.KIND,
        reaches_cut.KIND,
        angle.KIND,
        acute_corner.KIND,
        max_vertices.KIND,
    )
}


def task(name: str, rule: Rule) -> Task:
    """The rule, ready to run.

    Raises:
        PdkError: no such kind of check, or the rule's layers, limit or options do not fit it; all problems at once.
    """
    if rule.check not in KINDS:
        problem = str(UnknownNameError("kind of check", rule.check, KINDS))
        raise PdkError([Problem("", f"rules.{name}.check", problem)])
    return read(name, rule, KINDS[rule.check])
