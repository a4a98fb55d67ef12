"""Keys and values of __consumer_offsets for share groups (KIP-932).

Framed as in group_metadata: an int16 kind (API_KEY) before a key, an int16 version before a value.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int8, Int32, Int64, String, Tag, Uuid


class ShareGroupMetadataKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 11
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""


class ShareGroupMetadataValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 11
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    epoch: Int32 = 0
    metadata_hash: Int64 = 0


class ShareGroupMemberMetadataKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 10
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""
    member_id: String = ""


class ShareGroupMemberMetadataValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 10
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    rack_id: String | None = ""
    client_id: String = ""
    client_host: String = ""
    subscribed_topic_names: Array[String] = ()


class ShareGroupTargetAssignmentMetadataKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 12
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""


class ShareGroupTargetAssignmentMetadataValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 12
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    assignment_epoch: Int32 = 0
    assignment_timestamp: Annotated[Int64, Tag(0)] = 0


class ShareGroupTargetAssignmentMemberKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 13
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""
    member_id: String = ""


class TopicPartition(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[Int32] = ()


class ShareGroupTargetAssignmentMemberValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 13
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    topic_partitions: Array[TopicPartition] = ()


class ShareGroupCurrentMemberAssignmentKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 14
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""
    member_id: String = ""


class TopicPartitions(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[Int32] = ()


class ShareGroupCurrentMemberAssignmentValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 14
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    member_epoch: Int32 = 0
    previous_member_epoch: Int32 = 0
    state: Int8 = 0
    assigned_partitions: Array[TopicPartitions] = ()


class ShareGroupStatePartitionMetadataKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 15
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""


class TopicPartitionsInfo(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    topic_name: String = ""
    partitions: Array[Int32] = ()


class TopicInfo(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    topic_name: String = ""


class ShareGroupStatePartitionMetadataValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 15
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    initializing_topics: Array[TopicPartitionsInfo] = ()
    initialized_topics: Array[TopicPartitionsInfo] = ()
    deleting_topics: Array[TopicInfo] = ()
