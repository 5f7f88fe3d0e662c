"""What a process does to a wafer, step by step, as far as a cross-section shows it: the `[[steps]]` of a `pdk.toml`.

    [[steps]]
    add = "polymer"                      # a level of the stack; or thickness and material stand here
    mask = "VIA"                         # its expression, and whether it opens or leaves what is drawn
    profile = ["level.polymer.flare", 0] # by how much openings stand out, from their foot to their top
    flows = ["plated"]

Each step has one verb: `base`, `add`, `lay`, `plate`, `cap`, `press`, `etch` or `saw`; what it takes: `TAKES`. Numbers
are um or degrees, or expressions over the stack in quotes. `layoutgen.section` carries them out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from layoutgen import derive
from layoutgen.errors import UnknownNameError, nearest
from layoutgen.tomlfile import Model


def _amount(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    raise ValueError("must be a number, or an expression over the stack in quotes")


Amount = Annotated[str, BeforeValidator(_amount)]
"""A number, or an expression over the stack; kept as an expression."""
COMMON = {"flows", "thickness", "material", "over", "rise"}
WHERE = {"mask", "where", "open"}
CUT_LAYERS = {"cut_sure": "removed", "cut_maybe": "touched"}
"""Reserved layers of the cut, and what of `Pdk.cut` is half their width."""
TAKES: dict[str, set[str]] = {
    "base": {"flows", "thickness", "material"},
    "add": {*COMMON, *WHERE, "top", "on", "side", "profile", "angle"},
    "lay": {*COMMON, *WHERE, "profile", "angle"},
    "plate": {*COMMON, "mask", "where", "through", "overgrowth"},
    "cap": {*COMMON, "where", "foot", "height"},
    "press": {"flows", "material", "where"},
    "etch": {"flows", "mask", "where", "depth", "to", "profile", "angle"},
    "saw": {"flows", "side", "tip", "angle", "width", "into", "depth", "blade"},
}
"""What each verb takes besides its own name."""


class Material(Model):
    """How a material is shown."""

    color: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")


class Step(Model):
    """One step of a process; exactly one verb, and what it takes."""

    base: str = ""
    """The wafer to begin with, its face at height 0."""
    add: str = ""
    """A level spread over the face: up to a plane, or everywhere as thick (`top`)."""
    lay: str = ""
    """A level laid on as a sheet: nothing of it sinks into what lies below."""
    plate: str = ""
    """A level that grows out of the openings of another (`through`), and beyond them like a mushroom."""
    cap: str = ""
    """A bump or ball: a part of an ellipsoid, `where` at its widest, on its `foot`."""
    press: str = ""
    """Spheres that sink from the front until they touch what is there, `where` at their widest."""
    etch: tuple[str, ...] = ()
    """Levels to take away: all above a height, or where the mask opens."""
    saw: str = ""
    """A layer of the cut; what the blade takes, its walls vertical or a wedge."""
    flows: tuple[str, ...] = ()
    mask: str = ""
    """A mask, whose expression says where; it also says whether that is opened or left."""
    where: str = ""
    """An expression: where there is material; where to etch, plate or place."""
    open: str = ""
    """An expression: where there is none."""
    thickness: Amount | None = None
    """Left out, that of the level in the stack. Of a base: how much of it is shown."""
    material: str = ""
    over: str = ""
    """On the face of which level it is measured; left out, the highest so far."""
    rise: Amount | None = None
    """How far above that face it begins; below it, if negative."""
    top: Literal["plane", "conformal"] = "plane"
    on: tuple[str, ...] = ()
    """Conformal on these levels alone."""
    side: Literal["front", "rear"] = "front"
    """From where it comes."""
    profile: tuple[Amount, ...] = ()
    """Offsets of what is drawn, evenly from foot to top (two at least); positive: wider."""
    angle: Amount | None = None
    """Of walls against the face in degrees: openings are wider, material narrower, toward the top, if below 90.

    What is added is drawn at its foot, what is etched at its top. Of a saw: between both walls of a wedge.
    """
    through: str = ""
    overgrowth: Amount | None = None
    """By how much plated metal grows sideways when it has grown as far as it does above the openings."""
    foot: str = ""
    """An expression: what a cap stands on; left out, it is widest at its foot."""
    height: Amount | None = None
    """Of a cap; left out, it is a part of a sphere."""
    depth: Amount | None = None
    """How deep below the first level's face; of a saw: below the outer face of `into`."""
    to: str = ""
    """Instead: down to the face of this level."""
    tip: Amount | None = None
    """Width of a wedge at its tip."""
    width: Amount | None = None
    """Width of a cut with vertical walls; left out, what is drawn."""
    blade: str = ""
    """Instead of all that: the pass of `[cut]` whose side, profile and depth it has, as they are meant to be."""
    into: str = ""
    """The level in which a cut ends, `depth` below the face that it meets first; left out, it goes through all."""

    @property
    def verb(self) -> str:
        """What it does, the first of them where it has several."""
        return next((verb for verb in TAKES if getattr(self, verb)), "")

    @property
    def level(self) -> str:
        """The level that it makes; empty for etch and saw."""
        value = getattr(self, self.verb) if self.verb not in ("", "etch", "saw") else ""
        return value if isinstance(value, str) else ""


Place = tuple[str, str]
"""A key of a step, and what is wrong there."""


def problems(
    steps: Iterable[Step],
    *,
    flows: Collection[str],
    layers: Collection[str],
    masks: Collection[str],
    stack: Mapping[str, str],
    materials: Collection[str],
    number: Callable[[str], float],
    blades: Collection[str] = (),
) -> Iterator[Place]:
    """What is wrong with steps, each with its place; `stack`: materials by level."""
    steps = tuple(steps)
    for i, step in enumerate(steps):
        yield from ((f"steps.{i}.{key}".rstrip("."), text) for key, text in _alone(step, flows, layers, masks, number))
        if step.blade and step.blade not in blades:
            yield f"steps.{i}.blade", f"no pass {step.blade!r} in [cut]{nearest(step.blade, blades)}"
        level, place = step.level, f"steps.{i}.{step.verb}"
        if not level:
            continue
        material = step.material or stack.get(level, "")
        needs = step.thickness is None and step.verb not in ("base", "cap", "press")
        if level not in stack and (needs or not step.material):
            known = nearest(level, stack)
            yield place, f"no level {level!r} in the stack{known}; or give thickness and material here"
        elif material not in materials:
            mend = nearest(material, materials)
            yield place, f"its material {material!r} is none of [materials]{mend}; add it with its color"
    for flow in flows:
        yield from _in_order(steps, flow)


def of_flow(steps: Iterable[Step], flow: str) -> tuple[Step, ...]:
    """The steps of a flow. Where some steps name their flows, a flow that none of them names has no steps at all."""
    steps = tuple(steps)
    named = {name for step in steps for name in step.flows}
    return () if named and flow not in named else tuple(s for s in steps if not s.flows or flow in s.flows)


def _in_order(steps: tuple[Step, ...], flow: str) -> Iterator[Place]:
    """Levels that a flow speaks of before it has them, or makes twice."""
    made: list[str] = []
    mine = of_flow(steps, flow)
    for i, step in enumerate(steps):
        if step not in mine:
            continue
        asked = [("over", step.over), ("through", step.through), ("to", step.to), ("into", step.into)]
        asked += [("on", level) for level in step.on] + [("etch", level) for level in step.etch]
        for key, level in asked:
            if level and level not in made:
                yield f"steps.{i}.{key}", f"no level {level!r} is made before, in flow {flow!r}{nearest(level, made)}"
        if not made and step.verb != "base":
            yield f"steps.{i}", f"the first step of flow {flow!r} must be a base"
            return
        if made and step.verb == "base":
            yield f"steps.{i}.base", f"flow {flow!r} has a base already"
        if step.level in made:
            yield f"steps.{i}.{step.verb}", f"flow {flow!r} makes {step.level!r} already; name it otherwise"
        if step.level:
            made.append(step.level)


def _alone(
    step: Step, flows: Collection[str], layers: Collection[str], masks: Collection[str],
    number: Callable[[str], float],
) -> Iterator[Place]:  # fmt: skip
    """What is wrong with one step by itself."""
    verbs = [verb for verb in TAKES if getattr(step, verb)]
    if len(verbs) != 1:
        yield "", f"must have one verb ({', '.join(TAKES)}), not {' and '.join(verbs) or 'none'}"
        return
    for key in sorted(step.model_fields_set - {*TAKES}):
        if key not in TAKES[step.verb]:
            yield key, f"{step.verb} takes no {key}; it takes {', '.join(sorted(TAKES[step.verb]))}"
    for flow in step.flows:
        if flow not in flows:
            yield "flows", f"no flow {flow!r}{nearest(flow, flows)}"
    if step.mask and step.mask not in masks:
        yield "mask", f"no mask {step.mask!r}{nearest(step.mask, masks)}"
    given = [key for key in ("mask", "where", "open") if getattr(step, key)]
    if len(given) > 1:
        yield given[1], f"{given[0]} says where already; leave one out"
    if step.verb in ("plate", "cap", "press") and not given:
        yield "where", "is missing; add it"
    for key, text in (("where", step.where), ("open", step.open), ("foot", step.foot), ("saw", step.saw)):
        if text:
            yield from _expression(key, text, layers, number)
    yield from _value("rise", step.rise, number, -1e6, 1e6)
    for key in ("thickness", "overgrowth", "height", "depth", "tip", "width"):
        yield from _value(key, getattr(step, key), number, 0.0, 1e6)
    for offset in step.profile:
        yield from _value("profile", offset, number, -1e6, 1e6)
    yield from _value("angle", step.angle, number, 1.0, 179.0)
    if step.profile and step.angle is not None:
        yield "angle", "profile says how walls lean already; leave one out"
    if len(step.profile) == 1:
        yield "profile", "must have two offsets at least, of the foot and of the top"
    if step.profile and not given:
        yield "profile", "needs mask, where or open, whose walls it is about"
    if step.verb == "plate" and not step.through:
        yield "through", "is missing; name the level whose openings it fills"
    if step.on and step.top != "conformal":
        yield "on", "needs top = 'conformal'"
    if step.verb == "add" and step.side == "rear" and step.top != "conformal":
        yield "side", "what comes from the rear needs top = 'conformal'"
    if step.verb == "add" and step.top == "conformal" and (step.profile or step.angle):
        yield "profile", "a conformal level has no walls of its own; leave profile and angle out"
    if step.verb == "etch" and (step.depth is None) == (not step.to):
        yield "depth", "give depth, or to: where it ends"
    if step.verb == "saw" and (step.angle is None) != (step.tip is None):
        yield "tip", "a wedge has an angle and a tip; give both, or none"
    if step.verb == "saw" and step.tip is not None and (not step.into or step.width is not None):
        yield "into", "a wedge ends in a level; give into and depth, and no width"
    if step.blade and step.model_fields_set & {"tip", "angle", "width", "into", "depth", "side"}:
        yield (
            "blade",
            "[cut] says the pass's side, profile and depth; leave side, tip, angle, width, into and depth out",
        )
    if (step.tip is not None or step.width is not None or step.blade) and step.saw not in CUT_LAYERS:
        yield "saw", f"a wedge or a width needs {' or '.join(CUT_LAYERS)}, whose width the process knows"
    if step.verb == "saw" and step.depth is not None and not step.into:
        yield "into", "is missing; name the level that depth is measured in"


def _expression(
    key: str, text: str, layers: Collection[str], number: Callable[[str], float]
) -> Iterator[Place]:  # fmt: skip
    try:
        for name in derive.names(text):
            if name not in layers:
                yield key, f"no layer {name!r}{nearest(name, layers)}"
        derive.reach(text, number)
    except (ValueError, UnknownNameError) as e:
        yield key, str(e)


def _value(
    key: str, text: str | None, number: Callable[[str], float], low: float, high: float
) -> Iterator[Place]:  # fmt: skip
    if text is None:
        return
    try:
        value = derive.value(text, number)
    except (ValueError, UnknownNameError) as e:
        yield key, str(e)
        return
    if not low <= value <= high:
        yield key, f"{text!r} is {value:g}; it must lie between {low:g} and {high:g}"
