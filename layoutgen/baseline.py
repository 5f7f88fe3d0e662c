"""A baseline: an earlier report, whose findings may pass, so that only new ones count.

Findings are known again by their identity, which depends neither on their order nor on where a wafer places their die.
Where dies stand as they did, it is new on those that did not have it: a JSON report says at which places it was.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import klayout.rdb as rdb
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from layoutgen import tomlfile
from layoutgen.drc.dies import some_places
from layoutgen.errors import InputError, Problem, printable
from layoutgen.findings import Finding, Report, RuleResult, Status, Waived
from layoutgen.pdk import Pdk
from layoutgen.report.lyrdb import BY, IDENTITY, values
from layoutgen.tomlfile import IDENTITY as IDENTITY_PATTERN
from layoutgen.units import DBU

M = TypeVar("M", bound=BaseModel)
Place: TypeAlias = tuple[float, float]
IN_BASELINE = "in the baseline "
"""How the words begin by which a report says that a baseline let a finding pass."""


class _Part(BaseModel):
    """A part of a report: what a baseline needs of it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Found(_Part):
    identity: Annotated[str, Field(pattern=IDENTITY_PATTERN)]
    by: str = ""
    at: Annotated[list[float], Field(min_length=2, max_length=2)]
    repeats: list[Annotated[list[int], Field(min_length=2, max_length=2)]] = Field(default_factory=list)

    def places(self) -> Iterator[Place]:
        """Of its marker in um, rounded to database units."""
        x, y = self.at
        for dx, dy in ([0, 0], *self.repeats):
            yield round(x + dx * DBU, 3), round(y + dy * DBU, 3)


class _Rule(_Part):
    rule: str
    findings: list[_Found]
    waived: list[_Found]


class _Report(_Part):
    version: Literal[1]
    pdk: str
    rules: list[_Rule]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What an earlier report has found: for the rule and identity of each, the centres of its places (um)."""

    file: str
    found: Mapping[tuple[str, str], Collection[Place]]

    def apply(self, report: Report) -> Report:
        """The report with what the baseline has among its `RuleResult.waived`, and in its scope how much of the
        baseline is gone."""
        results = tuple(self._settle(r) for r in report.results)
        here = {(r.rule, f.identity) for r in report.results for f in (*r.findings, *(w.finding for w in r.waived))}
        ran = {r.rule for r in report.results if r.status is Status.RUN}
        new = sum(r.count for r in results)
        gone = sum(known not in here and known[0] in ran for known in self.found)
        unknown = sum(rule not in ran for rule, _ in self.found)
        notes = [f"{IN_BASELINE}{self.file}: {len(self.found)} findings, {gone} of them gone; {new} findings are new"]
        if unknown:
            notes.append(f"{IN_BASELINE}{self.file}: {unknown} findings were not judged: their rules did not run")
        return replace(report, results=results, scope=(*report.scope, *(n[0].upper() + n[1:] for n in notes)))

    def _settle(self, result: RuleResult) -> RuleResult:
        by = f"{IN_BASELINE}{self.file}"
        waived: list[Waived] = []
        new: list[Finding] = []
        for f in result.findings:
            places = self.found.get((result.rule, f.identity))
            old = np.zeros(f.count, dtype=bool) if places is None else _were(f, places)
            if old.any():
                waived.append(Waived(f if old.all() else some_places(f, old), by))
            if not old.all():
                new.append(some_places(f, ~old) if old.any() else f)
        return replace(result, findings=tuple(new), waived=(*result.waived, *waived))


def _were(f: Finding, places: Collection[Place]) -> npt.NDArray[np.bool_]:
    """At which of its places a finding was before. Where it was at none of them, dies stand elsewhere: then at all."""
    x, y = f.at
    here = ((round(x + dx * DBU, 3), round(y + dy * DBU, 3)) for dx, dy in ((0, 0), *f.repeats))
    old = np.array([place in places for place in here])
    return old if old.any() else ~old


def read(path: Path, pdk: Pdk) -> Baseline:
    """The findings of a report, .json or .lyrdb, that was made for a process.

    What a waiver let pass then is none of them; what an earlier baseline let pass is.

    Raises:
        InputError: the file is no report of layoutgen, is damaged, or is one of another process.
    """
    found = _of_lyrdb(path) if path.suffix == ".lyrdb" else _of_json(path, pdk)
    return Baseline(printable(path.name, 100), found)


def _of_json(path: Path, pdk: Pdk) -> dict[tuple[str, str], set[Place]]:
    try:
        raw: Any = json.loads(tomlfile.plain_text(path))
        report = _Report.model_validate(raw)
    except ValidationError as e:
        place = ".".join(str(part) for part in e.errors(include_url=False)[0]["loc"])
        raise _wrong(path, "is no JSON report of layoutgen; name one that `layoutgen drc -o` wrote", place) from None
    except OSError as e:
        reason = "no such file" if isinstance(e, FileNotFoundError) else f"cannot be read: {e.strerror}"
        raise _wrong(path, f"{reason}; name a .json or .lyrdb report") from None
    except (ValueError, RecursionError):
        raise _wrong(path, "is damaged or no JSON; name a report that `layoutgen drc -o` wrote") from None
    if report.pdk != pdk.name:
        raise _wrong(path, f"is a report of PDK {printable(report.pdk, 60)!r}, not {pdk.name!r}; name another one")
    kept = [(r.rule, f) for r in report.rules for f in r.findings]
    kept += [(r.rule, f) for r in report.rules for f in r.waived if f.by.startswith(IN_BASELINE)]
    out: dict[tuple[str, str], set[Place]] = {}
    for rule, f in kept:
        out.setdefault((rule, f.identity), set()).update(f.places())
    return out


def _of_lyrdb(path: Path) -> dict[tuple[str, str], set[Place]]:
    database = load_lyrdb(path)
    out: dict[tuple[str, str], set[Place]] = {}
    for item in database.each_item():
        said = values(database, item)
        if IDENTITY in said and said.get(BY, IN_BASELINE).startswith(IN_BASELINE):
            out[database.category_by_id(item.category_id()).name(), said[IDENTITY]] = set()
    if not out and database.num_items():
        raise _wrong(path, "has findings without identities; name a report that `layoutgen drc -o` wrote")
    return out


def load_lyrdb(path: Path) -> rdb.ReportDatabase:
    """A report database of KLayout.

    Raises:
        InputError: it cannot be read, or is none.
    """
    try:
        tomlfile.plain_text(path)
        database = rdb.ReportDatabase("read")
        database.load(str(path.absolute()))  # an absolute path: "pipe:..." would be run as a command
    except OSError as e:
        reason = "no such file" if isinstance(e, FileNotFoundError) else f"cannot be read: {e.strerror}"
        raise _wrong(path, f"{reason}; name a .lyrdb report") from None
    except (RuntimeError, ValueError):
        raise _wrong(path, "is damaged or no report database of KLayout; name a .lyrdb report") from None
    return database


def _wrong(path: Path, message: str, place: str = "") -> InputError:
    return InputError([Problem(str(path), place, message)])
