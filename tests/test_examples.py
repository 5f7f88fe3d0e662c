"""The examples that ship with layoutgen do what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import klayout.db as kdb
import pytest

from layoutgen import spec

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SPECS = sorted(EXAMPLES.glob("*.toml"))


def test_there_are_the_examples_that_the_tests_speak_of() -> None:
    assert {path.stem for path in SPECS} >= {"caravel_post", "caravel_wlcsp", "grid36_wlcsp"}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_spec_reads_and_is_named_like_its_file(path: Path) -> None:
    assert spec.read(path).file.name == path.stem


def test_both_caravel_specs_name_the_same_chip() -> None:
    post, wlcsp = (spec.read(EXAMPLES / f"caravel_{name}.toml").chip for name in ("post", "wlcsp"))
    assert post == wlcsp
    assert (len(post.pads), len(post.balls), len(post.nets)) == (63, 60, 57)


def test_the_script_writes_a_cell_placed_twice_with_its_own_parameters(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "script.py"), str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 findings" in done.stdout
    layout = kdb.Layout()
    layout.read(str(tmp_path / "two_wires.gds"))
    (wire, other) = [instance.dcplx_trans.disp for instance in layout.top_cell().each_inst()]
    assert {(wire.x, wire.y), (other.x, other.y)} == {(0.0, 0.0), (0.0, 150.0)}
    metal = kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(10, 0))).merged()
    assert metal.count() == 2
    between = metal & kdb.Region(kdb.DBox(390, -100, 410, 250).to_itype(layout.dbu))  # the middle of both wires
    assert sorted(piece.bbox().height() for piece in between.each()) == pytest.approx([40_000, 40_000], abs=8)
