"""AlterShareGroupOffsets (API key 91), version 0: set the start offsets of a share group (KIP-932)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, Int64, String, Uuid


class AlterShareGroupOffsetsRequestPartition(Struct, frozen=True):
    partition_index: Int32 = 0
    start_offset: Int64 = 0


class AlterShareGroupOffsetsRequestTopic(Struct, frozen=True):
    topic_name: String = ""
    partitions: Array[AlterShareGroupOffsetsRequestPartition] = ()


class AlterShareGroupOffsetsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 91
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    group_id: String = ""
    topics: Array[AlterShareGroupOffsetsRequestTopic] = ()


class AlterShareGroupOffsetsResponsePartition(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None


class AlterShareGroupOffsetsResponseTopic(Struct, frozen=True):
    topic_name: String = ""
    topic_id: Uuid = ZERO_UUID
    partitions: Array[AlterShareGroupOffsetsResponsePartition] = ()


class AlterShareGroupOffsetsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 91
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    responses: Array[AlterShareGroupOffsetsResponseTopic] = ()
