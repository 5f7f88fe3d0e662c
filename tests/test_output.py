"""What a build leaves on the disk: all of it or nothing, the same bytes each time, and readable by KLayout."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

import klayout.db as kdb
import klayout.lay as lay
import klayout.rdb as rdb
import pytest

from layoutgen import handover
from layoutgen.cli import run
from layoutgen.errors import OutputError
from layoutgen.findings import Finding
from layoutgen.maskset import MaskSet

ROOT = Path(__file__).resolve().parent.parent
ALL = ("caravel_post", "caravel_wlcsp", "grid36_wlcsp")
Contents = Callable[[Path], dict[str, str]]


class Example(Protocol):
    name: str
    folder: Path

    def file(self, ending: str) -> Path: ...


Build = Callable[[str], Example]


def of(*names: str) -> pytest.MarkDecorator:
    """Run a test for each of some examples, those of one example in one worker."""
    return pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.xdist_group(n)) for n in names])


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return found


# files ----------------------------------------------------------------------------------------------------------


@of(*ALL)
def test_every_file_is_there_and_the_manifest_names_it_with_its_hash(
    example: Build, contents: Contents, name: str
) -> None:  # fmt: skip
    folder = example(name).folder
    pdk = manifest(folder)["pdk"]
    masks = {"caravel_post": ("PI", "RDL", "VIA")}.get(name, ("PI1", "RDL", "PI2", "UBM"))
    expected = {
        f"{name}_wafer.oas", f"{name}_wafer.gds", f"{name}_die.gds", f"{pdk}.lyp", f"{pdk}.lyt",
        "drc.lyrdb", "results.xml", "results.md", "results.json", "results.sarif", "manifest.json", "masks/masks.lyp",
        "routing/report.md", "routing/nets.csv", "cuts.csv", "areas.csv",
        *(f"bending/POST.STRESS.{ending}" for ending in ("csv", "png") if pdk == "post"),
        *(f"plating/{file}.png" for file in ("resistance", "thickness", "worst_die") if pdk == "post"),
        *(["plating/posts.csv"] if pdk == "post" else []),
        *(f"masks/{name}_{mask}.gds" for mask in masks),
        *(f"preview/{picture}.png" for picture in ("wafer", "die", "route", "pad", "ball")),
        *(f"preview/mask_{mask}.png" for mask in masks),
        *(f"sections/{of}.{ending}" for of in {"post": ("polyimide", "via", "cut")}.get(pdk, ("pi1", "pi2", "cut"))
          for ending in ("png", "svg")),
    }  # fmt: skip
    found = contents(folder)
    assert set(found) == expected
    named = manifest(folder)["files"]
    assert {file: entry["sha256"] for file, entry in named.items()} == {
        file: digest for file, digest in found.items() if file != "manifest.json"
    }
    assert all((folder / file).stat().st_size == entry["bytes"] > 100 for file, entry in named.items())
    assert not list(folder.parent.glob(".*"))


def test_readme_says_what_each_file_of_the_first_example_is(example: Build, contents: Contents) -> None:
    rows = re.findall(
        r"^\| (`.+?) \| (.+) \|$", (ROOT / "README.md").read_text("utf-8").partition("## Test")[0], re.MULTILINE
    )
    said = set[str]()
    for files, what in rows:
        before = ""
        for file in re.findall(r"`([^`]+)`", f"{files} {what}"):
            whole = before.rpartition(".")[0] + file if file.startswith(".") else file
            said |= {f"{whole}*" if whole.endswith("/") else whole, f"{before.rpartition('/')[0]}/{file}"}
            before = whole
    files = contents(example("caravel_post").folder)
    assert [file for file in files if not any(fnmatch(file, pattern) for pattern in said)] == []


TONES = {
    # opening in a negative photo-polymer: it stays where light falls, so the drawn opening is dark
    "PI": ("opening", "negative", "photo-polymer", "digitized data dark", "incoming"),
    "VIA": ("opening", "negative", "photo-polymer", "digitized data dark", "RDL"),
    "PI1": ("opening", "negative", "photo-polymer", "digitized data dark", "incoming"),
    "PI2": ("opening", "negative", "photo-polymer", "digitized data dark", "RDL"),
    # metal plated through a positive resist: light opens the resist where metal is drawn
    "UBM": ("remaining", "positive", "plate-through", "digitized data clear", "PI2"),
}


@of(*ALL)
def test_the_manifest_says_of_each_mask_what_a_mask_shop_asks(example: Build, name: str) -> None:
    content = manifest(example(name).folder)
    metal = ("remaining", "positive", "plate-through", "digitized data clear")
    for mask, told in content["masks"].items():
        first = next(iter(content["masks"]))
        expected = (*metal, first) if mask == "RDL" else TONES[mask]
        assert tuple(told[key] for key in ("drawn_as", "resist", "transfer", "tone", "aligns_to")) == expected
        assert told["side"] == "front"
        assert (example(name).folder / told["file"]).is_file()


@of("caravel_post")
def test_the_manifest_names_what_it_was_made_from(example: Build, name: str) -> None:
    content = manifest(example(name).folder)
    inputs = ("caravel_post.toml", "caravel/pads.csv", "caravel/balls.csv")
    examples = ROOT / "examples"
    assert content["inputs"] == {i: hashlib.sha256((examples / i).read_bytes()).hexdigest() for i in inputs}
    assert content["chip"] == {"name": "Caravel", "size": [3588, 5188], "pads": 63, "balls": 60, "nets": 57}
    assert content["routing"]["ties"] == 57
    assert content["wafer"]["step"] == [3688, 5288]
    assert set(content["tools"]) >= {"layoutgen", "klayout"}


@of(*ALL)
def test_pictures_are_pictures(example: Build, name: str) -> None:
    for path in sorted((example(name).folder / "preview").glob("*.png")):
        pixels = lay.PixelBuffer.read_png(str(path))
        colors = {pixels.pixel(x, y) for x in range(0, pixels.width(), 7) for y in range(0, pixels.height(), 7)}
        assert min(pixels.width(), pixels.height()) >= 200
        assert len(colors) > 1, f"{path.name} is blank"


# KLayout --------------------------------------------------------------------------------------------------------


@of(*ALL)
def test_layer_properties_name_every_layer_of_the_files(example: Build, name: str) -> None:
    built = example(name)
    (path,) = built.folder.glob("*.lyp")
    sources = {item.findtext("source"): item.findtext("name") for item in ET.parse(path).getroot()}  # noqa: S314
    assert all(sources.values())
    for file in ("wafer.oas", "wafer.gds", "die.gds"):
        layout = kdb.Layout()
        layout.read(str(built.file(file)))
        for info in layout.layer_infos():
            assert f"{info.layer}/{info.datatype}@1" in sources, f"layer {info} of {file} has no name"


@of(*ALL)
def test_klayout_loads_layers_technology_and_findings(example: Build, name: str) -> None:
    built = example(name)
    (properties,), (technology,) = built.folder.glob("*.lyp"), built.folder.glob("*.lyt")
    view = lay.LayoutView()
    view.load_layout(str(built.file("wafer.oas")), False)
    view.load_layer_props(str(properties))
    nodes = list(view.each_layer())
    assert len(nodes) == len(ET.parse(properties).getroot())  # noqa: S314
    assert all(node.name for node in nodes)
    assert sum(node.cellview() == 0 and node.layer_index() >= 0 for node in nodes) >= 10
    tech = kdb.Technology()
    tech.load(str(technology))
    assert (tech.name, tech.dbu) == (f"layoutgen_{manifest(built.folder)['pdk']}", 0.001)
    assert tech.layer_properties_file == properties.name
    connectivity = tech.component("connectivity")
    assert isinstance(connectivity, kdb.NetTracerTechnologyComponent)
    assert sum(1 for stack in connectivity.each() for _ in stack.each_connection()) >= 2
    found = rdb.ReportDatabase("again")
    found.load(str(built.folder / "drc.lyrdb"))
    assert found.num_items() == 0
    assert {c.name() for c in found.each_category()} == set(manifest(built.folder)["checks"]["rules"])


# the same bytes -------------------------------------------------------------------------------------------------


@of("caravel_post", "grid36_wlcsp")
def test_the_same_bytes_in_another_process_folder_and_hash_seed(
    example: Build, contents: Contents, name: str, tmp_path: Path
) -> None:
    first = contents(example(name).folder)
    copy, output = tmp_path / "a copy of it" / "deeper", tmp_path / "ö"
    shutil.copytree(ROOT / "examples", copy)
    done = subprocess.run(
        [sys.executable, "-m", "layoutgen.cli", "build", str(copy / f"{name}.toml"), "-o", str(output), "-q"],
        env={**os.environ, "PYTHONHASHSEED": "4711", "TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8"},
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert contents(output / name) == first
    for path in (output / name).rglob("*"):
        assert not path.is_file() or str(tmp_path).encode() not in path.read_bytes()


# whole or not at all --------------------------------------------------------------------------------------------


@pytest.fixture
def earlier(small: MaskSet, tmp_path: Path) -> Path:
    """An earlier build in a folder of its own, made with other bytes than the next one will have."""
    folder = tmp_path / "output" / "small"
    handover.write(small, folder, previews=False)
    (folder / "results.md").write_text("of an earlier build")
    return folder


def refuse(small: MaskSet, folder: Path, contents: Contents, **options: Any) -> str:
    """What a write that must fail says; nothing in or beside the folder may have changed."""
    before = contents(folder.parent)
    with pytest.raises(OutputError) as caught:
        handover.write(small, folder, **options)
    assert contents(folder.parent) == before
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_write_that_fails_leaves_every_earlier_file(
    small: MaskSet, earlier: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, count = kdb.Layout.write, 0

    def failing(self: kdb.Layout, path: str, options: kdb.SaveLayoutOptions) -> None:
        nonlocal count
        count += 1
        write(self, path, options)
        if count == 5:
            raise RuntimeError("Write error on file: no space left on device (errno=28)")

    monkeypatch.setattr(kdb.Layout, "write", failing)
    assert "no space left" in refuse(small, earlier, contents, previews=False)
    assert count == 5


def test_a_file_cut_short_without_a_word_is_noticed(
    small: MaskSet, earlier: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = kdb.Layout.write

    def cut_short(self: kdb.Layout, path: str, options: kdb.SaveLayoutOptions) -> None:
        write(self, path, options)
        os.truncate(path, os.path.getsize(path) // 2)

    monkeypatch.setattr(kdb.Layout, "write", cut_short)
    refuse(small, earlier, contents, previews=False)


@pytest.mark.parametrize("file", ["manifest.json", "results.xml", "drc.lyrdb", "preview/die.png"])
def test_a_failure_at_any_file_leaves_every_earlier_file(
    file: str, small: MaskSet, earlier: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> str:
        raise OSError(28, "No space left on device")

    where = {
        "manifest.json": "layoutgen.report.manifest.text", "results.xml": "layoutgen.report.junit.text",
        "drc.lyrdb": "layoutgen.report.lyrdb.write", "preview/die.png": "layoutgen.report.preview.render",
    }  # fmt: skip
    monkeypatch.setattr(where[file], full)
    assert "No space left on device" in refuse(small, earlier, contents)


def test_a_full_disk_is_one_line_and_exit_code_2(
    earlier: Path, spec_file: Callable[..., Path], contents: Contents
) -> None:
    """No file may grow beyond 20 kB in its process; the die alone is larger."""
    before = contents(earlier.parent)
    limited = (20_000, 20_000)
    done = subprocess.run(
        [sys.executable, "-c", (
            "import resource, signal, sys\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, {limited})\n"
            "from layoutgen.cli import main\nmain(sys.argv[1:])\n"
        ), "build", str(spec_file()), "-o", str(earlier.parent), "-q", "--no-previews"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "free some space" in line
    assert contents(earlier.parent) == before
    assert resource.getrlimit(resource.RLIMIT_FSIZE) != limited  # only there


def test_an_output_folder_that_is_a_file(small: MaskSet, tmp_path: Path, contents: Contents) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "small").write_text("mine")
    assert "is a file" in refuse(small, tmp_path / "out" / "small", contents)


def test_an_output_folder_below_a_file(small: MaskSet, tmp_path: Path, contents: Contents) -> None:
    (tmp_path / "out").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(OutputError, match="choose another folder"):
        handover.write(small, tmp_path / "out" / "small", previews=False)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("place", ["/proc/nothing/here", "/dev/null/here"])
def test_a_place_where_nobody_can_write(place: str, small: MaskSet) -> None:
    with pytest.raises(OutputError, match="choose another folder with -o") as caught:
        handover.write(small, Path(place), previews=False)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["results.xml", "small_wafer.oas", "manifest.json"])
def test_a_folder_where_a_file_has_to_go(name: str, small: MaskSet, earlier: Path, contents: Contents) -> None:
    (earlier / name).unlink()
    (earlier / name).mkdir()
    (earlier / name / "mine").write_text("mine")
    assert name in refuse(small, earlier, contents, previews=False)


def test_a_file_where_a_folder_has_to_go(small: MaskSet, earlier: Path, contents: Contents) -> None:
    shutil.rmtree(earlier / "masks")
    (earlier / "masks").write_text("mine")
    assert "masks" in refuse(small, earlier, contents, previews=False)


def test_another_build_that_is_writing_the_same_folder(small: MaskSet, earlier: Path, contents: Contents) -> None:
    import fcntl

    with (earlier.parent / ".small.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another build is writing it" in refuse(small, earlier, contents, previews=False)
    handover.write(small, earlier, previews=False)


def test_what_a_killed_build_left_is_swept(small: MaskSet, earlier: Path) -> None:
    stale = earlier.parent / ".small.abc123.partial"
    (stale / "masks").mkdir(parents=True)
    (stale / "masks" / "half.gds").write_text("half")
    (earlier.parent / ".small.lock").write_text("")
    (earlier.parent / ".other.abc123.partial").mkdir()
    handover.write(small, earlier, previews=False)
    assert sorted(p.name for p in earlier.parent.iterdir()) == [".other.abc123.partial", "small"]


# what an earlier build left -------------------------------------------------------------------------------------


def test_files_that_only_the_earlier_manifest_names_go_and_ones_own_stay(
    small: MaskSet, tmp_path: Path, contents: Contents
) -> None:
    folder = tmp_path / "small"
    handover.write(small, folder, previews=True)
    assert (folder / "preview" / "die.png").is_file()
    (folder / "notes.txt").write_text("mine")
    (folder / "preview" / "own.png").write_text("mine")
    written = handover.write(small, folder, previews=False)
    assert set(contents(folder)) == {
        *(p.relative_to(folder).as_posix() for p in written), "notes.txt", "preview/own.png"
    }  # fmt: skip
    assert written[-1].name == "manifest.json"


@pytest.mark.parametrize(
    "content",
    [
        '{"files": {"../victim": {}, "/etc/nothing": {}, "masks/../../victim": {}, "link/victim": {}, "masks": {},'
        ' "": {}, ".": {}, "a\\u0000b": {}, "' + "x" * 5000 + '": {}, "preview": {}}}',
        '{"files": ["results.xml"]}', '{"files": 3}', "[]", "", "null", "\x00\xff", "[" * 100_000, '{"files": {"a": ',
    ],
    ids=["names", "list", "number", "array", "empty", "null", "bytes", "deep", "cut"],
)  # fmt: skip
def test_an_earlier_manifest_is_not_believed(content: str, small: MaskSet, earlier: Path, contents: Contents) -> None:
    victim, outside = earlier.parent / "victim", earlier.parent / "outside"
    outside.mkdir()
    for path in (victim, outside / "victim", earlier / "own.txt"):
        path.write_text("mine")
    (earlier / "link").symlink_to(outside)
    (earlier / "manifest.json").write_bytes(content.encode("latin-1"))
    handover.write(small, earlier, previews=False)
    assert victim.read_text() == (outside / "victim").read_text() == (earlier / "own.txt").read_text() == "mine"
    assert set(manifest(earlier)["files"]) < set(contents(earlier))


# findings -------------------------------------------------------------------------------------------------------


def test_findings_are_written_and_end_with_1(
    spec_file: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = spec_file(("width = 30", "width = 30\n\n[cells.ball]\ndiameter = 300.0"))
    assert run(["build", str(path), "-o", str(tmp_path / "out"), "--no-previews"]) == 1
    folder = tmp_path / "out" / "small"
    assert "(500.000" not in capsys.readouterr().err
    assert manifest(folder)["checks"]["exit_code"] == 1
    assert manifest(folder)["checks"]["rules"]["BALL.W.1"].endswith("findings")
    database = rdb.ReportDatabase("again")
    database.load(str(folder / "drc.lyrdb"))
    counts = {c.name(): c.num_items() for c in database.each_category()}
    assert counts.pop("BALL.W.1") >= 4
    assert counts.pop("at all places") == 1  # of the one rule whose findings are repeated
    assert set(counts.values()) == {0}
    failures = ET.parse(folder / "results.xml").getroot().findall(".//failure")  # noqa: S314 - our own
    assert len(failures) == 1
    assert "findings, worst " in failures[0].get("message", "")
    assert "findings: " in (folder / "results.md").read_text("utf-8").splitlines()[0]
    rules = json.loads((folder / "results.json").read_text("utf-8"))["rules"]
    (run_,) = json.loads((folder / "results.sarif").read_text("utf-8"))["runs"]
    assert sum(r["count"] for r in rules) == sum(r["occurrenceCount"] for r in run_["results"]) > 4
    assert {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run_["results"]} == {
        "small_wafer.oas"
    }


def test_findings_of_a_build_have_pictures(small: MaskSet, tmp_path: Path) -> None:
    broken = Finding("BALL.W.1", edges=((0, 0, 0, 5_000), (9_000, 5_000, 9_000, 0)), measured=9.0)
    results = (replace(r, findings=(broken,)) if r.rule == broken.rule else r for r in small.report.results)
    folder = tmp_path / "small"
    handover.write(replace(small, report=replace(small.report, results=tuple(results))), folder)
    assert [p.name for p in (folder / "findings").iterdir()] == ["BALL.W.1.png"]
    assert "findings/BALL.W.1.png" in manifest(folder)["files"]


def test_a_rule_that_cannot_run_is_never_clean(
    spec_file: Callable[..., Path],
    user_pdk: Callable[[str, str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    user_pdk("mine", 'extends = "wlcsp_500"\nname = "mine"\n[rules."RDL.W.1"]\ncheck = "wydth"\n')
    path = spec_file(('"wlcsp_500"', '"mine"'))
    assert run(["build", str(path), "-o", str(tmp_path / "out"), "--no-previews"]) == 2
    folder = tmp_path / "out" / "small"
    assert "error: RDL.W.1 did not run (failed): " in capsys.readouterr().err
    assert manifest(folder)["checks"]["rules"]["RDL.W.1"] == "failed"
    errors = ET.parse(folder / "results.xml").getroot().findall(".//error")  # noqa: S314 - our own
    assert ["wydth" in e.get("message", "") for e in errors] == [True]
    assert "not clean" in (folder / "results.md").read_text("utf-8").splitlines()[0]


def test_the_name_of_a_mask_is_no_path(
    spec_file: Callable[..., Path],
    user_pdk: Callable[[str, str], Path],
    tmp_path: Path,
    contents: Contents,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mask = "data = 'rdl'\ngds = [9, 0]\ntitle = 'x'\ndrawn = 'opening'\nresist = 'negative'\ntransfer = 'etch'\n"
    last = "aligns_to = 'incoming'\nmarks = 'pi1_mark'\n"
    user_pdk("mine", f'extends = "wlcsp_500"\nname = "mine"\n[masks."../../../evil"]\n{mask}{last}')
    path = spec_file(('"wlcsp_500"', '"mine"'))
    before = contents(tmp_path)
    assert run(["build", str(path), "-o", str(tmp_path / "a" / "b"), "-q"]) == 2
    assert contents(tmp_path) == before
    assert capsys.readouterr().err.endswith(
        "masks: '../../../evil' is no plain name: a letter, then letters, digits and _, 32 at most\n"
    )


def test_names_from_outside_are_only_text(
    spec_file: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = '"<script>alert(1)</script>"', "=cmd|' /C calc'!A0", "../../x", "&amp;µ"
    columns = list(zip(evil, (500, 1000, 500, 1000), strict=True))
    pads = "pad,net,x,y\n" + "".join(f"P{i},{n},{x},{75 + 1350 * (i // 2)}\n" for i, (n, x) in enumerate(columns))
    balls = "ball,net,x,y\n" + "".join(f"B{i},{n},{x},{500 + 500 * (i // 2)}\n" for i, (n, x) in enumerate(columns))
    path = spec_file(("width = 30", "width = 30\n\n[cells.ball]\ndiameter = 300.0"), pads=pads, balls=balls)
    assert run(["build", str(path), "-o", str(tmp_path / "out"), "-q", "--no-previews"]) == 1
    folder = tmp_path / "out" / "small"
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(rf"small: findings: \d+ rules run, \d+ findings; see {folder / 'results.md'}", line)
    for file in ("results.xml", "drc.lyrdb", "wlcsp_500.lyp", "wlcsp_500.lyt"):
        ET.parse(folder / file)  # noqa: S314 - our own
    assert "<script" not in (folder / "results.md").read_text("utf-8")
    layout = kdb.Layout()
    layout.read(str(folder / "small_die.gds"))
    texts = {t.shape().text_string for t in layout.top_cell().begin_shapes_rec(layout.layer(63, 0))}
    assert texts >= {f"P{i} " + net.strip('"') for i, net in enumerate(evil)}
