"""Keys and values of __consumer_offsets for streams groups (KIP-1071).

Framed as in group_metadata: an int16 kind (API_KEY) before a key, an int16 version before a value.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int8, Int16, Int32, Int64, String, Tag, UInt16


class StreamsGroupMetadataKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 17
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""


class LastAssignmentConfig(Struct, frozen=True):
    key: String = ""
    value: String = ""


class StreamsGroupMetadataValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 17
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    epoch: Int32 = 0
    metadata_hash: Int64 = 0
    validated_topology_epoch: Annotated[Int32, Tag(0)] = -1
    last_assignment_configs: Annotated[Array[LastAssignmentConfig] | None, Tag(1)] = ()


class StreamsGroupMemberMetadataKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 19
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""
    member_id: String = ""


class Endpoint(Struct, frozen=True):
    host: String = ""
    port: UInt16 = 0


class KeyValue(Struct, frozen=True):
    key: String = ""
    value: String = ""


class StreamsGroupMemberMetadataValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 19
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    instance_id: String | None = ""
    rack_id: String | None = ""
    client_id: String = ""
    client_host: String = ""
    rebalance_timeout_ms: Int32 = -1
    topology_epoch: Int32 = 0
    process_id: String = ""
    user_endpoint: Endpoint | None = None
    client_tags: Array[KeyValue] = ()


class StreamsGroupTargetAssignmentMetadataKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""


class StreamsGroupTargetAssignmentMetadataValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    assignment_epoch: Int32 = 0
    assignment_timestamp: Annotated[Int64, Tag(0)] = 0


class StreamsGroupTargetAssignmentMemberKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 21
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""
    member_id: String = ""


class StreamsGroupTargetAssignmentMemberValueTaskIds(Struct, frozen=True):
    subtopology_id: String = ""
    partitions: Array[Int32] = ()


class StreamsGroupTargetAssignmentMemberValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 21
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    active_tasks: Array[StreamsGroupTargetAssignmentMemberValueTaskIds] = ()
    standby_tasks: Array[StreamsGroupTargetAssignmentMemberValueTaskIds] = ()
    warmup_tasks: Array[StreamsGroupTargetAssignmentMemberValueTaskIds] = ()


class StreamsGroupCurrentMemberAssignmentKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 22
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""
    member_id: String = ""


class StreamsGroupCurrentMemberAssignmentValueTaskIds(Struct, frozen=True):
    subtopology_id: String = ""
    partitions: Array[Int32] = ()
    assignment_epochs: Annotated[Array[Int32] | None, Tag(0)] = ()


class StreamsGroupCurrentMemberAssignmentValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 22
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    member_epoch: Int32 = 0
    previous_member_epoch: Int32 = 0
    state: Int8 = 0
    active_tasks: Array[StreamsGroupCurrentMemberAssignmentValueTaskIds] = ()
    standby_tasks: Array[StreamsGroupCurrentMemberAssignmentValueTaskIds] = ()
    warmup_tasks: Array[StreamsGroupCurrentMemberAssignmentValueTaskIds] = ()
    active_tasks_pending_revocation: Array[StreamsGroupCurrentMemberAssignmentValueTaskIds] = ()
    standby_tasks_pending_revocation: Array[StreamsGroupCurrentMemberAssignmentValueTaskIds] = ()
    warmup_tasks_pending_revocation: Array[StreamsGroupCurrentMemberAssignmentValueTaskIds] = ()


class StreamsGroupTopologyKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 23
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""


class TopicConfig(Struct, frozen=True):
    key: String = ""
    value: String = ""


class TopicInfo(Struct, frozen=True):
    name: String = ""
    partitions: Int32 = 0
    replication_factor: Int16 = 0
    topic_configs: Array[TopicConfig] = ()


class CopartitionGroup(Struct, frozen=True):
    source_topics: Array[Int16] = ()
    source_topic_regex: Array[Int16] = ()
    repartition_source_topics: Array[Int16] = ()


class Subtopology(Struct, frozen=True):
    subtopology_id: String = ""
    source_topics: Array[String] = ()
    source_topic_regex: Array[String] = ()
    state_changelog_topics: Array[TopicInfo] = ()
    repartition_sink_topics: Array[String] = ()
    repartition_source_topics: Array[TopicInfo] = ()
    copartition_groups: Array[CopartitionGroup] = ()


class StreamsGroupTopologyValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 23
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    epoch: Int32 = 0
    subtopologies: Array[Subtopology] = ()
