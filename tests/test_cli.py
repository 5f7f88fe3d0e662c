"""The command line, as a user and as a CI job meet it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import pytest

from layoutgen import discover
from layoutgen.cli import COMMANDS, run
from layoutgen.drc.checks import KINDS
from layoutgen.maskset import MaskSet

Spec = Callable[..., Path]
PDKS = ("post", "wlcsp_400", "wlcsp_500", "wlcsp_500_2m")
CELLS = tuple(discover.cells())
PROGRAM = [sys.executable, "-m", "layoutgen.cli"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def only_line(text: str) -> str:
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]


# help -----------------------------------------------------------------------------------------------------------


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    checking = {"drc", "net", "waive", "diff", "section"}
    assert (
        set(COMMANDS) == {"build", "route", "init", "cells", "pdk", "explain", "view", "doctor", "plating"} | checking
    )
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", out, re.MULTILINE)


def test_the_package_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "layoutgen", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"layoutgen {importlib.metadata.version('layoutgen')}\n"


@pytest.mark.parametrize("arguments", [*([c] for c in COMMANDS), ["cells", "show"], ["pdk", "rules"]], ids=" ".join)
def test_help_of_a_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*arguments, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"Usage: layoutgen {' '.join(arguments)}" in out
    assert len(out.splitlines()) > 4


@pytest.mark.parametrize(
    "arguments", [["--help"], ["build", "--help"], ["cells", "--help"], ["--version"]], ids=" ".join
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom layoutgen.cli import run\n"
        f"code = run({arguments!r})\n"
        "print(code, sorted({m.partition('.')[0] for m in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown, _, modules = done.stderr.strip().partition(" ")
    assert shown == "0"
    assert "'click'" in modules
    for heavy in ("numpy", "klayout", "pydantic", "shapely", "gdstk", "rich"):
        assert f"'{heavy}'" not in modules


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert re.fullmatch(r"layoutgen \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_a_misspelt_command_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["buld", "x.toml"]) == 2
    said = capsys.readouterr()
    assert (said.out, only_line(said.err)) == ("", "error: no command 'buld'; did you mean 'build'?")


# init -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pdk", PDKS)
def test_what_init_writes_builds_clean_at_once(pdk: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands for the first process, on a smaller wafer for the others."""
    assert run(["init", "demo", "--pdk", pdk]) == 0
    assert sorted(p.name for p in Path().iterdir()) == ["demo.toml", "demo_balls.csv", "demo_pads.csv"]
    if pdk != PDKS[0]:
        written = Path("demo.toml").read_text("utf-8")
        assert written.count("diameter = 200_000") == 1
        Path("demo.toml").write_text(written.replace("diameter = 200_000", "diameter = 50_000"), "utf-8")
    assert run(["build", "demo.toml", "--no-previews"]) == 0
    out = capsys.readouterr().out
    assert f"demo: demo in {pdk}" in out
    assert ", 0 findings" in out
    assert "0 unrouted" in out
    assert Path("output/demo/demo_wafer.oas").is_file()


def test_init_overwrites_nothing_unless_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("demo_pads.csv").write_text("mine")
    assert run(["init", "demo"]) == 2
    assert "demo_pads.csv is there already" in only_line(capsys.readouterr().err)
    assert {p.name: p.read_text() for p in Path().iterdir()} == {"demo_pads.csv": "mine"}
    assert run(["init", "demo", "--force"]) == 0
    assert Path("demo_pads.csv").read_text() != "mine"


@pytest.mark.parametrize("name", ["../demo", "a b", "", "x" * 65, "-x", "a/b", "ä"])
def test_init_takes_plain_names_only(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--", name]) == 2
    assert only_line(capsys.readouterr().err).startswith("error: ")
    assert list(Path().iterdir()) == []


# cells ----------------------------------------------------------------------------------------------------------


def test_cells_lists_every_cell_with_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cells"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = [line.split() for line in lines[: lines.index("")]]
    assert tuple(words[0] for words in shown) == CELLS
    assert all(len(words) > 3 for words in shown)


@pytest.mark.parametrize("name", CELLS)
def test_cells_show_draws_a_cell_in_every_form(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    boxes = []
    for ending in ("gds", "oas"):
        assert run(["cells", "show", name, "-o", f"x.{ending}"]) == 0
        layout = kdb.Layout()
        layout.read(f"x.{ending}")
        boxes.append(layout.top_cell().bbox())
        assert layout.dbu == 0.001
    assert boxes[0] == boxes[1]
    assert not boxes[0].empty()
    assert run(["cells", "show", name, "-o", "x.png"]) == 0
    assert Path("x.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in Path().iterdir()) == ["x.gds", "x.oas", "x.png"]
    assert capsys.readouterr().out.count(f"{name} in ") == 3


def test_cells_show_takes_changed_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cells", "show", "polymer.opening", "-p", "size=70", "-p", "bevel=0", "-o", "x.gds"]) == 0
    layout = kdb.Layout()
    layout.read("x.gds")
    assert (layout.top_cell().dbbox().width(), layout.top_cell().dbbox().height()) == (70.0, 70.0)
    assert re.search(r"^  size +(= )?70(\.0)? ", capsys.readouterr().out, re.MULTILINE)


WRONG_PARAMETERS = {
    "size": "error: Invalid value for -p: 'size' must be KEY=VALUE, as in width=30",
    "=3": "error: Invalid value for -p: '=3' must be KEY=VALUE, as in width=30",
    "sise=3": "error: polymer.opening: no parameter 'sise'; did you mean 'size'?",
    "size=big": "error: polymer.opening: size: input should be a valid number, not 'big'",
    "size=-3": "error: polymer.opening: size: input should be greater than 0, not -3",
    "size=inf": "error: Invalid value for -p: size must be a number of um within 1073742",
    "size=nan": "error: Invalid value for -p: size must be a number of um within 1073742",
    "size=1e12": "error: Invalid value for -p: size must be a number of um within 1073742",
    "size=[1]": "error: polymer.opening: size: input should be a valid number, not [1]",
    "size=true": "error: polymer.opening: size: input should be a valid number, not True",
    "bevel=20": "error: polymer.opening: bevel=20 um must be less than half of size=40 um",
}


@pytest.mark.parametrize("given", WRONG_PARAMETERS)
def test_a_wrong_cell_parameter(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cells", "show", "polymer.opening", "-p", given, "-o", "x.gds"]) == 2
    assert only_line(capsys.readouterr().err) == WRONG_PARAMETERS[given]
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("given", ["size=" + "9" * 5000, "size=0x" + "f" * 5000, "size=" + "[" * 5000, "size=1\x00"])
def test_an_absurd_cell_parameter_is_no_defect(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cells", "show", "polymer.opening", "-p", given]) == 2
    line = only_line(capsys.readouterr().err)
    assert line.startswith("error: ")
    assert "defect" not in line


def test_an_unknown_cell_and_an_unknown_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cells", "show", "polymer.vya"]) == 2
    assert only_line(capsys.readouterr().err) == "error: no cell 'polymer.vya'; did you mean 'polymer.via'?"
    assert run(["cells", "show", "ubm", "-o", "x.svg"]) == 2
    assert "must end in .gds, .oas or .png" in only_line(capsys.readouterr().err)


OWN_CELL = """
from dataclasses import dataclass
from layoutgen import Drawing, generator

@dataclass(frozen=True, kw_only=True)
class Dot:
    "A dot of my own."
    diameter: float = 9.0

@generator("my.dot", Dot)
def dot(pdk, p):
    d = Drawing("dot")
    d.circle("rdl", p.diameter)
    return d
"""


def test_cells_of_a_folder_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    Path("mine/dot.py").write_text(OWN_CELL)
    assert run(["cells", "--cells", "mine", "show", "my.dot", "-p", "diameter=12.0", "-o", "x.gds"]) == 0
    assert "my.dot in post: A dot of my own." in capsys.readouterr().out
    layout = kdb.Layout()
    layout.read("x.gds")
    assert layout.top_cell().dbbox().width() == pytest.approx(12.0, abs=0.01)


# processes and rules --------------------------------------------------------------------------------------------


def test_pdk_lists_every_process_with_its_masks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pdk"]) == 0
    out = capsys.readouterr().out
    for name in PDKS:
        assert re.search(rf"^{name} ", out, re.MULTILINE)
    assert (
        "flow plated: plating current kerf, masks PI, RDL, VIA, 29 rules\n" in out
    )  # of 36, seven of which are for other flows


@pytest.mark.parametrize("name", PDKS)
def test_pdk_rules_names_each_rule_with_its_limit(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pdk", "rules", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    rules = discover.pdk(name).rules
    assert [line.split()[0] for line in lines] == list(rules)
    for line, rule in zip(lines, rules.values(), strict=True):
        assert "Source: " in line
        unit = KINDS[rule.check].unit
        assert rule.limit is None or f"{rule.limit:g} {unit}".rstrip() in line


def test_pdk_rules_of_an_unknown_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pdk", "rules", "wlcsp_50"]) == 2
    assert only_line(capsys.readouterr().err) == "error: no PDK 'wlcsp_50'; did you mean 'wlcsp_500'?"


def test_explain_says_each_processs_own_limit(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "BALL.P.1"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^\[wlcsp_400\] BALL\.P\.1: .*400 um", out, re.MULTILINE)
    assert re.search(r"^\[wlcsp_500, wlcsp_500_2m\] BALL\.P\.1: .*500 um", out, re.MULTILINE)
    assert "Kind of check: pitch" in out


def test_explain_of_an_unknown_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "BALL.P.2"]) == 2
    assert only_line(capsys.readouterr().err).startswith("error: no rule 'BALL.P.2'; did you mean 'BALL.")


# view and doctor ------------------------------------------------------------------------------------------------


def a_build(small: MaskSet) -> Path:
    from layoutgen import handover

    handover.write(small, Path("output/small"), previews=False)
    return Path("output/small")


def test_view_without_klayout_says_what_to_open(
    small: MaskSet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = a_build(small)
    Path("empty").mkdir()
    monkeypatch.setenv("PATH", str(Path("empty").resolve()))
    monkeypatch.setattr("layoutgen.cli.view.PLACES", ())
    assert run(["view", str(folder)]) == 2
    line = only_line(capsys.readouterr().err)
    assert line.startswith("error: KLayout's application is not on this machine's PATH")
    assert "output/small/small_wafer.oas" in line


def test_view_starts_klayout_with_wafer_properties_and_findings(small: MaskSet) -> None:
    folder = a_build(small)
    os.mkfifo("told")
    stub = Path("bin/klayout")
    stub.parent.mkdir()
    stub.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > '{Path('told').resolve()}'\n")
    stub.chmod(0o755)
    path = os.pathsep.join((str(stub.parent.resolve()), "/usr/bin", "/bin"))
    done = subprocess.run(
        [*PROGRAM, "view", str(folder)], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "KLayout opens output/small/small_wafer.oas" in done.stdout
    told = Path("told").read_text().splitlines()  # waits for the stub to write and close
    whole = folder.resolve()
    assert told == [
        str(whole / "small_wafer.oas"), "-l", str(whole / "wlcsp_500.lyp"), "-m", str(whole / "drc.lyrdb")
    ]  # fmt: skip


def test_view_of_a_folder_above_names_the_builds_in_it(small: MaskSet, capsys: pytest.CaptureFixture[str]) -> None:
    a_build(small)
    assert run(["view"]) == 2
    assert only_line(capsys.readouterr().err) == "error: output holds no build; builds there: output/small"
    assert run(["view", "nowhere"]) == 2
    assert "layoutgen build SPEC" in only_line(capsys.readouterr().err)


def test_doctor_finds_nothing_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "wrong" not in out
    for check in ("python", "libraries", "processes", "cells", "write and draw"):
        assert f"ok     {check}: " in out


def test_doctor_says_what_is_wrong(
    user_pdk: Callable[[str, str], Path], capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    user_pdk("mine", 'extends = "post"\nname = "mine"\n[rules."RDL.W.1"]\ncheck = "wydth"\n')
    assert run(["doctor"]) == 2
    out = capsys.readouterr().out
    assert re.search(r"^wrong  processes: .*RDL\.W\.1.*wydth", out, re.MULTILINE)
    assert "ok     write and draw" in out


# build ----------------------------------------------------------------------------------------------------------


def test_build_quietly_prints_nothing(spec_file: Spec, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["build", str(spec_file()), "-q", "--no-previews"]) == 0
    assert tuple(capsys.readouterr()) == ("", "")
    assert Path("output/small/manifest.json").is_file()
    assert not Path("output/small/preview").exists()


def test_build_prints_its_result_as_json(spec_file: Spec, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["build", str(spec_file()), "--json", "--no-previews", "-o", "elsewhere"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    result = json.loads(said.out)
    assert result["name"] == "small"
    assert result["checks"]["exit_code"] == 0
    assert result["chip"] == {"name": "Small", "size": [1500, 1500], "pads": 4, "balls": 4, "nets": 4}
    assert result["routing"]["unrouted"] == []
    written = {str(p) for p in Path("elsewhere").rglob("*") if p.is_file()}
    assert set(result["files"]) == written


def test_build_says_what_it_built_and_where(spec_file: Spec, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["build", str(spec_file()), "--no-previews"]) == 0
    said = capsys.readouterr()
    assert "small: Small in wlcsp_500, flow blanket" in said.out
    assert "4 pads, 4 balls, 4 nets" in said.out
    assert "layoutgen view output/small" in said.out
    assert "\x1b" not in said.out + said.err
    steps = said.err.splitlines()
    assert steps[:3] == ["reading the process", "drawing and routing the die", "laying out the wafer"]
    assert "checking ..." in steps
    assert len(steps) < 12


def test_debug_shows_the_traceback_and_no_other_call_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["build", "nowhere.toml"]) == 2
    assert only_line(capsys.readouterr().err) == "error: nowhere.toml: no such file"
    assert run(["--debug", "build", "nowhere.toml"]) == 2
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.splitlines()[-1] == "error: nowhere.toml: no such file"


def test_an_unforeseen_failure_is_one_line_that_calls_it_a_defect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("layoutgen.spec.read", lambda path, cells: 1 / 0)
    assert run(["build", "x.toml"]) == 2
    assert only_line(capsys.readouterr().err).startswith("error: this is a defect in layoutgen: ZeroDivisionError: ")


def test_an_interrupt_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(path: Path, cells: tuple[Path, ...]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("layoutgen.spec.read", interrupted)
    assert run(["build", "x.toml"]) == 2
    assert only_line(capsys.readouterr().err.strip()).startswith("error: stopped; ")


def on_a_terminal(*arguments: str) -> tuple[int, str, str]:
    """Exit code, what was printed, and what a pseudo terminal for its standard error was shown."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 120)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    printed = process.communicate(timeout=60)[0].decode()
    return process.returncode, printed, shown.decode()


def test_progress_on_a_terminal_is_a_bar(spec_file: Spec) -> None:
    code, printed, shown = on_a_terminal("build", str(spec_file()), "--no-previews")
    assert code == 0
    assert printed.startswith("small: ")
    assert "━" in shown
    assert "\x1b[" in shown
    assert "writing manifest.json" in shown  # the last step is always drawn
    assert shown.rstrip("\r\n").endswith("\x1b[2K")  # the bar is taken away again


def test_progress_of_checks_on_a_terminal_is_a_bar() -> None:
    layout = kdb.Layout()
    layout.create_cell("TOP").shapes(layout.layer(10, 0)).insert(kdb.Box(0, 0, 50_000, 50_000))
    layout.write("x.oas")
    code, printed, shown = on_a_terminal("drc", "x.oas", "--pdk", "wlcsp_500", "--rules", "RDL.W.1,RDL.S.1")
    assert code == 0
    assert printed.startswith("x.oas, cell TOP: wlcsp_500")
    assert "━" in shown
    assert "checking " in shown
    assert shown.rstrip("\r\n").endswith("\x1b[2K")


def test_progress_in_a_pipe_is_plain_lines(spec_file: Spec) -> None:
    done = subprocess.run(
        [*PROGRAM, "build", str(spec_file()), "--no-previews"], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == "reading the process"
    assert "\x1b" not in done.stderr + done.stdout
    assert "━" not in done.stderr
