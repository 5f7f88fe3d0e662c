"""What CI systems are given, run as they would run it: the action's steps, the hooks, the snippets of docs/ci.md."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import junitparser
import pytest
import yaml

from layoutgen.cli.hook import main
from layoutgen.report import github

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
SNIPPETS = [yaml.safe_load(s) for s in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/ci.md").read_text("utf-8"), re.S)]
HOOKS = {h["id"]: h for h in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))}
PDK = """\
name = "tiny"
title = "A metal"
source = "Made up"
[layers]
metal = { gds = [1, 0], title = "Metal", drawn = "remaining" }
[reserved]
die = { gds = [200, 0], title = "Die" }
[roles]
metal = "metal"
[flows.one]
title = "The only one"
current = "none"
stages = []
draws = ["metal"]
[connect]
metal = "metal"
pad = ["metal"]
ball = []
[masks]
[rules."M.S"]
check = "space"
layers = ["metal"]
limit = 5.0
why = "Shorts, 100 %."
source = "Made up"
[rules."M.D"]
check = "edge_distance"
layers = ["metal", "die"]
limit = 1.0
why = "Chips."
source = "Made up"
"""


@pytest.fixture(autouse=True)
def _layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clean layout, one with a finding, one whose rule on dies cannot run, and one that is none."""
    import klayout.db as kdb

    monkeypatch.chdir(tmp_path)
    Path("tiny").mkdir()
    Path("tiny/pdk.toml").write_text(PDK, "utf-8")
    for name, gap, die in (("good", 6, True), ("bad", 3, True), ("nodie", 6, False)):
        layout = kdb.Layout()
        top = layout.create_cell("TOP")
        for x in (10, 30 + gap):
            top.shapes(layout.layer(1, 0)).insert(kdb.DBox(x, 10, x + 20, 30))
        if die:
            top.shapes(layout.layer(200, 0)).insert(kdb.DBox(0, 0, 100, 100))
        layout.write(f"{name}.gds")
    Path("broken.gds").write_bytes(b"no layout")


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script as GitHub runs it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "LAYOUTGEN_"))}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],  # noqa: S607
        env={**clean, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


# GitHub ---------------------------------------------------------------------------------------------------------


def step(name: str) -> dict[str, Any]:
    (found,) = (s for s in STEPS if s["name"] == name)
    return found


def environment(of: dict[str, Any], inputs: dict[str, str]) -> dict[str, str]:
    """What a step is given for these inputs, the others being left out."""
    known = {name: given["default"] for name, given in ACTION["inputs"].items()}
    assert set(inputs) <= set(known)
    values = known | inputs
    return {k: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda m: values[m[1]], v) for k, v in of["env"].items()}


def act(**inputs: str) -> tuple[int, str, str, subprocess.CompletedProcess[str]]:
    """Exit code, job summary and annotations of the action's own step; and what it printed."""
    files = {"GITHUB_STEP_SUMMARY": Path("summary"), "GITHUB_OUTPUT": Path("outputs")}
    for file in files.values():
        file.write_text("")
    it = step("Build and check")
    done = run(it["run"], **environment(it, inputs), **{k: str(v) for k, v in files.items()})
    assert done.returncode == 0, done.stderr
    (code,) = re.findall(r"^exit-code=(\d)$", files["GITHUB_OUTPUT"].read_text(), re.M)
    last = run(step("Pass or fail")["run"], CODE=code)
    assert last.returncode == int(code)
    said = "".join(line for line in done.stdout.splitlines(True) if line.startswith("::error"))
    return int(code), files["GITHUB_STEP_SUMMARY"].read_text(), said, done


def test_the_action_has_the_form_of_one_and_uses_what_it_is_given() -> None:
    text = (ROOT / "action.yml").read_text("utf-8")
    done = subprocess.run(
        [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.github-actions", str(ROOT / "action.yml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    for s in STEPS:
        assert "${{" not in s.get("run", ""), "what comes from outside reaches a script by its environment alone"
        assert ("shell" in s) == ("run" in s)
        assert ("uses" in s) != ("run" in s)
        for name in s.get("env", {}):
            assert re.search(rf"\$\{{?{name}\b", s["run"]), f"{name} is not used"
    for name in re.findall(r"steps\.(\w+)\.", text):
        assert name in {s.get("id") for s in STEPS}
    assert run(step("Pass or fail")["run"]).returncode == 2  # where nothing has said how it ended


def test_a_clean_layout_passes() -> None:
    code, summary, said, _ = act(layout="nodie.gds", pdk="./tiny", arguments="--die 0,0,100,100")
    assert (code, said) == (0, "")
    assert summary.startswith("## nodie.gds, cell TOP: clean: 2 rules run, 0 findings")


def test_a_finding_fails_with_an_annotation_a_summary_and_files() -> None:
    code, summary, said, done = act(layout="bad.gds", pdk="./tiny")
    assert code == 1
    assert said == (
        "::error file=bad.gds,title=M.S%3A 1 findings::worst 3 um at (31.500, 20.000) um. "
        "space of metal >= 5 um. Shorts, 100 %25. Source: Made up\n"
    )
    assert "| M.S | space | metal | 5 um | **findings** | 1 | 3 um | (31.500, 20.000) |" in summary
    folder = Path(ACTION["inputs"]["output"]["default"]) / "drc"
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*.*")}
    assert names == {"results.json", "results.md", "results.sarif", "results.xml", "drc.lyrdb", "findings/M.S.png",
                     "findings/pictures.json"}  # fmt: skip
    # between the tool's words and GitHub's commands there is a lock
    lines = done.stdout.splitlines()
    token = next(line for line in lines if line.startswith("::stop-commands::")).rpartition(":")[2]
    assert len(token) > 8
    assert lines.index(f"::stop-commands::{token}") < lines.index(f"::{token}::") < lines.index(said.rstrip("\n"))


def test_what_did_not_run_is_not_clean() -> None:
    code, summary, said, _ = act(layout="nodie.gds", pdk="./tiny")
    assert code == 2
    assert said.startswith("::error file=nodie.gds,title=M.D did not run::skipped: there is nothing on layer 'die'")
    assert "incomplete, so not clean" in summary


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"layout": "broken.gds", "pdk": "./tiny"}, "::error::the check failed\n"),
        ({"layout": "$(touch hacked); x.gds", "pdk": "$(touch hacked)", "arguments": "; touch hacked `touch hacked`"},
         "::error::the check failed\n"),
        ({"spec": "none.toml"}, "::error::the build failed\n"),
        ({}, "::error::name a spec or a layout\n"),
    ],
)  # fmt: skip
def test_what_is_wrong_ends_with_2_and_runs_nothing(inputs: dict[str, str], said: str) -> None:
    for folder in ("drc", "build/x"):  # of an earlier run: must not be taken for this one's
        stale = Path("layoutgen-output", folder)
        stale.mkdir(parents=True)
        (stale / "results.json").write_text('{"rules": []}')
        (stale / "results.md").write_text("clean")
    code, summary, told, _ = act(**inputs)
    assert (code, summary, told) == (2, "", said)
    assert not Path("hacked").exists()


def test_a_spec_is_built_and_a_layout_checked_in_one_run(spec_file: Callable[..., Path]) -> None:
    spec = spec_file()
    code, summary, said, _ = act(spec=spec.name, layout="bad.gds", pdk="./tiny", annotations="false")
    assert (code, said) == (1, "")
    assert re.findall(r"^## .*?: (\w+)", summary.replace(": the whole wafer", ""), re.M) == ["clean", "findings"]
    assert Path("layoutgen-output/build/small/manifest.json").is_file()


def test_installing_takes_the_action_itself_or_what_is_asked_for() -> None:
    it = step("Install layoutgen")
    fake = 'python() { printf "%s\\n" "$@"; }\n'
    for given, expected in (("", "/the/action"), ("a b; c", "a b; c")):
        done = run(fake + it["run"], INSTALL=given, ACTION="/the/action")
        assert done.stdout.splitlines()[-2:] == ["--", expected]


def test_annotations_are_few_and_no_text_becomes_a_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    evil = "a,b:c%0A::set-env name=x::y\n::error::z\u202e\ud800"
    rule = {"rule": evil, "text": evil, "status": "run", "reason": "", "count": 3, "worst": 1.0, "at": [0, 1],
            "unit": "um"}  # fmt: skip
    skipped = rule | {"status": "skipped", "count": 0, "reason": evil}
    text = github.text({"rules": [rule, skipped]}, evil)
    assert text.count("\n") == 2
    first, second = text.splitlines()
    assert "did not run" in first
    for line in (first, second):
        properties, _, message = line.removeprefix("::error ").partition("::")
        assert [p.partition("=")[0] for p in properties.split(",")] == ["file", "title"]
        assert ":" not in properties
        assert "%0A" not in properties + message
    text.encode("utf-8")
    many = github.text({"rules": [rule] * 30}, "x")
    assert many.count("\n") == github.MOST
    assert many.endswith("::21 rules more; see the job's summary\n")
    for wrong in ("", "[]", "{", '{"rules": [{}]}'):
        (tmp_path / "r.json").write_text(wrong)
        assert github.main([str(tmp_path / "r.json"), "x"]) == 2
    assert github.main([]) == 2
    assert capsys.readouterr().out == ""


# pre-commit -----------------------------------------------------------------------------------------------------


def hook(name: str, arguments: list[str], *files: str) -> subprocess.CompletedProcess[str]:
    return run(f"{HOOKS[name]['entry']} {shlex.join([*arguments, *files])}")


def test_pre_commit_takes_the_hooks() -> None:
    done = subprocess.run(
        [str(BIN / "pre-commit"), "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")],
        capture_output=True, text=True, check=False, env={**os.environ, "PRE_COMMIT_HOME": str(Path.cwd())},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    files = re.compile(HOOKS["layoutgen-drc"]["files"])
    assert all(files.search(f) for f in ("a/b.gds", "b.oas", "c.gds.gz", "d.oas.gz"))
    assert not any(files.search(f) for f in ("a.gdsx", "b.md", "gds"))


def test_the_hook_checks_every_file_and_ends_with_the_worst() -> None:
    pdk = ["--pdk", "./tiny"]
    done = hook("layoutgen-drc", pdk, "bad.gds", "good.gds")
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line.startswith(("clean", "findings"))] == [
        "findings: 2 rules run, 1 findings", "clean: 2 rules run, 0 findings"
    ]  # fmt: skip
    assert main(["drc", *pdk, "broken.gds", "good.gds"]) == 2
    assert main(["drc", *pdk]) == main(["dcr", "good.gds"]) == main([]) == 2


def test_the_hook_builds_and_keeps_nothing(spec_file: Callable[..., Path]) -> None:
    spec_file()
    before = {p.name for p in Path.cwd().iterdir()}
    assert HOOKS["layoutgen-build-check"]["entry"] == HOOKS["layoutgen-drc"]["entry"].replace(" drc", " build")
    assert main(["build", "-q", "small.toml"]) == 0
    assert {p.name for p in Path.cwd().iterdir()} == before
    Path("wrong.toml").write_text("name = 3")
    assert main(["build", "-q", "wrong.toml"]) == 2


# docs/ci.md -----------------------------------------------------------------------------------------------------


def snippet(key: str) -> dict[str, Any]:
    (found,) = (s for s in SNIPPETS if key in s)
    return dict(found)


def test_the_workflow_of_the_docs_gives_the_action_what_it_takes() -> None:
    (job,) = snippet("jobs")["jobs"].values()
    (given,) = (s["with"] for s in job["steps"] if "layoutgen" in s["uses"])
    assert set(given) <= set(ACTION["inputs"])
    named = re.search(r"other inputs are in .*?: (.*?)\.\s", (ROOT / "docs/ci.md").read_text("utf-8"), re.S)
    assert named is not None
    assert set(given) | set(re.findall(r"`([\w-]+)`", named[1])) == set(ACTION["inputs"])


def test_the_hooks_of_the_docs_are_those_that_there_are() -> None:
    (repo,) = snippet("repos")["repos"]
    assert [h["id"] for h in repo["hooks"]] == list(HOOKS)


def test_the_gitlab_job_of_the_docs_runs(tmp_path: Path) -> None:
    content = snippet("layoutgen")
    (tmp_path / "ci.yml").write_text(yaml.safe_dump(content), "utf-8")
    done = subprocess.run(
        [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", str(tmp_path / "ci.yml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    job = content["layoutgen"]
    assert set(job["variables"]) == {"LAYOUT", "PDK"}
    done = run("\n".join(job["script"]), LAYOUT="bad.gds", PDK="./tiny")
    assert done.returncode == 1, done.stderr
    reports = job["artifacts"]["reports"]
    (suite,) = list(junitparser.JUnitXml.fromfile(reports["junit"]))
    assert (suite.tests, suite.failures) == (2, 1)
    issues = json.loads(Path(reports["codequality"]).read_text("utf-8"))
    assert [i["check_name"] for i in issues] == ["M.S"]
    for issue in issues:
        assert re.fullmatch(r"[0-9a-f]{16}", issue["fingerprint"])
        assert issue["location"] == {"path": "bad.gds", "lines": {"begin": 1}}
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
    for path in job["artifacts"]["paths"]:
        assert Path(path).exists()
