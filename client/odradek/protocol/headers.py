"""Request and response headers, and whole frames put together for sending.

Two oddities of Kafka's are kept here: the client id stays an int16-length string even where the rest of the header is
flexible, and a response to ApiVersions has the old header in every version, because who asks does not know yet what
the broker speaks (KIP-482, KIP-511).
"""

from __future__ import annotations

import struct
from collections.abc import Sized
from typing import ClassVar, Protocol

from msgspec import Struct

from odradek.protocol.codec import ANY_NUMBER, encode_pieces
from odradek.protocol.primitives import MAX_TAGS, Buffer, ProtocolError, read_uvarint

API_VERSIONS_KEY = 18

_request = struct.Struct(">hhih")
_size = struct.Struct(">i")
_correlation = struct.Struct(">i")


class ApiMessage(Protocol):
    """A request or a response."""

    API_KEY: ClassVar[int]
    VERSIONS: ClassVar[range]
    FLEXIBLE: ClassVar[int | None]


class RequestHeader(Struct, frozen=True, gc=False):
    """What every request begins with."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None


def is_flexible(message: type[ApiMessage], version: int) -> bool:
    return message.FLEXIBLE is not None and version >= message.FLEXIBLE


def read_request_header(frame: Buffer) -> tuple[RequestHeader, int]:
    """The header, and the position behind its client id: a flexible one goes on with `skip_tags`."""
    try:
        api_key, version, correlation_id, length = _request.unpack_from(frame)
        position = _request.size + max(length, 0)
        if position > len(frame) or length < -1:
            raise ProtocolError("client id beyond the end of the frame")
        client_id = None if length < 0 else str(frame[_request.size : position], "utf-8")
    except (struct.error, UnicodeDecodeError) as error:
        raise ProtocolError(f"request header: {error}") from None
    return RequestHeader(api_key, version, correlation_id, client_id), position


def read_response_header(frame: Buffer, message: type[ApiMessage], version: int) -> tuple[int, int]:
    """The correlation id, and the position of the body. Raises ProtocolError."""
    if len(frame) < _correlation.size:
        raise ProtocolError("response without a correlation id")
    position = _correlation.size
    if is_flexible(message, version) and message.API_KEY != API_VERSIONS_KEY:
        position = skip_tags(frame, position)
    correlation_id: int = _correlation.unpack_from(frame)[0]
    return correlation_id, position


def skip_tags(frame: Buffer, position: int) -> int:
    """The position behind a section of tagged fields that nobody knows. Raises ProtocolError."""
    try:
        count, position = read_uvarint(frame, position)
        if count > MAX_TAGS:
            raise ProtocolError(f"more than {MAX_TAGS} tagged fields in one section")
        for _ in range(count):
            _, position = read_uvarint(frame, position)
            size, position = read_uvarint(frame, position)
            position += size
            if position > len(frame):
                raise ProtocolError("tagged field beyond the end of the frame")
    except IndexError:
        raise ProtocolError("tagged fields beyond the end of the frame") from None
    return position


def encode_request(message: ApiMessage, version: int, correlation_id: int, client_id: str | None) -> list[Sized]:
    """The pieces of a whole request frame, its size in front."""
    name = b"" if client_id is None else client_id.encode()
    head = bytearray(_size.size)
    head += _request.pack(message.API_KEY, version, correlation_id, -1 if client_id is None else len(name))
    head += name
    if is_flexible(type(message), version):
        head.append(0)
    return _frame(message, version, head)


def encode_response(
    message: ApiMessage, version: int, correlation_id: int, max_elements: int = ANY_NUMBER
) -> list[Sized]:
    """The pieces of a whole response frame, its size in front. Raises TooManyElements."""
    head = bytearray(_size.size)
    head += _correlation.pack(correlation_id)
    if is_flexible(type(message), version) and message.API_KEY != API_VERSIONS_KEY:
        head.append(0)
    return _frame(message, version, head, max_elements)


def _frame(message: ApiMessage, version: int, head: bytearray, max_elements: int = ANY_NUMBER) -> list[Sized]:
    assert isinstance(message, Struct)
    pieces = encode_pieces(message, version, head, max_elements)
    _size.pack_into(head, 0, sum(map(len, pieces)) - _size.size)
    return pieces
