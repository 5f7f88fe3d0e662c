"""Renew what the documentation takes from the code: python docs/renew.py.

Tables: docs/cells.md, and a README.md with its rules in each process's folder. Pictures: docs/images, from the builds
that they show. The tests compare the tables with the code.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import MISSING, fields
from pathlib import Path

import layoutgen as lg
from layoutgen import discover
from layoutgen.drc.checks import task
from layoutgen.pdk import Pdk

ROOT = Path(__file__).resolve().parent.parent
PICTURES = {"caravel_post": ("die", "wafer"), "caravel_wlcsp": ("die",)}


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
    out = {"docs/cells.md": cells()}
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


def process(pdk: Pdk) -> str:
    """One process: its flows, masks and rules."""
    lines = [f"# `{pdk.name}`", "", f"{pdk.title}.", "", pdk.source, ""]
    for name, flow in pdk.flows.items():
        lines += [f"Flow `{name}`: {flow.title}. Plating current: {flow.current}.", ""]
        lines += ["| mask | title | drawn as | resist | transfer | tone | aligns to |", "|---|---|---|---|---|---|---|"]
        for mask_name, m in pdk.masks_of(name).items():
            lines.append(
                f"| {mask_name} | {m.title} | {m.drawn} | {m.resist} | {m.transfer} | {m.tone} | {m.aligns_to} |"
            )
        lines.append("")
    lines += ["| rule | asks for | why | source |", "|---|---|---|---|"]
    for rule_name, rule in pdk.rules.items():
        words = task(rule_name, rule).words.replace("|", "\\|")
        lines.append(f"| {rule_name} | {words} | {rule.why} | {rule.source} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
