"""Rules in several processes: the same findings, and what a dead process was at is never clean."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import klayout.db as kdb
import pytest
from tiny_pdk import plain

from layoutgen import gds, memory
from layoutgen.cli import run as layoutgen
from layoutgen.drc import look, processes, run
from layoutgen.drc.checks import Task
from layoutgen.drc.flat import Flat
from layoutgen.findings import Finding, Report, RuleResult, Status
from layoutgen.pdk import Pdk, read
from layoutgen.windows import sheet

PROCESS = plain(
    """rdl = { gds = [1, 0], title = "metal" }
via = { gds = [2, 0], title = "via" }
post = { gds = [5, 0], title = "post" }""",
    derived="""foot = { expression = "size(via, 1)" }""",
)
RULES = {
    "width": ["rdl", 4.0],
    "space": ["rdl", 5.0],
    "enclosure": ["via", "rdl", 2.0],
    "separation": ["post", "foot", 3.0],
    "area": ["via", 14.0],
    "grid": ["post", 0.01],
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="rules run in one process elsewhere")


def toml() -> str:
    """The process with its rules."""
    text = PROCESS
    for kind, (*layers, limit) in RULES.items():
        text += f'[rules.{kind}]\ncheck = "{kind}"\nlayers = {json.dumps(layers)}\nlimit = {limit}\n'
        text += 'why = "w"\nsource = "s"\n'
    return text


@pytest.fixture(scope="module")
def pdk(tmp_path_factory: pytest.TempPathFactory) -> Pdk:
    folder = tmp_path_factory.mktemp("pdk") / "tiny"
    folder.mkdir()
    (folder / "pdk.toml").write_text(toml(), "utf-8")
    return read(folder, lambda name: folder)


def wafer() -> kdb.Layout:
    """Dies with a fault of each kind, and one of them drawn otherwise."""
    layout = kdb.Layout()
    top, die = layout.create_cell("TOP"), layout.create_cell("DIE")
    rdl, via, post = (layout.layer(n, 0) for n in (1, 2, 5))
    die.shapes(rdl).insert(kdb.Box(0, 0, 30_000, 3_000))
    die.shapes(rdl).insert(kdb.Box(0, 7_000, 30_000, 20_000))
    die.shapes(via).insert(kdb.Box(1_000, 10_000, 4_000, 14_000))
    die.shapes(via).insert(kdb.Box(10_000, 10_000, 14_000, 14_000))
    die.shapes(post).insert(kdb.Polygon.ellipse(kdb.Box(17_000, 11_000, 19_000, 13_005), 16))
    a, b = kdb.Vector(60_000, 0), kdb.Vector(0, 50_000)
    top.insert(kdb.CellInstArray(die.cell_index(), kdb.Trans(), a, b, 12, 10))
    top.shapes(rdl).insert(kdb.Box(33_000, 0, 40_000, 21_000))
    return layout


def all_different() -> kdb.Layout:
    """Where nothing repeats: rings, each of a size and at a place of its own, some of which are too near each other."""
    layout = kdb.Layout()
    top = layout.create_cell("TOP")
    rdl, via, post = (layout.layer(n, 0) for n in (1, 2, 5))
    dice = random.Random(5)  # noqa: S311  no secret
    for i, j in itertools.product(range(12), repeat=2):
        x, y = (60_000 * k + dice.randrange(-9_000, 9_000) for k in (i, j))
        for layer, size in ((rdl, 46_000), (via, 40_000), (post, 3_000)):
            d = size + dice.randrange(-4_000, 4_000) // 2 * 2
            top.shapes(layer).insert(kdb.Polygon.ellipse(kdb.Box(x - d // 2, y - d // 2, x + d // 2, y + d // 2), 32))
        for _ in range(2):
            a, b = (kdb.Point(x + dice.randrange(-30_000, 30_000), y + dice.randrange(-30_000, 30_000)) for _ in "ab")
            top.shapes(rdl).insert(kdb.Path([a, b], 2 * dice.randrange(1_900, 2_300)).polygon())
    return layout


@pytest.fixture
def in_pieces(forked: list[int], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """As `forked`, and small layouts in which nothing repeats are looked at in pieces."""
    monkeypatch.setattr(look, "PIECE", 0)
    monkeypatch.setattr(look, "SPARSE", 0)
    monkeypatch.setattr(sheet, "AT_ONCE", 1000)
    return forked


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Also for small layouts; the numbers of bundles that were handed out."""
    bundles: list[int] = []
    spread = processes.spread

    def noted(given: Sequence[Sequence[str]], *rest: Any) -> dict[str, Any]:
        bundles.append(len(given))
        return spread(given, *rest)

    monkeypatch.setattr(run, "WORTH_FORKING", 0)
    monkeypatch.setattr(look, "LITTLE", 0)
    monkeypatch.setattr(processes, "spread", noted)
    return bundles


def check(pdk: Pdk, jobs: int, progress: Callable[[str], None] | None = None) -> Report:
    layout = wafer()
    return run.check_layout(layout, layout.top_cell(), pdk, "one", title="wafer", jobs=jobs, progress=progress)


def ended(report: Report) -> dict[str, Status]:
    return {r.rule: r.status for r in report.results}


def while_running(monkeypatch: pytest.MonkeyPatch, rule: str, act: Callable[[], object]) -> None:
    """Do something in the process that runs a rule, if it is not this one."""
    ours, usual = os.getpid(), Task.run

    def changed(self: Task, *arguments: Any) -> list[Finding]:
        if self.rule == rule and os.getpid() != ours:
            act()
        return usual(self, *arguments)

    monkeypatch.setattr(Task, "run", changed)


def no_child_is_left() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def test_any_number_of_jobs_finds_the_same(pdk: Pdk, forked: list[int]) -> None:
    one = check(pdk, 1)
    assert forked == []
    assert all(r.findings for r in one.results), "each rule has something to find"
    for jobs in (2, 3, 9):
        assert check(pdk, jobs) == one
    assert len(forked) == 3
    assert min(forked) >= 3
    assert no_child_is_left()


def test_pieces_show_what_all_at_once_does(pdk: Pdk, in_pieces: list[int]) -> None:
    layout = all_different()
    top = layout.top_cell()
    flat = run.run(pdk, "one", run.Content("wafer", Flat(pdk, gds.fetch(layout, pdk, top))))
    reports = [run.check_layout(layout, top, pdk, "one", title="wafer", jobs=jobs) for jobs in (1, 2, 3)]
    assert reports[1] == reports[0]
    assert reports[2] == reports[0]
    assert max(in_pieces) > 3
    for expected, result in zip(flat.results, reports[0].results, strict=True):
        assert result.status is expected.status
        if result.rule in ("width", "space", "enclosure", "separation"):
            (edges, areas), (flat_edges, flat_areas) = marked(result), marked(expected)
            assert edges or not areas.is_empty(), "each of these rules has something to find"
            assert edges == flat_edges
            assert (areas ^ flat_areas).sized(-1).is_empty(), "but for rounding where a long one was cut"


def marked(result: RuleResult) -> tuple[set[object], kdb.Region]:
    """What is marked: pairs of edges, and areas."""
    found = [one for f in result.findings for one in f.each()]
    areas = kdb.Region([kdb.Polygon([kdb.Point(*p) for p in f.polygon]) for f in found if f.polygon]).merged()
    return {frozenset(f.edges) for f in found if f.edges}, areas


@pytest.mark.usefixtures("in_pieces")
def test_a_process_that_dies_over_a_piece_takes_its_rules_with_it(pdk: Pdk, monkeypatch: pytest.MonkeyPatch) -> None:
    while_running(monkeypatch, "space", lambda: os.kill(os.getpid(), signal.SIGKILL))
    layout = all_different()
    report = run.check_layout(layout, layout.top_cell(), pdk, "one", title="wafer", jobs=2)
    results = {r.rule: r for r in report.results}
    assert "signal 9" in results["space"].reason
    assert {results[rule].status for rule in ("width", "space", "enclosure")} == {Status.FAILED}
    assert results["area"].status is Status.RUN, "it judges whole polygons, and not in pieces"
    assert no_child_is_left()


def test_rules_on_the_same_windows_stay_together(pdk: Pdk, forked: list[int]) -> None:
    layout = wafer()
    with look.Across(pdk, layout, layout.top_cell(), [run.task(n, r) for n, r in pdk.rules.items()]) as across:
        bundles = run._bundles(pdk, "one", run.Content("wafer", across), across, ())
    assert ["width", "space"] in bundles
    assert sorted(name for bundle in bundles for name in bundle) == sorted(RULES)


def test_little_is_not_worth_a_process(pdk: Pdk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "spread", lambda *_: pytest.fail("a process for 600 shapes"))
    assert check(pdk, 2).exit_code == 1


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "signal 9"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "signal 15"),
        (lambda: os._exit(0), "exit code 0"),
        (lambda: os._exit(3), "exit code 3"),
    ],
    ids=["killed", "told to stop", "left", "left with an error"],
)
@pytest.mark.usefixtures("forked")
def test_a_process_that_dies_takes_its_rules_with_it(
    pdk: Pdk, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], said: str
) -> None:
    one = check(pdk, 1)
    while_running(monkeypatch, "space", act)
    report = check(pdk, 2)
    results = {r.rule: r for r in report.results}
    assert results["space"].status is Status.FAILED
    assert said in results["space"].reason
    assert results["space"].findings == ()
    assert report.exit_code == 2
    assert [r for r in report.results if r.rule != "space"] == [r for r in one.results if r.rule != "space"]
    assert no_child_is_left()


@pytest.mark.usefixtures("forked")
def test_where_every_process_dies_no_rule_has_run(pdk: Pdk, monkeypatch: pytest.MonkeyPatch) -> None:
    for rule in RULES:
        while_running(monkeypatch, rule, lambda: os.kill(os.getpid(), signal.SIGKILL))
    report = check(pdk, 2)
    assert {*ended(report).values()} == {Status.FAILED}
    assert any("had died before" in r.reason for r in report.results)
    assert report.exit_code == 2


@pytest.mark.parametrize(
    ("act", "said"),
    [([].pop, "IndexError: pop from empty list"), (lambda: bytearray(sys.maxsize), memory.want())],
    ids=["a defect", "no memory"],
)
@pytest.mark.usefixtures("forked")
def test_an_error_in_a_rule_is_said_by_its_process(
    pdk: Pdk, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], said: str
) -> None:
    while_running(monkeypatch, "enclosure", act)
    report = check(pdk, 2)
    assert [(r.rule, r.reason) for r in report.results if r.status is Status.FAILED] == [("enclosure", said)]


def test_a_process_that_has_no_memory_to_send_what_it_found_says_so() -> None:
    assert processes.spread([["space"]], lambda _: bytearray(sys.maxsize), 2, lambda _: None) == {
        "space": memory.want()
    }


@pytest.mark.usefixtures("forked")
def test_progress_is_told_every_rule(pdk: Pdk) -> None:
    told: list[str] = []
    check(pdk, 3, told.append)
    assert {*told} == {*RULES}


@pytest.mark.usefixtures("forked")
def test_who_is_interrupted_leaves_no_process_behind(pdk: Pdk, monkeypatch: pytest.MonkeyPatch) -> None:
    while_running(monkeypatch, "space", signal.pause)

    def interrupt(rule: str) -> None:
        if rule == "space":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(pdk, 2, interrupt)
    assert no_child_is_left()


def test_beside_a_thread_nothing_is_forked(pdk: Pdk, forked: list[int]) -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        report = check(pdk, 2)
    finally:
        done.set()
        thread.join()
    assert forked == []
    assert report == check(pdk, 1)


def test_where_no_process_can_be_started_this_one_does_all(
    pdk: Pdk, forked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", full)
    assert check(pdk, 2) == check(pdk, 1)
    assert len(forked) == 1


def test_the_command_takes_a_number_of_jobs(
    forked: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "pdk.toml").write_text(toml(), "utf-8")
    wafer().write(str(tmp_path / "wafer.gds"))
    said = []
    for jobs in ("1", "2"):
        arguments = ["drc", str(tmp_path / "wafer.gds"), "--pdk", str(folder), "--json", "--no-cache", "--jobs", jobs]
        assert layoutgen(arguments) == 1
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert len(forked) == 1
    assert layoutgen([*arguments[:-1], "0"]) == 2
