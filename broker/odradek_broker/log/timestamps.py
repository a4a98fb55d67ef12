"""Finding a record by its time, inside the batch that must hold it."""

from __future__ import annotations

from typing import NamedTuple

from odradek.protocol.primitives import Buffer
from odradek.protocol.records.batch import BatchHeader
from odradek_broker.log.raw_batch import payload_of, raw_records


class TimestampOffset(NamedTuple):
    timestamp: int
    offset: int
    leader_epoch: int


def first_record_as_young_as(
    batch: Buffer, header: BatchHeader, timestamp: int, from_offset: int
) -> TimestampOffset | None:
    """The first record at or behind `from_offset` whose timestamp reaches `timestamp`. Raises ProtocolError."""
    epoch = header.partition_leader_epoch
    if header.timestamp_type_log_append:
        return TimestampOffset(header.max_timestamp, max(header.base_offset, from_offset), epoch)
    for record in raw_records(payload_of(batch, 0, header), header.record_count):
        offset = header.base_offset + record.offset_delta
        found = header.base_timestamp + record.timestamp_delta
        if found >= timestamp and offset >= from_offset:
            return TimestampOffset(found, offset, epoch)
    return None
