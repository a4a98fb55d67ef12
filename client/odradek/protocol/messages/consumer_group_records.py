"""Keys and values of __consumer_offsets for groups of the new protocol (KIP-848).

Framed as in group_metadata: an int16 kind (API_KEY) before a key, an int16 version before a value.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Bytes, Int8, Int32, Int64, String, Tag, Uuid


class ConsumerGroupMetadataKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 3
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""


class ConsumerGroupMetadataValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 3
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    epoch: Int32 = 0
    metadata_hash: Annotated[Int64, Tag(0)] = 0


class ConsumerGroupPartitionMetadataKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 4
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""


class PartitionMetadata(Struct, frozen=True):
    partition: Int32 = 0
    racks: Array[String] = ()


class TopicMetadata(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    topic_name: String = ""
    num_partitions: Int32 = 0
    partition_metadata: Array[PartitionMetadata] = ()


class ConsumerGroupPartitionMetadataValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 4
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    topics: Array[TopicMetadata] = ()


class ConsumerGroupMemberMetadataKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 5
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""
    member_id: String = ""


class ClassicProtocol(Struct, frozen=True):
    name: String = ""
    metadata: Bytes = b""


class ClassicMemberMetadata(Struct, frozen=True):
    session_timeout_ms: Int32 = 0
    supported_protocols: Array[ClassicProtocol] = ()


class ConsumerGroupMemberMetadataValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 5
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    instance_id: String | None = ""
    rack_id: String | None = ""
    client_id: String = ""
    client_host: String = ""
    subscribed_topic_names: Array[String] = ()
    subscribed_topic_regex: String | None = ""
    rebalance_timeout_ms: Int32 = -1
    server_assignor: String | None = ""
    classic_member_metadata: Annotated[ClassicMemberMetadata | None, Tag(0)] = ClassicMemberMetadata()


class ConsumerGroupTargetAssignmentMetadataKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 6
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""


class ConsumerGroupTargetAssignmentMetadataValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 6
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    assignment_epoch: Int32 = 0
    assignment_timestamp: Annotated[Int64, Tag(0)] = 0


class ConsumerGroupTargetAssignmentMemberKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 7
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""
    member_id: String = ""


class TopicPartition(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[Int32] = ()


class ConsumerGroupTargetAssignmentMemberValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 7
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    topic_partitions: Array[TopicPartition] = ()


class ConsumerGroupCurrentMemberAssignmentKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 8
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""
    member_id: String = ""


class TopicPartitions(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[Int32] = ()
    assignment_epochs: Annotated[Array[Int32] | None, Tag(0)] = ()


class ConsumerGroupCurrentMemberAssignmentValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 8
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    member_epoch: Int32 = 0
    previous_member_epoch: Int32 = 0
    state: Int8 = 0
    assigned_partitions: Array[TopicPartitions] = ()
    partitions_pending_revocation: Array[TopicPartitions] = ()


class ConsumerGroupRegularExpressionKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 16
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""
    regular_expression: String = ""


class ConsumerGroupRegularExpressionValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 16
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    topics: Array[String] = ()
    version: Int64 = 0
    timestamp: Int64 = 0
