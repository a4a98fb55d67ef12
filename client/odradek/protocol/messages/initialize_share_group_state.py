"""InitializeShareGroupState (API key 83), version 0: make room for the state of share partitions at their share
coordinator (KIP-932).
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, Int64, String, Uuid


class PartitionData(Struct, frozen=True):
    partition: Int32 = 0
    state_epoch: Int32 = 0
    start_offset: Int64 = 0


class InitializeStateData(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[PartitionData] = ()


class InitializeShareGroupStateRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 83
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    group_id: String = ""
    topics: Array[InitializeStateData] = ()


class PartitionResult(Struct, frozen=True):
    partition: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None


class InitializeStateResult(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[PartitionResult] = ()


class InitializeShareGroupStateResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 83
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    results: Array[InitializeStateResult] = ()
