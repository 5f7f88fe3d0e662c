"""Renew what the documentation takes from the code: python docs/renew.py.

Tables: docs/cells.md, docs/spec.md, and a README.md with its rules in each process's folder. Pictures: docs/images,
from the builds that they show. The tests compare the tables with the code.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import types
import typing
from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import layoutgen as lg
from layoutgen import discover
from layoutgen.cell import field_meanings
from layoutgen.chip.tables import BALL_COLUMNS, PAD_COLUMNS, SHAPE_COLUMNS
from layoutgen.drc.checks import task
from layoutgen.pdk import Pdk
from layoutgen.spec import SpecFile
from layoutgen.tomlfile import NAMES

ROOT = Path(__file__).resolve().parent.parent
PICTURES = {"caravel_post": ("die", "wafer", "route"), "caravel_wlcsp": ("die",)}


def main() -> None:
    """Write every table and picture."""
    for file, text in tables().items():
        (ROOT / file).write_text(text, "utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for name, pictures in PICTURES.items():
            lg.write(lg.build(ROOT / f"examples/{name}.toml"), Path(folder) / name)
            for picture in pictures:
                target = ROOT / f"docs/images/{name}_{picture}.png"
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(Path(folder) / name / f"preview/{picture}.png", target)


def tables() -> dict[str, str]:
    """Each generated text by its file, relative to the project."""
    out = {"docs/cells.md": cells(), "docs/spec.md": spec()}
    for name in discover.pdk_names():
        out[f"pdk/layoutgen_pdk/{name}/README.md"] = process(discover.pdk(name))
    return out


def cells() -> str:
    """Every cell with its parameters."""
    lines = ["# Cells", "", "All lengths are µm. `layoutgen cells show NAME -o NAME.png` draws one.", ""]
    library = discover.cells()
    for name in library:
        generator = library[name]
        units, meanings = generator.units(), generator.meanings()
        lines += [
            f"## `{name}`",
            "",
            (generator.params.__doc__ or "").strip(),
            "",
            (generator.draw.__doc__ or "").strip(),
        ]
        lines += ["", "| parameter | unit | default | meaning |", "|---|---|---|---|"]
        for f in fields(generator.params):
            default = "from the process" if f.default is MISSING else f"`{f.default!r}`"
            lines.append(f"| `{f.name}` | {units[f.name]} | {default} | {meanings[f.name]} |")
        lines.append("")
    return "\n".join(lines)


SPEC = """\
# The spec

A TOML file: what to build, of which chip, in which process. All lengths are µm, and paths are relative to the file.
`layoutgen init NAME` writes one that builds at once. A key that is not listed here is refused, and so is a value of
another type.
"""
COLUMNS = {
    "pad": "Name; each pad has one of its own.",
    "ball": "Name; each ball has one of its own.",
    "net": "The net that it belongs to. Each net has a pad and a ball at least, unless it takes a free one; those of "
    "one net are joined. `*` or `*NAME` instead: free, for whoever asks, or for those that ask for group NAME.",
    "x": "Centre, from the die's left edge.",
    "y": "Centre, from the die's lower edge.",
    "width": "Width of its metal; where it is left out or empty, `chip.pad_size` says that of a pad, the process "
    "that of a ball.",
    "height": "Height of its metal, likewise.",
    "group": "A pad takes a free ball of this group, a ball a free pad. May be left out: a pad whose net has no ball, "
    "and names no group, takes one of the balls `*`.",
    "polygon": "Instead of width and height: corners of its metal from the centre, `x y x y ...`, three at least.",
}
SHAPES = {
    "shape": "`outline`, of which there is one at most, or `keepout`: where wires keep clear.",
    "polygon": "Corners, `x y x y ...`, three at least. An outline's leftmost is at x = 0, its lowest at y = 0.",
}
TABLES = """\
## The tables of pads, balls and shapes

CSV in UTF-8 with commas between cells. The first row names the columns, in any order; empty lines and lines that start
with # are passed over. (0, 0) is the die's lower-left corner.
"""


def spec() -> str:
    """Every key of a spec, and the columns of a chip's tables."""
    lines = [SPEC, *keys(SpecFile, "The file", ""), TABLES]
    lengths = {"x", "y", "width", "height", "polygon"}
    for title, columns in (("pads", PAD_COLUMNS), ("balls", BALL_COLUMNS), ("shapes", SHAPE_COLUMNS)):
        meanings = SHAPES if title == "shapes" else COLUMNS
        lines += [f"| column of `chip.{title}` | unit | meaning |", "|---|---|---|"]
        lines += [f"| `{c}` | {'um' if c in lengths else ''} | {meanings[c]} |" for c in columns]
        lines.append("")
    return "\n".join(lines)


def keys(model: type[BaseModel], title: str, table: str) -> list[str]:
    """One table of the spec, and then the tables in it."""
    lines = [f"## {title}", "", (model.__doc__ or "").strip(), ""]
    lines += ["| key | type | unit | default | meaning |", "|---|---|---|---|---|"]
    meanings, below = field_meanings(model), []
    for name, field in model.model_fields.items():
        place = f"{table}.{name}" if table else name
        type_, unit = words(field.annotation, field.metadata)
        lines.append(f"| `{field.alias or name}` | {type_} | {unit} | {default(field)} | {meanings[name]} |")
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                below += keys(inner, f"`[{place}]`", place)
    return [*lines, "", *below]


def default(field: FieldInfo) -> str:
    """What a key is where it is left out."""
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    if value in (None, "", (), {}) or isinstance(value, BaseModel):
        return "none"
    return f"`{value:g}`" if isinstance(value, float) else f"`{json.dumps(value)}`"


def words(annotation: Any, metadata: Iterable[Any] = ()) -> tuple[str, str]:
    """A type with its bounds in words, and its unit."""
    flat = [part for m in metadata for part in (m.metadata if isinstance(m, FieldInfo) else [m])]
    unit = next((m for m in flat if isinstance(m, str)), "")
    arguments = get_args(annotation)
    match get_origin(annotation):
        case typing.Annotated:
            inner, below = words(arguments[0], arguments[1:])
            return inner, unit or below
        case typing.Union | types.UnionType:
            parts = [words(a) for a in arguments if a is not type(None)]
            return " or ".join(p for p, _ in parts), unit or parts[0][1]
        case typing.Literal:
            return " or ".join(f'`"{a}"`' for a in arguments), unit
        case origin if origin is tuple:
            inner, below = words(arguments[0])
            if arguments[-1] is Ellipsis:
                return f"list of {inner}", unit or below
            if inner.startswith("whole number"):
                return f"two whole numbers `[layer, datatype]`{inner.removeprefix('whole number')}", unit or below
            return f"two numbers `[x, y]`{inner.removeprefix('number')}", below
        case origin if origin is dict:
            return "tables", unit
    if issubclass(annotation, BaseModel):
        return "table", unit
    kind = {float: "number", int: "whole number", str: "text", bool: "true or false"}[annotation]
    return " ".join([kind, *bounds(flat)]), unit


def bounds(metadata: list[Any]) -> list[str]:
    """What limits a value, in words: none or one phrase."""
    signs = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    out = [f"{word} {getattr(m, key):g}" for m in metadata for key, word in signs.items() if hasattr(m, key)]
    out += [f"({NAMES[m.pattern]})" for m in metadata if getattr(m, "pattern", None) in NAMES]
    return [", ".join(out)] if out else []


def process(pdk: Pdk) -> str:
    """One process: its flows, masks and rules."""
    lines = [f"# `{pdk.name}`", "", f"{pdk.title}.", "", pdk.source, ""]
    for name, flow in pdk.flows.items():
        lines += [f"Flow `{name}`: {flow.title}. Plating current: {flow.current}.", ""]
        lines += ["| mask | title | drawn as | resist | transfer | tone | aligns to |", "|---|---|---|---|---|---|---|"]
        for mask_name, m in pdk.in_flow(name).masks_of(name).items():
            tone = m.tone + (", mirrored" if m.side == "rear" else "")
            lines.append(
                f"| {mask_name} | {m.title} | {m.drawn} | {m.resist} | {m.transfer} | {tone} | {m.aligns_to} |"
            )
        lines.append("")
    lines += ["| rule | asks for | why | source |", "|---|---|---|---|"]
    for rule_name, rule in pdk.rules.items():
        words = task(rule_name, rule).words.replace("|", "\\|")
        lines.append(f"| {rule_name} | {words} | {rule.why} | {rule.source} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
