"""Batches to records, as a consumer hands them out."""

from __future__ import annotations

from functools import partial

from odradek.consumer.partition import DecodeBatch, RawRecord, corrupt
from odradek.metadata import TopicPartition
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import crc_is_valid, read_header
from odradek.protocol.records.record import MAX_UNCOMPRESSED_BYTES, decode_batch_as
from odradek.record import Record


def decode_for(topic_partition: TopicPartition) -> DecodeBatch:
    """A function that decodes batches of this partition."""
    make = partial(Record, *topic_partition)

    def decode(buffer: memoryview, at: int, begin: int) -> list[RawRecord]:
        """The records of the batch there, from offset `begin` on. Raises CorruptRecords."""
        header = read_header(buffer, at)
        if not crc_is_valid(buffer, at, header):
            raise corrupt(topic_partition, header.base_offset, "the checksum is wrong", header.next_offset)
        try:
            records: list[RawRecord] = decode_batch_as(make, buffer, at, MAX_UNCOMPRESSED_BYTES)
        except ProtocolError as error:
            raise corrupt(topic_partition, header.base_offset, error, header.next_offset) from error
        if records and not header.base_offset <= records[0].offset <= records[-1].offset <= header.last_offset:
            why = f"records {records[0].offset} to {records[-1].offset} in a batch up to {header.last_offset}"
            raise corrupt(topic_partition, header.base_offset, why, header.next_offset)
        if records and records[0].offset < begin:
            return [record for record in records if record.offset >= begin]
        return records

    return decode
