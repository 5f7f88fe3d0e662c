"""Every rule of every shipped PDK on cases that must pass and cases that must fail, kept as data beside this file.

`tests/rules/PDK/RULE.ID.toml`; a PDK that extends another is tested on its parent's cases, too, with its own limits:

    [[pass]]
    name = "exactly at the limit"
    rdl = ["box(0, 0, L, 100)"]

A case draws on layers by name; lengths are um, L is the rule's limit, G the PDK's guard. Shapes: box(x0, y0, x1, y1),
circle(x, y, diameter), square(x, y, side, bevel) and polygon(x, y, x, y, ...).
"""

from __future__ import annotations

import ast
import operator
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import klayout.db as kdb
import pytest

from layoutgen import geom
from layoutgen import pdk as pdk_module
from layoutgen.drc import run as drc_run
from layoutgen.findings import Status
from layoutgen.pdk import Pdk
from layoutgen.units import DBU, to_dbu

HERE = Path(__file__).parent
PDKS = HERE.parents[1] / "pdk" / "layoutgen_pdk"
LETTERS = ("L", "G")
OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


def shipped(name: str) -> Pdk:
    return pdk_module.read(PDKS / name, PDKS.joinpath)


SHIPPED = {folder.parent.name: shipped(folder.parent.name) for folder in sorted(PDKS.glob("*/pdk.toml"))}


def case_file(pdk: Pdk, rule: str) -> Path | None:
    """The cases of a rule: the PDK's own, or those of the one it extends."""
    name = pdk.name
    while name:
        if (found := HERE / name / f"{rule}.toml").is_file():
            return found
        name = SHIPPED[name].extends
    return None


def cases() -> Iterator[Any]:
    for name, pdk in SHIPPED.items():
        for rule in pdk.rules:
            path = case_file(pdk, rule)
            content = tomllib.loads(path.read_text("utf-8")) if path else {}
            for verdict in ("pass", "fail"):
                for case in content.get(verdict, []):
                    yield pytest.param(pdk, rule, verdict, case, id=f"{name}-{rule}-{verdict}: {case['name']}")


def number(node: ast.expr, known: dict[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -number(operand, known)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](number(left, known), number(right, known))
    raise ValueError(f"{ast.unparse(node)!r} is no length")


def shape(text: str, known: dict[str, float], corners: int) -> kdb.Polygon:
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise TypeError(f"{text!r} is no shape")
    at = [number(argument, known) for argument in call.args]
    match call.func.id, at:
        case "box", [x0, y0, x1, y1]:
            points = geom.span(x0, y0, x1, y1)
        case "circle", [x, y, diameter]:
            points = geom.circle(diameter, corners, (x, y))
        case "square", [x, y, side, bevel]:
            points = geom.bevelled(side, side, bevel, (x, y))
        case "polygon", _:
            return polygon(to_dbu(at).reshape(-1, 2))
        case name, _:
            raise ValueError(f"{name} with {len(at)} numbers is no shape: {text!r}")
    return polygon(to_dbu(points))


def polygon(points: Any) -> kdb.Polygon:
    return kdb.Polygon([kdb.Point(int(x), int(y)) for x, y in points])


@pytest.mark.parametrize(("pdk", "rule", "verdict", "case"), list(cases()))
def test_case(pdk: Pdk, rule: str, verdict: str, case: dict[str, Any]) -> None:
    known = {"L": pdk.rules[rule].limit or 0.0, "G": pdk.guard}
    drawn = {name: shapes for name, shapes in case.items() if name != "name"}
    assert set(drawn) <= set(pdk.drawn_layers), "a case draws on drawn layers; derived ones follow"
    regions = {n: kdb.Region([shape(s, known, pdk.circle_points) for s in shapes]) for n, shapes in drawn.items()}
    content = drc_run.Content(
        "case", lambda name: regions.get(name, kdb.Region()), applies=frozenset({rule}), complete=False
    )
    flow = (pdk.rules[rule].flows or tuple(pdk.flows))[0]
    (result,) = [r for r in drc_run.run(pdk, flow, content).results if r.rule == rule]
    assert result.status is Status.RUN, result.reason
    assert bool(result.findings) is (verdict == "fail"), [f.measured for f in result.findings]


def can_fail(pdk: Pdk, rule: str) -> bool:
    """Nothing in a layout can be off a grid of one database unit."""
    return not (pdk.rules[rule].check == "grid" and (pdk.rules[rule].limit or 0) <= DBU)


@pytest.mark.parametrize("name", list(SHIPPED))
def test_every_rule_has_a_case_that_passes_and_one_that_fails(name: str) -> None:
    pdk = SHIPPED[name]
    missing = []
    for rule in pdk.rules:
        path = case_file(pdk, rule)
        content = tomllib.loads(path.read_text("utf-8")) if path else {}
        wanted = ("pass", "fail") if can_fail(pdk, rule) else ("pass",)
        missing += [f"{rule}: no case that must {verdict}" for verdict in wanted if not content.get(verdict)]
    assert missing == []


def test_every_case_file_is_of_a_rule() -> None:
    strays = [
        f"{path.parent.name}/{path.name}"
        for path in HERE.glob("*/*.toml")
        if path.parent.name not in SHIPPED or path.stem not in SHIPPED[path.parent.name].rules
    ]
    assert strays == []


@pytest.mark.parametrize("name", list(SHIPPED))
def test_every_rule_can_run(name: str) -> None:
    assert drc_run.validate(SHIPPED[name]) == []
