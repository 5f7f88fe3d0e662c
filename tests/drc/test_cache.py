"""What was found before is found again without looking, and nothing else is taken for it."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import corpus
import judge
import klayout.db as kdb
import pytest

from layoutgen import checked, foreign
from layoutgen.cli import run as layoutgen
from layoutgen.drc import cache, look, run
from layoutgen.drc.cache import Cache
from layoutgen.drc.checks import KINDS, Task
from layoutgen.findings import Report, Status, canonical
from layoutgen.pdk import Pdk, read
from layoutgen.windows import source


@pytest.fixture(scope="module")
def pdk(tmp_path_factory: pytest.TempPathFactory) -> Pdk:
    return judge.pdk(tmp_path_factory.mktemp("pdk"))


@pytest.fixture
def always_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    judge.always_windows(monkeypatch)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Rules, as often as any of them is run on anything."""
    runs: list[str] = []
    kept = Task.run

    def counted(self: Task, *arguments: object) -> object:
        runs.append(self.rule)
        return kept(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Task, "run", counted)
    return runs


def check(
    pdk: Pdk, layout: kdb.Layout, folder: Path | None, digest: str = "", jobs: int = 1, rules: set[str] | None = None
) -> Report:
    kept = None if folder is None else Cache(folder)
    report = run.check_layout(
        layout, layout.top_cell(), pdk, "one", title="t", jobs=jobs, cache=kept, digest=digest, rules=rules
    )
    if kept is not None:
        kept.save()
    return report


def said(report: Report) -> dict[str, object]:
    """By rule how it ended and what it found, at each place."""
    return {
        r.rule: (r.status, r.reason, sorted(
            (sorted(map(canonical, one.edges)), sorted(one.polygon), one.measured, one.note)
            for f in r.findings for one in f.each()
        ))
        for r in report.results
    }  # fmt: skip


def change(layout: kdb.Layout, dice: random.Random) -> None:
    """One shape of one cell moved, or taken away."""
    drawn = [(c, i) for c in layout.each_cell() for i in layout.layer_indexes() if c.shapes(i).size()]
    cell, index = dice.choice(drawn)
    shape = dice.choice(list(cell.shapes(index).each()))
    if dice.random() < 0.5:
        cell.shapes(index).erase(shape)
    else:
        shape.transform(kdb.Trans(dice.randrange(-3000, 3000), dice.randrange(-3000, 3000)))


@pytest.mark.usefixtures("always_windows")
@pytest.mark.parametrize("slanted", [False, True], ids=["straight", "slanted"])
def test_findings_are_the_same_with_and_without_what_is_known(
    pdk: Pdk, slanted: bool, tmp_path: Path, asked: list[str]
) -> None:
    dice = random.Random(9)  # noqa: S311  no secret
    saved = []

    def see(layout: kdb.Layout) -> None:
        folder = tmp_path / f"{len(saved)}"
        fresh = said(check(pdk, layout, None))
        assert said(check(pdk, layout, folder)) == fresh
        before = len(asked)
        assert said(check(pdk, layout, folder)) == fresh
        again = len(asked) - before
        change(layout, dice)
        fresh = said(check(pdk, layout, None))
        assert said(check(pdk, layout, folder)) == fresh, corpus.dump(layout)
        saved.append(before - again)

    judge.generated(2000, 3 if slanted else 8, slanted=slanted, shrink=False, see=see)
    assert len(saved) == (3 if slanted else 8)
    assert all(fewer > 0 for fewer in saved)


def of_circles() -> kdb.Layout:
    """An array of two cells that look alike from outside."""
    layout, layers, top = corpus.empty()
    for k in range(2):
        die = layout.create_cell(f"D{k}")
        die.shapes(layers["rdl"]).insert(kdb.Box(0, 0, 50_000, 20_000))
        die.shapes(layers["rdl"]).insert(kdb.Box(0, 31_000, 50_000, 50_000))
        step = kdb.Trans(0, 300_000 * k)
        a, b = kdb.Vector(300_000, 0), kdb.Vector(0, 0)
        top.insert(kdb.CellInstArray(die.cell_index(), step, a, b, 30, 1))
    return layout


def narrowed(layout: kdb.Layout) -> kdb.Layout:
    """The same, with a space too narrow in the second cell; its outline and the number of its shapes are as before."""
    cell, index = layout.cell("D1"), layout.find_layer(1, 0)
    shape = next(s for s in cell.shapes(index).each() if s.box.bottom == 0)
    shape.box = kdb.Box(0, 0, 50_000, 25_000)
    return layout


@pytest.mark.usefixtures("always_windows")
def test_a_change_in_a_cell_is_seen(pdk: Pdk, tmp_path: Path) -> None:
    assert sum(r.count for r in check(pdk, of_circles(), tmp_path).results if r.rule == "space") == 0
    report = check(pdk, narrowed(of_circles()), tmp_path)
    assert sum(r.count for r in report.results if r.rule == "space") == 30


@pytest.mark.usefixtures("always_windows")
def test_without_the_content_of_cells_it_would_not_be(
    pdk: Pdk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source.Layer, "name", lambda self, content: b"\0" * source.NAME)
    check(pdk, of_circles(), tmp_path)
    report = check(pdk, narrowed(of_circles()), tmp_path)
    assert sum(r.count for r in report.results if r.rule == "space") != 30


@pytest.mark.usefixtures("always_windows")
def test_only_windows_that_see_a_change_are_looked_at(
    pdk: Pdk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    kept = look.lay_out

    def counted(taken: object, view: object, lattice: int = 0, only: object = None) -> object:
        for laid in kept(taken, view, lattice, only):  # type: ignore[arg-type]
            seen.append(len(laid.windows))
            yield laid

    monkeypatch.setattr(look, "lay_out", counted)
    simple = {"width", "space", "notch", "grid"}

    def wafer() -> kdb.Layout:
        layout, layers, top = corpus.empty()
        for k in range(50):
            die = layout.create_cell(f"D{k}")
            for i in range(20):
                die.shapes(layers["rdl"]).insert(kdb.Box(0, 40_000 * i, 500_000 + 100 * k, 40_000 * i + 20_000))
            for i in range(4):
                top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(i * 1_000_000, k * 1_000_000)))
        return layout

    check(pdk, wafer(), tmp_path, rules=simple)
    cold = sum(seen)
    seen.clear()
    check(pdk, wafer(), tmp_path, rules=simple)
    assert sum(seen) == 0
    changed = wafer()
    changed.cell("D7").shapes(changed.find_layer(1, 0)).insert(kdb.Box(0, 0, 100, 100))
    check(pdk, changed, tmp_path, rules=simple)
    assert 0 < sum(seen) < cold / 20


def test_a_file_that_has_not_changed_is_read_and_nothing_else(
    pdk: Pdk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.gds"
    narrowed(of_circles()).write(str(path))
    first = checked.check_file(path, pdk, cache=Cache(tmp_path / "cache"))
    assert first.report.findings

    def looks(*_: object) -> None:
        raise AssertionError("it looks")

    with monkeypatch.context() as patched:
        patched.setattr(run, "Across", looks)
        again = checked.check_file(path, pdk, cache=Cache(tmp_path / "cache"))
    assert again.report == first.report

    narrowed(of_circles()).write(str(path))  # other bytes, as files say when they were written, or not
    path.write_bytes(path.read_bytes().replace(b"D1", b"D9"))
    monkeypatch.setattr(run, "Across", looks)
    with pytest.raises(AssertionError, match="it looks"):
        checked.check_file(path, pdk, cache=Cache(tmp_path / "cache"))


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def spoil(damage: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda folder: [p.write_bytes(damage(p.read_bytes())) for p in files(folder)] and None  # type: ignore[func-returns-value]


def swapped(folder: Path) -> None:
    """Each file in another one's place."""
    for kind in ("windows", "files"):
        paths = files(folder / kind)
        data = [p.read_bytes() for p in paths]
        for path, other in zip(paths, data[1:] + data[:1], strict=True):
            path.write_bytes(other)


DAMAGE = {
    "a bit": spoil(lambda data: data[:-1] + bytes([data[-1] ^ 1])),
    "a bit of the digest": spoil(lambda data: bytes([data[0] ^ 1]) + data[1:]),
    "the end": spoil(lambda data: data[: len(data) // 2]),
    "all": spoil(lambda data: b""),
    "noise": spoil(lambda data: bytes(range(256)) * 4),
    "swapped": swapped,
}


@pytest.mark.usefixtures("always_windows")
@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_on_disk_is_as_if_it_were_not_there(pdk: Pdk, damage: str, tmp_path: Path) -> None:
    layout = narrowed(of_circles())
    wrong = said(check(pdk, of_circles(), tmp_path / "c", "the file"))  # what swapped files would say
    fresh = said(check(pdk, layout, tmp_path / "c", "another file"))
    assert wrong != fresh
    assert len(files(tmp_path / "c")) > 4
    DAMAGE[damage](tmp_path / "c")
    assert said(check(pdk, layout, tmp_path / "c", "another file")) == fresh
    assert said(check(pdk, layout, tmp_path / "c", "another file")) == fresh


@pytest.mark.usefixtures("always_windows")
def test_what_another_version_has_found_is_not_believed(
    pdk: Pdk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    layout = of_circles()
    check(pdk, layout, tmp_path, "the file")
    first = len(asked)
    check(pdk, layout, tmp_path, "the file")
    assert len(asked) == first
    monkeypatch.setattr(cache, "version", lambda: "another")
    check(pdk, layout, tmp_path, "the file")
    assert len(asked) == 2 * first


def test_the_version_is_of_the_code_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tmp_path / "layoutgen"
    (engine / "drc").mkdir(parents=True)
    (engine / "drc" / "cache.py").write_text("a = 1")
    monkeypatch.setattr(cache, "__file__", str(engine / "drc" / "cache.py"))
    cache.version.cache_clear()
    try:
        before = cache.version()
        (engine / "drc" / "cache.py").write_text("a = 2")
        cache.version.cache_clear()
        assert cache.version() != before
    finally:
        cache.version.cache_clear()


@pytest.mark.usefixtures("always_windows")
def test_another_limit_is_another_rule(pdk: Pdk, tmp_path: Path) -> None:
    layout = of_circles()
    assert not [r for r in check(pdk, layout, tmp_path, "file").results if r.rule == "space" and r.findings]
    rule = pdk.rules["space"].model_copy(update={"limit": 15.0})
    stricter = pdk.model_copy(update={"rules": pdk.rules | {"space": rule}})
    report = check(stricter, layout, tmp_path, "file")
    assert sum(r.count for r in report.results if r.rule == "space") == 60


@pytest.mark.usefixtures("always_windows")
def test_a_rule_that_failed_is_run_again(pdk: Pdk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = of_circles()

    def broken(*_: object) -> list[object]:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setitem(KINDS, "space", replace(KINDS["space"], check=broken))
        report = check(pdk, layout, tmp_path, "file")
    assert {r.status for r in report.results if r.rule == "space"} == {Status.FAILED}
    report = check(pdk, layout, tmp_path, "file")
    assert {r.status for r in report.results if r.rule == "space"} == {Status.RUN}


@pytest.mark.usefixtures("always_windows")
def test_what_several_processes_find_is_kept_as_well(
    pdk: Pdk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    monkeypatch.setattr(run, "WORTH_FORKING", 0)
    layout = narrowed(of_circles())
    fresh = said(check(pdk, layout, tmp_path, jobs=2))
    asked.clear()
    assert said(check(pdk, layout, tmp_path, jobs=1)) == fresh
    assert "width" not in asked


def test_the_command_keeps_what_it_finds_unless_told(
    pdk: Pdk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    rule = '[rules.space]\ncheck = "space"\nlayers = ["rdl"]\nlimit = 10.0\nwhy = "w"\nsource = "s"\n'
    (folder / "pdk.toml").write_text(f"{judge.PDK}\n{rule}", "utf-8")
    read(folder, lambda _: folder)
    narrowed(of_circles()).write(str(tmp_path / "a.gds"))
    arguments = ["drc", str(tmp_path / "a.gds"), "--pdk", str(folder), "--json", "-q", "--rules", "space"]
    monkeypatch.setenv("LAYOUTGEN_CACHE", str(tmp_path / "own"))
    assert layoutgen([*arguments, "--no-cache"]) == 1
    assert not (tmp_path / "own").exists()
    assert layoutgen([*arguments, "--cache", str(tmp_path / "named")]) == 1
    assert files(tmp_path / "named")
    assert not (tmp_path / "own").exists()
    assert layoutgen(arguments) == 1
    assert files(tmp_path / "own")
    capsys.readouterr()
    assert layoutgen([*arguments, "--no-cache", "--cache", "x"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_cannot_be_written_to_changes_nothing(pdk: Pdk, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    path = tmp_path / "a.gds"
    narrowed(of_circles()).write(str(path))
    report = checked.check_file(path, pdk, cache=Cache(tmp_path / "taken")).report
    assert said(report) == said(checked.check_file(path, pdk).report)


def test_the_folder_does_not_grow_beyond_its_bound(pdk: Pdk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_BYTES", 4000)
    for k in range(6):
        check(pdk, of_circles(), tmp_path, f"file {k}")
        assert sum(p.stat().st_size for p in files(tmp_path)) <= 4000


def test_what_is_kept_is_no_code(pdk: Pdk, tmp_path: Path) -> None:
    """Whoever can write to the folder can lie, but not run anything: it is text."""
    check(pdk, of_circles(), tmp_path, "file")
    for path in files(tmp_path):
        json.loads(zlib.decompress(path.read_bytes()[32:]))


def test_a_file_that_changes_while_it_is_read_is_not_taken_for_what_it_was(
    pdk: Pdk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.gds"
    of_circles().write(str(path))
    kept = foreign.Reading.layout

    def changed(self: foreign.Reading) -> kdb.Layout:
        layout = kept(self)
        narrowed(of_circles()).write(str(path))
        return layout

    with monkeypatch.context() as patched:
        patched.setattr(foreign.Reading, "layout", changed)
        checked.check_file(path, pdk, cache=Cache(tmp_path / "c"))
    report = checked.check_file(path, pdk, cache=Cache(tmp_path / "c")).report
    assert said(report) == said(checked.check_file(path, pdk).report)
