"""CountRecords (API key 20004, Odradek's own), version 0: how many records lie between two offsets of partitions.

It goes to the partitions' leaders. Kafka has no such API: a broker that has it advertises it to Odradek's client.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int8, Int16, Int32, Int64, String

TO_THE_END = -1


class CountRecordsPartition(Struct, frozen=True):
    partition_index: Int32 = 0
    current_leader_epoch: Int32 = -1
    """The leader epoch that the client believes in, -1 where it does not say."""
    begin_offset: Int64 = 0
    end_offset: Int64 = TO_THE_END
    """The first offset that is not counted; -1, or one behind it, stands for the end of what may be read."""


class CountRecordsTopic(Struct, frozen=True):
    name: String = ""
    partitions: Array[CountRecordsPartition] = ()


class CountRecordsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20004
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    isolation_level: Int8 = 0
    """0 counts up to the high watermark, 1 up to the last stable offset, and leaves out what was aborted."""
    topics: Array[CountRecordsTopic] = ()


class CountRecordsPartitionResponse(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    log_start_offset: Int64 = -1
    end_offset: Int64 = -1
    """The end of what may be read."""
    records: Int64 = -1
    size_bytes: Int64 = -1
    """Of the batches that hold these records."""
    next_timestamp: Int64 = -1
    """Of the first of these records; -1 where there is none, or it has no time."""


class CountRecordsTopicResponse(Struct, frozen=True):
    name: String = ""
    partitions: Array[CountRecordsPartitionResponse] = ()


class CountRecordsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20004
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    now_ms: Int64 = -1
    """By the broker's clock, so that the age of a record is told by one clock."""
    topics: Array[CountRecordsTopicResponse] = ()
