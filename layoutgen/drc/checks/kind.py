"""What a kind of check is: the options it takes, how far it looks, and the pure function that measures."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeAlias, TypeVar

import klayout.db as kdb
from pydantic import Discriminator, Field, Tag

from layoutgen import tomlfile
from layoutgen.drc.lattice import Areas, Lattice, Shapes
from layoutgen.errors import PdkError, Problem
from layoutgen.findings import Finding
from layoutgen.pdk import Rule
from layoutgen.tomlfile import Model
from layoutgen.units import DBU, Deg, Um

if TYPE_CHECKING:
    from layoutgen.drc.overall import Overall

OptionsT = TypeVar("OptionsT", bound=Model)
Check: TypeAlias = Callable[[str, Sequence[kdb.Region], int, OptionsT], list[Finding]]
"""(rule id, one region for each layer of the rule, limit in steps of its unit, options) -> what breaks the rule.

A pure function of its regions: it knows no wafer, no window and no PDK, so that any runner can give it any part.
"""
ByArea: TypeAlias = tuple[
    Callable[[Sequence[kdb.Region], kdb.Region], list[Shapes]],
    Callable[[str, Lattice, Sequence[Areas], OptionsT], list[Finding]],
]
"""Of merged layers what is measured in a part of the plane; and from the areas of each of these in the cells of a
lattice, what breaks the rule."""
Deck: TypeAlias = Callable[[Sequence[str], int, OptionsT], list[str]]
"""(names of the layers in a script, limit in steps of its unit, options) -> the same check for KLayout's DRC language:
expressions, each of a collection of what breaks the rule."""
Metric = Literal["euclidian", "projection", "square"]
Circles = Literal["facets", "analytic"]
"""How a run measures circles: by the polygons they are drawn as, or as the circles they stand for."""
SQUARE = 1.5
"""A square's corners are this many of its sides apart at most: sqrt(2), rounded up."""
Between = Literal["any", "polygons", "polygon"]
CUT = "cut_sure"
"""The reserved layer of what the blade surely takes."""
AfterCut: TypeAlias = Annotated[
    Annotated[bool, Tag("[one]")] | Annotated[str, Field(min_length=1), Tag("[text]")],
    Discriminator(lambda value: "[text]" if isinstance(value, str) else "[one]"),
]
"""Whether what the blade surely takes is taken away first; or the reserved layer of what is, as `cut_maybe@LEVEL`."""
STEPS = defaultdict(lambda: round(1 / DBU), {"um2": round(1 / DBU) ** 2})
"""In how many steps each unit is counted, so that a limit is a whole number of them: database units and their squares,
and thousandths of anything else."""


class InexpressibleError(ValueError):
    """A rule that KLayout's DRC language cannot express; the message says why."""


class Netted(Model):
    """Options of the kinds that ask which edges are of one net."""

    nets: Literal["any", "same", "different"] = "any"
    """Which edges are compared, by what conducts through the whole stack of `[connect]` over the whole layout."""
    after_cut: AfterCut = False
    """Whether nets are those that are left once what is on layer `cut_sure`, or on another one, is taken away."""


class NoOptions(Model):
    """A kind without options of its own."""


class Facing(Model):
    """Options of the kinds that compare edges facing each other."""

    metric: Metric = "euclidian"
    """`projection` compares only what lies straight opposite; `euclidian` also looks around corners, `square` as far
    along an edge beyond its ends as away from it."""
    ignore_angle: Deg = Field(default=80.0, gt=0, le=90)
    """Edges at this angle or more do not face each other. At 90, every rotated rectangle breaks a width rule,
    because snapping to the grid leaves corners of 89.99 degrees."""


@dataclass(frozen=True, kw_only=True)
class Sums(Generic[OptionsT]):
    """How a polygon that no runner sees whole is judged: by a number that its parts add up to."""

    part: Callable[[kdb.Polygon, kdb.Box], float]
    """(polygon, box) -> what the part of it in the box adds; the box's right and top border belong to others."""
    passes: Callable[[int, int, OptionsT], bool]
    """(sum, limit in steps, options) -> whether the polygon keeps to the rule."""


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[OptionsT]):
    """One kind of check."""

    name: str
    doc: str
    """Its documentation: the docstring of the file it stands in."""
    layers: tuple[str, ...]
    """What the rule's layers stand for, in order; `*` after the only name: one or more; `?`: may be left out."""
    limit: Literal["positive", "not negative", "optional", "none"]
    options: type[OptionsT]
    check: Check[OptionsT]
    words: Callable[[Sequence[str], str, OptionsT], str]
    """(layers, limit in words, options) -> the rule in words, without its reason."""
    deck: Deck[OptionsT] | None = None
    """The same check as a script, by which KLayout finds the same violations; None: there is none. Raises
    InexpressibleError for options that it has no words for."""
    reach: Callable[[Um, OptionsT], Um] = field(default=lambda limit, options: limit)
    """(limit, options) -> how far from a finding the shapes lie that decide about it, in um."""
    whole: bool | Callable[[OptionsT], bool] = False
    """Works on whole polygons of the first layer: one that is cut off at the border of the region gives another answer.
    A function where that depends on the options; `Task.whole` says it of a rule."""
    also_whole: tuple[int, ...] = ()
    """Positions of layers beyond the first whose polygons must be whole, too, of a kind that works on whole polygons.
    They count where they lie within reach of the bounding box of a polygon of the first layer."""
    sums: Sums[OptionsT] | None = None
    """How a whole polygon is judged by its parts; None: only as a whole."""
    placed: Callable[[str, Sequence[Finding], kdb.Region, int, OptionsT], list[Finding]] | None = None
    """(rule, polygons, second layer, limit in steps, options) -> what `check` finds, from every polygon of the first
    layer as a finding at all its places, and all of the second: for a runner that sees the first layer in parts, where
    shapes of the second are larger than these, and few."""
    holes: bool = False
    """Judges each hole of a polygon by itself, marked by its outline: the rest of the polygon does not matter."""
    lattice: Callable[[Um | None, OptionsT], Um | None] = field(default=lambda limit, options: None)
    """(limit, options) -> the step, in um, of the grid through (0, 0) that its findings are tied to; None: to none."""
    by_area: ByArea[OptionsT] | None = None
    """How it judges by areas alone, for a runner that adds them up over all of a layout; None: it looks at more."""
    analytic: Check[OptionsT] | None = None
    """The same check with circles measured as circles; None: facets or circles, it makes no difference."""
    unit: str = "um"
    """What the limit and the measured values are counted in; empty for a plain number."""
    between: Callable[[OptionsT], Between] = field(default=lambda options: "any")
    """(options) -> whether edges are compared whichever polygons they are of ("any"), only those of different polygons
    ("polygons"), or only those of one and the same ("polygon"). A runner that sees a part of a layout, in which one
    polygon may be in several pieces, decides by what belongs together in the whole: of what `check` finds with
    "polygons" it leaves out what is of one polygon; with "polygon" it takes what `candidates` finds in the pieces that
    are of one."""
    candidates: Check[OptionsT] | None = None
    """With "polygon": finds what `check` would if all pieces of its layer were of one polygon."""
    subjects: Callable[[OptionsT], tuple[int, ...]] = field(default=lambda options: (0,))
    """The layers (by position) without which there is nothing to check; what another lacks is a finding."""
    needed: tuple[int, ...] = ()
    """Layers (by position) that must not be empty where the subjects are not: without them nothing was measured."""
    overall: Callable[[str, Overall, Sequence[str], int, OptionsT], list[Finding]] | None = None
    """(rule, all of a layout, layers, limit in steps, options) -> what `check` finds where no window shows it: what
    conducts through the whole stack, and polygons of any size. `check` by itself knows no stack: there its layers are
    all that conducts, each joined with what it overlaps of the next."""
    by_net: Callable[[OptionsT], int] = field(
        default=lambda options: 2 if isinstance(options, Netted) and options.nets != "any" else 0
    )
    """(options) -> of how many of its layers, the first ones, it asks for the nets: these are made of layers of the
    stack."""
    hulls: bool = False
    """Looks at what polygons of its other layers surround, holes and all, however large they are."""
    complaint: Callable[[Um | None, OptionsT], str] = field(default=lambda limit, options: "")
    """(limit, options) -> what is wrong with the two together, or nothing."""

    @property
    def documentation(self) -> str:
        return inspect.cleandoc(self.doc)


@dataclass(frozen=True)
class Task:
    """A rule whose kind, layers, limit and options fit together: ready to run."""

    rule: str
    kind: Kind[Any]
    layers: tuple[str, ...]
    limit: Um | None
    options: Any

    def run(self, regions: Sequence[kdb.Region], circles: Circles = "facets") -> list[Finding]:
        """What breaks the rule in these regions, one for each layer."""
        check = (self.kind.analytic if circles == "analytic" else None) or self.kind.check
        return check(self.rule, [r.merged() for r in regions], self.steps, self.options)

    @property
    def steps(self) -> int:
        """The limit as its check takes it: database units, or steps of another unit; 0 without one."""
        return round((self.limit or 0.0) * STEPS[self.kind.unit])

    @property
    def words(self) -> str:
        """The rule in words, without its reason and source."""
        return self.kind.words(self.layers, in_words(self.limit or 0.0, self.kind.unit), self.options)

    @property
    def reach(self) -> Um:
        """How far from a finding the shapes of its layers lie that decide about it (um)."""
        corners = SQUARE if getattr(self.options, "metric", "") == "square" else 1.0
        return corners * self.kind.reach(self.limit or 0.0, self.options)

    @property
    def needed(self) -> tuple[str, ...]:
        """Layers that must not be empty where the subjects are not."""
        return tuple(self.layers[i] for i in self.kind.needed if i < len(self.layers))

    @property
    def overall(self) -> bool:
        """Whether all of a layout is looked at, each shape once, and not its windows."""
        return self.kind.overall is not None or self.nets != "any"

    @property
    def nets(self) -> str:
        """Between which edges a rule on spaces measures: "any", those of the "same" net, or of "different" ones."""
        return self.options.nets if isinstance(self.options, Netted) else "any"

    @property
    def cut(self) -> str:
        """The layer of what is taken away before it looks; empty: none."""
        return taken(getattr(self.options, "after_cut", False))

    @property
    def of_any_net(self) -> Task:
        """The same rule whatever the nets are."""
        return replace(self, options=self.options.model_copy(update={"nets": "any", "after_cut": False}))

    @property
    def lattice(self) -> Um | None:
        """The step (um) of the grid through (0, 0) that the findings are tied to, or None."""
        return self.kind.lattice(self.limit, self.options)

    @property
    def whole(self) -> bool:
        """Whether it judges whole polygons of its first layer."""
        return self.kind.whole(self.options) if callable(self.kind.whole) else self.kind.whole

    @property
    def between(self) -> Between:
        """Which edges it compares: `Kind.between` of this rule's options."""
        return self.kind.between(self.options)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The layers without which there is nothing to check."""
        if self.kind.layers[0].endswith("*"):
            return self.layers
        named = tuple(self.layers[i] for i in self.kind.subjects(self.options) if i < len(self.layers))
        return named or self.layers[:1]


def read(name: str, rule: Rule, kind: Kind[Any]) -> Task:
    """The rule as a task of its kind.

    Raises:
        PdkError: wrong number of layers, limit missing, useless or between two grid points, wrong options; all at once.
    """
    place = f"rules.{name}"
    problems = [Problem("", f"{place}.{key}", text) for key, text in (*_layers(rule, kind), *_limit(rule, kind))]
    options: Any = None
    try:
        options = tomlfile.validate(rule.options, kind.options, "", PdkError)
        if complaint := kind.complaint(rule.limit, options):
            problems.append(Problem("", place, complaint))
    except PdkError as e:
        problems += [Problem("", f"{place}.{p.place}" if p.place else place, p.message) for p in e.problems]
    if problems:
        raise PdkError(problems)
    return Task(name, kind, rule.layers, rule.limit, options)


def taken(after_cut: AfterCut) -> str:
    """The layer of what is taken away first; empty: none."""
    return after_cut if isinstance(after_cut, str) else CUT if after_cut else ""


def cut_in_words(after_cut: AfterCut) -> str:
    """What a rule in words says of it."""
    return f" after the cut takes {after_cut}" if isinstance(after_cut, str) else " after the cut" if after_cut else ""


def um(length: Um) -> str:
    """A length in words, exact to the database unit: the number that is printed is the number that is checked."""
    return in_words(length, "um")


def in_words(value: float, unit: str) -> str:
    """A value, exact to the steps that limits are read in, with its unit."""
    decimals = len(str(STEPS[unit])) - 1
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".") + f" {unit}".rstrip()


def _layers(rule: Rule, kind: Kind[Any]) -> list[tuple[str, str]]:
    least = sum(not name.endswith("?") for name in kind.layers)
    if kind.layers[0].endswith("*") or least <= len(rule.layers) <= len(kind.layers):
        return []
    return [("layers", f"{kind.name} takes {len(kind.layers)} [{', '.join(kind.layers)}], not {len(rule.layers)}")]


def _limit(rule: Rule, kind: Kind[Any]) -> list[tuple[str, str]]:
    limit = rule.limit
    if limit is None:
        optional = kind.limit in ("optional", "none")
        count = f" in {kind.unit}" if kind.unit else ""
        return [] if optional else [("limit", f"is missing; {kind.name} needs one{count}")]
    if kind.limit == "none":
        return [("limit", f"{kind.name} has no limit; take it away")]
    if limit == 0 and kind.limit != "not negative":
        return [("limit", f"must be greater than 0: {kind.name} at 0 would find nothing")]
    steps = limit * STEPS[kind.unit]
    if abs(steps - round(steps)) > 1e-4:
        if kind.unit == "um":
            return [("limit", f"{limit!r} um is not a whole number of database units ({DBU} um)")]
        return [("limit", f"{limit!r} is finer than 1/{STEPS[kind.unit]}, the finest that {kind.name} tells apart")]
    return []
