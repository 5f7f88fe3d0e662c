"""Processes as data: the engine knows none by name, and one that extends another adds its own table to it."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layoutgen import discover

ROOT = Path(__file__).resolve().parent.parent


def leaves(table: dict[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every value of nested tables by its path."""
    out: dict[tuple[str, ...], Any] = {}
    for key, value in table.items():
        out |= leaves(value, (*path, key)) if isinstance(value, dict) else {(*path, key): value}
    return out


def test_wlcsp_400_differs_from_wlcsp_500_only_in_its_own_table() -> None:
    base, other = (leaves(discover.pdk(f"wlcsp_{pitch}").model_dump()) for pitch in (500, 400))
    own = leaves(tomllib.loads((ROOT / "pdk/layoutgen_pdk/wlcsp_400/pdk.toml").read_text("utf-8")))
    differing = {path for path in base.keys() | other.keys() if base.get(path) != other.get(path)}
    assert differing <= own.keys()
    assert {path[0] for path in own} <= {"extends", "name", "title", "cells", "rules"}
    assert all(other[path] == value for path, value in own.items())
    assert ("rules", "BALL.P.1", "limit") in differing


def names_of_processes() -> set[str]:
    """Names of the flows, processes and masks that ship."""
    found = set(discover.pdk_names())
    for name in discover.pdk_names():
        pdk = discover.pdk(name)
        found |= {*pdk.flows, *pdk.masks}
    return found


def names_used(path: Path) -> Iterator[str]:
    """Identifiers, and strings that name something (no sentences, no documentation), of a Python file."""
    tree = ast.parse(path.read_text("utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Constant(value=str() as text) if id(node) not in documentation and " " not in text.strip():
                yield from re.findall(r"\w+", text)


ALLOWED = {
    # where the plating current comes from is a choice every process makes: a value of `current`, and a flow's name too
    ("pdk/tables.py", "blanket"),
    ("chip/lef.py", "VIA"),  # a keyword of LEF
    ("chip/def_writer.py", "wired"),  # what a net is in a DEF file, and a flow
}


def test_the_engine_names_no_process_flow_or_mask() -> None:
    wanted, engine = names_of_processes(), ROOT / "layoutgen"
    assert {"plated", "blanket", "post", "wlcsp_400", "RDL", "VIA", "UBM"} <= wanted
    hits = {
        (path.relative_to(engine).as_posix(), name)
        for path in engine.rglob("*.py") for name in names_used(path) if name in wanted
    }  # fmt: skip
    assert hits == ALLOWED
