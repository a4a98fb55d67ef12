"""What two other Python clients make of records, in one shape: independent implementations to compare ours with."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import aiokafka.partitioner
import aiokafka.record
from aiokafka.record.default_records import DefaultRecordBatchBuilder as AiokafkaBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder as AiokafkaLegacyBuilder

from odradek.protocol.records.record import Record

with warnings.catch_warnings():  # kafka-python reads its own files in a way that Python 3.11 has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka.partitioner.default
    import kafka.record
    from kafka.record.default_records import DefaultRecordBatchBuilder as KafkaPythonBatchBuilder
    from kafka.record.legacy_records import LegacyRecordBatchBuilder as KafkaPythonLegacyBuilder


class OtherClient(NamedTuple):
    name: str
    memory_records: Any
    batch_builder: Any
    legacy_builder: Any
    murmur2: Any

    def read(self, data: bytes | bytearray) -> list[Record]:
        """All records in batches and message sets, each checked against its checksum."""
        records = []
        memory_records = self.memory_records(bytes(data))
        while memory_records.has_next():
            batch = memory_records.next_batch()
            assert batch.validate_crc()
            records += [_record(read) for read in batch]
        return records

    def build(self, records: Iterable[Record], codec: int, **attributes: Any) -> bytes:
        """One batch of magic 2."""
        given = {"is_transactional": False, "producer_id": -1, "producer_epoch": -1, "base_sequence": -1, **attributes}
        builder = self.batch_builder(magic=2, compression_type=codec, batch_size=2**30, **given)
        for place, record in enumerate(records):
            assert builder.append(place, record.timestamp, record.key, record.value, list(record.headers)) is not None
        return bytes(builder.build())

    def build_message_set(self, records: Iterable[Record], magic: int, codec: int) -> bytes:
        """A message set of magic 0 or 1; with a codec, one wrapper."""
        builder = self.legacy_builder(magic, codec, 2**30)
        for place, record in enumerate(records):
            assert builder.append(place, record.timestamp, record.key, record.value) is not None
        return bytes(builder.build())


def _record(read: Any) -> Record:
    headers = tuple((name, content) for name, content in read.headers or ())
    return Record(read.offset, read.timestamp, read.key, read.value, headers, read.timestamp_type)


AIOKAFKA = OtherClient(
    "aiokafka",
    aiokafka.record.MemoryRecords,
    AiokafkaBatchBuilder,
    AiokafkaLegacyBuilder,
    aiokafka.partitioner.murmur2,
)
KAFKA_PYTHON = OtherClient(
    "kafka-python",
    kafka.record.MemoryRecords,
    KafkaPythonBatchBuilder,
    KafkaPythonLegacyBuilder,
    kafka.partitioner.default.murmur2,
)
OTHER_CLIENTS = (AIOKAFKA, KAFKA_PYTHON)
