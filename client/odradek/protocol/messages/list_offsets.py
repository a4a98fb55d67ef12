"""ListOffsets (API key 2), versions 1-11: find offsets by timestamp, or the ends of partitions.

Versions
    2 isolation_level, throttle_time_ms    4 current_leader_epoch, leader_epoch (KIP-320)
    5 OFFSET_NOT_AVAILABLE may be answered    6 flexible
    7 timestamp -3, the record with the newest timestamp (KIP-734)
    8 timestamp -4, the start of the local log (KIP-405)
    9 timestamp -5, the end of what is in tiered storage (KIP-1005)    10 timeout_ms (KIP-1075)
    11 timestamp -6, the start of what tiered storage lacks (KIP-1023)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int8, Int16, Int32, Int64, Since, String


class ListOffsetsPartition(Struct, frozen=True):
    partition_index: Int32 = 0
    current_leader_epoch: Annotated[Int32, Since(4)] = -1
    """The leader epoch that the client believes in, -1 where it does not say: the leader refuses another one."""
    timestamp: Int64 = 0
    """Milliseconds: the first record not older; -1 the end, -2 the start, further negative ones by version."""


class ListOffsetsTopic(Struct, frozen=True):
    name: String = ""
    partitions: Array[ListOffsetsPartition] = ()


class ListOffsetsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 2
    VERSIONS: ClassVar[range] = range(1, 12)
    FLEXIBLE: ClassVar[int | None] = 6

    replica_id: Int32 = 0
    """The follower's broker id, -1 for a consumer."""
    isolation_level: Annotated[Int8, Since(2)] = 0
    """0 reads up to the high watermark, 1 (read committed) up to the last stable offset."""
    topics: Array[ListOffsetsTopic] = ()
    timeout_ms: Annotated[Int32, Since(10)] = 0


class ListOffsetsPartitionResponse(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    timestamp: Int64 = -1
    offset: Int64 = -1
    """-1 where no record matches."""
    leader_epoch: Annotated[Int32, Since(4)] = -1


class ListOffsetsTopicResponse(Struct, frozen=True):
    name: String = ""
    partitions: Array[ListOffsetsPartitionResponse] = ()


class ListOffsetsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 2
    VERSIONS: ClassVar[range] = range(1, 12)
    FLEXIBLE: ClassVar[int | None] = 6

    throttle_time_ms: Annotated[Int32, Since(2)] = 0
    topics: Array[ListOffsetsTopicResponse] = ()
