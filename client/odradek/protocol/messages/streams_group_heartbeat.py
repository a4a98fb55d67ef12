"""StreamsGroupHeartbeat (API key 88), version 0: join, stay in and leave a streams group; tasks come back in the
answer (KIP-1071).
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int8, Int16, Int32, Int64, String, UInt16


class KeyValue(Struct, frozen=True):
    key: String = ""
    value: String = ""


class TopicInfo(Struct, frozen=True):
    name: String = ""
    partitions: Int32 = 0
    replication_factor: Int16 = 0
    topic_configs: Array[KeyValue] = ()


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


class Topology(Struct, frozen=True):
    epoch: Int32 = 0
    subtopologies: Array[Subtopology] = ()


class TaskIds(Struct, frozen=True):
    subtopology_id: String = ""
    partitions: Array[Int32] = ()


class Endpoint(Struct, frozen=True):
    host: String = ""
    port: UInt16 = 0


class TaskOffset(Struct, frozen=True):
    subtopology_id: String = ""
    partition: Int32 = 0
    offset: Int64 = 0


class StreamsGroupHeartbeatRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 88
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    group_id: String = ""
    member_id: String = ""
    member_epoch: Int32 = 0
    endpoint_information_epoch: Int32 = 0
    instance_id: String | None = None
    rack_id: String | None = None
    rebalance_timeout_ms: Int32 = -1
    topology: Topology | None = None
    active_tasks: Array[TaskIds] | None = None
    standby_tasks: Array[TaskIds] | None = None
    warmup_tasks: Array[TaskIds] | None = None
    process_id: String | None = None
    user_endpoint: Endpoint | None = None
    client_tags: Array[KeyValue] | None = None
    task_offsets: Array[TaskOffset] | None = None
    task_end_offsets: Array[TaskOffset] | None = None
    shutdown_application: Boolean = False


class Status(Struct, frozen=True):
    status_code: Int8 = 0
    status_detail: String = ""


class TopicPartition(Struct, frozen=True):
    topic: String = ""
    partitions: Array[Int32] = ()


class EndpointToPartitions(Struct, frozen=True):
    user_endpoint: Endpoint = Endpoint()
    active_partitions: Array[TopicPartition] = ()
    standby_partitions: Array[TopicPartition] = ()


class StreamsGroupHeartbeatResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 88
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    member_id: String = ""
    member_epoch: Int32 = 0
    heartbeat_interval_ms: Int32 = 0
    acceptable_recovery_lag: Int32 = 0
    task_offset_interval_ms: Int32 = 0
    status: Array[Status] | None = ()
    active_tasks: Array[TaskIds] | None = None
    standby_tasks: Array[TaskIds] | None = None
    warmup_tasks: Array[TaskIds] | None = None
    endpoint_information_epoch: Int32 = 0
    partitions_by_user_endpoint: Array[EndpointToPartitions] | None = None
