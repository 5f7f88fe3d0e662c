"""Derived layers: one small expression language for masks, rules and derived layers.

    rdl_all  = "rdl | rdl_tie"
    head     = "size(via, 2 * level.post.projection)"

Operators on layers, binding as in Python (tightest first): `-` not, `&` and, `^` xor, `|` or. `size(layer, um)` grows
(or shrinks) every edge. A layer at a level of the cut is one name, `cut_sure@frame`. Numbers may use + - * / and names
of the stack (`level.NAME.FIELD`) and of the cut (`cut.NAME.FIELD`). Nothing else is accepted, and nothing is ever
executed.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from functools import cache

import klayout.db as kdb

from layoutgen.units import DBU, Um, dbu

MAX_DEPTH = 100
"""How deep an expression may be nested: far below what Python's own recursion bears."""
MOST_SIZED: Um = 10_000.0
"""By how much `size` may grow or shrink: far beyond any overlay, and within what a layout file can hold."""
Fetch = Callable[[str], kdb.Region]
Number = Callable[[str], float]

OCTAGON = 2  # KLayout's corner mode: corners are cut like an octagon's, which keeps a finely cut circle a circle


def names(expression: str) -> tuple[str, ...]:
    """The layer names an expression uses, in order of appearance.

    Raises:
        ValueError: the expression is not of this language; the message quotes what is wrong.
    """
    found: list[str] = []

    def visit(node: ast.expr) -> None:
        match node:
            case ast.Name(id=name):
                found.append(name)
            case ast.BinOp(left=left, right=right) if isinstance(node.op, _BOOLEAN):
                visit(left)
                visit(right)
            case ast.Call():
                visit(_size_arguments(expression, node)[0])
            case _:
                raise ValueError(f"{ast.unparse(node)!r} in {expression!r} is no layer, no | & - ^, no size(layer, um)")

    visit(_parse(expression))
    return tuple(dict.fromkeys(found))


def union_of(expression: str) -> tuple[str, ...] | None:
    """The layers of a plain union (`a | b | c`), or None where the expression is more than that."""

    def visit(node: ast.expr) -> list[str] | None:
        match node:
            case ast.Name(id=name):
                return [name]
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                a, b = visit(left), visit(right)
                return None if a is None or b is None else a + b
            case _:
                return None

    found = visit(_parse(expression))
    return None if found is None else tuple(dict.fromkeys(found))


def sized(expression: str, number: Number) -> tuple[str, Um] | None:
    """The layer that an expression grows or shrinks, and by how much, or None where it is anything else."""
    match node := _parse(expression):
        case ast.Call():
            layer, by = _size_arguments(expression, node)
            return (layer.id, _by(expression, by, number)) if isinstance(layer, ast.Name) else None
    return None


def evaluate(expression: str, fetch: Fetch, number: Number) -> kdb.Region:
    """The merged region of an expression; `fetch` gives a named layer's region, `number` a stack value in um."""

    def visit(node: ast.expr) -> kdb.Region:
        match node:
            case ast.Name(id=name):
                return fetch(name)
            case ast.BinOp(left=left, op=op, right=right):
                return _BOOLEAN_OPS[type(op)](visit(left), visit(right))
            case ast.Call():
                layer, by = _size_arguments(expression, node)
                step = dbu(_by(expression, by, number))
                return _holed(visit(layer).merged(), step).sized(step, OCTAGON)
            case _:
                raise ValueError(f"{ast.unparse(node)!r} in {expression!r} is no layer expression")

    names(expression)
    return visit(_parse(expression)).merged()  # once, at the end: booleans take overlapping shapes as they come


def _holed(region: kdb.Region, by: int) -> kdb.Region:
    """A merged region, flat where it is to grow and has holes: KLayout (0.30.12) fills some when it grows them deep."""
    if not region.is_deep() or by <= 0:
        return region
    flat = kdb.Region(list(region.each())).merged()
    return flat if any(polygon.holes() for polygon in flat.each()) else region


def script(expression: str, layer: Callable[[str], str], number: Number) -> str:
    """The expression in KLayout's DRC language; `layer` gives a layer's name there, `number` a stack value in um."""

    def visit(node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                return layer(name)
            case ast.BinOp(left=left, op=op, right=right):
                return f"({visit(left)} {_SYMBOLS[type(op)]} {visit(right)})"
            case ast.Call():
                inner, by = _size_arguments(expression, node)
                return f"{visit(inner)}.merged.sized({dbu(_by(expression, by, number)) * DBU:.3f}, square_limit)"
            case _:
                raise ValueError(f"{ast.unparse(node)!r} in {expression!r} is no layer expression")

    names(expression)
    return visit(_parse(expression))


def reach(expression: str, number: Number) -> Um:
    """How far from a point (um) the drawn shapes can lie that decide whether the point is in the derived layer."""

    def visit(node: ast.expr) -> float:
        match node:
            case ast.BinOp(left=left, right=right):
                return max(visit(left), visit(right))
            case ast.Call():
                layer, by = _size_arguments(expression, node)
                return visit(layer) + abs(_by(expression, by, number)) * 1.42  # a corner moves by sqrt(2)
            case _:
                return 0.0

    return visit(_parse(expression))


def growth(expression: str, number: Number) -> Um:
    """By how much a derived layer stands out at most beyond the drawn shapes it is made of (um)."""

    def visit(node: ast.expr) -> float:
        match node:
            case ast.BinOp(left=left, op=ast.Sub() | ast.BitAnd()):
                return visit(left)
            case ast.BinOp(left=left, right=right):
                return max(visit(left), visit(right))
            case ast.Call():
                layer, by = _size_arguments(expression, node)
                return visit(layer) + _by(expression, by, number)
            case _:
                return 0.0

    return visit(_parse(expression))


def value(expression: str, number: Number) -> float:
    """The finite value (um) of an expression without layers, as `level.NAME.FIELD + 2 * level.NAME.FIELD`.

    Raises:
        ValueError: it is no number of this language, or has no finite value.
    """
    return _number(expression, _parse(expression), number)


_BOOLEAN = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
_BOOLEAN_OPS: dict[type[ast.operator], Callable[[kdb.Region, kdb.Region], kdb.Region]] = {
    ast.BitOr: lambda a, b: a + b,
    ast.BitAnd: lambda a, b: a & b,
    ast.Sub: lambda a, b: a - b,
    ast.BitXor: lambda a, b: a ^ b,
}
_SYMBOLS: dict[type[ast.operator], str] = {ast.BitOr: "|", ast.BitAnd: "&", ast.Sub: "-", ast.BitXor: "^"}
_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}


class _At(ast.NodeTransformer):
    """Names of layers at a level, `cut_sure@frame`, as one name."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        match node:
            case ast.BinOp(left=ast.Name(id=layer), op=ast.MatMult(), right=ast.Name(id=level)):
                return ast.Name(id=f"{layer}@{level}", ctx=ast.Load())
        self.generic_visit(node)
        return node


@cache
def _parse(expression: str) -> ast.expr:
    if len(expression) > 2000:
        raise ValueError("an expression may have 2000 characters at most")
    try:
        parsed = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{expression!r} is not an expression; write for example 'rdl | rdl_tie'") from None
    level: list[ast.AST] = [parsed]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            named: ast.expr = _At().visit(parsed)
            return named
    raise ValueError(f"an expression may be nested {MAX_DEPTH} deep at most; name parts of it as derived layers")


def _size_arguments(expression: str, node: ast.Call) -> tuple[ast.expr, ast.expr]:
    match node:
        case ast.Call(func=ast.Name(id="size"), args=[layer, by], keywords=[]):
            return layer, by
    raise ValueError(f"{ast.unparse(node)!r} in {expression!r} is not size(layer, um), the only function there is")


def _by(expression: str, node: ast.expr, number: Number) -> Um:
    """By how much a layer is sized (um).

    Raises:
        ValueError: as `_number`; or it is more than `MOST_SIZED`.
    """
    by = _number(expression, node, number)
    if abs(by) > MOST_SIZED:
        raise ValueError(f"{expression!r} sizes by {by:g} um; by {MOST_SIZED:g} um at most")
    return by


def _number(expression: str, node: ast.expr, number: Number) -> float:
    """A finite number of um.

    Raises:
        ValueError: it is no number of this language, or has no finite value.
    """
    try:
        value = _computed(expression, node, number)
    except (ZeroDivisionError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{ast.unparse(node)!r} in {expression!r} has no finite value")
    return value


def _computed(expression: str, node: ast.expr, number: Number) -> float:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_computed(expression, operand, number)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _ARITHMETIC[type(op)](_computed(expression, left, number), _computed(expression, right, number))
        case ast.Attribute(value=ast.Attribute(value=ast.Name())):
            return number(ast.unparse(node))
    raise ValueError(f"{ast.unparse(node)!r} in {expression!r} is no number and no level.NAME.FIELD")
