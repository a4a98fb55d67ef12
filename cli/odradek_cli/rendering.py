"""How `odradek tail` writes a record: columns, JSON, the value as it is, or a format as kcat has it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
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

Render: TypeAlias = Callable[[Raw], bytes]
"""A record as it is written, with the line's end."""

_directive = re.compile(r"%(.)|\\x([0-9a-fA-F]{2})|\\(.)", re.DOTALL)
_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "0": b"\0", "\\": b"\\"}
NULL = b"NULL"
"""What kcat writes for a null."""


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


def as_value(record: Raw) -> bytes:
    """The value alone, and a line's end."""
    return (record.value or b"") + b"\n"


def in_columns(*, several_topics: bool) -> Render:
    """Tab-separated: time, partition, offset, key, value, and headers where there are some."""

    def render(record: Raw) -> bytes:
        moment, place, key, value, headers = _texts(record, several_topics)
        end = f"\t{headers}\n" if headers else "\n"
        return f"{moment}\t{place}\t{record.offset}\t{key}\t{value}{end}".encode()

    return render


def in_colours(*, several_topics: bool) -> Render:
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
    pieces: list[bytes | Render] = []
    end = 0
    for found in _directive.finditer(text):
        pieces.append(text[end : found.start()].encode())
        pieces.append(_piece(found, text))
        end = found.end()
    pieces.append(text[end:].encode())
    if text.endswith("%") and not text.endswith("%%"):
        raise ValueError(f"--format {text}: a % stands alone")

    def render(record: Raw) -> bytes:
        return b"".join([piece if isinstance(piece, bytes) else piece(record) for piece in pieces])

    return render


def with_base64(render: Render) -> Render:
    """Keys, values and values of headers in base64, before anything else is made of them."""

    def encoded(data: bytes | None) -> bytes | None:
        return None if data is None else b64encode(data)

    def change(record: Raw) -> bytes:
        headers = tuple((name, encoded(value)) for name, value in record.headers)
        return render(
            Record(
                record.topic,
                record.partition,
                record.offset,
                record.timestamp,
                encoded(record.key),
                encoded(record.value),
                headers,
            )
        )

    return change


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


def _piece(found: re.Match[str], text: str) -> bytes | Render:
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


_DIRECTIVES: dict[str, Render] = {
    "s": lambda record: NULL if record.value is None else record.value,
    "v": lambda record: NULL if record.value is None else record.value,
    "S": lambda record: _length(record.value),
    "k": lambda record: NULL if record.key is None else record.key,
    "K": lambda record: _length(record.key),
    "t": lambda record: record.topic.encode(),
    "p": lambda record: b"%d" % record.partition,
    "o": lambda record: b"%d" % record.offset,
    "T": lambda record: b"%d" % record.timestamp,
    "h": _headers,
}
