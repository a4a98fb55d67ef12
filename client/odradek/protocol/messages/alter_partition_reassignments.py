"""AlterPartitionReassignments (API key 45), versions 0-1: move partitions to other replicas, or call a move off
(KIP-455).

Versions
    1 allow_replication_factor_change (KIP-860)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int16, Int32, Since, String


class ReassignablePartition(Struct, frozen=True):
    partition_index: Int32 = 0
    replicas: Array[Int32] | None = None
    """Null calls a move off."""


class ReassignableTopic(Struct, frozen=True):
    name: String = ""
    partitions: Array[ReassignablePartition] = ()


class AlterPartitionReassignmentsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 45
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    timeout_ms: Int32 = 60000
    allow_replication_factor_change: Annotated[Boolean, Since(1)] = True
    topics: Array[ReassignableTopic] = ()


class ReassignablePartitionResponse(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""


class ReassignableTopicResponse(Struct, frozen=True):
    name: String = ""
    partitions: Array[ReassignablePartitionResponse] = ()


class AlterPartitionReassignmentsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 45
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    allow_replication_factor_change: Annotated[Boolean, Since(1)] = True
    error_code: Int16 = 0
    error_message: String | None = ""
    responses: Array[ReassignableTopicResponse] = ()
