"""AlterPartition (API key 56), versions 2-3: propose a new set of in-sync replicas, from a partition's leader to the
controller.

Versions
    3 new_isr_with_epochs instead of new_isr (KIP-903)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int8, Int16, Int32, Int64, Since, Until, Uuid


class BrokerState(Struct, frozen=True):
    broker_id: Int32 = 0
    broker_epoch: Int64 = -1
    """-1 where the leader does not know it."""


class AlterPartitionRequestPartitionData(Struct, frozen=True):
    partition_index: Int32 = 0
    leader_epoch: Int32 = 0
    new_isr: Annotated[Array[Int32], Until(2)] = ()
    new_isr_with_epochs: Annotated[Array[BrokerState], Since(3)] = ()
    leader_recovery_state: Int8 = 0
    """1 while the leader still recovers from an unclean election."""
    partition_epoch: Int32 = 0
    """The change is made only if this is the partition's epoch still."""


class AlterPartitionRequestTopicData(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[AlterPartitionRequestPartitionData] = ()


class AlterPartitionRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 56
    VERSIONS: ClassVar[range] = range(2, 4)
    FLEXIBLE: ClassVar[int | None] = 0

    broker_id: Int32 = 0
    broker_epoch: Int64 = -1
    topics: Array[AlterPartitionRequestTopicData] = ()


class AlterPartitionResponsePartitionData(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    leader_id: Int32 = 0
    leader_epoch: Int32 = 0
    isr: Array[Int32] = ()
    leader_recovery_state: Int8 = 0
    partition_epoch: Int32 = 0


class AlterPartitionResponseTopicData(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[AlterPartitionResponsePartitionData] = ()


class AlterPartitionResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 56
    VERSIONS: ClassVar[range] = range(2, 4)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    topics: Array[AlterPartitionResponseTopicData] = ()
