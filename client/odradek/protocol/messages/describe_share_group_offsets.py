"""DescribeShareGroupOffsets (API key 90), versions 0-1: read the start offsets of share groups (KIP-932).

Versions
    1 lag (KIP-1226)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, Int64, Since, String, Uuid


class DescribeShareGroupOffsetsRequestTopic(Struct, frozen=True):
    topic_name: String = ""
    partitions: Array[Int32] = ()


class DescribeShareGroupOffsetsRequestGroup(Struct, frozen=True):
    group_id: String = ""
    topics: Array[DescribeShareGroupOffsetsRequestTopic] | None = ()


class DescribeShareGroupOffsetsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 90
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    groups: Array[DescribeShareGroupOffsetsRequestGroup] = ()


class DescribeShareGroupOffsetsResponsePartition(Struct, frozen=True):
    partition_index: Int32 = 0
    start_offset: Int64 = 0
    leader_epoch: Int32 = 0
    lag: Annotated[Int64, Since(1)] = -1
    error_code: Int16 = 0
    error_message: String | None = None


class DescribeShareGroupOffsetsResponseTopic(Struct, frozen=True):
    topic_name: String = ""
    topic_id: Uuid = ZERO_UUID
    partitions: Array[DescribeShareGroupOffsetsResponsePartition] = ()


class DescribeShareGroupOffsetsResponseGroup(Struct, frozen=True):
    group_id: String = ""
    topics: Array[DescribeShareGroupOffsetsResponseTopic] = ()
    error_code: Int16 = 0
    error_message: String | None = None


class DescribeShareGroupOffsetsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 90
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    groups: Array[DescribeShareGroupOffsetsResponseGroup] = ()
