"""Batches to records, as a consumer hands them out."""

from __future__ import annotations

from odradek.consumer.partition import DecodeBatch, RawRecord, corrupt
from odradek.metadata import TopicPartition
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import crc_is_valid, read_header
from odradek.protocol.records.record import decode_batch
from odradek.record import Record


def decode(buffer: memoryview, at: int, topic_partition: TopicPartition, begin: int) -> list[RawRecord]:
    """The records of the batch there, from offset `begin` on. Raises CorruptRecords."""
    topic, partition = topic_partition
    try:
        header = read_header(buffer, at)
        if not crc_is_valid(buffer, at, header):
            raise corrupt(topic_partition, header.base_offset, "the checksum is wrong")
        return [
            Record(topic, partition, r.offset, r.timestamp, r.key, r.value, r.headers, r.timestamp_type)
            for r in decode_batch(buffer, at)
            if r.offset >= begin
        ]
    except ProtocolError as error:
        raise corrupt(topic_partition, begin, error) from error


def decode_for(_: TopicPartition) -> DecodeBatch:
    return decode
