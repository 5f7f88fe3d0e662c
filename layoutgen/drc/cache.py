"""What earlier runs have found, on disk: of whole files, and of single windows.

A window is known by what it sees, a rule by all that it asks for, both together with the version of the engine: so
what has not changed is not looked at again, and what has changed is. Nothing read from disk is believed that is not
whole; what cannot be used is as if it were not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache as once
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import shapely

from layoutgen import derive
from layoutgen.drc.checks import Task
from layoutgen.drc.checks.kind import Circles
from layoutgen.findings import Finding, Status
from layoutgen.pdk import Pdk

VARIABLE = "LAYOUTGEN_CACHE"
"""Of the environment: the folder to use, in place of the one that the system has for caches."""
MOST_BYTES = 500_000_000
"""In the folder; beyond, what was not used for longest goes."""
MOST_IN_FILE = 100_000_000
"""Before it is packed: what is larger is not kept."""
MOST_WINDOWS = 20_000
"""Of earlier runs, in one file."""
_DIGEST = 32

Entry: TypeAlias = tuple[str, str, Any]
"""Rule, window, and what was found."""


@dataclass(frozen=True)
class Outcome:
    """How a rule ended on a whole file."""

    status: Status
    reason: str
    findings: tuple[Finding, ...]


@dataclass
class Table:
    """What one rule has found in windows, by their names."""

    rule: str
    known: dict[str, Any] = field(default_factory=dict)
    met: dict[str, Any] = field(default_factory=dict)
    """What this run has asked for, or found."""

    def get(self, window: str) -> list[Finding] | None:
        """What was found in a window, seen from its corner; None: nobody has looked."""
        if (said := self.known.get(window)) is None:
            return None
        try:
            found = [_finding(self.rule, each) for each in said]
        except (TypeError, ValueError):
            return None
        self.met[window] = said
        return found


class Cache:
    """What earlier runs have found, in a folder; and what this one finds, until it is saved."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tables: dict[str, Table] = {}
        self._new: list[Entry] = []

    # ------------------------------------------------------------------ windows

    def table(self, key: str, rule: str) -> Table:
        """What a rule (by key and id) has found in windows."""
        if key not in self._tables:
            said = self._read("windows", key)
            self._tables[key] = Table(rule, said if isinstance(said, dict) else {})
        return self._tables[key]

    def put(self, key: str, window: str, found: Iterable[Finding]) -> None:
        """Keep what a rule has found in a window, seen from its corner."""
        self._new.append((key, window, [_plain(f) for f in found]))

    def taken(self) -> list[Entry]:
        """What was put since the last call: to be added where the cache is saved."""
        new, self._new = self._new, []
        return new

    def add(self, entries: Iterable[Entry]) -> None:
        """Add what another process has put."""
        for key, window, said in entries:
            self._tables.setdefault(key, Table("")).met[window] = said

    # ------------------------------------------------------------------ whole files

    def recall(self, file: str) -> dict[str, Outcome]:
        """How rules (by key) ended on a file, of those that an earlier run has asked for."""
        said = self._read("files", file)
        out: dict[str, Outcome] = {}
        try:
            steps = [tuple((int(x), int(y)) for x, y in each) for each in said["repeats"]]
            for key, (rule, status, reason, found) in said["rules"].items():
                findings = tuple(_finding(rule, each, steps[each[-1]]) for each in found)
                out[key] = Outcome(Status(status), str(reason), findings)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError):
            return {}
        return out

    def keep(self, file: str, outcomes: Mapping[str, tuple[str, Outcome]]) -> None:
        """Keep how rules (by key, each with its id) ended on a file."""
        steps: dict[tuple[tuple[int, int], ...], int] = {}
        rules = {
            key: (rule, one.status, one.reason,
                  [[*_plain(f), steps.setdefault(f.repeats, len(steps))] for f in one.findings])
            for key, (rule, one) in outcomes.items()
        }  # fmt: skip
        self._write("files", file, {"rules": rules, "repeats": list(steps)})

    # ------------------------------------------------------------------ disk

    def save(self) -> None:
        """Write what is new to disk, as far as there is room."""
        self.add(self.taken())
        for key, table in self._tables.items():
            if new := [w for w in table.met if w not in table.known]:
                others = [w for w in table.known if w not in table.met][: max(0, MOST_WINDOWS - len(new))]
                self._write("windows", key, table.met | {w: table.known[w] for w in others})
        self._prune()

    def _path(self, kind: str, key: str) -> Path:
        return self._folder / kind / f"{hashlib.blake2b(f'{version()} {key}'.encode(), digest_size=16).hexdigest()}.z"

    def _read(self, kind: str, key: str) -> Any:
        path = self._path(kind, key)
        try:
            data = path.read_bytes()
            packed = data[_DIGEST:]
            if hashlib.blake2b(packed, digest_size=_DIGEST, key=_seal(key)).digest() != data[:_DIGEST]:
                return None
            unpacker = zlib.decompressobj()
            said = json.loads(unpacker.decompress(packed, MOST_IN_FILE))
            os.utime(path)
        except (OSError, ValueError, zlib.error, RecursionError):
            return None
        return said

    def _write(self, kind: str, key: str, said: Any) -> None:
        path = self._path(kind, key)
        text = json.dumps(said, separators=(",", ":")).encode()
        if len(text) > MOST_IN_FILE:
            return
        packed = zlib.compress(text, 1)
        beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                beside.write_bytes(hashlib.blake2b(packed, digest_size=_DIGEST, key=_seal(key)).digest() + packed)
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)

    def _prune(self) -> None:
        with suppress(OSError):
            files = [(p, p.stat()) for p in self._folder.glob("*/*.z*")]
            left = sum(stat.st_size for _, stat in files)
            for path, stat in sorted(files, key=lambda each: each[1].st_mtime):
                if left <= MOST_BYTES:
                    break
                path.unlink(missing_ok=True)
                left -= stat.st_size


def default_folder() -> Path:
    """Where caches belong: $LAYOUTGEN_CACHE, or what the system has for caches."""
    if own := os.environ.get(VARIABLE):
        return Path(own)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "layoutgen" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "layoutgen"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "layoutgen"


@once
def version() -> str:
    """Of all that decides what is found: the code of the engine, and the libraries that it measures with."""
    said = hashlib.blake2b(digest_size=16)
    said.update(repr((metadata.version("klayout"), np.__version__, shapely.__version__, shapely.geos_version)).encode())
    root = Path(__file__).parents[1]
    for path in sorted(p for p in root.rglob("*.py") if p.relative_to(root).parts[0] not in ("cli", "report", "route")):
        said.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return said.hexdigest()


def key_of(job: Task, pdk: Pdk, circles: Circles) -> str:
    """What a rule is known by: all that decides what it finds in a given layout."""
    made = {name: pdk.derived[name].expression for layer in job.layers for name in _derived(pdk, layer)}
    if job.overall:  # which may look at all that conducts
        made |= {name: derived.expression for name, derived in pdk.derived.items()} | {"connect": repr(pdk.connect)}
    stack = repr(pdk.stack) if made else ""
    options = json.dumps(job.options.model_dump(mode="json"), sort_keys=True)
    said = repr((job.rule, job.kind.name, job.layers, job.limit, options, sorted(made.items()), stack, circles))
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


def key_of_layer(layer: str, pdk: Pdk) -> str:
    """What a derived layer is known by, where it is asked whether anything is on it."""
    made = {name: pdk.derived[name].expression for name in _derived(pdk, layer)}
    return hashlib.blake2b(repr((layer, sorted(made.items()), pdk.stack)).encode(), digest_size=16).hexdigest()


def digest_of_file(path: Path) -> str:
    """Of all bytes of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=_DIGEST)).hexdigest()


def _seal(key: str) -> bytes:
    """So that what is in a file belongs to its key, and to this version."""
    return hashlib.blake2b(f"{version()} {key}".encode(), digest_size=_DIGEST).digest()


def _plain(f: Finding) -> list[Any]:
    return [f.edges, f.polygon, f.measured, f.note, f.asked, f.part, f.cut]


def _finding(rule: str, said: Sequence[Any], repeats: tuple[tuple[int, int], ...] = ()) -> Finding:
    edges, polygon, measured, note, asked, part, cut = said[:7]
    return Finding(
        rule, _edges(edges), tuple((int(x), int(y)) for x, y in polygon), _number(measured), str(note), repeats,
        _edges(part), bool(cut), _number(asked),
    )  # fmt: skip


def _edges(said: Iterable[Sequence[Any]]) -> tuple[tuple[int, int, int, int], ...]:
    return tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in said)


def _number(said: Any) -> float | None:
    return None if said is None else float(said)


def _derived(pdk: Pdk, layer: str) -> Iterable[str]:
    """The derived layers that a layer is made of, itself among them."""
    if layer in pdk.derived:
        yield layer
        for part in derive.names(pdk.derived[layer].expression):
            yield from _derived(pdk, part)
