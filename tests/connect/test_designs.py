"""Dies of a file compared with each other by their labels, and with the chip: turned, emptied, missing and more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import klayout.db as kdb
import numpy as np
import pytest

from layoutgen.chip import Ball, Chip, Pad
from layoutgen.cli import run
from layoutgen.connect.designs import against_chip, taken, turned
from layoutgen.connect.terminals import Dies, Terminals, named
from layoutgen.findings import Report
from layoutgen.maskset import MaskSet
from layoutgen.netcheck import check_nets

Harm = Callable[[kdb.Cell], None]
UM = 1000


class Wafer:
    """A wafer as built, each step an instance of its own."""

    def __init__(self, built: MaskSet) -> None:
        self.pdk, self.flow = built.pdk, built.flow
        self.layout = kdb.Layout()
        self.layout.assign(built.layout)
        self.top = self.layout.top_cell()
        step = self.layout.cell("STEP")
        for cell in self.layout.each_cell():
            for one in [i for i in cell.each_inst() if i.cell_index == step.cell_index() and i.is_regular_array()]:
                one.explode()
        self.steps = {(i.trans.disp.x, i.trans.disp.y): i for i in self._instances(step)}
        size = [round(v * UM) for v in (built.spec.chip.width, built.spec.chip.height)]
        low = np.array(sorted(self.steps), dtype=np.int64)
        self.dies: Dies = named(np.unique(np.concatenate([low, low + size], axis=1), axis=0))
        self.size = size

    def _instances(self, step: kdb.Cell) -> Iterator[kdb.Instance]:
        for cell in self.layout.each_cell():
            yield from (i for i in cell.each_inst() if i.cell_index == step.cell_index())

    def layer(self, name: str) -> int:
        return int(self.layout.layer(*self.pdk.gds(name)))

    def die(self, name: str) -> kdb.Box:
        return kdb.Box(*self.dies.boxes[list(self.dies.names).index(name)].tolist())

    def inner(self) -> str:
        """A die all of whose neighbours are there."""
        at = {tuple(b[:2]) for b in self.dies.boxes.tolist()}
        dx, dy = (v + 100 * UM for v in self.size)
        beside = ((dx, 0), (-dx, 0), (0, dy), (0, -dy))
        return next(n for n, (x, y, *_) in zip(self.dies.names, self.dies.boxes.tolist(), strict=True)
                    if all((x + a, y + b) in at for a, b in beside))  # fmt: skip

    def harm(self, name: str, harm: Harm) -> None:
        """Change one die alone."""
        box = self.die(name)
        instance = self.steps[box.left, box.bottom]
        cell = self.layout.create_cell(f"HARMED_{name}")
        cell.insert(kdb.CellInstArray(instance.cell_index, kdb.Trans()))
        cell.flatten(False)
        harm(cell)
        instance.cell_index = cell.cell_index()

    def emptied(self, cell: kdb.Cell) -> None:
        for name in self.pdk.layers:
            cell.shapes(self.layer(name)).clear()

    def about(self, motion: kdb.Trans) -> Harm:
        """Turned in its place, labels and all."""

        def harm(cell: kdb.Cell) -> None:
            for name in self.pdk.layers:
                cell.shapes(self.layer(name)).transform(motion)

        return harm


@pytest.fixture
def wafer(small: MaskSet) -> Wafer:
    return Wafer(small)


Net = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def net() -> Net:
    """Exit code, what rule NETS finds, once for each place, and the scope."""

    def call(wafer: Wafer, chip: Chip | None = None) -> tuple[int, list[str], str]:
        scope: list[str] = []
        results = check_nets(wafer.layout, wafer.top, wafer.pdk, wafer.flow, chip=chip, say=scope.append)
        report = Report("", wafer.pdk.name, wafer.flow, tuple(scope), tuple(results))
        found = [f.note for r in results if r.rule == "NETS" for f in r.findings for _ in range(f.count)]
        return report.exit_code, found, "\n".join(scope)

    return call


@pytest.fixture(params=[False, True], ids=["labels", "chip"])
def how(request: pytest.FixtureRequest, small: MaskSet) -> Chip | None:
    return small.spec.chip if request.param else None


def test_a_build_is_what_its_chip_says(wafer: Wafer, net: Net, how: Chip | None) -> None:
    code, found, scope = net(wafer, how)
    assert (code, found) == (0, [])
    assert (f"{len(wafer.dies.boxes)} dies compared with chip" in scope) == (how is not None)


def test_the_command_takes_the_chip_of_a_spec(
    wafer: Wafer, small: MaskSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wafer.layout.write(str(tmp_path / "wafer.oas"))
    chip = str(small.spec.path)
    assert run(["net", str(tmp_path / "wafer.oas"), "--pdk", wafer.pdk.name, "--json", "--chip", chip]) == 0
    assert "dies compared with chip Small: 8 pads and balls" in capsys.readouterr().out


def test_a_die_emptied_together_with_its_labels_is_found(wafer: Wafer, net: Net, how: Chip | None) -> None:
    name = wafer.dies.names[0]
    wafer.harm(name, wafer.emptied)
    code, found, _ = net(wafer, how)
    assert code == 1
    assert all(name in note for note in found)
    assert how is not None or found == [f"die {name} has no label, where {len(wafer.dies.names) - 1} others have 8"]


@pytest.mark.parametrize("code", [1, 6])
def test_a_die_turned_together_with_its_labels_is_found(wafer: Wafer, net: Net, how: Chip | None, code: int) -> None:
    w, h = wafer.size
    box = kdb.Box(0, 0, w, h).transformed(kdb.Trans(code % 4, code >= 4, 0, 0))
    assert w == h  # or it would not fit
    wafer.harm(wafer.inner(), wafer.about(kdb.Trans(code % 4, code >= 4, -box.left, -box.bottom)))
    exit_code, found, _ = net(wafer, how)
    assert exit_code == 1
    (note,) = [n for n in found if "labels and all" in n]
    assert note.startswith(f"die {wafer.inner()} is ")
    assert ("mirrored" in note) == (code >= 4)


def test_two_dies_at_the_wafers_edge(wafer: Wafer, net: Net, how: Chip | None) -> None:
    """One that the drawn edge cuts may be empty, and is named; without an edge, one that lies at the border of all."""
    first, inner = wafer.dies.names[0], wafer.inner()
    wafer.harm(first, wafer.emptied)
    wafer.layout.clear_layer(wafer.layer("wafer"))
    code, found, scope = net(wafer, how)
    assert (code, found) == (0, [])
    assert "at the wafer's edge" in scope
    assert first in scope
    box = wafer.die(first)
    cut = kdb.Box(wafer.top.bbox().left - 2 * UM, box.bottom, box.left + UM, box.top)
    outline = kdb.Region(wafer.top.bbox().enlarged(UM, UM)) - kdb.Region(cut)
    wafer.top.shapes(wafer.layer("wafer")).insert(outline)
    assert net(wafer, how)[:2] == (0, [])
    wafer.harm(inner, wafer.emptied)
    code, found, _ = net(wafer, how)
    assert code == 1
    assert found
    assert all(inner in note and first not in note for note in found)


def test_a_die_that_is_drawn_twice_in_its_place_is_found(wafer: Wafer, net: Net) -> None:
    """Its metal is as it was, and it has each label twice."""
    inner = wafer.inner()
    step, box = wafer.layout.cell("STEP"), wafer.die(inner)
    wafer.top.insert(kdb.CellInstArray(step.cell_index(), kdb.Trans(box.left, box.bottom)))
    code, found, _ = net(wafer)
    assert code == 1
    assert len(found) == 1
    assert found[0].startswith(f"die {inner} has labels several times")


def test_labels_in_no_die_are_named(wafer: Wafer, net: Net) -> None:
    note = wafer.top.shapes(wafer.layer(wafer.pdk.role("note")))
    note.insert(kdb.Text("alone", kdb.Trans(0, 0)))
    code, found, scope = net(wafer)
    assert (code, found) == (0, [])
    assert "Labels outside of every die, not looked at: 1, as alone at (0, 0)" in scope
    for x in (0, 20 * UM):
        note.insert(kdb.Text("P1 vdd", kdb.Trans(x, 0)))
    code, found, _ = net(wafer)
    assert (code, found) == (1, ["2 labels stand in no die, where nobody looks at nets: P1 vdd"] * 2)


def test_a_die_whose_outline_is_gone_is_found_by_its_labels(wafer: Wafer, net: Net) -> None:
    wafer.harm(wafer.inner(), lambda cell: cell.shapes(wafer.layer("die")).clear())
    code, found, _ = net(wafer)
    assert code == 1
    assert len(found) == 8
    assert set(found) == {next(iter(found))}
    assert "8 labels stand in no die" in found[0]


def relabelled(wafer: Wafer, change: Callable[[int, kdb.Text], kdb.Text | None]) -> Harm:
    def harm(cell: kdb.Cell) -> None:
        shapes = cell.shapes(wafer.layer(wafer.pdk.role("note")))
        texts = sorted((s.text for s in shapes.each()), key=lambda t: t.string)
        shapes.clear()
        for k, text in enumerate(texts):
            if (new := change(k, text)) is not None:
                shapes.insert(new)

    return harm


def test_labels_that_most_others_have_not(wafer: Wafer, net: Net, small: MaskSet) -> None:
    name = wafer.inner()
    wafer.harm(name, relabelled(wafer, lambda k, text: text if k else None))
    assert "lacks 1 of the 8 labels" in " ".join(net(wafer)[1])
    other = Wafer(small)
    other.harm(name, relabelled(other, lambda k, t: kdb.Text(f"{t.string}x", t.trans) if not k else t))
    assert any("has 1 labels that" in note and name in note for note in net(other)[1])
    (note,) = [n for n in net(other, small.spec.chip)[1] if n.startswith("label ")]
    assert "stands where the chip has" in note
    assert name in note


def test_another_design_is_named_and_no_finding(wafer: Wafer, net: Net) -> None:
    """A die of a test chip among those of the product."""
    wafer.harm(wafer.inner(), relabelled(wafer, lambda k, t: kdb.Text(f"T{k} n{t.string.split()[1]}", t.trans)))
    code, found, scope = net(wafer)
    assert (code, found) == (0, [])
    assert f"have 2 sets of labels, each judged by itself: {len(wafer.dies.names) - 1} as" in scope


def test_what_cannot_be_the_chip_is_refused(
    wafer: Wafer, spec_file: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = spec_file(("size = [1500, 1500]", "size = [1500, 1600]"))
    wafer.layout.write(str(tmp_path / "wafer.oas"))
    refused = {
        other: "has no whole die of 1500 x 1600 um, as chip Small is",
        tmp_path / "none.toml": "none.toml",
        tmp_path / "pads.csv": "is a pad table alone",
    }
    for chip, says in refused.items():
        assert run(["net", str(tmp_path / "wafer.oas"), "--pdk", wafer.pdk.name, "--chip", str(chip)]) == 2
        assert says in capsys.readouterr().err


def test_dies_of_another_size_are_not_the_chip(wafer: Wafer, net: Net, small: MaskSet) -> None:
    name = wafer.inner()
    layer = wafer.layer("die")

    def smaller(cell: kdb.Cell) -> None:
        cell.shapes(layer).clear()
        cell.shapes(layer).insert(kdb.Box(0, 0, 1500 * UM, 1450 * UM))

    wafer.harm(name, smaller)
    _, found, _ = net(wafer, small.spec.chip)
    assert found == [f"die {name} is not of chip Small: 1500 x 1450 um, and the chip 1500 x 1500"]


def test_what_was_free_has_the_net_that_labels_say() -> None:
    chip = Chip("free", 100.0, 100.0, (Pad("P1", "n", 10.0, 10.0, 5.0, 5.0),), (Ball("A1", "", 50.0, 50.0),))
    dies = Dies(np.array([[0, 0, 100_000, 100_000], [200_000, 0, 300_000, 100_000]]), ["A1", "A2"])
    at = [(10_000, 10_000), (50_000, 50_000), (210_000, 10_000), (250_000, 50_000)]
    ints, no = np.array([0, 0, 1, 1]), np.zeros(4, dtype=bool)
    labels = Terminals(ints, np.array([0, 1, 0, 1]), np.zeros(4, dtype=np.int64), np.array(at), no, ~no, no, no,
                       np.full(4, -1), ["P1", "A1"], ["n"])  # fmt: skip
    free = taken(chip, labels, dies)
    assert free == {"ball A1": "n"}
    assert [*against_chip(chip, labels, dies, free)] == []
    assert [f.note for f in against_chip(chip, labels, dies, {"ball A1": "m"})] == [
        "label A1 n stands where the chip has A1 m: in die A1, A2"
    ]


def test_without_a_street_nobody_knows_what_lies_in_the_kerf(
    wafer: Wafer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a kerf wider than the street is said to be."""
    for name in ("street", "cut_sure", "cut_maybe"):
        wafer.layout.clear_layer(wafer.layer(name))
    wafer.layout.write(str(tmp_path / "wafer.oas"))
    assert run(["net", str(tmp_path / "wafer.oas"), "--pdk", wafer.pdk.name]) == 2
    assert "there is nothing on layer 'street'" in capsys.readouterr().out


@pytest.mark.parametrize("flat", [False, True])
def test_a_wafer_whose_streets_are_askew_is_refused(
    wafer: Wafer, tmp_path: Path, capsys: pytest.CaptureFixture[str], flat: bool
) -> None:
    turned_ = wafer.layout.create_cell("TURNED")
    turned_.insert(kdb.DCellInstArray(wafer.top.cell_index(), kdb.DCplxTrans(1, 10, False, 0, 0)))
    if flat:
        turned_.flatten(True)
    wafer.layout.write(str(tmp_path / "wafer.oas"))
    assert run(["net", str(tmp_path / "wafer.oas"), "--pdk", wafer.pdk.name, "--top", "TURNED"]) == 2
    assert "dies are turned by 10 degrees; turn the layout" in capsys.readouterr().err


@pytest.mark.parametrize("code", range(8))
def test_labels_turn_as_shapes_do(code: int) -> None:
    shapes = kdb.Shapes()
    size, labels = (700, 300), frozenset({("a", "n", 100, 20), ("b", "n", 650, 290), ("c", "m", 0, 300)})
    outline = kdb.Box(0, 0, *size).transformed(kdb.Trans(code % 4, code >= 4, 0, 0))
    for name, net_, x, y in labels:
        shapes.insert(kdb.Text(f"{name} {net_}", kdb.Trans(x, y)))
    shapes.transform(kdb.Trans(code % 4, code >= 4, -outline.left, -outline.bottom))
    found = {(*s.text.string.split(), s.text.trans.disp.x, s.text.trans.disp.y) for s in shapes.each()}
    assert turned(labels, size, code) == found
