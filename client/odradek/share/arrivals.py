"""Records out of the answer to a ShareFetch: those that are ours, each with how often it has been delivered. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, cast

from odradek.consumer.decoding import decode_for
from odradek.consumer.partition import RawRecord, corrupt
from odradek.errors import BadAnswer
from odradek.protocol.messages.share_fetch import PartitionData
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import iter_headers
from odradek.protocol.topic_partition import TopicPartition

MOST_AT_ONCE = 1_000_000
"""Offsets that a partition may give us by one answer, which is more than a batch has. Each is kept in memory."""


class Arrived(NamedTuple):
    record: RawRecord
    delivery_count: int


class Arrivals(NamedTuple):
    """Of one partition."""

    records: list[Arrived]
    gaps: list[int]
    """Offsets that were given to us, at which there is no record: compaction's, or a transaction's marker."""


def arrivals_of(partition: TopicPartition, data: PartitionData, max_bytes: int) -> Arrivals:
    """Raises CorruptRecords, BadAnswer."""
    offset_count = sum(max(0, each.last_offset - each.first_offset + 1) for each in data.acquired_records)
    if offset_count > MOST_AT_ONCE:
        raise BadAnswer(f"{partition}: {offset_count} offsets are said to be ours by one answer")
    counts = {
        offset: each.delivery_count
        for each in data.acquired_records
        for offset in range(each.first_offset, each.last_offset + 1)
    }
    arrived = []
    if counts:
        try:
            arrived = [
                Arrived(record, counts.pop(record.offset))
                for record in _records(partition, cast("memoryview", data.records), max_bytes)
                if record.offset in counts
            ]
        except ProtocolError as error:
            raise corrupt(partition, min(counts, default=0), str(error)) from error
    return Arrivals(arrived, list(counts))


def _records(partition: TopicPartition, buffer: memoryview, max_bytes: int) -> Iterable[RawRecord]:
    opened = decode_for(partition, max_bytes)
    for position, header in iter_headers(buffer):
        if header.is_control:
            continue
        batch = opened(buffer, position)
        while batch.has_more:
            yield from batch.take(header.base_offset)
