"""The cut list: what the saw is told, one line a cut, and the proof that it parts all dies and harms nothing.

Each pass of the process (a blade, or several one after the other) cuts in two turns, all streets of one direction and
then, turned by 90 degrees, all of the other; within a turn from the lowest coordinate up, as a saw indexes. Lengths in
um, the origin at the wafer's centre.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import klayout.db as kdb
import numpy as np
import numpy.typing as npt

from layoutgen.blade import Blade
from layoutgen.findings import Finding, Hull, RuleResult, Status
from layoutgen.kerf import Step
from layoutgen.pdk import Cut
from layoutgen.units import Um, dbu
from layoutgen.wafer import Grid, Rim

CUTS_RULE = "CUTS"
CUTS_TEXT = "the cut list cuts every street once and in order, all that is drawn as removed, and nothing that must stay"
COLUMNS = ("cut", "pass", "along", "index", "centre", "start_x", "start_y", "end_x", "end_y", "kerf_min", "kerf_max")
STEPS = ("step", "after", "side", "profile", "angle", "depth")
"""Columns of a process that says more of its blades than their kerf: which pass, what came over the walls before it,
the face it enters, the form of the groove, the angle between its walls (degrees) and its depth (0: through)."""
Axis = Literal["x", "y"]


@dataclass(frozen=True, slots=True)
class SawCut:
    """One straight cut: along `along`, its middle at `centre` on the other axis, from `start` to `end` (um)."""

    number: int
    """From 1, in the order of cutting."""
    turn: int
    """1 or 2, of its pass; counted on in the next."""
    along: Axis
    index: int
    """From 1 within the pass."""
    centre: Um
    start: Um
    end: Um
    blade: int = 0
    """Which of the process's passes, from 0."""

    def band(self, half: Um) -> kdb.Box:
        """What lies within `half` um of its centre line, in database units."""
        low, high, a, b = (dbu(v) for v in (self.start, self.end, self.centre - half, self.centre + half))
        return kdb.Box(low, a, high, b) if self.along == "x" else kdb.Box(a, low, b, high)


def cut_list(cut: Cut, rim: Rim, grid: Grid, step: Step) -> tuple[SawCut, ...]:
    """Every street of the wafer as a cut of each pass, in the order of cutting.

    A street runs on both sides of each row and column, drop-ins included. A cut goes across the whole wafer, its band
    beyond the edge on either side; or, where the process ends cuts at the dies, as far as the blade's band beyond the
    street that crosses the last of them.
    """
    places = np.array(grid.places)
    out: list[SawCut] = []
    second: Axis = "y" if cut.first == "x" else "x"
    turns = [(k, blade, along) for k, blade in enumerate(cut.passes) for along in (cut.first, second)]
    for turn, (number, blade, along) in enumerate(turns, 1):
        across = 1 if along == "x" else 0  # the axis on which the streets are counted
        size, ahead = grid.pitch[across], grid.pitch[1 - across]
        base, start = (grid.origin[k] + step.box[k] for k in (across, 1 - across))
        lines = sorted({int(k) + more for k in places[:, across] for more in (0, 1)})
        for index, line in enumerate(lines, 1):
            centre = round(base + line * size, 3)
            if cut.ends == "rim":
                chord = math.sqrt(max(0.0, (rim.diameter / 2) ** 2 - max(0.0, abs(centre) - blade.touched) ** 2))
                low, high = -chord, chord
            else:
                beside = places[(places[:, across] == line) | (places[:, across] == line - 1)][:, 1 - across]
                low = start + int(beside.min()) * ahead - blade.touched
                high = start + (int(beside.max()) + 1) * ahead + blade.touched
            out.append(SawCut(len(out) + 1, turn, along, index, centre, round(low, 3), round(high, 3), number))
    return tuple(out)


def csv_text(cuts: Sequence[SawCut], cut: Cut) -> str:
    """The list as a table: each cut's order, pass, direction, centre line, ends and kerf, all lengths in um."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    more = _more(cut)
    table.writerow((*COLUMNS, *(STEPS if more else ())))
    for c in cuts:
        blade = cut.passes[c.blade]
        ends = (c.start, c.centre, c.end, c.centre) if c.along == "x" else (c.centre, c.start, c.centre, c.end)
        lengths = (c.centre, *ends, blade.kerf_min, blade.kerf_max)
        row = (c.number, c.turn, c.along, c.index, *(f"{v + 0.0:.3f}" for v in lengths))
        table.writerow((*row, *more[c.blade]) if more else row)
    return text.getvalue()


def _more(cut: Cut) -> list[tuple[str, ...]]:
    """Of each pass, what its kerf does not say; nothing where the process does not say it either."""
    if not cut.then and cut.depth is None and cut.side == "front":
        return []
    before: list[list[str]] = [[]]
    for step in cut.then:
        if step.cut:
            before.append([])
        else:
            before[-1].append(step.layer)
    after = [[], *before]  # what is said behind a pass came before the next one
    return [
        (b.name, " ".join(after[k]), b.side, b.profile, f"{b.angle:g}" if b.angle else "", f"{b.deep:.3f}")
        for k, b in enumerate(cut.passes)
    ]


def check_cuts(
    cuts: Sequence[SawCut], cut: Cut, street: tuple[Um, Um], found: Callable[[str], kdb.Region]
) -> RuleResult:
    """Whether a cut list does to a wafer what its drawing says.

    `street` is its width in x and y (um); `found` gives the whole wafer's drawn layers. A finding for each side of a
    die along whose whole length not exactly one cut of each pass runs, for each cut that comes too late or is numbered
    otherwise than it comes, for each die and each layer that must stay that a blade at its worst may touch, and for
    what is drawn as surely removed, at whichever level, and is not.
    """
    dies = found("die").merged()
    sides = _boxes(dies)
    findings: list[Finding] = []
    for number, blade in enumerate(cut.passes):
        by = f" by pass {blade.name!r}" if len(cut.passes) > 1 else ""
        for axis, along in enumerate("yx"):
            mine = [c for c in cuts if c.along == along and c.blade == number]
            findings += _streets(mine, axis, sides, street[axis], by)
    findings += _disorder(cuts, cut)
    worst = kdb.Region()
    for c in cuts:
        worst.insert(c.band(cut.passes[c.blade].touched))
    for name in ("die", *cut.keeps):
        for piece in (worst & (dies if name == "die" else found(name))).merged().each():
            findings.append(
                Finding(CUTS_RULE, polygon=_hull(piece), note=f"a cut may take this of {name}, which stays")
            )
    for name, half in cut.bands().items():
        if name.startswith("cut_sure"):
            sure = kdb.Region([kdb.Polygon(c.band(half)) for c in cuts if c.blade == 0 and half])
            at = name.removeprefix("cut_sure").replace("@", " at level ")
            for piece in (found(name) - sure).merged().each():
                note = f"drawn as removed{at}, and no cut surely takes it"
                findings.append(Finding(CUTS_RULE, polygon=_hull(piece), note=note))
    return RuleResult(CUTS_RULE, CUTS_TEXT, Status.RUN, "", tuple(findings))


def _disorder(cuts: Sequence[SawCut], cut: Cut) -> Iterator[Finding]:
    """Cuts that come after one that they must come before, or whose numbers are not those of their place.

    Pass by pass, in each all of the first direction, then all of the other; in each of these turns from the lowest
    coordinate up. A number is asked to follow the one before, so that one that is wrong is one finding or two.
    """
    before: SawCut | None = None
    for c in cuts:
        turn = 2 * c.blade + (1 if c.along == cut.first else 2)
        wrong = []
        number, index = 1, 1
        if before is not None:
            last = 2 * before.blade + (1 if before.along == cut.first else 2)
            number, index = before.number + 1, before.index + 1 if turn == last else 1
            if (turn, dbu(c.centre)) <= (last, dbu(before.centre)):
                wrong.append(f"it comes after the one along {before.along} at {before.centre:g} um, not before it")
        asked = (("number", c.number, number), ("turn", c.turn, turn), ("index", c.index, index))
        wrong += [f"its {name} is {is_}, and should be {meant}" for name, is_, meant in asked if is_ != meant]
        if wrong:
            note = f"the cut along {c.along} at {c.centre:g} um is out of order: {', '.join(wrong)}"
            band = kdb.Polygon(c.band(cut.passes[c.blade].touched))
            yield Finding(CUTS_RULE, polygon=_hull(band), note=note)
        before = c


def _boxes(dies: kdb.Region) -> npt.NDArray[np.int64]:
    """(n, 4) left, bottom, right, top of each die in database units."""
    boxes = [(b.left, b.bottom, b.right, b.top) for b in (p.bbox() for p in dies.each())]
    return np.array(boxes, dtype=np.int64).reshape(-1, 4)


def _streets(cuts: Sequence[SawCut], axis: int, dies: npt.NDArray[np.int64], street: Um, by: str) -> Iterator[Finding]:
    """Sides of dies that not one of these parallel cuts, or more than one, runs by; they lie apart along `axis`.

    by: which pass these are of, in words.
    """
    table = sorted((dbu(c.centre), dbu(c.start), dbu(c.end)) for c in cuts)
    lines, low, high = np.array(table, dtype=np.int64).reshape(-1, 3).T
    width = dbu(street)
    for edge, shift in ((dies[:, axis], -width), (dies[:, axis + 2], 0)):
        first, last = edge + shift, edge + shift + width
        begin, end = np.searchsorted(lines, first, "left"), np.searchsorted(lines, last, "right")
        for k, die in enumerate(dies):
            here = slice(int(begin[k]), int(end[k]))
            whole = (low[here] <= die[1 - axis]) & (high[here] >= die[3 - axis])
            if len(whole) != 1 or not whole[0]:
                note = f"no cut runs along the whole of this side of the die{by}"
                if len(whole) > 1:
                    note = f"this street is cut {len(whole)} times{by}"
                yield Finding(CUTS_RULE, polygon=_side(die, axis, int(first[k]), int(last[k])), note=note)


def _side(die: npt.NDArray[np.int64], axis: int, first: int, last: int) -> Hull:
    """The street beside a die, as long as the die."""
    a, b = int(die[1 - axis]), int(die[3 - axis])
    box = kdb.Box(first, a, last, b) if axis == 0 else kdb.Box(a, first, b, last)
    return _hull(kdb.Polygon(box))


def _hull(shape: kdb.Polygon) -> Hull:
    return tuple((p.x, p.y) for p in shape.resolved_holes().each_point_hull())


def singulation(cut: Cut) -> list[dict[str, object]]:
    """What parts the dies, in order: each pass with its kerf, tolerance, profile, angle and depth (um, degrees; depth
    None: through), and each layer that comes over the walls in between. `touches`: the widest that may be gone."""
    steps: list[tuple[Blade | None, str]] = [(cut, ""), *((step.cut, step.layer) for step in cut.then)]
    out: list[dict[str, object]] = []
    for order, (blade, layer) in enumerate(steps, 1):
        if blade is None:
            out.append({"order": order, "layer": layer})
            continue
        out.append({
            "order": order, "cut": blade.name, "side": blade.side, "kerf": [blade.kerf_min, blade.kerf_max],
            "tolerance": blade.tolerance, "profile": blade.profile, "angle": blade.angle, "depth": blade.depth,
            "touches": round(2 * blade.touched, 3),
        })  # fmt: skip
    return out
