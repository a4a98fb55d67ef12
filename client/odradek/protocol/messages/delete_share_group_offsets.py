"""DeleteShareGroupOffsets (API key 92), version 0: delete the offsets of a share group for whole topics (KIP-932)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, String, Uuid


class DeleteShareGroupOffsetsRequestTopic(Struct, frozen=True):
    topic_name: String = ""


class DeleteShareGroupOffsetsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 92
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    group_id: String = ""
    topics: Array[DeleteShareGroupOffsetsRequestTopic] = ()


class DeleteShareGroupOffsetsResponseTopic(Struct, frozen=True):
    topic_name: String = ""
    topic_id: Uuid = ZERO_UUID
    error_code: Int16 = 0
    error_message: String | None = None


class DeleteShareGroupOffsetsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 92
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    responses: Array[DeleteShareGroupOffsetsResponseTopic] = ()
