"""ReadShareGroupState (API key 84), version 0: read the state of share partitions back (KIP-932)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int8, Int16, Int32, Int64, String, Uuid


class PartitionData(Struct, frozen=True):
    partition: Int32 = 0
    leader_epoch: Int32 = 0


class ReadStateData(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[PartitionData] = ()


class ReadShareGroupStateRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 84
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    group_id: String = ""
    topics: Array[ReadStateData] = ()


class StateBatch(Struct, frozen=True):
    first_offset: Int64 = 0
    last_offset: Int64 = 0
    delivery_state: Int8 = 0
    """0 available, 2 acknowledged, 4 archived."""
    delivery_count: Int16 = 0


class PartitionResult(Struct, frozen=True):
    partition: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    state_epoch: Int32 = 0
    start_offset: Int64 = 0
    state_batches: Array[StateBatch] = ()


class ReadStateResult(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[PartitionResult] = ()


class ReadShareGroupStateResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 84
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    results: Array[ReadStateResult] = ()
