"""Produce (API key 0), versions 3-13: append record batches to partitions.

A request with acks=0 gets no response at all. Brokers advertise versions from 0, because old librdkafka looks there,
but answer none below 3.

Versions
    4 KAFKA_STORAGE_ERROR may be answered    5 log_start_offset    7 zstd may be used (KIP-110)
    8 record_errors, error_message (KIP-467)    9 flexible    10 current_leader, node_endpoints (KIP-951)
    11 TRANSACTION_ABORTABLE may be answered (KIP-890)
    12 within a transaction the partitions add themselves (KIP-890)    13 topic_id instead of name (KIP-516)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, Int64, Records, Since, String, Tag, Until, Uuid


class PartitionProduceData(Struct, frozen=True):
    index: Int32 = 0
    records: Records | None = None


class TopicProduceData(Struct, frozen=True):
    name: Annotated[String, Until(12)] = ""
    topic_id: Annotated[Uuid, Since(13)] = ZERO_UUID
    partition_data: Array[PartitionProduceData] = ()


class ProduceRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 0
    VERSIONS: ClassVar[range] = range(3, 14)
    FLEXIBLE: ClassVar[int | None] = 9

    transactional_id: String | None = None
    acks: Int16 = 0
    """0: no answer is wanted; 1: the leader has it; -1: all in-sync replicas have it."""
    timeout_ms: Int32 = 0
    topic_data: Array[TopicProduceData] = ()


class BatchIndexAndErrorMessage(Struct, frozen=True):
    batch_index: Int32 = 0
    batch_index_error_message: String | None = None


class LeaderIdAndEpoch(Struct, frozen=True):
    leader_id: Int32 = -1
    leader_epoch: Int32 = -1


class PartitionProduceResponse(Struct, frozen=True):
    index: Int32 = 0
    error_code: Int16 = 0
    base_offset: Int64 = 0
    """The offset of the first record; the original one where the batch is a duplicate."""
    log_append_time_ms: Int64 = -1
    """-1 unless the topic stamps records with the time of the append."""
    log_start_offset: Annotated[Int64, Since(5)] = -1
    record_errors: Annotated[Array[BatchIndexAndErrorMessage], Since(8)] = ()
    error_message: Annotated[String | None, Since(8)] = None
    current_leader: Annotated[LeaderIdAndEpoch, Since(10), Tag(0)] = LeaderIdAndEpoch()
    """Filled in with NOT_LEADER_OR_FOLLOWER: whom to ask instead."""


class TopicProduceResponse(Struct, frozen=True):
    name: Annotated[String, Until(12)] = ""
    topic_id: Annotated[Uuid, Since(13)] = ZERO_UUID
    partition_responses: Array[PartitionProduceResponse] = ()


class NodeEndpoint(Struct, frozen=True):
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    rack: String | None = None


class ProduceResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 0
    VERSIONS: ClassVar[range] = range(3, 14)
    FLEXIBLE: ClassVar[int | None] = 9

    responses: Array[TopicProduceResponse] = ()
    throttle_time_ms: Int32 = 0
    node_endpoints: Annotated[Array[NodeEndpoint], Since(10), Tag(0)] = ()
