"""Keys and values of __consumer_offsets: committed offsets, and groups of the classic protocol.

A key is an int16, which says what kind of record this is (API_KEY), followed by the key's body, always in version 0. A
value is an int16 version and the value's body. A null value is a tombstone. Kind 0 is how the oldest brokers wrote an
offset; a reader takes it as kind 1.

Versions of OffsetCommitValue
    1 expire_timestamp, in this version only    3 leader_epoch    4 flexible
Versions of GroupMetadataValue
    1 rebalance_timeout    2 current_state_timestamp    3 group_instance_id    4 flexible
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Bytes, Int32, Int64, Since, String, Tag, Until, Uuid


class LegacyOffsetCommitKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 0
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group: String = ""
    topic: String = ""
    partition: Int32 = 0


class LegacyOffsetCommitValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 0
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    offset: Int64 = 0
    metadata: String = ""
    commit_timestamp: Int64 = 0


class OffsetCommitKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 1
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group: String = ""
    topic: String = ""
    partition: Int32 = 0


class OffsetCommitValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 1
    VERSIONS: ClassVar[range] = range(5)
    FLEXIBLE: ClassVar[int | None] = 4

    offset: Int64 = 0
    leader_epoch: Annotated[Int32, Since(3)] = -1
    metadata: String = ""
    commit_timestamp: Int64 = 0
    expire_timestamp: Annotated[Int64, Since(1), Until(1)] = -1
    topic_id: Annotated[Uuid, Since(4), Tag(0)] = ZERO_UUID


class GroupMetadataKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 2
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group: String = ""


class MemberMetadata(Struct, frozen=True):
    member_id: String = ""
    group_instance_id: Annotated[String | None, Since(3)] = None
    client_id: String = ""
    client_host: String = ""
    rebalance_timeout: Annotated[Int32, Since(1)] = -1
    session_timeout: Int32 = 0
    subscription: Bytes = b""
    assignment: Bytes = b""


class GroupMetadataValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 2
    VERSIONS: ClassVar[range] = range(5)
    FLEXIBLE: ClassVar[int | None] = 4

    protocol_type: String = ""
    generation: Int32 = 0
    protocol: String | None = ""
    leader: String | None = ""
    current_state_timestamp: Annotated[Int64, Since(2)] = -1
    members: Array[MemberMetadata] = ()
