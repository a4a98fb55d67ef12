"""OffsetFetch (API key 9), versions 1-10: read a group's committed positions.

Versions
    2 null topics mean all; error_code    3 throttle_time_ms    5 committed_leader_epoch    6 flexible
    7 require_stable (KIP-447)    8 many groups at once: groups (KIP-709)    9 member_id, member_epoch (KIP-848)
    10 topic_id instead of name (KIP-848)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import (
    ZERO_UUID,
    Array,
    Boolean,
    Int16,
    Int32,
    Int64,
    NullableSince,
    Since,
    String,
    Until,
    Uuid,
)


class OffsetFetchRequestTopic(Struct, frozen=True):
    name: String = ""
    partition_indexes: Array[Int32] = ()


class OffsetFetchRequestTopics(Struct, frozen=True):
    name: Annotated[String, Until(9)] = ""
    topic_id: Annotated[Uuid, Since(10)] = ZERO_UUID
    partition_indexes: Array[Int32] = ()


class OffsetFetchRequestGroup(Struct, frozen=True):
    group_id: String = ""
    member_id: Annotated[String | None, Since(9)] = None
    member_epoch: Annotated[Int32, Since(9)] = -1
    topics: Array[OffsetFetchRequestTopics] | None = ()


class OffsetFetchRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 9
    VERSIONS: ClassVar[range] = range(1, 11)
    FLEXIBLE: ClassVar[int | None] = 6

    group_id: Annotated[String, Until(7)] = ""
    topics: Annotated[Array[OffsetFetchRequestTopic] | None, Until(7), NullableSince(2)] = ()
    """Null asks for all, from version 2 on."""
    groups: Annotated[Array[OffsetFetchRequestGroup], Since(8)] = ()
    require_stable: Annotated[Boolean, Since(7)] = False
    """Answer UNSTABLE_OFFSET_COMMIT while a transaction may still change an offset."""


class OffsetFetchResponsePartition(Struct, frozen=True):
    partition_index: Int32 = 0
    committed_offset: Int64 = 0
    """-1 where nothing has been committed."""
    committed_leader_epoch: Annotated[Int32, Since(5)] = -1
    metadata: String | None = ""
    error_code: Int16 = 0


class OffsetFetchResponseTopic(Struct, frozen=True):
    name: String = ""
    partitions: Array[OffsetFetchResponsePartition] = ()


class OffsetFetchResponsePartitions(Struct, frozen=True):
    partition_index: Int32 = 0
    committed_offset: Int64 = 0
    """-1 where nothing has been committed."""
    committed_leader_epoch: Int32 = -1
    metadata: String | None = ""
    error_code: Int16 = 0


class OffsetFetchResponseTopics(Struct, frozen=True):
    name: Annotated[String, Until(9)] = ""
    topic_id: Annotated[Uuid, Since(10)] = ZERO_UUID
    partitions: Array[OffsetFetchResponsePartitions] = ()


class OffsetFetchResponseGroup(Struct, frozen=True):
    group_id: String = ""
    topics: Array[OffsetFetchResponseTopics] = ()
    error_code: Int16 = 0


class OffsetFetchResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 9
    VERSIONS: ClassVar[range] = range(1, 11)
    FLEXIBLE: ClassVar[int | None] = 6

    throttle_time_ms: Annotated[Int32, Since(3)] = 0
    topics: Annotated[Array[OffsetFetchResponseTopic], Until(7)] = ()
    error_code: Annotated[Int16, Since(2), Until(7)] = 0
    groups: Annotated[Array[OffsetFetchResponseGroup], Since(8)] = ()
