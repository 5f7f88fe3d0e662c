"""DEF files as they stand there: components, pins, and the nets that join them; see `def_chip` for the chip in one.

Read are UNITS, DIEAREA, COMPONENTS, PINS, NETS, SPECIALNETS and BLOCKAGES; the rest is passed over, wires included.
Source: LEF/DEF 5.8 language reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from layoutgen.chip.def_turns import TURNS, Move
from layoutgen.chip.shapes import Ring, box, fine, ring
from layoutgen.chip.tokens import Tokens, text_of
from layoutgen.errors import ChipError, Problem, printable
from layoutgen.units import Um

UNITS = (100, 200, 400, 800, 1000, 2000, 4000, 8000, 10_000, 20_000)
"""Database units per um that DEF allows."""
NAME, GROUP, SIZE = "layoutgen_name", "layoutgen_group", "layoutgen_size"
"""Properties of a component that `write_def` writes: the name of its pad or ball, its group, and whether it has a size.

A net, and the design, have the first one too, where DEF could not hold their names.
"""
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
                move = Move(turn, x, y)
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
