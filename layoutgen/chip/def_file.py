"""DEF with its LEF files as a chip: terminals are the pins with metal on the routed layer, nets those that join them.

Read are UNITS, DIEAREA, COMPONENTS, PINS, NETS, SPECIALNETS and BLOCKAGES; the rest is passed over, wires included.
Source: LEF/DEF 5.8 language reference.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

import shapely

from layoutgen.chip.lef import Library, Macro, read_lef
from layoutgen.chip.model import Ball, Chip, Pad, RoutedLayer
from layoutgen.chip.shapes import Ring, bounds, box, fine, moved, placed, ring
from layoutgen.chip.tokens import Tokens, text_of
from layoutgen.errors import ChipError, Problem, nearest, printable
from layoutgen.units import Um

UNITS = (100, 200, 400, 800, 1000, 2000, 4000, 8000, 10_000, 20_000)
"""Database units per um that DEF allows."""
NAME, GROUP, SIZE = "layoutgen_name", "layoutgen_group", "layoutgen_size"
"""Properties of a component that `write_def` writes: the name of its pad or ball, its group, and whether it has a size.

A net, and the design, have the first one too, where DEF could not hold their names.
"""
TURNS: dict[str, tuple[int, int, int, int]] = {
    "N": (1, 0, 0, 1), "W": (0, -1, 1, 0), "S": (-1, 0, 0, -1), "E": (0, 1, -1, 0),
    "FN": (-1, 0, 0, 1), "FS": (1, 0, 0, -1), "FW": (0, 1, 1, 0), "FE": (0, -1, -1, 0),
}  # fmt: skip
"""Orientations as (a, b, c, d): (x, y) goes to (a x + b y, c x + d y)."""
_SKIPPED = {
    "VIAS", "STYLES", "NONDEFAULTRULES", "REGIONS", "PINPROPERTIES", "SLOTS", "FILLS", "SCANCHAINS", "GROUPS",
    "CONSTRAINTS", "ASSERTIONS", "IOTIMINGS", "FLOORPLANCONSTRAINTS", "TIMINGDISABLES", "PARTITIONS", "DEFAULTCAP",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Component:
    """A placed cell; `at` is its lower-left corner in um, None where it has none; `begun` its place in the file."""

    macro: str
    at: tuple[Um, Um] | None
    turn: str
    begun: int
    properties: dict[str, str]


@dataclass(frozen=True, slots=True)
class Port:
    """Metal of a pin of the design, by layer, in um."""

    shapes: tuple[tuple[str, Ring], ...]
    begun: int


@dataclass(slots=True)
class Design:
    """A DEF file as it stands there; lengths in um."""

    name: str = ""
    units: int = 0
    die: Ring = ()
    components: dict[str, Component] = field(default_factory=dict)
    ports: dict[str, list[Port]] = field(default_factory=dict)
    pin_nets: dict[str, str] = field(default_factory=dict)
    connections: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    """The net of each pin of a component, and where that is said; component "PIN" stands for the design's own pins."""
    wildcards: dict[str, str] = field(default_factory=dict)
    """The net of every pin of such a name."""
    blockages: list[tuple[str, Ring]] = field(default_factory=list)
    net_names: dict[str, str] = field(default_factory=dict)
    """What a net is called, by its name in the file, where that is another one."""
    special_nets: dict[str, int] = field(default_factory=dict)
    """Where in the text the entry of a net in SPECIALNETS ends."""
    special_section: tuple[int, int] | None = None
    """Where in the text SPECIALNETS has its count, and its END."""
    nets_section: int | None = None
    """Where in the text NETS begins."""


def read_def(path: Path, lefs: Iterable[Path], layer: str = "") -> Chip:
    """The chip in a DEF file, of cells in LEF files, as seen from one metal layer (left out: the bumps' own).

    The die is moved so that the lower-left corner of its box is (0, 0); `Chip.origin` tells from where.

    Terminals are called INST/PIN, or PIN/NAME for the design's own pins (NAME.2, ... its further ports), unless those
    lie on metal of their net. Each is one polygon: the largest that its pin's shapes join to, holes filled. DEF knows
    no pads and balls: pins of macros of CLASS COVER BUMP are balls; where no such macro is placed, those of CLASS COVER
    are; so are the design's own pins; all others are pads.

    A net with k balls and at least as many pads, two at least, is k links: each ball asks for a pad of its own; the
    pads are then free, in a group with the net's name. Any other net is to be joined as a whole; one that has only
    pads, or only balls, is fine, and of one terminal alone it is nothing to route.

    Keep-outs are obstructions (LEF) and blockages (DEF) on the layer, pins on it that no net needs, and further
    metal of a terminal's pin that does not touch it.

    Raises:
        ChipError: a file is missing, cut short or wrong, a macro or the layer is in none of the LEF files, or two nets
            claim one pin.
    """
    tokens = Tokens(text_of(path, "DEF"), str(path), "END DESIGN")
    design = _File(tokens).read()
    return _Builder(design, read_lef(lefs), tokens, layer).chip()


def read_design(path: Path) -> tuple[Design, Tokens]:
    """A DEF file as it stands there, and its text.

    Raises:
        ChipError: it is missing, cut short or wrong.
    """
    tokens = Tokens(text_of(path, "DEF"), str(path), "END DESIGN")
    return _File(tokens).read(), tokens


class _File:
    """The statements of a DEF file on their way into a design."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.design = Design()

    def read(self) -> Design:
        t, design = self.tokens, self.design
        begun = False
        while word := t.next():
            match word:
                case "END":
                    if t.need("DESIGN") != "DESIGN":
                        raise t.wrong("END of nothing that was begun; remove it") if begun else self._no_def()
                    if not design.die:
                        raise t.wrong("the design has no DIEAREA; write it before the components")
                    return design
                case "DESIGN":
                    design.name = design.name or printable(" ".join(t.statement()), 200)
                    begun = True
                case "UNITS":
                    self._units(t.statement())
                case "DIEAREA":
                    self._die(t.statement())
                case "COMPONENTS":
                    for words, at in self._items("COMPONENTS"):
                        self._component(words, at)
                case "PINS":
                    for words, at in self._items("PINS"):
                        self._pin(words, at)
                case "NETS":
                    design.nets_section = t.at
                    for words, at in self._items("NETS"):
                        self._net(words, at)
                case "SPECIALNETS":
                    self._special_nets()
                case "BLOCKAGES":
                    for words, at in self._items("BLOCKAGES"):
                        self._blockage(words, at)
                case "PROPERTYDEFINITIONS":
                    self._properties()
                case "BEGINEXT":
                    t.skip("", ("ENDEXT",))
                case _ if word in _SKIPPED:
                    t.skip(word)
                case _ if word.isalnum() or word == ";":
                    if word != ";":
                        t.statement()
                case _:
                    raise t.wrong(f"{printable(word, 40)!r} begins nothing that DEF knows; is this a DEF file?")
        if not begun:
            raise self._no_def()
        raise t.ended()

    def _no_def(self) -> ChipError:
        return ChipError([Problem(self.tokens.file, "", "describes no DESIGN; name a DEF file")])

    def _items(self, section: str) -> Iterator[tuple[list[str], int]]:
        """Each statement of a section without its dash, and where it begins."""
        t = self.tokens
        t.statement()  # how many there are, which nobody counts
        while (word := t.next()) == "-":
            at = t.at
            words = t.statement()
            if not words:
                raise t.wrong(f"an entry of {section} without a name; write it", at)
            yield words, at
        if not word:
            raise t.ended()
        if word != "END":
            raise t.wrong(f"{printable(word, 40)!r} stands where an entry (-) or END {section} should; mend {section}")
        if (word := t.need(section)) != section:
            raise t.wrong(f"END {printable(word, 40)} stands where END {section} should; mend the sections")

    def _special_nets(self) -> None:
        t, begun = self.tokens, self.tokens.at
        for words, at in self._items("SPECIALNETS"):
            self._net(words, at)
            self.design.special_nets[words[0]] = t.text.index(";", t.at)
        count = re.compile(r"\s*").match(t.text, begun + len("SPECIALNETS"))
        self.design.special_section = (count.end() if count else begun, t.text.rindex("END", 0, t.at))

    def _properties(self) -> None:
        t = self.tokens
        while (word := t.need("END PROPERTYDEFINITIONS")) != "END":
            words = t.statement()
            if word == "DESIGN" and words[:2] == [NAME, "STRING"] and len(words) == 3:
                self.design.name = _plain(words[2])
        t.need("PROPERTYDEFINITIONS")

    def _units(self, words: list[str]) -> None:
        t = self.tokens
        if len(words) != 3 or words[:2] != ["DISTANCE", "MICRONS"]:
            raise t.wrong("UNITS is written: UNITS DISTANCE MICRONS number ;")
        if (units := t.whole(words[2])) not in UNITS:
            raise t.wrong(f"{units} units per um is none of {', '.join(map(str, UNITS))}; write one of these")
        if self.design.units not in (0, units):
            raise t.wrong(f"UNITS were {self.design.units} per um before, and are {units} now; keep one")
        self.design.units = units

    def _die(self, words: list[str]) -> None:
        t = self.tokens
        points = list(self._points(words, t.at))
        if len(points) < 2:
            raise t.wrong("DIEAREA has fewer than two points; write ( x y ) ( x y ) ;")
        if self.design.die:
            raise t.wrong("DIEAREA stands twice; keep one")
        self.design.die = self._ring(points, "DIEAREA", t.at)

    def _um(self, word: str) -> Um:
        if not self.design.units:
            raise self.tokens.wrong("a length stands before UNITS DISTANCE MICRONS; write that first")
        return fine(self.tokens.whole(word) / self.design.units)

    def _points(self, words: Sequence[str], at: int) -> Iterator[tuple[Um, Um]]:
        """Points ( x y ) that follow each other."""
        if len(words) % 4 or any(words[i] != "(" or words[i + 3] != ")" for i in range(0, len(words), 4)):
            raise self.tokens.wrong("points are written: ( x y ) ( x y ); mend them", at)
        for i in range(0, len(words), 4):
            yield self._um(words[i + 1]), self._um(words[i + 2])

    def _ring(self, points: list[tuple[Um, Um]], what: str, at: int) -> Ring:
        try:
            return ring(box(*points[0], *points[1]) if len(points) == 2 else points)
        except ValueError as e:
            raise self.tokens.wrong(f"{what} {e}; mend its points", at) from None

    def _placement(self, clause: list[str], at: int) -> tuple[tuple[Um, Um], str]:
        """Point and orientation behind PLACED, FIXED or COVER."""
        if len(clause) != 6 or clause[1] != "(" or clause[4] != ")":
            raise self.tokens.wrong(f"{clause[0]} is written: {clause[0]} ( x y ) orientation", at)
        if clause[5] not in TURNS:
            message = f"{printable(clause[5], 20)!r} is no orientation; write one of {', '.join(TURNS)}"
            raise self.tokens.wrong(message, at)
        return (self._um(clause[2]), self._um(clause[3])), clause[5]

    def _component(self, words: list[str], at: int) -> None:
        if len(words) < 2:
            raise self.tokens.wrong(f"component {printable(words[0], 60)!r} names no macro; write it", at)
        spot, turn, properties = None, "N", {}
        for clause in _clauses(words, 2):
            if clause[0] in ("PLACED", "FIXED", "COVER"):
                spot, turn = self._placement(clause, at)
            elif clause[0] == "PROPERTY":
                properties = _pairs(clause)
        if words[0] in self.design.components:
            message = f"component {printable(words[0], 60)!r} stands twice; give each a name of its own"
            raise self.tokens.wrong(message, at)
        self.design.components[words[0]] = Component(words[1], spot, turn, at, properties)

    def _pin(self, words: list[str], at: int) -> None:
        name, shapes = words[0], list[tuple[str, list[tuple[Um, Um]]]]()
        for clause in _clauses(words, 1):
            if clause[0] == "NET" and len(clause) > 1:
                self.design.pin_nets[name] = clause[1]
            elif clause[0] in ("LAYER", "POLYGON"):
                if len(clause) < 2:
                    raise self.tokens.wrong(f"{clause[0]} without a layer's name; write it", at)
                start = clause.index("(") if "(" in clause else len(clause)
                shapes.append((clause[1], list(self._points(clause[start:], at))))
                if len(shapes[-1][1]) < (2 if clause[0] == "LAYER" else 3):
                    raise self.tokens.wrong(f"{clause[0]} of pin {printable(name, 60)!r} has too few points", at)
            elif clause[0] in ("PLACED", "FIXED", "COVER"):
                (x, y), turn = self._placement(clause, at)
                move = _Move(turn, x, y)
                ports = [(z, move.ring(self._ring(p, "a port", at))) for z, p in shapes]
                self.design.ports.setdefault(name, []).append(Port(tuple(ports), at))
                shapes = []

    def _net(self, words: list[str], at: int) -> None:
        name, i, pins = words[0], 1, []
        while i < len(words) and words[i] == "(":
            try:
                end = words.index(")", i)
            except ValueError:
                raise self.tokens.wrong(f"net {printable(name, 60)!r} has a ( without its )", at) from None
            if end < i + 3 or (end > i + 3 and words[i + 3] != "+"):
                raise self.tokens.wrong(f"net {printable(name, 60)!r}: a connection is written ( component pin )", at)
            pins.append((words[i + 1], words[i + 2]))
            i = end + 1
        if name == "MUSTJOIN":
            return
        for clause in _clauses(words, i):
            if clause[0] == "PROPERTY" and NAME in (found := _pairs(clause)):
                self.design.net_names[name] = found[NAME]
        for inst, pin in pins:
            if inst == "*":
                self.design.wildcards[pin] = name
                continue
            other, _ = self.design.connections.setdefault((inst, pin), (name, at))
            if other != name:
                both = f"{printable(other, 60)!r} and {printable(name, 60)!r}"
                message = f"pin {printable(pin, 60)!r} of {printable(inst, 60)!r} is in nets {both}; take it out of one"
                raise self.tokens.wrong(message, at)

    def _blockage(self, words: list[str], at: int) -> None:
        if words[0] != "LAYER" or len(words) < 2:
            return
        starts = [i for i, word in enumerate(words) if word in ("RECT", "POLYGON") and i > 1]
        for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
            points = list(self._points(words[start + 1 : end], at))
            if len(points) < 2 or (words[start] == "RECT") != (len(points) == 2):
                raise self.tokens.wrong(f"{words[start]} has {len(points)} points; mend it", at)
            self.design.blockages.append((words[1], self._ring(points, words[start], at)))


def _clauses(words: list[str], start: int) -> Iterator[list[str]]:
    """What stands between the + signs, from the first one on."""
    while start < len(words):
        try:
            end = words.index("+", start)
        except ValueError:
            end = len(words)
        if end > start and words[start - 1] == "+":
            yield words[start:end]
        start = end + 1


def _pairs(clause: list[str]) -> dict[str, str]:
    return {key: _plain(value) for key, value in zip(clause[1::2], clause[2::2], strict=False)}


def _plain(value: str) -> str:
    """A text property as it was before it was written."""
    text = unquote(value[1:-1] if value[:1] == '"' else value, errors="replace")
    return printable(text, 200)


@dataclass(frozen=True, slots=True)
class _Metal:
    """What a macro has on the routed layer: pins with the polygon that wires land on, and what is only in the way."""

    pins: dict[str, tuple[Ring, tuple[Ring, ...]]]
    obstructions: tuple[Ring, ...]
    origin: tuple[Um, Um]
    """Where its own (0, 0) lies."""


@dataclass(frozen=True, slots=True)
class _Terminal:
    """A pin on the routed layer where it lies in the file; `at` is its centre, where the file says it."""

    name: str
    net: str
    shape: Ring
    ball: bool
    component: Component | None
    begun: int
    at: tuple[Um, Um] | None = None


class _Builder:
    """A design with its library on its way into a chip."""

    def __init__(self, design: Design, library: Library, tokens: Tokens, layer: str) -> None:
        self.design, self.lef, self.tokens = design, library, tokens
        self._look_up_macros()
        kinds = {library.macros[c.macro].kind for c in design.components.values()}
        self.bump_kind = "COVER BUMP" if "COVER BUMP" in kinds else "COVER"
        self.layer = self._layer(layer)
        self.metal: dict[str, _Metal] = {}
        self.turned: dict[tuple[str, str], _Metal] = {}

    def _raise(self, problems: Iterable[tuple[int, str]]) -> None:
        if lines := [Problem(self.tokens.place(at), "", message) for at, message in problems]:
            raise ChipError(lines)

    def _look_up_macros(self) -> None:
        missing: dict[str, int] = {}
        for c in self.design.components.values():
            if c.macro not in self.lef.macros:
                missing.setdefault(c.macro, c.begun)
        known = self.lef.macros
        mend = nearest if known else lambda *_: "; name the LEF files"
        self._raise(
            (at, f"macro {printable(name, 60)!r} is in no LEF file{mend(name, known)}") for name, at in missing.items()
        )

    def _layer(self, layer: str) -> str:
        macros = self.lef.macros
        placed_macros = [macros[name] for name in dict.fromkeys(c.macro for c in self.design.components.values())]
        port_layers = [z for ports in self.design.ports.values() for port in ports for z, _ in port.shapes]
        known = [*self.lef.layers, *self.lef.pin_layers, *(z for m in macros.values() for z in m.obstructions)]
        known = list(dict.fromkeys([*known, *port_layers]))
        if layer:
            if layer not in known:
                self._wrong(f"no LEF file knows a layer {printable(layer, 60)!r}{nearest(layer, known)}")
            return layer
        own = [z for m in placed_macros if m.kind == self.bump_kind for pin in m.pins.values() for z in pin]
        if len(choice := list(dict.fromkeys(own or port_layers))) == 1:
            return choice[0]
        shown = ", ".join(choice or known)
        return self._wrong(f"bumps do not say which layer is routed; name one of: {printable(shown, 200)}")

    def _wrong(self, message: str) -> NoReturn:
        raise ChipError([Problem(self.tokens.file, "", message)])

    def chip(self) -> Chip:
        """The chip, its die moved to (0, 0)."""
        design = self.design
        x0, y0, x1, y1 = bounds(design.die)
        keepouts = [shape for layer, shape in design.blockages if layer == self.layer]
        terminals = self._of_components(keepouts)
        self._refuse_unknown_pins()
        terminals += self._of_ports(terminals)
        count = Counter(t.net for t in terminals if t.net)
        pads: list[Pad] = []
        balls: list[Ball] = []
        numbers = {kind: Counter(t.net for t in terminals if t.net and t.ball == kind) for kind in (True, False)}
        for t in terminals:
            marks = t.component.properties if t.component else {}
            if NAME not in marks and count[t.net] < 2:
                keepouts.append(t.shape)
                continue
            net, group = design.net_names.get(t.net, t.net), marks.get(GROUP, "")
            if NAME not in marks and 0 < numbers[True][t.net] <= numbers[False][t.net] > 1:
                net, group = net if t.ball else "", net
            place = self.tokens.place(t.begun)
            x, y, width, height, polygon = placed(moved(t.shape, -x0, -y0), t.at and _minus(t.at, (x0, y0)))
            name = marks.get(NAME, t.name)
            if not t.ball:
                pads.append(Pad(name, net, x, y, width, height, place, group, polygon))
            elif SIZE in marks:
                balls.append(Ball(name, net, x, y, place, group=group))
            else:
                balls.append(Ball(name, net, x, y, place, width, height, group, polygon))
        outline = moved(design.die, -x0, -y0)
        width, height = fine(x1 - x0), fine(y1 - y0)
        return Chip(
            design.name, width, height, tuple(pads), tuple(balls),
            outline=() if outline == box(0.0, 0.0, width, height) else outline,
            keepouts=tuple(moved(shape, -x0, -y0) for shape in keepouts),
            origin=(x0, y0), layer=self.lef.layers.get(self.layer) or RoutedLayer(self.layer),
        )  # fmt: skip

    def _of_components(self, keepouts: list[Ring]) -> list[_Terminal]:
        """Terminals of placed cells; what is only in the way goes to `keepouts`."""
        out, unplaced = [], []
        for inst, c in self.design.components.items():
            macro = self.lef.macros[c.macro]
            metal = self._metal_of(macro)
            if not metal.pins and not metal.obstructions:
                continue
            if c.at is None:
                if any((inst, pin) in self.design.connections for pin in metal.pins):
                    unplaced.append((c.begun, f"component {printable(inst, 60)!r} has a net, but no place; place it"))
                continue
            turned = self._turned(macro, metal, c.turn)
            at = _plus(turned.origin, c.at) if NAME in c.properties else None
            for pin, (shape, rest) in turned.pins.items():
                net, ball = self._net_of(inst, pin), macro.kind == self.bump_kind
                out.append(_Terminal(f"{inst}/{pin}", net, moved(shape, *c.at), ball, c, c.begun, at))
                keepouts += [moved(piece, *c.at) for piece in rest]
            keepouts += [moved(shape, *c.at) for shape in turned.obstructions]
        self._raise(unplaced)
        return out

    def _net_of(self, inst: str, pin: str) -> str:
        found = self.design.connections.get((inst, pin))
        return found[0] if found else self.design.wildcards.get(pin, "")

    def _metal_of(self, macro: Macro) -> _Metal:
        if macro.name not in self.metal:
            pins = {pin: _pieces(shapes[self.layer]) for pin, shapes in macro.pins.items() if self.layer in shapes}
            shapes = {pin: (pieces[0], tuple(pieces[1:])) for pin, pieces in pins.items()}
            self.metal[macro.name] = _Metal(shapes, macro.obstructions.get(self.layer, ()), macro.origin)
        return self.metal[macro.name]

    def _turned(self, macro: Macro, metal: _Metal, turn: str) -> _Metal:
        """A macro's metal in an orientation, from the lower-left corner of its box as it lies then."""
        key = (macro.name, turn)
        if key not in self.turned:
            move = _Move.of(macro, turn)
            pins = {pin: (move.ring(a), tuple(move.ring(r) for r in rest)) for pin, (a, rest) in metal.pins.items()}
            obstructions = tuple(move.ring(r) for r in metal.obstructions)
            self.turned[key] = _Metal(pins, obstructions, move.point(macro.origin))
        return self.turned[key]

    def _of_ports(self, terminals: list[_Terminal]) -> list[_Terminal]:
        """Terminals of the design's own pins, unless they lie on one of their net."""
        out: list[_Terminal] = []
        for name, ports in self.design.ports.items():
            net = self._net_of("PIN", name) or self.design.pin_nets.get(name, "")
            number = 0
            for port in ports:
                own = [shape for layer, shape in port.shapes if layer == self.layer]
                for shape in _pieces(own) if own else ():
                    number += 1
                    label = f"PIN/{name}" if number == 1 else f"PIN/{name}.{number}"
                    out.append(_Terminal(label, net, shape, True, None, port.begun))
        if not out or not terminals:
            return out
        tree = shapely.STRtree([shapely.Polygon(t.shape) for t in terminals])
        hits = tree.query([shapely.Polygon(t.shape) for t in out], predicate="intersects").T.tolist()
        same = {i for i, j in hits if out[i].net and out[i].net == terminals[j].net}
        return [t for i, t in enumerate(out) if i not in same]

    def _refuse_unknown_pins(self) -> None:
        """Connections to what is not there."""
        problems: list[tuple[int, str]] = []
        for (inst, pin), (net, at) in self.design.connections.items():
            shown = f"net {printable(net, 60)!r} joins "
            if inst == "PIN":
                continue
            if (c := self.design.components.get(inst)) is None:
                shown += f"component {printable(inst, 60)!r}, which is not in COMPONENTS; add it there"
            elif pin not in (pins := self.lef.macros[c.macro].pins):
                shown += (
                    f"pin {printable(pin, 60)!r} of {printable(inst, 60)!r}, whose macro {printable(c.macro, 60)!r} "
                )
                shown += f"has none of that name{nearest(pin, pins)}"
            else:
                continue
            problems.append((at, shown))
            if len(problems) == 10:
                break
        self._raise(problems)


@dataclass(frozen=True, slots=True)
class _Move:
    """A turn about (0, 0), then a shift."""

    turn: str
    dx: Um
    dy: Um

    @classmethod
    def of(cls, macro: Macro, turn: str) -> _Move:
        """What puts the lower-left corner of the turned box on (0, 0)."""
        corners = [_turn(p, turn) for p in ((0.0, 0.0), (macro.width, macro.height))]
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


def _pieces(shapes: Sequence[Ring]) -> list[Ring]:
    """Shapes that touch joined, holes filled; the largest first."""
    if len(shapes) == 1:
        return [shapes[0]]
    merged = shapely.union_all([shapely.Polygon(s) for s in shapes])
    parts = [p for p in getattr(merged, "geoms", [merged]) if p.area > 0]
    rings = [(p.area, ring(p.exterior.coords)) for p in parts]
    return [shape for _, shape in sorted(rings, key=lambda r: (-round(r[0], 6), r[1]))]


def _plus(a: tuple[Um, Um], b: tuple[Um, Um]) -> tuple[Um, Um]:
    return fine(a[0] + b[0]), fine(a[1] + b[1])


def _minus(a: tuple[Um, Um], b: tuple[Um, Um]) -> tuple[Um, Um]:
    return fine(a[0] - b[0]), fine(a[1] - b[1])
