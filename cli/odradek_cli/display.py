"""What is shown, and where: a table on a terminal, tab-separated lines in a pipe, JSON lines when asked for.

Invariant: what comes out of records, or from a broker, is text and nothing else. No terminal takes a character of it
for a command, and no column ends where it does not.
"""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import msgspec

DIM, BOLD, GREEN, YELLOW, CYAN = "2", "1", "32", "1;33", "36"

_SPELLED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
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
    if as_json:
        for row in rows:
            print(msgspec.json.encode(row).decode())
        return
    texts = [[_text(row[column]) for column in columns] for row in rows]
    if not sys.stdout.isatty():
        for cells in texts:
            print("\t".join(cells))
        return
    heads = [column.replace("_", " ") for column in columns]
    widths = [max(map(cells_of, cells)) for cells in zip(heads, *texts, strict=True)]
    print(coloured(_line(heads, widths), BOLD))
    for cells in texts:
        print(_line(cells, widths))


def cells_of(text: str) -> int:
    """How many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    padded = [text + " " * (width - cells_of(text)) for text, width in zip(texts, widths, strict=True)]
    return "  ".join(padded).rstrip()


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
