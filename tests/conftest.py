"""What several test files share: the shipped examples, each built once a session, and a small chip that builds quickly.

Tests of one example carry its name as their xdist group, so that `--dist loadgroup` builds it in one worker only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from layoutgen import maskset
from layoutgen import spec as spec_module
from layoutgen.cli import run
from layoutgen.maskset import MaskSet

settings.register_profile("steady", deadline=None, derandomize=True)  # the same cases on every machine, busy or not
settings.load_profile("steady")

ROOT = Path(__file__).resolve().parent.parent

SMALL = """\
name = "small"
pdk = "wlcsp_500"

[chip]
name = "Small"
size = [1500, 1500]
pads = "pads.csv"
balls = "balls.csv"
pad_size = [55, 55]

[wafer]
diameter = 25_000
street = 100

[cells."rdl.wire"]
width = 30
"""
PADS = "pad,net,x,y\nP1,a,500,75\nP2,b,1000,75\nP3,c,500,1425\nP4,d,1000,1425\n"
BALLS = "ball,net,x,y\nA1,c,500,1000\nA2,d,1000,1000\nB1,a,500,500\nB2,b,1000,500\n"


@pytest.fixture(autouse=True)
def _nothing_found_before(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one test has found is not taken for what another one finds, and nobody's own cache is touched."""
    name = hashlib.blake2b(request.node.nodeid.encode(), digest_size=8).hexdigest()
    monkeypatch.setenv("LAYOUTGEN_CACHE", str(tmp_path_factory.getbasetemp() / "caches" / name))


@dataclass(frozen=True)
class Example:
    """A shipped example as the command line built it: exit code, and the folder it wrote."""

    name: str
    exit_code: int
    folder: Path

    def file(self, ending: str) -> Path:
        """One of the files whose name begins with the build's."""
        return self.folder / f"{self.name}_{ending}"


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Example]:
    """The shipped example of a name, built when it is first asked for."""
    done: dict[str, Example] = {}

    def built(name: str) -> Example:
        if name not in done:
            output = tmp_path_factory.mktemp("example")
            code = run(["build", str(ROOT / "examples" / f"{name}.toml"), "-o", str(output), "-q"])
            done[name] = Example(name, code, output / name)
        return done[name]

    return built


@pytest.fixture
def spec_file(tmp_path: Path) -> Callable[..., Path]:
    """Write the small chip's spec (with some text replaced by other text) and tables, and return the spec's path."""

    def write(*changes: tuple[str, str], pads: str = PADS, balls: str = BALLS) -> Path:
        text = SMALL
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} must stand once in the small spec"
            text = text.replace(old, new)
        path = tmp_path / "small.toml"
        path.write_text(text, "utf-8")
        (tmp_path / "pads.csv").write_text(pads, "utf-8")
        (tmp_path / "balls.csv").write_text(balls, "utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> MaskSet:
    """The small chip's mask set, in memory."""
    folder = tmp_path_factory.mktemp("small")
    for file, text in (("small.toml", SMALL), ("pads.csv", PADS), ("balls.csv", BALLS)):
        (folder / file).write_text(text, "utf-8")
    return maskset.build(spec_module.read(folder / "small.toml"))


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, str]]:
    """A function from a folder to the SHA-256 of each file below it, hidden ones included."""

    def hashes(folder: Path) -> dict[str, str]:
        files = (p for p in sorted(folder.rglob("*")) if p.is_file())
        return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    return hashes


@pytest.fixture
def user_pdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Write a PDK of a name into a folder that $LAYOUTGEN_PDK_PATH names, and return its file."""
    folder = tmp_path / "pdks"
    monkeypatch.setenv("LAYOUTGEN_PDK_PATH", str(folder))

    def write(name: str, text: str) -> Path:
        path = folder / name / "pdk.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    return write
