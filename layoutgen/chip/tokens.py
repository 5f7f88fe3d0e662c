"""Words of a LEF or DEF file, one after the other in one pass, each with the line that it stands on."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from pathlib import Path

from layoutgen.errors import ChipError, Problem, printable
from layoutgen.tomlfile import plain_text

_WORD = re.compile(r'"[^"]*"?|[^\s"][^\s"]*')
_SPECIAL = '"#'
MOST_DIGITS = 24
LARGEST = 1e7
"""um: no die, cell or coordinate is larger."""


def text_of(path: Path, kind: str) -> str:
    """The text of a file.

    Raises:
        ChipError: it cannot be read.
    """
    try:
        return plain_text(path)
    except FileNotFoundError:
        message = f"no such file; name a {kind} file"
    except UnicodeDecodeError:
        message = f"is not UTF-8 text; name a {kind} file, saved as UTF-8"
    except (OSError, ValueError) as e:  # ValueError: a NUL in the name
        message = f"cannot be read ({e.strerror if isinstance(e, OSError) else e}); name a {kind} file"
    raise ChipError([Problem(str(path), "", message)])


class Tokens:
    """The words of one file; `at` is where the last one began."""

    def __init__(self, text: str, file: str, last: str) -> None:
        """`last`: the words that end such a file, for messages."""
        self.text, self.file, self.last = text, file, last
        self.at = 0
        self._words = _WORD.finditer(text)
        self._next = ""
        self._lines: list[int] | None = None

    def line(self, at: int | None = None) -> int:
        """The line of a place in the text, from 1."""
        if self._lines is None:
            self._lines = [m.start() for m in re.finditer("\n", self.text)]
        return bisect_right(self._lines, (self.at if at is None else at) - 1) + 1

    def place(self, at: int | None = None) -> str:
        """File and line, for messages."""
        return f"{self.file}: line {self.line(at)}"

    def wrong(self, message: str, at: int | None = None) -> ChipError:
        """What is wrong there."""
        return ChipError([Problem(self.place(at), "", message)])

    def next(self) -> str:
        """The next word, "" after the last; notes, from a # to the end of its line, are passed over."""
        if self._next:
            word, self._next = self._next, ""
            return word
        while (match := next(self._words, None)) is not None:
            word = match.group()
            if word[0] == "#":
                end = self.text.find("\n", match.start())
                self._words = _WORD.finditer(self.text, end if end >= 0 else len(self.text))
                continue
            self.at = match.start()
            if word[0] == '"':
                if len(word) < 2 or word[-1] != '"':
                    raise self.wrong("a quote is opened and never closed; close it")
            elif word[-1] == ";" and len(word) > 1:  # as some write it, without a space before it
                self._next, word = ";", word[:-1]
            return word
        return ""

    def need(self, what: str) -> str:
        """The next word, which has to be there."""
        word = self.next()
        if not word or word == ";":
            raise self.wrong(f"ends without {what}; {self._mend()}" if not word else f"{what} is missing; write it")
        return word

    def statement(self) -> list[str]:
        """The words up to the next ; without it."""
        at, words = self.at, list[str]()
        if not self._next:  # the common case at speed: plain words up to the ;
            for match in self._words:
                word = match.group()
                if word == ";":
                    self.at = match.start()
                    return words
                if word[0] in _SPECIAL or word[-1] == ";":
                    self._words = _WORD.finditer(self.text, match.start())
                    break
                words.append(word)
        while (word := self.next()) != ";":
            if not word:
                raise self.wrong(f"the file ends within what begins here; {self._mend()}", at)
            words.append(word)
        return words

    def skip(self, name: str, ends: tuple[str, ...] = ("END",)) -> None:
        """Pass over a block, to the word of `ends`, and its name if it has one."""
        at, before = self.at, ""
        while word := self.next():
            if (before in ends and word == name) or (not name and word in ends):
                return
            before = word
        raise self.wrong(f"{name or 'the block'} is never ended; {self._mend()}", at)

    def ended(self) -> ChipError:
        """The file is shorter than it says."""
        return self.wrong(f"the file ends without {self.last}; {self._mend()}", len(self.text))

    def _mend(self) -> str:
        return f"it is cut short: it shall end with {self.last}"

    def number(self, word: str) -> float:
        """A word as a finite number of plausible size."""
        try:
            value = float(word) if len(word) <= MOST_DIGITS and "_" not in word else math.nan
        except ValueError:
            value = math.nan
        if not abs(value) <= LARGEST:
            raise self.wrong(f"{printable(word, 40)!r} is no number of um up to {LARGEST:g}; write one")
        return value

    def whole(self, word: str) -> int:
        """A word as a whole number of database units."""
        digits = word[1:] if word[:1] in "+-" else word
        if not (digits.isascii() and digits.isdigit() and len(digits) < 12):
            raise self.wrong(f"{printable(word, 40)!r} is no whole number of database units; write one")
        return int(word)
