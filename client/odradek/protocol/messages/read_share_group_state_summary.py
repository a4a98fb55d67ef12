"""ReadShareGroupStateSummary (API key 87), versions 0-1: read where share partitions start, without their batches
(KIP-932).

Versions
    1 delivery_complete_count (KIP-1226)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, Int64, Since, String, Uuid


class PartitionData(Struct, frozen=True):
    partition: Int32 = 0
    leader_epoch: Int32 = 0


class ReadStateSummaryData(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[PartitionData] = ()


class ReadShareGroupStateSummaryRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 87
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    group_id: String = ""
    topics: Array[ReadStateSummaryData] = ()


class PartitionResult(Struct, frozen=True):
    partition: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    state_epoch: Int32 = 0
    leader_epoch: Int32 = 0
    start_offset: Int64 = 0
    delivery_complete_count: Annotated[Int32, Since(1)] = -1


class ReadStateSummaryResult(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[PartitionResult] = ()


class ReadShareGroupStateSummaryResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 87
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    results: Array[ReadStateSummaryResult] = ()
