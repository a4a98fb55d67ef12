"""ListPartitionReassignments (API key 46), version 0: list the moves of partitions that are under way (KIP-455)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, Int32, String


class ListPartitionReassignmentsTopics(Struct, frozen=True):
    name: String = ""
    partition_indexes: Array[Int32] = ()


class ListPartitionReassignmentsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 46
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    timeout_ms: Int32 = 60000
    topics: Array[ListPartitionReassignmentsTopics] | None = None
    """Null asks for all."""


class OngoingPartitionReassignment(Struct, frozen=True):
    partition_index: Int32 = 0
    replicas: Array[Int32] = ()
    adding_replicas: Array[Int32] = ()
    removing_replicas: Array[Int32] = ()


class OngoingTopicReassignment(Struct, frozen=True):
    name: String = ""
    partitions: Array[OngoingPartitionReassignment] = ()


class ListPartitionReassignmentsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 46
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""
    topics: Array[OngoingTopicReassignment] = ()
