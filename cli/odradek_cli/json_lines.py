"""A record as a line of JSON, for `tail --json` and `produce --json`.

Invariant: what `produce --json` makes of a line that `tail --json` has printed is the record, byte by byte: key, value,
headers and their order, time and partition.

A value that is a JSON object, array, number, true or false stands in the line as it is, with its own spacing. Any other
text is a JSON string, so the text null is "null", and null is a record's null. Bytes that are no UTF-8 are in
value_base64, or, for keys and headers, in an object with the one field base64. Headers are an object; a list of pairs
where a name comes twice.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from typing import TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from odradek import Record

RawRecord: TypeAlias = Record[bytes | None, bytes | None]
Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]


class Base64(Struct, forbid_unknown_fields=True):
    """Bytes that are no text."""

    base64: str


Text: TypeAlias = str | Base64 | None


class JsonRecord(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One line."""

    topic: str | UnsetType = UNSET
    partition: int | UnsetType | None = UNSET
    offset: int | UnsetType = UNSET
    timestamp: int | UnsetType | None = UNSET
    key: Text | UnsetType = UNSET
    value: Raw | UnsetType = UNSET
    value_base64: str | UnsetType = UNSET
    headers: dict[str, Text] | list[tuple[str, Text]] | UnsetType = UNSET


class Parsed(Struct, frozen=True):
    """What a line says is to be produced."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None
    timestamp_ms: int | None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(JsonRecord).decode
_check = msgspec.json.Decoder(Raw).decode
_text_of = msgspec.json.Decoder(str).decode
_NULL = Raw(b"null")


def line_of(record: RawRecord) -> bytes:
    """Without the line's end."""
    value, value_base64 = _value_of(record.value)
    return _encode(
        JsonRecord(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp,
            _shown(record.key),
            value,
            value_base64,
            _headers_of(record.headers),
        )
    )


def parse_line(line: bytes) -> Parsed:
    """Raises ValueError."""
    try:
        read = _decode(line)
        return Parsed(
            key=_bytes_of(read.key),
            value=_value_in(read),
            headers=_headers_in(read.headers),
            partition=read.partition if isinstance(read.partition, int) else None,
            timestamp_ms=read.timestamp if isinstance(read.timestamp, int) else None,
        )
    except (msgspec.MsgspecError, RecursionError, NoBase64, ValueError) as error:
        raise ValueError(f"{error}, in the line {line[:80]!r}") from None


def _value_of(value: bytes | None) -> tuple[Raw | UnsetType, str | UnsetType]:
    if value is None:
        return _NULL, UNSET
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return UNSET, b64encode(value).decode()
    return Raw(value if _stands_as_it_is(value) else _encode(text)), UNSET


def _stands_as_it_is(value: bytes) -> bool:
    """Whether it is JSON that cannot be taken for a string or null, on one line."""
    if not value or value[0] not in b"{[-0123456789tf" or b"\n" in value or b"\r" in value:
        return False
    try:
        return len(_check(value)) == len(value)
    except (msgspec.MsgspecError, RecursionError):
        return False


def _value_in(read: JsonRecord) -> bytes | None:
    if isinstance(read.value_base64, str):
        if isinstance(read.value, Raw):
            raise ValueError("a line has value or value_base64")
        return b64decode(read.value_base64, validate=True)
    value = bytes(read.value) if isinstance(read.value, Raw) else b"null"
    if value == b"null":
        return None
    return _text_of(value).encode() if value[:1] == b'"' else value


def _shown(data: bytes | None) -> Text:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Base64(b64encode(data).decode())


def _bytes_of(text: Text | UnsetType) -> bytes | None:
    if isinstance(text, str):
        return text.encode()
    return b64decode(text.base64, validate=True) if isinstance(text, Base64) else None


def _headers_of(headers: Headers) -> dict[str, Text] | list[tuple[str, Text]]:
    pairs = [(name, _shown(value)) for name, value in headers]
    by_name = dict(pairs)
    return by_name if len(by_name) == len(pairs) else pairs


def _headers_in(headers: dict[str, Text] | list[tuple[str, Text]] | UnsetType) -> Headers:
    if isinstance(headers, UnsetType):
        return ()
    pairs = headers.items() if isinstance(headers, dict) else headers
    return tuple((name, _bytes_of(value)) for name, value in pairs)
