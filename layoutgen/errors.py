"""The exception tree. Everything raised on purpose is a `LayoutgenError`, and also the built-in kind it resembles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


class LayoutgenError(Exception):
    """Root of every error that layoutgen raises on purpose; its text is one line a problem, with the mend."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: the file, the place in it (key, or line), and what to do about it."""

    file: str
    place: str
    message: str

    def __str__(self) -> str:
        return ": ".join(printable(part) for part in (self.file, self.place, self.message) if part)


class InputError(LayoutgenError, ValueError):
    """An input is wrong. `problems` holds all that was found in one reading, not only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class SpecError(InputError):
    """A spec, or what it names, is wrong."""


class ChipError(InputError):
    """A chip's pads, balls or nets contradict each other."""


class PdkError(InputError):
    """A PDK is incomplete or contradicts itself."""


class ParamError(LayoutgenError, ValueError):
    """A cell parameter is out of range."""


class UnknownNameError(LayoutgenError, LookupError):
    """No such cell, stage, rule, layer or PDK; the message names the nearest known one."""

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        super().__init__(f"no {kind} {printable(name)!r}{where and f' in {where}'}{nearest(name, known)}")


class OutputError(LayoutgenError, OSError):
    """A file could not be written whole; what stood there before is unchanged."""


class CheckError(LayoutgenError, RuntimeError):
    """A check could not run; never to be read as clean."""


def nearest(name: str, known: Iterable[str]) -> str:
    """'; did you mean ...?' or '; known: ...', to end a message about an unknown name."""
    names = sorted(known)
    if close := get_close_matches(name, names, n=1, cutoff=0.6):
        return f"; did you mean {close[0]!r}?"
    if not names:
        return ""
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"; known: {shown}"


def printable(text: str, limit: int = 300) -> str:
    """Text from outside on one line: control characters become '?', and what is too long is cut."""
    clean = text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
    return clean if len(clean) <= limit else clean[:limit] + "..."
