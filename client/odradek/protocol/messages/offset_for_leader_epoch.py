"""OffsetForLeaderEpoch (API key 23), versions 2-4: ask where a leader epoch ends in the leader's log (KIP-101,
KIP-320).

Versions
    3 replica_id    4 flexible
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, Int32, Int64, Since, String


class OffsetForLeaderPartition(Struct, frozen=True):
    partition: Int32 = 0
    current_leader_epoch: Int32 = -1
    """The leader epoch that the client believes in, -1 where it does not say: the leader refuses another one."""
    leader_epoch: Int32 = 0


class OffsetForLeaderTopic(Struct, frozen=True):
    topic: String = ""
    partitions: Array[OffsetForLeaderPartition] = ()


class OffsetForLeaderEpochRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 23
    VERSIONS: ClassVar[range] = range(2, 5)
    FLEXIBLE: ClassVar[int | None] = 4

    replica_id: Annotated[Int32, Since(3)] = -2
    """The follower's broker id, -1 for a consumer, -2 for a tool that may see beyond the high watermark."""
    topics: Array[OffsetForLeaderTopic] = ()


class EpochEndOffset(Struct, frozen=True):
    error_code: Int16 = 0
    partition: Int32 = 0
    leader_epoch: Int32 = -1
    """The largest epoch not above the one asked for; -1 where there is none."""
    end_offset: Int64 = -1


class OffsetForLeaderTopicResult(Struct, frozen=True):
    topic: String = ""
    partitions: Array[EpochEndOffset] = ()


class OffsetForLeaderEpochResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 23
    VERSIONS: ClassVar[range] = range(2, 5)
    FLEXIBLE: ClassVar[int | None] = 4

    throttle_time_ms: Int32 = 0
    topics: Array[OffsetForLeaderTopicResult] = ()
