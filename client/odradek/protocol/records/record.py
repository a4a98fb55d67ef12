"""Records, and the way from a batch of bytes to a list of them.

    length           varint    bytes that follow
    attributes       int8      unused
    timestamp_delta  varint    to the batch's base_timestamp
    offset_delta     varint    to its base_offset
    key              varint    length, -1 for null; then so many bytes
    value            varint    likewise
    header count     varint    then for each: name (never null), value; lengths as above

All varints are zigzag. `_decode` is one long loop on purpose: it runs once per record of everything that is
ever consumed, so varints of one and two bytes are read in place, and the payload is made `bytes` once, so that a key or
value is one slice.

A header name that is not UTF-8 is read as Java reads it, with replacement characters.

Invariants
    Lengths below -1 are refused, so that within a record the position only grows; it has to arrive where the record's
    length says, and after the last record at the end of the payload. So no slice was cut short.
    Counts are compared with the bytes that are left before anything is made of them.

The checksum is not looked at: `batch.crc_is_valid` is the caller's first step with bytes of a stranger.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct

from odradek.protocol.primitives import Buffer, ProtocolError, read_varint
from odradek.protocol.records.batch import HEADER_BYTES, NO_TIMESTAMP, BatchHeader, iter_headers, read_whole_header
from odradek.protocol.records.codecs import decompress

CREATE_TIME = 0
LOG_APPEND_TIME = 1
NO_TIMESTAMP_TYPE = -1

MAX_UNCOMPRESSED_BYTES = 256 * 1024 * 1024
"""What a batch may swell to when nothing else is said."""

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]
T = TypeVar("T")
MakeRecord: TypeAlias = Callable[[int, int, bytes | None, bytes | None, Headers, int], T]
"""(offset, timestamp, key, value, headers, timestamp type)"""

_MIN_RECORD_BYTES = 7
_ALL = 1 << 62
_MIN_HEADER_BYTES = 2
_REMEMBERED_HEADER_NAMES = 512

_SIGNED = tuple((byte >> 1) ^ -(byte & 1) for byte in range(0x80))
"""By the only byte of a varint, its value."""
_INVALID_LENGTH = -(2**40)
_LOW_BITS = (0,) * 0x80 + tuple(_INVALID_LENGTH if byte & 1 else (byte & 0x7F) >> 1 for byte in range(0x80, 0x100))
"""By the first byte of a varint of two, what the second, times 64, is to be added to. Odd ones would be negative."""


class Record(Struct, frozen=True, gc=False):
    """One record of a partition."""

    offset: int = 0
    timestamp: int = NO_TIMESTAMP
    """Milliseconds since 1970; -1: none."""
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()
    timestamp_type: int = CREATE_TIME


def decode_records(buffer: Buffer, max_bytes: int = MAX_UNCOMPRESSED_BYTES) -> list[Record]:
    """The records of all batches; a batch that is cut off at the end is left out. Raises ProtocolError."""
    records: list[Record] = []
    for position, _ in iter_headers(buffer):
        records += decode_batch(buffer, position, max_bytes)
    return records


def decode_batch(buffer: Buffer, position: int = 0, max_bytes: int = MAX_UNCOMPRESSED_BYTES) -> list[Record]:
    """The records of the batch at `position`, of no more than `max_bytes` uncompressed. Raises ProtocolError."""
    return decode_batch_as(Record, buffer, position, max_bytes)


def decode_headed(buffer: Buffer, position: int, header: BatchHeader) -> list[Record]:
    """As `decode_batch`, for who has read the header and knows that the batch is whole. Raises ProtocolError."""
    return BatchReader(Record, buffer, position, header=header).take()


def decode_batch_as(
    make: MakeRecord[T], buffer: Buffer, position: int = 0, max_bytes: int = MAX_UNCOMPRESSED_BYTES
) -> list[T]:
    """As `decode_batch`, with each record made by `make`. Raises ProtocolError."""
    return BatchReader(make, buffer, position, max_bytes).take()


class BatchReader(Generic[T]):
    """The records of one batch, some at a time: what is made of them need not all be in memory at once."""

    def __init__(
        self,
        make: MakeRecord[T],
        buffer: Buffer,
        position: int = 0,
        max_bytes: int = MAX_UNCOMPRESSED_BYTES,
        *,
        header: BatchHeader | None = None,
    ) -> None:
        """Undoes the compression. `header`: of a batch that is whole, where it has been read. Raises ProtocolError."""
        self._make = make
        self._header = read_whole_header(buffer, position) if header is None else header
        self._payload = payload_of(buffer, position, self._header, max_bytes)
        self._position = 0
        self.left = self._header.record_count
        """How many have not been taken yet."""
        if not 0 <= self.left <= len(self._payload) // _MIN_RECORD_BYTES:
            raise ProtocolError(f"{self.left} records in {len(self._payload)} bytes")

    def take(self, at_most: int = _ALL) -> list[T]:
        """The next records. Raises ProtocolError."""
        count = min(at_most, self.left)
        try:
            records, self._position = _decode(self._make, self._payload, self._header, self._position, count)
        except IndexError:
            raise ProtocolError("the records end early") from None
        self.left -= count
        if not self.left and self._position != len(self._payload):
            raise ProtocolError(f"{len(self._payload) - self._position} bytes behind the last record")
        return records


def payload_of(buffer: Buffer, position: int, header: BatchHeader, max_bytes: int) -> bytes:
    """The records of a batch as they are uncompressed. Raises ProtocolError."""
    data = memoryview(buffer)[position + HEADER_BYTES : position + header.size_bytes]
    return decompress(header.codec, data, max_bytes)


def _decode(make: MakeRecord[T], payload: bytes, header: BatchHeader, position: int, count: int) -> tuple[list[T], int]:
    """So many records from a position on, and the position behind them."""
    records: list[T] = []
    append, signed, low_bits = records.append, _SIGNED, _LOW_BITS
    base_offset, base_timestamp = header.base_offset, header.base_timestamp
    max_timestamp, log_append = header.max_timestamp, header.timestamp_type_log_append
    timestamp_type = LOG_APPEND_TIME if log_append else CREATE_TIME
    for _ in range(count):
        byte = payload[position]  # length
        if byte < 0x80:
            position += 1
            end = position + signed[byte]
        elif (high := payload[position + 1]) < 0x80:
            position += 2
            end = position + low_bits[byte] + (high << 6)
        else:
            length, position = read_varint(payload, position)
            end = position + length

        byte = payload[position + 1]  # timestamp, behind the attributes
        if byte < 0x80:
            timestamp = base_timestamp + signed[byte]
            position += 2
        elif (high := payload[position + 2]) < 0x80 and not byte & 1:
            timestamp = base_timestamp + low_bits[byte] + (high << 6)
            position += 3
        else:
            delta, position = read_varint(payload, position + 1)
            timestamp = base_timestamp + delta

        byte = payload[position]  # offset
        if byte < 0x80:
            offset = base_offset + signed[byte]
            position += 1
        elif (high := payload[position + 1]) < 0x80 and not byte & 1:
            offset = base_offset + low_bits[byte] + (high << 6)
            position += 2
        else:
            delta, position = read_varint(payload, position)
            offset = base_offset + delta

        byte = payload[position]  # key
        if byte < 0x80:
            length = signed[byte]
            position += 1
        else:
            length, position = read_varint(payload, position)
        if length >= 0:
            begin = position
            position += length
            key = payload[begin:position]
        elif length == -1:
            key = None
        else:
            raise ProtocolError(f"a key of {length} bytes")

        byte = payload[position]  # value
        if byte < 0x80:
            length = signed[byte]
            position += 1
        elif (high := payload[position + 1]) < 0x80:
            length = low_bits[byte] + (high << 6)
            position += 2
        else:
            length, position = read_varint(payload, position)
        if length >= 0:
            begin = position
            position += length
            value = payload[begin:position]
        elif length == -1:
            value = None
        else:
            raise ProtocolError(f"a value of {length} bytes")

        if payload[position]:
            headers, position = _read_headers(payload, position)
        else:
            headers = ()
            position += 1
        if position != end:
            raise ProtocolError(f"a record that ends {position - end} bytes behind its length")
        append(make(offset, max_timestamp if log_append else timestamp, key, value, headers, timestamp_type))
    return records, position


def _read_headers(payload: bytes, position: int) -> tuple[Headers, int]:
    signed = _SIGNED
    byte = payload[position]
    if byte < 0x80:
        count = signed[byte]
        position += 1
    else:
        count, position = read_varint(payload, position)
    if not 0 <= count <= (len(payload) - position) // _MIN_HEADER_BYTES:
        raise ProtocolError(f"{count} headers in {len(payload) - position} bytes")
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        byte = payload[position]  # name
        if byte < 0x80:
            length = signed[byte]
            position += 1
        else:
            length, position = read_varint(payload, position)
        if length < 0:
            raise ProtocolError(f"a header name of {length} bytes")
        begin = position
        position += length
        name = _text(payload[begin:position])

        byte = payload[position]  # value
        if byte < 0x80:
            length = signed[byte]
            position += 1
        else:
            length, position = read_varint(payload, position)
        if length >= 0:
            begin = position
            position += length
            headers.append((name, payload[begin:position]))
        elif length == -1:
            headers.append((name, None))
        else:
            raise ProtocolError(f"a header value of {length} bytes")
    return tuple(headers), position


@lru_cache(_REMEMBERED_HEADER_NAMES)
def _text(name: bytes) -> str:
    """The name of a header; there are few, and they come often."""
    return name.decode("utf-8", "replace")
