"""WriteShareGroupState (API key 85), versions 0-1: store the state of share partitions (KIP-932).

Versions
    1 delivery_complete_count (KIP-1226)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int8, Int16, Int32, Int64, Since, String, Uuid


class StateBatch(Struct, frozen=True):
    first_offset: Int64 = 0
    last_offset: Int64 = 0
    delivery_state: Int8 = 0
    """0 available, 2 acknowledged, 4 archived."""
    delivery_count: Int16 = 0


class PartitionData(Struct, frozen=True):
    partition: Int32 = 0
    state_epoch: Int32 = 0
    leader_epoch: Int32 = 0
    start_offset: Int64 = 0
    delivery_complete_count: Annotated[Int32, Since(1)] = -1
    state_batches: Array[StateBatch] = ()


class WriteStateData(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[PartitionData] = ()


class WriteShareGroupStateRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 85
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    group_id: String = ""
    topics: Array[WriteStateData] = ()


class PartitionResult(Struct, frozen=True):
    partition: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None


class WriteStateResult(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[PartitionResult] = ()


class WriteShareGroupStateResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 85
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    results: Array[WriteStateResult] = ()
