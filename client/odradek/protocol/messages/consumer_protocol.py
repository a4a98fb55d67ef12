"""What consumers of a classic group tell each other through the coordinator, which does not look inside.

A member's metadata in JoinGroup and its assignment in SyncGroup are each an int16 version followed by one of these.

Versions
    1 owned_partitions (KIP-429)    2 generation_id (KIP-792)    3 rack_id (KIP-881)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Bytes, Int32, Since, String


class TopicPartition(Struct, frozen=True):
    topic: String = ""
    partitions: Array[Int32] = ()


class ConsumerProtocolSubscription(Struct, frozen=True):
    VERSIONS: ClassVar[range] = range(4)
    FLEXIBLE: ClassVar[int | None] = None

    topics: Array[String] = ()
    user_data: Bytes | None = None
    owned_partitions: Annotated[Array[TopicPartition], Since(1)] = ()
    generation_id: Annotated[Int32, Since(2)] = -1
    rack_id: Annotated[String | None, Since(3)] = None


class ConsumerProtocolAssignment(Struct, frozen=True):
    VERSIONS: ClassVar[range] = range(4)
    FLEXIBLE: ClassVar[int | None] = None

    assigned_partitions: Array[TopicPartition] = ()
    user_data: Bytes | None = None
