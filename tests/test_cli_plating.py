"""`layoutgen plating`: what the call gives, as a table, as CSV and as JSON; and what it refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import layoutgen as lg
from layoutgen import maskset
from layoutgen.cli import run
from layoutgen.current import stated
from layoutgen.spec import read

POST = (('pdk = "wlcsp_500"', 'pdk = "post"'), ("diameter = 25_000", "diameter = 20_000"))
Spec = Callable[..., Path]


def test_each_bus_and_number_of_ties_is_a_row(
    spec_file: Spec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, table = spec_file(*POST), tmp_path / "what_if.csv"
    assert run(["plating", str(spec), "--bus", "30,40", "--ties", "1,2", "--csv", str(table)]) == 0
    said = capsys.readouterr()
    built = maskset.build(read(spec), checks=False)
    assert built.report.exit_code == 2  # nothing was checked, which is not clean
    found = lg.plating(built, stated(built))
    rows = list(csv.DictReader(table.read_text().splitlines()))
    want = found.what_if([30.0, 40.0], [1, 2])
    assert [(float(r["bus_um"]), int(r["ties_a_net"])) for r in rows] == [(30, 1), (30, 2), (40, 1), (40, 2)]
    for row, one in zip(rows, want, strict=True):
        assert float(row["worst_ohm"]) == pytest.approx(one.worst, rel=1e-5)
        assert float(row["mean_ohm"]) == pytest.approx(one.mean, rel=1e-5)
        assert float(row["thickness_spread"]) == pytest.approx(one.spread, rel=1e-5)
    assert want[0].worst > want[1].worst > want[3].worst
    lines = said.out.splitlines()
    assert lines[0] == f"small: {found.summary()}"
    cells = [line.split() for line in lines[1:] if line.strip()[:2] in ("30", "40")]
    assert cells == [[f"{w.bus:g}", f"{w.ties}", f"{w.worst:.4g}", f"{w.mean:.4g}", f"+-{100 * w.spread:.2f}", "%"]
                     for w in want]  # fmt: skip
    assert "solving the network as drawn" in said.err


def test_without_a_bus_it_is_as_drawn(spec_file: Spec, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plating", str(spec_file(*POST)), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    (row,) = said["what_if"]
    assert (row["ties"], row["worst"]) == (1, pytest.approx(said["drawn"]["worst"], rel=1e-9))
    assert said["unfed"] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--bus", "-5"], "--bus: '-5' must be numbers above 0"), (["--bus", "nan"], "--bus: 'nan' must be numbers"),
        (["--bus", "30,inf"], "'30,inf' must be numbers above 0"), (["--bus", ""], "--bus: '' must be numbers above 0"),
        (["--bus", "30;40"], "'30;40' must be"), (["--ties", "0"], "--ties: '0' must be whole numbers above 0"),
        (["--ties", "1.5"], "--ties: '1.5' must be whole"), (["--ties", "1," * 60 + "1"], "50 at most"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_before_anything_is_drawn(
    options: list[str], words: str, spec_file: Spec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "what_if.csv"
    assert run(["plating", str(spec_file(*POST)), *options, "--csv", str(table)]) == 2
    said = capsys.readouterr()
    assert not table.exists()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert words in line


def test_a_bus_as_wide_as_the_street_and_a_flow_without_a_network_are_one_line_each(
    spec_file: Spec, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plating", str(spec_file(*POST)), "--bus", "100", "-q"]) == 2
    assert capsys.readouterr().err == "error: what_if: bus=100.0 must be from 0.1 to below 100 um, the street\n"
    spec = spec_file()
    assert run(["plating", str(spec), "-q"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {spec}: flow: flow 'blanket'")
    assert "takes its plating current from 'blanket', not through the kerf" in line
