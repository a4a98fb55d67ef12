"""How `odradek tail` writes records: columns, JSON, the value as it is, or a format as kcat has it.

Many at once, since a call for each record, and for each piece of it, would cost more than what is written.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from odradek import Record
from odradek.record import Marker
from odradek_cli.display import CYAN, DIM, GREEN, YELLOW, coloured, escaped, readable
from odradek_cli.filters import Raw
from odradek_cli.json_lines import line_of
from odradek_cli.when import show_moment

if TYPE_CHECKING:
    from odradek.admin import OpenTransaction

Render: TypeAlias = Callable[[Sequence[Raw]], bytes]
"""Records as they are written, each with its line's end."""
Line: TypeAlias = Callable[[Raw], bytes]
"""One of them."""
Column: TypeAlias = Callable[[Sequence[Raw]], list[bytes]]
"""A piece of each record."""

_directive = re.compile(r"%(.)|\\x([0-9a-fA-F]{2})|\\(.)", re.DOTALL)
_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "0": b"\0", "\\": b"\\"}
NULL = b"NULL"
"""What kcat writes for a null."""


def line_by_line(line: Line) -> Render:
    return lambda records: b"".join(map(line, records))


def as_json(record: Raw) -> bytes:
    if isinstance(record, Marker):
        return msgspec.json.encode(_control_object(record)) + b"\n"
    return line_of(record) + b"\n"


def open_as_json(found: OpenTransaction) -> bytes:
    """A transaction that is open where all has been read."""
    producer = found.producer
    line = {
        "topic": found.partition.topic,
        "partition": found.partition.partition,
        "offset": producer.transaction_start,
        "control": "open",
        "producer_id": producer.producer_id,
        "producer_epoch": producer.producer_epoch,
        "blocked": found.blocked,
    }
    return msgspec.json.encode(line) + b"\n"


def open_in_columns(found: OpenTransaction) -> bytes:
    producer = found.producer
    whose = f"producer {producer.producer_id}, epoch {producer.producer_epoch}"
    since = f"since offset {producer.transaction_start}; it holds up {found.blocked} offsets"
    return f"-\t{escaped(str(found.partition))}\t-\t\t[open: {whose}, {since}]\n".encode()


def as_values(records: Sequence[Raw]) -> bytes:
    """The values alone, and a line's end behind each."""
    return b"\n".join([*[record.value or b"" for record in records], b""])


def in_columns(*, several_topics: bool) -> Line:
    """Tab-separated: time, partition, offset, key, value, and headers where there are some."""

    def render(record: Raw) -> bytes:
        moment, place, key, value, headers = _texts(record, several_topics)
        end = f"\t{headers}\n" if headers else "\n"
        return f"{moment}\t{place}\t{record.offset}\t{key}\t{value}{end}".encode()

    return render


def in_colours(*, several_topics: bool) -> Line:
    """For a terminal."""

    def render(record: Raw) -> bytes:
        moment, place, key, value, headers = _texts(record, several_topics)
        parts = [coloured(moment, DIM), coloured(f"{place}@{record.offset}", CYAN), coloured(key, YELLOW), value]
        return " ".join([*parts, *([" " + coloured(headers, GREEN)] if headers else [])]).encode() + b"\n"

    return render


def by_format(text: str) -> Render:
    """%k and %K are the key and its length, %s or %v and %S the value's, %h headers, %t topic, %p partition, %o offset,
    %T time in ms, %% a percent sign; \\n, \\t, \\r, \\0, \\xHH and \\\\ are characters. Raises ValueError.
    """
    template, columns = b"", list[Column]()
    end = 0
    for found in _directive.finditer(text):
        piece = _piece(found, text)
        template += _literal(text[end : found.start()].encode()) + (
            _literal(piece) if isinstance(piece, bytes) else b"%b"
        )
        columns += [] if isinstance(piece, bytes) else [piece]
        end = found.end()
    template += _literal(text[end:].encode())
    if text.endswith("%") and not text.endswith("%%"):
        raise ValueError(f"--format {text}: a % stands alone")
    if not columns:
        return lambda records: template % () * len(records)
    return lambda records: b"".join([template % row for row in zip(*[each(records) for each in columns], strict=True)])


def with_base64(render: Render) -> Render:
    """Keys, values and values of headers in base64, before anything else is made of them."""

    def encoded(data: bytes | None) -> bytes | None:
        return None if data is None else b64encode(data)

    def changed(record: Raw) -> Raw:
        headers = tuple((name, encoded(value)) for name, value in record.headers)
        key, value = encoded(record.key), encoded(record.value)
        return Record(record.topic, record.partition, record.offset, record.timestamp, key, value, headers)

    return lambda records: render([changed(record) for record in records])


def _texts(record: Raw, several_topics: bool) -> tuple[str, str, str, str, str]:
    place = f"{escaped(record.topic)}-{record.partition}" if several_topics else str(record.partition)
    if isinstance(record, Marker):
        return show_moment(record.timestamp), place, "", _control_text(record), ""
    key = "" if record.key is None else readable(record.key)
    value = "null" if record.value is None else readable(record.value)
    headers = " ".join([_header(name, each) for name, each in record.headers]) if record.headers else ""
    return show_moment(record.timestamp), place, key, value, headers


def _control_text(marker: Marker) -> str:
    end = "commit" if marker.committed else "abort"
    return f"[{end}: producer {marker.producer_id}, epoch {marker.producer_epoch}]"


def _control_object(marker: Marker) -> dict[str, Any]:
    return {
        "topic": marker.topic,
        "partition": marker.partition,
        "offset": marker.offset,
        "timestamp": marker.timestamp,
        "control": "commit" if marker.committed else "abort",
        "producer_id": marker.producer_id,
        "producer_epoch": marker.producer_epoch,
    }


def _header(name: str, value: bytes | None) -> str:
    return f"{escaped(name)}={'' if value is None else readable(value)}"


def _literal(text: bytes) -> bytes:
    """As it has to be in a template."""
    return text.replace(b"%", b"%%")


def _piece(found: re.Match[str], text: str) -> bytes | Column:
    directive, code, escape = found.groups()
    if code is not None:
        return bytes.fromhex(code)
    if escape is not None:
        if escape not in _ESCAPES:
            raise ValueError(f"--format {text}: there is no \\{escape}")
        return _ESCAPES[escape]
    if directive == "%":
        return b"%"
    if directive not in _DIRECTIVES:
        raise ValueError(f"--format {text}: there is no %{directive}; there are %{', %'.join(_DIRECTIVES)}")
    return _DIRECTIVES[directive]


def _headers(record: Raw) -> bytes:
    pairs = (name.encode() + b"=" + (NULL if value is None else value) for name, value in record.headers)
    return b",".join(pairs)


def _length(data: bytes | None) -> bytes:
    return b"%d" % (-1 if data is None else len(data))


def _values(records: Sequence[Raw]) -> list[bytes]:
    return [NULL if record.value is None else record.value for record in records]


_DIRECTIVES: dict[str, Column] = {
    "s": _values,
    "v": _values,
    "S": lambda records: [_length(record.value) for record in records],
    "k": lambda records: [NULL if record.key is None else record.key for record in records],
    "K": lambda records: [_length(record.key) for record in records],
    "t": lambda records: [record.topic.encode() for record in records],
    "p": lambda records: [b"%d" % record.partition for record in records],
    "o": lambda records: [b"%d" % record.offset for record in records],
    "T": lambda records: [b"%d" % record.timestamp for record in records],
    "h": lambda records: [_headers(record) for record in records],
}
