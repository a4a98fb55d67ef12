"""A record of a coordinator's topic, as bytes: a key begins with its kind, a value with its version."""

from __future__ import annotations

import struct

from msgspec import Struct

from odradek.protocol.codec import encode
from odradek.protocol.primitives import MAX_STRING_BYTES, Buffer, ProtocolError

_int16 = struct.Struct(">h")

NUMBER_BYTES = _int16.size
"""Of the kind, or the version, before a body."""


class CoordinatorRecord(Struct, frozen=True, gc=False):
    """A key and its value, ready to be appended."""

    key: bytes
    value: bytes | None


def framed(number: int, body: Struct, version: int) -> bytes:
    """A key with its kind before it, or a value with its version."""
    return _int16.pack(number) + encode(body, version)


def int16_at_front(buffer: Buffer) -> int:
    """The kind of a key, or the version of a value. Raises ProtocolError."""
    if len(buffer) < NUMBER_BYTES:
        raise ProtocolError("a coordinator's record of less than two bytes")
    number: int = _int16.unpack_from(buffer)[0]
    return number


def fits(*texts: str | None) -> bool:
    """Whether each could be written down."""
    return all(text is None or len(text.encode()) <= MAX_STRING_BYTES for text in texts)
