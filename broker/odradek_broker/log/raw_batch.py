"""The inside of a batch, as far as the log must look: the bounds and keys of its records, never the records themselves.

Used where a batch is compressed anew, checked (inside.py), or compacted. Records that stay, stay as the bytes they
were: their offsets and timestamps are relative to the batch's, which does not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

MAX_PAYLOAD_BYTES = 256 * 1024 * 1024
"""What a batch may swell to when its compression is undone."""

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
    return uncompressed(records, position, header, MAX_PAYLOAD_BYTES)


def raw_records(payload: Buffer, header: BatchHeader) -> Iterator[RawRecord]:
    """Walk over the records. Raises ProtocolError where they are not what the batch promises.

    Their offsets rise, and none lies outside of the batch: else one record could pass for newer than all of its key.
    """
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


def with_records(
    header: BatchHeader, payload: Buffer, kept: Sequence[RawRecord], delete_horizon_ms: int | None
) -> bytes:
    """The same batch with fewer records, or none: offsets, producer and sequence numbers stay (KIP-534).

    A delete horizon takes the place of the base timestamp, so that the deltas of the records are written anew.
    """
    base_timestamp, attributes = header.base_timestamp, header.attributes
    if delete_horizon_ms is None:
        pieces = [payload[record.start : record.end] for record in kept]
    else:
        base_timestamp, attributes = delete_horizon_ms, attributes | DELETE_HORIZON_FLAG
        pieces = [_rebased(payload, record, header.base_timestamp - delete_horizon_ms) for record in kept]
    if not kept:
        attributes &= ~(CODEC_MASK | DELETE_HORIZON_FLAG)
        base_timestamp = header.max_timestamp
    if header.timestamp_type_log_append or not kept:
        max_timestamp = header.max_timestamp
    else:
        max_timestamp = max(record.timestamp(header) for record in kept)
    return assemble(
        header,
        attributes=attributes,
        base_timestamp=base_timestamp,
        max_timestamp=max_timestamp,
        record_count=len(kept),
        payload=b"".join(pieces),
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
