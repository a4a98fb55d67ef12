"""ShareGroupHeartbeat (API key 76), version 1: join, stay in and leave a share group (KIP-932)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, String, Uuid


class ShareGroupHeartbeatRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 76
    VERSIONS: ClassVar[range] = range(1, 2)
    FLEXIBLE: ClassVar[int | None] = 0

    group_id: String = ""
    member_id: String = ""
    member_epoch: Int32 = 0
    """0 to join, -1 to leave."""
    rack_id: String | None = None
    subscribed_topic_names: Array[String] | None = None
    """Null where it has not changed."""


class TopicPartitions(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[Int32] = ()


class Assignment(Struct, frozen=True):
    topic_partitions: Array[TopicPartitions] = ()


class ShareGroupHeartbeatResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 76
    VERSIONS: ClassVar[range] = range(1, 2)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    member_id: String | None = None
    member_epoch: Int32 = 0
    heartbeat_interval_ms: Int32 = 0
    assignment: Assignment | None = None
    """Null where it has not changed."""
