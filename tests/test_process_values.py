"""Values of a process's tables that no process can have: one line each with file, place and mend, when it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from layoutgen.cli import run

KEYS = {
    "bath": ("conductivity", "height", "polarisation", "alpha", "celsius", "source"),
    "connect": ("metal", "pad", "ball", "metal_2", "via_2", "metals", "vias", "top"),
    "cut": (
        "kerf_min", "kerf_max", "tolerance", "chipping", "burr", "clearance", "bares", "margin", "ties_avoid", "keeps",
        "first", "ends", "levels", "then", "profile", "angle", "angle_tolerance", "depth", "depth_tolerance", "side",
    ),
    'ranges."POLYMER.T"': ("value", "at_least", "at_most", "flows", "why", "source"),
    "masks.VIA": ("data", "drawn", "resist", "transfer", "side", "aligns_to", "marks", "current_density", "flows"),
    "drills.LASER": ("data", "aligns_to", "current_density", "flows"),
}  # fmt: skip
OF_NO_KEY = ("-1", "inf", "nan", "-1e300", "true", '["zzz"]', "[1]", '["via", "via"]', "{ zzz = 1 }", "1979-05-27")
ONE = {
    "no ball": ("connect", "ball = []", "connect.ball: is empty; name the layer of what the bath plates"),
    "a huge size": ("masks.VIA", 'data = "size(via, 1e9)"', "masks.VIA.data: 'size(via, 1e9)' sizes by 1e+09 um; by"),
    "one that is bared": ("cut", 'bares = "size(polyimide, 1e9)"', "cut.bares: 'size(polyimide, 1e9)' sizes by 1e+09"),
    "a metal": ("connect", 'metal = "size(rdl, -1e9)"', "connect.metal: 'size(rdl, -1e9)' sizes by -1e+09 um"),
    "a huge kerf": ("cut", "kerf_max = 1e300", "cut.kerf_max: must be at most 450000, not 1e+300"),
    "a deep cut": ("cut", 'depth = "1e9"', "cut.depth: 1e9 is 1e+09 um; depths are not below 0, nor beyond"),
    "a shallow level": ("cut", "levels = { a = -1 }", "cut.levels.a: must be at least 0, not -1"),
    "an empty step": ("cut", "then = [{}]", "cut.then.0: give either cut, another pass, or layer"),
    "twice": ("cut", 'keeps = ["rdl", "rdl"]', "cut.keeps: 'rdl' stands there 2 times; keep one"),
    "a huge density": ("masks.VIA", "current_density = 1e300", "masks.VIA.current_density: must be at most 1000"),
    "no density": ("masks.VIA", "flows = ['plated_etched']", "bath: no mask or drill of flow 'plated' that"),
    "no source": ("bath", 'source = ""', "bath.source: must have text in it, not ''"),
    "a bath of nothing": ("bath", "height = 0\npolarisation = 1e-300", "bath: height and polarisation are both 0"),
    "a film of nothing": ("stack.rdl", "thickness = 1e-300", "stack.rdl.thickness: 1e-300 um is thinner than an atom"),
    "a wall of no slope": ("stack.polymer", "angle = 1e-300", "stack.polymer.angle: must be at least 0.1"),
}  # fmt: skip


def said(user_pdk: Callable[[str, str], Path], table: str, line: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the command line says of the process `post` with a line of a table otherwise."""
    path = user_pdk("mine", f'extends = "post"\nname = "mine"\n[{table}]\n{line}\n')
    assert run(["pdk", "rules", "mine"]) == 2
    found = capsys.readouterr()
    assert not found.out
    lines = found.err.splitlines()
    assert lines
    assert all(text.startswith(f"error: {path}: ") and len(text) < 500 for text in lines), lines
    return [text.removeprefix(f"error: {path}: ") for text in lines]


@pytest.mark.parametrize("table", KEYS)
def test_a_value_of_no_meaning_is_one_line_with_its_place(
    table: str, user_pdk: Callable[[str, str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    own = table.replace('"', "")
    for k, key in enumerate(KEYS[table]):
        # each key meets three of the values, each value meets every kind of key in some table
        for value in (OF_NO_KEY[(k + n) % len(OF_NO_KEY)] for n in (0, 3, 7)):
            lines = said(user_pdk, table, f"{key} = {value}", capsys)
            roots = (f"{own}.{key}", own, "roles", "derived", "rules", "bath", "flows")
            assert any(text.startswith(roots) for text in lines), (key, value, lines)


@pytest.mark.parametrize("name", ONE)
def test_it_names_the_mend(name: str, user_pdk: Callable[[str, str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    table, line, words = ONE[name]
    assert any(text.startswith(words) for text in said(user_pdk, table, line, capsys))
