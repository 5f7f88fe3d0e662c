"""Find PDKs, cells and stages: a folder given by path, then $LAYOUTGEN_PDK_PATH, then what is installed.

A folder of cells is imported as a package with a name of its own, so that its files may import each other
(`from .shapes import rounded`). Only a caller names such a folder; no spec and no process does.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from layoutgen import pdk as pdk_module
from layoutgen.errors import InputError, LayoutgenError, PdkError, Problem, UnknownNameError
from layoutgen.pdk import Pdk

if TYPE_CHECKING:  # who looks for a process alone needs neither cells nor stages, nor the router that comes with them
    from layoutgen.cell import Generator, Library
    from layoutgen.die import Stages

PACKAGE = "layoutgen_user_"
"""How the names of packages over users' folders begin."""


class CellsError(InputError):
    """A Python file of cells and stages is wrong."""


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
    if (Path(name_or_path) / "pdk.toml").is_file():  # a folder here, which is named by its path
        raise UnknownNameError("PDK", name_or_path, [f".{os.sep}{name_or_path}"])
    raise UnknownNameError("PDK", name_or_path, pdk_names())


def pdk_names() -> list[str]:
    """Names of all PDKs that can be found, sorted."""
    return sorted({folder.name for folders in _sources() for folder in folders})


def fitting(cell: Generator[Any]) -> Iterator[str]:
    """Names of all PDKs: first those that draw a cell with their own parameters and layers, then the others."""
    others = []
    for name in pdk_names():
        process = pdk(name)
        try:
            parts = list(cell(process).below())
        except LayoutgenError:
            others.append(name)
            continue
        drawn = {layer for part in parts for shapes in (part.polygons, part.circles, part.texts) for layer in shapes}
        if drawn <= process.drawn_layers.keys():
            yield name
        else:
            others.append(name)
    yield from others


def _sources() -> Iterator[list[Path]]:
    searched = [Path(d) for d in os.environ.get("LAYOUTGEN_PDK_PATH", "").split(os.pathsep) if d]
    yield [f.parent for d in searched for f in sorted(d.glob("*/pdk.toml"))]
    packages = _installed("layoutgen.pdks")
    yield [f.parent for p in packages for root in p.__path__ for f in sorted(Path(root).glob("*/pdk.toml"))]


def cells(*folders: Path) -> Library:
    """All installed cells, and those in the .py files of `folders`, which the user named.

    Raises:
        CellsError: a file of `folders`, or a cell in it, is wrong; every file's problem at once.
    """
    from layoutgen.cell import Generator, Library

    library = Library()
    _take_all("layoutgen.cells", folders, Generator, library.add, lambda cell: cell.draw)
    return library


def stages(*folders: Path) -> Stages:
    """All installed stages, and those in the .py files of `folders`, which the user named.

    Raises:
        CellsError: a file of `folders`, or a stage in it, is wrong; every file's problem at once.
    """
    from layoutgen.die import Stage, Stages

    found = Stages()
    _take_all("layoutgen.stages", folders, Stage, found.add, lambda stage: stage.run)
    return found


@contextmanager
def blamed_on(*folders: Path) -> Iterator[None]:
    """What goes wrong in code of `folders` is said of its file and line.

    Raises:
        CellsError: in place of any error from there that is not layoutgen's own.
    """
    try:
        yield
    except LayoutgenError:
        raise
    except Exception as e:
        if line := _line_in(e, folders):
            raise CellsError([Problem(*line, _words(e))]) from e
        raise


def _take_all(
    group: str, folders: tuple[Path, ...], kind: type[Any], take: Callable[[Any], None], code: Callable[[Any], Any]
) -> None:
    """Give `take` every object of a kind; `code` is the function that it was made of."""
    problems: list[Problem] = []
    modules = _installed(group)
    for folder in folders:
        modules += _package(folder, problems)
    homes: dict[tuple[str, str], str] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, kind):
                file, line = _home(code(value), module, folders)
                key = (value.name, getattr(value, "at", ""))
                if wrong := _wrong_parameters(value):
                    problems.append(Problem(file, line, wrong))
                    continue
                try:
                    take(value)
                except ValueError:
                    message = f"{value.name!r} is defined at {homes[key]} already; give it another name"
                    problems.append(Problem(file, line, message))
                homes.setdefault(key, ", ".join(part for part in (file, line) if part))
    if problems:
        raise CellsError(dict.fromkeys(problems))  # a cell or an error may be met from two files


def _wrong_parameters(value: Any) -> str:
    """What is wrong with the types of a cell's parameters, '' if nothing is."""
    from layoutgen.cell import Generator, schema

    if isinstance(value, Generator):
        params: Any = value.params
        try:
            schema(params)
        except Exception as e:  # a name that is not imported, no dataclass, a type that cannot be checked
            return f"the parameters of {value.name!r} cannot be read: {_words(e)}"
    return ""


def _installed(group: str) -> list[ModuleType]:
    """What installed packages bring.

    Raises:
        CellsError: a package cannot be imported.
    """
    return [_loaded(ep) for ep in sorted(entry_points(group=group), key=lambda ep: ep.name)]


def _loaded(entry: EntryPoint) -> ModuleType:
    try:
        module = entry.load()
    except Exception as e:
        package = entry.dist.name if entry.dist else entry.value
        message = f"cannot be imported: {type(e).__name__}: {e}; mend or uninstall {package}"
        raise CellsError([Problem(f"{entry.group}: {entry.name} = {entry.value}", "", message)]) from e
    if not isinstance(module, ModuleType):
        raise CellsError([Problem(f"{entry.group}: {entry.name} = {entry.value}", "", "is no module; name one")])
    return module


def _package(folder: Path, problems: list[Problem]) -> list[ModuleType]:
    """The modules of a folder's .py files. They are imported once; a folder that has changed is imported anew."""
    files = [f for f in sorted(folder.glob("*.py")) if not f.name.startswith(".")] if folder.is_dir() else []
    if not files:
        problem = "holds no .py file" if folder.is_dir() else "is no folder"
        problems.append(Problem(str(folder), "", f"{problem}; name the folder that your cells are in"))
        return []
    try:
        name = _package_name(folder.resolve(), files)
    except OSError as e:
        problems.append(Problem(str(e.filename), "", f"cannot be read: {e.strerror}"))
        return []
    modules = []
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # it cannot tell two edits within a second
    try:
        for file in files:
            if not file.stem.isidentifier():
                problems.append(Problem(str(file), "", "must be named by letters, digits and _ only; rename it"))
                continue
            try:
                modules.append(importlib.import_module(f"{name}.{file.stem}"))
            except (Exception, SystemExit) as e:
                place = _line_in(e, (folder,)) or (str(file), "")
                problems.append(Problem(*place, _words(e, {f.stem for f in files})))
    finally:
        sys.dont_write_bytecode = bytecode
    return modules


def _package_name(folder: Path, files: list[Path]) -> str:
    """A package over the folder, under a name that its place and its files' content decide."""
    digest = hashlib.blake2b(str(folder).encode(), digest_size=8)
    for file in files:
        digest.update(b"\0" + file.name.encode() + b"\0" + file.read_bytes())
    name = f"{PACKAGE}{digest.hexdigest()}"
    if name not in sys.modules:
        importlib.invalidate_caches()
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return name


def _home(function: Any, module: ModuleType, folders: tuple[Path, ...]) -> tuple[str, str]:
    """File and line of a function."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return _shown(str(module.__file__), folders) or module.__name__, ""
    return _shown(code.co_filename, folders) or code.co_filename, f"line {code.co_firstlineno}"


def _line_in(error: BaseException, folders: tuple[Path, ...]) -> tuple[str, str] | None:
    """File and line where an error came from, if that is in one of the folders."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
    inside = [(shown, line) for file, line in places if (shown := _shown(file, folders))]
    return (inside[-1][0], f"line {inside[-1][1]}") if inside else None


def _shown(file: str, folders: tuple[Path, ...]) -> str:
    """A file in one of the folders as the user would name it, '' if it is in none."""
    path = Path(file)
    if path.suffix != ".py":  # '<frozen importlib>'
        return ""
    return next((str(folder / path.name) for folder in folders if folder.resolve() == path.resolve().parent), "")


def _words(error: BaseException, beside: Container[str] = ()) -> str:
    """What an error in a user's file says, with the mend; `beside` are the names of the files in its folder."""
    said = " ".join(re.sub(rf"{PACKAGE}[0-9a-f]+\.?", "", str(error)).split())
    match error:
        case SyntaxError():
            return f"is not Python: {error.msg}; mend it"
        case ModuleNotFoundError(name=str() as name) if name.startswith(PACKAGE):
            return f"no file {name.rpartition('.')[2]}.py in this folder; mend the import"
        case ModuleNotFoundError(name=str() as name) if name in beside:
            return f"no module {name!r}; a file of the same folder is imported by: from .{name} import ..."
        case ModuleNotFoundError(name=str() as name):
            return f"no module {name!r}; mend the import, or install it where layoutgen is"
        case SystemExit():
            return "leaves Python while it is imported; guard that by: if __name__ == '__main__'"
        case _:
            return f"{type(error).__name__}{said and f': {said}'}; mend it"
