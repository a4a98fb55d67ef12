"""How far a leader looks inside of a client's batch: whether its records are what its header says.

    every batch           the first FEW records, and that the rest has room; all of them where there are no more. So a
                          batch of few records is never taken with a count that is not theirs.
    a compressed one      likewise, but only where it is small, or announces more records than it has bytes: to undo
                          every batch would take longer than to append it
    of a compacted topic  every record, its key, offset and time
    where max.decompressed.message.bytes is set    the length of every record of a compressed batch

Invariants
    The work has a bound before it is begun: FEW steps, and SMALL_PAYLOAD_BYTES or LOOKED_INTO_BYTES to be undone.
    Nothing is made of a record, and nothing is copied that was not compressed.
"""

from __future__ import annotations

from typing import NamedTuple

from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import Buffer, ProtocolError, read_varint
from odradek.protocol.records import record
from odradek.protocol.records.batch import CODEC_MASK, HEADER_BYTES, LENGTH_COVERS_FROM, BatchHeader
from odradek_broker.log.config import LogConfig
from odradek_broker.log.raw_batch import MIN_RECORD_BYTES, RawRecord, payload_of, raw_records
from odradek_broker.log.timestamps import timestamp_fault

FEW = 6
SMALL_BYTES = 512
SMALL_PAYLOAD_BYTES = 64 * 1024
LOOKED_INTO_BYTES = 16 * 1024 * 1024
MOST_FAULTS = 10_000
"""As many as librdkafka puts in a batch: it fails exactly the records that it is told of."""

NO_KEY = "a compacted topic takes only records with a key"


class RecordFault(NamedTuple):
    error: ErrorCode
    message: str
    record_index: int | None = None
    """Of the record that is to blame, where it is a single one."""


def count_fault(records: Buffer, position: int, header: BatchHeader) -> str | None:
    """Why the batch cannot hold as many records as it announces, as far as a short look tells."""
    size_bytes = header.batch_length - (HEADER_BYTES - LENGTH_COVERS_FROM)
    if not header.attributes & CODEC_MASK:
        position += HEADER_BYTES
        return _count_fault(records, position, position + size_bytes, header.record_count)
    is_unlikely = header.record_count > size_bytes
    if not is_unlikely and size_bytes > SMALL_BYTES:
        return None
    try:
        limit = LOOKED_INTO_BYTES if is_unlikely else SMALL_PAYLOAD_BYTES
        payload = record.payload_of(records, position, header, limit)
    except ProtocolError as error:
        return f"{header.record_count} records announced in {size_bytes} bytes: {error}" if is_unlikely else None
    return _count_fault(payload, 0, len(payload), header.record_count)


def long_record_fault(records: Buffer, position: int, header: BatchHeader, limit: int) -> str | None:
    """Why a compressed batch holds a record of more bytes than the limit, by the record's own account; as in Kafka the
    batch may come to more. Of what cannot be undone that is said."""
    try:
        payload = payload_of(records, position, header)
        position = 0
        for number in range(header.record_count):
            length, start = read_varint(payload, position)
            if length > limit:
                return f"record {number} has {length} bytes, and max.decompressed.message.bytes is {limit}"
            position = max(start + length, start)
    except (ProtocolError, IndexError) as error:
        return f"it cannot be looked into: {error}"
    return None


def _count_fault(payload: Buffer, position: int, end: int, count: int) -> str | None:
    """Lengths of one and two bytes are read in place: this is done for every batch that is ever produced."""
    left = count
    try:
        for _ in range(FEW if count > FEW else count):
            byte = payload[position]
            if byte < 0x80:
                position += 1 + (byte >> 1)
            elif (high := payload[position + 1]) < 0x80:
                position += 2 + ((byte & 0x7F | high << 7) >> 1)
            else:
                length, position = read_varint(payload, position)
                position += length
            if byte & 1 or position > end:
                break
            left -= 1
    except (IndexError, ProtocolError):
        pass
    looked_at_all = left == max(count - FEW, 0)
    if not looked_at_all or position + left * MIN_RECORD_BYTES > end or (left == 0 and position != end):
        return f"{count} records announced, {count - left} found, and {end - position} bytes for the rest"
    return None


def compacted_faults(
    records: Buffer, position: int, header: BatchHeader, config: LogConfig, now_ms: int
) -> list[RecordFault]:
    """What of the records a compacted topic does not take: each that is to blame, up to MOST_FAULTS."""
    found: list[RecordFault] = []
    try:
        for index, each in enumerate(raw_records(payload_of(records, position, header), header)):
            fault = _compacted_fault(index, each, header, config, now_ms)
            if fault is not None:
                found.append(fault)
                if len(found) == MOST_FAULTS:
                    break
    except ProtocolError as error:
        return [RecordFault(ErrorCode.INVALID_RECORD, str(error))]
    return found


def _compacted_fault(
    index: int, each: RawRecord, header: BatchHeader, config: LogConfig, now_ms: int
) -> RecordFault | None:
    if each.key is None:
        return RecordFault(ErrorCode.INVALID_RECORD, NO_KEY, index)
    if each.offset_delta != index:
        return RecordFault(ErrorCode.INVALID_RECORD, f"record {index} is numbered {each.offset_delta}", index)
    late_or_early = timestamp_fault(each.timestamp(header), config, now_ms)
    return None if late_or_early is None else RecordFault(ErrorCode.INVALID_TIMESTAMP, late_or_early, index)
