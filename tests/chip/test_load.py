"""One door for every kind of file, and every kind after the other: names, nets, centres, shapes and outline stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layoutgen import spec as spec_module
from layoutgen.chip import (
    Ball,
    Chip,
    Pad,
    array_chip,
    load,
    read_def,
    read_gds,
    read_tables,
    write_def,
    write_gds,
    write_lef,
    write_shapes,
    write_tables,
)
from layoutgen.errors import ChipError, SpecError

Chips: TypeAlias = Any
Files: TypeAlias = Any
CHIP = array_chip("a chip", columns=3, rows=3, pitch=400.0, margin=300.0, pad_size=(50.0, 40.0), pad_inset=75.0)


def write(chip: Chip, folder: Path) -> None:
    """The chip in every kind of file."""
    pads, balls = write_tables(chip)
    for file, text in (
        ("pads.csv", pads), ("balls.csv", balls), ("shapes.csv", write_shapes(chip)),
        ("chip.def", write_def(chip)), ("chip.lef", write_lef(chip)),
    ):  # fmt: skip
        (folder / file).write_text(text, "utf-8")
    write_gds(chip, folder / "chip.oas")


def parts(chip: Chip) -> tuple[object, ...]:
    return (
        sorted(chip.pads, key=lambda p: p.name), sorted(chip.balls, key=lambda b: b.name), sorted(chip.keepouts),
        (chip.width, chip.height), chip.outline,
    )  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(data=st.data())
def test_through_every_kind_of_file_a_chip_stays_itself(data: st.DataObject, chips: Chips, tmp_path: Path) -> None:
    drawn = chip = data.draw(chips(even=True))
    write(chip, tmp_path)
    chip = read_gds(tmp_path / "chip.oas")
    write(chip, tmp_path)
    chip = read_def(tmp_path / "chip.def", [tmp_path / "chip.lef"], "TOP_METAL")
    write(chip, tmp_path)
    shapes = tmp_path / "shapes.csv" if drawn.outline or drawn.keepouts else None
    size = (drawn.width, drawn.height)
    chip = read_tables("a chip", size, tmp_path / "pads.csv", tmp_path / "balls.csv", None, shapes)
    assert parts(chip) == parts(drawn)


def test_the_end_of_the_name_says_what_it_is(tmp_path: Path) -> None:
    write(CHIP, tmp_path)
    assert load(tmp_path / "chip.def", lefs=[tmp_path / "chip.lef"]) == CHIP
    assert parts(load(tmp_path / "chip.oas")) == parts(CHIP)
    size = (CHIP.width, CHIP.height)
    assert load(tmp_path / "pads.csv", balls=tmp_path / "balls.csv", size=size, name="a chip") == CHIP
    assert load(str(tmp_path / "chip.def"), lefs=[str(tmp_path / "chip.lef")], name="b").name == "b"
    (tmp_path / "shapes.csv").write_text("shape,polygon\noutline,0 0 1400 0 1400 1400 0 1400\n", "utf-8")
    outlined = load(tmp_path / "pads.csv", balls=tmp_path / "balls.csv", shapes=tmp_path / "shapes.csv")
    assert (outlined.width, outlined.height, outlined.die) == (*size, CHIP.die)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("x.txt", "x.txt: is no file of a chip by its name; name a .def, .gds, .oas or .csv file"),
        ("x.csv", "x.csv: is a pad table alone; name the ball table (balls) too"),
        ("x.def", "x.def: no such file; name a DEF file"),
        ("x.oas.gz", "x.oas.gz: cannot be read (no such file); name a GDSII or OASIS file"),
    ],
)
def test_what_is_no_chip_is_said(file: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ChipError) as e:
        load(tmp_path / file)
    assert str(e.value) == f"{tmp_path}/{said}"


def test_what_is_loaded_is_checked(tmp_path: Path) -> None:
    chip = Chip("c", 99.0, 99.0, (Pad("P", "a", 9.0, 9.0, 4.0, 4.0),), (Ball("B", "b", 50.0, 50.0),))
    write(chip, tmp_path)
    with pytest.raises(ChipError, match="net 'a' of pad 'P' has no ball; add a ball with this net"):
        load(tmp_path / "chip.oas")
    with pytest.raises(ChipError, match=r"chip.def: line 15: net 'a' of pad 'P' has no ball"):
        load(tmp_path / "chip.def", lefs=[tmp_path / "chip.lef"])


TABLES = """\
size = [1500, 1500]
pads = "pads.csv"
balls = "balls.csv"
pad_size = [55, 55]
"""


def test_a_spec_takes_its_chip_from_def_or_a_layout(spec_file: Callable[..., Path], tmp_path: Path) -> None:
    plain = spec_module.read(spec_file()).chip
    write(plain, tmp_path)
    by_def = spec_module.read(spec_file((TABLES, 'def = "chip.def"\nlef = ["chip.lef"]\nlayer = "TOP_METAL"\n')))
    assert by_def.chip == plain
    assert by_def.file.chip.files == ("chip.def", "chip.lef")
    by_gds = spec_module.read(spec_file((TABLES, 'gds = "chip.oas"\nlayers = { keepout = [9, 9] }\n')))
    assert parts(by_gds.chip) == parts(plain)
    assert by_gds.chip.name == plain.name == "Small"
    (tmp_path / "shapes.csv").write_text("shape,polygon\nkeepout,0 0 9 0 9 9\n", "utf-8")
    with_shapes = spec_module.read(spec_file(("pad_size", 'shapes = "shapes.csv"\npad_size')))
    assert with_shapes.chip == replace(plain, keepouts=(((0.0, 0.0), (9.0, 0.0), (9.0, 9.0)),))


@pytest.mark.parametrize(
    ("chip", "said"),
    [
        ('def = "chip.def"\n', "chip.lef: is missing; name the LEF files of the cells in chip.def"),
        ('def = "chip.def"\nlef = ["x"]\ngds = "y"\n', "chip.gds: stands beside chip.def; keep the one or the other"),
        (TABLES + 'gds = "y"\n', "chip.size: stands beside chip.gds; keep the one or the other"),
        ('gds = "y"\nlef = ["x"]\n', "chip.lef: belongs to chip.def; remove it"),
        ('def = "y"\nlef = ["x"]\ncell = "x"\n', "chip.cell: belongs to chip.gds; remove it"),
        ('gds = "y"\npad_size = [1, 2]\n', "chip.pad_size: says nothing beside chip.gds; remove it"),
        ('gds = "y"\nlayers = { pad = [1] }\n', "chip.layers.pad: must be two numbers, not [1]"),
        ('gds = "y"\nlayers = { pad = [1, 70000] }\n', "chip.layers.pad.1: must be at most 65535, not 70000"),
        ('defn = "y"\n', "chip.defn: unknown key; did you mean 'def'?"),
        (
            'pads = "pads.csv"\nshapes = "s"\n',
            "chip.balls: is missing; give size, pads and balls, or chip.array",
        ),
    ],
)
def test_a_wrong_source_of_a_chip_is_said(chip: str, said: str, spec_file: Callable[..., Path]) -> None:
    with pytest.raises(SpecError) as e:
        spec_module.read(spec_file((TABLES, chip)))
    assert [line for line in str(e.value).splitlines() if f"small.toml: {said}" in line]


def test_what_is_wrong_with_a_design_is_said_with_the_specs_other_problems(
    small: Files, spec_file: Callable[..., Path]
) -> None:
    text = 'def = "small.def"\nlef = ["tech.lef", "cells.lef", "more.lef"]\n'
    with pytest.raises(SpecError) as e:
        spec_module.read(spec_file((TABLES, text), ("wlcsp_500", "wlcsp_5")))
    assert len(str(e.value).splitlines()) == 2
    assert "more.lef: no such file; name a LEF file" in str(e.value)
