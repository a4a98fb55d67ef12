"""Records to a batch of bytes.

`append` is called once per record of everything that is ever produced. It makes no bytes: it puts the pieces of the
record, most of them looked up in tables, behind the others in one list, which `build` joins once.

Invariants
    `size_bytes` is the exact size of the batch, uncompressed, if it were built now.
    An append that raises has changed nothing.
    Keys and values are `bytes`, so that nobody changes them between `append` and `build`.
    `build` leaves the builder as it is: a batch can be built again under other numbers.

The layout of a record is in record.py, that of the header in batch.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import index
from typing import TypeAlias

from odradek.protocol.primitives import encode_varint
from odradek.protocol.records.batch import (
    CONTROL_FLAG,
    HEADER,
    HEADER_BYTES,
    LENGTH_COVERS_FROM,
    MAGIC,
    NO_LEADER_EPOCH,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    NO_TIMESTAMP,
    TRANSACTIONAL_FLAG,
    write_crc,
)
from odradek.protocol.records.codecs import Codec, compress
from odradek.protocol.records.record import Record

HeaderPairs: TypeAlias = Sequence[tuple[str, bytes | None]]

_TABLE_SIZE = 8192
"""Numbers from here on take varints of more than two bytes."""
_FIRST_SIZE = 512
"""Up to here the tables are made at once, the rest, of 1.5 MiB, when a larger number is first met."""


def _numbers(size: int) -> list[tuple[bytes, int]]:
    one = [bytes((number << 1,)) for number in range(64)]
    two = [bytes((number << 1 & 0x7F | 0x80, number >> 6)) for number in range(64, size)]
    return [(varint, len(varint)) for varint in one + two]


def _lengths(size: int) -> list[tuple[bytes, int]]:
    return [(varint, length + size) for length, (varint, size) in enumerate(_numbers(size))]


_NUMBERS = _numbers(_FIRST_SIZE)
"""By number, its varint and how long that is."""
_LENGTHS = _lengths(_FIRST_SIZE)
"""By length, its varint and how long that is together with what it stands before."""


def _complete_tables() -> None:
    """In one step each, so that other threads may do the same meanwhile."""
    if len(_LENGTHS) < _TABLE_SIZE:
        _NUMBERS[:] = _numbers(_TABLE_SIZE)
        _LENGTHS[:] = _lengths(_TABLE_SIZE)


_REMEMBERED_HEADER_NAMES = 512
_NULL = b"\x01"
_NO_ATTRIBUTES = b"\x00"
_NO_DELTA = (b"\x00\x00", 2)
_NO_HEADERS = b"\x00"
_NEVER = float("nan")
"""Another time than any, also than itself."""
_MIN_INT64, _MAX_INT64 = -(2**63), 2**63 - 1
_BLANK_HEADER = bytes(HEADER_BYTES)


class BatchBuilder:
    """A batch of magic 2 that grows by one record at a time."""

    __slots__ = (
        "_codec",
        "_level",
        "_pieces",
        "_time_piece",
        "_time_piece_bytes",
        "_timestamp",
        "base_timestamp",
        "count",
        "max_timestamp",
        "size_bytes",
    )

    def __init__(self, codec: Codec = Codec.NONE, level: int | None = None) -> None:
        self.count = 0
        self.size_bytes = HEADER_BYTES
        self.base_timestamp = NO_TIMESTAMP
        self.max_timestamp = NO_TIMESTAMP
        self._codec = codec
        self._level = level
        self._pieces: list[bytes] = [_BLANK_HEADER]
        self._timestamp: float = _NEVER
        """Of the last record; the next one often has the same."""
        self._time_piece = b""
        """Attributes and timestamp delta of a record at that time."""
        self._time_piece_bytes = 0

    def append(self, key: bytes | None, value: bytes | None, headers: HeaderPairs, timestamp_ms: int) -> int:
        """Add a record; return its place in the batch, from 0.

        Raises TypeError for what is neither bytes nor None (nor str, for the name of a header), ValueError for a name
        that UTF-8 cannot express and OverflowError for a timestamp of more than 64 bits.
        """
        count = self.count
        if headers:
            header_section = _header_section(headers)
            header_bytes = len(header_section)
        else:
            header_section, header_bytes = _NO_HEADERS, 1
        try:
            if type(key) is bytes:
                key_length, key_bytes = _LENGTHS[len(key)]
                key_piece = key
            elif key is None:
                key_length, key_bytes, key_piece = _NULL, 1, b""
            else:
                raise _wrong_type("key", key)
            if type(value) is bytes:
                value_length, value_bytes = _LENGTHS[len(value)]
                value_piece = value
            elif value is None:
                value_length, value_bytes, value_piece = _NULL, 1, b""
            else:
                raise _wrong_type("value", value)
            if timestamp_ms != self._timestamp:
                self._turn_to(timestamp_ms)
            offset, offset_bytes = _NUMBERS[count]
            length, size = _LENGTHS[self._time_piece_bytes + offset_bytes + key_bytes + value_bytes + header_bytes]
        except IndexError:  # larger than the tables
            return self._append_large(key, value, header_section, timestamp_ms)
        pieces = self._pieces
        pieces += (length, self._time_piece, offset, key_length, key_piece, value_length, value_piece, header_section)
        self.size_bytes += size
        self.count = count + 1
        return count

    def _append_large(self, key: bytes | None, value: bytes | None, header_section: bytes, timestamp_ms: int) -> int:
        """Add a record of any size."""
        _complete_tables()
        count = self.count
        pieces = [_varint(count)]
        _add_nullable(pieces, "key", key)
        _add_nullable(pieces, "value", value)
        pieces.append(header_section)
        if timestamp_ms != self._timestamp:
            self._turn_to(timestamp_ms)
        size = self._time_piece_bytes + sum(map(len, pieces))
        length = _varint(size)
        self._pieces += (length, self._time_piece, *pieces)
        self.size_bytes += len(length) + size
        self.count = count + 1
        return count

    def _turn_to(self, timestamp_ms: int) -> None:
        """Take down the time of the next record, as it differs from that of the last."""
        timestamp_ms = index(timestamp_ms)
        if not _MIN_INT64 <= timestamp_ms <= _MAX_INT64:
            raise OverflowError(f"timestamp {timestamp_ms} has more than 64 bits")
        if self.count == 0:
            self._time_piece, self._time_piece_bytes = _NO_DELTA
            self.base_timestamp = self.max_timestamp = timestamp_ms
        else:
            self._time_piece = piece = _NO_ATTRIBUTES + _varint(timestamp_ms - self.base_timestamp)
            self._time_piece_bytes = len(piece)
            if timestamp_ms > self.max_timestamp:
                self.max_timestamp = timestamp_ms
        self._timestamp = timestamp_ms

    def build(
        self,
        producer_id: int = NO_PRODUCER_ID,
        producer_epoch: int = NO_PRODUCER_EPOCH,
        base_sequence: int = NO_SEQUENCE,
        *,
        is_transactional: bool = False,
        is_control: bool = False,
        base_offset: int = 0,
        leader_epoch: int = NO_LEADER_EPOCH,
    ) -> bytearray:
        """The batch, of one record at least; writable, so that what batch.py stamps can be stamped in place."""
        assert self.count, "a batch has records"
        out = bytearray().join(self._pieces)
        if self._codec != Codec.NONE:
            out = bytearray().join((_BLANK_HEADER, compress(self._codec, memoryview(out)[HEADER_BYTES:], self._level)))
        HEADER.pack_into(
            out,
            0,
            base_offset,
            len(out) - LENGTH_COVERS_FROM,
            leader_epoch,
            MAGIC,
            0,
            self._codec | TRANSACTIONAL_FLAG * is_transactional | CONTROL_FLAG * is_control,
            self.count - 1,
            self.base_timestamp,
            self.max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            self.count,
        )
        write_crc(out, 0, len(out))
        return out


def build_batch(
    records: Iterable[Record],
    *,
    codec: Codec = Codec.NONE,
    level: int | None = None,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    is_transactional: bool = False,
    base_offset: int = 0,
    leader_epoch: int = NO_LEADER_EPOCH,
) -> bytearray:
    """One batch of records, of one at least. Their offsets do not count: they follow each other from `base_offset` on.

    Raises as `BatchBuilder.append` does.
    """
    builder = BatchBuilder(codec, level)
    for record in records:
        builder.append(record.key, record.value, record.headers, record.timestamp)
    return builder.build(
        producer_id,
        producer_epoch,
        base_sequence,
        is_transactional=is_transactional,
        base_offset=base_offset,
        leader_epoch=leader_epoch,
    )


def _varint(number: int) -> bytes:
    return _NUMBERS[number][0] if 0 <= number < len(_NUMBERS) else encode_varint(number)


def _add_nullable(pieces: list[bytes], what: str, data: bytes | None) -> None:
    if type(data) is bytes:
        length = len(data)
        pieces += (_LENGTHS[length][0] if length < len(_LENGTHS) else encode_varint(length), data)
    elif data is None:
        pieces.append(_NULL)
    else:
        raise _wrong_type(what, data)


def _header_section(headers: HeaderPairs) -> bytes:
    pieces = [_varint(len(headers))]
    for name, content in headers:
        pieces.append(_header_name(name))
        _add_nullable(pieces, "header value", content)
    return b"".join(pieces)


@lru_cache(_REMEMBERED_HEADER_NAMES)
def _header_name(name: str) -> bytes:
    """The name with its length; programs use few, and use them often."""
    if not isinstance(name, str):
        raise _wrong_type("header name", name)
    encoded = name.encode()
    return encode_varint(len(encoded)) + encoded


def _wrong_type(what: str, data: object) -> TypeError:
    return TypeError(f"a {what} of type {type(data).__name__}, which is not taken")
