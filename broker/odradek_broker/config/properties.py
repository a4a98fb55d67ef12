"""Java's .properties format, in which Kafka's configuration files are written.

A line is a key, a separator (=, : or white space) and a value. A line that begins with # or ! is a comment; one that
ends in a backslash goes on in the next; \\t, \\n, \\uXXXX and escaped separators mean what they do in Java.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_entry = re.compile(r"(?P<key>(?:\\.|[^\\=:\s])+)\s*[=:]?\s*(?P<value>.*)", re.DOTALL)
_escape = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_control = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def parse_properties(text: str) -> dict[str, str]:
    """Keys and values; of a repeated key the last."""
    properties = {}
    for line in _logical_lines(text):
        match = _entry.fullmatch(line)
        if match is not None:
            properties[_unescape(match["key"])] = _unescape(match["value"])
    return properties


def _logical_lines(text: str) -> Iterator[str]:
    begun = ""
    for natural in text.splitlines():
        line = natural.lstrip()
        if not begun and (not line or line[0] in "#!"):
            continue
        if (len(line) - len(line.rstrip("\\"))) % 2:
            begun += line[:-1]
        else:
            yield begun + line
            begun = ""
    if begun:
        yield begun


def _unescape(text: str) -> str:
    return _escape.sub(lambda match: _resolve(match[1]), text)


def _resolve(escaped: str) -> str:
    return chr(int(escaped[1:], 16)) if len(escaped) == 5 else _control.get(escaped, escaped)
