"""A process of few layers, for tests that bring its rules."""

from __future__ import annotations

from pathlib import Path

from layoutgen.pdk import Pdk, read

HEAD = """
name = "tiny"
title = "A few layers"
source = "test"
roles = { metal = "rdl" }
masks = {}
connect = { metal = "rdl", pad = [], ball = [] }
"""
TINY = (
    HEAD
    + """
[layers]
rdl = { gds = [1, 0], title = "metal" }
tie = { gds = [1, 1], title = "tie" }
via = { gds = [2, 0], title = "via" }
label = { gds = [3, 0], title = "label" }

[reserved]
die = { gds = [200, 0], title = "die" }

[derived]
rdl_all = { expression = "rdl | tie" }
foot = { expression = "size(via, 2)" }
lost = { expression = "via - rdl" }

[flows.one]
title = "One"
current = "none"
stages = []
draws = ["rdl", "via"]

[flows.two]
title = "Two"
current = "none"
stages = []
draws = ["rdl"]
"""
)


def plain(layers: str, reserved: str = "", derived: str = "") -> str:
    """The text of a process whose one flow need not draw anything; each argument: lines of that table."""
    return (
        f"{HEAD}[layers]\n{layers}\n[reserved]\n{reserved}\n[derived]\n{derived}\n"
        '[flows.one]\ntitle = "One"\ncurrent = "none"\nstages = []\ndraws = []\n'
    )


def tiny(parent: Path, rules: str) -> Pdk:
    """The process with these tables of rules, in a folder of its own."""
    folder = parent / "tiny"
    folder.mkdir(exist_ok=True)
    (folder / "pdk.toml").write_text(TINY + rules, "utf-8")
    return read(folder, lambda name: folder)
