"""ElectLeaders (API key 43), versions 0-2: elect preferred leaders, or unclean ones on purpose.

Versions
    1 election_type, error_code (KIP-460)    2 flexible
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int8, Int16, Int32, Since, String


class TopicPartitions(Struct, frozen=True):
    topic: String = ""
    partitions: Array[Int32] = ()


class ElectLeadersRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 43
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 2

    election_type: Annotated[Int8, Since(1)] = 0
    """0 preferred, 1 unclean."""
    topic_partitions: Array[TopicPartitions] | None = ()
    """Null stands for all."""
    timeout_ms: Int32 = 60000


class PartitionResult(Struct, frozen=True):
    partition_id: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""


class ReplicaElectionResult(Struct, frozen=True):
    topic: String = ""
    partition_result: Array[PartitionResult] = ()


class ElectLeadersResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 43
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 2

    throttle_time_ms: Int32 = 0
    error_code: Annotated[Int16, Since(1)] = 0
    replica_election_results: Array[ReplicaElectionResult] = ()
