"""What is wrong with a process: names that lead nowhere, numbers out of range, tables that contradict each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from layoutgen import derive
from layoutgen import steps as step_language
from layoutgen.blade import length
from layoutgen.errors import Problem, UnknownNameError, nearest
from layoutgen.pdk.process import Pdk
from layoutgen.pdk.tables import ATOM, SECOND_METAL, Cut, LayerNumber, Rule
from layoutgen.units import LARGEST


def problems_of(pdk: Pdk, file: str) -> Iterator[Problem]:
    yield from _contradictions(pdk, file)
    yield from _unknown_numbers(pdk, file)


def over_the_stack(rule: Rule) -> dict[str, str]:
    """The options of a rule that are expressions over the stack."""
    return {key: v for key, v in rule.options.items() if isinstance(v, str) and v.startswith(("level.", "cut."))}


def _unknown_numbers(pdk: Pdk, file: str) -> Iterator[Problem]:
    for name, rule in pdk.rules.items():
        for key, text in over_the_stack(rule).items():
            try:
                derive.value(text, pdk.number)
            except (ValueError, UnknownNameError) as e:
                yield Problem(file, f"rules.{name}.{key}", str(e))
    if pdk.mismatch:
        texts = {f"level.{part}.expansion": "parts" for part in pdk.mismatch.parts}
        for text, key in (texts | {pdk.mismatch.hot: "hot", pdk.mismatch.cold: "cold"}).items():
            try:
                derive.value(text, pdk.number)
            except (ValueError, UnknownNameError) as e:
                yield Problem(file, f"mismatch.{key}", str(e))
    for name, asked in pdk.ranges.items():
        try:
            derive.value(asked.value, pdk.number)
        except (ValueError, UnknownNameError) as e:
            yield Problem(file, f"ranges.{name}.value", str(e))
        if asked.at_least is None and asked.at_most is None:
            yield Problem(file, f"ranges.{name}", "give at_least, at_most or both, or nothing could be found")
        for flow in asked.flows:
            if flow not in pdk.flows:
                yield Problem(file, f"ranges.{name}.flows", f"no flow {flow!r}{nearest(flow, pdk.flows)}")


def _contradictions(pdk: Pdk, file: str) -> Iterator[Problem]:
    """What no single table shows: names that lead nowhere, numbers used twice, derived layers in a circle."""
    layers = {*pdk.drawn_layers, *pdk.derived}

    def unknown(place: str, name: str, known: set[str], kind: str = "layer") -> Iterator[Problem]:
        if name not in known:
            yield Problem(file, place, f"no {kind} {name!r}{nearest(name, known)}")

    def expression(place: str, text: str) -> Iterator[Problem]:
        try:
            for name in derive.names(text):
                yield from unknown(place, name, layers)
            derive.reach(text, pdk.number)
        except (ValueError, UnknownNameError) as e:
            yield Problem(file, place, str(e))

    numbers: dict[LayerNumber, str] = {}
    written = [(n, layer.gds) for n, layer in pdk.drawn_layers.items()]
    written += [(n, d.gds) for n, d in pdk.derived.items() if d.gds]
    for name, number in written:
        if (other := numbers.setdefault(number, name)) != name:
            yield Problem(file, f"{name}.gds", f"GDS number {number[0]}/{number[1]} is {other!r} already")
    for name in pdk.layers.keys() & pdk.reserved.keys():
        yield Problem(file, f"reserved.{name}", "there is a drawn layer of the same name")
    for name, derived in pdk.derived.items():
        if name in pdk.drawn_layers:
            yield Problem(file, f"derived.{name}", "there is a drawn layer of the same name")
        yield from expression(f"derived.{name}", derived.expression)
        yield from _circle(pdk, file, name)
    for name, layer_name in pdk.roles.items():
        yield from unknown(f"roles.{name}", layer_name, layers)
    printed = {"incoming"}
    for name, mask in pdk.masks.items():
        yield from expression(f"masks.{name}.data", mask.data)
        yield from unknown(f"masks.{name}.marks", mask.marks, set(pdk.layers))
        yield from unknown(f"masks.{name}.aligns_to", mask.aligns_to, printed, "earlier mask")
        if (mask.transfer == "stencil") != (mask.resist == "none"):
            yield Problem(file, f"masks.{name}.resist", "must be 'none' for a stencil, and for nothing else")
        printed.add(name)
        for flow in mask.flows:
            yield from unknown(f"masks.{name}.flows", flow, set(pdk.flows), "flow")
    if pdk.default_flow:
        yield from unknown("default_flow", pdk.default_flow, set(pdk.flows), "flow")
    if pdk.mismatch:
        for key in ("share", "within"):
            yield from unknown(f"mismatch.{key}", getattr(pdk.mismatch, key), layers)
    for name, drill in pdk.drills.items():
        yield from expression(f"drills.{name}.data", drill.data)
        yield from unknown(f"drills.{name}.aligns_to", drill.aligns_to, printed, "mask")
        if name in pdk.masks:
            yield Problem(file, f"drills.{name}", "there is a mask of the same name")
        for flow in drill.flows:
            yield from unknown(f"drills.{name}.flows", flow, set(pdk.flows), "flow")
    for name, level in pdk.stack.items():
        if 0 < level.thickness < ATOM:
            message = f"{level.thickness:g} um is thinner than an atom ({ATOM:g} um); write 0 where there is none"
            yield Problem(file, f"stack.{name}.thickness", message)
    for place, given in _lists(pdk):
        for name in dict.fromkeys(n for n in given if given.count(n) > 1):
            yield Problem(file, place, f"{name!r} stands there {given.count(name)} times; keep one")
    stack = {name: level.material for name, level in pdk.stack.items()}
    for place, message in step_language.problems(
        pdk.steps, flows=pdk.flows, layers=layers, masks=pdk.masks, stack=stack, materials=pdk.materials,
        number=pdk.number, blades=[blade.name for blade in pdk.cut.passes] if pdk.cut else (),
    ):  # fmt: skip
        yield Problem(file, place, message)
    for name, rule in pdk.rules.items():
        for layer_name in rule.layers:
            yield from unknown(f"rules.{name}.layers", layer_name, layers)
        for flow in rule.flows:
            yield from unknown(f"rules.{name}.flows", flow, set(pdk.flows), "flow")
    yield from expression("connect.metal", pdk.connect.metal)
    for key in SECOND_METAL:
        if text := getattr(pdk.connect, key):
            yield from expression(f"connect.{key}", text)
    second = [key in pdk.roles for key in SECOND_METAL] + [bool(getattr(pdk.connect, key)) for key in SECOND_METAL]
    if any(second) and not all(second):
        yield Problem(file, "roles", "a second metal needs metal_2 and via_2 here and in connect; give all or none")
    yield from _levels(pdk, file, unknown, expression)
    for layer_name in (*pdk.connect.pad, *pdk.connect.ball):
        yield from unknown("connect", layer_name, layers)
    for name, flow_ in pdk.flows.items():
        for layer_name in flow_.draws:
            yield from unknown(f"flows.{name}.draws", layer_name, layers)
    for layer_name in pdk.cut.keeps if pdk.cut else ():
        yield from unknown("cut.keeps", layer_name, set(pdk.drawn_layers))
    if pdk.bath and not any(flow_.current == "kerf" for flow_ in pdk.flows.values()):
        yield Problem(file, "bath", "no flow takes its current from 'kerf', so nothing is plated with it; leave it out")
    bath = pdk.bath
    if bath and bath.polarisation is not None and bath.height / 1e6 / bath.conductivity + bath.polarisation < 1e-12:
        yield Problem(file, "bath", "height and polarisation are both 0; one must be above")
    for layer_name in pdk.cut.ties_avoid if pdk.cut else ():
        yield from unknown("cut.ties_avoid", layer_name, set(pdk.drawn_layers))
    if pdk.cut and pdk.cut.bares:
        yield from expression("cut.bares", pdk.cut.bares)
    elif pdk.cut and pdk.cut.margin:
        yield Problem(file, "cut.margin", "needs bares, what is open in the dielectric")
    if pdk.cut and pdk.cut.burr and pdk.cut.clearance is None:
        yield Problem(file, "cut.burr", "needs clearance, how far cut ends must stay apart")
    if pdk.cut:
        yield from _of_the_cut(pdk, pdk.cut, file)


def _lists(pdk: Pdk) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Lists of names in which each stands once, with their places."""
    yield "connect.pad", pdk.connect.pad
    yield "connect.ball", pdk.connect.ball
    if pdk.cut:
        yield "cut.keeps", pdk.cut.keeps
        yield "cut.ties_avoid", pdk.cut.ties_avoid
    for table in ("masks", "drills", "ranges", "rules"):
        yield from ((f"{table}.{name}.flows", one.flows) for name, one in getattr(pdk, table).items())


def _of_the_cut(pdk: Pdk, cut: Cut, file: str) -> Iterator[Problem]:
    """What is wrong with the passes of the cut and its levels."""
    texts = {"cut.depth": cut.depth} | {f"cut.levels.{name}": text for name, text in cut.levels.items()}
    texts |= {f"cut.then.{k}.cut.depth": step.cut.depth for k, step in enumerate(cut.then) if step.cut}
    wrong = []
    for place, text in texts.items():
        try:
            if (value := length(text, pdk._of_stack)) is not None and not 0 <= value <= LARGEST:
                wrong.append(
                    Problem(file, place, f"{text} is {value:g} um; depths are not below 0, nor beyond {LARGEST:g}")
                )
        except (ValueError, UnknownNameError) as e:
            wrong.append(Problem(file, place, str(e)))
    if wrong:
        yield from wrong
        return
    cut = cut.resolved(pdk._of_stack)
    for place, blade in {"cut": cut, **{f"cut.then.{k}.cut": s.cut for k, s in enumerate(cut.then)}}.items():
        for key, text in blade.complaints() if blade else ():
            yield Problem(file, f"{place}.{key}" if key else place, text)
    for k, step in enumerate(cut.then):
        if (step.cut is None) == (not step.layer):
            yield Problem(file, f"cut.then.{k}", "give either cut, another pass, or layer, what comes over the walls")
        elif step.layer and step.layer not in pdk.stack:
            message = f"no level {step.layer!r} in the stack{nearest(step.layer, pdk.stack)}"
            yield Problem(file, f"cut.then.{k}.layer", message)
    names = [*(blade.name for blade in cut.passes), *cut.levels]
    for name in dict.fromkeys(n for n in names if names.count(n) > 1):
        yield Problem(file, "cut", f"{name!r} names two passes, or a pass and a level; give each a name of its own")
    if cut.levels and cut.depth is None:
        yield Problem(file, "cut.depth", "is missing; what is cut at a level depends on it")
    for level in cut.levels:
        for layer in (f"cut_sure@{level}", f"cut_maybe@{level}"):
            if layer not in pdk.reserved:
                message = f"needs a reserved layer {layer!r}, on which it is drawn"
                yield Problem(file, f"cut.levels.{level}", message)
    for name in pdk.reserved:
        base, at, level = name.partition("@")
        if at and (base not in ("cut_sure", "cut_maybe") or level not in cut.levels):
            yield Problem(file, f"reserved.{name}", "only cut_sure and cut_maybe are at a level, one of cut.levels")


def _levels(
    pdk: Pdk, file: str, unknown: Callable[..., Iterator[Problem]], expression: Callable[[str, str], Iterator[Problem]]
) -> Iterator[Problem]:
    """What is wrong with the metals beyond the first and the openings between them."""
    table = pdk.connect
    metals, known = {"metal", *table.metals}, {"metal", *table.metals, *table.vias}
    for name, text in table.metals.items():
        yield from expression(f"connect.metals.{name}", text)
        if name in ("metal", *SECOND_METAL):
            yield Problem(file, f"connect.metals.{name}", "is a name that connect gives a meaning; choose another")
    for name, via in table.vias.items():
        yield from expression(f"connect.vias.{name}.opening", via.opening)
        for other in (*via.below, *via.above):
            yield from unknown(f"connect.vias.{name}", other, known - {name}, "metal or opening")
        if name in ("metal", *SECOND_METAL, *table.metals):
            yield Problem(file, f"connect.vias.{name}", "is the name of a metal; choose another")
    if table.metals and table.metal_2:
        yield Problem(file, "connect.metals", "stands beside metal_2; keep the one or the other")
    if table.top:
        yield from unknown("connect.top", table.top, metals, "metal")


def _circle(pdk: Pdk, file: str, start: str) -> Iterator[Problem]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        derived = pdk.derived.get(todo.pop())
        try:
            uses = derive.names(derived.expression) if derived else ()
        except ValueError:
            return
        for name in uses:
            if name == start:
                yield Problem(file, f"derived.{start}", "is made of itself; break the circle")
                return
            if name not in seen:
                seen.add(name)
                todo.append(name)


def out_of_range(pdk: Pdk, file: str, flow: str) -> Iterator[Problem]:
    """Numbers of the stack that do not lie where they must in a flow."""
    for name, asked in pdk.ranges.items():
        if asked.flows and flow not in asked.flows:
            continue
        value = round(derive.value(asked.value, pdk.number), 9)
        low = -math.inf if asked.at_least is None else asked.at_least
        high = math.inf if asked.at_most is None else asked.at_most
        if not low <= value <= high:
            found = f"{value:g} {asked.unit}".rstrip()
            yield Problem(file, f"ranges.{name}", f"asks for {asked.words}, which is {found} ({asked.source})")


def without_density(pdk: Pdk, file: str, flows: Sequence[str]) -> Iterator[Problem]:
    """What keeps the bath from being computed in some of the flows whose current comes through the kerf."""
    told = set()
    for flow in flows if pdk.bath else ():
        if pdk.flows[flow].current != "kerf":
            continue
        if not (ball := pdk.connect.ball):
            message = "is empty; name the layer of what the bath plates, or leave [bath] out"
            problem = Problem(file, "connect.ball", message)
        elif not (found := pdk.densities(flow)):
            message = f"no mask or drill of flow {flow!r} that opens {ball[0]!r} says its current_density; give it"
            problem = Problem(file, "bath", message)
        elif len({*found.values()}) > 1:
            given = " and ".join(f"{place} = {density:g}" for place, density in found.items())
            problem = Problem(file, "bath", f"{given} are both of {ball[0]!r} in flow {flow!r}; make them equal")
        else:
            continue
        if problem not in told:
            told.add(problem)
            yield problem
