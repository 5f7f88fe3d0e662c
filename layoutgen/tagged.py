"""From KLayout's marker browser to waivers: what somebody has tagged as waived there, as entries of a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import klayout.rdb as rdb

from layoutgen import gds, tomlfile
from layoutgen.baseline import load_lyrdb
from layoutgen.errors import InputError, Problem, printable
from layoutgen.report.lyrdb import ALL_PLACES, BY, IDENTITY, WAIVED, values
from layoutgen.tomlfile import IDENTITY as IDENTITY_PATTERN
from layoutgen.tomlfile import RULE_NAME
from layoutgen.waivers import Waiver, parse

HEAD = "# Waivers: findings that may pass, and who says so. Places are seen from the lower left corner of the die.\n"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the tagged items of a report: entries written, and how many were left out because a file has
    them, because they were waived when the report was made, or because they do not say which finding they are."""

    entries: tuple[Waiver, ...]
    known: int
    waived: int
    nameless: int


def take(report: Path, into: Path, author: str, reason: str, expires: date | None = None, *, today: date) -> Taken:
    """Append to a file of waivers (made if need be) an entry for each item of a report, .lyrdb, that is tagged as
    waived, unless it has one that holds today.

    Raises:
        InputError: the report or the file is wrong, or author or reason are empty.
        OutputError: the file could not be written.
    """
    database = load_lyrdb(report)
    old, text = _existing(into)
    held = {(w.rule, w.identity) for w in old if w.expires is None or w.expires >= today}
    added: dict[tuple[str, str], str] = {}
    known: set[tuple[str, str]] = set()
    waived = nameless = 0
    tag = database.tag_id(WAIVED)
    for item in (item for item in database.each_item() if item.has_tag(tag)):
        said, category = values(database, item), database.category_by_id(item.category_id())
        overview = category.parent() is not None and category.parent().name() == ALL_PLACES
        rule, identity = category.name(), said.get(IDENTITY, "")
        if BY in said:
            waived += 1
        elif overview or not re.fullmatch(IDENTITY_PATTERN, identity) or not re.fullmatch(RULE_NAME, rule):
            nameless += 1
        elif (rule, identity) in held:
            known.add((rule, identity))
        else:
            added.setdefault((rule, identity), _where(item))
    entries = "".join(
        _entry(rule, identity, where, author, reason, expires) for (rule, identity), where in added.items()
    )
    whole = (text or HEAD).rstrip("\n") + "\n" + entries
    parsed = parse(_toml(whole, into), str(into))
    if added:
        gds.write_text(into, whole)
    return Taken(parsed[len(old) :] if added else (), len(known), waived, nameless)


def _existing(path: Path) -> tuple[tuple[Waiver, ...], str]:
    """Entries and text of a file of waivers; none where there is no such file."""
    if not path.exists():
        return (), ""
    entries = parse(tomlfile.load(path, InputError), str(path))
    return entries, tomlfile.plain_text(path)


def _toml(text: str, path: Path) -> dict[str, object]:
    """What is to be written, read as it will be.

    Raises:
        InputError: no more can be appended to the file.
    """
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        message = f"cannot be appended to ({e}); write its entries as [[waiver]] tables"
        raise InputError([Problem(str(path), "", message)]) from None


def _where(item: rdb.RdbItem) -> str:
    """Where an item is in the layout of its report, for who reads the file."""
    for value in item.each_value():
        for shape in (value.edge_pair(), value.polygon(), value.box(), value.edge()):
            if shape is not None:
                centre = shape.bbox().center()
                return f"({centre.x:.3f}, {centre.y:.3f})"
    return "no place"


def _entry(rule: str, identity: str, where: str, author: str, reason: str, expires: date | None) -> str:
    return "".join(_lines(rule, identity, where, author, reason, expires))


def _lines(rule: str, identity: str, where: str, author: str, reason: str, expires: date | None) -> Iterator[str]:
    yield "\n[[waiver]]\n"
    yield f"rule = {_quoted(rule)}\n"
    yield f"identity = {_quoted(identity)} # first at {where} um of the layout that was checked\n"
    yield f"reason = {_quoted(reason)}\n"
    yield f"author = {_quoted(author)}\n"
    if expires is not None:
        yield f"expires = {expires.isoformat()}\n"


def _quoted(text: str) -> str:
    """Text as TOML writes it: as JSON does, once there are no control characters in it."""
    return json.dumps(printable(text, 2000), ensure_ascii=False)
