"""Chips as DEF and LEF, with wires where there are any; and wires added to the DEF that a chip came from.

A chip may have a second metal above the routed layer: balls and wires on it, and vias between both (`Second`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from layoutgen.chip.def_file import GROUP, NAME, SIZE, read_design
from layoutgen.chip.model import Ball, Chip, Pad, RoutedLayer
from layoutgen.chip.shapes import Ring, bounds, box
from layoutgen.errors import ChipError, Problem, printable
from layoutgen.units import DBU, Um

Route: TypeAlias = tuple[str, int, Sequence[tuple[int, int]]]
"""One wire: layer, width and centre line in units of 1 nm, on the chip's coordinates."""
Routes: TypeAlias = Mapping[str, Sequence[Route]]
"""The wires of each net."""


@dataclass(frozen=True, slots=True)
class Second:
    """A second metal with balls on it, and the via to it: polygons in um about the via's centre.

    vias: where they stand on the chip, in units of 1 nm, by net.
    """

    layer: str
    cut: str
    opening: Ring
    landing: Ring
    vias: Mapping[str, Sequence[tuple[int, int]]]

    @property
    def name(self) -> str:
        """What the via is called."""
        return f"{self.cut}_1"


UNITS = (1000, 2000, 10_000, 20_000)
"""Database units per um to write with: the first that holds every length."""
LEF_UNITS = UNITS[-1]
PIN = "PAD"
LAYER = "TOP_METAL"
POINT: Um = 0.01
"""Size that stands for a ball's which the process says: DEF has no point."""
_SAFE = "".join(chr(c) for c in range(32, 127) if chr(c) not in '"\\%#;')
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_\[\]<>.:$-]*")
_KEYWORDS = {"PIN", "MUSTJOIN"}


def write_lef(chip: Chip, layer: RoutedLayer | None = None, second: Second | None = None) -> str:
    """A LEF file with the routed layer and a macro for each shape of pad and ball; `write_def` places them.

    `layer`: left out, the chip's own; where it has none, one called TOP_METAL. `second`: balls stand on its layer.
    """
    layer = _layer(chip, layer)
    lines = ["VERSION 5.8 ;", 'BUSBITCHARS "[]" ;', 'DIVIDERCHAR "/" ;']
    lines += ["UNITS", f"  DATABASE MICRONS {LEF_UNITS} ;", "END UNITS"]
    for metal in [layer.name, *([second.layer] if second else [])]:
        if second and metal == second.layer:
            lines += [f"LAYER {second.cut}", "  TYPE CUT ;", f"END {second.cut}"]
        lines += [f"LAYER {metal}", "  TYPE ROUTING ;", "  DIRECTION HORIZONTAL ;"]
        lines += [f"  {key} {_um(v)} ;" for key, v in _rules(layer) if v]
        lines.append(f"END {metal}")
    for macro, (shape, kind) in _macros(chip).items():
        x0, y0, x1, y1 = bounds(shape)
        corners = " ".join(_um(v) for point in shape for v in point)
        is_box = shape == box(x0, y0, x1, y1)
        geometry = f"RECT {_um(x0)} {_um(y0)} {_um(x1)} {_um(y1)}" if is_box else f"POLYGON {corners}"
        lines += [
            f"MACRO {macro}", f"  CLASS {kind} ;", f"  ORIGIN {_um(-x0)} {_um(-y0)} ;",
            f"  SIZE {_um(x1 - x0)} BY {_um(y1 - y0)} ;", "  SYMMETRY X Y R90 ;", f"  PIN {PIN}",
            "    DIRECTION INOUT ;", "    USE SIGNAL ;", "    PORT",
            f"      LAYER {second.layer if second and kind != 'PAD' else layer.name} ;",
            f"      {geometry} ;", "    END", f"  END {PIN}", f"END {macro}",
        ]  # fmt: skip
    return "\n".join([*lines, "END LIBRARY", ""])


def write_def(
    chip: Chip, routes: Routes | None = None, layer: RoutedLayer | None = None, second: Second | None = None
) -> str:
    """A DEF file of a chip, of the macros that `write_lef` writes, with the wires of its nets as SPECIALNETS.

    Read with that LEF it gives the chip back: names, nets, groups, centres, shapes, keep-outs and outline. What DEF
    has no word for stands in properties (see `def_file.NAME`); lengths are on the file's own coordinates (`origin`).
    With a `second` metal, balls stand on that, and `read_def` sees from either layer what stands there.

    Raises:
        ChipError: a length is finer than 1/20000 um, or a wire belongs to no net.
    """
    layer = _layer(chip, layer)
    macros = _macros(chip)
    by_shape = {value: name for name, value in macros.items()}
    grid = _Grid.of(chip, routes or {})
    names = _Names()
    design = names.of(chip.name)
    definitions = [f"  COMPONENT {key} STRING ;" for key in (NAME, GROUP, SIZE)] + [f"  SPECIALNET {NAME} STRING ;"]
    definitions.append(f"  DESIGN {NAME} STRING {_text(chip.name)} ;")
    lines = ["VERSION 5.8 ;", 'DIVIDERCHAR "/" ;', 'BUSBITCHARS "[]" ;', f"DESIGN {design} ;"]
    lines += [f"UNITS DISTANCE MICRONS {grid.units} ;", "PROPERTYDEFINITIONS", *definitions, "END PROPERTYDEFINITIONS"]
    corners = (chip.die[0], chip.die[2]) if not chip.outline else chip.outline
    lines.append(f"DIEAREA {grid.points(corners)} ;")
    if second:
        lines += ["VIAS 1 ;", f"- {second.name}"]
        for metal, shape in (
            (layer.name, second.landing),
            (second.cut, second.opening),
            (second.layer, second.landing),
        ):
            lines.append(f"  + POLYGON {metal} {grid.about(shape)}")
        lines += ["  ;", "END VIAS"]
    components = _Names()
    nets: dict[str, list[str]] = {}
    lines.append(f"COMPONENTS {len(chip.pads) + len(chip.balls)} ;")
    for m in chip.members:
        shape = _about(m)
        name, (x0, y0, _, _) = components.of(m.name), bounds(shape)
        lines.append(f"- {name} {by_shape[shape, _kind(m)]} + FIXED {grid.point(m.x + x0, m.y + y0)} N")
        marks = [f"{NAME} {_text(m.name)}"]
        marks += [f"{GROUP} {_text(m.group)}"] if m.group else []
        marks += [f"{SIZE} {_text('none')}"] if isinstance(m, Ball) and not m.metal else []
        lines.append(f"  + PROPERTY {' '.join(marks)} ;")
        if m.net:
            nets.setdefault(m.net, []).append(f"( {name} {PIN} )")
    lines.append("END COMPONENTS")
    if chip.keepouts:
        lines.append(f"BLOCKAGES {len(chip.keepouts) * (2 if second else 1)} ;")
        for points in chip.keepouts:
            is_box = points == box(*bounds(points))
            shown = f"RECT {grid.points((points[0], points[2]))}" if is_box else f"POLYGON {grid.points(points)}"
            lines += [f"- LAYER {metal} {shown} ;" for metal in [layer.name, *([second.layer] if second else [])]]
        lines.append("END BLOCKAGES")
    _refuse_unknown(routes or {}, nets, chip.name)
    lines.append(f"SPECIALNETS {len(nets)} ;")
    net_names = _Names()
    for net, pins in nets.items():
        name = net_names.of(net)
        lines.append(f"- {name} {' '.join(pins)}")
        lines += [f"  + PROPERTY {NAME} {_text(net)}"] if name != net else []
        own = grid.wires((routes or {}).get(net, ()))
        width = next((w for _, w, _ in (routes or {}).get(net, ())), 0)
        if second:
            for at in second.vias.get(net, ()):
                own.append(f"  {'NEW' if own else '+ ROUTED'} {layer.name} {grid.via(second, at, width)}")
        lines += own
        lines.append("  + USE SIGNAL ;")
    return "\n".join([*lines, "END SPECIALNETS", "END DESIGN", ""])


def add_routes(path: Path, chip: Chip, routes: Routes) -> str:
    """The DEF file that `chip` was read from, with the wires of its nets added to its SPECIALNETS; all else unchanged.

    Raises:
        ChipError: the file cannot be read, its unit does not hold a point of a wire, or a wire belongs to no net of it.
    """
    design, tokens = read_design(path)
    grid = _Grid(design.units, chip.origin, str(path))
    wired = {net: list(wires) for net, wires in routes.items() if wires}
    file_names = {shown: name for name, shown in design.net_names.items()}
    text, spots = tokens.text, design.special_nets
    known = {name for name, _ in design.connections.values()} | set(design.wildcards.values()) | set(spots)
    known |= set(design.pin_nets.values())
    _refuse_unknown({file_names.get(net, net): w for net, w in wired.items()}, known, str(path))
    new: list[str] = []
    pieces: list[tuple[int, str]] = []
    for net, wires in wired.items():
        name = file_names.get(net, net)
        lines = "\n".join(grid.wires(wires))
        if name in spots:
            pieces.append((spots[name], f"\n{lines}\n"))
        else:
            new.append(f"- {name}\n{lines} ;\n")
    if design.special_section is None:
        at = design.nets_section if design.nets_section is not None else text.rindex("END")
        if new:
            pieces.append((at, f"SPECIALNETS {len(new)} ;\n{''.join(new)}END SPECIALNETS\n"))
    else:
        count, end = design.special_section
        if new:
            pieces.append((end, "".join(new)))
            old = re.compile(r"[^\s;]*").match(text, count)
            text_count = old.group() if old else ""
            total = int(text_count) + len(new) if text_count.isdigit() else len(new)
            text = text[:count] + str(total) + text[count + len(text_count) :]
            shift = len(str(total)) - len(text_count)
            pieces = [(at + shift if at > count else at, piece) for at, piece in pieces]
    out, last = [], 0
    for at, piece in sorted(pieces, key=lambda p: p[0]):
        out += [text[last:at], piece]
        last = at
    return "".join([*out, text[last:]])


def _refuse_unknown(routes: Routes, nets: Iterable[str], file: str) -> None:
    known = set(nets)
    if unknown := [net for net in routes if net not in known]:
        message = f"a wire belongs to net {printable(unknown[0], 60)!r}, which there is not; name the chip's own nets"
        raise ChipError([Problem(file, "", message)])


@dataclass(frozen=True, slots=True)
class _Grid:
    """Lengths of a chip as whole units of a DEF file."""

    units: int
    origin: tuple[Um, Um]
    file: str

    @classmethod
    def of(cls, chip: Chip, routes: Routes) -> _Grid:
        """The coarsest one that holds every length."""
        values = [*chip.origin, *(v for points in (chip.die, *chip.keepouts) for p in points for v in p)]
        values += [v for m in chip.members for v in (m.x + bounds(_about(m))[0], m.y + bounds(_about(m))[1])]
        for units in UNITS:
            if all(_whole(v * units) for v in values):
                return cls(units, chip.origin, chip.name)
        worst = next(v for v in values if not _whole(v * UNITS[-1]))
        message = f"{worst!r} um is finer than the {UNITS[-1]} units per um that DEF allows; round it"
        raise ChipError([Problem(chip.name, "", message)])

    def point(self, x: Um, y: Um) -> str:
        """A point of the chip as DEF writes it."""
        return f"( {self._units(x + self.origin[0])} {self._units(y + self.origin[1])} )"

    def points(self, points: Iterable[tuple[Um, Um]]) -> str:
        """Several."""
        return " ".join(self.point(x, y) for x, y in points)

    def about(self, points: Ring) -> str:
        """Corners about the origin of their own."""
        return " ".join(f"( {self._units(x)} {self._units(y)} )" for x, y in points)

    def via(self, second: Second, at: tuple[int, int], width: int) -> str:
        """A via on a wire of some width, both in units of 1 nm."""
        return f"{self._units(width * DBU)} + SHAPE IOWIRE {self.point(at[0] * DBU, at[1] * DBU)} {second.name}"

    def wires(self, routes: Iterable[Route]) -> list[str]:
        """Lines of a net's wires; wires of fewer than two points are none."""
        lines: list[str] = []
        for layer, width, points in routes:
            path = [p for i, p in enumerate(points) if i == 0 or p != points[i - 1]]
            if len(path) > 1:
                line = self.points((x * DBU, y * DBU) for x, y in path)
                word = "NEW" if lines else "+ ROUTED"
                lines.append(f"  {word} {layer} {self._units(width * DBU)} + SHAPE IOWIRE {line}")
        return lines

    def _units(self, value: Um) -> int:
        if not _whole(value * self.units):
            message = f"{value:.6g} um is no whole number of its {self.units} units per um; use a finer unit"
            raise ChipError([Problem(self.file, "", message)])
        return round(value * self.units)


def _whole(value: float) -> bool:
    return abs(value - round(value)) < 1e-3


@dataclass(slots=True)
class _Names:
    """Names that DEF can hold, each its own."""

    taken: set[str] = field(default_factory=set)

    def of(self, name: str) -> str:
        """The name itself if it may stand there, else one like it."""
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in name)
        plain = name if _PLAIN.fullmatch(name) else f"N_{plain}"
        unique, n = plain, 2
        while unique in self.taken or unique in _KEYWORDS:
            unique, n = f"{plain}__{n}", n + 1
        self.taken.add(unique)
        return unique


def _text(value: str) -> str:
    return f'"{quote(value, safe=_SAFE)}"'


def _layer(chip: Chip, layer: RoutedLayer | None) -> RoutedLayer:
    return layer or chip.layer or RoutedLayer(LAYER)


def _rules(layer: RoutedLayer) -> tuple[tuple[str, Um], ...]:
    return ("WIDTH", layer.width), ("SPACING", layer.space), ("PITCH", layer.pitch)


def _about(m: Pad | Ball) -> Ring:
    """A member's metal about its centre; a small box for what has no size."""
    w, h = (m.width / 2, m.height / 2) if m.width else (POINT / 2, POINT / 2)
    return m.polygon or box(-w, -h, w, h)


def _kind(m: Pad | Ball) -> str:
    return "PAD" if isinstance(m, Pad) else "COVER BUMP"


def _macros(chip: Chip) -> dict[str, tuple[Ring, str]]:
    """Each distinct shape with its LEF class, by the macro's name."""
    distinct = dict.fromkeys((_about(m), _kind(m)) for m in chip.members)
    return {f"{'PAD' if kind == 'PAD' else 'BUMP'}_{i}": (shape, kind) for i, (shape, kind) in enumerate(distinct, 1)}


def _um(value: Um) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
