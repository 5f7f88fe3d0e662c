"""Dies compared by what labels say where in them: with most others of their size, or with the chip that all should be.

A net that is whole tells nothing of a die that was turned together with its labels, or emptied together with them: only
another die does, or the chip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np

from layoutgen.chip import Chip
from layoutgen.connect.edge import Edge
from layoutgen.connect.rules import NETS
from layoutgen.connect.terminals import Dies, Ints, Terminals
from layoutgen.connect.wafer import dies_in_words, moved_to, square
from layoutgen.findings import Finding
from layoutgen.units import DBU, dbu

Label = tuple[str, str, int, int]
"""Name, net, and where it stands from the die's lower left corner (database units)."""
Size = tuple[int, int]
TURNS = (
    "", "turned by 90 degrees", "turned by 180 degrees", "turned by 270 degrees", "mirrored top to bottom",
    "mirrored and turned by 90 degrees", "mirrored left to right", "mirrored and turned by 270 degrees",
)  # fmt: skip
"""By the codes of KLayout's motions."""
MOST = 50
"""Labels that differ from the chip and get a finding of their own; of those beyond, one says how many."""


@dataclass(frozen=True)
class Design:
    """What labels say in some dies of a size (database units): the same in all of them."""

    size: Size
    labels: frozenset[Label]
    dies: tuple[int, ...]


def designs(t: Terminals, dies: Dies) -> list[Design]:
    """The dies by their size and labels, those that most are alike of first."""
    at = t.at - dies.boxes[t.die, :2]
    rows = np.column_stack([t.name, t.net, at])
    ends = np.searchsorted(t.die, np.arange(len(dies.boxes) + 1))
    sizes = dies.boxes[:, 2:] - dies.boxes[:, :2]
    found: dict[tuple[Size, bytes], list[int]] = {}
    for k, (width, height) in enumerate(sizes.tolist()):
        found.setdefault(((width, height), rows[ends[k] : ends[k + 1]].tobytes()), []).append(k)
    out = []
    for (size, _), some in found.items():
        mine = rows[ends[some[0]] : ends[some[0] + 1]].tolist()
        labels = frozenset((t.names[name], t.nets[net], x, y) for name, net, x, y in mine)
        out.append(Design(size, labels, tuple(some)))
    return sorted(out, key=lambda d: (-len(d.dies), -len(d.labels), d.dies))


def compared(t: Terminals, dies: Dies, edge: Edge, say: Callable[[str], None]) -> Iterator[Finding]:
    """Dies that are a copy of what most of their size are, and yet not the same: turned, moved, without some labels.

    A copy is one with at most half as many dies. What is another design, and dies at the wafer's edge that have fewer
    labels than the others, are no finding: `say` is told which they are.
    """
    known = designs(t, dies)
    first: dict[Size, Design] = {}
    for design in known:
        first.setdefault(design.size, design)
    less = {k for d in known if d.labels < first[d.size].labels for k in d.dies}
    others: dict[Size, list[Design]] = {}
    for design in known:
        models = [first[size] for size in dict.fromkeys((design.size, design.size[::-1])) if size in first]
        models = [m for m in models if m is not design and len(m.dies) >= 2 * len(design.dies)]
        note = next(filter(None, (_difference(design, model) for model in models)), "")
        some = design.dies
        if note and less.issuperset(some):
            cut = [k for k, out in zip(some, edge.beyond(some, less), strict=True) if out]
            if cut:
                say(f"Dies at the wafer's edge with fewer labels than most: {dies_in_words(dies.names, cut)}")
            some = tuple(k for k in some if k not in cut)
        if note and some:
            yield _of_dies(dies, some, f"die {dies_in_words(dies.names, some)} {note}")
        elif not note and design is not first[design.size]:
            others.setdefault(design.size, []).append(design)
    for size, more in others.items():
        words = ", ".join(f"{len(d.dies)} as {dies.names[d.dies[0]]}" for d in (first[size], *more)[:8])
        wide, high = (v * DBU for v in size)
        say(f"Dies of {wide:g} x {high:g} um have {1 + len(more)} sets of labels, each judged by itself: {words}")


def _difference(design: Design, model: Design) -> str:
    """What is wrong with a copy of a model; empty: it is none."""
    count = len(model.dies)
    for code in range(1, 8):
        if not design.labels or (model.size[::-1] if code % 2 else model.size) != design.size:
            continue
        if design.labels == turned(model.labels, model.size, code):
            return f"is {TURNS[code]} against {count} others, labels and all"
    if design.size != model.size:
        return ""
    lost, more = model.labels - design.labels, design.labels - model.labels
    if not design.labels:
        return f"has no label, where {count} others have {len(model.labels)}"
    if not more and not lost:
        return (
            f"has labels several times that {count} others have once, as of a die drawn twice, or the other way round"
        )
    if not more:
        return f"lacks {len(lost)} of the {len(model.labels)} labels that {count} others have, as {_name(lost)}"
    if Counter(label[:2] for label in design.labels) == Counter(label[:2] for label in model.labels):
        return f"has {len(more)} labels elsewhere than {count} others have them, as {_name(more)}"
    if 2 * len(design.labels & model.labels) > len(model.labels):
        return f"has {len(more)} labels that {count} others have not, as {_name(more)}"
    return ""


def _name(labels: Iterable[Label]) -> str:
    name, net, _, _ = min(labels)
    return name if name == f"label {net}" else f"{name} {net}"


def turned(labels: Iterable[Label], size: Size, code: int) -> frozenset[Label]:
    """Labels of a die that is turned or mirrored as KLayout's code says, again from its lower left corner."""
    motion = kdb.Trans(code % 4, code >= 4, 0, 0)
    box = kdb.Box(0, 0, *size).transformed(motion)
    moved = ((name, net, motion * kdb.Point(x, y)) for name, net, x, y in labels)
    return frozenset((name, net, p.x - box.left, p.y - box.bottom) for name, net, p in moved)


def _of_dies(dies: Dies, some: Iterable[int], note: str) -> Finding:
    """One finding over these dies."""
    boxes = dies.boxes[list(some)]
    x0, y0, x1, y1 = boxes[0].tolist()
    hull = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    return moved_to(Finding(NETS, polygon=hull, note=note), boxes[:, :2] - boxes[0, :2])


# against the chip -----------------------------------------------------------------------------------------------


def taken(chip: Chip, t: Terminals, dies: Dies) -> dict[str, str]:
    """Which nets labels say that the chip's free pads and balls have, as most dies say it."""
    free = {(m.name, dbu(m.x), dbu(m.y)): f"{kind} {m.name}"
            for kind, some in (("pad", chip.pads), ("ball", chip.balls)) for m in some if not m.net}  # fmt: skip
    out: dict[str, str] = {}
    for design in designs(t, dies) if free else ():
        for name, net, x, y in sorted(design.labels):
            if (member := free.get((name, x, y))) and net:
                out.setdefault(member, net)
    return out


def against_chip(chip: Chip, t: Terminals, dies: Dies, free: dict[str, str]) -> Iterator[Finding]:
    """Labels of two words that stand where the chip has something else, or have the name of what it has elsewhere."""
    size = dbu(chip.width), dbu(chip.height)
    meant = frozenset(
        (m.name, m.net or free.get(f"{kind} {m.name}", ""), dbu(m.x), dbu(m.y))
        for kind, some in (("pad", chip.pads), ("ball", chip.balls)) for m in some
    )  # fmt: skip
    at = {label[2:]: label for label in meant}
    names = {label[0] for label in meant}
    shown = 0
    for design in designs(t, dies):
        said = {label for label in design.labels if label[0] != f"label {label[1]}"}
        wrong = sorted(label for label in said - meant if label[2:] in at or label[0] in names)
        if not wrong:
            continue
        found = [code for code in range(1, 8) if said and said <= turned(meant, size, code)]
        if found:
            note = f"is {TURNS[found[0]]} against chip {chip.name}, labels and all"
            yield _of_dies(dies, design.dies, f"die {dies_in_words(dies.names, design.dies)} {note}")
            continue
        for name, net, x, y in wrong[: max(0, MOST - shown)]:
            other = at.get((x, y))
            has = f"has {_name([other])}" if other else f"has nothing, and {name} elsewhere"
            places = dies.boxes[list(design.dies), :2] + np.array([x, y])
            note = f"label {name} {net} stands where the chip {has}: in die {dies_in_words(dies.names, design.dies)}"
            yield moved_to(Finding(NETS, polygon=square(places[0]), note=note), places - places[0])
        if (left := len(wrong) - max(0, MOST - shown)) > 0:
            note = f"{left} more labels stand where the chip has something else"
            yield _of_dies(dies, design.dies, f"{note}: in die {dies_in_words(dies.names, design.dies)}")
        shown += len(wrong)


def of_its_size(chip: Chip, dies: Dies, edge: Edge, say: Callable[[str], None]) -> tuple[Ints, list[Finding]]:
    """The dies to compare with the chip, by number; and a finding for those that are not of its size.

    Left out, and told to `say`, are those that the wafer's edge cuts.
    """
    sizes = dies.boxes[:, 2:] - dies.boxes[:, :2]
    asked = np.array([dbu(chip.width), dbu(chip.height)])
    beyond = edge.beyond(range(len(dies.boxes)))
    if beyond.any():
        say(f"Dies at the wafer's edge, not compared: {dies_in_words(dies.names, np.flatnonzero(beyond).tolist())}")
    fits = (sizes == asked).all(axis=1)
    findings = []
    for size in np.unique(sizes[~fits & ~beyond], axis=0).tolist():
        some = np.flatnonzero((sizes == size).all(axis=1) & ~beyond).tolist()
        how = "turned by 90 degrees, or " if size == asked[::-1].tolist() else ""
        note = (
            f"die {dies_in_words(dies.names, some)} is {how}not of chip {chip.name}: {size[0] * DBU:g} x "
            f"{size[1] * DBU:g} um, and the chip {chip.width:g} x {chip.height:g}"
        )
        findings.append(_of_dies(dies, some, note))
    return np.flatnonzero(fits & ~beyond), findings
