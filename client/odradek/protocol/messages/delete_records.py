"""DeleteRecords (API key 21), versions 0-2: move the log start of partitions forward.

Versions
    2 flexible
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, Int32, Int64, String


class DeleteRecordsPartition(Struct, frozen=True):
    partition_index: Int32 = 0
    offset: Int64 = 0
    """The new log start; -1 stands for the high watermark."""


class DeleteRecordsTopic(Struct, frozen=True):
    name: String = ""
    partitions: Array[DeleteRecordsPartition] = ()


class DeleteRecordsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 21
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 2

    topics: Array[DeleteRecordsTopic] = ()
    timeout_ms: Int32 = 0


class DeleteRecordsPartitionResult(Struct, frozen=True):
    partition_index: Int32 = 0
    low_watermark: Int64 = 0
    """The smallest log start of all live replicas."""
    error_code: Int16 = 0


class DeleteRecordsTopicResult(Struct, frozen=True):
    name: String = ""
    partitions: Array[DeleteRecordsPartitionResult] = ()


class DeleteRecordsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 21
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 2

    throttle_time_ms: Int32 = 0
    topics: Array[DeleteRecordsTopicResult] = ()
