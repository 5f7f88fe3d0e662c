"""Windows looked at on other machines: the findings of one machine, or an exit code that says that it was not so."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import klayout.db as kdb
import pytest
from tiny_pdk import plain

from layoutgen.cli import run as layoutgen
from layoutgen.drc import cache, look, machines
from layoutgen.drc.run import check_layout
from layoutgen.errors import CheckError
from layoutgen.findings import Finding, Report, Status, canonical
from layoutgen.pdk import Pdk, read

distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'layoutgen[dask]'")
pytestmark = [
    pytest.mark.filterwarnings("default"),  # a library's, which are not ours to mend
    pytest.mark.xdist_group("cluster"),
]
RULES = {
    "W": ("width", ["rdl"], 19.0),
    "S": ("space", ["rdl"], 20.0),
    "E": ("enclosure", ["via", "rdl"], 10.0),
    "A": ("area", ["via"], 900.0),
    "P": ("exact_size", ["post"], 20.0),
    "O": ("space", ["joined"], 20.0),
    "D": ("edge_distance", ["post", "die"], 60.0),
}


def process(folder: Path) -> Path:
    """A process with rules that windows show, one of them on a derived layer."""
    folder.mkdir()
    rules = "".join(
        f'[rules.{name}]\ncheck = "{kind}"\nlayers = {json.dumps(layers)}\nlimit = {limit}\nwhy = "w"\nsource = "s"\n'
        for name, (kind, layers, limit) in RULES.items()
    )
    (folder / "pdk.toml").write_text(f"{PROCESS}\n{rules}".replace('"tiny"', f'"{folder.name}"'), "utf-8")
    return folder


PROCESS = plain(
    """via = { gds = [2, 0], title = "via" }
rdl = { gds = [3, 0], title = "metal" }
post = { gds = [5, 0], title = "post" }""",
    reserved='die = { gds = [200, 0], title = "die" }',
    derived='joined = { expression = "rdl | via" }',
)


def wafer(kinds: int, *, alike: bool) -> kdb.Layout:
    """Dies of several kinds with faults of each rule: each at many places, or all of them different."""
    dice = random.Random(3)  # noqa: S311  no secret
    layout = kdb.Layout()
    layers = [layout.layer(n, 0) for n in (2, 3, 5)]
    top = layout.create_cell("WAFER")
    dies = [layout.create_cell(f"DIE{k}") for k in range(kinds)]
    for die in dies:
        die.shapes(layout.layer(200, 0)).insert(kdb.Box(-60_000, -60_000, 830_000, 830_000))
        for i in range(36):
            x, y = i % 6 * 150_000 + dice.randrange(20_000), i // 6 * 150_000 + dice.randrange(20_000)
            for index, side in zip(layers, (29_900, 50_000, 20_000), strict=True):
                side += dice.choice((0, 0, 0, 200, 9_000))
                at = x - side // 2 + dice.choice((0, 0, 12_000)), y - side // 2
                die.shapes(index).insert(kdb.Box(*at, at[0] + side, at[1] + side))
            die.shapes(layers[1]).insert(kdb.Box(x, y, x + 120_000, y + dice.choice((18_000, 19_000))))
    for k in range(kinds if not alike else 12 * kinds):
        step = kdb.Trans(k % 6 * 1_000_000, k // 6 * 1_000_000)
        top.insert(kdb.CellInstArray(dies[k % kinds].cell_index(), step))
    return layout


@pytest.fixture(scope="module")
def pdk(tmp_path_factory: pytest.TempPathFactory) -> Pdk:
    folder = process(tmp_path_factory.mktemp("pdk") / "tiny")
    return read(folder, lambda _: folder)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Two workers, each a process of its own."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
        local_directory=str(tmp_path_factory.mktemp("dask")),
    ) as started:  # fmt: skip
        yield started


@pytest.fixture(autouse=True)
def always_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "LITTLE", 0)
    monkeypatch.setattr(look, "PIECE", 0)
    monkeypatch.setattr(look, "SPARSE", 0)
    monkeypatch.setattr(look, "AT_A_TIME", 2)


def findings(report: Report) -> dict[str, list[object]]:
    """By rule what was found, at each place."""

    def said(f: Finding) -> tuple[object, ...]:
        return sorted(map(canonical, f.edges)), sorted(f.polygon), f.measured, f.note

    return {r.rule: sorted(said(one) for f in r.findings for one in f.each()) for r in report.results}


def check(pdk: Pdk, layout: kdb.Layout, address: str = "", tell: Callable[[str], None] = lambda _: None) -> Report:
    return check_layout(layout, layout.top_cell(), pdk, "one", title="t", jobs=1, cluster=address, progress=tell)


@pytest.mark.parametrize("alike", [True, False], ids=["dies that repeat", "all dies different"])
def test_a_cluster_finds_what_one_machine_finds(
    cluster: object, pdk: Pdk, alike: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = wafer(3 if alike else 24, alike=alike)
    here = check(pdk, layout)
    sent = []
    kept = machines.look_at

    def counted(parts: dict[str, list[str]], *rest: object) -> object:
        sent.append(len(parts))
        return kept(parts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(machines, "look_at", counted)
    there = check(pdk, layout, cluster.scheduler_address)  # type: ignore[attr-defined]
    assert sent[0] > 4
    assert all(r.status is Status.RUN for r in here.results)
    assert all(findings(here).values()), "a rule without findings compares nothing"
    assert findings(there) == findings(here)
    assert there.exit_code == 1


def test_a_worker_that_is_killed_in_the_middle_changes_nothing(cluster: object, pdk: Pdk) -> None:
    layout = wafer(24, alike=False)
    here = check(pdk, layout)
    killed: list[int] = []

    def kill(rule: str) -> None:
        if not killed:
            worker = next(iter(cluster.workers.values()))  # type: ignore[attr-defined]
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    there = check(pdk, layout, cluster.scheduler_address, kill)  # type: ignore[attr-defined]
    assert killed
    assert findings(there) == findings(here)


def test_a_part_that_no_worker_can_do_fails_its_rules(
    cluster: object, pdk: Pdk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "_work", die)
    report = check(pdk, wafer(3, alike=True), cluster.scheduler_address)  # type: ignore[attr-defined]
    assert report.exit_code == 2
    failed = [r for r in report.results if r.status is Status.FAILED]
    assert {r.rule for r in failed} == {*RULES}
    assert all("a worker of the cluster could not do its part" in r.reason and not r.findings for r in failed)


def die(wanted: str, what: object) -> None:
    raise MemoryError("of this worker")


def test_workers_of_another_version_are_not_believed(
    cluster: object, pdk: Pdk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "version", lambda: "another")
    report = check(pdk, wafer(3, alike=True), cluster.scheduler_address)  # type: ignore[attr-defined]
    assert report.exit_code == 2
    assert "another version" in " ".join(r.reason for r in report.results)
    assert cache.version() != "another"


def test_a_cluster_that_loses_all_its_workers_fails_what_is_left(pdk: Pdk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "PATIENCE", 0.5)
    monkeypatch.setattr(machines, "ARRIVAL", 0.5)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as one:
        report = check(pdk, wafer(24, alike=False), one.scheduler_address, lambda _: one.scale(0))
    assert report.exit_code == 2
    assert "has had no worker" in " ".join(r.reason for r in report.results if r.status is Status.FAILED)


class Lost:
    """A future that is done, and whose worker is gone with its answer, as often as it is asked."""

    status = "finished"

    def result(self, timeout: float) -> object:
        raise TimeoutError


def test_an_answer_that_is_lost_with_its_worker_is_waited_for_and_not_for_ever(
    cluster: object, pdk: Pdk, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, lost = machines._answer, []

    def answer(future: object, rules: list[str]) -> object:
        lost.append(rules)
        return kept(Lost() if len(lost) <= most else future, rules)  # type: ignore[arg-type]

    monkeypatch.setattr(machines, "_answer", answer)
    layout = wafer(3, alike=True)
    most = 2
    assert findings(check(pdk, layout, cluster.scheduler_address)) == findings(check(pdk, layout))  # type: ignore[attr-defined]
    most = 10**6
    report = check(pdk, layout, cluster.scheduler_address)  # type: ignore[attr-defined]
    assert report.exit_code == 2
    assert "never arrived" in " ".join(r.reason for r in report.results if r.status is Status.FAILED)


def test_where_no_cluster_answers_one_line_says_so(
    pdk: Pdk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machines, "SECONDS", 0.5)
    with pytest.raises(CheckError, match="no cluster with workers answers"):
        check(pdk, wafer(3, alike=True), "tcp://127.0.0.1:9")
    folder = process(tmp_path / "here")
    wafer(3, alike=True).write(str(tmp_path / "w.gds"))
    report = tmp_path / "r.json"
    report.write_text("before")
    arguments = ["drc", str(tmp_path / "w.gds"), "--pdk", str(folder), "--cluster", "tcp://127.0.0.1:9", "-q"]
    assert layoutgen([*arguments, "-o", str(report)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert report.read_text() == "before"
