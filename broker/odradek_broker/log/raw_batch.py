"""The inside of a batch, as far as the log must look: the bounds and keys of its records, never the records themselves.

Used where a batch is compressed anew, checked (inside.py), or compacted. Records that stay, stay as the bytes they
were: their offsets and timestamps are relative to the batch's, which does not change.

Invariants
    What a look into a batch costs has a bound before it begins: MAX_PAYLOAD_BYTES when its compression is undone, and
    MAX_RECORDS. Who sends a bomb is refused where it is looked into.
    There is never more of a batch in memory than its payload and what is kept of it: nothing is made of all records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from odradek.protocol.primitives import Buffer, ProtocolError, encode_varint, read_varint
from odradek.protocol.records.batch import (
    CODEC_MASK,
    DELETE_HORIZON_FLAG,
    HEADER,
    HEADER_BYTES,
    LENGTH_COVERS_FROM,
    BatchHeader,
    write_crc,
)
from odradek.protocol.records.codecs import Codec, compress
from odradek.protocol.records.record import payload_of as uncompressed

MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
"""What a batch may swell to when its compression is undone; one that is not compressed is as large as it is."""

MAX_RECORDS = 1_000_000
"""How many records a batch may have that is looked into record by record."""

SHORT_BYTES, SHORT_RECORDS = 64 * 1024, 200
"""A look into a batch that is no larger takes less than a millisecond."""

MIN_RECORD_BYTES = 7
"""A record of nothing: its length, attributes, two deltas, two lengths and a header count."""


class RawRecord(NamedTuple):
    """One record, by where its parts lie in the payload."""

    start: int
    """Of its length."""
    end: int
    timestamp_delta: int
    offset_delta: int
    after_timestamp: int
    """Where the offset delta begins, and with it all that a change of the base timestamp leaves alone."""
    attributes: int
    key: bytes | None
    has_value: bool

    def timestamp(self, header: BatchHeader) -> int:
        """In 64 bits, as whoever reads it reckons: a delta may carry it beyond."""
        return int64(header.base_timestamp + self.timestamp_delta)


def int64(value: int) -> int:
    """What is left of a number in 64 bits, signed, as Java adds."""
    return (value + 2**63) % 2**64 - 2**63


def payload_of(records: Buffer, position: int, header: BatchHeader) -> bytes:
    """The records of a batch, uncompressed. Raises ProtocolError."""
    limit = MAX_PAYLOAD_BYTES if header.codec else header.size_bytes
    return uncompressed(records, position, header, limit)


def is_short(records: Buffer, position: int, header: BatchHeader) -> bool:
    """Whether a look at every record of a batch is a matter of a moment, and need not be left to a worker."""
    if header.record_count > SHORT_RECORDS or header.size_bytes > SHORT_BYTES:
        return False
    try:
        return header.codec == Codec.NONE or bool(uncompressed(records, position, header, SHORT_BYTES))
    except ProtocolError:
        return False


def raw_records(payload: Buffer, header: BatchHeader) -> Iterator[RawRecord]:
    """Walk over the records. Raises ProtocolError where they are not what the batch promises.

    Their offsets rise, and none lies outside of the batch: else one record could pass for newer than all of its key.
    """
    if header.record_count > MAX_RECORDS:
        raise ProtocolError(f"{header.record_count} records, where {MAX_RECORDS} can be looked at")
    position, end, last_offset_delta = 0, len(payload), -1
    try:
        for _ in range(header.record_count):
            record = _raw_record(payload, position)
            if record.end > end:
                raise ProtocolError(f"a record ends {record.end - end} bytes behind its batch")
            if not last_offset_delta < record.offset_delta <= header.last_offset_delta:
                raise ProtocolError(f"a record with offset delta {record.offset_delta} behind {last_offset_delta}")
            yield record
            position, last_offset_delta = record.end, record.offset_delta
    except IndexError:
        raise ProtocolError("the records end early") from None
    if position != end:
        raise ProtocolError(f"{end - position} bytes behind the last record")


def _raw_record(payload: Buffer, start: int) -> RawRecord:
    length, position = read_varint(payload, start)
    end = position + length
    attributes = payload[position]
    timestamp_delta, after_timestamp = read_varint(payload, position + 1)
    offset_delta, position = read_varint(payload, after_timestamp)
    key_length, position = read_varint(payload, position)
    key = None
    if key_length >= 0:
        key = bytes(payload[position : position + key_length])
        position += key_length
    value_length, position = read_varint(payload, position)
    if length < 0 or position + max(value_length, 0) > end:
        raise ProtocolError("a record is longer than it says")
    return RawRecord(
        start, end, timestamp_delta, offset_delta, after_timestamp, attributes, key, has_value=value_length >= 0
    )


def recompress(records: Buffer, position: int, header: BatchHeader, codec: Codec) -> bytes:
    """The same batch in another compression. Control batches are never compressed. Raises ProtocolError."""
    if header.is_control or header.codec == codec:
        return bytes(memoryview(records)[position : position + header.size_bytes])
    payload = payload_of(records, position, header)
    attributes = header.attributes & ~CODEC_MASK | codec
    return assemble(
        header,
        attributes=attributes,
        base_timestamp=header.base_timestamp,
        max_timestamp=header.max_timestamp,
        record_count=header.record_count,
        payload=payload,
    )


class Kept:
    """Records of a batch that stay, as bytes, while the batch is walked over."""

    def __init__(self) -> None:
        self.payload = bytearray()
        self.count = 0
        self.max_timestamp = 0
        self.has_tombstone = False

    def add(self, record: RawRecord, header: BatchHeader, data: Buffer) -> None:
        self.payload += data
        timestamp = record.timestamp(header)
        self.max_timestamp = max(timestamp, self.max_timestamp) if self.count else timestamp
        self.has_tombstone = self.has_tombstone or not record.has_value
        self.count += 1


def kept_of(payload: Buffer, header: BatchHeader, stays: Callable[[RawRecord], bool]) -> Kept:
    """The records that stay, as they are. Raises ProtocolError."""
    kept, view = Kept(), memoryview(payload)
    for record in raw_records(payload, header):
        if stays(record):
            kept.add(record, header, view[record.start : record.end])
    return kept


def rebased(payload: Buffer, header: BatchHeader, stays: Callable[[RawRecord], bool], base_timestamp: int) -> Kept:
    """The records that stay, with their times relative to another base. Raises ProtocolError."""
    kept, view, shift_ms = Kept(), memoryview(payload), header.base_timestamp - base_timestamp
    for record in raw_records(payload, header):
        if stays(record):
            kept.add(record, header, _rebased(view, record, shift_ms))
    return kept


def with_records(header: BatchHeader, kept: Kept, delete_horizon_ms: int | None = None) -> bytes:
    """The same batch with fewer records, or none: offsets, producer and sequence numbers stay (KIP-534).

    A delete horizon takes the place of the base timestamp: then the records are to be `rebased` on it.
    """
    base_timestamp, attributes = header.base_timestamp, header.attributes
    if delete_horizon_ms is not None:
        base_timestamp, attributes = delete_horizon_ms, attributes | DELETE_HORIZON_FLAG
    if not kept.count:
        attributes &= ~(CODEC_MASK | DELETE_HORIZON_FLAG)
        base_timestamp = header.max_timestamp
    keeps_time = header.timestamp_type_log_append or not kept.count
    return assemble(
        header,
        attributes=attributes,
        base_timestamp=base_timestamp,
        max_timestamp=header.max_timestamp if keeps_time else kept.max_timestamp,
        record_count=kept.count,
        payload=kept.payload,
    )


def _rebased(payload: Buffer, record: RawRecord, shift_ms: int) -> bytes:
    body = (
        bytes([record.attributes])
        + encode_varint(int64(record.timestamp_delta + shift_ms))
        + bytes(payload[record.after_timestamp : record.end])
    )
    return encode_varint(len(body)) + body


def assemble(
    header: BatchHeader, *, attributes: int, base_timestamp: int, max_timestamp: int, record_count: int, payload: Buffer
) -> bytes:
    """A batch from uncompressed records and what stays of an earlier header."""
    codec = Codec(attributes & CODEC_MASK)
    body = payload if codec == Codec.NONE else compress(codec, payload)
    out = bytearray(HEADER_BYTES + len(body))
    HEADER.pack_into(
        out,
        0,
        header.base_offset,
        len(out) - LENGTH_COVERS_FROM,
        header.partition_leader_epoch,
        header.magic,
        0,
        attributes,
        header.last_offset_delta,
        base_timestamp,
        max_timestamp,
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
        record_count,
    )
    out[HEADER_BYTES:] = body
    write_crc(out, 0, len(out))
    return bytes(out)
