"""The times of records: which a topic takes, and finding a record by its time, inside the batch that must hold it."""

from __future__ import annotations

from typing import NamedTuple

from odradek.protocol.primitives import Buffer
from odradek.protocol.records.batch import NO_TIMESTAMP, BatchHeader
from odradek_broker.log.config import LogConfig
from odradek_broker.log.raw_batch import payload_of, raw_records

_LONGEST_MS = 2**63 - 1
"""Kafka reckons in 64 bits: what lies further back counts as the future."""


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
    for record in raw_records(payload_of(batch, 0, header), header):
        offset = header.base_offset + record.offset_delta
        found = record.timestamp(header)
        if found >= timestamp and offset >= from_offset:
            return TimestampOffset(found, offset, epoch)
    return None


def timestamp_fault(timestamp: int, config: LogConfig, now_ms: int) -> str | None:
    """Why a topic does not take a record of that time. One without a time (-1) is taken."""
    if config.log_append_time or timestamp == NO_TIMESTAMP:
        return None
    age_ms = now_ms - timestamp
    if -age_ms > config.message_timestamp_after_max_ms:
        return f"timestamp {timestamp} lies too far in the future"
    if age_ms > min(config.message_timestamp_before_max_ms, _LONGEST_MS):
        return f"timestamp {timestamp} lies too far in the past"
    return None
