"""DescribeTopicPartitions (API key 75), version 0: page through topics and their partitions, with eligible leader
replicas (KIP-966).
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Boolean, Int16, Int32, String, Uuid


class TopicRequest(Struct, frozen=True):
    name: String = ""


class Cursor(Struct, frozen=True):
    topic_name: String = ""
    partition_index: Int32 = 0


class DescribeTopicPartitionsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 75
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    topics: Array[TopicRequest] = ()
    response_partition_limit: Int32 = 2000
    cursor: Cursor | None = None
    """Where the previous page ended; null for the first."""


class DescribeTopicPartitionsResponsePartition(Struct, frozen=True):
    error_code: Int16 = 0
    partition_index: Int32 = 0
    leader_id: Int32 = 0
    leader_epoch: Int32 = -1
    replica_nodes: Array[Int32] = ()
    isr_nodes: Array[Int32] = ()
    eligible_leader_replicas: Array[Int32] | None = None
    last_known_elr: Array[Int32] | None = None
    offline_replicas: Array[Int32] = ()


class DescribeTopicPartitionsResponseTopic(Struct, frozen=True):
    error_code: Int16 = 0
    name: String | None = ""
    topic_id: Uuid = ZERO_UUID
    is_internal: Boolean = False
    partitions: Array[DescribeTopicPartitionsResponsePartition] = ()
    topic_authorized_operations: Int32 = -0x8000_0000
    """A bit per AclOperation number; the lowest number there is where it was not asked for."""


class DescribeTopicPartitionsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 75
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    topics: Array[DescribeTopicPartitionsResponseTopic] = ()
    next_cursor: Cursor | None = None
    """Null on the last page."""
