"""What is shown, and where: a table on a terminal, tab-separated lines in a pipe, JSON lines when asked for.

Invariant: what comes out of records, or from a broker, is text and nothing else. No terminal takes a character of it
for a command, and no column ends where it does not.
"""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, TextIO

import msgspec

DIM, BOLD, GREEN, YELLOW, CYAN = "2", "1", "32", "1;33", "36"
GAP = 2
"""Cells between two columns."""

_SPELLED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
_broken = re.compile("(?<=,)| ")
"""Where a text in a narrow column goes on in the next line."""
_unprintable = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, and what turns the direction of the text behind it, or ends a line without being one."""


def escaped(text: str) -> str:
    """On one line, with what a terminal would obey written out."""
    return text if text.isprintable() else _unprintable.sub(_spell, text)


def _spell(found: re.Match[str]) -> str:
    character = found[0]
    number = ord(character)
    return _SPELLED.get(character) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")


def readable(data: bytes) -> str:
    """Bytes as text; what is no UTF-8 is written out."""
    return escaped(data.decode("utf-8", "backslashreplace"))


def coloured(text: str, colour: str) -> str:
    """For a terminal."""
    return f"\x1b[{colour}m{text}\x1b[0m" if text else ""


def show(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Rows, each a value for every column."""
    Table(columns, as_json=as_json).show(rows)


class Table:
    """Rows that come bit by bit, under one head."""

    def __init__(self, columns: Sequence[str], *, as_json: bool) -> None:
        self._columns = columns
        self._as_json = as_json
        self._heads: list[list[str]] = [[column.replace("_", " ") for column in columns]]
        """Until they are shown."""
        self._widths = [0 for _ in columns]
        """They only grow, so that what comes later mostly stands below what came before."""

    def show(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if self._as_json:
            for row in rows:
                print(msgspec.json.encode(row).decode())
            return
        texts = [[_text(row[column]) for column in self._columns] for row in rows]
        if sys.stdout.isatty():
            self._show_at_terminal(texts, shutil.get_terminal_size().columns)
        else:
            for cells in texts:
                print("\t".join(cells))

    def _show_at_terminal(self, texts: list[list[str]], room: int) -> None:
        columns = list(zip(*self._heads, *texts, strict=True)) or [()] * len(self._widths)
        self._widths = [max([width, *map(cells_of, each)]) for width, each in zip(self._widths, columns, strict=True)]
        widths = fitted(self._widths, [_longest_word(each) for each in columns], room)
        for cells in self._heads:
            for line in lines_of(cells, widths):
                print(coloured(line, BOLD))
        for cells in texts:
            print("\n".join(lines_of(cells, widths)))
        self._heads = []


def fitted(widths: Sequence[int], unbroken: Sequence[int], room: int) -> list[int]:
    """How wide columns are, in cells, so that a line has no more than `room`: the widest give way, one cell each time.

    `unbroken` is the longest word of each: no word is broken while others need not be.
    """
    narrowed = list(widths)
    for least in (unbroken, [1] * len(widths)):
        while sum(narrowed) + GAP * (len(narrowed) - 1) > room:
            widest = max(((width, i) for i, width in enumerate(narrowed) if width > least[i]), default=None)
            if widest is None:
                break
            narrowed[widest[1]] -= 1
    return narrowed


def _longest_word(texts: Iterable[str]) -> int:
    return max((cells_of(word) for text in texts for word in _broken.split(text)), default=0)


def lines_of(texts: Sequence[str], widths: Sequence[int]) -> list[str]:
    """A row: one line, or as many as the longest of its texts needs in its column."""
    pieces = [pieces_of(text, width) for text, width in zip(texts, widths, strict=True)]
    return [_line(cells, widths) for cells in zip_longest(*pieces, fillvalue="")]


def pieces_of(text: str, width: int) -> list[str]:
    """A text in pieces of at most so many cells, none of its characters left out but for blanks where a piece ends."""
    if cells_of(text) <= width:
        return [text]
    pieces = []
    while cells_of(text) > width:
        end = max(1, next(end for end in range(len(text), -1, -1) if cells_of(text[:end]) <= width))
        # Behind a blank or a comma, if one is near; else wherever it is full.
        end = next((each for each in range(end, end // 2, -1) if text[each - 1] in " ," or text[each] == " "), end)
        pieces.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return [*pieces, text] if text else pieces


def cells_of(text: str) -> int:
    """How many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    padded = [text + " " * (width - cells_of(text)) for text, width in zip(texts, widths, strict=True)]
    return (" " * GAP).join(padded).rstrip()


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return "" if value is None else escaped(str(value))


class Progress:
    """One line of standard error that is written again and again; nothing where that is no terminal."""

    def __init__(self, stream: TextIO | None = None, *, is_wanted: bool = True) -> None:
        self._stream = stream or sys.stderr
        self.is_shown = is_wanted and self._stream.isatty()
        self._is_written = False

    def show(self, text: str) -> None:
        if self.is_shown:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write("\r\x1b[K" + text[:width])
            self._stream.flush()
            self._is_written = True

    def say(self, text: str) -> None:
        """A line that stays."""
        if self.is_shown:
            print(text, file=self._stream)

    def clear(self) -> None:
        if self._is_written:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._is_written = False
