"""Record batches for the log's tests, put together by hand, so that no code under test makes them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from crc32c import crc32c

_HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_BYTES = 61
TRANSACTIONAL, CONTROL, DELETE_HORIZON = 0x10, 0x20, 0x40


class Header(NamedTuple):
    base_offset: int
    batch_length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size_bytes(self) -> int:
        return self.batch_length + 12

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta


def varint(value: int) -> bytes:
    zigzag = (value << 1) ^ (value >> 63)
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position


def _nullable(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def record(offset_delta: int, key: bytes | None, value: bytes | None, timestamp_delta: int = 0) -> bytes:
    body = b"\0" + varint(timestamp_delta) + varint(offset_delta) + _nullable(key) + _nullable(value) + varint(0)
    return varint(len(body)) + body


def batch(
    *records: bytes | tuple[bytes | None, bytes | None] | None,
    base_offset: int = 0,
    timestamp: int = 1_000,
    timestamps: Sequence[int] | None = None,
    producer: tuple[int, int, int] = (-1, -1, -1),
    leader_epoch: int = -1,
    attributes: int = 0,
    count: int | None = None,
) -> bytes:
    """Values, or (key, value) pairs; `producer` is id, epoch, base sequence; all timestamps alike unless given."""
    pairs = [entry if isinstance(entry, tuple) else (None, entry) for entry in records]
    times = list(timestamps) if timestamps is not None else [timestamp] * len(pairs)
    payload = b"".join(record(delta, key, value, times[delta] - times[0]) for delta, (key, value) in enumerate(pairs))
    head = _HEADER.pack(
        base_offset,
        HEADER_BYTES - 12 + len(payload),
        leader_epoch,
        2,
        0,
        attributes,
        len(pairs) - 1,
        times[0],
        max(times),
        *producer,
        len(pairs) if count is None else count,
    )
    return with_crc(head + payload)


def marker(producer_id: int, epoch: int, *, commit: bool, coordinator_epoch: int = 0, timestamp: int = 1_000) -> bytes:
    """The control batch that ends a transaction."""
    key = struct.pack(">hh", 0, int(commit))
    value = struct.pack(">hi", 0, coordinator_epoch)
    return batch(
        (key, value), producer=(producer_id, epoch, -1), attributes=TRANSACTIONAL | CONTROL, timestamp=timestamp
    )


def with_crc(data: bytes) -> bytes:
    return data[:17] + crc32c(data[21:]).to_bytes(4, "big") + data[21:]


def headers(data: bytes) -> list[Header]:
    """Every batch in some bytes that hold whole batches only."""
    found, position = [], 0
    while position < len(data):
        found.append(Header._make(_HEADER.unpack_from(data, position)))
        position += found[-1].size_bytes
    assert position == len(data), "whole batches only"
    return found


def records(data: bytes) -> list[tuple[int, int, bytes | None, bytes | None]]:
    """(offset, timestamp, key, value) of every record in uncompressed batches."""
    found: list[tuple[int, int, bytes | None, bytes | None]] = []
    position = 0
    for header in headers(data):
        at = position + HEADER_BYTES
        for _ in range(header.record_count):
            length, at = read_varint(data, at)
            end = at + length
            timestamp_delta, at = read_varint(data, at + 1)
            offset_delta, at = read_varint(data, at)
            parts = []
            for _ in range(2):
                size, at = read_varint(data, at)
                parts.append(None if size < 0 else data[at : at + size])
                at += max(size, 0)
            key, value = parts
            found.append((header.base_offset + offset_delta, header.base_timestamp + timestamp_delta, key, value))
            at = end
        position += header.size_bytes
    return found
