"""DescribeQuorum (API key 55), versions 0-2: ask how the controllers' quorum stands.

Versions
    1 last_fetch_timestamp, last_caught_up_timestamp (KIP-836)
    2 error_message, replica_directory_id, nodes (KIP-853)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, Int64, Since, String, UInt16, Uuid


class DescribeQuorumRequestPartitionData(Struct, frozen=True):
    partition_index: Int32 = 0


class DescribeQuorumRequestTopicData(Struct, frozen=True):
    topic_name: String = ""
    partitions: Array[DescribeQuorumRequestPartitionData] = ()


class DescribeQuorumRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 55
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 0

    topics: Array[DescribeQuorumRequestTopicData] = ()


class ReplicaState(Struct, frozen=True):
    replica_id: Int32 = 0
    replica_directory_id: Annotated[Uuid, Since(2)] = ZERO_UUID
    log_end_offset: Int64 = 0
    last_fetch_timestamp: Annotated[Int64, Since(1)] = -1
    last_caught_up_timestamp: Annotated[Int64, Since(1)] = -1


class DescribeQuorumResponsePartitionData(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    error_message: Annotated[String | None, Since(2)] = ""
    leader_id: Int32 = 0
    leader_epoch: Int32 = 0
    high_watermark: Int64 = 0
    current_voters: Array[ReplicaState] = ()
    observers: Array[ReplicaState] = ()


class DescribeQuorumResponseTopicData(Struct, frozen=True):
    topic_name: String = ""
    partitions: Array[DescribeQuorumResponsePartitionData] = ()


class Listener(Struct, frozen=True):
    name: String = ""
    host: String = ""
    port: UInt16 = 0


class Node(Struct, frozen=True):
    node_id: Int32 = 0
    listeners: Array[Listener] = ()


class DescribeQuorumResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 55
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 0

    error_code: Int16 = 0
    error_message: Annotated[String | None, Since(2)] = ""
    topics: Array[DescribeQuorumResponseTopicData] = ()
    nodes: Annotated[Array[Node], Since(2)] = ()
