"""Find PDKs, cells and stages: a folder given by path, then $LAYOUTGEN_PDK_PATH, then what is installed."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from layoutgen import pdk as pdk_module
from layoutgen.cell import Generator, Library
from layoutgen.die import Stage, Stages
from layoutgen.errors import PdkError, Problem, UnknownNameError
from layoutgen.pdk import Pdk


def pdk(name_or_path: str) -> Pdk:
    """The PDK of a name, or in a folder.

    Raises:
        UnknownNameError: there is none of that name.
        PdkError: it is wrong, or stands twice in one place to look.
    """
    return pdk_module.read(pdk_folder(name_or_path), pdk_folder)


def pdk_folder(name_or_path: str) -> Path:
    """The folder of a PDK: a path to a folder with a pdk.toml wins, then $LAYOUTGEN_PDK_PATH, then installed ones."""
    if (os.sep in name_or_path or name_or_path in (".", "..")) and (Path(name_or_path) / "pdk.toml").is_file():
        return Path(name_or_path).resolve()
    for folders in _sources():
        found = [f for f in folders if f.name == name_or_path]
        if len(found) > 1:
            where = " and ".join(str(f) for f in found)
            raise PdkError([Problem(name_or_path, "", f"this PDK stands twice: {where}; remove one")])
        if found:
            return found[0]
    raise UnknownNameError("PDK", name_or_path, pdk_names())


def pdk_names() -> list[str]:
    """Names of all PDKs that can be found, sorted."""
    return sorted({folder.name for folders in _sources() for folder in folders})


def _sources() -> Iterator[list[Path]]:
    searched = [Path(d) for d in os.environ.get("LAYOUTGEN_PDK_PATH", "").split(os.pathsep) if d]
    yield [f.parent for d in searched for f in sorted(d.glob("*/pdk.toml"))]
    packages = [ep.load() for ep in sorted(entry_points(group="layoutgen.pdks"), key=lambda ep: ep.name)]
    yield [f.parent for p in packages for root in p.__path__ for f in sorted(Path(root).glob("*/pdk.toml"))]


def cells(*folders: Path) -> Library:
    """All installed cells, and those in the .py files of `folders`, which the user named."""
    library = Library()
    for value in _objects("layoutgen.cells", folders):
        if isinstance(value, Generator):
            library.add(value)
    return library


def stages(*folders: Path) -> Stages:
    """All installed stages, and those in the .py files of `folders`, which the user named."""
    found = Stages()
    for value in _objects("layoutgen.stages", folders):
        if isinstance(value, Stage):
            found.add(value)
    return found


def _objects(group: str, folders: tuple[Path, ...]) -> Iterator[Any]:
    modules = [ep.load() for ep in sorted(entry_points(group=group), key=lambda ep: ep.name)]
    modules += [_module(file) for folder in folders for file in sorted(folder.glob("*.py"))]
    for module in modules:
        yield from vars(module).values()


def _module(file: Path) -> ModuleType:
    name = f"layoutgen_user_{hashlib.blake2b(str(file.resolve()).encode(), digest_size=4).hexdigest()}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module
