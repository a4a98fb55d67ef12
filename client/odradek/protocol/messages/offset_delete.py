"""OffsetDelete (API key 47), version 0: delete committed offsets of a group (KIP-496)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, Int32, String


class OffsetDeleteRequestPartition(Struct, frozen=True):
    partition_index: Int32 = 0


class OffsetDeleteRequestTopic(Struct, frozen=True):
    name: String = ""
    partitions: Array[OffsetDeleteRequestPartition] = ()


class OffsetDeleteRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 47
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""
    topics: Array[OffsetDeleteRequestTopic] = ()


class OffsetDeleteResponsePartition(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0


class OffsetDeleteResponseTopic(Struct, frozen=True):
    name: String = ""
    partitions: Array[OffsetDeleteResponsePartition] = ()


class OffsetDeleteResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 47
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    error_code: Int16 = 0
    throttle_time_ms: Int32 = 0
    topics: Array[OffsetDeleteResponseTopic] = ()
