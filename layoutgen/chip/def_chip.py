"""DEF with its LEF files as a chip: terminals are the pins with metal on the routed layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import shapely

from layoutgen.chip.def_file import GROUP, NAME, SIZE, Component, Design, read_design
from layoutgen.chip.def_turns import Move
from layoutgen.chip.lef import Library, Macro, read_lef
from layoutgen.chip.model import Ball, Chip, Pad, RoutedLayer
from layoutgen.chip.shapes import Ring, bounds, box, fine, moved, placed, ring
from layoutgen.chip.tokens import Tokens
from layoutgen.errors import ChipError, Problem, nearest, printable
from layoutgen.units import Um


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
    design, tokens = read_design(path)
    return _Builder(design, read_lef(lefs), tokens, layer).chip()


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
            move = Move.of(macro.width, macro.height, turn)
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
