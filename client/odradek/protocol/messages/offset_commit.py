"""OffsetCommit (API key 8), versions 2-10: store a group's positions.

Versions
    3 throttle_time_ms    5 retention_time_ms goes    6 committed_leader_epoch (KIP-320)
    7 group_instance_id (KIP-345)    8 flexible    9 for members of the new protocol too (KIP-848)
    10 topic_id instead of name (KIP-848)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, Int64, Since, String, Until, Uuid


class OffsetCommitRequestPartition(Struct, frozen=True):
    partition_index: Int32 = 0
    committed_offset: Int64 = 0
    committed_leader_epoch: Annotated[Int32, Since(6)] = -1
    committed_metadata: String | None = ""


class OffsetCommitRequestTopic(Struct, frozen=True):
    name: Annotated[String, Until(9)] = ""
    topic_id: Annotated[Uuid, Since(10)] = ZERO_UUID
    partitions: Array[OffsetCommitRequestPartition] = ()


class OffsetCommitRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 8
    VERSIONS: ClassVar[range] = range(2, 11)
    FLEXIBLE: ClassVar[int | None] = 8

    group_id: String = ""
    generation_id_or_member_epoch: Int32 = -1
    """-1 from one who commits without being a member."""
    member_id: String = ""
    group_instance_id: Annotated[String | None, Since(7)] = None
    retention_time_ms: Annotated[Int64, Until(4)] = -1
    topics: Array[OffsetCommitRequestTopic] = ()


class OffsetCommitResponsePartition(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0


class OffsetCommitResponseTopic(Struct, frozen=True):
    name: Annotated[String, Until(9)] = ""
    topic_id: Annotated[Uuid, Since(10)] = ZERO_UUID
    partitions: Array[OffsetCommitResponsePartition] = ()


class OffsetCommitResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 8
    VERSIONS: ClassVar[range] = range(2, 11)
    FLEXIBLE: ClassVar[int | None] = 8

    throttle_time_ms: Annotated[Int32, Since(3)] = 0
    topics: Array[OffsetCommitResponseTopic] = ()
