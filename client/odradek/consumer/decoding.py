"""Batches to records, as a consumer hands them out.

RECORDS_AT_ONCE at a time, so that a batch of millions of records is never in memory as so many objects; and no batch is
undone that would be larger than the program allows.
"""

from __future__ import annotations

from functools import partial

from odradek.consumer.partition import DecodeBatch, RawRecord, RecordsOfBatch, corrupt
from odradek.protocol.records.batch import crc_is_valid, read_header
from odradek.protocol.records.codecs import Codec
from odradek.protocol.records.control import read_end_transaction_marker
from odradek.protocol.records.record import BatchReader
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Marker, Record

RECORDS_AT_ONCE = 10_000
DECOMPRESSED_MAX_BYTES = 64 * 1024 * 1024


class OpenBatch:
    """A batch whose records are being taken."""

    def __init__(self, topic_partition: TopicPartition, max_bytes: int, buffer: memoryview, position: int) -> None:
        """Raises CorruptRecords, ProtocolError."""
        self._topic_partition = topic_partition
        self._header = header = read_header(buffer, position)
        if not crc_is_valid(buffer, position, header):
            raise corrupt(topic_partition, header.base_offset, "the checksum is wrong", header.next_offset)
        limit = header.size_bytes if header.codec == Codec.NONE else max_bytes
        self._reader: BatchReader[RawRecord] = BatchReader(partial(Record, *topic_partition), buffer, position, limit)

    @property
    def has_more(self) -> bool:
        return self._reader.left > 0

    def take(self, begin: int) -> list[RawRecord]:
        """The next records, without those before offset `begin`. Raises CorruptRecords, ProtocolError."""
        header, records = self._header, self._reader.take(RECORDS_AT_ONCE)
        if records and not header.base_offset <= records[0].offset <= records[-1].offset <= header.last_offset:
            why = f"records {records[0].offset} to {records[-1].offset} in a batch up to {header.last_offset}"
            raise corrupt(self._topic_partition, header.base_offset, why, header.next_offset)
        if records and records[0].offset < begin:
            return [record for record in records if record.offset >= begin]
        return records


class OpenMarker:
    """A control batch: a marker, or nothing that a program cares for."""

    has_more = False

    def __init__(self, topic_partition: TopicPartition, buffer: memoryview, position: int) -> None:
        """Raises CorruptRecords, ProtocolError."""
        self._topic_partition = topic_partition
        self._header = header = read_header(buffer, position)
        if not crc_is_valid(buffer, position, header):
            raise corrupt(topic_partition, header.base_offset, "the checksum is wrong", header.next_offset)
        self._marker = read_end_transaction_marker(buffer, position)

    def take(self, begin: int) -> list[RawRecord]:
        header, marker = self._header, self._marker
        if marker is None or header.base_offset < begin:
            return []
        return [
            Marker(
                *self._topic_partition,
                header.base_offset,
                header.max_timestamp,
                None,
                None,
                producer_id=header.producer_id,
                producer_epoch=header.producer_epoch,
                committed=marker.committed,
            )
        ]


def open_any(topic_partition: TopicPartition, max_bytes: int, buffer: memoryview, position: int) -> RecordsOfBatch:
    """For a consumer that is shown markers. Raises CorruptRecords, ProtocolError."""
    if read_header(buffer, position).is_control:
        return OpenMarker(topic_partition, buffer, position)
    return OpenBatch(topic_partition, max_bytes, buffer, position)


def decode_for(
    topic_partition: TopicPartition, max_bytes: int = DECOMPRESSED_MAX_BYTES, *, show_markers: bool = False
) -> DecodeBatch:
    """What opens batches of this partition. `max_bytes`: what one may swell to when its compression is undone."""
    return partial(open_any if show_markers else OpenBatch, topic_partition, max_bytes)
