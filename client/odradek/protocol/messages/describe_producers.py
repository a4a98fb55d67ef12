"""DescribeProducers (API key 61), version 0: list the producers that a partition knows (KIP-664)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, Int32, Int64, String


class TopicRequest(Struct, frozen=True):
    name: String = ""
    partition_indexes: Array[Int32] = ()


class DescribeProducersRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 61
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    topics: Array[TopicRequest] = ()


class ProducerState(Struct, frozen=True):
    producer_id: Int64 = 0
    producer_epoch: Int32 = 0
    last_sequence: Int32 = -1
    last_timestamp: Int64 = -1
    coordinator_epoch: Int32 = 0
    current_txn_start_offset: Int64 = -1


class PartitionResponse(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    active_producers: Array[ProducerState] = ()


class TopicResponse(Struct, frozen=True):
    name: String = ""
    partitions: Array[PartitionResponse] = ()


class DescribeProducersResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 61
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    topics: Array[TopicResponse] = ()
