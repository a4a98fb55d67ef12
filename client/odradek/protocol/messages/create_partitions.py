"""CreatePartitions (API key 37), versions 0-3: raise the number of partitions of topics.

Versions
    2 flexible    3 THROTTLING_QUOTA_EXCEEDED may be answered (KIP-599)
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int16, Int32, String


class CreatePartitionsAssignment(Struct, frozen=True):
    broker_ids: Array[Int32] = ()


class CreatePartitionsTopic(Struct, frozen=True):
    name: String = ""
    count: Int32 = 0
    """The number of partitions that there will be, not how many are added."""
    assignments: Array[CreatePartitionsAssignment] | None = ()
    """One per new partition; null lets the controller place them."""


class CreatePartitionsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 37
    VERSIONS: ClassVar[range] = range(4)
    FLEXIBLE: ClassVar[int | None] = 2

    topics: Array[CreatePartitionsTopic] = ()
    timeout_ms: Int32 = 0
    validate_only: Boolean = False


class CreatePartitionsTopicResult(Struct, frozen=True):
    name: String = ""
    error_code: Int16 = 0
    error_message: String | None = None


class CreatePartitionsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 37
    VERSIONS: ClassVar[range] = range(4)
    FLEXIBLE: ClassVar[int | None] = 2

    throttle_time_ms: Int32 = 0
    results: Array[CreatePartitionsTopicResult] = ()
