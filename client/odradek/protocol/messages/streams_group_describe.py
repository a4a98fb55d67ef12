"""StreamsGroupDescribe (API key 89), version 0: ask for state, topology and members of streams groups (KIP-1071)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int16, Int32, Int64, String, UInt16


class StreamsGroupDescribeRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 89
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    group_ids: Array[String] = ()
    include_authorized_operations: Boolean = False


class KeyValue(Struct, frozen=True):
    key: String = ""
    value: String = ""


class TopicInfo(Struct, frozen=True):
    name: String = ""
    partitions: Int32 = 0
    replication_factor: Int16 = 0
    topic_configs: Array[KeyValue] = ()


class Subtopology(Struct, frozen=True):
    subtopology_id: String = ""
    source_topics: Array[String] = ()
    repartition_sink_topics: Array[String] = ()
    state_changelog_topics: Array[TopicInfo] = ()
    repartition_source_topics: Array[TopicInfo] = ()


class Topology(Struct, frozen=True):
    epoch: Int32 = 0
    subtopologies: Array[Subtopology] | None = None


class Endpoint(Struct, frozen=True):
    host: String = ""
    port: UInt16 = 0


class TaskOffset(Struct, frozen=True):
    subtopology_id: String = ""
    partition: Int32 = 0
    offset: Int64 = 0


class TaskIds(Struct, frozen=True):
    subtopology_id: String = ""
    partitions: Array[Int32] = ()


class Assignment(Struct, frozen=True):
    active_tasks: Array[TaskIds] = ()
    standby_tasks: Array[TaskIds] = ()
    warmup_tasks: Array[TaskIds] = ()


class Member(Struct, frozen=True):
    member_id: String = ""
    member_epoch: Int32 = 0
    instance_id: String | None = None
    rack_id: String | None = None
    client_id: String = ""
    client_host: String = ""
    topology_epoch: Int32 = 0
    process_id: String = ""
    user_endpoint: Endpoint | None = None
    client_tags: Array[KeyValue] = ()
    task_offsets: Array[TaskOffset] = ()
    task_end_offsets: Array[TaskOffset] = ()
    assignment: Assignment = Assignment()
    target_assignment: Assignment = Assignment()
    is_classic: Boolean = False


class DescribedGroup(Struct, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = None
    group_id: String = ""
    group_state: String = ""
    group_epoch: Int32 = 0
    assignment_epoch: Int32 = 0
    topology: Topology | None = None
    members: Array[Member] = ()
    authorized_operations: Int32 = -0x8000_0000
    """A bit per AclOperation number; the lowest number there is where it was not asked for."""


class StreamsGroupDescribeResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 89
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    groups: Array[DescribedGroup] = ()
