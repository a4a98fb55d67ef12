"""DeleteShareGroupState (API key 86), version 0: delete the state of share partitions (KIP-932)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, String, Uuid


class PartitionData(Struct, frozen=True):
    partition: Int32 = 0


class DeleteStateData(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[PartitionData] = ()


class DeleteShareGroupStateRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 86
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    group_id: String = ""
    topics: Array[DeleteStateData] = ()


class PartitionResult(Struct, frozen=True):
    partition: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None


class DeleteStateResult(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[PartitionResult] = ()


class DeleteShareGroupStateResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 86
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    results: Array[DeleteStateResult] = ()
