"""ConsumerGroupHeartbeat (API key 68), versions 0-1: join, stay in and leave a group of the new protocol;
assignments come back in the answer (KIP-848).

Versions
    1 subscribed_topic_regex; the member makes up its own id (KIP-1082)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, Since, String, Uuid


class TopicPartitions(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[Int32] = ()


class ConsumerGroupHeartbeatRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 68
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    group_id: String = ""
    member_id: String = ""
    member_epoch: Int32 = 0
    """0 to join, -1 to leave, -2 to leave for a restart of a static member."""
    instance_id: String | None = None
    rack_id: String | None = None
    rebalance_timeout_ms: Int32 = -1
    """-1 where it has not changed."""
    subscribed_topic_names: Array[String] | None = None
    """Null where it has not changed."""
    subscribed_topic_regex: Annotated[String | None, Since(1)] = None
    server_assignor: String | None = None
    topic_partitions: Array[TopicPartitions] | None = None
    """What the member owns; null where it has not changed."""


class Assignment(Struct, frozen=True):
    topic_partitions: Array[TopicPartitions] = ()


class ConsumerGroupHeartbeatResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 68
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    member_id: String | None = None
    member_epoch: Int32 = 0
    heartbeat_interval_ms: Int32 = 0
    assignment: Assignment | None = None
    """Null where it has not changed."""
