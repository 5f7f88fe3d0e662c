"""Beams that stand on a die bend as the die and its board expand, and how far beyond yielding.

A beam is displaced by the difference of both expansions over its distance from the neutral point, which is the centre
of the die that it stands on: |board_expansion - die_expansion| x swing x distance. Reports each beam whose displacement
is more than `limit` times that at which it yields; at a limit of 1, each that yields. Up to 1 the value is the largest
stress over the yield stress; beyond, no stress is given, because none is real. A beam less than twice as high as wide
is no beam, and reported without a value; so is one displaced by more than a tenth of its height. The model, with its
sources and validity: `layoutgen.physics.beam`.

A beam stands on a die where the centre of its bounding box lies, the border included; one that stands on none is not
mounted on anything, and left out. Dies that abut are one die. The shape that is drawn is its section at the top.

Layers: beams, dies. Limit: the largest displacement, in displacements at which the beam yields; exactly that passes.

Options, of which each number may be an expression over the stack of the process ("level.NAME.FIELD"):
    height: of the beam, in um.
    modulus: Young's modulus, in GPa.
    poisson: Poisson's ratio (default 0.3).
    yield_stress: in MPa.
    die_expansion: of the die, in ppm/K.
    board_expansion: of what it is mounted on, in ppm/K.
    swing: by how much the temperature changes, in K.
    ends: "free" (default): the upper end may turn, as in solder; "guided": it is held against turning.
    foot: by how much the section stands out at the foot on each side, in um (default 0); less than 0: it draws in.
    waist: by how much it draws in half way up on each side, against the top, in um (default 0).

Example:
    [rules."POST.STRESS"]
    check = "bending"
    layers = ["post", "die"]
    limit = 1.0
    height = 120.0
    modulus = 130.0
    poisson = 0.34
    yield_stress = 193.0
    die_expansion = 2.6
    board_expansion = 16.0
    swing = 100.0
    why = "A post that yields with each swing of temperature breaks after some hundreds of them."
    source = "our judgement"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import shapely
from pydantic import Field

from layoutgen.drc.checks import marks
from layoutgen.drc.checks.kind import Kind, Task
from layoutgen.findings import Finding, Hull
from layoutgen.physics.beam import SMALL, Beam, Bent, Ends, Profile
from layoutgen.physics.expansion import displacements
from layoutgen.physics.sections import Section
from layoutgen.tomlfile import Model, NonNegativeUm, PositiveUm
from layoutgen.units import DBU, GPa, IntPoints, Kelvin, MPa, Points, PpmPerKelvin, Um

Bools = npt.NDArray[np.bool_]
TOO_FAR = f"more than {SMALL:g} of its height, up to which the formulas hold"


class Options(Model):
    height: PositiveUm
    modulus: GPa = Field(gt=0)
    poisson: float = Field(default=0.3, ge=0, lt=0.5)
    yield_stress: MPa = Field(gt=0)
    die_expansion: PpmPerKelvin
    board_expansion: PpmPerKelvin
    swing: Kelvin = Field(gt=0)
    ends: Ends = "free"
    foot: Um = 0.0
    waist: NonNegativeUm = 0.0

    @property
    def profile(self) -> Profile:
        """How the section stands out over the height."""
        middle: Profile = ((0.5, -self.waist),) if self.waist else ()
        return ((0.0, self.foot), *middle, (1.0, 0.0))

    def beam(self, section: Section) -> Beam:
        """A beam of this process."""
        return Beam(
            section, self.height, self.modulus, self.poisson, self.yield_stress, self.ends, self.profile
        )  # fmt: skip


@dataclass(frozen=True)
class Bending:
    """All beams of some dies; arrays of one value, or place, a beam.

    shape, at: number of the polygon, and where it is moved to (n, 2) in database units. arms: from the neutral point,
    um. bent: what becomes of them. wrong: by polygon, why nothing is known of it; empty else. far: whether a beam is
    displaced further than its formulas hold.
    """

    shape: IntPoints
    at: IntPoints
    arms: Points
    bent: Bent
    wrong: list[str]
    far: Bools


def bend(
    hulls: Sequence[Hull], at: Sequence[IntPoints], holes: Sequence[bool], dies: kdb.Region, options: Options
) -> Bending:
    """What becomes of all beams that stand on dies.

    hulls: corners of each polygon in database units. at: (n, 2) moves to where it stands. holes: whether it has any.
    """
    outlines = list(dies.merged().hulls().merged().each())
    extents = [(min(x), min(y), max(x), max(y)) for x, y in (zip(*hull, strict=True) for hull in hulls)]
    centre = np.array([(x0 + x1, y0 + y1) for x0, y0, x1, y1 in extents], dtype=np.int64).reshape(-1, 2)
    shape = np.repeat(np.arange(len(hulls)), [len(moves) for moves in at])
    moves = np.concatenate([np.empty((0, 2), dtype=np.int64), *at])
    centres = centre[shape] + 2 * moves  # in half units, so that each is a whole number
    tree = shapely.STRtree([marks.outline(die) for die in outlines])
    beam, die = tree.query(shapely.points(centres), predicate="covered_by")
    boxes = [outline.bbox() for outline in outlines]
    middles = np.array([(b.left + b.right, b.bottom + b.top) for b in boxes], dtype=np.int64).reshape(-1, 2)
    away, shape, moves = centres[beam] - middles[die], shape[beam], moves[beam]
    values = {name: np.full(len(beam), np.nan) for name in Bent.__dataclass_fields__}
    wrong = ["it has a hole, of which the model knows nothing" if hole else "" for hole in holes]
    alike: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for i, (hull, (x0, y0, *_)) in enumerate(zip(hulls, extents, strict=True)):
        alike.setdefault(tuple((x - x0, y - y0) for x, y in hull), []).append(i)
    for corners, which in alike.items():
        good = [i for i in which if not wrong[i]]
        made, why = _beam(corners, options)
        for i in good:
            wrong[i] = why
        if made is None or not good:
            continue
        here = np.flatnonzero(np.isin(shape, good))
        # few distances on many dies
        places, of_place = np.unique(away[here], axis=0, return_inverse=True)
        bent = made.bend(_displacements(places, options))
        for name, array in values.items():
            array[here] = getattr(bent, name)[of_place.ravel()]
    far = values["displacement"] > SMALL * options.height
    return Bending(shape, moves, away * (DBU / 2), Bent(**values), wrong, far)


def _displacements(away: IntPoints, options: Options) -> Points:
    arms = np.asarray(away, dtype=np.float64) * (DBU / 2)
    return displacements(arms, options.die_expansion, options.board_expansion, options.swing)


@lru_cache(maxsize=256)
def _beam(corners: Hull, options: Options) -> tuple[Beam | None, str]:
    """A beam by its corners, or why it is none."""
    try:
        made = options.beam(Section(np.array(corners) * DBU))
    except ValueError as e:
        return None, str(e)
    if made.stout:
        return None, f"{made.slenderness:.2f} times as high as wide, it is too stout for a beam"
    return made, ""


def check(rule: str, regions: Sequence[kdb.Region], limit: int, options: Options) -> list[Finding]:
    shapes = list(regions[0].merged().each())
    hulls = [tuple((p.x, p.y) for p in shape.each_point_hull()) for shape in shapes]
    still = [np.zeros((1, 2), dtype=np.int64)] * len(shapes)
    bending = bend(hulls, still, [shape.holes() > 0 for shape in shapes], regions[1], options)
    return _found(rule, [marks.hull(shape) for shape in shapes], bending, limit)


def placed(
    rule: str, polygons: Sequence[Finding], dies: kdb.Region, limit: int, options: Options
) -> list[Finding]:  # fmt: skip
    at = [np.array([(0, 0), *f.repeats], dtype=np.int64) for f in polygons]
    bending = bend([f.polygon for f in polygons], at, [bool(f.note) for f in polygons], dies, options)
    return _found(rule, [f.polygon for f in polygons], bending, limit)


def _found(rule: str, hulls: Sequence[Hull], bending: Bending, limit: int) -> list[Finding]:
    bent, most = bending.bent, limit * DBU * (1 + 1e-9)  # limits come in thousandths
    is_wrong = np.array([bool(why) for why in bending.wrong], dtype=bool)[bending.shape]
    found = []
    for i in np.flatnonzero(is_wrong | bending.far | (bent.ratio > most)).tolist():
        dx, dy = bending.at[i].tolist()
        shape = int(bending.shape[i])
        moved = tuple((x + dx, y + dy) for x, y in hulls[shape])
        if bending.wrong[shape]:
            found.append(Finding(rule, polygon=moved, note=bending.wrong[shape]))
        elif bending.far[i] and not bent.ratio[i] > most:
            found.append(Finding(rule, polygon=moved, note=f"displaced by {bent.displacement[i]:.3g} um: {TOO_FAR}"))
        else:
            found.append(Finding(rule, polygon=moved, measured=round(float(bent.ratio[i]), 6), note=note(bent, i)))
    return found


def options_of(job: Task) -> Options:
    """The options of a rule of this kind.

    Raises:
        TypeError: it is of another one.
    """
    if not isinstance(job.options, Options):
        raise TypeError(f"{job.rule} is no rule on bending")
    return job.options


def note(bent: Bent, i: int) -> str:
    """One beam in words."""
    moved = f"displaced by {bent.displacement[i]:.3g} um"
    if bent.yields[i]:
        return f"{moved}, it yields from {bent.yield_displacement[i]:.3g} um on and bears {bent.limit_force[i]:.3g} mN"
    return f"{moved}: {bent.stress[i]:.3g} MPa, {bent.force[i]:.3g} mN"


def words(layers: Sequence[str], limit: str, options: Options) -> str:
    apart = abs(options.board_expansion - options.die_expansion)
    return (
        f"{layers[0]} on {layers[1]}, {options.height:g} um high, displaced at {apart:g} ppm/K and {options.swing:g} K "
        f"by at most {limit} times what makes it yield"
    )


def complaint(limit: Um | None, options: Options) -> str:
    if options.die_expansion == options.board_expansion:
        return "die_expansion and board_expansion are the same: nothing would be displaced"
    return ""


KIND = Kind(
    name="bending", doc=__doc__, layers=("beams", "dies"), limit="positive", options=Options, check=check,
    words=words, placed=placed,
    reach=lambda limit, options: 0.0, whole=True, also_whole=(1,), needed=(1,), complaint=complaint, unit="",
)  # fmt: skip
