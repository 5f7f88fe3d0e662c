"""LEF: what cells look like on the routed layer, and how wide and near its wires may be.

Read are LAYER (type, width, spacing, pitch) and MACRO (class, origin, size, pins, obstructions); the rest is passed
over. Source: LEF/DEF 5.8 language reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from layoutgen.chip.model import RoutedLayer
from layoutgen.chip.shapes import Ring, box, fine, ring
from layoutgen.chip.tokens import Tokens, text_of
from layoutgen.errors import ChipError, Problem, printable
from layoutgen.units import Um

_BLOCKS = {"SITE", "VIA", "VIARULE", "NONDEFAULTRULE", "ARRAY"}
"""Blocks that end with END and their name."""
_SELF_NAMED = {
    "UNITS", "PROPERTYDEFINITIONS", "SPACING", "NOISETABLE", "CORRECTIONTABLE", "IRDROP", "CROSSTALK",
}  # fmt: skip
"""Blocks that end with END and their own word."""


@dataclass(frozen=True, slots=True)
class Macro:
    """A cell as LEF describes it: every shape by its layer, in um from the lower-left corner of the cell's box."""

    name: str
    kind: str
    """Its CLASS, as "COVER BUMP"."""
    width: Um
    height: Um
    pins: dict[str, dict[str, tuple[Ring, ...]]] = field(default_factory=dict)
    """Shapes by pin and layer."""
    obstructions: dict[str, tuple[Ring, ...]] = field(default_factory=dict)
    """Shapes by layer."""
    origin: tuple[Um, Um] = (0.0, 0.0)
    """Where its own (0, 0) lies."""


@dataclass(frozen=True, slots=True)
class Library:
    """All that some LEF files describe."""

    macros: dict[str, Macro]
    layers: dict[str, RoutedLayer]
    """The routing layers, from the lowest up."""

    @property
    def pin_layers(self) -> list[str]:
        """Every layer that a pin has metal on."""
        return list(dict.fromkeys(z for m in self.macros.values() for pin in m.pins.values() for z in pin))


def read_lef(paths: Iterable[Path]) -> Library:
    """What LEF files describe together.

    Raises:
        ChipError: a file is missing, cut short or wrong, or two describe one macro differently.
    """
    library = Library({}, {})
    for path in paths:
        _File(path).read(library)
    return library


class _File:
    """One LEF file on its way into a library."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tokens = Tokens(text_of(path, "LEF"), str(path), "END LIBRARY")

    def read(self, library: Library) -> None:
        t = self.tokens
        while word := t.next():
            match word:
                case "END":
                    if t.need("LIBRARY") == "LIBRARY":
                        return
                    raise t.wrong("END of nothing that was begun; remove it")
                case "LAYER":
                    self._layer(t.need("a layer's name"), library)
                case "MACRO":
                    at = t.at
                    macro = self._macro(t.need("a macro's name"))
                    if library.macros.setdefault(macro.name, macro) != macro:
                        message = f"macro {printable(macro.name, 60)!r} was described differently before; keep one"
                        raise t.wrong(message, at)
                case "DESIGN":
                    raise t.wrong("DESIGN begins a DEF file; name a LEF file here")
                case "BEGINEXT":
                    t.skip("", ("ENDEXT",))
                case "NAMESCASESENSITIVE" | "USEMINSPACING":
                    t.statement()
                case _ if word in _BLOCKS:
                    t.skip(t.need("a name"))
                case _ if word in _SELF_NAMED:
                    t.skip(word)
                case ";":
                    pass
                case _ if word.replace("_", "").isalnum():
                    t.statement()
                case _:
                    raise t.wrong(f"{printable(word, 40)!r} begins nothing that LEF knows; is this a LEF file?")
        if not library.macros and not library.layers:
            raise ChipError([Problem(str(self.path), "", "describes no layer and no macro; name a LEF file")])
        raise t.ended()

    def _layer(self, name: str, library: Library) -> None:
        t, said = self.tokens, {"WIDTH": 0.0, "SPACING": 0.0, "PITCH": 0.0}
        kind = ""
        while (word := t.need("END " + printable(name, 60))) != "END":
            words = t.statement()
            if word == "TYPE" and words:
                kind = words[0]
            elif word in said and words and not said[word] and (word != "SPACING" or len(words) == 1):
                said[word] = self._length(words[0])
            elif word == "SPACINGTABLE" and "WIDTH" in words[:-2]:  # its first row: of narrow wires side by side
                said["SPACING"] = said["SPACING"] or self._length(words[words.index("WIDTH") + 2])
        self._named(name)
        if kind == "ROUTING":
            library.layers.setdefault(name, RoutedLayer(name, said["WIDTH"], said["SPACING"], said["PITCH"]))

    def _length(self, word: str) -> Um:
        value = self.tokens.number(word)
        if value < 0:
            raise self.tokens.wrong(f"{word} is below 0; write a length")
        return value

    def _named(self, name: str) -> None:
        """What stands behind END."""
        if (word := self.tokens.need(printable(name, 60))) != name:
            message = f"END {printable(word, 60)} stands where END {printable(name, 60)} should; mend the blocks"
            raise self.tokens.wrong(message)

    def _macro(self, name: str) -> Macro:
        t = self.tokens
        begun = t.at
        kind, origin, size = "", (0.0, 0.0), None
        pins: dict[str, dict[str, list[Ring]]] = {}
        obstructions: dict[str, list[Ring]] = {}
        while (word := t.need("END " + printable(name, 60))) != "END":
            match word:
                case "PIN":
                    pin = t.need("a pin's name")
                    self._pin(pin, pins.setdefault(pin, {}))
                case "OBS":
                    self._shapes(obstructions)
                case "DENSITY":
                    t.skip("")
                case "TIMING":
                    t.skip("TIMING")
                case "CLASS":
                    kind = " ".join(t.statement())
                case "ORIGIN":
                    words = t.statement()
                    if len(words) != 2:
                        raise t.wrong("ORIGIN has two numbers; write them")
                    origin = (t.number(words[0]), t.number(words[1]))
                case "SIZE":
                    words = t.statement()
                    if len(words) != 3 or words[1] != "BY":
                        raise t.wrong("SIZE is written: SIZE width BY height ;")
                    size = (self._length(words[0]), self._length(words[2]))
                case _:
                    t.statement()
        self._named(name)
        if size is None:
            raise t.wrong(f"macro {printable(name, 60)!r} has no SIZE; write it", begun)

        def put(shapes: dict[str, list[Ring]]) -> dict[str, tuple[Ring, ...]]:
            return {
                layer: tuple(tuple((fine(x + origin[0]), fine(y + origin[1])) for x, y in r) for r in rings)
                for layer, rings in shapes.items()
            }

        return Macro(name, kind, *size, {pin: put(shapes) for pin, shapes in pins.items()}, put(obstructions), origin)

    def _pin(self, name: str, shapes: dict[str, list[Ring]]) -> None:
        t = self.tokens
        while (word := t.need("END " + printable(name, 60))) != "END":
            if word == "PORT":
                self._shapes(shapes)
            else:
                t.statement()
        self._named(name)

    def _shapes(self, out: dict[str, list[Ring]]) -> None:
        """Geometry of a PORT or of OBS, to its END; vias in it are of two layers and passed over."""
        t, layer, width = self.tokens, "", 0.0
        while (word := t.need("END")) != "END":
            at = t.at
            words = t.statement()
            if word == "LAYER":
                if not words:
                    raise t.wrong("LAYER without a name; write it", at)
                layer, width = words[0], 0.0
            elif word == "WIDTH":
                width = self._length(words[0]) if words else 0.0
            elif word in ("RECT", "POLYGON", "PATH"):
                if not layer:
                    raise t.wrong(f"{word} before any LAYER; name its layer first", at)
                out.setdefault(layer, []).extend(self._geometry(word, words, width, at))

    def _geometry(self, kind: str, words: list[str], width: Um, at: int) -> list[Ring]:
        t = self.tokens
        if words[:1] == ["MASK"]:
            words = words[2:]
        steps = [(0.0, 0.0)]
        if words[:1] == ["ITERATE"]:
            do = words.index("DO") if "DO" in words else len(words)
            steps, words = self._steps(words[do:], at), words[1:do]
        numbers = [t.number(w) for w in words if w not in "()"]
        points = list(zip(numbers[::2], numbers[1::2], strict=False))
        if len(numbers) % 2 or len(points) < (3 if kind == "POLYGON" else 2) or (kind == "RECT" and len(points) > 2):
            raise t.wrong(f"{kind} has {len(numbers)} numbers; write x and y of each corner", at)
        try:
            if kind == "PATH":
                return [_leg(a, b, width) for a, b in pairwise(points)]
            shape = ring(points if kind == "POLYGON" else box(*points[0], *points[1]))
        except ValueError as e:
            raise t.wrong(f"{kind} {e}; mend its corners", at) from None
        return [tuple((fine(x + dx), fine(y + dy)) for x, y in shape) for dx, dy in steps]

    def _steps(self, words: list[str], at: int) -> list[tuple[Um, Um]]:
        """DO n BY m STEP dx dy."""
        t = self.tokens
        if len(words) != 7 or words[2] != "BY" or words[4] != "STEP":
            raise t.wrong("ITERATE is written: ... DO columns BY rows STEP dx dy ;", at)
        columns, rows, dx, dy = t.whole(words[1]), t.whole(words[3]), t.number(words[5]), t.number(words[6])
        if not (0 < columns <= 10_000 and 0 < rows <= 10_000 and columns * rows <= 10_000):
            raise t.wrong(f"ITERATE makes {columns} x {rows} shapes; at least 1 and at most 10000 are read", at)
        return [(i * dx, j * dy) for j in range(rows) for i in range(columns)]


def _leg(a: tuple[Um, Um], b: tuple[Um, Um], width: Um) -> Ring:
    """One straight piece of a PATH, which ends half its width beyond its points."""
    if a[0] != b[0] and a[1] != b[1]:
        raise ValueError("runs at an angle, which is not read")
    if not width:
        raise ValueError("has no WIDTH before it")
    w = width / 2
    return box(min(a[0], b[0]) - w, min(a[1], b[1]) - w, max(a[0], b[0]) + w, max(a[1], b[1]) + w)
