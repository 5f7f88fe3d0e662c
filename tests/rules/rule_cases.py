"""The cases of rules, kept as data beside this file, and how they are drawn: see README.md here."""

from __future__ import annotations

import ast
import operator
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import klayout.db as kdb

from layoutgen import geom
from layoutgen import pdk as pdk_module
from layoutgen.pdk import Pdk, Rule
from layoutgen.units import IntPoints, to_dbu

HERE = Path(__file__).parent
FOLDERS = (HERE.parents[1] / "pdk" / "layoutgen_pdk", HERE.parent / "pdk")
"""Of the shipped PDKs, and of those that only the tests use."""
KEYS = ("name", "flow", "findings", "measured")
"""What a case says beside its layers."""
OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
Verdict = Literal["pass", "fail"]
VERDICTS: tuple[Verdict, ...] = ("pass", "fail")


def _folder(name: str) -> Path:
    return next(folder / name for folder in FOLDERS if (folder / name).is_dir())


PDKS: dict[str, Pdk] = {
    path.parent.name: pdk_module.read(path.parent, _folder)
    for folder in FOLDERS
    for path in sorted(folder.glob("*/pdk.toml"))
}
"""Every PDK that is shipped or tested with, by name."""


def case_file(pdk: Pdk, rule: str) -> Path | None:
    """The cases of a rule: the PDK's own, or those of the one it extends."""
    name = pdk.name
    while name:
        if (found := HERE / name / f"{rule}.toml").is_file():
            return found
        name = PDKS[name].extends
    return None


def cases_of(pdk: Pdk, rule: str) -> Iterator[tuple[Verdict, dict[str, Any]]]:
    """Each case of a rule with what must become of it."""
    path = case_file(pdk, rule)
    content = tomllib.loads(path.read_text("utf-8")) if path else {}
    assert set(content) <= set(VERDICTS), f"{path}: cases are [[pass]] or [[fail]]"
    for verdict in VERDICTS:
        for case in content.get(verdict, []):
            yield verdict, case


def letters(pdk: Pdk, rule: Rule) -> dict[str, float]:
    """The names that numbers of a case may use, with their values."""
    known = {"L": rule.limit or 0.0, "G": pdk.guard}

    def add(name: str, value: Any) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            known[name] = float(value)
        elif isinstance(value, dict):
            for key, inner in value.items():
                add(f"{name}_{key}", inner)
        elif isinstance(value, list | tuple):
            for i, inner in enumerate(value):
                add(f"{name}_{i}", inner)

    for name, value in rule.options.items():
        add(name, value)
    return known


def number(text: str | float, known: dict[str, float]) -> float:
    """The value of an expression of numbers and known names."""
    return _number(ast.parse(str(text), mode="eval").body, known)


def drawn(pdk: Pdk, rule: str, case: dict[str, Any]) -> dict[str, kdb.Region]:
    """The case's shapes by drawn layer, in database units."""
    known = letters(pdk, pdk.rules[rule])
    layers = {name: shapes for name, shapes in case.items() if name not in KEYS}
    strange = sorted(set(layers) - set(pdk.drawn_layers))
    assert not strange, (
        f"a case draws on drawn layers, from which derived ones follow, and has the keys {KEYS}: not {strange}"
    )
    return {name: region(shapes, known, pdk.circle_points) for name, shapes in layers.items()}


def region(shapes: list[str], known: dict[str, float], corners: int) -> kdb.Region:
    """Shapes drawn in order; one with a minus before it is cut out of those before it."""
    out = kdb.Region()
    for text in shapes:
        if text.startswith("-"):
            out -= kdb.Region(shape(text[1:], known, corners))
        else:
            out.insert(shape(text, known, corners))
    return out


def shape(text: str, known: dict[str, float], corners: int) -> kdb.Polygon:
    """One shape from its words."""
    call = ast.parse(text.strip(), mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise TypeError(f"{text!r} is no shape")
    at = [_number(argument, known) for argument in call.args]
    match call.func.id, at:
        case "box", [x0, y0, x1, y1]:
            points = geom.span(x0, y0, x1, y1)
        case "circle", [x, y, diameter]:
            points = geom.circle(diameter, corners, (x, y))
        case "circle", [x, y, diameter, count]:
            points = geom.circle(diameter, round(count), (x, y))
        case "square", [x, y, side, bevel]:
            points = geom.bevelled(side, side, bevel, (x, y))
        case "polygon", _ if len(at) >= 6 and len(at) % 2 == 0:
            return _polygon(to_dbu(at).reshape(-1, 2))
        case name, _:
            raise ValueError(f"{name} with {len(at)} numbers is no shape: {text!r}")
    return _polygon(to_dbu(points))


def _polygon(points: IntPoints) -> kdb.Polygon:
    return kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in points])


def _number(node: ast.expr, known: dict[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand, known)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_number(left, known), _number(right, known))
    raise ValueError(f"{ast.unparse(node)!r} is no number; known names: {', '.join(known)}")
