"""Metadata (API key 3), versions 0-13: ask for brokers, the controller, topics and their partitions.

Versions
    1 null topics mean all, none means none; rack, controller_id, is_internal    2 cluster_id    3 throttle_time_ms
    4 allow_auto_topic_creation    5 offline_replicas    7 leader_epoch (KIP-320)
    8 include_cluster_authorized_operations, include_topic_authorized_operations, topic_authorized_operations,
      cluster_authorized_operations (KIP-430)
    9 flexible    10 topic_id (KIP-516)    11 the cluster's authorized operations move to DescribeCluster (KIP-700)
    12 topics may be asked for by id    13 error_code (KIP-1102)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Boolean, Int16, Int32, NullableSince, Since, String, Until, Uuid


class MetadataRequestTopic(Struct, frozen=True):
    topic_id: Annotated[Uuid, Since(10)] = ZERO_UUID
    name: Annotated[String | None, NullableSince(10)] = ""


class MetadataRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 3
    VERSIONS: ClassVar[range] = range(14)
    FLEXIBLE: ClassVar[int | None] = 9

    topics: Annotated[Array[MetadataRequestTopic] | None, NullableSince(1)] = ()
    """Null asks for all topics, from version 1 on; in version 0 an empty list does."""
    allow_auto_topic_creation: Annotated[Boolean, Since(4)] = True
    include_cluster_authorized_operations: Annotated[Boolean, Since(8), Until(10)] = False
    include_topic_authorized_operations: Annotated[Boolean, Since(8)] = False


class MetadataResponseBroker(Struct, frozen=True):
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    rack: Annotated[String | None, Since(1)] = None


class MetadataResponsePartition(Struct, frozen=True):
    error_code: Int16 = 0
    partition_index: Int32 = 0
    leader_id: Int32 = 0
    leader_epoch: Annotated[Int32, Since(7)] = -1
    replica_nodes: Array[Int32] = ()
    isr_nodes: Array[Int32] = ()
    offline_replicas: Annotated[Array[Int32], Since(5)] = ()


class MetadataResponseTopic(Struct, frozen=True):
    error_code: Int16 = 0
    name: Annotated[String | None, NullableSince(12)] = ""
    topic_id: Annotated[Uuid, Since(10)] = ZERO_UUID
    is_internal: Annotated[Boolean, Since(1)] = False
    partitions: Array[MetadataResponsePartition] = ()
    topic_authorized_operations: Annotated[Int32, Since(8)] = -0x8000_0000
    """A bit per AclOperation number; the lowest number there is where it was not asked for."""


class MetadataResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 3
    VERSIONS: ClassVar[range] = range(14)
    FLEXIBLE: ClassVar[int | None] = 9

    throttle_time_ms: Annotated[Int32, Since(3)] = 0
    brokers: Array[MetadataResponseBroker] = ()
    cluster_id: Annotated[String | None, Since(2)] = None
    controller_id: Annotated[Int32, Since(1)] = -1
    topics: Array[MetadataResponseTopic] = ()
    cluster_authorized_operations: Annotated[Int32, Since(8), Until(10)] = -0x8000_0000
    """A bit per AclOperation number; the lowest number there is where it was not asked for."""
    error_code: Annotated[Int16, Since(13)] = 0
