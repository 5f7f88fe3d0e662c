"""Cells, stages and processes of one's own: what CONTRIBUTING.md shows runs as it stands, and mistakes are said."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import pytest

import layoutgen as lg
from layoutgen import discover
from layoutgen.cli import run
from layoutgen.discover import CellsError
from layoutgen.errors import SpecError

Spec = Callable[..., Path]
ROOT = Path(__file__).resolve().parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
BLOCKS = re.findall(
    r"```(\w+)\n(.*?)```",
    CONTRIBUTING[CONTRIBUTING.index("## Cells and stages of your own") : CONTRIBUTING.index("## A rule")],
    re.DOTALL,
)
FILES = {body.splitlines()[0].removeprefix("# "): body for kind, body in BLOCKS if kind != "sh"}
COMMANDS = "".join(body for kind, body in BLOCKS if kind == "sh")

HEAD = "from dataclasses import dataclass\nimport layoutgen as lg\n"
CELL = """\
@dataclass(frozen=True, kw_only=True)
class {cls}:
    "{cls} of my own."
    diameter: lg.Size = 60.0
@lg.generator("{name}", {cls})
def {cls}_(pdk: lg.Pdk, p: {cls}) -> lg.Drawing:
    d = lg.Drawing("x")
    d.circle(pdk.role("metal"), p.diameter)
    return d
"""
DOT = CELL.format(cls="Dot", name="my.dot")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def mine(**files: str) -> Path:
    """A folder with such Python files, given relative to the current one."""
    folder = Path("mine")
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    return folder


# what CONTRIBUTING.md says ----------------------------------------------------------------------------------------


@pytest.fixture
def written() -> None:
    for file, text in FILES.items():
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(text, "utf-8")


def test_the_text_shows_a_cell_a_script_and_a_process() -> None:
    assert set(FILES) == {"mycells/dots.py", "script.py", "pdks/mine/pdk.toml"}


@pytest.mark.usefixtures("written")
def test_the_commands_run_as_they_stand(tmp_path: Path) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", COMMANDS], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "my.dots            A row of metal dots to measure the redistribution by." in done.stdout
    assert re.search(r"^  count +5 +How many\.$", done.stdout, re.MULTILINE)
    assert re.search(r"^MY\.W\.1 .*25 um", done.stdout, re.MULTILINE)
    assert Path("dots.png").read_bytes().startswith(b"\x89PNG")
    assert Path("dots.gds").is_file()
    manifest = json.loads(Path("output/mychip/manifest.json").read_text("utf-8"))
    assert manifest["checks"]["exit_code"] == 0
    assert manifest["checks"]["rules"]["MY.W.1"] == "clean"
    layout = kdb.Layout()
    layout.read("output/mychip/mychip_die.gds")
    metal = kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(10, 0))).merged()
    corner = kdb.Region(kdb.DBox(70, 70, 430, 130).to_itype(layout.dbu))
    dots = list((metal & corner).each())
    assert [round(p.bbox().width() * layout.dbu) for p in dots] == [50] * 4  # as the process says, not as the cell does
    assert [p for p in dots if p.area() > 2100e6] == []  # whole circles, and no wire among them


@pytest.mark.usefixtures("written")
def test_the_same_build_from_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYOUTGEN_PDK_PATH", "pdks")
    assert run(["init", "mychip", "--pdk", "mine"]) == 0
    written = Path("mychip.toml").read_text("utf-8")
    Path("mychip.toml").write_text(written.replace("diameter = 200_000", "diameter = 50_000"), "utf-8")
    built = lg.build("mychip.toml", cells="mycells")
    assert (built.report.exit_code, built.spec.cell_folders) == (0, (Path("mycells"),))
    with pytest.raises(SpecError, match=r"no cell 'my\.dots'"):
        lg.build("mychip.toml")
    assert lg.build(lg.read_spec("mychip.toml", cells=["mycells"])).name == "mychip"


def test_nothing_that_a_spec_says_runs_python(spec_file: Spec, capsys: pytest.CaptureFixture[str]) -> None:
    mine(dot="from pathlib import Path\nPath('ran').touch()\n")
    for change in ('cells = ["mine"]', "cell_folders = ['mine']"):
        assert run(["build", str(spec_file(('pdk = "wlcsp_500"', f'pdk = "wlcsp_500"\n{change}')))]) == 2
    assert run(["build", str(spec_file(("wlcsp_500", "./mine")))]) == 2
    assert not Path("ran").exists()
    assert "defect" not in capsys.readouterr().err


# folders --------------------------------------------------------------------------------------------------------


def test_several_folders_before_and_after_show(capsys: pytest.CaptureFixture[str]) -> None:
    mine(dot=HEAD + DOT).rename("one")
    mine(other=HEAD + CELL.format(cls="Other", name="my.other"))
    assert run(["cells", "--cells", "one", "--cells", "mine"]) == 0
    listed = capsys.readouterr().out
    assert "my.dot " in listed
    assert "my.other " in listed
    assert run(["cells", "--cells", "one", "show", "my.other", "--cells", "mine", "-p", "diameter=50.0"]) == 0
    assert re.search(r"^  diameter +50\.0 um$", capsys.readouterr().out, re.MULTILINE)  # shown though it says nothing
    assert run(["cells", "--cells", "one", "show", "my.other"]) == 2


def test_files_of_a_folder_import_each_other_and_what_ships(spec_file: Spec) -> None:
    folder = mine(
        shapes=HEAD + DOT,
        b="from .shapes import Dot_\nfrom layoutgen_cells import ball, balls\nfrom . import shapes\n",
        a="from .b import ball\nfrom .shapes import Dot_, Dot\n",
    )
    assert "my.dot" in set(discover.cells(folder, folder.resolve()))
    assert ("die", "balls") in set(discover.stages(folder))
    assert run(["build", str(spec_file()), "--cells", "mine", "-q", "--no-previews"]) == 0


def test_a_file_that_has_changed_is_read_anew_and_one_that_has_not_is_not(tmp_path: Path) -> None:
    first = lg.cells(mine(dot=HEAD + DOT))["my.dot"]
    assert lg.cells("mine")["my.dot"] is first
    again = lg.cells(mine(dot=HEAD + DOT.replace("60.0", "70.0")))["my.dot"]  # as long as before, within a second
    assert again.parameters(lg.load_pdk("post")).diameter == 70.0
    assert {p.name for p in tmp_path.rglob("*")} == {"mine", "dot.py"}  # nothing is left beside it


def test_two_folders_of_one_name_are_not_mixed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, name in (("x", "my.x"), ("y", "my.y")):
        Path(place).mkdir()
        monkeypatch.chdir(place)
        assert name in set(lg.cells(mine(dot=HEAD + CELL.format(cls="Dot", name=name))))
        monkeypatch.chdir("..")


# mistakes -------------------------------------------------------------------------------------------------------

STAGE = "@lg.stage('{name}', at='die')\ndef {function}(c, die):\n    return die\n"
WRONG = {
    # the file, and what is said of it
    "syntax": ("x = (\n", "line 1: is not Python: '(' was never closed; mend it"),
    "no such module": ("import json\nimport nix\n",
                       "line 2: no module 'nix'; mend the import, or install it where layoutgen is"),
    "a neighbour": ("import beside\n",
                    "line 1: no module 'beside'; a file of the same folder is imported by: from .beside import ..."),
    "no neighbour": ("from .nix import x\n", "line 1: no file nix.py in this folder; mend the import"),
    "no such name": ("from .beside import nix\n", "line 1: ImportError: cannot import name 'nix' from 'beside'"),
    "any error": ("\n\nx = 1 / 0\n", "line 3: ZeroDivisionError: division by zero; mend it"),
    "an error without words": ("assert False\n", "line 1: AssertionError; mend it"),
    "an error in two lines": ("raise ValueError('a\\nb')\n", "line 1: ValueError: a b; mend it"),
    "an error of ours": ("import layoutgen as lg\nlg.load_pdk('pots')\n",
                         "line 2: UnknownNameError: no PDK 'pots'; did you mean 'post'?; mend it"),
    "an exit": ("import sys\nsys.exit(0)\n",
                "line 2: leaves Python while it is imported; guard that by: if __name__ == '__main__'"),
    "a NUL": ("x = '\x00'\n", "source code string cannot contain null bytes"),
    "a cell of a cell's name": (HEAD + DOT + CELL.format(cls="Dot2", name="my.dot"),
                                "line 16: 'my.dot' is defined at mine/wrong.py, line 7 already; give it another name"),
    "a cell of another file's cell's name": (HEAD + CELL.format(cls="D", name="my.beside"),
                                             "line 7: 'my.beside' is defined at mine/beside.py, line 7 already; "
                                             "give it another name"),
    "a cell of a shipped cell's name": (HEAD + CELL.format(cls="B", name="ball"), "line 7: 'ball' is defined at "),
    "a stage of a stage's name": (HEAD + STAGE.format(name="s", function="a") + STAGE.format(name="s", function="b"),
                                  "line 6: 's' is defined at mine/wrong.py, line 3 already; give it another name"),
    "no dataclass": (HEAD + DOT.replace("@dataclass(frozen=True, kw_only=True)", ""),
                     "line 7: the parameters of 'my.dot' cannot be read: TypeError: must be called with a dataclass"),
    "a type that is not imported": ("from __future__ import annotations\n" + HEAD + DOT.replace("lg.Size", "Um"),
                                    "line 8: the parameters of 'my.dot' cannot be read: NameError: name 'Um' is not"),
    "a type that cannot be checked": (HEAD + "import klayout.db\n" + DOT.replace("lg.Size", "klayout.db.Region"),
                                      "line 8: the parameters of 'my.dot' cannot be read: Pydantic"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_one_line_with_its_place(
    case: str, spec_file: Spec, capsys: pytest.CaptureFixture[str]
) -> None:
    text, said = WRONG[case]
    mine(beside=HEAD + CELL.format(cls="Beside", name="my.beside"), wrong=text)
    if case != "a stage of a stage's name":  # listing cells needs no stages
        for command in (["cells", "--cells", "mine"], ["cells", "show", "my.dot", "--cells", "mine"]):
            assert run(command) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith("error: mine/wrong.py: ")
            assert said in line
            assert "layoutgen_user" not in line
    assert run(["build", str(spec_file()), "--cells", "mine", "-q"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: mine/wrong.py: ")
    assert said in line
    assert not Path("output").exists()


def test_every_wrong_file_and_what_is_wrong_in_the_spec_are_said_at_once(
    spec_file: Spec, capsys: pytest.CaptureFixture[str]
) -> None:
    mine(a="x = (\n", b="1 / 0\n", c=HEAD + DOT)
    (Path("mine") / "my-file.py").touch()
    (Path("mine") / "._c.py").write_bytes(b"\x00of another system")
    spec = spec_file(("street = 100", "streets = 100"))
    assert run(["build", str(spec), "--cells", "mine"]) == 2
    assert [line.split(": ")[1:3] for line in capsys.readouterr().err.splitlines()] == [
        [str(spec), "wafer.streets"],
        ["mine/a.py", "line 1"],
        ["mine/b.py", "line 1"],
        ["mine/my-file.py", "must be named by letters, digits and _ only; rename it"],
    ]


def test_an_error_while_a_cell_is_made_is_its_files(spec_file: Spec, capsys: pytest.CaptureFixture[str]) -> None:
    mine(dot=HEAD + DOT.replace("d.circle", "d.cirle"))
    assert run(["cells", "show", "my.dot", "--cells", "mine"]) == 2
    wanted = "error: mine/dot.py: line 10: AttributeError: 'Drawing' object has no attribute 'cirle'; mend it"
    assert capsys.readouterr().err.splitlines() == [wanted]
    check = "    diameter: lg.Size = 60.0\n    def __post_init__(self):\n        self.nix()\n"
    mine(dot=HEAD + DOT.replace("    diameter: lg.Size = 60.0\n", check))
    wanted = "error: mine/dot.py: line 8: AttributeError: 'Dot' object has no attribute 'nix'; mend it"
    for command in (
        ["cells", "show", "my.dot", "--pdk", "post", "--cells", "mine"],
        ["build", str(spec_file(('[cells."rdl.wire"]\nwidth', '[cells."my.dot"]\ndiameter'))), "--cells", "mine"],
    ):
        assert run(command) == 2
        assert capsys.readouterr().err.splitlines() == [wanted]


def test_an_error_in_a_stage_is_its_files(
    spec_file: Spec, user_pdk: Callable[[str, str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    user_pdk("own", 'extends = "wlcsp_500"\nname = "own"\n[flows.blanket]\nstages = ["own"]\n')
    mine(own="import layoutgen as lg\n" + STAGE.format(name="own", function="own").replace("die\n", "die.nix\n"))
    assert run(["build", str(spec_file(("wlcsp_500", "own"))), "--cells", "mine", "-q"]) == 2
    wanted = "error: mine/own.py: line 4: AttributeError: 'Die' object has no attribute 'nix'; mend it"
    assert capsys.readouterr().err.splitlines() == [wanted]


def test_a_folder_that_is_none(spec_file: Spec, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    for command in (["cells"], ["cells", "show", "ball"], ["build", str(spec_file())]):
        for folder, said in (
            ("nowhere", "Invalid value for '--cells': Directory 'nowhere' does not exist."),
            ("pads.csv", "Invalid value for '--cells': Directory 'pads.csv' is a file."),
            ("empty", "empty: holds no .py file; name the folder that your cells are in"),
        ):
            spec_file()
            assert run([*command, "--cells", folder]) == 2
            assert capsys.readouterr().err.splitlines() == [f"error: {said}"]
    with pytest.raises(CellsError, match=r"^nowhere: is no folder; name the folder that your cells are in$"):
        lg.cells("nowhere")


def test_an_installed_package_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    def points(group: str) -> list[EntryPoint]:
        return [EntryPoint("theirs", "nix_cells", group)]

    monkeypatch.setattr(discover, "entry_points", points)
    with pytest.raises(CellsError) as e:
        discover.cells()
    assert str(e.value) == (
        "layoutgen.cells: theirs = nix_cells: cannot be imported: ModuleNotFoundError: No module named 'nix_cells'; "
        "mend or uninstall nix_cells"
    )


# names ----------------------------------------------------------------------------------------------------------


def test_the_package_shows_what_it_offers_and_loads_nothing_for_it() -> None:
    code = (
        "import sys, layoutgen as lg\nassert dir(lg) == sorted(lg.__all__)\n"
        "assert not {'numpy', 'pydantic', 'klayout'} & {m.partition('.')[0] for m in sys.modules}\n"
        "for name in lg.__all__: getattr(lg, name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"Drawing", "Pdk", "Size", "Um", "generator", "stage"} <= set(dir(lg))
